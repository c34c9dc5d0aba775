"""Files: what comes back, what is refused, and damage of every kind."""

import copy
import json
import os
import pickle
import struct
import threading

import aecore as ae
import numpy as np
import pytest
from aecore import io
from aecore.training.schedules import Product
from safetensors import safe_open
from safetensors.numpy import save_file

KW = {"batch_size": 16, "epochs": 2, "random_state": 0}
nn = ae.nn


@pytest.fixture
def X(rng):
    return rng.random((40, 12), dtype=np.float32)


def own_modules(x):
    encoder = nn.Sequential(
        nn.Conv2d(3, 4, (3, 2), 2, 1, activation="relu"),
        nn.Residual(nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1, bias=False), nn.LayerNorm(4))),
        nn.BatchNorm2d(4, momentum=0.2),
        nn.MaxPool2d(2, padding=1),
        nn.GroupNorm(2, 4, affine=False),
        nn.Upsample2d((1, 2)),
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


MODELS = {
    "autoencoder": lambda X, x, y: ae.Autoencoder(ae.Dense((8,)), 3, **KW).fit(X),
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
    "cvae": lambda X, x, y: ae.CVAE(ae.Dense((8,)), 3, **KW).fit(X, y),
    "cvae of strings": lambda X, x, y: ae.CVAE(latent_dim=3, **KW).fit(X, np.array(list("äßc"))[y]),
    "cvae of properties": lambda X, x, y: ae.CVAE(ae.Dense(()), 2, **KW).fit(X, X[:, :2] * 9),
    "vqvae": lambda X, x, y: ae.VQVAE(ae.ResNet(8, 4, 1), 8, 3, **KW).fit(x),
    "vqvae loss": lambda X, x, y: ae.VQVAE(ae.Dense((8,)), 8, 3, codebook="loss", **KW).fit(X),
    "own modules": lambda X, x, y: own_modules(x),
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
    assert list(getattr(a, "feature_names_in_", "")) == list(getattr(b, "feature_names_in_", ""))


def contents(path):
    with safe_open(path, framework="numpy") as file:
        tensors = {k: file.get_tensor(k).tobytes() for k in file.keys()}  # noqa: SIM118
        return tensors, file.metadata()


def codes(model, x, y):
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
    def forward(self, x, training=False):
        return x

    def backward(self, grad):
        return grad

    def output_shape(self, shape):
        return shape


class MyDense(ae.Dense):
    pass


class MyModel(ae.Autoencoder):
    pass


@pytest.mark.parametrize(
    "make, word",
    [
        (
            lambda: ae.Autoencoder(
                (nn.Sequential(nn.Linear(12, 2), Mine()), nn.Linear(2, 12)), 2, **KW
            ),
            "Mine",
        ),
        (lambda: ae.Autoencoder(MyDense((3,)), 2, **KW), "MyDense"),
        (lambda: MyModel(ae.Dense((3,)), 2, **KW), "MyModel"),
    ],
)
def test_what_a_file_cannot_hold_is_said(make, word, X, tmp_path):
    model = make().fit(X)
    with pytest.raises(ValueError, match=word):
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


# ---- damage -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Return the bytes of a small file, and its parts."""
    X = np.random.default_rng(0).random((20, 5), dtype=np.float32)
    path = tmp_path_factory.mktemp("io") / "good"
    model = ae.CVAE(ae.Dense((4,)), 2, corruption=ae.Masking(0.1), epochs=1, random_state=0)
    model.fit(X, np.arange(20) % 2).save(path)
    with safe_open(path, framework="numpy") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    return path.read_bytes(), tensors, metadata


def refused(path):
    with pytest.raises(ValueError, match="not a whole model file") as caught:
        ae.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("part", range(5))
def test_truncated_files(good, part, tmp_path):
    data = good[0]
    lengths = np.unique(np.linspace(0, len(data) - 1, 100).astype(int))[part::5]
    assert len(lengths) >= 19
    for length in lengths:
        (tmp_path / "f").write_bytes(data[:length])
        refused(tmp_path / "f")
    (tmp_path / "f").write_bytes(data + b"\0")
    refused(tmp_path / "f")


@pytest.mark.parametrize("part", range(4))
def test_flipped_bits(good, part, tmp_path):
    """One bit at a time: all through the header, and all through the arrays."""
    data = good[0]
    header = 8 + struct.unpack("<Q", data[:8])[0]
    places = np.concatenate(
        [np.linspace(0, header - 1, 160), np.linspace(header, len(data) - 1, 60)]
    )
    for i, place in enumerate(places.astype(int)[part::4]):
        changed = bytearray(data)
        changed[place] ^= 1 << (i % 8)
        (tmp_path / "f").write_bytes(changed)
        refused(tmp_path / "f")


def signed(path, tensors, config):
    """Write a file whose digest agrees with what is in it."""
    text = config if isinstance(config, str) else json.dumps(config)
    digest = io._digest(text, tensors)
    save_file(tensors, path, {"aecore": "1", "config": text, "digest": digest})


HUGE = [10**6, 10**9, 10**15, 2**63 - 1, 2**63, 10**30]
ODD = [None, True, -1, 0, 1.5, "x", [], {}, [1], {"a": 1}, "10", 1e300]


def edits(config):
    """Yield configurations that are each wrong in one place, whatever the digest says."""

    def changed(*place_and_value):
        *place, key, value = place_and_value
        new = copy.deepcopy(config)
        at = new
        for step in place:
            at = at[step]
        if value is KeyError:
            del at[key]
        else:
            at[key] = value
        return new

    for key in config:
        yield changed(key, KeyError)
        for value in ODD:
            fine = (
                (
                    key in ("steps", "samples", "epoch", "seed")
                    and value == 0
                    and value is not True
                    and type(value) is int
                )
                or (key == "best_epoch" and value in (None, 0) and value is not False)
                or (key == "columns" and value is None)
                or (key == "history" and value == [])
            )
            if not fine:
                yield changed(key, value)
    yield changed("extra", 1)
    for key in config["params"]:
        yield changed("params", key, KeyError)
        for value in (
            {},
            [],
            {"class": "Dense"},
            {"class": "os.system", "params": {}},
            {"tuple": 3},
        ):
            yield changed("params", key, value)
    yield changed("params", "extra", 1)
    for name in ("latent_dim", "batch_size", "epochs", "loss", "corruption", "learning_rate"):
        yield changed("params", name, {"module": {"layer": "Flatten"}})
    for value in HUGE:
        yield changed("params", "latent_dim", value)
        yield changed("shape", [value])
        yield changed("shape", [5, value, 1])
        yield changed("params", "arch", "params", "widths", {"tuple": [value]})
        yield changed("params", "arch", "params", "widths", {"tuple": [4, value, 4]})
        for layer in ("Linear", "Conv2d", "BatchNorm2d", "Upsample2d", "Dense", "__import__"):
            spec = {"layer": layer, "in_features": value, "out_features": 1, "bias": True}
            yield changed("params", "arch", {"tuple": [{"module": spec}, {"module": spec}]})
    norm = {
        "layer": "BatchNorm2d",
        "channels": 10**10,
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
    }
    yield changed("params", "arch", {"tuple": [{"module": norm}, {"module": norm}]})
    nested = 1
    for _ in range(300):
        nested = {"tuple": [nested]}
    yield changed("params", "arch", nested)
    for value in ([0], [0, 0], [1, 0], ["a", "b"], [0, 1, 2], [0.0, 1.0], []):
        yield changed("conditions", {"classes": value, "dtype": "<i8"})
    for dtype in ("<i4 ", "O", "V8", "<f8", "<U1", "x", 3, None):
        yield changed("conditions", {"classes": [0, 1], "dtype": dtype})
    yield changed("conditions", {"mean": [0.0], "scale": [0.0]})
    yield changed("model", "VAE")
    yield changed("model", "Network")
    yield changed("optimizer", "SGD")
    yield changed("history", [{"loss": [1]}])
    yield changed("columns", ["a"])


def test_edited_configurations(good, tmp_path):
    _, tensors, metadata = good
    config = json.loads(metadata["config"])
    signed(tmp_path / "f", tensors, config)
    assert ae.load(tmp_path / "f").transform(np.zeros((1, 5)), [0]).shape == (1, 2)
    n = 0
    for edited in edits(config):
        signed(tmp_path / "f", tensors, edited)
        try:
            refused(tmp_path / "f")
        except BaseException:
            print(edited)
            raise
        n += 1
    assert n > 250
    deep = "[" * 100_000 + "]" * 100_000
    for text in (
        "",
        "null",
        "[]",
        "3",
        "{",
        "NaN",
        metadata["config"] + "}",
        deep,
        metadata["config"].replace("0.001", "NaN"),
        metadata["config"].replace("0.001", "1e999"),
        metadata["config"].replace('"epochs": 1', '"epochs": ' + "9" * 5000),
    ):
        signed(tmp_path / "f", tensors, text)
        refused(tmp_path / "f")


def test_edited_tensors(good, tmp_path):
    _, tensors, metadata = good
    text = metadata["config"]
    for name, array in tensors.items():
        others = [
            array.astype(np.float64),
            array.astype(np.float16),
            array[None],
            array.ravel()[:-1],
        ]
        if array.ndim > 1:
            others.append(np.ascontiguousarray(array.T))
        for value in (np.nan, np.inf, -np.inf):
            bad = array.copy()
            bad.flat[-1] = value
            others.append(bad)
        for other in others:
            if (
                other.shape == array.shape
                and other.dtype == array.dtype
                and np.isfinite(other).all()
            ):
                continue
            signed(tmp_path / "f", {**tensors, name: other}, text)
            refused(tmp_path / "f")
        signed(tmp_path / "f", {k: v for k, v in tensors.items() if k != name}, text)
        refused(tmp_path / "f")
    signed(tmp_path / "f", {**tensors, "extra": np.zeros(3, np.float32)}, text)
    refused(tmp_path / "f")


def test_other_files(good, tmp_path):
    _, tensors, metadata = good
    path = tmp_path / "f"
    for edited in (
        None,
        {},
        {**metadata, "aecore": "2"},
        {**metadata, "extra": "x"},
        {**metadata, "digest": ""},
        {k: metadata[k] for k in ("aecore", "config")},
    ):
        save_file(tensors, path, edited)
        refused(path)
    for data in (
        b"",
        b"\x80\x04K\x01.",
        b"PK\x03\x04" + bytes(99),
        b"{}",
        bytes(64),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"{}",
    ):
        path.write_bytes(data)
        refused(path)


def test_negative_positions_are_refused(X, rng, tmp_path):
    model, _, _ = fitted("vqvae", X, rng)
    model.save(tmp_path / "m")
    with safe_open(tmp_path / "m", framework="numpy") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        config = file.metadata()["config"]
    tensors["quantizer.position"] = np.array([-1])
    signed(tmp_path / "m", tensors, config)
    refused(tmp_path / "m")


def test_products_of_schedules_come_back(X, tmp_path):
    schedule = ae.Warmup(1) * ae.Step(3) * ae.Cosine(9)
    ae.Autoencoder(ae.Dense(()), 2, schedule=schedule, **KW).fit(X).save(tmp_path / "m")
    again = ae.load(tmp_path / "m").schedule
    assert again == schedule and isinstance(again, Product) and again(2.5) == schedule(2.5)
