r"""Robust scaling of tables: columns become comparable, whatever their units and tails.

A number x becomes :math:`\mathrm{arsinh}((x - c) / s)` with the column's median c and, as s, its
interquartile range over that of a standard normal distribution; where half of the numbers are
equal, their root mean square distance from c; 1 for a constant. The bulk stays nearly linear, and
heavy tails grow as logarithms. A column of levels is one-hot encoded and then scaled like numbers:
the rarer a level, the farther it lies. The rarest of many levels share a column with those that fit
hasn't seen.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..samples import Samples
from . import Table
from .columns import Levels, are_labels, as_numbers
from .source import Column

MAX_LEVELS = 63  # with columns of their own


class RobustScaler:
    """Center and scale of a table's columns.

    Parameters
    ----------
    center, scale : ndarray of float64, shape (M,)
        Of each column of numbers, after one-hot encoding.
    levels : list of (Levels or None), optional
        The most frequent levels of each column of a table with types; None for one of numbers.
    """

    def __init__(
        self, center: np.ndarray, scale: np.ndarray, levels: list[Levels | None] | None = None
    ) -> None:
        self.center, self.scale, self.levels = center, scale, levels

    @classmethod
    def learn(cls, rows: Samples) -> RobustScaler:
        """Learn from samples, some of whose cells may be missing."""
        levels, some = None, rows.subsample()
        if rows.kind == "table":
            table = Table(some)
            levels = [_levels(table.column(j)) for j in range(table.shape[1])]
        numbers = _numbers(some, levels)
        pairs = [_center_and_scale(column[~np.isnan(column)]) for column in numbers.T]
        center, scale = map(np.array, zip(*pairs, strict=True))
        return cls(center, scale, levels)

    def transform(self, X: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Return scaled numbers, float32 (n, M), and a mask of the observed ones; None for all."""
        scaled = np.empty((len(X), len(self.center)), np.float32)
        if self.levels is None:
            scaled[:] = self._scaled(_finite(np.asarray(X, np.float64)), slice(None))
        else:
            table, at = Table(X), 0
            for j, known in enumerate(self.levels):
                width = 1 if known is None else known.levels + 1
                self._fill(
                    scaled[:, at : at + width], slice(at, at + width), table.column(j), known
                )
                at += width
        missing = np.isnan(scaled)
        if not missing.any():
            return scaled, None
        scaled[missing] = 0
        return scaled, ~missing

    def _fill(self, out: np.ndarray, run: slice, column: Column, known: Levels | None) -> None:
        """Write a column's scaled numbers (n, width), NaN where cells are missing."""
        if known is None:
            out[:] = self._scaled(_finite(as_numbers(column)[:, None]), run)
            return
        codes = _codes(column, known)
        there = np.flatnonzero(~np.isnan(codes))
        which = codes[there].astype(np.int64)
        out[:] = np.nan
        out[there] = self._scaled(np.zeros(out.shape[1]), run)
        out[there, which] = self._scaled(np.ones(out.shape[1]), run)[which]

    def _scaled(self, numbers: np.ndarray, run: slice) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.arcsinh((numbers - self.center[run]) / self.scale[run])

    # ---- files ----------------------------------------------------------------------------------

    def describe(self) -> list[Any] | None:
        """Return the levels for a file, as JSON takes them."""
        if self.levels is None:
            return None
        return [v and {name: getattr(v, name) for name in v.FIELDS} for v in self.levels]

    @classmethod
    def read(cls, found: Any, center: np.ndarray, scale: np.ndarray) -> RobustScaler:
        """Return the scaler that `describe` described; ValueError for anything else."""
        levels = None if found is None else [_read_levels(v) for v in found]
        width = (
            len(center) if levels is None else sum(len(v.labels) + 1 if v else 1 for v in levels)
        )
        if not center.shape == scale.shape == (width,) or not (scale > 0).all():
            raise ValueError("scaling: expected a center and a positive scale for each column")
        return cls(center, scale, levels)


Robust = RobustScaler  # as 0.1.0 called it, in pickles too


def _levels(column: Column) -> Levels | None:
    """Return the most frequent levels of a column; None if it has numbers or times."""
    if column.values.dtype.kind in "biufMm" and not column.grouped:
        return None
    if column.missing.all():
        return Levels([], 0, column.dtype)
    all_levels = Levels.learn(column)
    codes = all_levels.encode(column)[~column.missing].astype(np.int64)
    frequent = np.argsort(-np.bincount(codes, minlength=all_levels.levels), kind="stable")[
        :MAX_LEVELS
    ]
    return Levels([all_levels.labels[i] for i in sorted(frequent)], len(codes), column.dtype)


def _codes(column: Column, known: Levels) -> np.ndarray:
    """Return the codes of the cells' levels, one for all unknown; NaN where they are missing."""
    if known.labels:
        return known.encode(column)
    return np.where(column.missing, np.nan, 0.0)


def _numbers(X: Any, levels: list[Levels | None] | None) -> np.ndarray:
    """Return cells as finite numbers, float64 (n, M), NaN where they are missing."""
    if levels is None:
        return _finite(np.asarray(X, np.float64))
    table, found = Table(X), []
    for j, known in enumerate(levels):
        column = table.column(j)
        if known is None:
            found.append(_finite(as_numbers(column)[:, None]))
            continue
        codes = _codes(column, known)[:, None]
        ones = (codes == np.arange(known.levels + 1)).astype(np.float64)
        found.append(np.where(np.isnan(codes), np.nan, ones))
    return np.concatenate(found, axis=1)


def _finite(numbers: np.ndarray) -> np.ndarray:
    bad = np.isinf(numbers)
    if bad.any():
        raise ValueError(
            f"Input X contains infinity (in row {int(bad.any(1).argmax())}): expected finite "
            "numbers, or NaN for what is missing"
        )
    return numbers


def _center_and_scale(numbers: np.ndarray) -> tuple[float, float]:
    if not len(numbers):
        return 0.0, 1.0
    low, center, high = np.percentile(numbers, (25, 50, 75))
    away = np.abs(numbers - center)
    largest = float(away.max())
    if largest == 0:
        return float(center), 1.0
    scale = float(high - low) / 1.349
    if scale <= 1e-9 * largest:  # or only rounding errors
        scale = largest * math.sqrt(float(np.mean((away / largest) ** 2)))
    return float(center), scale


def _read_levels(found: Any) -> Levels | None:
    if found is None:
        return None
    if not isinstance(found, dict) or set(found) != set(Levels.FIELDS):
        raise ValueError("scaling: expected the levels of a column")
    labels, seen, dtype = (found[name] for name in Levels.FIELDS)
    typed = are_labels(labels) and type(seen) is int and type(dtype) is str
    if not typed or len(set(labels)) < len(labels):
        raise ValueError("scaling: expected different labels")
    return Levels(labels, seen, dtype)
