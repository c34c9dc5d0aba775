"""Vectors replaced by entries of a codebook, or by points of a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ..tape import Op, Shape, Tape, Value
from .latent import NOTHING
from .losses import INT64
from .shapes import Reshape, _One

SHORTEST = 1e-18  # a vector that isn't longer has no direction: it becomes 0
OPPOSITE = 1e-10  # the square of two directions' sum: below it a reflection takes one to the other


class L2Normalize(_One):
    r"""Each vector along the last axis divided by its length, :math:`y = x / \lVert x \rVert`.

    A vector of length 0 stays as it is, and gets no gradient.
    """

    __slots__ = ("inverse",)

    def __init__(self, x: Value) -> None:
        self.start(x)
        self.place(x.tape, x.shape, x.needs_grad)

    def forward(self) -> None:
        tape, rows = self.tape, self.x.data.reshape(-1, self.shape[-1])
        y, inverse, length = tape.take(rows.shape), tape.take(rows.shape[:1]), None
        # einsum: the same sums for any number of threads, and no buffers
        length = np.einsum("md,md->m", rows, rows, out=tape.take(inverse.shape))
        np.sqrt(length, out=length)
        np.maximum(length, SHORTEST, out=length)
        np.divide(1, length, out=inverse)
        np.copyto(inverse, 0, where=length <= SHORTEST)
        np.einsum("md,m->md", rows, inverse, out=y)  # what isn't finite becomes NaN
        self.inverse, self._data = inverse, y.reshape(self.shape)

    def backward(self) -> None:
        assert self.grad is not None
        tape, y = self.tape, self.data.reshape(-1, self.shape[-1])
        grad = self.grad.reshape(y.shape)
        along = np.einsum("md,md->m", y, grad, out=tape.take(y.shape[:1]))
        part, dx = tape.take(y.shape), tape.take(y.shape)
        np.einsum("md,m->md", y, along, out=part)
        np.subtract(grad, part, out=part)
        np.einsum("md,m->md", part, self.inverse, out=dx)
        self.x.add_grad(dx.reshape(self.shape))

    def onnx(self, graph: Any) -> str:
        x = graph.of(self.x)
        squares = graph.add("ReduceSum", graph.add("Mul", x, x), np.array([-1], np.int64))
        length = graph.add("Max", graph.add("Sqrt", squares), np.float32(SHORTEST))
        return graph.add("Div", x, length)


class Distance(Value):
    """Squared distances of vectors to their entries, summed over a sample's vectors: (N,)."""

    __slots__ = ("factor", "of", "pair", "weight")

    def __init__(
        self, tape: Tape, shape: Shape, needs: bool, pair: Any, of: Distance | None, factor: float
    ) -> None:
        super().__init__(tape, None, shape, needs)
        self.pair, self.of, self.factor = pair, of, factor
        self.weight: float | None = None  # of all samples, if they have one

    def add_weight(self, weight: float) -> None:
        alone = self.grad is None
        super().add_weight(weight)
        self.weight = weight if alone else None

    def add_grad(self, grad: np.ndarray, *, owned: bool = True, gated: bool = False) -> None:
        super().add_grad(grad, owned=owned, gated=gated)
        self.weight = None

    def settle(self) -> None:
        """Do nothing: the op that it belongs to has a place."""

    def run(self) -> None:
        y = self.tape.take(self.shape)
        if self.of is not None:
            np.multiply(self.of.data, np.float32(self.factor), out=y)
        else:
            x, target = self.pair
            _core.loss("mse", y, None, None, x, target, None, 1.0, self.tape.workspace)
        self._data = y


class VectorQuantize(Op):
    r"""The entry (E, D) nearest to each vector of z (N, ..., D).

    What it gives are other values: ``y``, the entries, whose gradient is passed straight on to z;
    ``vq`` and ``commitment`` (N,), the squared distances, of which the first pulls entries and the
    second, times a factor, vectors.

    Parameters
    ----------
    z : Value
    entries : Value
        Those whose gradient is not wanted may change before the walk back.
    factor : float
    there : ndarray of bool, shape (N, ...), optional
        The vectors that count in the distances; all by default.

    Attributes
    ----------
    index : ndarray of int64, shape (N, ...)
        Which entries.
    """

    __slots__ = ("chosen", "commitment", "entries", "factor", "index", "there", "vq", "y", "z")

    def __init__(
        self, z: Value, entries: Value, factor: float, name: str, there: np.ndarray | None = None
    ) -> None:
        dim = entries.shape[1]
        if len(z.shape) < 2 or z.shape[-1] != dim:
            raise ValueError(f"{name}: expected vectors of {dim}, got the shape {z.shape[1:]}")
        self.z, self.entries, self.factor, self.there = z, entries, factor, there
        z.uses += 1
        entries.uses += 1
        self.index: Any = None
        self.place(z.tape, z.shape, z.needs_grad or entries.needs_grad)
        self.grad = NOTHING  # there is always something to walk back for
        tape, needs, pair = z.tape, self.needs_grad, None
        self.y = Value(tape, None if tape.abstract else self._data, z.shape, needs)
        if not tape.abstract:
            pair = _samples(self.chosen[0], z.shape), _samples(self.chosen[1], z.shape)
        self.vq = Distance(tape, z.shape[:1], needs, pair, None, 1.0)
        self.commitment = Distance(tape, z.shape[:1], needs, None, self.vq, factor)

    def forward(self) -> None:
        tape, dim = self.tape, self.entries.shape[1]
        rows = self.z.data.reshape(-1, dim)
        y, index = tape.take(rows.shape), tape.take(rows.shape[:1], INT64)
        _core.vector_quantize(y, index, rows, self.entries.data, tape.workspace)
        self.index, self.chosen = index.reshape(self.shape[:-1]), (rows, y)
        self._data = y.reshape(self.shape)
        if self.there is not None:  # what doesn't count is where its entry would be
            away = ~self.there.reshape(-1, 1)
            self.chosen = rows, np.where(away, rows, y)

    def backward(self) -> None:
        grad, pull, draw = self.y.grad, self.vq.grad, self.commitment.grad
        weight = self.vq.weight
        if self.entries.needs_grad and grad is not None and weight and self.there is None:
            if weight == self.commitment.weight:
                self._both(grad, weight)
                return
        if self.z.needs_grad:
            self._to_vectors(grad, draw)
        if self.entries.needs_grad and pull is not None:
            self._to_entries(pull)

    def _both(self, grad: np.ndarray, scale: float) -> None:
        """Go back in one pass, where both distances have one and the same weight."""
        (rows, _), tape = self.chosen, self.tape
        dz, slope = tape.take(self.shape), tape.take(self.entries.shape)
        slope.fill(0)
        given = grad.reshape(rows.shape), rows, self.entries.data, self.index.reshape(-1)
        how = self.factor, scale, tape.workspace
        _core.vector_quantize_backward(dz.reshape(rows.shape), slope, *given, *how)
        self.entries.add_grad(slope)
        if self.z.needs_grad:
            self.z.add_grad(dz)

    def _to_vectors(self, grad: np.ndarray | None, draw: np.ndarray | None) -> None:
        if draw is not None:
            dz = self._slopes(draw * np.float32(self.factor))
            if grad is not None:
                _core.add(dz, dz, grad, self.tape.workspace)
            self.z.add_grad(dz)
        elif grad is not None:
            self.z.add_grad(grad, owned=self.y._owned)

    def _to_entries(self, pull: np.ndarray) -> None:
        tape, (rows, _) = self.tape, self.chosen
        counts, sums = tape.take(self.entries.shape[:1]), tape.take(self.entries.shape)
        towards = self._slopes(pull).reshape(rows.shape)
        _core.vq_statistics(counts, sums, towards, self.index.reshape(-1), tape.workspace)
        self.entries.add_grad(np.negative(sums, out=sums))

    def _slopes(self, weight: np.ndarray) -> np.ndarray:
        """Return the gradient of the distances, each sample's times its weight, like z."""
        dz = self.tape.take(self.shape)
        x, target, out = (_samples(a, self.shape) for a in (*self.chosen, dz))
        _core.loss("mse", None, out, weight, x, target, None, 1.0, self.tape.workspace)
        return dz

    def inputs(self) -> tuple[Value, ...]:
        return self.z, self.entries

    def flops(self) -> int:
        return 2 * math.prod(self.shape) * self.entries.shape[0]

    def onnx(self, graph: Any) -> str:
        x, entries = graph.of(self.z), self.entries.data
        # |x - e|^2 but for |x|^2, which all entries have
        norms = np.einsum("ed,ed->e", entries, entries)
        distance = graph.add("Add", graph.add("MatMul", x, -2 * entries.T), norms)
        self.index = graph.add("ArgMin", distance, axis=-1, keepdims=0)
        y: str = graph.add("Gather", entries, self.index)
        graph.call(self.y, y)
        return y


def _samples(values: np.ndarray, shape: Shape) -> np.ndarray:
    """Return the values with one row for each sample of a batch of this shape."""
    return values.reshape(shape[0], math.prod(shape[1:]))


class StraightThrough(_One):
    """Another value in x's place, whose gradient goes to x alone."""

    __slots__ = ("other",)

    def __init__(self, x: Value, other: Value) -> None:
        if other.shape != x.shape:
            raise ValueError(f"StraightThrough: expected the shape {x.shape}, got {other.shape}")
        self.start(x)
        self.other = other
        self.place(x.tape, x.shape, x.needs_grad)

    def forward(self) -> None:
        self._data = self.other.data

    def backward(self) -> None:
        assert self.grad is not None
        self.x.add_grad(self.grad, owned=self._owned)

    def onnx(self, graph: Any) -> str:
        return graph.of(self.other)


class Rotation(StraightThrough):
    r"""Another value q in x's place, by a rotation and a scale that are constants to gradients.

    .. math:: q = \frac{\|q\|}{\|x\|} R x, \qquad R = I - 2 r r^\top + 2 \hat q \hat x^\top,
        \qquad r = \frac{\hat x + \hat q}{\|\hat x + \hat q\|}

    for each vector along the last axis, where hats are for length 1. So x's gradient is q's, turned
    back and scaled. Where x or q has no direction it is passed straight on. Fifty et al., 2025.
    """

    __slots__ = ()

    def backward(self) -> None:
        assert self.grad is not None
        tape, shape = self.tape, (-1, self.shape[-1])
        grad, x, q = (a.reshape(shape) for a in (self.grad, self.x.data, self.data))
        (a, longer), (b, long) = self._directions(x), self._directions(q)
        along, dx = np.einsum("md,md->m", b, grad, out=tape.take(longer.shape)), tape.take(x.shape)
        np.einsum("md,m->md", a, along, out=dx)
        b += a  # twice what lies between, not of length 1
        square = np.einsum("md,md->m", b, b, out=tape.take(longer.shape))
        np.copyto(square, np.inf, where=square < OPPOSITE)
        np.einsum("md,md->m", b, grad, out=along)
        along /= square
        b *= along[:, None]
        dx -= b
        dx *= 2
        dx += grad
        known = (longer > SHORTEST) & (long > SHORTEST)
        np.divide(long, longer, out=long, where=known)
        dx *= long[:, None]
        np.copyto(dx, grad, where=~known[:, None])
        self.x.add_grad(dx.reshape(self.shape))

    def _directions(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors with length 1, and the lengths that they had."""
        tape = self.tape
        length = np.einsum("md,md->m", rows, rows, out=tape.take(rows.shape[:1]))
        np.sqrt(length, out=length)
        safe = np.maximum(length, SHORTEST, out=tape.take(length.shape))
        return np.divide(rows, safe[:, None], out=tape.take(rows.shape)), length


PASSED = {"straight_through": StraightThrough, "rotation": Rotation}


class Coded(_One):
    """The same value, with the codes of all quantizers that it is from.

    Parameters
    ----------
    x : Value, shape (N, ..., D)
    parts : sequence
        What has the codes of each, ``index``: int64 (N, ...), or (N, ..., q) of several.
    several : sequence of bool
        Which have several.
    """

    __slots__ = ("name", "parts", "several")

    def __init__(self, x: Value, parts: Sequence[Any], several: Sequence[bool]) -> None:
        self.start(x)
        self.parts, self.several, self.name = parts, several, ""
        self.place(x.tape, x.shape, x.needs_grad)

    def forward(self) -> None:
        self._data = self.x.data

    def backward(self) -> None:
        assert self.grad is not None
        self.x.add_grad(self.grad, owned=self._owned)

    @property
    def index(self) -> Any:
        """The codes side by side: int64 (N, ..., q), or their name in an ONNX graph."""
        if self.name:
            return self.name
        parts = [
            part.index if several else part.index[..., None]
            for part, several in zip(self.parts, self.several, strict=True)
        ]
        width = sum(part.shape[-1] for part in parts)
        out = self.tape.take((*parts[0].shape[:-1], width), INT64)
        return np.concatenate(parts, -1, out=out)

    def onnx(self, graph: Any) -> str:
        last = np.array([-1], np.int64)
        each = [
            part.index if several else graph.add("Unsqueeze", part.index, last)
            for part, several in zip(self.parts, self.several, strict=True)
        ]
        self.name = graph.add("Concat", *each, axis=-1)
        return graph.of(self.x)


class Rows(Reshape):
    """Vectors (N, ..., D) one below another: (M, D)."""

    __slots__ = ()

    def __init__(self, x: Value) -> None:
        super().__init__(x, (-1, x.shape[-1]))

    def onnx(self, graph: Any) -> str:
        return graph.reshape(graph.of(self.x), -1, self.shape[1])


class Places(Reshape):
    """Vectors (M, P) where those of another value (N, ..., D) are: (N, ..., P)."""

    __slots__ = ("like",)

    def __init__(self, rows: Value, like: Value) -> None:
        self.like = like
        super().__init__(rows, (*like.shape[:-1], rows.shape[1]))

    def onnx(self, graph: Any) -> str:
        room = graph.add("Slice", graph.add("Shape", graph.of(self.like)), *np.array([[0], [-1]]))
        width = np.array(self.shape[-1:], np.int64)
        return graph.add("Reshape", graph.of(self.x), graph.add("Concat", room, width, axis=0))


class FiniteScalar(_One):
    """Each coordinate squashed by tanh and rounded to one of L even levels from -1 to 1.

    With a depth of q what is left is rounded q - 1 times more, each time to levels L times as
    close: the i-th adds one of L even levels from -1 to 1, divided by L ** i.

    Parameters
    ----------
    x : Value, shape (N, ..., D)
    levels : tuple of int
        L for each coordinate.
    depth : int

    Attributes
    ----------
    index : ndarray of int64, shape (N, ...), or (N, ..., q) where q > 1
        The number of each point of the grid.
    """

    __slots__ = ("depth", "index", "levels", "squashed")

    def __init__(self, x: Value, levels: tuple[int, ...], depth: int = 1) -> None:
        if len(x.shape) < 2 or x.shape[-1] != len(levels):
            raise ValueError(
                f"FiniteScalarQuantizer: expected vectors of {len(levels)}, got the shape "
                f"{x.shape[1:]}"
            )
        self.start(x)
        self.levels, self.depth = levels, depth
        self.index: Any = None
        self.place(x.tape, x.shape, x.needs_grad)

    @property
    def half(self) -> np.ndarray:
        """Half the distance of the outermost levels' numbers, (D,)."""
        return (np.array(self.levels, np.float32) - 1) / 2

    @property
    def places(self) -> np.ndarray:
        """What a step along each coordinate adds to the number of a point, (D,)."""
        return np.cumprod((1, *self.levels[:-1]))

    def forward(self) -> None:
        tape, room = self.tape, self.shape[:-1] + (self.depth,) * (self.depth > 1)
        self.squashed, self.index = tape.take(self.shape), tape.take(room, INT64)
        _core.activation(self.squashed, self.x.data, "tanh", tape.workspace)
        total = np.add(self.squashed, 1, out=tape.take(self.shape))
        number = self._rounded(total)
        if self.depth == 1:
            np.copyto(self.index, number, casting="unsafe")
        else:
            self._go_on(total, number)
        self._data = total

    def _go_on(self, total: np.ndarray, number: np.ndarray) -> None:
        """Add what the further levels give; note all numbers."""
        tape, whole = self.tape, self.tape.take(number.shape, INT64)
        for i in range(self.depth):
            if i:
                closer = np.array(self.levels, np.float32) ** np.float32(i)
                left = np.subtract(self.squashed, total, out=tape.take(self.shape))
                for j, times in enumerate(closer):  # by coordinates, which needs no buffer
                    left[..., j] *= times
                left += 1
                number = self._rounded(left)
                for j, times in enumerate(closer):
                    left[..., j] /= times
                total += left
            np.copyto(whole, number, casting="unsafe")  # in two steps, for the same reason
            np.copyto(self.index[..., i], whole)

    def _rounded(self, y: np.ndarray) -> np.ndarray:
        """Overwrite numbers of 0 to 2 by the nearest levels less 1; return these's numbers."""
        tape = self.tape
        np.clip(y, 0, 2, out=y)
        for j, half in enumerate(self.half):
            y[..., j] *= half
        np.rint(y, out=y)
        # NaN stays in y, for others to notice, and has some number
        steps, number = np.fmax(y, 0, out=tape.take(self.shape)), tape.take(self.shape[:-1])
        # integers below 2 ** 24 have exact sums, in any order
        np.matmul(steps, self.places.astype(np.float32), out=number)
        for j, half in enumerate(self.half):
            y[..., j] /= half
        y -= 1
        return number

    def backward(self) -> None:
        assert self.grad is not None
        dx = self.grad if self._owned else self.tape.take(self.shape)
        _core.activation_backward(dx, self.grad, self.squashed, "tanh", self.tape.workspace)
        self.x.add_grad(dx)

    def forget(self) -> None:
        self.x = self.squashed = None  # type: ignore[assignment]

    def onnx(self, graph: Any) -> str:
        squashed = graph.add("Tanh", graph.of(self.x))
        total, numbers = "", []
        for i in range(self.depth):
            closer = np.array(self.levels, np.float32) ** np.float32(i)
            y = squashed
            if total:  # what is left may be a little beyond the levels
                y = graph.add("Mul", graph.add("Sub", squashed, total), closer)
                y = graph.add("Clip", y, np.float32(-1), np.float32(1))
            steps = graph.add(
                "Round", graph.add("Mul", graph.add("Add", y, np.float32(1)), self.half)
            )
            numbers.append(graph.add("MatMul", steps, self.places.astype(np.float32)))
            y = graph.add("Sub", graph.add("Div", steps, self.half), np.float32(1))
            total = graph.add("Add", total, graph.add("Div", y, closer)) if total else y
        if self.depth > 1:
            last = np.array([-1], np.int64)
            numbers = [graph.add("Unsqueeze", number, last) for number in numbers]
            numbers = [graph.add("Concat", *numbers, axis=-1)]
        self.index = graph.add("Cast", numbers[0], to=7)  # INT64
        return total
