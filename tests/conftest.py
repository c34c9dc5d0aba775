"""Fixtures: every instruction set of this machine and one to three threads."""

import signal

import numpy as np
import pytest
from aecore import _core
from aecore.base import runtime, streams

# What a shell starts in the background ignores Ctrl-C, as all that it starts does: some tests
# press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ISAS = _core.isa_names()


def foresee(name):
    """Let the seeds that nobody can foresee follow from a name: a test is the same on every run."""
    streams.urandom = np.random.default_rng(list(name.encode())).bytes


def pytest_collectstart(collector):
    foresee(collector.nodeid)  # of layers that a module of tests makes when it is imported


@pytest.fixture(autouse=True)
def _foreseen(request):
    foresee(request.node.nodeid)


@pytest.fixture
def rng(request):
    """Return a generator whose seed is the test's name: equal on every run and every machine."""
    return np.random.default_rng(list(request.node.name.encode()))


@pytest.fixture
def workspace():
    """Return a function that sets the calling thread's workspace: workspace(threads, isa)."""

    def use(threads=0, isa=None):
        made = _core.Workspace(threads, isa)
        runtime.use(made)
        return made

    yield use
    runtime.use(None)
