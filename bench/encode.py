"""Encode and reconstruct: one sample, in a loop and after pauses, and 128 at once; with peers.

Ours is a predictor, in float32 and in bfloat16; PyTorch and ONNX Runtime have the same weights, and
outputs are compared before anything is timed. Each gets its data in the order that it likes:
channels last, or channels first.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from aecore._bench import steps, timing
from aecore._bench.timing import Settings
from aecore._bench.workloads import WORKLOADS

NAMES = ("mlp-ae", "conv-ae")
BATCHES = (1, 128)
PAUSES = (0.001, 0.05)  # seconds before each call of one sample
TOLERANCE = 1e-4
BFLOAT16 = 0.05  # of the largest output
CALLS = 15  # of a contestant's turn, where there are pauses


def ours(model: Any, what: str, x: np.ndarray, precision: str) -> Callable[[], Any]:
    predictor = model.frozen(precision)
    method = predictor.transform if what == "encode" else predictor.reconstruct
    return lambda: method(x)


def channels_first(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def torch_function(model: Any, what: str, x: np.ndarray) -> Callable[[], Any]:
    """Return the same in PyTorch, eager in inference mode."""
    import torch

    from . import twins

    network, data = twins.module(model, what), torch.from_numpy(channels_first(x))

    def run() -> Any:
        with torch.inference_mode():
            return network(data)

    return run


def onnx_function(model: Any, what: str, x: np.ndarray) -> Callable[[], Any]:
    """Return the same in ONNX Runtime."""
    import onnxruntime

    from . import onnx_graph

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = timing.ae.get_num_threads()
    session = onnxruntime.InferenceSession(
        onnx_graph.export(model, what), options, providers=["CPUExecutionProvider"]
    )
    feed = {"x": channels_first(x)}
    return lambda: session.run(None, feed)[0]


def contestants(model: Any, what: str, x: np.ndarray, peers: bool) -> dict[str, Any]:
    """Return a function for each library; ValueError if one gives something else."""
    found = {
        "aecore": ours(model, what, x, "float32"),
        "bfloat16": ours(model, what, x, "bfloat16"),
    }
    if peers:
        found["PyTorch"] = torch_function(model, what, x)
        if all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")):
            found["ONNX Runtime"] = onnx_function(model, what, x)
    expected = channels_first(found["aecore"]())
    for name, run in found.items():
        output = np.asarray(run())
        output = channels_first(output) if name in ("aecore", "bfloat16") else output
        error = float(np.abs(output - expected).max())
        allowed = BFLOAT16 * np.abs(expected).max() if name == "bfloat16" else TOLERANCE
        if output.shape != expected.shape or error > allowed:
            raise ValueError(f"{name}: {what} differs from aecore's by up to {error:g}")
    return found


def fitted(name: str, settings: Settings) -> tuple[Any, np.ndarray]:
    """Return a model that has seen a pass of training, and samples."""
    workload = WORKLOADS[name]
    x, _ = workload.data(steps.batches(settings))
    return workload.model().partial_fit(x), x[: BATCHES[-1]]


def after_pauses(runs: dict[str, Any], pause: float, settings: Settings) -> dict[str, Any]:
    """Time single calls with a pause before each, some of one contestant after another."""
    timings = {name: timing.Timing() for name in runs}
    for _ in range(settings.rounds):
        for name, call in runs.items():
            taken = []
            time.sleep(timing.SETTLE)
            for _ in range(1 if settings.quick else CALLS):
                time.sleep(pause)
                start = time.perf_counter()
                call()
                taken.append(time.perf_counter() - start)
            timings[name].seconds.append(statistics.median(taken))
    return timings


def measure(
    name: str, what: str, batch: int, pause: float, given: Any, settings: Settings
) -> dict[str, Any]:
    """Time one method on one batch; return its row, and print it."""
    model, x = given
    runs = contestants(model, what, x[:batch], settings.peers)
    if pause:
        timings = after_pauses(runs, pause, settings)
    else:
        timings = timing.interleave(runs, settings.rounds, settings.at_least(0.1))
    times = {key: t.median * 1e6 for key, t in timings.items()}
    base = timings.pop("aecore")
    row: dict[str, Any] = {"workload": name, "method": what, "batch": batch, "pause": pause}
    row["us"] = times
    row["ratios"] = {key: timing.ratio(t, base) for key, t in timings.items()}
    line = f"{name:9s} {what:12s} {batch:5d} {1e3 * pause:6.0f} {times['aecore']:10.0f}"
    for key, ratio in row["ratios"].items():
        line += f"   {key} {times[key]:.0f} ({ratio:.2f}x)"
    print(line, flush=True)
    return row


def run(settings: Settings) -> list[dict[str, Any]]:
    """Time and print everything; return the rows."""
    print("model     method       batch  pause, ms  aecore, µs   others, µs (ratio)")
    rows = []
    for name in filter(settings.wants, NAMES):
        given = fitted(name, settings)
        for what in ("encode", "reconstruct"):
            cases = [(batch, 0.0) for batch in BATCHES] + [(1, pause) for pause in PAUSES]
            rows += [measure(name, what, *case, given, settings) for case in cases]
    return rows
