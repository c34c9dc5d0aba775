"""Deep embedded clustering: an autoencoder whose codes are drawn together into clusters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...base import checks, runtime
from ...base.sklearn import not_fitted
from ...data.arrays import Data
from ...data.batches import Batch, Batches, Input
from ...data.conditions import Conditioner
from ...data.readers import Reader
from ...data.weights import repeated
from ...nn.clusters import Clusters
from ...nn.module import Module
from ...nn.quantize.kmeans import best_kmeans
from ...nn.tape import Value
from ...priors import GaussianMixture, Prior
from ...training import group
from ...training.checkpoint import Checkpoint, Saver
from ...training.loop import Plan
from ...training.network import Network
from ..base.coding import BaseAutoencoder
from ..base.model import at_once, fitted
from ..base.options import Matching, Unpack
from ..base.resume import LoadedCheckpoint

ITERATIONS = 100  # of k-means, at most
PRECISE: dict[str, Any] = {"max_iter": 500, "tol": 1e-5}  # it starts from k-means, and goes on
STEPS = 100  # at least, in which hardly a sample changes its cluster: epochs may be short
WHILE_TRAINED = "_given", "_refreshed", "_before"
ROUNDING = 1e-12  # of squared codes: what their covariances are not known below
RIDGE = 1e-6  # of a cluster's covariance, in units of the codes' variance


class DeepClustering(BaseAutoencoder, options=Matching):
    r"""An autoencoder that finds clusters: its codes are drawn towards centers that learn too.

    For ``pretrain_epochs`` it is an `Autoencoder`, a denoising one with ``corruption``. Then
    k-means or a mixture (``start``) finds centers c of K clusters among the codes, and for
    ``epochs`` both terms of

    .. math:: \frac{1}{F} E\,[\ell(x, g(f(\tilde x)))] + \gamma\, E\,[\mathrm{KL}(P \,\|\, Q)]

    are minimised, over the F values of a sample. Q are soft assignments by Student's t, and P the
    same made sharper, in which small clusters count as much as large ones:

    .. math:: q_k \propto (1 + \lVert z - c_k \rVert^2 / s^2)^{-1}, \qquad
        p_k \propto q_k^2 / f_k

    P is a constant: it is that of the network as it was after the epoch before, with the shares f
    of the clusters among all samples. With ``corruption`` Q is of noisy samples, and P of the same
    ones without noise: a sample belongs where it did, however it is turned or damaged. The unit s
    is the deviation of codes from their centers in the beginning, so that it doesn't matter how
    large codes are.

    ``reconstruction=False`` leaves out the first term from there on: that is deep embedded
    clustering (DEC), and with the term it is its improved form (IDEC). The decoder stays as it was
    then, while codes move on, so that reconstructions are no longer what they were.

    It is one of scikit-learn's clusterers. `transform` gives codes, as of any autoencoder here, and
    not distances to the centers.

    Parameters
    ----------
    n_clusters : int
        K.
    latent_dim : int
        The length of a code.
    gamma : float
        :math:`\gamma`, the weight of the clusters beside the mean loss of a value; without
        ``reconstruction`` there is nothing beside them, and it has no part.
    reconstruction : bool
        Whether samples are to be restored while clusters are learned.
    tol : float
        Training ends once a smaller share of the samples has changed its cluster in an epoch, or in
        each of so many that they have a hundred steps together.
    start : {"kmeans", "mixture"}
        What finds the first centers: k-means, or a `GaussianMixture` with full covariance matrices,
        whose means they are. Clusters of codes are seldom round, and k-means is apt to cut a long
        one in two.
    n_init : int
        How many times k-means starts; the best end counts.
    corruption : GaussianNoise or another corruption, callable, sequence of these, or None
        What is done to the encoder's input, in both phases, while the target stays clean. A
        function takes a batch (n, ...) and a `numpy.random.Generator`, and returns the damaged
        batch, images that it has shifted and turned, for instance.
    pretrain_epochs : int
        Of the autoencoder, before there are clusters. Without any, k-means starts from the codes
        that a fresh encoder gives, or one whose weights were put there after `initialize`.
    schedule : Constant, Cosine, Step, Warmup, Plateau, a product of them, or None
        A factor of the learning rate over all epochs. None falls from 1 to 0 in pretraining, by a
        cosine, and is 1 from then on.
    epochs : int
        At most, with clusters; those of pretraining come in addition.

    Attributes
    ----------
    labels_ : ndarray of int64, shape (N,)
        The cluster of each sample that the last `fit` was given. Files don't have it: `predict`
        gives the same.
    cluster_centers_ : ndarray of float32, shape (K, latent_dim)
        Codes; `inverse_transform` shows what they look like.
    history_ : list of dict
        As in `Autoencoder`. From the first epoch with clusters on there are ``cluster``, the
        KL divergence in nats, and ``changed``, the share of the samples that were in another
        cluster after the epoch before.
    others
        As `Autoencoder`'s.

    References
    ----------
    J. Xie, R. Girshick and A. Farhadi, "Unsupervised deep embedding for clustering analysis", ICML
    2016. X. Guo, L. Gao, X. Liu and J. Yin, "Improved deep embedded clustering with local structure
    preservation", IJCAI 2017. X. Guo, E. Zhu, X. Liu and J. Yin, "Deep embedded clustering with
    data augmentation", ACML 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(center, 0.3, (50, 8)) for center in (-1, 0, 1)])
    >>> options = {"batch_size": 16, "epochs": 5, "random_state": 0}
    >>> model = ae.DeepClustering(3, ae.Dense((16,)), 2, **options)
    >>> labels = model.fit_predict(X)
    >>> np.bincount(labels).tolist(), model.predict_proba(X[:5]).shape
    ([50, 50, 50], (5, 3))
    >>> model.sample(4, y=labels[0], random_state=0).shape
    (4, 8)
    """

    def __init__(
        self,
        n_clusters: int = 10,
        arch: Any = None,
        latent_dim: int = 10,
        *,
        gamma: float = 0.1,
        reconstruction: bool = True,
        tol: float = 1e-3,
        start: str = "kmeans",
        n_init: int = 20,
        pretrain_epochs: int = 50,
        **options: Unpack[Matching],
    ) -> None:
        self._store(DeepClustering, locals())

    n_clusters: int
    gamma: float
    reconstruction: bool
    tol: float
    start: str
    n_init: int

    labels_: np.ndarray
    patience = None  # a lower loss in pretraining is none of the clusters'

    _estimator_type = "clusterer"
    _ragged = _pretrains = True
    _no_penalty = ""
    _no_target = "whose clusters are of the samples that it restores"

    _fill: float = Data.fill  # what the encoder sees in place of what is missing

    # while it is trained:
    _given: Any = None  # the samples, and which rows of them take part
    _refreshed = -1  # after how many epochs
    _before: Network | None = None  # as it was then, which gives P

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "clusterer"
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {name: v for name, v in state.items() if name not in WHILE_TRAINED}

    # ---- what it is made of ---------------------------------------------------------------------

    def _check_params(self) -> None:
        checks.integer("n_clusters", self.n_clusters, 1)
        checks.integer("latent_dim", self.latent_dim, 1)
        checks.real("gamma", self.gamma)
        checks.boolean("reconstruction", self.reconstruction)
        checks.real("tol", self.tol)
        checks.choice("start", self.start, ("kmeans", "mixture"))
        checks.integer("n_init", self.n_init, 1)
        super()._check_params()

    def _check_task(self, given: Input) -> None:
        total = group.place(len(given.data))[1]
        if total < self.n_clusters:
            raise ValueError(
                f"X: expected at least {self.n_clusters} samples, one a cluster, got "
                f"n_samples={total}"
            )
        super()._check_task(given)

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        return super()._modules(reader, condition) | self._new_clusters()

    def _new_clusters(self) -> dict[str, Module]:
        return {"clusters": Clusters(int(self.n_clusters), int(self.latent_dim))}

    @property
    def _clusters(self) -> Clusters:
        return self._fitted().clusters

    def _started(self) -> Clusters:
        """Return the clusters, once there are some."""
        clusters = self._clusters
        if not clusters.is_started:
            raise not_fitted(
                type(self).__name__,
                f"This {type(self).__name__} has no clusters yet, as its training hasn't come to "
                "the end of pretrain_epochs.",
            )
        return clusters

    # ---- a pass ---------------------------------------------------------------------------------

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what is minimised; see `BaseModel.terms`."""
        terms, clusters = super().terms(batch), self._clusters
        begun = clusters.is_started and self._network.epoch >= self.pretrain_epochs
        if batch.noise == "off" or not begun:
            return terms
        batch.weights["recon"] = float(self.reconstruction)
        batch.weights["cluster"] = 1.0
        if self.reconstruction:
            batch.weights["cluster"] = self.gamma * self._network.reader.of_output.features
        return terms | {"cluster": clusters.divergence(batch.code, self._target(batch))}

    def _target(self, batch: Batch) -> np.ndarray | None:
        """Return P of a batch in training, (n, K): of its samples without noise."""
        before = self._before
        if batch.noise != "on" or before is None:
            return None
        clean = batch.target.reshape(batch.x.shape)
        if batch.absent is not None:
            clean = np.where(batch.absent.reshape(clean.shape), np.float32(self._fill), clean)
        with before.tape(records=False, lengths=batch.lengths) as tape:
            codes = self._shaped(before.encode(tape.constant(clean)))
            found: np.ndarray = before.clusters.target(codes.data)
        return found

    # ---- training -------------------------------------------------------------------------------

    def _epochs_from(self, first: int) -> int:
        return max(0, int(self.pretrain_epochs) - first) + int(self.epochs)

    def _plan(self, epochs: int, shuffle: bool) -> Plan:
        plan = super()._plan(epochs, shuffle)
        if plan.schedule is None:
            plan.schedule = self._fall  # type: ignore[assignment]
        return plan

    def _fall(self, epoch: float) -> float:
        """Return the factor of the learning rate at an epoch."""
        through = epoch / max(1, int(self.pretrain_epochs))
        return (1 + math.cos(math.pi * through)) / 2 if through < 1 else 1.0

    def _fit(
        self,
        going_on: bool,
        conditioner: Conditioner | None,
        given: Input,
        validation: Batches | None = None,
        found: LoadedCheckpoint | None = None,
        saving: Checkpoint | None = None,
    ) -> Saver:
        vars(self).pop("labels_", None)
        saver = super()._fit(going_on, conditioner, given, validation, found, saving)
        if "labels_" not in vars(self):  # nothing was left to train, or a callback has ended it
            self._refresh(given, None)
        return saver

    def _train(
        self,
        given: Input,
        rows: np.ndarray | None,
        validation: Batches | None,
        plan: Plan,
        saver: Saver | None = None,
        again: bool = False,
    ) -> None:
        self._given, self._refreshed = (given, rows), self._network.epoch
        try:
            if self._network.epoch >= self.pretrain_epochs:
                self._refresh(given, rows)
            super()._train(given, rows, validation, plan, saver, again)
        finally:
            for name in WHILE_TRAINED:
                vars(self).pop(name, None)

    def _epoch_terms(
        self, means: dict[str, float], noted: dict[str, np.ndarray], n: float, observed: float
    ) -> dict[str, float]:
        known, epoch = super()._epoch_terms(means, noted, n, observed), self._network.epoch
        if self._refreshed == epoch or epoch < self.pretrain_epochs:
            return known
        self._refreshed, begins = epoch, epoch == self.pretrain_epochs
        given, rows = self._given
        changed = self._refresh(given, rows, begins)
        return known if begins else known | {"changed": changed}

    def _converged(self, record: dict[str, Any]) -> bool:
        network = self._network
        steps = network.steps / max(1, network.epoch - int(self.pretrain_epochs))  # of an epoch
        several = math.ceil(STEPS / max(1, steps))
        last = self.history_[-several:]
        return len(last) == several and all(r.get("changed", math.inf) < self.tol for r in last)

    def _first_centers(self, codes: np.ndarray, seed: int) -> np.ndarray:
        """Return the centers (K, D) of the clusters that are found among codes."""
        if self.start == "kmeans":
            return best_kmeans(codes, int(self.n_clusters), seed, int(self.n_init), ITERATIONS)[0]
        mixture = GaussianMixture(int(self.n_clusters), random_state=seed, **PRECISE)
        return mixture.likeliest(codes).means

    def _refresh(self, given: Input, rows: np.ndarray | None, begins: bool = False) -> float:
        """Look at the clusters of all samples; return the share of those in others than before.

        Where there are no clusters yet, or they are to begin, some are found.
        """
        network, clusters = self._network, self._clusters
        with network.lock, runtime.products_of_half(False):
            codes, weight = self._all_codes(given)
            chosen = slice(None) if rows is None else rows
            if begins or not clusters.is_started:
                of_all = np.concatenate(group.over_rows(codes[chosen]))
                if weight is not None:
                    of_all = of_all[repeated(np.concatenate(group.over_rows(weight[chosen])))]
                clusters.start(of_all, self._first_centers(of_all, network.seed))
                if network.epoch >= self.pretrain_epochs:
                    network.steps = 0  # what is minimised is another function from here on
                    for moment in network.moments.values():
                        moment.fill(0)
            q = clusters.assign(codes)
            some = None if weight is None else weight[chosen]
            sums = clusters.sums(codes[chosen], q[chosen], some)
            clusters.observe([np.sum(s, 0) for s in zip(*group.over_rows(sums), strict=True)])
            before, self.labels_ = vars(self).get("labels_"), q.argmax(1)
            if self._given is not None:
                self._remember()
        if before is None or len(before) != len(q):
            return 1.0
        changed = (before != self.labels_)[chosen]
        counts = np.ones(len(changed)) if some is None else some.astype(np.float64)
        changes = group.over_rows((float(counts @ changed), float(counts.sum())))
        return sum(c for c, _ in changes) / sum(n for _, n in changes)

    def _remember(self) -> None:
        """Keep the network as it is now."""
        if self._before is None:
            self._before = self._network.sealed()
            self._before.thaw()  # it is to change after each epoch
        else:
            now = self._network.arrays()
            for name, array in self._before.arrays().items():
                np.copyto(array, now[name])

    def _all_codes(self, given: Input) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the codes of all samples (N, D), and their weights, if they have any."""
        batches = given.batches(at_once(given.data.shape))
        codes, start = np.empty((batches.total, int(self.latent_dim)), np.float32), 0
        weights = list[np.ndarray]()
        for batch in batches():
            with self._pass(batch):
                codes[start : start + batch.n] = self._latent(batch).data
            if batch.weight is not None:
                weights.append(batch.weight.copy())
            start += batch.n
        return codes, np.concatenate(weights) if weights else None

    # ---- clusters -------------------------------------------------------------------------------

    @property
    def cluster_centers_(self) -> np.ndarray:
        """A copy of the centers, (K, latent_dim)."""
        return self._started().centers.value.copy()

    def fit_predict(self, X: Any, y: Any = None, **fit_params: Any) -> np.ndarray:
        """Train on samples and return their clusters.

        Parameters
        ----------
        X, y, **fit_params
            As in `fit`.

        Returns
        -------
        ndarray of int64, shape (N,)
        """
        return self.fit(X, y, **fit_params).labels_

    @fitted
    def predict(self, X: Any, *, sample_mask: Any = None) -> np.ndarray:
        """Return the cluster of each sample: the one with the nearest center.

        Parameters
        ----------
        X, sample_mask
            As in `transform`.

        Returns
        -------
        ndarray of int64, shape (N,)
            From 0 to n_clusters - 1, in no order that would mean anything.
        """
        return self._assigned(X, sample_mask).argmax(1)

    @fitted
    def predict_proba(self, X: Any, *, sample_mask: Any = None) -> np.ndarray:
        """Return the soft assignments Q of samples to clusters.

        They tell the order of clusters for a sample, and how clear its case is beside others. As
        training makes them sharp, they are no calibrated probabilities.

        Parameters
        ----------
        X, sample_mask
            As in `transform`.

        Returns
        -------
        ndarray of float32, shape (N, n_clusters)
            Rows sum to 1.
        """
        return self._assigned(X, sample_mask)

    def _assigned(self, X: Any, sample_mask: Any) -> np.ndarray:
        clusters = self._started()
        return clusters.assign(self._encoded(self._input(X, None, sample_mask)))

    def _own_prior(self) -> Prior:
        """Return a normal distribution of codes for each cluster, labelled by its number."""
        clusters = self._started()
        weight, mean = (clusters.buffer(n).astype(np.float64) for n in ("weight", "mean"))
        spread = clusters.buffer("covariance").astype(np.float64)
        used = np.flatnonzero(weight > 0)
        ridge = RIDGE * np.einsum("kdd->", spread[used]) / mean.size
        ridge = max(ridge, ROUNDING * (mean[used] ** 2).max(initial=0)) or RIDGE
        return GaussianMixture(
            means=mean[used],
            covariances=spread[used] + ridge * np.eye(mean.shape[1]),
            weights=weight[used],
            labels=used,
        )
