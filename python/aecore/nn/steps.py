"""Layers over the steps of sequences (N, T, C)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from .module import Module, Parameter, Shape, count


def sequence(module: Module, shape: Shape, width: int) -> tuple[int, int]:
    """Return a sequence's steps and width; ValueError if its shape is another."""
    if len(shape) != 2 or shape[1] != width:
        raise ValueError(
            f"{type(module).__name__}: expected sequences (T, {width}), got the shape "
            f"{tuple(shape)}"
        )
    return shape[0], shape[1]


class EachStep(Module):
    """A module for vectors, applied to each step of a sequence.

    Shapes: x (N, T, ...), of which the module sees (N T, ...).

    Parameters
    ----------
    body : Module
    """

    def __init__(self, body: Module) -> None:
        if not isinstance(body, Module):
            raise TypeError(f"EachStep: expected a module, got {type(body).__name__}")
        self.body = body
        self.activation, self.gates = body.activation, body.gates
        self.is_view, self.overwrites_grad = body.is_view, body.overwrites_grad

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.output_shape(x.shape[1:])
        self._kept = x.shape
        y = self.body.forward(x.reshape(-1, *x.shape[2:]), training)
        return y.reshape(*x.shape[:2], *y.shape[1:])

    def backward(self, grad: np.ndarray | None, **options: Any) -> np.ndarray | None:
        """Run the body's backward pass; the options are its own."""
        if grad is not None:
            grad = grad.reshape(-1, *grad.shape[2:])
        dx = self.body.backward(grad, **options)
        return None if dx is None else dx.reshape(self._kept)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise ValueError(f"EachStep: expected sequences (T, ...), got the shape {tuple(shape)}")
        return (shape[0], *self.body.output_shape(tuple(shape[1:])))


class Positions(Module):
    r"""A learned vector for each step, added: :math:`y_t = x_t + p_t`.

    Shapes: x (N, T, C), or (N, C): one vector that every step gets; y (N, T, C).

    Parameters
    ----------
    steps, width : int
        T and C.

    Attributes
    ----------
    weight : Parameter, shape (T, C)
        Normal with a standard deviation of 0.02 at first.
    """

    def __init__(self, steps: int, width: int) -> None:
        self.weight = Parameter((count("steps", steps), count("width", width)), std=0.02)
        self.initialize(0)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        y = self.scratch("y", (len(x), *self.output_shape(x.shape[1:])))
        _core.positions(y, x, self.weight.value, runtime.current())
        self._kept = x.shape
        return y

    def backward(self, grad: np.ndarray) -> np.ndarray:
        dx = runtime.gradients().take(self._kept) if len(self._kept) == 2 else None
        _core.positions_backward(dx, self.weight.grad, grad, runtime.current())
        return grad if dx is None else dx

    def output_shape(self, shape: Shape) -> Shape:
        if tuple(shape) not in (self.weight.shape, self.weight.shape[1:]):
            steps, width = self.weight.shape
            raise ValueError(
                f"Positions: expected sequences ({steps}, {width}) or vectors ({width},), got the "
                f"shape {tuple(shape)}"
            )
        return self.weight.shape

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.weight.shape))


class MeanSteps(Module):
    """The mean over a sequence's steps: (N, T, C) to (N, C).

    With lengths it is the mean over the steps that a sample has, and 0 where it has none.
    """

    takes_lengths = True
    overwrites_grad = False

    def forward(
        self, x: np.ndarray, training: bool = False, lengths: np.ndarray | None = None
    ) -> np.ndarray:
        y = self.scratch("y", (len(x), *self.output_shape(x.shape[1:])))
        _core.mean_steps(y, x, lengths, runtime.current())
        self._kept = x.shape, lengths
        return y

    def backward(self, grad: np.ndarray) -> np.ndarray:
        shape, lengths = self._kept
        dx = runtime.gradients().take(shape)
        _core.mean_steps_backward(dx, grad, lengths, runtime.current())
        return dx

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 2:
            raise ValueError(f"MeanSteps: expected sequences (T, C), got the shape {tuple(shape)}")
        return tuple(shape[1:])
