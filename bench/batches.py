"""Training steps in batches of 16 to 1,024, beside PyTorch (eager) and JAX."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aecore._bench import steps
from aecore._bench.timing import Settings

from .train import HEADER, jax_passes, print_row, torch_passes

NAMES = ("mlp-ae", "conv-ae")
SIZES = (16, 32, 64, 256, 1024)


def others(workload: Any, x: Any) -> dict[str, steps.Pass]:
    """Return the passes of PyTorch and, but for convolutions, of JAX."""
    found = torch_passes(workload, x, ("eager",))
    return found | (jax_passes(workload, x) if workload.name == "mlp-ae" else {})


def run(settings: Settings) -> list[dict[str, Any]]:
    """Time and print every size; return the rows."""
    print(HEADER)
    rows = []
    for workload in steps.chosen(settings):
        if workload.name not in NAMES:
            continue
        for size in SIZES[:1] if settings.quick else SIZES:
            made = replace(workload, batch=size)
            rows.append(steps.measure(made, settings, others if settings.peers else None))
            print(f"in batches of {size}:")
            print_row(rows[-1])
    return rows
