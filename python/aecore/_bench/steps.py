"""Training steps of the workloads: milliseconds, and the share of the machine's peak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import timing
from .workloads import WORKLOADS, Workload

BATCHES = 8  # of a pass

Pass = Callable[[], Any]
Others = Callable[[Workload, np.ndarray], dict[str, Pass]]


def chosen(settings: timing.Settings) -> list[Workload]:
    """Return the workloads that are wanted."""
    return [w for name, w in WORKLOADS.items() if settings.wants(name)]


def batches(settings: timing.Settings) -> int:
    """Return how many batches a pass has."""
    return 1 if settings.quick else BATCHES


def aecore_pass(workload: Workload, x: np.ndarray, y: np.ndarray | None) -> Pass:
    """Return a function that trains a fresh model over all batches once."""
    model = workload.model().set_params(batch_size=workload.batch)
    arguments = (x,) if y is None else (x, y)
    return lambda: model.partial_fit(*arguments)


def measure(
    workload: Workload, settings: timing.Settings, others: Others | None = None
) -> dict[str, Any]:
    """Time one workload and return its row.

    Parameters
    ----------
    workload : Workload
    settings : Settings
    others : callable, optional
        From the workload and its data to passes of other libraries by name.
    """
    n = batches(settings)
    x, y = workload.data(n)
    contestants = {"aecore": aecore_pass(workload, x, y)}
    if others:
        contestants |= others(workload, x)
    warm = settings.at_least(0.2)
    peak = timing.fma_peak(warm)
    timings = timing.interleave(contestants, settings.rounds, settings.at_least(0.4))
    peak = max(peak, timing.fma_peak(warm))
    ours = timings.pop("aecore")
    row: dict[str, Any] = {
        "workload": workload.name,
        "batch": workload.batch,
        "gflop": workload.flops / 1e9,
        "peak_gflops": peak / 1e9,
        "ms": ours.best / n * 1e3,
        "ms_median": ours.median / n * 1e3,
        "share_of_peak": workload.flops / (ours.best / n) / peak,
        "peers": {
            name: {
                "ms": t.best / n * 1e3,
                "ms_median": t.median / n * 1e3,
                "ratio": timing.ratio(t, ours),
            }
            for name, t in timings.items()
        },
    }
    if timings:
        best = min(timings, key=lambda name: timings[name].median)
        row["best_peer"], row["ratio"] = best, row["peers"][best]["ratio"]
    return row


def limits(settings: timing.Settings) -> dict[str, float]:
    """Measure and print what the machine can do: multiply-adds and memory."""
    found = {
        "peak_gflops": timing.fma_peak(settings.at_least(0.3)) / 1e9,
        "bandwidth_gb": timing.bandwidth(settings.at_least(0.3)) / 1e9,
    }
    print(
        f"this machine's limits: {found['peak_gflops']:.0f} GFLOP/s of multiply-adds, "
        f"{found['bandwidth_gb']:.1f} GB/s of memory"
    )
    return found
