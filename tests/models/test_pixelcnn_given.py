"""A PixelCNN given other maps, or a part of its own: the context, completion, and temperature."""

import copy
import itertools
import math
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.data.maps import finer_by
from aecore.files import document
from aecore.nn.pixelcnn.drawing import tempered
from aecore.nn.pixelcnn.network import GatedPixelCNN
from aecore.nn.pixelcnn.sampler import Sampler
from cases.base import normal
from conftest import ISAS
from support.modules import zero_grad
from twin.pixelcnn import pixelcnn as twin

KW = {"channels": 8, "layers": 2, "kernel_size": 3, "batch_size": 16, "random_state": 0}


def network(condition=0, depth=1, several=1, finer=(1, 1), k=3):
    model = GatedPixelCNN(7, 6, 3, k, condition, depth, (5, several), finer)
    model.initialize(3)
    return model


def pair(rng, n=50):
    """Maps of 4 x 6, each of whose 2 x 2 blocks is a code of a coarser map, plus 0 or 1."""
    coarse = rng.integers(0, 3, (n, 2, 3))
    fine = coarse.repeat(2, axis=1).repeat(2, axis=2)
    return coarse, fine + rng.integers(0, 2, (n, 1, 1))


# ---- the context --------------------------------------------------------------------------------

SHAPES = [((3, 4, 6), (2, 3)), ((2, 3, 5), (3, 5)), ((2, 1, 4), (1, 2)), ((3, 1, 1), (1, 1))]


@pytest.mark.parametrize("several, condition", [(1, 0), (2, 3)])
@pytest.mark.parametrize("shape, room", SHAPES)
def test_logits_and_gradients_against_the_twin(shape, room, several, condition, rng):
    finer = shape[1] // room[0], shape[2] // room[1]
    model, x = network(condition, 1, several, finer), rng.integers(0, 7, shape)
    context = rng.integers(0, 5, (shape[0], *room, several))
    y = normal(rng, shape[0], condition) if condition else None
    logits = model(x, condition=y, context=context)
    np.testing.assert_allclose(logits, twin(model, x, y, context=context), rtol=1e-5, atol=1e-5)
    weight = normal(rng, *logits.shape)
    zero_grad(model)
    with nn.Tape(training=True) as tape:
        made = model.forward(x, None if y is None else tape.constant(y), context)
        tape.backward((made, weight))
    base = {id(p): p.value.astype(np.float64) for _, p in model.parameters()}
    for name, p in model.parameters():
        direction, step = rng.standard_normal(p.shape), 1e-6

        def moved(sign, p=p, direction=direction, step=step):
            def value(q):
                return base[id(q)] + (sign * step * direction if q is p else 0)

            return (weight * twin(model, x, y, value, context)).sum()

        slope = (moved(1) - moved(-1)) / (2 * step)
        assert (p.grad * direction).sum() == pytest.approx(slope, rel=2e-3, abs=2e-3), name


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("depth, k", [(1, 3), (1, 7), (1, 9), (2, 5)])
@pytest.mark.parametrize("room, several", [((2, 3), 1), ((4, 6), 2), ((1, 1), 1)])
def test_a_walk_has_the_bits_of_a_full_pass(room, several, depth, k, isa, workspace, rng):
    """Also where some maps are given the same, of which the first row is made once."""
    workspace(2, isa)
    model = network(2, depth, several, (4 // room[0], 6 // room[1] * depth), k)
    x, some = rng.integers(0, 7, (9, 4, 6 * depth)), rng.integers(0, 4, 9)
    context = rng.integers(0, 5, (4, *room, several))[some]
    y = normal(rng, 4, 2)[some]
    for frozen in (False, True):
        if frozen:
            model.freeze()
        want, walk = model(x, condition=y, context=context), Sampler(model, x.shape, y, context)
        assert walk.alike is not None
        for i in range(x.shape[1]):
            walk.begin_row(i)
            for j in range(x.shape[2]):
                np.testing.assert_array_equal(walk.logits(j), want[:, i, j], err_msg=f"{i}, {j}")
                walk.put(i, j, x[:, i, j])


def test_maps_that_depend_on_coarser_ones(rng, tmp_path):
    coarse, fine = pair(rng, 1500)
    model = ae.PixelCNN(**KW, epochs=15, learning_rate=1e-2, schedule=ae.Cosine(15))
    model.fit(fine, context=coarse)
    coarse, fine = pair(rng)
    made = model.sample(50, context=coarse, random_state=0)
    shift = made - coarse.repeat(2, axis=1).repeat(2, axis=2)
    assert np.isin(shift, [0, 1]).mean() > 0.98
    one = model.sample(20, context=coarse[3], random_state=0)
    assert one.shape == (20, 4, 6) and np.isin(one[:, 0, 0] - coarse[3, 0, 0], [0, 1]).all()
    nats = -model.score(fine, context=coarse)
    assert nats == pytest.approx(math.log(2), abs=0.3)  # a bit, which no map says
    assert nats < -model.score(fine, context=coarse[::-1].copy()) / 2
    model.save(tmp_path / "m")
    for other in (ae.load(tmp_path / "m"), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        again = other.sample(50, context=coarse, random_state=0)
        np.testing.assert_array_equal(again, made)
    assert repr(ae.load(tmp_path / "m")) == repr(model)


def test_saving_between_epochs_changes_nothing(rng, tmp_path):
    coarse, fine = pair(rng)
    options = {**KW, "validation_fraction": 0.2, "schedule": ae.Cosine(4)}
    whole = ae.PixelCNN(**options, epochs=4).fit(fine, context=coarse)
    ae.PixelCNN(**options, epochs=1).fit(fine, context=coarse).save(tmp_path / "m")
    rest = ae.load(tmp_path / "m").set_params(warm_start=True, epochs=3)
    a, b = whole._network.arrays(), rest.fit(fine, context=coarse)._network.arrays()
    assert list(a) == list(b) and all(a[k].tobytes() == b[k].tobytes() for k in a)
    kept = {**options, "checkpoint": tmp_path / "c"}
    ae.PixelCNN(**kept, epochs=2).fit(fine, context=coarse)
    again = ae.PixelCNN(**kept, epochs=4).fit(fine, context=coarse, resume=True)
    c = again._network.arrays()
    assert all(a[k].tobytes() == c[k].tobytes() for k in a)


@pytest.mark.parametrize("change", [{"maps": [3, 3]}, {"maps": []}, {"codes": 0}, {"y": {}}])
def test_files_with_maps_that_make_no_sense(change, rng, tmp_path):
    coarse, fine = pair(rng, 10)
    ae.PixelCNN(**KW, epochs=1).fit(fine, context=coarse).save(tmp_path / "m")
    config, tensors = document.read(tmp_path / "m")
    document.write(tmp_path / "m", config, tensors)
    assert isinstance(ae.load(tmp_path / "m"), ae.PixelCNN)
    maps = config["conditions"] = config["conditions"] | change
    document.write(tmp_path / "m", config, tensors)
    with pytest.raises(ValueError, match="expected a whole model file"):
        ae.load(tmp_path / "m")
    x, y = rng.random((10, 4), dtype=np.float32), np.arange(10) % 2
    ae.CVAE(ae.Dense((4,)), 2, epochs=1).fit(x, y).save(tmp_path / "c")
    config, tensors = document.read(tmp_path / "c")
    config["conditions"] = {**maps, "maps": [1, 1], "codes": 2, "y": config["conditions"]}
    document.write(tmp_path / "c", config, tensors)
    with pytest.raises(ValueError, match="conditions: expected no maps for CVAE"):
        ae.load(tmp_path / "c")


def test_labels_beside_maps(rng):
    y = np.array(["a", "b"])[np.arange(50) % 2]
    coarse = rng.integers(0, 3, (50, 2, 3))
    fine = coarse.repeat(2, axis=1).repeat(2, axis=2) + (y == "b")[:, None, None]
    model = ae.PixelCNN(**KW, epochs=40, learning_rate=1e-2)
    model.fit(fine, y, context=coarse, X_val={"X": fine[:8], "y": y[:8], "context": coarse[:8]})
    assert model.history_[-1]["val_nll"] == pytest.approx(
        -model.score(fine[:8], y[:8], context=coarse[:8]), rel=1e-4
    )
    for label, more in (("a", 0), ("b", 1)):
        made = model.sample(50, y=label, context=coarse, random_state=1)
        want = coarse.repeat(2, axis=1).repeat(2, axis=2) + more
        assert (made == want).mean() > 0.97
    with pytest.raises(ValueError, match="y: expected labels"):
        model.sample(2, context=coarse[0])


GRIDS = {
    "equal": ((4, 6), (4, 6), 1),
    "several codes": ((4, 6), (2, 6, 3), 1),
    "steps": ((6,), (3,), 1),
    "steps, several": ((6,), (3, 2), 1),
    "several of both": ((4, 6, 2), (2, 3, 2), 2),
}


@pytest.mark.parametrize("name", GRIDS)
def test_every_grid(name, rng):
    shape, context, depth = GRIDS[name]
    X, maps = rng.integers(0, 5, (20, *shape)), rng.integers(0, 3, (20, *context))
    options = {**KW, "epochs": 2, "depth": depth}
    models = [ae.PixelCNN(**options, n_threads=n).fit(X, context=maps) for n in (1, 2)]
    a, b = (m._network.arrays() for m in models)
    assert all(a[k].tobytes() == b[k].tobytes() for k in a)
    assert models[0].sample(3, context=maps[0]).shape == (3, *shape)
    found = models[0].score_features(X, context=maps)
    assert found.shape == X.shape and found.dtype == np.float32
    whole = -models[0].log_likelihood(X, context=maps)
    np.testing.assert_allclose(found.reshape(20, -1).sum(1), whole, rtol=1e-5)


def test_probabilities_given_a_map_add_up_to_one(rng):
    every = np.array(list(itertools.product(range(3), repeat=4))).reshape(-1, 2, 2)
    model = ae.PixelCNN(**KW, epochs=2, codebook_size=3, learning_rate=1e-2)
    model.fit(rng.integers(0, 3, (30, 2, 2)), context=rng.integers(0, 2, (30, 1, 2)))
    for context in ([[0, 1]], [[1, 1]]):
        p = np.exp(model.log_likelihood(every, context=[context] * 81).astype(float))
        assert p.sum() == pytest.approx(1, abs=1e-5)


def test_which_maps_fit():
    assert finer_by((4, 6), (2, 3)) == (2, 2) and finer_by((4, 6), (4, 1)) == (1, 6)
    assert finer_by((4, 6), (2, 3, 5)) == (2, 2) and finer_by((6,), (3,)) == (1, 2)
    assert finer_by((4, 6), (3, 3)) is finer_by((4, 6), (6,)) is finer_by((6,), (2, 2, 2)) is None
    assert finer_by((4, 6), (8, 6)) is None


def test_passes_over_parts_and_more_codes_than_are_seen(rng):
    coarse, fine = pair(rng)
    model = ae.PixelCNN(**KW, codebook_size=4, context_size=9)
    model.partial_fit(fine[:20], context=coarse[:20]).partial_fit(fine[20:], context=coarse[20:])
    assert model.sample(2, context=coarse[0] + 6).shape == (2, 4, 6)


C, D = np.zeros((6, 2, 4), int), np.zeros((6, 1, 2), int)
BAD = [
    (lambda m: m.fit(C, context=D + 0.5), TypeError, "context: expected integers"),
    (lambda m: m.fit(C, context=D - 1), ValueError, "context: expected codes of 0"),
    (lambda m: m.fit(C, context=D[:5]), ValueError, "context: expected 6 maps"),
    (lambda m: m.fit(C, context=D[:, 0]), ValueError, "whose sides divide (2, 4)"),
    (lambda m: m.fit(C, context=np.zeros((6, 1, 3), int)), ValueError, "divide (2, 4)"),
    (lambda m: m.fit(C, context=D[:0]), ValueError, "context: expected some maps"),
    (lambda m: m.fit(C, context=D, X_val=C), ValueError, "context: expected maps of codes"),
    (lambda m: m.partial_fit(C), ValueError, "context: expected maps of codes"),
    (lambda m: m.log_likelihood(C), ValueError, "context: expected maps of codes"),
    (lambda m: m.log_likelihood(C, context=D + 2), ValueError, "codes of 0 to 1, got 2 to 2"),
    (lambda m: m.log_likelihood(C, context=D[:, :, :1]), ValueError, "shape (N, 1, 2), as in fit"),
    (lambda m: m.log_likelihood(C, np.arange(6), context=D), ValueError, "y: expected None"),
    (lambda m: m.sample(2), ValueError, "context: expected maps of codes"),
    (lambda m: m.sample(2, context=D), ValueError, "context: expected a map, or 2"),
    (lambda m: m.sample(2, context=D[0], given=C), ValueError, "given: expected codes of shape"),
    (lambda m: m.sample(2, context=D[0], given=C[0] - 2), ValueError, "0 to 0, or -1, got -2"),
    (lambda m: m.sample(2, context=D[0], given=C[0] + 1), ValueError, "0 to 0, or -1"),
    (lambda m: m.sample(2, context=D[0], given=C[0] * 0.5), TypeError, "given: expected integers"),
    (lambda m: m.sample(2, context=D[0], temperature=-1), ValueError, "temperature"),
    (lambda m: m.sample(2, context=D[0], top_k=0), ValueError, "top_k: expected at least 1"),
    (lambda m: m.set_params(context_size=1).fit(C, context=D + 1), ValueError, "codes of 0 to 0"),
    (lambda m: m.set_params(context_size=0).fit(C, context=D), ValueError, "context_size"),
]


@pytest.mark.parametrize("call, error, word", BAD, ids=map(str, range(len(BAD))))
def test_bad_input(call, error, word):
    model = ae.PixelCNN(**KW, epochs=1).fit(C, context=D + np.arange(2))
    before = {k: v.tobytes() for k, v in model._network.arrays().items()}
    with pytest.raises(error) as caught:
        call(model)
    assert word in str(caught.value), str(caught.value)
    assert {k: v.tobytes() for k, v in model._network.arrays().items()} == before


def test_a_context_that_is_not_asked_for(rng):
    model = ae.PixelCNN(**KW, epochs=1).fit(C, np.arange(6) % 2)
    with pytest.raises(ValueError, match="context: expected None for a PixelCNN fitted without"):
        model.sample(2, y=0, context=D[0])


# ---- completion, temperature, single codes ------------------------------------------------------


def test_the_rest_of_a_map_whose_first_positions_are_known(rng):
    """Frequencies of completions are those of the model, given what is known."""
    every = np.array(list(itertools.product(range(3), repeat=4))).reshape(-1, 2, 2)
    model = ae.PixelCNN(**KW, epochs=5, codebook_size=3, learning_rate=1e-2)
    model.fit(rng.integers(0, 3, (40, 2, 2)))
    p = np.exp(model.log_likelihood(every).astype(float))
    given = np.array([[2, -1], [-1, -1]])
    made = model.sample(20000, given=given, random_state=1)
    assert (made[:, 0, 0] == 2).all()
    p = np.where(every[:, 0, 0] == 2, p, 0)
    count = np.bincount(np.ravel_multi_index(made.reshape(-1, 4).T, (3,) * 4), minlength=81)
    want = 20000 * (p / p.sum())[p > 0]
    assert ((count[p > 0] - want) ** 2 / want).sum() < 66  # chi-squared of 26: 3e-5


def test_what_is_known_stays(rng):
    codes = rng.integers(0, 5, (40, 4, 6)).cumsum(1) % 5
    model = ae.PixelCNN(**{**KW, "layers": 3}, epochs=20, learning_rate=1e-2).fit(codes)
    free = model.sample(30, random_state=4)
    for given in (codes[:30], codes[0], np.where(rng.random((30, 4, 6)) < 0.5, codes[:30], -1)):
        made = model.sample(30, given=given, random_state=4)
        known = np.broadcast_to(given >= 0, made.shape)
        np.testing.assert_array_equal(made[known], np.broadcast_to(given, made.shape)[known])
    # a map that is given its own first codes, and the same numbers, is drawn again
    for last in (7, 12, 23):
        given = free.copy()
        given.reshape(30, -1)[:, last:] = -1
        np.testing.assert_array_equal(model.sample(30, given=given, random_state=4), free)
    np.testing.assert_array_equal(model.sample(30, given=codes[0] * 0 - 1, random_state=4), free)
    sequence = ae.PixelCNN(**KW, epochs=1).fit(codes[:, 0])
    assert (sequence.sample(3, given=[4, -1, -1, -1, -1, -1])[:, 0] == 4).all()


def test_logits_at_a_temperature_by_hand():
    logits = np.array([[0.0, 2, 1, 2]], np.float32)
    np.testing.assert_allclose(tempered(logits, 0.5, None), [[-4, 0, -2, 0]])
    np.testing.assert_array_equal(tempered(logits, 1.0, 3), [[-np.inf, 2, 1, 2]])
    np.testing.assert_array_equal(tempered(logits, 1.0, 1), [[-np.inf, 2, -np.inf, -np.inf]])
    np.testing.assert_array_equal(tempered(logits, 0.0, None), tempered(logits, 1.0, 1))
    assert tempered(logits, 1.0, 4) is logits
    np.testing.assert_array_equal(tempered(logits, 1e-310, None), [[-np.inf, 0, -np.inf, 0]])


def test_lower_temperatures_are_likelier(rng):
    codes = rng.integers(0, 5, (60, 3, 4)).cumsum(1) % 5
    model = ae.PixelCNN(**KW, epochs=10, learning_rate=1e-2).fit(codes)

    def likelihood(**how):
        return model.score(model.sample(100, random_state=0, **how))

    hot, plain, cool, least = (likelihood(temperature=t) for t in (2, 1, 0.3, 0))
    assert hot < plain < cool < least and plain < likelihood(top_k=2) < least
    same = model.sample(9, temperature=0, random_state=0)
    np.testing.assert_array_equal(same, np.broadcast_to(same[0], same.shape))


def test_nats_of_single_codes_by_hand(rng):
    codes = rng.integers(0, 5, (40, 4, 6))
    model = ae.PixelCNN(**KW, epochs=1).fit(codes)
    logits = twin(model._network.pixelcnn, codes)
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    nats = -np.take_along_axis(logits, codes[..., None], -1)[..., 0]
    np.testing.assert_allclose(model.score_features(codes), nats, rtol=1e-4, atol=1e-5)


def test_a_code_that_does_not_belong_is_found(rng):
    codes = np.tile(np.arange(6) % 3, (60, 4, 1))
    model = ae.PixelCNN(**KW, epochs=30, learning_rate=1e-2).fit(codes)
    codes[:, 2, 3] = 1
    found = model.score_features(codes)
    assert (found.reshape(60, -1).argmax(1) == 15).all()


# ---- a VQVAE's prior ----------------------------------------------------------------------------


def squares(a, b):
    return ((a - b.astype(np.float64)) ** 2).sum((1, 2, 3))


@pytest.mark.parametrize(
    "codebook", [{"codebook": "loss"}, {"commitment": 9.0}, {"levels": (3, 3)}, {"code_bits": 3}]
)
def test_the_bound_of_a_vqvae_is_of_its_images_alone(codebook, rng):
    X, many = rng.random((20, 8, 8, 1), dtype=np.float32), 9 if "levels" in codebook else 8
    codes = {} if {"levels", "code_bits"} & set(codebook) else {"codebook_size": 8, "code_dim": 4}
    m = ae.VQVAE(ae.ResNet(8, 4, 1), **codes, **codebook, epochs=1, random_state=0).fit(X)
    bound = -4 * math.log(many) - squares(X, m.reconstruct(X))
    np.testing.assert_allclose(m.elbo(X), bound, rtol=1e-5)


def test_a_vqvae_draws_with_the_options_of_its_prior(rng):
    X, y = rng.random((40, 8, 8, 1), dtype=np.float32), np.arange(40) % 2
    prior = ae.PixelCNN(**KW, epochs=1)
    model = ae.VQVAE(ae.ResNet(8, 4, 1), 8, 4, prior=prior, epochs=1, random_state=0).fit(X, y)
    given = model.transform(X[:5])
    np.testing.assert_array_equal(model.sample(5, y=1, given=given), model.inverse_transform(given))
    given[:, 1] = -1
    options = {"y": 0, "given": given, "temperature": 0.5, "top_k": 3, "random_state": 2}
    codes = model.prior_.sample(5, **options)
    np.testing.assert_array_equal(model.sample(5, **options), model.inverse_transform(codes))
    bound = model.prior_.log_likelihood(model.transform(X), y) - squares(X, model.reconstruct(X))
    np.testing.assert_allclose(model.elbo(X, y), bound, rtol=1e-5)
    with pytest.raises(ValueError, match="y: expected labels"):
        model.elbo(X)
    plain = ae.VQVAE(ae.ResNet(8, 4, 1), 8, 4, epochs=1, random_state=0).fit(X)
    bound = -4 * math.log(8) - squares(X, plain.reconstruct(X))
    np.testing.assert_allclose(plain.elbo(X), bound, rtol=1e-5)
    for name, value in (("given", given), ("temperature", 0.5), ("top_k", 3)):
        with pytest.raises(ValueError, match=f"{name}: expected none without a prior"):
            plain.sample(2, **{name: value})
