"""The gated unit of PixelCNN."""

from __future__ import annotations

import math

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, like, maybe_like, result, view


def _positions(name: str, value: np.ndarray) -> np.ndarray:
    """View an array (N, ..., C) as (N, T, C)."""
    if array(name, value).ndim < 2:
        raise ValueError(f"{name}: expected samples with channels (N, ..., C), got {value.shape}")
    n, *middle, c = value.shape
    return view(name, value, (n, math.prod(middle), c))


def gated_tanh(
    x: np.ndarray, bias: np.ndarray | None = None, *, out: np.ndarray | None = None
) -> np.ndarray:
    r"""Let one half of the channels gate the other: :math:`\tanh(a + u) \, \sigma(b + v)`.

    Parameters
    ----------
    x : ndarray of float32, shape (N, ..., 2C)
        a is the first half of the channels, b the second.
    bias : ndarray of float32, shape (N, 2C), optional
        u and v: added at every position of a sample.
    out : ndarray of float32, shape (N, ..., C), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N, ..., C)

    Raises
    ------
    TypeError
        For an array of another dtype than float32.
    ValueError
        For arrays that aren't C-contiguous, an odd number of channels, or shapes that don't agree.

    References
    ----------
    A. van den Oord et al., "Conditional image generation with PixelCNN decoders", NeurIPS 2016,
    sections 2.1 and 2.3.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> F.gated_tanh(np.array([[9, 9, 0, 99]], np.float32))
    array([[0.5, 1. ]], dtype=float32)
    """
    rows = _positions("x", x)
    if x.shape[-1] % 2:
        raise ValueError(f"x: expected an even number of channels, got the shape {x.shape}")
    shape = (*x.shape[:-1], x.shape[-1] // 2)
    out = result(out, shape)
    if array("out", out).shape != shape:
        raise ValueError(f"out: expected shape {shape}, got {out.shape}")
    _core.gated_tanh(_positions("out", out), rows, bias, runtime.current())
    return out


def gated_tanh_backward(
    grad: np.ndarray, x: np.ndarray, bias: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Differentiate `gated_tanh` with respect to x and bias.

    Parameters
    ----------
    grad : ndarray of float32, shape (N, ..., C)
        Gradient with respect to the result.
    x, bias
        What `gated_tanh` was given.

    Returns
    -------
    dx : ndarray of float32, shape (N, ..., 2C)
    dbias : ndarray of float32, shape (N, 2C), or None if bias is None
    """
    rows = _positions("x", x)
    if x.shape[-1] % 2:
        raise ValueError(f"x: expected an even number of channels, got the shape {x.shape}")
    shape = (*x.shape[:-1], x.shape[-1] // 2)
    if array("grad", grad).shape != shape:
        raise ValueError(f"grad: expected shape {shape}, got {grad.shape}")
    dx, dbias = like("x", x), maybe_like("bias", bias)
    views = _positions("dx", dx), dbias, _positions("grad", grad), rows
    _core.gated_tanh_backward(*views, bias, runtime.current())
    return dx, dbias
