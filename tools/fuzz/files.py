"""Read files and compressed bytes that were changed in ways that keep their structure.

Of ten inputs four are model files whose header, and four whose configuration with a digest that
agrees, was changed as a tree: values, keys, sizes, dtypes, arrays, whole branches of other models;
`container.read` takes the ones, `aecore.load` the others. Two are compressed bytes with other
fields, for `aecore.decompress`.

What is allowed: a ValueError in the words for it, or what was read, and the same again after it was
written. All else is a fault: other exceptions, warnings, more than 10 s, and a MemoryError, since
inputs are small and 512 MB are free. Where the package safetensors is installed, it has to read
whatever `container.read` does.
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import aecore as ae
import numpy as np
from aecore.files import container
from runs import Run, bound_memory
from sources import Codes, Files

try:
    import safetensors
except ImportError:
    safetensors = None


def read(path: str) -> str:
    """Read a file as arrays; return what came of it."""
    try:
        tensors, metadata = container.read(path)
    except ValueError as error:
        message = str(error)
        assert "expected" in message and ", got " in message and len(message) < 400, message
        refused = safetensors is None or by_package(path) is None
        return "headers refused" if refused else "headers refused here alone"
    if safetensors is not None:
        theirs = by_package(path)
        assert theirs is not None, "the package refuses it"
        assert theirs.keys() <= tensors.keys()
        for name, array in theirs.items():
            assert array.tobytes() == tensors[name].tobytes() or array.dtype != tensors[name].dtype
    container.write(path, tensors, metadata)
    again, text = container.read(path)
    assert text == metadata and again.keys() == tensors.keys()
    for name, array in tensors.items():
        assert again[name].tobytes() == array.tobytes() and again[name].dtype == array.dtype
    return "headers read"


def by_package(path: str) -> dict[str, np.ndarray] | None:
    """Return what the package reads, if it does, but for bfloat16, which NumPy has not."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names = [n for n in file.keys() if file.get_slice(n).get_dtype() != "BF16"]  # noqa: SIM118
            return {name: file.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, ValueError, TypeError, AttributeError, KeyError):
        return None


def read_model(path: str) -> str:
    """Read a file as a model; return what came of it."""
    try:
        model = ae.load(path)
    except ValueError as error:
        message = str(error)
        newer = f"{path}: expected a model file of format 1, got one of format "
        assert message.startswith((f"{path}: expected a whole model file of aecore: ", newer))
        assert message.isprintable(), message
        return "models refused"
    repr(model)
    assert model._repr_html_().replace("\n", "").isprintable()
    model.save(f"{path}-again")
    ae.load(f"{path}-again")
    os.unlink(f"{path}-again")
    return "models read"


def read_codes(model, y, data: bytes, most: int | None) -> str:
    """Read bytes as samples; return what came of it."""
    try:
        samples = ae.decompress(model, data, y, max_samples=most)
    except ValueError as error:
        assert "expected" in str(error) and len(str(error)) < 400, error
        return "codes refused"
    assert samples.dtype == np.float32 and samples.shape[0] == int.from_bytes(data[12:20], "little")
    assert most is None or len(samples) <= most
    return "codes read"


def main(n: int, seed: str, first: int) -> int:
    files, codes = Files(), Codes()
    with tempfile.TemporaryDirectory(
        prefix="fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    ) as folder:
        path = str(Path(folder) / "input")

        def attempt(i: int) -> str:
            rng, kind = random.Random(f"{seed} {i}"), i % 10
            if kind > 7:
                return read_codes(*codes.damaged(rng), rng.choice([None, *[1000] * 50]))
            content = files.header(rng) if kind % 2 else files.config(rng)
            with open(path, "wb") as file:
                file.write(content)
            return read(path) if kind % 2 else read_model(path)

        run = Run("files", n, seed, first)
        bound_memory()
        run.inputs(attempt)
        return run.finish()
