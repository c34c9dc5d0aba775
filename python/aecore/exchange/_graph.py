"""An ONNX graph while it is put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from ..nn.module import Module, Shape

OPSET, IR_VERSION = 17, 8  # of 2022: what is older lacks layer normalisation
LABELS = "ai.onnx.ml"  # the domain that has a table from strings to numbers
LABELS_OPSET = 2


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
    first. So a value that was turned is remembered in both orders, and elementwise operations work
    on the one that convolutions have made: nothing is turned back and forth between two of them.

    Parameters
    ----------
    table : mapping of type to function
        What appends a layer's nodes: it is given the graph, the layer, the name of its input and
        the shape of one sample of it, and returns the name of the output.
    outer : Graph, optional
        The graph of the loop that this one is in.

    Attributes
    ----------
    lengths : str
        The name of the lengths (N,) of sequences; empty where all are full.
    """

    lengths = ""

    def __init__(self, table: Mapping[type[Module], Emit], outer: Graph | None = None) -> None:
        self.table = table
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = outer.constants if outer else {}
        self._numbers: Iterator[int] = outer._numbers if outer else count()
        self._turned: dict[str, tuple[str, int]] = {}  # channels first, and the number of axes

    def name(self) -> str:
        """Return a name that nothing has yet."""
        return f"v{next(self._numbers)}"

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

    def layer(self, module: Module, x: str, shape: Shape) -> str:
        """Append a module's nodes; NotImplementedError if the table doesn't have it."""
        found = self.table.get(type(module))
        if found is None:
            raise NotImplementedError(f"{type(module).__name__} has no form in ONNX here")
        return found(self, module, x, shape)

    # ---- shapes ---------------------------------------------------------------------------------

    def reshape(self, x: str, *shape: int) -> str:
        """Show a value in another shape, in which 0 is the size it has and -1 what is left."""
        return self.add("Reshape", x, np.array(shape, np.int64))

    def columns(self, x: str, start: int, stop: int) -> str:
        """Return a part of the last axis."""
        bounds = [np.array([v], np.int64) for v in (start, stop, -1)]
        return self.add("Slice", x, *bounds)

    def beside(self, x: str, y: str, shape: tuple[int, ...]) -> str:
        """Put vectors y (N, P) behind the last axis of x (N, *shape), at every position."""
        if len(shape) > 1:
            y = self.add("Unsqueeze", y, np.arange(1, len(shape), dtype=np.int64))
            y = self.add("Expand", y, np.array([1, *shape[:-1], 1], np.int64))
        return self.add("Concat", x, y, axis=-1)

    def there(self, steps: int) -> str:
        """Return whether each of the sequences has each step, (N, T)."""
        return self.add("Less", np.arange(steps), self.column(self.lengths))

    def column(self, x: str) -> str:
        """Return numbers (N,) as (N, 1)."""
        return self.add("Unsqueeze", x, np.array([1], np.int64))

    # ---- the order of axes ----------------------------------------------------------------------

    def first(self, x: str, axes: int) -> str:
        """Return x (N, ..., C) as (N, C, ...)."""
        if axes == 2:
            return x
        if x not in self._turned:
            order = [0, axes - 1, *range(1, axes - 1)]
            self._turned[x] = self.add("Transpose", x, perm=order), axes
        return self._turned[x][0]

    def last(self, x: str, axes: int) -> str:
        """Return x (N, C, ...) as (N, ..., C)."""
        if axes == 2:
            return x
        y = self.add("Transpose", x, perm=[0, *range(2, axes), 1])
        self._turned[y] = x, axes
        return y

    def each(self, op: str, *inputs: Given, **options: Any) -> str:
        """Append an elementwise node. Constants are scalars."""
        values = [x for x in inputs if isinstance(x, str)]
        if not all(x in self._turned for x in values):
            return self.add(op, *inputs, **options)
        axes = self._turned[values[0]][1]
        turned = [self._turned[x][0] if isinstance(x, str) else x for x in inputs]
        return self.last(self.add(op, *turned, **options), axes)

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


Emit = Callable[[Graph, Any, str, Shape], str]


class Body(NamedTuple):
    """The graph of one step of a loop, with its inputs and outputs."""

    graph: Graph
    inputs: list[tuple[str, list[Any]]]
    outputs: list[tuple[str, list[Any]]]


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
