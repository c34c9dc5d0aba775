"""Going on from a checkpoint: finding it, and making sure that it belongs to the same training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .._params import names
from ..training.checkpoint import Stage, resolve

if TYPE_CHECKING:
    from ._base import BaseModel

# What may differ from the training that is gone on with: it changes no number.
FREE = {"epochs", "callbacks", "checkpoint", "n_threads", "verbose", "warm_start"}


class Found(NamedTuple):
    """A checkpoint: a model in training, and where that stands."""

    model: Any
    stage: Stage


def find(model: BaseModel) -> Found | None:
    """Return what a model's checkpoint has; None if there is no file yet.

    Raises
    ------
    ValueError
        For a model without a checkpoint, and for the file of another training.
    """
    from ..io import load_checkpoint

    if model.checkpoint is None:
        raise ValueError("resume: expected a model with a checkpoint to go on from, got None")
    path = resolve(model.checkpoint).file()
    if not path.exists():
        return None
    found, stage = load_checkpoint(path)
    if stage is None:
        raise ValueError(f"resume: {path} is a model that was saved without its training")
    _compare(model, found, path)
    found.warm_start = True  # it is read, and gone on with
    return Found(found, stage)


def _compare(model: BaseModel, found: BaseModel, path: Any) -> None:
    """Raise ValueError unless both have the parameters of the same training."""
    from ..io import written_params

    if type(found) is not type(model):
        raise ValueError(
            f"resume: {path} is of a {type(found).__name__}, expected a {type(model).__name__}'s"
        )
    ours, theirs = written_params(model), written_params(found)
    for name in names(type(model)):
        if name not in FREE and ours[name] != theirs[name]:
            raise ValueError(
                f"resume: {path} was trained with {name}={getattr(found, name)!r}, expected the "
                f"same to go on with, got {getattr(model, name)!r}; delete the file to start "
                "afresh, or load it and go on with warm_start"
            )


def take_fit(model: BaseModel, other: BaseModel) -> None:
    """Give a model what another of its class has learned."""
    params = names(type(model))
    for state in (vars(model), vars(other)):
        for name in [k for k in state if k not in params and not k.startswith("_sklearn")]:
            value = state.pop(name)
            if state is not vars(model):
                setattr(model, name, value)
