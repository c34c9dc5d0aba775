"""Recirculation: the paper's rule, and how it compares with back-propagation."""

import os

import aecore as ae
import numpy as np
import pytest
from aecore.data.arrays import Data
from aecore.data.batches import Batches
from aecore.models.base.levels import shallow
from support.steps import step

KW = {"batch_size": 16, "random_state": 0}


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def changes(v0, parameters, loss, f, keep, mask=1.0):
    """Return what the paper's rule adds to the parameters for a batch, in float64.

    A missing value of v0 (mask 0) is 0 and stays so.
    """
    W, b, V, c = (p.astype(np.float64) for p in parameters)
    v0 = v0.astype(np.float64)
    g = sigmoid if loss == "bce" else lambda a: a
    h1 = f(v0 @ W.T + b)
    v2 = mask * (keep * v0 + (1 - keep) * g(h1 @ V.T + c))
    h3 = keep * h1 + (1 - keep) * f(v2 @ W.T + b)
    n = len(v0)
    down, up = v0 - v2, h1 - h3
    return up.T @ v2 / n, up.mean(0), down.T @ h1 / n, down.mean(0)


ACTIVATIONS = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
    "silu": lambda a: a * sigmoid(a),
    "linear": lambda a: a,
}


@pytest.mark.parametrize("keep", [0.0, 0.75])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_gradients_are_the_papers_changes(loss, activation, keep, X):
    model = ae.Recirculation(5, loss=loss, activation=activation, regression=keep, **KW)
    model.initialize(X)
    names = ["encoder.0.weight", "encoder.0.bias", "decoder.0.weight", "decoder.0.bias"]
    parameters = [model.parameters_[n] for n in names]
    want = changes(X[:20], parameters, loss, ACTIVATIONS[activation], keep)
    network = model._network
    terms = step(model, next(Batches(Data(X), 20)()))
    for name, change in zip(names, want, strict=True):
        got = -network.flat.named[name].grad
        size = np.abs(change).max()
        np.testing.assert_allclose(got, change, rtol=2e-5, atol=2e-6 * size, err_msg=name)
    assert terms["loss"] / 20 == pytest.approx(-model.score(X[:20]), rel=1e-5)


def test_missing_values_do_not_move(X, rng):
    mask = rng.random(X.shape) < 0.6
    clean = np.where(mask, X, 0).astype(np.float32)
    kw = {**KW, "batch_size": 50, "shuffle": False, "optimizer": ae.SGD(0), "learning_rate": 0.1}
    model = ae.Recirculation(5, epochs=1, warm_start=True, **kw).initialize(X)
    names = ["encoder.0.weight", "encoder.0.bias", "decoder.0.weight", "decoder.0.bias"]
    before = [model.parameters_[n].copy() for n in names]
    steps = changes(clean, before, "mse", sigmoid, 0.75, mask.astype(float))
    model.fit(np.where(mask, X, np.nan), sample_mask=mask)
    for name, start, change in zip(names, before, steps, strict=True):
        np.testing.assert_allclose(model.parameters_[name], start + 0.1 * change, atol=1e-6)


def test_the_visible_rule_is_the_losss_gradient(X):
    """And the hidden one is close to it where the weights are each other's transpose."""
    pair = shallow((12,), 5, "sigmoid")
    plain = ae.Autoencoder(pair, 5, loss="bce", **KW).initialize(X)
    model = ae.Recirculation(5, loss="bce", regression=0.9, **KW).initialize(X)
    for m in (plain, model):
        for name, value in m.parameters_.items():
            value[...] = 0.3 * model.parameters_[name]
        m.parameters_["decoder.0.weight"][...] = m.parameters_["encoder.0.weight"].T
    grads = []
    for m in (plain, model):
        step(m, next(Batches(Data(X), 50)()))
        grads.append({n: p.grad.copy() for n, p in m._network.flat.named.items()})
    for name in ("decoder.0.weight", "decoder.0.bias"):
        np.testing.assert_allclose(grads[1][name], 0.1 * grads[0][name], rtol=1e-4, atol=1e-7)
    for name in ("encoder.0.weight", "encoder.0.bias"):
        a, b = (g[name].ravel().astype(np.float64) for g in grads)
        assert a @ b / np.sqrt((a @ a) * (b @ b)) > 0.97


def digits():
    if os.environ.get("AECORE_DATA"):
        images = ae.datasets.load_mnist()[0][:3000]
        return images.reshape(len(images), -1), 64, 20
    images = ae.datasets.load_digits()[0]
    return images.reshape(len(images), -1), 24, 60


@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_it_comes_near_to_back_propagation_on_digits(loss):
    """The same network, the same epochs, and for each the better of two learning rates."""
    X, n, epochs = digits()
    scaled = X / 255

    def error(model):
        rebuilt = model.set_params(loss=loss, epochs=epochs, random_state=0).fit(X).reconstruct(X)
        return ((rebuilt - scaled) ** 2).mean()

    pair = shallow(X.shape[1:], n, "sigmoid")
    ours = min(error(ae.Recirculation(n, learning_rate=r)) for r in (0.1, 0.3))
    theirs = min(error(ae.Autoencoder(pair, n, learning_rate=r)) for r in (1e-3, 3e-3))
    assert ours < 1.2 * theirs
    assert ours < 0.4 * scaled.var(0).mean()


def test_weights_become_each_others_transpose():
    X, n, epochs = digits()
    found = {}
    for optimizer, rate in (("sgd", 0.1), ("adam", 3e-3)):
        model = ae.Recirculation(n, optimizer=optimizer, learning_rate=rate, random_state=0)
        w = model.set_params(epochs=epochs).fit(X).parameters_
        a, b = w["encoder.0.weight"].T.ravel(), w["decoder.0.weight"].ravel()
        found[optimizer] = np.corrcoef(a, b)[0, 1]
    assert found["sgd"] > 0.5 and found["sgd"] > found["adam"]


def test_images_and_codes(rng):
    images = rng.random((30, 4, 3, 2), dtype=np.float32)
    model = ae.Recirculation(4, loss="bce", epochs=2, **KW).fit(images)
    codes = model.transform(images)
    assert codes.shape == (30, 4) and ((codes > 0) & (codes < 1)).all()
    rebuilt = model.reconstruct(images)
    np.testing.assert_allclose(model.inverse_transform(codes), rebuilt, atol=1e-6)
    assert list(model.get_feature_names_out()) == [f"recirculation{i}" for i in range(4)]
    table = ae.Recirculation(4, loss="bce", epochs=2, **KW).fit(images.reshape(30, -1))
    np.testing.assert_array_equal(table.transform(images.reshape(30, -1)), codes)


@pytest.mark.parametrize(
    "params, error, word",
    [
        ({"latent_dim": 0}, ValueError, "latent_dim"),
        ({"loss": "l1"}, ValueError, "loss: expected one of 'mse', 'bce'"),
        ({"regression": 1.0}, ValueError, "regression: expected less than 1"),
        ({"regression": -0.1}, ValueError, "regression"),
        ({"regression": "much"}, TypeError, "regression"),
        ({"activation": "swish"}, ValueError, "swish"),
        ({"learning_rate": 0}, ValueError, "learning_rate"),
    ],
)
def test_parameters(params, error, word, X):
    model = ae.Recirculation(3, epochs=1, **KW).fit(X)
    before = model.transform(X)
    model.set_params(**params)
    with pytest.raises(error, match=word):
        model.fit(X)
    model.set_params(latent_dim=3, loss="mse")
    np.testing.assert_array_equal(model.transform(X), before)
    for name in ("arch", "corruption", "penalty", "tied", "pretrain_epochs"):
        with pytest.raises(TypeError, match=name):
            ae.Recirculation(**{name: None})
    with pytest.raises(ValueError, match="range|0, 1"):
        ae.Recirculation(3, loss="bce", **KW).fit(X * 9)
