"""What the cells of a text file stand for: numbers, booleans, dates, labels or words.

A column is of one kind, that of all its cells. Numbers may have thousands separators and a decimal
comma, where all of a column can be read in that way.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

MISSING = {"", "?", "na", "n/a", "nan", "null", "none", "nat", "<na>"}
TRUTHS = {"true": True, "false": False}
EXACT = 2**53  # whole numbers up to it are exact in float64
INT64 = range(-(2**63), 2**63)
_TAIL = r"(?:[eE][+-]?\d+)?"
_SPACES = " \u00a0\u202f'\u2019"  # between thousands
PLAIN = re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){_TAIL}|[+-]?inf(?:inity)?", re.ASCII | re.I)
GROUPED = re.compile(  # 1,234.5
    rf"[+-]?(?:[1-9]\d{{0,2}}(?:[,{_SPACES}]\d{{3}})+|\d+)(?:\.\d*)?{_TAIL}", re.ASCII
)
COMMA = re.compile(  # 1.234,5
    rf"[+-]?(?:[1-9]\d{{0,2}}(?:[.{_SPACES}]\d{{3}})+|\d+)?(?:,\d*)?{_TAIL}", re.ASCII
)
DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?P<zone>Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
UNITS = "%$€£¥ "


def is_missing(value: Any) -> bool:
    """Return whether a field is a missing value."""
    return value is None or isinstance(value, str) and value.strip().lower() in MISSING


def is_number(text: str) -> bool:
    """Return whether text is a number as programs write it: 2019_01 is none."""
    return PLAIN.fullmatch(text.strip()) is not None


def is_value(text: str) -> bool:
    """Return whether text is a number in any form, a boolean, a date or missing."""
    text = text.strip()
    forms = PLAIN, GROUPED, COMMA, DATE
    return is_missing(text) or text.lower() in TRUTHS or any(f.fullmatch(text) for f in forms)


def missing_cells(cells: np.ndarray) -> np.ndarray:
    """Return which cells of text or objects are missing."""
    return np.fromiter(map(is_missing, cells), bool, len(cells))


# ---- numbers ------------------------------------------------------------------------------------


def plain_numbers(cells: Sequence[Any]) -> np.ndarray | None:
    """Return numbers as programs write them; None if some cells are none."""
    try:
        found: np.ndarray = np.array(cells).astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if isinstance(cells[0], str):
        text = "".join(cells)
        if "_" in text or not text.isascii():
            return None  # Python's numbers may have underscores and other digits
    return found


def grouped_numbers(cells: Sequence[Any]) -> np.ndarray | None:
    """Return numbers like 1,234.5."""
    return _converted(cells, GROUPED, f",{_SPACES}", ".")


def comma_numbers(cells: Sequence[Any]) -> np.ndarray | None:
    """Return numbers like 1.234,5."""
    return _converted(cells, COMMA, f".{_SPACES}", ",")


def _converted(
    cells: Sequence[Any], form: re.Pattern[str], separators: str, point: str
) -> np.ndarray | None:
    table = str.maketrans({point: ".", **dict.fromkeys(separators)})
    out = np.empty(len(cells))
    for i, cell in enumerate(cells):
        text = cell.strip() if isinstance(cell, str) else ""
        if not form.fullmatch(text):
            return None
        try:
            out[i] = float(text.translate(table))
        except ValueError:  # a point alone
            return None
    return out


Parser = Callable[[Sequence[Any]], "np.ndarray | None"]
NAMES: dict[Parser, str] = {
    grouped_numbers: "with commas or spaces between thousands",
    comma_numbers: "with decimal commas",
}


class Numbers:
    """Reads the numbers of a file's columns, each in the first form that fits all of its cells.

    Parameters
    ----------
    delimiter : str
        Between the file's fields. Where it is a comma, one within a number stands between
        thousands, if it can; else it is a decimal comma.
    """

    def __init__(self, delimiter: str = ",") -> None:
        forms = [grouped_numbers, comma_numbers]
        self.forms: list[Parser] = [plain_numbers, *(forms if delimiter == "," else forms[::-1])]
        self.chosen: dict[str, Parser] = {}

    def read(self, name: str, cells: Sequence[Any]) -> np.ndarray | None:
        """Return a column's numbers; None if some cells are none.

        Parameters
        ----------
        name : str
            Of the column.
        cells : sequence of str
            Those that aren't missing.
        """
        if len(cells) == 0:
            return np.empty(0)
        known = self.chosen.get(name)
        forms = self.forms if known is None else [known, *self.forms]
        for form in forms:
            found = form(cells)
            if found is not None:
                if form is not plain_numbers:
                    self.chosen[name] = form
                return found
        return None


def odd_cell(cells: Sequence[Any]) -> int | None:
    """Return the index of the first cell that keeps a column from being one of numbers.

    None unless nine in ten of the cells are numbers, with or without a unit.
    """
    first, words = None, 0
    for i, cell in enumerate(cells):
        text = str(cell).strip()
        if is_number(text):
            continue
        first = i if first is None else first
        words += not is_number(text.strip(UNITS))
        if words > len(cells) // 10:
            return None
    return first


# ---- booleans and dates -------------------------------------------------------------------------


def booleans(cells: Sequence[Any]) -> np.ndarray | None:
    """Return the words true and false, in any case, as booleans; None if some cells are others."""
    found = [TRUTHS.get(str(cell).strip().lower()) for cell in cells]
    return None if None in found else np.array(found, bool)


def dates(cells: Sequence[Any]) -> np.ndarray | None:
    """Return dates as ISO 8601 writes them, in UTC if they have zones; None if some are none."""
    zones, texts = set(), []
    for cell in cells:
        text = str(cell).strip()
        match = DATE.fullmatch(text)
        if match is None:
            return None
        zones.add(match["zone"] is not None)
        texts.append(text)
    if len(zones) > 1:  # hours that can't be compared
        return None
    try:
        if True not in zones:
            return np.array(texts, "datetime64[us]")
        return np.array([_in_utc(text) for text in texts], "datetime64[us]")
    except ValueError:  # there is no such day
        return None


def _in_utc(text: str) -> datetime.datetime:
    time, zone = re.fullmatch(r"(.*?)(Z|[+-]\d\d:?\d\d)", text).groups()  # type: ignore[union-attr]
    found: datetime.datetime = np.datetime64(time, "us").astype(datetime.datetime)
    if zone == "Z":
        return found
    away = datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return found + away if zone[0] == "-" else found - away


def durations(cells: Sequence[Any]) -> np.ndarray | None:
    """Return durations as pandas writes them; None if some cells are none."""
    try:
        import pandas
    except ImportError:
        return None
    try:
        found: np.ndarray = pandas.to_timedelta(list(cells)).to_numpy().astype("timedelta64[us]")
    except ValueError:
        return None
    return found


# ---- labels -------------------------------------------------------------------------------------


def integers(cells: Sequence[Any]) -> np.ndarray | None:
    """Return labels as int64 if each is a whole number that keeps all its digits; else None.

    007, 1e300 and 99999999999999999999 are names.
    """
    found = [_integer(cell) for cell in cells]
    return None if None in found else np.array(found, np.int64)


def _integer(cell: Any) -> int | None:
    text = str(cell).strip()
    if re.fullmatch(r"-?(?:0|[1-9]\d*)(?:\.0*)?", text, re.ASCII):
        value = int(text.partition(".")[0]) if len(text) < 400 else None
        return value if value in INT64 else None
    if PLAIN.fullmatch(text) and not re.match(r"[+-]?0\d", text):
        number = float(text)
        return int(number) if number.is_integer() and abs(number) <= EXACT else None
    return None
