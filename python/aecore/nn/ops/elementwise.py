"""Functions of single values: NumPy's, with broadcasting, and the activations of the core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import _core
from ...base.streams import DROPOUT
from ..parameter import value_of
from ..tape import FUNCTIONS, UFUNCS, Differentiable, Op, Shape, Tape, Value, tape_of
from .products import FUSED, Product

Operand = Any  # a value, a parameter, an array or a number


def operand(x: Any, tape: Tape) -> Any:
    """Return what an op computes with: a value, or an array that has no gradient."""
    if isinstance(x, Differentiable):
        x = value_of(x, tape)
        x.uses += 1
        return x
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"operand: expected numbers, got {array.dtype}")
    return array.astype(np.float32)


def data_of(x: Any) -> np.ndarray:
    """Return an operand's numbers."""
    return x.data if isinstance(x, Value) else x


def needs_grad(x: Any) -> bool:
    """Return whether an operand wants a gradient."""
    return isinstance(x, Value) and x.needs_grad


def give(x: Value, grad: np.ndarray, *, owned: bool = True) -> None:
    """Add to an operand's gradient that of what it was broadcast to."""
    total = summed_to(grad, x.shape)
    x.add_grad(total, owned=owned or total is not grad)


def summed_to(grad: np.ndarray, shape: Shape) -> np.ndarray:
    """Return sums over the axes along which an array of this shape was repeated."""
    if grad.shape == shape:
        return grad
    extra = grad.ndim - len(shape)
    axes = [*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1)]
    total = grad.sum(tuple(axes), dtype=np.float64, keepdims=True)
    return total.reshape(shape).astype(np.float32)


# ---- of two -------------------------------------------------------------------------------------

Slope = Callable[[Any, Any, Any, Any, Any], Any]


class Binary(Op):
    """A function of two operands that NumPy broadcasts.

    A subclass states the ufunc, its two slopes, times the gradient and written to `out`, and its
    name in ONNX.
    """

    __slots__ = ("a", "b")
    ufunc: np.ufunc
    slopes: tuple[Slope, Slope]
    name = ""

    def __init__(self, a: Operand, b: Operand) -> None:
        tape = tape_of(a, b)
        self.a, self.b = operand(a, tape), operand(b, tape)
        shape = np.broadcast_shapes(self.a.shape, self.b.shape)
        self.place(tape, shape, needs_grad(self.a) or needs_grad(self.b), later=True)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        type(self).ufunc(data_of(self.a), data_of(self.b), out=y)
        self._data = y

    def backward(self) -> None:
        a, b = data_of(self.a), data_of(self.b)
        for x, slope in zip((self.a, self.b), type(self).slopes, strict=True):
            if needs_grad(x):
                out = self.tape.take(self.shape)
                give(x, slope(a, b, self.data, self.grad, out))

    def forget(self) -> None:
        self.a = self.b = None

    def inputs(self) -> tuple[Value, ...]:
        return tuple(x for x in (self.a, self.b) if isinstance(x, Value))

    def onnx(self, graph: Any) -> str:
        return graph.each(self.name, graph.of(self.a), graph.of(self.b))


class Add(Binary):
    """a + b; see `add`."""

    __slots__ = ()
    ufunc, name = np.add, "Add"

    @property
    def is_noted(self) -> bool:  # type: ignore[override]
        return np.shape(self.a) == np.shape(self.b)

    def forward(self) -> None:
        a, b, y = data_of(self.a), data_of(self.b), self.tape.take(self.shape)
        if a.shape == b.shape:
            self.tape.call(_core.add, y, a, b, self.tape.workspace)
        else:
            np.add(a, b, out=y)
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        for x in (self.a, self.b):
            if needs_grad(x):
                give(x, self.grad, owned=False)


class Subtract(Binary):
    """a - b."""

    __slots__ = ()
    ufunc, name = np.subtract, "Sub"

    def backward(self) -> None:
        assert self.grad is not None
        if needs_grad(self.a):
            give(self.a, self.grad, owned=False)
        if needs_grad(self.b):
            give(self.b, np.negative(self.grad, out=self.tape.take(self.shape)))


class Multiply(Binary):
    """a b."""

    __slots__ = ()
    ufunc, name = np.multiply, "Mul"
    slopes = (
        lambda a, b, y, g, out: np.multiply(g, b, out=out),
        lambda a, b, y, g, out: np.multiply(g, a, out=out),
    )


def _divide_below(a: Any, b: Any, y: Any, g: Any, out: Any) -> Any:
    np.multiply(g, y, out=out)
    np.divide(out, b, out=out)
    return np.negative(out, out=out)


class Divide(Binary):
    """a / b."""

    __slots__ = ()
    ufunc, name = np.divide, "Div"
    slopes = (lambda a, b, y, g, out: np.divide(g, b, out=out), _divide_below)


def _power_of_base(a: Any, b: Any, y: Any, g: Any, out: Any) -> Any:
    np.power(a, np.where(b == 0, np.float32(1), b) - 1, out=out)  # to the 0th the slope is 0
    np.multiply(out, b, out=out)
    return np.multiply(out, g, out=out)


def _power_of_exponent(a: Any, b: Any, y: Any, g: Any, out: Any) -> Any:
    np.log(np.where(a > 0, a, 1), out=out)  # 0 ** b stays 0 around b
    np.multiply(out, y, out=out)
    return np.multiply(out, g, out=out)


class Power(Binary):
    """a ** b."""

    __slots__ = ()
    ufunc, name = np.power, "Pow"
    slopes = (_power_of_base, _power_of_exponent)


class Maximum(Binary):
    """The larger of a and b; of equal ones the gradient is a's."""

    __slots__ = ()
    ufunc, name = np.maximum, "Max"
    slopes = (
        lambda a, b, y, g, out: np.multiply(g, a >= b, out=out),
        lambda a, b, y, g, out: np.multiply(g, a < b, out=out),
    )


class Minimum(Binary):
    """The smaller of a and b; of equal ones the gradient is a's."""

    __slots__ = ()
    ufunc, name = np.minimum, "Min"
    slopes = (
        lambda a, b, y, g, out: np.multiply(g, a <= b, out=out),
        lambda a, b, y, g, out: np.multiply(g, a > b, out=out),
    )


def add(a: Operand, b: Operand) -> Value:
    """Return a + b; the sum is part of a product that has not run yet (rule 2)."""
    for product, other in ((b, a), (a, b)):
        if (
            isinstance(product, Product)
            and product.is_open
            and isinstance(other, Value)
            and other is not product
            and other.shape == product.shape
        ):
            return product.plus(other)
    return Add(a, b)


def power(a: Operand, b: Operand) -> Value:
    """Return a ** b."""
    if isinstance(b, (int, float)) and b == 2:
        return UNARY[np.square](a)
    return Power(a, b)


# ---- of one -------------------------------------------------------------------------------------


class Unary(Op):
    """A function of one operand. A subclass states the ufunc, its slope, and its name in ONNX."""

    __slots__ = ("x",)
    is_noted = True
    ufunc: np.ufunc
    slope: Any  # a function of x, y, the gradient and out
    name = ""

    def __init__(self, x: Operand) -> None:
        self.x = value_of(x)
        self.x.uses += 1
        self.place(self.x.tape, self.x.shape, self.x.needs_grad, later=True)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        self.tape.call(type(self).ufunc, self.x.data, y)
        self._data = y

    def backward(self) -> None:
        out = self.tape.take(self.shape)
        self.x.add_grad(type(self).slope(self.x.data, self.data, self.grad, out))

    def forget(self) -> None:
        self.x = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)

    def onnx(self, graph: Any) -> str:
        return graph.each(self.name, graph.of(self.x))


def _twice(x: Any, y: Any, g: Any, out: Any) -> Any:
    np.multiply(x, g, out=out)
    return np.add(out, out, out=out)


class Square(Unary):
    """x squared."""

    __slots__ = ()
    ufunc, slope = np.square, _twice

    def onnx(self, graph: Any) -> str:
        x = graph.of(self.x)
        return graph.each("Mul", x, x)


class Exp(Unary):
    """The exponential function."""

    __slots__ = ()
    ufunc, name = np.exp, "Exp"
    slope = lambda x, y, g, out: np.multiply(g, y, out=out)  # noqa: E731


class Log(Unary):
    """The natural logarithm."""

    __slots__ = ()
    ufunc, name = np.log, "Log"
    slope = lambda x, y, g, out: np.divide(g, x, out=out)  # noqa: E731


class Log1p(Unary):
    """ln(1 + x)."""

    __slots__ = ()
    ufunc = np.log1p
    slope = lambda x, y, g, out: np.divide(g, 1 + x, out=out)  # noqa: E731

    def onnx(self, graph: Any) -> str:
        return graph.each("Log", graph.each("Add", graph.of(self.x), np.float32(1)))


class Expm1(Unary):
    """exp(x) - 1."""

    __slots__ = ()
    ufunc = np.expm1
    slope = lambda x, y, g, out: np.multiply(g, y + 1, out=out)  # noqa: E731

    def onnx(self, graph: Any) -> str:
        return graph.each("Sub", graph.each("Exp", graph.of(self.x)), np.float32(1))


def _half_over(x: Any, y: Any, g: Any, out: Any) -> Any:
    np.divide(g, y, out=out)
    return np.multiply(out, np.float32(0.5), out=out)


class Sqrt(Unary):
    """The square root."""

    __slots__ = ()
    ufunc, slope, name = np.sqrt, _half_over, "Sqrt"


class Negative(Unary):
    """-x."""

    __slots__ = ()
    ufunc, name = np.negative, "Neg"
    slope = lambda x, y, g, out: np.negative(g, out=out)  # noqa: E731


class Absolute(Unary):
    """The absolute value; the gradient at 0 is 0."""

    __slots__ = ()
    ufunc, name = np.absolute, "Abs"
    slope = lambda x, y, g, out: np.multiply(g, np.sign(x), out=out)  # noqa: E731


class Sin(Unary):
    """The sine."""

    __slots__ = ()
    ufunc, name = np.sin, "Sin"
    slope = lambda x, y, g, out: np.multiply(g, np.cos(x), out=out)  # noqa: E731


class Cos(Unary):
    """The cosine."""

    __slots__ = ()
    ufunc, name = np.cos, "Cos"
    slope = lambda x, y, g, out: np.multiply(g, -np.sin(x), out=out)  # noqa: E731


UNARY: dict[Any, type[Unary]] = {
    op.ufunc: op for op in (Square, Exp, Log, Log1p, Expm1, Sqrt, Negative, Absolute, Sin, Cos)
}
UFUNCS.update(UNARY)
UFUNCS.update({op.ufunc: op for op in (Subtract, Multiply, Divide, Maximum, Minimum)})
UFUNCS.update({np.add: add, np.power: power, np.positive: value_of})
UFUNCS[np.tanh] = lambda x: activation(x, "tanh")


# ---- activations --------------------------------------------------------------------------------


class Activation(Op):
    """One of the core's activations, f(x)."""

    __slots__ = ("kind", "x")

    is_noted = True

    def __init__(self, x: Value, kind: str) -> None:
        self.x, self.kind = x, kind
        x.uses += 1
        self.place(x.tape, x.shape, x.needs_grad, later=True)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        self.tape.call(_core.activation, y, self.x.data, self.kind, self.tape.workspace)
        self._data = y

    def gate(self) -> str | None:
        return self.kind if self.uses == 1 and self.kind in FUSED else None

    def values(self) -> np.ndarray:
        """Return what the slope follows from: the output, or the input for some."""
        return self.data if self.kind in FUSED else self.x.data

    def before_activation(self, grad: np.ndarray, *, owned: bool) -> np.ndarray:
        out = grad if owned else self.tape.take(self.shape)
        _core.activation_backward(out, grad, self.values(), self.kind, self.tape.workspace)
        return out

    def backward(self) -> None:
        grad = self.grad
        assert grad is not None
        if not self._gated:
            grad, self._owned = self.before_activation(grad, owned=self._owned), True
        self.x.add_grad(grad, owned=self._owned)

    def forget(self) -> None:
        self.x = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)

    def onnx(self, graph: Any) -> str:
        return graph.activation(self.kind, graph.of(self.x))


def activation(x: Any, kind: str) -> Value:
    """Return f(x); the linear one is x itself."""
    x = value_of(x)
    return x if kind == "linear" else Activation(x, kind)


class Dropout(Op):
    """Values dropped with a probability, the rest scaled up: x (N, ...).

    Which ones are dropped follows from the seed and the position in its stream.
    """

    __slots__ = ("rate", "stream", "x")

    def __init__(self, x: Value, rate: float, seed: int, position: int) -> None:
        self.x, self.rate, self.stream = x, rate, (seed, DROPOUT, position)
        x.uses += 1
        self.place(x.tape, x.shape, x.needs_grad)

    def forward(self) -> None:
        self._data = self._drop(self.x.data)

    def backward(self) -> None:
        assert self.grad is not None
        self.x.add_grad(self._drop(self.grad))

    def _drop(self, x: np.ndarray) -> np.ndarray:
        y = self.tape.take(self.shape)
        _core.dropout(y, x, self.rate, *self.stream, self.tape.workspace)
        return y

    def forget(self) -> None:
        self.x = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)


# ---- chosen -------------------------------------------------------------------------------------


class Where(Op):
    """a where a condition holds, b elsewhere; the condition is an array of bool."""

    __slots__ = ("a", "b", "condition")

    def __init__(self, condition: Any, a: Operand, b: Operand) -> None:
        self.condition = np.asarray(condition, np.bool_)
        tape = tape_of(a, b)
        self.a, self.b = operand(a, tape), operand(b, tape)
        shape = np.broadcast_shapes(self.condition.shape, self.a.shape, self.b.shape)
        self.place(tape, shape, needs_grad(self.a) or needs_grad(self.b))

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        np.copyto(y, data_of(self.b))
        np.copyto(y, data_of(self.a), where=self.condition)
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        for x, where in ((self.a, self.condition), (self.b, ~self.condition)):
            if needs_grad(x):
                out = self.tape.take(self.shape)
                give(x, np.multiply(self.grad, where, out=out))

    def forget(self) -> None:
        self.a = self.b = None

    def inputs(self) -> tuple[Value, ...]:
        return tuple(x for x in (self.a, self.b) if isinstance(x, Value))


def clip(x: Operand, low: Any = None, high: Any = None) -> Value:
    """Return x within bounds; None is no bound. There is no gradient beyond them."""
    y = value_of(x)
    if low is not None:
        y = Maximum(y, low)
    return y if high is None else Minimum(y, high)


FUNCTIONS.update({np.where: Where, np.clip: clip})
