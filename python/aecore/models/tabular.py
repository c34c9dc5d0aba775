"""Autoencoders of tables: columns of different kinds, and missing values anywhere."""

from __future__ import annotations

from typing import Any

from ..arch.base import Code
from ..training.batches import Batch
from ._tables import TableModel
from .autoencoder import Autoencoder
from .vae import VAE


class TabularAutoencoder(TableModel, Autoencoder):
    r"""An autoencoder of tables whose columns are numbers, categories and times, with gaps.

    Parameters
    ----------
    arch : Dense or None
        The architecture behind the columns.
    latent_dim : int
        The length of a code.
    categorical : sequence of str or int
        Columns of categories that their cells don't show to be such, by name or number.
    hidden : float
        The share of cells that the encoder sees as missing in training, others in every batch.
    corruption : SwapNoise, GaussianNoise, Masking or None
        What else is done to the encoder's input in training.
    penalty, optimizer, ...
        As in `Autoencoder`.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> rng = np.random.default_rng(0)
    >>> X = np.zeros(100, [("size", float), ("shape", "U6")])
    >>> X["shape"] = rng.choice(["round", "square"], 100)
    >>> X["size"] = (X["shape"] == "round") * 5 + rng.random(100)
    >>> X["size"][0] = np.nan
    >>> model = ae.TabularAutoencoder(ae.Dense((16,)), 2, epochs=5, random_state=0).fit(X)
    >>> bool(np.isnan(model.impute(X)["size"]).any()), model.score_cells(X).shape
    (False, (100, 2))
    """

    def __init__(
        self,
        arch: Any = None,
        latent_dim: int = 32,
        *,
        categorical: Any = (),
        hidden: float = 0.3,
        corruption: Any = None,
        penalty: Any = None,
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Any = None,
        clip_norm: float | None = None,
        batch_size: int = 128,
        epochs: int = 20,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        warm_start: bool = False,
        callbacks: Any = (),
        checkpoint: Any = None,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self._store(locals())

    def _code(self) -> Code:
        return Code(self.latent_dim, self.latent_dim)


class TabularVAE(TableModel, VAE):
    r"""A variational autoencoder of tables whose columns are numbers, categories and times.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> rng = np.random.default_rng(0)
    >>> X = np.zeros(100, [("size", float), ("shape", "U6")])
    >>> X["shape"] = rng.choice(["round", "square"], 100)
    >>> X["size"] = (X["shape"] == "round") * 5 + rng.random(100)
    >>> model = ae.TabularVAE(ae.Dense((16,)), 2, epochs=5, random_state=0).fit(X)
    >>> model.sample(3, random_state=0).dtype.names
    ('size', 'shape')
    """

    def __init__(
        self,
        arch: Any = None,
        latent_dim: int = 32,
        *,
        categorical: Any = (),
        hidden: float = 0.3,
        beta: float = 1.0,
        kl_warmup: float = 0,
        free_bits: float = 0.0,
        importance_samples: int = 1,
        divergence: Any = "kl",
        corruption: Any = None,
        penalty: Any = None,
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Any = None,
        clip_norm: float | None = None,
        batch_size: int = 128,
        epochs: int = 20,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        warm_start: bool = False,
        callbacks: Any = (),
        checkpoint: Any = None,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self._store(locals())

    def _code(self) -> Code:
        return Code(2 * self.latent_dim, self.latent_dim)

    def _loss_step(self, batch: Batch) -> dict[str, float]:
        terms = super()._loss_step(batch)
        if self.importance_samples > 1:  # whose draws say less of the single cell
            self._note_usual(self._nats(batch, batch.x), batch)
        return terms
