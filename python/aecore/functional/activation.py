"""Activation functions, one value at a time."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, result


def activation(x: np.ndarray, kind: str | None, *, out: np.ndarray | None = None) -> np.ndarray:
    r"""Apply an activation function to every value.

    =============  ==================================================================
    relu           :math:`\max(0, x)`
    leaky_relu     x for :math:`x \ge 0`, 0.01 x otherwise
    elu            x for :math:`x \ge 0`, :math:`e^x - 1` otherwise
    tanh           :math:`\tanh x`
    sigmoid        :math:`\sigma(x) = 1 / (1 + e^{-x})`
    softplus       :math:`\log(1 + e^x)`
    gelu           :math:`x \, \Phi(x)`, with the normal distribution function itself
    silu           :math:`x \, \sigma(x)`
    linear, None   x
    =============  ==================================================================

    They are accurate to a few units in the last place over the whole range of float32, and at the
    infinities take their limits. NaN gives NaN.

    Parameters
    ----------
    x : ndarray of float32
        Of any shape.
    kind : str or None
        One of the names above.
    out : ndarray of float32, optional
        Where to write the result, of x's shape; it may be x itself.

    Returns
    -------
    ndarray of float32, of x's shape

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> F.activation(np.array([-1.0, 0.0, 2.0], np.float32), "relu")
    array([0., 0., 2.], dtype=float32)
    """
    out = result(out, array("x", x).shape)
    _core.activation(out, x, kind, runtime.current())
    return out


def activation_backward(
    grad: np.ndarray, y: np.ndarray, kind: str | None, *, out: np.ndarray | None = None
) -> np.ndarray:
    r"""Differentiate `activation`: :math:`g \, f'(x)`.

    The derivative is computed from the *output* y of the activation, which is what a network has at
    hand after a fused one; for those that aren't monotonic, **gelu and silu**, from their *input*.
    Where relu and leaky_relu are 0 the derivative is that of the left side.

    Parameters
    ----------
    grad : ndarray of float32
        Gradient with respect to the output.
    y : ndarray of float32, of grad's shape
        The output of the activation; the input for those that aren't monotonic.
    kind : str or None
        Name of the activation, as in `activation`.
    out : ndarray of float32, optional
        Where to write the result; it may be grad or y itself.

    Returns
    -------
    ndarray of float32, of grad's shape
        Gradient with respect to the input.
    """
    out = result(out, array("grad", grad).shape)
    _core.activation_backward(out, grad, y, kind, runtime.current())
    return out
