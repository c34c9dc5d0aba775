"""The pool of gradients: memory is used again when, and only when, nobody looks at it."""

import threading

import numpy as np
import pytest
from aecore.base import runtime


def address(a):
    return a.__array_interface__["data"][0]


def test_memory_is_used_again_once_it_is_free():
    pool = runtime.Pool()
    first = pool.take((3, 5))
    where = address(first)
    assert first.dtype == np.float32 and first.flags.writeable and first.flags.c_contiguous
    second = pool.take((3, 5))
    assert address(second) != where
    del first
    assert address(pool.take((2, 7))) == where  # a smaller one fits too


def test_views_of_views_keep_their_memory():
    pool = runtime.Pool()
    view = pool.take((4, 6)).reshape(2, 12)[1:].reshape(3, 4).T
    view[:] = 7
    for _ in range(5):
        pool.take((4, 6)).fill(-1)
    assert (view == 7).all()


def test_the_smallest_that_fits_is_taken_and_larger_ones_replace_what_is_free():
    pool = runtime.Pool()
    large, small = pool.take((100,)), pool.take((10,))
    addresses = address(large), address(small)
    del large, small
    assert address(pool.take((9,))) == addresses[1]
    assert address(pool.take((50,))) == addresses[0]
    pool.take((1000,))
    assert sorted(slot.memory.size for slot in pool._slots) == [10, 1000]


def test_empty_shapes():
    assert runtime.Pool().take((0, 4)).shape == (0, 4)


def test_a_pool_is_given_for_a_while():
    pool, before = runtime.Pool(), runtime.gradients()
    with pytest.raises(KeyError), runtime.gradients_from(pool):
        assert runtime.gradients() is pool
        raise KeyError
    assert runtime.gradients() is before


def test_each_thread_has_its_own():
    found = []
    thread = threading.Thread(target=lambda: found.append(runtime.gradients()))
    thread.start()
    thread.join()
    assert found[0] is not runtime.gradients()
    assert runtime.gradients() is runtime.gradients()
