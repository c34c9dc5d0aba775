"""How plot functions talk to a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def lookup(model: Any, name: str, function: str) -> Callable[..., Any]:
    """Look up a method, or say who lacks what."""
    found = getattr(model, name, None)
    if not callable(found):
        raise TypeError(
            f"{function} needs a fitted model with the method {name}, got {type(model).__name__}"
        )
    return found


def takes_y(function: Callable[..., Any]) -> bool:
    return "y" in inspect.signature(function).parameters


def call(function: Callable[..., Any], *args: Any, y: Any = None, **options: Any) -> Any:
    """Call a model's method, with y where there is one and the method is conditional."""
    if y is not None and takes_y(function):
        options["y"] = y
    return function(*args, **options)


def is_conditional(model: Any, function: Callable[..., Any]) -> bool:
    """Whether a model's method depends on y; those of our models that don't may take it too."""
    return takes_y(function) and getattr(model, "_coding_conditioner", model) is not None


def one_condition(model: Any, y: Any, function: Callable[..., Any], picture: str) -> Any:
    """Return the one condition of all that is drawn, a label or P properties; None without any."""
    if y is None or not is_conditional(model, function):
        return None
    has_classes = getattr(model, "classes_", None) is not None
    if np.ndim(y) > (0 if has_classes else 1):
        what = "one label" if has_classes else "one vector of P properties"
        raise ValueError(f"y: {picture} takes {what}, for all it decodes, got shape {np.shape(y)}")
    return y


def repeated(y: Any, n: int) -> Any:
    """Give n samples the same condition: a label, or a vector of properties."""
    return None if y is None else np.repeat(np.asarray(y)[None], n, axis=0)


def condition_of(y: Any, n: int) -> NDArray[Any] | None:
    """Check the conditions or labels of n samples: (n,) or (n, P)."""
    if y is None:
        return None
    values = np.asarray(y)
    if values.ndim not in (1, 2) or len(values) != n:
        raise ValueError(f"y must have the shape ({n},) or ({n}, P), got {values.shape}")
    return values


def names_of(y: NDArray[Any] | None) -> list[str]:
    """Name samples by their labels; measured values and matrices name nothing."""
    if y is None or y.ndim != 1 or y.dtype.kind == "f":
        return []
    return [str(label) for label in y]


def names_of_samples(names: Any, y: NDArray[Any] | None, n: int) -> list[str]:
    """Return what is written beside n samples: names if there are any, else labels."""
    if names is None:
        return names_of(y)
    if isinstance(names, str) or not hasattr(names, "__len__"):
        raise TypeError(f"names must be a sequence of {n} texts, got {names!r}")
    if len(names) != n:
        raise ValueError(f"names must be {n} texts, as many as samples are drawn, got {len(names)}")
    return [str(name) for name in names]


def names_of_features(model: Any, X: Any) -> list[str]:
    """Name a table's features as the model or the table does; [] if neither does."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        names = getattr(X, "columns", None)
    if names is None:
        names = getattr(getattr(X, "dtype", None), "names", None)
    return [] if names is None else [str(name) for name in names]
