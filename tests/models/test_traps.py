"""Data that `fit` can take in a way that was hardly meant: it says so, once, at the user's line."""

import copy
import pickle
import re
import threading
import warnings

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.data.arrays import Data
from aecore.models.base import traps

SMALL = ae.Dense((16,))
KW = {"epochs": 1, "random_state": 0}
SEQUENCES, CHANNELS, UNITS, WIDE_CODE = "sequences", "channels", "units", "wide code"
DEAD_CODES = "dead codes"
PATTERNS = {
    SEQUENCES: traps.SEQUENCES,
    CHANNELS: traps.CHANNELS,
    UNITS: traps.UNITS,
    WIDE_CODE: traps.WIDE_CODE,
    DEAD_CODES: traps.DEAD_CODES,
}


def images(n=64, side=8):
    """Return grey images (n, side, side) in [0, 1]: smooth spots."""
    rng = np.random.default_rng(0)
    grid = np.arange(side)
    at = rng.uniform(0, side, (n, 2, 1))
    rows, columns = (np.exp(-(((grid - at[:, k]) / side * 4) ** 2)) for k in (0, 1))
    return rows[:, :, None] * columns[:, None, :]


def pixels(n=64, side=8):
    return (images(n, side) * 255).astype(np.uint8)


def table(columns=5, n=200):
    return np.random.default_rng(0).normal(size=(n, columns))


def scaled(factor, offset=0.0, column=1):
    """Return a table one column of which has other units."""
    X = table()
    X[:, column] = X[:, column] * factor + offset
    return X


def auto(arch=SMALL, latent_dim=2, **params):
    return ae.Autoencoder(arch, latent_dim, **(KW | params))


def default(**params):
    return auto(None, **params)


def said(call):
    """Return the warnings of a call, each as (what it is about, text)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    found = []
    for warning in caught:
        assert warning.filename == __file__ and warning.category is UserWarning
        text = str(warning.message)
        found += [(name, text) for name, pattern in PATTERNS.items() if re.match(pattern, text)]
    assert len(found) == len(caught)
    return found


def abouts(call):
    return [about for about, _ in said(call)]


# ---- the traps ----------------------------------------------------------------------------------

NOISE = np.random.default_rng(1)
CHW = NOISE.integers(0, 256, (12, 3, 32, 32)).astype(np.uint8)
SQUARES = NOISE.integers(0, 256, (12, 28, 28)).astype(np.uint8)
TRAPS = {
    "bytes": (default, pixels, SEQUENCES, "of 8 steps with 8 values"),
    "any square bytes": (default, lambda: SQUARES, SEQUENCES, "of 28 steps with 28 values"),
    "bytes that aren't square": (
        default,
        lambda: pixels(side=16)[:, :, :12],
        SEQUENCES,
        "16 steps with 12",
    ),
    "floats": (default, images, SEQUENCES, r"X[..., np.newaxis]"),
    "standardised": (default, lambda: (images() - 0.2) / 0.3, SEQUENCES, "arch=LSTM()"),
    "floats of 0 to 255": (default, lambda: images() * 255, SEQUENCES, "grey images"),
    "list": (default, lambda: list(pixels()), SEQUENCES, "np.stack(X)[..., np.newaxis]"),
    "stream": (default, lambda: lambda: iter(np.split(pixels(), 4)), SEQUENCES, "8 steps"),
    "VAE": (lambda: ae.VAE(latent_dim=2, **KW), pixels, SEQUENCES, "8 steps"),
    "GAN": (lambda: ae.GAN(latent_dim=2, **KW), pixels, SEQUENCES, "8 steps"),
    "VQVAE": (lambda: ae.VQVAE(None, 4, 2, **KW), pixels, SEQUENCES, "8 steps"),
    "detector": (
        lambda: ae.AnomalyDetector(default(), n_models=2, trim=0.1),
        pixels,
        SEQUENCES,
        "8 steps",
    ),
    "NCHW, Conv": (lambda: auto(ae.Conv((4,))), lambda: CHW, CHANNELS, "3 x 32 pixels with 32"),
    "NCHW, default": (default, lambda: CHW, CHANNELS, "X.transpose(0, 2, 3, 1)"),
    "NCHW, ResNet": (
        lambda: ae.VQVAE(ae.ResNet(8, 4, 1, 1), 4, 2, **KW),
        lambda: CHW,
        CHANNELS,
        "32 channels",
    ),
    "NCHW, floats": (default, lambda: CHW / 255, CHANNELS, "32 channels"),
    "NCHW, not square": (default, lambda: CHW[..., :20], CHANNELS, "20 channels"),
    "N1HW": (default, lambda: images(side=28)[:, None], CHANNELS, "1 x 28 pixels with 28"),
    "large": (auto, lambda: scaled(4e4), UNITS, "column 1 has some beyond 10000"),
    "large integers": (auto, lambda: scaled(4e4).astype(int), UNITS, "column 1 has some beyond"),
    "years": (auto, lambda: scaled(4, 2000), UNITS, "column 1 has some beyond 1000"),
    "small": (auto, lambda: scaled(1e-4), UNITS, "more than 2000 times as far as column 1"),
    "VAE of a table": (lambda: ae.VAE(SMALL, 2, **KW), lambda: scaled(1e5), UNITS, "Pipeline"),
    "GAN of a table": (lambda: ae.GAN(SMALL, 2, **KW), lambda: scaled(1e5), UNITS, "Tabular"),
    "sequences": (default, lambda: table(60).reshape(200, 20, 3) * [1, 5e3, 1], UNITS, "feature 1"),
    "images in own units": (
        lambda: auto(ae.Conv((4,))),
        lambda: images(side=16)[..., None] * 4e4,
        UNITS,
        "(X - X.mean((0, 1, 2))) / X.std((0, 1, 2))",
    ),
    "pixels as floats": (auto, lambda: pixels().reshape(64, -1) * 1.0, UNITS, "X / 255, or uint8"),
    "pixels as integers": (
        lambda: auto(ae.Conv((4,))),
        lambda: pixels()[..., None].astype(int),
        UNITS,
        "X / 255",
    ),
    "wide": (lambda: auto(latent_dim=5), table, WIDE_CODE, "5 numbers are no smaller than"),
    "wider": (lambda: default(latent_dim=32), table, WIDE_CODE, "corruption such as Gauss"),
    "wide, sequences": (
        lambda: default(latent_dim=32),
        lambda: table(12).reshape(200, 4, 3),
        WIDE_CODE,
        "samples of 12",
    ),
    "wide, stack": (lambda: ae.StackedAutoencoder(SMALL, 8, **KW), table, WIDE_CODE, "8 numbers"),
    "wide, recirculation": (lambda: ae.Recirculation(8, **KW), table, WIDE_CODE, "smaller latent"),
}


@pytest.mark.parametrize("case", TRAPS)
def test_traps_are_told_once_at_the_users_line(case):
    make, data, about, words = TRAPS[case]
    model, X = make(), data()
    found = said(lambda: model.fit(X))
    assert [name for name, _ in found] == [about]
    assert words in found[0][1]
    assert len(found[0][1].split(". ")) <= 2 and len(found[0][1]) < 300


@pytest.mark.parametrize("case", TRAPS)
def test_what_the_warning_says_ends_it(case):
    make, data, about, _ = TRAPS[case]
    X, model = data(), make()
    if about == SEQUENCES:
        X = np.concatenate(list(X())) if callable(X) else np.stack(X)
        X = X[..., np.newaxis]
        X = X / 255 if X.dtype != np.uint8 else X
    elif about == CHANNELS:
        X = X.transpose(0, 2, 3, 1)
    elif about == WIDE_CODE:
        model.set_params(latent_dim=2)
    elif "pixels" in case:
        X = X / 255
    else:
        axes = tuple(range(X.ndim - 1))
        X = (X - X.mean(axes)) / X.std(axes)
    assert abouts(lambda: model.fit(X)) == []


def test_two_traps_are_two_warnings():
    assert abouts(lambda: auto(latent_dim=5).fit(scaled(1e5))) == [UNITS, WIDE_CODE]


def test_columns_are_told_by_name():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(scaled(1e5), columns=["age", "income", "a", "b", "c"])
    assert "column 'income' has some beyond" in said(lambda: auto().fit(frame))[0][1]


def test_missing_values_have_no_units(rng):
    X, seen = table(), rng.random((200, 5)) > 0.2
    X[~seen] = np.where(rng.random((200, 5)) < 0.5, np.nan, 1e9)[~seen]
    assert abouts(lambda: auto().fit(X, sample_mask=seen)) == []
    seen[:, 1] = False
    assert abouts(lambda: auto().fit(X, sample_mask=seen)) == []
    X = np.where(seen, scaled(1e5, column=2), np.nan)
    assert abouts(lambda: auto().fit(X, sample_mask=seen)) == [UNITS]


def test_a_refusal_is_explained():
    def refused():
        with pytest.raises(ValueError, match="ResNet: expected images large enough"):
            ae.VQVAE(None, 4, 2, **KW).fit(CHW)

    assert abouts(refused) == [CHANNELS]


# ---- dead codes ---------------------------------------------------------------------------------


def dying(n, penalty=None, width=10, last="relu", kind=ae.Autoencoder, **params):
    """Return a model whose code has n units that are never on."""
    encoder = nn.Sequential(nn.Linear(12, width), nn.Activation(last))
    model = kind((encoder, nn.Linear(width, 12)), width, penalty=penalty, **(KW | params))
    X = ((table(12) > 0) * 1.0).astype(np.float32)
    model.initialize(X).set_params(warm_start=True, learning_rate=1e-9)
    weights = model.parameters_["encoder.0.weight"]
    weights[...] = np.abs(weights)
    weights[:n] *= -1
    model.parameters_["encoder.0.bias"].fill(0)
    return model, X


@pytest.mark.parametrize("n, told", [(0, []), (1, [DEAD_CODES]), (10, [DEAD_CODES])])
def test_codes_that_say_nothing_are_counted(n, told):
    model, X = dying(n)
    found = said(lambda: model.fit(X))
    assert [about for about, _ in found] == told
    for _, text in found:
        assert f"latent_dim: {n} of 10 numbers of the code are the same for all" in text
        assert "init='glorot'" in text and "A smaller learning_rate" in text


def test_few_dead_codes_of_many_are_nothing():
    model, X = dying(1, width=11)
    assert abouts(lambda: model.fit(X)) == []
    model, X = dying(2, width=11)
    assert abouts(lambda: model.fit(X)) == [DEAD_CODES]


def test_a_penalty_may_be_why():
    model, X = dying(3, penalty=ae.L1Sparsity(1e-6))
    assert "A weaker penalty" in said(lambda: model.fit(X))[0][1]


def test_rare_codes_are_looked_for():
    model, X = dying(2)
    X = np.tile(X, (3, 1))
    X[7] = -1  # not among the first rows that are looked at
    assert abouts(lambda: model.fit(X)) == []


def test_dead_codes_that_are_no_trap():
    model, X = dying(4)
    model.fit(X[:60])  # too few to say
    model.fit(np.ones_like(X))  # where nothing varies, codes don't
    model.set_params(epochs=0).fit(X)
    with traps.silence():
        model.set_params(epochs=1).fit(X)
    model.partial_fit(X)
    posterior = ae.VAE(arch=dead_posterior(), latent_dim=2, **KW)
    assert abouts(lambda: posterior.fit(X)) == []


def dead_posterior():
    encoder = nn.Sequential(nn.Linear(12, 4), nn.Activation("relu"))
    return encoder, nn.Linear(2, 12)


def test_a_detector_says_nothing_of_its_members_codes():
    model, X = dying(4)
    arch = nn.Sequential(nn.Linear(12, 10), nn.Activation("relu")), nn.Linear(10, 12)
    own = ae.Autoencoder(arch, 10, learning_rate=5.0, optimizer="sgd", clip_norm=1.0, **KW)
    found = abouts(lambda: ae.AnomalyDetector(own, n_models=2, random_state=0).fit(X))
    assert DEAD_CODES not in found


# ---- no trap ------------------------------------------------------------------------------------

WALKS = NOISE.normal(size=(100, 16, 16)).cumsum(1)
FINE = {
    "table": (auto, table),
    "units of a few decades": (auto, lambda: table(4) * [1, 10, 100, 1000]),
    "zeros and ones": (auto, lambda: (table() > 0).astype(np.uint8)),
    "booleans": (auto, lambda: table() > 0),
    "rare columns": (auto, lambda: np.c_[table() * 20, (np.arange(200) == 7) * 1.0]),
    "dim border": (auto, lambda: np.c_[NOISE.random((200, 5)), (np.arange(200) == 3) * 1e-5]),
    "constant columns": (auto, lambda: np.c_[table() * 50, np.ones(200)]),
    "about 100": (auto, lambda: table() + 100),
    "counts": (auto, lambda: NOISE.poisson(30, (100, 9))),
    "bytes with channels": (lambda: auto(ae.Conv((4,))), lambda: pixels()[..., None]),
    "pixels of 0 to 1": (lambda: auto(ae.Conv((4,))), lambda: images()[..., None]),
    "flat bytes": (auto, lambda: pixels().reshape(64, -1)),
    "images for Dense": (auto, pixels),
    "images for a stack": (lambda: ae.StackedAutoencoder(None, 2, **KW), pixels),
    "images for pretraining": (lambda: default(pretrain_epochs=1), pixels),
    "images for LSTM": (lambda: auto(ae.LSTM(4)), pixels),
    "images for Transformer": (lambda: auto(ae.Transformer(8)), pixels),
    "images for own modules": (
        lambda: auto(
            (
                ae.nn.Sequential(ae.nn.Flatten(), ae.nn.Linear(64, 2)),
                ae.nn.Sequential(ae.nn.Linear(2, 64), ae.nn.Reshape((8, 8))),
            )
        ),
        pixels,
    ),
    "square walks": (default, lambda: WALKS),
    "square noise": (default, lambda: NOISE.random((100, 16, 16))),
    "square one-hot": (default, lambda: np.eye(16)[NOISE.integers(0, 16, (100, 16))]),
    "walks in bytes": (default, lambda: np.clip(WALKS[..., :8] * 9 + 128, 0, 255).astype(np.uint8)),
    "small squares": (default, lambda: images(side=16)[:, 4:10, 4:10]),
    "wider than high": (default, lambda: images(side=16)[:, :, :12]),
    "lengths": (default, lambda: [x[: 4 + i % 5] for i, x in enumerate(pixels())]),
    "NHWC": (default, lambda: CHW.transpose(0, 2, 3, 1)),
    "NCHW for Dense": (auto, lambda: CHW),
    "rows of many channels": (lambda: auto(ae.Conv((4,))), lambda: NOISE.random((20, 3, 32, 16))),
    "codes": (lambda: ae.PixelCNN(8, layers=1, **KW), lambda: pixels().astype(int)),
    "wide VAE": (lambda: ae.VAE(SMALL, 8, **KW), table),
    "wide denoiser": (lambda: auto(latent_dim=8, corruption=ae.GaussianNoise(0.1)), table),
    "wide and sparse": (lambda: auto(latent_dim=8, penalty=ae.L1Sparsity()), table),
    "wide AAE": (lambda: ae.AdversarialAutoencoder(SMALL, 8, **KW), table),
    "wide VQVAE": (lambda: ae.VQVAE(SMALL, 4, 8, **KW), table),
    "wide behind narrow": (lambda: auto(ae.Dense((3,)), latent_dim=8), table),
    "tabular": (lambda: ae.TabularAutoencoder(SMALL, 8, **KW), lambda: scaled(1e6)),
    "tabular VAE": (lambda: ae.TabularVAE(SMALL, 8, **KW), lambda: scaled(1e6)),
    "detector": (lambda: ae.AnomalyDetector(n_models=2), lambda: scaled(1e6)),
    "wide detector": (lambda: ae.AnomalyDetector(auto(latent_dim=8), n_models=2), table),
    "nothing is trained": (lambda: auto(latent_dim=8, epochs=0), lambda: scaled(1e6)),
}


@pytest.mark.parametrize("case", FINE)
def test_others_are_no_reason_to_warn(case):
    make, data = FINE[case]
    model, X = make(), data()
    assert abouts(lambda: model.fit(X)) == []


def test_own_objectives_may_keep_codes_from_being_copies():
    class Own(ae.Autoencoder):
        def terms(self, batch):
            terms = super().terms(batch)
            return terms | {"size": (batch.code**2).sum(axis=1)}

    assert abouts(lambda: Own(SMALL, 8, **KW).fit(table())) == []


def test_classes_with_other_parameters():
    class Fixed(ae.Autoencoder):
        def __init__(self, width=5):
            super().__init__(SMALL, width, epochs=1)
            self.width = width

    assert abouts(lambda: Fixed().fit(table())) == [WIDE_CODE]
    assert abouts(lambda: Fixed(2).fit(scaled(1e5))) == [UNITS]


# ---- where and how often ------------------------------------------------------------------------


def test_later_calls_are_silent(tmp_path):
    model, X = auto(warm_start=True, checkpoint=str(tmp_path / "m")), scaled(1e5)
    assert abouts(lambda: model.fit(X)) == [UNITS]

    def others():
        model.fit(X, resume=True)
        model.fit(X)
        model.partial_fit(X)
        model.transform(X)
        model.reconstruct(X)
        model.score(X)

    assert abouts(others) == []


def test_the_first_of_parts_alone():
    model, X = auto(), scaled(1e5)
    assert abouts(lambda: model.partial_fit(X)) == [UNITS]
    assert abouts(lambda: model.partial_fit(X)) == []
    parts = np.split(np.concatenate([table(), X]), 4)
    assert abouts(lambda: auto().fit(lambda: iter(parts))) == []  # of which the first is fine
    assert abouts(lambda: auto().fit(lambda: iter(parts[::-1]))) == [UNITS]


def test_a_rehearsal_is_silent():
    X = scaled(1e5)
    assert abouts(lambda: ae.find_learning_rate(auto(), X, steps=5)) == []
    assert abouts(lambda: auto().initialize(X)) == []


def test_a_classifier_warns_unless_its_model_has():
    X, y = scaled(1e5), np.arange(200) % 2
    stack = ae.StackedAutoencoder(SMALL, 2, pretrain_epochs=1, **KW)
    assert abouts(lambda: ae.SoftmaxClassifier(stack, **KW).fit(X, y)) == [UNITS]
    assert abouts(lambda: stack.fit(X)) == [UNITS]
    assert abouts(lambda: stack.fine_tune(X, y, epochs=1)) == []


def test_filters_work():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X: values are taken as they are")
        auto().fit(scaled(1e5))
        with pytest.raises(UserWarning, match="latent_dim: codes of 5"):
            auto(latent_dim=5).fit(table())


def test_nothing_is_learned_where_a_warning_is_an_error():
    model = auto()
    with pytest.raises(UserWarning):
        model.fit(scaled(1e5))
    assert not hasattr(model, "history_")


def test_threads_warn_each_for_itself():
    """A detector silences the fits within its own, and nobody else's."""
    started, done = threading.Event(), threading.Event()
    found = []

    class Waiting(ae.Autoencoder):
        def terms(self, batch):
            started.set()
            done.wait(60)
            return super().terms(batch)

    detector = ae.AnomalyDetector(Waiting(SMALL, 2, epochs=1), n_models=1)
    thread = threading.Thread(target=lambda: detector.fit(table()))
    thread.start()
    try:
        assert started.wait(60)
        found = abouts(lambda: auto().fit(scaled(1e5)))
    finally:
        done.set()
        thread.join()
    assert found == [UNITS]


def test_copies_warn_as_well():
    for model in (copy.deepcopy(auto()), pickle.loads(pickle.dumps(auto()))):
        assert abouts(lambda model=model: model.fit(scaled(1e5))) == [UNITS]


def test_a_look_is_cheap():
    X = np.arange(2_000_000, dtype=np.float32).reshape(100_000, 20)
    some, _ = Data(X).some()
    assert some.shape == (1000, 20) and np.shares_memory(some, X)
    np.testing.assert_array_equal(np.diff(some[:, 0]), 2000)  # from all over
    assert len(Data(np.zeros((10, 64, 64, 64))).some()[0]) <= 4


class ArrayLike:
    """What h5py and zarr give."""

    def __init__(self, array):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, key):
        assert isinstance(key, slice) and key.step in (None, 1)
        return self._array[key]


def test_arrays_that_are_read_by_slices():
    assert abouts(lambda: auto().fit(ArrayLike(scaled(1e5)))) == [UNITS]
    assert abouts(lambda: default().fit(ArrayLike(pixels()))) == [SEQUENCES]
    assert abouts(lambda: auto().fit(np.asfortranarray(scaled(1e5)))) == [UNITS]


# ---- scikit-learn -------------------------------------------------------------------------------


def test_searches_say_it_once():
    pytest.importorskip("sklearn")
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X = scaled(1e5)
    search = GridSearchCV(auto(), {"learning_rate": [1e-3, 1e-2]}, cv=3)
    assert abouts(lambda: search.fit(X)) == [UNITS]
    assert abouts(lambda: cross_val_score(auto(), X, cv=3)) == [UNITS]
    assert abouts(lambda: cross_val_score(make_pipeline(auto()), X, cv=3)) == [UNITS]
    assert abouts(lambda: make_pipeline(StandardScaler(), auto()).fit(X)) == []

    def twice():
        for _ in range(2):
            make_pipeline(auto()).fit(X)

    assert abouts(twice) == [UNITS, UNITS]
    widths = GridSearchCV(auto(), {"latent_dim": [2, 5, 8]}, cv=2, refit=False)
    assert abouts(lambda: widths.fit(table())) == [WIDE_CODE, WIDE_CODE]


def test_checks_of_estimators_are_silent():
    pytest.importorskip("sklearn")
    from sklearn.utils.estimator_checks import check_fit_idempotent, check_n_features_in

    for check in (check_fit_idempotent, check_n_features_in):
        assert abouts(lambda check=check: check("Autoencoder", auto(latent_dim=9))) == []
