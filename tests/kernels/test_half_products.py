"""Products of bfloat16: those of NumPy's float64 with the operands rounded at the same places."""

import numpy as np
import pytest
import twin
from aecore import _core
from aecore.base import runtime
from cases.base import GUARD, guarded, normal
from conftest import ISAS

THREADS = 1, 2, 3
# samples, inputs, outputs: edges of vectors, tiles and panels, of pairs, of blocks of depth (1,024)
LINEAR = [
    *[(n, 6, 9) for n in (0, 1, 2, 3, 4, 5, 12, 13, 25, 97)],
    *[(5, i, 7) for i in (0, 1, 2, 3, 15, 16, 17, 31, 33, 1023, 1024, 1025, 2048, 2049, 2051)],
    *[(6, 5, o) for o in (0, 1, 2, 8, 15, 16, 17, 24, 31, 32, 33, 65, 97)],
    (2051, 3, 5),
    (300, 70, 130),
]


def half(x):
    """Return the nearest bfloat16 of each value, ties to even, as float64."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    bits = bits + np.uint32(0x7FFF) + (bits >> 16 & 1)
    return (bits & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)


def workspaces(isa):
    return [_core.Workspace(t, isa, True) for t in THREADS]


def check_equal(results):
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def linear(ws, x, weight, bias, grad, transposed):
    made = [guarded(s) for s in (grad.shape, x.shape, weight.shape, bias.shape)]
    y, dx, dw, db = (view for view, _ in made)
    _core.linear(y, x, weight, bias, None, transposed, None, None, ws)
    fresh = False, False
    _core.linear_backward(dx, dw, db, grad, x, weight, None, transposed, fresh, ws)
    for _, b in made:
        assert (b[:32] == GUARD).all() and (b[-32:] == GUARD).all(), "written outside"
    return y, dx, dw, db


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", LINEAR, ids=lambda s: "x".join(map(str, s)))
def test_linear(shape, transposed, isa, rng):
    n, i, o = shape
    x, bias, grad = normal(rng, n, i), normal(rng, o), normal(rng, n, o)
    weight = normal(rng, *((i, o) if transposed else (o, i)))
    results = [linear(ws, x, weight, bias, grad, transposed) for ws in workspaces(isa)]
    check_equal(results)
    w = half(weight.T if transposed else weight)
    dw = half(grad).T @ half(x)
    sums = half(x) @ w.T + bias, half(grad) @ w, dw.T if transposed else dw, grad.sum(0, float)
    sizes = [np.abs(half(a)) @ np.abs(b) for a, b in ((x, w.T), (grad, w), (grad.T, half(x)))]
    sizes[0] += np.abs(bias)
    sizes[2] = sizes[2].T if transposed else sizes[2]
    sizes.append(np.abs(grad).sum(0))
    for got, want, size in zip(results[0], sums, sizes, strict=True):
        assert (np.abs(got - want) <= 3e-6 * size).all()


@pytest.mark.parametrize("isa", ISAS)
def test_gradients_go_on_from_what_is_there(isa, rng):
    x, weight, grad = normal(rng, 40, 30), normal(rng, 20, 30), normal(rng, 40, 20)
    start = normal(rng, 20, 30), normal(rng, 20)
    dw, db = (a.copy() for a in start)
    ws = _core.Workspace(2, isa, True)
    _core.linear_backward(None, dw, db, grad, x, weight, None, False, (True, True), ws)
    np.testing.assert_allclose(dw, start[0] + half(grad).T @ half(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(db, start[1] + grad.sum(0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("isa", ISAS)
def test_what_is_not_finite_stays_so(isa):
    x = np.array([[np.nan, 1], [np.inf, 1], [1, -np.inf], [3.4e38, 1], [1, 2]], np.float32)
    x.view(np.uint32)[0, 0] = 0x7F800001  # a NaN whose upper half alone is infinity
    y = np.empty((5, 1), np.float32)
    weight = np.ones((1, 2), np.float32)
    ws = _core.Workspace(1, isa, True)
    _core.linear(y, x, weight, None, None, False, None, None, ws)
    np.testing.assert_array_equal(y[:, 0], [np.nan, np.inf, -np.inf, np.inf, 3])


@pytest.mark.parametrize("isa", ISAS)
def test_ties_go_to_the_even_neighbour(isa):
    exact = np.array([1, 1.0078125, -1.0078125, 0.0, 1.00390625, 1.01171875, 1.005], np.float32)
    wanted = np.array([1, 1.0078125, -1.0078125, 0.0, 1.0, 1.015625, 1.0078125], np.float32)
    y = np.empty((7, 1), np.float32)
    one, ws = np.ones((1, 1), np.float32), _core.Workspace(1, isa, True)
    _core.linear(y, exact[:, None], one, None, None, False, None, None, ws)
    np.testing.assert_array_equal(y[:, 0], wanted)


def distance(got, want):
    """Return the norm of a difference beside that of what is wanted."""
    return np.linalg.norm(got - want) / max(1e-3, np.linalg.norm(want))


def attention(ws, q, k, v, grad, lengths, causal):
    (n, t, heads, _), options = q.shape, (lengths, causal, q.shape[-1] ** -0.5)
    made = [guarded(s) for s in (q.shape, (n, heads, t), q.shape, k.shape, v.shape)]
    y, lse, *grads = (view for view, _ in made)
    _core.attention(y, lse, q, k, v, *options, ws)
    _core.attention_backward(*grads, grad, y, lse, q, k, v, *options, ws)
    for _, b in made:
        assert (b[:32] == GUARD).all() and (b[-32:] == GUARD).all(), "written outside"
    return y, *grads


def expected_attention(q, k, v, grad, lengths, causal):
    scale, (hq, hk, hv, hg) = q.shape[-1] ** -0.5, map(half, (q, k, v, grad))
    w = twin.attention(hq, hk, np.eye(k.shape[1])[None, :, None], lengths=lengths, causal=causal)
    top = np.maximum(w.max(-1, keepdims=True), 1e-300)  # what is rounded is 1 for the largest
    y = np.einsum("nths,nshd->nthd", half(w / top) * top, hv)
    dw = np.einsum("nthd,nshd->nths", hg, hv)
    ds = half(w * (dw - (hg * y).sum(-1, keepdims=True)) * scale)
    dq, dk = np.einsum("nths,nshd->nthd", ds, hk), np.einsum("nths,nthd->nshd", ds, hq)
    return y, dq, dk, np.einsum("nths,nthd->nshd", half(w), hg)


# samples, steps, heads, width: within a block of 128 keys, whose largest score all weights have
ATTENTION = [(2, 1, 1, 1), (3, 5, 2, 3), (2, 33, 1, 16), (20, 64, 4, 16), (1, 128, 2, 7)]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("shape", ATTENTION, ids=lambda s: "x".join(map(str, s)))
def test_attention(shape, ragged, causal, isa, rng):
    q, k, v, grad = (normal(rng, *shape) for _ in range(4))
    lengths = rng.integers(0, shape[1] + 1, shape[0]) if ragged else None
    given = q, k, v, grad, lengths, causal
    results = [attention(ws, *given) for ws in workspaces(isa)]
    check_equal(results)
    if ragged:
        behind = np.arange(shape[1]) >= lengths[:, None]
        grad[behind] = 0
    wanted = expected_attention(*given)
    plain = attention(_core.Workspace(1, isa), *given)
    for got, want, other in zip(results[0], wanted, plain, strict=True):
        assert distance(got, want) < 3e-4  # a few weights lie beside a tie
        assert distance(got, other) < 0.03


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("causal", [False, True])
def test_long_attention(causal, isa, rng):
    q, k, v, grad = (normal(rng, 2, 300, 2, 16) for _ in range(4))
    results = [attention(ws, q, k, v, grad, None, causal) for ws in workspaces(isa)]
    check_equal(results)
    plain = attention(_core.Workspace(1, isa), q, k, v, grad, None, causal)
    for got, want in zip(results[0], plain, strict=True):
        assert 1e-4 < distance(got, want) < 0.02


# rows, width, hidden: edges of vectors, of chunks (96) and of blocks of chunks
FUSED = [
    *[(n, 5, 7) for n in (0, 1, 2, 95, 96, 97, 3100)],
    (9, 33, 17),
    (9, 16, 97),
    (130, 64, 256),
]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("second", [False, True], ids=["one", "two"])
@pytest.mark.parametrize("shape", FUSED, ids=lambda s: "x".join(map(str, s)))
def test_norm_mlp(shape, second, isa, rng):
    n, c, f = shape
    x, dy, dh = normal(rng, n, c), normal(rng, n, c), normal(rng, n, f)
    gamma, beta, bias1, bias2 = 1 + normal(rng, c) / 3, normal(rng, c), normal(rng, f), None
    weight1, weight2 = normal(rng, f, c, scale=c**-0.5), None
    if second:
        weight2, bias2 = normal(rng, c, f, scale=f**-0.5), normal(rng, c)
    parameters = gamma, beta, weight1, bias1, weight2, bias2

    def run(ws):
        made = [guarded(s) for s in ((n, c), (n, f), (n,), (n,), (n, c))]
        y, h, mean, rstd, dx = (view for view, _ in made)
        _core.norm_mlp(y if second else None, h, mean, rstd, x, *parameters, 1e-5, ws)
        grads = [None if p is None else np.empty(p.shape, np.float32) for p in parameters]
        caches = (None, h) if second else (dh, None)
        weights, adds = [parameters[i] for i in (0, 1, 2, 4)], (False,) * 6
        _core.norm_mlp_backward(dx, *grads, dy, *caches, x, mean, rstd, *weights, adds, ws)
        for _, b in made:
            assert (b[:32] == GUARD).all() and (b[-32:] == GUARD).all(), "written outside"
        return [y if second else h, h, dx, *[g for g in grads if g is not None]]

    results = [run(ws) for ws in workspaces(isa)]
    check_equal(results)
    z = twin.layer_norm(x.astype(float), gamma, beta, eps=1e-5)
    h = y = half(z) @ half(weight1).T + bias1
    more, dhidden = [], dh.astype(float)
    if second:
        g = twin.activation(h, "gelu")
        y = x + half(g) @ half(weight2).T + bias2
        dhidden = twin.activation_backward(half(dy) @ half(weight2), h, "gelu")
        more = [half(dy).T @ half(g), dy.sum(0)]
    dz = half(dhidden) @ half(weight1)
    dx, dgamma, dbeta = twin.layer_norm_backward(dz, x.astype(float), gamma, beta, eps=1e-5)
    wanted = [y, h, dy + dx, dgamma, dbeta, half(dhidden).T @ half(z), dhidden.sum(0), *more]
    for i, (got, want) in enumerate(zip(results[0], wanted, strict=True)):
        assert distance(got, want) < 1e-3, f"output {i}"  # a few values lie beside a tie


def test_only_where_it_is_asked_for(rng):
    x, weight = normal(rng, 9, 20), normal(rng, 7, 20)

    def product():
        y = np.empty((9, 7), np.float32)
        _core.linear(y, x, weight, None, None, False, None, None, runtime.current())
        return y

    before = product()
    with runtime.products_of_half(True):
        rounded = product()
        with runtime.products_of_half(False):
            np.testing.assert_array_equal(product(), before)
        np.testing.assert_array_equal(product(), rounded)
        assert runtime.current().half
    np.testing.assert_array_equal(product(), before)
    assert (rounded != before).any() and not runtime.current().half
