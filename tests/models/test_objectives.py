"""What the objectives minimise and answer, against values worked out by hand."""

import math

import aecore as ae
import numpy as np
import pytest
from aecore._core import Workspace
from aecore.data.arrays import Data
from aecore.data.batches import Batches
from support.steps import check_step

KW = {"batch_size": 16, "random_state": 0}
FROZEN = {**KW, "epochs": 1, "learning_rate": 1e-30}  # a fit that measures and changes nothing


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


@pytest.fixture
def images(rng):
    return rng.random((20, 9, 7, 3), dtype=np.float32)


def small(cls, **params):
    """Return a small model of a class, for tables."""
    if cls is ae.VQVAE:
        params = {"codebook_size": 8, "code_dim": 3, **params}
    else:
        params = {"latent_dim": 3, **params}
    return cls(ae.Dense((8,)), **{**KW, "epochs": 2, **params})


def conditions(model, n):
    return np.arange(n) % 3 if isinstance(model, ae.CVAE) else None


MODELS = [ae.Autoencoder, ae.VAE, ae.CVAE, ae.VQVAE, ae.AdversarialAutoencoder]


# ---- losses -------------------------------------------------------------------------------------


def by_hand(loss, x, output):
    """Return a loss of each feature from the reconstruction in data space, in float64."""
    x, output = x.astype(np.float64), output.astype(np.float64)
    d = np.abs(x - output)
    if loss == "bce":
        return -x * np.log(output) - (1 - x) * np.log1p(-output)
    if loss == "cross_entropy":
        return -x * np.log(output)
    return {"mse": d**2, "l1": d, "huber": np.where(d < 1, d**2 / 2, d - 0.5)}[loss]


@pytest.mark.parametrize("loss", ["mse", "bce", "l1", "huber", "cross_entropy"])
def test_losses_are_sums_over_features_and_means_over_samples(loss, X):
    if loss == "cross_entropy":
        X = np.eye(4, dtype=np.float32)[(X.reshape(-1, 4, 3) * 12).astype(int)[..., 0] % 4]
        X = X.reshape(len(X), 2, 2, 4)
    model = ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, **FROZEN).fit(X)
    rebuilt = model.reconstruct(X)
    want = by_hand(loss, X, rebuilt)
    np.testing.assert_allclose(model.errors(X), want, rtol=1e-4, atol=1e-5)
    sums = want.reshape(len(X), -1).sum(1)
    np.testing.assert_allclose(model.score_samples(X), -sums, rtol=1e-5)
    record = model.history_[0]
    assert record["loss"] == pytest.approx(sums.mean(), rel=1e-5)
    assert record["recon"] == record["loss"]
    assert record["mse"] == pytest.approx(((X - rebuilt) ** 2).mean(), rel=1e-4)
    assert model.score(X) == pytest.approx(-sums.mean(), rel=1e-5)
    if loss in ("bce", "cross_entropy"):
        assert (rebuilt > 0).all() and (rebuilt < 1).all()
    if loss == "cross_entropy":
        np.testing.assert_allclose(rebuilt.sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_vae_terms_have_the_scale_of_the_bound(beta, X):
    model = ae.VAE(ae.Dense((8,)), 3, loss="bce", beta=beta, **FROZEN).fit(X)
    mean, logvar = (v.astype(np.float64) for v in model.encode_distribution(X))
    kl = -0.5 * (1 + logvar - mean**2 - np.exp(logvar)).sum(1)
    recon = by_hand("bce", X, model.reconstruct(X)).sum(1)
    # the bound has a KL of weight 1, whatever beta is
    np.testing.assert_allclose(model.score_samples(X), -recon - kl, rtol=1e-5)
    record = model.history_[0]
    assert record["kl"] == pytest.approx(kl.mean(), rel=1e-5)
    assert record["loss"] == pytest.approx(record["recon"] + beta * record["kl"], rel=1e-9)
    assert record["kl_weight"] == beta
    bits = (record["recon"] + record["kl"]) / (12 * math.log(2))
    assert record["bits_per_dim"] == pytest.approx(bits)
    assert "bits_per_dim" not in ae.VAE(ae.Dense(()), 2, **FROZEN).fit(X).history_[0]


def test_kl_warmup_rises_batch_by_batch_and_ends(X):
    model = small(ae.VAE, kl_warmup=2, beta=3.0, epochs=4).fit(X)
    got = [r["kl_weight"] for r in model.history_]
    sizes = np.array([16, 16, 16, 2])
    first = 3.0 * (sizes * np.arange(4) / 4).sum() / 50 / 2
    assert got == pytest.approx([first, first + 1.5, 3.0, 3.0])


def test_free_bits_are_free(X):
    """Below the free nats there is no gradient of the KL term, above it the whole."""
    free = small(ae.VAE, free_bits=1e6, epochs=3).fit(X)
    without = small(ae.VAE, beta=0.0, epochs=3).fit(X)
    for name, value in free.parameters_.items():
        np.testing.assert_allclose(value, without.parameters_[name], rtol=1e-5, atol=1e-6)
    assert free.history_[0]["loss"] == pytest.approx(free.history_[0]["recon"] + 3e6, rel=1e-6)
    assert free.history_[0]["kl"] < 100  # what is reported is the KL itself
    little = small(ae.VAE, free_bits=1e-30, epochs=3).fit(X)
    plain = small(ae.VAE, epochs=3).fit(X)
    for name, value in little.parameters_.items():
        np.testing.assert_allclose(value, plain.parameters_[name], rtol=1e-4, atol=1e-5)


def test_active_units_counts_dimensions_whose_mean_varies(X):
    model = ae.VAE(ae.Dense(()), 3, **FROZEN).initialize(X)
    weights = model.parameters_["encoder.0.weight"]
    weights[:3] = 0
    weights[0, 0] = 1  # its mean varies as a feature does: by 1 / 12
    weights[1, 0] = 0.2  # by 0.04 of that
    model.set_params(warm_start=True).fit(X)
    assert model.history_[0]["active_units"] == 1


def test_linear_gaussian_likelihood_is_exact(rng):
    """Where the encoder gives the true posterior, every estimate is ln p(x) itself."""
    f, d, n = 5, 2, 30
    W = np.linalg.qr(rng.standard_normal((f, d)))[0] * [1.5, 0.7]
    X = (rng.standard_normal((n, d)) @ W.T + rng.standard_normal((n, f)) * 0.7).astype(np.float32)
    model = ae.VAE(ae.Dense(()), d, **FROZEN).initialize(X)
    # p(x | z) = N(Wz, I / 2): the posterior's precision is I + 2 W'W, which is diagonal
    precision = 1 + 2 * (W**2).sum(0)
    values = model.parameters_
    values["encoder.0.weight"][:d] = 2 * W.T / precision[:, None]
    values["encoder.0.weight"][d:] = 0
    values["encoder.0.bias"][:d] = 0
    values["encoder.0.bias"][d:] = -np.log(precision)
    values["decoder.0.weight"][...] = W
    values["decoder.0.bias"][...] = 0
    covariance = W @ W.T + np.eye(f) / 2
    quadratic = np.einsum("ni,ij,nj->n", X, np.linalg.inv(covariance), X)
    want = -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * covariance)[1])
    want += f / 2 * np.log(np.pi)  # the constant that is left out
    got = model.log_likelihood(X, n_samples=3, random_state=0)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    got = model.elbo(X, n_samples=2000, random_state=0)
    np.testing.assert_allclose(got, want, atol=0.2)


def test_log_likelihood_is_above_the_bound_and_rises(X):
    model = small(ae.VAE, loss="bce", epochs=30, learning_rate=1e-2).fit(X)
    bound = model.elbo(X, n_samples=50, random_state=1).mean()
    few = model.log_likelihood(X, n_samples=5, random_state=1).mean()
    many = model.log_likelihood(X, n_samples=200, random_state=1).mean()
    assert bound < few < many
    one = model.log_likelihood(X, n_samples=7, random_state=3)
    np.testing.assert_array_equal(one, model.log_likelihood(X, n_samples=7, random_state=3))
    assert not np.array_equal(one, model.log_likelihood(X, n_samples=7, random_state=4))


# ---- gradients ----------------------------------------------------------------------------------


GRADIENTS = {
    "tied": (ae.Autoencoder, {"tied": True, "arch": ae.Dense((8,), activation="tanh")}),
    "tied conv": (ae.Autoencoder, {"arch": ae.Conv((4, 3), activation="tanh"), "tied": True}),
    "conv": (ae.Autoencoder, {"arch": ae.Conv((4,), activation="tanh"), "loss": "bce"}),
    "vae": (ae.VAE, {"arch": ae.Dense((8,), activation="tanh"), "beta": 2.0, "kl_warmup": 4}),
    "free bits": (ae.VAE, {"arch": ae.Dense((8,), activation="tanh"), "free_bits": 0.02}),
    "cvae": (ae.CVAE, {"arch": ae.Dense((8,), activation="tanh"), "loss": "huber"}),
    "lstm": (ae.VAE, {"arch": ae.LSTM(5)}),
    "lstm cvae": (ae.CVAE, {"arch": ae.LSTM(4, 2, True)}),
    "transformer cvae": (ae.CVAE, {"arch": ae.Transformer(6, 2, 1, 5)}),
    "conv cvae": (ae.CVAE, {"arch": ae.Conv((4,), activation="tanh"), "loss": "bce"}),
}


@pytest.mark.parametrize("case", GRADIENTS)
def test_step_gradients_by_finite_differences(case, X, images, rng):
    cls, params = GRADIENTS[case]
    data = images if "conv" in case else X
    if "lstm" in case or "transformer" in case:
        data = X.reshape(len(X), -1, 2)
    model = cls(latent_dim=3, **params, **KW)
    y = conditions(model, len(data))
    model.initialize(data, y)
    network = model._network
    condition = network.conditioner and network.conditioner.read(y, len(data))
    batch = next(Batches(Data(data), 20, condition=condition)())
    batch.epoch = 1.0
    check_step(model, batch, rng)


# ---- codes and reconstructions ------------------------------------------------------------------


def test_noise_of_many_strengths(tmp_path):
    """Each sample has its own, anew in each epoch, the same for any number of threads."""
    X, seen = np.random.default_rng(0).random((64, 900), np.float32), []

    class Spy(ae.Autoencoder):
        def terms(self, batch):
            if batch.noise == "on":
                found = (batch.x - batch.target).std(1)
                seen.append(found[:, None] if batch.missing is None else batch.x[batch.missing])
            return super().terms(batch)

    noise = ae.GaussianNoise((0.05, 0.25), clip=(-9, 9))
    how = {"corruption": noise, "shuffle": False, "batch_size": 32, "random_state": 0}
    for threads in (1, 2):
        Spy(ae.Dense((8,)), 2, epochs=2, n_threads=threads, **how).fit(X)
    first, second, *again = np.concatenate(seen)[:, 0].reshape(4, 64)
    np.testing.assert_array_equal(again, [first, second])
    assert 0.045 < first.min() < 0.08 < 0.22 < first.max() < 0.27
    assert np.abs(np.corrcoef(first, second)[0, 1]) < 0.4
    seen.clear()
    mask = np.random.default_rng(1).random(X.shape) < 0.8
    Spy(ae.Dense((8,)), 2, epochs=1, **how).fit(X, sample_mask=mask)
    assert all((x == 0).all() for x in seen)
    model = ae.Autoencoder(ae.Dense((8,)), 2, corruption=noise, epochs=1).fit(X)
    model.save(tmp_path / "m.safetensors")
    assert ae.load(tmp_path / "m.safetensors").corruption == noise
    wrong = {(0.2, 0.1): ValueError, (0.1,): TypeError, (-1, 1): ValueError, (0, "a"): TypeError}
    for sigma, error in wrong.items():
        with pytest.raises(error, match="corruption: sigma"):
            ae.Autoencoder(corruption=ae.GaussianNoise(sigma)).fit(X)
    with pytest.raises(ValueError, match="one sigma for a table"):
        ae.TabularAutoencoder(corruption=ae.GaussianNoise((0.1, 0.2))).fit(X)


@pytest.mark.parametrize("cls", MODELS)
def test_reconstruct_is_decoded_codes(cls, X):
    model = small(cls)
    y = conditions(model, len(X))
    model.fit(X, y)
    codes, rebuilt = model.transform(X, y), model.reconstruct(X, y)
    assert rebuilt.shape == X.shape and rebuilt.dtype == np.float32
    np.testing.assert_allclose(model.inverse_transform(codes, y), rebuilt, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.fit_transform(X, y), model.transform(X, y))


@pytest.mark.parametrize("cls", MODELS)
def test_samples_are_independent_of_each_other(cls, X):
    """A sample has the same code, score and reconstruction in any company."""
    X = np.tile(X, (12, 1))  # several batches of inference
    model = small(cls)
    y = conditions(model, len(X))
    model.fit(X, y)
    rows = np.array([3, 299, 599])
    beside = None if y is None else y[rows]
    for method in ("transform", "reconstruct", "score_samples", "errors"):
        whole, some = getattr(model, method)(X, y), getattr(model, method)(X[rows], beside)
        np.testing.assert_array_equal(whole[rows], some, err_msg=method)
        assert len(whole) == len(X)


def test_linear_autoencoder_finds_the_principal_components(rng):
    X = rng.standard_normal((200, 8)) * [3, 2.5, 2, 0.5, 0.5, 0.5, 0.5, 0.5]
    X = (X - X.mean(0)) @ np.linalg.qr(rng.standard_normal((8, 8)))[0]
    model = ae.Autoencoder(ae.Dense(()), 3, epochs=150, learning_rate=1e-2, **KW)
    model.set_params(schedule=ae.Cosine(150)).fit(X)
    s = np.linalg.svd(X, compute_uv=False)
    best = (s[3:] ** 2).sum() / len(X)
    assert best <= -model.score(X) < 1.001 * best


def test_denoising_targets_are_clean(rng):
    """With all the input masked, the best reconstruction is the mean of the clean data."""
    X = rng.random((64, 6), dtype=np.float32) + np.arange(6, dtype=np.float32)
    model = ae.Autoencoder(ae.Dense((8,)), 2, corruption=ae.Masking(1.0), **KW)
    model.set_params(epochs=300, learning_rate=1e-2, schedule=ae.Cosine(300)).fit(X)
    assert model.history_[-1]["mse"] == pytest.approx(X.var(0).mean(), rel=0.05)
    codes = model.transform(X)  # the input isn't masked here
    assert codes.std(0).max() > 0


@pytest.mark.parametrize("noise", [ae.GaussianNoise(0.2), ae.Masking(0.3), ae.SaltAndPepper(0.2)])
@pytest.mark.parametrize("cls", MODELS)
def test_corruption_goes_with_every_objective(cls, noise, X):
    model = small(cls, corruption=noise)
    y = conditions(model, len(X))
    noisy = model.fit(X, y).history_[-1]["loss"]
    clean = small(cls).fit(X, y).history_[-1]["loss"]
    assert np.isfinite(noisy) and noisy != clean


def test_noise_is_cut_to_its_range(tmp_path):
    X = np.random.default_rng(0).random((64, 12), np.float32)
    mask, seen = np.random.default_rng(1).random(X.shape) < 0.8, []

    class Spy(ae.Autoencoder):
        def terms(self, batch):
            if batch.noise == "on":
                seen.append((batch.x.copy(), batch.missing))
            return super().terms(batch)

    noise = ae.GaussianNoise(0.5, clip=(0.25, 0.75))
    Spy(ae.Dense((8,)), 2, corruption=noise, epochs=1, shuffle=False, batch_size=64).fit(X)
    ((x, _),) = seen
    assert x.min() == np.float32(0.25)
    assert x.max() == np.float32(0.75)
    assert 0.1 < np.mean((x > 0.25) & (x < 0.75)) < 0.6
    seen.clear()
    Spy(ae.Dense((8,)), 2, corruption=noise, epochs=1).fit(X, sample_mask=mask)
    assert all((x[missing] == 0).all() and (x[~missing] >= 0.25).all() for x, missing in seen)
    model = ae.Autoencoder(ae.Dense((8,)), 2, corruption=noise, epochs=1).fit(X)
    model.save(tmp_path / "m.safetensors")
    assert ae.load(tmp_path / "m.safetensors").corruption.clip == (0.25, 0.75)
    for clip, error in (((1, 0), ValueError), (0.5, TypeError), ((0, np.nan), ValueError)):
        with pytest.raises(error, match="corruption: clip"):
            ae.Autoencoder(corruption=ae.GaussianNoise(0.1, clip=clip)).fit(X)
    with pytest.raises(ValueError, match="without clip for a table"):
        ae.TabularAutoencoder(corruption=noise).fit(X)


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("arch", [None, ae.Conv((4, 8)), ae.ResNet(8, 4, 1), ae.Dense((8,))])
def test_images_go_with_every_objective(cls, arch, images):
    params = {"codebook_size": 8, "code_dim": 3} if cls is ae.VQVAE else {"latent_dim": 3}
    model = cls(arch, **params, epochs=1, **KW)
    y = conditions(model, len(images))
    model.fit(images, y)
    assert model.reconstruct(images, y).shape == images.shape
    assert model.errors(images, y).shape == images.shape
    walk = model.interpolate(images[0], images[1], 4, y=None if y is None else 1)
    assert walk.shape == (4, 9, 7, 3)
    np.testing.assert_allclose(walk[0], model.reconstruct(images[:1], [1])[0], atol=1e-5)


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("arch", [None, ae.LSTM(6, 2, True), ae.Transformer(6, 2), ae.Dense((8,))])
def test_sequences_go_with_every_objective(cls, arch, X):
    X = X.reshape(len(X), -1, 2)
    params = {"codebook_size": 8, "code_dim": 3} if cls is ae.VQVAE else {"latent_dim": 3}
    model = cls(arch, **params, epochs=1, **KW)
    y = conditions(model, len(X))
    model.fit(X, y)
    assert model.reconstruct(X, y).shape == X.shape == model.errors(X, y).shape
    if cls is not ae.Autoencoder:
        assert model.sample(4, y=None if y is None else 1).shape == (4, *X.shape[1:])
    codes = model.transform(X[3:5], [1, 1])
    assert len(codes) == 2
    if cls is ae.VQVAE:  # a code for each step, where the architecture knows of steps
        assert codes.shape[1:] == ((1,) if isinstance(arch, ae.Dense) else X.shape[1:2])


# ---- walks and samples --------------------------------------------------------------------------


@pytest.mark.parametrize("cls", MODELS)
def test_interpolate_and_traverse(cls, X):
    model = small(cls)
    y = conditions(model, len(X))
    model.fit(X, y)
    label = None if y is None else 2
    two = None if y is None else [2, 2]
    walk = model.interpolate(X[0], X[1], 5, y=label)
    np.testing.assert_allclose(walk[[0, -1]], model.reconstruct(X[:2], two), atol=1e-5)
    codes = model.transform(X[:2], two)
    if cls is not ae.VQVAE:
        middle = codes.mean(0, keepdims=True)
        one = None if y is None else [2]
        np.testing.assert_allclose(walk[2:3], model.inverse_transform(middle, one), atol=1e-5)
    dim = 0 if cls is ae.VQVAE else 1
    values = [0, 1, 2]
    walked = np.repeat(codes[:1], 3, axis=0)
    walked[:, dim] = values
    three = None if y is None else [2, 2, 2]
    want = model.inverse_transform(walked, three)
    np.testing.assert_allclose(model.traverse(X[0], dim, values, y=label), want, atol=1e-6)


def test_vae_samples_the_prior(X):
    model = small(ae.VAE, loss="bce").fit(X)
    a = model.sample(300, random_state=1)
    assert a.shape == (300, 12) and (a > 0).all() and (a < 1).all()
    np.testing.assert_array_equal(a[:7], model.sample(7, random_state=1))
    assert not np.array_equal(a[:7], model.sample(7, random_state=2))
    assert not np.array_equal(model.sample(7), model.sample(7))
    assert model.sample(0).shape == (0, 12)


def test_vqvae_samples_codes_uniformly(X):
    model = small(ae.VQVAE).fit(X)
    a = model.sample(2000, random_state=1)
    entries = model.inverse_transform(np.arange(8)[:, None])
    found = (np.abs(a[:, None] - entries[None]).max(2) < 1e-6).argmax(1)
    np.testing.assert_array_equal(a, entries[found])
    assert np.bincount(found, minlength=8).min() > 180


# ---- conditions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["int", "str", "object", "bool", "uint8", "big"])
def test_cvae_labels(kind, X):
    codes = np.arange(50) % 2
    y = {
        "int": codes * 5 - 3,
        "str": np.array(["no", "yes"])[codes],
        "object": np.array(["no", "yes"], dtype=object)[codes],
        "bool": codes.astype(bool),
        "uint8": codes.astype(np.uint8),
        "big": codes + 2**60,
    }[kind]
    model = small(ae.CVAE).fit(X, y)
    assert list(model.classes_) == sorted(set(y.tolist()))
    assert not hasattr(model, "condition_mean_")
    plain = small(ae.CVAE).fit(X, codes)
    np.testing.assert_array_equal(model.transform(X, y), plain.transform(X, codes))
    single = model.sample(3, y=y[1], random_state=0)
    np.testing.assert_array_equal(single, model.sample(3, y=[y[1]] * 3, random_state=0))
    assert not np.allclose(single, model.sample(3, y=y[0], random_state=0))


def test_cvae_learns_what_the_condition_says(rng):
    y = rng.integers(0, 4, 400)
    X = np.eye(4, dtype=np.float32)[y] * 0.8 + 0.1
    model = ae.CVAE(ae.Dense((16,)), 2, epochs=60, learning_rate=1e-2, **KW).fit(X, y)
    made = model.sample(4, y=[0, 1, 2, 3], random_state=0)
    np.testing.assert_array_equal(made.argmax(1), [0, 1, 2, 3])
    assert model.history_[-1]["kl"] < 0.1  # nothing is left for the code to say


def test_cvae_of_images_is_that_of_their_vectors(rng):
    """With Dense: the condition stands beside the flattened image, once."""
    X, y = rng.random((60, 4, 3, 2), np.float32), rng.integers(0, 3, 60)
    images, table = (small(ae.CVAE).fit(v, y) for v in (X, X.reshape(60, -1)))
    np.testing.assert_array_equal(images.transform(X, y), table.transform(X.reshape(60, -1), y))
    np.testing.assert_array_equal(
        images.sample(5, y=1, random_state=0).reshape(5, -1), table.sample(5, y=1, random_state=0)
    )


def test_cvae_properties_are_standardised(rng, X):
    y = np.stack([rng.normal(100, 7, 50), np.full(50, 3.0)], 1)
    model = small(ae.CVAE).fit(X, y)
    np.testing.assert_allclose(model.condition_mean_, y.mean(0))
    np.testing.assert_allclose(model.condition_scale_, [y[:, 0].std(), 1])
    assert not hasattr(model, "classes_")
    scaled = small(ae.CVAE).fit(X, (y - [50, 0]) * [10, 1])
    np.testing.assert_allclose(
        model.reconstruct(X, y),
        scaled.reconstruct(X, (y - [50, 0]) * [10, 1]),
        rtol=1e-4,
        atol=1e-5,
    )
    one = model.sample(2, y=[110, 3], random_state=0)
    np.testing.assert_array_equal(one, model.sample(2, y=[[110, 3]] * 2, random_state=0))


def test_cvae_validates_with_conditions(X):
    y = np.arange(50) % 3
    model = small(ae.CVAE, epochs=1).fit(X, y, X_val=(X[:10], y[:10]))
    assert model.history_[0]["val_recon"] > 0
    assert "val_kl" in small(ae.CVAE, epochs=1, validation_fraction=0.2).fit(X, y).history_[0]


# ---- codebooks ----------------------------------------------------------------------------------


def test_vqvae_codes_are_the_nearest_entries(images):
    model = ae.VQVAE(ae.ResNet(8, 4, 1), 8, 3, epochs=2, **KW).fit(images)
    codes = model.transform(images)
    assert codes.shape == (20, 2, 1) and codes.dtype == np.int64
    z = model._network.encode(np.ascontiguousarray(images)).astype(np.float64)
    book = model.codebook_
    distances = ((z[..., None, :] - book) ** 2).sum(-1)
    np.testing.assert_array_equal(codes, distances.argmin(-1))


@pytest.mark.parametrize("codebook", ["ema", "loss"])
def test_vqvae_terms(codebook, X):
    frozen = {**FROZEN, "ema_decay": 0.999999999, "restart_dead": False}
    model = ae.VQVAE(ae.Dense((8,)), 8, 3, codebook=codebook, commitment=0.5, **frozen).fit(X)
    z = model._network.encode(X).astype(np.float64)
    codes = model.transform(X)
    assert codes.shape == (50, 1)
    gap = ((z - model.codebook_[codes[:, 0]]) ** 2).sum(1)
    recon = ((X - model.reconstruct(X)) ** 2).sum(1)
    record = model.history_[0]
    assert record["vq"] == pytest.approx(gap.mean(), rel=1e-3)
    assert record["commitment"] == pytest.approx(0.5 * gap.mean(), rel=1e-3)
    total = recon + 0.5 * gap + (gap if codebook == "loss" else 0)
    assert record["loss"] == pytest.approx(total.mean(), rel=1e-3)
    np.testing.assert_allclose(model.score_samples(X), -total, rtol=1e-3)
    share = np.bincount(codes[:, 0], minlength=8) / 50
    entropy = -(share[share > 0] * np.log(share[share > 0])).sum()
    assert record["perplexity"] == pytest.approx(np.exp(entropy), rel=0.05)


def test_kmeans_starts_the_codebook_among_the_data(rng):
    centres = rng.standard_normal((4, 6)) * 5
    X = (centres[rng.integers(0, 4, 200)] + 0.01 * rng.standard_normal((200, 6))).astype(np.float32)
    model = ae.VQVAE(ae.Dense((16,)), 4, 3, **KW).initialize(X)
    assert len(np.unique(model.transform(X))) == 4  # every entry is in use from the start
    before = model.codebook_
    model.set_params(warm_start=True, epochs=0).fit(X)
    np.testing.assert_array_equal(model.codebook_, before)
    normal = ae.VQVAE(ae.Dense((16,)), 4, 3, codebook_init="normal", **KW).initialize(X)
    assert not np.array_equal(normal.codebook_, before)


def test_dead_codes_restart(X):
    def used(restart):
        params = {"codebook_init": "normal", "restart_dead": restart, "ema_decay": 0.8, **KW}
        model = ae.VQVAE(ae.Dense((8,)), 16, 3, epochs=20, **params)
        model.initialize(X)
        model._network.quantizer.codebook[1:] = 1e3  # out of reach
        model._network.quantizer._start_averages()
        return model.set_params(warm_start=True).fit(X).history_[-1]["perplexity"]

    assert used(False) == pytest.approx(1)
    assert used(True) > 4


def test_tied_weights_are_shared(X):
    model = ae.Autoencoder(ae.Dense((8,)), 3, tied=True, epochs=2, **KW).fit(X)
    free = ae.Autoencoder(ae.Dense((8,)), 3, epochs=2, **KW).fit(X)
    assert model.n_parameters_ == 12 * 8 + 8 + 8 * 3 + 3 + 8 + 12
    assert free.n_parameters_ == model.n_parameters_ + 12 * 8 + 8 * 3
    assert sorted(model.parameters_) == [
        "decoder.0.bias",
        "decoder.1.bias",
        "encoder.0.bias",
        "encoder.0.weight",
        "encoder.1.bias",
        "encoder.1.weight",
    ]


def test_tied_kernels_stay_shared(images):
    model = ae.Autoencoder(ae.Conv((4, 8)), 3, tied=True, epochs=2, **KW).fit(images)
    free = ae.Autoencoder(ae.Conv((4, 8)), 3, epochs=2, **KW).fit(images)
    assert free.n_parameters_ == model.n_parameters_ + 4 * 16 * 3 + 8 * 16 * 4 + 3 * 16
    before = model.initialize(images).parameters_["encoder.0.weight"].copy()
    model.set_params(warm_start=True).fit(images)
    there, back = (
        [m.weight.value for _, m in part.modules() if hasattr(m, "weight")]
        for part in (model._network.encoder, model._network.decoder)
    )
    for a, b in zip(there, reversed(back), strict=True):
        assert np.shares_memory(a, b)
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(before, there[0])


def test_modules_of_ones_own(X, images):
    nn = ae.nn
    encoder = nn.Sequential(nn.Linear(12, 6, activation="tanh"), nn.Dropout(0.2), nn.Linear(6, 2))
    decoder = nn.Sequential(nn.Linear(2, 12))
    model = ae.Autoencoder((encoder, decoder), 2, epochs=2, **KW).fit(X)
    assert model.transform(X).shape == (50, 2)
    np.testing.assert_array_equal(model.transform(X), model.transform(X))  # nothing is dropped
    fresh = encoder.layers[0].weight.value.copy()
    model.fit(X)
    np.testing.assert_array_equal(encoder.layers[0].weight.value, fresh)  # copies were trained


def test_threads_are_the_models_own(X, monkeypatch):
    seen = []
    real = ae.models.autoencoder.Autoencoder._step

    def step(self, batch):
        from aecore.base import runtime

        seen.append(runtime.current())
        return real(self, batch)

    monkeypatch.setattr(ae.models.autoencoder.Autoencoder, "_step", step)
    small(ae.Autoencoder, n_threads=1).fit(X)
    small(ae.Autoencoder).fit(X)
    assert isinstance(seen[0], Workspace) and seen[0] is not seen[-1]
