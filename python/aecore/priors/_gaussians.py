"""Mixtures of normal distributions in float64: densities and expectation maximisation.

Letters: N codes of D numbers, K components. Products use einsum instead of @, since the sums of a
BLAS may depend on its number of threads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..nn.quantize.kmeans import as_rows, best_kmeans

KMEANS_STARTS = 8


class Gaussians(NamedTuple):
    """A mixture of normal distributions.

    Attributes
    ----------
    weights : ndarray, shape (K,)
    means : ndarray, shape (K, D)
    factors : ndarray, shape (K, D) or (K, D, D)
        Deviations, or the lower Cholesky factors of the covariances.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray


def log_joint(mixture: Gaussians, Z: np.ndarray) -> np.ndarray:
    """Return ln(w_k N(z_n | k)), shape (N, K)."""
    weights, means, factors = mixture
    d, out = means.shape[1], np.empty((len(Z), len(weights)))
    full = factors.ndim == 3
    inverse = triangular_inverse(factors) if full else 1 / factors
    diagonal = np.einsum("kdd->kd", factors) if full else factors
    with np.errstate(divide="ignore"):  # a weight of 0
        constants = np.log(weights) - np.log(diagonal).sum(1) - d / 2 * math.log(2 * math.pi)
    for k, mean in enumerate(means):
        gap = Z - mean
        scaled = np.einsum("nd,ed->ne", gap, inverse[k]) if full else gap * inverse[k]
        out[:, k] = constants[k] - np.einsum("nd,nd->n", scaled, scaled) / 2
    return out


def log_density(joint: np.ndarray) -> np.ndarray:
    """Return the log-density (N,): logsumexp over components."""
    top = joint.max(1)
    return top + np.log(np.exp(joint - top[:, None]).sum(1))


def fit_mixture(
    Z: np.ndarray,
    k: int,
    full: bool,
    regularization: float,
    most: int,
    tol: float,
    seed: int,
    starts: int = KMEANS_STARTS,
) -> tuple[Gaussians, int, bool]:
    """Fit k components to codes by expectation maximisation, which starts from k-means.

    That is the best of some starts.

    Returns
    -------
    mixture : Gaussians
    iterations : int
        At most `most`.
    converged : bool
        Whether the mean log-density rose by less than `tol` in the last one.
    """
    responsibilities = np.zeros((len(Z), k))
    _, labels, _ = best_kmeans(as_rows(Z), k, seed, starts, 20)
    responsibilities[np.arange(len(Z)), labels] = 1
    mixture = _m_step(Z, responsibilities, full, regularization * _unit(Z))
    return go_on(Z, mixture, regularization, most, tol)


def go_on(
    Z: np.ndarray, mixture: Gaussians, regularization: float, most: int, tol: float
) -> tuple[Gaussians, int, bool]:
    """Fit a mixture to codes from where it is; return what `fit_mixture` does."""
    before, regularization = -math.inf, regularization * _unit(Z)
    full = mixture.factors.ndim == 3
    for iteration in range(1, most + 1):
        joint = log_joint(mixture, Z)
        density = log_density(joint)
        mixture = _m_step(Z, np.exp(joint - density[:, None]), full, regularization)
        now = float(density.mean())
        if abs(now - before) < tol:
            return mixture, iteration, True
        before = now
    return mixture, most, False


def _unit(Z: np.ndarray) -> float:
    """Return the variance of codes, which variances are regularised in units of."""
    return float(Z.var(0).mean()) or 1.0


def _m_step(
    Z: np.ndarray, responsibilities: np.ndarray, full: bool, regularization: float
) -> Gaussians:
    """Return the likeliest mixture given the responsibilities (N, K)."""
    n, d = Z.shape
    counts = responsibilities.sum(0) + 10 * np.finfo(np.float64).eps
    means = np.einsum("nk,nd->kd", responsibilities, Z) / counts[:, None]
    spread = np.empty((len(counts), d, d) if full else (len(counts), d))
    for k, mean in enumerate(means):
        gap = Z - mean
        weighted = gap * responsibilities[:, k, None]
        spread[k] = np.einsum("nd,ne->de" if full else "nd,nd->d", weighted, gap) / counts[k]
    if not full:
        return Gaussians(counts / n, means, np.sqrt(spread + regularization))
    spread += regularization * np.eye(d)
    return Gaussians(counts / n, means, cholesky(spread))


def cholesky(a: np.ndarray) -> np.ndarray:
    """Return the lower Cholesky factors of matrices (K, D, D); ValueError if one isn't positive."""
    lower = np.zeros_like(a)
    for j in range(a.shape[1]):
        row = lower[:, j, :j]
        pivot = a[:, j, j] - np.einsum("kd,kd->k", row, row)
        if not (pivot > 0).all():
            raise ValueError("covariances: expected positive definite matrices, got another")
        lower[:, j, j] = np.sqrt(pivot)
        below = a[:, j + 1 :, j] - np.einsum("kid,kd->ki", lower[:, j + 1 :, :j], row)
        lower[:, j + 1 :, j] = below / lower[:, j, j, None]
    return lower


def triangular_inverse(lower: np.ndarray) -> np.ndarray:
    """Return the inverses of lower triangular matrices (K, D, D)."""
    inverse = np.zeros_like(lower)
    for j in range(lower.shape[1]):
        pivot = lower[:, j, j, None]
        inverse[:, j, :j] = -np.einsum("kd,kdi->ki", lower[:, j, :j], inverse[:, :j, :j]) / pivot
        inverse[:, j, j] = 1 / pivot[:, 0]
    return inverse
