"""The prior of a variational model: ln p(z) in a pass, its checks, and what was learned of it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from ...base import checks
from ...data.batches import Batch
from ...divergences import Divergence
from ...nn.ops.latent import StandardNormal
from ...nn.ops.reductions import Sum
from ...nn.ops.shapes import Reshape
from ...nn.tape import Value
from ...priors import Normal, Prior
from ...priors.learned import Density, LearnedPrior

if TYPE_CHECKING:
    from .vae import VAE


def check(model: VAE) -> None:
    """Raise TypeError or ValueError for a prior, or what it doesn't go with."""
    prior = checks.instance("prior", model.prior, Prior, "GaussianMixture(10)")
    if prior is None:
        return
    prior.check_learned(int(model.latent_dim))
    if model.free_bits:
        raise ValueError(
            "free_bits: expected 0 with a prior, under which the KL is no sum over dimensions, got "
            f"{model.free_bits!r}"
        )
    if isinstance(model.divergence, Divergence):
        raise ValueError(
            "divergence: expected 'kl' with a prior, as the others compare codes with N(0, I), got "
            f"{model.divergence!r}"
        )


def module_of(model: VAE) -> LearnedPrior | None:
    """Return the prior in a fitted model's network; None for N(0, I)."""
    return getattr(model._network, "prior", None)


def density_of(model: VAE, batch: Batch) -> Density | None:
    """Return the prior as it is in a batch's pass, made once; None for N(0, I)."""
    module = module_of(model)
    if module is None:
        return None
    if not hasattr(batch, "prior"):
        batch.prior = module.density(batch.tape, lambda x: posterior_of(model, batch, x))
    return batch.prior


def log_prior(model: VAE, batch: Batch, z: Value) -> Value:
    """Return ln p(z) of a batch's codes: (n,)."""
    density = density_of(model, batch)
    if density is None:
        return StandardNormal(z)
    return _of_places(batch, density.log_density(*places(model, batch, z)))


def mean_log_prior(model: VAE, batch: Batch, mean: Value, logvar: Value) -> Value:
    """Return the mean of ln p(z) over posteriors, or what stands for it: (n,)."""
    density = density_of(model, batch)
    assert density is not None
    return _of_places(batch, density.mean_log_density(*places(model, batch, mean, logvar)))


def places(model: VAE, batch: Batch, *codes: Value) -> list[Value]:
    """Return codes as the prior takes them: those of a map one by one."""
    if not batch.room:
        return list(codes)
    return [Reshape(z, (-1, int(model.latent_dim))) for z in codes]


def _of_places(batch: Batch, found: Value) -> Value:
    return Sum(Reshape(found, (batch.n, -1)), 1) if batch.room else found


def posterior_of(model: VAE, batch: Batch, x: Value) -> tuple[Value, Value]:
    """Return means and log-variances of other samples in a batch's pass, without noise."""
    other, tape, lengths = copy.copy(batch), batch.tape, batch.tape.lengths
    other.samples, other.noise, tape.lengths = x, "off", None
    found = model._posterior(other)
    tape.lengths = lengths
    return found


def fitted_prior(model: VAE) -> Prior:
    """Return a fitted model's prior, which can be drawn from by itself."""
    module = module_of(model)
    if module is None:
        return Normal()

    def encode(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        batch = Batch(len(x))
        batch.x, batch.target = x, x.reshape(len(x), -1)
        with model._pass(batch):
            mean, logvar = model._posterior(batch)
            return mean.data.copy(), logvar.data.copy()

    prior: Prior = model.prior
    return prior.learned(module, encode, numbered=not model._needs_y)
