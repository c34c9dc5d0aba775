"""The encoding of a whole table as a float32 matrix, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from . import frames
from .columns import Empty, Kind, Levels, Numeric, are_labels, in_order, learn
from .source import Table

FORMS = ("pandas", "polars", "structured", "array")
KINDS: dict[str, Any] = {cls.kind: cls for cls in (Numeric, Levels, Empty)}


class Layout:
    """The learned encodings of a table's columns.

    Parameters
    ----------
    columns : list of Numeric, Levels or Empty
    names : list of str or None
    form : str
        The container of the table in fit.

    Attributes
    ----------
    levels : tuple of int
        The number of levels of each column; 0 if it is numeric, -1 if it was empty.
    surprise : ndarray of float64, shape (C,)
        The loss in nats of a level that fit hasn't seen; 0 for columns without levels.
    """

    def __init__(self, columns: list[Kind], names: list[str] | None, form: str) -> None:
        self.columns, self.names, self.form = columns, names, form
        self.levels = tuple(column.levels for column in columns)
        self.surprise = np.array([c.surprise if isinstance(c, Levels) else 0.0 for c in columns])

    @classmethod
    def learn(cls, table: Table, categorical: Iterable[Any] = ()) -> Layout:
        """Learn the columns of a table.

        Parameters
        ----------
        table : Table
        categorical : iterable of str or int
            Columns that have levels even if their cells are numbers, by name or index.
        """
        chosen = {_place(table, key) for key in categorical}
        columns = [learn(table.column(j), j in chosen) for j in range(table.shape[1])]
        return cls(columns, table.names, table.form)

    def matrix(self, table: Table, places: list[int] | None = None) -> np.ndarray:
        """Return a table's cells as float32 (N, C), NaN where they are missing.

        Parameters
        ----------
        table : Table
        places : list of int, optional
            The index of each column in the table; by default they are in order.
        """
        out = np.empty((len(table), len(self.columns)), np.float32)
        for j, column in enumerate(self.columns):
            out[:, j] = column.encode(table.column(j if places is None else places[j]))
        return out

    def places(self, table: Table) -> list[int] | None:
        """Return the columns' indices in a table, by name; None if they are in order."""
        if table.names is None or self.names is None or table.names == self.names:
            return None
        at = {name: j for j, name in enumerate(table.names)}
        if set(at) != set(self.names):
            return None
        return [at[name] for name in self.names]

    def table(self, matrix: np.ndarray) -> Any:
        """Decode a matrix (N, C) to a table in the container that fit was given."""
        cells = [column.decode(matrix[:, j]) for j, column in enumerate(self.columns)]
        return frames.build(self.form, self.names, self.columns, cells)

    def filled(self, table: Table, matrix: np.ndarray) -> Any:
        """Return a table whose missing cells are decoded from a matrix (N, C)."""
        places, cells = self.places(table), {}
        for j, column in enumerate(self.columns):
            at = j if places is None else places[j]
            missing = table.column(at).missing
            if missing.any() and not isinstance(column, Empty):
                cells[at] = frames.Filling(column, missing, column.decode(matrix[missing, j]))
        return frames.fill(table, cells)

    # ---- files ----------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return the layout for a file, as JSON takes it."""
        columns = [
            {"kind": c.kind, **{name: getattr(c, name) for name in c.FIELDS}} for c in self.columns
        ]
        return {"form": self.form, "names": self.names, "columns": columns}

    @classmethod
    def read(cls, found: Any) -> Layout:
        """Return the layout that `describe` described; ValueError for anything else."""
        if not isinstance(found, dict) or set(found) != {"form", "names", "columns"}:
            raise ValueError("table: expected form, names and columns")
        form, names, columns = found["form"], found["names"], found["columns"]
        if form not in FORMS or not isinstance(columns, list) or not columns:
            raise ValueError("table: expected a form and columns")
        if names is not None:
            strings = isinstance(names, list) and all(isinstance(n, str) for n in names)
            if not strings or len(names) != len(columns) or len(set(names)) < len(names):
                raise ValueError("table: expected a name for each column")
        elif form in ("structured", "polars"):
            raise ValueError("table: expected names")
        layout = cls([_read_column(c) for c in columns], names, form)
        if form in ("array", "structured"):
            layout.table(
                np.zeros((1, len(columns)), np.float32)
            )  # ValueError for dtypes that can't hold the cells
        return layout


def _place(table: Table, key: Any) -> int:
    """Return the index of the column that a key names."""
    c = table.shape[1]
    if isinstance(key, str) and table.names is not None and key in table.names:
        return table.names.index(key)
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool) and 0 <= key < c:
        return int(key)
    there = f"0 to {c - 1}" if table.names is None else ", ".join(table.names[:10])
    raise ValueError(f"categorical: expected columns of {table.name} ({there}), got {key!r}")


def _read_column(found: Any) -> Kind:
    if not isinstance(found, dict) or found.get("kind") not in KINDS:
        raise ValueError("table: expected a column of a known kind")
    cls = KINDS[found["kind"]]
    if set(found) != {"kind", *cls.FIELDS}:
        raise ValueError(f"table: expected a column's {', '.join(cls.FIELDS)}")
    fields = {name: found[name] for name in cls.FIELDS}
    if not isinstance(fields["dtype"], str):
        raise ValueError("table: expected a dtype")
    if cls is Numeric:
        numbers = [fields[n] for n in cls.FIELDS[:7]]
        if not all(type(v) is float and math.isfinite(v) for v in numbers):
            raise ValueError("table: expected finite numbers of a numeric column")
        if min(fields["scale"], fields["deviation"]) <= 0 or fields["low"] > fields["high"]:
            raise ValueError("table: expected a scale, a deviation and a range")
        if fields["time"] not in ("", "M", "m") or fields["step"] < 0:
            raise ValueError("table: expected a step, and what kind of time it is of")
    if cls is Levels:
        labels, seen = fields["labels"], fields["seen"]
        if not isinstance(labels, list) or not labels or type(seen) is not int:
            raise ValueError("table: expected labels, and how many cells had them")
        if not 1 <= seen < 2**63:
            raise ValueError(f"table: expected a number of cells, got {seen}")
        if not are_labels(labels) or labels != in_order(set(labels)):
            raise ValueError("table: expected different labels in order")
    return cls(**fields)
