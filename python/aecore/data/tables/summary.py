"""What is learned of a table that is looked at a part at a time: as of one in memory.

Ranges, steps and levels are those of all cells. Medians and deviations are those of up to 131,072
numbers of a column, evenly spaced: of all of them, where there are no more.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...base import names as column_names
from ..streams import Summary
from .columns import MAX_LEVELS, Empty, Kind, Levels, Numeric, in_order, numbers_of, time_of
from .layout import Layout, places_of
from .source import Column

SAMPLE = 1 << 17  # numbers of a column that its median is of, at most
_NONE = np.zeros(0, bool)
WHAT = {"levels": "levels", "": "numbers", "M": "times", "m": "durations"}


class Spaced:
    """Numbers of a long series, evenly spaced, so that they stay few."""

    def __init__(self, most: int = SAMPLE) -> None:
        self.most, self._step, self._seen = most, 1, 0
        self._parts, self._kept = list[np.ndarray](), 0

    def add(self, numbers: np.ndarray) -> None:
        """Take note of the next numbers."""
        self._keep(numbers[-self._seen % self._step :: self._step].copy(), len(numbers))

    def merge(self, other: Spaced) -> None:
        """Take note of others' numbers, of all of which as few are kept as of these."""
        step = max(self._step, other._step)
        mine, theirs = (one.values()[:: step // one._step] for one in (self, other))
        self._parts, self._kept, self._step = [mine], len(mine), step
        self._keep(theirs, other._seen)

    def _keep(self, numbers: np.ndarray, seen: int) -> None:
        """Keep some numbers that stand for so many; leave out every second while they are many."""
        self._parts.append(numbers)
        self._kept, self._seen = self._kept + len(numbers), self._seen + seen
        while self._kept > self.most:
            self._parts, self._step = [self.values()[::2]], 2 * self._step
            self._kept = len(self._parts[0])

    def values(self) -> np.ndarray:
        """Return what is kept of them."""
        return np.concatenate([np.empty(0), *self._parts])


class ColumnSummary:
    """What is known of a column after a look at some of its cells."""

    def __init__(self, categorical: bool, binned: bool = False) -> None:
        self._categorical, self._binned = categorical, binned
        self._what: str | None = None  # a key of WHAT; None before the first cell
        self._column: Column | None = None  # one with cells, if there is any
        self._levels: Levels | None = None
        self._numbers, self._low, self._high, self._step = Spaced(), np.inf, -np.inf, np.inf
        self._seen, self._truths = 0, [False, False, False]  # whether there are 0, 1, others

    def add(self, column: Column) -> None:
        """Take note of some cells; TypeError for others than before."""
        cells, column = column, column._replace(values=column.values[:0], missing=_NONE)
        if cells.missing.all():
            self._column = self._column or column
            return
        kind = cells.values.dtype.kind
        leveled = self._categorical or column.grouped or kind in "bUO"
        self._begin("levels" if leveled and kind not in "Mm" else time_of(cells), column)
        if self._what == "levels":
            self._add_levels(Levels.learn(cells), column.label)
            return
        numbers = numbers_of(cells)
        self._numbers.add(numbers)
        found = Numeric.of(numbers[:1], numbers, column)
        zeros, ones = int((numbers == 0).sum()), int((numbers == 1).sum())
        counts = zeros, ones, len(numbers) - zeros - ones
        self._widen(found.low, found.high, found.step, len(numbers), [n > 0 for n in counts])

    def merge(self, other: ColumnSummary) -> None:
        """Take note of what is known of other cells; TypeError for others than before."""
        assert other._column is not None
        if other._what is None:
            self._column = self._column or other._column
            return
        self._begin(other._what, other._column)
        if other._levels is not None:
            self._add_levels(other._levels, other._column.label)
            return
        self._numbers.merge(other._numbers)
        self._widen(other._low, other._high, other._step, other._seen, other._truths)

    def _begin(self, what: str, column: Column) -> None:
        """Begin with cells of a kind."""
        if self._what not in (None, what):
            raise TypeError(
                f"{column.label}: expected {WHAT[self._what or '']}, as in rows before, got "
                f"{WHAT[what]}"
            )
        if self._what is None or (self._is_whole() and column.values.dtype.kind == "f"):
            self._column = column
        self._what = what

    def _widen(self, low: float, high: float, step: float, seen: int, truths: list[bool]) -> None:
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._step, self._seen = min(self._step, step), self._seen + seen
        self._truths = [a or b for a, b in zip(self._truths, truths, strict=True)]

    def _is_whole(self) -> bool:
        """Return whether the cells known are integers: those with gaps come as floats."""
        return self._column is not None and self._column.values.dtype.kind in "iu"

    def _add_levels(self, new: Levels, label: str) -> None:
        before = self._levels
        if before is None:
            self._levels = new
            return
        labels = in_order({*before.labels, *new.labels})
        if len(labels) > MAX_LEVELS:
            raise ValueError(f"{label}: expected at most {MAX_LEVELS} levels, got more")
        known = before.categories
        if known is not None and new.categories is not None:
            known = known + [c for c in new.categories if c not in known]
        ordered = before.ordered and before.categories == new.categories
        seen = before.seen + new.seen
        self._levels = Levels(labels, seen, before.dtype, before.objects, known, ordered)

    def learned(self) -> Kind:
        """Return the column's encoding."""
        column = self._column
        assert column is not None
        if self._what is None:
            return Empty(column.dtype)
        if self._what == "levels":
            assert self._levels is not None
            return self._levels
        if self._what == "" and self._truths == [True, True, False]:
            return Levels([0, 1], self._seen, column.dtype, column.objects)
        ends = np.array([self._low, self._high])
        found = Numeric.of(self._numbers.values(), ends, column, self._binned)
        found.step = self._step
        return found


class TableSummary(Summary):
    """What is known of a table's rows after one look through them, a part at a time.

    Parameters
    ----------
    categorical, binned
        As of `Layout.learn`.
    """

    def __init__(self, categorical: Iterable[Any] = (), binned: bool = False) -> None:
        super().__init__()
        self._categorical, self._binned = categorical, binned
        self._columns: list[ColumnSummary] = []
        self._names: list[Any] | None = None
        self._form = ""
        self._low, self._high = 0.0, 1.0

    def add(self, table: Any) -> None:
        """Take note of some rows, a `Table`; TypeError or ValueError if they don't fit others."""
        if not self.batches:
            chosen = places_of(table, self._categorical)
            self._columns = [
                ColumnSummary(j in chosen, self._binned) for j in range(table.shape[1])
            ]
            self._names, self._form, self.shape = table.names, table.form, table.shape[1:]
            if table.names is not None:
                self.columns = column_names.as_array(table.names)
        if table.shape[1:] != self.shape or table.names != self._names:
            raise ValueError(
                f"expected the columns {self._names or self.shape[0]}, as in the first, got "
                f"{table.names or table.shape[1]}"
            )
        for j, column in enumerate(self._columns):
            column.add(table.column(j))
        self.batches += 1
        self._n += len(table)

    def over(self, parts: Sequence[Any]) -> TableSummary:
        """Return what is known of several parts, of which this is one, of so many rows."""
        found = copy.copy(self)
        found._columns = copy.deepcopy(parts[0]._columns)
        for part in parts[1:]:
            for column, other in zip(found._columns, part._columns, strict=True):
                column.merge(other)
        return found

    @property
    def layout(self) -> Layout:
        """The encodings of the columns."""
        found = [column.learned() for column in self._columns]
        return Layout.of(found, self._names, self._form)
