"""Writes cells into data frames, structured arrays and matrices.

A cell is written as the type that came in, if that holds it; else the column gets a wider type.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import foreign
from . import to_pandas, to_polars
from .cells import Cells, Filling, as_text, filled, hold, typed
from .source import Table


def build(form: str, names: list[Any] | None, dtypes: Sequence[str], cells: list[Cells]) -> Any:
    """Return columns of cells in a container: "pandas", "polars", "structured" or "array"."""
    if form == "polars":
        assert names is not None
        import polars

        made = [to_polars.column(n, c, d) for n, c, d in zip(names, cells, dtypes, strict=True)]
        return polars.DataFrame(made)
    if form == "pandas":
        import pandas

        series = [to_pandas.column(c, d) for c, d in zip(cells, dtypes, strict=True)]
        frame = pandas.concat(series, axis=1)
        if names is not None and all(isinstance(name, tuple) for name in names):
            frame.columns = pandas.MultiIndex.from_tuples(names)
        else:
            frame.columns = range(len(cells)) if names is None else names
        return frame
    columns = [typed(c, np.dtype(d)) for c, d in zip(cells, dtypes, strict=True)]
    if form == "structured":
        assert names is not None
        return _structured(names, columns)
    return _stacked(columns)


def fill(table: Table, fillings: dict[int, Filling]) -> Any:
    """Return a table with the missing cells of some columns, by index, replaced."""
    if table.form == "array":
        given = table.cells
        if not fillings:
            return given.copy()
        columns = [given[:, j] for j in range(given.shape[1])]
        return _stacked([filled(c, fillings.get(j)) for j, c in enumerate(columns)])
    if table.form == "structured":
        names = table.cells.dtype.names
        columns = [filled(table.cells[n], fillings.get(j)) for j, n in enumerate(names)]
        return _structured(names, columns)
    if table.form == "polars":
        full = [to_polars.filled(table.cells.to_series(j), f) for j, f in fillings.items()]
        return table.cells.with_columns(full)
    frame = table.cells.copy()
    for j, filling in fillings.items():
        frame.isetitem(j, to_pandas.filled(frame.iloc[:, j], filling))
    return frame


def like(X: Any, values: np.ndarray, names: Any = None) -> Any:
    """Return values (N, C) as a data frame for a data frame, with its index; else as they are.

    Frames of pandas and polars are answered in kind, those of other libraries in pandas.
    """
    form = _form(X)
    if form == "polars":
        import polars

        columns = list(X.columns) if names is None else [str(name) for name in names]
        return polars.DataFrame(values, schema=columns)
    if form == "pandas":
        import pandas

        found = pandas.DataFrame(values, index=getattr(X, "index", None))
        if names is not None and all(isinstance(name, tuple) for name in names):
            found.columns = pandas.MultiIndex.from_tuples(names)
        elif names is not None:
            found.columns = pandas.Index(list(names))
        return found
    return values


def indexed_like(X: Any, table: Any) -> Any:
    """Return a table, with the index of X where both are frames of pandas."""
    index = getattr(X, "index", None)
    if _form(X) == _form(table) == "pandas" and index is not None:
        table.index = index
    return table


def columns_like(X: Any, columns: dict[str, np.ndarray]) -> Any:
    """Return columns (m,) as a data frame for a data frame X, else as a structured array.

    The first column has numbers of X's rows: the labels of its index stand for them.
    """
    form, (first, *_) = _form(X), columns
    if form == "polars":
        import polars

        made = {n: _words(v) if v.dtype == object else v for n, v in columns.items()}
        return polars.DataFrame(made, strict=False)
    if form == "pandas":
        import pandas

        index = getattr(X, "index", None)
        labels = columns[first] if index is None else list(index[columns[first]])
        return pandas.DataFrame(columns | {first: labels})
    out = np.empty(len(columns[first]), [(n, v.dtype) for n, v in columns.items()])
    for name, values in columns.items():
        out[name] = values
    return out


def _words(values: np.ndarray) -> list[Any]:
    """Return objects of several types as text, for a column of one type."""
    return [None if v is None or v != v else as_text(v) for v in values]


def _form(X: Any) -> str | None:
    """Return "pandas" or "polars" for a data frame, None for anything else."""
    if foreign.is_exchanged(X) or hasattr(X, "iloc"):
        polars = sys.modules.get("polars")
        return "polars" if polars is not None and isinstance(X, polars.DataFrame) else "pandas"
    return None


def _structured(names: Sequence[str], columns: list[np.ndarray]) -> np.ndarray:
    out = np.empty(len(columns[0]), [(n, c.dtype) for n, c in zip(names, columns, strict=True)])
    for name, column in zip(names, columns, strict=True):
        out[name] = column
    return out


def _stacked(columns: list[np.ndarray]) -> np.ndarray:
    """Return columns as a matrix (N, C) of a common dtype, which holds all cells."""
    dtypes = {c.dtype for c in columns}
    words = {d.kind in "US" for d in dtypes}
    common = np.dtype(object) if len(words) > 1 else np.result_type(*dtypes)
    if len(dtypes) > 1 and any(hold(c, common) is None for c in columns):
        common = np.dtype(object)
    return np.stack([c.astype(common) for c in columns], axis=1)
