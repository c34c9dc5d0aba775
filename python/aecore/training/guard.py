"""What happens when numbers stop being finite: the last finite state comes back, and a name.

Checking costs nothing extra: the loss and the gradient's norm are known in every step.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core, _workspace
from ..nn.module import Module
from .batches import Batch
from .network import Kept, Network


class Guard:
    """Keeps what a step may spoil, for a network in training.

    A pass may spoil buffers (running statistics, codebook counts), so those are kept before every
    step. A step along finite gradients can spoil parameters only by overflow; for that the state at
    the beginning of the epoch is kept too.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._buffers = Kept(network, "step", dict(network.buffers()))
        self._all = Kept(network, "epoch", network.arrays())
        self._counters = network.steps, network.samples

    def begin_epoch(self) -> None:
        """Keep everything."""
        self._all.keep()
        self._counters = self.network.steps, self.network.samples

    def begin_step(self) -> None:
        """Keep the buffers."""
        self._buffers.keep()

    def failed(self, i: int, batch: Batch, step: Callable[[], Any], loss: float) -> Exception:
        """Restore the last finite state; return the error to raise after batch i's passes."""
        self._buffers.restore()
        where = first_not_finite(self.network, batch, step)
        self._buffers.restore()
        self._restore_parameters()
        gradient = "its gradient is not" if math.isfinite(loss) else ""
        what = f"the loss is {loss:g}" + (f", but {gradient}" if gradient else "")
        return FloatingPointError(self._message(i, what, where))

    def check_epoch(self, i: int) -> None:
        """Raise FloatingPointError if a parameter overflowed in an epoch whose last batch was i."""
        network = self.network
        if math.isfinite(_core.sum_squares(network.flat.value, _workspace.current())):
            return
        bad = (n for n, p in network.parameters() if not np.isfinite(p.value).all())
        where = f"the parameter {next(bad)}"
        self._restore_parameters()
        raise FloatingPointError(self._message(i, "a step was too large", where))

    def _restore_parameters(self) -> None:
        if not math.isfinite(_core.sum_squares(self.network.flat.value, _workspace.current())):
            self._all.restore()
            self.network.steps, self.network.samples = self._counters

    def _message(self, i: int, what: str, where: str) -> str:
        return (
            f"training stopped in epoch {self.network.epoch + 1}, batch {i + 1}: {what}; the first "
            f"that is not finite is {where}. The model is in its last finite state. A lower "
            "learning_rate, clip_norm or scaled data may help."
        )


def first_not_finite(network: Network, batch: Batch, step: Callable[[], Any]) -> str:
    """Run a step again and name the first layer whose output or gradient isn't finite."""
    if not np.isfinite(batch.x).all():
        return "the corrupted input"
    found: list[str] = []
    watched: list[tuple[Module, str]] = []

    def watch(name: str, module: Module, method: str) -> None:
        original = getattr(module, method)

        @functools.wraps(original)
        def run(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            arrays = [result] if method == "forward" else gradients(module, result)
            if not found and not all(np.isfinite(a).all() for a in arrays if a is not None):
                what = "output" if method == "forward" else "gradient"
                found.append(f"the {what} of {name}, {type(module).__name__}")
            return result

        setattr(module, method, run)
        watched.append((module, method))

    for name, module in network.modules():
        if module is not network:  # what is inside a module comes first
            watch(name, module, "forward")
            watch(name, module, "backward")
    network.flat.grad.fill(0)
    try:
        step()
    finally:
        for module, method in watched:
            delattr(module, method)
    return found[0] if found else "the loss itself"


def gradients(module: Module, dx: Any) -> list[Any]:
    """Return what a layer's backward pass gave."""
    return [dx, *(p.grad for _, p in module.parameters())]
