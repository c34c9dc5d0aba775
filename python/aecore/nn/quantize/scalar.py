"""Quantisation without a codebook: every coordinate rounded to one of a few levels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ... import _core
from ...base import runtime
from ..module import Module, Shape, count

MOST_CODES = 2**24  # float32 has all numbers below


def checked_levels(levels: Sequence[int]) -> tuple[int, ...]:
    """Return levels as a tuple; TypeError or ValueError if they make no sense."""
    if isinstance(levels, (str, bytes)) or not isinstance(levels, (Sequence, np.ndarray)):
        raise TypeError(f"levels: expected a sequence of integers, got {levels!r}")
    found = tuple(count("levels", n, 2) for n in levels)
    if not found or math.prod(found) > MOST_CODES:
        raise ValueError(
            f"levels: expected some, whose product is at most {MOST_CODES}, got {levels!r}"
        )
    return found


class FiniteScalarQuantizer(Module):
    r"""Each coordinate of a vector squashed by tanh and rounded to one of a few even levels.

    .. math:: y_j = \frac{2 k_j}{L_j - 1} - 1, \qquad
        k_j = \mathrm{round} \Bigl( (L_j - 1) \frac{\tanh z_j + 1}{2} \Bigr)

    so that y is on a grid from -1 to 1 of :math:`\prod_j L_j` points, and the number of a point is
    :math:`k_1 + L_1 (k_2 + L_2 (k_3 + \dots))`. The gradient is that of tanh: it passes straight
    through the rounding. Nothing is learned, and there are no terms of a loss. Shapes: z (N, ...,
    D), output the same.

    Parameters
    ----------
    levels : sequence of int
        L, one for each of the D coordinates, each at least 2. Their product is at most 2 ** 24.

    Attributes
    ----------
    codebook : ndarray, shape (n_codes, D)
        The points in the order of their numbers.
    n_codes : int
        The product of the levels.
    code_shape : tuple of int
        The shape of a vector's code: (), one number.
    indices : ndarray of int64, shape (N, ...)
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
    >>> quantizer.forward(np.array([[0.1, -9.0], [2.0, 0.6]], np.float32))
    array([[ 0. , -1. ],
           [ 1. ,  0.5]], dtype=float32)
    >>> quantizer.indices, quantizer.n_codes
    (array([ 1, 11]), 15)
    """

    code_shape: Shape = ()
    minimized: tuple[str, ...] = ()

    def __init__(self, levels: Sequence[int]) -> None:
        self.levels = checked_levels(levels)
        self.n_codes = math.prod(self.levels)
        self._place = np.cumprod((1, *self.levels[:-1]))

    @property
    def codebook(self) -> np.ndarray:
        return self.lookup(np.arange(self.n_codes))

    @property
    def terms(self) -> dict[str, np.ndarray]:
        return {}

    @property
    def indices(self) -> np.ndarray:
        _, steps = self._kept
        number = self.scratch("number", steps.shape[:-1])
        index = self.scratch("index", number.shape, np.int64)
        # integers below 2 ** 24 have exact sums, in any order
        np.matmul(steps, self._place.astype(np.float32), out=number)
        np.copyto(index, number, casting="unsafe")
        return index

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.output_shape(x.shape[1:])
        squashed, y, steps = (self.scratch(n, x.shape) for n in ("tanh", "y", "steps"))
        _core.activation(squashed, x, "tanh", runtime.current())
        np.add(squashed, 1, out=y)
        np.clip(y, 0, 2, out=y)
        for column, half in self._columns(y):
            column *= half
        np.rint(y, out=y)
        np.fmax(y, 0, out=steps)  # NaN stays in y, for others to notice, and has some number
        self._kept = squashed, steps
        return self._points(y)

    def lookup(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (N, ..., D) that codes (N, ...) stand for."""
        steps = indices[..., None] // self._place % np.array(self.levels)
        return self._points(steps.astype(np.float32))

    def _points(self, steps: np.ndarray) -> np.ndarray:
        """Turn numbers of levels into values from -1 to 1, in place."""
        for column, half in self._columns(steps):
            column /= half
        steps -= 1
        return steps

    def _columns(self, values: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
        """Yield each coordinate and half the distance of its levels' numbers."""
        for j, n in enumerate(self.levels):
            yield values[..., j], (n - 1) / 2

    def backward(self, grad: np.ndarray) -> np.ndarray:
        squashed, _ = self._kept
        _core.activation_backward(grad, grad, squashed, "tanh", runtime.current())
        return grad

    def output_shape(self, shape: Shape) -> Shape:
        dim = len(self.levels)
        if not shape or shape[-1] != dim:
            raise ValueError(
                f"FiniteScalarQuantizer: expected vectors of {dim}, got the shape {tuple(shape)}"
            )
        return tuple(shape)

    def extra_repr(self) -> str:
        return f"{self.levels}"
