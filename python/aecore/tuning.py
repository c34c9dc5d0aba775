"""What to choose before training, from short trials: the learning rate, the number of clusters."""

from __future__ import annotations

import copy
import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import metrics
from .base import checks, runtime
from .base.streams import derived_seed
from .data.batches import Batch
from .data.corruption import made
from .data.streams import Item
from .models.base import traps
from .models.base.model import BaseModel
from .nn.quantize.kmeans import as_rows, best_kmeans
from .priors import GaussianMixture
from .priors.base import read_codes
from .training.loop import Phase, Plan, train
from .training.progress import Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ClusterCounts", "LearningRates", "choose_clusters", "find_learning_rate"]


def __dir__() -> list[str]:
    return __all__


SMOOTHING = 25  # the width of the smoothing kernel is 1 / 25 of the range


class LearningRates(NamedTuple):
    """The result of `find_learning_rate`.

    Attributes
    ----------
    rates : ndarray of float64, shape (S,)
        The rate of each step, growing.
    losses : ndarray of float64, shape (S,)
        The loss of each step's batch, before the step.
    smoothed : ndarray of float64, shape (S,)
        The losses averaged over neighbouring steps.
    suggestion : float
        The rate where the smoothed loss falls fastest; NaN if it never falls.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> found = ae.find_learning_rate(ae.Autoencoder(random_state=0), X, steps=20)
    >>> found.rates.shape == found.losses.shape, 1e-6 < found.suggestion < 1
    (True, True)
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float

    def plot(self, ax: Axes | None = None, *, title: str | None = None) -> Any:
        """Draw the losses over the rates.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw.
        title : str, optional
            Takes the place of the title; ``""`` draws none.

        Returns
        -------
        Figure, or `ax` if it was given
        """
        from .plot._rates import learning_rates

        return learning_rates(self, title=title, ax=ax)


def find_learning_rate(
    model: BaseModel,
    X: Any,
    y: Any = None,
    *,
    target: Any = None,
    sample_mask: Any = None,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
) -> LearningRates:
    r"""Try learning rates from low to high, one step at each, on a copy of a model.

    Step k has the rate :math:`a (b / a)^{k / (S - 1)}` in place of ``learning_rate`` and
    ``schedule``; a discriminator's own rate keeps its ratio to the other. The test ends early once
    the loss has grown far beyond where it began. Model and data stay as they are, and the same seed
    gives the same bits, where ``random_state`` is an integer. Nothing is pretrained, but for the
    stack of a `SoftmaxClassifier` that isn't fitted; a fitted model with ``warm_start=True`` is
    tried as it is.

    Parameters
    ----------
    model : Autoencoder, VAE or another of aecore's models
    X, y, target, sample_mask
        As in `fit`. An epoch has as many steps as there are batches of ``batch_size``; there are as
        many epochs as needed.
    lowest, highest : float
        a and b.
    steps : int
        S, at least 5.

    Returns
    -------
    LearningRates
        Its ``suggestion`` is a good rate to begin with. The largest safe rate is a few times
        higher: where the loss is lowest, just before it grows.

    Raises
    ------
    TypeError, ValueError
        As `fit` does, and for a range or steps that make no sense.

    References
    ----------
    L. Smith, "Cyclical learning rates for training neural networks", WACV 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.VAE(latent_dim=2, epochs=5, random_state=0)
    >>> found = ae.find_learning_rate(model, X, steps=30)
    >>> model = model.set_params(learning_rate=found.suggestion).fit(X)
    """
    if not isinstance(model, BaseModel):
        raise TypeError(f"model: expected one of aecore's models, got {model!r}")
    lowest = checks.real("lowest", lowest, above=True)
    highest = checks.real("highest", highest, lowest, above=True)
    steps = checks.integer("steps", steps, 5)
    model._check_params()
    tried, going_on = _copy_for_trial(model)
    with runtime.threads(tried.n_threads), traps.silence():
        item = Item(X, y, sample_mask, target)
        conditioner, given = tried._read_training(item, going_on)
        tried._start_or_go_on(going_on, conditioner, given)
        network = tried._network
        batches = given.batches(
            int(tried.batch_size), corruption=made(tried._corruptions()[0]), seed=network.seed
        )
        rates = lowest * (highest / lowest) ** (np.arange(steps) / (steps - 1))
        trial = _Trial(tried, rates, len(batches))
        with network.in_training():
            try:
                for _ in train(network, trial, batches, trial.plan(), Progress(0, 1, steps)):
                    pass
            except (_StopTrial, FloatingPointError):
                pass
    losses = np.array(list(trial.losses.values()))
    return _suggest(rates[: len(losses)], losses, steps)


def _copy_for_trial(model: BaseModel) -> tuple[Any, bool]:
    """Return a copy without callbacks, and whether it goes on from the fitted state."""
    params = {
        name: _without_callbacks(value) for name, value in model.get_params(deep=False).items()
    }
    tried = type(model)(**params)
    tried.callbacks, tried.checkpoint = (), None
    going_on = bool(model.warm_start) and model.__sklearn_is_fitted__()
    if going_on:
        for name in vars(model).keys() - params.keys():
            setattr(tried, name, copy.deepcopy(getattr(model, name)))
    return tried, going_on


def _without_callbacks(value: Any) -> Any:
    """Return a copy of a parameter; of models, one without callbacks and checkpoints."""
    if callable(value) or isinstance(value, (list, tuple)):
        return value  # these don't change, and callbacks may hold objects that can't be copied
    if isinstance(value, BaseModel):
        value = copy.copy(value)
        value.callbacks, value.checkpoint = (), None
    return copy.deepcopy(value)


class _StopTrial(Exception):
    """Ends a trial early."""


class _Trial:
    """Stands between the training loop and a model: sets each step's rate and records its loss.

    Parameters
    ----------
    model
    rates : ndarray, shape (S,)
    batches : int
        The number of batches in an epoch.
    """

    def __init__(self, model: Any, rates: np.ndarray, batches: int) -> None:
        self.model, self.rates, self.batches = model, rates, batches
        self._epoch, self._steps = model._network.epoch, model._network.steps
        self.losses: dict[int, float] = {}  # by step: an epoch may be run again

    def plan(self) -> Plan:
        """Return a plan whose schedule gives each step its rate."""
        plan = self.model._plan(-(-len(self.rates) // self.batches), self.model.shuffle)
        plan.schedule, plan.parts = self._factor, 1  # which would give each part's loss
        return plan

    def _factor(self, epoch: float) -> float:
        k = round((epoch - self._epoch) * self.batches)
        return float(self.rates[min(k, len(self.rates) - 1)]) / float(self.model.learning_rate)

    def _phases(self) -> tuple[Phase, ...]:
        phases = self.model._phases()
        return tuple(phase._replace(run=partial(self._run, phase)) for phase in phases)

    def _run(self, phase: Phase, batch: Batch) -> dict[str, float]:
        sums = phase.run(batch)
        if phase.minimized == "loss":
            self._record(sums["loss"] / batch.n)
        return sums

    def _record(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise _StopTrial
        self.losses[self.model._network.steps - self._steps] = loss
        values = list(self.losses.values())
        first, best = values[0], min(values)
        if len(values) == len(self.rates) or loss > first + 3 * max(abs(first), first - best):
            raise _StopTrial

    def _epoch_terms(
        self, means: dict[str, float], noted: dict[str, np.ndarray], n: float, observed: float
    ) -> dict[str, float]:
        return {}


def _suggest(rates: np.ndarray, losses: np.ndarray, steps: int) -> LearningRates:
    """Return the rates and losses, the losses smoothed, and the rate where they fall fastest."""
    if len(losses) < 2:
        return LearningRates(rates, losses, losses, math.nan)
    k = np.arange(len(losses))
    weights = np.exp(-(((k[:, None] - k) / (steps / SMOOTHING)) ** 2) / 2)
    smoothed = weights @ losses / weights.sum(1)
    slopes = np.gradient(smoothed)[: int(smoothed.argmin()) + 1]
    steepest = int(slopes.argmin())
    falls = slopes[steepest] < 0
    return LearningRates(rates, losses, smoothed, float(rates[steepest]) if falls else math.nan)


# ---- clusters -----------------------------------------------------------------------------------

STARTS, ITERATIONS = 4, 50  # of k-means on a part of the codes


class ClusterCounts(NamedTuple):
    """The result of `choose_clusters`.

    Attributes
    ----------
    table : structured ndarray, shape (S,)
        For each number of clusters ``n_clusters``, the ``score``, which is a mean over repeats, and
        their ``deviation``. pandas takes it as it is: ``pandas.DataFrame(found.table)``.
    suggestion : int
        A number to begin with.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> rng = np.random.default_rng(0)
    >>> Z = np.concatenate([rng.normal(center, 0.5, (40, 2)) for center in (0, 4, 8)])
    >>> found = ae.choose_clusters(Z, range(2, 6))
    >>> found.table["n_clusters"].tolist(), found.suggestion
    ([2, 3, 4, 5], 3)
    """

    table: np.ndarray
    suggestion: int


def choose_clusters(
    Z: Any,
    n_clusters: Any = range(2, 16),
    *,
    criterion: str = "stability",
    covariance: str = "full",
    fraction: float = 0.8,
    repeats: int = 10,
    random_state: int = 0,
) -> ClusterCounts:
    r"""Compare numbers of clusters for codes, by how stable they are or an information criterion.

    "stability" clusters random parts of the codes by k-means, and compares the results of two parts
    on the codes that both have, by the adjusted Rand index (`aecore.metrics.ari`): 1 where they
    agree. Clusters that are there are found again in any part. Suggested is the largest number
    whose mean is at most two standard errors of the difference below the best, as coarser
    clusters, made of whole ones, may be stable as well.

    "bic" and "aic" fit a `GaussianMixture` to all codes with each of ``repeats`` seeds. Suggested
    is the number with the lowest mean.

    None of them knows what clusters are wanted for. Codes of an autoencoder are hardly normal, so
    that an information criterion pays for shapes of clusters with more of them; k-means prefers
    clusters of one size and round shape, and where a score depends on where it starts, the
    deviation says how much.

    Parameters
    ----------
    Z : array-like, shape (N, D)
        Codes, as `transform` gives them, or other samples.
    n_clusters : sequence of int
        The numbers to compare: at least 2 for "stability", and at most as many as a part has codes.
    criterion : {"stability", "bic", "aic"}
    covariance : {"full", "diag"}
        Of the mixtures.
    fraction : float
        How much of the codes a part has.
    repeats : int
        How many parts there are, each compared to the next, or how many seeds; at least 2.
    random_state : int

    Returns
    -------
    ClusterCounts

    Raises
    ------
    TypeError, ValueError
        For codes that aren't numbers of shape (N, D), and options that make no sense.

    References
    ----------
    A. Ben-Hur, A. Elisseeff and I. Guyon, "A stability based method for discovering structure in
    clustered data", Pacific Symposium on Biocomputing 2002. T. Lange et al., "Stability-based
    validation of clustering solutions", Neural Computation 16, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> rng = np.random.default_rng(0)
    >>> Z = np.concatenate([rng.normal(center, 0.5, (40, 2)) for center in (0, 4, 8)])
    >>> found = ae.choose_clusters(Z, range(2, 6))
    >>> found.suggestion, found.table.dtype.names
    (3, ('n_clusters', 'score', 'deviation'))
    """
    codes = read_codes(Z)
    checks.choice("criterion", criterion, ("stability", "bic", "aic"))
    if checks.real("fraction", fraction, 0, 1) == 0:
        raise ValueError("fraction: expected more than 0, got 0")
    repeats = checks.integer("repeats", repeats, 2)
    seed = checks.integer("random_state", random_state)
    stable = criterion == "stability"
    checks.choice("covariance", covariance, ("full", "diag"))
    if isinstance(n_clusters, (int, np.integer)):
        raise TypeError(f"n_clusters: expected several numbers, such as [2, 3], got {n_clusters}")
    most = max(1, round(fraction * len(codes))) if stable else len(codes)
    counts = [checks.integer("n_clusters", k, 2 if stable else 1, most) for k in n_clusters]
    if not counts:
        raise ValueError("n_clusters: expected some numbers, got none")
    table = np.zeros(len(counts), [("n_clusters", int), ("score", float), ("deviation", float)])
    for i, k in enumerate(counts):
        if stable:
            scores = _agreements(codes, k, most, repeats, seed)
        else:
            scores = [
                getattr(
                    GaussianMixture(k, covariance=covariance, random_state=s).fit(codes), criterion
                )(codes)
                for s in range(seed, seed + repeats)
            ]
        table[i] = k, np.mean(scores), np.std(scores, ddof=1)
    best = table[(table["score"] if stable else -table["score"]).argmax()]
    alike = table["score"] == best["score"]
    if stable:
        error = np.hypot(table["deviation"], best["deviation"]) / math.sqrt(repeats)
        alike = table["score"] >= best["score"] - 2 * error
    return ClusterCounts(table, int(table["n_clusters"][alike].max()))


def _agreements(codes: np.ndarray, k: int, size: int, repeats: int, seed: int) -> list[float]:
    """Return how well clusters of each random part of the codes agree with those of the next."""
    found = list[np.ndarray]()
    for i in range(repeats):
        rng = np.random.default_rng([seed, i])  # the same parts for any number of clusters
        part = np.sort(rng.permutation(len(codes))[:size])
        labels = np.full(len(codes), -1)
        rows, own = as_rows(codes[part]), derived_seed(seed, i)
        labels[part] = best_kmeans(rows, k, own, STARTS, ITERATIONS)[1]
        found.append(labels)
    scores = list[float]()
    for one, two in zip(found, found[1:] + found[:1], strict=True):
        both = (one >= 0) & (two >= 0)
        if both.sum() < 2:
            raise ValueError(
                "fraction: expected parts with codes in common, got two of "
                f"{size} of {len(codes)} codes without"
            )
        scores.append(metrics.ari(one[both], two[both]))
    return scores
