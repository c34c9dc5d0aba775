"""Soft assignments of codes to clusters, and how far they are from sharper ones.

Letters: N codes of D numbers, K clusters. All is computed in double, by einsum: the same sums for
any number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..parameter import value_of
from ..tape import Op, Value

SMALLEST = 1e-12  # share of a cluster, and assignment to it


def kernel(z: np.ndarray, centers: np.ndarray, scale: float) -> np.ndarray:
    r"""Return Student's t with one degree of freedom, :math:`(1 + d^2 / s^2)^{-1}`, (N, K)."""
    z, out = z.astype(np.float64), np.empty((len(z), len(centers)))
    for k, center in enumerate(centers.astype(np.float64)):
        gap = z - center
        out[:, k] = np.einsum("nd,nd->n", gap, gap)
    out /= scale**2
    out += 1
    return np.divide(1, out, out=out)


def assignments(z: np.ndarray, centers: np.ndarray, scale: float) -> np.ndarray:
    """Return the soft assignments Q of codes to clusters, (N, K) of float64."""
    found = kernel(z, centers, scale)
    found /= found.sum(1, keepdims=True)
    return found


def sharpened(q: np.ndarray, share: np.ndarray) -> np.ndarray:
    r"""Return the target P of soft assignments, :math:`p_k \propto q_k^2 / f_k`, (N, K)."""
    p = q * q / np.maximum(share, SMALLEST)
    p /= p.sum(1, keepdims=True)
    return p


class ClusterDivergence(Op):
    r"""KL(P || Q) of each code's soft assignment and its target, in nats: (N,).

    .. math:: q_k \propto (1 + \lVert z - c_k \rVert^2 / s^2)^{-1}, \quad
        p_k \propto q_k^2 / f_k

    P is a constant: no gradient goes back through it. That of codes and centers follows from
    :math:`2 (p_k - q_k) (z - c_k) / (s^2 + \lVert z - c_k \rVert^2)`. Xie et al., 2016.

    Parameters
    ----------
    z : Value, shape (N, D)
    centers : Value or Parameter, shape (K, D)
    share : ndarray, shape (K,)
        f, how much of all samples each cluster has.
    scale : float
        s, the unit of distances.
    clean : Value, shape (N, D), optional
        The codes that P is made of; z by default.
    """

    __slots__ = ("centers", "clean", "pull", "scale", "share", "z")

    def __init__(
        self, z: Value, centers: Any, share: np.ndarray, scale: float, clean: Value | None = None
    ) -> None:
        self.z, self.centers, self.clean = z, value_of(centers, z.tape), clean
        if len(z.shape) != 2 or z.shape[1:] != self.centers.shape[1:]:
            raise ValueError(
                f"ClusterDivergence: expected codes (N, {self.centers.shape[1]}), got the shape "
                f"{z.shape}"
            )
        if clean is not None and clean.shape != z.shape:
            raise ValueError(
                f"ClusterDivergence: clean: expected the shape {z.shape}, got {clean.shape}"
            )
        self.share, self.scale = share, scale
        z.uses += 1
        self.centers.uses += 1
        self.place(z.tape, z.shape[:1], z.needs_grad or self.centers.needs_grad)

    def forward(self) -> None:
        centers, scale = self.centers.data, self.scale
        near = kernel(self.z.data, centers, scale)
        q = near / near.sum(1, keepdims=True)
        p = sharpened(
            q if self.clean is None else assignments(self.clean.data, centers, scale), self.share
        )
        logs = np.log(np.maximum(p, SMALLEST)) - np.log(np.maximum(q, SMALLEST))
        self.pull = 2 / scale**2 * near * (p - q)
        self._data = self.tape.take(self.shape)
        np.einsum("nk,nk->n", p, logs, out=self._data, casting="same_kind")

    def backward(self) -> None:
        assert self.grad is not None
        tape, pull = self.tape, self.pull * self.grad[:, None]
        z, centers = (v.data.astype(np.float64) for v in (self.z, self.centers))
        dz, dcenters = tape.take(self.z.shape), tape.take(self.centers.shape)
        dz[...] = pull.sum(1)[:, None] * z - np.einsum("nk,kd->nd", pull, centers)
        dcenters[...] = pull.sum(0)[:, None] * centers - np.einsum("nk,nd->kd", pull, z)
        self.z.add_grad(dz)
        self.centers.add_grad(dcenters)

    def forget(self) -> None:
        self.z = self.centers = self.clean = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return self.z, self.centers
