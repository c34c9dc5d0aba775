"""A decoder that sees the step before: the true one in training, its own otherwise."""

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from cases.base import normal
from support.layers import run
from support.steps import check_step

CODES, FEATURES, UNITS, STEPS = 3, 2, 5, 7


def decoder(layers=1, reverse=False, codes=CODES):
    module = nn.AutoregressiveLSTM(codes, FEATURES, UNITS, layers, steps=STEPS, reverse=reverse)
    module.initialize(3)
    return module


def expected(module, z, lengths, target=None):
    """Step by step and sample by sample, in float64; a target is what each step sees."""
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    links = {None: lambda x: x, "sigmoid": sigmoid}
    links["softmax"] = lambda x: np.exp(x) / np.exp(x).sum()
    out = np.zeros((len(z), STEPS, FEATURES))
    weights = [
        [p.value.astype(np.float64) for p in (one.weight_ih, one.weight_hh, one.bias)]
        for (one,) in module.lstm.layers
    ]
    w, b = (p.value.astype(np.float64) for p in (module.out.weight, module.out.bias))
    for i, code in enumerate(z.astype(np.float64)):
        order = range(lengths[i])
        order = order[::-1] if module.lstm.reverse else order
        states = [(np.zeros(UNITS), np.zeros(UNITS)) for _ in weights]
        before = np.zeros(FEATURES)
        for t in order:
            x = np.concatenate([code if code.ndim == 1 else code[t], before])
            for j, (w_ih, w_hh, bias) in enumerate(weights):
                h, c = states[j]
                gates = w_ih @ x + w_hh @ h + bias
                a, f, g, o = np.split(gates, 4)
                c = sigmoid(f) * c + sigmoid(a) * np.tanh(g)
                x = h = sigmoid(o) * np.tanh(c)
                states[j] = h, c
            out[i, t] = w @ x + b
            before = links[module.link](out[i, t]) if target is None else target[i, t]
    return out


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("each", [False, True])
def test_against_the_formula(reverse, layers, each, rng):
    module = decoder(layers, reverse)
    z = normal(rng, 4, STEPS, CODES) if each else normal(rng, 4, CODES)
    target, lengths = normal(rng, 4, STEPS, FEATURES), np.array([7, 1, 4, 0])
    for given in (None, lengths):
        real = np.full(4, STEPS) if given is None else given
        exist = np.arange(STEPS) < real[:, None]
        forced = run(module, z, training=True, lengths=given, target=target).y
        want = expected(module, z, real, target)
        np.testing.assert_allclose(forced[exist], want[exist], rtol=1e-5, atol=1e-6)
        for link in (None, "sigmoid", "softmax"):
            module.link = link
            alone, want = run(module, z, lengths=given).y, expected(module, z, real)
            np.testing.assert_allclose(alone[exist], want[exist], rtol=1e-5, atol=1e-6)
        module.link = None


def test_alone_it_repeats_what_it_was_forced_to(rng):
    """Given its own output as the truth, training gives that output."""
    module = decoder(2)
    z = normal(rng, 5, CODES)
    alone = module(z)
    forced = run(module, z, training=True, target=alone).y
    np.testing.assert_allclose(forced, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cls", [ae.Autoencoder, ae.VAE, ae.CVAE])
@pytest.mark.parametrize("loss", ["mse", "bce", "cross_entropy"])
def test_gradients_of_a_step(cls, loss, rng):
    arch = ae.LSTM(5, reverse=True, teacher_forcing=True)
    model = cls(arch, 2, loss=loss, batch_size=8, random_state=0)
    X = rng.random((8, 6, 3), np.float32)
    if loss == "cross_entropy":
        X = np.eye(3, dtype=np.float32)[rng.integers(0, 3, (8, 6))]
    y = np.arange(8) % 2 if cls is ae.CVAE else None
    model.initialize(X, y)
    assert model._network.decoder.link == {"bce": "sigmoid", "cross_entropy": "softmax"}.get(loss)
    given = model._input(X, y)
    batch = next(iter(given.batches(8)()))
    batch.epoch = 0.0
    check_step(model, batch, rng)


def test_it_learns_what_a_code_alone_can_not_tell_apart(rng):
    """A walk's steps depend on the ones before, so seeing them helps."""
    X = np.cumsum(rng.standard_normal((300, 20, 1)), axis=1).astype(np.float32) / 4
    options = {"epochs": 30, "random_state": 0, "learning_rate": 1e-2, "batch_size": 50}
    forced = ae.Autoencoder(ae.LSTM(16, teacher_forcing=True), 4, **options).fit(X)
    assert forced.history_[-1]["mse"] < 0.5 * forced.history_[0]["mse"]
    errors = ((forced.reconstruct(X) - X) ** 2).mean()
    assert np.isfinite(errors) and errors < X.var()


def test_codes_for_each_step(rng):
    X = rng.random((24, 6, 3), np.float32)
    arch = ae.LSTM(5, teacher_forcing=True)
    model = ae.VQVAE(arch, codebook_size=8, code_dim=4, epochs=2, batch_size=8, random_state=0)
    assert model.fit(X).transform(X).shape == (24, 6)
    assert model.reconstruct(X).shape == X.shape


def test_what_makes_no_sense(rng):
    with pytest.raises(ValueError, match="bidirectional: expected False with teacher_forcing"):
        ae.Autoencoder(ae.LSTM(4, 1, True, teacher_forcing=True), 2).fit(rng.random((9, 5, 2)))
    with pytest.raises(ValueError, match="steps: expected at least 1"):
        nn.AutoregressiveLSTM(3, 2, 4, steps=0)
    module = decoder()
    with pytest.raises(ValueError, match="expected codes"):
        module(normal(rng, 4, CODES + 1))
    with pytest.raises(ValueError, match="true sequences"):
        module(normal(rng, 4, CODES), True)


def test_what_comes_later_has_no_influence(rng):
    """The step at t sees the truth before t alone."""
    module = decoder()
    z, target = normal(rng, 3, CODES), normal(rng, 3, STEPS, FEATURES)
    first = run(module, z, training=True, target=target).y
    target[:, 4:] += 1
    second = run(module, z, training=True, target=target).y
    np.testing.assert_array_equal(first[:, :5], second[:, :5])
    assert not np.array_equal(first[:, 5:], second[:, 5:])
