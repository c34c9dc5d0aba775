"""A fitted autoencoder as an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .channels_first import layers

OPSET, IR_VERSION = 17, 8
KINDS = {"Linear": "Gemm", "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}


def _attributes(layer: Any) -> dict[str, Any]:
    if layer.kind == "Linear":
        return {"transB": 1}
    if not layer.kind.startswith("Conv"):
        return {}
    o = layer.options
    found = {"kernel_shape": o["kernel_size"], "strides": o["stride"], "pads": o["padding"] * 2}
    if "output_padding" in o:
        found["output_padding"] = o["output_padding"]
    return found


def export(model: Any, what: str) -> bytes:
    """Return the ONNX file of a fitted model's `encode` or `reconstruct`."""
    nodes, weights, last = [], [], "x"
    for i, layer in enumerate(layers(model, what)):
        values = [v for v in (layer.weight, layer.bias) if v is not None]
        if layer.kind == "Reshape":
            values = [np.array([-1, *layer.options["shape"]], np.int64)]
        names = [f"w{len(weights) + j}" for j in range(len(values))]
        weights += map(numpy_helper.from_array, values, names)
        kind = KINDS.get(layer.kind, layer.kind)
        nodes.append(helper.make_node(kind, [last, *names], [f"y{i}"], **_attributes(layer)))
        last = f"y{i}"
    shape = model._network.input_shape
    if len(shape) == 3:
        shape = (shape[2], *shape[:2])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])
    outputs = [model.latent_dim] if what == "encode" else shape
    y = helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", *outputs])
    graph = helper.make_graph(nodes, "autoencoder", [x], [y], weights)
    opset = [helper.make_opsetid("", OPSET)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
    onnx.checker.check_model(made)
    return made.SerializeToString()
