"""CIFAR-10: the VQ-VAE of Sonnet's example, 10,000 steps of 32, beside PyTorch from equal weights.

Sonnet's loss has the mean of squared errors over their variance and 0.25 times the mean of the
commitment; ours are sums over a sample: its commitment is 0.25 * 3072 * variance / 4096 of ours.

usage: AECORE_DATA=folder python reproductions/sonnet.py     needs torch
"""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import aecore as ae
import numpy as np
import torch
from aecore.base.streams import SHUFFLE
from aecore.data.batches import shuffled
from results import record

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
from support.torch_curves import Twin  # noqa: E402

STEPS, BATCH = 10_000, 32
images, _, test_images, _ = ae.datasets.load_cifar10()
X = np.float32(images) / 255 - np.float32(0.5)
X_test = np.float32(test_images) / 255 - np.float32(0.5)
VARIANCE = float(X.var(dtype=np.float64))


def made(restart: bool) -> Any:
    return ae.VQVAE(
        ae.ResNet(128, 32, 2),
        512,
        64,
        commitment=0.25 * 3072 * VARIANCE / 4096,
        codebook_init="normal",
        restart_dead=restart,
        learning_rate=3e-4,
        batch_size=BATCH,
        epochs=STEPS * BATCH // len(X),
        random_state=0,
    )


def ours() -> Any:
    model = made(True).fit(X)
    left = STEPS - model._network.steps
    return model.partial_fit(X[: left * BATCH])


def twins() -> Twin:
    model = made(False)
    twin = Twin(model.initialize(X))
    for group in twin.optimizer.param_groups:
        group["lr"] = model.learning_rate
    step = 0
    while step < STEPS:
        order = shuffled(np.arange(len(X)), twin.network.seed, SHUFFLE, twin.network.samples)
        for start in range(0, len(X), BATCH):
            twin.step(X[order[start : start + BATCH]], None)
            step += 1
            if step == STEPS:
                break
    return twin


def error(reconstruct: Any) -> float:
    parts = np.array_split(X_test, 40)
    squared = np.mean([((reconstruct(part) - part) ** 2).mean() for part in parts])
    return float(squared / VARIANCE)


def compare() -> str:
    model = ours()
    used = ae.metrics.perplexity(model.transform(X_test).reshape(-1), 512)
    mine = error(model.reconstruct)
    twin = twins()
    with torch.no_grad():
        theirs = error(twin.reconstruct)
    return f"{mine:.4f}, PyTorch {theirs:.4f}; perplexity {used:.0f}"


if __name__ == "__main__":
    record(
        "VQ-VAE, CIFAR-10, 512 codes of 64, EMA, 10,000 steps of 32: test MSE / variance",
        "0.056 (training batches; perplexity 327)",
        "Sonnet, vqvae example; PyTorch twin in the same run",
        compare,
    )
