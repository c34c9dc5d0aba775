"""What every layer is: parameters, a forward and a backward pass, and buffers that it keeps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .. import _core, _workspace
from .._purposes import INIT

Shape = tuple[int, ...]


class Parameter:
    """An array that is learned, and its gradient of the same shape.

    Both are replaced by views of one flat buffer when a model takes the layer (`Flat`).

    Parameters
    ----------
    shape : tuple of int
    bound : float
        Fresh values are uniform in [-bound, bound).
    fill : float, optional
        Fresh values are this instead.
    """

    def __init__(self, shape: Shape, bound: float = 0.0, fill: float | None = None) -> None:
        if min(shape, default=1) < 0:
            raise ValueError(f"a parameter can't have the shape {shape}")
        self.bound, self.fill = bound, fill
        self.value = np.zeros(shape, np.float32)
        self.grad = np.zeros(shape, np.float32)

    @property
    def shape(self) -> Shape:
        return self.value.shape

    def initialize(self, seed: int, offset: int) -> None:
        """Draw fresh values: elements offset, offset + 1, ... of the seed's stream."""
        if self.fill is not None:
            self.value.fill(self.fill)
            return
        _core.random_uniform(self.value, seed, INIT, offset, _workspace.current())
        self.value *= 2 * self.bound
        self.value -= self.bound


class Module:
    """A layer or a composition of layers.

    A subclass assigns its `Parameter` objects, buffers (`add_buffer`) and child modules as
    attributes, and implements `forward`, `backward` and `output_shape`.

    `forward` keeps what `backward` needs, so the two alternate. The arrays that they return belong to
    the layer and are overwritten by its next call. `backward` takes the gradient with respect to
    the output, adds to the parameters' gradients and returns the gradient with respect to the input.

    Attributes
    ----------
    activation : str or None
        The activation fused into the layer's output, if `backward` of what follows can apply its
        gradient (one that the output determines).
    gates : bool
        Whether `backward` takes ``x_activation``, ``gated`` and ``need_dx``: see `Linear`.
    is_view : bool
        Whether the output is the input in another shape.
    """

    activation: str | None = None
    gates: bool = False
    is_view: bool = False

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        raise NotImplementedError

    def backward(self, grad: np.ndarray) -> np.ndarray | None:
        raise NotImplementedError

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of one sample's output for one sample's input, or raise ValueError."""
        raise NotImplementedError

    def __call__(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return self.forward(x, training)

    # ---- what it holds ------------------------------------------------------------------------

    def add_buffer(self, name: str, value: np.ndarray) -> None:
        """Hold an array that is part of the state but isn't learned by gradients."""
        self.__dict__.setdefault("_buffers", {})[name] = value

    def buffer(self, name: str) -> np.ndarray:
        return self.__dict__["_buffers"][name]

    def children(self) -> Iterator[tuple[str, Module]]:
        for name, value in vars(self).items():
            if isinstance(value, Module) and not name.startswith("_"):
                yield name, value

    def modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield the module itself and everything inside, with dotted names."""
        yield prefix, self
        for name, child in self.children():
            yield from child.modules(f"{prefix}.{name}" if prefix else name)

    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield (dotted name, parameter), each parameter once."""
        seen: set[int] = set()
        for prefix, module in self.modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{prefix}.{name}" if prefix else name), value

    def buffers(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (dotted name, array) of the state that isn't learned by gradients."""
        for prefix, module in self.modules():
            for name, value in vars(module).get("_buffers", {}).items():
                yield (f"{prefix}.{name}" if prefix else name), value

    @property
    def n_parameters(self) -> int:
        return sum(p.value.size for _, p in self.parameters())

    def initialize(self, seed: int, offset: int = 0) -> int:
        """Give every parameter fresh values from the seed; return the stream's next position."""
        for _, parameter in self.parameters():
            parameter.initialize(seed, offset)
            offset += parameter.value.size
        return offset

    # ---- scratch arrays -------------------------------------------------------------------------

    def scratch(self, name: str, shape: Shape, dtype: Any = np.float32) -> np.ndarray:
        """Return an uninitialised array that the layer keeps between calls, by name.

        Smaller batches get views of the array of the largest one, so that training allocates
        nothing after its first steps.
        """
        views = self.__dict__.setdefault("_scratch", {})
        found = views.get((name, shape))
        if found is not None:
            return found
        size = math.prod(shape)
        base = views.get(name)
        if base is None or base.size < size:
            for key in [k for k in views if k == name or k[0] == name]:
                del views[key]
            base = views[name] = np.empty(size, dtype)
        view = views[(name, shape)] = base[:size].reshape(shape)
        return view

    def __getstate__(self) -> dict[str, Any]:
        """Leave scratch arrays and what forward kept for backward out of copies and pickles."""
        return {k: v for k, v in vars(self).items() if k not in ("_scratch", "_kept")}

    # ---- repr -------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        lines = [f"  ({n}): " + repr(c).replace("\n", "\n  ") for n, c in self.children()]
        inner = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({inner})"
        return f"{type(self).__name__}({inner}\n" + "\n".join(lines) + "\n)"


class Flat:
    """All parameters of some modules as views of one value buffer and one gradient buffer.

    Zeroing the gradients is one fill, an optimiser step one call.

    Parameters
    ----------
    modules : iterable of (str, Module)
        With the prefix of their parameters' names.
    """

    ALIGN = 16  # floats: every parameter starts on a cache line

    def __init__(self, modules: Iterable[tuple[str, Module]]) -> None:
        self.named: dict[str, Parameter] = {}
        seen: set[int] = set()
        for prefix, module in modules:
            for name, parameter in module.parameters():
                if id(parameter) not in seen:  # tied weights are shared
                    seen.add(id(parameter))
                    self.named[f"{prefix}.{name}"] = parameter
        sizes = [-(-p.value.size // self.ALIGN) * self.ALIGN for p in self.named.values()]
        self.value = np.zeros(sum(sizes), np.float32)
        self.grad = np.zeros(sum(sizes), np.float32)
        at = 0
        for parameter, size in zip(self.named.values(), sizes, strict=True):
            shape, n = parameter.shape, parameter.value.size
            value = self.value[at : at + n].reshape(shape)
            value[...] = parameter.value
            parameter.value, parameter.grad = value, self.grad[at : at + n].reshape(shape)
            at += size

    @property
    def size(self) -> int:
        """The number of parameters, padding not counted."""
        return sum(p.value.size for p in self.named.values())
