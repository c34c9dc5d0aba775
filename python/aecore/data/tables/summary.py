"""What is learned of a table that is looked at a part at a time: as of one in memory.

Ranges, steps and levels are those of all cells. Medians and deviations are those of up to 131,072
numbers of a column, evenly spaced: of all of them, where there are no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...base import names as column_names
from ..streams import Summary
from .columns import MAX_LEVELS, Empty, Kind, Levels, Numeric, in_order, numbers_of
from .layout import Layout, places_of
from .source import Column

SAMPLE = 1 << 17  # numbers of a column that its median is of, at most
WHAT = {"levels": "levels", "": "numbers", "M": "times", "m": "durations"}


class Spaced:
    """Numbers of a long series, evenly spaced, so that they stay few."""

    def __init__(self, most: int = SAMPLE) -> None:
        self.most, self._step, self._seen, self._kept = most, 1, 0, np.empty(0)

    def add(self, numbers: np.ndarray) -> None:
        """Take note of the next numbers."""
        new = numbers[-self._seen % self._step :: self._step]
        self._seen += len(numbers)
        self._kept = np.concatenate([self._kept, new])
        while len(self._kept) > self.most:
            self._kept, self._step = self._kept[::2], 2 * self._step

    def values(self) -> np.ndarray:
        """Return what is kept of them."""
        return self._kept


class ColumnSummary:
    """What is known of a column after a look at some of its cells."""

    def __init__(self, categorical: bool) -> None:
        self._categorical = categorical
        self._what: str | None = None  # a key of WHAT; None before the first cell
        self._column: Column | None = None  # one with cells, if there is any
        self._levels: Levels | None = None
        self._numbers, self._low, self._high, self._step = Spaced(), np.inf, -np.inf, np.inf
        self._seen, self._truths = 0, {0: False, 1: False, 2: False}  # 2 stands for other numbers

    def add(self, column: Column) -> None:
        """Take note of some cells; TypeError for others than before."""
        if column.missing.all():
            self._column = self._column or column
            return
        kind = column.values.dtype.kind
        leveled = self._categorical or column.grouped or kind in "bUO"
        what = "levels" if leveled and kind not in "Mm" else kind if kind in "Mm" else ""
        if self._what not in (None, what):
            raise TypeError(
                f"{column.label}: expected {WHAT[self._what or '']}, as in rows before, got "
                f"{WHAT[what]}"
            )
        if self._what is None or (self._is_whole() and kind == "f"):
            self._column = column
        self._what = what
        if what == "levels":
            self._add_levels(Levels.learn(column), column.label)
            return
        numbers = numbers_of(column)
        self._numbers.add(numbers)
        found = Numeric.of(numbers[:1], numbers, column)
        self._low, self._high = min(self._low, found.low), max(self._high, found.high)
        self._step, self._seen = min(self._step, found.step), self._seen + len(numbers)
        zeros, ones = int((numbers == 0).sum()), int((numbers == 1).sum())
        for value, there in enumerate((zeros, ones, len(numbers) - zeros - ones)):
            self._truths[value] |= there > 0

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
        if self._what == "" and self._truths == {0: True, 1: True, 2: False}:
            return Levels([0, 1], self._seen, column.dtype, column.objects)
        found = Numeric.of(self._numbers.values(), np.array([self._low, self._high]), column)
        found.step = self._step
        return found


class TableSummary(Summary):
    """What is known of a table's rows after one look through them, a part at a time.

    Parameters
    ----------
    categorical : iterable of str or int
        As of `Layout.learn`.
    """

    def __init__(self, categorical: Iterable[Any] = ()) -> None:
        super().__init__()
        self._categorical = categorical
        self._columns: list[ColumnSummary] = []
        self._names: list[Any] | None = None
        self._form = ""
        self._low, self._high = 0.0, 1.0

    def add(self, table: Any) -> None:
        """Take note of some rows, a `Table`; TypeError or ValueError if they don't fit others."""
        if not self.batches:
            chosen = places_of(table, self._categorical)
            self._columns = [ColumnSummary(j in chosen) for j in range(table.shape[1])]
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

    @property
    def layout(self) -> Layout:
        """The encodings of the columns."""
        found = [column.learned() for column in self._columns]
        return Layout.of(found, self._names, self._form)
