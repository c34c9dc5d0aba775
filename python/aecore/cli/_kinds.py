"""The kinds of models that the command line knows; a row is all that a kind needs."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

from .. import models


class Row(NamedTuple):
    """A kind of models.

    Attributes
    ----------
    name : str
        Of the class.
    tables : bool
        Whether it takes columns of numbers and words side by side, as a structured array.
    """

    name: str
    tables: bool = False


_ROWS = {
    "ae": Row("Autoencoder"),
    "vae": Row("VAE"),
    "cvae": Row("CVAE"),
    "vqvae": Row("VQVAE"),
    "aae": Row("AdversarialAutoencoder"),
    "gan": Row("GAN"),
    "stacked": Row("StackedAutoencoder"),
    "recirculation": Row("Recirculation"),
    "tabular": Row("TabularAutoencoder", tables=True),
    "tabular_vae": Row("TabularVAE", tables=True),
    "detector": Row("AnomalyDetector", tables=True),
}
KINDS: dict[str, Any] = {
    kind: getattr(models, row.name) for kind, row in _ROWS.items() if hasattr(models, row.name)
}


def read_kind(text: str) -> str:
    """Return the kind that text names: its own name, or that of the class."""
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
    """Whether models of a kind take columns of numbers and words side by side."""
    return kind in _ROWS and _ROWS[kind].tables


def kind_for(is_table: bool) -> str:
    """Return the kind for data where none is asked for."""
    return "tabular" if is_table and "tabular" in KINDS else "ae"
