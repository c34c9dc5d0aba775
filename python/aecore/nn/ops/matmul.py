"""Products of values with each other: np.matmul."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import _core
from ..tape import FUNCTIONS, UFUNCS, Op, Value, tape_of
from .elementwise import give, needs_grad, operand
from .shapes import Reshape


class MatMul(Op):
    """a (..., M, K) times b (..., K, N), by the core: the same bits for any number of threads."""

    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        tape = tape_of(a, b)
        self.a, self.b = operand(a, tape), operand(b, tape)
        left, right = tuple(self.a.shape), tuple(self.b.shape)
        if len(left) < 2 or len(right) < 2 or left[-1] != right[-2]:
            raise ValueError(
                f"matmul: expected shapes (..., M, K) and (..., K, N), got {left} and {right}"
            )
        rest = np.broadcast_shapes(left[:-2], right[:-2])
        shape = (*rest, left[-2], right[-1])
        self.place(tape, shape, needs_grad(self.a) or needs_grad(self.b))

    def _multiply(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the product of arrays whose leading axes broadcast."""
        rest = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        y = self.tape.take((*rest, a.shape[-2], b.shape[-1]))
        a, b = (np.broadcast_to(x, (*rest, *x.shape[-2:])) for x in (a, b))
        for i in np.ndindex(rest):
            left, right = np.ascontiguousarray(a[i]), np.ascontiguousarray(b[i])
            _core.linear(y[i], left, right, None, None, True, None, None, self.tape.workspace)
        return y

    def forward(self) -> None:
        self._data = self._multiply(*(x.data if isinstance(x, Value) else x for x in self._pair))

    @property
    def _pair(self) -> tuple[Any, Any]:
        return self.a, self.b

    def backward(self) -> None:
        assert self.grad is not None
        a, b = (x.data if isinstance(x, Value) else x for x in self._pair)
        if needs_grad(self.a):
            give(self.a, self._multiply(self.grad, b.swapaxes(-1, -2)))
        if needs_grad(self.b):
            give(self.b, self._multiply(a.swapaxes(-1, -2), self.grad))

    def forget(self) -> None:
        self.a = self.b = None

    def inputs(self) -> tuple[Value, ...]:
        return tuple(x for x in self._pair if isinstance(x, Value))

    def flops(self) -> int:
        return 2 * math.prod(self.shape) * self.a.shape[-1]

    def onnx(self, graph: Any) -> str:
        return graph.add("MatMul", graph.of(self.a), graph.of(self.b))


def matmul(a: Any, b: Any) -> Value:
    """Return a @ b; vectors stand for a row in front and a column behind."""
    row, column = len(a.shape) == 1, len(b.shape) == 1
    y = MatMul(np.expand_dims(a, 0) if row else a, np.expand_dims(b, 1) if column else b)
    if not (row or column):
        return y
    shape = list(y.shape)
    if column:
        del shape[-1]
    if row:
        del shape[-1 if column else -2]
    return Reshape(y, shape)


def dot(a: Any, b: Any) -> Value:
    """Return a @ b where NumPy's dot is the same."""
    if np.ndim(a) > 1 and np.ndim(b) > 2:
        raise ValueError(f"np.dot: expected a matrix b, or a @ b, got {a.shape} and {b.shape}")
    return matmul(a, b)


UFUNCS[np.matmul] = matmul
FUNCTIONS[np.dot] = dot
