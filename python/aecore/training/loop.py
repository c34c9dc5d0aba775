"""The training loop."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..base import runtime
from ..data.batches import Batch, BatchSource
from ..nn.module import Module
from ..nn.tape import Value
from .group import over_rows
from .guard import Guard
from .interrupts import Interrupts
from .network import Network
from .optim import Optimizer
from .parts import PartedSteps
from .progress import Progress
from .schedules import Schedule

SQUARES = ("mse", "mse_input")  # sums over values, rather than over samples


class Phase(NamedTuple):
    """A step of training that every batch gives.

    Attributes
    ----------
    run : callable
        Runs both passes over a batch; returns sums over samples, and perhaps ``mse``.
    minimized : str
        The sum that the step makes smaller.
    part : str
        Which parameters take it: see `Network.part`.
    learning_rate : float, optional
        Before the schedule; the plan's by default.
    """

    run: Callable[[Batch], dict[str, float]]
    minimized: str = "loss"
    part: str = ""
    learning_rate: float | None = None


class Objective(Protocol):
    """What the loop asks of a model."""

    def _phases(self) -> tuple[Phase, ...]:
        """Return the steps that each batch gives, in order; they share a tape."""

    def _epoch_terms(
        self, means: dict[str, float], noted: dict[str, np.ndarray], n: float, observed: float
    ) -> dict[str, float]:
        """Return more numbers of an epoch of n samples, beside its terms' means.

        `noted` are the sums of what passes have noted, `observed` is how many values there were.
        """


def backpropagate(
    batch: Batch, terms: Mapping[str, Any], *, since: int = 0, frozen: Module | None = None
) -> None:
    """Add to the gradients those of the weighted mean of terms.

    Parameters
    ----------
    batch : Batch
        Its `weights` say how much each term counts.
    terms : mapping of str to Value, shape (n,)
        Arrays among them have no gradient.
    since, frozen
        As of `Tape.backward`.
    """
    weights, n = batch.weights, batch.whole
    ends: list[Any] = [(v, w / n) for k, v in terms.items() if (w := weights.get(k, 1.0))]
    ends = [(value, weight) for value, weight in ends if isinstance(value, Value)]
    if batch.weight is not None:
        plain = {id(terms[name]) for name in batch.unweighted if name in terms}
        ends = [
            (value, weight if id(value) in plain else batch.weight * np.float32(weight))
            for value, weight in ends
        ]
    batch.tape.backward(*ends, since=since, frozen=frozen)


def weighted_sums(batch: Batch, terms: Mapping[str, Any], name: str = "loss") -> dict[str, float]:
    """Return the weighted sum of terms under a name, and each one's sum over samples.

    A term of that name is part of the sum and isn't returned by itself.
    """
    sums = sums_of(batch, terms)
    total = sum(batch.weights.get(k, 1.0) * value for k, value in sums.items())
    return {name: total} | {k: value for k, value in sums.items() if k != name}


def sums_of(batch: Batch, terms: Mapping[str, Any]) -> dict[str, float]:
    """Return each term's sum over samples, times their weights."""
    return {name: batch.sum(array_of(value), name) for name, value in terms.items()}


def array_of(term: Any) -> np.ndarray:
    """Return a term's numbers."""
    return term.data if isinstance(term, Value) else np.asarray(term)


def means_of(totals: dict[str, float], n: float, observed: float) -> dict[str, float]:
    """Return means over n samples; those of squared errors are over the values observed.

    Samples and values count by their weights.
    """
    means = {name: total / (n or 1) for name, total in totals.items() if name not in SQUARES}
    for name in SQUARES:
        if name in totals:
            means[name] = totals[name] / (observed or 1)
    return means


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
    half: bool = False  # whether products of linear layers are of bfloat16
    parts: int = 1  # of a batch, which have passes of their own

    def rate(self, epoch: float, first: float | None = None) -> float:
        """Return the learning rate at an epoch, counted from 0 with fractions.

        `first` is the rate that the schedule multiplies, if it isn't the plan's own.
        """
        rate = self.learning_rate if first is None else first
        return rate * (self.schedule(epoch) if self.schedule else 1.0)

    def grad_scale(self, norm: float) -> float:
        """Return the factor that clips a gradient of this norm to the largest allowed."""
        return 1.0 if self.clip_norm is None or norm <= self.clip_norm else self.clip_norm / norm


class _Stepper:
    """Takes the steps that a batch gives.

    Parameters
    ----------
    network : Network
    plan : Plan
    phases : int
        How many there are.

    Attributes
    ----------
    rate : float
        The last step's learning rate.
    """

    def __init__(self, network: Network, plan: Plan, phases: int) -> None:
        self.network, self.plan = network, plan
        self.guard, self.rate = Guard(network, phases), 0.0
        self._parted = PartedSteps(network, plan.parts) if plan.parts > 1 else None

    def take(self, phases: Sequence[Phase], i: int, batch: Batch, totals: dict[str, float]) -> None:
        """Take the steps of batch i, and add their sums to the totals.

        Raises FloatingPointError where something isn't finite.
        """
        if self._parted is not None and (batch.n > 1 or batch.pieces is not None):
            batch.noted = {}
            self.guard.begin_step()
            passes = self._parted.passes(batch, [phase.run for phase in phases])
            with contextlib.closing(passes):
                for k, sums in enumerate(passes):
                    self._descend(phases[: k + 1], i, batch, sums, totals)
                    self.guard.begin_step()
            return
        network = self.network
        target = batch.true_output() if network.is_teacher_forced else None
        how = {"records": True, "training": True, "lengths": batch.lengths, "target": target}
        with network.tape(**how) as tape:
            batch.begin(tape, "on", network.seed, network.samples)
            for k, phase in enumerate(phases):
                self.guard.begin_step()
                network.flat.forget_gradients()
                sums = phase.run(batch)
                self._descend(phases[: k + 1], i, batch, sums, totals)
            batch.end()

    def _descend(
        self,
        phases: Sequence[Phase],
        i: int,
        batch: Batch,
        sums: dict[str, float],
        totals: dict[str, float],
    ) -> None:
        """Take the step of the last of some phases."""
        network, plan, phase = self.network, self.plan, phases[-1]
        loss, norm = sums[phase.minimized], network.gradient_norm(phase.part)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self.guard.failed(i, batch, [p.run for p in phases], loss)
        self.rate = plan.rate(batch.epoch, phase.learning_rate)
        step = plan.optimizer, self.rate, plan.weight_decay, plan.grad_scale(norm), phase.part
        self.guard.descend(i, norm, *step)
        for name, value in sums.items():
            totals[name] = totals.get(name, 0.0) + value


def train(
    network: Network, objective: Objective, batches: BatchSource, plan: Plan, progress: Progress
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
    stepper, interrupts = _Stepper(network, plan, len(objective._phases())), Interrupts()
    for _ in range(plan.epochs):
        phases = objective._phases()  # callbacks may have changed their rates
        started, totals, observed, counted = time.perf_counter(), {"loss": 0.0}, 0.0, 0.0
        noted: dict[str, np.ndarray] = {}
        stepper.guard.begin_epoch()
        rows = batches.order(network.seed, network.samples) if plan.shuffle else None
        how = runtime.products_of_half(plan.half), np.errstate(all="ignore")
        with interrupts, how[0], how[1]:  # what isn't finite is found in each step
            for i, batch in enumerate(batches(rows, network.samples)):
                interrupts.check()
                batch.epoch = network.epoch + i / len(batches)
                with network.lock:  # others run the network between steps
                    stepper.take(phases, i, batch, totals)
                    for name, array in batch.noted.items():
                        if name in noted:
                            noted[name] += array
                        else:
                            noted[name] = array.copy()
                    network.samples += batch.whole
                counted += batch.counted
                observed += batch.observed
                progress.batch()
            network.epoch += 1
            observed, counted = (sum(over_rows(count)) for count in (observed, counted))
            means = means_of(totals, counted, observed)
            means |= objective._epoch_terms(means, noted, counted, observed)
        seconds = time.perf_counter() - started
        try:
            yield {
                "epoch": network.epoch,
                **means,
                "learning_rate": stepper.rate,
                "seconds": seconds,
            }
        finally:
            interrupts.check()  # whether or not another epoch is wanted
