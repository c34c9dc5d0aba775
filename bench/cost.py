"""What a step of P processes costs: a model of it, and what it says of networks that aren't here.

A process passes its parts of a batch, sends each of the others a slice of their gradient, adds what
it gets of its own slice, sends the sum to all, and takes the step:

    step(P) = each + n * sample + mine * part + mine * n / parts * passes + others' rows / P * row
              + messages * latency + bytes / bandwidth

The times are least squares of steps of one process with one thread, which plays the first of P
(`networks.Alone`). The model is then compared with two processes over MPI whose messages are made
as slow as a network's (`networks.Slow`), and with the CPU time of up to 64 processes on this
machine.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import aecore as ae
import numpy as np
from aecore._bench import timing
from aecore._bench.timing import Settings
from aecore._bench.workloads import COMMON, WORKLOADS, Workload
from aecore.training.group import PARTS, Group
from aecore.training.parts import TreeSum

from . import processes
from .memory import resident
from .networks import NETWORKS, Alone, Network, Slow

TABLE = Workload(
    "table-ae",
    lambda: ae.Autoencoder(ae.Dense((64,)), 8, **COMMON),
    (32,),
    2 * (32 * 64 + 64 * 8),
    32 * 64,
)
SIZES = {name: processes.SIZES[name] for name in ("mlp-ae", "conv-ae", "vq-vae")}
SIZES["table-ae"] = 128
NAMES = tuple(SIZES)
BATCHES = {"table-ae": 32}  # of a pass; of the others 4, as their steps are longer
COUNTS = 1, 2, 4, 8, 16, 32, 64  # of processes
PAYS = {  # processes, parts, speed-up
    "2 faster than 1": (2, PARTS, 1.0),
    "2, `accumulate=2`": (2, 2, 1.0),
    "8 faster than 1": (8, PARTS, 1.0),
    "8 four times as fast": (8, PARTS, 4.0),
}
# Steps that are timed: batches, a whole one being 1; parts, and processes among which they are.
TIMED = [
    (share, parts, size)
    for share in (0.25, 1)
    for parts, size in ((1, 1), (2, 2), (8, 1), (8, 2), (8, 8), (32, 1), (32, 8), (32, 32))
]
CROWD_PASSES = 5
STRONG, WEAK = 4096, 64  # samples of a batch, and of each process's share of it, in a crowd


def nodes(parts: int, size: int, rank: int) -> int:
    """Return how many sums a process sends: nodes of the tree that hold its parts and no other."""
    first, end, count = parts * rank // size, parts * (rank + 1) // size, 0
    while first < end:
        width = first & -first or 1 << parts.bit_length()
        while first + width > end:
            width //= 2
        first, count = first + width, count + 1
    return count


@dataclass(frozen=True)
class Cost:
    """What a step of a model costs, in seconds of one thread.

    Attributes
    ----------
    each : float
        Of every step: the optimiser's, norms, Python.
    sample : float
        Of a sample of the whole batch, which every process gathers.
    part, passes : float
        Of a part that is passed, and of a sample in it.
    row : float
        Of a gradient that is added.
    params, told : int
        Numbers in a gradient, and bytes of a part's sums, which go to all too.
    """

    each: float
    sample: float
    part: float
    passes: float
    row: float
    params: int
    told: int = 0

    def whole(self, n: int) -> float:
        """Return the seconds of a step of one process that passes the batch whole."""
        return self.each + n * self.sample + self.part + n * self.passes

    def passing(self, n: int, parts: int, size: int) -> float:
        """Return those of the passes of the process that has most parts."""
        return math.ceil(parts / size) * (self.part + n / parts * self.passes)

    def shared(self, n: int, parts: int, size: int) -> float:
        """Return those of what every process does."""
        rows = sum(nodes(parts, size, rank) for rank in range(size)) if size > 1 else 1
        return self.each + n * self.sample + (rows - 1) / size * self.row

    def sent(self, parts: int, size: int) -> tuple[int, int]:
        """Return the messages and bytes that the busiest link carries one way in a step."""
        rows = [nodes(parts, size, rank) for rank in range(size)]
        others, most = size - 1, max(rows)
        told = others * math.ceil(parts / size) * self.told
        # slices of its sums to others, or of the others' to it; then the sum of a slice to all
        gradients = (max(others * most, sum(rows) - min(rows)) + others) / size
        return others * (2 + most), math.ceil(4 * self.params * gradients) + told

    def step(self, network: Network, n: int, size: int, parts: int) -> float:
        """Return the seconds of a step of so many processes."""
        own = self.passing(n, parts, size) + self.shared(n, parts, size)
        return own + network.seconds(*self.sent(parts, size))

    def smallest(self, network: Network, size: int, parts: int, speedup: float) -> int | None:
        """Return the smallest batch for which processes are so many times as fast as one."""
        low, high = parts - 1, 1 << 20
        if self.whole(high) < speedup * self.step(network, high, size, parts):
            return None
        while high - low > 1:
            n = (low + high) // 2
            pays = self.whole(n) >= speedup * self.step(network, n, size, parts)
            low, high = (low, n) if pays else (n, high)
        return high

    def speedup(self, network: Network, n: int, size: int) -> float:
        """Return how many times as fast as one process, and its whole batches, so many are."""
        if size == 1:
            return 1.0
        return self.whole(n) / self.step(network, n, size, max(PARTS, size))

    def bounds(self, network: Network, n: int, size: int) -> dict[str, float]:
        """Return the speed-up as it is, and what it could be at best if messages went otherwise.

        "overlapped": all of a gradient's way while the passes go on.
        """
        parts = max(PARTS, size)
        passing, shared = self.passing(n, parts, size), self.shared(n, parts, size)
        gather = network.seconds(*self.sent(parts, size))
        seconds = {
            "as it is": passing + shared + gather,
            "overlapped": max(passing, gather) + shared,
        }
        return {name: self.whole(n) / s for name, s in seconds.items()}


def workload(name: str) -> Workload:
    """Return a workload with its batches of this section."""
    return replace(TABLE if name == TABLE.name else WORKLOADS[name], batch=SIZES[name])


def fitted(made: Workload, n: int, parts: int, comm: Any) -> Any:
    """Return a model after a pass, and the data to go on with, in batches of n samples."""
    x, y = replace(made, batch=n).data(BATCHES.get(made.name, 4))
    assert y is None
    options: dict[str, Any] = {"batch_size": n, "n_threads": 1, "accumulate": parts}
    model = made.model().set_params(warm_start=True, epochs=1, **options)
    return model.fit(x, comm=comm), x


def seconds(model: Any, x: np.ndarray, comm: Any) -> float:
    """Return those of a step, in another pass."""
    model.fit(x, comm=comm)
    return model.history_[-1]["seconds"] / (len(x) // model.batch_size)


# ---- one process ---------------------------------------------------------------------------------


def least_squares(columns: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the factors, none below 0, with which columns add up to times, relative to these."""
    kept = list(range(columns.shape[1]))
    while True:
        found = np.linalg.lstsq(columns[:, kept] / wanted[:, None], np.ones(len(wanted)))[0]
        if found.min() >= 0:
            factors = np.zeros(columns.shape[1])
            factors[kept] = found
            return factors
        del kept[int(found.argmin())]


def time_row(params: int, rounds: int) -> float:
    """Return the seconds of adding one of many gradients."""
    rows, total, found = np.ones((16, params), np.float32), TreeSum(params), []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        for i, row in enumerate(rows):
            total.add(row, i)
        total.take()
        found.append((time.perf_counter() - started) / len(rows))
    return min(found[1:])


def fit(name: str, settings: Settings) -> tuple[Cost, list[dict[str, float]]]:
    """Time the steps of one process; return what fits them, and each beside what the fit says."""
    made = workload(name)
    largest = 8 * made.batch if name == TABLE.name else made.batch  # it is for the crowd's too
    points = [(int(share * largest), parts, size) for share, parts, size in TIMED]
    comms = [Alone(size) if parts > 1 else None for _, parts, size in points]
    models = [fitted(made, n, p, comm) for (n, p, _), comm in zip(points, comms, strict=True)]
    rounds = 1 if settings.quick else settings.rounds
    times: list[list[float]] = [[] for _ in points]
    for _ in range(rounds):
        for found, (model, x), comm in zip(times, models, comms, strict=True):
            found.append(seconds(model, x, comm))
    wanted = np.array([min(found) for found in times])
    columns = np.array([[1, n, p // size, n // size] for n, p, size in points], float)
    factors = least_squares(columns, wanted)
    params = int(models[0][0]._network.flat.grad.size)
    told = next(c.told for c, (*_, size) in zip(comms, points, strict=True) if c and size == PARTS)
    steps = [
        {"batch": n, "parts": p, "processes": size, "ms": 1e3 * t, "fit_ms": 1e3 * f}
        for (n, p, size), t, f in zip(points, wanted, columns @ factors, strict=True)
    ]
    return Cost(*map(float, factors), time_row(params, rounds), params, told), steps


# ---- several -------------------------------------------------------------------------------------


def started(size: int, *words: object) -> dict[str, Any]:
    """Run a child of this module in so many processes; return what the first prints."""
    assert processes.MPIEXEC is not None
    command = [processes.MPIEXEC, "-n", str(size), sys.executable, "-m", "bench.cost"]
    done = subprocess.run([*command, *map(str, words)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def simulated(comm: Any, name: str, rounds: int) -> dict[str, Any]:
    """Return the ms of a step by network; those of own shares at one time, and of this MPI.

    "none" is no network beside this machine's MPI.
    """
    made = workload(name)
    alone = Alone(comm.size)
    own_model, _ = fitted(made, made.batch, PARTS, alone)
    comms = {"none": Slow(comm)} | {net.name: Slow(comm, net) for net in NETWORKS}
    model, x = fitted(made, made.batch, PARTS, comms["none"])
    times: dict[str, list[float]] = {net: [] for net in comms}
    times["own"] = []
    for _ in range(rounds):
        comm.allgather(None)
        times["own"].append(max(comm.allgather(seconds(own_model, x, alone))))
        for net, slow in comms.items():
            times[net].append(seconds(model, x, slow))
    params, host = model._network.flat.grad.size, []
    mine, whole = [np.ones(params, np.float32)], np.empty(params, np.float32)
    slices = Group(comm).slices(params)
    for _ in range(10 * rounds):
        comm.allgather(None)
        begun = time.perf_counter()
        comm.allgather(None)
        comm.scatter_rows(mine, slices, [1] * comm.size)
        comm.gather_slices(whole, slices)
        host.append(time.perf_counter() - begun)
    found = {net: 1e3 * min(t) for net, t in times.items()}
    return {"own_ms": found.pop("own"), "ms": found, "host_ms": 1e3 * min(host)}


def crowd(comm: Any, passes: int) -> list[dict[str, Any]]:
    """Return what a step takes of all processes together, who share few cores."""
    rows, crowded = [], replace(TABLE, name="crowd")
    for kind, n, parts in (
        ("strong", STRONG, COUNTS[-1]),
        ("weak", WEAK * comm.size, max(PARTS, comm.size)),
    ):
        slow = Slow(comm)
        model, x = fitted(crowded, n, parts, slow)
        begun = used(slow)
        model.fit(x, comm=slow)
        once = used(slow) - begun  # what fit does before and after its passes too
        begun = used(slow)
        model.set_params(epochs=1 + passes).fit(x, comm=slow)
        cpu, waited, volume, wall = used(slow) - begun - once
        digest = hashlib.sha256(model._network.flat.value.tobytes()).hexdigest()
        all_said = comm.allgather((cpu, waited, volume, resident("VmHWM"), digest))
        *numbers, digests = zip(*all_said, strict=True)
        cpu, waited, volume, memory = map(sum, numbers)
        steps = passes * len(x) // n
        row: dict[str, Any] = {"kind": kind, "processes": comm.size, "batch": n, "parts": parts}
        row |= {"work_ms": 1e3 * (cpu - waited) / steps, "message_ms": 1e3 * waited / steps}
        row |= {"wall_ms": 1e3 * wall / steps, "sent_mb": volume / steps / 1e6}
        row |= {"memory_mb": memory / comm.size / 1e6, "digests": sorted(set(digests))}
        rows.append(row)
    return rows


def used(slow: Slow) -> np.ndarray:
    """Return seconds of CPU, those of them in messages, bytes sent, and seconds, so far."""
    return np.array([sum(os.times()[:2]), slow.cpu, slow.volume, time.perf_counter()])


# ---- all of it -----------------------------------------------------------------------------------


def measure(name: str, settings: Settings) -> dict[str, Any]:
    """Fit the model to a workload, and compare it with two processes; return what it says."""
    cost, steps = fit(name, settings)
    n = SIZES[name]
    apart = [abs(step["fit_ms"] / step["ms"] - 1) for step in steps]
    print(
        f"{name}, us: {1e6 * cost.each:.0f} each step, {1e6 * cost.sample:.2f} a sample, "
        f"{1e6 * cost.part:.0f} a part, {1e6 * cost.passes:.1f} a sample's passes, "
        f"{1e6 * cost.row:.0f} a gradient of {cost.params} added; {statistics.median(apart):.0%} "
        f"apart, at most {max(apart):.0%}",
        flush=True,
    )
    row: dict[str, Any] = {"workload": name, "batch": n, "cost": asdict(cost), "steps": steps}
    row |= {"speedup": {}, "smallest": {}, "bounds": {}}
    for net in NETWORKS:
        row["speedup"][net.name] = {str(p): cost.speedup(net, n, p) for p in COUNTS}
        row["smallest"][net.name] = {k: cost.smallest(net, *what) for k, what in PAYS.items()}
        row["bounds"][net.name] = cost.bounds(net, n, PARTS)
    row["sent"] = {str(p): cost.sent(max(PARTS, p), p) for p in COUNTS[1:]}
    rounds = 1 if settings.quick else settings.rounds
    found = started(2, "simulated", name, rounds)
    found["fit_ms"] = 1e3 * (cost.passing(n, PARTS, 2) + cost.shared(n, PARTS, 2) - cost.row / 2)
    here = found["own_ms"] + 1e3 * cost.row / 2 + found["host_ms"]
    found["model_ms"] = {"none": here}
    for net in NETWORKS:
        found["model_ms"][net.name] = here + 1e3 * net.seconds(*cost.sent(PARTS, 2))
    print(
        f"  own share {found['fit_ms']:.2f} ms by the fit, {found['own_ms']:.2f} where both are "
        f"busy; messages of this machine {found['host_ms']:.2f}"
    )
    for net, ms in found["ms"].items():
        said = found["model_ms"][net]
        print(f"  two processes, {net}: {ms:.2f} ms, model {said:.2f} ({said / ms - 1:+.0%})")
    return row | {"simulated": found}


def run(settings: Settings) -> dict[str, Any]:
    """Measure and print every workload; return the rows."""
    if processes.MPIEXEC is None:
        print("there is no mpiexec here: pip install 'aecore[mpi]'")
        return {}
    rows = [measure(name, settings) for name in NAMES if settings.wants(name)]
    here = timing.machine() | {"peers": {}}  # there are none
    found: dict[str, Any] = {"machine": here, "rows": rows, "crowd": []}
    found["networks"] = [asdict(net) for net in NETWORKS]
    cost = next((Cost(**row["cost"]) for row in rows if row["workload"] == TABLE.name), None)
    for size in COUNTS[: 2 if settings.quick else None] if cost else ():
        for row in started(size, "crowd", 1 if settings.quick else CROWD_PASSES):
            n, parts = row["batch"], row["parts"]
            passing = n * cost.passes + parts * cost.part
            row["model_ms"] = 1e3 * (passing + size * cost.shared(n, parts, size))
            found["crowd"].append(row)
            print(
                f"{row['kind']}, {size} processes: {row['work_ms']:.1f} ms of CPU a step, model "
                f"{row['model_ms']:.1f}, {row['message_ms']:.1f} in messages, {row['wall_ms']:.1f} "
                f"ms of time, {row['memory_mb']:.0f} MB each",
                flush=True,
            )
    return found


if __name__ == "__main__":
    what, *words, times = sys.argv[1:]
    comm = ae.distributed.MPI()
    result = {"simulated": simulated, "crowd": crowd}[what](comm, *words, int(times))
    if comm.rank == 0:  # the first alone says it
        print(json.dumps(result), flush=True)
