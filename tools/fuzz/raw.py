"""Read bytes out of memory: model files and compressed bytes that were damaged, and random ones.

Of ten inputs five go to what reads the container, four to `aecore.decompress`, with a checksum that
agrees, and one to `aecore.load`. It is what `make fuzz-asan` is for. The rules are those of
files.py; where a sanitizer has all addresses, an input may still not raise the most memory that the
process had by 512 MB.
"""

from __future__ import annotations

import io
import os
import random
import tempfile
from pathlib import Path

from aecore.files import container
from files import read_codes, read_model
from runs import Run, bound_memory
from sources import Codes, Files


def read(content: bytes) -> str:
    """Read bytes as those of a file; return what came of it."""
    try:
        tensors, metadata = container._contents(io.BytesIO(content), len(content))
    except ValueError as error:
        assert "expected" in str(error) and len(str(error)) < 400, error
        return "files refused"
    assert sum(array.nbytes for array in tensors.values()) <= 2 * len(content)
    return "files read"


def main(n: int, seed: str, first: int) -> int:
    files, codes = Files(), Codes()
    with tempfile.TemporaryDirectory(
        prefix="fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    ) as folder:
        path = str(Path(folder) / "input")

        def attempt(i: int) -> str:
            rng, kind = random.Random(f"{seed} {i}"), i % 10
            if kind < 5:
                return read(files.raw(rng))
            if kind < 9:
                return read_codes(*codes.raw(rng), 1000)
            with open(path, "wb") as file:
                file.write(files.raw(rng))
            return read_model(path)

        run = Run("raw", n, seed, first)
        bound_memory()
        run.inputs(attempt)
        return run.finish()
