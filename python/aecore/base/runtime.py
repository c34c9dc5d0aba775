"""The core's scratch memory and threads, for each Python thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from .. import _core

_local = threading.local()


def current() -> _core.Workspace:
    """Return the calling thread's workspace, made on first use."""
    workspace = getattr(_local, "workspace", None)
    if workspace is None:
        workspace = _local.workspace = _core.Workspace()
    return workspace


def use(workspace: _core.Workspace | None) -> None:
    """Make `workspace` the calling thread's own; None for a fresh default one."""
    _local.workspace = workspace


@contextlib.contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Give the calling thread's functions a number of threads for a while; None changes nothing."""
    if n is None:
        yield
        return
    before = getattr(_local, "workspace", None)
    pool = _local.__dict__.setdefault("pool", {})
    if n not in pool:
        pool[n] = _core.Workspace(n)
    _local.workspace = pool[n]
    try:
        yield
    finally:
        _local.workspace = before
