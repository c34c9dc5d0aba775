"""How much samples count."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import checks

NOTHING = "expected weights that aren't all zero, got zero for every sample"


def read(weight: Any, n: int, name: str = "sample_weight") -> np.ndarray:
    """Check the weights of n samples; return them as float64 (n,).

    Raises
    ------
    TypeError, ValueError
        Unless there is a finite number of at least 0 for each sample, and one that isn't 0.
    """
    found = checks.array(name, weight)
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected numbers, got an array of {found.dtype}")
    if found.ndim == 0:
        found = np.full(n, found)
    if found.shape != (n,):
        raise ValueError(f"{name}: expected a number for each of {n} samples, got {found.shape}")
    found = found.astype(np.float64)
    if not (np.isfinite(found).all() and (found >= 0).all()):
        raise ValueError(f"{name}: expected finite numbers of at least 0, got {_odd(found)}")
    return found


def _odd(found: np.ndarray) -> str:
    row = int(np.flatnonzero(~(np.isfinite(found) & (found >= 0)))[0])
    return f"{found[row]:g} in row {row}"


def check_classes(weight: Any) -> None:
    """Raise TypeError or ValueError for weights of classes that make no sense; None does."""
    if weight is None or (isinstance(weight, str) and weight == "balanced"):
        return
    if not isinstance(weight, dict):
        raise TypeError(
            "class_weight: expected None, 'balanced' or a dictionary of numbers by label, got "
            f"{weight!r}"
        )
    for label, value in weight.items():
        checks.real(f"class_weight: {label!r}", value)


def of_classes(weight: Any, classes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the weight of each class (K,): 1 for those that aren't named.

    "balanced" is N / (K n) for a class of n samples among N, so that all classes count alike.
    """
    if isinstance(weight, str):
        return counts.sum() / (len(classes) * np.maximum(counts, 1))
    known = {label: i for i, label in enumerate(classes.tolist())}
    found = np.ones(len(classes))
    for label, value in weight.items():
        plain = label.item() if isinstance(label, np.generic) else label
        if plain not in known:
            raise ValueError(
                f"class_weight: expected some of the labels {', '.join(map(repr, known))}, got "
                f"{plain!r}"
            )
        found[known[plain]] = value
    return found


def scaled(weight: np.ndarray, total: float, n: int) -> np.ndarray:
    """Return weights as float32, divided by the mean of n samples whose weights add up to total.

    So steps are as large as without weights, whatever these are measured in.
    """
    if not total > 0:
        raise ValueError(f"sample_weight: {NOTHING}")
    if not (np.isfinite(total) and np.isfinite(n / total)):
        raise ValueError(
            f"sample_weight: expected weights whose sum is a finite number, and no tiny one, got "
            f"{total:g}"
        )
    return (weight * (n / total)).astype(np.float32)


def mean(values: np.ndarray, weight: Any = None) -> float:
    """Return the mean of a number (n,) of each sample, by their weights."""
    if weight is None:
        return float(values.mean(dtype=np.float64))
    found = read(weight, len(values))
    total = float(found.sum())
    if not total > 0:
        raise ValueError(f"sample_weight: {NOTHING}")
    return float(values.astype(np.float64) @ found / total)


def repeated(weight: np.ndarray) -> np.ndarray:
    """Return n of n samples' numbers (n,) in order, each as often as its weight says.

    For what takes samples alone: one of twice the mean is there twice, one of 0 isn't, and others
    are as near as whole numbers allow.
    """
    ends = np.cumsum(weight, dtype=np.float64)
    places = (np.arange(len(ends)) + 0.5) * (ends[-1] / len(ends))
    return np.searchsorted(ends, places, side="right")
