"""Distances of all pairs of samples, to the digits that differences have."""

from __future__ import annotations

import numpy as np

from ..base.checks import Floats

NEAR = 1e-5  # of a squared distance to the squared lengths: below it digits are missing
BLOCK = 1 << 22  # numbers that are looked at again at a time


def squared_distances(A: Floats, B: Floats, centre: Floats | float = 0.0) -> Floats:
    """Return the squared distances of all pairs (N, M), each to about ten digits.

    The nearer the centre (D,) most samples are, the less time it takes.
    """
    X, Y = A - centre, B - centre
    lengths = np.einsum("nd,nd->n", X, X)[:, None] + np.einsum("nd,nd->n", Y, Y)
    squared = lengths - 2 * (X @ Y.T)
    # |x|² - 2xy + |y|² has few digits left where two points are near for where they lie.
    rows, columns = np.nonzero(squared < NEAR * lengths)
    size = max(1, BLOCK // A.shape[1])
    for start in range(0, len(rows), size):
        i, j = rows[start : start + size], columns[start : start + size]
        away = A[i] - B[j]
        squared[i, j] = np.einsum("nd,nd->n", away, away)
    return squared
