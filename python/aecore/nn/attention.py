"""Attention among the steps of a sequence, and the block that transformers are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core, _workspace
from .linear import Linear
from .module import Module, Parameter, Shape, count
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
        qkv = self.project.forward(x.reshape(-1, self.width))
        return self.out.forward(self.attend(qkv, len(x), lengths)).reshape(x.shape)

    def backward(self, grad: np.ndarray) -> np.ndarray:
        dy = self.out.backward(grad.reshape(-1, self.width))
        dx = self.project.backward(self.attend_backward(dy))
        assert dx is not None
        return dx.reshape(grad.shape)

    def attend(self, qkv: np.ndarray, n: int, lengths: np.ndarray | None) -> np.ndarray:
        """Return what n samples' queries find (N T, C), from queries, keys and values (N T, 3 C)."""
        d = self.width // self.heads
        qkv = qkv.reshape(n, len(qkv) // max(1, n), 3, self.heads, d)
        t, options = qkv.shape[1], (lengths, False, d**-0.5)
        y, lse = self.scratch("y", (n, t, self.heads, d)), self.scratch("lse", (n, self.heads, t))
        _core.self_attention(y, lse, qkv, *options, _workspace.current())
        self._kept = y, lse, qkv, options
        return y.reshape(n * t, self.width)

    def attend_backward(self, grad: np.ndarray | None) -> np.ndarray:
        """Return the gradient of queries, keys and values from that of what `attend` gave."""
        assert grad is not None
        y, lse, qkv, options = self._kept
        dqkv, dy = self.scratch("dqkv", qkv.shape), grad.reshape(y.shape)
        _core.self_attention_backward(dqkv, dy, y, lse, qkv, *options, _workspace.current())
        return dqkv.reshape(len(grad), 3 * self.width)

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

    Attributes
    ----------
    norm1, norm2 : LayerNorm
    attention : MultiHeadAttention
    linear1, linear2 : Linear
        W_1 and W_2.
    """

    takes_lengths = True
    overwrites_grad = False

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        hidden = count("feedforward", feedforward)
        self.norm1, self.attention = LayerNorm(width), MultiHeadAttention(width, heads)
        self.norm2 = LayerNorm(width)
        self.linear1, self.linear2 = Linear(width, hidden), Linear(hidden, width)

    def forward(
        self, x: np.ndarray, training: bool = False, lengths: np.ndarray | None = None
    ) -> np.ndarray:
        self.output_shape(x.shape[1:])
        ws, rows = _workspace.current(), x.reshape(-1, x.shape[-1])
        n, hidden = len(rows), self.linear1.weight.shape[0]
        qkv, inner = self.scratch("qkv", (n, 3 * rows.shape[1])), self.scratch("inner", (n, hidden))
        moments1, moments2 = self.scratch("moments1", (2, n)), self.scratch("moments2", (2, n))
        first, second = (_values(p) for p in self._parameters())
        y = self.scratch("y", rows.shape)
        _core.norm_mlp(None, qkv, *moments1, rows, *first, self.norm1.eps, ws)
        found = self.attention.attend(qkv, len(x), lengths)
        h = self.attention.out.forward_add(found, rows)
        _core.norm_mlp(y, inner, *moments2, h, *second, self.norm2.eps, ws)
        self._kept = rows, moments1, h, moments2, inner
        return y.reshape(x.shape)

    def backward(self, grad: np.ndarray) -> np.ndarray:
        x, moments1, h, moments2, inner = self._kept
        ws, dh, dx = _workspace.current(), self.scratch("dh", x.shape), self.scratch("dx", x.shape)
        first, second = self._parameters()
        dy = grad.reshape(x.shape)
        values, grads = _values(second)[:3] + _values(second)[4:5], _grads(second)
        _core.norm_mlp_backward(dh, *grads, dy, None, inner, h, *moments2, *values, ws)
        dqkv = self.attention.attend_backward(self.attention.out.backward(dh))
        values, grads = (*_values(first)[:3], None), _grads(first)
        _core.norm_mlp_backward(dx, *grads, dh, dqkv, None, x, *moments1, *values, ws)
        return dx.reshape(grad.shape)

    def _parameters(self) -> tuple[list[Parameter | None], list[Parameter | None]]:
        """Return those around the attention, and those behind it, as the core takes them."""
        project, linear1, linear2 = self.attention.project, self.linear1, self.linear2
        norm1, norm2 = self.norm1, self.norm2
        first = [norm1.weight, norm1.bias, project.weight, project.bias, None, None]
        second = [linear1.weight, linear1.bias, linear2.weight, linear2.bias]
        return first, [norm2.weight, norm2.bias, *second]

    def output_shape(self, shape: Shape) -> Shape:
        return self.attention.output_shape(shape)


def _values(parameters: list[Parameter | None]) -> list[Any]:
    return [None if p is None else p.value for p in parameters]


def _grads(parameters: list[Parameter | None]) -> list[Any]:
    return [None if p is None else p.grad for p in parameters]
