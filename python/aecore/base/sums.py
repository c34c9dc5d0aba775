"""Sums of arrays, in double."""

from __future__ import annotations

import numpy as np

from .. import _core
from . import runtime


def sum_of(values: np.ndarray) -> float:
    """Return the sum of an array's numbers, in double."""
    try:
        return _core.sum(values, runtime.current())
    except (TypeError, ValueError):  # another type or layout than the core reads
        return float(np.add.reduce(values, axis=None, dtype=np.float64))
