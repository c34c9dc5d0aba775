"""What products add at the end, and which sums they take along."""

import numpy as np
import pytest
from aecore import _core, nn
from aecore.nn.ops.elementwise import Activation, Add
from aecore.nn.ops.products import Product
from cases.base import GUARD, guarded, normal
from support.layers import gradients, run

ISAS = _core.isa_names()
CONVOLUTIONS = {  # x, kernels of r x r, stride, padding, transposed
    "direct": ((3, 9, 7, 5), 33, 3, 2, 1, False),
    "of pixels": ((2, 5, 5, 32), 128, 1, 1, 0, False),
    "transforms": ((5, 8, 8, 32), 40, 3, 1, 1, False),
    "transforms by phases": ((5, 8, 6, 32), 40, 4, 2, 1, False),
    "up": ((3, 5, 4, 5), 33, 4, 2, 1, True),
    "up, transforms": ((5, 8, 6, 32), 40, 4, 2, 1, True),
    "up to few": ((3, 6, 5, 16), 3, 4, 2, 1, True),
}


def check(run, shape, added, isa, activation):
    """A sum at the end has the bits of a sum behind the product, for all numbers of threads."""
    want = np.empty(shape, np.float32)
    run(want, activation, None, _core.Workspace(1, isa))
    want += added
    for threads in (1, 2, 3):
        y, buffer = guarded(shape)
        run(y, activation, added, _core.Workspace(threads, isa))
        assert (buffer[:32] == GUARD).all() and (buffer[-32:] == GUARD).all()
        np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
@pytest.mark.parametrize("n, i, o", [(0, 3, 2), (1, 1, 1), (13, 600, 33), (97, 7, 17), (5, 4, 0)])
@pytest.mark.parametrize("bias", [False, True])
def test_linear(n, i, o, bias, activation, isa, rng):
    x, weight, added = normal(rng, n, i), normal(rng, o, i), normal(rng, n, o)
    b = normal(rng, o) if bias else None

    def run(y, activation, added, ws):
        _core.linear(y, x, weight, b, activation, False, added, None, ws)

    check(run, (n, o), added, isa, activation)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name, activation, isa, rng):
    shape, k, r, stride, pad, transposed = CONVOLUTIONS[name]
    x, weight, b = normal(rng, *shape), normal(rng, k, r, r, shape[-1]), normal(rng, k)
    layer = (nn.ConvTranspose2d if transposed else nn.Conv2d)(shape[-1], k, r, stride, pad)
    out = (shape[0], *layer.output_shape(shape[1:]))
    function = _core.conv_transpose2d if transposed else _core.conv2d
    geometry = (stride, stride), (pad, pad), (1, 1), 1

    def run(y, activation, added, ws):
        function(y, x, weight, b, activation, *geometry, True, added, None, ws)

    check(run, out, normal(rng, *out), isa, activation)


def test_what_is_added_has_the_shape_of_the_output(rng):
    x, w, y = normal(rng, 4, 3), normal(rng, 5, 3), np.empty((4, 5), np.float32)
    ws = _core.Workspace()
    for wrong in (normal(rng, 4, 4), normal(rng, 3, 5)):
        with pytest.raises(ValueError, match="added"):
            _core.linear(y, x, w, None, None, False, wrong, None, ws)
    with pytest.raises(ValueError, match="shares memory with added"):
        _core.linear(y, x, w, None, None, False, y, None, ws)
    images, kernels = normal(rng, 2, 5, 5, 3), normal(rng, 4, 3, 3, 3)
    out, geometry = np.empty((2, 3, 3, 4), np.float32), ((1, 1), (0, 0), (1, 1), 1)
    with pytest.raises(ValueError, match="added"):
        wrong = normal(rng, 2, 3, 3, 3)
        _core.conv2d(out, images, kernels, None, None, *geometry, True, wrong, None, ws)


# ---- layers --------------------------------------------------------------------------------------


def body():
    return [nn.Activation("relu"), nn.Conv2d(24, 8, 3, 1, 1), nn.Conv2d(8, 24, 1)]


def test_a_residual_sum_within_the_product(rng):
    """It has the bits of the sum behind it, and the gradients."""
    inside = nn.Residual(nn.Sequential(*body()))
    behind = nn.Residual(nn.Sequential(*body(), nn.Reshape((6, 6, 24))))
    for layer in (inside, behind):
        layer.initialize(4)
    x, grad = normal(rng, 5, 6, 6, 24), normal(rng, 5, 6, 6, 24)
    sums = [run(layer, x).output for layer in (inside, behind)]
    assert isinstance(sums[0], Product) and sums[0].added is not None
    assert isinstance(sums[1], Add)
    results = []
    for layer in (inside, behind):
        kept = x.copy()
        y, dx, grads = gradients(layer, kept, grad, training=True)
        np.testing.assert_array_equal(kept, x)
        results.append([y, dx, *grads.values()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["relu", "tanh", "gelu"])
def test_an_activation_behind_a_product_is_an_op_of_its_own(kind, rng):
    first, second = nn.Conv2d(3, 8, 3), nn.Activation(kind)
    stack = nn.Sequential(first, second)
    first.initialize(2)
    x, grad = normal(rng, 4, 7, 7, 3), normal(rng, 4, 5, 5, 8)
    assert isinstance(run(stack, x).output, Activation)
    y, dx, grads = gradients(stack, x, grad, training=True)
    there = run(first, x)
    alone = run(second, there.y)
    np.testing.assert_array_equal(y, alone.y)
    first.weight.forget_grad()
    np.testing.assert_array_equal(dx, there.back(alone.back(grad)))
    np.testing.assert_array_equal(grads["0.weight"], first.weight.grad)


def test_an_activation_of_a_residual_sum(rng):
    linear, tanh = nn.Linear(6, 6), nn.Activation("tanh")
    stack = nn.Sequential(nn.Residual(linear), tanh)
    x, grad = normal(rng, 5, 6), normal(rng, 5, 6)
    made = run(stack, x).output
    assert isinstance(made, Activation) and made.x.added is not None
    y, dx, grads = gradients(stack, x, grad)
    there = run(linear, x)
    alone = run(tanh, there.y + x)
    np.testing.assert_array_equal(y, alone.y)
    linear.weight.forget_grad()
    back = alone.back(grad)
    np.testing.assert_allclose(dx, there.back(back) + back, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(grads["0.body.weight"], linear.weight.grad)


def test_what_somebody_has_seen_is_left_alone(rng):
    """So are a fused activation, a network's input, and a result that is needed once more."""
    x = normal(rng, 3, 6)
    for layers in (
        [nn.Linear(6, 6, activation="tanh"), nn.Activation("relu")],
        [nn.Activation("relu")],
        [nn.Flatten(), nn.Activation("relu")],
    ):
        given = x.copy()
        ran = run(nn.Sequential(*layers), given, training=True)
        np.testing.assert_array_equal(given, x)
        assert not np.shares_memory(ran.y, given)
        assert isinstance(ran.output, Activation)
    linear = nn.Linear(6, 6)

    def seen(v):
        y = linear(v)
        assert y.data.shape == (3, 6)
        return nn.Activation("relu")(y)

    def used(v):
        y = linear(v)
        z = y * 2.0
        return z - (v + y)

    assert isinstance(run(seen, x).output, Activation)
    ran = run(used, x)
    assert not any(isinstance(op, Product) and op.added is not None for op in ran.tape.record)
    y = linear(x)
    np.testing.assert_allclose(ran.y, y - x, rtol=1e-5, atol=1e-6)
