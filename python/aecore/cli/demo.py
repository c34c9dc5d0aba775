"""``aecore demo``: what autoencoders do, in pictures."""

from __future__ import annotations

import argparse
from typing import Any

from ._command import (
    CommandError,
    Subparsers,
    add_command,
    add_output,
    require,
    whole,
    writes_stdout,
)


def add_demo(commands: Subparsers) -> None:
    """Add demo."""
    parser = add_command(
        commands,
        _demo,
        "demo",
        "Train six autoencoders and show what they do. Prints a table of results beside "
        "PCA's, and writes pictures and a page that explains them, report.html, into a folder. "
        "The pictures of clothes come with aecore and the digits with scikit-learn; MNIST and "
        "CIFAR-10 are looked for in $AECORE_DATA and in the user's cache, and downloaded if pooch "
        "is installed. The page is opened in a browser where somebody sits at a display.",
        """
        aecore demo
        aecore demo --data mnist -o mnist-demo
        aecore demo --quick --seed 1 --no-open
        """,
    )
    data = ("fashion", "digits", "mnist", "cifar10")
    parser.add_argument("--data", choices=data, default=data[0], help="default: %(default)s")
    add_output(parser, "a folder: %(default)s", default="./aecore-demo")
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="of all that is random: %(default)s"
    )
    parser.add_argument(
        "--quick", action="store_true", help="train on less data and for less long, to try it out"
    )
    parser.add_argument(
        "--open",
        action=argparse.BooleanOptionalAction,
        help="open the page in a browser, or don't; without, where there is a display",
    )


def _seed(text: str) -> int:
    return whole(text, 0, 2**32 - 1)


def _demo(options: Any) -> int:
    if writes_stdout(options):
        raise CommandError("-o: expected a folder, got - for stdout")
    require("demo", "demo", "matplotlib", *(["sklearn"] if options.data == "digits" else []))
    from .. import demo

    how = {"seed": options.seed, "quick": options.quick, "open_page": options.open}
    try:
        demo.run(options.data, options.out, **how)
    except demo.DemoError as error:
        raise CommandError(str(error)) from error
    return 0
