"""Layers that show the same values in another shape."""

from __future__ import annotations

import math

import numpy as np

from .module import Module, Shape, count


class _View(Module):
    """The input in the shape that `output_shape` gives, and the gradient in the input's."""

    is_view = True
    overwrites_grad = False

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self._kept = x.shape
        return x.reshape(x.shape[0], *self.output_shape(x.shape[1:]))

    def backward(self, grad: np.ndarray | None) -> np.ndarray | None:
        return None if grad is None else grad.reshape(self._kept)


class Flatten(_View):
    """Every sample as one vector: (N, H, W, C) to (N, H W C)."""

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


class Reshape(_View):
    r"""Every sample in another shape: (N, ...) to (N, \*shape).

    Parameters
    ----------
    shape : tuple of int
        Of one sample.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = tuple(count("shape", n) for n in shape)

    def output_shape(self, shape: Shape) -> Shape:
        if math.prod(shape) != math.prod(self.shape):
            raise ValueError(f"Reshape: samples of shape {tuple(shape)} don't fill {self.shape}")
        return self.shape

    def extra_repr(self) -> str:
        return str(self.shape)
