"""Encode and reconstruct: latency of one sample, throughput of 128; PyTorch and ONNX Runtime.

The three have the same weights, and their outputs are compared before anything is timed. Each gets
its data in the order that it likes: channels last, or channels first.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from aecore._bench import steps, timing
from aecore._bench.timing import Settings
from aecore._bench.workloads import WORKLOADS

NAMES = ("mlp-ae", "conv-ae")
BATCHES = (1, 128)
TOLERANCE = 1e-4


def ours(model: Any, what: str, x: np.ndarray) -> Callable[[], Any]:
    method = model.transform if what == "encode" else model.reconstruct
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
    found = {"aecore": ours(model, what, x)}
    if peers:
        found["PyTorch"] = torch_function(model, what, x)
        if all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")):
            found["ONNX Runtime"] = onnx_function(model, what, x)
    expected = channels_first(found["aecore"]())
    for name, run in found.items():
        output = np.asarray(run()) if name != "aecore" else expected
        error = float(np.abs(output - expected).max())
        if output.shape != expected.shape or error > TOLERANCE:
            raise ValueError(f"{name}: {what} differs from aecore's by up to {error:g}")
    return found


def fitted(name: str, settings: Settings) -> tuple[Any, np.ndarray]:
    """Return a model that has seen a pass of training, and samples."""
    workload = WORKLOADS[name]
    x, _ = workload.data(steps.batches(settings))
    return workload.model().partial_fit(x), x[: BATCHES[-1]]


def measure(name: str, what: str, batch: int, given: Any, settings: Settings) -> dict[str, Any]:
    """Time one method on one batch; return its row, and print it."""
    model, x = given
    runs = contestants(model, what, x[:batch], settings.peers)
    timings = timing.interleave(runs, settings.rounds, settings.at_least(0.1))
    times = {key: t.median * 1e6 for key, t in timings.items()}
    base = timings.pop("aecore")
    row: dict[str, Any] = {"workload": name, "method": what, "batch": batch, "us": times}
    row["ratios"] = {key: timing.ratio(t, base) for key, t in timings.items()}
    line = f"{name:9s} {what:12s} {batch:5d} {times['aecore']:10.0f}"
    line += f" {batch / times['aecore'] * 1e6:12.0f}"
    for key, ratio in row["ratios"].items():
        line += f"   {key} {times[key]:.0f} ({ratio:.2f}x)"
    print(line, flush=True)
    return row


def run(settings: Settings) -> list[dict[str, Any]]:
    """Time and print everything; return the rows."""
    print("model     method       batch  aecore, µs    samples/s   others, µs (ratio)")
    rows = []
    for name in filter(settings.wants, NAMES):
        given = fitted(name, settings)
        for what in ("encode", "reconstruct"):
            rows += [measure(name, what, batch, given, settings) for batch in BATCHES]
    return rows
