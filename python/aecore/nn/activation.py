"""Activations as layers of their own."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from .linear import FUSED
from .module import Module, Shape


def apply_link(kind: str | None, x: np.ndarray, out: np.ndarray) -> None:
    """Write the data (N, C) that a decoder's output stands for; `out` may be `x`.

    The kinds are "sigmoid", "softmax" over C, and None, which leaves numbers as they are.
    """
    if kind == "sigmoid":
        _core.activation(out, x, "sigmoid", runtime.current())
    elif kind == "softmax":
        np.subtract(x, x.max(1, keepdims=True), out=out)
        np.exp(out, out=out)
        out /= out.sum(1, keepdims=True)
    elif out is not x:
        np.copyto(out, x)


class Activation(Module):
    """An elementwise function, y = f(x).

    Behind a Linear or convolution, the layer's own ``activation=`` is faster. This one is for gelu
    and silu, whose gradient needs the input, and for places behind anything else.

    Parameters
    ----------
    kind : str
        relu, leaky_relu (slope 0.01), elu, gelu, silu, tanh, sigmoid or softplus.
    """

    gates = True
    in_place = False

    def __init__(self, kind: str) -> None:
        if kind not in _core.ACTIVATIONS:
            names = ", ".join(_core.ACTIVATIONS)
            raise ValueError(f"activation: expected one of {names}, got {kind!r}")
        self.kind = kind
        # what follows can apply the gradient of these
        self.activation = kind if kind in FUSED else None

    def take_place(self, before: Module) -> None:
        """Overwrite the output of the layer before, if neither needs it any more."""
        self.in_place = before.spare_output and self.activation is not None

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        y = x if self.in_place else self.scratch("y", x.shape)
        _core.activation(y, x, self.kind, runtime.current())
        self._kept = x, y
        return y

    def backward(
        self,
        grad: np.ndarray,
        *,
        x_activation: str | None = None,
        gated: bool = False,
        need_dx: bool = True,
    ) -> np.ndarray | None:
        x, y = self._kept
        if not need_dx:
            return None
        ws = runtime.current()
        if not gated:
            _core.activation_backward(grad, grad, y if self.activation else x, self.kind, ws)
        if x_activation:
            _core.activation_backward(grad, grad, x, x_activation, ws)
        return grad

    def output_shape(self, shape: Shape) -> Shape:
        return tuple(shape)

    def extra_repr(self) -> str:
        return repr(self.kind)
