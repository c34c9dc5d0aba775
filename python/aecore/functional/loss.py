"""Losses: sums over the features of each sample, with weights for values that count less or not."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, like, number, result, same_shape, table, view


def _tables(
    x: np.ndarray, target: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """View samples, what they should be and their weights, (N, ...) all, as (N, F)."""
    same_shape(x=x, target=target, mask=mask)
    weights = None if mask is None else table("mask", mask)
    return table("x", x), table("target", target), weights


def _loss(
    kind: str,
    x: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray | None,
    out: np.ndarray | None,
    delta: float = 1.0,
) -> np.ndarray:
    tables = _tables(x, target, mask)
    out = result(out, x.shape[:1])
    _core.loss(kind, out, None, None, *tables, number("delta", delta), runtime.current())
    return out


def _loss_backward(
    kind: str,
    grad: np.ndarray,
    x: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray | None,
    delta: float = 1.0,
) -> np.ndarray:
    tables = _tables(x, target, mask)
    dx = like("x", tables[0])
    _core.loss(
        kind, None, dx, array("grad", grad), *tables, number("delta", delta), runtime.current()
    )
    return dx.reshape(x.shape)


def mse(
    x: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Sum the squared errors of each sample: :math:`\sum_f w_f (x_f - t_f)^2`.

    Parameters
    ----------
    x, target : ndarray of float32, shape (N, ...)
        N samples of any shape, and what they should be.
    mask : ndarray of float32, shape (N, ...), optional
        Weights. Where one is 0, x and target may be anything, NaN too.
    out : ndarray of float32, shape (N,), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N,)
        A sum over features, not a mean: divide by their number for the mean squared error.

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
    >>> F.mse(np.zeros((2, 3), np.float32), np.full((2, 3), 2, np.float32))
    array([12., 12.], dtype=float32)
    """
    return _loss("mse", x, target, mask, out)


def mse_backward(
    grad: np.ndarray, x: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    r"""Differentiate `mse` with respect to x: :math:`2 g w_f (x_f - t_f)`.

    Parameters
    ----------
    grad : ndarray of float32, shape (N,)
        Gradient with respect to the result.
    x, target, mask : ndarray
        What `mse` was given.

    Returns
    -------
    ndarray of float32, of x's shape
    """
    return _loss_backward("mse", grad, x, target, mask)


def l1(
    x: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Sum the absolute errors of each sample: :math:`\sum_f w_f |x_f - t_f|`.

    Parameters, result and errors are those of `mse`.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> F.l1(np.zeros((2, 3), np.float32), np.full((2, 3), -2, np.float32))
    array([6., 6.], dtype=float32)
    """
    return _loss("l1", x, target, mask, out)


def l1_backward(
    grad: np.ndarray, x: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    r"""Differentiate `l1` with respect to x: :math:`g w_f` with the sign of :math:`x_f - t_f`.

    Where x equals target the gradient is 0. Parameters and result are those of `mse_backward`.
    """
    return _loss_backward("l1", grad, x, target, mask)


def huber(
    x: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    delta: float = 1.0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Sum squared errors that go on as a line beyond delta.

    With :math:`d = x - t`: :math:`\tfrac12 d^2` where :math:`|d| \le \delta`, and
    :math:`\delta (|d| - \tfrac12 \delta)` elsewhere, times :math:`w` and summed over the features.

    Parameters
    ----------
    x, target, mask, out : ndarray
        As in `mse`.
    delta : float
        Above 0.

    Returns
    -------
    ndarray of float32, shape (N,)

    Raises
    ------
    TypeError, ValueError
        As `mse`, and for a delta that isn't above 0.

    References
    ----------
    Huber: Robust estimation of a location parameter, 1964.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> F.huber(np.zeros((1, 2), np.float32), np.array([[0.5, 3.0]], np.float32))
    array([2.625], dtype=float32)
    """
    return _loss("huber", x, target, mask, out, delta)


def huber_backward(
    grad: np.ndarray,
    x: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    delta: float = 1.0,
) -> np.ndarray:
    r"""Differentiate `huber` with respect to x: :math:`g w_f` times d, held within ±delta.

    Parameters and result are those of `mse_backward`, and delta.
    """
    return _loss_backward("huber", grad, x, target, mask, delta)


def bce_with_logits(
    x: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Sum the binary cross entropies of each sample, in nats.

    With :math:`p = 1 / (1 + e^{-x})`: :math:`-\sum_f w_f (t_f \log p_f + (1 - t_f) \log(1 - p_f))`,
    computed as :math:`\max(x, 0) - x t + \log(1 + e^{-|x|})`, which holds for any x.

    Parameters
    ----------
    x : ndarray of float32, shape (N, ...)
        Logits.
    target : ndarray of float32, shape (N, ...)
        Probabilities from 0 to 1; this isn't checked.
    mask, out : ndarray
        As in `mse`.

    Returns
    -------
    ndarray of float32, shape (N,)

    Raises
    ------
    TypeError, ValueError
        As `mse`.

    Examples
    --------
    >>> import math
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> target = np.array([[0, 1]], np.float32)
    >>> F.bce_with_logits(np.zeros((1, 2), np.float32), target) / math.log(2)
    array([2.], dtype=float32)
    """
    return _loss("bce_with_logits", x, target, mask, out)


def bce_with_logits_backward(
    grad: np.ndarray, x: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    r"""Differentiate `bce_with_logits` with respect to x: :math:`g w_f (p_f - t_f)`.

    Parameters and result are those of `mse_backward`.
    """
    return _loss_backward("bce_with_logits", grad, x, target, mask)


def _positions(
    logits: np.ndarray, labels: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """View logits (N, ..., E), labels and mask (N, ...) as (N, T, E) and (N, T)."""
    if array("logits", logits).ndim < 2:
        raise ValueError(f"logits: expected two axes or more, got shape {logits.shape}")
    if array("labels", labels).shape != logits.shape[:-1]:
        raise ValueError(f"labels: expected shape {logits.shape[:-1]}, got {labels.shape}")
    same_shape(labels=labels, mask=mask)
    rows = table("labels", labels)
    weights = None if mask is None else table("mask", mask)
    return view("logits", logits, (*rows.shape, logits.shape[-1])), rows, weights


def cross_entropy(
    logits: np.ndarray,
    labels: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Sum the cross entropies of each sample's labels, in nats.

    :math:`\sum_t w_t \left(\log \sum_e e^{x_{te}} - x_{t, y_t}\right)`

    Parameters
    ----------
    logits : ndarray of float32, shape (N, ..., E)
        Unnormalised log probabilities of E classes at each position of each sample.
    labels : ndarray of int64, shape (N, ...)
        From 0 to E - 1.
    mask : ndarray of float32, shape (N, ...), optional
        Weights of the positions. Where one is 0, logits and label may be anything.
    out : ndarray of float32, shape (N,), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N,)
        A sum over positions.

    Raises
    ------
    TypeError
        For an array of another dtype.
    ValueError
        For arrays that aren't C-contiguous, or whose shapes don't agree, or a label out of range.

    Examples
    --------
    >>> import math
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> F.cross_entropy(np.zeros((2, 8), np.float32), np.array([0, 7])) / math.log(8)
    array([1., 1.], dtype=float32)
    """
    x, rows, weights = _positions(logits, labels, mask)
    out = result(out, rows.shape[:1])
    _core.cross_entropy(out, None, None, x, rows, weights, runtime.current())
    return out


def cross_entropy_backward(
    grad: np.ndarray, logits: np.ndarray, labels: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    r"""Differentiate `cross_entropy` with respect to logits: :math:`g w_t (p_{te} - [e = y_t])`.

    Here :math:`p` is the softmax of the logits.

    Parameters
    ----------
    grad : ndarray of float32, shape (N,)
        Gradient with respect to the result.
    logits, labels, mask : ndarray
        What `cross_entropy` was given.

    Returns
    -------
    ndarray of float32, of logits' shape
    """
    x, rows, weights = _positions(logits, labels, mask)
    dx = like("logits", x)
    grad = array("grad", grad)
    _core.cross_entropy(None, dx, grad, x, rows, weights, runtime.current())
    return dx.reshape(logits.shape)
