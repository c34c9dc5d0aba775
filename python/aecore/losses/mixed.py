r"""The loss of tables: each column has a likelihood of its own kind; their nats are summed.

With x a cell and o the decoder's output for its column:

================  ===========================================================  ==================
column            loss                                                         likelihood
================  ===========================================================  ==================
numeric           :math:`(x - o)^2 / 2\sigma^2 + \ln \sigma \sqrt{2\pi}`       normal
binary            :math:`-x \ln p - (1 - x) \ln (1 - p)`, p = sigmoid(o)       Bernoulli
K levels          :math:`-\ln p_x`, p = softmax(o) of K outputs                categorical
================  ===========================================================  ==================

Every numeric column has a deviation σ of its own, learned with the network as its logarithm. It
stays above 0.05 of the column's own deviation, so that no column outweighs all others.

A missing cell has a loss of 0. A level that fit hasn't seen has the loss that Laplace's rule of
succession gives it after n rows of K levels, :math:`\ln (n + K + 1)`, or that of half the least
likely of the K, as the rule has it beside a level that was seen once, if this is larger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .. import _core
from ..base import runtime
from ..base.streams import CELLS, derived_seed
from ..data.batches import Batch
from ..data.tables.columns import Numeric
from ..nn.module import Module
from ..nn.ops.losses import DELTA, HALF_LOG_2PI, Late
from ..nn.parameter import Parameter
from ..nn.tape import Value
from . import Loss
from .histogram import Histogram, softmax

LN_2 = float(np.log(2))
__all__ = ["CellStatistics", "Mixed", "Scales"]


def __dir__() -> list[str]:
    return __all__


MIN_LOG_SIGMA = float(np.log(0.05))


class Scales(Module):
    """The deviations of the numeric columns' errors, as logarithms.

    Attributes
    ----------
    log_sigma : Parameter, shape (M,)
    """

    def __init__(self, columns: int) -> None:
        self.log_sigma = Parameter((columns,), fill=0.0)  # starts at the columns' own deviation

    @property
    def log_sigmas(self) -> np.ndarray:
        """The logarithms that the loss uses: no less than the least one."""
        return np.maximum(self.log_sigma.value, np.float32(MIN_LOG_SIGMA))


class CellStatistics(Module):
    """Mean and deviation of each column's cell losses in the last epoch: buffers, no parameters.

    Buffers
    -------
    moments : ndarray of float64, shape (3, C)
        For each column the number of cells, the sum of their nats and that of their squares.
    """

    MIN_DEVIATION = 0.1  # nats

    def __init__(self, columns: int) -> None:
        self.add_buffer("moments", np.zeros((3, columns)))

    @np.errstate(all="ignore")
    def sums(self, nats: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """Return the moments (3, C) of the nats (n, C) of the cells that are counted."""
        values = np.where(counted, nats, 0).astype(np.float64)
        return np.array([counted.sum(0), values.sum(0), (values * values).sum(0)])

    def start(self, sums: np.ndarray) -> None:
        """Forget the moments before."""
        self.buffer("moments")[...] = sums

    def add(self, sums: np.ndarray) -> None:
        """Add the moments of more cells."""
        moments = self.buffer("moments")
        moments += sums

    def standardized(self, nats: np.ndarray) -> np.ndarray:
        """Return nats (n, C) less their column's mean, in units of its deviation."""
        count, total, squares = self.buffer("moments")
        mean = total / np.maximum(count, 1)
        variance = np.maximum(squares / np.maximum(count, 1) - mean**2, 0)
        return (nats - mean) / np.maximum(np.sqrt(variance), self.MIN_DEVIATION)


Usual = CellStatistics  # as 0.1.0 called it, in pickles too


class Mixed(Loss):
    """The loss of tables with certain columns.

    Arrays are two-dimensional: n rows of C cells, encoded by a `tables.Layout`, or of O outputs:
    one for each numeric column, one for each binary one, K for each of K levels, grouped by K, and
    those of each histogram.

    Parameters
    ----------
    levels : tuple of int
        For each column the number of its levels; 0 if it is numeric, -1 to ignore it.
    surprise : ndarray of float64, shape (C,)
        The loss of a level that fit hasn't seen.
    scales : Scales or None
        None where no column is numeric without bins.
    binned : dict of int to Numeric, optional
        The numeric columns that have bins.
    """

    def __init__(
        self,
        levels: tuple[int, ...],
        surprise: np.ndarray,
        scales: Scales | None = None,
        binned: Mapping[int, Numeric] | None = None,
    ) -> None:
        self.name, self.scales, self.levels = "mixed", scales, np.array(levels)
        self.histograms = {j: Histogram(c.coded_bins) for j, c in (binned or {}).items()}
        plain = self.levels == 0
        plain[list(self.histograms)] = False
        self.numeric = np.flatnonzero(plain)
        distinct = sorted({k for k in levels if k > 0})
        self.groups = {k: np.flatnonzero(self.levels == k) for k in distinct}
        self.surprise = np.where(self.levels > 0, surprise, 0).astype(np.float32)
        sizes = [len(self.numeric)]
        sizes += [len(places) * outputs(k) for k, places in self.groups.items()]
        sizes += [h.outputs for h in self.histograms.values()]
        ends = np.cumsum(sizes).tolist()
        self.parts = [slice(b - a, b) for a, b in zip(sizes, ends, strict=True)]
        self.outputs = max(1, ends[-1])  # one that is not used, if all columns are certain

    def check(self, data: object, name: str) -> None:
        """Accept any table: the layout has checked it."""

    def by_kind(self, nats: np.ndarray) -> dict[str, float]:
        """Return the sum of the cells' nats (n, C) for each kind of column."""
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

    def term(self, output: Value, batch: Batch) -> Late:
        """Return the loss of each row, (n,)."""
        return _CellLoss(output, batch.target, self)

    def report(self, term: Late, batch: Batch) -> dict[str, float]:
        """Return the loss of each kind of column, summed over rows, after the backward pass."""
        assert isinstance(term, _CellLoss)
        return self.by_kind(term.nats)

    @np.errstate(all="ignore")  # the loop checks that the loss is finite
    def cell_losses(
        self,
        grad: np.ndarray | None,
        weight: np.ndarray | None,
        output: np.ndarray,
        target: np.ndarray,
        learns: bool = True,
    ) -> np.ndarray:
        """Return the loss of each cell (n, C); write the output's gradient if `grad` is given.

        The deviations' gradient is added to theirs, unless `learns` is False.
        """
        nats = np.zeros(target.shape, np.float32)
        if grad is not None:
            grad.fill(0)
        if len(self.numeric):
            numbers = target[:, self.numeric]
            nats[:, self.numeric] = self._normal(grad, weight, output, numbers, learns)
        for k, places, run in self.categories():
            codes = target[:, places]
            unseen = codes == self.levels[places]
            part = np.zeros(codes.size, np.float32)
            if k > 1:  # a single level is certain
                x = np.ascontiguousarray(output[:, run]).reshape(codes.size, -1)
                known = codes < self.levels[places]
                if unseen.any():
                    least, loss = _least_likely(x.reshape(*codes.shape, -1)[unseen])
                    codes[unseen] = least
                    surprise = np.broadcast_to(self.surprise[places], unseen.shape)[unseen]
                    known[unseen] = loss + LN_2 > surprise
                weights = None if weight is None else np.repeat(weight, len(places))
                dx = None if grad is None else np.empty_like(x)
                _category_loss(part, dx, weights, x, np.where(known, codes, 0), known, k)
                if grad is not None and dx is not None:
                    grad[:, run] = dx.reshape(len(grad), -1)
            part = part.reshape(codes.shape)  # type: ignore[assignment]
            nats[:, places] = np.where(unseen, np.maximum(part + LN_2, self.surprise[places]), part)
        for j, histogram, run in self.binned():
            part_grad = None if grad is None else grad[:, run]
            nats[:, j] = histogram.losses(part_grad, weight, output[:, run], target[:, j])
        return nats

    def categories(self) -> Iterator[tuple[int, np.ndarray, slice]]:
        """Yield K, the numbers of the columns with K levels, and the slice of their outputs."""
        parts = self.parts[1 : 1 + len(self.groups)]
        yield from zip(self.groups, self.groups.values(), parts, strict=True)

    def binned(self) -> Iterator[tuple[int, Histogram, slice]]:
        """Yield the number of each column with bins, its histogram, and its outputs' slice."""
        parts = self.parts[1 + len(self.groups) :]
        yield from zip(self.histograms, self.histograms.values(), parts, strict=True)

    def _normal(
        self,
        grad: np.ndarray | None,
        weight: np.ndarray | None,
        output: np.ndarray,
        target: np.ndarray,
        learns: bool,
    ) -> np.ndarray:
        """Return the loss of numeric cells (n, M); write the gradient."""
        assert self.scales is not None
        log_sigma, run = self.scales.log_sigmas, self.parts[0]
        precision, seen = np.exp(-2 * log_sigma), ~np.isnan(target)
        errors = np.where(seen, output[:, run] - target, np.float32(0))
        squares = errors * errors * precision
        if grad is not None and weight is not None:
            grad[:, run] = errors * precision * weight[:, None]
        if learns and weight is not None:
            slopes = (weight[:, None] * (seen - squares)).sum(0)
            free = self.scales.log_sigma.value >= MIN_LOG_SIGMA
            self.scales.log_sigma.grad += np.where(free | (slopes < 0), slopes, np.float32(0))
        return np.where(seen, squares / 2 + log_sigma + np.float32(HALF_LOG_2PI), np.float32(0))

    def per_feature(
        self,
        out: np.ndarray,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None = None,
    ) -> None:
        """Write the loss of each cell, (n, C)."""
        out[...] = self.cell_losses(None, None, output, target)

    def to_data(
        self,
        output: np.ndarray,
        out: np.ndarray | None = None,
        target: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return cells (n, C) for outputs (n, O): the likeliest, or the expected number of bins.

        Columns to ignore are NaN.
        """
        out = np.empty((len(output), len(self.levels)), np.float32) if out is None else out
        out[:, self.levels < 0] = np.nan
        out[:, self.numeric] = output[:, self.parts[0]]
        for k, places, run in self.categories():
            x = output[:, run].reshape(len(output), len(places), outputs(k))
            out[:, places] = 0 if k == 1 else x[:, :, 0] > 0 if k == 2 else x.argmax(2)
        for j, histogram, run in self.binned():
            out[:, j] = histogram.expected(output[:, run])
        return out

    def probabilities(self, output: np.ndarray, j: int) -> np.ndarray:
        """Return the probabilities of column j's levels or bins, float64 (n, K)."""
        if j in self.histograms:
            run = next(run for at, _, run in self.binned() if at == j)
            return self.histograms[j].probabilities(output[:, run])
        k, places, run = next(found for found in self.categories() if j in found[1])
        if k == 1:
            return np.ones((len(output), 1))
        x = output[:, run].reshape(len(output), len(places), -1)[:, places.tolist().index(j)]
        return softmax(np.concatenate([np.zeros_like(x), x], axis=1) if k == 2 else x)

    def deviations_from(self, output: np.ndarray, j: int, code: float) -> np.ndarray:
        """Return how far above its mean a code is for a column without bins, in deviations (n,)."""
        assert self.scales is not None
        at = self.numeric.tolist().index(j)
        sigma = np.exp(np.float64(self.scales.log_sigmas[at]))
        away: np.ndarray = (code - output[:, at].astype(np.float64)) / sigma
        return away

    def normal_at(self, output: np.ndarray, j: int, deviations: np.ndarray) -> np.ndarray:
        """Return the codes (n,) so many deviations above the mean of a column without bins."""
        assert self.scales is not None
        at = self.numeric.tolist().index(j)
        codes: np.ndarray = output[:, at] + np.exp(self.scales.log_sigmas[at]) * deviations
        return codes

    def averaged(self, output: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Return cells (n, C) by means over outputs (n, S, O) with shares (n, S).

        Of numbers it is the expected one, of levels the likeliest.
        """
        (n, s), flat = shares.shape, output.reshape(-1, output.shape[-1])
        out = np.full((n, len(self.levels)), np.nan, np.float32)
        out[:, self.numeric] = np.einsum("ns,nsm->nm", shares, output[..., self.parts[0]])
        for j in [*self.histograms, *np.flatnonzero(self.levels > 0).tolist()]:
            chances = self.probabilities(flat, j).reshape(n, s, -1)
            mean = np.einsum("ns,nsk->nk", shares, chances)
            known = self.histograms.get(j)
            out[:, j] = mean.argmax(1) if known is None else known.bins.expected(mean)
        return out

    def draw(self, output: np.ndarray, seed: int) -> np.ndarray:
        """Sample cells (n, C) from the distributions that outputs (n, O) describe."""
        n, ws, m = len(output), runtime.current(), len(self.numeric)
        out = np.full((n, len(self.levels)), np.nan, np.float32)
        if m:
            assert self.scales is not None
            noise = np.empty((n, m), np.float32)
            _core.random_normal(noise, seed, CELLS, 0, ws)
            out[:, self.numeric] = output[:, :m] + np.exp(self.scales.log_sigmas) * noise
        chance = np.empty((n, self.parts[len(self.groups)].stop - m), np.float32)
        _core.random_uniform(chance, derived_seed(seed, 1), CELLS, 0, ws)
        for k, places, run in self.categories():
            shape = (n, len(places), outputs(k))
            x, u = output[:, run].reshape(shape), chance[:, run.start - m : run.stop - m]
            u = np.maximum(u.reshape(shape), np.float32(1e-38))
            if k == 1:
                out[:, places] = 0
            elif k == 2:
                out[:, places] = (x > np.log(u) - np.log1p(-u))[:, :, 0]
            else:  # the Gumbel-max trick
                out[:, places] = (x - np.log(-np.log(u))).argmax(2)
        for i, (j, histogram, run) in enumerate(self.binned()):
            pair = np.empty((n, 2), np.float32)
            _core.random_uniform(pair, derived_seed(seed, 2 + i), CELLS, 0, ws)
            out[:, j] = histogram.draw(output[:, run], pair)
        return out

    def squared_error(self, term: Late, output: np.ndarray, batch: Batch) -> float:
        """Return the sum of squared errors of numbers and of the levels' probabilities."""
        if term.squares is not None and batch.weight is None:
            return term.squares
        grad, weight = np.empty_like(output), np.ones(len(output), np.float32)
        self.cell_losses(grad, weight, output, batch.target, learns=False)
        if batch.weight is not None:
            grad *= np.sqrt(batch.weight)[:, None]
        return self.squares_of(grad)

    @np.errstate(all="ignore")
    def squares_of(self, grad: np.ndarray, weight: float = 1.0) -> float:
        """Return the sum of squared errors from the gradient of the loss with equal weights."""
        errors = grad.copy()
        if self.scales is not None:
            errors[:, self.parts[0]] *= np.exp(2 * self.scales.log_sigmas)
        for _, histogram, run in self.binned():
            errors[:, run][:, len(histogram.bins) :] = 0  # not of bins
        return _core.sum_squares(errors, runtime.current()) / weight**2


class _CellLoss(Late):
    """The loss of rows (N,) for a decoder's outputs x (N, O).

    Attributes
    ----------
    nats : ndarray of float32, shape (N, C)
        The loss of each cell, after `measure`.
    """

    __slots__ = ("mixed", "nats", "target")

    def __init__(self, x: Value, target: np.ndarray, mixed: Mixed) -> None:
        self.target, self.mixed = target, mixed
        self.start(x, learns=mixed.scales is not None)

    def measure(
        self, loss: np.ndarray | None, dx: np.ndarray | None, weight: np.ndarray | None
    ) -> None:
        scales = self.mixed.scales
        learns = scales is not None and scales.log_sigma.learns
        self.nats = self.mixed.cell_losses(dx, weight, self.x.data, self.target, learns)
        if loss is not None:
            loss[:] = self.nats.sum(1, dtype=np.float64)
        if dx is not None and self.weight:
            self.squares = self.mixed.squares_of(dx, self.weight)


def outputs(k: int) -> int:
    """Return the number of outputs for a column of k levels: 0 for 1, 1 for 2, else k."""
    return {1: 0, 2: 1}.get(k, k)


def _least_likely(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least likely levels (n,) and their losses, from logits (n, K), or the second's."""
    if logits.shape[1] == 1:
        return logits[:, 0] < 0, np.logaddexp(0, np.abs(logits[:, 0]))
    top, least = logits.max(1), logits.argmin(1)
    return least, top - logits.min(1) + np.log(np.exp(logits - top[:, None]).sum(1))


def _category_loss(
    nats: np.ndarray,
    grad: np.ndarray | None,
    weight: np.ndarray | None,
    logits: np.ndarray,
    labels: np.ndarray,
    known: np.ndarray,
    k: int,
) -> None:
    """Write the nats (n,) of known labels of k levels, and the gradient of their logits."""
    ws, mask = runtime.current(), known.astype(np.float32).reshape(-1, 1)
    if k == 2:
        target = labels.astype(np.float32).reshape(-1, 1)
        _core.loss("bce_with_logits", nats, grad, weight, logits, target, mask, DELTA, ws)
        return
    shape = (len(nats), 1, k)
    dx = None if grad is None else grad.reshape(shape)
    numbers = labels.astype(np.int64).reshape(-1, 1)
    _core.cross_entropy(nats, dx, weight, logits.reshape(shape), numbers, mask, ws)
