"""Scaled dot-product attention."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, flag, number, result


def _scale(q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float | None) -> float:
    """Return the factor of the scores; check what the core can't."""
    array("q", q, 4), array("k", k, 4), array("v", v, 4)
    return max(1, q.shape[-1]) ** -0.5 if scale is None else number("scale", scale)


def attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    *,
    lengths: np.ndarray | None = None,
    causal: bool = False,
    scale: float | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Give each query the mean of the values, weighted by how well their keys agree with it.

    .. math:: y_t = \sum_s w_{ts} v_s, \qquad
        w_{ts} = \frac{\exp(\sigma\, q_t \cdot k_s)}{\sum_r \exp(\sigma\, q_t \cdot k_r)}

    for each head of each sample. Scores are never kept: they are computed in blocks, and the
    softmax goes from block to block, so memory doesn't grow with T S. Vaswani et al., 2017; Dao et
    al., 2022.

    Parameters
    ----------
    q : ndarray of float32, shape (N, T, H, D)
        Queries: N samples of T steps, H heads of D values.
    k, v : ndarray of float32, shape (N, S, H, D)
        Keys and values of S steps.
    lengths : ndarray of int64, shape (N,), optional
        How many steps each sample has. Those behind are neither keys nor queries: what they hold
        has no influence, and their result is 0. T must be S.
    causal : bool
        Whether query t sees the keys up to t alone.
    scale : float, optional
        :math:`\sigma`; :math:`1 / \sqrt{D}` if None.
    out : ndarray of float32, shape (N, T, H, D), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N, T, H, D)
        Zeros where there is no key.

    Raises
    ------
    TypeError
        For an array of another dtype than float32, or lengths of another than int64.
    ValueError
        For arrays that aren't C-contiguous, whose shapes don't agree, or lengths out of range.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> q = k = np.zeros((1, 3, 1, 2), np.float32)
    >>> v = np.arange(6, dtype=np.float32).reshape(1, 3, 1, 2)
    >>> F.attention(q, k, v, causal=True).reshape(3, 2)
    array([[0., 1.],
           [1., 2.],
           [2., 3.]], dtype=float32)
    """
    scale = _scale(q, k, v, scale)
    n, t, heads, _ = q.shape
    out, lse = result(out, q.shape), np.empty((n, heads, t), np.float32)
    causal = flag("causal", causal)
    _core.attention(out, lse, q, k, v, lengths, causal, scale, runtime.current())
    return out


def attention_backward(
    grad: np.ndarray,
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    *,
    lengths: np.ndarray | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Differentiate `attention` with respect to q, k and v.

    Parameters
    ----------
    grad : ndarray of float32, shape (N, T, H, D)
        Gradient with respect to the result.
    q, k, v, lengths, causal, scale
        What `attention` was given; it is computed once more.

    Returns
    -------
    dq, dk, dv : ndarray
        Zeros behind a sample's length.
    """
    scale, ws = _scale(q, k, v, scale), runtime.current()
    n, t, heads, _ = q.shape
    y, lse = np.empty(q.shape, np.float32), np.empty((n, heads, t), np.float32)
    dq, dk, dv = (np.empty(x.shape, np.float32) for x in (q, k, v))
    options = lengths, flag("causal", causal), scale, ws
    _core.attention(y, lse, q, k, v, *options)
    _core.attention_backward(dq, dk, dv, grad, y, lse, q, k, v, *options)
    return dq, dk, dv
