"""Rows of a table by number."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from ._shapes import array, result, view


def _check(indices: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the indices as a vector."""
    if array("weight", weight, 2).dtype != np.float32:
        raise TypeError(f"weight: expected an array of float32, got {weight.dtype}")
    flat = view("indices", indices, (array("indices", indices).size,))
    if flat.dtype != np.int64:
        raise TypeError(f"indices: expected an array of int64, got {indices.dtype}")
    return flat


def embedding(
    indices: np.ndarray, weight: np.ndarray, *, out: np.ndarray | None = None
) -> np.ndarray:
    """Look up a vector for each index: row i of the weight for index i.

    Parameters
    ----------
    indices : ndarray of int64, shape (...)
        From 0 to E - 1.
    weight : ndarray of float32, shape (E, D)
        E vectors of D values.
    out : ndarray of float32, shape (..., D), optional
        Where to write the result.

    Returns
    -------
    ndarray of float32, shape (..., D)

    Raises
    ------
    TypeError
        For an array of another dtype.
    ValueError
        For an index out of range, or arrays that aren't C-contiguous.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore.functional as F
    >>> weight = np.array([[0, 1], [2, 3], [4, 5]], np.float32)
    >>> F.embedding(np.array([2, 0]), weight)
    array([[4., 5.],
           [0., 1.]], dtype=float32)
    """
    flat, shape = _check(indices, weight), (*indices.shape, weight.shape[1])
    out = result(out, shape)
    if array("out", out).shape != shape:
        raise ValueError(f"out: expected shape {shape}, got {out.shape}")
    rows = view("out", out, (flat.size, weight.shape[1]))
    _core.take_rows(rows, weight, flat, runtime.current())
    return out


def embedding_backward(grad: np.ndarray, indices: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Differentiate `embedding` with respect to the weight.

    Parameters
    ----------
    grad : ndarray of float32, shape (..., D)
        Gradient with respect to the result.
    indices, weight
        What `embedding` was given.

    Returns
    -------
    ndarray of float32, shape (E, D)
        The gradients of each row added, always in the same order.
    """
    flat, (entries, width) = _check(indices, weight), weight.shape
    if array("grad", grad).shape != (*indices.shape, width):
        raise ValueError(f"grad: expected shape {(*indices.shape, width)}, got {grad.shape}")
    rows, ws = view("grad", grad, (flat.size, width)), runtime.current()
    if rows.dtype != np.float32:
        raise TypeError(f"grad: expected an array of float32, got {grad.dtype}")
    count, dweight = np.empty(entries, np.float32), np.empty(weight.shape, np.float32)
    _core.vq_statistics(count, dweight, rows, flat, ws)
    return dweight
