r"""The kinds of columns: each learns an encoding of its cells as numbers.

A number x becomes :math:`(s((x - c) / d) - \mu) / \sigma` with the column's median c and a robust
deviation d. s is the identity within 3 and grows with the logarithm beyond,

.. math:: s(u) = \mathrm{sign}(u)\,(3 + \ln(1 + |u| - 3)), \quad |u| > 3,

so that the bulk stays as it is and heavy tails can't outweigh everything else. μ and σ are the mean
and the deviation of s over the column. A time is its number of seconds.

A level becomes its index in the order of the levels. A level that `fit` hasn't seen gets the index
after the last one. A missing cell is NaN.

Levels are equal whatever the type they come in: 1 is 1.0, True and "1", and 0.1 of float32 is that
of float64. Where all levels in `fit` were strings a number that is none of them is refused, and so
is a string that says no number where all were numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

import numpy as np

from ...base.text import printable
from .bins import CodedBins, learn_bins
from .source import BLOCK, Column

LINEAR = 3.0  # robust deviations, up to which s is the identity
MIN_DEVIATION = 0.25  # of s over a column
MAX_DISTANCE = 1e30  # robust deviations; numbers farther away are clipped
MIN_SCALE = 1e-150  # the least robust deviation
LARGEST = 1e150  # of numbers in fit, so that nothing overflows
MAX_LEVELS = 100_000
MAX_SECONDS = 9.2e12  # of times, in microseconds of 64 bits
UNITS = {"W": 604800, "D": 86400, "h": 3600, "m": 60, "s": 1}  # in seconds
FINE = {"ns": 10**3, "ps": 10**6, "fs": 10**9, "as": 10**12}  # how many are a microsecond

NARROW = {"f2": ("<f2", ">f2", "float16", "halffloat"), "f4": ("<f4", ">f4", "float32", "float[")}
TIMES = {"": "numbers", "M": "times", "m": "durations"}

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
    zone : str, optional
        The time zone of times; empty for none, None if that isn't known.
    objects : str
        As of `Column`.
    bins : list of [float, float, float], optional
        The least, the largest and the mean number of each bin of a histogram, see `bins`.
    """

    kind = "numeric"
    levels = 0
    OPTIONAL: ClassVar[dict[str, Any]] = {"zone": None, "objects": "", "bins": None}
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
        zone: str | None = None,
        objects: str = "",
        bins: list[list[float]] | None = None,
    ) -> None:
        self.center, self.scale, self.mean, self.deviation = center, scale, mean, deviation
        self.low, self.high, self.step = low, high, step
        self.time, self.dtype = time, dtype
        self.zone, self.objects, self.bins = zone, objects, bins

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(self.OPTIONAL | state)

    @classmethod
    def learn(cls, column: Column, binned: bool = False) -> Numeric:
        """Learn from a column that isn't missing altogether."""
        numbers = numbers_of(column)
        return cls.of(numbers, numbers, column, binned)

    @classmethod
    def of(
        cls, some: np.ndarray, numbers: np.ndarray, column: Column, binned: bool = False
    ) -> Numeric:
        """Learn scale and bins from some of a column's numbers, range and step from others."""
        time = time_of(column)
        center = float(np.median(some))
        scale = _robust_deviation(some - center)
        squashed = _squash(some, center, scale)
        mean, deviation = float(squashed.mean()), max(float(squashed.std()), MIN_DEVIATION)
        low, high = float(numbers.min()), float(numbers.max())
        steps = (86400.0, 3600.0, 60.0, 1.0) if time else (1.0,)
        step = next((s for s in steps if (np.remainder(numbers, s) == 0).all()), 0.0)
        zone = column.zone if time == "M" else None
        scaling = center, scale, mean, deviation, low, high, step
        bins = learn_bins(some) if binned else None
        return cls(*scaling, time, column.dtype, zone, column.objects, bins)

    def encode(self, column: Column) -> np.ndarray:
        """Return the cells' codes, float32 (N,)."""
        return self.coded(as_numbers(column, self.time, self.zone))

    def coded(self, numbers: np.ndarray) -> np.ndarray:
        """Return the codes of numbers (or seconds), float32."""
        squashed = _squash(numbers, self.center, self.scale)
        return ((squashed - self.mean) / self.deviation).astype(np.float32)

    @functools.cached_property
    def coded_bins(self) -> CodedBins:
        """The bins, where there are any, in the space of the codes."""
        return CodedBins(self)

    def log_scale(self, codes: np.ndarray) -> np.ndarray:
        """Return the logarithm of the codes' derivative by the numbers, (N,).

        With bins it is what turns the probability of a bin into a density of numbers.
        """
        if self.bins is not None:
            return self.coded_bins.log_density(codes, self.decode(codes))
        beyond = np.maximum(
            np.abs(codes.astype(np.float64) * self.deviation + self.mean) - LINEAR, 0
        )
        return -(math.log(self.scale * self.deviation) + beyond)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the cells (N,) of codes, within the range seen in fit."""
        v = codes.astype(np.float64) * self.deviation + self.mean
        with np.errstate(over="ignore"):
            tail = LINEAR + np.expm1(np.abs(v) - LINEAR)
            u = np.where(np.abs(v) > LINEAR, np.sign(v) * tail, v)
            x = np.clip(u * self.scale + self.center, self.low, self.high)
        if self.bins is not None:
            self.coded_bins.restore(codes, x)
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
    objects : str
        As of `Column`.
    categories : list of bool, int, float or str, optional
        All categories of the container's type in their order, those without a cell too.
    ordered : bool
        Whether their order has a meaning.
    """

    kind = "levels"
    OPTIONAL: ClassVar[dict[str, Any]] = {"objects": "", "categories": None, "ordered": False}
    FIELDS = ("labels", "seen", "dtype")

    def __init__(
        self,
        labels: list[Level],
        seen: int,
        dtype: str,
        objects: str = "",
        categories: list[Level] | None = None,
        ordered: bool = False,
    ) -> None:
        self.labels, self.seen, self.dtype, self.objects = labels, seen, dtype, objects
        self.categories, self.ordered = categories, ordered
        self._index()

    def __getstate__(self) -> dict[str, Any]:
        names = (*self.FIELDS, *self.OPTIONAL)
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        names = (*self.FIELDS, *self.OPTIONAL)
        vars(self).update({k: v for k, v in (self.OPTIONAL | state).items() if k in names})
        self._index()

    def _index(self) -> None:
        labels = self.labels
        self._number = {label: i for i, label in enumerate(labels)}
        texts = [isinstance(label, str) for label in labels]
        self._all_text, self._no_text = all(texts), not any(texts)
        self._sorted = np.array(labels) if self._all_text else None
        self._rounded: dict[str, dict[Level, int]] = {}

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
            found.update(map(_plain, dict.fromkeys(cells)))
            if len(found) > MAX_LEVELS:
                raise ValueError(
                    f"{column.label}: expected at most {MAX_LEVELS} levels, got more; leave out a "
                    "column of names that only tell rows apart"
                )
        _check_labels(found, column.label)
        seen, known = int(len(values) - missing.sum()), column.categories
        if known is not None:
            known = [_plain(label) for label in known]
            known = known if len(known) <= MAX_LEVELS and are_labels(known) else None
        ordered = known is not None and column.ordered
        return cls(in_order(found), seen, column.dtype, column.objects, known, ordered)

    def encode(self, column: Column) -> np.ndarray:
        """Return each cell's level index as float32 (N,), exact below 2**24."""
        values, unknown = column.values, self.levels
        codes = np.empty(len(values), np.float32)
        for start in range(0, len(values), BLOCK):
            rows = slice(start, start + BLOCK)
            block, there = values[rows], ~column.missing[rows]
            out = codes[rows]
            out[:] = np.nan
            block, out_there = block[there], np.flatnonzero(there)
            if block.dtype.kind == "U" and self._sorted is not None:
                at = np.minimum(np.searchsorted(self._sorted, block), unknown - 1)
                at = np.where(self._sorted[at] == block, at, unknown)
                # as float32 already: NumPy crashes where memory lacks for a cast by indices
                out[out_there] = at.astype(np.float32)
                continue
            distinct, which = block.tolist(), None
            if block.dtype.kind != "O":
                found, which = np.unique(block, return_inverse=True)
                distinct = found.tolist()
                if block.dtype.kind in "Mm":
                    raise TypeError(f"{column.label}: expected levels, as in fit, got times")
            numbers = self._numbers(distinct, column)
            out[out_there] = numbers if which is None else numbers[which]
        return codes

    def _numbers(self, cells: list[Any], column: Column) -> np.ndarray:
        """Return the level index of each cell, float32 (n,)."""
        try:
            found: list[Any] = list(map(self._number.get, cells))
        except TypeError:  # a list or another thing that has no hash
            _check_labels([v for v in cells if not isinstance(v, Hashable)], column.label)
            raise
        others: dict[tuple[type, Any], int] = {}
        for i, at in enumerate(found):
            if at is None:
                key = type(cells[i]), cells[i]
                if key not in others:
                    others[key] = self._number_of(_plain(cells[i]), column)
                found[i] = others[key]
        return np.array(found, np.float32)

    def _number_of(self, cell: Any, column: Column) -> int:
        """Return the index of a cell that isn't a label as it is; TypeError for another type."""
        if not isinstance(cell, (bool, int, float, str)):
            _check_labels([cell], column.label)
        if isinstance(cell, str):
            return self._number_of_text(cell, column.label)
        if isinstance(cell, float):
            _check_labels([cell], column.label)
            for dtype in (column.dtype, column.objects, self.dtype, self.objects):
                at = self._number_rounded(cell, _narrow(dtype))
                if at is not None:
                    return at
        if self._no_text:
            return self.levels
        texts = [repr(cell)]
        if isinstance(cell, bool):
            texts += [str(cell).lower(), str(int(cell))]
        elif cell == int(cell):
            texts += [str(int(cell)), *([repr(float(cell))] if abs(cell) < 2**53 else [])]
        same = [at for at in map(self._number.get, texts) if at is not None]
        if not same and self._all_text:
            raise TypeError(f"{column.label}: expected strings, as in fit, got {cell!r}")
        return same[0] if same else self.levels

    def _number_of_text(self, cell: str, label: str) -> int:
        """Return the index of a string that isn't a label, by the number or truth that it says."""
        if self._all_text:
            return self.levels
        truth, value = {"true": True, "false": False}.get(cell.strip().lower()), None
        for read in (int, float):
            try:
                value = read(cell) if truth is None else truth
                break
            except ValueError:
                pass
        if value is not None and not (isinstance(value, float) and not math.isfinite(value)):
            at = self._number.get(value)
            if at is None and isinstance(value, float):
                at = self._number_rounded(value, _narrow(self.dtype) or _narrow(self.objects))
            return self.levels if at is None else at
        if self._no_text:
            kind = "booleans" if all(isinstance(v, bool) for v in self.labels) else "numbers"
            raise TypeError(f"{label}: expected {kind}, as in fit, got {cell!r}")
        return self.levels

    def _number_rounded(self, cell: float, narrow: str) -> int | None:
        """Return the index of a float among labels that are rounded to a narrower type."""
        if not narrow:
            return None
        if narrow not in self._rounded:
            numbers = [(v, i) for i, v in enumerate(self.labels) if isinstance(v, float)]
            with np.errstate(over="ignore"):
                found = [(np.dtype(narrow).type(v).item(), i) for v, i in numbers]
            self._rounded[narrow] = dict(found) if len(dict(found)) == len(found) else {}
        with np.errstate(over="ignore"):
            return self._rounded[narrow].get(np.dtype(narrow).type(cell).item())

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the labels (N,) of level indices, as objects."""
        table = np.empty(self.levels, object)
        table[:] = self.labels
        return table[codes.astype(np.int64)]


class Empty:
    """A column that was missing altogether in fit: it is ignored."""

    kind = "empty"
    levels = -1
    OPTIONAL: ClassVar[dict[str, Any]] = {}
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


def learn(column: Column, categorical: bool = False, binned: bool = False) -> Kind:
    """Choose the kind of a column and learn its encoding, with bins of numbers if `binned`.

    Booleans, strings and the container's categories have levels, and so have numbers that are all 0
    or 1. Other numbers and times are numeric.
    """
    if column.missing.all():
        return Empty(column.dtype)
    kind = column.values.dtype.kind
    _check_finite(column)
    if kind in "Mm" and categorical:
        raise TypeError(
            f"{column.label}: expected levels that are strings, numbers or booleans, got times: "
            "use astype(str)"
        )
    if categorical or column.grouped or kind in "bUO":
        return Levels.learn(column)
    if kind not in "Mm":
        there = column.values[~column.missing]
        if ((there == 0) | (there == 1)).all() and (there != there[0]).any():
            return Levels([0, 1], len(there), column.dtype, column.objects)
    return Numeric.learn(column, binned)


def are_labels(found: Any) -> bool:
    """Return whether a value from a file is a list of possible labels."""
    return isinstance(found, list) and all(
        type(v) in (bool, int, str) or (type(v) is float and math.isfinite(v)) for v in found
    )


def _check_labels(found: Iterable[Any], label: str) -> None:
    """Raise TypeError or ValueError for a cell that can't be a level."""
    for cell in found:
        if not isinstance(cell, (bool, int, float, str)):
            raise TypeError(
                f"{label}: expected levels that are strings, numbers or booleans, got {cell!r}: "
                "use astype(str)"
            )
        if isinstance(cell, float) and not math.isfinite(cell):
            raise ValueError(
                f"{label}: expected finite numbers among levels, or NaN for what is missing, got "
                f"{cell!r}"
            )


def _narrow(dtype: str) -> str:
    """Return the NumPy name of a floating type below float64, from that of any container."""
    for name, known in NARROW.items():
        if dtype.lower().startswith(known):
            return name
    return ""


def in_order(labels: Iterable[Level]) -> list[Level]:
    """Return labels sorted: numbers before strings."""
    return sorted(labels, key=lambda v: (isinstance(v, str), v))


def time_of(column: Column) -> str:
    """Return what kind of times a column has, "M" or "m"; "" for none."""
    kind = column.values.dtype.kind
    return kind if kind in "Mm" else ""


def numbers_of(column: Column) -> np.ndarray:
    """Return the numbers of the cells that aren't missing, none too large to learn from."""
    _check_finite(column)
    return np.clip(as_numbers(column, time_of(column))[~column.missing], -LARGEST, LARGEST)


def as_numbers(column: Column, time: str = "", zone: str | None = None) -> np.ndarray:
    """Return the cells of a column as float64 (N,), NaN where they are missing.

    Parameters
    ----------
    column : Column
    time : {"", "M", "m"}
        What the cells must be, as in fit: numbers, times or durations.
    zone : str, optional
        The time zone in fit.
    """
    _check_time(column, time, zone)
    values, missing, kind = column.values, column.missing, column.values.dtype.kind
    if missing.all():
        return np.full(len(values), np.nan)
    if kind in "Mm":
        numbers = _seconds(values)
        numbers[missing] = np.nan
        if (np.abs(numbers) > MAX_SECONDS).any():
            raise ValueError(f"{column.label}: expected times within 290,000 years of 1970")
    elif kind in "biuf":
        _check_finite(column)
        numbers = values.astype(np.float64)
    else:
        odd = [v for v in values[~missing] if not isinstance(v, (bool, int, float, np.number))]
        if odd or time:
            got = f"strings, like {odd[0]!r}" if odd and isinstance(odd[0], str) else "others"
            raise TypeError(f"{column.label}: expected {TIMES[time]}, as in fit, got {got}")
        numbers = np.where(missing, np.nan, values).astype(np.float64)
        _check_finite(column._replace(values=numbers))
    numbers[missing] = np.nan
    return numbers


def _seconds(values: np.ndarray) -> np.ndarray:
    """Return times as float64 seconds; microseconds are the finest that count."""
    unit, count = np.datetime_data(values.dtype)
    if unit in ("Y", "M"):
        values, unit, count = values.astype(f"{values.dtype.kind}8[s]"), "s", 1
    whole = values.astype(np.int64)
    if unit in UNITS:
        return whole * (float(count) * UNITS[unit])
    if unit == "ms":
        return whole * count / 1e3
    return whole * count // FINE.get(unit, 1) / 1e6


def _check_time(column: Column, time: str, zone: str | None = None) -> None:
    """Raise TypeError for numbers where `fit` had times, the other way round, or other times."""
    kind = column.values.dtype.kind
    if column.missing.all() or kind not in "biufMm":
        return
    got = kind if kind in "Mm" else ""
    if got != time:
        raise TypeError(f"{column.label}: expected {TIMES[time]}, as in fit, got {TIMES[got]}")
    if time == "M" and zone is not None and bool(zone) != bool(column.zone):
        expected, other = (f"times with a zone ({printable(zone)})", "times without one")
        if not zone:
            expected, other = "times without a zone", f"times of {printable(column.zone)}"
        raise TypeError(f"{column.label}: expected {expected}, as in fit, got {other}")


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
    plain = isinstance(value, np.generic) and value.dtype.kind in "biufUS"
    return value.item() if plain else value


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
