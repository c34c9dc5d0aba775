"""Optimiser steps, in place, over flat buffers of parameters."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import flag, integer, number


def adam_step(
    param: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    grad: np.ndarray,
    *,
    step: int,
    learning_rate: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    grad_scale: float = 1.0,
) -> None:
    r"""Move parameters by one step of Adam or AdamW, in place.

    With :math:`g` the scaled gradient:
    :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`,
    :math:`v \leftarrow \beta_2 v + (1 - \beta_2) g^2`, and

    .. math::
        p \leftarrow p - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Parameters
    ----------
    param, m, v : ndarray of float32, all of one shape
        Parameters and the running means of gradients and squared gradients, zeros at first. All
        three are changed.
    grad : ndarray of float32, of the same shape
        Gradients.
    step : int
        The t above: 1 at first.
    learning_rate, beta1, beta2, eps : float
        The :math:`\eta, \beta_1, \beta_2, \epsilon` above.
    weight_decay : float
        Times param, it is added to the scaled gradient (Adam) or, times the learning rate, taken
        from param before the step (AdamW).
    decoupled : bool
        Whether the decay is AdamW's.
    grad_scale : float
        What gradients are multiplied by first, as clipping needs it.

    Raises
    ------
    TypeError
        For an array of another dtype than float32.
    ValueError
        For arrays that aren't C-contiguous, share memory or differ in shape, and for settings out
        of range.

    References
    ----------
    Kingma, Ba: Adam, a method for stochastic optimization, 2015.
    Loshchilov, Hutter: Decoupled weight decay regularization, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> p, m, v, g = np.zeros((4, 1), np.float32)
    >>> g[:] = 5
    >>> F.adam_step(p, m, v, g, step=1, learning_rate=0.25)
    >>> p
    array([-0.25], dtype=float32)
    """
    _core.adam_step(
        param,
        m,
        v,
        grad,
        number("learning_rate", learning_rate),
        number("beta1", beta1),
        number("beta2", beta2),
        number("eps", eps),
        number("weight_decay", weight_decay),
        flag("decoupled", decoupled),
        integer("step", step, 1),
        number("grad_scale", grad_scale),
        runtime.current(),
    )


def sgd_step(
    param: np.ndarray,
    m: np.ndarray | None,
    grad: np.ndarray,
    *,
    step: int,
    learning_rate: float = 1e-3,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    grad_scale: float = 1.0,
) -> None:
    r"""Move parameters by one step of gradient descent with momentum, in place.

    With :math:`g` the scaled gradient plus the decay: :math:`m \leftarrow \mu m + g` (at first
    :math:`m = g`), then :math:`p \leftarrow p - \eta m`, or with Nesterov's momentum
    :math:`p \leftarrow p - \eta (g + \mu m)`.

    Parameters
    ----------
    param, m : ndarray of float32, both of one shape
        Parameters and their momentum, which is not read in the first step. Both are changed. m may
        be None where momentum is 0, and is left alone then.
    grad : ndarray of float32, of the same shape
        Gradients.
    step : int
        1 at first.
    learning_rate, momentum : float
        The :math:`\eta` and :math:`\mu` above.
    weight_decay : float
        Times param, it is added to the scaled gradient.
    nesterov : bool
        Whether the momentum is Nesterov's.
    grad_scale : float
        What gradients are multiplied by first, as clipping needs it.

    Raises
    ------
    TypeError
        For an array of another dtype than float32.
    ValueError
        For arrays that aren't C-contiguous, share memory or differ in shape, and for settings out
        of range.

    References
    ----------
    Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep
    learning, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> p, g = np.zeros(1, np.float32), np.ones(1, np.float32)
    >>> F.sgd_step(p, None, g, step=1, learning_rate=0.5)
    >>> p
    array([-0.5], dtype=float32)
    """
    _core.sgd_step(
        param,
        m,
        grad,
        number("learning_rate", learning_rate),
        number("momentum", momentum),
        number("weight_decay", weight_decay),
        flag("nesterov", nesterov),
        integer("step", step, 1),
        number("grad_scale", grad_scale),
        runtime.current(),
    )
