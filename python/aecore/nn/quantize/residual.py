"""Quantisation in steps: each codebook for what those before it left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..module import Module, Shape, count
from .vector import VectorQuantizer


class ResidualQuantizer(Module):
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
        Those of `VectorQuantizer`, but for ``distance``: what is left of a vector has a length that
        matters.

    Attributes
    ----------
    layers : tuple of VectorQuantizer
    codebook : ndarray, shape (q, E, D)
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

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> quantizer = nn.ResidualQuantizer(4, 16, 2)
    >>> z = np.random.default_rng(0).standard_normal((100, 2), np.float32)
    >>> quantizer.start_kmeans(z)
    >>> y = quantizer.forward(z)
    >>> quantizer.indices.shape, bool(np.abs(z - y).max() < 0.1)
    ((100, 4), True)
    """

    overwrites_grad = False

    def __init__(self, depth: int, codebook_size: int, code_dim: int, **options: Any) -> None:
        if options.get("distance", "euclidean") != "euclidean":
            raise ValueError(
                "distance: expected 'euclidean', since what is left of a vector has a length that "
                f"matters, got {options['distance']!r}"
            )
        depth = count("depth", depth)
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

    @property
    def indices(self) -> np.ndarray:
        parts = [layer.indices for layer in self.layers]
        shape = (*parts[0].shape, len(parts))
        return np.stack(parts, -1, out=self.scratch("indices", shape, np.int64))

    @property
    def terms(self) -> dict[str, np.ndarray]:
        terms = self.layers[0].terms
        for layer in self.layers[1:]:
            for name, values in layer.terms.items():
                terms[name] += values
        return terms

    def start_kmeans(self, rows: np.ndarray, iterations: int = 10) -> None:
        """Start each codebook as `VectorQuantizer.start_kmeans` does, on what those before leave.

        Parameters
        ----------
        rows : ndarray of float32, shape (M, D)
        iterations : int
        """
        for layer in self.layers:
            layer.start_kmeans(rows, iterations)
            rows = rows - layer.forward(rows)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        y, rest = self.scratch("y", x.shape), x
        for i, layer in enumerate(self.layers):
            part = layer.forward(rest, training)
            if i == 0:
                np.copyto(y, part)
            else:
                y += part
            if i + 1 < len(self.layers):
                left = self.scratch(f"left{i}", x.shape)
                with np.errstate(over="ignore", invalid="ignore"):  # the loss will tell
                    rest = np.subtract(rest, part, out=left)
        return y

    def lookup(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (N, ..., D) that codes (N, ..., q) stand for."""
        y = self.layers[0].lookup(indices[..., 0])
        for i, layer in enumerate(self.layers[1:], 1):
            y += layer.lookup(indices[..., i])
        return y

    def backward(self, grad: np.ndarray) -> np.ndarray:
        for layer in self.layers:  # each passes it straight on and adds its own pull
            grad = layer.backward(grad)
        return grad

    def output_shape(self, shape: Shape) -> Shape:
        return self.layers[0].output_shape(shape)
