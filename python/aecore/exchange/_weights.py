"""Where a network's parameters stand in a PyTorch `state_dict`: names and layouts.

PyTorch has images channels first. Kernels are turned accordingly, and so are the features of an
image that was flattened: the columns of a linear layer behind `Flatten`, the rows of one in front
of `Reshape`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import nn
from ..losses import Likelihood
from ..nn.linear import Affine
from ..nn.module import Module, Shape
from ..nn.pixelcnn.network import GatedBlock, GatedPixelCNN


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


def channels_first(shape: Shape) -> np.ndarray | None:
    """Return where a flattened image's features are for PyTorch; None where nothing moves."""
    if len(shape) != 3:
        return None
    order = np.arange(np.prod(shape)).reshape(shape).transpose(2, 0, 1).ravel()
    return None if (order[1:] > order[:-1]).all() else order


class Walk:
    """Collects the weights of modules, from input to output.

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
        self._seen: dict[int, np.ndarray | None] = {}  # parameters, and the order of their columns
        self._movable: list[Weight] = []  # whose rows are the features that come next

    def through(self, module: Module, name: str, shape: Shape | None, order: Any = None) -> None:
        """Collect a part of a network, for samples of a shape."""
        self.order, self._movable = order, []
        self.visit(module, name, shape)
        if self.order is not None:
            raise NotImplementedError(
                f"{name}: ends with a flattened image, whose features have another order in PyTorch"
            )

    def visit(self, module: Module, name: str, shape: Shape | None) -> None:
        """Collect a module; NotImplementedError for one that PyTorch's layouts aren't known of."""
        found = TABLE.get(type(module))
        if found is None:
            raise NotImplementedError(f"{name}: {type(module).__name__} has no layout in PyTorch")
        found(self, module, name, shape)

    def add(self, name: str, value: np.ndarray, axes: Any = None, twin: str = "") -> Weight:
        """Collect an array, with its axes in another order."""
        view = value if axes is None else value.transpose(axes)
        weight = Weight(name, view, [None] * view.ndim, twin)
        self.weights.append(weight)
        return weight

    # ---- with an order of features ---------------------------------------------------------------

    def settle(self, name: str) -> None:
        """Take it that what comes next mixes features: they can't be in another order."""
        self._movable = []
        if self.order is not None:
            raise NotImplementedError(
                f"{name}: sees a flattened image, whose features have another order in PyTorch"
            )

    def linear(self, layer: Any, name: str, shape: Shape | None) -> None:
        before, self.order, self._movable = self.order, None, []
        if not isinstance(layer, nn.TiedLinear):
            weight = self.add(f"{name}.weight", layer.weight.value)
            weight.order[1] = before
            self._movable = [weight]
            self._seen[id(layer.weight)] = before
        if layer.bias is not None:
            self._movable.append(self.add(f"{name}.bias", layer.bias.value))

    def tied(self, layer: nn.TiedLinear, name: str, shape: Shape | None) -> None:
        """Collect the bias; its order is that of the weight's columns, as the outputs' is."""
        self.settle(name)
        self.linear(layer, name, shape)
        self.order = self._source(layer, name)
        for bias in self._movable:
            bias.order[0] = self.order
        self._movable = []

    def _source(self, layer: Any, name: str) -> np.ndarray | None:
        """Return the order of the columns of a weight that another layer has."""
        if id(layer.weight) not in self._seen:
            raise NotImplementedError(f"{name}: tied to a layer that doesn't come before it")
        return self._seen[id(layer.weight)]

    def scaled(self, norm: Any, name: str, shape: Shape | None) -> None:
        """Collect a norm that treats every feature, or channel, alike."""
        found = [
            self.add(f"{name}.{key}", parameter.value)
            for key in ("weight", "bias")
            if (parameter := getattr(norm, key)) is not None
        ]
        if isinstance(norm, nn.BatchNorm2d):
            self.counters.append(f"{name}.num_batches_tracked")
            found += [
                self.add(f"{name}.{k}", norm.buffer(k)) for k in ("running_mean", "running_var")
            ]
        if shape is not None and len(shape) == 1:
            for weight in found:
                weight.order[0] = self.order
            self._movable += found

    def flatten(self, layer: Any, name: str, shape: Shape | None) -> None:
        if shape is None:
            raise NotImplementedError(f"{name}: the shape of what is flattened isn't known")
        if len(shape) > 1:
            self.order, self._movable = channels_first(shape), []

    def reshape(self, layer: nn.Reshape, name: str, shape: Shape | None) -> None:
        wanted = channels_first(layer.shape)
        if shape is not None and len(shape) == 1:
            if self.order is None and wanted is not None and self._movable:
                for weight in self._movable:
                    weight.order[0] = wanted
                self.order = wanted
            if _same(self.order, wanted):
                self.order, self._movable = None, []
                return
        elif shape is not None and (
            shape == layer.shape or 3 not in (len(shape), len(layer.shape))
        ):
            return
        raise NotImplementedError(
            f"{name}: PyTorch has the features of images in another order, and no linear layer "
            "stands in front of this one that could put them so"
        )

    # ---- without --------------------------------------------------------------------------------

    def kernels(self, layer: Any, name: str, shape: Shape | None) -> None:
        if isinstance(layer, nn.TiedConvTranspose2d):
            self._source(layer, name)
        else:
            turned = isinstance(layer, nn.ConvTranspose2d)
            self.add(f"{name}.weight", layer.weight.value, (3, 0, 1, 2) if turned else (0, 3, 1, 2))
            self._seen[id(layer.weight)] = None
        if layer.bias is not None:
            self.add(f"{name}.bias", layer.bias.value)

    def grouped(self, norm: nn.GroupNorm, name: str, shape: Shape | None) -> None:
        self.settle(name)
        self.scaled(norm, name, None)

    def elementwise(self, layer: Module, name: str, shape: Shape | None) -> None:
        pass

    def recurrent(self, layer: nn.LSTM, name: str, shape: Shape | None) -> None:
        for i, passes in enumerate(layer.layers):
            for one, end in zip(passes, ("", "_reverse"), strict=False):
                where = f"_l{i}{end}"
                for key in ("weight_ih", "weight_hh"):
                    self.add(f"{name}.{key}{where}", getattr(one, key).value)
                self.add(f"{name}.bias_ih{where}", one.bias.value, twin=f"{name}.bias_hh{where}")
        self.settle(name)

    def attention(self, module: nn.MultiHeadAttention, name: str, shape: Shape | None) -> None:
        for key in ("weight", "bias"):
            self.add(f"{name}.in_proj_{key}", getattr(module.project, key).value)
        self.inside(module.out, f"{name}.out_proj", None)

    def block(self, module: nn.TransformerBlock, name: str, shape: Shape | None) -> None:
        self.attention(module.attention, f"{name}.self_attn", None)
        for key in ("linear1", "linear2", "norm1", "norm2"):
            self.inside(getattr(module, key), f"{name}.{key}", None)

    def each_step(self, module: nn.EachStep, name: str, shape: Shape | None) -> None:
        self.settle(name)
        self.visit(module.body, name, None if shape is None else shape[1:])
        self.settle(name)

    def residual(self, module: nn.Residual, name: str, shape: Shape | None) -> None:
        self.settle(name)
        self.visit(module.body, f"{name}.body", shape)
        self.settle(name)

    def sequential(self, module: nn.Sequential, name: str, shape: Shape | None) -> None:
        place = 0
        for layer in module.layers:
            self.visit(layer, f"{name}.{place}", shape)
            place += 1 + _fused(layer)
            shape = None if shape is None else layer.output_shape(shape)

    def inside(self, module: Module, name: str, shape: Shape | None) -> None:
        """Collect parameters and moving averages under their own names, then what is inside."""
        self.settle(name)
        for key, value in vars(module).items():
            if isinstance(value, nn.Parameter):
                self.add(f"{name}.{key}", value.value)
        for key, array in vars(module).get("_buffers", {}).items():
            if array.dtype == np.float32:  # others are places in random streams
                self.add(f"{name}.{key}", array)
        for key, child in module.children():
            self.visit(child, f"{name}.{key}", None)


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def _fused(layer: Module) -> bool:
    """Return whether PyTorch has a layer more, for an activation."""
    layer = layer.body if isinstance(layer, nn.EachStep) else layer
    return isinstance(layer, Affine) and layer.activation is not None


TABLE: dict[type[Module], Callable[[Walk, Any, str, Shape | None], None]] = {
    Likelihood: Walk.inside,
    GatedBlock: Walk.inside,
    GatedPixelCNN: Walk.inside,
    nn.Activation: Walk.elementwise,
    nn.BatchNorm2d: Walk.scaled,
    nn.Conv2d: Walk.kernels,
    nn.ConvTranspose2d: Walk.kernels,
    nn.Dropout: Walk.elementwise,
    nn.EachStep: Walk.each_step,
    nn.FedBack: Walk.inside,
    nn.FiniteScalarQuantizer: Walk.inside,
    nn.Flatten: Walk.flatten,
    nn.GroupNorm: Walk.grouped,
    nn.LSTM: Walk.recurrent,
    nn.LayerNorm: Walk.scaled,
    nn.Linear: Walk.linear,
    nn.MaskedConv2d: Walk.kernels,
    nn.MaxPool2d: Walk.elementwise,
    nn.MeanSteps: Walk.elementwise,
    nn.MultiHeadAttention: Walk.attention,
    nn.Positions: Walk.inside,
    nn.Reshape: Walk.reshape,
    nn.Residual: Walk.residual,
    nn.ResidualQuantizer: Walk.inside,
    nn.Sequential: Walk.sequential,
    nn.TiedConvTranspose2d: Walk.kernels,
    nn.TiedLinear: Walk.tied,
    nn.TransformerBlock: Walk.block,
    nn.Upsample2d: Walk.elementwise,
    nn.VectorQuantizer: Walk.inside,
}
