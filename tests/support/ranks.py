"""Let one of several processes that train together fail at a random moment; look how all end.

    python tests/support/ranks.py [N] [SEED]        by default 200 and 0

One raises an error, is killed, is stopped, has a full disk or other data than the rest. All are to
end within half a minute, with a message that names the one; and a training that goes on, with
another number of processes, arrives at the bits of one that nothing has happened to. This needs
mpi4py and mpiexec.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 30  # within which all are to end
LIMIT = 5  # for which a process may be silent
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
SCRIPT = """
import hashlib, json, os, resource, sys
import numpy as np
import aecore as ae

fault, rank, epoch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
comm = ae.distributed.MPI(limit=LIMIT)
mine = comm.rank == rank
X = np.random.default_rng(0).random((90, 9, 9, 1), np.float32)
if fault == "data" and mine:
    X[epoch] += np.float32(0.5)


class Model(ae.VAE):
    def terms(self, batch):
        if mine and self._network.epoch == epoch:
            if fault == "error":
                raise ZeroDivisionError("of one's own")
            if fault == "disk":
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        return super().terms(batch)


def note(state):
    print("epoch", state.epoch, flush=True)


options = {"batch_size": 32, "random_state": 0, "n_threads": 1, "corruption": ae.Masking(0.1)}
options |= {"epochs": EPOCHS, "callbacks": (note,), "checkpoint": "run.ae"}
with open(f"pid{comm.rank}", "w") as file:
    file.write(str(os.getpid()))
model = Model(ae.Conv((4, 8)), 3, validation_fraction=0.2, **options).fit(X, comm=comm, resume=True)
if comm.rank == 0:
    found = hashlib.blake2b()
    for name, array in sorted(model._network.arrays().items()):
        found.update(name.encode() + array.tobytes())
    history = [{k: v for k, v in r.items() if k != "seconds"} for r in model.history_]
    print("digest", found.hexdigest(), hashlib.blake2b(repr(history).encode()).hexdigest())
"""
EPOCHS = 40
FAULTS = "error", "kill", "stop", "disk", "data"


def start(folder, size, fault="", rank=0, epoch=0):
    script = folder / "train.py"
    script.write_text(SCRIPT.replace("LIMIT", str(LIMIT)).replace("EPOCHS", str(EPOCHS)))
    words = [MPIEXEC, "-n", str(size), sys.executable, str(script), fault, str(rank), str(epoch)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, cwd=folder, **pipes)


def end(process, seconds=SECONDS):
    """Return what processes have printed, and whether they have ended in time."""
    try:
        return *process.communicate(timeout=seconds), True
    except subprocess.TimeoutExpired:
        process.kill()
        return *process.communicate(), False


def digest(folder, size):
    """Train to the end, going on where training has been; return the digest."""
    out, error, _ = end(start(folder, size), 600)
    lines = [line for line in out.splitlines() if line.startswith("digest")]
    return lines[0] if lines else error[-1000:]


def disturb(draw, folder, fault):
    """Let one fail; return what is wrong with how all have ended."""
    size = draw.choice((2, 3))
    rank = 0 if fault == "disk" else draw.randrange(size)
    if fault == "data" and rank == 0:
        rank = 1
    epoch = draw.randrange(EPOCHS - 1)  # behind the last one MPI's own end has no limit
    process = start(folder, size, fault, rank, epoch)
    if fault in ("kill", "stop"):
        for line in process.stdout:
            if line.split() == ["epoch", str(epoch + 1)]:
                break
        time.sleep(0.02 * draw.random())
        pid = int((folder / f"pid{rank}").read_text())
        os.kill(pid, signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
    out, error, in_time = end(process)
    if not in_time:
        return [f"no end within {SECONDS} seconds"]
    if process.returncode == 0:
        return [] if epoch >= EPOCHS - 2 else ["no error"]
    named = f"rank {rank}" in error
    if fault == "kill":  # mpiexec ends the others at once, and names one of them by its number
        named = "signal 9" in out + error
    return [] if named else [f"rank {rank} isn't named: {out[-300:]} {error[-300:]}"]


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    draw, began, lost = random.Random(seed), time.monotonic(), 0
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name, "whole")
        whole.mkdir()
        wanted = digest(whole, 1)
        for i in range(times):
            folder, fault = Path(name, str(i)), FAULTS[i % len(FAULTS)]
            folder.mkdir()
            wrong = disturb(draw, folder, fault)
            if (found := digest(folder, draw.choice((1, 2, 3)))) != wanted:
                wrong.append(f"other bits than those of an undisturbed training: {found}")
            lost += len(wrong)
            for text in wrong:
                print(f"{i}, {fault}: {text}", flush=True)
            if (i + 1) % 20 == 0:
                print(f"{i + 1} faults, {time.monotonic() - began:.0f} s", flush=True)
            shutil.rmtree(folder)
    seconds = time.monotonic() - began
    print(f"ranks: {times} faults in {seconds:.0f} s, seed {seed}, {lost} wrong ends")
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main())
