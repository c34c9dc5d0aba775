"""A variational model's first epochs as an autoencoder, and the start of its prior on the codes."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from ...data import corruption
from ...data.batches import Batch, Input
from ...data.weights import repeated
from ...training import group
from ...training.checkpoint import Saver
from ...training.loop import Phase, backpropagate, train
from ...training.progress import Progress
from ...training.schedules import Cosine
from ..base.model import INFERENCE_BATCH
from ..base.own_rows import shared
from . import prior as priors

if TYPE_CHECKING:
    from .vae import VAE

LEVEL = {"level": 1}  # what marks the records of pretraining
NARROW = 0.1  # of the variance that a component leaves to a dimension, given the others


class Plain:
    """The objective of pretraining: what reconstructions from the posteriors' means cost."""

    def __init__(self, model: VAE) -> None:
        self.model = model

    def _phases(self) -> tuple[Phase, ...]:
        return (Phase(self._step),)

    def _step(self, batch: Batch) -> dict[str, float]:
        model = self.model
        code = model._latent(batch)
        batch.noted.clear()  # nothing is drawn, so that nothing is said of posteriors
        batch.output = model._decode(code, batch)
        batch.terms = terms = {"recon": model._loss.term(batch.output, batch)}
        backpropagate(batch, terms)
        return model._sums(batch, terms)

    def _epoch_terms(
        self, means: dict[str, float], noted: dict[str, np.ndarray], n: float, observed: float
    ) -> dict[str, float]:
        return {}


def is_begun(model: VAE) -> bool:
    """Whether a model is within its pretraining, behind which it counts epochs from 0 again."""
    return bool(model.history_) and "level" in model.history_[-1] and model._network.epoch > 0


def pretrain(model: VAE, given: Input, rows: np.ndarray | None, saver: Saver) -> None:
    """Train encoder and decoder as an autoencoder, and start the prior on the codes.

    The place in the random streams is that of a fresh model again when it is done.
    """
    network, todo = model._network, int(model.pretrain_epochs)
    noise, size = corruption.made(model._corruptions()[0]), int(model.batch_size)
    batches = shared(given.batches(size, rows=rows, corruption=noise, seed=network.seed), size)
    plan = model._plan(max(0, todo - network.epoch), bool(model.shuffle))
    plan = dataclasses.replace(plan, schedule=Cosine(max(1, todo)))
    together = group.current()
    verbose = model.verbose if together is None or together.rank == 0 else 0
    progress = Progress(verbose, plan.epochs, len(batches), network.epoch)
    with (
        progress,
        contextlib.closing(train(network, Plain(model), batches, plan, progress)) as records,
    ):
        for record in records:
            model.history_.append(LEVEL | record)
            progress.epoch(record)
            saver.after_epoch(record)
    start_on_codes(model, given, rows)
    with network.lock:
        network.epoch = network.samples = 0
        network.optimizer = ""  # its moments are those of another objective
        network.use(plan.optimizer)


def start_on_codes(model: VAE, given: Input, rows: np.ndarray | None) -> None:
    """Give the prior first parameters that fit the codes of all samples.

    Pretraining has no use for the posteriors' variances. If they stayed as they are in a fresh
    network, draws would be far from what the decoder has learned and from the thin components of
    the mixture, and the clusters among the codes would be lost in the first steps. So they begin as
    a small part of what a component leaves open in each dimension.
    """
    module, d = priors.module_of(model), int(model.latent_dim)
    if module is None or not module.fewest_codes:
        return
    codes, logvars, weights = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
    for batch in given.batches(INFERENCE_BATCH, rows=rows)():
        with model._network.lock, model._pass(batch):
            mean, logvar = model._posterior(batch)
            codes.append(model._behind(batch, mean).data.reshape(-1, d).copy())
            logvars.append(logvar.data.reshape(-1, d).copy())
        if batch.weight is not None:
            weights.append(np.repeat(batch.weight, len(codes[-1]) // batch.n))
    every, now = (np.concatenate(group.over_rows(np.concatenate(a))) for a in (codes, logvars))
    if weights:
        chosen = repeated(np.concatenate(group.over_rows(np.concatenate(weights))))
        every, now = every[chosen], now[chosen]
    with model._network.lock:
        model.prior.start_on(module, every)
        bias = _bias_of_logvars(model)
        if bias is not None:
            bias += np.log(NARROW * module.widths) - now.mean(0, dtype=np.float64)


def _bias_of_logvars(model: VAE) -> np.ndarray | None:
    """Return what is added to the log-variances in the encoder's last layer, if it has that."""
    d, (name, last) = int(model.latent_dim), list(model._network.encoder.parameters())[-1]
    is_there = name.endswith("bias") and last.shape == (model._encoder_outputs,)
    return last.value[d : 2 * d] if is_there else None
