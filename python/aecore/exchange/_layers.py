"""Layers as ONNX nodes: a function for each, and the table of them that a `Graph` takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import nn
from ..nn.module import Module, Shape
from ._graph import Emit, Graph


def activate(graph: Graph, kind: str | None, x: str) -> str:
    """Append an elementwise function."""
    if kind is None:
        return x
    if kind == "silu":
        return graph.each("Mul", x, graph.each("Sigmoid", x))
    if kind == "gelu":  # x P(x), with P the distribution function of N(0, 1)
        erf = graph.each("Erf", graph.each("Mul", x, np.float32(math.sqrt(0.5))))
        half = graph.each("Mul", x, np.float32(0.5))
        return graph.each("Mul", half, graph.each("Add", erf, np.float32(1)))
    op, options = ACTIVATIONS[kind]
    return graph.each(op, x, **options)


ACTIVATIONS: dict[str, tuple[str, dict[str, float]]] = {
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "elu": ("Elu", {"alpha": 1.0}),
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
    "softplus": ("Softplus", {}),
}


# ---- with weights -------------------------------------------------------------------------------


def biased(layer: Any) -> list[np.ndarray]:
    """Return a layer's bias, if it has one."""
    return [] if layer.bias is None else [layer.bias.value]


def _linear(graph: Graph, layer: nn.Linear, x: str, shape: Shape) -> str:
    across = int(not layer.transposed)
    y = graph.add("Gemm", x, layer.weight.value, *biased(layer), transB=across)
    return activate(graph, layer.activation, y)


def _convolved(graph: Graph, op: str, layer: Any, x: str, weight: Any, **options: Any) -> str:
    y = graph.add(op, graph.first(x, 4), weight, *biased(layer), **options)
    return activate(graph, layer.activation, graph.last(y, 4))


def _pads(sides: tuple[int, int]) -> list[int]:
    return [*sides, *sides]


def _conv2d(graph: Graph, layer: nn.Conv2d, x: str, shape: Shape) -> str:
    weight = layer.weight.value.transpose(0, 3, 1, 2)
    options = {"strides": layer.stride, "pads": _pads(layer.padding)}
    return _convolved(graph, "Conv", layer, x, weight, **options)


def _masked_conv2d(graph: Graph, layer: nn.MaskedConv2d, x: str, shape: Shape) -> str:
    top, bottom, left, right = layer.sides
    weight = layer.weight.value.transpose(0, 3, 1, 2)
    # a side of -1 leaves the pixel's own row or column out: here it is seen, with a weight of 0
    weight = np.pad(weight, ((0, 0), (0, 0), (0, max(0, -bottom)), (0, max(0, -right))))
    pads = [top, left, max(0, bottom), max(0, right)]
    return _convolved(graph, "Conv", layer, x, weight, pads=pads)


def _conv_transpose2d(graph: Graph, layer: nn.ConvTranspose2d, x: str, shape: Shape) -> str:
    tied = isinstance(layer, nn.TiedConvTranspose2d)
    weight = layer.weight.value.transpose((0, 3, 1, 2) if tied else (3, 0, 1, 2))
    options: dict[str, Any] = {"strides": layer.stride, "pads": _pads(layer.padding)}
    options["output_padding"] = layer.output_padding
    return _convolved(graph, "ConvTranspose", layer, x, weight, **options)


def _scale_and_shift(norm: Any) -> tuple[np.ndarray, np.ndarray]:
    scale, shift = norm._affine()
    if scale is None:
        return np.ones(norm.channels, np.float32), np.zeros(norm.channels, np.float32)
    return scale, shift


def _layer_norm(graph: Graph, norm: nn.LayerNorm, x: str, shape: Shape) -> str:
    options: dict[str, Any] = {"axis": -1, "epsilon": norm.eps}
    return graph.add("LayerNormalization", x, *_scale_and_shift(norm), **options)


def _batch_norm2d(graph: Graph, norm: nn.BatchNorm2d, x: str, shape: Shape) -> str:
    axes = len(shape) + 1
    running = norm.buffer("running_mean"), norm.buffer("running_var")
    given = graph.first(x, axes), *_scale_and_shift(norm), *running
    return graph.last(graph.add("BatchNormalization", *given, epsilon=norm.eps), axes)


def _group_norm(graph: Graph, norm: nn.GroupNorm, x: str, shape: Shape) -> str:
    axes, groups = len(shape) + 1, norm.groups
    flat = graph.reshape(graph.first(x, axes), 0, groups, -1)
    plain = np.ones(groups, np.float32), np.zeros(groups, np.float32)
    y = graph.add("InstanceNormalization", flat, *plain, epsilon=norm.eps)
    y = graph.reshape(y, 0, shape[-1], *shape[:-1])
    scale, shift = (v.reshape(-1, *[1] * (axes - 2)) for v in _scale_and_shift(norm))
    return graph.last(graph.add("Add", graph.add("Mul", y, scale), shift), axes)


# ---- without ------------------------------------------------------------------------------------


def _activation(graph: Graph, layer: nn.Activation, x: str, shape: Shape) -> str:
    return activate(graph, layer.kind, x)


def _view(graph: Graph, layer: Any, x: str, shape: Shape) -> str:
    return graph.reshape(x, 0, *layer.output_shape(shape))


def _max_pool2d(graph: Graph, layer: nn.MaxPool2d, x: str, shape: Shape) -> str:
    options: dict[str, Any] = {"kernel_shape": layer.kernel_size, "strides": layer.stride}
    y = graph.add("MaxPool", graph.first(x, 4), pads=_pads(layer.padding), **options)
    return graph.last(y, 4)


def _upsample2d(graph: Graph, layer: nn.Upsample2d, x: str, shape: Shape) -> str:
    scales = np.array([1, 1, *layer.factor], np.float32)
    how: dict[str, Any] = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    y = graph.add("Resize", graph.first(x, 4), "", scales, mode="nearest", **how)
    return graph.last(y, 4)


def _dropout(graph: Graph, layer: nn.Dropout, x: str, shape: Shape) -> str:
    return x


def _sequential(graph: Graph, module: nn.Sequential, x: str, shape: Shape) -> str:
    for layer in module.layers:
        x = graph.layer(layer, x, shape)
        shape = layer.output_shape(shape)
    return x


def _residual(graph: Graph, module: nn.Residual, x: str, shape: Shape) -> str:
    return graph.each("Add", x, graph.layer(module.body, x, shape))


LAYERS: dict[type[Module], Emit] = {
    nn.Activation: _activation,
    nn.BatchNorm2d: _batch_norm2d,
    nn.Conv2d: _conv2d,
    nn.ConvTranspose2d: _conv_transpose2d,
    nn.Dropout: _dropout,
    nn.Flatten: _view,
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _layer_norm,
    nn.Linear: _linear,
    nn.MaskedConv2d: _masked_conv2d,
    nn.MaxPool2d: _max_pool2d,
    nn.Reshape: _view,
    nn.Residual: _residual,
    nn.Sequential: _sequential,
    nn.TiedConvTranspose2d: _conv_transpose2d,
    nn.TiedLinear: _linear,
    nn.Upsample2d: _upsample2d,
}
