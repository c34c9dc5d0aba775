"""Objects whose parameters are the arguments of their __init__, as scikit-learn has it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .hints import PARAMETERS, hint


@functools.cache
def _arguments(init: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments of an __init__ and their defaults, in order."""
    arguments = list(inspect.signature(init).parameters.values())[1:]
    return {a.name: a.default for a in arguments}


def names(cls: type) -> tuple[str, ...]:
    """Return the names of a class's parameters, in order."""
    return tuple(_arguments(cls.__init__))  # type: ignore[misc]


def defaults(cls: type) -> dict[str, Any]:
    """Return a class's parameters with what they are where they aren't given."""
    return dict(_arguments(cls.__init__))  # type: ignore[misc]


def same(a: Any, b: Any) -> bool:
    """Whether two values of a parameter are equal; arrays and the like are by identity."""
    if a is b:
        return True
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) or type(a) is not type(b):
        return False
    try:
        return bool(a == b)
    except Exception:  # an object of the user's whose == doesn't give a truth value
        return False


def unexpected(cls: type, name: str, called: str = "") -> TypeError:
    """Return the error, in Python's words, for a parameter that a class doesn't have."""
    what, meant = f"{cls.__name__}{called}()", hint(name, names(cls), PARAMETERS)
    return TypeError(f"{what} got an unexpected keyword argument {name!r}{meant}")


def _asking(init: Callable[..., None]) -> Callable[..., None]:
    """Return an __init__ that says what was probably meant by an argument that there isn't."""

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in _arguments(init):
                raise unexpected(type(self), name, ".__init__")
        init(self, *args, **kwargs)

    return __init__


class Params:
    """The protocol of parameters: `__init__` only stores its arguments under their names."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        init = vars(cls).get("__init__")
        if init is not None and not any(
            p.kind is p.VAR_KEYWORD for p in inspect.signature(init).parameters.values()
        ):
            cls.__init__ = _asking(init)  # type: ignore[method-assign]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state, perhaps of an earlier version, which lacks what came later."""
        vars(self).update(defaults(type(self)) | state)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool
            Also those of parameters that have parameters, as ``arch__widths``.

        Returns
        -------
        dict
        """
        params: dict[str, Any] = {}
        for name in _arguments(type(self).__init__):
            value = getattr(self, name)
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                params.update((f"{name}__{k}", v) for k, v in value.get_params().items())
            params[name] = value
        return params

    def set_params(self, **params: Any) -> Any:
        """Set parameters by name, ``arch__widths`` for one of a parameter's own; return self.

        Raises
        ------
        ValueError
            For a name that doesn't exist. Nothing is set then.
        """
        names = _arguments(type(self).__init__)
        own: dict[str, Any] = {}
        nested: dict[str, dict[str, Any]] = {}
        for key, value in params.items():
            name, _, rest = key.partition("__")
            if name not in names:
                raise ValueError(
                    f"Invalid parameter {name!r} for {type(self).__name__}: expected one of "
                    f"{', '.join(names)}{hint(name, names, PARAMETERS)}"
                )
            if rest:
                nested.setdefault(name, {})[rest] = value
            else:
                own[name] = value
        for name, inner in nested.items():
            target = own.get(name, getattr(self, name))
            if not hasattr(target, "set_params") or not hasattr(target, "get_params"):
                raise ValueError(
                    f"Invalid parameter {name}__{next(iter(inner))}: {name} is {target!r}, which "
                    "has no parameters"
                )
            unknown = [key for key in inner if key not in target.get_params()]
            if unknown:
                raise ValueError(
                    f"Invalid parameter {unknown[0]!r} for {type(target).__name__}: expected one "
                    f"of {', '.join(target.get_params())}"
                )
        for name, value in own.items():
            setattr(self, name, value)
        for name, inner in nested.items():
            getattr(self, name).set_params(**inner)
        return self

    def __repr__(self) -> str:
        inner = ", ".join(
            f"{name}={getattr(self, name)!r}"
            for name, default in _arguments(type(self).__init__).items()
            if not same(getattr(self, name), default)
        )
        return f"{type(self).__name__}({inner})"


class Choice(Params):
    """Parameters as a value: two of the same class with equal parameters are equal."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        theirs = other.get_params(deep=False)
        return all(same(v, theirs[k]) for k, v in self.get_params(deep=False).items())

    def __hash__(self) -> int:  # parameters can be set
        raise TypeError(f"unhashable type: {type(self).__name__!r}")
