"""Every model with every architecture: the same questions for each cell of the table."""

import aecore as ae
import numpy as np
import pytest

N = 24
KW = {"batch_size": 8, "random_state": 0}
IMAGES, SEQUENCES, TABLE = (8, 7, 2), (6, 3), (10,)
ARCHS = {
    "dense": (lambda: ae.Dense((8,)), TABLE),
    "dense, images": (lambda: ae.Dense((8,), "tanh"), IMAGES),
    "conv": (lambda: ae.Conv((4, 6)), IMAGES),
    "resnet": (lambda: ae.ResNet(8, 4, 1, 1), IMAGES),
    "conv of sequences": (lambda: ae.Conv((4,)), SEQUENCES),
    "lstm": (lambda: ae.LSTM(5, reverse=True), SEQUENCES),
    "gru": (lambda: ae.GRU(5, recurrent_dropout=0.2), SEQUENCES),
    "lstm, forced": (lambda: ae.LSTM(5, 2, teacher_forcing=True), SEQUENCES),
    "transformer": (lambda: ae.Transformer(8, 2, 1, 12), SEQUENCES),
}
MODELS = {
    "autoencoder": lambda arch, **kw: ae.Autoencoder(arch, 3, **kw),
    "denoising, sparse": lambda arch, **kw: ae.Autoencoder(
        arch, 12, corruption=ae.GaussianNoise(0.1), penalty=ae.KLSparsity(0.1), **kw
    ),
    "top k, bce": lambda arch, **kw: ae.Autoencoder(
        arch, 4, loss="bce", corruption=ae.Masking(0.2), penalty=ae.TopK(2), **kw
    ),
    "vae": lambda arch, **kw: ae.VAE(arch, 3, **kw),
    "vae, weighted": lambda arch, **kw: ae.VAE(arch, 3, loss="bce", importance_samples=3, **kw),
    "vae, mmd": lambda arch, **kw: ae.VAE(
        arch, 3, loss="gaussian", divergence=ae.MMD(), penalty=ae.L1Sparsity(0.01), **kw
    ),
    "cvae": lambda arch, **kw: ae.CVAE(arch, 3, **kw),
    "cvae, total correlation": lambda arch, **kw: ae.CVAE(
        arch, 3, divergence=ae.TotalCorrelation(2.0), corruption=ae.SaltAndPepper(0.1), **kw
    ),
    "vqvae": lambda arch, **kw: ae.VQVAE(arch, 8, 4, **kw),
    "vqvae, residual": lambda arch, **kw: ae.VQVAE(
        arch, 8, 4, quantizers=2, corruption=ae.GaussianNoise(0.1), **kw
    ),
    "vqvae, levels": lambda arch, **kw: ae.VQVAE(arch, levels=(4, 3), loss="bce", **kw),
    "adversarial": lambda arch, **kw: ae.AdversarialAutoencoder(
        arch, 3, discriminator_widths=(6,), corruption=ae.GaussianNoise(0.1), **kw
    ),
    "adversarial, of classes": lambda arch, **kw: ae.AdversarialAutoencoder(
        arch,
        2,
        prior=ae.GaussianMixture(means=((-4, 0), (0, 4), (4, 0)), labels=(0, 1, 2)),
        conditional=True,
        loss="gaussian",
        penalty=ae.L1Sparsity(0.01),
        **kw,
    ),
    "stacked": lambda arch, **kw: ae.StackedAutoencoder(arch, 3, pretrain_epochs=1, **kw),
}
CELLS = [
    pytest.param(model, arch, id=f"{model}-{arch}")
    for model in MODELS
    for arch in ARCHS
    if model != "stacked" or arch.startswith("dense")
]


def data(arch, rng):
    return rng.random((N, *ARCHS[arch][1]), np.float32)


def made(model, arch, **params):
    return MODELS[model](ARCHS[arch][0](), **{**KW, "epochs": 2, **params})


def beside(model, n=N):
    takes_y = isinstance(model, ae.CVAE) or getattr(model, "conditional", False)
    return {"y": np.arange(n) % 3} if takes_y else {}


def state(model):
    """Return everything that training changes."""
    network = model._network
    arrays = {**network.arrays(), "steps": network.steps, "samples": network.samples}
    return {name: np.array(value) for name, value in arrays.items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("model, arch", CELLS)
def test_cell(model, arch, rng, tmp_path):
    X = data(arch, rng)
    whole = made(model, arch)
    y = beside(whole)
    whole.fit(X, **y)
    assert all(np.isfinite(record["loss"]) for record in whole.history_)

    # half, to a file and back, and the other half: the same bits
    half = made(model, arch, epochs=1, n_threads=1).fit(X, **y)
    half.save(tmp_path / "model")
    loaded = ae.load(tmp_path / "model")
    assert_same(state(half), state(loaded))
    for method in ("transform", "reconstruct", "score_samples", "errors"):
        got, want = (getattr(m, method)(X, **y) for m in (loaded, half))
        np.testing.assert_array_equal(got, want, err_msg=method)
    loaded.set_params(warm_start=True, n_threads=2).fit(X, **y)
    assert_same(state(loaded), state(whole))

    # what it gives
    assert whole.reconstruct(X, **y).shape == X.shape
    codes = whole.transform(X, **y)
    assert len(codes) == N
    assert whole.inverse_transform(codes, **y).shape == X.shape
    few = {"y": y["y"][[5, 9]]} if y else {}
    np.testing.assert_array_equal(whole.transform(X[[5, 9]], **few), codes[[5, 9]])
    prior = {"prior": ae.Normal()} if isinstance(whole, ae.Autoencoder) else {}
    drawn = [whole.sample(4, random_state=3, **prior, **({"y": 1} if y else {})) for _ in "ab"]
    assert drawn[0].shape == (4, *X.shape[1:]) and np.isfinite(drawn[0]).all()
    np.testing.assert_array_equal(*drawn)

    # what it refuses leaves it as it was
    before = state(whole)
    for wrong in (X[:, :-1], X[0], X[:0], np.full_like(X, np.nan)):
        with pytest.raises(ValueError):
            whole.transform(wrong, **beside(whole, len(wrong)))
    with pytest.raises(ValueError):
        whole.set_params(warm_start=True).fit(np.where(X < 0.01, np.inf, X + np.inf), **y)
    assert_same(state(whole), before)


@pytest.mark.parametrize("arch", [arch for arch in ARCHS if not arch.startswith("dense")])
@pytest.mark.parametrize("model", MODELS)
def test_an_architecture_for_other_samples_is_refused(model, arch, rng):
    """It says so in a sentence that names the architecture, and there is no model then."""
    others = {TABLE: IMAGES, IMAGES: SEQUENCES, SEQUENCES: TABLE}
    other = TABLE if "conv" in arch else others[ARCHS[arch][1]]
    X = rng.random((N, *other), np.float32)
    fresh = made(model, arch)
    name = type(fresh.arch).__name__
    with pytest.raises(ValueError, match=name):
        fresh.fit(X, **beside(fresh))
    assert not hasattr(fresh, "history_")
