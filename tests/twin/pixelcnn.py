"""The gated PixelCNN once more in float64: k x k windows under a mask, logits of every position."""

import numpy as np

from .convolution import conv2d
from .gated import gated_tanh


def masked(layer, x, value):
    """A masked convolution as a whole window times a mask."""
    weight, k, c = value(layer.weight), layer.k, x.shape[-1]
    window = np.zeros((weight.shape[0], k, k, c))
    rows, columns = layer.kernel_size
    top = 0 if layer.direction == "vertical" else k // 2
    window[:, top : top + rows, :columns] = weight
    bias = None if layer.bias is None else value(layer.bias)
    return conv2d(x, window, bias, padding=k // 2)


def pointwise(layer, x, value):
    return x @ value(layer.weight)[:, 0, 0].T + value(layer.bias)


def context_maps(layer, codes, value):
    """What maps of codes (N, H, W, D) say at each position, (N, H, W, C)."""
    table = value(layer.embedding).reshape(layer.depth, layer.codebook_size, -1)
    x = sum(table[i, codes[..., i]] for i in range(layer.depth))
    found = x
    for conv in layer.layers.layers:
        found = np.maximum(conv2d(found, value(conv.weight), value(conv.bias), padding=1), 0)
    return x + found


def pixelcnn(model, codes, condition=None, value=None, context=None):
    """Return the logits (N, H, W, E); `value` maps a Parameter to its array."""
    value = value or (lambda p: p.value.astype(np.float64))
    turn = np.arange(codes.shape[2]) % model.depth  # which of a position's codes it is
    table = value(model.embedding).reshape(model.depth, model.codebook_size, -1)
    v = h = table[turn, codes]
    if context is not None:
        context = context_maps(model.context, context, value)
    for i, block in enumerate(model.blocks):
        for_v = for_h = None
        if condition is not None:
            for_v = condition @ value(block.vertical_condition.weight).T
            for_h = condition @ value(block.horizontal_condition.weight).T
        a = masked(block.vertical, v, value)
        if context is not None:
            said = context @ value(block.context.layers[0].weight)[:, 0, 0].T
            a = a + said.repeat(model.finer[0], axis=1).repeat(model.finer[1], axis=2)
        b = masked(block.horizontal, h, value) + pointwise(block.link, a, value)
        v, g = gated_tanh(a, for_v), gated_tanh(b, for_h)
        h = pointwise(block.out, g, value) + (h if i else 0)
    _, inner, last = model.head.layers
    hidden = np.maximum(pointwise(inner, np.maximum(h, 0), value), 0)
    return pointwise(last, hidden, value)
