"""Sums, means and extremes along axes. Sums run in double."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..parameter import value_of
from ..tape import FUNCTIONS, Shape, Value
from .elementwise import UNARY
from .shapes import _One, axes_of

Axis = int | tuple[int, ...] | None


class Reduction(_One):
    """One number for each run of values along some axes; all of them by default."""

    __slots__ = ("axes", "kept")
    name = ""

    def __init__(self, x: Any, axis: Axis = None, *, keepdims: bool = False) -> None:
        x = self.start(x)
        self.axes = tuple(range(x.ndim)) if axis is None else tuple(sorted(axes_of(axis, x.ndim)))
        # the shape in which the result stands beside x
        self.kept: Shape = tuple(1 if i in self.axes else n for i, n in enumerate(x.shape))
        left = tuple(n for i, n in enumerate(x.shape) if i not in self.axes)
        self.place(x.tape, self.kept if keepdims else left, x.needs_grad)

    @property
    def count(self) -> int:
        """How many values a number is made of."""
        return math.prod(self.x.shape[i] for i in self.axes)

    def broadcast(self, array: np.ndarray) -> np.ndarray:
        """Return an array of the result's shape so that it broadcasts with x."""
        return array.reshape(self.kept)

    def onnx(self, graph: Any) -> str:
        keep = int(len(self.shape) == len(self.x.shape))
        x = graph.of(self.x)
        if not self.axes:
            return x
        if self.name == "ReduceSum":  # the others have their axes as an option
            axes = np.array(self.axes, np.int64)
            return graph.add(self.name, x, axes, keepdims=keep)
        return graph.add(self.name, x, axes=self.axes, keepdims=keep)


class Sum(Reduction):
    """The sum."""

    __slots__ = ()
    name = "ReduceSum"

    def forward(self) -> None:
        total = self.x.data.sum(self.axes, dtype=np.float64)
        y = self.tape.take(self.shape)
        y.reshape(total.shape)[...] = total
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        dx = self.tape.take(self.x.shape)
        np.copyto(dx, self.broadcast(self.grad))
        self.x.add_grad(dx)


class Mean(Reduction):
    """The mean."""

    __slots__ = ()
    name = "ReduceMean"

    def forward(self) -> None:
        mean = self.x.data.mean(self.axes, dtype=np.float64)
        y = self.tape.take(self.shape)
        y.reshape(mean.shape)[...] = mean
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        dx = self.tape.take(self.x.shape)
        np.multiply(self.broadcast(self.grad), np.float32(1 / max(1, self.count)), out=dx)
        self.x.add_grad(dx)


class Max(Reduction):
    """The largest; equal ones share the gradient."""

    __slots__ = ()
    name = "ReduceMax"
    ufunc: np.ufunc = np.maximum

    def forward(self) -> None:
        found = self.ufunc.reduce(self.x.data, self.axes)
        y = self.tape.take(self.shape)
        y.reshape(found.shape)[...] = found
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        dx, x = self.tape.take(self.x.shape), self.x.data
        np.equal(x, self.broadcast(self.data), out=dx, casting="unsafe")
        dx /= np.maximum(dx.sum(self.axes, keepdims=True), 1)
        dx *= self.broadcast(self.grad)
        self.x.add_grad(dx)


class Min(Max):
    """The smallest; equal ones share the gradient."""

    __slots__ = ()
    name = "ReduceMin"
    ufunc = np.minimum


def var(x: Any, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False) -> Value:
    """Return the variance along axes."""
    x = value_of(x)
    mean = Mean(x, axis, keepdims=True)
    total = Sum(UNARY[np.square](x - mean), axis, keepdims=keepdims)
    count = math.prod(x.shape[i] for i in mean.axes)
    return total / max(0, count - ddof)


def std(x: Any, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False) -> Value:
    """Return the standard deviation along axes."""
    return UNARY[np.sqrt](var(x, axis, ddof=ddof, keepdims=keepdims))


FUNCTIONS.update({np.sum: Sum, np.mean: Mean, np.max: Max, np.min: Min, np.var: var, np.std: std})
