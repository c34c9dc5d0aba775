"""The short form for users: `aecore bench`."""

from __future__ import annotations

from typing import Any

from . import steps, timing


def run(rounds: int, only: tuple[str, ...] = (), quick: bool = False) -> dict[str, Any]:
    """Time training steps on this machine and print them.

    Parameters
    ----------
    rounds : int
    only : tuple of str
        Workloads; all if there are none.
    quick : bool
        Run each once, to see that it runs.

    Returns
    -------
    dict
        The machine, its limits, and a row for each workload.
    """
    settings = timing.Settings(rounds, only, peers=False, quick=quick)
    machine = timing.machine()
    print(
        f"aecore {machine['aecore']}, {machine['isa']}, {machine['threads']} threads "
        f"on {machine['cores']} cores: {machine['cpu']}"
    )
    limits = steps.limits(settings)
    print(f"{'model':15s} {'ms a step':>10s} {'samples/s':>10s} {'of peak':>8s}")
    rows = []
    for workload in steps.chosen(settings):
        row = steps.measure(workload, settings)
        rate = row["batch"] / row["ms_median"] * 1e3
        figures = f"{row['ms_median']:10.2f} {rate:10.0f} {row['share_of_peak']:8.0%}"
        print(f"{row['workload']:15s} {figures}", flush=True)
        rows.append(row)
    return {"machine": machine, "limits": limits, "train": rows}
