"""The largest values of a row, and zeros."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tape import Value
from .shapes import _One


class KeepLargest(_One):
    """The k largest of each row x (N, D), 0 for the others; of equal ones the first are kept."""

    __slots__ = ("k", "kept")

    def __init__(self, x: Value, k: int) -> None:
        if len(x.shape) != 2 or not 0 < k <= x.shape[1]:
            raise ValueError(
                f"KeepLargest: expected rows of at least {k} values, got the shape {x.shape}"
            )
        self.start(x)
        self.k = k
        self.place(x.tape, x.shape, x.needs_grad)

    def forward(self) -> None:
        x = self.x.data
        least = np.partition(x, x.shape[1] - self.k, axis=1)[:, -self.k, None]
        kept = x > least
        equal = x == least
        kept |= equal & (equal.cumsum(1) <= self.k - kept.sum(1, keepdims=True))
        y = np.multiply(x, kept, out=self.tape.take(self.shape))  # NaN stays NaN
        y += 0.0  # and -0 doesn't stay
        self.kept, self._data = kept, y

    def backward(self) -> None:
        assert self.grad is not None
        self.x.add_grad(np.multiply(self.grad, self.kept, out=self.tape.take(self.shape)))

    def onnx(self, graph: Any) -> str:
        x = graph.of(self.x)
        values, which = graph.several(2, "TopK", x, np.array([self.k], np.int64))
        zeros = graph.add("ConstantOfShape", graph.add("Shape", x))
        return graph.add("ScatterElements", zeros, which, values, axis=1)
