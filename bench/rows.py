"""Tables that no memory holds: time, and peak memory against the number of rows.

A table of 40 mixed columns is generated and written to a parquet file. A detector is fitted to it
and scores it, from the file and from dask's partitions; a `TabularAutoencoder` is trained for an
epoch. Each does so in a process of its own: `python -m bench.rows TASK FILE` prints the seconds,
and the most memory that the process, and the largest worker if it has any, took.

How good it is to shuffle a few pieces at a time is measured on the worst that can be: a file sorted
by a column, with as many row groups as large files have, beside a full shuffle and none.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import aecore as ae
import numpy as np
from aecore._bench import timing
from aecore._bench.timing import Settings

from .memory import ROOT, reset, resident

GROUP = 1 << 17  # rows of a row group
FLOATS, COUNTS, WORDS, TRUTHS, TIMES = 22, 6, 6, 3, 3
FACTORS = 6  # that numbers depend on
SIZES = {"2 million rows": 2_000_000, "20 million rows": 20_000_000}
NAMES = ("shuffling", "detector-parquet", "detector-dask", "tabular-parquet")
WORKERS = 2
GROUPS, SEEDS = 32, 3  # row groups of the sorted file, and trainings
SHARES = (0.5, 0.125, 0.016)  # of its rows that are shuffled together


def table(rows: int, seed: int) -> Any:
    """Return rows of a table of mixed columns, some of whose cells are missing."""
    import pandas

    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((rows, FACTORS), np.float32)
    loadings = np.random.default_rng(0).standard_normal((FACTORS, FLOATS), np.float32)
    numbers = factors @ loadings + 0.3 * rng.standard_normal((rows, FLOATS), np.float32)
    numbers[:, ::4] = np.exp(numbers[:, ::4] / 3)
    numbers[rng.random((rows, FLOATS), np.float32) < 0.02] = np.nan
    columns: dict[str, Any] = {f"x{j}": numbers[:, j] for j in range(FLOATS)}
    for j in range(COUNTS):
        columns[f"n{j}"] = rng.poisson(np.exp(factors[:, j % FACTORS] / 2)).astype(np.int32)
    for j in range(WORDS):
        levels = 3 + 7 * j
        words = np.array([f"level {k}" for k in range(levels)], object)
        place = np.abs(factors[:, j % FACTORS]) * levels / 4 + rng.random(rows) * 2
        columns[f"w{j}"] = words[np.minimum(place.astype(np.int64), levels - 1)]
    for j in range(TRUTHS):
        columns[f"b{j}"] = factors[:, j] > rng.standard_normal(rows)
    start = np.datetime64("2020-01-01", "s")
    for j in range(TIMES):
        columns[f"t{j}"] = start + rng.integers(0, 10**8, rows).astype("m8[s]")
    return pandas.DataFrame(columns)


def write(path: Path, rows: int) -> None:
    """Write a table to a parquet file, a row group at a time."""
    import pyarrow
    import pyarrow.parquet

    writer = None
    for start in range(0, rows, GROUP):
        found = table(min(GROUP, rows - start), start)
        frame = pyarrow.Table.from_pandas(found, preserve_index=False)
        if writer is None:
            writer = pyarrow.parquet.ParquetWriter(path, frame.schema)
        writer.write_table(frame)
    assert writer is not None
    writer.close()


# ---- what is done in a process of its own -------------------------------------------------------


def detector_parquet(path: str) -> dict[str, float]:
    """Fit a detector to a file's rows, and score all of them."""
    rows = ae.open_rows(path)
    started = time.perf_counter()
    detector = ae.AnomalyDetector(random_state=0).fit(rows)
    return {"fit": time.perf_counter() - started, **scored(detector, rows)}


def scored(model: Any, rows: Any) -> dict[str, float]:
    """Score rows a piece at a time, so that not even the scores are all in memory."""
    started, total = time.perf_counter(), 0.0
    for item in rows:
        total += float(model.score_samples(item.X).sum(dtype=np.float64))
    return {"score": time.perf_counter() - started, "mean": total / len(rows)}


def detector_dask(path: str) -> dict[str, float]:
    """Do the same on dask's partitions, by workers, and write the scores to a file."""
    from aecore.distributed import dask as aed
    from dask import dataframe
    from dask.distributed import Client, LocalCluster

    cluster = LocalCluster(WORKERS, threads_per_worker=1, dashboard_address=":0")
    with cluster, Client(cluster) as client, Watch(client) as watch:
        frame = dataframe.read_parquet(path, split_row_groups=1)
        started = time.perf_counter()
        detector = aed.fit(ae.AnomalyDetector(random_state=0), frame)
        fitted = time.perf_counter()
        scores = aed.score_samples(detector, frame)
        with tempfile.TemporaryDirectory() as folder:
            scores.to_frame("score").to_parquet(folder)
            done = time.perf_counter()
            mean = float(dataframe.read_parquet(folder).score.mean().compute())
    return {
        "fit": fitted - started,
        "score": done - fitted,
        "mean": mean,
        "worker": watch.most,
    }


def tabular_parquet(path: str) -> dict[str, float]:
    """Train a model of tables for an epoch, and score all rows."""
    rows = ae.open_rows(path)
    started = time.perf_counter()
    options = {"epochs": 1, "batch_size": 1024, "random_state": 0}
    model = ae.TabularAutoencoder(ae.Dense((64,)), 8, **options).fit(rows)
    return {"fit": time.perf_counter() - started, **scored(model, rows)}


class Watch:
    """Asks a cluster's workers, in a thread, how much memory each takes; keeps the most."""

    def __init__(self, client: Any) -> None:
        self.client, self.most, self._over = client, 0, threading.Event()

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            found = self.client.scheduler_info(n_workers=-1)["workers"].values()
            self.most = max(self.most, *(w["metrics"]["memory"] for w in found), 0)


TASKS = {
    "detector-parquet": detector_parquet,
    "detector-dask": detector_dask,
    "tabular-parquet": tabular_parquet,
}


# ---- all of it ----------------------------------------------------------------------------------


def measure(task: str, size: str, path: Path) -> dict[str, Any]:
    """Do a task in a process of its own; print and return the row."""
    command = [sys.executable, "-m", "bench.rows", task, str(path)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    row = {"task": task, "rows": size, **json.loads(done.stdout.splitlines()[-1])}
    worker = f", a worker {row['worker'] / 1e6:,.0f} MB" if "worker" in row else ""
    print(
        f"{task:18} {size:16} fit {row['fit']:6.1f} s, score {row['score']:6.1f} s, "
        f"peak {row['peak'] / 1e6:,.0f} MB{worker}",
        flush=True,
    )
    return row


def shuffling(rows: int, folder: str) -> list[dict[str, Any]]:
    """Train on a sorted file by ways to shuffle it; return the losses of rows that are held out."""
    held = rows // 8
    frame = table(rows + held, 1)
    validation = frame.iloc[rows:]
    frame = frame.iloc[:rows].sort_values("x1").reset_index(drop=True)
    path = Path(folder, "sorted.parquet")
    frame.to_parquet(path, row_group_size=-(-rows // GROUPS), index=False)
    ways = {"all rows": None, **{f"{share:.1%} of the rows": share for share in SHARES}, "none": 0}
    found = []
    for way, share in ways.items():
        given = ae.open_rows(path, buffer=int(rows * share)) if share else frame
        losses = []
        for seed in range(SEEDS):
            options = {"epochs": 2, "shuffle": share != 0, "random_state": seed}
            model = ae.TabularAutoencoder(ae.Dense((64,)), 8, **options).fit(given)
            losses.append(-float(model.score(validation)))
        found.append({"shuffled": way, "losses": losses})
        print(f"shuffled: {way:18} {', '.join(f'{loss:.2f}' for loss in losses)}", flush=True)
    return found


def run(settings: Settings) -> dict[str, Any]:
    """Measure and print every task; return the rows."""
    sizes = {"20 thousand rows": 20_000} if settings.quick else SIZES
    found: list[dict[str, Any]] = []
    shuffled: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        if settings.wants("shuffling"):
            shuffled = shuffling(2_000 if settings.quick else 1 << 17, folder)
        for size, rows in sizes.items():
            path = Path(folder, f"{rows}.parquet")
            tasks = [task for task in TASKS if settings.wants(task)]
            if tasks:
                write(path, rows)
            found += [measure(task, size, path) for task in tasks]
            path.unlink(missing_ok=True)
    return {"machine": timing.machine() | {"peers": {}}, "rows": found, "shuffling": shuffled}


if __name__ == "__main__":
    before = reset()
    found = TASKS[sys.argv[1]](sys.argv[2])
    print(json.dumps({**found, "idle": before, "peak": resident("VmHWM")}), flush=True)
