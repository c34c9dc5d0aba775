"""What ``aecore doctor`` finds out about the machine: processors, limits, memory, libraries.

Where a system doesn't tell, the answer is None or empty.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

# The parts of file names by which the runtimes that keep threads of their own are known.
RUNTIMES = {
    "libgomp": "OpenMP (GNU)",
    "libomp": "OpenMP (LLVM)",
    "libiomp5": "OpenMP (Intel)",
    "vcomp": "OpenMP (Microsoft)",
    "openblas": "OpenBLAS",
    "mkl_rt": "MKL",
    "libblis": "BLIS",
    "Accelerate": "Accelerate",
}


def cpu_flags(path: str = "/proc/cpuinfo") -> set[str]:
    """Return the CPU's features as Linux names them."""
    try:
        text = Path(path).read_text("utf-8", "replace")
    except OSError:
        return set()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(found[1].split()) if found else set()


def group_limits(proc: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> dict[str, float]:
    """Return what a container or a service is limited to: cpus and bytes.

    The limits of all control groups above hold too, so the lowest counts.
    """
    found: dict[str, float] = {}
    for folder in _groups(proc, Path(root)):
        for name, value in (("cpus", _cpus(folder)), ("bytes", _bytes(folder))):
            if value is not None:
                found[name] = min(value, found.get(name, value))
    return found


def _groups(proc: str, root: Path) -> list[Path]:
    """Return the folders of this process's control groups, from the lowest to the root."""
    try:
        lines = Path(proc).read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    folders = []
    for line in lines:
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        bases = (
            [root]
            if not controllers
            else [root / name for name in {controllers, *controllers.split(",")}]
        )
        for base in bases:
            folder = base / path.lstrip("/")
            # In a container the path is the host's, and the folder is the root itself.
            folders += [f for f in (folder, *folder.parents) if f.is_relative_to(root)]
    return list(dict.fromkeys([*folders, root, root / "cpu", root / "memory"]))


def _cpus(folder: Path) -> float | None:
    """Return the CPUs' worth of time that a control group may use."""
    quota, period = (_words(folder / "cpu.max") + ["", ""])[:2]  # version 2
    if not period:
        quota = "".join(_words(folder / "cpu.cfs_quota_us")[:1])
        period = "".join(_words(folder / "cpu.cfs_period_us")[:1])
    if quota.isdecimal() and period.isdecimal() and int(period) > 0:
        return int(quota) / int(period)
    return None


def _bytes(folder: Path) -> float | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        for word in _words(folder / name):
            if word.isdecimal() and int(word) < 1 << 60:  # beyond is version 1's "no limit"
                return int(word)
    return None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").split()
    except OSError:
        return []


def memory() -> dict[str, int]:
    """Return the machine's memory in bytes: total, and available without swapping."""
    found = {}
    for line in _lines("/proc/meminfo"):
        key, _, value = line.partition(":")
        if key in ("MemTotal", "MemAvailable") and value.split():
            found[key] = int(value.split()[0]) * 1024
    if "MemTotal" in found:
        return {"total": found["MemTotal"], "available": found.get("MemAvailable", 0)}
    try:
        return {"total": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}
    except (AttributeError, ValueError, OSError):
        return {}


def runtimes() -> list[dict[str, Any]]:
    """Return the libraries in this process that keep threads: kind, file and, if known, threads."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return [{"kind": kind, "file": file} for kind, file in _mapped()]
    return [
        {
            "kind": _kind(info["filepath"]) or info["internal_api"],
            "file": info["filepath"],
            "threads": info["num_threads"],
        }
        for info in threadpool_info()
    ]


def _mapped() -> list[tuple[str, str]]:
    """Return the kinds and files of libraries that Linux has mapped into this process."""
    files = dict.fromkeys(
        line.split(maxsplit=5)[5] for line in _lines("/proc/self/maps") if "/" in line
    )
    return [(kind, file) for file in files if (kind := _kind(file))]


def _kind(file: str) -> str | None:
    name = os.path.basename(file)
    if not re.search(r"\.(so|dylib|dll)\b|\.so\.", name) and sys.platform == "linux":
        return None
    return next((kind for part, kind in RUNTIMES.items() if part in name), None)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
