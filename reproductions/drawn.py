"""CIFAR-10: pictures drawn by class, from 8 x 8 codes of a VQ-VAE and a PixelCNN over them.

A quarter of an hour on one core shows what such a pair learns first: the light, the colours and
the large shapes of a class, not yet its things. The picture of test images, what is left of them,
and what was drawn is for the eye; the figure is what codes of other images cost.

usage: AECORE_DATA=folder python reproductions/drawn.py [file.png]
"""

from __future__ import annotations

import math
import pathlib
import sys

import aecore as ae
import matplotlib as mpl
import numpy as np
from results import record

mpl.use("agg")
SAMPLES, CODES = 20_000, 1024
EPOCHS, PRIOR_EPOCHS = 6, 8
CLASSES = {1: "cars", 4: "deer", 7: "horses", 8: "ships"}
EACH = 10  # pictures of a row
HOW = {"batch_size": 64, "learning_rate": 1e-3, "precision": "bfloat16"}


def draw(path: str) -> str:
    """Train, draw the pictures and return the figure."""
    images, labels, test_images, test_labels = ae.datasets.load_cifar10()
    prior = ae.PixelCNN(
        64, 6, 3, schedule=ae.Cosine(PRIOR_EPOCHS), epochs=PRIOR_EPOCHS, verbose=2, **HOW
    )
    model = ae.VQVAE(
        ae.ResNet(64, 32, 2),
        CODES,
        32,
        epochs=EPOCHS,
        prior=prior,
        random_state=0,
        verbose=2,
        **HOW,
    )
    model.fit(images[:SAMPLES], labels[:SAMPLES])
    shown = test_images[:EACH] / np.float32(255)
    wanted = np.repeat(list(CLASSES), EACH)
    drawn = model.sample(len(wanted), y=wanted, random_state=0)
    rows = np.concatenate([shown, model.reconstruct(test_images[:EACH]), drawn])
    names = ["test", "rebuilt", *CLASSES.values()]
    save(rows.reshape(-1, EACH, *rows.shape[1:]), names, path)
    codes = model.transform(test_images)
    nats = -model.prior_.score(codes, test_labels) / codes[0].size
    return f"{nats:.3f} nats a code, {math.log(CODES):.3f} where all are as likely"


def save(rows: np.ndarray, names: list[str], path: str) -> None:
    """Save a picture with a row of images for each name."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(rows), 1, figsize=(8, 5.2), layout="constrained")
    for axis, row, name in zip(axes, rows, names, strict=True):
        axis.imshow(np.concatenate(list(row), axis=1).clip(0, 1))
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
        axis.set(xticks=[], yticks=[])
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"    {path}")


if __name__ == "__main__":
    file = sys.argv[1] if sys.argv[1:] else "build/drawn.png"
    record(
        f"PixelCNN by class on the 8 x 8 codes of a VQ-VAE, CIFAR-10, {PRIOR_EPOCHS} epochs of "
        f"{SAMPLES:,}: nats of test codes",
        "what the pictures that it draws are beside",
        "van den Oord et al. 2017 (the models)",
        lambda: draw(file),
    )
