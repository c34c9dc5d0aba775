"""k-means with several starts."""

from __future__ import annotations

import math

import numpy as np

from ...base.streams import derived_seed
from .codebook import kmeans

FAR = 1e3  # deviations from 0, beyond which float32 begins to lose what tells points apart
SIZES = 1e-10, 1e10  # of deviations, whose squares float32 has


def as_rows(points: np.ndarray) -> np.ndarray:
    """Return points (N, D) for k-means: as float32, about their mean if they are far from 0.

    They are in units of their deviation then, too, as they are if they are very small or large.
    """
    points = np.asarray(points, np.float64)
    center, spread = points.mean(0), float(np.sqrt(points.var(0).mean())) or 1.0
    if np.abs(center).max() > FAR * spread or not SIZES[0] < spread < SIZES[1]:
        points = (points - center) / spread
    return np.ascontiguousarray(points, np.float32)


def best_kmeans(
    rows: np.ndarray, k: int, seed: int, starts: int, iterations: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Cluster rows by the best of several starts of k-means.

    A single one may end with two centers in one cluster.

    Parameters
    ----------
    rows : ndarray of float32, shape (N, D)
    k, seed, starts : int
    iterations : int
        At most, of Lloyd's algorithm in each.

    Returns
    -------
    centers : ndarray of float32, shape (k, D)
    labels : ndarray of int64, shape (N,)
    inertia : float
        The sum of squared distances to the nearest center, which is the least of all starts.
    """
    centers, best, least = np.empty((k, rows.shape[1]), np.float32), None, math.inf
    for start in range(starts):
        kmeans(centers, rows, derived_seed(seed, start), iterations)
        square = np.stack([((rows - center) ** 2).sum(1) for center in centers], 1)
        total = float(square.min(1).sum(dtype=np.float64))
        if best is None or total < least:
            best, least = (centers.copy(), square.argmin(1)), total
    assert best is not None
    return *best, least
