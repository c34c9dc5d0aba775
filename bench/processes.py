"""One model trained by two processes of one thread, and by one of two; PyTorch's DDP beside it."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import aecore as ae
from aecore._bench import steps
from aecore._bench.timing import Settings
from aecore._bench.workloads import WORKLOADS, Workload

SIZES = {"conv-ae": 256, "mlp-ae": 1024, "vq-vae": 128}
NAMES = tuple(SIZES)
BATCHES = 8  # of a pass, and as many passes
ROUNDS = 5
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")


def sized(name: str) -> Workload:
    """Return a workload with its batches of this section."""
    return replace(WORKLOADS[name], batch=SIZES[name])


def time_ours(workload: Workload, threads: int) -> float:
    """Return the seconds of a step in parts, which other processes share; 0 in these."""
    comm = ae.distributed.MPI()
    x, y = workload.data(BATCHES)
    model = workload.model().set_params(batch_size=workload.batch, n_threads=threads)
    model.set_params(warm_start=True, epochs=1)
    given = (x,) if y is None else (x, y)
    model.fit(*given, comm=comm)
    comm.allgather(None)
    started = time.perf_counter()
    model.set_params(epochs=BATCHES).fit(*given, comm=comm)
    found = (time.perf_counter() - started) / BATCHES**2
    return 0.0 if comm.rank else found


def time_alone(workload: Workload, threads: int) -> float:
    """Return the seconds of a step of the whole batch in this process."""
    x, y = workload.data(BATCHES)
    model = workload.model().set_params(batch_size=workload.batch, n_threads=threads)
    given = (x,) if y is None else (x, y)
    model.partial_fit(*given)
    started = time.perf_counter()
    for _ in range(BATCHES):
        model.partial_fit(*given)
    return (time.perf_counter() - started) / BATCHES**2


def time_torch(workload: Workload, threads: int) -> float:
    """Return the seconds of a step by PyTorch, which DDP shares with others; 0 in these."""
    import torch
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    from .peers import MODELS

    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = MODELS[workload.name]()
    net.forward = net.loss  # type: ignore[method-assign, assignment]
    run: Any = net
    if size > 1:
        distributed.init_process_group("gloo", rank=rank, world_size=size)
        run = DistributedDataParallel(net)
    x = torch.from_numpy(workload.data(BATCHES)[0])
    if x.ndim == 4:
        x = x.permute(0, 3, 1, 2).contiguous()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, fused=True)

    def one_pass() -> None:
        for part in x.split(workload.batch):
            optimizer.zero_grad(set_to_none=True)
            run(part.chunk(size)[rank]).backward()
            optimizer.step()

    one_pass()
    if size > 1:
        distributed.barrier()
    started = time.perf_counter()
    for _ in range(BATCHES):
        one_pass()
    found = (time.perf_counter() - started) / BATCHES**2
    if size > 1:
        distributed.destroy_process_group()
    return 0.0 if rank else found


TIMES = {"ours": time_ours, "alone": time_alone, "torch": time_torch}
# name: what is timed, processes and threads of each
CONTESTANTS = {
    "one process": ("ours", 1, 2),
    "two processes": ("ours", 2, 1),
    "without parts": ("alone", 1, 2),
    "PyTorch": ("torch", 1, 2),
    "PyTorch DDP": ("torch", 2, 1),
}


def seconds(workload: str, contestant: str) -> float:
    """Run a contestant in processes of its own; return the seconds of a step."""
    what, size, threads = CONTESTANTS[contestant]
    words = [sys.executable, "-m", "bench.processes", workload, what, str(threads)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True}
    if what == "torch" and size > 1:
        port = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(20000 + os.getpid() % 20000)}
        worlds = [
            os.environ | port | {"WORLD_SIZE": str(size), "RANK": str(r)} for r in range(size)
        ]
        started = [subprocess.Popen(words, env=env, **pipes) for env in worlds]
        out = [process.communicate()[0] for process in started][0]
    else:
        assert MPIEXEC is not None
        before = [MPIEXEC, "-n", str(size)] if size > 1 else []
        out = subprocess.run([*before, *words], check=True, **pipes).stdout
    return float(json.loads(out.splitlines()[0]))


def measure(name: str, settings: Settings) -> dict[str, Any]:
    """Time a workload; return its row, and print it."""
    names = [n for n in CONTESTANTS if settings.peers or not n.startswith("PyTorch")]
    found: dict[str, list[float]] = {n: [] for n in names}
    for _ in range(1 if settings.quick else min(settings.rounds, ROUNDS)):
        for contestant in names:
            found[contestant].append(seconds(name, contestant))
    row: dict[str, Any] = {"workload": name, "batch": SIZES[name]}
    row["ms"] = {n: 1e3 * statistics.median(times) for n, times in found.items()}
    pairs = [("one process", "two processes"), ("PyTorch", "PyTorch DDP")]
    row["efficiency"] = {
        two: statistics.median(a / b for a, b in zip(found[one], found[two], strict=True))
        for one, two in pairs
        if two in found
    }
    text = ", ".join(f"{n} {ms:.1f}" for n, ms in row["ms"].items())
    shares = ", ".join(f"{n} {e:.0%}" for n, e in row["efficiency"].items())
    print(f"{name}, batches of {SIZES[name]}, ms: {text}; efficiency: {shares}", flush=True)
    return row


def run(settings: Settings) -> list[dict[str, Any]]:
    """Time and print every workload; return the rows."""
    if MPIEXEC is None:
        print("there is no mpiexec here: pip install 'aecore[mpi]'")
        return []
    return [measure(w.name, settings) for w in steps.chosen(settings) if w.name in NAMES]


if __name__ == "__main__":
    name, what, threads = sys.argv[1:]
    if found := TIMES[what](sized(name), int(threads)):  # the first process alone says it
        print(json.dumps(found), flush=True)
