"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.streams import fresh_seed
from .module import Module
from .ops.elementwise import Dropout as DropoutOp
from .tape import Shape, Value


def dropout_rate(name: str, rate: Any) -> float:
    """Return the share of values that is dropped."""
    if not 0 <= rate < 1:
        raise ValueError(f"{name}: expected a number from 0 up to but not 1, got {rate!r}")
    return float(rate)


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
        self.rate, self.seed = dropout_rate("rate", rate), fresh_seed()
        self.add_buffer("position", np.zeros(1, np.int64))

    def reset(self, seed: int, offset: int) -> int:
        self.buffer("position").fill(0)
        return offset

    def forward(self, x: Value) -> Value:
        if not x.tape.training or self.rate == 0:
            return x
        start, part = int(self.buffer("position")[0]), x.tape.part
        if part is not None:
            start += part.draw(self, x.size)
        x.tape.learn(self._advance, np.array([x.size]))
        return DropoutOp(x, self.rate, self.seed, start)

    def _advance(self, drawn: np.ndarray) -> None:
        position = self.buffer("position")
        position += drawn

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        return 1

    def extra_repr(self) -> str:
        return f"{self.rate:g}"
