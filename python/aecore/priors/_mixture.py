"""What priors share that are mixtures of normal distributions: densities and draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from ..base import checks, runtime
from ..base.sklearn import not_fitted
from ..base.text import printable
from ._gaussians import Gaussians, log_density, log_joint
from .base import Prior

Known = tuple[Gaussians, np.ndarray | None]  # a mixture, and the classes of its components


class Mixture(Prior):
    """A prior that is a mixture of normal distributions once it is fitted or given."""

    _learned: Known

    def __sklearn_is_fitted__(self) -> bool:
        return "_learned" in vars(self)

    def _mixture(self) -> Known:
        """Return the mixture and its components' classes."""
        if "_learned" not in vars(self):
            name = type(self).__name__
            raise not_fitted("", f"prior: expected a fitted {name}, got one that is not fitted")
        return self._learned

    @property
    def weights_(self) -> np.ndarray:
        """The weights of the components."""
        return self._mixture()[0].weights

    @property
    def means_(self) -> np.ndarray:
        """The means of the components."""
        return self._mixture()[0].means

    @property
    def covariances_(self) -> np.ndarray:
        """The variances of the components, or their covariance matrices."""
        factors = self._mixture()[0].factors
        return factors**2 if factors.ndim == 2 else np.einsum("kij,klj->kil", factors, factors)

    @property
    def labels_(self) -> np.ndarray | None:
        """The class of each component."""
        return self._mixture()[1]

    @property
    def has_classes(self) -> bool:
        """Whether its components have labels."""
        return self.labels_ is not None

    def check(self, dim: int) -> None:
        """Raise ValueError unless codes of `dim` numbers can be drawn."""
        width = self.means_.shape[1]
        if width != dim:
            raise ValueError(f"prior: expected one of codes with {dim} numbers, got one of {width}")

    def score_samples(self, Z: Any) -> np.ndarray:
        """Return the logarithm of the density at each code; see `Prior.score_samples`."""
        mixture, _ = self._mixture()
        return log_density(log_joint(mixture, self._read(Z, mixture.means.shape[1])))

    # ---- draws ----------------------------------------------------------------------------------

    def _draw(self, n: int, dim: int, seed: int, purpose: int, offset: int, y: Any) -> np.ndarray:
        (weights, means, factors), labels = self._mixture()
        noise = np.empty((n, dim + 1), np.float32)  # the first number says which component
        _core.random_normal(noise, seed, purpose, offset * (dim + 1), runtime.current())
        first, noise = noise[:, 0], noise[:, 1:].astype(np.float64)
        chosen = np.empty(n, np.int64)
        for rows, members in _components_of_draws(n, y, labels, len(weights)):
            chosen[rows] = members[_choose(weights[members], first[rows])]
        z = means[chosen]
        if factors.ndim == 2:
            z = z + factors[chosen] * noise
        else:
            for j in range(dim):  # in one order, whatever n is
                z += factors[chosen, :, j] * noise[:, j, None]
        return z.astype(np.float32)


def _components_of_draws(
    n: int, y: Any, labels: np.ndarray | None, k: int
) -> list[tuple[Any, np.ndarray]]:
    """Return pairs of draws and the components they choose from: all, or those of a class."""
    if y is None:
        return [(slice(None), np.arange(k))]
    if labels is None:
        raise ValueError("y: expected None for a GaussianMixture without classes, got labels")
    y = checks.array("y", y)
    if y.ndim and y.shape != (n,):
        raise ValueError(f"y: expected a label, or {n} of them, got shape {y.shape}")
    groups = []
    for label in np.unique(y):
        members = np.flatnonzero(labels == label)
        if not len(members):
            known = ", ".join(map(printable, np.unique(labels).tolist()))
            raise ValueError(f"y: expected labels of the prior, {known}, got {label.item()!r}")
        groups.append((y == label if y.ndim else slice(None), members))
    return groups


def _choose(weights: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return components drawn by their weights, from normal numbers by their quantiles."""
    from statistics import NormalDist

    sums = np.cumsum(weights / weights.sum())[:-1].tolist()
    cuts = [NormalDist().inv_cdf(s) if 0 < s < 1 else np.inf * (1 if s > 0 else -1) for s in sums]
    return np.searchsorted(np.array(cuts, np.float64), normal, side="right")
