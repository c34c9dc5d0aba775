"""``aecore plot``: the pictures of `aecore.plot` as files."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import plot
from ..base import atomic, checks
from ..files.load import load
from ..plot._tables import is_frame, row_of
from ._command import (
    CommandError,
    Subparsers,
    add_answer,
    add_command,
    add_output,
    answer,
    command_errors,
    positive,
    require,
    whole,
)
from ._flags import add_flags, flag, given, unknown
from ._kinds import kind_of
from ._model import add_model, check_condition, is_conditional, load_model
from ._open import add_reading, open_samples, reading_of
from ._results import check_place
from ._source import Block, Table
from .sample import condition_of

SHOWN = 10  # samples beside their reconstructions
SUFFIXES = (".png", ".pdf", ".svg")
SCALES = ("history", "code-sizes")  # have logarithmic scales, which are formulas, and no names
Draw = Callable[..., Any]


def _no_data(draw: Draw, model: Any, given: Block | None, rows: list[int]) -> tuple[Any, ...]:
    return (model,)


def _spanning(draw: Draw, model: Any, given: Block | None, rows: list[int]) -> tuple[Any, ...]:
    """Return a model and samples."""
    assert given is not None
    return model, given.X


def _samples(draw: Draw, model: Any, given: Block | None, rows: list[int]) -> tuple[Any, ...]:
    """Return a model and samples, and their labels if the function takes y."""
    assert given is not None
    takes_y = "y" in inspect.signature(draw).parameters
    return (model, given.X, given.y) if takes_y else (model, given.X)


def _models(draw: Draw, model: Any, given: Block | None, rows: list[int]) -> tuple[Any, ...]:
    """Return models, samples and their labels."""
    assert given is not None
    return model, given.X, given.y


def _several(draw: Draw, model: Any, given: Block | None, rows: list[int]) -> tuple[Any, ...]:
    """Return a model, the samples of some rows, and their labels."""
    assert given is not None
    _check_rows(rows, given)
    X = np.stack([np.asarray(given.X[i]) for i in rows])
    return model, X, None if given.y is None else given.y[rows]


def _check_rows(rows: list[int], given: Block) -> None:
    if max(rows) >= len(given.X):
        raise CommandError(f"--rows: expected less than {len(given.X)}, got {max(rows)}")


def _single(draw: Draw, model: Any, given: Block | None, rows: list[int]) -> tuple[Any, ...]:
    """Return a model, some of the samples, and the label of the first."""
    assert given is not None
    _check_rows(rows, given)
    mixed = is_frame(given.X) and not isinstance(given.X, Table)
    chosen = [row_of(given.X, i) if mixed else np.asarray(given.X[i]) for i in rows]
    return (model, *chosen, None if given.y is None else given.y[rows[0]])


def _first_two_labels(given: Block | None) -> list[int]:
    """Return the first row, and the next with another label, else the last."""
    assert given is not None
    y = np.zeros(len(given.X)) if given.y is None else given.y
    others = np.flatnonzero((y != y[0]).reshape(len(y), -1).any(axis=1))
    return [0, int(others[0]) if len(others) else len(y) - 1]


def _labelled(draw: Draw, model: Any, given: Block | None, rows: list[int]) -> tuple[Any, ...]:
    """Return labels, and scores that are higher for unusual samples."""
    assert given is not None
    if given.y is None:
        raise CommandError("--y: expected labels of two kinds, the larger one for the unusual")
    y = {"y": given.y} if is_conditional(model) else {}
    return given.y, -model.score_samples(given.X, **y)


class Picture:
    """The arguments of a function of `aecore.plot`.

    Parameters
    ----------
    arguments : callable
        Takes the function, the model, the samples and `--rows`; returns the arguments.
    data : bool or None
        Whether samples are needed; None if they may be given.
    rows : int or None
        The number of single samples; None for any number, by default --n evenly spaced ones.
    """

    def __init__(
        self, arguments: Callable[..., Any], data: bool | None, rows: int | None = 0
    ) -> None:
        self.arguments, self.data, self.rows = arguments, data, rows


PICTURES = {
    "history": Picture(_no_data, False),
    "reconstructions": Picture(_several, True, None),
    "latent-space": Picture(_samples, True),
    "samples": Picture(_no_data, False),
    "manifold": Picture(_spanning, None),
    "traversal": Picture(_single, True, 1),
    "interpolation": Picture(_single, True, 2),
    "errors": Picture(_samples, True),
    "reasons": Picture(_samples, True),
    "codebook": Picture(_samples, None),
    "code-sizes": Picture(_models, True),
    "scores": Picture(_samples, True),
    "roc": Picture(_labelled, True),
}
OWN = (
    "model",
    "models",
    "X",
    "X_train",
    "x",
    "y",
    "a",
    "b",
    "scores",
    "noisy",
    "ax",
    "values",
    "names",
)


def add_plot(commands: Subparsers) -> None:
    """Add plot."""
    parser = add_command(
        commands,
        _plot,
        "plot",
        """
        Draw a picture of a model. PICTURE is one of those of aecore.plot: history, samples; with
        DATA reconstructions, latent-space, errors, scores, reasons, code-sizes, traversal,
        interpolation and, for labels of two kinds, roc; with or without it manifold and codebook.
        """,
        """
        aecore plot history model.safetensors -o history.png
        aecore plot reconstructions model.safetensors digits:test -o a.png --n 20
        aecore plot latent-space m.safetensors data.csv --y species -o codes.pdf
        aecore plot traversal vae.safetensors pictures/ --rows 7 -o t.svg
        aecore plot roc model.safetensors test.csv --y is_fraud -o roc.png
        """,
    )
    parser.add_argument(
        "picture", type=_picture, choices=PICTURES, metavar="PICTURE", help=", ".join(PICTURES)
    )
    add_model(parser)
    parser.add_argument("data", nargs="?", metavar="DATA", help="samples; see below")
    add_output(parser, ", ".join(SUFFIXES))
    parser.add_argument("--rows", nargs="+", type=_row, metavar="N", help=_ROWS)
    parser.add_argument("--label", metavar="A,B,...", help=_LABEL)
    parser.add_argument("--also", nargs="+", metavar="MODEL", help=_ALSO)
    parser.add_argument(
        "--dpi", type=positive, default=150, metavar="N", help="default: %(default)s"
    )
    add_reading(parser)
    functions = {name: _function(name) for name in PICTURES}
    add_flags(parser, functions, OWN, ("options of the pictures", "options of some pictures"))
    add_answer(parser)
    parser.usage = "aecore plot PICTURE MODEL [DATA] -o PATH [options]"


def _picture(text: str) -> str:
    return text.replace("_", "-")


def _function(name: str) -> Draw:
    """Return the function that draws a picture; its name has underscores."""
    found: Draw = getattr(plot, name.replace("-", "_"))
    return found


_ROWS = (
    "which samples, counted from 0; without, of reconstructions some that are evenly spaced, else "
    "the first, and for interpolation the next one with another label"
)
_LABEL = "[manifold, samples] what a conditional model is told: a label, or properties"
_ALSO = "[code-sizes] further models, with codes of other sizes"


def _evenly_spaced(n: Any, count: int) -> list[int]:
    """Return the indices of n samples out of `count`, evenly spaced."""
    with command_errors():
        checks.integer("--n", n, 1)
    found: list[int] = np.linspace(0, count - 1, min(n, count)).astype(int).tolist()
    return found


def _row(text: str) -> int:
    return whole(text, 0)


def _plot(options: Any) -> int:
    require("plot", "cli", "matplotlib")
    from matplotlib import rc_context

    name, params = options.picture, given(options)
    draw, picture = _function(name), PICTURES[name]
    _check(options, draw, picture, params)
    model, samples = load_model(options), None
    if options.data is not None:
        reading = reading_of(options, model)
        reading.gaps = name == "latent-space" and not is_conditional(model)
        source = open_samples(options.data, reading)
        with command_errors(options.data):
            samples = source.read()
        if is_conditional(model) and options.label is None:
            check_condition(samples.y)
    arguments = picture.arguments if samples is not None else _no_data
    if options.label is not None:
        params["y"] = condition_of(options.label, model)
    rows = options.rows or list(range(picture.rows or 0))
    if picture.rows == 2 and not options.rows:
        rows = _first_two_labels(samples)
    if picture.rows is None and samples is not None:
        rows = options.rows or _evenly_spaced(params.get("n", SHOWN), len(samples.X))
        params["n"] = len(rows)
        if samples.y is None:  # write indices or file names where there are no labels
            params["names"] = [str(i) if samples.names is None else samples.names[i] for i in rows]
    with command_errors():
        shown = [model, *map(load, options.also or ())] if name == "code-sizes" else model
        with rc_context({"text.parse_math": name in SCALES}):  # names with $ are no formulas
            figure = draw(*arguments(draw, shown, samples, rows), **params)
            form = Path(options.out).suffix[1:].lower()
            with atomic.replacing(options.out) as file:
                figure.savefig(file, format=form, dpi=options.dpi, bbox_inches="tight")
    facts = {"model": kind_of(model), "picture": name, "out": options.out}
    answer(options, facts, [f"{options.out}: {name}, {kind_of(model)}"])
    return 0


def _check(options: Any, draw: Draw, picture: Picture, params: dict[str, Any]) -> None:
    """Raise CommandError for options that don't fit the picture."""
    name = options.picture
    takers = {"--label": ["manifold", "samples"], "--also": ["code-sizes"]}
    asked = [option for option in takers if getattr(options, option[2:]) is not None]
    for other in sorted(unknown(draw, params)):
        takers[flag(other)] = [kind for kind in PICTURES if not unknown(_function(kind), [other])]
        asked.append(flag(other))
    for option in asked:
        if name not in takers[option]:
            raise CommandError(f"{option}: expected one of {', '.join(takers[option])}, got {name}")
    if picture.data and options.data is None:
        raise CommandError(f"DATA: expected samples for {name}, got none")
    if picture.data is False and options.data is not None:
        raise CommandError(f"DATA: expected none for {name}, got {options.data}")
    if Path(options.out).suffix.lower() not in SUFFIXES:
        raise CommandError(f"{options.out}: expected one of {', '.join(SUFFIXES)}")
    count = len(options.rows or ())
    if count and picture.rows not in (None, count):
        raise CommandError(f"--rows: expected {picture.rows or 'none'} for {name}, got {count}")
    check_place(options.out)
