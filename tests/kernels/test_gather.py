"""Batches from a data set, corruption, and what joins arrays, against their twins."""

import numpy as np
import pytest
import twin
from aecore import _core
from conftest import ISAS

GUARD = np.float32(-12345.678)
CORRUPTIONS = [None, "gaussian", "masking", "salt_and_pepper"]
DTYPES = [np.uint8, np.bool_, np.float32, np.float64]
# Rows of a vector and its edges, of several pieces, and of one long piece after another.
SHAPES = [(3, 5, 1), (7, 4, 3), (5, 9, 784), (40, 33, 129), (2, 3, 8191), (2, 3, 20011)]


def data(rng, dtype, n, width):
    if dtype == np.uint8:
        return rng.integers(0, 256, (n, width), dtype)
    if dtype == np.bool_:
        return rng.random((n, width)) < 0.5
    return rng.standard_normal((n, width)).astype(dtype)


def guarded(*shape):
    """An array between words that nobody may touch."""
    size = int(np.prod(shape))
    buffer = np.full(size + 128, GUARD)
    return buffer, buffer[64 : 64 + size].reshape(shape)


def intact(buffer):
    return (buffer[:64] == GUARD).all() and (buffer[-64:] == GUARD).all()


def gather(source, index, scale=1.0, corruption=None, amount=0.0, *, low=0.0, high=1.0, seed=1,
           purpose=4, offset=0, threads=1, isa=None, corrupted=True, shape=None):  # fmt: skip
    shape = shape or (len(index), *source.shape[1:])
    clean_buffer, clean = guarded(*shape)
    buffer, y = guarded(*shape)
    _core.gather(
        clean, y if corrupted else None, source, index, scale, corruption, amount, low, high,
        seed, purpose, offset, _core.Workspace(threads, isa),
    )  # fmt: skip
    assert intact(clean_buffer) and intact(buffer)
    if not corrupted:
        assert (y == GUARD).all()
    return clean, y


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("b, n, width", SHAPES, ids=str)
def test_batches(b, n, width, corruption, dtype, isa, rng):
    source = data(rng, dtype, n, width)
    index = rng.integers(0, n, b)
    offset = int(rng.integers(0, 2**40))
    scale = 1 / 255 if dtype == np.uint8 else 1.5
    want = twin.gather(source, index, scale)
    noisy = twin.corrupt(want, corruption, 0.3, -0.5, 2.0, 1, 4, offset)
    results = [
        gather(source, index, scale, corruption, 0.3, low=-0.5, high=2.0, offset=offset,
               threads=threads, isa=isa)
        for threads in (1, 2, 3)
    ]  # fmt: skip
    clean, y = results[0]
    np.testing.assert_allclose(clean, want, rtol=1e-6)
    np.testing.assert_allclose(y, noisy, rtol=1e-6, atol=2e-6)
    for other in results[1:]:
        assert other[0].tobytes() == clean.tobytes() and other[1].tobytes() == y.tobytes()
    alone, _ = gather(source, index, scale, isa=isa, corrupted=False)
    assert alone.tobytes() == clean.tobytes()


def test_scaled_pixels_span_0_to_1_exactly():
    source = np.arange(256, dtype=np.uint8)[:, None]
    clean, _ = gather(source, np.arange(256), 1 / 255)
    assert clean[0, 0] == 0 and clean[255, 0] == 1
    np.testing.assert_allclose(clean[:, 0], np.arange(256) / 255, rtol=1.2e-7)


def test_float64_is_rounded_once(rng):
    source = rng.standard_normal((50, 7))
    clean, _ = gather(source, np.arange(50), 0.5)
    np.testing.assert_array_equal(clean, (source * 0.5).astype(np.float32))


@pytest.mark.parametrize("corruption", CORRUPTIONS[1:])
def test_noise_of_a_value_depends_on_its_place_in_the_stream(corruption, rng):
    """An epoch's noise doesn't depend on how it is cut into batches."""
    source = data(rng, np.float32, 60, 33)
    index = rng.permutation(60)
    _, whole = gather(source, index, 1.0, corruption, 0.4)
    parts = [
        gather(source, index[i : i + 13], 1.0, corruption, 0.4, offset=33 * i)[1]
        for i in range(0, 60, 13)
    ]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_shares_of_masking_and_of_salt_and_pepper():
    n = 1000, 1000
    source = np.full(n, 0.5, np.float32)
    _, masked = gather(source, np.arange(1000), 1.0, "masking", 0.2)
    assert abs((masked == 0).mean() - 0.2) < 5 * (0.16 / 1e6) ** 0.5
    assert ((masked == 0) | (masked == 0.5)).all()
    _, noisy = gather(source, np.arange(1000), 1.0, "salt_and_pepper", 0.2, low=-1, high=3)
    for value in (-1, 3):
        assert abs((noisy == value).mean() - 0.1) < 5 * (0.09 / 1e6) ** 0.5
    assert (noisy == 0.5).sum() == 1e6 - (noisy == -1).sum() - (noisy == 3).sum()


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("amount", [0.0, 1.0])
def test_no_noise_and_all_noise(corruption, amount):
    source = np.full((4, 50), 0.5, np.float32)
    _, y = gather(source, np.arange(4), 1.0, corruption, amount, low=0.0, high=2.0)
    if amount == 0 or corruption is None:
        assert (y == 0.5).all()
    elif corruption == "masking":
        assert (y == 0).all()
    else:
        assert (y != 0.5).all()


def test_rows_of_a_large_read_only_file(tmp_path):
    """Past 2^32 bytes, in a sparse file that takes no room on the disk."""
    rows, width = 5_000_011, 1024
    made = np.memmap(tmp_path / "rows", np.uint8, "w+", shape=(rows, width))
    marked = [0, 4_194_303, 4_194_304, 4_999_999, rows - 1]
    for row in marked:
        made[row] = row % 251
    made.flush()
    source = np.memmap(tmp_path / "rows", np.uint8, "r", shape=(rows, width))
    clean, _ = gather(source, np.array([*marked, 7]))
    np.testing.assert_array_equal(clean[:, 0], [*(row % 251 for row in marked), 0])
    np.testing.assert_array_equal(clean, np.repeat(clean[:, :1], width, 1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_images_empty_batches_and_empty_rows(dtype, rng):
    images = data(rng, dtype, 6, 60).reshape(6, 5, 4, 3)
    index = np.array([5, 0, 5])
    clean, _ = gather(images, index)
    np.testing.assert_array_equal(clean, images[index].astype(np.float32))
    flat, _ = gather(images, index, shape=(3, 60))
    np.testing.assert_array_equal(flat, clean.reshape(3, 60))
    none = np.empty(0, np.int64)
    assert gather(images, none)[0].shape == (0, 5, 4, 3)
    assert gather(images[:0], none)[0].shape == (0, 5, 4, 3)
    assert gather(images[:, :0], index)[0].shape == (3, 0, 4, 3)


def malformed():
    source, index = np.ones((4, 3), np.float32), np.array([0, 3])
    out = np.full((2, 3), 7, np.float32)
    base = dict(clean=out, corrupted=None, source=source, index=index, scale=1.0, corruption=None,
                amount=0.0, low=0.0, high=1.0, seed=1, purpose=0, offset=0)  # fmt: skip

    def case(error, **changes):
        return {**base, **changes}, error

    yield case(ValueError, index=np.array([0, 4]))
    yield case(ValueError, index=np.array([-1, 0]))
    yield case(ValueError, index=np.array([2**62, 0]))
    yield case(TypeError, index=np.array([0, 1], np.int32))
    yield case(TypeError, index=np.array([0.0, 1.0]))
    yield case(TypeError, index=[0, 1])
    yield case(ValueError, index=np.array([[0, 1]]))
    yield case(ValueError, index=np.array([0, 1, 2]))
    yield case(ValueError, source=source[:0])
    yield case(ValueError, source=np.ones((4, 2), np.float32))
    yield case(ValueError, source=source[:, ::-1])
    yield case(ValueError, source=np.ones((), np.float32))
    yield case(TypeError, source=source.astype(np.int64))
    yield case(ValueError, source=source.astype(">f4"))
    yield case(TypeError, source=None)
    yield case(TypeError, clean=None)
    yield case(TypeError, clean=out.astype(float))
    yield case(ValueError, clean=np.ones((3, 2), np.float32))
    yield case(ValueError, corrupted=np.ones((2, 4), np.float32))
    yield case(ValueError, corrupted=out)
    yield case(ValueError, clean=source[:2])
    yield case(ValueError, corruption="noise")
    yield case(ValueError, corruption=3)
    yield case(ValueError, corruption="gaussian", amount=-1.0)
    yield case(ValueError, corruption="gaussian", amount=np.nan)
    yield case(ValueError, corruption="gaussian", amount=np.inf)
    yield case(ValueError, corruption="masking", amount=1.1)
    yield case(ValueError, corruption="salt_and_pepper", amount=-0.1)
    yield case(TypeError, scale="1")
    yield case(ValueError, seed=-1)
    yield case(ValueError, offset=2**64 - 3)


@pytest.mark.parametrize("arguments, error", list(malformed()))
def test_malformed_calls_change_nothing(arguments, error):
    copies = {k: v.copy() for k, v in arguments.items() if isinstance(v, np.ndarray)}
    with pytest.raises(error):
        _core.gather(*arguments.values(), _core.Workspace())
    for name, copy in copies.items():
        np.testing.assert_array_equal(arguments[name], copy)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m, n, width", [*SHAPES, (0, 4, 3), (3, 4, 0), (0, 0, 3)], ids=str)
def test_take_rows(m, n, width, dtype, isa, rng):
    table = data(rng, dtype, n, width)
    rows = rng.integers(0, max(1, n), m)
    for threads in (1, 3):
        buffer, y = guarded(m, width)
        _core.take_rows(y, table, rows, _core.Workspace(threads, isa))
        np.testing.assert_array_equal(y, table[rows].astype(np.float32))
        assert intact(buffer)


def test_rows_that_cannot_be_taken():
    table, rows, ws = np.ones((4, 3), np.float32), np.array([0, 3]), _core.Workspace()
    y = np.full((2, 3), 7, np.float32)
    for bad, error, words in (
        ((y, table, rows + 1), ValueError, "indices: expected 0 to 3, got 4 at position 1"),
        ((y, table, rows - 1), ValueError, "indices: expected 0 to 3, got -1 at position 0"),
        ((y, table[:0], rows), ValueError, "indices: expected 0 to -1, got 0 at position 0"),
        ((y, table, rows.astype(np.int32)), TypeError, "indices: expected an array of int64"),
        ((y, table, rows[:, None]), ValueError, r"indices: expected shape \(M\)"),
        ((y, table, rows[:1]), ValueError, r"out: expected shape \(M=1, D=3\), got \(2, 3\)"),
        ((y[:, :2].copy(), table, rows), ValueError, "out: expected shape"),
        ((y.astype(float), table, rows), TypeError, "out: expected an array of float32"),
        ((y, table.astype(np.int32), rows), TypeError, "weight: expected uint8, bool, float32"),
        ((y, table[0], rows), ValueError, r"weight: expected shape \(E, D\)"),
        ((y, table[:, ::-1], rows), ValueError, "weight: expected a C-contiguous"),
        ((table[:2], table, rows), ValueError, "out: shares memory with weight"),
    ):
        with pytest.raises(error, match=words):
            _core.take_rows(*bad, ws)
    assert (y == 7).all() and (table == 1).all()


CONCAT = [(3, 1, 7, 2), (2, 5, 3, 10), (1, 4, 1, 1), (37, 100, 3, 10)]
CONCAT += [(0, 3, 2, 2), (3, 0, 2, 2), (2, 3, 0, 4), (2, 3, 4, 0)]


@pytest.mark.parametrize("n, t, c, d", CONCAT)
def test_concat_and_its_gradient(n, t, c, d, rng):
    x = rng.standard_normal((n, t, c)).astype(np.float32)
    cond = rng.standard_normal((n, d)).astype(np.float32)
    want = np.concatenate([x, np.broadcast_to(cond[:, None], (n, t, d))], 2)
    for threads in (1, 3):
        ws = _core.Workspace(threads)
        buffer, y = guarded(n, t, c + d)
        _core.concat(y, x, cond, ws)
        np.testing.assert_array_equal(y, want)
        gradient_buffer, dx = guarded(n, t, c)
        _core.concat_backward(dx, y, ws)
        np.testing.assert_array_equal(dx, x)
        assert intact(buffer) and intact(gradient_buffer)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n", [0, 1, 3, 4, 7, 8, 9, 17, 31, 33, 8191, 8193, 300007])
def test_add(n, isa, rng):
    a, b = rng.standard_normal((2, n)).astype(np.float32)
    buffer, y = guarded(n)
    ws = _core.Workspace(2, isa)
    _core.add(y, a, b, ws)
    np.testing.assert_array_equal(y, a + b)
    assert intact(buffer)
    _core.add(a, a, b, ws)
    np.testing.assert_array_equal(a, y)


def test_joining_arrays_that_do_not_fit():
    ws = _core.Workspace()
    one = np.ones(12, np.float32)
    x, cond, y = one.reshape(2, 2, 3), one[:8].reshape(2, 4), np.ones((2, 2, 7), np.float32)
    for call in (
        lambda: _core.concat(y, x, cond[:1], ws),
        lambda: _core.concat(y, x, cond[:, :3].copy(), ws),
        lambda: _core.concat(y, x.reshape(4, 3), cond, ws),
        lambda: _core.concat_backward(np.ones((2, 2, 8), np.float32), y, ws),
        lambda: _core.concat_backward(np.ones((2, 3, 3), np.float32), y, ws),
        lambda: _core.add(one, one, one[:11], ws),
        lambda: _core.add(one[1:], one[:-1], one[1:], ws),
        lambda: _core.add(one, x, one, ws),
    ):
        with pytest.raises(ValueError):
            call()
    assert (one == 1).all() and (y == 1).all()
