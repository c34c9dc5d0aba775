"""What a fitted model is made of: modules, optimiser state and its place in the random streams."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from ..nn.containers import run, starts_flat
from ..nn.linear import Affine
from ..nn.module import Flat, Module
from .optim import Optimizer, StepSize


class Network(Module):
    """An encoder and a decoder (a quantizer, a discriminator: what a model has) in one flat buffer.

    Everything that training changes is in here, so that copying it keeps a state and saving it
    saves the model.

    Parameters
    ----------
    modules : dict of str to Module
        ``encoder`` and ``decoder``, ``decoder`` alone, or a ``pixelcnn``. A ``discriminator`` is
        put last: it takes optimiser steps of its own.
    input_shape : tuple of int
        The shape of a sample.
    seed : int
        Of every random stream: fresh parameters, shuffling, noise.

    Attributes
    ----------
    flat : Flat
        The parameters.
    moments : dict of str to ndarray
        What the optimiser keeps, each array as long as the parameters.
    conditioner : object or None
        What the model has learned of its conditions.
    table : Layout or None
        What a model of tables has learned of columns.
    pool : Pool
        The memory that gradients of activations have in training.
    steps, samples, epoch : int
        How many steps, samples and epochs training has seen. The position in every stream follows
        from `samples`.
    discriminator_steps : buffer, shape (1,)
        How many steps a discriminator has taken.
    """

    _OWN = ("flat", "pool", "_lock", "_frozen", "_changes", "_exposed")  # not in copies

    encoder: Module
    decoder: Module
    quantizer: Any  # of a VQVAE
    pixelcnn: Any  # of a PixelCNN, which has no other
    discriminator: Any  # of an adversarial model
    likelihood: Any  # of a model whose loss learns a deviation
    usual: Any  # of a model of tables: what cells cost

    def __init__(
        self, modules: Mapping[str, Module], input_shape: tuple[int, ...], seed: int
    ) -> None:
        for name, module in sorted(modules.items(), key=lambda item: item[0] == "discriminator"):
            setattr(self, name, module)
        self.input_shape, self.seed = input_shape, seed
        self.conditioner: Any = None
        self.table: Any = None
        self.optimizer = ""
        self.moments: dict[str, np.ndarray] = {}
        self.steps = self.samples = self.epoch = 0
        if "discriminator" in modules:
            self.add_buffer("discriminator_steps", np.zeros(1, np.int64))
        self.initialize(seed)
        self.seed_layers()
        self._link()

    def _link(self) -> None:
        self.flat = Flat(self.children())
        self._others = self.flat.start("discriminator")  # how much of it belongs to the others
        self.pool, self._lock = runtime.Pool(), threading.RLock()
        self._frozen = self._changes = self._exposed = False

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {k: v for k, v in state.items() if k not in self._OWN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._link()

    def seed_layers(self) -> None:
        """Give every layer that draws random numbers a seed of its own."""
        first = 0
        for _, module in self.children():
            first = module.seed_noise(self.seed, first)

    @property
    def lock(self) -> threading.RLock:
        """Held by whoever runs the network: its layers keep their outputs, so one at a time."""
        return self._lock

    # ---- whether parameters may change -----------------------------------------------------------

    @contextlib.contextmanager
    def in_training(self) -> Iterator[None]:
        """Parameters change meanwhile; the memory of gradients is the network's own."""
        self._changes = True
        self.thaw()
        try:
            with runtime.gradients_from(self.pool):
                yield
        finally:
            self._changes = self._exposed

    def expose(self) -> None:
        """Take it that somebody may write into the parameters from now on."""
        self._changes = self._exposed = True
        self.thaw()

    def rest(self) -> None:
        """Let layers keep packed weights, if parameters don't change."""
        if not (self._changes or self._frozen):
            self.freeze()

    def freeze(self) -> None:
        """Promise that no parameter changes before `thaw`."""
        super().freeze()
        self._frozen = True

    def thaw(self) -> None:
        """Take parameters as they are again."""
        super().thaw()
        self._frozen = False

    # ---- passes ---------------------------------------------------------------------------------

    def encode(
        self,
        x: np.ndarray,
        condition: np.ndarray | None = None,
        training: bool = False,
        lengths: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the encoder's output for x (n, ...), of lengths (n,), beside conditions (n, p)."""
        return run(self.encoder, self._seen(self.encoder, x, condition), training, lengths)

    def decode(
        self,
        z: np.ndarray,
        condition: np.ndarray | None = None,
        training: bool = False,
        lengths: np.ndarray | None = None,
        target: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the decoder's output for codes z (n, ...) beside conditions (n, p).

        With lengths (n,), steps behind a sample's own have no influence on the others, and are not
        to be looked at. A decoder that takes its target in training is given it.
        """
        if condition is not None:
            z = self._beside("z", z, condition)
        if training and target is not None and self.decoder.takes_target:
            forward: Any = self.decoder.forward
            return forward(z, training, lengths, target=target.reshape(len(z), *self.input_shape))
        return run(self.decoder, z, training, lengths)

    def encode_backward(self, grad: np.ndarray) -> None:
        """Add to the encoder's gradients."""
        _end(self.encoder, grad)

    def decode_backward(self, grad: np.ndarray, condition: np.ndarray | None = None) -> np.ndarray:
        """Add to the decoder's gradients; return the gradient of the codes."""
        dz = self.decoder.backward(grad)
        assert dz is not None
        return dz if condition is None else self._apart("dz", dz, condition)

    def decode_end(self, grad: np.ndarray) -> None:
        """Add to the decoder's gradients, where nothing made the codes."""
        _end(self.decoder, grad)

    def discriminate(
        self, x: np.ndarray, condition: np.ndarray | None = None, training: bool = False
    ) -> np.ndarray:
        """Return the discriminator's logits (n, 1) for x (n, ...) beside conditions (n, p)."""
        seen = self._seen(self.discriminator, x, condition)
        return run(self.discriminator, seen, training, None)

    def discriminate_backward(
        self, grad: np.ndarray, condition: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the gradient of x, perhaps in another shape.

        Those of the discriminator are no longer what they were: layers that can leave them out do.
        """
        layers = [m for _, m in self.discriminator.modules() if isinstance(m, Affine)]
        for layer in layers:
            layer.learns = False
        try:
            dx = self.discriminator.backward(grad)
        finally:
            for layer in layers:
                del layer.learns
        return dx if condition is None else self._apart("dx", dx, condition)

    def discriminate_end(self, grad: np.ndarray) -> None:
        """Add to the discriminator's gradients."""
        _end(self.discriminator, grad)

    def _seen(self, module: Module, x: np.ndarray, condition: np.ndarray | None) -> np.ndarray:
        """Return what a module that takes samples is given: beside conditions, if there are any."""
        if condition is None:
            return x
        if starts_flat(module):
            x = x.reshape(len(x), -1)
        return self._beside("x", x, condition)

    def _beside(self, name: str, x: np.ndarray, condition: np.ndarray) -> np.ndarray:
        n, width, p = len(x), x.shape[-1], condition.shape[1]
        out = self.scratch(name, (*x.shape[:-1], width + p))
        groups = out.reshape(n, -1, width + p)
        _core.concat(groups, x.reshape(n, -1, width), condition, runtime.current())
        return out

    def _apart(self, name: str, grad: np.ndarray, condition: np.ndarray) -> np.ndarray:
        """Return the gradient of what stood beside conditions."""
        n, width, p = len(grad), grad.shape[-1], condition.shape[1]
        out = self.scratch(name, (*grad.shape[:-1], width - p))
        groups = grad.reshape(n, -1, width)
        _core.concat_backward(out.reshape(n, -1, width - p), groups, runtime.current())
        return out

    # ---- steps ----------------------------------------------------------------------------------

    def part(self, name: str) -> slice:
        """Return where the parameters are that take their steps together.

        Those of the ``"discriminator"``, or with ``""`` all others.
        """
        return slice(self._others, None) if name else slice(0, self._others)

    def use(self, optimizer: Optimizer) -> None:
        """Make room for an optimiser's moments; another kind's are forgotten."""
        name = type(optimizer).__name__
        if self.optimizer != name:
            self.optimizer, self.steps = name, 0
            if hasattr(self, "discriminator"):
                self.buffer("discriminator_steps").fill(0)
            self.moments = {m: np.zeros_like(self.flat.value) for m in optimizer.moments}

    def gradient_norm(self, part: str = "") -> float:
        """Return the Euclidean norm of a part's gradients; not finite if one of them isn't."""
        gradient = self.flat.whole_gradient()[self.part(part)]
        return math.sqrt(_core.sum_squares(gradient, runtime.current()))

    def descend(
        self,
        optimizer: Optimizer,
        learning_rate: float,
        weight_decay: float,
        grad_scale: float,
        part: str = "",
    ) -> None:
        """Take a step along a part's gradients."""
        size = StepSize(learning_rate, weight_decay, self._count(part), grad_scale)
        at = self.part(part)
        moments = {name: moment[at] for name, moment in self.moments.items()}
        optimizer.step(self.flat.value[at], self.flat.grad[at], moments, size)

    def _count(self, part: str) -> int:
        """Count a step of a part; return its number."""
        if part:
            steps = self.buffer(f"{part}_steps")
            steps += 1
            return int(steps[0])
        self.steps += 1
        return self.steps

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything that a step changes: parameters, moments and buffers."""
        moments = {f"optimizer.{name}": m for name, m in self.moments.items()}
        return {"parameters": self.flat.value} | moments | dict(self.buffers())


def _end(module: Module, grad: np.ndarray) -> None:
    """Add to the gradients of a module whose input nothing made."""
    if module.gates:
        backward: Any = module.backward
        backward(grad, need_dx=False)
    else:
        module.backward(grad)


class Kept:
    """A copy of a network's arrays, to go back to, in scratch memory that the network keeps.

    Parameters
    ----------
    network : Network
    name : str
        Whose copy it is: each has memory of its own.
    arrays : mapping of str to array

    Attributes
    ----------
    copies : dict of str to array
    """

    def __init__(self, network: Network, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        self.copies = {
            key: network.scratch(f"{name}: {key}", array.shape, array.dtype)
            for key, array in arrays.items()
        }
        self._pairs = [(array, self.copies[key]) for key, array in arrays.items()]

    def keep(self) -> None:
        """Copy the arrays as they are now."""
        for array, copy in self._pairs:
            np.copyto(copy, array)

    def restore(self) -> None:
        """Give the arrays the values of the copy."""
        for array, copy in self._pairs:
            np.copyto(array, copy)
