"""First weights: how they are drawn, which models draw which, and that files keep what they had."""

import copy
import math
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.arch.base import Arch
from aecore.files import document
from aecore.nn.init import INITS, use_init
from aecore.nn.linear import TiedLinear

KW = {"epochs": 2, "random_state": 3}
LAYERS = {  # with fan-in, fan-out and gain of each weight
    "linear": (lambda: nn.Linear(5, 3), {"weight": (5, 3, 1)}),
    "relu": (lambda: nn.Linear(5, 3, activation="relu"), {"weight": (5, 3, 2)}),
    "tanh": (lambda: nn.Linear(5, 3, activation="tanh"), {"weight": (5, 3, 1)}),
    "no bias": (lambda: nn.Linear(5, 3, bias=False), {"weight": (5, 3, 1)}),
    "conv": (
        lambda: nn.Conv2d(2, 7, (3, 4), 2, activation="elu"),
        {"weight": (24, 84, 2)},
    ),
    "transposed": (lambda: nn.ConvTranspose2d(2, 7, 4, 2, 1), {"weight": (32, 112, 1)}),
    "activation behind": (
        lambda: nn.Sequential(nn.Linear(5, 3), nn.Activation("gelu"), nn.Linear(3, 2)),
        {"0.weight": (5, 3, 2), "2.weight": (3, 2, 1)},
    ),
    "activation behind what is inside": (
        lambda: nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(5, 3)), nn.Activation("relu")),
        {"0.1.weight": (5, 3, 2)},
    ),
    "residual": (
        lambda: nn.Sequential(nn.Residual(nn.Linear(4, 4)), nn.Activation("relu")),
        {"0.body.weight": (4, 4, 1)},
    ),
    "lstm": (
        lambda: nn.LSTM(3, 5, 2),
        {
            "0.weight_ih": (3, 5, 1),
            "0.weight_hh": (5, 5, 1),
            "1.weight_ih": (5, 5, 1),
            "1.weight_hh": (5, 5, 1),
        },
    ),
    "attention": (
        lambda: nn.MultiHeadAttention(8, 2),
        {"project.weight": (8, 24, 1), "out.weight": (8, 8, 1)},
    ),
}


def drawn(make, init, seed=5):
    module = make()
    use_init(module, init)
    module.initialize(seed)
    return {name: p.value.copy() for name, p in module.parameters()}


@pytest.mark.parametrize("case", LAYERS)
def test_bounds_follow_from_the_fans(case):
    make, fans = LAYERS[case]
    usual = drawn(make, "uniform")
    for init in INITS[1:]:
        found = drawn(make, init)
        assert found.keys() == usual.keys()
        for name, value in found.items():
            if name not in fans:
                np.testing.assert_array_equal(value, usual[name])
                continue
            n_in, n_out, gain = fans[name]
            bound = math.sqrt(6 / (n_in + n_out) if init == "glorot" else 3 * gain / n_in)
            before = 1 / math.sqrt(5 if case == "lstm" else n_in)
            if case == "transposed":  # PyTorch's
                before = 1 / math.sqrt(112)
            # the same places of the stream
            np.testing.assert_allclose(value / bound, usual[name] / before, rtol=0, atol=3e-7)


def test_glorot_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    value = drawn(lambda: nn.Conv2d(16, 32, 3), "glorot")["weight"]
    theirs = torch.nn.init.xavier_uniform_(torch.empty(32, 16, 3, 3)).numpy()
    for ours in (value.max(), -value.min()):
        assert ours == pytest.approx(theirs.max(), rel=5e-3)
    assert value.std() == pytest.approx(theirs.std(), rel=0.05)


def test_tied_weights_are_drawn_once():
    first = nn.Linear(6, 4)
    both = nn.Sequential(first, TiedLinear(first))
    use_init(both, "glorot")
    assert first.weight.bound == pytest.approx(math.sqrt(0.6))
    X = np.random.default_rng(0).random((40, 6), np.float32)
    model = ae.Autoencoder(ae.Dense((5,)), 2, tied=True, **KW).initialize(X)
    weight = model.parameters_["encoder.0.weight"]
    assert 1 / math.sqrt(6) < np.abs(weight).max() < math.sqrt(6 / 11)


# ---- models -------------------------------------------------------------------------------------

T = np.random.default_rng(1)
TABLE, SEQUENCES = T.random((40, 6), np.float32), T.random((30, 5, 2), np.float32)
IMAGES = T.random((20, 8, 8, 1), np.float32)


def own():
    return nn.Sequential(nn.Linear(6, 2)), nn.Sequential(nn.Linear(2, 6))


class Plain(Arch):
    """An architecture of a user's."""

    def build(self, input_shape, code, *, condition=0, tied=False):
        return nn.Linear(6, code.outputs), nn.Linear(code.inputs, 6)


USUAL = {
    "dense": (lambda **o: ae.Autoencoder(ae.Dense((5,)), 2, **o), TABLE, "glorot"),
    "default of tables": (lambda **o: ae.VAE(None, 2, **o), TABLE, "glorot"),
    "tables": (lambda **o: ae.TabularAutoencoder(None, 2, **o), TABLE, "glorot"),
    "tables, VAE": (lambda **o: ae.TabularVAE(ae.Dense((5,)), 2, **o), TABLE, "glorot"),
    "adversarial": (lambda **o: ae.AdversarialAutoencoder(None, 2, **o), TABLE, "glorot"),
    "images": (lambda **o: ae.VAE(ae.Conv((4,)), 2, **o), IMAGES, "uniform"),
    "residual": (lambda **o: ae.VQVAE(ae.ResNet(8, 4, 1), 4, 2, **o), IMAGES, "uniform"),
    "lstm": (lambda **o: ae.Autoencoder(ae.LSTM(5), 2, **o), SEQUENCES, "uniform"),
    "default of sequences": (lambda **o: ae.Autoencoder(None, 2, **o), SEQUENCES, "glorot"),
    "transformer": (
        lambda **o: ae.Autoencoder(ae.Transformer(8, 2, 1, 12), 2, **o),
        SEQUENCES,
        "uniform",
    ),
    "own modules": (lambda **o: ae.Autoencoder(own(), 2, **o), TABLE, "uniform"),
    "own architecture": (lambda **o: ae.Autoencoder(Plain(), 2, **o), TABLE, "uniform"),
}


@pytest.mark.parametrize("case", USUAL)
def test_what_is_drawn_unless_a_model_says(case):
    make, X, usual = USUAL[case]
    states = {}
    for init in (None, *INITS):
        model = make(init=init, **KW).initialize(X)
        states[init] = {k: v.copy() for k, v in model.parameters_.items()}
    for name, value in states[None].items():
        np.testing.assert_array_equal(value, states[usual][name])
    for init in INITS:
        same = [np.array_equal(v, states[init][k]) for k, v in states[usual].items()]
        assert all(same) == (init == usual)


def test_a_generator_has_none():
    assert "init" not in ae.GAN().get_params()
    model = ae.GAN(ae.Dense((5,)), 2, **KW).initialize(TABLE)
    assert np.abs(model.parameters_["decoder.0.weight"]).max() <= 1 / math.sqrt(2)


def test_own_modules_stay_as_they_are():
    pair = own()
    before = copy.deepcopy(pair)
    ae.Autoencoder(pair, 2, init="he", **KW).fit(TABLE)
    for ours, theirs in zip(pair, before, strict=True):
        assert ours.layers[0].weight.bound == theirs.layers[0].weight.bound
        np.testing.assert_array_equal(ours.layers[0].weight.value, theirs.layers[0].weight.value)


@pytest.mark.parametrize("init", INITS)
def test_bits_for_any_number_of_threads(init):
    scores = [
        ae.VAE(ae.Dense((70, 9)), 3, init=init, n_threads=n, **KW).fit(TABLE).score_samples(TABLE)
        for n in (1, 2, 3)
    ]
    for other in scores[1:]:
        np.testing.assert_array_equal(other, scores[0])


@pytest.mark.parametrize(
    "init, error, words",
    [
        ("xavier", ValueError, "init: expected one of 'uniform', 'glorot', 'he', got 'xavier'"),
        (3, TypeError, "init: expected one of 'uniform', 'glorot', 'he', got 3"),
    ],
)
def test_others_are_refused(init, error, words):
    for model in (ae.Autoencoder(init=init), ae.TabularVAE(init=init)):
        with pytest.raises(error, match=words):
            model.fit(TABLE)


def test_a_search_tries_them():
    search = pytest.importorskip("sklearn.model_selection").GridSearchCV
    model = ae.Autoencoder(ae.Dense((5,)), 2, **KW)
    found = search(model, {"init": [None, "he"]}, cv=2).fit(TABLE)
    assert found.best_params_["init"] in (None, "he")


# ---- files --------------------------------------------------------------------------------------


def without_init(value):
    """Return what stands in a file of 0.1.0."""
    if isinstance(value, list):
        return [without_init(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {k: without_init(v) for k, v in value.items() if k != "init"}


@pytest.mark.parametrize("init", [None, *INITS])
def test_files_keep_it(init, tmp_path):
    model = ae.VAE(ae.Dense((5,)), 2, init=init, **KW).fit(TABLE)
    model.save(tmp_path / "model")
    again = ae.load(tmp_path / "model")
    assert again.init == init
    np.testing.assert_array_equal(again.fit(TABLE).transform(TABLE), model.transform(TABLE))


def test_models_of_0_1_0_stay_what_they_were(tmp_path):
    old = ae.VAE(ae.Dense((5,)), 2, init="uniform", **KW).fit(TABLE)
    old.save(tmp_path / "old")
    config, tensors = document.read(tmp_path / "old")
    document.write(tmp_path / "old", without_init(config), tensors)
    state = {k: v for k, v in vars(old).items() if k != "init"}
    unpickled = ae.VAE.__new__(ae.VAE)
    unpickled.__setstate__(pickle.loads(pickle.dumps(state)))
    for again in (ae.load(tmp_path / "old"), unpickled):
        assert again.init == "uniform"
        np.testing.assert_array_equal(again.transform(TABLE), old.transform(TABLE))
        np.testing.assert_array_equal(again.fit(TABLE).transform(TABLE), old.transform(TABLE))


def test_a_checkpoint_goes_on_whatever_would_be_drawn_now(tmp_path):
    def made(epochs, **params):
        how = {**KW, "epochs": epochs, "checkpoint": tmp_path / "run"}
        return ae.Autoencoder(ae.Dense((5,)), 2, **how, **params)

    whole = made(4, init="uniform").fit(TABLE)
    (tmp_path / "run").unlink()
    made(2, init="uniform").fit(TABLE)
    config, tensors = document.read(tmp_path / "run")
    document.write(tmp_path / "run", without_init(config), tensors)
    resumed = made(4).fit(TABLE, resume=True)
    np.testing.assert_array_equal(resumed.transform(TABLE), whole.transform(TABLE))
