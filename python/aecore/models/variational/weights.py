"""Means of importance weights of which the logarithms are known, and how sure they are."""

from __future__ import annotations

import numpy as np


class LogMean:
    r"""The logarithm of the mean of S weights, for each of N samples, one draw after another.

    Its standard error is that of the mean, relative to it (the delta method):
    :math:`\sqrt{\mathrm{var}(w) / S} / \bar w`.

    Parameters
    ----------
    n : int
        N.
    """

    def __init__(self, n: int) -> None:
        self.count, self.top = 0, np.full(n, -np.inf)
        self.total, self.squares = np.zeros((2, n))  # of weights over the largest

    def add(self, log_weight: np.ndarray) -> None:
        """Add a draw's logarithms of weights (N,)."""
        top = np.maximum(self.top, log_weight)
        shrunk, weight = np.exp(self.top - top), np.exp(log_weight - top)
        self.total = self.total * shrunk + weight
        self.squares = self.squares * shrunk**2 + weight**2
        self.top, self.count = top, self.count + 1

    def value(self) -> np.ndarray:
        """Return the logarithms of the means (N,)."""
        found: np.ndarray = self.top + np.log(self.total / self.count)
        return found

    def error(self) -> np.ndarray:
        """Return their standard errors (N,); NaN for a single draw."""
        if self.count < 2:
            return np.full(len(self.total), np.nan)
        ratio = self.count * self.squares / self.total**2 - 1
        found: np.ndarray = np.sqrt(np.maximum(ratio, 0) / (self.count - 1))
        return found
