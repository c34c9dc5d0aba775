"""Cells as columns of polars."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ...base.text import printable
from .cells import Cells, Filling, as_text, hold


def column(name: str, cells: Cells, dtype: Any) -> Any:
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
    out[:] = [None if v is None else as_text(v) for v in values.tolist()]
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
        words = text == "String" or text.startswith(("Enum", "Categorical"))
        if words and cells.no_words:
            return None
        if words:
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


def filled(series: Any, filling: Filling) -> Any:
    """Return a polars column with its missing cells replaced."""
    import polars

    name, cells, places = series.name, filling.cells, np.flatnonzero(filling.where)
    if filling.where.all():
        found = _as_polars(name, cells, series.dtype)
        return column(name, cells, filling.dtype) if found is None else found
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
        f"X: column {name!r}: expected a type that holds what is filled in, got "
        f"{printable(series.dtype)}"
    )


def _scattered(series: Any, places: np.ndarray, new: Any) -> Any:
    """Return a column with some cells replaced by others of its type."""
    import polars

    at = np.full(len(series), -1)
    at[places] = np.arange(len(places))
    order = np.where(at < 0, np.arange(len(series)), len(series) + at)
    return polars.concat([series, new])[order]
