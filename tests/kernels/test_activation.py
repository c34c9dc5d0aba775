"""What the table can't say of the activations: edges of the range, NaN, in place, errors."""

import aecore.functional as F
import numpy as np
import pytest
from aecore import _core
from cases.activation import FROM_INPUT, KINDS
from conftest import ISAS

NONLINEAR = [kind for kind in KINDS if kind != "linear"]
LIMITS = {  # at minus and plus infinity: of the function, and of its derivative
    "linear": (-np.inf, np.inf, 1, 1),
    "relu": (0, np.inf, 0, 1),
    "leaky_relu": (-np.inf, np.inf, 0.01, 1),
    "elu": (-1, np.inf, 0, 1),
    "tanh": (-1, 1, 0, 0),
    "sigmoid": (0, 1, 0, 0),
    "softplus": (0, np.inf, 0, 1),
    "gelu": (0, np.inf, 0, 1),
    "silu": (0, np.inf, 0, 1),
}


def derivative(x, kind):
    saved = x if kind in FROM_INPUT else F.activation(x, kind)
    return F.activation_backward(np.ones_like(x), saved, kind)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
def test_edges_of_the_range(kind, isa, workspace):
    workspace(1, isa)
    low, high, slope_low, slope_high = LIMITS[kind]
    x = np.array([-np.inf, np.inf, -3e38, 3e38, np.nan, 0, 1e-45], np.float32)
    y = F.activation(x, kind)
    np.testing.assert_allclose(y[:2], [low, high], rtol=1e-6, atol=1e-35)
    assert not np.isnan(y[2:4]).any() and np.isnan(y[4])
    slope = derivative(x, kind)
    np.testing.assert_allclose(slope[:4], [slope_low, slope_high] * 2, rtol=1e-6, atol=1e-35)
    assert np.isfinite(slope[5:]).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
def test_nan_comes_out_where_it_went_in(kind, isa, workspace):
    workspace(1, isa)
    for n in (1, 8, 19):
        for at in range(n):
            x = np.full(n, 0.5, np.float32)
            x[at] = np.nan
            assert (np.isnan(F.activation(x, kind)) == np.isnan(x)).all()
            ones = np.ones(n, np.float32)
            assert (np.isnan(F.activation_backward(x, ones, kind)) == np.isnan(x)).all()
            if kind not in ("linear", "relu", "leaky_relu"):  # whose slopes depend on signs alone
                assert (np.isnan(F.activation_backward(ones, x, kind)) == np.isnan(x)).all()


def test_only_what_never_falls_has_its_gradient_in_its_output():
    assert FROM_INPUT == ["gelu", "silu"]
    x = np.linspace(-6, 6, 1001, dtype=np.float32)
    for kind in _core.FUSED:
        assert (np.diff(F.activation(x, kind)) >= 0).all()


def test_relu_drops_gradients_that_are_not_finite():
    grad = np.array([np.inf, np.nan, -np.inf, 5], np.float32)
    y = np.array([0, 0, 1, 1], np.float32)
    np.testing.assert_array_equal(F.activation_backward(grad, y, "relu"), [0, 0, -np.inf, 5])


def test_known_answers():
    x = np.array([-2, -0.5, 0, 1], np.float32)
    expected = {  # from tables and by hand, to the digits given
        "elu": [-0.8646647, -0.3934693, 0, 1],
        "gelu": [-0.0455003, -0.1542688, 0, 0.8413447],
        "leaky_relu": [-0.02, -0.005, 0, 1],
        "relu": [0, 0, 0, 1],
        "sigmoid": [0.1192029, 0.3775407, 0.5, 0.7310586],
        "silu": [-0.2384058, -0.1887703, 0, 0.7310586],
        "softplus": [0.1269280, 0.4740770, 0.6931472, 1.3132617],
        "tanh": [-0.9640276, -0.4621172, 0, 0.7615942],
    }
    assert sorted(expected) == sorted(NONLINEAR)
    for kind, want in expected.items():
        np.testing.assert_allclose(F.activation(x, kind), want, atol=6e-8)
    assert np.signbit(F.activation(np.float32([-0.0]), "tanh"))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_in_place(kind, rng):
    x = rng.standard_normal((5, 777), np.float32)
    grad = rng.standard_normal(x.shape, np.float32)
    y = F.activation(x, kind)
    saved = x if kind in FROM_INPUT else y
    want = F.activation_backward(grad, saved, kind)
    work = x.copy()
    assert F.activation(work, kind, out=work) is work
    np.testing.assert_array_equal(work, y)
    for reused in (0, 1):
        arrays = [grad.copy(), saved.copy()]
        got = F.activation_backward(*arrays, kind, out=arrays[reused])
        assert got is arrays[reused]
        np.testing.assert_array_equal(got, want)


def test_any_shape_and_none():
    x = np.array(-1.5, np.float32)
    assert F.activation(x, "relu").shape == ()
    assert F.activation_backward(x, x, None) == x
    x = np.ones((1, 2, 1, 2, 1, 2), np.float32)
    np.testing.assert_array_equal(F.activation(x, None), x)


def test_malformed_calls():
    x = np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match="expected one of linear, relu"):
        F.activation(x, "swish")
    with pytest.raises(TypeError, match="activation: expected a name or None, got int"):
        F.activation(x, 1)
    with pytest.raises(TypeError, match="x: expected a numpy array, got list"):
        F.activation([1.0], "relu")
    with pytest.raises(TypeError, match="x: expected an array of float32, got float64"):
        F.activation(x.astype(float), "relu")
    with pytest.raises(ValueError, match="x: expected a C-contiguous"):
        F.activation(x[:, ::2], "relu")
    with pytest.raises(ValueError, match=r"out: expected shape .*got \(4, 3\)"):
        F.activation(x, "relu", out=np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match=r"grad: expected shape .*got \(12,\)"):
        F.activation_backward(x.reshape(-1), x, "relu")
    buffer = np.zeros(20, np.float32)
    with pytest.raises(ValueError, match="out: shares memory with x"):
        F.activation(buffer[:16], "relu", out=buffer[4:])
    with pytest.raises(ValueError, match="at most 6 dimensions"):
        F.activation(np.zeros((1,) * 7, np.float32), "relu")
