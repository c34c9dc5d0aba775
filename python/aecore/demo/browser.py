"""Opens the page, where somebody sits in front of it."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def has_viewer(environ: Mapping[str, str] | None = None, stream: Any = None) -> bool:
    """Return whether a person sits at a display of this machine, and reads what is printed.

    Not so in a file or a pipe, under continuous integration, over ssh, or without a display.
    """
    environ = os.environ if environ is None else environ
    stream = sys.stdout if stream is None else stream
    if not stream.isatty() or any(
        environ.get(name) for name in ("CI", "SSH_CONNECTION", "SSH_TTY")
    ):
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def show(page: Path) -> bool:
    """Open a page in a browser; return whether one was found."""
    try:
        return webbrowser.open(page.resolve().as_uri())
    except (webbrowser.Error, OSError):
        return False
