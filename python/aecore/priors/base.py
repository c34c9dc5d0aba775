"""The interface of priors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import checks
from ..base.params import Choice
from ..base.sklearn import Estimator
from ..base.streams import SAMPLE


class Prior(Choice, Estimator):
    """A distribution over code space R^D that codes can be drawn from."""

    _estimator_type = "density_estimator"

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, Z: Any, y: Any = None) -> Any:
        """Check codes; a prior that learns from them says so. Returns self.

        Parameters
        ----------
        Z : array-like, shape (N, D)
        y : ignored
        """
        self.n_features_in_ = read_codes(Z).shape[1]
        return self

    @property
    def has_classes(self) -> bool:
        """Whether it has labels, so that codes of one class can be drawn."""
        return False

    def check(self, dim: int) -> None:
        """Raise ValueError unless codes of `dim` numbers can be drawn."""

    def draw(
        self,
        n: int,
        dim: int,
        seed: int,
        *,
        purpose: int = SAMPLE,
        offset: int = 0,
        y: Any = None,
    ) -> np.ndarray:
        """Draw codes: number offset to offset + n of a random stream.

        Parameters
        ----------
        n, dim : int
        seed, purpose : int
            They name the stream; see `aecore.base.streams`.
        offset : int
            The number of codes drawn before.
        y : label, or array-like (n,), optional
            The class to draw from, if the prior has classes: one for all, or one for each.

        Returns
        -------
        ndarray of float32, shape (n, dim)
        """
        self.check(dim)
        return self._draw(n, dim, seed, purpose, offset, y)

    def _draw(self, n: int, dim: int, seed: int, purpose: int, offset: int, y: Any) -> np.ndarray:
        raise NotImplementedError

    def score_samples(self, Z: Any) -> np.ndarray:
        """Return the logarithm of the density at each code, in nats.

        Parameters
        ----------
        Z : array-like, shape (N, D)

        Returns
        -------
        ndarray of float64, shape (N,)
        """
        raise NotImplementedError

    def score(self, Z: Any, y: Any = None) -> float:
        """Return the mean of `score_samples`.

        Parameters
        ----------
        Z : array-like, shape (N, D)
        y : ignored

        Returns
        -------
        float
        """
        return float(self.score_samples(Z).mean())


def read_codes(Z: Any, dim: int | None = None) -> np.ndarray:
    """Return codes (N, D) as finite float64, or raise TypeError or ValueError."""
    Z = checks.numbers("Z", Z)
    if Z.ndim != 2 or 0 in Z.shape or (dim is not None and Z.shape[1] != dim):
        width = "D" if dim is None else dim
        raise ValueError(f"Z: expected some codes of shape (N, {width}), got {Z.shape}")
    return checks.finite("Z", Z)
