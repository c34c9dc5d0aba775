"""The softmax classifier on a pretrained encoder."""

import pickle

import aecore as ae
import numpy as np
import pytest
from aecore.data.arrays import Data
from aecore.data.batches import Batches
from aecore.models.base.levels import linears
from support.resuming import resumed, state
from support.steps import check_step

KW = {"batch_size": 16, "random_state": 0}


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


@pytest.fixture
def y():
    return np.array(["b", "c", "a", "b", "c"] * 10)


def stack(activation="tanh", **params):
    params = {**KW, "pretrain_epochs": 2, "epochs": 0, **params}
    return ae.StackedAutoencoder(ae.Dense((8, 6), activation), 3, **params)


def classifier(model=None, **params):
    model = stack() if model is None else model
    return ae.SoftmaxClassifier(model, **{**KW, "epochs": 2, **params})


def values(model):
    return {name: value.copy() for name, value in model.parameters_.items()}


def records(model):
    return [{k: v for k, v in r.items() if k != "seconds"} for r in model.history_]


# ---- the model ----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [1, 2, 3, None])
def test_probabilities_are_a_softmax_of_a_level(level, X, y):
    model = stack().fit(X)
    found = model.fine_tune(X, y, level=level, epochs=1, learning_rate=1e-30)
    h = model.as_features(level).transform(X).astype(np.float64)
    head = found._network.decoder
    logits = h @ head.weight.value.T.astype(np.float64) + head.bias.value
    want = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    got = found.predict_proba(X)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.classes_, ["a", "b", "c"])
    np.testing.assert_array_equal(found.predict(X), np.array(list("abc"))[want.argmax(1)])
    assert found.score(X, y) == pytest.approx((found.predict(X) == y).mean())
    right = want[np.arange(50), np.searchsorted(list("abc"), y)]
    (record,) = found.history_
    assert record["loss"] == record["cross_entropy"] == pytest.approx(-np.log(right).mean(), 1e-5)
    assert record["accuracy"] == pytest.approx(found.score(X, y))
    assert "mse" not in record


def test_the_model_is_copied_and_stays(X, y):
    model = stack(epochs=1).fit(X)
    before = values(model)
    found = model.fine_tune(X, y, learning_rate=1e-2)
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, before[name])
    for ours, theirs in zip(
        linears(found._network.encoder), linears(model._network.encoder), strict=True
    ):
        assert (ours.weight.value != theirs.weight.value).mean() > 0.5  # the whole encoder learns
    fresh = classifier(model, epochs=0).fit(X, y)
    for ours, theirs in zip(
        linears(fresh._network.encoder), linears(model._network.encoder), strict=True
    ):
        np.testing.assert_array_equal(ours.weight.value, theirs.weight.value)
        np.testing.assert_array_equal(ours.bias.value, theirs.bias.value)


def test_a_model_that_is_not_fitted_is_pretrained_on_the_same_samples(X, y):
    fitted, not_fitted = stack().fit(X), stack()
    a, b = (classifier(m).fit(X, y) for m in (fitted, not_fitted))
    assert records(a) == records(b)
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))
    assert not hasattr(not_fitted, "history_")
    anyone = classifier(stack(random_state=None), random_state=3)
    once = records(anyone.fit(X, y))
    assert records(anyone.fit(X, y)) == once  # the seed is the classifier's
    assert records(anyone.set_params(random_state=4).fit(X, y)) != once


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("level", [2, None])
def test_step_gradients_by_finite_differences(level, dropout, X, y, rng):
    model = classifier(level=level, dropout=dropout).initialize(X, y)
    network = model._network
    batch = next(Batches(Data(X), 20, condition=network.conditioner.read(y, 50))())
    step = model._step

    def steady(batch):  # the same values are dropped each time
        for _, buffer in network.buffers():
            buffer.fill(0)
        return step(batch)

    model._step = steady
    check_step(model, batch, rng)


def test_it_learns(rng):
    y = rng.integers(0, 3, 300)
    X = rng.standard_normal((3, 12))[y] + 0.5 * rng.standard_normal((300, 12))
    for params in ({}, {"dropout": 0.2, "corruption": ae.Masking(0.1)}):
        model = classifier(epochs=20, learning_rate=1e-2, **params).fit(X[:200], y[:200])
        assert model.score(X[200:], y[200:]) > 0.95
    assert model.history_[-1]["accuracy"] > 0.9


def test_dropout_is_for_training_alone(X, y):
    plain, dropped = (classifier(dropout=d, epochs=0).fit(X, y) for d in (0.0, 0.5))
    np.testing.assert_array_equal(plain.predict_proba(X), dropped.predict_proba(X))
    plain, dropped = (m.set_params(epochs=1).fit(X, y) for m in (plain, dropped))
    assert plain.history_[0]["loss"] != dropped.history_[0]["loss"]


def test_validation(X, y):
    held = classifier(validation_fraction=0.2).fit(X, y).history_[-1]
    assert set(held) >= {"val_loss", "val_cross_entropy", "val_accuracy"}
    model = classifier(epochs=1).fit(X, y, X_val=(X[:20], y[:20]))
    record, proba = model.history_[0], model.predict_proba(X[:20])
    right = proba[np.arange(20), np.searchsorted(model.classes_, y[:20])].astype(np.float64)
    assert record["val_loss"] == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert record["val_accuracy"] == pytest.approx(model.score(X[:20], y[:20]))
    best = classifier(epochs=50, learning_rate=0.05, patience=3, validation_fraction=0.4)
    best.fit(X, y)
    assert len(best.history_) == best.best_epoch_ + 3


def test_masks_and_images(rng, y):
    images = rng.random((50, 3, 4, 1), dtype=np.float32)
    mask = rng.random(images.shape) < 0.7
    other = np.where(mask, images, np.nan)
    a, b = (classifier(stack().fit(images)).fit(x, y, sample_mask=mask) for x in (images, other))
    np.testing.assert_array_equal(
        a.predict_proba(images, sample_mask=mask), b.predict_proba(other, sample_mask=mask)
    )


@pytest.mark.parametrize("kind", ["int", "bool", "float", "object", "one"])
def test_labels(kind, X):
    codes = np.arange(50) % 2
    y = {
        "int": codes * 4 - 1,
        "bool": codes.astype(bool),
        "float": codes * 2.0,
        "object": np.array(["no", "yes"], dtype=object)[codes],
        "one": np.full(50, 7),
    }[kind]
    model = classifier(epochs=1).fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(y))
    assert model.predict_proba(X).shape == (50, len(np.unique(y)))
    assert set(model.predict(X)) <= set(y)


def test_partial_fit_may_be_told_of_classes(X):
    y = np.arange(50) % 2
    model = classifier().partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y + 1)
    assert list(model.classes_) == [0, 1, 2] and len(model.history_) == 2
    with pytest.raises(ValueError, match="y: expected labels as in fit, .*, got"):
        model.partial_fit(X, y + 2)
    with pytest.raises(ValueError, match="classes: expected .*, as before, got"):
        model.partial_fit(X, y, classes=[0, 1])


# ---- determinism and files ----------------------------------------------------------------------

PARAMS = {"dropout": 0.2, "corruption": ae.GaussianNoise(0.1), "level": 2}


def test_bits_do_not_depend_on_the_number_of_threads(X, y):
    runs = [classifier(n_threads=t, **PARAMS).fit(X, y) for t in (1, 2, 3)]
    assert state(runs[0]) == state(runs[1]) == state(runs[2])


def test_resuming_in_a_new_process_gives_the_same_bits(X, y, tmp_path):
    model = stack().fit(X)
    whole = classifier(model, epochs=6, **PARAMS).fit(X, y)
    half = classifier(model, epochs=3, **PARAMS).fit(X, y)
    elsewhere = resumed(half, tmp_path / "half", 3, X, y)
    assert state(elsewhere) == state(whole)
    np.testing.assert_array_equal(elsewhere.predict_proba(X), whole.predict_proba(X))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("level", [1, None])
def test_files_and_copies(level, optimizer, X, y, tmp_path):
    inner = stack(callbacks=[print], random_state=np.random.default_rng(0))
    for model in (
        classifier(inner, level=level, optimizer=optimizer).fit(X, y),
        classifier(inner, level=level).initialize(X, y),
        ae.SoftmaxClassifier(level=level, **KW).initialize(X, np.arange(50) % 2),
    ):
        model.save(tmp_path / "model")
        read = ae.load(tmp_path / "model")
        assert state(read) == state(model) == state(pickle.loads(pickle.dumps(model)))
        np.testing.assert_array_equal(read.classes_, model.classes_)
        np.testing.assert_array_equal(read.predict(X), model.predict(X))
        assert read.level == model.level and type(read.model) is type(model.model)
    assert inner.callbacks == [print]  # what a file can't hold is left out of the file alone


def test_files_of_other_conditions_are_refused(X, y, tmp_path):
    model = classifier().fit(X, y)
    conditioner = model._network.conditioner
    conditioner.classes, conditioner.mean, conditioner.scale = None, np.zeros(3), np.ones(3)
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="expected the classes"):
        ae.load(tmp_path / "model")


# ---- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params, error, word",
    [
        ({"model": ae.Autoencoder()}, TypeError, "model: expected None or a StackedAutoencoder"),
        ({"model": ae.StackedAutoencoder(latent_dim=0)}, ValueError, "latent_dim"),
        ({"level": 0}, ValueError, "level: expected at least 1 and at most 3"),
        ({"level": 4}, ValueError, "at most 3"),
        ({"level": 1.0}, TypeError, "level"),
        ({"dropout": 1.0}, ValueError, "dropout: expected less than 1"),
        ({"dropout": -0.1}, ValueError, "dropout"),
        ({"corruption": 0.1}, TypeError, "corruption"),
        ({"epochs": -1}, ValueError, "epochs"),
    ],
)
def test_parameters(params, error, word, X, y):
    model = classifier(epochs=1).fit(X, y)
    before = state(model)
    with pytest.raises(error, match=word):
        model.set_params(**params).fit(X, y)
    assert state(model) == before


@pytest.mark.parametrize(
    "y, word",
    [
        (None, "requires y to be passed"),
        (np.linspace(0, 1, 50), "Unknown label type: continuous"),
        (np.full(50, np.nan), "NaN"),
        (np.zeros((50, 2)), "1d array"),
        (np.zeros(49, int), "expected 50 conditions"),
    ],
)
def test_labels_that_are_refused(y, word, X):
    model = classifier(epochs=1)
    with pytest.raises(ValueError, match=word):
        model.fit(X, y)
    assert not hasattr(model, "history_")


def test_what_does_not_fit_together(X, y):
    model = stack().fit(X)
    with pytest.raises(ValueError, match=r"samples of shape \(12,\), as in the fit of model"):
        classifier(model).fit(X[:, :5], y)
    model.latent_dim = 4
    with pytest.raises(ValueError, match="^model: latent_dim: expected 3, as in fit, got 4"):
        classifier(model).fit(X, y)
    good = classifier().fit(X, y)
    for X_val in (X, (X, y, y)):
        with pytest.raises(ValueError, match="X_val: expected"):
            good.fit(X, y, X_val=X_val)
    with pytest.raises(ValueError, match="expected 50 labels"):
        good.score(X, y[:-1])
    with pytest.raises(ValueError, match="not fitted"):
        classifier().predict(X)
    with pytest.raises(ValueError, match="bce"):
        classifier(stack(loss="bce")).fit(X * 9, y)


# ---- scikit-learn -------------------------------------------------------------------------------


def test_digits_in_scikit_learn():
    pytest.importorskip("sklearn")
    from sklearn.base import clone, is_classifier
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    images, y, *_ = ae.datasets.load_digits()
    X = images.reshape(len(images), -1)
    inner = ae.StackedAutoencoder(
        ae.Dense((64, 32)), 16, corruption=ae.Masking(0.1), pretrain_epochs=3, epochs=0
    )
    model = ae.SoftmaxClassifier(inner, level=2, epochs=10, learning_rate=5e-3, random_state=0)
    pipe = make_pipeline(MinMaxScaler(), model)
    assert is_classifier(model) and cross_val_score(pipe, X, y, cv=3).min() > 0.9
    assert model.get_params()["model__arch__widths"] == (64, 32)
    model.fit(X, y)
    copied = clone(model)
    assert repr(copied) == repr(model) and copied.model is not inner
    search = GridSearchCV(model.set_params(epochs=1), {"model__latent_dim": [2, 4]}, cv=2)
    search.fit(X[:300], y[:300])
    assert search.best_params_["model__latent_dim"] in (2, 4)
