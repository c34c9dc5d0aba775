"""Codes of a quantizer: indices of entries, in place of the vectors that the encoder gives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...base import checks
from ...nn.tape import Value
from ...training.network import Network
from ..base.codes import Codes


class QuantizedCodes(Codes):
    """Codes that are indices of a quantizer's entries.

    Parameters
    ----------
    network : Network
    is_sized : bool
        Whether images may have other sizes than in fit.

    Attributes
    ----------
    map : tuple of int
        The shape of what the encoder gives for a sample, but for its last axis.
    shape : tuple of int
        Of a sample's codes: (h, w) or (t,) where there is a map, else (1,). Several codebooks have
        an axis more, and (q,) without a map.
    """

    def __init__(self, network: Network, is_sized: bool = False) -> None:
        self.quantizer, self.is_sized = network.quantizer, is_sized
        self.map = network.code_shape[:-1]
        super().__init__(network, (*self.map, *self.quantizer.code_shape) or (1,))

    def of(self, z: Value) -> np.ndarray:
        """Return the indices (N, ...) of the entries that vectors are replaced by."""
        shape = (*z.shape[1:-1], *self.quantizer.code_shape) or (1,)  # of images of another size
        if not z.shape[0]:
            return np.empty((0, *shape), int)
        return self.quantizer.quantize(z).index.reshape(-1, *shape)

    def read(self, Z: Any) -> np.ndarray:
        """Check codes that a user passed."""
        Z, shape = checks.array("Z", Z), self.shape
        if Z.dtype.kind not in "iu":
            raise TypeError(f"Z: expected integers, numbers of codebook entries, got {Z.dtype}")
        if Z.ndim == 2 and Z.shape[1] == math.prod(shape):
            Z = Z.reshape(len(Z), *shape)  # a data frame of them has one row for a sample
        if not self._are_like(Z.shape[1:]) or Z.ndim == 0:
            raise ValueError(f"Z: expected codes of shape {('N', *shape)}, got {Z.shape}")
        most = self.quantizer.n_codes - 1
        if Z.size and not (0 <= int(Z.min()) and int(Z.max()) <= most):
            raise ValueError(f"Z: expected codes of 0 to {most}, got {Z.min()} to {Z.max()}")
        return Z.astype(np.int64)

    def _are_like(self, shape: tuple[int, ...]) -> bool:
        """Return whether codes have a shape as in fit, or that of images of another size."""
        if shape == self.shape:
            return True
        known = self.is_sized and len(shape) == len(self.shape) and 0 not in shape
        return known and shape[2:] == self.shape[2:]

    def lookup(self, codes: np.ndarray) -> np.ndarray:
        """Return the entries that codes stand for."""
        room = codes.shape[1 : 1 + len(self.map)]
        places = codes.reshape(len(codes), *room, *self.quantizer.code_shape)
        return np.ascontiguousarray(self.quantizer.lookup(places), np.float32)

    def decode(self, z: Value, condition: Value | None) -> Value:
        """Return the decoder's output for vectors, once they are quantised."""
        return self.network.decode(self.quantizer.quantize(z).y, condition)
