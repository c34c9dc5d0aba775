"""Attention among the steps of a sequence, and the block that transformers are made of."""

from __future__ import annotations

from typing import Any

from ..base.checks import integer
from .linear import Linear
from .module import Module
from .norm import LayerNorm
from .ops.norms import NormLinear, NormMLP
from .ops.sequences import SelfAttention, sequence
from .ops.shapes import Reshape
from .parameter import Parameter
from .tape import Shape, Value


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

    def __init__(self, width: int, heads: int) -> None:
        self.width, self.heads = integer("width", width, 1), integer("heads", heads, 1)
        if self.width % self.heads:
            raise ValueError(f"heads: expected a divisor of the width {width}, got {heads}")
        self.project, self.out = Linear(width, 3 * width), Linear(width, width)

    def forward(self, x: Value) -> Value:
        n, t, width = sequence("MultiHeadAttention", x, self.width)
        qkv = self.project(Reshape(x, (-1, width)))
        return Reshape(self.out(SelfAttention(qkv, n, self.heads)), (-1, t, width))

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        for key in ("weight", "bias"):
            walk.add(f"{name}.in_proj_{key}", getattr(self.project, key).value)
        walk.inside(self.out, f"{name}.out_proj")
        return 1

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

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        hidden = integer("feedforward", feedforward, 1)
        self.norm1, self.attention = LayerNorm(width), MultiHeadAttention(width, heads)
        self.norm2 = LayerNorm(width)
        self.linear1, self.linear2 = Linear(width, hidden), Linear(hidden, width)

    def forward(self, x: Value) -> Value:
        n, t, width = sequence("TransformerBlock", x, self.attention.width)
        rows, attention = Reshape(x, (-1, width)), self.attention
        first = _parameters(self.norm1, attention.project)
        qkv = NormLinear(rows, first, self.norm1.eps)
        h = rows + attention.out(SelfAttention(qkv, n, attention.heads))
        second = _parameters(self.norm2, self.linear1, self.linear2)
        return Reshape(NormMLP(h, second, self.norm2.eps), (-1, t, width))

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.visit(self.attention, f"{name}.self_attn", None)
        for key in ("linear1", "linear2", "norm1", "norm2"):
            walk.inside(getattr(self, key), f"{name}.{key}")
        return 1


def _parameters(*layers: LayerNorm | Linear) -> tuple[Parameter, ...]:
    """Return the weights and biases of layers."""
    return tuple(p for layer in layers for p in (layer.weight, layer.bias) if p is not None)
