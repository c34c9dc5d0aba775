r"""Outlier scores of samples under a fitted autoencoder.

A model maps a sample x to its reconstruction x̂, a point on the manifold that its decoder spans. An
outlier lies off it, or on it but far from other samples:

.. math:: \mathrm{manifold}(x)^2 = \lVert x - \hat x \rVert^2 + \lVert \hat x - r_k \rVert^2

with r_k the k-th nearest of m reconstructions of training samples, the references. Both parts are
in the units of the data and so need no weights. k is one deviation more than the outliers that
are expected among the references: so few outliers, however close together, seldom make a
neighbourhood of their own (M. Sugiyama and K. Borgwardt, "Rapid distance-based outlier detection
via sampling", NeurIPS 2013, for few references).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...data.batches import Batch
from ...functional import linear
from ...losses.mixed import Mixed
from ...training.loop import array_of
from ..base.coding import BaseAutoencoder
from ..base.model import fitted

MEASURES = ("manifold", "loss", "codes", "mean", "max")
REFERENCES = 128
COVARIANCE_SAMPLES = 2048
COVARIANCE_STEPS = 3


def parts(measure: str) -> tuple[str, ...]:
    """Return the scores that a measure combines."""
    return ("loss", "codes") if measure in ("mean", "max") else (measure,)


def neighbour_rank(share: float, m: int) -> int:
    """Return k: one deviation more than the mean number of outliers among m random samples."""
    return math.ceil(m * share + math.sqrt(m * share * (1 - share)))


class OutlierScore:
    """The outlier scores that a fitted model gives to samples.

    Parameters
    ----------
    model : BaseAutoencoder
    share : float
        The share of outliers among training samples.
    state : dict of str to ndarray
        Found by `learn`: ``references`` (m, D); ``center`` (D,) and ``whitening`` (D, D) of the
        codes.

    Attributes
    ----------
    per_step : bool
        Whether sequences are measured as if each had as many steps as the longest in fit, so that
        long ones aren't outliers by their length. Only files of 0.1.0 have scores that aren't.
    """

    per_step = False

    def __init__(self, model: BaseAutoencoder, share: float, state: dict[str, np.ndarray]) -> None:
        self.model, self.share, self.state = model, share, state

    @classmethod
    def learn(
        cls, model: BaseAutoencoder, share: float, measure: str, X: Any, mask: Any = None
    ) -> OutlierScore:
        """Learn from training samples."""
        state = {}
        if "codes" in parts(measure):
            codes = _evaluate(model, X, mask, "codes")[0]
            state["center"], state["whitening"] = _robust_whitening(codes, share)
        if "manifold" in parts(measure):
            state["references"] = np.ascontiguousarray(_evaluate(model, X, mask, "manifold")[1])
        score = cls(model, share, state)
        score.per_step = True
        return score

    def measure(self, part: str, X: Any, mask: Any = None) -> np.ndarray:
        """Return one of the outlier scores of samples, float64 (n,)."""
        found, points = _evaluate(self.model, X, mask, part, self.per_step)
        if part == "loss":
            return found
        if part == "manifold":
            return np.sqrt(found + self._neighbour_distances(points))
        away = (found - self.state["center"]).astype(np.float32)
        white = linear(away, self.state["whitening"]).astype(np.float64)
        return np.sqrt((white * white).sum(1) + points.sum(1))

    def _neighbour_distances(self, points: np.ndarray) -> np.ndarray:
        """Return the squared distances of points (n, D) to their k-th nearest reference."""
        references = self.state["references"]
        if references.shape[1] < points.shape[1]:  # longer sequences than in fit
            longer = points.shape[1] - references.shape[1]
            references = np.pad(references, ((0, 0), (0, longer)))
        origin = references[0]
        x, r = points - origin, references - origin
        # |x|^2 is the same for all references and left out; rounding may swap the ranks of near
        # references, but the distance to the chosen one is exact
        order = linear(x, -2 * r, (r * r).sum(1))
        k = min(neighbour_rank(self.share, len(r)), len(r)) - 1
        chosen = np.argpartition(order, k, axis=1)[:, k]
        away = (x - r[chosen]).astype(np.float64)
        return (away * away).sum(1)


Oddness = OutlierScore  # as 0.1.0 called it, in pickles too


def _robust_whitening(codes: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a robust center of codes, and a matrix that whitens the codes around it.

    The first step uses all codes, each further one all but the share that lies farthest: the
    minimum covariance determinant (P. Rousseeuw and K. Van Driessen, 1999).
    """
    kept, dims = codes, codes.shape[1]
    for _ in range(COVARIANCE_STEPS):
        center = np.median(kept, axis=0)
        away = kept - center
        spread = np.einsum("ni,nj->ij", away, away) / len(away)
        spread += np.eye(dims) * (1e-6 * np.trace(spread) / dims + 1e-12)
        white = np.linalg.inv(np.linalg.cholesky(spread))
        size = np.einsum("ij,nj->ni", white, codes - center)
        distance = (size * size).sum(1)
        kept = codes[distance <= np.quantile(distance, 1 - share)]
    return center.astype(np.float32), np.ascontiguousarray(white, np.float32)


# ---- evaluation ---------------------------------------------------------------------------------


@fitted
def _evaluate(
    model: BaseAutoencoder, X: Any, mask: Any, part: str, per_step: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Run a model on samples and return what a part of the score is computed from.

    "loss": the loss (n,). "codes": codes (n, D), and for a table twice the nats (n, 1) of levels
    that fit hasn't seen, which add up like squared distances. "manifold": the squared distances
    (n,) of samples to their reconstructions, and the reconstructions (n, D).
    """
    given = model._input(X, None, mask)
    first: Any = None
    points = np.empty((0, 0), np.float32)
    for rows, batch in model._chunks(given):
        found, there = _PARTS[part](model, batch)
        if part == "loss" and per_step and len(given.data.shape) == 2:
            usual, steps = model._network.input_shape[0], given.data.shape[0]
            found *= usual / (steps if batch.lengths is None else batch.lengths)
        if first is None:
            first = np.empty((len(given.data), *found.shape[1:]), np.float64)
            points = np.empty((len(first), there.shape[1]), np.float32)
        first[rows], points[rows] = found, there
    return first, points


_NO_POINTS = np.empty((1, 0), np.float32)


def _loss(model: BaseAutoencoder, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    loss = np.zeros(batch.n)
    for name, value in model.terms(batch).items():
        loss += batch.weights.get(name, 1.0) * array_of(value).astype(np.float64)
    return loss, _NO_POINTS


def _codes(model: BaseAutoencoder, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    codes = model._latent(batch).data
    if codes.ndim > 2:  # a map: the mean over its places
        codes = codes.reshape(batch.n, -1, codes.shape[-1]).mean(1)
    loss = model._loss
    if not isinstance(loss, Mixed):
        return codes, _NO_POINTS
    unseen = (loss.levels > 0) & (batch.target == loss.levels)
    return codes, np.where(unseen, 2 * loss.surprise, 0).sum(1, keepdims=True)


def codes_width(model: BaseAutoencoder) -> int:
    """Return how many numbers `_codes` gives for a sample."""
    network = model._network
    return int(network.code_shape[-1] if network.code_shape else model.latent_dim)


def points_width(model: BaseAutoencoder) -> int:
    """Return how many numbers `_manifold` gives for a sample's reconstruction."""
    loss = model._loss
    if not isinstance(loss, Mixed):
        return math.prod(model._network.input_shape)
    return len(loss.numeric) + sum(k * len(v) for k, v in loss.groups.items() if k > 1)


def _manifold(model: BaseAutoencoder, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    model.terms(batch)
    output, loss = model._output(batch), model._loss
    if isinstance(loss, Mixed):
        return _table_distances(loss, output, batch)
    points = loss.to_data(output, np.empty_like(output), batch.target, batch.mask)
    errors = (batch.target - points).astype(np.float64)
    steps = model._network.input_shape[0] / batch.x.shape[1] if batch.x.ndim == 3 else 1.0
    if batch.missing is None:
        return (errors * errors).sum(1) * steps, points
    errors[batch.missing] = 0
    if batch.lengths is not None:  # padding behind the end of a sequence
        points[batch.missing] = 0
    return (errors * errors).sum(1) * _rescaling(batch.missing) * steps, points


def _table_distances(
    loss: Mixed, output: np.ndarray, batch: Batch
) -> tuple[np.ndarray, np.ndarray]:
    """Do the same for tables: numbers in deviations of their columns, levels as probabilities."""
    cells, n = batch.target, batch.n
    points, targets = [output[:, loss.parts[0]]], [cells[:, loss.numeric]]
    for (k, places), run in zip(loss.groups.items(), loss.parts[1:], strict=True):
        if k == 1:
            continue
        logits = output[:, run].reshape(n, len(places), -1)
        if k == 2:  # one output, the second level's logit
            logits = np.concatenate([np.zeros_like(logits), logits], axis=2)
        chances = np.exp(logits - logits.max(2, keepdims=True))
        chances /= chances.sum(2, keepdims=True)
        codes = cells[:, places, None]
        levels = np.where(np.isnan(codes), codes, codes == np.arange(k))
        points.append(chances.reshape(n, -1))
        targets.append(levels.reshape(n, -1))
    all_points = np.concatenate(points, axis=1)
    errors = (np.concatenate(targets, axis=1) - all_points).astype(np.float64)
    squares = np.nansum(errors * errors, axis=1)
    squares += ((loss.levels > 0) & (cells == loss.levels)).sum(1)  # levels unseen in fit
    return squares * _rescaling(np.isnan(cells[:, loss.levels >= 0])), all_points


def _rescaling(missing: np.ndarray) -> np.ndarray:
    """Return the factors (n,) that extend sums over observed values to all values."""
    return missing.shape[1] / np.maximum((~missing).sum(1), 1)


_PARTS = {"loss": _loss, "codes": _codes, "manifold": _manifold}
