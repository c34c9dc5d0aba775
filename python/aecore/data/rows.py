"""Rows in blocks: samples in files or on a cluster, of which a few pieces at a time are in memory.

What is read in order is read block by block. An epoch in a new order opens eight blocks at a time,
chosen at random, and takes a piece of each in turn, until there are enough rows for a window. Those
are shuffled, and cut into batches; what is left of them begins the next window. All follows from
the seed and from how many samples were seen before, so that a training can go on anywhere between
two epochs with the same bits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..base import checks
from ..base.streams import BLOCKS, SHUFFLE
from .ahead import ahead
from .batches import Batch, Condition, Input, shuffled
from .streams import Item, Summary

__all__ = ["Rows"]


def __dir__() -> list[str]:
    return __all__


OPEN = 8  # blocks that an epoch in a new order reads at a time
PIECES = 16  # of a window
PIECE_BYTES = 1 << 24  # about


class Rows:
    """N samples that are read a piece at a time.

    `aecore.open_rows` makes one of a file, and `fit`, `transform` and the other methods of models
    take it. It can be iterated over: for pieces (X, y, sample_mask), in order.

    Parameters
    ----------
    sizes : sequence of int
        How many samples each block has.
    row_bytes : int
        About how much memory a sample takes.
    buffer : int, optional
        How many samples are shuffled together; by default as many as take about 256 MB.
    """

    def __init__(self, sizes: Any, row_bytes: int, buffer: int | None = None) -> None:
        self.sizes = np.asarray(sizes, np.int64).reshape(-1)
        self.piece = max(1, PIECE_BYTES // max(1, row_bytes))
        self.buffer = PIECES * self.piece
        if buffer is not None:
            self.buffer = checks.integer("buffer", buffer, 1)

    def __len__(self) -> int:
        return int(self.sizes.sum())

    def __iter__(self) -> Iterator[Item]:
        return ahead(self._in_order)

    def __repr__(self) -> str:
        blocks = f"{len(self.sizes):,} block{'s' * (len(self.sizes) != 1)}"
        return f"{type(self).__name__} of {len(self):,} samples in {blocks}"

    def pieces(self, block: int, most: int) -> Iterator[Item]:
        """Yield a block's samples in order, at most so many at a time.

        Several blocks may be read at the same time, by several threads.
        """
        raise NotImplementedError

    def _in_order(self) -> Iterator[Item]:
        for block in range(len(self.sizes)):
            yield from self._counted(block, self.piece)

    def _counted(self, block: int, most: int) -> Iterator[Item]:
        """Yield a block's samples; ValueError if they aren't as many as there were."""
        pieces, wanted = self.pieces(block, most), int(self.sizes[block])
        return _as_many(pieces, wanted)

    def in_turn(self, blocks: np.ndarray) -> Iterator[Item]:
        """Yield pieces of several blocks in turn, of eight at a time."""
        waiting, opened = iter(blocks.tolist()), deque[Iterator[Item]]()
        most = min(self.piece, max(1, self.buffer // OPEN))
        while True:
            while len(opened) < OPEN and (block := next(waiting, None)) is not None:
                opened.append(self._counted(block, most))
            if not opened:
                return
            pieces = opened.popleft()
            if (piece := next(pieces, None)) is not None:
                opened.append(pieces)
                yield piece

    def spread(self, most: int) -> Any:
        """Return at most so many samples X, evenly spaced, as one."""
        wanted, start, found = self.spaced(most), 0, list[Any]()
        for item in self:
            stop = start + rows_of(item.X)
            a, b = np.searchsorted(wanted, (start, stop))
            if a < b:
                found.append(taken(item.X, wanted[a:b] - start))
            start = stop
        return joined(found)

    def all_labels(self) -> np.ndarray | None:
        """Return the labels of all samples, as they are; None if there are none."""
        if next(iter(self)).y is None:
            return None
        return np.concatenate([item.y for item in self])

    def spaced(self, most: int) -> np.ndarray:
        """Return the numbers of at most so many samples, evenly spaced."""
        n = len(self)
        return np.arange(n) if n <= most else np.arange(most) * n // most


def _as_many(pieces: Iterator[Item], wanted: int) -> Iterator[Item]:
    found = 0
    for item in pieces:
        found += rows_of(item.X)
        if found > wanted:
            break
        yield item
    if found != wanted:
        more = " or more" if found > wanted else ""
        raise ValueError(
            f"X: expected {wanted} rows in a block, as before, got {found}{more}: samples have to "
            "be the same each time that they are read"
        )


def rows_of(X: Any) -> int:
    """Return how many rows an array or a frame has."""
    return int(X.shape[0])


def taken(X: Any, rows: Any) -> Any:
    """Return some rows of an array or a frame."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def joined(parts: list[Any]) -> Any:
    """Return arrays or frames of pandas as one."""
    if not hasattr(parts[0], "iloc"):
        return np.concatenate(parts)
    import pandas

    return pandas.concat(parts, ignore_index=True)


class RowsInput(NamedTuple):
    """Samples in blocks, and what accompanies them: as `Input`.

    Attributes
    ----------
    rows : Rows
    data : Summary
    read : callable
        Turns a piece into samples and what accompanies them.
    target : Summary or None
        What is known of the targets.
    """

    rows: Rows
    data: Summary
    read: Callable[[Item], Input]
    target: Summary | None = None

    def batches(self, size: int, **options: Any) -> RowsBatches:
        """Return them in batches; there are no rows to choose."""
        options.pop("rows", None)
        return RowsBatches(self, size, **options)

    def alone(self) -> RowsInput:
        """Return the samples without what accompanies them."""
        return self._replace(read=lambda item: self.read(item).alone())


class RowsBatches:
    """The samples of blocks in batches: as `Batches`.

    Parameters
    ----------
    given : RowsInput
    size : int
        Samples of a batch; the last one may have fewer.
    corruption, seed
        As of `Batches`.
    """

    def __init__(self, given: RowsInput, size: int, corruption: Any = None, seed: int = 0) -> None:
        self.given, self.size, self.seed = given, min(size, len(given.rows)), seed
        self._options = {"corruption": corruption, "seed": seed}

    @property
    def data(self) -> Summary:
        """What is known of all samples."""
        return self.given.data

    @property
    def total(self) -> int:
        """How many samples there are."""
        return len(self.given.rows)

    def __len__(self) -> int:
        return -(-self.total // self.size)

    def order(self, seed: int, position: int) -> np.ndarray:
        """Return the blocks in a new order."""
        return shuffled(np.arange(len(self.given.rows.sizes)), seed, BLOCKS, position)

    def __call__(self, order: np.ndarray | None = None, position: int = 0) -> Iterator[Batch]:
        """Yield the batches of one pass, in order or in a new one, behind so many samples."""
        starts = range(0, self.total, self.size)
        cuts = [(min(self.size, self.total - start), position + start) for start in starts]
        for batch in self.cut(order, cuts, position):
            batch.total = self.total
            yield batch

    def cut(
        self, order: np.ndarray | None, cuts: Sequence[tuple[int, int]], start: int
    ) -> Iterator[Batch]:
        """Yield batches of certain sizes, each behind as many samples as is said.

        `start` is where the stream of the order goes on.
        """
        for window, rows, several in ahead(lambda: self._windows(order, cuts, start)):
            batches, at = window.batches(self.size, rows=rows, **self._options), 0
            for n, position in several:
                yield batches.filled(rows[at : at + n], position)
                at += n

    def _windows(
        self, order: np.ndarray | None, cuts: Sequence[tuple[int, int]], start: int
    ) -> Iterator[tuple[Input, np.ndarray, list[tuple[int, int]]]]:
        """Yield samples in windows, the order of each, and the batches that are cut of it."""
        rows, new, left = self.given.rows, list[Input](), deque(cuts)
        read = n = 0  # in windows before, and in the new one
        kept: Input | None = None  # what is left of the window before
        pieces = rows._in_order() if order is None else rows.in_turn(order)
        most = rows.piece if order is None else max(rows.buffer, self.size)
        for item in pieces:
            new.append(self.given.read(item))
            n += len(new[-1].data)
            if n >= most or read + n == len(rows):
                window, places = _window(kept, new, order, self.seed, start + read)
                several, used = list[tuple[int, int]](), 0
                while left and used + left[0][0] <= len(places):
                    several.append(left.popleft())
                    used += several[-1][0]
                if several:
                    yield window, places[:used], several
                kept, new = taken_input(window, places[used:]), []
                read, n = read + n, 0


def _window(
    kept: Input | None, new: list[Input], order: np.ndarray | None, seed: int, start: int
) -> tuple[Input, np.ndarray]:
    """Return samples as one, and their order: what was kept comes first."""
    parts = ([] if kept is None else [kept]) + new
    window, first = joined_inputs(parts), 0 if kept is None else len(kept.data)
    places = np.arange(len(window.data))
    if order is not None:
        places[first:] = shuffled(places[first:], seed, SHUFFLE, start)
    return window, places


def joined_inputs(parts: list[Input]) -> Input:
    """Return samples, and what accompanies them, as one."""
    data = parts[0].data.joined([part.data for part in parts])
    target, weight = parts[0].target, parts[0].weight
    if target is not None:
        target = target.joined([part.target for part in parts if part.target is not None])
    if weight is not None:
        weight = np.concatenate([part.weight for part in parts if part.weight is not None])
    conditions = [part.condition for part in parts if part.condition is not None]
    condition = None
    if conditions and conditions[0].rows is None:
        condition = Condition(np.concatenate([c.table for c in conditions]))
    elif conditions:
        places = [c.rows for c in conditions if c.rows is not None]
        condition = Condition(conditions[0].table, np.concatenate(places))
    return Input(data, condition, target, weight)


def taken_input(given: Input, rows: np.ndarray) -> Input | None:
    """Return some samples, and what accompanies them; None for none."""
    if not len(rows):
        return None
    data, condition = given.data.taken(rows), given.condition
    if condition is not None and condition.rows is None:
        condition = Condition(condition.table[rows])
    elif condition is not None and condition.rows is not None:
        condition = Condition(condition.table, condition.rows[rows])
    target = None if given.target is None else given.target.taken(rows)
    return Input(data, condition, target, None if given.weight is None else given.weight[rows])
