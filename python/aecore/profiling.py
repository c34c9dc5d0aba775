"""Where the time of a training step goes: op by op, beside what the machine can do."""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from . import _core
from .base import limits, runtime
from .base.params import names
from .models.base.model import BaseModel
from .nn.ops.products import Product
from .nn.ops.shapes import Reshape
from .nn.parameter import Parameter
from .nn.tape import Op, Tape
from .training.network import Network

__all__ = ["Profile", "ProfileRow", "profile"]


def __dir__() -> list[str]:
    return __all__


SECONDS = 0.5  # of training at least that is timed
LIMIT = 0.1  # seconds that each of the machine's limits is measured for


class ProfileRow(NamedTuple):
    """One line of a `Profile`: an op of the step, or what is done beside the ops.

    Attributes
    ----------
    layer : str
        The layer whose parameters the op has, as in ``parameters_``; "" if it has none.
    op : str
        Its kind and the shapes of a sample before and after it.
    forward_ms, backward_ms : float
        Milliseconds of a step.
    share : float
        Of the whole step.
    of_peak : float
        Its multiply-adds as a share of those that the machine could do meanwhile. Convolutions that
        go by Winograd's transforms may have more than 1.
    of_bandwidth : float
        The bytes that it has to touch at least as a share of those that the machine could move.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((64, 8), np.float32)
    >>> row = ae.profile(ae.Autoencoder(ae.Dense(()), 2), X).rows[0]
    >>> row.layer, row.op, row.forward_ms > 0
    ('encoder.0', 'Linear 8 -> 2', True)
    """

    layer: str
    op: str
    forward_ms: float
    backward_ms: float
    share: float
    of_peak: float
    of_bandwidth: float


class Profile(NamedTuple):
    """The result of `profile`; it prints as a table.

    Attributes
    ----------
    rows : list of ProfileRow
        In the order of the forward pass, losses behind it; at the end the check of the gradient,
        the optimiser and the rest, which is Python, reading the batches, and sums.
    step_ms : float
        Milliseconds that a step takes.
    steps : int
        How many were timed.
    threads : int
    peak : float
        Multiply-adds of all threads, in floating point operations a second, two each.
    bandwidth : float
        Bytes a second, of arrays that no cache holds.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((64, 8), np.float32)
    >>> found = ae.profile(ae.Autoencoder(ae.Dense((6,)), 2), X)
    >>> max(found.rows, key=lambda row: row.share).share <= 1, found.step_ms > 0
    (True, True)
    """

    rows: list[ProfileRow]
    step_ms: float
    steps: int
    threads: int
    peak: float
    bandwidth: float

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield (
            f"{self.step_ms:.3f} ms a step, the mean of {self.steps}; {self.threads} threads: "
            f"{self.peak / 1e9:.0f} GFLOP/s, {self.bandwidth / 1e9:.1f} GB/s"
        )
        texts = [(r.layer, r.op) for r in self.rows]
        layer, op = (max(map(len, column)) for column in zip(("layer", "op"), *texts, strict=True))
        yield (
            f"{'layer':{layer}s}  {'op':{op}s}  {'forward':>8s} {'backward':>8s} {'share':>6s} "
            f"{'of peak':>8s} {'of bandwidth':>13s}"
        )
        for r in self.rows:
            shares = [f"{100 * x:.0f} %" if x else "" for x in (r.of_peak, r.of_bandwidth)]
            yield (
                f"{r.layer:{layer}s}  {r.op:{op}s}  {_ms(r.forward_ms)} {_ms(r.backward_ms)} "
                f"{100 * r.share:4.0f} % {shares[0]:>8s} {shares[1]:>13s}"
            )


def _ms(value: float) -> str:
    return f"{value:8.3f}" if value else " " * 8


class _Times:
    """What one line has gathered."""

    def __init__(self, layer: str, op: str) -> None:
        self.layer, self.op = layer, op
        self.seconds = [0.0, 0.0]
        self.flops = self.bytes = 0

    def row(self, whole: float, steps: int, peak: float, bandwidth: float) -> ProfileRow:
        """Return the line, for steps that took so many seconds together."""
        taken = sum(self.seconds)
        forward, back = (1e3 * s / steps for s in self.seconds)
        least = self.flops / peak, self.bytes / bandwidth
        of_peak, of_bandwidth = (x / taken if taken else 0.0 for x in least)
        return ProfileRow(self.layer, self.op, forward, back, taken / whole, of_peak, of_bandwidth)


class _TimedTape(Tape):
    """A tape that times its ops: those at equal places of steps together."""

    def __init__(self, names: dict[int, str]) -> None:
        self.names, self.known = names, dict[Any, _Times]()
        self.begin()
        super().__init__()

    def begin(self) -> None:
        """Forget what was timed."""
        self.known.clear()
        self.steps_begun = 0

    def start(self, **how: Any) -> Tape:
        self._count = itertools.count()
        self._places: dict[int, _Times] = {}
        if how.get("training"):
            self.steps_begun += 1
        return super().start(**how)

    def forward(self, op: Op) -> None:
        started = time.perf_counter()
        op.forward()
        seconds = time.perf_counter() - started
        if isinstance(op, Reshape):  # a view: nothing is done
            return
        times = self._places[id(op)] = self._times(op)
        times.seconds[0] += seconds
        times.flops += op.flops()
        times.bytes += _nbytes(op)

    def _times(self, op: Op) -> _Times:
        """Return the line of an op that comes at this place of a step."""
        key = next(self._count), type(op), op.shape[1:]
        if key not in self.known:
            self.known[key] = _Times(self._layer(op), _label(op))
        return self.known[key]

    def back(self, op: Op) -> None:
        if isinstance(op, Reshape):
            op.backward()
            return
        times = self._places.pop(id(op), None) or self._times(op)
        flops, nbytes = op.flops(), 2 * _nbytes(op)
        if isinstance(op, Product):  # a product for each gradient
            flops *= op.x.needs_grad + op.weight.learns
        else:
            flops *= 2
        started = time.perf_counter()
        op.backward()
        times.seconds[1] += time.perf_counter() - started
        times.flops += flops
        times.bytes += nbytes

    def _layer(self, op: Op) -> str:
        found = (self.names.get(id(p), "") for p in _parameters(op))
        return next((name.rpartition(".")[0] for name in found if name), "")


def _parameters(op: Op) -> Iterator[Parameter]:
    """Return the parameters that an op holds."""
    for cls in type(op).__mro__:
        for slot in getattr(cls, "__slots__", ()):
            value = getattr(op, slot, None)
            for found in value if isinstance(value, tuple | list) else (value,):
                if isinstance(found, Parameter):
                    yield found


def _inputs(op: Op) -> tuple[Any, ...]:
    try:
        return op.inputs()
    except (AttributeError, NotImplementedError):
        return ()


def _label(op: Op) -> str:
    shapes = [" x ".join(map(str, v.shape[1:])) or "1" for v in (*_inputs(op)[:1], op)]
    return f"{type(op).__name__} {' -> '.join(shapes)}"


def _nbytes(op: Op) -> int:
    """Return the bytes of an op's result, inputs and parameters, once each."""
    values = sum(math.prod(v.shape) for v in (op, *_inputs(op)) if v is not None)
    return 4 * (values + sum(p.value.size for p in _parameters(op)))


def _timed(function: Callable[..., Any], times: _Times) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            times.seconds[1] += time.perf_counter() - started

    return run


def profile(
    model: BaseModel, X: Any, y: Any = None, *, target: Any = None, sample_mask: Any = None
) -> Profile:
    """Train a copy of a model over some samples, and say where the time of a step goes.

    The model stays as it is, fitted or not. Time the samples and the number of threads that you
    train with: a few batches are enough.

    Parameters
    ----------
    model : estimator
    X, y, target, sample_mask
        As in `fit`; a pass over them is repeated for half a second at least.

    Returns
    -------
    Profile

    Raises
    ------
    TypeError
        If it isn't one of aecore's models that train a network by steps.
    ValueError
        As from `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((256, 64), np.float32)
    >>> found = ae.profile(ae.Autoencoder(ae.Dense((128,)), 8, random_state=0), X)
    >>> [row.layer for row in found.rows if row.layer]
    ['encoder.0', 'encoder.1', 'decoder.0', 'decoder.1']
    >>> 0 < sum(row.share for row in found.rows) < 1.01
    True
    """
    if not isinstance(model, BaseModel):
        raise TypeError(f"model: expected one of aecore's models, got {type(model).__name__}")
    work = copy.deepcopy(model)
    quiet = {"callbacks": (), "checkpoint": None, "verbose": 0}
    work.set_params(**{k: v for k, v in quiet.items() if k in names(type(work))})
    options = {"target": target, "sample_mask": sample_mask}
    given: dict[str, Any] = {k: v for k, v in options.items() if v is not None}
    work.partial_fit(X, y, **given)
    network: Network = work._network
    tape = _TimedTape({id(p): name for name, p in network.flat.named.items()})
    patched = vars(network)
    patched["_tapes"] = [tape]
    work.partial_fit(X, y, **given)
    tape.begin()
    beside = [_Times("", "check of the gradient"), _Times("", "optimiser")]
    patched["gradient_norm"] = _timed(network.gradient_norm, beside[0])
    patched["descend"] = _timed(network.descend, beside[1])
    started = time.perf_counter()
    while (whole := time.perf_counter() - started) < SECONDS:
        work.partial_fit(X, y, **given)
    rest = _Times("", "the rest")
    lines = [*tape.known.values(), *beside]
    rest.seconds[0] = max(0.0, whole - sum(sum(line.seconds) for line in lines))
    with runtime.threads(work.n_threads):
        peak, bandwidth = limits.fma_peak(LIMIT), limits.bandwidth(LIMIT)
    threads = work.n_threads or _core.get_num_threads()
    steps = tape.steps_begun
    rows = [line.row(whole, steps, peak, bandwidth) for line in (*lines, rest)]
    return Profile(rows, 1e3 * whole / steps, steps, threads, peak, bandwidth)
