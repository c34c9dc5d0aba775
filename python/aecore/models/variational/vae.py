"""The variational autoencoder."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from ... import _core
from ...base import checks, runtime
from ...base.streams import ESTIMATE, LATENT, PRIOR
from ...data.batches import Batch
from ...divergences import Codes, Divergence, Estimate
from ...nn.module import Module
from .importance import held_out_draws, weighted_draws
from .posterior import Posterior

Pair = tuple[np.ndarray, np.ndarray]
ACTIVE = 0.01  # the variance of a mean from which on its dimension is called active


class VAE(Posterior):
    r"""A decoder with a normal prior on its codes, and an encoder that gives their posterior.

    Minimises, as a sum over features and latent dimensions and a mean over samples, in nats,

    .. math::
        E_{q(z | x)}[-\ln p(x | z)] + \beta\,\mathrm{KL}(q(z | x) \,\|\, N(0, I)),
        \quad q(z | x) = N(\mu(x), \mathrm{diag}(\sigma^2(x)))

    with one draw :math:`z = \mu + \sigma \epsilon` a sample. Log-likelihoods of mse, l1 and huber
    leave out a constant, see `aecore.losses`; loss="gaussian" learns the scale of the errors, which
    for mse is fixed.

    With ``importance_samples=S`` above 1 the decoder sees S draws a sample, and what is minimised
    is the importance-weighted bound

    .. math:: -\ln \frac{1}{S} \sum_s p(x | z_s)
        \Big(\frac{p(z_s)}{q(z_s | x)}\Big)^\beta, \quad z_s \sim q(z | x)

    which is closer to -ln p(x) the larger S is, and asks less of the posterior's form.

    Parameters
    ----------
    arch, latent_dim, loss, ...
        As in `Autoencoder`.
    beta : float
        The weight of the KL term, or of the divergence. 1 is the evidence lower bound.
    kl_warmup : float
        Epochs over which the weight rises from 0 in a straight line, batch by batch.
    free_bits : float
        Nats of KL that each latent dimension has for free: where its mean over a batch is less,
        it isn't made smaller.
    importance_samples : int
        S. The encoder runs once, the decoder on S times the batch.
    divergence : "kl", MMD or TotalCorrelation
        What takes the place of the KL term, see `aecore.divergences`.

    Attributes
    ----------
    history_ : list of dict
        Beside what `Autoencoder` has: ``kl`` in nats, ``kl_weight``, and for loss="bce" or
        "cross_entropy" ``bits_per_dim`` of the bound. With several samples ``recon`` and ``kl`` are
        means over the draws, ``loss`` is below recon + kl_weight kl by what they gain, and ``iwae``
        is what it would be with a weight of 1: a bound on -ln p(x). A divergence adds terms of
        its own. val_* are of draws as well, the same ones in every epoch, with the whole of beta.

        Two figures tell whether codes have collapsed to the prior: ``active_units``, how many
        latent dimensions have a mean that varies by more than 0.01, and ``information_bound``, the
        nats that a code may say of its sample at most, :math:`\frac{1}{2} \sum_k \ln v_k - E \ln
        \sigma_k^2` with v the variance of all codes together. It is at most ``kl``.

    References
    ----------
    D. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014. I. Higgins et al.,
    "beta-VAE", ICLR 2017. D. Kingma et al., "Improved variational inference with inverse
    autoregressive flow", NeurIPS 2016 (free bits). Y. Burda, R. Grosse and R. Salakhutdinov,
    "Importance weighted autoencoders", ICLR 2016 (also active units, `log_likelihood`).

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.VAE(ae.Dense((16,)), latent_dim=2, epochs=5, random_state=0).fit(X)
    >>> mean, logvar = model.encode_distribution(X)
    >>> mean.shape, model.sample(3, random_state=0).shape
    ((100, 2), (3, 20))
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
        divergence: Any = "kl",
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
    divergence: Any

    _takes_lengths = True
    _no_penalty = ""

    def _check_params(self) -> None:
        checks.integer("latent_dim", self.latent_dim, 1)
        checks.real("beta", self.beta)
        checks.real("kl_warmup", self.kl_warmup)
        checks.real("free_bits", self.free_bits)
        checks.integer("importance_samples", self.importance_samples, 1)
        self._check_divergence()
        super()._check_params()

    def _check_divergence(self) -> None:
        found, several = self.divergence, self.importance_samples > 1
        if isinstance(found, str):
            checks.choice("divergence", found, ("kl",))
        elif not isinstance(found, Divergence):
            raise TypeError(
                f"divergence: expected 'kl' or an object like MMD(100.0), got {found!r}"
            )
        if isinstance(found, Divergence):
            found.check()
            if several:
                raise ValueError(
                    "divergence: the importance-weighted bound has no term of its own for it; "
                    f"expected 'kl' where importance_samples is more than 1, got {found!r}"
                )
        if self.free_bits and (several or isinstance(found, Divergence) and not found.kl):
            raise ValueError(
                "free_bits: expected 0 where there is no KL term for each dimension: with "
                "importance_samples above 1, or a divergence without it"
            )

    def _modules(self, shape: tuple[int, ...], condition: int) -> dict[str, Module]:
        return self._coders(shape, 2 * self.latent_dim, self.latent_dim, condition)

    def _codes_width(self) -> int:
        self._fitted()
        return self.latent_dim

    # ---- training -------------------------------------------------------------------------------

    def _begin_training(self) -> None:
        self._moments().fill(0)

    def _kl_weight(self, epoch: float) -> float:
        return self.beta * (min(epoch / self.kl_warmup, 1.0) if self.kl_warmup else 1.0)

    def _loss_step(self, batch: Batch) -> dict[str, float]:
        network, ws = self._network, runtime.current()
        mean, logvar, h = self._posterior(batch, training=True)
        shape = mean.shape
        dmean, dlogvar = network.scratch("dmean", shape), network.scratch("dlogvar", shape)
        draws = self._one_draw if self.importance_samples == 1 else partial(weighted_draws, self)
        with np.errstate(all="ignore"):  # what isn't finite is the loop's to find
            terms = draws(batch, (mean, logvar), (dmean, dlogvar))
        terms["kl_weight"] = self._kl_weight(batch.epoch) * batch.n
        dmean = self._shaped_backward(dmean, mean, batch, terms)
        dh = network.scratch("dh", h.shape)
        _core.split_latent_backward(dh, dmean, dlogvar, h, ws)
        network.encode_backward(dh)
        self._note_moments(mean, logvar)
        return terms

    def _one_draw(self, batch: Batch, posterior: Pair, gradients: Pair) -> dict[str, float]:
        """Run the decoder on a draw for each sample, forth and back; return the batch's terms."""
        network, ws, weight = self._network, runtime.current(), self._kl_weight(batch.epoch)
        (mean, logvar), shape = posterior, posterior[0].shape
        eps, z = network.scratch("eps", shape), network.scratch("draw", shape)
        _core.random_normal(eps, network.seed, LATENT, network.samples * self.latent_dim, ws)
        _core.reparameterize(z, mean, logvar, eps, ws)
        output = self._decode(z, batch, training=True)
        grad, terms = self._reconstruction(output, batch)
        dz = network.decode_backward(grad, batch.condition)
        share, estimate = 1.0, None
        if isinstance(self.divergence, Divergence):
            share = float(self.divergence.kl)
            estimate = self._estimate(z, posterior, batch, network.seed, PRIOR, network.samples)
            terms |= {name: value * batch.n for name, value in estimate.terms.items()}
            terms["loss"] += weight * batch.n * estimate.value
            dz = dz + np.float32(weight) * estimate.dz.astype(np.float32)
        _core.reparameterize_backward(*gradients, None, dz, logvar, eps, ws)
        for out, part in zip(gradients, estimate.posterior if estimate else (), strict=False):
            out += np.float32(weight) * part
        terms["kl"], charged = self._kl(mean, logvar, *gradients, weight * share)
        terms["loss"] += weight * share * charged
        return terms

    def _estimate(
        self, z: np.ndarray, posterior: Pair, batch: Batch, seed: int, purpose: int, position: int
    ) -> Estimate:
        """Estimate the divergence from a batch of codes."""
        prior = self._network.scratch("prior", z.shape)
        _core.random_normal(prior, seed, purpose, position * z.shape[1], runtime.current())
        return self.divergence.estimate(Codes(z, *posterior, prior, batch.total))

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
        scratch, ws, (n, d) = self._network.scratch, runtime.current(), mean.shape
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

    def _moments(self) -> np.ndarray:
        """Return the epoch's sums of means, their squares, variances and their logarithms."""
        return self._network.scratch("moments", (4, self.latent_dim), np.float64)

    def _note_moments(self, mean: np.ndarray, logvar: np.ndarray) -> None:
        moments, scratch = self._moments(), self._network.scratch
        part = scratch("moments_part", moments.shape, np.float64)
        variance = np.exp(logvar, out=scratch("variance", logvar.shape))
        np.sum(mean, axis=0, dtype=np.float64, out=part[0])
        np.einsum("nd,nd->d", mean, mean, dtype=np.float64, out=part[1])
        np.sum(variance, axis=0, dtype=np.float64, out=part[2])
        np.sum(logvar, axis=0, dtype=np.float64, out=part[3])
        moments += part

    def _epoch_terms(self, means: dict[str, float], n: int, observed: int) -> dict[str, float]:
        moments = self._moments()
        moments /= n
        mean, square, inner, logvar = moments
        outer = square - mean**2
        extra: dict[str, float] = {"active_units": int((outer > ACTIVE).sum())}
        # KL from a normal distribution that fits all codes together, in place of the prior
        extra["information_bound"] = float((np.log(outer + inner) - logvar).sum()) / 2
        moments.fill(0)
        if self.loss in ("bce", "cross_entropy"):
            dims = observed / n  # of a sample, on average
            bound = means.get("iwae", means["recon"] + means["kl"])
            extra["bits_per_dim"] = bound / (dims * math.log(2))
        return extra

    # ---- without noise --------------------------------------------------------------------------

    def _terms(self, batch: Batch) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        mean, logvar, _ = self._posterior(batch)
        kl = self._network.scratch("kl", (batch.n,))
        _core.gaussian_kl(kl, mean, logvar, runtime.current())
        output = self._decode(mean, batch)
        recon = self._measure(output, batch)
        return output.reshape(batch.n, -1), {"recon": recon, "kl": kl}

    def _weights(self) -> dict[str, float]:
        share = self.divergence.kl if isinstance(self.divergence, Divergence) else 1.0
        return {"recon": 1.0, "kl": self.beta * share}

    def _held_out_terms(
        self, batch: Batch, position: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        mean, logvar, _ = self._posterior(batch)
        if self.importance_samples > 1:
            return held_out_draws(self, batch, (mean, logvar), position)
        kl = self._network.scratch("kl", (batch.n,))
        _core.gaussian_kl(kl, mean, logvar, runtime.current())
        seed = self._network.seed
        z, _, output = self._draw(batch, mean, logvar, seed, position)
        terms = {"recon": self._measure(output, batch), "kl": kl}
        if isinstance(self.divergence, Divergence):
            apart = batch.total + position  # from the draws of codes
            found = self._estimate(z, (mean, logvar), batch, seed, ESTIMATE, apart)
            weighted = (weight * terms[name] for name, weight in self._weights().items())
            terms["loss"] = sum(weighted, np.full(batch.n, self.beta * found.value))
            terms |= {name: np.full(batch.n, value) for name, value in found.terms.items()}
        return output.reshape(batch.n, -1), terms

    def _score_weights(self) -> dict[str, float]:
        return {"recon": 1.0, "kl": 1.0}  # the bound, whatever was minimised
