"""Loss curves: small models on digits, a step at a time, that PyTorch trains beside us.

`aecore_curve` gives ours. `torch_curves.py` has PyTorch's from the same weights, batches and noise;
`python tests/support/torch_curves.py` freezes the beginning of each in golden.json.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aecore as ae
import numpy as np

BATCH = 64


@dataclass(frozen=True)
class Curve:
    """A model to train, and on which shape of samples.

    Attributes
    ----------
    name : str
    make : callable
        Returns the estimator, given the common options.
    shape : tuple of int
        Of a sample, which has 64 values.
    conditional : bool
        y is the digit.
    ragged : bool
        Samples are sequences of different lengths: the upper lines of digits.
    rtol : float
        How far PyTorch's losses may be from ours on every step.
    """

    name: str
    make: Callable[..., Any]
    shape: tuple[int, ...] = (64,)
    conditional: bool = False
    ragged: bool = False
    rtol: float = 1e-4

    def model(self) -> Any:
        # golden.json starts from these first weights
        return self.make(batch_size=BATCH, random_state=3, learning_rate=1e-3, init="uniform")


CURVES = [
    Curve("ae-dense", lambda **o: ae.Autoencoder(ae.Dense((48, 24)), 8, loss="bce", **o)),
    Curve("ae-tied", lambda **o: ae.Autoencoder(ae.Dense((32,)), 8, tied=True, **o)),
    Curve("ae-conv", lambda **o: ae.Autoencoder(ae.Conv((8, 16)), 8, **o), shape=(8, 8, 1)),
    Curve(
        "ae-adamw",
        lambda **o: ae.Autoencoder(
            ae.Dense((32,), "tanh"), 8, optimizer="adamw", weight_decay=0.1, clip_norm=1.0, **o
        ),
    ),
    Curve("vae-dense", lambda **o: ae.VAE(ae.Dense((48,)), 4, loss="bce", **o)),
    Curve(
        "vae-conv", lambda **o: ae.VAE(ae.Conv((8, 16), activation="elu"), 4, **o), shape=(8, 8, 1)
    ),
    Curve("ae-lstm", lambda **o: ae.Autoencoder(ae.LSTM(24), 8, **o), shape=(64, 1)),
    Curve("vae-lstm", lambda **o: ae.VAE(ae.LSTM(12, 2, True), 4, **o), shape=(8, 8)),
    Curve("cvae", lambda **o: ae.CVAE(ae.Dense((48,)), 4, loss="bce", **o), conditional=True),
    Curve("ae-transformer", lambda **o: ae.Autoencoder(ae.Transformer(), 32, **o), shape=(8, 8)),
    Curve(
        "ae-lstm-lengths",
        lambda **o: ae.Autoencoder(ae.LSTM(24, reverse=True), 8, **o),
        shape=(8, 8),
        ragged=True,
    ),
    Curve(
        "vae-lstm-lengths",
        lambda **o: ae.VAE(ae.LSTM(12, 2, True), 4, loss="bce", **o),
        shape=(8, 8),
        ragged=True,
    ),
    Curve(
        "ae-transformer-lengths",
        lambda **o: ae.Autoencoder(ae.Transformer(32, 4, 2, 64), 8, **o),
        shape=(8, 8),
        ragged=True,
    ),
    Curve(
        "vq-loss",
        lambda **o: ae.VQVAE(
            ae.ResNet(16, 8, 1), 16, 8, codebook="loss", codebook_init="normal", **_still(o)
        ),
        shape=(8, 8, 1),
        rtol=1e-3,
    ),
    Curve(
        "vq-ema",
        lambda **o: ae.VQVAE(ae.ResNet(16, 8, 2), 16, 8, codebook_init="normal", **_still(o)),
        shape=(8, 8, 1),
        rtol=1e-3,
    ),
]


def _still(options: dict[str, Any]) -> dict[str, Any]:
    """Without restarts: which row revives an entry isn't PyTorch's to know."""
    return options | {"restart_dead": False}


def _digits(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples that a curve is about, and their labels."""
    images, labels, *_ = ae.datasets.load_digits()
    return (images.astype(np.float32) / 255).reshape(-1, *curve.shape), labels


def _cut(x: np.ndarray) -> list[np.ndarray]:
    """Return sequences of 3 lines and more, one of which is whole."""
    return [sample[: 3 + 5 * i % 6] for i, sample in enumerate(x)]


def batches(curve: Curve, steps: int) -> list[tuple[Any, np.ndarray | None]]:
    """Return the batches of the first steps: digits, the same for everybody."""
    x, labels = _digits(curve)
    found = []
    for step in range(steps):
        rows = (np.arange(BATCH) + step * BATCH) % len(x)
        samples = _cut(x[rows]) if curve.ragged else x[rows]
        found.append((samples, labels[rows] if curve.conditional else None))
    return found


def prepared(curve: Curve) -> Any:
    """Return the model with its fresh weights, all classes known."""
    model = curve.model()
    x, labels = _digits(curve)
    return model.initialize(x, labels) if curve.conditional else model.initialize(x)


def aecore_curve(curve: Curve, steps: int) -> list[float]:
    """Return the loss of every step."""
    model = prepared(curve)
    for x, y in batches(curve, steps):
        model.partial_fit(x) if y is None else model.partial_fit(x, y)
    return [record["loss"] for record in model.history_]
