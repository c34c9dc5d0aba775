"""The fully connected layer and its tied twin, and what they share with the convolutions."""

from __future__ import annotations

import math
from typing import Any

from ..base.checks import boolean, integer
from ..base.streams import fresh_seed
from .init import bound_of
from .module import Module, shown
from .ops.products import FUSED
from .ops.products import Linear as LinearOp
from .parameter import Parameter
from .tape import Shape, Value


def check_fused(activation: str | None) -> str | None:
    """Return the activation if a product can take it along, None for linear."""
    if activation in (None, "linear"):
        return None
    if activation not in FUSED:
        raise ValueError(
            f"activation: expected one of {', '.join(sorted(FUSED))}, which a layer can have built "
            f"in, or an Activation layer behind it, got {activation!r}"
        )
    return activation


class Affine(Module):
    """A layer with a weight, a bias and an activation.

    Fresh values are uniform in plus or minus 1 / sqrt(fan_in), as PyTorch's are.
    """

    def __init__(
        self,
        weight: Parameter | Shape,
        fan_in: int,
        outputs: int,
        bias: bool,
        activation: str | None,
    ) -> None:
        self.activation = check_fused(activation)
        bound = 1 / max(1, fan_in) ** 0.5
        self.weight = weight if isinstance(weight, Parameter) else Parameter(weight, bound)
        self.bias = Parameter((outputs,), bound) if boolean("bias", bias) else None
        fresh = self.bias if self.weight is weight else self
        if fresh is not None:
            fresh.initialize(fresh_seed(), 0)

    def use_init(self, init: str, gain: float) -> None:
        if hasattr(self, "source_class"):  # the weight is another layer's
            return
        outputs, *kernel, inputs = self.weight.shape
        size = math.prod(kernel)
        self.weight.bound = bound_of(init, inputs * size, outputs * size, gain)

    @property
    def _torch_layers(self) -> int:
        """How many layers it is in PyTorch, where an activation is one of its own."""
        return 1 if self.activation is None else 2

    def _shown(self) -> str:
        return shown(bias=(self.bias is not None, True), activation=(self.activation, None))


class Linear(Affine):
    r"""A fully connected layer, :math:`y = f(x W^\top + b)`.

    Shapes: x (N, I), y (N, O). Fresh values are uniform in :math:`\pm 1 / \sqrt{I}`, unless a
    model's ``init`` says otherwise.

    Parameters
    ----------
    in_features, out_features : int
        I and O.
    bias : bool
    activation : str, optional
        f, one that its output determines: see `Activation`.

    Attributes
    ----------
    weight : Parameter, shape (O, I)
    bias : Parameter, shape (O,), or None
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        i, o = integer("in_features", in_features, 1), integer("out_features", out_features, 1)
        super().__init__((o, i), i, o, bias, activation)

    def forward(self, x: Value) -> Value:
        return LinearOp(x, self.weight, self.bias, self.activation, packed=self._packed)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.linear(name, self.weight, self.bias)
        return self._torch_layers

    def extra_repr(self) -> str:
        o, i = self.weight.shape
        return f"{i}, {o}{self._shown()}"


class TiedLinear(Linear):
    r"""The way back through another layer's weight, :math:`y = f(x W + b)`.

    Shapes: x (N, O), y (N, I), where the other layer's weight W is (O, I). Its gradient is the sum
    of what both layers add. The bias is the layer's own.

    Parameters
    ----------
    source : Linear
        The layer whose weight is shared.
    bias : bool
    activation : str, optional
        f, as `Linear`'s.

    Attributes
    ----------
    weight : Parameter, shape (O, I)
        The very object that the other layer has. Copy or pickle the two in one go to keep it so.
    bias : Parameter, shape (I,), or None
    """

    source_class = Linear

    def __init__(self, source: Linear, *, bias: bool = True, activation: str | None = None) -> None:
        if type(source) is not Linear:
            raise TypeError(f"TiedLinear: expected a Linear, got {type(source).__name__}")
        o, i = source.weight.shape
        Affine.__init__(self, source.weight, o, i, bias, activation)

    def forward(self, x: Value) -> Value:
        return LinearOp(
            x,
            self.weight,
            self.bias,
            self.activation,
            transposed=True,
            packed=self._packed,
            name="TiedLinear",
        )

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.tied(name, self.weight, self.bias)
        return self._torch_layers

    def extra_repr(self) -> str:
        o, i = self.weight.shape
        return f"{o}, {i}{self._shown()}"
