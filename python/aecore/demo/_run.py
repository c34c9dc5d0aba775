"""Runs the demo, from the data to the page."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from .. import __version__, build_info, get_num_threads
from . import browser
from .chapters import CHAPTERS, draw
from .page import write_page
from .recipes import RECIPES, Recipe
from .scores import as_text, measure
from .training import Stages, train


class DemoError(Exception):
    """The demo can't be run; the message is for the user."""


def run(
    data: str,
    out: str | Path,
    *,
    seed: int = 0,
    quick: bool = False,
    open_page: bool | None = False,
) -> Path:
    """Train, measure, draw, and write ``report.html`` with its pictures.

    Parameters
    ----------
    data : {"fashion", "digits", "mnist", "cifar10"}
        The data set.
    out : path
        A folder for the results, created if it is missing. Files of an earlier run are replaced.
    seed : int, default 0
        The same seed gives the same results for any number of threads.
    quick : bool, default False
        Train on less data for fewer epochs, to try everything out.
    open_page : bool or None, default False
        Whether to open the page in a browser; None does so where a person sits at a display.

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
    plans = recipe.plans(seed)
    if quick:
        plans = {name: plan.shortened() for name, plan in plans.items()}
    print(_heading(recipe, names, threads, len(plans)))
    if quick:
        print("A quick run, to try everything out: the models learn next to nothing")
    sys.stdout.flush()
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
    print(f"{len(pictures)} pictures and a page that explains them, in {seconds:.0f} s:")
    print(f"    {page.resolve()}")
    if browser.has_viewer() if open_page is None else open_page:
        opened = browser.show(page)
        print(f"    {'opened in a browser' if opened else 'no browser was found to open it'}")
    print("\n" + _next(data), flush=True)
    return page


def _heading(recipe: Recipe, names: dict[str, Any], threads: int, models: int) -> str:
    count = f"{threads} thread{'s' * (threads != 1)}"
    why = ", as pictures this small are too little to share" if recipe.threads else ""
    return (
        f"aecore {__version__}, {build_info()['isa']} kernels, {count}{why}\n"
        f"{len(names['X_train']):,} {recipe.title} to learn from, {len(names['X_test']):,} others "
        f"to test with, {models} models"
    )


def _next(data: str) -> str:
    """Return what to do next: in Python, in a shell, to read."""
    name = "fashion_small" if data == "fashion" else data
    docs = Path("docs/quickstart.md")
    lines = [
        "Next, in Python:",
        "    import aecore as ae",
        f"    X, y, X_test, y_test = ae.datasets.load_{name}()",
        '    model = ae.VAE(latent_dim=2, loss="bce", epochs=40, random_state=0).fit(X)',
        "    ae.plot.latent_space(model, X_test, y_test, thumbnails=60).savefig('map.png')",
        "With pictures or tables of your own, in a shell:",
        f"    {_command()} --help",
    ]
    if docs.exists():
        lines += ["To read:", f"    {docs}, and docs/guides/command-line.md"]
    return "\n".join(lines)


def _command() -> str:
    """Return how the command line is called here."""
    called = Path(sys.argv[0])
    if shutil.which("aecore"):
        return "aecore"
    return os.path.relpath(called) if called.stem == "aecore" else "python -m aecore"


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
