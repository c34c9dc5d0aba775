"""Three of the workloads in JAX, a step of each compiled as a whole; needs jax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Parameters = dict[str, Any]
Loss = Callable[[Parameters, Any, Any], Any]

LAYOUT = ("NHWC", "HWIO", "NHWC")


def _dense(rng: np.random.Generator, i: int, o: int) -> Parameters:
    bound = i**-0.5
    return {"w": rng.uniform(-bound, bound, (i, o)).astype("f"), "b": np.zeros(o, "f")}


def _kernel(rng: np.random.Generator, i: int, o: int) -> Parameters:
    bound = (16 * i) ** -0.5
    return {"w": rng.uniform(-bound, bound, (4, 4, i, o)).astype("f"), "b": np.zeros(o, "f")}


def _apply(p: Parameters, x: Any) -> Any:
    return x @ p["w"] + p["b"]


def _bce(logits: Any, x: Any) -> Any:
    return (jnp.maximum(logits, 0) - logits * x + jnp.log1p(jnp.exp(-jnp.abs(logits)))).sum()


def _mlp_ae(rng: np.random.Generator) -> tuple[Parameters, Loss]:
    sizes = [784, 512, 256, 32, 256, 512, 784]
    names = [f"layer{i}" for i in range(len(sizes) - 1)]
    pairs = zip(names, sizes, sizes[1:], strict=False)
    parameters = {name: _dense(rng, i, o) for name, i, o in pairs}

    def loss(p: Parameters, x: Any, key: Any) -> Any:
        h = x
        for i, name in enumerate(names):
            h = _apply(p[name], h)
            if i not in (2, 5):  # the code and the output are linear
                h = jax.nn.relu(h)
        return _bce(h, x) / len(x)

    return parameters, loss


def _cvae(rng: np.random.Generator) -> tuple[Parameters, Loss]:
    sizes = {"hidden": (794, 400), "mean": (400, 20), "logvar": (400, 20)}
    sizes |= {"widen": (30, 400), "out": (400, 784)}
    parameters = {name: _dense(rng, *size) for name, size in sizes.items()}
    labels = np.eye(10, dtype="f")[np.arange(128) % 10]

    def loss(p: Parameters, x: Any, key: Any) -> Any:
        h = jax.nn.relu(_apply(p["hidden"], jnp.concatenate([x, labels], 1)))
        mean, logvar = _apply(p["mean"], h), _apply(p["logvar"], h)
        z = mean + jnp.exp(0.5 * logvar) * jax.random.normal(key, mean.shape)
        h = jax.nn.relu(_apply(p["widen"], jnp.concatenate([z, labels], 1)))
        kl = -0.5 * (1 + logvar - mean**2 - jnp.exp(logvar)).sum()
        return (_bce(_apply(p["out"], h), x) + kl) / len(x)

    return parameters, loss


def _conv_ae(rng: np.random.Generator) -> tuple[Parameters, Loss]:
    down, up = [(3, 32), (32, 64), (64, 128)], [(128, 64), (64, 32), (32, 3)]
    parameters = {f"down{i}": _kernel(rng, *size) for i, size in enumerate(down)}
    parameters |= {f"up{i}": _kernel(rng, *size) for i, size in enumerate(up)}
    parameters |= {"code": _dense(rng, 2048, 512), "widen": _dense(rng, 512, 2048)}

    def loss(p: Parameters, x: Any, key: Any) -> Any:
        h, padding = x, ((1, 1), (1, 1))
        for i in range(3):
            q = p[f"down{i}"]
            h = lax.conv_general_dilated(h, q["w"], (2, 2), padding, dimension_numbers=LAYOUT)
            h = jax.nn.relu(h + q["b"])
        h = jax.nn.relu(_apply(p["widen"], _apply(p["code"], h.reshape(len(x), -1))))
        h = h.reshape(-1, 4, 4, 128)
        for i in range(3):
            q = p[f"up{i}"]
            h = lax.conv_transpose(h, q["w"], (2, 2), "SAME", dimension_numbers=LAYOUT) + q["b"]
            h = jax.nn.relu(h) if i < 2 else h
        return ((h - x) ** 2).sum() / len(x)

    return parameters, loss


MODELS = {"mlp-ae": _mlp_ae, "conv-ae": _conv_ae, "cvae": _cvae}


def make_pass(name: str, x: np.ndarray, batch: int) -> Callable[[], None]:
    """Return a function that trains over x once in batches of a size, with Adam."""
    parameters, loss = MODELS[name](np.random.default_rng(0))
    moments = [jax.tree.map(np.zeros_like, parameters) for _ in range(2)]

    def step(state: Any, x: Any) -> Any:
        p, m, v, t = state
        grad = jax.grad(loss)(p, x, jax.random.key(t))
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grad)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grad)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), p, m, v)
        return p, m, v, t

    compiled = jax.jit(step, donate_argnums=0)
    state = jax.device_put((parameters, *moments, 0))

    def one_pass() -> None:
        nonlocal state
        for at in range(0, len(x), batch):
            state = compiled(state, x[at : at + batch])
        jax.block_until_ready(state)

    return one_pass
