r"""The Jacobian of a stack of layers, in as many directions as are asked for, and its gradient.

With layers :math:`h_l = s(W_l h_{l-1})`, where W is linear and s elementwise, J = dh_L / dx of a
sample and a direction u in the space of h_L, three sweeps through the layers:

1. `pull`, down: :math:`g_L = u,\; a_l = g_l \odot s'_l,\; g_{l-1} = W_l^\top a_l` ends with
   :math:`g_0 = J^\top u`.
2. `push`, up, with the gradient r of some function of :math:`g_0`: :math:`W_l` gains
   :math:`a_l r_{l-1}^\top`, then :math:`q = W_l r_{l-1},\; r_l = q \odot s'_l`, and :math:`s'_l`
   gains :math:`c_l = q \odot g_l`, summed over the directions.
3. `finish`, down: an ordinary backward pass in which each layer's gradient before its activation
   gains :math:`c_l \odot s''_l`: how the activations' slopes depend on weights and biases.

Their cost is that of three or four passes of the layers in each direction, and one at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from .. import _core
from ..base import runtime
from .activation import Activation
from .containers import Sequential
from .linear import Affine
from .module import Module

Curvature = Callable[[np.ndarray], np.ndarray]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _silu(x: np.ndarray) -> np.ndarray:
    s = _sigmoid(x)
    return s * (1 - s) * (2 + x * (1 - 2 * s))


# Second derivatives from the output y, from the input for gelu and silu. Those of relu and
# leaky_relu are 0, but for the kink, which has none.
CURVATURES: dict[str, Curvature] = {
    "elu": lambda y: np.where(y > 0, 0, y + 1),
    "tanh": lambda y: -2 * y * (1 - y * y),
    "sigmoid": lambda y: y * (1 - y) * (1 - 2 * y),
    "softplus": lambda y: -np.expm1(-y) * np.exp(-y),
    "gelu": lambda x: (2 - x * x) * np.exp(-x * x / 2) * (2 * math.pi) ** -0.5,
    "silu": _silu,
}


def _flattened(module: Module) -> Iterator[Module]:
    """Yield the layers of a stack in order; ValueError for one that isn't Wx + b or elementwise."""
    if isinstance(module, Sequential):
        for layer in module.layers:
            yield from _flattened(layer)
    elif isinstance(module, (Affine, Activation)) or module.is_view:
        yield module
    else:
        raise ValueError(f"{type(module).__name__} is neither linear nor elementwise")


class Jacobian:
    """Of a stack, at the input that its last forward pass had.

    Parameters
    ----------
    module : Module
        Made of linear layers, convolutions, elementwise activations and views.

    Raises
    ------
    ValueError
        For a module with other layers, or none with a weight.
    """

    def __init__(self, module: Module) -> None:
        self._layers = list(_flattened(module))
        self._first = next((m for m in self._layers if isinstance(m, Affine)), None)
        if self._first is None:
            raise ValueError("there is no layer with a weight")
        self._pulled: list[tuple[np.ndarray, np.ndarray]] = []
        self._bends: dict[int, np.ndarray] = {}  # c by the layer's place

    @property
    def outputs(self) -> int:
        """How many values a sample's output has."""
        y = next(m for m in reversed(self._layers) if not m.is_view)._kept[1]
        return math.prod(y.shape[1:])

    def pull(self, u: np.ndarray) -> np.ndarray:
        """Return J^T u of each sample, of the input's shape; u (n, outputs) must stay as it is."""
        self._pulled.clear()
        g = u
        for layer in reversed(self._layers):
            a = g
            if layer.is_view:
                g = layer.backward(g)
            elif _kind(layer):
                a = layer.scratch("jacobian a", g.shape)
                _slope(a, g, layer)
            self._pulled.append((g, a))
            if isinstance(layer, Affine):
                x = layer._kept[0]
                g = layer.scratch("jacobian g", x.shape)
                layer._gradients(g, None, a, x, learns=False)
            elif not layer.is_view:
                g = a
        self._pulled.reverse()
        return g

    def push(self, r: np.ndarray) -> None:
        """Add to the weights' gradients, given that of what `pull` has just returned."""
        for i, (layer, (g, a)) in enumerate(zip(self._layers, self._pulled, strict=True)):
            if layer.is_view:
                r = r.reshape(len(r), *layer.output_shape(r.shape[1:]))
                continue
            q = layer.scratch("jacobian q", g.shape)
            if isinstance(layer, Affine):
                layer._gradients(None, None, a, r)
                layer._product(q, r)
            else:
                np.copyto(q, r)
            if _kind(layer) in CURVATURES:
                self._add_bend(i, layer, g, q)
            if _kind(layer):
                _slope(q, q, layer)
            r = q

    def _add_bend(self, i: int, layer: Module, g: np.ndarray, q: np.ndarray) -> None:
        total = layer.scratch("jacobian c", g.shape)
        part = layer.scratch("jacobian c part", g.shape)
        np.multiply(g, q, out=total if i not in self._bends else part)
        if i in self._bends:
            total += part
        self._bends[i] = total

    def finish(self) -> None:
        """Add what the slopes' own gradients, of all directions together, say about parameters."""
        grad = None
        for i, layer in reversed(list(enumerate(self._layers))):
            if grad is not None and layer.is_view:
                grad = layer.backward(grad)
            elif grad is not None and _kind(layer):
                _slope(grad, grad, layer)
            if i in self._bends:
                bend = self._bends[i]
                bend *= CURVATURES[_kind(layer)](_values(layer))
                grad = bend if grad is None else np.add(grad, bend, out=grad)
            if grad is not None and isinstance(layer, Affine):
                x, dbias = layer._kept[0], None if layer.bias is None else layer.bias.grad
                dx = None if layer is self._first else layer.scratch("jacobian g", x.shape)
                layer._gradients(dx, dbias, grad, x)
                if dx is None:
                    return
                grad = dx


def _kind(layer: Module) -> str:
    """Return the name of a layer's activation, or an empty string."""
    return layer.kind if isinstance(layer, Activation) else layer.activation or ""


def _values(layer: Module) -> np.ndarray:
    """Return what determines an activation's derivatives: its output, if that does."""
    x, y = layer._kept
    return y if layer.activation else x


def _slope(out: np.ndarray, g: np.ndarray, layer: Module) -> None:
    """Write g times the slopes of a layer's activation."""
    _core.activation_backward(out, g, _values(layer), _kind(layer), runtime.current())
