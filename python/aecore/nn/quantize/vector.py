"""Vector quantisation with a codebook that learns."""

from __future__ import annotations

import math

import numpy as np

from ... import _core
from ...base import runtime
from ..module import Shape, shown
from .codebook import Codebook
from .unit import UnitLength


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
    >>> quantizer.forward(np.array([[0.9, 0.5, 0.8], [0.1, 0.2, 0.0]], np.float32))
    array([[1., 1., 1.],
           [0., 0., 0.]], dtype=float32)
    >>> quantizer.indices
    array([1, 0])
    """

    overwrites_grad = False
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
        if not 0 <= commitment < math.inf:
            raise ValueError(f"commitment: expected a number of at least 0, got {commitment!r}")
        self.commitment = float(commitment)
        self.minimized = ("vq", "commitment") if codebook == "loss" else ("commitment",)
        super().__init__(codebook_size, code_dim, codebook, decay, restart_dead, distance)
        self._unit_vectors, self._unit_entries = UnitLength(), UnitLength()

    @property
    def n_codes(self) -> int:
        return len(self._stored)

    @property
    def indices(self) -> np.ndarray:
        z, _, index = self._kept
        return index.reshape(z.shape[:-1])

    @property
    def terms(self) -> dict[str, np.ndarray]:
        z, y, _ = self._kept
        vq, commitment = (self.scratch(name, z.shape[:1]) for name in ("vq", "commitment"))
        z, y = _samples(z, z.shape), _samples(y, z.shape)
        _core.loss("mse", vq, None, None, z, y, None, 1.0, runtime.current())
        np.multiply(vq, self.commitment, out=commitment)
        return {"vq": vq, "commitment": commitment}

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.output_shape(x.shape[1:])
        rows, entries = x.reshape(-1, self._stored.shape[1]), self._stored
        if self.distance == "cosine":
            rows, entries = self._unit_vectors.forward(rows), self._unit_entries.forward(entries)
        y, index = self.scratch("y", rows.shape), self.scratch("index", rows.shape[:1], np.int64)
        _core.vector_quantize(y, index, rows, entries, runtime.current())
        self._kept = rows.reshape(x.shape), y, index
        if training and len(rows):
            self.follow(rows, index)
        return y.reshape(x.shape)

    def lookup(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (N, ..., D) that codes (N, ...) stand for."""
        return self.codebook[indices]

    def backward(self, grad: np.ndarray) -> np.ndarray:
        z, y, index = self._kept
        dz, ws = runtime.gradients().take(z.shape), runtime.current()
        scale = 1 / max(1, len(z))  # the loss is a mean over the batch
        if self.mode == "loss":
            drows, gradient, rows = (a.reshape(y.shape) for a in (dz, grad, z))
            entries, slope = self._compared_entries()
            options = entries, index, self.commitment, scale, ws
            _core.vector_quantize_backward(drows, slope, gradient, rows, *options)
            if self.distance == "cosine":
                self.entries.grad += self._unit_entries.backward(slope)
        else:
            # the entries have moved on since: the gradient is towards those that were chosen
            weight = self.scratch("weight", z.shape[:1])
            weight.fill(self.commitment * scale)
            dx, x, target = (_samples(a, z.shape) for a in (dz, z, y))
            _core.loss("mse", None, dx, weight, x, target, None, 1.0, ws)
            _core.add(dz, dz, grad, ws)
        return self._unit_vectors.backward(dz) if self.distance == "cosine" else dz

    def _compared_entries(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the entries as forward compared them, and where their gradient adds up."""
        if self.distance == "euclidean":
            return self._stored, self.entries.grad
        slope = self.scratch("slope", self._stored.shape)
        slope.fill(0)
        return self._unit_entries.output, slope

    def output_shape(self, shape: Shape) -> Shape:
        dim = self._stored.shape[1]
        if not shape or shape[-1] != dim:
            raise ValueError(
                f"VectorQuantizer: expected vectors of {dim}, got the shape {tuple(shape)}"
            )
        return tuple(shape)

    def extra_repr(self) -> str:
        size, dim = self._stored.shape
        return f"{size}, {dim}" + shown(
            commitment=(self.commitment, 0.25),
            codebook=(self.mode, "ema"),
            decay=(self.decay, 0.99),
            restart_dead=(self.restart_dead, True),
            distance=(self.distance, "euclidean"),
        )


def _samples(values: np.ndarray, shape: Shape) -> np.ndarray:
    """Return the values with one row for each sample of a batch of this shape."""
    return values.reshape(shape[0], math.prod(shape[1:]))
