"""The codebook of a vector quantizer, and how it learns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, overload

import numpy as np

from ... import _core
from ...base import runtime
from ...base.checks import integer
from ...base.streams import INIT, KMEANS, RESTART, fresh_seed
from ...base.sums import sum_of
from ..module import Module
from ..ops.quantize import L2Normalize
from ..parameter import Parameter, reserve
from ..parts import Part
from ..tape import Shape, Tape, Value

EPSILON = 1e-5  # of Laplace smoothing, as in Sonnet
DEAD = 0.2  # an entry that is used less than this share of the average is restarted,
RESTARTED = 0.5  # and taken to be used this share of the average


class Quantized(NamedTuple):
    """What a quantizer makes of vectors.

    Attributes
    ----------
    y : Value, shape (N, ..., D)
        What they are replaced by.
    op
        What has the codes.
    parts : list of dict of str to Value, shape (N,)
        The terms of the loss, of each codebook.
    """

    y: Value
    op: Any
    parts: list[dict[str, Value]]

    @property
    def terms(self) -> dict[str, Value]:
        """The terms of the loss, (N,): sums over codebooks."""
        first, *others = self.parts
        return {k: sum((part[k] for part in others), value) for k, value in first.items()}

    @property
    def index(self) -> Any:
        """The codes: int64 (N, ...), or their name in an ONNX graph."""
        return self.op.index


class Quantizer(Module):
    """A layer that replaces vectors by others that codes stand for.

    A subclass implements `quantize`, and says what codes are: see `VectorQuantizer`.
    """

    n_codes: int
    code_shape: Shape
    minimized: tuple[str, ...]
    _last_call: tuple[np.ndarray, dict[str, np.ndarray]] | None = None

    def quantize(self, x: Value, there: np.ndarray | None = None) -> Quantized:
        """Return what vectors are replaced by, their codes, and the terms of the loss.

        Where some vectors stand for nothing, `there` (N, ...) says which count in the terms and in
        what the quantizer learns.
        """
        raise NotImplementedError

    @property
    def codebook(self) -> np.ndarray:
        """What codes stand for."""
        raise NotImplementedError

    def projected(self, x: Value) -> Value:
        """Return what of vectors is compared with what codes stand for."""
        return x

    def lookup(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (N, ..., D) that codes (N, ...) stand for."""
        raise NotImplementedError

    def forward(self, x: Value) -> Value:
        return self.quantize(x).y

    @overload
    def __call__(self, x: Value) -> Value: ...

    @overload
    def __call__(self, x: np.ndarray, training: bool = False) -> np.ndarray: ...

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Return what vectors are replaced by; of an array, note the codes and the terms too."""
        if isinstance(x, Value):
            return super().__call__(x)
        with Tape(training=training, records=False) as tape:
            found = self.quantize(tape.constant(np.ascontiguousarray(x, np.float32)))
            self._last_call = found.index, {name: v.data for name, v in found.terms.items()}
        return found.y.data

    @property
    def indices(self) -> np.ndarray:
        """The codes of the array that the layer was last called with."""
        return self._last()[0]

    @property
    def terms(self) -> dict[str, np.ndarray]:
        """The terms of the array that the layer was last called with."""
        return self._last()[1]

    def _last(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        if self._last_call is None:
            raise AttributeError(
                f"{type(self).__name__}: expected a call with an array, got none yet"
            )
        return self._last_call

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.inside(self, name)
        return 1

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in super().__getstate__().items() if k != "_last_call"}


class Codebook(Quantizer):
    """What a `VectorQuantizer` remembers: its entries, and moving averages of what they stand for.

    Parameters and attributes are described there.
    """

    def __init__(
        self, size: int, dim: int, mode: str, decay: float, restart_dead: bool, distance: str
    ) -> None:
        shape = (integer("codebook_size", size, 1), integer("code_dim", dim, 1))
        if mode not in ("ema", "loss"):
            raise ValueError(f'codebook: expected "ema" or "loss", got {mode!r}')
        if not 0 <= decay < 1:
            raise ValueError(f"decay: expected a number from 0 up to but not 1, got {decay!r}")
        if distance not in ("euclidean", "cosine"):
            raise ValueError(f'distance: expected "euclidean" or "cosine", got {distance!r}')
        self.mode, self.decay, self.restart_dead = mode, float(decay), bool(restart_dead)
        self.distance = distance
        self.seed = fresh_seed()
        if mode == "loss":
            self.entries = Parameter(shape, std=shape[1] ** -0.5)
        else:
            reserve(shape)
            self.add_buffer("entries", np.zeros(shape, np.float32))
            self.add_buffer("sum", np.zeros(shape, np.float32))
        self.add_buffer("count", np.ones(shape[0], np.float32))
        self.add_buffer("position", np.zeros(1, np.int64))
        self.initialize(fresh_seed())

    @property
    def _stored(self) -> np.ndarray:
        """The entries as they learn, of any length."""
        return self.entries.value if self.mode == "loss" else self.buffer("entries")

    @property
    def codebook(self) -> np.ndarray:
        if self.distance == "euclidean":
            return self._stored
        entries = _normalized(self._stored)
        entries.flags.writeable = False  # what is written here would be lost
        return entries

    def reset(self, seed: int, offset: int) -> int:
        if self.mode == "ema":
            entries = self.buffer("entries")
            _core.random_normal(entries, seed, INIT, offset, runtime.current())
            entries *= entries.shape[1] ** -0.5
            offset += entries.size
        self.buffer("position").fill(0)
        self._start_averages()
        return offset

    def start_kmeans(self, rows: np.ndarray, iterations: int = 10) -> None:
        """Put the entries on the centres of clusters of vectors.

        Parameters
        ----------
        rows : ndarray of float32, shape (M, D)
            A sample of what the quantizer will see.
        iterations : int
            Of Lloyd's algorithm.
        """
        dim = self._stored.shape[1]
        if rows.ndim != 2 or rows.shape[1] != dim or not len(rows):
            raise ValueError(f"rows: expected the shape (M, {dim}), M > 0, got {rows.shape}")
        if not np.isfinite(rows).all():
            raise ValueError("rows: expected finite numbers, got NaN or infinity")
        if self.distance == "cosine":
            rows = _normalized(rows)
        kmeans(self._stored, rows, self.seed, iterations)
        self._start_averages()

    def _start_averages(self) -> None:
        """Make the averages agree with the entries: each used once."""
        self.buffer("count").fill(1)
        if self.mode == "ema":
            self.buffer("sum")[...] = self._stored

    def follow(
        self,
        rows: np.ndarray,
        index: np.ndarray,
        tape: Tape,
        most: int,
        weight: np.ndarray | None = None,
    ) -> None:
        """Move the averages and, by them, the entries; restart those out of use.

        Parameters
        ----------
        rows : ndarray of float32, shape (M, D)
            As they are compared.
        index : ndarray of int64, shape (M,)
            The entry that is nearest to each of them.
        tape : Tape
            Whose memory is used meanwhile.
        most : int
            How many there would be if all counted.
        weight : ndarray of float32, shape (M,), optional
            How much each counts.
        """
        e, d = self._stored.shape
        counts, sums = tape.take((e,)), tape.take((e, d))
        if weight is None:
            _core.vq_statistics(counts, sums, rows, index, tape.workspace)
        else:
            heavy = np.multiply(rows, weight[:, None], out=tape.take(rows.shape))
            _core.vq_statistics(counts, sums, heavy, index, tape.workspace)
            counts[...] = np.bincount(index, weight, e)
        if tape.part is None:
            self._learn(counts, sums, lambda: self._some(rows, np.arange(e), 0))
        else:
            tape.learn(self._learn_of_parts, counts, sums, *self._offer(rows, tape.part, most))

    def _learn_of_parts(self, counts: np.ndarray, sums: np.ndarray, *offered: np.ndarray) -> None:
        self._learn(counts, sums, lambda: (offered[0], offered[1]))

    def _learn(
        self, counts: np.ndarray, sums: np.ndarray, offered: Callable[[], tuple[Any, Any]]
    ) -> None:
        """Learn from how often each entry was used (E,) and the sums of its vectors (E, D).

        `offered` gives vectors for dead entries to restart on, if there are any.
        """
        seen = float(counts.sum(dtype=np.float64))
        if seen == 0 or not math.isfinite(sum_of(sums)):
            return  # there is nothing, or the step is going to fail: leave everything as it is
        unused = counts == 0
        self._average("count", counts)
        if self.mode == "ema":
            self._average("sum", sums)
        if self.restart_dead:
            self._restart(unused, max(1, int(seen)), offered)
        if self.mode == "ema":
            total = float(self.buffer("count").sum())
            smooth = self.buffer("count")[:, None] + np.float32(EPSILON)
            smooth *= total / (total + len(smooth) * EPSILON)
            np.divide(self.buffer("sum"), smooth, out=self._stored)

    def _average(self, name: str, batch: np.ndarray) -> None:
        average = self.buffer(name)
        average *= self.decay
        batch *= 1 - self.decay
        average += batch

    def _offer(self, rows: np.ndarray, part: Part, most: int) -> tuple[np.ndarray, ...]:
        """Return what a part of a batch offers: parts take turns.

        That is nothing where no entry can be dead by now, whatever the other parts have used.
        """
        count, each = self.buffer("count"), most // max(1, part.n)
        mean = (self.decay * float(count.sum()) + (1 - self.decay) * each * part.whole) / len(count)
        if not self.restart_dead or float(count.min()) * self.decay > 2 * DEAD * mean:  # rounding
            return ()
        places = np.arange(part.index, len(count), part.parts)
        return self._some(rows, places, each * part.before)

    def _some(self, rows: np.ndarray, places: np.ndarray, start: int) -> tuple[Any, Any]:
        """Return random vectors at some places of (E, D), and at which there are any (E,)."""
        places, position = places[: len(rows)], int(self.buffer("position")[0]) + start
        order = shuffled(len(rows), self.seed, RESTART, position)[: len(places)]
        vectors = np.zeros(self._stored.shape, np.float32)
        there = np.zeros(len(vectors), np.int64)
        vectors[places], there[places] = rows[order], 1
        return vectors, there

    def _restart(
        self, unused: np.ndarray, seen: int, offered: Callable[[], tuple[Any, Any]]
    ) -> None:
        """Put unused entries on random vectors, as if these had been used a little."""
        count, position = self.buffer("count"), self.buffer("position")
        mean = float(count.sum()) / len(count)
        weight = RESTARTED * mean
        dead = unused & (count < DEAD * mean)
        if not dead.any():
            return
        vectors, there = offered()
        chosen = vectors[np.flatnonzero(there)]
        which = np.flatnonzero(dead)[: len(chosen)]
        position += seen
        self._stored[which], count[which] = chosen[: len(which)], weight
        if self.mode == "ema":
            self.buffer("sum")[which] = weight * chosen[: len(which)]


def _normalized(rows: np.ndarray) -> np.ndarray:
    tape = Tape(records=False)
    return L2Normalize(tape.constant(rows)).data


def shuffled(n: int, seed: int, purpose: int, offset: int) -> np.ndarray:
    """Return 0 to n - 1 in random order: a function of seed, purpose and offset."""
    bits = np.empty(n, np.uint32)
    _core.random_bits(bits, seed, purpose, offset, runtime.current())
    return np.argsort(bits, kind="stable")


def kmeans(centers: np.ndarray, rows: np.ndarray, seed: int, iterations: int = 10) -> None:
    """Cluster rows by Lloyd's algorithm, from k-means++. Overwrites the centers.

    An empty cluster starts anew at the row that is farthest from its center.

    Parameters
    ----------
    centers : ndarray of float32, shape (E, D)
    rows : ndarray of float32, shape (M, D)
    seed : int
    iterations : int
        At most: it ends where no row changes its cluster.
    """
    ws = runtime.current()
    spread(centers, rows, seed)
    counts, sums = np.empty(len(centers), np.float32), np.empty_like(centers)
    index, nearest = np.full(len(rows), -1), np.empty_like(rows)
    for _ in range(iterations):
        before = index.copy()
        _core.vector_quantize(nearest, index, rows, centers, ws)
        if np.array_equal(index, before):
            break
        _core.vq_statistics(counts, sums, rows, index, ws)
        used = counts > 0
        centers[used] = sums[used] / counts[used, None]
        empty = np.flatnonzero(~used)
        if len(empty) and len(centers) <= len(rows):
            nearest -= rows
            distance = np.einsum("md,md->m", nearest, nearest)
            centers[empty] = rows[np.argsort(-distance, kind="stable")[: len(empty)]]


def spread(centers: np.ndarray, rows: np.ndarray, seed: int) -> None:
    """Put the centers on rows far from each other: k-means++ (Arthur and Vassilvitskii, 2007).

    Where there are more centers than different rows, the rest lies closely around rows.
    """
    (e, d), m, ws = centers.shape, len(rows), runtime.current()
    draws, noise = np.empty(e, np.float32), np.empty((e, d), np.float32)
    _core.random_uniform(draws, seed, KMEANS, 0, ws)
    _core.random_normal(noise, seed, KMEANS, e, ws)
    noise *= np.float32(0.01) * rows.std(0)
    centred = rows - rows.mean(0)
    norms = np.einsum("md,md->m", centred, centred)
    distance = np.ones(m, np.float32)  # the first one is any row
    for k in range(e):
        sums = np.cumsum(distance, dtype=np.float64)
        if sums[-1] > 0:
            chosen = min(int(np.searchsorted(sums, draws[k] * sums[-1], side="right")), m - 1)
            centers[k] = rows[chosen]
        else:
            chosen = k % m
            centers[k] = rows[chosen] + noise[k]
        # not by @: a BLAS's sums may depend on its number of threads
        scale = norms + norms[chosen]
        square = scale - 2 * np.einsum("md,d->m", centred, centred[chosen])
        square[square < 1e-6 * scale] = 0  # what is left of equal rows
        distance = np.minimum(distance, square) if k else square
