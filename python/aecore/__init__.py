"""aecore: autoencoders for NumPy, with a C core."""

from __future__ import annotations

import os

from . import functional
from ._core import build_info, get_num_threads, set_num_threads
from ._core import after_fork as _after_fork

__version__ = "0.1.0"

__all__ = ["build_info", "functional", "get_num_threads", "set_num_threads"]

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)  # OpenMP may hang in a forked child
