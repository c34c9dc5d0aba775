"""What models with a normal posterior share: it, and estimates of likelihoods from draws of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ...base import checks, runtime
from ...base.sklearn import new_seed
from ...base.streams import ESTIMATE
from ...data.batches import Batch
from ...priors import Normal, Prior
from ..base.estimator import fitted
from ..base.sampling import SampledAutoencoder


class Posterior(SampledAutoencoder):
    """A model whose encoder gives mean and logvar of a normal distribution of codes."""

    def _posterior(
        self, batch: Batch, training: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return mean and logvar of the codes, and the encoder's output that they come from."""
        network, shape = self._network, (batch.n, self.latent_dim)
        h = self._encode(batch, training)
        mean, logvar = network.scratch("mean", shape), network.scratch("logvar", shape)
        _core.split_latent(mean, logvar, h, runtime.current())
        return self._shaped(mean), logvar, h

    def _latent(self, batch: Batch) -> np.ndarray:
        return self._posterior(batch)[0]

    def _around(self, batch: Batch) -> tuple[np.ndarray, np.ndarray | float]:
        mean, logvar, _ = self._posterior(batch)
        return mean, np.exp(logvar / 2)

    def _own_prior(self) -> Prior | None:
        return Normal()

    @fitted
    def encode_distribution(
        self, X: Any, y: Any = None, *, sample_mask: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the posterior of each sample's code.

        Parameters
        ----------
        X, y, sample_mask
            As in `transform`.

        Returns
        -------
        mean, logvar : ndarray of float32, shape (N, latent_dim)
        """
        given = self._input(X, y, sample_mask)
        out = np.empty((2, len(given.data), self.latent_dim), np.float32)
        for rows, batch in self._chunks(given):
            out[0, rows], out[1, rows], _ = self._posterior(batch)
        return out[0], out[1]

    # ---- estimates ------------------------------------------------------------------------------

    @fitted
    def elbo(
        self,
        X: Any,
        y: Any = None,
        *,
        n_samples: int = 1,
        random_state: Any = None,
        sample_mask: Any = None,
    ) -> np.ndarray:
        r"""Estimate the evidence lower bound of each sample.

        .. math:: \frac{1}{S} \sum_s \ln p(x | z_s) - \mathrm{KL}(q(z | x) \,\|\, p(z)),
            \quad z_s \sim q(z | x)

        Parameters
        ----------
        X, y, sample_mask
            As in `transform`.
        n_samples : int
            S.
        random_state : int, Generator, RandomState or None

        Returns
        -------
        ndarray of float32, shape (N,)
            In nats, but for the constants that `aecore.losses` names.
        """
        n_samples, seed = checks.integer("n_samples", n_samples, 1), new_seed(random_state)
        given = self._input(X, y, sample_mask)
        out = np.zeros(len(given.data), np.float64)
        for rows, batch in self._chunks(given):
            mean, logvar, _ = self._posterior(batch)
            kl = self._network.scratch("kl", (batch.n,))
            _core.gaussian_kl(kl, mean, logvar, runtime.current())
            out[rows] -= kl
            for s in range(n_samples):
                offset = s * len(out) + rows.start
                _, _, output = self._draw(batch, mean, logvar, seed, offset)
                out[rows] -= self._measure(output, batch) / n_samples
        return out.astype(np.float32)

    @fitted
    def log_likelihood(
        self,
        X: Any,
        y: Any = None,
        *,
        n_samples: int = 100,
        random_state: Any = None,
        sample_mask: Any = None,
    ) -> np.ndarray:
        r"""Estimate the log-likelihood of each sample by importance sampling.

        .. math:: \ln \frac{1}{S} \sum_s \frac{p(x | z_s)\, p(z_s)}{q(z_s | x)},
            \quad z_s \sim q(z | x)

        It is at least the bound of `elbo` on average, and rises to ln p(x) with S.

        Parameters
        ----------
        X, y, sample_mask
            As in `transform`.
        n_samples : int
            S: as many passes of the decoder.
        random_state : int, Generator, RandomState or None

        Returns
        -------
        ndarray of float32, shape (N,)
            In nats, but for the constants that `aecore.losses` names.
        """
        n_samples, seed = checks.integer("n_samples", n_samples, 1), new_seed(random_state)
        given = self._input(X, y, sample_mask)
        out = np.empty(len(given.data), np.float64)
        for rows, batch in self._chunks(given):
            mean, logvar, _ = self._posterior(batch)
            largest, total = np.full(batch.n, -np.inf), np.zeros(batch.n)
            for s in range(n_samples):
                offset = s * len(out) + rows.start
                z, eps, output = self._draw(batch, mean, logvar, seed, offset)
                ratio = log_ratio(z, eps, logvar) - self._measure(output, batch)
                top = np.maximum(largest, ratio)
                total = total * np.exp(largest - top) + np.exp(ratio - top)
                largest = top
            out[rows] = largest + np.log(total / n_samples)
        return out.astype(np.float32)

    def _draw(
        self, batch: Batch, mean: np.ndarray, logvar: np.ndarray, seed: int, position: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw codes from posteriors; return them, their noise and what they are decoded to."""
        network, ws = self._network, runtime.current()
        eps, z = network.scratch("eps", mean.shape), network.scratch("draw", mean.shape)
        _core.random_normal(eps, seed, ESTIMATE, position * self.latent_dim, ws)
        _core.reparameterize(z, mean, logvar, eps, ws)
        return z, eps, self._decode(z, batch)


def log_ratio(z: np.ndarray, eps: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """Return ln p(z) - ln q(z | x) of draws and their noise, in which ln 2 pi cancels."""
    return (eps**2 + logvar - z**2).sum(1, dtype=np.float64) / 2
