"""Where the figures of the reproductions go: results.json, from which a tool writes the table."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Callable

FILE = pathlib.Path(__file__).with_name("results.json")


def record(what: str, wanted: str, source: str, run: Callable[[], str]) -> None:
    """Run one reproduction, print its figure and keep it.

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
    """
    print(f"{what} ...", flush=True)
    start = time.perf_counter()
    ours = run()
    seconds = time.perf_counter() - start
    print(f"    {ours}    (wanted: {wanted}; {seconds:.0f} s)", flush=True)
    rows = json.loads(FILE.read_text()) if FILE.exists() else {}
    rows[what] = {"wanted": wanted, "ours": ours, "source": source, "seconds": round(seconds)}
    FILE.write_text(json.dumps(rows, indent=1) + "\n")
