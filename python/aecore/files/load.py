"""Reading model files: the one place that knows which models there are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from .. import models
from ..base.params import Params
from ..base.tracebacks import short
from ..models.base import state
from ..nn.module import Module
from ..training import checkpoint
from ..training.callbacks import back_to
from . import document
from .classes import VALUES
from .codec import Decoder

MODELS = tuple(
    model
    for model in (getattr(models, name) for name in models.__all__)
    if hasattr(model, "_restore")  # it describes itself
)


@short
def load(path: Any, *, classes: Iterable[type] = ()) -> Any:
    """Read a model that `save` wrote.

    Reading never runs code of the file: names in it stand for aecore's own classes, and for those
    that are given.

    Parameters
    ----------
    path : str or path-like
    classes : iterable of class
        Your own models, architectures and layers that the file names.

    Returns
    -------
    Autoencoder, VAE or another of aecore's models
        The fitted model. ``set_params(warm_start=True).fit(X)`` goes on where it stopped. It has
        neither ``callbacks`` nor a ``checkpoint``: a file doesn't say where to write.

    Raises
    ------
    OSError
        If there is no file, or it can't be read.
    ValueError
        For anything but a whole model file, and for one that a newer aecore has written.
    MemoryError
        If there is no room for what the file has.
    """
    model, stage = load_checkpoint(path, classes=classes)
    if stage is not None and stage.over and stage.best is not None:
        back_to(model._network, stage.best)
    return model


def load_checkpoint(
    path: Any, *, classes: Iterable[type] = ()
) -> tuple[Any, checkpoint.Stage | None]:
    """Read a model in the last state of its training, and where that stands.

    Parameters
    ----------
    path, classes
        As of `load`.

    Returns
    -------
    model
    stage : Stage or None
        None if the file isn't a checkpoint.

    Raises
    ------
    OSError, ValueError, MemoryError
        As `load` does.
    """
    known = (*VALUES, *MODELS, *_checked(classes))
    path = os.fspath(path)
    try:
        config, tensors = document.read(path)
        decoder = Decoder(known, sum(t.size for t in tensors.values()))
        return state.read(config, tensors, decoder)
    except state.DAMAGE as error:
        raise state.not_read(path, error) from None


# What 0.1.0 had here, for those who look into files.
_read, _digest = document.read, document._digest


def _checked(classes: Iterable[type]) -> Iterable[type]:
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, (Params, Module))):
            raise TypeError(f"classes: expected classes of models, layers or the like, got {cls!r}")
        yield cls
