"""How well clusters find classes that nobody has named: digits, clothes, heartbeats and wines.

MNIST first, all 70,000 digits: k-means on pixels, and on the codes of the autoencoder of deep
embedded clustering, 500-500-2000-10, trained on digits as they are, and on digits that are turned
and moved a little in each epoch, both what the encoder sees and what the decoder is to give (Guo et
al. 2018); what is clustered are the digits as they are. DEC and IDEC start from these very
autoencoders, with the means of a mixture for centers, and so does VaDE, a variational autoencoder
whose prior is a mixture. Each row is the mean of five seeds, with the standard deviation of a
single one and the range. Every seed has autoencoders of its own; k-means begins 20 times, on pixels
4 times, and keeps its best end, by its own sum of squares.
Labels are for the scores alone, but for this: settings were chosen that gave good clusters with
another seed.

usage: AECORE_DATA=folder python reproductions/clustering.py [rows] [--seeds 5]

Rows are names of `ROWS`; none is all of them. In the folder $CLUSTERING_MODELS, if there is one,
autoencoders are kept, so that rows can be run one by one.
"""

from __future__ import annotations

import argparse
import functools
import os
import pathlib
from collections.abc import Callable
from typing import Any

import aecore as ae
import numpy as np
from digits import BATCH, Moved, digits, moved
from results import over_seeds, record
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

NETWORK, CODE = ae.Dense((500, 500, 2000)), 10
PRETRAINED, CLUSTERED = 45, 10  # epochs
TRAINING = {"loss": "bce", "init": "uniform", "batch_size": BATCH, "precision": "bfloat16"}


# ---- scores -------------------------------------------------------------------------------------


def scored(y: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Return the accuracy and the mutual information of clusters."""
    return ae.metrics.clustering_accuracy(y, found), ae.metrics.nmi(y, found)


def kmeans(
    points: np.ndarray, y: np.ndarray, k: int, seed: int, starts: int = 20
) -> tuple[float, float]:
    flat = points.reshape(len(points), -1)
    return scored(y, KMeans(k, n_init=starts, random_state=seed).fit_predict(flat))


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
def autoencoder(kind: str, seed: int) -> ae.Autoencoder:
    """Return an autoencoder of all digits; from a file, if there is one."""
    folder = os.environ.get("CLUSTERING_MODELS")
    path = None if folder is None else pathlib.Path(folder) / f"{kind}-{seed}.aecore"
    if path is not None and path.exists():
        return ae.load(path)
    how = {"epochs": PRETRAINED, "schedule": ae.Cosine(PRETRAINED), "random_state": seed}
    model = ae.Autoencoder(NETWORK, CODE, **TRAINING | how)
    model.fit(Moved(seed) if kind == "moved" else digits()[0])
    if path is not None:
        model.save(path)
    return model


def pixels() -> str:
    X, y = digits()
    return means(lambda seed: kmeans(X, y, 10, seed, starts=4))


def codes(kind: str) -> str:
    X, y = digits()
    return means(lambda seed: kmeans(autoencoder(kind, seed).transform(X), y, 10, seed))


def components() -> str:
    X, y = digits()

    def score(seed: int) -> tuple[float, float]:
        mixture = GaussianMixture(10, n_init=3, random_state=seed)
        return scored(y, mixture.fit_predict(autoencoder("moved", seed).transform(X)))

    return means(score)


def clustered(**params: Any) -> str:
    """Return the scores of clusters that start from a mixture on the codes of the autoencoders."""
    X, y = digits()

    def score(seed: int) -> tuple[float, float]:
        how = {"start": "mixture", "pretrain_epochs": 0, "epochs": CLUSTERED, "tol": 0}
        how["learning_rate"] = 1e-4
        model = ae.DeepClustering(10, NETWORK, CODE, random_state=seed, **TRAINING | how | params)
        return scored(y, continuing(model, seed).fit_predict(X))

    return means(score)


def mixed() -> str:
    """Return the scores of a VAE whose prior is a mixture, and of that mixture at its start.

    The mixture comes behind pretraining: an epoch of steps that are too small to change anything.
    """
    (X, y), starts = digits(), list[float]()

    def score(seed: int) -> tuple[float, float]:
        how = {"prior": ae.GaussianMixture(10), "pretrain_epochs": 1, "learning_rate": 1e-9}
        model = ae.VAE(NETWORK, CODE, epochs=0, random_state=seed, **TRAINING | how)
        continuing(model, seed).fit(X)
        starts.append(ae.metrics.clustering_accuracy(y, model.predict(X)))
        how = {"learning_rate": 1e-3, "schedule": ae.Cosine(CLUSTERED, 0.1), "epochs": CLUSTERED}
        return scored(y, model.set_params(**how).fit(Moved(seed)).predict(X))

    return f"{means(score)}; the mixture at its start {over_seeds(starts)}"


def continuing(model: Any, seed: int) -> Any:
    """Return a model with the weights of an autoencoder; those of codes' variances are fresh."""
    model.set_params(warm_start=True).initialize(digits()[0][:BATCH])
    for name, weights in autoencoder("moved", seed).parameters_.items():
        model.parameters_[name][tuple(slice(n) for n in weights.shape)] = weights
    return model


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

AE = f"AE 500-500-2000-10, {PRETRAINED} epochs"
DIGITS, MOVED = "MNIST, all digits: ", "of digits turned and shifted"
GUO = "Guo et al. 2017"
ROWS: dict[str, tuple[str, str, str, Callable[[], str]]] = {
    "pixels": (DIGITS + "k-means on pixels", "accuracy 0.53", GUO, pixels),
    "still": (
        DIGITS + f"k-means on codes of an {AE}",
        "beside the next",
        "the same run",
        functools.partial(codes, "still"),
    ),
    "codes": (
        DIGITS + f"k-means on codes of an {AE} {MOVED}",
        "accuracy at least 0.87 (DEC-keras 0.88, NMI 0.81, in 300 epochs of digits as they are)",
        "DEC-keras; Guo et al. 2018 (the digits)",
        functools.partial(codes, "moved"),
    ),
    "components": (
        DIGITS + "a mixture of normal distributions on the codes of the latter",
        "beside k-means",
        "the same run",
        components,
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
        DIGITS + f"IDEC, {CLUSTERED} epochs from there, the encoder sees {MOVED[3:]}",
        "above IDEC's (published, convolutional: 0.98)",
        "Guo et al. 2018",
        functools.partial(clustered, corruption=moved),
    ),
    "vade": (
        DIGITS + f"VaDE, {CLUSTERED} epochs from there",
        "mean accuracy at least 0.93 (published, best run: 0.9446)",
        "Jiang et al. 2017",
        mixed,
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
