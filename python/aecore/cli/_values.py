"""Values of options, read from text without running it.

A value is written as in Python: a number, a string, True, False or None, a tuple or list of values,
or one of aecore's choices with its arguments, such as ``Masking(0.3)``, ``Dense(widths=(64, 32))``
or ``Warmup(2) * Cosine(20)``. The bare name of a choice is a choice with its defaults. Any other
text that isn't an expression is a string: ``bce``, ``non-saturating``.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable
from typing import Any

from ..files import classes
from ..models import PixelCNN
from ..training.schedules import Schedule

CHOICES: dict[str, Callable[..., Any]] = {
    choice.__name__: choice for choice in (*classes.CHOICES, PixelCNN)
}
WORDS = {"true": True, "false": False, "none": None}  # as TOML, JSON and people write them
FORMS = "a number, a word, a list such as (64, 32), or one of aecore's choices: Masking(0.3)"


def parse(text: str) -> Any:
    """Return the value that text stands for, or raise argparse's error."""
    text = text.strip()
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    structured = any(c in text for c in "([{'\"")
    try:
        return _value(ast.parse(text, mode="eval").body)
    except argparse.ArgumentTypeError:
        if structured:
            raise
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if structured:
            raise argparse.ArgumentTypeError(f"expected {FORMS}, got {text}") from None
    return text


def parse_file_value(value: Any) -> Any:
    """Return the value that one from a TOML file stands for."""
    if isinstance(value, list):
        return tuple(parse_file_value(v) for v in value)
    return parse(value) if isinstance(value, str) else value


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(
        node.value, (bool, int, float, str, type(None))
    ):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        number = _value(node.operand)
        if type(number) in (int, float):
            return -number if isinstance(node.op, ast.USub) else number
    if isinstance(node, ast.Tuple):
        return tuple(map(_value, node.elts))
    if isinstance(node, ast.List):
        return [_value(e) for e in node.elts]
    if isinstance(node, ast.Name):
        return CHOICES[node.id]() if node.id in CHOICES else node.id
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _construct(node.func.id, node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = _value(node.left), _value(node.right)
        if isinstance(left, Schedule) and isinstance(right, Schedule):
            return left * right
    raise argparse.ArgumentTypeError(f"expected {FORMS}, got {ast.unparse(node)}")


def _construct(name: str, call: ast.Call) -> Any:
    """Return one of aecore's choices with the arguments of a call."""
    if name not in CHOICES:
        known = ", ".join(sorted(CHOICES))
        raise argparse.ArgumentTypeError(f"expected one of {known}, got {name!r}")
    if any(isinstance(a, ast.Starred) for a in call.args) or None in [k.arg for k in call.keywords]:
        raise argparse.ArgumentTypeError(f"{name}: expected arguments, got {ast.unparse(call)}")
    args = [_value(a) for a in call.args]
    named = {str(k.arg): _value(k.value) for k in call.keywords}
    make = CHOICES[name]
    try:
        return make(*args, **named)
    except (TypeError, ValueError) as error:
        text = str(error).removeprefix(f"{name}.__init__() ")
        raise argparse.ArgumentTypeError(f"{name}: {text}") from None
