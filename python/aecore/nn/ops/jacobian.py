r"""How much a stack of layers stretches, and the gradient of that: second derivatives by hand.

With layers :math:`h_l = s(W_l h_{l-1})`, where W is linear and s elementwise, J = dh_L / dx of a
sample and a direction u in the space of h_L, three sweeps through the layers:

1. `Jacobian.vjp`, down: :math:`g_L = u,\; a_l = g_l \odot s'_l,\; g_{l-1} = W_l^\top a_l` ends with
   :math:`g_0 = J^\top u`.
2. `Jacobian.add_vjp_gradient`, up, with the gradient r of some function of :math:`g_0`: :math:`W_l`
   gains :math:`a_l r_{l-1}^\top`, then :math:`q = W_l r_{l-1},\; r_l = q \odot s'_l`, and
   :math:`s'_l` gains :math:`c_l = q \odot g_l`, summed over the directions.
3. `Jacobian.finish`, down: an ordinary backward pass in which each layer's gradient before its
   activation gains :math:`c_l \odot s''_l`: how the slopes depend on weights and biases.

Their cost is that of three or four passes of the layers in each direction, and one at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from ... import _core
from ..activation import FORMULAS
from ..tape import Op, Value
from .elementwise import Activation
from .losses import Late
from .products import Product
from .shapes import Reshape

Directions = Callable[[], Iterable[np.ndarray]]


def chain(x: Value, y: Value) -> list[Op]:
    """Return the ops that make y of x; ValueError for one that isn't Wx + b or elementwise."""
    ops: list[Op] = []
    while y is not x:
        if isinstance(y, (Activation, Reshape)) or (isinstance(y, Product) and y.added is None):
            ops.append(y)
            y = y.x
        else:
            raise ValueError(f"{type(y).__name__} is neither linear nor elementwise")
    if not any(isinstance(op, Product) for op in ops):
        raise ValueError("there is no layer with a weight")
    return ops[::-1]


class Jacobian:
    """Of y by x, which linear ops, elementwise ones and views lie between.

    Parameters
    ----------
    x, y : Value
    """

    def __init__(self, x: Value, y: Value) -> None:
        self.ops, self.tape = chain(x, y), y.tape
        self._first = next(op for op in self.ops if isinstance(op, Product))
        self._pulled: list[tuple[np.ndarray, np.ndarray]] = []
        self._bends: dict[int, np.ndarray] = {}  # c by the op's place

    def vjp(self, u: np.ndarray) -> np.ndarray:
        """Return J^T u of each sample, of x's shape; u (n, outputs) must stay as it is."""
        self._pulled.clear()
        g = u
        for op in reversed(self.ops):
            a = g = g.reshape(op.shape)
            if kind := _kind(op):
                a = self._sloped(g, op, kind)
            self._pulled.append((g, a))
            if isinstance(op, Product):
                g = self.tape.take(op.x.shape)
                op.gradients(g, None, None, a, op.x.data, None)
            else:
                g = a
        self._pulled.reverse()
        return g.reshape(self.ops[0].inputs()[0].shape)

    def add_vjp_gradient(self, r: np.ndarray) -> None:
        """Add to the weights' gradients, given that of what `vjp` has just returned."""
        for i, (op, (g, a)) in enumerate(zip(self.ops, self._pulled, strict=True)):
            q = r.reshape(op.inputs()[0].shape)
            if isinstance(op, Product):
                op.gradients(None, op.weight, None, a, q, None)
                q, given = self.tape.take(op.shape), q
                op.multiply(q, given, None, None, None)
            q = q.reshape(op.shape)
            if kind := _kind(op):
                if FORMULAS[kind].curvature is not None:
                    bend = np.multiply(g, q)
                    self._bends[i] = self._bends[i] + bend if i in self._bends else bend
                q = self._sloped(q, op, kind)
            r = q

    def finish(self) -> None:
        """Add what the slopes' own gradients, of all directions together, say about parameters."""
        grad = None
        for i, op in reversed(list(enumerate(self.ops))):
            kind = _kind(op)
            if grad is not None:
                grad = grad.reshape(op.shape)
                grad = self._sloped(grad, op, kind) if kind else grad
            if i in self._bends:
                curvature = FORMULAS[kind].curvature
                assert curvature is not None
                bend = self._bends[i] * curvature(_values(op)).astype(np.float32, copy=False)
                grad = bend if grad is None else grad + bend
            if grad is not None and isinstance(op, Product):
                dx = None if op is self._first else self.tape.take(op.x.shape)
                op.gradients(dx, op.weight, op.bias, grad, op.x.data, None)
                if dx is None:
                    return
                grad = dx

    def _sloped(self, g: np.ndarray, op: Op, kind: str) -> np.ndarray:
        """Return g times the slopes of an op's activation."""
        out = self.tape.take(op.shape)
        _core.activation_backward(out, g, _values(op), kind, self.tape.workspace)
        return out


def _kind(op: Op) -> str:
    """Return the name of an op's activation, or an empty string."""
    if isinstance(op, Activation):
        return op.kind
    return (isinstance(op, Product) and op.activation) or ""


def _values(op: Op) -> np.ndarray:
    """Return what determines an activation's derivatives."""
    return op.values() if isinstance(op, Activation) else op.data


class JacobianNorm(Late):
    r"""The squared norm of each sample's Jacobian, :math:`w \|\partial y / \partial x\|_F^2`, (n,).

    Parameters
    ----------
    x, y : Value
        Between them are linear ops, elementwise ones and views.
    outputs : int
        The first so many of y's values count.
    weight : float
        w.
    keep : callable
        Makes those values of a gradient of x zero that don't count, in place.
    estimate : callable, optional
        Yields random directions (n, outputs), in place of all dimensions (Hutchinson, 1990), and
        how many there are.
    """

    __slots__ = ("estimate", "factor", "given", "keep", "outputs")

    def __init__(
        self,
        x: Value,
        y: Value,
        outputs: int,
        weight: float,
        keep: Callable[[np.ndarray], np.ndarray],
        estimate: tuple[Directions, int] | None = None,
    ) -> None:
        self.given, self.outputs, self.factor = x, outputs, weight
        self.keep, self.estimate = keep, estimate
        self.start(y)

    def _units(self) -> Iterable[np.ndarray]:
        """Yield each dimension as a direction."""
        for j in range(self.outputs):
            u = np.zeros((self.shape[0], self.outputs), np.float32)
            u[:, j] = 1
            yield u

    def _whole(self, u: np.ndarray) -> np.ndarray:
        """Return a direction among all of y's values."""
        whole = self.tape.take((len(u), math.prod(self.x.shape[1:])))
        whole.fill(0)
        whole[:, : self.outputs] = u
        return whole

    def measure(
        self, loss: np.ndarray | None, dx: np.ndarray | None, weight: np.ndarray | None
    ) -> None:
        jacobian, total = Jacobian(self.given, self.x), np.zeros(self.shape[0])
        directions, scale = self._units(), self.factor
        if self.estimate is not None:
            directions, scale = self.estimate[0](), self.factor / self.estimate[1]
        for u in directions:
            g = self.keep(jacobian.vjp(self._whole(u)))
            rows = g.reshape(len(g), math.prod(g.shape[1:]))
            total += scale * np.einsum("nf,nf->n", rows, rows, dtype=np.float64)
            if weight is not None:
                rows *= (2 * scale * weight)[:, None]
                jacobian.add_vjp_gradient(g)
        if loss is not None:
            loss[...] = total
        if weight is not None:
            jacobian.finish()

    def backward(self) -> None:
        loss = None
        if self._data is None:
            loss = self._data = self.tape.take(self.shape)
        self.measure(loss, None, self.grad)  # what it gives goes to parameters alone
