"""Runs the demo, from the data to the page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from .. import __version__, build_info, get_num_threads
from .chapters import CHAPTERS, draw
from .page import write_page
from .recipes import RECIPES, Recipe
from .scores import as_text, measure
from .training import Stages, train


class DemoError(Exception):
    """The demo can't be run; the message is for the user."""


def run(data: str, out: str | Path, *, seed: int = 0, quick: bool = False) -> Path:
    """Train, measure, draw, and write ``report.html`` with its pictures.

    Parameters
    ----------
    data : {"digits", "mnist", "cifar10"}
        The data set.
    out : path
        A folder for the results, created if it is missing. Files of an earlier run are replaced.
    seed : int, default 0
        The same seed gives the same results for any number of threads.
    quick : bool, default False
        Train on less data for fewer epochs, to try everything out.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DemoError
        The data are missing or damaged, or the folder can't be written.
    """
    started, recipe, folder = time.perf_counter(), RECIPES[data], _folder(out)
    names = _load(recipe)
    if quick:
        names = {name: values[: recipe.quick] for name, values in names.items()}
    threads = recipe.threads or get_num_threads()
    print(
        f"aecore {__version__}, {build_info()['isa']}, {_count(threads, 'thread')}: "
        f"{recipe.title}, {len(names['X_train']):,} to learn from and {len(names['X_test']):,} "
        "to test with",
        flush=True,
    )
    plans = recipe.plans(seed)
    if quick:
        plans = {name: plan.shortened() for name, plan in plans.items()}
    with Stages(plans) as stages:
        names |= train(plans, names, stages, threads)
        stages.begin("measuring")
        rows = measure(names, stages)
        stages.begin("drawing")
        pictures = draw(names, folder, stages)
    seconds = time.perf_counter() - started
    print("\n" + as_text(rows) + "\n")
    page = folder / "report.html"
    write_page(page, recipe, CHAPTERS, names, rows, pictures, seconds=seconds, seed=seed)
    print(f"{_count(len(pictures), 'picture')} and a page that explains them, in {seconds:.0f} s:")
    print(f"    {page.resolve()}", flush=True)
    return page


def _folder(out: str | Path) -> Path:
    """Make the folder, so that errors come before any training."""
    folder = Path(out).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / "report.html"
        probe.touch()
    except OSError as error:
        raise DemoError(f"{folder}: expected a folder to write into: {error.strerror}") from error
    return folder


def _load(recipe: Recipe) -> dict[str, Any]:
    try:
        X_train, y_train, X_test, y_test = recipe.load()
    except (OSError, ValueError, ImportError) as error:
        raise DemoError(str(error)) from error
    return {"X_train": X_train, "y_train": y_train, "X_test": X_test, "y_test": y_test}


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
