"""Losses of counts: values by hand, what the encoder sees, totals, dispersions, and refusals."""

import math

import aecore as ae
import numpy as np
import pytest
from aecore.losses import COUNTS, Dispersions
from aecore.models.base import traps

KW = {"random_state": 0, "batch_size": 64}
LGAMMA = np.vectorize(math.lgamma, otypes=[float])


def counts(n=200, f=12, seed=0):
    """Return counts (n, f) of two hidden causes, with means from 0.1 to 100."""
    rng = np.random.default_rng(seed)
    weights, offset = rng.standard_normal((2, f)), np.linspace(-2, 4, f)
    means = np.exp(rng.standard_normal((n, 2)) @ weights / 2 + offset)
    return rng.poisson(rng.gamma(2, means / 2)).astype(np.float32)


@pytest.fixture
def X():
    return counts()


def by_hand(loss, x, model, seen=None):
    """Return the loss of each sample from the reconstruction, in float64."""
    x, made = x.astype(np.float64), model.reconstruct(x, sample_mask=seen).astype(np.float64)
    seen = np.ones_like(x) if seen is None else seen.astype(float)
    if loss == "poisson":
        return (seen * (made - x * np.log(made) + LGAMMA(x + 1))).sum(1)
    if loss == "negative_binomial":
        t = np.exp(model.parameters_["likelihood.log_theta"].astype(np.float64))
        nats = LGAMMA(t) + LGAMMA(x + 1) - LGAMMA(x + t)
        nats = nats + t * np.log1p(made / t) + x * np.log((t + made) / made)
        return (seen * nats).sum(1)
    x = seen * x
    total = x.sum(1, keepdims=True)
    chances = made / (seen * made).sum(1, keepdims=True)
    nats = (seen * (LGAMMA(x + 1) - x * np.log(chances))).sum(1)
    return nats - LGAMMA(total + 1)[:, 0]


@pytest.mark.parametrize("loss", COUNTS)
def test_scores_and_errors_by_hand(loss, X):
    model = ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, epochs=3, **KW).fit(X)
    want = by_hand(loss, X, model)
    np.testing.assert_allclose(-model.score_samples(X), want, rtol=1e-4, atol=1e-3)
    errors = model.errors(X)
    assert errors.shape == X.shape
    np.testing.assert_allclose(errors.sum(1), want, rtol=1e-4, atol=1e-3)
    assert model.score(X) == pytest.approx(-want.mean(), rel=1e-4)
    record = ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, epochs=1, **KW).fit(X, X_val=X)
    rebuilt = record.reconstruct(X)
    found = record.history_[0]["val_mse"]
    assert found == pytest.approx(((X - rebuilt).astype(float) ** 2).mean(), rel=1e-4)
    assert record.history_[0]["val_loss"] == pytest.approx(-record.score(X), rel=1e-5)


@pytest.mark.parametrize("loss", COUNTS)
def test_what_is_not_observed_has_no_part(loss, X, rng):
    seen = rng.random(X.shape) < 0.7
    seen[3] = False
    model = ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, epochs=2, **KW)
    model.fit(np.where(seen, X, np.nan), sample_mask=seen)
    some = [i for i in range(len(X)) if i != 3]
    got = model.score_samples(np.where(seen, X, np.nan), sample_mask=seen)
    want = by_hand(loss, X[some], model, seen[some])
    np.testing.assert_allclose(-got[some], want, rtol=1e-4, atol=1e-3)
    assert got[3] == 0
    errors = model.errors(np.where(seen, X, -5), sample_mask=seen)
    assert (errors[~seen] == 0).all()
    np.testing.assert_allclose(errors.sum(1), -got, rtol=1e-4, atol=1e-3)


def test_reconstructions_of_a_multinomial_have_the_samples_totals(X, rng):
    model = ae.VAE(ae.Dense((8,)), 3, loss="multinomial", epochs=2, **KW).fit(X)
    rebuilt = model.reconstruct(X)
    np.testing.assert_allclose(rebuilt.sum(1), X.sum(1), rtol=1e-5)
    for few in (X[:1], X[:3]):  # by calls of an earlier pass, from the second time on
        for _ in range(3):
            np.testing.assert_allclose(model.reconstruct(few), rebuilt[: len(few)], rtol=1e-5)
    seen = rng.random(X.shape) < 0.7
    rebuilt = model.reconstruct(X, sample_mask=seen)
    np.testing.assert_allclose((rebuilt * seen).sum(1), (X * seen).sum(1), rtol=1e-4)
    assert (rebuilt > 0).all()  # what isn't observed is expected on the same scale
    # codes have no total
    for made in (model.inverse_transform(model.transform(X)), model.sample(9, random_state=0)):
        np.testing.assert_allclose(made.sum(1), 1, rtol=1e-5)
    assert (model.reconstruct(np.zeros((6, 12), np.float32)) == 0).all()
    steps = ae.Autoencoder(ae.LSTM(4), 2, loss="multinomial", epochs=1, **KW)
    S = X.reshape(-1, 3, 4)  # each step has a total of its own
    np.testing.assert_allclose(steps.fit(S).reconstruct(S).sum(2), S.sum(2), rtol=1e-5)


@pytest.mark.parametrize("loss", COUNTS)
def test_the_encoder_sees_logarithms_and_the_loss_counts(loss, X):
    model = ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, epochs=1, **KW).fit(X)
    plain = ae.Autoencoder(ae.Dense((8,)), 3, epochs=1, **KW).fit(np.log1p(X))
    for name, value in model.parameters_.items():
        if name.startswith("encoder"):
            plain.parameters_[name][...] = value
    np.testing.assert_allclose(model.transform(X), plain.transform(np.log1p(X)), rtol=1e-5)
    assert np.isfinite(model.transform(X * 1e30)).all()
    # a module of one's own too, and noise below 0 counts as 0
    own = ae.nn.Sequential(ae.nn.Linear(12, 3)), ae.nn.Sequential(ae.nn.Linear(3, 12))
    noisy = ae.GaussianNoise(100.0)
    ae.Autoencoder(own, 3, loss=loss, corruption=noisy, learning_rate=1e-5, epochs=2, **KW).fit(X)


@pytest.mark.parametrize("loss", COUNTS)
def test_bytes_are_counts_and_no_pixels(loss, X):
    X = np.minimum(X, 255)
    one, other = (
        ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, epochs=1, **KW).fit(X.astype(dtype))
        for dtype in (np.uint8, np.int64)
    )
    np.testing.assert_array_equal(one.transform(X), other.transform(X.astype(np.uint8)))
    assert one.reconstruct(X.astype(np.uint8)).max() > 1


@pytest.mark.parametrize("loss", COUNTS)
@pytest.mark.parametrize(
    "cls, options",
    [
        (ae.Autoencoder, {"tied": True}),
        (ae.Autoencoder, {"penalty": ae.Contractive(0.01)}),
        (ae.Autoencoder, {"pretrain_epochs": 2}),
        (ae.VAE, {"importance_samples": 3}),
        (ae.VAE, {"corruption": ae.Masking(0.2)}),
        (ae.AdversarialAutoencoder, {}),
        (ae.StackedAutoencoder, {}),
    ],
)
def test_models_of_counts(loss, cls, options, X, tmp_path):
    model = cls(ae.Dense((8,)), 3, loss=loss, epochs=3, **options, **KW).fit(X, X_val=X)
    assert np.isfinite(model.score_samples(X)).all()
    model.save(tmp_path / "model")
    again = ae.load(tmp_path / "model")
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))
    np.testing.assert_array_equal(again.errors(X), model.errors(X))
    np.testing.assert_array_equal(model.frozen().reconstruct(X), model.reconstruct(X))
    np.testing.assert_array_equal(model.frozen().score_samples(X), model.score_samples(X))
    runs = [
        cls(ae.Dense((8,)), 3, loss=loss, epochs=2, accumulate=3, n_threads=t, **options, **KW)
        .fit(X)
        .parameters_
        for t in (1, 3)
    ]
    for name, value in runs[0].items():
        np.testing.assert_array_equal(value, runs[1][name])
    with pytest.raises(ValueError, match="loss: expected '.*', as in fit, got 'mse'"):
        model.set_params(loss="mse", warm_start=True).fit(X)


@pytest.mark.parametrize("loss", COUNTS)
def test_images_sequences_codebooks_and_conditions_of_counts(loss, X, rng):
    images = X[:96].reshape(18, 8, 8, 1)
    for model, data in (
        (ae.VAE(ae.Conv((4,)), 3, loss=loss, epochs=1, **KW), images),
        (ae.VQVAE(ae.ResNet(8, 4, 1, 1), 8, 3, loss=loss, epochs=1, **KW), images),
        (
            ae.Autoencoder(ae.Transformer(8, 2, 1, 16), 3, loss=loss, epochs=1, **KW),
            X.reshape(-1, 3, 4),
        ),
    ):
        rebuilt = model.fit(data).reconstruct(data)
        assert rebuilt.shape == data.shape and np.isfinite(rebuilt).all() and (rebuilt >= 0).all()
        assert model.errors(data).shape == data.shape
    ragged = [x[: 1 + i % 3] for i, x in enumerate(X.reshape(-1, 3, 4))]
    model = ae.VAE(ae.LSTM(4), 3, loss=loss, epochs=1, **KW).fit(ragged)
    for x, made, errors in zip(
        ragged, model.reconstruct(ragged), model.errors(ragged), strict=True
    ):
        assert x.shape == made.shape == errors.shape
    y = -rng.random((len(X), 2))  # properties below 0, which aren't counts
    model = ae.CVAE(ae.Dense((8,)), 3, loss=loss, epochs=1, **KW).fit(X, y)
    assert np.isfinite(model.score_samples(X, y)).all()


@pytest.mark.parametrize("loss", ["poisson", "negative_binomial"])
def test_decoders_that_see_the_step_before_see_its_logarithm(loss, X):
    S = X.reshape(-1, 3, 4)
    model = ae.Autoencoder(ae.LSTM(4, teacher_forcing=True), 3, loss=loss, epochs=2, **KW).fit(S)
    decoder = model._network.decoder
    decoder = next(m for _, m in decoder.modules() if isinstance(m, ae.nn.AutoregressiveLSTM))
    assert decoder.link == "softplus"
    codes, true = model.transform(S), model.reconstruct(S)
    with model._network.tape(
        records=False, training=True, target=true
    ) as tape:  # what it gives itself
        forced = np.exp(model._network.decode(tape.constant(codes)).data)
    np.testing.assert_allclose(forced, true, rtol=1e-3)


def test_a_multinomial_decoder_has_no_step_before(X):
    model = ae.Autoencoder(ae.LSTM(4, teacher_forcing=True), 3, loss="multinomial", epochs=1)
    with pytest.raises(ValueError, match="teacher_forcing"):
        model.fit(X.reshape(-1, 3, 4))


@pytest.mark.parametrize("loss", COUNTS)
def test_decoders_begin_at_the_mean(loss, X):
    model = ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, **KW).initialize(X)
    bias = model.parameters_["decoder.1.bias"]
    mean = X[:256].astype(float).mean(0)
    np.testing.assert_allclose(np.exp(bias), mean + mean.mean() / 1000, rtol=1e-5)
    own = ae.nn.Sequential(ae.nn.Linear(12, 3)), ae.nn.Sequential(ae.nn.Linear(3, 12))
    before = own[1].layers[0].bias.value.copy()
    model = ae.Autoencoder(own, 3, loss=loss, **KW).initialize(X)
    assert np.abs(model.parameters_["decoder.0.bias"]).max() <= max(1, np.abs(before).max())


def test_dispersions_begin_at_the_moments_and_are_learned(rng):
    theta, n = np.array([0.5, 2.0, 8.0]), 20_000
    X = rng.poisson(rng.gamma(theta, 10 / theta, (n, 3))).astype(np.float32)
    model = ae.Autoencoder(ae.Dense(()), 1, loss="negative_binomial", epochs=0, **KW).fit(X)
    start = np.exp(model.parameters_["likelihood.log_theta"])
    np.testing.assert_allclose(start, theta, rtol=0.5)
    how = {"epochs": 8, "learning_rate": 1e-2, "schedule": ae.Cosine(8), **KW}
    model = ae.VAE(ae.Dense(()), 1, loss="negative_binomial", **how).fit(X)
    found = np.exp(model.parameters_["likelihood.log_theta"])
    np.testing.assert_allclose(found, theta, rtol=0.1)


def test_dispersions_of_rare_and_of_even_counts(rng):
    part = Dispersions(3)
    model = ae.Autoencoder(ae.Dense((4,)), 1, loss="negative_binomial", epochs=1, **KW)
    X = np.stack([np.zeros(50), np.full(50, 7), rng.poisson(3, 50)], 1).astype(np.float32)
    log_theta = model.initialize(X).parameters_["likelihood.log_theta"]
    np.testing.assert_allclose(log_theta[:2], [0, math.log(100)], rtol=1e-5)
    assert part.log_theta.value.shape == (3,) and np.isfinite(model.fit(X).score_samples(X)).all()


def test_the_right_loss_explains_counts_best():
    """Held-out log-likelihoods of overdispersed counts, of losses with all constants."""
    X = counts(4000)
    bounds = {}
    for loss in ("gaussian", "poisson", "negative_binomial"):
        how = {"epochs": 10, "learning_rate": 5e-3, **KW}
        model = ae.VAE(ae.Dense((32,)), 2, loss=loss, **how).fit(X[500:])
        bounds[loss] = model.elbo(X[:500], n_samples=4, random_state=0).mean()
    assert bounds["negative_binomial"] > bounds["poisson"] + 5 > bounds["gaussian"] + 10


@pytest.mark.parametrize("loss", COUNTS)
def test_counts_below_zero_are_refused(loss, X):
    X[3, 2] = -1
    model = ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, epochs=1)
    with pytest.raises(ValueError, match=f"X: expected counts, .* for loss='{loss}', got -1"):
        model.fit(X)
    seen = X >= 0  # unless nobody sees them
    model.fit(X, sample_mask=seen)
    with pytest.raises(ValueError, match="X_val: expected counts"):
        model.fit(np.abs(X), X_val=X)


@pytest.mark.parametrize("loss", COUNTS)
def test_traps_of_counts(loss, X, recwarn):
    """Columns of very different size are no trap here; numbers that aren't whole may be one."""
    X[:, 3] *= 1e6
    ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, epochs=1, **KW).fit(X)
    assert not recwarn.list
    with pytest.warns(UserWarning, match=traps.NO_COUNTS):
        ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, epochs=1, **KW).fit(np.log1p(counts()))


def test_a_rate_that_overflows_ends_training(X):
    model = ae.Autoencoder(ae.Dense((8,)), 3, loss="poisson", learning_rate=50.0, epochs=50, **KW)
    with pytest.raises(FloatingPointError, match="learning_rate"):
        model.fit(X * 1e4)
    assert np.isfinite(model.score_samples(X[:1])).all()


def test_a_loss_that_learns_needs_what_it_learns(X):
    model = ae.Autoencoder(ae.Dense((8,)), 3, loss="poisson", epochs=1, **KW).fit(X)
    model.set_params(loss="negative_binomial", warm_start=True)
    with pytest.raises(ValueError, match="loss: expected 'poisson', as in fit"):
        model.fit(X)
    with pytest.raises(ValueError, match="dispersions"):
        model.score_samples(X)


@pytest.mark.parametrize("loss", COUNTS)
def test_detectors_take_counts_as_they_are(loss, X):
    detector = ae.AnomalyDetector(
        ae.Autoencoder(ae.Dense((8,)), 2, loss=loss, epochs=2), measure="loss", random_state=0
    ).fit(X)
    odd = X[:5].copy()
    odd[:, 0] = 1000
    assert detector.score_samples(odd).max() < np.quantile(detector.score_samples(X), 0.05)


@pytest.mark.parametrize("loss", COUNTS)
def test_a_stack_and_its_classifier_see_the_same(loss, X):
    y = (X[:, -1] > np.median(X[:, -1])).astype(int)
    stack = ae.StackedAutoencoder(ae.Dense((8,)), 3, loss=loss, epochs=1, **KW).fit(X)
    hidden = stack.as_features("all").transform(X)
    np.testing.assert_allclose(hidden[:, 8:], stack.transform(X), rtol=1e-5, atol=1e-6)
    classifier = stack.fine_tune(X, y, epochs=20, learning_rate=1e-2)
    assert classifier._network.counts and classifier.score(X, y) > 0.8


@pytest.mark.parametrize("loss", COUNTS)
def test_counts_as_targets_of_anything(loss, X, rng, tmp_path):
    """With pairs the target is what is counted, and X is seen as it is."""
    given = rng.standard_normal((len(X), 5)).astype(np.float32)
    model = ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, epochs=2, **KW)
    model.fit(given, target=X, X_val=(given, X))
    assert not model._network.counts
    rebuilt = model.reconstruct(given)
    np.testing.assert_array_equal(model.reconstruct(given[:2]).shape, (2, 12))
    if loss == "multinomial":  # nobody knows the total
        np.testing.assert_allclose(rebuilt.sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(model.reconstruct(given[:2]).sum(1), 1, rtol=1e-5)
    else:
        assert rebuilt.max() > 1
    errors = model.errors(given, target=X)
    scores = model.score_samples(given, target=X)
    np.testing.assert_allclose(errors.sum(1), -scores, rtol=1e-4, atol=1e-3)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(ae.load(tmp_path / "model").reconstruct(given), rebuilt)
    with pytest.raises(ValueError, match="target: expected counts"):
        model.fit(given, target=-X)


@pytest.mark.parametrize("loss", COUNTS)
def test_a_weight_of_two_is_the_sample_twice(loss, X):
    how = {"optimizer": "sgd", "learning_rate": 1e-4, "batch_size": 1000, "random_state": 0}
    model = ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, epochs=3, shuffle=False, **how)
    X = X[:150]
    weight = 1.0 + (np.arange(len(X)) % 2)
    many = ae.Autoencoder(**model.get_params(deep=False)).fit(np.repeat(X, weight.astype(int), 0))
    for name, value in model.fit(X, sample_weight=weight).parameters_.items():
        want = many.parameters_[name]
        np.testing.assert_allclose(value, want, rtol=1e-4, atol=1e-5, err_msg=name)
