"""What detectors of samples and of steps share: a learned state, its threshold, and files."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from ...base.sklearn import Estimator, not_fitted
from ...base.text import printable
from ..base import state, unchanged
from ..base._html import model_html
from .frozen import FrozenDetector


class BaseDetector(Estimator):
    """A detector whose learned state is replaced as a whole, as others may be reading it.

    The state is a named tuple with an ``offset``, the score below which something is odd.
    """

    _state: Any
    contamination: float | str
    _flagged_are = "of training samples"
    _estimator_type = "outlier_detector"
    _repr_html_ = model_html

    def _summary(self) -> list[str]:
        """Return what a notebook says of a fitted detector, beside its parameters."""
        found, n = self._fitted_state(), len(self._fitted_state().members)
        width = math.prod(found.shape)
        share = self._flagged()
        words = [
            f"{n} model{'' if n == 1 else 's'}",
            f"{width:,} feature{'' if width == 1 else 's'}",
            f"threshold {found.offset:.4g}",
            f"contamination {escape(printable(self.contamination))}",
        ]
        return words if share is None else [*words, f"{share:.3g} % {self._flagged_are} flagged"]

    def _flagged(self) -> float | None:
        """Return how many percent of what `fit` was given are odd, if that is known."""
        raise NotImplementedError

    def _fitted_state(self) -> Any:
        if not self.__sklearn_is_fitted__():
            raise not_fitted(type(self).__name__)
        return self._state

    def __sklearn_is_fitted__(self) -> bool:
        return "_state" in vars(self)

    def _take_state(self, found: Any) -> None:
        """Take a learned state, and note the parameters that it was learned with."""
        self._state, self._made_with = found, unchanged.noted(self)

    def _check_unchanged(self, *names: str) -> None:
        """Raise ValueError where some parameters, all by default, aren't those of `fit`."""
        then = vars(self).get("_made_with")  # which pickles of earlier versions lack
        now = unchanged.noted(self)
        if then is not None and any(now[name] != then[name] for name in names or now):
            raise unchanged.changed(self, then)

    @property
    def offset_(self) -> float:
        """The score below which a sample, or a step, is odd; it may be set."""
        return self._fitted_state().offset

    @offset_.setter
    def offset_(self, value: float) -> None:
        self._state = self._fitted_state()._replace(offset=float(value))
        vars(self).pop("_share", None)  # of training samples that the other threshold flags

    @property
    def threshold_(self) -> float:
        """The score below which a sample, or a step, is odd: `offset_`."""
        return self.offset_

    def frozen(self, precision: str = "float32") -> FrozenDetector:
        """Return a predictor that never changes, for many threads at once, as models do.

        Parameters
        ----------
        precision : {"float32", "bfloat16"}
            What weights of linear layers are kept as, as for a model's `frozen`.

        Returns
        -------
        FrozenDetector
            With the detector's `score_samples`, `score_features`, `decision_function` and
            `predict`; of an `AnomalyDetector` with `score_cells` and `explain` too.
        """
        self._fitted_state()
        return FrozenDetector(self, precision)

    def save(self, path: Any) -> None:
        """Write the detector to a safetensors file, all of it or nothing; `aecore.load` reads it.

        Parameters
        ----------
        path : str or path-like
        """
        state.save(self, path)
