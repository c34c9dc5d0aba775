"""Layers that show the same values in another shape."""

from __future__ import annotations

import math
from typing import Any

from ..base.checks import integer
from .module import Module
from .ops.shapes import Reshape as ReshapeOp
from .tape import Shape, Value


class Flatten(Module):
    """Every sample as one vector: (N, H, W, C) to (N, H W C)."""

    def forward(self, x: Value) -> Value:
        return ReshapeOp(x, (x.shape[0], math.prod(x.shape[1:])))

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.flatten(name, shape)
        return 1


class Reshape(Module):
    r"""Every sample in another shape: (N, ...) to (N, \*shape).

    Parameters
    ----------
    shape : tuple of int
        Of one sample.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = tuple(integer("shape", n, 1) for n in shape)

    def forward(self, x: Value) -> Value:
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise ValueError(
                f"Reshape: expected samples of {math.prod(self.shape)} values for the shape "
                f"{self.shape}, got the shape {x.shape[1:]}"
            )
        return ReshapeOp(x, (x.shape[0], *self.shape))

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.reshape(name, shape, self.shape)
        return 1

    def extra_repr(self) -> str:
        return str(self.shape)
