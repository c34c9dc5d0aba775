"""A PixelCNN's logits one position after another, from what the positions before have left."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ... import _core
from ...base import runtime
from ..convolution import Conv2d
from ..tape import Tape
from .network import GatedBlock, GatedPixelCNN


class Scratch:
    """Arrays of float32 that are made once and written anew at every position, by name."""

    def __init__(self) -> None:
        self._made: dict[str, np.ndarray] = {}

    def take(self, name: str, *shape: int) -> np.ndarray:
        """Return an array of a shape, for as long as nobody asks for this name again."""
        size, made = math.prod(shape), self._made.get(name)
        if made is None or made.size < size:
            made = self._made[name] = np.empty(size, np.float32)
        return made[:size].reshape(shape)


class _Stacks:
    """What one block keeps: its inputs so far, each with zeros before it.

    Attributes
    ----------
    v : ndarray, shape (N, k // 2 + H, W, C)
        The vertical input. Rows are complete when the map's next row begins.
    h : ndarray, shape (N, k // 2 + W, C)
        The horizontal input of the current row.
    link : ndarray, shape (W, N, 2C)
        What the vertical stack says to the current row.
    out : ndarray, shape (N, C)
        The horizontal output at the current position.
    """

    def __init__(
        self,
        block: GatedBlock,
        shape: tuple[int, ...],
        c: int,
        y: np.ndarray | None,
        context: np.ndarray | None,
        scratch: Scratch,
    ) -> None:
        n, height, width = shape
        self.half = half = block.vertical.k // 2
        self.block, self.scratch = block, scratch
        self.v = np.zeros((n, half + height, width, c), np.float32)
        self.h = np.zeros((n, half + width, c), np.float32)
        self.link = np.zeros((width, n, 2 * c), np.float32)
        self.out = np.empty((n, c), np.float32)
        seen = block.horizontal.kernel_size[1]
        self.weight = block.horizontal.weight.value.reshape(2 * c, seen * c)
        self.window = scratch.take(f"window {seen}", n, seen, c)
        self.flat = self.window.reshape(n, seen * c)
        self.sums, self.gated = scratch.take("sums", n, 1, 2 * c), scratch.take("gated", n, 1, c)
        self.workspace = runtime.current()
        with Tape(records=False) as tape:
            condition = None if y is None else tape.constant(y)
            self.biases = [None if b is None else b.data for b in block.biases(condition)]
            self.context = None
            if context is not None:
                self.context = block.context(tape.constant(context)).data

    def see_above(self, i: int, alike: Alike | None) -> np.ndarray:
        """Make `link` for row i; return the row of the block's vertical output (N, W, C).

        `alike` says which maps have seen the same so far, of which one is enough.
        """
        layer, take, bias = self.block.vertical, self.scratch.take, self.biases[0]
        n, _, width, c = self.v.shape
        window = self.v[:, i : i + layer.kernel_size[0]]
        if alike is not None:
            window, bias = window[alike.first], None if bias is None else bias[alike.first]
            n = len(window)
        v, a, added = take("v", *window.shape), take("a", n, 1, width, 2 * c), None
        np.copyto(v, window)
        if self.context is not None:
            added = take("added", *a.shape)
            np.copyto(added[:, 0], self.context[slice(None) if alike is None else alike.first, i])
        how = None, (1, 1), (0, 0, self.half, self.half), (1, 1), 1, False, added, layer._packed
        assert layer.bias is not None
        _core.conv2d(a, v, layer.weight.value, layer.bias.value, *how, self.workspace)
        link, out = take("link", n, width, 2 * c), take("out", n, width, c)
        rows = link.reshape(-1, 2 * c), a.reshape(-1, 2 * c)
        pointwise(self.block.link, *rows, None, self.workspace)
        _core.gated_tanh(out, a[:, 0], bias, self.workspace)
        if alike is not None:
            link, out = link[alike.which], out[alike.which]
        np.copyto(self.link, link.swapaxes(0, 1))
        return out

    def see_left(self, j: int, before: np.ndarray | None) -> np.ndarray:
        """Return the block's horizontal output at position j of the row (N, C).

        `before` is its input there, None for the first block.
        """
        if before is not None:
            self.h[:, self.half + j] = before
        np.copyto(self.window, self.h[:, j : j + self.window.shape[1]])
        sums, gated, workspace = self.sums, self.gated, self.workspace
        how = None, False, self.link[j], self.block.horizontal._packed, workspace
        _core.linear(sums[:, 0], self.flat, self.weight, None, *how)
        _core.gated_tanh(gated, sums, self.biases[1], workspace)
        return pointwise(self.block.out, self.out, gated[:, 0], before, workspace)


class Alike(NamedTuple):
    """Which of N maps are drawn given the same: the first one of each, and whose each is."""

    first: np.ndarray
    which: np.ndarray

    @classmethod
    def of(cls, condition: np.ndarray | None, n: int) -> Alike | None:
        """Return them for what they are given, (N, P) or nothing; None if all differ."""
        if condition is None:
            return cls(np.zeros(min(n, 1), np.int64), np.zeros(n, np.int64))
        _, first, which = np.unique(condition, axis=0, return_index=True, return_inverse=True)
        return None if len(first) == n else cls(first, which.reshape(-1))


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
    context : ndarray of int64, shape (N, H', W', D), optional
    """

    def __init__(
        self,
        model: GatedPixelCNN,
        shape: tuple[int, int, int],
        condition: np.ndarray | None,
        context: np.ndarray | None = None,
    ) -> None:
        c = model.embedding.shape[1]
        self.model = model
        self.scratch, around = Scratch(), None
        if context is not None:
            with Tape(records=False) as tape:
                around = model.context.forward(tape, context).data.copy()
        self.stacks = [
            _Stacks(block, shape, c, condition, around, self.scratch) for block in model.blocks
        ]
        given = [a.reshape(shape[0], -1) for a in (condition, context) if a is not None]
        self.alike = Alike.of(np.concatenate(given, axis=1) if given else None, shape[0])

    def begin_row(self, i: int) -> None:
        """Take in the rows above row i."""
        for k, stack in enumerate(self.stacks):
            row = stack.see_above(i, None if i else self.alike)
            if k + 1 < len(self.stacks):
                above = self.stacks[k + 1]
                above.v[:, above.half + i] = row

    def logits(self, j: int) -> np.ndarray:
        """Return the logits (N, E) at position j of the row."""
        h: np.ndarray | None = None
        for stack in self.stacks:
            h = stack.see_left(j, h)
        assert h is not None
        _, inner, last = self.model.head.layers
        np.maximum(h, 0, out=h)
        assert isinstance(inner, Conv2d) and isinstance(last, Conv2d)
        take, workspace = self.scratch.take, self.stacks[0].workspace
        y = pointwise(inner, take("gated", *h.shape), h, None, workspace)
        out = take("logits", len(h), last.weight.shape[0])
        return pointwise(last, out, y, None, workspace)

    def put(self, i: int, j: int, codes: np.ndarray) -> None:
        """Let position (i, j) have codes (N,)."""
        stack = self.stacks[0]
        e = self.model.embedding.value[self.model.rows(codes, j)]
        stack.v[:, stack.half + i, j] = stack.h[:, stack.half + j] = e


def pointwise(
    layer: Conv2d,
    y: np.ndarray,
    x: np.ndarray,
    added: np.ndarray | None,
    workspace: _core.Workspace,
) -> np.ndarray:
    """Write what a 1 x 1 convolution makes of positions x (M, C) to y (M, K); return y."""
    weight, bias = layer.weight.value, layer.bias
    how = layer.activation, False, added, layer._packed, workspace
    _core.linear(y, x, weight[:, 0, 0], None if bias is None else bias.value, *how)
    return y
