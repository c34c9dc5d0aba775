"""The same samples, labels, targets, masks and weights in several ways: heeded, or refused."""

import math

import aecore as ae
import numpy as np
import pytest
from support.items import Items, state

D = ae.Dense((16,))
KW = {"batch_size": 16, "epochs": 2, "random_state": 0}
LABELS = np.random.default_rng(1).integers(0, 3, 60)
WORDS = np.array(["a", "b", "c"])[LABELS]


@pytest.fixture
def X(rng):
    return rng.random((60, 8), dtype=np.float32)


# ---- masks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("junk", [np.nan, np.inf, 7])
@pytest.mark.parametrize("loss", ["gaussian", "mse"])
def test_what_is_under_a_mask_changes_nothing(loss, junk, X, rng):
    mask = rng.random(X.shape) > 0.2
    plain = ae.VAE(D, 2, loss=loss, **KW).fit(X, sample_mask=mask)
    other = ae.VAE(D, 2, loss=loss, **KW).fit(np.where(mask, X, junk), sample_mask=mask)
    assert state(other) == state(plain)


# ---- data sets ----------------------------------------------------------------------------------


def test_a_target_of_a_data_set_beside_labels(X):
    both = ae.Autoencoder(D, 2, **KW).fit(Items(X, X / 2), LABELS)
    assert state(both) == state(ae.Autoencoder(D, 2, **KW).fit(X, target=X / 2))
    given = ae.CVAE(D, 2, **KW).fit(Items(X, LABELS), target=X / 2)
    assert state(given) == state(ae.CVAE(D, 2, **KW).fit(X, LABELS, target=X / 2))


@pytest.mark.parametrize(
    "model",
    [
        ae.StackedAutoencoder(D, 2, **KW),
        ae.Autoencoder(D, 2, pretrain_epochs=1, **KW),
        ae.DeepClustering(2, D, 2, **KW),
        ae.Recirculation(2, **KW),
        ae.GAN(D, 2, **KW),
        ae.TabularAutoencoder(D, 2, **KW),
        ae.TabularVAE(D, 2, **KW),
    ],
    ids=lambda model: type(model).__name__,
)
def test_targets_that_a_model_has_no_use_for(model, X):
    with pytest.raises(ValueError, match="^target: expected None for"):
        model.fit(Items(X, X / 2))
    model.fit(Items(X, LABELS))  # labels are left alone


def test_a_column_of_labels_is_no_target(X):
    with pytest.raises(ValueError, match="^y: expected None or labels"):
        ae.Autoencoder(D, 2, **KW).fit(Items(X, LABELS[:, None]))


def test_items_of_three_things(X):
    with pytest.raises(TypeError, match=r"expected x, \(x,\) or \(x, y\), got 3 things"):
        ae.Autoencoder(D, 2, **KW).fit(Items(X, X, X))


def test_validation_samples_of_a_data_set_in_a_dictionary(X):
    pairs = Items(X[:9], X[:9] / 2)
    found = [
        ae.Autoencoder(D, 2, **KW).fit(X, target=X / 2, X_val=held).history_[-1]["val_loss"]
        for held in (pairs, {"X": pairs}, {"X": X[:9], "target": X[:9] / 2})
    ]
    assert found[0] == found[1] == found[2]
    found = [
        ae.CVAE(D, 2, **KW).fit(X, LABELS, X_val=held).history_[-1]["val_loss"]
        for held in ({"X": Items(X[:9], LABELS[:9])}, (X[:9], LABELS[:9]))
    ]
    assert found[0] == found[1]


def test_a_classifier_scores_a_data_set(X):
    model = ae.SoftmaxClassifier(ae.StackedAutoencoder(D, 2, **KW), **KW).fit(Items(X, LABELS))
    assert model.score(Items(X, LABELS)) == model.score(X, LABELS)


# ---- columns ------------------------------------------------------------------------------------


def test_properties_keep_the_order_of_their_columns(X, rng, tmp_path):
    pd = pytest.importorskip("pandas")
    p = pd.DataFrame({"size": rng.random(60) * 10, "angle": rng.random(60) + 100})
    model = ae.CVAE(D, 2, **KW).fit(X, p)
    path = tmp_path / "model.ae"
    model.save(path)
    turned = p[["angle", "size"]]
    for fitted in (model, ae.load(path)):
        for call in (fitted.transform, fitted.score_samples, fitted.partial_fit):
            with pytest.raises(ValueError, match="y: expected the columns size, angle in this"):
                call(X, turned)
        with pytest.raises(ValueError, match="as in fit, got angle, size"):
            fitted.sample(60, y=turned)
        np.testing.assert_array_equal(fitted.transform(X, p), fitted.transform(X, p.to_numpy()))
    mixed = pd.DataFrame({"word": WORDS, "angle": p["angle"]})
    model = ae.CVAE(D, 2, **KW).fit(X, mixed)
    model.save(path)
    for fitted in (model, ae.load(path)):
        with pytest.raises(ValueError, match="y: expected the columns word, angle in this order"):
            fitted.transform(X, mixed[["angle", "word"]])
        drawn = [
            fitted.sample(2, y=row, random_state=0)
            for row in ({"word": "b", "angle": 100.5}, {"angle": 100.5, "word": "b"})
        ]
        np.testing.assert_array_equal(*drawn)


def test_targets_have_the_columns_of_the_samples_in_their_order(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    turned = (frame / 2)[list("hgfedcba")]
    model = ae.Autoencoder(D, 2, **KW)
    with pytest.raises(ValueError, match="^target: expected columns in the order of those of X"):
        model.fit(frame, target=turned)
    model.fit(frame, target=frame / 2, X_val=(frame, frame / 2))
    with pytest.raises(ValueError, match="^target: expected columns in the order"):
        model.score_samples(frame, target=turned)
    with pytest.raises(ValueError, match="^X_val: target: expected columns in the order"):
        model.fit(frame, target=frame / 2, X_val=(frame, turned))
    other = (frame / 2).rename(columns=str.upper)
    assert state(model.fit(frame, target=other)) == state(model.fit(frame, target=frame / 2))
    mask = frame > 0.2  # which is placed by names
    masked = ae.Autoencoder(D, 2, **KW).fit(frame, sample_mask=mask[list("hgfedcba")])
    assert state(masked) == state(ae.Autoencoder(D, 2, **KW).fit(frame, sample_mask=mask))


def test_files_with_odd_names_of_conditions(X, rng, tmp_path):
    from aecore.models.base.state import _read_conditions

    good = {"mean": [0.0, 1.0], "scale": [1.0, 1.0], "names": ["a", "b"]}
    assert _read_conditions(good).names == ["a", "b"]
    for names in (["a"], ["a", 1], "ab", None):
        with pytest.raises(ValueError, match="names: expected"):
            _read_conditions(good | {"names": names})
    with pytest.raises(ValueError, match="names: expected"):
        _read_conditions({"classes": [0, 1], "dtype": "<i8", "names": ["a", "b"]})


def test_a_fitted_stack_keeps_its_columns_and_parameters(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    stack = ae.StackedAutoencoder(D, 4, pretrain_epochs=1, **KW).fit(frame)
    with pytest.raises(ValueError, match="feature names"):
        stack.fine_tune(frame[list("hgfedcba")], LABELS, epochs=1)
    stack.set_params(arch=ae.Dense((16,), activation="tanh"))
    with pytest.raises(ValueError, match="^model: arch: expected Dense.* as in fit"):
        stack.fine_tune(frame, LABELS, epochs=1)


# ---- labels and weights -------------------------------------------------------------------------


def test_labels_of_bytes_and_of_truth_values(X, tmp_path):
    model = ae.CVAE(D, 2, **KW).fit(X, WORDS.astype("S1"))
    model.save(tmp_path / "model.ae")
    loaded = ae.load(tmp_path / "model.ae")
    assert loaded._network.conditioner.classes.tolist() == [b"a", b"b", b"c"]
    codes = [m.transform(X, WORDS.astype("S1")) for m in (model, loaded)]
    np.testing.assert_array_equal(*codes)
    truths = (LABELS > 0).astype(object)
    classifier = ae.SoftmaxClassifier(ae.StackedAutoencoder(D, 2, **KW), **KW).fit(X, truths)
    assert classifier.classes_.dtype == bool


@pytest.mark.parametrize("options", [{"divergence": ae.MMD()}, {"penalty": ae.KLSparsity(0.1)}])
def test_weights_of_classes_are_refused_as_those_of_samples_are(options, X):
    weights = np.where(WORDS == "a", 5, 1)
    with pytest.raises(ValueError, match="^sample_weight: expected None for CVAE"):
        ae.CVAE(D, 2, **options, **KW).fit(X, WORDS, sample_weight=weights)
    with pytest.raises(ValueError, match="^class_weight: expected None for CVAE"):
        ae.CVAE(D, 2, class_weight={"a": 5}, **options, **KW).fit(X, WORDS)


@pytest.mark.parametrize("weight", [2e307, 1e-320])
def test_weights_whose_sum_is_no_number(weight, X):
    with pytest.raises(ValueError, match="sample_weight: expected weights whose sum is a finite"):
        ae.Autoencoder(D, 2, **KW).fit(X, sample_weight=np.full(60, weight))


@pytest.mark.parametrize("kind", ["AdversarialAutoencoder", "GAN"])
def test_labels_of_draws_weigh_as_those_of_samples(kind, X):
    how = {"conditional": True, **KW}
    if kind == "AdversarialAutoencoder":
        means = np.eye(3, 2) * 3
        how["prior"] = ae.GaussianMixture(means=means, covariances=np.ones((3, 2)), labels=range(3))
    weight = (np.arange(60) % 4 > 0).astype(float)
    others = np.where(weight > 0, LABELS, (LABELS + 1) % 3)
    models = [
        getattr(ae, kind)(D, 2, **how).fit(X, y, sample_weight=weight) for y in (LABELS, others)
    ]
    assert state(models[0]) == state(models[1])


def test_samples_near_another_under_several_conditions(X):
    for model in (ae.CVAE(D, 2, **KW), ae.CVAE(D, 2, posterior=ae.PlanarFlow(2), **KW)):
        model.fit(X, WORDS)
        each = model.sample(4, near=X[0], y=["a", "b", "b", "a"], random_state=0)
        for label in "ab":
            one = model.sample(4, near=X[0], y=label, random_state=0)
            rows = np.array(["a", "b", "b", "a"]) == label
            np.testing.assert_allclose(each[rows], one[rows], rtol=1e-5, atol=1e-6)
        assert model.sample(0, near=X[0], y="a").shape == (0, 8)


def test_pseudo_inputs_start_from_training_samples(X):
    weight = np.arange(60) % 2
    how = {"validation_fraction": 0.5, "learning_rate": 1e-12, **KW}
    model = ae.VAE(D, 2, prior=ae.VampPrior(12), **how).fit(X, sample_weight=weight)
    held = model._parted(model._network, 60)[0]
    starts = model.prior_.pseudo_inputs_.reshape(12, 8)
    rows = np.square(starts[:, None] - X).sum(2).argmin(1)
    assert not np.isin(rows, held).any() and weight[rows].all()


def test_clusters_that_change_count_by_weight(rng):
    X = np.concatenate([rng.normal(size=(30, 4)), rng.normal(size=(30, 4)) + 5])
    weight = np.repeat([0.0, 1.0], 30)
    how = {"pretrain_epochs": 2, "epochs": 4, "tol": 0, "batch_size": 16, "random_state": 0}
    model = ae.DeepClustering(2, D, 2, **how).fit(X, sample_weight=weight)
    alone = ae.DeepClustering(2, D, 2, **how | {"batch_size": 8}).fit(X[30:])
    for fitted in (model, alone):
        changed = np.array([r["changed"] for r in fitted.history_ if "changed" in r])
        np.testing.assert_allclose(changed * 30, np.round(changed * 30), atol=1e-9)


def test_steps_of_clusters_are_those_of_a_streams_batches():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(48, 4)).astype(np.float32)
    how = {"pretrain_epochs": 1, "epochs": 60, "tol": 0.9, "random_state": 0}
    array = ae.DeepClustering(2, D, 2, batch_size=4, **how).fit(X)
    stream = ae.DeepClustering(2, D, 2, **how).fit(lambda: iter(np.split(X, 12)))
    assert len(array.history_) == len(stream.history_) == 1 + math.ceil(100 / 12)


# ---- parameters after fit -----------------------------------------------------------------------


def test_a_series_detector_goes_on_with_its_own_parameters(rng):
    S = np.sin(np.arange(300) / 9)[:, None]
    model = ae.Autoencoder(ae.Dense((8,)), 3, epochs=1)
    detector = ae.SeriesDetector(16, model=model, n_models=2, random_state=0).fit(S)
    with pytest.raises(ValueError, match="^n_models: expected 2, as in fit, got 5"):
        detector.set_params(n_models=5).partial_fit(S)


def test_another_measure_is_refused_until_a_fit(rng):
    Z = rng.normal(size=(60, 4))
    detector = ae.AnomalyDetector(ae.Autoencoder(ae.Dense((8,)), 2, epochs=2), n_models=2)
    detector.fit(Z)
    for call in (detector.predict, detector.score_samples, detector.score_features):
        with pytest.raises(ValueError, match="^measure: expected 'manifold', as in fit"):
            detector.set_params(measure="mean") and call(Z)
    detector.set_params(contamination=0.3, measure="manifold").predict(Z)  # which fit alone heeds


def test_components_of_a_model_that_was_fitted_without(X):
    model = ae.VAE(D, 2, **KW).fit(X).set_params(prior=ae.GaussianMixture(3))
    with pytest.raises(ValueError, match="prior: expected a mixture in fit"):
        model.predict(X)


# ---- numbers far from 0 -------------------------------------------------------------------------


@pytest.mark.parametrize("shift, unit", [(0, 1), (1e8, 1), (-1.7e9, 1), (1e3, 1e-20), (0, 1e14)])
def test_clusters_far_from_zero(shift, unit):
    rng = np.random.default_rng(0)
    Z = np.concatenate([rng.normal(c, 0.5, (40, 2)) for c in (0, 5, 10)]) * unit
    if unit == 1:
        Z = Z + shift
    assert ae.choose_clusters(Z, range(2, 6)).suggestion == 3
    mixture = ae.GaussianMixture(3).fit(Z)
    middle = np.sort(mixture.means_[:, 0] - (shift if unit == 1 else 0)) / unit
    np.testing.assert_allclose(middle, [0, 5, 10], atol=0.4)


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"n_clusters": 3}, TypeError, "n_clusters: expected several numbers"),
        ({"n_clusters": [2], "covariance": "foo"}, ValueError, "covariance: expected one of"),
    ],
)
def test_counts_of_clusters_that_make_no_sense(options, error, text, X):
    with pytest.raises(error, match=text):
        ae.choose_clusters(X, **options)


# ---- metrics ------------------------------------------------------------------------------------


def test_pairs_are_counted_in_whole_samples(rng):
    y, c = rng.integers(0, 3, 30), rng.integers(0, 3, 30)
    w = rng.integers(0, 4, 30)
    assert ae.metrics.ari(y, c, sample_weight=w) == pytest.approx(
        ae.metrics.ari(np.repeat(y, w), np.repeat(c, w))
    )
    with pytest.raises(ValueError, match="sample_weight: expected whole numbers"):
        ae.metrics.ari(y, c, sample_weight=np.full(30, 0.1))


def test_bytes_of_zero_and_one_are_numbers_as_in_fit(rng):
    bits = (rng.random((10, 4, 4, 1)) > 0.5).astype(np.uint8)
    assert ae.metrics.rate_distortion(bits, bits.astype(float), bytes(20)).mse == 0
    assert ae.metrics.rate_distortion(255 * bits, bits.astype(float), bytes(20)).mse == 0
