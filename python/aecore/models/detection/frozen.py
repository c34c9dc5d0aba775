"""Detectors that never change, for many threads at once."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..base.frozen import Predictor, sealed


class FrozenDetector(Predictor):
    """What a detector answered when it was frozen, as `Frozen` is for models."""

    @staticmethod
    def _sealed(model: Any, precision: str) -> Any:
        """Return a copy of a detector whose members are sealed."""
        copies = {id(found): sealed(found, precision) for found in model.estimators_}
        if model.model is not None:
            given = copies[id(model.model)] = copy.copy(model.model)
            given.callbacks = ()
        return copy.deepcopy(model, copies)  # which takes these as they are

    def score_samples(self, X: Any) -> np.ndarray:
        """Return how normal samples are, as the detector's `score_samples`."""
        scores: np.ndarray = self._model.score_samples(X)
        return scores

    def score_features(self, X: Any) -> Any:
        """Return what each value adds to outlier scores, as the detector's `score_features`."""
        return self._model.score_features(X)

    def score_cells(self, X: Any) -> Any:
        """Return what each cell of a table adds, as the detector's `score_cells`."""
        return self._model.score_cells(X)

    def explain(self, X: Any, n: int = 5) -> Any:
        """Return the largest reasons for outlier scores, as the detector's `explain`."""
        return self._model.explain(X, n)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return scores above the threshold, as the detector's `decision_function`."""
        scores: np.ndarray = self._model.decision_function(X)
        return scores

    def predict(self, X: Any) -> np.ndarray:
        """Return which samples are outliers, as the detector's `predict`."""
        labels: np.ndarray = self._model.predict(X)
        return labels
