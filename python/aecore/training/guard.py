"""What happens when numbers stop being finite: the last finite state comes back, and a name.

Checking costs next to nothing: the loss and the gradient's norm are known in every step.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from ..data.batches import Batch
from ..nn.module import Module
from .network import Kept, Network
from .optim import Optimizer

# Below these a step can't overflow: Adam squares gradients, 1e30, and moves a parameter by a few
# times the rate, SGD by the rate times what gradients come to, 1e15 over 1 - momentum.
LARGE = 1e15  # of parameters, moments and gradients
LARGE_RATE = 1e3
LARGE_DECAY = 1.0


class Guard:
    """Keeps what a step may spoil, for a network in training.

    A pass may spoil buffers (running statistics, codebook counts), so those are kept before every
    step. A step along finite gradients can spoil parameters and moments only by overflow; those are
    kept before steps that are near it, which are checked.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._buffers = Kept(network, "step", dict(network.buffers()))
        self._careful = True

    def begin_epoch(self) -> None:
        """See whether any number is so large that every step needs checking."""
        arrays = self.network.flat.value, *self.network.moments.values()
        self._careful = not all(_norm(array) < LARGE for array in arrays)

    def begin_step(self) -> None:
        """Keep the buffers."""
        self._buffers.keep()

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
        small = norm * scale < LARGE and rate <= LARGE_RATE and decay <= LARGE_DECAY
        if small and not self._careful:
            network.descend(*step)
            return
        kept, steps = Kept(network, "before", network.arrays()), network.steps
        kept.keep()
        network.descend(*step)
        arrays = {f"the parameter {name}": p.value for name, p in network.parameters()}
        arrays |= {f"the optimizer's {name}": moment for name, moment in network.moments.items()}
        bad = next((name for name, a in arrays.items() if not np.isfinite(a).all()), None)
        if bad is not None:
            kept.restore()
            self._buffers.restore()
            network.steps = steps
            raise FloatingPointError(self._message(i, "a step was too large", bad))

    def failed(self, i: int, batch: Batch, step: Callable[[], Any], loss: float) -> Exception:
        """Restore the last finite state; return the error to raise after batch i's passes."""
        self._buffers.restore()
        where = first_not_finite(self.network, batch, step)
        self._buffers.restore()
        gradient = "its gradient is not" if math.isfinite(loss) else ""
        what = f"the loss is {loss:g}" + (f", but {gradient}" if gradient else "")
        return FloatingPointError(self._message(i, what, where))

    def _message(self, i: int, what: str, where: str) -> str:
        return (
            f"training stopped in epoch {self.network.epoch + 1}, batch {i + 1}: {what}; the first "
            f"that is not finite is {where}. The model is in its last finite state. A lower "
            "learning_rate, clip_norm or scaled data may help."
        )


def _norm(array: np.ndarray) -> float:
    return math.sqrt(_core.sum_squares(array, runtime.current()))


def first_not_finite(network: Network, batch: Batch, step: Callable[[], Any]) -> str:
    """Run a step again; name the first layer that makes finite numbers into others."""
    if np.isinf(batch.x).any():  # NaN is a missing cell of a table
        return "the corrupted input"
    found: list[str] = []
    watched: list[tuple[Module, str]] = []

    def watch(name: str, module: Module, method: str) -> None:
        original = getattr(module, method)

        @functools.wraps(original)
        def run(*args: Any, **kwargs: Any) -> Any:
            was_finite = finite([args[0]])  # or else something within this layer's parent did it
            result = original(*args, **kwargs)
            arrays = [result] if method == "forward" else gradients(module, result)
            if not found and was_finite and not finite(arrays):
                what = "output" if method == "forward" else "gradient"
                found.append(f"the {what} of {name}, {type(module).__name__}")
            return result

        setattr(module, method, run)
        watched.append((module, method))

    for name, module in network.modules():
        if module is not network:  # what is inside a module comes first
            watch(name, module, "forward")
            watch(name, module, "backward")
    network.flat.forget_gradients()
    try:
        step()
    finally:
        for module, method in watched:
            delattr(module, method)
    return found[0] if found else "the loss itself"


def finite(arrays: list[Any]) -> bool:
    """Return whether all numbers of some arrays are finite; None has none."""
    return all(np.isfinite(a).all() for a in arrays if a is not None)


def gradients(module: Module, dx: Any) -> list[Any]:
    """Return what a layer's backward pass gave."""
    return [dx, *(p.grad for _, p in module.parameters())]
