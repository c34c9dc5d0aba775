"""Shared by commands: adding them to the parser, their errors, and their answers."""

from __future__ import annotations

import argparse
import difflib
import json
import math
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import util
from typing import Any, NoReturn

from ._streams import shown

Subparsers = Any  # argparse's class is private
LONGEST = 1000  # characters of a message
# the messages of argparse and of commands for a word that is none of the choices
CHOICES = (
    r"invalid choice: '(?P<word>[^']*)' \(choose from (?P<known>.*)\)",
    r"expected one of (?P<known>.*), got '(?P<word>[^']*)'",
)


class CommandError(Exception):
    """A wrong call; the message is for the user."""


class Parser(argparse.ArgumentParser):
    """A parser that suggests the nearest known word for an unknown one."""

    def error(self, message: str) -> NoReturn:
        words = re.findall(r"(?<!\S)--[\w-]+", message) if "unrecognized" in message else []
        known: Iterable[str] = self._option_string_actions
        for form in CHOICES:
            if found := re.search(form, message):
                words, known = [found["word"]], re.findall(r"[\w-]+", found["known"])
        for word in words:
            for guess in difflib.get_close_matches(word, known, 1):
                message += f"; did you mean {guess}?"
        super().error(short(shown(message)))


@contextmanager
def command_errors(what: str = "") -> Iterator[None]:
    """Turn the library's errors into CommandErrors with the same message.

    Parameters
    ----------
    what : str
        Put before the message, if it doesn't begin with it.
    """
    try:
        yield
    except (CommandError, BrokenPipeError):
        raise
    except Exception as error:
        text = sentence(error)
        named = not what or text.startswith(f"{what}:")
        raise CommandError(text if named else f"{what}: {text}") from error


def sentence(error: BaseException) -> str:
    """Return what an error says, on one line."""
    text = short(" ".join(str(error).split("\n")).strip())
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"out of memory: {text}" if text else "out of memory"
    said = isinstance(error, SAID)
    return text if said and text else f"{type(error).__name__}: {text}".rstrip(": ")


# errors whose messages are for people
SAID = (
    CommandError, OSError, ValueError, TypeError, ImportError, FloatingPointError, Warning
)  # fmt: skip


def short(text: str) -> str:
    """Return text of a bearable length."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def require(command: str, extra: str, *modules: str) -> None:
    """Raise CommandError if a package is missing."""
    missing = [module for module in modules if util.find_spec(module) is None]
    if missing:
        raise CommandError(
            f"{command}: expected {' and '.join(missing)} to be installed: "
            f"pip install 'aecore[{extra}]'"
        )


def add_command(
    commands: Subparsers, run: Callable[[Any], int], name: str, text: str, examples: str
) -> argparse.ArgumentParser:
    """Add a command; the first sentence of its text is its line in the list of commands."""
    paragraphs = [" ".join(p.split()) for p in textwrap.dedent(text).strip().split("\n\n")]
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=paragraphs[0].split(". ")[0].rstrip("."),
        description="\n\n".join(textwrap.fill(p, 80) for p in paragraphs),
        epilog="examples:\n" + textwrap.indent(textwrap.dedent(examples).strip(), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, command=name, parser=parser)
    return parser


def add_output(
    parser: argparse.ArgumentParser,
    text: str,
    required: bool = True,
    default: str | None = None,
) -> None:
    """Add -o, where a command writes."""
    parser.add_argument(
        "-o",
        "--out",
        required=required and default is None,
        default=default,
        metavar="PATH",
        help=text,
    )


def add_answer(parser: argparse.ArgumentParser) -> None:
    """Add the options of answers: --json and --quiet."""
    parser.add_argument(
        "--json", action="store_true", help="answer with one JSON object on stdout, for scripts"
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="show no progress and say nothing but results"
    )


def answer(options: Any, facts: dict[str, Any], text: Iterable[str]) -> None:
    """Print a command's results: facts as JSON, or text."""
    if options.json:
        print(json.dumps(_finite(facts), indent=2, default=_plain))
    elif not options.quiet:
        stream: Any = sys.stderr if writes_stdout(options) else sys.stdout
        print("\n".join(map(shown, text)), file=stream)


def whole(text: str, low: int, high: int | None = None) -> int:
    """Return text as an integer within bounds, or raise argparse's error."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None
    if value < low or (high is not None and value > high):
        wanted = f"at least {low}" if high is None else f"{low} to {high}"
        raise argparse.ArgumentTypeError(f"expected {wanted}, got {text}")
    return value


def positive(text: str) -> int:
    """Return text as an integer of at least 1, or raise argparse's error."""
    return whole(text, 1)


def writes_stdout(options: Any) -> bool:
    """Return whether a command's results go to stdout, where nothing else may be printed."""
    return getattr(options, "out", None) == "-"


def writes_file(options: Any) -> bool:
    """Return whether a command's results go to a file, so that stdout only says so."""
    json = getattr(options, "json", None)
    return isinstance(json, str) or (
        json is not True and getattr(options, "out", None) not in (None, "-")
    )


def note(options: Any, text: str) -> None:
    """Print a remark on stderr."""
    if not options.quiet:
        print(f"aecore {options.command}: {shown(text)}", file=sys.stderr)


def _finite(value: Any) -> Any:
    """Return facts with None for NaN and infinity, which JSON can't hold."""
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else repr(value)
