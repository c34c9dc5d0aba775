"""``aecore doctor``: what is installed, what holds it back, and whether it computes rightly."""

from __future__ import annotations

import gc
import importlib.util
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import __version__, build_info, get_num_threads
from ..datasets import _files
from . import _machine, _selftest
from ._command import Subparsers, add_answer, add_command, answer, sentence

OK, WARNING, ERROR = "ok", "warning", "error"
NONE = "none"  # of what needn't be there
MARKS = {OK: "ok", NONE: "-", WARNING: "WARN", ERROR: "FAIL"}

# Packages that are optional: the extra that brings each, and the least version of some.
PACKAGES = {
    "matplotlib": ("plot", ""),
    "scikit-learn": ("sklearn", "1.6"),
    "pandas": ("tabular", ""),
    "pooch": ("data", ""),
    "pillow": ("images", ""),
    "pyarrow": ("parquet", ""),
    "zarr": ("zarr", ""),
    "dask": ("dask", ""),
    "mpi4py": ("mpi", "4"),
    "onnx": ("onnx", ""),
    "tensorboardX": ("tensorboard", ""),
    "mlflow-skinny": ("mlflow", ""),
    "ipywidgets": ("notebook", ""),
}
# Read by aecore when it runs, and when it is built.
OWN = ("AECORE_DATA", "AECORE_ISA", "AECORE_TRACEBACK")
BUILD = ("WERROR", "DEBUG", "SANITIZE", "NO_OPENMP", "OPENMP_TEAMS", "NATIVE", "EMULATE_AVX512")
LISTED = re.compile(
    r"(AECORE|OMP|GOMP|KMP|MKL|OPENBLAS|BLIS|VECLIB|NUMEXPR)_\w+|LD_PRELOAD|PYTHONPATH"
    r"|PYTHONMALLOC|XDG_CACHE_HOME"
)
BINDING = ("OMP_PROC_BIND", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")  # of threads to cores
LEAST_MEMORY = 1 << 30  # bytes; with less even small data sets are a matter of luck


class Finding(NamedTuple):
    """One line of the answer.

    Attributes
    ----------
    section, name, text : str
    level : {"ok", "none", "warning", "error"}
    remedy : str
        What to do about a warning or an error.
    """

    section: str
    name: str
    text: str
    level: str = OK
    remedy: str = ""


def add_doctor(commands: Subparsers) -> None:
    """Add doctor."""
    parser = add_command(
        commands,
        _doctor,
        "doctor",
        """
        Check the installation and this machine. Versions, instruction set, threads and what limits
        them, OpenMP runtimes, environment variables, optional packages, memory and data sets; then
        a self-test of some seconds: kernels against NumPy, a training with 1 and 2 threads, a
        file, and the speed. What is worth a change comes with a remedy.

        The status is 0, or 1 if a check has failed; warnings leave it 0. --quiet shows nothing
        but warnings and failures. --json is good to go with a report of a bug.
        """,
        """
        aecore doctor
        aecore doctor --quiet
        aecore doctor --json > doctor.json
        """,
    )
    add_answer(parser)


def _doctor(options: Any) -> int:
    started = time.perf_counter()
    environment = list(_environment())  # before threadpoolctl sets variables of its own
    found = [*_installation(), *_processor(), *environment, *_packages(), *_data(), *_tests()]
    levels = [finding.level for finding in found]
    worst = next((level for level in (ERROR, WARNING) if level in levels), OK)
    seconds = time.perf_counter() - started
    facts = {
        "status": worst,
        "aecore": __version__,
        "build": build_info(),
        "threads": get_num_threads(),
        "seconds": round(seconds, 3),
        "checks": [finding._asdict() for finding in found],
    }
    lines = list(_troubles(found) if options.quiet else _lines(found, seconds))
    options.quiet = not lines
    answer(options, facts, lines)
    return int(worst == ERROR)


# ---- what is installed ---------------------------------------------------------------------------


def _installation() -> Iterator[Finding]:
    where = "installation"
    yield Finding(where, "aecore", f"{__version__}, in {Path(__file__).parents[1]}")
    free = "" if getattr(sys, "_is_gil_enabled", lambda: True)() else ", without the GIL"
    python = f"{platform.python_implementation()} {platform.python_version()}{free}"
    yield Finding(where, "python", f"{python}, {sys.executable}")
    yield Finding(where, "numpy", np.__version__)
    yield Finding(
        where, "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    )
    build = build_info()
    openmp = f"OpenMP of {str(build['openmp'])[:4]}" if build["openmp"] else "no OpenMP"
    compiled = f"compiler {build['compiler']}, {openmp}"
    if build["openmp"]:
        yield Finding(where, "core", compiled)
    else:
        remedy = "install a compiler with OpenMP and build aecore again, or use a wheel"
        yield Finding(where, "core", f"{compiled}: one thread", WARNING, remedy)


def _packages() -> Iterator[Finding]:
    for name, (extra, least) in PACKAGES.items():
        install = f"pip install 'aecore[{extra}]'"
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding("packages", name, f"not installed: {install}", NONE)
            continue
        if _numbers(version) < _numbers(least):
            text = f"{version}, and aecore needs {least}"
            yield Finding("packages", name, text, WARNING, f"pip install --upgrade {name}")
        else:
            yield Finding("packages", name, f"{version} [{extra}]")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3]]


# ---- the machine ---------------------------------------------------------------------------------


def _processor() -> Iterator[Finding]:
    from .._bench.timing import cpu_model

    where = "machine"
    yield Finding(where, "processor", cpu_model())
    yield _instructions()
    yield from _threads()
    yield _runtimes()
    yield _memory()


def _instructions() -> Finding:
    build, flags = build_info(), _machine.cpu_flags()
    chosen, known = build["isa"], build["available"]
    text = f"{chosen}, of {', '.join(known)}"
    if chosen != known[-1]:
        remedy = f"unset AECORE_ISA: {known[-1]} is faster"
        return Finding("machine", "kernels", text, WARNING, remedy)
    for isa, flag in (("avx2", "avx2"), ("neon", "asimd")):
        if flag in flags and isa not in known:
            text += f"; this processor has {isa} too"
            remedy = "build aecore again on this machine, or use a wheel"
            return Finding("machine", "kernels", text, WARNING, remedy)
    return Finding("machine", "kernels", text)


def _threads() -> Iterator[Finding]:
    from .._bench import timing

    threads, cores, all_cores = get_num_threads(), timing.cores(), os.cpu_count() or 1
    limit = _machine.group_limits().get("cpus")
    text = f"{threads}, on {cores} cores" if cores != 1 else f"{threads}, on 1 core"
    if cores < all_cores:
        text += f" that this process may use, of {all_cores}"
    level, remedy = OK, ""
    least = cores if limit is None else max(1, min(cores, int(limit)))
    bound = cores < all_cores and any(os.environ.get(name) for name in BINDING)
    if bound:
        pass  # the variable itself is warned of
    elif threads > least:
        level, remedy = WARNING, f"OMP_NUM_THREADS={least}: threads without a core slow training"
    elif threads < least and os.environ.get("OMP_NUM_THREADS"):
        level, remedy = WARNING, f"unset OMP_NUM_THREADS, or set it to {least}"
    if limit is not None:
        text += f"; this container or service may use {limit:g} of them"
    yield Finding("machine", "threads", text, level, remedy)
    if hasattr(os, "getloadavg") and (load := os.getloadavg()[0]) > cores + 1:
        text = f"{load:.1f} programs want a core at a time: timings below and elsewhere suffer"
        yield Finding("machine", "load", text, NONE)


def _runtimes() -> Finding:
    found = _machine.runtimes()
    text = ", ".join(
        f"{r['kind']} ({os.path.basename(r['file'])}"
        f"{', ' + str(r['threads']) + ' threads' if 'threads' in r else ''})"
        for r in found
    )
    openmp = {r["file"] for r in found if r["kind"].startswith("OpenMP")}
    if len(openmp) > 1:
        remedy = "install all packages from one source, all by pip or all by conda"
        return Finding("machine", "runtimes", f"{len(openmp)} of OpenMP: {text}", WARNING, remedy)
    return Finding("machine", "runtimes", text or "not known on this system")


def _memory() -> Finding:
    found, limit = _machine.memory(), _machine.group_limits().get("bytes")
    text = ", ".join(f"{_size(value)} {name}" for name, value in found.items()) or "not known"
    if limit is not None and limit < found.get("total", limit + 1):
        text += f"; this container or service may use {_size(limit)}"
    least = min(value for value in (found.get("available"), limit, LEAST_MEMORY) if value)
    if least < LEAST_MEMORY:
        remedy = "end other programs, or stream large data: aecore train --stream"
        return Finding("machine", "memory", text, WARNING, remedy)
    return Finding("machine", "memory", text)


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


# ---- the environment -----------------------------------------------------------------------------


def _environment() -> Iterator[Finding]:
    names = sorted(name for name in os.environ if LISTED.fullmatch(name) and os.environ[name])
    for name in names:
        value = os.environ[name]
        remedy = _hurts(name, value)
        yield Finding("environment", name, value, WARNING if remedy else OK, remedy)
    if not names:
        yield Finding("environment", "variables", "none that matter here are set", NONE)


def _hurts(name: str, value: str) -> str:
    """Return what to do about a variable that does harm, or ""."""
    from .._bench import timing

    if name.startswith("AECORE_") and name not in OWN:
        if name.removeprefix("AECORE_") in BUILD:
            return ""
        return f"aecore reads {', '.join(OWN)}, and no such variable"
    if name == "AECORE_DATA" and not os.path.isdir(os.path.expanduser(value)):
        return "name a folder that is there, or unset it"
    if name == "AECORE_TRACEBACK":
        return ""
    if name == "OMP_WAIT_POLICY" and value.lower() == "active":
        return "unset it: waiting threads keep their cores from all others"
    if name == "OMP_THREAD_LIMIT" and value.strip() == "1":
        if timing.cores() > 1:
            return "unset it: aecore uses one core because of it"
    if name in BINDING:
        if timing.cores() < (os.cpu_count() or 1):
            return "unset it: it may have bound this process to one core"
    if name == "PYTHONMALLOC" and value != "pymalloc":
        return "unset it where speed matters"
    return ""


# ---- data ----------------------------------------------------------------------------------------


def _data() -> Iterator[Finding]:
    try:
        folder = _files.cache_home()
    except RuntimeError as error:  # there is no home directory
        yield Finding("data", "folder", str(error), WARNING, "set AECORE_DATA to a folder")
        return
    there = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    is_writable = os.access(there, os.W_OK)
    text = f"{folder}{'' if os.path.exists(folder) else ', made at the first download'}"
    remedy = "" if is_writable else f"set AECORE_DATA, or make {there} writable"
    yield Finding("data", "folder", text, OK if is_writable else WARNING, remedy)
    yield Finding("data", "fashion_small", "comes with aecore")
    if importlib.util.find_spec("sklearn"):
        yield Finding("data", "digits", "comes with scikit-learn")
    homes = [folder]
    if os.environ.get("AECORE_DATA"):
        homes.insert(0, Path(os.path.expanduser(os.environ["AECORE_DATA"])))
    missing = []
    for name, files in _files.FILES.items():
        held = {f: next((h for h in homes if os.path.isfile(h / name / f)), None) for f in files}
        where = " and ".join(dict.fromkeys(str(home / name) for home in held.values() if home))
        count = sum(home is not None for home in held.values())
        if not count:
            missing.append(name)
            continue
        part = "" if count == len(files) else f"{count} of {len(files)} files, "
        yield Finding("data", name, f"{part}in {where}", NONE if part else OK)
    if missing:
        text = f"{', '.join(missing)}: downloaded when first asked for"
        yield Finding("data", "not here yet", text, NONE)


# ---- the self-test -------------------------------------------------------------------------------


def _tests() -> Iterator[Finding]:
    for name, test in _selftest.TESTS.items():
        try:
            yield Finding("self-test", name, test())
        except Exception as error:
            remedy = (
                "install aecore again; if that doesn't help, report it with aecore doctor --json"
            )
            yield Finding("self-test", name, sentence(error), ERROR, remedy)
        gc.collect()


# ---- for people ----------------------------------------------------------------------------------


def _lines(found: list[Finding], seconds: float) -> Iterator[str]:
    section = ""
    width = max(len(finding.name) for finding in found)
    for finding in found:
        if finding.section != section:
            section = finding.section
            yield section
        yield f"  {MARKS[finding.level]:4}  {finding.name:{width}}  {finding.text}"
        if finding.remedy:
            yield f"        {'':{width}}  -> {finding.remedy}"
    count = {level: sum(f.level == level for f in found) for level in (WARNING, ERROR)}
    said = [f"{n} {level}{'s' * (n != 1)}" for level, n in count.items() if n]
    yield f"{' and '.join(said) or 'all is well'}, in {seconds:.1f} s"


def _troubles(found: list[Finding]) -> Iterator[str]:
    for finding in found:
        if finding.remedy:
            mark = MARKS[finding.level]
            yield f"{mark}  {finding.section}: {finding.name}: {finding.text} -> {finding.remedy}"
