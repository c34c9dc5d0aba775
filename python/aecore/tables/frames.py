"""Cells back into the containers that they came in."""

from __future__ import annotations

from typing import Any

import numpy as np

from .source import Table


def build(form: str, names: list[str] | None, cells: list[np.ndarray], dtypes: list[str]) -> Any:
    """Return columns of cells in a container.

    Parameters
    ----------
    form : {"pandas", "polars", "structured", "array"}
    names : list of str or None
    cells : list of ndarray, shape (N,)
        float64 (seconds, for times), or objects.
    dtypes : list of str
        What the container called each column's type.
    """
    if form == "array":
        return _array(cells, dtypes)
    if form == "structured":
        assert names is not None
        typed = [_typed(c, np.dtype(d)) for c, d in zip(cells, dtypes, strict=True)]
        fields = [(n, t.dtype) for n, t in zip(names, typed, strict=True)]
        out = np.empty(len(cells[0]), fields)
        for name, column in zip(names, typed, strict=True):
            out[name] = column
        return out
    import pandas

    columns = [_series(c, d) for c, d in zip(cells, dtypes, strict=True)]
    frame = pandas.concat(columns, axis=1)
    frame.columns = range(len(cells)) if names is None else names
    return _as_polars(frame) if form == "polars" else frame


def fill(table: Table, cells: dict[int, tuple[np.ndarray, np.ndarray]]) -> Any:
    """Return a table with other cells in some places, in its own container.

    Parameters
    ----------
    table : Table
    cells : dict of int to (ndarray of bool, ndarray)
        By column, where the cells go and what they are, as for `build`.
    """
    if table.form == "array":
        return _fill_array(table.cells, cells)
    if table.form == "structured":
        columns = []
        for j, name in enumerate(table.cells.dtype.names):
            column = np.array(table.cells[name])
            if j in cells:
                column = _fill_column(column, *cells[j])
            columns.append(column)
        fields = list(zip(table.cells.dtype.names, [c.dtype for c in columns], strict=True))
        out = np.empty(len(table), fields)
        for (name, _), column in zip(fields, columns, strict=True):
            out[name] = column
        return out
    frame = table.cells.copy()
    for j, (where, values) in cells.items():
        frame.isetitem(j, _fill_series(frame.iloc[:, j], where, values))
    return _as_polars(frame) if table.form == "polars" else frame


def _fill_array(matrix: np.ndarray, cells: dict[int, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    out = matrix.copy()
    for j, (where, values) in cells.items():
        column = _fill_column(out[:, j].copy(), where, values)
        if column.dtype != out.dtype:
            out = out.astype(np.result_type(out, column))
        out[:, j] = column
    return out


def _fill_column(column: np.ndarray, where: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a column with other cells, of its own type if that holds them."""
    if column.dtype.kind in "biu" and values.dtype.kind == "f":
        if (values != np.rint(values)).any():
            column = column.astype(np.float64)
    if column.dtype.kind in "US":
        longest = max(len(v) for v in values)
        width = column.dtype.itemsize // np.dtype(f"{column.dtype.kind}1").itemsize
        column = column.astype(f"{column.dtype.kind}{max(width, longest)}")
    column[where] = _typed(values, column.dtype)
    return column


def _fill_series(series: Any, where: np.ndarray, values: np.ndarray) -> Any:
    """Return a pandas column with other cells."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        column = _fill_column(series.to_numpy(copy=True), where, values)
        return type(series)(column, index=series.index, dtype=column.dtype)
    if hasattr(dtype, "categories"):
        new = [v for v in dict.fromkeys(values) if v not in dtype.categories]
        series = series.cat.add_categories(new) if new else series.copy()
        series.iloc[np.flatnonzero(where)] = values
        return series
    if dtype.kind in "iu" and (values != np.rint(values)).any():
        series = series.astype("Float64")
    series = series.copy()
    series.iloc[np.flatnonzero(where)] = _series(values, series.dtype).array
    return series


def _as_polars(frame: Any) -> Any:
    import polars  # type: ignore[import-not-found, unused-ignore]

    return polars.from_pandas(frame)


def _array(cells: list[np.ndarray], dtypes: list[str]) -> np.ndarray:
    """Return cells as a matrix (N, C) of the type that they all had, if that holds them."""
    out = np.empty((len(cells[0]), len(cells)), object)
    for j, column in enumerate(cells):
        out[:, j] = column
    dtype = np.dtype(dtypes[0])
    if dtype.kind in "biuf":
        numbers = out.astype(np.float64)
        return _typed_numbers(numbers, dtype)
    if dtype.kind in "Mm":
        return np.stack([_typed(c, dtype) for c in cells], axis=1)
    return out.astype(dtype)


def _typed(cells: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return cells (N,) as a type, or as one that holds them."""
    if dtype.kind == "O":
        return cells.astype(object)
    if dtype.kind in "Mm":
        unit = np.dtype(f"{dtype.kind}8[us]")
        return (cells.astype(np.float64) * 1e6).astype(np.int64).view(unit).astype(dtype)
    if dtype.kind == "S":
        return np.char.encode(cells.astype(str), "utf-8").astype(dtype)
    if dtype.kind == "U":
        return np.where(cells == None, "", cells).astype(dtype)  # noqa: E711
    return _typed_numbers(cells.astype(np.float64), dtype)


def _typed_numbers(numbers: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return numbers.astype(dtype)
    if np.isnan(numbers).any():
        return numbers
    return np.rint(numbers).astype(dtype)


def _series(cells: np.ndarray, dtype: Any) -> Any:
    """Return cells (N,) as a pandas column of a type, or of one that holds them."""
    import pandas

    kind = pandas.api.types.pandas_dtype(dtype)
    if hasattr(kind, "categories"):
        return pandas.Series(cells, dtype=object).astype("category")
    if getattr(kind, "kind", "O") in "Mm":
        unit = f"{kind.kind}8[us]"
        times = (cells.astype(np.float64) * 1e6).astype(np.int64).view(unit)
        found = pandas.Series(times)
        if getattr(kind, "tz", None) is not None:
            found = found.dt.tz_localize("UTC")
        return found.astype(kind)
    if isinstance(kind, np.dtype):
        return pandas.Series(_typed(cells, kind))
    if cells.dtype.kind == "f" and kind.kind in "iu":
        cells = np.rint(cells)
    return pandas.Series(cells).astype(kind)
