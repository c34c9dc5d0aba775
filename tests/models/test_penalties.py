"""Penalties: what they are, their gradients, and what they do to codes."""

import copy

import aecore as ae
import numpy as np
import pytest
from aecore import _core, nn
from aecore.data.arrays import Data
from aecore.data.batches import Batches
from aecore.nn.activation import FORMULAS
from aecore.nn.ops.jacobian import Jacobian
from cases.base import normal
from support.modules import zero_grad
from support.steps import check_step, step
from twin.stack import evaluate

KW = {"batch_size": 16, "random_state": 0}
FROZEN = {**KW, "epochs": 1, "learning_rate": 1e-30}  # a fit that measures and changes nothing
SMOOTH = ae.Dense((8,), activation="sigmoid")
PENALTIES = [
    ae.L1Sparsity(0.1),
    ae.KLSparsity(0.1, 2.0),
    ae.TopK(2),
    ae.Contractive(0.3),
    ae.Contractive(0.3, 2),
]


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


def conditions(model, n):
    return np.arange(n) % 3 if isinstance(model, ae.CVAE) else None


def kl(rho, rates):
    return rho * np.log(rho / rates) + (1 - rho) * np.log((1 - rho) / (1 - rates))


# ---- what they are ------------------------------------------------------------------------------


def by_hand(penalty, model, x):
    """Return the mean of the penalty, in float64, of samples that are one batch."""
    codes = model.transform(x).astype(np.float64)
    if isinstance(penalty, ae.L1Sparsity):
        return penalty.weight * np.abs(codes).sum(1).mean()
    if isinstance(penalty, ae.KLSparsity):
        return penalty.weight * kl(penalty.rho, codes.mean(0)).sum()
    if isinstance(penalty, ae.TopK):
        return 0.0
    squares = (numeric_jacobian(model._network.encoder, x, 4) ** 2).sum((1, 2))
    return penalty.weight * squares.mean()


def numeric_jacobian(encoder, x, width, step=1e-5):
    """Return d code / d x of each sample (n, width, F), from differences of the float64 twin."""
    x, columns = x.astype(np.float64), []
    for j in range(x[0].size):
        d = np.zeros(x[0].size)
        d[j] = step
        d = d.reshape(x.shape[1:])
        columns.append((evaluate(encoder, x + d) - evaluate(encoder, x - d))[:, :width])
    return np.stack(columns, 2) / (2 * step)


@pytest.mark.parametrize("penalty", PENALTIES[:4], ids=repr)
@pytest.mark.parametrize("cls", [ae.Autoencoder, ae.VAE])
def test_terms_and_scores(cls, penalty, X):
    options = {**FROZEN, "batch_size": 50}
    model = cls(SMOOTH, 4, penalty=penalty, **options).fit(X, X_val=X[:20])
    record = model.history_[0]
    kl_term = record.get("kl", 0.0)
    assert record["penalty"] == pytest.approx(by_hand(penalty, model, X), rel=1e-4)
    total = record["recon"] + kl_term + record["penalty"]
    assert record["loss"] == pytest.approx(total, rel=1e-9)
    assert record["val_penalty"] == pytest.approx(by_hand(penalty, model, X[:20]), rel=1e-4)
    total = record["val_recon"] + record.get("val_kl", 0.0) + record["val_penalty"]
    assert record["val_loss"] == pytest.approx(total, rel=1e-9)
    # scores are about samples: the penalty has no part in them
    score = record["val_recon"] + record.get("val_kl", 0.0)
    bound = model.elbo(X[:20], random_state=0).mean() if cls is ae.VAE else model.score(X[:20])
    assert bound == pytest.approx(-score, rel=1e-5)
    np.testing.assert_array_equal(model.score_samples(X)[7:9], model.score_samples(X[7:9]))


def test_a_penalty_of_weight_0_changes_nothing(X):
    plain = ae.Autoencoder(SMOOTH, 4, epochs=2, **KW).fit(X)
    for penalty in (ae.L1Sparsity(0), ae.Contractive(0), ae.TopK(4)):
        model = ae.Autoencoder(SMOOTH, 4, penalty=penalty, epochs=2, **KW).fit(X)
        np.testing.assert_array_equal(model.transform(X), plain.transform(X))
        assert model.history_[-1]["loss"] == plain.history_[-1]["loss"]


# ---- gradients of a step ------------------------------------------------------------------------

TANH = ae.Dense((8,), activation="tanh")
STEPS = {
    "l1": (ae.Autoencoder, {"arch": TANH, "penalty": ae.L1Sparsity(2.0)}),
    "kl": (ae.Autoencoder, {"arch": TANH, "penalty": ae.KLSparsity(0.2, 30.0)}),
    "kl vae": (ae.VAE, {"arch": TANH, "penalty": ae.KLSparsity(0.2, 30.0)}),
    "top": (ae.Autoencoder, {"arch": TANH, "penalty": ae.TopK(2)}),
    "top vae": (ae.VAE, {"arch": TANH, "penalty": ae.TopK(2)}),
    "contractive": (ae.Autoencoder, {"arch": TANH, "penalty": ae.Contractive(20.0)}),
    "projections": (ae.Autoencoder, {"arch": TANH, "penalty": ae.Contractive(20.0, 2)}),
    "contractive vae": (ae.VAE, {"arch": TANH, "penalty": ae.Contractive(20.0)}),
    "contractive cvae": (ae.CVAE, {"arch": TANH, "penalty": ae.Contractive(20.0)}),
    "contractive tied": (
        ae.Autoencoder,
        {"arch": ae.Dense((7,), "gelu"), "tied": True, "penalty": ae.Contractive(20.0)},
    ),
    "contractive conv": (
        ae.Autoencoder,
        {"arch": ae.Conv((4, 3), activation="elu"), "penalty": ae.Contractive(20.0)},
    ),
    "contractive conv cvae": (
        ae.CVAE,
        {"arch": ae.Conv((4,), activation="tanh"), "penalty": ae.Contractive(20.0, 3)},
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_step_gradients_by_finite_differences(case, X, rng):
    cls, params = STEPS[case]
    data = rng.random((30, 7, 6, 2), dtype=np.float32) if "conv" in case else X
    model = cls(latent_dim=3, **params, **KW)
    y = conditions(model, len(data))
    model.initialize(data, y)
    network = model._network
    condition = network.conditioner and network.conditioner.read(y, len(data))
    mask = rng.random(data.shape) < 0.9 if "contractive" in case else None
    batch = next(Batches(Data(data, mask), 20, condition=condition)())
    check_step(model, batch, rng)


# ---- the Jacobian -------------------------------------------------------------------------------

STACKS = {
    "closed form": lambda: [nn.Linear(7, 5, activation="sigmoid")],
    "all fused": lambda: [
        layer
        for a in ("tanh", "sigmoid", "softplus", "elu", "relu", "leaky_relu")
        for layer in (nn.Linear(7, 7, activation=a), nn.Linear(7, 7))
    ],
    "not fused": lambda: [
        nn.Linear(7, 6),
        nn.Activation("gelu"),
        nn.Linear(6, 5, bias=False),
        nn.Activation("silu"),
        nn.Sequential(nn.Linear(5, 4), nn.Activation("tanh")),
    ],
    "activation first": lambda: [nn.Activation("silu"), nn.Linear(7, 4, activation="tanh")],
    "views": lambda: [
        nn.Reshape((7, 1, 1)),
        nn.Flatten(),
        nn.Linear(7, 6, activation="softplus"),
        nn.Reshape((3, 2)),
        nn.Flatten(),
    ],
    "convolutions": lambda: [
        nn.Reshape((7, 1, 1)),
        nn.Conv2d(1, 3, (3, 1), (2, 1), (1, 0), activation="tanh"),
        nn.ConvTranspose2d(3, 2, (2, 2), activation="sigmoid"),
        nn.Flatten(),
        nn.Linear(20, 4),
    ],
} | {
    f"{kind} by itself": lambda kind=kind: [nn.Linear(7, 6), nn.Activation(kind), nn.Linear(6, 5)]
    for kind in FORMULAS
}


def made(name):
    module = nn.Sequential(*STACKS[name]())
    module.initialize(4)
    return module


def penalized(module, x):
    """Run the three sweeps for the mean squared Jacobian; return it, with the gradients made."""
    n, total, tape = len(x), 0.0, nn.Tape()
    zero_grad(module)
    given = tape.variable(x)
    y = module(given)
    d = y.shape[1]
    jacobian = Jacobian(given, y)
    for j in range(d):
        g = jacobian.vjp(np.tile(np.eye(d, dtype=np.float32)[j], (n, 1)))
        assert g.shape == x.shape
        total += (g.astype(np.float64) ** 2).sum() / n
        g *= np.float32(2 / n)
        jacobian.add_vjp_gradient(g)
    jacobian.finish()
    return total


@pytest.mark.parametrize("name", STACKS)
def test_jacobian_against_float64_differences(name, rng):
    """Value and gradient; the Jacobian and its slopes both from differences of the twin."""
    module, x = made(name), normal(rng, 6, 7)
    got = penalized(module, x)
    base = {id(p): p.value.astype(np.float64) for _, p in module.parameters()}

    def value_of(changed, delta):
        def value(p):
            return None if p is None else base[id(p)] + (delta if p is changed else 0.0)

        squares, step = 0.0, 1e-5
        for j in range(7):
            d = step * np.eye(7)[j]
            up, down = (evaluate(module, x + s * d, value) for s in (1, -1))
            squares += (((up - down) / (2 * step)) ** 2).sum()
        return squares / len(x)

    assert got == pytest.approx(value_of(None, 0.0), rel=1e-5)
    for label, p in module.parameters():
        d = rng.standard_normal(p.shape)
        slope = (value_of(p, 1e-4 * d) - value_of(p, -1e-4 * d)) / 2e-4
        grad = p.grad.astype(np.float64)
        assert abs((grad * d).sum() - slope) <= 1e-3 * max(np.linalg.norm(grad), 1e-4), label


@pytest.mark.parametrize("name", STACKS)
def test_jacobian_against_double_backward(name, rng):
    torch = pytest.importorskip("torch")
    module, x = made(name), normal(rng, 6, 7)
    got = penalized(module, x)
    leaves = {
        id(p): torch.tensor(p.value, dtype=torch.float64, requires_grad=True)
        for _, p in module.parameters()
    }
    rows = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = torch_forward(torch, module, rows, lambda p: None if p is None else leaves[id(p)])
    total = 0.0
    for j in range(y.shape[1]):
        (g,) = torch.autograd.grad(y[:, j].sum(), rows, create_graph=True)
        total = total + (g**2).sum() / len(x)
    total.backward()
    assert got == pytest.approx(total.item(), rel=1e-5)
    for label, p in module.parameters():
        want = leaves[id(p)].grad
        want = np.zeros(p.shape) if want is None else want.numpy()
        np.testing.assert_allclose(p.grad, want, rtol=1e-4, atol=1e-5, err_msg=label)


def torch_forward(torch, module, x, value):
    """Run a stack in PyTorch, whose images have their channels first."""
    functions = torch.nn.functional
    if isinstance(module, nn.Sequential):
        for layer in module.layers:
            x = torch_forward(torch, layer, x, value)
        return x
    if isinstance(module, (nn.Flatten, nn.Reshape)):
        return x.reshape(len(x), *module.output_shape(tuple(x.shape[1:])))
    if isinstance(module, nn.Linear):
        x = functions.linear(x, value(module.weight), value(module.bias))
    elif not isinstance(module, nn.Activation):
        up = isinstance(module, nn.ConvTranspose2d)
        weight = value(module.weight).permute(*((3, 0) if up else (0, 3)), 1, 2)
        run = functions.conv_transpose2d if up else functions.conv2d
        x = run(x.permute(0, 3, 1, 2), weight, value(module.bias), module.stride, module.padding)
        x = x.permute(0, 2, 3, 1)
    kind = module.kind if isinstance(module, nn.Activation) else module.activation
    return getattr(functions, kind)(x) if kind else x


def test_closed_form_of_one_layer(rng):
    """Rifai et al.: the sum over units of (h (1 - h))^2 |W_j|^2, and its gradient."""
    layer, x = nn.Linear(9, 5, activation="sigmoid"), normal(rng, 8, 9)
    got = penalized(layer, x)
    W, b = layer.weight.value.astype(np.float64), layer.bias.value.astype(np.float64)
    h = 1 / (1 + np.exp(-(x @ W.T + b)))
    slope, norms = h * (1 - h), (W**2).sum(1)
    assert got == pytest.approx((slope**2 * norms).sum(1).mean(), rel=1e-6)
    dz = 2 * slope**2 * (1 - 2 * h) * norms / 8
    np.testing.assert_allclose(layer.bias.grad, dz.sum(0), rtol=1e-4, atol=1e-6)
    dW = dz.T @ x + 2 * W * (slope**2).mean(0)[:, None]
    np.testing.assert_allclose(layer.weight.grad, dW, rtol=1e-4, atol=1e-6)


def test_gradients_of_the_jacobian_are_the_same_for_any_threads(rng, workspace):
    module, x = made("convolutions"), normal(rng, 33, 7)
    for isa in _core.isa_names():
        found = []
        for threads in (1, 2, 3):
            workspace(threads, isa)
            found.append(
                [penalized(module, x)] + [p.grad.tobytes() for _, p in module.parameters()]
            )
        assert found[0] == found[1] == found[2]


def test_missing_values_and_conditions_are_no_directions(X, rng):
    mask = rng.random(X.shape) < 0.7
    y = np.arange(50) % 3
    model = ae.CVAE(SMOOTH, 4, penalty=ae.Contractive(0.5), **{**FROZEN, "batch_size": 50})
    model.fit(X, y, sample_mask=mask)
    beside = np.concatenate([np.where(mask, X, 0), np.eye(3)[y]], 1)
    jacobian = numeric_jacobian(model._network.encoder, beside, 4)[:, :, :12]
    want = 0.5 * ((jacobian * mask[:, None]) ** 2).sum((1, 2)).mean()
    assert model.history_[0]["penalty"] == pytest.approx(want, rel=1e-4)


def test_projections_are_unbiased(X):
    exact = ae.Autoencoder(TANH, 6, penalty=ae.Contractive(1.0), **KW).initialize(X)
    batch = next(Batches(Data(X), 50)())
    network = exact._network

    def drawn(penalty):
        exact.set_params(penalty=penalty)
        return step(exact, batch)["penalty"] / 50, network.flat.whole_gradient().copy()

    value, gradient = drawn(ae.Contractive(1.0))
    values, gradients = [], []
    for draw in range(300):
        network.samples = 50 * draw
        got = drawn(ae.Contractive(1.0, 2))
        values.append(got[0])
        gradients.append(got[1])
    network.samples = 0
    error = np.std(values) / 300**0.5
    assert 0 < error < 0.01 * value
    assert np.mean(values) == pytest.approx(value, abs=4 * error)
    gap = np.linalg.norm(np.mean(gradients, 0) - gradient)
    assert gap < 0.02 * np.linalg.norm(gradient)
    assert drawn(ae.Contractive(1.0, 2))[0] == values[0]  # the same draw at the same place


def test_contraction_contracts(X):
    def size(penalty):
        model = ae.Autoencoder(SMOOTH, 4, tied=True, penalty=penalty, epochs=40, **KW)
        model.set_params(learning_rate=1e-2).fit(X)
        return (numeric_jacobian(model._network.encoder, X, 4) ** 2).sum((1, 2)).mean()

    free, held = size(None), size(ae.Contractive(1.0))
    assert held < free / 2
    assert size(ae.Contractive(1.0, 2)) < free / 2


# ---- sparse codes -------------------------------------------------------------------------------


def test_top_k_keeps_the_largest(X, rng):
    model = ae.Autoencoder(SMOOTH, 20, penalty=ae.TopK(3), epochs=3, **KW).fit(X)
    encoded = evaluate(model._network.encoder, X)
    codes = model.transform(X)
    order = np.argsort(-encoded, 1)
    kept = np.zeros(codes.shape, bool)
    np.put_along_axis(kept, order[:, :3], True, 1)
    np.testing.assert_allclose(codes, np.where(kept, encoded, 0), rtol=1e-4, atol=1e-6)
    rebuilt = model.inverse_transform(codes)
    np.testing.assert_allclose(rebuilt, model.reconstruct(X), rtol=1e-5, atol=1e-6)
    fewer = copy.deepcopy(model).set_params(penalty=ae.TopK(1), warm_start=True, epochs=1).fit(X)
    assert ((fewer.transform(X) != 0).sum(1) == 1).all()


def test_top_k_of_equal_values_and_of_nan():
    tape = ae.nn.Tape()
    z = tape.variable(np.array([[1, 1, 1, 0], [-3, -1, -2, -1], [np.nan, 1, 2, 3]], np.float32))
    kept = ae.TopK(2).shape(z)
    code = kept.data
    np.testing.assert_array_equal(code[:2], [[1, 1, 0, 0], [0, -1, 0, -1]])
    assert not np.signbit(code[0]).any() and not np.signbit(code[1, 0])
    assert np.isnan(code[2]).any()  # or training would go on as if nothing were wrong
    tape.backward(kept)
    np.testing.assert_array_equal(z.grad[:2], [[1, 1, 0, 0], [0, 1, 0, 1]])


def test_l1_makes_codes_smaller(X):
    free, held = (
        ae.Autoencoder(SMOOTH, 30, penalty=p, weight_decay=1e-3, epochs=40, **KW).fit(X)
        for p in (ae.L1Sparsity(0), ae.L1Sparsity(0.3))
    )
    assert np.abs(held.transform(X)).mean() < np.abs(free.transform(X)).mean() / 4


@pytest.fixture(scope="module")
def digits():
    load_digits = pytest.importorskip("sklearn.datasets").load_digits
    return (load_digits().data / 16).astype(np.float32)


@pytest.mark.parametrize("rho", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("latent_dim, loss", [(16, "mse"), (80, "mse"), (32, "bce")])
def test_units_of_digits_are_on_at_the_rate(rho, latent_dim, loss, digits):
    """Mean activations are within a tenth of rho, and the codes say something."""
    penalty = ae.KLSparsity(rho=rho)
    model = ae.Autoencoder(ae.Dense((32,)), latent_dim, penalty=penalty, loss=loss, random_state=0)
    model.set_params(epochs=80, learning_rate=3e-3).fit(digits[:1000])
    codes = model.transform(digits[:1000])
    assert (codes > 0).all() and (codes < 1).all()
    np.testing.assert_allclose(codes.mean(0), rho, rtol=0.1 if loss == "mse" else 0.3)
    assert codes.mean() == pytest.approx(rho, rel=0.1)
    unseen = model.transform(digits[1000:])
    assert unseen.mean() == pytest.approx(rho, rel=0.1)
    rebuilt = model.reconstruct(digits[1000:])
    spread = digits[1000:].var(0).mean()
    assert ((rebuilt - digits[1000:]) ** 2).mean() < 0.9 * spread


# ---- with everything else -----------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
@pytest.mark.parametrize("cls", [ae.Autoencoder, ae.VAE, ae.CVAE])
def test_going_on_from_a_file_is_exact(cls, penalty, X, tmp_path):
    """With noise, missing values and a code that is longer than a sample, for any threads."""
    params = {"penalty": penalty, "corruption": ae.Masking(0.2), "weight_decay": 1e-3, **KW}
    mask = np.arange(X.size).reshape(X.shape) % 7 > 0
    model = cls(SMOOTH, 17, epochs=2, n_threads=1, **params)
    y = conditions(model, len(X))
    model.fit(X, y, sample_mask=mask)
    part = cls(SMOOTH, 17, epochs=1, n_threads=3, **params).fit(X, y, sample_mask=mask)
    part.save(tmp_path / "model")
    again = ae.load(tmp_path / "model")
    assert again.penalty == penalty
    again.set_params(warm_start=True).fit(X, y, sample_mask=mask)
    np.testing.assert_array_equal(model._network.flat.value, again._network.flat.value)
    np.testing.assert_array_equal(model.transform(X, y), again.transform(X, y))
    assert model.transform(X, y).shape == (50, 17)
    walk = model.interpolate(X[0], X[1], 3, y=None if y is None else 1)
    assert walk.shape == (3, 12) and np.isfinite(walk).all()


@pytest.mark.parametrize("penalty", PENALTIES[:3], ids=repr)
@pytest.mark.parametrize("arch", [ae.LSTM(5), ae.Transformer(6, 2, 1), ae.LSTM(4, 2, True)])
def test_sequences_of_different_lengths(arch, penalty, rng):
    X = [normal(rng, 3 + i % 4, 2) for i in range(20)]
    model = ae.Autoencoder(arch, 6, penalty=penalty, epochs=2, **KW).fit(X)
    assert [len(x) for x in model.reconstruct(X)] == [len(x) for x in X]
    assert np.isfinite(model.history_[-1]["penalty"])


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
@pytest.mark.parametrize("tied", [False, True])
def test_images(penalty, tied, rng):
    X = rng.random((20, 9, 7, 3), dtype=np.float32)
    arch = ae.Conv((4, 8), activation="elu")
    model = ae.Autoencoder(arch, 6, tied=tied, penalty=penalty, loss="bce", epochs=2, **KW)
    model.set_params(validation_fraction=0.2).fit((X * 255).astype(np.uint8))
    assert np.isfinite(model.history_[-1]["val_penalty"])


REFUSED = [ae.LSTM(4), ae.Transformer(4, 2, 1), "dropout"]


@pytest.mark.parametrize("arch", REFUSED, ids=repr)
def test_contractive_says_which_encoders_it_takes(arch, rng):
    X = normal(rng, 20, 6, 2)
    if arch == "dropout":
        drops = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.Dropout(0.1))
        arch = (drops, nn.Sequential(nn.Linear(3, 12), nn.Reshape((6, 2))))
    model = ae.Autoencoder(arch, 3, penalty=ae.Contractive(), epochs=1, **KW)
    with pytest.raises(
        ValueError, match="penalty: expected .* for Contractive, .* neither linear nor"
    ):
        model.fit(X)
    assert not model.__sklearn_is_fitted__()
    model.set_params(penalty=None).fit(X)
    before = model.transform(X)
    with pytest.raises(ValueError, match=r"GaussianNoise\(\)"):
        model.set_params(penalty=ae.Contractive(), warm_start=True).fit(X)
    np.testing.assert_array_equal(model.transform(X), before)


def test_an_encoder_without_weights_is_refused():
    with pytest.raises(ValueError, match="no layer with a weight"):
        x = nn.Tape().variable(np.ones((2, 3, 4), np.float32))
        Jacobian(x, nn.Sequential(nn.Flatten(), nn.Activation("tanh"))(x))


def test_a_loss_that_is_not_finite_stops_training(X):
    model = ae.Autoencoder(SMOOTH, 4, penalty=ae.L1Sparsity(1e308), epochs=1, **KW)
    with pytest.raises(FloatingPointError):
        model.fit(X)


def test_values_of_parameters(X):
    clone = pytest.importorskip("sklearn.base").clone
    for penalty in PENALTIES:
        assert clone(penalty) == penalty == copy.deepcopy(penalty)
        assert eval(f"ae.{penalty!r}") == penalty
        assert penalty.get_params() == type(penalty)(**penalty.get_params()).get_params()
    assert ae.TopK(2) != ae.TopK(3) and ae.L1Sparsity(1.0) != ae.Contractive(1.0)
    model = ae.Autoencoder(SMOOTH, 4, penalty=ae.TopK(2))
    assert model.get_params()["penalty__k"] == 2
    assert model.set_params(penalty__k=3).penalty.k == 3
