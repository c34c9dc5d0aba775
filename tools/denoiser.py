"""Train the denoiser that comes with the package, and write its file.

usage: AECORE_DATA=folder python tools/denoiser.py [--crops N] [--epochs N] [-o FILE]

What it learns from: CIFAR-10's training images, a fifth of them in grey, and photographs and
textures of scikit-image that are in the public domain, in random crops. The same seed gives the
same file on the same type of machine.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import aecore as ae
import numpy as np
from aecore.files import document
from aecore.pretrained import DENOISER
from aecore.training.network import round_to_half
from skimage import data as pictures

COLOUR = ("astronaut", "coffee", "rocket")
GREY = ("camera", "brick", "grass", "gravel", "coins", "moon")
TIMES = 10  # how often each of them counts, beside CIFAR-10's images
NOISE = {"sigma": (0.02, 0.2), "clip": (0, 1)}


class PhotoNoise(ae.GaussianNoise):
    """Noise of any strength, the same in all channels of images that are grey."""

    def finish(self, x: np.ndarray, clean: np.ndarray, seed: int, position: int) -> None:
        super().finish(x, clean, seed, position)
        first, second, third = np.moveaxis(clean.reshape(len(x), -1, 3), 2, 0)
        grey = (first == second).all(1) & (second == third).all(1)
        noisy = x.reshape(len(x), -1, 3)
        noisy[grey] = noisy[grey][..., :1]


def in_grey(images: np.ndarray) -> np.ndarray:
    """Return images (..., 3) with their brightness in all channels."""
    return np.repeat(np.rint(images @ [0.299, 0.587, 0.114]).astype(np.uint8)[..., None], 3, -1)


def training_images(grey: bool = True) -> list[np.ndarray]:
    """Return images in colour, and others in grey if they are wanted."""
    small = ae.datasets.load_cifar10()[0]
    few = len(small) // 5 if grey else 0
    large = [getattr(pictures, name)() for name in COLOUR]
    if grey:
        large += [np.repeat(getattr(pictures, name)()[..., None], 3, -1) for name in GREY]
    return [*in_grey(small[:few]), *small[few:], *large * TIMES]


def denoiser(crops: int, epochs: int, verbose: int = 1) -> ae.Autoencoder:
    """Train a network on so many crops in each of some epochs."""
    return ae.Autoencoder(
        ae.UNet((32, 64)),
        corruption=PhotoNoise(**NOISE),
        learning_rate=2e-3,
        schedule=ae.Cosine(epochs),
        batch_size=16,
        epochs=epochs,
        random_state=0,
        verbose=verbose,
    ).fit(ae.data.crops(training_images(), 32, crops))


def write(model: ae.Autoencoder, path: Path) -> None:
    """Write a model with its weights as bfloat16, and without what going on would take."""
    model.set_params(corruption=ae.GaussianNoise(**NOISE), verbose=0)
    network = model._network
    network.moments, network.optimizer = {}, ""
    for record in model.history_:
        del record["seconds"]  # which would make another file each time
    for weight in model.parameters_.values():
        round_to_half(weight)
    config, tensors = model._describe()
    document.write(path, config, tensors, halves=tensors)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--crops", type=int, default=25_000, help="in an epoch (default: 25000)")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("-o", "--out", type=Path, default=DENOISER)
    options = parser.parse_args()
    start = time.perf_counter()
    model = denoiser(options.crops, options.epochs)
    print(f"trained in {time.perf_counter() - start:.0f} s")
    write(model, options.out)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")
