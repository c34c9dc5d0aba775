"""Vector quantisation with a codebook that learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.checks import choice, integer, real
from ..linear import Linear
from ..module import Module, shown
from ..ops.quantize import PASSED, L2Normalize, Places, Rows, VectorQuantize
from ..parameter import Leaf
from ..tape import Shape, Value
from .codebook import Codebook, Quantized


class VectorQuantizer(Codebook):
    r"""Each vector replaced by the nearest entry of a codebook; its gradient is passed straight on.

    The loss of a sample is :math:`\lVert \mathrm{sg}[z] - e \rVert^2 + \mathrm{commitment} \lVert
    z - \mathrm{sg}[e] \rVert^2`, summed over its vectors. With ``codebook="ema"`` gradients don't
    minimise the first term: entries are moving averages of the vectors assigned to them. With
    ``distance="cosine"`` z and e stand for :math:`z / \lVert z \rVert` and :math:`e / \lVert e
    \rVert`: the nearest entry is the one at the least angle, and outputs have length 1. With
    ``projection_dim=P`` a linear layer makes z a vector of P numbers, which is looked up, and
    another one makes D numbers of the entry. Shapes: z (N, ..., D), output the same.

    With ``gradient="rotation"`` the gradient isn't passed straight on: the entry is taken for z
    turned and scaled by constants, so that the gradient keeps its angle to the vector: z's is
    :math:`\frac{\lVert e \rVert}{\lVert z \rVert} R^\top` times e's, with the rotation R of z's
    direction to e's.

    Parameters
    ----------
    codebook_size, code_dim : int
        E and D.
    commitment : float
    codebook : {"ema", "loss"}
        How the entries learn.
    decay : float
        Of the moving averages, of which ``"loss"`` has the counts alone.
    restart_dead : bool
        Whether entries that have fallen out of use start anew at vectors of the current batch.
    distance : {"euclidean", "cosine"}
        Between which vectors and entries it is least.
    gradient : {"straight_through", "rotation"}
        How vectors get theirs.
    projection_dim : int or None
        P, the length of the entries; None is D, without linear layers.

    Attributes
    ----------
    codebook : ndarray, shape (E, D) or (E, P)
        What vectors are compared with.
    n_codes : int
        E.
    code_shape : tuple of int
        The shape of a vector's code: (), one number.
    indices : ndarray of int64, shape (N, ...)
        The entries that the last forward pass chose.
    terms : dict of ndarray, shape (N,)
        The two sums of the last forward pass, ``vq`` and ``commitment``.
    minimized : tuple of str
        Which of the terms are minimised by gradients.
    entries : Parameter (loss) or buffer (ema), shape (E, D) or (E, P)
        Of any length where the distance is cosine.
    down, up : Linear or None
        To entries and back.
    count : buffer, shape (E,)
        Moving average of how many vectors of a batch each entry has.
    sum : buffer (ema), shape (E, D) or (E, P)
        Moving average of their sum.
    seed : int
    position : buffer, shape (1,)
        Of the random numbers that restarts take; see `Module.seed_noise`.

    References
    ----------
    A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation learning",
    NeurIPS 2017. J. Yu et al., "Vector-quantized image modeling with improved VQGAN", ICLR 2022
    (cosine, projection). C. Fifty et al., "Restructuring vector quantization with the rotation
    trick", ICLR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> quantizer = nn.VectorQuantizer(2, 3)
    >>> quantizer.codebook[...] = [[0, 0, 0], [1, 1, 1]]
    >>> quantizer(np.array([[0.9, 0.5, 0.8], [0.1, 0.2, 0.0]], np.float32))
    array([[1., 1., 1.],
           [0., 0., 0.]], dtype=float32)
    >>> quantizer.indices
    array([1, 0])
    """

    code_shape: Shape = ()
    gradient = "straight_through"  # what pickles of 0.1.0 lack, as are the linear layers
    down: Linear | None = None
    up: Linear | None = None

    def __init__(
        self,
        codebook_size: int,
        code_dim: int,
        *,
        commitment: float = 0.25,
        codebook: str = "ema",
        decay: float = 0.99,
        restart_dead: bool = True,
        distance: str = "euclidean",
        gradient: str = "straight_through",
        projection_dim: int | None = None,
    ) -> None:
        self.commitment = real("commitment", commitment)
        self.gradient = choice("gradient", gradient, tuple(PASSED))
        self.minimized = ("vq", "commitment") if codebook == "loss" else ("commitment",)
        if projection_dim is not None:
            dim = integer("code_dim", code_dim, 1)
            code_dim = integer("projection_dim", projection_dim, 1)
            self.down, self.up = Linear(dim, code_dim), Linear(code_dim, dim)
        super().__init__(codebook_size, code_dim, codebook, decay, restart_dead, distance)

    @property
    def n_codes(self) -> int:  # type: ignore[override]
        return len(self._stored)

    def quantize(self, x: Value, there: np.ndarray | None = None) -> Quantized:
        """Return what vectors are replaced by, their codes, and the terms of the loss."""
        tape, x = x.tape, self.projected(x)
        if tape.abstract:
            entries = tape.constant(self.codebook)
        elif self.mode == "loss":
            entries = Leaf(self.entries, tape)
        else:
            entries = tape.constant(self._stored)
        if self.distance == "cosine":
            x = L2Normalize(x)
            entries = entries if tape.abstract else L2Normalize(entries)
        op = VectorQuantize(x, entries, self.commitment, "VectorQuantizer", there)
        if tape.training:
            rows, index = op.chosen[0], op.index.reshape(-1)
            most, weight = len(rows), tape.weight
            if weight is not None:
                weight = np.repeat(weight, most // max(1, len(weight)))
            if there is not None:
                seen = there.reshape(-1)
                rows, index = rows[seen], index[seen]
                weight = None if weight is None else weight[seen]
            self.follow(rows, index, tape, most, weight)
        y = op.y
        if self.gradient != "straight_through":
            y = PASSED[self.gradient](x, y.detach())
        if self.up is not None:
            y = _of_vectors(self.up, y)
        return Quantized(y, op, [{"vq": op.vq, "commitment": op.commitment}])

    def projected(self, x: Value) -> Value:
        """Return what of vectors is compared with entries, (N, ..., D) or (N, ..., P)."""
        return x if self.down is None else _of_vectors(self.down, x)

    @property
    def _vectors(self) -> np.ndarray:
        """What codes stand for, (E, D)."""
        return self.codebook if self.up is None else self.up(self.codebook)

    def lookup(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (N, ..., D) that codes (N, ...) stand for."""
        return self._vectors[indices]

    def lookup_onnx(self, graph: Any, codes: str) -> str:
        """Append `lookup` to an ONNX graph; return the name of the vectors."""
        return graph.add("Gather", self._vectors, codes)

    def start_kmeans(self, rows: np.ndarray, iterations: int = 10) -> None:
        """Put the entries on the centres of clusters of vectors (M, D), once they are projected."""
        if self.down is not None:
            dim = self.down.weight.shape[1]
            if rows.ndim != 2 or rows.shape[1] != dim or not len(rows):
                raise ValueError(f"rows: expected the shape (M, {dim}), M > 0, got {rows.shape}")
            rows = self.down(rows)
        super().start_kmeans(rows, iterations)

    def extra_repr(self) -> str:
        size, dim = self._stored.shape
        projection = None if self.down is None else dim
        dim = dim if self.down is None else self.down.weight.shape[1]
        return f"{size}, {dim}" + shown(
            commitment=(self.commitment, 0.25),
            codebook=(self.mode, "ema"),
            decay=(self.decay, 0.99),
            restart_dead=(self.restart_dead, True),
            distance=(self.distance, "euclidean"),
            gradient=(self.gradient, "straight_through"),
            projection_dim=(projection, None),
        )


def _of_vectors(layer: Linear, x: Value) -> Value:
    """Return what a linear layer makes of vectors along the last axis."""
    return layer(x) if x.ndim == 2 else Places(layer(Rows(x)), x)


UnitLength = Module  # what 0.1.0's pickles have inside; nothing looks at it
