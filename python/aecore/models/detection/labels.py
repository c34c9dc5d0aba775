r"""A few known outliers among the training samples of a detector, and what they add to its scores.

With s the detector's outlier score, which has learned nothing of labels, the score becomes

.. math:: \mathrm{arsinh}(s) + \sum_f (w_f\, u_f + v_f\, a_f), \quad u_f = (x_f - c_f) / d_f,

where a is :math:`|u|` less its mean, in its deviations. The weights w, v are those of a logistic
regression that tells known outliers from other samples beside :math:`\mathrm{arsinh}(s)`, whose own
weight stays 1: where labels say nothing, the score is the detector's. They are shrunk to 0 by a
penalty that counts less the more outliers are known. A sum over values is what reasons can be read
from; its second part finds values that are usual for outliers, or too close to the middle.

Known outliers are no training samples, and so none of the references that are near or far, nor of
those that scores are standardised by (L. Ruff et al., "Deep semi-supervised anomaly detection",
ICLR 2020, for models that are told to rebuild them badly; Y. Zhou et al., "Feature encoding with
autoencoders for weakly supervised anomaly detection", 2022, for a classifier beside errors).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...base import checks

OUTLIER, NORMAL = -1, 1
PENALTY = 0.05  # of the squared weights
UNLABELLED = 0.25  # the weight of samples without labels, of all that are taken for normal
FAR, FAR_FOLDED = 8.0, 4.0  # deviations beyond which u and a don't grow
MOST, LEAST = 8192, 256  # samples of a kind to learn from
MOST_VALUES = 1 << 24
ITERATIONS, INNER = 50, 100  # of Newton's method, and of conjugate gradients


def read_labels(y: Any, n: int) -> np.ndarray | None:
    """Return labels of n samples (n,): -1 for outliers, 1 for normal samples, 0 for neither.

    None where there is nothing to be learned from: without y, and for the labels of classes, which
    pipelines pass to whatever is in them.

    Raises
    ------
    ValueError
        For labels of outliers that are more or less than samples, or of too few others, and for a y
        of several axes.
    """
    if y is None:
        return None
    values = _numbers(y)
    if values is None or not np.isin(values, (OUTLIER, 0, NORMAL)).all():
        return None
    if not (values == OUTLIER).any():
        if (values == NORMAL).any() and (values != NORMAL).any():
            checks.warn(
                "y: expected -1 for known outliers, 1 for known normal samples and 0 or NaN for "
                "others, got no -1: it is taken for labels of classes, and not used",
                of_data=True,
            )
        return None
    if len(values) != n:
        raise ValueError(f"y: expected {n} labels, one for each sample, got {len(values)}")
    labels = values.astype(np.int8)
    if (labels != OUTLIER).sum() < 2:
        raise ValueError(
            f"y: expected at least 2 samples that aren't known outliers, got "
            f"{(labels != OUTLIER).sum()} of {n}"
        )
    return labels


def _numbers(y: Any) -> np.ndarray | None:
    """Return labels as numbers, 0 for missing ones; None if they aren't any."""
    try:
        values = checks.array("y", y)
    except (TypeError, ValueError):
        return None
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim > 1:
        raise ValueError(
            f"y: expected None or labels (N,), of which -1 are known outliers, got an array of "
            f"{values.ndim} axes"
        )
    if values.ndim == 0:
        return None
    if values.dtype.kind == "O":
        try:
            gone = np.array([v is None or bool(v != v) for v in values], bool)
        except TypeError:  # pandas.NA, which has no truth
            gone = np.array([v is None or type(v).__name__ == "NAType" or v != v for v in values])
        kept = values[~gone]
        if not all(isinstance(v, (int, float, np.number, np.bool_)) for v in kept):
            return None
        values = np.zeros(len(values))
        values[~gone] = kept.astype(np.float64)
    if values.dtype.kind not in "biuf":
        return None
    return np.nan_to_num(values.astype(np.float64), nan=0.0)


class Evidence(NamedTuple):
    """What known outliers add to scores: a weight for each value of a sample.

    Attributes
    ----------
    moments : ndarray of float64, shape (4, F)
        Mean c and deviation d of values, and those of what is folded, :math:`|u|`.
    weights : ndarray of float64, shape (2, F)
    offset : float
        The median of training samples' scores, which is taken away.
    """

    moments: np.ndarray
    weights: np.ndarray
    offset: float = 0.0

    @classmethod
    def learn(cls, values: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> Evidence:
        """Learn from the values (n, F) of some samples, NaN for gaps, and their outlier scores.

        There are outliers among them, and others.
        """
        usual = labels != OUTLIER
        with np.errstate(all="ignore"):
            center, spread = _moments(values[usual])
            folded = np.abs(np.clip((values[usual] - center) / spread, -FAR, FAR))
            moments = np.stack([center, spread, *_moments(folded)])
        made = cls(moments, np.zeros((2, values.shape[1])))
        P = np.concatenate(made._deviations(values), axis=1)
        P /= np.sqrt(values.shape[1])
        weights = _ridge(P, np.where(usual, -1.0, 1.0), _weights(labels), np.arcsinh(scores))
        return made._replace(weights=weights.reshape(2, -1) / np.sqrt(values.shape[1]))

    def _deviations(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return u and a of values (n, F), 0 for gaps."""
        center, spread, folded_center, folded_spread = self.moments
        u = np.clip((values.astype(np.float64) - center) / spread, -FAR, FAR)
        a = np.clip((np.abs(u) - folded_center) / folded_spread, -FAR_FOLDED, FAR_FOLDED)
        gone = np.isnan(u)
        u[gone] = a[gone] = 0
        return u, a

    def features(self, values: np.ndarray) -> np.ndarray:
        """Return what each of the values of samples adds to their outlier scores (n, F)."""
        u, a = self._deviations(values)
        return u * self.weights[0] + a * self.weights[1]

    def scores(self, scores: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return outlier scores (n,) with what values (n, F) add to them."""
        found: np.ndarray = np.arcsinh(scores) + self.features(values).sum(1) - self.offset
        return found


def some(labels: np.ndarray, features: int) -> np.ndarray:
    """Return the numbers of samples to learn from: of each kind all, or so many evenly spaced."""
    most = min(MOST, max(LEAST, MOST_VALUES // features))
    found = []
    for kind in (OUTLIER, 0, NORMAL):
        rows = np.flatnonzero(labels == kind)
        found.append(rows[np.arange(min(len(rows), most)) * len(rows) // min(len(rows), most)]
                     if len(rows) else rows)  # fmt: skip
    return np.sort(np.concatenate(found))


def threshold(scores: np.ndarray, labels: np.ndarray, fence: float) -> float:
    """Return the outlier score beyond which samples are outliers, as labels have it.

    It splits known outliers from known normal samples, or all others where none is known, with the
    best mean of the shares that are right on either side; of several it is the nearest to a fence.
    """
    odd = np.sort(scores[labels == OUTLIER])
    known = labels == NORMAL
    usual = np.sort(scores[known if known.any() else labels != OUTLIER])
    levels = np.unique(np.concatenate([odd, usual]))
    # the splits lie between neighbouring scores, or beyond the outermost
    below = np.searchsorted(usual, levels, side="right") / len(usual)
    above = 1 - np.searchsorted(odd, levels, side="right") / len(odd)
    right = below + above
    best = np.flatnonzero(right >= right.max() - 1e-12)
    ends = np.append(levels, levels[-1])
    places = [min(max(fence, float(ends[i])), float(ends[i + 1])) for i in best]
    middle = [(float(ends[i]) + float(ends[i + 1])) / 2 for i in best]
    nearest = int(np.argmin([abs(p - fence) for p in places]))
    return middle[nearest]


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of values (n, F), of which those that are NaN aren't counted."""
    there = ~np.isnan(values)
    n = np.maximum(there.sum(0), 1)
    known = np.where(there, values, 0).astype(np.float64)
    mean = known.sum(0) / n
    away = np.where(there, known - mean, 0)
    deviation = np.sqrt((away * away).sum(0) / n)
    return mean, np.where(deviation > 0, deviation, 1.0)


def _weights(labels: np.ndarray) -> np.ndarray:
    """Return how much samples count: as much in all as there are outliers, on either side."""
    normal, others = labels == NORMAL, labels == 0
    n = int((labels == OUTLIER).sum())
    share = UNLABELLED if normal.any() and others.any() else float(others.any())
    out = np.ones(len(labels))
    out[others] = n * share / max(1, int(others.sum()))
    out[normal] = n * (1 - share) / max(1, int(normal.sum()))
    return out


def _ridge(P: np.ndarray, y: np.ndarray, weight: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return weights (k,) of P (n, k) that tell y = 1 from y = -1, beside a score that is given.

    Newton's method, whose steps are solved by conjugate gradients. No library of matrices has a
    part in it, so that results are the same for any number of threads.
    """
    n, k = P.shape
    w, b = np.zeros(k), 0.0

    def margins(w: np.ndarray, b: float) -> np.ndarray:
        found: np.ndarray = np.einsum("nk,k->n", P, w) + b + given
        return found

    def value(m: np.ndarray, w: np.ndarray) -> float:
        return float((weight * np.logaddexp(0, -y * m)).sum() + PENALTY / 2 * (w * w).sum())

    m = margins(w, b)
    now = value(m, w)
    for _ in range(ITERATIONS):
        chance = 1 / (1 + np.exp(np.clip(y * m, -500, 500)))
        slope, curve = -y * weight * chance, weight * chance * (1 - chance)
        grad = np.append(np.einsum("n,nk->k", slope, P) + PENALTY * w, slope.sum())
        size = float((grad * grad).sum())
        if size <= 1e-12 * n:
            break
        step, rest = np.zeros(k + 1), -grad
        way, left = rest.copy(), size
        for _ in range(INNER):
            along = curve * (np.einsum("nk,k->n", P, way[:k]) + way[k])
            bent = np.append(np.einsum("n,nk->k", along, P) + PENALTY * way[:k], along.sum())
            bent[k] += 1e-9 * way[k]
            far = left / max(float((way * bent).sum()), 1e-300)
            step += far * way
            rest = rest - far * bent
            before, left = left, float((rest * rest).sum())
            if left <= 1e-4 * size:
                break
            way = rest + left / before * way
        length, descent = 1.0, float((grad * step).sum())
        while length > 1e-6:
            found = margins(w + length * step[:k], b + length * float(step[k]))
            new = value(found, w + length * step[:k])
            if new <= now + 1e-4 * length * descent:
                break
            length /= 2
        else:
            break
        w, b, m, now = w + length * step[:k], b + length * float(step[k]), found, new
    return w
