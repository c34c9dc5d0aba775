"""Fitting to a stream of batches: the bits of the whole array, and what is refused."""

import tracemalloc

import aecore as ae
import numpy as np
import pytest
from support.resuming import state

KW = {"batch_size": 16, "random_state": 0, "epochs": 3, "shuffle": False}


class Parts:
    """Batches of arrays, anew each time; counts how often."""

    def __init__(self, *arrays, size=16):
        self.arrays, self.size, self.passes = arrays, size, 0

    def __iter__(self):
        self.passes += 1
        for start in range(0, len(self.arrays[0]), self.size):
            rows = slice(start, start + self.size)
            parts = tuple(None if a is None else a[rows] for a in self.arrays)
            yield parts if len(parts) > 1 else parts[0]


def images(n=50):
    x = np.random.default_rng(0).random((n, 8, 8, 1), dtype=np.float32)
    return x, np.arange(n) % 3


D = ae.Dense((8,))
KINDS = {
    "denoising": lambda **k: ae.Autoencoder(D, 3, corruption=ae.Masking(0.2), loss="l1", **k),
    "schedule": lambda **k: ae.Autoencoder(ae.Conv((4,)), 3, schedule=ae.Cosine(3), **k),
    "stack": lambda **k: ae.StackedAutoencoder(D, 3, pretrain_epochs=2, **k),
    "cvae": lambda **k: ae.CVAE(D, 3, kl_warmup=2, **k),
    "total correlation": lambda **k: ae.VAE(D, 3, divergence=ae.TotalCorrelation(), **k),
    "vqvae": lambda **k: ae.VQVAE(ae.Conv((4,)), 16, 4, **k),
    "vqvae with a prior": lambda **k: ae.VQVAE(
        ae.Conv((4,)), 16, 4, prior=ae.PixelCNN(4, 2, epochs=2), **k
    ),
    "gan": lambda **k: ae.GAN(D, 3, conditional=True, **k),
    "aae": lambda **k: ae.AdversarialAutoencoder(D, 3, discriminator_widths=(8,), **k),
    "classifier": lambda **k: ae.SoftmaxClassifier(
        ae.StackedAutoencoder(D, 3, pretrain_epochs=1, batch_size=16, epochs=1, shuffle=False), **k
    ),
    "recirculation": lambda **k: ae.Recirculation(6, **k),
    "clusters": lambda **k: ae.DeepClustering(3, D, 3, pretrain_epochs=1, n_init=2, tol=0, **k),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_same_bits_as_from_the_array(name):
    x, y = images()
    whole = KINDS[name](**KW).fit(x, y)
    parts = Parts(x, y)
    model = KINDS[name](**KW)
    if name != "stack":  # whose levels but the first are trained on arrays
        model.set_params(batch_size=7, shuffle=True)  # which mean nothing
    model.fit(parts)
    assert state(model) == state(whole)
    assert model._network.conditioner is None or list(model.classes_) == [0, 1, 2]
    if "prior" in name:
        assert state(model.prior_) == state(whole.prior_)


def test_one_look_and_then_one_pass_for_each_epoch():
    x, _ = images()
    parts = Parts(x)
    model = ae.Autoencoder(D, 3, **KW).fit(parts)
    assert parts.passes == 1 + 3
    calls = []

    def batches():
        calls.append(1)
        yield from Parts(x)

    assert state(ae.Autoencoder(D, 3, **KW).fit(batches)) == state(model) and len(calls) == 4
    assert state(ae.Autoencoder(D, 3, **KW).partial_fit(batches)) == state(
        ae.Autoencoder(D, 3, **KW).partial_fit(x)
    )


def test_masks_validation_and_warm_starts():
    x, _ = images()
    mask = np.random.default_rng(1).random(x.shape) < 0.8
    holes = np.where(mask, x, np.nan)
    options = {"patience": 2, **KW}
    whole = ae.Autoencoder(D, 3, **options).fit(holes, sample_mask=mask, X_val=x[:9])
    model = ae.Autoencoder(D, 3, **options).fit(Parts(holes, None, mask), X_val=x[:9])
    assert state(model) == state(whole)
    for m in (whole, model):
        m.set_params(warm_start=True, epochs=2)
    assert state(model.fit(Parts(x))) == state(whole.fit(x))


def test_sequences_of_different_lengths():
    rng = np.random.default_rng(0)
    X = [rng.random((n, 2), dtype=np.float32) for n in rng.integers(2, 9, 40)]
    lists = [X[i : i + 8] for i in range(0, 40, 8)]
    make = lambda: ae.Autoencoder(ae.LSTM(6), 3, **{**KW, "batch_size": 8})  # noqa: E731
    model, whole = make().fit(lambda: [(part,) for part in lists]), make().fit(X)
    assert state(model) == state(whole)
    same = [np.stack([x[:2] for x in part]) for part in lists]
    assert make().fit(lambda: same)._network.input_shape == (2, 2)


def test_resuming(tmp_path):
    x, y = images()
    path = tmp_path / "m"
    whole = KINDS["cvae"](**KW).fit(Parts(x, y))

    class Killed(BaseException):
        pass

    def kill(s):
        raise Killed

    with pytest.raises(Killed):
        KINDS["cvae"](checkpoint=path, callbacks=[kill], **KW).fit(Parts(x, y))
    again = KINDS["cvae"](checkpoint=path, **KW).fit(Parts(x, y), resume=True)
    assert state(again) == state(whole)


@pytest.mark.parity
def test_a_loader_of_pytorch():
    torch = pytest.importorskip("torch")
    x, y = images()
    tensors = [torch.from_numpy(a) for a in (x, y)]
    for name, given in (("vqvae", tensors[:1]), ("cvae", tensors)):
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*given), batch_size=16)
        assert state(KINDS[name](**KW).fit(loader)) == state(KINDS[name](**KW).fit(x, y))


def test_memory_is_bounded_by_a_batch():
    """A stream of 40 MB in batches of 0.4 MB."""

    def batches():
        rng = np.random.default_rng(0)
        for _ in range(100):
            yield rng.random((1000, 100), dtype=np.float32)

    model = ae.Autoencoder(ae.Dense((8,)), 2, epochs=1, random_state=0)
    tracemalloc.start()
    try:
        model.fit(batches)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8e6


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    x = np.random.default_rng(0).random((50, 3))
    frame = pandas.DataFrame(x, columns=["a", "b", "c"])
    parts = lambda: (frame.iloc[i : i + 16] for i in range(0, 50, 16))  # noqa: E731
    model = ae.Autoencoder(D, 2, **KW).fit(parts)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert state(model) == state(ae.Autoencoder(D, 2, **KW).fit(frame))
    turned = frame[["c", "b", "a"]]
    with pytest.raises(ValueError, match="batch 2: expected the columns .*'a', 'b', 'c'"):
        ae.Autoencoder(D, 2, **KW).fit(lambda: [frame, turned])
    kept = state(model)
    with pytest.raises(ValueError, match="The feature names should match"):
        model.set_params(warm_start=True).fit(lambda: [turned])
    assert state(model) == kept


X, Y = images()
BAD = [
    (lambda m: m.fit(iter([X, X])), TypeError, "got a list_iterator, which gives them once"),
    (lambda m: m.fit(x for x in [X, X]), TypeError, "got a generator"),
    (lambda m: m.fit(Parts(X[:0])), ValueError, "expected at least one batch, got none"),
    (lambda m: m.fit(Parts(X), Y), ValueError, "y: expected None where X gives batches"),
    (lambda m: m.fit(Parts(X), sample_mask=X > 0), ValueError, "sample_mask: expected None"),
    (lambda m: m.fit(lambda: [(X, Y, None, 3)]), ValueError, "batch 1: expected .*, got 4 things"),
    (lambda m: m.fit(lambda: [(X, Y), X[:, :4]]), ValueError, r"batch 2: expected samples of shap"),
    (lambda m: m.fit(lambda: [list(X)]), ValueError, r"batch 1: .*got 50 things; a list of seque"),
    (lambda m: m.fit(lambda: [X, X * np.nan]), ValueError, "batch 2: Input X contains NaN"),
    (lambda m: m.fit(lambda: [X, "x"]), TypeError, "batch 2: X: expected numbers"),
    (lambda m: m.fit(lambda: [(X, Y[:9])]), ValueError, "batch 1: y: expected 50 conditions"),
    (lambda m: m.fit({1, 2}), TypeError, "X"),
    (lambda m: m.set_params(loss="bce").fit(lambda: [X, X + 1]), ValueError,
     "batch 2: X: expected values"),
    (lambda m: m.set_params(validation_fraction=0.1).fit(Parts(X)), ValueError,
     "expected 0 .*none are held"),
    (lambda m: m.fit(X, X_val=Parts(X)), TypeError, "X_val: expected an array of samples"),
    (lambda m: m.fit_transform(Parts(X)), TypeError, "expected an array"),
    (lambda m: ae.CVAE(D, 3).fit(Parts(X)), ValueError, "y: expected labels"),
    (lambda m: ae.CVAE(D, 3).fit(lambda: [(X, Y), X]), ValueError, "y: expected labels"),
    (lambda m: ae.SoftmaxClassifier().fit(Parts(X)), ValueError, "requires y"),
    (lambda m: ae.SoftmaxClassifier().partial_fit(Parts(X, Y), classes=[0, 1, 2]), ValueError,
     "classes: expected None"),
    (lambda m: ae.PixelCNN().fit(Parts(X)), TypeError, "expected integers"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, word", BAD, ids=[word for *_, word in BAD])
def test_refused_before_anything_changes(call, error, word):
    model = ae.Autoencoder(D, 3, **KW)
    with pytest.raises(error, match=word):
        call(model)
    assert not hasattr(model, "_network")


def test_a_fitted_model_answers_about_arrays():
    model = ae.Autoencoder(D, 3, **KW).fit(X)
    with pytest.raises(TypeError, match="batches are for fit"):
        model.transform(Parts(X))


def test_a_generator_that_is_given_again_is_noticed():
    """A function that returns the same generator each time: the first look has used it up."""
    generator = iter(Parts(X))
    model = ae.Autoencoder(D, 3, **KW)
    with pytest.raises(ValueError, match="expected 4 batches, as before training, got none"):
        model.fit(lambda: generator)
    assert np.isfinite(model.score(X)) and model.history_ == []
