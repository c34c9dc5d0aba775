"""Twins of the convolutions: one tap of the kernel at a time."""

import numpy as np

from .activation import activate


def _pair(v):
    return (v, v) if np.ndim(v) == 0 else v


def _sides(v):
    """Return the padding at the start and at the end of each axis."""
    return tuple(_pair(one) for one in _pair(v))


def _taps(shape, weight, small, stride, padding):
    """Yield (r, s, rows and columns of the padded big image that tap (r, s) meets)."""
    (sh, sw), (p, q) = stride, small
    for r in range(weight.shape[1]):
        for s in range(weight.shape[2]):
            yield r, s, slice(r, r + p * sh, sh), slice(s, s + q * sw, sw)


def _pad(shape, weight, small, stride, padding):
    """Return a zero image with its border, large enough for every tap."""
    n, h, w, c = shape
    rows = max(h + 2 * padding[0], small[0] * stride[0] + weight.shape[1])
    cols = max(w + 2 * padding[1], small[1] * stride[1] + weight.shape[2])
    return np.zeros((n, rows, cols, c))


def _inside(shape, padding):
    rows = slice(padding[0], padding[0] + shape[1])
    return slice(None), rows, slice(padding[1], padding[1] + shape[2])


def conv2d(x, weight, bias=None, *, stride=1, padding=0, activation=None):
    stride, (high, wide) = _pair(stride), _sides(padding)
    padding = high[0], wide[0]
    p = max(0, (x.shape[1] + sum(high) - weight.shape[1]) // stride[0] + 1)
    q = max(0, (x.shape[2] + sum(wide) - weight.shape[2]) // stride[1] + 1)
    big = _pad(x.shape, weight, (p, q), stride, padding)
    big[_inside(x.shape, padding)] = x
    y = np.zeros((x.shape[0], p, q, weight.shape[0]))
    for r, s, rows, cols in _taps(x.shape, weight, (p, q), stride, padding):
        y += big[:, rows, cols] @ weight[:, r, s].T
    return activate(y if bias is None else y + bias, activation)


def conv2d_backward(grad, x, weight, bias=None, *, stride=1, padding=0):
    stride, (high, wide) = _pair(stride), _sides(padding)
    padding, small = (high[0], wide[0]), grad.shape[1:3]
    big = _pad(x.shape, weight, small, stride, padding)
    dbig, dweight = np.zeros_like(big), np.zeros_like(weight)
    big[_inside(x.shape, padding)] = x
    for r, s, rows, cols in _taps(x.shape, weight, small, stride, padding):
        dbig[:, rows, cols] += grad @ weight[:, r, s]
        dweight[:, r, s] = np.einsum("npqk,npqc->kc", grad, big[:, rows, cols])
    dx = dbig[_inside(x.shape, padding)]
    return dx, dweight, None if bias is None else grad.sum((0, 1, 2))


def conv_transpose2d(
    x, weight, bias=None, *, stride=1, padding=0, output_padding=0, activation=None
):
    stride, padding, extra = _pair(stride), _pair(padding), _pair(output_padding)
    n, h, w, _ = x.shape
    p = (h - 1) * stride[0] - 2 * padding[0] + weight.shape[1] + extra[0] if h else 0
    q = (w - 1) * stride[1] - 2 * padding[1] + weight.shape[2] + extra[1] if w else 0
    shape = (n, p, q, weight.shape[0])
    big = _pad(shape, weight, (h, w), stride, padding)
    for r, s, rows, cols in _taps(shape, weight, (h, w), stride, padding):
        big[:, rows, cols] += x @ weight[:, r, s].T
    y = big[_inside(shape, padding)]
    return activate(y if bias is None else y + bias, activation)


def conv_transpose2d_backward(grad, x, weight, bias=None, *, stride=1, padding=0, output_padding=0):
    stride, padding = _pair(stride), _pair(padding)
    small = x.shape[1:3]
    big = _pad(grad.shape, weight, small, stride, padding)
    big[_inside(grad.shape, padding)] = grad
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for r, s, rows, cols in _taps(grad.shape, weight, small, stride, padding):
        dx += big[:, rows, cols] @ weight[:, r, s]
        dweight[:, r, s] = np.einsum("nhwk,nhwc->kc", big[:, rows, cols], x)
    return dx, dweight, None if bias is None else grad.sum((0, 1, 2))
