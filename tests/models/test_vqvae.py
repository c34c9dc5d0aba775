"""VQVAE with several codebooks, cosine codes and levels: what it answers, and how it learns."""

import aecore as ae
import numpy as np
import pytest

KW = {"batch_size": 16, "random_state": 0}
FROZEN = {**KW, "epochs": 1, "learning_rate": 1e-30, "codebook_init": "normal"}
STILL = {"ema_decay": 0.999999999, "restart_dead": False}
KINDS = {
    "residual": {"codebook_size": 8, "code_dim": 3, "quantizers": 3},
    "residual loss": {"codebook_size": 8, "code_dim": 3, "quantizers": 2, "codebook": "loss"},
    "cosine": {"codebook_size": 8, "code_dim": 3, "distance": "cosine"},
    "levels": {"levels": (4, 3, 5)},
    "rotation": {"codebook_size": 8, "code_dim": 3, "gradient": "rotation"},
    "projections": {
        "codebook_size": 8,
        "code_dim": 3,
        "projection_dim": 2,
        "distance": "cosine",
        "quantizers": 2,
    },
    "groups": {"codebook_size": 8, "code_dim": 4, "groups": 2, "quantizers": 2},
    "levels in steps": {"levels": (3, 3), "quantizers": 2, "groups": 2},
    "bits": {"code_bits": 3},
}


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    return ae.datasets.load_digits()[0][:600]


# ---- every cell ---------------------------------------------------------------------------------

ARCHES = {
    "dense": (ae.Dense((8,)), (12,), ()),
    "dense images": (ae.Dense((8,)), (6, 5, 2), ()),
    "conv": (ae.Conv((4, 8)), (9, 7, 3), (2, 1)),
    "resnet": (ae.ResNet(8, 4, 1), (9, 7, 3), (2, 1)),
    "default images": (None, (9, 7, 3), (2, 1)),
    "conv of sequences": (ae.Conv((6,)), (5, 2), (2,)),
    "lstm": (ae.LSTM(6, 2, True), (5, 2), (5,)),
    "transformer": (ae.Transformer(8, 2, 1, 12), (5, 2), (5,)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arch", ARCHES)
def test_every_architecture(arch, kind, rng):
    architecture, shape, grid = ARCHES[arch]
    x = rng.random((24, *shape), np.float32)
    model = ae.VQVAE(architecture, **KINDS[kind], epochs=1, **KW).fit(x)
    depth = model.quantizers * model.groups
    depth = (depth,) if depth > 1 else ()
    codes = model.transform(x)
    assert codes.shape == (24, *((*grid, *depth) or (1,))) and codes.dtype == np.int64
    rebuilt = model.reconstruct(x)
    np.testing.assert_array_equal(model.inverse_transform(codes), rebuilt)
    assert model.fit(x).get_feature_names_out().size == codes[0].size
    walk = model.interpolate(x[0], x[1], 3)
    np.testing.assert_allclose(walk[[0, -1]], rebuilt[:2], atol=1e-5)
    dim, values = codes[0].size - 1, [0, 3, 7]
    walked = np.repeat(codes[:1], 3, axis=0)
    walked.reshape(3, -1)[:, dim] = values
    want = model.inverse_transform(walked)
    np.testing.assert_array_equal(model.traverse(x[0], dim, values), want)
    assert model.sample(4, random_state=1).shape == (4, *shape)
    assert model.errors(x).shape == x.shape


@pytest.mark.parametrize("kind", KINDS)
def test_losses_masks_corruption_and_validation(kind, X):
    mask = np.arange(600).reshape(50, 12) % 5 > 0
    options = {"loss": "bce", "corruption": ae.Masking(0.2), "validation_fraction": 0.2}
    holes = np.where(mask, X, np.nan)
    model = ae.VQVAE(ae.Dense((8,)), **KINDS[kind], **options, epochs=2, **KW)
    model.fit(holes, sample_mask=mask)
    codes = model.transform(holes, sample_mask=mask)
    np.testing.assert_array_equal(codes, model.transform(np.where(mask, X, 0)))
    terms = {"vq", "commitment"}
    if kind in ("levels", "levels in steps", "bits"):
        terms = {"commitment", "entropy"} if kind == "bits" else set()
    for record in model.history_:
        assert {"recon", "perplexity"} | terms <= set(record)
        assert {f"val_{name}" for name in terms | {"recon"}} <= set(record)
        minimized = terms if kind == "residual loss" else terms - {"vq"}
        total = record["recon"] + sum(record[name] for name in minimized)
        assert record["loss"] == pytest.approx(total, rel=1e-6)


# ---- against values worked out by hand ----------------------------------------------------------


def by_hand(model, X):
    """Return what stands for the encoder's output, its codes and the gap of each codebook."""
    left = model._network.encode(X).astype(np.float64)
    total, codes, gaps = np.zeros(left.shape), [], []
    for book in model.codebook_.reshape(-1, 8, 3).astype(np.float64):
        codes.append(((left[:, None] - book) ** 2).sum(-1).argmin(-1))
        total += book[codes[-1]]
        left = left - book[codes[-1]]
        gaps.append((left**2).sum(1))
    return total, np.stack(codes, -1), np.array(gaps)


@pytest.mark.parametrize("codebook", ["ema", "loss"])
def test_terms_of_residual_codebooks(codebook, X):
    params = {"quantizers": 3, "codebook": codebook, "commitment": 0.5, **STILL}
    model = ae.VQVAE(ae.Dense((8,)), 8, 3, **params, **FROZEN).fit(X)
    total, codes, gaps = by_hand(model, X)
    assert model.codebook_.shape == (3, 8, 3)
    np.testing.assert_array_equal(model.transform(X), codes)
    decoded = model._network.decode(total.astype(np.float32))
    np.testing.assert_allclose(model.reconstruct(X), decoded, atol=1e-5)
    record, gap = model.history_[0], gaps.sum(0)
    assert record["vq"] == pytest.approx(gap.mean(), rel=1e-3)
    assert record["commitment"] == pytest.approx(0.5 * gap.mean(), rel=1e-3)
    recon = ((X - model.reconstruct(X)) ** 2).sum(1)
    loss = recon + 0.5 * gap + (gap if codebook == "loss" else 0)
    assert record["loss"] == pytest.approx(loss.mean(), rel=1e-3)
    np.testing.assert_allclose(model.score_samples(X), -loss, rtol=1e-4)
    each = [ae.metrics.perplexity(codes[:, i], 8) for i in range(3)]
    found = [record[f"perplexity_{i}"] for i in (1, 2, 3)]
    assert found == pytest.approx(each, rel=1e-6)
    assert record["perplexity"] == pytest.approx(np.mean(each), rel=1e-6)


def test_terms_of_cosine_codes(X):
    params = {"distance": "cosine", "commitment": 0.5, **STILL}
    model = ae.VQVAE(ae.Dense((8,)), 8, 3, **params, **FROZEN).fit(X)
    z = model._network.encode(X).astype(np.float64)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(model.codebook_, axis=1), 1, rtol=1e-5)
    cosine = z @ model.codebook_.T
    np.testing.assert_array_equal(model.transform(X)[:, 0], cosine.argmax(1))
    assert model.history_[0]["vq"] == pytest.approx((2 - 2 * cosine.max(1)).mean(), rel=1e-3)
    assert model.history_[0]["commitment"] == pytest.approx(0.5 * model.history_[0]["vq"], rel=1e-6)
    assert "perplexity_1" not in model.history_[0]


def test_levels_have_no_terms(X):
    model = ae.VQVAE(ae.Dense((8,)), levels=(3, 5), **KW, epochs=1, learning_rate=1e-30).fit(X)
    z = np.tanh(model._network.encode(X).astype(np.float64))
    steps = np.rint((z + 1) / 2 * [2, 4]).astype(int)
    codes = model.transform(X)
    np.testing.assert_array_equal(codes[:, 0], steps[:, 0] + 3 * steps[:, 1])
    np.testing.assert_allclose(model.codebook_[codes[:, 0]], steps / [1, 2] - 1, atol=1e-6)
    record = model.history_[0]
    assert record["loss"] == record["recon"] and not {"vq", "commitment"} & set(record)
    want = ae.metrics.perplexity(codes, 15)
    assert record["perplexity"] == pytest.approx(want, rel=1e-6)
    recon = ((X - model.reconstruct(X)) ** 2).sum(1)
    np.testing.assert_allclose(model.score_samples(X), -recon, rtol=1e-5)


def test_levels_say_how_many_codes_there_are(X):
    plain = ae.VQVAE(ae.Dense((8,)), levels=[3, 5], epochs=1, **KW).fit(X)
    said = ae.VQVAE(ae.Dense((8,)), 15, 2, levels=np.array([3, 5]), epochs=1, **KW).fit(X)
    np.testing.assert_array_equal(plain.reconstruct(X), said.reconstruct(X))
    assert plain.get_params()["levels"] == [3, 5] and plain.codebook_.shape == (15, 2)
    assert plain.n_parameters_ == 12 * 8 + 8 + 8 * 2 + 2 + 2 * 8 + 8 + 8 * 12 + 12


def test_samples_are_uniform_in_every_codebook(X):
    model = ae.VQVAE(ae.Dense(()), 3, 2, quantizers=2, **KW, epochs=1).fit(X)
    a = model.sample(1800, random_state=1)
    every = model.inverse_transform([[i, j] for i in range(3) for j in range(3)])
    found = np.abs(a[:, None] - every).max(2).argmin(1)
    np.testing.assert_array_equal(a, every[found])
    assert np.bincount(found, minlength=9).min() > 150
    model = ae.VQVAE(ae.Dense(()), levels=(2, 3), **KW, epochs=1).fit(X)
    a, every = model.sample(1200, random_state=1), model.inverse_transform(np.arange(6)[:, None])
    found = np.abs(a[:, None] - every).max(2).argmin(1)
    assert np.bincount(found, minlength=6).min() > 150


# ---- how they learn -----------------------------------------------------------------------------

SMALL = ae.ResNet(16, 8, 1, downsample=1)


def test_kmeans_starts_each_codebook_on_what_is_left(digits):
    model = ae.VQVAE(ae.Dense((16,)), 8, 3, quantizers=4, **KW).initialize(digits)
    x = digits.reshape(600, -1).astype(np.float32)[:256] / 255  # what it started from
    gaps = by_hand(model, x.reshape(-1, 8, 8, 1))[2].mean(1)
    assert (gaps[1:] < 0.5 * gaps[:-1]).all()
    assert all(len(np.unique(codes)) == 8 for codes in model.transform(digits).T)


def test_further_codebooks_lower_the_error(digits):
    def error(quantizers):
        options = {"quantizers": quantizers, "epochs": 5, "learning_rate": 3e-3, **KW}
        return ae.VQVAE(SMALL, 8, 4, **options).fit(digits).history_[-1]["mse"]

    errors = [error(n) for n in (1, 2, 4)]
    assert errors[1] < 0.85 * errors[0] and errors[2] < 0.85 * errors[1]


@pytest.mark.parametrize("kind", ["cosine", "cosine loss", "levels", "residual"])
def test_most_codes_come_into_use(kind, digits):
    params = {
        "cosine": {"distance": "cosine"},
        "cosine loss": {"distance": "cosine", "codebook": "loss"},
        "levels": {"levels": (4, 4)},
        "residual": {"quantizers": 2},
    }[kind]
    if kind != "levels":
        params |= {"codebook_size": 16, "code_dim": 4}
    model = ae.VQVAE(SMALL, **params, epochs=5, learning_rate=3e-3, **KW)
    history = model.fit(digits).history_
    assert history[-1]["perplexity"] > 8
    if kind == "levels":  # where nothing starts among the data
        assert history[-1]["perplexity"] > 1.5 * history[0]["perplexity"]
    assert history[-1]["mse"] < 0.6 * history[0]["mse"]


@pytest.mark.parametrize("kind", ["residual", "cosine"])
def test_dead_codes_restart(kind, X):
    def used(restart):
        params = {"codebook_init": "normal", "restart_dead": restart, "ema_decay": 0.8, **KW}
        params |= {"quantizers": 2} if kind == "residual" else {"distance": "cosine"}
        model = ae.VQVAE(ae.Dense((8,)), 16, 3, epochs=20, **params).initialize(X)
        for layer in getattr(model._network.quantizer, "layers", [model._network.quantizer]):
            entries = layer.buffer("entries")
            if kind == "cosine":  # one among the vectors, the others behind them
                entries[0] = model._network.encode(X).mean(0)
                entries[1:] = -entries[0]
            else:
                entries[1:] = 1e3
            layer._start_averages()
        return model.set_params(warm_start=True).fit(X).history_[-1]["perplexity"]

    assert used(False) == pytest.approx(1)
    assert used(True) > 4


@pytest.mark.parametrize("kind", KINDS)
def test_training_that_diverges_ends_in_the_last_finite_state(kind, X):
    options = {"optimizer": "sgd", "learning_rate": 1e8, "epochs": 30, **KW}
    model = ae.VQVAE(ae.Dense((8,)), **KINDS[kind], **options)
    with pytest.raises(FloatingPointError, match="the first that is not finite is"):
        model.fit(X)
    assert all(np.isfinite(array).all() for array in model._network.arrays().values())
    assert np.isfinite(model.reconstruct(X)).all()


# ---- sequences that end early --------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "loss", "normal"])
def test_steps_behind_the_end_count_for_nothing(kind, rng):
    """A mask makes of padded sequences what they were before."""
    others = {
        "loss": {"codebook_size": 8, "code_dim": 3, "codebook": "loss"},
        "normal": {"codebook_size": 8, "code_dim": 3, "codebook_init": "normal"},
    }
    X = rng.random((40, 5, 2), dtype=np.float32)
    padded, mask = np.full((40, 9, 2), 7, np.float32), np.zeros((40, 9, 2), bool)
    padded[:, :5], mask[:, :5] = X, True
    made = {**KW, "epochs": 3, "learning_rate": 1e-2, **(KINDS | others)[kind]}
    want = ae.VQVAE(ae.LSTM(6), **made).fit(X)
    found = ae.VQVAE(ae.LSTM(6), **made).fit(padded, sample_mask=mask)
    for a, b in zip(found.history_, want.history_, strict=True):
        a, b = ({k: v for k, v in r.items() if k != "seconds"} for r in (a, b))
        assert a == pytest.approx(b, rel=1e-4)
    codes = found.transform(padded, sample_mask=mask)
    np.testing.assert_array_equal(codes[:, :5], want.transform(X))
    scores = found.score_samples(padded, sample_mask=mask)
    np.testing.assert_allclose(scores, want.score_samples(X), rtol=1e-4)
    hole = mask.copy()
    hole[:, 2] = False  # within a sequence: its code is as good as others
    losses = [
        ae.VQVAE(ae.LSTM(6), **made).fit(x, sample_mask=m).history_[-1]
        for x, m in ((padded, hole), (X, hole[:, :5]))
    ]
    assert losses[0]["loss"] == pytest.approx(losses[1]["loss"], rel=1e-4)


# ---- rotation, projections, groups, steps and bits -----------------------------------------------


def test_groups_of_levels_are_one_long_list(X):
    """The same network, values and training: codes alone are told otherwise."""
    options = {"epochs": 2, "learning_rate": 1e-2, **KW}
    whole = ae.VQVAE(ae.Dense((8,)), levels=(4, 3, 4, 3), **options).fit(X)
    parts = ae.VQVAE(ae.Dense((8,)), levels=(4, 3), groups=2, **options).fit(X)
    np.testing.assert_array_equal(whole.reconstruct(X), parts.reconstruct(X))
    codes = parts.transform(X)
    np.testing.assert_array_equal(whole.transform(X)[:, 0], codes[:, 0] + 12 * codes[:, 1])
    assert parts.codebook_.shape == (2, 12, 2)


def test_steps_of_levels_are_finer_ones(X):
    model = ae.VQVAE(ae.Dense((8,)), levels=(3, 2), quantizers=3, epochs=1, **KW).fit(X)
    squashed = np.tanh(model._network.encode(X).astype(np.float64))
    codes, total = model.transform(X), np.zeros((50, 2))
    for i in range(3):
        total += model.codebook_[i][codes[:, i]]
        assert (np.abs(squashed - total) <= 1.0001 / np.array([2, 1]) / np.array([3, 2]) ** i).all()
    assert [f"perplexity_{i}" in model.history_[0] for i in (1, 2, 3, 4)] == [True] * 3 + [False]


def test_terms_of_bits(X):
    options = {"commitment": 0.5, "entropy_weight": 2.0, "batch_size": 50}
    model = ae.VQVAE(
        ae.Dense((8,)), code_bits=3, **{**FROZEN, **options, "codebook_init": "kmeans"}
    )
    z = model.fit(X)._network.encode(X).astype(np.float64)
    codes = model.transform(X)
    np.testing.assert_array_equal(codes[:, 0], (z >= 0) @ [1, 2, 4])
    np.testing.assert_array_equal(model.codebook_[codes[:, 0]], np.where(z < 0, -1, 1))
    logits = -((z[:, None] - model.codebook_) ** 2).sum(-1) / 0.1
    share = np.exp(logits - logits.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    own, mean = -(share * np.log(share)).sum(1), share.mean(0)
    entropy = 2 * (own + (mean * np.log(mean)).sum())
    pull = 0.5 * ((np.abs(z) - 1) ** 2).mean(1)
    record = model.history_[0]
    assert record["entropy"] == pytest.approx(entropy.mean(), rel=1e-4)
    assert record["commitment"] == pytest.approx(pull.mean(), rel=1e-4)
    assert record["loss"] == pytest.approx(record["recon"] + pull.mean() + entropy.mean(), rel=1e-4)
    assert record["perplexity"] == pytest.approx(ae.metrics.perplexity(codes, 8), rel=1e-6)
    # a score is of its sample alone: it has no entropy, which is of a batch
    recon = ((X - model.reconstruct(X)) ** 2).sum(1)
    np.testing.assert_allclose(model.score_samples(X), -recon - pull, rtol=1e-4)
    np.testing.assert_array_equal(model.score_samples(X[:7]), model.score_samples(X)[:7])


def test_the_entropy_brings_codes_into_use(digits):
    def used(weight):
        options = {"epochs": 5, "learning_rate": 3e-3, **KW}
        model = ae.VQVAE(SMALL, code_bits=5, entropy_weight=weight, **options).fit(digits)
        return ae.metrics.perplexity(model.transform(digits), 32)

    assert used(3.0) > 1.5 * used(0.0) and used(3.0) > 12


@pytest.mark.parametrize("kind", [{"projection_dim": 2}, {"groups": 2, "quantizers": 2}])
@pytest.mark.parametrize("given", ["array", "stream"])
def test_kmeans_starts_every_codebook(kind, given, digits):
    """Among the vectors that it is to replace, whatever samples come from."""
    x = digits.reshape(600, -1).astype(np.float32) / 255
    X = x if given == "array" else lambda: iter([x[:100], x[100:350], x[350:]])
    options = {"epochs": 1, "learning_rate": 1e-30, "shuffle": False, **STILL, **KW}
    model = ae.VQVAE(ae.Dense((16,)), 8, 4, **kind, **options).fit(X)
    first = ae.VQVAE(ae.Dense((16,)), 8, 4, **kind, **options).fit(x[:256])
    np.testing.assert_allclose(model.codebook_, first.codebook_, atol=1e-5)
    codes = model.transform(x[:256])
    assert all(len(np.unique(column)) == 8 for column in codes.T)


def test_rotation_learns_what_straight_through_does(digits):
    def found(gradient):
        options = {"epochs": 5, "learning_rate": 3e-3, **KW}
        return ae.VQVAE(SMALL, 16, 4, gradient=gradient, **options).fit(digits)

    straight, turned = found("straight_through"), found("rotation")
    assert np.abs(straight.codebook_ - turned.codebook_).max() > 1e-3
    for model in (straight, turned):
        assert model.history_[-1]["mse"] < 0.6 * model.history_[0]["mse"]


def test_vectors_are_those_that_are_compared(X):
    model = ae.VQVAE(ae.Dense((8,)), 8, 4, projection_dim=2, epochs=1, **KW).fit(X)
    vectors, codes = model.encode_vectors(X), model.transform(X)
    assert vectors.shape == (50, 2) and model.codebook_.shape == (8, 2)
    far = ((vectors[:, None] - model.codebook_) ** 2).sum(-1)
    np.testing.assert_array_equal(far.argmin(1), codes[:, 0])
    grouped = ae.VQVAE(ae.Dense((8,)), 8, 4, projection_dim=1, groups=2, epochs=1, **KW).fit(X)
    assert grouped.encode_vectors(X).shape == (50, 4) and grouped.codebook_.shape == (2, 8, 1)
