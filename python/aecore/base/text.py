"""Text of others, as it is shown: what stands in a file moves no cursor and starts no markup."""

from __future__ import annotations


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
