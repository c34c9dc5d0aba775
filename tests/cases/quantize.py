"""Cases of vector quantisation: edges of tile, panel, chunk and vector in N, D and E.

Its backward isn't the derivative of its forward pass: kernels/test_vector_quantize.py has that.
"""

from .base import SIZES, OpCase, normal


def _case(shape, entries, offset=0.0):
    def inputs(rng):
        z = normal(rng, *shape) + offset
        return z.astype("f4"), (normal(rng, entries, shape[-1]) + offset).astype("f4")

    label = "x".join(map(str, shape)) + f"-{entries}" + ("-far" if offset else "")
    flops = 2.0 * entries
    for n in shape:
        flops *= n
    return OpCase("vector_quantize", inputs, label, backward=False, flops=flops)


CASES = [
    *[_case((n, 5), 7) for n in SIZES],
    *[_case((9, d), 11) for d in SIZES],
    *[_case((11, 6), e) for e in (*SIZES[1:], 32, 47, 48, 49, 64, 65)],
    _case((3, 4, 5, 8), 20),
    _case((5,), 4),
    _case((700, 64), 512),
    _case((97, 513), 40),
    _case((13, 1100), 33),
    _case((2000, 2), 5),
    _case((300, 16), 50, offset=1000.0),
]
