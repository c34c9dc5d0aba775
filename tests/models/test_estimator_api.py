"""The scikit-learn protocol: its own checks, and what they don't check."""

import subprocess
import sys
import warnings

import aecore as ae
import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import MinMaxScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

KW = {"epochs": 2, "batch_size": 16, "random_state": 0}

# All of scikit-learn's checks apply.
SMALL = ae.Dense((16,))  # they take dozens of fits
ESTIMATORS = [
    ae.Autoencoder(SMALL, 4, epochs=2),
    ae.VAE(SMALL, 4, epochs=2),
    ae.VQVAE(SMALL, 16, 4, epochs=2),
    ae.AdversarialAutoencoder(SMALL, 4, discriminator_widths=(8,), epochs=2),
    ae.GAN(SMALL, 4, epochs=2),
    ae.VQVAE(SMALL, 16, 4, quantizers=2, epochs=2),
    ae.VQVAE(SMALL, levels=(4, 3), epochs=2),
    ae.VQVAE(SMALL, 16, 4, gradient="rotation", groups=2, projection_dim=2, epochs=2),
    ae.VQVAE(SMALL, code_bits=4, epochs=2),
    ae.StackedAutoencoder(SMALL, 4, pretrain_epochs=1, epochs=1),
    ae.Recirculation(4, epochs=2),
    ae.SoftmaxClassifier(
        ae.StackedAutoencoder(SMALL, 8, pretrain_epochs=2, epochs=0),
        learning_rate=1e-2,
        batch_size=16,
        epochs=20,
    ),
    ae.AnomalyDetector(ae.Autoencoder(SMALL, 2, epochs=2), n_models=2),
    ae.AnomalyDetector(n_models=1),
]

# Sums of float32 in another order differ by more than these checks allow, 1e-7 of a value;
# test_weights.py has it within what they allow.
ROUNDED = [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")]

# y belongs to what these models see, and the checks call such methods without it.
WITHOUT_Y = {
    name: "methods take y"
    for name in (
        "check_dict_unchanged",
        "check_dtype_object",
        "check_estimators_dtypes",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit_idempotent",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
    )
} | {"check_estimators_nan_inf": "labels aren't floats"}
CONDITIONAL = {
    ae.CVAE: WITHOUT_Y,
    ae.GaussianMixture: {"check_estimators_nan_inf": "labels aren't floats"},
    ae.DeepClustering: {
        f"check_estimator_sparse_{kind}": "what has predict_proba is taken for a classifier"
        for kind in ("array", "matrix")
    },
    ae.GAN: {name: WITHOUT_Y[name] for name in WITHOUT_Y if "methods" in name or "nan" in name},
}

with warnings.catch_warnings():
    # not BaseEstimator, whose import costs seconds
    warnings.filterwarnings("ignore", message=".* does not inherit from", category=UserWarning)
    scikit_learn_checks = parametrize_with_checks([*ESTIMATORS, ae.Normal()])
    conditional_checks = parametrize_with_checks(
        [
            ae.CVAE(SMALL, 4, epochs=2),
            ae.GAN(SMALL, 4, epochs=2, conditional=True),
            ae.GaussianMixture(2, covariance="diag"),
            ae.DeepClustering(2, SMALL, 4, pretrain_epochs=2, n_init=2, epochs=2),
        ],
        expected_failed_checks=lambda estimator: CONDITIONAL[type(estimator)],
    )


@scikit_learn_checks
def test_scikit_learn_checks(estimator, check):
    run(estimator, check)


@conditional_checks
def test_scikit_learn_checks_of_conditional_models(estimator, check):
    run(estimator, check)


def run(estimator, check):
    if check.func.__name__ in ROUNDED:
        pytest.skip("sums of float32")
    check(estimator)


@pytest.fixture
def X(rng):
    return rng.random((60, 6))


def model(**params):
    return ae.Autoencoder(ae.Dense((8,)), 3, **{**KW, **params})


def test_parameters(X):
    m = model(corruption=ae.GaussianNoise(0.2), schedule=ae.Cosine(5))
    params = m.get_params()
    assert params["arch__widths"] == (8,) and params["corruption__sigma"] == 0.2
    assert set(m.get_params(deep=False)) < set(params)
    m.set_params(arch__widths=(4,), latent_dim=2, schedule__epochs=7)
    assert (m.arch.widths, m.latent_dim, m.schedule.epochs) == ((4,), 2, 7)
    m.set_params(arch=ae.Dense((5,)), arch__activation="tanh")
    assert m.arch == ae.Dense((5,), "tanh")
    assert m.set_params() is m
    for bad in ({"latent": 3}, {"arch__width": 3}, {"penalty__x": 1}, {"latent_dim": 9, "no": 1}):
        with pytest.raises(ValueError, match="Invalid parameter"):
            m.set_params(**bad)
    assert m.latent_dim == 2


def test_repr():
    assert repr(ae.Autoencoder()) == "Autoencoder()"
    text = "VAE(arch=Dense(widths=(8,)), latent_dim=3, corruption=Masking(rate=0.5), epochs=7)"
    m = ae.VAE(ae.Dense((8,)), 3, corruption=ae.Masking(0.5), epochs=7)
    assert repr(m) == text
    assert ae.Dense((8,)) == ae.Dense((8,)) != ae.Dense((9,))
    assert ae.Masking(0.1) != ae.GaussianNoise(0.1)


def test_clone(X):
    pair = ae.nn.Sequential(ae.nn.Linear(6, 2)), ae.nn.Sequential(ae.nn.Linear(2, 6))
    for m in (
        model(corruption=ae.Masking(0.1), optimizer=ae.SGD(0.5)).fit(X),
        ae.Autoencoder(pair, 2, **KW).fit(X),
    ):
        copied = clone(m)
        assert repr(copied) == repr(m) and copied.arch is not m.arch
        with pytest.raises(NotFittedError):
            copied.transform(X)
        copied.set_params(latent_dim=2)
        assert copied.fit(X).transform(X).shape == (60, 2)


def test_pipeline(X):
    y = np.arange(60) % 2
    X = X + y[:, None]
    pipe = make_pipeline(MinMaxScaler(), model(epochs=50, learning_rate=1e-2), LogisticRegression())
    assert pipe.fit(X, y).score(X, y) > 0.9
    pipe.set_params(autoencoder__arch__widths=(4,))
    assert pipe[1].arch.widths == (4,)
    rebuilt = make_pipeline(MinMaxScaler(), model()).fit(X)
    assert rebuilt.inverse_transform(rebuilt.transform(X)).shape == X.shape
    assert np.isfinite(cross_val_score(model(), X, cv=3)).all()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_the_architecture(n_jobs, X):
    grid = {"arch__widths": [(2,), (16, 8)], "latent_dim": [1, 4]}
    search = GridSearchCV(model(epochs=20, learning_rate=1e-2), grid, cv=2, n_jobs=n_jobs)
    search.fit(X)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_params_["latent_dim"] == 4
    assert search.best_estimator_.transform(X).shape == (60, 4)
    assert search.score(X) == pytest.approx(search.best_estimator_.score(X))


def test_names_of_features_out(X):
    pd = pytest.importorskip("pandas")
    m = model().fit(X)
    names = [f"autoencoder{i}" for i in range(3)]
    assert list(m.get_feature_names_out()) == names
    assert list(ae.VQVAE(**KW).fit(X).get_feature_names_out()) == ["vqvae0"]
    frame = pd.DataFrame(X, columns=list("abcdef"), index=np.arange(60) * 2)
    m = model().fit(frame)
    assert list(m.feature_names_in_) == list("abcdef")
    assert list(m.get_feature_names_out(list("abcdef"))) == names
    for bad in (list("abcdeg"), list("abc")):
        with pytest.raises(ValueError, match="input_features"):
            m.get_feature_names_out(bad)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        m.transform(X)
    with pytest.raises(ValueError, match="feature names should match"):
        m.transform(frame[list("bacdef")])
    with pytest.raises(ValueError, match="feature names should match"):
        m.set_params(warm_start=True).fit(frame.rename(columns={"a": "z"}))


def test_data_frames_out(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"), index=np.arange(60) * 2)
    m = model().fit(frame)
    plain = m.transform(frame)
    assert isinstance(plain, np.ndarray)
    out = m.set_output(transform="pandas").transform(frame)
    assert list(out.columns) == list(m.get_feature_names_out()) and list(out.index) == list(
        frame.index
    )
    np.testing.assert_array_equal(out, plain)
    assert isinstance(m.fit_transform(frame), pd.DataFrame)
    assert isinstance(m.set_output(transform="default").transform(frame), np.ndarray)
    assert isinstance(m.set_output().transform(frame), np.ndarray)
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(model().fit(frame).transform(frame), pd.DataFrame)
    both = ColumnTransformer([("a", model(), list("abcd")), ("b", model(), list("cdef"))])
    assert both.set_output(transform="pandas").fit_transform(frame).shape == (60, 6)


def test_mixed_column_names_are_refused(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c", 3, 4, 5])
    with pytest.raises(TypeError, match="string names"):
        model().fit(frame)
    frame.columns = range(6)
    assert not hasattr(model().fit(frame), "feature_names_in_")


def test_not_fitted_without_scikit_learn():
    """The error is scikit-learn's own where that is imported."""
    code = """
import sys, aecore as ae, numpy as np
m = ae.VAE()
for call in (lambda: m.transform(np.ones((1, 2))), lambda: m.sample(1), lambda: m.save("x"), lambda: m.parameters_):
    try:
        call()
    except (ValueError, AttributeError) as error:
        assert isinstance(error, ValueError) and isinstance(error, AttributeError)
        assert type(error).__name__ == "NotFittedError" and "not fitted" in str(error)
    else:
        raise SystemExit("no error")
print("sklearn" in sys.modules)
"""  # noqa: E501
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
    with pytest.raises(NotFittedError):
        ae.VAE().sample(1)
    for attribute in ("n_features_in_", "parameters_", "codebook_", "history_"):
        assert not hasattr(ae.VQVAE(), attribute)


def test_fitted_attributes(X):
    images = np.random.default_rng(0).random((20, 8, 8, 2))
    m = model().fit(X)
    assert (m.n_features_in_, m.n_parameters_) == (6, 6 * 8 + 8 + 8 * 3 + 3 + 3 * 8 + 8 + 8 * 6 + 6)
    assert sum(v.size for v in m.parameters_.values()) == m.n_parameters_
    assert ae.VAE(**KW).fit(images).n_features_in_ == 128


# ---- what meta-estimators ask for ---------------------------------------------------------------


def test_metadata_routing(X):
    mask = np.ones(X.shape, bool)
    mask[:, 0] = False
    with pytest.raises(RuntimeError, match="enable_metadata_routing"):
        model().set_fit_request(sample_mask=True)
    with sklearn.config_context(enable_metadata_routing=True):
        m = model()
        assert not hasattr(ae.AnomalyDetector(), "set_fit_request")
        assert not hasattr(m, "set_predict_request")
        assert m.set_fit_request(sample_mask=True).set_score_request(sample_mask=True) is m
        with pytest.raises(TypeError, match="set_score_request: expected some of target, sample_m"):
            m.set_score_request(weights=True)
        asked = clone(m).get_metadata_routing()
        others = "target X_val sample_weight resume comm".split()
        assert asked.fit.requests == dict.fromkeys(others) | {"sample_mask": True}
        others = {"target": None, "sample_weight": None}
        assert asked.score.requests == others | {"sample_mask": True}
        found = cross_validate(
            m, X, params={"sample_mask": mask}, cv=2, error_score="raise", return_estimator=True
        )
        halves = np.arange(60) >= 30, np.arange(60) < 30
        for fitted, score, train in zip(
            found["estimator"], found["test_score"], halves, strict=True
        ):
            alone = model().fit(X[train], sample_mask=mask[train])
            assert alone.history_[-1]["loss"] == fitted.history_[-1]["loss"]
            assert alone.score(X[~train], sample_mask=mask[~train]) == score
        pairs = model().set_fit_request(target=True).set_score_request(target=True)
        scores = cross_val_score(pairs, X, params={"target": 1 - X}, cv=2, error_score="raise")
        alone = model().fit(X[halves[0]], target=1 - X[halves[0]])
        assert alone.score(X[~halves[0]], target=1 - X[~halves[0]]) == scores[0]
        pipe = make_pipeline(MinMaxScaler(), m.set_transform_request(sample_mask=True))
        pipe.fit(X, sample_mask=mask)
        expected = model().fit(MinMaxScaler().fit_transform(X), sample_mask=mask)
        assert pipe[-1].history_[-1]["loss"] == expected.history_[-1]["loss"]
        with pytest.raises(ValueError, match="sample_mask"):
            make_pipeline(MinMaxScaler(), model()).fit(X, sample_mask=mask)


def test_tags():
    kinds = {m: m.__sklearn_tags__().estimator_type for m in ESTIMATORS}
    assert kinds[ESTIMATORS[0]] == "transformer"
    for m, kind in (
        (ae.SoftmaxClassifier(), "classifier"),
        (ae.AnomalyDetector(), "outlier_detector"),
        (ae.PixelCNN(), "density_estimator"),
        (ae.GaussianMixture(), "density_estimator"),
    ):  # the attribute is for scikit-learn before 1.6
        assert m.__sklearn_tags__().estimator_type == kind == m._estimator_type


@pytest.mark.parametrize("prior", [ae.GaussianMixture(3), ae.Normal(0.5)])
def test_priors_as_last_steps(prior, X):
    pipe = make_pipeline(model(), prior).fit(X)
    codes = pipe[:-1].transform(X)
    np.testing.assert_array_equal(
        pipe.score_samples(X), clone(prior).fit(codes).score_samples(codes)
    )
    assert pipe.score(X) == pytest.approx(pipe.score_samples(X).mean())
    assert pipe[-1].n_features_in_ == 3
    assert "GaussianMixture" in make_pipeline(model(), ae.GaussianMixture())._repr_html_()
    search = GridSearchCV(ae.GaussianMixture(), {"components": [1, 2]}, cv=3, error_score="raise")
    assert set(search.fit(codes).best_params_) == {"components"}
    with pytest.raises(NotFittedError, match="expected a fitted GaussianMixture"):
        ae.GaussianMixture().score(codes)


@pytest.mark.parametrize(
    "m", [model(), ae.VQVAE(SMALL, 8, 2, **KW), ae.TabularAutoencoder(SMALL, 2, **KW)], ids=repr
)
def test_pandas_out_of_polars_in(m, X):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    out = clone(m).set_output(transform="pandas").fit_transform(pl.DataFrame(X, list("abcdef")))
    assert isinstance(out, pd.DataFrame) and list(out.index) == list(range(60))


def test_warnings_point_at_the_line_of_the_user(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"))
    y = (np.arange(60) % 2)[:, None]
    classifier = ae.SoftmaxClassifier(ae.StackedAutoencoder(SMALL, 2, epochs=0), **KW).fit(
        frame, y[:, 0]
    )
    calls = [(model().fit(frame), "transform reconstruct score score_samples errors fit_transform")]
    calls += [
        (ae.AnomalyDetector(n_models=1).fit(frame), "predict decision_function score_samples")
    ]
    calls += [(classifier, "predict predict_proba transform")]
    for m, names in calls:
        m.set_params(**({"warm_start": True} if hasattr(m, "warm_start") else {}))
        for name in names.split():
            if hasattr(m, name):
                with pytest.warns(UserWarning, match="valid feature names") as found:
                    getattr(m, name)(X)
                assert {w.filename for w in found} == {__file__}, name
    for name in ("fit", "score", "partial_fit"):
        with pytest.warns(UserWarning, match="column-vector") as found:
            getattr(classifier, name)(frame, y)
        assert {w.filename for w in found} == {__file__}, name
