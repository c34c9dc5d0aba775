"""Vector quantisation."""

from __future__ import annotations

import math

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, like, number, view


def _rows(name: str, value: np.ndarray) -> np.ndarray:
    """Return a C-contiguous array of at least one dimension as (N, D), without a copy."""
    if array(name, value).ndim == 0:
        raise ValueError(f"{name}: expected at least one dimension, got a scalar")
    return view(name, value, (math.prod(value.shape[:-1]), value.shape[-1]))


def vector_quantize(z: np.ndarray, codebook: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Replace each vector by the nearest entry of a codebook.

    .. math:: k_n = \arg\min_k \lVert z_n - e_k \rVert^2, \qquad q_n = e_{k_n}

    Parameters
    ----------
    z : ndarray of float32, shape (..., D)
        Vectors of D values.
    codebook : ndarray of float32, shape (E, D)
        One entry in each row.

    Returns
    -------
    quantized : ndarray of float32, shape (..., D)
        The nearest entry of each vector.
    indices : ndarray of int64, shape (...)
        Which entry that is.

    Raises
    ------
    TypeError
        For an array of another dtype than float32.
    ValueError
        For arrays that aren't C-contiguous, whose shapes don't agree, or an empty codebook.

    Notes
    -----
    An index is that of the least distance as computed in float64, and the lower one where two of
    those are equal: products in float32 find it, and where their rounding leaves a doubt the vector
    is compared once more in float64. A vector that isn't finite gets some valid index.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> codebook = np.array([[0, 0], [1, 1]], np.float32)
    >>> F.vector_quantize(np.array([[0.9, 0.7], [0.5, 0.5]], np.float32), codebook)[1]
    array([1, 0])
    """
    rows = _rows("z", z)
    array("codebook", codebook, 2)
    quantized, indices = like("z", rows), np.empty(len(rows), np.int64)
    _core.vector_quantize(quantized, indices, rows, codebook, runtime.current())
    return quantized.reshape(z.shape), indices.reshape(z.shape[:-1])


def vector_quantize_backward(
    grad: np.ndarray,
    z: np.ndarray,
    codebook: np.ndarray,
    indices: np.ndarray,
    *,
    commitment: float = 0.25,
    scale: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Pass the gradient straight through `vector_quantize`, and add those of its two losses.

    With sg for what is taken as constant, the losses are :math:`s\,(\lVert \mathrm{sg}[z] - e
    \rVert^2 + c\,\lVert z - \mathrm{sg}[e] \rVert^2)`, so that

    .. math:: dz_n = g_n + 2 s c\,(z_n - e_{k_n}), \qquad de_k = 2 s \sum_{n: k_n = k} (e_k - z_n)

    Parameters
    ----------
    grad : ndarray of float32, shape (..., D)
        Gradient with respect to the quantized vectors.
    z, codebook : ndarray
        What `vector_quantize` was given.
    indices : ndarray of int64, shape (...)
        What it returned.
    commitment : float
        The weight c of the second loss.
    scale : float
        The weight s of both.

    Returns
    -------
    dz : ndarray of float32, shape (..., D)
    dcodebook : ndarray of float32, shape (E, D)

    References
    ----------
    A. van den Oord, O. Vinyals, K. Kavukcuoglu, "Neural discrete representation learning", NeurIPS
    (2017).
    """
    rows, dq = _rows("z", z), _rows("grad", grad)
    array("codebook", codebook, 2)
    if array("indices", indices).shape != z.shape[:-1]:
        raise ValueError(f"indices: expected shape {z.shape[:-1]}, got {indices.shape}")
    if grad.shape != z.shape:
        raise ValueError(f"grad: expected shape {z.shape}, got {grad.shape}")
    chosen, ws = view("indices", indices, (indices.size,)), runtime.current()
    dz, dcodebook = like("z", rows), np.zeros(codebook.shape, np.float32)
    weights = number("commitment", commitment), number("scale", scale)
    _core.vector_quantize_backward(dz, dcodebook, dq, rows, codebook, chosen, *weights, ws)
    return dz.reshape(z.shape), dcodebook
