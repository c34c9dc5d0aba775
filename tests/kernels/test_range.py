"""The range coder beside its twin of integers, and what it refuses."""

import numpy as np
import pytest
import twin
from aecore import _core
from conftest import ISAS
from hypothesis import given, settings
from hypothesis import strategies as st

GUARD = 0xA5
# Sizes: one symbol, powers of two and their neighbours, all that is allowed.
SIZES = [1, 2, 3, 7, 8, 9, 255, 256, 257, 1000]


def encode(symbols, sizes, learned=24, threads=1, isa=None):
    symbols, sizes = np.asarray(symbols, np.int64), np.asarray(sizes, np.int64)
    room = 12 * symbols.size + 8
    buffer = np.full(room + 128, GUARD, np.uint8)
    used = _core.range_encode(
        buffer[64 : 64 + room], symbols, sizes, learned, _core.Workspace(threads, isa)
    )
    assert (buffer[:64] == GUARD).all() and (buffer[64 + room :] == GUARD).all()
    return buffer[64 : 64 + used].tobytes()


def decode(data, sizes, count, learned=24, threads=1, isa=None):
    sizes = np.asarray(sizes, np.int64)
    buffer = np.full(len(sizes) * count + 32, -7, np.int64)
    symbols = buffer[16 : len(buffer) - 16].reshape(len(sizes), count)
    data = np.frombuffer(data, np.uint8)
    _core.range_decode(symbols, data, sizes, learned, _core.Workspace(threads, isa))
    assert (buffer[:16] == -7).all() and (buffer[-16:] == -7).all()
    return symbols


def skewed(rng, size, count):
    """Symbols of very different frequencies."""
    return np.minimum(rng.geometric(0.3, count) - 1, size - 1)


@pytest.mark.parametrize("learned", [1, 3, 24])
@pytest.mark.parametrize("count", [0, 1, 2, 17, 300])
def test_bytes_are_the_twin_s(count, learned, rng):
    symbols = np.array([skewed(rng, size, count) for size in SIZES]).reshape(len(SIZES), count)
    data = encode(symbols, SIZES, learned)
    assert data == twin.range_encode(symbols, SIZES, learned)
    np.testing.assert_array_equal(decode(data, SIZES, count, learned), symbols)
    # shares are rounded down by a little, and two bytes end it
    bits = twin.ideal_bits(symbols, SIZES, learned)
    assert 8 * len(data) <= bits * 1.0001 + 24
    assert count or not data


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_bytes_depend_on_nothing_else(threads, isa, rng):
    symbols, sizes = rng.integers(0, 40, (3, 500)), [40, 50, 2**18]
    data = encode(symbols, sizes, threads=threads, isa=isa)
    assert data == encode(symbols, sizes)
    np.testing.assert_array_equal(decode(data, sizes, 500, threads=threads, isa=isa), symbols)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_symbols_return(data):
    sizes = data.draw(st.lists(st.integers(1, 2**16) | st.integers(1, 5), max_size=4))
    count = data.draw(st.integers(0, 40))
    learned = data.draw(st.integers(1, 12))
    rows = [
        data.draw(st.lists(st.integers(0, size - 1), min_size=count, max_size=count))
        for size in sizes
    ]
    symbols = np.array(rows, np.int64).reshape(len(sizes), count)
    packed = encode(symbols, sizes, learned)
    np.testing.assert_array_equal(decode(packed, sizes, count, learned), symbols)


def test_carries_run_back():
    """The last symbol of each row again and again: low ends in ones, and a carry passes them."""
    for size in (2, 3, 255, 2**20):
        for count in (1, 5, 40):
            symbols = np.full((1, count), size - 1)
            symbols[0, ::7] = size // 2
            data = encode(symbols, [size])
            assert data == twin.range_encode(symbols, [size], 24)
            np.testing.assert_array_equal(decode(data, [size], count), symbols)


@pytest.mark.parametrize("size", [2, 16, 512])
def test_rate_is_near_the_entropy(size, rng):
    share = rng.dirichlet(np.full(size, 0.5))
    symbols = rng.choice(size, (1, 200_000), p=share)
    used = np.bincount(symbols[0]) / symbols.size
    entropy = -(used[used > 0] * np.log2(used[used > 0])).sum()
    rate = 8 * len(encode(symbols, [size])) / symbols.size
    # learning the frequencies costs half the logarithm of the length for each of them
    cost = (size - 1) / 2 * np.log2(symbols.size) / symbols.size
    assert entropy <= rate <= entropy + cost + 1e-3


def test_damage_is_an_error_or_other_symbols(rng):
    """No byte string makes the decoder leave its arrays or the symbols their range."""
    sizes, errors = [1, 5, 300, 2**16], 0
    for length in (0, 1, 3, 8, 50, 400):
        for _ in range(20):
            try:
                symbols = decode(rng.bytes(length), sizes, 10, int(rng.integers(1, 25)))
            except ValueError:
                errors += 1
                continue
            assert (symbols >= 0).all() and (symbols < np.array(sizes)[:, None]).all()
    assert errors
    data = encode(rng.integers(0, 300, (1, 50)), [300])
    with pytest.raises(ValueError, match="out of its range"):
        decode(data + b"\1\1", [300], 50)


def test_malformed_calls():
    ws = _core.Workspace()
    out, rows, sizes = np.zeros(500, np.uint8), np.zeros((2, 3), np.int64), np.array([2, 3])
    good = [out, rows, sizes, 4, ws]
    assert _core.range_encode(*good) >= 0
    for place, value, error, text in (
        (0, out.astype(np.int8), TypeError, "out: expected an array of uint8"),
        (0, out[:20], ValueError, "out: expected at least 80 bytes, got 20"),
        (0, out[None], ValueError, "out: expected shape"),
        (1, rows + 2, ValueError, "symbols: expected 0 to 1, got 2"),
        (1, rows - 1, ValueError, "symbols: expected 0 to 1, got -1"),
        (1, rows[0], ValueError, "symbols: expected shape"),
        (2, sizes[:1], ValueError, "sizes: expected shape"),
        (2, sizes - 2, ValueError, "sizes: expected 1 to 16777216, got 0"),
        (2, sizes + 2**24, ValueError, "sizes: expected 1 to 16777216"),
        (3, 0, ValueError, "learned: expected 1 to 24, got 0"),
        (3, 25, ValueError, "learned: expected 1 to 24, got 25"),
        (4, None, TypeError, "workspace: expected a Workspace"),
    ):
        call = [*good[:place], value, *good[place + 1 :]]
        with pytest.raises(error, match=text):
            _core.range_encode(*call)
        if place > 1:
            with pytest.raises(error, match=text):
                _core.range_decode(call[1], call[0], *call[2:])
    frozen = rows.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="symbols: the output array is read-only"):
        _core.range_decode(frozen, out, sizes, 4, ws)
    with pytest.raises(ValueError, match="symbols: shares memory with data"):
        _core.range_decode(rows, rows.view(np.uint8).reshape(-1), sizes, 4, ws)
