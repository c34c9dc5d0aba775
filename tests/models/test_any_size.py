"""Fitted models and images of other sizes than in fit: arrays, lists, tiles, files."""

import pickle

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.models.base import coding, sizes
from support.resuming import state

KW = {"epochs": 1, "batch_size": 16, "random_state": 0}
CONV, RESNET = ae.Conv((8, 6), flatten=False), ae.ResNet(8, 4, 1, flatten=False)
MODELS = {
    "conv": lambda **k: ae.Autoencoder(CONV, 4, **k),
    "conv tied": lambda **k: ae.Autoencoder(CONV, 4, tied=True, **k),
    "conv l1": lambda **k: ae.Autoencoder(CONV, 4, penalty=ae.L1Sparsity(), **k),
    "conv bce": lambda **k: ae.Autoencoder(ae.Conv((6,), 5, 3, flatten=False), 4, loss="bce", **k),
    "resnet": lambda **k: ae.Autoencoder(RESNET, 4, **k),
    "vae": lambda **k: ae.VAE(CONV, 4, **k),
    "iwae": lambda **k: ae.VAE(RESNET, 4, importance_samples=2, **k),
    "mmd": lambda **k: ae.VAE(CONV, 4, divergence=ae.MMD(), **k),
    "free bits": lambda **k: ae.VAE(CONV, 4, free_bits=0.1, **k),
    "vqvae": lambda **k: ae.VQVAE(RESNET, 8, 4, **k),
    "residual vqvae": lambda **k: ae.VQVAE(CONV, 8, 4, quantizers=2, **k),
    "projected vqvae": lambda **k: ae.VQVAE(RESNET, 8, 4, projection_dim=2, groups=2, **k),
    "bits": lambda **k: ae.VQVAE(CONV, code_bits=3, **k),
    "unet": lambda **k: ae.Autoencoder(ae.UNet((4, 6, 8)), corruption=ae.GaussianNoise(0.1), **k),
}
CODED = [name for name in MODELS if name != "unet"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.random((24, 13, 22, 3), np.float32), rng.random((3, 33, 19, 3), np.float32)


@pytest.fixture(scope="module")
def models(data):
    return {name: make(**KW).fit(data[0]) for name, make in MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
def test_every_method_takes_other_sizes(name, models, data):
    model, (_, other) = models[name], data
    assert model.reconstruct(other).shape == model.errors(other).shape == other.shape
    scores = model.score_samples(other)
    assert scores.shape == (3,) and np.isfinite(scores).all()
    if not name.startswith(("vae", "iwae", "mmd", "free", "vq", "residual", "bits")):
        np.testing.assert_allclose(-model.errors(other).sum((1, 2, 3)), scores, rtol=1e-4)
    for n in (1, 3):  # in any company
        np.testing.assert_array_equal(model.reconstruct(other[:n]), model.reconstruct(other)[:n])
    with pytest.raises(
        ValueError, match=r"expected images \(H, W, 3\) of any size, got \(33, 19, 2\)"
    ):
        model.reconstruct(other[..., :2])


@pytest.mark.parametrize("name", CODED)
def test_codes_are_maps(name, models, data):
    model, (X, other) = models[name], data
    multiple = 3 if name == "conv bce" else 4
    tail = {"vqvae": (), "bits": (), "residual vqvae": (2,), "projected vqvae": (2,)}.get(
        name, (4,)
    )
    for images in (X, other):
        room = tuple(-(-n // multiple) for n in images.shape[1:3])
        codes = model.transform(images)
        assert codes.shape == (len(images), *room, *tail)
        rebuilt = model.inverse_transform(codes)
        whole = tuple(n * multiple for n in room)
        assert rebuilt.shape[1:3] == (images.shape[1:3] if images is X else whole)
        h, w = images.shape[1:3]
        np.testing.assert_allclose(rebuilt[:, :h, :w], model.reconstruct(images), atol=1e-5)
    flat = model.transform(X).reshape(len(X), -1)
    np.testing.assert_array_equal(
        model.inverse_transform(flat), model.inverse_transform(model.transform(X))
    )
    assert len(model.get_feature_names_out()) == flat.shape[1]
    with pytest.raises(ValueError, match="Z: expected"):
        model.inverse_transform(model.transform(X)[:, 0])


@pytest.mark.parametrize("name", MODELS)
def test_lists_of_images(name, models, data):
    model, (X, other) = models[name], data
    images = [other[0], X[0], other[1], (X[1]).astype(np.float64)]
    rebuilt = model.reconstruct(images)
    assert [r.shape for r in rebuilt] == [x.shape for x in images]
    np.testing.assert_array_equal(rebuilt[2], model.reconstruct(other)[1])
    np.testing.assert_array_equal(rebuilt[3], model.reconstruct(X[1:2])[0])
    np.testing.assert_array_equal(model.errors(tuple(images))[0], model.errors(other)[0])
    np.testing.assert_array_equal(
        model.score_samples(images)[[0, 2]], model.score_samples(other)[:2]
    )
    if name in CODED:
        codes = model.transform(images)
        np.testing.assert_array_equal(codes[1], model.transform(X[:1])[0])
    masks = [np.ones(x.shape, bool) for x in images]
    masks[0][:5] = False
    assert (model.errors(images, sample_mask=masks)[0][:5] == 0).all()
    assert isinstance(model.reconstruct([X[0], X[1]]), list)  # of equal sizes too


def test_posteriors_bounds_and_draws_of_maps(models, data):
    model, (X, other) = models["vae"], data
    mean, logvar = model.encode_distribution(other)
    assert mean.shape == logvar.shape == (3, 9, 5, 4)
    np.testing.assert_array_equal(mean, model.transform(other))
    several = model.encode_distribution([other[0], X[0]])
    assert [len(half) for half in several] == [2, 2] and several[1][1].shape == (4, 6, 4)
    # the term is summed over the map
    kl = 0.5 * (np.exp(logvar) + mean**2 - 1 - logvar).sum((1, 2, 3))
    rest = np.square(model.reconstruct(other) - other).sum((1, 2, 3))
    np.testing.assert_allclose(model.score_samples(other), -kl - rest, rtol=1e-4)
    assert model.elbo(other, random_state=0).shape == model.log_likelihood(other, n_samples=2).shape
    assert model.sample(3, random_state=0).shape == (3, 13, 22, 3)
    for name in ("conv", "vae"):
        near = models[name].sample(3, near=X[0], scale=0.1, random_state=0)
        assert near.shape == (3, 13, 22, 3)
        assert models[name].interpolate(X[0], X[1], 4).shape == (4, 13, 22, 3)
        walk = models[name].traverse(X[0], 1, [0.0, 1.0])
        assert walk.shape == (2, 13, 22, 3) and (walk[0] != walk[1]).any()
    drawn = models["conv"].sample(3, prior=ae.Normal(), random_state=0)
    assert drawn.shape == (3, 13, 22, 3)


def test_pictures_of_maps(models, data):
    pytest.importorskip("matplotlib").use("agg")
    for name in ("conv", "vae"):
        for draw in (ae.plot.traversal, ae.plot.reconstructions, ae.plot.errors):
            draw(models[name], data[0][0] if draw is ae.plot.traversal else data[0])


def test_conditions_stand_at_every_place(data):
    X, other = data
    y = np.arange(len(X)) % 3
    model = ae.CVAE(CONV, 4, **KW).fit(X, y)
    assert model.transform(other, y[:3]).shape == (3, 9, 5, 4)
    images = [other[0], X[0]]
    rebuilt = model.reconstruct(images, y[:2])
    assert [r.shape for r in rebuilt] == [x.shape for x in images]
    assert (model.reconstruct(other, y[:3]) != model.reconstruct(other, y[1:4])).any()
    assert model.sample(2, y=1).shape == (2, 13, 22, 3)
    with pytest.raises(ValueError, match="y: expected 2, one for each image, got 3"):
        model.reconstruct(images, y[:3])


@pytest.mark.parametrize("name", MODELS)
def test_files_copies_and_predictors(name, models, data, tmp_path):
    model, (_, other) = models[name], data
    want = model.reconstruct(other)
    model.save(tmp_path / "m.safetensors")
    images = [other[0], other[1][:5]]
    for same in (
        ae.load(tmp_path / "m.safetensors"),
        pickle.loads(pickle.dumps(model)),
        model.frozen(),
    ):
        np.testing.assert_array_equal(same.reconstruct(other), want)
        np.testing.assert_array_equal(same.reconstruct(images)[0], want[0])
    assert repr(model) == repr(ae.load(tmp_path / "m.safetensors"))
    model._repr_html_()


def test_a_predictor_in_bfloat16(models, data):
    want = models["conv"].reconstruct(data[1])
    np.testing.assert_allclose(
        models["conv"].frozen("bfloat16").reconstruct(data[1]), want, atol=0.1
    )


# ---- tiles --------------------------------------------------------------------------------------


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(coding, "TILED", 1000)
    monkeypatch.setattr(sizes, "TILE", 64)


@pytest.mark.parametrize("name", MODELS)
def test_tiles_give_what_the_whole_gives(name, models, rng, request):
    model, X = models[name], rng.random((2, 150, 203, 3), np.float32)
    methods = ["reconstruct", "errors", "score_samples", *(["transform"] if name in CODED else [])]
    whole = [getattr(model, method)(X) for method in methods]
    request.getfixturevalue("small_tiles")
    assert model._tiling(X.shape[1:]).margin < 64
    for method, want in zip(methods, whole, strict=True):
        got = getattr(model, method)(X)
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    mask = rng.random(X.shape) < 0.9
    np.testing.assert_allclose(
        model.score_samples(X, sample_mask=mask),
        -model.errors(X, sample_mask=mask).sum((1, 2, 3)) if model._is_plain
        else model.score_samples(X, sample_mask=mask), rtol=1e-4,
    )  # fmt: skip


def test_what_sees_the_whole_image_is_blended(rng, data, small_tiles):
    encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1, activation="relu"), nn.GroupNorm(2, 8))
    model = ae.Autoencoder((encoder, nn.Conv2d(8, 3, 3, 1, 1)), 8, **KW).fit(data[0])
    X = rng.random((1, 150, 203, 3), np.float32)
    assert model._tiling(X.shape[1:]).margin is None
    with nn.Tape(records=False) as tape:
        whole = model._network.decoder(model._network.encoder(tape.constant(X))).data.copy()
    assert np.abs(model.reconstruct(X) - whole).max() < 0.05 * whole.std()
    assert model.transform(X).shape == (1, 150, 203, 8)


def test_how_far_layers_see():
    X = np.zeros((4, 16, 16, 1), np.float32)
    X[0, 0, 0] = 1

    def looks(encoder, decoder, width):
        model = ae.Autoencoder((encoder, decoder), width, **KW).initialize(X)
        return sizes.sight(model._network, 0, width)

    up = nn.Upsample2d(2), nn.Conv2d(2, 1, 3, 1, 1)
    found = looks(nn.Sequential(nn.Conv2d(1, 2, 3, 1, 1), nn.MaxPool2d(2)), nn.Sequential(*up), 2)
    assert found == (2 + 1 + 2 + 2, 2, 2)
    shuffled = nn.Conv2d(4, 8, 3, 1, 2, dilation=2), nn.PixelShuffle(2), nn.Conv2d(2, 1, 1)
    found = looks(nn.PixelUnshuffle(2), nn.Sequential(*shuffled), 4)
    assert found == (1 + 2 * 4 + 2, 2, 2)
    found = looks(nn.Conv2d(1, 2, 4, 2, 1), nn.ConvTranspose2d(2, 1, 4, 2, 1), 2)
    assert found == (3 + 4, 2, 2)


# ---- modules of one's own -----------------------------------------------------------------------


def test_own_modules_that_make_maps(data):
    X, other = data
    encoder = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1, activation="relu"), nn.Conv2d(8, 4, 3, 1, 1))
    model = ae.Autoencoder((encoder, nn.ConvTranspose2d(4, 3, 4, 2, 1)), 4, **KW).fit(X[:, :12])
    assert model.transform(other[:, :32, :18]).shape == (3, 16, 9, 4)
    assert model.reconstruct(other[:, :32, :18]).shape == (3, 32, 18, 3)
    with pytest.raises(ValueError, match=r"expected samples of shape \(12, 22, 3\)"):
        model.reconstruct(other)  # which the transposed convolution doesn't restore


# ---- what is refused ----------------------------------------------------------------------------


def test_a_unet_has_no_codes(models, data):
    model, (X, _) = models["unet"], data
    for call in (
        lambda: model.transform(X), lambda: model.inverse_transform(X), lambda: model.sample(2),
        lambda: model.interpolate(X[0], X[1], 3), lambda: model.traverse(X[0], 0, [1.0]),
        lambda: ae.Autoencoder(ae.UNet((4,)), corruption=ae.Masking(), **KW).fit_transform(X),
        lambda: model.get_feature_names_out(), lambda: ae.to_onnx(model, "x.onnx", "encode"),
    ):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match="expected"):
            call()


@pytest.mark.parametrize(
    "text, make",
    [
        ("corruption: expected one", lambda: ae.Autoencoder(ae.UNet((4,)), **KW)),
        ("a code for VAE", lambda: ae.VAE(ae.UNet((4,)), 4, corruption=ae.Masking(), **KW)),
        ("a code for VQVAE", lambda: ae.VQVAE(ae.UNet((4,)), 4, 2, **KW)),
        ("a code for GAN", lambda: ae.GAN(ae.UNet((4,)), 4, **KW)),
        ("flatten=True for Adv", lambda: ae.AdversarialAutoencoder(CONV, 4, **KW)),
        ("flatten=True for GAN", lambda: ae.GAN(CONV, 4, **KW)),
        ("penalty: expected None or L1", lambda: ae.Autoencoder(CONV, 4, penalty=ae.TopK(1), **KW)),
        ("penalty: expected None or L1", lambda: ae.VAE(CONV, 4, penalty=ae.KLSparsity(), **KW)),
        (
            "penalty: expected None for UNet",
            lambda: ae.Autoencoder(
                ae.UNet((4,)), corruption=ae.Masking(), penalty=ae.L1Sparsity(), **KW
            ),
        ),
    ],
)
def test_what_makes_no_sense_is_refused(text, make, data):
    with pytest.raises(ValueError, match=text):
        make().fit(data[0])
    if "corruption" in text:
        with pytest.raises(ValueError, match=text):
            make().partial_fit(data[0])


def test_vectors_keep_to_one_size(data):
    X, other = data
    model = ae.Autoencoder(ae.Conv((4,)), 4, **KW).fit(X)
    for images in (other, [other[0], X[0]]):
        with pytest.raises(ValueError, match="X: expected"):
            model.reconstruct(images)


def test_training_and_its_end_are_the_same_for_any_number_of_threads(data):
    one, two = (MODELS["vae"](**KW | {"epochs": 2}, n_threads=n).fit(data[0]) for n in (1, 2))
    assert state(one) == state(two)
