"""Twins of the convolutions: one tap of the kernel at a time."""

import numpy as np

from .activation import activate


def _pair(v):
    return (v, v) if np.ndim(v) == 0 else v


def _sides(v):
    """Return the padding at the start and at the end of each axis."""
    return tuple(_pair(one) for one in _pair(v))


def _taps(weight, small, stride, dilation=(1, 1)):
    """Yield (r, s, rows and columns of the padded big image that tap (r, s) meets)."""
    (sh, sw), (p, q), (dh, dw) = stride, small, dilation
    for r in range(weight.shape[1]):
        for s in range(weight.shape[2]):
            yield r, s, slice(r * dh, r * dh + p * sh, sh), slice(s * dw, s * dw + q * sw, sw)


def _pad(shape, weight, small, stride, padding, dilation=(1, 1)):
    """Return a zero image with its border, large enough for every tap."""
    n, h, w, c = shape
    rows = max(h + 2 * padding[0], small[0] * stride[0] + weight.shape[1] * dilation[0])
    cols = max(w + 2 * padding[1], small[1] * stride[1] + weight.shape[2] * dilation[1])
    return np.zeros((n, rows, cols, c))


def _dense(weight, groups):
    """Return the weight (K, R, S, C) without groups, zeros where a channel isn't seen."""
    k, r, s, c = weight.shape
    whole = np.zeros((k, r, s, c * groups))
    for g in range(groups):
        out = slice(g * k // groups, (g + 1) * k // groups)
        whole[out, ..., g * c : (g + 1) * c] = weight[out]
    return whole


def _of_groups(whole, groups):
    """Return what `_dense` was given of a gradient of its result."""
    k, c = whole.shape[0] // groups, whole.shape[-1] // groups
    parts = [whole[g * k : (g + 1) * k, ..., g * c : (g + 1) * c] for g in range(groups)]
    return np.concatenate(parts)


def _inside(shape, padding):
    rows = slice(padding[0], padding[0] + shape[1])
    return slice(None), rows, slice(padding[1], padding[1] + shape[2])


def conv2d(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1, activation=None):
    stride, dilation, (high, wide) = _pair(stride), _pair(dilation), _sides(padding)
    padding, weight = (high[0], wide[0]), _dense(weight, groups)
    r, s = ((n - 1) * d + 1 for n, d in zip(weight.shape[1:3], dilation, strict=True))
    p = max(0, (x.shape[1] + sum(high) - r) // stride[0] + 1)
    q = max(0, (x.shape[2] + sum(wide) - s) // stride[1] + 1)
    big = _pad(x.shape, weight, (p, q), stride, padding, dilation)
    big[_inside(x.shape, padding)] = x
    y = np.zeros((x.shape[0], p, q, weight.shape[0]))
    for r, s, rows, cols in _taps(weight, (p, q), stride, dilation):
        y += big[:, rows, cols] @ weight[:, r, s].T
    return activate(y if bias is None else y + bias, activation)


def conv2d_backward(grad, x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    stride, dilation, (high, wide) = _pair(stride), _pair(dilation), _sides(padding)
    padding, small, weight = (high[0], wide[0]), grad.shape[1:3], _dense(weight, groups)
    big = _pad(x.shape, weight, small, stride, padding, dilation)
    dbig, dweight = np.zeros_like(big), np.zeros_like(weight)
    big[_inside(x.shape, padding)] = x
    for r, s, rows, cols in _taps(weight, small, stride, dilation):
        dbig[:, rows, cols] += grad @ weight[:, r, s]
        dweight[:, r, s] = np.einsum("npqk,npqc->kc", grad, big[:, rows, cols])
    dx, dweight = dbig[_inside(x.shape, padding)], _of_groups(dweight, groups)
    return dx, dweight, None if bias is None else grad.sum((0, 1, 2))


def conv_transpose2d(
    x, weight, bias=None, *, stride=1, padding=0, output_padding=0, dilation=1, activation=None
):
    stride, padding, extra = _pair(stride), _pair(padding), _pair(output_padding)
    dilation, (n, h, w, _) = _pair(dilation), x.shape
    r, s = ((n - 1) * d + 1 for n, d in zip(weight.shape[1:3], dilation, strict=True))
    p = (h - 1) * stride[0] - 2 * padding[0] + r + extra[0] if h else 0
    q = (w - 1) * stride[1] - 2 * padding[1] + s + extra[1] if w else 0
    shape = (n, p, q, weight.shape[0])
    big = _pad(shape, weight, (h, w), stride, padding, dilation)
    for r, s, rows, cols in _taps(weight, (h, w), stride, dilation):
        big[:, rows, cols] += x @ weight[:, r, s].T
    y = big[_inside(shape, padding)]
    return activate(y if bias is None else y + bias, activation)


def conv_transpose2d_backward(
    grad, x, weight, bias=None, *, stride=1, padding=0, output_padding=0, dilation=1
):
    stride, padding, dilation = _pair(stride), _pair(padding), _pair(dilation)
    small = x.shape[1:3]
    big = _pad(grad.shape, weight, small, stride, padding, dilation)
    big[_inside(grad.shape, padding)] = grad
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for r, s, rows, cols in _taps(weight, small, stride, dilation):
        dx += big[:, rows, cols] @ weight[:, r, s]
        dweight[:, r, s] = np.einsum("nhwk,nhwc->kc", big[:, rows, cols], x)
    return dx, dweight, None if bias is None else grad.sum((0, 1, 2))
