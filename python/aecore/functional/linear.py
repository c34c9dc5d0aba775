"""The fully connected layer."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, like, maybe_like, result


def linear(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: str | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Apply a fully connected layer: :math:`y = f(x W^\top + b)`.

    Parameters
    ----------
    x : ndarray of float32, shape (N, I)
        N samples of I features.
    weight : ndarray of float32, shape (O, I)
        One row for each output feature.
    bias : ndarray of float32, shape (O,), optional
        Added to every sample.
    activation : str, optional
        Name of the function f, applied while the result is in registers; see `activation`.
    out : ndarray of float32, shape (N, O), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N, O)

    Raises
    ------
    TypeError
        For an array of another dtype than float32.
    ValueError
        For arrays that aren't C-contiguous, or whose shapes don't agree.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> x = np.ones((2, 3), np.float32)
    >>> F.linear(x, np.ones((1, 3), np.float32), np.full(1, -5, np.float32), activation="relu")
    array([[0.],
           [0.]], dtype=float32)
    """
    array("x", x, 2), array("weight", weight, 2)
    out = result(out, (x.shape[0], weight.shape[0]))
    _core.linear(out, x, weight, bias, activation, False, None, None, runtime.current())
    return out


def linear_backward(
    grad: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    r"""Differentiate `linear` with respect to x, weight and bias.

    Parameters
    ----------
    grad : ndarray of float32, shape (N, O)
        Gradient with respect to the value before the activation.
    x, weight, bias : ndarray
        What `linear` was given.

    Returns
    -------
    dx, dweight, dbias : ndarray
        :math:`g W`, :math:`g^\top x` and :math:`\sum_n g_n`; dbias is None if bias is.
    """
    dx, dweight = like("x", x), like("weight", weight)
    dbias = maybe_like("bias", bias)
    how = None, False, (False, False), runtime.current()
    _core.linear_backward(dx, dweight, dbias, grad, x, weight, *how)
    return dx, dweight, dbias
