"""Layers that shrink and enlarge images without weights."""

from __future__ import annotations

from typing import Any

from ..base.checks import pair
from .convolution import Pair, short
from .module import Module, shown
from .ops import pooling
from .tape import Shape, Value


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

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        self.kernel_size = pair("kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else pair("stride", stride, 1)
        self.padding = pair("padding", padding, 0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(f"padding: expected at most half the window, got {padding!r}")

    def forward(self, x: Value) -> Value:
        return pooling.MaxPool2d(x, self.kernel_size, self.stride, self.padding)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        return 1

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

    def __init__(self, factor: Pair) -> None:
        self.factor = pair("factor", factor, 1)

    def forward(self, x: Value) -> Value:
        return pooling.Upsample2d(x, self.factor)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        return 1

    def extra_repr(self) -> str:
        return str(short(self.factor))
