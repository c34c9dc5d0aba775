r"""The loss of a column of numbers that has bins: a histogram, whose logits begin as a normal's.

Of the K + 2 outputs of such a column K are one for each bin; the others, a and b, shift all bins:

.. math:: l_k = h_k + a c_k + b (c_k^2 - 1) / 2

with :math:`c_k = \Phi^{-1}((k + 1/2) / K)`. So with h at rest the bins have a normal distribution
over their ranks, and where it is and how wide takes two numbers, which few rows can teach.

A number beyond those of fit has the loss of the bin at that end, and as a normal distribution has
it half the square of how many deviations of the column it is away, so that it is odd.
"""

from __future__ import annotations

import functools
from statistics import NormalDist

import numpy as np

from .. import _core
from ..base import runtime
from ..data.tables.bins import CodedBins


@functools.cache
def _shapes(k: int) -> np.ndarray:
    """Return what a and b are multiplied by for K bins, (2, K)."""
    ranks = [NormalDist().inv_cdf((i + 0.5) / k) for i in range(k)]
    shift = np.array(ranks, np.float32)
    shapes = np.stack([shift, (shift**2 - 1) / 2])
    shapes.flags.writeable = False
    return shapes


class Histogram:
    """The loss of the cells of one column, and what its outputs (n, O) stand for.

    Parameters
    ----------
    bins : CodedBins

    Attributes
    ----------
    outputs : int
        O: K + 2 for K bins; 0 for one, which is certain.
    """

    def __init__(self, bins: CodedBins) -> None:
        self.bins, k = bins, len(bins)
        self.outputs = k + 2 if k > 1 else 0
        self._shapes = _shapes(k)

    def _logits(self, output: np.ndarray) -> np.ndarray:
        """Return the logits of the bins (n, K)."""
        k = len(self.bins)
        logits: np.ndarray = output[:, k:] @ self._shapes
        logits += output[:, :k]
        return logits

    def losses(
        self,
        grad: np.ndarray | None,
        weight: np.ndarray | None,
        output: np.ndarray,
        codes: np.ndarray,
    ) -> np.ndarray:
        """Return the loss of each cell (n,); write the gradient of the outputs, if it is given."""
        n, k = len(codes), len(self.bins)
        nats = np.float32(0.5) * np.square(self.bins.beyond(codes))
        if k == 1:
            return nats
        found, there = self.bins.find(codes), ~np.isnan(codes)
        labels = np.where(there, found, 0).astype(np.int64).reshape(-1, 1)
        mask = there.astype(np.float32).reshape(-1, 1)
        x = self._logits(output).reshape(n, 1, k)
        dx = None if grad is None else np.empty_like(x)
        inner = np.empty(n, np.float32)
        _core.cross_entropy(inner, dx, weight, x, labels, mask, runtime.current())
        if grad is not None and dx is not None:
            grad[:, :k] = dx = dx[:, 0]
            grad[:, k:] = dx @ self._shapes.T
        nats += inner
        return nats

    def probabilities(self, output: np.ndarray) -> np.ndarray:
        """Return the probabilities of the bins, float64 (n, K)."""
        if not self.outputs:
            return np.ones((len(output), 1))
        return softmax(self._logits(output))

    def expected(self, output: np.ndarray) -> np.ndarray:
        """Return the codes of the expected numbers (n,)."""
        return self.bins.expected(self.probabilities(output))

    def draw(self, output: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """Return the codes of numbers (n,) drawn by chances 0..1, (n, 2): of a bin, and within."""
        at = pick(self.probabilities(output), chance[:, 0])
        return self.bins.drawn(at, chance[:, 1])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of logits (n, K), float64."""
    x = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    x /= x.sum(1, keepdims=True)
    return x


def pick(weights: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return for each row of weights (n, K) the place that a chance 0..1 falls on, (n,)."""
    below = np.cumsum(np.maximum(weights, 0), axis=1)
    at: np.ndarray = (chance[:, None] * below[:, -1:] >= below).sum(1)
    last = weights.shape[1] - 1 - (weights[:, ::-1] > 0).argmax(1)  # against rounding
    return np.minimum(at, last)
