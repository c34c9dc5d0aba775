"""Tutorials that everybody knows, with the data that they take; see docs/guides/tutorials.md.

What a tutorial says of itself is from its published text or output. Where the run here is smaller,
by samples or epochs, the table says so. Figures go to `tutorials.json`, of which `make readme`
makes the table in the guide.

usage: AECORE_DATA=folder python reproductions/tutorials.py [name ...]
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import aecore as ae
import numpy as np
from aecore import nn

FILE = pathlib.Path(__file__).with_suffix(".json")


class Tutorial(NamedTuple):
    """One of them: where it is from, what is run here, and what it says of itself."""

    source: str
    here: str
    reports: str
    run: Callable[[], str]


def floats(*arrays: np.ndarray) -> list[np.ndarray]:
    return [x.astype(np.float32) / 255 for x in arrays]


def mnist(n: int = 60_000) -> list[np.ndarray]:
    X, _, test, _ = ae.datasets.load_mnist()
    return floats(X[:n], test)


def fashion() -> list[np.ndarray]:
    """Return 2,500 pictures of Fashion-MNIST to be trained on, and 500 others."""
    folder = pathlib.Path(os.environ["AECORE_DATA"])
    with np.load(folder / "fashion_small/fashion_small.npz") as file:
        return floats(file["images"][..., None], file["test_images"][..., None])


def cross_entropy(found: np.ndarray, x: np.ndarray) -> float:
    """Return the binary cross-entropy a pixel, as Keras reports it."""
    p = np.clip(found, 1e-7, 1 - 1e-7)
    return float(-(x * np.log(p) + (1 - x) * np.log(1 - p)).mean())


def noisy(x: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    noise = sigma * np.random.default_rng(seed).standard_normal(x.shape)
    return np.clip(x + noise, 0, 1).astype(np.float32)


def tensorflow_basic() -> str:
    X, test = fashion()
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 64, activation="relu"))
    decoder = nn.Sequential(nn.Linear(64, 784, activation="sigmoid"), nn.Reshape((28, 28, 1)))
    options = {"init": "glorot", "batch_size": 32, "epochs": 60, "random_state": 0}
    model = ae.Autoencoder((encoder, decoder), 64, **options).fit(X)
    return f"mean squared error {-model.score(test) / 784:.4f}"


def tensorflow_denoising() -> str:
    X, test = fashion()
    options = {"batch_size": 32, "epochs": 20, "learning_rate": 2e-3, "random_state": 0}
    noise = ae.GaussianNoise(0.2, clip=(0, 1))
    arch = ae.Conv((16, 8), kernel_size=3)
    model = ae.Autoencoder(arch, 128, corruption=noise, **options).fit(X)
    x = noisy(test, 0.2, 0)
    errors = [float(np.square(found - test).mean()) for found in (x, model.reconstruct(x))]
    return f"mean squared error {errors[1]:.4f}, of the noisy pictures {errors[0]:.4f}"


def tensorflow_heartbeats() -> str:
    first, kinds, second, others = ae.datasets.load_ecg5000()
    X, normal = np.concatenate([first, second])[..., 0], np.concatenate([kinds, others]) == 1
    order = np.random.RandomState(21).permutation(len(X))
    test, train = order[:1000], order[1000:]
    low, high = X[train].min(), X[train].max()
    X = (X - low) / (high - low)
    options = {"loss": "l1", "batch_size": 512, "epochs": 20, "random_state": 0}
    model = ae.Autoencoder(ae.Dense((32, 16)), 8, learning_rate=4e-3, **options)
    losses = -model.fit(X[train][normal[train]]).score_samples(X)
    usual = losses[train][normal[train]]
    found, truth = losses[test] < usual.mean() + usual.std(), normal[test]
    accuracy, precision = (found == truth).mean(), truth[found].mean()
    recall = found[truth].mean()
    return f"accuracy {accuracy:.3f}, precision {precision:.3f}, recall {recall:.3f}"


def keras_blog(arch: Any, code: int, epochs: int, **more: Any) -> str:
    X, test = mnist()
    options = {"loss": "bce", "batch_size": 256, "epochs": epochs, "random_state": 0}
    model = ae.Autoencoder(arch, code, learning_rate=2e-3, **options, **more).fit(X)
    return f"{cross_entropy(model.reconstruct(test), test):.3f}"


def keras_denoising() -> str:
    X, test = mnist(20_000)
    encoder = nn.Sequential(
        nn.Conv2d(1, 32, 3, 1, 1, activation="relu"),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, 1, 1, activation="relu"),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )
    decoder = nn.Sequential(
        nn.Reshape((7, 7, 32)),
        nn.ConvTranspose2d(32, 32, 2, 2, activation="relu"),
        nn.ConvTranspose2d(32, 32, 2, 2, activation="relu"),
        nn.Conv2d(32, 1, 3, 1, 1),
    )
    options = {
        "loss": "bce",
        "init": "glorot",
        "epochs": 5,
        "learning_rate": 2e-3,
        "batch_size": 64,
    }
    model = ae.Autoencoder((encoder, decoder), 7 * 7 * 32, random_state=0, **options)
    model.fit(noisy(X, 0.4, 1), target=X)
    test = test[:2000]
    return f"{cross_entropy(model.reconstruct(noisy(test, 0.4, 0)), test):.4f}"


def keras_series() -> str:
    _, learned, _ = ae.datasets.load_nab("artificialNoAnomaly/art_daily_small_noise")
    stamps, series, _ = ae.datasets.load_nab("artificialWithAnomaly/art_daily_jumpsup")
    mean, scale = learned.mean(), learned.std()
    X, test = (ae.windows((x - mean) / scale, 288)[..., 0] for x in (learned, series))
    model = ae.Autoencoder(ae.Dense((32,)), 8, epochs=30, random_state=0).fit(X)
    most, errors = (np.abs(model.reconstruct(x) - x).mean(axis=1) for x in (X, test))
    steps = np.flatnonzero(ae.windows(errors > most.max(), 288).all(axis=(1, 2))) + 287
    events = ae.SeriesDetector(window=288, random_state=0).fit(learned).events(series)
    found = [("", steps[0], steps[-1])]
    found += [("SeriesDetector ", event["start"], event["end"]) for event in events]
    told = [f"{who}{str(stamps[a])[5:16]} to {str(stamps[b])[11:16]}" for who, a, b in found]
    return f"threshold {most.max():.3f}; odd: {'; '.join(told).replace('T', ' ')}"


def keras_vqvae() -> str:
    X, test = mnist(20_000)
    options = {"batch_size": 128, "epochs": 6, "learning_rate": 2e-3, "random_state": 0}
    model = ae.VQVAE(ae.Conv((32, 64), kernel_size=3), 128, 16, **options).fit(X)
    return f"{np.square(model.reconstruct(test[:2000]) - test[:2000]).mean() / X.var():.4f}"


BLOG = "Keras blog, Building Autoencoders in Keras"
TUTORIALS = {
    "tensorflow-basic": Tutorial(
        "TensorFlow, Intro to Autoencoders: basic",
        "2,500 pictures of Fashion-MNIST, 60 epochs",
        "pictures",
        tensorflow_basic,
    ),
    "tensorflow-denoising": Tutorial(
        "TensorFlow, Intro to Autoencoders: denoising",
        "2,500 pictures of Fashion-MNIST, 20 epochs",
        "pictures",
        tensorflow_denoising,
    ),
    "tensorflow-heartbeats": Tutorial(
        "TensorFlow, Intro to Autoencoders: ECG5000",
        "all of it",
        "accuracy 0.943, precision 0.992, recall 0.905",
        tensorflow_heartbeats,
    ),
    "blog-simple": Tutorial(
        f"{BLOG}: simple, cross-entropy",
        "all of it",
        "0.09",
        lambda: keras_blog(ae.Dense(()), 32, 50),
    ),
    "blog-sparse": Tutorial(
        f"{BLOG}: sparse",
        "50 of 100 epochs",
        "0.10",
        lambda: keras_blog(ae.Dense(()), 32, 50, penalty=ae.L1Sparsity(784e-4)),
    ),
    "blog-deep": Tutorial(
        f"{BLOG}: deep",
        "30 of 100 epochs",
        "0.08",
        lambda: keras_blog(ae.Dense((128, 64)), 32, 30),
    ),
    "blog-convolutional": Tutorial(
        f"{BLOG}: convolutional, code of 128",
        "10 of 50 epochs",
        "0.094",
        lambda: keras_blog(ae.Conv((16, 8)), 128, 10),
    ),
    "keras-denoising": Tutorial(
        "Keras example, convolutional autoencoder for denoising, cross-entropy",
        "20,000 digits, 10 of 100 epochs",
        "0.0839",
        keras_denoising,
    ),
    "keras-series": Tutorial(
        "Keras example, timeseries anomaly detection (the jump is on 11 April)",
        "all of it",
        "threshold 0.123; a picture of the jump",
        keras_series,
    ),
    "keras-vqvae": Tutorial(
        "Keras example, VQ-VAE, squared error by variance",
        "20,000 digits, 6 of 30 epochs",
        "0.0444 (training)",
        keras_vqvae,
    ),
}


def main() -> None:
    for name in sys.argv[1:] or TUTORIALS:
        tutorial = TUTORIALS[name]
        started = time.perf_counter()
        ours = tutorial.run()
        seconds = time.perf_counter() - started
        print(f"{name}: {ours} (reports: {tutorial.reports}; {seconds:.0f} s)", flush=True)
        rows = json.loads(FILE.read_text()) if FILE.exists() else {}
        row = {"here": tutorial.here, "ours": ours, "reports": tutorial.reports}
        rows[tutorial.source] = row | {"seconds": round(seconds)}
        FILE.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
