"""Batches: samples gathered into arrays that are made once and filled anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import _core
from ..base import runtime
from ..base.streams import CORRUPTION, SHUFFLE
from .arrays import Data
from .corruption import Corruption


class Condition(NamedTuple):
    """What accompanies each sample of a conditional model: a row of a table.

    Attributes
    ----------
    table : ndarray of float32, shape (M, p)
    rows : ndarray of int64, shape (N,), or None
        Which row is whose; None if row n is sample n's.
    """

    table: np.ndarray
    rows: np.ndarray | None = None

    def take(self, index: slice) -> np.ndarray:
        """Return the vectors of some samples, (n, p)."""
        if self.rows is None:
            return np.ascontiguousarray(self.table[index])
        return self.table[self.rows[index]]


class Batch:
    """Views of n samples; overwritten by the next batch.

    Attributes
    ----------
    n : int
    x : ndarray of float32, shape (n, ...)
        What the encoder sees: corrupted in training, if the model corrupts, and 0 where a value is
        missing.
    target : ndarray of float32, shape (n, F)
        What the decoder is to give.
    mask : ndarray of float32, shape (n, F), or None
        1 where a value is observed.
    lengths : ndarray of int64, shape (n,), or None
        How many steps of each sequence there are, where some have less than others.
    condition : ndarray of float32, shape (n, p), or None
    observed : int
        How many values are observed.
    epoch : float
        When in training this is, in epochs.
    total : int
        How many samples all batches have together.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.x: np.ndarray
        self.target: np.ndarray
        self.mask: np.ndarray | None = None
        self.missing: np.ndarray | None = None
        self.lengths: np.ndarray | None = None
        self.condition: np.ndarray | None = None
        self.observed = 0
        self.epoch = 0.0
        self.total = n


class Passes(Protocol):
    """What training takes its batches from: `Batches`, or a stream of them."""

    @property
    def total(self) -> int:
        """How many samples there are."""

    def __len__(self) -> int: ...

    def order(self, seed: int, position: int) -> np.ndarray | None:
        """Return what `__call__` takes for a pass in a new order; None if there is only one."""

    def __call__(self, rows: np.ndarray | None = None, position: int = 0) -> Iterator[Batch]:
        """Yield the batches of one pass, behind as many samples as `position` says."""


class Batches:
    """Some samples of a data set, a batch at a time.

    Parameters
    ----------
    data : Data
    size : int
        Samples of a batch; the last one may have fewer.
    condition : Condition, optional
    rows : ndarray of int64, optional
        Which samples take part, in order; all by default.
    corruption : Corruption, optional
    seed : int
        Of the corruption.
    """

    def __init__(
        self,
        data: Data,
        size: int,
        *,
        condition: Condition | None = None,
        rows: np.ndarray | None = None,
        corruption: Corruption | None = None,
        seed: int = 0,
    ) -> None:
        self.data, self.condition = data, condition
        self.rows = np.arange(len(data)) if rows is None else rows
        self.corruption, self.seed = corruption, seed
        self.size = size = min(size, len(self.rows))
        shape = (size, data.features)
        self._clean = np.empty(shape, np.float32)
        self._noisy = np.empty(shape, np.float32) if corruption or data.masked else None
        self._mask = np.empty(shape, np.float32) if data.masked else None
        self._missing = np.empty(shape, np.bool_) if data.masked else None
        self._lengths = None if data.lengths is None else np.empty(size, np.int64)
        self._condition = self._labels = None
        if condition is not None:
            self._condition = np.empty((size, condition.table.shape[1]), np.float32)
            self._labels = np.empty(size, np.int64)
        self._made: dict[int, Batch] = {}

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    @property
    def total(self) -> int:
        """How many samples there are."""
        return len(self.rows)

    def order(self, seed: int, position: int) -> np.ndarray:
        """Return the rows in a new order, which follows from how many samples were seen before."""
        return shuffled(self.rows, seed, SHUFFLE, position)

    def __call__(self, rows: np.ndarray | None = None, position: int = 0) -> Iterator[Batch]:
        """Yield the batches of one pass.

        Parameters
        ----------
        rows : ndarray of int64, optional
            The samples in the order wanted, if not in their own.
        position : int
            How many samples were seen in training before: where the noise's stream goes on.
        """
        rows = self.rows if rows is None else rows
        for start in range(0, len(rows), self.size):
            yield self._fill(rows[start : start + self.size], position + start)

    def _fill(self, rows: np.ndarray, position: int) -> Batch:
        n, data = len(rows), self.data
        batch = self._made.get(n) or self._views(n)
        x = batch.x.reshape(n, data.features)
        if self._noisy is None:
            data.gather(rows, batch.target)
        elif self.corruption is None:
            data.gather(rows, batch.target)
            np.copyto(x, batch.target)
        else:
            stream = (self.seed, CORRUPTION, position * data.features)
            data.gather(rows, batch.target, x, self.corruption, stream)
        if batch.mask is not None:
            assert batch.missing is not None
            data.gather_mask(rows, batch.mask, batch.missing)
            np.copyto(x, data.fill, where=batch.missing)
            batch.observed = n * data.features - int(np.count_nonzero(batch.missing))
        if self.corruption is not None:
            self.corruption.finish(x, batch.target, self.seed, position)
        if data.lengths is not None:
            np.take(data.lengths, rows, out=batch.lengths, mode="clip")
        if batch.condition is not None:
            self._take_condition(rows, batch.condition)
        return batch

    def _views(self, n: int) -> Batch:
        batch = self._made[n] = Batch(n)
        batch.target = self._clean[:n]
        source = self._clean if self._noisy is None else self._noisy
        batch.x = source[:n].reshape(n, *self.data.shape)
        batch.observed = n * self.data.features
        batch.total = len(self.rows)
        if self._mask is not None and self._missing is not None:
            batch.mask, batch.missing = self._mask[:n], self._missing[:n]
        if self._lengths is not None:
            batch.lengths = self._lengths[:n]
        if self._condition is not None:
            batch.condition = self._condition[:n]
        return batch

    def _take_condition(self, rows: np.ndarray, out: np.ndarray) -> None:
        assert self.condition is not None and self._labels is not None
        table, labels = self.condition
        if labels is not None:
            places = self._labels[: len(rows)]
            np.take(labels, rows, out=places, mode="clip")
            rows = places
        np.take(table, rows, axis=0, out=out, mode="clip")


class Input(NamedTuple):
    """Samples and what accompanies them."""

    data: Data
    condition: Condition | None = None

    def batches(self, size: int, **options: Any) -> Batches:
        """Return them in batches."""
        return Batches(self.data, size, condition=self.condition, **options)

    def alone(self) -> Input:
        """Return the samples without what accompanies them."""
        return Input(self.data)


def shuffled(rows: np.ndarray, seed: int, purpose: int, position: int) -> np.ndarray:
    """Return N rows in an order drawn from a stream: its 2 N elements from 2 position on."""
    keys = np.empty(2 * len(rows), np.uint32)
    _core.random_bits(keys, seed, purpose, 2 * position, runtime.current())
    return rows[np.argsort(keys.view(np.uint64), kind="stable")]
