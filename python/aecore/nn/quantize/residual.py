"""Quantisation in steps: each codebook for what those before it left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...base.checks import integer
from ..module import Module
from ..ops.quantize import PASSED, Coded
from ..tape import Value
from .codebook import Quantized, Quantizer
from .vector import VectorQuantizer


class ResidualQuantizer(Quantizer):
    r"""Each vector replaced by a sum of entries, one from each of several codebooks.

    The first codebook has the nearest entry :math:`e_1` of z, the second one that of what is left,
    :math:`z - e_1`, and so on: :math:`y = e_1 + e_2 + \dots`. With q codebooks of E entries there
    are :math:`E^q` sums, where one codebook would need as many entries. The losses are those of
    `VectorQuantizer`, of every codebook for the vectors that it was given, added up. Shapes: z (N,
    ..., D), output the same.

    Parameters
    ----------
    depth : int
        q, the number of codebooks.
    codebook_size, code_dim : int
        E and D, of each of them.
    **options
        Those of `VectorQuantizer`. Cosine distances need a ``projection_dim``, which each codebook
        has of its own: what is left of a vector has a length that matters.

    Attributes
    ----------
    layers : tuple of VectorQuantizer
    codebook : ndarray, shape (q, E, D) or (q, E, P)
    n_codes : int
        E.
    code_shape : tuple of int
        The shape of a vector's code: (q,).
    indices : ndarray of int64, shape (N, ..., q)
        The entries that the last forward pass chose.
    terms : dict of ndarray, shape (N,)
        The sums over codebooks of ``vq`` and ``commitment``.
    minimized : tuple of str
        Which of the terms are minimised by gradients.

    References
    ----------
    N. Zeghidour et al., "SoundStream: an end-to-end neural audio codec", TASLP 30, 2021.
    D. Lee et al., "Autoregressive image generation using residual quantization", CVPR 2022.
    R. Kumar et al., "High-fidelity audio compression with improved RVQGAN", NeurIPS 2023
    (projections).

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> quantizer = nn.ResidualQuantizer(4, 16, 2)
    >>> z = np.random.default_rng(0).standard_normal((100, 2), np.float32)
    >>> quantizer.start_kmeans(z)
    >>> y = quantizer(z)
    >>> quantizer.indices.shape, bool(np.abs(z - y).max() < 0.1)
    ((100, 4), True)
    """

    def __init__(self, depth: int, codebook_size: int, code_dim: int, **options: Any) -> None:
        cosine = options.get("distance", "euclidean") != "euclidean"
        if cosine and options.get("projection_dim") is None:
            raise ValueError(
                "distance: expected 'euclidean', since the length of a residual matters, or a "
                f"projection_dim, got {options['distance']!r}"
            )
        depth = integer("depth", depth, 1)
        self.layers = tuple(
            VectorQuantizer(codebook_size, code_dim, **options) for _ in range(depth)
        )
        self.minimized = self.layers[0].minimized
        self.n_codes, self.code_shape = self.layers[0].n_codes, (depth,)

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, layer in enumerate(self.layers):
            yield str(i), layer

    @property
    def codebook(self) -> np.ndarray:
        return np.stack([layer.codebook for layer in self.layers])

    def start_kmeans(self, rows: np.ndarray, iterations: int = 10) -> None:
        """Start each codebook as `VectorQuantizer.start_kmeans` does, on what those before leave.

        Parameters
        ----------
        rows : ndarray of float32, shape (M, D)
        iterations : int
        """
        for layer in self.layers:
            layer.start_kmeans(rows, iterations)
            rows = rows - layer(rows)

    def quantize(self, x: Value, there: np.ndarray | None = None) -> Quantized:
        """Return what vectors are replaced by, their codes, and the terms of the loss."""
        first, given = self.layers[0], x
        found = [first.quantize(x, there)]
        # with projections gradients go through all of them; else to x at once, and a codebook is
        # told where those before it ended, and has no say in it
        through = first.down is not None
        total = nearest = found[0].y if through else found[0].y.detach()
        for layer in self.layers[1:]:
            x = x - nearest
            found.append(layer.quantize(x, there))
            nearest = found[-1].y if through else found[-1].y.detach()
            total = total + nearest
        y = total if through else PASSED[first.gradient](given, total)
        op = Coded(y, [part.op for part in found], [False] * len(found))
        return Quantized(op, op, [part for each in found for part in each.parts])

    def lookup(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (N, ..., D) that codes (N, ..., q) stand for."""
        y = self.layers[0].lookup(indices[..., 0])
        for i, layer in enumerate(self.layers[1:], 1):
            y += layer.lookup(indices[..., i])
        return y

    def lookup_onnx(self, graph: Any, codes: str) -> str:
        """Append `lookup` to an ONNX graph; return the name of the vectors."""
        found = ""
        for i, layer in enumerate(self.layers):
            index = graph.add("Gather", codes, np.array(i, np.int64), axis=-1)
            y = layer.lookup_onnx(graph, index)
            found = graph.add("Add", found, y) if found else y
        return found
