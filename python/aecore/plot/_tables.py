"""Tables of mixed columns as numbers that can be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_frame(X: Any) -> bool:
    """Whether X is a data frame or a structured array, of any number of rows."""
    packed = isinstance(X, np.ndarray) and X.dtype.names is not None
    return hasattr(X, "columns") or (packed and X.ndim == 1)


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
    first = tables[0]
    names = list(first.dtype.names if hasattr(first, "dtype") else first.columns)
    columns = []
    for name in names:
        found = [np.asarray(table[name]) for table in tables]
        columns.append(_numbers(found) if all(c.dtype.kind in "biuf" for c in found)
                       else _places(found))  # fmt: skip
    return [np.stack(parts, axis=1) for parts in zip(*columns, strict=True)]


def _numbers(parts: list[NDArray[Any]]) -> list[NDArray[np.float32]]:
    return [part.astype(np.float32) for part in parts]


def _places(parts: list[NDArray[Any]]) -> list[NDArray[np.float32]]:
    objects = [part.astype(object) for part in parts]
    missing = [np.array([_is_missing(v) for v in part], bool) for part in objects]
    known = {str(v) for part, gone in zip(objects, missing, strict=True) for v in part[~gone]}
    place = {name: i for i, name in enumerate(sorted(known))}
    return [
        np.array(
            [np.nan if g else place[str(v)] for v, g in zip(part, gone, strict=True)], np.float32
        )
        for part, gone in zip(objects, missing, strict=True)
    ]


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN or pandas' NA, which has no truth value."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True
