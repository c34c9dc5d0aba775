"""The importance-weighted bound: several draws of a code for each sample."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ... import _core
from ...base import runtime
from ...base.streams import LATENT
from ...data.batches import Batch
from .posterior import log_ratio

if TYPE_CHECKING:
    from ...nn.module import Module
    from .vae import VAE


def weighted_draws(
    model: VAE,
    batch: Batch,
    posterior: tuple[np.ndarray, np.ndarray],
    gradients: tuple[np.ndarray, np.ndarray],
) -> dict[str, float]:
    r"""Run the decoder on S draws a sample, forth and back; return the batch's terms.

    The loss of a sample is :math:`-\ln \frac{1}{S} \sum_s w_s` with :math:`\ln w_s = \ln p(x | z_s)
    + \beta (\ln p(z_s) - \ln q(z_s | x))`. Its gradient is that of the single :math:`-\ln w_s`,
    each counted as its share of the sum.

    Parameters
    ----------
    model : VAE
    batch : Batch
    posterior : (mean, logvar)
    gradients : (dmean, dlogvar)
        To be written.
    """
    network, ws, s = model._network, runtime.current(), int(model.importance_samples)
    (n, d), beta = posterior[0].shape, model._kl_weight(batch.epoch)
    many = _repeated(batch, s, network)
    mean, logvar = (_rows(network, f"many {i}", a, s) for i, a in enumerate(posterior))
    eps, z = network.scratch("eps", (n * s, d)), network.scratch("draw", (n * s, d))
    _core.random_normal(eps, network.seed, LATENT, network.samples * s * d, ws)
    _core.reparameterize(z, mean, logvar, eps, ws)
    output = model._decode(z, many, training=True)
    recon = model._measure(output, many).astype(np.float64)
    ratio = log_ratio(z, eps, logvar)
    bound, share = _log_mean(beta * ratio - recon, s)

    weight, flat = network.scratch("weight", (n * s,)), output.reshape(n * s, -1)
    weight[...] = share / n
    grad = network.scratch("grad", flat.shape)
    loss = model._loss
    loss.per_sample(None, grad, weight, flat, many.target, many.mask, network.scratch)
    dz = network.scratch("dz_all", (n * s, d))
    np.multiply(z, np.float32(beta) * weight[:, None], out=dz)
    _core.add(dz, dz, network.decode_backward(grad.reshape(output.shape), many.condition), ws)
    dmean, dlogvar = (network.scratch(f"many d{i}", (n * s, d)) for i in range(2))
    _core.reparameterize_backward(dmean, dlogvar, None, dz, logvar, eps, ws)
    for out, part in zip(gradients, (dmean, dlogvar), strict=True):
        np.sum(part.reshape(n, s, d), axis=1, out=out)
    gradients[1][...] -= np.float32(beta / (2 * n))

    squared = loss.squared_error(flat, many.target, many.mask, network.scratch)
    terms = {"loss": -float(bound.sum()), "recon": float(recon.sum()) / s, "mse": squared / s}
    terms |= {"kl": -float(ratio.sum()) / s, "iwae": -float(_log_mean(ratio - recon, s)[0].sum())}
    return terms | ({"sigma": loss.sigma * n} if model.loss == "gaussian" else {})


def held_out_draws(
    model: VAE, batch: Batch, posterior: tuple[np.ndarray, np.ndarray], position: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return outputs of the last of S draws a sample, and the terms of all, the loss among them.

    Terms are those of `weighted_draws`, of beta without warm-up, for each sample.
    """
    s, seed = int(model.importance_samples), model._network.seed
    ratio, recon = np.empty((2, batch.n, s))
    for i in range(s):
        z, eps, output = model._draw(batch, *posterior, seed, position * s + i * batch.n)
        ratio[:, i], recon[:, i] = log_ratio(z, eps, posterior[1]), model._measure(output, batch)
    terms = {"recon": recon.mean(1), "kl": -ratio.mean(1)}
    for name, weight in (("loss", model.beta), ("iwae", 1.0)):
        terms[name] = -_log_mean((weight * ratio - recon).reshape(-1), s)[0]
    return output.reshape(batch.n, -1), terms


def _log_mean(log_weights: np.ndarray, s: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the logarithm of the mean of each sample's s weights, and their shares (n s,)."""
    grid = log_weights.reshape(-1, s)
    top = grid.max(1, keepdims=True)
    weights = np.exp(grid - top)
    total = weights.sum(1, keepdims=True)
    return (top + np.log(total))[:, 0] - math.log(s), (weights / total).reshape(-1)


def _rows(network: Module, name: str, values: np.ndarray, times: int) -> np.ndarray:
    """Return each row several times, one after another."""
    out = network.scratch(name, (len(values) * times, *values.shape[1:]), values.dtype)
    out.reshape(len(values), times, *values.shape[1:])[...] = values[:, None]
    return out


def _repeated(batch: Batch, times: int, network: Module) -> Batch:
    """Return a batch with what the decoder and the loss need of each sample, several times."""
    many = Batch(batch.n * times)
    many.target = _rows(network, "many target", batch.target, times)
    for name in ("mask", "missing", "lengths", "condition"):
        values = getattr(batch, name)
        if values is not None:
            setattr(many, name, _rows(network, f"many {name}", values, times))
    return many
