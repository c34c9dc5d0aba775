"""MNIST: what a VAE, an adversarial autoencoder and a GAN draw, beside test digits.

The maximum mean discrepancy of 5,000 drawn digits and 5,000 test digits, both at random; that of
5,000 training digits says how small it can be.

usage: AECORE_DATA=folder python reproductions/adversarial.py
"""

from __future__ import annotations

from typing import Any

import aecore as ae
import numpy as np
from results import record

N, EPOCHS = 5000, 30
BANDWIDTH = 10.0  # about the median distance between digits
OPTIONS: dict[str, Any] = {"loss": "bce", "epochs": EPOCHS, "init": "uniform", "random_state": 0}
images, _, test_images, _ = ae.datasets.load_mnist()
X, X_test = (np.float32(i.reshape(len(i), -1)) / 255 for i in (images, test_images))
rng = np.random.default_rng(0)
X_test, X_other = rng.permutation(X_test)[:N], rng.permutation(X)[:N]
discrepancies: dict[str, float] = {}


def discrepancy(name: str, drawn: np.ndarray) -> str:
    discrepancies[name] = ae.metrics.mmd(drawn, X_test, bandwidth=BANDWIDTH)
    least = ae.metrics.mmd(X_other, X_test, bandwidth=BANDWIDTH)
    text = f"MMD {discrepancies[name]:.5f} (training digits {least:.5f})"
    return text + (f", VAE {discrepancies['VAE']:.5f}" if name != "VAE" else "")


def drawn(model: Any) -> np.ndarray:
    return model.fit(X).sample(N, random_state=0)


def vae() -> str:
    return discrepancy("VAE", drawn(ae.VAE(ae.Dense((512, 256)), 10, **OPTIONS)))


def aae() -> str:
    model = ae.AdversarialAutoencoder(ae.Dense((512, 256)), 10, adversarial=10.0, **OPTIONS)
    return discrepancy("AAE", drawn(model))


def gan() -> str:
    options: dict[str, Any] = {"output": "sigmoid", "epochs": EPOCHS, "random_state": 0}
    schedule = ae.Cosine(EPOCHS)  # at a rate that stays, the two circle about their equilibrium
    model = ae.GAN(ae.Dense((256, 512), "elu"), 32, schedule=schedule, **options)
    return discrepancy("GAN", drawn(model))


if __name__ == "__main__":
    what = "MNIST, 784-512-256-10, 30 epochs: 5,000 samples beside test digits"
    record(f"VAE, {what}", "what the others are measured by", "Kingma & Welling 2014", vae)
    record(f"Adversarial AE, {what}", "below the VAE's", "Makhzani et al. 2016", aae)
    smaller = "MNIST, 32-256-512-784, 30 epochs: 5,000 samples beside test digits"
    record(f"GAN, {smaller}", "below the VAE's", "Goodfellow et al. 2014", gan)
