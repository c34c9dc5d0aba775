"""Warnings that are none of the user's business."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

_TURNS = threading.RLock()


@contextlib.contextmanager
def no_warnings(category: type[Warning] = Warning) -> Iterator[None]:
    """Ignore warnings within it, in one thread at a time.

    The filters are those of the whole process: of two threads in `warnings.catch_warnings`, the
    last to leave would put back what the other had set.
    """
    with _TURNS, warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield
