"""The planar flow."""

from __future__ import annotations

import math

import numpy as np

from ...base.streams import fresh_seed
from ..ops.elementwise import activation
from ..parameter import Parameter, value_of
from ..tape import Value
from .base import Flow

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

    def forward(self, z: Value, context: Value | None = None) -> tuple[Value, Value]:
        w, u = (value_of(p, z.tape) for p in (self.weight, self.shift))
        product = np.sum(w * u, keepdims=True)
        stretch = activation(product + OFFSET, "softplus") - 1
        u = u + w * ((stretch - product) / np.sum(w * w, keepdims=True))
        t = np.tanh(z @ w + value_of(self.bias, z.tape))
        log_det = np.log1p((1 - t * t) * stretch)
        return z + t.reshape(-1, 1) * u, log_det
