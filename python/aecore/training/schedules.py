"""How the learning rate changes over training: a factor as a function of the epoch.

A schedule's horizon is its own parameter, in epochs since the model was made, and never the number
of epochs that `fit` happens to run. So ten epochs, a saved file and ten more give the same steps as
twenty. The factor multiplies ``learning_rate`` and is taken afresh for every batch, at the epoch as
a fraction: 2.5 is the middle of the third one. Schedules multiply: ``Warmup(2) * Cosine(20)``.
`Plateau` looks at the history of the training, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..base import checks
from ..base.params import Choice


class Schedule(Choice):
    """A factor of the learning rate."""

    def __call__(self, epoch: float) -> float:
        """Return the factor at an epoch, counted from 0 with fractions."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        raise NotImplementedError

    def behind(self, history: Iterable[Mapping[str, Any]]) -> Schedule:
        """Return what it comes to behind the epochs of a history, which few look at."""
        return self

    def __mul__(self, other: Schedule) -> Product:
        if not isinstance(other, Schedule):
            return NotImplemented
        return Product(self, other)


class Constant(Schedule):
    """The same factor throughout.

    Parameters
    ----------
    factor : float
    """

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def __call__(self, epoch: float) -> float:
        """Return the factor."""
        return float(self.factor)

    def check(self) -> None:
        """Raise TypeError or ValueError for a factor below 0."""
        checks.real("schedule: factor", self.factor)


class Cosine(Schedule):
    r"""Half a cosine wave from 1 to `final`, which then stays.

    .. math:: f + (1 - f) (1 + \cos(\pi \min(t / T, 1))) / 2

    Parameters
    ----------
    epochs : float
        T, where the factor arrives at `final`.
    final : float
        f.

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """

    def __init__(self, epochs: float, final: float = 0.0) -> None:
        self.epochs = epochs
        self.final = final

    def __call__(self, epoch: float) -> float:
        """Return the factor at an epoch."""
        wave = (1 + math.cos(math.pi * min(epoch / self.epochs, 1.0))) / 2
        return self.final + (1 - self.final) * wave

    def check(self) -> None:
        """Raise TypeError or ValueError for a horizon of 0 or less, or a final factor below 0."""
        checks.real("schedule: epochs", self.epochs, above=True)
        checks.real("schedule: final", self.final)


class Step(Schedule):
    """Multiply by `factor` after every so many epochs.

    Parameters
    ----------
    every : float
        Epochs between two changes.
    factor : float
    """

    def __init__(self, every: float, factor: float = 0.1) -> None:
        self.every = every
        self.factor = factor

    def __call__(self, epoch: float) -> float:
        """Return the factor at an epoch."""
        return float(self.factor ** math.floor(epoch / self.every))

    def check(self) -> None:
        """Raise TypeError or ValueError for a period of 0 or less, or a factor outside [0, 1]."""
        checks.real("schedule: every", self.every, above=True)
        checks.real("schedule: factor", self.factor, 0, 1)


class Warmup(Schedule):
    """Rise in a straight line from `start` to 1, which then stays.

    Parameters
    ----------
    epochs : float
        Where the factor arrives at 1.
    start : float
        The factor at the very beginning.
    """

    def __init__(self, epochs: float, start: float = 0.01) -> None:
        self.epochs = epochs
        self.start = start

    def __call__(self, epoch: float) -> float:
        """Return the factor at an epoch."""
        return self.start + (1 - self.start) * min(epoch / self.epochs, 1.0)

    def check(self) -> None:
        """Raise TypeError or ValueError for a rise of 0 epochs or a start outside [0, 1]."""
        checks.real("schedule: epochs", self.epochs, above=True)
        checks.real("schedule: start", self.start, 0, 1)


class Plateau(Schedule):
    """Multiply by `factor` whenever the loss hasn't become lower for so many epochs.

    The loss is that of validation, ``val_loss``, where there is one. The factor follows from the
    model's ``history_`` alone, so that a training that is resumed goes on as it would have.

    Parameters
    ----------
    patience : int
        Epochs without a lower loss, after which the rate falls; so many again, and it falls again.
    factor : float
        In (0, 1).
    threshold : float
        By which share of itself a loss has to become lower.
    least : float
        The smallest factor in all.
    monitor : str, optional
        Another number of ``history_`` to look at, which is better the lower it is.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.Autoencoder(ae.Dense((16,)), 4, schedule=ae.Plateau(2, threshold=0.1), epochs=9)
    >>> model = model.set_params(validation_fraction=0.2, random_state=0).fit(X)
    >>> model.history_[-1]["learning_rate"] < model.history_[0]["learning_rate"]
    True
    """

    def __init__(
        self,
        patience: int = 5,
        factor: float = 0.5,
        threshold: float = 1e-4,
        least: float = 1e-3,
        monitor: str | None = None,
    ) -> None:
        self.patience = patience
        self.factor = factor
        self.threshold = threshold
        self.least = least
        self.monitor = monitor

    def __call__(self, epoch: float) -> float:
        """Return 1: nothing has been seen yet."""
        return 1.0

    def behind(self, history: Iterable[Mapping[str, Any]]) -> Schedule:
        """Return the factor behind the epochs of a history."""
        lowest, since, found = math.inf, 0, 1.0
        for record in history:
            if "level" in record:  # of a pretraining
                continue
            epoch, value = record["epoch"], self._value(record)
            if value is None:
                continue
            if lowest == math.inf or value < lowest - self.threshold * abs(lowest):
                lowest, since = value, epoch
            elif epoch - since >= self.patience:
                found, since = max(found * self.factor, self.least), epoch
        return Constant(found)

    def _value(self, record: Mapping[str, Any]) -> float | None:
        """Return what is to become lower; None where that isn't known."""
        name = self.monitor
        if name is not None and name not in record:
            known = ", ".join(key for key in record if key not in ("epoch", "seconds"))
            raise ValueError(f"schedule: monitor: expected one of {known}, got {name!r}")
        value = record.get(name or "val_loss", record["loss"] if name is None else None)
        return float(value) if value is not None and math.isfinite(value) else None

    def check(self) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        checks.integer("schedule: patience", self.patience, 1)
        if checks.real("schedule: factor", self.factor, 0, 1, above=True) == 1:
            raise ValueError("schedule: factor: expected less than 1, got 1")
        checks.real("schedule: threshold", self.threshold, 0, 1)
        checks.real("schedule: least", self.least, 0, 1)
        if self.monitor is not None and not isinstance(self.monitor, str):
            raise TypeError(f"schedule: monitor: expected a name or None, got {self.monitor!r}")


class Product(Schedule):
    """The product of two schedules; made by multiplying them.

    Parameters
    ----------
    first, second : Schedule
    """

    def __init__(self, first: Schedule, second: Schedule) -> None:
        self.first = first
        self.second = second

    def __call__(self, epoch: float) -> float:
        """Return the product of the two factors at an epoch."""
        return self.first(epoch) * self.second(epoch)

    def behind(self, history: Iterable[Mapping[str, Any]]) -> Schedule:
        """Return the product of what both come to."""
        return Product(self.first.behind(history), self.second.behind(history))

    def check(self) -> None:
        """Check both."""
        for schedule in (self.first, self.second):
            if not isinstance(schedule, Schedule):
                raise TypeError(f"schedule: expected two schedules, got {schedule!r}")
            schedule.check()

    def __repr__(self) -> str:
        return f"{self.first!r} * {self.second!r}"
