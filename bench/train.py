"""Training steps of the workloads beside PyTorch (eager, channels_last, compiled) and JAX."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

from aecore._bench import steps
from aecore._bench.timing import Settings
from aecore._bench.workloads import WORKLOADS

NAMES = tuple(WORKLOADS)
HEADER = "workload          min ms   median  of peak   ratio  best peer"


def torch_passes(
    workload: Any, x: Any, wanted: tuple[str, ...] | None = None
) -> dict[str, steps.Pass]:
    """Return PyTorch's passes over the same data by variant, those that run here."""
    import torch

    from . import peers

    passes = {}
    for variant in wanted or peers.variants(workload.name):
        one_pass = peers.make_pass(workload.name, variant, torch.from_numpy(x), workload.batch)
        try:
            one_pass()
        except Exception as error:  # a compiler that PyTorch misses, say
            print(f"  {variant}: left out, {str(error).splitlines()[0][:120]}")
            continue
        passes[variant] = one_pass
    return passes


def jax_passes(workload: Any, x: Any) -> dict[str, steps.Pass]:
    """Return the pass of JAX, where it is installed and has the workload."""
    if not importlib.util.find_spec("jax"):
        return {}
    from . import jax_peers

    if workload.name not in jax_peers.MODELS:
        return {}
    return {"JAX jit": jax_peers.make_pass(workload.name, x, workload.batch)}


def others(workload: Any, x: Any) -> dict[str, steps.Pass]:
    """Return the passes of PyTorch and of JAX."""
    return torch_passes(workload, x) | jax_passes(workload, x)


def print_row(row: dict[str, Any]) -> None:
    """Print a row and its peers below it."""
    line = f"{row['workload']:15s} {row['ms']:8.2f} {row['ms_median']:8.2f}"
    line += f" {row['share_of_peak']:7.0%}"
    if "ratio" in row:
        line += f" {row['ratio']:7.2f}x  {row['best_peer']}"
    print(line, flush=True)
    for name, peer in row["peers"].items():
        print(f"    {name:24s} {peer['ms']:8.2f} {peer['ms_median']:8.2f} {peer['ratio']:7.2f}x")


def run(settings: Settings) -> list[dict[str, Any]]:
    """Time and print every workload; return the rows."""
    print(HEADER)
    rows = []
    for workload in steps.chosen(settings):
        rows.append(steps.measure(workload, settings, others if settings.peers else None))
        print_row(rows[-1])
    ratios = [row["ratio"] for row in rows if "ratio" in row]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"geometric mean of the ratios: {mean:.2f}x, least {min(ratios):.2f}x")
    return rows
