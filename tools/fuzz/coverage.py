"""Read bytes that atheris makes, by what they reach in `aecore.files` and `aecore.compression`.

    pip install atheris         where it has a wheel

The first byte says what the others are: a model file, a configuration beside the arrays of a real
model, or compressed bytes without their checksum. The rules are those of files.py, but a fault ends
the run: libFuzzer shows it and keeps the input as crash-... in build/fuzz. What was found to be
worth keeping is in build/fuzz/corpus, where the next run goes on.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
import sys
import time
import zlib

import atheris
from runs import KEPT

with atheris.instrument_imports(include=["aecore.files", "aecore.compression", "aecore.models"]):
    from aecore.files import container, load
    from aecore.files.codec import Decoder
    from aecore.models.base import state
from files import read_codes
from sources import Codes, Files, joined, printed


class Reading:
    """Reads bytes as any of three things."""

    def __init__(self, n: int, seed: str) -> None:
        self.n, self.seed, self.done, self.began = n, seed, 0, time.monotonic()
        self.files, self.codes = Files(), Codes()

    def corpus(self) -> str:
        """Write real inputs, and return their folder."""
        folder = KEPT / "corpus"
        folder.mkdir(parents=True, exist_ok=True)
        found = [b"\0" + content for content in self.files.files if len(content) < 20000]
        for i, (tree, _) in enumerate(self.files.configs):
            found.append(bytes([1, i]) + printed(tree, random.Random(0)).encode())
        for i, (_, _, fields) in enumerate(self.codes.coded):
            found.append(bytes([2, i]) + joined(fields)[:-4])
        for i, content in enumerate(found):
            (folder / f"real-{i}").write_bytes(content)
        return str(folder)

    def __call__(self, data: bytes) -> None:
        self.done += 1
        kind, which, rest = data[:1], data[1:2], data[2:]
        if kind == b"\1" and which:
            self.configuration(rest, which[0])
        elif kind == b"\2" and which:
            model, y, _ = self.codes.coded[which[0] % len(self.codes.coded)]
            read_codes(model, y, rest + struct.pack("<I", zlib.crc32(rest)), 1000)
        else:
            try:
                container._contents(io.BytesIO(data[1:]), len(data) - 1)
            except ValueError as error:
                assert "expected" in str(error), error
        if self.done == self.n:
            seconds = time.monotonic() - self.began
            print(f"coverage: {self.done} inputs in {seconds:.0f} s, seed {self.seed}: 0 faults")
            sys.stdout.flush()

    def configuration(self, text: bytes, which: int) -> None:
        """Read a configuration as that of a file beside a real model's arrays."""
        tensors = dict(self.files.configs[which % len(self.files.configs)][1])
        decoder = Decoder(
            (*load.VALUES, *load.MODELS), sum(array.size for array in tensors.values())
        )
        try:
            model, _ = state.read(json.loads(text.decode(errors="replace")), tensors, decoder)
        except state.DAMAGE:
            return
        repr(model)


def main(n: int, seed: str, first: int) -> int:
    reading = Reading(n, seed)
    corpus = reading.corpus()
    os.chdir(KEPT)
    options = [f"-runs={n}", f"-seed={int(seed) + 1}", "-timeout=10", "-rss_limit_mb=2048"]
    atheris.Setup(["fuzz", *options, "-max_len=20000", corpus], reading)
    atheris.Fuzz()
    return 0
