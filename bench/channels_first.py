"""The layers of a fitted autoencoder as libraries whose images are channels first have them.

Nothing needs to be transposed when it runs: what order a flattened image has is put into the
weights of the linear layer next to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Layer:
    """A layer: Linear, Conv, ConvTranspose, Flatten, Reshape or an activation."""

    kind: str
    weight: Any = None
    bias: Any = None
    options: dict[str, Any] = field(default_factory=dict)


def _linear(layer: Any, before: Any, after: Any) -> Layer:
    """Return a linear layer whose input was, or whose output will be, an image of that shape."""
    w, b = layer.weight.value, layer.bias.value
    if before:
        w = w.reshape(-1, *before).transpose(0, 3, 1, 2).reshape(w.shape)
    if after:
        w = w.reshape(*after, -1).transpose(2, 0, 1, 3).reshape(w.shape)
        b = b.reshape(after).transpose(2, 0, 1).ravel()
    return Layer("Linear", np.ascontiguousarray(w), np.ascontiguousarray(b))


def _convolution(layer: Any, transposed: bool) -> Layer:
    w = layer.weight.value.transpose((3, 0, 1, 2) if transposed else (0, 3, 1, 2))
    options = {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding")}
    if transposed:
        options["output_padding"] = layer.output_padding
    bias = None if layer.bias is None else layer.bias.value
    kind = "ConvTranspose" if transposed else "Conv"
    return Layer(kind, np.ascontiguousarray(w), bias, options)


def _chain(modules: Any, shape: tuple[int, ...]) -> Iterator[Layer]:
    """Yield the layers of a chain for samples of a shape, channels last as the modules know it."""
    flattened: tuple[int, ...] | None = None
    for i, module in enumerate(modules):
        kind = type(module).__name__
        if kind == "Linear":
            following = modules[i + 1] if i + 1 < len(modules) else None
            after = following.shape if type(following).__name__ == "Reshape" else None
            yield _linear(module, flattened, after)
            flattened = None
        elif kind in ("Conv2d", "ConvTranspose2d"):
            yield _convolution(module, kind == "ConvTranspose2d")
        elif kind == "Flatten":
            flattened = shape if len(shape) == 3 else None
            yield Layer("Flatten")
        elif kind == "Reshape":
            h, w, c = module.shape
            yield Layer("Reshape", options={"shape": (c, h, w)})
        else:
            raise TypeError(f"{kind} has no counterpart here")
        if getattr(module, "activation", None):
            yield Layer(module.activation)
        shape = module.output_shape(shape)


def layers(model: Any, what: str) -> list[Layer]:
    """Return the layers of a fitted model's `encode` or `reconstruct`."""
    network = model._network
    shape = network.input_shape
    found = list(_chain(network.encoder.layers, shape))
    if what == "reconstruct":
        found += _chain(network.decoder.layers, network.encoder.output_shape(shape))
        if model.loss == "bce":
            found.append(Layer("sigmoid"))
    return found
