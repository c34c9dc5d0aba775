"""The core's scratch memory and threads, for each Python thread."""

from __future__ import annotations

import threading

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


class threads:  # noqa: N801
    """A context that gives the calling thread's functions n threads; None changes nothing."""

    __slots__ = ("before", "n")

    def __init__(self, n: int | None) -> None:
        self.n = n

    def __enter__(self) -> None:
        n = self.n
        if n is not None:
            self.before = getattr(_local, "workspace", None)
            pool = _local.__dict__.setdefault("pool", {})
            if n not in pool:
                pool[n] = _core.Workspace(n)
            _local.workspace = pool[n]

    def __exit__(self, *error: object) -> None:
        if self.n is not None:
            _local.workspace = self.before
