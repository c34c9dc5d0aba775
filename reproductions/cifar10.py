"""CIFAR-10: a convolutional AE, VAE and VQ-VAE beside PyTorch, three epochs from equal weights.

Rounding alone takes two such runs apart, and at a constant rate the error after any one step is 5 %
or more off its mean. The learning rate of both falls to 0 along a cosine, which lets them settle.

usage: AECORE_DATA=folder python reproductions/cifar10.py     needs torch
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable
from typing import Any

import aecore as ae
import numpy as np
import torch
from aecore.base.streams import SHUFFLE
from aecore.data.batches import shuffled
from results import record

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
from support.torch_curves import Twin  # noqa: E402

EPOCHS, BATCH = 3, 128
X, _, X_test, _ = ae.datasets.load_cifar10()
scaled_test = np.float32(X_test) / 255
COMMON: dict[str, Any] = {
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "random_state": 0,
    "schedule": ae.Cosine(EPOCHS),
}


def train_twin(make: Callable[[], Any]) -> Twin:
    """Train in PyTorch on the same batches, with the same noise."""
    model = make()
    twin = Twin(model.initialize(X))
    for epoch in range(EPOCHS):
        order = shuffled(np.arange(len(X)), twin.network.seed, SHUFFLE, twin.network.samples)
        starts = range(0, len(X), BATCH)
        for i, start in enumerate(starts):
            for group in twin.optimizer.param_groups:
                group["lr"] = model.learning_rate * model.schedule(epoch + i / len(starts))
            twin.step(np.float32(X[order[start : start + BATCH]]) / 255, None)
    return twin


def test_error(reconstruct: Callable[[np.ndarray], np.ndarray]) -> float:
    parts = np.array_split(scaled_test, 40)
    return float(np.mean([((reconstruct(part) - part) ** 2).mean() for part in parts]))


def perplexity(indices: np.ndarray, size: int) -> float:
    return ae.metrics.perplexity(indices.reshape(-1), size)


def twin_codes(twin: Twin) -> np.ndarray:
    parts = np.array_split(scaled_test, 40)
    with torch.no_grad():
        found = [twin.nearest(twin._apply("encoder", torch.from_numpy(p), None)) for p in parts]
    return torch.cat(found).numpy()


def compare(make: Callable[[], Any], quantized: bool = False) -> str:
    model = make().fit(X)
    twin = train_twin(make)
    ours, theirs = test_error(model.reconstruct), test_error(twin.reconstruct)
    text = f"MSE {ours:.5f}, PyTorch {theirs:.5f} ({ours / theirs - 1:+.1%})"
    if quantized:
        size = model.codebook_size
        mine = perplexity(model.transform(X_test), size)
        text += f"; perplexity {mine:.0f}, PyTorch {perplexity(twin_codes(twin), size):.0f}"
    return text


def vqvae() -> Any:
    return ae.VQVAE(ae.ResNet(128, 32, 2), 512, 64, **COMMON)


if __name__ == "__main__":
    ae_wanted = "at most 2 % above PyTorch's"
    record(
        "Conv AE, CIFAR-10, code 512, 3 epochs: test MSE",
        ae_wanted,
        "twin in the same run",
        lambda: compare(lambda: ae.Autoencoder(ae.Conv((32, 64, 128)), 512, **COMMON)),
    )
    record(
        "Conv VAE, CIFAR-10, code 128, 3 epochs: test MSE at the posterior mean",
        ae_wanted,
        "twin in the same run",
        lambda: compare(lambda: ae.VAE(ae.Conv((32, 64, 128)), 128, **COMMON)),
    )
    record(
        "VQ-VAE, CIFAR-10, 512 codes of 64, EMA, 3 epochs: test MSE and perplexity",
        ae_wanted + ", perplexity at least its",
        "twin in the same run",
        lambda: compare(vqvae, quantized=True),
    )
