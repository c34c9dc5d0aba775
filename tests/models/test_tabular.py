"""Autoencoders of tables: training, filling in, scoring, files; edges."""

import copy
import pickle
import subprocess
import sys
import warnings

import aecore as ae
import numpy as np
import pytest
from aecore.data.batches import Input
from support.resuming import state
from support.steps import check_step

SMALL = ae.Dense((16,))
KW = {"epochs": 2, "batch_size": 16, "random_state": 0}
BOTH = pytest.mark.parametrize("make", [ae.TabularAutoencoder, ae.TabularVAE])
KINDS = np.dtype([("x", float), ("y", float), ("w", "U5"), ("b", bool), ("c", "U2"), ("k", float)])


def related(rng, n):
    """Return rows whose columns tell of each other: y = 2 x, the sign of x, and a constant."""
    X = np.zeros(n, KINDS)
    X["x"], X["c"], X["k"] = rng.normal(size=n), rng.choice(["c1", "c2", "c3"], n), 7
    X["y"], X["b"] = 2 * X["x"] + 0.01 * rng.normal(size=n), X["x"] > 0
    X["w"] = np.where(X["x"] > 0, "plus", "minus")
    return X


@pytest.fixture
def X(rng):
    """Return related rows with gaps."""
    X = related(rng, 50)
    X["x"][3], X["w"][[4, 5]], X["c"][9] = np.nan, "", ""
    X["x"][6], X["y"][6], X["w"][6], X["c"][6], X["k"][6] = np.nan, np.nan, "", "", np.nan
    return X


def model(make=ae.TabularAutoencoder, **params):
    return make(SMALL, 3, **{**KW, **params})


CELLS = {
    "plain": lambda **kw: ae.TabularAutoencoder(SMALL, 3, **kw),
    "nothing hidden": lambda **kw: ae.TabularAutoencoder(SMALL, 3, hidden=0, **kw),
    "swapped": lambda **kw: ae.TabularAutoencoder(
        SMALL, 3, corruption=ae.SwapNoise(0.2), penalty=ae.L1Sparsity(0.01), **kw
    ),
    "noisy, top k": lambda **kw: ae.TabularAutoencoder(
        None, 8, corruption=ae.GaussianNoise(0.3), penalty=ae.TopK(3), optimizer="sgd", **kw
    ),
    "masked": lambda **kw: ae.TabularVAE(SMALL, 3, hidden=0.1, corruption=ae.Masking(0.2), **kw),
    "vae": lambda **kw: ae.TabularVAE(
        SMALL, 3, kl_warmup=2, validation_fraction=0.2, patience=5, categorical=("k",), **kw
    ),
    "mmd": lambda **kw: ae.TabularVAE(SMALL, 3, divergence=ae.MMD(), **kw),
    "several draws": lambda **kw: ae.TabularVAE(SMALL, 3, importance_samples=3, **kw),
}


@pytest.mark.parametrize("name", CELLS)
def test_half_a_training_saved_and_gone_on_with_is_a_whole_one(name, X, tmp_path):
    whole = CELLS[name](**KW, n_threads=2).fit(X)
    half = CELLS[name](**KW | {"epochs": 1}, n_threads=1).fit(X)
    half.save(tmp_path / "model")
    loaded = ae.load(tmp_path / "model")
    assert state(loaded) == state(half) and repr(loaded) == repr(half)
    for method in ("transform", "reconstruct", "score_samples", "errors", "score_cells", "impute"):
        np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(half, method)(X))
    loaded.set_params(warm_start=True, n_threads=3).fit(X)
    assert state(loaded)[0] == state(whole)[0] and state(loaded)[2] == state(whole)[2]
    assert all(np.isfinite(r["loss"]) for r in whole.history_)


def test_what_was_hidden_does_not_depend_on_the_batches_before(X):
    """Noise goes by how many rows training has seen."""
    a = model(epochs=4).fit(X)
    b = model(epochs=1).fit(X)
    for _ in range(3):
        b.set_params(warm_start=True).fit(X)
    assert state(a)[0] == state(b)[0]


@BOTH
def test_gradients(make, X, rng):
    m = model(make, penalty=ae.L1Sparsity(0.1)).initialize(X)
    batch = next(Input(m._samples(X)).batches(20)())
    batch.epoch = 0.5
    check_step(m, batch, rng)


@BOTH
def test_history_has_the_terms(make, X):
    m = model(make, validation_fraction=0.2).fit(X)
    last = m.history_[-1]
    kinds = last["numeric"] + last["binary"] + last["categorical"]
    assert last["recon"] == pytest.approx(kinds)
    others = last.get("kl", 0) + last.get("match", 0)
    assert last["loss"] == pytest.approx(last["recon"] + others)
    assert {"mse", "val_loss", "val_recon", "val_mse"} <= set(last)


@BOTH
def test_scores_are_sums_of_cells(make, X):
    m = model(make, validation_fraction=0.0).fit(X)
    errors, scores = m.errors(X), m.score_samples(X)
    assert errors.shape == (50, 6) and errors.dtype == scores.dtype == np.float32
    kl = 0
    if make is ae.TabularVAE:
        mean, logvar = m.encode_distribution(X)
        kl = -0.5 * (1 + logvar - mean**2 - np.exp(logvar)).sum(1)
    np.testing.assert_allclose(scores, -errors.sum(1) - kl, rtol=1e-4, atol=1e-4)
    assert (errors[6, [0, 1, 2, 4, 5]] == 0).all() and errors[6, 3] > 0
    assert m.score(X) == pytest.approx(scores.mean(), rel=1e-5)


@pytest.fixture(scope="module")
def trained():
    """Return a model that has learned related rows, and other ones."""
    rng = np.random.default_rng(3)
    m = ae.TabularAutoencoder(ae.Dense((32,)), 6, learning_rate=5e-3, epochs=60, random_state=0)
    return m.fit(related(rng, 600)), related(rng, 200)


def test_imputation_uses_the_other_columns(trained):
    m, X = trained
    holes = X.copy()
    holes["y"], holes["w"] = np.nan, ""
    full = m.impute(holes)
    assert np.corrcoef(full["y"], X["y"])[0, 1] > 0.98
    assert (full["w"] == X["w"]).mean() > 0.95
    for name in ("x", "b", "c", "k"):
        np.testing.assert_array_equal(full[name], X[name])
    assert np.isnan(holes["y"]).all()  # the given table stays as it is
    holes = X.copy()
    mask = np.ones((200, 6), bool)
    mask[:, 3] = False
    assert (m.impute(holes, sample_mask=mask)["b"] == X["b"]).mean() > 0.95


def test_odd_cells_stand_out(trained):
    """A cell that is common by itself, but not in its row."""
    m, X = trained
    usual = m.score_cells(X)
    assert np.abs(np.median(usual, axis=0)).max() < 1
    odd = X.copy()
    odd["w"][:20] = np.where(X["w"] == "plus", "minus", "plus")[:20]
    scores = m.score_cells(odd)
    far = np.abs(X["x"][:20]) > 0.5
    assert far.sum() > 5 and (scores[:20][far].argmax(1) == 2).mean() > 0.6
    assert np.median(scores[:20, 2][far]) > 3
    odd["c"][30], odd["k"][31] = "c9", 1e6
    scores = m.score_cells(odd)
    assert scores[30, 4] > 5 and scores[31, 5] > 5
    assert m.score_samples(odd)[31] < m.score_samples(X)[31] - 5
    assert m.score_cells(odd[:1]).shape == (1, 6)


def test_a_cell_is_scored_without_being_seen(trained):
    """Up to eight columns each by itself: what a cell costs follows from the others alone."""
    m, X = trained
    got = m.score_cells(X[:5])
    holes = X[:5].copy()
    holes["y"] = np.nan
    z = m.transform(holes)
    nats = m._loss.cell_losses(None, None, m._network.decode(z), m._samples(X[:5])._flat)
    count, total, squares = m._network.usual.buffer("moments")[:, 1]
    mean, deviation = total / count, np.sqrt(squares / count - (total / count) ** 2)
    np.testing.assert_allclose(got[:, 1], (nats[:, 1] - mean) / deviation, rtol=1e-4)


def test_unseen_levels(X):
    m = model().fit(X)
    other = X[:4].copy()
    other["c"], other["w"] = "zz", "maybe"
    assert np.isfinite(m.transform(other)).all()
    np.testing.assert_allclose(m.errors(other)[:, 4], np.log(48 + 3 + 1), rtol=1e-6)
    np.testing.assert_array_equal(m.impute(other)["c"], other["c"])  # it was there
    assert set(m.reconstruct(other)["c"]) <= {"c1", "c2", "c3"}


def test_missing_rows_and_columns(X):
    m = model(epochs=20).fit(X)
    nothing = X[:2].copy()
    for name in KINDS.names:
        nothing[name] = "" if KINDS[name].kind == "U" else 0
    mask = np.zeros((2, 6), bool)
    assert (m.score_samples(nothing, sample_mask=mask) == 0).all()
    full = m.impute(nothing, sample_mask=mask)
    assert (full[0] == full[1]) and full["k"][0] == 7
    empty = X.copy()
    empty["x"] = np.nan
    m = model().fit(empty)
    assert np.isnan(m.impute(empty)["x"]).all() and (m.errors(X)[:, 0] == 0).all()
    with pytest.raises(ValueError, match="expected a cell that isn't missing"):
        model().fit(np.full((3, 2), np.nan))


@BOTH
@pytest.mark.parametrize(
    "X",
    [
        np.full((1, 3), 2.0),
        np.arange(20.0).reshape(20, 1),
        np.array([["a", "b"]] * 3),
        [["a", 1], ["b", None]],
        np.arange(40).reshape(10, 4) % 3,
    ],
    ids=["one row", "one column", "constants", "list", "integers"],
)
def test_small_tables(make, X):
    m = model(make).fit(X)
    shape = np.shape(X)
    assert m.reconstruct(X).shape == m.impute(X).shape == m.score_cells(X).shape == shape
    assert np.isfinite(m.score_samples(X)).all()
    assert m.inverse_transform(m.transform(X)).shape == shape


def test_extreme_numbers_stay_finite(X):
    m = model().fit(X)
    far = X.copy()
    far["x"], far["y"] = 1e308, np.where(np.arange(50) % 2, -1e308, 1e-308)
    assert np.isfinite(m.score_samples(far)).all() and np.isfinite(m.transform(far)).all()
    assert m.reconstruct(far)["x"].max() <= np.nanmax(X["x"])
    m = model().fit(far)
    assert np.isfinite(m.score_samples(X)).all()


@BOTH
def test_training_that_diverges_stops_at_a_finite_state(make, X):
    m = model(make, learning_rate=1e25, optimizer="sgd", epochs=5)
    with pytest.raises(FloatingPointError, match="training stopped in epoch"):
        m.fit(X)
    assert all(np.isfinite(a).all() for a in m._network.arrays().values())


@BOTH
def test_walks_and_samples_are_tables(make, X):
    m = model(make).fit(X)
    prior = {"prior": ae.Normal()} if make is ae.TabularAutoencoder else {}
    drawn = m.sample(5, random_state=1, **prior)
    assert drawn.dtype == KINDS and drawn.shape == (5,)
    np.testing.assert_array_equal(drawn, m.sample(5, random_state=1, **prior))
    assert set(drawn["c"]) <= {"c1", "c2", "c3"}
    assert m.sample(0, **prior).shape == (0,)
    assert m.sample(3, near=X[0], random_state=0).shape == (3,)
    between = m.interpolate(X[0], X[1:2], 4)
    np.testing.assert_array_equal(between[[0, -1]], m.reconstruct(X[:2]))
    assert m.traverse(X[6], 1, [-1, 0, 1]).shape == (3,)
    for bad in (X[:2], X):
        with pytest.raises(ValueError, match="expected one row of a table"):
            m.traverse(bad, 0, [0])


def test_samples_have_the_spread_of_the_data():
    rng = np.random.default_rng(0)
    X = related(rng, 500)
    m = ae.TabularVAE(ae.Dense((32,)), 4, learning_rate=5e-3, epochs=40, random_state=0).fit(X)
    drawn = m.sample(2000, random_state=0)
    for name in "xy":
        assert drawn[name].std() == pytest.approx(X[name].std(), rel=0.1)
    shares = [(drawn["c"] == c).mean() - (X["c"] == c).mean() for c in ("c1", "c2", "c3")]
    assert np.abs(shares).max() < 0.1
    assert ((drawn["y"] > 0) == drawn["b"]).mean() > 0.75


def test_hidden_cells_do_not_change_what_is_drawn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    X = np.stack([x, x + 0.3 * rng.normal(size=1000), np.exp(x)], axis=1)
    spikes = rng.random(1000) < 0.5
    X[spikes, 2] = 0
    how = {"learning_rate": 5e-3, "epochs": 60, "random_state": 0}
    for hidden in (0.0, 0.4):
        m = ae.TabularVAE(ae.Dense((32,)), 3, hidden=hidden, **how).fit(X)
        drawn = m.sample(4000, random_state=0)
        np.testing.assert_allclose(drawn.std(0), X.std(0), rtol=0.15)
        assert np.corrcoef(drawn[:, :2].T)[0, 1] > 0.85
        assert (drawn[:, 2] == 0).mean() == pytest.approx(0.5, abs=0.05)
        assert (drawn[:, 2] >= 0).all()  # a normal distribution would go below


def test_the_encoder_learns_the_posterior_of_whole_rows_from_rows_with_gaps():
    X = related(np.random.default_rng(0), 600)
    how = {"learning_rate": 5e-3, "epochs": 40, "random_state": 0}
    holes = X.copy()
    holes["x"] = np.nan  # y tells it
    apart = []
    for hidden in (0.0, 0.3):
        m = ae.TabularVAE(ae.Dense((32,)), 3, hidden=hidden, **how).fit(X)
        (m1, v1), (m2, v2) = m.encode_distribution(X), m.encode_distribution(holes)
        kl = 0.5 * (v2 - v1 + (np.exp(v1) + (m1 - m2) ** 2) / np.exp(v2) - 1).sum(1)
        apart.append(kl.mean())
        assert ("match" in m.history_[-1]) == (hidden > 0)
    assert apart[1] < apart[0] / 2


def test_data_frames(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, index=np.arange(50) * 2).replace({"w": {"": None}, "c": {"": None}})
    m = model().fit(frame)
    assert list(m.feature_names_in_) == list(KINDS.names) and m.n_features_in_ == 6
    full = m.impute(frame)
    assert not full.isna().any().any() and (full.dtypes == frame.dtypes).all()
    assert (full.index == frame.index).all() and (m.reconstruct(frame).index == frame.index).all()
    turned = frame[list("kcbwyx")]
    np.testing.assert_array_equal(m.transform(turned), m.transform(frame))
    np.testing.assert_array_equal(m.errors(turned), m.errors(frame))  # in the order of fit
    assert list(m.impute(turned)) == list("kcbwyx") and list(m.reconstruct(turned)) == list(frame)
    for other in (frame.drop(columns="b"), frame.assign(z=1), frame.rename(columns={"b": "z"})):
        with pytest.raises(ValueError, match="feature names should match"):
            m.transform(other)
    between = m.interpolate(frame.iloc[0], frame.iloc[[1]], 3)  # rows in two forms
    want = m.reconstruct(frame.iloc[:2])
    assert between.iloc[0].equals(want.iloc[0]) and between.iloc[2].equals(want.iloc[1])
    pickled, copied = pickle.loads(pickle.dumps(m)), copy.deepcopy(m)
    for same in (pickled, copied):
        np.testing.assert_array_equal(same.transform(frame), m.transform(frame))
    m.set_output(transform="pandas")
    assert (m.transform(frame).index == frame.index).all()
    assert list(m.get_feature_names_out()) == [f"tabularautoencoder{i}" for i in range(3)]


def test_other_columns_are_refused(X):
    m = model().fit(X)
    with pytest.raises(ValueError, match="feature names should match"):
        m.transform(X[["x", "y"]])
    plain = model().fit(np.arange(12.0).reshape(4, 3))
    with pytest.raises(ValueError, match="X has 2 features, but TabularAutoencoder is expecting 3"):
        plain.transform(np.zeros((4, 2)))
    with pytest.warns(UserWarning, match="X has feature names, but"):
        plain.transform(np.zeros(4, [("a", float), ("b", float), ("c", float)]))


def test_refits_that_fail_change_nothing(X):
    m = model().fit(X)
    before, codes = state(m), m.transform(X)
    bad = X.copy()
    bad["x"][0] = np.inf
    for wrong in (bad, X[["x"]], X[:0]):
        with pytest.raises(ValueError):
            m.set_params(warm_start=True).fit(wrong)
    with pytest.raises(ValueError, match="column 'x': expected finite numbers, .* got infinity"):
        m.set_params(warm_start=False).fit(bad)
    with pytest.raises(ValueError, match="validation_fraction"):
        m.set_params(validation_fraction=0.5).fit(X, X_val=X)
    assert state(m) == before
    np.testing.assert_array_equal(m.transform(X), codes)


def test_validation_on_other_rows(X, rng):
    m = model().fit(X, X_val=related(rng, 30))
    assert {"val_loss", "val_recon", "val_mse"} <= set(m.history_[-1])
    with pytest.raises(ValueError, match="feature names should match"):
        model().fit(X, X_val=X[["x"]])
    with pytest.raises(TypeError, match="X_val: expected a table, .*, got a tuple"):
        model().fit(X, X_val=(X, None))


def test_partial_fits(X):
    m = model().partial_fit(X).partial_fit(X)
    assert len(m.history_) == 2
    same = model(epochs=2, shuffle=False).fit(X)
    assert state(m)[0] == state(same)[0]


@pytest.mark.parametrize(
    "params, error, text",
    [
        ({"arch": ae.Conv()}, TypeError, "columns of a table have no order"),
        ({"hidden": 1}, ValueError, "hidden: expected less than 1"),
        ({"hidden": -0.1}, ValueError, "hidden: expected a finite number"),
        ({"hidden": None}, TypeError, "hidden: expected a number"),
        ({"corruption": ae.SaltAndPepper()}, ValueError, "corruption: expected None, SwapNoise"),
        ({"corruption": 0.1}, TypeError, "corruption: expected None, SwapNoise"),
        ({"corruption": (ae.Masking(),)}, TypeError, "corruption: expected None, SwapNoise"),
        ({"corruption": ae.Masking(2)}, ValueError, "corruption: rate"),
        ({"categorical": "x"}, TypeError, "categorical: expected a list of columns"),
        ({"categorical": ["z"]}, ValueError, "categorical: expected columns of X .x, y, w"),
        (
            {"penalty": ae.Contractive()},
            ValueError,
            "penalty: expected an encoder of linear layers",
        ),
        ({"latent_dim": 0}, ValueError, "latent_dim: expected at least 1"),
    ],
)
def test_parameters_that_make_no_sense(params, error, text, X):
    fresh = model().set_params(**params)
    with pytest.raises(error, match=text):
        fresh.fit(X)
    assert not hasattr(fresh, "history_")


def test_noise_is_added_to_numbers_alone(X):
    m = model(hidden=0, corruption=ae.GaussianNoise(1.0)).fit(X)
    noise, data = m._corruptions()[0], m._samples(X)
    batch = next(Input(data).batches(50, corruption=noise, seed=1)())
    number = np.array(m._network.reader.layout.levels) == 0
    gaps = np.isnan(batch.target)
    np.testing.assert_array_equal(batch.x[:, ~number], batch.target[:, ~number])
    assert (batch.x[:, number] != batch.target[:, number])[~gaps[:, number]].all()


def test_the_share_of_hidden_cells(rng):
    m = model(hidden=0.3, corruption=ae.Masking(0.5)).fit(related(rng, 100))
    data = m._samples(related(rng, 2000))
    batch = next(Input(data).batches(2000, corruption=m._corruptions()[0], seed=1)())
    hidden, levels = 1 - 0.7 * 0.5, np.array(m._network.reader.layout.levels)
    numbers = levels == 0
    assert np.isnan(batch.x[:, numbers]).mean() == pytest.approx(hidden, abs=0.02)
    assert np.isnan(batch.x[:, ~numbers]).mean() == pytest.approx(0.9 * hidden, abs=0.02)
    unseen = (batch.x == levels)[:, ~numbers]  # a tenth is shown as an unseen level
    assert unseen.mean() == pytest.approx(0.1 * hidden, abs=0.01)
    assert not np.isnan(batch.target).any() and batch.mask is None


def test_files_of_tables_are_read_strictly(X, tmp_path):
    import json

    from aecore.files import document
    from safetensors import safe_open
    from safetensors.numpy import save_file

    model().fit(X).save(tmp_path / "m")
    with safe_open(tmp_path / "m", framework="numpy") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        config = json.loads(file.metadata()["config"])

    def refused(changed):
        text = json.dumps(changed)
        digest = document._digest(text, tensors)
        save_file(tensors, tmp_path / "f", {"aecore": "1", "config": text, "digest": digest})
        with pytest.raises(ValueError, match="expected a whole model file"):
            ae.load(tmp_path / "f")

    table = config["table"]
    refused({k: v for k, v in config.items() if k != "table"})
    refused({**config, "table": None})
    refused({**config, "shape": [5], "columns": None})
    refused({**config, "table": {**table, "columns": table["columns"][:-1]}})
    more = copy.deepcopy(table)
    more["columns"][2]["labels"] = ["minus", "plus", "zero"]
    refused({**config, "table": more})  # than the network has
    params = {k: v for k, v in config["params"].items() if k not in ("hidden", "categorical")}
    others = {"loss": "mse", "tied": False, "pretrain_epochs": 0}
    refused({**config, "model": "Autoencoder", "params": {**params, **others}})


def test_models_of_frames_load_without_pandas(X, tmp_path):
    pd = pytest.importorskip("pandas")
    model().fit(pd.DataFrame(X)).save(tmp_path / "m")
    np.save(tmp_path / "x.npy", X)
    script = (
        "import sys, numpy as np, aecore as ae; m = ae.load(sys.argv[1] + '/m'); "
        "print(m.impute(np.load(sys.argv[1] + '/x.npy'))['w'][4]); "
        "assert not {'pandas', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() in ("plus", "minus")


def test_many_columns_train():
    rng = np.random.default_rng(0)
    X = np.empty((40, 600), object)
    X[:, :200] = rng.integers(0, 9, (40, 200)).astype(str)
    X[:, 200:400], X[:, 400:] = rng.normal(size=(40, 200)), rng.random((40, 200)) < 0.5
    m = model(ae.TabularVAE).fit(X)
    assert m.score_cells(X[:3]).shape == (3, 600)


# ---------------------------------------------------------------------------------- scikit-learn

pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=".* does not inherit from", category=UserWarning)
    # All apply that there are for estimators that take NaN and strings, and none is expected to
    # fail; those that give infinity or strings to others don't, since the tags allow them here.
    scikit_learn_checks = parametrize_with_checks(
        [ae.TabularAutoencoder(SMALL, 4, epochs=2), ae.TabularVAE(SMALL, 4, epochs=2)]
    )


@scikit_learn_checks
def test_scikit_learn_checks(estimator, check):
    if check.func.__name__ == "check_sample_weight_equivalence_on_dense_data":
        pytest.skip("scales of columns take no notice of weights")
    check(estimator)


def test_parameters():
    m = ae.TabularVAE(SMALL, 3, hidden=0.1, corruption=ae.SwapNoise(0.2))
    assert repr(m) == (
        "TabularVAE(arch=Dense(widths=(16,)), latent_dim=3, hidden=0.1, "
        "corruption=SwapNoise(rate=0.2))"
    )
    params = clone(m).set_params(corruption__rate=0.3, arch__widths=(4,)).get_params()
    assert params["corruption__rate"] == 0.3 and m.corruption.rate == 0.2
    assert not {"loss", "tied", "pretrain_epochs"} & set(params)
    tags = m.__sklearn_tags__().input_tags
    assert tags.allow_nan and tags.string and tags.categorical


def test_likelihoods_are_densities_of_the_numbers_as_they_are(rng):
    """In other units they change by the units' logarithm; tails count what squashes them."""
    X = rng.normal(10, 3, (300, 2))
    X[:3] = [[60, 10], [10, -90], [500, 500]]
    how = {"epochs": 2, "hidden": 0.0, "random_state": 0}
    metres, millimetres = (ae.TabularVAE(ae.Dense((8,)), 2, **how).fit(x) for x in (X, 1000 * X))
    for method in ("elbo", "log_likelihood"):
        a = getattr(metres, method)(X, random_state=0)
        b = getattr(millimetres, method)(1000 * X, random_state=0)
        np.testing.assert_allclose(a - b, 2 * np.log(1000), atol=1e-2)


def test_the_scale_of_a_column_by_differences(rng):
    from aecore.data.tables import Layout, Table

    X = np.sort(rng.standard_t(2, (400, 1)) * 5 + 3, axis=0)
    layout, step = Layout.learn(Table(X), ()), 1e-2
    ends = (layout.matrix(Table(X + d)).astype(np.float64) for d in (step, -step))
    slope = np.subtract(*ends)[:, 0] / (2 * step)
    np.testing.assert_allclose(np.exp(layout.log_scale(layout.matrix(Table(X)))), slope, rtol=2e-2)
