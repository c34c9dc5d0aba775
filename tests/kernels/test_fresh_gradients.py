"""Gradients of parameters: overwritten where they are fresh, otherwise added to."""

import aecore.functional as F
import numpy as np
import pytest
from aecore import _core
from cases import CASES
from cases.base import GUARD, guarded, normal
from cases.convolution import FAST_GEOMETRY, GEOMETRY, _case
from conftest import ISAS
from test_ops import THREADS, as_tuple, gradients

PLACES = {
    "linear": (1, 2),
    "conv2d": (1, 2),
    "conv_transpose2d": (1, 2),
    "layer_norm": (1, 2),
    "group_norm": (1, 2),
    "batch_norm2d": (1, 2),
    "lstm": (3, 4, 5),
}
DEPTH = 256  # of a block: linear adds a block's sum to what is there, or goes on from it
CHOSEN = [
    *[case for case in CASES if case.name in PLACES],
    *[
        _case(name, (n, *rest))
        for n in (0, 1)
        for _, *rest in (*FAST_GEOMETRY, GEOMETRY[1], GEOMETRY[12])
        for name in ("conv2d", "conv_transpose2d")
    ],
]


def arguments(case, rng, monkeypatch):
    """Return what NAME_backward of the core is given."""
    inputs, given = case.inputs(rng), []
    grad = normal(rng, *as_tuple(getattr(F, case.name)(*inputs, **case.options))[0].shape)
    with monkeypatch.context() as patch:
        patch.setattr(_core, f"{case.name}_backward", lambda *args: given.append(args))
        gradients(case, F, grad, inputs)
    return given[0]


def run(case, given, start, adds, ws):
    """Return the parameters' gradients, from `start` on; the words around them stay."""
    args, made = list(given), []
    for place, value in zip(PLACES[case.name], start, strict=True):
        if value is not None:
            args[place], buffer = guarded(value.shape)
            args[place][...] = value
            made.append(buffer)
    getattr(_core, f"{case.name}_backward")(*args[:-2], adds, ws)
    assert all((b[:32] == GUARD).all() and (b[-32:] == GUARD).all() for b in made)
    return [args[place] for place in PLACES[case.name]]


def assert_same(got, want):
    for a, b in zip(got, want, strict=True):
        if a is not None:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_fresh_gradients_are_overwritten(case, isa, rng, workspace, monkeypatch):
    """With what is added to zeros, each of them by itself."""
    workspace(1, isa)
    given, places = arguments(case, rng, monkeypatch), PLACES[case.name]
    nothing = [None if given[p] is None else np.full_like(given[p], np.nan) for p in places]
    zeros = [None if v is None else np.zeros_like(v) for v in nothing]
    before = [None if v is None else normal(rng, *v.shape) for v in nothing]
    all_of_them, none = (True,) * len(places), (False,) * len(places)
    deep = case.name == "linear" and given[3].shape[0] > DEPTH
    results = []
    for threads in THREADS:
        ws = _core.Workspace(threads, isa)
        fresh = run(case, given, nothing, none, ws)
        added = run(case, given, zeros, all_of_them, ws)
        more = run(case, given, before, all_of_them, ws)
        for one, two, b, c in zip(fresh, added, more, before, strict=True):
            if one is not None:
                near = 1e-5 * max(1.0, np.abs(one).max(initial=0))
                np.testing.assert_allclose(one, two, rtol=0, atol=near if deep else 0)
                np.testing.assert_allclose(b, c + one, rtol=1e-5, atol=near)
        for i in range(len(places)):
            only = tuple(j == i for j in range(len(places)))
            start, want = nothing.copy(), fresh.copy()
            start[i], want[i] = before[i], more[i]
            assert_same(run(case, given, start, only, ws), want)
        results.append([*fresh, *more])
    for other in results[1:]:
        assert_same(results[0], other)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    "shape", [(0, 3, 5), (1, 1, 1), (7, 3, 5), (4, 41, 29), (3, 0, 2)], ids=str
)
def test_fresh_gradients_of_positions(shape, isa, rng):
    n, t, c = shape
    grad, before = normal(rng, n, t, c), normal(rng, t, c)
    for threads in THREADS:
        ws = _core.Workspace(threads, isa)
        fresh, zeros, more = np.full_like(before, np.nan), np.zeros_like(before), before.copy()
        _core.positions_backward(None, fresh, grad, False, ws)
        _core.positions_backward(None, zeros, grad, True, ws)
        _core.positions_backward(None, more, grad, True, ws)
        np.testing.assert_array_equal(fresh, zeros)
        np.testing.assert_allclose(fresh, grad.sum(0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(more, before + fresh, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("adds", [True, (), (True,), (True, False, True)], ids=str)
def test_both_are_told(adds):
    x, w, b = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32), np.ones(4, np.float32)
    dw, db, dy = w.copy(), b.copy(), np.ones((2, 4), np.float32)
    with pytest.raises(TypeError):
        _core.linear_backward(None, dw, db, dy, x, w, None, False, adds, _core.Workspace())
    assert (dw == 1).all() and (db == 1).all()
