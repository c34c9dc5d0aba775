"""A fitted autoencoder as a PyTorch module with the same weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .channels_first import Layer, layers

PLAIN = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "Flatten": nn.Flatten}


def _module(layer: Layer) -> nn.Module:
    if layer.kind in PLAIN:
        return PLAIN[layer.kind]()
    if layer.kind == "Reshape":
        return nn.Unflatten(1, layer.options["shape"])
    made: Any
    bias = layer.bias is not None
    if layer.kind == "Linear":
        made = nn.Linear(*layer.weight.shape[::-1])
    elif layer.kind == "Conv":
        outputs, inputs = layer.weight.shape[:2]
        made = nn.Conv2d(inputs, outputs, bias=bias, **layer.options)
    else:
        inputs, outputs = layer.weight.shape[:2]
        made = nn.ConvTranspose2d(inputs, outputs, bias=bias, **layer.options)
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(layer.weight))
        if bias:
            made.bias.copy_(torch.from_numpy(layer.bias))
    return made


def module(model: Any, what: str) -> nn.Module:
    """Return the module of a fitted model's `encode` or `reconstruct`."""
    return nn.Sequential(*map(_module, layers(model, what))).eval()
