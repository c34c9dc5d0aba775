"""Normal posteriors over codes: means, log-variances, draws, and how far they are from N(0, I)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import _core
from ...base.sums import sum_of
from ..tape import Op, Value

NOTHING = np.empty(0, np.float32)


class SplitLatent(Op):
    """The halves of an encoder's output (N, 2 D): means, and log-variances within soft bounds.

    What it gives are two other values: ``mu`` and ``logvar``, (N, D).
    """

    __slots__ = ("h", "logvar", "mu")

    is_noted = True

    def __init__(self, h: Value) -> None:
        self.h, shape = h, (h.shape[0], h.shape[-1] // 2)
        h.uses += 1
        self.mu, self.logvar = (Value(h.tape, None, shape, h.needs_grad) for _ in range(2))
        self.place(h.tape, shape, h.needs_grad)
        self.grad = NOTHING  # there is always something to walk back for

    def forward(self) -> None:
        mean, logvar = self.tape.take(self.shape), self.tape.take(self.shape)
        self.tape.call(_core.split_latent, mean, logvar, self.h.data, self.tape.workspace)
        self.mu._data, self.logvar._data, self._data = mean, logvar, NOTHING

    def backward(self) -> None:
        if self.mu.grad is None and self.logvar.grad is None:
            return
        tape, h = self.tape, self.h
        dh = tape.take(h.shape)
        dmu, dlogvar = self._taken(self.mu), self._taken(self.logvar)
        _core.split_latent_backward(dh, dmu, dlogvar, h.data, tape.workspace)
        h.add_grad(dh)

    def _taken(self, half: Value) -> np.ndarray:
        """Return the gradient of a half, which may be 0, and forget it."""
        grad, half.grad = half.grad, None
        if grad is None:
            grad = self.tape.take(self.shape)
            grad.fill(0)
        return grad

    def forget(self) -> None:
        self.h = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.h,)

    def onnx(self, graph: Any) -> str:
        h, d = graph.of(self.h), self.shape[1]
        mean: str = graph.columns(h, 0, d)
        graph.call(self.mu, mean)  # nothing that is exported looks at log-variances
        return mean


class Reparameterize(Op):
    """A draw of each posterior, mean + exp(logvar / 2) eps: (N, D)."""

    __slots__ = ("eps", "logvar", "mu")

    def __init__(self, mean: Value, logvar: Value, eps: np.ndarray) -> None:
        self.mu, self.logvar, self.eps = mean, logvar, eps
        mean.uses += 1
        logvar.uses += 1
        self.place(mean.tape, mean.shape, mean.needs_grad or logvar.needs_grad)

    def forward(self) -> None:
        z = self.tape.take(self.shape)
        given = self.mu.data, self.logvar.data, self.eps
        _core.reparameterize(z, *given, self.tape.workspace)
        self._data = z

    def backward(self) -> None:
        dmean, dlogvar = self.tape.take(self.shape), self.tape.take(self.shape)
        assert self.grad is not None
        given = self.grad, self.logvar.data, self.eps
        _core.reparameterize_backward(dmean, dlogvar, None, *given, self.tape.workspace)
        self.mu.add_grad(dmean)
        self.logvar.add_grad(dlogvar)

    def forget(self) -> None:
        self.mu = self.logvar = self.eps = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return self.mu, self.logvar


class GaussianKL(Op):
    """KL(N(mean, exp(logvar)) || N(0, I)) of each posterior, in nats: (N,)."""

    __slots__ = ("logvar", "mu")

    def __init__(self, mean: Value, logvar: Value) -> None:
        self.mu, self.logvar = mean, logvar
        mean.uses += 1
        logvar.uses += 1
        self.place(mean.tape, mean.shape[:1], mean.needs_grad or logvar.needs_grad)

    def forward(self) -> None:
        kl = self.tape.take(self.shape)
        _core.gaussian_kl(kl, self.mu.data, self.logvar.data, self.tape.workspace)
        self._data = kl

    def backward(self) -> None:
        assert self.grad is not None
        shape = self.mu.shape
        dmean, dlogvar = self.tape.take(shape), self.tape.take(shape)
        given = self.grad, self.mu.data, self.logvar.data
        _core.gaussian_kl_backward(dmean, dlogvar, *given, self.tape.workspace)
        self.mu.add_grad(dmean)
        self.logvar.add_grad(dlogvar)

    def forget(self) -> None:
        self.mu = self.logvar = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return self.mu, self.logvar


class FreeBitsKL(GaussianKL):
    """The KL of dimensions that cost more than some nats on average over the batch: (N,), equal.

    A dimension counts as the larger of its mean KL and the free nats; so its gradient is all or
    nothing. Kingma et al., 2016.

    Attributes
    ----------
    per_dimension : ndarray of float64, shape (D,)
        The mean KL.
    """

    __slots__ = ("free", "per_dimension")

    def __init__(self, mean: Value, logvar: Value, free: float) -> None:
        self.free = free
        super().__init__(mean, logvar)

    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Return means and log-variances with one number a row."""
        return self.mu.data.reshape(-1, 1), self.logvar.data.reshape(-1, 1)

    def forward(self) -> None:
        n, d = self.mu.shape
        kl = self.tape.take((n * d,))
        _core.gaussian_kl(kl, *self._columns(), self.tape.workspace)
        self.per_dimension = kl.reshape(n, d).mean(0, dtype=np.float64)
        self._data = self.tape.take(self.shape)
        self._data.fill(np.maximum(self.per_dimension, self.free).sum())

    def backward(self) -> None:
        assert self.grad is not None
        (n, d), tape = self.mu.shape, self.tape
        share = sum_of(self.grad) / max(1, n)
        weight = tape.take((n * d,))
        weight.reshape(n, d)[...] = np.where(self.per_dimension > self.free, share, 0)
        dmean, dlogvar = tape.take((n, d)), tape.take((n, d))
        out = dmean.reshape(-1, 1), dlogvar.reshape(-1, 1)
        _core.gaussian_kl_backward(*out, weight, *self._columns(), tape.workspace)
        self.mu.add_grad(dmean)
        self.logvar.add_grad(dlogvar)


class MatchKL(Op):
    """KL(N(m, exp(v)) || N(mean, exp(logvar))) from fixed posteriors m, v (N, D), in nats: (N,).

    What is learned are mean and logvar, which come to cover the others.
    """

    __slots__ = ("fixed", "logvar", "mu")

    def __init__(
        self, mean: Value, logvar: Value, fixed_mean: np.ndarray, fixed_logvar: np.ndarray
    ) -> None:
        self.mu, self.logvar, self.fixed = mean, logvar, (fixed_mean, fixed_logvar)
        mean.uses += 1
        logvar.uses += 1
        self.place(mean.tape, mean.shape[:1], mean.needs_grad or logvar.needs_grad)

    def _parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how far means are apart, the variances, and what the fixed have of theirs."""
        mean, logvar = self.fixed
        away, variance = self.mu.data - mean, np.exp(self.logvar.data)
        return away, variance, (np.exp(logvar) + away * away) / variance

    @np.errstate(all="ignore")  # the loop checks that the loss is finite
    def forward(self) -> None:
        share = self._parts()[2]
        nats = (self.logvar.data - self.fixed[1] + share - 1) / 2
        self._data = self.tape.take(self.shape)
        self._data[:] = nats.sum(1, dtype=np.float64)

    @np.errstate(all="ignore")
    def backward(self) -> None:
        assert self.grad is not None
        away, variance, share = self._parts()
        dmean, dlogvar = (self.tape.take(self.mu.shape) for _ in range(2))
        dmean[...] = self.grad[:, None] * away / variance
        dlogvar[...] = self.grad[:, None] * (1 - share) / 2
        self.mu.add_grad(dmean)
        self.logvar.add_grad(dlogvar)

    def forget(self) -> None:
        self.mu = self.logvar = self.fixed = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return self.mu, self.logvar


def log_ratio(z: np.ndarray, eps: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """Return ln p(z) - ln q(z | x) of draws and their noise, in which ln 2 pi cancels."""
    return (eps**2 + logvar - z**2).sum(1, dtype=np.float64) / 2


def log_mean(log_weights: np.ndarray, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the logarithm of the mean of each sample's weights (N,), and their shares (N S,)."""
    grid = log_weights.reshape(-1, draws)
    top = grid.max(1, keepdims=True)
    weights = np.exp(grid - top)
    total = weights.sum(1, keepdims=True)
    return (top + np.log(total))[:, 0] - math.log(draws), (weights / total).reshape(-1)


class ImportanceBound(Op):
    r"""The importance-weighted bound on -ln p(x) from S draws a sample, one behind another: (N,).

    .. math:: -\ln \frac{1}{S} \sum_s w_s, \quad \ln w_s = \beta (\ln p(z_s) - \ln q(z_s | x)) - r_s

    with r the reconstruction losses. Its gradient is that of the single :math:`-\ln w_s`, each
    counted as its share of the sum. Burda, Grosse and Salakhutdinov, 2016.

    Parameters
    ----------
    recon : Value, shape (N S,)
    z, logvar : Value, shape (N S, D)
    eps : ndarray, shape (N S, D)
    draws : int
        S.
    beta : float

    Attributes
    ----------
    ratio : ndarray of float64, shape (N S,)
        ln p(z) - ln q(z | x).
    """

    __slots__ = ("beta", "draws", "eps", "logvar", "ratio", "recon", "share", "z")

    def __init__(
        self, recon: Value, z: Value, logvar: Value, eps: np.ndarray, draws: int, beta: float
    ) -> None:
        if recon.shape != z.shape[:1] or z.shape[0] % draws:
            raise ValueError(
                f"ImportanceBound: expected losses of {draws} draws for each sample, got the "
                f"shapes {recon.shape} and {z.shape}"
            )
        self.recon, self.z, self.logvar, self.eps = recon, z, logvar, eps
        self.draws, self.beta = draws, beta
        for x in (recon, z, logvar):
            x.uses += 1
        needs = any(x.needs_grad for x in (recon, z, logvar))
        self.place(z.tape, (z.shape[0] // draws,), needs)

    def forward(self) -> None:
        self.ratio = log_ratio(self.z.data, self.eps, self.logvar.data)
        found, self.share = self.log_mean(self.beta)
        self._data = np.negative(found)  # of float64, in which weights add up

    def log_mean(self, beta: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the logarithm of the mean of each sample's weights (N,), and their shares."""
        return log_mean(beta * self.ratio - self.recon.data, self.draws)

    def backward(self) -> None:
        assert self.grad is not None
        tape, shape = self.tape, self.z.shape
        weight = tape.take(self.recon.shape)
        weight[...] = self.share * np.repeat(self.grad, self.draws)
        dz, dlogvar = tape.take(shape), tape.take(shape)
        scaled = np.float32(self.beta) * weight[:, None]
        np.multiply(self.z.data, scaled, out=dz)
        dlogvar[...] = scaled * np.float32(-0.5)
        self.z.add_grad(dz)
        self.logvar.add_grad(dlogvar)
        self.recon.add_grad(weight)

    def inputs(self) -> tuple[Value, ...]:
        return self.recon, self.z, self.logvar
