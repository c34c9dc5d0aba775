"""What is given of rows to be drawn: cells, sets of levels and ranges of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from ...base.text import printable
from ...data.tables import Layout, Table
from ...data.tables.columns import Empty, Levels, Numeric, as_numbers
from ...data.tables.source import Column
from ...losses.histogram import pick
from ...losses.mixed import Mixed

LEAST = 1e-300  # of probabilities
SHOWN = 10  # names or levels, in messages
_normal = np.frompyfunc(NormalDist().cdf, 1, 1)
_normal_quantile = np.frompyfunc(NormalDist().inv_cdf, 1, 1)


class Given:
    """What is given of rows, as a table's layout encodes it.

    Parameters
    ----------
    layout : Layout
    given : dict, DataFrame or structured array, or matrix
        As in `TabularVAE.sample`.

    Attributes
    ----------
    cells : ndarray of float32, shape (1, C) or (N, C)
        The cells that are given, NaN elsewhere: of all rows, or of each.
    numbers : dict of int to ndarray of float64, shape (1,) or (N,)
        Of the columns of numbers that have such cells.
    levels : dict of int to ndarray of bool, shape (K,)
        Of columns with a set of levels, which these are.
    ranges : dict of int to (float, float)
        Of columns with a range of numbers.
    """

    def __init__(self, layout: Layout, given: Any) -> None:
        self.layout = layout
        self.numbers: dict[int, np.ndarray] = {}
        self.levels: dict[int, np.ndarray] = {}
        self.ranges: dict[int, tuple[float, float]] = {}
        if isinstance(given, Mapping):
            self.cells = np.full((1, len(layout.columns)), np.nan, np.float32)
            for key, value in given.items():
                self._add(self._place(key), key, value)
        else:
            self._add_rows(Table(given, name="given"))

        self._tie()

    def __len__(self) -> int:
        return len(self.cells)

    def _tie(self) -> None:
        """Turn columns that constraints tie into what is learned of them; ValueError if needed."""
        for link in self.layout.links:
            j, column = link.column, self.layout.columns[link.column]
            label = f"given: {self._name(j)!r}"
            if j in self.ranges:
                raise ValueError(f"{label}: expected a number, as it follows from others, got ends")
            if j not in self.numbers:
                continue
            others = [self.numbers.get(k, np.full(len(self), np.nan)) for k in link.of]
            there = ~np.isnan(self.numbers[j])
            if np.isnan([v[there] for v in others]).any():
                known = ", ".join(repr(self._name(k)) for k in link.of)
                raise ValueError(f"{label}: expected {known} with it, which it follows from")
            numbers = dict(zip(link.of, others, strict=True)) | {j: self.numbers[j]}
            if link.unmet(numbers).any():
                raise ValueError(f"{label}: expected what the constraints say, got others")
            if not link.is_sum:
                self.cells[:, j] = column.coded(link.coded(numbers))  # type: ignore[union-attr]

    def _name(self, j: int) -> Any:
        return j if self.layout.names is None else self.layout.names[j]

    def _place(self, key: Any) -> int:
        """Return the index of the column of a name."""
        names = self.layout.names
        if names is None and isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            if 0 <= key < len(self.layout.columns):
                return int(key)
        elif names is not None and key in names:
            return names.index(key)
        there = f"0 to {len(self.layout.columns) - 1}"
        if names is not None:
            there = ", ".join(map(printable, names[:SHOWN]))
        raise ValueError(f"given: expected columns of the table in fit ({there}), got {key!r}")

    def _add_rows(self, table: Table) -> None:
        """Take note of the cells of a table of some columns."""
        c = len(self.layout.columns)
        if table.names is None and table.shape[1] != c:
            raise ValueError(f"given: expected {c} columns, as in fit, got {table.shape[1]}")
        self.cells = np.full((len(table), c), np.nan, np.float32)
        for i in range(table.shape[1]):
            j = i if table.names is None else self._place(table.names[i])
            found = table.column(i)
            if not found.missing.all():
                self._set(j, found)

    def _add(self, j: int, key: Any, value: Any) -> None:
        """Take note of what is given of one column for all rows."""
        column, label = self.layout.columns[j], f"given: {key!r}"
        if isinstance(value, tuple):
            if not isinstance(column, Numeric):
                raise ValueError(f"{label}: expected a level or a list of levels, got a range")
            low, high = _range(column, label, value, self._ends(j))
            if low == high:
                self.numbers[j] = np.array([low])
                self.cells[:, j] = column.coded(self.numbers[j])
                return
            self.ranges[j] = low, high
            if j in self.layout.binned and not self._shares(j, (low, high)).any():
                raise ValueError(f"{label}: expected a range with numbers of fit, got {value!r}")
        elif isinstance(value, (list, set, frozenset, np.ndarray)):
            if not isinstance(column, Levels):
                raise ValueError(f"{label}: expected a number or a range (low, high), got a list")
            if not len(value):
                raise ValueError(f"{label}: expected levels, got none")
            chosen = np.zeros(column.levels, bool)
            for one in value:
                chosen[int(self._coded(column, _cell(one, label))[0])] = True
            self.levels[j] = chosen
        else:
            self._set(j, _cell(value, label))

    def _set(self, j: int, found: Column) -> None:
        """Take note of cells of a column, of which some may be missing."""
        column = self.layout.columns[j]
        self.cells[:, j] = self._coded(column, found)
        if isinstance(column, Numeric):
            self.numbers[j] = numbers = as_numbers(found, column.time, column.zone)
            there = ~np.isnan(numbers)
            low, high = self._ends(j)
            odd = there & ((numbers < low) | (numbers > high))
            if odd.any():
                raise ValueError(
                    f"{found.label}: expected numbers from {low:g} to {high:g}, as in fit, got "
                    f"{numbers[odd][0]:g}"
                )
            own = column.step and j not in self.layout.derived  # whose step is of differences
            if own and (np.remainder(numbers[there], column.step) != 0).any():
                raise ValueError(f"{found.label}: expected multiples of {column.step:g}, as in fit")

    def _ends(self, j: int) -> tuple[float, float]:
        """Return the range of a column in fit."""
        column: Any = self.layout.columns[j]
        tied = [(v.low, v.high) for v in self.layout.links if v.column == j]
        return tied[0] if tied else (column.low, column.high)

    def _coded(self, column: Any, found: Column) -> np.ndarray:
        """Return the codes of cells; ValueError for levels that fit hasn't seen."""
        if isinstance(column, Empty):
            raise ValueError(f"{found.label}: expected a column that had a cell in fit")
        codes: np.ndarray = column.encode(found)
        unseen = codes == column.levels
        if isinstance(column, Levels) and unseen.any():
            known = ", ".join(printable(label) for label in column.labels[:SHOWN])
            got = found.values[int(unseen.argmax())]
            raise ValueError(f"{found.label}: expected levels seen in fit ({known}), got {got!r}")
        return codes

    # ---- what codes say of it -------------------------------------------------------------------

    def log_chance(self, loss: Mixed, output: np.ndarray) -> np.ndarray:
        """Return the logarithm of the probability of sets and ranges for outputs (n, O): (n,)."""
        total = np.zeros(len(output))
        for j, chosen in self.levels.items():
            chances = loss.probabilities(output, j)
            total += _log(np.einsum("nk,k->n", chances, chosen))
        for j, ends in self.ranges.items():
            if j in loss.histograms:
                chances = np.einsum("nk,k->n", loss.probabilities(output, j), self._shares(j, ends))
            else:
                low, high, _ = self._tails(loss, output, j, ends)
                chances = high - low
            total += _log(chances)
        return total

    def put(self, loss: Mixed, output: np.ndarray, drawn: np.ndarray, chance: np.ndarray) -> None:
        """Write what is given into cells (n, C) that were drawn, by chances 0..1 (n, 2)."""
        np.copyto(drawn, self.cells, where=~np.isnan(self.cells))
        for j, chosen in self.levels.items():
            drawn[:, j] = pick(loss.probabilities(output, j) * chosen, chance[:, 0])
        for j, (low, high) in self.ranges.items():
            if j in loss.histograms:
                column: Any = self.layout.columns[j]
                bins, margin = loss.histograms[j].bins, column.step / 2
                at = pick(
                    loss.probabilities(output, j) * self._shares(j, (low, high)), chance[:, 0]
                )
                first, last = (bins.below_number(v)[at] for v in (low - margin, high + margin))
                drawn[:, j] = bins.drawn(at, first + chance[:, 1] * (last - first))
            else:
                first, last, sign = self._tails(loss, output, j, (low, high))
                u = np.clip(first + chance[:, 1] * (last - first), LEAST, 1 - 1e-16)
                drawn[:, j] = loss.normal_at(output, j, sign * _normal_quantile(u).astype(float))

    def numbers_of(self, drawn: np.ndarray) -> dict[int, np.ndarray]:
        """Return the numbers (n,) of columns with cells or ranges that are given."""
        found = {}
        for j in {*self.numbers, *self.ranges}:
            column: Any = self.layout.columns[j]
            if j in self.layout.derived:  # follows from others where it isn't given
                found[j] = np.broadcast_to(self.numbers[j], len(drawn))
                continue
            found[j] = column.decode(drawn[:, j])
            if j in self.ranges:
                found[j] = np.clip(found[j], *self.ranges[j])
            else:
                found[j] = np.where(np.isnan(self.numbers[j]), found[j], self.numbers[j])
        return found

    def _shares(self, j: int, ends: tuple[float, float]) -> np.ndarray:
        """Return which share of each bin (K,) a range has."""
        column: Any = self.layout.columns[j]
        margin, bins = column.step / 2, column.coded_bins
        low, high = ends[0] - margin, ends[1] + margin
        inner = (bins.means >= low) & (bins.means <= high)
        return np.where(bins.alone, inner, bins.below_number(high) - bins.below_number(low))

    def _tails(
        self, loss: Mixed, output: np.ndarray, j: int, ends: tuple[float, float]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the probabilities of numbers below both ends of a range, and a sign, (n,) each.

        Where the range is above the mean they are those of the same range below it, which are far
        from 1, and the sign is -1.
        """
        column: Any = self.layout.columns[j]
        margin = column.step / 2
        codes = column.coded(np.array([ends[0] - margin, ends[1] + margin]))
        low, high = (loss.deviations_from(output, j, c) for c in codes)
        if ends[0] <= column.low:  # what is drawn beyond is clipped to the ends of fit
            low = np.full_like(low, -np.inf)
        if ends[1] >= column.high:
            high = np.full_like(high, np.inf)
        above = low > 0
        low, high = np.where(above, -high, low), np.where(above, -low, high)
        return _normal(low).astype(float), _normal(high).astype(float), np.where(above, -1.0, 1.0)


def _log(chances: np.ndarray) -> np.ndarray:
    """Return logarithms of probabilities, -inf of 0."""
    with np.errstate(divide="ignore"):
        found: np.ndarray = np.log(np.maximum(chances, 0))
    return found


def _cell(value: Any, label: str) -> Column:
    """Return a cell as a column of one."""
    cells = np.empty((1, 1), object)
    cells[0, 0] = value
    found = Table(cells, name="given").column(0)._replace(label=label)
    if found.missing.any():
        raise ValueError(f"{label}: expected a value, got {value!r}")
    return found


def _range(
    column: Numeric, label: str, value: tuple[Any, ...], ends: tuple[float, float]
) -> tuple[float, float]:
    """Return the least and the largest number that a range allows for.

    `ends` are those of fit, which None stands for.
    """
    if len(value) != 2:
        raise ValueError(f"{label}: expected a range (low, high), got {value!r}")
    low, high = (
        own if end is None else float(as_numbers(_cell(end, label), column.time, column.zone)[0])
        for own, end in zip(ends, value, strict=True)
    )
    inner = max(low, ends[0]), min(high, ends[1])
    if low > high or inner[0] > inner[1]:
        raise ValueError(
            f"{label}: expected a range within {ends[0]:g} to {ends[1]:g}, as in fit, got {value!r}"
        )
    low, high = inner
    if column.step:
        low, high = math.ceil(low / column.step), math.floor(high / column.step)
        if low > high:
            raise ValueError(f"{label}: expected a multiple of {column.step:g}, got {value!r}")
        low, high = low * column.step, high * column.step
    return low, high
