"""Brings codes into the plane: by principal components, t-SNE, UMAP, MDS or a way of the user's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import checks
from ..metrics._distances import squared_distances

METHODS = ("direct", "pca", "tsne", "umap", "mds")
# t-SNE and UMAP take a minute for ten thousand points; MDS needs the distances of all pairs, many
# times.
MOST = {"tsne": 2000, "umap": 5000, "mds": 1000}
_WIDE = 500  # dimensions; with more, only the leading principal axes are computed
_NO_UMAP = (
    "method: expected umap-learn to be installed for umap: pip install umap-learn; or pass the "
    "embedding itself, method=points (N, 2)"
)


def check_method(method: Any) -> None:
    """Raise TypeError or ValueError for what is no way into the plane."""
    if isinstance(method, str):
        checks.choice("method", method, METHODS)
    elif not (method is None or callable(method) or _is_estimator(method) or is_points(method)):
        raise TypeError(
            f"method: expected one of {', '.join(METHODS)}, points (N, 2), a function of codes or "
            f"an estimator with fit_transform, got {type(method).__name__}"
        )


def is_points(method: Any) -> bool:
    """Return whether it is the embedding itself."""
    return not isinstance(method, str) and not _is_estimator(method) and np.ndim(method) > 0


def _is_estimator(method: Any) -> bool:
    return hasattr(method, "fit_transform")


def points_of(method: Any, n: int) -> NDArray[np.float64]:
    """Check an embedding of n samples that was computed elsewhere, (n, 2)."""
    points = checks.finite("method", method)
    if points.shape != (n, 2):
        raise ValueError(f"method: expected points of shape ({n}, 2), got {points.shape}")
    return np.asarray(points, np.float64)


def to_plane(
    codes: NDArray[np.float64], method: Any, random_state: Any
) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Bring codes (N, D) to (N, 2), and name the two axes."""
    if method == "direct":
        if codes.shape[1] != 2:
            raise ValueError(
                f"method: expected pca, tsne, umap or mds for codes of {codes.shape[1]} "
                "dimensions, got direct, which takes 2"
            )
        return codes, ("latent 0", "latent 1")
    if method == "pca":
        return project(codes)
    if method == "mds":
        return _mds(codes - codes.mean(axis=0)), ("MDS 1", "MDS 2")
    if method == "tsne":
        return _tsne(codes, random_state), ("t-SNE 1", "t-SNE 2")
    if method == "umap":
        return _umap(codes, random_state), ("UMAP 1", "UMAP 2")
    if _is_estimator(method):
        name, found = type(method).__name__, method.fit_transform(codes)
    else:
        name, found = getattr(method, "__name__", "embedding"), method(codes)
    return points_of(found, len(codes)), (f"{name} 1", f"{name} 2")


def _tsne(codes: NDArray[np.float64], random_state: Any) -> NDArray[np.float64]:
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise ImportError(
            "method: expected scikit-learn to be installed for tsne: pip install 'aecore[sklearn]'"
        ) from error
    # The perplexity has to be below the number of points.
    near = min(30.0, max(1.0, (len(codes) - 1) / 3))
    embed = TSNE(perplexity=near, random_state=random_state)
    return np.asarray(embed.fit_transform(codes), np.float64)


def _umap(codes: NDArray[np.float64], random_state: Any) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that it would like to have
        try:
            from umap import UMAP
        except ImportError as error:
            raise ImportError(_NO_UMAP) from error
        near = min(15, max(2, len(codes) - 1))
        embed = UMAP(n_neighbors=near, random_state=random_state, n_jobs=1)
        return np.asarray(embed.fit_transform(codes), np.float64)


def _mds(codes: NDArray[np.float64], steps: int = 300) -> NDArray[np.float64]:
    """Return points in the plane whose distances fit those of the codes in least squares.

    SMACOF: each step moves the points to the minimum of a bound on the squared differences
    (Guttman's transform), so these never grow. It starts from the principal components.
    """
    points, n = project(codes)[0], len(codes)
    target, previous = np.sqrt(squared_distances(codes, codes)), np.inf
    for _ in range(steps):
        found = np.sqrt(squared_distances(points, points))
        stress = float(((found - target) ** 2).sum())
        if previous - stress <= 1e-6 * stress:
            break
        previous = stress
        ratio = np.divide(target, found, out=np.zeros_like(found), where=found > 0)
        points = (ratio.sum(axis=1, keepdims=True) * points - ratio @ points) / n
    return points


def project(codes: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Project codes (N, D) on their two principal components; D = 1 leaves the second empty."""
    mean, axes, shares = principal_axes(codes)
    first, second = (
        f"principal component {i} ({share:.0%} of the variance)"
        for i, share in enumerate(shares, 1)
    )
    return (codes - mean) @ axes, (first, second)


def principal_axes(
    codes: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean (D,), two principal axes (D, 2) and their shares of the variance (2,)."""
    mean = codes.mean(axis=0)
    centred = codes - mean
    if codes.shape[1] > _WIDE:
        values, vectors = _leading(centred)
    else:  # the D x D side is small; an SVD of all of N x D would not be
        values, vectors = np.linalg.eigh(centred.T @ centred)
    shares = np.maximum(values[::-1], 0) / max((centred**2).sum(), np.finfo(float).tiny)
    found = vectors[:, ::-1][:, :2]
    # An eigenvector's sign is arbitrary: make the largest entry positive, so that pictures repeat.
    found = found * np.sign(found[np.abs(found).argmax(axis=0), range(found.shape[1])])
    axes = np.zeros((codes.shape[1], 2))
    axes[:, : found.shape[1]] = found
    return mean, axes, np.append(shares, 0.0)[:2]


def _leading(centred: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two largest eigenvalues of the scatter matrix (D, D), rising, and their vectors.

    Subspace iteration on eight vectors: the error falls with the ratio of the ninth eigenvalue to
    the second.
    """
    basis = np.random.RandomState(0).standard_normal((centred.shape[1], 8))
    for _ in range(50):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    seen = centred @ basis
    values, vectors = np.linalg.eigh(seen.T @ seen)
    return values[-2:], basis @ vectors[:, -2:]
