"""What figures of merit are computed from: labels, samples and numbers, checked."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def labels(name: str, values: ArrayLike) -> NDArray[Any]:
    labels = np.asarray(values)
    if labels.ndim != 1 or labels.size == 0:
        raise ValueError(f"{name} must be labels of the shape (N,), N > 0, got {labels.shape}")
    if labels.dtype.kind in "OT" and all(isinstance(label, str) for label in labels):
        labels = np.array(labels.tolist())
    if labels.dtype.kind not in "biuUS":
        raise TypeError(f"{name} must be integers, booleans or strings, got {labels.dtype}")
    return labels


def samples(name: str, values: ArrayLike, least: int = 1) -> Floats:
    """Check samples and return them as (N, D) float64."""
    X = np.asarray(values)
    if X.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got {X.dtype}")
    if X.ndim < 2 or len(X) < least or X.size == 0:
        raise ValueError(f"{name} must have the shape (N, ...), N >= {least}, got {X.shape}")
    X = X.reshape(len(X), -1).astype(np.float64)
    if not np.isfinite(X).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return X


def same_length(name: str, a: NDArray[Any], other: str, b: NDArray[Any]) -> None:
    if len(a) != len(b):
        raise ValueError(f"{name} and {other} must be equally long, got {len(a)} and {len(b)}")


def same_features(name: str, a: Floats, other: str, b: Floats) -> None:
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{name} and {other} must have equally many features, got {a.shape[1]} and {b.shape[1]}"
        )


def number(name: str, value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if not np.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def count(name: str, value: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}")
    return number
