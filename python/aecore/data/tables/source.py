"""Reads data frames, structured arrays and matrices a column at a time."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from ..arrays import _check_shape, column_names, read_mask

BLOCK = 1 << 16  # rows that are read at a time


class Column(NamedTuple):
    """The cells of one column.

    Attributes
    ----------
    values : ndarray, shape (N,)
        Numbers, booleans, times (datetime64 or timedelta64), strings, or objects; the values of
        missing cells have no meaning.
    missing : ndarray of bool, shape (N,)
    dtype : str
        The column's type as the container names it.
    label : str
        The column's name in messages.
    grouped : bool
        Whether the container's type is categorical.
    """

    values: np.ndarray
    missing: np.ndarray
    dtype: str
    label: str
    grouped: bool = False


class Table:
    """A table that a user passed: N rows of C columns, any of whose cells may be missing.

    Parameters
    ----------
    X : DataFrame, structured array, or array-like of shape (N, C)
    mask : array-like of bool, shape (N, C), optional
        False where a cell counts as missing.
    name : str
        The table's name in messages.

    Attributes
    ----------
    form : {"pandas", "polars", "structured", "array"}
        The container.
    names : list of str or None
        Of the columns, if they have any.
    shape : (int, int)
    cells : DataFrame of pandas or polars, structured array or matrix
        The container that is read.
    """

    def __init__(self, X: Any, mask: Any = None, name: str = "X") -> None:
        self.given, self.name = X, name
        self.names: list[str] | None = None
        if _is(X, "polars"):
            self.form, self.cells = "polars", X
            self.names, self.shape = list(X.columns), tuple(X.shape)
        elif _is(X, "pandas") or hasattr(X, "__dataframe__"):
            self.form, self.cells = "pandas", X if _is(X, "pandas") else _through_pandas(X)
            names = column_names(self.cells)
            self.names = None if names is None else list(names)
            self.shape = tuple(self.cells.shape)
        elif isinstance(X, np.ndarray) and X.dtype.names is not None:
            self.form, self.cells = "structured", X
            self.names = list(X.dtype.names)
            self.shape = (*X.shape, len(self.names))
        else:
            self.form, self.cells = "array", _matrix(X, name)
            self.shape = tuple(self.cells.shape)
        _check_shape(self.shape, name)
        if len(self.shape) != 2:
            raise ValueError(f"{name}: expected a table (rows, columns), got shape {self.shape}")
        self._check_names()
        self._mask = None if mask is None else read_mask(mask, self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def _check_names(self) -> None:
        if self.names is None:
            return
        if len(set(self.names)) < len(self.names):
            twice = next(n for n in self.names if self.names.count(n) > 1)
            raise ValueError(f"{self.name}: expected different column names, got {twice!r} twice")

    def label(self, j: int) -> str:
        """Return the name of column j in messages."""
        return f"{self.name}: column {j if self.names is None else self.names[j]!r}"

    def column(self, j: int) -> Column:
        """Return column j; TypeError for cells of unknown types."""
        label = self.label(j)
        if self.form == "pandas":
            found = _of_series(self.cells.iloc[:, j], label)
        elif self.form == "polars":
            found = _of_polars(self.cells.to_series(j), label)
        elif self.form == "structured":
            found = _of_array(self.cells[self.names[j]], label)  # type: ignore[index]
        else:
            found = _of_array(self.cells[:, j], label)
        if self._mask is not None:
            found = found._replace(missing=found.missing | ~self._mask[:, j])
        return _infer_type(found)


# ---- containers ---------------------------------------------------------------------------------


def _is(X: Any, library: str) -> bool:
    """Return whether X is a library's data frame, without importing the library."""
    imported = sys.modules.get(library)
    return imported is not None and isinstance(X, imported.DataFrame)


def _through_pandas(X: Any) -> Any:
    """Read a data frame of another library by the interchange protocol."""
    import pandas

    return pandas.api.interchange.from_dataframe(X)


def _matrix(X: Any, name: str) -> np.ndarray:
    if X is None:
        raise TypeError(f"{name}: expected a table, got None")
    if hasattr(X, "toarray"):
        raise TypeError(
            f"{name}: Sparse data was passed, but dense data is required: use {name}.toarray()"
        )
    if isinstance(X, np.ma.MaskedArray):
        raise TypeError(
            f"{name}: expected a table, got a masked array: pass its data and "
            f"sample_mask=~{name}.mask"
        )
    if isinstance(X, np.ndarray):
        return X
    try:
        found = np.asarray(X)
        if found.dtype.kind in "US":  # numbers beside strings stay numbers
            found = np.array(X, dtype=object)
    except ValueError as error:  # ragged
        raise ValueError(f"{name}: expected a table (rows, columns): {error}") from None
    return found


# ---- columns ------------------------------------------------------------------------------------


def _of_series(series: Any, label: str) -> Column:
    """Return a pandas column in terms of NumPy."""
    dtype, missing = series.dtype, series.isna().to_numpy(dtype=bool)
    kind = getattr(dtype, "kind", "O")
    if hasattr(dtype, "categories"):
        categories = np.empty(len(dtype.categories) + 1, object)
        categories[:-1] = list(dtype.categories)
        return Column(categories[series.cat.codes.to_numpy()], missing, "category", label, True)
    if isinstance(dtype, np.dtype):
        return Column(series.to_numpy(), missing, str(dtype), label)
    if kind == "b":
        values = series.to_numpy(dtype=bool, na_value=False)
    elif kind in "iuf":
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    elif kind == "M":
        values = series.to_numpy(dtype="datetime64[ns]")
    elif kind == "m":
        values = series.to_numpy(dtype="timedelta64[ns]")
    else:
        values = series.to_numpy(dtype=object)
    return Column(values, missing, str(dtype), label)


def _of_polars(series: Any, label: str) -> Column:
    """Return a polars column in terms of NumPy."""
    missing, values = series.is_null().to_numpy(), series.to_numpy()
    if values.dtype.kind == "f":
        missing = missing | np.isnan(values)
    grouped = str(series.dtype).startswith(("Categorical", "Enum"))
    return Column(values, missing, str(series.dtype), label, grouped)


def _of_array(values: np.ndarray, label: str) -> Column:
    """Return a column of an array."""
    kind = values.dtype.kind
    if values.ndim != 1 or kind not in "biufMmUSO":
        what = "Complex data not supported, got" if kind == "c" else "expected cells, got"
        raise (ValueError if kind == "c" else TypeError)(f"{label}: {what} {values.dtype}")
    if kind == "f":
        missing = np.isnan(values)
    elif kind in "Mm":
        missing = np.isnat(values)
    elif kind in "US":  # NumPy's strings have no other missing value
        missing = np.char.str_len(values) == 0
    elif kind == "O":
        missing = _missing_objects(values)
    else:
        missing = np.zeros(len(values), bool)
    return Column(values, missing, values.dtype.str, label)


def _missing_objects(values: np.ndarray) -> np.ndarray:
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        return np.asarray(pandas.isna(values), bool)
    odd = float, np.floating, np.datetime64, np.timedelta64  # NaN and NaT don't equal themselves
    nothing = (v is None or (isinstance(v, odd) and v != v) for v in values)
    return np.fromiter(nothing, bool, len(values))


_TRUTHS, _NUMBERS = (bool, np.bool_), (int, float, np.integer, np.floating)
_LABELS = (str, *_TRUTHS, *_NUMBERS)


def _infer_type(column: Column) -> Column:
    """Return a column of objects with the type of its objects: numbers, booleans, times, labels."""
    values, missing = column.values, column.missing
    if values.dtype.kind == "S":
        return column._replace(values=np.char.decode(values, "utf-8"))
    if values.dtype.kind != "O" or column.grouped:
        return column
    kinds = {type(v) for v in values[~missing]}
    if not kinds:
        return column
    if all(issubclass(k, str) for k in kinds):
        return column
    if all(issubclass(k, _TRUTHS) for k in kinds):
        return column._replace(values=np.where(missing, False, values).astype(bool))
    if all(issubclass(k, (*_TRUTHS, *_NUMBERS)) for k in kinds):
        return column._replace(values=np.where(missing, np.nan, values).astype(np.float64))
    if all(issubclass(k, _LABELS) for k in kinds):
        return column
    if all(hasattr(k, "year") or issubclass(k, np.datetime64) for k in kinds):
        times = [np.datetime64("NaT") if m else v for v, m in zip(values, missing, strict=True)]
        return column._replace(values=np.array(times, "datetime64[us]"))
    odd = sorted(k.__name__ for k in kinds if not issubclass(k, _LABELS))
    raise TypeError(
        f"{column.label}: expected numbers, strings, booleans or times, got {', '.join(odd)}; an "
        "argument must be a string or a real number"
    )
