"""MNIST: a VQ-VAE with 128 codes of 16 on a 7 x 7 grid, and a PixelCNN over them.

The more the codes say, the smaller is the error and the more nats they have: the two figures belong
together. What moves both is the network. The reference's encoder sees little around a position, so
that its codes are easy to foresee; it stays. Its decoder sees as little: residual blocks in its
place let it make something of neighbouring codes together, for no nats at all.

How many entries are in use decides what codes cost. The reference starts from small ones with a
weak pull (it divides the squared error by the variance of the pixels and takes means where we take
sums, so that its commitment of 0.25 is one of 0.024 to us): learned so, about ten of the 128 come
into use. With k-means, moving averages and restarts nearly all do, for a smaller error and more
nats. The reference measures its error on the training images, and its PixelCNN of 1,049,728
parameters on a tenth of the training codes; we measure on the test set.

usage: AECORE_DATA=folder python reproductions/pixelcnn.py [usual | both]
"""

from __future__ import annotations

import functools
import sys
from typing import Any, NamedTuple

import aecore as ae
import numpy as np
from aecore import nn
from results import over_seeds, record

EPOCHS, PRIOR_EPOCHS = 16, 7  # the reference has 30 and 30
USUAL_EPOCHS = 8  # of the codebook as it is by default
SEEDS = 0, 1, 2
images, _, test_images, _ = ae.datasets.load_mnist()
X, X_test = (v.reshape(-1, 28, 28, 1) for v in (images, test_images))
VARIANCE = (X / np.float32(255)).var(dtype=np.float64)


class Figures(NamedTuple):
    """What is measured of one model, on test digits."""

    error: float
    perplexity: float
    nats: float


def show(state: ae.TrainingState) -> None:
    terms = ("mse", "perplexity", "nats_per_code", "accuracy")
    found = ", ".join(f"{name} {state.record[name]:.4f}" for name in terms if name in state.record)
    print(f"    {state.epoch}: {found}", flush=True)


def block() -> nn.Module:
    """Return a residual block of 64 channels."""
    layers = nn.Conv2d(64, 32, 3, padding=1, activation="relu"), nn.Conv2d(32, 64, 1)
    return nn.Residual(nn.Sequential(nn.Activation("relu"), *layers))


def coders() -> tuple[nn.Module, nn.Module]:
    """Return the reference's encoder, and a decoder with four residual blocks."""
    down = {"kernel_size": 3, "stride": 2, "padding": 1, "activation": "relu"}
    up = {"kernel_size": 4, "stride": 2, "padding": 1}
    encoder = nn.Sequential(
        nn.Conv2d(1, 32, **down), nn.Conv2d(32, 64, **down), nn.Conv2d(64, 16, 1)
    )
    decoder = nn.Sequential(
        nn.Conv2d(16, 64, 3, padding=1),
        *(block() for _ in range(4)),
        nn.Activation("relu"),
        nn.ConvTranspose2d(64, 32, **up, activation="relu"),
        nn.ConvTranspose2d(32, 1, **up),
    )
    return encoder, decoder


@functools.cache
def model(seed: int) -> Any:
    """Train the codes and the prior over them."""
    prior = ae.PixelCNN(
        64,
        layers=5,
        kernel_size=3,
        batch_size=64,
        learning_rate=2e-3,
        schedule=ae.Cosine(PRIOR_EPOCHS),
        epochs=PRIOR_EPOCHS,
        callbacks=[show],
    )
    found = ae.VQVAE(
        coders(),
        128,
        16,
        commitment=0.024,
        codebook="loss",
        codebook_init="normal",
        restart_dead=False,
        prior=prior,
        learning_rate=2e-3,
        schedule=ae.Cosine(EPOCHS),
        epochs=EPOCHS,
        warm_start=True,
        callbacks=[show],
        random_state=seed,
    ).initialize(X)
    entries = found.parameters_["quantizer.entries"]
    entries[...] = np.random.default_rng(seed).uniform(-0.05, 0.05, entries.shape)
    return found.fit(X)


@functools.cache
def figures(seed: int) -> Figures:
    """Measure a model and its prior."""
    found = model(seed)
    codes = found.transform(X_test)
    return Figures(*reconstruction(found), -found.prior_.score(codes) / codes[0].size)


def reconstruction(found: Any) -> tuple[float, float]:
    """Return the error of a model, and the perplexity of its codes."""
    share = found.errors(X_test).mean(dtype=np.float64) / VARIANCE
    codes = found.transform(X_test).reshape(-1)
    return share, ae.metrics.perplexity(codes, len(found.codebook_))


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
    share, perplexity = reconstruction(found.fit(X))
    return f"{share:.4f}, perplexity {perplexity:.1f}"


def each(name: str, form: str = ".4f") -> str:
    """Return a figure over all seeds."""
    return over_seeds([getattr(figures(seed), name) for seed in SEEDS], form)


def nats() -> str:
    parameters = f"{model(SEEDS[0]).prior_.n_parameters_:,} parameters"
    return f"{each('nats')} nats a code, {parameters}"


def main(rows: list[str]) -> None:
    error, source = "test MSE / variance of the pixels", "Keras example vq_vae"
    if not rows or "usual" in rows:
        record(
            f"VQ-VAE, MNIST, 128 codes of 16 as by default, {USUAL_EPOCHS} epochs: {error}",
            "at most 0.0444",
            source,
            usual,
        )
    if not rows or "both" in rows:
        both = "VQ-VAE, MNIST, 128 codes of 16, a decoder with residual blocks"
        record(
            f"{both}, {EPOCHS} epochs: {error}",
            "at most 0.0444, by the model of the next row",
            source,
            lambda: f"{each('error')}, perplexity {each('perplexity', '.1f')}",
            len(SEEDS),
        )
        record(
            f"PixelCNN on its 7 x 7 codes, {PRIOR_EPOCHS} epochs: nats of test codes",
            "at most 1.034 nats a code, by the model of the row before",
            source,
            nats,
            len(SEEDS),
        )


if __name__ == "__main__":
    main(sys.argv[1:])
