"""The detector: what it finds, what its scores are, and that they stay the same."""

import copy
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore.files import document, load
from aecore.files.classes import VALUES
from aecore.files.codec import Decoder
from aecore.models.base import state
from aecore.models.detection.score import _robust_whitening

SMALL = ae.Autoencoder(ae.Dense((8,)), 2, epochs=3, batch_size=32)
MEASURES = ("manifold", "loss", "codes", "mean", "max")


def detector(model=SMALL, **params):
    return ae.AnomalyDetector(model, **{"random_state": 0, "n_models": 2, **params})


@pytest.fixture
def X(rng):
    return rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5))


# ---- what it finds ------------------------------------------------------------------------------


@pytest.fixture
def blobs(rng):
    """Two groups in a plane, and four outliers: far away, between, and two close together."""
    normal = np.concatenate([rng.normal(size=(150, 2)), rng.normal(size=(150, 2)) + 12])
    return np.concatenate([normal, [[40, 40], [6, 6], [-9, 20], [-9, 20.5]]])


def test_planted_outliers(blobs):
    found = ae.AnomalyDetector(contamination=4 / 304, random_state=0).fit_predict(blobs)
    np.testing.assert_array_equal(np.flatnonzero(found == -1), [300, 301, 302, 303])


@pytest.mark.parametrize("measure", ["codes", "mean", "max"])
def test_measures_find_the_far_one(measure, blobs):
    d = ae.AnomalyDetector(SMALL, measure=measure, random_state=0).fit(blobs[:301])
    assert d.score_samples(blobs[:301]).argmin() == 300


def test_a_cluster_of_outliers_does_not_vouch_for_itself(rng):
    X = np.concatenate([rng.normal(size=(270, 4)), 8 + 0.01 * rng.normal(size=(27, 4))])
    odd = np.arange(297) >= 270
    d = ae.AnomalyDetector(contamination=0.1, random_state=0).fit(X)
    assert d.score_samples(X)[odd].max() < d.score_samples(X)[~odd].min()


def test_units_do_not_matter(X):
    other = X * 2.0 ** np.array([-20, 0, 10, 30, 3])  # in which rounding is the same
    scores = detector().fit(X).score_samples(X)
    np.testing.assert_array_equal(detector().fit(other).score_samples(other), scores)


# ---- what scores are ----------------------------------------------------------------------------


def robust_scaled(X):
    low, middle, high = np.percentile(X, (25, 50, 75), axis=0)
    return np.arcsinh((X - middle) / ((high - low) / 1.349))


def test_manifold_is_the_distance_off_and_along_it(X):
    d = detector(n_models=1, contamination=0.2).fit(X)
    (model,), (member,) = d.estimators_, d._state.members
    Z = robust_scaled(X)
    rebuilt = model.reconstruct(Z).astype(float)
    references = member.state["references"].astype(float)
    assert references.shape == (100, 5)  # all of the member's half of the samples
    near = ((rebuilt[:, None] - references) ** 2).sum(2)
    kth = np.sort(near, axis=1)[:, 23]  # the 24th: 20 are expected, and 4 are a deviation
    raw = np.sqrt(((Z - rebuilt) ** 2).sum(1) + kth)
    low, median, high = np.percentile(raw, (25, 50, 75))
    np.testing.assert_allclose(d.score_samples(X), -(raw - median) / (high - low), atol=1e-4)


def test_references_are_reconstructions_of_its_samples(X):
    d = detector(n_models=1).fit(X)
    rebuilt = d.estimators_[0].reconstruct(robust_scaled(X))
    references = d._state.members[0].state["references"]
    distance = np.abs(references[:, None] - rebuilt).max(2)
    assert distance.min(1).max() < 1e-4 and len(set(distance.argmin(1))) == 100


@pytest.mark.parametrize("model", [SMALL, ae.VAE(ae.Dense((8,)), 2, epochs=2)])
def test_loss_is_the_model_s_own(model, X):
    d = detector(model, measure="loss", n_models=1).fit(X)
    loss = -d.estimators_[0].score_samples(robust_scaled(X)).astype(float)
    low, median, high = np.percentile(loss, (25, 50, 75))
    np.testing.assert_allclose(d.score_samples(X), -(loss - median) / (high - low), atol=1e-4)


def test_codes_are_measured_by_their_robust_spread(rng):
    root = np.array([[2.0, 0, 0], [1, 1, 0], [0, -1, 0.5]])
    codes = rng.normal(size=(4000, 3)) @ root.T + [5, 0, -2]
    codes[:200] += 60
    center, white = _robust_whitening(codes, 0.1)
    np.testing.assert_allclose(center, [5, 0, -2], atol=0.2)
    found = np.linalg.inv(white.astype(float).T @ white)
    # the tenth that is farthest is left out, which makes the spread smaller by one factor
    factor = np.trace(found) / np.trace(root @ root.T)
    assert 0.6 < factor < 1
    np.testing.assert_allclose(found / factor, root @ root.T, atol=0.35)


def test_maps_of_codes_are_averaged_over_places(rng):
    X = rng.random((40, 8, 8, 1))
    d = detector(ae.VQVAE(ae.ResNet(8, 4, 1, 1), 8, 4, epochs=1), measure="codes", n_models=1)
    assert d.fit(X)._state.members[0].state["whitening"].shape == (4, 4)
    # the encoder sees what is at the border, so that turning an image may change a little alone
    turned = d.score_samples(X[:, ::-1, ::-1])
    assert np.corrcoef(turned, d.score_samples(X))[0, 1] > 0


def test_codes_follow_the_formula(X):
    d = detector(measure="codes", n_models=1).fit(X)
    state = d._state.members[0].state
    codes = d.estimators_[0].transform(robust_scaled(X)).astype(float)
    raw = np.linalg.norm((codes - state["center"]) @ state["whitening"].T.astype(float), axis=1)
    low, median, high = np.percentile(raw, (25, 50, 75))
    np.testing.assert_allclose(d.score_samples(X), -(raw - median) / (high - low), atol=1e-4)


@pytest.mark.parametrize(("measure", "joined"), [("mean", np.mean), ("max", np.max)])
def test_joined_measures(measure, joined, X):
    each = [-detector(measure=m, n_models=1).fit(X).score_samples(X) for m in ("loss", "codes")]
    scores = detector(measure=measure, n_models=1).fit(X).score_samples(X)
    np.testing.assert_allclose(-scores, joined(each, axis=0), rtol=1e-6, atol=1e-7)


def test_an_ensemble_is_the_mean_of_its_members(X):
    d = detector(n_models=3).fit(X)
    assert len({m.random_state for m in d.estimators_}) == 3
    state, parts = d._state, []
    for i, member in enumerate(state.members):
        raw = member.measure("manifold", robust_scaled(X).astype(np.float32))
        parts.append((raw - state.location[i, 0]) / state.scale[i, 0])
    np.testing.assert_allclose(d.score_samples(X), -np.mean(parts, axis=0), atol=1e-5)
    assert np.abs(np.corrcoef(parts)[0, 1]) < 0.9999


# ---- the threshold ------------------------------------------------------------------------------


@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.25, 0.5])
def test_contamination_is_the_share_of_outliers(contamination, X):
    d = detector(contamination=contamination).fit(X)
    scores = d.score_samples(X)
    assert (d.predict(X) == -1).sum() == round(200 * contamination)
    assert d.offset_ == d.threshold_ == np.percentile(scores, 100 * contamination)
    np.testing.assert_array_equal(d.decision_function(X), scores - d.offset_)
    np.testing.assert_array_equal(d.predict(X), np.where(d.decision_function(X) < 0, -1, 1))
    np.testing.assert_array_equal(
        detector(contamination=contamination).fit_predict(X), d.predict(X)
    )


def test_auto_is_tukeys_fence(blobs):
    d = ae.AnomalyDetector(SMALL, contamination="auto", random_state=0).fit(blobs)
    low, high = np.quantile(d.score_samples(blobs), (0.25, 0.75))
    assert d.offset_ == pytest.approx(low - 1.5 * (high - low))
    assert d.predict(blobs)[300] == -1 and (d.predict(blobs) == 1).mean() > 0.9


# ---- the same scores ----------------------------------------------------------------------------


def test_second_call_and_refit(X):
    d = detector().fit(X)
    scores = d.score_samples(X)
    np.testing.assert_array_equal(d.score_samples(X), scores)
    np.testing.assert_array_equal(detector().fit(X).score_samples(X), scores)
    np.testing.assert_array_equal(d.fit(X).score_samples(X), scores)
    assert (detector(random_state=1).fit(X).score_samples(X) != scores).any()


def test_number_of_threads(X):
    before, found = ae.get_num_threads(), []
    try:
        for n in (1, 3):
            ae.set_num_threads(n)
            found.append(detector(measure="manifold").fit(X).score_samples(X))
    finally:
        ae.set_num_threads(before)
    np.testing.assert_array_equal(*found)


def test_one_by_one_and_in_runs(rng):
    X = rng.normal(size=(5000, 3))  # more than one run
    d = detector(n_models=1, max_samples=200).fit(X)
    scores = d.score_samples(X)
    np.testing.assert_array_equal(d.score_samples(X[4000:]), scores[4000:])
    np.testing.assert_array_equal([d.score_samples(x[None])[0] for x in X[:5]], scores[:5])


class Sliced:
    """An array-like that can only be sliced."""

    def __init__(self, X):
        self._X, self.shape, self.dtype, self.asked = X, X.shape, X.dtype, 0

    def __len__(self):
        return len(self._X)

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        self.asked = max(self.asked, len(range(*rows.indices(len(self)))))
        return self._X[rows]


def test_memory_maps_and_array_likes(tmp_path, rng):
    X = rng.normal(size=(9000, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    mapped, sliced = np.load(tmp_path / "x.npy", mmap_mode="r"), Sliced(X)
    scores = detector(max_samples=300).fit(X).score_samples(X)
    for other in (mapped, sliced, X.tolist()):
        np.testing.assert_array_equal(
            detector(max_samples=300).fit(other).score_samples(other), scores
        )
    assert sliced.asked <= 4096


def restored(d, path):
    d.save(path)
    return ae.load(path)


@pytest.mark.parametrize("measure", MEASURES)
def test_saved_and_loaded(measure, X, tmp_path):
    d = detector(measure=measure, contamination=0.05).fit(X)
    other = restored(d, tmp_path / "d")
    np.testing.assert_array_equal(other.score_samples(X), d.score_samples(X))
    assert repr(other) == repr(d) and other.offset_ == d.offset_ and other.n_features_in_ == 5
    np.testing.assert_array_equal(other.fit(X).score_samples(X), d.score_samples(X))


def changed(config, **values):
    return copy.deepcopy(config) | values


def test_files_are_read_strictly(X, tmp_path):
    d, path = detector().fit(X), tmp_path / "d"
    d.save(path)
    config, tensors = document.read(path)
    assert ae.load(path).offset_ == d.offset_

    def refused(match, config=config, tensors=tensors):
        # JSON has no NaN: the reader is given what a file can't say, too
        with pytest.raises(ValueError, match=match):
            state.read(config, dict(tensors), Decoder((*VALUES, *load.MODELS), 10**6))

    refused(r"configuration: expected no others, got .\'more\'", changed(config, more=1))
    refused("offset: expected a finite", changed(config, offset=float("nan")))
    refused("members: expected a list of 2, got 1", changed(config, members=config["members"][:1]))
    refused("shape: expected", changed(config, shape=[0]))
    refused("columns: expected", changed(config, columns=["a"]))
    refused("levels: expected", changed(config, levels=3))
    params = config["params"]
    refused("contamination: expected", changed(config, params=params | {"contamination": 2.0}))
    for name in ("location", "center", "0.oddness.references"):
        fewer = {k: v for k, v in tensors.items() if k != name}
        refused("expected", tensors=fewer)
        refused("expected|NaN", tensors=tensors | {name: tensors[name] * np.nan})
    refused("tensors: expected no others, got", tensors=tensors | {"5.x": tensors["location"]})
    refused("spread", tensors=tensors | {"spread": -tensors["spread"]})
    with pytest.raises(ValueError, match="class: expected one of aecore's, got 'Autoencoder'"):
        state.read(config, dict(tensors), Decoder((*VALUES, ae.AnomalyDetector), 10**6))


# ---- models of all kinds ------------------------------------------------------------------------

BRIEF = {"epochs": 20, "batch_size": 8, "learning_rate": 1e-2}
IMAGE_MODELS = [
    None,
    ae.Autoencoder(ae.Conv((4,)), 3, loss="bce", **BRIEF),
    ae.VAE(ae.Conv((4,)), 3, loss="bce", **BRIEF),
    ae.VQVAE(ae.ResNet(8, 4, 1, 1), 8, 4, **BRIEF),
]


@pytest.mark.parametrize("model", IMAGE_MODELS, ids=str)
def test_images(model, rng, tmp_path):
    rows = np.arange(8)[:, None] * np.ones(8, int)
    X = (rng.random((120, 1, 1, 1)) * 20 * rows[:, :, None]).astype(np.uint8)
    X[7] = rng.integers(0, 255, (8, 8, 1))
    d = detector(model, n_models=1, contamination=0.01).fit(X)
    scores = d.score_samples(X)
    assert d.n_features_in_ == 64 and scores.argmin() == 7
    np.testing.assert_allclose(d.score_samples(X / 255), scores, atol=1e-4)  # uint8 is scaled
    np.testing.assert_array_equal(restored(d, tmp_path / "d").score_samples(X), scores)


def test_sequences_of_different_lengths(rng, tmp_path):
    X = [np.sin(np.arange(4 + i % 9) + rng.random())[:, None] for i in range(60)]
    X[11] = X[11] * 9
    model = ae.Autoencoder(ae.LSTM(8), 2, epochs=2)
    d = detector(model, contamination=0.02).fit(X)
    assert {m._network.input_shape for m in d.estimators_} == {(12, 1)}  # the longest
    scores = d.score_samples(X)
    assert scores.argmin() == 11
    np.testing.assert_array_equal(restored(d, tmp_path / "d").score_samples(X), scores)
    padded = np.zeros((60, 12, 1))
    for x, row in zip(X, padded, strict=True):
        row[: len(x)] = x
    assert detector(None, n_models=1).fit(padded).estimators_[0].arch is None
    trimmed = detector(model, trim=0.1, measure="mean").fit(X)
    assert trimmed.score_samples(X).shape == (60,)


@pytest.mark.parametrize("measure", ["manifold", "loss", "codes", "mean", "max"])
def test_length_is_no_outlier(measure, rng, tmp_path):
    X = [rng.normal(size=(int(t), 1)).astype(np.float32) for t in rng.integers(10, 60, 80)]
    lengths = np.array([len(x) for x in X])
    model = ae.Autoencoder(ae.LSTM(8), 2, epochs=1, learning_rate=1e-4)
    d = detector(model, n_models=1, measure=measure).fit(X)
    scores = d.score_samples(X)
    if measure != "codes":
        assert abs(np.corrcoef(lengths, scores)[0, 1]) < 0.8
    again = restored(d, tmp_path / "d")
    np.testing.assert_array_equal(again.score_samples(X), scores)
    longer = [np.concatenate([x, x]) for x in X[:5]]  # than any in fit
    together = d.score_samples(longer + X)
    np.testing.assert_allclose(together[5:], scores, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(d.score_samples(longer), together[:5], rtol=1e-3, atol=1e-3)
    (member,) = d.estimators_
    if measure == "loss":
        each = member.score_samples(X) / lengths * lengths.max()
        location, spread = (v.item() for v in (d._state.location, d._state.scale))
        np.testing.assert_allclose(scores, (each + location) / spread, rtol=1e-4, atol=1e-4)
        # a file of 0.1.0 goes on as it was
        d._state.members[0].per_step = False
        old = restored(d, tmp_path / "d").score_samples(X)
        np.testing.assert_allclose(
            old, (member.score_samples(X) + location) / spread, rtol=1e-4, atol=1e-4
        )


def test_trimming_keeps_long_sequences(rng):
    X = [rng.normal(size=(int(t), 1)) for t in np.arange(80) % 40 + 10]
    X[3] *= 9
    d = detector(ae.Autoencoder(ae.LSTM(4), 2, epochs=1), n_models=1, max_samples=1.0, trim=0.02)
    kept = []
    fit = ae.Autoencoder.fit

    def spy(self, X, *args, **options):
        kept.append(X)
        return fit(self, X, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ae.Autoencoder, "fit", spy)
        d.fit(X)
    assert len(kept[0]) == 80 and not any(x is X[3] for x in kept[1])


@pytest.mark.parametrize(
    "model",
    [
        ae.Autoencoder(ae.Dense((8,)), 2, loss="huber", corruption=ae.Masking(0.2), epochs=1),
        ae.Autoencoder(ae.Dense((8,)), 9, loss="gaussian", penalty=ae.TopK(2), epochs=1),
        ae.Autoencoder(ae.Dense((8,)), 2, tied=True, loss="l1", epochs=1),
        ae.StackedAutoencoder(ae.Dense((8,)), 2, pretrain_epochs=1, epochs=1),
        ae.AdversarialAutoencoder(ae.Dense((8,)), 2, epochs=1),
        ae.VQVAE(ae.Dense((8,)), 8, 4, epochs=1),
        ae.Recirculation(3, epochs=1),
    ],
    ids=str,
)
def test_objectives(model, X):
    X[9] = 1e6
    for measure in MEASURES:
        d = detector(model, measure=measure, n_models=1).fit(X)
        assert np.isfinite(d.score_samples(X)).all()
        if measure == "manifold":
            assert d.predict(X)[9] == -1


def test_the_model_given_stays_as_it_is(X):
    pair = ae.nn.Sequential(ae.nn.Linear(5, 2)), ae.nn.Sequential(ae.nn.Linear(2, 5))
    before = [p.value.copy() for module in pair for _, p in module.parameters()]
    model = ae.Autoencoder(pair, 2, epochs=2, random_state=5)
    d = detector(model, random_state=None).fit(X)
    after = [p.value for module in pair for _, p in module.parameters()]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert not hasattr(model, "history_") and d.model is model
    again = detector(model, random_state=None).fit(X)  # the model's seed
    np.testing.assert_array_equal(again.score_samples(X), d.score_samples(X))


def test_trimmed_members_forget_outliers(rng):
    X = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 8))
    X[:30] = rng.normal(size=8) + 0.1 * rng.normal(size=(30, 8))
    model = ae.Autoencoder(ae.Dense((16,)), 2, epochs=60, batch_size=32, learning_rate=1e-2)
    areas = []
    for trim in (0.0, 0.15):
        d = detector(model, measure="loss", trim=trim, max_samples=1.0, scale=False).fit(X)
        scores = d.score_samples(X)
        areas.append((scores[:30, None] < scores[30:]).mean())
    assert areas[1] > areas[0]


def test_size_of_members_samples():
    sizes = [ae.AnomalyDetector()._subsample_size(n) for n in (2, 64, 100, 1000, 10**6)]
    assert sizes == [2, 64, 64, 500, 65536]
    assert ae.AnomalyDetector(max_samples=0.2)._subsample_size(50) == 10
    assert ae.AnomalyDetector(max_samples=70)._subsample_size(50) == 50


def test_default_model_has_a_number_of_steps():
    for n, width, batch, epochs, latent in (
        (64, 4, 16, 125, 2),
        (1000, 30, 125, 63, 6),
        (65536, 100, 128, 1, 10),
        (65536, 1, 128, 1, 1),
    ):
        X = np.zeros((n, width), np.float32)
        model = ae.AnomalyDetector()._new_model(X.shape[1:], X, 3)
        assert (model.batch_size, model.epochs, model.latent_dim) == (batch, epochs, latent)
        assert model.random_state == 3


# ---- what makes no sense ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"contamination": 0}, ValueError, "contamination: expected a finite number, more than 0"),
        ({"contamination": 0.6}, ValueError, "contamination: expected .* at most 0.5"),
        ({"contamination": "some"}, ValueError, "contamination: expected one of 'auto'"),
        ({"contamination": None}, TypeError, "contamination: expected a number"),
        ({"n_models": 0}, ValueError, "n_models: expected at least 1"),
        ({"n_models": 1.5}, TypeError, "n_models: expected an integer"),
        ({"measure": "elbo"}, ValueError, "measure: expected one of 'manifold'"),
        ({"max_samples": 1}, ValueError, "max_samples: expected at least 2"),
        ({"max_samples": 1.5}, ValueError, "max_samples: expected .* at most 1"),
        ({"max_samples": "all"}, ValueError, "max_samples: expected one of 'auto'"),
        ({"trim": 0.5}, ValueError, "trim: expected less than 0.5"),
        ({"scale": 1}, TypeError, "scale: expected True or False"),
        ({"random_state": "x"}, TypeError, "random_state"),
        ({"model": 3}, TypeError, "model: expected None or a model with codes"),
        ({"model": ae.GAN()}, TypeError, "model: expected None or a model with codes"),
        ({"model": ae.CVAE()}, ValueError, "model: expected one without conditions"),
        ({"model": ae.Autoencoder(checkpoint="x")}, ValueError, "model: expected one without a ch"),
        ({"model": ae.Autoencoder(latent_dim=0)}, ValueError, "latent_dim: expected"),
        ({"model": ae.TabularAutoencoder(), "scale": True}, ValueError, "False for a TabularAuto"),
    ],
)
def test_bad_parameters(params, error, match, X):
    d = detector().fit(X)
    before = d.score_samples(X)
    kept = d.get_params(deep=False)
    with pytest.raises(error, match=match):
        d.set_params(**params).fit(X)
    d.set_params(**kept)
    np.testing.assert_array_equal(d.score_samples(X), before)  # nothing has changed


def test_bad_data(X, rng):
    with pytest.raises(ValueError, match="expected at least 2 samples, got n_samples = 1"):
        detector().fit(X[:1])
    bad = X.copy()
    bad[7, 2] = np.inf
    with pytest.raises(ValueError, match="contains infinity .in row 7"):
        detector().fit(bad)
    d = detector().fit(X)
    with pytest.raises(ValueError, match="contains infinity .in row 7"):
        d.score_samples(bad)
    with pytest.raises(ValueError, match="X has 3 features, but AnomalyDetector is expecting 5"):
        d.score_samples(X[:, :3])
    with pytest.raises(ValueError, match="samples of shape .5,., as in fit"):
        d.score_samples(X.reshape(-1, 5, 1, 1))
    with pytest.raises(ValueError, match="sample 1: expected a sequence .steps, features., got 1"):
        detector(None).fit([np.ones((3, 2)), np.ones(3)])
    with pytest.raises(ValueError, match="scale: expected tables to scale"):
        detector(None, scale=True).fit(rng.random((9, 4, 4, 1)))
    with pytest.raises(ValueError, match="not fitted"):
        detector().score_samples(X)
    with pytest.raises(ValueError, match="not fitted"):
        detector().save("nowhere")
    for attribute in ("offset_", "threshold_", "estimators_", "n_features_in_"):
        assert not hasattr(detector(), attribute)


def test_a_reader_beside_a_fit_sees_one_state(rng, monkeypatch):
    """That of before or of after, and never a new network with an old threshold."""
    X, seen = rng.normal(size=(80, 4)), []
    d = detector(contamination=0.4).fit(X)

    def looking(self, columns):
        seen.extend([self.predict(X), self.decision_function(X), self.offset_])

    monkeypatch.setattr(type(d), "_set_names", looking)
    d.set_params(contamination=0.05).fit(3 * X[:40])
    for found, said in zip(seen, (d.predict(X), d.decision_function(X), d.offset_), strict=True):
        np.testing.assert_array_equal(found, said)
    monkeypatch.undo()
    d.offset_ = 1e9  # as people set it
    assert (d.predict(X) == -1).all() and d.threshold_ == 1e9
    assert (pickle.loads(pickle.dumps(d)).predict(X) == -1).all()


class Reversed(ae.AnomalyDetector):
    def score_samples(self, X):
        return -super().score_samples(X)


def test_a_subclass_says_what_scores_are(rng):
    X = rng.normal(size=(60, 3))
    detector = Reversed(random_state=0).fit(X)
    scores = detector.score_samples(X)
    np.testing.assert_array_equal(detector.decision_function(X), scores - detector.offset_)
    np.testing.assert_array_equal(detector.predict(X), np.where(scores < detector.offset_, -1, 1))
