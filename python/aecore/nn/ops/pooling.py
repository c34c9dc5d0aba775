"""Images shrunk and enlarged without weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ..tape import Op, Value
from .products import Pair
from .shapes import _One

INDEX = np.dtype(np.int32)


def _image(name: str, x: Value) -> tuple[int, int, int, int]:
    if len(x.shape) != 4:
        raise ValueError(f"{name}: expected images (H, W, C), got the shape {x.shape[1:]}")
    n, h, w, c = x.shape
    return n, h, w, c


class MaxPool2d(Op):
    """The largest value in each window of each channel; the first of equals gets its gradient."""

    __slots__ = ("geometry", "index", "x")

    is_noted = True

    def __init__(self, x: Value, window: Pair, stride: Pair, padding: Pair) -> None:
        n, h, w, c = _image("MaxPool2d", x)
        p = (h + 2 * padding[0] - window[0]) // stride[0] + 1
        q = (w + 2 * padding[1] - window[1]) // stride[1] + 1
        if p < 1 or q < 1:
            raise ValueError(
                f"MaxPool2d: expected images of at least the window {window}, got {h} x {w}"
            )
        self.x, self.geometry = x, (window, stride, padding)
        x.uses += 1
        self.place(x.tape, (n, p, q, c), x.needs_grad, later=True)

    def forward(self) -> None:
        tape = self.tape
        y, self.index = tape.take(self.shape), tape.take(self.shape, INDEX)
        how = *self.geometry, tape.workspace
        tape.call(_core.max_pool2d, y, self.index, self.x.data, *how)
        self._data = y

    def backward(self) -> None:
        dx, grad = self.tape.take(self.x.shape), self.grad
        assert grad is not None
        _core.max_pool2d_backward(dx, grad, self.index, *self.geometry, self.tape.workspace)
        self.x.add_grad(dx)

    def forget(self) -> None:
        self.x = self.index = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)

    def onnx(self, graph: Any) -> str:
        window, stride, padding = self.geometry
        how = {"kernel_shape": window, "strides": stride, "pads": [*padding, *padding]}
        y = graph.add("MaxPool", graph.channels_first(graph.of(self.x), 4), **how)
        return graph.channels_last(y, 4)


class Upsample2d(_One):
    """Images enlarged by whole factors: every pixel repeated, or bilinear between them."""

    __slots__ = ("bilinear", "factor")

    is_noted = True

    def __init__(self, x: Value, factor: Pair, bilinear: bool = False) -> None:
        n, h, w, c = _image("Upsample2d", x)
        if bilinear and min(h, w) < 1:
            raise ValueError(f"Upsample2d: expected images with pixels, got {h} x {w}")
        self.factor, self.bilinear = factor, bilinear
        self.start(x)
        self.place(x.tape, (n, h * factor[0], w * factor[1], c), x.needs_grad, later=True)

    def forward(self) -> None:
        y, how = self.tape.take(self.shape), (self.factor, self.bilinear)
        self.tape.call(_core.upsample2d, y, self.x.data, *how, self.tape.workspace)
        self._data = y

    def backward(self) -> None:
        dx, how = self.tape.take(self.x.shape), (self.factor, self.bilinear)
        assert self.grad is not None
        _core.upsample2d_backward(dx, self.grad, *how, self.tape.workspace)
        self.x.add_grad(dx)

    def onnx(self, graph: Any) -> str:
        scales = np.array([1, 1, *self.factor], np.float32)
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
        how["nearest_mode"] = "floor"
        if self.bilinear:
            how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        x = graph.channels_first(graph.of(self.x), 4)
        return graph.channels_last(graph.add("Resize", x, "", scales, **how), 4)


def spread(large: np.ndarray, r: int) -> np.ndarray:
    """Show images (N, H r, W r, C) as (N, H, W, C, r, r): a block for each small pixel."""
    n, h, w, c = large.shape
    return large.reshape(n, h // r, r, w // r, r, c).transpose(0, 1, 3, 5, 2, 4)


class PixelShuffle(_One):
    """Images (N, H, W, C r^2) to (N, H r, W r, C): the channels of a pixel become a block."""

    __slots__ = ("r",)

    is_noted = True

    def __init__(self, x: Value, r: int) -> None:
        n, h, w, c = _image("PixelShuffle", x)
        if c % (r * r):
            raise ValueError(
                f"PixelShuffle: expected a multiple of {r * r} channels for a factor of {r}, got "
                f"{c}"
            )
        self.r = r
        self.start(x)
        self.place(x.tape, (n, h * r, w * r, c // (r * r)), x.needs_grad, later=True)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        blocks = spread(y, self.r)
        self.tape.call(np.copyto, blocks, self.x.data.reshape(blocks.shape))
        self._data = y

    def backward(self) -> None:
        dx = self.tape.take(self.x.shape)
        assert self.grad is not None
        blocks = spread(self.grad, self.r)
        np.copyto(dx.reshape(blocks.shape), blocks)
        self.x.add_grad(dx)

    def onnx(self, graph: Any) -> str:
        x = graph.channels_first(graph.of(self.x), 4)
        y = graph.add("DepthToSpace", x, blocksize=self.r, mode="CRD")
        return graph.channels_last(y, 4)


class PixelUnshuffle(_One):
    """Images (N, H r, W r, C) to (N, H, W, C r^2): the blocks of r x r pixels become channels."""

    __slots__ = ("r",)

    is_noted = True

    def __init__(self, x: Value, r: int) -> None:
        n, h, w, c = _image("PixelUnshuffle", x)
        if h % r or w % r:
            raise ValueError(
                f"PixelUnshuffle: expected images whose height and width {r} divides, got {h} x {w}"
            )
        self.r = r
        self.start(x)
        self.place(x.tape, (n, h // r, w // r, c * r * r), x.needs_grad, later=True)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        blocks = spread(self.x.data, self.r)
        self.tape.call(np.copyto, y.reshape(blocks.shape), blocks)
        self._data = y

    def backward(self) -> None:
        dx = self.tape.take(self.x.shape)
        assert self.grad is not None
        blocks = spread(dx, self.r)
        np.copyto(blocks, self.grad.reshape(blocks.shape))
        self.x.add_grad(dx)

    def onnx(self, graph: Any) -> str:
        x = graph.channels_first(graph.of(self.x), 4)
        y = graph.add("SpaceToDepth", x, blocksize=self.r)
        # there the place in a block comes before the channel
        channels, r = self.x.shape[3], self.r
        order = np.arange(channels * r * r).reshape(r * r, channels).T.ravel()
        return graph.channels_last(graph.add("Gather", y, order, axis=1), 4)
