"""What commands share: how they are added, how they fail, and how they answer."""

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

Subparsers = Any  # argparse names the class, but not for use
FAILURES = (ValueError, TypeError, OSError, MemoryError, FloatingPointError, ImportError)
# what argparse and commands say of a word that isn't one to choose from
CHOICES = (
    r"invalid choice: '(?P<word>[^']*)' \(choose from (?P<known>.*)\)",
    r"expected one of (?P<known>.*), got '(?P<word>[^']*)'",
)


class CommandError(Exception):
    """A call that can't be done; its message is one for the user."""


class Parser(argparse.ArgumentParser):
    """A parser that guesses what was meant by a word that it doesn't know."""

    def error(self, message: str) -> NoReturn:
        words = re.findall(r"(?<!\S)--[\w-]+", message) if "unrecognized" in message else []
        known: Iterable[str] = self._option_string_actions
        for form in CHOICES:
            if found := re.search(form, message):
                words, known = [found["word"]], re.findall(r"[\w-]+", found["known"])
        for word in words:
            for guess in difflib.get_close_matches(word, known, 1):
                message += f"; did you mean {guess}?"
        super().error(message)


@contextmanager
def explained(what: str = "") -> Iterator[None]:
    """Take an error of the library as one of the call, whose words are for the user.

    Parameters
    ----------
    what : str
        What the error is about, where its own words don't say.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # whoever reads the output has seen enough
    except FAILURES as error:
        text = str(error) or type(error).__name__
        if isinstance(error, OSError) and error.strerror and error.filename is not None:
            text = f"{os.fsdecode(error.filename)}: {error.strerror}"
        said = not what or text.startswith(f"{what}:")
        raise CommandError(text if said else f"{what}: {text}") from error


def require(command: str, extra: str, *modules: str) -> None:
    """Raise CommandError if a package that a command needs is missing."""
    if any(util.find_spec(module) is None for module in modules):
        raise CommandError(
            f"{command} needs packages that are missing: pip install 'aecore[{extra}]'"
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


def add_output(parser: argparse.ArgumentParser, text: str, required: bool = True) -> None:
    """Add -o, where a command writes."""
    parser.add_argument("-o", "--out", required=required, metavar="PATH", help=text)


def add_answer(parser: argparse.ArgumentParser) -> None:
    """Add what says how a command answers: --json and --quiet."""
    parser.add_argument(
        "--json", action="store_true", help="answer with one JSON object on stdout, for scripts"
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="show no progress and say nothing but results"
    )


def answer(options: Any, facts: dict[str, Any], text: Iterable[str]) -> None:
    """Print what a command found: facts for programs, or text for people."""
    if options.json:
        print(json.dumps(_finite(facts), indent=2, default=_plain))
    elif not options.quiet:
        print("\n".join(text), file=sys.stderr if writes_stdout(options) else sys.stdout)


def positive(text: str) -> int:
    """Return the number that text is, of at least 1; argparse's own error for another."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return value


def writes_stdout(options: Any) -> bool:
    """Whether a command's results go to stdout, so that nothing else may."""
    return getattr(options, "out", None) == "-"


def note(options: Any, text: str) -> None:
    """Say something by the way, on stderr."""
    if not options.quiet:
        print(f"aecore {options.command}: {text}", file=sys.stderr)


def _finite(value: Any) -> Any:
    """Return facts with None for numbers that JSON has no way to write."""
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else repr(value)
