"""The affine coupling layer."""

from __future__ import annotations

import numpy as np

from ..linear import Linear
from ..parameter import Parameter
from ..tape import Tape, Value
from .base import Flow

STEEPEST = 2.0  # the largest logarithm of a scale, of one layer


class AffineCoupling(Flow):
    r"""Every second coordinate scaled and shifted by what the others say, which stay as they are.

    .. math:: z' = b z + (1 - b)\,(e^{s(b z)} z + t(b z)), \quad \ln \det = \sum_i (1 - b_i)\, s_i

    with b of 0 and 1 in turn, and s and t of a network with two hidden layers. s is kept within
    plus or minus 2, and both are 0 at first: a flow begins as the identity. Its inverse takes no
    more than itself: :math:`z = b z' + (1 - b)\, e^{-s} (z' - t)`.
    Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", ICLR 2017.

    Parameters
    ----------
    dim, width : int
        D, and the units of a hidden layer.
    odd : bool
        Whether coordinates 0, 2, 4, ... stay, rather than 1, 3, 5, ...
    """

    def __init__(self, dim: int, width: int, odd: bool = False) -> None:
        self._kept = ((np.arange(dim) + odd) % 2).astype(np.float32)
        self.hidden1 = Linear(dim, width, activation="elu")
        self.hidden2 = Linear(width, width, activation="elu")
        self.scale, self.shift = Linear(width, dim), Linear(width, dim)
        for head in (self.scale, self.shift):
            head.weight, head.bias = Parameter((dim, width), fill=0.0), Parameter((dim,), fill=0.0)

    def _network(self, z: Value) -> tuple[Value, Value]:
        """Return s and t, 0 for what stays."""
        h = self.hidden2.forward(self.hidden1.forward(z * self._kept))
        moved = 1 - self._kept
        s = np.tanh(self.scale.forward(h) * (1 / STEEPEST)) * (STEEPEST * moved)
        return s, self.shift.forward(h) * moved

    def forward(self, z: Value, context: Value | None = None) -> tuple[Value, Value]:
        s, t = self._network(z)
        return z * np.exp(s) + t, s.sum(axis=1)

    def inverse(self, z: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        with Tape(records=False) as tape:
            s, t = self._network(tape.constant(z))
            moved: np.ndarray = np.exp(-s.data) * (z - t.data)
        return np.where(self._kept > 0, z, moved)
