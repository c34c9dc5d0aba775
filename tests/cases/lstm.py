"""Cases of the LSTM and the GRU: edges of vectors and tiles of units and samples, blocks of them,
blocks of steps, sequences of every length, both directions, repeated inputs, masks of states."""

import numpy as np

from .base import SIZES, OpCase, normal

# N samples, T steps, F features, H units
SHAPES = [
    *[(n, 3, 2, 5) for n in SIZES],
    *[(3, t, 2, 5) for t in SIZES],
    *[(2, 3, f, 5) for f in SIZES],
    *[(2, 3, 2, h) for h in SIZES],
    (5, 4, 3, 63),
    (4, 3, 5, 64),
    (3, 4, 1, 65),
    (6, 40, 3, 7),
    (130, 3, 2, 9),
    (17, 33, 40, 20),
]


def _lengths(kind, n, t):
    """Return lengths with 0, 1 and t among them, or all of t."""
    if kind == "full":
        return np.full(n, t)
    return np.array([(0, 1, t, t // 2, t - 1)[i % 5] % (t + 1) for i in range(n)], np.int64)


def _case(
    n, t, f, h, *, bias=True, state="", lengths=None, reverse=False, repeat=False, mask=False,
    gru=False,
):  # fmt: skip
    gates = 3 if gru else 4

    def inputs(rng):
        x = normal(rng, n, 1 if repeat else t, f)
        w = normal(rng, gates * h, f, scale=1 / max(1, f) ** 0.5)
        u = normal(rng, gates * h, h, scale=1 / max(1, h) ** 0.5)
        b = normal(rng, 4 * h) if bias else None
        states = "h" if gru else "hc"
        return x, w, u, b, *(normal(rng, n, h) if s in state else None for s in states)

    options = {"reverse": True} if reverse else {}
    options |= {"steps": t} if repeat else {}
    options |= {"lengths": _lengths(lengths, n, t)} if lengths else {}
    if mask:
        kept = np.random.default_rng(n * h).random((n, h)) < 0.7
        options["recurrent_mask"] = kept / np.float32(0.7)
    flags = {"nobias": not bias, state: state, lengths: lengths, "reverse": reverse, "mask": mask}
    words = [f"{n}x{t}x{f}x{h}", *[k for k, v in (flags | {"repeat": repeat}).items() if v]]
    flops = 2.0 * gates * n * t * h * (f + h)
    name, label = "gru" if gru else "lstm", "-".join(words)
    differentiable = tuple(range(5 if gru else 6))
    return OpCase(name, inputs, label, options, differentiable, atol=2e-5, flops=flops)


CASES = [
    *[_case(*shape) for shape in SHAPES],
    *[_case(*shape, state="hc", reverse=True) for shape in SHAPES[::4]],
    *[_case(*shape, lengths="mixed", reverse=r) for r in (0, 1) for shape in SHAPES[1::3]],
    *[
        _case(7, 6, 3, 10, bias=b, state=s, lengths=k, reverse=r, repeat=p)
        for b in (True, False)
        for s in ("", "h", "c", "hc")
        for k in (None, "full", "mixed")
        for r in (False, True)
        for p in (False, True)
        if b or (s in ("", "hc") and not k)
    ],
    *[_case(*shape, state="hc", repeat=True) for shape in SHAPES[2::5]],
    _case(13, 37, 4, 17, state="hc", lengths="mixed"),
    _case(13, 37, 4, 17, state="hc", lengths="mixed", reverse=True),
    _case(130, 5, 3, 6, lengths="mixed", repeat=True),
    *[_case(*shape, mask=True) for shape in SHAPES[::4]],
    *[
        _case(7, 6, 3, 10, state="hc", lengths=k, reverse=r, repeat=p, mask=True)
        for k in (None, "mixed")
        for r in (False, True)
        for p in (False, True)
    ],
    *[_case(*shape, gru=True) for shape in SHAPES],
    *[_case(*shape, gru=True, state="h", reverse=True) for shape in SHAPES[::4]],
    *[
        _case(*shape, gru=True, lengths="mixed", reverse=r)
        for r in (0, 1)
        for shape in SHAPES[1::3]
    ],
    *[
        _case(7, 6, 3, 10, gru=True, bias=b, state=s, lengths=k, reverse=r, repeat=p, mask=m)
        for b in (True, False)
        for s in ("", "h")
        for k in (None, "full", "mixed")
        for r in (False, True)
        for p in (False, True)
        for m in (False, True)
        if b or not k
    ],
    *[_case(*shape, gru=True, state="h", repeat=True, mask=True) for shape in SHAPES[2::5]],
    _case(13, 37, 4, 17, gru=True, state="h", lengths="mixed"),
    _case(13, 37, 4, 17, gru=True, state="h", lengths="mixed", reverse=True, mask=True),
    _case(130, 5, 3, 6, gru=True, lengths="mixed", repeat=True),
]
