"""The command line: ``aecore COMMAND``.

A command is a function that takes the subparsers, adds its own and sets ``run``, a function from
the parsed options to an exit status; `COMMANDS` lists them in the order of the help text. A command
imports other packages only when it runs, so that ``aecore --help`` is quick.

Exit status: 0 done, 1 doctor has found a fault, 2 failed (a wrong option, unusable data, a file or
a package that is missing, a full disk), with one sentence on stderr that says why, 130 interrupted.
AECORE_TRACEBACK=1 shows where an error arose.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .. import __version__
from ._command import CommandError, Parser, Subparsers, sentence, writes_file, writes_stdout
from ._streams import Stream, safe_streams, shown
from .apply import add_decode, add_encode, add_impute, add_reconstruct, add_score
from .bench import add_bench
from .completion import add_completion
from .demo import add_demo
from .denoise import add_denoise
from .doctor import add_doctor
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
    add_denoise,
    add_impute,
    add_sample,
    add_score,
    add_plot,
    add_info,
    add_doctor,
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
    with safe_streams() as out:
        try:
            try:
                return _run(arguments, out)
            finally:
                out.flush()
        except SystemExit as end:  # argparse has said what there is to say
            return end.code if isinstance(end.code, int) else 0
        except BaseException as error:
            return _failure(_name(arguments), error)


def _run(arguments: list[str], out: Stream) -> int:
    options, more = _parser().parse_known_args(arguments)
    if more:
        options.parser.error(f"unrecognized arguments: {' '.join(more)}")
    options.arguments = arguments[1:]
    if getattr(options, "json", False) is True and writes_stdout(options):
        raise CommandError("--json: expected -o with a file, as stdout is for the answer")
    if writes_file(options):
        out.forgive_closed()
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        return int(options.run(options))


def _failure(name: str, error: BaseException) -> int:
    """Say in a sentence why a command has failed; return its exit status."""
    if os.environ.get("AECORE_TRACEBACK", "") not in ("", "0"):
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        print(f"\n{name}: interrupted", file=sys.stderr)
        return 130
    if isinstance(error, BrokenPipeError) and error.filename == "stdout":
        return 0  # the reader has seen enough, as in aecore encode ... -o - | head
    print(f"{name}: {shown(sentence(error))}", file=sys.stderr)
    return 2


def _name(arguments: list[str]) -> str:
    """Return the program and its command, as messages begin."""
    command = arguments[0] if arguments else ""
    known = any(command == add.__name__.removeprefix("add_") for add in COMMANDS)
    return f"aecore {command}" if known else "aecore"


def _warn(message: Any, *where: Any, **more: Any) -> None:
    print(f"aecore: warning: {shown(message)}", file=sys.stderr)


def _parser() -> Parser:
    parser = Parser(
        prog="aecore",
        description="Autoencoders for NumPy users, with a parallel C core.",
        epilog="aecore COMMAND --help tells more, with examples",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"aecore {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in COMMANDS:
        add(commands)
    return parser
