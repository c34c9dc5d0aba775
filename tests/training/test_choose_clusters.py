"""Numbers of clusters, compared by how stable they are and by information criteria."""

import aecore as ae
import numpy as np
import pytest
from aecore.nn.quantize.kmeans import best_kmeans

choose = ae.tuning.choose_clusters


@pytest.fixture(scope="module")
def codes():
    """Five clusters, two of which are nearer to each other."""
    rng = np.random.default_rng(0)
    points = np.array([[0, 0], [10, 0], [0, 10], [10, 10], [10, 14]])
    return np.concatenate([rng.normal(point, 0.6, (60, 2)) for point in points])


@pytest.mark.parametrize("criterion", ["stability", "bic", "aic"])
def test_the_number_is_found(criterion, codes):
    found = choose(codes, range(2, 9), criterion=criterion, covariance="diag", repeats=5)
    assert found.suggestion == 5
    assert found.table["n_clusters"].tolist() == list(range(2, 9))
    scores = dict(zip(found.table["n_clusters"].tolist(), found.table["score"], strict=True))
    if criterion == "stability":
        assert scores[5] == 1 and scores[4] == 1 and scores[7] < 0.99
    else:
        assert scores[5] < scores[4] < scores[2]


def test_scores_are_the_same_for_any_number_of_threads(codes):
    found = []
    before = ae.get_num_threads()
    try:
        for n in (1, 2):
            ae.set_num_threads(n)
            found.append(choose(codes, (3, 6), repeats=3).table)
    finally:
        ae.set_num_threads(before)
    np.testing.assert_array_equal(*found)
    other = choose(codes, (3, 6), repeats=3, random_state=1).table
    assert other["score"][1] != found[0]["score"][1]


def test_bic_is_that_of_the_mixture(codes):
    table = choose(codes, [3], criterion="bic", repeats=2, random_state=4).table
    scores = [ae.GaussianMixture(3, random_state=s).fit(codes).bic(codes) for s in (4, 5)]
    assert table["score"][0] == pytest.approx(np.mean(scores))
    assert table["deviation"][0] == pytest.approx(np.std(scores, ddof=1))


def test_the_best_start_counts(codes):
    rows = codes.astype(np.float32)
    one = [best_kmeans(rows, 5, seed, 1, 50)[2] for seed in range(20)]
    centers, labels, inertia = best_kmeans(rows, 5, 0, 20, 50)
    assert inertia <= min(one) * (1 + 1e-6) < max(one)
    square = ((rows[:, None] - centers) ** 2).sum(2)
    assert inertia == pytest.approx(square.min(1).sum(), rel=1e-5)
    np.testing.assert_array_equal(labels, square.argmin(1))


@pytest.mark.parametrize(
    ("args", "options", "text"),
    [
        (([1.0, 2.0],), {}, "Z: expected some codes"),
        ((np.eye(9), [1, 2]), {}, "n_clusters: expected"),
        ((np.eye(9), [8]), {}, "n_clusters: expected"),
        ((np.eye(9), []), {}, "n_clusters: expected some"),
        ((np.eye(9), [2.5]), {}, "n_clusters: expected"),
        ((np.eye(9), [2]), {"criterion": "elbow"}, "criterion: expected"),
        ((np.eye(9), [2]), {"fraction": 0}, "fraction: expected"),
        ((np.eye(9), [2]), {"fraction": 1.5}, "fraction: expected"),
        ((np.eye(99), [2]), {"fraction": 0.03}, "fraction: expected parts with codes in common"),
        ((np.eye(9), [2]), {"repeats": 1}, "repeats: expected"),
        ((np.eye(9), [2]), {"random_state": -1}, "random_state: expected"),
        ((np.eye(9), [2]), {"criterion": "bic", "covariance": "tied"}, "covariance: expected"),
    ],
)
def test_refused(args, options, text):
    with pytest.raises((TypeError, ValueError), match=text):
        choose(*args, **options)
