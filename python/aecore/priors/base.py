"""What priors share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.params import Choice
from ..base.streams import SAMPLE


class Prior(Choice):
    """A distribution over code space R^D that codes can be drawn from."""

    @property
    def has_classes(self) -> bool:
        """Whether it knows of labels, so that codes of one class can be drawn."""
        return False

    def check(self, dim: int) -> None:
        """Raise ValueError unless codes of `dim` numbers can be drawn."""

    def draw(
        self,
        n: int,
        dim: int,
        seed: int,
        *,
        purpose: int = SAMPLE,
        offset: int = 0,
        y: Any = None,
    ) -> np.ndarray:
        """Draw codes: numbers offset to offset + n of a stream, each a function of its number.

        Parameters
        ----------
        n, dim : int
        seed, purpose : int
            Of the stream; see `aecore.base.streams`.
        offset : int
            How many codes were drawn before.
        y : label, or array-like (n,), optional
            Whose class to draw from, where the prior has classes: one for all, or one for each.

        Returns
        -------
        ndarray of float32, shape (n, dim)
        """
        raise NotImplementedError

    def score_samples(self, Z: Any) -> np.ndarray:
        """Return the logarithm of the density at each code, in nats.

        Parameters
        ----------
        Z : array-like, shape (N, D)

        Returns
        -------
        ndarray of float64, shape (N,)
        """
        raise NotImplementedError

    def score(self, Z: Any) -> float:
        """Return the mean of `score_samples`.

        Parameters
        ----------
        Z : array-like, shape (N, D)

        Returns
        -------
        float
        """
        return float(self.score_samples(Z).mean())


def read_codes(Z: Any, dim: int | None = None) -> np.ndarray:
    """Return codes (N, D) as float64, or raise TypeError or ValueError."""
    Z = np.asarray(Z)
    if Z.dtype.kind not in "biuf":
        raise TypeError(f"Z: expected numbers, got an array of {Z.dtype}")
    if Z.ndim != 2 or 0 in Z.shape or (dim is not None and Z.shape[1] != dim):
        width = "D" if dim is None else dim
        raise ValueError(f"Z: expected some codes of shape (N, {width}), got {Z.shape}")
    Z = Z.astype(np.float64)
    if not np.isfinite(Z).all():
        raise ValueError("Z: contains NaN or infinity; expected finite codes")
    return Z
