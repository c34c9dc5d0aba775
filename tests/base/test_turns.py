"""The lock that threads take in turn."""

import os
import threading
import time

import pytest
from aecore.base.turns import Turns


def started(act):
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def test_one_thread_at_a_time_may_enter_it_again():
    lock, order = Turns(), []

    def other():
        with lock:
            order.append("other")

    with lock:
        thread = started(other)
        with lock:
            assert lock.is_mine() and lock.acquire(0)
            lock.release()
        time.sleep(0.02)
        order.append("mine")
    thread.join(5)
    assert order == ["mine", "other"] and not lock.is_mine()


def test_who_wants_it_again_goes_behind_those_who_wait():
    """Both hold it nearly all of the time, and yet each gets it as often as the other."""
    lock, counts, stop = Turns(), [0, 0], []

    def work(k):
        while not stop:
            with lock:
                counts[k] += 1
                time.sleep(0.001)

    threads, end = [started(lambda k=k: work(k)) for k in (0, 1)], time.monotonic() + 30
    while sum(counts) < 100 and time.monotonic() < end:
        time.sleep(0.01)
    stop.append(1)
    for thread in threads:
        thread.join(5)
    assert min(counts) > 0.8 * max(counts) > 10


def test_waiting_ends_when_it_should():
    lock = Turns()
    with lock:
        found = []
        started(lambda: found.append(lock.acquire(0.01))).join(5)
        assert found == [False]
    assert lock.acquire(0.01)
    lock.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_is_forgotten_after_a_fork():
    """As if the other thread were the parent's."""
    lock, go, held = Turns(), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            go.wait(5)

    assert not lock.after_fork()
    with lock:
        assert not lock.after_fork() and lock.is_mine()
    old, thread = lock._lock, started(hold)
    held.wait(5)
    assert lock.after_fork() and lock.acquire(1)
    lock.release()
    lock._lock = old
    go.set()
    thread.join(5)
