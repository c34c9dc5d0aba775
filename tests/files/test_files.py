"""Files: what comes back, what is refused, and damage of every kind."""

import copy
import os
import pickle
import threading

import aecore as ae
import numpy as np
import pytest
from aecore.files import codec, document
from aecore.training.schedules import Product
from safetensors import safe_open

KW = {"batch_size": 16, "epochs": 2, "random_state": 0}
nn = ae.nn


@pytest.fixture
def X(rng):
    return rng.random((40, 12), dtype=np.float32)


def own_modules(x):
    encoder = nn.Sequential(
        nn.MaskedConv2d(3, 3, 5, "vertical", True, activation="relu"),
        nn.MaskedConv2d(3, 3, 3, "horizontal", bias=False),
        nn.Conv2d(3, 4, (3, 2), 2, 1, activation="relu"),
        nn.Residual(nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1, bias=False), nn.LayerNorm(4))),
        nn.BatchNorm2d(4, momentum=0.2),
        nn.MaxPool2d(2, padding=1),
        nn.GroupNorm(2, 4, affine=False),
        nn.Upsample2d((1, 2), "bilinear"),
        nn.PixelUnshuffle(1),
        nn.PixelShuffle(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(72, 6),
        nn.Activation("gelu"),
        nn.Linear(6, 2, bias=False),
    )
    decoder = nn.Sequential(
        nn.TiedLinear(encoder.layers[-1], activation="tanh"),
        nn.Linear(6, 4 * 4 * 2),
        nn.Reshape((4, 4, 2)),
        nn.ConvTranspose2d(2, 3, 4, 2, 1, output_padding=(0, 1)),
    )
    return ae.Autoencoder((encoder, decoder), 2, **KW).fit(x)


def own_tied(x):
    a, b = nn.Conv2d(3, 4, 3, 2, activation="tanh"), nn.Linear(48, 2)
    back = nn.TiedConvTranspose2d(a, (1, 0), bias=False)
    decoder = nn.Sequential(nn.TiedLinear(b), nn.Reshape((3, 4, 4)), back)
    return ae.Autoencoder((nn.Sequential(a, nn.Flatten(), b), decoder), 2, **KW).fit(x)


def own_tied_steps(X):
    a, b = nn.Conv1d(2, 3, 3, 2, 1, activation="tanh"), nn.Linear(9, 2)
    back = nn.TiedConvTranspose1d(a, 1, bias=False)
    middle = nn.Sequential(
        nn.Conv1d(3, 3, 3, dilation=2, causal=True), nn.Conv1d(3, 3, 2, padding="same", groups=3)
    )
    decoder = nn.Sequential(nn.TiedLinear(b), nn.Reshape((3, 3)), nn.ConvTranspose1d(3, 3, 1), back)
    return ae.Autoencoder((nn.Sequential(a, middle, nn.Flatten(), b), decoder), 2, **KW).fit(X)


def own_lstm(X):
    encoder = nn.Sequential(nn.LSTM(2, 4, 1, True), nn.LSTM(8, 3, last=True))
    decoder = nn.Sequential(
        nn.LSTM(3, 4, steps=6, reverse=True), nn.TimeDistributed(nn.Linear(4, 2, bias=False))
    )
    return ae.Autoencoder((encoder, decoder), 3, **KW).fit(X)


def own_blocks():
    encoder = nn.Sequential(
        nn.TimeDistributed(nn.Linear(3, 8)),
        nn.PositionalEmbedding(4, 8),
        nn.Residual(nn.MultiHeadAttention(8, 4)),
        nn.TransformerBlock(8, 2, 5),
        nn.MeanPool1d(),
    )
    return encoder, nn.Sequential(nn.PositionalEmbedding(4, 8), nn.TimeDistributed(nn.Linear(8, 3)))


def own_quantizers(X):
    encoder = nn.Sequential(
        nn.Linear(12, 4),
        nn.VectorQuantizer(6, 4, commitment=0.5, distance="cosine"),
        nn.Linear(4, 4),
        nn.ResidualQuantizer(2, 5, 4, codebook="loss", decay=0.5, restart_dead=False),
        nn.Linear(4, 2),
        nn.FiniteScalarQuantizer((3, 4)),
        nn.VectorQuantizer(5, 2, gradient="rotation", projection_dim=1),
        nn.Linear(2, 4),
        nn.GroupedQuantizer(
            nn.LookupFreeQuantizer(2, commitment=0.5, entropy_weight=0.2, temperature=2.0),
            nn.LookupFreeQuantizer(2),
        ),
        nn.Linear(4, 2),
        nn.FiniteScalarQuantizer((3, 4), depth=2),
    )
    return ae.Autoencoder((encoder, nn.Linear(2, 12)), 2, **KW).fit(X)


MODELS = {
    "autoencoder": lambda X, x, y: ae.Autoencoder(ae.Dense((8,)), 3, **KW).fit(X),
    "transformer": lambda X, x, y: ae.VAE(ae.Transformer(8, 2, 1, 12), 3, **KW).fit(
        X.reshape(-1, 4, 3)
    ),
    "own blocks": lambda X, x, y: ae.Autoencoder(own_blocks(), 8, **KW).fit(X.reshape(-1, 4, 3)),
    "everything": lambda X, x, y: ae.Autoencoder(
        ae.Dense([8, 6], "gelu"),
        3,
        loss="huber",
        tied=True,
        corruption=ae.SaltAndPepper(0.1),
        optimizer=ae.SGD(0.5, nesterov=True),
        weight_decay=1e-4,
        schedule=ae.Warmup(1) * ae.Step(2),
        clip_norm=1.0,
        validation_fraction=0.2,
        patience=5,
        warm_start=True,
        shuffle=False,
        **KW,
    ).fit(X),
    "conv vae": lambda X, x, y: ae.VAE(ae.Conv((4,)), 3, loss="bce", beta=2.0, **KW).fit(x),
    "stack": lambda X, x, y: ae.StackedAutoencoder(
        ae.Dense((8, 6), "gelu"), 3, corruption=[ae.Masking(0.1), None, None], tied=True, **KW
    ).fit(X),
    "recirculation": lambda X, x, y: ae.Recirculation(4, regression=0.5, **KW).fit(X),
    "cvae": lambda X, x, y: ae.CVAE(ae.Dense((8,)), 3, **KW).fit(X, y),
    "gaussian": lambda X, x, y: ae.VAE(
        ae.Dense((8,)), 3, loss="gaussian", divergence=ae.MMD(kl=0.5, scales=[1, 2.0]), **KW
    ).fit(X),
    "several draws": lambda X, x, y: ae.VAE(ae.Dense((8,)), 3, importance_samples=3, **KW).fit(X),
    "tc": lambda X, x, y: ae.VAE(ae.Dense((8,)), 3, divergence=ae.TotalCorrelation(2.0), **KW).fit(
        X
    ),
    "flows": lambda X, x, y: ae.VAE(
        ae.Dense((8,)),
        3,
        prior=ae.RealNVP(2, 6),
        posterior=ae.InverseAutoregressiveFlow(2, 9, context=4),
        **KW,
    ).fit(X),
    "planar": lambda X, x, y: ae.VAE(ae.Dense((8,)), 3, posterior=ae.PlanarFlow(3), **KW).fit(X),
    "vae of clusters": lambda X, x, y: ae.VAE(
        ae.Dense((8,)), 3, prior=ae.GaussianMixture(3), pretrain_epochs=1, **KW
    ).fit(X),
    "vae of a mixture": lambda X, x, y: ae.VAE(
        ae.Dense((8,)), 2, prior=ae.GaussianMixture(means=((-4.0, 0.0), (0.0, 1.0))), **KW
    ).fit(X),
    "vae of pseudo-inputs": lambda X, x, y: ae.VAE(
        ae.Dense((8,)), 3, prior=ae.VampPrior(5), **KW
    ).fit(X),
    "cvae of strings": lambda X, x, y: ae.CVAE(latent_dim=3, **KW).fit(X, np.array(list("äßc"))[y]),
    "cvae of properties": lambda X, x, y: ae.CVAE(ae.Dense(()), 2, **KW).fit(X, X[:, :2] * 9),
    "aae": lambda X, x, y: ae.AdversarialAutoencoder(
        ae.Dense((8,)),
        2,
        prior=ae.GaussianMixture(means=((-4.0, 0.0), (0.0, 0.0), (4.0, 0.0)), labels=(0, 1, 2)),
        conditional=True,
        **KW,
    ).fit(X, y),
    "vqvae": lambda X, x, y: ae.VQVAE(ae.ResNet(8, 4, 1), 8, 3, **KW).fit(x),
    "conv vqvae with a prior": lambda X, x, y: ae.VQVAE(
        ae.ResNet(8, 4, 1), 8, 3, prior=ae.PixelCNN(8, 2, 3, epochs=1, schedule=ae.Cosine(3)), **KW
    ).fit(x, y),
    "vqvae loss": lambda X, x, y: ae.VQVAE(ae.Dense((8,)), 8, 3, codebook="loss", **KW).fit(X),
    "vqvae residual": lambda X, x, y: ae.VQVAE(None, 8, 3, quantizers=3, **KW).fit(
        X.reshape(40, 6, 2)
    ),
    "vqvae cosine": lambda X, x, y: ae.VQVAE(ae.Dense((8,)), 8, 3, distance="cosine", **KW).fit(X),
    "vqvae levels": lambda X, x, y: ae.VQVAE(ae.Dense((8,)), levels=[5, 3], **KW).fit(X),
    "vqvae groups": lambda X, x, y: ae.VQVAE(
        ae.Dense((8,)), 8, 4, groups=2, quantizers=2, gradient="rotation", **KW
    ).fit(X),
    "vqvae projections": lambda X, x, y: ae.VQVAE(
        ae.Dense((8,)), 8, 4, projection_dim=2, quantizers=2, distance="cosine", **KW
    ).fit(X),
    "vqvae levels in steps": lambda X, x, y: ae.VQVAE(
        ae.Dense((8,)), levels=[5, 3], quantizers=2, groups=2, **KW
    ).fit(X),
    "vqvae bits": lambda X, x, y: ae.VQVAE(
        ae.Dense((8,)), code_bits=3, groups=2, entropy_weight=0.5, commitment=0.5, **KW
    ).fit(X),
    "vqvae untrained": lambda X, x, y: ae.VQVAE(
        ae.Dense((4,)), 64, 32, quantizers=2, codebook="loss", **KW
    ).initialize(X),
    "own quantizers": lambda X, x, y: own_quantizers(X),
    "strided steps": lambda X, x, y: ae.VAE(ae.Conv((4,)), 3, **KW).fit(X.reshape(40, 6, 2)),
    "own, tied steps": lambda X, x, y: own_tied_steps(X.reshape(40, 6, 2)),
    "lstm": lambda X, x, y: ae.Autoencoder(ae.LSTM(5, 2, True), 3, **KW).fit(X.reshape(40, 6, 2)),
    "gru": lambda X, x, y: ae.VAE(ae.GRU(5, 2, recurrent_dropout=0.2), 3, **KW).fit(
        X.reshape(40, 6, 2)
    ),
    "lstm, forced": lambda X, x, y: ae.VAE(
        ae.LSTM(5, 2, reverse=True, teacher_forcing=True), 3, **KW
    ).fit(X.reshape(40, 6, 2)),
    "own lstm": lambda X, x, y: own_lstm(X.reshape(40, 6, 2)),
    "own modules": lambda X, x, y: own_modules(x),
    "tied conv": lambda X, x, y: ae.Autoencoder(ae.Conv((4, 5)), 3, tied=True, **KW).fit(x),
    "own tied conv": lambda X, x, y: own_tied(x),
    "untrained": lambda X, x, y: ae.VAE(ae.Dense((8,)), 3, **KW).initialize(X),
}


def fitted(name, X, rng):
    x = rng.random((40, 8, 9, 3), dtype=np.float32)
    y = np.arange(40) % 3
    return MODELS[name](X, x, y), x if "conv" in name or name in ("vqvae", "own modules") else X, y


def assert_equal_models(a, b):
    assert type(a) is type(b) and repr(a.get_params()) == repr(b.get_params())
    assert a.history_ == b.history_
    left, right = a._network.arrays(), b._network.arrays()
    assert list(left) == list(right)
    for key, value in left.items():
        assert value.tobytes() == right[key].tobytes(), key
        assert not np.shares_memory(value, right[key])
    for name in ("seed", "steps", "samples", "epoch", "optimizer", "input_shape"):
        assert getattr(a._network, name) == getattr(b._network, name), name
    seeds = [[m.seed for _, m in n._network.modules() if hasattr(m, "seed")] for n in (a, b)]
    assert seeds[0] == seeds[1]
    for name in ("n_features_in_", "n_parameters_", "best_epoch_"):
        assert getattr(a, name, None) == getattr(b, name, None)
    assert ("prior_" in vars(a)) == ("prior_" in vars(b))
    if "prior_" in vars(a):
        assert_equal_models(a.prior_, b.prior_)
    assert list(getattr(a, "feature_names_in_", "")) == list(getattr(b, "feature_names_in_", ""))


def contents(path):
    with safe_open(path, framework="numpy") as file:
        tensors = {k: file.get_tensor(k).tobytes() for k in file.keys()}  # noqa: SIM118
        return tensors, file.metadata()


def codes(model, x, y):
    x = x.reshape(len(x), *model._network.input_shape)
    if isinstance(model, ae.CVAE):
        y = x[:, :2] * 9 if not hasattr(model, "classes_") else model.classes_[y]
    return model.transform(x, y)


@pytest.mark.parametrize("name", MODELS)
def test_round_trip(name, X, rng, tmp_path):
    model, x, y = fitted(name, X, rng)
    model.save(tmp_path / "m.safetensors")
    again = ae.load(tmp_path / "m.safetensors")
    assert_equal_models(model, again)
    np.testing.assert_array_equal(codes(again, x, y), codes(model, x, y))
    again.save(str(tmp_path / "again"))
    assert contents(tmp_path / "again") == contents(tmp_path / "m.safetensors")


def without(value, names):
    """Return what stands in a file without some parameters, as 0.1.0 wrote it."""
    if isinstance(value, list):
        return [without(v, names) for v in value]
    if not isinstance(value, dict):
        return value
    return {k: without(v, names) for k, v in value.items() if k not in names}


@pytest.mark.parametrize("name", MODELS)
def test_files_of_0_1_0_lack_what_came_later(name, X, rng, tmp_path):
    (model, *_), path = fitted(name, X, rng), tmp_path / "m.safetensors"
    model.save(path)
    config, tensors = document.read(path)
    old = without(config, ("accumulate", "precision", "max_steps"))
    assert old != config
    document.write(path, old, tensors)
    again = ae.load(path)
    assert_equal_models(model, again)


def test_layers_of_0_1_0_lack_what_came_later(rng, tmp_path):
    x, path = rng.random((40, 4, 4, 3), dtype=np.float32), tmp_path / "m.safetensors"
    encoder = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.Upsample2d(1), nn.Flatten(), nn.Linear(16, 2)
    )
    decoder = nn.Sequential(nn.Linear(2, 16), nn.Reshape((2, 2, 4)), nn.ConvTranspose2d(4, 3, 2, 2))
    model = ae.Autoencoder((encoder, decoder), 2, **KW).fit(x)
    model.save(path)
    config, tensors = document.read(path)
    old = without(config, ("dilation", "groups", "mode"))
    assert str(old).count("Conv") == 2 and "dilation" in str(config) and "dilation" not in str(old)
    document.write(path, old, tensors)
    assert_equal_models(model, ae.load(path))


def test_a_checkpoint_of_0_1_0_goes_on(rng, tmp_path):
    X, path = rng.random((40, 6, 3), np.float32), tmp_path / "run.ae"

    def made(epochs):
        arch = ae.Transformer(8, 2, 1, 12)
        return ae.VAE(arch, 3, **KW | {"epochs": epochs, "checkpoint": path})

    whole = made(3).fit(X)
    path.unlink()
    made(2).fit(X)
    config, tensors = document.read(path)
    document.write(path, without(config, ("accumulate", "precision", "max_steps")), tensors)
    resumed = made(3).fit(X, resume=True)
    np.testing.assert_array_equal(resumed.transform(X), whole.transform(X))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("copied", ["pickle", "deepcopy", "joblib"])
def test_copies(name, copied, X, rng, tmp_path):
    model, x, y = fitted(name, X, rng)
    if copied == "pickle":
        again = pickle.loads(pickle.dumps(model))
    elif copied == "deepcopy":
        again = copy.deepcopy(model)
    else:
        joblib = pytest.importorskip("joblib")
        joblib.dump(model, tmp_path / "m.joblib")
        again = joblib.load(tmp_path / "m.joblib")
    assert_equal_models(model, again)
    np.testing.assert_array_equal(codes(again, x, y), codes(model, x, y))
    again._network.flat.value.fill(0)  # its layers see its own buffer
    assert all((v == 0).all() for v in again.parameters_.values())
    assert any((v != 0).any() for v in model.parameters_.values())


def test_feature_names_come_back(tmp_path, rng):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rng.random((30, 3)), columns=["a", "b", "ç"])
    model = ae.Autoencoder(ae.Dense(()), 2, **KW).fit(frame)
    model.save(tmp_path / "m")
    again = ae.load(tmp_path / "m")
    assert_equal_models(model, again)
    with pytest.raises(ValueError, match="feature names"):
        again.transform(frame[["b", "a", "ç"]])


def test_what_a_file_does_not_hold(X, tmp_path):
    generator = np.random.default_rng(0)
    options = {**KW, "random_state": generator, "callbacks": [lambda s: None]}
    model = ae.Autoencoder(ae.Dense((8,)), 3, **options).fit(X)
    model.save(tmp_path / "m")
    again = ae.load(tmp_path / "m")
    assert again.random_state is None and again.callbacks == ()
    assert again._network.seed == model._network.seed
    again.set_params(warm_start=True).fit(X)
    np.testing.assert_array_equal(
        again.transform(X), model.set_params(warm_start=True).fit(X).transform(X)
    )


class Mine(nn.Module):
    """As layers of 0.1.0 are, with a backward pass."""

    def forward(self, x, training=False):
        return x

    def backward(self, grad):
        return grad

    def output_shape(self, shape):
        return shape


class Scale(nn.Module):
    def __init__(self, features, power=2, *, shift=True):
        self.power = power
        self.weight = nn.Parameter((features,), fill=1.0)
        self.shift = nn.Parameter((features,), fill=0.0) if shift else None

    def forward(self, x):
        y = x * self.weight**self.power
        return y if self.shift is None else y + self.shift


class Applied(nn.Module):
    """A layer whose argument is code, or a number."""

    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(x) if callable(self.function) else x * self.function


class MyDense(ae.Dense):
    pass


class Smooth(ae.Autoencoder):
    def terms(self, batch):
        return super().terms(batch) | {"smooth": 0.1 * (batch.code**2).sum(axis=1)}


class Weighted(ae.VAE):
    """An objective with a parameter of its own."""

    def __init__(
        self,
        arch=None,
        latent_dim=32,
        weight=1.0,
        epochs=20,
        random_state=None,
        warm_start=False,
        checkpoint=None,
    ):
        super().__init__(arch, latent_dim, epochs=epochs, random_state=random_state)
        self.weight, self.warm_start, self.checkpoint = weight, warm_start, checkpoint

    def terms(self, batch):
        terms = super().terms(batch)
        batch.weights["size"] = self.weight
        return terms | {"size": np.abs(batch.code).sum(axis=1)}


def with_layer(*layers):
    return ae.Autoencoder((nn.Sequential(nn.Linear(12, 2), *layers), nn.Linear(2, 12)), 2, **KW)


OWN = {
    "a layer": (lambda: with_layer(Scale(2, shift=False), nn.Residual(Scale(2, 3))), [Scale]),
    "a layer as of 0.1.0": (lambda: with_layer(Mine()), [Mine]),
    "an architecture": (lambda: ae.Autoencoder(MyDense((3,)), 2, **KW), [MyDense]),
    "an objective": (lambda: Smooth(ae.Dense((3,)), 2, **KW), [Smooth]),
    "with a parameter": (lambda: Weighted(ae.Dense((3,)), 2, 0.3, 2, 0), [Weighted]),
    "both": (lambda: Smooth(MyDense((3,)), 2, **KW), [Smooth, MyDense]),
}


@pytest.mark.parametrize("case", OWN)
def test_own_classes_are_read_where_they_are_given(case, X, tmp_path):
    make, classes = OWN[case]
    model = make().fit(X)
    model.save(tmp_path / "m")
    for given in ([], classes[1:]):
        words = rf"(layer|class|model): .*, got '{classes[0].__name__}'; .*load\(path, classes="
        with pytest.raises(ValueError, match=words):
            ae.load(tmp_path / "m", classes=given)
    again = ae.load(tmp_path / "m", classes=classes)
    assert type(again) is type(model) and repr(again) == repr(model)
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    assert again.history_ == model.history_
    for m in (model, again):
        m.set_params(warm_start=True).fit(X)
    np.testing.assert_array_equal(again.transform(X), model.transform(X))


def test_own_classes_go_on_from_a_checkpoint(X, tmp_path):
    whole = Weighted(MyDense((3,)), 2, 0.3, 4, 0).fit(X)
    part = Weighted(MyDense((3,)), 2, 0.3, 2, 0).set_params(checkpoint=tmp_path / "m").fit(X)
    part.set_params(epochs=4).fit(X, resume=True)
    assert len(part.history_) == 4
    np.testing.assert_array_equal(part.transform(X), whole.transform(X))


def test_what_is_no_class_of_ones_own_is_refused(X, tmp_path):
    with_layer(Scale(2)).fit(X).save(tmp_path / "m")
    for odd in (Scale(2), dict, "Scale", len):
        with pytest.raises(TypeError, match="classes: expected classes of models, layers"):
            ae.load(tmp_path / "m", classes=[odd])


def test_what_a_file_cannot_hold_is_said(X, tmp_path):
    model = with_layer(Applied(np.tanh)).fit(X)
    with pytest.raises(
        ValueError,
        match="Applied: function: expected a finite .*, got <ufunc 'tanh'>; pickle holds",
    ):
        model.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []
    assert pickle.loads(pickle.dumps(model)).transform(X).shape == (40, 2)


def test_writing_is_atomic(X, tmp_path, monkeypatch):
    path = tmp_path / "m"
    model = ae.Autoencoder(ae.Dense((8,)), 3, **KW).fit(X)
    model.save(path)
    before = path.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            model.partial_fit(X).save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    umask = os.umask(0)
    os.umask(umask)
    assert os.stat(path).st_mode & 0o777 == 0o666 & ~umask


def test_paths(X, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = ae.Autoencoder(ae.Dense((8,)), 3, **KW).fit(X)
    model.save("plain")
    assert_equal_models(ae.load("plain"), model)
    with pytest.raises(FileNotFoundError):
        ae.load("not there")
    with pytest.raises(FileNotFoundError):
        model.save("no folder/m")
    with pytest.raises(IsADirectoryError):
        ae.load(tmp_path)
    with pytest.raises(TypeError):
        ae.load(3)


def test_many_threads_may_ask_one_model(X):
    """Layers keep their outputs, so calls wait for each other; answers stay right."""
    model = ae.VAE(ae.Dense((64,)), 3, **KW).fit(X)
    data = np.tile(X, (50, 1))
    want, wrong = model.reconstruct(data), []

    def ask():
        for _ in range(5):
            if not np.array_equal(model.reconstruct(data), want):
                wrong.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_products_of_schedules_come_back(X, tmp_path):
    schedule = ae.Warmup(1) * ae.Step(3) * ae.Cosine(9)
    ae.Autoencoder(ae.Dense(()), 2, schedule=schedule, **KW).fit(X).save(tmp_path / "m")
    again = ae.load(tmp_path / "m").schedule
    assert again == schedule and isinstance(again, Product) and again(2.5) == schedule(2.5)


def test_what_files_of_before_lack_is_plain():
    """Values that JSON has stand for themselves in files and in pickles alike."""
    added = [codec.ADDED_TO_MODELS, *codec.ADDED.values()]
    for value in (v for values in added for v in values.values()):
        assert value is None or isinstance(value, (bool, int, float, str))
