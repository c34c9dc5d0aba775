"""Whole modules once more in float64, and their gradients by finite differences."""

from __future__ import annotations

import numpy as np
from aecore import nn

from .activation import activate
from .attention import attention
from .convolution import conv2d, conv_transpose2d
from .linear import linear
from .lstm import gru, lstm
from .pool import pixel_shuffle, pixel_unshuffle, upsample2d


def _linear(m, x, value, training):
    return linear(x, value(m.weight), value(m.bias), activation=m.activation)


def _tied_linear(m, x, value, training):
    return linear(x, value(m.weight).T, value(m.bias), activation=m.activation)


def _conv2d(m, x, value, training):
    options = {"stride": m.stride, "dilation": m.dilation, "groups": m.groups}
    padding = m.padding if len(m.padding) == 2 else (m.padding[:2], m.padding[2:])
    options |= {"padding": padding, "activation": m.activation}
    return conv2d(x, value(m.weight), value(m.bias), **options)


def _masked_conv2d(m, x, value, training):
    top, bottom, left, right = m.sides
    options = {"padding": ((top, bottom), (left, right)), "activation": m.activation}
    return conv2d(x, value(m.weight), value(m.bias), **options)


def _conv_transpose2d(m, x, value, training):
    options = {"stride": m.stride, "padding": m.padding, "dilation": m.dilation}
    options |= {"activation": m.activation}
    extra = m.output_padding
    return conv_transpose2d(x, value(m.weight), value(m.bias), output_padding=extra, **options)


def _conv1d(m, x, value, training):
    weight, (left, right) = value(m.weight)[:, None], m.padding
    options = {"stride": (1, m.stride), "dilation": (1, m.dilation), "groups": m.groups}
    options |= {"padding": ((0, 0), (left, right)), "activation": m.activation}
    return conv2d(x[:, None], weight, value(m.bias), **options)[:, 0]


def _conv_transpose1d(m, x, value, training):
    weight = value(m.weight)
    weight = (weight.transpose(2, 1, 0) if m.tied else weight)[:, None]
    options = {"stride": (1, m.stride), "padding": (0, m.padding), "dilation": (1, m.dilation)}
    options |= {"output_padding": (0, m.output_padding), "activation": m.activation}
    return conv_transpose2d(x[:, None], weight, value(m.bias), **options)[:, 0]


def _max_pool2d(m, x, value, training):
    (r, s), (sh, sw), (ph, pw) = m.kernel_size, m.stride, m.padding
    big = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(big, (r, s), (1, 2))
    return windows[:, ::sh, ::sw].max((-2, -1))


def _normalized(m, x, axes, value, mean=None, var=None):
    mean = x.mean(axes, keepdims=True) if mean is None else mean
    var = x.var(axes, keepdims=True) if var is None else var
    return (x - mean) / np.sqrt(var + m.eps)


def _affine(m, y, value):
    return y if m.weight is None else y * value(m.weight) + value(m.bias)


def _group_norm(m, x, value, training):
    groups = x.reshape(x.shape[0], -1, m.groups, x.shape[-1] // m.groups)
    return _affine(m, _normalized(m, groups, (1, 3), value).reshape(x.shape), value)


def _batch_norm(m, x, value, training):
    axes, running = tuple(range(x.ndim - 1)), ()
    if not training:
        running = [m.buffer(n).astype(np.float64) for n in ("running_mean", "running_var")]
    return _affine(m, _normalized(m, x, axes, value, *running), value)


def _dropout(m, x, value, training):
    assert not training or m.rate == 0, "noise has no twin here"
    return x


def _recurrent(m, x, value, training):
    function = lstm if isinstance(m, nn.LSTM) else gru
    if m.steps is not None:
        x = x[:, None].repeat(m.steps, 1)
    for layer in m.layers:
        runs = [
            function(
                x, value(one.weight_ih), value(one.weight_hh), value(one.bias), reverse=one.reverse
            )[:2]
            for one in layer
        ]
        x, h = (np.concatenate(parts, -1) for parts in zip(*runs, strict=True))
    return h if m.last else x


def _multi_head(m, x, value, training):
    n, t, width = x.shape
    qkv = evaluate(m.project, x.reshape(n * t, width), value)
    q, k, v = qkv.reshape(n, t, 3, m.heads, width // m.heads).transpose(2, 0, 1, 3, 4)
    return evaluate(m.out, attention(q, k, v).reshape(n * t, width), value).reshape(x.shape)


def _block(m, x, value, training):
    x = x + evaluate(m.attention, evaluate(m.norm1, x, value), value)
    rows = evaluate(m.norm2, x, value).reshape(-1, x.shape[-1])
    inner = activate(evaluate(m.linear1, rows, value), "gelu")
    return x + evaluate(m.linear2, inner, value).reshape(x.shape)


def _positions(m, x, value, training):
    return (x[:, None] if x.ndim == 2 else x) + value(m.weight)


def _each_step(m, x, value, training):
    y = evaluate(m.body, x.reshape(-1, *x.shape[2:]), value, training)
    return y.reshape(*x.shape[:2], *y.shape[1:])


def _sequential(m, x, value, training):
    for layer in m.layers:
        x = evaluate(layer, x, value, training)
    return x


def _view(m, x, value, training):
    return x.reshape(x.shape[0], *m.output_shape(x.shape[1:]))


def _tied_conv_transpose2d(m, x, value, training):
    options = {"stride": m.stride, "padding": m.padding, "dilation": m.dilation}
    options |= {"activation": m.activation}
    weight = value(m.weight).transpose(3, 1, 2, 0)
    extra = m.output_padding
    return conv_transpose2d(x, weight, value(m.bias), output_padding=extra, **options)


TWINS = {
    nn.Linear: _linear,
    nn.TiedLinear: _tied_linear,
    nn.Conv2d: _conv2d,
    nn.ConvTranspose2d: _conv_transpose2d,
    nn.MaskedConv2d: _masked_conv2d,
    nn.TiedConvTranspose2d: _tied_conv_transpose2d,
    nn.Conv1d: _conv1d,
    nn.ConvTranspose1d: _conv_transpose1d,
    nn.TiedConvTranspose1d: _conv_transpose1d,
    nn.Activation: lambda m, x, value, training: activate(x, m.kind),
    nn.MaxPool2d: _max_pool2d,
    nn.Upsample2d: lambda m, x, v, t: upsample2d(x, m.factor, mode=m.mode),
    nn.PixelShuffle: lambda m, x, v, t: pixel_shuffle(x, m.factor),
    nn.PixelUnshuffle: lambda m, x, v, t: pixel_unshuffle(x, m.factor),
    nn.LayerNorm: lambda m, x, v, t: _affine(m, _normalized(m, x, -1, v), v),
    nn.GroupNorm: _group_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.Dropout: _dropout,
    nn.Flatten: _view,
    nn.LSTM: _recurrent,
    nn.GRU: _recurrent,
    nn.Reshape: _view,
    nn.TimeDistributed: _each_step,
    nn.MeanPool1d: lambda m, x, v, t: x.mean(1),
    nn.MultiHeadAttention: _multi_head,
    nn.PositionalEmbedding: _positions,
    nn.TransformerBlock: _block,
    nn.Residual: lambda m, x, v, t: x + evaluate(m.body, x, v, t),
    nn.Sequential: _sequential,
}


def evaluate(module, x, value=None, training=False):
    """Return what the module makes of x, all in float64.

    `value` maps each Parameter (or None) to its array.
    """
    value = value or (lambda p: None if p is None else p.value.astype(np.float64))
    return TWINS[type(module)](module, np.asarray(x, np.float64), value, training)


def slopes(module, x, weight, rng, training=False, step=1e-7, directions=2):
    """Yield (name, direction, slope of (weight * y).sum() along it) for x and every parameter.

    By central differences, with steps so small that they hardly ever cross the kink of a relu. The
    name of x is None.
    """
    base = {id(p): p.value.astype(np.float64) for _, p in module.parameters()}
    x = np.asarray(x, np.float64)

    def total(x, changed=None, delta=0.0):
        def value(p):
            if p is None:
                return None
            return base[id(p)] + delta if p is changed else base[id(p)]

        return (weight * evaluate(module, x, value, training)).sum()

    for _ in range(directions):
        d = step * rng.standard_normal(x.shape)
        yield None, d / step, (total(x + d) - total(x - d)) / (2 * step)
        for name, p in module.parameters():
            d = step * rng.standard_normal(p.shape)
            yield name, d / step, (total(x, p, d) - total(x, p, -d)) / (2 * step)
