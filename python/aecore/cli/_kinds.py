"""The kinds of models that the command line knows; a row is all that a kind needs."""

from __future__ import annotations

from typing import Any

from .. import models

KINDS: dict[str, Any] = {
    "ae": models.Autoencoder,
    "vae": models.VAE,
    "cvae": models.CVAE,
    "vqvae": models.VQVAE,
    "aae": models.AdversarialAutoencoder,
    "gan": models.GAN,
    "stacked": models.StackedAutoencoder,
    "recirculation": models.Recirculation,
}


def kind_of(model: Any) -> str:
    """Return the name of a model's kind."""
    cls = type(model)
    return next((name for name, known in KINDS.items() if known is cls), cls.__name__)
