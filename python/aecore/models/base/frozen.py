"""Predictors: fitted models that never change, for many threads at once."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ...base import tracebacks
from ...base.checks import choice
from ...base.params import names
from ...base.runtime import PRECISIONS
from .model import BaseModel

LEFT_OUT = ("history_", "prior_", "estimators_")  # what no answer needs


def sealed(model: BaseModel, precision: str) -> Any:
    """Return a copy of a fitted model whose network is sealed, without callbacks and history."""
    params = names(type(model))
    state = model.__getstate__()  # of one moment
    kept = {k: v for k, v in state.items() if k not in (*LEFT_OUT, "_network", "callbacks")}
    made = type(model).__new__(type(model))
    vars(made).update(copy.deepcopy(kept), history_=[])
    made._network = model._fitted().sealed(half=precision == "bfloat16")
    if "callbacks" in params:
        made.callbacks = ()
    return made


class Predictor:
    """What a fitted model answers, and nothing that changes it."""

    _model: Any
    _precision: str

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        tracebacks.shorten(cls)

    def __init__(self, model: Any, precision: str = "float32") -> None:
        choice("precision", precision, PRECISIONS)
        self.__setstate__({"_model": model, "_precision": precision})

    @staticmethod
    def _sealed(model: Any, precision: str) -> Any:
        """Return a copy of a model that never changes."""
        return sealed(model, precision)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a model: that to freeze, or the one in a copy or a pickle, whose seal is broken."""
        precision = state["_precision"]
        vars(self).update(_model=self._sealed(state["_model"], precision), _precision=precision)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name}: a frozen model can't be changed: freeze another one")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __repr__(self) -> str:
        how = "" if self.precision == "float32" else f"{self.precision!r}"
        return f"{self._model!r}.frozen({how})"

    @property
    def precision(self) -> str:
        """What the weights of linear layers are kept as, "float32" or "bfloat16"."""
        return self._precision

    @property
    def n_features_in_(self) -> int:
        """How many features samples have."""
        return int(self._model.n_features_in_)

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Their names, where `fit` was given a data frame with names."""
        return np.array(self._model.feature_names_in_)


class Frozen(Predictor):
    """What a fitted model answered when it was frozen, whatever becomes of the model.

    `frozen` of a model makes it. Any number of threads may ask at the same time: none waits for
    another, and each has scratch memory of its own. Answers have the model's bits. It holds a copy
    of the parameters, and nothing that training takes; it can be copied and pickled.

    A layer of your own must not keep anything of a pass for that.
    """

    def transform(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> Any:
        """Encode samples, as the model's `transform`."""
        return self._model.transform(X, y, sample_mask=sample_mask)

    def inverse_transform(self, Z: Any, y: Any = None) -> Any:
        """Decode codes, as the model's `inverse_transform`."""
        return self._model.inverse_transform(Z, y)

    def reconstruct(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> Any:
        """Encode and decode samples, as the model's `reconstruct`."""
        return self._model.reconstruct(X, y, sample_mask=sample_mask)

    def score_samples(
        self, X: Any, y: Any = None, *, target: Any = None, sample_mask: Any = None
    ) -> np.ndarray:
        """Score samples, as the model's `score_samples`."""
        how: dict[str, Any] = {"target": target, "sample_mask": sample_mask}
        scores: np.ndarray = self._model.score_samples(X, y, **how)
        return scores

    def errors(self, X: Any, y: Any = None, *, target: Any = None, sample_mask: Any = None) -> Any:
        """Return errors of features, as the model's `errors`."""
        return self._model.errors(X, y, target=target, sample_mask=sample_mask)
