"""The state of a fitted model: modules, optimiser and its place in the random streams."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .. import _core
from ..arch.base import conditioned_shape
from ..base import runtime
from ..base.turns import Turns
from ..data.batches import Batch
from ..data.readers import MapReader, Reader
from ..data.tables.reader import TableReader
from ..nn.containers import Sequential, starts_flat
from ..nn.linear import Linear
from ..nn.module import Flat, Module
from ..nn.ops.elementwise import Log1p, activation
from ..nn.ops.shapes import ConcatCondition, Reshape
from ..nn.recurrent import AutoregressiveLSTM
from ..nn.tape import Shape, Tape, Value
from .optim import Optimizer, StepSize

REPLAYED = 4  # samples at most that a recorded pass is used for
REPLAYED_SEALED = 512  # by a predictor, from the second time on that so many come
REPLAYED_BYTES = 1 << 24  # that its results may take
REPLAYS = 64  # of a network: of several kinds, numbers of samples and threads
REPLAYS_BYTES = 1 << 26  # that the results of all may take


class _PooledTape:
    """A context that takes a tape from a pool, and gives it back."""

    __slots__ = ("options", "tape", "tapes")

    def __init__(self, tapes: list[Tape], options: dict[str, Any]) -> None:
        self.tapes, self.options = tapes, options

    def __enter__(self) -> Tape:
        self.tape = take_tape(self.tapes).start(**self.options)
        return self.tape.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.tape.__exit__(*error)
        give_tape(self.tapes, self.tape)


def take_tape(tapes: list[Tape]) -> Tape:
    """Return a tape of a pool, or a new one."""
    try:
        return tapes.pop()
    except IndexError:
        return Tape()


def give_tape(tapes: list[Tape], tape: Tape) -> None:
    """Give a tape, whose pass is over, back to a pool."""
    tape.record.clear()
    tapes.append(tape)


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
    counts : bool
        Whether samples are counts, of which the encoder sees log(1 + x).
    is_teacher_forced : bool
        Whether a layer is trained with teacher forcing: it takes the true output.
    is_sealed : bool
        Whether nothing changes ever: any number of threads may run it at once, without the lock.
    steps, samples, epoch : int
        How many steps, samples and epochs training has seen. The position in every stream follows
        from `samples`.
    discriminator_steps : buffer, shape (1,)
        How many steps a discriminator has taken.
    """

    # not in copies; the pool is one of 0.1.0
    _OWN = (
        "flat",
        "pool",
        "is_teacher_forced",
        "code_shape",
        "_rooms",
        "_lock",
        "_training",
        "_trainer",
        "_frozen",
        "_changes",
        "_exposed",
        "_tapes",
        "is_sealed",
        "_met",
        "_replays",
        "_replays_bytes",
    )

    encoder: Module
    decoder: Module
    quantizer: Any  # of a VQVAE
    prior: Any  # of a variational model, where it isn't N(0, I)
    posterior: Any  # the flow of its posteriors, where they aren't normal
    clusters: Any  # of a DeepClustering
    pixelcnn: Any  # of a PixelCNN, which has no other
    discriminator: Any  # of an adversarial model
    likelihood: Any  # of a model whose loss learns a deviation, or dispersions
    usual: Any  # of a model of tables: what cells cost

    counts = False  # in pickles that know nothing of it
    made_with: dict[str, str] | None = None  # the parameters of the model, there too

    def __init__(
        self, modules: Mapping[str, Module], reader: Reader, seed: int, counts: bool = False
    ) -> None:
        del self.__dict__["_arguments"]  # what makes it again is the model
        for name, module in sorted(modules.items(), key=lambda item: item[0] == "discriminator"):
            setattr(self, name, module)
        self.reader, self.seed, self.counts = reader, seed, counts
        self.conditioner: Any = None
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
        self._lock, self._tapes = Turns(), list[Tape]()
        self._training, self._trainer = threading.RLock(), 0  # whose, 0 for nobody's
        _LINKED[id(self)] = self
        self.is_teacher_forced = is_teacher_forced(self)
        self.code_shape: Shape = ()  # of what a quantizer is given for a sample
        if hasattr(self, "quantizer"):
            self.code_shape = self.encoder.output_shape(self.input_shape)
        self._rooms: dict[int, Shape] = {}
        self._frozen = self._changes = self._exposed = self.is_sealed = False
        self._forget_replays()

    def __getstate__(self) -> dict[str, Any]:
        with self.lock:
            state = self._state()
            return state if self.is_mine else copy.deepcopy(state)

    def _state(self) -> dict[str, Any]:
        """Return what copies have, for as long as the lock is held."""
        return {k: v for k, v in super().__getstate__().items() if k not in self._OWN}

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        made = memo[id(self)] = type(self).__new__(type(self))
        with self.kept_still():  # without it the state is a copy already
            made.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return made

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        for name in ("_scratch", "_kept"):  # of 0.1.0
            state.pop(name, None)
        if "reader" not in state:
            table, shape = state.pop("table", None), state.pop("input_shape")
            reader = MapReader if "pixelcnn" in state else Reader
            state["reader"] = reader(shape) if table is None else TableReader(table)
        super().__setstate__(state)
        self._link()

    @property
    def table(self) -> Any:
        """What a model of tables has learned of columns, a `Layout`; None for others."""
        return getattr(self.reader, "layout", None)

    @property
    def input_shape(self) -> Shape:
        """The shape of a sample."""
        return self.reader.shape

    def seed_layers(self) -> None:
        """Give every layer that draws random numbers a seed of its own."""
        first = 0
        for _, module in self.children():
            first = module.seed_noise(self.seed, first)

    @property
    def lock(self) -> Turns:
        """Held by whoever runs the network, in training for each step: parameters change in it."""
        return self._lock

    @property
    def is_trained_elsewhere(self) -> bool:
        """Whether another thread trains it, between whose steps the lock may be had."""
        return self._trainer not in (0, threading.get_ident())

    @property
    def is_mine(self) -> bool:
        """Whether this thread trains it or keeps it still, so that no other will change it."""
        return self._training._is_owned()  # type: ignore[attr-defined]

    @contextlib.contextmanager
    def kept_still(self) -> Iterator[None]:
        """Let no training begin in this context, if none is going on; don't wait for one."""
        taken = self._training.acquire(blocking=False)
        try:
            yield
        finally:
            if taken:
                self._training.release()

    def after_fork(self) -> None:
        """Forget, in a forked child, what other threads were doing."""
        if self._lock.after_fork():
            self.thaw()  # they may have been packing weights
            self._tapes = []
        if not self.is_mine:
            self._training, self._trainer, self._changes = threading.RLock(), 0, self._exposed

    # ---- whether parameters may change -----------------------------------------------------------

    @contextlib.contextmanager
    def in_training(self) -> Iterator[None]:
        """Let parameters change in this context, which one thread at a time can be in."""
        with self._training:
            with self.lock:
                outer, self._trainer, self._changes = self._trainer, threading.get_ident(), True
                self.thaw()
            try:
                yield
            finally:
                with self.lock:
                    self._trainer = outer
                    self._changes = self._exposed or outer != 0

    def expose(self) -> None:
        """Note that the user may write into the parameters from now on."""
        with self.lock:
            self._changes = self._exposed = True
            self.thaw()

    def rest(self) -> None:
        """Freeze the parameters, unless they may change."""
        if not (self._changes or self._frozen):
            self.freeze()

    def freeze(self, shared: bool = False, half: bool = False) -> None:
        """Let layers cache what follows from parameters, which stay the same until `thaw`."""
        super().freeze(shared, half)
        self._frozen = True
        self._forget_replays()

    def sealed(self, half: bool = False) -> Network:
        """Return a copy that never changes, and has nothing that training takes.

        With `half` the weights of linear layers are rounded to bfloat16.
        """
        with self.lock:
            state = copy.deepcopy(self._state() | {"moments": {}, "optimizer": ""})
        made = Network.__new__(Network)
        made.__setstate__(state)
        if half:
            for _, module in made.modules():
                if isinstance(module, Linear):
                    round_to_half(module.weight.value)
        made.freeze(shared=True, half=half)
        made.is_sealed = True
        return made

    def thaw(self) -> None:
        """Drop what layers cached, as parameters may change."""
        super().thaw()
        self._frozen = False
        self._forget_replays()

    # ---- passes ---------------------------------------------------------------------------------

    def tape(self, **options: Any) -> _PooledTape:
        """Lend a tape for a pass, with the options of `Tape.start`: one that no other pass has."""
        return _PooledTape(self._tapes, options)

    def borrow(self, **options: Any) -> Tape:
        """Begin a pass on a tape that no other pass has, until it is given back."""
        return take_tape(self._tapes).start(**options)

    def give_back(self, tape: Tape) -> None:
        """Let others have a tape, whose pass is over."""
        give_tape(self._tapes, tape)

    def replayed(
        self,
        kind: str,
        samples: np.ndarray,
        made: Callable[[Batch], np.ndarray],
        possible: Callable[[], bool],
    ) -> np.ndarray | None:
        """Return what is made of a few samples, by the calls of an earlier pass over others.

        To set a pass up takes longer than to run a single sample's products.

        Parameters
        ----------
        kind : str
            Of what is made.
        samples : ndarray
            Samples as users give them, without conditions and masks.
        made : callable
            Makes it of a batch in a pass.
        possible : callable
            Says whether such samples, if they are plain, may be taken as they are.

        Returns
        -------
        ndarray, or None
            None while parameters may change, and for passes that can't be made again.
        """
        if not self._frozen:
            return None
        key = kind, samples.shape[:1], runtime.current()
        known = self._replays.get(key)
        if known is None and key not in self._replays:
            if not (samples.ndim and self._is_worth_recording(key, len(samples))):
                return None
            if not possible() or not self.reader.is_plain(samples):
                return None
            known, nbytes = recorded(self, samples, made)
            if len(self._replays) >= REPLAYS or self._replays_bytes + nbytes > REPLAYS_BYTES:
                self._forget_replays()  # of threads that may be gone, and of other numbers
            self._replays[key] = known
            self._replays_bytes += nbytes
        return None if known is None else known(samples)

    def _is_worth_recording(self, key: Any, n: int) -> bool:
        """Whether a pass over n samples is short, or comes again to a predictor."""
        if n <= REPLAYED or n > REPLAYED_SEALED or not self.is_sealed:
            return n <= REPLAYED
        if key in self._met:
            return True
        if len(self._met) >= REPLAYS:
            self._met.clear()
        self._met.add(key)
        return False

    def _forget_replays(self) -> None:
        self._replays: dict[Any, _core.Replay | None] = {}
        self._replays_bytes, self._met = 0, set[Any]()

    def encode(self, x: Value, condition: Value | None = None) -> Value:
        """Return the encoder's output for x (n, ...) beside conditions (n, p)."""
        return self.encoder(conditioned(self.encoder, self.seen(x), condition))

    def seen(self, x: Value) -> Value:
        """Return what the encoder sees of samples: x, or log(1 + x) of counts."""
        return Log1p(activation(x, "relu")) if self.counts else x

    def decode(self, z: Value, condition: Value | None = None) -> Value:
        """Return the decoder's output for codes z (n, ...) beside conditions (n, p)."""
        return self.decoder(z if condition is None else ConcatCondition(z, condition))

    def discriminate(self, x: Value, condition: Value | None = None) -> Value:
        """Return the discriminator's logits (n, 1) for x (n, ...) beside conditions (n, p)."""
        return self.discriminator(conditioned(self.discriminator, x, condition))

    # ---- sequences of other lengths than in fit --------------------------------------------------

    def takes_steps(self, steps: int, condition: int, latent: int) -> bool:
        """Return whether encoder and decoder work on sequences of so many steps.

        `condition` is the width of a condition's vectors, `latent` that of codes.
        """
        usual, features = self.input_shape
        given = conditioned_shape(self.encoder, (steps, features), condition)
        with Tape(abstract=True, longer=(usual, steps)) as tape:
            try:
                self.encoder(tape.placeholder((1, *given)))
                restored = self.decoder(tape.placeholder((1, latent + condition)))
            except (ValueError, NotImplementedError):
                return False
        return restored.shape[1:] == (steps, features)

    # ---- images of other sizes than in fit -------------------------------------------------------

    @property
    def has_code(self) -> bool:
        """Whether the encoder makes something of samples, rather than passing them on."""
        return not isinstance(self.encoder, Sequential) or bool(self.encoder.layers)

    def room(self, condition: int) -> Shape:
        """Return height and width of an image's code in fit, () where it is a vector."""
        if len(self.input_shape) != 3:
            return ()
        if condition not in self._rooms:
            given = conditioned_shape(self.encoder, self.input_shape, condition)
            found = self.encoder.output_shape(given)
            self._rooms[condition] = tuple(found[:-1]) if len(found) == 3 else ()
        return self._rooms[condition]

    def takes_size(self, shape: Shape, condition: int, latent: int) -> bool:
        """Return whether encoder and decoder restore images (H, W, C) of a shape.

        `condition` is the width of a condition's vectors, `latent` that of what the decoder takes.
        """
        given = conditioned_shape(self.encoder, shape, condition)
        with Tape(abstract=True) as tape:
            try:
                room = self.encoder(tape.placeholder((1, *given))).shape[1:-1]
                restored = self.decoder(tape.placeholder((1, *room, latent + condition)))
            except (ValueError, NotImplementedError):
                return False
        return restored.shape[1:] == shape and len(room) == 2

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
            moments = {m: np.zeros_like(self.flat.value) for m in optimizer.moments}
            with self.lock:
                self.optimizer, self.steps, self.moments = name, 0, moments
                if hasattr(self, "discriminator"):
                    self.buffer("discriminator_steps").fill(0)

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


# ---- forks --------------------------------------------------------------------------------------

_LINKED: weakref.WeakValueDictionary[int, Network] = weakref.WeakValueDictionary()
_forking = threading.local()
_PATIENCE = 1.0  # seconds that a fork waits for a training's step


def _networks() -> list[Network]:
    """Return the networks that there are; other threads may make new ones meanwhile."""
    found = [reference() for reference in _LINKED.valuerefs()]
    return [network for network in found if network is not None]


def _before_fork() -> None:
    """Wait for the end of steps that others take: the child has its parameters for good."""
    _forking.held = [n for n in _networks() if n.is_trained_elsewhere and n.lock.acquire(_PATIENCE)]


def _after_fork_in_parent() -> None:
    for network in _forking.__dict__.pop("held", ()):
        network.lock.release()


def _after_fork_in_child() -> None:
    _after_fork_in_parent()
    for network in _networks():
        network.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


def is_teacher_forced(module: Module) -> bool:
    """Return whether a layer inside is trained with teacher forcing."""
    return any(isinstance(inner, AutoregressiveLSTM) for _, inner in module.modules())


def conditioned(module: Module, x: Value, condition: Value | None) -> Value:
    """Return the input of a module that takes samples x, with the conditions, if any, appended."""
    if condition is None:
        return x
    if starts_flat(module):
        x = Reshape(x, (x.shape[0], math.prod(x.shape[1:])))
    return ConcatCondition(x, condition)


def round_to_half(weight: np.ndarray) -> None:
    """Round an array of float32 to what bfloat16 holds, ties to even, in place."""
    bits = weight.view(np.uint32)
    bits += np.uint32(0x7FFF) + (bits >> 16 & 1)
    bits &= np.uint32(0xFFFF0000)


class Snapshot:
    """A copy of a network's arrays, to go back to.

    Parameters
    ----------
    arrays : mapping of str to array

    Attributes
    ----------
    copies : dict of str to array
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.copies = {key: array.copy() for key, array in arrays.items()}
        self._pairs = [(array, self.copies[key]) for key, array in arrays.items()]

    def update(self) -> None:
        """Copy the arrays as they are now."""
        for array, kept in self._pairs:
            np.copyto(kept, array)

    def restore(self) -> None:
        """Give the arrays the values of the copy."""
        for array, kept in self._pairs:
            np.copyto(array, kept)


class InferencePass(_PooledTape):
    """A context for a pass over a batch that nothing is learned from; see `Batch.begin`."""

    __slots__ = ("_batch", "_errors", "_how")

    def __init__(
        self,
        network: Network,
        batch: Batch,
        noise: str = "off",
        seed: int = 0,
        position: int = 0,
        records: bool = False,
        *,
        tape: Tape | None = None,
        calls: list[Any] | None = None,
    ) -> None:
        self._batch, self._how = batch, (noise, seed, position)
        shape, usual = batch.x.shape[1:], network.input_shape
        longer = None
        if shape != usual and len(shape) == len(usual) == 2:  # longer sequences than in fit
            longer = usual[0], shape[0]
        options = {"records": records, "lengths": batch.lengths, "longer": longer, "calls": calls}
        super().__init__(network._tapes if tape is None else [tape], options)
        self._errors = np.errstate(all="ignore")

    def __enter__(self) -> Batch:  # type: ignore[override]
        tape = super().__enter__()
        self._errors.__enter__()
        return self._batch.begin(tape, *self._how)

    def __exit__(self, *error: Any) -> None:
        self._batch.end()
        self._errors.__exit__(*error)
        super().__exit__(*error)


def recorded(
    network: Network, samples: np.ndarray, made: Callable[[Batch], np.ndarray]
) -> tuple[_core.Replay | None, int]:
    """Make a pass over few samples and record the calls of the core that it consists of.

    Returns
    -------
    Replay, or None
        None where there is more to the pass than calls, or much memory: layers of the user's may
        do anything.
    int
        The bytes that it holds.
    """
    package = __name__.partition(".")[0]
    if any(type(m).__module__.partition(".")[0] != package for _, m in network.modules()):
        return None, 0
    batch, tape, calls = Batch(len(samples)), Tape(), list[Any]()
    batch.x, batch.target = samples.copy(), samples.reshape(len(samples), -1)
    with InferencePass(network, batch, tape=tape, calls=calls):
        out = made(batch)
    if tape.calls is None or tape.nbytes > REPLAYED_BYTES:
        return None, 0
    return _core.Replay(batch.x, tuple(calls), out), tape.nbytes + samples.nbytes
