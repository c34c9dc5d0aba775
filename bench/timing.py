"""Interleaved timing and the machine's limits, measured in the same run.

The speed of a shared machine drifts: figures of two programs compare only as ratios of rounds that
took turns.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aecore as ae
import numpy as np
from aecore import _core


@dataclass
class Timing:
    """Seconds of one contestant, a figure for each round."""

    seconds: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def interleave(
    contestants: dict[str, Callable[[], None]], rounds: int, at_least: float
) -> dict[str, Timing]:
    """Time every contestant once a round, each for `at_least` seconds, after a warm-up."""
    timings = {name: Timing() for name in contestants}
    for run in contestants.values():
        run()
    for _ in range(rounds):
        for name, run in contestants.items():
            calls, start = 0, time.perf_counter()
            while True:
                run()
                calls += 1
                elapsed = time.perf_counter() - start
                if elapsed >= at_least:
                    break
            timings[name].seconds.append(elapsed / calls)
    return timings


def ratio(slow: Timing, fast: Timing) -> float:
    """Return the median over rounds of slow / fast."""
    return statistics.median(s / f for s, f in zip(slow.seconds, fast.seconds, strict=True))


def fma_peak(seconds: float = 0.2) -> float:
    """Return the multiply-adds that all threads reach together, in FLOP/s (two each)."""
    workspace, steps, best = _core.Workspace(), 2000, 0.0
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        start = time.perf_counter()
        flops = _core.fma_peak(steps, workspace)
        best = max(best, flops / (time.perf_counter() - start))
    return best


def bandwidth(seconds: float = 0.2) -> float:
    """Return bytes a second read and written by adding two large arrays."""
    a, b = np.ones(2**24, np.float32), np.ones(2**24, np.float32)
    out, workspace, best = np.empty_like(a), _core.Workspace(), 0.0
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        start = time.perf_counter()
        _core.add(out, a, b, workspace)
        best = max(best, 3 * a.nbytes / (time.perf_counter() - start))
    return best


def machine() -> dict[str, object]:
    """Describe where the figures come from."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
        model = names[0] if names else model
    info = ae.build_info()
    return {
        "cpu": model,
        "isa": info["isa"],
        "threads": ae.get_num_threads(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "aecore": ae.__version__,
    }
