"""The density of a mixture of normal distributions, of codes and on average over posteriors.

Letters: N codes of D numbers, K components. All is computed in float64. Products use einsum instead
of @, since the sums of a BLAS may depend on its number of threads.
"""

from __future__ import annotations

import numpy as np

from ..tape import Op, Value
from .latent import LOG_2PI

Array = np.ndarray


class MixtureDensity(Op):
    r"""ln p(z) of codes under a mixture of normal distributions: (N,).

    .. math:: \ln \sum_k \exp(\ell_k), \quad \ell_k = \ln w_k + \ln N(z | \mu_k, \Sigma_k),
        \quad \Sigma_k^{-1} = (I + S_k)^T \mathrm{diag}(e^{-v_k}) (I + S_k)

    with :math:`w` the softmax of the logits and :math:`S_k` strictly lower triangular, or 0. With
    posteriors :math:`N(z, \mathrm{diag}(\sigma^2))` in place of codes :math:`\ell_k` is the mean of
    this over their draws, which is less by half the trace of :math:`\Sigma_k^{-1}` times their
    covariance. The sum is then a lower bound of the mean of ln p, exact for one component (J.
    Hershey and P. Olsen, ICASSP 2007): that of Jiang et al., IJCAI 2017, at its best q(k | x).

    Parameters
    ----------
    z : Value, shape (N, D)
    logits : Value, shape (K,)
    means, logvars : Value, shape (K, D)
        :math:`\mu` and :math:`v`.
    skew : Value, shape (K, D, D), optional
        :math:`S`; what stands on and above the diagonal is no part of it.
    logvar : Value, shape (N, D), optional
        :math:`\ln \sigma^2`.

    Attributes
    ----------
    found : (ndarray, ndarray)
        The components' shares of the sum (N, K), and their weights (K,).
    """

    found: tuple[Array, Array]

    __slots__ = ("found", "logits", "logvar", "logvars", "means", "skew", "z")

    def __init__(
        self,
        z: Value,
        logits: Value,
        means: Value,
        logvars: Value,
        skew: Value | None = None,
        logvar: Value | None = None,
    ) -> None:
        if means.shape != logvars.shape or means.shape[1:] != z.shape[1:]:
            raise ValueError(
                f"MixtureDensity: expected means and logvars of shape (K, {z.shape[1]}), got "
                f"{means.shape} and {logvars.shape}"
            )
        self.z, self.logits, self.means, self.logvars = z, logits, means, logvars
        self.skew, self.logvar = skew, logvar
        for x in self.inputs():
            x.uses += 1
        self.place(z.tape, z.shape[:1], any(x.needs_grad for x in self.inputs()))

    def inputs(self) -> tuple[Value, ...]:
        given = self.z, self.logits, self.means, self.logvars, self.skew, self.logvar
        return tuple(x for x in given if x is not None)

    # ---- the way there --------------------------------------------------------------------------

    def forward(self) -> None:
        z = self.z.data.astype(np.float64)
        logits = self.logits.data.astype(np.float64)
        shares = logits - log_sum(logits[None])[0]
        joint = self._quadratic(z)
        joint += self.logvars.data.sum(1, dtype=np.float64) + z.shape[1] * LOG_2PI
        joint /= -2
        joint += shares
        total = log_sum(joint)
        self.found = np.exp(joint - total[:, None]), np.exp(shares)
        self._data = self.tape.take(self.shape)
        self._data[...] = total

    def _quadratic(self, z: Array) -> Array:
        """Return what stands in the exponents, times -2: (N, K)."""
        means, inverse = self.means.data.astype(np.float64), self._inverse()
        spread = self._spread()
        if self.skew is None:
            square = z * z if spread is None else z * z + spread
            out = np.einsum("nd,kd->nk", square, inverse)
            out -= 2 * np.einsum("nd,kd->nk", z, means * inverse)
            out += np.einsum("kd,kd,kd->k", means, means, inverse)
            return out
        out = np.empty((len(z), len(means)))
        for k, mean in enumerate(means):
            lean = lower(self.skew.data[k])
            turned = z - mean
            turned += np.einsum("nd,ed->ne", turned, lean)
            out[:, k] = np.einsum("nd,nd,d->n", turned, turned, inverse[k])
            if spread is not None:
                precision = _precision(lean, inverse[k])
                out[:, k] += np.einsum("nd,d->n", spread, precision)
        return out

    def _inverse(self) -> Array:
        return np.exp(-self.logvars.data.astype(np.float64))

    def _spread(self) -> Array | None:
        """Return the posteriors' variances."""
        return None if self.logvar is None else np.exp(self.logvar.data.astype(np.float64))

    # ---- and back -------------------------------------------------------------------------------

    def backward(self) -> None:
        assert self.grad is not None
        responsibilities, shares = self.found
        weight = responsibilities * self.grad[:, None].astype(np.float64)
        totals = weight.sum(0)
        self._give(self.logits, totals - shares * totals.sum())
        (self._back_diagonal if self.skew is None else self._back_full)(weight, totals)

    def _back_diagonal(self, weight: Array, totals: Array) -> None:
        z, means = self.z.data.astype(np.float64), self.means.data.astype(np.float64)
        inverse, spread = self._inverse(), self._spread()
        precision = np.einsum("nk,kd->nd", weight, inverse)
        if self.z.needs_grad:
            self._give(self.z, np.einsum("nk,kd->nd", weight, means * inverse) - z * precision)
        if spread is not None:
            self._give(self.logvar, precision * spread / -2)
        if not (self.means.needs_grad or self.logvars.needs_grad):
            return
        first = np.einsum("nk,nd->kd", weight, z)
        square = z * z if spread is None else z * z + spread
        second = np.einsum("nk,nd->kd", weight, square)
        second += means * (means * totals[:, None] - 2 * first)
        self._give(self.means, inverse * (first - means * totals[:, None]))
        self._give(self.logvars, (inverse * second - totals[:, None]) / 2)

    def _back_full(self, weight: Array, totals: Array) -> None:
        assert self.skew is not None
        z, means = self.z.data.astype(np.float64), self.means.data.astype(np.float64)
        inverse, spread = self._inverse(), self._spread()
        dz, dspread = np.zeros_like(z), np.zeros_like(z)
        dmeans, dlogvars = np.empty_like(means), np.empty_like(means)
        dskew = np.zeros(self.skew.shape)
        for k, mean in enumerate(means):
            lean, gap = lower(self.skew.data[k]), z - mean
            turned = gap + np.einsum("nd,ed->ne", gap, lean)
            dturned = turned * (inverse[k] * -weight[:, k, None])
            dlogvars[k] = (np.einsum("nd,nd->d", dturned, turned) + totals[k]) / -2
            dskew[k] = np.einsum("ne,nd->ed", dturned, gap)
            if spread is not None:
                dspread -= np.outer(weight[:, k], _precision(lean, inverse[k])) / 2
                along = np.einsum("n,nd->d", weight[:, k], spread)
                whole = lean + np.eye(len(mean))
                dskew[k] -= inverse[k][:, None] * along * whole
                dlogvars[k] += inverse[k] * np.einsum("ed,ed,d->e", whole, whole, along) / 2
            dgap = dturned + np.einsum("ne,ed->nd", dturned, lean)
            dz += dgap
            dmeans[k] = -dgap.sum(0)
        self._give(self.z, dz)
        self._give(self.means, dmeans)
        self._give(self.logvars, dlogvars)
        self._give(self.skew, np.tril(dskew, -1))
        if spread is not None:
            self._give(self.logvar, dspread * spread)

    def _give(self, x: Value | None, grad: Array) -> None:
        if x is not None and x.needs_grad:
            out = self.tape.take(x.shape)
            out[...] = grad
            x.add_grad(out)


def log_sum(rows: Array) -> Array:
    """Return the logarithm of the sum of exponentials along the last axis of (N, K)."""
    top = rows.max(1)
    found: Array = top + np.log(np.exp(rows - top[:, None]).sum(1))
    return found


def lower(matrix: Array) -> Array:
    """Return the part below the diagonal, in float64."""
    return np.tril(matrix, -1).astype(np.float64)


def _precision(lean: Array, inverse: Array) -> Array:
    """Return the diagonal of a component's inverse covariance."""
    whole = lean + np.eye(len(lean))
    return np.einsum("ed,ed,e->d", whole, whole, inverse)
