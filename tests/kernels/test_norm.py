"""What the table can't say of the norms: hard statistics, running ones, NaN, and errors."""

import aecore.functional as F
import numpy as np
import pytest
import twin
from conftest import ISAS


def functions(channels):
    return {
        "layer_norm": lambda x, *wb: F.layer_norm(x, *wb),
        "group_norm": lambda x, *wb: F.group_norm(x, channels // 2, *wb),
        "group_norm of one group": lambda x, *wb: F.group_norm(x, 1, *wb),
        "batch_norm2d": lambda x, *wb: F.batch_norm2d(x, *wb),
    }


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", functions(2))
def test_constant_input_gives_the_bias(name, isa, workspace):
    workspace(2, isa)
    for channels in (2, 8, 18):
        weight, bias = np.full(channels, 3, np.float32), np.arange(channels, dtype=np.float32)
        x = np.full((5, 3, 3, channels), 0.1, np.float32)
        y = functions(channels)[name](x, weight, bias)
        np.testing.assert_array_equal(y, np.broadcast_to(bias, x.shape))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("offset", [0.0, 1e3, -1e5, 3e6])
def test_variance_beside_a_large_mean(offset, isa, rng, workspace):
    """Steps of 1 around a mean of up to 3e6: sums of squares in float32 would leave nothing."""
    workspace(1, isa)
    x = (offset + rng.integers(-9, 10, (7, 6, 6, 20))).astype(np.float32)
    wide = x.astype(float)
    rounding = 3e-6 + 4e-8 * abs(offset)  # of the mean, which is float32
    for got, want in [
        (F.layer_norm(x), twin.layer_norm(wide)),
        (F.group_norm(x, 5), twin.group_norm(wide, 5)),
        (F.group_norm(x, 1), twin.group_norm(wide, 1)),
        (F.batch_norm2d(x), twin.batch_norm2d(wide)),
    ]:
        assert abs(got.std() - 1) < 1e-6 + rounding**2
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=rounding)


@pytest.mark.parametrize("isa", ISAS)
def test_values_of_any_size(isa, rng, workspace):
    workspace(1, isa)
    x = rng.standard_normal((4, 9, 12)).astype(np.float32)
    for scale in (1e-18, 1e18):
        got = F.layer_norm(np.float32(scale) * x, eps=0.0)
        np.testing.assert_allclose(got, twin.layer_norm(x.astype(float), eps=0.0), atol=2e-6)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_group(bad, isa, workspace):
    workspace(1, isa)
    x = np.random.default_rng(0).standard_normal((4, 3, 3, 12)).astype(np.float32)
    for at in ((0, 0, 0, 0), (2, 1, 2, 7)):
        spoiled = x.copy()
        spoiled[at] = bad
        group, finite = at[3] // 3, np.isfinite
        assert not finite(F.layer_norm(spoiled)[at[:3]]).any()
        assert (~finite(F.layer_norm(spoiled))).sum() == 12
        y = F.group_norm(spoiled, 4)
        assert not finite(y[at[0], ..., 3 * group : 3 * group + 3]).any()
        assert (~finite(y)).sum() == 27
        y = F.batch_norm2d(spoiled)
        assert not finite(y[..., at[3]]).any() and (~finite(y)).sum() == 36


def test_running_statistics():
    """They move towards the batch's, the variance as n / (n - 1) of it; frozen from PyTorch."""
    x = np.float32([[1, -2], [2, 0], [4, 5]]).reshape(3, 1, 1, 2)
    mean, var = np.float32([0.5, -1]), np.float32([2, 3])
    keep = mean, var
    F.batch_norm2d(x, None, None, mean, var, momentum=0.25)
    np.testing.assert_allclose(mean, [0.9583333, -0.5], rtol=1e-6)
    np.testing.assert_allclose(var, [2.0833333, 5.5], rtol=1e-6)
    assert keep[0] is mean and keep[1] is var
    before = mean.copy(), var.copy()
    y = F.batch_norm2d(x, None, None, mean, var, training=False, eps=0.0)
    np.testing.assert_allclose(y.reshape(3, 2), (x.reshape(3, 2) - mean) / var**0.5, rtol=1e-5)
    F.batch_norm2d_backward(x, x, None, None, mean, var)
    np.testing.assert_array_equal((mean, var), before)


def test_one_sample_moves_the_variance_to_zero():
    mean, var = np.zeros(3, np.float32), np.ones(3, np.float32)
    F.batch_norm2d(np.full((1, 1, 1, 3), 7, np.float32), None, None, mean, var, momentum=1)
    assert mean.tolist() == [7, 7, 7] and var.tolist() == [0, 0, 0]


def test_any_number_of_axes(rng):
    x = rng.standard_normal((6, 5, 4, 8)).astype(np.float32)
    flat = F.layer_norm(x.reshape(-1, 8)).reshape(x.shape)
    np.testing.assert_array_equal(F.layer_norm(x), flat)
    np.testing.assert_array_equal(F.layer_norm(x[0, 0, 0]), flat[0, 0, 0])
    images, sequences = F.group_norm(x, 2), F.group_norm(x.reshape(6, 20, 8), 2)
    np.testing.assert_array_equal(images, sequences.reshape(x.shape))
    np.testing.assert_array_equal(
        F.batch_norm2d(x).reshape(-1, 8), F.batch_norm2d(x.reshape(-1, 8))
    )


def test_gradients_are_added_to(rng):
    """The core adds parameter gradients where it is told to, and skips what is None."""
    from aecore import _core

    ws = _core.Workspace()
    x, grad = rng.standard_normal((2, 9, 5), np.float32)
    weight = np.ones(5, np.float32)
    dx, dweight, dbias = F.layer_norm_backward(grad, x, weight, weight)
    mean, rstd = np.empty((2, 9), np.float32)
    _core.layer_norm(np.empty_like(x), mean, rstd, x, weight, None, 1e-5, ws)
    more = np.full(5, 10, np.float32)
    _core.layer_norm_backward(None, more, None, grad, x, mean, rstd, weight, (True, True), ws)
    np.testing.assert_allclose(more, dweight + 10, rtol=1e-6)
    _core.layer_norm_backward(None, None, more, grad, x, mean, rstd, weight, (True, True), ws)
    np.testing.assert_allclose(more, dweight + dbias + 10, rtol=1e-6)
    alone = np.empty_like(x)
    _core.layer_norm_backward(alone, None, None, grad, x, mean, rstd, weight, (True, True), ws)
    np.testing.assert_array_equal(alone, dx)


X = np.zeros((2, 3, 3, 6), np.float32)
C = np.ones(6, np.float32)


@pytest.mark.parametrize(
    "error, message, call",
    [
        (ValueError, "groups: expected a divisor of 6 channels, got 4", lambda: F.group_norm(X, 4)),
        (ValueError, "groups: expected a divisor of 6 channels, got 0", lambda: F.group_norm(X, 0)),
        (
            ValueError,
            "groups: expected a divisor of 0 channels, got 9223372036854775807",
            lambda: F.group_norm(X[..., :0], 2**63 - 1),
        ),
        (TypeError, "integer", lambda: F.group_norm(X, 2.0)),
        (ValueError, "x: expected at least 2 dimensions", lambda: F.group_norm(C, 2)),
        (
            ValueError,
            "x: expected at least 1 dimensions",
            lambda: F.layer_norm(X[0, 0, 0, :1].reshape(())),
        ),
        (ValueError, r"weight: expected shape \(C=6\), got \(5,\)", lambda: F.layer_norm(X, C[:5])),
        (ValueError, "bias: expected shape", lambda: F.batch_norm2d(X, C, C[:5])),
        (TypeError, "x: expected an array of float32", lambda: F.layer_norm(X.astype(float))),
        (TypeError, "x: expected a numpy array", lambda: F.layer_norm([[1.0]])),
        (ValueError, "x: expected a C-contiguous", lambda: F.layer_norm(X[..., ::2])),
        (ValueError, "eps: expected a number from 0 on, got -1", lambda: F.layer_norm(X, eps=-1)),
        (ValueError, "eps: expected", lambda: F.group_norm(X, 2, eps=np.nan)),
        (ValueError, "out: expected shape", lambda: F.layer_norm(X, out=X[0].copy())),
        (ValueError, "out: shares memory with x", lambda: F.batch_norm2d(X, out=X)),
        (ValueError, "grad: expected shape", lambda: F.group_norm_backward(X[0], X, 2)),
        (ValueError, "both or neither", lambda: F.batch_norm2d(X, None, None, C)),
        (ValueError, "where training is False", lambda: F.batch_norm2d(X, training=False)),
        (ValueError, "momentum: expected", lambda: F.batch_norm2d(X, momentum=1.5)),
        (
            TypeError,
            "running_var: expected an array of float32",
            lambda: F.batch_norm2d(X, None, None, C, C.astype(float)),
        ),
        (
            ValueError,
            r"running_mean: expected shape \(6,\)",
            lambda: F.batch_norm2d(X, None, None, C[:3], C),
        ),
    ],
)
def test_malformed_calls(error, message, call):
    with pytest.raises(error, match=message):
        call()
    assert (C == 1).all() and (X == 0).all()
