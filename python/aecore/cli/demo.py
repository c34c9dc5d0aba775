"""``aecore demo``: what autoencoders do, in pictures."""

from __future__ import annotations

from typing import Any

from ._command import CommandError, Subparsers, add_command, require, whole


def add_demo(commands: Subparsers) -> None:
    """Add demo."""
    parser = add_command(
        commands,
        _demo,
        "demo",
        "Train autoencoders of five kinds and show what they do. Prints a table of results beside "
        "PCA's, and writes pictures and a page that explains them, report.html, into a folder. "
        "The digits come with scikit-learn; MNIST and CIFAR-10 are looked for in $AECORE_DATA and "
        "in the user's cache, and downloaded if pooch is installed.",
        """
        aecore demo
        aecore demo --data mnist --out mnist-demo
        aecore demo --quick --seed 1
        """,
    )
    data = ("digits", "mnist", "cifar10")
    parser.add_argument("--data", choices=data, default=data[0], help="default: %(default)s")
    parser.add_argument("--out", default="./aecore-demo", metavar="FOLDER", help="%(default)s")
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="of all that is random: %(default)s"
    )
    parser.add_argument(
        "--quick", action="store_true", help="train on less data and for less long, to try it out"
    )


def _seed(text: str) -> int:
    return whole(text, 0, 2**32 - 1)


def _demo(options: Any) -> int:
    require("demo", "demo", "matplotlib", "sklearn")
    from .. import demo

    try:
        demo.run(options.data, options.out, seed=options.seed, quick=options.quick)
    except demo.DemoError as error:
        raise CommandError(str(error)) from error
    return 0
