"""Counter-based random numbers, and dropout.

Value i of a stream is a function of the seed and of i alone: calls with the same seed and with
offsets that follow one another give the parts of one sequence, in any order and on any number of
threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from ..base.streams import DIRECT
from ._shapes import array, integer, number, result


def _destination(shape: int | Sequence[int], out: np.ndarray | None) -> np.ndarray:
    """Return `out` if its shape is `shape`, or a new array."""
    sizes: Any = shape
    if isinstance(sizes, (str, bytes)) or not isinstance(sizes, (Sequence, np.ndarray)):
        sizes = (sizes,)
    if isinstance(sizes, np.ndarray) and sizes.ndim == 0:
        sizes = (sizes,)
    size = tuple(integer("shape", n) for n in sizes)
    if out is not None and array("out", out).shape != size:
        raise ValueError(f"out: expected shape {size}, got {out.shape}")
    return result(out, size)


def random_normal(
    shape: int | Sequence[int], seed: int, offset: int = 0, *, out: np.ndarray | None = None
) -> np.ndarray:
    r"""Draw standard normal values from a counter-based stream.

    By Box and Muller's method from uniform :math:`u, v`:
    :math:`\sqrt{-2 \log u}\,(\cos 2\pi v, \sin 2\pi v)`.

    Parameters
    ----------
    shape : int or sequence of int
        Of the result.
    seed : int
        Which stream, from 0 to :math:`2^{64} - 1`.
    offset : int
        Position in the stream of the first value, counted in values.
    out : ndarray of float32, optional
        Where to write the result.

    Returns
    -------
    ndarray of float32
        Values ``offset``, ``offset + 1``, ... of the stream, in row-major order.

    Raises
    ------
    ValueError
        For a seed or offset out of range, or a negative size.

    Notes
    -----
    Equal on every run and for every number of threads. Instruction sets that fuse multiplication
    and addition (avx2, avx512, neon) give the same bits; baseline may differ in the last ones.

    References
    ----------
    J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11
    (2011): Philox4x32-10.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> whole = F.random_normal(10, seed=1)
    >>> np.array_equal(whole[6:], F.random_normal(4, seed=1, offset=6))
    True
    """
    out = _destination(shape, out)
    _core.random_normal(out, seed, DIRECT, offset, runtime.current())
    return out


def random_uniform(
    shape: int | Sequence[int], seed: int, offset: int = 0, *, out: np.ndarray | None = None
) -> np.ndarray:
    r"""Draw uniform values in [0, 1) from a counter-based stream.

    Parameters
    ----------
    shape : int or sequence of int
        Of the result.
    seed, offset : int
        Which stream, and where in it; see `random_normal`.
    out : ndarray of float32, optional
        Where to write the result.

    Returns
    -------
    ndarray of float32
        Multiples of :math:`2^{-24}`, with the same bits everywhere.
    """
    out = _destination(shape, out)
    _core.random_uniform(out, seed, DIRECT, offset, runtime.current())
    return out


def dropout(
    x: np.ndarray, rate: float, seed: int, *, offset: int = 0, out: np.ndarray | None = None
) -> np.ndarray:
    r"""Set values to zero at random and scale the others: :math:`y = x\,[u \ge r] / (1 - r)`.

    Parameters
    ----------
    x : ndarray of float32, any shape
        What to thin out.
    rate : float
        The share :math:`r` of zeros, in [0, 1).
    seed, offset : int
        Of the uniform values :math:`u`; see `random_uniform`.
    out : ndarray of float32, optional
        Where to write the result; may be `x`.

    Returns
    -------
    ndarray of float32
        Of x's shape, with x's mean in expectation.

    References
    ----------
    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR
    15 (2014).
    """
    out = result(out, array("x", x).shape)
    _core.dropout(out, x, number("rate", rate), seed, DIRECT, offset, runtime.current())
    return out


def dropout_backward(
    grad: np.ndarray, x: np.ndarray, rate: float, seed: int, *, offset: int = 0
) -> np.ndarray:
    r"""Differentiate `dropout` with respect to x: the gradient, thinned out in the same places.

    Parameters
    ----------
    grad : ndarray of float32, shape of x
        Gradient with respect to the result.
    x, rate, seed, offset
        What `dropout` was given.

    Returns
    -------
    dx : ndarray of float32
    """
    if array("grad", grad).shape != array("x", x).shape:
        raise ValueError(f"grad: expected shape {x.shape}, got {grad.shape}")
    return dropout(grad, rate, seed, offset=offset)
