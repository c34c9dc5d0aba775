"""Reads data frames, structured arrays and matrices a column at a time."""

from __future__ import annotations

import datetime
import decimal
import sys
from typing import Any, NamedTuple

import numpy as np

from ...base import checks, names
from ...base.arrays import as_array
from ...base.text import printable
from .. import foreign
from ..arrays import _check_shape, column_names, is_readable, is_stream, read_mask

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
    categories : list or None
        All categories of such a type, in order.
    ordered : bool
        Whether their order has a meaning.
    zone : str
        The time zone of times, which are in UTC then; empty for times without any.
    objects : str
        What Python objects are, where that isn't to be seen from the values: "int", "decimal",
        the type of times such as "date" or "Timestamp", that of a category's levels; else empty.
    """

    values: np.ndarray
    missing: np.ndarray
    dtype: str
    label: str
    grouped: bool = False
    categories: list[Any] | None = None
    ordered: bool = False
    zone: str = ""
    objects: str = ""


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
    names : list or None
        Of the columns, if they have any: strings, or whatever a data frame of pandas has.
    shape : (int, int)
    cells : DataFrame of pandas or polars, structured array or matrix
        The container that is read.
    """

    def __init__(self, X: Any, mask: Any = None, name: str = "X") -> None:
        X = foreign.opened(X, name)
        self.given, self.name = X, name
        self.names: list[Any] | None = None
        if foreign.is_exchanged(X) and not (_is(X, "polars") or _is(X, "pandas")):
            X = foreign.through_pandas(X, name)
        if _is(X, "polars"):
            self.form, self.cells = "polars", X
            self.names, self.shape = list(X.columns), tuple(X.shape)
        elif _is(X, "pandas"):
            self.form, self.cells = "pandas", X
            found = column_names(self.cells, name)
            self.names = None if found is None else list(found)
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
        if self.names is not None:
            names.check_different(self.names, name)
        self._mask = None if mask is None else read_mask(mask, self.shape, self.names)

    def __len__(self) -> int:
        return self.shape[0]

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
    if is_stream(X):
        raise TypeError(
            f"{name}: expected a table, got {type(X).__name__}: no batches are taken, but "
            "partial_fit takes a part of a table"
        )
    if isinstance(X, np.ndarray):
        return X
    if foreign.is_dataset(X):
        X = foreign.Items(X, name)
    try:
        found = np.asarray(X[:]) if is_readable(X) else as_array(X)
        if found.dtype.kind in "US":  # numbers beside strings stay numbers
            found = np.array(X, dtype=object)
    except (TypeError, RuntimeError) as error:  # a tensor that is nowhere, or sparse
        raise TypeError(f"{name}: expected a table: {printable(error)}") from None
    except (ValueError, ArithmeticError) as error:  # ragged
        raise ValueError(
            f"{name}: expected a table (rows, columns): {printable(error)}; sequences of different "
            "lengths are for models of arrays with a GRU, LSTM or Transformer"
        ) from None
    return found


# ---- columns ------------------------------------------------------------------------------------


def _of_series(series: Any, label: str) -> Column:
    """Return a pandas column in terms of NumPy."""
    dtype, missing = series.dtype, series.isna().to_numpy(dtype=bool)
    kind, text, arrow = getattr(dtype, "kind", "O"), str(dtype), _arrow_type(dtype)
    if hasattr(dtype, "categories"):
        known = list(dtype.categories)
        categories = np.empty(len(known) + 1, object)
        categories[:-1] = known
        values = categories[series.cat.codes.to_numpy()]
        of, ordered = str(dtype.categories.dtype), bool(dtype.ordered)
        return Column(values, missing, "category", label, True, known, ordered, objects=of)
    if text.startswith("period["):
        raise TypeError(
            f"{label}: expected numbers, strings, booleans or times, got periods: use "
            "dt.to_timestamp()"
        )
    if text.startswith("interval["):
        raise TypeError(
            f"{label}: expected numbers, strings, booleans or times, got intervals: use "
            "array.mid, or astype(str) for levels"
        )
    if text.startswith("Sparse["):
        found = _of_array(series.sparse.to_dense().to_numpy(), label)
        return found._replace(dtype=text)
    if isinstance(dtype, np.dtype):
        return _of_array(series.to_numpy(), label)._replace(missing=missing, dtype=text)
    if kind == "b":
        values = series.to_numpy(dtype=bool, na_value=False)
    elif kind in "iu":
        values = series.to_numpy(dtype=f"{kind}8", na_value=0)
    elif kind == "f":
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        missing = missing | np.isnan(values)
    elif arrow is not None and kind in "Mm" and hasattr(arrow, "unit"):
        values = series.to_numpy(dtype=f"{kind}8[{arrow.unit}]")
        return Column(values, missing, text, label, zone=getattr(arrow, "tz", None) or "")
    elif kind == "M" and getattr(dtype, "tz", None) is not None:
        values = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return Column(values, missing, text, label, zone=_zone_name(dtype.tz))
    else:
        values = series.to_numpy(dtype=object)
    return Column(values, missing, text, label, text.startswith("dictionary<"))


def _arrow_type(dtype: Any) -> Any:
    """Return the Arrow type of a pandas dtype; None if it has none."""
    return getattr(dtype, "pyarrow_dtype", None)


def _of_polars(series: Any, label: str) -> Column:
    """Return a polars column in terms of NumPy."""
    import polars

    missing, dtype, text = series.is_null().to_numpy(), series.dtype, str(series.dtype)
    grouped, ordered, zone, categories = text.startswith(("Categorical", "Enum")), False, "", None
    if text.startswith("Enum"):
        ordered, categories = True, dtype.categories.to_list()
    elif text.startswith("Datetime"):
        zone = dtype.time_zone or ""
    if text == "Null":
        return Column(np.zeros(len(series)), missing, text, label)
    if text.startswith("Decimal"):
        series = series.cast(polars.Float64)
    elif text.endswith("Int128"):
        try:
            series = series.cast(polars.Int64)
        except polars.exceptions.PolarsError:
            raise ValueError(f"{label}: expected integers of 64 bits, got larger ones") from None
    if series.dtype.is_integer():
        series = series.fill_null(0)  # no floats, which hold no large ones
    elif text == "Boolean":
        series = series.fill_null(False)
    try:
        values = series.to_numpy()
    except polars.exceptions.PolarsError as error:
        raise TypeError(
            f"{label}: expected numbers, strings, booleans or times: {printable(error)}"
        ) from None
    found = _of_array(values, label)
    if values.dtype.kind == "f":
        missing = missing | np.isnan(values)
    return Column(found.values, missing, text, label, grouped, categories, ordered, zone)


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
        missing = _missing_objects(values, label)
    else:
        missing = np.zeros(len(values), bool)
    return Column(values, missing, values.dtype.str, label)


def _missing_objects(values: np.ndarray, label: str) -> np.ndarray:
    pandas = sys.modules.get("pandas")
    # NaN and NaT don't equal themselves; a signalling NaN is an error wherever it is looked at
    odd = float, np.floating, np.datetime64, np.timedelta64, decimal.Decimal
    with checks.expecting(f"{label}: expected numbers, or NaN for what is missing"):
        if pandas is not None:
            return np.asarray(pandas.isna(values), bool)
        nothing = (v is None or (isinstance(v, odd) and v != v) for v in values)
        return np.fromiter(nothing, bool, len(values))


_TRUTHS = bool, np.bool_
_INTEGERS = int, np.integer
_NUMBERS = (*_INTEGERS, float, np.floating, decimal.Decimal)
_LABELS = (str, *_TRUTHS, *_NUMBERS)


def _infer_type(column: Column) -> Column:
    """Return a column of objects with the type of its objects: numbers, booleans, times, labels."""
    values, missing = column.values, column.missing
    if values.dtype.kind == "S":
        with checks.expecting(f"{column.label}: expected text in UTF-8"):
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
        return _as_numbers(column, kinds)
    if all(issubclass(k, _LABELS) for k in kinds) and not _some(kinds, decimal.Decimal):
        return column
    if all(issubclass(k, (datetime.date, np.datetime64)) for k in kinds):
        return _as_times(column, kinds)
    if all(issubclass(k, (datetime.timedelta, np.timedelta64)) for k in kinds):
        spans = [np.timedelta64("NaT") if m else v for v, m in zip(values, missing, strict=True)]
        return column._replace(values=np.array(spans, "m8[us]"), objects=_only(kinds, "timedelta"))
    odd = sorted(k.__name__ for k in kinds if not issubclass(k, _LABELS))
    raise TypeError(
        f"{column.label}: expected numbers, strings, booleans or times, got "
        f"{', '.join(odd) or 'Decimal beside strings'}; an argument must be a string or a real "
        "number"
    )


def _some(kinds: set[type], cls: type) -> bool:
    return any(issubclass(k, cls) for k in kinds)


def _as_numbers(column: Column, kinds: set[type]) -> Column:
    """Return a column of numbers that are objects: integers of 64 bits, or floats."""
    values, missing = column.values, column.missing
    objects = "decimal" if _some(kinds, decimal.Decimal) else ""
    if all(issubclass(k, _INTEGERS) and not issubclass(k, _TRUTHS) for k in kinds):
        objects = "int"
        try:
            whole = np.array(np.where(missing, 0, values).tolist(), np.int64)
            return column._replace(values=whole, objects=objects)
        except OverflowError:
            pass  # floats are large enough
    try:
        numbers = np.where(missing, np.nan, values).astype(np.float64)
    except OverflowError:
        raise ValueError(f"{column.label}: expected numbers of float64, got larger ones") from None
    return column._replace(values=numbers, objects=objects)


def _as_times(column: Column, kinds: set[type]) -> Column:
    """Return a column of dates and times that are objects, in UTC if they have a zone."""
    values, missing, zone = column.values, column.missing, ""
    naive, times = 0, np.full(len(values), "NaT", "M8[us]")
    for i in np.flatnonzero(~missing):
        time = values[i]
        tzinfo = getattr(time, "tzinfo", None)
        naive += tzinfo is None
        if tzinfo is not None:
            zone = zone or _zone_name(tzinfo)
            try:
                time = time.astimezone(datetime.timezone.utc).replace(tzinfo=None)
            except OverflowError:
                raise ValueError(
                    f"{column.label}: expected times of the years 1 to 9999 in UTC, got {time}"
                ) from None
        times[i] = np.datetime64(time, "us")
    if zone and naive:
        raise TypeError(
            f"{column.label}: expected times that all have a zone, or none, got {naive} without"
        )
    return column._replace(values=times, zone=zone, objects=_only(kinds, "datetime"))


def _only(kinds: set[type], usual: str) -> str:
    """Return the name of the only type of some times, or that of the usual one."""
    return next(iter(kinds)).__name__ if len(kinds) == 1 else usual


def _zone_name(tzinfo: Any) -> str:
    """Return the name of a time zone: a key of the database, or an offset like +09:00."""
    key = getattr(tzinfo, "key", None) or getattr(tzinfo, "zone", None)
    if key:
        return str(key)
    if str(tzinfo) == "UTC":
        return "UTC"
    offset = tzinfo.utcoffset(None)
    if offset is None:
        return str(tzinfo)
    minutes = int(offset.total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
