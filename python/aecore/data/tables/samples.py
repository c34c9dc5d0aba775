"""Tables in training: batches of rows, and the cells that are hidden in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base import checks
from ...base.streams import HIDING
from ..arrays import Data
from ..corruption import Corruption, GaussianNoise, Masking, SwapNoise, uniform
from . import Layout

UNSEEN = 0.1  # the share of hidden levels that are shown as unseen ones


class TableData(Data):
    """The rows of a table as its layout encodes them, NaN where cells are missing.

    Parameters
    ----------
    matrix : ndarray of float32, shape (N, C)
    layout : Layout
    columns : ndarray of str, optional
        Names of the columns.
    """

    fill = np.nan

    def __init__(
        self, matrix: np.ndarray, layout: Layout, columns: np.ndarray | None = None
    ) -> None:
        self.layout, self._incomplete = layout, False
        super().__init__(matrix, columns=columns)
        self._incomplete = any(np.isnan(block).any() for _, block, _ in self.blocks())

    @property
    def masked(self) -> bool:
        """Whether cells are missing."""
        return self._incomplete

    def taken(self, rows: np.ndarray) -> TableData:
        """Return some rows."""
        return TableData(self._source[rows], self.layout, self.columns)

    def joined(self, parts: list[Any]) -> TableData:
        """Return rows of tables that have this one's columns as one."""
        matrix = np.concatenate([part._source for part in parts])
        return TableData(matrix, self.layout, self.columns)

    def _range(self, name: str) -> tuple[float, float]:
        return 0.0, 1.0  # the layout has checked the numbers

    def gather_mask(self, rows: np.ndarray, mask: np.ndarray | None, missing: np.ndarray) -> None:
        """Fill `missing` (n, C) with True where cells are, and `mask` with 1 elsewhere."""
        assert self._flat is not None
        np.isnan(self._flat[rows], out=missing)
        if mask is not None:
            np.logical_not(missing, out=mask, casting="unsafe")


class TableNoise(Corruption):
    """Hides cells, and applies another corruption to a table.

    A tenth of the hidden levels is shown as one that fit hasn't seen, so that the encoder learns
    to deal with unseen levels.

    Parameters
    ----------
    hidden : float
        The share of cells that the encoder sees as missing.
    corruption : GaussianNoise, Masking, SwapNoise or None
    levels : tuple of int
        The columns' numbers of levels: noise is added to columns of numbers alone.
    """

    def __init__(self, hidden: float, corruption: Any, levels: tuple[int, ...] = ()) -> None:
        self.hidden, self.corruption, self.levels = hidden, corruption, levels

    @property
    def kind(self) -> str | None:  # type: ignore[override]
        """The kind of noise that is added when a batch is gathered."""
        return "gaussian" if isinstance(self.corruption, GaussianNoise) else None

    @property
    def moves_gaps(self) -> bool:  # type: ignore[override]
        """Whether cells are swapped."""
        return isinstance(self.corruption, SwapNoise)

    @property
    def amount(self) -> float:
        """The strength of that noise."""
        return self.corruption.amount if self.kind else 0.0

    @property
    def rate(self) -> float:
        """The probability that a cell is hidden."""
        masked = self.corruption.rate if isinstance(self.corruption, Masking) else 0.0
        return 1 - (1 - self.hidden) * (1 - masked)

    @property
    def is_nothing(self) -> bool:
        """Whether the encoder sees rows as they are."""
        return self.corruption is None and self.hidden == 0

    def check(self) -> None:
        """Raise TypeError or ValueError for parameters that are out of range."""
        if checks.real("hidden", self.hidden, 0, 1) == 1:
            raise ValueError("hidden: expected less than 1, got 1: no cell would be left")
        if self.corruption is None:
            return
        if not isinstance(self.corruption, (GaussianNoise, Masking, SwapNoise)):
            raise (ValueError if isinstance(self.corruption, Corruption) else TypeError)(
                "corruption: expected None, SwapNoise, Masking (which hides cells) or "
                f"GaussianNoise (on numbers alone) for a table, got {self.corruption!r}"
            )
        self.corruption.check()
        if getattr(self.corruption, "patch", None) is not None:
            raise ValueError(
                "corruption: expected Masking without patch for a table, whose columns are in no "
                f"order, got {self.corruption!r}"
            )
        if getattr(self.corruption, "clip", None) is not None:
            raise ValueError(
                "corruption: expected GaussianNoise without clip for a table, whose columns are "
                f"scaled, got {self.corruption!r}"
            )
        if isinstance(getattr(self.corruption, "sigma", 0), (tuple, list)):
            raise ValueError(
                "corruption: expected GaussianNoise of one sigma for a table, got "
                f"{self.corruption!r}"
            )

    def finish(self, x: np.ndarray, clean: np.ndarray, seed: int, position: int) -> None:
        """Apply in place the corruptions that need a whole batch."""
        if self.kind:
            others = np.flatnonzero(np.array(self.levels) != 0)
            x[:, others] = clean[:, others]
        if isinstance(self.corruption, SwapNoise):
            self.corruption.finish(x, clean, seed, position)
        if self.rate:
            draws, levels = uniform(x.shape, seed, HIDING, position), np.array(self.levels)
            x[draws < self.rate] = np.nan
            unseen = (draws < self.rate * UNSEEN) & (levels > 0)
            np.copyto(x, levels, where=unseen, casting="unsafe")
