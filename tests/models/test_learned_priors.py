"""Priors that are learned with a variational model: densities, gradients, clusters, refusals."""

import math
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore.base.streams import ESTIMATE, LATENT
from aecore.data.arrays import read
from aecore.data.batches import Batches
from aecore.priors._gaussians import log_density, log_joint
from support.steps import check_step, step
from test_variational import normal, prepared

KW = {"batch_size": 16, "random_state": 0}
TANH = ae.Dense((8,), activation="tanh")
DIAGONAL = ae.GaussianMixture(4, covariance="diag")
GIVEN = ae.GaussianMixture(means=[[0, 0, 1.0], [2, 0, 0]], covariances=[np.eye(3), 2 * np.eye(3)])
PRIORS = {
    "full": ae.GaussianMixture(3),
    "diagonal": DIAGONAL,
    "given": GIVEN,
    "normal": ae.Normal(0.7),
    "vamp": ae.VampPrior(7),
}


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


@pytest.fixture
def groups(rng):
    """Return samples of three groups, and whose they are."""
    y = np.arange(300) % 3
    centers = rng.standard_normal((3, 12)) * 2
    return (centers[y] + 0.3 * rng.standard_normal((300, 12))).astype(np.float32), y


def spread(model, rng):
    """Give the parameters of a model's prior values that differ."""
    for name, array in model.parameters_.items():
        if name.startswith("prior."):
            array += 0.3 * rng.standard_normal(array.shape).astype(np.float32)


# ---- densities and bounds -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", PRIORS)
def test_log_prior_is_the_density_of_the_fitted_prior(kind, X, rng):
    model = ae.VAE(TANH, 3, prior=PRIORS[kind], epochs=2, **KW).fit(X)
    spread(model, rng)
    Z = rng.standard_normal((20, 3)).astype(np.float32)
    given = model._input(X[:20], None)
    for _, batch in model._chunks(given):
        found = model._log_prior(batch, batch.tape.constant(Z)).data.copy()
    np.testing.assert_allclose(found, model.prior_.score_samples(Z), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", PRIORS)
def test_elbo_and_likelihood_by_hand(kind, X, rng):
    model = ae.VAE(TANH, 3, prior=PRIORS[kind], epochs=1, **KW).fit(X)
    spread(model, rng)
    mean, logvar = (a.astype(np.float64) for a in model.encode_distribution(X))
    many = 9
    eps = normal((many, *mean.shape), 0, ESTIMATE)
    z = mean + np.exp(logvar / 2) * eps
    rebuilt = model.inverse_transform(z.reshape(-1, 3)).reshape(many, *X.shape)
    square = ((rebuilt - X) ** 2).sum(-1)
    prior = model.prior_.score_samples(z.reshape(-1, 3)).reshape(many, -1)
    if kind == "normal":  # whose mean is known
        spread_of = (mean**2 + np.exp(logvar)) / 0.49
        prior_mean = -0.5 * (spread_of + math.log(2 * math.pi * 0.49)).sum(-1)
    else:
        prior_mean = prior.mean(0)
    entropy = 0.5 * (1 + logvar + math.log(2 * math.pi)).sum(-1)
    bound = prior_mean + entropy - square.mean(0)
    found = model.elbo(X, n_samples=many, random_state=0)
    np.testing.assert_allclose(found, bound, rtol=1e-4, atol=1e-4)
    posterior = -0.5 * (eps**2 + logvar + math.log(2 * math.pi)).sum(-1)
    want = np.log(np.exp(prior - posterior - square).mean(0))
    found = model.log_likelihood(X, n_samples=many, random_state=0)
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-4)


def test_a_standard_normal_prior_is_none(X):
    plain = ae.VAE(TANH, 3, epochs=3, **KW).fit(X)
    same = ae.VAE(TANH, 3, epochs=3, prior=ae.Normal(), **KW).fit(X)
    assert "prior" not in dict(plain._network.children())
    for name in ("loss", "kl"):
        assert same.history_[-1][name] == pytest.approx(plain.history_[-1][name], rel=1e-4)
    for method in ("score_samples", "elbo", "log_likelihood"):
        how = {} if method == "score_samples" else {"random_state": 0}
        np.testing.assert_allclose(
            getattr(same, method)(X, **how), getattr(plain, method)(X, **how), rtol=1e-3
        )
    assert same.prior_ == ae.Normal() and not hasattr(plain, "prior_")


@pytest.mark.parametrize("kind", ["full", "diagonal", "vamp"])
def test_scores_are_below_the_bound_and_the_same_every_time(kind, X, rng):
    """Without a draw the mean of ln p(z) is bounded from below; decoding the mean is no bound."""
    model = ae.VAE(TANH, 3, prior=PRIORS[kind], epochs=3, **KW).fit(X)
    spread(model, rng)
    found = []
    for _, batch in model._chunks(model._input(X, None)):
        found.append(model.terms(batch)["kl"].data.copy())
    draws = []
    for _, batch in model._chunks(model._input(X, None), noise="fixed", seed=3):
        mean, logvar = model._posterior(batch)
        for s in range(400):
            batch.position = s * len(X)
            draws.append(model._kl(batch, model._draw(batch, mean, logvar)).data.copy())
    assert (found[0] > np.mean(draws, 0) - 0.1).all()
    np.testing.assert_array_equal(model.score_samples(X), model.score_samples(X))


# ---- gradients ----------------------------------------------------------------------------------

STEPS = {
    **{kind: (ae.VAE, {"prior": prior}) for kind, prior in PRIORS.items()},
    "several, full": (ae.VAE, {"prior": PRIORS["full"], "importance_samples": 3, "beta": 0.5}),
    "several, vamp": (ae.VAE, {"prior": PRIORS["vamp"], "importance_samples": 3}),
    "conv": (ae.VAE, {"prior": DIAGONAL, "arch": ae.Conv((4,), activation="tanh")}),
    "conv vamp": (ae.VAE, {"prior": ae.VampPrior(5), "arch": ae.Conv((4,), activation="tanh")}),
    "conv maps": (
        ae.VAE,
        {"prior": PRIORS["full"], "arch": ae.Conv((4,), activation="tanh", flatten=False)},
    ),
    "cvae": (ae.CVAE, {"prior": DIAGONAL, "kl_warmup": 4}),
    "lstm": (ae.VAE, {"prior": PRIORS["vamp"], "arch": ae.LSTM(4)}),
    "counts": (ae.VAE, {"prior": ae.VampPrior(5), "loss": "poisson"}),
    "sparse": (ae.VAE, {"prior": DIAGONAL, "penalty": ae.L1Sparsity(0.3)}),
}


@pytest.mark.parametrize("case", STEPS)
def test_step_gradients_by_finite_differences(case, X, rng):
    cls, params = STEPS[case]
    if "conv" in case:
        X = rng.random((20, 9, 7, 3), dtype=np.float32)
    if "lstm" in case:
        X = X.reshape(len(X), -1, 2)
    if "counts" in case:
        X = rng.poisson(3.0, X.shape).astype(np.float32)
    y = np.arange(len(X)) % 3 if cls is ae.CVAE else None
    model, batch = prepared(cls(latent_dim=3, **{"arch": TANH, **params}, **KW), X, y)
    spread(model, rng)
    check_step(model, batch, rng)


def torch_step(model, X, n, kind):
    """Return PyTorch's loss of a step with one draw, and the parameters with their gradients."""
    torch = pytest.importorskip("torch")
    d = torch.distributions
    found = {
        k: torch.tensor(p.value, dtype=torch.float64, requires_grad=True)
        for k, p in model._network.flat.named.items()
    }

    def layer(x, name):
        return x @ found[f"{name}.weight"].T + found[f"{name}.bias"]

    def encode(x):
        return layer(torch.tanh(layer(x, "encoder.0")), "encoder.1").chunk(2, 1)

    x = torch.tensor(X[:n], dtype=torch.float64)
    mean, logvar = encode(x)
    posterior = d.Normal(mean, torch.exp(logvar / 2))
    eps = torch.tensor(normal((n, 3), model._network.seed, LATENT), dtype=torch.float64)
    z = posterior.loc + posterior.scale * eps
    logits = layer(torch.tanh(layer(z, "decoder.0")), "decoder.1")
    bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    if kind == "vamp":
        means, logvars = encode(found["prior.inputs"])
        parts = d.Independent(d.Normal(means, torch.exp(logvars / 2)), 1)
        weights = torch.zeros(len(means), dtype=torch.float64)
    else:
        weights, means, logvars = (found[f"prior.{k}"] for k in ("logits", "means", "logvars"))
        parts = d.Independent(d.Normal(means, torch.exp(logvars / 2)), 1)
        if kind == "full":
            whole = torch.eye(3, dtype=torch.float64) + torch.tril(found["prior.skew"], -1)
            root = torch.exp(-logvars / 2)[:, :, None] * whole
            parts = d.MultivariateNormal(means, precision_matrix=root.mT @ root)
    prior = d.MixtureSameFamily(d.Categorical(logits=weights), parts)
    kl = -posterior.entropy().sum(1) - prior.log_prob(z)
    loss = (bce + kl).mean()
    loss.backward()
    return loss.item(), kl.mean().item(), found


@pytest.mark.parametrize("kind", ["full", "diagonal", "vamp"])
def test_a_step_beside_pytorch(kind, X, rng):
    model, batch = prepared(ae.VAE(TANH, 3, prior=PRIORS[kind], loss="bce", **KW), X)
    spread(model, rng)
    terms = step(model, batch)
    loss, kl, found = torch_step(model, X, batch.n, kind)
    assert terms["loss"] / batch.n == pytest.approx(loss, rel=1e-5)
    assert terms["kl"] / batch.n == pytest.approx(kl, rel=1e-4)
    for name, p in model._network.flat.named.items():
        want = found[name].grad
        if want is None:  # on and above the diagonal nothing is looked at
            want = np.zeros(p.shape)
        np.testing.assert_allclose(p.grad, want, rtol=1e-3, atol=1e-6, err_msg=name)


# ---- clusters -----------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_a_pretrained_mixture_finds_groups(covariance, groups):
    X, y = groups
    prior = ae.GaussianMixture(3, covariance=covariance)
    model = ae.VAE(ae.Dense((16,)), 2, prior=prior, pretrain_epochs=20, epochs=20, **KW)
    model.set_params(learning_rate=3e-3).fit(X)
    found, shares = model.predict(X), model.predict_proba(X)
    assert ae.metrics.clustering_accuracy(y, found) > 0.97
    assert found.dtype == np.int64 and shares.shape == (300, 3)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(shares.argmax(1), found)
    # of one component come samples of one group
    for k in range(3):
        drawn = model.sample(50, y=k, random_state=0)
        assert (model.predict(drawn) == k).mean() > 0.9
    levels = [r.get("level") for r in model.history_]
    assert levels == [1] * 20 + [None] * 20
    assert [r["epoch"] for r in model.history_[20:]] == list(range(1, 21))
    assert "kl" not in model.history_[0] and "kl" in model.history_[-1]


def test_responsibilities_by_hand(X, rng):
    model = ae.VAE(TANH, 3, prior=PRIORS["full"], epochs=1, **KW).fit(X)
    spread(model, rng)
    mean, logvar = (a.astype(np.float64) for a in model.encode_distribution(X))
    joint = log_joint(model.prior_._mixture()[0], mean)
    for k, covariance in enumerate(model.prior_.covariances_):
        joint[:, k] -= 0.5 * (np.exp(logvar) * np.diag(np.linalg.inv(covariance))).sum(1)
    want = np.exp(joint - log_density(joint)[:, None])
    np.testing.assert_allclose(model.predict_proba(X), want, rtol=1e-3, atol=1e-6)


def test_only_mixtures_have_clusters(X):
    for prior in (None, ae.Normal()):
        with pytest.raises(AttributeError, match="predict: expected a VAE whose prior is a mix"):
            ae.VAE(prior=prior).predict(X)
        assert not hasattr(ae.VAE(prior=prior), "predict_proba")
    assert hasattr(ae.VAE(prior=DIAGONAL), "predict")


def test_clusters_of_images_sequences_and_tables(rng):
    options = {"prior": ae.GaussianMixture(3), "pretrain_epochs": 2, "epochs": 2, **KW}
    images = rng.random((40, 8, 8, 1), dtype=np.float32)
    model = ae.VAE(ae.Conv((4,)), 3, **options).fit(images)
    assert model.predict(images).shape == (40,) and model.sample(2, y=1).shape == (2, 8, 8, 1)
    maps = ae.VAE(ae.Conv((4,), flatten=False), 3, **options).fit(images)
    room = maps.transform(images).shape[:3]
    assert maps.predict(images).shape == room and maps.predict_proba(images).shape == (*room, 3)
    assert maps.sample(2, y=1).shape == (2, 8, 8, 1)
    steps = [rng.random((3 + i % 4, 2), dtype=np.float32) for i in range(40)]
    model = ae.VAE(ae.LSTM(4), 3, **options).fit(steps)
    assert model.predict(steps).shape == (40,)
    table = np.zeros(60, [("size", float), ("shape", "U6")])
    table["shape"] = rng.choice(["round", "square"], 60)
    table["size"] = (table["shape"] == "round") * 5 + rng.random(60)
    model = ae.TabularVAE(ae.Dense((8,)), 2, **options).fit(table)
    assert model.predict(table).shape == (60,)
    assert model.sample(3, y=2).dtype.names == ("size", "shape")
    assert np.isfinite(model.log_likelihood(table, n_samples=3)).all()


def test_masks_weights_and_conditions_go_with_it(X, rng):
    seen, weight = rng.random(X.shape) < 0.7, rng.random(len(X))
    options = {"pretrain_epochs": 1, "epochs": 2, **KW}
    for prior in (DIAGONAL, ae.VampPrior(6)):
        model = ae.VAE(TANH, 3, prior=prior, **options)
        model.fit(np.where(seen, X, np.nan), sample_mask=seen, sample_weight=weight)
        assert np.isfinite(model.history_[-1]["loss"])
    y = np.arange(len(X)) % 2
    model = ae.CVAE(TANH, 3, prior=DIAGONAL, **options).fit(X, y)
    assert model.predict(X, y).shape == (50,)
    assert model.sample(4, y=1).shape == (4, 12)  # y is the condition's: components have no labels
    assert model.prior_.labels_ is None


# ---- the same bits ------------------------------------------------------------------------------


def bits(model):
    return {k: v.tobytes() for k, v in model._network.arrays().items()}


@pytest.mark.parametrize("kind", ["full", "diagonal", "vamp"])
def test_threads_files_and_copies(kind, rng, tmp_path):
    X = rng.random((70, 40), dtype=np.float32)
    options = {"prior": PRIORS[kind], "pretrain_epochs": 2, "epochs": 3, "random_state": 0}
    model = ae.VAE(ae.Dense((32,)), 3, n_threads=1, batch_size=32, **options).fit(X)
    other = ae.VAE(ae.Dense((32,)), 3, n_threads=2, batch_size=32, **options).fit(X)
    assert bits(model) == bits(other)
    model.save(tmp_path / "m.aecore")
    for again in (ae.load(tmp_path / "m.aecore"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(
            again.sample(5, random_state=1), model.sample(5, random_state=1)
        )
        np.testing.assert_array_equal(again.prior_.means_, model.prior_.means_)
        again.set_params(warm_start=True, epochs=1).fit(X)
    assert options["prior"] == PRIORS[kind] and not hasattr(options["prior"], "n_features_in_")
    assert bits(model) == bits(ae.VAE(ae.Dense((32,)), 3, batch_size=32, **options).fit(X))
    np.testing.assert_array_equal(model.frozen().score_samples(X), model.score_samples(X))
    pickle.loads(pickle.dumps(model.prior_)).draw(3, 3, 0)


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_of_batches(parts, X):
    for prior in (DIAGONAL, PRIORS["vamp"]):
        whole = ae.VAE(TANH, 3, prior=prior, epochs=2, **KW).fit(X)
        cut = ae.VAE(TANH, 3, prior=prior, epochs=2, accumulate=parts, **KW).fit(X)
        for name, array in whole.parameters_.items():
            np.testing.assert_allclose(cut.parameters_[name], array, atol=1e-4, err_msg=name)


def test_more_epochs_go_on_without_another_pretraining(X):
    options = {"prior": DIAGONAL, "pretrain_epochs": 2, **KW}
    whole = ae.VAE(TANH, 3, epochs=4, **options).fit(X)
    model = ae.VAE(TANH, 3, epochs=2, warm_start=True, **options).fit(X).fit(X)
    assert bits(model) == bits(whole) and len(model.history_) == 6
    none = ae.VAE(TANH, 3, epochs=0, warm_start=True, **options).fit(X)
    assert bits(none.set_params(epochs=4).fit(X)) == bits(whole)


def test_a_fitted_model_keeps_its_prior(X):
    model = ae.VAE(TANH, 3, prior=DIAGONAL, epochs=1, warm_start=True, **KW).fit(X)
    before, scores = bits(model), model.score_samples(X)
    for other in (None, ae.GaussianMixture(5, covariance="diag"), ae.VampPrior(4)):
        model.set_params(prior=other)
        with pytest.raises(ValueError, match="prior: expected .*, as in fit, got"):
            model.fit(X)
        with pytest.raises(ValueError, match="prior: expected .*, as in fit, got"):
            model.partial_fit(X)
        np.testing.assert_array_equal(model.score_samples(X), scores)
    assert bits(model) == before
    assert "prior" not in dict(
        model.set_params(prior=None, warm_start=False).fit(X)._network.children()
    )


def test_pseudo_inputs_begin_as_samples(X):
    model = ae.VAE(TANH, 3, prior=ae.VampPrior(7), **KW).initialize(X)
    found = model.prior_.pseudo_inputs_
    places = [np.flatnonzero((X == u).all(1)) for u in found]
    assert all(len(p) == 1 for p in places) and len({int(p[0]) for p in places}) == 7
    mean, logvar = model.encode_distribution(found)
    np.testing.assert_allclose(model.prior_.means_, mean, atol=1e-6)
    np.testing.assert_allclose(model.prior_.covariances_, np.exp(logvar), rtol=1e-5)
    stream = ae.VAE(TANH, 3, prior=ae.VampPrior(20), epochs=1, **KW).fit(lambda: [X[:30], X[30:]])
    assert stream.prior_.means_.shape == (20, 3)


# ---- refusals -----------------------------------------------------------------------------------


class Own(ae.priors.Prior):
    """A prior whose density nobody can differentiate."""

    def __init__(self):
        pass


REFUSED = [
    ({"prior": "gaussian"}, TypeError, "prior: expected"),
    ({"prior": ae.GaussianMixture}, TypeError, "prior: expected"),
    ({"prior": Own()}, TypeError, "whose density is differentiated"),
    ({"prior": ae.GaussianMixture(0)}, ValueError, "components"),
    ({"prior": ae.GaussianMixture(means=[[0, 1.0]])}, ValueError, "codes with 3 numbers"),
    ({"prior": ae.Normal(0)}, ValueError, "prior: scale"),
    ({"prior": ae.VampPrior(0)}, ValueError, "prior: components"),
    ({"prior": ae.VampPrior(51)}, ValueError, "as many components as there are samples, 50"),
    ({"prior": DIAGONAL, "free_bits": 0.1}, ValueError, "free_bits: expected 0 with a prior"),
    ({"prior": DIAGONAL, "divergence": ae.MMD()}, ValueError, "divergence: expected 'kl'"),
    ({"pretrain_epochs": 2}, ValueError, "pretrain_epochs: expected 0 for a VAE"),
    (
        {"prior": ae.GaussianMixture(51), "pretrain_epochs": 1},
        ValueError,
        "as many components as there are samples, 50",
    ),
]


@pytest.mark.parametrize("params, error, words", REFUSED, ids=lambda v: str(v)[:40])
def test_senseless_priors_are_refused(params, error, words, X):
    model = ae.VAE(TANH, 3, epochs=1, **params, **KW)
    with pytest.raises(error) as caught:
        model.fit(X)
    assert words in str(caught.value)
    assert not hasattr(model, "history_")  # before anything was trained


def test_pseudo_inputs_are_refused_where_they_lack_something(X, rng):
    options = {"prior": ae.VampPrior(4), "epochs": 1, **KW}
    with pytest.raises(ValueError, match="none of a condition"):
        ae.CVAE(TANH, 3, **options).fit(X, np.arange(50) % 2)
    with pytest.raises(ValueError, match="none of a table"):
        ae.TabularVAE(ae.Dense((4,)), 3, **options).fit(X)
    with pytest.raises(ValueError, match="different lengths"):
        ae.VAE(ae.LSTM(4), 3, **options).fit([X[: 3 + i, :2] for i in range(8)])
    with pytest.raises(ValueError, match="codes that are maps"):
        images = rng.random((20, 8, 8, 1), dtype=np.float32)
        ae.VAE(ae.Conv((4,), flatten=False), 3, **options).fit(images)
    with pytest.raises(TypeError, match="learned with a model"):
        ae.VampPrior().fit(X)
    with pytest.raises(ValueError, match="expected a fitted VampPrior"):
        ae.VampPrior().score_samples(X)


def test_ragged_sequences_with_a_mixture(X, rng):
    steps = [X[:9].reshape(9, 6, 2)[i, : 2 + i % 5] for i in range(9)]
    model = ae.VAE(ae.LSTM(4), 2, prior=DIAGONAL, importance_samples=2, **KW).initialize(steps)
    check_step(model, next(Batches(read(steps), 9)()), rng)
