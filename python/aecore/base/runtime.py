"""The core's scratch memory and threads, for each Python thread."""

from __future__ import annotations

import threading

from .. import _core

PRECISIONS = "float32", "bfloat16"  # of what linear layers multiply

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


class products_of_half:  # noqa: N801
    """A context in which the calling thread's linear layers multiply bfloat16, or don't."""

    __slots__ = ("before", "half", "workspace")

    def __init__(self, half: bool) -> None:
        self.half = half

    def __enter__(self) -> None:
        self.workspace = current()
        self.before, self.workspace.half = self.workspace.half, self.half

    def __exit__(self, *error: object) -> None:
        self.workspace.half = self.before


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
