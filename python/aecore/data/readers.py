"""How a model reads samples: what `fit` has learned of them, and every later call is held to."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import arrays
from .arrays import Data

LARGEST_CODE = 2**24 - 1  # float32, in which batches are gathered, holds it exactly


class Reader:
    """Reads numbers of one shape, and says how results look.

    Methods are given the model that they read for: its name is for messages, its parameters say how
    to read what `fit` is given.

    Attributes
    ----------
    shape : tuple of int
        Of a sample, as the network is made for it.
    """

    keys: tuple[str, ...] = ()  # of `describe`

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    @property
    def features(self) -> int:
        """How many values a sample has."""
        return math.prod(self.shape)

    @classmethod
    def fresh(cls, model: Any, X: Any, mask: Any = None) -> Data:
        """Check samples of which nothing is known."""
        data = arrays.read(X, mask=mask, owner=type(model).__name__)
        arrays.warn_of_coarse(data)
        return data

    @classmethod
    def of(cls, model: Any, data: Any) -> Reader:
        """Return what is learned of samples, so that others are read in the same way."""
        return cls(data.shape)

    def read(self, model: Any, X: Any, mask: Any = None, name: str = "X") -> Data:
        """Check samples that must be like those in `fit`."""
        owner = type(model).__name__
        return arrays.read(X, mask=mask, name=name, like=self.shape, owner=owner)

    def one(self, model: Any, x: Any, name: str, may_be_shorter: Callable[[], bool]) -> Data:
        """Check one sample."""
        x, shape = np.asarray(x), self.shape
        shorter = x.ndim == 2 and x.shape[1:] == shape[1:] and len(x) < shape[0]
        if x.shape != shape and not (shorter and may_be_shorter()):
            raise ValueError(f"{name}: expected one sample of shape {shape}, got {x.shape}")
        return self.read(model, [x], name=name)

    def samples(self, values: np.ndarray, data: Data | None = None) -> Any:
        """Return values (N, F) as samples look: those that the values are for, or those in fit."""
        return values.reshape(len(values), *self.shape) if data is None else data.formed(values)

    # ---- files ----------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return what a file has of it beside the shape."""
        return {}

    @classmethod
    def restored(cls, model: Any, shape: tuple[int, ...], found: dict[str, Any]) -> Reader:
        """Return the reader that a file describes."""
        return cls(shape)


class MapReader(Reader):
    """Reads maps of codes, for a `PixelCNN`.

    Attributes
    ----------
    shape : tuple of int
        Of a map, and behind it how many codes there are.
    """

    @property
    def features(self) -> int:
        """How many codes a map has."""
        return math.prod(self.shape[:-1])

    @classmethod
    def fresh(cls, model: Any, X: Any, mask: Any = None) -> Data:
        """Check maps of which nothing is known."""
        largest = (model.codebook_size or LARGEST_CODE + 1) - 1
        return cls._checked(model, X, "X", None, largest)

    @classmethod
    def of(cls, model: Any, data: Data) -> Reader:
        """Return the shape of maps, and how many codes there are."""
        return cls((*data.shape, int(model.codebook_size or data.high + 1)))

    def read(self, model: Any, X: Any, mask: Any = None, name: str = "X") -> Data:
        """Check maps that must be like those in `fit`."""
        return self._checked(model, X, name, self.shape[:-1], self.shape[-1] - 1)

    @staticmethod
    def _checked(
        model: Any, X: Any, name: str, shape: tuple[int, ...] | None, largest: int
    ) -> Data:
        X = np.asarray(X)
        if X.dtype.kind not in "iu":
            raise TypeError(f"{name}: expected integers, numbers of codes, got {X.dtype}")
        if 0 in X.shape or not is_map(X.shape[1:], model.depth):
            forms = described(model.depth)
            raise ValueError(f"{name}: expected some maps of codes {forms}, got {X.shape}")
        if shape is not None and X.shape[1:] != shape:
            raise ValueError(
                f"{name}: expected maps of shape {shape}, as in fit, got {X.shape[1:]}"
            )
        if not (X.min() >= 0 and X.max() <= largest):
            raise ValueError(
                f"{name}: expected codes of 0 to {largest}, got {X.min()} to {X.max()}"
            )
        return Data(np.ascontiguousarray(X, np.float32), name=name)


def is_map(shape: tuple[int, ...], depth: int) -> bool:
    """Return whether a map of codes, so many at each position, has a shape."""
    if depth == 1:
        return len(shape) in (1, 2)
    return len(shape) in (1, 2, 3) and shape[-1] == depth


def described(depth: int) -> str:
    """Return what maps of codes look like."""
    return "(H, W) or (T,)" if depth == 1 else f"(H, W, {depth}), (T, {depth})"
