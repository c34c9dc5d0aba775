"""Train the denoisers that come with the package, and write their files.

usage: AECORE_DATA=folder python tools/denoiser.py [--crops N] [--epochs N] [-o FOLDER]

One is for pictures in colour, another for grey ones. They learn from CIFAR-10's training images,
and photographs and textures of scikit-image that are in the public domain, in random crops. The
same seed gives the same files on the same type of machine.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import aecore as ae
import numpy as np
from aecore.files import document
from aecore.pretrained import FILES
from aecore.training.network import round_to_half
from skimage import data as pictures

COLOUR = ("astronaut", "coffee", "rocket")
GREY = ("camera", "brick", "grass", "gravel", "coins", "moon")
TIMES = 10  # how often each of them counts, beside CIFAR-10's images
CHANNELS = {3: (32, 64), 1: (11, 22)}  # of the levels of the networks


def training_images(channels: int = 3) -> list[np.ndarray]:
    """Return images in colour, or grey ones."""
    small = ae.datasets.load_cifar10()[0]
    large = [getattr(pictures, name)() for name in COLOUR]
    if channels == 3:
        return [*small, *large * TIMES]
    grey = [getattr(pictures, name)()[..., np.newaxis] for name in GREY]
    return [*_grey(small), *(_grey(x) for x in large * TIMES), *grey * TIMES]


def _grey(images: np.ndarray) -> np.ndarray:
    """Return the brightness of images (..., 3) as (..., 1)."""
    return np.rint(images @ [0.299, 0.587, 0.114]).astype(np.uint8)[..., np.newaxis]


def denoiser(channels: int, crops: int, epochs: int) -> ae.Autoencoder:
    """Train a network on so many crops in each of some epochs."""
    return ae.Autoencoder(
        ae.UNet(CHANNELS[channels]),
        corruption=ae.GaussianNoise((0.02, 0.2), clip=(0, 1)),
        learning_rate=2e-3,
        schedule=ae.Cosine(epochs),
        batch_size=16,
        epochs=epochs,
        random_state=0,
        verbose=1,
    ).fit(ae.data.crops(training_images(channels), 32, crops))


def write(model: ae.Autoencoder, path: Path) -> None:
    """Write a model with its weights as bfloat16, and without what going on would take."""
    model.set_params(verbose=0)
    network = model._network
    network.moments, network.optimizer = {}, ""
    del model.history_[:-1]
    for record in model.history_:
        del record["seconds"]  # which would make another file each time
    for weight in model.parameters_.values():
        round_to_half(weight)
    config, tensors = model._describe()
    document.write(path, config, tensors, halves=tensors)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--crops", type=int, default=25_000, help="in an epoch (default: 25000)")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("-o", "--out", type=Path, default=FILES[3].parent, metavar="FOLDER")
    options = parser.parse_args()
    for channels, file in FILES.items():
        start, used = time.perf_counter(), time.process_time()
        model = denoiser(channels, options.crops, options.epochs)
        wall, used = time.perf_counter() - start, time.process_time() - used
        path = options.out / file.name
        write(model, path)
        print(f"{path}: {path.stat().st_size:,} bytes, {wall:.0f} s, {used:.0f} s of the CPUs")
