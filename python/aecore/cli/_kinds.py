"""The kinds of models that the command line knows; a row is all that a kind needs."""

from __future__ import annotations

from typing import Any

from .. import models

_CLASSES = {
    "ae": "Autoencoder",
    "vae": "VAE",
    "cvae": "CVAE",
    "vqvae": "VQVAE",
    "aae": "AdversarialAutoencoder",
    "gan": "GAN",
    "stacked": "StackedAutoencoder",
    "recirculation": "Recirculation",
    "tabular": "TabularAutoencoder",
    "tabular_vae": "TabularVAE",
}
KINDS: dict[str, Any] = {
    kind: getattr(models, name) for kind, name in _CLASSES.items() if hasattr(models, name)
}


def kind_of(model: Any) -> str:
    """Return the name of a model's kind."""
    cls = type(model)
    return next((name for name, known in KINDS.items() if known is cls), cls.__name__)


def takes_tables(model: Any) -> bool:
    """Whether a model, or a class of them, takes columns of numbers and words side by side."""
    return hasattr(model, "impute")


def kind_for(is_table: bool) -> str:
    """Return the kind for data where none is asked for."""
    return "tabular" if is_table and "tabular" in KINDS else "ae"
