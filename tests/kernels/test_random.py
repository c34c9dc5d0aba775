"""Random numbers: known answers, one sequence however it is drawn, and its statistics."""

import math

import aecore.functional as F
import numpy as np
import pytest
import twin
from aecore import _core
from aecore.base import streams as purposes
from conftest import ISAS

# Random123's kat_vectors for philox4x32, 10 rounds: counter, key, words.
PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)
KNOWN = [
    ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (*PI, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]
FUSED = [isa for isa in ISAS if isa != "baseline"]
# Inside a block, across blocks, across 2^32 blocks, and up to the end of the stream.
OFFSETS = [0, 1, 2, 3, 5, 4 * 1023 + 1, 2**34 - 70, 2**34 - 3, 2**63, 2**64 - 201]


def bits(n, seed, purpose, offset, isa=None, threads=1):
    x = np.empty(n, np.uint32)
    _core.random_bits(x, seed, purpose, offset, _core.Workspace(threads, isa))
    return x


def draw(kernel, n, seed, purpose=0, offset=0, isa=None, threads=1):
    x = np.empty(n, np.float32)
    getattr(_core, kernel)(x, seed, purpose, offset, _core.Workspace(threads, isa))
    return x


@pytest.mark.parametrize("counter, key, words", KNOWN)
def test_known_answers(counter, key, words):
    assert _core.philox4x32(counter, key) == words
    assert tuple(twin.philox([[c] for c in counter], key)[:, 0]) == words


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("offset", OFFSETS)
def test_bits_are_those_of_the_scalar_reference(offset, isa):
    seed, purpose, n = 0x9E3779B97F4A7C15, 0xFFFFFFFE, 200
    key = seed & 0xFFFFFFFF, seed >> 32
    want = []
    for block in range(offset // 4, (offset + n + 3) // 4):
        want += _core.philox4x32((block & 0xFFFFFFFF, block >> 32, purpose, 0), key)
    want = np.array(want[offset % 4 :][:n], np.uint32)
    np.testing.assert_array_equal(bits(n, seed, purpose, offset, isa), want)
    np.testing.assert_array_equal(twin.random_bits(n, seed, offset, purpose), want)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kernel", ["random_uniform", "random_normal"])
def test_a_value_depends_on_its_position_alone(kernel, isa, rng):
    whole = draw(kernel, 20000, 11, 3, 2**34 - 10001, isa, threads=3)
    for _ in range(200):
        start = int(rng.integers(20000))
        n = int(rng.integers(20000 - start + 1) % rng.choice([2, 9, 70, 20000]))
        part = draw(kernel, n, 11, 3, 2**34 - 10001 + start, isa)
        assert part.tobytes() == whole[start : start + n].tobytes()


@pytest.mark.parametrize("kernel", ["random_uniform", "random_normal"])
def test_instruction_sets_give_the_same_bits(kernel):
    """All of them for uniform values; for normal ones those that fuse multiply and add."""
    same = ISAS if kernel == "random_uniform" else FUSED
    draws = {isa: draw(kernel, 100003, 5, isa=isa) for isa in ISAS}
    for isa in same[1:]:
        assert draws[isa].tobytes() == draws[same[0]].tobytes()
    for isa in ISAS:
        np.testing.assert_allclose(draws[isa], draws[ISAS[0]], rtol=0, atol=2e-6)


def test_a_part_drawn_later_continues_the_sequence():
    whole = F.random_normal((6, 7), seed=3)
    assert whole.dtype == np.float32 and whole.shape == (6, 7)
    np.testing.assert_array_equal(F.random_normal((2, 7), 3, offset=28), whole[4:])
    np.testing.assert_array_equal(F.random_normal(14, 3, 28), whole[4:].ravel())
    np.testing.assert_array_equal(F.random_uniform(5, 3, 2), F.random_uniform([7], 3)[2:])


def test_seeds_and_purposes_are_streams_of_their_own():
    drawn = [bits(4096, seed, purpose, 0) for seed in (0, 1, 2**32) for purpose in (0, 1, 7)]
    words = np.concatenate(drawn)
    # 36864 words: one pair in six runs coincides by chance, equal streams would be thousands
    assert len(np.unique(words)) >= len(words) - 3
    numbers = [v for k, v in vars(purposes).items() if k.isupper()]
    assert len(set(numbers)) == len(numbers)


def normal_cdf(x):
    return np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x])


@pytest.mark.parametrize("seed", [0, 123456789])
def test_moments_of_ten_million_normals(seed):
    """Each within five standard errors."""
    n = 10_000_000
    x = F.random_normal(n, seed)
    assert np.isfinite(x).all()
    assert abs(x).max() > 4.9
    mean = x.mean(dtype=float)
    square = x * x
    second = square.mean(dtype=float)
    third = (square * x).mean(dtype=float)
    fourth = np.einsum("i,i", square, square, dtype=float) / n
    assert abs(mean) < 5 / n**0.5
    assert abs(second - 1) < 5 * (2 / n) ** 0.5
    assert abs(third) < 5 * (15 / n) ** 0.5
    assert abs(fourth - 3) < 5 * (96 / n) ** 0.5
    for lag in (1, 2, 3, 4, 8, 16):
        assert abs(np.einsum("i,i", x[:-lag], x[lag:]) / n) < 5 / n**0.5
        # squares too: the two values of a pair share a radius
        r = np.einsum("i,i", square[:-lag], square[lag:], dtype=float) / n - second**2
        assert abs(r) < 5 * 2 / n**0.5


@pytest.mark.parametrize("isa", ISAS)
def test_normals_follow_the_normal_distribution(isa):
    """Kolmogorov and Smirnov's distance on a grid: 1.95 / sqrt(n) is passed once in 1,000."""
    n = 1_000_000
    x = np.sort(draw("random_normal", n, 2, isa=isa))
    grid = np.linspace(-5, 5, 4001)
    distance = abs(np.searchsorted(x, grid, "right") / n - normal_cdf(grid)).max()
    assert distance < 1.95 / n**0.5
    for sigma in (3, 4, 4.5):
        tail, expected = (abs(x) > sigma).sum(), 2 * n * normal_cdf([-sigma])[0]
        assert abs(tail - expected) < 5 * expected**0.5 + 1


def test_uniform_values_fill_their_range():
    n = 4_000_000
    u = F.random_uniform(n, 9)
    assert u.min() >= 0 and u.max() < 1
    assert u.min() < 1e-5 and u.max() > 1 - 1e-5
    assert abs(u.mean(dtype=float) - 0.5) < 5 * (1 / 12 / n) ** 0.5
    counts = np.bincount((u * 1000).astype(int), minlength=1000)
    chi_square = ((counts - n / 1000) ** 2 / (n / 1000)).sum()
    assert abs(chi_square - 999) < 5 * (2 * 999) ** 0.5
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 5 / n**0.5


def test_streams_are_uncorrelated():
    n = 1_000_000
    x = draw("random_normal", n, 77)
    for other in (draw("random_normal", n, 78), draw("random_normal", n, 77, purpose=1)):
        assert abs(np.einsum("i,i", x, other) / n) < 5 / n**0.5


def test_dropout_keeps_the_right_share_and_the_mean():
    x = np.full(1_000_000, 2, np.float32)
    y = F.dropout(x, 0.3, 1)
    kept = y != 0
    assert abs(kept.mean() - 0.7) < 5 * (0.21 / x.size) ** 0.5
    assert (y[kept] == np.float32(2) * (np.float32(1) / np.float32(0.7))).all()
    np.testing.assert_array_equal(F.dropout_backward(x, x, 0.3, 1), y)
    later = F.dropout(x[5:], 0.3, 1, offset=5)
    np.testing.assert_array_equal(later, y[5:])


def test_dropout_in_place_and_of_what_is_not_finite():
    x = np.array([np.nan, np.inf, 1] * 50, np.float32)
    y = F.dropout(x, 0.5, 4)
    dropped = F.random_uniform(150, 4) < 0.5
    assert (y[dropped] == 0).all() and dropped.any()
    np.testing.assert_array_equal(y[~dropped], 2 * x[~dropped])
    assert F.dropout(x, 0.5, 4, out=x) is x
    np.testing.assert_array_equal(x, y)


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: F.random_normal(3, -1), ValueError),
        (lambda: F.random_normal(3, 2**64), ValueError),
        (lambda: F.random_normal(3, 1.5), TypeError),
        (lambda: F.random_normal(3, "1"), TypeError),
        (lambda: F.random_normal(3, 1, -1), ValueError),
        (lambda: F.random_normal(3, 1, 2**64 - 2), ValueError),
        (lambda: F.random_normal(-3, 1), ValueError),
        (lambda: F.random_normal((2, -3), 1), ValueError),
        (lambda: F.random_normal(2.5, 1), TypeError),
        (lambda: F.random_normal("3", 1), TypeError),
        (lambda: F.random_normal(3, 1, out=zeros(4)), ValueError),
        (lambda: F.random_normal(3, 1, out=zeros(3, dtype=float)), TypeError),
        (lambda: F.random_uniform(3, 1, out=zeros(6)[::2]), ValueError),
        (lambda: F.random_uniform(3, 1, out=[0, 0, 0]), TypeError),
        (lambda: F.dropout(zeros(3), 1.0, 1), ValueError),
        (lambda: F.dropout(zeros(3), -0.1, 1), ValueError),
        (lambda: F.dropout(zeros(3), math.nan, 1), ValueError),
        (lambda: F.dropout(zeros(3), "half", 1), TypeError),
        (lambda: F.dropout([1.0], 0.5, 1), TypeError),
        (lambda: F.dropout(zeros(3, dtype=float), 0.5, 1), TypeError),
        (lambda: F.dropout(zeros(3), 0.5, 1, out=zeros(2)), ValueError),
        (lambda: F.dropout_backward(zeros(2), zeros(3), 0.5, 1), ValueError),
        (lambda: bits(3, 1, 2**32, 0), ValueError),
        (lambda: bits(3, 1, -1, 0), ValueError),
    ],
)
def test_malformed_calls(call, error):
    with pytest.raises(error):
        call()


def test_dropout_refuses_an_overlapping_output():
    x = np.ones(10, np.float32)
    with pytest.raises(ValueError, match="shares memory"):
        F.dropout(x[:9], 0.5, 1, out=x[1:])
    assert (x == 1).all()
