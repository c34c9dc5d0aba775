"""Scores of new steps as they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base import checks
from .errors import errors_of, mean_over, per_feature

if TYPE_CHECKING:
    from .detector import Fitted

__all__ = ["SeriesStream"]


def __dir__() -> list[str]:
    return __all__


class SeriesStream:
    """Scores the steps of a series one after another; `SeriesDetector.stream` makes it.

    It remembers a window of steps. The detector may go on training meanwhile.

    Attributes
    ----------
    score : float
        That of the last window; NaN as long as there are fewer steps.
    features : ndarray of float64, shape (F,)
        How odd each feature is in it: 1 is usual.
    is_odd : bool
        Whether the score is below the detector's threshold.
    steps : int
        How many steps there were.
    """

    def __init__(self, found: Fitted) -> None:
        self._found = found
        width = len(found.scaling.center)
        # twice a window: the last one is always in one piece
        self._values = np.zeros((2 * found.window, width), np.float32)
        self._seen = np.zeros((2 * found.window, width), bool)
        self._end = 0  # of the last window
        self.steps, self.score = 0, float("nan")
        self.features = np.full(width, np.nan)

    def update(self, x: Any) -> float | np.ndarray:
        """Take the next step, or several, and return the score of the window that ends with it.

        Parameters
        ----------
        x : float or array-like of shape (F,), or dict of numbers by the names of features
            NaN where a value is missing, as features that a dict lacks are. Several steps are
            an array (n, F), (n,) for one feature, or a data frame.

        Returns
        -------
        float, or ndarray of shape (n,) for several steps
            As `SeriesDetector.score_samples` has it, of the one window that ends here: NaN for the
            first steps, as long as there is no window.
        """
        width = len(self.features)
        if hasattr(x, "to_dict") and not hasattr(x, "columns") and width > 1:  # a row of a frame
            x = x.to_dict()
        if isinstance(x, Mapping):
            return self._next(self._of_mapping(x))
        values = checks.numbers("x", x)
        if values.ndim == 0 or (values.ndim == 1 and width > 1):
            if values.size != width:
                raise ValueError(f"x: expected {width} features, got {values.size}")
            return self._next(values.reshape(width))
        if values.ndim > 2 or (values.ndim == 2 and values.shape[1] != width):
            raise ValueError(f"x: expected steps of {width} features, got shape {values.shape}")
        return np.array([self._next(row) for row in values.reshape(len(values), width)])

    @property
    def is_odd(self) -> bool:
        """Whether the last score is below the detector's threshold."""
        return self.score < self._found.offset

    def _of_mapping(self, x: Mapping[Any, Any]) -> np.ndarray:
        columns = self._found.columns
        names = list(range(len(self.features))) if columns is None else list(columns)
        unknown = [name for name in x if name not in names]
        if unknown:
            raise ValueError(f"x: expected features {names}, got {unknown[0]!r}")
        return np.array([checks.real(f"x: {n}", x[n], -np.inf) if _is_given(x, n) else np.nan
                         for n in names])  # fmt: skip

    def _remember(self, values: np.ndarray) -> None:
        """Take steps without scoring them."""
        for row in values:
            self._push(row)

    def _push(self, row: np.ndarray) -> None:
        window = self._found.window
        if np.isinf(row).any():
            raise ValueError("x: expected finite numbers or NaN, got infinity")
        if self._end == 2 * window:
            self._values[:window], self._seen[:window] = self._values[window:], self._seen[window:]
            self._end = window
        scaled, seen = self._found.scaling.apply(row[None])
        self._seen[self._end] = True if seen is None else seen[0]
        self._values[self._end] = scaled[0] if seen is None else np.where(seen[0], scaled[0], 0)
        self._end += 1
        self.steps += 1

    def _next(self, row: np.ndarray) -> float:
        self._push(row)
        found = self._found
        if self.steps < found.window:
            return self.score
        rows = slice(self._end - found.window, self._end)
        views, seen = self._values[None, rows], self._seen[None, rows]
        mask = None if seen.all() else seen
        total = np.zeros(len(self.features))
        shares = np.ones((1, len(self.features)))
        for member in found.members:
            means, shares = per_feature(errors_of(member, np.zeros(1, int), views, mask))
            total += means[0] / found.usual
        known = shares[0] > 0
        self.features = np.where(known, total / len(found.members), np.nan)
        error = mean_over(total[None] / len(found.members), shares)[0]
        self.score = -1.0 if np.isnan(error) else -float(error)  # little is known: as usual
        return self.score


def _is_given(x: Mapping[Any, Any], name: Any) -> bool:
    value = x.get(name)
    return value is not None and value == value
