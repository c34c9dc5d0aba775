"""Where the time of a step goes: which lines there are, and that they make up the whole."""

import aecore as ae
import numpy as np
import pytest
from aecore import nn

KW = {"batch_size": 16, "random_state": 0}


def layers(found):
    return [row.layer for row in found.rows if row.layer]


@pytest.fixture(autouse=True)
def briefly(monkeypatch):
    from aecore import profiling

    monkeypatch.setattr(profiling, "SECONDS", 0.05)
    monkeypatch.setattr(profiling, "LIMIT", 0.01)


def test_lines_of_a_small_model(rng):
    X = rng.random((64, 20), np.float32)
    found = ae.profile(ae.Autoencoder(ae.Dense((12,)), 3, **KW), X)
    assert layers(found) == ["encoder.0", "encoder.1", "decoder.0", "decoder.1"]
    ops = [row.op for row in found.rows]
    assert ops[:4] == ["Linear 20 -> 12", "Linear 12 -> 3", "Linear 3 -> 12", "Linear 12 -> 20"]
    assert ops[-3:] == ["check of the gradient", "optimiser", "the rest"]
    assert found.steps % 4 == 0 and found.threads == ae.get_num_threads()
    parts = sum(row.forward_ms + row.backward_ms for row in found.rows)
    np.testing.assert_allclose(parts, found.step_ms, rtol=1e-6)
    np.testing.assert_allclose(sum(row.share for row in found.rows), 1, rtol=1e-6)
    assert all(row.forward_ms > 0 and row.backward_ms > 0 for row in found.rows[:4])


def test_shares_of_the_peak(rng):
    X = rng.random((64, 20), np.float32)
    found = ae.profile(ae.Autoencoder(ae.Dense((12,)), 3, **KW), X)
    first, second = found.rows[:2]
    for row, products in ((first, 2), (second, 3)):  # nobody asks for the samples' gradient
        i, o = (int(n) for n in row.op.split() if n.isdigit())
        seconds = (row.forward_ms + row.backward_ms) / 1e3
        np.testing.assert_allclose(row.of_peak, 2 * 16 * i * o * products / seconds / found.peak)
        floats = 3 * (16 * i + 16 * o + i * o + o)
        np.testing.assert_allclose(row.of_bandwidth, 4 * floats / seconds / found.bandwidth)


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: ae.VAE(ae.Conv((8,)), 3, **KW), (32, 8, 8, 2)),
        (lambda: ae.VQVAE(ae.ResNet(8, 4, 1), 8, 4, **KW), (32, 8, 8, 2)),
        (lambda: ae.CVAE(ae.Dense((8,)), 3, **KW), (32, 6)),
        (lambda: ae.GAN(latent_dim=2, **KW), (32, 6)),
        (lambda: ae.AdversarialAutoencoder(ae.Dense((8,)), 2, **KW), (32, 6)),
        (lambda: ae.Autoencoder(ae.LSTM(8), 3, **KW), (32, 5, 2)),
        (lambda: ae.Autoencoder(ae.Transformer(8, 2, 1, 16), 3, **KW), (32, 5, 2)),
        (lambda: ae.TabularAutoencoder(**KW), (32, 6)),
        (lambda: ae.Autoencoder((nn.Linear(6, 2), nn.Linear(2, 6)), 2, **KW), (32, 6)),
    ],
)
def test_every_kind_of_model(make, shape, rng):
    X, model = rng.random(shape, np.float32), make()
    y = np.arange(len(X)) % 3 if isinstance(model, ae.CVAE) else None
    found = ae.profile(model, X, y)
    np.testing.assert_allclose(sum(row.share for row in found.rows), 1, rtol=1e-6)
    named = set(layers(found))
    assert named and all(name.split(".")[0] in "encoder decoder discriminator" for name in named)
    assert not hasattr(model, "_network")


def test_a_fitted_model_stays_as_it_is(rng):
    X = rng.random((48, 10), np.float32)
    told = []
    model = ae.Autoencoder(ae.Dense((8,)), 3, epochs=1, callbacks=(told.append,), **KW).fit(X)
    told.clear()
    before, history = model.transform(X), list(model.history_)
    ae.profile(model, X)
    np.testing.assert_array_equal(model.transform(X), before)
    assert model.history_ == history and not told


def test_the_table(rng):
    found = ae.profile(ae.Autoencoder(ae.Dense((12,)), 3, **KW), rng.random((64, 20), np.float32))
    lines = repr(found).splitlines()
    assert len(lines) == 2 + len(found.rows) and " ms a step, the mean of " in lines[0]
    assert lines[1].split() == [
        "layer", "op", "forward", "backward", "share", "of", "peak", "of", "bandwidth"
    ]  # fmt: skip
    assert lines[2].startswith("encoder.0  Linear 20 -> 12")
    assert lines[-1].lstrip().startswith("the rest")


def test_what_is_refused(rng):
    X = rng.random((8, 4), np.float32)
    with pytest.raises(TypeError, match="model: expected one of aecore's models"):
        ae.profile(3, X)
    with pytest.raises(ValueError, match="latent_dim"):
        ae.profile(ae.Autoencoder(latent_dim=0), X)
