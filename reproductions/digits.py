"""All 70,000 digits of MNIST, and the same turned and moved: for the reproductions of clusters."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import aecore as ae
import numpy as np

BATCH = 256
TURNED, SHIFTED = 10.0, 2.8  # at most, in degrees and pixels


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return images of float32, (70000, 784) from 0 to 1, and labels."""
    images, labels, test_images, test_labels = ae.datasets.load_mnist()
    X = np.concatenate([images, test_images]).reshape(70_000, -1)
    return np.float32(X) / 255, np.concatenate([labels, test_labels])


class Moved:
    """All digits in a new order in each epoch, each turned and shifted a little."""

    def __init__(self, seed: int) -> None:
        self.seed, self.epoch = seed, 0

    def __iter__(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        X, _ = digits()
        order = rng.permutation(len(X))
        for start in range(0, len(X), BATCH):
            yield moved(X[order[start : start + BATCH]], rng)


def moved(batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images (n, 784) turned about their middles and shifted, with 0 beyond their edges."""
    n, side = len(batch), 28
    angle = np.deg2rad(rng.uniform(-TURNED, TURNED, (n, 1))).astype(np.float32)
    down, right = rng.uniform(-SHIFTED, SHIFTED, (2, n, 1)).astype(np.float32)
    v, u = (g.ravel().astype(np.float32) - (side - 1) / 2 for g in np.mgrid[:side, :side])
    rows = np.cos(angle) * v - np.sin(angle) * u + down + (side + 1) / 2
    columns = np.sin(angle) * v + np.cos(angle) * u + right + (side + 1) / 2
    room = np.zeros((n, side + 3, side + 3), np.float32)
    room[:, 1 : side + 1, 1 : side + 1] = batch.reshape(n, side, side)
    rows, columns = np.clip(rows, 0, side + 1), np.clip(columns, 0, side + 1)
    i, j = rows.astype(np.int64), columns.astype(np.int64)
    rows, columns = rows - i, columns - j
    at = (np.arange(n)[:, None] * (side + 3) + i) * (side + 3) + j
    p, below = room.ravel(), at + side + 3
    upper = p[at] * (1 - columns) + p[at + 1] * columns
    lower = p[below] * (1 - columns) + p[below + 1] * columns
    return np.clip(upper * (1 - rows) + lower * rows, 0, 1)
