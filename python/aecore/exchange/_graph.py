"""An ONNX graph while it is put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from ..nn.activation import FORMULAS
from ..nn.tape import Ends, Tape, Value

OPSET, IR_VERSION = 17, 8  # of 2022: what is older lacks layer normalisation
LABELS = "ai.onnx.ml"  # the domain that has a table from strings to numbers
LABELS_OPSET = 2


SAMPLES = 7919  # of the batch that ops are walked with: a size that nothing else has

Given = str | np.ndarray | np.generic  # a value by name, or a constant


class Node(NamedTuple):
    """An operation: ONNX's name of it, what goes in and comes out by name, and its options."""

    op: str
    inputs: list[str]
    outputs: list[str]
    options: dict[str, Any]
    domain: str


class Graph:
    """Nodes in order, and the constants that they take.

    Images stay channels last for who looks at the graph from outside, while ONNX convolves channels
    first. So a value that was transposed is remembered in both orders, and elementwise operations
    work on the one that convolutions have made: nothing is transposed back and forth between two.

    Parameters
    ----------
    outer : Graph, optional
        The graph of the loop that this one is in.

    Attributes
    ----------
    lengths : str
        The name of the lengths (N,) of sequences; empty where all are full.
    image_size : str
        The name of the height and width of the images that came in, where a layer has noted them.
    reserved : set of str
        Names that no new value gets, as inputs have them.
    """

    lengths = image_size = ""
    is_sized = False  # whether height and width of images are free

    def __init__(self, outer: Graph | None = None) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = outer.constants if outer else {}
        self._numbers: Iterator[int] = outer._numbers if outer else count()
        self.reserved: set[str] = outer.reserved if outer else set()
        self._transposed: dict[str, tuple[str, int]] = {}  # channels first, and the number of axes
        self._called: dict[int, tuple[Value, str]] = {}

    # ---- values on a tape -----------------------------------------------------------------------

    def call(self, value: Value, name: str) -> None:
        """Say what a value is called here."""
        self._called[id(value)] = value, name

    def of(self, x: Any) -> Any:
        """Return the name of a value, or an array as it is.

        NotImplementedError for an array that was made of the samples, by a comparison for instance.
        """
        if not isinstance(x, Value):
            if SAMPLES in np.shape(x)[:1]:
                raise NotImplementedError(
                    "ONNX: expected no comparison or rounding of samples, got one"
                )
            return x
        found = self._called.get(id(x))
        if found is not None:
            return found[1]
        return self.constant(x.data)

    def walk(self, tape: Tape) -> None:
        """Append the ops that a pass has recorded; NotImplementedError for one without a form."""
        for op in tape.record:
            self.call(op, op.onnx(self))

    def name(self) -> str:
        """Return a name that nothing has yet."""
        return next(name for i in self._numbers if (name := f"v{i}") not in self.reserved)

    def constant(self, value: Any) -> str:
        """Take a constant in; return its name."""
        name = self.name()
        self.constants[name] = np.ascontiguousarray(value).reshape(np.shape(value))
        return name

    def add(self, op: str, *inputs: Given, domain: str = "", **options: Any) -> str:
        """Append a node; return the name of its output."""
        return self.several(1, op, *inputs, domain=domain, **options)[0]

    def several(
        self, outputs: int, op: str, *inputs: Given, domain: str = "", **options: Any
    ) -> list[str]:
        """Append a node with several outputs; return their names."""
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        made = [self.name() for _ in range(outputs)]
        self.nodes.append(Node(op, names, made, options, domain))
        return made

    # ---- shapes ---------------------------------------------------------------------------------

    def reshape(self, x: str, *shape: int) -> str:
        """Show a value in another shape, in which 0 is the size it has and -1 what is left."""
        return self.add("Reshape", x, np.array(shape, np.int64))

    def batched(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return a shape for `reshape` in which the number of samples is free."""
        first, *rest = shape or (1,)
        if first == SAMPLES:
            return (0, *rest)
        return (-1, *rest) if first and first % SAMPLES == 0 and -1 not in rest else shape

    def columns(self, x: str, start: int, stop: int) -> str:
        """Return a part of the last axis."""
        bounds = [np.array([v], np.int64) for v in (start, stop, -1)]
        return self.add("Slice", x, *bounds)

    def ends(self, ends: Ends | None) -> str:
        """Return the lengths of sequences as an op sees them; empty where all are full."""
        found = self.lengths if ends is not None else ""
        for room, stride in ends.windows if found and ends is not None else ():
            least = self.add("Min", found, np.array([1]))
            whole = self.add("Add", found, np.array([room + stride]))
            whole = self.add("Div", self.add("Max", whole, np.array([0])), np.array([stride]))
            found = self.add("Max", whole, least)
        return found

    def there(self, steps: int, lengths: str = "") -> str:
        """Return whether each of the sequences has each step, (N, T)."""
        return self.add("Less", np.arange(steps), self.column(lengths or self.lengths))

    def cut(self, x: str, steps: int, lengths: str) -> str:
        """Return sequences (N, T, C) with zeros behind the end of each."""
        there = self.add("Unsqueeze", self.there(steps, lengths), np.array([2], np.int64))
        return self.add("Where", there, x, np.float32(0))

    def column(self, x: str) -> str:
        """Return numbers (N,) as (N, 1)."""
        return self.add("Unsqueeze", x, np.array([1], np.int64))

    def backwards(self, x: str, steps: int, width: int) -> str:
        """Return sequences (N, T, C) from their last step to the first; the rest stays behind."""
        if not self.lengths:
            from_to = (-1, -steps - 1, 1, -1)  # start, end, axis and step
            return self.add("Slice", x, *(np.array([v], np.int64) for v in from_to))
        last = self.column(self.add("Sub", self.lengths, np.int64(1)))
        places = self.add("Mod", self.add("Sub", last, np.arange(steps)), np.int64(steps))
        places = self.add("Unsqueeze", places, np.array([2], np.int64))
        places = self.add("Expand", places, np.array([1, 1, width], np.int64))
        return self.add("GatherElements", x, places, axis=1)

    def mirrored(self, x: str, multiple: int) -> str:
        """Return images (N, H, W, C) with their mirror image up to a multiple of both sizes."""
        self.image_size = self.add("Shape", x, start=1, end=3)
        for axis in (1, 2):
            size = self.add("Shape", x, start=axis, end=axis + 1)
            up = self.add("Add", size, np.int64(multiple - 1))
            wanted = self.add("Mul", self.add("Div", up, np.int64(multiple)), np.int64(multiple))
            ends = [self.add("Squeeze", v, np.array([0], np.int64)) for v in (wanted, size)]
            twice = self.add("Mul", ends[1], np.int64(2))
            line = self.add("Range", np.int64(0), ends[0], np.int64(1))
            places = self.add("Mod", line, twice)
            back = self.add("Sub", self.add("Sub", twice, np.int64(1)), places)
            x = self.add("Gather", x, self.add("Min", places, back), axis=axis)
        return x

    # ---- functions ------------------------------------------------------------------------------

    def activation(self, kind: str | None, x: str) -> str:
        """Append one of the core's activations; None is none."""
        return x if kind is None else FORMULAS[kind].onnx(self, x)

    def link(self, kind: str | None, x: str) -> str:
        """Append what turns a decoder's output into data: see `apply_link`."""
        if kind == "exp":
            return self.add("Exp", x)
        return self.add("Softmax", x, axis=-1) if kind == "softmax" else self.activation(kind, x)

    def body(self, append: Callable[[Graph], tuple[list[Any], list[Any]]]) -> Body:
        """Return the graph of one step of a loop: `append` returns its inputs and outputs."""
        inner = Graph(self)
        return Body(inner, *append(inner))

    # ---- the order of axes ----------------------------------------------------------------------

    def channels_first(self, x: str, axes: int) -> str:
        """Return x (N, ..., C) as (N, C, ...)."""
        if axes == 2:
            return x
        if x not in self._transposed:
            order = [0, axes - 1, *range(1, axes - 1)]
            self._transposed[x] = self.add("Transpose", x, perm=order), axes
        return self._transposed[x][0]

    def channels_last(self, x: str, axes: int) -> str:
        """Return x (N, C, ...) as (N, ..., C)."""
        if axes == 2:
            return x
        y = self.add("Transpose", x, perm=[0, *range(2, axes), 1])
        self._transposed[y] = x, axes
        return y

    def each(self, op: str, *inputs: Given, **options: Any) -> str:
        """Append an elementwise node."""
        values = [x for x in inputs if isinstance(x, str)]
        scalars = all(np.ndim(x) == 0 for x in inputs if not isinstance(x, str))
        axes = {self._transposed[x][1] if x in self._transposed else 0 for x in values}
        if not scalars or len(axes) != 1 or axes == {0}:
            return self.add(op, *inputs, **options)
        first = [self._transposed[x][0] if isinstance(x, str) else x for x in inputs]
        return self.channels_last(self.add(op, *first, **options), axes.pop())

    # ---- the whole ------------------------------------------------------------------------------

    def finish(self, y: str, name: str) -> None:
        """Give the output its name, and leave out what it doesn't need."""
        self.nodes.append(Node("Identity", [y], [name], {}, ""))
        used: set[str] = {name}
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if used.isdisjoint(node.outputs):
                continue
            kept.append(node)
            used |= needs(node)
        self.nodes = kept[::-1]
        for name in [name for name in self.constants if name not in used]:
            del self.constants[name]


class Body(NamedTuple):
    """The graph of one step of a loop, with its inputs and outputs."""

    graph: Graph
    inputs: list[tuple[str, list[Any]]]
    outputs: list[tuple[str, list[Any]]]

    def has(self, op: str) -> bool:
        """Return whether there is an operation in it, or in a loop of it."""
        loops = (v for node in self.graph.nodes for v in node.options.values())
        inner = any(loop.has(op) for loop in loops if isinstance(loop, Body))
        return inner or any(node.op == op for node in self.graph.nodes)


def needs(node: Node) -> set[str]:
    """Return the names of all that a node takes, inside its loop too."""
    found = set(node.inputs)
    for value in node.options.values():
        if isinstance(value, Body):
            found |= {name for inner in value.graph.nodes for name in needs(inner)}
            found |= {name for name, _ in value.outputs}
    return found


def to_proto(body: Body, name: str, constants: dict[str, np.ndarray]) -> Any:
    """Return a graph as the `onnx` package has it."""
    from onnx import helper, numpy_helper

    nodes = []
    for node in body.graph.nodes:
        options = {
            key: to_proto(value, key, {}) if isinstance(value, Body) else value
            for key, value in node.options.items()
        }
        made = helper.make_node(node.op, node.inputs, node.outputs, domain=node.domain, **options)
        nodes.append(made)
    inputs, outputs = ([_value(*e) for e in ends] for ends in (body.inputs, body.outputs))
    weights = [numpy_helper.from_array(value, key) for key, value in constants.items()]
    return helper.make_graph(nodes, name, inputs, outputs, weights)


def _value(name: str, form: list[Any]) -> Any:
    from onnx import TensorProto, helper

    dtype, *shape = form
    return helper.make_tensor_value_info(name, getattr(TensorProto, dtype), shape)
