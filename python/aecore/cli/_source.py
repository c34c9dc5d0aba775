"""Samples as they come to commands: all at once for training, else in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._command import CommandError

BLOCK_BYTES = 1 << 24  # about so much is read and worked on at once
BATCH = 256  # blocks are of whole batches, as models run them


def network_of(model: Any) -> Any:
    """Return a fitted model's network; None for a model that is made of others."""
    return vars(model).get("_network") if model is not None else None


def shape_of(model: Any) -> tuple[int, ...]:
    """Return the shape of the samples that a model was fitted to."""
    network = network_of(model)
    shape: tuple[int, ...] = model._state.shape if network is None else network.input_shape
    return shape


class Block(NamedTuple):
    """Samples, and what accompanies them.

    Attributes
    ----------
    X : array-like, shape (n, ...)
    y : ndarray, shape (n,) or (n, p), optional
        Labels or properties.
    mask : ndarray of bool, optional
        Which values are observed, or which steps there are.
    names : sequence of str, optional
        Of files, where each sample has its own.
    """

    X: Any
    y: np.ndarray | None = None
    mask: np.ndarray | None = None
    names: Sequence[str] | None = None


@dataclass
class Reading:
    """What is asked of samples, and what a fitted model expects of them.

    Attributes
    ----------
    y : str, optional
        Columns of a table, separated by commas, or an array file.
    mask : str, optional
        An array file.
    columns, drop : sequence of str
        Columns of a table to take (all, if there are none), and not to take.
    shape : tuple of int, optional
        What a row of a table is made.
    size : (int, int), optional
        Height and width that images are brought to.
    header : bool, optional
        Whether the first row of a text file has the names of the columns; None to see for itself.
    fitted : model, optional
        It knows its columns, classes and the shape of a sample.
    mixed : bool
        Whether columns may have words, and come as a structured array.
    gaps : bool
        Whether labels may be missing.
    """

    y: str | None = None
    mask: str | None = None
    columns: Sequence[str] = ()
    drop: Sequence[str] = ()
    shape: tuple[int, ...] | None = None
    size: tuple[int, int] | None = None
    header: bool | None = None
    fitted: Any = None
    mixed: bool = False
    gaps: bool = False

    @property
    def features(self) -> list[str] | None:
        """The names of the columns that the model was fitted to."""
        names = getattr(self.fitted, "feature_names_in_", None)
        return None if names is None else [str(n) for n in names]

    @property
    def like(self) -> tuple[int, ...] | None:
        """The shape that samples must have."""
        if self.fitted is None:
            return self.shape
        return shape_of(self.fitted)

    @property
    def labels_like(self) -> np.ndarray | None:
        """The classes that the model has learned."""
        conditioner = getattr(network_of(self.fitted), "conditioner", None)
        return None if conditioner is None else conditioner.classes


def chosen(names: list[str], reading: Reading, others: Sequence[str], path: str = "") -> list[str]:
    """Return which columns of a table are features; CommandError for one that isn't there.

    Parameters
    ----------
    names : list of str
        Of all columns.
    reading : Reading
    others : sequence of str
        Columns that aren't features unless they are asked for.
    path : str
        Of the table.
    """
    wanted = list(reading.columns or reading.features or [n for n in names if n not in others])
    for name in (*wanted, *others):
        if name not in names:
            has = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            place = f"{path}: " if path else ""
            raise CommandError(f"{place}there is no column {name!r}; it has {has}")
    if not wanted:
        raise CommandError("no columns are left to be features")
    return wanted


class Table(np.ndarray):
    """Rows of numbers whose columns have names, which models look for as in a data frame."""

    columns: list[str]

    @classmethod
    def of(cls, values: np.ndarray, columns: Sequence[str]) -> Table:
        """Return values (n, F) with names."""
        table = np.ascontiguousarray(values).view(cls)
        table.columns = list(columns)
        return table

    def __array_finalize__(self, made_of: Any) -> None:
        columns = getattr(made_of, "columns", None)
        if columns is not None and self.ndim == 2 and self.shape[1] == len(columns):
            self.columns = columns


class Source:
    """Samples somewhere.

    Attributes
    ----------
    count : int or None
        How many; None where that is known only at the end.
    is_table : bool
        Whether they are rows with columns of their own kinds.
    """

    count: int | None = None
    is_table = False

    def read(self) -> Block:
        """Return all samples."""
        raise NotImplementedError

    def blocks(self) -> Iterator[Block]:
        """Yield all samples, a block of rows after the other."""
        raise NotImplementedError


class Arrays(Source):
    """Samples in an array, or in an array-like that reads slices from a file.

    Parameters
    ----------
    X : array-like, shape (N, ...)
    y, mask, names : optional
        As in `Block`.
    whole : callable, optional
        Returns X for training, where that is another array than the one for slices.
    """

    def __init__(
        self, X: Any, reading: Reading, y: Any = None, mask: Any = None, names: Any = None
    ) -> None:
        self.is_table = np.dtype(X.dtype).names is not None
        if (len(X.shape) < 2 and not self.is_table) or 0 in X.shape:
            raise CommandError(
                f"expected samples of shape (N, F), (N, T, F) or (N, H, W, C), got {tuple(X.shape)}"
            )
        if self.is_table:
            X = X[chosen(list(X.dtype.names), reading, reading.drop)]
        self.X, self.y, self.mask, self.names, self.reading = X, y, mask, names, reading
        self.count = len(X)
        for what, rows in (("y", y), ("mask", mask)):
            if rows is not None and len(rows) != self.count:
                raise CommandError(f"{what}: expected {self.count} rows, got {len(rows)}")

    def read(self) -> Block:
        """Return all samples: memory maps as they are, whatever else in memory."""
        X = self.X.whole() if hasattr(self.X, "whole") else self.X
        mask = None if self.mask is None else np.asarray(self.mask)
        return self._block(X, self.y, mask, self.names)

    def blocks(self) -> Iterator[Block]:
        """Yield blocks of rows."""
        step = rows_of_block(self.X.shape[1:], np.dtype(self.X.dtype).itemsize)
        for start in range(0, len(self.X), step):
            rows = slice(start, start + step)
            parts = (None if a is None else a[rows] for a in (self.y, self.mask, self.names))
            yield self._block(self.X[rows], *parts)

    def _block(self, X: Any, y: Any, mask: Any, names: Any) -> Block:
        if self.is_table:
            if not self.reading.mixed:
                raise CommandError("expected numbers, this is a table with columns of words")
            return Block(X, y, mask, names)
        X, like = shaped(X, self.reading.like), self.reading.features
        if like is not None and self.reading.mixed and X.shape[1:] == (len(like),):
            return Block(structured(dict(zip(like, X.T, strict=True))), y, mask, names)
        if like is not None and len(X.shape) == 2 and X.shape[1] == len(like):
            X = Table.of(X, like)
        return Block(X, y, observed(X) if mask is None else mask, names)


def structured(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Return columns (N,) as a structured array."""
    first = next(iter(columns.values()))
    out = np.empty(len(first), [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        out[name] = column
    return out


def rows_of_block(shape: Sequence[int], itemsize: int = 8) -> int:
    """Return how many samples of a shape a block has."""
    size = max(1, int(np.prod(shape, dtype=np.int64))) * max(itemsize, 4)
    return max(1, BLOCK_BYTES // size // BATCH) * BATCH


def shaped(X: Any, like: tuple[int, ...] | None) -> Any:
    """Return rows of a table as samples of a shape, and pictures with an axis for their channel."""
    found = tuple(X.shape[1:])
    if like is None or found == like or len(like) == 1:
        return X
    if found != (np.prod(like),) and (*found, 1) != like:
        return X  # the model says what is wrong
    return np.asarray(X).reshape(len(X), *like)


def observed(X: Any) -> np.ndarray | None:
    """Return which values are not NaN; None if all of them."""
    if np.dtype(X.dtype).kind != "f" or not isinstance(X, np.ndarray):
        return None
    step = rows_of_block(X.shape[1:])
    if not any(np.isnan(X[i : i + step]).any() for i in range(0, len(X), step)):
        return None
    mask: np.ndarray = ~np.isnan(X)
    return mask.view(np.ndarray)
