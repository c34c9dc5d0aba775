"""The core is loaded here, before anything else.

LLVM's OpenMP, which wheels for macOS and Windows bring along, ends the process where another
library, as PyTorch does, has brought its own. Each minds its own threads, so they are let.
"""

from __future__ import annotations

import os
import sys


def is_command() -> bool:
    """Return whether the process is the command line: aecore, or python -m aecore."""
    program = os.path.basename(sys.argv[0]) if sys.argv else ""
    module = program == "-m" and ["-m", "aecore"] in [sys.orig_argv[i : i + 2] for i in range(9)]
    return module or program in ("aecore", "aecore.exe", "aecore-script.py")


if sys.platform in ("darwin", "win32"):
    os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "TRUE")

try:
    from . import _core as _core
except ImportError as raised:  # AECORE_ISA=foo, or sources in which the core hasn't been built
    from importlib.util import find_spec

    error = raised
    if find_spec(f"{__package__}._core") is None:
        folder = os.path.dirname(__file__)
        error = ImportError(
            f"{folder}: expected the compiled core of aecore, got its sources alone; in another "
            "folder Python finds what pip has installed, and `make dev` builds the core in place"
        )
    if not is_command():
        raise error from None
    print(f"aecore: {error}", file=sys.stderr)
    raise SystemExit(2) from None
