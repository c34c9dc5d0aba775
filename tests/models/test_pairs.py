"""Pairs of samples and what they are to become: fit(X, target=Y)."""

import pickle
import subprocess
import sys

import aecore as ae
import numpy as np
import pytest
from aecore import nn

KW = {"epochs": 2, "batch_size": 16, "random_state": 0}
rng = np.random.default_rng(0)
X = rng.random((48, 12), np.float32)
CLEAN = np.clip(X * 0.5 + 0.2, 0, 1).astype(np.float32)
IMAGES = rng.random((40, 8, 8, 1), np.float32)
COLOUR = np.concatenate([IMAGES, 1 - IMAGES, IMAGES**2], axis=3)
LARGE = IMAGES.repeat(2, axis=1).repeat(2, axis=2)
PAST, NEXT = rng.random((40, 9, 2), np.float32), rng.random((40, 5, 1), np.float32)
D, C = ae.Dense((16,)), ae.Conv((4, 8))

SHAPES = {
    "vectors to others": (D, X, X[:, :5]),
    "images to vectors": (C, IMAGES, X[:40]),
    "vectors to images": (D, X[:40], IMAGES),
    "grey to colour": (C, IMAGES, COLOUR),
    "small to large": (C, IMAGES, LARGE),
    "large to small": (C, LARGE, IMAGES),
    "the next steps": (ae.LSTM(6), PAST, NEXT),
    "next steps by attention": (ae.Transformer(8, heads=2, layers=1, feedforward=8), PAST, NEXT),
    "sequences to vectors": (ae.LSTM(6), PAST, X[:40]),
    "by default": (None, PAST, IMAGES),
    "residual": (ae.ResNet(8, 4, blocks=1, downsample=1), IMAGES, COLOUR),
}
OBJECTIVES = {
    "ae": ae.Autoencoder,
    "vae": ae.VAE,
    "iwae": lambda *a, **k: ae.VAE(*a, importance_samples=3, **k),
    "aae": lambda *a, **k: ae.AdversarialAutoencoder(*a, discriminator_widths=(8,), **k),
}


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("what", SHAPES)
def test_any_shape_by_any_objective(what, name, tmp_path):
    arch, x, y = SHAPES[what]
    model = OBJECTIVES[name](arch, 4, **KW).fit(x, target=y, X_val=(x[:8], y[:8]))
    rebuilt = model.reconstruct(x)
    assert rebuilt.shape == y.shape and model.transform(x).shape == (40 if len(x) == 40 else 48, 4)
    assert model.inverse_transform(model.transform(x)).shape == y.shape
    assert np.allclose(model.reconstruct(x[:3]), rebuilt[:3], atol=1e-5)  # by its short way
    errors = model.errors(x, target=y)
    assert errors.shape == y.shape
    np.testing.assert_allclose(errors, (rebuilt - y) ** 2, rtol=1e-3, atol=1e-5)
    last = model.history_[-1]
    assert {"val_loss", "val_mse", "mse"} <= set(last)
    if name == "ae":
        scores = model.score_samples(x[:8], target=y[:8])
        np.testing.assert_allclose(scores, -errors[:8].reshape(8, -1).sum(1), rtol=1e-3)
        assert last["val_loss"] == pytest.approx(-scores.mean(), rel=1e-4)
    assert np.isfinite(model.score(x, target=y))
    if name in ("vae", "iwae"):
        assert model.elbo(x, target=y, random_state=0).shape == (len(x),)
        assert model.log_likelihood(x, target=y, n_samples=2, random_state=0).shape == (len(x),)
    assert model.interpolate(x[0], x[1], 3).shape == (3, *y.shape[1:])
    path = tmp_path / "model.safetensors"
    model.save(path)
    for again in (ae.load(path), pickle.loads(pickle.dumps(model)), model.frozen()):
        np.testing.assert_array_equal(again.reconstruct(x), rebuilt)
        np.testing.assert_array_equal(again.errors(x, target=y), errors)
    with pytest.raises(ValueError, match="target: expected what samples are to become"):
        model.score(x)


@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "bce", "gaussian"])
def test_losses_are_of_targets(loss):
    far = X * 100 - 50  # what bce wouldn't take
    model = ae.Autoencoder(D, 4, loss=loss, **KW).fit(far, target=CLEAN)
    assert model.reconstruct(far).shape == CLEAN.shape
    with pytest.raises(ValueError, match="target: expected values in"):
        ae.Autoencoder(D, 4, loss="bce", **KW).fit(CLEAN, target=far)
    words = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (48, 3))]
    model = ae.Autoencoder(D, 4, loss="cross_entropy", **KW).fit(X, target=words)
    assert np.allclose(model.reconstruct(X).sum(2), 1, atol=1e-5)


def test_the_twin_of_a_pair_in_numpy():
    """One step of sgd of a linear model, by hand, in float64."""
    arch = ae.Dense(())
    model = ae.Autoencoder(arch, 3, optimizer="sgd", learning_rate=0.1, epochs=1, random_state=0)
    fresh = ae.Autoencoder(arch, 3, random_state=0).initialize(X, target=CLEAN[:, :7])
    w, v = (
        fresh.parameters_[k].astype(np.float64) for k in ("encoder.0.weight", "decoder.0.weight")
    )
    a, b = (fresh.parameters_[k].astype(np.float64) for k in ("encoder.0.bias", "decoder.0.bias"))
    z = X @ w.T + a
    slope = 2 * (z @ v.T + b - CLEAN[:, :7]) / len(X)
    model.fit(X, target=CLEAN[:, :7])
    np.testing.assert_allclose(
        model.parameters_["decoder.0.weight"], v - 0.1 * slope.T @ z, atol=1e-5
    )
    back = slope @ v
    np.testing.assert_allclose(
        model.parameters_["encoder.0.weight"], w - 0.1 * back.T @ X, atol=1e-5
    )


def test_a_target_that_is_x_is_none():
    plain = ae.Autoencoder(D, 4, corruption=ae.GaussianNoise(0.1), **KW).fit(X)
    pairs = ae.Autoencoder(D, 4, corruption=ae.GaussianNoise(0.1), **KW).fit(X, target=X)
    np.testing.assert_array_equal(plain.transform(X), pairs.transform(X))


def test_pairs_learn_what_samples_alone_cannot():
    noise = rng.normal(0, 0.3, CLEAN.shape).astype(np.float32)
    bars = np.where(rng.random((48, 1)) < 0.5, 1.0, 0.0) * (np.arange(12) % 4 == 0)
    noisy = (CLEAN + noise + bars).astype(np.float32)
    how = {"epochs": 200, "batch_size": 16, "random_state": 0}
    pairs = ae.Autoencoder(D, 6, **how).fit(noisy, target=CLEAN)
    alone = ae.Autoencoder(D, 6, **how).fit(noisy)
    error = [float(((m.reconstruct(noisy) - CLEAN) ** 2).mean()) for m in (pairs, alone)]
    assert error[0] < error[1] / 3
    assert pairs.history_[-1]["mse"] < error[1] / 3


def test_streams_loaders_and_data_sets_give_pairs():
    whole = ae.Autoencoder(D, 4, shuffle=False, **KW).fit(X, target=CLEAN)

    def pairs():
        for i in range(0, 48, 16):
            yield X[i : i + 16], CLEAN[i : i + 16]

    def named():
        for x, y in pairs():
            yield {"X": x, "target": y}

    for stream in (pairs, named):
        model = ae.Autoencoder(D, 4, **KW).fit(stream)
        np.testing.assert_array_equal(model.transform(X), whole.transform(X))
    labels = ae.Autoencoder(D, 4, **KW).fit(lambda: iter([(X, np.arange(48))]))
    assert labels._network.reader.target is None  # of which no notice is taken
    with pytest.raises(ValueError, match="y: expected None or labels"):
        ae.Autoencoder(D, 4, **KW).fit(lambda: iter([(X, X[:, :1])]))
    with pytest.raises(ValueError, match="batch 2: expected samples of shape"):
        ae.Autoencoder(D, 4, **KW).fit(lambda: iter([(X, CLEAN), (X, CLEAN[:, :4])]))
    with pytest.raises(ValueError, match="targets with every batch or with none"):
        ae.Autoencoder(D, 4, **KW).fit(lambda: iter([(X, CLEAN), (X,)]))

    class Items:
        def __len__(self):
            return 48

        def __getitem__(self, i):
            return X[i], CLEAN[i]

    model = ae.Autoencoder(D, 4, shuffle=False, **KW).fit(Items())
    np.testing.assert_array_equal(model.transform(X), whole.transform(X))
    assert model.score(Items()) == whole.score(X, target=CLEAN)


def test_conditions_and_targets_together():
    y = np.array(["a", "b", "c", "d"] * 12)
    val = {"X": X[:8], "y": y[:8], "target": CLEAN[:8, :5]}
    model = ae.CVAE(D, 3, **KW).fit(X, y, target=CLEAN[:, :5], X_val=val)
    assert model.reconstruct(X, y).shape == (48, 5)
    assert model.sample(2, y="b").shape == (2, 5) and "val_loss" in model.history_[-1]
    with pytest.raises(ValueError, match="X_val: expected {'X'"):
        ae.CVAE(D, 3, **KW).fit(X, y, target=CLEAN, X_val=(X, CLEAN))


def test_masks_are_of_x_alone():
    mask = rng.random(X.shape) < 0.7
    holes = np.where(mask, X, np.nan)
    model = ae.Autoencoder(D, 6, **KW | {"epochs": 60}).fit(holes, target=X, sample_mask=mask)
    rebuilt = model.reconstruct(holes, sample_mask=mask)
    filled = np.where(mask, X, 0).astype(np.float32)
    np.testing.assert_array_equal(rebuilt, model.reconstruct(filled))
    assert (model.errors(holes, target=X, sample_mask=mask)[~mask] > 0).all()
    penalty = ae.Autoencoder(D, 6, penalty=ae.Contractive(0.1), **KW)
    penalty.fit(holes, target=X[:, :4], sample_mask=mask)


def test_sequences_of_different_lengths():
    lists = [rng.random((t, 2), np.float32) for t in rng.integers(3, 9, 40)]
    half = [x * 0.5 for x in lists]
    model = ae.Autoencoder(ae.LSTM(6), 4, **KW).fit(lists, target=half)
    rebuilt = model.reconstruct(lists)
    assert [len(v) for v in rebuilt] == [len(v) for v in lists]
    assert [e.shape for e in model.errors(lists, target=half)] == [v.shape for v in lists]
    ahead = ae.Autoencoder(ae.LSTM(6), 4, **KW).fit(lists, target=NEXT)
    assert ahead.reconstruct(lists).shape == NEXT.shape
    alone = ahead.reconstruct([lists[3]])
    np.testing.assert_allclose(alone[0], ahead.reconstruct(lists)[3], atol=1e-5)
    with pytest.raises(ValueError, match="target: expected sequences as long as"):
        ae.Autoencoder(ae.LSTM(6), 4, **KW).fit(lists, target=half[::-1])
    with pytest.raises(ValueError, match="target: expected sequences as long as"):
        ae.Autoencoder(ae.LSTM(6), 4, **KW).fit(PAST, target=half)


def test_own_modules_have_the_targets_shape():
    own = (
        nn.Sequential(nn.Flatten(), nn.Linear(64, 8)),
        nn.Sequential(nn.Linear(8, 192), nn.Reshape((8, 8, 3))),
    )
    assert ae.Autoencoder(own, 8, **KW).fit(IMAGES, target=COLOUR).reconstruct(IMAGES).shape == (
        40, 8, 8, 3,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"decoder: expected samples of shape \(8, 8, 1\)"):
        ae.Autoencoder(own, 8, **KW).fit(IMAGES, target=IMAGES)
    with pytest.raises(ValueError, match="tied: expected False"):
        ae.Autoencoder(D, 4, tied=True, **KW).fit(X, target=X[:, :5])


def test_vector_quantized_targets():
    arch = ae.ResNet(8, 4, blocks=1, downsample=1)
    model = ae.VQVAE(arch, 8, 4, **KW).fit(IMAGES, target=COLOUR)
    assert model.reconstruct(IMAGES).shape == COLOUR.shape
    assert model.transform(IMAGES).shape == (40, 4, 4)
    assert model.sample(2, random_state=0).shape == (2, 8, 8, 3)


def test_going_on_and_resuming(tmp_path):
    path = tmp_path / "run.safetensors"
    whole = ae.Autoencoder(D, 4, **KW | {"epochs": 4}).fit(X, target=CLEAN)
    half = ae.Autoencoder(D, 4, checkpoint=path, **KW).fit(X, target=CLEAN)
    half.set_params(epochs=4).fit(X, target=CLEAN, resume=True)
    np.testing.assert_array_equal(whole.transform(X), half.transform(X))
    warm = ae.Autoencoder(D, 4, warm_start=True, **KW).fit(X, target=CLEAN)
    warm.fit(X, target=CLEAN)
    np.testing.assert_array_equal(whole.transform(X), warm.transform(X))
    with pytest.raises(ValueError, match="target: expected what samples are to become, as in fit"):
        warm.fit(X)
    with pytest.raises(ValueError, match="expecting 12 features"):
        warm.fit(X, target=CLEAN[:, :4])
    passes = ae.Autoencoder(D, 4, **KW)
    for _ in range(2):
        passes.partial_fit(X, target=CLEAN)
    straight = ae.Autoencoder(D, 4, shuffle=False, **KW).fit(X, target=CLEAN)
    np.testing.assert_array_equal(passes.transform(X), straight.transform(X))


def test_a_denoising_model_is_scored_on_pairs():
    model = ae.Autoencoder(D, 4, corruption=ae.GaussianNoise(0.2), **KW)
    noisy = X + np.float32(0.1)
    model.fit(X, X_val=(noisy, X))
    assert model.history_[-1]["val_mse"] == pytest.approx(
        -model.score(noisy, target=X) / 12, rel=1e-5
    )
    assert model.score(noisy, target=X) != model.score(noisy)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: ae.Autoencoder(D, 4, **KW).fit(X, CLEAN), "goes to target="),
        (lambda: ae.VAE(D, 4, **KW).fit(IMAGES, IMAGES), "goes to target="),
        (lambda: ae.Autoencoder(D, 4, **KW).partial_fit(X, CLEAN), "goes to target="),
        (lambda: ae.Autoencoder(D, 4, **KW).fit(X).score(X, CLEAN), "goes to target="),
        (lambda: ae.Autoencoder(D, 4, **KW).fit(X).transform(X, CLEAN), "goes to target="),
        (lambda: ae.Autoencoder(D, 4, **KW).fit(X, target=CLEAN[:5]), "48 samples, as X has"),
        (lambda: ae.Autoencoder(D, 4, **KW).fit(X, target=np.full((48, 3), np.nan)), "target"),
        (lambda: ae.GAN(D, 4, **KW).fit(X, target=CLEAN), "target: expected None for GAN"),
        (lambda: ae.Recirculation(4, **KW).fit(X, target=CLEAN), "expected None for Recirc"),
        (lambda: ae.StackedAutoencoder(D, 4, **KW).fit(X, target=CLEAN), "levels"),
        (lambda: ae.Autoencoder(D, 4, pretrain_epochs=1, **KW).fit(X, target=CLEAN), "levels"),
        (lambda: ae.TabularAutoencoder(D, 4, **KW).fit(X, target=CLEAN), "target"),
    ],
)  # fmt: skip
def test_what_makes_no_sense(call, match):
    with pytest.raises((ValueError, TypeError), match=match):
        call()


def test_no_mask_is_offered_for_targets():
    with pytest.raises(ValueError, match="Input target contains NaN .* finite in float32$"):
        ae.Autoencoder(D, 4, **KW).fit(X, target=np.full((48, 3), np.nan))


def test_parts_and_accumulation_of_pairs():
    whole = ae.Autoencoder(C, 4, **KW).fit(IMAGES, target=COLOUR)
    cut = ae.Autoencoder(C, 4, accumulate=3, **KW).fit(IMAGES, target=COLOUR)
    np.testing.assert_allclose(whole.transform(IMAGES), cut.transform(IMAGES), atol=1e-4)


def test_onnx_gives_the_targets_shape(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    for arch, x, y in (
        SHAPES["grey to colour"],
        SHAPES["the next steps"],
        SHAPES["small to large"],
    ):
        model = ae.Autoencoder(arch, 4, **KW).fit(x, target=y)
        path = tmp_path / "model.onnx"
        ae.exchange.to_onnx(model, path)
        session = onnxruntime.InferenceSession(str(path))
        name = session.get_inputs()[0].name
        (found,) = session.run(None, {name: x})
        np.testing.assert_allclose(found, model.reconstruct(x), atol=1e-4)


TORCH = """
import numpy as np, torch, aecore as ae
from torch.utils.data import DataLoader, TensorDataset
rng = np.random.default_rng(0)
X, Y = rng.random((48, 12), np.float32), rng.random((48, 5), np.float32)
D = ae.Dense((16,))
pairs = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
kw = dict(epochs=2, batch_size=16, random_state=0, shuffle=False)
a = ae.Autoencoder(D, 4, **kw).fit(X, target=Y)
b = ae.Autoencoder(D, 4, **kw).fit(DataLoader(pairs, batch_size=16))
c = ae.Autoencoder(D, 4, **kw).fit(pairs)
assert (a.transform(X) == b.transform(X)).all() and (a.transform(X) == c.transform(X)).all()
print("same")
"""


def test_torch_loaders_of_pairs():
    pytest.importorskip("torch")
    run = subprocess.run([sys.executable, "-c", TORCH], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "same", run.stderr


def test_a_learning_rate_is_found_for_pairs():
    model = ae.Autoencoder(D, 4, **KW)
    assert ae.find_learning_rate(model, X, target=CLEAN[:, :5], steps=10).suggestion > 0


def test_a_profile_of_pairs():
    found = ae.profile(ae.Autoencoder(D, 4, **KW), X, target=CLEAN[:, :5])
    assert "Linear" in str(found)


def test_pictures_of_pairs():
    pytest.importorskip("matplotlib")
    for what in ("grey to colour", "small to large", "the next steps", "vectors to others"):
        arch, x, y = SHAPES[what]
        model = ae.Autoencoder(arch, 4, **KW).fit(x, target=y)
        for picture in (
            ae.plot.reconstructions(model, x, target=y, error=True),
            ae.plot.errors(model, x, target=y),
        ):
            picture.canvas.draw()
    for what in ("grey to colour", "the next steps"):
        arch, x, y = SHAPES[what]
        model = ae.Autoencoder(arch, 4, **KW).fit(x, target=y)
        with pytest.raises(ValueError, match="give what X was to become as target"):
            ae.plot.reconstructions(model, x)
