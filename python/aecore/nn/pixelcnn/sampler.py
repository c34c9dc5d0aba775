"""A PixelCNN's logits one position after another, from what the positions before have left."""

from __future__ import annotations

import numpy as np

from ... import _core
from ...base import runtime
from ..convolution import Conv2d
from ..ops.embedding import look_up
from ..ops.gated import positions
from ..tape import Tape
from .masked import MaskedConv2d
from .network import GatedBlock, GatedPixelCNN


class _Stacks:
    """What one block keeps: its inputs so far, each with zeros before it.

    Attributes
    ----------
    v : ndarray, shape (N, k // 2 + H, W, C)
        The vertical input. Rows are complete when the map's next row begins.
    h : ndarray, shape (N, k // 2 + W, C)
        The horizontal input of the current row.
    link : ndarray, shape (N, W, 2C)
        What the vertical stack says to the current row.
    """

    def __init__(self, block: GatedBlock, shape: tuple[int, ...], c: int, y: np.ndarray | None):
        n, height, width = shape
        half = block.vertical.k // 2
        self.block = block
        self.v = np.zeros((n, half + height, width, c), np.float32)
        self.h = np.zeros((n, half + width, c), np.float32)
        self.link: np.ndarray = np.zeros((n, width, 2 * c), np.float32)
        with Tape(records=False) as tape:
            condition = None if y is None else tape.constant(y)
            self.biases = [None if b is None else b.data for b in block.biases(condition)]

    def see_above(self, i: int) -> np.ndarray:
        """Make `link` for row i; return the row of the block's vertical output (N, W, C)."""
        layer: MaskedConv2d = self.block.vertical
        (n, _, width, c), rows, half = self.v.shape, layer.kernel_size[0], layer.k // 2
        window = np.ascontiguousarray(self.v[:, i : i + rows])
        a, out = np.empty((n, 1, width, 2 * c), np.float32), np.empty((n, width, c), np.float32)
        how = None, (1, 1), (0, 0, half, half), (1, 1), 1, False, None, None
        weight, bias = layer.weight.value, layer.bias
        assert bias is not None
        _core.conv2d(a, window, weight, bias.value, *how, runtime.current())
        self.link = pointwise(self.block.link, a.reshape(-1, 2 * c)).reshape(n, width, 2 * c)
        gate(out, a.reshape(n, width, 2 * c), self.biases[0])
        return out

    def see_left(self, j: int) -> np.ndarray:
        """Return the block's horizontal output at position j of the row (N, C)."""
        layer: MaskedConv2d = self.block.horizontal
        (n, _, c), seen = self.h.shape, layer.kernel_size[1]
        window = np.ascontiguousarray(self.h[:, j : j + seen]).reshape(n, seen * c)
        b, g = np.empty((n, 2 * c), np.float32), np.empty((n, c), np.float32)
        weight = layer.weight.value.reshape(2 * c, seen * c)
        link = np.ascontiguousarray(self.link[:, j])
        _core.linear(b, window, weight, None, None, False, link, None, runtime.current())
        gate(g, b, self.biases[1])
        before = None
        if not self.block.first:
            before = np.ascontiguousarray(self.h[:, layer.k // 2 + j])
        return pointwise(self.block.out, g, before)


class Sampler:
    """Walks over N maps from the first position to the last.

    A position costs its own window in every layer, not a pass over the map: vertical stacks are
    made a row at a time, horizontal ones a position at a time. The logits are those of a full pass.

    Parameters
    ----------
    model : GatedPixelCNN
    shape : (int, int, int)
        N, height and width.
    condition : ndarray of float32, shape (N, P), optional
    """

    def __init__(
        self, model: GatedPixelCNN, shape: tuple[int, int, int], condition: np.ndarray | None
    ) -> None:
        c = model.embedding.shape[1]
        self.model, self.tape = model, Tape(records=False)
        self.stacks = [_Stacks(block, shape, c, condition) for block in model.blocks]

    def begin_row(self, i: int) -> None:
        """Take in the rows above row i."""
        for k, stack in enumerate(self.stacks):
            row = stack.see_above(i)
            if k + 1 < len(self.stacks):
                above = self.stacks[k + 1]
                above.v[:, above.block.vertical.k // 2 + i] = row

    def logits(self, j: int) -> np.ndarray:
        """Return the logits (N, E) at position j of the row."""
        for k, stack in enumerate(self.stacks):
            h = stack.see_left(j)
            if k + 1 < len(self.stacks):
                above = self.stacks[k + 1]
                above.h[:, above.block.horizontal.k // 2 + j] = h
        _, inner, last = self.model.head.layers
        np.maximum(h, 0, out=h)
        assert isinstance(inner, Conv2d) and isinstance(last, Conv2d)
        return pointwise(last, pointwise(inner, h))

    def put(self, i: int, j: int, codes: np.ndarray) -> None:
        """Let position (i, j) have codes (N,)."""
        stack = self.stacks[0]
        half = stack.block.vertical.k // 2
        rows = self.model.rows(codes, j)
        e = look_up(self.tape, self.model.embedding.value, rows)
        stack.v[:, half + i, j] = stack.h[:, half + j] = e


def gate(y: np.ndarray, x: np.ndarray, bias: np.ndarray | None) -> None:
    """Write the gated unit of x (N, ..., 2C) to y (N, ..., C)."""
    _core.gated_tanh(positions(y), positions(x), bias, runtime.current())


def pointwise(layer: Conv2d, x: np.ndarray, added: np.ndarray | None = None) -> np.ndarray:
    """Apply a 1 x 1 convolution to positions (M, C)."""
    k, _, _, c = layer.weight.shape
    y, bias = np.empty((len(x), k), np.float32), layer.bias
    weight = layer.weight.value.reshape(k, c)
    how = layer.activation, False, added, None, runtime.current()
    _core.linear(y, x, weight, None if bias is None else bias.value, *how)
    return y
