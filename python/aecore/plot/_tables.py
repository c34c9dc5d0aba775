"""Tables of mixed columns as numbers that can be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Places = dict[Any, "dict[str, float] | None"]


def is_frame(X: Any) -> bool:
    """Whether X is a data frame or a structured array, of any number of rows."""
    packed = isinstance(X, np.ndarray) and X.dtype.names is not None
    return hasattr(X, "columns") or (packed and X.ndim == 1)


def columns_of(X: Any) -> list[Any]:
    """Return the names of the columns of such a table."""
    return list(X.columns if hasattr(X, "columns") else X.dtype.names)


def row_of(X: Any, i: int) -> Any:
    """Return row i of such a table as a table."""
    return X.iloc[i : i + 1] if hasattr(X, "iloc") else X[i : i + 1]


def is_mixed(X: Any) -> bool:
    """Whether X is a data frame or a structured array with columns that aren't all numbers."""
    if getattr(getattr(X, "dtype", None), "names", None):
        return True
    columns = getattr(X, "columns", None)
    return columns is not None and np.asarray(X).dtype.kind not in "biuf"


def numbered(tables: list[Any]) -> list[NDArray[np.float32]]:
    """Turn tables of the same columns into numbers (N, F).

    Where a column isn't of numbers, each of its values has the number of its place among all of
    them in order, the same in all tables. What is missing is NaN.
    """
    places = places_of(tables)
    return [as_numbers(table, places) for table in tables]


def places_of(tables: list[Any]) -> Places:
    """Return for each column the places of its values in order, None for one of numbers."""
    found: Places = {}
    for name in columns_of(tables[0]):
        parts = [np.asarray(table[name]) for table in tables]
        found[name] = None
        if any(part.dtype.kind not in "biuf" for part in parts):
            known = {str(v) for part in parts for v in part.astype(object) if not _is_missing(v)}
            found[name] = {value: float(i) for i, value in enumerate(sorted(known))}
    return found


def as_numbers(table: Any, places: Places) -> NDArray[np.float32]:
    """Turn a table into numbers (N, F); values that have no place are NaN."""
    columns = []
    for name, known in places.items():
        column = np.asarray(table[name])
        if known is not None:
            values = column.astype(object)
            column = np.array([np.nan if _is_missing(v) else known.get(str(v), np.nan)
                               for v in values])  # fmt: skip
        columns.append(column.astype(np.float32))
    return np.stack(columns, axis=1)


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN or pandas' NA, which has no truth value."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True
