"""Samples of any kind, from which a subset is taken to train on and chunks are read to score.

Arrays of numbers, images and sequences are one kind, lists of sequences another, and tables whose
columns have types of their own the third. None is copied: memory maps and other array-likes are
read by slices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..base import names
from . import arrays as _data
from . import foreign, sequences
from .rows import Rows
from .sparse import SparseRows
from .tables import Table
from .tables.columns import as_numbers

BATCH = 256  # of models in inference: chunks are multiples of it, so that no result depends on them
CHUNK_VALUES = 1 << 22  # about
MAX_SUBSAMPLE = 1 << 16  # samples that a scaler learns from


ARROW = {"bool", "halffloat", "float", "double"}  # types of numbers
ARROW |= {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


class Samples:
    """The samples that a user passed, read in subsets and chunks.

    Parameters
    ----------
    X : array-like, list of arrays (T_i, F), DataFrame, structured array or Rows
    table : bool
        Read X as a table, even if all its columns are numbers.

    Attributes
    ----------
    kind : {"array", "list", "table"}
        Tables are data frames and structured arrays with other columns than numbers.
    shape : tuple of int
        Of one sample; (C,) for a table, and (T, F) with the longest T for a list.
    columns : ndarray of str, or None
        Names of features.
    """

    def __init__(self, X: Any, table: bool = False) -> None:
        self._numbers = False  # whether cells of any type are read as numbers
        if isinstance(X, Rows):
            first = Samples(next(iter(X)).X, table)
            self._source: Any = X
            self._n, self._table = len(X), table
            self.kind: str
            self.shape: tuple[int, ...]
            self.columns: np.ndarray | None
            self.kind, self.shape, self.columns = first.kind, first.shape, first.columns
            return
        if _data.is_stream(X):
            raise TypeError(
                f"X: expected samples, got {type(X).__name__}: no batches are taken, but memory "
                "maps and data sets with __len__ and __getitem__ are read a part at a time"
            )
        if isinstance(X, np.ma.MaskedArray):
            raise TypeError(
                "X: expected an array, got a masked one: use X.filled(np.nan), of floats"
            )
        X = foreign.opened(X, "X")
        self._source = X
        self.columns = None
        if not table and sequences.are_sequences(X):
            odd = next((i for i, x in enumerate(X) if np.ndim(x) != 2), None)
            if odd is not None:
                axes = np.ndim(X[odd])
                raise ValueError(
                    f"X: sample {odd}: expected a sequence (steps, features), got {axes} axes"
                )
            self.kind, self.shape = "list", (max(map(len, X)), *np.shape(X[0])[1:])
        elif table or _is_table(X):
            cells = Table(X)
            self.kind, self.shape, self._source = "table", cells.shape[1:], cells.cells
            self.columns = None if cells.names is None else names.as_array(cells.names)
        else:
            self.kind, self.columns = "array", _data.column_names(X)
            self._source = _data.as_source(X, "X")
            self.shape = tuple(self._source.shape)
            _data._check_shape(self.shape, "X")
            self.shape = self.shape[1:]
        self._n = len(self._source) if self.kind == "list" else int(self._source.shape[0])

    def __len__(self) -> int:
        return self._n

    def as_numbers(self) -> Samples:
        """Return a table whose columns are numbers of any type as an array, NaN for missing cells.

        Raises
        ------
        TypeError
            For other columns.
        """
        if isinstance(self._source, Rows):
            self.kind, self._numbers = "array", True
            return self
        table, names = Table(self._source), self.columns
        cells = Samples(
            np.stack([as_numbers(table.column(j)) for j in range(table.shape[1])], axis=1)
        )
        cells.columns = names
        return cells

    @property
    def _chunk(self) -> int:
        """The number of samples in a chunk."""
        features = math.prod(self.shape)
        return BATCH * max(1, min(16, CHUNK_VALUES // (BATCH * features)))

    @property
    def longest(self) -> int | None:
        """The index of the longest sequence of a list."""
        return int(np.argmax([len(x) for x in self._source])) if self.kind == "list" else None

    def take(self, rows: np.ndarray) -> Any:
        """Return the samples with these ascending indices, as models take them."""
        source = self._source
        if self.kind == "list":
            return [source[i] for i in rows]
        if hasattr(source, "iloc"):
            return source.iloc[rows]
        if isinstance(source, np.ndarray) or self.kind == "table":
            return source[rows]
        if isinstance(source, SparseRows):
            return source.dense(rows)
        out, step = np.empty((len(rows), *self.shape), source.dtype), self._chunk
        for first in range(0, len(self), step):  # array-likes need only know slices
            a, b = np.searchsorted(rows, (first, first + step))
            if a < b:
                out[a:b] = np.asarray(source[first : first + step])[rows[a:b] - first]
        return out

    def chunks(self) -> Iterator[tuple[slice, Any]]:
        """Yield all samples in order, a chunk at a time, and the slice of each chunk."""
        source, step, first = self._source, self._chunk, 0
        if isinstance(source, Rows):
            for item in source:
                part = Samples(item.X, self._table)
                part = part.as_numbers() if self._numbers and part.kind == "table" else part
                for rows, found in part.chunks():
                    yield slice(first + rows.start, first + rows.stop), found
                first += len(part)
            return
        for first in range(0, len(self), step):
            rows = slice(first, min(first + step, len(self)))
            part = source.iloc[rows] if hasattr(source, "iloc") else source[rows]
            yield rows, part if self.kind != "array" else np.asarray(part)

    def subsample(self, rows: np.ndarray | None = None) -> Any:
        """Return at most `MAX_SUBSAMPLE` samples, all or some, evenly spaced."""
        rows, most = np.arange(len(self)) if rows is None else rows, MAX_SUBSAMPLE
        n = len(rows)
        return self.take(rows if n <= most else rows[np.arange(most) * n // most])


def _is_table(X: Any) -> bool:
    """Return whether X has named columns of other types than numbers."""
    if isinstance(X, np.ndarray):
        return X.dtype.names is not None
    if not hasattr(X, "columns"):
        return False
    if not hasattr(X, "dtypes"):  # an Arrow table
        types = getattr(getattr(X, "schema", None), "types", None)
        return types is None or not all(str(t) in ARROW for t in types)
    return not all(map(_is_number, X.dtypes))


def _is_number(dtype: Any) -> bool:
    """Return whether a type of pandas or polars is one of numbers or booleans."""
    if hasattr(dtype, "is_numeric"):
        return bool(dtype.is_integer() or dtype.is_float()) or str(dtype) == "Boolean"
    return getattr(dtype, "kind", "O") in "biuf"
