"""The smoke test: every kind of model and architecture learns something, and lives through a file.

`make tiny` runs this and nothing else. What these models do exactly is tested elsewhere.
"""

import aecore as ae
import numpy as np
import pytest

KW = {"epochs": 30, "learning_rate": 5e-3, "batch_size": 16, "random_state": 0}
T = np.linspace(0, 6, 12)


def table(rng):
    """Points near a plane in eight dimensions."""
    return rng.standard_normal((64, 2)) @ rng.standard_normal((2, 8)) / 2


def images(rng):
    """A bright square at some place in each image."""
    X = np.zeros((64, 8, 8, 1), np.float32)
    for x, (i, j) in zip(X, rng.integers(6, size=(64, 2)), strict=True):
        x[i : i + 2, j : j + 2] = 1
    return X


def series(rng):
    """Sines of two frequencies, of different lengths."""
    return [np.sin(T[: 8 + i % 5, None] * (1 + i % 2)).astype(np.float32) for i in range(64)]


CASES = {
    "dense": (ae.Autoencoder(ae.Dense((16,)), 2, **KW), table),
    "tied, sparse": (
        ae.Autoencoder(ae.Dense((16,)), 2, tied=True, penalty=ae.TopK(1), **KW),
        table,
    ),
    "denoising": (ae.Autoencoder(ae.Dense((16,)), 2, corruption=ae.Masking(0.2), **KW), table),
    "vae": (ae.VAE(ae.Conv((4,)), 2, loss="bce", **KW), images),
    "vq": (ae.VQVAE(ae.ResNet(8, 4, 1), 8, 4, **KW), images),
    "lstm": (ae.Autoencoder(ae.LSTM(8), 2, **KW), series),
    "transformer": (ae.Autoencoder(ae.Transformer(8, 2, 1, 16), 2, **KW), series),
    "adversarial": (ae.AdversarialAutoencoder(ae.Dense((16,)), 2, **KW), table),
    "stacked": (ae.StackedAutoencoder(ae.Dense((16,)), 2, **KW), table),
    "columns": (ae.TabularAutoencoder(ae.Dense((16,)), 2, **KW), table),
}


@pytest.mark.parametrize("case", CASES)
def test_models_learn_and_are_read_back(case, rng, tmp_path):
    model, data = CASES[case]
    X = data(rng)
    model = type(model)(**model.get_params(deep=False)).fit(X)
    recon = [record["recon"] for record in model.history_ if "recon" in record]
    assert recon[-1] < 0.9 * recon[0]
    model.save(tmp_path / "model.safetensors")
    again = ae.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.score_samples(X), model.score_samples(X))


def test_gan_plays_on(rng, tmp_path):
    model = ae.GAN(ae.Dense((16,)), 2, **KW).fit(table(rng))
    assert all(0 < record["discriminator"] < 5 for record in model.history_)
    model.save(tmp_path / "gan.safetensors")
    drawn = ae.load(tmp_path / "gan.safetensors").sample(4, random_state=0)
    np.testing.assert_array_equal(drawn, model.sample(4, random_state=0))
