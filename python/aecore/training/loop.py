"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

from ..data.batches import Batch, Passes
from .guard import Guard
from .interrupts import Interrupts
from .network import Network
from .optim import Optimizer
from .progress import Progress
from .schedules import Schedule


class Phase(NamedTuple):
    """A step of training that every batch gives.

    Attributes
    ----------
    passes : callable
        Runs both passes over a batch; returns its terms, summed over samples, and perhaps ``mse``.
    minimized : str
        The term that the step makes smaller.
    part : str
        Which parameters take it: see `Network.part`.
    learning_rate : float, optional
        Before the schedule; the plan's by default.
    """

    passes: Callable[[Batch], dict[str, float]]
    minimized: str = "loss"
    part: str = ""
    learning_rate: float | None = None


class Objective(Protocol):
    """What the loop asks of a model."""

    def _phases(self) -> tuple[Phase, ...]:
        """Return the steps that each batch gives, in order."""

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

    def rate(self, epoch: float, first: float | None = None) -> float:
        """Return the learning rate at an epoch, counted from 0 with fractions.

        `first` is what the schedule multiplies, if that isn't the plan's own.
        """
        rate = self.learning_rate if first is None else first
        return rate * (self.schedule(epoch) if self.schedule else 1.0)

    def grad_scale(self, norm: float) -> float:
        """Return what brings a gradient of this norm down to the largest allowed."""
        return 1.0 if self.clip_norm is None or norm <= self.clip_norm else self.clip_norm / norm


def _step(
    network: Network, guard: Guard, plan: Plan, phase: Phase, rate: float, i: int, batch: Batch
) -> dict[str, float]:
    """Take a phase's step for batch i; return the terms, or raise FloatingPointError."""
    guard.begin_step()
    network.flat.forget_gradients()
    terms = phase.passes(batch)
    loss, norm = terms[phase.minimized], network.gradient_norm(phase.part)
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise guard.failed(i, batch, partial(phase.passes, batch), loss)
    step = plan.optimizer, rate, plan.weight_decay, plan.grad_scale(norm), phase.part
    guard.descend(i, norm, *step)
    return terms


def train(
    network: Network, objective: Objective, batches: Passes, plan: Plan, progress: Progress
) -> Generator[dict[str, Any], None, None]:
    """Train, and yield after each epoch the means of its terms.

    Raises
    ------
    FloatingPointError
        If the loss, a gradient or a parameter stops being finite. The network is left in its last
        finite state.
    KeyboardInterrupt
        After a step, so that the network is in a state between two.
    """
    network.use(plan.optimizer)
    guard, phases, interrupts = Guard(network), objective._phases(), Interrupts()
    for _ in range(plan.epochs):
        started, totals, observed, n = time.perf_counter(), {"loss": 0.0}, 0, 0
        guard.begin_epoch()
        rows = batches.order(network.seed, network.samples) if plan.shuffle else None
        with interrupts:
            for i, batch in enumerate(batches(rows, network.samples)):
                interrupts.check()
                batch.epoch = network.epoch + i / len(batches)
                for phase in phases:
                    rate = plan.rate(batch.epoch, phase.learning_rate)
                    for name, value in _step(network, guard, plan, phase, rate, i, batch).items():
                        totals[name] = totals.get(name, 0.0) + value
                network.samples += batch.n
                n += batch.n
                observed += batch.observed
                progress.batch()
            network.epoch += 1
            mse = totals.pop("mse", None)
            means = {name: total / n for name, total in totals.items()}
            if mse is not None:
                means["mse"] = mse / max(observed, 1)  # per value, where the others are per sample
            means |= objective._epoch_terms(means, n, observed)
        seconds = time.perf_counter() - started
        try:
            yield {"epoch": network.epoch, **means, "learning_rate": rate, "seconds": seconds}
        finally:
            interrupts.check()  # whether or not another epoch is wanted
