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
from importlib import metadata
from typing import Any

import numpy as np

import aecore as ae
from aecore.base.limits import bandwidth as bandwidth
from aecore.base.limits import fma_peak as fma_peak

SETTLE = 0.05  # seconds: ONNX Runtime and PyTorch spin for tens of milliseconds


@dataclass(frozen=True)
class Settings:
    """What the sections of the benchmarks are told.

    Attributes
    ----------
    rounds : int
        How often each contestant has its turn.
    only : tuple of str
        The workloads and other entries to time; all if there are none.
    peers : bool
        Whether other libraries are timed too.
    quick : bool
        Whether everything runs once, as small as it can be: to see that it runs.
    """

    rounds: int = 5
    only: tuple[str, ...] = ()
    peers: bool = True
    quick: bool = False

    def at_least(self, seconds: float) -> float:
        """Return how long a contestant's turn is."""
        return 0.0 if self.quick else seconds

    def wants(self, name: str) -> bool:
        """Return whether an entry is to be timed."""
        return not self.only or name in self.only


@dataclass
class Timing:
    """Seconds of one contestant, a figure for each round."""

    seconds: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The fastest round."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.seconds)


def interleave(
    contestants: dict[str, Callable[[], None]], rounds: int, at_least: float
) -> dict[str, Timing]:
    """Time every contestant once a round, each for `at_least` seconds, after a warm-up.

    In between is a pause, so that threads of the one before don't spin any more.
    """
    timings = {name: Timing() for name in contestants}
    for run in contestants.values():
        run()
    for _ in range(rounds):
        for name, run in contestants.items():
            if at_least and len(contestants) > 1:
                time.sleep(SETTLE)
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


def version(package: str) -> str | None:
    """Return the version of a package, None if it isn't installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def cpu_model() -> str:
    """Return the CPU's name, with family and model number where Linux tells."""
    found: dict[str, str] = {}
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                found.setdefault(key.strip(), value.strip())
    if "model name" not in found:
        return platform.processor() or platform.machine()
    if "cpu family" not in found:
        return found["model name"]
    return f"{found['model name']} (family {found['cpu family']}, model {found.get('model')})"


def cores() -> int:
    """Return how many cores the process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Describe where the figures come from."""
    peers = ("torch", "onnxruntime", "jax")
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "isa": ae.build_info()["isa"],
        "threads": ae.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "aecore": ae.__version__,
        "peers": {name: version(name) for name in peers if version(name)},
    }
