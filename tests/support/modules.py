"""What tests of modules share."""

import numpy as np
from cases.base import normal
from twin.stack import evaluate, slopes

from support.layers import run


def zero_grad(module):
    for _, p in module.parameters():
        p.grad.fill(0)


def state(module):
    arrays = {name: p.value for name, p in module.parameters()} | dict(module.buffers())
    return {name: array.copy() for name, array in arrays.items()}


def assert_same_state(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def check(module, x, rng, training=False, tolerance=2e-5):
    """Compare values with the float64 twin, and gradients with differences of the twin."""
    module.initialize(2)
    for _, p in module.parameters():
        if p.fill is not None:  # scale 1 and shift 0 would hide mistakes
            p.value += normal(rng, *p.shape) / 3
    ran = run(module, x, training=training)
    y = ran.y
    want = evaluate(module, x, training=training)
    assert y.dtype == np.float32 and y.shape == want.shape
    assert y.shape[1:] == module.output_shape(x.shape[1:])
    np.testing.assert_allclose(y, want, rtol=2e-5, atol=2e-5 * max(1.0, np.abs(want).max()))
    weight = normal(rng, *y.shape)
    zero_grad(module)
    grads = {None: ran.back(weight)}
    assert grads[None].shape == x.shape
    grads |= {name: p.grad for name, p in module.parameters()}
    for name, direction, slope in slopes(module, x, weight, rng, training):
        got = (grads[name].astype(np.float64) * direction).sum()
        size = np.sqrt((grads[name].astype(np.float64) ** 2).sum())
        assert abs(got - slope) <= tolerance * max(size, 1e-3), (name, got, slope)
