"""Clusters of the rows of tables."""

from __future__ import annotations

import math
from typing import Any

from ...data.readers import Reader
from ...nn.module import Module
from ..base.options import TablesOfClusters, Unpack
from ..clustering.model import DeepClustering
from .model import TableModel


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
        numbers: str = "normal",
        hidden: float = 0.1,
        gamma: float = 0.1,
        reconstruction: bool = True,
        tol: float = 1e-3,
        start: str = "kmeans",
        n_init: int = 20,
        pretrain_epochs: int = 50,
        **options: Unpack[TablesOfClusters],
    ) -> None:
        self._store(TabularClustering, locals())

    _ragged = False
    _fill = math.nan

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        return super()._modules(reader, condition) | self._new_clusters()
