"""Constraints that all rows of a table meet: a column that follows from others isn't learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...base.params import Choice
from .columns import Numeric, as_numbers
from .source import Column, Table

__all__ = ["Ordered", "SumTo"]


def __dir__() -> list[str]:
    return __all__


ROWS = 5  # that a message names
TOLERANCE = 1e-6  # of a sum, as a share of its terms' sizes


class Constraint(Choice):
    """What holds of some columns of numbers or times in every row."""

    def links(self, table: Table, place: Any) -> list[Link]:
        """Return what follows from what in a table; ValueError where rows don't meet it.

        `place` gives the index of a column that a key names.
        """
        raise NotImplementedError


class SumTo(Constraint):
    """One column is the sum of others: it isn't learned, but added up.

    It may be more than in `fit`, and less. Where it is there and some of the others are missing
    `TabularVAE.impute` makes these fit it.

    Parameters
    ----------
    total : str or int
        The column, by name, or by place in a table without names.
    parts : sequence of str or int
        The columns that it is the sum of.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> a, b = np.random.default_rng(0).random((2, 200))
    >>> X = np.stack([a, b, a + b], axis=1)
    >>> model = ae.TabularVAE(ae.Dense((16,)), 2, epochs=5, constraints=[ae.SumTo(2, [0, 1])])
    >>> drawn = model.fit(X).sample(5, random_state=0)
    >>> bool(np.allclose(drawn[:, 2], drawn[:, 0] + drawn[:, 1]))
    True
    """

    def __init__(self, total: Any, parts: Any) -> None:
        self.total, self.parts = total, parts

    def links(self, table: Table, place: Any) -> list[Link]:
        """Return what follows from what; see `Constraint.links`."""
        if not isinstance(self.parts, Sequence) or isinstance(self.parts, str) or not self.parts:
            raise ValueError(f"constraints: {self}: expected a list of columns, got {self.parts!r}")
        total, parts = place(self.total), [place(key) for key in self.parts]
        numbers = {j: _numbers(table, j) for j in (total, *parts)}
        link = Link(total, tuple(parts), True, *_ends(numbers[total]))
        link.refuse(numbers, f"{self} says")
        return [link]


class Ordered(Constraint):
    """Columns don't decrease from one to the next: what is learned are their differences.

    Where a cell is missing so is its difference to the next one, and what that says of the row has
    no part: a missing start is filled in by the other columns, and is the end at most.

    Parameters
    ----------
    *columns : str or int
        At least two, by name, or by place in a table without names; of numbers, or of times.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> start, length = np.random.default_rng(0).random((2, 200))
    >>> X = np.stack([start, start + length**4], axis=1)
    >>> model = ae.TabularVAE(ae.Dense((16,)), 2, epochs=5, constraints=[ae.Ordered([0, 1])])
    >>> drawn = model.fit(X).sample(1000, random_state=0)
    >>> bool((drawn[:, 0] <= drawn[:, 1]).all())
    True
    """

    def __init__(self, columns: Any) -> None:
        self.columns = columns

    def links(self, table: Table, place: Any) -> list[Link]:
        """Return what follows from what; see `Constraint.links`."""
        typed = isinstance(self.columns, Sequence) and not isinstance(self.columns, str)
        if not typed or len(self.columns) < 2:
            raise ValueError(
                f"constraints: {self}: expected a list of at least two columns, got "
                f"{self.columns!r}"
            )
        places = [place(key) for key in self.columns]
        if len({_time(table.column(j)) for j in places}) > 1:
            raise TypeError(f"constraints: {self}: expected times alone, or numbers, got both")
        found = []
        numbers = {j: _numbers(table, j) for j in places}
        for before, j in zip(places, places[1:], strict=False):
            link = Link(j, (before,), False, *_ends(numbers[j]))
            link.refuse(numbers, f"{self} says")
            found.append(link)
        return found


class Link(NamedTuple):
    """A column that follows from others.

    Attributes
    ----------
    column : int
    of : tuple of int
        What it is the sum of, or at least as large as.
    is_sum : bool
    low, high : float
        The range of its numbers in fit.
    """

    column: int
    of: tuple[int, ...]
    is_sum: bool
    low: float
    high: float

    def coded(self, numbers: dict[int, np.ndarray]) -> np.ndarray:
        """Return what is learned of the column: its numbers less those before it."""
        return numbers[self.column] - (0 if self.is_sum else numbers[self.of[0]])

    def numbers(self, known: dict[int, np.ndarray], difference: np.ndarray) -> np.ndarray:
        """Return the column's numbers from those of others, and the difference of an order."""
        if not self.is_sum:
            own = np.clip(known[self.of[0]] + difference, self.low, self.high)
            known = known | {self.column: own}
        return self.follow(known)

    def settle(
        self,
        numbers: dict[int, np.ndarray],
        free: dict[int, np.ndarray],
        fixed: dict[int, np.ndarray],
        steps: dict[int, float],
    ) -> None:
        """Change free terms so that the column follows from them where it is fixed.

        Terms of a sum are scaled to what the others leave of it if they have one sign, and it too;
        else they are moved, all by as much. Steps are those of columns, 0 for none. The term with
        the least step is the last, and takes what rounding to multiples leaves.
        """
        whole = numbers[self.column]
        if not self.is_sum:
            (j,) = self.of
            most = np.floor(whole / steps[j]) * steps[j] if steps[j] else whole
            changed = free[j] & fixed[self.column] & (numbers[j] > most)
            numbers[j] = np.where(changed, most, numbers[j])
            fixed[j], free[j] = fixed[j] | changed, free[j] & ~changed
            return
        of = sorted(self.of, key=lambda j: -steps[j])
        terms, moves = (np.array([v[j] for j in of]) for v in (numbers, free))
        left = whole - np.where(moves, 0, terms).sum(0)
        own = np.where(moves, terms, 0)
        total, remaining = own.sum(0), moves.sum(0)
        scales = (np.abs(own).sum(0) == np.abs(total)) & (total != 0) & (left * total >= 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = terms + (left - total) / remaining
            terms = np.where(scales, terms * (left / total), moved)
        for j, term, one in zip(of, terms, moves & fixed[self.column], strict=True):
            remaining = remaining - one
            found = np.rint(term / steps[j]) * steps[j] if steps[j] else term
            found = np.where(remaining > 0, found, left)
            numbers[j] = np.where(one, found, numbers[j])
            fixed[j] = fixed[j] | one
            left = left - np.where(one, found, 0)

    def follow(self, numbers: dict[int, np.ndarray]) -> np.ndarray:
        """Return the column's numbers (N,), changed where they don't follow from the others."""
        if self.is_sum:
            return np.asarray(sum(numbers[j] for j in self.of))
        return np.maximum(numbers[self.column], numbers[self.of[0]])

    def unmet(self, numbers: dict[int, np.ndarray]) -> np.ndarray:
        """Return where numbers (N,) don't meet it; NaN meets all."""
        whole, terms = numbers[self.column], [numbers[j] for j in self.of]
        if not self.is_sum:
            return np.asarray(terms[0] > whole)
        size = np.abs(whole) + sum(np.abs(v) for v in terms)
        return np.asarray(np.abs(whole - sum(terms)) > TOLERANCE * size)

    def refuse(self, numbers: dict[int, np.ndarray], says: str) -> None:
        """Raise ValueError for rows that don't meet it; `says` is who says that they are to."""
        rows = np.flatnonzero(self.unmet(numbers))
        if len(rows):
            wanted = "total == sum of parts" if self.is_sum else "columns in order"
            named = ", ".join(map(str, rows[:ROWS])) + (", ..." if len(rows) > ROWS else "")
            raise ValueError(
                f"X: expected {wanted} in every row, as {says}, got {len(rows)} others: rows "
                f"{named}"
            )


def links_of(constraints: Any, table: Table, place: Any) -> list[Link]:
    """Return all that follows from anything in a table, in the order in which it can be made."""
    if constraints is None:
        return []
    if not isinstance(constraints, (list, tuple)):
        raise TypeError(f"constraints: expected a list of SumTo and Ordered, got {constraints!r}")
    found: list[Link] = []
    for one in constraints:
        if not isinstance(one, Constraint):
            raise TypeError(f"constraints: expected SumTo(...) or Ordered(...), got {one!r}")
        found += one.links(table, place)
    orders, sums = ([v for v in found if v.is_sum == kind] for kind in (False, True))
    check_links([*orders, *sums], table.shape[1])
    return [*orders, *sums]


def check_links(links: list[Link], columns: int) -> None:
    """Raise ValueError unless each column follows from others once, and from those made before."""
    made = set(range(columns)) - {link.column for link in links}
    for link in links:
        if link.column in made or not set(link.of) <= made or len(set(link.of)) < len(link.of):
            raise ValueError(
                "constraints: expected each column to follow once from others, which follow from "
                f"none of it, got column {link.column} from {list(link.of)}"
            )
        made.add(link.column)


def _numbers(table: Table, j: int) -> np.ndarray:
    """Return a column's numbers (N,); TypeError for levels."""
    column = table.column(j)
    if column.values.dtype.kind not in "biufMm":
        raise TypeError(f"{column.label}: expected numbers or times for a constraint, got levels")
    return _as_numbers(column)


def _ends(numbers: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest number, 0 where there is none."""
    there = numbers[~np.isnan(numbers)]
    return (float(there.min()), float(there.max())) if len(there) else (0.0, 0.0)


def _time(column: Column) -> str:
    """Return "M" for times, "m" for durations, and nothing for others."""
    kind = column.values.dtype.kind
    return kind if kind in "Mm" else ""


def _as_numbers(column: Column) -> np.ndarray:
    return as_numbers(column, _time(column))


def learned(table: Table, links: list[Link], binned: bool) -> dict[int, Numeric]:
    """Return the encodings of all columns that constraints name: numbers, whatever they look like.

    That of a column that is ordered is of its differences, and written as the column's own type.
    """
    found = {}
    for j in {j for link in links for j in (link.column, *link.of)}:
        found[j] = Numeric.learn(table.column(j), binned)
    for link in links:
        if not link.is_sum:
            column = table.column(link.column)
            numbers = link.coded({j: _as_numbers(table.column(j)) for j in (link.column, *link.of)})
            numbers = numbers[~np.isnan(numbers)]
            if not len(numbers):
                raise ValueError(f"{column.label}: expected a row that has the column before, too")
            found[link.column] = Numeric.of(numbers, numbers, column, binned)
    return found
