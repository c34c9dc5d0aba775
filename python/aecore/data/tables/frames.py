"""Writes cells into data frames, structured arrays and matrices."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .columns import Kind, Levels
from .source import Table


class Filling(NamedTuple):
    """The cells that replace a column's missing ones.

    Attributes
    ----------
    column : Numeric or Levels
    where : ndarray of bool, shape (N,)
    cells : ndarray
        One for each missing cell: float64 (seconds, for times), or objects.
    """

    column: Kind
    where: np.ndarray
    cells: np.ndarray


def build(
    form: str, names: list[str] | None, columns: Sequence[Kind], cells: list[np.ndarray]
) -> Any:
    """Return columns of cells (N,) in a container: "pandas", "polars", "structured" or "array"."""
    if form == "polars":
        assert names is not None
        return _polars(names, columns, cells)
    if form == "pandas":
        import pandas

        series = [_series(cell, col, col.dtype) for cell, col in zip(cells, columns, strict=True)]
        frame = pandas.concat(series, axis=1)
        frame.columns = range(len(cells)) if names is None else names
        return frame
    typed = [_typed(c, col, np.dtype(col.dtype)) for c, col in zip(cells, columns, strict=True)]
    if form == "structured":
        assert names is not None
        return _structured(names, typed)
    return _stacked(typed)


def fill(table: Table, fillings: dict[int, Filling]) -> Any:
    """Return a table with the missing cells of some columns, by index, replaced."""
    if table.form == "array":
        given = table.cells
        if not fillings:
            return given.copy()
        columns = [given[:, j] for j in range(given.shape[1])]
        return _stacked([_filled(c, fillings.get(j)) for j, c in enumerate(columns)])
    if table.form == "structured":
        names = table.cells.dtype.names
        columns = [_filled(table.cells[n], fillings.get(j)) for j, n in enumerate(names)]
        return _structured(names, columns)
    if table.form == "polars":
        filled = [_filled_polars(table.cells.to_series(j), f) for j, f in fillings.items()]
        return table.cells.with_columns(filled)
    frame = table.cells.copy()
    for j, filling in fillings.items():
        frame.isetitem(j, _filled_series(frame.iloc[:, j], filling))
    return frame


def _structured(names: Sequence[str], columns: list[np.ndarray]) -> np.ndarray:
    out = np.empty(len(columns[0]), [(n, c.dtype) for n, c in zip(names, columns, strict=True)])
    for name, column in zip(names, columns, strict=True):
        out[name] = column
    return out


def _stacked(columns: list[np.ndarray]) -> np.ndarray:
    """Return columns as a matrix (N, C) of a common dtype."""
    return np.stack(columns, axis=1, dtype=np.result_type(*{c.dtype for c in columns}))


# ---- arrays -------------------------------------------------------------------------------------


def _typed(cells: np.ndarray, column: Kind, dtype: np.dtype) -> np.ndarray:
    """Return cells (N,) as a dtype, or as one that can hold them."""
    time = getattr(column, "time", "")
    if time:
        found = (cells * 1e6).round().astype(np.int64).view(f"{time}8[us]")
        return found.astype(dtype)
    if dtype.kind == "O":
        return cells.astype(object)
    if dtype.kind in "US":
        words = np.array(["" if c is None else c for c in cells.tolist()], str)
        words = np.char.encode(words, "utf-8") if dtype.kind == "S" else words
        return words.astype(max(words.dtype, dtype, key=lambda d: d.itemsize))
    if dtype.kind in "Mm":  # a column that was missing altogether
        return np.full(len(cells), "NaT", dtype)
    numbers = cells.astype(np.float64)
    if dtype.kind == "f" or (numbers != np.rint(numbers)).any():
        return numbers.astype(dtype if dtype.kind == "f" else np.float64)
    return numbers.astype(dtype)


def _filled(values: np.ndarray, filling: Filling | None) -> np.ndarray:
    """Return a column with its missing cells replaced, of its own dtype if that can hold them."""
    if filling is None:
        return values
    cells = _typed(filling.cells, filling.column, values.dtype)
    out = values.astype(np.result_type(values.dtype, cells.dtype))
    out[filling.where] = cells
    return out


# ---- data frames --------------------------------------------------------------------------------


def _series(cells: np.ndarray, column: Kind, dtype: Any) -> Any:
    """Return cells (N,) as a pandas column of a dtype, or of one that can hold them."""
    import pandas

    kind = pandas.api.types.pandas_dtype(dtype)
    if hasattr(kind, "categories"):
        labels = column.labels if isinstance(column, Levels) else []
        return pandas.Series(pandas.Categorical(cells, categories=labels))
    if isinstance(kind, np.dtype):
        typed = _typed(cells, column, kind)
        return pandas.Series(typed, dtype=typed.dtype)
    if getattr(column, "time", ""):
        times = pandas.Series(_typed(cells, column, np.dtype(f"{kind.kind}8[us]")))
        if getattr(kind, "tz", None) is not None:
            times = times.dt.tz_localize("UTC")
        return times.astype(kind)
    if kind.kind in "iu" and cells.dtype.kind == "f" and (cells != np.rint(cells)).any():
        kind = "Float64"
    return pandas.Series(cells, dtype=object).astype(kind)


def _filled_series(series: Any, filling: Filling) -> Any:
    """Return a pandas column with its missing cells replaced."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        values = _filled(series.to_numpy(), filling)
        return type(series)(values, index=series.index, dtype=values.dtype)
    places = np.flatnonzero(filling.where)
    if hasattr(dtype, "categories"):
        labels = filling.cells.tolist()
        new = [v for v in dict.fromkeys(labels) if v not in dtype.categories]
        series = series.cat.add_categories(new) if new else series.copy()
        series.iloc[places] = labels
        return series
    cells = _series(filling.cells, filling.column, dtype)
    series = series.astype(cells.dtype)
    series.iloc[places] = cells.array
    return series


def _polars(names: Sequence[str], columns: Sequence[Kind], cells: list[np.ndarray]) -> Any:
    import polars  # type: ignore[import-not-found, unused-ignore]

    series = []
    for name, column, cell in zip(names, columns, cells, strict=True):
        values = _plain(cell, column, column.dtype)
        found = polars.Series(name, values, strict=False)
        simple = getattr(polars, column.dtype, None)  # Int16, but not Datetime(...)
        if isinstance(simple, type) and issubclass(simple, polars.DataType):
            found = found.cast(simple, strict=False)
        series.append(found)
    return polars.DataFrame(series)


def _filled_polars(series: Any, filling: Filling) -> Any:
    """Return a polars column with its missing cells replaced."""
    values = series.to_list()
    new = _plain(filling.cells, filling.column, str(series.dtype))
    for place, value in zip(np.flatnonzero(filling.where), new, strict=True):
        values[place] = value
    return type(series)(series.name, values, dtype=series.dtype, strict=False)


def _plain(cells: np.ndarray, column: Kind, dtype: str) -> list[Any]:
    """Return cells as Python objects for a polars type; whole numbers as integers."""
    time = getattr(column, "time", "")
    if time:
        times = (cells * 1e6).round().astype(np.int64).view(f"{time}8[us]").tolist()
        if dtype == "Date":
            return [t.date() for t in times]
        zone = datetime.timezone.utc
        return [t.replace(tzinfo=zone) for t in times] if "time_zone='" in dtype else times
    if getattr(column, "step", 0):
        return cells.astype(np.int64).tolist()
    return cells.tolist()
