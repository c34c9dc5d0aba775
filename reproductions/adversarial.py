"""MNIST: what a VAE, an adversarial autoencoder and a GAN draw, beside test digits.

The maximum mean discrepancy of 2,000 drawn digits and 2,000 test digits; that of 2,000 training
digits says how small it can be.

usage: AECORE_DATA=folder python reproductions/adversarial.py
"""

from __future__ import annotations

from typing import Any

import aecore as ae
import numpy as np
from results import record

N, EPOCHS = 2000, 30
BANDWIDTH = 10.0  # about the median distance between digits
images, _, test_images, _ = ae.datasets.load_mnist()
X, X_test = (np.float32(i.reshape(len(i), -1)) / 255 for i in (images, test_images))
discrepancies: dict[str, float] = {}


def discrepancy(name: str, drawn: np.ndarray) -> str:
    discrepancies[name] = ae.metrics.mmd(drawn, X_test[:N], bandwidth=BANDWIDTH)
    least = ae.metrics.mmd(X[:N], X_test[:N], bandwidth=BANDWIDTH)
    text = f"MMD {discrepancies[name]:.4f} (training digits {least:.4f})"
    return text + (f", VAE {discrepancies['VAE']:.4f}" if name != "VAE" else "")


def drawn(model: Any) -> np.ndarray:
    return model.fit(X).sample(N, random_state=0)


def vae() -> str:
    options: dict[str, Any] = {"loss": "bce", "epochs": EPOCHS, "random_state": 0}
    return discrepancy("VAE", drawn(ae.VAE(ae.Dense((512, 256)), 10, **options)))


def aae() -> str:
    options: dict[str, Any] = {"loss": "bce", "epochs": EPOCHS, "random_state": 0}
    model = ae.AdversarialAutoencoder(ae.Dense((512, 256)), 10, adversarial=10.0, **options)
    return discrepancy("AAE", drawn(model))


def gan() -> str:
    model = ae.GAN(ae.Dense((256, 512), "elu"), 32, output="sigmoid", epochs=EPOCHS, random_state=0)
    return discrepancy("GAN", drawn(model))


if __name__ == "__main__":
    what = "MNIST, 784-512-256-10, 30 epochs: 2,000 samples beside test digits"
    record(f"VAE, {what}", "what the others are measured by", "Kingma & Welling 2014", vae)
    record(f"Adversarial AE, {what}", "below the VAE's", "Makhzani et al. 2016", aae)
    smaller = "MNIST, 32-256-512-784, 30 epochs: 2,000 samples beside test digits"
    record(f"GAN, {smaller}", "below the VAE's", "Goodfellow et al. 2014", gan)
