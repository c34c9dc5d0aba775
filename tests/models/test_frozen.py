"""Predictors: the bits of the model that was frozen, whatever becomes of it, for many threads."""

import copy
import pickle
import threading

import aecore as ae
import numpy as np
import pytest
from aecore import _core, nn
from aecore.base import runtime
from cases.base import normal

KW = {"epochs": 1, "batch_size": 32, "random_state": 0}
IMAGES, TABLE, SERIES = (300, 8, 8, 2), (300, 12), (90, 5, 3)
MODELS = {
    "Autoencoder": (lambda: ae.Autoencoder(ae.Dense((16,)), 3, penalty=ae.TopK(2), **KW), TABLE),
    "Conv": (lambda: ae.Autoencoder(ae.Conv((32, 32)), 4, **KW), IMAGES),
    "VAE": (lambda: ae.VAE(ae.Dense((600,)), 4, loss="bce", **KW), TABLE),
    "CVAE": (lambda: ae.CVAE(ae.Dense((16,)), 2, **KW), TABLE),
    "VQVAE": (lambda: ae.VQVAE(ae.ResNet(16, 8, 1), 16, 8, **KW), IMAGES),
    "VQVAE, projections": (
        lambda: ae.VQVAE(ae.ResNet(16, 8, 1), 16, 8, projection_dim=2, groups=2, **KW),
        IMAGES,
    ),
    "VQVAE, bits": (lambda: ae.VQVAE(ae.Dense((16,)), code_bits=4, groups=2, **KW), TABLE),
    "AdversarialAutoencoder": (lambda: ae.AdversarialAutoencoder(ae.Dense((16,)), 2, **KW), TABLE),
    "StackedAutoencoder": (
        lambda: ae.StackedAutoencoder(ae.Dense((8,)), 4, pretrain_epochs=1, **KW),
        TABLE,
    ),
    "Conv of sequences": (lambda: ae.Autoencoder(ae.Conv((4, 6)), 3, **KW), SERIES),
    "LSTM": (lambda: ae.Autoencoder(ae.LSTM(8), 3, **KW), SERIES),
    "Transformer": (lambda: ae.VAE(ae.Transformer(8, 2, 1, 16), 3, **KW), SERIES),
    "TabularAutoencoder": (lambda: ae.TabularAutoencoder(**KW), TABLE),
}
METHODS = ("transform", "reconstruct", "score_samples", "errors")


def answers(model, X, y):
    found = {name: getattr(model, name)(X, *y) for name in METHODS}
    found["inverse_transform"] = model.inverse_transform(found["transform"], *y)
    return found


def same(found, wanted, rows=slice(None)):
    for name, want in wanted.items():
        np.testing.assert_array_equal(found[name], want[rows], err_msg=name)


@pytest.mark.parametrize("name", MODELS)
def test_answers_stay(name, rng):
    make, shape = MODELS[name]
    X = rng.random(shape, np.float32)
    y = (np.arange(len(X)) % 3,) if name == "CVAE" else ()
    model = make().fit(X, *y)
    wanted = answers(model, X, y)
    predictor = model.frozen()
    same(answers(predictor, X, y), wanted)
    model.partial_fit(X, *y)
    assert not np.array_equal(model.reconstruct(X, *y), wanted["reconstruct"])
    for twin in (predictor, copy.deepcopy(predictor), pickle.loads(pickle.dumps(predictor))):
        same(answers(twin, X, y), wanted)
        assert twin._model._network.is_sealed


@pytest.mark.parametrize("name", ["Conv", "VAE", "VQVAE", "LSTM"])
def test_threads_ask_at_the_same_time(name, rng):
    make, shape = MODELS[name]
    X = rng.random(shape, np.float32)
    model = make().set_params(n_threads=1).fit(X)
    wanted = answers(model, X, ())
    predictor, errors = model.frozen(), []  # nothing is packed yet: all of them try

    def ask(first):
        try:
            for rows in (slice(first, first + 40), slice(first, first + 1), slice(0, first + 30)):
                for _ in range(3):
                    same(answers(predictor, X[rows], ()), wanted, rows)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(7 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    model.partial_fit(X)
    for thread in threads:
        thread.join()
    assert not errors


def test_nobody_waits(rng):
    """Whoever trains the model, or holds it in a method, keeps no predictor waiting."""
    X = rng.random(TABLE, np.float32)
    model = MODELS["VAE"][0]().fit(X)
    predictor, codes = model.frozen(), model.transform(X)
    with model._network.lock:
        found = []
        thread = threading.Thread(target=lambda: found.append(predictor.transform(X)))
        thread.start()
        thread.join(30)
        assert np.array_equal(found[0], codes)


def test_it_refuses_what_the_model_refuses(rng):
    X = rng.random(TABLE, np.float32)
    predictor = MODELS["Autoencoder"][0]().fit(X).frozen()
    for method in METHODS:
        with pytest.raises(ValueError, match="12 features"):
            getattr(predictor, method)(X[:, :5])
        with pytest.raises(ValueError, match="NaN"):
            getattr(predictor, method)(np.full_like(X, np.nan))
    with pytest.raises(ValueError, match="not fitted"):
        ae.VAE().frozen()


def test_it_can_not_be_changed(rng):
    X = rng.random(TABLE, np.float32)
    predictor = ae.VAE(callbacks=[print], **KW).fit(X).frozen()
    with pytest.raises(AttributeError, match=r"loss: .* can't be changed"):
        predictor.loss = "bce"
    with pytest.raises(AttributeError, match=r"_model: .* can't be changed"):
        del predictor._model
    assert repr(predictor).startswith("VAE(") and repr(predictor).endswith(").frozen()")


def test_it_holds_nothing_of_training(rng):
    X = rng.random(TABLE, np.float32)
    predictor = MODELS["VQVAE"][0]().fit(rng.random(IMAGES, np.float32)).frozen()
    network = predictor._model._network
    assert network.moments == {} and predictor._model.history_ == []
    frame = pytest.importorskip("pandas").DataFrame(X).add_prefix("f")
    predictor = MODELS["Autoencoder"][0]().fit(frame).frozen()
    assert predictor.n_features_in_ == 12 and list(predictor.feature_names_in_) == list(frame)
    assert np.array_equal(predictor.transform(frame[::-1]), predictor.transform(frame)[::-1])
    with pytest.raises(ValueError, match="feature names should match"):
        predictor.transform(frame.rename(columns={"f0": "other"}))


# ---- detectors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("member", [None, "TabularAutoencoder", "VAE"])
def test_detectors(member, rng):
    X = rng.random(TABLE, np.float32)
    model = None if member is None else MODELS[member][0]().set_params(callbacks=[print])
    detector = ae.AnomalyDetector(model, n_models=2, random_state=0).fit(X)
    wanted = detector.score_samples(X), detector.decision_function(X), detector.predict(X)
    predictor, errors = detector.frozen(), []
    detector.set_params(random_state=1).fit(X[:100])

    def ask(found):
        try:
            for _ in range(3):
                np.testing.assert_array_equal(found.score_samples(X), wanted[0])
                np.testing.assert_array_equal(found.decision_function(X), wanted[1])
                np.testing.assert_array_equal(found.predict(X), wanted[2])
        except BaseException as error:
            errors.append(error)

    twins = copy.deepcopy(predictor), pickle.loads(pickle.dumps(predictor))
    for twin in (predictor, *twins):
        assert all(m.model._network.is_sealed for m in twin._model._state.members)
    threads = [threading.Thread(target=ask, args=(p,)) for p in (predictor, predictor, *twins)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    with pytest.raises(AttributeError, match="can't be changed"):
        predictor.offset_ = 0
    with pytest.raises(ValueError, match="not fitted"):
        ae.AnomalyDetector().frozen()


# ---- packed weights that threads share -----------------------------------------------------------


@pytest.mark.parametrize(
    "make, shapes",
    [
        (lambda: nn.Linear(600, 70), [(64, 600), (2, 600), (300, 600)]),
        (lambda: nn.Conv2d(32, 32, 3, 1, 1), [(6, 16, 16, 32), (2, 2, 2, 32), (1, 9, 9, 32)]),
        (
            lambda: nn.ConvTranspose2d(64, 40, 4, 2, 1),
            [(9, 8, 7, 64), (1, 8, 7, 64), (3, 3, 3, 64)],
        ),
    ],
)
@pytest.mark.parametrize("isa", _core.isa_names())
def test_packed_once_and_read_together(make, shapes, isa, rng, workspace):
    layer = make()
    layer.initialize(3)
    inputs = [normal(rng, *shape) for shape in shapes]
    workspace(1, isa)
    wanted = [layer(x).copy() for x in inputs]
    layer.freeze(shared=True)
    errors = []

    def work(first):
        runtime.use(_core.Workspace(1, isa))
        try:
            for i in range(60):
                k = (i + first) % len(inputs)
                np.testing.assert_array_equal(layer(inputs[k]), wanted[k])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert layer._packed.nbytes > 0


@pytest.mark.parametrize("name", ["Autoencoder", "Conv", "VAE", "TabularAutoencoder"])
def test_bfloat16_is_the_model_with_rounded_weights(name, rng):
    make, shape = MODELS[name]
    X = rng.random(shape, np.float32)
    model = make().fit(X)
    predictor, plain = model.frozen(precision="bfloat16"), model.frozen()
    assert predictor.precision == "bfloat16" and plain.precision == "float32"
    for module in (m for _, m in model._network.modules() if isinstance(m, nn.Linear)):
        weight = module.weight.value
        bits = weight.view(np.uint32).astype(np.uint64)
        weight[...] = ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype("u4").view("f4")
    rounded = model.frozen()
    wanted = answers(rounded, X, ())
    assert not np.array_equal(wanted["reconstruct"], plain.reconstruct(X))
    for twin in (predictor, copy.deepcopy(predictor), pickle.loads(pickle.dumps(predictor))):
        same(answers(twin, X, ()), wanted)
        for rows in (slice(0, 1), slice(5, 7), slice(3, 6), slice(0, 4), slice(9, 50)):
            same(answers(twin, X[rows], ()), wanted, rows)
        assert twin.precision == "bfloat16"
    error = np.abs(wanted["reconstruct"] - plain.reconstruct(X)).max()
    assert error < 0.05 * np.abs(wanted["reconstruct"]).max()


def test_bfloat16_takes_half_the_memory(rng):
    X = rng.random((40, 600), np.float32)
    model = ae.Autoencoder(ae.Dense((500,)), 64, **KW).fit(X)
    held = []
    for precision in ("float32", "bfloat16"):
        predictor = model.frozen(precision)
        predictor.reconstruct(X)
        modules = [m for _, m in predictor._model._network.modules()]
        held.append(sum(m._packed.nbytes for m in modules))
    assert 2 * held[1] == held[0] > 0


def test_unknown_precisions_are_refused(rng):
    model = ae.Autoencoder(ae.Dense((4,)), 2, **KW).fit(rng.random((40, 6), np.float32))
    with pytest.raises(ValueError, match="precision: expected one of .*float32.*got 'half'"):
        model.frozen("half")


def test_a_detector_in_bfloat16(rng):
    X = rng.random((200, 6), np.float32)
    detector = ae.AnomalyDetector(random_state=0).fit(X)
    scores = detector.frozen(precision="bfloat16").score_samples(X)
    assert not np.array_equal(scores, detector.score_samples(X))
    assert np.corrcoef(scores, detector.score_samples(X))[0, 1] > 0.99
