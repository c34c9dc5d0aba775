"""Cells of a column as they go out: of the type that came in if that holds them, or a wider one."""

from __future__ import annotations

import datetime
import decimal
import re
import zoneinfo
from typing import Any, NamedTuple

import numpy as np

from .columns import Empty, Kind, Numeric

YEAR = 366 * 86400 * 10**6  # microseconds; units of times are no longer
WHOLE = 1e-9  # by what share of it a number that was added up may be off a whole one


class Cells(NamedTuple):
    """Cells of one column.

    Attributes
    ----------
    values : ndarray, shape (n,)
        float64, int64, bool, datetime64[us], timedelta64[us]; strings and mixed labels are objects,
        and so is None.
    zone, objects : str
        As of `Column`.
    categories : list or None
        Of a type of categories.
    ordered : bool
    """

    values: np.ndarray
    zone: str = ""
    objects: str = ""
    categories: list[Any] | None = None
    ordered: bool = False

    @classmethod
    def decoded(cls, column: Kind, codes: np.ndarray, numbers: np.ndarray | None = None) -> Cells:
        """Return the cells of a column that codes (n,) stand for, or that have these numbers."""
        cells = column.decode(codes) if numbers is None else numbers
        if isinstance(column, Numeric):
            if column.time:
                micros = np.rint(cells * 1e6).astype(np.int64)
                values = micros.view(f"{column.time}8[us]")
                return cls(values, column.zone or _zone_of(column.dtype), column.objects)
            ints = np.rint(cells)
            whole = column.step and (np.abs(ints) < 2.0**62).all()
            whole = whole and (np.abs(cells - ints) <= WHOLE * (1 + np.abs(ints))).all()
            return cls(ints.astype(np.int64) if whole else cells, "", column.objects)
        if isinstance(column, Empty):
            return cls(cells)
        kinds, values = {type(label) for label in column.labels}, cells
        for kind, dtype in ((bool, "?"), (int, "i8"), (float, "f8")):
            if kinds == {kind} or (dtype == "f8" and kinds == {int, float}):
                try:
                    values = np.array(cells.tolist(), dtype)
                except OverflowError:  # an integer of more than 64 bits
                    values = cells
        known = column.labels if column.categories is None else column.categories
        return cls(values, "", column.objects, known, column.ordered)

    @property
    def no_words(self) -> bool:
        """Whether they are numbers or times, and no labels: not to be written as strings."""
        return self.categories is None and self.values.dtype.kind != "O"

    def as_objects(self) -> np.ndarray:
        """Return the cells as Python objects (n,): what the column's others are."""
        out = np.empty(len(self.values), object)
        cells: list[Any] = self.values.tolist()
        if self.objects in ("datetime64", "timedelta64"):
            cells = list(self.values)
        elif self.values.dtype.kind in "Mm":
            cells = self._as_times(cells)
        elif self.objects == "decimal" and self.values.dtype.kind in "if":
            cells = [decimal.Decimal(repr(v)) for v in cells]
        out[:] = cells
        return out

    def _as_times(self, cells: list[Any]) -> list[Any]:
        """Return times or durations of Python as those that the column has."""
        if self.objects == "date":
            return [t.date() for t in cells]
        if self.zone:
            utc, zone = datetime.timezone.utc, timezone(self.zone)
            cells = [t.replace(tzinfo=utc).astimezone(zone) for t in cells]
        if self.objects in ("Timestamp", "Timedelta"):
            import pandas

            cells = [getattr(pandas, self.objects)(t) for t in cells]
        return cells


class Filling(NamedTuple):
    """The cells that replace a column's missing ones.

    Attributes
    ----------
    where : ndarray of bool, shape (N,)
    cells : Cells
        One for each missing cell.
    dtype : str or None
        The column's type in fit, for a column that is missing altogether.
    """

    where: np.ndarray
    cells: Cells
    dtype: str | None = None


# ---- NumPy's types ------------------------------------------------------------------------------


@np.errstate(all="ignore")
def hold(values: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """Return values as a dtype, rounded at most; None if it doesn't hold them."""
    kind, own = dtype.kind, values.dtype.kind
    if dtype == values.dtype or kind == "O":
        return values.astype(dtype)
    if own == "O":
        values = _from_labels(values, kind)
        own = values.dtype.kind
        if own == "O":
            return None
    if own in "Mm" or kind in "Mm":
        if own != kind:
            return None
        with_unit = f"{own}8[us]"
        found = values.astype(dtype)
        there = ~np.isnat(values)
        back = (found.astype(with_unit) - values.astype(with_unit))[there].astype(np.int64)
        return found if (np.abs(back) <= YEAR).all() and not np.isnat(found[there]).any() else None
    if kind in "US":
        words = values if own == "U" else np.array([as_text(v) for v in values.tolist()], str)
        if kind == "S":
            words = np.char.encode(words, "utf-8")
        return words.astype(max(words.dtype, dtype, key=lambda d: d.itemsize))
    if own == "U":
        return None
    if kind == "f":
        found = values.astype(dtype)
        exact = own == "f" or (found.astype(values.dtype) == values).all()
        return found if exact and (np.isfinite(found) == np.isfinite(values)).all() else None
    if own == "f":
        low, high = (0, 1) if kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        inside = (values >= low) & (values <= high) & (values < 2.0 ** (8 * dtype.itemsize))
        if not inside.all():
            return None
    found = values.astype(dtype)
    same = (found == values).all() and ((found < 0) == (values < 0)).all()
    return found if same else None


def _from_labels(values: np.ndarray, kind: str) -> np.ndarray:
    """Return labels that are objects as strings or numbers, where a kind of dtype needs these."""
    cells = values.tolist()
    if kind in "Mm" and all(v is None for v in cells):
        return np.full(len(cells), "NaT", f"{kind}8[us]")
    if kind == "f" and all(v is None for v in cells):
        return np.full(len(cells), np.nan)
    if kind in "US":
        return np.array(["" if v is None else as_text(v) for v in cells], str)
    try:
        return np.array([float(v) if kind == "f" else int(v) for v in cells])
    except (TypeError, ValueError, OverflowError):
        return values


def as_text(label: Any) -> str:
    """Return a label as a string."""
    return label if isinstance(label, str) else str(label)


def typed(cells: Cells, dtype: np.dtype) -> np.ndarray:
    """Return cells (n,) as a dtype, or as one that can hold them."""
    if dtype.kind == "O":
        return cells.as_objects()
    found = None if dtype.kind in "US" and cells.no_words else hold(cells.values, dtype)
    return _wider(cells.values) if found is None else found


def _wider(values: np.ndarray) -> np.ndarray:
    """Return cells in the type that they have by nature: strings of a fixed width among them."""
    text = values.dtype.kind == "O" and all(isinstance(v, str) for v in values)
    return values.astype(str) if text else values


def filled(values: np.ndarray, filling: Filling | None) -> np.ndarray:
    """Return a column with its missing cells replaced, of its own dtype if that can hold them."""
    if filling is None:
        return values
    where, dtype = filling.where, values.dtype
    if where.all() and filling.dtype:
        words = dtype.kind in "US" and filling.cells.no_words
        if words or hold(filling.cells.values, dtype) is None:
            dtype = np.dtype(filling.dtype)
    cells = typed(filling.cells, dtype)
    if where.all():
        return cells
    numbers = cells.dtype.kind in "biuf" and values.dtype.kind in "biuf"
    if numbers or cells.dtype.kind == values.dtype.kind:
        same = cells.dtype == values.dtype  # of any byte order
        common = values.dtype if same else np.result_type(values.dtype, cells.dtype)
        held = hold(values[~where], common), hold(cells, common)
        if held[0] is not None and held[1] is not None:
            out = np.zeros(len(values), common)
            out[~where], out[where] = held
            return out
    out = np.empty(len(values), object)
    out[~where], out[where] = values[~where].astype(object), filling.cells.as_objects()
    return out


# ---- time zones ---------------------------------------------------------------------------------


def timezone(name: str) -> datetime.tzinfo:
    """Return the time zone of a name, or of an offset like +09:00; UTC for one that isn't known."""
    found = re.fullmatch(r"([+-])(\d\d):(\d\d)", name)
    if found:
        minutes = int(found[2]) * 60 + int(found[3])
        offset = datetime.timedelta(minutes=-minutes if found[1] == "-" else minutes)
        return datetime.timezone(offset)
    if name == "UTC":
        return datetime.timezone.utc
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return datetime.timezone.utc


def _zone_of(dtype: str) -> str:
    """Return the time zone that the name of a column's type tells; empty for none."""
    found = re.search(r"time_zone='([^']+)'|tz=([^\]]+)\]|datetime64\[\w+, ([^\]]+)\]", dtype)
    return next((name for name in found.groups() if name), "") if found else ""
