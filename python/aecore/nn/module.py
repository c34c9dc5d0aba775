"""What every layer is: parameters and a forward pass."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Iterator
from typing import Any, overload

import numpy as np

from .. import _core
from ..base.streams import derived_seed
from .parameter import Parameter
from .tape import Op, Shape, Tape, Value, current


def shown(**options: tuple[Any, Any]) -> str:
    """Return what a repr says of options, each given as (value, default): the unusual ones."""
    return "".join(f", {name}={v!r}" for name, (v, default) in options.items() if v != default)


@functools.cache
def _signature(cls: type) -> inspect.Signature:
    return inspect.signature(cls.__init__)  # type: ignore[misc]


class Module:
    """A layer or a composition of layers.

    A subclass assigns its `Parameter` objects, buffers (`add_buffer`) and child modules as
    attributes, and implements `forward`, from values to a value. What NumPy's operators and
    functions do with values is differentiated, and so is what other layers do: there is no backward
    pass to write. The tape that a value is on, ``x.tape``, says whether this is training, how long
    sequences are, and what the output should be: see `Tape`.

    Called with an array, a layer gives an array.
    """

    _packed: _core.Packed | None = None
    _has_backward = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Keep the arguments, for `config`."""
        self = super().__new__(cls)
        self.__dict__["_arguments"] = (args, kwargs)
        return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "backward" in vars(cls):  # as in 0.1.0: forward and backward, from arrays to arrays
            cls._has_backward = True

    def forward(self, x: Any) -> Any:
        """Return the output for a batch."""
        raise NotImplementedError

    @overload
    def __call__(self, x: Value) -> Value: ...

    @overload
    def __call__(self, x: np.ndarray, training: bool = False) -> np.ndarray: ...

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Return the output for a batch of values; for an array, the array that comes out."""
        if isinstance(x, Value):
            if self._has_backward:
                return _Old(self, x)
            if current() is x.tape:
                return self.forward(x)
            with x.tape:
                return self.forward(x)
        tape = Tape(training=training, records=False)
        with tape:
            return self(tape.constant(np.ascontiguousarray(x, np.float32))).data

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of one sample's output for one sample's input, or raise ValueError."""
        if self._has_backward:
            name = type(self).__name__
            raise NotImplementedError(f"{name}: expected output_shape beside backward, got none")
        with Tape(abstract=True) as tape:
            found: Shape = self.forward(tape.placeholder((1, *shape))).shape[1:]
        return found

    def config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, with defaults: what makes it again."""
        if "_arguments" not in vars(self):
            name = type(self).__name__
            raise ValueError(f"{name}: expected its arguments, got none: aecore 0.1.0 kept none")
        args, kwargs = vars(self)["_arguments"]
        cls: Any = type(self)
        bound = _signature(cls).bind(self, *args, **kwargs)
        bound.apply_defaults()
        found: dict[str, Any] = {}
        for name, value in list(bound.arguments.items())[1:]:
            kind = bound.signature.parameters[name].kind
            found |= value if kind is inspect.Parameter.VAR_KEYWORD else {name: value}
        return found

    # ---- what it holds -----------------------------------------------------------------------

    def add_buffer(self, name: str, value: np.ndarray) -> None:
        """Hold an array that is part of the state but isn't learned by gradients."""
        self.__dict__.setdefault("_buffers", {})[name] = value

    def buffer(self, name: str) -> np.ndarray:
        return self.__dict__["_buffers"][name]

    def scratch(self, name: str, shape: Shape, dtype: Any = np.float32) -> np.ndarray:
        """Return an uninitialised array, for a layer of 0.1.0 with a backward pass of its own."""
        return np.empty(shape, dtype)

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

    def use_init(self, init: str, gain: float) -> None:
        """Say how the layer's own weights are drawn afresh: see `aecore.nn.init`."""

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

    def freeze(self, shared: bool = False, half: bool = False) -> None:
        """Promise that no parameter changes before `thaw`.

        Layers then keep their weights in the form that their products want. Outputs stay the same.

        Parameters
        ----------
        shared : bool
            Whether threads run the layers at the same time.
        half : bool
            Whether linear layers keep theirs as bfloat16, which the weights are to have been
            rounded to.
        """
        for _, module in self.modules():
            module._packed = _core.Packed(shared=shared, half=half)

    def thaw(self) -> None:
        """Take parameters as they are again."""
        for _, module in self.modules():
            module._packed = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave packed weights out of copies and pickles."""
        return {k: v for k, v in vars(self).items() if k != "_packed"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state, perhaps of 0.1.0, which kept no arguments."""
        vars(self).clear()
        vars(self).update(state)

    # ---- for PyTorch ------------------------------------------------------------------------

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        """Say how PyTorch calls and lays out the weights of the layer of the same kind.

        Parameters
        ----------
        walk : aecore.exchange's
            Collects them.
        name : str
            Of the layer there.
        shape : tuple of int or None
            Of a sample of its input, if known.

        Returns
        -------
        int
            How many layers of a Sequential it is there.
        """
        raise NotImplementedError(f"{name}: {type(self).__name__} has no layout in PyTorch")

    # ---- repr --------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        lines = [f"  ({n}): " + repr(c).replace("\n", "\n  ") for n, c in self.children()]
        inner = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({inner})"
        return f"{type(self).__name__}({inner}\n" + "\n".join(lines) + "\n)"


class _Old(Op):
    """A layer with a backward pass of its own, as 0.1.0 had them: from arrays to arrays."""

    __slots__ = ("module", "taken", "x")

    @property
    def heeds_lengths(self) -> bool:  # type: ignore[override]
        return "lengths" in self.taken

    def __init__(self, module: Any, x: Value) -> None:
        self.module, self.x = module, x
        x.uses += 1
        shape = x.shape  # until there is an output
        if x.tape.abstract:
            shape = (x.shape[0], *module.output_shape(x.shape[1:]))
        self.taken = inspect.signature(module.forward).parameters
        self.place(x.tape, shape, x.tape.records)

    def forward(self) -> None:
        tape = self.tape
        options = {"training": tape.training, "lengths": tape.lengths, "target": tape.target}
        options = {name: value for name, value in options.items() if name in self.taken}
        self._data = np.ascontiguousarray(self.module.forward(self.x.data, **options), np.float32)
        self.shape = self._data.shape

    def backward(self) -> None:
        assert self.grad is not None
        dx = self.module.backward(self.grad if self._owned else self.grad.copy())
        if self.x.needs_grad and dx is not None:
            self.x.add_grad(np.ascontiguousarray(dx, np.float32), owned=False)

    def forget(self) -> None:
        self.x = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)

    def onnx(self, graph: Any) -> str:
        name = type(self.module).__name__
        raise NotImplementedError(f"{name} has a backward pass of its own, and no form in ONNX")


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
            parameter._is_stale = True

    def whole_gradient(self) -> np.ndarray:
        """Return `grad` with zeros where no backward pass has been since they were forgotten."""
        for parameter in self.named.values():
            if parameter._is_stale:
                parameter.grad.fill(0)
        return self.grad

    def take_gradient(self, values: np.ndarray) -> None:
        """Give all gradients values, in an array as long as `grad`."""
        np.copyto(self.grad, values)
        for parameter in self.named.values():
            parameter._is_stale = False

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
