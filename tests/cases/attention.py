"""Cases of attention: edges of vectors, of blocks of queries (32) and of keys (128), and masks."""

import numpy as np

from .base import SIZES, OpCase, normal


def _case(n, t, s, heads, d, *, lengths=None, causal=False, scale=None, size=1.0):
    def inputs(rng):
        q, k = normal(rng, n, t, heads, d, scale=size), normal(rng, n, s, heads, d)
        return q, k, normal(rng, n, s, heads, d)

    label = f"{n}x{t}x{s}x{heads}x{d}{'-causal' if causal else ''}"
    label += f"-lengths{'.'.join(map(str, lengths))}" if lengths is not None else ""
    label += f"-scale{scale}" if scale is not None else ""
    label += f"-size{size:g}" if size != 1 else ""
    options = {"causal": causal, "scale": scale}
    if lengths is not None:
        options["lengths"] = np.array(lengths, np.int64)
    # scores in the hundreds are off by as many units in the last place, and so are the weights
    near = 2e-5 * max(1.0, size / 3)
    flops = 4.0 * n * heads * t * s * d
    return OpCase(
        "attention",
        inputs,
        label,
        options,
        (0, 1, 2),
        rtol=near,
        atol=near,
        forward_only=(),
        flops=flops,
    )


def _rows(entries, d, *shape):
    def inputs(rng):
        return rng.integers(0, entries, shape), normal(rng, entries, d)

    label = f"{entries}x{d}-{'x'.join(map(str, shape))}"
    return OpCase("embedding", inputs, label, differentiable=(1,), forward_only=())


CASES = [
    *[_case(2, t, 5, 2, 3) for t in SIZES],
    *[_case(2, 5, s, 2, 3) for s in SIZES],
    *[_case(2, 4, 6, 1, d) for d in (*SIZES, 63, 64, 65)],
    *[_case(n, 3, 4, h, 5) for n, h in ((0, 2), (3, 0), (1, 1), (5, 7), (20, 1))],
    *[_case(2, t, t, 2, 8, causal=True) for t in (*SIZES, 32, 64, 65)],
    *[_case(1, t, s, 2, 4, causal=True) for t, s in ((40, 7), (7, 40), (70, 150), (150, 70))],
    _case(3, 64, 64, 4, 16),
    *[_case(1, t, 9, 1, 4) for t in (31, 32, 33, 127, 128, 129)],
    *[_case(1, 9, s, 1, 4) for s in (127, 128, 129, 255, 257)],
    *[_case(2, t, s, 2, 4) for t, s in ((0, 300), (300, 0), (1, 300), (300, 1))],
    _case(1, 301, 301, 2, 16),
    _case(1, 301, 301, 2, 16, causal=True),
    _case(17, 131, 131, 1, 5, causal=True),
    _case(2, 1030, 1030, 1, 8),
    _case(5, 9, 9, 2, 4, lengths=(0, 1, 5, 8, 9)),
    _case(5, 9, 9, 2, 4, lengths=(9, 0, 1, 5, 8), causal=True),
    _case(3, 40, 40, 1, 17, lengths=(31, 32, 33)),
    _case(4, 260, 260, 1, 8, lengths=(127, 128, 129, 260)),
    _case(3, 260, 260, 1, 8, lengths=(0, 100, 257), causal=True),
    _case(20, 17, 17, 1, 4, lengths=tuple(i % 18 for i in range(20))),
    _case(2, 7, 9, 2, 4, scale=0.0),
    _case(2, 7, 9, 2, 4, scale=-1.5),
    _case(2, 40, 150, 2, 6, scale=1.0, size=30.0),
    *[_rows(7, d, 9) for d in SIZES],
    *[_rows(5, 3, n) for n in SIZES],
    _rows(1, 4, 600),
    _rows(300, 16, 20, 30),
    _rows(9, 33, 2, 3, 4),
]
