"""``aecore plot``: the pictures of `aecore.plot` as files."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import plot
from ._command import (
    CommandError,
    Subparsers,
    add_answer,
    add_command,
    add_output,
    answer,
    explained,
    positive,
    require,
)
from ._flags import add_flags, flag, given, unknown
from ._kinds import kind_of
from ._model import add_model, load_model
from ._open import add_reading, open_samples, reading_of
from ._results import check_place
from ._source import Block

SUFFIXES = (".png", ".pdf", ".svg")
Draw = Callable[..., Any]


def _no_data(draw: Draw, model: Any, given: Block | None, rows: list[int]) -> tuple[Any, ...]:
    return (model,)


def _samples(draw: Draw, model: Any, given: Block | None, rows: list[int]) -> tuple[Any, ...]:
    """A model and samples, where the function takes any, and their labels."""
    assert given is not None
    takes_y = "y" in inspect.signature(draw).parameters
    return (model, given.X, given.y) if takes_y else (model, given.X)


def _single(draw: Draw, model: Any, given: Block | None, rows: list[int]) -> tuple[Any, ...]:
    """A model, some of the samples, and the label of the first."""
    assert given is not None
    last = max(rows)
    if last >= len(given.X):
        raise CommandError(f"--rows: expected less than {len(given.X)}, got {last}")
    chosen = [np.asarray(given.X[i]) for i in rows]
    return (model, *chosen, None if given.y is None else given.y[rows[0]])


def _labelled(draw: Draw, model: Any, given: Block | None, rows: list[int]) -> tuple[Any, ...]:
    """Labels, and how unlike the training data samples are."""
    assert given is not None
    if given.y is None:
        raise CommandError("--y: expected labels of two kinds, the larger one for the unusual")
    return given.y, -model.score_samples(given.X, given.y)


class Picture:
    """How a function of `aecore.plot` is called.

    Parameters
    ----------
    arguments : callable
        Returns its arguments, of the function, the model, the samples and `--rows`.
    data : bool or None
        Whether samples are needed; None if they may be given.
    rows : int
        How many single samples it takes.
    """

    def __init__(self, arguments: Callable[..., Any], data: bool | None, rows: int = 0) -> None:
        self.arguments, self.data, self.rows = arguments, data, rows


PICTURES = {
    "history": Picture(_no_data, False),
    "reconstructions": Picture(_samples, True),
    "latent_space": Picture(_samples, True),
    "samples": Picture(_no_data, False),
    "manifold": Picture(_samples, None),
    "traversal": Picture(_single, True, 1),
    "interpolation": Picture(_single, True, 2),
    "errors": Picture(_samples, True),
    "codebook": Picture(_samples, None),
    "roc": Picture(_labelled, True),
}
OWN = ("model", "X", "x", "y", "a", "b", "scores", "noisy", "ax", "values")


def add_plot(commands: Subparsers) -> None:
    """Add plot."""
    parser = add_command(
        commands,
        _plot,
        "plot",
        """
        Draw a picture of a model. PICTURE is one of those of aecore.plot: history, samples; with
        DATA reconstructions, latent_space, errors, traversal, interpolation and, for labels of two
        kinds, roc; with or without it manifold and codebook.
        """,
        """
        aecore plot history model.safetensors -o history.png
        aecore plot reconstructions model.safetensors digits:test -o a.png --n 20
        aecore plot latent_space m.safetensors data.csv --y species -o codes.pdf
        aecore plot traversal vae.safetensors pictures/ --rows 7 -o t.svg
        aecore plot roc model.safetensors test.csv --y is_fraud -o roc.png
        """,
    )
    parser.add_argument("picture", choices=PICTURES, metavar="PICTURE", help=", ".join(PICTURES))
    add_model(parser)
    parser.add_argument("data", nargs="?", metavar="DATA", help="samples; see below")
    add_output(parser, ", ".join(SUFFIXES))
    parser.add_argument(
        "--rows", nargs="+", type=_row, metavar="N", help="which samples, counted from 0: the first"
    )
    parser.add_argument(
        "--dpi", type=positive, default=150, metavar="N", help="default: %(default)s"
    )
    add_reading(parser)
    functions = {name: getattr(plot, name) for name in PICTURES}
    add_flags(parser, functions, OWN, ("options of the pictures", "options of some pictures"))
    add_answer(parser)
    parser.usage = "aecore plot PICTURE MODEL [DATA] -o PATH [options]"


def _row(text: str) -> int:
    if (value := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"expected at least 0, got {text}")
    return value


def _plot(options: Any) -> int:
    require("plot", "plot", "matplotlib")
    name, picture = options.picture, PICTURES[options.picture]
    draw, params = getattr(plot, name), given(options)
    for other in sorted(unknown(draw, params)):
        raise CommandError(f"{flag(other)}: {name} has no such option")
    if picture.data and options.data is None:
        raise CommandError(f"{name} needs DATA, samples to draw")
    if picture.data is False and options.data is not None:
        raise CommandError(f"{name} takes no samples, got {options.data}")
    if Path(options.out).suffix.lower() not in SUFFIXES:
        raise CommandError(f"{options.out}: expected one of {', '.join(SUFFIXES)}")
    rows = list(range(picture.rows)) if options.rows is None else options.rows
    if len(rows) != picture.rows:
        raise CommandError(f"--rows: {name} takes {picture.rows or 'none'}, got {len(rows)}")
    check_place(options.out)
    model = load_model(options)
    samples = None
    if options.data is not None:
        source = open_samples(options.data, reading_of(options, model))
        with explained(options.data):
            samples = source.read()
    arguments = picture.arguments if samples is not None else _no_data
    with explained():
        figure = draw(*arguments(draw, model, samples, rows), **params)
        figure.savefig(options.out, dpi=options.dpi, bbox_inches="tight")
    facts = {"model": kind_of(model), "picture": name, "out": options.out}
    answer(options, facts, [f"{options.out}: {name}, {kind_of(model)}"])
    return 0
