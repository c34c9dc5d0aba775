"""Models hold later tables to what `fit` has seen: names, order, types; unseen levels are odd."""

import pickle

import aecore as ae
import numpy as np
import pytest

N = 120
MODELS = {
    "table": lambda: ae.TabularAutoencoder(latent_dim=2, epochs=2, random_state=0),
    "array": lambda: ae.Autoencoder(ae.Dense((8,)), 2, epochs=2, random_state=0),
    "detector": lambda: ae.AnomalyDetector(n_models=1, random_state=0),
}
ALL = pytest.mark.parametrize("name", MODELS)
BOTH = pytest.mark.parametrize("name", ["table", "array"])
IN_OWN_UNITS = pytest.mark.filterwarnings("ignore:X. values are taken as they are")  # as `frame` is


@pytest.fixture
def frame(rng):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(rng.normal(size=(N, 4)) * [1, 10, 100, 1000], columns=list("abcd"))


def check_order(model, frame, scores):
    """Check that columns in another order give the same scores or are refused."""
    other = frame.iloc[:, [3, 1, 0, 2]]
    if isinstance(model, ae.TabularAutoencoder):
        np.testing.assert_array_equal(model.score_samples(other), scores)
    else:
        with pytest.raises(ValueError, match="must be in the same order"):
            model.score_samples(other)


@IN_OWN_UNITS
@ALL
@pytest.mark.parametrize(
    "columns",
    [[0, 1, 2, 3], [10, 20, 30, 40], [0.5, 1.5, 2.5, 3.5], "multi", "dates", list("abcd")],
)
def test_names_of_any_type(name, columns, frame, tmp_path):
    pd = pytest.importorskip("pandas")
    if columns == "multi":
        columns = pd.MultiIndex.from_product([["a", "b"], [1, 2]])
    elif columns == "dates":
        columns = pd.date_range("2020-01-01", periods=4)
    frame = frame.set_axis(columns, axis=1)
    model = MODELS[name]().fit(frame)
    scores = model.score_samples(frame)
    model.save(tmp_path / "model")
    for known in (model, ae.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(known.score_samples(frame), scores)
        check_order(known, frame, scores)
        strings = all(isinstance(c, str) for c in frame.columns)
        assert hasattr(known, "feature_names_in_") == strings  # as scikit-learn has it
        with pytest.raises(ValueError, match="names should match|expecting 4 features"):
            known.score_samples(frame.iloc[:, :3])
    if list(columns) == [0, 1, 2, 3]:
        np.testing.assert_array_equal(model.score_samples(frame.to_numpy()), scores)
        plain = MODELS[name]().fit(frame.to_numpy())
        np.testing.assert_array_equal(plain.score_samples(frame), scores)
        check_order(plain, frame, scores)
    else:
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            model.score_samples(frame.to_numpy())


@ALL
def test_no_name_twice(name, frame):
    for twice in (list("aabc"), [0, 0, 1, 2]):
        with pytest.raises(ValueError, match="expected different column names, got"):
            MODELS[name]().fit(frame.set_axis(twice, axis=1))


@IN_OWN_UNITS
@BOTH
def test_validation_has_the_columns_of_training(name, frame):
    model = MODELS[name]()
    right = model.fit(frame, X_val=frame).history_[-1]["val_loss"]
    other = frame.iloc[:, ::-1]
    if name == "table":
        assert MODELS[name]().fit(frame, X_val=other).history_[-1]["val_loss"] == right
    else:
        with pytest.raises(ValueError, match="X_val: .*\n.*must be in the same order"):
            MODELS[name]().fit(frame, X_val=other)
        with pytest.raises(ValueError, match="X_val: .*\n.*must be in the same order"):
            MODELS[name]().fit(lambda: iter([frame]), X_val=other)
        model.set_params(warm_start=True)
        with pytest.raises(ValueError, match="X_val: .*\n.*must be in the same order"):
            model.fit(frame, X_val=other)
    with pytest.raises(ValueError, match="X_val: The feature names should match"):
        MODELS[name]().fit(frame, X_val=frame.set_axis(list("wxyz"), axis=1))
    with pytest.warns(UserWarning, match="X_val does not have valid feature names"):
        MODELS[name]().fit(frame, X_val=frame.to_numpy())


@IN_OWN_UNITS
@BOTH
def test_masks_go_by_names(name, frame, rng):
    pd = pytest.importorskip("pandas")
    seen = rng.random((N, 4)) > 0.3
    mask = pd.DataFrame(seen, columns=list("abcd"))
    scores = MODELS[name]().fit(frame, sample_mask=seen).score_samples(frame, sample_mask=seen)
    for given in (mask, mask.iloc[:, ::-1], mask.astype("boolean")):
        model = MODELS[name]().fit(frame, sample_mask=given)
        np.testing.assert_array_equal(model.score_samples(frame, sample_mask=given), scores)
    with pytest.raises(ValueError, match="sample_mask: The feature names should match"):
        MODELS[name]().fit(frame, sample_mask=mask.set_axis(list("wxyz"), axis=1))


def test_tables_keep_their_types(rng, tmp_path):
    pd = pytest.importorskip("pandas")
    words = pd.Categorical(
        rng.choice(["lo", "hi"], N), categories=["lo", "mid", "hi"], ordered=True
    )
    times = pd.Series(pd.date_range("2020-01-01", periods=N, tz="Europe/Berlin"))
    frame = pd.DataFrame({"c": words, "t": times, 7: rng.normal(size=N)})
    frame.columns = pd.Index([1, 2, 3])
    model = ae.TabularVAE(latent_dim=2, epochs=1, random_state=0).fit(frame)
    model.save(tmp_path / "model")
    for known in (model, ae.load(tmp_path / "model")):
        for table in (known.reconstruct(frame), known.sample(5, random_state=0)):
            assert (table.dtypes == frame.dtypes).all()
            assert table.columns.equals(frame.columns)


# -------------------------------------------------------------------------------- values of float32


@pytest.mark.parametrize("kind", ["floats", "integers", "frame", "list"])
def test_values_that_become_one_in_float32(kind, frame, rng):
    X = np.c_[1e9 + rng.normal(size=N), rng.normal(size=N)]
    name = "feature 0"
    if kind == "integers":
        X = np.c_[2**40 + np.arange(N), np.arange(N)]
    elif kind == "frame":
        X, name = frame.assign(b=X[:, 0]), "feature 'b'"
    elif kind == "list":
        X = X.tolist()
    with pytest.warns(UserWarning, match=f"X: {name}: its values, .* in float32"):
        MODELS["array"]().set_params(epochs=0).fit(X)


@pytest.mark.parametrize(
    "first",
    [
        np.full(N, 1e9),
        2000.0 + np.arange(N) % 3,
        1e9 * np.arange(1, N + 1),
        1e9 + 64.0 * (np.arange(N) % 2),  # which float32 holds
        (1e9 + np.arange(N) / N).astype(np.float32),
        np.r_[1e9 + np.arange(N // 2) / N, 1e8 * np.arange(N // 2)],
    ],
)
def test_others_are_no_reason_to_warn(first, recwarn):
    X = np.c_[first, np.arange(len(first))].astype(first.dtype)
    MODELS["array"]().set_params(epochs=0).fit(X)
    assert not len(recwarn)


# ------------------------------------------------------------------------------------ unseen levels


@pytest.mark.parametrize("measure", ["manifold", "loss", "codes", "mean", "max", None])
@pytest.mark.parametrize("column", ["w", "k"])
def test_unseen_levels_are_odder_than_usual_ones(measure, column, rng):
    pd = pytest.importorskip("pandas")
    n = 500
    usual = {"w": "usual", "k": "k1"}[column]
    frame = pd.DataFrame(
        {
            "w": ["rare"] + ["usual"] * (n - 1),
            "k": ["rare", *rng.choice(["k1", "k2", "k3"], n - 1)],
            "x": rng.normal(size=n),
        }
    )
    if measure is None:
        model = ae.TabularAutoencoder(latent_dim=3, epochs=30, learning_rate=3e-3, random_state=0)
    else:
        model = ae.AnomalyDetector(measure=measure, random_state=0)
    model.fit(frame)
    row = frame.iloc[[5]]
    scores = [model.score_samples(row.assign(**{column: v}))[0] for v in (usual, "rare", "new")]
    assert scores[2] < scores[0] - 1
    if measure in ("manifold", None):
        assert scores[2] <= scores[1] + 0.1
    if measure is None:
        cells = [model.score_cells(row.assign(**{column: v})) for v in (usual, "rare", "new")]
        found = [one[column].iloc[0] for one in cells]
        assert found[2] >= found[1] > found[0]


def test_a_detector_holds_tables_to_their_types(rng, tmp_path):
    pd = pytest.importorskip("pandas")
    times = pd.Series(pd.date_range("2020-01-01", periods=N)).sample(frac=1, random_state=0)
    frame = pd.DataFrame({"t": times.to_numpy(), "s": rng.choice(["1", "2"], N)})
    model = ae.AnomalyDetector(n_models=1, random_state=0).fit(frame)
    scores = model.score_samples(frame)
    model.save(tmp_path / "model")
    for known in (model, ae.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        number = frame.assign(s=frame["s"].astype(int))
        np.testing.assert_array_equal(known.score_samples(number), scores)
        for odd in (
            frame.assign(t=frame["t"].astype("int64")),
            frame.assign(t=frame["t"].dt.tz_localize("UTC")),
            frame.assign(t=frame["t"].astype(str)),
            frame.assign(s=1.5),
        ):
            with pytest.raises(TypeError, match="as in fit, got"):
                known.score_samples(odd)


def test_a_detector_of_polars_frames(rng):
    pl, pd = pytest.importorskip("polars"), pytest.importorskip("pandas")
    columns = {"a": rng.normal(size=N), "b": rng.normal(size=N), "s": rng.choice(["x", "y"], N)}
    for names in (["a", "b", "s"], ["a", "b"]):
        frame = pl.DataFrame({name: columns[name] for name in names})
        table = pd.DataFrame({name: columns[name] for name in names})
        for inner in (None, ae.TabularAutoencoder(latent_dim=1, epochs=1)):
            model = ae.AnomalyDetector(inner, n_models=1, random_state=0, trim=0.1).fit(frame)
            scores = model.score_samples(frame)
            np.testing.assert_array_equal(model.score_samples(table), scores)
            again = ae.AnomalyDetector(inner, n_models=1, random_state=0, trim=0.1).fit(table)
            np.testing.assert_array_equal(again.score_samples(frame), scores)


def test_a_detector_of_more_levels_than_have_columns(rng):
    """Those of one type are the frequent ones."""
    cells = np.array([*[1] * 100, *range(2, 80), "rare"], object)
    X = np.empty((len(cells), 2), object)
    X[:, 0], X[:, 1] = cells, rng.normal(size=len(cells))
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b"])
    scores = ae.AnomalyDetector(n_models=1, random_state=0).fit(frame).score_samples(frame)
    assert np.isfinite(scores).all()
