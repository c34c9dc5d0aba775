"""Attention among the steps of a sequence, and the block that transformers are made of."""

from __future__ import annotations

import numpy as np

from .. import _core, _workspace
from .activation import Activation
from .containers import Sequential
from .linear import Linear
from .module import Module, Shape, count
from .norm import LayerNorm
from .steps import sequence


class MultiHeadAttention(Module):
    r"""Self-attention: each step of a sequence collects what it needs of all others.

    .. math:: y = W_o\,[\mathrm{softmax}(q_h k_h^\top / \sqrt{D})\,v_h]_h + b_o, \qquad
        (q, k, v) = W x + b

    in heads of D = C / H values. With lengths, steps behind a sample's own are left out. Shapes: x
    and y (N, T, C). Vaswani et al., 2017.

    Parameters
    ----------
    width, heads : int
        C and H, which divides it.

    Attributes
    ----------
    project : Linear
        W (3 C, C): queries, keys and values of all heads, as PyTorch's ``in_proj_weight`` has them.
    out : Linear
        W_o (C, C).
    """

    takes_lengths = True
    overwrites_grad = False

    def __init__(self, width: int, heads: int) -> None:
        self.width, self.heads = count("width", width), count("heads", heads)
        if self.width % self.heads:
            raise ValueError(f"heads: {heads} heads don't divide a width of {width}")
        self.project, self.out = Linear(width, 3 * width), Linear(width, width)

    def forward(
        self, x: np.ndarray, training: bool = False, lengths: np.ndarray | None = None
    ) -> np.ndarray:
        self.output_shape(x.shape[1:])
        n, t, _ = x.shape
        qkv = self.project.forward(x.reshape(n * t, self.width))
        qkv = qkv.reshape(n, t, 3, self.heads, self.width // self.heads)
        y, lse = self.scratch("y", (n, t, *qkv.shape[3:])), self.scratch("lse", (n, self.heads, t))
        options = lengths, False, qkv.shape[-1] ** -0.5
        _core.self_attention(y, lse, qkv, *options, _workspace.current())
        self._kept = y, lse, qkv, options
        return self.out.forward(y.reshape(n * t, self.width)).reshape(x.shape)

    def backward(self, grad: np.ndarray) -> np.ndarray:
        y, lse, qkv, options = self._kept
        rows = grad.reshape(-1, self.width)
        dy, dqkv = self.out.backward(rows), self.scratch("dqkv", qkv.shape)
        assert dy is not None
        ws = _workspace.current()
        _core.self_attention_backward(dqkv, dy.reshape(y.shape), y, lse, qkv, *options, ws)
        dx = self.project.backward(dqkv.reshape(len(rows), 3 * self.width))
        assert dx is not None
        return dx.reshape(grad.shape)

    def output_shape(self, shape: Shape) -> Shape:
        return sequence(self, shape, self.width)

    def extra_repr(self) -> str:
        return f"{self.width}, {self.heads}"


class TransformerBlock(Module):
    r"""Attention among the steps, then a small network for each step, both added to their input.

    .. math:: h = x + \mathrm{attention}(\mathrm{norm}(x)), \qquad
        y = h + W_2\,\mathrm{gelu}(W_1\,\mathrm{norm}(h) + b_1) + b_2

    Norms come first (Xiong et al., 2020), gelu is exact, nothing is dropped. Shapes: x and y
    (N, T, C); with lengths, steps behind a sample's own have no influence on the others.
    Vaswani et al., 2017.

    Parameters
    ----------
    width, heads : int
        C, and the heads that it is divided among.
    feedforward : int
        Width of the network for each step.
    """

    takes_lengths = True
    overwrites_grad = False

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        hidden = count("feedforward", feedforward)
        self.norm1, self.attention = LayerNorm(width), MultiHeadAttention(width, heads)
        self.norm2 = LayerNorm(width)
        self.feedforward = Sequential(
            Linear(width, hidden), Activation("gelu"), Linear(hidden, width)
        )

    def forward(
        self, x: np.ndarray, training: bool = False, lengths: np.ndarray | None = None
    ) -> np.ndarray:
        self.output_shape(x.shape[1:])
        ws, rows = _workspace.current(), (-1, x.shape[-1])
        h, y = self.scratch("h", x.shape), self.scratch("y", x.shape)
        _core.add(h, x, self.attention.forward(self.norm1.forward(x), training, lengths), ws)
        inner = self.feedforward.forward(self.norm2.forward(h).reshape(rows), training)
        _core.add(y, h, inner.reshape(x.shape), ws)
        return y

    def backward(self, grad: np.ndarray) -> np.ndarray:
        ws, rows = _workspace.current(), (-1, grad.shape[-1])
        inner = self.feedforward.backward(grad.reshape(rows))
        assert inner is not None
        dh = self.norm2.backward(inner.reshape(grad.shape))
        _core.add(dh, dh, grad, ws)
        dx = self.norm1.backward(self.attention.backward(dh))
        _core.add(dx, dx, dh, ws)
        return dx

    def output_shape(self, shape: Shape) -> Shape:
        return self.attention.output_shape(shape)
