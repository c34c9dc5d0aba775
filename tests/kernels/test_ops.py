"""Every operation against its float64 twin, over instruction sets and numbers of threads."""

import aecore.functional as F
import numpy as np
import pytest
import twin
from cases import CASES
from conftest import ISAS

THREADS = (1, 2, 3)
GUARD = np.float32(-12345.678)


def double(values):
    return tuple(
        v.astype(np.float64) if getattr(v, "dtype", None) == np.float32 else v for v in values
    )


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def assert_close(got, want, case, what):
    for i, (g, w) in enumerate(zip(as_tuple(got), as_tuple(want), strict=True)):
        if w is None:
            assert g is None, f"{what} {i}: expected None"
            continue
        assert g.shape == np.shape(w), f"{what} {i}: shape {g.shape}, expected {np.shape(w)}"
        if np.issubdtype(g.dtype, np.integer):
            np.testing.assert_array_equal(g, w, err_msg=f"{what} {i}")
            continue
        size = max(1.0, float(np.abs(w).mean())) if np.size(w) else 1.0
        np.testing.assert_allclose(
            g, w, rtol=case.rtol, atol=case.atol * size, err_msg=f"{what} {i}"
        )


def assert_same_bits(a, b, what):
    for x, y in zip(as_tuple(a), as_tuple(b), strict=True):
        if x is not None:
            assert x.tobytes() == y.tobytes(), what


def gradients(case, module, grad, inputs):
    """Call NAME_backward of `module` as the case says."""
    extra = case.cached(module, inputs, case.options) if case.cached else ()
    saved = case.saved(module, inputs, case.options) if case.saved else inputs
    options = case.backward_options()
    return as_tuple(getattr(module, f"{case.name}_backward")(grad, *saved, *extra, **options))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(case, isa, rng, workspace):
    inputs = case.inputs(rng)
    copies = [None if v is None else v.copy() for v in inputs]
    want = getattr(twin, case.name)(*double(inputs), **case.options)
    results = []
    for threads in THREADS:
        workspace(threads, isa)
        results.append(getattr(F, case.name)(*inputs, **case.options))
    assert_close(results[0], want, case, "output")
    for result in results[1:]:
        assert_same_bits(results[0], result, "the bits depend on the number of threads")
    for value, copy in zip(inputs, copies, strict=True):
        if value is not None:
            np.testing.assert_array_equal(value, copy, err_msg="an input was changed")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", [c for c in CASES if c.backward], ids=str)
def test_backward(case, isa, rng, workspace):
    inputs = case.inputs(rng)
    shape = np.shape(as_tuple(getattr(twin, case.name)(*double(inputs), **case.options))[0])
    grad = rng.standard_normal(shape).astype(np.float32)
    want = gradients(case, twin, grad.astype(np.float64), double(inputs))
    results = []
    for threads in THREADS:
        workspace(threads, isa)
        results.append(gradients(case, F, grad, inputs))
    assert_close(results[0], want, case, "gradient")
    for result in results[1:]:
        assert_same_bits(results[0], result, "the bits depend on the number of threads")


@pytest.mark.parametrize("case", [c for c in CASES if c.backward], ids=str)
def test_twin_gradient_by_finite_differences(case, rng):
    """The twin's backward against central differences of its forward, in a random direction."""
    inputs = double(case.inputs(rng))
    options = {k: v for k, v in case.options.items() if k not in case.forward_only}

    def forward(values):
        return as_tuple(getattr(twin, case.name)(*values, **options))[0]

    grad = rng.standard_normal(np.shape(forward(inputs)))
    got = gradients(case, twin, grad, inputs)
    for position, g in zip(case.differentiable, got, strict=True):
        if g is None or np.size(g) == 0:
            continue
        direction = rng.standard_normal(g.shape)
        step = 1e-6

        def moved(sign, position=position, direction=direction, step=step):
            values = list(inputs)
            values[position] = values[position] + sign * step * direction
            return forward(values)

        want = (grad * (moved(1) - moved(-1)) / (2 * step)).sum()
        np.testing.assert_allclose((g * direction).sum(), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_out_is_filled_and_no_more(case, isa, rng, workspace):
    """Results written into a larger buffer leave the words on both sides of it alone."""
    workspace(2, isa)
    inputs = case.inputs(rng)
    want = getattr(F, case.name)(*inputs, **case.options)
    if isinstance(want, tuple):
        pytest.skip("several results")
    buffer = np.full(want.size + 128, GUARD)
    out = buffer[64 : 64 + want.size].reshape(want.shape)
    assert getattr(F, case.name)(*inputs, **case.options, out=out) is out
    assert_same_bits(out, want, "out= differs from a new result")
    assert (buffer[:64] == GUARD).all() and (buffer[64 + want.size :] == GUARD).all()
