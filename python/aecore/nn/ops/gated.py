"""The gated unit of PixelCNN."""

from __future__ import annotations

import math

import numpy as np

from ... import _core
from ..tape import Op, Value


class GatedTanh(Op):
    """tanh(p) sigmoid(q) over the halves of the last axis: x (N, ..., 2C) to (N, ..., C).

    A bias (N, 2C) is added to x at every position first.
    """

    __slots__ = ("bias", "x")

    def __init__(self, x: Value, bias: Value | None) -> None:
        self.x, self.bias = x, bias
        x.uses += 1
        if bias is not None:
            bias.uses += 1
        needs = x.needs_grad or (bias is not None and bias.needs_grad)
        self.place(x.tape, (*x.shape[:-1], x.shape[-1] // 2), needs)

    def forward(self) -> None:
        y, bias = self.tape.take(self.shape), None if self.bias is None else self.bias.data
        _core.gated_tanh(positions(y), positions(self.x.data), bias, self.tape.workspace)
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        dx, bias, dbias = self.tape.take(self.x.shape), None, None
        if self.bias is not None:
            bias, dbias = self.bias.data, self.tape.take(self.bias.shape)
        flat = positions(dx), dbias, positions(self.grad), positions(self.x.data), bias
        _core.gated_tanh_backward(*flat, self.tape.workspace)
        self.x.add_grad(dx)
        if self.bias is not None and dbias is not None:
            self.bias.add_grad(dbias)

    def forget(self) -> None:
        self.x = self.bias = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,) if self.bias is None else (self.x, self.bias)


def positions(x: np.ndarray) -> np.ndarray:
    """View maps (N, ..., C) as (N, T, C)."""
    return x.reshape(len(x), math.prod(x.shape[1:-1]), x.shape[-1])
