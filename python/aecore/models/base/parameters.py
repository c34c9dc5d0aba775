"""The parameters that objectives share, stored as they are given and checked before training."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import penalties
from ...base import checks
from ...base.sklearn import Estimator, check_random_state
from ...data import corruption
from ...losses import NAMES
from ...training import callbacks as _callbacks
from ...training import checkpoint, optim
from ...training.schedules import Schedule


class Parametrized(Estimator):
    """What `__init__` of an objective is given; a subclass checks its own beside these."""

    arch: Any
    loss: str
    tied: bool
    corruption: Any
    penalty: penalties.Penalty | None
    pretrain_epochs: int
    optimizer: Any
    learning_rate: float
    weight_decay: float
    schedule: Schedule | None
    clip_norm: float | None
    batch_size: int
    epochs: int
    shuffle: bool
    validation_fraction: float
    patience: int | None
    warm_start: bool
    callbacks: Any
    checkpoint: Any
    random_state: Any
    n_threads: int | None
    verbose: int

    _losses: tuple[str, ...] = NAMES
    _pretrains = False  # whether it has `_pretrain`
    _no_penalty = "which has no code to penalise"  # why none goes with it; empty where they do

    def _corruptions(self) -> tuple[Any, ...]:
        """Return what corrupts the input; behind it what other levels have, if they are trained."""
        return (self.corruption,)

    def _store(self, arguments: dict[str, Any]) -> None:
        """Store the arguments of `__init__` under their names, and nothing else."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _check_params(self) -> None:
        """Raise TypeError or ValueError for a parameter that makes no sense."""
        checks.choice("loss", self.loss, self._losses)
        checks.boolean("tied", self.tied)
        for noise in self._corruptions():
            corruption.check(noise)
        penalties.check(self, self._no_penalty)
        if checks.integer("pretrain_epochs", self.pretrain_epochs) and not self._pretrains:
            raise ValueError(
                "pretrain_epochs: only the layers of an Autoencoder are pretrained, as plain "
                f"autoencoders; expected 0 for a {type(self).__name__}, got {self.pretrain_epochs}"
            )
        self._check_training_params()

    def _optimizer(self) -> optim.Optimizer:
        """Return the optimiser that the parameter stands for."""
        return optim.resolve(self.optimizer)

    def _check_training_params(self) -> None:
        self._optimizer()
        checks.real("learning_rate", self.learning_rate, above=True)
        checks.real("weight_decay", self.weight_decay)
        checks.instance("schedule", self.schedule, Schedule, "Cosine(20)")
        if self.schedule is not None:
            self.schedule.check()
        if self.clip_norm is not None:
            checks.real("clip_norm", self.clip_norm, above=True)
        checks.integer("batch_size", self.batch_size, 1)
        checks.integer("epochs", self.epochs, 0)
        checks.boolean("shuffle", self.shuffle)
        if checks.real("validation_fraction", self.validation_fraction, 0, 1) == 1:
            raise ValueError("validation_fraction: expected less than 1, got 1")
        if self.patience is not None:
            checks.integer("patience", self.patience, 1)
        checks.boolean("warm_start", self.warm_start)
        _callbacks.check(self.callbacks)
        if self.checkpoint is not None:
            checkpoint.resolve(self.checkpoint)
        check_random_state(self.random_state)
        if self.n_threads is not None:
            checks.integer("n_threads", self.n_threads, 1, 4096)
        if not isinstance(self.verbose, (bool, np.bool_)):
            checks.integer("verbose", self.verbose)
