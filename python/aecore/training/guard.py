"""Non-finite numbers in training: the last finite state is restored, and the layer named.

Checking costs next to nothing: the loss and the gradient's norm are known in every step.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from ..data.batches import Batch
from ..nn.module import Module
from ..nn.tape import Op, Tape, Value
from .group import over_rows
from .network import Network, Snapshot
from .optim import Optimizer

# Below these a step can't overflow: Adam squares gradients, 1e30, and moves a parameter by a few
# times the rate, SGD by the rate times what gradients come to, 1e15 over 1 - momentum.
LARGE = 1e15  # of parameters, moments and gradients
LARGE_RATE = 1e3
LARGE_DECAY = 1.0
LOSS = "the loss itself"
FAR = 0.5  # of the parameters' norm: a step that goes so far may end where the loss isn't finite


class Guard:
    """Keeps the last finite state of a network in training.

    A pass may make buffers (running statistics, codebook counts) non-finite, so those are copied
    before every step. A step along finite gradients makes parameters and moments non-finite only by
    overflow; those are copied before steps that are near it, which are checked. They are copied too
    before a step that goes far, until the loss behind it is known to be finite.

    Parameters
    ----------
    network : Network
    phases : int
        How many steps a batch gives.
    """

    def __init__(self, network: Network, phases: int = 1) -> None:
        self.network, self._phases = network, phases
        self._before: Snapshot | None = None  # steps that went far
        self._steps = self._unsure = 0  # its number of steps, and how many passes may still fail
        self._size = 0.0  # the norm of the parameters
        self._buffers = Snapshot(dict(network.buffers()))
        self._careful = True

    def begin_epoch(self) -> None:
        """See whether any number is so large that every step needs checking."""
        arrays = self.network.flat.value, *self.network.moments.values()
        self._size, *others = map(_norm, arrays)
        self._careful = not all(norm < LARGE for norm in (self._size, *others))

    def begin_step(self) -> None:
        """Copy the buffers."""
        self._buffers.update()

    def descend(
        self,
        i: int,
        norm: float,
        optimizer: Optimizer,
        rate: float,
        decay: float,
        scale: float,
        part: str = "",
    ) -> None:
        """Take batch i's step; if that overflows, undo it and raise FloatingPointError."""
        network, step = self.network, (optimizer, rate, decay, scale, part)
        if self._unsure:
            self._unsure -= 1  # this pass went well
        if optimizer.reach(rate, norm * scale, network.flat.value.size) > FAR * self._size:
            self._keep()
        small = norm * scale < LARGE and rate <= LARGE_RATE and decay <= LARGE_DECAY
        if small and not self._careful:
            network.descend(*step)
            return
        kept, steps = Snapshot(network.arrays()), network.steps
        network.descend(*step)
        arrays = {f"the parameter {name}": p.value for name, p in network.parameters()}
        arrays |= {f"the optimizer's {name}": moment for name, moment in network.moments.items()}
        bad = next((name for name, a in arrays.items() if not np.isfinite(a).all()), None)
        if bad is not None:
            kept.restore()
            self._buffers.restore()
            network.steps = steps
            raise FloatingPointError(self._message(i, "a step was too large", bad))

    def _keep(self) -> None:
        """Copy all that steps change, if what was copied before isn't wanted any more."""
        if not self._unsure:
            if self._before is None:
                self._before = Snapshot(self.network.arrays())
            else:
                self._before.update()
            self._steps = self.network.steps
        self._unsure = self._phases

    def failed(
        self, i: int, batch: Batch, runs: Sequence[Callable[[Batch], Any]], loss: float
    ) -> Exception:
        """Restore the last finite state; return the error to raise after batch i's passes.

        The last of the runs has failed; it needs what those before it computed.
        """
        self._buffers.restore()
        where = _first_of_all(first_not_finite(self.network, batch, runs) if batch.n else LOSS)
        self._buffers.restore()
        if self._unsure and self._before is not None:
            self._before.restore()
            self.network.steps = self._steps
        gradient = "its gradient is not" if math.isfinite(loss) else ""
        what = f"the loss is {loss:g}" + (f", but {gradient}" if gradient else "")
        return FloatingPointError(self._message(i, what, where))

    def _message(self, i: int, what: str, where: str) -> str:
        return (
            f"training stopped in epoch {self.network.epoch + 1}, batch {i + 1}: {what}; the first "
            f"that is not finite is {where}. The model is in its last finite state. A lower "
            "learning_rate, clip_norm or scaled data may help"
        )


def _first_of_all(where: str) -> str:
    """Return what one process has found, where each looks at rows of its own."""
    return next((found for found in over_rows(where) if found != LOSS), LOSS)


def _norm(array: np.ndarray) -> float:
    return math.sqrt(_core.sum_squares(array, runtime.current()))


class _Watching(Tape):
    """A tape that notes which module each op came from, and the first number that isn't finite."""

    def __init__(self) -> None:
        super().__init__()
        self.found = ""
        # by the id of a module or an op, which is kept so that no other gets the id
        self.owners: dict[int, tuple[Any, str]] = {}

    def watch(self, network: Network) -> list[Module]:
        """Note what modules do, from now on; return those that are watched."""
        modules = [(n, m) for n, m in network.modules() if m is not network]
        for name, module in modules:
            shown = f"{name}, {type(module).__name__}"
            self.owners[id(module)] = module, shown
            vars(module)["forward"] = self._noting(shown, module)
        return [module for _, module in modules]

    def _noting(self, name: str, module: Module) -> Callable[..., Any]:
        forward = module.forward

        @functools.wraps(forward)
        def run(*args: Any, **kwargs: Any) -> Any:
            before = len(self.record)
            # or else something within this layer's parent did it
            was_finite = _finite(_arrays(args))
            result = forward(*args, **kwargs)
            arrays = _arrays(result if isinstance(result, tuple) else (result,))
            for op in self.record[before:]:
                self.owners.setdefault(id(op), (op, name))  # what is inside a module came first
            if was_finite and not (self.found or _finite(arrays)):
                self.found = f"the output of {name}"
            return result

        return run

    def _walk(self, since: int) -> None:
        while len(self.record) > since:
            op = self.record.pop()
            if op.grad is not None:
                op.backward()
                op.grad = None
                self._look_behind(op)

    def _look_behind(self, op: Op) -> None:
        if self.found or (owner := self.owners.get(id(getattr(op, "module", op)))) is None:
            return
        arrays = [x.grad for x in op.inputs() if x.grad is not None]
        arrays += [p.grad for p in vars_of(op)]
        if not _finite(arrays):
            self.found = f"the gradient of {owner[1]}"


def vars_of(op: Op) -> list[Any]:
    """Return the parameters that an op holds."""
    slots = (name for cls in type(op).__mro__ for name in getattr(cls, "__slots__", ()))
    values = (getattr(op, name, None) for name in slots if name not in ("grad", "tape"))
    found: list[Any] = []
    for value in values:
        found += [v for v in _flat(value) if hasattr(v, "claim_grad")]
    return found


def _flat(value: Any) -> list[Any]:
    """Return what is in nested tuples and lists."""
    if isinstance(value, (tuple, list)):
        return [inner for v in value for inner in _flat(v)]
    return [value]


def first_not_finite(network: Network, batch: Batch, runs: Sequence[Callable[[Batch], Any]]) -> str:
    """Run a step again; name the first layer that makes finite numbers into others."""
    if np.isinf(batch.x).any():  # NaN is a missing cell of a table
        return "the corrupted input"
    tape = _Watching()
    watched = tape.watch(network)
    target = batch.true_output() if network.is_teacher_forced else None
    tape.start(records=True, training=True, lengths=batch.lengths, target=target)
    try:
        with tape, np.errstate(all="ignore"):
            batch.begin(tape, "on", network.seed, network.samples + batch.before)
            for run in runs:
                network.flat.forget_gradients()
                run(batch)
    finally:
        for module in watched:
            del vars(module)["forward"]
    return tape.found or LOSS


def _arrays(values: Sequence[Any]) -> list[np.ndarray]:
    """Return the arrays among some values."""
    return [np.asarray(v) for v in values if isinstance(v, (Value, np.ndarray))]


def _finite(arrays: Sequence[np.ndarray]) -> bool:
    """Return whether all numbers of some arrays are finite."""
    return all(np.isfinite(a).all() for a in arrays)
