"""Clusters of codes: their centers, which learn, and what is known of their members."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.checks import integer
from .module import Module
from .ops.clusters import ClusterDivergence, near, shared, sharpened
from .parameter import Parameter, reserve
from .tape import Value

BLOCK = 4096  # codes whose assignments are computed together


class Clusters(Module):
    r"""Centers of clusters, to which codes belong by Student's t: see `ClusterDivergence`.

    Parameters
    ----------
    n_clusters, dim : int
        K and D.

    Attributes
    ----------
    centers : Parameter, shape (K, D)
    scale : buffer, shape (1,)
        The unit of distances: the deviation of codes from their centers, for each number of a code,
        when the centers started.
    share : buffer, shape (K,)
        How much of all samples each cluster had, by soft assignments; 0 before the centers start.
    weight : buffer, shape (K,)
        How many members each has.
    mean : buffer, shape (K, D)
    covariance : buffer, shape (K, D, D)
        Of its members' codes.
    """

    def __init__(self, n_clusters: int, dim: int) -> None:
        shape = k, d = integer("n_clusters", n_clusters, 1), integer("dim", dim, 1)
        self.centers = Parameter(shape, std=1.0)
        reserve((k, d, d))
        self.add_buffer("scale", np.ones(1, np.float32))
        self.add_buffer("share", np.zeros(k, np.float32))
        self.add_buffer("weight", np.zeros(k, np.float32))
        self.add_buffer("mean", np.zeros(shape, np.float32))
        self.add_buffer("covariance", np.zeros((k, d, d), np.float32))

    @property
    def is_started(self) -> bool:
        """Whether the centers are where clusters have been found, or further."""
        return bool(self.buffer("share").any())

    @property
    def _scale(self) -> float:
        return float(self.buffer("scale")[0])

    def start(self, codes: np.ndarray, centers: np.ndarray) -> None:
        """Put the centers (K, D) where clusters have been found among codes (N, D)."""
        self.centers.value[...] = centers
        square = np.stack([((codes - center) ** 2).sum(1) for center in self.centers.value], 1)
        inertia = square.min(1).sum(dtype=np.float64)
        self.buffer("scale").fill(np.sqrt(inertia / codes.size) or 1.0)

    def assign(self, codes: np.ndarray) -> np.ndarray:
        """Return the soft assignments of codes (N, D) to the clusters, (N, K) of float32."""
        out = np.empty((len(codes), len(self.centers.value)), np.float32)
        for at in range(0, len(codes), BLOCK):
            rows = slice(at, at + BLOCK)
            out[rows] = shared(near(codes[rows], self.centers.value, self._scale))
        return out

    def sums(self, codes: np.ndarray, q: np.ndarray, weight: np.ndarray | None) -> list[np.ndarray]:
        """Return what `observe` learns from codes (N, D) and their assignments: sums over codes."""
        (n, d), k = codes.shape, q.shape[1]
        w = np.ones(n) if weight is None else weight.astype(np.float64)
        labels, squares = q.argmax(1), np.empty((k, d, d))
        z, totals = codes.astype(np.float64), np.empty((k, d))
        for cluster in range(k):
            own = labels == cluster
            totals[cluster] = np.einsum("n,nd->d", w[own], z[own])
            squares[cluster] = np.einsum("n,nd,ne->de", w[own], z[own], z[own])
        return [np.einsum("n,nk->k", w, q), np.bincount(labels, w, k), totals, squares]

    def observe(self, sums: list[np.ndarray]) -> None:
        """Note the clusters' shares and what their members' codes are like, from sums over all."""
        share, weight, totals, squares = sums
        self.buffer("share")[...] = share / share.sum()
        self.buffer("weight")[...] = weight
        mean = totals / np.maximum(weight, 1e-12)[:, None]
        self.buffer("mean")[...] = mean
        outer = np.einsum("kd,ke->kde", mean, mean)
        self.buffer("covariance")[...] = squares / np.maximum(weight, 1e-12)[:, None, None] - outer

    def target(self, codes: np.ndarray) -> np.ndarray:
        """Return the target P of codes (N, D), (N, K) of float64."""
        q = shared(near(codes, self.centers.value, self._scale))
        return sharpened(q, self.buffer("share"))

    def divergence(self, z: Value, target: np.ndarray | None = None) -> Value:
        """Return KL(P || Q) of codes, in nats, (N,); P is that of Q itself by default."""
        return ClusterDivergence(z, self.centers, self.buffer("share"), self._scale, target)

    def reset(self, seed: int, offset: int) -> int:
        for name, value in (("scale", 1), ("share", 0), ("weight", 0)):
            self.buffer(name).fill(value)
        return offset

    def torch_layout(self, walk: Any, name: str, shape: Any) -> int:
        walk.inside(self, name)
        return 1
