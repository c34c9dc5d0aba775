"""Batches: samples gathered into arrays that are made once and filled anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import _core
from ..base import runtime
from ..base.streams import CORRUPTION, ESTIMATE, OWN, SHUFFLE
from ..base.sums import sum_of
from ..nn.tape import Tape, Value
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
    """Views of n samples, overwritten by the next batch, and what is made of them in a pass.

    Attributes
    ----------
    n : int
    x : ndarray of float32, shape (n, ...)
        What the encoder sees: corrupted in training, if the model corrupts, and 0 where a value is
        missing.
    target : ndarray of float32, shape (n, F)
        What the decoder is to give.
    target_shape : tuple of int
        Of a sample that the decoder is to give.
    mask : ndarray of float32, shape (n, F), or None
        1 where a value of the target is observed.
    missing : ndarray of bool, shape (n, F), or None
        The same, the other way round.
    absent : ndarray of bool, shape (n, ...), or None
        Where a value of what the encoder sees is missing: as `missing`, unless the target is
        another sample.
    weight : ndarray of float32, shape (n,), or None
        How much each sample counts; 1 for all if None.
    lengths : ndarray of int64, shape (n,), or None
        How many steps of each sequence there are, where some have less than others.
    condition : ndarray of float32, shape (n, p), or None
    observed : float
        How many values are observed; those of a sample count by its weight.
    counted : float
        The sum of the weights.
    epoch : float
        When in training this is, in epochs.
    total : int
        How many samples all batches have together.
    before, whole : int
        Of a part of a batch: how many samples of that come before its own, and how many it has.
    pieces : list of int, or None
        Of a batch whose other samples lie in other processes: how many each of these has of it.

    A pass begins with `begin` and sets

    tape : Tape
        What the pass is recorded on.
    noise : {"on", "fixed", "off"}
        "on" while training, "fixed" for estimates that are to be the same every time, "off" where
        nothing is drawn.
    seed, position : int
        Of the random numbers: a stream, and how many samples were drawn for before.
    samples, condition_value : Value
        ``x`` and ``condition`` on the tape; `condition_value` is None without conditions.
    given, encoded : Value
        What the encoder was given, and its output.
    code, output : Value
        What the objective has made of the samples.
    posterior : (Value, Value)
        Means and log-variances of codes, where an objective keeps them.
    room : tuple of int
        Height and width of codes that are maps and are taken for vectors; () otherwise.
    real, fake : Value
        What a discriminator is to tell from each other.
    weights : dict of str to float
        How much each term counts in the loss, where that isn't 1.
    unweighted : set of str
        The terms that are about draws, in which no sample's weight has a part.
    terms : mapping of str to Value, shape (n,)
        What the objective has given.
    reported : dict of str to float
        Sums over samples that are reported with the terms and not minimised.
    noted : dict of str to ndarray
        What is summed up over an epoch, for what follows from that.
    """

    samples: Value
    condition_value: Value | None
    given: Value
    encoded: Value
    room: tuple[int, ...] = ()
    code: Value
    output: Value
    posterior: tuple[Value, Value]
    real: Value
    fake: Value
    terms: Mapping[str, Any]
    tape: Tape

    def __init__(self, n: int) -> None:
        self.n = n
        self.x: np.ndarray
        self.target: np.ndarray
        self.target_shape: tuple[int, ...] = ()
        self.mask: np.ndarray | None = None
        self.missing: np.ndarray | None = None
        self.absent: np.ndarray | None = None
        self.weight: np.ndarray | None = None
        self.lengths: np.ndarray | None = None
        self.condition: np.ndarray | None = None
        self.observed = 0.0
        self.counted = float(n)
        self.epoch = 0.0
        self.total = n
        self.before, self.whole = 0, n
        self.pieces: list[int] | None = None
        self.noise, self.seed, self.position, self.draws = "off", 0, 0, 0
        self.weights: dict[str, float] = {}
        self.unweighted: frozenset[str] = frozenset()
        self.reported: dict[str, float] = {}
        self.noted: dict[str, np.ndarray] = {}

    def begin(self, tape: Tape, noise: str = "off", seed: int = 0, position: int = 0) -> Batch:
        """Begin a pass; return self."""
        self.tape, self.noise, self.seed, self.position = tape, noise, seed, position
        self.weights, self.reported, self.noted, self.draws = {}, {}, {}, 0
        self.unweighted, tape.weight = frozenset(), self.weight
        self.samples = tape.constant(self.x)
        if self.lengths is not None:
            tape.padded = self.x.shape[1]
        self.condition_value = None if self.condition is None else tape.constant(self.condition)
        return self

    def normal(self, shape: tuple[int, ...], purpose: int | None = None) -> np.ndarray:
        """Draw numbers from N(0, 1) for an objective.

        While training they are new in each step. In validation they are the same ones every time.
        They are 0 where nothing is drawn.

        Parameters
        ----------
        shape : tuple of int
            A multiple of n numbers.
        purpose : int, optional
            The random stream while training; by default one for each call in a pass.

        Returns
        -------
        ndarray of float32
            The tape's, for as long as the pass.
        """
        values = self.tape.take(shape)
        if self.noise == "off":
            values.fill(0)
            return values
        if purpose is None:
            purpose, self.draws = OWN + 2 * self.draws, self.draws + 1
            purpose += self.noise == "fixed"
        elif self.noise == "fixed":
            purpose = ESTIMATE
        start = self.position * (values.size // max(1, self.n))
        _core.random_normal(values, self.seed, purpose, start, self.tape.workspace)
        return values

    def sum(self, values: np.ndarray, name: str = "") -> float:
        """Return the sum of a number (n,) of each sample, times its weight.

        That of a term whose `name` is among the unweighted ones is as if all had the mean weight.
        """
        if self.weight is None:
            return sum_of(values)
        if name in self.unweighted:
            return sum_of(values) * self.counted / max(1, self.n)
        return sum_of(values * self.weight)

    def end(self) -> None:
        """Let go of what the pass has made: its memory is for the next one."""
        own = self.__dict__
        for name in [name for name in own if name not in DATA]:
            del own[name]

    def parts(self, count: int) -> list[Batch]:
        """Return the batch in parts, views of it, as equal in size as can be."""
        ends = [self.n * k // max(1, count) for k in range(count + 1)]
        return [self._part(slice(a, b)) for a, b in pairwise(ends)]

    def _part(self, rows: slice) -> Batch:
        part = Batch(rows.stop - rows.start)
        part.before, part.whole = self.before + rows.start, self.whole
        part.total, part.epoch = self.total, self.epoch
        part.target_shape = self.target_shape
        for name in ARRAYS:
            array = getattr(self, name)
            setattr(part, name, None if array is None else array[rows])
        part.count()
        return part

    def count(self) -> None:
        """Count the samples and the values that are observed, by the samples' weights."""
        values = np.full(self.n, self.target.shape[1])
        if self.missing is not None:
            values -= np.count_nonzero(self.missing, axis=1)
        self.observed, self.counted = float(values.sum()), float(self.n)
        if self.weight is not None:
            self.observed = float(values @ self.weight.astype(np.float64))
            self.counted = float(self.weight.sum(dtype=np.float64))

    def true_output(self) -> np.ndarray:
        """Return the target in its shape, 0 where a value is missing."""
        target = self.target
        if self.missing is not None:
            target = np.where(self.missing, np.float32(0), target)
        return target.reshape(self.n, *self.target_shape)

    def own(self, g: np.ndarray) -> np.ndarray:
        """Make a gradient of `given` zero, in place, for what isn't a sample's own values."""
        p = 0 if self.condition is None else self.condition.shape[1]
        if p:
            g[..., -p:] = 0
        if self.absent is not None:
            own = g[..., : g.shape[-1] - p]
            own[self.absent.reshape(own.shape)] = 0
        return g


# those with a row for each sample
ARRAYS = ("x", "target", "mask", "missing", "absent", "weight", "lengths", "condition")
DATA = frozenset(vars(Batch(0))) | {"x", "target"}  # what a batch has before a pass and behind it


class BatchSource(Protocol):
    """Where training takes its batches from: `Batches`, or a stream of them."""

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
    target : Data, optional
        What the samples are to become; they themselves by default.
    weight : ndarray of float32, shape (N,), optional
        How much each sample counts.
    rows : ndarray of int64, optional
        Which samples take part, in order; all by default.
    corruption : Corruption, optional
    seed : int
        Of the corruption.

    Attributes
    ----------
    total : int
        How many samples there are.
    """

    def __init__(
        self,
        data: Data,
        size: int,
        *,
        condition: Condition | None = None,
        target: Data | None = None,
        weight: np.ndarray | None = None,
        rows: np.ndarray | None = None,
        corruption: Corruption | None = None,
        seed: int = 0,
    ) -> None:
        self.data, self.condition, self.target, self.weight = data, condition, target, weight
        self._wanted = wanted = data if target is None else target
        self._rows, self.total = rows, len(data) if rows is None else len(rows)
        self.corruption, self.seed = corruption, seed
        self.size = size = max(1, min(size, self.total))
        # the samples themselves, where nothing is to be done to them
        self._plain: tuple[np.ndarray, np.ndarray] | None = None
        if not (corruption or data.masked or wanted.masked) and rows is None:
            if data.plain is not None and wanted.plain is not None:
                self._plain = data.plain, wanted.plain
        shape = (size, data.features)
        self._clean = np.empty(shape, np.float32) if self._plain is None else None
        self._noisy = np.empty(shape, np.float32) if corruption or data.masked else None
        shape = (size, wanted.features)
        self._targets = None
        if target is not None and self._plain is None:
            self._targets = np.empty(shape, np.float32)
        self._mask = np.empty(shape, np.float32) if wanted.masked else None
        self._missing = np.empty(shape, np.bool_) if wanted.masked else None
        self._absent = self._missing
        if target is not None:
            self._absent = np.empty((size, data.features), np.bool_) if data.masked else None
        self._weight = None if weight is None else np.empty(size, np.float32)
        self._lengths = None if data.lengths is None else np.empty(size, np.int64)
        self._condition = self._labels = None
        if condition is not None:
            self._condition = np.empty((size, condition.table.shape[1]), np.float32)
            self._labels = np.empty(size, np.int64)
        self._made: dict[int, Batch] = {}

    def __len__(self) -> int:
        return -(-self.total // self.size)

    @property
    def rows(self) -> np.ndarray:
        """Which samples take part, in order."""
        if self._rows is None:
            self._rows = np.arange(self.total, dtype=np.int64)
        return self._rows

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
        if rows is None and self._plain is not None:
            yield from self._views_of(*self._plain)
            return
        n = self.total if rows is None else len(rows)
        starts = range(0, n, self.size)
        yield from self.cut(rows, [(min(self.size, n - s), position + s) for s in starts])

    def cut(
        self, rows: np.ndarray | None, cuts: Sequence[tuple[int, int]], start: int = 0
    ) -> Iterator[Batch]:
        """Yield batches of certain sizes, each behind as many samples as is said.

        `start` is for other batches, whose order goes on from there.
        """
        rows, at = self.rows if rows is None else rows, 0
        for n, position in cuts:
            yield self.filled(rows[at : at + n], position)
            at += n

    def _views_of(self, samples: np.ndarray, targets: np.ndarray) -> Iterator[Batch]:
        """Yield batches that are the samples (N, F) and their targets themselves."""
        for start in range(0, len(samples), self.size):
            x = samples[start : start + self.size]
            batch = Batch(len(x))
            batch.target = targets[start : start + self.size]
            batch.target_shape = self._wanted.shape
            batch.x = x.reshape(len(x), *self.data.shape)
            batch.total = len(samples)
            if self.weight is not None:
                batch.weight = self.weight[start : start + self.size]
            batch.count()
            if self._condition is not None:
                batch.condition = self._condition[: batch.n]
                self._take_condition(self.rows[start : start + self.size], batch.condition)
            yield batch

    def filled(self, rows: np.ndarray, position: int = 0) -> Batch:
        """Return a batch of some samples, at most `size`, behind as many as `position` says."""
        n, data = len(rows), self.data
        if not n:
            return Batch(0)
        rows = np.asarray(rows, np.int64)  # where NumPy's own indices have 32 bits
        if self._clean is None:
            self._clean = np.empty((self.size, data.features), np.float32)
            if self.target is not None:
                self._targets = np.empty((self.size, self.target.features), np.float32)
        batch = self._made.get(n) or self._views(n)
        x, clean = batch.x.reshape(n, data.features), self._clean[:n]
        data.at(self.seed, position)
        if self.target is not None:
            self.target.at(self.seed, position)  # crops of pairs are cut at the same places
        if self.corruption is None:
            data.gather(rows, clean)
            if self._noisy is not None:
                np.copyto(x, clean)
        else:
            stream = (self.seed, CORRUPTION, position * data.features)
            data.gather(rows, clean, x, self.corruption, stream)
        if self.target is not None:
            self.target.gather(rows, batch.target)
        if batch.missing is not None:
            self._wanted.gather_mask(rows, batch.mask, batch.missing)
        if batch.absent is not None:
            if batch.absent is not batch.missing:
                data.gather_mask(rows, None, batch.absent)
            np.copyto(x, data.fill, where=batch.absent)
        if self.corruption is not None:
            self.corruption.finish(batch.x, clean, self.seed, position)
            if batch.absent is not None and not self.corruption.moves_gaps:
                np.copyto(x, data.fill, where=batch.absent)
        if data.lengths is not None:
            np.take(data.lengths, rows, out=batch.lengths, mode="clip")
        if self.weight is not None:
            np.take(self.weight, rows, out=batch.weight, mode="clip")
        if batch.condition is not None:
            self._take_condition(rows, batch.condition)
        if batch.missing is not None or batch.weight is not None:
            batch.count()
        return batch

    def _views(self, n: int) -> Batch:
        batch = self._made[n] = Batch(n)
        assert self._clean is not None
        batch.target = (self._clean if self._targets is None else self._targets)[:n]
        batch.target_shape = self._wanted.shape
        source = self._clean if self._noisy is None else self._noisy
        batch.x = source[:n].reshape(n, *self.data.shape)
        batch.observed = float(batch.target.size)
        batch.total = self.total
        if self._mask is not None and self._missing is not None:
            batch.mask, batch.missing = self._mask[:n], self._missing[:n]
        if self._absent is not None:
            batch.absent = batch.missing if self.target is None else self._absent[:n]
        if self._weight is not None:
            batch.weight = self._weight[:n]
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
    target: Data | None = None
    weight: np.ndarray | None = None

    def batches(self, size: int, **options: Any) -> Batches:
        """Return them in batches."""
        _, condition, target, weight = self
        return Batches(
            self.data, size, condition=condition, target=target, weight=weight, **options
        )

    def alone(self) -> Input:
        """Return the samples, with their weights, without what else accompanies them."""
        return Input(self.data, weight=self.weight)


def shuffled(rows: np.ndarray, seed: int, purpose: int, position: int) -> np.ndarray:
    """Return N rows in an order drawn from a stream: its 2 N elements from 2 position on."""
    keys = np.empty(2 * len(rows), np.uint32)
    _core.random_bits(keys, seed, purpose, 2 * position, runtime.current())
    return rows[np.argsort(keys.view(np.uint64), kind="stable")]
