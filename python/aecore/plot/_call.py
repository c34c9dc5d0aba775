"""Calls a model's methods for plot functions, and checks labels and names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.text import printable
from ..base.tracebacks import short


def lookup(model: Any, name: str, function: str) -> Callable[..., Any]:
    """Return a model's method, or raise TypeError."""
    found = getattr(model, name, None)
    if not callable(found):
        raise TypeError(
            f"model: expected a fitted one with the method {name} for {function}, got "
            f"{type(model).__name__}"
        )
    return found


def takes_y(function: Callable[..., Any]) -> bool:
    return "y" in inspect.signature(function).parameters


@short
def call(function: Callable[..., Any], *args: Any, y: Any = None, **options: Any) -> Any:
    """Call a model's method, with y if it is given and the method takes it."""
    if y is not None and takes_y(function):
        options["y"] = y
    return function(*args, **options)


def is_conditional(model: Any, function: Callable[..., Any]) -> bool:
    """Return whether a model's method depends on y; aecore's models may take it and ignore it."""
    return takes_y(function) and getattr(model, "_coding_conditioner", model) is not None


def one_condition(model: Any, y: Any, function: Callable[..., Any], picture: str) -> Any:
    """Return the condition of all that is drawn, a label or P properties; None without one."""
    if y is None or not is_conditional(model, function):
        return None
    has_classes = getattr(model, "classes_", None) is not None
    if not has_classes and isinstance(y, (int, float, np.number)):
        return np.array([y])
    if np.ndim(y) > (0 if has_classes else 1):
        what = "one label" if has_classes else "one vector of P properties"
        raise ValueError(
            f"y: expected {what} for all that {picture} decodes, got shape {np.shape(y)}"
        )
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
        raise ValueError(f"y: expected the shape ({n},) or ({n}, P), got {values.shape}")
    return values


def named_classes(labels: NDArray[Any], class_names: Any) -> NDArray[Any]:
    """Return labels by their names, as an array of strings of the same shape."""
    if class_names is None:
        return labels
    if isinstance(class_names, str) or not hasattr(class_names, "__len__"):
        raise TypeError(
            f"class_names: expected a sequence or dict of names, got {type(class_names).__name__}"
        )
    if isinstance(class_names, Mapping):
        known = dict(class_names)
    else:
        known = dict(enumerate(class_names))
    found = labels.tolist()
    unknown = [label for label in found if label not in known and not is_missing(label)]
    if unknown:
        raise ValueError(
            f"class_names: expected a name for each label, got none for {unknown[0]!r} "
            f"({len(known)} names)"
        )
    return np.array([label if is_missing(label) else str(known[label]) for label in found], object)


def is_missing(label: Any) -> bool:
    return label is None or label != label or label == ""


def names_of(y: NDArray[Any] | None, class_names: Any = None) -> list[str]:
    """Return labels as names of samples; [] for measured values and matrices."""
    if y is None or y.ndim != 1 or (y.dtype.kind == "f" and class_names is None):
        return []
    return [str(label) for label in named_classes(y, class_names)]


def names_of_samples(
    names: Any, y: NDArray[Any] | None, n: int, class_names: Any = None
) -> list[str]:
    """Return the texts beside n samples: names if there are any, else labels."""
    if names is None:
        return names_of(y, class_names)
    if isinstance(names, str) or not hasattr(names, "__len__"):
        raise TypeError(f"names: expected a sequence of {n} texts, got {names!r}")
    if len(names) != n:
        raise ValueError(f"names: expected {n} texts, one a sample, got {len(names)}")
    return [str(name) for name in names]


def names_of_features(model: Any, X: Any, given: Any = None) -> list[str]:
    """Return the names of features that were given, or the model's or the table's; [] if none."""
    if given is not None:
        if isinstance(given, str) or not hasattr(given, "__len__"):
            raise TypeError(
                f"feature_names: expected a sequence of texts, got {type(given).__name__}"
            )
        return [printable(name) for name in given]
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        names = getattr(X, "columns", None)
    if names is None:
        names = getattr(getattr(X, "dtype", None), "names", None)
    return [] if names is None else [str(name) for name in names]


def check_names(names: Sequence[str], features: int) -> None:
    """Raise ValueError unless there is a name for each feature, or none at all."""
    if names and len(names) != features:
        raise ValueError(f"feature_names: expected {features} names, got {len(names)}")
