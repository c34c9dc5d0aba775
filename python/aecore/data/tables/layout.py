"""The encoding of a whole table as a float32 matrix, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...base import checks
from ...base import names as column_names
from ...base.text import printable
from . import frames
from .bins import check_bins
from .cells import Cells, Filling
from .columns import Empty, Kind, Levels, Numeric, are_labels, as_numbers, in_order, learn
from .constraints import Link, check_links, learned, links_of
from .source import Table

FORMS = ("pandas", "polars", "structured", "array")
WIDEST = 1 << 26  # bytes that a row may have, whatever a file says of its columns
KINDS: dict[str, Any] = {cls.kind: cls for cls in (Numeric, Levels, Empty)}


class Layout:
    """The learned encodings of a table's columns.

    Parameters
    ----------
    columns : list of Numeric, Levels or Empty
    names : list or None
    form : str
        The container of the table in fit.
    links : list of Link
        Which columns follow from others, by constraints.

    Attributes
    ----------
    levels : tuple of int
        The number of levels of each column; 0 if it is numeric, -1 if it was empty or is a sum.
    derived : set of int
        The columns that follow from others.
    binned : dict of int to Numeric
        The columns of numbers that have bins.
    surprise : ndarray of float64, shape (C,)
        The loss in nats of a level that fit hasn't seen; 0 for columns without levels.
    """

    def __init__(
        self,
        columns: list[Kind],
        names: list[Any] | None,
        form: str,
        links: Sequence[Link] = (),
    ) -> None:
        self.columns, self.names, self.form, self.links = columns, names, form, list(links)
        self._index()

    def _index(self) -> None:
        links, columns = self.links, self.columns
        self.derived = {link.column for link in links}
        summed = {link.column for link in links if link.is_sum}
        self.levels = tuple(-1 if j in summed else c.levels for j, c in enumerate(columns))
        self.binned = {
            j: c
            for j, c in enumerate(columns)
            if isinstance(c, Numeric) and c.bins is not None and j not in summed
        }
        self.surprise = np.array([c.surprise if isinstance(c, Levels) else 0.0 for c in columns])

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({"links": []} | state)
        self._index()

    @classmethod
    def learn(
        cls,
        table: Table,
        categorical: Iterable[Any] = (),
        binned: bool = False,
        constraints: Any = None,
    ) -> Layout:
        """Learn the columns of a table.

        Parameters
        ----------
        table : Table
        categorical : iterable of str or int
            Columns that have levels even if their cells are numbers, by name or index.
        binned : bool
            Whether bins of numbers are learned.
        constraints : list of Constraint, or None
        """
        chosen = places_of(table, categorical)
        links = links_of(constraints, table, lambda key: _place(table, key, "constraints"))
        tied = learned(table, links, binned)
        columns = [
            tied[j] if j in tied else learn(table.column(j), j in chosen, binned)
            for j in range(table.shape[1])
        ]
        return cls.of(columns, table.names, table.form, table.name, links)

    @classmethod
    def of(
        cls,
        columns: list[Kind],
        names: list[Any] | None,
        form: str,
        name: str = "X",
        links: Sequence[Link] = (),
    ) -> Layout:
        """Return the layout of columns that have been learned; ValueError if none has a cell."""
        if all(isinstance(column, Empty) for column in columns):
            raise ValueError(f"{name}: expected a cell that isn't missing, got none")
        return cls(columns, None if column_names.are_default(names) else names, form, links)

    def matrix(
        self, table: Table, places: list[int] | None = None, strict: bool = False
    ) -> np.ndarray:
        """Return a table's cells as float32 (N, C), NaN where they are missing.

        Parameters
        ----------
        table : Table
        places : list of int, optional
            The index of each column in the table; by default they are in order.
        strict : bool
            Whether rows that don't meet the constraints are a ValueError.
        """
        out = np.empty((len(table), len(self.columns)), np.float32)
        for j, kind in enumerate(self.columns):
            out[:, j] = kind.encode(table.column(j if places is None else places[j]))
        for link in self.links:
            numbers = {j: self._numbers(table, places, j) for j in (link.column, *link.of)}
            if strict:
                link.refuse(numbers, "constraints say")
            column: Any = self.columns[link.column]
            out[:, link.column] = column.coded(link.coded(numbers))
        return out

    def _numbers(self, table: Table, places: list[int] | None, j: int) -> np.ndarray:
        """Return the numbers of a table's cells of column j, NaN where they are missing."""
        column: Any = self.columns[j]
        found = table.column(j if places is None else places[j])
        return as_numbers(found, column.time, column.zone)

    def linked(
        self, matrix: np.ndarray, numbers: Mapping[int, np.ndarray] | None = None
    ) -> dict[int, np.ndarray]:
        """Return the numbers of all columns that have to do with constraints, of a matrix (N, C).

        Some may be known, by index, NaN where they aren't: the others meet the constraints with
        them.
        """
        found = dict(numbers or {})
        given = set(found)

        def put(j: int, made: np.ndarray) -> None:
            found[j] = np.where(np.isnan(found[j]), made, found[j]) if j in given else made

        for j in {j for link in self.links for j in link.of} - self.derived:
            put(j, self.columns[j].decode(matrix[:, j]))
        for link in self.links:
            j = link.column
            put(j, link.numbers(found, self.columns[j].decode(matrix[:, j])))
        if numbers and given & self.derived:
            self._settle(found, numbers)
        return found

    def _settle(self, found: dict[int, np.ndarray], known: Mapping[int, np.ndarray]) -> None:
        """Change numbers that were made so that constraints are met with those that are known."""
        kinds: Any = self.columns
        steps = {j: 0.0 if j in self.derived else kinds[j].step for j in found}
        made = {j: np.isnan(known.get(j, np.full(len(v), np.nan))) for j, v in found.items()}
        free, fixed = dict(made), {j: ~v for j, v in made.items()}
        for link in self.links:
            if link.is_sum:  # free if a term is
                free[link.column] = made[link.column] & np.any([free[j] for j in link.of], axis=0)
        for link in 2 * self.links[::-1]:  # an order may lower what a sum is to have
            link.settle(found, free, fixed, steps)
        for link in self.links:
            j = link.column
            found[j] = np.where(made[j], link.follow(found), found[j])
        unmet = np.any([link.unmet(found) for link in self.links], axis=0).sum()
        if unmet:
            checks.warn(
                f"constraints: expected gaps that can be filled so that they are met, got {unmet} "
                "rows in which they aren't",
                UserWarning,
            )

    def log_scale(self, matrix: np.ndarray) -> np.ndarray:
        r"""Return :math:`\ln |dv / dx|` of rows: of what numbers x are encoded as, v (N, C).

        It turns a density of encoded numbers into one of the table's own, in its own units.
        """
        total = np.zeros(len(matrix))
        for j, column in enumerate(self.columns):
            if isinstance(column, Numeric) and self.levels[j] == 0:
                total += np.nan_to_num(column.log_scale(matrix[:, j]))
        return total

    def places(self, table: Table) -> list[int] | None:
        """Return the columns' indices in a table, by name; None if they are in order."""
        places = column_names.places(self.names, table.names)
        return None if places == list(range(len(self.columns))) else places

    def table(self, matrix: np.ndarray, numbers: Mapping[int, np.ndarray] | None = None) -> Any:
        """Decode a matrix (N, C) to a table in the container that fit was given.

        Columns of numbers (or seconds) may be given decoded, by index.
        """
        known = self.linked(matrix, numbers)
        cells = [Cells.decoded(c, matrix[:, j], known.get(j)) for j, c in enumerate(self.columns)]
        return frames.build(self.form, self.names, [c.dtype for c in self.columns], cells)

    def filled(self, table: Table, matrix: np.ndarray) -> Any:
        """Return a table whose missing cells are decoded from a matrix (N, C)."""
        places, cells = self.places(table), {}
        tied = {j for link in self.links for j in (link.column, *link.of)}
        numbers = self.linked(matrix, {j: self._numbers(table, places, j) for j in tied})
        for j, column in enumerate(self.columns):
            at = j if places is None else places[j]
            found = table.column(at)
            missing = found.missing
            if missing.any() and not isinstance(column, Empty):
                known = numbers[j][missing] if j in numbers else None
                new = Cells.decoded(column, matrix[missing, j], known)
                if not missing.all():  # as the others, and else as in fit
                    new = new._replace(zone=found.zone, objects=found.objects)
                dtype = column.dtype if self.form == table.form else None
                cells[at] = Filling(missing, new, dtype)
        return frames.fill(table, cells)

    # ---- files ----------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return the layout for a file, as JSON takes it."""
        columns = [{"kind": c.kind, **written(c)} for c in self.columns]
        names = self.names and [column_names.written(name) for name in self.names]
        found = {"form": self.form, "names": names, "columns": columns}
        return found | ({"links": [[*v] for v in self.links]} if self.links else {})

    @classmethod
    def read(cls, found: Any) -> Layout:
        """Return the layout that `describe` described; ValueError for anything else."""
        if not isinstance(found, dict) or set(found) - {"links"} != {"form", "names", "columns"}:
            raise ValueError("table: expected form, names and columns")
        form, names, columns = found["form"], found["names"], found["columns"]
        if form not in FORMS or not isinstance(columns, list) or not columns:
            raise ValueError("table: expected a form and columns")
        if names is not None:
            names = [column_names.read(n) for n in names] if isinstance(names, list) else []
            if len(names) != len(columns) or len(set(names)) < len(names):
                raise ValueError("table: expected a name for each column")
            if form != "pandas" and not column_names.are_text(names):
                raise ValueError("table: expected strings as names")
        elif form in ("structured", "polars"):
            raise ValueError("table: expected names")
        kinds = [_read_column(c) for c in columns]
        layout = cls(kinds, names, form, _read_links(found.get("links", []), kinds))
        if form in ("array", "structured"):
            for column in layout.columns:  # NumPy warns of "a", which it calls "S" itself
                if column.dtype.lstrip("<>=|")[:1] == "a":
                    raise ValueError(f"table: expected a dtype, got {column.dtype!r}")
            width = sum(np.dtype(c.dtype).itemsize for c in layout.columns)
            if width > WIDEST:
                raise ValueError(f"table: expected rows of at most {WIDEST} bytes, got {width}")
            layout.table(
                np.zeros((1, len(columns)), np.float32)
            )  # ValueError for dtypes that can't hold the cells
        return layout


def places_of(table: Table, keys: Iterable[Any]) -> set[int]:
    """Return the indices of the columns that keys name."""
    return {_place(table, key) for key in keys}


def _place(table: Table, key: Any, what: str = "categorical") -> int:
    """Return the index of the column that a key names."""
    c, key = table.shape[1], key.item() if isinstance(key, np.generic) else key
    if table.names is not None and not isinstance(key, bool) and key in table.names:
        return table.names.index(key)
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool) and 0 <= key < c:
        return int(key)
    there = f"0 to {c - 1}" if table.names is None else ", ".join(map(printable, table.names[:10]))
    raise ValueError(f"{what}: expected columns of {table.name} ({there}), got {key!r}")


def written(column: Kind) -> dict[str, Any]:
    """Return what a column has learned, for a file; what is as by default is left out."""
    found = {name: getattr(column, name) for name in column.FIELDS}
    others = {name: getattr(column, name) for name in column.OPTIONAL}
    return found | {k: v for k, v in others.items() if v != column.OPTIONAL[k]}


def _read_links(found: Any, columns: list[Kind]) -> list[Link]:
    """Return the links that a file describes; ValueError for anything else."""
    links = []
    rows: list[Any] = found if isinstance(found, list) else [None]
    for one in rows:
        typed = isinstance(one, list) and len(one) == 5 and isinstance(one[1], list)
        if not typed or not one[1] or type(one[2]) is not bool:
            raise ValueError("table: expected links of columns")
        places = [one[0], *one[1]]
        if not all(
            type(j) is int and 0 <= j < len(columns) and isinstance(columns[j], Numeric)
            for j in places
        ):
            raise ValueError("table: expected links of numeric columns")
        if not all(type(v) is float and math.isfinite(v) for v in one[3:]):
            raise ValueError("table: expected finite ends of a link")
        links.append(Link(one[0], tuple(one[1]), *one[2:]))
    check_links(links, len(columns))
    return links


def _read_column(found: Any) -> Kind:
    if not isinstance(found, dict) or found.get("kind") not in KINDS:
        raise ValueError("table: expected a column of a known kind")
    cls = KINDS[found["kind"]]
    if set(found) - set(cls.OPTIONAL) != {"kind", *cls.FIELDS}:
        raise ValueError(f"table: expected a column's {', '.join(cls.FIELDS)}")
    fields = cls.OPTIONAL | {name: found[name] for name in found if name != "kind"}
    if not isinstance(fields["dtype"], str):
        raise ValueError("table: expected a dtype")
    if not isinstance(fields.get("objects", ""), str):
        raise ValueError("table: expected what objects are")
    if cls is Numeric:
        numbers = [fields[n] for n in cls.FIELDS[:7]]
        if not all(type(v) is float and math.isfinite(v) for v in numbers):
            raise ValueError("table: expected finite numbers of a numeric column")
        if min(fields["scale"], fields["deviation"]) <= 0 or fields["low"] > fields["high"]:
            raise ValueError("table: expected a scale, a deviation and a range")
        if fields["time"] not in ("", "M", "m") or fields["step"] < 0:
            raise ValueError("table: expected a step, and what kind of time it is of")
        if not isinstance(found.get("zone", ""), str):
            raise ValueError("table: expected a time zone")
        check_bins(found.get("bins", [[0.0, 0.0, 0.0]]))
    if cls is Levels:
        labels, seen = fields["labels"], fields["seen"]
        if not isinstance(labels, list) or not labels or type(seen) is not int:
            raise ValueError("table: expected labels, and how many cells had them")
        if not 1 <= seen < 2**63:
            raise ValueError(f"table: expected a number of cells, got {seen}")
        if not are_labels(labels) or labels != in_order(set(labels)):
            raise ValueError("table: expected different labels in order")
        known = found.get("categories", [])
        if not are_labels(known) or len(set(known)) < len(known):
            raise ValueError("table: expected different categories")
        if not isinstance(fields["ordered"], bool):
            raise ValueError("table: expected whether categories are ordered")
    return cls(**fields)
