"""Dropout."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from ..base.streams import DROPOUT
from .module import Module, Shape, fresh_seed


class Dropout(Module):
    """Each value dropped with a probability while training, the rest scaled up to make up for it.

    Without training the output is the input itself. Srivastava et al., 2014.

    Parameters
    ----------
    rate : float
        The probability, from 0 up to but not 1.

    Attributes
    ----------
    seed : int
        Of the random stream; see `Module.seed_noise`.
    position : buffer, shape (1,)
        Where in the stream the next batch starts.
    """

    def __init__(self, rate: float = 0.5) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"rate: expected a number from 0 up to but not 1, got {rate!r}")
        self.rate, self.seed = float(rate), fresh_seed()
        self.add_buffer("position", np.zeros(1, np.int64))

    def reset(self, seed: int, offset: int) -> int:
        self.buffer("position").fill(0)
        return offset

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        if not training or self.rate == 0:
            self._kept = None
            return x
        position = self.buffer("position")
        self._kept = int(position[0])
        position += x.size
        return self._drop("y", x)

    def backward(self, grad: np.ndarray) -> np.ndarray:
        return grad if self._kept is None else self._drop("dx", grad)

    def _drop(self, name: str, x: np.ndarray) -> np.ndarray:
        y, ws = self.scratch(name, x.shape), runtime.current()
        _core.dropout(y, x, self.rate, self.seed, DROPOUT, self._kept, ws)
        return y

    def output_shape(self, shape: Shape) -> Shape:
        return tuple(shape)

    def extra_repr(self) -> str:
        return f"{self.rate:g}"
