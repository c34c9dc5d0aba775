"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import _core, _workspace
from .module import Module, Shape


class Sequential(Module):
    """Layers one after another.

    Where a layer's input is the output of a fused activation, its backward pass applies that
    activation's gradient while the input's gradient is still in registers. Views between the two
    (`Flatten`, `Reshape`) don't stand in the way.

    Parameters
    ----------
    *layers : Module

    Attributes
    ----------
    layers : tuple of Module
    """

    gates = True

    def __init__(self, *layers: Module) -> None:
        for layer in layers:
            if not isinstance(layer, Module):
                raise TypeError(f"Sequential: expected modules, got {type(layer).__name__}")
        self.layers = layers
        # the layer whose output each layer sees, views passed over; None for the input
        self._source: list[Module | None] = [None]
        for layer in layers:
            self._source.append(self._source[-1] if layer.is_view else layer)
        last = self._source[-1]
        self.activation = last.activation if last else None

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, layer in enumerate(self.layers):
            yield str(i), layer

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self._kept = x
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    def backward(
        self,
        grad: np.ndarray | None,
        *,
        x_activation: str | None = None,
        gated: bool = False,
        need_dx: bool = True,
    ) -> np.ndarray | None:
        """Run the layers' backward passes in reverse; the options are those of `Linear`."""
        for i in reversed(range(len(self.layers))):
            layer, source = self.layers[i], self._source[i]
            if layer.is_view:
                grad = layer.backward(grad)  # the gate stays as it is
            elif layer.gates:
                before = source.activation if source else x_activation
                needed = need_dx or source is not None
                grad = layer.backward(grad, x_activation=before, gated=gated, need_dx=needed)
                gated = before is not None
            else:
                grad = layer.backward(grad)
                gated = False
        if x_activation and not gated and grad is not None:
            _core.activation_backward(grad, grad, self._kept, x_activation, _workspace.current())
        return grad

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape
