"""One sample at a time: by a pass that was recorded, with the bits of any other."""

import threading

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.training import network as networks

KW = {"epochs": 1, "batch_size": 32, "random_state": 0}
TABLE, IMAGES, SERIES = (40, 12), (40, 9, 8, 3), (40, 7, 3)
NORMS = (
    nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.GroupNorm(2, 8),
                  nn.Flatten(), nn.Linear(72, 4), nn.LayerNorm(4)),
    nn.Sequential(nn.Linear(4, 12), nn.Reshape((2, 2, 3)), nn.Upsample2d((5, 4)),
                  nn.Conv2d(3, 3, (2, 1))),
)  # fmt: skip
REPLAYED = {
    "Dense": (lambda: ae.Autoencoder(ae.Dense((16, 8)), 3, **KW), TABLE),
    "bce, tied": (lambda: ae.Autoencoder(ae.Dense((16,)), 3, loss="bce", tied=True, **KW), TABLE),
    "tanh": (lambda: ae.Autoencoder(ae.Dense((8,), activation="gelu"), 3, **KW), TABLE),
    "cross_entropy": (lambda: ae.Autoencoder(ae.Dense((8,)), 3, loss="cross_entropy", **KW), TABLE),
    "VAE": (lambda: ae.VAE(ae.Dense((16,)), 3, loss="gaussian", **KW), TABLE),
    "Conv": (lambda: ae.VAE(ae.Conv((16, 32)), 3, **KW), IMAGES),
    "Conv, tied": (lambda: ae.Autoencoder(ae.Conv((16, 32)), 3, tied=True, **KW), IMAGES),
    "ResNet": (lambda: ae.Autoencoder(ae.ResNet(8, 4, 2), 3, **KW), IMAGES),
    "norms": (lambda: ae.Autoencoder(NORMS, 4, **KW), IMAGES),
    "Conv of sequences": (lambda: ae.Autoencoder(ae.Conv((4, 6)), 3, **KW), SERIES),
    "LSTM": (lambda: ae.Autoencoder(ae.LSTM(6, 2, True), 3, **KW), SERIES),
    "GRU": (lambda: ae.Autoencoder(ae.GRU(6, 2, True), 3, **KW), SERIES),
    "Transformer": (lambda: ae.Autoencoder(ae.Transformer(8, 2, 2, 12), 3, **KW), SERIES),
    "StackedAutoencoder": (
        lambda: ae.StackedAutoencoder(ae.Dense((8,)), 4, pretrain_epochs=1, **KW), TABLE,
    ),
    "AdversarialAutoencoder": (lambda: ae.AdversarialAutoencoder(ae.Dense((8,)), 2, **KW), TABLE),
}  # fmt: skip
METHODS = ("transform", "reconstruct")


def fitted(name, rng):
    make, shape = REPLAYED[name]
    X = rng.random(shape, np.float32)
    if name == "cross_entropy":
        X = np.eye(12, dtype=np.float32)[rng.integers(0, 12, len(X))]
    return make().fit(X), X


def replays(model):
    return [r for r in model._network._replays.values() if r is not None]


@pytest.mark.parametrize("name", REPLAYED)
def test_they_have_the_bits_of_other_passes(name, rng):
    model, X = fitted(name, rng)
    wanted = [getattr(model, method)(X) for method in METHODS]
    for method, want in zip(METHODS, wanted, strict=True):
        for n in (1, 2, 4, 5):
            for start in (0, 7, 0):
                rows = slice(start, start + n)
                found = getattr(model, method)(X[rows])
                assert found.dtype == np.float32
                np.testing.assert_array_equal(found, want[rows])
        kept = getattr(model, method)(X[:1])  # nobody writes into what was given out
        getattr(model, method)(X[3:4])
        np.testing.assert_array_equal(kept, want[:1])
    assert len(replays(model)) == 6


@pytest.mark.parametrize("name", ["Dense", "Conv", "Conv, tied"])
def test_changes_of_parameters_are_seen(name, rng):
    model, X = fitted(name, rng)

    def ask():
        return [getattr(model, method)(X[:1]) for method in METHODS]

    def check():
        for method, found in zip(METHODS, ask(), strict=True):
            np.testing.assert_array_equal(found, getattr(model, method)(X)[:1])

    before = ask()
    for change in (
        lambda: model.partial_fit(X),
        lambda: model.set_params(warm_start=True).fit(X),
        lambda: model.set_params(warm_start=False, random_state=3).fit(X),
        lambda: (
            model.parameters_["encoder.0.weight"].__imul__(2)
            if "encoder.0.weight" in model.parameters_
            else model.parameters_["encoder.1.weight"].__imul__(2)
        ),
    ):
        change()
        assert not np.array_equal(ask()[0], before[0])
        check()
        before = ask()
    next(iter(model.parameters_.values()))[...] += 1  # at any time from now on
    check()
    assert not replays(model)


def test_what_is_refused_stays_refused(rng):
    model, X = fitted("Dense", rng)
    model.transform(X[:1])
    for bad in (np.nan, np.inf, -np.inf):
        x = X[:1].copy()
        x[0, 5] = bad
        for method in METHODS:
            with pytest.raises(ValueError, match="Input X contains"):
                getattr(model, method)(x)
    with pytest.raises(ValueError, match="0 sample"):
        model.transform(X[:0])
    with pytest.raises(ValueError, match="12 features"):
        model.transform(X[:1, :4])
    with pytest.raises(ValueError, match="sample_mask"):
        model.transform(X[:1], sample_mask=np.ones((2, 12), bool))


def test_equal_values_of_other_types_and_layouts(rng):
    model, X = fitted("Dense", rng)
    want = model.transform(X)[:2]
    x = X[:2]
    for other in (x.astype(np.float64), np.asfortranarray(x), x[::-1][::-1], x.tolist(),
                  x.astype(">f4"), np.repeat(x, 2, 1)[:, ::2]):  # fmt: skip
        np.testing.assert_array_equal(model.transform(other), want)
    unaligned = np.frombuffer(b"x" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    np.testing.assert_array_equal(model.transform(unaligned), want)
    masked = model.transform(x, sample_mask=np.arange(12) % 3 * np.ones((2, 1)) > 0)
    assert not np.array_equal(masked, want)


def test_pixels_and_names_take_the_long_way(rng):
    pixels = rng.integers(0, 256, (40, 12)).astype(np.uint8)
    model = ae.Autoencoder(ae.Dense((8,)), 2, **KW).fit(pixels)
    np.testing.assert_array_equal(
        model.transform(pixels[:1].astype(np.float32)), model.transform(pixels)[:1]
    )
    frame = pytest.importorskip("pandas").DataFrame(pixels / np.float32(300)).add_prefix("f")
    model = ae.Autoencoder(ae.Dense((8,)), 2, **KW).fit(frame)
    with pytest.warns(UserWarning, match="feature names"):
        model.transform(frame.to_numpy(np.float32)[:1])
    model.set_output(transform="pandas")
    assert list(model.transform(frame[:1]).columns) == ["autoencoder0", "autoencoder1"]


def test_set_output_holds(rng):
    model, X = fitted("Dense", rng)
    pytest.importorskip("pandas")
    model.set_output(transform="pandas")
    assert model.transform(X[:1]).shape == (1, 3) and hasattr(model.transform(X[:1]), "columns")


class Doubled(nn.Module):
    """A layer that does things that nobody notes."""

    def forward(self, x):
        large = not x.tape.abstract and x.data[0, 0] > 0.5
        return x * np.float32(2 if large else 3)


class Shifted(ae.Autoencoder):
    def _codes(self, batch):
        return super()._codes(batch) + 1


def test_classes_of_others_take_the_long_way(rng):
    X = rng.random(TABLE, np.float32)
    own = nn.Sequential(Doubled(), nn.Linear(12, 3)), nn.Sequential(nn.Linear(3, 12))
    for model in (ae.Autoencoder(own, 3, **KW), Shifted(ae.Dense((8,)), 3, **KW)):
        model.fit(X)
        want = [model.transform(np.repeat(x[None], 9, 0))[:1] for x in X]
        for x, codes in zip(X, want, strict=True):
            np.testing.assert_array_equal(model.transform(x[None]), codes)
        assert not replays(model)


@pytest.mark.parametrize(
    "model",
    [
        ae.VQVAE(ae.ResNet(8, 4, 1), 16, 4, **KW),
        ae.VQVAE(ae.ResNet(8, 4, 1), code_dim=3, levels=(3, 3, 3), **KW),
        ae.Autoencoder(ae.Dense((8,)), 4, penalty=ae.TopK(2), **KW),
    ],
)
def test_ops_that_note_nothing_take_the_long_way(model, rng):
    X = rng.random(IMAGES, np.float32)
    model.fit(X)
    for method in METHODS:
        want = getattr(model, method)(X)
        for i in range(4):
            np.testing.assert_array_equal(getattr(model, method)(X[i : i + 1]), want[i : i + 1])
    assert not replays(model)


def test_memory_is_bounded(rng, monkeypatch):
    model, X = fitted("Dense", rng)
    monkeypatch.setattr(networks, "REPLAYED_BYTES", 100)
    want = model.transform(X)
    np.testing.assert_array_equal(model.transform(X[:1]), want[:1])
    assert not replays(model)
    monkeypatch.undo()
    monkeypatch.setattr(networks, "REPLAYS", 3)

    def ask():
        np.testing.assert_array_equal(model.transform(X[:2]), want[:2])

    for _ in range(8):  # each thread has a workspace of its own
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        assert len(model._network._replays) <= 3


def test_threads_and_settings_have_their_own(rng):
    model, X = fitted("Conv", rng)
    want, errors = model.transform(X), []
    predictor = model.frozen()

    def ask(found):
        try:
            for i in range(60):
                rows = slice(i % 30, i % 30 + 1 + i % 3)
                np.testing.assert_array_equal(found.transform(X[rows]), want[rows])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(m,)) for m in (model, predictor) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for n in (1, 2, None):
        model.set_params(n_threads=n)
        np.testing.assert_array_equal(model.transform(X[:1]), want[:1])
