r"""Robust scaling of tables: columns become comparable, whatever their units and tails.

A number x becomes :math:`\mathrm{arsinh}((x - c) / s)` with the column's median c and, as s, its
interquartile range over that of a standard normal distribution; where half of the numbers are
equal, their root mean square distance from c; 1 for a constant. The bulk stays nearly linear, and
heavy tails grow as logarithms. A column of levels is one-hot encoded and then scaled like numbers:
the rarer a level, the farther it lies. The rarest of many levels share a column with those that fit
hasn't seen; where all levels have columns of their own, that of unseen ones is scaled as if half of
one had been seen in n + K + 1 cells, so that it lies farthest of all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
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
    times : list of (list of str), optional
        For each column of a table with types ["M" or "m" if it has times, else "", their zone].
    """

    def __init__(
        self,
        center: np.ndarray,
        scale: np.ndarray,
        levels: list[Levels | None] | None = None,
        times: list[list[str]] | None = None,
    ) -> None:
        self.center, self.scale, self.levels, self.times = center, scale, levels, times

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({"times": None} | state)

    @classmethod
    def learn(cls, rows: Samples, which: np.ndarray | None = None) -> RobustScaler:
        """Learn from samples, all or some, some of whose cells may be missing."""
        levels, times, some = None, None, rows.subsample(which)
        if rows.kind == "table":
            table = Table(some)
            columns = [table.column(j) for j in range(table.shape[1])]
            levels, times = [_levels(c) for c in columns], [_time(c) for c in columns]
        numbers = _numbers(some, levels)
        pairs = [_center_and_scale(column[~np.isnan(column)]) for column in numbers.T]
        center, scale = map(np.array, zip(*pairs, strict=True))
        scaler = cls(center, scale, levels, times)
        for at, known in scaler._others():
            if not (numbers[:, at] == 1).any():
                scale[at] = math.sqrt(0.5 / (known.seen + known.levels + 1))
        return scaler

    def _others(self) -> Iterator[tuple[int, Levels]]:
        """Yield the place of each column for levels without one of their own, and the others."""
        at = 0
        for known in self.levels or ():
            at += 1 if known is None else known.levels + 1
            if known is not None:
                yield at - 1, known

    def surprise(self, scaled: np.ndarray) -> np.ndarray:
        """Return twice the nats of the levels in scaled samples (n, M) that fit hasn't seen.

        Float64 (n,). No model has learned of these columns, so codes needn't tell of them.
        """
        out = np.zeros(len(scaled))
        for at, nats in self.unseen():
            out += np.where(scaled[:, at] > 0, 2 * nats, 0)
        return out

    def unseen(self) -> Iterator[tuple[int, float]]:
        """Yield the place of each column for levels that none in fit had, and their nats."""
        for at, known in self._others():
            if self.center[at] == 0 and self.scale[at] ** 2 * (known.seen + 1) < 1:
                yield at, known.surprise

    def transform(self, X: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Return scaled numbers, float32 (n, M), and a mask of the observed ones; None for all."""
        scaled = np.empty((len(X), len(self.center)), np.float32)
        if self.levels is None:
            scaled[:] = self._scaled(_finite(np.asarray(X, np.float64)), slice(None))
        else:
            table, at = Table(X), 0
            for j, known in enumerate(self.levels):
                width, column = 1 if known is None else known.levels + 1, table.column(j)
                run, time = slice(at, at + width), self._time(column, j)
                self._fill(scaled[:, run], run, column, known, time)
                at += width
        missing = np.isnan(scaled)
        if not missing.any():
            return scaled, None
        scaled[missing] = 0
        return scaled, ~missing

    def _time(self, column: Column, j: int) -> list[Any]:
        """Return what times column j had in fit, or those that it has where nobody knows."""
        return [*_time(column)[:1], None] if self.times is None else self.times[j]

    def _fill(
        self, out: np.ndarray, run: slice, column: Column, known: Levels | None, time: list[Any]
    ) -> None:
        """Write a column's scaled numbers (n, width), NaN where cells are missing."""
        if known is None:
            out[:] = self._scaled(_finite(as_numbers(column, *time)[:, None]), run)
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
        return [v and _described(v) for v in self.levels]

    def describe_times(self) -> list[list[str]] | None:
        """Return the times for a file, as JSON takes them; None if there are none."""
        return self.times if any(kind for kind, _ in self.times or ()) else None

    @classmethod
    def read(
        cls, found: Any, center: np.ndarray, scale: np.ndarray, times: Any = None
    ) -> RobustScaler:
        """Return the scaler that `describe` described; ValueError for anything else."""
        levels = None if found is None else [_read_levels(v) for v in found]
        width = (
            len(center) if levels is None else sum(len(v.labels) + 1 if v else 1 for v in levels)
        )
        if not center.shape == scale.shape == (width,) or not (scale > 0).all():
            raise ValueError("scaling: expected a center and a positive scale for each column")
        if times is not None and not (
            isinstance(times, list)
            and len(times) == len(levels or ())
            and all(isinstance(t, list) and len(t) == 2 for t in times)
            and all(kind in ("", "M", "m") and isinstance(zone, str) for kind, zone in times)
        ):
            raise ValueError("scaling: expected what kind of times each column has")
        return cls(center, scale, levels, times)


Robust = RobustScaler  # as 0.1.0 called it, in pickles too


def _levels(column: Column) -> Levels | None:
    """Return the most frequent levels of a column; None if it has numbers or times."""
    if column.values.dtype.kind in "biufMm" and not column.grouped:
        return None
    if column.missing.all():
        return Levels([], 0, column.dtype)
    all_levels = Levels.learn(column)
    codes = all_levels.encode(column)[~column.missing].astype(np.int64)
    counts = np.bincount(codes, minlength=all_levels.levels)
    by_count = np.argsort(-counts, kind="stable")
    texts = np.array([isinstance(label, str) for label in all_levels.labels])
    for text in (False, True):  # one of each type, so that none is refused
        place = np.flatnonzero(texts[by_count] == text)
        if len(place) and place[0] >= MAX_LEVELS:
            swap = [MAX_LEVELS - 1, place[0]]
            by_count[swap] = by_count[swap[::-1]]
    frequent = sorted(by_count[:MAX_LEVELS])
    labels = [all_levels.labels[i] for i in frequent]
    return Levels(labels, len(codes), column.dtype, column.objects)


def _time(column: Column) -> list[str]:
    """Return what kind of times a column has, and their zone."""
    kind = column.values.dtype.kind
    return [kind if kind in "Mm" and not column.missing.all() else "", column.zone]


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
            found.append(_finite(as_numbers(column, *_time(column))[:, None]))
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


def _described(levels: Levels) -> dict[str, Any]:
    found = {name: getattr(levels, name) for name in levels.FIELDS}
    return found | ({"objects": levels.objects} if levels.objects else {})


def _read_levels(found: Any) -> Levels | None:
    if found is None:
        return None
    if not isinstance(found, dict) or set(found) - {"objects"} != set(Levels.FIELDS):
        raise ValueError("scaling: expected the levels of a column")
    labels, seen, dtype = (found[name] for name in Levels.FIELDS)
    objects = found.get("objects", "")
    typed = are_labels(labels) and type(seen) is int and type(dtype) is type(objects) is str
    if not typed or len(set(labels)) < len(labels):
        raise ValueError("scaling: expected different labels")
    return Levels(labels, seen, dtype, objects)
