"""Cases of PixelCNN's gated unit: edges of vectors in the channels, with and without a bias."""

from .base import SIZES, OpCase, normal


def _case(*shape, bias=True):
    *positions, c = shape

    def inputs(rng):
        given = normal(rng, shape[0], 2 * c, scale=2) if bias else None
        return normal(rng, *positions, 2 * c, scale=2), given

    label = "x".join(map(str, shape)) + ("" if bias else "-nobias")
    return OpCase("gated_tanh", inputs, label, differentiable=(0, 1), rtol=3e-6, atol=3e-6)


CASES = [
    *[_case(3, 4, c) for c in SIZES],
    *[_case(2, 3, 5, c, bias=False) for c in (1, 15, 32, 33)],
    *[_case(*shape) for shape in [(0, 3, 4), (4, 0, 4), (5, 7), (1, 1, 64), (40, 7, 7, 64)]],
    *[_case(*shape, bias=False) for shape in [(3, 0), (1, 9), (300, 7, 8, 3)]],
]
