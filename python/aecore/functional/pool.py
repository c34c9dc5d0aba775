"""Max pooling and upsampling of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, flag, pair, result

Pair = int | tuple[int, int]
Geometry = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def _pooled(
    x: np.ndarray, kernel_size: Pair, stride: Pair | None, padding: Pair
) -> tuple[tuple[int, ...], Geometry]:
    """Return the shape of the pooled images, and kernel, stride and padding as pairs."""
    kernel = pair("kernel_size", kernel_size, 1)
    steps = kernel if stride is None else pair("stride", stride, 1)
    pads = pair("padding", padding, 0)
    n, h, w, c = array("x", x, 4).shape
    p, q = (
        max(0, (size + 2 * pad - k) // step + 1)
        for size, k, step, pad in zip((h, w), kernel, steps, pads, strict=True)
    )
    return (n, p, q, c), (kernel, steps, pads)


def max_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    out: np.ndarray | None = None,
    return_index: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    r"""Take the largest value in each window of each channel.

    .. math:: y_{npqc} = \max_{r < R,\, s < S} x_{n,\,p\cdot sh - ph + r,\,q\cdot sw - pw + s,\,c}

    NaN counts as larger than any number. The padding never wins.

    Parameters
    ----------
    x : ndarray of float32, shape (N, H, W, C)
        Images, channels last.
    kernel_size : int or (int, int)
        R and S, the height and width of a window.
    stride : int or (int, int), optional
        From window to window; the window's size if None.
    padding : int or (int, int)
        Rows and columns on each side, less than the window's.
    out : ndarray of float32, shape (N, P, Q, C), optional
        Where to write the maxima.
    return_index : bool
        Whether to return the positions of the maxima too.

    Returns
    -------
    y : ndarray of float32, shape (N, P, Q, C)
        :math:`P = \lfloor (H + 2 ph - R) / sh \rfloor + 1`, and Q likewise; 0 where the window
        doesn't fit.
    index : ndarray of int32, shape (N, P, Q, C)
        If asked for: :math:`h W + w` of each maximum, of the first one if values are equal.

    Raises
    ------
    TypeError
        For an array of another dtype than float32.
    ValueError
        For images without pixels, and sizes or layouts that don't fit.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    >>> F.max_pool2d(x, 2)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """
    shape, geometry = _pooled(x, kernel_size, stride, padding)
    wanted = flag("return_index", return_index)
    out, index = result(out, shape), result(None, shape, np.int32)
    _core.max_pool2d(out, index, x, *geometry, runtime.current())
    return (out, index) if wanted else out


def max_pool2d_backward(
    grad: np.ndarray,
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    index: np.ndarray | None = None,
) -> np.ndarray:
    """Differentiate `max_pool2d`: each gradient goes to where its maximum was.

    Parameters
    ----------
    grad : ndarray of float32, shape (N, P, Q, C)
        Gradient with respect to the maxima.
    x, kernel_size, stride, padding
        What `max_pool2d` was given.
    index : ndarray of int32, shape (N, P, Q, C), optional
        What it returned with ``return_index=True``; computed once more if None.

    Returns
    -------
    ndarray of float32, shape (N, H, W, C)
    """
    shape, geometry = _pooled(x, kernel_size, stride, padding)
    ws, dx = runtime.current(), np.empty(x.shape, np.float32)
    if index is None:
        index = result(None, shape, np.int32)
        _core.max_pool2d(result(None, shape), index, x, *geometry, ws)
    _core.max_pool2d_backward(dx, grad, index, *geometry, ws)
    return dx


def upsample2d(
    x: np.ndarray, factor: Pair = 2, *, mode: str = "nearest", out: np.ndarray | None = None
) -> np.ndarray:
    r"""Enlarge images by whole factors: every pixel becomes a block of equal ones, or smoothly.

    .. math:: y_{n,\; h R + r,\; w S + s,\; c} = x_{nhwc}

    Bilinear values lie between the four pixels whose centres are nearest, that of row p at
    :math:`(p + 1/2) / R - 1/2` of x, and those of the border go on outwards, as PyTorch has it with
    ``align_corners=False``.

    Parameters
    ----------
    x : ndarray of float32, shape (N, H, W, C)
        Images, channels last.
    factor : int or (int, int)
        R and S, the height and width of a block.
    mode : {"nearest", "bilinear"}
    out : ndarray of float32, shape (N, H * R, W * S, C), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N, H * R, W * S, C)

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> x = np.array([1, 2], np.float32).reshape(1, 1, 2, 1)
    >>> F.upsample2d(x, 2)[0, :, :, 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]], dtype=float32)
    >>> F.upsample2d(x, (1, 2), mode="bilinear")[0, :, :, 0]
    array([[1.  , 1.25, 1.75, 2.  ]], dtype=float32)
    """
    r, s = pair("factor", factor, 1)
    n, h, w, c = array("x", x, 4).shape
    out = result(out, (n, h * r, w * s, c))
    _core.upsample2d(out, x, (r, s), is_bilinear(mode), runtime.current())
    return out


def is_bilinear(mode: Any) -> bool:
    """Return whether a mode of `upsample2d` is the smooth one."""
    if not isinstance(mode, str) or mode not in ("nearest", "bilinear"):
        raise ValueError(f'mode: expected "nearest" or "bilinear", got {mode!r}')
    return mode == "bilinear"


def upsample2d_backward(
    grad: np.ndarray, x: np.ndarray, factor: Pair = 2, *, mode: str = "nearest"
) -> np.ndarray:
    """Differentiate `upsample2d`: sums over the blocks, or over what lies around.

    Parameters
    ----------
    grad : ndarray of float32, shape (N, H * R, W * S, C)
        Gradient with respect to the result.
    x, factor, mode
        What `upsample2d` was given; of x only the shape counts.

    Returns
    -------
    ndarray of float32, shape (N, H, W, C)
    """
    dx = np.empty(array("x", x, 4).shape, np.float32)
    factor = pair("factor", factor, 1)
    _core.upsample2d_backward(dx, grad, factor, is_bilinear(mode), runtime.current())
    return dx
