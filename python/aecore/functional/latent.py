"""The terms between the encoder and the decoder of a variational autoencoder."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, like, result, same_shape


def reparameterize(
    mean: np.ndarray, logvar: np.ndarray, eps: np.ndarray, *, out: np.ndarray | None = None
) -> np.ndarray:
    r"""Draw from a normal distribution as a function of its parameters and of noise.

    :math:`z = \mu + e^{\log\sigma^2 / 2} \, \epsilon`

    Parameters
    ----------
    mean, logvar, eps : ndarray of float32, all of one shape
        Means, logarithms of variances, and standard normal noise.
    out : ndarray of float32, optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, of the same shape

    Raises
    ------
    TypeError
        For an array of another dtype than float32.
    ValueError
        For arrays that aren't C-contiguous, or whose shapes differ.

    References
    ----------
    Kingma, Welling: Auto-Encoding Variational Bayes, 2014, section 2.4.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> one = np.ones((1, 2), np.float32)
    >>> F.reparameterize(one, 0 * one, 3 * one)
    array([[4., 4.]], dtype=float32)
    """
    out = result(out, array("mean", mean).shape)
    _core.reparameterize(out, mean, logvar, eps, runtime.current())
    return out


def reparameterize_backward(
    grad: np.ndarray, mean: np.ndarray, logvar: np.ndarray, eps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Differentiate `reparameterize` with respect to mean, logvar and eps.

    Parameters
    ----------
    grad : ndarray of float32
        Gradient with respect to the result.
    mean, logvar, eps : ndarray of float32
        What `reparameterize` was given.

    Returns
    -------
    dmean, dlogvar, deps : ndarray of float32
        :math:`g`, :math:`\tfrac12 g \sigma \epsilon` and :math:`g \sigma`.
    """
    same_shape(mean=mean, grad=grad)
    dmean, dlogvar, deps = (like("mean", mean) for _ in range(3))
    _core.reparameterize_backward(dmean, dlogvar, deps, grad, logvar, eps, runtime.current())
    return dmean, dlogvar, deps


def gaussian_kl(
    mean: np.ndarray, logvar: np.ndarray, *, out: np.ndarray | None = None
) -> np.ndarray:
    r"""Sum the divergence of normal distributions from the standard normal one.

    :math:`D_{KL} = -\tfrac12 \sum_d \left(1 + \log\sigma_d^2 - \mu_d^2 - \sigma_d^2\right)`

    Parameters
    ----------
    mean, logvar : ndarray of float32, shape (N, D)
        Means and logarithms of variances.
    out : ndarray of float32, shape (N,), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (N,)
        In nats, for each sample: a sum over the latent dimensions, not a mean. Accurate near the
        prior too, where the terms of the formula above cancel.

    Raises
    ------
    TypeError
        For an array of another dtype than float32.
    ValueError
        For arrays that aren't C-contiguous, or whose shapes don't agree.

    References
    ----------
    Kingma, Welling: Auto-Encoding Variational Bayes, 2014, appendix B.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> F.gaussian_kl(np.ones((1, 4), np.float32), np.zeros((1, 4), np.float32))
    array([2.], dtype=float32)
    """
    out = result(out, array("mean", mean, 2).shape[:1])
    _core.gaussian_kl(out, mean, logvar, runtime.current())
    return out


def gaussian_kl_backward(
    grad: np.ndarray, mean: np.ndarray, logvar: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""Differentiate `gaussian_kl` with respect to mean and logvar.

    Parameters
    ----------
    grad : ndarray of float32, shape (N,)
        Gradient with respect to the result.
    mean, logvar : ndarray of float32, shape (N, D)
        What `gaussian_kl` was given.

    Returns
    -------
    dmean, dlogvar : ndarray of float32, shape (N, D)
        :math:`g \mu` and :math:`\tfrac12 g (\sigma^2 - 1)`.
    """
    array("mean", mean, 2)
    dmean, dlogvar = like("mean", mean), like("mean", mean)
    _core.gaussian_kl_backward(dmean, dlogvar, grad, mean, logvar, runtime.current())
    return dmean, dlogvar
