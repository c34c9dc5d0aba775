r"""How odd samples are to a fitted autoencoder.

A model maps a sample x to its reconstruction x̂, a point on the manifold that its decoder spans. An
outlier lies off it, or on it but far from where others lie:

.. math:: \mathrm{manifold}(x)^2 = \lVert x - \hat x \rVert^2 + \lVert \hat x - r_k \rVert^2

with r_k the k-th nearest of m reconstructions of training samples, the references. Both parts are
in the units of the data and so need no weights. k is one deviation more than the outliers that
are expected among the references: these, however close together, seldom make a neighbourhood of
their own (M. Sugiyama and K. Borgwardt, "Rapid distance-based outlier detection
via sampling", NeurIPS 2013, for few references).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...data.batches import Batch
from ...functional import linear
from ...losses.mixed import Mixed
from ..base.coding import BaseAutoencoder
from ..base.estimator import fitted

MEASURES = ("manifold", "loss", "codes", "mean", "max")
REFERENCES = 128
SPREAD = 2048  # samples that the spread of the codes is taken from
STEPS = 3  # of making it robust


def parts(measure: str) -> tuple[str, ...]:
    """Return what a measure is made of."""
    return ("loss", "codes") if measure in ("mean", "max") else (measure,)


def enough(share: float, m: int) -> int:
    """Return one deviation more than there are outliers among m random samples on average."""
    return math.ceil(m * share + math.sqrt(m * share * (1 - share)))


class Oddness:
    """What a fitted model knows of its training samples, and measures others by.

    Parameters
    ----------
    model : BaseAutoencoder
    share : float
        The share of outliers among training samples.
    state : dict of str to ndarray
        What `learn` has found: ``references`` (m, D); ``center`` (D,) and ``whitening`` (D, D) of
        the codes.
    """

    def __init__(self, model: BaseAutoencoder, share: float, state: dict[str, np.ndarray]) -> None:
        self.model, self.share, self.state = model, share, state

    @classmethod
    def learn(
        cls, model: BaseAutoencoder, share: float, measure: str, X: Any, mask: Any = None
    ) -> Oddness:
        """Learn from training samples."""
        state = {}
        if "codes" in parts(measure):
            codes = _look(model, X, mask, "codes")[0]
            state["center"], state["whitening"] = _spread(codes, share)
        if "manifold" in parts(measure):
            state["references"] = np.ascontiguousarray(_look(model, X, mask, "manifold")[1])
        return cls(model, share, state)

    def measure(self, part: str, X: Any, mask: Any = None) -> np.ndarray:
        """Return how odd samples are, float64 (n,)."""
        found, points = _look(self.model, X, mask, part)
        if part == "loss":
            return found
        if part == "manifold":
            return np.sqrt(found + self._away(points))
        away = (found - self.state["center"]).astype(np.float32)
        white = linear(away, self.state["whitening"]).astype(np.float64)
        return np.sqrt((white * white).sum(1))

    def _away(self, points: np.ndarray) -> np.ndarray:
        """Return the squared distances of points (n, D) to their k-th reference."""
        references = self.state["references"]
        middle = references[0]
        x, r = points - middle, references - middle
        # |x|^2 is the same for all references; what rounding leaves of differences tells who is
        # the k-th, and the distance to it is measured anew
        order = np.einsum("ij,ij->i", r, r) - 2 * linear(x, r)
        k = min(enough(self.share, len(r)), len(r)) - 1
        chosen = np.argpartition(order, k, axis=1)[:, k]
        away = (x - r[chosen]).astype(np.float64)
        return (away * away).sum(1)


def _spread(codes: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a center of codes, and what makes the spread around it 1 in all directions.

    From all codes at first and then, a few times, from all but the share that lies farthest: the
    steps of the minimum covariance determinant (P. Rousseeuw and K. Van Driessen, 1999).
    """
    kept, dims = codes, codes.shape[1]
    for _ in range(STEPS):
        center = np.median(kept, axis=0)
        away = kept - center
        spread = np.einsum("ni,nj->ij", away, away) / len(away)
        spread += np.eye(dims) * (1e-6 * np.trace(spread) / dims + 1e-12)
        white = np.linalg.inv(np.linalg.cholesky(spread))
        size = np.einsum("ij,nj->ni", white, codes - center)
        distance = (size * size).sum(1)
        kept = codes[distance <= np.quantile(distance, 1 - share)]
    return center.astype(np.float32), np.ascontiguousarray(white, np.float32)


# ---- what a model makes of samples --------------------------------------------------------------


@fitted
def _look(model: BaseAutoencoder, X: Any, mask: Any, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what a model makes of samples, by what it is for.

    "loss": the loss (n,). "codes": codes (n, D). "manifold": squared distances (n,) of samples to
    their reconstructions, and these (n, D).
    """
    given = model._input(X, None, mask)
    first: Any = None
    points = np.empty((0, 0), np.float32)
    for rows, batch in model._chunks(given):
        found, there = _LOOKS[part](model, batch)
        if first is None:
            first = np.empty((len(given.data), *found.shape[1:]), np.float64)
            points = np.empty((len(first), there.shape[1]), np.float32)
        first[rows], points[rows] = found, there
    return first, points


_NOTHING = np.empty((1, 0), np.float32)


def _loss(model: BaseAutoencoder, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    _, terms = model._terms(batch)
    loss = np.zeros(batch.n)
    for name, weight in model._score_weights().items():
        loss += weight * terms[name].astype(np.float64)
    return loss, _NOTHING


def _codes(model: BaseAutoencoder, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    codes = model._latent(batch)
    if codes.ndim > 2:  # a map: what is in it, wherever it is
        codes = codes.reshape(batch.n, -1, codes.shape[-1]).mean(1)
    return codes, _NOTHING


def _manifold(model: BaseAutoencoder, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    output, _ = model._terms(batch)
    loss = model._loss
    if isinstance(loss, Mixed):
        return _table(loss, output, batch)
    points = loss.to_data(output, np.empty_like(output))
    errors = (batch.target - points).astype(np.float64)
    if batch.missing is None:
        return (errors * errors).sum(1), points
    errors[batch.missing] = 0
    if batch.lengths is not None:  # behind the end of a sequence there is nothing
        points[batch.missing] = 0
    return (errors * errors).sum(1) * _whole(batch.missing), points


def _table(loss: Mixed, output: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """The same for tables: numbers in deviations of their columns, levels as probabilities."""
    cells, n = batch.target, batch.n
    points, targets = [output[:, loss.parts[0]]], [cells[:, loss.numeric]]
    for (k, places), run in zip(loss.groups.items(), loss.parts[1:], strict=True):
        if k == 1:
            continue
        logits = output[:, run].reshape(n, len(places), -1)
        if k == 2:  # of one output, the second level's
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
    squares += ((loss.levels > 0) & (cells == loss.levels)).sum(1)  # levels that fit hasn't seen
    return squares * _whole(np.isnan(cells[:, loss.levels >= 0])), all_points


def _whole(missing: np.ndarray) -> np.ndarray:
    """Return what makes sums over the values of samples that are there sums over all."""
    return missing.shape[1] / np.maximum((~missing).sum(1), 1)


_LOOKS = {"loss": _loss, "codes": _codes, "manifold": _manifold}
