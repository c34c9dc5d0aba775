"""What happens around the epochs of a training: validation, callbacks, stopping, checkpoints."""

from __future__ import annotations

import contextlib
import math
from typing import Any, Protocol

import numpy as np

from ..base.params import same
from ..data.batches import Batches, BatchSource
from .callbacks import EarlyStopping, TrainingState, back_to, closing
from .checkpoint import Saver
from .group import current, first
from .loop import Objective, Plan, train
from .network import Network
from .progress import NUMBERS, Progress
from .schedules import Schedule

MOST_RECORDS = 512  # of a history, behind passes without end

FOLLOWED = "learning_rate schedule weight_decay clip_norm".split()  # may change between epochs
FIXED = "batch_size corruption epochs optimizer patience shuffle".split()  # hold for a training


class Trained(Objective, Protocol):
    """A model, as far as its training goes."""

    _network: Network
    patience: int | None
    schedule: Schedule | None
    callbacks: Any
    verbose: int | None
    history_: list[dict[str, Any]]
    best_epoch_: int

    def _check_training_params(self) -> None:
        """Raise TypeError or ValueError for a parameter of training that makes no sense."""

    def _converged(self, record: dict[str, Any]) -> bool:
        """Return whether training has come to its end with an epoch, given its record."""

    def _validate(self, batches: Batches) -> dict[str, float]:
        """Return the means of the terms over samples that aren't trained on."""


def run(
    model: Trained,
    batches: BatchSource,
    validation: Batches | None,
    plan: Plan,
    saver: Saver,
    again: bool,
) -> None:
    """Train for the epochs of a plan, or until a callback or early stopping ends it.

    `again` is whether the callbacks of the last epoch are still to be called, as after a resume.
    """
    network, stopping = model._network, None
    if model.patience is not None:
        stopping = EarlyStopping(network, int(model.patience), saver.stage.best)
    together = current()
    verbose = model.verbose if together is None or together.rank == 0 else 0
    progress = Progress(verbose, plan.epochs, len(batches), network.epoch)
    with progress, network.in_training(), closing(model.callbacks):
        again = again and network.epoch > saver.stage.first
        if again:
            saver.name(model.history_[-1])
        stopped = again and _should_stop(model, model.history_[-1], stopping, plan)
        _look_back(model, plan)
        if not stopped:
            with contextlib.closing(train(network, model, batches, plan, progress)) as records:
                for record in records:
                    model.history_.append(record)
                    if validation is not None:  # a new record: others may be reading the old one
                        record = model.history_[-1] = record | model._validate(validation)
                    progress.epoch(record)
                    saver.after_epoch(record)
                    stopped = _should_stop(model, record, stopping, plan)
                    _look_back(model, plan)
                    saver.at(best=stopping.best if stopping is not None else None)
                    if stopped:
                        break
    best = stopping.best if stopping is not None else None
    if best is not None:
        model.best_epoch_ = best.epoch
    saver.at(over=True, stopped=stopped, best=best)
    saver.save()
    if best is not None:
        back_to(network, best)


def _look_back(model: Trained, plan: Plan) -> None:
    """Let the schedule see what the epochs have come to."""
    if model.schedule is not None:
        plan.schedule = model.schedule.behind(model.history_)


def thin(history: list[dict[str, Any]]) -> None:
    """Leave out records, in place, of a history that has grown long, and will grow on.

    Kept are those of every 2nd, 4th, ... epoch, half of `MOST_RECORDS` or fewer, and the first of
    those with the lowest value of each number, as a checkpoint's best epoch is looked for there.
    """
    plain = [record for record in history if "level" not in record]
    if len(plain) < MOST_RECORDS:
        return
    lowest: dict[str, tuple[float, int]] = {}
    for record in plain:
        for name, value in record.items():
            if name == "seconds":  # which would make another history each time
                continue
            if isinstance(value, NUMBERS) and value < lowest.get(name, (math.inf, 0))[0]:
                lowest[name] = (float(value), id(record))
    kept = {id(plain[-1]), *(place for _, place in lowest.values())}
    step, epochs = 2, [record.get("epoch", 0) for record in plain]
    while sum(epoch % step == 0 for epoch in epochs) > MOST_RECORDS // 2 and step < 1 << 62:
        step *= 2
    kept |= {id(r) for r, epoch in zip(plain, epochs, strict=True) if epoch % step == 0}
    history[:] = [record for record in history if "level" in record or id(record) in kept]


def _should_stop(
    model: Any, record: dict[str, Any], stopping: EarlyStopping | None, plan: Plan
) -> bool:
    """Call the callbacks; return whether one of them or early stopping ends the training."""
    state = TrainingState(model, record["epoch"], record)
    before = _training_params(model)
    stops = [*_called(model, state), model._converged(record)]
    _follow(model, before, plan)
    if stopping is not None:
        stops.append(stopping.update(record))
    return any(stops)


def _is_true(answer: Any) -> bool:
    """Whether a callback asks to stop: by True, or NumPy's, which comparing its numbers gives."""
    return isinstance(answer, bool | np.bool_) and bool(answer)


def _called(model: Any, state: TrainingState) -> list[bool]:
    """Call the callbacks, and return which would stop; in a group all change as the first does."""
    if current() is None:
        return [_is_true(callback(state)) for callback in model.callbacks]

    def called() -> tuple[list[bool], dict[str, Any]]:
        before = model.get_params(deep=False)
        stops = [_is_true(callback(state)) for callback in model.callbacks]
        after = model.get_params(deep=False)
        return stops, {k: v for k, v in after.items() if not same(v, before[k])}

    stops, changed = first(called)
    for name, value in changed.items():
        setattr(model, name, value)
    return stops


def _training_params(model: Any) -> dict[str, Any]:
    return {name: getattr(model, name, None) for name in (*FOLLOWED, *FIXED)}


def _follow(model: Any, before: dict[str, Any], plan: Plan) -> None:
    """Train on with the parameters that a callback has changed; ValueError where that can't be."""
    changed = {k: v for k, v in _training_params(model).items() if not same(v, before[k])}
    for name in FIXED:
        if name in changed:
            raise ValueError(
                f"callbacks: expected no change of {name}, which holds for a whole training, got "
                f"{changed[name]!r} in place of {before[name]!r}"
            )
    if changed:
        model._check_training_params()
    for name, value in changed.items():
        setattr(plan, name, value if name == "schedule" or value is None else float(value))
