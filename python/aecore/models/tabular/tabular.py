"""Autoencoders of tables: columns of different kinds, and missing values anywhere."""

from __future__ import annotations

from typing import Any

from ...arch.base import Code
from ...data.batches import Batch
from ..autoencoder import Autoencoder
from ..variational.vae import VAE
from .model import TableModel


class TabularAutoencoder(TableModel, Autoencoder):
    r"""An autoencoder of tables: numbers, categories and times side by side, with gaps anywhere.

    Minimises :math:`E\,[\sum_c \ell_c(x_c, g(f(\tilde x)))]` over the columns c whose cells are
    there: a normal log-likelihood for numbers, with a deviation that is learned for each column, a
    Bernoulli one for columns of two levels and a categorical one for those of more, see
    `aecore.losses.mixed`. The encoder is told which cells are missing. In training some more are
    hidden from it, so that the decoder learns to say what a cell should be beside the others of its
    row: `impute` and `score_cells` live on that.

    `fit` looks at the columns:

    - Numbers are centred at their median and divided by a robust deviation that is never 0; beyond
      3 of them they grow with the logarithm, so that heavy tails don't outweigh everything else.
      Times are numbers of seconds.
    - Strings, booleans, columns of a categorical type, numbers that are 0 and 1 alone and what
      ``categorical`` names have levels. The encoder has a vector for each level, one for levels
      that it hasn't seen in fit, and one for a missing cell; vectors are longer where there are
      more levels.
    - A column without any cell is left out.

    Methods take a data frame's columns by name, in any order. Results that are tables come as what
    `fit` was given: a data frame, a structured array or a matrix. `errors` and `score_cells` are
    matrices (N, C) with the columns as in fit.

    Parameters
    ----------
    arch : Dense or None
        The architecture behind the columns.
    latent_dim : int
        The length of a code.
    categorical : list of str or int
        Columns of numbers that are categories, by name or place.
    hidden : float
        The share of the cells that is hidden from the encoder in training, others in every batch.
        Without any, a missing cell is one that the model has never had to fill in.
    corruption : SwapNoise, GaussianNoise, Masking or None
        What else is done to the encoder's input in training. Noise is added to numbers alone, in
        units of a column's deviation; masking hides cells, as ``hidden`` does.
    penalty, optimizer, learning_rate, ...
        As in `Autoencoder`.

    Attributes
    ----------
    history_ : list of dict
        As in `Autoencoder`, with ``numeric``, ``binary`` and ``categorical``, which together are
        ``recon``. ``mse`` is that of numbers, in their column's deviations, and of probabilities.
    n_features_in_ : int
        C, the number of columns.
    feature_names_in_ : ndarray of str
        Where the columns have names.

    References
    ----------
    A. Nazabal et al., "Handling incomplete heterogeneous data using VAEs", Pattern Recognition 107,
    2020. P. Vincent et al., "Extracting and composing robust features with denoising autoencoders",
    ICML 2008. C. Guo and F. Berkhahn, "Entity embeddings of categorical variables", 2016.

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
    r"""A variational autoencoder of tables: what `TabularAutoencoder` is to `Autoencoder`.

    Minimises the bound that `VAE` has, with the likelihood of tables. Missing cells have no part in
    it, and hidden ones are to be said from the others. `sample` draws cells too, and not only
    codes: levels by their probabilities, and numbers with the deviation of their column.

    Parameters
    ----------
    arch, latent_dim, categorical, hidden, corruption
        As in `TabularAutoencoder`.
    beta, kl_warmup, free_bits, importance_samples, divergence, ...
        As in `VAE`.

    References
    ----------
    A. Nazabal et al., "Handling incomplete heterogeneous data using VAEs", Pattern Recognition 107,
    2020.

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
