"""The table of results: each model on test data, beside PCA with a code of the same size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import aecore as ae

from .training import MEASURING, Stages

# PCA and k-means are fitted to the first so many training samples.
MAX_SAMPLES = 10_000


@dataclass(frozen=True)
class Row:
    """The results of a model or of its baseline; None for measures that don't apply.

    Attributes
    ----------
    name : str
        Of the model; "" for a baseline.
    title : str
        Shown in the table.
    code : str
        A sample's code in words.
    error : float or None
        Mean squared error of a value from 0 to 1.
    recon, kl : float or None
        The two terms of the negative evidence lower bound, in nats a sample.
    perplexity : float or None
        The effective number of codes in use.
    clustering : float or None
        Share of the samples in the k-means cluster of their class.
    """

    name: str
    title: str
    code: str
    error: float | None = None
    recon: float | None = None
    kl: float | None = None
    perplexity: float | None = None
    clustering: float | None = None


TITLES = {
    "autoencoder": "Autoencoder",
    "denoiser": "Denoising AE",
    "vae": "VAE",
    "plane": "VAE, 2-D",
    "cvae": "CVAE",
    "vqvae": "VQ-VAE",
}


class Evaluator:
    """Measures models on one data set.

    Parameters
    ----------
    data : dict
        X_train, y_train, X_test, y_test.
    most : int
        The largest number of principal components that will be asked for.
    """

    def __init__(self, data: Mapping[str, Any], most: int) -> None:
        self.X, self.y = data["X_train"][:MAX_SAMPLES], data["y_train"][:MAX_SAMPLES]
        self.X_test, self.y_test = data["X_test"], data["y_test"]
        self._unit_test = unit(self.X_test)
        self._pca = PrincipalComponents(self.X, most)

    def pictures(self) -> Row:
        """Measure the samples themselves, without a code."""
        flat, flat_test = flatten(self.X), flatten(self.X_test)
        clustering = self._cluster(flat, flat_test)
        return Row("", "raw pictures", _numbers(flat.shape[1]), clustering=clustering)

    def model(self, name: str, model: Any) -> Row:
        """Measure a model."""
        X_test, y_test = self.X_test, self.y_test
        codes, codes_test = vectors(model, self.X, self.y), vectors(model, X_test, y_test)
        recon, kl = _elbo(model, X_test, y_test)
        return Row(
            name,
            TITLES[name],
            _code(model),
            self._error(model.reconstruct(corrupted(model, X_test), y_test)),
            recon,
            kl,
            _perplexity(model, X_test),
            self._cluster(codes, codes_test),
        )

    def pca(self, model: Any) -> Row:
        """Measure PCA at a model's task with a code of the same size."""
        pca, k = self._pca, width(model)
        error = self._error(pca.rebuild(corrupted(model, self.X_test), k))
        clustering = self._cluster(pca.codes(self.X, k), pca.codes(self.X_test, k))
        return Row("", "PCA", _numbers(k), error, clustering=clustering)

    def noise(self, model: Any) -> Row:
        """Measure the noise that a model is given."""
        return Row("", "noisy pictures", "", self._error(corrupted(model, self.X_test)))

    def _error(self, rebuilt: NDArray[Any]) -> float:
        return float(np.square(rebuilt - self._unit_test, dtype=np.float64).mean())

    def _cluster(self, codes: NDArray[Any], codes_test: NDArray[Any]) -> float:
        """Cluster training codes, as many clusters as classes, and score those of test codes."""
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        k = len(np.unique(self.y_test))
        # One thread: on a busy machine two threads that wait for each other are much slower.
        with threadpool_limits(1):
            found = KMeans(k, n_init=5, random_state=0).fit(codes).predict(codes_test)
        return ae.metrics.clustering_accuracy(self.y_test, found)


def measure(names: Mapping[str, Any], stages: Stages) -> list[Row]:
    """Measure every model, each followed by its baselines."""
    models = {name: names[name] for name in TITLES}
    evaluator = Evaluator(names, max(width(model) for model in models.values()))
    rows = [evaluator.pictures()]
    for name, model in models.items():
        rows += [evaluator.model(name, model), evaluator.pca(model)]
        if model.corruption is not None:
            rows.append(evaluator.noise(model))
        stages.advance(MEASURING / len(models))
    return rows


def unit(X: NDArray[Any]) -> NDArray[np.float32]:
    """Scale uint8 to 0..1; leave floats as they are."""
    return X.astype(np.float32) / np.float32(255 if X.dtype == np.uint8 else 1)


def corrupted(model: Any, X: NDArray[Any]) -> NDArray[Any]:
    """Add the noise that a model was trained to remove; X itself for one without."""
    if model.corruption is None:
        return X
    noise = np.random.default_rng(0).standard_normal(X.shape, np.float32)
    return unit(X) + np.float32(model.corruption.sigma) * noise


def vectors(model: Any, X: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """Return codes as vectors; for a VQ-VAE, the codebook vectors of its indices."""
    codes = model.transform(X, y)
    if codes.dtype.kind == "i":
        codes = model.codebook_[codes]
    return codes.reshape(len(codes), -1).astype(np.float64)


def flatten(X: NDArray[Any]) -> NDArray[np.float32]:
    """Lay out samples as rows of numbers, scaled as `unit` does."""
    return unit(X).reshape(len(X), -1)


class PrincipalComponents:
    """Principal components; those of a smaller number are the first of a larger one."""

    def __init__(self, X: NDArray[Any], most: int) -> None:
        from sklearn.decomposition import PCA

        flat = flatten(X)
        most = min(most, *flat.shape)
        self._pca = PCA(most, svd_solver="randomized", random_state=0).fit(flat)

    def codes(self, X: NDArray[Any], k: int) -> NDArray[Any]:
        """Return the first k components of samples."""
        codes: NDArray[Any] = (flatten(X) - self._pca.mean_) @ self._pca.components_[:k].T
        return codes

    def rebuild(self, X: NDArray[Any], k: int) -> NDArray[Any]:
        """Return samples as their first k components give them."""
        flat: NDArray[Any] = self.codes(X, k) @ self._pca.components_[:k] + self._pca.mean_
        return flat.reshape(X.shape)


def width(model: Any) -> int:
    """Return how many numbers a model's code has."""
    return len(model.get_feature_names_out())


def _elbo(model: Any, X: NDArray[Any], y: NDArray[Any]) -> tuple[float | None, float | None]:
    if not hasattr(model, "encode_distribution"):
        return None, None
    kl = ae.functional.gaussian_kl(*model.encode_distribution(X, y)).mean(dtype=np.float64)
    bound = model.elbo(X, y, n_samples=4, random_state=0).mean(dtype=np.float64)
    return float(-bound - kl), float(kl)


def _perplexity(model: Any, X: NDArray[Any]) -> float | None:
    if not hasattr(model, "codebook_"):
        return None
    return ae.metrics.perplexity(model.transform(X), model.codebook_size)


def _code(model: Any) -> str:
    if hasattr(model, "codebook_"):
        return f"{width(model)} of {model.codebook_size} words"
    return _numbers(width(model)) + (" + class" if hasattr(model, "classes_") else "")


def _numbers(n: int) -> str:
    return f"{n:,} numbers"


# --------------------------------------------------------------------------------------------------

HEADINGS = ("", "a code is", "error", "recon", "KL", "perplexity", "k-means")


def cells(row: Row) -> list[str]:
    """Return a row's figures as texts, with their significant digits."""
    return [
        row.title,
        row.code,
        "" if row.error is None else f"{row.error:.4f}",
        _number(row.recon),
        _number(row.kl),
        _number(row.perplexity),
        "" if row.clustering is None else f"{row.clustering:.0%}",
    ]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.{max(0, 2 - int(math.log10(max(abs(value), 1))))}f}"


def as_text(rows: Sequence[Row]) -> str:
    """Lay out the table for a terminal."""
    table = [list(HEADINGS)]
    for row in rows:
        table.append(cells(row))
        if not row.name:
            table[-1][0] = "  " + table[-1][0]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            text.ljust(width) if i < 2 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines + ["", *LEGEND])


LEGEND = (
    "error     mean squared error of a test picture's values, 0 to 1, when it is rebuilt; the",
    "          denoising autoencoder, and PCA below it, are given noisy pictures",
    "recon KL  the two terms of -ELBO, in nats a picture: what is lost, what a code carries",
    "k-means   share of test pictures whose k-means cluster of codes is that of their class",
)
