"""A few labels of outliers: what counts as labels, and what a detector makes of them."""

import copy
import pickle
import warnings

import aecore as ae
import numpy as np
import pytest
from aecore.models.detection import labels as module
from aecore.models.detection.labels import Evidence, read_labels, threshold

SMALL = ae.Autoencoder(ae.Dense((8,)), 2, epochs=3, batch_size=32)
MEASURES = ("manifold", "loss", "codes", "mean", "max")


def detector(model=SMALL, **params):
    return ae.AnomalyDetector(model, **{"random_state": 0, "n_models": 2, **params})


def quiet(model, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model.fit(*args)


@pytest.fixture
def task(rng):
    """Rows of two groups, the smaller of which are outliers that only labels tell."""
    normal, odd = rng.normal(size=(360, 6)), rng.normal(size=(40, 6)) + [0, 1.5, 0, -1.5, 0, 0]
    X, out = np.concatenate([normal, odd]), np.arange(400) >= 360
    order = rng.permutation(400)
    X, out = X[order], out[order]
    y = np.zeros(400, int)
    y[np.flatnonzero(out)[:6]], y[np.flatnonzero(~out)[:30]] = -1, 1
    return X, out, y


# ---- what counts as labels ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [
        [-1, 1, 0, 0],
        np.array([-1.0, 1.0, np.nan, 0.0]),
        np.array([[-1], [1], [0], [0]]),
        np.array([-1, 1, None, 0], object),
        [-1, 1, float("nan"), None],
        np.array([-1, 1, 0, 0], np.int8),
    ],
)
def test_labels_in_any_form(y):
    np.testing.assert_array_equal(read_labels(y, 4), [-1, 1, 0, 0])


def test_labels_of_data_frames():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for y in (
        pd.Series([-1, 1, None, 0], dtype="Int64", index=[7, 3, 1, 2]),
        pd.Series([-1, 1, None, 0]),
        pd.Series([-1, 1, pd.NA, 0], dtype=object),
        pl.Series([-1, 1, None, 0]),
        pd.DataFrame({"y": [-1, 1, 0, 0]}),
    ):
        np.testing.assert_array_equal(read_labels(y, 4), [-1, 1, 0, 0])


@pytest.mark.parametrize(
    "y",
    [
        None,
        [0, 0, 0, 0],
        [1, 1, 1, 1],
        [0, 1, 2, 3],
        [-1, 1, 2, 1],
        [0.5, -1, 1, 0],
        ["a", "b", "a", "b"],
        ["-1", "1", "1", "1"],
        [None, None, None, None],
        [{}, -1, 1, 1],
        [-np.inf, -1, 1, 1],
        0,
        [0, 1, 2],  # as many as they like: nobody reads them
    ],
)
def test_what_is_no_label_changes_nothing(y, task):
    assert read_labels(y, 4) is None
    X = task[0][:60]
    want = detector().fit(X)
    got = quiet(detector(), X, y)
    np.testing.assert_array_equal(got.score_samples(X), want.score_samples(X))
    assert got.offset_ == want.offset_ and got._state.evidence is None


@pytest.mark.parametrize("y", [[0, 1] * 30, [True, False] * 30, [1, np.nan] * 30])
def test_classes_that_may_be_meant_as_labels_are_warned_of(y, task):
    X = task[0][:60]
    with pytest.warns(UserWarning, match="y: expected -1 for known outliers, .* got no -1"):
        got = detector().fit(X, y)
    np.testing.assert_array_equal(got.score_samples(X), detector().fit(X).score_samples(X))


def test_labels_that_make_no_sense(task):
    X, _, y = task
    with pytest.raises(ValueError, match="y: expected 400 labels, .* got 399"):
        detector().fit(X, y[:-1])
    with pytest.raises(ValueError, match="y: expected at least 2 samples that aren't known out"):
        detector().fit(X[:5], [-1, -1, -1, -1, 1])
    with pytest.raises(ValueError, match="y: expected None or labels .N,., .* array of 2 axes"):
        detector().fit(X, X)
    assert detector().fit(X[:5], [-1, -1, -1, 0, 1])


def test_pipelines_pass_classes(task):
    sklearn = pytest.importorskip("sklearn.pipeline")
    from sklearn.model_selection import GridSearchCV
    from sklearn.preprocessing import StandardScaler

    X, out, y = task
    pipe = sklearn.make_pipeline(StandardScaler(), detector())
    want = pipe.fit(X).score_samples(X)
    np.testing.assert_array_equal(quiet(pipe, X, np.arange(400) % 10).score_samples(X), want)
    assert (pipe.fit(X, y).score_samples(X) != want).any()

    def score(model, X, y):
        return float(model.score_samples(X).mean())

    search = GridSearchCV(detector(), {"n_models": [1, 2]}, scoring=score, cv=2)
    quiet(search, X, np.arange(400) % 3)
    with pytest.warns(UserWarning, match="got no -1") as said:
        search.fit(X, np.arange(400) % 2)
    assert len(said) == 1  # of the search's five fits


# ---- what they are for --------------------------------------------------------------------------


def area(out, scores):
    """The share of pairs that are in order."""
    odd, usual = scores[out], scores[~out]
    return float((odd[:, None] < usual).mean())


@pytest.mark.parametrize("measure", MEASURES)
def test_labels_find_what_nothing_else_does(measure, task):
    X, out, y = task
    blind = detector(measure=measure).fit(X)
    told = detector(measure=measure).fit(X, y)
    unknown = y == 0
    areas = [area(out[unknown], d.score_samples(X)[unknown]) for d in (blind, told)]
    assert areas[1] > areas[0] + 0.1 and areas[1] > 0.8
    alone = detector(measure=measure).fit(X, np.where(y == 1, 0, y))  # no normal ones known
    assert area(out[unknown], alone.score_samples(X)[unknown]) > areas[0] + 0.08


def test_scores_follow_the_formula(task):
    X, _, y = task
    d = detector(measure="loss").fit(X, y)
    state, known = d._state, d._state.evidence
    usual = X[y != -1]
    low, middle, high = np.percentile(usual, (25, 50, 75), axis=0)
    Z = np.arcsinh((X - middle) / ((high - low) / 1.349))
    raw = np.array([-m.score_samples(Z.astype(np.float32)) for m in d.estimators_], float)
    quartiles = np.percentile(raw[:, y != -1], (25, 50, 75), axis=1)
    np.testing.assert_allclose(state.location[:, 0], quartiles[1], rtol=1e-4)
    np.testing.assert_allclose(state.scale[:, 0], quartiles[2] - quartiles[0], rtol=1e-4)
    s = ((raw - quartiles[1][:, None]) / (quartiles[2] - quartiles[0])[:, None]).mean(0)
    c, e, fc, fe = known.moments
    u = np.clip((Z - c) / e, -8, 8)
    a = np.clip((np.abs(u) - fc) / fe, -4, 4)
    total = np.arcsinh(s) + u @ known.weights[0] + a @ known.weights[1]
    total -= np.median(total[y != -1])
    np.testing.assert_allclose(d.score_samples(X), -total, atol=2e-4)
    np.testing.assert_allclose(np.median(d.score_samples(usual)), 0, atol=1e-12)


def test_known_outliers_are_no_training_samples(rng, monkeypatch):
    X = rng.normal(size=(200, 3))
    X[:20] = [50, 0, 0]
    y = np.where(np.arange(200) < 20, -1, 0)
    seen = []
    fit = ae.Autoencoder.fit
    monkeypatch.setattr(
        ae.Autoencoder, "fit", lambda self, Z, *a, **k: seen.append(Z) or fit(self, Z, *a, **k)
    )
    d = detector().fit(X, y)
    assert len(seen) == 2 and all(len(Z) == 90 and np.abs(Z).max() < 4 for Z in seen)
    for member in d._state.members:
        assert np.abs(member.state["references"]).max() < 4
    assert d.score_samples(X)[:20].max() < d.score_samples(X)[20:].min()


def test_weights_are_the_best_ones(rng):
    """They are compared with scikit-learn's, whose penalty is on the other side."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    P = rng.normal(size=(80, 12)) / np.sqrt(12)
    y, weight = np.where(rng.random(80) < 0.3, 1.0, -1.0), rng.random(80) + 0.1
    theirs = linear_model.LogisticRegression(C=1 / module.PENALTY, tol=1e-10, max_iter=10000)
    want = theirs.fit(P, y, sample_weight=weight).coef_[0]
    np.testing.assert_allclose(module._ridge(P, y, weight, np.zeros(80)), want, atol=1e-4)
    # beside a score that is given the gradient is 0: by finite differences of the loss
    given = rng.normal(size=80)
    w = module._ridge(P, y, weight, given)

    def loss(w):
        from scipy.optimize import minimize_scalar

        m = P @ w + given
        best = minimize_scalar(lambda b: (weight * np.logaddexp(0, -y * (m + b))).sum()).fun
        return best + module.PENALTY / 2 * (w * w).sum()

    for j in range(12):
        step = np.zeros(12)
        step[j] = 1e-3
        assert abs(loss(w + step) - loss(w - step)) / 2e-3 < 1e-4


def test_evidence_of_gaps_and_constants(rng):
    values = rng.normal(size=(50, 3)).astype(np.float32)
    values[:, 1], values[::2, 2] = 7, np.nan
    labels = np.where(np.arange(50) < 5, -1, 0).astype(np.int8)
    made = Evidence.learn(values, labels, np.zeros(50))
    assert all(np.isfinite(part).all() for part in made)
    assert (made.features(np.full((2, 3), np.nan)) == 0).all()
    nothing = Evidence.learn(np.full((50, 3), np.nan, np.float32), labels, np.zeros(50))
    assert (nothing.weights == 0).all()


@pytest.mark.parametrize("seed", range(20))
def test_the_threshold_splits_labels_best(seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1, 0, 1], 40, p=[0.2, 0.4, 0.4])
    labels[:2] = -1, 1
    scores = np.round(rng.normal(size=40) - labels, 1)  # some are equal
    found = threshold(scores, labels, 1.0)

    def right(t):
        return (scores[labels == -1] > t).mean() + (scores[labels == 1] <= t).mean()

    splits = np.unique(np.concatenate([scores - 0.05, scores + 0.05, [found]]))
    assert right(found) == pytest.approx(max(map(right, splits)))


def test_the_threshold_by_hand():
    scores = np.array([0.0, 1.0, 2.0, 5.0, 9.0])
    assert threshold(scores, np.array([1, 1, 0, 0, -1]), 100.0) == 5.0  # halfway from 1 to 9
    assert threshold(scores, np.array([0, 0, 0, 0, -1]), 0.0) == 7.0  # others stand in


def test_contamination(task):
    X, out, y = task
    d = detector(contamination=0.1).fit(X, y)
    assert (d.predict(X) == -1).sum() == 40
    auto = detector(contamination="auto").fit(X, y)
    found = auto.predict(X)
    known = y != 0
    assert (found[known] == y[known]).mean() > 0.75
    assert (found[out] == -1).mean() > 0.5 and (found[~out] == 1).mean() > 0.7
    np.testing.assert_array_equal(detector(contamination="auto").fit_predict(X, y), found)


# ---- data and models of all kinds ---------------------------------------------------------------


def test_it_stays_the_same(task, tmp_path):
    X, _, y = task
    d = detector().fit(X, y)
    want = d.score_samples(X)
    d.save(tmp_path / "d")
    for same in (ae.load(tmp_path / "d"), pickle.loads(pickle.dumps(d)), copy.deepcopy(d),
                 d.frozen(), detector().fit(X, y), detector(n_jobs=2).fit(X, y)):  # fmt: skip
        np.testing.assert_array_equal(same.score_samples(X), want)
        np.testing.assert_array_equal(same.predict(X), d.predict(X))
    np.testing.assert_array_equal(d.score_samples(X[5:6]), want[5:6])
    threads = ae.get_num_threads()
    try:
        ae.set_num_threads(3)
        np.testing.assert_array_equal(detector().fit(X, y).score_samples(X), want)
    finally:
        ae.set_num_threads(threads)


def test_fitting_again_without_labels_forgets_them(task):
    X, _, y = task
    d = detector().fit(X, y).fit(X)
    assert d._state.evidence is None
    np.testing.assert_array_equal(d.score_samples(X), detector().fit(X).score_samples(X))


@pytest.mark.parametrize("measure", ["manifold", "loss", "mean"])
def test_reasons_add_up(measure, task):
    X, _, y = task
    d = detector(measure=measure).fit(X, y)
    adds, blind = d.score_features(X), detector(measure=measure).fit(X[y != -1])
    assert (adds < 0).any() and (blind.score_features(X) >= 0).all()
    found = d.explain(X, 6)
    shares = np.array(found["share"]).reshape(400, 6)
    whole = (adds > 0).any(1)  # for some nothing speaks
    np.testing.assert_allclose(np.maximum(shares, 0).sum(1), whole, rtol=1e-6)
    assert whole.mean() > 0.9
    if measure == "manifold":
        location, scale = d._state.location, d._state.scale
        rest = np.arcsinh((location / scale).mean()) + d._state.evidence.offset
        np.testing.assert_allclose(adds.sum(1) + d.score_samples(X), rest, atol=1e-4)
    first = found["column"][::6][y == -1]
    assert np.isin(first, [1, 3]).mean() > 0.6  # what the labels are about


@pytest.mark.parametrize(
    "kind", ["frame", "columns", "images", "pixels", "sequences", "lists", "gaps", "sparse"]
)
def test_kinds_of_samples(kind, rng, tmp_path):
    n, model = 120, SMALL
    y = np.where(np.arange(n) < 10, -1, np.where(np.arange(n) < 40, 1, 0))
    odd = y == -1
    if kind in ("frame", "columns"):
        pd = pytest.importorskip("pandas")
        X = pd.DataFrame({"a": rng.normal(size=n) + odd, "b": rng.choice(list("xyz"), n)})
        X.loc[odd, "b"] = "x"
        X.loc[50:60, "a"] = np.nan
        model = None if kind == "frame" else ae.TabularAutoencoder(ae.Dense((8,)), 2, epochs=2)
    elif kind in ("images", "pixels"):
        X = rng.random((n, 6, 6, 1))
        X[odd, 2, 2] = 1
        X = (X * 255).astype(np.uint8) if kind == "pixels" else X
        model = ae.Autoencoder(ae.Dense((16,)), 3, epochs=2)
    elif kind in ("sequences", "lists"):
        X = rng.normal(size=(n, 9, 2)) + odd[:, None, None]
        X = [x[: rng.integers(4, 10)] for x in X] if kind == "lists" else X
        model = ae.Autoencoder(ae.LSTM(8), 2, epochs=2)
    else:
        X = rng.normal(size=(n, 5)) * (rng.random((n, 5)) < 0.5) + 2 * odd[:, None]
        X[rng.random(X.shape) < 0.1] = np.nan if kind == "gaps" else 0
        if kind == "sparse":
            X = pytest.importorskip("scipy.sparse").csr_array(X)
    d = detector(model).fit(X, y)
    scores = d.score_samples(X)
    assert np.isfinite(scores).all() and scores[odd].mean() < scores[~odd].mean() - 0.5
    d.save(tmp_path / "d")
    np.testing.assert_array_equal(ae.load(tmp_path / "d").score_samples(X), scores)
    assert len(d.explain(X[:3] if kind != "frame" else X.iloc[:3], 2)) == 6
    if kind == "lists":
        assert np.isfinite(d.score_samples([*X[:2], rng.normal(size=(20, 2))])).all()


def test_rows_of_files(task, tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    X, _, y = task
    want = detector().fit(X, y).score_samples(X)
    for rows, labels in ((ae.open_rows(X, y=y), None), (ae.open_rows(X), y)):
        np.testing.assert_array_equal(detector().fit(rows, labels).score_samples(X), want)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame.assign(label=y).to_parquet(tmp_path / "t.parquet")
    rows = ae.open_rows(tmp_path / "t.parquet", y="label")
    found = detector().fit(rows)
    np.testing.assert_array_equal(found.score_samples(frame), want)
    np.testing.assert_array_equal(detector().fit_predict(rows), found.predict(frame))


def test_files_are_read_strictly(task, tmp_path):
    from aecore.files import document, load
    from aecore.files.classes import VALUES
    from aecore.files.codec import Decoder
    from aecore.models.base import state

    X, _, y = task
    detector().fit(X, y).save(tmp_path / "d")
    config, tensors = document.read(tmp_path / "d")

    def refused(match, config=config, tensors=tensors):
        with pytest.raises(ValueError, match=match):
            state.read(config, dict(tensors), Decoder((*VALUES, *load.MODELS), 10**6))

    known = tensors["evidence"]
    refused("evidence: expected a finite number", {**config, "evidence": None})
    refused("evidence: expected a finite number", {**config, "evidence": float("nan")})
    refused(
        "evidence: expected finite", tensors={k: v for k, v in tensors.items() if k != "evidence"}
    )
    for odd in (known * np.nan, known.astype(np.float32), known[:5], known[:, :2], -np.abs(known)):
        refused("evidence: expected", tensors=tensors | {"evidence": odd})
