"""Vectors brought to length 1, for codes that are compared by their angle."""

from __future__ import annotations

import numpy as np

from ..module import Module, Shape

SHORTEST = 1e-18  # a vector that isn't longer has no direction: it becomes 0


class UnitLength(Module):
    r"""Each vector along the last axis divided by its length, :math:`y = x / \lVert x \rVert`.

    A vector of length 0 stays as it is, and gets no gradient. Shapes: x and y (N, ..., D).
    """

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        rows = x.reshape(-1, x.shape[-1])
        y, inverse = self.scratch("y", rows.shape), self.scratch("inverse", rows.shape[:1])
        length = self.scratch("length", inverse.shape)
        short = self.scratch("short", inverse.shape, np.bool_)
        # einsum: the same sums for any number of threads, and no buffers
        np.einsum("md,md->m", rows, rows, out=length)
        np.sqrt(length, out=length)
        np.maximum(length, SHORTEST, out=length)
        np.divide(1, length, out=inverse)
        np.less_equal(length, SHORTEST, out=short)
        np.copyto(inverse, 0, where=short)
        np.einsum("md,m->md", rows, inverse, out=y)  # what isn't finite becomes NaN
        self._kept = y, inverse
        return y.reshape(x.shape)

    def backward(self, grad: np.ndarray) -> np.ndarray:
        y, inverse = self._kept
        rows, along = grad.reshape(y.shape), self.scratch("along", inverse.shape)
        part = self.scratch("part", y.shape)
        np.einsum("md,md->m", y, rows, out=along)
        np.einsum("md,m->md", y, along, out=part)
        with np.errstate(over="ignore", invalid="ignore"):  # training looks at the result
            np.subtract(rows, part, out=part)
        np.einsum("md,m->md", part, inverse, out=rows)
        return rows.reshape(grad.shape)

    @property
    def output(self) -> np.ndarray:
        """The rows of the last output, (M, D)."""
        return self._kept[0]

    def output_shape(self, shape: Shape) -> Shape:
        return tuple(shape)
