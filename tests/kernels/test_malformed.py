"""Bad input: a TypeError or ValueError that says what was expected, before anything changes."""

import pickle

import aecore as ae
import numpy as np
import pytest
import scipy.sparse

rng = np.random.default_rng(0)
N = 24
X = rng.random((N, 6), dtype=np.float32)
I = rng.random((N, 8, 8, 3), dtype=np.float32)  # noqa: E741
Y = np.arange(N) % 3
KW = {"epochs": 1, "batch_size": 8, "random_state": 0}
D = ae.Dense((4,))
nn = ae.nn


def at(array, value, *place):
    array = np.array(array, copy=True)
    array[place or tuple(0 for _ in array.shape)] = value
    return array


class Wrong:
    """An array-like whose slices have another shape than it says."""

    shape, dtype = (N, 6), np.dtype(np.float32)

    def __getitem__(self, key):
        return np.zeros((1, 6), np.float32)


MODELS = {
    "ae": lambda: ae.Autoencoder(D, 2, **KW).fit(X),
    "bce": lambda: ae.Autoencoder(D, 2, loss="bce", **KW).fit(X),
    "images": lambda: ae.Autoencoder(ae.Conv((4,)), 2, **KW).fit(I),
    "vae": lambda: ae.VAE(D, 2, **KW).fit(X),
    "cvae": lambda: ae.CVAE(D, 2, **KW).fit(X, Y),
    "properties": lambda: ae.CVAE(D, 2, **KW).fit(X, X[:, :2]),
    "vqvae": lambda: ae.VQVAE(D, 8, 3, **KW).fit(X),
    "residual": lambda: ae.VQVAE(D, 8, 3, quantizers=2, **KW).fit(X),
    "levels": lambda: ae.VQVAE(D, levels=(3, 5), **KW).fit(X),
    "groups": lambda: ae.VQVAE(D, 8, 4, groups=2, projection_dim=1, **KW).fit(X),
    "bits": lambda: ae.VQVAE(D, code_bits=3, **KW).fit(X),
}


@pytest.fixture(scope="module")
def fitted():
    """Return fitted models by name, made when first asked for."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = pickle.dumps(MODELS[name]())
        return pickle.loads(made[name])

    return get


# model, call, exception, what its message says
CALLS = [
    # samples
    ("ae", lambda m: m.fit(None), TypeError, "got None"),
    ("ae", lambda m: m.fit(3.0), ValueError, "2D array"),
    ("ae", lambda m: m.fit("text"), TypeError, "numbers"),
    ("ae", lambda m: m.fit(X[0]), ValueError, "got 1D array"),
    ("ae", lambda m: ae.Autoencoder().fit(X[:, None, None, None]), ValueError, "(1, 1, 1, 6)"),
    ("images", lambda m: m.fit(I[None]), ValueError, "images"),
    ("ae", lambda m: m.fit(np.zeros((0, 6))), ValueError, "0 sample"),
    ("ae", lambda m: m.fit(np.zeros((6, 0))), ValueError, "0 feature"),
    ("ae", lambda m: m.fit(np.zeros((6, 3, 0, 2))), ValueError, "0 feature"),
    ("ae", lambda m: m.fit(at(X, np.nan, 7, 2)), ValueError, "NaN (in row 7)"),
    ("ae", lambda m: m.fit(at(X, np.inf)), ValueError, "infinity"),
    ("ae", lambda m: m.fit(at(X, -np.inf, N - 1, 5)), ValueError, f"infinity (in row {N - 1})"),
    ("ae", lambda m: m.fit(at(X.astype(float), 1e300)), ValueError, "1e+300"),
    ("ae", lambda m: m.fit(at(X.astype(np.float16), np.nan)), ValueError, "NaN"),
    ("ae", lambda m: m.fit(X.astype(complex)), ValueError, "Complex"),
    ("ae", lambda m: m.fit(X.astype(str)), TypeError, "numbers"),
    ("ae", lambda m: m.fit(X.astype("V4")), TypeError, "numbers"),
    ("ae", lambda m: m.fit(X.astype("datetime64[s]")), TypeError, "numbers"),
    ("ae", lambda m: m.fit([[1, 2], [3]]), ValueError, "array of numbers"),
    ("ae", lambda m: m.fit([[1, "a"], [2, "b"]]), TypeError, "numbers"),
    ("ae", lambda m: m.fit(np.array([[1, {}], [2, 3]], dtype=object)), TypeError, "numbers"),
    (
        "ae",
        lambda m: m.fit(np.array([[1, None], [2, 3]], dtype=object)),
        (TypeError, ValueError),
        "",
    ),
    ("ae", lambda m: m.fit(scipy.sparse.csr_array(X.astype(complex))), ValueError, "Complex"),
    ("ae", lambda m: m.fit(scipy.sparse.csr_array(at(X, np.nan, 3, 5))), ValueError, "in row 3"),
    ("ae", lambda m: m.fit(scipy.sparse.coo_array(X[0])), ValueError, "2D array"),
    ("ae", lambda m: m.transform(scipy.sparse.csr_array(X[:, :5])), ValueError, "has 5 features"),
    ("ae", lambda m: m.fit(scipy.sparse.csr_array((0, 6))), ValueError, "0 sample"),
    ("ae", lambda m: m.fit(np.ma.masked_array(X)), TypeError, "sample_mask"),
    ("ae", lambda m: m.fit({"a": X}), (TypeError, ValueError), ""),
    ("ae", lambda m: m.fit(Wrong()), ValueError, "slices of shape"),
    ("ae", lambda m: m.partial_fit(X[:, :5]), ValueError, "expecting 6 features"),
    ("ae", lambda m: m.transform(X[:, :5]), ValueError, "X has 5 features, but Autoencoder is"),
    ("ae", lambda m: m.transform(at(X, np.nan)), ValueError, "NaN"),
    ("ae", lambda m: m.reconstruct(X[0]), ValueError, "2D array"),
    ("ae", lambda m: m.score_samples(I), ValueError, "expected samples of shape (6,)"),
    ("ae", lambda m: m.errors(X[:0]), ValueError, "0 sample"),
    ("images", lambda m: m.transform(I[:, :4]), ValueError, "(8, 8, 3)"),
    ("images", lambda m: m.transform(I.transpose(0, 3, 1, 2)), ValueError, "got (3, 8, 8)"),
    # masks
    ("ae", lambda m: m.fit(X, sample_mask=np.ones((N, 6))), TypeError, "booleans"),
    ("ae", lambda m: m.fit(X, sample_mask=np.ones(N, bool)), ValueError, "shape of X"),
    ("ae", lambda m: m.fit(at(X, np.nan), sample_mask=np.ones((N, 6), bool)), ValueError, "NaN"),
    ("ae", lambda m: m.transform(X, sample_mask=np.ones((2, 6), bool)), ValueError, "shape of X"),
    # validation
    ("ae", lambda m: m.fit(X, X_val=X[:, :3]), ValueError, "X_val has 3 features"),
    ("ae", lambda m: m.fit(X, X_val=at(X, np.nan)), ValueError, "X_val contains NaN"),
    ("ae", lambda m: m.fit(X, X_val=(X, None, 3)), ValueError, "X_val"),
    ("cvae", lambda m: m.fit(X, Y, X_val=X), ValueError, "X_val: expected (X, y)"),
    (
        "cvae",
        lambda m: m.fit(X, Y, X_val=(X, Y + 1)),
        ValueError,
        "y: expected labels as in fit, 0, 1, 2, got 3",
    ),
    # losses
    ("bce", lambda m: m.fit(X * 2), ValueError, "[0, 1]"),
    ("bce", lambda m: m.fit(X - 0.5), ValueError, "loss='bce'"),
    ("bce", lambda m: m.fit(X, X_val=X + 1), ValueError, "X_val: expected values in [0, 1]"),
    # conditions
    ("cvae", lambda m: m.fit(X), ValueError, "y: expected labels"),
    ("cvae", lambda m: m.fit(X, Y[:-1]), ValueError, f"expected {N} conditions"),
    ("cvae", lambda m: m.fit(X, Y * 1.0), ValueError, "reshape(-1, 1)"),
    ("cvae", lambda m: m.fit(X, np.zeros((N, 2, 2))), ValueError, "(N, p)"),
    ("cvae", lambda m: m.fit(X, np.zeros((N, 0))), ValueError, "(N, p)"),
    ("cvae", lambda m: m.fit(X, at(X, np.nan)), ValueError, "y: expected finite"),
    (
        "cvae",
        lambda m: m.fit(X, np.array([1, "a"] * (N // 2), dtype=object)),
        ValueError,
        "int, str",
    ),
    ("cvae", lambda m: m.fit(X, Y.astype(complex)), ValueError, "complex"),
    ("cvae", lambda m: m.fit(np.zeros((5000, 6)), np.arange(5000)), ValueError, "at most 4096"),
    ("cvae", lambda m: m.transform(X), ValueError, "y: expected labels"),
    (
        "cvae",
        lambda m: m.transform(X, Y + 1),
        ValueError,
        "y: expected labels as in fit, 0, 1, 2, got 3",
    ),
    ("cvae", lambda m: m.transform(X, Y - 1), ValueError, "fit, 0, 1, 2, got -1"),
    ("cvae", lambda m: m.transform(X, Y.astype(str)), ValueError, "expected labels like"),
    ("cvae", lambda m: m.transform(X, Y[:3]), ValueError, "got 3"),
    ("cvae", lambda m: m.partial_fit(X, Y + 5), ValueError, "fit, 0, 1, 2, got 5"),
    ("cvae", lambda m: m.sample(3), ValueError, "y: expected labels"),
    ("cvae", lambda m: m.sample(3, y=[0, 1]), ValueError, "expected 3 conditions"),
    ("cvae", lambda m: m.sample(3, y=9), ValueError, "fit, 0, 1, 2, got 9"),
    ("cvae", lambda m: m.inverse_transform(np.zeros((2, 2))), ValueError, "y: expected labels"),
    ("cvae", lambda m: m.interpolate(X[0], X[1], 3), ValueError, "y: expected labels"),
    ("properties", lambda m: m.transform(X, X), ValueError, "shape (N, 2)"),
    ("properties", lambda m: m.transform(X, Y), ValueError, "shape (N, 2)"),
    ("properties", lambda m: m.sample(2, y=[1.0]), ValueError, "shape (N, 2)"),
    ("properties", lambda m: m.sample(2, y=np.nan), ValueError, ""),
    # codes
    ("ae", lambda m: m.inverse_transform(np.zeros((2, 3))), ValueError, "(N, 2)"),
    ("ae", lambda m: m.inverse_transform(np.zeros(2)), ValueError, "(N, 2)"),
    ("ae", lambda m: m.inverse_transform([["a", "b"]]), TypeError, "numbers"),
    ("ae", lambda m: m.inverse_transform([[0, np.nan]]), ValueError, "NaN"),
    ("ae", lambda m: m.inverse_transform([[0, 1e300]]), ValueError, "finite in float32"),
    ("vqvae", lambda m: m.inverse_transform([[8]]), ValueError, "0 to 7"),
    ("vqvae", lambda m: m.inverse_transform([[-1]]), ValueError, "0 to 7"),
    ("vqvae", lambda m: m.inverse_transform([[0.5]]), TypeError, "integers"),
    ("vqvae", lambda m: m.inverse_transform([1, 2]), ValueError, "('N', 1)"),
    # walks, samples, estimates
    ("vae", lambda m: m.sample(-1), ValueError, "n: expected at least 0"),
    ("vae", lambda m: m.sample(2.5), TypeError, "integer"),
    ("vae", lambda m: m.sample(2, random_state="x"), TypeError, "random_state"),
    ("vae", lambda m: m.sample(2, random_state=-1), ValueError, "random_state"),
    ("vae", lambda m: m.sample(10**15), MemoryError, ""),
    ("vae", lambda m: m.interpolate(X[0], X[1], 1), ValueError, "at least 2"),
    ("vae", lambda m: m.interpolate(X[:1], X[1], 3), ValueError, "a: expected one sample"),
    ("vae", lambda m: m.interpolate(X[0], X[1, :3], 3), ValueError, "b: expected one sample"),
    ("vae", lambda m: m.interpolate(X[0], X[1] * np.nan, 3), ValueError, "NaN"),
    ("vae", lambda m: m.traverse(X[0], 2, [0.0]), ValueError, "at most 1"),
    ("vae", lambda m: m.traverse(X[0], -1, [0.0]), ValueError, "at least 0"),
    ("vae", lambda m: m.traverse(X[0], 0.5, [0.0]), TypeError, "integer"),
    ("vae", lambda m: m.traverse(X[0], 0, 3.0), ValueError, "vector"),
    ("vae", lambda m: m.traverse(X[0], 0, [np.nan]), ValueError, "finite"),
    ("vae", lambda m: m.traverse(X[0], 0, ["a"]), ValueError, "finite"),
    ("vae", lambda m: m.elbo(X, n_samples=0), ValueError, "at least 1"),
    ("vae", lambda m: m.log_likelihood(X, n_samples=1.5), TypeError, "integer"),
    ("residual", lambda m: m.inverse_transform([[0, 8]]), ValueError, "0 to 7"),
    ("residual", lambda m: m.inverse_transform([[0]]), ValueError, "('N', 2)"),
    ("levels", lambda m: m.inverse_transform([[15]]), ValueError, "0 to 14"),
    ("levels", lambda m: m.traverse(X[0], 0, [15]), ValueError, "0 to 14"),
    ("vqvae", lambda m: m.traverse(X[0], 1, [0]), ValueError, "at most 0"),
    ("vqvae", lambda m: m.traverse(X[0], 0, [8]), ValueError, "0 to 7"),
    ("vqvae", lambda m: m.traverse(X[0], 0, [0.5]), ValueError, "codebook entries"),
    # parameters by name
    ("ae", lambda m: m.set_params(latent_dim=3, widths=3), ValueError, "widths"),
    ("ae", lambda m: m.set_params(arch__depth=3, latent_dim=5), ValueError, "depth"),
    ("ae", lambda m: m.set_params(corruption__sigma=3), ValueError, "has no parameters"),
    ("ae", lambda m: m.set_output(transform="xarray"), ValueError, "pandas"),
]


def check_unchanged(model, call, error, word):
    before = pickle.dumps(model)
    with pytest.raises(error) as caught:
        call(model)
    assert word in str(caught.value), str(caught.value)
    if not isinstance(caught.value, MemoryError):
        assert len(str(caught.value)) > 20
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("name, call, error, word", CALLS, ids=map(str, range(len(CALLS))))
def test_calls(name, call, error, word, fitted):
    check_unchanged(fitted(name), call, error, word)


def seq(*layers):
    return nn.Sequential(*layers)


# model, parameters, exception, what its message says
PARAMETERS = [
    ("ae", {"latent_dim": 0}, ValueError, "latent_dim: expected at least 1"),
    ("ae", {"latent_dim": -3}, ValueError, "latent_dim"),
    ("ae", {"latent_dim": 2.0}, TypeError, "latent_dim: expected an integer"),
    ("ae", {"latent_dim": True}, TypeError, "latent_dim"),
    ("ae", {"latent_dim": 10**12}, MemoryError, "too large"),
    ("ae", {"latent_dim": 10**30}, ValueError, "latent_dim"),
    ("ae", {"arch": ae.Dense((10**9,))}, MemoryError, "too large"),
    ("ae", {"arch": ae.Dense((10**5, 10**6))}, MemoryError, "too large"),
    ("ae", {"arch": ae.Dense((10**18, 10**18))}, (MemoryError, ValueError), ""),
    ("ae", {"arch": ae.Dense((0,))}, ValueError, "widths"),
    ("ae", {"arch": ae.Dense((-4,))}, ValueError, "widths"),
    ("ae", {"arch": ae.Dense((4.5,))}, TypeError, "widths"),
    ("ae", {"arch": ae.Dense(4)}, TypeError, "widths"),
    ("ae", {"arch": ae.Dense((4,), "swish")}, ValueError, "swish"),
    ("ae", {"arch": "dense"}, TypeError, "arch"),
    ("ae", {"arch": ae.Dense}, TypeError, "arch"),
    ("ae", {"arch": (seq(nn.Linear(6, 2)),)}, TypeError, "arch"),
    ("ae", {"arch": (seq(nn.Linear(6, 3)), seq(nn.Linear(3, 6)))}, ValueError, "(2,)"),
    ("ae", {"arch": (seq(nn.Linear(5, 2)), seq(nn.Linear(2, 6)))}, ValueError, "encoder"),
    ("ae", {"arch": (seq(nn.Linear(6, 2)), seq(nn.Linear(2, 5)))}, ValueError, "decoder"),
    ("ae", {"arch": ae.Conv()}, ValueError, "images (H, W, C)"),
    ("images", {"arch": ae.Conv((4,) * 9)}, ValueError, "Conv: expected images large enough"),
    ("images", {"tied": True, "arch": ae.ResNet(4, 2)}, ValueError, "tied"),
    ("vae", {"tied": True}, ValueError, "tied"),
    ("ae", {"tied": 1}, TypeError, "tied"),
    ("ae", {"loss": "rmse"}, ValueError, "'mse'"),
    ("ae", {"loss": None}, TypeError, "loss"),
    ("ae", {"loss": "cross_entropy"}, ValueError, "one-hot"),
    ("ae", {"corruption": 0.1}, TypeError, "corruption"),
    ("ae", {"corruption": ae.GaussianNoise(-1)}, ValueError, "sigma"),
    ("ae", {"corruption": ae.GaussianNoise(np.nan)}, ValueError, "sigma"),
    ("ae", {"corruption": ae.GaussianNoise("a")}, TypeError, "sigma"),
    ("ae", {"corruption": ae.Masking(1.1)}, ValueError, "rate"),
    ("ae", {"corruption": ae.SaltAndPepper(0.1, 1, 0)}, ValueError, "high"),
    ("ae", {"corruption": ae.Masking}, TypeError, "corruption"),
    ("ae", {"penalty": "l1"}, TypeError, "penalty: expected None or an object like L1Sparsity"),
    ("ae", {"penalty": ae.TopK}, TypeError, "penalty"),
    ("ae", {"penalty": ae.GaussianNoise()}, TypeError, "penalty"),
    ("ae", {"penalty": ae.L1Sparsity(-1)}, ValueError, "penalty: weight"),
    ("ae", {"penalty": ae.L1Sparsity("much")}, TypeError, "penalty: weight"),
    ("ae", {"penalty": ae.L1Sparsity(np.inf)}, ValueError, "penalty: weight"),
    ("ae", {"penalty": ae.KLSparsity(0.0)}, ValueError, "penalty: rho: expected a finite number"),
    ("ae", {"penalty": ae.KLSparsity(1.0)}, ValueError, "penalty: rho: expected less than 1"),
    ("ae", {"penalty": ae.KLSparsity(True)}, TypeError, "penalty: rho"),
    ("ae", {"penalty": ae.KLSparsity(0.1, np.nan)}, ValueError, "penalty: weight"),
    ("ae", {"penalty": ae.TopK(0)}, ValueError, "penalty: k: expected at least 1"),
    ("ae", {"penalty": ae.TopK(3)}, ValueError, "at most latent_dim, which is 2, got 3"),
    ("ae", {"penalty": ae.TopK(1.0)}, TypeError, "penalty: k"),
    ("ae", {"penalty": ae.Contractive(-1e-3)}, ValueError, "penalty: weight"),
    ("ae", {"penalty": ae.Contractive(1e-3, 0)}, ValueError, "penalty: projections"),
    ("ae", {"penalty": ae.Contractive(1e-3, 2.5)}, TypeError, "penalty: projections"),
    ("images", {"penalty": ae.Contractive(), "arch": ae.ResNet(4, 2)}, ValueError, "as Dense and"),
    ("vae", {"penalty": ae.TopK(5)}, ValueError, "penalty: k"),
    ("vqvae", {"penalty": ae.TopK(1)}, ValueError, "entries of a codebook"),
    ("vqvae", {"penalty": 3}, TypeError, "penalty"),
    ("ae", {"pretrain_epochs": -1}, ValueError, "pretrain_epochs: expected at least 0"),
    ("ae", {"pretrain_epochs": 1.0}, TypeError, "pretrain_epochs"),
    ("ae", {"pretrain_epochs": "3"}, TypeError, "pretrain_epochs"),
    ("ae", {"pretrain_epochs": 3, "arch": ae.Conv()}, ValueError, "expected Dense or None"),
    ("ae", {"pretrain_epochs": 3, "arch": ae.Dense((0,))}, ValueError, "widths"),
    ("ae", {"pretrain_epochs": 3, "corruption": [ae.Masking(0.1)] * 9}, ValueError, "got 9"),
    ("ae", {"pretrain_epochs": 3, "corruption": ()}, ValueError, "got 0"),
    ("ae", {"pretrain_epochs": 3, "corruption": (0.1, 0.1)}, TypeError, "corruption"),
    ("ae", {"corruption": (ae.Masking(0.1), None)}, TypeError, "corruption"),
    ("vae", {"pretrain_epochs": 3}, ValueError, "expected 0 for a VAE, as only an Autoencoder"),
    ("vqvae", {"pretrain_epochs": 3}, ValueError, "expected 0 for a VQVAE, as only an Autoencoder"),
    ("ae", {"optimizer": "rmsprop"}, ValueError, "'adam'"),
    ("ae", {"optimizer": ae.Adam}, TypeError, "optimizer"),
    ("ae", {"optimizer": ae.Adam(beta1=1.0)}, ValueError, "beta1"),
    ("ae", {"optimizer": ae.Adam(eps=0)}, ValueError, "eps"),
    ("ae", {"optimizer": ae.SGD(-0.1)}, ValueError, "momentum"),
    ("ae", {"learning_rate": 0.0}, ValueError, "learning_rate"),
    ("ae", {"learning_rate": -1}, ValueError, "learning_rate"),
    ("ae", {"learning_rate": np.inf}, ValueError, "learning_rate"),
    ("ae", {"learning_rate": "fast"}, TypeError, "learning_rate"),
    ("ae", {"weight_decay": -1e-3}, ValueError, "weight_decay"),
    ("ae", {"schedule": "cosine"}, TypeError, "schedule"),
    ("ae", {"schedule": ae.Cosine(0)}, ValueError, "epochs"),
    ("ae", {"schedule": ae.Step(2, 1.5)}, ValueError, "factor"),
    ("ae", {"schedule": ae.Warmup(2) * ae.Warmup(-1)}, ValueError, "epochs"),
    ("ae", {"clip_norm": 0}, ValueError, "clip_norm"),
    ("ae", {"batch_size": 0}, ValueError, "batch_size"),
    ("ae", {"batch_size": 8.0}, TypeError, "batch_size"),
    ("ae", {"epochs": -1}, ValueError, "epochs"),
    ("ae", {"shuffle": None}, TypeError, "shuffle"),
    ("ae", {"validation_fraction": 1.0}, ValueError, "validation_fraction"),
    ("ae", {"validation_fraction": 0.01}, ValueError, "validation_fraction: expected"),
    ("ae", {"patience": 0}, ValueError, "patience"),
    ("ae", {"warm_start": "yes"}, TypeError, "warm_start"),
    ("ae", {"callbacks": print}, TypeError, "sequence"),
    ("ae", {"callbacks": [3]}, TypeError, "functions"),
    ("ae", {"callbacks": None}, TypeError, "callbacks"),
    ("ae", {"checkpoint": 3}, TypeError, "checkpoint"),
    ("ae", {"random_state": "seed"}, TypeError, "random_state"),
    ("ae", {"random_state": -1}, ValueError, "random_state"),
    ("ae", {"random_state": 1.5}, TypeError, "random_state"),
    ("ae", {"n_threads": 0}, ValueError, "n_threads"),
    ("ae", {"n_threads": 10**6}, ValueError, "n_threads"),
    ("ae", {"verbose": -1}, ValueError, "verbose"),
    ("ae", {"verbose": "loud"}, TypeError, "verbose"),
    ("vae", {"beta": -1.0}, ValueError, "beta"),
    ("vae", {"kl_warmup": -1}, ValueError, "kl_warmup"),
    ("vae", {"free_bits": np.nan}, ValueError, "free_bits"),
    ("vae", {"importance_samples": 5, "free_bits": 1.0}, ValueError, "importance_samples"),
    ("vae", {"importance_samples": 0}, ValueError, "importance_samples"),
    ("vae", {"divergence": "mmd"}, ValueError, "'kl'"),
    ("vae", {"divergence": ae.MMD(kernel="linear")}, ValueError, "'imq'"),
    (
        "vae",
        {"loss": "gaussian", "warm_start": True},
        ValueError,
        "loss: expected 'mse', as in fit",
    ),
    ("vqvae", {"codebook_size": 0}, ValueError, "codebook_size"),
    ("vqvae", {"codebook_size": 10**12}, MemoryError, "too large"),
    ("vqvae", {"code_dim": -1}, ValueError, "code_dim"),
    ("vqvae", {"codebook": "k"}, ValueError, "'ema'"),
    ("vqvae", {"codebook_init": "pca"}, ValueError, "'kmeans'"),
    ("vqvae", {"commitment": -0.1}, ValueError, "commitment"),
    ("vqvae", {"ema_decay": 1.0}, ValueError, "ema_decay"),
    ("vqvae", {"restart_dead": 2}, TypeError, "restart_dead"),
    ("vqvae", {"quantizers": 0}, ValueError, "quantizers"),
    ("vqvae", {"quantizers": 2.0}, TypeError, "quantizers"),
    ("vqvae", {"quantizers": 1000, "codebook_size": 10**9}, MemoryError, "too large"),
    ("vqvae", {"distance": "dot"}, ValueError, "'euclidean', 'cosine'"),
    (
        "vqvae",
        {"distance": "cosine", "quantizers": 2},
        ValueError,
        "the length of a residual matters",
    ),
    ("vqvae", {"levels": (8, 5)}, ValueError, "codebook_size: expected 40, which follows"),
    ("vqvae", {"levels": (4, 2)}, ValueError, "code_dim: expected 2"),
    ("vqvae", {"levels": 8}, TypeError, "levels: expected a sequence"),
    ("vqvae", {"levels": (4, 1)}, ValueError, "levels: expected at least 2, got 1"),
    (
        "vqvae",
        {"levels": (2, 2, 2), "commitment": 0.5},
        ValueError,
        "commitment: expected 0.25 with",
    ),
    (
        "vqvae",
        {"levels": (2, 2, 2), "codebook": "loss"},
        ValueError,
        "codebook: expected 'ema' with",
    ),
    ("vqvae", {"levels": (2, 2, 2), "ema_decay": 0.9}, ValueError, "ema_decay: expected 0.99 with"),
    ("vqvae", {"levels": (2, 2, 2), "quantizers": 25}, ValueError, "depth: expected at most"),
    ("vqvae", {"levels": (2, 2, 2), "projection_dim": 2}, ValueError, "projection_dim: expected N"),
    ("vqvae", {"levels": (2, 2, 2), "gradient": "rotation"}, ValueError, "gradient: expected 'str"),
    (
        "vqvae",
        {"levels": (2, 2, 2), "code_bits": 3},
        ValueError,
        "code_bits: expected None beside levels",
    ),
    ("vqvae", {"levels": (2, 2, 2), "groups": 2}, ValueError, "code_dim: expected 6, which"),
    ("vqvae", {"gradient": "straight"}, ValueError, "'straight_through', 'rotation'"),
    ("vqvae", {"gradient": None}, TypeError, "gradient"),
    ("vqvae", {"projection_dim": 0}, ValueError, "projection_dim: expected at least 1"),
    ("vqvae", {"groups": 0}, ValueError, "groups: expected at least 1"),
    ("vqvae", {"groups": 2}, ValueError, "code_dim: expected a multiple of groups=2, got 3"),
    (
        "vqvae",
        {"entropy_weight": 0.2},
        ValueError,
        "entropy_weight: expected 0.1 with no code_bits",
    ),
    ("vqvae", {"entropy_weight": -1}, ValueError, "entropy_weight"),
    ("vqvae", {"code_bits": 3.0}, TypeError, "code_bits: expected an integer"),
    ("vqvae", {"code_bits": 25}, ValueError, "code_bits: expected at least 1 and at most 24"),
    (
        "vqvae",
        {"code_bits": 4},
        ValueError,
        "codebook_size: expected 16, which follows from code_bits=4",
    ),
    (
        "vqvae",
        {"code_bits": 3, "quantizers": 2},
        ValueError,
        "quantizers: expected 1 with code_bits",
    ),
    (
        "vqvae",
        {"code_bits": 3, "distance": "cosine"},
        ValueError,
        "distance: expected 'euclidean' with",
    ),
    (
        "vqvae",
        {"code_bits": 3, "codebook": "loss"},
        ValueError,
        "codebook: expected 'ema' with code_bits",
    ),
    ("vqvae", {"levels": (2, 2, 2), "distance": "cosine"}, ValueError, "with levels, which have"),
    ("vqvae", {"prior": "pixelcnn"}, ValueError, "prior"),
    ("vqvae", {"prior": ae.PixelCNN}, ValueError, "PixelCNN()"),
    ("vqvae", {"prior": ae.PixelCNN(0)}, ValueError, "prior: channels: expected at least 1"),
    ("vqvae", {"prior": ae.PixelCNN(epochs=1.5)}, TypeError, "prior: epochs"),
    ("vqvae", {"prior": ae.PixelCNN(codebook_size=9)}, ValueError, "expected None or the codeb"),
]


@pytest.mark.parametrize("name, params, error, word", PARAMETERS, ids=lambda v: str(v)[:40])
def test_parameters(name, params, error, word, fitted):
    check_fit_refused(fitted(name), "fit", I if name == "images" else X, params, error, word)


@pytest.mark.parametrize("method", ["fit", "partial_fit", "initialize"])
@pytest.mark.parametrize(
    "params, error",
    [
        ({"latent_dim": 0}, ValueError),
        ({"loss": "rmse"}, ValueError),
        ({"epochs": 1.5}, TypeError),
    ],
)
def test_parameters_of_every_way_to_fit(method, params, error, fitted):
    check_fit_refused(fitted("ae"), method, X, params, error, next(iter(params)))


def check_fit_refused(model, method, data, params, error, word):
    fit = getattr(model.set_params(**params), method)
    before = dict(vars(model)), {k: v.tobytes() for k, v in model._network.arrays().items()}
    with pytest.raises(error) as caught:
        fit(data)
    assert word in str(caught.value), str(caught.value)
    assert vars(model) == before[0]
    assert {k: v.tobytes() for k, v in model._network.arrays().items()} == before[1]


UNFITTED = [
    lambda m: m.transform(X),
    lambda m: m.reconstruct(X),
    lambda m: m.inverse_transform(X[:, :2]),
    lambda m: m.score(X),
    lambda m: m.errors(X),
    lambda m: m.sample(1, y=0) if not isinstance(m, ae.Autoencoder) else m.parameters_,
    lambda m: m.interpolate(X[0], X[1], 3),
    lambda m: m.traverse(X[0], 0, [0]),
    lambda m: m.save("x"),
    lambda m: m.get_feature_names_out(),
]


@pytest.mark.parametrize(
    "cls", [ae.Autoencoder, ae.VAE, ae.CVAE, ae.VQVAE, ae.AdversarialAutoencoder]
)
@pytest.mark.parametrize("call", UNFITTED, ids=map(str, range(len(UNFITTED))))
def test_unfitted(cls, call):
    model = cls()
    with pytest.raises(ValueError, match=f"This {cls.__name__} instance is not fitted yet"):
        call(model)
    assert not hasattr(model, "_network")


def test_a_first_fit_that_is_refused_leaves_no_trace():
    for data, params in (
        (X * np.nan, {}),
        (X, {"latent_dim": 0}),
        (X, {"validation_fraction": 0.01}),
    ):
        model = ae.Autoencoder(D, **{**KW, **params})
        before = dict(vars(model))
        with pytest.raises(ValueError):
            model.fit(data)
        assert vars(model) == before


def test_a_random_state_is_not_advanced_by_a_refused_fit():
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    with pytest.raises(ValueError):
        ae.Autoencoder(D, 2, random_state=generator).fit(X * np.nan)
    assert generator.bit_generator.state == before


def test_the_table_is_large():
    assert len(CALLS) + len(PARAMETERS) >= 60
