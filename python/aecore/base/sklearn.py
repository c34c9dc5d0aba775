"""The scikit-learn protocol without scikit-learn: tags, names, containers, unfitted models."""

from __future__ import annotations

import sys
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks, names, routing, tracebacks
from .hints import ATTRIBUTES, hint, no_attribute
from .params import Params
from .streams import fresh_seed


class NotFittedError(ValueError, AttributeError):
    """A method was called that needs a fitted model."""


def not_fitted(name: str, text: str = "") -> Exception:
    """Return the error for a model without `fit`: scikit-learn's own if that is imported."""
    theirs = sys.modules.get("sklearn.exceptions")
    error = theirs.NotFittedError if theirs else NotFittedError
    return error(
        text
        or f"This {name} instance is not fitted yet. Call 'fit' with appropriate arguments before "
        "using this estimator."
    )


def new_seed(random_state: Any) -> int:
    """Return a seed: the integer given, a draw from the generator given, or a fresh one."""
    if random_state is None:
        return fresh_seed()
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**63 - 1, dtype=np.int64))
    if isinstance(random_state, (bool, np.bool_)) or not isinstance(
        random_state, (int, np.integer)
    ):
        raise TypeError(
            "random_state: expected None, an integer, a numpy Generator or a RandomState, got "
            f"{random_state!r}"
        )
    return checks.integer("random_state", random_state)


def check_random_state(random_state: Any) -> None:
    """Raise what `new_seed` would, without drawing from a generator."""
    if not isinstance(random_state, (np.random.Generator, np.random.RandomState)):
        new_seed(random_state)


class Estimator(Params):
    """What scikit-learn asks of an estimator, beside fit."""

    n_features_in_: int
    feature_names_in_: np.ndarray

    _needs_y = False
    _estimator_type: str | None = None  # scikit-learn 1.5 and earlier look at it, not at the tags

    get_metadata_routing = routing.get_metadata_routing

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        tracebacks.shorten(cls)
        routing.add_requests(cls)

    if not TYPE_CHECKING:  # for whom there are no other attributes

        def __getattr__(self, name):
            if hasattr(type(self), name):  # a property, whose own error this is
                return object.__getattribute__(self, name)
            meant = ""
            if not name.startswith("_") and not name.endswith("_"):
                learned = (getattr(c, "__annotations__", ()) for c in type(self).__mro__)
                known = {*dir(type(self)), *chain(*learned)}
                meant = hint(name, (k for k in known if not k.startswith("_")), ATTRIBUTES)
            raise no_attribute(f"{type(self).__name__!r} object", name, meant)

    def __sklearn_is_fitted__(self) -> bool:
        return "_network" in vars(self)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=self._needs_y),
            input_tags=InputTags(two_d_array=True, three_d_array=False),
        )

    _needs_y = False

    @property
    def _names_in(self) -> np.ndarray | None:
        """The names of the columns in fit, of any type; `feature_names_in_` are strings alone."""
        found = vars(self).get("_column_names")
        return vars(self).get("feature_names_in_") if found is None else found

    def _set_names(self, columns: np.ndarray | None) -> None:
        """Keep the names of the columns; None where they have none but their places."""
        for name in ("_column_names", "feature_names_in_"):
            vars(self).pop(name, None)
        if names.are_text(columns):
            assert columns is not None
            self.feature_names_in_ = columns
        elif not names.are_default(columns):
            self._column_names = columns

    def _check_names(self, new: np.ndarray | None) -> None:
        """Compare a data frame's column names with those of fit, in scikit-learn's words."""
        if new is None and self._names_in is None:
            return
        names.check(type(self).__name__, self._names_in, new)


# ---- what an estimator with codes has beside fit and transform: its class takes these functions --


def transformer_tags(tags: Any, preserves_dtype: list[str]) -> Any:
    """Say in an estimator's tags that it transforms; return them."""
    from sklearn.utils import TransformerTags

    tags.estimator_type = "transformer"
    tags.transformer_tags = TransformerTags(preserves_dtype=preserves_dtype)
    return tags


def get_feature_names_out(self: Any, input_features: Any = None) -> np.ndarray:
    """Return a name for each column of `transform`'s result: the class's and a number.

    Parameters
    ----------
    input_features : array-like of str, optional
        Checked against the names seen in `fit`, and not used otherwise.

    Returns
    -------
    ndarray of str objects
    """
    if input_features is not None:
        given, seen = np.asarray(input_features, object), vars(self).get("feature_names_in_")
        if seen is not None and not np.array_equal(given, seen):
            raise ValueError("input_features is not equal to feature_names_in_")
        if len(given) != self.n_features_in_:
            raise ValueError(
                f"input_features should have length equal to number of features "
                f"({self.n_features_in_}), got {len(given)}"
            )
    prefix = type(self).__name__.lower()
    return np.array([f"{prefix}{i}" for i in range(self._n_features_out)], dtype=object)


def set_output(self: Any, *, transform: str | None = None) -> Any:
    """Choose what `transform` returns: "default" (arrays), "pandas" or "polars".

    A data frame has a column for each number of a code: a grid of them is one long row then.

    Returns
    -------
    self
    """
    if transform is not None:
        checks.choice("transform", transform, ("default", "pandas", "polars"))
        self._sklearn_output_config = {"transform": transform}
    return self


def contained(estimator: Any, codes: np.ndarray, X: Any) -> Any:
    """Put a table of codes into the container that `set_output` or scikit-learn asks for."""
    config = vars(estimator).get("_sklearn_output_config", {}).get("transform")
    if config is None:
        sklearn = sys.modules.get("sklearn")
        get_config = getattr(sklearn, "get_config", None)
        config = get_config()["transform_output"] if get_config else "default"
    if config == "default":
        return codes
    columns = estimator.get_feature_names_out()
    codes = codes.reshape(len(codes), len(columns))
    if config == "pandas":
        import pandas

        index = getattr(X, "index", None)  # of a list it's a method
        index = None if callable(index) else index
        return pandas.DataFrame(codes, columns=columns, index=index)
    import polars

    return polars.DataFrame(codes, schema=list(columns))
