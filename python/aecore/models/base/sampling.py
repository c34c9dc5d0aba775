"""Samples from models whose codes are vectors: codes are drawn and decoded."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base import checks
from ...base.sklearn import new_seed
from ...data.batches import Batch, Condition, Input
from ...data.conditions import shared
from ...priors import Normal, Prior
from .coding import BaseAutoencoder
from .estimator import fitted


class SampledAutoencoder(BaseAutoencoder):
    """A model whose codes can be drawn from a prior: its own, or one that was fitted to them."""

    def _around(self, batch: Batch) -> tuple[np.ndarray, np.ndarray | float]:
        """Return samples' points in code space, and the deviations that are natural about them."""
        return self._latent(batch), 1.0

    def _own_prior(self) -> Prior | None:
        """Return what training made codes follow, if anything."""
        return None

    @fitted
    def sample(
        self,
        n: int,
        *,
        y: Any = None,
        prior: Prior | None = None,
        near: Any = None,
        scale: float = 1.0,
        random_state: Any = None,
    ) -> np.ndarray:
        """Draw codes and decode them.

        Parameters
        ----------
        n : int
        y : optional
            The condition of a `CVAE`, or the class to draw from a prior that was fitted with
            labels: one for all samples, or one for each.
        prior : Normal or GaussianMixture, optional
            Where codes come from. None is N(0, I) for a `VAE`; a model without a prior needs one
            that was fitted to its codes: ``GaussianMixture(10).fit(model.transform(X))``.
        near : array-like, optional
            A sample, about whose code to draw instead.
        scale : float
            How far from `near`: in deviations of its posterior for a `VAE`, else the deviation.
        random_state : int, Generator, RandomState or None

        Returns
        -------
        ndarray of float32, shape (n, ...)
            In data space: means, where the loss is a log-likelihood. Sequences have as many steps
            as the longest in fit.
        """
        n, seed = checks.integer("n", n, 0), new_seed(random_state)
        checks.instance("prior", prior, Prior, "Normal()")
        condition = shared(self._coding_conditioner, y, n)
        if near is not None:
            if prior is not None:
                raise ValueError("near: expected None with a prior, or a prior of None")
            z = self._drawn_near(near, y, n, checks.real("scale", scale), seed)
            return self._drawn(z, condition, seed)
        if scale != 1:
            raise ValueError(f"scale: expected 1 without a sample to be near, got {scale!r}")
        prior = prior or self._own_prior()
        if prior is None:
            raise ValueError(
                f"prior: {type(self).__name__} has none of its own; expected one that was "
                "fitted to its codes, such as GaussianMixture(10).fit(model.transform(X)), or near"
            )
        label = y if prior.has_classes else None
        z = prior.draw(n, self.latent_dim, seed, y=label)
        return self._drawn(z, condition, seed)

    def _drawn(self, z: np.ndarray, condition: Condition | None, seed: int) -> np.ndarray:
        """Return samples for codes that were drawn with a seed."""
        return self._decoded(z, condition, latent=True)

    def _drawn_near(self, x: Any, y: Any, n: int, scale: float, seed: int) -> np.ndarray:
        """Draw points about a sample's."""
        data = self._few([self._sample("near", x)])
        given = Input(data, shared(self._coding_conditioner, y, 1))
        ((_, batch),) = self._chunks(given)
        point, deviation = self._around(batch)
        noise = Normal().draw(n, self.latent_dim, seed)
        return point + np.float32(scale) * deviation * noise
