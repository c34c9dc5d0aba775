"""Options made from signatures, so that the command line has all parameters of the library.

Each parameter of a class or function becomes ``--its-name``, with the first sentence of its text in
the docstring as help. Only options that are given are among the parsed ones, under `PREFIX` and
their name, so that defaults are the library's own.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ._values import parse

PREFIX = "set_"  # tells parameters from a command's own options
OTHERS = {"random_state": "--seed", "n_threads": "--threads", "columns": "--per-row"}


def flag(name: str) -> str:
    """Return the option of a parameter."""
    return OTHERS.get(name, "--" + name.replace("_", "-"))


def add_flags(
    parser: argparse.ArgumentParser,
    owners: Mapping[str, Callable[..., Any]],
    without: Iterable[str],
    titles: tuple[str, str],
) -> None:
    """Add an option for each parameter of some classes or functions.

    Parameters
    ----------
    parser : ArgumentParser
    owners : dict of str to class or function
    without : iterable of str
        Parameters that have no option.
    titles : (str, str)
        The titles for the options that most owners have, and for the others.
    """
    found: dict[str, dict[str, inspect.Parameter]] = {}
    for owner, function in owners.items():
        for name, parameter in inspect.signature(function).parameters.items():
            if name not in without:
                found.setdefault(name, {})[owner] = parameter
    groups = [parser.add_argument_group(title) for title in titles]
    texts = {name: _text(name, [owners[o] for o in takers]) for name, takers in found.items()}
    for name, takers in found.items():
        common = 2 * len(takers) > len(owners)
        shown = texts[name]
        if len(takers) < len(owners):
            missing = [owner for owner in owners if owner not in takers]
            who = ", ".join(takers) if not common else "not " + ", ".join(missing)
            shown = f"[{who}] {shown}"
        _add_flag(groups[not common], name, takers, shown)


def _add_flag(group: Any, name: str, takers: dict[str, inspect.Parameter], text: str) -> None:
    kinds = {type(p.default) for p in takers.values()}
    if bool in kinds:
        kind: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
    else:
        kind = {"type": parse, "metavar": "N" if kinds <= {int, float} else "VALUE"}
    text = f"{text} {_defaults(takers)}".strip().replace("%", "%%")
    group.add_argument(flag(name), dest=PREFIX + name, default=argparse.SUPPRESS, help=text, **kind)


def _defaults(takers: dict[str, inspect.Parameter]) -> str:
    """Return a text on a parameter's default values, or "" for None, False and ()."""
    owners: dict[str, list[str]] = {}
    for owner, parameter in takers.items():
        owners.setdefault(str(parameter.default), []).append(owner)
    common = max(owners, key=lambda value: len(owners[value]))
    others = [f"{', '.join(who)}: {value}" for value, who in owners.items() if value != common]
    if not others and common in ("None", "False", str(inspect.Parameter.empty), "()"):
        return ""
    return f"(default: {'; '.join([common, *others])})"


def given(options: Any) -> dict[str, Any]:
    """Return the parameters that were given, by name."""
    return {k.removeprefix(PREFIX): v for k, v in vars(options).items() if k.startswith(PREFIX)}


def unknown(function: Callable[..., Any], params: Iterable[str]) -> set[str]:
    """Return the parameters that a class or function doesn't have."""
    return set(params) - set(inspect.signature(function).parameters)


def _text(name: str, owners: list[Callable[..., Any]]) -> str:
    """Return the first sentence about a parameter in one of the docstrings."""
    for owner in owners:
        doc = inspect.cleandoc(owner.__doc__ or "")
        section = re.search(r"^Parameters\n-+\n(.*?)(?=\n\n\S+\n-{3,}|\Z)", doc, re.S | re.M)
        for entry in re.split(r"^(?=\S)", section[1], flags=re.M) if section else []:
            head, _, body = entry.partition("\n")
            names, _, kind = head.partition(" : ")
            body = _first_sentence(body)
            if name in names.split(", ") and not body.startswith("As in"):
                return ": ".join(filter(None, (body, _choices(kind))))
    return ""


def _choices(kind: str) -> str:
    """Return the choices that a type lists; "" for a plain type."""
    kind = re.sub(r"[{}\"]|, (default|optional).*|,? or None", "", kind).strip()
    plain = {"int", "float", "bool", "str", "path", "None", "sequence", "of", "or", "array-like"}
    return "" if set(re.findall(r"[\w-]+", kind)) <= plain else kind


def _first_sentence(text: str) -> str:
    text = re.sub(r":math:`[^`]*`", "", " ".join(text.split()))
    text = re.sub(r"`+", "", text).strip(" ,:")
    sentences = re.split(r"(?<=[.;])\s", text)
    short = len(sentences[0]) < 10 and len(sentences) > 1  # a formula's letter
    return " ".join(sentences[: 1 + short]).strip(" .;:")
