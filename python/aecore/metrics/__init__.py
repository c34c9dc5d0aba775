"""Figures of merit for codes, clusterings, codebooks, samples and synthetic tables.

N is a number of samples, D of features (or of latent dimensions), K of clusters, classes or codes.
Everything is computed in float64 and, where all pairs of samples are compared, in blocks of bounded
memory. Wrong input raises TypeError or ValueError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base import checks
from ..base.checks import Floats
from ..base.hints import attribute
from ..data import weights
from ._distances import squared_distances
from ._rate_distortion import RateDistortion, rate_distortion
from ._synthetic import SyntheticReport, synthetic_report

__all__ = [
    "RateDistortion",
    "SyntheticReport",
    "active_units",
    "ari",
    "bits_per_dim",
    "clustering_accuracy",
    "knn_accuracy",
    "mmd",
    "nmi",
    "perplexity",
    "rate_distortion",
    "synthetic_report",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # for whom there are no other attributes
    __getattr__ = attribute(__name__, __all__, {})


# Distances that are kept at a time: 2^22 are 32 MB.
_BLOCK = 1 << 22


def clustering_accuracy(
    y: ArrayLike, clusters: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    r"""Measure how well clusters match classes, under the best one-to-one matching of the two.

    .. math:: \max_m \frac{1}{N} \sum_{n=1}^{N} [y_n = m(c_n)]

    where m runs over the one-to-one maps from clusters to classes. The best one is found exactly,
    by the Hungarian algorithm. If there are more clusters than classes, members of clusters without
    a class count as wrong.

    Parameters
    ----------
    y : array-like (N,)
        True class of each sample: integers, booleans or strings.
    clusters : array-like (N,)
        Cluster of each sample; the names have no meaning.
    sample_weight : array-like (N,), optional
        How much each sample counts: 2 is the sample twice.

    Returns
    -------
    float
        Share of the samples in the right cluster, above 0 and up to 1.

    Raises
    ------
    TypeError, ValueError
        The labels are floats, empty, not of rank 1 or not of equal length.

    References
    ----------
    H. W. Kuhn, "The Hungarian method for the assignment problem", Naval Research Logistics
    Quarterly 2, 1955. J. Xie, R. Girshick and A. Farhadi, "Unsupervised deep embedding for
    clustering analysis", ICML 2016, equation 10.

    Examples
    --------
    >>> clustering_accuracy([0, 0, 1, 1, 2], ["b", "b", "a", "c", "c"])
    0.8
    """
    rows, columns, counts, n = _contingency(y, clusters, sample_weight)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    table[rows, columns] = counts
    if table.shape[0] > table.shape[1]:
        table = table.T
    matched = table[np.arange(len(table)), _assignment(-table)]
    return float(matched.sum() / n)


def nmi(y: ArrayLike, clusters: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    r"""Measure the information two labellings share, normalised by the mean of their entropies.

    .. math:: \mathrm{NMI} = \frac{2\, I(y; c)}{H(y) + H(c)}, \qquad
        I = \sum_{k,l} p_{kl} \ln \frac{p_{kl}}{p_k\, p_l}

    Parameters
    ----------
    y, clusters : array-like (N,)
        Two labellings of the same samples: integers, booleans or strings.
    sample_weight : array-like (N,), optional
        How much each sample counts: 2 is the sample twice.

    Returns
    -------
    float
        From 0 (independent) to 1 (the same up to names). Two labellings of a single label each are
        the same: 1.

    Raises
    ------
    TypeError, ValueError
        The labels are floats, empty, not of rank 1 or not of equal length.

    References
    ----------
    A. Strehl and J. Ghosh, "Cluster ensembles: a knowledge reuse framework for combining multiple
    partitions", JMLR 3, 2002; with the arithmetic mean of the entropies, as scikit-learn does by
    default.

    Examples
    --------
    >>> nmi([0, 0, 1, 1], [5, 5, 3, 3])
    1.0
    >>> nmi([0, 0, 1, 1], [0, 1, 0, 1])
    0.0
    """
    rows, columns, counts, n = _contingency(y, clusters, sample_weight)
    joint = counts / n
    p, q = np.bincount(rows, joint), np.bincount(columns, joint)
    if len(p) == 1 or len(q) == 1:  # a labelling without entropy
        return float(len(p) == len(q))
    entropies = -(p * np.log(p)).sum() - (q * np.log(q)).sum()
    information = (joint * np.log(joint / (p[rows] * q[columns]))).sum()
    # Rounding may exceed the bounds by an ulp.
    return float(np.clip(2 * information / entropies, 0, 1))


def ari(y: ArrayLike, clusters: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    r"""Measure how many pairs of samples two labellings agree on, adjusted for chance.

    Of the pairs that both put together, a, those that the first does, b, and the second, c, among m
    pairs in all:

    .. math:: \mathrm{ARI} = \frac{a - bc / m}{(b + c) / 2 - bc / m}

    Parameters
    ----------
    y, clusters : array-like (N,)
        Two labellings of the same samples: integers, booleans or strings.
    sample_weight : array-like (N,), optional
        How much each sample counts: 2 is the sample twice.

    Returns
    -------
    float
        At most 1 (the same up to names), and 0 on average for independent labellings of the same
        sizes, so that it may be negative.

    Raises
    ------
    TypeError, ValueError
        The labels are floats, empty, not of rank 1 or not of equal length, or weights aren't whole.

    References
    ----------
    L. Hubert and P. Arabie, "Comparing partitions", Journal of Classification 2, 1985.

    Examples
    --------
    >>> ari([0, 0, 1, 1], [5, 5, 3, 3])
    1.0
    >>> round(ari([0, 0, 1, 1], [0, 1, 0, 1]), 3)
    -0.5
    """
    rows, columns, counts, n = _contingency(y, clusters, sample_weight)
    if (np.mod(counts, 1) != 0).any():
        raise ValueError(
            "sample_weight: expected whole numbers, as pairs of samples are counted, got others"
        )

    def pairs(sizes: Any) -> float:
        return float((sizes * (sizes - 1)).sum()) / 2

    both, total = pairs(np.asarray(counts, np.float64)), n * (n - 1) / 2
    first, second = (pairs(np.bincount(labels, counts)) for labels in (rows, columns))
    chance = first * second / total if total else 0.0
    most = (first + second) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


def knn_accuracy(
    codes: ArrayLike,
    y: ArrayLike,
    codes_test: ArrayLike,
    y_test: ArrayLike,
    *,
    k: int = 5,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Classify test codes by their k nearest training codes, and return the share that is right.

    The distance is Euclidean, each neighbour has one vote, and of classes with equally many votes
    the first in sorted order wins. This measures how well codes separate classes, without anything
    to tune.

    Parameters
    ----------
    codes : array-like (N, D) or (N, ...)
        Training codes; further axes are flattened.
    y : array-like (N,)
        Their classes: integers, booleans or strings.
    codes_test : array-like (M, D) or (M, ...)
        Test codes.
    y_test : array-like (M,)
        Their classes.
    k : int, default 5
        Number of neighbours, from 1 to N.
    sample_weight : array-like (M,), optional
        How much each test code counts.

    Returns
    -------
    float
        Share of the test samples that are classified correctly, 0 to 1.

    Raises
    ------
    TypeError, ValueError
        A dtype, shape, length or k does not fit, or a code is not finite.

    References
    ----------
    T. Cover and P. Hart, "Nearest neighbor pattern classification", IEEE Transactions on
    Information Theory 13(1), 1967.

    Examples
    --------
    >>> knn_accuracy([[0.0], [1.0], [9.0]], ["a", "a", "b"], [[0.4], [7.0]], ["a", "b"], k=1)
    1.0
    """
    X, X_test = checks.samples("codes", codes), checks.samples("codes_test", codes_test)
    labels, labels_test = checks.labels("y", y), checks.labels("y_test", y_test)
    checks.same_length("codes", X, "y", labels)
    checks.same_length("codes_test", X_test, "y_test", labels_test)
    checks.same_features("codes", X, "codes_test", X_test)
    if (labels.dtype.kind in "USO") != (labels_test.dtype.kind in "USO"):
        raise TypeError(
            f"y and y_test: expected labels of one kind, got {labels.dtype} and {labels_test.dtype}"
        )
    k = checks.integer("k", k, 1)
    if k > len(X):
        raise ValueError(f"k: expected at most the number of training codes, {len(X)}, got {k}")
    classes, coded = np.unique(np.concatenate([labels, labels_test]), return_inverse=True)
    target, target_test = coded[: len(X)], coded[len(X) :]
    weight = _weights(sample_weight, len(X_test))
    right, centre = 0.0, np.median(X, axis=0)
    for block in _blocks(len(X_test), len(X)):
        distances = squared_distances(X_test[block], X, centre)
        nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
        votes = np.zeros((len(nearest), len(classes)), np.int64)
        for column in target[nearest].T:
            votes[np.arange(len(votes)), column] += 1
        right += float(weight[block] @ (votes.argmax(axis=1) == target_test[block]))
    return right / float(weight.sum())


def active_units(means: ArrayLike, *, threshold: float = 0.01) -> int:
    r"""Count the latent dimensions that depend on the input.

    Dimension d is active where :math:`\mathrm{Var}_x\, \mathrm{E}_{q(z|x)}[z_d] >
    \text{threshold}`. In a VAE whose posterior has collapsed, most dimensions are inactive: they
    stay at the prior's mean for any input.

    Parameters
    ----------
    means : array-like (N, D)
        Posterior means of at least two samples: ``model.transform(X)``.
    threshold : float, default 0.01
        Variance, in the prior's units (its variance is 1), above which a dimension is active.

    Returns
    -------
    int
        From 0 to D.

    Raises
    ------
    TypeError, ValueError
        A dtype or shape does not fit, a mean is not finite, or the threshold is negative.

    References
    ----------
    Y. Burda, R. Grosse and R. Salakhutdinov, "Importance weighted autoencoders", ICLR 2016, section
    5.2.

    Examples
    --------
    >>> active_units([[1.0, 0.0], [-1.0, 0.01], [0.5, -0.01]])
    1
    """
    Z = checks.samples("means", means, least=2)
    if np.ndim(means) != 2:
        raise ValueError(f"means: expected the shape (N, D), got {np.shape(means)}")
    threshold = checks.real("threshold", threshold)
    return int((Z.var(axis=0) > threshold).sum())


def perplexity(indices: ArrayLike, n_codes: int) -> float:
    r"""Return the effective number of codes of a codebook that are in use.

    .. math:: \exp\Bigl(-\sum_{k=1}^{K} p_k \ln p_k\Bigr)

    where :math:`p_k` is the share of code k among the indices.

    Parameters
    ----------
    indices : integer array-like, any shape
        Code indices, 0 to K - 1: ``model.transform(X)`` of a VQVAE.
    n_codes : int
        K, the size of the codebook.

    Returns
    -------
    float
        From 1 (a single code in use) to K (all codes equally often).

    Raises
    ------
    TypeError, ValueError
        The indices are not integers, empty or out of range, or n_codes is not positive.

    References
    ----------
    A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation learning",
    NeurIPS 2017.

    Examples
    --------
    >>> round(perplexity([[0, 1], [1, 0]], 8), 6)
    2.0
    """
    n_codes = checks.integer("n_codes", n_codes, 1)
    codes = checks.array("indices", indices)
    if codes.size == 0:
        raise ValueError("indices: expected at least one, got none")
    if codes.dtype.kind not in "iu":
        raise TypeError(f"indices: expected integers, got {codes.dtype}")
    if codes.min() < 0 or codes.max() >= n_codes:
        raise ValueError(
            f"indices: expected 0 to {n_codes - 1}, got {codes.min()} to {codes.max()}"
        )
    used = np.unique(codes, return_counts=True)[1] / codes.size
    return float(np.exp(-(used * np.log(used)).sum()))


def bits_per_dim(nats: ArrayLike, n_dims: int) -> Any:
    r"""Turn a negative log-likelihood in nats per sample into bits per dimension.

    .. math:: b = \frac{-\ln p(x)}{D \ln 2}

    Of a density over data that were scaled by 1/256, as when bytes are mapped to 0..1, add
    log2(256) = 8 to compare with figures for the bytes themselves.

    Parameters
    ----------
    nats : float or array-like
        Negative log-likelihood of a whole sample, or its bound, -ELBO.
    n_dims : int
        D, the number of features of a sample: 32 * 32 * 3 for CIFAR-10.

    Returns
    -------
    float, or float64 array of the shape of nats
        Bits per dimension.

    Raises
    ------
    TypeError, ValueError
        nats are not finite real numbers, or n_dims is not a positive integer.

    References
    ----------
    L. Theis, A. van den Oord and M. Bethge, "A note on the evaluation of generative models", ICLR
    2016.

    Examples
    --------
    >>> bits_per_dim(784 * np.log(2), 784)  # ln 2 nats make a bit
    1.0
    """
    n_dims = checks.integer("n_dims", n_dims, 1)
    bits = checks.finite("nats", nats) / (n_dims * np.log(2))
    return float(bits) if bits.ndim == 0 else bits


def mmd(X: ArrayLike, Y: ArrayLike, *, bandwidth: float | None = None) -> float:
    r"""Estimate how far apart two distributions are: the squared maximum mean discrepancy.

    .. math:: \mathrm{MMD}^2 = \frac{1}{N(N-1)} \sum_{i \ne j} k(x_i, x_j)
        + \frac{1}{M(M-1)} \sum_{i \ne j} k(y_i, y_j) - \frac{2}{NM} \sum_{i,j} k(x_i, y_j),
        \qquad k(a, b) = \exp\Bigl(-\frac{\lVert a - b \rVert^2}{2 \sigma^2}\Bigr)

    The estimate is unbiased: between samples of the same distribution it scatters around zero, and
    may be negative.

    Parameters
    ----------
    X : array-like (N, D) or (N, ...)
        At least two samples of the first distribution; further axes are flattened.
    Y : array-like (M, D) or (M, ...)
        At least two samples of the second.
    bandwidth : float, optional
        The kernel's :math:`\sigma`, in the units of the data. By default the median distance
        between different points of X and Y together, taken over at most 1,000 evenly spaced rows of
        each. Give one value to compare figures of different samples.

    Returns
    -------
    float
        The estimate, without unit.

    Raises
    ------
    TypeError, ValueError
        A dtype or shape does not fit, a value is not finite, or the bandwidth is not a positive
        number.

    References
    ----------
    A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf and A. Smola, "A kernel two-sample test", JMLR
    13, 2012, lemma 6.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.standard_normal((2, 500, 3))
    >>> abs(mmd(X, Y)) < 0.01 < mmd(X, Y + 1)
    True
    """
    A, B = checks.samples("X", X, least=2), checks.samples("Y", Y, least=2)
    checks.same_features("X", A, "Y", B)
    centre = np.median(A, axis=0)
    if bandwidth is None:
        bandwidth = _median_distance(
            np.concatenate([_evenly_spaced(A, 1000), _evenly_spaced(B, 1000)]), centre
        )
    else:
        bandwidth = checks.real("bandwidth", bandwidth, above=True)
    n, m = len(A), len(B)
    # The diagonals, n and m ones, are not pairs.
    within_A = (_kernel_sum(A, A, bandwidth, centre) - n) / (n * (n - 1))
    within_B = (_kernel_sum(B, B, bandwidth, centre) - m) / (m * (m - 1))
    return within_A + within_B - 2 * _kernel_sum(A, B, bandwidth, centre) / (n * m)


# ------------------------------------------------------------------------------------------------


def _assignment(cost: Floats) -> NDArray[np.int64]:
    """Give each row of an (n, m) cost matrix, n <= m, its own column at the least total cost.

    The Hungarian algorithm with potentials, O(n² m): rows join one at a time, each by a shortest
    augmenting path (R. Jonker and A. Volgenant, Computing 38, 1987). Column 0 is a root that stands
    for the row that is joining.
    """
    n, m = cost.shape
    u, v = np.zeros(n + 1), np.zeros(m + 1)
    row_of = np.zeros(m + 1, np.int64)  # 0: the column is free
    for row in range(1, n + 1):
        row_of[0], column = row, 0
        slack = np.full(m + 1, np.inf)
        came_from = np.zeros(m + 1, np.int64)
        reached = np.zeros(m + 1, bool)
        while True:
            reached[column] = True
            i = row_of[column]
            reduced = np.concatenate([[np.inf], cost[i - 1] - u[i] - v[1:]])
            better = ~reached & (reduced < slack)
            slack[better], came_from[better] = reduced[better], column
            column = int(np.where(reached, np.inf, slack).argmin())
            step = slack[column]
            u[row_of[reached]] += step
            v[reached] -= step
            slack[~reached] -= step
            if row_of[column] == 0:
                break
        while column:
            row_of[column], column = row_of[came_from[column]], int(came_from[column])
    columns = np.empty(n, np.int64)
    taken = np.flatnonzero(row_of[1:])
    columns[row_of[1 + taken] - 1] = taken
    return columns


def _contingency(
    y: ArrayLike, clusters: ArrayLike, weight: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any], float]:
    """Count the pairs of labels that occur: class index, cluster index, count; and N.

    Samples count by their weights; those of none have no label.
    """
    a, b = checks.labels("y", y), checks.labels("clusters", clusters)
    checks.same_length("y", a, "clusters", b)
    if weight is not None:
        counted = _weights(weight, len(a))
        a, b, counted = a[counted > 0], b[counted > 0], counted[counted > 0]
    rows = np.unique(a, return_inverse=True)[1]
    columns = np.unique(b, return_inverse=True)[1]
    width = int(columns.max()) + 1
    # Only pairs that occur are stored: two labellings with N names don't need an N x N table.
    pairs, places, counts = np.unique(
        rows * width + columns, return_inverse=True, return_counts=True
    )
    if weight is None:
        return pairs // width, pairs % width, counts, len(a)
    return pairs // width, pairs % width, np.bincount(places, counted), float(counted.sum())


def _weights(weight: ArrayLike | None, n: int) -> Floats:
    """Check the weights of n samples; 1 for each without any."""
    if weight is None:
        return np.ones(n)
    found = weights.read(weight, n)
    if not found.sum() > 0:
        raise ValueError(f"sample_weight: {weights.NOTHING}")
    return found


def _kernel_sum(A: Floats, B: Floats, bandwidth: float, centre: Floats) -> float:
    total = 0.0
    for block in _blocks(len(A), len(B)):
        squared = squared_distances(A[block], B, centre)
        total += float(np.exp(squared / (-2 * bandwidth**2)).sum())
    return total


def _median_distance(A: Floats, centre: Floats) -> float:
    squared = squared_distances(A, A, centre)[np.triu_indices(len(A), 1)]
    different = squared[squared > 0]
    return float(np.median(np.sqrt(different))) if len(different) else 1.0


def _evenly_spaced(A: Floats, limit: int) -> Floats:
    """Return at most `limit` rows, evenly spaced."""
    return A[np.linspace(0, len(A) - 1, min(len(A), limit)).astype(np.int64)]


def _blocks(n: int, width: int) -> list[slice]:
    """Cut n rows into blocks of rows x width elements that fit the budget."""
    size = max(1, _BLOCK // width)
    return [slice(start, start + size) for start in range(0, n, size)]
