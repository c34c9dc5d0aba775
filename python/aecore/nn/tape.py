"""Reverse-mode differentiation: values, the record of how they were made, and the walk back.

A `Value` is an array and, while a `Tape` records, the op that made it: an op is the value of its
result. Each op states its own gradient (`aecore.nn.ops`), so layers and objectives are forward
passes and nothing else. There is no graph but this list of ops, and nothing is compiled: what runs
is what Python says, once.

Three rules save passes over memory. They stand here and in `ops.products`, and no layer knows them:

1. The gradient of an activation is applied by the product that alone consumes its output, while
   that product's own result is in registers: `Value.gate`.
2. Layers' ops are put off until somebody looks at the data (`Tape.flush`). A sum with the result
   of a product that has not run yet becomes part of that product.
3. Memory is given on as soon as nobody looks at it: `Tape.take`. The k-th array of a pass gets the
   memory that the k-th array of the pass before had, so that a training step allocates nothing.

After micrograd (A. Karpathy), autograd (D. Maclaurin et al.) and MLX.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from sys import getrefcount
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .. import _core
from ..base import runtime
from .parts import Part

if TYPE_CHECKING:
    from .module import Module

Shape = tuple[int, ...]

FLOAT32 = np.dtype(np.float32)

# What NumPy's functions do with values: filled by the ops that stand for them.
UFUNCS: dict[Any, Callable[..., Any]] = {}
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
# These say something of the numbers, and have no gradient.
CHOOSING = frozenset(
    (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal, np.sign)
    + (np.isnan, np.isinf, np.isfinite, np.signbit, np.floor, np.ceil, np.rint, np.trunc)
)

_local = threading.local()


def current() -> Tape | None:
    """Return the tape that the calling thread has entered, if any."""
    return getattr(_local, "tape", None)


class Differentiable(NDArrayOperatorsMixin):
    """What values and parameters are to NumPy: its operators and functions give values."""

    __slots__ = ()

    shape: Shape

    def array(self) -> np.ndarray:
        """Return the numbers."""
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return FLOAT32

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"len() of a {type(self).__name__} without axes")
        return self.shape[0]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__" and not options and ufunc in CHOOSING:
            if any(isinstance(x, Value) and x.tape.abstract for x in inputs):
                return np.zeros(np.broadcast_shapes(*map(np.shape, inputs)), np.bool_)
            return ufunc(*map(_array_of, inputs))
        op = UFUNCS.get(ufunc)
        if op is None or method != "__call__" or options:
            name = ufunc.__name__ + ("" if method == "__call__" else f".{method}")
            with_options = f" with {', '.join(options)}" if options else ""
            raise TypeError(f"np.{name}{with_options}: {_no_gradient(UFUNCS)}")
        return op(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        op = FUNCTIONS.get(func)
        if op is None:
            raise TypeError(f"np.{func.__name__}: {_no_gradient(FUNCTIONS)}")
        return op(*args, **kwargs)

    # Names are bound anew: an array that somebody has seen is never changed.

    def __iadd__(self, other: Any) -> Any:
        return self + other

    def __isub__(self, other: Any) -> Any:
        return self - other

    def __imul__(self, other: Any) -> Any:
        return self * other

    def __itruediv__(self, other: Any) -> Any:
        return self / other

    def __getitem__(self, index: Any) -> Any:
        return FUNCTIONS["getitem"](self, index)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    @property
    def T(self) -> Any:
        return _call(np.transpose, self)

    def reshape(self, *shape: Any) -> Any:
        """Return the same values in another shape; -1 stands for what is left."""
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return _call(np.reshape, self, wanted)

    def transpose(self, *axes: Any) -> Any:
        """Return the axes in another order; in reverse without any."""
        wanted = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return _call(np.transpose, self, wanted)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return the sum over some axes, or over all."""
        return _call(np.sum, self, axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return the mean over some axes, or over all."""
        return _call(np.mean, self, axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return the largest along some axes, or of all."""
        return _call(np.max, self, axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return the smallest along some axes, or of all."""
        return _call(np.min, self, axis, keepdims=keepdims)

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.shape}"


def _call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function of NumPy, whose types know nothing of values."""
    return function(*args, **kwargs)


def _array_of(x: Any) -> Any:
    return x.array() if isinstance(x, Differentiable) else x


def _no_gradient(table: dict[Any, Any]) -> str:
    names = sorted({getattr(f, "__name__", "") for f in table} - {""})
    return (
        f"has no gradient here; expected one of {', '.join(names)}, or an array in place of values"
    )


class Value(Differentiable):
    """An array on its way through layers.

    NumPy's operators and functions work on values and give values.

    Attributes
    ----------
    tape : Tape
    shape : tuple of int
    data : ndarray of float32
        Not to be written to. Copy it to keep it: its memory is used again.
    grad : ndarray of float32, or None
        After the walk back: the gradient with respect to it, if somebody made it known as a
        `Tape.variable`.
    needs_grad : bool
        Whether a gradient is wanted.
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "_gated",
        "_owned",
        "grad",
        "needs_grad",
        "shape",
        "tape",
        "uses",
    )

    def __init__(self, tape: Tape, data: np.ndarray | None, shape: Shape, needs: bool) -> None:
        self.tape, self._data, self.shape, self.needs_grad = tape, data, shape, needs
        self.grad: np.ndarray | None = None
        self._owned = True  # whether the gradient's array is nobody else's, and may be overwritten
        self._gated = False  # whether it is already that before this value's own activation
        self.uses = 0  # by how many ops

    @property
    def data(self) -> np.ndarray:
        if self._data is None:
            self.run()
        return self._data  # type: ignore[return-value]

    def array(self) -> np.ndarray:
        return self.data

    def run(self) -> None:
        """Compute the data now, if that was put off."""
        self.tape.flush()
        if self._data is None:
            raise ValueError(
                "value: expected one computed from samples, got one with a shape alone"
            )

    def settle(self) -> None:
        """Take a place in the record, if that was put off."""
        if self._data is None:
            self.run()

    def gate(self) -> str | None:
        """Return the activation whose gradient the one consumer of this value may apply."""
        return None

    def before_activation(self, grad: np.ndarray, *, owned: bool) -> np.ndarray:
        """Return a gradient of the value times the slope of its activation, if it has one."""
        return grad

    def add_grad(self, grad: np.ndarray, *, owned: bool = True, gated: bool = False) -> None:
        """Add to the gradient.

        Parameters
        ----------
        grad : ndarray of float32
        owned : bool
            Whether nobody else looks at the array, so that it may be overwritten.
        gated : bool
            Whether the gradient of the value's activation is in it: see `gate`.
        """
        if not self.needs_grad:
            return
        before = self.grad
        if before is None:
            self.grad, self._owned, self._gated = grad, owned, gated
            return
        if gated and not self._gated:
            before = self.before_activation(before, owned=self._owned)
            self._owned = self._gated = True
        elif self._gated and not gated:
            grad, owned = self.before_activation(grad, owned=owned), True
        out = grad if owned else before if self._owned else self.tape.take(self.shape)
        _core.add(out, before, grad, self.tape.workspace)
        self.grad, self._owned = out, True

    def add_weight(self, weight: float) -> None:
        """Add the same number to the gradient of all that it has."""
        grad = self.tape.take(self.shape)
        grad.fill(weight)
        self.add_grad(grad)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the data as an array of its own."""
        if copy is False:
            raise ValueError(
                "copy: expected True or None, as a value's memory is used again, got False"
            )
        return np.array(self.data, dtype)

    def detach(self) -> Value:
        """Return the same data as a constant: no gradient goes back beyond it."""
        if self.tape.abstract:
            return self
        return Value(self.tape, self.data, self.shape, False)


class Op(Value):
    """An operation and its result. A subclass states all that there is to know of it.

    ``__init__`` takes the inputs, checks their shapes (ValueError), and ends with `place`;
    `forward` computes the data; `backward` adds to the gradients of inputs (`Value.add_grad`) and
    parameters, given its own, ``grad``; `flops` counts multiply-adds twice; `onnx` appends its form
    in ONNX to a graph.
    """

    __slots__ = ()

    heeds_lengths = False  # whether it looks at how long sequences are
    is_noted = False  # whether its forward pass is views and what `Tape.call` notes, and no more

    def set_up(self, tape: Tape, shape: Shape, needs: bool) -> None:
        """Set what every value has."""
        self.tape, self.shape, self.needs_grad = tape, shape, needs
        self._data = self.grad = None
        self._owned, self._gated, self.uses = True, False, 0

    def place(self, tape: Tape, shape: Shape, needs: bool, *, later: bool = False) -> None:
        """Become part of a pass: run now, or `later`, when somebody looks at the data."""
        self.set_up(tape, shape, needs)
        if tape.abstract:
            tape.record.append(self)
        elif later:
            tape.pending.append(self)
        else:
            self.run()

    def run(self) -> None:
        """Compute the data, once all that was put off before has been."""
        tape = self.tape
        if tape.abstract:
            super().run()
        tape.flush()
        if self._data is None:
            self.compute()

    def compute(self) -> None:
        """Compute the data, and take a place in the record if there is a way back."""
        tape = self.tape
        tape.forward(self)
        if tape.calls is not None and not self.is_noted:
            tape.calls = None
        if not tape.records:
            self.forget()
        elif self.needs_grad:
            tape.record.append(self)

    def forward(self) -> None:
        """Compute ``_data`` from the inputs."""
        raise NotImplementedError

    def backward(self) -> None:
        """Add to the gradients of what the op took."""
        raise NotImplementedError

    def forget(self) -> None:
        """Let go of the inputs, so that their memory is given on: nobody walks back here again."""

    def inputs(self) -> tuple[Value, ...]:
        """Return the values that it was made of."""
        raise NotImplementedError

    def flops(self) -> int:
        """Return how many floating point operations the forward pass takes, elementwise aside."""
        return 0

    def onnx(self, graph: Any) -> str:
        """Append the op to an ONNX graph; return the name of its result."""
        raise NotImplementedError(f"{type(self).__name__} has no form in ONNX here")


class Ends(NamedTuple):
    """How many steps the sequences of a batch have, as a layer sees them.

    Attributes
    ----------
    lengths : ndarray of int64, shape (N,), or None
        None on an abstract tape.
    windows : tuple of (int, int)
        What was between the samples and the layer: of every convolution that makes other lengths,
        its padding less what its kernel spans, and its stride.
    """

    lengths: np.ndarray | None
    windows: tuple[tuple[int, int], ...] = ()

    def through(self, room: int, stride: int) -> Ends:
        """Return those behind a convolution: a sequence with any step keeps one."""
        if (room, stride) == (-1, 1):
            return self
        lengths = self.lengths
        if lengths is not None:
            found = np.maximum(lengths + (room + stride), 0) // stride
            lengths = np.maximum(found, np.minimum(lengths, 1))
        return Ends(lengths, (*self.windows, (room, stride)))


class _Slot:
    """Memory that arrays are made of.

    Arrays of it, and views of these, each hold one reference to the buffer, and nobody else does:
    their number says whether anybody still looks.
    """

    __slots__ = ("buffer", "idle", "nbytes")

    def __init__(self, nbytes: int) -> None:
        self.resize(nbytes)

    @property
    def is_free(self) -> bool:
        return getrefcount(self.buffer) == self.idle

    def resize(self, nbytes: int) -> None:
        """Take other memory in place of what nobody looks at."""
        self.nbytes, self.buffer = nbytes, np.empty(nbytes, np.uint8)
        self.idle = getrefcount(self.buffer)


class Tape:
    """What one pass leaves behind: the ops in order, and the memory of their results.

    One at a time uses a tape. The same tape is used for pass after pass, since it knows by position
    where the arrays of the pass before were; a pass of another kind finds its way too.

    Parameters
    ----------
    training : bool
        Whether noise and the statistics of batches are on.
    lengths : ndarray of int64, shape (N,), optional
        How many steps each sample of a batch of sequences has.
    target : ndarray of float32, optional
        What the output should be, for layers that are taught by it.
    longer : (int, int), optional
        Layers that make sequences of so many steps are to make so many instead.

    Attributes
    ----------
    records : bool
        Whether there is a way back. Without one a value's memory is free once nobody needs it.
    abstract : bool
        Whether values have a shape and nothing else.
    padded : int, optional
        To how many steps the sequences are padded that `lengths` are of; by default as many as the
        first layer sees that asks.
    calls : list of (callable, tuple), or None
        The calls that the results come from, where the pass is to be made again with other samples;
        None where nobody asked, or an op has done more.
    image_size : (int, int) or None
        Height and width of the images that the pass was given, where a layer has noted them.
    weight : ndarray of float32, shape (N,), or None
        How much each sample counts in what layers learn from a batch.
    record : list of Op
    pending : list of Op
        Those that run once somebody looks at their data, in order.

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> layer, tape = nn.Linear(3, 2), nn.Tape()
    >>> x = tape.variable(np.ones((5, 3), np.float32))
    >>> loss = (layer(x) ** 2).sum()
    >>> tape.backward(loss)
    >>> x.grad.shape, layer.weight.grad.shape
    ((5, 3), (2, 3))
    """

    def __init__(
        self,
        *,
        training: bool = False,
        lengths: np.ndarray | None = None,
        target: np.ndarray | None = None,
        longer: tuple[int, int] | None = None,
        records: bool = True,
        abstract: bool = False,
    ) -> None:
        self.abstract = abstract
        self.record: list[Op] = []
        self.pending: list[Op] = []
        self._slots: list[_Slot] = []
        self._plans: dict[Any, list[tuple[Shape, Any, _Slot]]] = {}
        self._entered: list[Tape | None] = []
        how: dict[str, Any] = {"lengths": lengths, "target": target, "longer": longer}
        self.start(records=records, training=training, **how)

    def start(
        self,
        *,
        records: bool,
        training: bool = False,
        lengths: np.ndarray | None = None,
        target: np.ndarray | None = None,
        longer: tuple[int, int] | None = None,
        calls: list[Any] | None = None,
        part: Part | None = None,
    ) -> Tape:
        """Forget the pass before and begin another; return self."""
        self.records, self.training, self.calls = records, training, calls
        self.part = part
        self.lengths, self.target, self.longer = lengths, target, longer
        self.image_size: tuple[int, int] | None = None
        self.weight: np.ndarray | None = None
        self.padded: int | None = None
        self._ends: tuple[np.ndarray | None, dict[int, Ends]] = (lengths, {})
        self.workspace = runtime.current()
        self.record.clear()
        self.pending.clear()
        self._position = 0
        self._plan = self._plans.setdefault((records, training), [])
        return self

    def steps(self, usual: int) -> int:
        """Return how many steps a layer makes in this pass that makes so many usually."""
        return self.longer[1] if self.longer and self.longer[0] == usual else usual

    def ends(self, steps: int) -> Ends | None:
        """Return the lengths of sequences that are padded to so many steps, if there are any."""
        if self.lengths is None and not self.abstract:
            return None
        if self._ends[0] is not self.lengths:
            self._ends = self.lengths, {}
        known = self._ends[1]
        if steps == self.padded or (self.padded is None and not known):
            known.setdefault(steps, Ends(self.lengths))
        return known.get(steps)

    def lengths_at(self, steps: int) -> np.ndarray | None:
        """Return the lengths alone."""
        found = self.ends(steps)
        return None if found is None else found.lengths

    def note_ends(self, steps: int, ends: Ends) -> None:
        """Say what the lengths are of sequences that a layer has made, of so many steps."""
        self._ends[1][steps] = ends

    def flush(self) -> None:
        """Run what was put off: kernels one behind another, with little of Python between them."""
        pending, self.pending = self.pending, []
        for i, op in enumerate(pending):
            pending[i] = None  # type: ignore[call-overload]  # what nobody needs any more goes
            op.compute()

    def forward(self, op: Op) -> None:
        """Let an op compute its data."""
        op.forward()

    def back(self, op: Op) -> None:
        """Let an op add to the gradients of what it took."""
        op.backward()

    def call(self, kernel: Callable[..., Any], *given: Any) -> None:
        """Call a function that writes into arrays of the pass; note it, if calls are noted."""
        kernel(*given)
        if self.calls is not None:
            self.calls.append((kernel, given))

    def learn(self, update: Callable[..., None], *statistics: np.ndarray) -> None:
        """Let a layer learn from a batch, beside its gradients.

        Parameters
        ----------
        update : callable
            Takes the statistics. It is called at once, or behind all parts of a batch.
        *statistics : ndarray
            Sums over samples, or shares of what a whole batch gives (`Part.share`): those of the
            parts of a batch are added up.
        """
        if self.part is None:
            update(*statistics)
        else:
            self.part.learned.append((update, tuple(np.array(s) for s in statistics)))

    def mark(self) -> int:
        """Return how many ops are in the record; see ``since`` of `backward`."""
        self.flush()
        return len(self.record)

    def constant(self, data: np.ndarray) -> Value:
        """Take an array of float32 in as a value whose gradient nobody wants."""
        return Value(self, data, data.shape, False)

    def variable(self, data: np.ndarray) -> Value:
        """Take an array of float32 in as a value whose gradient is wanted."""
        return Value(self, data, data.shape, True)

    def placeholder(self, shape: Shape) -> Value:
        """Return a value that has a shape alone; the tape must be abstract."""
        return Value(self, None, tuple(shape), False)

    def __enter__(self) -> Tape:
        self._entered.append(current())
        _local.tape = self
        return self

    def __exit__(self, *error: object) -> None:
        _local.tape = self._entered.pop()

    # ---- the way back ---------------------------------------------------------------------------

    def backward(
        self, *ends: Value | tuple[Value, Any], since: int = 0, frozen: Module | None = None
    ) -> None:
        """Walk back from values: add to the gradients of parameters and variables.

        Parameters
        ----------
        *ends : Value, or (Value, gradient)
            The gradient is an array of the value's shape or a number; 1 by default.
        since : int
            How many ops at the beginning of the record stay there for another walk.
        frozen : Module, optional
            Whose parameters get no gradient, while what they multiply does.
        """
        for end in ends:
            value, grad = end if isinstance(end, tuple) else (end, 1.0)
            if not value.needs_grad:
                continue
            value.settle()
            if isinstance(grad, float):
                value.add_weight(grad)
            else:
                value.add_grad(_gradient(value, grad), owned=False)
        parameters = [] if frozen is None else [p for _, p in frozen.parameters() if p.learns]
        for parameter in parameters:
            parameter.learns = False
        try:
            self._walk(since)
        finally:
            for parameter in parameters:
                parameter.learns = True

    def _walk(self, since: int) -> None:
        record = self.record
        while len(record) > since:
            op = record.pop()  # what it holds is free for what comes next
            if op.grad is not None:
                self.back(op)
                op.grad = None
                op.forget()

    # ---- memory ---------------------------------------------------------------------------------

    def take(self, shape: Shape, dtype: np.dtype[Any] = FLOAT32) -> np.ndarray:
        """Return an uninitialised array, of memory that nobody looks at any more."""
        i = self._position
        self._position = i + 1
        found = _core.reuse(self._plan, i, shape, dtype)
        return self._search(i, shape, dtype) if found is None else found

    def _search(self, i: int, shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
        nbytes, plan = math.prod(shape) * dtype.itemsize, self._plan
        planned = [plan[i][2]] if i < len(plan) else []  # does for the last batch, a smaller one
        slots = planned + sorted(self._slots, key=lambda s: s.nbytes)
        free = [s for s in slots if s.is_free]
        slot = next((s for s in free if s.nbytes >= nbytes), None)
        if slot is None and free:  # the largest grows, and still serves whom it did
            slot = free[-1]
            slot.resize(nbytes)
        elif slot is None:
            slot = _Slot(nbytes)
            self._slots.append(slot)
        if i < len(plan):
            plan[i] = (shape, dtype, slot)
        elif i == len(plan):
            plan.append((shape, dtype, slot))
        # np.ndarray(shape, dtype, buffer) is read-only where memory was short for a moment
        return slot.buffer[:nbytes].view(dtype).reshape(shape)

    @property
    def nbytes(self) -> int:
        """The bytes of memory that it holds."""
        return sum(slot.nbytes for slot in self._slots)


def _gradient(value: Value, grad: Any) -> np.ndarray:
    """Return what a walk back begins with."""
    if isinstance(grad, np.ndarray) and grad.shape == value.shape and grad.dtype == FLOAT32:
        return np.asarray(grad, order="C")
    return np.array(np.broadcast_to(grad, value.shape), np.float32, order="C")


def tape_of(*inputs: Any) -> Tape:
    """Return the tape that inputs of an op are on; for arrays alone, the thread's or a new one."""
    for x in inputs:
        if isinstance(x, Value):
            return x.tape
    found = current()
    return Tape(records=False) if found is None else found


def flops(ops: Iterable[Op]) -> int:
    """Return how many floating point operations some ops take forward."""
    return sum(op.flops() for op in ops)


def heeds_lengths(module: Module, shape: Shape) -> bool:
    """Return whether a module looks at the lengths of sequences, for samples of a shape."""
    with Tape(abstract=True) as tape:
        try:
            module(tape.placeholder((1, *shape)))
        except ValueError:
            return False  # it says what is wrong elsewhere
    return any(op.heeds_lengths for op in tape.record)
