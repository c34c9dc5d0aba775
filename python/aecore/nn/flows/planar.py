"""The planar flow."""

from __future__ import annotations

import math

import numpy as np

from ...base.streams import fresh_seed
from ..ops.elementwise import activation
from ..parameter import Parameter, value_of
from ..tape import Tape, Value
from .base import Flow

STEPS = 50  # of a bisection
OFFSET = math.log(math.e - 1)  # softplus of it is 1: a flow begins as the identity


class Planar(Flow):
    r"""Codes stretched, or squeezed, about a hyperplane.

    .. math:: z' = z + \hat u \tanh(w^\top z + b), \quad
        \det = 1 + (1 - \tanh^2(w^\top z + b))\, \hat u^\top w

    It is invertible where :math:`\hat u^\top w > -1`. So :math:`\hat u = u + (m - u^\top w)\, w /
    \|w\|^2`, which makes that product :math:`m = \mathrm{softplus}(u^\top w + \ln(e - 1)) - 1`:
    0 where u is 0, as it is at first.
    Rezende and Mohamed, "Variational inference with normalizing flows", ICML 2015.

    Parameters
    ----------
    dim : int
        D.
    """

    def __init__(self, dim: int) -> None:
        self.weight = Parameter((dim,), 1 / math.sqrt(dim))
        self.shift = Parameter((dim,), fill=0.0)
        self.bias = Parameter((1,), 1 / math.sqrt(dim))
        self.initialize(fresh_seed())

    def _direction(self, tape: Tape) -> tuple[Value, Value, Value]:
        """Return w, and u with its product with w, so that the flow can be inverted."""
        w, u = (value_of(p, tape) for p in (self.weight, self.shift))
        product = np.sum(w * u, keepdims=True)
        stretch = activation(product + OFFSET, "softplus") - 1
        return w, u + w * ((stretch - product) / np.sum(w * w, keepdims=True)), stretch

    def forward(self, z: Value, context: Value | None = None) -> tuple[Value, Value]:
        w, u, stretch = self._direction(z.tape)
        t = np.tanh(z @ w + value_of(self.bias, z.tape))
        log_det = np.log1p((1 - t * t) * stretch)
        return z + t.reshape(-1, 1) * u, log_det

    def inverse(self, z: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the codes that are taken to some: along w by bisection, as it grows there."""
        with Tape(records=False) as tape:
            w, u, m = (v.data.astype(np.float64) for v in self._direction(tape))
        goal = z.astype(np.float64) @ w + self.bias.value
        low, high = goal - abs(m), goal + abs(m)
        for _ in range(STEPS):
            a = (low + high) / 2
            above = a + m * np.tanh(a) > goal
            low, high = np.where(above, low, a), np.where(above, a, high)
        found: np.ndarray = z - np.tanh((low + high) / 2)[:, None] * u
        return found.astype(np.float32)
