"""A model's step on a batch, as training takes it, and its gradient beside differences."""

import numpy as np
import pytest


def passes(model, batch):
    """Run the passes of each phase over a batch; return their sums, and the gradients they left."""
    network, found = model._network, []
    target = batch.true_output() if network.is_teacher_forced else None
    how = {"records": True, "training": True, "lengths": batch.lengths, "target": target}
    with network.tape(**how) as tape:
        batch.begin(tape, "on", network.seed, network.samples)
        for phase in model._phases():
            network.flat.forget_gradients()
            sums = phase.run(batch)
            found.append((sums, network.flat.whole_gradient().copy()))
    return found


def step(model, batch):
    """Run the passes over a batch; return the sums of the last phase, whose gradients are left."""
    return passes(model, batch)[-1][0]


def check_step(model, batch, rng):
    """Compare the gradient of a model's loss on a batch with differences in random directions."""
    network = model._network

    def loss():
        return step(model, batch)["loss"] / batch.n

    value, before = network.flat.value, network.flat.value.copy()
    loss()
    gradient = network.flat.grad.astype(np.float64)
    for _ in range(3):
        direction = rng.standard_normal(len(before)) * (gradient != 0)
        direction /= np.linalg.norm(direction)
        size = 1e-2
        value[:] = before + size * direction
        up = loss()
        value[:] = before - size * direction
        down = loss()
        value[:] = before
        scale = np.linalg.norm(gradient)
        assert (up - down) / (2 * size) == pytest.approx(gradient @ direction, abs=2e-3 * scale)
