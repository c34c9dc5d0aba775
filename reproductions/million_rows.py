"""A million rows of mixed types: how long AnomalyDetector takes, and how much memory.

The rows are drawn from KDD Cup 99's, again and again, with the numbers a little different, and
written to a file as a structured array. A new process then trains and scores them all, once from a
memory map of the file and once from a data frame, and tells how much memory that took beyond what
was there before: for the frame, the frame itself isn't counted. The largest of many looks at what
is resident counts; pages of the file that are in memory, which the system takes back when it needs
them, don't.

usage: AECORE_DATA=folder python reproductions/million_rows.py
needs pandas, and Linux for memory
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import aecore as ae
import numpy as np

ROWS = 1_000_000
BLOCK = 50_000


def write(path: pathlib.Path) -> None:
    """Write the rows to a file that can be mapped."""
    X, _, _, _ = ae.datasets.load_kddcup99()
    rng = np.random.default_rng(0)
    out = np.lib.format.open_memmap(path, "w+", X.dtype, (ROWS,))
    for start in range(0, ROWS, BLOCK):
        rows = X[rng.integers(len(X), size=BLOCK)]
        for name in X.dtype.names:
            if X.dtype[name].kind == "f":
                rows[name] *= rng.normal(1, 0.01, BLOCK)
        out[start : start + BLOCK] = rows
    out.flush()


def resident() -> int:
    """Return how many bytes of the process's own are in memory, but for files."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no RssAnon in /proc/self/status")


class Peak:
    """Looks at the memory a hundred times a second."""

    def __enter__(self) -> Peak:
        self.before = self.most = resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            self.most = max(self.most, resident())

    @property
    def mebibytes(self) -> float:
        return (self.most - self.before) / 2**20


def measure(path: str, form: str) -> str:
    """Train and score in this process."""
    X = np.load(path, mmap_mode="r")
    if form == "frame":
        import pandas as pd

        X = pd.DataFrame({name: np.array(X[name]) for name in X.dtype.names})
    times = [time.perf_counter()]
    with Peak() as peak:
        detector = ae.AnomalyDetector(random_state=0).fit(X)
        times.append(time.perf_counter())
        scores = detector.score_samples(X)
        times.append(time.perf_counter())
    assert scores.shape == (ROWS,) and np.isfinite(scores).all()
    fit, score = np.diff(times)
    return f"fit {fit:.0f} s, score {score:.0f} s, {peak.mebibytes:.0f} MiB more"


def main() -> None:
    from results import record

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "rows.npy"
        write(path)
        for form, what in (("map", "a memory map"), ("frame", "a data frame")):
            command = [sys.executable, __file__, str(path), form]
            record(
                f"AnomalyDetector, a million rows of KDD Cup 99's kind, from {what}",
                "minutes, and memory that doesn't grow with the rows",
                "",
                lambda command=command: subprocess.run(
                    command, capture_output=True, text=True, check=True
                ).stdout.strip(),
            )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(measure(*sys.argv[1:]))
    else:
        main()
