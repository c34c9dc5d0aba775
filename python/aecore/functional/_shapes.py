"""What the functional wrappers share: results that may be given, and checks of arguments."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.checks import is_integer
from ..base.text import brief


def result(out: np.ndarray | None, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """Return `out`, or a new array. The core checks what a given one looks like."""
    if min(shape, default=0) < 0:
        raise ValueError(f"result: expected sizes of at least 0, got the shape {shape}")
    if out is not None:
        return out
    try:
        return np.empty(shape, dtype)
    except (ValueError, OverflowError):
        raise ValueError(
            f"result: expected a size below 2^63 bytes and at most 64 axes, got the shape {shape}"
        ) from None


def integer(name: str, value: Any, low: int = 0, high: int = 2**63 - 1) -> int:
    """Return `value`, an integer of any kind in [low, high], as an int."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an integer, got {brief(value)}") from None
    if not low <= number <= high:
        wanted = f"at least {low}" if number < low else f"at most {high}"
        raise ValueError(f"{name}: expected {wanted}, got {brief(number)}")
    return number


def number(name: str, value: Any) -> float:
    """Return `value`, a number of any kind, as a float, which may be infinite or NaN."""
    vector = isinstance(value, np.ndarray) and value.ndim > 0
    no_number = str, bytes, bytearray, np.complexfloating, np.void
    try:
        if not vector and not isinstance(value, no_number):
            return float(value)
    except OverflowError:
        kind = "an int" if isinstance(value, int) else f"a {type(value).__name__}"
        raise ValueError(f"{name}: expected a number that a float holds, got {kind}") from None
    except (TypeError, ValueError):
        pass
    raise TypeError(f"{name}: expected a number, got {brief(value)}")


def flag(name: str, value: Any) -> bool:
    """Return whether `value` is true."""
    try:
        return bool(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected True or False, got {brief(value)}") from None


def pair(name: str, value: Any, low: int) -> tuple[int, int]:
    """Return `value`, an integer for both axes or one for each, as two integers below 2^31."""
    many = value.ndim > 0 if isinstance(value, np.ndarray) else isinstance(value, Sequence)
    values = tuple(value) if many else (value, value)
    if len(values) != 2 or not all(map(is_integer, values)):
        raise TypeError(f"{name}: expected an integer or a pair of them, got {brief(value)}")
    if min(values) < low or max(values) > 2**31 - 1:
        wanted = f"at least {low}" if min(values) < low else "at most 2^31 - 1"
        raise ValueError(f"{name}: expected {wanted}, got {brief(value)}")
    return int(values[0]), int(values[1])


def array(name: str, value: Any, *ndims: int) -> np.ndarray:
    """Check that `value` is an array of one of the numbers of dimensions given (any if none)."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name}: expected a numpy array, got {type(value).__name__}")
    if ndims and value.ndim not in ndims:
        wanted = " or ".join(map(str, ndims))
        raise ValueError(f"{name}: expected {wanted} dimensions, got shape {value.shape}")
    return value


def like(name: str, value: Any) -> np.ndarray:
    """Return a new array for the gradient of an argument, of which the core checks the rest."""
    return np.empty(array(name, value).shape, np.float32)


def maybe_like(name: str, value: Any) -> np.ndarray | None:
    """Return the same, or None for None."""
    return None if value is None else like(name, value)


def table(name: str, value: Any) -> np.ndarray:
    """View an array of samples, (N, ...), as a table (N, F)."""
    array(name, value)
    if value.ndim == 0:
        raise ValueError(f"{name}: expected one axis or more, got a scalar array")
    return view(name, value, (value.shape[0], math.prod(value.shape[1:])))


def view(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a C-contiguous array in another shape of equal size, without a copy."""
    flags = array(name, value).flags
    if not (flags.c_contiguous and flags.aligned and value.dtype.isnative):
        raise ValueError(
            f"{name}: expected a C-contiguous, aligned array in native byte order, as "
            f"numpy.ascontiguousarray makes one, got {value.dtype} of strides {value.strides}"
        )
    return value.reshape(shape)


def same_shape(**arrays: Any) -> None:
    """Check that all arrays (or None) have the shape of the first."""
    first, *others = arrays
    wanted = array(first, arrays[first]).shape
    for name in others:
        if arrays[name] is not None and array(name, arrays[name]).shape != wanted:
            raise ValueError(f"{name}: expected {first}'s shape {wanted}, got {arrays[name].shape}")
