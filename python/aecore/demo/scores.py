"""The table of results: each model on test data, beside PCA at the same task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import aecore as ae

from .training import MEASURING, Stages

# PCA and neighbours are of the first so many training samples.
MAX_SAMPLES = 10_000
NEIGHBOURS = 10
MOST = 256  # components that are looked at for the best number of them
EXACT = 1024  # values of a sample, or samples, up to which components are exact


@dataclass(frozen=True)
class Row:
    """The results of a model; None for measures that don't apply.

    Attributes
    ----------
    name : str
        Of the model; "" for the pictures themselves.
    title : str
        Shown in the table.
    code : str
        A sample's code in words.
    error, pca_error : float or None
        Mean squared error of a value from 0 to 1, of the model and of PCA at the same task.
    neighbours, pca_neighbours : float or None
        Share of the samples whose nearest training codes are of their class.
    """

    name: str
    title: str
    code: str
    error: float | None = None
    pca_error: float | None = None
    neighbours: float | None = None
    pca_neighbours: float | None = None


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
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.X, self.y = data["X_train"][:MAX_SAMPLES], data["y_train"][:MAX_SAMPLES]
        self.X_test, self.y_test = data["X_test"], data["y_test"]
        self._unit_test = unit(self.X_test)
        self._pca = PrincipalComponents(self.X)

    def pictures(self) -> Row:
        """Measure the samples themselves, without a code."""
        flat, flat_test = flatten(self.X), flatten(self.X_test)
        code = _numbers(flat.shape[1])
        return Row("", "raw pictures", code, neighbours=self._neighbours(flat, flat_test))

    def model(self, name: str, model: Any) -> Row:
        """Measure a model."""
        error = self._error(model.reconstruct(corrupted(model, self.X_test), self.y_test))
        title = TITLES[name]
        if model.corruption is not None:
            noisy = self._error(corrupted(model, self.X_test))
            code = f"(noise of {noisy:.4f} added)"
            return Row(name, title, code, error, self._denoised(model))
        if hasattr(model, "codebook_"):
            return self._words(name, model, error)
        k = width(model)
        if hasattr(model, "classes_"):
            return Row(name, title, f"{_numbers(k)} + class", error, self._told(k))
        neighbours = self._neighbours(vectors(model, self.X), vectors(model, self.X_test))
        found, found_test = self._pca.codes(self.X, k), self._pca.codes(self.X_test, k)
        return Row(
            name,
            title,
            _numbers(k),
            error,
            self._error(self._pca.rebuild(self.X_test, k)),
            neighbours,
            self._neighbours(found, found_test),
        )

    def _words(self, name: str, model: Any, error: float) -> Row:
        """Measure a model with a codebook, and PCA whose numbers take as many bytes, one each."""
        bits = width(model) * math.log2(model.codebook_size)
        k = max(1, round(bits / 8))
        neighbours = self._neighbours(vectors(model, self.X), vectors(model, self.X_test))
        found, found_test = self._pca.rounded(self.X, k), self._pca.rounded(self.X_test, k)
        return Row(
            name,
            TITLES[name],
            f"{width(model)} words, {bits / 8:.0f} bytes",
            error,
            self._error(self._pca.decode(found_test, self.X_test.shape)),
            neighbours,
            self._neighbours(found, found_test),
        )

    def _denoised(self, model: Any) -> float:
        """Return the error of PCA with the best number of components, given the same noise."""
        noisy, sizes = corrupted(model, self.X_test), [2**i for i in range(1, 9)]
        most = min(*flatten(self.X).shape, MOST)
        return min(self._error(self._pca.rebuild(noisy, k)) for k in sizes if k <= most)

    def _told(self, k: int) -> float:
        """Return the error of PCA that is told each sample's class, from which it starts."""
        means = {c: flatten(self.X[self.y == c]).mean(axis=0) for c in np.unique(self.y)}
        mean = np.stack([means[c] for c in self.y])
        mean_test = np.stack([means[c] for c in self.y_test])
        pca = PrincipalComponents(flatten(self.X) - mean)
        rebuilt = pca.rebuild(flatten(self.X_test) - mean_test, k) + mean_test
        return self._error(rebuilt.reshape(self.X_test.shape))

    def _error(self, rebuilt: NDArray[Any]) -> float:
        return float(np.square(rebuilt - self._unit_test, dtype=np.float64).mean())

    def _neighbours(self, codes: NDArray[Any], codes_test: NDArray[Any]) -> float:
        k = min(NEIGHBOURS, len(codes))
        return ae.metrics.knn_accuracy(codes, self.y, codes_test, self.y_test, k=k)


def measure(names: Mapping[str, Any], stages: Stages) -> list[Row]:
    """Measure every model, and the pictures themselves."""
    evaluator = Evaluator(names)
    rows = []
    for name in TITLES:
        rows.append(evaluator.model(name, names[name]))
        stages.advance(MEASURING / len(TITLES))
    return [*rows, evaluator.pictures()]


def unit(X: NDArray[Any]) -> NDArray[np.float32]:
    """Scale uint8 to 0..1; leave floats as they are."""
    return X.astype(np.float32) / np.float32(255 if X.dtype == np.uint8 else 1)


def corrupted(model: Any, X: NDArray[Any]) -> NDArray[Any]:
    """Add the noise that a model was trained to remove; X itself for one without."""
    if model.corruption is None:
        return X
    noise = np.random.default_rng(0).standard_normal(X.shape, np.float32)
    return unit(X) + np.float32(model.corruption.sigma) * noise


def vectors(model: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return codes as vectors; for a VQ-VAE, the codebook vectors of its indices."""
    codes = model.transform(X)
    if codes.dtype.kind == "i":
        codes = model.codebook_[codes]
    return codes.reshape(len(codes), -1).astype(np.float64)


def flatten(X: NDArray[Any]) -> NDArray[np.float32]:
    """Lay out samples as rows of numbers, scaled as `unit` does."""
    return unit(X).reshape(len(X), -1)


class PrincipalComponents:
    """Principal components; those of a smaller number are the first of a larger one."""

    def __init__(self, X: NDArray[Any]) -> None:
        flat = flatten(X).astype(np.float64)
        self._mean = flat.mean(axis=0)
        centred = flat - self._mean
        self._axes = _principal_axes(centred)
        codes = centred @ self._axes.T
        self._low, self._high = codes.min(axis=0), codes.max(axis=0)

    def codes(self, X: NDArray[Any], k: int) -> NDArray[Any]:
        """Return the first k components of samples."""
        codes: NDArray[Any] = (flatten(X) - self._mean) @ self._axes[:k].T
        return codes

    def rounded(self, X: NDArray[Any], k: int) -> NDArray[Any]:
        """Return the first k components as a byte would hold them, in 256 steps each."""
        low = self._low[:k]
        step = np.maximum(self._high[:k] - low, np.finfo(float).tiny) / 255
        codes: NDArray[Any] = low + step * np.clip(np.rint((self.codes(X, k) - low) / step), 0, 255)
        return codes

    def decode(self, codes: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Return the samples of components."""
        flat: NDArray[Any] = codes @ self._axes[: codes.shape[1]] + self._mean
        return flat.reshape(shape)

    def rebuild(self, X: NDArray[Any], k: int) -> NDArray[Any]:
        """Return samples as their first k components give them."""
        return self.decode(self.codes(X, k), X.shape)


def _principal_axes(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the principal axes of centred samples (N, D) as rows, the longest first.

    Of large samples only the first `MOST`, by subspace iteration: the error falls with the ratio
    of an eigenvalue to the one that is 32 further.
    """
    if min(centred.shape) <= EXACT and len(centred) < centred.shape[1]:
        return np.linalg.svd(centred, full_matrices=False)[2]
    scatter = centred.T @ centred
    if len(scatter) <= EXACT:
        return np.linalg.eigh(scatter)[1][:, ::-1].T
    basis = np.random.default_rng(0).standard_normal((len(scatter), MOST + 32))
    for _ in range(12):
        basis = np.linalg.qr(scatter @ basis)[0]
    vectors = np.linalg.eigh(basis.T @ scatter @ basis)[1][:, ::-1]
    axes: NDArray[np.float64] = (basis @ vectors)[:, :MOST].T
    return axes


def width(model: Any) -> int:
    """Return how many numbers a model's code has."""
    return len(model.get_feature_names_out())


def _numbers(n: int) -> str:
    return f"{n:,} numbers"


# --------------------------------------------------------------------------------------------------

GROUPS = ("", "", "error of rebuilding", "class by neighbours")
HEADINGS = ("", "a code is", "model", "PCA", "model", "PCA")


def cells(row: Row) -> list[str]:
    """Return a row's figures as texts; a dash for those that there are none of."""
    errors = ("-" if value is None else f"{value:.4f}" for value in (row.error, row.pca_error))
    found = (row.neighbours, row.pca_neighbours)
    return [row.title, row.code, *errors, *("-" if v is None else f"{v:.0%}" for v in found)]


def as_text(rows: Sequence[Row]) -> str:
    """Lay out the table for a terminal."""
    table = [list(HEADINGS), *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    widths[2:] = [max(9, width) for width in widths[2:]]
    lines = [
        "  ".join(
            text.ljust(width) if i < 2 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]
    start, pair = widths[0] + widths[1] + 2, widths[2] + widths[3] + 4
    groups = f"{'':{start}}{GROUPS[2]:>{pair}}{GROUPS[3]:>{widths[4] + widths[5] + 4}}"
    lines = [groups, lines[0], "-" * max(map(len, lines)), *lines[1:]]
    return "\n".join(lines + ["", *LEGEND])


LEGEND = (
    "error       mean squared error of rebuilt test pictures, whose values go from 0 to 1:",
    "            lower is better. PCA, the best that weighted sums can do, has a code of the",
    "            same size; beside the CVAE it is told the class too, and beside the denoising",
    "            autoencoder it gets the same noisy pictures and its best size",
    f"neighbours  share of test pictures whose {NEIGHBOURS} nearest training codes vote for their "
    "class:",
    "            higher is better. A CVAE is given the class, so its codes needn't tell it; a",
    "            denoising autoencoder is there to clean",
)
