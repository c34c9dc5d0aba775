"""What the functional wrappers share: results that may be given, and arguments of one or two."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def result(out: np.ndarray | None, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """Return `out`, or a new array. The core checks what a given one looks like."""
    if min(shape, default=0) < 0:
        raise ValueError(f"result: expected sizes of at least 0, got the shape {shape}")
    return np.empty(shape, dtype) if out is None else out


def array(name: str, value: Any, *ndims: int) -> np.ndarray:
    """Check that `value` is an array of one of the numbers of dimensions given (any if none)."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name}: expected a numpy array, got {type(value).__name__}")
    if ndims and value.ndim not in ndims:
        wanted = " or ".join(map(str, ndims))
        raise ValueError(f"{name}: expected {wanted} dimensions, got shape {value.shape}")
    return value


def table(name: str, value: Any) -> np.ndarray:
    """View an array of samples, (N, ...), as a table (N, F)."""
    array(name, value)
    if value.ndim == 0:
        raise ValueError(f"{name}: expected one axis or more, got a scalar array")
    return view(name, value, (value.shape[0], math.prod(value.shape[1:])))


def view(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a C-contiguous array in another shape of equal size, without a copy."""
    if not array(name, value).flags.c_contiguous:
        raise ValueError(
            f"{name}: expected a C-contiguous array, as numpy.ascontiguousarray makes, got strides "
            f"{value.strides}"
        )
    return value.reshape(shape)


def same_shape(**arrays: Any) -> None:
    """Check that all arrays (or None) have the shape of the first."""
    first, *others = arrays
    wanted = array(first, arrays[first]).shape
    for name in others:
        if arrays[name] is not None and array(name, arrays[name]).shape != wanted:
            raise ValueError(f"{name}: expected {first}'s shape {wanted}, got {arrays[name].shape}")
