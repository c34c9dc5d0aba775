r"""The threshold of scores that depend on each other, as those of neighbouring steps do.

Errors of windows that overlap rise and fall together: a thousand of them say as much as a few
dozen. So their logarithms are cut into blocks, two windows long, whose maxima follow a Gumbel
distribution about (extreme value theory; E. Gumbel, "Statistics of Extremes", 1958):

.. math:: P(M \le x) = \exp(-\exp(-(x - \mu) / \beta))

Of the maxima in order, the :math:`i`-th of :math:`n` is about where
:math:`P = (i - 0.44) / (n + 0.12)` (I. Gringorten, "A Plotting Rule for Extreme Probability Paper",
Journal of Geophysical Research 68, 1963), so that they lie on a line over
:math:`-\log(-\log P)`, of slope :math:`\beta` and height :math:`\mu`. The line is that of least
squares through the lower half, but for the lowest tenth, which may be those of stretches where
nothing happens: the largest maxima may be those of odd stretches among the training
steps, and only how many there are moves the places of the others, a little.

The threshold is what the largest of as many blocks as there were in training exceeds with a
probability of 5 %. It is at least the largest of the maxima but for a tenth of them, and three: as
many are touched by one short fault. What comes back more often, such as the hour of each day that
models rebuild badly, is none. And it is at most twice the largest error there: of a few blocks the
line says little.
"""

from __future__ import annotations

import math

import numpy as np

RISK = 0.05  # of a false alarm in as many steps as in training
LEAST_BLOCKS = 16
ODD, LEAST_ODD = 0.1, 3  # share and number of the blocks that may be odd
TRUSTED = 0.5  # share of the maxima, the lowest ones, that odd stretches hardly touch
MOST = 2.0  # times the largest error that there was
QUIET = 0.1  # share of the maxima, the lowest ones, that stretches without a change may have
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
    mu, beta = fit_gumbel(maxima)
    many = max(1.0, blocks * total / len(logs))
    found = mu - beta * math.log(-math.log1p(-RISK) / many)
    odd = min(max(LEAST_ODD, math.ceil(ODD * blocks)), blocks - 1)
    found = max(found, float(np.sort(maxima)[-1 - odd]), float(np.median(logs)))
    return math.exp(min(found, float(logs.max()) + math.log(MOST)))


def fit_gumbel(maxima: np.ndarray) -> tuple[float, float]:
    """Return the location and the scale of maxima (n,), of which the largest may be odd."""
    n = len(maxima)
    first, end = int(QUIET * n), max(1, math.ceil(TRUSTED * n))
    kept = np.sort(maxima)[first:end]
    places = -np.log(-np.log((np.arange(first + 1, end + 1) - 0.44) / (n + 0.12)))
    apart = places - places.mean()
    squares = float(apart @ apart)
    beta = float(apart @ kept) / squares if squares else 0.0
    return float(kept.mean() - beta * places.mean()), beta
