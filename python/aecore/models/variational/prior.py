"""The prior of a variational model: ln p(z) in a pass, its checks, and what was learned of it."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base import checks
from ...base.streams import PRIOR
from ...data.batches import Batch, Input, shuffled
from ...data.readers import Reader
from ...divergences import Divergence
from ...nn.ops.latent import StandardNormal
from ...nn.ops.reductions import Sum
from ...nn.ops.shapes import Reshape
from ...nn.tape import Value
from ...priors import Normal, Prior
from ...priors.learned import Density, LearnedPrior
from ...training import group
from ...training.network import Network
from ..base.model import INFERENCE_BATCH

if TYPE_CHECKING:
    from .vae import VAE


def check(model: VAE) -> None:
    """Raise TypeError or ValueError for a prior, or what it doesn't go with."""
    prior = checks.instance("prior", model.prior, Prior, "GaussianMixture(10)")
    if prior is None:
        return
    prior.check_learned(int(model.latent_dim))
    if prior.encodes and (model._needs_y or model._reader is not Reader):
        what = "a condition" if model._needs_y else "a table"
        raise ValueError(
            f"prior: expected another for {type(model).__name__}, as that of learned samples has "
            f"none of {what}, got {prior!r}"
        )
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


def start(model: VAE, network: Network, given: Input) -> None:
    """Let the prior of a fresh network start from training samples, where it wants some."""
    module: LearnedPrior | None = getattr(network, "prior", None)
    if module is None:
        return
    if model.pretrain_epochs and not model._needs_y:
        codes = group.place(len(given.data))[1] * math.prod(network.room(0))
        _check_components(module.fewest_codes, codes)
    if not module.wanted:
        return
    if network.room(0):
        raise ValueError(
            "prior: expected another for codes that are maps, as with flatten=False, got "
            f"{model.prior!r}"
        )
    if getattr(given.data, "lengths", None) is not None or getattr(given.data, "ragged", False):
        raise ValueError(
            f"prior: expected another for sequences of different lengths, got {model.prior!r}"
        )
    chosen = model._parted(network, len(given.data))[1] if model.validation_fraction else None
    module.start(some_samples(given, module.wanted, network.seed, chosen))


def _check_components(n: int, samples: int) -> None:
    """Raise ValueError for more components than there are samples to start from."""
    if n > samples:
        raise ValueError(
            f"prior: expected at most as many components as there are samples, {samples}, got {n}"
        )


def some_samples(given: Input, n: int, seed: int, chosen: np.ndarray | None = None) -> np.ndarray:
    """Return n samples as the encoder sees them: of a stream the first ones, else any that weigh.

    `chosen` are those to take them from, if not all.
    """
    own, order = len(given.data), np.empty(0, np.int64)
    if isinstance(given, Input):
        order = shuffled(np.arange(own), seed, PRIOR, 0)
        if chosen is not None:
            order = order[np.isin(order, chosen)]
        if given.weight is not None:
            order = order[given.weight[order] > 0]
        own = len(order)
    total = group.place(own)[1]
    _check_components(n, total)
    mine, options = -(-n * own // total), dict[str, Any]()
    if isinstance(given, Input):
        options["rows"] = np.sort(order[:mine])
    found, count = list[np.ndarray](), 0
    for batch in given.batches(INFERENCE_BATCH, **options)():
        found.append(batch.x.copy())
        count += batch.n
        if count >= mine:
            break
    return np.concatenate(group.over_rows(np.concatenate(found)[:mine]))[:n]


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
    other, tape = copy.copy(batch), batch.tape
    lengths, weight = tape.lengths, tape.weight
    other.samples, other.noise, tape.lengths, tape.weight = x, "off", None, None
    found = model._posterior(other)
    tape.lengths, tape.weight = lengths, weight
    return found


def fitted_prior(model: VAE) -> Prior:
    """Return a fitted model's prior, which can be drawn from by itself."""
    module = module_of(model)
    if module is None or model.prior is None:
        return Normal()

    def encode(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = []
        for rows in range(0, len(x), INFERENCE_BATCH):
            some = np.ascontiguousarray(x[rows : rows + INFERENCE_BATCH])
            batch = Batch(len(some))
            batch.x, batch.target = some, some.reshape(len(some), -1)
            with model._pass(batch):
                found.append([half.data.copy() for half in model._posterior(batch)])
        mean, logvar = (np.concatenate(halves) for halves in zip(*found, strict=True))
        return mean, logvar

    prior: Prior = model.prior
    return prior.learned(module, encode, numbered=not model._needs_y)
