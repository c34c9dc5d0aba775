"""Quantisation in groups: each part of a vector by a quantizer of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..module import Module
from ..ops.quantize import Coded
from ..tape import Value
from .codebook import Quantized, Quantizer


class GroupedQuantizer(Quantizer):
    r"""A vector cut into equal parts along its last axis, each replaced by a quantizer of its own.

    With g quantizers of E codes each there are :math:`E^g` vectors: a product of codebooks. The
    losses are added up. Shapes: z (N, ..., D), output the same, where each quantizer sees D / g
    coordinates.

    Parameters
    ----------
    *layers : VectorQuantizer, ResidualQuantizer, FiniteScalarQuantizer or LookupFreeQuantizer
        All of the same kind, with equally many codes of equally long vectors.

    Attributes
    ----------
    layers : tuple
    codebook : ndarray, shape (g, E, D / g)
        Those of the quantizers: (g q, E, D / g) where each has q.
    n_codes : int
        E.
    code_shape : tuple of int
        The shape of a vector's code: (g,) or (g q,).
    indices : ndarray of int64, shape (N, ..., g) or (N, ..., g q)
        The codes that the last forward pass chose.
    terms : dict of ndarray, shape (N,)
        The sums over quantizers of their terms.
    minimized : tuple of str
        Which of the terms are minimised by gradients.

    References
    ----------
    H. Jégou, M. Douze and C. Schmid, "Product quantization for nearest neighbor search", TPAMI 33,
    2011.

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> quantizer = nn.GroupedQuantizer(*(nn.FiniteScalarQuantizer((3, 5)) for _ in range(2)))
    >>> quantizer(np.array([[0.1, -9.0, 2.0, 0.6]], np.float32))
    array([[ 0. , -1. ,  1. ,  0.5]], dtype=float32)
    >>> quantizer.indices, quantizer.n_codes
    (array([[ 1, 11]]), 15)
    """

    def __init__(self, *layers: Any) -> None:
        if not layers:
            raise ValueError("layers: expected at least one, got none")
        for layer in layers:
            if not isinstance(layer, Quantizer) or isinstance(layer, GroupedQuantizer):
                raise TypeError(f"layers: expected quantizers, got {type(layer).__name__}")
        first = layers[0]
        alike = {(type(v), v.n_codes, v.code_shape, v.minimized) for v in layers}
        if len({id(layer) for layer in layers}) < len(layers) or len(alike) > 1:
            raise ValueError(
                f"layers: expected each once, all like {first!r} in kind and number of codes, got "
                f"{layers!r}"
            )
        self.layers = layers
        self.minimized, self.n_codes = first.minimized, first.n_codes
        self.code_shape = (len(layers) * math.prod(first.code_shape),)

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, layer in enumerate(self.layers):
            yield str(i), layer

    @property
    def codebook(self) -> np.ndarray:
        books = [layer.codebook for layer in self.layers]
        return np.concatenate([book if book.ndim == 3 else book[None] for book in books])

    def _parts(self, size: int) -> list[slice]:
        """Return where each part of a vector is."""
        each, left = divmod(size, len(self.layers))
        if left:
            n = len(self.layers)
            raise ValueError(f"GroupedQuantizer: expected vectors of a multiple of {n}, got {size}")
        return [slice(i * each, (i + 1) * each) for i in range(len(self.layers))]

    def start_kmeans(self, rows: np.ndarray, iterations: int = 10) -> None:
        """Start each codebook as `VectorQuantizer.start_kmeans` does, on its part of the vectors.

        Parameters
        ----------
        rows : ndarray of float32, shape (M, D)
        iterations : int
        """
        for layer, part in zip(self.layers, self._parts(rows.shape[-1]), strict=True):
            layer.start_kmeans(np.ascontiguousarray(rows[:, part]), iterations)

    def quantize(self, x: Value, there: np.ndarray | None = None) -> Quantized:
        """Return what vectors are replaced by, their codes, and the terms of the loss."""
        parts = self._parts(x.shape[-1])
        found = [
            layer.quantize(x[..., part], there)
            for layer, part in zip(self.layers, parts, strict=True)
        ]
        y: Any = np.concatenate([each.y for each in found], axis=-1)
        several = bool(self.layers[0].code_shape)
        op = Coded(y, [each.op for each in found], [several] * len(found))
        return Quantized(op, op, [part for each in found for part in each.parts])

    def _codes(self, layer: int) -> Any:
        """Return where the codes of a layer are, along the last axis."""
        each = math.prod(self.layers[0].code_shape)
        return slice(layer * each, (layer + 1) * each) if self.layers[0].code_shape else layer

    def lookup(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (N, ..., D) that codes (N, ..., g) or (N, ..., g q) stand for."""
        found = [layer.lookup(indices[..., self._codes(i)]) for i, layer in enumerate(self.layers)]
        return np.concatenate(found, axis=-1)

    def lookup_onnx(self, graph: Any, codes: str) -> str:
        """Append `lookup` to an ONNX graph; return the name of the vectors."""
        found = []
        for i, layer in enumerate(self.layers):
            at = self._codes(i)
            index = np.arange(at.start, at.stop) if isinstance(at, slice) else np.array(at)
            each = graph.add("Gather", codes, index.astype(np.int64), axis=-1)
            found.append(layer.lookup_onnx(graph, each))
        return graph.add("Concat", *found, axis=-1)
