"""Training over a real MPI, where mpi4py is installed."""

import os
import signal
import subprocess
import sys
import time

import aecore as ae
import pytest
from support.ranks import MPIEXEC

pytest.importorskip("mpi4py", exc_type=ImportError)
if MPIEXEC is None:
    pytest.skip("there is no mpiexec", allow_module_level=True)

SCRIPT = """
import hashlib, os, sys
import numpy as np
import aecore as ae
from mpi4py import MPI

what, folder = sys.argv[1:]
comm = ae.distributed.MPI(limit=3) if what == "frozen" else MPI.COMM_WORLD
X = np.random.default_rng(0).random((90, 9, 9, 1), np.float32)
if what.startswith("own"):
    comm = ae.distributed.MPI(limit=30, rows="own")
    ends = [0, 1, 31, 90] if comm.size == 3 else [0, 90]
    X = X[ends[comm.rank] : ends[comm.rank + 1]]


class Model(ae.VAE):
    def terms(self, batch):
        if what == "raise" and comm.rank == 1 and self._network.epoch == 1:
            raise ZeroDivisionError("of my own")
        return super().terms(batch)


def note(state):
    print("epoch", state.epoch, flush=True)


options = {"batch_size": 32, "random_state": 0, "n_threads": 1, "corruption": ae.Masking(0.1)}
epochs = 100_000 if what in ("long", "frozen") else 2
model = Model(ae.Conv((4, 8)), 3, epochs=epochs, callbacks=(note,), **options)
open(os.path.join(folder, f"pid{comm.rank}"), "w").write(str(os.getpid()))
if what == "own passes":
    model = ae.CVAE(ae.Dense((8,)), 3, **options | {"corruption": None})
    for _ in range(2):
        model.partial_fit(X, np.arange(len(X)) % 2 + comm.rank, comm=comm)
else:
    model.fit(X, comm=comm)
digest = hashlib.sha256(model._network.flat.value.tobytes()).hexdigest()
print(f"rank {comm.rank}: {digest}\\n", end="", flush=True)
"""


def start(tmp_path, size, what):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    command = [MPIEXEC, "-n", str(size), sys.executable, str(script), what, str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes)


def test_the_same_bits_on_any_number_of_processes(tmp_path):
    found = {}
    for size in (1, 2, 3):
        out, error = start(tmp_path, size, "").communicate(timeout=120)
        assert out.count("epoch 1") == 1, error  # the first alone calls
        lines = [line for line in out.splitlines() if line.startswith("rank")]
        assert len(lines) == size, error
        found[size] = {line.split()[-1] for line in lines}
    assert found[1] == found[2] == found[3] and len(found[1]) == 1


@pytest.mark.parametrize("what", ["own", "own passes"])
def test_rows_of_ones_own(what, tmp_path):
    found = {}
    for size in (3, 3, 1):
        out, error = start(tmp_path, size, what).communicate(timeout=120)
        lines = [line for line in out.splitlines() if line.startswith("rank")]
        assert len(lines) == size, error
        found.setdefault(size, set()).update(line.split()[-1] for line in lines)
    assert len(found[3]) == 1  # in all processes, each time
    if what == "own":
        out, error = start(tmp_path, 1, "").communicate(timeout=120)
        assert out.split()[-1] in found[1], error


def test_an_error_of_one_ends_all(tmp_path):
    process = start(tmp_path, 3, "raise")
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert error.count("rank 1 of 3 has failed") == 2  # by the others
    assert "ZeroDivisionError: of my own" in error


def test_a_killed_process_ends_all(tmp_path):
    process = start(tmp_path, 3, "long")
    for _ in range(3):  # epochs
        assert process.stdout.readline().startswith("epoch")
    os.kill(int((tmp_path / "pid1").read_text()), signal.SIGKILL)
    started = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode != 0 and time.monotonic() - started < 30


def test_a_frozen_process_is_noticed(tmp_path):
    process = start(tmp_path, 3, "frozen")
    for _ in range(3):
        assert process.stdout.readline().startswith("epoch")
    frozen = int((tmp_path / "pid1").read_text())
    os.kill(frozen, signal.SIGSTOP)
    started = time.monotonic()
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0 and time.monotonic() - started < 30
    assert "rank 1 of 3 has been silent for 3 seconds" in error
    with pytest.raises(ProcessLookupError):  # mpiexec has ended it
        for _ in range(100):
            os.kill(frozen, 0)
            time.sleep(0.1)


def test_what_is_no_communicator_of_mpi4py():
    with pytest.raises(TypeError, match="intracommunicator"):
        ae.distributed.MPI(3)
    with pytest.raises(ValueError, match="limit"):
        ae.distributed.MPI(limit=0)
    with pytest.raises(ValueError, match="rows: expected one of 'all', 'own', got 'some'"):
        ae.distributed.MPI(rows="some")
    assert repr(ae.distributed.MPI(limit=9)) == "MPI(limit=9), rank 0 of 1"
    assert repr(ae.distributed.MPI(rows="own")) == "MPI(limit=1800, rows='own'), rank 0 of 1"


def test_the_command_line(tmp_path):
    def train(*words):
        options = ["--epochs", "2", "--seed", "0", "--threads", "1", "--mpi"]
        command = [*words, sys.executable, "-m", "aecore", "train", "digits", "-o", "m.safetensors"]
        done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("m.safetensors") == 1
        return ae.load(tmp_path / "m.safetensors")._network.flat.value.tobytes()

    assert train() == train(MPIEXEC, "-n", "2")
