"""The detector of odd steps: what it finds, whatever the series come in."""

import copy
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore.data import series as data_series
from aecore.files import document, load
from aecore.files.classes import VALUES
from aecore.files.codec import Decoder
from aecore.models.base import state
from aecore.models.series.alarms import fit_gumbel, gumbel_threshold
from aecore.models.series.errors import Scaling, lay, mean_over, starts_of
from aecore.models.series.events import exact, oddest, stretches

FAST = ae.Autoencoder(ae.Dense((16,)), 4, epochs=8, batch_size=32)


def waves(n, rng, noise=0.05):
    t = np.arange(n)
    return np.stack([np.sin(t / 9), 100 + 20 * np.cos(t / 9)], 1) + noise * np.array(
        [1, 20]
    ) * rng.standard_normal((n, 2))


def detector(window=16, **params):
    return ae.SeriesDetector(window, **{"model": FAST, "random_state": 0, "n_models": 2, **params})


@pytest.fixture
def X(rng):
    return waves(600, rng)


@pytest.fixture
def fitted(X):
    return detector().fit(X)


# ---- what it finds ------------------------------------------------------------------------------


def test_planted_events(rng):
    X = waves(3000, rng)
    X[2000:2030, 1] += 20
    X[2500, 0] += 3
    d = ae.SeriesDetector(32, random_state=0).fit(X[:1500])
    assert (d.predict(X)[:1900] == 1).all()
    found = d.events(X)
    assert found["features"].tolist() == ["1", "0"]
    assert np.abs(found["start"] - [2000, 2500]).max() <= 8
    assert np.abs(found["end"] - [2029, 2500]).max() <= 8
    assert (found["steps"] == found["end"] - found["start"] + 1).all()
    assert (found["score"] < d.threshold_).all()


@pytest.mark.parametrize("kind", ["white", "autoregressive", "seasonal"])
def test_few_false_alarms_in_what_is_like_training(kind):
    alarms = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(3000)
        if kind == "autoregressive":
            for i in range(1, len(x)):
                x[i] += 0.9 * x[i - 1]
        if kind == "seasonal":
            x += 5 * np.sin(np.arange(3000) / 8)
        d = ae.SeriesDetector(32, random_state=seed).fit(x[:1500])
        alarms.append(len(d.events(x[1500:])))
    assert sum(alarms) <= 1


def test_the_threshold_is_gumbels(rng):
    # maxima of blocks that are Gumbel's already
    logs = -np.log(-np.log(rng.random(200_000))) * 0.3 + 1
    found = gumbel_threshold(np.exp(logs), 0.5, len(logs))
    exact = 1 - 0.3 * np.log(-np.log1p(-0.05) / len(logs))
    assert np.log(found) == pytest.approx(exact, rel=0.05)
    assert gumbel_threshold(np.ones(5), 3, 5) == pytest.approx(1)
    assert gumbel_threshold(np.ones(1), 3, 1) == pytest.approx(1)


def test_a_few_odd_blocks_hardly_move_the_threshold(rng):
    maxima = -np.log(-np.log(rng.random((2000, 80)))) * 0.1
    line = np.array([fit_gumbel(row) for row in maxima])
    np.testing.assert_allclose(line.mean(0), [0, 0.1], atol=0.003)
    limit = line[:, 0] - line[:, 1] * np.log(-np.log1p(-0.05) / 80)
    alarms = 1 - np.exp(-80 * np.exp(-limit / 0.1))
    assert 0.04 < alarms.mean() < 0.1  # 5 %, and what a fit to 80 blocks adds
    maxima[:, :8] += 2
    odd = np.array([fit_gumbel(row) for row in maxima])
    moved = odd[:, 0] - odd[:, 1] * np.log(-np.log1p(-0.05) / 80)
    assert moved.mean() < 1.2 * limit.mean()
    maxima[:, :24] = 2  # nearly a third
    most = np.array([fit_gumbel(row) for row in maxima])
    assert (most[:, 0] - most[:, 1] * np.log(-np.log1p(-0.05) / 80)).mean() < 2 * limit.mean()
    assert fit_gumbel(np.array([3.0])) == (3, 0)


def test_what_comes_back_is_normal(rng):
    logs = -np.log(-np.log(rng.random(100))) * 0.1
    logs[::6] += 2
    often = gumbel_threshold(np.exp(logs), 0.5, 100)
    assert np.log(often) > 1.8
    logs[6::12] -= 2
    logs[12::24] -= 2
    assert np.log(gumbel_threshold(np.exp(logs), 0.5, 100)) < 1.2
    few = -np.log(-np.log((np.arange(16) + 0.5) / 16)) * 0.1
    few[-3:] = 2  # one fault, of sixteen blocks
    assert np.log(gumbel_threshold(np.exp(few), 0.5, 16)) < 1


def test_faults_among_the_training_steps_are_found():
    rng, t = np.random.default_rng(0), np.arange(20_000)
    waves = [np.sin(t / 9 + k) * (1 + 0.2 * np.sin(t / 200 * (k + 1))) for k in range(5)]
    X = np.stack(waves, 1) + 0.1 * rng.standard_normal((20_000, 5))
    X[12_000:12_060, 1] += 1.2
    X[15_000:15_100, 3] = X[15_000, 3]
    X[17_000, 0] += 6
    found = ae.SeriesDetector(random_state=0).fit(X).events(X)
    assert found["features"].tolist() == ["1", "3", "0"]
    assert np.abs(found["peak"] - [12_030, 15_050, 17_000]).max() <= 64
    assert (found["start"] <= [12_010, 15_010, 17_000]).all()
    assert (found["end"] >= [12_050, 15_090, 17_000]).all()


def test_models_do_not_see_their_share(X):
    d = detector(n_models=3)
    total = 600 - 16 + 1
    blocks = [d._block(i, total) for i in range(3)]
    assert blocks == [(0, 195), (195, 390), (390, 585)]
    chosen = d._training_windows(data_series.read(X)[0].runs(16), Scaling.learn([X]), 16)
    kept = chosen.without(*blocks[1], d._margin(16))
    np.testing.assert_array_equal(kept.places, np.r_[0:187, 398:585])
    assert chosen.without(0, 580, 8) is chosen and chosen.total == total  # too few are left


def test_short_series_raise_no_false_alarms_all_the_time():
    for seed in range(2):
        x = np.random.default_rng(seed).standard_normal(1500)
        for i in range(1, len(x)):
            x[i] += 0.9 * x[i - 1]
        d = ae.SeriesDetector(random_state=seed).fit(x[:500])
        assert (d.predict(x[500:]) == -1).mean() < 0.1


def test_contamination_is_a_share_of_training_windows(X):
    d = detector(contamination=0.2).fit(X)
    assert np.mean(d._state.reference > -d.offset_) == pytest.approx(0.2, abs=0.01)


# ---- scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 3, 16])
@pytest.mark.parametrize("steps", [16, 17, 45, 600])
def test_scores_are_means_over_windows(X, fitted, stride, steps):
    fitted.stride = stride
    X = X[:steps]
    usual = fitted._state.usual
    scaled, _ = fitted._state.scaling.apply(X)
    sums, features, rebuilt, counts = np.zeros(steps), *np.zeros((2, steps, 2)), np.zeros(steps)
    for start in starts_of(steps, 16, stride):
        rows = slice(start, start + 16)
        guesses = [m.reconstruct(scaled[None, rows])[0] for m in fitted.estimators_]
        errors = np.mean([(scaled[rows] - guess) ** 2 / usual for guess in guesses], axis=0)
        sums[rows] += errors.mean()
        features[rows] += errors
        rebuilt[rows] += np.mean(guesses, axis=0)
        counts[rows] += 1
    assert (counts > 0).all()
    np.testing.assert_allclose(fitted.score_samples(X), -sums / counts, rtol=1e-4)
    np.testing.assert_allclose(fitted.score_features(X), features / counts[:, None], rtol=1e-3)
    wanted = fitted._state.scaling.undo(rebuilt / counts[:, None])
    np.testing.assert_allclose(fitted.reconstruct(X), wanted, rtol=1e-5)


def test_the_median_training_window_has_an_error_of_one(X, fitted):
    assert np.median(fitted._state.reference) == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(
        fitted.decision_function(X), fitted.score_samples(X) - fitted.offset_
    )
    np.testing.assert_array_equal(fitted.predict(X) == -1, fitted.decision_function(X) < 0)


def test_units_do_not_matter(X, fitted):
    other = X * [4.0, 0.25] + [0, 8]
    found = detector().fit(other).score_samples(other)
    np.testing.assert_allclose(found, fitted.score_samples(X), rtol=1e-2)


def test_lay_adds_windows_to_their_steps(rng):
    for stride in (1, 2, 3):
        starts = starts_of(20, 5, stride)
        values, out = rng.random((5, 2, len(starts))), np.zeros((20, 2))
        lay(out, starts, values, 5)
        wanted = np.zeros((20, 2))
        for i, start in enumerate(starts):
            wanted[start : start + 5] += values[:, :, i]
        np.testing.assert_allclose(out, wanted)


def test_chunks_do_not_change_the_scores(X, fitted, monkeypatch):
    wanted = fitted.score_samples(X)
    monkeypatch.setattr("aecore.models.series.errors.CHUNK_VALUES", 1)
    np.testing.assert_allclose(fitted.score_samples(X), wanted, rtol=1e-6)


# ---- missing values -----------------------------------------------------------------------------


def test_missing_values_score_neither_odd_nor_normal(X):
    holes = X.copy()
    holes[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    holes[300:310] = np.nan
    d = detector().fit(holes)
    scores, features = d.score_samples(holes), d.score_features(holes)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(np.isnan(features), np.isnan(holes))
    assert np.median(scores) == pytest.approx(-1, abs=0.3)
    changed = holes.copy()  # what is missing doesn't matter
    d.scale = None
    assert scores[300:310].min() > 3 * np.median(scores) - 5
    np.testing.assert_array_equal(d.score_samples(changed), scores)


@pytest.mark.parametrize("features", [[0], [1], [0, 1]])
def test_a_gap_is_no_event(rng, features):
    X = waves(3000, rng)
    d = ae.SeriesDetector(32, random_state=0).fit(X[:1500])
    whole = d.score_samples(X)
    for steps in (4, 16, 26, 64, 200):
        holes = X.copy()
        holes[2000 : 2000 + steps, features] = np.nan
        scores = d.score_samples(holes)
        assert not len(d.events(holes)) and scores.min() > 1.2 * whole.min(), steps
        far = np.r_[0:1969, 2031 + steps : 3000]  # whose windows lack nothing
        np.testing.assert_array_equal(scores[far], whole[far])
        stream = d.stream(holes[1900:1990])
        assert min(stream.update(row) for row in holes[1990:2250]) > d.offset_


@pytest.mark.parametrize("gap", [(1980, 2000, [0]), (1970, 2010, [0, 1]), (2030, 2130, [0, 1])])
def test_faults_beside_gaps_are_events(rng, gap):
    first, end, features = gap
    X = waves(3000, rng)
    d = ae.SeriesDetector(32, random_state=0).fit(X[:1500])
    X[2000:2030, 1] += 40
    X[first:end, features] = np.nan
    (event,) = d.events(X)
    assert event["features"] == "1"
    assert abs(event["start"] - max(2000, end if end < 2030 and 1 in features else 0)) <= 8
    assert abs(event["end"] - 2029) <= 8


def test_the_less_is_known_the_more_usual():
    relative, shares = np.array([[3.0, 5.0]]), np.ones((1, 2))
    assert mean_over(relative, shares) == [4]
    assert mean_over(relative, np.array([[1.0, 0.5]])) == [3]
    assert mean_over(relative, np.array([[1.0, 0.0]])) == [2]
    assert np.isnan(mean_over(relative, np.array([[0.9, 0.0]])))


def test_gaps_of_models_of_other_kinds(X):
    X[300:304, 0] = np.nan
    for model in (ae.VAE(ae.Dense((8,)), 2, epochs=1), ae.Autoencoder(ae.LSTM(4), 2, epochs=1)):
        d = detector(model=model).fit(X[:200])
        assert np.isfinite(d.score_samples(X)).all() and np.isfinite(d.impute(X)).all()


def test_gaps_are_imputed(rng):
    X = waves(2000, rng, noise=0.01)
    holes = X.copy()
    holes[1500:1506, 0] = np.nan
    d = ae.SeriesDetector(32, random_state=0).fit(X[:1400])
    full = d.impute(holes)
    seen = ~np.isnan(holes)
    np.testing.assert_array_equal(full[seen], X[seen])
    error = np.abs(full - X)[1500:1506, 0]
    assert error.mean() < 0.35 * np.abs(X[:, 0]).mean()  # a gap as the mean: 1


def test_a_feature_that_is_never_there_and_one_that_is_constant(X):
    odd = np.column_stack([X, np.full(len(X), np.nan), np.ones(len(X))])
    d = detector().fit(odd)
    assert np.isfinite(d.score_samples(odd)).all()
    changed = odd.copy()
    changed[400:410, 3] = 2  # a constant that changes
    assert d.events(changed)["features"].tolist() == ["3"]


def test_nothing_to_train_on():
    with pytest.raises(ValueError, match="expected windows with half of their values"):
        detector().fit(np.full((100, 2), np.nan))


# ---- containers ---------------------------------------------------------------------------------


def test_frames_lists_and_vectors_score_alike(X, fitted):
    pandas = pytest.importorskip("pandas")
    index = pandas.date_range("2026-01-01", periods=len(X), freq="min")
    frame = pandas.DataFrame(X, columns=["a", "b"], index=index)
    d = detector().fit(frame)
    scores = fitted.score_samples(X)
    np.testing.assert_array_equal(d.score_samples(frame), scores)
    assert list(d.feature_names_in_) == ["a", "b"] and d.step_ == 60
    assert d.reconstruct(frame).index.equals(index)
    one, two = fitted.score_samples([X[:100], X[100:]])
    np.testing.assert_array_equal(one, fitted.score_samples(X[:100]))
    np.testing.assert_array_equal(two, fitted.score_samples(X[100:]))
    vector = detector().fit(X[:, 0])
    np.testing.assert_array_equal(
        vector.score_samples(X[:, 0]), detector().fit(X[:, :1]).score_samples(X[:, :1])
    )
    assert vector.reconstruct(X[:, 0]).shape == (600,)
    assert vector.score_features(X[:, 0]).shape == (600, 1)


def test_missing_stamps_are_missing_steps(X):
    pandas = pytest.importorskip("pandas")
    index = pandas.date_range("2026-01-01", periods=len(X), freq="min")
    frame = pandas.DataFrame(X, columns=["a", "b"], index=index)
    d = detector().fit(frame)
    kept = np.r_[0:200, 205:300, 400:600]  # a short gap, and one longer than a window
    holes = frame.copy()
    holes.iloc[200:205] = np.nan
    wanted = np.concatenate([d.score_samples(holes[:300]), d.score_samples(frame[400:])])
    found = d.score_samples(frame.iloc[kept])
    np.testing.assert_allclose(found, np.delete(wanted, np.r_[200:205]), rtol=1e-6)
    with pytest.raises(ValueError, match="expected time stamps 60 apart, as in fit, got 300"):
        d.score_samples(frame[::5])


def test_events_of_frames(X):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    X[400:410, 1] += 100
    index = pandas.date_range("2026-01-01", periods=len(X), freq="min")
    frame = pandas.DataFrame(X, columns=["a", "b"], index=index)
    d = detector().fit(frame[:300])
    (event,) = d.events(frame).to_dict("records")
    assert index[398] <= event["start"] <= index[400] and event["features"] == "b"
    assert index[409] <= event["end"] <= index[411]
    flat = frame.rename_axis("t").reset_index()
    found = d.events(polars.from_pandas(flat))
    assert found["start"].to_list() == [event["start"]]
    assert list(d.events(frame[:300]).columns) == list(found.columns) and not len(
        d.events(frame[:300])
    )
    found = d.events([frame, frame[:300]])
    assert found["series"].tolist() == [0]


@pytest.mark.parametrize(
    "change, kind, text",
    [
        ({"window": 1}, ValueError, "window: expected at least 2"),
        ({"window": "long"}, ValueError, "window: expected one of 'auto'"),
        ({"window": 16, "stride": 17}, ValueError, "stride: expected at most the window, 16"),
        ({"contamination": 0.7}, ValueError, "contamination"),
        ({"contamination": "many"}, ValueError, "contamination"),
        ({"model": 3}, TypeError, "model: expected None or a model with codes"),
        ({"model": ae.CVAE()}, ValueError, "model: expected one without conditions"),
        ({"model": ae.TabularAutoencoder()}, ValueError, "model: expected one of sequences"),
        ({"n_models": 0}, ValueError, "n_models"),
        ({"random_state": "a"}, TypeError, "random_state"),
        ({"window": 601}, ValueError, "at least the 601 steps of a window, got 600"),
    ],
)
def test_bad_parameters(X, change, kind, text):
    with pytest.raises(kind, match=text):
        detector(**{"window": 16, **change}).fit(X)


def test_bad_series(X, fitted):
    with pytest.raises(ValueError, match="X has 3 features, but SeriesDetector is expecting 2"):
        fitted.score_samples(np.zeros((50, 3)))
    with pytest.raises(ValueError, match="at least the 16 steps"):
        fitted.score_samples(X[:15])
    with pytest.raises(ValueError, match="series 1: expected at least the 16 steps"):
        fitted.score_samples([X, X[:15]])
    with pytest.raises(ValueError, match="not fitted yet"):
        ae.SeriesDetector().score_samples(X)


def test_the_window_that_is_chosen(X):
    assert detector("auto").fit(X).window_ == 128
    assert detector("auto").fit(X[:100]).window_ == 25


# ---- streams ------------------------------------------------------------------------------------


def test_a_stream_scores_the_window_that_ends_now(X, fitted):
    stream = fitted.stream()
    scores = np.array([stream.update(x) for x in X[:60]])
    assert np.isnan(scores[:15]).all() and np.isfinite(scores[15:]).all()
    windows = ae.windows(fitted._state.scaling.apply(X[:60])[0], 16)
    errors = np.mean([(windows - m.reconstruct(windows)) ** 2 for m in fitted.estimators_], axis=0)
    wanted = -(errors.mean(1) / fitted._state.usual).mean(1)
    np.testing.assert_allclose(scores[15:], wanted, rtol=1e-4)
    later = fitted.stream(X[:40])
    np.testing.assert_array_equal(later.update(X[40:60]), scores[40:])
    assert stream.steps == 60 and stream.score == scores[-1] and not stream.is_odd
    assert stream.features.mean() == pytest.approx(-stream.score)
    stream.update([50.0, 100.0])
    assert stream.is_odd and stream.features.argmax() == 0


def test_what_streams_take(X):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b"])
    d = detector().fit(frame)
    one, two, three = (d.stream(frame[:100]) for _ in range(3))
    scores = one.update(frame[100:104])
    assert [two.update(dict(row)) for row in frame[100:104].to_dict("records")] == list(scores)
    assert [three.update(row) for _, row in frame[100:104].iterrows()] == list(scores)
    assert np.isfinite(one.update({"a": 0.5})) and np.isfinite(one.update([0.5, np.nan]))
    with pytest.raises(ValueError, match="got 'c'"):
        one.update({"c": 1.0})
    with pytest.raises(ValueError, match="expected 2 features, got 3"):
        one.update([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="infinity"):
        one.update([1.0, np.inf])
    vector = detector().fit(X[:, 0]).stream(X[:50, 0])
    assert isinstance(vector.update(0.5), float) and vector.update([0.5, 0.6]).shape == (2,)


def test_training_goes_on(X, rng):
    d = detector().fit(X)
    first = d._state
    assert detector().partial_fit(X).score_samples(X) == pytest.approx(d.score_samples(X))
    more = waves(400, rng) * [1.5, 1]
    before = d.score_samples(more).mean()
    for _ in range(5):
        d.partial_fit(more)
    assert d.score_samples(more).mean() > before and d.offset_ < first.offset
    assert d._state.seen == first.seen + 5 * 385


# ---- protocol -----------------------------------------------------------------------------------


def test_files_copies_and_pickles_score_alike(X, tmp_path):
    d = detector(contamination=0.01).fit(X)
    scores, path = d.score_samples(X), tmp_path / "d.safetensors"
    d.save(path)
    for other in (ae.load(path), copy.deepcopy(d), pickle.loads(pickle.dumps(d))):
        np.testing.assert_array_equal(other.score_samples(X), scores)
        assert other.offset_ == d.offset_ and other.window_ == 16
        assert repr(other) == repr(d)
    np.testing.assert_array_equal(d.frozen().score_samples(X), scores)
    np.testing.assert_array_equal(detector().fit(X).score_samples(X), scores)
    assert "SeriesDetector" in d._repr_html_()


def test_files_that_do_not_fit_are_refused(X, tmp_path):
    path = tmp_path / "d.safetensors"
    d = detector().fit(X)
    d.save(path)
    config, tensors = document.read(path)
    decoder = Decoder((*VALUES, *load.MODELS), 10**6)

    def read(config, tensors):
        found = {k: v.copy() for k, v in tensors.items()}
        return state.read(copy.deepcopy(config), found, decoder)[0]

    assert np.array_equal(read(config, tensors).score_samples(X), d.score_samples(X))
    wrong = {"window": [0, 2.0, 17], "features": [3, "2"], "seen": [0, None], "step": [0.0, "1"]}
    wrong |= {"offset": ["-1", None], "columns": [["a"], "ab"], "members": [[], None, 3]}
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(ValueError):
                read(config | {name: value}, tensors)
    with pytest.raises(ValueError):
        read(config | {"members": [config, config]}, tensors)
    for name in ("center", "scale", "usual", "reference"):
        array = tensors[name]
        for changed in (array[:0], array[None], array.astype(np.float16), array * np.nan, -array):
            if name == "center" and np.array_equal(changed, -array):
                continue
            with pytest.raises(ValueError):
                read(config, tensors | {name: changed})
        with pytest.raises(ValueError):
            read(config, {k: v for k, v in tensors.items() if k != name})
    with pytest.raises(ValueError, match="tensors: expected no others"):
        read(config, tensors | {"more": np.zeros(1, np.float32)})


def test_long_series_are_learned_from_in_part(X, monkeypatch):
    whole = detector().fit(X)
    monkeypatch.setattr("aecore.models.series.detector.MOST_SCORED", 100)
    d = detector().fit(X)
    assert d._state.seen == 588 and len(d._state.reference) == 98
    np.testing.assert_allclose(d._state.usual, whole._state.usual, rtol=0.2)
    np.testing.assert_allclose(d.offset_, whole.offset_, rtol=0.4)


def test_names_and_times_are_in_the_file(X, tmp_path):
    pandas = pytest.importorskip("pandas")
    index = pandas.date_range("2026-01-01", periods=len(X), freq="h", name="t")
    frame = pandas.DataFrame(X, columns=["a", "b"], index=index).reset_index()
    d = detector(time="t").fit(frame)
    d.save(tmp_path / "d.safetensors")
    other = ae.load(tmp_path / "d.safetensors")
    assert other.step_ == 3600 and other.time == "t" and list(other.feature_names_in_) == ["a", "b"]
    pandas.testing.assert_frame_equal(other.score_features(frame), d.score_features(frame))


def test_scikit_learns_protocol(X):
    base = pytest.importorskip("sklearn.base")
    search = pytest.importorskip("sklearn.model_selection")
    d = base.clone(detector())
    assert d.get_params()["model__latent_dim"] == 4
    found = search.GridSearchCV(
        d,
        {"window": [8, 16], "model__latent_dim": [1, 4]},
        cv=search.TimeSeriesSplit(2),
        scoring=lambda model, X, y=None: model.score_samples(X).mean(),
    ).fit(X)
    assert found.best_estimator_.score_samples(X).shape == (600,)


def test_the_threshold_may_be_set(X, fitted):
    fitted.offset_ = -1e9
    assert (fitted.predict(X) == 1).all() and fitted.threshold_ == -1e9


def test_models_of_other_kinds(X):
    for model in (ae.VAE(ae.Dense((8,)), 2, epochs=1), ae.Autoencoder(ae.LSTM(4), 2, epochs=1)):
        assert detector(model=model).fit(X[:200]).score_samples(X[:100]).shape == (100,)


# ---- parts --------------------------------------------------------------------------------------


def test_parts_of_events():
    assert stretches(np.array([1, 1, 0, 1, 0, 0, 1], bool)) == [(0, 1), (3, 3), (6, 6)]
    assert stretches(np.zeros(3, bool)) == []
    features = np.array([[0, 0], [5, 7], [0, 0], [9, np.nan], [0, 0]], float)
    assert exact(0, 4, features, 4) == (1, 3) and exact(0, 4, features, 100) == (0, 4)
    noisy = np.array([[0, 3], [8, 0], [8, 0], [0, 0], [0, 3]], float)  # one odd, one noisy
    assert exact(0, 4, noisy, 1) == (1, 2)
    assert oddest(features[1:4], None) == "0, 1"
    assert oddest(np.array([[1.0, 9.0]]), np.array(["a", "b"])) == "b"


def test_memory_of_a_long_series_does_not_grow_with_windows(fitted):
    tracemalloc = pytest.importorskip("tracemalloc")
    X = np.zeros((200_000, 2), np.float32)
    tracemalloc.start()
    fitted.score_samples(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * len(X) + 100e6  # all windows at once: 25.6 MB times what is made of them


def test_a_window_of_its_own_choice_takes_eight_steps():
    message = "expected at least 8 steps for window='auto', a quarter of them, got "
    for X, text in (
        ([1, 2, 3], f"X: {message}3"),
        (np.arange(7.0), f"X: {message}7"),
        ([np.arange(90.0), np.arange(4.0)], f"X: series 1: {message}4"),
    ):
        for method in ("fit", "partial_fit", "fit_predict"):
            detector = ae.SeriesDetector(model=FAST, n_models=1, random_state=0)
            with pytest.raises(ValueError, match=f"^{text}$"):
                getattr(detector, method)(X)
    assert detector.fit(np.arange(8.0)).window_ == 2
