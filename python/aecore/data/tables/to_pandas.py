"""Cells as columns of pandas."""

from __future__ import annotations

import decimal
import re
from typing import Any

import numpy as np

from . import cells as numpy_cells
from .cells import Cells, Filling, as_text, hold, timezone


def column(cells: Cells, dtype: str) -> Any:
    """Return cells (n,) as a pandas column of a dtype, or of one that can hold them."""
    import pandas

    if dtype == "category":
        known: Any = cells.categories or []
        try:
            known = pandas.Index(known, dtype=cells.objects or None)
        except (TypeError, ValueError):
            pass
        new = pandas.Categorical(cells.values.tolist(), categories=known, ordered=cells.ordered)
        return pandas.Series(new)
    found = as_dtype(cells, pandas_type(dtype))
    if found is None and dtype.startswith(("Int", "UInt", "Float")):
        found = as_dtype(cells, pandas_type("Float64"))
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
        if text in ("string", "large_string", "string_view"):
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


def as_dtype(cells: Cells, dtype: Any) -> Any:
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
        if cells.no_words:
            return None
        words = [None if v is None else as_text(v) for v in values.tolist()]
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
    elif types.is_temporal(target):
        return None
    elif types.is_boolean(target):
        found = pyarrow.array(hold(values, np.dtype(bool)), target)
    elif types.is_decimal(target):
        step = decimal.Decimal(1).scaleb(-target.scale)
        numbers = [decimal.Decimal(repr(v)).quantize(step) for v in values.tolist()]
        found = pyarrow.array(numbers, target)
    elif str(inner) in ("string", "large_string", "string_view"):
        if cells.no_words:
            return None
        found = pyarrow.array([None if v is None else as_text(v) for v in values.tolist()], inner)
    elif types.is_floating(inner):
        found = pyarrow.array(hold(values, np.dtype(inner.to_pandas_dtype())), inner)
    else:
        found = pyarrow.array(values.tolist()).cast(inner)
    if types.is_dictionary(target):
        found = found.dictionary_encode().cast(target)
    return pandas.Series(pandas.arrays.ArrowExtensionArray(found))


def filled(series: Any, filling: Filling) -> Any:
    """Return a pandas column with its missing cells replaced."""
    import pandas

    dtype, cells, where = series.dtype, filling.cells, filling.where
    labelled = hasattr(dtype, "categories") and not cells.no_words
    if where.all() and not labelled:
        found = None if hasattr(dtype, "categories") else as_dtype(cells, dtype)
        if filling.dtype and found is None:
            found = column(cells, filling.dtype)
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
        values = numpy_cells.filled(series.to_numpy(), filling)
        return type(series)(values, index=series.index, dtype=values.dtype)
    if str(dtype).startswith("Sparse["):
        dense = numpy_cells.filled(series.sparse.to_dense().to_numpy(), filling)
        if dense.dtype == dtype.subtype:
            return type(series)(dense, index=series.index).astype(dtype)
        return type(series)(dense, index=series.index)
    arrow = hasattr(dtype, "pyarrow_dtype")
    wider = ["int64[pyarrow]", "double[pyarrow]"] if arrow else ["Int64", "Float64"]
    for candidate in (dtype, *(pandas_type(name) for name in wider)):
        if candidate is not dtype and getattr(dtype, "kind", "O") not in "iuf":
            continue
        new = as_dtype(cells, candidate)
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
