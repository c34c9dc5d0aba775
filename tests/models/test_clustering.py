"""Deep embedded clustering: its phases, its clusters, and what estimators do with them."""

import math

import aecore as ae
import numpy as np
import pytest
from aecore.data.weights import repeated
from aecore.nn.clusters import Clusters
from aecore.nn.quantize.kmeans import best_kmeans
from support.resuming import state

D = ae.Dense((16,))
KW = {"pretrain_epochs": 10, "epochs": 5, "batch_size": 16, "learning_rate": 5e-3}
KW |= {"n_init": 4, "random_state": 0}


def blobs(n=40, k=3, features=8, noise=0.2, seed=0):
    """Return samples about k points, shuffled, and which point each is about."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(k), n))
    points = rng.normal(0, 1, (k, features))
    return points[y] + rng.normal(0, noise, (len(y), features)), y


def make(k=3, **params):
    return ae.DeepClustering(k, D, 2, **{**KW, **params})


# ---- phases -------------------------------------------------------------------------------------


def test_pretraining_is_that_of_an_autoencoder():
    X, _ = blobs()
    seen = []
    model = make(
        corruption=ae.GaussianNoise(0.1),
        callbacks=[lambda s: seen.append(s.model.parameters_["encoder.0.weight"].copy())],
    ).fit(X)
    how = {"batch_size": 16, "learning_rate": 5e-3, "random_state": 0}
    plain = ae.Autoencoder(
        D, 2, corruption=ae.GaussianNoise(0.1), epochs=10, schedule=ae.Cosine(10), **how
    ).fit(X)
    for ours, theirs in zip(model.history_[:10], plain.history_, strict=True):
        assert "cluster" not in ours and ours["loss"] == pytest.approx(theirs["loss"], rel=1e-6)
    np.testing.assert_allclose(seen[9], plain.parameters_["encoder.0.weight"], atol=1e-6)


def test_the_record():
    X, _ = blobs()
    model = make(tol=0).fit(X)
    assert [r["epoch"] for r in model.history_] == list(range(1, 16))
    rates = [r["learning_rate"] for r in model.history_]
    assert rates[0] > rates[8] > 0 and rates[10:] == [5e-3] * 5
    for r in model.history_[10:]:
        assert r["loss"] == pytest.approx(r["recon"] + 0.1 * 8 * r["cluster"], rel=1e-5)
        assert 0 <= r["changed"] <= 1 and r["cluster"] > 0
    assert all("changed" not in r for r in model.history_[:10])


@pytest.mark.parametrize(("start", "least", "most"), [("kmeans", 0.5, 0.6), ("mixture", 0.8, 1)])
def test_a_mixture_finds_clusters_that_are_long(start, least, most):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 200)
    X = rng.normal(0, (1.2, 0.1), (400, 2))
    c, s = np.cos(0.3), np.sin(0.3)
    X[y == 1] = X[y == 1] @ [[c, s], [-s, c]] + (0, 1)
    how = {"pretrain_epochs": 0, "epochs": 0, "warm_start": True, "random_state": 0}
    model = ae.DeepClustering(2, ae.Dense(()), 2, start=start, **how).initialize(X)
    model.parameters_["encoder.0.weight"][...] = np.eye(2)
    model.fit(X)
    assert least <= ae.metrics.clustering_accuracy(y, model.labels_) <= most
    means = model.cluster_centers_[np.argsort(model.cluster_centers_[:, 1])]
    if start == "mixture":
        Z = model.transform(X)
        np.testing.assert_allclose(means, [Z[y == k].mean(0) for k in (0, 1)], atol=0.05)


def test_dec_leaves_the_decoder_as_it_is():
    X, _ = blobs()
    seen = []
    model = make(
        reconstruction=False,
        tol=0,
        callbacks=[lambda s: seen.append({k: v.copy() for k, v in s.model.parameters_.items()})],
    ).fit(X)
    for name, value in model.parameters_.items():
        assert np.array_equal(value, seen[9][name]) == name.startswith("decoder"), name
    assert model.history_[-1]["loss"] == pytest.approx(model.history_[-1]["cluster"])


def test_clusters_grow_denser_about_their_centers():
    X, _ = blobs(noise=0.6)
    model = make(gamma=1.0, epochs=30, tol=0).fit(X)
    start = make(gamma=1.0, epochs=0).fit(X)
    assert model.predict_proba(X).max(1).mean() > start.predict_proba(X).max(1).mean() + 0.1
    assert model.history_[-1]["changed"] < 0.05


def test_training_ends_once_clusters_stay():
    X, y = blobs(n=160, noise=0.05)
    model = make(epochs=100, tol=0.01).fit(X)
    joint = [r for r in model.history_ if "changed" in r]
    assert len(joint) == 4  # 30 batches an epoch: a hundred steps
    assert ae.metrics.clustering_accuracy(y, model.labels_) == 1
    assert len(make(epochs=7, tol=0).fit(X).history_) == 17


def test_a_callback_may_end_pretraining():
    X, y = blobs()
    model = make(callbacks=[lambda s: s.epoch == 3]).fit(X)
    assert len(model.history_) == 3
    assert ae.metrics.clustering_accuracy(y, model.predict(X)) > 0.6


def test_a_fit_can_start_from_an_autoencoder():
    X, _ = blobs()
    base = ae.Autoencoder(D, 2, epochs=5, random_state=1).fit(X)
    model = make(pretrain_epochs=0, warm_start=True, epochs=0).initialize(X)
    with pytest.raises(ValueError, match="no clusters yet"):
        model.predict(X)
    for name, value in base.parameters_.items():
        model.parameters_[name][...] = value
    model.fit(X)
    np.testing.assert_array_equal(model.transform(X), base.transform(X))
    square = ((base.transform(X)[:, None] - model.cluster_centers_) ** 2).sum(2)
    np.testing.assert_array_equal(model.labels_, square.argmin(1))


@pytest.mark.parametrize("epochs", [(4, 11), (10, 5), (12, 3)])
def test_going_on_gives_the_same_bits(epochs, tmp_path):
    X, _ = blobs()
    whole = make(tol=0, corruption=ae.Masking(0.1)).fit(X)
    first, path = epochs[0], tmp_path / "run.aecore"
    saving = {"tol": 0, "corruption": ae.Masking(0.1), "checkpoint": str(path)}

    def stop(s):
        if s.epoch == first:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(**saving, callbacks=[stop]).fit(X)
    again = make(**saving).fit(X, resume=True)
    assert state(again) == state(whole)
    np.testing.assert_array_equal(again.labels_, whole.labels_)
    over = make(**saving).fit(X, resume=True)  # nothing is left to do
    np.testing.assert_array_equal(over.labels_, whole.labels_)


@pytest.mark.parametrize("first", [4, 10, 12])
def test_going_on_after_a_callback_has_stopped_gives_the_same_bits(first):
    X, _ = blobs()
    whole = make(tol=0).fit(X)
    model = make(tol=0, callbacks=[lambda s: s.epoch == first]).fit(X)
    assert len(model.history_) == first
    left = 5 - max(0, first - 10)
    model.set_params(warm_start=True, callbacks=(), epochs=left).fit(X)
    assert state(model) == state(whole)
    np.testing.assert_array_equal(model.labels_, whole.labels_)


def test_passes_pretrain_first():
    X, _ = blobs()
    model = make(pretrain_epochs=2, shuffle=False)
    for number in range(1, 5):
        model.partial_fit(X)
        assert hasattr(model, "labels_") == (number >= 2)
    assert ["changed" in r for r in model.history_] == [False, False, True, True]


# ---- clusters -----------------------------------------------------------------------------------


def test_clusters_are_found():
    X, y = blobs(noise=0.3)
    labels = make().fit_predict(X)
    assert ae.metrics.clustering_accuracy(y, labels) > 0.97


def test_what_is_said_of_samples():
    X, _ = blobs()
    model = make().fit(X)
    q, z = model.predict_proba(X), model.transform(X).astype(float)
    assert q.shape == (120, 3) and q.dtype == np.float32
    np.testing.assert_allclose(q.sum(1), 1, rtol=1e-6)
    scale = float(model._network.clusters.buffer("scale")[0])
    t = 1 / (1 + ((z[:, None] - model.cluster_centers_) ** 2).sum(2) / scale**2)
    np.testing.assert_allclose(q, t / t.sum(1, keepdims=True), rtol=1e-5)
    for labels in (model.labels_, model.predict(X)):
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(labels, q.argmax(1))
    np.testing.assert_allclose(
        model.score_samples(X), -((X - model.reconstruct(X)) ** 2).sum(1), rtol=1e-4
    )
    assert model.inverse_transform(model.cluster_centers_).shape == (3, 8)


def test_samples_of_a_cluster():
    X, _ = blobs()
    model = make().fit(X)
    for cluster in range(3):
        drawn = model.sample(50, y=cluster, random_state=0)
        assert (model.predict(drawn) == cluster).mean() > 0.9
    share = np.bincount(model.predict(model.sample(600, random_state=0)), minlength=3) / 600
    np.testing.assert_allclose(share, 1 / 3, atol=0.08)
    with pytest.raises(ValueError, match="expected labels of the prior, 0, 1, 2, got 5"):
        model.sample(1, y=5)


def test_what_is_known_of_members():
    rng = np.random.default_rng(0)
    codes = rng.normal(0, 1, (50, 2)).astype(np.float32) + np.repeat([[0, 0], [9, 9]], 25, 0)
    codes, weight = codes.astype(np.float32), rng.integers(1, 4, 50).astype(np.float32)
    clusters = Clusters(2, 2)
    clusters.start(codes, best_kmeans(codes, 2, 0, 3, 100)[0])
    q = clusters.assign(codes)
    clusters.observe(clusters.sums(codes, q, weight))
    labels = q.argmax(1)
    for k in range(2):
        own = np.repeat(codes[labels == k], weight[labels == k].astype(int), axis=0)
        assert clusters.buffer("weight")[k] == len(own)
        np.testing.assert_allclose(clusters.buffer("mean")[k], own.mean(0), rtol=1e-5)
        np.testing.assert_allclose(
            clusters.buffer("covariance")[k], np.cov(own.T, ddof=0), atol=1e-5
        )
    np.testing.assert_allclose(
        clusters.buffer("share"), (weight[:, None] * q).sum(0) / weight.sum(), rtol=1e-6
    )


def test_codes_may_be_of_any_size():
    """The unit of distances follows them."""
    rng = np.random.default_rng(0)
    codes = np.concatenate([rng.normal(m, 1, (30, 3)) for m in (0, 5)]).astype(np.float32)
    found = []
    for size in (1e-3, 1.0, 1e3):
        clusters = Clusters(2, 3)
        these = codes * np.float32(size)
        clusters.start(these, best_kmeans(these, 2, 0, 3, 100)[0])
        found.append(clusters.assign(these))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3)
    np.testing.assert_allclose(found[2], found[1], rtol=1e-3)


def test_equal_samples_and_one_cluster():
    X = np.ones((20, 4))
    model = make(2, epochs=2).fit(X)
    assert np.isfinite(model.predict_proba(X)).all()
    assert set(make(1, epochs=2).fit(blobs()[0]).labels_) == {0}


def test_weights_make_clusters_heavier():
    X, y = blobs()
    weight = np.where(y == 0, 3.0, 1.0)
    model = make(epochs=2, tol=0).fit(X, sample_weight=weight)
    own = np.bincount(model.labels_[y == 0]).argmax()
    share = model._network.clusters.buffer("weight")
    assert share[own] / share.sum() == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("start", ["kmeans", "mixture"])
def test_samples_without_weight_have_no_cluster_of_their_own(start):
    X, y = blobs(k=4)
    counted = y < 3
    X[~counted] *= 8  # so that they are a cluster, if there is one
    model = make(3, start=start).fit(X, sample_weight=counted)
    assert ae.metrics.clustering_accuracy(y[counted], model.labels_[counted]) == 1


def test_a_variational_mixture_starts_by_weights():
    X, y = blobs(k=4)
    counted = y < 3
    X[~counted] *= 8  # so that they are a cluster, if there is one
    how = {"prior": ae.GaussianMixture(3), "pretrain_epochs": 20, "epochs": 0, "random_state": 0}
    model = ae.VAE(D, 2, batch_size=16, learning_rate=5e-3, **how).fit(X, sample_weight=counted)
    assert ae.metrics.clustering_accuracy(y[counted], model.predict(X[counted])) == 1


@pytest.mark.parametrize(
    "weight, wanted",
    [
        ([1, 1, 1], [0, 1, 2]),
        ([2, 0, 1], [0, 0, 2]),
        ([0, 0, 5], [2, 2, 2]),
        ([1, 3, 0, 0], [0, 1, 1, 1]),
    ],
)
def test_samples_are_repeated_by_weight(weight, wanted):
    assert repeated(np.array(weight, np.float32)).tolist() == wanted


def test_repetitions_are_as_near_as_whole_numbers_allow(rng):
    weight = rng.random(5000).astype(np.float32) ** 4
    counts = np.bincount(repeated(weight), minlength=5000)
    assert np.abs(counts - weight * 5000 / weight.sum(dtype=np.float64)).max() < 1 + 1e-6
    assert counts.sum() == 5000


# ---- what is clustered --------------------------------------------------------------------------


def test_images_sequences_and_gaps(rng):
    y = np.arange(60) % 2
    images = rng.random((60, 8, 8, 1)) * 0.2
    images[y == 1, :4] += 0.7
    model = ae.DeepClustering(2, ae.Conv((4, 8)), 3, **KW, corruption=ae.GaussianNoise(0.1))
    assert ae.metrics.clustering_accuracy(y, model.fit_predict(images)) == 1
    assert model.sample(3, y=1, random_state=0).shape == (3, 8, 8, 1)

    sequences = [rng.normal(s, 0.3, (5 + i % 4, 2)) for i, s in enumerate(np.where(y, 1.0, -1.0))]
    model = ae.DeepClustering(2, ae.GRU(8), 3, **KW)
    assert ae.metrics.clustering_accuracy(y, model.fit_predict(sequences)) == 1
    np.testing.assert_array_equal(model.predict(sequences[:7]), model.labels_[:7])

    X, y = blobs()
    mask = rng.random(X.shape) > 0.2
    filled = np.where(mask, X, np.nan)
    model = make(corruption=ae.Masking(0.1))
    labels = model.fit_predict(filled, sample_mask=mask)
    assert ae.metrics.clustering_accuracy(y, labels) > 0.9
    np.testing.assert_array_equal(model.predict(filled, sample_mask=mask), labels)


def test_tables():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(90) % 3)
    X = np.zeros(90, [("size", float), ("shape", "U6"), ("weight", float)])
    X["shape"] = np.array(["round", "square", "round"])[y]
    X["size"] = y * 4 + rng.random(90)
    X["weight"] = np.where(rng.random(90) < 0.2, np.nan, 3 - y + rng.random(90) / 3)
    model = ae.TabularClustering(3, D, 2, **KW | {"pretrain_epochs": 40}).fit(X)
    assert ae.metrics.clustering_accuracy(y, model.labels_) > 0.95
    assert {"numeric", "binary", "cluster", "changed"} <= set(model.history_[-1])
    drawn = model.sample(4, y=int(model.labels_[0]), random_state=0)
    assert drawn.dtype.names == X.dtype.names
    assert set(drawn["shape"]) == {X["shape"][0]}
    assert not np.isnan(model.impute(X)["weight"]).any()


@pytest.mark.parametrize("cls", [ae.DeepClustering, ae.TabularClustering])
def test_the_target_is_that_of_samples_without_noise(cls, rng, monkeypatch):
    """It is of what `predict_proba` gave after the epoch before, whatever is missing or hidden."""
    X, _ = blobs()
    mask, found = rng.random(X.shape) > 0.2, []
    real = cls._target

    def target(self, batch):
        found.append(real(self, batch))
        return found[-1]

    options = {"corruption": ae.GaussianNoise(0.5), "shuffle": False, "sample_mask": mask}
    fit = {"sample_mask": options.pop("sample_mask")}
    start = cls(3, D, 2, **KW | options | {"epochs": 0}).fit(X, **fit)
    monkeypatch.setattr(cls, "_target", target)
    cls(3, D, 2, **KW | options | {"epochs": 1}).fit(X, **fit)
    q = start.predict_proba(X, **fit).astype(float)
    p = q**2 / q.sum(0)
    p /= p.sum(1, keepdims=True)
    given = np.concatenate([one for one in found if one is not None])
    np.testing.assert_allclose(given, p, atol=1e-5)


def test_a_stream_and_rows_held_out():
    X, y = blobs()
    parts = [X[i : i + 20] for i in range(0, 120, 20)]
    model = make(tol=0).fit(lambda: iter(parts))
    assert ae.metrics.clustering_accuracy(y, model.labels_) > 0.9
    held = make(validation_fraction=0.2).fit(X)
    assert len(held.labels_) == 120
    assert {"val_loss", "val_cluster"} <= set(held.history_[-1])


# ---- files and errors ---------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [ae.DeepClustering, ae.TabularClustering])
def test_files(cls, tmp_path):
    X, _ = blobs()
    model = cls(3, D, 2, **KW).fit(X)
    model.save(tmp_path / "model.aecore")
    again = ae.load(tmp_path / "model.aecore")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(
        again.sample(3, y=1, random_state=0), model.sample(3, y=1, random_state=0)
    )
    assert not hasattr(again, "labels_")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"n_clusters": 0}, "n_clusters: expected"),
        ({"gamma": -1}, "gamma: expected"),
        ({"reconstruction": 2}, "reconstruction: expected"),
        ({"tol": math.nan}, "tol: expected"),
        ({"n_init": 0}, "n_init: expected"),
        ({"start": "gmm"}, "start: expected"),
        ({"pretrain_epochs": -1}, "pretrain_epochs: expected"),
    ],
)
def test_parameters_that_make_no_sense(params, text):
    with pytest.raises((TypeError, ValueError), match=text):
        make().set_params(**params).fit(blobs()[0])


def test_samples_that_make_no_sense():
    X, _ = blobs()
    with pytest.raises(ValueError, match="at least 3 samples, one a cluster, got n_samples=2"):
        make().fit(X[:2])
    with pytest.raises(ValueError, match=r"target: expected None .* of the samples"):
        make().fit(X, target=X)
    with pytest.raises(ValueError, match="flatten=True for DeepClustering"):
        ae.DeepClustering(2, ae.Conv((4,), flatten=False), 2).fit(np.zeros((9, 8, 8, 1)))


@pytest.mark.parametrize("value", [0.0, 3.3])
@pytest.mark.parametrize("seed", range(4))
def test_codes_that_all_coincide_can_be_drawn_about(value, seed):
    how = {"pretrain_epochs": 2, "epochs": 2, "random_state": seed}
    m = ae.DeepClustering(3, ae.Dense((16,)), 3, **how).fit(np.full((50, 4), value))
    assert np.isfinite(m.sample(3, random_state=0)).all()
