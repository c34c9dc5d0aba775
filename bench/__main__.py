"""Time aecore beside PyTorch on the reference workloads: ms a step, ratio, share of the peak.

usage: python -m bench [--only NAME ...] [--rounds N] [--json FILE] [--no-peers]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from typing import Any

from . import timing
from .workloads import WORKLOADS, Workload

BATCHES = 8  # of a pass


def aecore_pass(workload: Workload, x: Any, y: Any) -> Callable[[], None]:
    model = workload.model()
    arguments = (x,) if y is None else (x, y)
    return lambda: model.partial_fit(*arguments)


def contestants(workload: Workload, peers: bool) -> dict[str, Callable[[], None]]:
    """Return a function for each, that trains over the same batches once."""
    x, y = workload.data(BATCHES)
    passes = {"aecore": aecore_pass(workload, x, y)}
    if peers:
        import torch

        from . import peers as torch_peers

        for variant in torch_peers.variants(workload.name):
            data = torch.from_numpy(x)
            one_pass = torch_peers.make_pass(workload.name, variant, data, workload.batch)
            try:
                one_pass()
            except Exception as error:  # a compiler that PyTorch misses, say
                print(f"  {variant}: left out, {str(error).splitlines()[0][:120]}")
                continue
            passes[variant] = one_pass
    return passes


def measure(workload: Workload, rounds: int, peers: bool) -> dict[str, Any]:
    """Run one workload; return its row, and print it."""
    peak = timing.fma_peak()
    timings = timing.interleave(contestants(workload, peers), rounds, 0.4)
    peak = max(peak, timing.fma_peak())
    ours = timings.pop("aecore")
    row: dict[str, Any] = {
        "workload": workload.name,
        "gflop": workload.flops / 1e9,
        "peak_gflops": peak / 1e9,
        "ms": ours.best / BATCHES * 1e3,
        "ms_median": ours.median / BATCHES * 1e3,
        "share_of_peak": workload.flops / (ours.best / BATCHES) / peak,
        "peers": {
            name: {
                "ms": t.best / BATCHES * 1e3,
                "ms_median": t.median / BATCHES * 1e3,
                "ratio": timing.ratio(t, ours),
            }
            for name, t in timings.items()
        },
    }
    if timings:
        best = min(timings, key=lambda name: timings[name].median)
        row["best_peer"], row["ratio"] = best, row["peers"][best]["ratio"]
    print_row(row)
    return row


def print_row(row: dict[str, Any]) -> None:
    line = f"{row['workload']:10s} {row['ms']:8.2f} {row['ms_median']:8.2f}"
    line += f" {row['share_of_peak']:7.0%}"
    if "ratio" in row:
        line += f" {row['ratio']:7.2f}x  {row['best_peer']}"
    print(line, flush=True)
    for name, peer in row["peers"].items():
        print(f"    {name:24s} {peer['ms']:8.2f} {peer['ms_median']:8.2f} {peer['ratio']:7.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="write the figures there")
    parser.add_argument("--no-peers", action="store_true", help="time aecore alone")
    options = parser.parse_args()
    peers = not options.no_peers
    if peers:
        try:
            import torch

            torch.set_num_threads(timing.ae.get_num_threads())
        except ImportError:
            print("PyTorch isn't installed here: timing aecore alone", file=sys.stderr)
            peers = False
    about = timing.machine() | {"bandwidth_gb": timing.bandwidth() / 1e9}
    print(json.dumps(about))
    print("workload     min ms   median  of peak   ratio  best peer")
    rows = [measure(WORKLOADS[name], options.rounds, peers) for name in options.only]
    ratios = [row["ratio"] for row in rows if "ratio" in row]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"geometric mean of the ratios: {mean:.2f}x, least {min(ratios):.2f}x")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": about, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
