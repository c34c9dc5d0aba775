"""Maps of codes that other maps are conditioned on, beside labels or properties."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..base import checks
from .batches import Condition
from .conditions import Conditioner


class WithMaps(NamedTuple):
    """What maps are conditioned on: y, or None, and other maps."""

    y: Any
    context: Any


class MapConditioner(Conditioner):
    """What a model has learned of the maps that others are conditioned on, and of y.

    A condition is a row of numbers: the vector of y, and behind it the codes.

    Parameters
    ----------
    inner : Conditioner or None
        What has been learned of y.
    shape : tuple of int
        Of a map.
    size : int
        How many codes there are.
    """

    def __init__(self, inner: Conditioner | None, shape: tuple[int, ...], size: int) -> None:
        super().__init__(None if inner is None else inner.classes)
        self.inner, self.shape, self.size = inner, shape, size

    @property
    def width(self) -> int:
        """The length of the vector of y."""
        return 0 if self.inner is None else self.inner.width

    def read(self, y: Any, n: int) -> Condition:
        """Return the conditions of n samples, of which y has maps; see `Conditioner.read`."""
        y, context = y if isinstance(y, WithMaps) else WithMaps(y, None)
        maps = read_maps(context, self.shape, self.size)
        if len(maps) != n:
            raise ValueError(f"context: expected {n} maps, one for each sample, got {len(maps)}")
        inner = self._reader_of(y)
        return beside(None if inner is None else inner.read(y, n), maps)

    def repeat(self, y: Any, n: int) -> Condition:
        """Return the conditions of n samples from y and maps: one for all of them, or for each."""
        y, context = y if isinstance(y, WithMaps) else WithMaps(y, None)
        if context is not None and np.shape(context) == self.shape:
            context = np.asarray(context)[None]
        maps = read_maps(context, self.shape, self.size)
        if len(maps) not in (1, n):
            raise ValueError(f"context: expected a map, or {n} of them, got {len(maps)}")
        inner, maps = self._reader_of(y), np.repeat(maps, n // len(maps), axis=0)
        return beside(None if inner is None else inner.repeat(y, n), maps)

    def _reader_of(self, y: Any) -> Conditioner | None:
        """Return who reads y, None if there is to be none."""
        if self.inner is None and y is not None:
            raise ValueError(
                "y: expected None for a model fitted without labels or properties, got "
                f"{type(y).__name__}"
            )
        return self.inner

    def split(self, condition: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """Return what conditions (n, p) are made of: vectors of y, if there are any, and maps."""
        y, codes = np.split(condition, [self.width], axis=1)
        maps = codes.astype(np.int64).reshape(len(codes), *self.shape)
        return np.ascontiguousarray(y) if self.width else None, maps


def beside(known: Condition | None, maps: np.ndarray) -> Condition:
    """Return conditions of vectors, if there are any, with maps behind them."""
    n = len(maps)
    codes = maps.reshape(n, math.prod(maps.shape[1:])).astype(np.float32)
    if known is None:
        return Condition(codes)
    return Condition(np.concatenate([known.take(slice(0, n)), codes], axis=1))


def read_maps(context: Any, shape: tuple[int, ...] | None, size: int) -> np.ndarray:
    """Check maps of codes of 0 to size - 1 that others are conditioned on."""
    if context is None:
        raise ValueError(
            "context: expected maps of codes, which the model was fitted with, got None"
        )
    context = checks.array("context", context)
    if context.dtype.kind not in "iu":
        raise TypeError(
            f"context: expected integers, numbers of codes, got {context.dtype}: use astype(int)"
        )
    if not context.size or (shape is not None and context.shape[1:] != shape):
        each = None if shape is None else ", ".join(map(str, ("N", *shape)))
        expected = "some maps of codes" if each is None else f"maps of shape ({each}), as in fit"
        raise ValueError(f"context: expected {expected}, got {context.shape}")
    if not (context.min() >= 0 and context.max() < size):
        raise ValueError(
            f"context: expected codes of 0 to {size - 1}, got {context.min()} to {context.max()}"
        )
    return context


def finer_by(shape: tuple[int, ...], context: tuple[int, ...]) -> tuple[int, int] | None:
    """Return how much finer maps (H, W) or (T,) are than their context; None if they don't fit.

    The context may have an axis more, of several codes at a position.
    """
    if len(context) - len(shape) not in (0, 1) or not math.prod(context):
        return None
    pairs = list(zip(shape, context[: len(shape)], strict=True))
    if any(big % small for big, small in pairs):
        return None
    found = [big // small for big, small in pairs]
    return (1, found[0]) if len(found) == 1 else (found[0], found[1])
