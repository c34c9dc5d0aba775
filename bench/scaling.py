"""The cost of a training step against the sizes of things: it must grow as the work does.

Between successive sizes stands the exponent of time by work: 1 where both grow alike, less where
small sizes can't fill the machine, more where something grows that shouldn't.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aecore as ae
import numpy as np
from aecore._bench import timing
from aecore._bench.timing import Settings

TOO_MUCH = 1.2
Options = dict[str, Any]


@dataclass
class Point:
    """One size: its work, the multiply-adds of a forward pass, and a pass of training."""

    size: int
    work: float
    run: Callable[[], Any]


def macs(module: Any, shape: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
    """Return the multiply-adds of a sample's forward pass, and the shape of what comes out."""
    inner = getattr(module, "layers", None)
    if inner is not None:
        total = 0.0
        for layer in inner:
            count, shape = macs(layer, shape)
            total += count
        return total, shape
    if hasattr(module, "body"):
        return macs(module.body, shape)
    out = module.output_shape(shape)
    weight = getattr(module, "weight", None)
    if weight is None or len(weight.shape) < 2:
        return 0.0, out
    pixels = 1
    if len(weight.shape) == 4:
        image = shape if type(module).__name__ == "ConvTranspose2d" else out
        pixels = image[0] * image[1]
    return float(np.prod(weight.shape)) * pixels, out


def point(size: int, model: Any, x: np.ndarray) -> Point:
    """Return the point of a model that is trained over x once."""
    model.partial_fit(x)
    network = model._network
    work, code = macs(network.encoder, network.input_shape)
    work += macs(network.decoder, code)[0]
    if hasattr(network, "quantizer"):
        work += math.prod(code) * len(model.codebook_) / 3  # no backward pass
    return Point(size, work * len(x), lambda: model.partial_fit(x))


def data(n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).random((n, *shape), np.float32)


def batch(sizes: list[int]) -> Iterator[Point]:
    for n in sizes:
        arch = ae.Dense((512, 256))
        yield point(n, ae.Autoencoder(arch, 32, batch_size=n, random_state=0), data(n, 784))


def side(sizes: list[int]) -> Iterator[Point]:
    for n in sizes:
        arch = ae.Conv((32, 64, 128))
        model = ae.Autoencoder(arch, 64, batch_size=16, random_state=0)
        yield point(n, model, data(16, n, n, 3))


def channels(sizes: list[int]) -> Iterator[Point]:
    for n in sizes:
        arch = ae.Conv((n, 2 * n, 4 * n))
        model = ae.Autoencoder(arch, 64, batch_size=32, random_state=0)
        yield point(n, model, data(32, 32, 32, 3))


def codebook(sizes: list[int]) -> Iterator[Point]:
    for n in sizes:
        options: Options = {"codebook_init": "normal", "batch_size": 8, "random_state": 0}
        yield point(n, ae.VQVAE(ae.Conv((32,)), n, 64, **options), data(8, 32, 32, 3))


def samples(sizes: list[int]) -> Iterator[Point]:
    for n in sizes:
        model = ae.Autoencoder(ae.Dense((256,)), 32, batch_size=128, random_state=0)
        yield point(n, model, data(n, 784))


AXES: dict[str, tuple[str, Callable[[list[int]], Iterator[Point]], list[int]]] = {
    "batch": ("batch, a step of mlp-ae", batch, [32, 128, 512, 2048]),
    "image": ("side of an image, 16 through Conv((32, 64, 128))", side, [16, 32, 64, 128]),
    "channels": ("c of Conv((c, 2c, 4c)), 32 images", channels, [8, 16, 32, 64]),
    "codebook": ("codebook size, 2048 vectors of 64", codebook, [512, 2048, 8192]),
    "data": ("samples, an epoch in batches of 128", samples, [1024, 4096, 16384]),
}
NAMES = tuple(AXES)


def measure(name: str, settings: Settings) -> list[dict[str, Any]]:
    """Time the sizes of an axis; return their rows, and print them."""
    title, make, sizes = AXES[name]
    points = list(make(sizes[:2] if settings.quick else sizes))
    runs = {str(p.size): p.run for p in points}
    rounds = min(settings.rounds, 3)
    timings = timing.interleave(runs, rounds, settings.at_least(0.05))
    print(title)
    rows: list[dict[str, Any]] = []
    for i, p in enumerate(points):
        seconds = timings[str(p.size)].best
        row: dict[str, Any] = {"axis": name, "size": p.size, "work": p.work, "ms": seconds * 1e3}
        line = f"  {p.size:6d} {p.work / 1e9:9.3f} {row['ms']:10.2f}"
        if i:
            work, time = p.work / points[i - 1].work, row["ms"] / rows[-1]["ms"]
            row["exponent"] = math.log(time) / math.log(work)
            line += f" {work:8.2f} {time:8.2f} {row['exponent']:9.2f}"
            line += "  more than the work" if row["exponent"] > TOO_MUCH else ""
        print(line, flush=True)
        rows.append(row)
    return rows


def run(settings: Settings) -> list[dict[str, Any]]:
    """Time and print every axis; return the rows."""
    print("    size     GMACs         ms   work x   time x  exponent")
    return [row for name in filter(settings.wants, NAMES) for row in measure(name, settings)]
