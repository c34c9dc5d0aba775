"""Checks of arguments: each returns the value as what it means, or says what was expected."""

from __future__ import annotations

import contextlib
import math
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import as_array
from .hints import choice_hint
from .text import brief, printable

Floats = NDArray[np.float64]

# ---- single values ------------------------------------------------------------------------------


def integer(name: str, value: Any, low: int = 0, high: int = 2**63 - 1) -> int:
    """Return `value` as an int in [low, high]."""
    if isinstance(value, bool) or not is_integer(value):
        raise TypeError(f"{name}: expected an integer, got {brief(value)}")
    number = int(value)
    if not low <= number <= high:
        upper = "" if high == 2**63 - 1 and number < low else f" and at most {high}"
        raise ValueError(f"{name}: expected at least {low}{upper}, got {brief(number)}")
    return number


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer of Python or NumPy; bool is one, timedelta64 isn't."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, np.timedelta64)


def real(
    name: str, value: Any, low: float = 0.0, high: float = math.inf, *, above: bool = False
) -> float:
    """Return `value` as a finite float in [low, high], or in (low, high] if `above`."""
    known = is_integer(value) or isinstance(value, (float, np.floating))
    if isinstance(value, bool) or not known:
        raise TypeError(f"{name}: expected a number, got {brief(value)}")
    try:
        number = float(value)
    except OverflowError:  # an integer
        number = math.copysign(math.inf, value > 0 or -1)
    inside = low < number <= high if above else low <= number <= high
    if not math.isfinite(number) or not inside:
        lower = f", {'more than' if above else 'at least'} {low:g}" if low > -math.inf else ""
        upper = f" and at most {high:g}" if high < math.inf else ""
        raise ValueError(f"{name}: expected a finite number{lower}{upper}, got {brief(value)}")
    return number


def boolean(name: str, value: Any) -> bool:
    """Return `value` as a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, got {value!r}")
    return bool(value)


def choice(name: str, value: Any, options: Iterable[str]) -> str:
    """Return `value` if it is one of the options."""
    options = tuple(options)
    listed = ", ".join(map(repr, options))
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected one of {listed}, got {value!r}")
    if value not in options:
        meant = choice_hint(value, options)
        raise ValueError(f"{name}: expected one of {listed}, got {value!r}{meant}")
    return value


def instance(name: str, value: Any, cls: type, example: str) -> Any:
    """Return `value` if it is None or an instance of `cls`."""
    if value is not None and not isinstance(value, cls):
        raise TypeError(f"{name}: expected None or an object like {example}, got {value!r}")
    return value


def pair(name: str, value: Any, minimum: int) -> tuple[int, int]:
    """Return `value`, an integer for both axes or one for each, as two integers."""
    many = value.ndim > 0 if isinstance(value, np.ndarray) else isinstance(value, Sequence)
    values = tuple(value) if many else (value, value)
    if len(values) != 2 or not all(is_integer(v) and not isinstance(v, bool) for v in values):
        raise TypeError(f"{name}: expected an integer or a pair of them, got {brief(value)}")
    if min(values) < minimum or max(values) > 2**31 - 1:
        wanted = f"at least {minimum}" if min(values) < minimum else "at most 2^31 - 1"
        raise ValueError(f"{name}: expected {wanted}, got {brief(value)}")
    return int(values[0]), int(values[1])


# ---- arrays -------------------------------------------------------------------------------------


@contextlib.contextmanager
def expecting(what: str) -> Iterator[None]:
    """Raise what objects of others raise as a TypeError or ValueError that says what is expected.

    Libraries have a RuntimeError for tensors that are no arrays, and Python has an OverflowError
    for integers that no float holds.
    """
    try:
        yield
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"{what}: {printable(error)}") from None
    except (TypeError, RuntimeError) as error:
        raise TypeError(f"{what}: {printable(error)}") from None


def array(name: str, values: Any) -> NDArray[Any]:
    """Return `values` as `as_array` does; TypeError or ValueError where there is no array."""
    with expecting(f"{name}: expected an array"):
        return as_array(values)


def numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return `values` as an array of real numbers; booleans are among them."""
    found = array(name, values)
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got {found.dtype}")
    return found


def finite(name: str, values: ArrayLike) -> Floats:
    """Return `values` as a float64 array of finite numbers."""
    with np.errstate(over="ignore"):  # of floats wider than 64 bits
        found = numbers(name, values).astype(np.float64)
    if not np.isfinite(found).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return found


def samples(name: str, values: ArrayLike, least: int = 1) -> Floats:
    """Return at least so many samples (N, ...) as finite numbers (N, D)."""
    X = numbers(name, values)
    if X.ndim < 2 or len(X) < least or X.size == 0:
        raise ValueError(f"{name}: expected the shape (N, ...), N >= {least}, got {X.shape}")
    return finite(name, X.reshape(len(X), -1))


def labels(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return labels (N,): integers, booleans or strings."""
    labels = array(name, values)
    if labels.ndim != 1 or labels.size == 0:
        raise ValueError(f"{name}: expected labels of shape (N,), N > 0, got shape {labels.shape}")
    for kinds in ((str,), (int, np.integer)):
        if labels.dtype.kind in "OT" and all(isinstance(label, kinds) for label in labels):
            labels = np.array(labels.tolist())
    if labels.dtype.kind not in "biuUS":
        raise TypeError(f"{name}: expected integers, booleans or strings, got {labels.dtype}")
    return labels


def same_length(name: str, a: NDArray[Any], other: str, b: NDArray[Any]) -> None:
    """Raise ValueError unless two arrays are equally long."""
    if len(a) != len(b):
        raise ValueError(f"{name} and {other}: expected equal lengths, got {len(a)} and {len(b)}")


def same_features(name: str, a: Floats, other: str, b: Floats) -> None:
    """Raise ValueError unless samples (N, D) and (M, D) have equally many features."""
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{name} and {other}: expected equally many features, got {a.shape[1]} and {b.shape[1]}"
        )


# ---- warnings -----------------------------------------------------------------------------------

PACKAGE = __name__.partition(".")[0]
CALLERS = ("joblib", "sklearn")  # which call the package for whoever calls them
SEARCHES = ("joblib", "sklearn.model_selection")  # which fit many times
TESTS = "sklearn.utils.estimator_checks"  # whose data are nobody's
_said: tuple[Any, set[str]] = (None, set())  # in the latest search


def warn(text: str, category: type[Warning] = UserWarning, *, of_data: bool = False) -> None:
    """Warn at the user's line, however deep within the package, or a search, this is.

    Parameters
    ----------
    text : str
    category : type
    of_data : bool
        Whether it is about data that were hardly meant: a search says so in one of its fits, and
        scikit-learn's checks of estimators don't.
    """
    global _said
    frame, level, searched = sys._getframe(1), 2, False
    while frame.f_back:
        name = frame.f_globals.get("__name__", "")
        if name.partition(".")[0] not in (PACKAGE, *CALLERS):
            break
        if of_data and name == TESTS:
            return
        frame, level, searched = frame.f_back, level + 1, searched or name.startswith(SEARCHES)
    if of_data and searched:
        call = (frame.f_code, id(frame), frame.f_lasti)
        if _said[0] != call:
            _said = (call, set())
        if text in _said[1]:
            return
        _said[1].add(text)
    warnings.warn(text, category, stacklevel=level)
