"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from .activation import Activation
from .module import Module, Shape
from .shape import Flatten


def _fused(layer: Module | None) -> str | None:
    """Return the activation whose gradient what follows the layer can apply."""
    return layer.activation if layer is not None and layer.gates else None


def run(module: Module, x: np.ndarray, training: bool, lengths: np.ndarray | None) -> np.ndarray:
    """Return a module's output; it gets the lengths if it takes them."""
    forward: Any = module.forward
    return forward(x, training, lengths) if module.takes_lengths else forward(x, training)


def starts_flat(module: Module) -> bool:
    """Return whether a module begins by flattening its input."""
    while isinstance(module, Sequential) and module.layers:
        module = module.layers[0]
    return isinstance(module, Flatten)


class Sequential(Module):
    """Layers one after another.

    Where a layer's input is the output of a fused activation, its backward pass applies that
    activation's gradient while the input's gradient is still in registers. Views between the two
    (`Flatten`, `Reshape`) don't stand in the way. Where nothing before a layer learns, the gradient
    of its input is left out.

    Parameters
    ----------
    *layers : Module

    Attributes
    ----------
    layers : tuple of Module
    """

    gates = True

    def __init__(self, *layers: Module) -> None:
        seen: set[int] = set()
        for layer in layers:
            if not isinstance(layer, Module):
                raise TypeError(f"Sequential: expected modules, got {type(layer).__name__}")
            inside = {id(module) for _, module in layer.modules()}
            if seen & inside:
                raise ValueError(f"Sequential: the same layer twice, {type(layer).__name__}")
            seen |= inside
        self.layers = layers
        # the layer whose output each layer sees, views passed over; None for the input
        self._source: list[Module | None] = [None]
        # whether anything before each layer learns
        self._learns = [False]
        for layer in layers:
            self._source.append(self._source[-1] if layer.is_view else layer)
            self._learns.append(self._learns[-1] or layer.n_parameters > 0)
        last = self._source[-1]
        self.activation = _fused(last)
        self.is_view = last is None
        self.overwrites_grad = last is not None and last.overwrites_grad
        self.spare_output = last is not None and last.spare_output
        self.adds = bool(layers) and layers[-1].adds
        for before, layer in pairwise(layers):
            if isinstance(layer, Activation):
                layer.take_place(before)
        self.takes_lengths = any(layer.takes_lengths for layer in layers)

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, layer in enumerate(self.layers):
            yield str(i), layer

    def forward(
        self,
        x: np.ndarray,
        training: bool = False,
        lengths: np.ndarray | None = None,
        *,
        added: np.ndarray | None = None,
    ) -> np.ndarray:
        self._kept = x
        for layer in self.layers if added is None else self.layers[:-1]:
            x = run(layer, x, training, lengths)
        if added is not None:
            forward: Any = self.layers[-1].forward
            x = forward(x, training, added=added)
        return x

    def backward(
        self,
        grad: np.ndarray | None,
        *,
        x_activation: str | None = None,
        gated: bool = False,
        need_dx: bool = True,
    ) -> np.ndarray | None:
        """Run the layers' backward passes in reverse; the options are `Affine.backward`'s."""
        for i in reversed(range(len(self.layers))):
            layer, source, needed = self.layers[i], self._source[i], need_dx or self._learns[i]
            if layer.is_view:
                grad = layer.backward(grad)  # the gate stays as it is
            elif layer.gates:
                before = x_activation if source is None else _fused(source)
                backward: Any = layer.backward
                grad = backward(grad, x_activation=before, gated=gated, need_dx=needed)
                gated = before is not None
            else:
                grad = layer.backward(grad)
                gated = False
            if not needed:
                return None  # nothing before learns either
        if x_activation and not gated and grad is not None:
            _core.activation_backward(grad, grad, self._kept, x_activation, runtime.current())
        return grad

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return tuple(shape)


class Residual(Module):
    """What a module gives, added to its input: y = x + body(x).

    Shapes: the body keeps the shape. He et al., 2016.

    Parameters
    ----------
    body : Module
    """

    gates = True
    spare_output = True

    def __init__(self, body: Module) -> None:
        if not isinstance(body, Module):
            raise TypeError(f"Residual: expected a module, got {type(body).__name__}")
        self.body, self.takes_lengths = body, body.takes_lengths

    def forward(
        self, x: np.ndarray, training: bool = False, lengths: np.ndarray | None = None
    ) -> np.ndarray:
        self.output_shape(x.shape[1:])
        self._kept = x
        if self.body.adds and not self.body.takes_lengths:
            forward: Any = self.body.forward
            return forward(x, training, added=x)
        inner = run(self.body, x, training, lengths)
        y = inner if self.body.spare_output else self.scratch("y", x.shape)
        _core.add(y, x, inner, runtime.current())
        return y

    def backward(
        self,
        grad: np.ndarray,
        *,
        x_activation: str | None = None,
        gated: bool = False,
        need_dx: bool = True,
    ) -> np.ndarray | None:
        inner = grad
        if need_dx and self.body.overwrites_grad:
            inner = runtime.gradients().take(grad.shape)
            np.copyto(inner, grad)
        backward: Any = self.body.backward
        dx = backward(inner, need_dx=need_dx) if self.body.gates else backward(inner)
        if not need_dx:
            return None
        ws = runtime.current()
        _core.add(dx, dx, grad, ws)
        if x_activation:
            _core.activation_backward(dx, dx, self._kept, x_activation, ws)
        return dx

    def output_shape(self, shape: Shape) -> Shape:
        got = self.body.output_shape(shape)
        if got != tuple(shape):
            raise ValueError(f"Residual: the body turns the shape {tuple(shape)} into {got}")
        return got
