"""Writes cells into data frames, structured arrays and matrices.

A cell is written as the type that came in, if that holds it; else the column gets a wider type.
"""

from __future__ import annotations

import datetime
import decimal
import re
import zoneinfo
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .columns import Empty, Kind, Numeric
from .source import Table

YEAR = 366 * 86400 * 10**6  # microseconds; units of times are no longer


class Cells(NamedTuple):
    """Cells of one column.

    Attributes
    ----------
    values : ndarray, shape (n,)
        float64, int64, bool, datetime64[us], timedelta64[us]; strings and mixed labels are objects,
        and so is None.
    zone, objects : str
        As of `Column`.
    categories : list or None
        Of a type of categories.
    ordered : bool
    """

    values: np.ndarray
    zone: str = ""
    objects: str = ""
    categories: list[Any] | None = None
    ordered: bool = False

    @classmethod
    def decoded(cls, column: Kind, codes: np.ndarray) -> Cells:
        """Return the cells of a column that codes (n,) stand for."""
        cells = column.decode(codes)
        if isinstance(column, Numeric):
            if column.time:
                micros = np.rint(cells * 1e6).astype(np.int64)
                values = micros.view(f"{column.time}8[us]")
                return cls(values, column.zone or _zone_of(column.dtype), column.objects)
            whole = column.step and (np.abs(cells) < 2.0**62).all()
            return cls(cells.astype(np.int64) if whole else cells, "", column.objects)
        if isinstance(column, Empty):
            return cls(cells)
        kinds, values = {type(label) for label in column.labels}, cells
        for kind, dtype in ((bool, "?"), (int, "i8"), (float, "f8")):
            if kinds == {kind} or (dtype == "f8" and kinds == {int, float}):
                try:
                    values = np.array(cells.tolist(), dtype)
                except OverflowError:  # an integer of more than 64 bits
                    values = cells
        known = column.labels if column.categories is None else column.categories
        return cls(values, "", column.objects, known, column.ordered)

    def as_objects(self) -> np.ndarray:
        """Return the cells as Python objects (n,): what the column's others are."""
        out = np.empty(len(self.values), object)
        cells: list[Any] = self.values.tolist()
        if self.values.dtype.kind == "M":
            if self.objects == "date":
                cells = [t.date() for t in cells]
            elif self.zone:
                zone = timezone(self.zone)
                cells = [t.replace(tzinfo=datetime.timezone.utc).astimezone(zone) for t in cells]
        elif self.objects == "decimal" and self.values.dtype.kind in "if":
            cells = [decimal.Decimal(repr(v)) for v in cells]
        out[:] = cells
        return out


class Filling(NamedTuple):
    """The cells that replace a column's missing ones.

    Attributes
    ----------
    where : ndarray of bool, shape (N,)
    cells : Cells
        One for each missing cell.
    dtype : str or None
        The column's type in fit, for a column that is missing altogether.
    """

    where: np.ndarray
    cells: Cells
    dtype: str | None = None


def build(form: str, names: list[Any] | None, dtypes: Sequence[str], cells: list[Cells]) -> Any:
    """Return columns of cells in a container: "pandas", "polars", "structured" or "array"."""
    if form == "polars":
        assert names is not None
        import polars  # type: ignore[import-not-found, unused-ignore]

        made = [_polars_series(n, c, d) for n, c, d in zip(names, cells, dtypes, strict=True)]
        return polars.DataFrame(made)
    if form == "pandas":
        import pandas

        series = [_series(c, d) for c, d in zip(cells, dtypes, strict=True)]
        frame = pandas.concat(series, axis=1)
        frame.columns = range(len(cells)) if names is None else names
        return frame
    typed = [_typed(c, np.dtype(d)) for c, d in zip(cells, dtypes, strict=True)]
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
    """Return columns as a matrix (N, C) of a common dtype, which holds all cells."""
    dtypes = {c.dtype for c in columns}
    words = {d.kind in "US" for d in dtypes}
    common = np.dtype(object) if len(words) > 1 else np.result_type(*dtypes)
    if len(dtypes) > 1 and any(hold(c, common) is None for c in columns):
        common = np.dtype(object)
    return np.stack([c.astype(common) for c in columns], axis=1)


# ---- NumPy's types ------------------------------------------------------------------------------


@np.errstate(all="ignore")
def hold(values: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """Return values as a dtype, rounded at most; None if it doesn't hold them."""
    kind, own = dtype.kind, values.dtype.kind
    if dtype == values.dtype or kind == "O":
        return values.astype(dtype)
    if own == "O":
        values = _from_labels(values, kind)
        own = values.dtype.kind
        if own == "O":
            return None
    if own in "Mm" or kind in "Mm":
        if own != kind:
            return None
        with_unit = f"{own}8[us]"
        found = values.astype(dtype)
        there = ~np.isnat(values)
        back = (found.astype(with_unit) - values.astype(with_unit))[there].astype(np.int64)
        return found if (np.abs(back) <= YEAR).all() and not np.isnat(found[there]).any() else None
    if kind in "US":
        words = values if own == "U" else np.array([_text(v) for v in values.tolist()], str)
        if kind == "S":
            words = np.char.encode(words, "utf-8")
        return words.astype(max(words.dtype, dtype, key=lambda d: d.itemsize))
    if own == "U":
        return None
    if kind == "f":
        found = values.astype(dtype)
        exact = own == "f" or (found.astype(values.dtype) == values).all()
        return found if exact and (np.isfinite(found) == np.isfinite(values)).all() else None
    if own == "f":
        low, high = (0, 1) if kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        inside = (values >= low) & (values <= high) & (values < 2.0 ** (8 * dtype.itemsize))
        if not inside.all():
            return None
    found = values.astype(dtype)
    same = (found == values).all() and ((found < 0) == (values < 0)).all()
    return found if same else None


def _from_labels(values: np.ndarray, kind: str) -> np.ndarray:
    """Return labels that are objects as strings or numbers, where a kind of dtype needs these."""
    cells = values.tolist()
    if kind in "Mm" and all(v is None for v in cells):
        return np.full(len(cells), "NaT", f"{kind}8[us]")
    if kind == "f" and all(v is None for v in cells):
        return np.full(len(cells), np.nan)
    if kind in "US":
        return np.array(["" if v is None else _text(v) for v in cells], str)
    try:
        return np.array([float(v) if kind == "f" else int(v) for v in cells])
    except (TypeError, ValueError, OverflowError):
        return values


def _text(label: Any) -> str:
    return label if isinstance(label, str) else str(label)


def _typed(cells: Cells, dtype: np.dtype) -> np.ndarray:
    """Return cells (n,) as a dtype, or as one that can hold them."""
    if dtype.kind == "O":
        return cells.as_objects()
    found = hold(cells.values, dtype)
    return _wider(cells.values) if found is None else found


def _wider(values: np.ndarray) -> np.ndarray:
    """Return cells in the type that they have by nature: strings of a fixed width among them."""
    text = values.dtype.kind == "O" and all(isinstance(v, str) for v in values)
    return values.astype(str) if text else values


def _filled(values: np.ndarray, filling: Filling | None) -> np.ndarray:
    """Return a column with its missing cells replaced, of its own dtype if that can hold them."""
    if filling is None:
        return values
    where, dtype = filling.where, values.dtype
    if where.all() and filling.dtype and hold(filling.cells.values, dtype) is None:
        dtype = np.dtype(filling.dtype)
    cells = _typed(filling.cells, dtype)
    if where.all():
        return cells
    numbers = cells.dtype.kind in "biuf" and values.dtype.kind in "biuf"
    if numbers or cells.dtype.kind == values.dtype.kind:
        same = cells.dtype == values.dtype  # of any byte order
        common = values.dtype if same else np.result_type(values.dtype, cells.dtype)
        held = hold(values[~where], common), hold(cells, common)
        if held[0] is not None and held[1] is not None:
            out = np.zeros(len(values), common)
            out[~where], out[where] = held
            return out
    out = np.empty(len(values), object)
    out[~where], out[where] = values[~where].astype(object), filling.cells.as_objects()
    return out


# ---- pandas -------------------------------------------------------------------------------------


def _series(cells: Cells, dtype: str) -> Any:
    """Return cells (n,) as a pandas column of a dtype, or of one that can hold them."""
    import pandas

    if dtype == "category":
        known = cells.categories or []
        new = pandas.Categorical(cells.values.tolist(), categories=known, ordered=cells.ordered)
        return pandas.Series(new)
    found = _as_dtype(cells, pandas_type(dtype))
    if found is None and dtype.startswith(("Int", "UInt", "Float")):
        found = _as_dtype(cells, pandas_type("Float64"))
    return _natural(cells) if found is None else found


def pandas_type(dtype: str) -> Any:
    """Return the pandas type of a name; that of objects for one that isn't known."""
    import pandas

    if dtype.endswith("[pyarrow]"):
        found = _arrow_type(dtype.removesuffix("[pyarrow]"))
        if found is not None:
            return pandas.ArrowDtype(found)
    try:
        return pandas.api.types.pandas_dtype(dtype)
    except (TypeError, ValueError, NotImplementedError):
        return np.dtype(object)


def _arrow_type(text: str) -> Any:
    """Return the Arrow type of a name where pandas reads none, or another; else None."""
    import pyarrow  # type: ignore[import-not-found, unused-ignore]

    coded = re.fullmatch(r"dictionary<values=(\w+), indices=(\w+), ordered=([01])>", text)
    exact = re.fullmatch(r"(decimal\d+)\((\d+), (-?\d+)\)", text)
    try:
        if text in ("string", "large_string"):
            return pyarrow.type_for_alias(text)
        if coded:
            inner, index = map(pyarrow.type_for_alias, coded.groups()[:2])
            return pyarrow.dictionary(index, inner, coded[3] == "1")
        if exact and exact[1] in ("decimal32", "decimal64", "decimal128", "decimal256"):
            return getattr(pyarrow, exact[1])(int(exact[2]), int(exact[3]))
    except (AttributeError, ValueError):
        pass
    return None


def _natural(cells: Cells) -> Any:
    """Return cells as a pandas column of the type that they have by nature."""
    import pandas

    if cells.values.dtype.kind == "M" and cells.zone:
        return pandas.Series(cells.values).dt.tz_localize("UTC").dt.tz_convert(timezone(cells.zone))
    if cells.values.dtype.kind == "O":
        return pandas.Series(cells.as_objects(), dtype=object)
    return pandas.Series(cells.values)


def _as_dtype(cells: Cells, dtype: Any) -> Any:
    """Return cells (n,) as a pandas column of a dtype; None if it doesn't hold them."""
    import pandas

    values = cells.values
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O":
            return pandas.Series(cells.as_objects(), dtype=object)
        found = hold(values, dtype)
        return None if found is None else pandas.Series(found)
    kind = getattr(dtype, "kind", "O")
    try:
        if hasattr(dtype, "pyarrow_dtype"):
            return _as_arrow(cells, dtype)
        if str(dtype).startswith("Sparse["):
            found = hold(values, dtype.subtype)
            return None if found is None else pandas.Series(found).astype(dtype)
        if kind == "M":  # with a zone
            if values.dtype.kind != "M":
                return None
            found = hold(values, np.dtype(f"M8[{dtype.unit}]"))
            return (
                None if found is None else pandas.Series(found).dt.tz_localize("UTC").astype(dtype)
            )
        if kind in "biuf":
            found = hold(values, dtype.numpy_dtype)
            return None if found is None else pandas.Series(pandas.array(found, dtype=dtype))
        words = [None if v is None else _text(v) for v in values.tolist()]
        return pandas.Series(pandas.array(words, dtype=dtype))
    except (TypeError, ValueError, OverflowError, NotImplementedError):
        return None


def _as_arrow(cells: Cells, dtype: Any) -> Any:
    """Return cells as a pandas column of one of Arrow's types; ValueError if it can't hold them."""
    import pandas
    import pyarrow

    target, values = dtype.pyarrow_dtype, cells.values
    types, inner = pyarrow.types, target
    if types.is_dictionary(target):
        inner = target.value_type
    if values.dtype.kind in "Mm":
        if not (types.is_temporal(target) and not types.is_time(target)):
            return None
        unit = "D" if types.is_date(target) else target.unit
        if hold(values, np.dtype(f"{values.dtype.kind}8[{unit}]")) is None:
            return None
        found = pyarrow.array(values)
        if types.is_timestamp(target) and target.tz is not None:
            found = found.cast(pyarrow.timestamp("us", "UTC"))
        found = found.cast(target, safe=False)
    elif types.is_decimal(target):
        step = decimal.Decimal(1).scaleb(-target.scale)
        numbers = [decimal.Decimal(repr(v)).quantize(step) for v in values.tolist()]
        found = pyarrow.array(numbers, target)
    elif types.is_string(inner) or types.is_large_string(inner):
        found = pyarrow.array([None if v is None else _text(v) for v in values.tolist()], inner)
    elif types.is_floating(inner):
        found = pyarrow.array(hold(values, np.dtype(inner.to_pandas_dtype())), inner)
    else:
        found = pyarrow.array(values.tolist()).cast(inner)
    if types.is_dictionary(target):
        found = found.dictionary_encode().cast(target)
    return pandas.Series(pandas.arrays.ArrowExtensionArray(found))


def _filled_series(series: Any, filling: Filling) -> Any:
    """Return a pandas column with its missing cells replaced."""
    import pandas

    dtype, cells, where = series.dtype, filling.cells, filling.where
    if where.all():
        found = None if hasattr(dtype, "categories") else _as_dtype(cells, dtype)
        text = cells.values.dtype.kind == "O"
        if filling.dtype and (found is None or (text and str(dtype) == "object")):
            found = _series(cells, filling.dtype)
        if found is None:
            found = _natural(cells)
        return found.set_axis(series.index)
    places = np.flatnonzero(where)
    if hasattr(dtype, "categories"):
        labels = cells.values.tolist()
        new = [v for v in dict.fromkeys(labels) if v not in dtype.categories]
        series = series.cat.add_categories(new) if new else series.copy()
        series.iloc[places] = labels
        return series
    if isinstance(dtype, np.dtype):
        values = _filled(series.to_numpy(), filling)
        return type(series)(values, index=series.index, dtype=values.dtype)
    if str(dtype).startswith("Sparse["):
        dense = _filled(series.sparse.to_dense().to_numpy(), filling)
        if dense.dtype == dtype.subtype:
            return type(series)(dense, index=series.index).astype(dtype)
        return type(series)(dense, index=series.index)
    arrow = hasattr(dtype, "pyarrow_dtype")
    wider = ["int64[pyarrow]", "double[pyarrow]"] if arrow else ["Int64", "Float64"]
    for candidate in (dtype, *(pandas_type(name) for name in wider)):
        if candidate is not dtype and getattr(dtype, "kind", "O") not in "iuf":
            continue
        new = _as_dtype(cells, candidate)
        try:
            out = None if new is None else series.astype(candidate)
        except (TypeError, ValueError, OverflowError):
            continue
        if out is None or (candidate is not dtype and not (out == series).fillna(True).all()):
            continue
        out = out.copy()
        out.iloc[places] = new.array
        return out
    out = series.astype(object)
    objects = cells.as_objects()
    for place, cell in zip(places, objects, strict=True):
        out.iloc[place] = cell
    return pandas.Series(out, dtype=object)


# ---- polars -------------------------------------------------------------------------------------


def _polars_series(name: str, cells: Cells, dtype: Any) -> Any:
    """Return cells as a polars column of a dtype, or of one that can hold them."""
    import polars

    if isinstance(dtype, str):
        dtype = _polars_type(dtype, cells)
    found = None if dtype is None else _as_polars(name, cells, dtype)
    if found is not None:
        return found
    values = cells.values
    if values.dtype.kind == "O":
        kinds = {type(v) for v in values.tolist()}
        cells = cells if kinds <= {str, type(None)} else cells._replace(values=_words(values))
        return polars.Series(name, cells.values.tolist(), strict=False)
    found = polars.Series(name, values)
    if values.dtype.kind == "M" and cells.zone:
        found = _in_zone(found, cells.zone)
    return found


def _words(values: np.ndarray) -> np.ndarray:
    out = np.empty(len(values), object)
    out[:] = [None if v is None else _text(v) for v in values.tolist()]
    return out


def _polars_type(text: str, cells: Cells) -> Any:
    """Return the polars type of a name; None if it isn't known."""
    import polars

    if text.startswith("Enum"):
        known = cells.categories or []
        return polars.Enum(known) if all(isinstance(v, str) for v in known) else None
    unit = re.search(r"time_unit='(ns|us|ms)'", text)
    if unit and text.startswith("Datetime"):
        zone = re.search(r"time_zone='([^']+)'", text)
        return polars.Datetime(unit[1], zone and zone[1])  # type: ignore[arg-type, unused-ignore]
    if unit and text.startswith("Duration"):
        return polars.Duration(unit[1])  # type: ignore[arg-type, unused-ignore]
    exact = re.fullmatch(r"Decimal\(precision=(\d+), scale=(\d+)\)", text)
    if exact:
        return polars.Decimal(int(exact[1]), int(exact[2]))
    simple = getattr(polars, text.partition("(")[0], None)
    if isinstance(simple, type) and issubclass(simple, polars.DataType):
        return simple
    return None


def _as_polars(name: str, cells: Cells, dtype: Any) -> Any:
    """Return cells as a polars column of a dtype; None if it doesn't hold them."""
    import polars

    values, text = cells.values, str(dtype)
    try:
        if values.dtype.kind in "Mm":
            if not text.startswith(
                ("Datetime", "Date") if values.dtype.kind == "M" else "Duration"
            ):
                return None
            unit = "D" if text == "Date" else dtype.time_unit or "us"
            found = hold(values, np.dtype(f"{values.dtype.kind}8[{unit}]"))
            if found is None:
                return None
            series = polars.Series(name, found)
            zone = getattr(dtype, "time_zone", None)
            return _in_zone(series, zone) if zone else series.cast(dtype)
        if text in ("String", "Categorical") or text.startswith(("Enum", "Categorical(")):
            return polars.Series(name, _words(values).tolist(), dtype=polars.String).cast(dtype)
        if text == "Boolean":
            values = hold(values, np.dtype(bool))  # type: ignore[assignment]
        elif dtype.is_integer() and values.dtype.kind != "i":
            values = hold(values, np.dtype(np.int64))  # type: ignore[assignment]
        elif dtype.is_float():
            values = hold(values, np.dtype("f4" if text == "Float32" else "f8"))  # type: ignore[assignment]
        elif text == "Null" or not dtype.is_numeric():
            return (
                None
                if any(v is not None for v in values.tolist())
                else polars.Series(name, [None] * len(values), dtype=dtype)
            )
        return None if values is None else polars.Series(name, values).cast(dtype)
    except (TypeError, ValueError, OverflowError, polars.exceptions.PolarsError):
        return None


def _in_zone(series: Any, zone: str) -> Any:
    """Return times in UTC as those of a zone."""
    return series.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)


def _filled_polars(series: Any, filling: Filling) -> Any:
    """Return a polars column with its missing cells replaced."""
    import polars

    name, cells, places = series.name, filling.cells, np.flatnonzero(filling.where)
    if filling.where.all():
        found = _as_polars(name, cells, series.dtype)
        return _polars_series(name, cells, filling.dtype) if found is None else found
    candidates = [series.dtype]
    if series.dtype.is_numeric():
        candidates += [polars.Int64, polars.Float64]
    elif isinstance(series.dtype, polars.Enum):
        known = series.dtype.categories.to_list()
        words = _words(cells.values).tolist()
        candidates.append(polars.Enum(list(dict.fromkeys([*known, *words]))))
    for dtype in (*candidates, polars.String):
        new = _as_polars(name, cells, dtype)
        if new is None:
            continue
        try:
            old = series.cast(dtype)
        except polars.exceptions.PolarsError:
            continue
        if dtype != series.dtype and series.dtype.is_integer() and dtype == polars.Float64:
            if not (old.cast(series.dtype, strict=False) == series).fill_null(True).all():
                continue
        return _scattered(old, places, new)
    raise TypeError(
        f"X: column {name!r}: expected a type that holds what is filled in, got {series.dtype}"
    )


def _scattered(series: Any, places: np.ndarray, new: Any) -> Any:
    """Return a column with some cells replaced by others of its type."""
    import polars

    at = np.full(len(series), -1)
    at[places] = np.arange(len(places))
    order = np.where(at < 0, np.arange(len(series)), len(series) + at)
    return polars.concat([series, new])[order]


# ---- time zones ---------------------------------------------------------------------------------


def timezone(name: str) -> datetime.tzinfo:
    """Return the time zone of a name, or of an offset like +09:00; UTC for one that isn't known."""
    found = re.fullmatch(r"([+-])(\d\d):(\d\d)", name)
    if found:
        minutes = int(found[2]) * 60 + int(found[3])
        offset = datetime.timedelta(minutes=-minutes if found[1] == "-" else minutes)
        return datetime.timezone(offset)
    if name == "UTC":
        return datetime.timezone.utc
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return datetime.timezone.utc


def _zone_of(dtype: str) -> str:
    """Return the time zone that the name of a column's type tells; empty for none."""
    found = re.search(r"time_zone='([^']+)'|tz=([^\]]+)\]|datetime64\[\w+, ([^\]]+)\]", dtype)
    return next((name for name in found.groups() if name), "") if found else ""
