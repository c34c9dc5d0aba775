"""Rows of SciPy's sparse matrices, made dense as they are read: never all of them at a time."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_sparse(X: Any) -> bool:
    """Return whether X is a sparse matrix or array of SciPy, of any format."""
    return hasattr(X, "toarray") and hasattr(X, "tocsr")


def count_of(X: Any) -> int:
    """Return how many samples there are; a sparse matrix has no length."""
    return int(X.shape[0]) if is_sparse(X) else len(X)


class SparseRows:
    """A sparse matrix as an array-like whose slices are dense.

    Parameters
    ----------
    X : sparse matrix or array, shape (N, F)
        Of any format. It isn't copied if it is CSR without duplicates; one of another format takes
        a copy of what it stores. Values that are stored twice are added.
    name : str
        What the caller knows it as, for messages.

    Attributes
    ----------
    shape : (int, int)
    dtype : dtype
    """

    def __init__(self, X: Any, name: str = "X") -> None:
        axes, dtype = len(X.shape), np.dtype(X.dtype)
        if axes != 2:
            raise ValueError(
                f"{name}: Expected 2D array of sparse rows (samples, features), got {axes}D: use "
                f"{name}.toarray()"
            )
        if dtype.kind == "c":
            raise ValueError(f"{name}: Complex data not supported, got {dtype}")
        if dtype.kind not in "biuf":
            raise TypeError(f"{name}: expected numbers, got a sparse array of {dtype}")
        rows = X.tocsr()
        if not rows.has_canonical_format:
            rows = rows.copy()
            rows.sum_duplicates()
        self._rows = rows
        self.shape, self.dtype = (int(X.shape[0]), int(X.shape[1])), dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self.dense(np.arange(len(self))[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)

    def dense(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return the rows with these indices as an array (n, F)."""
        found, n = self._rows, len(rows)
        out = np.empty((n, self.shape[1]), self.dtype) if out is None else out
        out[...] = 0
        start = found.indptr[rows].astype(np.int64)
        counts = found.indptr[np.asarray(rows) + 1].astype(np.int64) - start
        first = np.cumsum(counts) - counts  # of each row's values among those that are read
        places = np.arange(int(counts.sum())) + np.repeat(start - first, counts)
        out[np.repeat(np.arange(n), counts), found.indices[places]] = found.data[places]
        return out

    def taken(self, rows: np.ndarray) -> SparseRows:
        """Return the rows with these indices as they are, sparse."""
        return SparseRows(self._rows[rows])

    @property
    def stored(self) -> np.ndarray:
        """The values that are stored, those of a row after another."""
        found: np.ndarray = self._rows.data
        return found

    @property
    def has_zeros(self) -> bool:
        """Whether a value isn't stored, and so is 0."""
        return len(self.stored) < self.shape[0] * self.shape[1]

    def row_of(self, place: int) -> int:
        """Return the row of a value that is stored, by its place there."""
        return int(np.searchsorted(self._rows.indptr, place, side="right")) - 1

    def span(self) -> tuple[float, float]:
        """Return the least and the largest value; NaN if one is."""
        ends = [f(self.stored) for f in (np.min, np.max)] if len(self.stored) else []
        low, high = (float(v) for v in ends or (0, 0))
        return (min(low, 0.0), max(high, 0.0)) if self.has_zeros and low == low else (low, high)

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and the largest value of each column, float64 (F,)."""
        low, high = self._rows.min(axis=0).toarray(), self._rows.max(axis=0).toarray()
        return low.ravel().astype(np.float64), high.ravel().astype(np.float64)

    def rounded(self) -> np.ndarray:
        """Return which columns have a value that float32 doesn't hold, (F,)."""
        values = self.stored
        with np.errstate(over="ignore"):
            odd = values.astype(np.float32).astype(values.dtype) != values
        out = np.zeros(self.shape[1], bool)
        out[self._rows.indices[odd]] = True
        return out
