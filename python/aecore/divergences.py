r"""What keeps a variational autoencoder's codes near the prior, where it isn't the KL term alone.

Let q(z) be what the posteriors of all samples come to together, the aggregate posterior. The KL
term draws every posterior to the prior, and so wipes out what codes say of samples. These choices
work on q(z) instead, or weigh the parts of the KL term by themselves. Both are estimated from the
codes of a batch and differ in what they are estimated from: batches of 100 and more are wanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .base import checks
from .base.params import Choice
from .base.sums import sum_of
from .nn.ops.latent import NOTHING
from .nn.tape import Op, Value

__all__ = ["MMD", "Codes", "Divergence", "TotalCorrelation"]


def __dir__() -> list[str]:
    return __all__


class Codes(NamedTuple):
    """What a divergence is estimated from.

    Attributes
    ----------
    z : ndarray, shape (n, D)
        A draw from each posterior.
    mean, logvar : ndarray, shape (n, D)
        The posteriors.
    prior : ndarray, shape (n, D)
        Draws from the prior.
    total : int
        How many samples there are, of which the batch is a part.
    """

    z: np.ndarray
    mean: np.ndarray
    logvar: np.ndarray
    prior: np.ndarray
    total: int


Gradients = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]


class Divergence(Choice):
    """What the kinds share.

    Attributes
    ----------
    kl : float
        How much the KL term itself counts beside the estimate.
    """

    kl: float = 0.0

    def check(self) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        raise NotImplementedError

    def weights(self) -> dict[str, float]:
        """Return the names of its terms, and how much each counts."""
        raise NotImplementedError

    def estimate(self, codes: Codes) -> tuple[list[float], Any]:
        """Measure a batch of codes; return the terms, and what `gradients` needs of the way."""
        raise NotImplementedError

    def gradients(self, codes: Codes, weights: list[float], cache: Any) -> Gradients:
        """Return the gradients of z, mean and logvar of the weighted sum of the terms.

        None for the posterior's where it counts by its draws alone.
        """
        raise NotImplementedError


class Estimated(Op):
    """A divergence of a batch: for each term a value (N,), all of whose numbers are equal.

    Parameters
    ----------
    divergence : Divergence
    z, mean, logvar : Value, shape (N, D)
    prior, total
        As of `Codes`.

    Attributes
    ----------
    terms : dict of str to Value
    """

    __slots__ = ("cache", "codes", "divergence", "logvar", "mu", "prior", "terms", "total", "z")

    def __init__(
        self,
        divergence: Divergence,
        z: Value,
        mean: Value,
        logvar: Value,
        prior: np.ndarray,
        total: int,
    ) -> None:
        self.divergence, self.z, self.mu, self.logvar = divergence, z, mean, logvar
        self.prior, self.total = prior, total
        for x in self.inputs():
            x.uses += 1
        shape, needs = z.shape[:1], any(x.needs_grad for x in self.inputs())
        self.terms = {n: Value(z.tape, None, shape, needs) for n in divergence.weights()}
        self.place(z.tape, shape, needs)
        self.grad = NOTHING  # there is always something to walk back for

    def forward(self) -> None:
        """Estimate."""
        z, mean, logvar = self.z.data, self.mu.data, self.logvar.data
        self.codes = Codes(z, mean, logvar, self.prior, self.total)
        found, self.cache = self.divergence.estimate(self.codes)
        for value, number in zip(self.terms.values(), found, strict=True):
            value._data = np.full(self.shape, number, np.float32)
        self._data = NOTHING

    def backward(self) -> None:
        """Add to the gradients of draws, means and log-variances."""
        grads = [value.grad for value in self.terms.values()]
        if all(grad is None for grad in grads):
            return
        weights = [0.0 if g is None else sum_of(g) for g in grads]
        found = self.divergence.gradients(self.codes, weights, self.cache)
        for value, grad in zip(self.inputs(), found, strict=True):
            if grad is not None:
                value.add_grad(grad.astype(np.float32))

    def inputs(self) -> tuple[Value, ...]:
        """Return draws, means and log-variances."""
        return self.z, self.mu, self.logvar


def check(model: Any) -> None:
    """Raise TypeError or ValueError for a VAE's divergence, or what it doesn't go with."""
    found, several = model.divergence, model.importance_samples > 1
    if isinstance(found, str):
        checks.choice("divergence", found, ("kl",))
    elif not isinstance(found, Divergence):
        raise TypeError(f"divergence: expected 'kl' or an object like MMD(100.0), got {found!r}")
    if isinstance(found, Divergence):
        found.check()
        if several:
            raise ValueError(
                "divergence: expected 'kl' where importance_samples is more than 1, as that bound "
                f"has no term of its own for a divergence, got {found!r}"
            )
    if model.free_bits and (several or isinstance(found, Divergence) and not found.kl):
        raise ValueError(
            "free_bits: expected 0 where there is no KL term for each dimension, with "
            "importance_samples above 1 or a divergence without it, got "
            f"{model.free_bits!r}"
        )


class MMD(Divergence):
    r"""The maximum mean discrepancy of aggregate posterior and prior, in place of the KL term.

    .. math:: w\,\Big[\frac{1}{n (n-1)} \sum_{i \ne j} \big(k(z_i, z_j) + k(p_i, p_j)\big)
        - \frac{2}{n^2} \sum_{ij} k(z_i, p_j)\Big] + \gamma\,\mathrm{KL}

    with one draw :math:`z_i` of each posterior and as many draws :math:`p_j` of the prior: the
    unbiased estimate, which may be negative. Codes keep what they know of their samples, as only
    all of them together have to look like the prior.

    Parameters
    ----------
    weight : float
        w.
    kernel : {"imq", "rbf"}
        The inverse multiquadric :math:`C / (C + r^2)` or the Gaussian :math:`\exp(-r^2 / C)` of a
        distance r, as a mean over the scales. The former's tails still draw on codes far out.
    scales : sequence of float
        s, of which :math:`C = 2 D s`; the square distance of two draws of the prior is 2 D.
    kl : float
        :math:`\gamma`. InfoVAE's :math:`\alpha` and :math:`\lambda` are kl = 1 - α and weight = α +
        λ - 1.

    References
    ----------
    I. Tolstikhin et al., "Wasserstein auto-encoders", ICLR 2018. S. Zhao, J. Song and S. Ermon,
    "InfoVAE: balancing learning and inference in variational autoencoders", AAAI 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 8))
    >>> model = ae.VAE(ae.Dense((16,)), 2, divergence=ae.MMD(50.0), epochs=2).fit(X)
    >>> "mmd" in model.history_[-1]
    True
    """

    def __init__(
        self,
        weight: float = 100.0,
        kernel: str = "imq",
        scales: Any = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
        kl: float = 0.0,
    ) -> None:
        self.weight = weight
        self.kernel = kernel
        self.scales = scales
        self.kl = kl

    def check(self) -> None:
        """Raise TypeError or ValueError for weights, a kernel or scales that make no sense."""
        checks.real("divergence: weight", self.weight)
        checks.choice("divergence: kernel", self.kernel, ("imq", "rbf"))
        checks.real("divergence: kl", self.kl)
        if isinstance(self.scales, str) or not isinstance(self.scales, Iterable):
            raise TypeError(f"divergence: scales: expected numbers, got {self.scales!r}")
        scales = [checks.real("divergence: scales", s, above=True) for s in self.scales]
        if not scales:
            raise ValueError("divergence: scales: expected at least one, got none")

    def weights(self) -> dict[str, float]:
        """Return the weight of its one term."""
        return {"mmd": float(self.weight)}

    def estimate(self, codes: Codes) -> tuple[list[float], Any]:
        """Measure a batch of codes; a single one has no discrepancy."""
        z, p = codes.z.astype(np.float64), codes.prior.astype(np.float64)
        n = len(z)
        if n < 2:
            return [0.0], np.zeros_like(z)
        own, own_slope = self._kernel(z, z)
        theirs, _ = self._kernel(p, p)
        cross, cross_slope = self._kernel(z, p)
        for square in (own, own_slope, theirs):
            np.fill_diagonal(square, 0)
        pairs = n * (n - 1)
        mmd = float((own.sum() + theirs.sum()) / pairs - 2 * cross.sum() / n**2)
        dz = 4 / pairs * _pull(own_slope, z, z) - 4 / n**2 * _pull(cross_slope, z, p)
        return [mmd], dz

    def gradients(self, codes: Codes, weights: list[float], cache: Any) -> Gradients:
        """Return the gradient of z."""
        return weights[0] * cache, None, None

    def _kernel(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the kernel of all pairs, and its slope along the square distance."""
        # not by @: a BLAS's sums may depend on its number of threads
        square = np.einsum("id,id->i", a, a)[:, None] + np.einsum("id,id->i", b, b)
        square -= 2 * np.einsum("id,jd->ij", a, b)
        np.maximum(square, 0, out=square)
        value, slope = np.zeros_like(square), np.zeros_like(square)
        scales = [2 * a.shape[1] * s for s in self.scales]
        for c in scales:
            if self.kernel == "imq":
                k = c / (c + square)
                slope -= k * k / c
            else:
                k = np.exp(square / -c)
                slope -= k / c
            value += k
        return value / len(scales), slope / len(scales)


def _pull(slope: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the sums over j of slope_ij (a_i - b_j)."""
    return slope.sum(1)[:, None] * a - np.einsum("ij,jd->id", slope, b)


class TotalCorrelation(Divergence):
    r"""The KL term in its three parts, each with a weight of its own.

    .. math:: \mathrm{KL} = \underbrace{E \ln \frac{q(z | x)}{q(z)}}_{\text{mi}}
        + \underbrace{E \ln \frac{q(z)}{\prod_k q(z_k)}}_{\text{tc}}
        + \underbrace{E \ln \frac{\prod_k q(z_k)}{p(z)}}_{\text{dimension\_kl}}

    A total correlation (tc) that costs more makes dimensions of the code independent of each other.
    For a draw z of sample i in a batch of M out of N, q(z) is estimated as

    .. math:: \frac{1}{N} q(z | x_i) + \frac{N - 1}{N (M - 1)} \sum_{j \ne i} q(z | x_j)

    without bias, and each q(z_k) likewise. (The paper's simpler weights 1 / (N M) have nearly the
    same gradients, but values that are far off.) Their logarithms are too small on average, less so
    in larger batches: compare values between models with one batch size alone. The time grows as M²
    D, the memory as M².

    Parameters
    ----------
    weight : float
        Of the total correlation.
    mutual_information, dimension_wise : float
        The weights of the other two parts.

    References
    ----------
    R. Chen, X. Li, R. Grosse and D. Duvenaud, "Isolating sources of disentanglement in variational
    autoencoders", NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 8))
    >>> model = ae.VAE(ae.Dense((16,)), 2, divergence=ae.TotalCorrelation(6.0), epochs=2).fit(X)
    >>> [name for name in ("mi", "tc", "dimension_kl") if name in model.history_[-1]]
    ['mi', 'tc', 'dimension_kl']
    """

    def __init__(
        self, weight: float = 6.0, mutual_information: float = 1.0, dimension_wise: float = 1.0
    ) -> None:
        self.weight = weight
        self.mutual_information = mutual_information
        self.dimension_wise = dimension_wise

    def check(self) -> None:
        """Raise TypeError or ValueError for weights that aren't numbers of at least 0."""
        for name, value in self.get_params().items():
            checks.real(f"divergence: {name}", value)

    def weights(self) -> dict[str, float]:
        """Return the weights of its three terms."""
        parts = self.mutual_information, self.weight, self.dimension_wise
        return dict(zip(("mi", "tc", "dimension_kl"), map(float, parts), strict=True))

    def estimate(self, codes: Codes) -> tuple[list[float], Any]:
        """Measure a batch of codes."""
        z, (n, d) = codes.z, codes.z.shape
        shares = _log_shares(n, codes.total)
        joint, marginals = np.zeros((n, n), np.float32), np.zeros((d, n), np.float32)
        for k in range(d):  # a dimension at a time: (M, M) fits the cache where (M, M, D) doesn't
            single = _log_densities(codes, k)[0]
            joint += single
            single += shares
            marginals[k] = _log_sum(single)
        own = np.diagonal(joint).astype(np.float64)  # ln q(z | x) of each z's own posterior
        joint += shares
        together = _log_sum(joint)
        whole, product = together.astype(np.float64), marginals.sum(0, dtype=np.float64)
        prior = -0.5 * (z.astype(np.float64) ** 2 + math.log(2 * math.pi)).sum(1)
        parts = own - whole, whole - product, product - prior
        joint -= together
        np.exp(joint, out=joint)  # how much of q(z_i) is the posterior j's
        return [float(part.mean()) for part in parts], (joint, shares, marginals)

    def gradients(self, codes: Codes, weights: list[float], cache: Any) -> Gradients:
        """Return the gradients of z, mean and logvar; overwrites the cache."""
        joint, shares, marginals = cache
        n, d = codes.z.shape
        mi, tc, single = weights
        common = np.multiply(joint, np.float32((tc - mi) / n), out=joint)
        common[np.diag_indices(n)] += np.float32(mi / n)
        dz, dmean, dlogvar = (np.empty((n, d), np.float32) for _ in range(3))
        for k in range(d):
            density, gap, precision = _log_densities(codes, k)
            density += shares
            density -= marginals[k]
            weight = np.exp(density, out=density)
            weight *= np.float32((single - tc) / n)
            weight += common
            slope = weight * gap
            slope *= precision
            dz[:, k] = np.float32(single / n) * codes.z[:, k] - slope.sum(0)
            dmean[:, k] = slope.sum(1)
            slope *= gap
            dlogvar[:, k] = (slope.sum(1) - weight.sum(1)) / 2
        return dz, dmean, dlogvar


def _log_shares(n: int, total: int) -> np.ndarray:
    """Return the logarithm of what posterior j counts in q(z_i), in row j and column i."""
    if n == 1:
        return np.zeros((1, 1), np.float32)
    shares = np.full((n, n), math.log((total - 1) / (total * (n - 1))), np.float32)
    np.fill_diagonal(shares, -math.log(total))
    return shares


def _log_densities(codes: Codes, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ln q(z_ik | x_j) in row j and column i, z_ik - mean_jk, and the precisions of j."""
    logvar = codes.logvar[:, k, None]
    precision = np.exp(-logvar)
    gap = codes.z[:, k] - codes.mean[:, k, None]
    density = gap * gap
    density *= precision / -2
    density -= (logvar + np.float32(math.log(2 * math.pi))) / 2
    return density, gap, precision


def _log_sum(values: np.ndarray) -> np.ndarray:
    """Return the logarithm of each column's sum of exponentials."""
    top = values.max(0)
    return top + np.log(np.exp(values - top).sum(0))
