"""The mixture of normal distributions, fitted to codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import checks
from ..base.streams import derived_seed
from ..data import foreign
from ._gaussians import Gaussians, cholesky, fit_mixture, go_on, log_density, log_joint
from ._mixture import Known, Mixture
from .base import EncodeArray, read_codes
from .learned import LearnedMixture, LearnedPrior

STARTS = 30  # of a mixture on a model's codes, of which the likeliest is taken
PART = 500  # codes for each component, that a start is tried on
FLOOR = 1e-3  # of variances then, in units of the codes' own
LARGEST = 1e17  # of codes: squares of distances are finite in float32


class GaussianMixture(Mixture):
    r"""A sum of normal distributions: :math:`p(z) = \sum_k w_k N(z | \mu_k, \Sigma_k)`.

    `fit` learns it from codes by expectation maximisation in float64, starting from k-means++. With
    it any model with continuous codes can generate samples, and a `VAE` whose codes don't fill the
    standard prior generates better ones. With labels each class has components of its own, so that
    a class can be drawn from a model that was trained without labels. A fitted mixture can be
    pickled, or made again from its attributes: ``GaussianMixture(means=prior.means_, ...)``.

    Parameters
    ----------
    components : int
        K, for each class if there are any. With `means`, as many as they are.
    covariance : {"full", "diag"}
        Whether a component may be correlated.
    means : array-like (K, D), optional
        The means of a known mixture, which isn't fitted. None: learned by `fit`.
    covariances : array-like (K, D) or (K, D, D), optional
        Variances or matrices, with `means`; None is the identity.
    weights : array-like (K,), optional
        With `means`: positive, in any scale; None is equal ones.
    labels : array-like (K,), optional
        With `means`: the class of each component.
    regularization : float
        Added to each variance, in units of the codes' own variance.
    max_iter : int
    tol : float
        `fit` stops when the mean log-density rises by less, in nats.
    random_state : int
        The seed of k-means++.

    Attributes
    ----------
    weights_ : ndarray of float64, shape (K,)
        Those of a class sum to its share of the codes.
    means_ : ndarray of float64, shape (K, D)
    covariances_ : ndarray of float64, shape (K, D) or (K, D, D)
    labels_ : ndarray, shape (K,), or None
        The class of each component.
    n_iter_ : int
        The largest of all classes.
    converged_ : bool

    References
    ----------
    A. Dempster, N. Laird and D. Rubin, "Maximum likelihood from incomplete data via the EM
    algorithm", JRSS B 39, 1977. P. Ghosh et al., "From variational to deterministic autoencoders",
    ICLR 2020 (a mixture fitted to the codes of a trained autoencoder).

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 8))
    >>> model = ae.Autoencoder(ae.Dense((16,)), latent_dim=2, epochs=2, random_state=0).fit(X)
    >>> prior = ae.GaussianMixture(3).fit(model.transform(X))
    >>> model.sample(5, prior=prior, random_state=0).shape
    (5, 8)
    """

    def __init__(
        self,
        components: int = 10,
        *,
        covariance: str = "full",
        means: Any = None,
        covariances: Any = None,
        weights: Any = None,
        labels: Any = None,
        regularization: float = 1e-6,
        max_iter: int = 100,
        tol: float = 1e-3,
        random_state: int = 0,
    ) -> None:
        self.components = components
        self.covariance = covariance
        self.means = means
        self.covariances = covariances
        self.weights = weights
        self.labels = labels
        self.regularization = regularization
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    n_iter_: int
    converged_: bool

    # ---- fitting --------------------------------------------------------------------------------

    def fit(self, Z: Any, y: Any = None) -> GaussianMixture:
        """Learn the components from codes.

        Parameters
        ----------
        Z : array-like, shape (N, D)
            Codes, as `transform` gives them: at least as many as components, in every class.
        y : array-like of int or str, shape (N,), optional
            Labels.

        Returns
        -------
        self
        """
        self._check_params()
        Z = foreign.opened(Z, "Z")
        codes = read_codes(Z)
        if np.abs(codes).max() > LARGEST:
            most = np.abs(codes).max()
            raise ValueError(f"Z: expected numbers up to {LARGEST:g}, got {most:g}")
        classes, places = _classes(y, len(codes))
        found = [self._fit_class(codes[places == c], classes, c) for c in range(len(classes))]
        share = [float(np.mean(places == c)) for c in range(len(classes))]
        parts = [part for part, _, _ in found]
        weights = [w * part.weights for w, part in zip(share, parts, strict=True)]
        joined = (np.concatenate([p[i] for p in parts]) for i in (1, 2))
        labels = None if y is None else np.repeat(classes, int(self.components))
        self._learned = Gaussians(np.concatenate(weights), *joined), labels
        self.n_iter_ = max(n for _, n, _ in found)
        self.converged_ = all(ok for _, _, ok in found)
        self._note_form(Z, codes)
        return self

    def _check_params(self) -> None:
        if self.means is not None:
            raise ValueError("means: expected None for a mixture to be fitted, got some")
        checks.integer("components", self.components, 1)
        checks.choice("covariance", self.covariance, ("full", "diag"))
        checks.real("regularization", self.regularization, above=True)
        checks.integer("max_iter", self.max_iter, 1)
        checks.real("tol", self.tol)
        checks.integer("random_state", self.random_state)

    def _fit_class(self, Z: np.ndarray, classes: np.ndarray, c: int) -> tuple[Gaussians, int, bool]:
        k = int(self.components)
        if len(Z) < k:
            whose = "" if len(classes) == 1 else f" of class {classes.tolist()[c]!r}"
            raise ValueError(
                f"Z: expected at least {k} codes{whose}, one a component, got n_samples = {len(Z)}"
            )
        full, limits = self.covariance == "full", (int(self.max_iter), float(self.tol))
        seed = int(self.random_state)
        return fit_mixture(Z, k, full, float(self.regularization), *limits, seed)

    def __sklearn_is_fitted__(self) -> bool:
        return self.means is not None or "_learned" in vars(self)

    def _mixture(self) -> Known:
        if self.means is not None:
            return _given(self.means, self.covariances, self.weights, self.labels)
        return super()._mixture()

    # ---- how many components ---------------------------------------------------------------------

    def bic(self, Z: Any) -> float:
        r"""Return the Bayesian information criterion for codes: the lower, the better.

        .. math:: \mathrm{BIC} = -2 \sum_n \ln p(z_n) + P \ln N

        for P free numbers: a mean and a covariance of each component, and weights that sum to 1.
        It is a fair price for them where the codes do come from such a mixture.

        Parameters
        ----------
        Z : array-like, shape (N, D)

        Returns
        -------
        float

        References
        ----------
        G. Schwarz, "Estimating the dimension of a model", Annals of Statistics 6, 1978.
        """
        scores = self.score_samples(Z)
        return float(-2 * scores.sum() + self._free * np.log(len(scores)))

    def aic(self, Z: Any) -> float:
        r"""Return Akaike's information criterion for codes: the lower, the better.

        .. math:: \mathrm{AIC} = -2 \sum_n \ln p(z_n) + 2 P

        with P as in `bic`.

        Parameters
        ----------
        Z : array-like, shape (N, D)

        Returns
        -------
        float

        References
        ----------
        H. Akaike, "A new look at the statistical model identification", IEEE Transactions on
        Automatic Control 19, 1974.
        """
        return float(-2 * self.score_samples(Z).sum() + 2 * self._free)

    @property
    def _free(self) -> int:
        """How many numbers of the mixture are free."""
        mixture, _ = self._mixture()
        k, d = mixture.means.shape
        spread = d * (d + 1) // 2 if mixture.factors.ndim == 3 else d
        return k * (d + spread) + k - 1

    # ---- learned with a model --------------------------------------------------------------------

    def check_learned(self, dim: int) -> None:
        """Raise TypeError or ValueError unless a model with codes of `dim` numbers can have it."""
        if self.means is None:
            self._check_params()
        else:
            self.check(dim)

    def module(self, dim: int, shape: tuple[int, ...]) -> LearnedMixture:
        """Return the components: to be learned, or fixed where means are given."""
        if self.means is None:
            return LearnedMixture(int(self.components), dim, self.covariance == "full")
        mixture, _ = self._mixture()
        return LearnedMixture(len(mixture.weights), dim, mixture.factors.ndim == 3, mixture)

    def start_on(self, module: LearnedPrior, codes: np.ndarray) -> None:
        """Give the components of a module those of the likeliest mixture of several starts."""
        assert isinstance(module, LearnedMixture)
        module.take(self.likeliest(codes))

    def likeliest(self, codes: np.ndarray) -> Gaussians:
        """Return the likeliest of several mixtures that are fitted to codes (N, D).

        One is that of `fit`. The others start from single runs of k-means, which end in more
        different places than the best of several; they are fitted to a part of the codes, and the
        likeliest of them goes on with all. Variances have a floor: the likeliest of all would be a
        component of two codes, without any.

        C. Biernacki, G. Celeux and G. Govaert, "Choosing starting values for the EM algorithm",
        Computational Statistics and Data Analysis 41, 2003.
        """
        floor, first = max(float(self.regularization), FLOOR), int(self.random_state)
        like_this = type(self)(**self.get_params(deep=False) | {"regularization": floor})
        fitted = like_this.fit(codes)._mixture()[0]
        part = Z = read_codes(codes)
        k, full = int(self.components), self.covariance == "full"
        limits = int(self.max_iter), float(self.tol)
        if len(Z) > PART * k:
            part = Z[np.random.default_rng(first).choice(len(Z), PART * k, replace=False)]
        seeds = (derived_seed(first, start) for start in range(1, STARTS))
        tried = [fit_mixture(part, k, full, floor, *limits, seed, starts=1)[0] for seed in seeds]
        best = _likeliest(tried, part)
        if part is not Z:
            best = go_on(Z, best, floor, *limits)[0]
        return _likeliest([fitted, best], Z)

    def learned(self, module: LearnedPrior, encode: EncodeArray, numbered: bool) -> GaussianMixture:
        """Return a mixture with the components of a fitted network."""
        found = type(self)(**self.get_params(deep=False))
        if self.means is None:
            assert isinstance(module, LearnedMixture)
            mixture = module.mixture()
            found._learned = mixture, np.arange(len(mixture.weights)) if numbered else None
            found.n_features_in_ = found.means_.shape[1]
        elif numbered and self.labels is None:
            found.labels = np.arange(len(found.weights_))
        return found


def _given(means: Any, covariances: Any, weights: Any, labels: Any) -> Known:
    """Return the mixture with these parameters, or raise ValueError."""
    means = checks.finite("means", means)
    if means.ndim != 2 or 0 in means.shape:
        raise ValueError(f"means: expected finite numbers of shape (K, D), got {means.shape}")
    k, d = means.shape
    spread = np.ones((k, d)) if covariances is None else checks.finite("covariances", covariances)
    if spread.shape not in ((k, d), (k, d, d)):
        raise ValueError(
            f"covariances: expected finite numbers of shape {(k, d)} or {(k, d, d)}, got "
            f"{spread.shape}"
        )
    if spread.ndim == 2 and not (spread > 0).all():
        raise ValueError(f"covariances: expected positive variances, got {spread.min():g}")
    share = np.ones(k) if weights is None else checks.finite("weights", weights)
    if share.shape != (k,) or not (share > 0).all():
        raise ValueError(f"weights: expected {k} positive numbers, got {weights!r}")
    if labels is not None:
        labels = checks.array("labels", labels)
        if labels.shape != (k,):
            raise ValueError(f"labels: expected one for each of {k} components, got {labels!r}")
    factors = np.sqrt(spread) if spread.ndim == 2 else cholesky(spread)
    return Gaussians(share / share.sum(), means, factors), labels


def _classes(y: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes among labels, and the class index of each code; one class for None."""
    if y is None:
        return np.zeros(1, np.int64), np.zeros(n, np.int64)
    y = checks.array("y", y)
    if y.shape != (n,):
        raise ValueError(f"y: expected {n} labels, one for each code, got shape {y.shape}")
    return np.unique(checks.labels("y", y), return_inverse=True)


def _likeliest(mixtures: list[Gaussians], Z: np.ndarray) -> Gaussians:
    return max(mixtures, key=lambda mixture: float(log_density(log_joint(mixture, Z)).mean()))
