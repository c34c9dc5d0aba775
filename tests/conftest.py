"""Fixtures: every instruction set of this machine and one to three threads."""

import numpy as np
import pytest
from aecore import _core, _workspace

ISAS = _core.isa_names()


@pytest.fixture
def rng(request):
    """Return a generator whose seed is the test's name: equal on every run and every machine."""
    return np.random.default_rng(list(request.node.name.encode()))


@pytest.fixture
def workspace():
    """Return a function that sets the calling thread's workspace: workspace(threads, isa)."""

    def use(threads=0, isa=None):
        made = _core.Workspace(threads, isa)
        _workspace.use(made)
        return made

    yield use
    _workspace.use(None)
