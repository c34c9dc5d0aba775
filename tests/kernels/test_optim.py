"""The optimiser steps: known answers, their float64 twins, PyTorch, and bad calls."""

import math

import aecore.functional as F
import numpy as np
import pytest
import twin
from aecore import _core
from aecore.base import runtime
from conftest import ISAS

ADAM = [
    {},
    {"learning_rate": 0.05, "weight_decay": 0.1},
    {"learning_rate": 0.01, "weight_decay": 0.1, "decoupled": True},
    {"beta1": 0.0, "beta2": 0.5, "eps": 1e-3},
    {"beta1": 0.4, "beta2": 0.0},
    {"grad_scale": 0.125},
]
SGD = [
    {"learning_rate": 0.1},
    {"learning_rate": 0.1, "weight_decay": 0.01},
    {"learning_rate": 0.01, "momentum": 0.9},
    {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    {"learning_rate": 0.1, "momentum": 0.5, "grad_scale": 0.125},
]


def f32(values):
    return np.array(values, np.float32)


def gradients(rng, n, steps=100):
    """Gradients of many sizes, some always 0."""
    sizes = 10.0 ** rng.uniform(-6, 1, n) * (rng.random(n) > 0.1)
    return (sizes * (rng.standard_normal((steps, n)) + 0.3)).astype(np.float32)


def run(step, buffers, grads, options):
    for i, grad in enumerate(grads):
        step(*buffers, grad, step=i + 1, **options)
    return buffers


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("options", ADAM, ids=str)
def test_a_hundred_steps_of_adam(isa, options, rng, workspace):
    n = 1003
    param, grads = rng.standard_normal(n).astype(np.float32), gradients(rng, n)
    results = []
    for threads in (1, 2, 3):
        workspace(threads, isa)
        p, m, v = param.copy(), np.zeros_like(param), np.zeros_like(param)
        results.append(run(F.adam_step, (p, m, v), grads, options))
    for other in results[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(results[0], other, strict=True))
    start = param.astype(float), np.zeros(n), np.zeros(n)
    want = run(twin.adam_step, start, grads.astype(float), options)
    np.testing.assert_allclose(results[0][0], want[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(results[0][1], want[1], rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(results[0][2], want[2], rtol=1e-5)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("options", SGD, ids=str)
def test_a_hundred_steps_of_sgd(isa, options, rng, workspace):
    n = 1003
    param, grads = rng.standard_normal(n).astype(np.float32), gradients(rng, n)
    results = []
    for threads in (1, 2, 3):
        workspace(threads, isa)
        p, m = param.copy(), np.full_like(param, np.nan)  # not read in the first step
        results.append(run(F.sgd_step, (p, m), grads, options))
    for other in results[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(results[0], other, strict=True))
    want = run(twin.sgd_step, (param.astype(float), np.zeros(n)), grads.astype(float), options)
    np.testing.assert_allclose(results[0][0], want[0], rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 4095, 4097, 20_011])
def test_every_value_moves_alone_and_nothing_beyond(isa, n, rng, workspace):
    """Any length, any number of threads: each value as if it were the only one."""
    param, grad = rng.standard_normal((2, n)).astype(np.float32)
    guard = np.float32(-12345.678)
    for step, count in ((F.adam_step, 3), (F.sgd_step, 2)):
        options = {"momentum": 0.9} if step is F.sgd_step else {}
        kept = []
        for threads in (1, 3):
            workspace(threads, isa)
            buffers = np.full((count, n + 32), guard)
            views = [b[16 : 16 + n] for b in buffers]
            for view in views:
                view[:] = 0
            views[0][:] = param
            step(*views, grad, step=1, **options)
            assert (buffers[:, :16] == guard).all() and (buffers[:, 16 + n :] == guard).all()
            kept.append(buffers.tobytes())
        assert kept[0] == kept[1]
        for i in (0, n // 2, n - 1) if n else ():
            alone = [param[i : i + 1].copy(), *np.zeros((count - 1, 1), np.float32)]
            step(*alone, grad[i : i + 1], step=1, **options)
            assert all(a[0] == v[i] for a, v in zip(alone, views, strict=True))


def test_the_first_step_of_adam_is_the_learning_rate_whatever_the_gradient():
    p, m, v = np.zeros((3, 4), np.float32)
    F.adam_step(p, m, v, f32([5, -3, 1e-2, 1e4]), step=1, learning_rate=0.25)
    np.testing.assert_allclose(p, [-0.25, 0.25, -0.25, -0.25], rtol=1e-5)
    np.testing.assert_allclose(m, 0.1 * f32([5, -3, 1e-2, 1e4]), rtol=1e-6)
    np.testing.assert_allclose(v, 1e-3 * f32([25, 9, 1e-4, 1e8]), rtol=1e-6)


def test_eps_is_outside_the_root():
    p, m, v = np.zeros((3, 1), np.float32)
    F.adam_step(p, m, v, f32([3]), step=1, learning_rate=1, eps=1)
    np.testing.assert_allclose(p, [-3 / (3 + 1)], rtol=1e-6)


def test_decay_is_apart_from_the_step_or_part_of_it():
    p, m, v, zero = np.zeros((4, 1), np.float32)
    p[:] = 2
    F.adam_step(p, m, v, zero, step=1, learning_rate=0.1, weight_decay=0.5, decoupled=True)
    np.testing.assert_allclose(p, [2 * (1 - 0.1 * 0.5)], rtol=1e-6)
    assert m == 0 and v == 0
    p[:] = 2
    F.adam_step(p, m, v, zero, step=1, learning_rate=0.1, weight_decay=0.5)
    np.testing.assert_allclose(p, [2 - 0.1], rtol=1e-6)
    np.testing.assert_allclose(m, [0.1], rtol=1e-6)


def test_tiny_decay_is_not_rounded_away(rng):
    """1 - 1e-6 in float32 would be 5 % off: after 1,000 steps the loss of weight is still right."""
    p, m, v, zero = np.zeros((4, 500), np.float32)
    p[:] = start = rng.uniform(1, 2, 500)
    for step in range(1, 1001):
        F.adam_step(p, m, v, zero, step=step, weight_decay=1e-3, decoupled=True)
    assert abs((p / start).mean() - (1 - 1e-6) ** 1000) < 5e-6


def test_momentum_by_hand():
    p, m, one = f32([0]), f32([0]), f32([1])
    for step, want in ((1, -1), (2, -1 - 1.5), (3, -2.5 - 1.75)):
        F.sgd_step(p, m, one, step=step, learning_rate=1, momentum=0.5)
        assert p == want
    p, m = f32([0]), f32([0])
    for step, want in ((1, -1.5), (2, -1.5 - 1.75)):
        F.sgd_step(p, m, one, step=step, learning_rate=1, momentum=0.5, nesterov=True)
        assert p == want


def test_scaled_gradients_are_clipped_ones(rng):
    param, grad = rng.standard_normal((2, 100)).astype(np.float32)
    for step, count in ((F.adam_step, 2), (F.sgd_step, 1)):
        a, b = ([param.copy(), *np.zeros((count, 100), np.float32)] for _ in "ab")
        step(*a, grad, step=1, grad_scale=0.25)
        step(*b, 0.25 * grad, step=1)
        assert all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


def test_momentum_buffers_are_left_alone_without_momentum():
    p, m, g = f32([1]), f32([7]), f32([1])
    F.sgd_step(p, m, g, step=2)
    q = f32([1])
    F.sgd_step(q, None, g, step=2)
    assert m == 7 and p == q


# ---- the norm ---------------------------------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 8, 9, 16, 17, 31, 33, 32_767, 32_769, 100_003])
def test_sum_of_squares(isa, n, rng):
    x = rng.standard_normal(n).astype(np.float32)
    sums = [_core.sum_squares(x, _core.Workspace(threads, isa)) for threads in (1, 2, 3)]
    assert sums[0] == sums[1] == sums[2]
    assert math.isclose(sums[0], math.fsum(x.astype(float) ** 2), rel_tol=1e-13)


def test_sum_of_squares_at_the_ends_of_the_range():
    workspace = _core.Workspace()
    assert math.isclose(
        _core.sum_squares(np.full((4, 5), 1e30, np.float32), workspace), 2e61, rel_tol=1e-6
    )
    assert math.isclose(
        _core.sum_squares(np.full(20, 1e-30, np.float32), workspace), 2e-59, rel_tol=1e-6
    )
    assert math.isnan(_core.sum_squares(f32([1, np.nan]), workspace))
    assert _core.sum_squares(f32([-np.inf]), workspace) == np.inf


def test_steps_allocate_nothing(rng):
    p, m, v, g = rng.random((4, 50_000), np.float32)
    workspace = _core.Workspace()
    runtime.use(workspace)
    try:
        _core.sum_squares(g, workspace)
        grown = workspace.grown
        for step in range(1, 5):
            _core.sum_squares(g, workspace)
            F.adam_step(p, m, v, g, step=step)
            F.sgd_step(p, m, g, step=step, momentum=0.9)
        assert workspace.grown == grown
    finally:
        runtime.use(None)


# ---- PyTorch ----------------------------------------------------------------------------------


def pytorch(torch, make, param, grads):
    leaf = torch.tensor(param, requires_grad=True)
    optimizer = make([leaf])
    for grad in grads:
        leaf.grad = torch.tensor(grad)
        optimizer.step()
    return leaf.detach().numpy()


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("options", ADAM[:5], ids=str)
def test_pytorch_takes_the_same_steps_of_adam(options, precision, rng):
    torch = pytest.importorskip("torch")
    # PyTorch rounds AdamW's 1 - 0.01 * 0.1 to float32, and is 1e-8 off in each step from then on
    bound = 1e-5 if options.get("decoupled") and precision is np.float32 else 1e-6
    param, grads = rng.standard_normal(1003).astype(np.float32), gradients(rng, 1003)
    got = param.copy()
    run(F.adam_step, (got, *np.zeros((2, 1003), np.float32)), grads, options)
    kind = torch.optim.AdamW if options.get("decoupled") else torch.optim.Adam
    settings = {
        "lr": options.get("learning_rate", 1e-3),
        "betas": (options.get("beta1", 0.9), options.get("beta2", 0.999)),
        "eps": options.get("eps", 1e-8),
        "weight_decay": options.get("weight_decay", 0.0),
        "foreach": False,
    }
    want = pytorch(
        torch, lambda p: kind(p, **settings), param.astype(precision), grads.astype(precision)
    )
    np.testing.assert_allclose(got, want, rtol=bound, atol=bound)


@pytest.mark.parametrize("options", SGD[:4], ids=str)
def test_pytorch_takes_the_same_steps_of_sgd(options, rng):
    torch = pytest.importorskip("torch")
    param, grads = rng.standard_normal(1003).astype(np.float32), gradients(rng, 1003)
    got = param.copy()
    run(F.sgd_step, (got, np.zeros(1003, np.float32)), grads, options)
    settings = {k: v for k, v in options.items() if k != "learning_rate"}
    settings |= {"lr": options["learning_rate"], "foreach": False}
    want = pytorch(torch, lambda p: torch.optim.SGD(p, **settings), param, grads)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


# ---- bad calls --------------------------------------------------------------------------------


def adam(**changes):
    arguments = {k: np.ones(3, np.float32) for k in ("param", "m", "v", "grad")} | {"step": 1}
    arguments |= changes
    F.adam_step(**arguments)


def sgd(**changes):
    arguments = {k: np.ones(3, np.float32) for k in ("param", "m", "grad")} | {"step": 1}
    F.sgd_step(**(arguments | changes))


ONE = np.ones(3, np.float32)
LOCKED = np.ones(3, np.float32)
LOCKED.flags.writeable = False
BAD_CALLS = [
    (TypeError, "param", lambda: adam(param=[1.0])),
    (TypeError, "float32", lambda: adam(grad=np.ones(3))),
    (ValueError, "v: expected shape", lambda: adam(v=np.ones(4, np.float32))),
    (ValueError, "grad: expected shape", lambda: adam(grad=np.ones((3, 1), np.float32))),
    (ValueError, "shares memory", lambda: adam(m=ONE, v=ONE)),
    (ValueError, "read-only", lambda: adam(param=LOCKED)),
    (ValueError, "contiguous", lambda: adam(param=np.ones(6, np.float32)[::2])),
    (ValueError, "step", lambda: adam(step=0)),
    (TypeError, "integer|int", lambda: adam(step=1.5)),
    (ValueError, "learning_rate.*got -1", lambda: adam(learning_rate=-1)),
    (ValueError, "learning_rate", lambda: adam(learning_rate=math.nan)),
    (ValueError, "beta1.*below 1, got 1.0", lambda: adam(beta1=1)),
    (ValueError, "beta2", lambda: adam(beta2=-0.1)),
    (ValueError, "eps", lambda: adam(eps=-1e-8)),
    (ValueError, "weight_decay", lambda: adam(weight_decay=math.inf)),
    (ValueError, "grad_scale", lambda: adam(grad_scale=math.nan)),
    (ValueError, "m: expected an array", lambda: sgd(m=None, momentum=0.9)),
    (ValueError, "momentum", lambda: sgd(momentum=1.0)),
    (ValueError, "step", lambda: sgd(step=-3)),
    (ValueError, "grad: expected shape", lambda: sgd(grad=np.ones(2, np.float32))),
    (TypeError, "float32", lambda: _core.sum_squares(np.ones(3), _core.Workspace())),
]


@pytest.mark.parametrize("error, text, call", BAD_CALLS, ids=range(len(BAD_CALLS)))
def test_bad_calls(error, text, call):
    with pytest.raises(error, match=text):
        call()
    assert (ONE == 1).all()
