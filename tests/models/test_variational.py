"""What VAEs minimise beyond the plain bound: several draws, divergences, a learned deviation."""

import math
from types import SimpleNamespace

import aecore as ae
import numpy as np
import pytest
from aecore import _core
from aecore.base import runtime
from aecore.base.streams import ESTIMATE, LATENT
from aecore.data.arrays import Data, read
from aecore.data.batches import Batches
from aecore.divergences import Codes
from aecore.losses import Likelihood, Loss
from aecore.models.variational.importance import weighted_terms
from support.steps import check_step, step

KW = {"batch_size": 16, "random_state": 0}
TANH = ae.Dense((8,), activation="tanh")


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


def prepared(model, data, y=None, n=20):
    """Return an untrained model and a batch of its data."""
    model.initialize(data, y)
    conditioner = model._network.conditioner
    condition = conditioner and conditioner.read(y, len(data))
    batch = next(Batches(data if isinstance(data, Data) else Data(data), n, condition=condition)())
    batch.epoch = 1.0
    return model, batch


def normal(shape, seed, purpose=LATENT, offset=0):
    out = np.empty(shape, np.float32)
    _core.random_normal(out, seed, purpose, offset, runtime.current())
    return out


# ---- a learned deviation ------------------------------------------------------------------------


def nll(x, rebuilt, sigma):
    d = x.astype(np.float64) - rebuilt
    return d**2 / (2 * sigma**2) + math.log(sigma * math.sqrt(2 * math.pi))


@pytest.mark.parametrize("cls", [ae.Autoencoder, ae.VAE, ae.VQVAE])
def test_gaussian_is_the_density_in_nats(cls, X):
    sizes = {"codebook_size": 8, "code_dim": 3} if cls is ae.VQVAE else {"latent_dim": 3}
    model = cls(ae.Dense((8,)), **sizes, loss="gaussian", epochs=3, **KW).fit(X)
    sigma = math.exp(model.parameters_["likelihood.log_sigma"][0])
    want = nll(X, model.reconstruct(X), sigma)
    np.testing.assert_allclose(model.errors(X), want, rtol=1e-4, atol=1e-4)
    for rows, batch in model._chunks(model._input(X, None)):
        recon = model.terms(batch)["recon"].data
        np.testing.assert_allclose(recon, want[rows].sum(1), rtol=1e-4, atol=1e-4)
    assert model.history_[-1]["sigma"] == pytest.approx(sigma, rel=1e-2)
    assert "sigma" not in cls(ae.Dense((8,)), **sizes, epochs=1, **KW).fit(X).history_[0]


def test_gaussian_counts_what_is_observed(X, rng):
    seen = rng.random(X.shape) < 0.7
    model = ae.Autoencoder(TANH, 3, loss="gaussian", epochs=1, **KW).fit(X, sample_mask=seen)
    sigma = math.exp(model.parameters_["likelihood.log_sigma"][0])
    want = (nll(X, model.reconstruct(X, sample_mask=seen), sigma) * seen).sum(1)
    got = model.score_samples(X, sample_mask=seen)
    np.testing.assert_allclose(got, -want, rtol=1e-4, atol=1e-4)
    fresh = ae.Autoencoder(TANH, 3, loss="gaussian", epochs=0, **KW).fit(X, sample_mask=seen)
    about = X - np.array([x[s].mean() for x, s in zip(X.T, seen.T, strict=True)])
    start = fresh.parameters_["likelihood.log_sigma"][0]
    assert math.exp(start) == pytest.approx(np.sqrt((about[seen] ** 2).mean()), rel=1e-5)


def test_gaussian_squared_error_is_known_from_the_gradient(X, rng):
    likelihood = Likelihood()
    likelihood.log_sigma.value[:] = -0.7
    loss = Loss("gaussian", (12,), likelihood)
    output = rng.standard_normal(X.shape).astype(np.float32)
    batch, tape = next(Batches(Data(X), 50)()), ae.nn.Tape()
    batch.begin(tape)
    term = loss.term(tape.variable(output), batch)
    want = ((X - output).astype(np.float64) ** 2).sum()
    assert loss.squared_error(term, output, batch) == pytest.approx(want, rel=1e-5)
    assert term.squares is None
    tape.backward((term, 1 / 50))
    assert term.squares is not None
    assert loss.squared_error(term, output, batch) == pytest.approx(want, rel=1e-5)


def test_gaussian_learns_the_deviation_of_the_noise(rng):
    Z = rng.standard_normal((1000, 2))
    X = Z @ rng.standard_normal((2, 12)) + 0.2 * rng.standard_normal((1000, 12))
    model = ae.VAE(ae.Dense(()), 2, loss="gaussian", epochs=150, learning_rate=1e-2, **KW)
    model.set_params(schedule=ae.Cosine(150), batch_size=50).fit(X)
    assert model.history_[0]["sigma"] > 0.8
    assert model.history_[-1]["sigma"] == pytest.approx(0.2, rel=0.05)
    # probabilistic PCA: the best there is, in closed form
    covariance = np.cov(X.T, bias=True)
    top, left = np.split(np.linalg.eigvalsh(covariance)[::-1], [2])
    logdet = np.log(top).sum() + 10 * math.log(left.mean())
    best = -0.5 * (12 * math.log(2 * math.pi) + logdet + 12)
    got = model.log_likelihood(X, n_samples=20, random_state=0).mean()
    assert best - 0.2 < got < best + 0.05


def test_gaussian_needs_a_network_that_has_it(X):
    model = ae.VAE(TANH, 3, epochs=1, **KW).fit(X).set_params(loss="gaussian", warm_start=True)
    before = {k: v.tobytes() for k, v in model._network.arrays().items()}
    with pytest.raises(ValueError, match="loss: expected 'mse', as in fit, got 'gaussian'"):
        model.fit(X)
    with pytest.raises(ValueError, match="loss: expected one that learns no standard deviation"):
        model.score_samples(X)
    assert {k: v.tobytes() for k, v in model._network.arrays().items()} == before
    model.set_params(warm_start=False).fit(X)
    constant = ae.Autoencoder(TANH, 2, loss="gaussian", epochs=1, **KW).fit(np.ones((20, 3)))
    assert np.isfinite(constant.history_[0]["loss"])


# ---- gradients of whole steps -------------------------------------------------------------------

STEPS = {
    "gaussian": (ae.Autoencoder, {"loss": "gaussian"}),
    "gaussian vae": (ae.VAE, {"loss": "gaussian", "beta": 2.0}),
    "several": (ae.VAE, {"importance_samples": 3, "beta": 2.0, "kl_warmup": 4}),
    "several gaussian": (ae.VAE, {"importance_samples": 4, "loss": "gaussian"}),
    "several conv cvae": (
        ae.CVAE,
        {"importance_samples": 3, "loss": "bce", "arch": ae.Conv((4,), activation="tanh")},
    ),
    "several lstm": (ae.CVAE, {"importance_samples": 2, "arch": ae.LSTM(4)}),
    "several transformer": (ae.VAE, {"importance_samples": 2, "arch": ae.Transformer(6, 2, 1, 5)}),
    "several forced lstm": (
        ae.VAE,
        {"importance_samples": 2, "arch": ae.LSTM(4, teacher_forcing=True)},
    ),
    "several sparse": (ae.VAE, {"importance_samples": 2, "penalty": ae.KLSparsity(0.1, 2.0)}),
    "mmd sparse": (ae.VAE, {"divergence": ae.MMD(20.0), "penalty": ae.L1Sparsity(0.3)}),
    "mmd": (ae.VAE, {"divergence": ae.MMD(20.0)}),
    "mmd of another kind": (ae.CVAE, {"divergence": ae.MMD(20.0, "rbf", (0.5,), kl=0.5)}),
    "mmd free bits": (ae.VAE, {"divergence": ae.MMD(20.0, kl=1.0), "free_bits": 0.02}),
    "tc": (ae.VAE, {"divergence": ae.TotalCorrelation(6.0, 0.5, 2.0), "beta": 1.5}),
    "tc lstm": (ae.CVAE, {"divergence": ae.TotalCorrelation(), "arch": ae.LSTM(4)}),
}


@pytest.mark.parametrize("case", STEPS)
def test_step_gradients_by_finite_differences(case, X, rng):
    cls, params = STEPS[case]
    if "conv" in case:
        X = rng.random((20, 9, 7, 3), dtype=np.float32)
    if "lstm" in case or "transformer" in case:
        X = X.reshape(len(X), -1, 2)
    y = np.arange(len(X)) % 3 if cls is ae.CVAE else None
    model, batch = prepared(cls(latent_dim=3, **{"arch": TANH, **params}, **KW), X, y)
    check_step(model, batch, rng)


@pytest.mark.parametrize("loss", ["mse", "gaussian"])
def test_several_draws_of_masked_and_ragged_samples(loss, X, rng):
    seen = rng.random(X.shape) < 0.7
    model = ae.VAE(TANH, 3, importance_samples=3, loss=loss, **KW).initialize(X)
    batch = next(Batches(read(X, mask=seen), 20)())
    check_step(model, batch, rng)
    steps = [X[:9].reshape(9, 6, 2)[i, : 2 + i % 5] for i in range(9)]
    model = ae.VAE(ae.LSTM(4), 2, importance_samples=3, loss=loss, **KW).initialize(steps)
    check_step(model, next(Batches(read(steps), 9)()), rng)
    history = model.set_params(epochs=2).fit(steps).history_
    assert np.isfinite(history[-1]["loss"]) and history[-1]["iwae"] == history[-1]["loss"]


# ---- the importance-weighted bound --------------------------------------------------------------


@pytest.mark.parametrize("s", [1, 2, 5])
def test_importance_weighted_bound_by_hand(s, X):
    model, batch = prepared(ae.VAE(TANH, 3, importance_samples=s, beta=0.5, **KW), X)
    network, n = model._network, batch.n
    with network.tape(records=True, training=True) as tape:
        batch.begin(tape, "on", network.seed, network.samples)
        mean, logvar = model._posterior(batch)
        posterior = [mean.data.copy(), logvar.data.copy()]
        loss = weighted_terms(model, batch, mean, logvar, 0.5)["loss"].data.sum(dtype=np.float64)
        terms = {"loss": loss} | batch.reported
    mean, logvar = (a.astype(np.float64)[:, None] for a in posterior)
    eps = normal((n, s, 3), network.seed)
    z = mean + np.exp(logvar / 2) * eps
    ratio = (-0.5 * z**2 + 0.5 * eps**2 + 0.5 * logvar).sum(-1)
    rebuilt = model.inverse_transform(z.reshape(-1, 3)).reshape(n, s, 12)
    square = ((X[:n, None] - rebuilt) ** 2).sum(-1)
    assert terms["recon"] == pytest.approx(square.mean(1).sum(), rel=1e-5)
    assert terms["mse"] == pytest.approx(square.mean(1).sum(), rel=1e-5)
    assert terms["kl"] == pytest.approx(-ratio.mean(1).sum(), rel=1e-4)
    for name, beta in (("loss", 0.5), ("iwae", 1.0)):
        want = -np.log(np.exp(beta * ratio - square).mean(1)).sum()
        assert terms[name] == pytest.approx(want, rel=1e-5)
    if s == 1:  # the bound itself, with a draw's KL in place of its mean
        assert terms["loss"] == pytest.approx(terms["recon"] + 0.5 * terms["kl"], rel=1e-9)


@pytest.mark.parametrize("s", [1, 3])
def test_held_out_bounds_are_of_draws_and_the_same_in_every_epoch(s, X):
    held = X[:20]
    options = {"importance_samples": s, "beta": 0.5, "kl_warmup": 4, **KW, "batch_size": 100}
    model = ae.VAE(TANH, 3, epochs=1, **options).fit(X, X_val=held)
    record = model.history_[0]
    mean, logvar = (a.astype(np.float64) for a in model.encode_distribution(held))
    eps = normal((s, 20, 3), 0, ESTIMATE)
    z = mean + np.exp(logvar / 2) * eps
    square = ((model.inverse_transform(z.reshape(-1, 3)).reshape(s, 20, 12) - held) ** 2).sum(-1)
    ratio = (-0.5 * z**2 + 0.5 * eps**2 + 0.5 * logvar).sum(-1)
    exact = 0.5 * (mean**2 + np.exp(logvar) - logvar - 1).sum(-1).mean()
    bound = -np.log(np.exp(0.5 * ratio - square).mean(0)).mean()
    kl, loss = (exact, square.mean() + 0.5 * exact) if s == 1 else (-ratio.mean(), bound)
    assert record["val_loss"] == pytest.approx(loss, rel=1e-5)
    assert record["val_recon"] == pytest.approx(square.mean(), rel=1e-5)
    assert record["val_kl"] == pytest.approx(kl, rel=1e-4)
    assert ("val_iwae" in record) == (s > 1)
    # where nothing is learned nothing changes
    frozen = ae.VAE(TANH, 3, epochs=3, learning_rate=1e-30, **options).fit(X, X_val=held)
    assert len({r["val_loss"] for r in frozen.history_}) == 1


def test_several_draws_beside_pytorch(X):
    torch = pytest.importorskip("torch")
    s, n = 4, 20
    model, batch = prepared(ae.VAE(TANH, 3, importance_samples=s, loss="bce", **KW), X)
    network = model._network
    terms = step(model, batch)
    weights = {k: torch.tensor(p.value, requires_grad=True) for k, p in network.flat.named.items()}

    def layer(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    x = torch.tensor(X[:n])
    mean, logvar = layer(torch.tanh(layer(x, "encoder.0")), "encoder.1").chunk(2, 1)
    assert logvar.abs().max() < 10  # where the clamp does nothing
    eps = torch.tensor(normal((n, s, 3), network.seed))
    posterior = torch.distributions.Normal(mean[:, None], torch.exp(logvar / 2)[:, None])
    z = posterior.loc + posterior.scale * eps
    logits = layer(torch.tanh(layer(z, "decoder.0")), "decoder.1")
    bce = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, x[:, None].expand_as(logits), reduction="none"
    ).sum(-1)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    ratio = prior - posterior.log_prob(z).sum(-1) - bce
    loss = -(torch.logsumexp(ratio, 1) - math.log(s)).mean()
    loss.backward()
    assert terms["loss"] / n == pytest.approx(loss.item(), rel=1e-5)
    for name, p in network.flat.named.items():
        np.testing.assert_allclose(p.grad, weights[name].grad, rtol=1e-4, atol=1e-6, err_msg=name)


def test_more_draws_give_a_tighter_bound(X):
    many = ae.VAE(TANH, 3, importance_samples=20, loss="bce", epochs=40, learning_rate=1e-2, **KW)
    record = many.fit(X).history_[-1]
    assert record["iwae"] == record["loss"] < record["recon"] + record["kl"]
    assert record["bits_per_dim"] == pytest.approx(record["iwae"] / (12 * math.log(2)))
    found = many.log_likelihood(X, n_samples=20, random_state=0).mean()
    assert -found == pytest.approx(record["iwae"], rel=0.02)
    assert "iwae" not in ae.VAE(TANH, 3, epochs=1, **KW).fit(X).history_[0]


# ---- divergences --------------------------------------------------------------------------------


@pytest.fixture
def codes(rng):
    mean, logvar, eps, prior = rng.standard_normal((4, 9, 3)).astype(np.float32)
    return Codes(mean + np.exp(logvar / 2) * eps, mean, logvar, prior, 40)


def estimated(divergence, codes):
    """Return a divergence of codes: its terms, their weighted sum, and the gradients of that."""
    weights = divergence.weights()
    found, cache = divergence.estimate(codes)
    terms = dict(zip(weights, found, strict=True))
    value = sum(w * terms[name] for name, w in weights.items())
    dz, *posterior = divergence.gradients(codes, list(weights.values()), cache)
    return SimpleNamespace(terms=terms, value=value, dz=dz, posterior=posterior)


def kernel(kind, square, dim, scales):
    values = [2 * dim * s / (2 * dim * s + square) for s in scales]
    if kind == "rbf":
        values = [(-square / (2 * dim * s)).exp() for s in scales]
    return sum(values) / len(scales)


@pytest.mark.parametrize("kind", ["imq", "rbf"])
def test_mmd_beside_pytorch(kind, codes):
    torch = pytest.importorskip("torch")
    scales = (0.3, 2.0)
    found = estimated(ae.MMD(7.0, kind, scales), codes)
    z, p = (torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (codes[0], codes[3]))
    total = torch.zeros((), dtype=torch.float64)
    for a in range(9):  # pair by pair
        for b in range(9):
            square = [((u[a] - v[b]) ** 2).sum() for u, v in ((z, z), (p, p), (z, p))]
            own, theirs, cross = (kernel(kind, r, 3, scales) for r in square)
            total = total - 2 * cross / 81 + (0 if a == b else (own + theirs) / 72)
    (7 * total).backward()
    assert found.terms["mmd"] == pytest.approx(total.item(), rel=1e-6)
    assert found.value == pytest.approx(7 * total.item(), rel=1e-6)
    np.testing.assert_allclose(found.dz, z.grad, rtol=1e-5, atol=1e-7)


def test_mmd_tells_other_codes_from_the_prior(rng):
    def mean(mmd, shift):
        z, p = rng.standard_normal((2, 40, 100, 2)).astype(np.float32)
        pairs = zip(z, p, strict=True)
        found = [estimated(mmd, Codes(a + shift, a, a, b, 100)) for a, b in pairs]
        return np.mean([f.terms["mmd"] for f in found])

    for mmd in (ae.MMD(), ae.MMD(kernel="rbf")):
        assert abs(mean(mmd, 0)) < 3e-3  # unbiased
        assert mean(mmd, 1.0) > 0.05
    one = np.ones((1, 2), np.float32)
    alone = estimated(ae.MMD(), Codes(one, one, one, one, 5))
    assert alone.value == 0 and not alone.dz.any()


def test_total_correlation_beside_pytorch(codes):
    torch = pytest.importorskip("torch")
    found = estimated(ae.TotalCorrelation(6.0, 0.5, 2.0), codes)
    z, mean, logvar = (torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in codes[:3])
    posterior = torch.distributions.Normal(mean[None], torch.exp(logvar / 2)[None])
    single = posterior.log_prob(z[:, None])  # of draw i under posterior j, in each dimension
    share = torch.full((9, 9), 39 / 40 / 8, dtype=torch.float64).fill_diagonal_(1 / 40).log()
    whole = torch.logsumexp(single.sum(-1) + share, 1)
    product = torch.logsumexp(single + share[..., None], 1).sum(-1)
    own = single.sum(-1).diagonal()
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    want = {"mi": own - whole, "tc": whole - product, "dimension_kl": product - prior}
    loss = sum(w * v.mean() for w, v in zip((0.5, 6.0, 2.0), want.values(), strict=True))
    loss.backward()
    assert found.terms == pytest.approx({k: v.mean().item() for k, v in want.items()}, abs=1e-5)
    assert found.value == pytest.approx(loss.item(), rel=1e-5)
    for got, leaf in zip((found.dz, *found.posterior), (z, mean, logvar), strict=True):
        np.testing.assert_allclose(got, leaf.grad, rtol=1e-3, atol=1e-5)


def test_total_correlation_takes_the_kl_apart(rng):
    """Its parts are those of normal codes with a known correlation; together they are the KL."""
    rho, n = 0.6, 2000
    mean = rng.multivariate_normal([0, 0], [[0.75, rho], [rho, 0.75]], n, method="eigh")
    mean = mean.astype(np.float32)
    logvar = np.full((n, 2), math.log(0.25), np.float32)
    z = mean + 0.5 * rng.standard_normal((n, 2)).astype(np.float32)
    found = estimated(ae.TotalCorrelation(), Codes(z, mean, logvar, z, n)).terms
    q = np.array([[1, rho], [rho, 1]])  # the aggregate posterior
    assert found["tc"] == pytest.approx(-0.5 * np.linalg.slogdet(q)[1], abs=0.05)
    assert found["dimension_kl"] == pytest.approx(0, abs=0.02)
    want = 0.5 * np.linalg.slogdet(q)[1] - math.log(0.25)
    assert found["mi"] == pytest.approx(want, abs=0.06)
    kl = (z**2 - (z - mean) ** 2 / 0.25 - logvar).sum(1).mean() / 2
    assert sum(found.values()) == pytest.approx(kl, abs=1e-4)
    one = np.ones((1, 2), np.float32)
    alone = estimated(ae.TotalCorrelation(), Codes(one, one, one, one, 5))
    assert alone.terms["mi"] == alone.terms["tc"] == 0


@pytest.mark.parametrize("divergence", [ae.MMD(5.0, kl=0.5), ae.TotalCorrelation(3.0)])
def test_divergences_in_history_and_validation(divergence, X):
    model = ae.VAE(
        TANH, 3, divergence=divergence, beta=2.0, validation_fraction=0.3, epochs=2, **KW
    )
    record = model.fit(X).history_[-1]
    parts = {"mmd": 5.0, "kl": 0.5}
    if isinstance(divergence, ae.TotalCorrelation):
        parts = {"mi": 1.0, "tc": 3.0, "dimension_kl": 1.0}
    for prefix in ("", "val_"):
        total = sum(weight * record[prefix + name] for name, weight in parts.items())
        want = record[f"{prefix}recon"] + 2.0 * total
        assert record[f"{prefix}loss"] == pytest.approx(want, rel=1e-6)
    plain = ae.VAE(TANH, 3, epochs=0, **KW).fit(X)
    model.set_params(epochs=0).fit(X)
    np.testing.assert_array_equal(model.score_samples(X), plain.score_samples(X))  # the bound


def test_total_correlation_is_made_small(rng):
    Z = rng.standard_normal((600, 2)).astype(np.float32)
    X = np.tanh(Z @ rng.standard_normal((2, 8)).astype(np.float32)) * 3

    def tc(weight):
        model = ae.VAE(TANH, 2, divergence=ae.TotalCorrelation(weight), beta=0.05, epochs=30)
        return model.set_params(learning_rate=1e-2, random_state=0).fit(X).history_[-1]["tc"]

    assert tc(30.0) < 0.5 * tc(0.0)


KINDS = {
    "several": {"importance_samples": 2},
    "mmd": {"divergence": ae.MMD()},
    "tc": {"divergence": ae.TotalCorrelation()},
}
ARCHS = [ae.Dense((8,)), ae.Conv((4,)), ae.ResNet(8, 4, 1), ae.LSTM(4), ae.Transformer(6, 2, 1, 5)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arch", ARCHS, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("cls", [ae.VAE, ae.CVAE])
def test_choices_go_together(kind, arch, cls, rng):
    x = rng.random((20, 8, 8, 2), dtype=np.float32)
    x = x[:, :, 0] if isinstance(arch, (ae.LSTM, ae.Transformer)) else x
    seen, y = rng.random(x.shape) < 0.8, np.arange(20) % 2
    model = cls(arch, 3, loss="gaussian", corruption=ae.Masking(0.2), epochs=2, **KINDS[kind], **KW)
    model.fit(np.where(seen, x, np.nan), y, X_val=(x, y), sample_mask=seen)
    assert np.isfinite([v for r in model.history_ for v in r.values()]).all()
    beside = {"y": y} if cls is ae.CVAE else {}
    assert model.log_likelihood(x, n_samples=2, **beside).shape == (20,)
    assert model.sample(2, y=1).shape == (2, *x.shape[1:])


REFUSED = [
    ({"divergence": "mmd"}, ValueError, "divergence: expected one of 'kl', got 'mmd'"),
    ({"divergence": None}, TypeError, "object like MMD"),
    ({"divergence": ae.MMD}, TypeError, "object like MMD"),
    ({"divergence": ae.MMD(-1)}, ValueError, "divergence: weight"),
    ({"divergence": ae.MMD(kernel="linear")}, ValueError, "'imq', 'rbf'"),
    ({"divergence": ae.MMD(scales=())}, ValueError, "at least one"),
    ({"divergence": ae.MMD(scales=3.0)}, TypeError, "expected numbers"),
    ({"divergence": ae.MMD(scales=(0.0,))}, ValueError, "more than 0"),
    ({"divergence": ae.MMD(kl=math.nan)}, ValueError, "divergence: kl"),
    ({"divergence": ae.TotalCorrelation("a")}, TypeError, "divergence: weight"),
    ({"divergence": ae.MMD(), "importance_samples": 2}, ValueError, "importance_samples"),
    ({"divergence": ae.MMD(), "free_bits": 0.1}, ValueError, "free_bits"),
    ({"importance_samples": 2, "free_bits": 0.1}, ValueError, "free_bits"),
    ({"importance_samples": 0}, ValueError, "importance_samples"),
    ({"importance_samples": 2.0}, TypeError, "importance_samples"),
]


@pytest.mark.parametrize("params, error, words", REFUSED, ids=lambda v: str(v)[:40])
def test_senseless_parameters_are_refused(params, error, words, X):
    model = ae.VAE(TANH, 3, **params, **KW)
    with pytest.raises(error) as caught:
        model.fit(X)
    assert words in str(caught.value)
    assert not hasattr(model, "history_")


@pytest.mark.parametrize("case", ["several", "several gaussian", "mmd", "tc"])
@pytest.mark.parametrize("scale", [1e8, 1e20, 1e36])
@pytest.mark.filterwarnings("ignore:X. values are taken as they are")
def test_steps_that_go_astray_say_so_alone(case, scale, X):
    """Every other warning is an error here."""
    cls, params = STEPS[case]
    model = cls(TANH, 3, epochs=50, optimizer="sgd", learning_rate=0.9, **params, **KW)
    with pytest.raises(FloatingPointError, match="training stopped in epoch"):
        model.fit(X * np.float32(scale))
    assert np.isfinite(model._network.flat.value).all()


# ---- figures of collapse ------------------------------------------------------------------------


def test_information_bound_by_hand(X):
    frozen = {**KW, "epochs": 1, "learning_rate": 1e-30}
    model = ae.VAE(TANH, 3, **frozen).fit(X)
    mean, logvar = (a.astype(np.float64) for a in model.encode_distribution(X))
    variance = mean.var(0) + np.exp(logvar).mean(0)
    want = 0.5 * (np.log(variance) - logvar.mean(0)).sum()
    record = model.history_[0]
    assert record["information_bound"] == pytest.approx(want, rel=1e-5)
    assert 0 <= record["information_bound"] <= record["kl"]
    # it is a mean KL from one normal distribution, as good as any other
    m, v = mean.mean(0), variance
    kl = 0.5 * (np.log(v) - logvar + (np.exp(logvar) + (mean - m) ** 2) / v - 1).sum(1)
    assert kl.mean() == pytest.approx(want)


# ---- a model whose likelihood is known: probabilistic PCA ----------------------------------------


@pytest.fixture
def exact(rng):
    """Return a VAE with the best posterior of a linear-Gaussian model, samples, their ln p(x)."""
    stats = pytest.importorskip("scipy.stats")
    n, f, d, variance = 120, 6, 2, 0.5  # loss="mse" is a normal with variance 1/2
    w, b = rng.normal(size=(f, d)), rng.normal(size=f)
    X = rng.normal(size=(n, d)) @ w.T + b + rng.normal(size=(n, f)) * variance**0.5
    X = X.astype(np.float32)
    layers = ae.nn.Sequential(ae.nn.Linear(f, 2 * d)), ae.nn.Sequential(ae.nn.Linear(d, f))
    model = ae.VAE(layers, d, random_state=0).initialize(X)
    precision = w.T @ w / variance + np.eye(d)
    a = np.linalg.inv(precision) @ w.T / variance
    p = model.parameters_
    p["encoder.0.weight"][...] = 0
    p["encoder.0.weight"][:d] = a
    p["encoder.0.bias"][:d], p["encoder.0.bias"][d:] = -a @ b, -np.log(np.diag(precision))
    p["decoder.0.weight"][...], p["decoder.0.bias"][...] = w, b
    density = stats.multivariate_normal(b, w @ w.T + variance * np.eye(f))
    return model, X, density.logpdf(X.astype(float)) + f * np.log(np.pi) / 2


def test_bounds_and_the_likelihood_itself(exact):
    """elbo is below ln p(x), log_likelihood goes there; a score at the mean is no bound."""
    model, X, known = exact
    elbo = model.elbo(X, n_samples=4000, random_state=0)
    near = model.log_likelihood(X, n_samples=4000, random_state=0)
    few = model.log_likelihood(X, n_samples=4, random_state=0)
    assert elbo.mean() < few.mean() < known.mean() + 0.02
    np.testing.assert_allclose(near, known, atol=0.1)
    assert abs(near.mean() - known.mean()) < 0.01
    gap = known.mean() - elbo.mean()
    assert 0 < gap < 2
    assert model.score_samples(X).mean() > elbo.mean()


def test_bits_of_one_hot_variables(rng):
    """Uniform symbols of 4 take 2 bits each, whatever the model."""
    X = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (2000, 6))]
    model = ae.VAE(
        ae.Dense(()), 2, loss="cross_entropy", epochs=15, learning_rate=1e-2, random_state=0
    )
    assert 1.98 < model.fit(X).history_[-1]["bits_per_dim"] < 2.1


@pytest.mark.parametrize("kind", ["array", "frame", "list", "objects", "strings"])
def test_a_column_of_labels_is_labels(kind):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.integers(0, 3, 30)[:, None]
    plain = ae.CVAE(ae.Dense((8,)), 2, epochs=1, random_state=0).fit(X, y[:, 0])
    column = {
        "array": lambda: y,
        "frame": lambda: pytest.importorskip("pandas").DataFrame({"label": y[:, 0]}),
        "list": y.tolist,
        "objects": lambda: y.astype(object),
        "strings": lambda: y.astype(str),
    }[kind]()
    m = ae.CVAE(ae.Dense((8,)), 2, epochs=1, random_state=0).fit(X, column)
    np.testing.assert_array_equal(m.classes_.astype(int), [0, 1, 2])
    np.testing.assert_array_equal(m.transform(X, column), plain.transform(X, y[:, 0]))
    property_ = ae.CVAE(ae.Dense((8,)), 2, epochs=1, random_state=0).fit(X, y.astype(float))
    np.testing.assert_array_equal(property_.transform(X, y), property_.transform(X, y * 1.0))
