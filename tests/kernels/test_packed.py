"""Weights that stay packed: the bits of those that don't, for any number of rows."""

import numpy as np
import pytest
from aecore import _core
from cases.base import normal
from conftest import ISAS

SIZES = [(784, 512), (513, 70), (5, 3), (64, 33), (100, 16), (1, 1), (300, 49), (4, 0), (0, 4)]
ROWS = 1, 2, 3, 4, 5, 12, 13, 300


def rounded(x):
    """Return the nearest bfloat16, ties to even."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def linear(x, weight, bias, packed, workspace, transposed=False):
    y = np.empty((len(x), len(bias)), np.float32)
    _core.linear(y, x, weight, bias, "relu", transposed, None, packed, workspace)
    return y


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("inputs, outputs", SIZES)
def test_any_number_of_rows(inputs, outputs, half, transposed, threads, isa, rng):
    ws = _core.Workspace(threads, isa)
    x, bias = normal(rng, max(ROWS), inputs), normal(rng, outputs)
    weight = normal(rng, *((inputs, outputs) if transposed else (outputs, inputs)))
    used = rounded(weight) if half else weight
    wanted = linear(x, used, bias, None, ws, transposed)
    for order in (ROWS, ROWS[::-1]):  # whichever packs them
        packed = _core.Packed(half=half)
        for n in order:
            got = linear(x[:n], weight, bias, packed, ws, transposed)
            np.testing.assert_array_equal(got, wanted[:n], err_msg=f"{n} rows")


@pytest.mark.parametrize("isa", ISAS)
def test_rounding_to_bfloat16(isa, rng):
    ws = _core.Workspace(1, isa)
    special = [0.0, -0.0, 1.0, 1.00390625, 1.01171875, 3.3895314e38, 1e-40, -1e-45, np.inf, -np.inf]
    weight = np.concatenate([special, normal(rng, 53)]).astype(np.float32)[:, None]
    held = _core.Packed(half=True)
    got = np.empty((1, 63), np.float32)
    _core.linear(got, np.ones((1, 1), np.float32), weight, None, None, False, None, held, ws)
    np.testing.assert_array_equal(got[0], rounded(weight[:, 0]))


def test_nan_stays_nan():
    weight = np.array([[np.nan], [1.0]], np.float32)
    weight.view(np.uint32)[0] = 0x7FFFFFFF
    got = np.empty((1, 2), np.float32)
    held, ws = _core.Packed(half=True), _core.Workspace(1)
    _core.linear(got, np.ones((1, 1), np.float32), weight, None, None, False, None, held, ws)
    assert np.isnan(got[0, 0]) and got[0, 1] == 1


def test_other_weights_are_packed_anew(rng):
    ws, packed = _core.Workspace(1), _core.Packed(half=True)
    x, bias = normal(rng, 2, 30), normal(rng, 40)
    for weight in (normal(rng, 40, 30), normal(rng, 40, 30)):
        wanted = linear(x, rounded(weight), bias, None, ws)
        np.testing.assert_array_equal(linear(x, weight, bias, packed, ws), wanted)
