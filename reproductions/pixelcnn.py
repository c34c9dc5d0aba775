"""MNIST: a VQ-VAE with 128 codes of 16 on a 7 x 7 grid, and a PixelCNN over them.

The more the codes say, the smaller is the error and the more nats they have: the two figures belong
together. The reference divides the squared error by the variance of the pixels and takes means
where we take sums over as many values, so that its commitment of 0.25 is one of 0.25 times the
variance to us. So weak a pull leaves most of the small entries that it starts from unused, and the
others are used unevenly: that makes them cheap. With k-means, moving averages and restarts nearly
all are in use, for a smaller error and more nats. The reference measures its error on the training
images, and its PixelCNN of 1,049,728 parameters on a tenth of the training codes; we measure on the
test set.

usage: AECORE_DATA=folder python reproductions/pixelcnn.py
"""

from __future__ import annotations

import functools
from typing import Any

import aecore as ae
import numpy as np
from results import record

EPOCHS, PRIOR_EPOCHS = 40, 5  # the reference has 30 and 30
USUAL_EPOCHS = 8  # of the codebook as it is by default
images, _, test_images, _ = ae.datasets.load_mnist()
X, X_test = (v.reshape(-1, 28, 28, 1) for v in (images, test_images))
VARIANCE = (X / np.float32(255)).var(dtype=np.float64)


def show(state: ae.TrainingState) -> None:
    terms = ("mse", "perplexity", "nats_per_code", "accuracy")
    found = ", ".join(f"{name} {state.record[name]:.4f}" for name in terms if name in state.record)
    print(f"    {state.epoch}: {found}", flush=True)


@functools.cache
def model() -> Any:
    """Train the codes: the reference's layers, and its uniform entries."""
    found = ae.VQVAE(
        ae.Conv((32, 64), kernel_size=3),
        128,
        16,
        commitment=0.024,
        codebook="loss",
        codebook_init="normal",
        restart_dead=False,
        learning_rate=2e-3,
        schedule=ae.Cosine(EPOCHS),
        epochs=EPOCHS,
        warm_start=True,
        callbacks=[show],
        random_state=0,
    ).initialize(X)
    entries = found.parameters_["quantizer.entries"]
    entries[...] = np.random.default_rng(0).uniform(-0.05, 0.05, entries.shape)
    return found.fit(X)


def reconstruction(found: Any) -> str:
    share = found.errors(X_test).mean(dtype=np.float64) / VARIANCE
    perplexity = ae.metrics.perplexity(found.transform(X_test).reshape(-1), 128)
    return f"{share:.4f}, perplexity {perplexity:.1f}"


def usual() -> str:
    found = ae.VQVAE(
        ae.ResNet(64, 32, 2),
        128,
        16,
        schedule=ae.Cosine(USUAL_EPOCHS),
        epochs=USUAL_EPOCHS,
        callbacks=[show],
        random_state=0,
    )
    return reconstruction(found.fit(X))


def prior() -> str:
    prior = ae.PixelCNN(
        64,
        layers=5,
        codebook_size=128,
        batch_size=64,
        learning_rate=1.5e-3,
        schedule=ae.Cosine(PRIOR_EPOCHS),
        epochs=PRIOR_EPOCHS,
        callbacks=[show],
        random_state=0,
    ).fit(model().transform(X))
    codes = model().transform(X_test)
    nats, bits = -prior.score(codes) / codes[0].size, prior.bits_per_dim(codes)
    accuracy = prior.history_[-1]["accuracy"]
    return (
        f"{nats:.4f} nats ({bits:.3f} bits) a code, {prior.n_parameters_:,} parameters; "
        f"accuracy in training {accuracy:.3f}"
    )


if __name__ == "__main__":
    error, source = "test MSE / variance of the pixels", "Keras example vq_vae"
    record(
        f"VQ-VAE, MNIST, 128 codes of 16 as by default, {USUAL_EPOCHS} epochs: {error}",
        "at most 0.0444",
        source,
        usual,
    )
    record(
        f"VQ-VAE, MNIST, 128 codes of 16 learned as the reference's, {EPOCHS} epochs: {error}",
        "at most 0.0444",
        source,
        lambda: reconstruction(model()),
    )
    record(
        f"PixelCNN on the 7 x 7 codes of the latter, {PRIOR_EPOCHS} epochs: nats of test codes",
        "at most 1.034 nats a code",
        source,
        prior,
    )
