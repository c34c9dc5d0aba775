"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .module import Module
from .ops.elementwise import add
from .ops.shapes import Concatenate, Reshape
from .shape import Flatten
from .tape import Shape, Value


def starts_flat(module: Module) -> bool:
    """Return whether a module begins by flattening its input."""
    while isinstance(module, Sequential) and module.layers:
        module = module.layers[0]
    return isinstance(module, Flatten)


class Sequential(Module):
    """Layers one after another.

    Parameters
    ----------
    *layers : Module

    Attributes
    ----------
    layers : tuple of Module
    """

    def __init__(self, *layers: Module) -> None:
        seen: set[int] = set()
        for layer in layers:
            if not isinstance(layer, Module):
                raise TypeError(f"Sequential: expected modules, got {type(layer).__name__}")
            inside = {id(module) for _, module in layer.modules()}
            if seen & inside:
                name = type(layer).__name__
                raise ValueError(f"Sequential: expected each layer once, got the same {name} twice")
            seen |= inside
        self.layers = layers

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, layer in enumerate(self.layers):
            yield str(i), layer

    def forward(self, x: Value) -> Value:
        for layer in self.layers:
            x = layer(x)
        return x

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return tuple(shape)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        place = 0
        for layer in self.layers:
            place += walk.visit(layer, f"{name}.{place}", shape)
            shape = None if shape is None else layer.output_shape(shape)
        return 1


def _module(owner: str, body: Module) -> Module:
    if not isinstance(body, Module):
        raise TypeError(f"{owner}: expected a module, got {type(body).__name__}")
    return body


class Residual(Module):
    """What a module gives, added to its input: y = x + body(x).

    Shapes: the body keeps the shape. He et al., 2016.

    Parameters
    ----------
    body : Module
    """

    def __init__(self, body: Module) -> None:
        self.body = _module("Residual", body)

    def forward(self, x: Value) -> Value:
        y = self.body(x)
        if y.shape != x.shape:
            raise ValueError(
                f"Residual: expected a body that keeps the shape {x.shape[1:]}, got {y.shape[1:]}"
            )
        return add(x, y)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.each(self.body, f"{name}.body", shape)
        return 1


class SkipConcat(Module):
    """What a module gives, behind its input along the last axis: y = (x, body(x)).

    Shapes: x (N, H, W, C) and body(x) (N, H, W, K) give (N, H, W, C + K). The skip connection of a
    U-Net, Ronneberger et al., 2015.

    Parameters
    ----------
    body : Module

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> nn.SkipConcat(nn.Linear(3, 2))(np.zeros((5, 3))).shape
    (5, 5)
    """

    def __init__(self, body: Module) -> None:
        self.body = _module("SkipConcat", body)

    def forward(self, x: Value) -> Value:
        y = self.body(x)
        if y.shape[:-1] != x.shape[:-1]:
            raise ValueError(
                f"SkipConcat: expected a body that keeps the shape {x.shape[1:]} but for the last "
                f"axis, got {y.shape[1:]}"
            )
        return Concatenate((x, y), len(x.shape) - 1)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.each(self.body, f"{name}.body", shape)
        return 1


class TimeDistributed(Module):
    """A module for vectors, applied to each step of a sequence.

    Shapes: x (N, T, ...), of which the module sees (N T, ...).

    Parameters
    ----------
    body : Module
    """

    def __init__(self, body: Module) -> None:
        self.body = _module("TimeDistributed", body)

    def forward(self, x: Value) -> Value:
        if len(x.shape) < 3:
            raise ValueError(
                f"TimeDistributed: expected sequences (T, ...), got the shape {x.shape[1:]}"
            )
        y = self.body(Reshape(x, (-1, *x.shape[2:])))
        return Reshape(y, (-1, x.shape[1], *y.shape[1:]))

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        layers: int = walk.each(self.body, name, None if shape is None else shape[1:])
        return layers
