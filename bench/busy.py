"""Training steps while another process keeps one core busy, beside quiet ones; PyTorch and JAX too.

With the cores c, a fair scheduler leaves c - 1/2 of them: the least that the ratio can be is
c / (c - 1/2), if the work moves to where there is room.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from aecore._bench import steps, timing
from aecore._bench.timing import Settings

from .train import jax_passes, torch_passes

NAMES = ("mlp-ae", "conv-ae", "vq-vae", "cvae", "lstm-ae", "transformer-ae")
SPIN = """
import os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
print(flush=True)
while True:
    pass
"""


@contextlib.contextmanager
def neighbour() -> Iterator[None]:
    """Have a process that keeps one core busy meanwhile."""
    process = subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


def measure(workload: Any, settings: Settings) -> dict[str, Any]:
    """Time one workload; return its row, and print it."""
    n = 1 if settings.quick else 2
    x, y = workload.data(n)
    runs = {"aecore": steps.aecore_pass(workload, x, y)}
    if settings.peers:
        runs |= torch_passes(workload, x, ("eager",)) | jax_passes(workload, x)
    quiet, busy = ({name: timing.Timing() for name in runs} for _ in range(2))
    least = settings.at_least(0.2)
    for _ in range(min(settings.rounds, 5)):
        for found, beside in ((quiet, contextlib.nullcontext), (busy, neighbour)):
            with beside():
                turn = timing.interleave(runs, 1, least)
            for name, t in turn.items():
                found[name].seconds += t.seconds
    row: dict[str, Any] = {"workload": workload.name}
    line = f"{workload.name:15s}"
    for name in runs:
        ratio = timing.ratio(busy[name], quiet[name])
        ms = [t[name].median / n * 1e3 for t in (quiet, busy)]
        row[name] = {"quiet_ms": ms[0], "busy_ms": ms[1], "ratio": ratio}
        line += f" {ms[0]:9.2f} {ms[1]:9.2f} {ratio:6.2f}x"
        if name != "aecore":
            times = timing.ratio(busy[name], busy["aecore"])
            row[name]["beside_ours"] = times
            line += f" {times:6.2f}x ({name})"
    print(line, flush=True)
    return row


def run(settings: Settings) -> dict[str, Any]:
    """Time and print every workload; return the bound and the rows."""
    cores = timing.cores()
    bound = cores / (cores - 0.5)
    print(f"the least possible ratio on {cores} cores: {bound:.2f}x")
    columns = f" {'quiet':>9s} {'busy':>9s} {'ratio':>7s}"
    print(f"{'workload, ms':15s}" + columns + (columns + " busy, beside ours") * settings.peers)
    wanted = [w for w in steps.chosen(settings) if w.name in NAMES]
    return {"bound": bound, "rows": [measure(w, settings) for w in wanted]}
