"""The command line: ``aecore COMMAND``.

A command is a function that takes the subparsers, adds its own and sets ``run``, a function from
the parsed options to an exit status; `COMMANDS` lists them in the order of the help text. A command
imports other packages only when it runs, so that ``aecore --help`` is quick.

Exit status: 0 done, 2 wrong call (a wrong option, unusable data, a file or a package that is
missing), 130 interrupted. Any other exception is a bug, and shows its traceback.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .. import __version__
from ._command import CommandError, Parser, Subparsers, writes_stdout
from .apply import add_decode, add_encode, add_impute, add_reconstruct, add_score
from .bench import add_bench
from .completion import add_completion
from .demo import add_demo
from .info import add_info
from .plot import add_plot
from .sample import add_sample
from .train import add_train

COMMANDS: tuple[Callable[[Subparsers], None], ...] = (
    add_demo,
    add_train,
    add_encode,
    add_decode,
    add_reconstruct,
    add_impute,
    add_sample,
    add_score,
    add_plot,
    add_info,
    add_bench,
    add_completion,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        The exit status.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    options, more = _parser().parse_known_args(arguments)
    if more:
        options.parser.error(f"unrecognized arguments: {' '.join(more)}")
    options.arguments = arguments[1:]
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            status = _run(options)
        sys.stdout.flush()
        return status
    except CommandError as error:
        print(f"aecore {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\naecore {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has closed the pipe, as in aecore info | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(options: Any) -> int:
    if getattr(options, "json", False) is True and writes_stdout(options):
        raise CommandError("--json: expected -o with a file, as stdout is for the answer")
    return int(options.run(options))


def _warn(message: Any, *where: Any, **more: Any) -> None:
    print(f"aecore: warning: {message}", file=sys.stderr)


def _parser() -> Parser:
    parser = Parser(
        prog="aecore",
        description="Autoencoders for NumPy users, with an OpenMP-parallel C core.",
        epilog="aecore COMMAND --help tells more, with examples",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"aecore {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in COMMANDS:
        add(commands)
    return parser
