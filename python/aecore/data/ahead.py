"""Reading ahead: a thread makes what comes next while the caller works on what is there."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ..base import runtime

Item = TypeVar("Item")

WAIT = 0.1  # seconds between looks whether the caller has gone
END = object()


def ahead(made: Callable[[], Iterator[Item]]) -> Iterator[Item]:
    """Yield what an iterator gives, one item of which a thread has ready.

    The thread makes the iterator, and closes it. An error of the iterator is raised where its item
    would be. The thread ends with the iteration, or where that is given up.

    Parameters
    ----------
    made : callable
        Returns the iterator.
    """
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(1)
    gone = threading.Event()

    def put(item: Any, error: BaseException | None = None) -> None:
        while not gone.is_set():
            try:
                ready.put((item, error), timeout=WAIT)
                return
            except queue.Full:
                pass

    def work() -> None:
        items = None
        try:
            with runtime.threads(1):
                items = made()
                for item in items:
                    put(item)
                    if gone.is_set():
                        return
            put(END)
        except BaseException as error:
            put(END, error)
        finally:
            if items is not None:
                items.close()  # type: ignore[attr-defined]

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name="aecore reads", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is END:
                return
            yield item
    finally:
        gone.set()
        thread.join()
