"""Series of steps as people have them: arrays, data frames with time stamps, lists; their windows.

A series has T steps of F values. Where steps have time stamps they are placed on a grid of equal
steps: missing ones become rows without values, and long gaps cut the series into runs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..base import checks
from ..base import names as column_names
from ..base.text import printable
from . import arrays, foreign
from .tables import Table
from .tables.columns import as_numbers

JITTER = 0.1  # of a step: stamps within it are taken as equally spaced
LEAST_STEPS = 2


def windows(series: Any, length: int, stride: int = 1) -> np.ndarray:
    """Return all windows of a series, each of so many steps.

    Parameters
    ----------
    series : array-like of shape (T,) or (T, F), data frame, or list of these
        Steps in order. Windows of a list are those of its first series, then of the next one.
    length : int
        Steps of a window, at most T.
    stride : int
        Steps from the start of a window to that of the next.

    Returns
    -------
    ndarray, shape (n, length, F)
        With n = (T - length) // stride + 1. Of one array it is a view that can't be written to;
        F is 1 for a series (T,).

    Raises
    ------
    TypeError, ValueError
        For anything but numbers, and for a series of fewer steps.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> ae.windows(np.arange(6), 3, stride=2)[..., 0]
    array([[0, 1, 2],
           [2, 3, 4]])
    """
    checks.integer("length", length, 1)
    checks.integer("stride", stride, 1)
    several = are_several(series)
    views = [
        _windows(_values(part, name), length, stride, name)
        for part, name in zip(
            series if several else [series], names_of(series, "series"), strict=True
        )
    ]
    if len({view.shape[2] for view in views}) > 1:
        found = [view.shape[2] for view in views]
        raise ValueError(f"series: expected equally many features, got {found}")
    return np.concatenate(views) if several else views[0]


def _values(part: Any, name: str) -> np.ndarray:
    """Return the numbers of a series (T, F), not copied where that can be."""
    if isinstance(part, np.ndarray) and part.dtype.kind in "biuf":
        return _as_steps(part, name)
    return Series(part, name).values


def _windows(values: np.ndarray, length: int, stride: int, name: str) -> np.ndarray:
    if len(values) < length:
        raise ValueError(f"{name}: expected at least {length} steps, got {len(values)}")
    view = np.lib.stride_tricks.sliding_window_view(values, length, axis=0)[::stride]
    return view.transpose(0, 2, 1)


def are_several(X: Any) -> bool:
    """Return whether X is a list or tuple of series, and not one of numbers or of rows of them."""
    if not isinstance(X, (list, tuple)) or not len(X):
        return False
    return all(hasattr(x, "shape") and len(x.shape) > 0 for x in X)


def names_of(X: Any, name: str) -> list[str]:
    """Return what the parts of X, or X itself, are called in messages."""
    return [f"{name}: series {i}" for i in range(len(X))] if are_several(X) else [name]


def _as_steps(values: np.ndarray, name: str) -> np.ndarray:
    if values.ndim not in (1, 2) or values.shape[-1] == 0:
        raise ValueError(
            f"{name}: expected a series of shape (T,) or (T, F), or a list of series, got shape "
            f"{values.shape}"
        )
    return values[:, None] if values.ndim == 1 else values


class Run(NamedTuple):
    """A part of a series without long gaps.

    Attributes
    ----------
    values : ndarray, shape (S, F)
        On the grid of steps; NaN where there are none.
    rows : slice
        The steps of the series that it has.
    places : ndarray of int64, or None
        Where they stand in `values`; None for all in order.
    """

    values: np.ndarray
    rows: slice
    places: np.ndarray | None


class Series:
    """A series that a user passed: T steps of F numbers, some of which may be missing.

    Parameters
    ----------
    X : array-like of shape (T,) or (T, F), data frame, or one of its columns
    name : str
        For messages.
    time : object, optional
        The column of a frame that has the time stamps. Without it these are the index of pandas, or
        the only column of times, if there is one.

    Attributes
    ----------
    values : ndarray, shape (T, F)
        NaN where a value is missing.
    columns : ndarray of objects, or None
    stamps : ndarray of float64, shape (T,), or None
        Seconds, or the numbers of the time column.
    are_times : bool
        Whether stamps are seconds since 1970.
    time : object
        The column that was named.
    """

    def __init__(self, X: Any, name: str = "X", time: Any = None) -> None:
        self.name, self.given, self.time = name, X, time
        self._form: str = "array"
        self._time: int | None = None
        self.are_times = False
        columns: np.ndarray | None = None
        stamps: np.ndarray | None = None
        X = foreign.opened(X, name)
        if _is_column(X):
            self._form, X = "column", X.to_frame()
            found, _, stamps = self._read_frame(X, time)
        elif hasattr(X, "columns") or getattr(getattr(X, "dtype", None), "names", None):
            found, columns, stamps = self._read_frame(X, time)
        else:
            if time is not None:
                raise TypeError(
                    f"{name}: expected a data frame, which has the column time={time!r}, got "
                    f"{type(X).__name__}"
                )
            with checks.expecting(f"{name}: expected a series of numbers"):
                found = np.asarray(arrays.as_source(X, name))
            found = _as_steps(checks.numbers(name, found), name)
            self._form = "vector" if np.ndim(X) == 1 else "array"
        if len(found) < LEAST_STEPS:
            raise ValueError(f"{name}: expected at least {LEAST_STEPS} steps, got {len(found)}")
        if not np.isfinite(found).all() and np.isinf(found).any():
            raise ValueError(f"{name}: expected finite numbers, or NaN where they are missing")
        if stamps is not None:
            self._check_stamps(stamps)
        self.values, self.columns, self.stamps = found, columns, stamps

    def __len__(self) -> int:
        return len(self.values)

    @property
    def features(self) -> int:
        """F, how many values a step has."""
        return int(self.values.shape[1])

    # ---- frames ---------------------------------------------------------------------------------

    def _read_frame(self, X: Any, time: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the numbers of a frame (T, F), their columns, and time stamps if there are any."""
        stamps: np.ndarray | None = None
        table = Table(X, name=self.name)
        names = list(range(table.shape[1])) if table.names is None else table.names
        self._table, self._names, self._index = table, names, getattr(X, "index", None)
        if self._form != "column":
            self._form = table.form
        if time is not None and time not in names:
            raise ValueError(f"{self.name}: expected the time column {time!r}, got {names}")
        times = [j for j, n in enumerate(names) if n == time]
        if time is None and table.form == "pandas" and _is_temporal(X.index.dtype):
            stamps = as_numbers(Table(X.index.to_frame(), name="index").column(0), "M")
            self.are_times = True
        elif time is None:
            times = [j for j in range(len(names)) if _is_time(table, j)]
            times = times if len(times) == 1 else []
        if times:
            self._time = times[0]
            stamps, self.are_times = _stamps(table, times[0])
        kept = [j for j in range(len(names)) if j != self._time]
        if not kept:
            raise ValueError(f"{self.name}: expected columns beside that of the time, got none")
        found = np.empty((len(table), len(kept)))
        for at, j in enumerate(kept):
            column = table.column(j)
            try:
                found[:, at] = as_numbers(column)
            except TypeError:
                got = column.objects or column.values.dtype
                raise TypeError(
                    f"{column.label}: expected numbers, got {printable(got)}; time= names the "
                    "column of time stamps, and others that aren't numbers have to be left out"
                ) from None
        return found, column_names.as_array([names[j] for j in kept]), stamps

    # ---- time -----------------------------------------------------------------------------------

    def _check_stamps(self, stamps: np.ndarray) -> None:
        missing = np.flatnonzero(~np.isfinite(stamps))
        if len(missing):
            raise ValueError(f"{self.name}: expected a time for each step, got none in row "
                             f"{missing[0]}")  # fmt: skip
        back = np.flatnonzero(np.diff(stamps) <= 0)
        if len(back):
            row = int(back[0]) + 1
            what = "the same time as" if stamps[row] == stamps[row - 1] else "one before that of"
            raise ValueError(
                f"{self.name}: expected increasing times, got in row {row} {what} row {row - 1} "
                f"({len(back)} such in all): sort the rows, and join those of one time"
            )

    def step(self) -> float | None:
        """Return the median difference of time stamps; None without any."""
        return None if self.stamps is None else float(np.median(np.diff(self.stamps)))

    def runs(self, window: int, step: float | None = None) -> list[Run]:
        """Return the series in runs without gaps of `window` steps or more.

        Parameters
        ----------
        window : int
            A shorter run is filled up with missing steps to so many.
        step : float, optional
            What time stamps are apart.

        Warns
        -----
        UserWarning
            Where stamps don't lie on such a grid.
        """
        if self.stamps is None or step is None:
            return [_padded(Run(self.values, slice(0, len(self)), None), window)]
        apart = np.diff(self.stamps) / step
        jumps = np.maximum(np.rint(apart).astype(np.int64), 1)
        self._warn_of_jitter(np.abs(apart - jumps), step)
        if (jumps == 1).all():
            return [_padded(Run(self.values, slice(0, len(self)), None), window)]
        cuts = np.flatnonzero(jumps > window) + 1
        found = []
        for a, b in zip([0, *cuts], [*cuts, len(self)], strict=True):
            places = np.concatenate([[0], np.cumsum(jumps[a : b - 1])]).astype(np.int64)
            if places[-1] == b - a - 1:
                found.append(_padded(Run(self.values[a:b], slice(a, b), None), window))
                continue
            grid = np.full((int(places[-1]) + 1, self.features), np.nan)
            grid[places] = self.values[a:b]
            found.append(_padded(Run(grid, slice(a, b), places), window))
        return found

    def _warn_of_jitter(self, off: np.ndarray, step: float) -> None:
        share = float((off > JITTER).mean())
        if share > 0.01:
            checks.warn(
                f"{self.name}: {share:.0%} of the time stamps aren't a whole number of steps of "
                f"{step:g} after the one before (up to {off.max():.2g} steps off): each is taken "
                "for the nearest step; resample the series to equal steps",
                of_data=True,
            )

    # ---- results --------------------------------------------------------------------------------

    def label(self, row: int) -> Any:
        """Return what the user calls a step: its time stamp, its index or its number."""
        if self._form in ("pandas", "column") and self._time is None and self._index is not None:
            return self._index[row]
        if self._time is None:
            return row
        cells = self._table.cells
        if self._form == "pandas":
            return cells.iloc[row, self._time]
        return (
            cells[row, self._time]
            if self._form == "polars"
            else cells[self._names[self._time]][row]
        )

    def frame(self, found: np.ndarray) -> Any:
        """Return numbers (T, F) in the series' own form: with its columns, times and index."""
        if self._form in ("array", "vector"):
            return found
        if self._form == "column":
            return _column_like(self.given, found[:, 0])
        assert self.columns is not None
        if self._form == "pandas":
            import pandas

            out = pandas.DataFrame(found, columns=list(self.columns), index=self._index)
            if isinstance(self._table.cells.columns, pandas.MultiIndex):
                out.columns = pandas.MultiIndex.from_tuples(self.columns)
            if self._time is not None:
                label = self._names[self._time]
                out.insert(0, label, self._table.cells.iloc[:, self._time])
            return out
        if self._form == "polars":
            import polars

            out = polars.DataFrame(found, schema=list(self.columns), orient="row")
            if self._time is not None:
                out = out.insert_column(0, self._table.cells.to_series(self._time))
            return out
        kinds: list[Any] = [(n, np.float64) for n in self.columns]
        if self._time is not None:
            label = self._names[self._time]
            times = self._table.cells[label]
            kinds.insert(0, (label, times.dtype))
        structured = np.empty(len(found), kinds)
        for j, n in enumerate(self.columns):
            structured[n] = found[:, j]
        if self._time is not None:
            structured[label] = times
        return structured

    def restored(self, found: np.ndarray) -> Any:
        """Return numbers (T, F) in the shape of an array (T,) or (T, F), or as `frame` does."""
        return found[:, 0] if self._form == "vector" else self.frame(found)

    @property
    def container(self) -> str:
        """What tables about the series are: "pandas", "polars" or "structured"."""
        if self._form == "column":
            return "polars" if type(self.given).__module__.startswith("polars") else "pandas"
        return self._form if self._form in ("pandas", "polars") else "structured"


def table_of(container: str, columns: dict[str, list[Any]]) -> Any:
    """Return columns as a data frame of pandas or polars, or a structured array."""
    if container == "pandas":
        import pandas

        return pandas.DataFrame(columns)
    if container == "polars":
        import polars

        return polars.DataFrame(columns)
    arrays_ = {name: np.array(values) for name, values in columns.items()}
    kinds = [(name, values.dtype) for name, values in arrays_.items()]
    out = np.empty(len(next(iter(arrays_.values()))), kinds)
    for name, values in arrays_.items():
        out[name] = values
    return out


def read(X: Any, name: str = "X", time: Any = None) -> list[Series]:
    """Return the series of X, one or several of a list."""
    parts = list(X) if are_several(X) else [X]
    found = [Series(x, n, time) for x, n in zip(parts, names_of(X, name), strict=True)]
    for other in found[1:]:
        if other.features != found[0].features:
            raise ValueError(
                f"{other.name}: expected {found[0].features} features, as series 0 has, got "
                f"{other.features}"
            )
        column_names.check("series 0", found[0].columns, other.columns, other.name)
    return found


def _padded(run: Run, window: int) -> Run:
    """Return a run of at least `window` steps."""
    short = window - len(run.values)
    if short <= 0:
        return run
    values = np.pad(run.values.astype(np.float64), ((0, short), (0, 0)), constant_values=np.nan)
    rows = run.rows.stop - run.rows.start
    return Run(values, run.rows, np.arange(rows) if run.places is None else run.places)


def _is_column(X: Any) -> bool:
    """Return whether X is a column of a data frame, of pandas or polars."""
    return hasattr(X, "to_frame") and not hasattr(X, "columns") and hasattr(X, "dtype")


def _column_like(given: Any, values: np.ndarray) -> Any:
    if hasattr(given, "index") and not callable(given.index):
        import pandas

        return pandas.Series(values, index=given.index, name=given.name)
    import polars

    return polars.Series(given.name, values)


def _is_temporal(dtype: Any) -> bool:
    return getattr(dtype, "kind", "") == "M"


def _is_time(table: Table, j: int) -> bool:
    if table.form == "array":
        return False
    if table.form == "pandas":
        return _is_temporal(table.cells.dtypes.iloc[j])
    if table.form == "polars":
        return str(table.cells.dtypes[j]).startswith(("Datetime", "Date"))
    return table.cells.dtype[j].kind == "M"


def _stamps(table: Table, j: int) -> tuple[np.ndarray, bool]:
    """Return time stamps as numbers, and whether these are seconds: of times, even as text."""
    column = table.column(j)
    kind = column.values.dtype.kind
    if kind == "M":
        return as_numbers(column, "M"), True
    if kind in "iuf":
        return as_numbers(column), False
    try:
        times = np.array([str(v) for v in column.values], dtype="datetime64[us]")
    except ValueError:
        raise TypeError(
            f"{column.label}: expected times, numbers, or text such as 2026-01-31 12:00:00, got "
            f"{printable(column.values[0])!r}"
        ) from None
    found = times.astype(np.int64) / 1e6
    found[column.missing] = np.nan
    return found, True
