"""Checks of numbers: whatever comes is a number within bounds, or an error that says what came."""

from decimal import Decimal
from fractions import Fraction

import aecore as ae
import numpy as np
import pytest
from aecore.base import checks
from aecore.functional import _shapes

HUGE = [2**2000, -(2**2000), 10**5000]
NO_NUMBERS = [
    Fraction(1, 3), Decimal(1), 1j, np.complex64(1), np.timedelta64(5, "s"), np.datetime64(5, "s"),
    np.array(3), np.array([3]), np.str_("3"), np.bytes_(b"3"), np.void(b"3"), None, "3", [3],
    ((1, 2), 3), {1, 2},
]  # fmt: skip


@pytest.mark.parametrize("check", [checks.real, checks.integer])
def test_numbers(check):
    for value in (3, np.int8(3), np.uint64(3)):
        assert check("n", value) == 3 and type(check("n", value)) in (int, float)
    for value in (*NO_NUMBERS, True, np.True_, 10**5000 * Fraction(1, 3)):
        with pytest.raises(TypeError, match="^n: expected an? (integer|number), got "):
            check("n", value)
    for value in HUGE:
        with pytest.raises(ValueError, match="^n: expected .*at least 0"):
            check("n", value)
    with pytest.raises(ValueError, match=f"at most {2**63 - 1}, got {2**63}$"):
        checks.integer("n", 2**63)


def test_reals():
    assert checks.real("n", np.float16(0.5)) == 0.5
    for value in (np.nan, -np.inf, np.float32("inf"), np.longdouble("1e4000"), *HUGE):
        with pytest.raises(ValueError, match="^n: expected a finite number, got "):
            checks.real("n", value, -np.inf)
    assert checks.real("n", 2**1000) == float(2**1000)


@pytest.mark.parametrize("check", [checks.pair, _shapes.pair])
def test_pairs(check):
    for value in (3, [3, 3], (3, np.int8(3)), np.array([3, 3])):
        assert check("n", value, 1) == (3, 3)
    for value in (*NO_NUMBERS, (1, 2, 3), (1.0, 2)):
        with pytest.raises(TypeError, match="^n: expected an integer or a pair of them, got "):
            check("n", value, 1)
    for value in (0, (1, 0), -(2**2000), -(10**5000)):
        with pytest.raises(ValueError, match="^n: expected at least 1, got "):
            check("n", value, 1)
    for value in (2**31, (1, 10**5000)):
        with pytest.raises(ValueError, match=r"^n: expected at most 2\^31 - 1, got "):
            check("n", value, 1)


def test_numbers_of_functions():
    for value in (Fraction(1, 2), Decimal("0.5"), np.float32(0.5), np.array(0.5)):
        assert _shapes.number("n", value) == 0.5
    for value in (1j, np.complex64(1), np.void(b"3"), np.timedelta64(1, "s"), "3", [3], None):
        with pytest.raises(TypeError, match="^n: expected a number, got "):
            _shapes.number("n", value)
    for value in (*HUGE, Fraction(10**400)):
        with pytest.raises(ValueError, match="^n: expected a number that a float holds, got an? "):
            _shapes.number("n", value)


def test_layers_and_callbacks_that_keep_floats():
    for make in (
        lambda v: ae.nn.BatchNorm2d(2, eps=v),
        lambda v: ae.nn.VectorQuantizer(2, 2, commitment=v),
        lambda v: ae.callbacks.ImageGrid("folder", limits=(0, v)),
        lambda v: ae.Autoencoder(learning_rate=v)._check_params(),
    ):
        make(1)
        for value in (2**2000, np.nan, np.inf):
            with pytest.raises(ValueError, match="expected a finite number"):
                make(value)
