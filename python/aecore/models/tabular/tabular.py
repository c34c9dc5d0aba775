"""Autoencoders of tables: columns of different types, and missing values anywhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...data.batches import Batch
from ...data.readers import Reader
from ...nn.module import Module
from ..autoencoder import Autoencoder
from ..base.options import Tables, TablesOfClusters, Unpack
from ..clustering.model import DeepClustering
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
        hidden: float = 0.3,
        **options: Unpack[Tables],
    ) -> None:
        self._store(TabularAutoencoder, locals())


class TabularVAE(TableModel, VAE, options=Tables):
    r"""A variational autoencoder of tables: what `TabularAutoencoder` is to `Autoencoder`.

    Minimises the bound that `VAE` has, with the likelihood of tables. Missing cells have no part in
    it, and hidden ones are predicted from the others. `sample` draws cells too, and not only
    codes: levels by their probabilities, and numbers with the deviation of their column.

    Parameters
    ----------
    latent_dim : int
        The length of a code.

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
        **options: Unpack[Tables],
    ) -> None:
        self._store(TabularVAE, locals())

    def _log_scale(self, batch: Batch) -> np.ndarray:
        return self._layout.log_scale(batch.target)


class TabularClustering(TableModel, DeepClustering, options=TablesOfClusters):
    r"""Clusters of a table's rows: what `TabularAutoencoder` is to `Autoencoder`.

    Training is that of `DeepClustering`, with the losses of a `TabularAutoencoder` for cells that
    are there. Cells that are hidden in training are hidden while clusters are learned too: a row
    belongs where it did, whichever of its cells are missing.

    Parameters
    ----------
    n_clusters : int
        K.
    latent_dim : int
        The length of a code.
    hidden : float
        The share of the cells that is hidden from the encoder in training, others in every batch.

    Attributes
    ----------
    labels_, cluster_centers_
        As `DeepClustering`'s.
    others
        As `TabularAutoencoder`'s.

    References
    ----------
    X. Guo, L. Gao, X. Liu and J. Yin, "Improved deep embedded clustering with local structure
    preservation", IJCAI 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> rng = np.random.default_rng(0)
    >>> X = np.zeros(100, [("size", float), ("shape", "U6")])
    >>> X["shape"] = rng.choice(["round", "square"], 100)
    >>> X["size"] = (X["shape"] == "round") * 5 + rng.random(100)
    >>> model = ae.TabularClustering(2, ae.Dense((16,)), 2, epochs=5, random_state=0)
    >>> round(ae.metrics.clustering_accuracy(X["shape"], model.fit_predict(X)), 2)
    1.0
    """

    def __init__(
        self,
        n_clusters: int = 10,
        arch: Any = None,
        latent_dim: int = 10,
        *,
        categorical: Any = (),
        hidden: float = 0.1,
        gamma: float = 0.1,
        reconstruction: bool = True,
        tol: float = 1e-3,
        n_init: int = 20,
        pretrain_epochs: int = 50,
        **options: Unpack[TablesOfClusters],
    ) -> None:
        self._store(TabularClustering, locals())

    _ragged = False
    _fill = math.nan

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        return super()._modules(reader, condition) | self._new_clusters()
