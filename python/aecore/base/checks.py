"""Checks of single values: each returns the value as what it means, or says what was expected."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np


def integer(name: str, value: Any, low: int = 0, high: int = 2**63 - 1) -> int:
    """Return `value` as an int in [low, high]."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an integer, got {value!r}")
    if not low <= value <= high:
        upper = "" if high == 2**63 - 1 else f" and at most {high}"
        raise ValueError(f"{name}: expected at least {low}{upper}, got {value}")
    return int(value)


def real(
    name: str, value: Any, low: float = 0.0, high: float = math.inf, *, above: bool = False
) -> float:
    """Return `value` as a finite float in [low, high], or in (low, high] if `above`."""
    numbers = (int, float, np.integer, np.floating)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    number = float(value)
    inside = low < number <= high if above else low <= number <= high
    if not math.isfinite(number) or not inside:
        lower = f"more than {low:g}" if above else f"at least {low:g}"
        upper = "" if high == math.inf else f" and at most {high:g}"
        raise ValueError(f"{name}: expected a finite number, {lower}{upper}, got {value!r}")
    return number


def boolean(name: str, value: Any) -> bool:
    """Return `value` as a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, got {value!r}")
    return bool(value)


def choice(name: str, value: Any, options: Iterable[str]) -> str:
    """Return `value` if it is one of the options."""
    options = tuple(options)
    listed = ", ".join(map(repr, options))
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected one of {listed}, got {value!r}")
    if value not in options:
        raise ValueError(f"{name}: expected one of {listed}, got {value!r}")
    return value


def instance(name: str, value: Any, cls: type, example: str) -> Any:
    """Return `value` if it is None or an instance of `cls`."""
    if value is not None and not isinstance(value, cls):
        raise TypeError(f"{name}: expected None or an object like {example}, got {value!r}")
    return value
