"""How the core's threads wait for work, which is settled while the core is loaded.

GNU's OpenMP lets an idle thread spin for about a millisecond or more before it sleeps. Where other
programs run too, a thread that spins keeps the one it waits for off the CPU: with a second busy
process on two cores, training steps became 20 to 100 times slower than with one thread. Some
microseconds of spinning span the gap between two operations and avoid that: with a tenth of them
small models train 10 % slower on an idle machine, with ten times as many half as fast on a busy
one.

OpenMP reads its settings from the environment when it is loaded, and has no function for this one.
So the variable is set just for that moment, unless the user has set it or `OMP_WAIT_POLICY`.

LLVM's OpenMP, which wheels for macOS and Windows bring along, ends the process where another
library, as PyTorch does, has brought its own. Each minds its own threads, so they are let.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SPINS = "1000"


@contextmanager
def short_spins() -> Iterator[None]:
    """Let an OpenMP that is loaded meanwhile spin briefly."""
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = SPINS
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def is_command() -> bool:
    """Return whether the process is the command line: aecore, or python -m aecore."""
    program = os.path.basename(sys.argv[0]) if sys.argv else ""
    module = program == "-m" and ["-m", "aecore"] in [sys.orig_argv[i : i + 2] for i in range(9)]
    return module or program in ("aecore", "aecore.exe", "aecore-script.py")


if sys.platform in ("darwin", "win32"):
    os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "TRUE")

try:
    with short_spins():
        from . import _core as _core
except ImportError as error:  # AECORE_ISA=foo
    if not is_command():
        raise
    print(f"aecore: {error}", file=sys.stderr)
    raise SystemExit(2) from None
