"""Outliers in tables: AnomalyDetector's defaults beside scikit-learn's IsolationForest and others.

Eleven tables whose outliers are known but not told: every detector is fitted to all rows, outliers
included, and scores these same rows. Tables with classes give one task for each class, which is
then rare. Random detectors run with three seeds, on the same rows. Settings of AnomalyDetector were
chosen on these tables, with other seeds for its networks.

Then two of mixed types: claims of vehicle insurances, fitted to all of them, and KDD Cup 99,
fitted to 50,000 of its normal connections, because most connections are attacks. The others are
given levels as columns of 0 and 1. There AnomalyDetector is shown over a TabularAutoencoder too.

Last, the eleven tables once more with labels of 5 % of the outliers and of the others, at least one
each: five seeds of labels and networks, and areas over the rows without labels, with and without.

usage: AECORE_DATA=folder python reproductions/detection.py [part of a name ...]
(`frauds`, `attacks` and `labels` are the last three)
needs scikit-learn and pandas
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import aecore as ae
import numpy as np
import pandas as pd
from results import record
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SEEDS = range(3)
NORMAL_ROWS = 50_000  # of KDD Cup 99, to train on
LOF_ROWS = 5_000  # of those that LocalOutlierFactor is fitted to before it is asked about others

KNOWN = 0.05  # of the labels
LABEL_SEEDS = range(5)

SOURCE = "the same run"
OVER_COLUMNS = "over TabularAutoencoder"  # an AnomalyDetector by its loss

Task = tuple[np.ndarray, np.ndarray]  # rows, and which are outliers


# ---- tables -------------------------------------------------------------------------------------


def mixed(X: np.ndarray, outlier: np.ndarray, share: float, rows: int | None = None) -> Task:
    """Return normal rows, all or some, with outliers among them, so many for each normal one."""
    rng = np.random.default_rng(0)
    normal = rng.permutation(np.flatnonzero(~outlier))[:rows]
    odd = rng.permutation(np.flatnonzero(outlier))[: max(5, round(share * len(normal)))]
    order = rng.permutation(np.concatenate([normal, odd]))
    return np.asarray(X[order], np.float64), outlier[order]


def each_class(X: np.ndarray, y: np.ndarray, share: float) -> list[Task]:
    return [mixed(X, y == label, share) for label in np.unique(y)]


def adult() -> list[Task]:
    X, y, _, _ = ae.datasets.load_adult()
    numeric = [name for name in X.dtype.names if X.dtype[name].kind == "f"]
    return [mixed(np.stack([X[name] for name in numeric], 1), y == 1, 0.08, 5000)]


def ecg() -> list[Task]:
    X, y, X_test, y_test = ae.datasets.load_ecg5000()
    beats, labels = np.concatenate([X, X_test])[..., 0], np.concatenate([y, y_test])
    return [mixed(beats, labels != 1, 0.086)]


def mnist() -> list[Task]:
    X, y, _, _ = ae.datasets.load_mnist()
    X, y = X[:20000].reshape(20000, -1), y[:20000]
    return [mixed(X, y != digit, 0.05, 1500) for digit in (0, 1, 4, 8)]


def kdd() -> tuple[pd.DataFrame, np.ndarray]:
    """Return KDD Cup 99's connections and which are attacks."""
    X, y, X_test, y_test = ae.datasets.load_kddcup99()
    return pd.DataFrame(np.concatenate([X, X_test])), np.concatenate([y, y_test]) != 0


def service(name: str, share: float, rows: int | None) -> list[Task]:
    """Connections to one service as three numbers, as they are often used."""
    X, attack = kdd()
    chosen = (X["service"] == name).to_numpy()
    columns = X.loc[chosen, ["duration", "src_bytes", "dst_bytes"]].to_numpy(np.float64)
    return [mixed(np.log(columns + 0.1), attack[chosen], share, rows)]


def kdd_numbers() -> list[Task]:
    X, attack = kdd()
    return [mixed(X.select_dtypes("number").to_numpy(np.float64), attack, 0.053, 9500)]


def claims() -> tuple[pd.DataFrame, np.ndarray]:
    """Return insurance claims and which are frauds."""
    X, y, X_test, y_test = ae.datasets.load_vehicle_claims()
    return pd.DataFrame(np.concatenate([X, X_test])), np.concatenate([y, y_test]) == 1


def claims_as_numbers() -> list[Task]:
    X, fraud = claims()
    X["Age"] = X["Age"].fillna(X["Age"].median())
    return [mixed(pd.get_dummies(X).to_numpy(np.float64), fraud, 0.18, 5000)]


TABLES: dict[str, Callable[[], list[Task]]] = {
    "breast cancer: malignant": lambda: [
        mixed(X, y == 0, 0.11) for X, y in [datasets.load_breast_cancer(return_X_y=True)]
    ],
    "wine: each class": lambda: each_class(*datasets.load_wine(return_X_y=True), 0.1),
    "iris: each class": lambda: each_class(*datasets.load_iris(return_X_y=True), 0.1),
    "digits: each digit": lambda: each_class(*datasets.load_digits(return_X_y=True), 0.05),
    "MNIST: 0, 1, 4, 8 and others": mnist,
    "Adult, numbers: high incomes": adult,
    "ECG5000: abnormal beats": ecg,
    "KDD Cup 99, http": lambda: service("http", 0.02, 10000),
    "KDD Cup 99, smtp": lambda: service("smtp", 0.005, None),
    "KDD Cup 99, numbers": kdd_numbers,
    "vehicle claims, as 0 and 1": claims_as_numbers,
}


# ---- detectors ----------------------------------------------------------------------------------


class Residual:
    """The squared distance from the principal components with 90 % of the variance."""

    def fit(self, X: np.ndarray) -> Residual:
        self.scaler = StandardScaler().fit(X)
        self.pca = PCA(0.9).fit(self.scaler.transform(X))
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        Z = self.scaler.transform(X)
        return -((Z - self.pca.inverse_transform(self.pca.transform(Z))) ** 2).sum(1)


class Density:
    """LocalOutlierFactor on standardised columns."""

    def __init__(self, novelty: bool) -> None:
        self.novelty = novelty

    def fit(self, X: np.ndarray) -> Density:
        self.scaler = StandardScaler().fit(X)
        self.lof = LocalOutlierFactor(novelty=self.novelty)
        step = max(1, len(X) // LOF_ROWS) if self.novelty else 1
        self.lof.fit(self.scaler.transform(X[::step]))
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        if self.novelty:
            return self.lof.score_samples(self.scaler.transform(X))
        return self.lof.negative_outlier_factor_


def others(seed: int, novelty: bool = False) -> dict[str, Any]:
    """Return what there is beside ours; those without chance for the first seed alone."""
    forest = {"IsolationForest": IsolationForest(n_estimators=100, random_state=seed)}
    return forest if seed else forest | {"LOF": Density(novelty), "PCA": Residual()}


def areas(tasks: list[Task]) -> dict[str, float]:
    """Return each detector's mean AUROC over tasks and seeds."""
    found: dict[str, list[float]] = {}
    for X, outlier in tasks:
        for seed in SEEDS:
            ours = {"AnomalyDetector": ae.AnomalyDetector(random_state=100 + seed)}
            for name, detector in (ours | others(seed)).items():
                scores = detector.fit(X).score_samples(X)
                found.setdefault(name, []).append(roc_auc_score(outlier, -scores))
    return {name: float(np.mean(values)) for name, values in found.items()}


def shown(found: dict[str, float]) -> str:
    ours, *rest = (f"{name} {area:.3f}" for name, area in found.items())
    return "AUROC " + ours.split()[1] + " (" + ", ".join(rest) + ")"


def on_mixed(
    X: pd.DataFrame, outlier: np.ndarray, train: np.ndarray, test: np.ndarray, shares: float | str
) -> dict[str, float]:
    """Return AUROC of detectors fitted to some rows of a table and asked about others."""
    found: dict[str, list[float]] = {}
    levels = (
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        make_column_selector(dtype_exclude="number"),
    )
    others_too = SimpleImputer(strategy="median")
    encode = make_column_transformer(levels, remainder=others_too).fit(X.iloc[train])
    numbers, asked = encode.transform(X.iloc[train]), encode.transform(X.iloc[test])
    same = len(train) == len(test)
    for seed in SEEDS:
        options = {"contamination": shares, "random_state": 100 + seed}
        columns = ae.TabularAutoencoder(epochs=10, init="uniform")
        for name, ours in {
            "AnomalyDetector": ae.AnomalyDetector(**options),
            OVER_COLUMNS: ae.AnomalyDetector(columns, measure="loss", n_models=1, **options),
        }.items():
            scores = ours.fit(X.iloc[train]).score_samples(X.iloc[test])
            found.setdefault(name, []).append(roc_auc_score(outlier[test], -scores))
        for name, detector in others(seed, novelty=not same).items():
            scores = detector.fit(numbers).score_samples(asked)
            found.setdefault(name, []).append(roc_auc_score(outlier[test], -scores))
    return {name: float(np.mean(values)) for name, values in found.items()}


def vehicle_claims() -> str:
    X, fraud = claims()
    everything = np.arange(len(X))
    return shown(on_mixed(X, fraud, everything, everything, 0.1))


def kdd_mixed() -> str:
    X, attack = kdd()
    order = np.random.default_rng(0).permutation(np.flatnonzero(~attack))
    train = np.sort(order[:NORMAL_ROWS])
    return shown(on_mixed(X, attack, train, np.setdiff1d(np.arange(len(X)), train), 0.1))


def known(outlier: np.ndarray, seed: int) -> np.ndarray:
    """Return labels of some outliers, -1, and of some others, 1; 0 for all other rows."""
    rng, y = np.random.default_rng(1000 + seed), np.zeros(len(outlier), int)
    for label, rows in ((-1, np.flatnonzero(outlier)), (1, np.flatnonzero(~outlier))):
        y[rng.permutation(rows)[: max(1, round(KNOWN * len(rows)))]] = label
    return y


def with_labels(tasks: list[Task]) -> np.ndarray:
    """Return AUROC and average precision without labels and with them, (2, 2)."""
    found = []
    for X, outlier in tasks:
        for seed in LABEL_SEEDS:
            y, both = known(outlier, seed), []
            for labels in (None, y):
                detector = ae.AnomalyDetector(random_state=100 + seed).fit(X, labels)
                odd, truth = -detector.score_samples(X)[y == 0], outlier[y == 0]
                both.append((roc_auc_score(truth, odd), average_precision_score(truth, odd)))
            found.append(both)
    return np.mean(found, axis=0)


def labelled() -> str:
    blind, told = np.mean([with_labels(make()) for make in TABLES.values()], axis=0)
    return (
        f"AUROC {told[0]:.3f}, average precision {told[1]:.3f} "
        f"(without labels {blind[0]:.3f}, {blind[1]:.3f})"
    )


# ---- all of them --------------------------------------------------------------------------------


def wanted(parts: list[str]) -> Iterator[str]:
    for name in TABLES:
        if not parts or any(part in name for part in parts):
            yield name


def main(parts: list[str]) -> None:
    rows: list[dict[str, float]] = []

    def table(name: str) -> str:
        rows.append(areas(TABLES[name]()))
        return shown(rows[-1])

    for name in wanted(parts):
        what = f"AnomalyDetector, outliers in {name}"
        better = "IsolationForest's or more, on the mean"
        record(what, better, SOURCE, lambda name=name: table(name), len(SEEDS))
    if rows and len(rows) == len(TABLES):
        mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        what = f"AnomalyDetector, mean of the {len(rows)} tables"
        record(what, "IsolationForest's or more", SOURCE, lambda: shown(mean), len(SEEDS))
    if not parts or "frauds" in parts:
        what = "AnomalyDetector, frauds among 15,420 vehicle claims, mixed types"
        record(what, "beside the others", SOURCE, vehicle_claims, len(SEEDS))
    if not parts or "attacks" in parts:
        what = "AnomalyDetector, of 50,000 normal connections, KDD Cup 99, mixed types: attacks"
        record(what, "AUROC at least 0.98", SOURCE, kdd_mixed, len(SEEDS))
    if not parts or "labels" in parts:
        what = "AnomalyDetector, mean of the 11 tables with 5 % of the labels, on the other rows"
        record(what, "above that without labels", SOURCE, labelled, len(LABEL_SEEDS))


if __name__ == "__main__":
    main(sys.argv[1:])
