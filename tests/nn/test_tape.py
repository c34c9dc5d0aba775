"""The tape: what goes into a product's epilogue, partial walks, memory, and what is refused."""

import threading

import aecore as ae
import numpy as np
import pytest
from aecore import _core, nn
from aecore.nn.ops.elementwise import Activation, activation
from aecore.nn.ops.norms import NormLinear
from aecore.nn.ops.products import Linear
from cases.base import normal
from support.layers import Opaque, gradients, run


@pytest.fixture
def gates(monkeypatch):
    """A list, to which every product adds the activation that it applies the gradient of."""
    found = []
    for name, place in (("linear_backward", 6), ("conv2d_backward", 6)):
        real = getattr(_core, name)

        def spy(*given, real=real, place=place):
            found.append(given[place])
            return real(*given)

        monkeypatch.setattr(_core, name, spy)
    return found


def stack(kind="tanh"):
    made = nn.Sequential(nn.Linear(5, 4, activation=kind), nn.Linear(4, 3))
    made.initialize(1)
    return made


# ---- rule 1: gradients of activations go into products ------------------------------------------


def test_a_product_alone_applies_the_gradient_of_an_activation(gates, rng):
    x, grad = normal(rng, 6, 5), normal(rng, 6, 3)
    run(stack(), x).back(grad)
    assert gates == ["tanh", None]
    gates.clear()
    views = nn.Sequential(*stack().layers[:1], nn.Reshape((2, 2)), nn.Flatten(), nn.Linear(4, 3))
    run(views, x).back(grad)
    assert gates == ["tanh", None]
    gates.clear()
    images = nn.Sequential(nn.Activation("elu"), nn.Conv2d(2, 3, 2))
    run(images, normal(rng, 2, 3, 3, 2)).back(normal(rng, 2, 2, 2, 3))
    assert gates == ["elu"]


@pytest.mark.parametrize("second", ["product", "sum", "view", "product before", "view of a view"])
@pytest.mark.parametrize("where", ["layer", "op"])
def test_what_two_ops_use_is_not_gated(where, second, gates, rng):
    first = nn.Linear(5, 4, activation="tanh" if where == "layer" else None)
    last, other = nn.Linear(4, 3), nn.Linear(4, 3)
    x, grad = normal(rng, 6, 5), normal(rng, 6, 3)

    class Layer(nn.Module):
        def __init__(self, wrap):
            self.first, self.last, self.other = first, last, other
            self._wrap = wrap

        def forward(self, v):
            wrap, h = self._wrap, first(v)
            h = wrap(h if where == "layer" else activation(h, "tanh"))
            if second == "product":
                return wrap(last(h)) + wrap(other(h))
            if second == "product before":
                also = other(h)
                assert also.data.shape == (6, 3)
                return wrap(last(h)) + also
            if second == "sum":
                return wrap(last(h)) + h.sum(1, keepdims=True)
            view = np.reshape(h, (6, 2, 2))
            if second == "view":
                return wrap(last(h)) + view.sum((1, 2))[:, None]
            return wrap(last(np.reshape(view, (6, 4)))) + view.sum((1, 2))[:, None]

    fused, unfused = (gradients(Layer(wrap), x, grad) for wrap in (lambda v: v, Opaque))
    assert "tanh" not in gates
    assert_near(fused, unfused)


def assert_near(a, b):
    """Compare outputs, gradients of the input, and those of parameters."""
    for got, want in zip((*a[:2], *a[2].values()), (*b[:2], *b[2].values()), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("last", [True, False])
def test_a_gradient_that_is_shared_is_not_overwritten(last, rng):
    """By the slope of an activation, of which the other addends know nothing."""
    layer, x, grad = nn.Linear(5, 4), normal(rng, 6, 5), normal(rng, 6, 4)
    given = grad.copy()
    tape = nn.Tape()
    v, w, u = tape.variable(x), tape.variable(grad), tape.variable(grad)
    y = np.tanh(w) + layer(v)
    tape.backward((u + y if last else y + u, given))
    np.testing.assert_array_equal(given, grad)
    np.testing.assert_array_equal(u.grad, grad)
    np.testing.assert_allclose(w.grad, grad * (1 - np.tanh(grad) ** 2), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(v.grad, grad @ layer.weight.value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["tanh", "sigmoid", "softplus"])
@pytest.mark.parametrize("where", ["layer", "op", "view"])
def test_a_gradient_from_outside_joins_one_that_is_gated(kind, where, rng):
    """A walk may begin at a value in the middle as well."""
    first, last = nn.Linear(5, 4, activation=None if where == "op" else kind), nn.Linear(4, 3)
    x, at_h, at_y = normal(rng, 6, 5), normal(rng, 6, 4), normal(rng, 6, 3)
    results = []
    for wrap in (lambda v: v, Opaque):
        tape = nn.Tape()
        v = tape.variable(x)
        h = first(v)
        if where == "op":
            h = Activation(h, kind)
        if where == "view":
            h = np.reshape(h, (6, 2, 2))
        y = last(wrap(np.reshape(h, (6, 4))))
        for _, p in (*first.parameters(), *last.parameters()):
            p.forget_grad()
        tape.backward((y, at_y), (h, at_h.reshape(h.shape)))
        results.append([v.grad.copy(), first.weight.grad.copy(), first.bias.grad.copy()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_value_is_used_again_after_part_of_the_way_back(rng):
    first, last, other = nn.Linear(5, 4, activation="tanh"), nn.Linear(4, 3), nn.Linear(4, 2)
    x = normal(rng, 6, 5)
    results = []
    for wrap in (lambda v: v, Opaque):
        tape = nn.Tape()
        v = tape.variable(x)
        h = first(v)
        assert h.data.shape == (6, 4)
        made = len(tape.record)
        tape.backward(last(wrap(h)), since=made)
        assert len(tape.record) == made
        tape.backward(other(wrap(h)))
        results.append(v.grad)
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)


# ---- rule 2: sums become part of products -------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(_core.ACTIVATIONS))
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("make", ["linear", "tied", "conv", "transpose"])
def test_products_take_sums_along(make, added, kind, rng):
    """With the bits of what is computed apart, before an activation too."""
    layer, shape = {
        "linear": lambda: (nn.Linear(5, 7), (5,)),
        "tied": lambda: (nn.TiedLinear(nn.Linear(7, 5)), (5,)),
        "conv": lambda: (nn.Conv2d(3, 4, 3, 2, 1), (5, 6, 3)),
        "transpose": lambda: (nn.ConvTranspose2d(3, 4, 4, 2, 1), (3, 2, 3)),
    }[make]()
    x = normal(rng, 6, *shape)
    r = normal(rng, 6, *layer.output_shape(shape))
    grad = normal(rng, *r.shape)

    class Whole(nn.Module):
        def __init__(self, wrap):
            self.inside, self._wrap = layer, wrap

        def forward(self, v):
            y = self._wrap(layer(v))
            return activation(self._wrap(y + v.tape.variable(r)) if added else y, kind)

    y, dx, grads = gradients(Whole(lambda v: v), x, grad)
    want, want_dx, want_grads = gradients(Whole(Opaque), x, grad)
    np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(dx, want_dx)
    for name in grads:
        np.testing.assert_array_equal(grads[name], want_grads[name], err_msg=name)


def test_the_gradient_of_what_was_added(rng):
    layer, grad = nn.Linear(5, 4), normal(rng, 6, 4)
    tape = nn.Tape()
    x, r = tape.variable(normal(rng, 6, 5)), tape.variable(normal(rng, 6, 4))
    h = r + layer(x)
    assert type(h) is Linear and h.added is r
    y = np.tanh(h)
    tape.backward((y, grad))
    np.testing.assert_allclose(r.grad, grad * (1 - y.data**2), rtol=1e-5, atol=1e-6)


def test_what_does_not_fit_is_not_taken_along(rng):
    """Another shape, a second addend, the product itself, and arrays are sums of their own."""
    layer = nn.Linear(4, 4, bias=False)
    tape = nn.Tape()
    x = tape.variable(normal(rng, 6, 4))
    want = x.data @ layer.weight.value.T
    for made, add in (
        (lambda: layer(x) + tape.variable(np.ones((1, 4), np.float32)), 1),
        (lambda: (layer(x) + x) + x, 2 * x.data),
        (lambda: layer(x) + np.ones((6, 4), np.float32), 1),
        (lambda: layer(x) + 1.0, 1),
    ):
        y = made()
        assert not isinstance(y, Linear)
        np.testing.assert_allclose(y.data, want + add, rtol=1e-5, atol=1e-6)
    h = layer(x)
    np.testing.assert_allclose((h + h).data, 2 * want, rtol=1e-5, atol=1e-6)


# ---- gradients that nobody wants ----------------------------------------------------------------

CONSTANT_INPUT = {
    "linear": (lambda: nn.Linear(4, 3), (4,), "linear_backward"),
    "conv": (lambda: nn.Conv2d(3, 4, 3), (5, 5, 3), "conv2d_backward"),
    "transpose": (lambda: nn.ConvTranspose2d(3, 4, 3), (4, 4, 3), "conv_transpose2d_backward"),
    "layer norm": (lambda: nn.LayerNorm(4), (4,), "layer_norm_backward"),
    "group norm": (lambda: nn.GroupNorm(2, 4), (4,), "group_norm_backward"),
    "batch norm": (lambda: nn.BatchNorm2d(4), (4,), "batch_norm2d_backward"),
    "lstm": (lambda: nn.LSTM(4, 3), (5, 4), "lstm_backward"),
    "gru": (lambda: nn.GRU(4, 3), (5, 4), "gru_backward"),
    "positions": (lambda: nn.PositionalEmbedding(5, 4), (4,), "positions_backward"),
}


@pytest.mark.parametrize("name", CONSTANT_INPUT)
def test_a_constants_gradient_is_not_computed(name, rng, monkeypatch):
    make, shape, kernel = CONSTANT_INPUT[name]
    layer, real, calls = make(), getattr(_core, kernel), []
    monkeypatch.setattr(_core, kernel, lambda *a: (calls.append(a[0] is None), real(*a)))
    x = normal(rng, 6, *shape)
    grad = normal(rng, *run(layer, x).y.shape)
    _, dx, grads = gradients(layer, x, grad, training=True, wanted=False)
    assert dx is None and calls == [True]
    _, dx, same = gradients(layer, x, grad, training=True)
    assert dx.shape == x.shape and calls == [True, False]
    for key in grads:
        np.testing.assert_array_equal(grads[key], same[key], err_msg=key)


def test_ops_of_constants_leave_nothing_behind(rng):
    tape = nn.Tape()
    x = tape.constant(normal(rng, 6, 4))
    y = np.exp(x) * 2 + np.tanh(x).sum()
    assert not y.needs_grad and tape.record == []
    tape.backward(y)
    assert x.grad is None
    z = tape.variable(normal(rng, 6, 4)).detach()
    tape.backward((z * z).sum())
    assert z.grad is None and tape.record == []


# ---- parameters ---------------------------------------------------------------------------------

LEARNING = {
    "linear": (lambda: nn.Linear(4, 3), (4,)),
    "conv": (lambda: nn.Conv2d(3, 4, 3), (5, 5, 3)),
    "transpose": (lambda: nn.ConvTranspose2d(3, 4, 3), (4, 4, 3)),
    "tied": (lambda: nn.TiedLinear(nn.Linear(3, 4)), (4,)),
    "tied transpose": (lambda: nn.TiedConvTranspose2d(nn.Conv2d(4, 3, 3)), (4, 4, 3)),
    "layer norm": (lambda: nn.LayerNorm(4), (4,)),
    "group norm": (lambda: nn.GroupNorm(2, 4), (4,)),
    "batch norm": (lambda: nn.BatchNorm2d(4), (4,)),
    "lstm": (lambda: nn.LSTM(4, 3, 2, True), (5, 4)),
    "gru": (lambda: nn.GRU(4, 3, 2, True), (5, 4)),
    "attention": (lambda: nn.MultiHeadAttention(4, 2), (5, 4)),
    "block": (lambda: nn.TransformerBlock(4, 2, 6), (5, 4)),
    "positions": (lambda: nn.PositionalEmbedding(5, 4), (5, 4)),
    "codebook": (lambda: nn.VectorQuantizer(5, 4, codebook="loss"), (4,)),
    "own": (lambda: Scale(4), (4,)),
}


class Scale(nn.Module):
    """y = x times a weight for each feature."""

    def __init__(self, features):
        self.weight = nn.Parameter((features,), fill=1.0)

    def forward(self, x):
        return x * self.weight


@pytest.mark.parametrize("name", LEARNING)
def test_gradients_add_up_over_walks(name, rng):
    make, shape = LEARNING[name]
    layer = make()
    x = normal(rng, 6, *shape)
    grad = normal(rng, *run(layer, x).y.shape)
    _, _, once = gradients(layer, x, grad)
    assert all(np.abs(g).max() > 0 for g in once.values())
    run(layer, x).back(grad)
    for key, p in layer.parameters():
        np.testing.assert_allclose(p.grad, 2 * once[key], rtol=1e-5, atol=1e-6, err_msg=key)
        p.forget_grad()
    run(layer, x).back(grad)
    for key, p in layer.parameters():
        np.testing.assert_array_equal(p.grad, once[key], err_msg=key)


@pytest.mark.parametrize("name", LEARNING)
def test_frozen_parameters_get_no_gradient(name, rng):
    """What they multiply does."""
    make, shape = LEARNING[name]
    layer = make()
    x = normal(rng, 6, *shape)
    grad = normal(rng, *run(layer, x).y.shape)
    _, dx, _ = gradients(layer, x, grad)
    for _, p in layer.parameters():
        p.grad.fill(7)
    for wanted in (True, False):
        ran = run(layer, x, wanted=wanted)
        ran.tape.backward((ran.output, grad), frozen=layer)
        if name != "codebook":
            np.testing.assert_array_equal(ran.x.grad, dx if wanted else None)
    for key, p in layer.parameters():
        assert (p.grad == 7).all(), key
        assert p.learns


def spoil(layer):
    """Leave in gradients what nobody may read."""
    for _, p in layer.parameters():
        p.grad.fill(np.nan)
        p.forget_grad()


@pytest.mark.parametrize("n", [0, 1, 6])
@pytest.mark.parametrize("name", LEARNING)
def test_fresh_gradients_are_overwritten(name, n, rng):
    make, shape = LEARNING[name]
    layer, x = make(), normal(rng, n, *shape)
    grad = normal(rng, *run(layer, x).y.shape)
    for _, p in layer.parameters():
        p.grad.fill(0)
    run(layer, x).back(grad)
    want = {key: p.grad.copy() for key, p in layer.parameters()}
    spoil(layer)
    run(layer, x).back(grad)
    for key, p in layer.parameters():
        np.testing.assert_array_equal(p.grad, want[key], err_msg=key)
    spoil(layer)
    ran = run(layer, x)
    ran.tape.backward((ran.output, grad), frozen=layer)
    for key, p in layer.parameters():
        assert (p.grad == 0).all(), key


SHARING = {
    "linear": (lambda: nn.Linear(4, 4), (4,)),
    "conv": (lambda: nn.Conv2d(3, 3, 3, padding=1), (5, 5, 3)),
    "transpose": (lambda: nn.ConvTranspose2d(3, 3, 3, padding=1), (5, 5, 3)),
    "layer norm": (lambda: nn.LayerNorm(4), (4,)),
    "group norm": (lambda: nn.GroupNorm(2, 4), (4,)),
    "batch norm": (lambda: nn.BatchNorm2d(4), (4,)),
    "lstm": (lambda: nn.LSTM(4, 4), (5, 4)),
    "gru": (lambda: nn.GRU(4, 4), (5, 4)),
    "block": (lambda: nn.TransformerBlock(4, 2, 6), (5, 4)),
    "positions": (lambda: nn.PositionalEmbedding(5, 4), (5, 4)),
    "own": (lambda: Scale(4), (4,)),
}


@pytest.mark.parametrize("name", SHARING)
def test_a_layer_in_two_places_gets_the_sum(name, rng):
    make, shape = SHARING[name]
    first, second = make(), make()
    first.initialize(1)
    for (_, p), (_, q) in zip(first.parameters(), second.parameters(), strict=True):
        q.value[...] = p.value
    x = normal(rng, 6, *shape)
    grad = normal(rng, *x.shape)
    _, dx, alone = gradients(nn.Sequential(first, second), x, grad)
    spoil(first)
    np.testing.assert_array_equal(run(lambda v: first(first(v)), x).back(grad), dx)
    for key, p in first.parameters():
        want = alone[f"0.{key}"] + alone[f"1.{key}"]
        np.testing.assert_allclose(p.grad, want, rtol=1e-5, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("name", SHARING)
def test_some_of_a_layers_gradients_are_fresh(name, rng):
    make, shape = SHARING[name]
    layer, x = make(), normal(rng, 6, *shape)
    grad = normal(rng, *x.shape)
    _, _, once = gradients(layer, x, grad)
    for chosen, kept in layer.parameters():
        spoil(layer)
        kept.grad[...] = once[chosen]
        run(layer, x).back(grad)
        for key, p in layer.parameters():
            want = (2 if p is kept else 1) * once[key]
            np.testing.assert_allclose(p.grad, want, rtol=1e-5, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("own", [nn.Linear, nn.Conv2d], ids=["linear", "conv"])
def test_tied_weights_get_the_sum(own, rng):
    """The bias of each is its own."""
    there = own(4, 3) if own is nn.Linear else own(4, 3, 3)
    back = nn.TiedLinear(there) if own is nn.Linear else nn.TiedConvTranspose2d(there)
    there.initialize(1)
    x = normal(rng, 6, 4) if own is nn.Linear else normal(rng, 6, 5, 5, 4)
    grad = normal(rng, *x.shape)

    def both(v):
        return back(there(v))

    parameters = [there.weight, there.bias, back.bias]
    for p in parameters:
        p.grad.fill(0)
    run(both, x).back(grad)
    want = [p.grad.copy() for p in parameters]
    spoil(there), spoil(back)
    run(both, x).back(grad)
    for p, w in zip(parameters, want, strict=True):
        np.testing.assert_allclose(p.grad, w, rtol=1e-5, atol=1e-5)


def test_what_no_layer_reaches_has_a_gradient_of_zero(rng):
    reached, other = nn.Linear(4, 3), nn.Conv2d(2, 3, 3)
    flat = nn.Flat([("reached", reached), ("other", other)])
    spoil(reached), spoil(other)
    flat.forget_gradients()
    x, grad = normal(rng, 6, 4), normal(rng, 6, 3)
    run(reached, x).back(grad)
    whole = flat.split(flat.whole_gradient())
    np.testing.assert_allclose(whole["reached.weight"], grad.T @ x, rtol=1e-5, atol=1e-5)
    assert (whole["other.weight"] == 0).all() and (whole["other.bias"] == 0).all()
    flat.forget_gradients()
    assert (flat.whole_gradient() == 0).all()


def test_a_frozen_weight_that_is_tied_leaves_the_other_bias_alone(rng):
    there = nn.Linear(3, 4)
    back = nn.TiedLinear(there)
    x, grad = normal(rng, 6, 4), normal(rng, 6, 3)
    ran = run(back, x)
    ran.tape.backward((ran.output, grad), frozen=there)
    np.testing.assert_allclose(back.bias.grad, grad.sum(0), rtol=1e-5, atol=1e-6)
    assert (there.weight.grad == 0).all()


def test_what_is_frozen_anyway_stays_so(rng):
    layer = nn.Linear(4, 3)
    layer.weight.learns = False
    x, grad = normal(rng, 6, 4), normal(rng, 6, 3)
    run(layer, x).tape.backward(frozen=layer)
    assert not layer.weight.learns and layer.bias.learns
    run(layer, x).back(grad)
    assert (layer.weight.grad == 0).all() and (layer.bias.grad != 0).any()


def test_the_beginning_of_a_record_stays_for_another_walk(rng):
    """As two networks that play against each other have it."""
    first, last = nn.Linear(5, 4, activation="tanh"), nn.Linear(4, 3)
    x, grad = normal(rng, 6, 5), normal(rng, 6, 3)
    _, _, alone = gradients(nn.Sequential(first, last), x, grad)
    for _, p in (*first.parameters(), *last.parameters()):
        p.forget_grad()
    tape = nn.Tape()
    h = first(tape.constant(x))
    apart = h.detach()
    made = len(tape.record)
    tape.backward((last(apart), grad), since=made)
    assert len(tape.record) == made and (first.weight.grad == 0).all()
    np.testing.assert_array_equal(last.weight.grad, alone["1.weight"])
    tape.backward((last(h), grad), frozen=last)
    assert tape.record == []
    np.testing.assert_array_equal(first.weight.grad, alone["0.weight"])
    np.testing.assert_array_equal(last.weight.grad, alone["1.weight"])


def test_a_norm_before_a_product_adds_to_the_sum_around_it(rng):
    """The gradient that the sum gave is added by the kernel, not once more."""
    norm, linear = nn.LayerNorm(5), nn.Linear(5, 5)
    parameters = norm.weight, norm.bias, linear.weight, linear.bias
    x, grad = normal(rng, 6, 5), normal(rng, 6, 5)
    fused = run(lambda v: v + NormLinear(v, parameters, norm.eps), x)
    plain = run(lambda v: v + Opaque(linear(norm(v))), x)
    np.testing.assert_allclose(fused.y, plain.y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fused.back(grad), plain.back(grad), rtol=1e-5, atol=1e-5)


# ---- memory -------------------------------------------------------------------------------------

MODELS = {
    "mlp": (lambda **o: ae.Autoencoder(ae.Dense((32, 16)), 4, **o), (20,)),
    "conv vae": (lambda **o: ae.VAE(ae.Conv((4, 8)), 4, **o), (8, 8, 1)),
    "resnet vqvae": (lambda **o: ae.VQVAE(ae.ResNet(8, 4, 1), 16, 4, **o), (8, 8, 1)),
    "transformer": (lambda **o: ae.Autoencoder(ae.Transformer(16, 2, 1, 24), 4, **o), (6, 3)),
    "lstm": (lambda **o: ae.Autoencoder(ae.LSTM(8), 4, **o), (6, 3)),
    "gru": (lambda **o: ae.Autoencoder(ae.GRU(8), 4, **o), (6, 3)),
    "aae": (lambda **o: ae.AdversarialAutoencoder(ae.Dense((16,)), 4, **o), (20,)),
}


@pytest.mark.parametrize("name", MODELS)
def test_training_takes_no_memory_after_the_first_step(name, rng):
    make, shape = MODELS[name]
    model = make(batch_size=16, random_state=0)
    x = normal(rng, 16, *shape)
    model.partial_fit(x)
    (tape,) = model._network._tapes
    nbytes = tape.nbytes
    for rows in (16, 11, 16, 1, 16):
        model.partial_fit(x[:rows])
    assert model._network._tapes == [tape] and tape.record == []
    assert tape.nbytes == nbytes


def test_without_a_way_back_memory_is_given_on_at_once(rng):
    """However deep a network is."""

    def deep(n):
        return nn.Sequential(*[nn.Linear(64, 64, activation="tanh") for _ in range(n)])

    x = normal(rng, 32, 64)
    sizes = []
    for n in (2, 3, 20):
        tape = nn.Tape(records=False)
        with tape:
            y = deep(n)(tape.constant(x))
        assert y.data.shape == x.shape and tape.record == []
        sizes.append(tape.nbytes)
    assert sizes == [2 * x.nbytes] * 3


# ---- values -------------------------------------------------------------------------------------


def test_a_value_shows_its_numbers_and_gives_copies(rng):
    tape = nn.Tape()
    x = tape.variable(normal(rng, 3, 2))
    assert (x.shape, x.ndim, x.size, len(x), x.dtype) == ((3, 2), 2, 6, 3, np.float32)
    assert repr(x) == "Value(3, 2)"
    copied = np.asarray(x)
    np.testing.assert_array_equal(copied, x.data)
    assert not np.shares_memory(copied, x.data)
    assert np.asarray(x, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy: expected True or None"):
        x.__array__(copy=False)
    with pytest.raises(TypeError, match="without axes"):
        len(x.sum())
    assert [row.shape for row in x] == [(2,)] * 3
    before, same = x.data.copy(), x
    x += 1
    x *= 2
    x -= 3
    x /= 4
    np.testing.assert_array_equal(same.data, before)
    np.testing.assert_allclose(x.data, ((before + 1) * 2 - 3) / 4, rtol=1e-6)


def test_comparisons_and_signs_are_arrays(rng):
    x = nn.Tape().variable(normal(rng, 3, 2))
    for f in (np.less, np.greater_equal, np.equal):
        np.testing.assert_array_equal(f(x, 0), f(x.data, 0))
    for f in (np.sign, np.isnan, np.isfinite, np.floor, np.rint):
        np.testing.assert_array_equal(f(x), f(x.data))
        assert type(f(x)) is np.ndarray


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x: np.arctan(x), r"np\.arctan: has no gradient here; expected one of absolute"),
        (lambda x: np.add.reduce(x), r"np\.add\.reduce"),
        (lambda x: np.add(x, 1, where=True), r"np\.add with where"),
        (lambda x: np.sort(x), r"np\.sort: has no gradient here; expected one of .*concatenate"),
        (lambda x: x + "1", "operand: expected numbers, got"),
        (lambda x: x @ None, "object"),
    ],
)
def test_what_has_no_gradient_is_a_type_error(call, words, rng):
    with pytest.raises((TypeError, AttributeError), match=words):
        call(nn.Tape().variable(normal(rng, 3, 3)))


def test_walks_begin_at_gradients_of_the_values_shape(rng):
    tape = nn.Tape()
    x = tape.variable(normal(rng, 4, 3))
    double = nn.Linear(3, 3, bias=False)
    double.weight.value[:] = 2 * np.eye(3)
    weight = normal(rng, 3, 4).T  # not contiguous
    for grad, want in (
        (weight, 2 * weight),
        (np.float64(3), 6),
        (weight.astype(np.float64), 2 * weight),
        (weight[:1], 2 * weight[:1]),
    ):
        x.grad = None
        tape.backward((double(x), grad))
        np.testing.assert_allclose(x.grad, np.broadcast_to(want, (4, 3)), rtol=1e-6)
    with pytest.raises(ValueError, match="broadcast"):
        tape.backward((x * 2.0, np.ones((2, 3), np.float32)))


def test_shapes_alone_have_no_numbers():
    with nn.Tape(abstract=True) as tape:
        x = tape.placeholder((5, 3))
        y = nn.Linear(3, 4)(x)
        assert y.shape == (5, 4) and y.detach() is y
        with pytest.raises(ValueError, match="a shape alone"):
            _ = y.data
        assert (x > 0).shape == (5, 3)


def test_two_threads_have_tapes_of_their_own(rng):
    layer, failures = stack(), []
    x = normal(rng, 40, 5)
    expected = layer(x)

    def work():
        for _ in range(50):
            if not np.array_equal(layer(x), expected):
                failures.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
