"""Going on from a checkpoint: finding it, and making sure that it belongs to the same training."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ...base import atomic, checks
from ...base.params import names
from ...base.text import printable
from ...files import document
from ...files.classes import VALUES
from ...files.codec import Decoder, added_since, completed, same_keys, shown
from ...training.checkpoint import Checkpoint, Saver, Stage, resolve
from . import state
from .state import written_params

if TYPE_CHECKING:
    from .model import BaseModel

# Parameters that may differ from the interrupted training's: they affect no number.
FREE = {"epochs", "callbacks", "checkpoint", "init", "n_threads", "verbose", "warm_start"}


class LoadedCheckpoint(NamedTuple):
    """What a checkpoint has: a model in training, and the stage of that."""

    model: Any
    stage: Stage


def checkpoint_of(model: BaseModel) -> Checkpoint | None:
    """Return a model's checkpoint with the path that it has from now on, if there is one."""
    return None if model.checkpoint is None else resolve(model.checkpoint).fixed()


def find_checkpoint(
    model: BaseModel, checkpoint: Checkpoint | None, resume: bool
) -> LoadedCheckpoint | None:
    """Return what a model's checkpoint has; None if there is no file yet, or without `resume`.

    Raises
    ------
    FileNotFoundError
        For a checkpoint in a folder that doesn't exist, with or without `resume`.
    ValueError
        For a model without a checkpoint, and for the file of another training.
    """
    path = None if checkpoint is None else checkpoint.file()
    if not checks.boolean("resume", resume):
        return None
    if path is None:
        raise ValueError("resume: expected a model with a checkpoint to go on from, got None")
    atomic.sweep(path)
    if not os.path.exists(path):
        return None
    try:
        config, tensors = document.read(path)
        compare(type(model), written_params(model), config, path)
        found = type(model)(**model.get_params(deep=False))
        decoder = Decoder((*VALUES, *model._nested), sum(t.size for t in tensors.values()))
        stage = state.fill(found, config, tensors, decoder)
    except OtherTraining:
        raise
    except state.DAMAGE as error:
        raise state.not_read(path, error) from None
    if stage is None:
        raise ValueError(f"resume: {path}: expected a checkpoint, got a model without its training")
    return LoadedCheckpoint(found, stage)


def saver_of(
    model: BaseModel,
    checkpoint: Checkpoint | None,
    found: LoadedCheckpoint | None = None,
) -> Saver:
    """Return what saves a model in training, which begins now or goes on."""
    stage = Stage(model._network.epoch) if found is None else found.stage
    return Saver(checkpoint, model, stage, state.save)


class OtherTraining(ValueError):
    """A checkpoint is of another training than the one that is to go on."""


def compare(cls: type, ours: dict[str, Any], config: Any, path: Any) -> None:
    """Raise ValueError unless a file has the parameters of the same training.

    Parameters
    ----------
    cls : type
        The model's class.
    ours : dict
        Its parameters as a file has them.
    config : object from JSON
        What the file says.
    path : str
        For messages.
    """
    if not isinstance(config, dict) or not isinstance(config.get("params"), dict):
        raise ValueError("configuration: expected a dictionary with a model's params, got none")
    if config.get("model") != cls.__name__:
        raise OtherTraining(
            f"resume: {path}: expected a checkpoint of {cls.__name__}, got one of "
            f"{printable(config.get('model'))}"
        )
    theirs = added_since(cls.__name__, ours) | completed(config["params"])
    same_keys(theirs, ours, "parameters")
    for name in ours:
        if name not in FREE and ours[name] != theirs[name]:
            trained = printable(shown(theirs[name]))
            raise OtherTraining(
                f"resume: {path}: expected {name}={trained}, as it was trained with, "
                f"got {shown(ours[name])}; delete the file to start afresh, or load it and go on "
                "with warm_start"
            )


def check_count(model: BaseModel, found: LoadedCheckpoint, n: int) -> None:
    """Raise ValueError unless a checkpoint's epochs were of as many samples as there are now."""
    network = found.model._network
    if found.stage.first == 0 and network.samples != network.epoch * n:
        raise ValueError(
            f"resume: {resolve(model.checkpoint).file()}: expected "
            f"{network.samples // network.epoch} samples, as it was trained on, got {n}; delete "
            "the file to start afresh, or load it and go on with warm_start"
        )


def take_fit(model: BaseModel, other: BaseModel) -> None:
    """Give a model what another of its class has learned."""
    params = names(type(model))
    with model._replacing_network():
        for name in [k for k in vars(model) if k.endswith("_")]:
            delattr(model, name)  # the other may lack it
        for name, value in vars(other).items():
            if name not in params:
                setattr(model, name, value)
