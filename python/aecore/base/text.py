"""Text of others, as it is shown: what stands in a file moves no cursor and starts no markup."""

from __future__ import annotations

from typing import Any

import numpy as np

LONGEST = 100  # characters of a value in a message


def printable(text: object) -> str:
    r"""Return a text in which whatever isn't printed stands as its escape, such as ``\x1b``.

    Terminals take some characters as orders, and others turn the direction of what follows.

    Parameters
    ----------
    text : object
        Shown by `str`.
    """
    found = str(text)
    if found.isprintable():
        return found
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in found)


def brief(value: Any) -> str:
    """Return what a message says of a value: itself where that is short, else its type."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        text = " " * LONGEST
    name = type(value).__name__
    return text if len(text) < LONGEST else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
