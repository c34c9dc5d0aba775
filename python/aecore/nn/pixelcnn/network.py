"""The gated PixelCNN: a distribution over maps of codes, position by position."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ... import _core
from ...base import runtime
from ..activation import Activation
from ..containers import Sequential
from ..convolution import Conv2d
from ..linear import Linear
from ..module import Module, Parameter, Shape, count, fresh_seed, shown
from .masked import MaskedConv2d

PLAIN = (1.0, None, 0.0, 0.0, 0.0, 0, 0, 0)  # of gather: neither scaled nor corrupted


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

    def biases(self, condition: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return what a condition adds to either stack at every position, (N, 2C)."""
        if condition is None:
            return None, None
        parts = self.vertical_condition, self.horizontal_condition
        return parts[0].forward(condition), parts[1].forward(condition)

    def forward(  # type: ignore[override]
        self, v: np.ndarray, h: np.ndarray, condition: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return both stacks' outputs."""
        for_v, for_h = self.biases(condition)
        a = self.vertical.forward(v)
        b = self.horizontal.forward(h, added=self.link.forward(a))
        self._kept = (a, for_v), (b, for_h)
        outputs = self.scratch("v", v.shape), self.scratch("h", h.shape)
        for y, x, bias in zip(outputs, (a, b), (for_v, for_h), strict=True):
            gate(y, x, bias)
        return outputs[0], self.out.forward(outputs[1], added=None if self.first else h)

    def backward(
        self, dh: np.ndarray, dv: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradients of v and h; without dv, nobody uses the new v."""
        ws = runtime.current()
        db = self._gate_backward(learned(self.out, dh), 1)
        da, below = learned(self.link, db), learned(self.horizontal, db)
        if not self.first:
            _core.add(below, below, dh, ws)
        if dv is not None:
            _core.add(da, da, self._gate_backward(dv, 0), ws)
        return learned(self.vertical, da), below

    def _gate_backward(self, grad: np.ndarray, stack: int) -> np.ndarray:
        x, bias = self._kept[stack]
        dx = runtime.gradients().take(x.shape)
        dbias = None if bias is None else self.scratch("dbias", bias.shape)
        flat = positions(dx), dbias, positions(grad), positions(x), bias
        _core.gated_tanh_backward(*flat, runtime.current())
        if dbias is not None:
            layer = self.horizontal_condition if stack else self.vertical_condition
            layer.backward(dbias, need_dx=False)
        return dx

    def output_shape(self, shape: Shape) -> Shape:
        return tuple(shape)


def gate(y: np.ndarray, x: np.ndarray, bias: np.ndarray | None) -> None:
    """Write the gated unit of x (N, ..., 2C) to y (N, ..., C)."""
    _core.gated_tanh(positions(y), positions(x), bias, runtime.current())


def positions(x: np.ndarray) -> np.ndarray:
    """View maps (N, ..., C) as (N, T, C)."""
    return x.reshape(len(x), math.prod(x.shape[1:-1]), x.shape[-1])


def learned(layer: Module, grad: np.ndarray) -> np.ndarray:
    """Add to a layer's gradients; return that of its input."""
    dx: np.ndarray = layer.backward(grad)
    return dx


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
        e, c = count("codebook_size", codebook_size), count("channels", channels)
        self.embedding = Parameter((e * count("depth", depth), c), std=1.0)
        self.embedding.initialize(fresh_seed(), 0)
        self.blocks = [
            GatedBlock(c, kernel_size, i == 0, condition) for i in range(count("layers", layers))
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

    def embed(self, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Look up the vectors (..., C) of rows (...) of the table."""
        vectors, table = out.reshape(rows.size, out.shape[-1]), self.embedding.value
        _core.gather(vectors, None, table, rows.reshape(-1), *PLAIN, runtime.current())
        return out

    def forward(
        self, x: np.ndarray, training: bool = False, condition: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the logits of codes (N, H, W), given conditions (N, P)."""
        rows = self.rows(x, np.arange(x.shape[2]))
        v = h = self.embed(rows, self.scratch("e", (*x.shape, self.embedding.shape[1])))
        for block in self.blocks:
            v, h = block.forward(v, h, condition)
        self._kept = rows
        return self.head.forward(h, training)

    def backward(self, grad: np.ndarray) -> None:
        """Add to the parameters' gradients; codes have none."""
        *others, first = reversed(self.blocks)
        dh, dv = learned(self.head, grad), None
        for block in others:
            dv, dh = block.backward(dh, dv)
        dv, dh = first.backward(dh, dv)
        _core.add(dh, dh, dv, runtime.current())
        self._embed_backward(dh)

    def _embed_backward(self, de: np.ndarray) -> None:
        dtable, adds = self.embedding.claim_grad()
        counts = self.scratch("counts", dtable.shape[:1])
        sums = self.scratch("sums", dtable.shape) if adds else dtable
        rows, ws = de.reshape(-1, de.shape[-1]), runtime.current()
        _core.vq_statistics(counts, sums, rows, self._kept.reshape(-1), ws)
        if adds:
            _core.add(dtable, dtable, sums, ws)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 2 or not math.prod(shape) or shape[1] % self.depth:
            raise ValueError(f"GatedPixelCNN: expected maps (H, W) of codes, got {tuple(shape)}")
        return (*shape, self.codebook_size)

    def extra_repr(self) -> str:
        e, c, k = self.codebook_size, self.embedding.shape[1], self.blocks[0].vertical.k
        options = {"condition": (self.condition, 0), "depth": (self.depth, 1)}
        return f"{e}, {c}, {len(self.blocks)}, {k}" + shown(**options)
