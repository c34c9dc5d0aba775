"""Batches whose samples lie in several processes: each has rows of its own, and fills its piece.

Rows of all processes are merged in one order, evenly: in an epoch row k of n is at (k + 1/2) / n,
and where two meet, that of the lower rank comes first. A batch is the next rows of that order. So
batches are as large as those of one process that has all rows, and each has of every process's rows
about the same share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .batches import Batch, Batches
from .rows import RowsBatches
from .streams import StreamBatches


def merged(counts: Sequence[int], first: int) -> list[int]:
    """Return how many rows of each process are among the first ones of all.

    Parameters
    ----------
    counts : sequence of int
        How many rows each process has.
    first : int
        Of all rows in their merged order.
    """
    total = sum(counts)
    found = [(2 * n * first + total) // (2 * total) for n in counts]  # up to a few more or less
    for _ in range(first - sum(found)):
        after = [((2 * found[i] + 1) / n, i) for i, n in enumerate(counts) if found[i] < n]
        found[min(after)[1]] += 1
    for _ in range(sum(found) - first):
        last = [((2 * found[i] - 1) / n, i) for i, n in enumerate(counts) if found[i]]
        found[max(last)[1]] -= 1
    return found


class _Pieces:
    """What the batches of arrays and of streams share.

    Parameters
    ----------
    counts : list of int
        How many rows each process has.
    rank : int
        Which process this is.

    Attributes
    ----------
    total : int
        How many samples all processes have.
    """

    def __init__(self, counts: list[int], rank: int) -> None:
        self.counts, self.rank, self.total = counts, rank, sum(counts)

    def _placed(self, batch: Batch, pieces: list[int]) -> Batch:
        """Return a batch that knows that it is a piece, of how large a whole."""
        batch.pieces, batch.before, batch.whole = pieces, sum(pieces[: self.rank]), sum(pieces)
        batch.total = self.total
        return batch


class Pieces(_Pieces):
    """A process's pieces of batches.

    Parameters
    ----------
    own : Batches or RowsBatches
        Its rows.
    size : int
        Samples of a batch; the last one may have fewer.
    counts, rank
        As of `_Pieces`.
    """

    def __init__(self, own: Batches | RowsBatches, size: int, counts: list[int], rank: int) -> None:
        super().__init__(counts, rank)
        self.own, self.size = own, size

    def __len__(self) -> int:
        return -(-self.total // self.size)

    def order(self, seed: int, position: int) -> np.ndarray:
        """Return this process's rows in a new order, from a place of its own in the stream."""
        return self.own.order(seed, position + sum(self.counts[: self.rank]))

    def __call__(self, rows: np.ndarray | None = None, position: int = 0) -> Iterator[Batch]:
        """Yield the pieces of one pass, which may be empty; see `Batches`."""
        starts, all_pieces, cuts = [0] * len(self.counts), list[list[int]](), []
        for start in range(0, self.total, self.size):
            ends = merged(self.counts, min(start + self.size, self.total))
            pieces = [b - a for a, b in zip(starts, ends, strict=True)]
            all_pieces.append(pieces)
            cuts.append((pieces[self.rank], position + start + sum(pieces[: self.rank])))
            starts = ends
        mine = self.own.cut(rows, cuts, position + sum(self.counts[: self.rank]))
        for batch, pieces in zip(mine, all_pieces, strict=True):
            yield self._placed(batch, pieces)


class StreamPieces(_Pieces):
    """The batches of a process's stream, as pieces: the i-th ones of all streams make a batch.

    A process whose stream has ended gives empty ones until all have.

    Parameters
    ----------
    own : StreamBatches
    lengths : list of int
        How many batches each process has.
    exchange : callable
        Takes a number, and returns those of all processes.
    counts, rank
        As of `_Pieces`.
    """

    def __init__(
        self,
        own: StreamBatches,
        lengths: list[int],
        exchange: Callable[[int], list[int]],
        counts: list[int],
        rank: int,
    ) -> None:
        super().__init__(counts, rank)
        self.own, self.lengths, self.exchange = own, lengths, exchange

    def __len__(self) -> int:
        return max(self.lengths)

    def order(self, seed: int, position: int) -> None:
        """Return None: batches come in the order that the stream has."""
        return

    def __call__(self, rows: np.ndarray | None = None, position: int = 0) -> Iterator[Batch]:
        """Yield the pieces of one pass, behind as many samples as `position` says."""
        inputs = self.own.inputs()
        while True:
            one = next(inputs, None)
            pieces = self.exchange(0 if one is None else len(one.data))
            if not any(pieces):
                return
            before = sum(pieces[: self.rank])
            batch = Batch(0) if one is None else self.own.batch(one, position + before)
            yield self._placed(batch, pieces)
            position += sum(pieces)
