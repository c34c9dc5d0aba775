"""Images shrunk and enlarged without weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ..tape import Op, Value
from .products import Pair

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


class Upsample2d(Op):
    """Every pixel repeated, by whole factors."""

    __slots__ = ("factor", "x")

    is_noted = True

    def __init__(self, x: Value, factor: Pair) -> None:
        n, h, w, c = _image("Upsample2d", x)
        self.x, self.factor = x, factor
        x.uses += 1
        self.place(x.tape, (n, h * factor[0], w * factor[1], c), x.needs_grad, later=True)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        self.tape.call(_core.upsample2d, y, self.x.data, self.factor, self.tape.workspace)
        self._data = y

    def backward(self) -> None:
        dx = self.tape.take(self.x.shape)
        assert self.grad is not None
        _core.upsample2d_backward(dx, self.grad, self.factor, self.tape.workspace)
        self.x.add_grad(dx)

    def forget(self) -> None:
        self.x = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)

    def onnx(self, graph: Any) -> str:
        scales = np.array([1, 1, *self.factor], np.float32)
        how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        x = graph.channels_first(graph.of(self.x), 4)
        y = graph.add("Resize", x, "", scales, mode="nearest", **how)
        return graph.channels_last(y, 4)
