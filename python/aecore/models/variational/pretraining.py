"""A variational model's first epochs as an autoencoder, and the start of its prior on the codes."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data import corruption
from ...data.batches import Batch, Input
from ...training import group
from ...training.checkpoint import Saver
from ...training.loop import Phase, backpropagate, train
from ...training.progress import Progress
from ..base.model import INFERENCE_BATCH
from ..base.own_rows import shared
from . import prior as priors

if TYPE_CHECKING:
    from .vae import VAE

LEVEL = {"level": 1}  # what marks the records of pretraining


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
    plan = dataclasses.replace(
        model._plan(max(0, todo - network.epoch), bool(model.shuffle)), schedule=None
    )
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
    """Give the prior first parameters that fit the codes of all samples."""
    module = priors.module_of(model)
    if module is None or not module.fits_codes:
        return
    codes: list[np.ndarray] = []
    for batch in given.batches(INFERENCE_BATCH, rows=rows)():
        with model._network.lock, model._pass(batch):
            code = model._latent(batch)
            width: Any = int(model.latent_dim) if batch.room else code.shape[1]
            codes.append(code.data.reshape(-1, width).copy())
    found = np.concatenate(group.over_rows(np.concatenate(codes)))
    with model._network.lock:
        model.prior.start_on(module, found)
