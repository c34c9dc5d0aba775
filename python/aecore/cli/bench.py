"""``aecore bench``: how fast training is here."""

from __future__ import annotations

import json
from typing import Any

from ..base import atomic
from ._command import CommandError, Subparsers, add_command, command_errors, positive
from ._results import check_place


def add_bench(commands: Subparsers) -> None:
    """Add bench."""
    parser = add_command(
        commands,
        _bench,
        "bench",
        "Time training on this machine. For each reference model milliseconds a step, samples a "
        "second and the share of the machine's multiply-add peak, measured in the same run. "
        "`make bench` in a copy of the sources times more, beside PyTorch and ONNX Runtime.",
        """
        aecore bench
        aecore bench --only mlp-ae conv-ae --rounds 10
        aecore bench --json bench.json
        """,
    )
    parser.add_argument("--only", nargs="+", default=(), metavar="MODEL", help="default: all")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="%(default)s")
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")


def _bench(options: Any) -> int:
    from .._bench import report, workloads

    unknown = sorted(set(options.only) - set(workloads.WORKLOADS))
    if unknown:
        known = ", ".join(workloads.WORKLOADS)
        raise CommandError(f"--only: expected some of {known}, got {unknown[0]}")
    if options.json:
        check_place(options.json)
    found = report.run(options.rounds, tuple(options.only), options.quick)
    if options.json:
        with command_errors(), atomic.replacing(options.json) as file:
            file.write(json.dumps(found, indent=1).encode())
    return 0
