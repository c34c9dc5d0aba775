"""Python's share of a training step, the time that importing takes, and the size on disk."""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aecore as ae
from aecore import _core
from aecore._bench import steps
from aecore._bench.timing import Settings
from aecore._bench.workloads import WORKLOADS

NAMES = tuple(WORKLOADS)
IMPORTS = {"aecore": "numpy", "torch": "numpy"}  # and what is there before
ROUNDS = {"aecore": 7, "torch": 2}
WHAT = """
import time
import {before}
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


MEMORY = ("reuse",)  # these compute nothing: their time is the tape's


class Clock:
    """Seconds spent in the core's functions while it is entered."""

    def __init__(self) -> None:
        self.seconds, self.calls = 0.0, 0
        self._before: dict[str, Any] = {}

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.perf_counter() - start
                self.calls += 1

        return run

    def __enter__(self) -> Clock:
        for name, value in vars(_core).items():
            if callable(value) and not isinstance(value, type) and not name.startswith("_"):
                if name in MEMORY:
                    continue
                self._before[name] = value
        for name, value in self._before.items():
            setattr(_core, name, self._timed(value))
        return self

    def __exit__(self, *error: object) -> None:
        for name, value in self._before.items():
            setattr(_core, name, value)


def share(workload: Any, settings: Settings) -> dict[str, Any]:
    """Measure the time of a step that is outside the core; return the row, and print it."""
    n = steps.batches(settings)
    one_pass = steps.aecore_pass(workload, *workload.data(n))
    one_pass()
    shares, outside, calls = [], [], 0
    for _ in range(min(settings.rounds, 3)):
        with Clock() as clock:
            start = time.perf_counter()
            one_pass()
            seconds = time.perf_counter() - start
        shares.append(1 - clock.seconds / seconds)
        outside.append((seconds - clock.seconds) / n * 1e6)
        calls = clock.calls // n
    row = {
        "workload": workload.name,
        "share": statistics.median(shares),
        "us": statistics.median(outside),
        "calls": calls,
    }
    print(f"{row['workload']:15s} {row['share']:7.1%} {row['us']:8.0f} {calls:6d}", flush=True)
    return row


def import_seconds(module: str, before: str, rounds: int) -> float:
    """Return the median time of an import in fresh processes, files being in the system's cache."""
    command = [sys.executable, "-c", WHAT.format(module=module, before=before)]
    found = []
    with tempfile.TemporaryDirectory() as cache:  # of bytecode, as an installation has it
        environment = os.environ | {"PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        options: Any = {"capture_output": True, "text": True, "check": True, "env": environment}
        for _ in range(rounds + 1):
            found.append(float(subprocess.run(command, **options).stdout))
    return statistics.median(found[1:])


def sizes() -> dict[str, int]:
    """Return the bytes of the installed package, and those of a wheel of it.

    An installation for development is larger: then `debug` is 1, as there are debug symbols.
    """
    folder, packed = Path(ae.__file__).parent, io.BytesIO()
    files = [f for f in folder.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder.parent))
    installed = sum(f.stat().st_size for f in files)
    debug = b".debug_info" in Path(_core.__file__).read_bytes()
    return {"installed": installed, "wheel": packed.tell(), "debug": int(debug)}


def run(settings: Settings) -> dict[str, Any]:
    """Measure and print everything; return it."""
    print("workload        outside, µs a step, and calls of the core in one")
    rows = [share(workload, settings) for workload in steps.chosen(settings)]
    imports = {}
    for module, before in IMPORTS.items():
        if module == "aecore" or settings.peers:
            imports[module] = import_seconds(
                module, before, 1 if settings.quick else ROUNDS[module]
            )
            print(f"import {module}, after {before}: {imports[module] * 1e3:.0f} ms")
    found = sizes()
    line = f"installed: {found['installed'] / 1e6:.2f} MB, as a wheel {found['wheel'] / 1e6:.2f} MB"
    print(line + ", both with debug symbols" * found["debug"])
    return {"steps": rows, "import_s": imports, "bytes": found}
