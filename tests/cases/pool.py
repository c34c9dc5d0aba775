"""Cases of pooling and upsampling: windows that overlap, leave gaps, stick out; few channels."""

from .base import OpCase, normal

# n, height, width, channels, kernel, stride, padding
GEOMETRY = [
    (2, 6, 8, 5, 2, None, 0),
    (2, 7, 5, 3, 3, 2, 1),
    (1, 5, 6, 16, 3, 1, 1),
    (2, 5, 5, 17, 2, 3, 0),
    (1, 6, 7, 9, (2, 3), (3, 1), (1, 2)),
    (3, 4, 4, 33, (3, 1), (1, 2), (2, 0)),
    (1, 1, 1, 1, 1, 1, 0),
    (1, 1, 1, 7, 3, 2, 1),
    (1, 2, 2, 2, 5, 1, 4),
    (1, 2, 2, 2, 3, 1, 0),
    (0, 4, 4, 3, 2, None, 0),
    (2, 4, 4, 0, 2, None, 0),
    (9, 16, 16, 31, 2, None, 0),
    (3, 19, 21, 24, 3, 2, 1),
    (1, 20, 300, 1, 4, 2, 1),
]
FACTORS = [
    (2, 3, 4, 5, 2),
    (1, 2, 3, 1, 3),
    (2, 3, 2, 3, (1, 4)),
    (2, 2, 3, 8, (3, 1)),
    (1, 3, 3, 17, (2, 3)),
    (1, 1, 1, 1, 1),
    (0, 3, 3, 2, 2),
    (2, 3, 3, 0, 2),
    (2, 0, 3, 2, 2),
    (1, 2, 1, 4, 9),
    (5, 17, 16, 33, 2),
    (2, 40, 50, 7, 2),
]


def _text(value):
    return str(value).replace(" ", "")


def _pool(n, h, w, c, kernel, stride, padding):
    return OpCase(
        "max_pool2d",
        lambda rng: (normal(rng, n, h, w, c),),
        f"{n}x{h}x{w}x{c}-k{_text(kernel)}s{_text(stride)}p{_text(padding)}",
        {"kernel_size": kernel, "stride": stride, "padding": padding},
        rtol=1e-6,
        atol=1e-6,
    )


def _upsample(n, h, w, c, factor, mode):
    return OpCase(
        "upsample2d",
        lambda rng: (normal(rng, n, h, w, c),),
        f"{n}x{h}x{w}x{c}-by{_text(factor)}-{mode}",
        {"factor": factor, "mode": mode},
        rtol=1e-6,
        atol=1e-6 if mode == "nearest" else 1e-5,
    )


CASES = [_pool(*geometry) for geometry in GEOMETRY]
CASES += [_upsample(*shape, mode) for shape in FACTORS for mode in ("nearest", "bilinear")]
