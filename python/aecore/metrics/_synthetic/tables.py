"""Real and synthetic tables as numbers, by the columns of the real one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...base import names as column_names
from ...base.text import printable
from ...data.tables import Layout, Table
from ...data.tables.columns import Numeric, as_numbers

Matrix = NDArray[np.float32]


class Encoded(NamedTuple):
    """A table's cells by a layout.

    Attributes
    ----------
    table : Table
    places : list of int
        Where the table has each column.
    cells : ndarray of float32, shape (N, C)
        Numbers are standardised, levels are indices, missing cells NaN.
    missing : ndarray of bool, shape (N, C)
        Also of a column that is missing altogether in the real table, whose cells are all NaN.
    """

    table: Table
    places: list[int]
    cells: Matrix
    missing: NDArray[np.bool_]

    def numbers(self, j: int, column: Numeric) -> NDArray[np.float64]:
        """Return the numbers of column j as they came, NaN where they are missing."""
        return as_numbers(self.table.column(self.places[j]), column.time, column.zone)


class Tables(NamedTuple):
    """The tables of a report, and what was learned of the real one's columns."""

    layout: Layout
    names: list[Any]
    real: Encoded
    synthetic: Encoded
    holdout: Encoded | None

    @property
    def is_level(self) -> NDArray[np.bool_]:
        """Which columns have levels."""
        return np.array(self.layout.levels) > 0

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """Which columns of the real table have no cell."""
        return np.array(self.layout.levels) < 0

    def exact(self, part: Encoded) -> NDArray[np.float64]:
        """Return a table's cells (N, C) with its numbers as they came, which cells round."""
        found = part.cells.astype(np.float64)
        for j, column in enumerate(self.layout.columns):
            if isinstance(column, Numeric):
                found[:, j] = part.numbers(j, column)
        return found


def as_bytes(X: NDArray[Any]) -> list[bytes]:
    """Return rows that are equal as equal bytes: with one kind of NaN, and 0 for -0."""
    alike = np.where(np.isnan(X), np.array(np.nan, X.dtype), X + X.dtype.type(0))
    return [row.tobytes() for row in alike]


def read(real: Any, synthetic: Any, holdout: Any, categorical: Iterable[Any]) -> Tables:
    """Read tables; ValueError or TypeError where they haven't the same columns."""
    table = Table(real, name="real")
    layout = Layout.learn(table, categorical)
    names = list(range(table.shape[1])) if table.names is None else list(table.names)
    first = _encoded(table, layout, names)
    others = [
        None if X is None else _encoded(_alike(Table(X, name=name), table), layout, names)
        for X, name in ((synthetic, "synthetic"), (holdout, "holdout"))
    ]
    assert others[0] is not None
    return Tables(layout, names, first, others[0], others[1])


def _alike(table: Table, real: Table) -> Table:
    """Return a table that has the columns of the real one; else raise ValueError."""
    if table.names is not None and real.names is not None:
        if column_names.are_others(real.names, table.names):
            lacks = [n for n in real.names if n not in table.names]
            more = [n for n in table.names if n not in real.names]
            what, which = ("without", lacks) if lacks else ("with", more)
            got = ", ".join(map(printable, which[:5]))
            raise ValueError(
                f"{table.name}: expected the columns of real, got others, {what} {got}"
            )
    if table.shape[1] != real.shape[1]:
        raise ValueError(
            f"{table.name}: expected the {real.shape[1]} columns of real, got {table.shape[1]}"
        )
    return table


def _encoded(table: Table, layout: Layout, names: list[Any]) -> Encoded:
    places = layout.places(table) or list(range(len(names)))
    missing = np.stack([table.column(j).missing for j in places], axis=1)
    return Encoded(table, places, layout.matrix(table, places), missing)
