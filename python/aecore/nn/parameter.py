"""Parameters: arrays that are learned, and what they are on a tape."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from ..base.streams import INIT
from .tape import Differentiable, Op, Shape, Tape, Value, current, tape_of

_budget: ContextVar[list[int] | None] = ContextVar("budget", default=None)


class OverBudget(MemoryError):
    """Parameters would have more values than they may, whether or not there is room for them."""


@contextlib.contextmanager
def budget(values: int) -> Iterator[None]:
    """Within it, parameters of more values together are a MemoryError, before they are made.

    Operating systems promise more memory than there is: without it a width that is much too large
    may end the process.
    """
    token = _budget.set([values])
    try:
        yield
    finally:
        _budget.reset(token)


def reserve(shape: Shape) -> None:
    """Take a shape's number of values from the budget, if any; OverBudget if it is spent."""
    left = _budget.get()
    if left is not None:
        left[0] -= math.prod(shape)
        if left[0] < 0:
            raise OverBudget(f"the network is too large: no room for a parameter of shape {shape}")


class Parameter(Differentiable):
    """An array that is learned, and its gradient of the same shape.

    Both are replaced by views of one flat buffer when a model takes the layer (`Flat`). In a
    layer's forward pass NumPy's operators and functions take a parameter as they take an array.

    Parameters
    ----------
    shape : tuple of int
    bound : float
        Fresh values are uniform in [-bound, bound).
    fill : float, optional
        Fresh values are this instead.
    std : float, optional
        Fresh values are normal with mean 0 and this deviation instead.

    Attributes
    ----------
    value : ndarray of float32
    learns : bool
        Whether a walk back over a tape adds to the gradient.
    """

    learns = True
    _is_stale = False

    def __init__(
        self,
        shape: Shape,
        bound: float = 0.0,
        fill: float | None = None,
        std: float | None = None,
    ) -> None:
        if min(shape, default=1) < 0:
            raise ValueError(f"shape: expected sizes of at least 0, got {shape}")
        reserve(shape)
        self.bound, self.fill, self.std = bound, fill, std
        self.value = np.zeros(shape, np.float32)
        self.grad = np.zeros(shape, np.float32)

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.value.shape

    def array(self) -> np.ndarray:
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the values; a view, unless a copy is asked for."""
        return np.array(self.value, dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if current() is None and not any(isinstance(x, Value) for x in inputs):
            return getattr(ufunc, method)(*_arrays(inputs), **options)
        return super().__array_ufunc__(ufunc, method, *inputs, **options)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if current() is None and not any(issubclass(t, Value) for t in types):
            return func(*_arrays(args), **kwargs)
        return super().__array_function__(func, types, args, kwargs)

    def __getitem__(self, index: Any) -> Any:
        return self.value[index] if current() is None else super().__getitem__(index)

    # ---- the gradient ---------------------------------------------------------------------------

    @property
    def grad(self) -> np.ndarray:
        """The gradient: an array of float32, to be added to."""
        grad, adds = self.claim_grad()
        if not adds:
            grad.fill(0)
        return grad

    @grad.setter
    def grad(self, grad: np.ndarray) -> None:
        self._grad, self._is_stale = grad, False

    def forget_grad(self) -> None:
        """Make the gradient zero, or let whoever comes first overwrite it."""
        self._is_stale = True

    def claim_grad(self) -> tuple[np.ndarray, bool]:
        """Return the gradient's array, and whether to add to it instead of overwriting it."""
        adds, self._is_stale = not self._is_stale, False
        return self._grad, adds

    # ---- the values -----------------------------------------------------------------------------

    def initialize(self, seed: int, offset: int) -> None:
        """Draw fresh values: elements offset, offset + 1, ... of the seed's stream."""
        if self.fill is not None:
            self.value.fill(self.fill)
        elif self.std is not None:
            _core.random_normal(self.value, seed, INIT, offset, runtime.current())
            self.value *= self.std
        else:
            _core.random_uniform(self.value, seed, INIT, offset, runtime.current())
            self.value *= 2 * self.bound
            self.value -= self.bound

    def __getstate__(self) -> dict[str, Any]:
        """Leave the gradient out of copies and pickles: theirs starts at zero."""
        return {k: v for k, v in vars(self).items() if k not in ("_grad", "_is_stale", "learns")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.grad = np.zeros_like(self.value)


def _arrays(x: Any) -> Any:
    """Return what NumPy is given with arrays in place of parameters."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(_arrays, x))
    return x.value if isinstance(x, Parameter) else x


def claim_grads(*parameters: Parameter | None) -> tuple[list[Any], Any]:
    """Return the gradients' arrays, and for each whether to add to it instead of overwriting it.

    An array is None where no gradient is to be had.
    """
    grads: list[Any] = []
    adds = []
    for p in parameters:
        learns = p is not None and p.learns
        grad, adding = p.claim_grad() if learns else (None, False)  # type: ignore[union-attr]
        grads.append(grad)
        adds.append(adding)
    return grads, tuple(adds)


def accumulate(parameter: Parameter, grad: Any) -> None:
    """Add to a parameter's gradient, or overwrite it if nobody has been there."""
    total, adds = parameter.claim_grad()
    if adds:
        total += grad
    else:
        total[...] = grad


class Leaf(Op):
    """A parameter as a value."""

    __slots__ = ("parameter",)

    def __init__(self, parameter: Parameter, tape: Tape) -> None:
        self.parameter = parameter
        self.place(tape, parameter.value.shape, tape.records)

    def forward(self) -> None:
        self._data = self.parameter.value

    def backward(self) -> None:
        if self.parameter.learns:
            accumulate(self.parameter, self.grad)

    def inputs(self) -> tuple[Value, ...]:
        return ()

    def onnx(self, graph: Any) -> str:
        return graph.constant(self.parameter.value)


def value_of(x: Any, tape: Tape | None = None) -> Value:
    """Return what an op is given as a value; arrays are constants.

    `tape` is the one that the op is on, if another of its inputs tells.
    """
    if isinstance(x, Value):
        return x
    if tape is None:
        tape = tape_of(x)
    if isinstance(x, Parameter):
        return Leaf(x, tape)
    return tape.constant(np.asarray(x, np.float32, order="C"))
