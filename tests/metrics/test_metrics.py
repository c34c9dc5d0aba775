"""Metrics beside scikit-learn and SciPy, or beside values worked out by hand."""

import itertools

import numpy as np
import pytest
from aecore import metrics


def labels_of(rng, n, k, kind):
    values = rng.integers(0, k, n)
    return {
        "int": values - 3,
        "bool": values > 0,
        "str": np.array(list("abcdefghij"))[values % 10],
    }[kind]


# ------------------------------------------------------------------------------ clusterings


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (5, 5), (7, 13), (30, 31), (40, 40)])
def test_assignment_is_optimal(shape, rng):
    linear_sum_assignment = pytest.importorskip("scipy.optimize").linear_sum_assignment
    for cost in (
        rng.standard_normal(shape),
        rng.integers(0, 4, shape).astype(float),  # many ties
        np.zeros(shape),
        -(rng.random(shape) ** 8) * 1e9,
    ):
        columns = metrics._assignment(cost)
        assert len(set(columns)) == shape[0]
        expected = cost[linear_sum_assignment(cost)].sum()
        assert np.isclose(cost[np.arange(shape[0]), columns].sum(), expected, rtol=1e-12)


def test_clustering_accuracy_is_the_best_over_all_matchings(rng):
    for n_classes, n_clusters in itertools.product((1, 2, 3, 4), repeat=2):
        y, clusters = rng.integers(0, n_classes, 30), rng.integers(0, n_clusters, 30)
        wide = max(n_classes, n_clusters)
        best = max(
            np.mean(np.array(names)[clusters] == y) for names in itertools.permutations(range(wide))
        )
        assert metrics.clustering_accuracy(y, clusters) == pytest.approx(best, abs=1e-15)
        assert metrics.clustering_accuracy(clusters, y) == pytest.approx(best, abs=1e-15)


def test_names_of_clusters_have_no_meaning(rng):
    y = rng.integers(0, 10, 200)
    names = np.array(list("qwertyuiop"))
    assert metrics.clustering_accuracy(y, names[y]) == 1.0
    assert metrics.clustering_accuracy(list(map(bool, y)), y > 0) == 1.0
    # A cluster for each sample: each class keeps one of them.
    assert metrics.clustering_accuracy(y, np.arange(200)) == len(np.unique(y)) / 200


@pytest.mark.parametrize("kinds", [("int", "int"), ("str", "int"), ("bool", "str")])
@pytest.mark.parametrize("n, k", [(1, 1), (2, 5), (50, 3), (1000, 10)])
def test_nmi_is_that_of_scikit_learn(n, k, kinds, rng):
    reference = pytest.importorskip("sklearn.metrics").normalized_mutual_info_score
    y, clusters = labels_of(rng, n, k, kinds[0]), labels_of(rng, n, k, kinds[1])
    mixed = np.where(rng.random(n) < 0.7, y, y[::-1])
    for other in (clusters, mixed, y, np.zeros(n, int)):
        expected = reference(y, other)
        assert metrics.nmi(y, other) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n, k", [(1, 1), (2, 5), (50, 3), (1000, 10)])
def test_ari_is_that_of_scikit_learn(n, k, rng):
    reference = pytest.importorskip("sklearn.metrics").adjusted_rand_score
    y, clusters = labels_of(rng, n, k, "int"), labels_of(rng, n, k, "str")
    mixed = np.where(rng.random(n) < 0.7, y, y[::-1])
    for other in (clusters, mixed, y, np.zeros(n, int), np.arange(n)):
        assert metrics.ari(y, other) == pytest.approx(reference(y, other), abs=1e-12)
    weight = rng.integers(0, 3, n)
    weight[0] = 1
    whole = metrics.ari(np.repeat(y, weight), np.repeat(mixed, weight))
    assert metrics.ari(y, mixed, sample_weight=weight) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize(
    "n_classes, n_clusters", [(1, 1), (1, 6), (6, 1), (4, 9), (9, 4), (10, 10)]
)
def test_clusterings_beside_scipy(n_classes, n_clusters, rng):
    linear_sum_assignment = pytest.importorskip("scipy.optimize").linear_sum_assignment
    contingency_matrix = pytest.importorskip("sklearn.metrics.cluster").contingency_matrix
    y, clusters = rng.integers(0, n_classes, 300), rng.integers(0, n_clusters, 300)
    clusters = np.where(rng.random(300) < 0.5, clusters, y % n_clusters)
    table = contingency_matrix(y, clusters)
    expected = table[linear_sum_assignment(table, maximize=True)].sum() / 300
    names = np.array(list("klmnopqrst"))
    for labels in (y, names[y], names[y].astype(object), list(names[y]), y.astype(np.uint8) * 20):
        assert metrics.clustering_accuracy(labels, clusters) == pytest.approx(expected, abs=1e-15)
        assert metrics.clustering_accuracy(labels, names[clusters]) == pytest.approx(expected)
        assert metrics.nmi(labels, clusters) == pytest.approx(metrics.nmi(y, names[clusters]))
    if n_classes == 1 or n_clusters == 1:
        assert metrics.nmi(y, clusters) == float(n_classes == n_clusters)


def test_labels_from_data_frames():
    pd = pytest.importorskip("pandas")
    y = ["cat", "dog", "cat", "emu"]
    for labels in (
        pd.Series(y),
        pd.Series(y, dtype="category"),
        pd.Categorical(y),
        np.array(y, np.dtypes.StringDType()),
        np.array(y, "S3"),
    ):
        assert metrics.clustering_accuracy(labels, [7, 3, 7, 1]) == 1.0
        assert metrics.nmi(labels, y) == pytest.approx(1)
        assert metrics.knn_accuracy(np.eye(4), labels, np.eye(4), labels, k=1) == 1.0
    numbers = pd.Series([3, 5, 3, 9], dtype=object)
    assert metrics.clustering_accuracy(numbers, [7, 3, 7, 1]) == 1.0
    with pytest.raises(TypeError, match="y: expected integers, booleans or strings"):
        metrics.nmi(pd.Series(["cat", None, "dog"]), [0, 1, 2])


def test_nmi_of_many_names_needs_no_table():
    n = 100_000  # a dense table would be 80 GB
    assert metrics.nmi(np.arange(n), np.arange(n)[::-1]) == pytest.approx(1)


# ------------------------------------------------------------------------------------ codes


@pytest.mark.parametrize("k", [1, 2, 5, 60])
@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_knn_accuracy_is_that_of_scikit_learn(k, offset, rng, monkeypatch):
    KNeighborsClassifier = pytest.importorskip("sklearn.neighbors").KNeighborsClassifier
    monkeypatch.setattr(metrics, "_BLOCK", 60 * 7)  # several blocks, the last one short
    X, X_test = rng.standard_normal((60, 3)) + offset, rng.standard_normal((45, 3)) + offset
    y, y_test = rng.integers(0, 4, 60), rng.integers(0, 4, 45)
    expected = KNeighborsClassifier(k, algorithm="brute").fit(X - offset, y)
    expected = expected.score(X_test - offset, y_test)
    assert metrics.knn_accuracy(X, y, X_test, y_test, k=k) == pytest.approx(expected, abs=1e-15)


def test_knn_accuracy_of_one_code_and_of_names(rng):
    KNeighborsClassifier = pytest.importorskip("sklearn.neighbors").KNeighborsClassifier
    assert metrics.knn_accuracy([[1.0]], ["a"], [[5.0], [2.0]], ["a", "b"], k=1) == 0.5
    X, X_test = rng.standard_normal((40, 2)), rng.standard_normal((30, 2))
    y, y_test = np.array(list("zyx"))[rng.integers(0, 3, (2, 40))]
    expected = KNeighborsClassifier(4, algorithm="brute").fit(X, y).score(X_test, y_test[:30])
    assert metrics.knn_accuracy(X, y, X_test, y_test[:30], k=4) == pytest.approx(expected)
    # distances of integers and of wide ranges don't overflow
    wide = rng.integers(-(2**40), 2**40, (20, 3))
    assert metrics.knn_accuracy(wide, np.arange(20), wide, np.arange(20), k=1) == 1.0
    small = rng.integers(0, 256, (20, 5), np.uint8)
    assert metrics.knn_accuracy(small, np.arange(20), small, np.arange(20), k=1) == 1.0


def test_knn_accuracy_takes_grids_of_codes_and_names(rng):
    codes = rng.integers(0, 512, (20, 7, 7))
    y = np.array(list("abcde"))[np.arange(20) % 5]
    assert metrics.knn_accuracy(codes, y, codes, y, k=1) == 1.0
    assert metrics.knn_accuracy(codes, y, codes, np.roll(y, 1), k=1) == 0.0
    # A class that only the test set has can't be found.
    assert metrics.knn_accuracy(codes, y, codes[:1], ["z"], k=20) == 0.0


def test_active_units_by_hand(rng):
    # Variances 0, 0.01 (not above the threshold), 0.0144 and 1.
    sign = np.array([1.0, -1.0, 1.0, -1.0])
    means = np.stack([0 * sign + 5, 0.125 * sign, 0.25 * sign, sign + 3], axis=1)
    assert metrics.active_units(means) == 3
    assert metrics.active_units(means, threshold=0.0625) == 1
    assert metrics.active_units(means, threshold=0) == 3
    assert metrics.active_units(np.zeros((2, 4), np.float32)) == 0


def test_perplexity_by_hand(rng):
    assert metrics.perplexity(np.arange(512), 512) == pytest.approx(512)
    assert metrics.perplexity(np.zeros((3, 4, 4), np.int32), 512) == 1.0
    # Half, a quarter, a quarter: 1.5 bits.
    assert metrics.perplexity(np.array([[0, 0], [3, 9]], np.uint8), 10) == pytest.approx(2**1.5)
    entropy = pytest.importorskip("scipy.stats").entropy
    codes = rng.integers(0, 40, 300) // rng.integers(1, 5, 300)
    expected = np.exp(entropy(np.bincount(codes)))
    assert metrics.perplexity(codes, 40) == pytest.approx(expected, rel=1e-12)


def test_bits_per_dim_by_hand():
    assert metrics.bits_per_dim(np.log(2) * 10, 5) == pytest.approx(2)
    assert isinstance(metrics.bits_per_dim(np.float32(1.0), 1), float)
    assert metrics.bits_per_dim(-1, 1) == pytest.approx(-1.4426950408889634)
    bits = metrics.bits_per_dim(np.log(256) * np.array([[1, 2]], np.float32), 8)
    np.testing.assert_allclose(bits, [[1, 2]], rtol=1e-6)


# -------------------------------------------------------------------------------------- mmd


def mmd_by_loops(X, Y, sigma):
    k = lambda a, b: np.exp(-((a - b) ** 2).sum() / (2 * sigma**2))  # noqa: E731
    within = [np.mean([k(a, b) for a, b in itertools.permutations(Z, 2)]) for Z in (X, Y)]
    return sum(within) - 2 * np.mean([k(a, b) for a in X for b in Y])


@pytest.mark.parametrize("n, m", [(2, 2), (2, 9), (13, 8)])
def test_mmd_is_its_formula(n, m, rng, monkeypatch):
    monkeypatch.setattr(metrics, "_BLOCK", 20)
    X, Y = rng.standard_normal((n, 3)), rng.standard_normal((m, 3)) + 1
    for sigma in (0.3, 1.0, 20.0):
        expected = mmd_by_loops(X, Y, sigma)
        assert metrics.mmd(X, Y, bandwidth=sigma) == pytest.approx(expected, abs=1e-12)
        assert metrics.mmd(X + 1e4, Y + 1e4, bandwidth=sigma) == pytest.approx(expected, abs=1e-9)
    pairs = itertools.combinations(np.concatenate([X, Y]), 2)
    median = np.median([np.linalg.norm(a - b) for a, b in pairs])
    assert metrics.mmd(X, Y) == pytest.approx(mmd_by_loops(X, Y, median), abs=1e-9)


def test_mmd_is_unbiased_and_tells_distributions_apart(rng):
    same = [metrics.mmd(*rng.standard_normal((2, 40, 2)), bandwidth=1.0) for _ in range(400)]
    assert min(same) < 0 and abs(np.mean(same)) < 3 * np.std(same) / 20
    X, Y = rng.standard_normal((2, 200, 2))
    assert metrics.mmd(X, 2 * Y) > 0.02 and metrics.mmd(X, Y + 1) > 0.1


def test_mmd_of_few_or_equal_points(rng):
    assert metrics.mmd(np.zeros((3, 2)), np.zeros((4, 2))) == pytest.approx(0, abs=1e-15)
    # Most points coincide: the median is over distances between different points.
    X = np.zeros((50, 1))
    X[0] = 3.0
    assert metrics.mmd(X, X) == metrics.mmd(X, X, bandwidth=3.0)
    images = rng.integers(0, 256, (1200, 4, 4, 1), dtype=np.uint8)
    assert metrics.mmd(images, images[::-1]) == pytest.approx(metrics.mmd(images[::-1], images))


# ------------------------------------------------------------------------------- far rows


@pytest.mark.parametrize("far", [1e6, 1e9])
@pytest.mark.parametrize("place", ["first", "cluster"])
def test_far_rows_cost_no_digits(far, place, rng, monkeypatch):
    """Distances are those that differences have, whatever else is among the samples."""
    monkeypatch.setattr(metrics, "_BLOCK", 60 * 7)
    X, Y = rng.standard_normal((2, 60, 3))
    X[0] = far
    if place == "cluster":  # half of the samples are far from the other half
        X[::2] += far
        Y[::2] += far
    for sigma in (0.1, 1.0):
        assert metrics.mmd(X, Y, bandwidth=sigma) == pytest.approx(
            mmd_by_loops(X, Y, sigma), rel=1e-9
        )
    pairs = itertools.combinations(np.concatenate([X, Y]), 2)
    median = np.median([np.linalg.norm(a - b) for a, b in pairs])
    assert metrics.mmd(X, Y) == pytest.approx(mmd_by_loops(X, Y, median), rel=1e-9)
    # each test code lies a little beside one training code, whose name it has
    near = X + rng.standard_normal(X.shape) * 1e-6
    assert metrics.knn_accuracy(X, np.arange(60), near, np.arange(60), k=1) == 1.0


def test_one_far_row_changes_no_median(rng):
    X, Y = rng.standard_normal((2, 300, 2)) * 1e-3
    want = metrics.mmd(X, Y)
    X[0] = 1e6
    assert metrics.mmd(X, Y) == pytest.approx(want, abs=0.02)
    assert metrics.mmd(X, Y + 2e-3) > 0.2


# ---------------------------------------------------------------------------------- bad calls

A, Y3 = np.ones((3, 2)), [0, 1, 2]
NAN = np.array([[0.0, np.nan], [1.0, 2.0]])
BAD = [
    (ValueError, "shape", metrics.clustering_accuracy, ([], []), {}),
    (ValueError, "expected equal lengths", metrics.clustering_accuracy, ([0, 1], [0]), {}),
    (ValueError, "shape", metrics.clustering_accuracy, ([[0, 1]], [0, 1]), {}),
    (TypeError, "float64", metrics.clustering_accuracy, ([0.5, 1.0], [0, 1]), {}),
    (TypeError, "object", metrics.clustering_accuracy, ([None, 1], [0, 1]), {}),
    (ValueError, "shape", metrics.nmi, (3, 3), {}),
    (ValueError, "expected equal lengths", metrics.ari, ([1], [1, 2]), {}),
    (TypeError, "float64", metrics.ari, ([0, 1], [0.0, 1.0]), {}),
    (ValueError, "expected equal lengths", metrics.nmi, ([1], [1, 2]), {}),
    (TypeError, "float64", metrics.nmi, ([0, 1], [0.0, 1.0]), {}),
    (ValueError, "shape", metrics.knn_accuracy, ([1.0, 2.0], [0, 1], A, Y3), {}),
    (ValueError, "expected equal lengths", metrics.knn_accuracy, (A, [0, 1], A, Y3), {}),
    (ValueError, "expected equal lengths", metrics.knn_accuracy, (A, Y3, A, [0]), {}),
    (ValueError, "many features", metrics.knn_accuracy, (A, Y3, np.ones((3, 4)), Y3), {}),
    (ValueError, "at least 1", metrics.knn_accuracy, (A, Y3, A, Y3), {"k": 0}),
    (ValueError, "at most", metrics.knn_accuracy, (A, Y3, A, Y3), {"k": 4}),
    (TypeError, "integer", metrics.knn_accuracy, (A, Y3, A, Y3), {"k": 1.5}),
    (TypeError, "kind", metrics.knn_accuracy, (A, Y3, A, ["a", "b", "c"]), {"k": 1}),
    (ValueError, "finite", metrics.knn_accuracy, (NAN, [0, 1], NAN, [0, 1]), {"k": 1}),
    (TypeError, "real", metrics.knn_accuracy, (A + 1j, Y3, A, Y3), {}),
    (TypeError, "real", metrics.active_units, ([["a"], ["b"]],), {}),
    (ValueError, "N >= 2", metrics.active_units, (np.ones((1, 3)),), {}),
    (ValueError, "shape", metrics.active_units, (np.ones(3),), {}),
    (ValueError, "shape", metrics.active_units, (np.ones((3, 2, 2)),), {}),
    (ValueError, "finite", metrics.active_units, (NAN,), {}),
    (ValueError, "at least 0", metrics.active_units, (A,), {"threshold": -1}),
    (ValueError, "finite", metrics.active_units, (A,), {"threshold": np.nan}),
    (TypeError, "number", metrics.active_units, (A,), {"threshold": "low"}),
    (ValueError, "indices: expected at least one", metrics.perplexity, ([], 4), {}),
    (TypeError, "float64", metrics.perplexity, ([0.0], 4), {}),
    (ValueError, "0 to 3", metrics.perplexity, ([4], 4), {}),
    (ValueError, "0 to 3", metrics.perplexity, ([-1], 4), {}),
    (ValueError, "at least 1", metrics.perplexity, ([0], 0), {}),
    (TypeError, "integer", metrics.perplexity, ([0], 4.0), {}),
    (ValueError, "at least 1", metrics.bits_per_dim, (1.0, 0), {}),
    (TypeError, "integer", metrics.bits_per_dim, (1.0, None), {}),
    (TypeError, "real", metrics.bits_per_dim, ("high", 4), {}),
    (ValueError, "finite", metrics.bits_per_dim, ([1.0, np.inf], 4), {}),
    (ValueError, "N >= 2", metrics.mmd, (A[:1], A), {}),
    (ValueError, "many features", metrics.mmd, (A, np.ones((3, 4))), {}),
    (ValueError, "more than 0", metrics.mmd, (A, A), {"bandwidth": 0.0}),
    (ValueError, "finite", metrics.mmd, (A, A), {"bandwidth": np.inf}),
    (TypeError, "number", metrics.mmd, (A, A), {"bandwidth": "median"}),
    (ValueError, "finite", metrics.mmd, (NAN, NAN), {}),
]


@pytest.mark.parametrize("error, words, function, args, options", BAD)
def test_bad_calls_say_what_was_expected(error, words, function, args, options):
    with pytest.raises(error, match=words):
        function(*args, **options)


def test_inputs_stay_as_they_are(rng):
    X = rng.standard_normal((30, 3))
    y = np.arange(30) % 3
    before = X.copy()
    X.flags.writeable = False
    metrics.knn_accuracy(X, y, X, y)
    metrics.mmd(X, X)
    metrics.active_units(X)
    np.testing.assert_array_equal(X, before)


def test_a_weight_of_two_is_the_sample_twice():
    rng = np.random.default_rng(3)
    y, c = rng.integers(0, 4, 60), rng.integers(0, 5, 60)
    weight = rng.integers(0, 4, 60)
    many = np.repeat(y, weight), np.repeat(c, weight)
    for metric in (metrics.clustering_accuracy, metrics.nmi):
        assert metric(y, c, sample_weight=weight) == pytest.approx(metric(*many))
        assert metric(y, c, sample_weight=np.ones(60)) == pytest.approx(metric(y, c))
        with pytest.raises(ValueError, match="sample_weight"):
            metric(y, c, sample_weight=weight[:5])
        with pytest.raises(ValueError, match="zero for every sample"):
            metric(y, c, sample_weight=np.zeros(60))
    codes, others = rng.random((50, 3)), rng.random((60, 3))
    labels = rng.integers(0, 4, 50)
    found = metrics.knn_accuracy(codes, labels, others, y, sample_weight=weight)
    twice = metrics.knn_accuracy(codes, labels, np.repeat(others, weight, 0), many[0])
    assert found == pytest.approx(twice)
