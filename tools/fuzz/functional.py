"""Call `aecore.functional`, right and wrong, and compare with the twins in NumPy's float64.

Two of three calls are right: sizes, options and values are drawn, and so are the instruction set
and the number of threads. Results are to be near the twin's, the same bits on another number of
threads, in `out=` and for a sample without the others; inputs and the words around `out` stay as
they were. In the others one argument is something else, or an array of another shape, dtype,
layout or place in memory. That is a TypeError or ValueError that names an argument, before anything
is written, or a call like any other, if the twin takes it too. A MemoryError is allowed for sizes
that are numbers.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import aecore.functional as F
import numpy as np
import twin
from aecore import _core
from aecore.base import runtime
from kernels.test_functional_errors import (
    HOSTILE_ARRAYS,
    HOSTILE_NUMBERS,
    OTHER_SUBJECTS,
    VALID,
    shown,
)
from runs import Run, bound_memory

Rng = np.random.Generator
Arguments = dict[str, Any]

SIZES = np.array([0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33])
SMALL = np.array([0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7])
KINDS = (None, *_core.ACTIVATIONS)
SMOOTH = "gelu", "silu"  # whose gradients are of inputs
IN_PLACE = "param", "m", "v", "running_mean", "running_var"
STRICT = (
    "activation",
    "mse",
    "l1",
    "huber",
    "bce",
    "cross_entropy",
    "lstm",
    "gru",
)  # beside infinities
NEAR, FAR = 5e-5, 1e-3  # of a result's size; where variances may be small


def normal(rng: Rng, *shape: int) -> np.ndarray:
    scale = rng.choice([0.1, 1.0, 1.0, 3.0])
    return np.asarray(scale * rng.standard_normal(shape), np.float32)


def kernel(rng: Rng, outputs: int, *inputs: int) -> np.ndarray:
    """Draw weights for sums of about the size of what is summed up."""
    return normal(rng, outputs, *inputs) / np.float32(max(1, np.prod(inputs)) ** 0.5)


def size(rng: Rng, *, small: bool = False, least: int = 0) -> int:
    return max(least, int(rng.choice(SMALL if small else SIZES)))


def maybe(rng: Rng, value: Any) -> Any:
    return value if rng.random() < 0.7 else None


def weights(rng: Rng, *shape: int) -> np.ndarray:
    return rng.choice(np.array([0, 0, 0.5, 1, 3], np.float32), shape)


def lengths(rng: Rng, n: int, t: int) -> np.ndarray | None:
    return maybe(rng, rng.integers(0, t + 1, n))


def either(rng: Rng, low: int, high: int) -> int | tuple[int, int]:
    """Draw an integer for both axes, or one for each."""
    a, b = (int(v) for v in rng.integers(low, high + 1, 2))
    return a if rng.random() < 0.5 else (a, b)


# ---- right arguments, forward -------------------------------------------------------------------


def activation(rng: Rng) -> Arguments:
    shape = [size(rng, small=True) for _ in range(rng.integers(0, 4))]
    return {"x": normal(rng, *shape), "kind": rng.choice(KINDS)}


def attention(rng: Rng) -> Arguments:
    n, t, h, d = (size(rng, small=True) for _ in range(4))
    t = size(rng) if rng.random() < 0.3 else t
    s = t if rng.random() < 0.6 else size(rng)
    return {
        "q": normal(rng, n, t, h, d), "k": normal(rng, n, s, h, d), "v": normal(rng, n, s, h, d),
        "lengths": lengths(rng, n, t) if s == t else None,
        "causal": bool(rng.integers(2)), "scale": maybe(rng, float(rng.normal())),
    }  # fmt: skip


def batch_norm2d(rng: Rng) -> Arguments:
    c, training = size(rng), bool(rng.integers(2))
    x = normal(rng, size(rng, small=True), *_axes(rng), c)
    running = not training or rng.random() < 0.5
    return {
        "x": x, "weight": maybe(rng, normal(rng, c)), "bias": maybe(rng, normal(rng, c)),
        "running_mean": normal(rng, c) if running else None,
        "running_var": np.abs(normal(rng, c)) + np.float32(0.1) if running else None,
        "training": training, "momentum": float(rng.random()), "eps": 1e-3,
    }  # fmt: skip


def _axes(rng: Rng) -> list[int]:
    return [size(rng, small=True) for _ in range(rng.integers(0, 3))]


def conv2d(rng: Rng) -> Arguments:
    n, h, w = (size(rng, small=True) for _ in range(3))
    c, k = (size(rng, small=rng.random() < 0.7) for _ in range(2))
    r, s = (int(v) for v in rng.integers(1, 6, 2))
    if rng.random() < 0.1:  # as fast ones are
        n, h, w, c, k = 40, 8, 9, 32, 33
        r, s = (3, 3) if rng.random() < 0.5 else (4, 4)
    groups = int(rng.choice([1, 1, 2, c or 1]))
    c, k = c // groups * groups, k // groups * groups
    padding: Any = either(rng, 0, min(r, s))
    if rng.random() < 0.2:
        padding = tuple((int(rng.integers(k + 1)), int(rng.integers(-k, k + 1))) for k in (r, s))
    return {
        "x": normal(rng, n, h, w, c), "weight": kernel(rng, k, r, s, c // groups),
        "bias": maybe(rng, normal(rng, k)), "stride": either(rng, 1, 4), "padding": padding,
        "dilation": either(rng, 1, 4), "groups": groups, "activation": rng.choice(KINDS),
        "winograd": bool(rng.integers(2)),
    }  # fmt: skip


def conv_transpose2d(rng: Rng) -> Arguments:
    found = conv2d(rng)
    if found.pop("groups") > 1:
        found["weight"] = kernel(rng, *found["weight"].shape[:3], found["x"].shape[3])
    (a, b), (r, s) = twin.convolution._pair(found["stride"]), found["weight"].shape[1:3]
    found["padding"] = either(rng, 0, min(r, s) // 2)
    found["output_padding"] = int(rng.integers(a)), int(rng.integers(b))
    return found


def cross_entropy(rng: Rng) -> Arguments:
    shape = size(rng), *_axes(rng)
    e = size(rng, least=1)
    return {
        "logits": normal(rng, *shape, e), "labels": rng.integers(0, e, shape),
        "mask": maybe(rng, weights(rng, *shape)),
    }  # fmt: skip


def poisson(rng: Rng) -> Arguments:
    found = loss(rng)
    found["target"] = rng.poisson(np.exp(found["x"])).astype(np.float32)
    return found


def negative_binomial(rng: Rng) -> Arguments:
    found = poisson(rng)
    shape = found["x"].shape if rng.random() < 0.3 else found["x"].shape[1:]
    return {**found, "log_theta": normal(rng, *shape)}


def multinomial(rng: Rng) -> Arguments:
    shape = size(rng), *_axes(rng), size(rng, least=1)
    counts = rng.poisson(3, shape).astype(np.float32)
    mask = maybe(rng, (rng.random(shape) < 0.7).astype(np.float32))
    return {"logits": normal(rng, *shape), "counts": counts, "mask": mask}


def dropout(rng: Rng) -> Arguments:
    return {
        "x": normal(rng, size(rng), *_axes(rng)), "rate": float(rng.choice([0, 0.3, 0.9])),
        "seed": int(rng.integers(2**63)), "offset": offset(rng),
    }  # fmt: skip


def offset(rng: Rng) -> int:
    return int(rng.choice([0, 1, 2, 3, 4, 7, 2**34 - 9, 2**62 + 1]))


def embedding(rng: Rng) -> Arguments:
    entries = size(rng, least=1)
    shape = size(rng), *_axes(rng)
    return {"indices": rng.integers(0, entries, shape), "weight": normal(rng, entries, size(rng))}


def gated_tanh(rng: Rng) -> Arguments:
    n, c = size(rng), size(rng)
    x = normal(rng, n, *_axes(rng), 2 * c)
    return {"x": x, "bias": maybe(rng, normal(rng, n, 2 * c))}


def gaussian_kl(rng: Rng) -> Arguments:
    shape = size(rng), size(rng)
    return {"mean": normal(rng, *shape), "logvar": normal(rng, *shape)}


def group_norm(rng: Rng) -> Arguments:
    groups = int(rng.integers(1, 5))
    c = groups * size(rng, small=True)
    return {
        "x": normal(rng, size(rng, small=True), *_axes(rng), c), "groups": groups,
        "weight": maybe(rng, normal(rng, c)), "bias": maybe(rng, normal(rng, c)), "eps": 1e-3,
    }  # fmt: skip


def layer_norm(rng: Rng) -> Arguments:
    c = size(rng)
    return {
        "x": normal(rng, *_axes(rng), c), "weight": maybe(rng, normal(rng, c)),
        "bias": maybe(rng, normal(rng, c)), "eps": 1e-3,
    }  # fmt: skip


def linear(rng: Rng) -> Arguments:
    n, i, o = (size(rng) for _ in range(3))
    if rng.random() < 0.05:
        n, i, o = (int(v) for v in rng.integers(1, 300, 3))
    return {
        "x": normal(rng, n, i), "weight": kernel(rng, o, i), "bias": maybe(rng, normal(rng, o)),
        "activation": rng.choice(KINDS),
    }  # fmt: skip


def loss(rng: Rng) -> Arguments:
    shape = size(rng), *_axes(rng)
    return {
        "x": normal(rng, *shape), "target": normal(rng, *shape),
        "mask": maybe(rng, weights(rng, *shape)),
    }  # fmt: skip


def huber(rng: Rng) -> Arguments:
    return {**loss(rng), "delta": float(rng.choice([0.1, 1.0, 5.0]))}


def lstm(rng: Rng) -> Arguments:
    n, t, f, h = (size(rng, small=True) for _ in range(4))
    h = size(rng) if rng.random() < 0.3 else h
    repeat = rng.random() < 0.2
    return {
        "x": normal(rng, n, 1 if repeat else t, f), "w_ih": kernel(rng, 4 * h, f),
        "w_hh": kernel(rng, 4 * h, h), "bias": maybe(rng, normal(rng, 4 * h)),
        "h0": maybe(rng, normal(rng, n, h)), "c0": maybe(rng, normal(rng, n, h)),
        "lengths": lengths(rng, n, t), "reverse": bool(rng.integers(2)),
        "recurrent_mask": maybe(rng, (rng.random((n, h)) < 0.7).astype(np.float32)),
        "steps": t if repeat else None,
    }  # fmt: skip


def gru(rng: Rng) -> Arguments:
    found = lstm(rng)
    del found["c0"]
    rows = 3 * found["w_hh"].shape[1]
    return found | {name: found[name][:rows].copy() for name in ("w_ih", "w_hh")}


def max_pool2d(rng: Rng) -> Arguments:
    n, h, w, c = (size(rng, small=True) for _ in range(4))
    r, s = (int(v) for v in rng.integers(1, 5, 2))
    return {
        "x": normal(rng, n, max(1, h), max(1, w), c), "kernel_size": (r, s),
        "stride": maybe(rng, either(rng, 1, 4)), "padding": either(rng, 0, min(r, s) - 1),
        "return_index": bool(rng.integers(2)),
    }  # fmt: skip


def draw(rng: Rng) -> Arguments:
    shape = tuple(size(rng, small=True) for _ in range(rng.integers(0, 4)))
    return {"shape": shape, "seed": int(rng.integers(2**63)), "offset": offset(rng)}


def reparameterize(rng: Rng) -> Arguments:
    shape = size(rng), *_axes(rng)
    return {name: normal(rng, *shape) for name in ("mean", "logvar", "eps")}


def upsample2d(rng: Rng) -> Arguments:
    shape = [size(rng, small=True) for _ in range(4)]
    mode = str(rng.choice(["nearest", "bilinear"]))
    return {"x": normal(rng, *shape), "factor": either(rng, 1, 4), "mode": mode}


def vector_quantize(rng: Rng) -> Arguments:
    d = size(rng)
    shape = size(rng), *_axes(rng)
    return {"z": normal(rng, *shape, d), "codebook": normal(rng, size(rng, least=1), d)}


def adam_step(rng: Rng) -> Arguments:
    n = size(rng)
    param, m, grad = (normal(rng, n) for _ in range(3))
    return {
        "param": param, "m": m, "v": np.abs(normal(rng, n)), "grad": grad,
        "step": int(rng.integers(1, 1000)), "learning_rate": float(rng.random()),
        "beta1": float(rng.choice([0, 0.5, 0.9])), "beta2": float(rng.choice([0.5, 0.999])),
        "eps": 1e-4, "weight_decay": float(rng.choice([0, 0.1])),
        "decoupled": bool(rng.integers(2)), "grad_scale": float(rng.choice([1, 0.5])),
    }  # fmt: skip


def sgd_step(rng: Rng) -> Arguments:
    found, n = adam_step(rng), size(rng)
    names = "param m grad step learning_rate weight_decay grad_scale".split()
    return {
        **{name: found[name] for name in names}, "momentum": float(rng.choice([0, 0.9])),
        "nesterov": bool(rng.integers(2)), "step": int(rng.integers(1, 4)) + 0 * n,
    }  # fmt: skip


MAKERS: dict[str, Callable[[Rng], Arguments]] = {
    "activation": activation, "adam_step": adam_step, "attention": attention,
    "batch_norm2d": batch_norm2d, "bce_with_logits": loss, "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d, "cross_entropy": cross_entropy, "dropout": dropout,
    "embedding": embedding, "gated_tanh": gated_tanh, "gaussian_kl": gaussian_kl,
    "group_norm": group_norm, "gru": gru, "huber": huber, "l1": loss, "layer_norm": layer_norm,
    "linear": linear, "lstm": lstm, "max_pool2d": max_pool2d, "mse": loss,
    "multinomial": multinomial, "negative_binomial": negative_binomial, "poisson": poisson,
    "random_normal": draw,
    "random_uniform": draw, "reparameterize": reparameterize, "sgd_step": sgd_step,
    "upsample2d": upsample2d, "vector_quantize": vector_quantize,
}  # fmt: skip
FORWARD_ONLY = "activation", "winograd", "momentum", "return_index", "kind"
# Whose first axis is that of samples, each by itself; and which other arguments have it too.
SAMPLED = {
    "attention": ("q", "k", "v", "lengths"), "bce_with_logits": ("x", "target", "mask"),
    "conv2d": ("x",), "conv_transpose2d": ("x",), "cross_entropy": ("logits", "labels", "mask"),
    "embedding": ("indices",), "gated_tanh": ("x", "bias"), "gaussian_kl": ("mean", "logvar"),
    "group_norm": ("x",), "huber": ("x", "target", "mask"), "l1": ("x", "target", "mask"),
    "linear": ("x",), "gru": ("x", "h0", "lengths", "recurrent_mask"),
    "lstm": ("x", "h0", "c0", "lengths", "recurrent_mask"), "max_pool2d": ("x",),
    "mse": ("x", "target", "mask"), "multinomial": ("logits", "counts", "mask"),
    "poisson": ("x", "target", "mask"), "reparameterize": ("mean", "logvar", "eps"),
    "upsample2d": ("x",), "vector_quantize": ("z",),
}  # fmt: skip


# ---- calls --------------------------------------------------------------------------------------


def right(name: str, rng: Rng) -> Arguments:
    """Draw arguments that a function takes, `out` aside."""
    base = name.removesuffix("_backward")
    found = MAKERS[base](rng)
    if name == base:
        return found
    if name == "activation_backward":
        grad = normal(rng, *found["x"].shape)
        y = found["x"] if found["kind"] in SMOOTH else F.activation(**found)
        return {"grad": grad, "y": y, "kind": found["kind"]}
    if base == "vector_quantize":
        indices = rng.integers(0, len(found["codebook"]), found["z"].shape[:-1])
        return {
            "grad": normal(rng, *found["z"].shape), **found, "indices": indices,
            "commitment": float(rng.random()), "scale": float(rng.random()),
        }  # fmt: skip
    y = reference(base, found)
    y = y[0] if isinstance(y, tuple) else y
    for option in FORWARD_ONLY:
        found.pop(option, None)
    if base in ("lstm", "gru"):
        n, h = len(found["x"]), found["w_hh"].shape[1]
        last = ("dh", "dc") if base == "lstm" else ("dh",)
        found |= {key: maybe(rng, normal(rng, n, h)) for key in last}
    if base == "batch_norm2d" and not found.pop("training"):
        found["training"] = False
    if base == "max_pool2d" and rng.random() < 0.5:
        found["index"] = F.max_pool2d(**found, return_index=True)[1]
    return {"grad": normal(rng, *np.shape(y)), **found}


def reference(name: str, arguments: Arguments) -> Any:
    """Return what a function should give, and those that it changes should be."""
    given = {key: doubled(value) for key, value in arguments.items()}
    for key in ("out", "winograd", "momentum") if name != "sgd_step" else ("out",):
        given.pop(key, None)
    if name == "max_pool2d_backward":
        given.pop("index", None)
    found = getattr(twin, name)(**given)
    changed = [given[key] for key in IN_PLACE if key in given and name.endswith("_step")]
    return tuple(changed) if changed else found


def doubled(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return value.astype(np.float64)
    return value


def many(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def compare(name: str, got: Any, want: Any, finite: bool = True) -> None:
    """Raise AssertionError unless results are near the twin's, and finite if its are to be."""
    near = FAR if "norm" in name or name.startswith("attention") else NEAR
    assert len(many(got)) == len(many(want)), "so many results"
    for i, (g, w) in enumerate(zip(many(got), many(want), strict=True)):
        assert (g is None) == (w is None), f"result {i}: {g}, expected {w}"
        if w is None:
            continue
        w = np.asarray(w)
        assert g.shape == w.shape, f"result {i}: shape {g.shape}, expected {w.shape}"
        if g.dtype.kind in "iu":
            assert np.array_equal(g, w), f"result {i}: other integers"
            continue
        with np.errstate(all="ignore"):
            largest = float(np.abs(w[np.isfinite(w)]).max(initial=0))
            room = near * max(1.0, largest)
            fine = (np.abs(g - w) <= room) | (g == w.astype(np.float32))
            if not finite:  # twins are too plain to have limits, and meet no products with 0
                fine |= ~np.isfinite(w) | (~np.isfinite(g) & (not name.startswith(STRICT)))
        assert fine.all(), f"result {i}: {g[~fine][:5]}, expected {w[~fine][:5]} within {room:g}"


def same_bits(a: Any, b: Any, what: str) -> None:
    for x, y in zip(many(a), many(b), strict=True):
        assert (x is None) == (y is None) and (x is None or x.tobytes() == y.tobytes()), what


def copies(arguments: Arguments) -> Arguments:
    return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in arguments.items()}


def unchanged(before: Arguments, after: Arguments, but: tuple[str, ...] = ()) -> None:
    for name, value in before.items():
        if isinstance(value, np.ndarray) and name not in but and value.dtype != object:
            assert value.tobytes() == after[name].tobytes(), f"{name} was changed"


class Calls:
    """Calls on any instruction set and number of threads."""

    def __init__(self, seed: str) -> None:
        self.seed = [int(seed)]
        self.names = sorted(VALID)
        isas = _core.isa_names()
        self.workspaces = {
            (isa, threads): _core.Workspace(threads, isa) for isa in isas for threads in (1, 2, 3)
        }

    def attempt(self, i: int) -> str:
        rng = np.random.default_rng([*self.seed, i])
        name = self.names[i % len(self.names)]
        isa = str(rng.choice(_core.isa_names()))
        threads = rng.permutation([1, 2, 3])[:2]
        spaces = [self.workspaces[isa, int(t)] for t in threads]
        arguments = right(name, rng)
        runtime.use(spaces[0])
        try:
            if rng.random() < 2 / 3:
                self.fine(name, arguments, rng, spaces[1])
                return "right"
            return self.wrong(name, arguments, rng)
        except Exception as error:
            told = ", ".join(f"{k}={shown(v)}" for k, v in arguments.items())
            raise AssertionError(f"{name}({told}) on {isa}, {threads}: {error!r}") from error

    def fine(self, name: str, arguments: Arguments, rng: Rng, other: Any) -> None:
        """Check a call that is right."""
        function, given = getattr(F, name), copies(arguments)
        got = function(**given)
        changed = tuple(given[k] for k in IN_PLACE if k in given) if got is None else ()
        in_place = IN_PLACE if got is None or given.get("training") else ()
        unchanged(arguments, given, in_place)
        compare(name, changed or got, reference(name, arguments))
        if name == "batch_norm2d" and arguments["training"]:
            self._running(arguments, given)
        again = copies(arguments)
        runtime.use(other)
        result = function(**again)
        same_bits(got, result, "the bits depend on the number of threads")
        unchanged(given, again)
        if "out" in VALID[name] and isinstance(got, np.ndarray):
            buffer = np.full(got.size + 64, -12345.678, np.float32)
            out = buffer[32 : 32 + got.size].reshape(got.shape)
            assert function(**copies(arguments), out=out) is out
            same_bits(got, out, "out= differs from a new result")
            assert (np.delete(buffer, np.s_[32 : 32 + got.size]) == np.float32(-12345.678)).all()
        if name in SAMPLED and len(many(got)[0]) > 1:
            i = int(rng.integers(len(many(got)[0])))
            one = dict(arguments)
            for key in SAMPLED[name]:
                one[key] = None if one[key] is None else one[key][i : i + 1]
            alone = function(**one)
            same_bits(
                tuple(g[i : i + 1] for g in many(got)), alone, "the bits depend on the others"
            )

    def _running(self, before: Arguments, after: Arguments) -> None:
        x, m = before["x"].astype(np.float64), before["momentum"]
        axes, count = tuple(range(x.ndim - 1)), x[..., :1].size
        if before["running_mean"] is None or not x.size:
            return
        variance = x.var(axes) * count / max(1, count - 1)
        for key, value in (("running_mean", x.mean(axes)), ("running_var", variance)):
            compare("norm", after[key], (1 - m) * before[key] + m * value)

    def wrong(self, name: str, arguments: Arguments, rng: Rng) -> str:
        """Check a call with something else for one argument."""
        given, function = copies(arguments), getattr(F, name)
        if "out" in VALID[name] and rng.random() < 0.5:
            results = many(function(**copies(arguments)))
            given["out"] = np.zeros_like(results[0])
        key = str(rng.choice(list(given)))
        given[key] = changed(given[key], given, rng)
        kept = copies(given)
        arguments[key] = given[key]  # for what is said of a fault
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                got = function(**given)
        except (TypeError, ValueError) as error:
            subject, colon, rest = str(error).partition(":")
            words = re.findall(r"\w+", subject)
            words += [word.removeprefix("d") for word in words]
            named = set(words) & (set(VALID[name]) | OTHER_SUBJECTS)
            assert colon and named and re.search("expected|shares memory|read-only", rest), error
            unchanged(kept, given)
            return "wrong, refused"
        except MemoryError:
            assert not isinstance(kept[key], np.ndarray), "no memory"
            return "wrong, without memory"
        if not isinstance(given[key], np.ndarray) and key not in ("bias", "mask", "lengths"):
            return "wrong, taken as it is"
        if key == "x" and name in ("max_pool2d_backward", "upsample2d_backward"):
            return "wrong, but only its shape counts"
        if got is None:
            got = tuple(given[k] for k in IN_PLACE if k in given)
        if not any(g is not None and g.size for g in many(got)):
            return "wrong, but empty"
        if name.startswith("cross_entropy") and kept["logits"].shape[-1] == 0:
            return "wrong, but all hidden"
        if name == "vector_quantize" and not (
            np.isfinite(kept["z"]).all() and np.isfinite(kept["codebook"]).all()
        ):
            assert ((got[1] >= 0) & (got[1] < len(kept["codebook"]))).all()
            return "wrong, but right"
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            if isinstance(kept.get("mask"), np.ndarray) and "labels" in kept:
                kept["labels"] = np.where(kept["mask"] == 0, 0, kept["labels"])
            compare(name, got, reference(name, kept), finite=False)
        return "wrong, but right"


def changed(value: Any, given: Arguments, rng: Rng) -> Any:
    """Return something in an argument's place."""
    if not isinstance(value, np.ndarray):
        return pick(rng, [None, *HOSTILE_NUMBERS, *HOSTILE_ARRAYS, np.ones(1, np.float32)])
    kind = rng.integers(8)
    if kind == 0:
        return pick(rng, [None, *HOSTILE_ARRAYS])
    if kind == 1:
        return pick(rng, [v for v in given.values() if isinstance(v, np.ndarray)])
    if kind == 2:
        dtypes = "f8 f2 i8 i4 ? c8 O U3 >f4 >i8 u1 f4".split()
        return value.astype(str(rng.choice(dtypes)))
    if kind == 3 and value.ndim:  # another size of an axis
        axis = int(rng.integers(value.ndim))
        sizes = [0, 1, value.shape[axis] + 1, value.shape[axis] - 1, 2 * value.shape[axis]]
        n = max(0, int(rng.choice(sizes)))
        return np.resize(value, (*value.shape[:axis], n, *value.shape[axis + 1 :]))
    if kind == 4:  # other axes
        forms = [value[None], value[..., None], value.reshape(-1), value.T.copy()]
        return pick(rng, [*forms, value.reshape((1,) * (9 - value.ndim) + value.shape)])
    if kind == 5:  # another layout
        return pick(rng, [*layouts(value)])
    if value.dtype == np.int64:
        low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
        return np.full_like(value, pick(rng, [-1, low, high, 2**31, 2**32, 40, 1000]))
    out = value.copy()
    if out.size and out.dtype.kind == "f":
        odd = [0, -0.0, 1e-40, -1e-40, 50.0, np.inf, -np.inf, np.nan]
        out.flat[int(rng.integers(out.size))] = pick(rng, odd)
    return out


def layouts(value: np.ndarray):
    """Yield an array's values in other layouts."""
    yield np.asfortranarray(value)
    if value.ndim:
        yield np.repeat(value, 2, axis=-1)[..., ::2]
        yield np.repeat(value, 2, axis=0)[::2]
        yield value[::-1].copy()[::-1]
        yield np.broadcast_to(value[..., :1], value.shape)
    shifted = np.frombuffer(b"\0" + value.tobytes(), np.uint8)[1:]
    yield shifted.view(value.dtype).reshape(value.shape)
    frozen = value.copy()
    frozen.flags.writeable = False
    yield frozen


def pick(rng: Rng, options: list) -> Any:
    return options[int(rng.integers(len(options)))]


def main(n: int, seed: str, first: int) -> int:
    calls, run = Calls(seed), Run("functional", n, seed, first)
    bound_memory()
    run.inputs(calls.attempt)
    return run.finish()
