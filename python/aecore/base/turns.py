"""A lock that threads take in turn, and that a forked child can take."""

from __future__ import annotations

import threading


class Turns:
    """A reentrant lock: whoever gives it back and wants it again goes behind those who wait.

    Threads that hold it most of the time, such as one that takes it for each step of a training,
    would else keep others waiting for good. Who waits for the lock holds the queue.
    """

    __slots__ = ("_lock", "_queue")

    def __init__(self) -> None:
        self._lock, self._queue = threading.RLock(), threading.Lock()

    def is_mine(self) -> bool:
        """Whether the calling thread holds it."""
        return self._lock._is_owned()  # type: ignore[attr-defined]

    def acquire(self, timeout: float = -1) -> bool:
        """Take it; return whether that was possible in so many seconds, without end by default."""
        if self.is_mine():
            return self._lock.acquire()
        if not self._queue.acquire(timeout=timeout):
            return False
        try:
            return self._lock.acquire(timeout=timeout)
        finally:
            self._queue.release()

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def __enter__(self) -> None:
        lock = self._lock
        if lock._is_owned():  # type: ignore[attr-defined]
            lock.acquire()
            return
        try:
            with self._queue:
                lock.acquire()
        except BaseException:  # a signal's, perhaps just behind
            if lock._is_owned():  # type: ignore[attr-defined]
                lock.release()
            raise

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def after_fork(self) -> bool:
        """Forget, in a forked child, the threads of its parent; return whether one had held it."""
        self._queue = threading.Lock()
        if self.is_mine():
            return False
        was_free = self._lock.acquire(blocking=False)
        self._lock = threading.RLock()
        return not was_free
