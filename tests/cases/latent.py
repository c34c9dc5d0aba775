"""Cases of the latent terms: tails of vectors, chunks, narrow and wide rows, rows in pieces."""

from .base import SIZES, OpCase, normal

FLAT = [(n, 3) for n in SIZES] + [(0, 0), (7,), (2, 3, 5), (64, 64), (1, 4097), (120, 131)]
ROWS = [
    *[(n, 3) for n in SIZES],
    *[(5, d) for d in SIZES],
    *[(3, d) for d in (63, 64, 65, 127, 128, 129, 1023, 1025)],
    (600, 2),
    (171, 20),
    (300, 33),
    (2, 8192),
    (3, 8193),
    (2, 20000),
]


def _sample(shape):
    def inputs(rng):
        return normal(rng, *shape), normal(rng, *shape, scale=2), normal(rng, *shape)

    label = "x".join(map(str, shape))
    return OpCase("reparameterize", inputs, label, differentiable=(0, 1, 2))


def _kl(n, d, scale=2.0, label=""):
    def inputs(rng):
        return normal(rng, n, d), normal(rng, n, d, scale=scale)

    return OpCase(
        "gaussian_kl", inputs, f"{n}x{d}{label}", differentiable=(0, 1), flops=30.0 * n * d
    )


CASES = [
    *[_sample(shape) for shape in FLAT],
    *[_kl(*shape) for shape in ROWS],
    _kl(50, 16, 0.1, "-near"),
    _kl(50, 16, 0.34, "-edge"),
]
