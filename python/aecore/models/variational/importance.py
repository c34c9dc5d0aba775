"""The importance-weighted bound: several draws of a code for each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.batches import Batch
from ...nn.ops.latent import ImportanceBound, log_mean
from ...nn.ops.shapes import Repeat
from ...nn.tape import Tape, Value

if TYPE_CHECKING:
    from .vae import VAE


def weighted_terms(
    model: VAE, batch: Batch, mean: Value, logvar: Value, beta: float
) -> dict[str, Any]:
    """Return the negative bound with S draws a sample, which is minimised, and report its parts.

    These are ``recon`` and ``kl``, means over the draws; ``iwae``, the bound with a beta of 1; and
    ``mse``.
    """
    if batch.noise == "fixed":
        return _held_out(model, batch, mean, logvar, beta)
    s, tape, loss = int(model.importance_samples), batch.tape, model._loss
    many = repeated(batch, s)
    many.room = batch.room
    many.context = None if batch.context is None else Repeat(batch.context, s)
    means, logvars = Repeat(mean, s), Repeat(logvar, s)
    drawn = model._draw(many, means, logvars)
    alone, tape.lengths = tape.lengths, many.lengths
    many.output = model._decode(drawn.z, many)
    tape.lengths = alone
    recon = loss.term(many.output, many)
    ratio = model._log_ratio(many, drawn)
    bound = ImportanceBound(recon, ratio, s, beta)
    flat = many.output.data.reshape(many.n, -1)
    batch.reported |= {
        "recon": many.sum(recon.data) / s,
        "kl": -many.sum(ratio.data) / s,
        "iwae": -batch.sum(bound.log_mean(1.0)[0]),
        "mse": loss.squared_error(recon, flat, many) / s,
    }
    batch.output = many.output
    return {"loss": bound}


def _held_out(model: VAE, batch: Batch, mean: Value, logvar: Value, beta: float) -> dict[str, Any]:
    """Return the same without gradients, draw by draw."""
    s, n, first = int(model.importance_samples), batch.n, batch.position
    ratio, recon = np.empty((2, n, s))
    for i in range(s):
        batch.position = first * s + i * n
        drawn = model._draw(batch, mean, logvar)
        batch.output = model._decode(drawn.z, batch)
        term = model._loss.term(batch.output, batch)
        ratio[:, i], recon[:, i] = model._log_ratio(batch, drawn).data, term.data
    flat = batch.output.data.reshape(n, -1)
    batch.reported |= {
        "recon": batch.sum(recon.sum(1)) / s,
        "kl": -batch.sum(ratio.sum(1)) / s,
        "iwae": -batch.sum(log_mean((ratio - recon).reshape(-1), s)[0]),
        "mse": model._loss.squared_error(term, flat, batch),
    }
    return {"loss": -log_mean((beta * ratio - recon).reshape(-1), s)[0]}


def _rows(tape: Tape, values: np.ndarray, times: int) -> np.ndarray:
    """Return each row several times, one after another."""
    out = tape.take((len(values) * times, *values.shape[1:]), values.dtype)
    out.reshape(len(values), times, *values.shape[1:])[...] = values[:, None]
    return out


def repeated(batch: Batch, times: int) -> Batch:
    """Return a batch with what the decoder and the loss need of each sample, several times."""
    many, tape = Batch(batch.n * times), batch.tape
    many.target = _rows(tape, batch.target, times)
    many.x = many.target.reshape(many.n, *batch.target_shape)
    many.target_shape = batch.target_shape
    for name in ("mask", "missing", "weight", "lengths", "condition"):
        values = getattr(batch, name)
        if values is not None:
            setattr(many, name, _rows(tape, values, times))
    if tape.target is not None:
        tape.target = many.x
    return many.begin(tape, batch.noise, batch.seed, batch.position * times)
