"""The losses: known answers, huge values, masks, long sums, labels, PyTorch, and bad calls."""

import math

import aecore.functional as F
import numpy as np
import pytest
from aecore import _core
from conftest import ISAS

LOSSES = ("mse", "l1", "huber", "bce_with_logits", "poisson")
LOG2 = math.log(2)


def f32(values):
    return np.array(values, np.float32)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    "name, x, target, want, gradient",
    [
        ("mse", [1, -2, 3], [0, 0, 0], 14, [2, -4, 6]),
        ("mse", [0.5, 0.5, 0.5], [1, 0, 0.5], 0.5, [-1, 1, 0]),
        ("l1", [1, -2, 3], [0, 0, 3], 3, [1, -1, 0]),
        ("huber", [0.5, -1, 3], [0, 0, 0], 0.125 + 0.5 + 2.5, [0.5, -1, 1]),
        ("bce_with_logits", [0, 0, 0], [0, 1, 0.3], 3 * LOG2, [0.5, -0.5, 0.2]),
        (
            "bce_with_logits",
            [2, -1, 0],
            [1, 0, 0],
            math.log1p(math.exp(-2)) + math.log1p(math.exp(-1)) + LOG2,
            [-1 / (1 + math.exp(2)), 1 / (1 + math.e), 0.5],
        ),
        ("poisson", [0, 0, LOG2], [0, 1, 2], 1 + 1 + (2 - 2 * LOG2 + LOG2), [1, 0, 0]),
        (
            "poisson",
            [LOG2, -1, 0],
            [0, 1, 3],
            2 + (1 / math.e + 1) + 1 + math.log(6),
            [2, 1 / math.e - 1, -2],
        ),
    ],
)
def test_values_by_hand(isa, name, x, target, want, gradient, workspace):
    """Sums over features: three times as many features are three times the loss."""
    workspace(1, isa)
    for times in (1, 3, 50):
        a, b = np.tile(f32([x]), (2, times)), np.tile(f32([target]), (2, times))
        np.testing.assert_allclose(getattr(F, name)(a, b), [want * times] * 2, rtol=2e-6)
        dx = getattr(F, f"{name}_backward")(f32([1, 10]), a, b)
        np.testing.assert_allclose(dx[0], gradient * times, rtol=2e-6, atol=1e-7)
        np.testing.assert_allclose(dx[1], 10 * dx[0], rtol=1e-6)


def test_huber_delta_by_hand():
    x, zero = f32([[1, 3, -5]]), np.zeros((1, 3), np.float32)
    np.testing.assert_allclose(F.huber(x, zero, delta=2), [0.5 + 2 * (3 - 1) + 2 * (5 - 1)])
    np.testing.assert_array_equal(F.huber_backward(f32([1]), x, zero, delta=2), [[1, 2, -2]])
    np.testing.assert_allclose(F.huber(x, zero, delta=math.inf), F.mse(x, zero) / 2)


@pytest.mark.parametrize("isa", ISAS)
def test_bce_holds_for_huge_logits_and_soft_targets(isa, workspace):
    workspace(1, isa)
    x = f32([1e4, 1e4, -1e4, -1e4, 1e4, -1e4, 88, -88, 104, -104, 0])
    t = f32([1, 0, 1, 0, 0.25, 0.25, 1, 0, 0.5, 0.5, 0.5])
    want = [0, 1e4, 1e4, 0, 7500, 2500, 0, 0, 52, 52, LOG2]
    np.testing.assert_allclose(F.bce_with_logits(x, t), want, rtol=1e-6, atol=1e-30)
    gradient = [0, 1, -1, 0, 0.75, -0.25, 0, 0, 0.5, -0.5, 0]
    got = F.bce_with_logits_backward(np.ones_like(x), x, t)
    np.testing.assert_allclose(got, gradient, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("isa", ISAS)
def test_bce_keeps_its_digits_where_it_is_small(isa, workspace):
    workspace(1, isa)
    x = f32([5, 15, 20, 40, 80])
    want = np.log1p(np.exp(-x.astype(float)))
    for sign in (1, -1):
        t = np.full(5, 1 if sign > 0 else 0, np.float32)
        np.testing.assert_allclose(F.bce_with_logits(sign * x, t), want, rtol=1e-6)
        dx = F.bce_with_logits_backward(np.ones(5, np.float32), sign * x, t)
        np.testing.assert_allclose(dx, -sign / (1 + np.exp(x.astype(float))), rtol=1e-6)


def test_huge_values_stay_finite_where_float32_holds_them():
    x, zero = f32([[1e19, -1e19]]), np.zeros((1, 2), np.float32)
    np.testing.assert_allclose(F.mse(x, zero), [2e38], rtol=1e-6)
    np.testing.assert_allclose(F.l1(x * 1e18, zero), [2e37], rtol=1e-6)
    np.testing.assert_allclose(F.huber(x * 1e18, zero), [2e37], rtol=1e-6)
    np.testing.assert_allclose(F.mse_backward(f32([1]), x, zero), 2 * x)
    assert F.mse(x * 10, zero) == np.inf


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", LOSSES)
def test_long_sums(isa, name, workspace):
    """Four million equal terms: float lanes alone would lose all but a few digits."""
    workspace(2, isa)
    x, target = np.full((1, 4_000_001), 0.1, np.float32), np.zeros((1, 4_000_001), np.float32)
    one = getattr(F, name)(x[:, :1], target[:, :1]).astype(float)
    np.testing.assert_allclose(getattr(F, name)(x, target), one * x.size, rtol=2e-6)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shape", [(6, 5), (6, 33), (6, 300), (2, 9000)])
@pytest.mark.parametrize("name", LOSSES)
def test_nan_counts_unless_masked(isa, name, shape, rng, workspace):
    workspace(2, isa)
    x, target = rng.random((2, *shape), dtype=np.float32)
    mask = np.ones(shape, np.float32)
    loss, backward = getattr(F, name), getattr(F, f"{name}_backward")
    ones, last = np.ones(shape[0], np.float32), shape[0] - 1
    x[0, 1] = target[last, shape[1] - 1] = np.nan
    target[last, 0], x[last, 2] = np.inf, -np.inf
    assert np.isnan(loss(x, target)[[0, last]]).all() and np.isnan(backward(ones, x, target)[0, 1])
    assert np.isfinite(loss(x, target)[1:last]).all()
    mask[0, 1] = mask[last, shape[1] - 1] = mask[last, 0] = mask[last, 2] = 0
    dx = backward(ones, x, target, mask)
    assert np.isfinite(dx).all() and (dx[mask == 0] == 0).all()
    clean_x, clean_target = (np.where(mask == 0, np.float32(0), a) for a in (x, target))
    np.testing.assert_array_equal(loss(x, target, mask), loss(clean_x, clean_target, mask))
    np.testing.assert_array_equal(dx, backward(ones, clean_x, clean_target, mask))


def test_weights_are_factors():
    x, zero = f32([[1, 2, 3]]), np.zeros((1, 3), np.float32)
    w = f32([[0.5, 0, 2]])
    np.testing.assert_array_equal(F.mse(x, zero, w), [0.5 + 18])
    np.testing.assert_array_equal(F.mse_backward(f32([1]), x, zero, w), [[1, 0, 12]])


@pytest.mark.parametrize("f", [1, 7, 31, 32, 33, 64, 5000, 9000])
def test_a_sample_has_the_same_loss_in_any_batch(f, rng):
    x, target = rng.random((2, 9, f), dtype=np.float32)
    for name in LOSSES:
        whole, loss = getattr(F, name)(x, target), getattr(F, name)
        for i in range(9):
            assert loss(x[i : i + 1], target[i : i + 1]) == whole[i]


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_in_zero_out(name):
    loss, backward = getattr(F, name), getattr(F, f"{name}_backward")
    for shape in [(0,), (0, 4), (3, 0), (2, 0, 5)]:
        x = np.empty(shape, np.float32)
        np.testing.assert_array_equal(loss(x, x), np.zeros(shape[0]))
        assert backward(np.ones(shape[0], np.float32), x, x).shape == shape


@pytest.mark.parametrize("n, f", [(40, 9), (40, 50), (2, 20_000)])
@pytest.mark.parametrize("name", LOSSES)
def test_both_in_one_pass_are_each_alone(name, n, f, rng):
    x, target = rng.random((2, n, f), dtype=np.float32)
    loss, dx = np.empty(n, np.float32), np.empty_like(x)
    workspace = _core.Workspace()
    _core.loss(name, loss, dx, None, x, target, None, 1.0, workspace)
    np.testing.assert_array_equal(loss, getattr(F, name)(x, target))
    want = getattr(F, f"{name}_backward")(np.ones(n, np.float32), x, target)
    np.testing.assert_array_equal(dx, want)
    grown = workspace.grown
    for _ in range(5):
        _core.loss(name, loss, dx, None, x, target, None, 1.0, workspace)
    assert workspace.grown == grown


# ---- cross entropy ----------------------------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
def test_cross_entropy_by_hand(isa, workspace):
    workspace(1, isa)
    for e in (1, 2, 10, 40, 1000):
        equal, labels = np.full((3, e), 7, np.float32), np.array([0, e - 1, e // 2])
        np.testing.assert_allclose(F.cross_entropy(equal, labels), [math.log(e)] * 3, rtol=1e-6)
        dx = F.cross_entropy_backward(f32([1, 2, 3]), equal, labels)
        want = (1 / e - np.eye(e)[labels]) * [[1], [2], [3]]
        np.testing.assert_allclose(dx, want, rtol=1e-6, atol=1e-6)
    x = f32([[0, math.log(3)]])
    np.testing.assert_allclose(F.cross_entropy(x, np.array([0])), [math.log(4)], rtol=1e-6)
    # a sum over positions
    many = np.zeros((2, 3, 5, 8), np.float32)
    got = F.cross_entropy(many, np.zeros((2, 3, 5), np.int64))
    np.testing.assert_allclose(got, [15 * math.log(8)] * 2, rtol=1e-6)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("e", [3, 100])
def test_cross_entropy_of_huge_logits(isa, e, workspace):
    workspace(1, isa)
    x = np.full((3, e), -1e4, np.float32)
    x[:, 1] = 1e4
    x[2, 2] = -np.inf
    got = F.cross_entropy(x, np.array([1, 0, 1]))
    np.testing.assert_allclose(got, [0, 2e4, 0], atol=1e-6)
    dx = F.cross_entropy_backward(np.ones(3, np.float32), x, np.array([1, 0, 1]))
    np.testing.assert_allclose(dx[:, :2], [[0, 0], [-1, 1], [0, 0]], atol=1e-6)
    assert F.cross_entropy(x[2:], np.array([2])) == np.inf


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("e", [3, 40])
def test_masked_positions_may_hold_anything(isa, e, rng, workspace):
    workspace(1, isa)
    x = rng.standard_normal((2, 4, e)).astype(np.float32)
    labels, mask = rng.integers(0, e, (2, 4)), np.ones((2, 4), np.float32)
    mask[0, 1] = mask[1, 3] = 0
    want = F.cross_entropy(x, labels, mask), F.cross_entropy_backward(f32([1, 2]), x, labels, mask)
    x[0, 1], labels[0, 1], labels[1, 3] = np.nan, -100, e
    np.testing.assert_array_equal(F.cross_entropy(x, labels, mask), want[0])
    dx = F.cross_entropy_backward(f32([1, 2]), x, labels, mask)
    np.testing.assert_array_equal(dx, want[1])
    assert (dx[mask == 0] == 0).all()
    x[0, 2, labels[0, 2] - 1] = np.nan  # of another class than the label's
    assert np.isnan(F.cross_entropy(x, labels, mask)).tolist() == [True, False]


@pytest.mark.parametrize("bad", [-1, 5, 2**40, -(2**63)])
def test_the_first_bad_label_is_named_before_anything_is_written(bad):
    x, labels = np.zeros((3, 2, 5), np.float32), np.zeros((3, 2), np.int64)
    labels[1, 1], labels[2, 0] = bad, -7
    out = np.full(3, 9, np.float32)
    with pytest.raises(ValueError, match=f"expected 0 to 4, got {bad} in sample 1, position 1"):
        F.cross_entropy(x, labels, out=out)
    assert (out == 9).all()


def test_cross_entropy_of_nothing():
    none = np.empty((0, 4), np.int64)
    assert F.cross_entropy(np.empty((0, 4, 3), np.float32), none).shape == (0,)
    no_positions = np.empty((2, 0), np.int64)
    np.testing.assert_array_equal(F.cross_entropy(np.empty((2, 0, 3), np.float32), no_positions), 0)
    with pytest.raises(ValueError, match="label"):
        F.cross_entropy(np.empty((2, 0), np.float32), np.zeros(2, np.int64))


# ---- PyTorch ----------------------------------------------------------------------------------


def poisson_of(torch):
    """PyTorch's, whose full=True approximates log y! for want of the function."""

    def loss(x, target, reduction):
        own = torch.nn.functional.poisson_nll_loss(x, target, reduction=reduction)
        return own + torch.lgamma(target + 1)

    return loss


@pytest.mark.parametrize("f", [3, 200])
@pytest.mark.parametrize("name", LOSSES)
def test_pytorch_agrees(name, f, rng):
    torch = pytest.importorskip("torch")
    functions = {
        "mse": torch.nn.functional.mse_loss,
        "l1": torch.nn.functional.l1_loss,
        "huber": torch.nn.functional.huber_loss,
        "bce_with_logits": torch.nn.functional.binary_cross_entropy_with_logits,
        "poisson": poisson_of(torch),
    }
    x = 3 * rng.standard_normal((20, f)).astype(np.float32)
    target, g = rng.random((20, f), np.float32), rng.random(20, np.float32)
    leaf = torch.tensor(x, requires_grad=True)
    loss = functions[name](leaf, torch.tensor(target), reduction="none").sum(1)
    (loss * torch.tensor(g)).sum().backward()
    np.testing.assert_allclose(getattr(F, name)(x, target), loss.detach(), rtol=1e-5)
    got = getattr(F, f"{name}_backward")(g, x, target)
    np.testing.assert_allclose(got, leaf.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("e", [3, 200])
def test_pytorch_agrees_on_cross_entropy(e, rng):
    torch = pytest.importorskip("torch")
    x = 3 * rng.standard_normal((20, 7, e)).astype(np.float32)
    labels, g = rng.integers(0, e, (20, 7)), rng.random(20, np.float32)
    leaf = torch.tensor(x, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(
        leaf.flatten(0, 1), torch.tensor(labels).flatten(), reduction="none"
    )
    loss = loss.reshape(20, 7).sum(1)
    (loss * torch.tensor(g)).sum().backward()
    np.testing.assert_allclose(F.cross_entropy(x, labels), loss.detach(), rtol=1e-5)
    got = F.cross_entropy_backward(g, x, labels)
    np.testing.assert_allclose(got, leaf.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("f", [3, 200])
def test_pytorch_agrees_on_the_negative_binomial(f, rng):
    torch = pytest.importorskip("torch")
    x, log_theta = 2 * rng.standard_normal((2, 20, f)).astype(np.float32)
    log_theta, g = log_theta[0], rng.random(20, np.float32)
    counts = rng.poisson(np.exp(x)).astype(np.float32)
    # in float64, as its float32 loses the gradient of large theta
    leaf, theta = (torch.tensor(a.astype(float), requires_grad=True) for a in (x, log_theta))
    loss = -torch.distributions.NegativeBinomial(theta.exp(), logits=leaf - theta).log_prob(
        torch.tensor(counts)
    )
    (loss.sum(1) * torch.tensor(g)).sum().backward()
    np.testing.assert_allclose(
        F.negative_binomial(x, counts, log_theta), loss.sum(1).detach(), rtol=1e-5
    )
    dx, dtheta = F.negative_binomial_backward(g, x, counts, log_theta)
    np.testing.assert_allclose(dx, leaf.grad, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dtheta, theta.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("e", [3, 200])
def test_pytorch_agrees_on_the_multinomial(e, rng):
    torch = pytest.importorskip("torch")
    x, g = rng.standard_normal((20, e)).astype(np.float32), rng.random(20, np.float32)
    counts = rng.poisson(3, (20, e)).astype(np.float32)
    leaf, y = torch.tensor(x, requires_grad=True), torch.tensor(counts)
    loss = torch.stack(
        [
            -torch.distributions.Multinomial(int(n.sum()), logits=one).log_prob(n)
            for one, n in zip(leaf, y, strict=True)
        ]
    )
    (loss * torch.tensor(g)).sum().backward()
    np.testing.assert_allclose(F.multinomial(x, counts), loss.detach(), rtol=1e-4, atol=1e-4)
    got = F.multinomial_backward(g, x, counts)
    np.testing.assert_allclose(got, leaf.grad, rtol=1e-4, atol=1e-4)


# ---- counts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
def test_large_counts_keep_their_digits(isa, workspace):
    """A count of 1e7 has a loss of 9: as e^x - y x + ln y! float32 would leave nothing of it."""
    workspace(1, isa)
    y = np.array([1e3, 1e5, 1e7], np.float64)
    x = np.log(y).astype(np.float32)
    away = x.astype(float) - np.log(y)
    nats = 0.5 * np.log(2 * np.pi * y) + 1 / (12 * y)
    want = y * (np.expm1(away) - away) + nats
    one = (3, 1)
    got = F.poisson(x.reshape(one), y.astype(np.float32).reshape(one))
    np.testing.assert_allclose(got, want, rtol=1e-6)
    most = np.full(one, 80, np.float32)  # of log theta: it is a Poisson variable then
    many = F.negative_binomial(x.reshape(one), y.astype(np.float32).reshape(one), most)
    np.testing.assert_allclose(many, want, rtol=2e-5)
    # two outcomes, of n / 2 each: a binomial variable's mode
    even = np.zeros((3, 2), np.float32)
    half = np.stack([y / 2, y / 2], 1).astype(np.float32)
    got = F.multinomial(even, half)
    np.testing.assert_allclose(got, 0.5 * np.log(np.pi * y / 2), rtol=1e-4)


@pytest.mark.parametrize("isa", ISAS)
def test_losses_of_counts_far_from_their_rates(isa, workspace):
    workspace(1, isa)
    x, y = f32([-1e4, -100, 80, 88, 100, 1e4, 50]), f32([2, 0, 3, 0, 1, 0, 1e-30])
    with np.errstate(over="ignore"):
        rate = np.exp(x.astype(float))
    want = np.where(y > 0, rate - y * x.astype(float), rate)
    want += [math.lgamma(v + 1) for v in y]
    got = F.poisson(x, y)
    np.testing.assert_allclose(got[:4], want[:4], rtol=1e-6, atol=1e-37)
    np.testing.assert_array_equal(got[4:6], np.inf)
    np.testing.assert_allclose(got[6], want[6], rtol=1e-5)
    theta = np.zeros_like(x)  # 1: -ln [m^y / (1 + m)^(y + 1)]
    want = np.logaddexp(0, x.astype(float)) * (y + 1.0) - y * x.astype(float)
    got = F.negative_binomial(x, y, theta)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    dx, dtheta = F.negative_binomial_backward(np.ones_like(x), x, y, theta)
    np.testing.assert_allclose(dx, [-2, 0, 1, 1, 1, 1, 1], rtol=1e-6, atol=1e-30)
    assert np.isfinite(dtheta).all()
    logits = f32([[1e4, -1e4, 0], [1e4, -1e4, 0], [-np.inf, 0, 0]])
    counts = f32([[3, 0, 0], [0, 1, 0], [0, 1, 1]])
    np.testing.assert_allclose(F.multinomial(logits, counts), [0, 2e4, LOG2], atol=1e-5)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("log_theta", [-29, -14, -3, 0, 5, 14, 20, 29])
def test_dispersions_of_all_sizes(isa, log_theta, workspace):
    """Against exact arithmetic on whole counts: the quotient of gamma functions is a product."""
    workspace(1, isa)
    x = f32([-3, 0, 2, 5])[:, None, None]
    y = np.arange(7, dtype=np.float32)[None, :, None]
    x, y = (np.ascontiguousarray(a).reshape(28, 1) for a in np.broadcast_arrays(x, y))
    theta = math.exp(log_theta)
    m, k = np.exp(x.astype(float)), y.astype(int)
    log_y = np.vectorize(lambda n: sum(map(math.log, range(1, n + 1))), otypes=[float])(k)
    rising = np.vectorize(lambda n: sum(math.log1p(i / theta) for i in range(n)), otypes=[float])(k)
    want = theta * np.log1p(m / theta) + y * np.log1p(m / theta) - y * x + log_y - rising
    got = F.negative_binomial(x, y, np.full((28, 1), log_theta, np.float32))
    np.testing.assert_allclose(got, want[:, 0], rtol=3e-6, atol=3e-6)


def test_negative_counts_have_no_loss():
    x, y = np.zeros((2, 3), np.float32), f32([[0, 1, -1], [0, 1, 2]])
    for loss in (F.poisson(x, y), F.negative_binomial(x, y, x), F.multinomial(x, y)):
        assert np.isnan(loss).tolist() == [True, False]


@pytest.mark.parametrize("f", [3, 40])
def test_losses_of_masked_counts(f, rng):
    x, y = rng.standard_normal((4, f)).astype(np.float32), rng.poisson(3, (4, f)).astype(np.float32)
    theta, mask, g = (
        rng.standard_normal(f).astype(np.float32),
        np.ones((4, f), np.float32),
        f32([1] * 4),
    )
    mask[0, 1] = mask[2, 0] = 0
    few = np.array([i for i in range(f) if i != 1])
    part = tuple(np.ascontiguousarray(a[:1, few]) for a in (x, y))
    want = F.multinomial(*part)  # of the outcomes that are left
    x[0, 1], y[0, 1], y[2, 0] = np.nan, np.nan, -5
    np.testing.assert_allclose(F.multinomial(x, y, mask)[:1], want, rtol=1e-5)
    dx = F.multinomial_backward(g, x, y, mask)
    assert (dx[mask == 0] == 0).all()
    np.testing.assert_allclose(dx.sum(1), 0, atol=1e-4)
    both = F.negative_binomial_backward(g, x, y, theta, mask)
    assert np.isfinite(F.negative_binomial(x, y, theta, mask)).all()
    assert (both[0][mask == 0] == 0).all() and np.isfinite(both[1]).all()


# ---- bad calls --------------------------------------------------------------------------------

ONE = np.ones((2, 3), np.float32)
LABELS = np.zeros(2, np.int64)
BAD_CALLS = [
    (TypeError, "x: expected a numpy array", lambda: F.mse([[1.0]], ONE)),
    (TypeError, "float32", lambda: F.mse(ONE, ONE.astype(float))),
    (ValueError, "target", lambda: F.mse(ONE, ONE[:1])),
    (ValueError, "mask", lambda: F.mse(ONE, ONE, ONE[0])),
    (ValueError, "contiguous", lambda: F.mse(ONE.T, ONE.T)),
    (ValueError, "scalar", lambda: F.mse(np.array(1, np.float32), np.array(1, np.float32))),
    (ValueError, "out", lambda: F.mse(ONE, ONE, out=np.empty(3, np.float32))),
    (ValueError, "shares memory", lambda: F.mse(ONE, ONE, out=ONE.reshape(-1)[1:3])),
    (ValueError, "grad", lambda: F.mse_backward(np.ones(3, np.float32), ONE, ONE)),
    (TypeError, "grad", lambda: F.mse_backward(1.0, ONE, ONE)),
    (ValueError, "delta", lambda: F.huber(ONE, ONE, delta=0)),
    (ValueError, "delta", lambda: F.huber(ONE, ONE, delta=math.nan)),
    (TypeError, "number|float", lambda: F.huber(ONE, ONE, delta="1")),
    (ValueError, "log_theta", lambda: F.negative_binomial(ONE, ONE, ONE[:, :2].copy())),
    (TypeError, "log_theta", lambda: F.negative_binomial(ONE, ONE, 1.0)),
    (ValueError, "counts", lambda: F.multinomial(ONE, ONE[:1])),
    (ValueError, "logits", lambda: F.multinomial(ONE[0], ONE[0])),
    (TypeError, "labels", lambda: F.cross_entropy(ONE, LABELS.astype(np.int32))),
    (ValueError, "labels", lambda: F.cross_entropy(ONE, LABELS[:1])),
    (ValueError, "logits", lambda: F.cross_entropy(ONE[0], LABELS[0])),
    (ValueError, "mask", lambda: F.cross_entropy(ONE, LABELS, ONE)),
    (ValueError, "grad", lambda: F.cross_entropy_backward(ONE, ONE, LABELS)),
    (
        ValueError,
        "loss: expected one of mse",
        lambda: _core.loss("mae", None, None, None, ONE, ONE, None, 1.0, _core.Workspace()),
    ),
    (
        TypeError,
        "loss: expected a name",
        lambda: _core.loss(1, None, None, None, ONE, ONE, None, 1.0, _core.Workspace()),
    ),
]


@pytest.mark.parametrize("error, text, call", BAD_CALLS, ids=range(len(BAD_CALLS)))
def test_bad_calls(error, text, call):
    with pytest.raises(error, match=text):
        call()
    assert (ONE == 1).all()
