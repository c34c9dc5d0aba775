"""Cases of the random numbers: the edges of blocks, groups of vectors and parts, and the carry."""

import numpy as np

from .base import SIZES, OpCase, normal


def _draw(name, shape, offset):
    def inputs(rng):
        return np.array(shape), np.uint64(rng.integers(2**63))

    label = "x".join(map(str, shape)) + f"-from{offset}"
    return OpCase(name, inputs, label, {"offset": offset}, backward=False, atol=1e-6)


def _dropout(shape, rate, offset=0):
    def inputs(rng):
        return normal(rng, *shape), np.float64(rate), np.int64(7)

    label = "x".join(map(str, shape)) + f"-{rate}-from{offset}"
    return OpCase("dropout", inputs, label, {"offset": offset}, forward_only=())


SHAPES = [*[(n,) for n in SIZES], (63,), (64,), (65,), (5, 0, 3), (3, 7, 11), (8191,), (8193,)]
SHAPES += [(30011,)]
OFFSETS = [1, 2, 3, 4, 2**34 - 9, 2**64 - 40]

CASES = [
    *[_draw(name, shape, 0) for name in ("random_normal", "random_uniform") for shape in SHAPES],
    *[_draw(name, (37,), at) for name in ("random_normal", "random_uniform") for at in OFFSETS],
    *[_dropout(shape, 0.3) for shape in SHAPES],
    *[_dropout((37,), rate, at) for rate in (0.0, 0.5, 0.999) for at in (0, 3, 2**34 - 9)],
    _dropout((511,), 0.1, 1),
    _dropout((2, 513), 0.1, 2),
]
