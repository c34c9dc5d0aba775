"""Checkpoints: what of a training is written to disk, when, and what going on with it needs."""

from __future__ import annotations

import contextlib
import copy
import errno
import os
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..base import atomic, checks
from ..base.params import Choice
from .group import by_first


class Checkpoint(Choice):
    """When a training is saved, and what is kept of it.

    The file at `path` always has the last state that was saved: the model, which `aecore.load`
    reads, and what ``fit(X, resume=True)`` needs to go on from there and arrive at the very bits of
    a training that nothing has interrupted. It is written aside, flushed to disk and then renamed,
    so that it is whole at any moment.

    States are saved between epochs, before that epoch's callbacks, and at the end of `fit`: from
    then on `load` gives the model as `fit` has left it, in its best state if there was
    ``patience``. Beside ``run.aecore`` there may be ``run.best.aecore`` and
    ``run.epoch-12.aecore``, models likewise.

    Parameters
    ----------
    path : str or path-like
        Of the file, in a folder that exists.
    every_epochs : int or None
        Epochs from one saving to the next. None is 1, unless `every_minutes` is given.
    every_minutes : float or None
        In place of `every_epochs`: at the end of an epoch, if so much time has passed.
    keep : int
        How many of the last saved states keep a file of their own.
    keep_best : bool
        Whether the epoch with the lowest `monitor` keeps a file too. Every epoch counts, whether or
        not it is saved otherwise.
    monitor : str or None
        The name of a number in ``history_``. None is val_loss, or loss without validation.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saving = ae.Checkpoint(os.path.join(folder, "run.aecore"), keep=2)
    ...     model = ae.Autoencoder(ae.Dense((16,)), 2, epochs=3, checkpoint=saving)
    ...     model = model.fit(X, resume=True)  # the same call goes on after a kill
    ...     sorted(os.listdir(folder))
    ['run.aecore', 'run.epoch-2.aecore', 'run.epoch-3.aecore']
    """

    def __init__(
        self,
        path: Any,
        *,
        every_epochs: int | None = None,
        every_minutes: float | None = None,
        keep: int = 0,
        keep_best: bool = False,
        monitor: str | None = None,
    ) -> None:
        self.path = path
        self.every_epochs = every_epochs
        self.every_minutes = every_minutes
        self.keep = keep
        self.keep_best = keep_best
        self.monitor = monitor

    def check(self) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        if not isinstance(self.path, (str, os.PathLike)):
            raise TypeError(f"checkpoint: expected None, a path or a Checkpoint, got {self.path!r}")
        if self.every_epochs is not None:
            checks.integer("checkpoint: every_epochs", self.every_epochs, 1)
        if self.every_minutes is not None:
            checks.real("checkpoint: every_minutes", self.every_minutes)
            if self.every_epochs is not None:
                raise ValueError(
                    "checkpoint: expected every_epochs or every_minutes, got both, "
                    f"{self.every_epochs} and {self.every_minutes}"
                )
        checks.integer("checkpoint: keep", self.keep)
        checks.boolean("checkpoint: keep_best", self.keep_best)
        if self.monitor is not None:
            if not isinstance(self.monitor, str):
                raise TypeError(f"checkpoint: monitor: expected a name, got {self.monitor!r}")
            if not self.keep_best:
                raise ValueError(
                    f"checkpoint: monitor: expected None without keep_best, got {self.monitor!r}"
                )

    def fixed(self) -> Checkpoint:
        """Return the same with an absolute path, whatever folder the program changes to."""
        found = copy.copy(self)
        found.path = os.path.abspath(self.path)
        return found

    def file(self, kind: str = "") -> str:
        """Return the path of the file, or of one beside it.

        Raises
        ------
        OSError
            Without a folder, or if something stands there that no file may replace.
        """
        path = os.path.abspath(self.path)
        if not os.path.isdir(folder := os.path.dirname(path)):
            raise FileNotFoundError(f"checkpoint: expected a folder {folder}, got none")
        atomic.check(self.path)
        stem, suffix = os.path.splitext(path)
        return f"{stem}.{kind}{suffix}" if kind else path


def resolve(checkpoint: Any) -> Checkpoint:
    """Return the checkpoint that a path stands for, or the one given, checked."""
    found = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    found.check()
    return found


class Best(NamedTuple):
    """The best state of a training so far.

    Attributes
    ----------
    epoch, steps : int
        Where it was.
    loss : float
    arrays : dict of str to ndarray
        What `Network.arrays` gave then.
    """

    epoch: int
    steps: int
    loss: float
    arrays: dict[str, np.ndarray]


class Stage(NamedTuple):
    """Where a training stands: what a checkpoint has beside the model.

    Attributes
    ----------
    first : int
        How many epochs the model had seen when the training began.
    over : bool
        Whether it has come to its end, callbacks and all.
    stopped : bool
        Whether it is over before its last epoch.
    complete : bool
        Whether the training of a prior, which follows it, is over too.
    best : Best or None
        What stopping early would go back to. A model that is over is in its last state in the file,
        from which more epochs can go on, and `load` gives this one.
    level : model or None
        What is being pretrained.
    """

    first: int
    over: bool = False
    stopped: bool = False
    complete: bool = False
    best: Best | None = None
    level: Any = None


class Saver:
    """Saves a model while it is trained, as its checkpoint says.

    Parameters
    ----------
    checkpoint : Checkpoint or None
        None saves nothing. Its path is that of the folder of now.
    model
        What is saved.
    stage : Stage
        Where its training begins or goes on.
    write : callable
        Writes a model and a stage to a path.
    """

    def __init__(
        self,
        checkpoint: Checkpoint | None,
        model: Any,
        stage: Stage,
        write: Callable[[Any, str, Stage], None],
    ) -> None:
        self.checkpoint = None if checkpoint is None else checkpoint.fixed()
        self.model, self.stage, self._save = model, stage, write
        self._epochs, self._time = 0, time.monotonic()

    def at(self, **changes: Any) -> None:
        """Note where the training stands."""
        self.stage = self.stage._replace(**changes)

    @by_first
    def after_epoch(self, record: dict[str, Any]) -> None:
        """Save what is due after an epoch, whose record is the last of the history."""
        checkpoint = self.checkpoint
        if checkpoint is None:
            return
        self._epochs += 1
        due = self._epochs >= (checkpoint.every_epochs or 1)
        if checkpoint.every_minutes is not None:
            due = time.monotonic() - self._time >= 60 * checkpoint.every_minutes
        if due:
            self.save()
            self.name(record)
        elif checkpoint.keep_best and self.stage.level is None and self._is_best(record):
            self._write(checkpoint.file("best"))

    @by_first
    def save(self) -> None:
        """Save now."""
        if self.checkpoint is None:
            return
        self._write(self.checkpoint.file())
        self._epochs, self._time = 0, time.monotonic()

    @by_first
    def name(self, record: dict[str, Any]) -> None:
        """Give the file of an epoch, as it was saved, its other names.

        On going on this is done again, as what has ended the training may have come before it.
        """
        checkpoint = self.checkpoint
        if checkpoint is None or self.stage.level is not None:
            return
        if checkpoint.keep:
            epoch = self.model._network.epoch
            atomic.alias(checkpoint.file(), checkpoint.file(f"epoch-{epoch}"))
            self._forget(epoch)
        if checkpoint.keep_best and self._is_best(record):
            atomic.alias(checkpoint.file(), checkpoint.file("best"))

    def _write(self, path: str) -> None:
        self._save(self.model, path, self.stage)

    def _is_best(self, record: dict[str, Any]) -> bool:
        """Whether no epoch before had as low a value; the history knows, after a resume too."""
        assert self.checkpoint is not None
        name = self.checkpoint.monitor or ("val_loss" if "val_loss" in record else "loss")
        if not isinstance(record.get(name), (int, float, np.integer, np.floating)):
            raise ValueError(
                f"checkpoint: monitor: expected one of {', '.join(record)}, got {name!r}"
            )
        before = [r[name] for r in self.model.history_[:-1] if name in r and "level" not in r]
        return all(record[name] < value for value in before)

    def _forget(self, epoch: int) -> None:
        """Delete the files of all but the last epochs up to this one."""
        assert self.checkpoint is not None
        folder, name = os.path.split(self.checkpoint.file())
        stem, suffix = os.path.splitext(name)
        pattern = rf"{re.escape(stem)}\.epoch-(\d+){re.escape(suffix)}"
        matches = [re.fullmatch(pattern, name) for name in _names_in(folder)]
        found = {int(m[1]): m[0] for m in matches if m and int(m[1]) <= epoch}
        for number in sorted(found)[: -self.checkpoint.keep]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, found[number]))


def _names_in(folder: str) -> list[str]:
    """Return the names in a folder; MemoryError where the system has no memory for them."""
    try:
        return os.listdir(folder)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError(f"too little memory to read {folder}") from None
        raise
