"""The fully connected layer and its tied twin, and what they share with the convolutions."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from .module import Module, Parameter, Shape, count, fresh_seed, shown

# The activations whose gradient the output determines: what a layer may fuse.
FUSED = frozenset({"relu", "leaky_relu", "elu", "tanh", "sigmoid", "softplus"})


def check_fused(activation: str | None) -> str | None:
    """Return the activation if a layer can fuse it, None for linear."""
    if activation in (None, "linear"):
        return None
    if activation not in FUSED:
        raise ValueError(
            f"activation: {activation!r} can't be fused into a layer; expected one of "
            f"{', '.join(sorted(FUSED))}, or an Activation layer behind it"
        )
    return activation


class Affine(Module):
    """A layer with a weight, a bias and a fused activation.

    A subclass implements `output_shape`, `_product` and `_gradients`; these call the core once.
    `_gradients` leaves the weight's out unless it `learns`.
    Fresh values are uniform in plus or minus 1 / sqrt(fan_in), as PyTorch's are.
    """

    gates = True
    packs = True
    learns = True  # or backward is for the input's gradient alone

    def __init__(
        self,
        weight: Parameter | Shape,
        fan_in: int,
        outputs: int,
        bias: bool,
        activation: str | None,
    ) -> None:
        self.activation = check_fused(activation)
        self.overwrites_grad = self.activation is not None
        self.spare_output = self.adds = self.activation is None
        bound = 1 / max(1, fan_in) ** 0.5
        self.weight = weight if isinstance(weight, Parameter) else Parameter(weight, bound)
        self.bias = Parameter((outputs,), bound) if bias else None
        fresh = self.bias if self.weight is weight else self
        if fresh is not None:
            fresh.initialize(fresh_seed(), 0)

    def forward(
        self, x: np.ndarray, training: bool = False, *, added: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the output; if it `adds`, with another array of its shape added in one pass."""
        y = self.scratch("y", (x.shape[0], *self.output_shape(x.shape[1:])))
        bias = None if self.bias is None else self.bias.value
        self._product(y, x, bias, self.activation, added)
        self._kept = x, y
        return y

    def backward(
        self,
        grad: np.ndarray,
        *,
        x_activation: str | None = None,
        gated: bool = False,
        need_dx: bool = True,
    ) -> np.ndarray | None:
        """Add to the gradients of weight and bias, and return that of x.

        Parameters
        ----------
        grad : ndarray of float32, shape of the output
        x_activation : str, optional
            The input is this activation's output: return the gradient before it.
        gated : bool
            Whether `grad` is already the gradient before the layer's own activation. If not, it is
            made so in place.
        need_dx : bool
            False leaves the input's gradient out and returns None.
        """
        x, y = self._kept
        if self.activation and not gated:
            _core.activation_backward(grad, grad, y, self.activation, runtime.current())
        dx = runtime.gradients().take(x.shape) if need_dx else None
        dbias = self.bias.grad if self.bias is not None and self.learns else None
        self._gradients(dx, dbias, grad, x, x_activation, self.learns)
        return dx

    def _product(
        self,
        y: np.ndarray,
        x: np.ndarray,
        bias: np.ndarray | None = None,
        activation: str | None = None,
        added: np.ndarray | None = None,
    ) -> None:
        raise NotImplementedError

    def _gradients(
        self,
        dx: np.ndarray | None,
        dbias: np.ndarray | None,
        grad: np.ndarray,
        x: np.ndarray,
        x_activation: str | None = None,
        learns: bool = True,
    ) -> None:
        raise NotImplementedError

    def _shown(self) -> str:
        return shown(bias=(self.bias is not None, True), activation=(self.activation, None))


class Linear(Affine):
    r"""A fully connected layer, :math:`y = f(x W^\top + b)`.

    Shapes: x (N, I), y (N, O). Fresh values are uniform in :math:`\pm 1 / \sqrt{I}`.

    Parameters
    ----------
    in_features, out_features : int
        I and O.
    bias : bool
    activation : str, optional
        Fused into the layer: relu, leaky_relu, elu, tanh, sigmoid or softplus.

    Attributes
    ----------
    weight : Parameter, shape (O, I)
    bias : Parameter, shape (O,), or None
    """

    transposed = False  # whether the weight is (inputs, outputs)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        i, o = count("in_features", in_features), count("out_features", out_features)
        super().__init__((o, i), i, o, bias, activation)

    def _product(
        self,
        y: np.ndarray,
        x: np.ndarray,
        bias: np.ndarray | None = None,
        activation: str | None = None,
        added: np.ndarray | None = None,
    ) -> None:
        how = activation, self.transposed, added, self._packed
        _core.linear(y, x, self.weight.value, bias, *how, runtime.current())

    def _gradients(
        self,
        dx: np.ndarray | None,
        dbias: np.ndarray | None,
        grad: np.ndarray,
        x: np.ndarray,
        x_activation: str | None = None,
        learns: bool = True,
    ) -> None:
        dw, adds = self.weight.claim_grad() if learns else (None, True)
        w, transposed, ws = self.weight.value, self.transposed, runtime.current()
        _core.linear_backward(dx, dw, dbias, grad, x, w, x_activation, transposed, adds, ws)

    def _features(self) -> tuple[int, int]:
        """Return the numbers of inputs and outputs."""
        rows, columns = self.weight.shape
        return (rows, columns) if self.transposed else (columns, rows)

    def output_shape(self, shape: Shape) -> Shape:
        inputs, outputs = self._features()
        if tuple(shape) != (inputs,):
            raise ValueError(
                f"{type(self).__name__}: expected samples of {inputs} features, got "
                f"the shape {tuple(shape)}"
            )
        return (outputs,)

    def extra_repr(self) -> str:
        inputs, outputs = self._features()
        return f"{inputs}, {outputs}{self._shown()}"


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
        Fused into the layer, as `Linear`'s.

    Attributes
    ----------
    weight : Parameter, shape (O, I)
        The very object that the other layer has. Copy or pickle the two in one go to keep it so.
    bias : Parameter, shape (I,), or None
    """

    transposed = True

    def __init__(self, source: Linear, *, bias: bool = True, activation: str | None = None) -> None:
        if type(source) is not Linear:
            raise TypeError(f"TiedLinear: expected a Linear, got {type(source).__name__}")
        o, i = source.weight.shape
        Affine.__init__(self, source.weight, o, i, bias, activation)
