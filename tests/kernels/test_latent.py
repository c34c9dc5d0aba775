"""The latent terms: known answers, the ends of the range, and bad calls."""

import math

import aecore.functional as F
import numpy as np
import pytest
import twin
from aecore import _core
from conftest import ISAS


def f32(values):
    return np.array(values, np.float32)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    "mean, logvar, nats",
    [
        (0.0, 0.0, 0.0),
        (1.0, 0.0, 0.5),
        (-3.0, 0.0, 4.5),
        (0.0, math.log(4), 0.5 * (4 - 1 - math.log(4))),
        (2.0, -1.0, 0.5 * (4 + math.exp(-1) - 1 + 1)),
        (0.0, 1e-3, 0.5 * (1e-6 / 2 + 1e-9 / 6)),
        (0.0, -1e-4, 0.5 * (1e-8 / 2 - 1e-12 / 6)),
        (0.0, -1000.0, 499.5),
        (1e10, 0.0, 5e19),
    ],
)
def test_kl_of_one_dimension_and_its_sum_over_many(isa, mean, logvar, nats, workspace):
    workspace(1, isa)
    for d in (1, 5, 200):
        kl = F.gaussian_kl(np.full((2, d), mean, np.float32), np.full((2, d), logvar, np.float32))
        np.testing.assert_allclose(kl, [d * nats] * 2, rtol=3e-6)


@pytest.mark.parametrize("isa", ISAS)
def test_kl_gradient_near_the_prior_keeps_its_digits(isa, workspace):
    workspace(1, isa)
    logvar = f32([[1e-6, -1e-4, 1e-2, 0.33, -0.35, 1.0]])
    mean = np.zeros_like(logvar)
    dmean, dlogvar = F.gaussian_kl_backward(f32([2]), mean, logvar)
    np.testing.assert_array_equal(dmean, 0)
    np.testing.assert_allclose(dlogvar, np.expm1(logvar.astype(float)), rtol=1e-6)


def test_nothing_in_nothing_out():
    empty = np.empty((0, 4), np.float32)
    assert F.gaussian_kl(empty, empty).shape == (0,)
    assert F.reparameterize(empty, empty, empty).shape == (0, 4)
    np.testing.assert_array_equal(F.gaussian_kl(empty.T.copy(), empty.T.copy()), np.zeros(4))


def test_nan_stays_in_its_row(rng):
    mean, logvar = rng.standard_normal((2, 5, 37)).astype(np.float32)
    clean = F.gaussian_kl(mean, logvar)
    mean[1, 36] = logvar[3, 0] = np.nan
    kl = F.gaussian_kl(mean, logvar)
    assert np.isnan(kl[[1, 3]]).all()
    np.testing.assert_array_equal(kl[[0, 2, 4]], clean[[0, 2, 4]])
    z = F.reparameterize(mean, logvar, np.ones_like(mean))
    np.testing.assert_array_equal(np.isnan(z), np.isnan(mean) | np.isnan(logvar))


@pytest.mark.parametrize("d", [1, 7, 31, 32, 33, 5000])
def test_a_sample_has_the_same_divergence_in_any_batch(d, rng):
    mean, logvar = rng.standard_normal((2, 9, d)).astype(np.float32)
    kl = F.gaussian_kl(mean, logvar)
    for i in range(9):
        np.testing.assert_array_equal(F.gaussian_kl(mean[i:][:1], logvar[i:][:1]), kl[i : i + 1])


def test_the_draw_has_the_mean_and_spread_asked_for(rng):
    eps = rng.standard_normal((1, 100_000)).astype(np.float32)
    z = F.reparameterize(np.full_like(eps, 3), np.full_like(eps, math.log(4)), eps)
    assert abs(z.mean() - 3) < 0.02 and abs(z.std() - 2) < 0.02


def split(h):
    n, d = h.shape[0], h.shape[1] // 2
    mean, logvar = np.empty((2, n, d), np.float32)
    _core.split_latent(mean, logvar, h, _core.Workspace())
    return mean, logvar


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n, d", [(0, 3), (3, 0), (1, 1), (5, 3), (4, 17), (70, 32), (2, 5000)])
def test_split_latent_against_its_twin(isa, n, d, rng):
    h = (8 * rng.standard_normal((n, 2 * d))).astype(np.float32)
    dmean, dlogvar = rng.standard_normal((2, n, d)).astype(np.float32)
    results = []
    for threads in (1, 2, 3):
        workspace = _core.Workspace(threads, isa)
        mean, logvar, dh = np.empty_like(dmean), np.empty_like(dmean), np.empty_like(h)
        _core.split_latent(mean, logvar, h, workspace)
        _core.split_latent_backward(dh, dmean, dlogvar, h, workspace)
        results.append(b"".join(a.tobytes() for a in (mean, logvar, dh)))
    assert len(set(results)) == 1
    for got, want in zip((mean, logvar), twin.split_latent(h.astype(float)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)
    want = twin.split_latent_backward(dmean.astype(float), dlogvar.astype(float), h.astype(float))
    np.testing.assert_allclose(dh, want, rtol=1e-5, atol=1e-30)


def test_split_latent_twin_by_finite_differences(rng):
    h = 8 * rng.standard_normal((6, 10))
    dmean, dlogvar = rng.standard_normal((2, 6, 5))
    direction, step = rng.standard_normal(h.shape), 1e-6
    up, down = twin.split_latent(h + step * direction), twin.split_latent(h - step * direction)
    want = (dmean * (up[0] - down[0]) + dlogvar * (up[1] - down[1])).sum() / (2 * step)
    got = (twin.split_latent_backward(dmean, dlogvar, h) * direction).sum()
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_the_clamp_is_the_identity_within_ten_and_bounded_by_fifteen():
    inner = np.linspace(-10, 10, 41, dtype=np.float32)
    np.testing.assert_array_equal(split(np.stack([inner, inner], 1))[1][:, 0], inner)
    outer = f32([15, -15, 20, 1e30, -np.inf])
    want = [10 + 5 * math.tanh(1), -10 - 5 * math.tanh(1), 10 + 5 * math.tanh(2), 15, -15]
    np.testing.assert_allclose(split(np.stack([outer, outer], 1))[1][:, 0], want, rtol=1e-6)
    assert np.isnan(split(f32([[0, np.nan]]))[1]).all()


ONE = np.ones((2, 3), np.float32)
BAD_CALLS = [
    (TypeError, "mean", lambda: F.gaussian_kl([[1.0]], ONE)),
    (TypeError, "float32", lambda: F.gaussian_kl(ONE.astype(float), ONE)),
    (ValueError, "mean", lambda: F.gaussian_kl(ONE[0], ONE[0])),
    (ValueError, r"logvar.*\(N=2, D=3\).*\(3, 2\)", lambda: F.gaussian_kl(ONE, ONE.T.copy())),
    (ValueError, "C-contiguous", lambda: F.gaussian_kl(ONE[:, :2], ONE[:, :2])),
    (ValueError, "out", lambda: F.gaussian_kl(ONE, ONE, out=np.empty(3, np.float32))),
    (ValueError, "grad", lambda: F.gaussian_kl_backward(ONE[0], ONE, ONE)),
    (ValueError, "eps", lambda: F.reparameterize(ONE, ONE, ONE[:1])),
    (ValueError, "shares memory", lambda: F.reparameterize(ONE, ONE, ONE, out=ONE)),
    (ValueError, "grad", lambda: F.reparameterize_backward(ONE[0], ONE, ONE, ONE)),
    (ValueError, "h: expected", lambda: split(np.ones((2, 5), np.float32))),
]


@pytest.mark.parametrize("error, text, call", BAD_CALLS, ids=range(len(BAD_CALLS)))
def test_bad_calls(error, text, call):
    with pytest.raises(error, match=text):
        call()
    assert (ONE == 1).all()
