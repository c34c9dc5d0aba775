"""What models of tables share: the table's layout beside the network, and results as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _check
from .._purposes import HIDING
from ..arch.base import Code
from ..arch.dense import Dense
from ..corruption import Corruption, GaussianNoise, Masking, SwapNoise, uniform
from ..mixed import Mixed, Scales
from ..nn.columns import Columns
from ..nn.containers import Sequential
from ..nn.module import Module
from ..penalties import check_encoder
from ..tables import Layout, Table, frames
from ..tables.columns import Empty
from ..training.batches import Condition, Input
from ..training.data import Data
from ..training.network import Network
from ._base import fitted
from ._coding import BaseAutoencoder
from ._protocol import _other_names


class TableData(Data):
    """The rows of a table as its layout numbers their cells, NaN where they are missing.

    Parameters
    ----------
    table : Table
    layout : Layout
    places : list of int or None
        See `Layout.matrix`.
    """

    fill = np.nan

    def __init__(self, table: Table, layout: Layout, places: list[int] | None = None) -> None:
        self.layout, self.table, self.places = layout, table, places
        names = table.names and (layout.names or table.names)
        columns = None if names is None else np.array(names, dtype=object)
        self._some_missing = False
        super().__init__(layout.matrix(table, places), columns=columns)
        self._some_missing = any(np.isnan(block).any() for _, block, _ in self.blocks())

    @property
    def masked(self) -> bool:
        """Whether cells are missing."""
        return self._some_missing

    def _range(self, name: str) -> tuple[float, float]:
        return 0.0, 1.0  # the layout has looked at the numbers

    def gather_mask(self, rows: np.ndarray, mask: np.ndarray, missing: np.ndarray) -> None:
        """Fill `mask` (n, C) of float32 with 1 where cells are there, `missing` with the rest."""
        assert self._flat is not None
        np.isnan(self._flat[rows], out=missing)
        np.logical_not(missing, out=mask, casting="unsafe")

    def filled(self, rebuilt: np.ndarray) -> Any:
        """Return the table with cells for what is missing, from a matrix like the samples."""
        cells: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for j, kind in enumerate(self.layout.columns):
            at = j if self.places is None else self.places[j]
            missing = self.table.column(at).missing
            if missing.any() and not isinstance(kind, Empty):
                cells[at] = missing, kind.decode(rebuilt[missing, j])
        return frames.fill(self.table, cells)


class TableNoise(Corruption):
    """Hidden cells, and another corruption in terms of a table.

    Parameters
    ----------
    hidden : float
        The share of cells that the encoder sees as missing.
    corruption : GaussianNoise, Masking, SwapNoise or None
    levels : tuple of int
        Of the columns: noise is added to numbers alone.
    """

    def __init__(self, hidden: float, corruption: Any, levels: tuple[int, ...] = ()) -> None:
        self.hidden, self.corruption, self.levels = hidden, corruption, levels

    @property
    def kind(self) -> str | None:  # type: ignore[override]
        """What the gather does."""
        return "gaussian" if isinstance(self.corruption, GaussianNoise) else None

    @property
    def amount(self) -> float:
        """What the gather does it with."""
        return self.corruption.amount if self.kind else 0.0

    @property
    def rate(self) -> float:
        """The chance of a cell to be hidden."""
        masked = self.corruption.rate if isinstance(self.corruption, Masking) else 0.0
        return 1 - (1 - self.hidden) * (1 - masked)

    def check(self) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        if _check.real("hidden", self.hidden, 0, 1) == 1:
            raise ValueError("hidden: expected less than 1, got 1: nothing would be left to see")
        if self.corruption is None:
            return
        if not isinstance(self.corruption, (GaussianNoise, Masking, SwapNoise)):
            raise (ValueError if isinstance(self.corruption, Corruption) else TypeError)(
                "corruption: expected None, SwapNoise, Masking (which hides cells) or "
                f"GaussianNoise (on numbers alone) for a table, got {self.corruption!r}"
            )
        self.corruption.check()

    def finish(self, x: np.ndarray, clean: np.ndarray, seed: int, position: int) -> None:
        """Do in place what takes a whole batch."""
        if self.kind:
            others = np.flatnonzero(np.array(self.levels) != 0)
            x[:, others] = clean[:, others]
        if isinstance(self.corruption, SwapNoise):
            self.corruption.finish(x, clean, seed, position)
        if self.rate:
            x[uniform(x.shape, seed, HIDING, position) < self.rate] = np.nan


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

    # ---- what it is made of ---------------------------------------------------------------------

    def _check_params(self) -> None:
        if self.arch is not None and not isinstance(self.arch, Dense):
            raise TypeError(
                "arch: the columns of a table have no order; expected None or Dense(...), got "
                f"{self.arch!r}"
            )
        if isinstance(self.categorical, (str, bytes)) or not isinstance(
            self.categorical, (Sequence, np.ndarray)
        ):
            raise TypeError(
                f"categorical: expected a sequence of columns, got {self.categorical!r}"
            )
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
        return {"encoder": encoder, "decoder": decoder, **scales}

    def _code(self) -> Code:
        """Return the widths of what the encoder gives and the decoder takes."""
        raise NotImplementedError

    @property
    def _loss(self) -> Mixed:
        network = self._fitted()
        layout = network.table
        return Mixed(layout.levels, layout.surprise, getattr(network, "scales", None))

    # ---- tables in ------------------------------------------------------------------------------

    def _check_data(self, data: Data, name: str) -> None:
        pass

    def _read_training(self, X: Any, y: Any, sample_mask: Any, resume: bool) -> tuple[None, Input]:
        table = Table(X, sample_mask)
        if resume:
            return None, Input(self._read(table))
        return None, Input(TableData(table, Layout.learn(table, self.categorical)))

    def _read(self, table: Table, name: str = "X") -> TableData:
        """Return a table in the layout that fit has learned."""
        layout, owner = self._fitted().table, type(self).__name__
        places = layout.places(table)
        if places is None and table.names is not None and layout.names is not None:
            if table.names != layout.names:
                raise ValueError(_other_names(np.array(layout.names), np.array(table.names)))
        if table.shape[1] != len(layout.columns):
            raise ValueError(
                f"{table.name} has {table.shape[1]} features, but {owner} is expecting "
                f"{len(layout.columns)} features as input."
            )
        return TableData(table, layout, places)

    def _samples(self, X: Any, sample_mask: Any = None) -> TableData:
        self._fitted()
        data = self._read(Table(X, sample_mask))
        self._check_names(data)
        return data

    def _start(self, conditioner: Any, given: Input, *others: Data) -> None:
        assert isinstance(given.data, TableData)
        self._layout = given.data.layout
        super()._start(conditioner, given, *others)

    def _finish_initializing(self, network: Network, given: Input) -> None:
        network.table = self._layout

    # ---- tables out -----------------------------------------------------------------------------

    @fitted
    def reconstruct(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> Any:
        """Encode rows and decode them again, without noise.

        Parameters
        ----------
        X : DataFrame, structured array or matrix
        y : ignored
        sample_mask : array-like of bool, shape (N, C), optional

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

    @fitted
    def score_cells(self, X: Any, *, sample_mask: Any = None) -> np.ndarray:
        """Return how odd each cell is.

        Returns
        -------
        ndarray of float32, shape (N, C)
        """
        return self.errors(X, sample_mask=sample_mask)

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
            Cells that are there are given back as they came.
        """
        data = self._samples(X, sample_mask)
        return data.filled(self._rebuilt(Input(data)))
