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
from ..pooling import Upsample2d
from ..tape import Shape, Tape, Value, tape_of
from .masked import MaskedConv2d


class GatedBlock(Module):
    r"""A layer of both stacks: v sees the rows above, h what is left in the row, and v.

    .. math::
        a = W_v * v + W_c c, \quad v' = \mathrm{gate}(a + V_v y), \quad
        h' = h + W_o \, \mathrm{gate}(W_h * h + W_a a + V_h y)

    with :math:`\mathrm{gate}(p, q) = \tanh p \cdot \sigma(q)` over the halves of the channels. The
    first block has no h beside its output, which would show a position its own code.
    Shapes: v, h (N, H, W, C), condition y (N, P), context c (N, H', W', C), each of whose positions
    is that of a block of them.

    Parameters
    ----------
    channels, kernel_size : int
        C and the side of the window that is masked.
    first : bool
        Whether the input is the codes themselves.
    condition : int
        P; 0 for none.
    finer : (int, int), optional
        H / H' and W / W', where there is a context.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        first: bool,
        condition: int,
        finer: tuple[int, int] | None = None,
    ) -> None:
        c, k, own = channels, kernel_size, not first
        self.first = first
        self.vertical = MaskedConv2d(c, 2 * c, k, "vertical", own)
        self.link = Conv2d(2 * c, 2 * c, 1)
        self.horizontal = MaskedConv2d(c, 2 * c, k, "horizontal", own, bias=False)
        self.out = Conv2d(c, c, 1)
        if condition:
            self.vertical_condition = Linear(condition, 2 * c, bias=False)
            self.horizontal_condition = Linear(condition, 2 * c, bias=False)
        if finer is not None:
            self.context = Sequential(Conv2d(c, 2 * c, 1, bias=False), Upsample2d(finer))

    def biases(self, condition: Value | None) -> tuple[Value | None, Value | None]:
        """Return what a condition adds to either stack at every position, (N, 2C)."""
        if condition is None:
            return None, None
        return self.vertical_condition(condition), self.horizontal_condition(condition)

    def forward(  # type: ignore[override]
        self, v: Value, h: Value, condition: Value | None = None, context: Value | None = None
    ) -> tuple[Value, Value]:
        """Return both stacks' outputs."""
        for_v, for_h = self.biases(condition)
        a = self.vertical(v) if context is None else self.context(context) + self.vertical(v)
        b = self.link(a) + self.horizontal(h)
        y = self.out(GatedTanh(b, for_h))
        return GatedTanh(a, for_v), y if self.first else h + y

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.inside(self, name)
        return 1


class ContextMaps(Module):
    r"""What each position of maps of codes says to those of finer maps.

    Codes are looked up in a table, and see their neighbours, all of which are known:
    :math:`c = x + \mathrm{relu}(W_2 * \mathrm{relu}(W_1 * x))` with windows of 3 x 3. Several codes
    at a position add up. Shapes: codes (N, H', W', D) of int64, c (N, H', W', C).

    Parameters
    ----------
    codebook_size : int
        How many codes there are.
    channels : int
        C.
    depth : int
        D.
    """

    def __init__(self, codebook_size: int, channels: int, depth: int = 1) -> None:
        self.codebook_size, self.depth = codebook_size, depth
        self.embedding = Parameter((codebook_size * depth, channels), std=depth**-0.5)
        self.embedding.initialize(fresh_seed(), 0)
        self.layers = Sequential(
            Conv2d(channels, channels, 3, padding=1, activation="relu"),
            Conv2d(channels, channels, 3, padding=1, activation="relu"),
        )

    def forward(self, tape: Tape, codes: np.ndarray) -> Value:  # type: ignore[override]
        """Return what codes (N, H', W', D) say."""
        found: Value | None = None
        for i in range(self.depth):
            rows = np.ascontiguousarray(codes[..., i]) + i * self.codebook_size
            x: Value = Embedding(tape, rows, self.embedding)
            found = x if found is None else found + x
        assert found is not None
        return self.layers(found) + found

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.inside(self, name)
        return 1

    def extra_repr(self) -> str:
        depth = shown(depth=(self.depth, 1))
        return f"{self.codebook_size}, {self.embedding.shape[1]}{depth}"


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
    context : (int, int), optional
        Of maps (N, H', W', D) that it is conditioned on: how many codes there are, and D.
    finer : (int, int)
        How much finer its own are: H / H' and W / W'.
    """

    has_context = False  # in pickles that know nothing of it

    def __init__(
        self,
        codebook_size: int,
        channels: int,
        layers: int,
        kernel_size: int,
        condition: int = 0,
        depth: int = 1,
        context: tuple[int, int] | None = None,
        finer: tuple[int, int] = (1, 1),
    ) -> None:
        e, c = integer("codebook_size", codebook_size, 1), integer("channels", channels, 1)
        self.embedding = Parameter((e * integer("depth", depth, 1), c), std=1.0)
        self.embedding.initialize(fresh_seed(), 0)
        self.blocks = [
            GatedBlock(c, kernel_size, i == 0, condition, None if context is None else finer)
            for i in range(integer("layers", layers, 1))
        ]
        self.head = Sequential(
            Activation("relu"), Conv2d(c, c, 1, activation="relu"), Conv2d(c, e, 1)
        )
        if context is not None:
            self.has_context = True
            size, several = context
            self.context = ContextMaps(size, c, several)
        self.codebook_size, self.condition, self.depth, self.finer = e, condition, depth, finer

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, block in enumerate(self.blocks):
            yield f"blocks.{i}", block
        yield "head", self.head
        if self.has_context:
            yield "context", self.context

    def rows(self, codes: np.ndarray, column: Any) -> np.ndarray:
        """Return the rows of the table that codes in a column, or in several, stand for."""
        if self.depth == 1:
            return np.ascontiguousarray(codes)
        return codes + column % self.depth * self.codebook_size

    def __call__(  # type: ignore[override]
        self,
        x: np.ndarray,
        training: bool = False,
        condition: Any = None,
        context: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the logits of codes (N, H, W), given conditions (N, P) and context, as an array.

        The context is of codes, (N, H', W', D).
        """
        with Tape(training=training, records=False) as tape:
            y = None if condition is None else tape.constant(condition)
            return self.forward(x, y, context).data

    def forward(
        self, x: np.ndarray, condition: Value | None = None, context: np.ndarray | None = None
    ) -> Value:
        """Return the logits of codes (N, H, W), given conditions (N, P) and context, codes too."""
        rows, tape = self.rows(x, np.arange(x.shape[2])), tape_of(condition)
        around = None if context is None else self.context.forward(tape, context)
        v: Value = Embedding(tape, rows, self.embedding)
        h = v
        for block in self.blocks:
            v, h = block.forward(v, h, condition, around)
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
