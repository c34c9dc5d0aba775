"""Quantisation without a codebook: every coordinate rounded to one of a few levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...base.checks import integer
from ..module import shown
from ..ops.quantize import FiniteScalar
from ..tape import Shape, Value
from .codebook import Quantized, Quantizer

MOST_CODES = 2**24  # float32 has all numbers below


def checked_levels(levels: Sequence[int]) -> tuple[int, ...]:
    """Return levels as a tuple; TypeError or ValueError if they make no sense."""
    if isinstance(levels, (str, bytes)) or not isinstance(levels, (Sequence, np.ndarray)):
        raise TypeError(f"levels: expected a sequence of integers, got {levels!r}")
    found = tuple(integer("levels", n, 2) for n in levels)
    if not found or math.prod(found) > MOST_CODES:
        raise ValueError(
            f"levels: expected at least one, and a product of at most {MOST_CODES}, got {levels!r}"
        )
    return found


class FiniteScalarQuantizer(Quantizer):
    r"""Each coordinate of a vector squashed by tanh and rounded to one of a few even levels.

    .. math:: y_j = \frac{2 k_j}{L_j - 1} - 1, \qquad
        k_j = \mathrm{round} \Bigl( (L_j - 1) \frac{\tanh z_j + 1}{2} \Bigr)

    so that y is on a grid from -1 to 1 of :math:`\prod_j L_j` points, and the number of a point is
    :math:`k_1 + L_1 (k_2 + L_2 (k_3 + \dots))`. The gradient is that of tanh: it passes straight
    through the rounding. Nothing is learned, and there are no terms of a loss. Shapes: z (N, ...,
    D), output the same.

    With ``depth=q`` what is left of :math:`\tanh z_j` is rounded again, to the :math:`L_j` values
    of such a grid divided by :math:`L_j`, what is left then to one divided by :math:`L_j^2`, and so
    on. The sums of q such values are :math:`L_j^q` different ones, evenly spaced: each code says
    more precisely what those before it have said.

    Parameters
    ----------
    levels : sequence of int
        L, one for each of the D coordinates, each at least 2. Their product is at most 2 ** 24.
    depth : int
        q. L ** q is at most 2 ** 24.

    Attributes
    ----------
    codebook : ndarray, shape (n_codes, D), or (q, n_codes, D) where q > 1
        The points in the order of their numbers.
    n_codes : int
        The product of the levels.
    code_shape : tuple of int
        The shape of a vector's code: (), one number, or (q,).
    indices : ndarray of int64, shape (N, ...), or (N, ..., q) where q > 1
        The points that the last forward pass chose.
    terms, minimized : dict and tuple
        Empty: see `VectorQuantizer`.

    Notes
    -----
    With an odd number of levels this is the paper's form. With an even one the paper shifts tanh by
    half a step, so that 0 is a level; an even grid needs no shift, and the layers around take up
    the difference.

    References
    ----------
    F. Mentzer et al., "Finite scalar quantization: VQ-VAE made simple", ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> quantizer = nn.FiniteScalarQuantizer((3, 5))
    >>> quantizer(np.array([[0.1, -9.0], [2.0, 0.6]], np.float32))
    array([[ 0. , -1. ],
           [ 1. ,  0.5]], dtype=float32)
    >>> quantizer.indices, quantizer.n_codes
    (array([ 1, 11]), 15)
    """

    code_shape: Shape = ()
    minimized: tuple[str, ...] = ()
    depth = 1  # which pickles of 0.1.0 lack

    def __init__(self, levels: Sequence[int], depth: int = 1) -> None:
        self.levels = checked_levels(levels)
        self.n_codes = math.prod(self.levels)
        self.depth = integer("depth", depth, 1)
        if max(self.levels) ** self.depth > MOST_CODES:
            raise ValueError(
                f"depth: expected at most {MOST_CODES} values of a coordinate, levels ** depth, "
                f"got {self.levels} and {depth}"
            )
        if self.depth > 1:
            self.code_shape = (self.depth,)

    @property
    def codebook(self) -> np.ndarray:
        codes = np.arange(self.n_codes)
        if self.depth == 1:
            return self._points(codes, 0)
        return np.stack([self._points(codes, i) for i in range(self.depth)])

    def quantize(self, x: Value, there: np.ndarray | None = None) -> Quantized:
        """Return the nearest points of the grid, their numbers, and no terms."""
        op = FiniteScalar(x, self.levels, self.depth)
        return Quantized(op, op, [{}])

    def lookup(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (N, ..., D) that codes, (N, ...) or (N, ..., q), stand for."""
        if self.depth == 1:
            return self._points(indices, 0)
        y = self._points(indices[..., 0], 0)
        for i in range(1, self.depth):
            y += self._points(indices[..., i], i)
        return y

    def _points(self, codes: np.ndarray, i: int) -> np.ndarray:
        """Return the points of the i-th grid with some numbers."""
        levels = np.array(self.levels)
        steps = codes[..., None] // np.cumprod((1, *self.levels[:-1])) % levels
        half = (levels.astype(np.float32) - 1) / 2
        y = (steps.astype(np.float32) / half - 1).astype(np.float32)
        return y / levels.astype(np.float32) ** np.float32(i) if i else y

    def lookup_onnx(self, graph: Any, codes: str) -> str:
        """Append `lookup` to an ONNX graph; return the name of the vectors."""
        levels, found = np.array(self.levels, np.int64), ""
        for i in range(self.depth):
            number = codes
            if self.depth > 1:
                number = graph.add("Gather", codes, np.array(i, np.int64), axis=-1)
            number = graph.add("Unsqueeze", number, np.array([-1], np.int64))
            places = np.cumprod((1, *self.levels[:-1])).astype(np.int64)
            steps = graph.add("Mod", graph.add("Div", number, places), levels)
            half = (levels.astype(np.float32) - 1) / 2
            y = graph.add("Div", graph.add("Cast", steps, to=1), half)  # FLOAT
            y = graph.add("Sub", y, np.float32(1))
            if i:
                y = graph.add("Div", y, levels.astype(np.float32) ** np.float32(i))
            found = graph.add("Add", found, y) if found else y
        return found

    def extra_repr(self) -> str:
        return f"{self.levels}" + shown(depth=(self.depth, 1))
