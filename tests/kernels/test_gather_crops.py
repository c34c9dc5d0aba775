"""Crops of images of different sizes, against their twin."""

import numpy as np
import pytest
import twin
from aecore import _core
from conftest import ISAS
from test_gather import CORRUPTIONS, guarded, intact

SIZES = [(5, 7), (20, 9), (1, 1), (40, 33), (1, 3)]
CROPS = [(1, 1), (8, 8), (3, 5), (16, 17), (70, 33)]


def images(rng, dtype, channels):
    """Return images, their values in a line, and where each begins."""
    found = [rng.random((*size, channels)) * 255 for size in SIZES]
    found = [x.astype(dtype) for x in found]
    starts = np.cumsum([0, *(x.size for x in found)])[:-1]
    table = np.array([[a, *x.shape[:2]] for a, x in zip(starts, found, strict=True)], np.int64)
    return found, np.concatenate([x.ravel() for x in found]), table


def places(rng, n):
    row, column = rng.integers(-50, 50, (2, n))
    return np.stack([rng.integers(0, len(SIZES), n), row, column, rng.integers(0, 8, n)], axis=1)


def cut(pixels, table, where, shape, corruption=None, *, scale=0.5, threads=1, isa=None, two=True):
    clean_buffer, clean = guarded(len(where), *shape)
    buffer, noisy = guarded(len(where), *shape)
    ws = _core.Workspace(threads, isa)
    how = scale, corruption, 0.3, -0.5, 2.0, 1, 4, 77, ws
    _core.gather_crops(clean, noisy if two else None, pixels, table, where, *how)
    assert intact(clean_buffer) and intact(buffer)
    return clean, noisy


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("size", CROPS, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_crops(channels, size, corruption, dtype, isa, rng):
    found, pixels, table = images(rng, dtype, channels)
    where = places(rng, 24)
    want = np.stack([twin.crop(found[i].astype(float), *p, *size) for i, *p in where]) * 0.5
    noisy = twin.corrupt(want, corruption, 0.3, -0.5, 2.0, 1, 4, 77)
    first = None
    for threads in (1, 2, 3):
        clean, y = cut(pixels, table, where, want.shape[1:], corruption, threads=threads, isa=isa)
        np.testing.assert_allclose(clean, want, rtol=1e-6)
        np.testing.assert_allclose(y, noisy, rtol=1e-5, atol=1e-4)
        first = y if first is None else first
        np.testing.assert_array_equal(y, first)


def test_wide_pixels_and_nothing(rng):
    """Pixels that no buffer holds, a crop of nothing, and none."""
    x = rng.random((3, 4, 700))
    table = np.array([[0, 3, 4]], np.int64)
    where = np.array([[0, 1, 2, 5], [0, -2, 1, 6]], np.int64)
    clean, _ = cut(x.ravel(), table, where, (5, 2, 700), two=False)
    want = np.stack([twin.crop(x, *p, 5, 2) for _, *p in where]) * 0.5
    np.testing.assert_allclose(clean, want, rtol=1e-6)
    for shape, rows in (((0, 4, 3), where), ((2, 2, 3), where[:0])):
        assert cut(x.ravel(), table, rows, shape)[0].shape == (len(rows), *shape)


@pytest.mark.parametrize(
    "table, where, error",
    [
        ([[0, 3, 5]], [[0, 0, 0, 0]], "images: expected images within 36 values, got 3 x 5 from 0"),
        ([[1, 3, 4]], [[0, 0, 0, 0]], "from 1"),
        ([[-1, 3, 4]], [[0, 0, 0, 0]], "from -1"),
        ([[0, 0, 4]], [[0, 0, 0, 0]], "got 0 x 4"),
        ([[0, 2**31, 2**31]], [[0, 0, 0, 0]], "images: expected"),
        ([[0, 3, 4]], [[1, 0, 0, 0]], "places: expected one of 1 images"),
        ([[0, 3, 4]], [[-1, 0, 0, 0]], "places: expected"),
        ([[0, 3, 4]], [[0, 0, 0, 8]], "a kind of 0 to 7, got 0, 0, 0, 8"),
        ([[0, 3, 4]], [[0, 2**40, 0, 0]], "places: expected"),
        ([[0, 3]], [[0, 0, 0, 0]], "images: expected shape"),
        ([[0, 3, 4]], [[0, 0, 0]], "places: expected shape"),
        ([[0, 3, 4]], [[0, 0, 0, 0]] * 2, "places: expected shape"),
    ],
)
def test_what_makes_no_sense_is_refused(table, where, error):
    pixels, clean = np.zeros(36, np.float32), np.empty((1, 2, 2, 3), np.float32)
    table, where = np.array(table, np.int64), np.array(where, np.int64)
    how = 1.0, None, 0.0, 0.0, 1.0, 0, 0, 0, _core.Workspace()
    with pytest.raises(ValueError, match=error):
        _core.gather_crops(clean, None, pixels, table, where, *how)
    with pytest.raises(TypeError):
        _core.gather_crops(clean, None, pixels.astype(np.int16), table, where, *how)
