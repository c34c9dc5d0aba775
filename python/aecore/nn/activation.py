"""Activations: what is known of each, and the layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from ..base.hints import choice_hint
from .module import Module
from .ops.elementwise import activation
from .tape import Shape, Value


def _silu(x: np.ndarray) -> np.ndarray:
    s = 0.5 * (1 + np.tanh(0.5 * x))
    return s * (1 - s) * (2 + x * (1 - 2 * s))


def _gelu_onnx(graph: Any, x: str) -> str:
    """Append x P(x), with P the distribution function of N(0, 1)."""
    erf = graph.each("Erf", graph.each("Mul", x, np.float32(math.sqrt(0.5))))
    half = graph.each("Mul", x, np.float32(0.5))
    return graph.each("Mul", half, graph.each("Add", erf, np.float32(1)))


class Formulas(NamedTuple):
    """What is known of an activation beside its kernels, which are in csrc/kern/act.def.

    Attributes
    ----------
    onnx : callable
        Appends it to a graph; given the graph and the name of x, it returns that of y.
    curvature : callable or None
        The second derivative, from the output where that determines the slope, else from the
        input; at a kink that of either side. None where it is 0 everywhere but for kinks.
    """

    onnx: Callable[[Any, str], str]
    curvature: Callable[[np.ndarray], np.ndarray] | None = None


FORMULAS: dict[str, Formulas] = {
    "relu": Formulas(lambda g, x: g.each("Relu", x)),
    "leaky_relu": Formulas(lambda g, x: g.each("LeakyRelu", x, alpha=0.01)),
    "elu": Formulas(lambda g, x: g.each("Elu", x, alpha=1.0), lambda y: np.where(y > 0, 0, y + 1)),
    "tanh": Formulas(lambda g, x: g.each("Tanh", x), lambda y: -2 * y * (1 - y * y)),
    "sigmoid": Formulas(lambda g, x: g.each("Sigmoid", x), lambda y: y * (1 - y) * (1 - 2 * y)),
    "softplus": Formulas(lambda g, x: g.each("Softplus", x), lambda y: -np.expm1(-y) * np.exp(-y)),
    "gelu": Formulas(
        _gelu_onnx, lambda x: (2 - x * x) * np.exp(-x * x / 2) * (2 * math.pi) ** -0.5
    ),
    "silu": Formulas(lambda g, x: g.each("Mul", x, g.each("Sigmoid", x)), _silu),
}


class Activation(Module):
    """An elementwise function, y = f(x).

    Where the output determines the gradient, as that of relu does, the gradient is applied by the
    product that comes next; where it doesn't, as with gelu, the input is kept for it.

    Parameters
    ----------
    kind : str
        One of those that `aecore.functional.activation` lists.
    """

    def __init__(self, kind: str) -> None:
        if kind not in _core.ACTIVATIONS:
            names = ", ".join(_core.ACTIVATIONS)
            meant = choice_hint(kind, _core.ACTIVATIONS) if isinstance(kind, str) else ""
            raise ValueError(f"activation: expected one of {names}, got {kind!r}{meant}")
        self.kind = kind

    def forward(self, x: Value) -> Value:
        return activation(x, self.kind)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        return 1

    def extra_repr(self) -> str:
        return repr(self.kind)
