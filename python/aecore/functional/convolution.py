"""Convolution and transposed convolution of images, channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, flag, integer, like, maybe_like, pair, result

Pair = int | tuple[int, int]
Sides = tuple[int, int, int, int]  # top, bottom, left, right


def sides(padding: Any) -> Sides:
    """Return the padding that an integer, a pair of them or a pair of pairs stands for."""
    both = isinstance(padding, Sequence) and all(isinstance(p, Sequence) for p in padding)
    if not both:
        h, w = pair("padding", padding, 0)
        return h, h, w, w
    ends = [v for p in padding for v in p]
    if list(map(len, padding)) != [2, 2] or not all(isinstance(v, (int, np.integer)) for v in ends):
        raise TypeError(f"padding: expected integers, a pair for each axis, got {padding!r}")
    most = 2**31 - 1
    top, bottom, left, right = (integer("padding", v, -most, most) for v in ends)
    if min(top, left) < 0:
        raise ValueError(f"padding: expected at least 0 at the start of an axis, got {padding!r}")
    return top, bottom, left, right


def _reach(kernel: int, dilation: int) -> int:
    """Return over how many pixels a kernel reaches."""
    return (kernel - 1) * dilation + 1


def _geometry(x: Any, weight: Any, stride: Pair, padding: Pair) -> tuple[Any, ...]:
    """Return x's and the kernel's height and width, stride and padding as pairs."""
    array("x", x, 4), array("weight", weight, 4)
    return x.shape[1:3], weight.shape[1:3], pair("stride", stride, 1), pair("padding", padding, 0)


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Pair = 1,
    padding: Pair | tuple[Pair, Pair] = 0,
    dilation: Pair = 1,
    groups: int = 1,
    activation: str | None = None,
    winograd: bool = True,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Convolve images with a bank of kernels (cross-correlation, as all of this field does).

    .. math:: y_{npqk} = f\Big(b_k + \sum_{r,s,c}
            x_{n,\,p\cdot sh - ph + r\cdot dh,\,q\cdot sw - pw + s\cdot dw,\,c} \; w_{krsc}\Big)

    Parameters
    ----------
    x : ndarray of float32, shape (N, H, W, C)
        Images, channels last.
    weight : ndarray of float32, shape (K, R, S, C / groups)
        K kernels of R x S.
    bias : ndarray of float32, shape (K,), optional
    stride : int or (int, int)
        For height and width.
    padding : int, (int, int) or ((int, int), (int, int))
        For height and width, with zeros; a pair of pairs is the start and the end of each. At most
        what the kernel reaches over. At the end it may be negative: so many of the last rows or
        columns of x are left out.
    dilation : int or (int, int)
        dh and dw, pixels from tap to tap: the kernel reaches over (R - 1) dh + 1 rows.
    groups : int
        Of channels, a divisor of C and K: each group of outputs sees the group of inputs of the
        same number alone. With C groups of one channel it is a depthwise convolution.
    activation : str, optional
        Name of the function f; see `activation`.
    winograd : bool
        Whether fewer multiplications may do, where that is faster (Winograd 1980; Lavin and Gray
        2016): kernels of 3 at stride 1, of 4 at stride 2, and the like. Rounding errors are 3 to 5
        times as large then.
    out : ndarray of float32, shape (N, P, Q, K), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N, P, Q, K)
        :math:`P = \lfloor (H + ph + ph' - (R - 1) dh - 1) / sh \rfloor + 1`, with ph' for the end,
        and Q likewise; 0 where the kernel doesn't fit.

    Raises
    ------
    TypeError
        For an array of another dtype than float32.
    ValueError
        For arrays that aren't C-contiguous, shapes that don't agree, or sizes out of range.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    >>> F.conv2d(x, np.ones((1, 2, 2, 1), np.float32), stride=2)[0, :, :, 0]
    array([[10., 18.],
           [42., 50.]], dtype=float32)
    """
    pad = sides(padding)
    (h, w), (r, s), step, _ = _geometry(x, weight, stride, 0)
    apart, groups = pair("dilation", dilation, 1), integer("groups", groups, 1)
    p = max(0, (h + pad[0] + pad[1] - _reach(r, apart[0])) // step[0] + 1)
    q = max(0, (w + pad[2] + pad[3] - _reach(s, apart[1])) // step[1] + 1)
    out = result(out, (x.shape[0], p, q, weight.shape[0]))
    how = activation, step, pad, apart, groups, flag("winograd", winograd), None, None
    _core.conv2d(out, x, weight, bias, *how, runtime.current())
    return out


def conv2d_backward(
    grad: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Pair = 1,
    padding: Pair | tuple[Pair, Pair] = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Differentiate `conv2d` with respect to x, weight and bias.

    Parameters
    ----------
    grad : ndarray of float32, shape (N, P, Q, K)
        Gradient with respect to the value before the activation.
    x, weight, bias, stride, padding, dilation, groups
        What `conv2d` was given.

    Returns
    -------
    dx, dweight, dbias : ndarray
        Of the shapes of x, weight and bias; dbias is None if bias is.
    """
    pad = sides(padding)
    *_, step, _ = _geometry(x, weight, stride, 0)
    apart, groups = pair("dilation", dilation, 1), integer("groups", groups, 1)
    dx, dweight = like("x", x), like("weight", weight)
    dbias = maybe_like("bias", bias)
    how = None, step, pad, apart, groups, (False, False), runtime.current()
    _core.conv2d_backward(dx, dweight, dbias, grad, x, weight, *how)
    return dx, dweight, dbias


def _enlarged(
    x: Any, weight: Any, stride: Pair, padding: Pair, output_padding: Pair, dilation: Pair
) -> tuple[tuple[int, ...], tuple[Any, Any, Any, int]]:
    """Return the shape of what `conv_transpose2d` gives, and stride, padding, dilation, groups."""
    (h, w), (r, s), step, pad = _geometry(x, weight, stride, padding)
    extra, apart = pair("output_padding", output_padding, 0), pair("dilation", dilation, 1)
    if extra[0] >= step[0] or extra[1] >= step[1]:
        raise ValueError(f"output_padding: expected less than the stride {step}, got {extra}")
    p = (h - 1) * step[0] - 2 * pad[0] + _reach(r, apart[0]) + extra[0] if h else 0
    q = (w - 1) * step[1] - 2 * pad[1] + _reach(s, apart[1]) + extra[1] if w else 0
    return (x.shape[0], p, q, weight.shape[0]), (step, pad, apart, 1)


def _of_shape(name: str, value: Any, shape: tuple[int, ...]) -> None:
    """Check a shape, where the core takes that of any output padding."""
    if array(name, value).shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {value.shape}")


def conv_transpose2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    activation: str | None = None,
    winograd: bool = True,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Apply the transposed convolution, which enlarges images: `conv2d`'s gradient as a layer.

    Every pixel (h, w) of x adds :math:`x_{nhwc} w_{krsc}` to the pixels
    :math:`(h\cdot sh - ph + r\cdot dh,\; w\cdot sw - pw + s\cdot dw)` of channel k.

    Parameters
    ----------
    x : ndarray of float32, shape (N, H, W, C)
        Images, channels last.
    weight : ndarray of float32, shape (K, R, S, C)
        The same layout as `conv2d`'s: K output channels first.
    bias : ndarray of float32, shape (K,), optional
    stride, padding : int or (int, int)
    output_padding : int or (int, int)
        Rows and columns added at the end, less than the stride: which of the sizes that a
        convolution maps to H x W is wanted.
    dilation : int or (int, int)
        Pixels from tap to tap.
    activation : str, optional
    winograd : bool
        As `conv2d`'s.
    out : ndarray of float32, shape (N, P, Q, K), optional

    Returns
    -------
    ndarray of float32, shape (N, P, Q, K)
        :math:`P = (H - 1) sh - 2 ph + (R - 1) dh + 1 + oh`, and Q likewise.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> x = np.array([1, 2], np.float32).reshape(1, 1, 2, 1)
    >>> F.conv_transpose2d(x, np.ones((1, 1, 2, 1), np.float32), stride=(1, 2))[0, :, :, 0]
    array([[1., 1., 2., 2.]], dtype=float32)
    """
    shape, geometry = _enlarged(x, weight, stride, padding, output_padding, dilation)
    out = result(out, shape)
    _of_shape("out", out, shape)
    how = activation, *geometry, flag("winograd", winograd), None, None
    _core.conv_transpose2d(out, x, weight, bias, *how, runtime.current())
    return out


def conv_transpose2d_backward(
    grad: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Differentiate `conv_transpose2d` with respect to x, weight and bias.

    Parameters
    ----------
    grad : ndarray of float32, shape (N, P, Q, K)
        Gradient with respect to the value before the activation.
    x, weight, bias, stride, padding, output_padding, dilation
        What `conv_transpose2d` was given.

    Returns
    -------
    dx, dweight, dbias : ndarray
        Of the shapes of x, weight and bias; dbias is None if bias is.
    """
    shape, geometry = _enlarged(x, weight, stride, padding, output_padding, dilation)
    _of_shape("grad", grad, shape)
    dx, dweight = like("x", x), like("weight", weight)
    dbias = maybe_like("bias", bias)
    how = None, *geometry, (False, False), runtime.current()
    _core.conv_transpose2d_backward(dx, dweight, dbias, grad, x, weight, *how)
    return dx, dweight, dbias
