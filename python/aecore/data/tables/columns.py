r"""The kinds of columns: each learns an encoding of its cells as numbers.

A number x becomes :math:`(s((x - c) / d) - \mu) / \sigma` with the column's median c and a robust
deviation d. s is the identity within 3 and grows with the logarithm beyond,

.. math:: s(u) = \mathrm{sign}(u)\,(3 + \ln(1 + |u| - 3)), \quad |u| > 3,

so that the bulk stays as it is and heavy tails can't outweigh everything else. μ and σ are the mean
and the deviation of s over the column. A time is its number of seconds.

A level becomes its index in the order of the levels. A level that `fit` hasn't seen gets the index
after the last one. A missing cell is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .source import BLOCK, Column

LINEAR = 3.0  # robust deviations, up to which s is the identity
MIN_DEVIATION = 0.25  # of s over a column
MAX_DISTANCE = 1e30  # robust deviations; numbers farther away are clipped
MIN_SCALE = 1e-150  # the least robust deviation
LARGEST = 1e150  # of numbers in fit, so that nothing overflows
MAX_LEVELS = 100_000

Level = bool | int | float | str


class Numeric:
    """A column of numbers or times.

    Parameters
    ----------
    center, scale, mean, deviation : float
        c, d, μ and σ above.
    low, high : float
        The range of the cells in fit.
    step : float
        All cells in fit were multiples of it: 1, or for times a day, an hour, a minute or a second;
        0 if there is no such step.
    time : {"", "M", "m"}
        Dates or durations, for columns of seconds; else "".
    dtype : str
        The column's type as the container names it.
    """

    kind = "numeric"
    levels = 0
    FIELDS = ("center", "scale", "mean", "deviation", "low", "high", "step", "time", "dtype")

    def __init__(
        self,
        center: float,
        scale: float,
        mean: float,
        deviation: float,
        low: float,
        high: float,
        step: float,
        time: str,
        dtype: str,
    ) -> None:
        self.center, self.scale, self.mean, self.deviation = center, scale, mean, deviation
        self.low, self.high, self.step = low, high, step
        self.time, self.dtype = time, dtype

    @classmethod
    def learn(cls, column: Column) -> Numeric:
        """Learn from a column that isn't missing altogether."""
        numbers = np.clip(as_numbers(column)[~column.missing], -LARGEST, LARGEST)
        center = float(np.median(numbers))
        scale = _robust_deviation(numbers - center)
        squashed = _squash(numbers, center, scale)
        mean, deviation = float(squashed.mean()), max(float(squashed.std()), MIN_DEVIATION)
        low, high = float(numbers.min()), float(numbers.max())
        time = column.values.dtype.kind if column.values.dtype.kind in "Mm" else ""
        steps = (86400.0, 3600.0, 60.0, 1.0) if time else (1.0,)
        step = next((s for s in steps if (np.remainder(numbers, s) == 0).all()), 0.0)
        return cls(center, scale, mean, deviation, low, high, step, time, column.dtype)

    def encode(self, column: Column) -> np.ndarray:
        """Return the cells' codes, float32 (N,)."""
        squashed = _squash(as_numbers(column), self.center, self.scale)
        return ((squashed - self.mean) / self.deviation).astype(np.float32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the cells (N,) of codes, within the range seen in fit."""
        v = codes.astype(np.float64) * self.deviation + self.mean
        with np.errstate(over="ignore"):
            tail = LINEAR + np.expm1(np.abs(v) - LINEAR)
            u = np.where(np.abs(v) > LINEAR, np.sign(v) * tail, v)
            x = np.clip(u * self.scale + self.center, self.low, self.high)
        return np.rint(x / self.step) * self.step if self.step else x


class Levels:
    """A column of categories; it is binary if there are two.

    Parameters
    ----------
    labels : list of bool, int, float or str
        In order.
    seen : int
        The number of cells in fit.
    dtype : str
        The column's type as the container names it.
    """

    kind = "levels"
    FIELDS = ("labels", "seen", "dtype")

    def __init__(self, labels: list[Level], seen: int, dtype: str) -> None:
        self.labels, self.seen, self.dtype = labels, seen, dtype
        self._number = {label: i for i, label in enumerate(labels)}
        self._sorted: np.ndarray | None = None
        if all(isinstance(label, str) for label in labels):
            self._sorted = np.array(labels)

    @property
    def levels(self) -> int:
        """The number of levels."""
        return len(self.labels)

    @property
    def surprise(self) -> float:
        """The loss in nats of a level that fit hasn't seen, by Laplace's rule of succession."""
        return math.log(self.seen + self.levels + 1)

    @classmethod
    def learn(cls, column: Column) -> Levels:
        """Learn from a column that isn't missing altogether."""
        values, missing = column.values, column.missing
        found: set[Level] = {False, True} if values.dtype.kind == "b" else set()
        for start in range(0, len(values), BLOCK):
            rows = slice(start, start + BLOCK)
            block = values[rows][~missing[rows]]
            cells = block.tolist() if block.dtype.kind == "O" else np.unique(block).tolist()
            found.update(map(_plain, cells))
            if len(found) > MAX_LEVELS:
                raise ValueError(
                    f"{column.label}: expected at most {MAX_LEVELS} levels, got more; leave out a "
                    "column of names that only tell rows apart"
                )
        odd = next((v for v in found if not isinstance(v, (bool, int, float, str))), None)
        if odd is not None:
            raise TypeError(
                f"{column.label}: expected levels that are strings, numbers or booleans, got "
                f"{odd!r}: use astype(str)"
            )
        return cls(in_order(found), int(len(values) - missing.sum()), column.dtype)

    def encode(self, column: Column) -> np.ndarray:
        """Return each cell's level index as float32 (N,), exact below 2**24."""
        values, unknown = column.values, self.levels
        codes = np.empty(len(values), np.float32)
        for start in range(0, len(values), BLOCK):
            block = values[start : start + BLOCK]
            out = codes[start : start + len(block)]
            if block.dtype.kind == "U" and self._sorted is not None:
                at = np.minimum(np.searchsorted(self._sorted, block), unknown - 1)
                out[:] = np.where(self._sorted[at] == block, at, unknown)
            else:
                distinct, which = block.tolist(), None
                if block.dtype.kind != "O":
                    found, which = np.unique(block, return_inverse=True)
                    distinct = found.tolist()
                get = self._number.get
                numbers = np.array([get(_plain(v), unknown) for v in distinct], np.float32)
                out[:] = numbers if which is None else numbers[which]
        codes[column.missing] = np.nan
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the labels (N,) of level indices, as objects."""
        table = np.empty(self.levels, object)
        table[:] = self.labels
        return table[codes.astype(np.int64)]


class Empty:
    """A column that was missing altogether in fit: it is ignored."""

    kind = "empty"
    levels = -1
    FIELDS = ("dtype",)

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def encode(self, column: Column) -> np.ndarray:
        """Return NaN (N,)."""
        return np.full(len(column.values), np.nan, np.float32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return None (N,)."""
        return np.full(len(codes), None, object)


Kind = Numeric | Levels | Empty


def learn(column: Column, categorical: bool = False) -> Kind:
    """Choose the kind of a column and learn its encoding.

    Booleans, strings and the container's categories have levels, and so have numbers that are all 0
    or 1. Other numbers and times are numeric.
    """
    if column.missing.all():
        return Empty(column.dtype)
    kind = column.values.dtype.kind
    _check_finite(column)
    if categorical or column.grouped or kind in "bUO":
        return Levels.learn(column)
    if kind not in "Mm":
        there = column.values[~column.missing]
        if ((there == 0) | (there == 1)).all() and (there != there[0]).any():
            return Levels([0, 1], len(there), column.dtype)
    return Numeric.learn(column)


def are_labels(found: Any) -> bool:
    """Return whether a value from a file is a list of possible labels."""
    return isinstance(found, list) and all(
        type(v) in (bool, int, str) or (type(v) is float and math.isfinite(v)) for v in found
    )


def in_order(labels: Iterable[Level]) -> list[Level]:
    """Return labels sorted: numbers before strings."""
    return sorted(labels, key=lambda v: (isinstance(v, str), v))


def as_numbers(column: Column) -> np.ndarray:
    """Return the cells of a column as float64 (N,), NaN where they are missing."""
    values, missing, kind = column.values, column.missing, column.values.dtype.kind
    if kind in "Mm":
        unit = values.dtype.str[:3] + "[us]"
        numbers = values.astype(unit).astype(np.int64) / 1e6
    elif kind in "biuf":
        _check_finite(column)
        numbers = values.astype(np.float64)
    elif missing.all():
        return np.full(len(values), np.nan)
    else:
        raise TypeError(f"{column.label}: expected numbers, as in fit, got strings")
    numbers[missing] = np.nan
    return numbers


def _check_finite(column: Column) -> None:
    values, missing = column.values, column.missing
    if values.dtype.kind != "f":
        return
    bad = np.isinf(values) & ~missing
    if bad.any():
        raise ValueError(
            f"{column.label}: expected finite numbers, or NaN for what is missing, got infinity in "
            f"row {int(bad.argmax())}"
        )


def _plain(value: Any) -> Any:
    """Return a label as Python's own type."""
    return value.item() if isinstance(value, np.generic) else value


def _robust_deviation(u: np.ndarray) -> float:
    """Return a robust deviation of numbers about their median, never 0.

    It is the interquartile range over that of a standard normal distribution; where half of the
    numbers are at the median, the median distance of the others; and 1 for a constant.
    """
    low, high = np.quantile(u, (0.25, 0.75))
    if high - low >= MIN_SCALE:
        return float(high - low) / 1.349
    away = np.abs(u[u != 0])
    return max(float(np.median(away)), MIN_SCALE) if len(away) else 1.0


def _squash(numbers: np.ndarray, center: float, scale: float) -> np.ndarray:
    """Return s of the numbers' distances from the centre, in units of the scale."""
    with np.errstate(over="ignore"):
        u = np.clip((numbers - center) / scale, -MAX_DISTANCE, MAX_DISTANCE)
    size = np.abs(u)
    return np.where(
        size > LINEAR, np.sign(u) * (LINEAR + np.log1p(np.maximum(size - LINEAR, 0))), u
    )
