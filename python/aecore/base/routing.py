"""scikit-learn's metadata routing without scikit-learn: what methods take beside X and y."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

METHODS = (
    "fit",
    "partial_fit",
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score",
    "transform",
    "inverse_transform",
)


def arguments(cls: type, method: str) -> list[str]:
    """Return the arguments that a method takes beside samples and y."""
    function = getattr(cls, method, None)
    if not inspect.isfunction(function):
        return []
    found = list(inspect.signature(function).parameters.values())[2:]  # behind self and X
    various = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [p.name for p in found if p.name != "y" and p.kind not in various]


def add_requests(cls: type) -> None:
    """Give a class ``set_fit_request`` and the like, for each method that has such arguments."""
    for method in METHODS:
        name = f"set_{method}_request"
        if arguments(cls, method) and name not in vars(cls):
            setattr(cls, name, _setter(name, method))


@functools.cache
def _setter(name: str, method: str) -> Callable[..., Any]:
    def set_request(self: Any, **requests: Any) -> Any:
        return _request(self, method, requests)

    set_request.__name__ = set_request.__qualname__ = name
    set_request.__doc__ = f"""Say which arguments of `{method}` meta-estimators are to pass on.

        For scikit-learn's metadata routing, which has to be enabled:
        ``sklearn.set_config(enable_metadata_routing=True)``.

        Parameters
        ----------
        **requests : bool, None or str
            By the name of an argument: True to have it passed if it is given, False never to, None
            for an error if it is given, or the name under which it is given.

        Returns
        -------
        self
        """
    return set_request


def _request(self: Any, method: str, requests: dict[str, Any]) -> Any:
    import sklearn

    if not sklearn.get_config().get("enable_metadata_routing"):
        raise RuntimeError(
            f"set_{method}_request: expected metadata routing to be enabled: "
            "sklearn.set_config(enable_metadata_routing=True)"
        )
    known = arguments(type(self), method)
    for name in requests:
        if name not in known:
            raise TypeError(
                f"set_{method}_request: expected some of {', '.join(known)}, got {name!r}"
            )
    found = get_metadata_routing(self)
    for name, value in requests.items():
        getattr(found, method).add_request(param=name, alias=value)
    self._metadata_request = found
    return self


def get_metadata_routing(self: Any) -> Any:
    """Return which arguments the methods ask meta-estimators for, as scikit-learn has it.

    Returns
    -------
    sklearn.utils.metadata_routing.MetadataRequest
    """
    from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

    known = vars(self).get("_metadata_request")
    if known is not None:
        return get_routing_for_object(known)  # a copy
    found = MetadataRequest(owner=type(self).__name__)
    for method in METHODS:
        for name in arguments(type(self), method):
            getattr(found, method).add_request(param=name, alias=None)
    return found
