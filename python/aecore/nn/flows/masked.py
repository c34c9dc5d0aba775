"""Layers whose outputs see only some of their inputs, and the networks that are made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ..linear import Linear
from ..module import Module
from ..ops import products
from ..ops.elementwise import activation
from ..parameter import Parameter, accumulate, claim_grads
from ..tape import Value


class MaskedProduct(products.Linear):
    """x (N, I) times the weight (O, I), of which a mask keeps some: (N, O).

    What it doesn't keep has no part in the output, whatever its value, and no gradient.
    """

    __slots__ = ("mask",)

    def __init__(
        self, x: Value, weight: Parameter, bias: Parameter | None, mask: np.ndarray, packed: Any
    ) -> None:
        self.mask = mask
        super().__init__(x, weight, bias, packed=packed, name="MaskedLinear")

    @property
    def is_open(self) -> bool:
        return False  # a sum would be made again without the mask

    def _kept(self) -> np.ndarray:
        """Return the weight with zeros in place of what the mask takes out."""
        kept = self.tape.take(self.weight.shape)
        self.tape.call(np.multiply, self.weight.value, self.mask, kept)
        return kept

    def multiply(
        self,
        y: np.ndarray,
        x: np.ndarray,
        bias: np.ndarray | None,
        activation: str | None,
        added: np.ndarray | None,
    ) -> None:
        how = activation, False, added, self.packed, self.tape.workspace
        self.tape.call(_core.linear, y, x, self._kept(), bias, *how)

    def gradients(
        self,
        dx: np.ndarray | None,
        weight: Parameter | None,
        bias: Parameter | None,
        grad: np.ndarray,
        x: np.ndarray,
        x_act: str | None,
    ) -> None:
        (_, dbias), adds = claim_grads(None, bias)
        learns = weight is not None and weight.learns
        dw = self.tape.take(self.weight.shape) if learns else None
        how = x_act, False, adds, self.tape.workspace
        _core.linear_backward(dx, dw, dbias, grad, x, self._kept(), *how)
        if weight is not None and dw is not None:
            accumulate(weight, np.multiply(dw, self.mask, out=dw))

    def onnx(self, graph: Any) -> str:
        kept = self.weight.value * self.mask
        return graph.add("Gemm", graph.of(self.x), kept, *self.biases(), transB=1)


class MaskedLinear(Linear):
    r"""A fully connected layer whose outputs see only some inputs, :math:`y = x (M W)^\top + b`.

    Inputs and outputs have degrees, and an output sees the inputs of at most its own degree, or of
    smaller ones alone. Shapes: x (N, I), y (N, O).
    Germain et al., "MADE: masked autoencoder for distribution estimation", ICML 2015.

    Parameters
    ----------
    inputs, outputs : ndarray of int, shapes (I,) and (O,)
        The degrees.
    strict : bool
        Whether an output doesn't see inputs of its own degree.
    """

    def __init__(self, inputs: np.ndarray, outputs: np.ndarray, strict: bool = False) -> None:
        super().__init__(len(inputs), len(outputs))
        seen = outputs[:, None] > inputs if strict else outputs[:, None] >= inputs
        self._mask = seen.astype(np.float32)

    def forward(self, x: Value) -> Value:
        return MaskedProduct(x, self.weight, self.bias, self._mask, self._packed)


class MADE(Module):
    r"""Two numbers for each of D inputs that depend on the inputs before it alone.

    Shapes: z (N, D), context (N, H), the numbers (N, D) each. There is one hidden layer:
    :math:`h = \mathrm{elu}(M_1 W_1 z + V c + b)` with the context c, which all units see.

    Parameters
    ----------
    dim, width : int
        D, and the number of hidden units.
    context : int
        H; 0 for none.
    reverse : bool
        Whether the order of the inputs is from the last to the first.
    """

    def __init__(self, dim: int, width: int, context: int = 0, reverse: bool = False) -> None:
        order = np.arange(1, dim + 1)[:: -1 if reverse else 1]
        hidden = np.arange(width) % max(1, dim - 1) + 1
        self.hidden = MaskedLinear(order, hidden)
        self.context = Linear(context, width, bias=False) if context else None
        self.first = MaskedLinear(hidden, order, strict=True)
        self.second = MaskedLinear(hidden, order, strict=True)

    def forward(self, z: Value, context: Value | None = None) -> tuple[Value, Value]:
        """Return the two numbers."""
        h = self.hidden.forward(z)
        if self.context is not None and context is not None:
            h = h + self.context.forward(context)
        h = activation(h, "elu")
        return self.first.forward(h), self.second.forward(h)
