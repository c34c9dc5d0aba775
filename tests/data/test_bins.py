"""Bins of numbers: which there are, what is drawn in them, and what comes back from files."""

import numpy as np
import pytest
from aecore.data.tables import Layout, Table
from aecore.data.tables.bins import MOST, check_bins, learn_bins


def column(numbers):
    return Layout.learn(Table(np.asarray(numbers)[:, None]), (), True).columns[0]


def test_few_numbers_have_bins_of_their_own():
    assert learn_bins(np.array([3.0, 1, 3, 7, 3])) == [[1, 1, 1], [3, 3, 3], [7, 7, 7]]
    assert learn_bins(np.array([5.0])) == [[5, 5, 5]]


def test_frequent_numbers_have_bins_of_their_own_and_the_others_share():
    numbers = np.concatenate([np.zeros(900), np.arange(1.0, 101)])  # Rice: 20 bins
    low, high, mean = np.array(learn_bins(numbers)).T
    assert low[0] == high[0] == 0
    assert len(low) == 20 and ((high - low)[1:] >= 4).all()  # 100 numbers in 19
    np.testing.assert_allclose(mean[1:], (low + high)[1:] / 2)
    assert (low[1:] == high[:-1] + 1).all() and high[-1] == 100


@pytest.mark.parametrize("n", [1, 2, 3, 17, 1000, 100_000])
def test_bins_hold_about_equally_many(n):
    numbers = np.random.default_rng(n).normal(size=n)
    bins = learn_bins(numbers)
    check_bins(bins)
    low, high, mean = np.array(bins).T
    held = np.array(
        [((numbers >= a) & (numbers <= b)).sum() for a, b in zip(low, high, strict=True)]
    )
    assert held.sum() == n and len(bins) <= MOST
    if n >= 17:
        assert held.max() <= 2 * held.min() + 1
    np.testing.assert_allclose((held * mean).sum(), numbers.sum(), rtol=1e-6, atol=1e-6)


def test_missing_numbers_have_no_density_and_those_beyond_the_bins_are_far():
    c = column(np.random.default_rng(0).lognormal(5, 2, 1000))
    codes = c.coded(np.array([np.nan, c.low, c.high]))
    assert c.log_scale(codes)[0] == 0 and (c.log_scale(codes)[1:] < 0).all()
    np.testing.assert_array_equal(c.coded_bins.beyond(codes), 0)
    away = c.coded_bins.beyond(codes + np.float32(3))
    assert away[:2].tolist() == [0, 0] and away[2] == pytest.approx(3, rel=1e-5)


def test_what_is_drawn_in_a_bin_has_its_mean_and_range():
    rng = np.random.default_rng(0)
    c = column(rng.exponential(size=5000))
    bins = c.coded_bins
    last = np.full(20_000, len(bins) - 1.0, np.float32)
    drawn = c.decode(bins.drawn(last, rng.random(20_000)))
    low, high, mean = c.bins[-1]
    assert drawn.min() >= low * 0.999 and drawn.max() <= high * 1.001
    assert drawn.mean() == pytest.approx(mean, rel=0.01)


def test_whole_numbers_in_a_bin_are_equally_likely():
    rng = np.random.default_rng(0)
    c = column(rng.integers(0, 1000, 5000).astype(float))
    drawn = c.decode(c.coded_bins.drawn(np.full(30_000, 1.0, np.float32), rng.random(30_000)))
    low, high, _ = c.bins[1]
    found, counts = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(found, np.arange(low, high + 1))
    assert counts.min() > 0.8 * counts.max()


def test_numbers_with_a_bin_of_their_own_come_back_exactly():
    rng = np.random.default_rng(0)
    given = np.where(rng.random(1000) < 0.5, 19.99, rng.normal(size=1000))
    c = column(given)
    codes = c.coded(given)
    back = c.decode(codes)
    assert (back[given == 19.99] == 19.99).all()
    np.testing.assert_allclose(back, given, rtol=1e-4, atol=1e-5)
    at = c.coded_bins.find(codes)
    np.testing.assert_array_equal(
        c.decode(c.coded_bins.drawn(at, rng.random(1000)))[given == 19.99], 19.99
    )
    assert np.isnan(c.coded_bins.find(np.array([np.nan], np.float32))).all()


def test_the_density_of_numbers_has_an_integral_of_1():
    c = column(np.random.default_rng(0).normal(size=3000))
    bins, grid = c.coded_bins, np.linspace(c.low, c.high, 200_001)
    codes = c.coded(grid)
    share = 1 / len(bins)
    total = (np.exp(c.log_scale(codes)) * share).sum() * (grid[1] - grid[0])
    assert total == pytest.approx(1, abs=0.02)


def test_the_expected_number_is_the_mean_of_the_bins():
    c = column(np.repeat(np.arange(10.0), 100))
    chances = np.zeros((2, 10))
    chances[0, [1, 4]] = 0.5
    chances[1, 9] = 1
    np.testing.assert_allclose(c.coded_bins.expected(chances), c.coded(np.array([2.5, 9.0])))


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        [[1.0, 2.0]],
        [[1.0, 2.0, 3.0]],
        [[1.0, 2.0, np.nan]],
        [[1, 2, 1]],
        [[1.0, 2.0, 1.5], [2.0, 3.0, 2.5]],
        [[float(k)] * 3 for k in range(2 * MOST + 1)],
    ],
)
def test_files_with_odd_bins_are_refused(bad):
    with pytest.raises(ValueError, match="bin"):
        check_bins(bad)


def test_layouts_with_bins_come_back_from_files():
    layout = Layout.learn(Table(np.random.default_rng(0).normal(size=(50, 2))), (), True)
    again = Layout.read(layout.describe())
    assert again.describe() == layout.describe() and set(again.binned) == {0, 1}
    assert "bins" not in Layout.learn(Table(np.ones((3, 1)))).describe()["columns"][0]
