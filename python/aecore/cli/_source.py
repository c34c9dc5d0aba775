"""Sources of samples for commands: all at once for training, else in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._command import CommandError

BLOCK_BYTES = 1 << 24  # read at a time, about
BATCH = 256  # of models in inference: blocks are multiples of it


def network_of(model: Any) -> Any:
    """Return a fitted model's network; None for an ensemble of models."""
    return vars(model).get("_network") if model is not None else None


def shape_of(model: Any) -> tuple[int, ...]:
    """Return the shape of the samples that a model was fitted to."""
    network = network_of(model)
    shape: tuple[int, ...] = model._state.shape if network is None else network.input_shape
    return shape


def shape_of_output(model: Any) -> tuple[int, ...]:
    """Return the shape of what a model makes of samples."""
    network = network_of(model)
    return shape_of(model) if network is None else network.reader.of_output.shape


class Block(NamedTuple):
    """A block of samples with their labels, mask and names.

    Attributes
    ----------
    X : array-like, shape (n, ...)
    y : ndarray, shape (n,) or (n, p), optional
        Labels or properties.
    mask : ndarray of bool, optional
        True for observed values, or for steps of sequences.
    names : sequence of str, optional
        Of the samples' files.
    """

    X: Any
    y: np.ndarray | None = None
    mask: np.ndarray | None = None
    names: Sequence[str] | None = None


@dataclass
class Reading:
    """How to read samples, and the fitted model that they are for.

    Attributes
    ----------
    y : str, optional
        Columns of a table, separated by commas, or an array file.
    mask : str, optional
        An array file.
    columns, drop : sequence of str
        Columns of a table to take (by default all), and not to take.
    shape : tuple of int, optional
        Rows of a table are reshaped to it.
    size : (int, int), optional
        Images are resized to this height and width.
    bits : int, optional
        Of the pixels of images that have more than 8.
    header : bool, optional
        Whether the first row of a text file has the names of the columns; None to detect it.
    fitted : model, optional
        Determines columns, classes and the shape of a sample.
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
    bits: int | None = None
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
        """The expected shape of a sample."""
        if self.fitted is None:
            return self.shape
        return shape_of(self.fitted)

    @property
    def labels_like(self) -> np.ndarray | None:
        """The classes that the model has learned."""
        conditioner = getattr(network_of(self.fitted), "conditioner", None)
        return None if conditioner is None else conditioner.classes


def feature_columns(
    names: list[str], reading: Reading, others: Sequence[str], path: str = ""
) -> list[str]:
    """Return the columns of a table that are features; CommandError for unknown names.

    Parameters
    ----------
    names : list of str
        Of all columns.
    reading : Reading
    others : sequence of str
        Columns that aren't features, unless they are asked for.
    path : str
        Of the table.
    """
    wanted = list(reading.columns or reading.features or [n for n in names if n not in others])
    for name in (*wanted, *others):
        if name not in names:
            has = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            place = f"{path}: " if path else ""
            raise CommandError(f"{place}expected some of the columns {has}, got {name!r}")
    if not wanted:
        raise CommandError("columns: expected at least one as a feature, got none")
    return wanted


class Table(np.ndarray):
    """A matrix of numbers whose columns have names, as models look for in a data frame."""

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
    """A source of samples.

    Attributes
    ----------
    count : int or None
        The number of samples; None if it is known only at the end.
    is_table : bool
        Whether the samples are rows of a table with columns of different types.
    """

    count: int | None = None
    is_table = False

    def read(self) -> Block:
        """Return all samples."""
        raise NotImplementedError

    def blocks(self) -> Iterator[Block]:
        """Yield all samples, a block of rows at a time."""
        raise NotImplementedError


class Arrays(Source):
    """Samples in an array, or in an array-like that reads slices from a file.

    Parameters
    ----------
    X : array-like, shape (N, ...)
    y, mask, names : optional
        As in `Block`.
    whole : callable, optional
        Returns X for training, if that is another array than the one for slices.
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
            X = X[feature_columns(list(X.dtype.names), reading, reading.drop)]
        self.X, self.y, self.mask, self.names, self.reading = X, y, mask, names, reading
        self.count = len(X)
        for what, rows in (("y", y), ("mask", mask)):
            if rows is not None and len(rows) != self.count:
                raise CommandError(f"{what}: expected {self.count} rows, got {len(rows)}")

    def read(self) -> Block:
        """Return all samples, in memory or as a memory map."""
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
                raise CommandError("expected numbers, got a table with columns of words")
            return Block(X, y, mask, names)
        X, like = reshaped(X, self.reading.like), self.reading.features
        if like is not None and self.reading.mixed and X.shape[1:] == (len(like),):
            return Block(structured(dict(zip(like, X.T, strict=True))), y, mask, names)
        if like is not None and len(X.shape) == 2 and X.shape[1] == len(like):
            X = Table.of(X, like)
        return Block(X, y, observed_mask(X) if mask is None else mask, names)


def structured(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Return columns (N,) as a structured array."""
    first = next(iter(columns.values()))
    out = np.empty(len(first), [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        out[name] = column
    return out


def rows_of_block(shape: Sequence[int], itemsize: int = 8) -> int:
    """Return the number of samples in a block, by their shape."""
    size = max(1, int(np.prod(shape, dtype=np.int64))) * max(itemsize, 4)
    return max(1, BLOCK_BYTES // size // BATCH) * BATCH


def reshaped(X: Any, like: tuple[int, ...] | None) -> Any:
    """Return rows of a table reshaped to samples, and grey pictures with an axis for channels."""
    found = tuple(X.shape[1:])
    if like is None or found == like or len(like) == 1:
        return X
    if found != (np.prod(like),) and (*found, 1) != like:
        return X  # the model raises the error
    return np.asarray(X).reshape(len(X), *like)


def observed_mask(X: Any) -> np.ndarray | None:
    """Return a mask of the values that aren't NaN; None if none is."""
    if np.dtype(X.dtype).kind != "f" or not isinstance(X, np.ndarray):
        return None
    step = rows_of_block(X.shape[1:])
    if not any(np.isnan(X[i : i + step]).any() for i in range(0, len(X), step)):
        return None
    mask: np.ndarray = ~np.isnan(X)
    return mask.view(np.ndarray)
