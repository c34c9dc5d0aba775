"""The normal prior."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core
from ..base import checks, runtime
from ._gaussians import Gaussians
from .base import Prior
from .learned import LearnedMixture


class Normal(Prior):
    r"""Independent normal numbers about 0: :math:`z \sim N(0, \sigma^2 I)`.

    Parameters
    ----------
    scale : float
        :math:`\sigma`. Below 1 it stays in the densest part of a `VAE`'s codes: samples are cleaner
        and less varied.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 8))
    >>> model = ae.VAE(ae.Dense((16,)), latent_dim=2, epochs=2).fit(X)
    >>> model.sample(3, prior=ae.Normal(0.7)).shape
    (3, 8)
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def check(self, dim: int) -> None:
        """Raise TypeError or ValueError for a scale that isn't a number above 0."""
        checks.real("prior: scale", self.scale, above=True)

    def module(self, dim: int, shape: tuple[int, ...]) -> LearnedMixture:
        """Return what stands for it in a network, where it stays as it is."""
        self.check(dim)
        one = Gaussians(np.ones(1), np.zeros((1, dim)), np.full((1, dim), float(self.scale)))
        return LearnedMixture(1, dim, False, one)

    def _draw(self, n: int, dim: int, seed: int, purpose: int, offset: int, y: Any) -> np.ndarray:
        if y is not None:
            raise ValueError("y: expected None for a Normal, which has no classes, got labels")
        z = np.empty((n, dim), np.float32)
        _core.random_normal(z, seed, purpose, offset * dim, runtime.current())
        if self.scale != 1:
            z *= np.float32(self.scale)
        return z

    def score_samples(self, Z: Any) -> np.ndarray:
        """Return the logarithm of the density at each code; see `Prior.score_samples`."""
        Z = self._read(Z, vars(self).get("n_features_in_"))
        self.check(Z.shape[1])
        constant = Z.shape[1] * (math.log(2 * math.pi) / 2 + math.log(self.scale))
        return -0.5 * ((Z / self.scale) ** 2).sum(1) - constant
