"""Peak memory of training, beyond a process with the libraries imported and the data made.

Each contestant trains in a process of its own: `python -m bench.memory CONTESTANT WORKLOAD BATCHES`
prints what that took, in bytes.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from aecore._bench import steps
from aecore._bench.timing import Settings
from aecore._bench.workloads import WORKLOADS

NAMES = tuple(WORKLOADS)
ROOT = Path(__file__).parent.parent
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
BATCHES = 4


def resident(key: str) -> int:
    """Return VmRSS or VmHWM, the most it has been, in bytes; the latter elsewhere than on Linux."""
    if STATUS.exists():
        found = re.search(rf"{key}:\s+(\d+) kB", STATUS.read_text())
        if found:
            return 1024 * int(found[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def child(contestant: str, name: str, batches: int) -> dict[str, int]:
    """Train in this process; return what it needed before and at most."""
    workload = WORKLOADS[name]
    x, y = workload.data(batches)
    if contestant == "aecore":
        before = reset()
        one_pass = steps.aecore_pass(workload, x, y)
    else:
        import torch

        from . import peers

        torch.set_num_threads(steps.timing.ae.get_num_threads())
        data = torch.from_numpy(x)
        if data.ndim == 4:  # PyTorch's users have their images in its order
            data = data.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
        before = reset()
        one_pass = peers.make_pass(name, contestant, data, workload.batch)
    one_pass()
    return {"idle": before, "peak": resident("VmHWM")}


def reset() -> int:
    """Forget the most memory so far, where the system can; return what there is now."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return resident("VmHWM")
    return resident("VmRSS")


def needed(contestant: str, name: str, batches: int) -> int:
    """Return the bytes that a contestant's training needs."""
    command = [sys.executable, "-m", "bench.memory", contestant, name, str(batches)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if run.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{run.stderr}")
    found = json.loads(run.stdout)
    return found["peak"] - found["idle"]


def run(settings: Settings) -> list[dict[str, Any]]:
    """Measure and print every workload; return the rows."""
    rows, n = [], 1 if settings.quick else BATCHES
    print("workload          aecore, MB   eager, MB   ratio")
    for workload in steps.chosen(settings):
        row: dict[str, Any] = {"workload": workload.name}
        row["aecore_mb"] = needed("aecore", workload.name, n) / 1e6
        line = f"{workload.name:15s} {row['aecore_mb']:12.1f}"
        if settings.peers:
            row["eager_mb"] = needed("eager", workload.name, n) / 1e6
            row["ratio"] = row["eager_mb"] / row["aecore_mb"]
            line += f" {row['eager_mb']:11.1f} {row['ratio']:6.2f}x"
        print(line, flush=True)
        rows.append(row)
    return rows


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
