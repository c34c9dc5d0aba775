"""Quantizers as ONNX nodes, from vectors to codes and from codes to vectors: see `_layers`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..nn.module import Module, Shape
from ..nn.quantize.unit import SHORTEST
from ._graph import Emit, Graph


def quantize(graph: Graph, module: Any, x: str) -> tuple[str, str]:
    """Append the search for the entries nearest to x (N, ..., D); return them and their numbers."""
    if isinstance(module, nn.FiniteScalarQuantizer):
        return _rounded(graph, module, x)
    if not isinstance(module, nn.ResidualQuantizer):
        return _nearest(graph, module, x)
    total, numbers = "", []
    for layer in module.layers:
        y, index = _nearest(graph, layer, x)
        numbers.append(graph.add("Unsqueeze", index, np.array([-1], np.int64)))
        total = graph.add("Add", total, y) if total else y
        x = graph.add("Sub", x, y)
    return total, graph.add("Concat", *numbers, axis=-1)


def _nearest(graph: Graph, layer: nn.VectorQuantizer, x: str) -> tuple[str, str]:
    entries = layer.codebook
    if layer.distance == "cosine":
        squares = graph.add("ReduceSum", graph.add("Mul", x, x), np.array([-1], np.int64))
        length = graph.add("Max", graph.add("Sqrt", squares), np.float32(SHORTEST))
        x = graph.add("Div", x, length)
    # |x - e|^2 but for |x|^2, which all entries have
    norms = np.einsum("ed,ed->e", entries, entries)
    distance = graph.add("Add", graph.add("MatMul", x, -2 * entries.T), norms)
    index = graph.add("ArgMin", distance, axis=-1, keepdims=0)
    return graph.add("Gather", entries, index), index


def _rounded(graph: Graph, layer: nn.FiniteScalarQuantizer, x: str) -> tuple[str, str]:
    half = (np.array(layer.levels, np.float32) - 1) / 2
    y = graph.add("Add", graph.add("Tanh", x), np.float32(1))
    steps = graph.add("Round", graph.add("Mul", y, half))
    places = layer._place.astype(np.float32)
    number = graph.add("MatMul", steps, places)
    return _points(graph, steps, half), graph.add("Cast", number, to=7)  # INT64


def _points(graph: Graph, steps: str, half: np.ndarray) -> str:
    return graph.add("Sub", graph.add("Div", steps, half), np.float32(1))


def lookup(graph: Graph, module: Any, codes: str) -> str:
    """Append the vectors (N, ..., D) that codes stand for."""
    if isinstance(module, nn.VectorQuantizer):
        return graph.add("Gather", module.codebook, codes)
    if isinstance(module, nn.FiniteScalarQuantizer):
        number = graph.add("Unsqueeze", codes, np.array([-1], np.int64))
        steps = graph.add("Div", number, module._place.astype(np.int64))
        steps = graph.add("Mod", steps, np.array(module.levels, np.int64))
        half = (np.array(module.levels, np.float32) - 1) / 2
        return _points(graph, graph.add("Cast", steps, to=1), half)  # FLOAT
    total = ""
    for i, layer in enumerate(module.layers):
        index = graph.add("Gather", codes, np.array(i, np.int64), axis=-1)
        y = graph.add("Gather", layer.codebook, index)
        total = graph.add("Add", total, y) if total else y
    return total


def _vectors(graph: Graph, module: Any, x: str, shape: Shape) -> str:
    return quantize(graph, module, x)[0]


QUANTIZERS: dict[type[Module], Emit] = {
    nn.FiniteScalarQuantizer: _vectors,
    nn.ResidualQuantizer: _vectors,
    nn.VectorQuantizer: _vectors,
}
