"""What the parts of a model see."""

from __future__ import annotations

from typing import Any

from ..data.conditions import Conditioner
from ..models import VQVAE, SoftmaxClassifier
from ..nn.tape import Shape


def conditioner(model: Any) -> Conditioner | None:
    """Return what a fitted model's encoder and decoder know of conditions; None if nothing."""
    if isinstance(model, SoftmaxClassifier):
        return None  # its labels are what comes out
    found: Conditioner | None = model._coding_conditioner
    return found


def latent_shape(model: Any) -> Shape:
    """Return the shape of what a fitted model's decoder sees of a sample, without a condition."""
    network = model._network
    if isinstance(model, VQVAE):
        shape: Shape = network.code_shape
        return shape
    if isinstance(model, SoftmaxClassifier):
        return (network.decoder.weight.shape[1],)
    if hasattr(network, "encoder") and not network.has_code:
        unchanged: Shape = network.input_shape
        return unchanged
    room: Shape = getattr(model, "_room", ())
    return (*room, int(model.latent_dim))
