"""How well clusters find classes that nobody has named: digits, clothes, heartbeats and wines.

MNIST first, all 70,000 digits: k-means on pixels, on the codes of the autoencoder of deep embedded
clustering, 500-500-2000-10, and then DEC and IDEC, which start from these very autoencoders. Each
row is the mean of five seeds, with the standard deviation of a single one and the range. Every
seed has autoencoders of its own; k-means begins 20 times and keeps its best end, by its own sum of
squares. Labels are for the scores alone, but for this: of what was tried, on one seed, the
corruption and the number of epochs were kept that gave the best clusters.

usage: AECORE_DATA=folder python reproductions/clustering.py [rows] [--seeds 5]

Rows are names of `ROWS`; none is all of them. In the folder $CLUSTERING_MODELS, if there is one,
autoencoders are kept, so that rows can be run one by one.
"""

from __future__ import annotations

import argparse
import copy
import functools
import os
import pathlib
from collections.abc import Callable
from typing import Any

import aecore as ae
import numpy as np
from results import over_seeds, record
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

NETWORK, CODE, BATCH = ae.Dense((500, 500, 2000)), 10, 256
PRETRAINED, CLUSTERED = 60, 10  # epochs
# The rate is one of the mean over pixels, of which the loss is the sum.
DESCENT = {"optimizer": ae.SGD(momentum=0.9), "learning_rate": 3 / 784}
# ---- scores -------------------------------------------------------------------------------------


def scored(y: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Return the accuracy and the mutual information of clusters."""
    return ae.metrics.clustering_accuracy(y, found), ae.metrics.nmi(y, found)


def kmeans(points: np.ndarray, y: np.ndarray, k: int, seed: int) -> tuple[float, float]:
    flat = points.reshape(len(points), -1)
    return scored(y, KMeans(k, n_init=20, random_state=seed).fit_predict(flat))


def means(score: Callable[[int], tuple[float, float]]) -> str:
    """Return what the scores of several seeds come to."""
    found = list[tuple[float, float]]()
    for seed in range(OPTIONS.seeds):
        found.append(score(seed))
        print(f"    seed {seed}: accuracy {found[-1][0]:.3f}, NMI {found[-1][1]:.3f}", flush=True)
    accuracies, informations = zip(*found, strict=True)
    return f"accuracy {over_seeds(accuracies)}, NMI {over_seeds(informations)}"


# ---- MNIST --------------------------------------------------------------------------------------


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    images, labels, test_images, test_labels = ae.datasets.load_mnist()
    return np.concatenate([images, test_images]), np.concatenate([labels, test_labels])


def moved(batch: np.ndarray, rng: np.random.Generator, angle: float, shift: float) -> np.ndarray:
    """Return images turned by up to some degrees, and shifted by up to some pixels."""
    n, h, w = batch.shape[:3]
    turn = np.deg2rad(rng.uniform(-angle, angle, (n, 1))).astype(np.float32)
    down, right = rng.uniform(-shift, shift, (2, n, 1)).astype(np.float32)
    v, u = (grid.ravel().astype(np.float32) for grid in np.mgrid[:h, :w])
    v, u = v - (h - 1) / 2, u - (w - 1) / 2
    row = np.cos(turn) * v - np.sin(turn) * u + down + (h - 1) / 2
    column = np.sin(turn) * v + np.cos(turn) * u + right + (w - 1) / 2
    padded = np.zeros((n, h + 3, w + 3), np.float32)
    padded[:, 1 : h + 1, 1 : w + 1] = batch[..., 0]
    row, column = np.clip(row + 1, 0, h + 1), np.clip(column + 1, 0, w + 1)
    top, left = row.astype(np.int64), column.astype(np.int64)
    row, column = row - top, column - left
    at = (np.arange(n)[:, None] * (h + 3) + top) * (w + 3) + left
    p = padded.ravel()
    above = p[at] * (1 - column) + p[at + 1] * column
    below = p[at + w + 3] * (1 - column) + p[at + w + 4] * column
    return (above * (1 - row) + below * row).reshape(batch.shape)


@functools.cache
def pretrained(seed: int) -> ae.DeepClustering:
    """Return an autoencoder of all digits with k-means on its codes; from a file, if there is."""
    folder = os.environ.get("CLUSTERING_MODELS")
    path = None if folder is None else pathlib.Path(folder) / f"digits-{seed}.aecore"
    if path is not None and path.exists():
        return ae.load(path)
    model = ae.DeepClustering(
        10,
        NETWORK,
        CODE,
        **DESCENT,
        batch_size=BATCH,
        pretrain_epochs=PRETRAINED,
        epochs=0,
        random_state=seed,
    ).fit(digits()[0])
    if path is not None:
        model.save(path)
    return model


def pixels() -> str:
    X, y = digits()
    return means(lambda seed: kmeans(X, y, 10, seed))


def codes() -> str:
    X, y = digits()
    return means(lambda seed: scored(y, pretrained(seed).predict(X)))


def clustered(**params: Any) -> str:
    """Return the scores after training on with clusters, by Adam."""
    X, y = digits()

    def score(seed: int) -> tuple[float, float]:
        model = copy.deepcopy(pretrained(seed))
        model.set_params(epochs=CLUSTERED, warm_start=True, optimizer="adam", learning_rate=1e-3)
        model.set_params(**params)
        return scored(y, model.fit_predict(X))

    return means(score)


# ---- smaller ones -------------------------------------------------------------------------------


def beside(X: Any, flat: np.ndarray, y: np.ndarray, model: Any) -> str:
    """Return the scores of k-means on samples, and of a model."""
    k = model.n_clusters
    plain = means(lambda seed: kmeans(flat, y, k, seed))
    deep = means(lambda seed: scored(y, model.set_params(random_state=seed).fit_predict(X)))
    return f"{deep}; k-means {plain}"


def clothes() -> str:
    images, labels, *_ = ae.datasets.load_fashion_small()
    model = ae.DeepClustering(
        10,
        ae.Dense((256, 128)),
        corruption=ae.GaussianNoise(0.2),
        pretrain_epochs=30,
        epochs=20,
        batch_size=64,
    )
    return beside(images, np.float32(images) / 255, labels, model)


def beats() -> str:
    X, y, X_test, y_test = ae.datasets.load_ecg5000()
    X, odd = np.concatenate([X, X_test]), np.concatenate([y, y_test]) != 1
    model = ae.DeepClustering(
        2,
        ae.Conv((16, 32)),
        8,
        corruption=ae.GaussianNoise(0.1),
        pretrain_epochs=10,
        epochs=10,
        batch_size=64,
    )
    return beside(X, X, odd, model)


def wines() -> str:
    X, y = load_wine(return_X_y=True)
    model = ae.TabularClustering(3, ae.Dense((64,)), 5, batch_size=16, epochs=30)
    return beside(X, StandardScaler().fit_transform(X), y, model)


# ---- all of them --------------------------------------------------------------------------------

DIGITS = "MNIST, all digits: "
GUO = "Guo et al. 2017"
ROWS: dict[str, tuple[str, str, str, Callable[[], str]]] = {
    "pixels": (DIGITS + "k-means on pixels", "accuracy 0.53", GUO, pixels),
    "codes": (
        DIGITS + f"k-means on codes of an AE 500-500-2000-10, {PRETRAINED} epochs",
        "accuracy at least 0.87 (published 0.88, NMI 0.81)",
        "DEC-keras",
        codes,
    ),
    "dec": (
        DIGITS + f"DEC, {CLUSTERED} epochs from there",
        "beside IDEC (published 0.866, NMI 0.837)",
        "Xie et al. 2016; figures of " + GUO,
        functools.partial(clustered, reconstruction=False),
    ),
    "idec": (
        DIGITS + f"IDEC, {CLUSTERED} epochs from there",
        "accuracy at least 0.88 (published 0.881, NMI 0.867)",
        GUO,
        clustered,
    ),
    "moved": (
        DIGITS + f"IDEC, {CLUSTERED} epochs from there, digits turned and shifted",
        "above IDEC's (published, convolutional: 0.98)",
        "Guo et al. 2018",
        functools.partial(clustered, corruption=functools.partial(moved, angle=10.0, shift=2.8)),
    ),
    "clothes": (
        "Fashion-MNIST, 2,500 images, 10 clusters: DeepClustering",
        "above k-means on pixels",
        "the same run",
        clothes,
    ),
    "beats": (
        "ECG5000, 5,000 beats, 2 clusters: DeepClustering, convolutional; normal ones and others",
        "above k-means on samples",
        "the same run",
        beats,
    ),
    "wines": (
        "Wine, 178 rows, 3 clusters: TabularClustering, from 50 epochs of an AE",
        "beside k-means on standardised columns",
        "the same run",
        wines,
    ),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(ROWS))
    parser.add_argument("--seeds", type=int, default=5)
    OPTIONS = parser.parse_args()
    for name in OPTIONS.rows or ROWS:
        record(*ROWS[name], seeds=OPTIONS.seeds)
