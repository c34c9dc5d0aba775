"""The fully connected layer and its tied twin."""

from __future__ import annotations

import secrets

import numpy as np

from .. import _core, _workspace
from .module import Module, Parameter, Shape

# The activations whose gradient the output determines: what a layer may fuse.
FUSED = frozenset({"relu", "leaky_relu", "elu", "tanh", "sigmoid", "softplus"})


def check_fused(activation: str | None) -> str | None:
    """Return the activation if a layer can fuse it, None for linear."""
    if activation in (None, "linear"):
        return None
    if activation not in FUSED:
        raise ValueError(
            f"activation: {activation!r} can't be fused into a layer; expected one of "
            f"{', '.join(sorted(FUSED))}, or an Activation layer behind it"
        )
    return activation


class Linear(Module):
    r"""A fully connected layer, :math:`y = f(x W^\top + b)`.

    Fresh values are uniform in :math:`\pm 1 / \sqrt{I}`, as PyTorch's are.

    Parameters
    ----------
    in_features, out_features : int
        I and O.
    bias : bool
    activation : str, optional
        Fused into the layer: relu, leaky_relu, elu, tanh, sigmoid or softplus.

    Attributes
    ----------
    weight : Parameter, shape (O, I)
    bias : Parameter, shape (O,), or None
    """

    gates = True

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        self.activation = check_fused(activation)
        bound = 1 / max(1, in_features) ** 0.5
        self.weight = Parameter((out_features, in_features), bound)
        self.bias = Parameter((out_features,), bound) if bias else None
        self.initialize(secrets.randbits(63))

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        y = self.scratch("y", (x.shape[0], self.weight.shape[0]))
        bias = None if self.bias is None else self.bias.value
        ws = _workspace.current()
        _core.linear(y, x, self.weight.value, bias, self.activation, False, ws)
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
        """Add to the gradients of weight and bias, and return that of x.

        Parameters
        ----------
        grad : ndarray of float32, shape (N, O)
        x_activation : str, optional
            The input is this activation's output: return the gradient before it.
        gated : bool
            Whether `grad` is already the gradient before the layer's own activation. If not, it is
            made so in place.
        need_dx : bool
            False leaves the input's gradient out and returns None.
        """
        x, y = self._kept
        ws = _workspace.current()
        if self.activation and not gated:
            _core.activation_backward(grad, grad, y, self.activation, ws)
        dx = self.scratch("dx", x.shape) if need_dx else None
        dbias = None if self.bias is None else self.bias.grad
        _core.linear_backward(
            dx, self.weight.grad, dbias, grad, x, self.weight.value, x_activation, False, ws
        )
        return dx

    def output_shape(self, shape: Shape) -> Shape:
        if shape != (self.weight.shape[1],):
            raise ValueError(f"Linear: expected {self.weight.shape[1]} features, got {shape}")
        return (self.weight.shape[0],)

    def extra_repr(self) -> str:
        o, i = self.weight.shape
        fused = f", activation={self.activation!r}" if self.activation else ""
        return f"{i}, {o}{'' if self.bias else ', bias=False'}{fused}"
