"""Gradients compared with differences: for whoever writes a layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from .module import Module
from .tape import Shape, Tape

DIRECTIONS = 4
STEP = 1e-2  # in float32 the sum of rounding and curvature is smallest about here


def check_gradients(
    module: Module, shape: Shape, *, samples: int = 3, seed: int = 0, training: bool = False
) -> float:
    """Compare a module's gradients with differences of its output.

    The output, weighed by random numbers and summed up, is differentiated with respect to the input
    and each parameter, along its gradient and random directions: by the tape, and by steps to both
    sides.

    Parameters
    ----------
    module : Module
    shape : tuple of int
        Of one sample.
    samples : int
        N, of the batch.
    seed : int
        Of the numbers.
    training : bool
        Whether noise and the statistics of batches are on. Noise must not change from pass to
        pass.

    Returns
    -------
    float
        The largest difference, relative to the slope or to the gradient's length, whichever is
        larger. About 1e-3 where all is well, as outputs are float32; far more at a kink.

    Examples
    --------
    >>> from aecore import nn
    >>> nn.check_gradients(nn.Linear(7, 3, activation="tanh"), (7,)) < 1e-2
    True
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, *shape), np.float32)
    parameters = [p for _, p in module.parameters()]
    tape = Tape(training=training)

    def output() -> tuple[Any, Any]:
        with tape.start(records=True, training=training):
            given = tape.variable(x)
            return given, module(given)

    weights = rng.standard_normal(output()[1].shape, np.float32)
    for parameter in parameters:
        parameter.forget_grad()
    given, y = output()
    with tape:
        tape.backward((y, weights))
    dx = np.zeros_like(x) if given.grad is None else given.grad
    pairs = [(x, dx), *((p.value, p.grad) for p in parameters)]
    grads = [(values, grad.astype(np.float64)) for values, grad in pairs]

    def total() -> float:
        return float((output()[1].data.astype(np.float64) * weights).sum())

    worst = 0.0
    for values, grad in grads:
        kept, size = values.copy(), float(np.linalg.norm(grad))
        ways = [rng.standard_normal(values.shape) for _ in range(DIRECTIONS)]
        for way in ways:
            way /= max(np.linalg.norm(way), 1e-12) / max(1.0, values.size**0.5 / 8)
        # a wrong factor shows in full along the gradient, and hardly across it
        for way in (grad / max(size, 1e-12), *ways):
            sums = []
            for sign in (1, -1):
                values[...] = kept + sign * STEP * way
                sums.append(total())
            values[...] = kept
            # the step that was taken, after rounding
            slope = (sums[0] - sums[1]) / (2 * STEP)
            worst = max(worst, abs(slope - (grad * way).sum()) / max(abs(slope), size, 1e-6))
    return float(worst)
