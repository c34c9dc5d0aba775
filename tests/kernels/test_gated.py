"""The gated unit and unequal padding: what the table of cases can't say."""

import aecore.functional as F
import numpy as np
import pytest
from aecore import _core
from cases.base import GUARD, guarded, normal
from conftest import ISAS


@pytest.mark.parametrize("isa", ISAS)
def test_edges_of_the_range(isa, workspace):
    workspace(1, isa)
    big = np.array([[-np.inf, -100, 0, 100, np.inf]], np.float32)
    a, b = (v.reshape(1, -1).astype(np.float32) for v in np.meshgrid(big, big))
    want = np.tanh(a.astype(float)) / (1 + np.exp(-b.astype(float)))
    got = F.gated_tanh(np.concatenate([a, b], 1))
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-37)
    dx, _ = F.gated_tanh_backward(np.ones_like(a), np.concatenate([a, b], 1))
    assert np.isfinite(dx).all()
    assert np.isnan(F.gated_tanh(np.full((1, 2), np.nan, np.float32))).all()


@pytest.mark.parametrize("isa", ISAS)
def test_small_gates_keep_their_digits(isa, workspace):
    workspace(1, isa)
    x = np.array([[1e-6, -30.0]], np.float32)
    np.testing.assert_allclose(F.gated_tanh(x), [[1e-6 * np.exp(-30.0)]], rtol=1e-6)
    dx, _ = F.gated_tanh_backward(np.ones((1, 1), np.float32), x)
    np.testing.assert_allclose(dx, [[np.exp(-30.0), 1e-6 * np.exp(-30.0)]], rtol=1e-6)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("c", [1, 5, 16, 33])
def test_backward_fills_its_outputs_and_no_more(c, isa, rng):
    x, bias, dy = normal(rng, 3, 4, 2 * c), normal(rng, 3, 2 * c), normal(rng, 3, 4, c)
    (dx, room), (dbias, bias_room) = guarded(x.shape), guarded(bias.shape)
    bits = set()
    for threads in (1, 2, 3):
        ws = _core.Workspace(threads, isa)
        _core.gated_tanh_backward(dx, dbias, dy, x, bias, ws)
        bits.add((dx.tobytes(), dbias.tobytes()))
        for buffer in (room, bias_room):
            assert (buffer[:32] == GUARD).all() and (buffer[-32:] == GUARD).all()
    assert len(bits) == 1
    without = np.empty_like(x)
    _core.gated_tanh_backward(without, None, dy, x, bias, _core.Workspace(1, isa))
    np.testing.assert_array_equal(without, dx)


def test_a_sample_is_the_same_in_any_batch(rng):
    x, bias = normal(rng, 9, 7, 10), normal(rng, 9, 10)
    whole = F.gated_tanh(x, bias)
    for i in range(9):
        np.testing.assert_array_equal(F.gated_tanh(x[i : i + 1], bias[i : i + 1])[0], whole[i])


X, BIAS, Y = (np.ones(s, np.float32) for s in [(2, 3, 4), (2, 4), (2, 3, 2)])
CALLS = [
    (lambda: F.gated_tanh(X.astype(float)), TypeError, "float32"),
    (lambda: F.gated_tanh([1.0, 2.0]), TypeError, "numpy array"),
    (lambda: F.gated_tanh(X[0, 0]), ValueError, "channels"),
    (lambda: F.gated_tanh(X[..., :3].copy()), ValueError, "even number"),
    (lambda: F.gated_tanh(X[..., :2]), ValueError, "contiguous"),
    (lambda: F.gated_tanh(X, BIAS[:1]), ValueError, "bias"),
    (lambda: F.gated_tanh(X, BIAS[:, :2].copy()), ValueError, "bias"),
    (lambda: F.gated_tanh(X, out=X), ValueError, "out: expected shape"),
    (lambda: F.gated_tanh_backward(Y[:1], X), ValueError, "expected"),
    (lambda: F.gated_tanh_backward(Y, X, BIAS.astype(int)), TypeError, "bias"),
    (lambda: _core.gated_tanh(Y, X, Y, _core.Workspace()), ValueError, "bias"),
    (lambda: _core.gated_tanh(Y, X, None), TypeError, "argument"),
    (
        lambda: _core.gated_tanh_backward(X, None, Y, X, None, _core.Workspace()),
        ValueError,
        "shares memory",
    ),
    (lambda: F.conv2d(I, W, padding=((1, 1), (1,))), TypeError, "a pair for each axis"),
    (lambda: F.conv2d(I, W, padding=((1, 1), (1, 0.5))), TypeError, "a pair for each axis"),
    (lambda: F.conv2d(I, W, padding=((1, 1),)), TypeError, "a pair for each axis"),
    (lambda: F.conv2d(I, W, padding=((-1, 1), (1, 1))), ValueError, "at the start"),
    (lambda: F.conv2d(I, W, padding=((0, 4), (1, 1))), ValueError, "kernel's size"),
    (lambda: F.conv2d(I, W, padding=((0, 0), (1, -4))), ValueError, "kernel's size"),
    (lambda: F.conv_transpose2d(I, W, padding=((0, 1), (1, 0))), TypeError, "padding"),
    (lambda: F.conv2d(I, W, dilation=0), ValueError, "dilation: expected at least 1"),
    (lambda: F.conv2d(I, W, dilation=(1, 2, 3)), TypeError, "dilation"),
    (lambda: F.conv2d(I, W, dilation=2**31 - 1, padding=3), ValueError, "reach over at most"),
    (lambda: F.conv2d(I, W, groups=0), ValueError, "groups: expected at least 1"),
    (lambda: F.conv2d(I, W, groups=2.0), TypeError, "groups"),
    (lambda: F.conv2d(I, W, groups=2), ValueError, "groups: expected a divisor of 2 input"),
    (lambda: F.conv2d(I, W[..., :1].copy(), groups=3), ValueError, "groups: expected a divisor"),
    (lambda: F.conv2d(I, W[:1, ..., :1].copy(), groups=2), ValueError, "1 output channels"),
    (lambda: F.conv2d_backward(I, I, W, padding=1, groups=2), ValueError, "groups"),
    (lambda: F.conv_transpose2d(I, W, dilation=-1), ValueError, "dilation"),
    (lambda: conv(_core.conv2d, [1, 1]), TypeError, "padding: expected a tuple"),
    (lambda: conv(_core.conv2d, (1, 1, 1)), TypeError, "padding"),
    (lambda: conv(_core.conv2d, (1, 0, 1, 1)), ValueError, "height of the output"),
    (lambda: conv(_core.conv_transpose2d, (1, 0, 1, 1)), ValueError, "the same at both ends"),
]
I, W = np.ones((1, 5, 5, 2), np.float32), np.ones((2, 3, 3, 2), np.float32)  # noqa: E741


def conv(function, padding):
    how = None, None, (1, 1), padding, (1, 1), 1, True, None, None
    function(np.empty_like(I), I, W, *how, _core.Workspace())


@pytest.mark.parametrize("call, error, word", CALLS, ids=map(str, range(len(CALLS))))
def test_malformed_calls(call, error, word):
    with pytest.raises(error) as caught:
        call()
    assert word in str(caught.value), str(caught.value)


def test_padding_at_the_ends_is_that_of_a_padded_image(rng):
    x, w = normal(rng, 2, 5, 6, 3), normal(rng, 4, 3, 2, 3)
    padded = np.pad(x, ((0, 0), (2, 1), (0, 2), (0, 0)))
    got = F.conv2d(x, w, padding=((2, 1), (0, 2)))
    np.testing.assert_array_equal(got, F.conv2d(padded, w))
    cropped = np.ascontiguousarray(x[:, :-1, :-2])
    np.testing.assert_array_equal(F.conv2d(x, w, padding=((0, -1), (0, -2))), F.conv2d(cropped, w))
    np.testing.assert_array_equal(
        F.conv2d(x, w, padding=((1, 1), (2, 2))), F.conv2d(x, w, padding=(1, 2))
    )
