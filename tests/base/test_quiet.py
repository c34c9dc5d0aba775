"""Threads that ignore warnings leave the process's filters as they were."""

import threading
import warnings

import pytest
from aecore.base.quiet import no_warnings


def test_warnings_are_ignored_within():
    with no_warnings():
        warnings.warn("nobody reads this", stacklevel=1)
    with no_warnings(DeprecationWarning), pytest.warns(UserWarning, match="read"):
        warnings.warn("somebody reads this", stacklevel=1)


def test_filters_are_as_before_whoever_leaves_last():
    before, is_left = warnings.filters[:], threading.Event()

    def second():
        with no_warnings():
            is_left.wait(30)

    thread = threading.Thread(target=second)
    with no_warnings():
        thread.start()
        thread.join(0.1)
    is_left.set()
    thread.join(30)
    assert warnings.filters == before
