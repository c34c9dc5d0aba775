"""What the machine can do at most: multiply-adds and bytes a second, measured."""

from __future__ import annotations

import time

import numpy as np

from .. import _core
from . import runtime


def fma_peak(seconds: float = 0.2) -> float:
    """Return the multiply-adds that all threads reach together, in FLOP/s (two each)."""
    workspace, steps, best = runtime.current(), 2000, 0.0
    stop = time.perf_counter() + seconds
    while not best or time.perf_counter() < stop:
        start = time.perf_counter()
        flops = _core.fma_peak(steps, workspace)
        best = max(best, flops / (time.perf_counter() - start))
    return best


def bandwidth(seconds: float = 0.2) -> float:
    """Return bytes a second read and written by adding a large array to another in place."""
    a, b = np.zeros(2**24, np.float32), np.ones(2**24, np.float32)
    workspace, best = runtime.current(), 0.0
    stop = time.perf_counter() + seconds
    while not best or time.perf_counter() < stop:
        start = time.perf_counter()
        _core.add(a, a, b, workspace)
        best = max(best, 3 * a.nbytes / (time.perf_counter() - start))
    return best
