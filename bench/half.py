"""Training with products of bfloat16: steps beside float32 and PyTorch's, and where they end."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

import aecore as ae
from aecore._bench import steps, timing
from aecore._bench.timing import Settings
from aecore._bench.workloads import WORKLOADS, Workload

from .train import torch_passes

BATCHES = {"mlp-ae": (128, 512), "cvae": (128,), "transformer-ae": (64, 256)}
NAMES = tuple(BATCHES)
SEEDS = range(3)
EPOCHS = {"mlp-ae": 10, "cvae": 10, "transformer-ae": 20}
ROWS = 20_000  # of MNIST


def models(workload: Workload) -> dict[str, Any]:
    """Return the model of a workload by precision."""
    made = {p: workload.model() for p in ("float32", "bfloat16")}
    return {p: m.set_params(precision=p, batch_size=workload.batch) for p, m in made.items()}


def measure(workload: Workload, settings: Settings) -> dict[str, Any]:
    """Time a workload; return its row, and print it."""
    n = max(1, 2048 // workload.batch) if not settings.quick else 1
    x, y = workload.data(n)
    given = (x,) if y is None else (x, y)
    runs: dict[str, steps.Pass] = {
        p: lambda m=m: m.partial_fit(*given) for p, m in models(workload).items()
    }
    if settings.peers:
        runs |= torch_passes(workload, x, ("eager", "eager bfloat16", "compiled bfloat16"))
    timings = timing.interleave(runs, settings.rounds, settings.at_least(0.4))
    row: dict[str, Any] = {"workload": workload.name, "batch": workload.batch}
    row["ms"] = {name: t.median / n * 1e3 for name, t in timings.items()}
    ours = timings["bfloat16"]
    row["beside"] = {k: timing.ratio(t, ours) for k, t in timings.items() if k != "bfloat16"}
    print(
        f"{workload.name}, batches of {workload.batch}: {row['ms']['bfloat16']:.2f} ms; beside it"
    )
    for name, times in row["beside"].items():
        print(f"    {name:24s} {row['ms'][name]:8.2f} {times:7.2f}x", flush=True)
    return row


def data(name: str) -> tuple[Any, ...] | None:
    """Return what a workload's model learns, by aecore.datasets; None if it isn't here."""
    try:
        if name == "transformer-ae":
            return (ae.datasets.load_ecg5000()[2][:1000],)
        x, y, *_ = ae.datasets.load_mnist()
    except OSError:
        return None
    x, y = x[:ROWS].reshape(-1, 784), y[:ROWS]
    return (x, y) if WORKLOADS[name].labels else (x,)


def losses(name: str, settings: Settings) -> dict[str, Any] | None:
    """Return the last epochs' losses by precision and seed, and print them."""
    given = data(name)
    if given is None:
        print(f"{name}: its data aren't here (see aecore.datasets), so that no loss is compared")
        return None
    if settings.quick:
        given = tuple(a[:256] for a in given)
    found: dict[str, list[float]] = {}
    for precision, model in models(WORKLOADS[name]).items():
        model.set_params(epochs=1 if settings.quick else EPOCHS[name])
        found[precision] = []
        for seed in SEEDS:
            model.set_params(random_state=seed).fit(*given)
            found[precision].append(model.history_[-1]["loss"])
    return found


def run(settings: Settings) -> dict[str, Any]:
    """Time and print every workload, and compare what they arrive at."""
    wanted = [w for w in steps.chosen(settings) if w.name in NAMES]
    rows = [measure(replace(w, batch=n), settings) for w in wanted for n in BATCHES[w.name]]
    ends = {}
    for workload in wanted:
        found = losses(workload.name, settings)
        if found is not None:
            ends[workload.name] = found
            pairs = zip(*found.values(), strict=True)
            apart = [half / full - 1 for full, half in pairs]
            print(
                f"{workload.name}: the last loss is {statistics.mean(apart):+.2%} apart, of seeds "
                + ", ".join(f"{a:+.2%}" for a in apart)
            )
    return {"rows": rows, "losses": ends}
