"""The kinds of models on the command line: one line each."""

from __future__ import annotations

import argparse
from typing import Any

from .. import models

TABLES: dict[str, Any] = {  # take structured arrays with columns of numbers and words
    "tabular": models.TabularAutoencoder,
    "tabular_vae": models.TabularVAE,
    "tabular_clustering": models.TabularClustering,
    "detector": models.AnomalyDetector,
    "series": models.SeriesDetector,
}
KINDS: dict[str, Any] = {
    "ae": models.Autoencoder,
    "vae": models.VAE,
    "cvae": models.CVAE,
    "vqvae": models.VQVAE,
    "aae": models.AdversarialAutoencoder,
    "gan": models.GAN,
    "stacked": models.StackedAutoencoder,
    "recirculation": models.Recirculation,
    "deep_clustering": models.DeepClustering,
    **TABLES,
}


def read_kind(text: str) -> str:
    """Return the kind that text names by its own name or by that of its class."""
    word = text.lower().replace("-", "_")
    for kind, cls in KINDS.items():
        if word in (kind, cls.__name__.lower()):
            return kind
    raise argparse.ArgumentTypeError(f"expected one of {', '.join(KINDS)}, got {text!r}")


def kind_of(model: Any) -> str:
    """Return the name of a model's kind."""
    cls = type(model)
    return next((name for name, known in KINDS.items() if known is cls), cls.__name__)


def takes_tables(kind: str) -> bool:
    """Return whether models of a kind take columns of numbers and words."""
    return kind in TABLES


def kind_for(is_table: bool) -> str:
    """Return the default kind for data."""
    return "tabular" if is_table else "ae"
