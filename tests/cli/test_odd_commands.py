"""Command lines that nobody thinks of, each refused in a sentence; `make commands` takes 10,000."""

import os
import subprocess
import sys
from pathlib import Path

import aecore as ae
import numpy as np
import pytest
from support.commands import complaint

FUZZ = Path(__file__).parents[2] / "tools" / "fuzz_commands.py"


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or not FUZZ.exists(), reason="has /dev/full"
)
def test_odd_command_lines():
    for package in ("matplotlib", "pandas", "PIL", "pyarrow"):
        pytest.importorskip(package)
    command = [sys.executable, FUZZ, "150", "1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, (run.stdout[-3000:], run.stderr[-3000:])
    assert run.stdout.startswith("commands: 150 (") and run.stdout.endswith(", 0 faults\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with models and arrays."""
    found = tmp_path_factory.mktemp("odd")
    X = np.random.default_rng(0).random((24, 4), np.float32)
    model = ae.CVAE(ae.Dense((4,)), 2, epochs=1, batch_size=8, random_state=0)
    model.fit(X, np.arange(24) % 2).save(found / "cvae.safetensors")
    np.save(found / "x.npy", X)
    np.save(found / "void.npy", np.zeros((24, 4), "V8"))
    np.save(found / "words.npy", np.full((24, 4), "red"))
    with open(found / "huge.npy", "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**10, 4)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(X.tobytes())
    return found


@pytest.mark.parametrize(
    "call, message",
    [
        ("train  -o m.safetensors", "DATA: expected a file, a folder or a set, got an empty name"),
        ("train x.npy -o -", "-: expected a file for the model, got stdout"),
        ("train x.npy -o m.safetensors --checkpoint -", "-: expected a file for the model, got"),
        (
            "train x.npy -o m.safetensors --latent-dim 2 --batch-size 4 --learning-rate 1e30",
            "training stopped in epoch 1",
        ),
        ("train x.npy -o m.safetensors --bits x", "--bits: expected a whole number, got 'x'"),
        ("train x.npy -o m.safetensors --size 1xé", "--size: expected a whole number, got 'é'"),
        ("plot errors cvae.safetensors x.npy -o p.png --rows 1.5", "a whole number, got '1.5'"),
        ("encode cvae.safetensors x.npy -o c.npy --threads 1e3", "a whole number, got '1e3'"),
        ("info huge.npy", "bytes of values, got 384: the file is cut short"),
        ("info void.npy", "void.npy: expected numbers, got an array of |V8"),
        ("info words.npy", "words.npy: expected numbers, got an array of <U3"),
        ("info no.parquet", "no.parquet: No such file or directory"),
        ("plot traversal cvae.safetensors x.npy -o p.png", "--y: expected the condition of each"),
        ("plot interpolation cvae.safetensors x.npy -o p.png", "--y: expected the condition of"),
    ],
)
def test_odd_calls_are_refused_in_a_sentence(call, message, folder, monkeypatch, capsys):
    if call.startswith("plot"):
        pytest.importorskip("matplotlib")
    if "parquet" in call:
        pytest.importorskip("pyarrow")
    monkeypatch.chdir(folder)
    before = sorted(os.listdir())
    found = complaint(capsys, *call.split(" "))
    assert message in found and not found.startswith(("FloatingPointError", "["))
    assert sorted(os.listdir()) == before
