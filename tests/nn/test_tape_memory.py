"""A tape's memory is used again when, and only when, nobody looks at it."""

import threading

import numpy as np
import pytest
from aecore import nn
from aecore.base import runtime
from aecore.nn.tape import current


def address(a):
    return a.__array_interface__["data"][0]


def test_memory_is_used_again_once_it_is_free():
    tape = nn.Tape()
    first = tape.take((3, 5))
    where = address(first)
    assert first.dtype == np.float32 and first.flags.writeable and first.flags.c_contiguous
    second = tape.take((3, 5))
    assert address(second) != where
    del first
    assert address(tape.take((2, 7))) == where  # a smaller one fits too


def test_views_of_views_keep_their_memory():
    tape = nn.Tape()
    view = tape.take((4, 6)).reshape(2, 12)[1:].reshape(3, 4).T
    view[:] = 7
    for _ in range(5):
        tape.take((4, 6)).fill(-1)
    assert (view == 7).all()


def test_the_smallest_that_fits_is_taken_and_larger_ones_replace_what_is_free():
    tape = nn.Tape()
    large, small = tape.take((100,)), tape.take((10,))
    addresses = address(large), address(small)
    del large, small
    assert address(tape.take((9,))) == addresses[1]
    assert address(tape.take((50,))) == addresses[0]
    tape.take((1000,))
    assert tape.nbytes == 4 * (10 + 1000)


def test_the_pass_before_says_where_to_look():
    tape, addresses = nn.Tape(), []
    for _ in range(3):
        tape.start(records=True)
        held = [tape.take((n, 7)) for n in (3, 5, 2)]
        addresses.append([address(a) for a in held])
        del held
    assert addresses[0] == addresses[1] == addresses[2]


def test_what_is_looked_at_from_the_pass_before_is_left_alone():
    tape = nn.Tape()
    kept = tape.take((6,))
    kept.fill(3)
    tape.start(records=True)
    tape.take((6,)).fill(-1)
    assert (kept == 3).all()


def test_other_types_and_empty_shapes():
    tape = nn.Tape()
    assert tape.take((0, 4)).shape == (0, 4)
    rows = tape.take((5,), np.dtype(np.int64))
    assert rows.dtype == np.int64 and rows.nbytes == 40


def test_a_tape_is_the_threads_while_it_is_entered():
    tape, inner, found = nn.Tape(), nn.Tape(), []
    with tape:
        with pytest.raises(KeyError), inner:
            assert current() is inner
            raise KeyError
        assert current() is tape
        thread = threading.Thread(target=lambda: found.append(current()))
        thread.start()
        thread.join()
    assert current() is None and found == [None]


def test_each_thread_has_its_own_workspace():
    found = []
    thread = threading.Thread(target=lambda: found.append(runtime.current()))
    thread.start()
    thread.join()
    assert found[0] is not runtime.current()
    assert runtime.current() is runtime.current()
