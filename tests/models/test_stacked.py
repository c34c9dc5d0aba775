"""Stacked autoencoders: what their levels learn, and what is made of a fitted stack."""

import math
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore.base import streams
from aecore.data import batches
from aecore.models.base.levels import linears, shallow

KW = {"batch_size": 16, "random_state": 0}


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


def stack(activation="relu", **params):
    params = {**KW, "pretrain_epochs": 2, "epochs": 0, **params}
    return ae.StackedAutoencoder(ae.Dense((8, 6), activation), 3, **params)


def values(model):
    return {name: value.copy() for name, value in model.parameters_.items()}


def records(model):
    return [{k: v for k, v in r.items() if k != "seconds"} for r in model.history_]


def activated(kind, x):
    """Return an activation's values in float64."""
    if kind == "gelu":
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    return {"relu": np.maximum(x, 0), "sigmoid": 1 / (1 + np.exp(-x))}[kind]


def representations(model, X, kind):
    """Return all levels' representations in float64, by the formula."""
    h, found = X.reshape(len(X), -1).astype(np.float64), []
    layers = linears(model._network.encoder)
    for i, layer in enumerate(layers):
        h = h @ layer.weight.value.T.astype(np.float64) + layer.bias.value
        h = h if i == len(layers) - 1 else activated(kind, h)
        found.append(h)
    return found


# ---- pretraining --------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "gelu"])
def test_a_level_is_an_autoencoder_of_the_codes_below(activation, tied, X):
    """Train the levels by hand, as models of their own, from the same fresh weights."""
    noise = (ae.Masking(0.2), None, ae.GaussianNoise(0.1))
    params = {"loss": "bce", "tied": tied, "corruption": noise, "weight_decay": 1e-3}
    got = stack(activation, pretrain_epochs=3, **params).fit(X)
    fresh = stack(activation, **params).initialize(X)
    down, up = linears(fresh._network.encoder), linears(fresh._network.decoder)[::-1]
    codes, history = X, []
    for k, width in enumerate((8, 6, 3)):
        loss = "bce" if k == 0 or activation == "sigmoid" else "mse"
        inner = activation if k < 2 else None
        outer = activation if k and loss == "mse" else None
        pair = shallow(codes.shape[1:], width, inner, outer, tied=tied)
        level = ae.Autoencoder(
            pair,
            width,
            loss=loss,
            corruption=noise[k],
            weight_decay=1e-3,
            epochs=3,
            batch_size=16,
            warm_start=True,
            random_state=(k + 1) * 0x9E3779B97F4A7C15 & (2**63 - 1),
        ).initialize(codes)
        (encoder,), (decoder,) = (
            linears(m) for m in (level._network.encoder, level._network.decoder)
        )
        for ours, theirs in ((encoder, down[k]), (decoder, up[k])):
            ours.weight.value[...] = theirs.weight.value
            ours.bias.value[...] = theirs.bias.value
        level.fit(codes)
        for ours, theirs in (
            (encoder, linears(got._network.encoder)[k]),
            (decoder, linears(got._network.decoder)[2 - k]),
        ):
            np.testing.assert_array_equal(ours.weight.value, theirs.weight.value)
            np.testing.assert_array_equal(ours.bias.value, theirs.bias.value)
        history += [{"level": k + 1, **r} for r in records(level)]
        codes = level.transform(codes)
    np.testing.assert_array_equal(got.transform(X), codes)
    assert records(got) == history


def test_autoencoder_pretrains_just_so(X):
    params = {"corruption": ae.Masking(0.1), "pretrain_epochs": 2, "epochs": 2, **KW}
    a = ae.Autoencoder(ae.Dense((8, 6)), 3, **params).fit(X)
    b = stack(**params).fit(X)
    assert records(a) == records(b) and [r.get("level") for r in a.history_] == [
        *(1, 1, 2, 2, 3, 3),
        *(None, None),
    ]
    for name, value in values(a).items():
        np.testing.assert_array_equal(value, b.parameters_[name])
    plain = ae.Autoencoder(ae.Dense((8, 6)), 3, epochs=2, **KW).fit(X)
    same = stack(pretrain_epochs=0, epochs=2).fit(X)
    assert records(plain) == records(same)


@pytest.mark.parametrize("name", ["L1Sparsity", "Contractive", "KLSparsity", "TopK"])
def test_penalties_of_levels(name, X):
    """What makes another code of the encoder's output is for the code's level alone."""
    penalty = {
        "L1Sparsity": ae.L1Sparsity(0.1),
        "Contractive": ae.Contractive(0.1),
        "KLSparsity": ae.KLSparsity(0.2),
        "TopK": ae.TopK(2),
    }[name]
    model = stack("sigmoid", penalty=penalty, epochs=1).fit(X)
    charged = [r.get("level", 0) for r in model.history_ if "penalty" in r]
    assert charged == ([1, 1, 2, 2, 3, 3, 0] if not penalty.shapes else [3, 3, 0])
    codes = model.transform(X)
    np.testing.assert_array_equal(model.as_features().transform(X), codes)
    if name == "TopK":
        assert ((codes != 0).sum(1) == 2).all()
    plain = stack("sigmoid", epochs=0).fit(X).parameters_["encoder.0.weight"]
    same = np.array_equal(
        plain, stack("sigmoid", penalty=penalty).fit(X).parameters_["encoder.0.weight"]
    )
    assert same == penalty.shapes
    found = model.fine_tune(X, np.arange(50) % 2, epochs=1)
    assert found.predict_proba(X).shape == (50, 2)


def test_the_last_phase_has_the_first_corruption(X):
    noise = ae.GaussianNoise(0.3)
    one = stack(pretrain_epochs=0, epochs=2, corruption=noise).fit(X)
    several = stack(pretrain_epochs=0, epochs=2, corruption=(noise, None, None)).fit(X)
    other = stack(pretrain_epochs=0, epochs=2, corruption=(None, noise, noise)).fit(X)
    assert records(one) == records(several) != records(other)
    assert records(other) == records(stack(pretrain_epochs=0, epochs=2).fit(X))


def test_every_level_gets_better_and_gives_the_network_a_start(rng):
    z = rng.random((300, 3))
    X = np.tanh(z @ rng.standard_normal((3, 20))).astype(np.float32)
    params = {"pretrain_epochs": 30, "learning_rate": 1e-2}
    model = stack("tanh", **params).fit(X)
    for k in (1, 2, 3):
        losses = [r["loss"] for r in model.history_ if r["level"] == k]
        assert len(losses) == 30 and losses[-1] < 0.7 * losses[0]
    fresh = stack("tanh", pretrain_epochs=0).fit(X)
    assert model.score(X) > 0.3 * fresh.score(X)


def test_pretraining_happens_once(X):
    model = stack(epochs=1).fit(X)
    assert len(model.history_) == 7
    before = values(model)
    model.set_params(warm_start=True).fit(X)
    assert len(model.history_) == 8 and "level" not in model.history_[-1]
    whole = stack(epochs=2).fit(X)
    assert records(whole) == records(model)
    assert any((before[n] != v).any() for n, v in values(model).items())
    model.set_params(warm_start=False).fit(X)
    assert len(model.history_) == 7  # and again for a fit that starts afresh
    first = stack().partial_fit(X)
    assert [r.get("level") for r in first.history_] == [None]


def test_levels_start_from_what_initialize_gave(X):
    model = stack(pretrain_epochs=1, learning_rate=1e-30, warm_start=True).initialize(X)
    model.transform(X)  # layers may keep packed weights from here
    for value in model.parameters_.values():
        value[...] = 0.25
    model.fit(X)
    assert all((v == 0.25).all() for v in model.parameters_.values())


def test_a_stack_may_be_a_single_level(X):
    model = ae.StackedAutoencoder(
        ae.Dense(()), 3, pretrain_epochs=1, epochs=1, corruption=[ae.Masking(0.1)], **KW
    ).fit(X)
    assert [r.get("level") for r in model.history_] == [1, None]


def test_images_masks_and_losses(rng):
    images = rng.integers(0, 255, (30, 4, 5, 2)).astype(np.uint8)
    mask = rng.random(images.shape) < 0.8
    model = stack(loss="huber", epochs=1).fit(images, sample_mask=mask)
    assert model.transform(images).shape == (30, 3)
    assert model.reconstruct(images).shape == images.shape
    other = images.copy()
    other[~mask] = 7  # nobody looks at what isn't observed
    again = stack(loss="huber", epochs=1).fit(other, sample_mask=mask)
    assert records(again) == records(model)
    onehot = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (30, 3))]
    assert stack(loss="cross_entropy", epochs=1).fit(onehot).reconstruct(onehot).shape == (30, 3, 4)
    assert ae.StackedAutoencoder(pretrain_epochs=1, epochs=1, **KW).fit(images).arch is None
    as_default = ae.Autoencoder(pretrain_epochs=1, epochs=1, **KW).fit(images)
    assert len(linears(as_default._network.encoder)) == 3  # Dense, not Conv


def test_validation_samples_have_no_part_in_pretraining(X):
    a = stack(validation_fraction=0.2, epochs=1).fit(X)
    assert "val_loss" in a.history_[-1] and "val_loss" not in a.history_[0]
    order = batches.shuffled(np.arange(50), 0, streams.SPLIT, 0)
    changed = X.copy()
    changed[order[:10]] = 0.5
    b = stack(validation_fraction=0.2, epochs=1).fit(changed)
    for name, value in values(a).items():
        np.testing.assert_array_equal(value, b.parameters_[name])


def test_a_level_that_fails_says_so(X):
    model = stack(optimizer="sgd", learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="level 1: training stopped in epoch 1"):
        model.fit(X)
    assert all(np.isfinite(v).all() for v in model.parameters_.values())


def test_callbacks_and_stopping_are_for_the_last_phase(X, tmp_path):
    seen = []
    stack(
        epochs=3,
        callbacks=[lambda s: seen.append(s.record)],
        checkpoint=tmp_path / "m",
        patience=1,
        learning_rate=1e-30,
        schedule=ae.Cosine(3),
    ).fit(X)
    assert len(seen) == 2 and all("level" not in r for r in seen)
    assert len(ae.load(tmp_path / "m").history_) == 8


def test_what_makes_no_sense_is_refused(X):
    for arch in (ae.Conv(), shallow((12,), 3, None)):
        with pytest.raises(ValueError, match="arch: .*expected Dense or None"):
            ae.StackedAutoencoder(arch, 3, pretrain_epochs=0, **KW).fit(X)
    with pytest.raises(ValueError, match=r"3 levels \(2 widths and the code\), got 2"):
        stack(corruption=[ae.Masking(0.1)] * 2).fit(X)
    with pytest.raises(ValueError, match="rate"):
        stack(corruption=[None, None, ae.Masking(2.0)]).fit(X)
    ragged = [np.ones((n, 2), np.float32) for n in (3, 4, 5)]
    with pytest.raises(ValueError, match="Dense doesn't|different lengths"):
        stack().fit(ragged)
    with pytest.raises(ValueError, match="not fitted"):
        stack().as_features()
    with pytest.raises(ValueError, match="not fitted"):
        stack().fine_tune(X, np.arange(50) % 2)


def test_history_is_drawn_without_the_levels(X):
    plot = pytest.importorskip("matplotlib") and ae.plot
    model = stack(epochs=4).fit(X)
    (line,) = plot.history(model, keys="mse").axes[0].lines
    assert list(line.get_xdata()) == [1, 2, 3, 4]
    assert len(plot.history(stack().fit(X), keys="mse").axes[0].lines[0].get_xdata()) == 6


# ---- features -----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "gelu"])
def test_features_are_hidden_representations(activation, X):
    X = np.tile(X, (6, 1))  # several batches of inference
    model = stack(activation, epochs=1).fit(X)
    want = representations(model, X, activation)
    np.testing.assert_array_equal(model.as_features().transform(X), model.transform(X))
    for levels, numbers in (("all", (1, 2, 3)), (2, (2,)), ([3, 1], (3, 1)), (np.int64(1), (1,))):
        features = model.as_features(levels)
        got = features.transform(X)
        whole = np.concatenate([want[n - 1] for n in numbers], axis=1)
        assert got.dtype == np.float32 and got.shape == whole.shape
        np.testing.assert_allclose(got, whole, rtol=1e-5, atol=2e-6)
        assert len(features.get_feature_names_out()) == got.shape[1]
        np.testing.assert_array_equal(features.fit_transform(X), got)
    images = X.reshape(-1, 4, 3, 1)
    same = stack(activation, epochs=1).fit(images).as_features("all")
    np.testing.assert_array_equal(same.transform(images), model.as_features("all").transform(X))


def test_features_stay_as_they_were(X):
    model = stack(epochs=1).fit(X)
    features = model.as_features("all")
    before = features.transform(X)
    model.set_params(warm_start=True).fit(X)
    assert not np.array_equal(model.as_features("all").transform(X), before)
    np.testing.assert_array_equal(features.transform(X), before)
    np.testing.assert_array_equal(features.fit(X[:7]).transform(X), before)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(features)).transform(X), before)


def test_features_in_scikit_learn(X):
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline

    model = stack(pretrain_epochs=20).fit(X)
    features, y = model.as_features(), (X[:, 0] > 0.5).astype(int)
    copied = clone(features)
    assert copied is not features and copied.model is features.model
    copied.set_params(levels="all").set_output(transform="pandas")
    assert features.levels is None and clone(copied).transform(X).columns[0] == "stackedfeatures0"
    copied.set_params(levels=None).set_output(transform="default")
    np.testing.assert_array_equal(copied.transform(X), model.transform(X))
    pipe = make_pipeline(features, LogisticRegression())
    assert len(cross_val_score(pipe, X, y, cv=3)) == 3
    grid = GridSearchCV(pipe, {"stackedfeatures__levels": [1, "all"]}, cv=2).fit(X, y)
    assert grid.best_estimator_[0].model is features.model
    frame = features.set_output(transform="pandas").transform(X)
    assert list(frame.columns) == [f"stackedfeatures{i}" for i in range(3)]


def test_features_refuse(X):
    model = stack().fit(X)
    for levels, error, word in (
        (0, ValueError, "at least 1"),
        (4, ValueError, "at most 3"),
        ([], ValueError, "at least one"),
        ("top", ValueError, "'all'"),
        (1.5, TypeError, "integer"),
        ([1, None], TypeError, "integer"),
    ):
        with pytest.raises(error, match=f"levels.*{word}"):
            model.as_features(levels)
    with pytest.raises(ValueError, match="12 features"):
        model.as_features().fit(X[:, :5])
    with pytest.raises(TypeError, match="model: expected a StackedAutoencoder"):
        ae.StackedFeatures(ae.Autoencoder()).fit(X)
    with pytest.raises(ValueError, match="not fitted"):
        ae.StackedFeatures(stack()).transform(X)
