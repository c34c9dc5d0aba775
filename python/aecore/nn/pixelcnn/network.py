"""The gated PixelCNN: a distribution over maps of codes, position by position."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...base.checks import integer
from ...base.streams import fresh_seed
from ..activation import Activation
from ..containers import Sequential
from ..convolution import Conv2d
from ..linear import Linear
from ..module import Module, shown
from ..ops.embedding import Embedding
from ..ops.gated import GatedTanh
from ..parameter import Parameter
from ..tape import Shape, Tape, Value, tape_of
from .masked import MaskedConv2d


class GatedBlock(Module):
    r"""A layer of both stacks: v sees the rows above, h what is left in the row, and v.

    .. math::
        a = W_v * v, \quad v' = \mathrm{gate}(a + V_v y), \quad
        h' = h + W_o \, \mathrm{gate}(W_h * h + W_a a + V_h y)

    with :math:`\mathrm{gate}(p, q) = \tanh p \cdot \sigma(q)` over the halves of the channels. The
    first block has no h beside its output, which would show a position its own code.
    Shapes: v, h (N, H, W, C), condition y (N, P).

    Parameters
    ----------
    channels, kernel_size : int
        C and the side of the window that is masked.
    first : bool
        Whether the input is the codes themselves.
    condition : int
        P; 0 for none.
    """

    def __init__(self, channels: int, kernel_size: int, first: bool, condition: int) -> None:
        c, k, own = channels, kernel_size, not first
        self.first = first
        self.vertical = MaskedConv2d(c, 2 * c, k, "vertical", own)
        self.link = Conv2d(2 * c, 2 * c, 1)
        self.horizontal = MaskedConv2d(c, 2 * c, k, "horizontal", own, bias=False)
        self.out = Conv2d(c, c, 1)
        if condition:
            self.vertical_condition = Linear(condition, 2 * c, bias=False)
            self.horizontal_condition = Linear(condition, 2 * c, bias=False)

    def biases(self, condition: Value | None) -> tuple[Value | None, Value | None]:
        """Return what a condition adds to either stack at every position, (N, 2C)."""
        if condition is None:
            return None, None
        return self.vertical_condition(condition), self.horizontal_condition(condition)

    def forward(  # type: ignore[override]
        self, v: Value, h: Value, condition: Value | None = None
    ) -> tuple[Value, Value]:
        """Return both stacks' outputs."""
        for_v, for_h = self.biases(condition)
        a = self.vertical(v)
        b = self.link(a) + self.horizontal(h)
        y = self.out(GatedTanh(b, for_h))
        return GatedTanh(a, for_v), y if self.first else h + y

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.inside(self, name)
        return 1


class GatedPixelCNN(Module):
    r"""The logits of every code of a map, each given the codes before it, row by row.

    Codes are looked up in a table, go through gated blocks, and then through two 1 x 1 convolutions
    with ReLU before each. Shapes: codes (N, H, W) of int64, logits (N, H, W, E). Van den Oord et
    al., "Conditional image generation with PixelCNN decoders", NeurIPS 2016.

    Parameters
    ----------
    codebook_size : int
        E.
    channels, layers, kernel_size : int
    condition : int
        The width of a condition's vector, 0 for none.
    depth : int
        How many codes in turn stand side by side for one position: W is a multiple of it. The table
        has a part for each of them, so that the first of them isn't taken for the second.
    """

    def __init__(
        self,
        codebook_size: int,
        channels: int,
        layers: int,
        kernel_size: int,
        condition: int = 0,
        depth: int = 1,
    ) -> None:
        e, c = integer("codebook_size", codebook_size, 1), integer("channels", channels, 1)
        self.embedding = Parameter((e * integer("depth", depth, 1), c), std=1.0)
        self.embedding.initialize(fresh_seed(), 0)
        self.blocks = [
            GatedBlock(c, kernel_size, i == 0, condition)
            for i in range(integer("layers", layers, 1))
        ]
        self.head = Sequential(
            Activation("relu"), Conv2d(c, c, 1, activation="relu"), Conv2d(c, e, 1)
        )
        self.codebook_size, self.condition, self.depth = e, condition, depth

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, block in enumerate(self.blocks):
            yield f"blocks.{i}", block
        yield "head", self.head

    def rows(self, codes: np.ndarray, column: Any) -> np.ndarray:
        """Return the rows of the table that codes in a column, or in several, stand for."""
        if self.depth == 1:
            return np.ascontiguousarray(codes)
        return codes + column % self.depth * self.codebook_size

    def __call__(  # type: ignore[override]
        self, x: np.ndarray, training: bool = False, condition: Any = None
    ) -> np.ndarray:
        """Return the logits of codes (N, H, W), given conditions (N, P), as an array."""
        with Tape(training=training, records=False) as tape:
            y = None if condition is None else tape.constant(condition)
            return self.forward(x, y).data

    def forward(self, x: np.ndarray, condition: Value | None = None) -> Value:
        """Return the logits of codes (N, H, W), given conditions (N, P)."""
        rows = self.rows(x, np.arange(x.shape[2]))
        v: Value = Embedding(tape_of(condition), rows, self.embedding)
        h = v
        for block in self.blocks:
            v, h = block.forward(v, h, condition)
        return self.head(h)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 2 or not math.prod(shape) or shape[1] % self.depth:
            raise ValueError(f"GatedPixelCNN: expected maps (H, W) of codes, got {tuple(shape)}")
        return (*shape, self.codebook_size)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.inside(self, name)
        return 1

    def extra_repr(self) -> str:
        e, c, k = self.codebook_size, self.embedding.shape[1], self.blocks[0].vertical.k
        options = {"condition": (self.condition, 0), "depth": (self.depth, 1)}
        return f"{e}, {c}, {len(self.blocks)}, {k}" + shown(**options)
