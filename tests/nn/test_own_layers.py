"""Layers that users write: with a forward pass, and with a backward pass as 0.1.0 had them."""

import copy
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.nn.tape import heeds_lengths
from cases.base import normal
from support.layers import gradients, run


class OldScale(nn.Module):
    """y = x * weight, a weight for each feature: as the documentation of 0.1.0 had it."""

    def __init__(self, features):
        self.weight = nn.Parameter((features,), fill=3.0)
        self.initialize(0)

    def output_shape(self, shape):
        return shape

    def forward(self, x, training=False):
        self._kept = x
        return x * self.weight.value

    def backward(self, grad):
        self.weight.grad += (grad * self._kept).sum(0)
        return grad * self.weight.value


class Scale(nn.Module):
    """The same with a forward pass alone."""

    def __init__(self, features):
        self.weight = nn.Parameter((features,), fill=3.0)
        self.initialize(0)

    def forward(self, x):
        return x * self.weight


class OldCut(nn.Module):
    """What lies behind a sequence's end is 0, and noise is added while training; heeds lengths."""

    takes_lengths = True

    def __init__(self, steps, width):
        self.noise, self.weight = np.float32(0.5), nn.Parameter((steps, width), 1.0)
        self.initialize(0)

    def output_shape(self, shape):
        return shape[0], 2 * shape[1]

    def forward(self, x, training=False, lengths=None):
        ends = np.full(len(x), x.shape[1]) if lengths is None else lengths
        there = (np.arange(x.shape[1]) < ends[:, None])[..., None]
        y = x + self.noise if training else x.copy()
        self._kept = y, there
        return np.concatenate([y * there, y * self.weight.value], 2)

    def backward(self, grad):
        y, there = self._kept
        first, second = np.split(grad, 2, axis=2)
        self.weight.grad += (second * y).sum(0)
        dx = first * there + second * self.weight.value
        grad *= 7  # as its own
        return dx


class Cut(nn.Module):
    def __init__(self, steps, width):
        self.noise, self.weight = np.float32(0.5), nn.Parameter((steps, width), 1.0)
        self.initialize(0)

    def forward(self, x):
        tape = x.tape
        ends = np.full(len(x), x.shape[1]) if tape.lengths is None else tape.lengths
        there = np.arange(x.shape[1]) < ends[:, None]
        y = x + self.noise if tape.training else x
        return np.concatenate([np.where(there[..., None], y, 0), y * self.weight], axis=2)


PAIRS = {
    "scale": (lambda: OldScale(4), lambda: Scale(4), (4,)),
    "cut": (lambda: OldCut(5, 4), lambda: Cut(5, 4), (5, 4)),
}


def stack(layer, shape):
    """Return it between others, with the same weights every time."""
    before, behind = nn.Linear(4, 4, activation="tanh"), nn.Linear(4, 3)
    if len(shape) == 2:
        before = nn.TimeDistributed(before)
        behind = nn.TimeDistributed(nn.Linear(8, 3))
    made = nn.Sequential(before, layer, behind)
    before.initialize(3)
    behind.initialize(4)
    return made


@pytest.mark.parametrize("lengths", [None, np.array([5, 0, 2, 1, 4])], ids=["full", "lengths"])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_both_kinds_are_the_same(name, training, lengths, rng):
    old, new, shape = PAIRS[name]
    old, new = stack(old(), shape), stack(new(), shape)
    x = normal(rng, 5, *shape)
    grad = normal(rng, 5, *new.output_shape(shape))
    assert old.output_shape(shape) == new.output_shape(shape)
    kept = grad.copy()
    options = {"training": training, "lengths": lengths}
    for wanted in (True, False):
        ours, theirs = (gradients(m, x, grad, wanted=wanted, **options) for m in (new, old))
        np.testing.assert_allclose(theirs[0], ours[0], rtol=1e-6, atol=1e-6)
        if wanted:
            np.testing.assert_allclose(theirs[1], ours[1], rtol=1e-5, atol=1e-6)
        for key in ours[2]:
            np.testing.assert_allclose(theirs[2][key], ours[2][key], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(grad, kept)
    np.testing.assert_allclose(old(x), new(x), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(old(x, training=True), new(x, training=True), rtol=1e-6, atol=1e-6)


def test_a_gradient_that_others_look_at_is_left_alone(rng):
    """An old layer may overwrite what it is given."""
    layer = OldCut(5, 4)
    x, grad = normal(rng, 3, 5, 4), normal(rng, 3, 5, 8)
    given = grad.copy()
    ran = run(layer, x)
    ran.back(given)
    np.testing.assert_array_equal(given, grad)
    ran = run(lambda v: layer(v) + np.concatenate([v, v], axis=2), x)
    dx = ran.back(given)
    want = run(lambda v: Cut(5, 4)(v) + np.concatenate([v, v], axis=2), x).back(grad)
    np.testing.assert_allclose(dx, want, rtol=1e-6)


def test_lengths_are_heeded_by_layers_that_take_them():
    assert heeds_lengths(nn.Sequential(OldCut(5, 4)), (5, 4))
    assert not heeds_lengths(nn.Sequential(OldScale(4)), (4,))


def test_an_old_layer_needs_no_shape_rule_to_be_called(rng):
    class Halves(nn.Module):
        def forward(self, x):
            return x[:, ::2]  # a view, not contiguous, and of float64 below

        def backward(self, grad):
            return None

    x = normal(rng, 3, 8)
    np.testing.assert_array_equal(Halves()(x), x[:, ::2])
    ran = run(Halves(), x)
    assert ran.y.flags.c_contiguous and ran.back(normal(rng, 3, 4)) is None
    with pytest.raises(NotImplementedError, match="Halves: expected output_shape"):
        Halves().output_shape((8,))
    assert run(lambda v: Double()(v), x).y.dtype == np.float32


class Double(OldScale):
    def __init__(self):
        super().__init__(8)

    def forward(self, x, training=False):
        return super().forward(x).astype(np.float64)


def test_an_old_layer_is_taught(rng):
    class Teacher(OldScale):
        def forward(self, x, training=False, target=None):
            return super().forward(x) if target is None else target

    x, target = normal(rng, 3, 4), normal(rng, 3, 4)
    np.testing.assert_array_equal(run(Teacher(4), x, training=True, target=target).y, target)
    np.testing.assert_array_equal(run(Teacher(4), x).y, 3 * x)


@pytest.mark.parametrize("name", PAIRS)
def test_a_model_learns_the_same_with_both(name, rng):
    *makers, shape = PAIRS[name]
    x, codes = normal(rng, 32, *shape), []
    for make in makers:
        encoder = nn.Sequential(make(), nn.Flatten(), nn.Linear(40 if name == "cut" else 4, 3))
        decoder = nn.Sequential(nn.Linear(3, int(np.prod(shape))), nn.Reshape(shape))
        options = {"batch_size": 16, "epochs": 3, "random_state": 0}
        model = ae.Autoencoder((encoder, decoder), 3, **options).fit(x)
        codes.append(model.transform(x))
        np.testing.assert_array_equal(copy.deepcopy(model).transform(x), codes[-1])
    np.testing.assert_allclose(*codes, rtol=1e-4, atol=1e-5)


def test_old_layers_in_copies_and_pickles(rng):
    x = normal(rng, 3, 4)
    layer = OldScale(4)
    run(layer, x).back(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(twin(x), 3 * x)
        assert (twin.weight.grad == 0).all()


# ---- a forward pass -----------------------------------------------------------------------------


class Attention(nn.Module):
    """One head, of NumPy's functions alone."""

    def __init__(self, width):
        self.query, self.key = (nn.Parameter((width, width), 0.7) for _ in range(2))
        self.initialize(2)

    def forward(self, x):
        scores = (x @ self.query) @ np.swapaxes(x @ self.key, 1, 2)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        return (weights / weights.sum(-1, keepdims=True)) @ x


def test_a_layer_of_numpys_functions(rng):
    torch = pytest.importorskip("torch")
    layer = nn.Sequential(nn.TimeDistributed(nn.Linear(3, 4)), Attention(4), nn.MeanPool1d())
    x, grad = normal(rng, 5, 6, 3), normal(rng, 5, 4)
    y, dx, grads = gradients(layer, x, grad, training=True)
    leaves = {k: torch.from_numpy(p.value).requires_grad_() for k, p in layer.parameters()}
    tx = torch.from_numpy(x).requires_grad_()
    h = torch.nn.functional.linear(tx, leaves["0.body.weight"], leaves["0.body.bias"])
    scores = (h @ leaves["1.query"]) @ (h @ leaves["1.key"]).transpose(1, 2)
    want = (scores.softmax(-1) @ h).mean(1)
    want.backward(torch.from_numpy(grad))
    np.testing.assert_allclose(y, want.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-4, atol=1e-5)
    for key, leaf in leaves.items():
        np.testing.assert_allclose(grads[key], leaf.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_parameters_are_arrays_to_numpy_outside_of_a_pass():
    p = nn.Parameter((3,), fill=2.0)
    p.initialize(0, 0)
    assert type(p + 1) is np.ndarray and type(1 - p) is np.ndarray
    np.testing.assert_array_equal(np.asarray(p), [2, 2, 2])
    np.testing.assert_array_equal(np.exp(p), np.exp(p.value))
    assert p.ndim == 1 and len(p) == 3 and p.shape == (3,)
    for made, want in (
        (np.concatenate([p, [1.0], p]), [2, 2, 2, 1, 2, 2, 2]),
        (np.sum(p), 6),
        (p.mean(keepdims=True), [2]),
        (p.reshape(3, 1), [[2], [2], [2]]),
        (p.T, [2, 2, 2]),
        (np.sort(p), [2, 2, 2]),
        (np.linalg.norm(p), 12**0.5),
        (p[1:], [2, 2]),
        (np.stack((p, p))[0], [2, 2, 2]),
    ):
        assert isinstance(made, np.ndarray | np.generic)
        np.testing.assert_allclose(made, want)
    np.testing.assert_array_equal(p, [2, 2, 2])
    with nn.Tape():
        for made in (p + 1, np.sum(p), p.mean(), p[1:], np.concatenate([p, [1.0]])):
            assert isinstance(made, nn.Value)
    x = nn.Tape().variable(np.ones(3, np.float32))
    for made in (x * p, np.concatenate([x, p]), np.stack([p, x]), np.maximum(p, x)):
        assert isinstance(made, nn.Value) and made.tape is x.tape
