"""The reference workloads: what is trained, on what, and how much arithmetic a step takes.

Each is a pass of training over batches of 128 (sequences: 64), through the public estimators, so
that gathering the batch, Python and the optimiser count. Data are random numbers: time doesn't
depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import aecore as ae

BATCH = 128
COMMON: dict[str, Any] = {"batch_size": BATCH, "random_state": 0}
SEQUENCES = COMMON | {"batch_size": 64}


@dataclass(frozen=True)
class Workload:
    """A model to train.

    Attributes
    ----------
    name : str
    model : callable
        Makes the estimator.
    shape : tuple of int
        Of a sample.
    macs : int
        Multiply-adds of one sample's forward pass.
    first : int
        Those of its first layer, whose input needs no gradient.
    labels : int
        Number of classes of y, if the model is conditional.
    batch : int
        Samples of a step.
    """

    name: str
    model: Callable[[], Any]
    shape: tuple[int, ...]
    macs: int
    first: int
    labels: int = 0
    batch: int = BATCH

    @property
    def flops(self) -> float:
        """Floating point operations of a step, convolutions counted directly."""
        return 2.0 * self.batch * (3 * self.macs - self.first)

    def data(self, batches: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return x and y of so many batches."""
        rng = np.random.default_rng(0)
        x = rng.random((batches * self.batch, *self.shape), np.float32)
        y = np.arange(len(x)) % self.labels if self.labels else None
        return x, y


def _conv(pixels: int, inputs: int, outputs: int, kernel: int) -> int:
    return pixels * inputs * outputs * kernel * kernel


_DENSE = 2 * (784 * 512 + 512 * 256 + 256 * 32)
_CONV_FIRST = _conv(16 * 16, 3, 32, 4)
_CONV = 2 * (_CONV_FIRST + _conv(8 * 8, 32, 64, 4) + _conv(4 * 4, 64, 128, 4))
_RES = 4 * (_conv(64, 128, 32, 3) + _conv(64, 32, 128, 1))
_LSTM_FIRST, _LSTM = 140 * 256, 140 * 64 * 256  # of the input, and recurrent
_VQ_FIRST = _conv(256, 3, 64, 4)
_VQ = (
    2 * (_VQ_FIRST + _conv(64, 64, 128, 4))
    + _RES
    + _conv(64, 128, 128, 3)
    + _conv(64, 128, 64, 1)
    + _conv(64, 64, 128, 3)
    + 64 * 64 * 512 // 3  # the distances, which have no backward pass
)

_BLOCK = 64 * (4 * 64 * 64 + 2 * 64 * 256) + 2 * 64 * 64 * 64  # of 64 steps, width 64

WORKLOADS = {
    w.name: w
    for w in (
        Workload(
            "mlp-ae",
            lambda: ae.Autoencoder(ae.Dense((512, 256)), 32, loss="bce", **COMMON),
            (784,),
            _DENSE,
            784 * 512,
        ),
        Workload(
            "conv-ae",
            lambda: ae.Autoencoder(ae.Conv((32, 64, 128)), 512, **COMMON),
            (32, 32, 3),
            _CONV + 2 * 2048 * 512,
            _CONV_FIRST,
        ),
        Workload(
            "conv-vae",
            lambda: ae.VAE(ae.Conv((32, 64, 128)), 128, **COMMON),
            (32, 32, 3),
            _CONV + 3 * 2048 * 128,
            _CONV_FIRST,
        ),
        Workload(
            "vq-vae",
            lambda: ae.VQVAE(
                ae.ResNet(128, 32, 2),
                512,
                64,
                codebook="loss",
                codebook_init="normal",
                restart_dead=False,
                **COMMON,
            ),
            (32, 32, 3),
            _VQ,
            _VQ_FIRST,
        ),
        Workload(
            "cvae",
            lambda: ae.CVAE(ae.Dense((400,)), 20, loss="bce", **COMMON),
            (784,),
            794 * 400 + 400 * 40 + 30 * 400 + 400 * 784,
            794 * 400,
            labels=10,
        ),
        Workload(
            "lstm-ae",
            lambda: ae.Autoencoder(ae.LSTM(64), 64, **SEQUENCES),
            (140, 1),
            _LSTM_FIRST + 2 * _LSTM + 64 * 64 + 64 * 256 + 140 * 64,
            _LSTM_FIRST,
            batch=64,
        ),
        Workload(
            "transformer-ae",
            lambda: ae.Autoencoder(ae.Transformer(), 32, **SEQUENCES),
            (64, 16),
            2 * (64 * 16 * 64 + 2 * _BLOCK + 64 * 32),
            64 * 16 * 64,
            batch=64,
        ),
    )
}
