"""Attention among the steps of a sequence, and the block that transformers are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
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
        """Return what the queries of n samples find (N T, C); qkv is (N T, 3 C)."""
        d = self.width // self.heads
        qkv = qkv.reshape(n, len(qkv) // max(1, n), 3, self.heads, d)
        t, options = qkv.shape[1], (lengths, False, d**-0.5)
        y, lse = self.scratch("y", (n, t, self.heads, d)), self.scratch("lse", (n, self.heads, t))
        _core.self_attention(y, lse, qkv, *options, runtime.current())
        self._kept = y, lse, qkv, options
        return y.reshape(n * t, self.width)

    def attend_backward(self, grad: np.ndarray | None) -> np.ndarray:
        """Return the gradient of queries, keys and values from that of what `attend` gave."""
        assert grad is not None
        y, lse, qkv, options = self._kept
        dqkv, options = runtime.gradients().take(qkv.shape), (*options, runtime.current())
        _core.self_attention_backward(dqkv, grad.reshape(y.shape), y, lse, qkv, *options)
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
        rows, hidden = x.reshape(-1, x.shape[-1]), self.linear1.weight.shape[0]
        n, width = rows.shape
        qkv, inner = self.scratch("qkv", (n, 3 * width)), self.scratch("inner", (n, hidden))
        moments1, moments2 = self.scratch("moments1", (2, n)), self.scratch("moments2", (2, n))
        first, second = self._parameters()
        self._norm_mlp(self.norm1, None, qkv, moments1, rows, first)
        h = self.attention.out.forward(self.attention.attend(qkv, len(x), lengths), added=rows)
        y = self.scratch("y", rows.shape)
        self._norm_mlp(self.norm2, y, inner, moments2, h, second)
        self._kept = rows, moments1, h, moments2, inner
        return y.reshape(x.shape)

    def backward(self, grad: np.ndarray) -> np.ndarray:
        x, moments1, h, moments2, inner = self._kept
        dh, dx = runtime.gradients().take(x.shape), runtime.gradients().take(x.shape)
        first, second = self._parameters()
        caches = (grad.reshape(x.shape), None, inner, h, *moments2)
        self._norm_mlp_backward(dh, caches, second)
        dqkv = self.attention.attend_backward(self.attention.out.backward(dh))
        self._norm_mlp_backward(dx, (dh, dqkv, None, x, *moments1), first)
        return dx.reshape(grad.shape)

    def _parameters(self) -> tuple[list[Parameter | None], list[Parameter | None]]:
        """Return those in front of the attention and those behind it, as the core takes them."""
        first, second = ([norm.weight, norm.bias] for norm in (self.norm1, self.norm2))
        for layer in (self.linear1, self.linear2):
            second += [layer.weight, layer.bias]
        project = self.attention.project
        return [*first, project.weight, project.bias, None, None], second

    def _norm_mlp(
        self,
        norm: LayerNorm,
        y: np.ndarray | None,
        hidden: np.ndarray,
        moments: np.ndarray,
        x: np.ndarray,
        parameters: list[Parameter | None],
    ) -> None:
        values = [None if p is None else p.value for p in parameters]
        given: Any = (y, hidden, *moments, x, *values, norm.eps, runtime.current())
        _core.norm_mlp(*given)

    def _norm_mlp_backward(
        self, dx: np.ndarray, caches: tuple[Any, ...], parameters: list[Parameter | None]
    ) -> None:
        gamma, beta, weight1, _, weight2, _ = (None if p is None else p.value for p in parameters)
        grads = [None if p is None else p.grad for p in parameters]
        weights = (gamma, beta, weight1, weight2, runtime.current())
        given: Any = (dx, *grads, *caches, *weights)
        _core.norm_mlp_backward(*given)

    def output_shape(self, shape: Shape) -> Shape:
        return self.attention.output_shape(shape)
