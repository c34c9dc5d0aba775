"""Sums, ranges and moments of codes: their twins, what isn't finite, threads, and bad calls."""

import math

import numpy as np
import pytest
import twin
from aecore import _core
from aecore.base.sums import sum_of
from conftest import ISAS

SIZES = [0, 1, 2, 3, 15, 16, 17, 31, 63, 65, 127, 1023, 32_767, 32_769, 1_000_003]
SHAPES = [(0, 3), (3, 0), (1, 1), (5, 3), (128, 2), (31, 16), (128, 33), (257, 32), (300, 65)]
VALUES = [math.nan, math.inf, -math.inf, 1e30, -1e30]


def bits(value):
    return np.float64(value).tobytes()


def on_threads(call, isa):
    """Return what a call gives, of the same bits with one to three threads."""
    found = [call(_core.Workspace(threads, isa)) for threads in (1, 2, 3)]
    assert len({np.asarray(f).tobytes() for f in found}) == 1
    return found[0]


def samples(rng, n, dtype):
    if dtype is np.uint8:
        return rng.integers(3, 250, n, np.uint8)
    return rng.standard_normal(n).astype(dtype)


# ---- sums -------------------------------------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", SIZES)
def test_sums(n, dtype, isa, rng):
    x = samples(rng, n, dtype)
    found = on_threads(lambda ws: _core.sum(x, ws), isa)
    assert type(found) is float
    size = float(np.abs(x).sum(dtype=np.float64))
    assert abs(found - twin.array_sum(x)) <= 1e-14 * size
    assert bits(found) == bits(_core.sum(x, _core.Workspace(1, "baseline")))


def test_sums_of_any_shape(rng, workspace):
    x, ws = rng.random((2, 3, 4, 5), np.float32), workspace()
    assert _core.sum(x, ws) == _core.sum(x.reshape(-1), ws)
    assert _core.sum(np.array(3.5, np.float32), ws) == 3.5
    assert _core.sum(np.zeros((2, 0, 3)), ws) == 0
    assert _core.sum(np.full(17, -0.0), ws) == 0
    assert _core.sum(np.full(9, 3e38, np.float32), ws) == 9 * float(np.float32(3e38))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_what_is_not_finite(dtype, isa):
    ws = _core.Workspace(1, isa)
    for n in (1, 15, 67):
        for at in range(n):
            for value in VALUES:
                x = np.ones(n, dtype)
                x[at] = value
                np.testing.assert_equal(_core.sum(x, ws), float(x.sum(dtype=np.float64)))
    assert math.isnan(_core.sum(np.array([np.inf, 1, -np.inf], dtype), ws))


def test_sum_of_takes_any_array(rng):
    x = rng.random((6, 4), np.float32)
    for values in (
        x,
        x.T,
        x[:, 1],
        x[::-2],
        np.arange(5),
        x > 0.5,
        x.astype(">f4"),
        x.astype("f2"),
    ):
        assert math.isclose(sum_of(values), twin.array_sum(values), rel_tol=1e-14)


# ---- ranges -----------------------------------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("n", SIZES[1:])
def test_ranges(n, dtype, isa, rng):
    x = samples(rng, n, dtype)
    assert on_threads(lambda ws: _core.span(x, ws), isa) == twin.span(x)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("n", [1, 3, 17, 67, 150])
def test_ends_of_ranges_are_found_anywhere(n, dtype, isa, rng):
    ws = _core.Workspace(1, isa)
    for at in range(n):
        for value in (0, 255) if dtype is np.uint8 else VALUES:
            x = samples(rng, n, dtype)
            x[at] = value
            np.testing.assert_equal(_core.span(x, ws), twin.span(x))
            both = x.copy()
            both[n // 2] = 0 if dtype is np.uint8 else -math.inf
            np.testing.assert_equal(_core.span(both, ws), twin.span(both))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranges_of_many_blocks_know_of_nan(dtype, isa, rng):
    x = rng.random(1_000_003).astype(dtype)
    for at in (0, 32_767, 32_768, 500_000, len(x) - 1):
        y = x.copy()
        y[at] = np.nan
        assert np.isnan(on_threads(lambda ws, y=y: _core.span(y, ws), isa)).all()


@pytest.mark.parametrize("isa", ISAS)
def test_zeros_have_no_sign(isa):
    ws = _core.Workspace(1, isa)
    for x in ([-0.0], [0.0, -0.0], [-0.0, 0.0] * 40, [-0.0] * 33):
        for dtype in (np.float32, np.float64):
            low, high = _core.span(np.array(x, dtype), ws)
            assert bits(low) == bits(high) == bits(0.0)


def test_ranges_of_any_shape(rng, workspace):
    x, ws = rng.random((2, 3, 4, 5), np.float32), workspace()
    assert _core.span(x, ws) == twin.span(x)
    assert _core.span(np.float64(2.5)[None], ws) == (2.5, 2.5)
    assert _core.span(np.array([False, False]), ws) == (0.0, 0.0)
    assert _core.span(np.array([True, False]), ws) == (0.0, 1.0)
    smallest = np.array([5e-324, 1e-310, -2e-309])
    assert _core.span(smallest, ws) == twin.span(smallest)


# ---- moments of codes -------------------------------------------------------------------------


def moments(mean, logvar, ws):
    buffer = np.full((6, mean.shape[1]), 7.25)  # a row of guards on either side
    _core.latent_moments(buffer[1:5], mean, logvar, ws)
    assert (buffer[[0, 5]] == 7.25).all()
    return buffer[1:5]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n, d", SHAPES)
def test_latent_moments(n, d, isa, rng):
    mean, logvar = rng.standard_normal((2, n, d)).astype(np.float32) * 2
    found = on_threads(lambda ws: moments(mean, logvar, ws), isa)
    want = twin.latent_moments(mean, logvar)
    for row in (0, 1, 3):  # in order of the samples, as NumPy adds rows
        np.testing.assert_array_equal(found[row], want[row])
    np.testing.assert_allclose(found[2], want[2], rtol=2e-7)


@pytest.mark.parametrize("isa", ISAS)
def test_latent_moments_at_the_ends_of_the_range(isa):
    mean, logvar = np.zeros((2, 3, 5), np.float32)
    mean[1], logvar[1] = [np.nan, np.inf, -np.inf, 3e38, 1], [0, np.nan, -15, 15, -np.inf]
    found = moments(mean, logvar, _core.Workspace(1, isa))
    with np.errstate(all="ignore"):
        want = twin.latent_moments(mean, logvar)
    np.testing.assert_allclose(found, want, rtol=2e-7)


# ---- all --------------------------------------------------------------------------------------


def test_reductions_allocate_nothing(rng):
    x, ws = rng.random(1_000_000, np.float32), _core.Workspace(2)
    _core.sum(x, ws)
    grown = ws.grown
    for _ in range(3):
        _core.sum(x, ws)
        _core.span(x, ws)
        _core.latent_moments(np.empty((4, 10)), x.reshape(-1, 10), x.reshape(-1, 10), ws)
    assert ws.grown == grown


WS = _core.Workspace()
ONE = np.ones((2, 3), np.float32)
OUT = np.ones((4, 3))
INSIDE = OUT.reshape(-1).view(np.float32)[:6].reshape(2, 3)
FROZEN = np.ones((4, 3))
FROZEN.flags.writeable = False
SEVEN = np.ones((1,) * 7, np.float32)
BAD_CALLS = [
    *[
        case
        for call in (_core.sum, _core.span)
        for case in (
            (TypeError, "x: expected a numpy array, got list", lambda c=call: c([1.0], WS)),
            (TypeError, "float32 or float64, got int64", lambda c=call: c(np.arange(3), WS)),
            (TypeError, "got float16", lambda c=call: c(ONE.astype(np.float16), WS)),
            (TypeError, "got complex64", lambda c=call: c(ONE.astype(np.complex64), WS)),
            (TypeError, "got object", lambda c=call: c(ONE.astype(object), WS)),
            (TypeError, "workspace", lambda c=call: c(ONE, None)),
            (TypeError, "argument", lambda c=call: c(ONE)),
            (ValueError, "x: expected a C-contiguous", lambda c=call: c(ONE.T, WS)),
            (ValueError, "C-contiguous", lambda c=call: c(ONE[:, ::2], WS)),
            (ValueError, "native byte order", lambda c=call: c(ONE.astype(">f4"), WS)),
            (ValueError, "at most 6 dimensions", lambda c=call: c(SEVEN, WS)),
        )
    ],
    (TypeError, "x: expected float32 or", lambda: _core.sum(np.ones(3, np.uint8), WS)),
    (TypeError, "got bool", lambda: _core.sum(np.ones(3, bool), WS)),
    (ValueError, "x: expected at least 1", lambda: _core.span(ONE[:0], WS)),
    (TypeError, "float64, got float32", lambda: _core.latent_moments(ONE, ONE, ONE, WS)),
    (TypeError, "mean: .*float32", lambda: _core.latent_moments(OUT, OUT, ONE, WS)),
    (TypeError, "logvar", lambda: _core.latent_moments(OUT, ONE, None, WS)),
    (ValueError, r"out: .*\(M=4, D=3\)", lambda: _core.latent_moments(OUT[:3], ONE, ONE, WS)),
    (ValueError, "mean: expected shape", lambda: _core.latent_moments(OUT, ONE[0], ONE, WS)),
    (ValueError, "logvar: expected", lambda: _core.latent_moments(OUT, ONE, ONE[:1], WS)),
    (ValueError, "read-only", lambda: _core.latent_moments(FROZEN, ONE, ONE, WS)),
    (ValueError, "out: shares memory with", lambda: _core.latent_moments(OUT, INSIDE, ONE, WS)),
]


@pytest.mark.parametrize("error, text, call", BAD_CALLS, ids=range(len(BAD_CALLS)))
def test_bad_calls(error, text, call):
    with pytest.raises(error, match=text):
        call()
    assert (ONE == 1).all()
