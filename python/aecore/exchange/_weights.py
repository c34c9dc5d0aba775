"""Where a network's parameters stand in a PyTorch `state_dict`: names and layouts.

PyTorch has images channels first. Kernels are turned accordingly, and so are the features of an
image that was flattened: the columns of a linear layer behind `Flatten`, the rows of one in front
of `Reshape`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..nn.module import Module
from ..nn.parameter import Parameter
from ..nn.tape import Shape


@dataclass
class Weight:
    """An array of a network as PyTorch has it.

    Attributes
    ----------
    name : str
    value : ndarray
        A view of the network's own, its axes in PyTorch's order.
    order : list of ndarray or None, for each axis
        Which of the view's places each of PyTorch's has, where that is another one.
    twin : str
        The name of a second array that is added to it in PyTorch, if any.
    """

    name: str
    value: np.ndarray
    order: list[np.ndarray | None]
    twin: str = ""

    @property
    def shape(self) -> Shape:
        """That of PyTorch's array."""
        return self.value.shape

    def places(self) -> Any:
        """Return the index by which the view's places stand in PyTorch's order."""
        pairs = zip(self.value.shape, self.order, strict=True)
        return np.ix_(*(np.arange(size) if order is None else order for size, order in pairs))

    def get(self) -> np.ndarray:
        """Return a copy in PyTorch's layout."""
        return np.ascontiguousarray(self.value[self.places()])

    def put(self, given: np.ndarray) -> None:
        """Take values in PyTorch's layout."""
        self.value[self.places()] = given


@dataclass
class SecondBias(Weight):
    """The recurrent bias of a GRU: of the gates that have one bias it is added to the first."""

    size: int = 0

    @property
    def shape(self) -> Shape:
        return (self.size,)

    def get(self) -> np.ndarray:
        own = self.value[self.size :]
        return np.concatenate([np.zeros(self.size - own.size, np.float32), own])

    def put(self, given: np.ndarray) -> None:
        shared = self.size - (self.value.size - self.size)
        self.value[:shared] += given[:shared]
        self.value[self.size :] = given[shared:]


def channels_first(shape: Shape, steps: bool = False) -> np.ndarray | None:
    """Return where a flattened image's features are for PyTorch; None where nothing moves.

    With `steps` a sequence has its channels first too, as convolutions take it.
    """
    if len(shape) != 3 and not (steps and len(shape) == 2):
        return None
    order = np.moveaxis(np.arange(np.prod(shape)).reshape(shape), -1, 0).ravel()
    return None if (order[1:] > order[:-1]).all() else order


class Walk:
    """Collects the weights of modules, from input to output.

    Each layer says what it has (`Module.torch_layout`), by the methods below.

    Attributes
    ----------
    weights : list of Weight
    counters : list of str
        The names of counts that PyTorch keeps and aecore doesn't.
    order : ndarray or None
        The order in which PyTorch has the features that come next, where it is another one.
    """

    def __init__(self) -> None:
        self.weights: list[Weight] = []
        self.counters: list[str] = []
        self.order: np.ndarray | None = None
        self._column_orders: dict[int, np.ndarray | None] = {}  # by the id of a weight
        self._movable: list[Weight] = []  # whose rows are the features that come next
        self._steps_last = False  # whether sequences have their channels first in PyTorch
        self._made: tuple[list[Weight], Shape] | None = None  # a sequence, of whose features

    def through(self, module: Module, name: str, shape: Shape | None, order: Any = None) -> None:
        """Collect a part of a network, for samples of a shape."""
        self.order, self._movable = order, []
        self._steps_last, self._made = False, None
        self.visit(module, name, shape)
        if self.order is not None:
            raise NotImplementedError(
                f"{name}: expected a linear layer behind a flattened image, whose features have "
                "another order in PyTorch, got none"
            )

    def visit(self, module: Module, name: str, shape: Shape | None) -> int:
        """Collect a module; return how many layers of a Sequential it is in PyTorch."""
        return module.torch_layout(self, name, shape)

    def add(self, name: str, value: np.ndarray, axes: Any = None, twin: str = "") -> Weight:
        """Collect an array, with its axes in another order."""
        view = value if axes is None else value.transpose(axes)
        weight = Weight(name, view, [None] * view.ndim, twin)
        self.weights.append(weight)
        return weight

    def add_split(self, first: str, second: str, bias: np.ndarray, size: int) -> None:
        """Collect a bias that is two in PyTorch, of a size: what is beyond is the second's end."""
        self.add(first, bias[:size])
        self.weights.append(SecondBias(second, bias, [None], size=size))

    # ---- with an order of features ---------------------------------------------------------------

    def settle(self, name: str) -> None:
        """Take it that what comes next mixes features: they can't be in another order."""
        self._movable, self._steps_last, self._made = [], False, None
        if self.order is not None:
            raise NotImplementedError(
                f"{name}: expected a linear layer to take a flattened image, whose features have "
                "another order in PyTorch, got this layer"
            )

    def linear(self, name: str, weight: Parameter, bias: Parameter | None) -> None:
        """Collect a weight (O, I), whose columns are the features that came, and a bias."""
        before, self.order, self._movable = self.order, None, []
        self._steps_last, self._made = False, None
        found = self.add(f"{name}.weight", weight.value)
        found.order[1] = before
        self._movable = [found]
        self._column_orders[id(weight)] = before
        self.bias(name, bias)

    def tied(self, name: str, weight: Parameter, bias: Parameter | None) -> None:
        """Collect a bias whose order is that of a weight's columns, as the outputs' is."""
        self.settle(name)
        self.order = self.source(name, weight)
        self._movable = []
        self.bias(name, bias)
        for found in self._movable:
            found.order[0] = self.order
        self._movable = []

    def bias(self, name: str, bias: Parameter | None) -> None:
        if bias is not None:
            self._movable.append(self.add(f"{name}.bias", bias.value))

    def source(self, name: str, weight: Parameter) -> np.ndarray | None:
        """Return the order of the columns of a weight that another layer has."""
        if id(weight) not in self._column_orders:
            raise NotImplementedError(
                f"{name}: expected the layer that it is tied to before it, got none"
            )
        return self._column_orders[id(weight)]

    def scaled(self, name: str, arrays: dict[str, np.ndarray], shape: Shape | None) -> None:
        """Collect arrays (C,) that treat every feature, or channel, alike."""
        found = [self.add(f"{name}.{key}", value) for key, value in arrays.items()]
        if shape is not None and len(shape) == 1:
            for weight in found:
                weight.order[0] = self.order
            self._movable += found

    def flatten(self, name: str, shape: Shape | None) -> None:
        if shape is None:
            raise NotImplementedError(f"{name}: expected a known shape to flatten, got None")
        if len(shape) > 1:
            self.order, self._movable = channels_first(shape, self._steps_last), []

    def reshape(self, name: str, shape: Shape | None, to: Shape) -> None:
        wanted = channels_first(to)
        if shape is not None and len(shape) == 1:
            if len(to) == 2 and self.order is None:
                self._made = self._movable, to
            if self.order is None and wanted is not None and self._movable:
                for weight in self._movable:
                    weight.order[0] = wanted
                self.order = wanted
            if _same(self.order, wanted):
                self.order, self._movable = None, []
                return
        elif shape is not None and (shape == to or 3 not in (len(shape), len(to))):
            return
        raise NotImplementedError(
            f"{name}: expected a linear layer before it to put an image's features into PyTorch's "
            "order, got none"
        )

    # ---- without --------------------------------------------------------------------------------

    def kernels(self, name: str, weight: Parameter, axes: tuple[int, ...]) -> None:
        """Collect kernels, with their axes in PyTorch's order."""
        if weight.value.ndim == 3:
            self._turn_steps(name)
        self.add(f"{name}.weight", weight.value, axes)
        self._column_orders[id(weight)] = None

    def _turn_steps(self, name: str) -> None:
        """Take it that the sequences which come here have their channels first in PyTorch."""
        if self._made is not None:
            rows, shape = self._made
            wanted = channels_first(shape, True)
            if wanted is not None and not rows:
                raise NotImplementedError(
                    f"{name}: expected a linear layer before it to put a sequence's features into "
                    "PyTorch's order, got none"
                )
            for weight in rows:
                weight.order[0] = wanted
        self._steps_last, self._made = True, None

    def each(self, body: Module, name: str, shape: Shape | None) -> int:
        """Collect a module that sees parts of a sample, or a sample beside others."""
        self.settle(name)
        layers = self.visit(body, name, shape)
        self.settle(name)
        return layers

    def inside(self, module: Module, name: str) -> None:
        """Collect parameters and moving averages under their own names, then what is inside."""
        self.settle(name)
        for key, value in vars(module).items():
            if isinstance(value, Parameter):
                self.add(f"{name}.{key}", value.value)
        for key, array in vars(module).get("_buffers", {}).items():
            if array.dtype == np.float32:  # others are places in random streams
                self.add(f"{name}.{key}", array)
        for key, child in module.children():
            self.visit(child, f"{name}.{key}", None)


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))
