"""Cases of the activations: every kind, and for one of them the edges of vectors and chunks."""

from aecore import _core

from .base import SIZES, OpCase, normal

KINDS = _core.ACTIVATIONS
FROM_INPUT = [kind for kind in KINDS if kind not in ("linear", *_core.FUSED)]


def _saved(module, inputs, options):
    """What the backward pass starts from: the output, or the input where that isn't enough."""
    from_input = options["kind"] in FROM_INPUT
    return inputs if from_input else (module.activation(*inputs, **options),)


def _case(kind, *shape):
    return OpCase(
        "activation",
        lambda rng: (normal(rng, *shape, scale=3.0),),
        f"{kind}-{'x'.join(map(str, shape))}",
        {"kind": kind},
        saved=_saved,
        rtol=2e-6,
        atol=1e-6,
    )


CASES = [_case(kind, *shape) for kind in KINDS for shape in [(n,) for n in (0, 1, 3, 7, 333)]]
CASES += [_case("silu", n) for n in SIZES]
CASES += [_case("gelu", *shape) for shape in [(3, 0, 2), (2, 3, 4, 5), (8191,), (8193,)]]
CASES += [_case("relu", 40, 1000), _case("sigmoid", 24577)]
