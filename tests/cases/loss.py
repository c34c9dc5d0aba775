"""Cases of the losses: tails of vectors, narrow and wide rows, rows in pieces, with and without
weights."""

import numpy as np

from .base import SIZES, OpCase, normal

SHAPES = [
    *[(n, 3) for n in SIZES],
    *[(5, f) for f in SIZES],
    *[(3, f) for f in (63, 64, 65, 127, 128, 129, 1023, 1025)],
    (7,),
    (4, 5, 6, 3),
    (3, 0, 4),
    (600, 2),
    (300, 33),
    (128, 784),
    (2, 8192),
    (3, 8193),
    (2, 20000),
]
# N samples of T positions of E classes
LABELLED = [
    *[(n, 2, 3) for n in SIZES],
    *[(2, t, 5) for t in SIZES],
    *[(2, 3, e) for e in SIZES if e],
    *[(2, 3, e) for e in (63, 64, 65, 127, 129, 1025, 5000)],
    (70, 1, 10),
    (3, 700, 7),
    (2, 65, 64),
    (2, 2000, 9),
]


def _weights(rng, shape):
    return rng.choice(np.array([0, 0.5, 1, 3], np.float32), shape)


def _counts(rng, shape):
    """Counts of all sizes, many of them 0, a few not whole."""
    counts = rng.poisson(np.exp(rng.uniform(-3, 8, shape))).astype(np.float32)
    return np.where(rng.random(shape) < 0.1, counts + rng.random(shape, np.float32), counts)


def _case(name, shape, masked=False, **options):
    def inputs(rng):
        x, target = normal(rng, *shape, scale=3), normal(rng, *shape)
        if name == "bce_with_logits":
            target = rng.random(shape, np.float32)
        if name == "poisson":
            target = _counts(rng, shape)
        return x, target, _weights(rng, shape) if masked else None

    label = "x".join(map(str, shape)) + "".join(f"-{v}" for v in options.values())
    cost = {"mse": 3, "l1": 3, "huber": 7, "bce_with_logits": 40, "poisson": 120}[name]
    return OpCase(
        name,
        inputs,
        label + "-mask" * masked,
        options,
        flops=float(cost * np.prod(shape)),
    )


def _labelled(n, t, e, masked=False):
    def inputs(rng):
        labels = rng.integers(0, e, (n, t))
        return normal(rng, n, t, e, scale=3), labels, _weights(rng, (n, t)) if masked else None

    label = f"{n}x{t}x{e}" + "-mask" * masked
    return OpCase("cross_entropy", inputs, label, flops=25.0 * n * t * e)


def _overdispersed(shape, per_sample=False, masked=False):
    def inputs(rng):
        log_theta = rng.uniform(-6, 10, shape if per_sample else shape[1:]).astype(np.float32)
        x, counts = normal(rng, *shape, scale=3), _counts(rng, shape)
        return x, counts, log_theta, _weights(rng, shape) if masked else None

    label = "x".join(map(str, shape)) + "-each" * per_sample + "-mask" * masked
    cost = 350.0 * float(np.prod(shape))
    return OpCase("negative_binomial", inputs, label, differentiable=(0, 2), flops=cost)


def _outcomes(shape, masked=False):
    def inputs(rng):
        mask = None
        if masked:
            mask = rng.choice(np.array([0, 1], np.float32), shape)
        counts = _counts(rng, shape)
        counts[::3] = 0  # nothing was counted
        return normal(rng, *shape, scale=3), counts, mask

    label = "x".join(map(str, shape)) + "-mask" * masked
    cost = 150.0 * float(np.prod(shape))
    # gradients are differences of numbers up to the sum of the counts
    return OpCase("multinomial", inputs, label, atol=1e-4, flops=cost)


CASES = [
    *[_case("poisson", shape) for shape in SHAPES],
    *[_case("poisson", shape, True) for shape in SHAPES[1::5]],
    *[_overdispersed(shape) for shape in SHAPES],
    *[_overdispersed(shape, True) for shape in SHAPES[::4]],
    *[_overdispersed(shape, each, True) for each in (False, True) for shape in SHAPES[1::5]],
    *[_outcomes(shape) for shape in LABELLED],
    *[_outcomes(shape, True) for shape in LABELLED[1::6]],
    *[_case(name, shape) for name in ("mse", "bce_with_logits") for shape in SHAPES],
    *[_case(name, shape) for name in ("l1", "huber") for shape in SHAPES[::3]],
    *[
        _case(name, shape, True)
        for name in ("mse", "l1", "huber", "bce_with_logits")
        for shape in SHAPES[1::5]
    ],
    _case("huber", (40, 17), delta=0.3),
    *[_labelled(*shape) for shape in LABELLED],
    *[_labelled(*shape, True) for shape in LABELLED[1::6]],
]
