"""Cases of the norms: edges of vectors, blocks of rows and samples, one value in a group."""

import numpy as np

from .base import SIZES, OpCase, normal


def _parameters(rng, channels, affine):
    weight = 1 + normal(rng, channels, scale=0.5) if "w" in affine else None
    return weight, normal(rng, channels) if "b" in affine else None


def _label(shape, affine, *more):
    return "-".join(["x".join(map(str, shape)), affine or "plain", *more])


def _case(name, inputs, label, options, positions, values):
    # of one or two values the variance may be 0, and gradients are differences of 1 / sqrt(eps)
    atol = 1e-4 if values <= 2 else 1e-5
    return OpCase(name, inputs, label, options, positions, atol=atol, forward_only=())


def _layer(*shape, affine="wb", eps=1e-5):
    def inputs(rng):
        return normal(rng, *shape, scale=2) + 1, *_parameters(rng, shape[-1], affine)

    label = _label(shape, affine, *([f"eps{eps}"] if eps != 1e-5 else []))
    return _case("layer_norm", inputs, label, {"eps": eps}, (0, 1, 2), shape[-1])


def _group(groups, *shape, affine="wb"):
    def inputs(rng):
        x = normal(rng, *shape, scale=2) - 1
        return x, np.int64(groups), *_parameters(rng, shape[-1], affine)

    label, values = _label(shape, affine, f"in{groups}"), np.prod(shape[1:]) // groups
    return _case("group_norm", inputs, label, {}, (0, 2, 3), values)


def _batch(*shape, affine="wb", training=True):
    def inputs(rng):
        c = shape[-1]
        running = (None, None) if training else (normal(rng, c), np.abs(normal(rng, c)) + 0.1)
        return normal(rng, *shape, scale=2) + 1, *_parameters(rng, c, affine), *running

    label, values = _label(shape, affine, "train" if training else "eval"), np.prod(shape[:-1])
    return _case("batch_norm2d", inputs, label, {"training": training}, (0, 1, 2), values)


CASES = [
    *[_layer(5, c) for c in SIZES],
    *[_layer(n, 11) for n in (0, 1, 63, 64, 65, 130)],
    *[_layer(3, 2, 40, affine=affine) for affine in ("", "w", "b")],
    _layer(17),
    _layer(1100, 31),
    _layer(3, 9001),
    _layer(9, 24, eps=0.1),
    *[_group(2, 3, 5, c) for c in (2, 4, 6, 8, 14, 16, 18, 30, 32, 34)],
    *[_group(1, n, 3, 7) for n in (0, 1, 2, 65)],
    *[_group(3, 4, 3, 5, 9, affine=affine) for affine in ("", "w", "b")],
    _group(7, 5, 7),
    _group(1, 6, 12),
    _group(4, 3, 0, 8),
    _group(2, 3, 4, 0),
    _group(32, 2, 4, 4, 64),
    _group(8, 70, 3, 3, 16),
    _group(4, 3, 50, 60, 20),
    *[_batch(4, 3, 2, c) for c in SIZES],
    *[_batch(n, 5) for n in (0, 1, 2, 65)],
    *[_batch(3, 4, 5, 6, affine=affine) for affine in ("", "w", "b")],
    *[_batch(3, 4, 5, c, affine="wb", training=False) for c in (1, 7, 8, 33)],
    _batch(3, 4, 5, 6, affine="", training=False),
    _batch(5, 30, 41, 19),
    _batch(700, 300),
    _batch(2, 30, 41, 19, training=False),
]
