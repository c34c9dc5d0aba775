"""What every layer is: parameters, a forward and a backward pass, and buffers that it keeps."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from ..base.streams import INIT, derived_seed

Shape = tuple[int, ...]


def fresh_seed() -> int:
    """Return a seed that nobody can foresee."""
    return int.from_bytes(os.urandom(8), "little") >> 1


def count(name: str, value: Any, minimum: int = 1) -> int:
    """Return a size as an int: TypeError if it isn't an integer, ValueError if it is too small."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an integer, got {value!r}")
    if value < minimum:
        raise ValueError(f"{name}: expected at least {minimum}, got {value}")
    return int(value)


def shown(**options: tuple[Any, Any]) -> str:
    """Return what a repr says of options, each given as (value, default): the unusual ones."""
    return "".join(f", {name}={v!r}" for name, (v, default) in options.items() if v != default)


_budget: ContextVar[list[int] | None] = ContextVar("budget", default=None)


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


def memory_limit() -> int:
    """Return the machine's memory in bytes, or something very large."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**62


def reserve(shape: Shape) -> None:
    """Take a shape's number of values from the budget, if any; MemoryError if it is spent."""
    left = _budget.get()
    if left is not None:
        left[0] -= math.prod(shape)
        if left[0] < 0:
            raise MemoryError(f"the network is too large: no room for a parameter of shape {shape}")


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
    std : float, optional
        Fresh values are normal with mean 0 and this deviation instead.

    Attributes
    ----------
    value : ndarray of float32
    """

    _is_stale = False

    def __init__(
        self,
        shape: Shape,
        bound: float = 0.0,
        fill: float | None = None,
        std: float | None = None,
    ) -> None:
        if min(shape, default=1) < 0:
            raise ValueError(f"a parameter can't have the shape {shape}")
        reserve(shape)
        self.bound, self.fill, self.std = bound, fill, std
        self.value = np.zeros(shape, np.float32)
        self.grad = np.zeros(shape, np.float32)

    @property
    def shape(self) -> Shape:
        return self.value.shape

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
        return {k: v for k, v in vars(self).items() if k not in ("_grad", "_is_stale")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.grad = np.zeros_like(self.value)

    def __repr__(self) -> str:
        return f"Parameter{self.shape}"


class Module:
    """A layer or a composition of layers.

    A subclass assigns its `Parameter` objects, buffers (`add_buffer`) and child modules as
    attributes, and implements `forward`, `backward` and `output_shape`.

    `forward` keeps what `backward` needs, so the two alternate. The arrays that they return belong
    to the layer and are overwritten by its next call. `backward` takes the gradient with respect to
    the output, adds to the parameters' gradients and returns the gradient with respect to the
    input. It may overwrite the gradient that it was given.

    Attributes
    ----------
    activation : str or None
        The activation fused into the layer's output, if `backward` of what follows can apply its
        gradient (one that the output determines). Such a layer `gates`.
    gates : bool
        Whether `backward` takes ``x_activation``, ``gated`` and ``need_dx``: see `Affine.backward`.
    is_view : bool
        Whether the output is the input in another shape. `backward` then passes None on too.
    overwrites_grad : bool
        Whether `backward` may overwrite the gradient that it is given, or return that very array.
    takes_lengths : bool
        Whether `forward` takes, as its third argument, how many steps each sample of a batch of
        sequences has: int64 (N,), or None where all are full.
    takes_target : bool
        Whether `forward` needs ``target`` in training: what the output should be.
    spare_output : bool
        Whether backward does without the output, so that what follows may overwrite it.
    adds : bool
        Whether `forward` takes ``added``, an array of the output's shape to be added to it. The
        gradient of that array is the output's.
    packs : bool
        Whether the layer's products begin by packing its weight: see `freeze`.
    """

    activation: str | None = None
    gates: bool = False
    is_view: bool = False
    overwrites_grad: bool = True
    spare_output: bool = False
    takes_lengths: bool = False
    takes_target: bool = False
    adds: bool = False
    packs: bool = False
    _kept: Any
    _packed: _core.Packed | None = None

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Return the output for a batch; `training` switches noise and statistics on."""
        raise NotImplementedError

    def backward(self, grad: Any) -> Any:
        """Add to the parameters' gradients; return the gradient with respect to the input."""
        raise NotImplementedError

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of one sample's output for one sample's input, or raise ValueError."""
        raise NotImplementedError

    def __call__(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return self.forward(x, training)

    # ---- what it holds -----------------------------------------------------------------------

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
        """Give every parameter and buffer fresh values from the seed.

        Parameters
        ----------
        seed, offset : int
            The stream and where in it to start.

        Returns
        -------
        int
            The stream's next position, for the next module.
        """
        for _, parameter in self.parameters():
            parameter.initialize(seed, offset)
            offset += parameter.value.size
        for _, module in self.modules():
            offset = module.reset(seed, offset)
        return offset

    def reset(self, seed: int, offset: int) -> int:
        """Give the layer's own buffers fresh values; return the stream's next position."""
        return offset

    def seed_noise(self, seed: int, first: int = 0) -> int:
        """Give every layer that draws random numbers a seed of its own, made from this one.

        Parameters
        ----------
        seed : int
        first : int
            How many such layers other modules with this seed have, as their `seed_noise` said.

        Returns
        -------
        int
            The same count, with the layers of this module.
        """
        for _, module in self.modules():
            if "seed" in vars(module):
                first += 1
                module.__dict__["seed"] = derived_seed(seed, first)
        return first

    def freeze(self) -> None:
        """Promise that no parameter changes before `thaw`.

        Layers then keep their weights in the form that their products want. Outputs stay the same.
        """
        for _, module in self.modules():
            if module.packs:
                module._packed = _core.Packed()

    def thaw(self) -> None:
        """Take parameters as they are again."""
        for _, module in self.modules():
            if module.packs:
                module._packed = None

    # ---- scratch arrays ----------------------------------------------------------------------

    def scratch(self, name: str, shape: Shape, dtype: Any = np.float32) -> np.ndarray:
        """Return an uninitialised array that the layer keeps between calls, by name.

        Smaller batches get views of the array of the largest one, so that training allocates
        nothing after its first steps. By convention ``y`` is the output. A name has one dtype.
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
        """Leave scratch arrays, packed weights and what backward needs out of copies, pickles."""
        left_out = ("_scratch", "_packed", "_kept")
        return {k: v for k, v in vars(self).items() if k not in left_out}

    # ---- repr --------------------------------------------------------------------------------

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

    An optimiser step is one call.

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
        self._link()

    def _link(self) -> None:
        """Move the parameters' values into one buffer; gradients start at zero."""
        size = sum(self._room(p.value.size) for p in self.named.values())
        self.value, self.grad = np.zeros(size, np.float32), np.zeros(size, np.float32)
        values, grads = self.split(self.value), self.split(self.grad)
        for name, parameter in self.named.items():
            values[name][...] = parameter.value
            parameter.value, parameter.grad = values[name], grads[name]

    def forget_gradients(self) -> None:
        """Make all gradients zero: each when it is first looked at, unless it is overwritten."""
        for parameter in self.named.values():
            parameter.forget_grad()

    def whole_gradient(self) -> np.ndarray:
        """Return `grad` with zeros where no backward pass has been since they were forgotten."""
        for parameter in self.named.values():
            _ = parameter.grad
        return self.grad

    def start(self, prefix: str) -> int:
        """Return where the parameters of a module begin, or the buffers' end without any."""
        at = 0
        for name, parameter in self.named.items():
            if name.startswith(f"{prefix}."):
                break
            at += self._room(parameter.value.size)
        return at

    def split(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """Return views of an array as long as `value`, one for each parameter and of its shape."""
        parts, at = {}, 0
        for name, parameter in self.named.items():
            n = parameter.value.size
            parts[name] = array[at : at + n].reshape(parameter.shape)
            at += self._room(n)
        return parts

    def _room(self, n: int) -> int:
        return -(-n // self.ALIGN) * self.ALIGN

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle the parameters alone: they are linked afresh."""
        return {"named": self.named}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._link()

    @property
    def size(self) -> int:
        """The number of parameters, padding not counted."""
        return sum(p.value.size for p in self.named.values())

    def __repr__(self) -> str:
        return f"Flat({len(self.named)} parameters of {self.size} values)"
