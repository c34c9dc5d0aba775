"""PSNR of what goes in and what comes out, where images are corrupted."""

import warnings

import aecore as ae
import numpy as np
import pytest
from aecore.models.base import traps

KW = {"random_state": 0, "batch_size": 16}
NOISE = ae.GaussianNoise(0.1)


def smooth(rng, n=160, c=1):
    t = np.linspace(0, 3, 16)
    a, b = rng.random((2, n, 1, 1, c))
    waves = np.sin(t[:, None, None] * (1 + a)) * np.cos(t[None, :, None] * (1 + b))
    return (0.5 + 0.45 * waves).astype(np.float32)


def test_it_is_that_of_the_epochs_samples(rng):
    X = smooth(rng)
    model = ae.Autoencoder(ae.UNet((4, 8)), corruption=NOISE, epochs=2, **KW).fit(X)
    for record in model.history_:
        assert record["psnr"] == pytest.approx(-10 * np.log10(record["mse"]))
        assert record["psnr_input"] == pytest.approx(20, abs=0.2) and "mse_input" not in record
    masked = ae.Autoencoder(ae.Dense((8,)), 4, corruption=ae.Masking(0.5), epochs=1, **KW).fit(X)
    assert masked.history_[0]["psnr_input"] == pytest.approx(
        -10 * np.log10(np.square(X).mean() / 2), abs=0.2
    )


@pytest.mark.parametrize("make", [
    lambda **k: ae.VAE(ae.Conv((4,)), 4, loss="bce", **k),
    lambda **k: ae.VQVAE(ae.ResNet(8, 4, 1, 1), 8, 4, **k),
    lambda **k: ae.Autoencoder(ae.Dense((8,)), 4, accumulate=3, **k),
    lambda **k: ae.AdversarialAutoencoder(ae.Dense((8,)), 4, **k),
])  # fmt: skip
def test_every_objective_reports_it(make, rng):
    X = smooth(rng)
    for samples in (X, (X * 255).astype(np.uint8), (X * 255).astype(np.uint8).reshape(160, -1)):
        if samples.ndim == 2 and "Dense" not in repr(make()):
            continue
        model = make(corruption=NOISE, epochs=1, **KW).fit(samples)
        assert model.history_[0]["psnr_input"] == pytest.approx(20, abs=0.2)


def test_it_needs_a_corruption_and_a_known_range(rng):
    X, known = smooth(rng), "psnr_input"
    fit = lambda X, **k: ae.Autoencoder(ae.Dense((8,)), 4, epochs=1, **KW, **k).fit(X)  # noqa: E731
    assert known in fit(X, corruption=NOISE).history_[0]
    for model in (
        fit(X),
        fit(X * 2, corruption=NOISE),
        fit(X - 0.5, corruption=NOISE),
        fit(X.reshape(160, -1), corruption=NOISE),  # a table of numbers
    ):
        assert known not in model.history_[0] and "psnr" not in model.history_[0]


def test_values_that_are_missing_do_not_count(rng):
    X, mask = smooth(rng), rng.random((160, 16, 16, 1)) < 0.7
    damaged = np.where(mask, X, np.nan)
    model = ae.Autoencoder(ae.Dense((8,)), 4, corruption=NOISE, epochs=1, **KW)
    record = model.fit(damaged, sample_mask=mask).history_[0]
    assert record["psnr_input"] == pytest.approx(20, abs=0.2)


def test_it_warns_of_a_result_that_is_worse_than_the_input(rng):
    X = rng.random((160, 16, 16, 1), np.float32)  # in which there is nothing to be learned
    model = ae.Autoencoder(ae.Dense((8,)), 4, corruption=ae.GaussianNoise(0.01), epochs=12, **KW)
    with pytest.warns(UserWarning, match=traps.WORSE):
        model.fit(X)
    with warnings.catch_warnings():  # nothing is said of a trial, nor where it is better
        warnings.simplefilter("error")
        ae.Autoencoder(ae.Dense((8,)), 4, corruption=NOISE, epochs=1, **KW).fit(X)
        better = ae.Autoencoder(ae.UNet((4, 8)), corruption=NOISE, epochs=12, **KW).fit(smooth(rng))
    assert better.history_[-1]["psnr"] > better.history_[-1]["psnr_input"]
