"""Layers that shrink and enlarge images without weights."""

from __future__ import annotations

from typing import Any

from ..base.checks import integer, pair
from ..functional.pool import is_bilinear
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
    """Images enlarged by whole factors.

    Shapes: x (N, H, W, C), y (N, H R, W S, C).

    Parameters
    ----------
    factor : int or (int, int)
        R and S.
    mode : {"nearest", "bilinear"}
        Whether every pixel is repeated, or new ones lie between the old ones' centres, as PyTorch
        has it with ``align_corners=False``.

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> x = np.array([1, 2], np.float32).reshape(1, 1, 2, 1)
    >>> nn.Upsample2d((1, 2), "bilinear")(x)[0, :, :, 0]
    array([[1.  , 1.25, 1.75, 2.  ]], dtype=float32)
    """

    mode = "nearest"

    def __init__(self, factor: Pair, mode: str = "nearest") -> None:
        self.factor = pair("factor", factor, 1)
        self.mode = "bilinear" if is_bilinear(mode) else "nearest"

    def forward(self, x: Value) -> Value:
        return pooling.Upsample2d(x, self.factor, self.mode == "bilinear")

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        return 1

    def extra_repr(self) -> str:
        return str(short(self.factor)) + shown(mode=(self.mode, "nearest"))


class PixelShuffle(Module):
    r"""The channels of each pixel as a block of pixels: depth to space, the sub-pixel convolution.

    Shapes: x (N, H, W, C r^2), y (N, H r, W r, C) with
    :math:`y_{n,\; h r + i,\; w r + j,\; c} = x_{n,\; h,\; w,\; c r^2 + i r + j}`: channels in
    PyTorch's order. Behind a convolution it enlarges images at little cost. Shi et al., 2016.

    Parameters
    ----------
    factor : int
        r.

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> nn.PixelShuffle(2)(np.arange(4, dtype=np.float32).reshape(1, 1, 1, 4))[0, :, :, 0]
    array([[0., 1.],
           [2., 3.]], dtype=float32)
    """

    def __init__(self, factor: int) -> None:
        self.factor = integer("factor", factor, 1, 2**15)

    def forward(self, x: Value) -> Value:
        return pooling.PixelShuffle(x, self.factor)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        return 1

    def extra_repr(self) -> str:
        return str(self.factor)


class PixelUnshuffle(Module):
    r"""Each block of pixels as the channels of one: space to depth, what `PixelShuffle` undoes.

    Shapes: x (N, H r, W r, C), y (N, H, W, C r^2), channels in PyTorch's order.

    Parameters
    ----------
    factor : int
        r.

    Examples
    --------
    >>> from aecore import nn
    >>> nn.PixelUnshuffle(2).output_shape((8, 6, 3))
    (4, 3, 12)
    """

    def __init__(self, factor: int) -> None:
        self.factor = integer("factor", factor, 1, 2**15)

    def forward(self, x: Value) -> Value:
        return pooling.PixelUnshuffle(x, self.factor)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        return 1

    def extra_repr(self) -> str:
        return str(self.factor)
