"""The scratch memory of each Python thread: the core's, and that of gradients on their way."""

from __future__ import annotations

import contextlib
import math
import threading
import weakref
from collections.abc import Iterator

import numpy as np

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


class _Slot:
    """Memory, and a weak reference to the array that was last made of it."""

    def __init__(self, size: int) -> None:
        self.memory = np.empty(size, np.float32)
        self.user: weakref.ref[np.ndarray] | None = None

    @property
    def is_free(self) -> bool:
        return self.user is None or self.user() is None


class Pool:
    """Arrays whose memory is used again as soon as nobody looks at them.

    A gradient lives from one layer's backward pass to the next, so two or three are enough for a
    stack of any height, where one for each layer would be as large as all activations together.
    """

    def __init__(self) -> None:
        self._slots: list[_Slot] = []

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return an uninitialised float32 array."""
        size = math.prod(shape)
        if size == 0:
            return np.empty(shape, np.float32)
        free = sorted((s for s in self._slots if s.is_free), key=lambda s: s.memory.size)
        slot = next((s for s in free if s.memory.size >= size), None)
        if slot is None:
            if free:  # the largest that doesn't do makes room
                self._slots.remove(free[-1])
            slot = _Slot(size)
            self._slots.append(slot)
        # Views of views refer to the first array that isn't made of another one: of this.
        array = np.frombuffer(slot.memory.data, np.float32, size)
        slot.user = weakref.ref(array)
        return array.reshape(shape)


@contextlib.contextmanager
def gradients_from(pool: Pool) -> Iterator[None]:
    """Let the calling thread take the memory of gradients from a pool for a while."""
    before = getattr(_local, "gradients", None)
    _local.gradients = pool
    try:
        yield
    finally:
        _local.gradients = before


def gradients() -> Pool:
    """Return the pool for gradients of activations: the thread's, unless another is given."""
    pool = getattr(_local, "gradients", None)
    if pool is None:
        pool = _local.gradients = Pool()
    return pool
