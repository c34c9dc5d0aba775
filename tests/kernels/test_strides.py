"""Strides far beyond an image: what they cost, and that products of them are checked."""

import time

import aecore.functional as F
import numpy as np
import pytest
from aecore import _core

rng = np.random.default_rng(0)
FAR = 2**31 - 1


def draw(*shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("channels", [(4, 5), (8, 3)])  # the second goes by planes
@pytest.mark.parametrize("size, kernel", [(4, 2), (1, 3), (3, 3)])
def test_a_stride_without_pixels_costs_and_changes_nothing(size, kernel, channels):
    small, big = channels
    x, w = draw(2, size, size, big), draw(small, kernel, kernel, big)
    y = F.conv2d(x, w, stride=size + kernel, padding=1)
    start = time.perf_counter()
    assert np.array_equal(F.conv2d(x, w, stride=FAR, padding=1), y)
    near = F.conv2d_backward(y, x, w, stride=size + kernel, padding=1)
    far = F.conv2d_backward(y, x, w, stride=FAR, padding=1)
    assert all(np.array_equal(a, b) for a, b in zip(near[:2], far[:2], strict=True))
    one, up = draw(1, 1, 1, small), draw(big, kernel, kernel, small)
    enlarged = F.conv_transpose2d(one, up, stride=FAR)
    assert np.array_equal(enlarged, F.conv_transpose2d(one, up, stride=5 * kernel))
    assert time.perf_counter() - start < 1.0


def test_products_of_strides_are_checked_before_any_work():
    x, w = draw(1, 3, 3, 4), draw(4, 3, 3, 4)
    start = time.perf_counter()
    with pytest.raises((ValueError, MemoryError)):
        F.conv_transpose2d(x, w, stride=FAR)
    with pytest.raises(ValueError, match="stride: expected at most"):
        F.conv_transpose2d(x, w, stride=2**31)
    out, ws = np.zeros((1, 1, 1, 4), np.float32), _core.Workspace(1)
    for stride in [(2**63 - 1, 1), (2**62, 2**62), (1, 2**32)]:
        how = None, None, stride, (0, 0), (1, 1), 1, True, None, None, ws
        with pytest.raises(ValueError, match="strides of 1 to"):
            _core.conv_transpose2d(out, x, w, *how)
        with pytest.raises(ValueError, match="strides of 1 to"):
            how = None, stride, (0, 0), (1, 1), 1, (False, False), ws
            _core.conv2d_backward(np.empty_like(x), None, None, out, x, w, *how)
    assert time.perf_counter() - start < 1.0
