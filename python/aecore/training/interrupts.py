"""Ctrl-C between batches rather than within one."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupts:
    """Lets Ctrl-C wait until a batch is done; a context manager, to be entered for each epoch.

    A step changes statistics, parameters and moments one after another. So that `KeyboardInterrupt`
    leaves a state between two steps, the signal is noted, and `check` raises the error.
    A second one is raised at once. Handlers of others, and other threads, are left alone.
    """

    def __init__(self) -> None:
        self._asked = self._installed = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self._asked:
            self._asked = False
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            signal.default_int_handler(number, frame)
        self._asked = True

    def __enter__(self) -> Interrupts:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._installed = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False
