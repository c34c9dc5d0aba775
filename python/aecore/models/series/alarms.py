r"""The threshold of scores that depend on each other, as those of neighbouring steps do.

Errors of windows that overlap rise and fall together: a thousand of them say as much as a few
dozen. So their logarithms are cut into blocks, two windows long, whose maxima follow a Gumbel
distribution about (extreme value theory; E. Gumbel, "Statistics of Extremes", 1958):

.. math:: P(M \le x) = \exp(-\exp(-(x - \mu) / \beta))

with :math:`\beta = \sqrt{6} s / \pi` and :math:`\mu = \bar M - 0.5772 \beta` of the mean and the
deviation of the maxima. The threshold is what the largest of as many blocks as there were in
training exceeds with a probability of 5 %.
"""

from __future__ import annotations

import math

import numpy as np

RISK = 0.05  # of a false alarm in as many steps as in training
LEAST_BLOCKS = 16
EULER = 0.5772156649015329
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
    beta = math.sqrt(6) / math.pi * float(maxima.std(ddof=1)) if blocks > 1 else 0.0
    mu = float(maxima.mean()) - EULER * beta
    many = max(1.0, blocks * total / len(logs))
    found = mu - beta * math.log(-math.log1p(-RISK) / many)
    return math.exp(max(found, float(np.median(logs))))
