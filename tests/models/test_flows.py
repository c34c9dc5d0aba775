"""VAEs whose posterior or prior is a normalizing flow."""

import copy
import math
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore.data.batches import Batches
from aecore.priors.learned import LearnedPrior
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from support.steps import check_step

KW = {"batch_size": 16, "random_state": 0}
TANH = ae.Dense((8,), activation="tanh")
IAF = ae.InverseAutoregressiveFlow(2, 12, 4)
NVP = ae.RealNVP(3, 7)

CASES = {
    "planar": (ae.VAE, {"posterior": ae.PlanarFlow(3)}),
    "autoregressive": (ae.VAE, {"posterior": IAF, "beta": 0.7}),
    "without context": (ae.VAE, {"posterior": ae.InverseAutoregressiveFlow(3, 9, 0)}),
    "prior": (ae.VAE, {"prior": NVP, "beta": 1.3}),
    "both": (ae.VAE, {"prior": NVP, "posterior": IAF, "loss": "gaussian"}),
    "mixture": (ae.VAE, {"prior": ae.GaussianMixture(3), "posterior": IAF}),
    "condition": (ae.CVAE, {"posterior": IAF, "prior": NVP}),
    "several": (ae.VAE, {"posterior": IAF, "prior": NVP, "importance_samples": 3}),
    "several conditions": (ae.CVAE, {"posterior": IAF, "importance_samples": 2}),
    "conv": (ae.VAE, {"posterior": IAF, "arch": ae.Conv((4,), activation="tanh")}),
    "conv maps": (
        ae.VAE,
        {"posterior": IAF, "prior": NVP, "arch": ae.Conv((4,), flatten=False, activation="tanh")},
    ),
    "conv maps several": (
        ae.VAE,
        {
            "posterior": IAF,
            "importance_samples": 2,
            "arch": ae.Conv((4,), flatten=False, activation="tanh"),
        },
    ),
    "lstm": (ae.VAE, {"posterior": IAF, "arch": ae.LSTM(4)}),
    "sparse": (ae.VAE, {"posterior": ae.PlanarFlow(2), "penalty": ae.L1Sparsity(0.3)}),
}


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


def samples(case, X, rng):
    if "conv" in case:
        return rng.random((30, 9, 7, 3), dtype=np.float32)
    return X.reshape(len(X), -1, 2) if "lstm" in case else X


def made(case, **options):
    cls, params = CASES[case]
    return cls(**{"arch": TANH, "latent_dim": 3, **params, **KW, **options})


def conditions(case, X):
    return np.arange(len(X)) % 3 if "condition" in case else None


def shaken(model, seed=0, scale=0.3):
    """Give the flows of a model parameters that do something."""
    rng = np.random.default_rng(seed)
    for name, values in model.parameters_.items():
        if name.startswith(("prior.", "posterior.")):
            values += scale * rng.standard_normal(values.shape)
    return model


# ---- training -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_a_step(case, X, rng):
    x = samples(case, X, rng)
    y = conditions(case, x)
    model = shaken(made(case).initialize(x, y))
    known = model._network.conditioner
    condition = known and known.read(y, len(x))
    batch = next(Batches(model._input(x, y).data, 20, condition=condition)())
    batch.epoch = 1.0
    check_step(model, batch, rng)


@pytest.mark.parametrize("case", CASES)
def test_all_that_a_model_answers(case, X, rng, tmp_path):
    x = samples(case, X, rng)
    y = conditions(case, x)
    given = {} if y is None else {"y": y}
    model = made(case, epochs=2, kl_warmup=1, validation_fraction=0.2).fit(x, **given)
    assert np.isfinite([v for r in model.history_ for v in r.values()]).all()
    same = {"random_state": 1}
    answers = {
        "transform": lambda m: m.transform(x, **given),
        "few": lambda m: m.transform(x[:2], **{k: v[:2] for k, v in given.items()}),
        "reconstruct": lambda m: m.reconstruct(x, **given),
        "score": lambda m: m.score_samples(x, **given),
        "elbo": lambda m: m.elbo(x, n_samples=2, **given, **same),
        "likelihood": lambda m: m.log_likelihood(x, n_samples=3, **given, **same),
        "sample": lambda m: m.sample(4, **{k: v[:4] for k, v in given.items()}, **same),
        "near": lambda m: m.sample(4, near=x[0], **{k: v[0] for k, v in given.items()}, **same),
        "between": lambda m: m.interpolate(x[0], x[1], 3, **{k: v[0] for k, v in given.items()}),
    }
    if "lstm" not in case:
        answers["annealed"] = lambda m: m.annealed_log_likelihood(
            x[:9], n_temperatures=2, n_chains=2, n_leapfrog=2, **_first(given, 9), **same
        )
    want = {name: answer(model) for name, answer in answers.items()}
    for name, values in want.items():
        assert np.isfinite(values).all(), name
    codes = model.inverse_transform(want["transform"], **given)
    np.testing.assert_allclose(codes, want["reconstruct"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(want["few"], want["transform"][:2], rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "m")
    for other in (ae.load(tmp_path / "m"), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        for name, answer in answers.items():
            np.testing.assert_array_equal(answer(other), want[name], err_msg=name)
    frozen = model.frozen()
    np.testing.assert_array_equal(frozen.transform(x, **given), want["transform"])
    again = clone(model).fit(x, **given)
    np.testing.assert_array_equal(again.transform(x, **given), want["transform"])
    two = clone(model).set_params(n_threads=2).fit(x, **given)
    for name, answer in answers.items():
        np.testing.assert_array_equal(answer(two), want[name], err_msg=name)


def _first(given, n):
    return {k: v[:n] for k, v in given.items()}


@pytest.mark.parametrize("case", ["both", "several", "condition", "planar"])
def test_going_on_gives_the_same_bits(case, X):
    y = conditions(case, X)
    whole = made(case, epochs=4).fit(X, y)
    parts = made(case, epochs=2, warm_start=True).fit(X, y).fit(X, y)
    np.testing.assert_array_equal(whole._network.flat.value, parts._network.flat.value)


def test_a_prior_learns_how_codes_are_bent(rng):
    """Behind a linear decoder N(0, I) fits a plane of samples on a parabola badly, a flow well."""
    along = rng.standard_normal(400)
    z = np.stack([along, along**2 + 0.1 * rng.standard_normal(400)], 1)
    X = z @ rng.standard_normal((2, 6)) + 0.1 * rng.standard_normal((400, 6))
    how = {"loss": "gaussian", "epochs": 80, "learning_rate": 1e-2, "random_state": 0}
    found = [
        ae.VAE(ae.Dense(()), 2, prior=prior, **how).fit(X).log_likelihood(X, random_state=0).mean()
        for prior in (None, ae.RealNVP(4, 16))
    ]
    assert found[1] > found[0] + 0.5


# ---- densities ----------------------------------------------------------------------------------


def test_fresh_flows_change_nothing(X):
    plain = ae.VAE(TANH, 3, **KW).initialize(X)
    want = plain.log_likelihood(X, n_samples=5, random_state=0)
    for flows in ({"prior": NVP}, {"posterior": ae.PlanarFlow(3)}):
        model = ae.VAE(TANH, 3, **flows, **KW).initialize(X)
        got = model.log_likelihood(X, n_samples=5, random_state=0)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(model.transform(X), plain.transform(X), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(
            model.encode_distribution(X), plain.encode_distribution(X)
        )  # the first weights are the same


def test_codes_are_what_the_flow_makes_of_means(X):
    model = shaken(made("autoregressive").initialize(X))
    mean, _ = model.encode_distribution(X)
    codes = model.transform(X)
    assert np.abs(codes - mean).max() > 0.1
    flow = model._network.posterior
    for _, batch in model._chunks(model._input(X, None)):
        start, _ = model._posterior(batch)
        np.testing.assert_array_equal(start.data, mean)
        z, _ = flow.forward(start, batch.context)
        np.testing.assert_array_equal(z.data, codes)
    near = model.sample(3, near=X[0], scale=0.0)
    np.testing.assert_allclose(near, np.repeat(model.reconstruct(X[:1]), 3, 0), atol=1e-5)


@pytest.mark.parametrize("case", ["planar", "without context", "autoregressive", "prior", "both"])
def test_likelihoods_agree_with_an_integral(case, X):
    model = made(case, latent_dim=1, loss="gaussian", epochs=3).fit(X)
    model = shaken(model, scale=0.2)
    grid = np.linspace(-12, 12, 6001)[:, None]
    rebuilt = model.inverse_transform(grid)
    sigma = math.exp(model.parameters_["likelihood.log_sigma"][0])
    prior = model._own_prior().score_samples(grid)
    gaps = ((X[:20, None] - rebuilt) ** 2).sum(-1) / sigma**2
    joint = prior - gaps / 2 - 12 * math.log(sigma * math.sqrt(2 * math.pi))
    top = joint.max(1, keepdims=True)
    want = top[:, 0] + np.log(np.exp(joint - top).sum(1) * (grid[1, 0] - grid[0, 0]))
    got, error = model.log_likelihood(X[:20], n_samples=800, return_std=True, random_state=0)
    assert np.median(np.abs(got - want)) < 0.12
    assert (np.abs(got - want) < 5 * error + 0.01).mean() > 0.8  # some weights have long tails
    assert (model.elbo(X[:20], n_samples=200, random_state=0) < want + 0.1).all()


def test_a_learned_prior_is_a_density_that_can_be_drawn_from(X):
    model = shaken(ae.VAE(TANH, 2, prior=ae.RealNVP(4, 6), **KW).initialize(X), 1, 0.2)
    prior = model.prior_
    axis = np.linspace(-9, 9, 181)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    density = np.exp(prior.score_samples(grid)) * 0.1**2
    assert density.sum() == pytest.approx(1, abs=0.02)
    mean = density @ grid
    drawn = prior.draw(20000, 2, 0)
    assert np.abs(mean).max() > 0.1
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.05)
    np.testing.assert_allclose((drawn**2).mean(0), density @ grid**2, rtol=0.1)
    np.testing.assert_array_equal(prior.draw(9, 2, 0, offset=3), drawn[3:12])
    np.testing.assert_array_equal(model.sample(5, random_state=0), model.sample(5, random_state=0))
    other = pickle.loads(pickle.dumps(prior))
    np.testing.assert_array_equal(other.score_samples(grid[:9]), prior.score_samples(grid[:9]))
    model.partial_fit(X)  # what was taken before stays
    np.testing.assert_array_equal(other.score_samples(grid[:9]), prior.score_samples(grid[:9]))
    with pytest.raises(ValueError, match="codes of 3 numbers, got a RealNVP of 2"):
        prior.draw(1, 3, 0)
    with pytest.raises(ValueError, match="no classes"):
        prior.draw(1, 2, 0, y=1)


def test_a_prior_by_itself(X):
    prior = ae.RealNVP()
    for ask in (lambda: prior.score_samples(X), lambda: prior.draw(2, 3, 0)):
        with pytest.raises(NotFittedError):
            ask()
    with pytest.raises(TypeError, match="as the prior of a VAE"):
        prior.fit(X)
    assert isinstance(prior.module(3, (5,)), LearnedPrior)


def test_a_fitted_model_stays_what_it_is(X):
    model = made("both", epochs=1).fit(X)
    want = model.log_likelihood(X, n_samples=2, random_state=0), model.transform(X)
    model.set_params(posterior=None, prior=None)
    got = model.log_likelihood(X, n_samples=2, random_state=0), model.transform(X)
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1], want[1])
    model.set_params(warm_start=True, posterior=ae.PlanarFlow(2), prior=NVP)
    with pytest.raises(ValueError, match="posterior: expected .*, as in fit, got"):
        model.fit(X)
    model.set_params(posterior=IAF, prior=None)
    with pytest.raises(ValueError, match="prior: expected .*, as in fit, got"):
        model.fit(X)


# ---- kinds of samples ---------------------------------------------------------------------------


def test_tables(rng):
    table = np.zeros(60, [("size", float), ("kind", "U3")])
    table["kind"] = rng.choice(["red", "one", "two"], 60)
    table["size"] = rng.random(60)
    table["size"][:5] = np.nan
    model = ae.TabularVAE(TANH, 2, posterior=IAF, prior=NVP, epochs=2, **KW).fit(table)
    assert not np.isnan(model.impute(table)["size"]).any()
    assert model.sample(3).dtype.names == ("size", "kind")
    values, error = model.log_likelihood(table, n_samples=3, return_std=True)
    assert values.shape == error.shape == (60,) and np.isfinite(values).all()
    how = {"n_temperatures": 2, "n_chains": 2}
    assert np.isfinite(model.annealed_log_likelihood(table, **how)).all()


def test_ragged_and_masked_samples(X, rng):
    steps = [X[:9].reshape(9, 6, 2)[i, : 2 + i % 5] for i in range(9)]
    model = ae.VAE(ae.Conv((4,)), 2, posterior=IAF, prior=NVP, epochs=2, **KW).fit(steps)
    assert model.transform(steps).shape == (9, 2)
    assert model.log_likelihood(steps, n_samples=2).shape == (9,)
    assert model.annealed_log_likelihood(steps, n_temperatures=2, n_chains=2).shape == (9,)
    seen = rng.random(X.shape) < 0.7
    model = ae.VAE(TANH, 2, posterior=IAF, prior=NVP, epochs=2, **KW).fit(X, sample_mask=seen)
    assert np.isfinite(model.elbo(X, sample_mask=seen)).all()
    one = ae.VAE(TANH, 1, posterior=IAF, prior=NVP, epochs=1, **KW).fit(X[:1])
    assert one.sample(2).shape == (2, 12)


def test_images_of_any_size(rng):
    x = rng.random((20, 8, 8, 1), dtype=np.float32)
    arch = ae.Conv((4,), flatten=False)
    model = ae.VAE(arch, 2, posterior=IAF, prior=NVP, epochs=1, **KW).fit(x)
    large = rng.random((3, 16, 12, 1), dtype=np.float32)
    room = model.transform(large).shape[1:3]
    assert model.transform(large).shape == (3, *room, 2) != model.transform(x[:3]).shape
    values, error = model.log_likelihood([*large, *x], n_samples=2, return_std=True)
    assert values.shape == error.shape == (23,)
    assert model.annealed_log_likelihood(large, n_temperatures=2, n_chains=2).shape == (3,)


@pytest.mark.parametrize("case", ["planar", "autoregressive", "prior"])
def test_onnx_has_the_flow_too(case, X, tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = shaken(made(case).initialize(X))
    for part, answer in (("encode", model.transform), ("reconstruct", model.reconstruct)):
        ae.to_onnx(model, tmp_path / "m.onnx", part)
        got = runtime.InferenceSession(str(tmp_path / "m.onnx")).run(None, {"x": X})[0]
        np.testing.assert_allclose(got, answer(X), rtol=1e-4, atol=1e-5)


# ---- refused ------------------------------------------------------------------------------------

REFUSED = [
    ({"posterior": "planar"}, TypeError, "PlanarFlow"),
    ({"posterior": ae.PlanarFlow}, TypeError, "PlanarFlow"),
    ({"posterior": ae.PlanarFlow(0)}, ValueError, "posterior: layers"),
    ({"posterior": ae.InverseAutoregressiveFlow(1.5)}, TypeError, "posterior: layers"),
    ({"posterior": ae.InverseAutoregressiveFlow(width=0)}, ValueError, "posterior: width"),
    ({"posterior": ae.InverseAutoregressiveFlow(context=-1)}, ValueError, "posterior: context"),
    ({"posterior": IAF, "free_bits": 0.1}, ValueError, "free_bits"),
    ({"posterior": IAF, "divergence": ae.MMD()}, ValueError, "divergence"),
    ({"posterior": IAF, "prior": ae.VampPrior(5)}, ValueError, "made of normal posteriors"),
    ({"prior": ae.RealNVP(0)}, ValueError, "prior: layers"),
    ({"prior": ae.RealNVP(width=2.5)}, TypeError, "prior: width"),
    ({"prior": NVP, "free_bits": 0.1}, ValueError, "free_bits"),
]


@pytest.mark.parametrize("params, error, words", REFUSED, ids=lambda v: str(v)[:40])
def test_senseless_parameters_are_refused(params, error, words, X):
    with pytest.raises(error, match=words):
        ae.VAE(TANH, 3, **params, **KW).fit(X)
