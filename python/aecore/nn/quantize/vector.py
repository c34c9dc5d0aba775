"""Vector quantisation with a codebook that learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.checks import real
from ..module import Module, shown
from ..ops.quantize import L2Normalize, VectorQuantize
from ..parameter import Leaf
from ..tape import Shape, Value
from .codebook import Codebook, Quantized


class VectorQuantizer(Codebook):
    r"""Each vector replaced by the nearest entry of a codebook; its gradient is passed straight on.

    The loss of a sample is :math:`\lVert \mathrm{sg}[z] - e \rVert^2 + \mathrm{commitment} \lVert
    z - \mathrm{sg}[e] \rVert^2`, summed over its vectors. With ``codebook="ema"`` gradients don't
    minimise the first term: entries are moving averages of the vectors assigned to them. With
    ``distance="cosine"`` z and e stand for :math:`z / \lVert z \rVert` and :math:`e / \lVert e
    \rVert`: the nearest entry is the one at the least angle, and outputs have length 1. Shapes:
    z (N, ..., D), output the same.

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

    Attributes
    ----------
    codebook : ndarray, shape (E, D)
        What codes stand for.
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
    entries : Parameter (loss) or buffer (ema), shape (E, D)
        Of any length where the distance is cosine.
    count : buffer, shape (E,)
        Moving average of how many vectors of a batch each entry has.
    sum : buffer (ema), shape (E, D)
        Moving average of their sum.
    seed : int
    position : buffer, shape (1,)
        Of the random numbers that restarts take; see `Module.seed_noise`.

    References
    ----------
    A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation learning",
    NeurIPS 2017. J. Yu et al., "Vector-quantized image modeling with improved VQGAN", ICLR 2022.

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
    ) -> None:
        self.commitment = real("commitment", commitment)
        self.minimized = ("vq", "commitment") if codebook == "loss" else ("commitment",)
        super().__init__(codebook_size, code_dim, codebook, decay, restart_dead, distance)

    @property
    def n_codes(self) -> int:
        return len(self._stored)

    def quantize(self, x: Value, there: np.ndarray | None = None) -> Quantized:
        """Return what vectors are replaced by, their codes, and the terms of the loss."""
        tape = x.tape
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
        return Quantized(op.y, op, [{"vq": op.vq, "commitment": op.commitment}])

    def lookup(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (N, ..., D) that codes (N, ...) stand for."""
        return self.codebook[indices]

    def lookup_onnx(self, graph: Any, codes: str) -> str:
        """Append `lookup` to an ONNX graph; return the name of the vectors."""
        return graph.add("Gather", self.codebook, codes)

    def extra_repr(self) -> str:
        size, dim = self._stored.shape
        return f"{size}, {dim}" + shown(
            commitment=(self.commitment, 0.25),
            codebook=(self.mode, "ema"),
            decay=(self.decay, 0.99),
            restart_dead=(self.restart_dead, True),
            distance=(self.distance, "euclidean"),
        )


UnitLength = Module  # what 0.1.0's pickles have inside; nothing looks at it
