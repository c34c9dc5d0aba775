"""What the table can't say of attention: large scores, lengths, packed arrays, memory, errors."""

import aecore as ae
import aecore.functional as F
import numpy as np
import pytest
import twin
from aecore import _core, nn
from aecore.base import runtime
from aecore.nn.tape import heeds_lengths
from cases.base import normal
from conftest import ISAS
from support.layers import gradients, run

GUARD = np.float32(-12345.678)


def qkv(rng, n, t, heads, d, scale=1.0):
    return [normal(rng, n, t, heads, d, scale=scale) for _ in range(3)]


def core(q, k, v, grad, lengths=None, causal=False):
    """Return out, lse and the three gradients, each between guard words."""
    n, t, heads, d = q.shape
    ws, options = runtime.current(), (lengths, causal, d**-0.5)
    shapes = [q.shape, (n, heads, t), q.shape, k.shape, v.shape]
    buffers = [np.full(int(np.prod(s)) + 64, GUARD) for s in shapes]
    y, lse, *grads = (b[32:-32].reshape(s) for b, s in zip(buffers, shapes, strict=True))
    _core.attention(y, lse, q, k, v, *options, ws)
    _core.attention_backward(*grads, grad, y, lse, q, k, v, *options, ws)
    for b in buffers:
        assert (b[:32] == GUARD).all() and (b[-32:] == GUARD).all(), "written outside"
    return y, lse, *grads


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("size", [1e2, 1e4, 1e18])
def test_large_scores_pick_a_key_without_overflow(size, isa, rng, workspace):
    workspace(2, isa)
    q, k, v = qkv(rng, 2, 150, 2, 4)
    k[:, 70] = 0
    k[:, 3] = -np.sign(q[:, 5])  # large scores of both signs, and one key that is 0
    q *= np.float32(size)
    y = F.attention(q, k, v)
    assert np.isfinite(y).all()
    for gradient in F.attention_backward(np.ones_like(y), q, k, v):
        assert np.isfinite(gradient).all()
    best = np.einsum("nthd,nshd->nhts", q.astype(float), k.astype(float))
    order = np.sort(best, -1)
    clear = (order[..., -1] - order[..., -2]) / 2 > 20  # the other weights are below e^-20
    picked = np.take_along_axis(v.transpose(0, 2, 1, 3), best.argmax(-1)[..., None], 2)
    assert clear.mean() > (0.3 if size < 1e3 else 0.9)
    got = y.transpose(0, 2, 1, 3)[clear]
    np.testing.assert_allclose(got, picked[clear], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("t", [9, 160])
def test_what_lies_behind_the_end_has_no_influence(t, isa, rng, workspace):
    """Not even if it isn't finite; and its gradients are 0."""
    workspace(2, isa)
    q, k, v = qkv(rng, 4, t, 2, 5)
    lengths = np.array([t, 0, 1, t - 3])
    behind = np.arange(t) >= lengths[:, None]
    grad = normal(rng, *q.shape)
    want = core(q, k, v, grad, lengths)
    for array in (q, k, v, grad):
        array[behind] = np.nan
    got = core(q, k, v, grad, lengths)
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()
        if i != 1:
            assert (a[behind] == 0).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("causal", [False, True])
def test_packed_is_separate(causal, isa, rng, workspace):
    ws = workspace(2, isa)
    packed, grad = normal(rng, 3, 45, 3, 2, 7), normal(rng, 3, 45, 2, 7)
    q, k, v = (np.ascontiguousarray(packed[:, :, i]) for i in range(3))
    lengths = np.array([45, 12, 0])
    want = core(q, k, v, grad, lengths, causal)
    y, lse, d = np.empty_like(grad), np.empty((3, 2, 45), np.float32), np.empty_like(packed)
    options = lengths, causal, 7**-0.5, ws
    _core.self_attention(y, lse, packed, *options)
    _core.self_attention_backward(d, grad, y, lse, packed, *options)
    for got, expected in zip((y, lse, *np.moveaxis(d, 2, 0)), want, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_lse_is_the_logarithm_of_the_sum(rng):
    q, k, v = qkv(rng, 2, 140, 2, 6)
    lse = core(q, k, v, q)[1]
    scores = np.einsum("nthd,nshd->nhts", q.astype(float), k.astype(float)) / 6**0.5
    np.testing.assert_allclose(lse, np.log(np.exp(scores).sum(-1)), rtol=1e-6, atol=1e-6)


def test_gradients_may_be_left_out(rng):
    q, k, v = qkv(rng, 1, 9, 1, 4)
    y, lse, *want = core(q, k, v, q)
    ws = runtime.current()
    for i in range(3):
        grads = [np.empty_like(q) if j == i else None for j in range(3)]
        _core.attention_backward(*grads, q, y, lse, q, k, v, None, False, 0.5, ws)
        np.testing.assert_array_equal(grads[i], want[i])


def test_memory_does_not_grow_with_the_square_of_the_length(rng):
    ws = _core.Workspace(1)
    q = normal(rng, 1, 5000, 1, 8)
    y, lse, d = np.empty_like(q), np.empty((1, 1, 5000), np.float32), np.empty_like(q)
    for _ in range(2):
        _core.attention(y, lse, q, q, q, None, True, 0.3, ws)
        _core.attention_backward(d, None, None, q, y, lse, q, q, q, None, True, 0.3, ws)
    assert ws.nbytes < 200_000 and ws.grown == 2


# ---- layers with lengths ------------------------------------------------------------------------


STACKS = {
    "blocks": lambda: [
        nn.TimeDistributed(nn.Linear(3, 8)),
        nn.TransformerBlock(8, 2, 12),
        nn.Residual(nn.Sequential(nn.LayerNorm(8), nn.MultiHeadAttention(8, 4))),
        nn.MeanPool1d(),
        nn.Linear(8, 4),
    ],
    "recurrent": lambda: [
        nn.TimeDistributed(nn.Linear(3, 8, activation="tanh")),
        nn.Residual(nn.Sequential(nn.LayerNorm(8), nn.LSTM(8, 4, bidirectional=True))),
        nn.LSTM(8, 6, 2, True, last=True),
        nn.Linear(12, 4),
    ],
    "mixed": lambda: [
        nn.LSTM(3, 8),
        nn.TransformerBlock(8, 2, 12),
        nn.LSTM(8, 3, bidirectional=True),
        nn.MeanPool1d(),
        nn.Linear(6, 4),
    ],
}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", STACKS)
def test_lengths_are_as_if_each_sample_came_alone(name, threads, rng, workspace):
    workspace(threads)
    t, lengths = 12, np.array([12, 5, 1, 0, 7])
    stack = nn.Sequential(*STACKS[name]())
    stack.initialize(1)
    last = f"{len(stack.layers) - 1}.bias"
    assert heeds_lengths(stack, (t, 3)) and not heeds_lengths(nn.Linear(2, 2), (2,))
    x, grad = normal(rng, len(lengths), t, 3), normal(rng, len(lengths), 4)
    y, dx, total = gradients(stack, x, grad, training=True, lengths=lengths)
    want = {name: np.zeros_like(g) for name, g in total.items()}
    for i, n in enumerate(lengths):
        assert (dx[i, n:] == 0).all()
        cut = x[i : i + 1, : max(n, 1)].copy()
        alone, dalone, parts = gradients(stack, cut, grad[i : i + 1], training=True)
        if n == 0:  # the code of nothing is the last layer's bias
            np.testing.assert_array_equal(y[i], stack.layers[-1].bias.value)
            parts = {k: v if k == last else 0 for k, v in parts.items()}
        else:
            np.testing.assert_allclose(y[i], alone[0], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(dx[i, :n], dalone[0], rtol=1e-4, atol=1e-5)
        want = {name: want[name] + parts[name] for name in want}
    for name in want:
        np.testing.assert_allclose(total[name], want[name], rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("isa", ISAS)
def test_mean_and_positions(isa, rng, workspace):
    results = []
    for threads in (1, 2, 3):
        workspace(threads, isa)
        x, lengths = np.random.default_rng(0).standard_normal((40, 70, 37), np.float32), []
        lengths = np.arange(40) * 70 // 39
        mean, positions = nn.MeanPool1d(), nn.PositionalEmbedding(70, 37)
        positions.initialize(3)
        first = run(mean, x, lengths=lengths)
        y, dx = first.y, first.back(first.y)
        second = run(positions, y)
        p, d = second.y, second.back(x)
        results.append([a.copy() for a in (y, dx, p, d, positions.weight.grad)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert a.tobytes() == b.tobytes()
    there = (np.arange(70) < lengths[:, None])[..., None]
    want = (x.astype(float) * there).sum(1) / np.maximum(lengths, 1)[:, None]
    y, dx, p, d, dp = results[0]
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        dx, (y / np.maximum(lengths, 1)[:, None])[:, None] * there, rtol=1e-6
    )
    np.testing.assert_allclose(p, y[:, None] + positions.weight.value, rtol=1e-6)
    np.testing.assert_allclose(d, x.sum(1, dtype=float), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(dp, x.sum(0, dtype=float), rtol=1e-5, atol=1e-4)


def test_training_allocates_nothing(rng):
    x = normal(rng, 32, 20, 3)
    model = ae.Autoencoder(ae.Transformer(16, 2, 1, 24), 4, batch_size=16, random_state=0)
    model.partial_fit(x)
    ws = runtime.current()
    before = ws.grown
    model.partial_fit(x)
    assert ws.grown == before


@pytest.mark.parametrize("part", ["linear1", "attention.project", "norm2"])
def test_a_block_that_is_not_finite_is_named(part, rng):
    model = ae.Autoencoder(ae.Transformer(8, 2, 2, 12), 4, batch_size=16, random_state=0)
    x = normal(rng, 16, 5, 3)
    model.partial_fit(x)
    for name, p in model._network.parameters():
        if name == f"encoder.3.{part}.weight":
            p.value.flat[0] = np.inf
    with pytest.raises(FloatingPointError, match=r"the output of encoder\.3, TransformerBlock"):
        model.partial_fit(x)


# ---- errors --------------------------------------------------------------------------------------

Q = np.zeros((2, 3, 2, 4), np.float32)
K = np.zeros((2, 5, 2, 4), np.float32)
L = np.array([1, 3])
W = np.zeros((7, 4), np.float32)
I = np.array([0, 6])  # noqa: E741


@pytest.mark.parametrize(
    "error, message, call",
    [
        (TypeError, "q: expected a numpy array, got list", lambda: F.attention([1], Q, Q)),
        (TypeError, "q: expected an array of float32", lambda: F.attention(Q.astype(float), Q, Q)),
        (ValueError, "k: expected 4 dimensions", lambda: F.attention(Q, Q[0], Q)),
        (ValueError, r"k: expected shape \(N=2, S, H=2, D=4\)", lambda: F.attention(Q, Q[:1], Q)),
        (ValueError, "v: expected shape", lambda: F.attention(Q, K, Q)),
        (ValueError, "v: expected a C-contiguous", lambda: F.attention(Q, K, K[..., ::-1])),
        (ValueError, "out: expected shape", lambda: F.attention(Q, K, K, out=K.copy())),
        (ValueError, "out: shares memory with q", lambda: F.attention(Q, K, K, out=Q)),
        (ValueError, "scale: expected a finite", lambda: F.attention(Q, K, K, scale=np.nan)),
        (ValueError, "scale: expected a finite", lambda: F.attention(Q, K, K, scale=1e300)),
        (ValueError, "as many queries as keys", lambda: F.attention(Q, K, K, lengths=L)),
        (ValueError, "lengths: expected 0 to 3", lambda: F.attention(Q, Q, Q, lengths=L + 1)),
        (ValueError, "lengths: expected 0 to 3", lambda: F.attention(Q, Q, Q, lengths=L - 2)),
        (ValueError, r"lengths: expected shape", lambda: F.attention(Q, Q, Q, lengths=L[:1])),
        (TypeError, "int64", lambda: F.attention(Q, Q, Q, lengths=L.astype(float))),
        (ValueError, "grad: expected shape", lambda: F.attention_backward(K, Q, K, K)),
        (TypeError, "indices: expected an array of int64", lambda: F.embedding(I * 1.0, W)),
        (ValueError, "expected 0 to 6, got 7", lambda: F.embedding(I + 1, W)),
        (ValueError, "expected 0 to 6, got -1", lambda: F.embedding_backward(W[:2], I - 1, W)),
        (TypeError, "weight: expected an array of float32", lambda: F.embedding(I, W.astype(int))),
        (ValueError, "weight: expected 2 dimensions", lambda: F.embedding(I, W[0])),
        (ValueError, "out: expected shape", lambda: F.embedding(I, W, out=W[:3].copy())),
        (ValueError, "grad: expected shape", lambda: F.embedding_backward(W, I, W)),
        (
            ValueError,
            r"lengths: expected 0 to 3",
            lambda: run(nn.MeanPool1d(), Q[:, :, 0].copy(), lengths=L + 1),
        ),
    ],
)  # fmt: skip
def test_malformed_calls(error, message, call):
    with pytest.raises(error, match=message):
        call()
    assert not Q.any() and not K.any() and not W.any()


def test_packed_arrays_of_another_form_are_refused():
    ws, y, lse = _core.Workspace(), np.empty((2, 3, 2, 4), "f4"), np.empty((2, 2, 3), "f4")
    with pytest.raises(ValueError, match=r"qkv: expected shape \(N, T, 3, H, D\), got 2 for the 3"):
        _core.self_attention(y, lse, np.zeros((2, 3, 2, 2, 4), "f4"), None, False, 1.0, ws)


def test_a_whole_table_of_one_row(rng):
    """Thousands of gradients of one row are added without losing digits."""
    grad, indices = np.full((30000, 3), 0.1, np.float32), np.zeros(30000, np.int64)
    got = F.embedding_backward(grad, indices, np.zeros((2, 3), np.float32))
    want = twin.embedding_backward(grad.astype(float), indices, np.zeros((2, 3)))
    np.testing.assert_allclose(got, want, rtol=5e-6)
