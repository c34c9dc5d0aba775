"""Cases of the fully connected layer: every edge of tile, panel, chunk and block of depth."""

from .activation import KINDS
from .base import SIZES, OpCase, normal

SHAPES = [
    *[(n, 5, 3) for n in SIZES],
    *[(3, i, 17) for i in SIZES],
    *[(7, 4, o) for o in SIZES],
    (97, 113, 101),
    (130, 511, 33),
    (13, 513, 40),
    (5, 1100, 70),
    (200, 8, 130),
    (600, 3, 2),
    (1500, 6, 20),
    (25, 1024, 35),  # rows that conflict in the cache
    (205, 33, 2048),
]


def _case(n, i, o, bias=True, activation=None):
    def inputs(rng):
        w = normal(rng, o, i, scale=1 / max(1, i) ** 0.5)
        return normal(rng, n, i), w, normal(rng, o) if bias else None

    return OpCase(
        "linear",
        inputs,
        f"{n}x{i}x{o}{'' if bias else '-nobias'}{'-' + activation if activation else ''}",
        {"activation": activation},
        (0, 1, 2),
        atol=2e-5,
        flops=2.0 * n * i * o,
    )


CASES = [_case(*shape) for shape in SHAPES] + [
    _case(13, 11, 19, False),
    *[_case(13, 11, 19, True, activation) for activation in KINDS if activation != "linear"],
]
