r"""The loss of tables: each column by a likelihood of its own kind, in nats, summed over columns.

With x a cell and o what the decoder gives for its column:

================  ===========================================================  ==================
column            loss                                                         likelihood
================  ===========================================================  ==================
numeric           :math:`(x - o)^2 / 2\sigma^2 + \ln \sigma \sqrt{2\pi}`       normal
binary            :math:`-x \ln p - (1 - x) \ln (1 - p)`, p = sigmoid(o)       Bernoulli
K levels          :math:`-\ln p_x`, p = softmax(o) of K outputs                categorical
================  ===========================================================  ==================

Every numeric column has a deviation σ of its own, learned with the network as its logarithm. It
isn't let below 0.05 of the deviation that the column has: an error that small is small enough, and
no column may outweigh all others.

A missing cell costs nothing. A level that fit hasn't seen costs what Laplace's rule of succession
gives a level nobody has seen in n rows of K levels, :math:`\ln (n + K + 1)`; it has no gradient.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import _core
from ..base import runtime
from ..base.streams import CELLS, derived_seed
from ..nn.module import Module, Parameter
from . import DELTA, HALF_LOG_2PI, Loss, Scratch

LEAST_LOG_SIGMA = float(np.log(0.05))


class Scales(Module):
    """The deviations that the numeric columns' errors have, as their logarithms.

    Attributes
    ----------
    log_sigma : Parameter, shape (M,)
    """

    def __init__(self, columns: int) -> None:
        self.log_sigma = Parameter((columns,), fill=0.0)  # begins as the columns' own deviation

    @property
    def log_sigmas(self) -> np.ndarray:
        """What the loss takes them to be."""
        return np.maximum(self.log_sigma.value, np.float32(LEAST_LOG_SIGMA))


class Usual(Module):
    """What cells have cost in the last epoch of training: buffers, no parameters.

    Buffers
    -------
    moments : ndarray of float64, shape (3, C)
        For each column the number of cells, the sum of their nats and that of their squares.
    """

    LEAST = 0.1  # nats: the smallest deviation

    def __init__(self, columns: int) -> None:
        self.add_buffer("moments", np.zeros((3, columns)))

    @np.errstate(all="ignore")
    def note(self, nats: np.ndarray, counted: np.ndarray, fresh: bool) -> None:
        """Add the nats (n, C) of the cells that are counted; `fresh` forgets those before."""
        moments = self.buffer("moments")
        if fresh:
            moments.fill(0)
        moments[0] += counted.sum(0)
        values = np.where(counted, nats, 0).astype(np.float64)
        moments[1] += values.sum(0)
        moments[2] += (values * values).sum(0)

    def standardized(self, nats: np.ndarray) -> np.ndarray:
        """Return nats (n, C) less their column's mean, in units of its deviation."""
        count, total, squares = self.buffer("moments")
        mean = total / np.maximum(count, 1)
        variance = np.maximum(squares / np.maximum(count, 1) - mean**2, 0)
        return (nats - mean) / np.maximum(np.sqrt(variance), self.LEAST)


class Mixed(Loss):
    """The loss of tables with certain columns.

    Arrays are two-dimensional: n rows of C cells as a `tables.Layout` numbers them, and of O
    outputs: one for each numeric column, one for each binary one, and K for each of K levels, those
    of equal K together.

    Parameters
    ----------
    levels : tuple of int
        For each column the number of its levels; 0 if it is numeric, -1 to ignore it.
    surprise : ndarray of float64, shape (C,)
        What an unseen level costs.
    scales : Scales or None
        None where no column is numeric.
    """

    def __init__(
        self, levels: tuple[int, ...], surprise: np.ndarray, scales: Scales | None = None
    ) -> None:
        self.name, self.scales, self.levels = "mixed", scales, np.array(levels)
        self.numeric = np.flatnonzero(self.levels == 0)
        distinct = sorted({k for k in levels if k > 0})
        self.groups = {k: np.flatnonzero(self.levels == k) for k in distinct}
        self.surprise = np.where(self.levels > 0, surprise, 0).astype(np.float32)
        sizes = [len(self.numeric)]
        sizes += [len(places) * outputs(k) for k, places in self.groups.items()]
        ends = np.cumsum(sizes).tolist()
        self.parts = [slice(b - a, b) for a, b in zip(sizes, ends, strict=True)]
        self.outputs = max(1, ends[-1])  # one that nothing comes of, where all is certain

    def check(self, data: object, name: str) -> None:
        """Take any table that the layout has read."""

    def by_kind(self, nats: np.ndarray) -> dict[str, float]:
        """Return the sums of cells' nats (n, C) over the columns of each kind there is."""
        kinds = {
            "numeric": self.levels == 0,
            "binary": self.levels == 2,
            "categorical": (self.levels == 1) | (self.levels > 2),
        }
        return {
            kind: float(nats[:, places].sum(dtype=np.float64))
            for kind, places in kinds.items()
            if places.any()
        }

    def per_sample(
        self,
        loss: np.ndarray | None,
        grad: np.ndarray | None,
        weight: np.ndarray | None,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None,
        scratch: Scratch,
    ) -> None:
        """Write each row's loss (n,) and its gradient times the row's weight (n, O).

        What is missing is NaN in the target, whatever the mask.
        """
        nats = self.cells(grad, weight, output, target)
        if loss is not None:
            loss[:] = nats.sum(1, dtype=np.float64)

    @np.errstate(all="ignore")  # what isn't finite is the loop's to find
    def cells(
        self,
        grad: np.ndarray | None,
        weight: np.ndarray | None,
        output: np.ndarray,
        target: np.ndarray,
        learns: bool = True,
    ) -> np.ndarray:
        """Return what each cell costs (n, C); write the gradient, where there is one, as above.

        That of the deviations is added to theirs, unless nothing `learns`.
        """
        nats = np.zeros(target.shape, np.float32)
        if grad is not None:
            grad.fill(0)
        if len(self.numeric):
            numbers = target[:, self.numeric]
            nats[:, self.numeric] = self._normal(grad, weight, output, numbers, learns)
        for k, places, run in self._categories():
            codes = target[:, places]
            known, part = codes < self.levels[places], np.zeros(codes.size, np.float32)
            if k > 1:  # a single level is certain
                x = np.ascontiguousarray(output[:, run]).reshape(codes.size, -1)
                weights = None if weight is None else np.repeat(weight, len(places))
                dx = None if grad is None else np.empty_like(x)
                _category_loss(part, dx, weights, x, np.where(known, codes, 0), known, k)
                if grad is not None and dx is not None:
                    grad[:, run] = dx.reshape(len(grad), -1)
            unseen = codes == self.levels[places]
            nats[:, places] = np.where(unseen, self.surprise[places], part.reshape(codes.shape))
        return nats

    def _categories(self) -> Iterator[tuple[int, np.ndarray, slice]]:
        """Yield K, the columns that have K levels, and their outputs."""
        yield from zip(self.groups, self.groups.values(), self.parts[1:], strict=True)

    def _normal(
        self,
        grad: np.ndarray | None,
        weight: np.ndarray | None,
        output: np.ndarray,
        target: np.ndarray,
        learns: bool,
    ) -> np.ndarray:
        """Return what numeric cells (n, M) cost; write the gradient."""
        assert self.scales is not None
        log_sigma, run = self.scales.log_sigmas, self.parts[0]
        precision, seen = np.exp(-2 * log_sigma), ~np.isnan(target)
        errors = np.where(seen, output[:, run] - target, np.float32(0))
        squares = errors * errors * precision
        if grad is not None and weight is not None:
            grad[:, run] = errors * precision * weight[:, None]
        if learns and weight is not None:
            slopes = (weight[:, None] * (seen - squares)).sum(0)
            free = self.scales.log_sigma.value >= LEAST_LOG_SIGMA
            self.scales.log_sigma.grad += np.where(free | (slopes < 0), slopes, np.float32(0))
        return np.where(seen, squares / 2 + log_sigma + np.float32(HALF_LOG_2PI), np.float32(0))

    def per_feature(self, out: np.ndarray, output: np.ndarray, target: np.ndarray) -> None:
        """Write what each cell adds to its row's loss, (n, C)."""
        out[...] = self.cells(None, None, output, target)

    def to_data(self, output: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Turn outputs (n, O) into the likeliest cells (n, C); NaN in columns to ignore."""
        out = np.empty((len(output), len(self.levels)), np.float32) if out is None else out
        out[:, self.levels < 0] = np.nan
        out[:, self.numeric] = output[:, self.parts[0]]
        for k, places, run in self._categories():
            x = output[:, run].reshape(len(output), len(places), outputs(k))
            out[:, places] = 0 if k == 1 else x[:, :, 0] > 0 if k == 2 else x.argmax(2)
        return out

    def draw(self, output: np.ndarray, seed: int) -> np.ndarray:
        """Draw cells (n, C) from what outputs (n, O) say of them."""
        (n, size), ws, m = output.shape, runtime.current(), len(self.numeric)
        out = np.full((n, len(self.levels)), np.nan, np.float32)
        if m:
            assert self.scales is not None
            noise = np.empty((n, m), np.float32)
            _core.random_normal(noise, seed, CELLS, 0, ws)
            out[:, self.numeric] = output[:, :m] + np.exp(self.scales.log_sigmas) * noise
        chance = np.empty((n, size - m), np.float32)
        _core.random_uniform(chance, derived_seed(seed, 1), CELLS, 0, ws)
        for k, places, run in self._categories():
            shape = (n, len(places), outputs(k))
            x, u = output[:, run].reshape(shape), chance[:, run.start - m : run.stop - m]
            u = np.maximum(u.reshape(shape), np.float32(1e-38))
            if k == 1:
                out[:, places] = 0
            elif k == 2:
                out[:, places] = (x > np.log(u) - np.log1p(-u))[:, :, 0]
            else:  # the largest of logits with Gumbel noise
                out[:, places] = (x - np.log(-np.log(u))).argmax(2)
        return out

    def squared_error(
        self,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None,
        scratch: Scratch,
        grad: np.ndarray | None = None,
    ) -> float:
        """Return the sum of squared errors: of numbers, and of the probabilities of levels.

        `grad` is the gradient of the mean loss, if it is known: the errors over n, and over the
        variance for numbers.
        """
        n = len(output)
        if grad is None:
            grad, weight = scratch("grad", output.shape), np.full(n, 1 / n, np.float32)
            self.cells(grad, weight, output, target, learns=False)
        with np.errstate(all="ignore"):
            errors = grad.astype(np.float64) * n
            if self.scales is not None:
                errors[:, self.parts[0]] *= np.exp(2 * self.scales.log_sigmas)
            return float((errors**2).sum())


def outputs(k: int) -> int:
    """Return how many outputs a column of k levels has: none for one, a single one for two."""
    return {1: 0, 2: 1}.get(k, k)


def _category_loss(
    nats: np.ndarray,
    grad: np.ndarray | None,
    weight: np.ndarray | None,
    logits: np.ndarray,
    labels: np.ndarray,
    known: np.ndarray,
    k: int,
) -> None:
    """Write the nats (n,) of labels of k levels that are known, and their gradient."""
    ws, mask = runtime.current(), known.astype(np.float32).reshape(-1, 1)
    if k == 2:
        target = labels.astype(np.float32).reshape(-1, 1)
        _core.loss("bce_with_logits", nats, grad, weight, logits, target, mask, DELTA, ws)
        return
    shape = (len(nats), 1, k)
    dx = None if grad is None else grad.reshape(shape)
    numbers = labels.astype(np.int64).reshape(-1, 1)
    _core.cross_entropy(nats, dx, weight, logits.reshape(shape), numbers, mask, ws)
