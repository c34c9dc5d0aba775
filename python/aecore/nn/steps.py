"""Layers over the steps of sequences (N, T, C)."""

from __future__ import annotations

from typing import Any

from ..base.checks import integer
from .containers import TimeDistributed
from .module import Module, shown
from .ops import sequences
from .parameter import Parameter
from .tape import Shape, Value


class PositionalEmbedding(Module):
    r"""A learned vector for each step, added: :math:`y_t = x_t + p_t`.

    Shapes: x (N, T, C), or (N, C): one vector that every step gets; y (N, T, C).

    Parameters
    ----------
    steps, width : int
        T and C.
    most : int, optional
        How many steps there are vectors for, where sequences may be longer than T.

    Attributes
    ----------
    weight : Parameter, shape (T or most, C)
        Normal with a standard deviation of 0.02 at first.
    """

    _steps: int | None = None  # T, if there are vectors for more

    def __init__(self, steps: int, width: int, most: int | None = None) -> None:
        steps, width = integer("steps", steps, 1), integer("width", width, 1)
        rows = steps if most is None else integer("most", most, steps)
        self._steps = None if rows == steps else steps
        self.weight = Parameter((rows, width), std=0.02)
        self.initialize(0)

    def forward(self, x: Value) -> Value:
        return sequences.Positions(x, self.weight, self._steps)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.inside(self, name)
        return 1

    def extra_repr(self) -> str:
        rows, width = self.weight.shape
        return f"{self._steps or rows}, {width}{shown(most=(rows, self._steps or rows))}"


class MeanPool1d(Module):
    """The mean over a sequence's steps: (N, T, C) to (N, C).

    With lengths it is the mean over the steps that a sample has, and 0 where it has none.
    """

    def forward(self, x: Value) -> Value:
        return sequences.MeanSteps(x)

    # as 0.1.0 called them, in pickles too

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        return 1


EachStep, Positions, MeanSteps = TimeDistributed, PositionalEmbedding, MeanPool1d
