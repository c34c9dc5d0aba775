"""Tables of mixed columns as numbers to draw and texts to write."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.tables.source import Column, Table
from ._style import MINUS

LETTERS = 17  # that a text may have
Places = dict[Any, "dict[str, float] | None"]


def is_frame(X: Any) -> bool:
    """Return whether X is a data frame or a structured array, of any number of rows."""
    packed = isinstance(X, np.ndarray) and X.dtype.names is not None
    return hasattr(X, "columns") or (packed and X.ndim == 1)


def columns_of(X: Any) -> list[Any]:
    """Return the names of the columns of such a table."""
    return list(X.columns if hasattr(X, "columns") else X.dtype.names)


def row_of(X: Any, i: int) -> Any:
    """Return row i of such a table as a table."""
    return X.iloc[i : i + 1] if hasattr(X, "iloc") else X[i : i + 1]


def is_mixed(X: Any) -> bool:
    """Return whether X is a data frame or a structured array with columns of other types."""
    if getattr(getattr(X, "dtype", None), "names", None):
        return True
    columns = getattr(X, "columns", None)
    return columns is not None and np.asarray(X).dtype.kind not in "biuf"


def numbered(tables: list[Any]) -> list[NDArray[np.float32]]:
    """Turn tables of the same columns into numbers (N, F).

    The values of a column that isn't of numbers are replaced by their ranks, the same in all
    tables. Missing values are NaN.
    """
    places = places_of(tables)
    return [as_numbers(table, places) for table in tables]


def places_of(tables: list[Any]) -> Places:
    """Return the ranks of the values of each column, None for one of numbers."""
    found: Places = {}
    read = [_columns(table) for table in tables]
    for name in read[0]:
        parts = [columns[name] for columns in read]
        found[name] = None
        # Where a column is missing altogether, its type means nothing.
        if any(not _is_number(part) and not part.missing.all() for part in parts):
            known = {text for part in parts for text in _texts(part) if text is not None}
            found[name] = {text: float(i) for i, text in enumerate(sorted(known))}
    return found


def as_numbers(table: Any, places: Places) -> NDArray[np.float32]:
    """Turn a table into numbers (N, F); values that have no rank are NaN."""
    columns, found = _columns(table), []
    for name, known in places.items():
        column = columns[name]
        values: Any
        if known is not None:
            values = [np.nan if text is None else known.get(text, np.nan)
                      for text in _texts(column)]  # fmt: skip
        elif column.missing.all():
            values = [np.nan] * len(column.missing)
        else:
            values = np.where(column.missing, np.nan, column.values)
        found.append(np.asarray(values, np.float32))
    return np.stack(found, axis=1)


def written(tables: list[Any]) -> list[NDArray[Any]]:
    """Write the cells of tables as texts (N, F), numbers shortened; "" where one is missing.

    The columns come in the order of those of the first table.
    """
    parts = [_columns(table) for table in tables]
    return [
        np.array([[text or "" for text in _texts(columns[name])] for name in parts[0]], object).T
        for columns in parts
    ]


def is_word(places: Places) -> NDArray[np.bool_]:
    """Return a mask of the columns of words, (F,)."""
    return np.array([known is not None for known in places.values()])


def short(value: float) -> str:
    """Write a number with three significant digits, or as a whole number of at most four."""
    size = abs(value)
    if not math.isfinite(value):
        text = str(value)
    elif size < 9999.5 and (size >= 999.5 or value == round(value)):
        text = f"{value:.0f}"
    elif size < 9999.5:
        text = f"{value:.3g}"
    else:
        for unit in ("k", "M", "G", "T"):
            value /= 1000
            if abs(value) < 999.5:
                text = f"{value:.3g}{unit}"
                break
        else:
            text = f"{value * 1e12:.2e}"
    return text.replace("-", MINUS)


def _columns(table: Any) -> dict[Any, Column]:
    """Read the cells of a table as models read them, by name."""
    read = Table(table)
    return {name: read.column(j) for j, name in enumerate(columns_of(table))}


def _is_number(column: Column) -> bool:
    return column.values.dtype.kind in "biuf"


def _texts(column: Column) -> list[str | None]:
    """Write the cells of a column; None where one is missing."""
    values, kind = column.values, column.values.dtype.kind
    texts: list[str]
    if kind in "iuf":
        texts = [short(float(value)) for value in values]
    elif kind == "M":
        seconds = np.datetime_as_string(values, unit="s", casting="unsafe")
        texts = [str(time).removesuffix("T00:00:00") for time in seconds]
    else:
        texts = [str(value) for value in values]
    return [None if gone else text for text, gone in zip(texts, column.missing, strict=True)]


def shortened(value: Any, letters: int = LETTERS) -> str:
    """Write a value in few letters."""
    if value is None or value != value:
        return "missing"
    if isinstance(value, (float, np.floating, int, np.integer)) and not isinstance(value, bool):
        return short(float(value))
    text = str(value)
    if hasattr(value, "isoformat"):
        text = str(value.strftime("%Y-%m-%d %H:%M") if hasattr(value, "strftime") else value)
        text = text.removesuffix(" 00:00")
    return text if len(text) <= letters else text[: letters - 1] + "\N{HORIZONTAL ELLIPSIS}"


def row_label(label: Any) -> str:
    """Write what a row is called: whole numbers with all their digits."""
    return str(label) if isinstance(label, (int, np.integer)) else shortened(label)


def index_of(X: Any, n: int) -> list[str]:
    """Return what a data frame's index calls the first n rows; [] where it counts them from 0."""
    index = getattr(X, "index", None)
    if index is None or callable(index) or not hasattr(X, "iloc"):
        return []
    labels = list(index[:n])
    return [] if labels == list(range(len(labels))) else [row_label(v) for v in labels]
