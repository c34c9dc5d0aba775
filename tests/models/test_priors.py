"""Priors over codes, and samples from models with them."""

import math
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore import _core
from aecore.base import runtime
from aecore.base.streams import SAMPLE
from aecore.priors import mixture
from aecore.priors._gaussians import Gaussians, cholesky, log_density, log_joint, triangular_inverse

KW = {"batch_size": 16, "random_state": 0, "epochs": 2}
SMALL = ae.Dense((8,))
CENTERS = np.array([[-6, 0, 0], [0, 5, 0], [4, -4, 3.0]])


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


@pytest.fixture
def blobs(rng):
    """Return codes in three correlated groups of different sizes, and whose they are."""
    y = rng.permutation(np.repeat([0, 1, 2], [300, 200, 100]))
    shape = np.linalg.qr(rng.standard_normal((3, 3)))[0] * [1.5, 0.7, 0.3]
    return CENTERS[y] + rng.standard_normal((600, 3)) @ shape.T, y


# ---- densities ----------------------------------------------------------------------------------


def test_factors(rng):
    a = rng.standard_normal((4, 6, 9))
    a = a @ a.swapaxes(1, 2)
    lower = cholesky(a)
    np.testing.assert_allclose(lower, np.linalg.cholesky(a), rtol=1e-10, atol=1e-12)
    identity = triangular_inverse(lower) @ lower
    np.testing.assert_allclose(identity, np.tile(np.eye(6), (4, 1, 1)), atol=1e-10)
    with pytest.raises(ValueError, match="positive definite"):
        cholesky(-a)


@pytest.mark.parametrize("full", [True, False])
def test_density_by_hand(full, rng):
    k, d, n = 3, 4, 20
    means, Z = rng.standard_normal((k, d)), rng.standard_normal((n, d))
    root = rng.standard_normal((k, d, d + 3))
    matrices = root @ root.swapaxes(1, 2) / d
    weights = np.array([1.0, 5.0, 2.0])
    spread = matrices if full else np.einsum("kdd->kd", matrices)
    prior = ae.GaussianMixture(means=means, covariances=spread, weights=weights)
    if not full:
        matrices = np.stack([np.diag(v) for v in spread])
    total = np.zeros(n)
    for w, mean, c in zip(weights / 8, means, matrices, strict=True):
        gap = Z - mean
        square = np.einsum("nd,de,ne->n", gap, np.linalg.inv(c), gap)
        total += w * np.exp(-square / 2) / np.sqrt(np.linalg.det(2 * math.pi * c))
    np.testing.assert_allclose(prior.score_samples(Z), np.log(total), rtol=1e-9)
    assert prior.score(Z) == pytest.approx(np.log(total).mean())
    np.testing.assert_allclose(prior.covariances_, spread, rtol=1e-9)
    np.testing.assert_allclose(prior.weights_, weights / 8)


def test_normal_is_the_simplest_mixture(rng):
    Z = rng.standard_normal((20, 3)) * 2
    same = ae.GaussianMixture(means=np.zeros((1, 3)), covariances=np.full((1, 3), 0.49))
    np.testing.assert_allclose(ae.Normal(0.7).score_samples(Z), same.score_samples(Z), rtol=1e-12)
    assert log_density(log_joint(Gaussians(np.array([0, 1.0]), Z[:2], Z[:2] ** 2), Z)).shape == (
        20,
    )


def test_codes_in_any_container(rng):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    Z, y = rng.standard_normal((60, 3)), np.arange(60) % 2
    columns = dict(zip("abc", Z.T, strict=True))
    frame = pd.DataFrame(columns)
    for prior in (ae.GaussianMixture(3), ae.Normal(0.5)):
        want = prior.fit(Z, y).score_samples(Z)
        forms = [Z.tolist(), np.asfortranarray(Z), frame, frame.convert_dtypes()]
        for given in (*forms, pl.DataFrame(columns)):
            found = type(prior)(**prior.get_params(False)).fit(given, y.astype(object))
            np.testing.assert_array_equal(found.score_samples(given), want)
        assert found.feature_names_in_.tolist() == ["a", "b", "c"]
        with pytest.raises(ValueError, match="Feature names must be in the same order"):
            found.score(frame[["b", "a", "c"]])
        with pytest.raises(ValueError, match="X has 2 features, but .* is expecting 3 features"):
            prior.score(Z[:, :2])
        with pytest.raises(ValueError, match="contains? missing|finite|NaN"):
            prior.score(np.full((2, 3), np.nan))
    known = ae.GaussianMixture(means=[[0.0, 0, 0]])
    np.testing.assert_array_equal(known.score_samples(frame), known.score_samples(Z))


# ---- fitting ------------------------------------------------------------------------------------


def in_order(mixture):
    order = np.argsort(mixture.means_[:, 0])
    return [a[order] for a in (mixture.weights_, mixture.means_, mixture.covariances_)]


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_fit_beside_scikit_learn(covariance, blobs):
    mixture = pytest.importorskip("sklearn.mixture")
    Z = blobs[0]
    floor = {"covariance_type": covariance, "reg_covar": 1e-6 * Z.var(0).mean()}
    ours = ae.GaussianMixture(3, covariance=covariance, tol=1e-9, max_iter=500).fit(Z)
    theirs = mixture.GaussianMixture(3, **floor, tol=1e-9, max_iter=500, means_init=CENTERS)
    theirs.fit(Z)
    for a, b in zip(in_order(ours), in_order(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ours.score_samples(Z), theirs.score_samples(Z), atol=1e-3)
    assert ours.converged_ and 1 <= ours.n_iter_ < 500
    # the same steps from the same start
    few = ae.GaussianMixture(3, covariance=covariance, max_iter=1, tol=0.0).fit(Z)
    more = ae.GaussianMixture(3, covariance=covariance, max_iter=2, tol=0.0).fit(Z)
    inverse = np.linalg.inv(few.covariances_) if covariance == "full" else 1 / few.covariances_
    start = {"means_init": few.means_, "weights_init": few.weights_, "precisions_init": inverse}
    step = mixture.GaussianMixture(3, **floor, max_iter=1, **start)
    with pytest.warns(UserWarning, match="did not converge"):
        step.fit(Z)
    np.testing.assert_allclose(more.means_, step.means_, rtol=1e-9)
    np.testing.assert_allclose(more.weights_, step.weights_, rtol=1e-9)
    np.testing.assert_allclose(more.covariances_, step.covariances_, rtol=1e-7)
    assert not few.converged_


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_information_criteria_beside_scikit_learn(covariance, blobs):
    theirs = pytest.importorskip("sklearn.mixture").GaussianMixture(3, covariance_type=covariance)
    Z, _ = blobs
    theirs.fit(Z)
    ours = ae.GaussianMixture(
        means=theirs.means_, covariances=theirs.covariances_, weights=theirs.weights_
    )
    assert ours.bic(Z) == pytest.approx(theirs.bic(Z), rel=1e-9)
    assert ours.aic(Z) == pytest.approx(theirs.aic(Z), rel=1e-9)


def test_fit_finds_the_groups(blobs):
    Z, y = blobs
    weights, means, _ = in_order(ae.GaussianMixture(3).fit(Z))
    np.testing.assert_allclose(weights, [0.5, 1 / 3, 1 / 6], atol=0.01)
    np.testing.assert_allclose(means, [Z[y == c].mean(0) for c in range(3)], atol=0.05)
    one = ae.GaussianMixture(1, regularization=1e-12).fit(Z)
    np.testing.assert_allclose(one.covariances_[0], np.cov(Z.T, bias=True), rtol=1e-6)
    scores = [ae.GaussianMixture(3, max_iter=n, tol=0.0).fit(Z).score(Z) for n in (1, 2, 4, 8)]
    assert (np.diff(scores) > -1e-12).all()  # every step is uphill


@pytest.mark.parametrize("part", [500, 60])  # codes a component: all of them, or half
def test_the_likeliest_of_many_starts_is_likelier_than_one_fit(part, rng, monkeypatch):
    monkeypatch.setattr(mixture, "PART", part)
    wide = np.array([[0, 0], [14, 0]]) + rng.normal(size=(480, 2, 2)) * 2.5
    narrow = np.stack([4 + 2.0 * (np.arange(8) // 2), 10 + 3.0 * (np.arange(8) % 2)], 1)
    narrow = narrow + rng.normal(size=(30, 8, 2)) * 0.3
    Z = np.concatenate([wide.reshape(-1, 2), narrow.reshape(-1, 2)])
    for seed in range(2):
        prior = ae.GaussianMixture(10, random_state=seed)
        found = prior.likeliest(Z)
        assert log_density(log_joint(found, Z)).mean() > prior.fit(Z).score_samples(Z).mean() + 0.1
        assert found.weights.sum() == pytest.approx(1)
        np.testing.assert_array_equal(prior.likeliest(Z).means, found.means)


def test_fit_is_deterministic_for_any_number_of_threads(blobs):
    def bits(threads, seed=0):
        with runtime.threads(threads):
            prior = ae.GaussianMixture(4, random_state=seed).fit(blobs[0].astype(np.float32))
            drawn = prior.draw(50, 3, 1)
        return [a.tobytes() for a in (prior.weights_, prior.means_, prior.covariances_, drawn)]

    assert bits(1) == bits(2) == bits(3) != bits(1, seed=5)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_fit_has_no_scale(scale, blobs):
    plain, scaled = (ae.GaussianMixture(12, tol=1e-6).fit(blobs[0] * s) for s in (1, scale))
    np.testing.assert_allclose(scaled.means_ / scale, plain.means_, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(scaled.weights_, plain.weights_, rtol=1e-3, atol=1e-4)


def test_a_fitted_mixture_can_be_made_again(blobs):
    prior = ae.GaussianMixture(2).fit(*blobs)
    names = ("means", "covariances", "weights", "labels")
    again = ae.GaussianMixture(**{name: getattr(prior, f"{name}_") for name in names})
    np.testing.assert_allclose(again.draw(9, 3, 0, y=2), prior.draw(9, 3, 0, y=2), rtol=1e-5)
    np.testing.assert_allclose(again.score_samples(blobs[0]), prior.score_samples(blobs[0]))


def test_fit_of_repeated_and_constant_codes():
    Z = np.repeat([[0.0, 1.0], [2.0, 1.0]], 10, axis=0)
    prior = ae.GaussianMixture(2).fit(Z)
    np.testing.assert_allclose(np.sort(prior.means_[:, 0]), [0, 2], atol=1e-6)
    assert np.isfinite(ae.GaussianMixture(5).fit(Z).score_samples(Z)).all()
    assert np.isfinite(ae.GaussianMixture(5).fit(Z).draw(100, 2, 0)).all()


# ---- draws --------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_draws_have_the_moments_of_the_mixture(covariance, blobs):
    prior = ae.GaussianMixture(3, covariance=covariance).fit(blobs[0])
    Z = prior.draw(40000, 3, seed=3)
    assert Z.dtype == np.float32 and Z.shape == (40000, 3)
    weights, means, matrices = prior.weights_, prior.means_, prior.covariances_
    if covariance == "diag":
        matrices = np.stack([np.diag(v) for v in matrices])
    mean = weights @ means
    second = np.einsum("k,kde->de", weights, matrices + means[:, :, None] * means[:, None])
    np.testing.assert_allclose(Z.mean(0), mean, atol=0.1)
    np.testing.assert_allclose(np.cov(Z.T), second - np.outer(mean, mean), atol=0.4)
    nearest = ((Z[:, None] - means) ** 2).sum(-1).argmin(1)
    np.testing.assert_allclose(np.bincount(nearest) / 40000, weights, atol=0.01)
    again = ae.GaussianMixture(3, covariance=covariance).fit(Z)
    np.testing.assert_allclose(in_order(again)[1], in_order(prior)[1], atol=0.1)


@pytest.mark.parametrize("prior", [ae.Normal(0.5), ae.GaussianMixture(means=CENTERS)])
def test_draws_are_places_in_a_stream(prior):
    whole = prior.draw(20, 3, seed=4)
    np.testing.assert_array_equal(whole[:7], prior.draw(7, 3, seed=4))
    np.testing.assert_array_equal(whole[7:], prior.draw(13, 3, seed=4, offset=7))
    assert not np.array_equal(whole, prior.draw(20, 3, seed=5))
    assert not np.array_equal(whole, prior.draw(20, 3, seed=4, purpose=SAMPLE + 1))
    assert prior.draw(0, 3, seed=4).shape == (0, 3)


@pytest.mark.parametrize("names", [[0, 1, 2], ["a", "b", "c"], [True, False]])
def test_classes_have_components_of_their_own(names, blobs):
    Z, y = blobs
    Z, y = Z[y < len(names)], y[y < len(names)]
    prior = ae.GaussianMixture(2).fit(Z, np.array(names)[y])
    assert prior.has_classes and not ae.GaussianMixture(2).fit(Z).has_classes
    assert prior.labels_.tolist() == sorted(names * 2)
    for c, name in enumerate(names):
        drawn = prior.draw(500, 3, seed=1, y=name)
        np.testing.assert_allclose(drawn.mean(0), Z[y == c].mean(0), atol=0.3)
        assert prior.weights_[prior.labels_ == name].sum() == pytest.approx(np.mean(y == c))
    mixed = prior.draw(6, 3, seed=1, y=[names[0], names[1]] * 3)
    np.testing.assert_array_equal(mixed[::2], prior.draw(6, 3, seed=1, y=names[0])[::2])
    np.testing.assert_array_equal(mixed[1::2], prior.draw(6, 3, seed=1, y=names[1])[1::2])


# ---- models -------------------------------------------------------------------------------------


def test_an_autoencoder_samples_a_fitted_prior(X):
    model = ae.Autoencoder(SMALL, 3, loss="bce", **KW).fit(X)
    with pytest.raises(
        ValueError,
        match=r"prior: expected one .* \(VAE does\).* fitted to the codes of this Auto.*; or near",
    ):
        model.sample(3)
    prior = ae.GaussianMixture(4).fit(model.transform(X))
    a = model.sample(300, prior=prior, random_state=1)
    assert a.shape == (300, 12) and (a > 0).all() and (a < 1).all()
    np.testing.assert_array_equal(a[:7], model.sample(7, prior=prior, random_state=1))
    codes = prior.draw(300, 3, seed=1)
    np.testing.assert_allclose(a, model.inverse_transform(codes), rtol=1e-6)
    np.testing.assert_array_equal(a, model.sample(300, prior=prior, random_state=1, y="any"))


def test_samples_of_a_class_from_a_model_without_classes(rng):
    y = rng.integers(0, 3, 300)
    X = np.eye(3, dtype=np.float32)[y] + 0.05 * rng.standard_normal((300, 3)).astype(np.float32)
    model = ae.VAE(
        ae.Dense((16,)),
        2,
        loss="gaussian",
        epochs=60,
        learning_rate=1e-2,
        **{k: v for k, v in KW.items() if k != "epochs"},
    ).fit(X)
    prior = ae.GaussianMixture(2).fit(model.transform(X), np.array(["a", "b", "c"])[y])
    made = model.sample(90, prior=prior, y=["a", "b", "c"] * 30, random_state=0)
    assert (made.argmax(1) == np.arange(90) % 3).mean() > 0.95
    assert (model.sample(50, prior=prior, y="b", random_state=0).argmax(1) == 1).mean() > 0.95


def test_a_conditional_model_with_a_prior(X):
    y = np.arange(50) % 3
    model = ae.CVAE(SMALL, 3, **KW).fit(X, y)
    codes = model.transform(X, y)
    plain, classes = ae.GaussianMixture(2).fit(codes), ae.GaussianMixture(2).fit(codes, y)
    drawn = plain.draw(4, 3, seed=0)
    got = model.sample(4, y=1, prior=plain, random_state=0)
    np.testing.assert_allclose(got, model.inverse_transform(drawn, [1] * 4), rtol=1e-6)
    drawn = classes.draw(4, 3, seed=0, y=1)
    got = model.sample(4, y=1, prior=classes, random_state=0)
    np.testing.assert_allclose(got, model.inverse_transform(drawn, [1] * 4), rtol=1e-6)
    assert model.sample(4, y=1, near=X[0], random_state=0).shape == (4, 12)


def test_the_prior_of_a_vae_is_normal(X):
    model = ae.VAE(SMALL, 3, **KW).fit(X)
    plain = model.sample(5, random_state=0)
    np.testing.assert_array_equal(plain, model.sample(5, prior=ae.Normal(), random_state=0))
    z = np.empty((5, 3), np.float32)
    _core.random_normal(z, 0, SAMPLE, 0, runtime.current())
    np.testing.assert_allclose(plain, model.inverse_transform(z), rtol=1e-6)
    cold = model.sample(5, prior=ae.Normal(0.5), random_state=0)
    np.testing.assert_allclose(cold, model.inverse_transform(z / 2), rtol=1e-6)


@pytest.mark.parametrize("cls", [ae.Autoencoder, ae.VAE])
def test_samples_near_another(cls, X):
    model = cls(SMALL, 3, **KW).fit(X)
    code, noise = model.transform(X[:1]), ae.Normal().draw(6, 3, seed=2)
    deviation = np.exp(model.encode_distribution(X[:1])[1] / 2) if cls is ae.VAE else 1.0
    got = model.sample(6, near=X[0], scale=0.3, random_state=2)
    want = model.inverse_transform(code + 0.3 * deviation * noise)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    still = model.sample(2, near=X[0], scale=0.0)
    np.testing.assert_allclose(still, np.repeat(model.reconstruct(X[:1]), 2, 0), atol=1e-6)


def test_samples_of_every_architecture(rng):
    x = rng.random((20, 8, 8, 2), dtype=np.float32)
    for arch, data in ((ae.Conv((4,)), x), (ae.LSTM(5), x[:, :, 0]), (SMALL, x)):
        model = ae.Autoencoder(arch, 3, **KW).fit(data)
        prior = ae.GaussianMixture(2).fit(model.transform(data))
        assert model.sample(4, prior=prior).shape == (4, *data.shape[1:])
        assert model.sample(4, near=data[0]).shape == (4, *data.shape[1:])
        walk = model.interpolate(data[0], data[1], 3, path="spherical")
        np.testing.assert_allclose(walk[[0, -1]], model.reconstruct(data[:2]), atol=1e-5)
    shorter = ae.VAE(ae.LSTM(5), 2, **KW).fit([s[: 3 + i % 4] for i, s in enumerate(x[:, :, 0])])
    assert shorter.sample(3, near=x[0, :4, 0]).shape == (3, 6, 2)


def test_spherical_interpolation_turns_at_an_even_rate(X):
    nn = ae.nn  # codes are the first two features
    pair = nn.Sequential(nn.Linear(2, 2, bias=False)), nn.Sequential(nn.Linear(2, 2, bias=False))
    model = ae.Autoencoder(pair, 2, **KW).initialize(X[:, :2])
    for p in model.parameters_.values():
        p[...] = np.eye(2)
    walk = model.interpolate([3, 0], [0, 3], 4, path="spherical")
    angles = np.radians([0, 30, 60, 90])
    np.testing.assert_allclose(walk, 3 * np.stack([np.cos(angles), np.sin(angles)], 1), atol=1e-5)
    straight = model.interpolate([3, 0], [0, 3], 4)
    np.testing.assert_allclose(straight, [[3, 0], [2, 1], [1, 2], [0, 3]], atol=1e-5)
    for a, b in (([1, 2], [2, 4]), ([1, 0], [-1, 0]), ([0, 0], [1, 1])):  # on a line through 0
        walk = model.interpolate(a, b, 3, path="spherical")
        np.testing.assert_allclose(walk, model.interpolate(a, b, 3), atol=1e-6)


# ---- what is refused ----------------------------------------------------------------------------

Z = np.random.default_rng(0).standard_normal((20, 3))
REFUSED = [
    (lambda m: ae.GaussianMixture(0).fit(Z), ValueError, "components: expected at least 1"),
    (lambda m: ae.GaussianMixture(2.0).fit(Z), TypeError, "components: expected an integer"),
    (lambda m: ae.GaussianMixture(21).fit(Z), ValueError, "expected at least 21 codes"),
    (lambda m: ae.GaussianMixture(5).fit(Z, [0] * 18 + [7] * 2), ValueError, "of class 7"),
    (lambda m: ae.GaussianMixture(covariance="tied").fit(Z), ValueError, "'full', 'diag'"),
    (lambda m: ae.GaussianMixture(tol=-1).fit(Z), ValueError, "tol"),
    (lambda m: ae.GaussianMixture(max_iter=0).fit(Z), ValueError, "max_iter"),
    (lambda m: ae.GaussianMixture(regularization=0).fit(Z), ValueError, "regularization"),
    (lambda m: ae.GaussianMixture(random_state=None).fit(Z), TypeError, "random_state"),
    (lambda m: ae.GaussianMixture(2).fit(Z[0]), ValueError, "shape (N, D)"),
    (lambda m: ae.GaussianMixture(2).fit(Z[:0]), ValueError, "shape (N, D)"),
    (lambda m: ae.GaussianMixture(2).fit(Z * np.nan), ValueError, "NaN"),
    (lambda m: ae.GaussianMixture(2).fit(Z.astype(str)), TypeError, "Z: expected real numbers"),
    (
        lambda m: ae.GaussianMixture(2).fit(Z, Z[:, 0]),
        TypeError,
        "expected integers, booleans or strings",
    ),
    (lambda m: ae.GaussianMixture(2).fit(Z, [1, 2]), ValueError, "expected 20 labels"),
    (lambda m: ae.GaussianMixture(means=Z).fit(Z), ValueError, "means: expected None"),
    (lambda m: ae.GaussianMixture(2).draw(3, 3, 0), ValueError, "not fitted"),
    (lambda m: ae.GaussianMixture(2).fit(Z).draw(3, 4, 0), ValueError, "4 numbers, got one of 3"),
    (lambda m: ae.GaussianMixture(2).fit(Z).score_samples(Z[:, :2]), ValueError, "(N, 3)"),
    (lambda m: ae.GaussianMixture(2).fit(Z).draw(3, 3, 0, y=1), ValueError, "without classes"),
    (lambda m: ae.GaussianMixture(means=Z, labels=[1]).draw(3, 3, 0), ValueError, "labels"),
    (lambda m: ae.GaussianMixture(means=Z, weights=[1]).draw(3, 3, 0), ValueError, "weights"),
    (lambda m: ae.GaussianMixture(means=Z[0]).draw(3, 3, 0), ValueError, "means"),
    (
        lambda m: ae.GaussianMixture(means=Z, covariances=-(Z**2)).draw(3, 3, 0),
        ValueError,
        "positive",
    ),
    (lambda m: ae.GaussianMixture(means=Z, covariances=[1]).draw(3, 3, 0), ValueError, "(20, 3)"),
    (lambda m: ae.Normal(0).draw(3, 3, 0), ValueError, "prior: scale"),
    (lambda m: ae.Normal("1").draw(3, 3, 0), TypeError, "prior: scale"),
    (lambda m: ae.Normal().draw(3, 3, 0, y=1), ValueError, "no classes"),
    (lambda m: m.sample(3, prior="normal"), TypeError, "object like Normal()"),
    (lambda m: m.sample(3, prior=ae.GaussianMixture), TypeError, "object like Normal()"),
    (lambda m: m.sample(3, prior=ae.GaussianMixture(2).fit(Z)), ValueError, "2 numbers"),
    (lambda m: m.sample(3, prior=ae.Normal(), near=Z[0]), ValueError, "near"),
    (lambda m: m.sample(3, near=Z), ValueError, "near: expected one sample"),
    (lambda m: m.sample(3, near=Z[0], scale=-1), ValueError, "scale"),
    (lambda m: m.sample(3, scale=2), ValueError, "scale"),
    (lambda m: m.sample(-1, near=Z[0]), ValueError, "n: expected at least 0"),
    (lambda m: m.interpolate(Z[0], Z[1], 3, path="curved"), ValueError, "'spherical'"),
]


@pytest.mark.parametrize("call, error, words", REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error, words):
    model = ae.VAE(SMALL, 2, **KW).fit(Z)
    with pytest.raises(error) as caught:
        call(model)
    assert words in str(caught.value)


def test_unknown_classes_are_named(blobs):
    prior = ae.GaussianMixture(2).fit(blobs[0], np.array(["x", "y", "z"])[blobs[1]])
    with pytest.raises(ValueError, match="expected labels of the prior, x, y, z, got 'w'"):
        prior.draw(2, 3, 0, y=["x", "w"])


def test_priors_are_values(blobs):
    prior = ae.GaussianMixture(3).fit(blobs[0], blobs[1])
    again = pickle.loads(pickle.dumps(prior))
    np.testing.assert_array_equal(again.draw(9, 3, 0, y=1), prior.draw(9, 3, 0, y=1))
    assert ae.Normal(2.0) == ae.Normal(2.0) != ae.Normal()
    assert repr(ae.GaussianMixture(4, covariance="diag")) == (
        "GaussianMixture(components=4, covariance='diag')"
    )
    assert ae.GaussianMixture(3).set_params(components=2).get_params()["components"] == 2


MODULES = ["priors.mixture", "priors.normal", "divergences", "models.vae", "models.autoencoder"]
