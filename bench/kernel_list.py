"""The kernels that are timed, in groups: each group is a function that makes its kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aecore as ae
import numpy as np
from aecore import _core
from aecore.base import runtime

BATCH = 128
ROWS = 8192  # of what is to be larger than caches
# Layers of the workloads: image, channels in and out, kernel, stride, padding.
CONVOLUTIONS = (
    (32, 3, 32, 4, 2, 1),
    (16, 32, 64, 4, 2, 1),
    (8, 64, 128, 4, 2, 1),
    (32, 3, 64, 4, 2, 1),
    (16, 64, 128, 4, 2, 1),
    (8, 128, 128, 3, 1, 1),
    (8, 128, 32, 3, 1, 1),
    (8, 32, 128, 1, 1, 0),
    (8, 128, 64, 1, 1, 0),
    (8, 64, 128, 3, 1, 1),
)
# Of the decoders.
TRANSPOSED = (
    (4, 128, 64, 4, 2, 1),
    (8, 64, 32, 4, 2, 1),
    (16, 32, 3, 4, 2, 1),
    (8, 128, 64, 4, 2, 1),
    (16, 64, 3, 4, 2, 1),
)
# M x K -> N
PRODUCTS = (
    (BATCH, 784, 512),
    (BATCH, 512, 256),
    (BATCH, 256, 32),
    (BATCH, 2048, 512),
    (4096, 64, 256),
    (1024, 1024, 1024),
)


@dataclass(frozen=True)
class Kernel:
    """A kernel on inputs of one size.

    Attributes
    ----------
    name : str
    run : callable
    bytes : float
        What has to be read and written at least.
    flops : float
        Operations, or 0 for what is limited by memory alone.
    winograd : bool
    """

    name: str
    run: Callable[[], Any]
    bytes: float
    flops: float = 0.0
    winograd: bool = False


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def size(*arrays: np.ndarray) -> float:
    return float(sum(a.nbytes for a in arrays))


def linear(quick: bool) -> Iterator[Kernel]:
    ws = runtime.current()
    for m, k, n in PRODUCTS[2:3] if quick else PRODUCTS:
        x, w, b, y = normal(m, k), normal(n, k), normal(n), normal(m, n)
        dx, dw, db = map(np.empty_like, (x, w, b))
        moved, flops, name = size(x, w, y), 2.0 * m * k * n, f"linear {m} x {k} -> {n}"

        def forward(y: Any = y, x: Any = x, w: Any = w, b: Any = b) -> None:
            _core.linear(y, x, w, b, "relu", False, None, None, ws)

        def backward(
            dx: Any, dw: Any, db: Any, y: Any = y, x: Any = x, w: Any = w
        ) -> Callable[[], None]:
            return lambda: _core.linear_backward(
                dx, dw, db, y, x, w, None, False, (False, False), ws
            )

        yield Kernel(f"{name}, forward", forward, moved, flops)
        yield Kernel(f"{name}, dx", backward(dx, None, None), moved, flops)
        yield Kernel(f"{name}, dw", backward(None, dw, db), moved, flops)


class Convolution:
    """One layer's arrays, and the three products among them."""

    def __init__(self, geometry: tuple[int, ...], transposed: bool, n: int) -> None:
        self.side, c, k, r, s, p = geometry
        self.transposed, self.geometry = transposed, ((s, s), (p, p), (1, 1), 1)
        self.out_side = (self.side - 1) * s - 2 * p + r if transposed else None
        if self.out_side is None:
            self.out_side = (self.side + 2 * p - r) // s + 1
        self.x, self.w = normal(n, self.side, self.side, c), normal(k, r, r, c)
        self.y = normal(n, self.out_side, self.out_side, k)
        small = self.side if transposed else self.out_side
        self.flops = 2.0 * n * small**2 * r * r * c * k
        name = "conv_transpose2d" if transposed else "conv2d"
        self._forward = getattr(_core, name)
        self._backward = getattr(_core, f"{name}_backward")
        self._other = _core.conv2d if transposed else _core.conv_transpose2d
        self.name = f"{name} {self.side} x {self.side} x {c} -> {k}, {r} x {r} / {s}"

    def forward(self, winograd: bool = True) -> np.ndarray:
        ws = runtime.current()
        self._forward(self.y, self.x, self.w, None, None, *self.geometry, winograd, None, None, ws)
        return self.y

    def backward(self, dx: np.ndarray | None, dw: np.ndarray | None) -> None:
        ws = runtime.current()
        self._backward(dx, dw, None, self.y, self.x, self.w, None, *self.geometry, (False,) * 2, ws)

    def transforms(self) -> tuple[bool, bool]:
        """Return whether forward pass and input gradient go through Winograd's transforms.

        The transforms round otherwise, so the bits tell: an input gradient is the other kind of
        convolution.
        """
        first = self.forward().copy()
        forward = not np.array_equal(first, self.forward(False))
        dx, turned = np.empty_like(self.x), np.ascontiguousarray(self.w.transpose(3, 1, 2, 0))
        self.backward(dx, None)
        direct, ws = np.empty_like(dx), runtime.current()
        self._other(direct, self.y, turned, None, None, *self.geometry, False, None, None, ws)
        return forward, not np.array_equal(dx, direct)


def _convolutions(layers: Any, transposed: bool, quick: bool) -> Iterator[Kernel]:
    for geometry in layers[-1:] if quick else layers:
        c = Convolution(geometry, transposed, 2 if quick else BATCH)
        forward, gradient = c.transforms()
        dx, dw, moved = np.empty_like(c.x), np.zeros_like(c.w), size(c.x, c.w, c.y)
        yield Kernel(f"{c.name}, forward", c.forward, moved, c.flops, forward)
        run: Callable[[], None] = lambda c=c, dx=dx: c.backward(dx, None)  # noqa: E731
        yield Kernel(f"{c.name}, dx", run, moved, c.flops, gradient)
        # The weight gradient is the product of the small image's convolution.
        run = lambda c=c, dw=dw: c.backward(None, dw)  # noqa: E731
        yield Kernel(f"{c.name}, dw", run, moved, c.flops, gradient if transposed else forward)


def convolutions(quick: bool) -> Iterator[Kernel]:
    yield from _convolutions(CONVOLUTIONS, False, quick)
    yield from _convolutions(TRANSPOSED, True, quick)


def attention(quick: bool) -> Iterator[Kernel]:
    n, t, h, d = (2, 8, 4, 16) if quick else (64, 64, 4, 16)
    ws, options = runtime.current(), (None, False, d**-0.5)
    qkv, y, lse = normal(n, t, 3, h, d), normal(n, t, h, d), normal(n, h, t)
    dy, dqkv, product = normal(n, t, h, d), np.empty_like(qkv), 2.0 * n * h * t * t * d
    _core.self_attention(y, lse, qkv, *options, ws)
    name, moved = f"self_attention {n} x {t}, {h} heads of {d}", size(qkv, y)

    def forward() -> None:
        _core.self_attention(y, lse, qkv, *options, ws)

    def backward() -> None:
        _core.self_attention_backward(dqkv, dy, y, lse, qkv, *options, ws)

    yield Kernel(f"{name}, forward", forward, moved, 2 * product)
    yield Kernel(f"{name}, backward", backward, size(qkv, dqkv, y, dy), 5 * product)


def passes(layer: Any, x: np.ndarray, grad: np.ndarray) -> tuple[Callable[[], Any], ...]:
    """Return functions that run a layer forward, and back from what one pass has recorded."""
    tape = ae.nn.Tape(training=True)
    given = tape.variable(x)
    y = layer(given)
    y.settle()
    ops = list(tape.record)

    def forward() -> None:
        tape.start(records=True, training=True)
        layer(given).settle()

    def backward() -> None:
        tape.start(records=True, training=True)
        given.grad = None
        y.add_grad(grad, owned=False)
        for op in reversed(ops):
            op.backward()
            op.grad = None

    return forward, backward


def lstm(quick: bool) -> Iterator[Kernel]:
    make = getattr(ae.nn, "LSTM", None)
    if make is None:
        return
    n, t, units = (2, 4, 8) if quick else (64, 140, 64)
    for inputs in (1, units):
        layer, x, grad = make(inputs, units), normal(n, t, inputs), normal(n, t, units)
        ae.nn.Flat([("lstm", layer)])
        products = 2.0 * n * t * 4 * units * (inputs + units)
        name, moved = f"lstm {n} x {t} x {inputs} -> {units}", size(x, grad) + 4 * size(grad)
        forward, backward = passes(layer, x, grad)
        yield Kernel(f"{name}, forward", forward, moved, products)
        yield Kernel(f"{name}, backward", backward, 2 * moved, 2 * products)


def norms(quick: bool) -> Iterator[Kernel]:
    n = 8 if quick else BATCH
    layers = (
        (ae.nn.LayerNorm(64), (n * 64, 64)),
        (ae.nn.GroupNorm(8, 64), (n, 16, 16, 64)),
        (ae.nn.BatchNorm2d(64), (n, 16, 16, 64)),
    )
    for layer, shape in layers:
        ae.nn.Flat([("norm", layer)])
        x, grad = normal(*shape), normal(*shape)
        name = f"{type(layer).__name__} {' x '.join(map(str, shape))}"
        forward, backward = passes(layer, x, grad)
        yield Kernel(f"{name}, forward", forward, 2 * size(x))
        yield Kernel(f"{name}, backward", backward, 3 * size(x))


def losses(quick: bool) -> Iterator[Kernel]:
    n, features, ws = 8 if quick else ROWS, 784, runtime.current()
    x, target = normal(n, features), np.random.default_rng(0).random((n, features), np.float32)
    out, dx, weight = np.empty(n, np.float32), np.empty_like(x), np.ones(n, np.float32)
    for kind in ("mse", "l1", "bce_with_logits"):

        def run(kind: str = kind) -> None:
            _core.loss(kind, out, dx, weight, x, target, None, 1.0, ws)

        yield Kernel(f"{kind} {n} x {features}, value and gradient", run, 3 * size(x))


def optimisers(quick: bool) -> Iterator[Kernel]:
    ws = runtime.current()
    for n in (1000,) if quick else (2**20, 2**23):
        p, m, v, g = (np.zeros(n, np.float32) for _ in range(4))
        g += 1e-3

        def adam(p: Any = p, m: Any = m, v: Any = v, g: Any = g) -> None:
            _core.adam_step(p, m, v, g, 1e-3, 0.9, 0.999, 1e-8, 0.0, False, 1, 1.0, ws)

        def sgd(p: Any = p, m: Any = m, g: Any = g) -> None:
            _core.sgd_step(p, m, g, 1e-3, 0.9, 0.0, False, 2, 1.0, ws)

        yield Kernel(f"adam_step, {n} parameters", adam, 7 * size(p))
        yield Kernel(f"sgd_step with momentum, {n} parameters", sgd, 5 * size(p))


def others(quick: bool) -> Iterator[Kernel]:
    n, ws = 8 if quick else ROWS, runtime.current()
    x = normal(n, 1024)
    y = np.empty_like(x)
    for kind in ("relu", "gelu", "sigmoid"):

        def run(kind: str = kind) -> None:
            _core.activation(y, x, kind, ws)

        yield Kernel(f"{kind} {n} x 1024", run, 2 * size(x))
    z, book = normal(n, 64), normal(512, 64)
    quantized, index = np.empty_like(z), np.empty(n, np.int64)

    def quantize() -> None:
        _core.vector_quantize(quantized, index, z, book, ws)

    flops = 2.0 * z.size * len(book)
    yield Kernel(f"vector_quantize {n} x 64, 512 codes", quantize, 2 * size(z), flops)


def reductions(quick: bool) -> Iterator[Kernel]:
    ws = runtime.current()
    for n in (8,) if quick else (BATCH, ROWS):
        x, logvar = normal(n, 784), normal(n, 32)
        sums = np.empty((4, 32))

        def moments(sums: Any = sums, logvar: Any = logvar) -> None:
            _core.latent_moments(sums, logvar, logvar, ws)

        yield Kernel(f"sum {n} x 784", lambda x=x: _core.sum(x, ws), size(x))
        yield Kernel(f"span {n} x 784", lambda x=x: _core.span(x, ws), size(x))
        yield Kernel(f"latent_moments {n} x 32", moments, 2 * size(logvar))


GROUPS: dict[str, Callable[[bool], Iterator[Kernel]]] = {
    "linear": linear,
    "convolutions": convolutions,
    "attention": attention,
    "lstm": lstm,
    "norms": norms,
    "losses": losses,
    "optimisers": optimisers,
    "reductions": reductions,
    "others": others,
}
