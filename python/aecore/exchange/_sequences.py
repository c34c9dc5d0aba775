"""Layers over the steps of sequences as ONNX nodes: see `_layers`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..nn.module import Module, Shape
from ._graph import Body, Emit, Graph
from ._layers import activate, biased

GATES = (0, 3, 1, 2)  # ONNX has i, o, f and g where aecore has i, f, g and o


def link(graph: Graph, kind: str | None, x: str) -> str:
    """Append what turns a decoder's output into data: "sigmoid", "softmax" or None."""
    return graph.add("Softmax", x, axis=-1) if kind == "softmax" else activate(graph, kind, x)


def _each_step(graph: Graph, module: nn.EachStep, x: str, shape: Shape) -> str:
    rows = graph.reshape(x, -1, *shape[1:])
    y = graph.layer(module.body, rows, shape[1:])
    return graph.reshape(y, -1, shape[0], *module.body.output_shape(shape[1:]))


def _positions(graph: Graph, module: nn.Positions, x: str, shape: Shape) -> str:
    if len(shape) == 1:
        x = graph.add("Unsqueeze", x, np.array([1], np.int64))
    return graph.add("Add", x, module.weight.value)


def _mean_steps(graph: Graph, module: nn.MeanSteps, x: str, shape: Shape) -> str:
    if not graph.lengths:
        return graph.add("ReduceMean", x, axes=[1], keepdims=0)
    there = graph.add("Cast", graph.there(shape[0]), to=1)  # FLOAT
    there = graph.add("Unsqueeze", there, np.array([2], np.int64))
    total = graph.add("ReduceSum", graph.add("Mul", x, there), np.array([1], np.int64), keepdims=0)
    return graph.add("Div", total, graph.column(graph.add("Cast", graph.lengths, to=1)))


# ---- recurrent ----------------------------------------------------------------------------------


def _weights(passes: list[Any]) -> list[np.ndarray]:
    """Return a layer's W (D, 4H, I), R (D, 4H, H) and B (D, 8H), for D directions."""

    def turned(w: np.ndarray) -> np.ndarray:
        return np.concatenate([np.split(w, 4)[gate] for gate in GATES])

    w, r, b = (
        np.stack([turned(getattr(one, name).value) for one in passes])
        for name in ("weight_ih", "weight_hh", "bias")
    )
    return [w, r, np.concatenate([b, np.zeros_like(b)], 1)]


def _direction(layer: nn.LSTM) -> str:
    if layer.bidirectional:
        return "bidirectional"
    return "reverse" if layer.reverse else "forward"


def _lstm(graph: Graph, module: nn.LSTM, x: str, shape: Shape) -> str:
    if module.steps is None:
        x = graph.add("Transpose", x, perm=[1, 0, 2])
    else:
        x = graph.add("Unsqueeze", x, np.array([0], np.int64))
        x = graph.add("Expand", x, np.array([module.steps, 1, 1], np.int64))
    options: dict[str, Any] = {"hidden_size": module.units, "direction": _direction(module)}
    lengths = [graph.add("Cast", graph.lengths, to=6)] if graph.lengths else []  # INT32
    h = x
    for passes in module.layers:  # sequences are (T, N, I) here, outputs (T, D, N, H)
        y, h = graph.several(2, "LSTM", x, *_weights(passes), *lengths, **options)
        x = graph.reshape(graph.add("Transpose", y, perm=[0, 2, 1, 3]), 0, 0, module.width)
    if module.last:
        return graph.reshape(graph.add("Transpose", h, perm=[1, 0, 2]), 0, module.width)
    return graph.add("Transpose", x, perm=[1, 0, 2])


def _fed_back(graph: Graph, module: nn.FedBack, x: str, shape: Shape) -> str:
    """Append a loop whose state is the LSTM's and the step before."""
    if module.lstm.reverse and len(shape) == 2:
        x = _turned(graph, x, shape)
    if len(shape) == 1:
        x = graph.add("Unsqueeze", x, np.array([0], np.int64))
        x = graph.add("Expand", x, np.array([module.steps, 1, 1], np.int64))
    else:
        x = graph.add("Transpose", x, perm=[1, 0, 2])
    body = _one_step(graph, module)
    n = graph.add("Slice", graph.add("Shape", x), *(np.array([v], np.int64) for v in (1, 2)))
    states = []
    for _, (_, *form) in body.inputs[:-1]:
        sizes = [n if size == "n" else np.array([size], np.int64) for size in form]
        states.append(graph.add("ConstantOfShape", graph.add("Concat", *sizes, axis=0)))
    outputs = len(states) + 1
    *_, steps = graph.several(outputs, "Scan", *states, x, num_scan_inputs=1, body=body)
    y = graph.add("Transpose", steps, perm=[1, 0, 2])
    return _turned(graph, y, (module.steps, module.features)) if module.lstm.reverse else y


def _turned(graph: Graph, x: str, shape: Shape) -> str:
    """Return sequences (N, T, C) from their own last step to the first; the rest stays behind."""
    steps, width = shape
    if not graph.lengths:
        from_to = (-1, -steps - 1, 1, -1)  # start, end, axis and step
        return graph.add("Slice", x, *(np.array([v], np.int64) for v in from_to))
    last = graph.column(graph.add("Sub", graph.lengths, np.int64(1)))
    places = graph.add("Mod", graph.add("Sub", last, np.arange(steps)), np.int64(steps))
    places = graph.add("Unsqueeze", places, np.array([2], np.int64))
    places = graph.add("Expand", places, np.array([1, 1, width], np.int64))
    return graph.add("GatherElements", x, places, axis=1)


def _one_step(graph: Graph, module: nn.FedBack) -> Body:
    """Return the graph from states, step before and code to states, step as data and step."""
    inner, units = Graph(graph.table, graph), module.lstm.units
    before, code = inner.name(), inner.name()
    inputs, outputs = [], []
    state = ["FLOAT", 1, "n", units]
    x = inner.add("Concat", code, before, axis=-1)
    for passes in module.lstm.layers:
        h, c = inner.name(), inner.name()
        sequence = inner.add("Unsqueeze", x, np.array([0], np.int64))
        w, r, b = _weights(passes)
        _, *after = inner.several(3, "LSTM", sequence, w, r, b, "", h, c, hidden_size=units)
        inputs += [(h, state), (c, state)]
        outputs += [(name, state) for name in after]
        x = inner.reshape(after[0], -1, units)
    step = inner.layer(module.out, x, (units,))
    data = inner.add("Identity", link(inner, module.link, step))
    form = ["FLOAT", "n", module.features]
    inputs += [(before, form), (code, ["FLOAT", "n", module.codes])]
    return Body(inner, inputs, [*outputs, (data, form), (step, form)])


# ---- attention ----------------------------------------------------------------------------------


def _attention(graph: Graph, module: nn.MultiHeadAttention, x: str, shape: Shape) -> str:
    (t, width), heads = shape, module.heads
    d = width // heads
    qkv = graph.layer(module.project, graph.reshape(x, -1, width), (width,))
    qkv = graph.reshape(qkv, -1, t, 3, heads, d)
    q, k, v = (
        graph.add("Gather", qkv, np.array(i, np.int64), axis=2) for i in range(3)
    )  # (N, T, H, D)
    q, v = (graph.add("Transpose", part, perm=[0, 2, 1, 3]) for part in (q, v))
    k = graph.add("Transpose", k, perm=[0, 2, 3, 1])
    scores = graph.add("MatMul", graph.add("Mul", q, np.float32(d**-0.5)), k)
    if graph.lengths:
        there = graph.add("Unsqueeze", graph.there(t), np.array([1, 2], np.int64))
        scores = graph.add("Where", there, scores, np.float32(-np.inf))
    found = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), v)
    rows = graph.reshape(graph.add("Transpose", found, perm=[0, 2, 1, 3]), -1, width)
    return graph.reshape(graph.layer(module.out, rows, (width,)), -1, t, width)


def _block(graph: Graph, module: nn.TransformerBlock, x: str, shape: Shape) -> str:
    found = graph.layer(module.attention, graph.layer(module.norm1, x, shape), shape)
    h = graph.add("Add", x, found)
    y = graph.layer(module.norm2, h, shape)
    for layer, kind in ((module.linear1, "gelu"), (module.linear2, None)):
        y = graph.add("MatMul", y, layer.weight.value.T)
        for bias in biased(layer):
            y = graph.add("Add", y, bias)
        y = activate(graph, kind, y)
    return graph.add("Add", h, y)


SEQUENCES: dict[type[Module], Emit] = {
    nn.EachStep: _each_step,
    nn.FedBack: _fed_back,
    nn.LSTM: _lstm,
    nn.MeanSteps: _mean_steps,
    nn.MultiHeadAttention: _attention,
    nn.Positions: _positions,
    nn.TransformerBlock: _block,
}
