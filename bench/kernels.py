"""Kernels one by one, below the roof of what memory and multiply-adds allow.

Convolutions count the operations of the direct sum; those that go through Winograd's transforms,
marked W, take fewer and may exceed the peak. Norms, losses and Adam are as fast as memory: they
count the bytes that have to move, once each.
"""

from __future__ import annotations

from typing import Any

from aecore._bench import steps, timing
from aecore._bench.timing import Settings

from .kernel_list import GROUPS, Kernel

NAMES = tuple(GROUPS)


def measure(kernel: Kernel, limits: dict[str, float], settings: Settings) -> dict[str, Any]:
    """Time a kernel; return its row, and print it."""
    turns = timing.interleave({"": kernel.run}, settings.rounds, settings.at_least(0.02))
    seconds = turns[""].best
    row: dict[str, Any] = {"kernel": kernel.name, "us": seconds * 1e6, "winograd": kernel.winograd}
    mark = "W" if kernel.winograd else " "
    line = f"  {kernel.name:56s} {mark} {row['us']:10.0f}"
    bandwidth, peak = limits["bandwidth_gb"], limits["peak_gflops"]
    row["gb_s"] = kernel.bytes / seconds / 1e9
    if kernel.flops:
        row["gflops"] = kernel.flops / seconds / 1e9
        roof = min(peak, kernel.flops / kernel.bytes * bandwidth)
        row["share_of_peak"], row["share_of_roof"] = row["gflops"] / peak, row["gflops"] / roof
        line += f" {row['gflops']:9.1f} {row['share_of_peak']:8.0%}"
    else:
        row["share_of_roof"] = row["gb_s"] / bandwidth
        line += " " * 19
    print(line + f" {row['gb_s']:8.1f} {row['share_of_roof']:8.0%}", flush=True)
    return row


def run(settings: Settings) -> dict[str, Any]:
    """Time and print every kernel; return the machine's limits and the rows."""
    limits, rows = steps.limits(settings), []
    print(f"  {'kernel':56s}   {'µs':>10s} {'GFLOP/s':>9s} {'of peak':>8s} {'GB/s':>8s}  of roof")
    for group in filter(settings.wants, GROUPS):
        print(group)
        peak = timing.fma_peak(settings.at_least(0.1)) / 1e9
        limits["peak_gflops"] = max(limits["peak_gflops"], peak)
        for kernel in GROUPS[group](settings.quick):
            rows.append({"group": group} | measure(kernel, limits, settings))
    return {"limits": limits, "rows": rows}
