r"""The threshold of scores that depend on each other, as those of neighbouring steps do.

Errors of windows that overlap rise and fall together: a thousand of them say as much as a few
dozen. So their logarithms are cut into blocks, two windows long, whose maxima follow a Gumbel
distribution about (extreme value theory; E. Gumbel, "Statistics of Extremes", 1958):

.. math:: P(M \le x) = \exp(-\exp(-(x - \mu) / \beta))

with :math:`\beta` and :math:`\mu` from the quartiles of the maxima, which a few odd stretches among
the training steps hardly move. The threshold is what the largest of as many blocks as there were
in training exceeds with a probability of 5 %, but at most twice the largest error there: of a few
blocks the quartiles say little.
"""

from __future__ import annotations

import math

import numpy as np

RISK = 0.05  # of a false alarm in as many steps as in training
LEAST_BLOCKS = 16
MOST = 2.0  # times the largest error that there was
TINY = 1e-12


def gumbel_threshold(errors: np.ndarray, window: float, total: float) -> float:
    """Return the threshold of relative errors.

    Parameters
    ----------
    errors : ndarray, shape (n,)
        Of windows in order, all or some of equal distance.
    window : float
        How many of them overlap.
    total : float
        How many there were in training, where these are some of them.
    """
    logs = np.log(np.maximum(errors, TINY))
    size = int(max(1, min(2 * window, len(logs) // LEAST_BLOCKS)))
    blocks = max(1, len(logs) // size)
    maxima = logs[: blocks * size].reshape(blocks, size).max(1)
    low, middle, high = (float(q) for q in np.percentile(maxima, (25, 50, 75)))
    beta = (high - low) / (_quantile(0.75) - _quantile(0.25))
    mu = middle - beta * _quantile(0.5)
    many = max(1.0, blocks * total / len(logs))
    found = mu - beta * math.log(-math.log1p(-RISK) / many)
    return math.exp(min(max(found, float(np.median(logs))), float(logs.max()) + math.log(MOST)))


def _quantile(p: float) -> float:
    """Return a quantile of the Gumbel distribution with mu 0 and beta 1."""
    return -math.log(-math.log(p))
