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

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...data.batches import Batch
from ...functional import linear
from ...losses import COUNTS, Loss
from ...losses.mixed import Mixed, outputs
from ...nn.ops.losses import HALF_LOG_2PI
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

    def features(
        self, part: str, X: Any, mask: Any = None, columns: Sequence[Any] | None = None
    ) -> np.ndarray:
        """Return how much each value of samples has to do with one of their outlier scores.

        Shares of a manifold's squared distance, which they add up to; of the loss what a perfect
        reconstruction would not have; of the codes' squared distance how much less it is with the
        value that the reconstruction has in its place.

        Parameters
        ----------
        part : str
        X : samples, as models take them
        mask : ndarray of bool, optional
        columns : sequence of slices, optional
            Which values belong together, for the codes; by default each stands by itself.

        Returns
        -------
        ndarray of float64, shape (n, F)
            Of a table with columns of its own, (n, C).
        """
        if part == "codes":
            return self._drops(X, mask, columns)
        if part == "loss":
            return _collected(self.model, X, mask, self._excess)[0]

        def made(batch: Batch, _: float) -> tuple[np.ndarray, ...]:
            found = _residuals(self.model, batch)
            factors = (found.rescaling * found.steps)[:, None]
            return found.errors, found.seen, found.unseen, factors, found.points

        errors, seen, unseen, factors, points = _collected(self.model, X, mask, made)
        near = self._away(points)
        total = (near * near).sum(1, keepdims=True)
        there = np.where(seen, errors + near, 0)
        away = there * there
        sums = away.sum(1, keepdims=True)
        away = np.where(sums > 0, away * total / np.where(sums > 0, sums, 1), near * near)
        loss = self.model._loss
        if not isinstance(loss, Mixed):
            return errors * errors * factors + away
        by_column = np.zeros((2, len(errors), len(loss.levels)))
        for sums, values in zip(by_column, (errors * errors, away), strict=True):
            np.add.at(sums.T, columns_of_points(loss), values.T)
        found: np.ndarray = (by_column[0] + unseen) * factors + by_column[1]
        return found

    def rebuilt(self, X: Any, mask: Any = None) -> np.ndarray:
        """Return reconstructions (n, F) in the data's scale; of a table its encoded cells."""

        def made(batch: Batch, scale: float) -> tuple[np.ndarray]:
            self.model.terms(batch)
            return (_rebuilt(self.model, batch) / np.float32(scale),)

        return _collected(self.model, X, mask, made)[0]

    def values(self, X: Any, mask: Any = None) -> np.ndarray:
        """Return what the model is to rebuild of samples (n, D), levels as 0 and 1; NaN for gaps.

        Sequences have as many steps as the longest in fit.
        """
        features = points_width(self.model)

        def made(batch: Batch, _: float) -> tuple[np.ndarray]:
            loss = self.model._loss
            if isinstance(loss, Mixed):
                return (_table_targets(loss, batch),)
            out = np.full((batch.n, features), np.nan, np.float32)
            found = out[:, : batch.target.shape[1]]
            found[...] = batch.target[:, :features]
            if batch.missing is not None:
                found[batch.missing[:, :features]] = np.nan
            return (out,)

        return _collected(self.model, X, mask, made)[0]

    def _excess(self, batch: Batch, _: float) -> tuple[np.ndarray]:
        """Return the values' loss (n, F) beyond that of a perfect reconstruction."""
        self.model.terms(batch)
        output, target, loss = self.model._output(batch), batch.target, self.model._loss
        found = np.empty(target.shape, np.float32)
        loss.per_feature(found, output, target, batch.mask)
        out = found - _least_loss(loss, target, batch.mask)
        if batch.missing is not None:
            out[batch.missing] = 0
        out[np.isnan(target)] = 0
        if self.per_step and batch.x.ndim == 3:
            usual, steps = self.model._network.input_shape[0], batch.x.shape[1]
            out *= usual / (steps if batch.lengths is None else batch.lengths[:, None])
        return (np.maximum(out, 0),)

    def _drops(self, X: Any, mask: Any, columns: Sequence[Any] | None) -> np.ndarray:
        """Return how much nearer a code is to the others without each of its sample's values."""
        model, center, white = self.model, self.state["center"], self.state["whitening"]

        def squares(batch: Batch) -> np.ndarray:
            codes, nats = _codes(model, batch)
            found = linear((codes - center).astype(np.float32), white).astype(np.float64)
            return (found * found).sum(1) + nats.sum(1)

        def made(batch: Batch, _: float) -> tuple[np.ndarray]:
            model.terms(batch)
            x, expected = batch.x.reshape(batch.n, -1), _rebuilt(model, batch)
            before, out = squares(batch), np.zeros((batch.n, x.shape[1]))
            gone = np.isnan(x) if batch.missing is None else batch.missing.reshape(x.shape)
            for run in columns or range(x.shape[1]):
                places = run if isinstance(run, slice) else slice(run, run + 1)
                seen, changed = copy.copy(batch), x.copy()
                np.copyto(changed[:, places], expected[:, places], where=~gone[:, places])
                seen.x = changed.reshape(batch.x.shape)
                if isinstance(model._loss, Mixed):
                    seen.target = changed
                with model._pass(seen):
                    out[:, places.start] = np.maximum(before - squares(seen), 0)
            return (out,)

        return _collected(model, X, mask, made)[0]

    def _neighbour_distances(self, points: np.ndarray) -> np.ndarray:
        """Return the squared distances of points (n, D) to their k-th nearest reference."""
        away = self._away(points)
        found: np.ndarray = (away * away).sum(1)
        return found

    def _away(self, points: np.ndarray) -> np.ndarray:
        """Return points (n, D) less their k-th nearest reference, as float64."""
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
        found: np.ndarray = (x - r[chosen]).astype(np.float64)
        return found


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


@fitted
def _collected(
    model: BaseAutoencoder,
    X: Any,
    mask: Any,
    made: Callable[[Batch, float], tuple[np.ndarray, ...]],
) -> list[np.ndarray]:
    """Return arrays that a function makes of each batch, (n, ...), for all samples.

    The function is told what the samples' values are multiplied by.
    """
    given, out = model._input(X, None, mask), list[np.ndarray]()
    for rows, batch in model._chunks(given):
        found = made(batch, given.data.scale)
        out = out or [np.empty((len(given.data), *part.shape[1:]), part.dtype) for part in found]
        for whole, part in zip(out, found, strict=True):
            whole[rows] = part
    return out


_NO_POINTS = np.empty((1, 0), np.float32)


def _loss(model: BaseAutoencoder, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    loss = np.zeros(batch.n)
    for name, value in model.terms(batch).items():
        loss += batch.weights.get(name, 1.0) * array_of(value).astype(np.float64)
    return loss, _NO_POINTS


def _codes(model: BaseAutoencoder, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    model._check_codes("measure")
    codes = model._mapped(batch, model._latent(batch).data)
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
    numbers = len(loss.numeric) + len(loss.histograms)
    return numbers + sum(k * len(v) for k, v in loss.groups.items() if k > 1)


class _Residuals(NamedTuple):
    """What reconstructions of a batch leave, in numbers that are rebuilt: levels have several.

    Attributes
    ----------
    errors : ndarray of float64, shape (n, D)
        0 where a value is missing.
    seen : ndarray of bool, shape (n, D)
        Whether a value is there.
    unseen : ndarray of bool, shape (n, C)
        Of a table with columns of its own, which cells have levels that fit hasn't seen.
    rescaling : ndarray, shape (n,)
        What extends sums over the values that are there to all.
    steps : float
        What extends sums over the steps of sequences to those of the longest in fit.
    points : ndarray of float32, shape (n, D)
        The reconstructions.
    """

    errors: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray
    rescaling: np.ndarray
    steps: float
    points: np.ndarray

    @property
    def squares(self) -> np.ndarray:
        """The squared distances of samples to their reconstructions (n,)."""
        squares = (self.errors * self.errors).sum(1) + self.unseen.sum(1)
        found: np.ndarray = squares * self.rescaling * self.steps
        return found


def _residuals(model: BaseAutoencoder, batch: Batch) -> _Residuals:
    model.terms(batch)
    output, loss, none = model._output(batch), model._loss, np.zeros((batch.n, 0), bool)
    if isinstance(loss, Mixed):
        return _table_residuals(loss, output, batch)
    points = loss.to_data(output, np.empty_like(output), batch.target, batch.mask)
    errors = (batch.target - points).astype(np.float64)
    steps = model._network.input_shape[0] / batch.x.shape[1] if batch.x.ndim == 3 else 1.0
    seen, rescaling = np.ones(errors.shape, bool), np.ones(batch.n)
    if batch.missing is not None:
        errors[batch.missing] = 0
        if batch.lengths is not None:  # padding behind the end of a sequence
            points[batch.missing] = 0
        seen, rescaling = ~batch.missing, _rescaling(batch.missing)
    return _Residuals(errors, seen, none, rescaling, steps, points)


def _manifold(model: BaseAutoencoder, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    found = _residuals(model, batch)
    return found.squares, found.points


def _table_residuals(loss: Mixed, output: np.ndarray, batch: Batch) -> _Residuals:
    """Do the same for tables: numbers in deviations of their columns, levels as probabilities."""
    points, cells = _table_points(loss, output), batch.target
    errors = (_table_targets(loss, batch) - points).astype(np.float64)
    seen = ~np.isnan(errors)
    errors[~seen] = 0
    unseen = (loss.levels > 0) & (cells == loss.levels)
    rescaling = _rescaling(np.isnan(cells[:, loss.levels >= 0]))
    return _Residuals(errors, seen, unseen, rescaling, 1.0, points)


def _table_points(loss: Mixed, output: np.ndarray) -> np.ndarray:
    """Return what a table's outputs say (n, D): numbers in deviations, chances of levels."""
    points, n = [output[:, loss.parts[0]]], len(output)
    for k, places, run in loss.categories():
        if k == 1:
            continue
        logits = output[:, run].reshape(n, len(places), outputs(k))
        if k == 2:  # one output, the second level's logit
            logits = np.concatenate([np.zeros_like(logits), logits], axis=2)
        chances = np.exp(logits - logits.max(2, keepdims=True))
        chances /= chances.sum(2, keepdims=True)
        points.append(chances.reshape(n, -1))
    points += [histogram.expected(output[:, run])[:, None] for _, histogram, run in loss.binned()]
    return np.concatenate(points, axis=1)


def _table_targets(loss: Mixed, batch: Batch) -> np.ndarray:
    """Return what these ought to be (n, D): levels are 0 and 1, missing cells NaN."""
    cells = batch.target
    targets = [cells[:, loss.numeric]]
    for k, places in loss.groups.items():
        if k > 1:
            codes = cells[:, places, None]
            levels = np.where(np.isnan(codes), codes, codes == np.arange(k))
            targets.append(levels.reshape(batch.n, -1))
    targets.append(cells[:, list(loss.histograms)])
    return np.concatenate(targets, axis=1)


def columns_of_points(loss: Mixed) -> np.ndarray:
    """Return the column that each of a table's D points belongs to."""
    groups = [np.repeat(places, k) for k, places in loss.groups.items() if k > 1]
    found: np.ndarray = np.concatenate([loss.numeric, *groups, [*loss.histograms]]).astype(np.int64)
    return found


def _rebuilt(model: BaseAutoencoder, batch: Batch) -> np.ndarray:
    """Return the reconstructions (n, F) of a batch after its terms; a table's encoded cells."""
    output = model._output(batch)
    if isinstance(model._loss, Mixed):
        return model._loss.to_data(output)
    return model._loss.to_data(output, np.empty_like(output), batch.target, batch.mask)


def _least_loss(loss: Loss, target: np.ndarray, mask: np.ndarray | None) -> np.ndarray | float:
    """Return what a perfect reconstruction of values (n, F) costs."""
    if isinstance(loss, Mixed):
        found = np.zeros(len(loss.levels), np.float32)
        if loss.scales is not None:
            found[loss.numeric] = loss.scales.log_sigmas + np.float32(HALF_LOG_2PI)
        return found
    if loss.name == "gaussian":
        return float(np.log(loss.sigma)) + HALF_LOG_2PI
    if loss.name == "bce":
        x = target.astype(np.float64)
        with np.errstate(all="ignore"):
            return np.nan_to_num(-x * np.log(x)) + np.nan_to_num(-(1 - x) * np.log1p(-x))
    if loss.name in COUNTS:  # whose outputs are logarithms of their means
        least, output = np.empty(target.shape, np.float32), np.log(np.maximum(target, 1e-30))
        loss.per_feature(least, output.astype(np.float32), target, mask)
        return least
    return 0.0


def _rescaling(missing: np.ndarray) -> np.ndarray:
    """Return the factors (n,) that extend sums over observed values to all values."""
    return missing.shape[1] / np.maximum((~missing).sum(1), 1)


_PARTS = {"loss": _loss, "codes": _codes, "manifold": _manifold}
