"""What detectors ask of a model that their members are copies of."""

from __future__ import annotations

import copy
from typing import Any

from ...base.params import names
from ..base.coding import BaseAutoencoder


def check_model(model: Any) -> None:
    """Raise TypeError or ValueError unless members can be copies of a model."""
    if not isinstance(model, BaseAutoencoder):
        raise TypeError(
            "model: expected None or a model with codes and reconstructions, like "
            f"Autoencoder(), got {model!r}"
        )
    if model._needs_y or getattr(model, "conditional", False):
        raise ValueError(
            f"model: expected one without conditions, which samples to score don't have, got "
            f"{model!r}"
        )
    model._check_params()
    if model.checkpoint is not None:
        raise ValueError(
            "model: expected one without a checkpoint, which all members would write to, got "
            f"{model.checkpoint!r}; save the detector"
        )


def copied(model: BaseAutoencoder, seed: int, verbose: int | None) -> BaseAutoencoder:
    """Return an unfitted copy of a model, with a seed of its own."""
    params = model.get_params(deep=False)
    params["arch"] = copy.deepcopy(params.get("arch"))
    params = {name: params[name] for name in names(type(model))}
    params |= {"random_state": seed, "warm_start": False}
    return type(model)(**params | ({} if verbose is None else {"verbose": verbose}))
