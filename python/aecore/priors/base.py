"""The interface of priors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..base import checks
from ..base.params import Choice
from ..base.sklearn import Estimator
from ..base.streams import SAMPLE
from ..data import arrays, foreign
from .learned import LearnedPrior

EncodeArray = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Prior(Choice, Estimator):
    """A distribution over code space R^D that codes can be drawn from."""

    _estimator_type = "density_estimator"

    encodes = False  # whether it takes the encoder of samples to say what it is

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = not self.__sklearn_is_fitted__()
        return tags

    def fit(self, Z: Any, y: Any = None) -> Any:
        """Check codes; a prior that learns from them says so. Returns self.

        Parameters
        ----------
        Z : array-like, shape (N, D)
        y : ignored
        """
        Z = foreign.opened(Z, "Z")
        self._note_form(Z, read_codes(Z))
        return self

    def _note_form(self, Z: Any, codes: np.ndarray) -> None:
        """Note how many numbers codes have, and the names of those that came in a data frame."""
        names = arrays.column_names(Z, "Z")
        self.n_features_in_ = codes.shape[1]
        self._set_names(names)

    def _read(self, Z: Any, dim: int | None) -> np.ndarray:
        """Return codes to score; those of a data frame must have the names in fit."""
        Z = foreign.opened(Z, "Z")
        if "n_features_in_" in vars(self):
            self._check_names(arrays.column_names(Z, "Z"))
        return read_codes(Z, dim, type(self).__name__)

    @property
    def has_classes(self) -> bool:
        """Whether it has labels, so that codes of one class can be drawn."""
        return False

    def check(self, dim: int) -> None:
        """Raise ValueError unless codes of `dim` numbers can be drawn."""

    # ---- learned with a model --------------------------------------------------------------------

    def check_learned(self, dim: int) -> None:
        """Raise TypeError or ValueError unless a model with codes of `dim` numbers can have it."""
        self.module(dim, ())

    def module(self, dim: int, shape: tuple[int, ...]) -> LearnedPrior:
        """Return what stands for it in a network, with fresh parameters where it is learned.

        Parameters
        ----------
        dim : int
            How many numbers a code has.
        shape : tuple of int
            Of a sample.
        """
        raise TypeError(
            "prior: expected None, Normal or GaussianMixture, whose density is differentiated, "
            f"got {type(self).__name__}"
        )

    def start_on(self, module: LearnedPrior, codes: np.ndarray) -> None:
        """Give a module first parameters that fit the codes (N, dim) of a pretrained model.

        Modules whose `LearnedPrior.fewest_codes` isn't 0 are given at least so many.
        """

    def learned(self, module: LearnedPrior, encode: EncodeArray, numbered: bool) -> Prior:
        """Return a prior like this one with what the module of a fitted network has learned.

        Parameters
        ----------
        module : LearnedPrior
        encode : callable
            Gives means and log-variances (N, D) of the posteriors of samples (N, ...).
        numbered : bool
            Whether components without labels have their numbers for labels.
        """
        return self

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
        """Draw codes: number offset to offset + n of a random stream.

        Parameters
        ----------
        n, dim : int
        seed, purpose : int
            They name the stream; see `aecore.base.streams`.
        offset : int
            The number of codes drawn before.
        y : label, or array-like (n,), optional
            The class to draw from, if the prior has classes: one for all, or one for each.

        Returns
        -------
        ndarray of float32, shape (n, dim)
        """
        self.check(dim)
        return self._draw(n, dim, seed, purpose, offset, y)

    def _draw(self, n: int, dim: int, seed: int, purpose: int, offset: int, y: Any) -> np.ndarray:
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

    def score(self, Z: Any, y: Any = None) -> float:
        """Return the mean of `score_samples`.

        Parameters
        ----------
        Z : array-like, shape (N, D)
        y : ignored

        Returns
        -------
        float
        """
        return float(self.score_samples(Z).mean())


def read_codes(Z: Any, dim: int | None = None, owner: str = "") -> np.ndarray:
    """Return codes (N, D) as finite float64, or raise TypeError or ValueError.

    `dim` is how many numbers a code must have, for the class `owner`.
    """
    if hasattr(Z, "toarray"):
        raise TypeError("Z: Sparse data was passed, but dense data is required: use Z.toarray()")
    values = checks.array("Z", Z)
    if values.dtype.kind == "c":
        raise ValueError(
            f"Z: expected real numbers, got {values.dtype}: Complex data not supported"
        )
    if values.dtype.kind == "O":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise TypeError(f"Z: expected real numbers, got objects: {error}") from None
    codes = np.ascontiguousarray(checks.finite("Z", values))  # one layout: sums have one order
    width, words = "D" if dim is None else dim, ""
    if codes.ndim == 2 and 0 in codes.shape:  # in the words that scikit-learn's checks look for
        few = "feature" if len(codes) else "sample"
        words = f": 0 {few}(s) (shape={codes.shape}) while a minimum of 1 is required."
    elif codes.ndim == 2 and dim is not None and codes.shape[1] != dim:
        words = (
            f": X has {codes.shape[1]} features, but {owner} is expecting {dim} features as input"
        )
    if codes.ndim != 2 or words:
        raise ValueError(f"Z: expected some codes of shape (N, {width}), got {codes.shape}{words}")
    return codes
