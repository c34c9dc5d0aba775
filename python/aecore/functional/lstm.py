"""The LSTM and the GRU over a batch of sequences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, flag, integer, like, maybe_like, result


class _Run(NamedTuple):
    """What a forward pass leaves: its results, and what the backward pass needs of it."""

    y: np.ndarray
    h: np.ndarray
    c: np.ndarray
    gates: np.ndarray
    cells: np.ndarray


def _sizes(x: np.ndarray, w_hh: np.ndarray, steps: int | None) -> tuple[int, int, int]:
    """Return how many samples, steps and units there are."""
    array("x", x, 3), array("w_hh", w_hh, 2)
    if steps is not None and x.shape[1] != 1:
        raise ValueError(f"steps: expected x of shape (N, 1, F) to repeat, got {x.shape}")
    return (
        x.shape[0],
        x.shape[1] if steps is None else integer("steps", steps),
        w_hh.shape[1],
    )


def _run(
    x: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    bias: np.ndarray | None,
    h0: np.ndarray | None,
    c0: np.ndarray | None,
    lengths: np.ndarray | None,
    mask: np.ndarray | None,
    reverse: bool,
    steps: int | None,
) -> _Run:
    n, t, units = _sizes(x, w_hh, steps)
    reverse = flag("reverse", reverse)
    y, h, c = result(None, (n, t, units)), result(None, (n, units)), result(None, (n, units))
    run = _Run(y, h, c, result(None, (n, t, 4 * units)), result(None, (n, t, units)))
    _core.lstm(*run, x, h0, c0, lengths, mask, w_ih, w_hh, bias, 0, reverse, runtime.current())
    return run


def lstm(
    x: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    bias: np.ndarray | None = None,
    h0: np.ndarray | None = None,
    c0: np.ndarray | None = None,
    *,
    lengths: np.ndarray | None = None,
    recurrent_mask: np.ndarray | None = None,
    reverse: bool = False,
    steps: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Run a layer of long short-term memory over sequences.

    .. math::
        i, f, o &= \sigma(W x_t + U h_{t-1} + b), \quad g = \tanh(W x_t + U h_{t-1} + b)

        c_t &= f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh c_t

    with weights W (`w_ih`), U (`w_hh`) and b of each gate's own.

    Parameters
    ----------
    x : ndarray of float32, shape (N, T, F)
        N sequences of T steps of F features.
    w_ih : ndarray of float32, shape (4H, F)
        Weights of x, of the gates i, f, g and o one below the other.
    w_hh : ndarray of float32, shape (4H, H)
        Weights of h, likewise.
    bias : ndarray of float32, shape (4H,), optional
        The sum of PyTorch's two.
    h0, c0 : ndarray of float32, shape (N, H), optional
        The state before the first step; zeros by default.
    lengths : ndarray of int64, shape (N,), optional
        How many steps of each sequence exist, 0 to T; all by default. What x holds behind them
        has no influence.
    recurrent_mask : ndarray of float32, shape (N, H), optional
        What h is multiplied by wherever U multiplies it, the same at every step: 0 and 1 / (1 - p)
        for dropout.
    reverse : bool
        Whether to go from each sequence's last step to its first.
    steps : int, optional
        T, where x is (N, 1, F): the same at every step, and multiplied once.

    Returns
    -------
    y : ndarray of float32, shape (N, T, H)
        h after each step, in the order of x; 0 where there is no step.
    h, c : ndarray of float32, shape (N, H)
        The state after the last step that is taken.

    Raises
    ------
    TypeError
        For an array of another dtype.
    ValueError
        For arrays that aren't C-contiguous, whose shapes don't agree, or lengths out of range.

    References
    ----------
    Hochreiter, Schmidhuber: Long short-term memory, 1997. Gers, Schmidhuber, Cummins: Learning to
    forget, 2000. Gal, Ghahramani: A theoretically grounded application of dropout in recurrent
    neural networks, 2016 (`recurrent_mask`).

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> w_ih, w_hh = np.full((4, 1), 9, np.float32), np.zeros((4, 1), np.float32)
    >>> y, h, c = F.lstm(np.ones((1, 3, 1), np.float32), w_ih, w_hh)
    >>> c.round(2)  # it counts the steps
    array([[3.]], dtype=float32)
    >>> F.lstm(np.ones((1, 3, 1), np.float32), w_ih, w_hh, lengths=np.array([2]))[2].round(2)
    array([[2.]], dtype=float32)
    """
    return _run(x, w_ih, w_hh, bias, h0, c0, lengths, recurrent_mask, reverse, steps)[:3]


def lstm_backward(
    grad: np.ndarray,
    x: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    bias: np.ndarray | None = None,
    h0: np.ndarray | None = None,
    c0: np.ndarray | None = None,
    *,
    lengths: np.ndarray | None = None,
    recurrent_mask: np.ndarray | None = None,
    reverse: bool = False,
    steps: int | None = None,
    dh: np.ndarray | None = None,
    dc: np.ndarray | None = None,
) -> tuple[np.ndarray | None, ...]:
    """Differentiate `lstm` with respect to x, w_ih, w_hh, bias, h0 and c0.

    The forward pass is computed once more for the gates and states that the gradients are made of;
    `aecore.nn.LSTM` keeps those of its own forward pass instead.

    Parameters
    ----------
    grad : ndarray of float32, shape (N, T, H)
        Gradient with respect to y; of no influence where there is no step.
    x, w_ih, w_hh, bias, h0, c0, lengths, recurrent_mask, reverse, steps
        What `lstm` was given.
    dh, dc : ndarray of float32, shape (N, H), optional
        Gradients with respect to the last state; zeros by default.

    Returns
    -------
    dx, dw_ih, dw_hh, dbias, dh0, dc0 : ndarray
        The last three are None where bias, h0 and c0 are. dx is 0 where there is no step.
    """
    run = _run(x, w_ih, w_hh, bias, h0, c0, lengths, recurrent_mask, reverse, steps)
    dx, dw_ih, dw_hh = like("x", x), like("w_ih", w_ih), like("w_hh", w_hh)
    dbias = maybe_like("bias", bias)
    dh0, dc0 = maybe_like("h0", h0), maybe_like("c0", c0)
    _core.lstm_backward(
        dx, dh0, dc0, dw_ih, dw_hh, dbias, grad, dh, dc, run.y, run.gates, run.cells, x, h0, c0,
        lengths, recurrent_mask, w_ih, w_hh, 0, bool(reverse), (False, False, False),
        runtime.current(),
    )  # fmt: skip
    return dx, dw_ih, dw_hh, dbias, dh0, dc0


# ---- GRU ----------------------------------------------------------------------------------------


def _run_gru(
    x: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    bias: np.ndarray | None,
    h0: np.ndarray | None,
    lengths: np.ndarray | None,
    mask: np.ndarray | None,
    reverse: bool,
    steps: int | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return y, h and the gates, which the backward pass needs."""
    n, t, units = _sizes(x, w_hh, steps)
    reverse = flag("reverse", reverse)
    run = result(None, (n, t, units)), result(None, (n, units)), result(None, (n, t, 4 * units))
    _core.gru(*run, x, h0, lengths, mask, w_ih, w_hh, bias, 0, reverse, runtime.current())
    return run


def gru(
    x: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    bias: np.ndarray | None = None,
    h0: np.ndarray | None = None,
    *,
    lengths: np.ndarray | None = None,
    recurrent_mask: np.ndarray | None = None,
    reverse: bool = False,
    steps: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Run a layer of gated recurrent units over sequences.

    .. math::
        r, z &= \sigma(W x_t + U h_{t-1} + b), \quad
        n = \tanh(W x_t + b + r \odot (U h_{t-1} + b'))

        h_t &= (1 - z) \odot n + z \odot h_{t-1}

    with weights W (`w_ih`), U (`w_hh`) and b of each gate's own. The reset gate r is applied behind
    the product, as PyTorch, cuDNN and Keras (``reset_after=True``) have it.

    Parameters
    ----------
    x : ndarray of float32, shape (N, T, F)
        N sequences of T steps of F features.
    w_ih : ndarray of float32, shape (3H, F)
        Weights of x, of r, z and n one below the other.
    w_hh : ndarray of float32, shape (3H, H)
        Weights of h, likewise.
    bias : ndarray of float32, shape (4H,), optional
        Of r, z and n, and b', n's recurrent one. For r and z it is the sum of PyTorch's two.
    h0 : ndarray of float32, shape (N, H), optional
        The state before the first step; zeros by default.
    lengths, recurrent_mask, reverse, steps
        As of `lstm`. The mask is of U's products alone: z keeps h itself.

    Returns
    -------
    y : ndarray of float32, shape (N, T, H)
        h after each step, in the order of x; 0 where there is no step.
    h : ndarray of float32, shape (N, H)
        The state after the last step that is taken.

    Raises
    ------
    TypeError
        For an array of another dtype.
    ValueError
        For arrays that aren't C-contiguous, whose shapes don't agree, or lengths out of range.

    References
    ----------
    Cho et al.: Learning phrase representations using RNN encoder-decoder, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> w_ih = np.array([[0], [0], [9]], np.float32)  # z is 1/2: half of what is missing
    >>> y, h = F.gru(np.ones((1, 3, 1), np.float32), w_ih, np.zeros((3, 1), np.float32))
    >>> y.round(3).ravel()
    array([0.5  , 0.75 , 0.875], dtype=float32)
    """
    return _run_gru(x, w_ih, w_hh, bias, h0, lengths, recurrent_mask, reverse, steps)[:2]


def gru_backward(
    grad: np.ndarray,
    x: np.ndarray,
    w_ih: np.ndarray,
    w_hh: np.ndarray,
    bias: np.ndarray | None = None,
    h0: np.ndarray | None = None,
    *,
    lengths: np.ndarray | None = None,
    recurrent_mask: np.ndarray | None = None,
    reverse: bool = False,
    steps: int | None = None,
    dh: np.ndarray | None = None,
) -> tuple[np.ndarray | None, ...]:
    """Differentiate `gru` with respect to x, w_ih, w_hh, bias and h0.

    The forward pass is computed once more; `aecore.nn.GRU` keeps what it needs of its own instead.

    Parameters
    ----------
    grad : ndarray of float32, shape (N, T, H)
        Gradient with respect to y; of no influence where there is no step.
    x, w_ih, w_hh, bias, h0, lengths, recurrent_mask, reverse, steps
        What `gru` was given.
    dh : ndarray of float32, shape (N, H), optional
        Gradient with respect to the last state; zeros by default.

    Returns
    -------
    dx, dw_ih, dw_hh, dbias, dh0 : ndarray
        The last two are None where bias and h0 are. dx is 0 where there is no step.
    """
    y, _, gates = _run_gru(x, w_ih, w_hh, bias, h0, lengths, recurrent_mask, reverse, steps)
    dx, dw_ih, dw_hh = like("x", x), like("w_ih", w_ih), like("w_hh", w_hh)
    dbias, dh0 = maybe_like("bias", bias), maybe_like("h0", h0)
    _core.gru_backward(
        dx, dh0, dw_ih, dw_hh, dbias, grad, dh, y, gates, x, h0, lengths, recurrent_mask, w_ih,
        w_hh, 0, bool(reverse), (False, False, False), runtime.current(),
    )  # fmt: skip
    return dx, dw_ih, dw_hh, dbias, dh0
