"""The scratch memory of each Python thread: of the core's functions, and for gradients on their way."""

from __future__ import annotations

import contextlib
import math
import threading
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import _core

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


class _Slot(NamedTuple):
    memory: np.ndarray
    user: Any  # a weak reference to the array that was made of it


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
        free = [slot for slot in self._slots if slot.user() is None]
        fits = [slot for slot in free if slot.memory.size >= size]
        if fits:
            chosen = min(fits, key=lambda slot: slot.memory.size)
            memory = chosen.memory
            self._drop(chosen)
        else:
            if free:  # the largest that doesn't do makes room
                self._drop(max(free, key=lambda slot: slot.memory.size))
            memory = np.empty(size, np.float32)
        # Views of views refer to the first array that isn't made of another one: of this.
        array = np.frombuffer(memoryview(memory), np.float32, size)
        self._slots.append(_Slot(memory, weakref.ref(array)))
        return array.reshape(shape)

    def _drop(self, slot: _Slot) -> None:
        self._slots = [other for other in self._slots if other is not slot]

    def clear(self) -> None:
        """Forget the memory; what is in use stays with its users."""
        self._slots.clear()


def gradients() -> Pool:
    """Return the calling thread's pool for gradients of activations."""
    pool = getattr(_local, "gradients", None)
    if pool is None:
        pool = _local.gradients = Pool()
    return pool
