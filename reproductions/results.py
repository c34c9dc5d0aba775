"""Where the figures of the reproductions go: results.json, from which a tool writes the table."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Sequence
from statistics import fmean, stdev

FILE = pathlib.Path(__file__).with_name("results.json")


def record(what: str, wanted: str, source: str, run: Callable[[], str], seeds: int = 1) -> None:
    """Run one reproduction, print its figure and keep it, with the command that makes it.

    Parameters
    ----------
    what : str
        The model, data and settings.
    wanted : str
        The published figure, or what should come out.
    source : str
        Of that figure.
    run : callable
        Returns our figure.
    seeds : int
        How many trainings with different seeds the figure is a mean of; 0 where nothing is random.
    """
    print(f"{what} ...", flush=True)
    start = time.perf_counter()
    ours = run()
    seconds = time.perf_counter() - start
    print(f"    {ours}    (wanted: {wanted}; {seconds:.0f} s)", flush=True)
    rows = json.loads(FILE.read_text()) if FILE.exists() else {}
    rows[what] = {
        "wanted": wanted,
        "ours": ours,
        "source": source,
        "seeds": seeds,
        "seconds": round(seconds),
        "command": " ".join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]),
    }
    whole = FILE.with_suffix(".part")
    whole.write_text(json.dumps(rows, indent=1) + "\n")
    os.replace(whole, FILE)  # a script that is stopped leaves the rows before


def over_seeds(values: Sequence[float], form: str = ".3f") -> str:
    """Return mean, standard deviation and range of what several seeds gave; of one the value."""
    if len(values) == 1:
        return f"{values[0]:{form}}"
    lowest, highest = min(values), max(values)
    return f"{fmean(values):{form}} ± {stdev(values):{form}} ({lowest:{form}} to {highest:{form}})"
