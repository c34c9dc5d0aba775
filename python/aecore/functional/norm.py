"""Normalisation: of vectors, of groups of channels, and of channels over a batch."""

from __future__ import annotations

import math

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, flag, integer, maybe_like, number, result, view

Gradients = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]
FRESH = False, False  # gradients that aren't added to


def _as(name: str, value: np.ndarray, full: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Return a view of `value`, an array of shape `full`, in the shape that the core takes."""
    if array(name, value).shape != full:
        raise ValueError(f"{name}: expected shape {full}, got {value.shape}")
    return view(name, value, shape)


def _channels(x: np.ndarray, least: int) -> int:
    """Return the size of x's last axis, of `least` axes or more."""
    if array("x", x).ndim < least:
        raise ValueError(f"x: expected at least {least} dimensions, got shape {x.shape}")
    return x.shape[-1]


# ---- layer_norm ------------------------------------------------------------------------------


def layer_norm(
    x: np.ndarray,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    *,
    eps: float = 1e-5,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Give every vector along the last axis mean 0 and variance 1, then scale and shift it.

    .. math:: y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \gamma + \beta

    Statistics are summed in double; the variance is the biased one. Ba, Kiros and Hinton, 2016.

    Parameters
    ----------
    x : ndarray of float32, shape (..., C)
    weight, bias : ndarray of float32, shape (C,), optional
        Scale and shift, 1 and 0 if None.
    eps : float
        Keeps the division from 0; at least 0.
    out : ndarray of float32, shape (..., C), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (..., C)

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> F.layer_norm(np.array([[1, 3], [5, 5]], np.float32), eps=0)
    array([[-1.,  1.],
           [nan, nan]], dtype=float32)
    """
    shape = math.prod(array("x", x).shape[:-1]), _channels(x, 1)
    out, (mean, rstd) = result(out, x.shape), np.empty((2, shape[0]), np.float32)
    y, rows = _as("out", out, x.shape, shape), _as("x", x, x.shape, shape)
    _core.layer_norm(y, mean, rstd, rows, weight, bias, number("eps", eps), runtime.current())
    return out


def layer_norm_backward(
    grad: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    *,
    eps: float = 1e-5,
) -> Gradients:
    """Differentiate `layer_norm` with respect to x, weight and bias.

    Parameters
    ----------
    grad : ndarray of float32, shape (..., C)
        Gradient with respect to the result.
    x, weight, bias, eps
        What `layer_norm` was given; the statistics are computed once more.

    Returns
    -------
    dx, dweight, dbias : ndarray
        dweight and dbias are None where weight and bias are.
    """
    shape = math.prod(array("x", x).shape[:-1]), _channels(x, 1)
    dy, rows = _as("grad", grad, x.shape, shape), _as("x", x, x.shape, shape)
    dx, (mean, rstd) = np.empty(shape, np.float32), np.empty((2, shape[0]), np.float32)
    dweight, dbias, ws = maybe_like("weight", weight), maybe_like("bias", bias), runtime.current()
    eps = number("eps", eps)
    _core.layer_norm(dx, mean, rstd, rows, weight, bias, eps, ws)
    _core.layer_norm_backward(dx, dweight, dbias, dy, rows, mean, rstd, weight, FRESH, ws)
    return dx.reshape(x.shape), dweight, dbias


# ---- group_norm ------------------------------------------------------------------------------


def _groups(x: np.ndarray, groups: int) -> tuple[tuple[int, int, int], np.ndarray]:
    """Return (N, T, C) and an array for mean and rstd, each (N, G)."""
    channels, groups = _channels(x, 2), integer("groups", groups, -(2**63))
    if not 1 <= groups < 2**31 or channels % groups:
        raise ValueError(f"groups: expected a divisor of {channels} channels, got {groups}")
    shape = x.shape[0], math.prod(x.shape[1:-1]), channels
    return shape, np.empty((2, x.shape[0], groups), np.float32)


def group_norm(
    x: np.ndarray,
    groups: int,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    *,
    eps: float = 1e-5,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Give every group of channels of a sample mean 0 and variance 1, then scale and shift.

    .. math:: y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \gamma_c + \beta_c

    E and Var are over all positions and the C / G neighbouring channels of a group; they are summed
    in double, and the variance is the biased one. Wu and He, 2018.

    Parameters
    ----------
    x : ndarray of float32, shape (N, ..., C)
        Images (N, H, W, C), sequences (N, T, C) or tables (N, C).
    groups : int
        G, which divides C.
    weight, bias : ndarray of float32, shape (C,), optional
        Scale and shift of each channel, 1 and 0 if None.
    eps : float
        Keeps the division from 0; at least 0.
    out : ndarray of float32, shape (N, ..., C), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N, ..., C)
    """
    shape, (mean, rstd) = _groups(x, groups)
    out = result(out, x.shape)
    y, image = _as("out", out, x.shape, shape), _as("x", x, x.shape, shape)
    _core.group_norm(y, mean, rstd, image, weight, bias, number("eps", eps), runtime.current())
    return out


def group_norm_backward(
    grad: np.ndarray,
    x: np.ndarray,
    groups: int,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    *,
    eps: float = 1e-5,
) -> Gradients:
    """Differentiate `group_norm` with respect to x, weight and bias.

    Parameters
    ----------
    grad : ndarray of float32, shape (N, ..., C)
        Gradient with respect to the result.
    x, groups, weight, bias, eps
        What `group_norm` was given; the statistics are computed once more.

    Returns
    -------
    dx, dweight, dbias : ndarray
        dweight and dbias are None where weight and bias are.
    """
    shape, (mean, rstd) = _groups(x, groups)
    dy, image = _as("grad", grad, x.shape, shape), _as("x", x, x.shape, shape)
    dx, dweight, dbias = (
        np.empty(shape, np.float32),
        maybe_like("weight", weight),
        maybe_like("bias", bias),
    )
    ws, eps = runtime.current(), number("eps", eps)
    _core.group_norm(dx, mean, rstd, image, weight, bias, eps, ws)
    _core.group_norm_backward(dx, dweight, dbias, dy, image, mean, rstd, weight, FRESH, ws)
    return dx.reshape(x.shape), dweight, dbias


# ---- batch_norm2d ----------------------------------------------------------------------------


def _statistics(
    channels: int,
    running_mean: np.ndarray | None,
    running_var: np.ndarray | None,
    training: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the arrays of the batch's statistics, or the running ones; check the latter."""
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var: expected both or neither, got one")
    for name, value in (("running_mean", running_mean), ("running_var", running_var)):
        if value is None:
            if not training:
                raise ValueError(f"{name}: expected an array where training is False, got None")
            continue
        if array(name, value).dtype != np.float32:
            raise TypeError(f"{name}: expected an array of float32, got {value.dtype}")
        if value.shape != (channels,):
            raise ValueError(f"{name}: expected shape ({channels},), got {value.shape}")
        if training and not value.flags.writeable:
            raise ValueError(f"{name}: expected a writable array, got a read-only one")
    if running_mean is None or running_var is None or training:
        return np.empty(channels, np.float32), np.empty(channels, np.float32)
    return (
        view("running_mean", running_mean, (channels,)),
        view("running_var", running_var, (channels,)),
    )


def batch_norm2d(
    x: np.ndarray,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    *,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    out: np.ndarray | None = None,
) -> np.ndarray:
    r"""Give every channel mean 0 and variance 1 over the batch, then scale and shift it.

    .. math:: y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \gamma_c + \beta_c

    E and Var are over all samples and positions; they are summed in double, and the variance is
    the biased one. While training the running statistics, if given, move towards them **in
    place**: :math:`r \leftarrow (1 - m) r + m \, \mathrm{E}[x]`, and likewise with the unbiased
    variance. Otherwise they take the place of E and Var. Ioffe and Szegedy, 2015.

    Parameters
    ----------
    x : ndarray of float32, shape (N, ..., C)
        Images (N, H, W, C), or with any number of axes between the first and the last.
    weight, bias : ndarray of float32, shape (C,), optional
        Scale and shift of each channel, 1 and 0 if None.
    running_mean, running_var : ndarray of float32, shape (C,), optional
        Running statistics; needed where `training` is False.
    training : bool
        Whether to use the batch's statistics.
    momentum : float
        m, the weight of this batch in the running statistics.
    eps : float
        Keeps the division from 0; at least 0.
    out : ndarray of float32, shape (N, ..., C), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N, ..., C)
    """
    channels = _channels(x, 2)
    shape = math.prod(x.shape[:-1]), channels
    training, momentum = flag("training", training), number("momentum", momentum)
    mean, var = _statistics(channels, running_mean, running_var, training)
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum: expected a number from 0 to 1, got {momentum!r}")
    out = result(out, x.shape)
    y, rows = _as("out", out, x.shape, shape), _as("x", x, x.shape, shape)
    _core.batch_norm2d(
        y, mean, var, rows, weight, bias, training, number("eps", eps), runtime.current()
    )
    if training and running_mean is not None and running_var is not None and shape[0] > 0:
        running_mean += np.float32(momentum) * (mean - running_mean)
        unbiased = var * np.float32(shape[0] / max(1, shape[0] - 1))
        running_var += np.float32(momentum) * (unbiased - running_var)
    return out


def batch_norm2d_backward(
    grad: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    *,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Gradients:
    """Differentiate `batch_norm2d` with respect to x, weight and bias.

    Parameters
    ----------
    grad : ndarray of float32, shape (N, ..., C)
        Gradient with respect to the result.
    x, weight, bias, training, eps
        What `batch_norm2d` was given; the batch's statistics are computed once more.
    running_mean, running_var, momentum
        Likewise. They count where `training` is False alone, as constants, and never change.

    Returns
    -------
    dx, dweight, dbias : ndarray
        dweight and dbias are None where weight and bias are.
    """
    channels = _channels(x, 2)
    shape = math.prod(x.shape[:-1]), channels
    training, eps = flag("training", training), number("eps", eps)
    mean, var = _statistics(channels, running_mean, running_var, training)
    dy, rows = _as("grad", grad, x.shape, shape), _as("x", x, x.shape, shape)
    dx, dweight, dbias = (
        np.empty(shape, np.float32),
        maybe_like("weight", weight),
        maybe_like("bias", bias),
    )
    ws = runtime.current()
    if training:
        _core.batch_norm2d(dx, mean, var, rows, weight, bias, True, eps, ws)
    how = weight, training, eps, FRESH, ws
    _core.batch_norm2d_backward(dx, dweight, dbias, dy, rows, mean, var, *how)
    return dx.reshape(x.shape), dweight, dbias
