"""Quantisation without a codebook or a look-up: the sign of every coordinate is a bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.checks import integer, real
from ..module import shown
from ..ops.signs import Sign, SignEntropy
from ..tape import Shape, Value
from .codebook import Quantized, Quantizer

MOST_BITS = 24  # float32 has all numbers below 2 ** 24


class LookupFreeQuantizer(Quantizer):
    r"""Each coordinate of a vector replaced by its sign, 1 or -1; the gradient passes straight on.

    The B signs are the digits of a number of B bits, the first one the smallest. Nothing but the
    layers around learns. Two terms of a sample's loss, sums over its vectors, see to it that signs
    are sure and that all numbers are used:

    .. math:: \frac{\mathrm{commitment}}{B} \lVert z - \mathrm{sg}[y] \rVert^2, \qquad
        \mathrm{entropy\_weight} \Bigl( H[q(c | z)] - H[\mathrm{mean}\; q(c | z)] \Bigr)

    where :math:`q(c | z) \propto \exp(-\lVert z - c \rVert^2 / \mathrm{temperature})` over all
    :math:`2^B` codes c, and the mean is over the vectors of a batch; of more than 12 bits the
    second entropy is taken in parts. Shapes: z (N, ..., B), output the same.

    Parameters
    ----------
    bits : int
        B, at most 24.
    commitment : float
        How much vectors are drawn to -1 and 1.
    entropy_weight : float
    temperature : float
        The lower it is, the smaller are the vectors whose signs are taken for sure: a fresh
        network's are small.

    Attributes
    ----------
    codebook : ndarray, shape (2 ** B, B)
        The signs in the order of their numbers.
    n_codes : int
        2 ** B.
    code_shape : tuple of int
        The shape of a vector's code: (), one number.
    indices : ndarray of int64, shape (N, ...)
        The numbers that the last forward pass gave.
    terms : dict of ndarray, shape (N,)
        The two terms of the last forward pass, ``commitment`` and ``entropy``.
    minimized : tuple of str
        Which of the terms are minimised by gradients: both.

    References
    ----------
    L. Yu et al., "Language model beats diffusion: tokenizer is key to visual generation", ICLR
    2024.

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> quantizer = nn.LookupFreeQuantizer(3)
    >>> quantizer(np.array([[0.1, -9.0, 2.0], [-0.3, -0.6, -0.1]], np.float32))
    array([[ 1., -1.,  1.],
           [-1., -1., -1.]], dtype=float32)
    >>> quantizer.indices, quantizer.n_codes
    (array([5, 0]), 8)
    """

    code_shape: Shape = ()
    minimized = ("commitment", "entropy")

    def __init__(
        self,
        bits: int,
        *,
        commitment: float = 0.25,
        entropy_weight: float = 0.1,
        temperature: float = 0.1,
    ) -> None:
        self.bits = integer("bits", bits, 1, MOST_BITS)
        self.commitment = real("commitment", commitment)
        self.entropy_weight = real("entropy_weight", entropy_weight)
        self.temperature = real("temperature", temperature)
        if not self.temperature:
            raise ValueError("temperature: expected more than 0, got 0")
        self.n_codes = 2**self.bits

    @property
    def codebook(self) -> np.ndarray:
        return self.lookup(np.arange(self.n_codes))

    def quantize(self, x: Value, there: np.ndarray | None = None) -> Quantized:
        """Return the signs, their numbers, and the terms of the loss."""
        if len(x.shape) < 2 or x.shape[-1] != self.bits:
            raise ValueError(
                f"LookupFreeQuantizer: expected vectors of {self.bits}, got the shape {x.shape[1:]}"
            )
        y = Sign(x)
        if x.tape.abstract:
            return Quantized(y, y, [{}])
        apart = x - y.detach()
        if there is not None:
            apart = apart * there[..., None].astype(np.float32)
        far = (apart * apart).sum(axis=tuple(range(1, x.ndim)))
        entropy = SignEntropy(x, self.temperature, there)
        weights = np.float32(self.commitment / self.bits), np.float32(self.entropy_weight)
        terms = {"commitment": far * weights[0], "entropy": entropy * weights[1]}
        return Quantized(y, y, [terms])

    def lookup(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (N, ..., B) that codes (N, ...) stand for."""
        digits = indices[..., None] >> np.arange(self.bits) & 1
        return digits.astype(np.float32) * 2 - 1

    def lookup_onnx(self, graph: Any, codes: str) -> str:
        """Append `lookup` to an ONNX graph; return the name of the vectors."""
        number = graph.add("Unsqueeze", codes, np.array([-1], np.int64))
        digits = graph.add("Div", number, 2 ** np.arange(self.bits, dtype=np.int64))
        digits = graph.add("Mod", digits, np.array(2, np.int64))
        y = graph.add("Mul", graph.add("Cast", digits, to=1), np.float32(2))  # FLOAT
        return graph.add("Sub", y, np.float32(1))

    def extra_repr(self) -> str:
        return f"{self.bits}" + shown(
            commitment=(self.commitment, 0.25),
            entropy_weight=(self.entropy_weight, 0.1),
            temperature=(self.temperature, 0.1),
        )
