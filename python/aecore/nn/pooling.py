"""Layers that shrink and enlarge images without weights."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from ..functional._shapes import pair
from .convolution import Pair, short
from .module import Module, Shape, shown


def _image(name: str, shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ValueError(f"{name}: expected images (H, W, C), got the shape {tuple(shape)}")
    return tuple(shape)


class MaxPool2d(Module):
    r"""The largest value in each window of each channel.

    Shapes: x (N, H, W, C), y (N, P, Q, C) with :math:`P = \lfloor (H + 2 ph - R) / sh \rfloor + 1`,
    Q likewise. The gradient goes to the first of equal values.

    Parameters
    ----------
    kernel_size : int or (int, int)
        R and S, height and width of the window.
    stride : int or (int, int), optional
        The window's size if None.
    padding : int or (int, int)
        With values that are never the largest; at most half the window.
    """

    overwrites_grad = False

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        self.kernel_size = pair("kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else pair("stride", stride, 1)
        self.padding = pair("padding", padding, 0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(f"padding: expected at most half the window, got {padding!r}")

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        shape = (x.shape[0], *self.output_shape(x.shape[1:]))
        y, index = self.scratch("y", shape), self.scratch("index", shape, np.int32)
        geometry = self.kernel_size, self.stride, self.padding
        _core.max_pool2d(y, index, x, *geometry, runtime.current())
        self._kept = x.shape, index
        return y

    def backward(self, grad: np.ndarray) -> np.ndarray:
        shape, index = self._kept
        dx = runtime.gradients().take(shape)
        geometry = self.kernel_size, self.stride, self.padding
        _core.max_pool2d_backward(dx, grad, index, *geometry, runtime.current())
        return dx

    def output_shape(self, shape: Shape) -> Shape:
        h, w, c = _image("MaxPool2d", shape)
        (r, s), (ph, pw) = self.kernel_size, self.padding
        p, q = (h + 2 * ph - r) // self.stride[0] + 1, (w + 2 * pw - s) // self.stride[1] + 1
        if p < 1 or q < 1:
            raise ValueError(f"MaxPool2d: images of {h} x {w} are smaller than the window {r, s}")
        return (p, q, c)

    def extra_repr(self) -> str:
        stride, default = short(self.stride), short(self.kernel_size)
        padding = short(self.padding)
        return f"{default}" + shown(stride=(stride, default), padding=(padding, 0))


class Upsample2d(Module):
    """Every pixel repeated, by whole factors.

    Shapes: x (N, H, W, C), y (N, H R, W S, C).

    Parameters
    ----------
    factor : int or (int, int)
        R and S.
    """

    overwrites_grad = False

    def __init__(self, factor: Pair) -> None:
        self.factor = pair("factor", factor, 1)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        y = self.scratch("y", (x.shape[0], *self.output_shape(x.shape[1:])))
        _core.upsample2d(y, x, self.factor, runtime.current())
        self._kept = x.shape
        return y

    def backward(self, grad: np.ndarray) -> np.ndarray:
        dx = runtime.gradients().take(self._kept)
        _core.upsample2d_backward(dx, grad, self.factor, runtime.current())
        return dx

    def output_shape(self, shape: Shape) -> Shape:
        h, w, c = _image("Upsample2d", shape)
        return (h * self.factor[0], w * self.factor[1], c)

    def extra_repr(self) -> str:
        return str(short(self.factor))
