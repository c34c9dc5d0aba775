"""PixelCNN: what it sees, what it minimises, what it draws, and how it goes on."""

import copy
import itertools
import math
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.data.arrays import Data
from aecore.data.batches import Batches
from aecore.nn.pixelcnn.drawing import sample_codes
from aecore.nn.pixelcnn.network import GatedPixelCNN
from aecore.nn.pixelcnn.sampler import Sampler
from cases.base import normal
from conftest import ISAS
from support.modules import zero_grad
from support.steps import check_step
from twin.pixelcnn import pixelcnn as twin

KW = {"epochs": 2, "batch_size": 16, "random_state": 0}


def small(**params):
    return ae.PixelCNN(**{"channels": 8, "layers": 2, "kernel_size": 3, **KW, **params})


@pytest.fixture
def codes(rng):
    return rng.integers(0, 5, (40, 4, 6))


def network(rng, e=7, c=6, layers=3, k=3, condition=0, depth=1):
    model = GatedPixelCNN(e, c, layers, k, condition, depth)
    model.initialize(3)
    return model


def conditions(rng, n, width):
    return normal(rng, n, width) if width else None


# ---- the network --------------------------------------------------------------------------------


def walk_back(model, x, y, weight):
    with nn.Tape(training=True) as tape:
        logits = model.forward(x, None if y is None else tape.constant(y))
        tape.backward((logits, weight))


@pytest.mark.parametrize("condition, depth", [(0, 1), (3, 1), (0, 2), (3, 3)])
@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 1, 4), (2, 4, 1), (3, 1, 1), (2, 3, 9)])
def test_logits_and_gradients_against_the_masked_twin(shape, condition, depth, rng):
    """The twin multiplies whole windows by masks; slopes are its central differences."""
    shape = (*shape[:2], shape[2] * depth)
    model, x = network(rng, condition=condition, depth=depth), rng.integers(0, 7, shape)
    y = conditions(rng, shape[0], condition)
    logits, want = model(x, condition=y), twin(model, x, y)
    assert logits.shape == want.shape == (shape[0], *model.output_shape(shape[1:]))
    np.testing.assert_allclose(logits, want, rtol=1e-5, atol=1e-5)
    weight = normal(rng, *logits.shape)
    zero_grad(model)
    walk_back(model, x, y, weight)
    base = {id(p): p.value.astype(np.float64) for _, p in model.parameters()}
    for name, p in model.parameters():
        direction, step = rng.standard_normal(p.shape), 1e-6

        def moved(sign, p=p, direction=direction, step=step):
            def value(q):
                return base[id(q)] + (sign * step * direction if q is p else 0)

            return (weight * twin(model, x, y, value)).sum()

        slope = (moved(1) - moved(-1)) / (2 * step)
        size = np.linalg.norm(p.grad.astype(np.float64))
        got = (p.grad.astype(np.float64) * direction).sum()
        assert abs(got - slope) <= 1e-4 * max(size, 1e-2), name


def test_gradients_add_up(rng):
    model, x = network(rng), rng.integers(0, 7, (2, 3, 3))
    weight = normal(rng, *model(x).shape)
    zero_grad(model)
    walk_back(model, x, None, weight)
    once = {name: p.grad.copy() for name, p in model.parameters()}
    walk_back(model, x, None, weight)
    for name, p in model.parameters():
        np.testing.assert_allclose(p.grad, 2 * once[name], rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("k", [3, 5])
def test_a_position_sees_all_before_it_and_nothing_else(k, rng):
    """Nothing to the bit; all, without the blind spot of a single stack, by the twin in float64."""
    h, w = 5, 6
    model, x = network(rng, c=16, layers=6, k=k), rng.integers(0, 7, (1, h, w))
    before, precise = model(x).copy(), twin(model, x)
    for i, j in itertools.product(range(h), range(w)):
        changed = x.copy()
        changed[0, i, j] = (x[0, i, j] + 1) % 7
        differs = (model(changed) != before).any((0, 3)).reshape(-1)
        at = i * w + j
        assert not differs[: at + 1].any(), (i, j)
        seen = (twin(model, changed) != precise).any((0, 3)).reshape(-1)
        np.testing.assert_array_equal(seen, np.arange(h * w) > at, err_msg=f"{i}, {j}")


def test_one_layer_sees_half_a_window(rng):
    model, x = network(rng, layers=1, k=5), rng.integers(0, 7, (1, 9, 9))
    before, seen = model(x).copy(), np.zeros((9, 9), bool)
    for i, j in itertools.product(range(9), range(9)):
        changed = x.copy()
        changed[0, i, j] = (x[0, i, j] + 1) % 7
        seen[i, j] = (model(changed) != before)[0, 4, 4].any()
    want = np.zeros((9, 9), bool)
    want[2:4, 2:7] = want[4, 2:4] = True
    np.testing.assert_array_equal(seen, want)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("condition", [0, 3])
@pytest.mark.parametrize("shape", [(5, 4, 6), (17, 1, 5), (1, 5, 1), (3, 1, 1), (70, 3, 4)])
@pytest.mark.parametrize("c, k, depth", [(6, 3, 1), (24, 5, 1), (6, 5, 2)])
def test_a_walk_has_the_bits_of_a_full_pass(c, k, depth, shape, condition, isa, workspace, rng):
    workspace(2, isa)
    shape = (*shape[:2], shape[2] * depth)
    model, x = network(rng, 7, c, 3, k, condition, depth), rng.integers(0, 7, shape)
    y = conditions(rng, shape[0], condition)
    want, walk = model(x, condition=y), Sampler(model, shape, y)
    for i in range(shape[1]):
        walk.begin_row(i)
        for j in range(shape[2]):
            np.testing.assert_array_equal(walk.logits(j), want[:, i, j], err_msg=f"{i}, {j}")
            walk.put(i, j, x[:, i, j])


def test_the_masked_layer_and_its_repr(rng):
    layer = nn.MaskedConv2d(3, 4, 5, "vertical", True, bias=False)
    assert repr(layer) == "MaskedConv2d(3, 4, 5, 'vertical', own=True, bias=False)"
    assert layer.weight.shape == (4, 3, 5, 3)
    assert nn.MaskedConv2d(3, 4, 5, "horizontal").weight.shape == (4, 1, 2, 3)
    assert repr(network(rng, condition=2)).startswith("GatedPixelCNN(7, 6, 3, 3, condition=2\n")


# ---- what it says about maps --------------------------------------------------------------------


@pytest.mark.parametrize("grid", [(2, 2), (1, 3), (4,)])
def test_probabilities_of_all_maps_add_up_to_one(grid, rng):
    size = math.prod(grid)
    every = np.array(list(itertools.product(range(3), repeat=size))).reshape(-1, *grid)
    some, y = rng.integers(0, 3, (30, *grid)), np.arange(30) % 2
    model = small(codebook_size=3, learning_rate=1e-2).fit(some)
    assert np.exp(model.log_likelihood(every).astype(float)).sum() == pytest.approx(1, abs=1e-5)
    model = small(codebook_size=3, learning_rate=1e-2).fit(some, y)
    for label in (0, 1):
        p = np.exp(model.log_likelihood(every, np.full(len(every), label)).astype(float))
        assert p.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("grid", [(2, 1, 2), (2, 2), (3,)])
def test_maps_of_several_codes_at_a_position(grid, rng, tmp_path):
    """They are one row of codes, and add up to one; which of a position's it is is known."""
    every = np.array(list(itertools.product(range(3), repeat=math.prod(grid)))).reshape(-1, *grid)
    some = np.zeros((60, *grid), int)
    some[...] = np.arange(grid[-1])
    model = small(channels=16, depth=grid[-1], codebook_size=3, epochs=40, learning_rate=1e-2).fit(
        some
    )
    p = np.exp(model.log_likelihood(every).astype(float))
    assert p.sum() == pytest.approx(1, abs=1e-5) and p.max() > 0.9
    made = model.sample(20, random_state=0)
    assert made.shape == (20, *grid) and (made == np.arange(grid[-1])).mean() > 0.95
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(ae.load(tmp_path / "m").sample(20, random_state=0), made)
    with pytest.raises(ValueError, match="expected some maps of codes"):
        model.log_likelihood(every[..., :1])
    with pytest.raises(ValueError, match="depth: expected at least 1"):
        small(depth=0).fit(some)


def test_likelihoods_by_hand(codes):
    model = small(epochs=1, learning_rate=1e-30, validation_fraction=0.25).fit(codes)
    logits = twin(model._network.pixelcnn, codes)
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    nats = -np.take_along_axis(logits, codes[..., None], -1).sum((1, 2, 3))
    right = (logits.argmax(-1) == codes).mean((1, 2))
    np.testing.assert_allclose(model.log_likelihood(codes), -nats, rtol=1e-5)
    assert model.log_likelihood(codes).dtype == np.float32
    assert model.score(codes) == pytest.approx(-nats.mean(), rel=1e-6)
    assert model.bits_per_dim(codes) == pytest.approx(nats.mean() / 24 / math.log(2), rel=1e-6)
    (record,) = model.history_
    assert "mse" not in record and record["loss"] == record["nll"]
    both = [record[k] * 30 + record[f"val_{k}"] * 10 for k in ("nll", "accuracy")]
    assert both == pytest.approx([nats.sum(), right.sum()], rel=1e-5)
    assert record["nats_per_code"] == pytest.approx(record["nll"] / 24)
    assert record["val_bits_per_dim"] == pytest.approx(record["val_nll"] / 24 / math.log(2))
    assert record["val_loss"] == record["val_nll"]


def test_it_learns_a_chain_up_to_its_entropy(rng):
    """Rows that go on from the row above with one of two steps: ln 2 nats a row, but the first."""
    n, h, w, e = 400, 4, 5, 6
    start = rng.integers(0, e, (n, 1, 1))
    steps = rng.integers(1, 3, (n, h, 1)).cumsum(1) - 1
    maps = (start + steps + np.arange(w)) % e
    model = ae.PixelCNN(24, 2, 3, epochs=40, learning_rate=3e-3, batch_size=32, random_state=0)
    model.set_params(schedule=ae.Cosine(40)).fit(maps[:300])
    best = (math.log(e) + (h - 1) * math.log(2)) / (h * w)
    nats = -model.score(maps[300:]) / (h * w)
    assert 0.95 * best < nats < 1.1 * best
    made = model.sample(100, random_state=0)
    good = (np.diff(made, axis=2) % e == 1).mean()
    assert good > 0.97 and np.isin(np.diff(made[..., 0], axis=1) % e, [1, 2]).mean() > 0.97


def test_maps_that_depend_on_a_label(rng):
    y = np.array(["a", "b", "c"])[np.arange(120) % 3]
    maps = (np.arange(120) % 3)[:, None, None] + np.zeros((120, 3, 3), int)
    model = small(epochs=30, learning_rate=1e-2).fit(maps, y)
    for i, label in enumerate("abc"):
        assert (model.sample(20, y=label, random_state=0) == i).mean() > 0.95
    each = model.sample(3, y=["c", "a", "b"], random_state=0)
    np.testing.assert_array_equal(each[:, 1, 1], [2, 0, 1])
    right, wrong = model.score(maps, y), model.score(maps, np.roll(y, 1))
    assert right > -1 > wrong


def test_properties_are_conditions_too(rng):
    size = rng.normal(50, 10, (200, 1))
    maps = (size > 50).astype(int)[:, :, None] + np.zeros((200, 2, 2), int)
    model = small(epochs=30, learning_rate=1e-2).fit(maps, size)
    assert (model.sample(20, y=[30.0], random_state=0) == 0).mean() > 0.95
    assert (model.sample(20, y=[70.0], random_state=0) == 1).mean() > 0.95


# ---- samples ------------------------------------------------------------------------------------


def test_samples_have_the_models_frequencies(rng):
    model = small(codebook_size=3, learning_rate=1e-2, epochs=5).fit(rng.integers(0, 3, (40, 2, 2)))
    every = np.array(list(itertools.product(range(3), repeat=4))).reshape(-1, 2, 2)
    p = np.exp(model.log_likelihood(every).astype(float))
    made = model.sample(20000, random_state=1)
    count = np.bincount(np.ravel_multi_index(made.reshape(-1, 4).T, (3,) * 4), minlength=81)
    statistic = ((count - 20000 * p) ** 2 / (20000 * p)).sum()
    assert statistic < 140  # chi-squared of 80: beyond 140 with a probability of 4e-5


def test_draws_at_the_ends():
    logits = np.array([[0.0, -200, 0, -200], [-1e4, 5, -1e4, -1e4]], np.float32)
    for u, want in ((0.0, [0, 1]), (0.4999, [0, 1]), (0.5, [2, 1]), (1 - 2**-24, [2, 1])):
        np.testing.assert_array_equal(sample_codes(logits, np.full(2, u, np.float32)), want)


def test_samples_are_a_function_of_the_seed(codes):
    model = small().fit(codes)
    a = model.sample(300, random_state=1)
    assert a.shape == (300, 4, 6) and a.dtype == np.int64 and a.min() >= 0 and a.max() <= 4
    np.testing.assert_array_equal(a[:7], model.sample(7, random_state=1))
    assert not np.array_equal(a[:7], model.sample(7, random_state=2))
    assert not np.array_equal(model.sample(7), model.sample(7))
    assert model.sample(0).shape == (0, 4, 6)
    assert small().fit(codes[:, 0]).sample(3).shape == (3, 6)
    assert small(codebook_size=9).fit(codes).n_parameters_ > model.n_parameters_


# ---- training -----------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [False, True])
def test_step_gradients_by_finite_differences(labels, codes, rng):
    model, y = small(), np.arange(40) % 3 if labels else None
    model.initialize(codes, y)
    condition = model._network.conditioner and model._network.conditioner.read(y, 40)
    batch = next(Batches(Data(codes.astype(np.float32)), 40, condition=condition)())
    check_step(model, batch, rng)


def same(a, b):
    left, right = a._network.arrays(), b._network.arrays()
    assert list(left) == list(right)
    return all(v.tobytes() == right[k].tobytes() for k, v in left.items())


@pytest.mark.parametrize("labels", [False, True])
def test_saving_between_epochs_changes_nothing(labels, codes, tmp_path):
    y = np.array(["x", "y"])[np.arange(40) % 2] if labels else None
    options = {"schedule": ae.Cosine(4), "validation_fraction": 0.2, "weight_decay": 1e-3}
    whole = small(epochs=4, **options).fit(codes, y)
    half = small(epochs=1, **options).fit(codes, y)
    half.save(tmp_path / "m")
    rest = ae.load(tmp_path / "m")
    assert isinstance(rest, ae.PixelCNN) and same(rest, half) and rest.history_ == half.history_
    assert repr(rest.get_params()) == repr(half.get_params())
    rest.set_params(warm_start=True, epochs=3).fit(codes, y)
    assert same(rest, whole) and len(rest.history_) == 4
    np.testing.assert_array_equal(
        rest.sample(5, y=None if y is None else "x", random_state=3),
        whole.sample(5, y=None if y is None else "x", random_state=3),
    )
    for copied in (pickle.loads(pickle.dumps(whole)), copy.deepcopy(whole)):
        assert same(copied, whole)
        np.testing.assert_array_equal(
            copied.log_likelihood(codes, y), whole.log_likelihood(codes, y)
        )


def test_bits_do_not_depend_on_threads_or_types(codes):
    models = [small(n_threads=n).fit(codes) for n in (1, 2, 3)]
    models += [small().fit(codes.astype(t)) for t in (np.uint8, np.int32)]
    models += [small().fit(codes.tolist()), small(codebook_size=5).fit(codes)]
    assert all(same(m, models[0]) for m in models)
    assert not same(small(random_state=1).fit(codes), models[0])


def test_sequences_are_maps_of_one_row(codes):
    flat, maps = small().fit(codes[:, 0]), small().fit(codes[:, :1])
    assert same(flat, maps)
    np.testing.assert_array_equal(
        flat.log_likelihood(codes[:, 0]), maps.log_likelihood(codes[:, :1])
    )
    assert flat.n_features_in_ == 6 and flat.sample(2).shape == (2, 6)


def test_a_pass_in_order_and_stopping_early(codes):
    a = small(codebook_size=5).partial_fit(codes[:20]).partial_fit(codes[20:])
    assert [r["epoch"] for r in a.history_] == [1, 2]
    seen = []
    b = small(epochs=50, learning_rate=0.3, patience=2, callbacks=[seen.append])
    b.fit(codes[:20], X_val=codes[20:])
    assert len(seen) == len(b.history_) < 50 and seen[0].model is b
    losses = [r["val_loss"] for r in b.history_]
    assert b.best_epoch_ == 1 + int(np.argmin(losses))
    assert -b.score(codes[20:]) == pytest.approx(min(losses), rel=1e-5)


def test_not_finite_is_said_and_undone(codes):
    model = small(epochs=1).fit(codes)
    value = model.parameters_["pixelcnn.blocks.1.horizontal.weight"]
    kept = value[0, 0, 0, 0]
    value[0, 0, 0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="pixelcnn.blocks.1"):
        model.set_params(warm_start=True).fit(codes)
    value[0, 0, 0, 0] = kept
    assert np.isfinite(model.score(codes))


def test_parameters_of_the_protocol(codes):
    sklearn = pytest.importorskip("sklearn.base")
    model = ae.PixelCNN(8, layers=2, kernel_size=3, optimizer=ae.SGD(0.5))
    assert (
        repr(model) == "PixelCNN(channels=8, layers=2, kernel_size=3, optimizer=SGD(momentum=0.5))"
    )
    copied = sklearn.clone(model)
    assert repr(copied) == repr(model) and copied.optimizer is not model.optimizer
    assert model.set_params(optimizer__momentum=0.1).optimizer.momentum == 0.1
    assert not model.__sklearn_is_fitted__()
    with pytest.raises(ValueError, match="This PixelCNN instance is not fitted yet"):
        model.sample(1)
    from sklearn.model_selection import GridSearchCV
    from sklearn.utils import get_tags

    assert get_tags(model).estimator_type == "density_estimator"
    search = GridSearchCV(small(codebook_size=5), {"channels": [1, 8]}, cv=2).fit(codes)
    assert search.best_params_["channels"] in (1, 8) and np.isfinite(search.best_score_)


# ---- errors -------------------------------------------------------------------------------------

C = np.zeros((6, 2, 3), int)
BAD = [
    (lambda m: m.fit(C + 0.5), TypeError, "expected integers"),
    (lambda m: m.fit(C > 0), TypeError, "got bool"),
    (lambda m: m.fit(None), TypeError, "integers"),
    (lambda m: m.fit(C - 1), ValueError, "got -1 to -1"),
    (lambda m: m.fit(C + 2**24), ValueError, "0 to 16777215"),
    (lambda m: m.fit(C[0, 0]), ValueError, "maps of codes (H, W) or (T,)"),
    (lambda m: m.fit(C[None]), ValueError, "maps of codes (H, W) or (T,)"),
    (lambda m: m.fit(C[:0]), ValueError, "got (0, 2, 3)"),
    (lambda m: m.fit(C, np.arange(5)), ValueError, "expected 6 conditions"),
    (lambda m: m.fit(C, np.arange(6) * 0.1), ValueError, "reshape(-1, 1)"),
    (lambda m: m.fit(C, X_val=C + 9), ValueError, "X_val: expected codes of 0 to 0, got 9"),
    (lambda m: m.fit(C, X_val=C[:, :1]), ValueError, "X_val: expected maps of shape (2, 3)"),
    (lambda m: m.fit(C, X_val=(C, np.arange(6))), ValueError, "y: expected None"),
    (lambda m: m.fit(C, np.arange(6), X_val=C), ValueError, "y: expected labels"),
    (lambda m: m.fit(C, X_val=(C, None, 3)), (TypeError, ValueError), ""),
    (lambda m: m.log_likelihood(C[:, :1]), ValueError, "expected maps of shape (2, 3), as in fit"),
    (lambda m: m.log_likelihood(C + 2), ValueError, "expected codes of 0 to 1, got 2 to 2"),
    (lambda m: m.log_likelihood(C, np.arange(6)), ValueError, "fitted without conditions"),
    (lambda m: m.partial_fit(C + 2), ValueError, "0 to 1"),
    (lambda m: m.partial_fit(C, np.arange(6)), ValueError, "fitted without conditions"),
    (lambda m: m.sample(2, y=0), ValueError, "fitted without conditions"),
    (lambda m: m.sample(-1), ValueError, "n: expected at least 0"),
    (lambda m: m.sample(1.5), TypeError, "n: expected an integer"),
    (lambda m: m.sample(1, random_state="x"), TypeError, "random_state"),
]


@pytest.mark.parametrize("call, error, word", BAD, ids=map(str, range(len(BAD))))
def test_bad_input(call, error, word):
    model = small(codebook_size=None).fit(C + np.arange(3) % 2)
    before = pickle.dumps(model)
    with pytest.raises(error) as caught:
        call(model)
    assert word in str(caught.value), str(caught.value)
    assert pickle.dumps(model) == before


def test_conditions_must_be_known():
    model = small().fit(C, np.arange(6) % 2)
    for call in (lambda: model.sample(2), lambda: model.log_likelihood(C), lambda: model.score(C)):
        with pytest.raises(ValueError, match="y: expected labels"):
            call()
    with pytest.raises(ValueError, match="y: expected labels as in fit, 0, 1, got 5"):
        model.sample(2, y=5)
    with pytest.raises(ValueError, match="expected 3 conditions"):
        model.sample(3, y=[0, 1])


PARAMETERS = [
    ({"channels": 0}, ValueError, "channels: expected at least 1"),
    ({"channels": 2.0}, TypeError, "channels"),
    ({"channels": 10**7}, MemoryError, "too large"),
    ({"layers": 0}, ValueError, "layers"),
    ({"layers": 10**12}, ValueError, "layers: expected at least 1 and at most 1000"),
    ({"kernel_size": 4}, ValueError, "kernel_size: expected an odd number, got 4"),
    ({"kernel_size": 1}, ValueError, "kernel_size: expected at least 3"),
    ({"kernel_size": (3, 3)}, TypeError, "kernel_size"),
    ({"codebook_size": 0}, ValueError, "codebook_size"),
    ({"codebook_size": 1}, ValueError, "expected codes of 0 to 0, got 0 to 1"),
    ({"codebook_size": 2**30}, ValueError, "codebook_size"),
    ({"learning_rate": 0}, ValueError, "learning_rate"),
    ({"epochs": -1}, ValueError, "epochs"),
    ({"optimizer": "rmsprop"}, ValueError, "optimizer"),
    ({"random_state": "x"}, TypeError, "random_state"),
    ({"validation_fraction": 0.01}, ValueError, "validation_fraction: expected samples"),
]


@pytest.mark.parametrize("params, error, word", PARAMETERS, ids=lambda v: str(v)[:40])
def test_bad_parameters(params, error, word):
    model = small(**params)
    before = dict(vars(model))
    with pytest.raises(error) as caught:
        model.fit(C + np.arange(3) % 2)
    assert word in str(caught.value), str(caught.value)
    assert vars(model) == before


# ---- beside PyTorch -----------------------------------------------------------------------------


def torch_logits(torch, model, weights, x, y):
    """Return the logits by PyTorch's convolutions, shifted by padding; weights by name."""
    nn_f = torch.nn.functional

    def conv(name, layer, v):
        w = weights[f"{name}.weight"].permute(0, 3, 1, 2)
        top, bottom, left, right = getattr(layer, "sides", (0, 0, 0, 0))
        padded = nn_f.pad(v, (left, right, top, bottom))  # a negative one crops
        return nn_f.conv2d(padded, w, weights.get(f"{name}.bias"))

    def gated(v, bias):
        a, b = (v if bias is None else v + bias[:, :, None, None]).chunk(2, 1)
        return torch.tanh(a) * torch.sigmoid(b)

    v = h = weights["embedding"][torch.from_numpy(x)].permute(0, 3, 1, 2)
    for i, block in enumerate(model.blocks):
        name, biases = f"blocks.{i}", [None, None]
        if y is not None:
            layers = "vertical_condition", "horizontal_condition"
            biases = [torch.from_numpy(y) @ weights[f"{name}.{n}.weight"].T for n in layers]
        a = conv(f"{name}.vertical", block.vertical, v)
        b = conv(f"{name}.horizontal", block.horizontal, h) + conv(f"{name}.link", block.link, a)
        v, g = gated(a, biases[0]), gated(b, biases[1])
        h = conv(f"{name}.out", block.out, g) + (h if i else 0)
    hidden = torch.relu(conv("head.1", model.head.layers[1], torch.relu(h)))
    return conv("head.2", model.head.layers[2], hidden)


@pytest.mark.parametrize("labels", [False, True])
def test_training_beside_pytorch(labels, codes):
    """The same losses over 12 steps of Adam, from the same weights."""
    torch = pytest.importorskip("torch")
    y = np.arange(40) % 3 if labels else None
    options = {"batch_size": 40, "shuffle": False, "learning_rate": 1e-2}
    ours = small(epochs=12, **options).fit(codes, y)
    fresh = small(epochs=0, **options).fit(codes, y)
    prefix = "pixelcnn."
    weights = {
        name.removeprefix(prefix): torch.tensor(v.copy(), requires_grad=True)
        for name, v in fresh.parameters_.items()
    }
    optimizer = torch.optim.Adam(weights.values(), lr=1e-2)
    onehot = np.eye(3, dtype=np.float32)[y] if labels else None
    for record in ours.history_:
        logits = torch_logits(torch, fresh._network.pixelcnn, weights, codes, onehot)
        target = torch.from_numpy(codes)
        loss = torch.nn.functional.cross_entropy(logits, target, reduction="sum") / 40
        assert record["nll"] == pytest.approx(loss.item(), rel=1e-4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert ours.history_[-1]["nll"] < ours.history_[0]["nll"] - 0.1
