"""What happens around the epochs of a training: validation, callbacks, stopping, checkpoints."""

from __future__ import annotations

import contextlib
from typing import Any, Protocol

from ..data.batches import Batches, Passes
from .callbacks import EarlyStopping, TrainingState, back_to, closing
from .checkpoint import Saver
from .loop import Objective, Plan, train
from .network import Network
from .progress import Progress


class Trained(Objective, Protocol):
    """A model, as far as its training goes."""

    _network: Network
    patience: int | None
    callbacks: Any
    verbose: int
    history_: list[dict[str, Any]]
    best_epoch_: int

    def _validate(self, batches: Batches) -> dict[str, float]:
        """Return the means of the terms over samples that aren't trained on."""


def run(
    model: Trained,
    batches: Passes,
    validation: Batches | None,
    plan: Plan,
    saver: Saver,
    again: bool,
) -> None:
    """Train for the epochs of a plan, or until somebody wishes to stop.

    `again` is whether the last epoch was followed by its checkpoint alone: by no callbacks.
    """
    network, stopping = model._network, None
    if model.patience is not None:
        stopping = EarlyStopping(network, int(model.patience), saver.stage.best)
    progress = Progress(model.verbose, plan.epochs, len(batches), network.epoch)
    with progress, network.in_training(), closing(model.callbacks):
        again = again and network.epoch > saver.stage.first
        stopped = again and _wishes(model, model.history_[-1], stopping)
        if not stopped:
            with contextlib.closing(train(network, model, batches, plan, progress)) as records:
                for record in records:
                    model.history_.append(record)
                    if validation is not None:
                        record |= model._validate(validation)
                    progress.epoch(record)
                    saver.after_epoch(record)
                    stopped = _wishes(model, record, stopping)
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


def _wishes(model: Any, record: dict[str, Any], stopping: EarlyStopping | None) -> bool:
    """Call the callbacks and see whether to stop early; return whether anybody wishes to."""
    state = TrainingState(model, record["epoch"], record)
    wishes = [callback(state) is True for callback in model.callbacks]
    if stopping is not None:
        wishes.append(stopping.update(record))
    return any(wishes)
