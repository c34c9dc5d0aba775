"""A weight of 2 is the sample twice: in steps, in what is reported, and in what layers learn."""

import aecore as ae
import numpy as np
import pytest

D = ae.Dense((8,))
# sgd is linear in the gradient, where Adam looks at its sign
KW = {"epochs": 3, "batch_size": 128, "shuffle": False, "random_state": 0}
KW |= {"optimizer": "sgd", "learning_rate": 1e-2}
MODELS = {
    "dense": lambda: ae.Autoencoder(D, 2, **KW),
    "bce": lambda: ae.Autoencoder(D, 2, loss="bce", **KW),
    "l1": lambda: ae.Autoencoder(D, 2, loss="l1", **KW),
    "cross entropy": lambda: ae.Autoencoder(D, 2, loss="cross_entropy", **KW),
    "gaussian": lambda: ae.Autoencoder(D, 2, loss="gaussian", **KW),
    "sparse": lambda: ae.Autoencoder(D, 2, penalty=ae.L1Sparsity(0.1), **KW),
    "contractive": lambda: ae.Autoencoder(D, 2, penalty=ae.Contractive(0.1), **KW),
    "conv": lambda: ae.Autoencoder(ae.Conv((4,)), 2, **KW),
    "lstm": lambda: ae.Autoencoder(ae.LSTM(5), 2, **KW),
    "stack": lambda: ae.StackedAutoencoder(D, 2, **KW | {"pretrain_epochs": 2}),
    "recirculation": lambda: ae.Recirculation(2, **KW),
    "fsq": lambda: ae.VQVAE(D, levels=(4, 3), **KW),
    "vq loss": lambda: ae.VQVAE(D, 6, 2, codebook="loss", codebook_init="normal", **KW),
    "vq ema": lambda: ae.VQVAE(D, 6, 2, codebook_init="normal", restart_dead=False, **KW),
    "rotation": lambda: ae.VQVAE(
        D, 6, 4, codebook="loss", codebook_init="normal", gradient="rotation", groups=2, **KW
    ),
    "bits": lambda: ae.VQVAE(D, code_bits=3, entropy_weight=1.0, **KW),
    "residual": lambda: ae.VQVAE(
        D, 6, 2, quantizers=2, codebook_init="normal", restart_dead=False, **KW
    ),
}
# moving averages begin with one vector for each entry, beside more of them
LOOSE = {"vq ema": 0.05, "residual": 0.05, "l1": 2e-3}
SHAPES = {"conv": (6, 6, 1), "lstm": (5, 2), "cross entropy": (3, 4)}


def samples(name, n=40):
    rng = np.random.default_rng(1)
    if name == "cross entropy":
        return np.eye(4, dtype=np.float32)[rng.integers(0, 4, (n, 3))]
    return rng.random((n, *SHAPES.get(name, (6,))), np.float32)


def parameters(model):
    return {name: value.copy() for name, value in model.parameters_.items()}


def assert_alike(first, second, names=("loss", "mse", "recon"), rtol=2e-4):
    for name, value in parameters(first).items():
        atol = max(2e-5, rtol / 10)
        np.testing.assert_allclose(value, second.parameters_[name], rtol, atol, err_msg=name)
    for a, b in zip(first.history_, second.history_, strict=True):
        for name in names:
            if name in a:
                assert a[name] == pytest.approx(b[name], rel=rtol), name


@pytest.mark.parametrize("name", MODELS)
def test_a_weight_of_two_is_the_sample_twice(name):
    X = samples(name)
    weight = np.ones(len(X))
    weight[:10] = 2
    twice = MODELS[name]().fit(np.concatenate([X, X[:10]]))
    weighted = MODELS[name]().fit(X, sample_weight=weight)
    assert_alike(weighted, twice, rtol=LOOSE.get(name, 2e-4))
    plain = MODELS[name]().fit(X)
    assert any(
        np.abs(value - plain.parameters_[name]).max() > 1e-5
        for name, value in parameters(weighted).items()
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_weight_of_zero_is_no_sample(name):
    X = samples(name)
    weight = np.ones(len(X))
    weight[30:] = 0
    weighted = MODELS[name]().fit(X, sample_weight=weight)
    assert_alike(weighted, MODELS[name]().fit(X[:30]), rtol=LOOSE.get(name, 2e-4))


@pytest.mark.parametrize("name", ["dense", "bce", "lstm", "vq loss"])
def test_weights_have_no_unit(name):
    X = samples(name)
    weight = np.random.default_rng(0).random(len(X)) + 0.1
    a, b = (MODELS[name]().fit(X, sample_weight=k * weight) for k in (1, 1024))
    assert_alike(a, b, rtol=1e-6)
    equal = MODELS[name]().fit(X, sample_weight=np.full(len(X), 7.0))
    assert_alike(equal, MODELS[name]().fit(X), rtol=1e-6)


def variational(**params):
    return ae.VAE(D, 2, **KW | {"epochs": 1} | params)  # the next one has other draws


@pytest.mark.parametrize("params", [{}, {"beta": 3.0}, {"importance_samples": 3}, {"loss": "bce"}])
def test_a_bound_is_weighted_by_terms(params):
    # noise is drawn by position, so that a zero at the end is the same draw as none
    X = samples("dense")
    weight = np.ones(len(X))
    weight[30:] = 0
    names = ("loss", "recon", "kl", "iwae", "mse", "active_units", "information_bound", "kl_weight")
    weighted = variational(**params).fit(X, sample_weight=weight)
    assert_alike(weighted, variational(**params).fit(X[:30]), names, 2e-3)


def test_a_discriminator_weighs_data_alone():
    X = samples("dense")
    weight = np.ones(len(X))
    weight[30:] = 0
    for model in (ae.GAN(D, 2, **KW), ae.AdversarialAutoencoder(D, 2, **KW)):
        model.fit(X, sample_weight=weight)
        for record in model.history_:
            assert np.isfinite([v for v in record.values() if v is not None]).all()
            assert 0 <= record["real_accuracy"] <= 1 and 0 <= record["fake_accuracy"] <= 1
    # a cloud without weight isn't imitated
    rng = np.random.default_rng(0)
    far = np.concatenate([rng.normal(0, 0.1, (200, 2)), rng.normal(5, 0.1, (200, 2))])
    gan = ae.GAN(ae.Dense((32,)), 4, output="linear", epochs=60, batch_size=64, random_state=0)
    gan.fit(far.astype(np.float32), sample_weight=np.repeat([1.0, 0.0], 200))
    assert (gan.sample(200, random_state=0).mean(1) < 2.5).mean() > 0.95


def test_conditions_classes_and_tables():
    rng = np.random.default_rng(0)
    X, y = samples("dense"), np.array(["a", "b"] * 20)
    weight = np.where(y == "a", 3.0, 1.0)
    model = ae.CVAE(D, 2, **KW).fit(X, y, sample_weight=weight)
    assert np.isfinite(model.history_[-1]["loss"])
    stack = ae.StackedAutoencoder(ae.Dense((8,)), 4, pretrain_epochs=1, epochs=0, random_state=0)
    both = np.concatenate([X, X[:10]]), np.concatenate([y, y[:10]])
    twice = np.r_[np.full(10, 2.0), np.ones(30)]
    fitted = stack.fit(X)
    a = ae.SoftmaxClassifier(fitted, **KW).fit(X, y, sample_weight=twice)
    b = ae.SoftmaxClassifier(fitted, **KW).fit(*both)
    assert_alike(a, b, ("loss", "accuracy"))
    table = np.rec.fromarrays([rng.random(40), np.array(["u", "v"] * 20)], names="x,y")
    rows = ae.TabularAutoencoder(D, 2, hidden=0.0, **KW)
    rows.fit(table, sample_weight=np.r_[np.ones(30), np.zeros(10)])
    assert np.isfinite(rows.history_[-1]["mse"])


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_of_batches_have_their_weights(parts):
    X, weight = samples("dense"), np.random.default_rng(2).random(40)
    whole = MODELS["dense"]().fit(X, sample_weight=weight)
    cut = MODELS["dense"]().set_params(accumulate=parts).fit(X, sample_weight=weight)
    assert_alike(whole, cut)


def test_streams_rows_and_passes_have_weights():
    X, weight = samples("dense"), np.random.default_rng(2).random(40)
    options = KW | {"batch_size": 10}
    whole = ae.Autoencoder(D, 2, **options).fit(X, sample_weight=weight)

    def batches():
        for i in range(0, 40, 10):
            yield {"X": X[i : i + 10], "sample_weight": weight[i : i + 10]}

    stream = ae.Autoencoder(D, 2, **options).fit(batches)
    assert_alike(whole, stream, rtol=1e-6)
    a = ae.Autoencoder(D, 2, **options).partial_fit(X, sample_weight=weight)
    b = ae.Autoencoder(D, 2, **options | {"epochs": 1}).fit(X, sample_weight=weight)
    assert_alike(a, b, rtol=1e-6)
    with pytest.raises(ValueError, match="weights with every batch or with none"):
        ae.Autoencoder(D, 2).fit(lambda: iter([{"X": X, "sample_weight": weight}, X]))


def test_validation_and_scores_are_weighted_means():
    X, weight = samples("dense"), np.random.default_rng(2).random(40)
    val = {"X": X[:20], "sample_weight": weight[:20]}
    model = MODELS["dense"]().fit(X, X_val=val)
    scores = model.score_samples(X[:20]).astype(np.float64)
    mean = np.average(scores, weights=weight[:20])
    assert model.score(X[:20], sample_weight=weight[:20]) == pytest.approx(mean)
    assert model.history_[-1]["val_loss"] == pytest.approx(-mean, rel=1e-5)
    held = ae.Autoencoder(D, 2, validation_fraction=0.25, **KW).fit(X, sample_weight=weight)
    assert np.isfinite(held.history_[-1]["val_mse"])


@pytest.mark.parametrize(
    ("weight", "error", "match"),
    [
        (np.ones(39), ValueError, r"sample_weight: expected a number for each of 40 samples"),
        (np.ones((40, 1)), ValueError, r"for each of 40 samples, got \(40, 1\)"),
        (-np.ones(40), ValueError, "at least 0, got -1 in row 0"),
        (np.r_[np.ones(39), np.nan], ValueError, "finite numbers .* nan in row 39"),
        (np.r_[np.ones(39), np.inf], ValueError, "finite numbers"),
        (np.zeros(40), ValueError, "zero for every sample"),
        (["a"] * 40, TypeError, "sample_weight: expected numbers"),
    ],
)
def test_weights_that_make_no_sense(weight, error, match):
    X = samples("dense")
    model = MODELS["dense"]()
    with pytest.raises(error, match=match):
        model.fit(X, sample_weight=weight)
    assert not model.__sklearn_is_fitted__()
    with pytest.raises(error, match=match):
        MODELS["dense"]().fit(X).score(X, sample_weight=weight)


def test_what_is_about_a_whole_batch_takes_no_weights():
    X, weight = samples("dense"), np.ones(40)
    for model, why in (
        (ae.Autoencoder(D, 2, penalty=ae.KLSparsity(0.1)), "KLSparsity"),
        (ae.VAE(D, 2, divergence=ae.MMD()), "divergence"),
        (ae.VAE(D, 2, divergence=ae.TotalCorrelation()), "divergence"),
        (ae.VAE(D, 2, free_bits=0.1), "free_bits"),
    ):
        with pytest.raises(ValueError, match=f"sample_weight: expected None for .*{why}"):
            model.fit(X, sample_weight=weight)


def test_class_weights_stand_for_sample_weights():
    X, y = samples("dense"), np.array([0] * 30 + [1] * 10)
    stack = ae.StackedAutoencoder(D, 4, pretrain_epochs=1, epochs=0, random_state=0).fit(X)
    balanced = np.where(y == 0, 40 / 60, 40 / 20)
    for make in (
        lambda **k: ae.SoftmaxClassifier(stack, **KW | k),
        lambda **k: ae.CVAE(D, 2, **KW | k),
    ):
        known = make().fit(X, y, sample_weight=balanced)
        assert_alike(make(class_weight="balanced").fit(X, y), known, ("loss",), 1e-6)
        given = make(class_weight={0: 40 / 60, 1: 2.0}).fit(X, y)
        assert_alike(given, known, ("loss",), 1e-6)
        both = make(class_weight="balanced").fit(X, y, sample_weight=np.full(40, 3.0))
        assert_alike(both, known, ("loss",), 1e-6)
        with pytest.raises(ValueError, match="class_weight"):
            make(class_weight={5: 1.0}).fit(X, y)
        with pytest.raises(ValueError, match="class_weight"):
            make(class_weight={0: -1.0}).fit(X, y)
        with pytest.raises((TypeError, ValueError), match="class_weight"):
            make(class_weight="even").fit(X, y)
    with pytest.raises(ValueError, match="class_weight: .*labels"):
        ae.CVAE(D, 2, class_weight="balanced").fit(X, X[:, :2])
