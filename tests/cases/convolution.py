"""Cases of the convolutions: kernels, strides, paddings and image sizes that don't divide."""

from .base import OpCase, normal

# n, height, width, channels in and out, kernel, stride, padding
GEOMETRY = [
    (2, 9, 11, 3, 5, 3, 2, 1),
    (3, 8, 8, 4, 8, 4, 2, 1),
    (2, 5, 7, 2, 3, 1, 1, 0),
    (2, 6, 5, 3, 4, 3, 1, 1),
    (1, 7, 7, 1, 1, (2, 3), (3, 1), (1, 2)),
    (2, 6, 9, 2, 17, (3, 2), (1, 2), (0, 1)),
    (1, 4, 4, 5, 2, 5, 1, 2),
    (2, 5, 5, 3, 2, 2, 3, 0),
    (1, 1, 1, 1, 1, 1, 1, 0),
    (1, 1, 1, 2, 3, 3, 1, 1),
    (2, 3, 1, 2, 3, (1, 1), (1, 1), (1, 1)),
    (0, 5, 5, 2, 3, 3, 1, 1),
    (2, 4, 4, 0, 3, 3, 1, 1),
    (2, 4, 4, 3, 0, 3, 1, 1),
    (5, 4, 4, 16, 33, 4, 2, 1),
    (30, 4, 5, 7, 6, 3, 1, 1),
    (2, 33, 31, 3, 4, 4, 2, 1),
    (1, 3, 400, 2, 3, 3, 1, 1),
    (1, 66, 9, 1, 2, (65, 3), 1, (1, 1)),
    (3, 6, 6, 40, 70, 3, 1, 1),
    (17, 8, 8, 33, 20, 1, 1, 0),
    (600, 2, 2, 3, 2, 2, 1, 1),
]
# Unequal ends: (top, bottom), (left, right). What is seen is above, or to the left.
UNEQUAL = [
    (2, 7, 7, 5, 6, (2, 5), 1, ((2, -1), (2, 2))),
    (2, 7, 5, 16, 33, (3, 5), 1, ((2, 0), (2, 2))),
    (3, 4, 6, 5, 8, (1, 2), 1, ((0, 0), (2, -1))),
    (3, 4, 6, 16, 17, (1, 3), 1, ((0, 0), (2, 0))),
    (2, 1, 1, 3, 4, (2, 5), 1, ((2, -1), (2, 2))),
    (2, 5, 6, 3, 4, 3, 1, ((0, 2), (0, 3))),
    (2, 6, 9, 2, 5, (3, 4), 2, ((1, 3), (4, -2))),
    (1, 5, 5, 3, 4, 3, 1, ((1, -3), (1, -3))),
    (2, 3, 3, 2, 2, (3, 1), 1, ((0, -3), (0, -1))),
    (60, 9, 8, 3, 9, (3, 3), 1, ((3, 0), (0, 1))),
    (5, 7, 9, 3, 16, (2, 5), 1, ((2, -1), (2, 2))),
    (5, 7, 9, 2, 17, (1, 3), 1, ((0, 0), (3, -1))),
    (3, 8, 9, 4, 8, 4, 2, ((3, -2), (0, 2))),
    (60, 9, 8, 32, 33, 3, 1, ((2, 0), (0, 3))),
    (40, 9, 8, 33, 32, 4, 2, ((0, 3), (2, -1))),
]
# Large enough for the transforms of winograd.c, in which a window is 2 or 3 taps in each phase.
FAST_GEOMETRY = [
    (24, 8, 8, 32, 48, 3, 1, 1),
    (40, 9, 7, 33, 31, 3, 1, 0),
    (150, 3, 5, 32, 40, 3, 1, 2),
    (30, 13, 11, 34, 65, 4, 2, 1),
    (60, 8, 8, 17, 64, 4, 2, 0),
    (40, 7, 10, 32, 33, 4, 2, 2),
    (150, 5, 5, 32, 33, 2, 1, 1),
    (40, 13, 14, 32, 32, 6, 2, 2),
    (12, 20, 21, 32, 36, 6, 3, 3),
]
# To few channels, in planes: (for the transposed convolution, and conv2d's input gradient)
FEW_GEOMETRY = [
    (5, 16, 16, 32, 3, 4, 2, 1),
    (3, 7, 9, 17, 1, 4, 2, 1),
    (2, 5, 4, 8, 2, 3, 2, 1),
    (2, 11, 6, 9, 4, 5, 3, 1),
    (1, 40, 150, 16, 3, 3, 1, 1),
    (2, 9, 7, 8, 3, (3, 5), (1, 2), (1, 0)),
    (3, 5, 6, 10, 2, 2, 3, 0),
    (3, 1, 1, 8, 4, 4, 2, 1),
]
# Further: dilation, groups.
SPREAD = [
    (2, 9, 11, 3, 5, 3, 1, 2, 2, 1),
    (2, 9, 11, 3, 5, 3, 2, 2, 2, 1),
    (3, 13, 12, 4, 17, 3, 2, 3, 3, 1),
    (2, 13, 12, 2, 3, (3, 2), (4, 6), (4, 5), (6, 4), 1),
    (2, 7, 9, 5, 33, (2, 5), (3, 2), (0, 4), (3, 1), 1),
    (1, 1, 1, 2, 3, 3, 1, 7, 7, 1),
    (0, 5, 5, 2, 3, 3, 1, 1, 2, 1),
    (3, 1, 40, 5, 6, (1, 3), 1, ((0, 0), (8, 0)), (1, 4), 1),
    (2, 1, 30, 3, 4, (1, 4), (1, 2), ((0, 0), (9, 0)), (9, 3), 1),
    (60, 9, 8, 32, 33, 3, 1, 2, 2, 1),
    (3, 8, 9, 16, 3, 3, 1, 2, 2, 1),
    (17, 8, 8, 6, 9, 3, 1, 1, 1, 3),
    (3, 8, 7, 8, 40, (3, 2), 2, 1, 1, 2),
    (3, 8, 7, 6, 6, 3, 2, 3, 3, 2),
    (2, 6, 6, 4, 12, 1, 1, 0, 1, 4),
    (2, 6, 5, 9, 3, 3, 1, ((0, 2), (1, -1)), 1, 3),
    (2, 5, 5, 3, 6, 3, 1, 1, 1, 3),
    (24, 8, 8, 64, 64, 3, 1, 1, 1, 2),
    (2, 5, 6, 0, 4, 3, 1, 1, 1, 2),
    (2, 5, 6, 4, 0, 3, 1, 1, 1, 2),
    (0, 5, 6, 4, 4, 3, 1, 1, 1, 4),
]
# Every channel is a group of its own.
DEPTHWISE = [
    (2, 9, 11, 5, 5, 3, 1, 1, 1, 5),
    (3, 8, 9, 16, 16, 4, 2, 1, 1, 16),
    (2, 7, 7, 33, 33, (2, 3), (3, 1), (1, 2), (1, 2), 33),
    (3, 9, 5, 65, 65, 3, 2, 2, 2, 65),
    (2, 13, 12, 7, 7, (3, 2), (4, 6), (4, 5), (6, 4), 7),
    (40, 6, 7, 130, 130, 3, 1, 1, 1, 130),
    (1, 1, 1, 2, 2, 3, 1, 1, 1, 2),
    (30, 1, 50, 24, 24, (1, 3), 1, ((0, 0), (8, 0)), (1, 4), 24),
    (2, 5, 5, 3, 3, 2, 3, 0, 1, 3),
    (2, 4, 6, 4, 4, 3, 1, ((0, 3), (1, -2)), 1, 4),
    (0, 4, 4, 4, 4, 3, 1, 1, 1, 4),
]


def _pair(v):
    return (v, v) if isinstance(v, int) else v


def _case(name, geometry, bias=True, activation=None, output_padding=0):
    n, h, w, c, k, kernel, stride, padding, *rest = geometry
    dilation, groups = rest or (1, 1)
    r, s = _pair(kernel)

    def inputs(rng):
        seen = c // groups
        weight = normal(rng, k, r, s, seen, scale=1 / max(1, r * s * seen) ** 0.5)
        return normal(rng, n, h, w, c), weight, normal(rng, k) if bias else None

    options = {"stride": stride, "padding": padding, "activation": activation}
    if dilation != 1:
        options["dilation"] = dilation
    if groups != 1:
        options["groups"] = groups
    if output_padding:
        options["output_padding"] = output_padding
    label = f"{n}x{h}x{w}x{c}-{k}-k{kernel}s{stride}p{padding}".replace(" ", "")
    label += f"d{dilation}g{groups}".replace(" ", "") if rest else ""
    label += f"{'' if bias else '-nobias'}{'-' + activation if activation else ''}"
    label += f"-op{output_padding}".replace(" ", "") if output_padding else ""
    # the weight gradient is a sum over all pixels: its error grows with their number
    return OpCase(name, inputs, label, options, (0, 1, 2), atol=3e-5)


def _enlarges(geometry):
    """Whether a transposed convolution of this geometry has an output at all."""
    _, h, w, _, _, kernel, stride, padding, *rest = geometry
    dilation, groups = rest or (1, 1)
    if groups > 1 or not all(isinstance(p, int) for p in _pair(padding)):
        return False
    sides = (h, w), _pair(kernel), _pair(stride), _pair(padding), _pair(dilation)
    sides = zip(*sides, strict=True)
    return all((x - 1) * st - 2 * p + (k - 1) * d + 1 >= 0 for x, k, st, p, d in sides)


CASES = [
    *[_case(name, g) for g in FAST_GEOMETRY for name in ("conv2d", "conv_transpose2d")],
    *[_case("conv_transpose2d", g) for g in FEW_GEOMETRY],
    *[_case("conv2d", (n, h, w, k, c, *rest)) for n, h, w, c, k, *rest in FEW_GEOMETRY[:6]],
    _case("conv_transpose2d", FEW_GEOMETRY[0], False, "sigmoid"),
    _case("conv_transpose2d", FEW_GEOMETRY[3], True, "relu", (1, 2)),
    _case("conv2d", FAST_GEOMETRY[1], False, "tanh"),
    _case("conv_transpose2d", FAST_GEOMETRY[5], True, "relu", 1),
    *[_case("conv2d", g) for g in GEOMETRY],
    *[_case("conv2d", g) for g in UNEQUAL],
    *[_case("conv2d", g) for g in SPREAD + DEPTHWISE],
    *[_case("conv2d", g, False, "relu") for g in (SPREAD[2], SPREAD[12], DEPTHWISE[1])],
    _case("conv2d", DEPTHWISE[3], True, "tanh"),
    *[_case("conv_transpose2d", g) for g in SPREAD if _enlarges(g)],
    _case("conv_transpose2d", SPREAD[2], True, "relu", 1),
    _case("conv2d", UNEQUAL[1], False, "relu"),
    *[_case("conv_transpose2d", g) for g in GEOMETRY if _enlarges(g)],
    _case("conv2d", GEOMETRY[0], False, "relu"),
    _case("conv2d", GEOMETRY[6], True, "tanh"),
    _case("conv_transpose2d", GEOMETRY[0], False, "relu", 1),
    _case("conv_transpose2d", GEOMETRY[5], True, "elu", (0, 1)),
    _case("conv_transpose2d", GEOMETRY[7], True, None, (2, 1)),
    _case("conv_transpose2d", (2, 4, 3, 2, 3, 1, 3, 0), True, "sigmoid", (0, 2)),
]
