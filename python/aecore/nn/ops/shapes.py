"""The same values in other shapes and orders, side by side, and parts of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ..parameter import value_of
from ..tape import FUNCTIONS, Op, Shape, Value, tape_of
from .elementwise import give, needs_grad, operand
from .gated import positions


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return one axis or several, counted from the front; ValueError unless they are there."""
    given = [int(a) for a in np.atleast_1d(axis)]
    found = tuple(a % ndim for a in given if -ndim <= a < ndim)
    if len(set(found)) < len(given):
        raise ValueError(f"axis: expected one of {ndim} axes, each once, got {axis}")
    return found


class _One(Op):
    """An op of one value."""

    __slots__ = ("x",)

    def start(self, x: Any) -> Value:
        """Note the input."""
        self.x = value_of(x)
        self.x.uses += 1
        return self.x

    def forget(self) -> None:
        self.x = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)


class Reshape(_One):
    """A view of the values in another shape, one size of which may be -1: what is left."""

    __slots__ = ("wanted",)

    is_noted = True

    def __init__(self, x: Any, shape: Sequence[int] | int) -> None:
        x = self.start(x)
        self.wanted = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        self.place(x.tape, reshaped(x.shape, self.wanted), x.needs_grad, later=True)

    def forward(self) -> None:
        self._data = self.x.data.reshape(self.shape)

    def gate(self) -> str | None:
        return self.x.gate() if self.uses == 1 else None

    def before_activation(self, grad: np.ndarray, *, owned: bool) -> np.ndarray:
        before = self.x.before_activation(grad.reshape(self.x.shape), owned=owned)
        return before.reshape(self.shape)

    def backward(self) -> None:
        assert self.grad is not None
        grad = self.grad.reshape(self.x.shape)
        self.x.add_grad(grad, owned=self._owned, gated=self._gated)

    def onnx(self, graph: Any) -> str:
        x = graph.of(self.x)
        if self.shape == self.x.shape:
            return x
        return graph.reshape(x, *graph.batched(self.wanted))


def reshaped(shape: Shape, wanted: tuple[int, ...]) -> Shape:
    """Return a shape with -1 worked out; ValueError if the numbers of values differ."""
    size = math.prod(shape)
    if min(wanted, default=1) >= 0:
        if math.prod(wanted) == size:
            return tuple(map(int, wanted))
    elif wanted.count(-1) == 1:
        known = -math.prod(wanted)
        if known > 0 and size % known == 0:
            return tuple(size // known if n == -1 else int(n) for n in wanted)
    raise ValueError(f"shape: expected {size} values, as {shape} has, got {wanted}")


class Transpose(_One):
    """The axes in another order, as a copy."""

    __slots__ = ("axes",)

    def __init__(self, x: Any, axes: Sequence[int] | None = None) -> None:
        x = self.start(x)
        self.axes = axes_of(range(x.ndim)[::-1] if axes is None else axes, x.ndim)
        if len(self.axes) < x.ndim:
            raise ValueError(f"axes: expected an order of {x.ndim} axes, got {axes}")
        self.place(x.tape, tuple(x.shape[a] for a in self.axes), x.needs_grad)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        np.copyto(y, self.x.data.transpose(self.axes))
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        dx = self.tape.take(self.x.shape)
        np.copyto(dx.transpose(self.axes), self.grad)
        self.x.add_grad(dx)

    def onnx(self, graph: Any) -> str:
        x = graph.of(self.x)
        return graph.add("Transpose", x, perm=self.axes) if self.axes else x


class GetItem(_One):
    """Part of a value, by what NumPy takes as an index."""

    __slots__ = ("index", "repeats")

    def __init__(self, x: Any, index: Any) -> None:
        x = self.start(x)
        parts = index if isinstance(index, tuple) else (index,)
        self.index = tuple(np.asarray(p) if isinstance(p, list) else p for p in parts)
        # the same place may come more than once
        self.repeats = any(isinstance(p, np.ndarray) and p.dtype != np.bool_ for p in self.index)
        shape = np.broadcast_to(np.empty(()), x.shape)[self.index].shape
        self.place(x.tape, shape, x.needs_grad)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        np.copyto(y, self.x.data[self.index])
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        dx = self.tape.take(self.x.shape)
        dx.fill(0)
        if self.repeats:
            np.add.at(dx, self.index, self.grad)
        else:
            dx[self.index] = self.grad
        self.x.add_grad(dx)

    def onnx(self, graph: Any) -> str:
        x, full = graph.of(self.x), list(self.index)
        if Ellipsis in [p for p in full if not isinstance(p, np.ndarray)]:
            at = next(i for i, p in enumerate(full) if p is Ellipsis)
            known = sum(p is not None for p in full) - 1
            full[at : at + 1] = [slice(None)] * (self.x.ndim - known)
        gone: list[int] = []
        new: list[int] = []
        axis, far = 0, np.iinfo(np.int64).max
        for part in full:
            if part is None:
                new.append(axis - len(gone) + len(new))
                continue
            if isinstance(part, (int, np.integer)):
                part = slice(int(part), int(part) + 1 or None)
                gone.append(axis)
            if not isinstance(part, slice):
                raise NotImplementedError(f"an index like {part!r} has no form in ONNX here")
            if part != slice(None):
                step = 1 if part.step is None else part.step
                start, stop = (0, far) if step > 0 else (far, -far)
                start = start if part.start is None else part.start
                stop = stop if part.stop is None else part.stop
                bounds = [np.array([v], np.int64) for v in (start, stop, axis, step)]
                x = graph.add("Slice", x, *bounds)
            axis += 1
        if gone:
            x = graph.add("Squeeze", x, np.array(gone, np.int64))
        return graph.add("Unsqueeze", x, np.array(new, np.int64)) if new else x


class Concatenate(Op):
    """Values and arrays one behind another along an axis."""

    __slots__ = ("axis", "parts")

    def __init__(self, parts: Sequence[Any], axis: int = 0) -> None:
        tape = tape_of(*parts)
        self.parts = tuple(operand(p, tape) for p in parts)
        first = next(p for p in self.parts if isinstance(p, Value))
        (self.axis,) = axes_of(axis, first.ndim)
        shapes = [tuple(p.shape) for p in self.parts]
        rest = {(s[: self.axis], s[self.axis + 1 :]) for s in shapes}
        if len(rest) > 1 or len({len(s) for s in shapes}) > 1:
            raise ValueError(
                f"np.concatenate: expected shapes that differ in axis {axis} alone, got {shapes}"
            )
        total = sum(s[self.axis] for s in shapes)
        shape = (*shapes[0][: self.axis], total, *shapes[0][self.axis + 1 :])
        self.place(tape, shape, any(map(needs_grad, self.parts)))

    def _runs(self, array: np.ndarray) -> list[np.ndarray]:
        """Return where the parts are in an array of the result's shape."""
        ends = np.cumsum([p.shape[self.axis] for p in self.parts])[:-1]
        return np.split(array, ends, axis=self.axis)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        for run, part in zip(self._runs(y), self.parts, strict=True):
            np.copyto(run, part.data if isinstance(part, Value) else part)
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        for run, part in zip(self._runs(self.grad), self.parts, strict=True):
            if needs_grad(part):
                dx = self.tape.take(part.shape)
                np.copyto(dx, run)
                part.add_grad(dx)

    def forget(self) -> None:
        self.parts = ()

    def inputs(self) -> tuple[Value, ...]:
        return tuple(p for p in self.parts if isinstance(p, Value))

    def onnx(self, graph: Any) -> str:
        parts = [graph.of(p) for p in self.parts]
        return graph.add("Concat", *parts, axis=self.axis)


class BroadcastTo(_One):
    """A value repeated along axes of size 1, and along new ones in front."""

    __slots__ = ()

    def __init__(self, x: Any, shape: Sequence[int]) -> None:
        x = self.start(x)
        wanted = tuple(map(int, shape))
        if np.broadcast_shapes(x.shape, wanted) != wanted:
            raise ValueError(f"shape: expected one that {x.shape} broadcasts to, got {wanted}")
        self.place(x.tape, wanted, x.needs_grad)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        np.copyto(y, self.x.data)
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        give(self.x, self.grad, owned=False)


class Repeat(_One):
    """Each row several times, one after another: (N, ...) to (N S, ...)."""

    __slots__ = ("times",)

    def __init__(self, x: Any, times: int) -> None:
        x, self.times = self.start(x), times
        self.place(x.tape, (x.shape[0] * times, *x.shape[1:]), x.needs_grad)

    def _grid(self) -> Shape:
        return (self.x.shape[0], self.times, *self.x.shape[1:])

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        y.reshape(self._grid())[...] = self.x.data[:, None]
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        dx = self.tape.take(self.x.shape)
        self.x.add_grad(np.sum(self.grad.reshape(self._grid()), axis=1, out=dx))


class ConcatCondition(Op):
    """Vectors y (N, P) behind the last axis of x (N, ..., C), everywhere: (N, ..., C + P)."""

    __slots__ = ("x", "y")

    def __init__(self, x: Value, y: Value) -> None:
        self.x, self.y = x, y
        x.uses += 1
        y.uses += 1
        shape = (*x.shape[:-1], x.shape[-1] + y.shape[1])
        self.place(x.tape, shape, x.needs_grad or y.needs_grad)

    def forward(self) -> None:
        out, x = self.tape.take(self.shape), positions(self.x.data)
        _core.concat(positions(out), x, self.y.data, self.tape.workspace)
        self._data = out

    def backward(self) -> None:
        assert self.grad is not None
        grad = positions(self.grad)
        if self.x.needs_grad:
            dx = self.tape.take(self.x.shape)
            _core.concat_backward(positions(dx), grad, self.tape.workspace)
            self.x.add_grad(dx)
        if self.y.needs_grad:
            dy = self.tape.take(self.y.shape)
            dy[...] = grad[:, :, self.x.shape[-1] :].sum(1, dtype=np.float64)
            self.y.add_grad(dy)

    def forget(self) -> None:
        self.x = self.y = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return self.x, self.y

    def onnx(self, graph: Any) -> str:
        y, axes = graph.of(self.y), len(self.x.shape)
        if axes > 2:
            y = graph.add("Unsqueeze", y, np.arange(1, axes - 1, dtype=np.int64))
            room: Any = np.array([1, *self.x.shape[1:-1], 1], np.int64)
            if graph.is_sized:
                one = np.array([1], np.int64)
                size = graph.add("Shape", graph.of(self.x), start=1, end=axes - 1)
                room = graph.add("Concat", one, size, one, axis=0)
            y = graph.add("Expand", y, room)
        return graph.add("Concat", graph.of(self.x), y, axis=-1)


# ---- as NumPy has them --------------------------------------------------------------------------


def stack(parts: Sequence[Any], axis: int = 0) -> Value:
    """Return values and arrays along a new axis."""
    tape = tape_of(*parts)
    return Concatenate([expand_dims(value_of(p, tape), axis) for p in parts], axis)


def expand_dims(x: Any, axis: int | Sequence[int]) -> Value:
    """Return the same values with new axes of size 1."""
    x = value_of(x)
    ndim = x.ndim + np.size(axis)
    places, sizes = axes_of(axis, ndim), iter(x.shape)
    return Reshape(x, [1 if i in places else next(sizes) for i in range(ndim)])


def squeeze(x: Any, axis: Any = None) -> Value:
    """Return the same values without axes of size 1."""
    x = value_of(x)
    axes = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else axis
    places = axes_of(axes, x.ndim)
    if any(x.shape[i] != 1 for i in places):
        raise ValueError(f"axis: expected axes of size 1 of the shape {x.shape}, got {axis}")
    return Reshape(x, [n for i, n in enumerate(x.shape) if i not in places])


def swapaxes(x: Any, a: int, b: int) -> Value:
    """Return two axes in each other's place."""
    x = value_of(x)
    order = list(range(x.ndim))
    (a,), (b,) = axes_of(a, x.ndim), axes_of(b, x.ndim)
    order[a], order[b] = order[b], order[a]
    return Transpose(x, order)


def moveaxis(x: Any, source: int, destination: int) -> Value:
    """Return an axis in another place."""
    x = value_of(x)
    (source,), (destination,) = axes_of(source, x.ndim), axes_of(destination, x.ndim)
    order = [i for i in range(x.ndim) if i != source]
    order.insert(destination, source)
    return Transpose(x, order)


FUNCTIONS.update(
    {
        "getitem": GetItem,
        np.reshape: Reshape,
        np.transpose: Transpose,
        np.concatenate: Concatenate,
        np.stack: stack,
        np.expand_dims: expand_dims,
        np.squeeze: squeeze,
        np.swapaxes: swapaxes,
        np.moveaxis: moveaxis,
        np.ravel: lambda x: Reshape(x, (-1,)),
        np.broadcast_to: BroadcastTo,
        np.repeat: lambda x, repeats, axis=None: repeat(x, repeats, axis),
        np.shape: lambda x: x.shape,
        np.ndim: lambda x: x.ndim,
        np.size: lambda x: x.size,
    }
)


def repeat(x: Any, times: int, axis: int | None) -> Value:
    """Return each row several times."""
    if axis != 0 or not isinstance(times, (int, np.integer)) or times < 0:
        raise ValueError(
            "np.repeat: expected a number of times along axis 0 for values, got "
            f"{times!r} along axis {axis}"
        )
    return Repeat(x, int(times))
