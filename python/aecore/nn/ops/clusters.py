"""Soft assignments of codes to clusters, and how far they are from sharper ones.

Letters: N codes of D numbers, K clusters. All is computed in double, by einsum: the same sums for
any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..parameter import value_of
from ..tape import Op, Value

DOUBLE = np.dtype(np.float64)
SMALLEST = 1e-12  # share of a cluster, and assignment to it


Take = Callable[[tuple[int, ...], Any], np.ndarray]


def double(x: np.ndarray, take: Take = np.empty) -> np.ndarray:
    """Return numbers in double, in memory that is taken."""
    out = take(x.shape, DOUBLE)
    np.copyto(out, x)
    return out


def near(z: np.ndarray, centers: np.ndarray, scale: float, take: Take = np.empty) -> np.ndarray:
    r"""Return Student's t with one degree of freedom, :math:`(1 + d^2 / s^2)^{-1}`, (N, K)."""
    out, gap = take((len(z), len(centers)), DOUBLE), take(z.shape, DOUBLE)
    z, centers = double(z, take), double(centers, take)
    for k, center in enumerate(centers):
        np.subtract(z, center, out=gap)
        np.einsum("nd,nd->n", gap, gap, out=out[:, k])
    out /= scale**2
    out += 1
    return np.divide(1, out, out=out)


def shared(values: np.ndarray, take: Take = np.empty) -> np.ndarray:
    """Divide numbers (N, K) by their sum over clusters, in place."""
    values /= np.einsum("nk->n", values, out=take(values.shape[:1], DOUBLE))[:, None]
    return values


def sharpened(q: np.ndarray, share: np.ndarray, take: Take = np.empty) -> np.ndarray:
    r"""Return the target P of soft assignments, :math:`p_k \propto q_k^2 / f_k`, (N, K)."""
    p = np.multiply(q, q, out=take(q.shape, DOUBLE))
    p /= np.maximum(double(share, take), SMALLEST)
    return shared(p, take)


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
    target : ndarray, shape (N, K), optional
        P, where it isn't made of Q.
    """

    __slots__ = ("centers", "pull", "scale", "share", "target", "z")

    def __init__(
        self,
        z: Value,
        centers: Any,
        share: np.ndarray,
        scale: float,
        target: np.ndarray | None = None,
    ) -> None:
        self.z, self.centers, self.target = z, value_of(centers, z.tape), target
        if len(z.shape) != 2 or z.shape[1:] != self.centers.shape[1:]:
            raise ValueError(
                f"ClusterDivergence: expected codes (N, {self.centers.shape[1]}), got the shape "
                f"{z.shape}"
            )
        shape = z.shape[0], self.centers.shape[0]
        if target is not None and target.shape != shape:
            raise ValueError(
                f"ClusterDivergence: target: expected the shape {shape}, got {target.shape}"
            )
        self.share, self.scale = share, scale
        z.uses += 1
        self.centers.uses += 1
        self.place(z.tape, z.shape[:1], z.needs_grad or self.centers.needs_grad)

    def forward(self) -> None:
        take, centers, scale = self.tape.take, self.centers.data, self.scale
        t = near(self.z.data, centers, scale, take)
        q = shared(double(t, take), take)
        p = self.target
        p = sharpened(q, self.share, take) if p is None else double(p, take)
        self.pull = np.subtract(p, q, out=take(t.shape, DOUBLE))
        self.pull *= t
        self.pull *= 2 / scale**2
        logs = np.divide(p, np.maximum(q, SMALLEST, out=q), out=q)
        np.log(np.maximum(logs, SMALLEST, out=logs), out=logs)
        self._data = take(self.shape)
        np.copyto(
            self._data, np.einsum("nk,nk->n", p, logs, out=take(self.shape, DOUBLE)), "same_kind"
        )

    def backward(self) -> None:
        assert self.grad is not None
        take, pull = self.tape.take, self.pull
        z, centers, grad = (double(x, take) for x in (self.z.data, self.centers.data, self.grad))
        pull = np.multiply(pull, grad[:, None], out=take(pull.shape, DOUBLE))
        dz, dcenters = take(z.shape, DOUBLE), take(centers.shape, DOUBLE)
        away = np.einsum("nk,nd->nd", pull, z, out=take(z.shape, DOUBLE))
        np.subtract(away, np.einsum("nk,kd->nd", pull, centers, out=dz), out=dz)
        away = np.einsum("nk,kd->kd", pull, centers, out=take(centers.shape, DOUBLE))
        np.subtract(away, np.einsum("nk,nd->kd", pull, z, out=dcenters), out=dcenters)
        for x, slope in ((self.z, dz), (self.centers, dcenters)):
            found = take(x.shape)
            np.copyto(found, slope, "same_kind")
            x.add_grad(found)

    def forget(self) -> None:
        self.z = self.centers = self.target = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return self.z, self.centers
