"""Parameters set after `fit`: neither a file nor a `fit` that goes on takes them for the network's.

What is refused is refused by both; what isn't comes out of a file with the same bits.
"""

import copy
import pickle

import aecore as ae
import numpy as np
import pytest
from support.objectives import OBJECTIVES, PAIRS, images

KW = {"epochs": 1, "batch_size": 16, "random_state": 0, "n_threads": 1}
N = 48
DENSE = ae.Dense((8,))

ROWS = np.array(
    [(i % 7 + i % 3 / 2, "abc"[i % 3], i % 2) for i in range(N)],
    [("x", float), ("k", "U1"), ("z", int)],
)
rng = np.random.default_rng(0)
CODES = rng.integers(0, 4, (N, 4, 4))
COUNTS = rng.poisson(3, (N, 9)).astype(np.float32)
STEPS = rng.random((N, 6, 3), dtype=np.float32)
SERIES = rng.random((300, 2))
IMAGES, LABELS = images(N)

MODELS = {name: (make, IMAGES) for name, make in (OBJECTIVES | PAIRS).items()} | {
    "adversarial": (lambda **k: ae.AdversarialAutoencoder(DENSE, 3, **k), IMAGES),
    "gan": (lambda **k: ae.GAN(ae.Dense((8,)), 3, **k), IMAGES),
    "pixelcnn": (lambda **k: ae.PixelCNN(8, 2, **k), CODES),
    "counts": (lambda **k: ae.Autoencoder(DENSE, 3, loss="poisson", **k), COUNTS),
    "forced": (lambda **k: ae.Autoencoder(ae.LSTM(8, teacher_forcing=True), 3, **k), STEPS),
    "table": (lambda **k: ae.TabularAutoencoder(DENSE, 3, **k), ROWS),
    "variational table": (lambda **k: ae.TabularVAE(DENSE, 3, **k), ROWS),
    "clusters of rows": (lambda **k: ae.TabularClustering(3, DENSE, 3, **k), ROWS),
}
CHOICES = {
    "arch": [ae.Dense((9,)), ae.Dense((8,), "tanh"), ae.Conv((5,)), None],
    "loss": ["bce", "gaussian", "poisson", "negative_binomial"],
    "corruption": [ae.Masking(0.3)],
    "penalty": [ae.TopK(2)],
    "prior": [None, ae.GaussianMixture(4), ae.RealNVP(3, 6)],
    "posterior": [None, ae.PlanarFlow(2)],
    "divergence": [ae.MMD(), "kl"],
    "init": ["he"],
    "constraints": [[ae.Ordered(("z", "x"))]],
    "categorical": [["z"]],
    "numbers": ["normal", "histogram"],
    "levels": [(5, 3, 4), (4, 3), None],
    "distance": ["euclidean", "cosine"],
    "codebook": ["ema", "loss"],
    "gradient": ["straight_through", "rotation"],
    "activation": ["tanh"],
    "discriminator_widths": [(7,)],
}
FREE = set(
    "optimizer schedule callbacks checkpoint random_state n_threads precision verbose".split()
)


def choices(name, value):
    """Return other values for a parameter."""
    if name in CHOICES:
        return CHOICES[name]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, max(1, value // 2)]
    if isinstance(value, float):
        return [value / 2 + 0.1]
    return [1, 2] if value is None else []


def changes(model):
    """Yield names and other values of a model's parameters that make sense."""
    for name, value in model.get_params(deep=False).items():
        for other in () if name in FREE else choices(name, value):
            changed = copy.deepcopy(model).set_params(**{name: copy.deepcopy(other)})
            try:
                changed._check_params()
            except (TypeError, ValueError):
                continue
            yield changed, name


def options(model):
    return {"y": LABELS} if model._needs_y else {}


def results(model, X):
    found = []
    for name in ("transform", "score_samples", "reconstruct", "predict", "predict_proba"):
        if hasattr(model, name):
            found.append(pickle.dumps(np.asarray(getattr(model, name)(X, **options(model)))))
    return found


def refusal(call, *arguments, **options):
    """Return what a call is refused with; None where it isn't."""
    try:
        call(*arguments, **options)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")
def test_a_file_has_what_the_model_is_or_there_is_none(name, tmp_path):
    make, X = MODELS[name]
    model = make(**KW)
    model.fit(X, **options(model))
    refused, path = 0, tmp_path / "model.ae"
    for changed, parameter in changes(model):
        if refusal(changed.save, path) is None:
            assert results(ae.load(path), X) == results(changed, X), parameter
            path.unlink()
            continue
        refused += 1
        assert not path.exists()
        changed.set_params(warm_start=True)
        for go_on in changed.fit, changed.partial_fit:
            assert "expected" in refusal(go_on, X, **options(changed)), parameter
        changed.set_params(**{parameter: getattr(model, parameter)}).save(path)
        assert results(ae.load(path), X) == results(model, X)
        path.unlink()
    assert refused > 1


def test_the_message_says_what_was_and_what_is(tmp_path):
    model = ae.Autoencoder(ae.Dense((8,)), 3, **KW).fit(COUNTS / 9)
    model.set_params(latent_dim=4, learning_rate=0.1)
    text = r"^latent_dim: expected 3, as in fit, got 4; set it back, or fit afresh$"
    with pytest.raises(ValueError, match=text):
        model.save(tmp_path / "model.ae")
    model.set_params(arch=ae.Dense((9,)), warm_start=True)
    with pytest.raises(ValueError, match=r"^arch, latent_dim: expected Dense.*8.*, 3, as in fit"):
        model.fit(COUNTS / 9)
    assert len(model.history_) == 1


def test_an_architecture_changed_in_its_place_is_seen(tmp_path):
    model = ae.Autoencoder(ae.Dense([8]), 3, **KW).fit(COUNTS / 9)
    model.arch.widths.append(6)
    with pytest.raises(ValueError, match="arch: expected Dense"):
        model.save(tmp_path / "model.ae")


def test_what_makes_no_other_network_may_change(tmp_path):
    model = ae.VAE(ae.Dense((8,)), 3, loss="bce", warm_start=True, **KW).fit(COUNTS / 20)
    model.set_params(beta=2.0, kl_warmup=3, corruption=ae.Masking(0.1), init="he", loss="mse")
    model.set_params(arch=ae.Dense((8,), "relu"), batch_size=9, optimizer="sgd").fit(COUNTS / 20)
    assert len(model.history_) == 2
    model.save(tmp_path / "model.ae")
    assert ae.load(tmp_path / "model.ae").beta == 2.0


def test_a_fresh_fit_takes_what_was_set(tmp_path):
    model = ae.Autoencoder(ae.Dense((8,)), 3, **KW).fit(COUNTS / 9)
    model.set_params(latent_dim=4).fit(COUNTS / 9)
    model.save(tmp_path / "model.ae")
    assert ae.load(tmp_path / "model.ae").transform(COUNTS / 9).shape == (N, 4)


@pytest.mark.parametrize("parameter, value", [("n_models", 3), ("contamination", 0.2)])
@pytest.mark.parametrize("kind", ["samples", "series"])
def test_detectors_have_the_parameters_of_fit_in_files(kind, parameter, value, tmp_path):
    how = {"n_models": 2, "random_state": 0}
    if kind == "samples":
        detector = ae.AnomalyDetector(ae.TabularAutoencoder(DENSE, 2, **KW), **how).fit(ROWS)
    else:
        detector = ae.SeriesDetector(8, model=ae.Autoencoder(DENSE, 2, **KW), **how).fit(SERIES)
    X = ROWS if kind == "samples" else SERIES
    scores, path = detector.score_samples(X), tmp_path / "detector.ae"
    was = getattr(detector, parameter)
    with pytest.raises(ValueError, match=f"^{parameter}: expected {was!r}, as in fit, got {value}"):
        detector.set_params(**{parameter: value}).save(path)
    detector.set_params(**{parameter: was, "model__epochs": 9}).save(path)
    assert ae.load(path).score_samples(X).tobytes() == scores.tobytes()
