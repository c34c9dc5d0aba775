"""Losses: sums over the features of each sample, with weights for values that count less or not."""

from __future__ import annotations

import math

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


# ---- counts -------------------------------------------------------------------------------------


def poisson(
    x: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Sum the Poisson losses of each sample's counts, in nats, x the logarithm of their rates.

    .. math:: \sum_f w_f \left(e^{x_f} - t_f x_f + \ln t_f!\right)

    It is computed as Loader's deviance, so that large counts lose no digits to the cancellation of
    these terms. Numbers that aren't whole have :math:`\Gamma(t + 1)` for :math:`t!`. The loss is
    NaN for a target below 0, and infinite where :math:`e^x` is, from 88.7 on.

    Parameters, result and errors are those of `mse`.

    References
    ----------
    C. Loader, "Fast and accurate computation of binomial probabilities", 2000.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> F.poisson(np.zeros((1, 2), np.float32), np.array([[0, 1]], np.float32))
    array([2.], dtype=float32)
    """
    return _loss("poisson", x, target, mask, out)


def poisson_backward(
    grad: np.ndarray, x: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    r"""Differentiate `poisson` with respect to x: :math:`g w_f (e^{x_f} - t_f)`.

    Parameters and result are those of `mse_backward`.
    """
    return _loss_backward("poisson", grad, x, target, mask)


def _dispersions(x: np.ndarray, log_theta: np.ndarray) -> np.ndarray:
    """View log_theta, of a sample's shape or that of all, as (F,) or (N, F)."""
    shape = array("log_theta", log_theta).shape
    if shape not in (x.shape, x.shape[1:]):
        raise ValueError(
            f"log_theta: expected the shape {x.shape[1:]} of a sample or {x.shape}, got {shape}"
        )
    if shape == x.shape:
        return table("log_theta", log_theta)
    return view("log_theta", log_theta, (math.prod(shape),))


def negative_binomial(
    x: np.ndarray,
    target: np.ndarray,
    log_theta: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Sum the negative binomial losses of each sample's counts, in nats.

    With :math:`m = e^x` their means and :math:`\theta` their inverse dispersions, so that variances
    are :math:`m + m^2 / \theta`,

    .. math::
        -\sum_f w_f \ln \left[\frac{\Gamma(t_f + \theta_f)}{\Gamma(\theta_f)\, t_f!}
        \left(\frac{\theta_f}{\theta_f + m_f}\right)^{\theta_f}
        \left(\frac{m_f}{\theta_f + m_f}\right)^{t_f}\right]

    It grows as x, not as its exponential, and neither a large :math:`\theta`, where it is
    `poisson`, nor large counts cost digits. The loss is NaN for a target below 0.

    Parameters
    ----------
    x, target : ndarray of float32, shape (N, ...)
        The logarithms of the means, and counts.
    log_theta : ndarray of float32, shape (...) or (N, ...)
        :math:`\ln \theta` for each feature, or for each of each sample. Beyond ±30 it counts as
        ±30.
    mask : ndarray of float32, shape (N, ...), optional
        Weights. Where one is 0, x and target may be anything, NaN too.
    out : ndarray of float32, shape (N,), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N,)
        A sum over features.

    Raises
    ------
    TypeError
        For an array of another dtype than float32.
    ValueError
        For arrays that aren't C-contiguous, or whose shapes don't agree.

    Examples
    --------
    >>> import math
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> zero = np.zeros((1, 1), np.float32)  # mean 1, theta 1: half of all counts are 0
    >>> F.negative_binomial(zero, zero, zero) / math.log(2)
    array([1.], dtype=float32)
    """
    tables = _tables(x, target, mask)
    theta, out = _dispersions(x, log_theta), result(out, x.shape[:1])
    _core.negative_binomial(out, None, None, None, *tables, theta, runtime.current())
    return out


def negative_binomial_backward(
    grad: np.ndarray,
    x: np.ndarray,
    target: np.ndarray,
    log_theta: np.ndarray,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Differentiate `negative_binomial` with respect to x and log_theta.

    .. math:: g w_f \frac{\theta_f (m_f - t_f)}{\theta_f + m_f} \quad \text{and} \quad
        g w_f \theta_f \Big(\psi(\theta_f) - \psi(t_f + \theta_f)
        + \ln \frac{\theta_f + m_f}{\theta_f} + \frac{t_f - m_f}{\theta_f + m_f}\Big)

    Parameters
    ----------
    grad : ndarray of float32, shape (N,)
        Gradient with respect to the result.
    x, target, log_theta, mask : ndarray
        What `negative_binomial` was given.

    Returns
    -------
    dx, dlog_theta : ndarray of float32
        Of the shapes of x and log_theta: where that is a sample's, a sum over samples.
    """
    tables, theta = _tables(x, target, mask), _dispersions(x, log_theta)
    dx, slopes = like("x", tables[0]), like("x", tables[0])
    _core.negative_binomial(
        None, dx, slopes, array("grad", grad), *tables, theta, runtime.current()
    )
    if theta.ndim == 1:
        total = np.zeros((1, slopes.shape[1]), np.float32)
        if len(slopes):  # not by NumPy's sums, which break where memory is short
            _core.mean_steps(total, slopes[None], None, runtime.current())
            total *= len(slopes)
        slopes = total
    return dx.reshape(x.shape), slopes.reshape(log_theta.shape)


def _outcomes(
    logits: np.ndarray, counts: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """View logits, counts and their mask, (N, ..., E) all, as (N, T, E)."""
    if array("logits", logits).ndim < 2:
        raise ValueError(f"logits: expected two axes or more, got shape {logits.shape}")
    same_shape(logits=logits, counts=counts, mask=mask)
    shape = logits.shape[0], math.prod(logits.shape[1:-1]), logits.shape[-1]
    seen = None if mask is None else view("mask", mask, shape)
    return view("logits", logits, shape), view("counts", counts, shape), seen


def multinomial(
    logits: np.ndarray,
    counts: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Sum the multinomial losses of each sample's counts, in nats.

    With :math:`p` the softmax of the logits and :math:`n_t = \sum_e c_{te}` the counts' own sum,

    .. math:: -\sum_t \ln \left[n_t! \prod_e \frac{p_{te}^{c_{te}}}{c_{te}!}\right]

    It is 0 where nothing was counted. Large counts lose no digits to the factorials.

    Parameters
    ----------
    logits : ndarray of float32, shape (N, ..., E)
        Unnormalised log probabilities of E outcomes at each position of each sample.
    counts : ndarray of float32, shape (N, ..., E)
        How often each was observed. The loss is NaN for one below 0.
    mask : ndarray of float32, shape (N, ..., E), optional
        0 where an outcome couldn't be observed: it has no part in :math:`p` and :math:`n`, and its
        logit and count may be anything.
    out : ndarray of float32, shape (N,), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N,)
        A sum over positions.

    Raises
    ------
    TypeError
        For an array of another dtype than float32.
    ValueError
        For arrays that aren't C-contiguous, or whose shapes don't agree.

    Examples
    --------
    >>> import math
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> even = np.zeros((1, 2), np.float32)  # one head and one tail have a chance of 1/2
    >>> F.multinomial(even, np.ones((1, 2), np.float32)) / math.log(2)
    array([1.], dtype=float32)
    """
    tables = _outcomes(logits, counts, mask)
    out = result(out, logits.shape[:1])
    _core.multinomial(out, None, None, *tables, runtime.current())
    return out


def multinomial_backward(
    grad: np.ndarray, logits: np.ndarray, counts: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    r"""Differentiate `multinomial` with respect to logits: :math:`g (n_t p_{te} - c_{te})`.

    Parameters
    ----------
    grad : ndarray of float32, shape (N,)
        Gradient with respect to the result.
    logits, counts, mask : ndarray
        What `multinomial` was given.

    Returns
    -------
    ndarray of float32, of logits' shape
    """
    tables = _outcomes(logits, counts, mask)
    dx = like("logits", tables[0])
    _core.multinomial(None, dx, array("grad", grad), *tables, runtime.current())
    return dx.reshape(logits.shape)
