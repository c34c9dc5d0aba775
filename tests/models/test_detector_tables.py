"""The detector on tables: columns of all types, missing cells, and what they are scaled to."""

import aecore as ae
import numpy as np
import pytest
from aecore.data.batches import Batch
from aecore.data.samples import Samples
from aecore.data.tables.scaling import MAX_LEVELS, RobustScaler
from aecore.losses.mixed import Mixed
from aecore.models.detection.score import _table_residuals

SMALL = ae.Autoencoder(ae.Dense((8,)), 2, epochs=3, batch_size=32)


def detector(model=SMALL, **params):
    return ae.AnomalyDetector(model, **{"random_state": 0, "n_models": 2, **params})


@pytest.fixture
def X(rng):
    return rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5))


@pytest.fixture
def frame(rng):
    pd = pytest.importorskip("pandas")
    n = 240
    colour = rng.choice(["red", "green", "blue"], n, p=[0.5, 0.4, 0.1])
    size = np.where(colour == "red", 3.0, -3.0) + 0.3 * rng.normal(size=n)
    frame = pd.DataFrame({"size": size, "colour": colour, "new": rng.random(n) < 0.5})
    frame.loc[3, "size"] = np.nan
    frame.loc[5, "colour"] = None
    return frame


def test_mixed_tables(frame):
    d = ae.AnomalyDetector(random_state=0).fit(frame)
    odd = frame.head(8).copy()
    odd.loc[0, "colour"] = "pink"
    odd.loc[1, "size"] = 400.0
    red = odd.loc[2, "colour"] == "red"
    odd.loc[2, "size"] = -3.0 if red else 3.0  # each value is usual, both together aren't
    plain, changed = d.score_samples(frame.head(8)), d.score_samples(odd)
    assert (changed[:3] < plain[:3]).all() and (d.predict(odd)[:3] == -1).all()
    np.testing.assert_array_equal(changed[3:], plain[3:])
    with pytest.raises(ValueError, match="feature names should match"):
        d.score_samples(frame[["colour", "size", "new"]])
    assert ae.AnomalyDetector(SMALL, random_state=0).fit(frame).n_features_in_ == 3


def test_structured_arrays_and_frames_agree(frame):
    table = np.empty(len(frame), [("size", float), ("colour", "U5"), ("new", bool)])
    table["size"], table["new"] = frame["size"], frame["new"]
    table["colour"] = frame["colour"].fillna("")
    scores = [detector(None).fit(X).score_samples(X) for X in (frame, table)]
    np.testing.assert_array_equal(*scores)


def test_frames_of_numbers(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcde"))
    d = detector().fit(frame)
    np.testing.assert_array_equal(d.score_samples(frame), detector().fit(X).score_samples(X))
    assert list(d.feature_names_in_) == list("abcde")
    with pytest.raises(TypeError, match="expected numbers, as in fit"):
        d.score_samples(frame.assign(c="x"))


def test_levels_become_numbers():
    names = np.repeat([f"{i:02}" for i in range(MAX_LEVELS + 5)], np.arange(MAX_LEVELS + 5, 0, -1))
    table = np.array([(n,) for n in names], [("name", "U2")])
    robust = RobustScaler.learn(Samples(table))
    assert robust.levels[0].labels == [f"{i:02}" for i in range(MAX_LEVELS)]
    asked = np.array([("00",), ("66",), ("new",), ("",)], [("name", "U3")])
    Z, there = robust.transform(asked)
    assert Z.shape == (4, MAX_LEVELS + 1) and (there == [[True], [True], [True], [False]]).all()
    share = np.mean(names == "00")
    assert Z[0, 0] == pytest.approx(np.arcsinh(1 / np.sqrt(share)), rel=1e-6)
    np.testing.assert_array_equal(Z[1], Z[2])  # rare ones and new ones are one
    assert Z[1].argmax() == MAX_LEVELS and not Z[3].any()


def test_missing_cells(X):
    X[::7, 2] = np.nan
    d = detector().fit(X)
    assert np.isfinite(d.score_samples(X)).all()
    full = detector().fit(X[:, [0, 1, 3, 4]])
    hole = X[:, [0, 1, 3, 4]][:20].copy()
    hole[:, 1] = np.nan
    assert np.isfinite(full.score_samples(hole)).all()  # missing only where it is asked
    X[:, 1] = np.nan
    assert np.isfinite(detector().fit(X).score_samples(X)).all()


def test_edges(X):
    one = X[:, :1].copy()
    one[3] = 1e4
    assert detector(None).fit(one).score_samples(one).argmin() == 3
    X[:, 2] = 7.0
    d = detector().fit(X)
    odd = X[:1].copy()
    odd[0, 2] = 900.0
    assert d.score_samples(odd)[0] < d.score_samples(X[:1])[0]
    same = np.ones((50, 3))
    d = detector(None).fit(same)
    assert np.isfinite(d.score_samples(same)).all() and (d.predict(same) == 1).all()
    assert d.score_samples(X[:2]).shape == (2,) if X.shape[1] == 3 else True
    assert np.isfinite(detector(None).fit(X[:2]).score_samples(X)).all()
    assert np.isfinite(detector(None).fit(1e300 * X[:50]).score_samples(X)).all()


def test_scaling_depends_on_the_loss(X):
    assert detector().fit(X)._state.robust is not None
    assert detector(scale=False).fit(X)._state.robust is None
    bce = ae.Autoencoder(ae.Dense((8,)), 2, loss="bce", epochs=1)
    zero_one = (X > 0).astype(float)
    assert detector(bce).fit(zero_one)._state.robust is None
    assert detector(ae.TabularAutoencoder(latent_dim=2, epochs=1)).fit(X)._state.robust is None


def test_saved_tables(frame, tmp_path):
    for model in (None, ae.TabularAutoencoder(ae.Dense((8,)), 2, epochs=2)):
        d = detector(model).fit(frame)
        d.save(tmp_path / "d")
        other = ae.load(tmp_path / "d")
        np.testing.assert_array_equal(other.score_samples(frame), d.score_samples(frame))
        assert list(other.feature_names_in_) == list(frame.columns)


def test_distances_of_tables():
    """Numbers in deviations of their columns, levels as probabilities."""
    loss, output = Mixed((0, 2, 3), np.zeros(3)), np.array([[0.5, -1, 0, 1, 2]] * 2, np.float32)
    batch = Batch(2)
    batch.target = np.array([[1.5, 1, 2], [np.nan, 0, 3]], np.float32)  # there is no fourth level
    found = _table_residuals(loss, output, batch)
    squares, points = found.squares, found.points
    p, three = 1 / (1 + np.exp(1)), np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum()
    first = (1.5 - 0.5) ** 2 + 2 * (1 - p) ** 2 + ((three - [0, 0, 1]) ** 2).sum()
    second = (2 * p**2 + (three**2).sum() + 1) * 3 / 2  # of two cells, for three
    np.testing.assert_allclose(squares, [first, second], rtol=1e-5)
    np.testing.assert_allclose(points[0], [0.5, 1 - p, p, *three], rtol=1e-5)
