"""Writes cells into data frames, structured arrays and matrices.

A cell is written as the type that came in, if that holds it; else the column gets a wider type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import to_pandas, to_polars
from .cells import Cells, Filling, filled, hold, typed
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
