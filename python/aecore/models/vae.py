"""The variational autoencoder."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, _core, _workspace
from .._purposes import ESTIMATE, LATENT, SAMPLE
from ..nn.module import Module
from ..training.batches import Batch
from ._base import fitted
from ._coding import BaseAutoencoder
from ._condition import shared
from ._protocol import new_seed

ACTIVE = 0.01  # the variance of a mean from which on its dimension is called active


class VAE(BaseAutoencoder):
    r"""A decoder with a normal prior on its codes, and an encoder that gives their posterior.

    Minimises, as a sum over features and latent dimensions and a mean over samples, in nats,

    .. math::
        E_{q(z | x)}[-\ln p(x | z)] + \beta\,\mathrm{KL}(q(z | x) \,\|\, N(0, I)),
        \quad q(z | x) = N(\mu(x), \mathrm{diag}(\sigma^2(x)))

    with one draw :math:`z = \mu + \sigma \epsilon` a sample. Log-likelihoods of mse, l1 and huber
    leave out a constant, see `aecore.losses`.

    Parameters
    ----------
    arch, latent_dim, loss, ...
        As in `Autoencoder`.
    beta : float
        The weight of the KL term. 1 is the evidence lower bound.
    kl_warmup : float
        Epochs over which the weight rises from 0 in a straight line, batch by batch.
    free_bits : float
        Nats of KL that each latent dimension has for free: where its mean over a batch is less,
        it isn't made smaller.
    importance_samples : int
        1 in this version.

    Attributes
    ----------
    history_ : list of dict
        Beside what `Autoencoder` has: ``kl`` in nats, ``kl_weight``, ``active_units`` (latent
        dimensions whose mean varies by more than 0.01), and for loss="bce" or "cross_entropy"
        ``bits_per_dim`` of the bound.

    References
    ----------
    D. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014. I. Higgins et al.,
    "beta-VAE", ICLR 2017. D. Kingma et al., "Improved variational inference with inverse
    autoregressive flow", NeurIPS 2016 (free bits). Y. Burda et al., "Importance weighted
    autoencoders", ICLR 2016 (active units, `log_likelihood`).
    """

    def __init__(
        self,
        arch: Any = None,
        latent_dim: int = 32,
        *,
        beta: float = 1.0,
        kl_warmup: float = 0,
        free_bits: float = 0.0,
        importance_samples: int = 1,
        loss: str = "mse",
        tied: bool = False,
        corruption: Any = None,
        penalty: Any = None,
        pretrain_epochs: int = 0,
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Any = None,
        clip_norm: float | None = None,
        batch_size: int = 128,
        epochs: int = 20,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        warm_start: bool = False,
        callbacks: Any = (),
        checkpoint: Any = None,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self._store(locals())

    beta: float
    kl_warmup: float
    free_bits: float
    importance_samples: int

    _takes_lengths = True
    _no_penalty = ""

    def _check_params(self) -> None:
        _check.integer("latent_dim", self.latent_dim, 1)
        _check.real("beta", self.beta)
        _check.real("kl_warmup", self.kl_warmup)
        _check.real("free_bits", self.free_bits)
        if _check.integer("importance_samples", self.importance_samples, 1) != 1:
            raise ValueError(
                "importance_samples: this version trains with one; expected 1, got "
                f"{self.importance_samples}. log_likelihood() estimates with as many as you like"
            )
        super()._check_params()

    def _modules(self, shape: tuple[int, ...], condition: int) -> dict[str, Module]:
        return self._coders(shape, 2 * self.latent_dim, self.latent_dim, condition)

    def _codes_width(self) -> int:
        self._fitted()
        return self.latent_dim

    # ---- training -------------------------------------------------------------------------------

    def _begin_training(self) -> None:
        self._network.scratch("moments", (2, self.latent_dim), np.float64).fill(0)

    def _kl_weight(self, epoch: float) -> float:
        return self.beta * (min(epoch / self.kl_warmup, 1.0) if self.kl_warmup else 1.0)

    def _loss_step(self, batch: Batch) -> dict[str, float]:
        network, ws = self._network, _workspace.current()
        shape = (batch.n, self.latent_dim)
        mean, logvar, h = self._posterior(batch, training=True)
        eps, z = network.scratch("eps", shape), network.scratch("draw", shape)
        _core.random_normal(eps, network.seed, LATENT, network.samples * self.latent_dim, ws)
        _core.reparameterize(z, mean, logvar, eps, ws)
        output = self._decode(z, batch, training=True)
        grad, terms = self._reconstruction(output, batch)
        dz = network.decode_backward(grad, batch.condition)
        dmean, dlogvar = network.scratch("dmean", shape), network.scratch("dlogvar", shape)
        _core.reparameterize_backward(dmean, dlogvar, None, dz, logvar, eps, ws)
        weight = self._kl_weight(batch.epoch)
        terms["kl"], charged = self._kl(mean, logvar, dmean, dlogvar, weight)
        terms["loss"] += weight * charged
        terms["kl_weight"] = weight * batch.n
        dmean = self._shaped_backward(dmean, mean, batch, terms)
        dh = network.scratch("dh", h.shape)
        _core.split_latent_backward(dh, dmean, dlogvar, h, ws)
        network.encode_backward(dh)
        self._note_moments(mean)
        return terms

    def _posterior(
        self, batch: Batch, training: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return mean and logvar of the codes, and the encoder's output that they come from."""
        network, shape = self._network, (batch.n, self.latent_dim)
        h = self._encode(batch, training)
        mean, logvar = network.scratch("mean", shape), network.scratch("logvar", shape)
        _core.split_latent(mean, logvar, h, _workspace.current())
        return self._shaped(mean), logvar, h

    def _kl(
        self,
        mean: np.ndarray,
        logvar: np.ndarray,
        dmean: np.ndarray,
        dlogvar: np.ndarray,
        weight: float,
    ) -> tuple[float, float]:
        """Add the gradient of the weighted term; return the batch's KL, and what of it is charged.

        With free bits, a dimension is charged the larger of its mean KL over the batch and the free
        nats; so its gradient is all or nothing.
        """
        scratch, ws, (n, d) = self._network.scratch, _workspace.current(), mean.shape
        gm, gv = scratch("kl_dmean", (n, d)), scratch("kl_dlogvar", (n, d))
        if not self.free_bits:
            kl, upstream = scratch("kl", (n,)), scratch("kl_weight", (n,))
            upstream.fill(weight / n)
            _core.gaussian_kl(kl, mean, logvar, ws)
            _core.gaussian_kl_backward(gm, gv, upstream, mean, logvar, ws)
            total = charged = float(kl.sum(dtype=np.float64))
        else:
            single = (n * d, 1)
            kl, upstream = scratch("kl", (n * d,)), scratch("kl_weight", (n * d,))
            columns = (mean.reshape(single), logvar.reshape(single))
            _core.gaussian_kl(kl, *columns, ws)
            per_dim = kl.reshape(n, d).mean(0, dtype=np.float64)
            upstream.reshape(n, d)[...] = np.where(per_dim > self.free_bits, weight / n, 0)
            gradients = (gm.reshape(single), gv.reshape(single))
            _core.gaussian_kl_backward(*gradients, upstream, *columns, ws)
            total = n * float(per_dim.sum())
            charged = n * float(np.maximum(per_dim, self.free_bits).sum())
        _core.add(dmean, dmean, gm, ws)
        _core.add(dlogvar, dlogvar, gv, ws)
        return total, charged

    def _note_moments(self, mean: np.ndarray) -> None:
        """Sum the means and their squares, for the active units of the epoch."""
        moments = self._network.scratch("moments", (2, self.latent_dim), np.float64)
        part = self._network.scratch("moments_part", moments.shape, np.float64)
        np.sum(mean, axis=0, dtype=np.float64, out=part[0])
        np.einsum("nd,nd->d", mean, mean, dtype=np.float64, out=part[1])
        moments += part

    def _epoch_terms(self, means: dict[str, float], n: int, observed: int) -> dict[str, float]:
        moments = self._network.scratch("moments", (2, self.latent_dim), np.float64)
        moments /= n
        variance = moments[1] - moments[0] ** 2
        moments.fill(0)
        extra: dict[str, float] = {"active_units": int((variance > ACTIVE).sum())}
        if self.loss in ("bce", "cross_entropy"):
            dims = observed / n  # of a sample, on average
            extra["bits_per_dim"] = (means["recon"] + means["kl"]) / (dims * math.log(2))
        return extra

    # ---- without noise --------------------------------------------------------------------------

    def _latent(self, batch: Batch) -> np.ndarray:
        return self._posterior(batch)[0]

    def _terms(self, batch: Batch) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        mean, logvar, _ = self._posterior(batch)
        kl = self._network.scratch("kl", (batch.n,))
        _core.gaussian_kl(kl, mean, logvar, _workspace.current())
        output = self._decode(mean, batch)
        recon = self._measure(output, batch)
        return output.reshape(batch.n, -1), {"recon": recon, "kl": kl}

    def _weights(self) -> dict[str, float]:
        return {"recon": 1.0, "kl": self.beta}

    def _score_weights(self) -> dict[str, float]:
        return {"recon": 1.0, "kl": 1.0}  # the bound, whatever was minimised

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
        n_samples, seed = _check.integer("n_samples", n_samples, 1), new_seed(random_state)
        given = self._input(X, y, sample_mask)
        out = np.zeros(len(given.data), np.float64)
        for rows, batch in self._chunks(given):
            mean, logvar, _ = self._posterior(batch)
            kl = self._network.scratch("kl", (batch.n,))
            _core.gaussian_kl(kl, mean, logvar, _workspace.current())
            out[rows] -= kl
            for s in range(n_samples):
                offset = s * len(out) + rows.start
                _, _, recon = self._draw(batch, mean, logvar, seed, offset)
                out[rows] -= recon / n_samples
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
        n_samples, seed = _check.integer("n_samples", n_samples, 1), new_seed(random_state)
        given = self._input(X, y, sample_mask)
        out = np.empty(len(given.data), np.float64)
        for rows, batch in self._chunks(given):
            mean, logvar, _ = self._posterior(batch)
            largest, total = np.full(batch.n, -np.inf), np.zeros(batch.n)
            for s in range(n_samples):
                offset = s * len(out) + rows.start
                z, eps, recon = self._draw(batch, mean, logvar, seed, offset)
                # ln p(x | z) + ln p(z) - ln q(z | x), where ln 2 pi cancels
                ratio = (eps**2 + logvar - z**2).sum(1, dtype=np.float64) / 2 - recon
                top = np.maximum(largest, ratio)
                total = total * np.exp(largest - top) + np.exp(ratio - top)
                largest = top
            out[rows] = largest + np.log(total / n_samples)
        return out.astype(np.float32)

    def _draw(
        self, batch: Batch, mean: np.ndarray, logvar: np.ndarray, seed: int, position: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw codes from posteriors; return them, their noise and the reconstruction losses."""
        network, ws = self._network, _workspace.current()
        eps, z = network.scratch("eps", mean.shape), network.scratch("draw", mean.shape)
        _core.random_normal(eps, seed, ESTIMATE, position * self.latent_dim, ws)
        _core.reparameterize(z, mean, logvar, eps, ws)
        return z, eps, self._measure(self._decode(z, batch), batch)

    # ---- samples --------------------------------------------------------------------------------

    @fitted
    def sample(self, n: int, *, y: Any = None, random_state: Any = None) -> np.ndarray:
        """Draw samples: codes from the prior N(0, I), decoded.

        Parameters
        ----------
        n : int
        y : optional
            The condition of a `CVAE`: one for all samples, or one for each.
        random_state : int, Generator, RandomState or None

        Returns
        -------
        ndarray of float32, shape (n, ...)
            Means of p(x | z), in data space. Sequences have as many steps as the longest in fit.
        """
        n, seed = _check.integer("n", n, 0), new_seed(random_state)
        condition = shared(self._network.conditioner, y, n)
        z = np.empty((n, self.latent_dim), np.float32)
        _core.random_normal(z, seed, SAMPLE, 0, _workspace.current())
        return self._decoded(z, condition)
