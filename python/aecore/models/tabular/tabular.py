"""Autoencoders of tables: columns of different types, and missing values anywhere."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ...data.batches import Batch
from ...nn.ops.latent import MatchKL
from ...nn.tape import Value
from ..autoencoder import Autoencoder
from ..base.options import Tables, Unpack
from ..variational.vae import VAE
from .model import TableModel


class TabularAutoencoder(TableModel, Autoencoder, options=Tables):
    r"""An autoencoder of tables: numbers, categories and times, with missing cells anywhere.

    Minimises :math:`E\,[\sum_c \ell_c(x_c, g(f(\tilde x)))]` over the columns c whose cells are
    there: a normal log-likelihood for numbers, with a deviation that is learned for each column, a
    Bernoulli one for columns of two levels and a categorical one for those of more, see
    `aecore.losses.mixed`. The encoder sees which cells are missing. In training some more are
    hidden from it, so that the decoder learns to predict a cell from the others of its row, which
    is what `impute` and `score_cells` need.

    `fit` looks at the columns:

    - Numbers are centred at their median and divided by a robust deviation that is never 0; beyond
      3 of them they grow with the logarithm, so that heavy tails don't outweigh everything else.
      Times are numbers of seconds.
    - Strings, booleans, columns of a categorical type, numbers that are 0 and 1 alone and what
      ``categorical`` names have levels. The encoder has a vector for each level, one for levels
      that it hasn't seen in fit, and one for a missing cell; vectors are longer where there are
      more levels. Levels are equal in any type: 1, 1.0, True and "1".
    - A column without any cell is left out.

    Methods take a data frame's columns by name, in any order. Results that are tables come as what
    `fit` was given: a data frame, a structured array or a matrix, with its types: categories in
    their order, time zones, nullable types. `errors` and `score_cells` have
    the columns as in fit, (N, C); of a data frame `score_cells` is one.

    Parameters
    ----------
    latent_dim : int
        The length of a code.

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
        numbers: str = "normal",
        hidden: float = 0.3,
        **options: Unpack[Tables],
    ) -> None:
        self._store(TabularAutoencoder, locals())


class TabularVAE(TableModel, VAE, options=Tables):
    r"""A variational autoencoder of tables: what `TabularAutoencoder` is to `Autoencoder`.

    Minimises the bound that `VAE` has, with the likelihood of tables, in which missing cells have
    no part. `sample` draws cells too, and not only codes: levels and bins of numbers by their
    probabilities, numbers within a bin, or with the deviation of their column.

    Where cells are hidden (or there is a corruption) the encoder sees each row twice: as it is,
    which gives the bound, and with cells hidden. Its posterior of the latter, q(z | x̃), learns to
    be that of the whole row by :math:`\mathrm{KL}(q(z | x) \,\|\, q(z | \tilde x))`, ``match`` in
    ``history_``, whose gradient is that of the second alone. So the decoder and the prior of codes
    are those of a model that hides nothing.

    Parameters
    ----------
    latent_dim : int
        The length of a code.

    References
    ----------
    A. Nazabal et al., "Handling incomplete heterogeneous data using VAEs", Pattern Recognition 107,
    2020. R. Strauss and J. Oliva, "Posterior matching for arbitrary conditioning", NeurIPS 2022.

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
        numbers: str = "histogram",
        hidden: float = 0.3,
        beta: float = 1.0,
        kl_warmup: float = 0,
        free_bits: float = 0.0,
        importance_samples: int = 1,
        divergence: Any = "kl",
        **options: Unpack[Tables],
    ) -> None:
        self._store(TabularVAE, locals())

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what is minimised; see `BaseModel.terms`."""
        if batch.noise != "on" or self._corruptions()[0].is_nothing:
            return super().terms(batch)
        whole = copy.copy(batch)
        whole.x = batch.target
        whole.samples = batch.tape.constant(batch.target)
        terms = super().terms(whole)
        batch.given, batch.encoded = whole.given, whole.encoded
        batch.code, batch.output = whole.code, whole.output
        parts = copy.copy(batch)
        parts.noise = "off"  # its codes aren't those that are counted
        fixed = [half.data for half in whole.posterior]
        return terms | {"match": MatchKL(*self._posterior(parts), *fixed)}

    def _posterior(self, batch: Batch) -> tuple[Value, Value]:
        batch.posterior = super()._posterior(batch)
        return batch.posterior

    def _log_scale(self, batch: Batch) -> np.ndarray:
        return self._layout.log_scale(batch.target)
