"""How likely samples are: importance sampling with its error, and annealed importance sampling."""

import math

import aecore as ae
import numpy as np
import pytest
from aecore.models.variational.annealed import temperatures
from aecore.models.variational.weights import LogMean

KW = {"batch_size": 16, "random_state": 0}


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 8))
    return (mixed + 0.5 * rng.standard_normal((300, 8)) + 1).astype(np.float32)


def linear(X, **options):
    """Return a VAE whose ln p(x) is known, and that of some samples."""
    how = {"loss": "gaussian", "epochs": 60, "learning_rate": 5e-3, "random_state": 0}
    model = ae.VAE(ae.Dense(()), 3, **how, **options).fit(X)
    scale = options["prior"].scale if "prior" in options else 1.0
    weight, bias, log_sigma = (
        model.parameters_[n].astype(np.float64)
        for n in ("decoder.0.weight", "decoder.0.bias", "likelihood.log_sigma")
    )
    spread = scale**2 * weight @ weight.T + math.exp(2 * log_sigma[0]) * np.eye(len(weight))
    gap = X - bias
    square = np.einsum("nd,de,ne->n", gap, np.linalg.inv(spread), gap)
    return model, -(square + np.linalg.slogdet(2 * np.pi * spread)[1]) / 2


@pytest.mark.parametrize(
    "options",
    [{}, {"prior": ae.Normal(2.0)}, {"posterior": ae.InverseAutoregressiveFlow(2, 16, 4)}],
    ids=["plain", "prior", "flow"],
)
def test_both_agree_with_a_likelihood_that_is_known(options, X):
    model, want = linear(X, **options)
    few, want = X[:40], want[:40]
    how = {"return_std": True, "random_state": 0}
    weighted, error = model.log_likelihood(few, n_samples=1000, **how)
    assert weighted.dtype == error.dtype == np.float32
    assert (np.abs(weighted - want) < 4 * error + 0.02).mean() > 0.9 and error.mean() < 0.1
    assert abs((weighted - want).mean()) < 0.05
    annealed, doubt = model.annealed_log_likelihood(few, n_temperatures=60, n_leapfrog=5, **how)
    assert (np.abs(annealed - want) < 5 * doubt + 0.02).all() and doubt.mean() < 0.5
    # what is stated is about how far off the estimates are
    for off, stated in ((weighted - want, error), (annealed - want, doubt)):
        assert 0.5 < np.median(np.abs(off)) / (0.6745 * np.median(stated)) < 2


def test_annealing_more_slowly_is_closer(X):
    model, want = linear(X)
    few, want = X[:30], want[:30]
    off = [
        np.abs(
            model.annealed_log_likelihood(few, n_temperatures=t, n_leapfrog=5, random_state=0)
            - want
        ).mean()
        for t in (2, 100)
    ]
    assert off[1] < off[0] / 2


def test_a_mixture_of_components_as_prior(X):
    means = np.array([[-3.0, 0, 0], [3, 0, 0]])
    prior = ae.GaussianMixture(means=means, covariances=np.full((2, 3), 0.25))
    model = ae.VAE(ae.Dense((8,)), 3, prior=prior, loss="gaussian", epochs=20, **KW).fit(X)
    how = {"return_std": True, "random_state": 0}
    weighted, error = model.log_likelihood(X[:30], n_samples=1000, **how)
    annealed, doubt = model.annealed_log_likelihood(X[:30], n_temperatures=100, **how)
    assert abs((weighted - annealed).mean()) < 0.3
    assert (np.abs(weighted - annealed) < 6 * np.hypot(error, doubt) + 0.1).mean() > 0.9


def test_conditions_and_targets(X):
    y = np.arange(len(X)) % 3
    model = ae.CVAE(ae.Dense((8,)), 2, loss="gaussian", epochs=20, **KW).fit(X, y)
    how = {"return_std": True, "random_state": 0}
    weighted, _ = model.log_likelihood(X[:30], y[:30], n_samples=1000, **how)
    annealed, _ = model.annealed_log_likelihood(X[:30], y[:30], n_temperatures=60, **how)
    assert abs((weighted - annealed).mean()) < 0.2
    other, _ = model.annealed_log_likelihood(X[:30], y[1:31], n_temperatures=60, **how)
    assert not np.array_equal(other, annealed)
    pairs = ae.VAE(ae.Dense((8,)), 2, loss="gaussian", epochs=2, **KW).fit(X, target=X[:, :4])
    assert pairs.annealed_log_likelihood(
        X[:5], target=X[:5, :4], n_temperatures=2, n_chains=2
    ).shape == (5,)


def test_errors_of_means_by_hand(X):
    model = ae.VAE(ae.Dense((8,)), 2, loss="gaussian", epochs=2, **KW).fit(X)
    s = 7
    value, error = model.log_likelihood(X, n_samples=s, return_std=True, random_state=0)
    np.testing.assert_array_equal(value, model.log_likelihood(X, n_samples=s, random_state=0))
    rng = np.random.default_rng(0)
    logs = rng.standard_normal((s, 4)) * 3 - 1000
    found = LogMean(4)
    for row in logs:
        found.add(row)
    weights = np.exp(logs + 1000)
    np.testing.assert_allclose(found.value() + 1000, np.log(weights.mean(0)), rtol=1e-9)
    want = weights.std(0, ddof=1) / math.sqrt(s) / weights.mean(0)
    np.testing.assert_allclose(found.error(), want, rtol=1e-9)
    one = LogMean(2)
    one.add(np.zeros(2))
    assert np.isnan(one.error()).all() and (one.value() == 0).all()
    one.add(np.zeros(2))
    assert (one.error() == 0).all()


def test_the_same_bits(X):
    model = ae.VAE(ae.Dense((8,)), 2, loss="gaussian", epochs=2, **KW).fit(X)
    before = {n: v.copy() for n, v in model.parameters_.items()}
    how = {"n_temperatures": 4, "n_chains": 3, "random_state": 0}
    want = model.annealed_log_likelihood(X, **how)
    np.testing.assert_array_equal(model.annealed_log_likelihood(X, **how), want)
    np.testing.assert_array_equal(
        model.set_params(n_threads=2).annealed_log_likelihood(X, **how), want
    )
    assert not np.array_equal(model.annealed_log_likelihood(X, **how | {"random_state": 1}), want)
    for name, value in model.parameters_.items():
        np.testing.assert_array_equal(value, before[name])
    again = ae.VAE(ae.Dense((8,)), 2, loss="gaussian", epochs=2, warm_start=True, **KW).fit(X)
    whole = ae.VAE(ae.Dense((8,)), 2, loss="gaussian", epochs=4, **KW).fit(X)
    again.annealed_log_likelihood(X[:5], **how)  # leaves nothing behind that training would see
    np.testing.assert_array_equal(again.fit(X).transform(X), whole.transform(X))


def test_temperatures():
    for count in (1, 2, 7, 100):
        betas = temperatures(count)
        assert len(betas) == count and betas[-1] == 1 and (np.diff([0, *betas]) > 0).all()
    steps = np.diff([0, *temperatures(100)])
    assert steps[0] < steps[50] / 5 and steps[-1] < steps[50] / 5


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"n_temperatures": 0}, ValueError, "n_temperatures"),
        ({"n_chains": 0}, ValueError, "n_chains"),
        ({"n_chains": 1, "return_std": True}, ValueError, "n_chains"),
        ({"n_leapfrog": 1.5}, TypeError, "n_leapfrog"),
    ],
)
def test_senseless_arguments_are_refused(options, error, words, X):
    model = ae.VAE(ae.Dense((8,)), 2, epochs=1, **KW).fit(X)
    with pytest.raises(error, match=words):
        model.annealed_log_likelihood(X, **options)
    with pytest.raises(ValueError, match="n_samples: expected at least 2"):
        model.log_likelihood(X, n_samples=1, return_std=True)


def test_a_decoder_that_takes_its_own_outputs(X):
    steps = X.reshape(len(X), 4, 2)
    model = ae.VAE(ae.LSTM(4, teacher_forcing=True), 2, epochs=1, **KW).fit(steps)
    with pytest.raises(ValueError, match="teacher forcing"):
        model.annealed_log_likelihood(steps[:3])
    free = ae.VAE(ae.LSTM(4), 2, epochs=1, **KW).fit(steps)
    assert free.annealed_log_likelihood(steps[:3], n_temperatures=2, n_chains=2).shape == (3,)
