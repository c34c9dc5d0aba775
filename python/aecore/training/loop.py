"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from .._purposes import SHUFFLE
from .batches import Batch, Batches, shuffled
from .guard import Guard
from .network import Network
from .optim import Optimizer
from .progress import Progress
from .schedules import Schedule


class Objective(Protocol):
    """What the loop asks of a model."""

    def _loss_step(self, batch: Batch) -> dict[str, float]:
        """Run both passes over a batch; return its terms, summed over samples.

        One of them is ``loss``, and ``mse``, if there is one, is a sum over values.
        """

    def _epoch_terms(self, means: dict[str, float], n: int, observed: int) -> dict[str, float]:
        """Return what an epoch of n samples gave beside its terms' means; begin the next one.

        `observed` is how many values they had together.
        """


@dataclass
class Plan:
    """How to train: the optimiser and what varies its steps."""

    optimizer: Optimizer
    learning_rate: float
    schedule: Schedule | None
    weight_decay: float
    clip_norm: float | None
    epochs: int
    shuffle: bool

    def rate(self, epoch: float) -> float:
        """Return the learning rate at an epoch, counted from 0 with fractions."""
        return self.learning_rate * (self.schedule(epoch) if self.schedule else 1.0)

    def grad_scale(self, norm: float) -> float:
        """Return what brings a gradient of this norm down to the largest allowed."""
        return 1.0 if self.clip_norm is None or norm <= self.clip_norm else self.clip_norm / norm


def train(
    network: Network, objective: Objective, batches: Batches, plan: Plan, progress: Progress
) -> Iterator[dict[str, Any]]:
    """Train, and yield after each epoch the means of its terms.

    Raises
    ------
    FloatingPointError
        If the loss, a gradient or a parameter stops being finite. The network is left in its last
        finite state.
    """
    network.use(plan.optimizer)
    guard = Guard(network)
    for _ in range(plan.epochs):
        started, totals, observed = time.perf_counter(), {"loss": 0.0}, 0
        guard.begin_epoch()
        rows = batches.rows
        if plan.shuffle:
            rows = shuffled(rows, network.seed, SHUFFLE, network.samples)
        for i, batch in enumerate(batches(rows, network.samples)):
            guard.begin_step()
            batch.epoch = network.epoch + i / len(batches)
            network.flat.forget_gradients()
            terms = objective._loss_step(batch)
            norm = network.gradient_norm()
            if not (math.isfinite(terms["loss"]) and math.isfinite(norm)):
                raise guard.failed(i, batch, partial(objective._loss_step, batch), terms["loss"])
            rate = plan.rate(batch.epoch)
            scale = plan.grad_scale(norm)
            guard.descend(i, norm, plan.optimizer, rate, plan.weight_decay, scale)
            network.samples += batch.n
            observed += batch.observed
            for name, value in terms.items():
                totals[name] = totals.get(name, 0.0) + value
            progress.batch()
        network.epoch += 1
        mse = totals.pop("mse", None)
        means = {name: total / len(rows) for name, total in totals.items()}
        if mse is not None:
            means["mse"] = mse / max(observed, 1)  # per value, where the others are per sample
        means |= objective._epoch_terms(means, len(rows), observed)
        seconds = time.perf_counter() - started
        yield {"epoch": network.epoch, **means, "learning_rate": rate, "seconds": seconds}
