"""What models of tables share: the layout of columns, and results as tables."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from ...arch.base import Code
from ...arch.dense import Dense
from ...base import checks
from ...data.batches import Batch, Input
from ...data.readers import Reader
from ...data.rows import Rows, joined
from ...data.tables import Layout, Table, frames
from ...data.tables.reader import HISTOGRAM, TableReader
from ...data.tables.samples import TableNoise
from ...losses.mixed import CellStatistics, Mixed, Scales
from ...nn.columns import Columns
from ...nn.containers import Sequential
from ...nn.init import use_init
from ...nn.module import Module
from ...penalties import check_encoder
from ...training.loop import Phase
from ...training.network import Network
from ..base.coding import BaseAutoencoder
from ..base.model import fitted

if TYPE_CHECKING:
    from typing_extensions import Self

NUMBERS = ("normal", HISTOGRAM)
GROUPS = 8  # of columns that are hidden together where cells are scored

# The loss of each network, whose layout and scales never change: a batch asks for it twice.
_losses: WeakKeyDictionary[Network, Mixed] = WeakKeyDictionary()


class TableModel(BaseAutoencoder):
    """A model of the rows of tables, put before `Autoencoder` or one of its kin.

    Parameters
    ----------
    arch : Dense or None
        The architecture behind the columns.
    categorical : list of str or int
        Columns of numbers that are categories, by name or place.
    numbers : {"histogram", "normal"}
        What is learned of a cell that is a number, given a code: the probabilities of up to 64
        bins, which hold equally many of the column's numbers in fit, and of single numbers that are
        frequent; or the mean of a normal distribution, whose deviation is the column's.
    hidden : float
        The share of the cells that is hidden from the encoder in training, others in every batch.
        Without any, the model isn't trained to fill in missing cells.
    corruption : SwapNoise, GaussianNoise, Masking or None
        What else is done to the encoder's input in training. Noise is added to numbers alone, in
        units of a column's deviation; masking hides cells, as ``hidden`` does.
    """

    hidden: float
    categorical: Sequence[Any]
    numbers: str

    loss = "mixed"
    tied = False
    pretrain_epochs = 0
    _losses = ("mixed",)
    _no_target = "whose target is the table itself"
    _reader = TableReader

    # ---- scikit-learn's tags ---------------------------------------------------------------------

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False  # a column of zeros that aren't stored has no type
        tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
        return tags

    # ---- what it is made of ---------------------------------------------------------------------

    def _check_params(self) -> None:
        if self.arch is not None and not isinstance(self.arch, Dense):
            raise TypeError(
                "arch: expected None or Dense(...), as the columns of a table have no order, got "
                f"{self.arch!r}"
            )
        if not isinstance(self.categorical, (list, tuple, np.ndarray)):
            raise TypeError(f"categorical: expected a list of columns, got {self.categorical!r}")
        checks.choice("numbers", self.numbers, NUMBERS)
        super()._check_params()

    def _corruptions(self) -> tuple[Any, ...]:
        levels = self._layout.levels if self.__sklearn_is_fitted__() else ()
        return (TableNoise(self.hidden, self.corruption, levels),)

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        assert isinstance(reader, TableReader)
        layout = reader.layout
        columns = Columns(layout.levels)
        loss = Mixed(layout.levels, layout.surprise, None, layout.binned)
        code = Code(self._encoder_outputs, self.latent_dim)
        arch = Dense() if self.arch is None else self.arch
        encoder = Sequential(columns, *arch.down(columns.features, code.outputs))
        decoder = Sequential(*arch.up(code.inputs, loss.outputs))
        for module in (encoder, decoder):
            use_init(module, self.init or arch.usual_init)
        check_encoder(self.penalty, encoder, reader.shape)
        scales = {"scales": Scales(len(loss.numeric))} if len(loss.numeric) else {}
        statistics = CellStatistics(len(layout.levels))
        return {"encoder": encoder, "decoder": decoder, **scales, "usual": statistics}

    @property
    def _layout(self) -> Layout:
        """What was learned of the columns."""
        reader = self._fitted().reader
        assert isinstance(reader, TableReader)
        return reader.layout

    @property
    def _loss(self) -> Mixed:
        network = self._fitted()
        loss = _losses.get(network)
        if loss is None:
            layout, scales = self._layout, getattr(network, "scales", None)
            loss = Mixed(layout.levels, layout.surprise, scales, layout.binned)
            _losses[network] = loss
        return loss

    # ---- tables in ------------------------------------------------------------------------------

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any = None,
        *,
        X_val: Any = None,
        sample_mask: Any = None,
        sample_weight: Any = None,
        resume: bool = False,
        comm: Any = None,
    ) -> Self:
        """Learn the kinds of the columns, and train on the rows.

        Parameters
        ----------
        X : DataFrame, structured array, or array-like of shape (N, C)
            A data frame is one of pandas or polars, or one that pandas can read: an Arrow table, or
            that of another library. Later ones have the columns by name, whatever the type of the
            names, and of the same kind: numbers, times with or without a zone, durations, levels.
            Missing cells are NaN, None, NaT or pandas.NA, and empty strings in arrays of strings of
            a fixed width. It may also be rows of a file that doesn't fit into memory, from
            `open_rows`, or a stream of batches, as in `Autoencoder`.
        y : ignored
        X_val : like X, optional
            Rows to measure after each epoch, in place of ``validation_fraction``.
        sample_mask : array-like of bool, shape (N, C), optional
            False where a cell counts as missing.
        sample_weight : array-like, shape (N,), optional
            How much each row counts in the loss, as in `Autoencoder`.
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
        if isinstance(X_val, tuple):
            raise TypeError("X_val: expected a table, which has no y, got a tuple")
        how = {"X_val": X_val, "sample_mask": sample_mask, "sample_weight": sample_weight}
        return super().fit(X, y, **how, resume=resume, comm=comm)

    # ---- training -------------------------------------------------------------------------------

    def _phases(self) -> tuple[Phase, ...]:
        return (Phase(self._counted),)

    def _counted(self, batch: Batch) -> dict[str, float]:
        """Run the passes, and note the losses of cells: of hidden ones, if the model hides any."""
        sums = self._step(batch)
        recon: Any = batch.terms.get("recon")  # not of several draws, or of rows without gaps
        if recon is None or "match" in batch.terms:
            nats = self._nats(batch, batch.x)
        else:
            nats = recon.nats
        counted = ~np.isnan(batch.target)
        if self._hides:
            counted &= np.isnan(batch.x)
        usual, first = self._network.usual, batch.epoch == self._network.epoch
        batch.tape.learn(usual.start if first else usual.add, usual.sums(nats, counted))
        return sums

    @property
    def _hides(self) -> bool:
        return self._corruptions()[0].rate > 0

    # ---- tables out -----------------------------------------------------------------------------

    def reconstruct(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> Any:
        """Encode rows and decode them again.

        Parameters
        ----------
        X, sample_mask
            As in `transform`.
        y : None
            Ignored.

        Returns
        -------
        The container that `fit` was given, with its columns
            Numbers are within the range seen in fit and whole where all were; of categories it is
            the likeliest level. A data frame has the index of X.
        """
        return frames.indexed_like(X, super().reconstruct(X, y, sample_mask=sample_mask))

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
            A column without a single cell in fit stays as it is. Where a column's type doesn't
            hold what is filled in, 900 in int8 for instance, it gets a wider one.
        """
        if isinstance(X, Rows):
            if sample_mask is not None:
                raise ValueError("sample_mask: expected None, as rows have their own, got one")
            return joined([self.impute(item.X) for item in X])
        cells = self._expected_cells(self._samples(X, sample_mask))
        return self._layout.filled(Table(X, sample_mask), cells)

    def _expected_cells(self, data: Any) -> np.ndarray:
        """Return what the cells of rows are expected to be, (N, C)."""
        return self._rebuilt(Input(data))

    @fitted
    def score_cells(self, X: Any, *, sample_mask: Any = None) -> Any:
        """Return how unusual each cell is, given the others of its row.

        That is the cell's loss (see `errors`), standardised by the mean and deviation of its column
        in training: about 0 for a usual cell of any column, and large for an unusual one.
        If the model hides cells in training (``hidden``), a cell is hidden from the encoder when it
        is scored, so that it can't explain itself; an eighth of the columns at a time, or each by
        itself where there are no more than eight.

        Parameters
        ----------
        X, sample_mask
            As in `transform`.

        Returns
        -------
        ndarray of float32, shape (N, C)
            0 for missing cells. For a data frame one with the columns as in fit, and its index.
        """
        given = self._input(X, None, sample_mask)
        out = np.zeros((len(given.data), given.data.features), np.float32)
        for rows, batch in self._chunks(given):
            nats = self._nats_of_hidden(batch) if self._hides else self._nats(batch, batch.x)
            scores = self._network.usual.standardized(nats)
            np.copyto(out[rows], scores, where=~np.isnan(batch.target), casting="same_kind")
        return frames.like(X, out, self._names_in)

    def _nats(self, batch: Batch, x: np.ndarray) -> np.ndarray:
        """Return the losses of a batch's cells (n, C), where x is the encoder's input."""
        seen = copy.copy(batch)
        seen.x = x
        with self._pass(seen):
            self.terms(seen)
            return self._loss.cell_losses(None, None, self._output(seen), batch.target)

    def _nats_of_hidden(self, batch: Batch) -> np.ndarray:
        """Return the loss of each cell of a batch (n, C), where it is hidden from the encoder."""
        out, groups = np.empty(batch.x.shape, np.float32), min(GROUPS, batch.x.shape[1])
        for g in range(groups):
            x = batch.x.copy()
            x[:, g::groups] = np.nan
            out[:, g::groups] = self._nats(batch, x)[:, g::groups]
        return out
