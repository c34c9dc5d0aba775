"""Sequences of different lengths through the models."""

import re
from functools import partial

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.data import arrays as _data
from aecore.data.batches import Batches
from support.steps import check_step

KW = {"batch_size": 16, "random_state": 0, "epochs": 2}
ARCHS = {
    "conv": ae.Conv((4, 5)),
    "conv gelu": ae.Conv((4,), 3, 1, "gelu"),
    "lstm": ae.LSTM(6),
    "lstm reverse": ae.LSTM(5, 2, reverse=True),
    "lstm both": ae.LSTM(4, 2, True),
    "lstm forced": ae.LSTM(5, 2, teacher_forcing=True),
    "lstm forced, reverse": ae.LSTM(5, reverse=True, teacher_forcing=True),
    "transformer": ae.Transformer(8, 2, 2, 12),
    "transformer, reserved": ae.Transformer(8, 2, 2, 12, max_steps=20),
}
CLASSES = [ae.Autoencoder, ae.VAE, ae.CVAE]
METHODS = ["transform", "reconstruct", "score_samples", "errors"]
BOUNDS = ["elbo", "log_likelihood"]

pytestmark = pytest.mark.parametrize("arch", ARCHS)


def sequences(rng, n=40, steps=11, features=3):
    """Return sequences of 1 to `steps` steps, one of which has all."""
    return [rng.random((1 + 3 * i % steps, features), np.float32) for i in range(n)]


def padded(X, rng, extra=0):
    """Return the same as an array with anything behind the steps there are, and which those are."""
    lengths = np.array([len(x) for x in X])
    steps = lengths.max() + extra
    values = rng.choice([np.nan, np.inf, 1e30, -1], (len(X), steps, X[0].shape[1]))
    for row, x in zip(values, X, strict=True):
        row[: len(x)] = x
    return values.astype(np.float32), np.arange(steps) < lengths[:, None]


def made(cls, arch, **params):
    model = cls(ARCHS[arch], 3, **{**KW, **params})
    return model, (lambda rows: {"y": np.asarray(rows) % 3} if cls is ae.CVAE else {})


def parameters(model):
    return model._network.flat.value.copy()


@pytest.mark.parametrize("cls", CLASSES)
def test_results_have_the_samples_form(cls, arch, rng):
    X = sequences(rng)
    model, y = made(cls, arch)
    y = y(range(len(X)))
    codes = model.fit_transform(X, **y)
    assert codes.shape == (len(X), 3)
    assert model._network.input_shape == (11, 3) and model.n_features_in_ == 33
    for results in (model.reconstruct(X, **y), model.errors(X, **y)):
        assert isinstance(results, list)
        assert [r.shape for r in results] == [x.shape for x in X]
        assert all(r.dtype == np.float32 for r in results)
    assert model.score_samples(X, **y).shape == (len(X),)
    assert model.inverse_transform(codes, **y).shape == (len(X), 11, 3)
    objects = np.empty(len(X), object)
    objects[:] = X
    np.testing.assert_array_equal(model.transform(objects, **y), codes)
    np.testing.assert_array_equal(model.transform(tuple(X), **y), codes)
    if cls is not ae.Autoencoder:
        assert model.sample(5, **({"y": 1} if y else {})).shape == (5, 11, 3)
        mean, logvar = model.encode_distribution(X, **y)
        np.testing.assert_array_equal(mean, codes)
        assert logvar.shape == codes.shape


@pytest.mark.parametrize("extra", [0, 4])
@pytest.mark.parametrize("cls", CLASSES)
def test_padding_is_never_looked_at(cls, arch, extra, rng):
    """A padded array and the list of what it holds give the same bits in all methods."""
    X = sequences(rng)
    array, mask = padded(X, rng, extra)
    noise = ae.GaussianNoise(0.1)
    (listed, y), (other, _) = (made(cls, arch, corruption=noise) for _ in range(2))
    y = y(range(len(X)))
    listed.fit(X, **y)
    other.fit(array, **y, sample_mask=mask)
    np.testing.assert_array_equal(parameters(listed), parameters(other))
    for method in METHODS + (BOUNDS if cls is not ae.Autoencoder else []):
        seed = {"random_state": 1} if method in BOUNDS else {}
        want = getattr(listed, method)(X, **y, **seed)
        got = getattr(listed, method)(array, **y, **seed, sample_mask=mask)
        if isinstance(want, list):
            assert got.shape == array.shape and not got[~mask].any()
            want, got = np.concatenate(want), got[mask]
        np.testing.assert_array_equal(got, want, err_msg=method)


@pytest.mark.parametrize("cls", CLASSES)
def test_samples_are_independent_of_each_other(cls, arch, rng):
    """A sample has the same code, score and reconstruction in any company, or alone."""
    X = sequences(rng, 600)
    model, y = made(cls, arch, epochs=1)
    model.fit(X, **y(range(len(X))))
    for rows in ([3, 299, 599], [0], [5], range(250, 280)):
        some = [X[i] for i in rows]
        for method in METHODS:
            whole = getattr(model, method)(X, **y(range(len(X))))
            for i, got in zip(rows, getattr(model, method)(some, **y(rows)), strict=True):
                np.testing.assert_array_equal(got, whole[i], err_msg=method)


def test_full_sequences_are_a_regular_array(arch, rng):
    X = rng.random((40, 6, 2), np.float32)
    models = [made(ae.VAE, arch)[0].fit(given) for given in (X, list(X), X.tolist())]
    for model in models[1:]:
        np.testing.assert_array_equal(parameters(model), parameters(models[0]))
    rebuilt = models[0].reconstruct(list(X))
    assert isinstance(rebuilt, list)
    np.testing.assert_array_equal(np.stack(rebuilt), models[0].reconstruct(X))
    short = [X[0][:2], *X[1:]]  # lengths for all, though one alone is short
    codes, whole = models[0].transform(short), models[0].transform(X)
    np.testing.assert_array_equal(codes[1:], whole[1:])
    assert (codes[0] != whole[0]).any()


@pytest.mark.parametrize("loss", ["mse", "bce", "cross_entropy"])
def test_losses_are_sums_over_a_samples_own_steps(arch, loss, rng):
    X = sequences(rng)
    if loss == "cross_entropy":
        X = [np.eye(3, dtype=np.float32)[x.argmax(1)] for x in X]
    model, _ = made(ae.VAE, arch, loss=loss)
    model.fit(X, X_val=X)
    mean, logvar = model.encode_distribution(X)
    rebuilt, scores = model.reconstruct(X), model.score_samples(X)
    kl = -0.5 * (1 + logvar - mean**2 - np.exp(logvar)).sum(1)
    for x, r, e, k, score in zip(X, rebuilt, model.errors(X), kl, scores, strict=True):
        x, r = x.astype(np.float64), r.astype(np.float64)
        by_hand = (x - r) ** 2
        if loss == "bce":
            by_hand = -x * np.log(r) - (1 - x) * np.log1p(-r)
        if loss == "cross_entropy":
            by_hand = -x * np.log(r)
        np.testing.assert_allclose(e, by_hand, rtol=1e-3, atol=1e-5)
        assert score == pytest.approx(-by_hand.sum() - k, rel=1e-4, abs=1e-5)
    values = sum(x.size for x in X)
    last = model.history_[-1]  # of draws, which elbo takes too
    assert last["val_loss"] == pytest.approx(-model.elbo(X, random_state=0).mean(), rel=1e-4)
    if loss == "mse":
        assert last["val_mse"] == pytest.approx(last["val_recon"] * len(X) / values, rel=1e-4)
    plain, _ = made(ae.Autoencoder, arch, loss=loss)
    record = plain.fit(X, X_val=X).history_[-1]
    assert record["val_loss"] == pytest.approx(-plain.score(X), rel=1e-4)
    squares = sum(((x - r) ** 2).sum() for x, r in zip(X, plain.reconstruct(X), strict=True))
    assert record["val_mse"] == pytest.approx(squares / values, rel=1e-4)
    if loss != "mse":
        values = np.mean([x.size for x in X])
        entries = X[0].shape[1] if loss == "cross_entropy" else 1  # a one-hot vector is one symbol
        bits = (last["recon"] + last["kl"]) / (values / entries) / np.log(2)
        assert last["bits_per_dim"] == pytest.approx(bits, rel=1e-6)


@pytest.mark.parametrize("cls", CLASSES)
def test_step_gradients_by_finite_differences(cls, arch, rng):
    X = sequences(rng, 20)
    model, y = made(cls, arch)
    y = y(range(len(X)))
    model.initialize(X, **y)
    network = model._network
    condition = network.conditioner and network.conditioner.read(y["y"], len(X))
    batch = next(Batches(_data.read(X), 20, condition=condition)())
    batch.epoch = 1.0
    check_step(model, batch, rng)


def test_uint8_is_kept_and_scaled(arch, rng):
    X = [rng.integers(0, 256, (n, 2), np.uint8) for n in (4, 7, 1, 6) * 5]
    assert _data.read(X).dtype == np.uint8
    scaled = [x.astype(np.float32) / 255 for x in X]
    a, b = (made(ae.VAE, arch, loss="bce")[0].fit(given) for given in (X, scaled))
    np.testing.assert_allclose(a.transform(X), b.transform(scaled), rtol=1e-4, atol=1e-6)


def test_missing_values_within_sequences(arch, rng):
    X = sequences(rng)
    seen = [rng.random(x.shape) < 0.8 for x in X]
    spoilt = [np.where(s, x, np.nan) for x, s in zip(X, seen, strict=True)]
    zeroed = [np.where(s, x, 0) for x, s in zip(X, seen, strict=True)]
    model = made(ae.Autoencoder, arch)[0].fit(spoilt, sample_mask=seen)
    codes = model.transform(spoilt, sample_mask=seen)
    np.testing.assert_array_equal(codes, model.transform(zeroed))
    for e, s in zip(model.errors(spoilt, sample_mask=seen), seen, strict=True):
        assert not e[~s].any() and np.isfinite(e).all()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads_gives_the_same_bits(arch, threads, rng):
    X = sequences(rng, 70)
    one, more = (made(ae.VAE, arch, n_threads=n)[0].fit(X) for n in (1, threads))
    np.testing.assert_array_equal(parameters(one), parameters(more))


def test_training_goes_on_bit_for_bit(arch, tmp_path, rng):
    X = sequences(rng)
    options = {"corruption": ae.Masking(0.1), "validation_fraction": 0.25}
    whole = made(ae.VAE, arch, **options, epochs=4)[0].fit(X)
    half = made(ae.VAE, arch, **options)[0].fit(X)
    half.save(tmp_path / "half")
    loaded = ae.load(tmp_path / "half")
    for a, b in zip(loaded.reconstruct(X), half.reconstruct(X), strict=True):
        np.testing.assert_array_equal(a, b)
    loaded.set_params(warm_start=True).fit(X)
    np.testing.assert_array_equal(parameters(loaded), parameters(whole))
    losses = [[r["val_loss"] for r in m.history_] for m in (loaded, whole)]
    assert losses[0] == losses[1]


def test_shorter_sequences_in_later_calls(arch, rng):
    """The longest sequence of fit is what the model knows; partial_fit and X_val may be shorter."""
    X = sequences(rng)
    short = [x[:4] for x in X]
    seen = []
    model = made(ae.Autoencoder, arch, patience=2, callbacks=[lambda s: seen.append(s.epoch)])[0]
    model.fit(X, X_val=short)
    assert seen == [1, 2] and model.best_epoch_ in seen
    before = parameters(model)
    model.partial_fit(short)
    assert (parameters(model) != before).any() and model._network.input_shape == (11, 3)
    assert [len(r) for r in model.reconstruct(short)] == [len(x) for x in short]
    regular = made(ae.Autoencoder, arch)[0].fit(np.stack([np.resize(x, (11, 3)) for x in X]))
    assert regular.transform(short).shape == (len(X), 3)


@pytest.mark.parametrize("cls", CLASSES)
def test_longer_sequences_in_later_calls(cls, arch, rng):
    """A recurrent network takes them, as one that was made for them would."""
    X, longer = sequences(rng), sequences(rng, 6, 15) + [rng.random((15, 3), np.float32)]
    model, y = made(cls, arch)
    model.fit(X, **y(range(40)))
    y = y(range(7))
    array, mask = padded(longer, rng, 2)
    if arch in ("transformer", "conv", "conv gelu"):
        for method in METHODS:
            with pytest.raises(ValueError, match="sample 4: expected at most 11 steps"):
                getattr(model, method)(longer, **y)
            with pytest.raises(ValueError, match=r"shape \(11, 3\), as in fit, got \(17, 3\)"):
                getattr(model, method)(np.zeros((7, 17, 3)), **y)
        return
    before, codes = model.reconstruct(X[:7], **y), model.transform(X[:7], **y)
    other = made(cls, arch)[0].initialize(longer, **y)
    for name, value in other.parameters_.items():
        value[...] = model.parameters_[name]
    for method in METHODS + (BOUNDS if cls is not ae.Autoencoder else []):
        how = {"random_state": 0} if method in BOUNDS else {}
        call, others = (partial(getattr(m, method), **how) for m in (model, other))
        found, want = call(longer, **y), others(longer, **y)
        for a, b in zip(found, want, strict=True):
            np.testing.assert_array_equal(a, b)
        for i, x in enumerate(longer):  # alone
            (a,) = (
                call([x], **{k: v[i : i + 1] for k, v in y.items()})
                if method in METHODS
                else (found[i],)
            )
            np.testing.assert_allclose(a, want[i], rtol=1e-4, atol=1e-5)
        for i, b in enumerate(call(array, sample_mask=mask, **y)):
            np.testing.assert_array_equal(b[: len(longer[i])] if b.ndim == 2 else b, want[i])
    whole = rng.random((7, 15, 3), np.float32)
    np.testing.assert_array_equal(
        model.reconstruct(whole, **y), model.reconstruct(list(whole), **y)
    )
    np.testing.assert_array_equal(model.transform(X[:7], **y), codes)
    for a, b in zip(model.reconstruct(X[:7], **y), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.inverse_transform(codes, **y).shape == (7, 11, 3)
    val = (longer, y["y"]) if y else longer
    trained = made(cls, arch)[0].fit(X, X_val=val, **made(cls, arch)[1](range(40)))
    assert trained.history_[-1]["loss"] == model.history_[-1]["loss"]
    if cls is ae.Autoencoder:
        np.testing.assert_allclose(
            trained.history_[-1]["val_loss"], -trained.score(longer), rtol=1e-5
        )


@pytest.mark.parametrize("steps", [1, 2])
def test_sequences_of_a_step(steps, arch, rng):
    X = rng.random((20, steps, 3), np.float32)
    ragged = [x[: 1 + i % steps] for i, x in enumerate(X)]
    if arch == "conv":
        with pytest.raises(ValueError, match="Conv: expected sequences long enough for 2 conv"):
            made(ae.VAE, arch)[0].fit(X)
        return
    for given in (X, list(X), ragged):
        model = made(ae.VAE, arch)[0].fit(given)
        assert [r.shape for r in model.reconstruct(given)] == [x.shape for x in given]
        assert np.isfinite(model.score_samples(given)).all()
    with pytest.raises(ValueError, match="X: found array with 0 feature|at least one step|0 step"):
        model.fit(X[:, :0])


def test_malformed_sequences_change_nothing(arch, rng):
    X = sequences(rng)
    model = made(ae.Autoencoder, arch, warm_start=True)[0].fit(X)
    before, records = parameters(model), len(model.history_)

    def bad(i, x):
        return [x if j == i else s for j, s in enumerate(X)]

    cases = [
        (bad(3, X[3][:0]), ValueError, "X.*: sample 3: expected at least one step, got"),
        (bad(0, X[0][:0]), ValueError, "X.*: sample 0: expected at least one step"),
        (
            bad(5, np.ones((4, 2))),
            ValueError,
            "sample 5: expected 3 features a step, as in .*, got 2",
        ),
        (bad(5, np.ones((4, 0))), ValueError, "sample 5: expected at least one feature"),
        (bad(7, np.ones(3)), ValueError, r"sample 7: expected a sequence of shape \(T, F\)"),
        (bad(7, np.ones((2, 3, 1))), ValueError, "sample 7: expected a sequence"),
        (bad(7, 1.0), ValueError, "sample 7: expected a sequence"),
        (bad(0, None), (TypeError, ValueError), "sample 0"),
        (bad(2, [["a", "b", "c"]]), TypeError, "sample 2: expected numbers"),
        (bad(2, np.ones((2, 3), complex)), TypeError, "sample 2: expected numbers"),
        (bad(2, [[1, 2, 3], [4, 5]]), ValueError, "sample 2"),
        (bad(2, np.ma.ones((2, 3))), TypeError, "sample 2: expected an array, got a masked one"),
        (bad(9, np.full((2, 3), np.nan)), ValueError, "NaN .in row 9."),
        (bad(9, np.full((2, 3), 1e300)), ValueError, "infinity .in row 9."),
        ([x[:, 0] for x in X], ValueError, "list of sequences"),
    ]
    for given, error, text in cases:
        for method in (model.fit, model.partial_fit, model.transform, model.errors):
            with pytest.raises(error, match=text):
                method(given)
        with pytest.raises(error, match=text):
            model.fit(X, X_val=given)
    longer = bad(4, np.ones((12, 3)))
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="sample 4: expected at most 11 steps, .*, got 12"):
            method(longer)
    assert len(model.history_) == records
    np.testing.assert_array_equal(parameters(model), before)


def test_malformed_masks_of_sequences(arch, rng):
    X = sequences(rng)
    array, mask = padded(X, rng)
    model = made(ae.Autoencoder, arch)[0].fit(X)
    holes, empty, longer = mask.copy(), mask.copy(), np.ones((len(X), 12), bool)
    holes[2, 0], empty[6] = False, False
    for bad, error, text in [
        (holes, ValueError, "something else in row 2"),
        (empty, ValueError, "something else in row 6"),
        (mask.astype(int), TypeError, "expected booleans"),
        (mask[:, 1:], ValueError, re.escape("expected the shape of X, (40, 11, 3), or (40, 11)")),
    ]:
        with pytest.raises(error, match=text):
            model.transform(array, sample_mask=bad)
    with pytest.raises(ValueError, match="sample 0: expected at most 11 steps, .*, got 12"):
        model.partial_fit(np.zeros((len(X), 12, 3)), sample_mask=longer)
    seen = [np.ones(x.shape, bool) for x in X]
    for bad, error, text in [
        (mask, ValueError, "sample_mask: sample 0: expected the sequence's shape"),
        (seen[:-1], ValueError, "expected 40 arrays"),
        ([s.astype(int) for s in seen], TypeError, "sample 0: expected booleans"),
        ([*seen[:-1], seen[-1][:0]], ValueError, "sample 39: expected the sequence's shape"),
    ]:
        with pytest.raises(error, match=text):
            model.transform(X, sample_mask=bad)


def test_models_without_lengths_say_so(arch, rng):
    X = sequences(rng)
    flat = (
        nn.Sequential(nn.Flatten(), nn.Linear(33, 3)),
        nn.Sequential(nn.Linear(3, 33), nn.Reshape((11, 3))),
    )
    lstm = ARCHS[arch]
    for model, text in [
        (ae.Autoencoder(flat, 3, **KW), "for this encoder, since only .*LSTM and Transformer"),
        (ae.VQVAE(lstm, 4, 2, **KW), "for VQVAE, .*Autoencoder, CVAE, DeepClustering and VAE take"),
    ]:
        whole = [np.resize(x, (11, 3)) for x in X]
        for method in ("fit", "partial_fit", "initialize"):
            with pytest.raises(ValueError, match=text):
                getattr(model, method)(X)
        with pytest.raises(ValueError, match=text):
            model.fit(whole, X_val=X)
        assert not model.__sklearn_is_fitted__()
        model.fit(whole)  # equal lengths are no matter
        before = parameters(model)
        for method in (model.transform, model.reconstruct, model.partial_fit):
            with pytest.raises(ValueError, match=text):
                method(X)
        model.set_params(warm_start=True)
        with pytest.raises(ValueError, match=text):
            model.fit(X)
        np.testing.assert_array_equal(parameters(model), before)
    table = made(ae.Autoencoder, arch)[0].set_params(arch=ae.Dense((4,))).fit(np.ones((9, 4)))
    with pytest.raises(ValueError, match=r"expected samples of shape \(4,\)"):
        table.transform(X)


@pytest.mark.parametrize("cls", CLASSES)
def test_walks_start_at_sequences_of_any_length(cls, arch, rng):
    X = sequences(rng)
    model, y = made(cls, arch)
    y = y(range(len(X)))
    codes = model.fit_transform(X, **y)
    beside = {"y": int(y["y"][2])} if y else {}
    a, b = 2, 5  # with the same condition
    between = model.interpolate(X[a], X[b], 3, **beside)
    assert between.shape == (3, 11, 3)
    whole = model.inverse_transform(codes, **y)  # the longest sequence's steps, all of them
    np.testing.assert_allclose(between[[0, -1]], whole[[a, b]], rtol=1e-5, atol=1e-6)
    walked = model.traverse(X[a], 0, [codes[a, 0], 9], **beside)
    np.testing.assert_array_equal(walked[0], between[0])
    bads = [np.ones((4, 2)), np.ones((0, 3)), np.ones(3)]
    if arch in ("transformer", "conv", "conv gelu"):
        bads.append(np.ones((12, 3)))
    else:
        assert model.traverse(np.ones((12, 3)), 0, [0], **beside).shape == (1, 11, 3)
    for bad in bads:
        with pytest.raises(ValueError, match=r"expected|no steps"):
            model.traverse(bad, 0, [0], **beside)


def test_clones_and_data_frames(arch, rng):
    pytest.importorskip("sklearn")
    pandas = pytest.importorskip("pandas")
    from sklearn.base import clone

    X = sequences(rng)
    model = clone(made(ae.VAE, arch)[0]).fit(X)
    codes = model.transform(X)
    frame = model.set_output(transform="pandas").transform(X)
    assert isinstance(frame, pandas.DataFrame)
    np.testing.assert_array_equal(frame.to_numpy(), codes)


def test_longer_sequences_beside_training(arch, rng):
    """Answers about longer sequences, in a callback or another thread, leave training alone."""
    X, longer = sequences(rng), [rng.random((15, 3), np.float32)]
    if arch in ("transformer", "conv", "conv gelu"):
        return
    plain = made(ae.Autoencoder, arch)[0].fit(X)
    asked = made(ae.Autoencoder, arch, callbacks=[lambda s: s.model.reconstruct(longer) is None])
    np.testing.assert_array_equal(parameters(asked[0].fit(X)), parameters(plain))
    with plain._network.tape(records=False) as outer:  # as a thread that is in a pass
        before = plain._network.decode(outer.constant(np.ones((1, 3), np.float32))).shape
        plain.transform(longer)
        after = plain._network.decode(outer.constant(np.ones((1, 3), np.float32))).shape
    assert before == after == (1, 11, 3)
