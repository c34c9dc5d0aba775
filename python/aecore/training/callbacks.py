"""What happens between epochs: callbacks of the user's, and stopping early."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .checkpoint import Best
from .network import Network, Snapshot


@dataclass(frozen=True)
class TrainingState:
    """What a callback is given after each epoch. It may return True to stop training.

    A callback is anything that can be called with it: a function, or an object such as those of
    `aecore.callbacks`. One that holds something open may have a method ``close``, which is called
    when training ends, however it ends; another training may follow. One may change how training
    goes on: ``state.model.set_params(learning_rate=...)``, and ``schedule``, ``weight_decay``,
    ``clip_norm``, a ``discriminator_learning_rate``, from the next epoch on. The model keeps what
    was set last, and a checkpoint of a later epoch expects it. Training that goes on from a
    checkpoint calls the callbacks of the epoch where it was saved again, and of those behind it.

    Attributes
    ----------
    model
        The estimator in training; its methods can be called.
    epoch : int
        How many epochs the model has seen.
    record : dict
        This epoch's entry of ``history_``.
    """

    model: Any
    epoch: int
    record: dict[str, Any]


Callback = Callable[[TrainingState], Any]


def check(callbacks: Any) -> tuple[Callback, ...]:
    """Return callbacks as a tuple; TypeError for something that can't be called."""
    if callbacks is None or callable(callbacks) or not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks: expected a sequence of functions, got {callbacks!r}")
    callbacks = tuple(callbacks)
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(f"callbacks: expected functions, got {callback!r}")
    return callbacks


@contextlib.contextmanager
def closing(callbacks: Iterable[Callback]) -> Iterator[None]:
    """Close callbacks in the end, those that can be; tell aecore's own that training begins."""
    with contextlib.ExitStack() as stack:
        for callback in callbacks:
            start = getattr(callback, "_start_training", None)
            if callable(start):
                start()
            close = getattr(callback, "close", None)
            if callable(close):
                stack.callback(close)
        yield


def back_to(network: Network, best: Best) -> None:
    """Give a network the parameters, moments and buffers of its best state."""
    with network.lock:
        for name, array in network.arrays().items():
            np.copyto(array, best.arrays[name])
        network.steps = best.steps


class EarlyStopping:
    """Stops when the loss has not improved for some epochs, and goes back to the best state.

    Parameters
    ----------
    network : Network
    patience : int
        How many epochs without a new best are allowed.
    best : Best, optional
        The best state so far, of a training that goes on.

    Attributes
    ----------
    best : Best or None
        None before the first epoch.
    """

    def __init__(self, network: Network, patience: int, best: Best | None = None) -> None:
        self.network, self.patience = network, patience
        self.best = best

    def update(self, record: dict[str, Any]) -> bool:
        """Note an epoch's record; return whether to stop. Watches val_loss, or loss without it."""
        loss, network = record.get("val_loss", record["loss"]), self.network
        if loss < (float("inf") if self.best is None else self.best.loss):
            kept = Snapshot(network.arrays())
            self.best = Best(record["epoch"], network.steps, float(loss), kept.copies)
        best = 0 if self.best is None else self.best.epoch
        return record["epoch"] - best >= self.patience
