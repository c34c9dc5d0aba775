"""The fused parts of a transformer block, and the sum in a linear layer's product."""

import numpy as np
import pytest
import twin
from aecore import _core
from cases.base import GUARD, guarded, normal
from conftest import ISAS

EPS = 1e-5
# rows, width, hidden: edges of vectors and tiles, of chunks (96) and of blocks (32 chunks)
SHAPES = [
    *[(n, 5, 7) for n in (0, 1, 2, 95, 96, 97, 193, 3100)],
    *[(9, c, 6) for c in (1, 2, 8, 15, 16, 17, 31, 32, 33, 65)],
    *[(9, 6, f) for f in (1, 7, 16, 17, 32, 33, 97)],
    (200, 64, 192),
    (130, 64, 256),
]


def inputs(rng, n, c, f, second):
    gamma, beta, bias1, bias2 = 1 + normal(rng, c) / 3, normal(rng, c), normal(rng, f), None
    weight1, weight2 = normal(rng, f, c, scale=c**-0.5), None
    if second:
        weight2, bias2 = normal(rng, c, f, scale=f**-0.5), normal(rng, c)
    return normal(rng, n, c), [gamma, beta, weight1, bias1, weight2, bias2]


def run(ws, x, parameters, dy, dh, start=np.nan):
    """Return every output of both passes; parameter gradients are added to `start`, or fresh."""
    (n, c), second = x.shape, parameters[4] is not None
    f = len(parameters[2])
    made = {name: guarded(s) for name, s in {"h": (n, f), "mean": (n,), "rstd": (n,)}.items()}
    made["y"], made["dx"] = guarded((n, c)), guarded((n, c))
    y, h, mean, rstd, dx = (made[k][0] for k in ("y", "h", "mean", "rstd", "dx"))
    _core.norm_mlp(y if second else None, h, mean, rstd, x, *parameters, EPS, ws)
    grads = [None if p is None else np.full(p.shape, start, np.float32) for p in parameters]
    caches = (None, h) if second else (dh, None)
    weights, adds = [parameters[i] for i in (0, 1, 2, 4)], (not np.isnan(start),) * 6
    _core.norm_mlp_backward(dx, *grads, dy, *caches, x, mean, rstd, *weights, adds, ws)
    for _, b in made.values():
        assert (b[:32] == GUARD).all() and (b[-32:] == GUARD).all(), "written outside"
    return [y if second else h, h, dx, *[g for g in grads if g is not None]]


def double(*values):
    return [None if v is None else v.astype(np.float64) for v in values]


def expected(x, parameters, dy, dh):
    """Return the same in float64."""
    x, dy, dh = double(x, dy, dh)
    gamma, beta, weight1, bias1, weight2, bias2 = double(*parameters)
    z = twin.layer_norm(x, gamma, beta, eps=EPS)
    h = y = z @ weight1.T + bias1
    more = []
    if weight2 is not None:
        g = twin.activation(h, "gelu")
        y = x + g @ weight2.T + bias2
        dh = twin.activation_backward(dy @ weight2, h, "gelu")
        more = [dy.T @ g, dy.sum(0)]
    dz, dgamma, dbeta = twin.layer_norm_backward(dh @ weight1, x, gamma, beta, eps=EPS)
    return [y, h, dy + dz, dgamma, dbeta, dh.T @ z, dh.sum(0), *more]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("second", [False, True], ids=["one", "two"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
def test_values_and_gradients(shape, second, isa, rng):
    n, c, f = shape
    x, parameters = inputs(rng, n, c, f, second)
    dy, dh = normal(rng, n, c), normal(rng, n, f)
    want = expected(x, parameters, dy, dh)
    results = [run(_core.Workspace(t, isa), x, parameters, dy, dh) for t in (1, 2, 3)]
    for i, (got, w) in enumerate(zip(results[0], want, strict=True)):
        # of two values or one the variance may be 0, and gradients are differences of 1 / sqrt(eps)
        near = (2e-2 if c <= 2 else 3e-5) * max(1.0, np.abs(w).mean() if w.size else 0.0)
        np.testing.assert_allclose(got, w, rtol=3e-5, atol=near, err_msg=f"output {i}")
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert a.tobytes() == b.tobytes(), "the bits depend on the number of threads"


@pytest.mark.parametrize("second", [False, True])
def test_parameter_gradients_are_added_to(second, rng):
    x, parameters = inputs(rng, 20, 6, 9, second)
    dy, dh, ws = normal(rng, 20, 6), normal(rng, 20, 9), _core.Workspace()
    starts = np.nan, 0.0, 10.0
    fresh, same, more = (run(ws, x, parameters, dy, dh, start) for start in starts)
    for a, b, c in zip(fresh[3:], same[3:], more[3:], strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(c, a + 10, rtol=1e-6)
    grown = ws.grown
    run(ws, x, parameters, dy, dh)
    assert ws.grown == grown


def test_gelu_and_its_slope_are_those_of_the_layers(rng):
    """The fused block gives the very bits of the product, the activation and the sum apart."""
    ws = _core.Workspace(1)
    x, parameters = inputs(rng, 50, 16, 24, True)
    y, h, *_ = run(ws, x, parameters, x, None)
    g, want = np.empty_like(h), np.empty_like(x)
    _core.activation(g, h, "gelu", ws)
    _core.linear(want, g, *parameters[4:], None, False, x, None, ws)
    np.testing.assert_array_equal(y, want)


def test_malformed_calls(rng):
    ws, (x, p) = _core.Workspace(), inputs(rng, 4, 3, 5, True)
    y, h, m = np.empty_like(x), np.empty((4, 5), np.float32), np.empty((2, 4), np.float32)
    wrong = [
        (ValueError, "out: expected an array", (None, h, *m, x, *p)),
        (ValueError, "bias2: expected an array", (y, h, *m, x, *p[:5], None)),
        (ValueError, "out: expected None", (y, h, *m, x, *p[:4], None, None)),
        (ValueError, r"hidden: expected shape \(N=4, F=5\)", (y, y.copy(), *m, x, *p)),
        (ValueError, r"weight2: expected shape \(C=3, F=5\)", (y, h, *m, x, *p[:4], p[2], p[5])),
        (ValueError, "out: shares memory with x", (x, h, *m, x, *p)),
        (ValueError, "gamma: expected shape", (y, h, *m, x, p[3], *p[1:])),
        (TypeError, "x: expected an array of float32", (y, h, *m, x.astype(float), *p)),
    ]
    for error, message, args in wrong:
        with pytest.raises(error, match=message):
            _core.norm_mlp(*args, EPS, ws)
    _core.norm_mlp(y, h, *m, x, *p, EPS, ws)
    grads, w = [np.zeros_like(v) for v in p], (p[0], p[1], p[2], p[4])
    dx, ones = np.empty_like(x), np.ones_like(x)
    for message, args in [
        ("hidden: expected an array", (dx, *grads, ones, None, None, x, *m, *w)),
        ("dhidden: expected None", (dx, *grads, ones, h, h, x, *m, *w)),
        ("dweight2: expected None", (dx, *grads, ones, h, None, x, *m, *w[:3], None)),
        ("dx: shares memory with grad", (ones, *grads, ones, None, h, x, *m, *w)),
    ]:
        with pytest.raises(ValueError, match=message):
            _core.norm_mlp_backward(*args, (False,) * 6, ws)
    assert not any(g.any() for g in grads)
