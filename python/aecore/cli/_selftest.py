"""The self-test of ``aecore doctor``: seconds that show whether the core computes rightly here."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import Autoencoder, Dense, functional, get_num_threads, set_num_threads
from ..files.load import load
from ._command import CommandError

# Sizes around the widths of vectors and tiles.
SHAPES = ((1, 1, 1), (7, 17, 33), (64, 65, 31), (130, 257, 129))
TOLERANCE = 1e-5  # of sums in float32, beside float64
LOSS = 11.23672  # of `fitted`, with the kernels of any instruction set
SIZE = 768  # of the matrices that are timed


class Failure(CommandError):
    """The core has computed something wrong; the message says what."""


def kernels() -> str:
    """Compare products, convolutions and losses with NumPy's in float64."""
    rng = np.random.default_rng(0)
    checked = 0
    for n, i, o in SHAPES:
        x, w, b = _normal(rng, n, i), _normal(rng, o, i), _normal(rng, o)
        _compare(f"linear {n} x {i} x {o}", functional.linear(x, w, b), _f64(x) @ _f64(w).T + b)
        soft = functional.linear(x, w, b, activation="tanh")
        _compare(f"tanh of {n} x {o}", soft, np.tanh(_f64(x) @ _f64(w).T + b))
        images, kernel = _normal(rng, 2, 9, 8, i % 40), _normal(rng, o % 40, 3, 3, i % 40)
        found = functional.conv2d(images, kernel, padding=1)
        _compare(f"conv2d of {i % 40} channels", found, _conv(images, kernel))
        checked += 3
    return f"{checked} results agree with NumPy"


def _normal(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.standard_normal(shape, np.float32)


def _f64(x: NDArray[Any]) -> NDArray[np.float64]:
    return x.astype(np.float64)


def _conv(x: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float64]:
    """Return the convolution of images (N, H, W, C) with kernels (O, 3, 3, C), padded by 1."""
    h, w = x.shape[1:3]
    padded = np.pad(_f64(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifts = ((i, j) for i in range(3) for j in range(3))
    return np.asarray(
        sum(padded[:, i : i + h, j : j + w] @ _f64(weight[:, i, j]).T for i, j in shifts)
    )


def _compare(what: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    error = float(np.abs(found - expected).max() / (1 + np.abs(expected).max()))
    if not error <= TOLERANCE:
        raise Failure(f"{what}: off by {error:.2g} of the largest value")


def training() -> str:
    """Fit a model with one and two threads: the same bits, and the loss that is known."""
    one, two = fitted(1), fitted(2)
    for name, values in one.parameters_.items():
        if not np.array_equal(values, two.parameters_[name]):
            raise Failure(f"{name}: other bits with two threads than with one")
    loss = one.history_[-1]["loss"]
    if not abs(loss - LOSS) <= 1e-4 * LOSS:
        raise Failure(f"the loss is {loss:.6f}, where {LOSS:.6f} was expected")
    return f"the same bits with 1 and 2 threads, loss {loss:.4f} as expected"


def fitted(threads: int) -> Any:
    """Return a small model after three epochs."""
    t = np.arange(4096, dtype=np.float64).reshape(128, 32)
    X = (0.5 + 0.5 * np.sin(t * t[:, :1] / 4096)).astype(np.float32)
    return Autoencoder(
        Dense((64, 32)), 4, epochs=3, batch_size=32, random_state=0, n_threads=threads
    ).fit(X)


def files() -> str:
    """Save a model and load it again: the same bits."""
    model = fitted(1)
    X = np.linspace(0, 1, 64, dtype=np.float32).reshape(2, 32)
    with tempfile.TemporaryDirectory(prefix="aecore-doctor-") as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        size = os.path.getsize(path)
        if not np.array_equal(load(path).reconstruct(X), model.reconstruct(X)):
            raise Failure("a model that was loaded gives other bits than the one that was saved")
    return f"saved and loaded, {size / 1000:.0f} kB in {tempfile.gettempdir()}"


def speed() -> str:
    """Time a product of matrices with one thread, and with as many as there are."""
    rng = np.random.default_rng(0)
    x, w = _normal(rng, SIZE, SIZE), _normal(rng, SIZE, SIZE)
    out = np.empty((SIZE, SIZE), np.float32)
    many, found = get_num_threads(), {}
    try:
        for threads in sorted({1, many}):
            set_num_threads(threads)
            found[threads] = _gflops(lambda: functional.linear(x, w, out=out))
    finally:
        set_num_threads(many)
    texts = [f"{rate:.0f} with {n} thread{'s' * (n != 1)}" for n, rate in found.items()]
    return f"GFLOP/s of a product of {SIZE} x {SIZE} matrices: {', '.join(texts)}"


def _gflops(product: Callable[[], object]) -> float:
    """Return the best of the billions of operations a second within a quarter of a second."""
    best, end = float("inf"), time.perf_counter() + 0.25
    while time.perf_counter() < end:
        started = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - started)
    return 2e-9 * SIZE**3 / max(best, 1e-9)


TESTS: dict[str, Callable[[], str]] = {
    "kernels": kernels,
    "training": training,
    "files": files,
    "speed": speed,
}
