"""What models of tables share: the layout of columns, and results as tables."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arch.base import Code
from ...arch.dense import Dense
from ...base.sklearn import _other_names
from ...data.arrays import Data
from ...data.batches import Batch, Batches, Condition, Input
from ...data.tables import Layout, Table
from ...data.tables.samples import TableData, TableNoise
from ...losses.mixed import Mixed, Scales, Usual
from ...nn.columns import Columns
from ...nn.containers import Sequential
from ...nn.module import Module
from ...penalties import check_encoder
from ...training.network import Network
from ..base.coding import BaseAutoencoder
from ..base.estimator import INFERENCE_BATCH, fitted

if TYPE_CHECKING:
    from typing_extensions import Self

GROUPS = 8  # of columns that are hidden together where cells are scored


class TableModel(BaseAutoencoder):
    """A model of the rows of tables, put before `Autoencoder` or one of its kin."""

    hidden: float
    categorical: Sequence[Any]

    loss = "mixed"
    tied = False
    pretrain_epochs = 0
    _losses = ("mixed",)
    _takes_lengths = False
    _layout: Layout  # what `_modules` builds for

    # ---- what scikit-learn asks -----------------------------------------------------------------

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
        return tags

    # ---- what it is made of ---------------------------------------------------------------------

    def _check_params(self) -> None:
        if self.arch is not None and not isinstance(self.arch, Dense):
            raise TypeError(
                "arch: the columns of a table have no order; expected None or Dense(...), got "
                f"{self.arch!r}"
            )
        if not isinstance(self.categorical, (list, tuple, np.ndarray)):
            raise TypeError(f"categorical: expected a list of columns, got {self.categorical!r}")
        super()._check_params()

    def _corruptions(self) -> tuple[Any, ...]:
        levels = self._network.table.levels if self.__sklearn_is_fitted__() else ()
        return (TableNoise(self.hidden, self.corruption, levels),)

    def _modules(self, shape: tuple[int, ...], condition: int) -> dict[str, Module]:
        layout = self._layout
        columns, loss = Columns(layout.levels), Mixed(layout.levels, layout.surprise)
        code = self._code()
        arch = Dense() if self.arch is None else self.arch
        encoder = Sequential(columns, *arch.down(columns.features, code.outputs))
        decoder = Sequential(*arch.up(code.inputs, loss.outputs))
        check_encoder(self.penalty, encoder)
        scales = {"scales": Scales(len(loss.numeric))} if len(loss.numeric) else {}
        usual = Usual(len(layout.levels))
        return {"encoder": encoder, "decoder": decoder, **scales, "usual": usual}

    def _code(self) -> Code:
        """Return the widths of what the encoder gives and the decoder takes."""
        raise NotImplementedError

    @property
    def _loss(self) -> Mixed:
        network = self._fitted()
        layout = network.table
        return Mixed(layout.levels, layout.surprise, getattr(network, "scales", None))

    # ---- tables in ------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        X_val: Any = None,
        sample_mask: Any = None,
        resume: bool = False,
    ) -> Self:
        """Learn the kinds of the columns, and train on the rows.

        Parameters
        ----------
        X : DataFrame, structured array, or array-like of shape (N, C)
            A data frame is one of pandas or polars, or of another library if pandas can read it.
            Missing cells are NaN, None, NaT or pandas.NA, and empty strings in arrays of strings of
            a fixed width.
        y : ignored
        X_val : like X, optional
            Rows to measure after each epoch, in place of ``validation_fraction``.
        sample_mask : array-like of bool, shape (N, C), optional
            False where a cell counts as missing.
        resume : bool
            Whether to go on from the file of ``checkpoint``, if there is one, as in `Autoencoder`.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For parameters or cells that make no sense, before anything changes.
        FloatingPointError
            If the loss stops being finite; the model is left in its last finite state.
        """
        return super().fit(X, y, X_val=X_val, sample_mask=sample_mask, resume=resume)

    def _check_data(self, data: Data, name: str) -> None:
        """Take what the layout has read."""

    def _read_training(self, X: Any, y: Any, sample_mask: Any, resume: bool) -> tuple[None, Input]:
        if resume:
            return None, Input(self._samples(X, sample_mask))
        table = Table(X, sample_mask)
        layout = Layout.learn(table, self.categorical)
        if max(layout.levels) < 0:
            raise ValueError(f"{table.name}: expected a cell that isn't missing, got none")
        return None, Input(TableData(layout.matrix(table), layout, _names(table.names)))

    def _read_validation(self, X_val: Any, given: Input, conditioner: Any) -> Batches | None:
        if X_val is None:
            return None
        if self.validation_fraction:
            raise ValueError("X_val: expected None where validation_fraction is more than 0")
        if isinstance(X_val, tuple):
            raise TypeError("X_val: expected a table, got a tuple: tables have no y")
        assert isinstance(given.data, TableData)
        data = self._data(given.data.layout, Table(X_val, name="X_val"))
        return Input(data).batches(INFERENCE_BATCH)

    def _data(self, layout: Layout, table: Table) -> TableData:
        """Return a table's cells as a layout that was learned before numbers them."""
        places = layout.places(table)
        if places is None and None not in (table.names, layout.names):
            if table.names != layout.names:
                both = (np.array(n, dtype=object) for n in (layout.names, table.names))
                raise ValueError(_other_names(*both))
        if table.shape[1] != len(layout.columns):
            raise ValueError(
                f"{table.name} has {table.shape[1]} features, but {type(self).__name__} is "
                f"expecting {len(layout.columns)} features as input."
            )
        names = table.names and (layout.names or table.names)
        return TableData(layout.matrix(table, places), layout, _names(names))

    def _samples(self, X: Any, sample_mask: Any = None) -> TableData:
        data = self._data(self._fitted().table, Table(X, sample_mask))
        self._check_names(data)
        return data

    def _sample(self, name: str, x: Any) -> np.ndarray:
        """Return the cells (C,) of a table of one row, or of a row."""
        if hasattr(x, "to_frame") and not hasattr(x, "columns"):  # of a data frame of pandas
            x = x.to_frame().T
        if isinstance(x, np.void):  # of a structured array
            x = np.array([x], x.dtype)
        elif isinstance(x, (np.ndarray, list, tuple)) and np.ndim(x) == 1:
            named = isinstance(x, np.ndarray) and x.dtype.names is not None
            x = x if named else [x] if not isinstance(x, np.ndarray) else x[None]
        table = Table(x, name=name)
        if len(table) != 1:
            raise ValueError(f"{name}: expected one row of a table, got {len(table)}")
        data = self._data(self._network.table, table)
        return next(data.blocks())[1][0]

    def _few(self, X: list[np.ndarray]) -> TableData:
        return TableData(np.stack(X), self._network.table)

    # ---- training -------------------------------------------------------------------------------

    def _start(self, conditioner: Any, given: Input, *others: Data) -> None:
        assert isinstance(given.data, TableData)
        self._layout = given.data.layout
        try:
            super()._start(conditioner, given, *others)
        finally:
            del self._layout

    def _finish_initializing(self, network: Network, given: Input) -> None:
        network.table = self._layout

    def _reconstruction(
        self, output: np.ndarray, batch: Batch
    ) -> tuple[np.ndarray, dict[str, float]]:
        """Return the gradient of the mean loss, and its terms by kind of column."""
        scratch, n, loss = self._network.scratch, batch.n, self._loss
        grad, weight = scratch("grad", output.shape), scratch("weight", (n,))
        weight.fill(1 / n)
        nats = loss.cells(grad, weight, output, batch.target)
        self._note_usual(nats, batch)
        total = float(nats.sum(dtype=np.float64))
        mse = loss.squared_error(output, batch.target, batch.mask, scratch, grad)
        return grad, {"loss": total, "recon": total, **loss.by_kind(nats), "mse": mse}

    def _note_usual(self, nats: np.ndarray, batch: Batch) -> None:
        """Note what cells cost in training: hidden ones, if the model hides any."""
        counted = ~np.isnan(batch.target)
        if self._hides:
            counted &= np.isnan(batch.x)
        self._network.usual.note(nats, counted, batch.epoch == self._network.epoch)

    @property
    def _hides(self) -> bool:
        return self._corruptions()[0].rate > 0

    # ---- tables out -----------------------------------------------------------------------------

    @fitted
    def reconstruct(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> Any:
        """Encode rows and decode them again, without noise.

        Parameters
        ----------
        X, sample_mask
            As in `transform`.
        y : ignored

        Returns
        -------
        The container that `fit` was given, shape (N, C)
            Numbers as the decoder gives them, of categories the likeliest level.
        """
        given = self._input(X, y, sample_mask)
        return self._network.table.table(self._rebuilt(given))

    def _rebuilt(self, given: Input) -> np.ndarray:
        """Return the likeliest cells (N, C), as the layout numbers them."""
        out = np.empty((len(given.data), given.data.features), np.float32)
        for rows, batch in self._chunks(given):
            output, _ = self._terms(batch)
            self._loss.to_data(output, out[rows])
        return out

    def _generated(self, codes: np.ndarray, condition: Condition | None, decode: Any) -> Any:
        return self._network.table.table(super()._generated(codes, condition, decode))

    def _drawn(self, z: np.ndarray, condition: Condition | None, seed: int) -> Any:
        """Draw the cells too: levels by their probabilities, numbers with their deviation."""
        network, loss = self._network, self._loss
        parts = [
            network.decode(np.ascontiguousarray(z[start : start + INFERENCE_BATCH])).copy()
            for start in range(0, len(z), INFERENCE_BATCH)
        ]
        output = np.concatenate(parts) if parts else np.empty((0, loss.outputs), np.float32)
        return network.table.table(loss.draw(output, seed))

    @fitted
    def impute(self, X: Any, *, sample_mask: Any = None) -> Any:
        """Fill in what is missing.

        Parameters
        ----------
        X : DataFrame, structured array or matrix
        sample_mask : array-like of bool, shape (N, C), optional
            False where a cell counts as missing.

        Returns
        -------
        The container of X
            Cells that are there are given back as they came. Numbers are the decoder's, within the
            range seen in fit and whole where all were; of categories it is the likeliest level.
            A column without a single cell in fit stays as it is.
        """
        rebuilt = self._rebuilt(Input(self._samples(X, sample_mask)))
        return self._network.table.filled(Table(X, sample_mask), rebuilt)

    @fitted
    def score_cells(self, X: Any, *, sample_mask: Any = None) -> np.ndarray:
        """Return how odd each cell is beside the others of its row.

        That is what the cell costs (see `errors`) less what its column's cells cost on average in
        training, in units of their deviation: about 0 for a usual cell of any column, and large for
        an odd one. If the model hides cells in training (``hidden``), a cell is hidden from the
        encoder when it is scored, so that it can't explain itself; an eighth of the columns at a
        time, or each by itself where there are no more than eight.

        Parameters
        ----------
        X, sample_mask
            As in `transform`.

        Returns
        -------
        ndarray of float32, shape (N, C)
            0 for missing cells.
        """
        given = self._input(X, None, sample_mask)
        out = np.zeros((len(given.data), given.data.features), np.float32)
        for rows, batch in self._chunks(given):
            nats = self._nats_of_hidden(batch) if self._hides else self._nats(batch, batch.x)
            scores = self._network.usual.standardized(nats)
            np.copyto(out[rows], scores, where=~np.isnan(batch.target), casting="same_kind")
        return out

    def _nats(self, batch: Batch, x: np.ndarray) -> np.ndarray:
        """Return what the cells of a batch cost (n, C) where x is what the encoder sees."""
        seen = copy.copy(batch)
        seen.x = x
        return self._loss.cells(None, None, self._terms(seen)[0], batch.target)

    def _nats_of_hidden(self, batch: Batch) -> np.ndarray:
        """Return what each cell of a batch costs (n, C) where the encoder doesn't see it."""
        out, groups = np.empty(batch.x.shape, np.float32), min(GROUPS, batch.x.shape[1])
        for g in range(groups):
            x = batch.x.copy()
            x[:, g::groups] = np.nan
            out[:, g::groups] = self._nats(batch, x)[:, g::groups]
        return out


def _names(names: list[str] | None) -> np.ndarray | None:
    return None if names is None else np.array(names, dtype=object)
