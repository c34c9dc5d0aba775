"""Time aecore beside other libraries; every section prints a table and adds to the JSON.

train     training steps: ms, share of the multiply-add peak, ratio to PyTorch's
memory    peak memory of a training run, in a process of its own
batches   training steps in batches of 16 to 1,024
half      training with bfloat16 products, beside float32 and PyTorch's
encode    encode and reconstruct: one sample and a batch, beside PyTorch and ONNX Runtime
kernels   kernels one by one below the roof of bandwidth and multiply-adds
scaling   the cost of a step against the sizes of things: it must grow as the work does
busy      the cost of a step while another process keeps one core busy
rows      tables of 2 and 20 million rows from parquet and dask: time, and peak memory
processes training by two processes of one thread, beside one of two; PyTorch's DDP too
cost      what steps of many processes take: a model, and what it says of networks
init      what first weights lead to: test losses, over data sets and architectures; an hour
python    Python's share of a step, time to import, size on disk

At the end stand the tables of train, memory and encode beside those of docs/performance.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from aecore._bench import timing

from . import beside

SECTIONS = (
    "train",
    "batches",
    "half",
    "memory",
    "encode",
    "kernels",
    "scaling",
    "busy",
    "rows",
    "processes",
    "cost",
    "init",
    "python",
)
LONG = ("init",)  # an hour, with data sets to download: only where it is asked for


def section(name: str) -> Any:
    """Return the module of a section."""
    return importlib.import_module(f".{name}", __package__)


def parse(argv: list[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="default: all but init")
    parser.add_argument("--only", nargs="+", default=[], help="workloads and other entries")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--json", metavar="FILE", help="put the figures there, beside those in it")
    parser.add_argument("--no-peers", action="store_true", help="time aecore alone")
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    options = parser.parse_args(argv)
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {sorted(unknown)[0]}: expected some of {' '.join(SECTIONS)}")
    wanted = options.sections or [name for name in SECTIONS if name not in LONG]
    options.sections = [name for name in SECTIONS if name in wanted]
    entries = {name for s in options.sections for name in section(s).NAMES}
    if not set(options.only) <= entries:
        parser.error(f"--only: expected some of {' '.join(sorted(entries))}")
    return options


def with_peers(wanted: bool) -> bool:
    """Return whether other libraries are timed, with as many threads as aecore."""
    if not wanted:
        return False
    try:
        import torch
    except ImportError:
        print("PyTorch isn't installed here: timing aecore alone", file=sys.stderr)
        return False
    torch.set_num_threads(timing.ae.get_num_threads())
    return True


def keep(path: Path, found: dict[str, Any]) -> None:
    """Write figures into a file; other sections of the same machine and versions stay in it.

    Those that say their own machine stay, and leave others in it, in any case.
    """
    before = json.loads(path.read_text()) if path.exists() else {}
    new, old = _of_any_machine(found), _of_any_machine(before)
    if before and {"machine", *new} == set(found):
        found = before | new
    elif before.get("machine") == found["machine"]:
        found = before | found
    else:
        found = old | found
    path.write_text(json.dumps(found, indent=1) + "\n")


def _of_any_machine(found: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in found.items() if isinstance(v, dict) and "machine" in v}


def main(argv: list[str] | None = None) -> None:
    options = parse(argv)
    peers = with_peers(not options.no_peers)
    settings = timing.Settings(options.rounds, tuple(options.only), peers, options.quick)
    found: dict[str, Any] = {"machine": timing.machine()}
    print(json.dumps(found["machine"]))
    for name in options.sections:
        module, start = section(name), time.perf_counter()
        if options.only and not set(options.only) & set(module.NAMES):
            continue
        print(f"\n{name}: {module.__doc__.splitlines()[0]}", flush=True)
        found[name] = module.run(settings)
        print(f"({name} took {time.perf_counter() - start:.0f} s)", flush=True)
        if options.json:
            keep(Path(options.json), found)
    print(beside.report(found))


if __name__ == "__main__":
    main()
