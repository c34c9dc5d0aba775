"""What happens between epochs: callbacks of the user's, and stopping early."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .network import Kept, Network


@dataclass(frozen=True)
class TrainingState:
    """What a callback is given after each epoch. It may return True to stop training.

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


class EarlyStopping:
    """Stops when the loss has not improved for some epochs, and goes back to the best state.

    Parameters
    ----------
    network : Network
    patience : int
        How many epochs without a new best are allowed.

    Attributes
    ----------
    best : int
        The epoch whose state is the best so far; 0 before the first.
    """

    def __init__(self, network: Network, patience: int) -> None:
        self.network, self.patience = network, patience
        self.best, self.loss = 0, float("inf")
        self._kept: Kept | None = None
        self._steps = 0

    def update(self, record: dict[str, Any]) -> bool:
        """Note an epoch's record; return whether to stop. Watches val_loss, or loss without it."""
        loss = record.get("val_loss", record["loss"])
        if loss < self.loss:
            self.best, self.loss, self._steps = record["epoch"], loss, self.network.steps
            if self._kept is None:
                self._kept = Kept(self.network, "best", self.network.arrays())
            self._kept.keep()
        return record["epoch"] - self.best >= self.patience

    def restore(self) -> None:
        """Give the network the best state's parameters, moments and buffers."""
        if self._kept is not None:
            self._kept.restore()
            self.network.steps = self._steps
