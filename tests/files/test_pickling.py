"""Models as anything that Python copies: pickled, dumped by joblib, deep-copied, in pipelines."""

import copy
import inspect
import pathlib
import pickle
import subprocess
import sys

import aecore as ae
import numpy as np
import pytest
from support.resuming import state

KW = {"epochs": 2, "batch_size": 16, "random_state": 0}
DENSE = ae.Dense((6,))
ENCODER = ae.nn.Sequential(
    ae.nn.Linear(8, 6), ae.nn.BatchNorm2d(6), ae.nn.Dropout(), ae.nn.Linear(6, 3)
)


def table(rng):
    return rng.random((40, 8), dtype=np.float32)


def images(rng):
    return rng.random((12, 8, 9, 2), dtype=np.float32)


def series(rng):
    return [rng.random((n, 2), dtype=np.float32) for n in (5, 7, 3, 7)] * 4


def maps(rng):
    return rng.integers(5, size=(12, 4, 4))


def labels(X):
    return np.array(["a", "b", "c"])[np.arange(len(X)) % 3]


# Every model that the package has, and between them every architecture and kind of state.
MODELS = {
    "Autoencoder": (ae.Autoencoder(ae.Conv((4,)), 3, corruption=ae.Masking(0.3), **KW), images),
    "Autoencoder, tied": (ae.Autoencoder(DENSE, 3, tied=True, penalty=ae.TopK(2), **KW), table),
    "VAE": (ae.VAE(ae.LSTM(4), 3, loss="gaussian", divergence=ae.TotalCorrelation(), **KW), series),
    "VAE, early stop": (
        ae.VAE(
            ae.Transformer(4, 2, 1, 8),
            3,
            optimizer=ae.SGD(0.9),
            schedule=ae.Cosine(9),
            validation_fraction=0.5,
            patience=1,
            **KW,
        ),
        series,
    ),
    "CVAE": (ae.CVAE(DENSE, 3, **KW), table),
    "VQVAE": (ae.VQVAE(ae.ResNet(4, 2), 5, 3, **KW), images),
    "VQVAE, residual, with prior": (
        ae.VQVAE(
            ae.Conv((4,)), 5, 3, quantizers=2, prior=ae.PixelCNN(4, 1, 3, depth=2, **KW), **KW
        ),
        images,
    ),
    "VQVAE, levels": (ae.VQVAE(DENSE, levels=(3, 4), **KW), table),
    "VQVAE, projections": (ae.VQVAE(DENSE, 5, 4, projection_dim=2, groups=2, **KW), table),
    "VQVAE, bits": (ae.VQVAE(DENSE, code_bits=3, **KW), table),
    "PixelCNN": (ae.PixelCNN(4, 1, 3, **KW), maps),
    "AdversarialAutoencoder": (ae.AdversarialAutoencoder(DENSE, 3, **KW), table),
    "GAN": (ae.GAN(DENSE, 3, conditional=True, **KW), table),
    "StackedAutoencoder": (ae.StackedAutoencoder(DENSE, 3, pretrain_epochs=1, **KW), table),
    "SoftmaxClassifier": (
        ae.SoftmaxClassifier(ae.StackedAutoencoder(DENSE, 3, **KW), dropout=0.5, **KW),
        table,
    ),
    "Recirculation": (ae.Recirculation(3, **KW), table),
    "TabularAutoencoder": (ae.TabularAutoencoder(DENSE, 3, **KW), table),
    "TabularVAE": (ae.TabularVAE(DENSE, 3, corruption=ae.SwapNoise(), **KW), table),
    "DeepClustering": (ae.DeepClustering(2, DENSE, 3, pretrain_epochs=1, **KW), table),
    "TabularClustering": (ae.TabularClustering(2, DENSE, 3, pretrain_epochs=1, **KW), table),
    "user's own modules": (ae.Autoencoder((ENCODER, ae.nn.Linear(3, 8)), 3, **KW), table),
}


def joblib_dump(model, tmp_path):
    joblib = pytest.importorskip("joblib")
    joblib.dump(model, tmp_path / "m.joblib", compress=1)
    return joblib.load(tmp_path / "m.joblib")


WAYS = {
    "pickle": lambda model, tmp_path: pickle.loads(pickle.dumps(model)),
    "oldest pickle": lambda model, tmp_path: pickle.loads(pickle.dumps(model, 2)),
    "deepcopy": lambda model, tmp_path: copy.deepcopy(model),
    "joblib": joblib_dump,
}


def made(name, rng):
    """Return a fresh model of its own, samples and labels."""
    model, data = MODELS[name]
    X = data(rng)
    return copy.deepcopy(model), X, labels(X)


def has_prior(model):
    return getattr(model, "prior", None) is not None


def answers(model, X, y):
    """Return what a fitted model's methods say of samples, and what it draws."""
    told = (y,) if isinstance(model, (ae.CVAE, ae.GAN)) else ()
    found = {}
    for method in ("transform", "reconstruct", "score_samples", "predict_proba"):
        if hasattr(model, method):
            found[method] = getattr(model, method)(X, *told)
    if hasattr(model, "sample"):
        options = {"y": "b"} if told or isinstance(model, ae.PixelCNN) or has_prior(model) else {}
        if isinstance(model, (ae.Autoencoder, ae.Recirculation)):
            options["prior"] = ae.Normal()
        found["sample"] = model.sample(4, random_state=0, **options)
    return found


def same(a, b):
    assert a.keys() == b.keys() and a
    for name in a:
        pairs = zip(a[name], b[name], strict=True)  # sequences are lists
        assert all(x.tobytes() == y.tobytes() for x, y in pairs), name


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_fitted_models_live_on(name, way, rng, tmp_path):
    """A copy answers alike, trains on alike, and has nothing in common with the model."""
    model, X, y = made(name, rng)
    model.fit(X, y)
    before, said = state(model), answers(model, X, y)
    copied = way(model, tmp_path)
    assert type(copied) is type(model) and repr(copied) == repr(model)
    assert state(copied) == before and copied.n_parameters_ == model.n_parameters_
    same(answers(copied, X, y), said)
    copied.set_params(warm_start=True).fit(X, y)
    assert state(model) == before  # not with it
    assert state(model.set_params(warm_start=True).fit(X, y)) == state(copied)


@pytest.mark.parametrize("name", MODELS)
def test_copies_of_models_that_are_not_fitted(name, rng, tmp_path):
    model, X, y = made(name, rng)
    want = state(copy.deepcopy(model).fit(X, y))
    for way in WAYS.values():
        copied = way(model, tmp_path)
        assert not copied.__sklearn_is_fitted__() and repr(copied) == repr(model)
        assert state(copied.fit(X, y)) == want


def test_every_public_class_is_here():
    """Models are above; the others are parameters, which compare by their values."""
    public = {name for name in ae.__all__ if inspect.isclass(getattr(ae, name))}
    models = {name for name in public if hasattr(getattr(ae, name), "fit")}
    apart = {"AnomalyDetector", "SeriesDetector", "StackedFeatures"}
    apart |= {"GaussianMixture", "Normal", "RealNVP", "VampPrior"}
    assert models - apart <= {name.split(",")[0] for name in MODELS}
    choices = {
        "Checkpoint": ("run.safetensors",),
        "Contractive": (0.5,),
        "TopK": (3,),
        "Step": (4, 0.5),
        "Warmup": (2,),
        "Cosine": (7,),
        "Ordered": (["start", "end"],),
        "SumTo": ("total", ["a", "b"]),
    }
    apart = {"ClusterCounts", "LearningRates", "Normal", "Profile", "ProfileRow", "TrainingState"}
    for name in sorted(public - models - apart):
        one = getattr(ae, name)(*choices.get(name, ()))
        for copied in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one), copy.copy(one)):
            assert copied == one and copied is not one and repr(copied) == repr(one)
    record = ae.TrainingState(None, 3, {"loss": 1.0})
    assert pickle.loads(pickle.dumps(record)) == record


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_detectors(way, rng, tmp_path):
    X = table(rng)
    detector = ae.AnomalyDetector(ae.Autoencoder(DENSE, 3, **KW), random_state=0, n_models=2)
    want = detector.fit(X).score_samples(X)
    again = way(detector, tmp_path)
    assert again.score_samples(X).tobytes() == want.tobytes()
    assert again.threshold_ == detector.threshold_ and repr(again) == repr(detector)
    assert again.fit(X).score_samples(X).tobytes() == want.tobytes()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_representations_and_priors(way, rng, tmp_path):
    X = table(rng)
    stack = ae.StackedAutoencoder(DENSE, 3, **KW).fit(X)
    features = stack.as_features("all")
    again = way(features, tmp_path)
    assert again.transform(X).tobytes() == features.transform(X).tobytes()
    prior = ae.GaussianMixture(2).fit(stack.transform(X), labels(X))
    want, got = (stack.sample(9, prior=p, random_state=0) for p in (prior, way(prior, tmp_path)))
    assert got.tobytes() == want.tobytes()


STEPS = [name for name in MODELS if MODELS[name][1] is table and name not in ("CVAE", "GAN")]


@pytest.mark.parametrize("name", STEPS)
def test_steps_of_pipelines(name, rng, tmp_path):
    """A pipeline around a model is copied as a whole; clones of it are fresh, and fit alike."""
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    model, X, y = made(name, rng)
    steps = [MinMaxScaler(), model]
    if hasattr(model, "transform"):
        steps.append(LogisticRegression())
    pipe = make_pipeline(*steps).fit(X, y)
    want = pipe.predict_proba(X)
    for way in WAYS.values():
        copied = way(pipe, tmp_path)
        assert copied.predict_proba(X).tobytes() == want.tobytes()
    fresh = clone(pipe)
    assert not fresh[1].__sklearn_is_fitted__()
    assert fresh.fit(X, y).predict_proba(X).tobytes() == want.tobytes()
    fresh.set_params(**{f"{fresh.steps[1][0]}__epochs": 1})
    assert fresh[1].epochs == 1 and pipe[1].epochs == 2


def test_pickles_are_read_elsewhere(rng, tmp_path):
    """In another process, with another number of threads, whatever has been imported there."""
    made_here = {name: made(name, rng) for name in MODELS}
    for model, X, y in made_here.values():
        model.fit(X, y)
    said = {name: answers(*found) for name, found in made_here.items()}
    (tmp_path / "m.pickle").write_bytes(pickle.dumps(made_here))
    code = """
import pickle, sys
models = pickle.load(open(sys.argv[1], "rb"))
import aecore
aecore.set_num_threads(2)
sys.path.insert(0, sys.argv[2])
from files.test_pickling import answers
said = {name: answers(*found) for name, found in models.items()}
pickle.dump(said, open(sys.argv[1], "wb"))
"""
    files = [str(tmp_path / "m.pickle"), str(pathlib.Path(__file__).parents[1])]
    subprocess.run([sys.executable, "-c", code, *files], check=True)
    for name, found in pickle.loads((tmp_path / "m.pickle").read_bytes()).items():
        same(found, said[name])


def test_pickles_have_no_scratch_memory(rng):
    """What a pass needs isn't part of a model: a pickle has little but parameters and moments."""
    X = rng.random((300, 8), dtype=np.float32)
    model = ae.Autoencoder(ae.Dense((256,)), 4, **KW).fit(X)
    model.transform(X)
    state_size = sum(a.nbytes for a in model._network.arrays().values())
    assert len(pickle.dumps(model)) < 1.35 * state_size + 5000
