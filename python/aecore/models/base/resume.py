"""Going on from a checkpoint: finding it, and making sure that it belongs to the same training."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ...base import checks
from ...base.params import names
from ...training.checkpoint import Saver, Stage, resolve, sweep

if TYPE_CHECKING:
    from .estimator import BaseModel

# What may differ from the training that is gone on with: it changes no number.
FREE = {"epochs", "callbacks", "checkpoint", "n_threads", "verbose", "warm_start"}


class Found(NamedTuple):
    """A checkpoint: a model in training, and where that stands."""

    model: Any
    stage: Stage


def find(model: BaseModel, resume: bool) -> Found | None:
    """Return what a model's checkpoint has; None if there is no file yet, or none is asked for.

    Raises
    ------
    FileNotFoundError
        For a checkpoint in a folder that doesn't exist, whether or not it is asked for.
    ValueError
        For a model without a checkpoint, and for the file of another training.
    """
    from ...files.load import load_checkpoint

    path = None if model.checkpoint is None else resolve(model.checkpoint).file()
    if not checks.boolean("resume", resume):
        return None
    if path is None:
        raise ValueError("resume: expected a model with a checkpoint to go on from, got None")
    sweep(path)
    if not os.path.exists(path):
        return None
    found, stage = load_checkpoint(path)
    if stage is None:
        raise ValueError(f"resume: {path} is a model that was saved without its training")
    compare(model, found, path)
    found.warm_start = True  # it is read, and gone on with
    return Found(found, stage)


def saver_of(model: BaseModel, found: Found | None = None) -> Saver:
    """Return what saves a model in training, which begins now or goes on."""
    stage = Stage(model._network.epoch) if found is None else found.stage
    checkpoint = None if model.checkpoint is None else resolve(model.checkpoint)
    return Saver(checkpoint, model, stage)


def compare(model: BaseModel, found: BaseModel, path: Any) -> None:
    """Raise ValueError unless both have the parameters of the same training."""
    from ...files.load import written_params

    if type(found) is not type(model):
        raise ValueError(
            f"resume: {path} is from {type(found).__name__}, expected one from "
            f"{type(model).__name__}"
        )
    ours, theirs = written_params(model), written_params(found)
    for name in names(type(model)):
        if name not in FREE and ours[name] != theirs[name]:
            raise ValueError(
                f"resume: {path} was trained with {name}={getattr(found, name)!r}, expected the "
                f"same to go on with, got {getattr(model, name)!r}; delete the file to start "
                "afresh, or load it and go on with warm_start"
            )


def check_count(model: BaseModel, found: Found, n: int) -> None:
    """Raise ValueError unless a checkpoint's epochs were of as many samples as there are now."""
    network = found.model._network
    if found.stage.first == 0 and network.samples != network.epoch * n:
        raise ValueError(
            f"resume: {resolve(model.checkpoint).file()} was trained on "
            f"{network.samples // network.epoch} samples, expected the same to go on with, got "
            f"{n}; delete the file to start afresh, or load it and go on with warm_start"
        )


def take_fit(model: BaseModel, other: BaseModel) -> None:
    """Give a model what another of its class has learned."""
    for name in [k for k in vars(model) if k.endswith("_")]:
        delattr(model, name)  # what the other may not have
    params = names(type(model))
    for name, value in vars(other).items():
        if name not in params:
            setattr(model, name, value)
