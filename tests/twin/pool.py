"""Twins of pooling and upsampling, window by window."""

import numpy as np


def _pair(value):
    return (value, value) if np.ndim(value) == 0 else value


def _counts(x, kernel_size, stride, padding):
    """Return how many windows there are, from top to bottom and from left to right."""
    kernel, pads = _pair(kernel_size), _pair(padding)
    steps = kernel if stride is None else _pair(stride)
    return [
        max(0, (n + 2 * pad - k) // s + 1)
        for n, k, s, pad in zip(x.shape[1:3], kernel, steps, pads, strict=True)
    ]


def _windows(x, kernel_size, stride, padding):
    """Yield (p, q, slice of rows, slice of columns), cut where the image ends."""
    kernel, pads = _pair(kernel_size), _pair(padding)
    steps = kernel if stride is None else _pair(stride)
    counts = _counts(x, kernel_size, stride, padding)
    for p in range(counts[0]):
        for q in range(counts[1]):
            at = (p * steps[0] - pads[0], q * steps[1] - pads[1])
            yield p, q, *(slice(max(0, a), a + k) for a, k in zip(at, kernel, strict=True))


def max_pool2d(x, kernel_size, *, stride=None, padding=0, return_index=False):
    n, _, width, c = x.shape
    shape = (n, *_counts(x, kernel_size, stride, padding), c)
    y, index = np.zeros(shape), np.zeros(shape, np.int32)
    for p, q, rows, columns in _windows(x, kernel_size, stride, padding):
        block = x[:, rows, columns]
        first = block.reshape(n, -1, c).argmax(1) if n and c else np.zeros((n, c), int)
        h, w = np.divmod(first, block.shape[2])
        y[:, p, q] = block.max((1, 2)) if n and c else 0
        index[:, p, q] = (h + rows.start) * width + w + columns.start
    return (y, index) if return_index else y


def max_pool2d_backward(grad, x, kernel_size, *, stride=None, padding=0):
    n, h, w, c = x.shape
    index = max_pool2d(x, kernel_size, stride=stride, padding=padding, return_index=True)[1]
    dx = np.zeros((n, h * w, c))
    at = np.arange(n)[:, None, None, None], index, np.arange(c)
    np.add.at(dx, at, grad)
    return dx.reshape(x.shape)


def _between(size, factor):
    """Return (size * factor, size): how much each new pixel has of the old ones of an axis."""
    found = np.zeros((size * factor, size))
    for i in range(size * factor):
        at = min(max((i + 0.5) / factor - 0.5, 0), size - 1)
        first = int(at)
        found[i, first] += 1 - (at - first)
        found[i, min(first + 1, size - 1)] += at - first
    return found


def upsample2d(x, factor=2, *, mode="nearest"):
    r, s = _pair(factor)
    if mode == "bilinear":
        rows, cols = _between(x.shape[1], r), _between(x.shape[2], s)
        return np.einsum("ph,qw,nhwc->npqc", rows, cols, x, optimize=True)
    return x.repeat(r, 1).repeat(s, 2)


def upsample2d_backward(grad, x, factor=2, *, mode="nearest"):
    n, h, w, c = x.shape
    r, s = _pair(factor)
    if mode == "bilinear":
        rows, cols = _between(h, r), _between(w, s)
        return np.einsum("ph,qw,npqc->nhwc", rows, cols, grad, optimize=True)
    return grad.reshape(n, h, r, w, s, c).sum((2, 4))


def pixel_shuffle(x, r):
    n, h, w, c = x.shape
    y = np.zeros((n, h * r, w * r, c // r**2), x.dtype)
    for i in range(r):
        for j in range(r):
            y[:, i::r, j::r] = x[..., i * r + j :: r * r]
    return y


def pixel_unshuffle(x, r):
    n, h, w, c = x.shape
    y = np.zeros((n, h // r, w // r, c * r**2), x.dtype)
    for i in range(r):
        for j in range(r):
            y[..., i * r + j :: r * r] = x[:, i::r, j::r]
    return y
