"""Names that don't exist: what was probably meant is said."""

import copy
import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import aecore as ae
import numpy as np
import pytest
from aecore import _core
from aecore.base.hints import (
    ARGUMENTS,
    ATTRIBUTES,
    CALLBACKS,
    CHOICES,
    CLASSES,
    HEAD,
    OF_MODEL,
    PARAMETERS,
    PLOTS,
    hint,
)
from aecore.base.params import Params, names
from aecore.base.runtime import PRECISIONS
from aecore.models.detection.score import MEASURES
from aecore.nn.init import INITS
from aecore.training.optim import BY_NAME

CLASSES_WITH_PARAMS = [
    c for c in map(ae.__dict__.get, ae.__all__) if isinstance(c, type) and issubclass(c, Params)
]
MODELS = [getattr(ae, name) for name in ae.__all__ if hasattr(getattr(ae, name), "fit")]


@pytest.mark.parametrize(
    ("call", "error", "meant"),
    [
        (lambda: ae.VAE(lr=0.1), TypeError, "'lr'; did you mean learning_rate?"),
        (lambda: ae.VAE(latent=3), TypeError, "did you mean latent_dim?"),
        (lambda: ae.Autoencoder(hidden_layers=[3]), TypeError, r"mean arch=Dense\(widths\)\?"),
        (lambda: ae.VAE().set_params(lr=1), ValueError, "did you mean learning_rate?"),
        (lambda: ae.VAE().set_params(epoch=1), ValueError, "did you mean epochs?"),
        (lambda: ae.Autoencoder().encode, AttributeError, "did you mean transform?"),
        (lambda: ae.Autoencoder().predict, AttributeError, "did you mean reconstruct?"),
        (lambda: ae.VAE().impute, AttributeError, r"mean aecore\.TabularAutoencoder\.impute\?"),
        (lambda: ae.Autoencoder().fitt, AttributeError, "did you mean fit?"),
        (lambda: ae.VAE().summary, AttributeError, r"did you mean print\(model\)"),
        (lambda: ae.Vae, AttributeError, "did you mean VAE?"),
        (lambda: ae.nn.Conv, AttributeError, "did you mean Conv2d?"),
    ],
)
def test_what_was_meant(call, error, meant):
    with pytest.raises(error, match=meant):
        call()


@pytest.mark.parametrize("what", ["VAE().encode", "VAE().fitt", "Vae", "nn.Conv", "VAE()._fittd"])
def test_a_traceback_guesses_at_most_once(what):
    # Python adds a guess of its own where it knows the object
    code = f"import aecore as ae; ae.{what}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.lower().count("did you mean") == ("_" not in what), done.stderr


@pytest.mark.parametrize("name", ["xyzzy", "_lr", "history_", "__array__"])
def test_nothing_is_guessed(name):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'$"):
        getattr(ae.VAE(), name)


# What people type who come from Keras, PyTorch, scikit-learn, pyod or pythae.
ASKED = [
    ("lr", "learning_rate"),
    ("n_epochs", "epochs"),
    ("hidden_layers", "arch=Dense(widths)"),
    ("hidden_dims", "arch=Dense(widths)"),
    ("n_components", "latent_dim"),
    ("encoding_dim", "latent_dim"),
    ("z_dim", "latent_dim"),
    ("seed", "random_state"),
]
CALLED = [
    ("encode", "transform"),
    ("decode", "inverse_transform"),
    ("predict", "reconstruct"),
    ("forward", "reconstruct"),
    ("evaluate", "score"),
    ("train", "fit"),
    ("history", "history_"),
    ("summary", "print(model), or the model itself in a notebook"),
    ("state_dict", "aecore.to_torch"),
    ("plot", "aecore.plot"),
    ("compile", "optimizer= and loss= of the constructor"),
]


def made(model):
    return model(ae.StackedAutoencoder()) if model is ae.StackedFeatures else model()


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_names_of_other_libraries(model):
    """Whatever there is in a class is said of names that mean it elsewhere."""
    known = names(model)
    for name, meant in ASKED:
        with pytest.raises(TypeError, match=f"argument '{name}'") as caught:
            model(**{name: 1})
        head = meant.split("=")[0]
        if head in known:
            assert str(caught.value).endswith(f"; did you mean {meant}?")
        elif "model" in known and head in OF_MODEL:
            assert str(caught.value).endswith(f"; did you mean {meant}, which model= takes?")
        elif name != "n_components" or model is not ae.GaussianMixture:
            others = names(ae.VQVAE)  # such as code_dim
            said = str(caught.value).partition("; did you mean ")[2].rstrip("?")
            assert said == "" or said in known or said in others
    for name, meant in CALLED:
        if hasattr(model, name):
            continue
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'") as caught:
            getattr(made(model), name)
        if hasattr(model, meant) or not HEAD.match(meant):
            assert str(caught.value).endswith(f"; did you mean {meant}?")


@pytest.mark.parametrize(
    ("call", "error", "meant"),
    [
        (lambda: ae.AnomalyDetector(epochs=3), TypeError, "mean epochs, which model= takes?"),
        (lambda: ae.AnomalyDetector(outliers_fraction=0.1), TypeError, "mean contamination?"),
        (lambda: ae.AnomalyDetector(modle=1), TypeError, "mean model?"),
        (lambda: ae.AnomalyDetector().anomaly_score, AttributeError, "mean score_samples?"),
        (lambda: ae.AnomalyDetector().fit_predictt, AttributeError, "mean fit_predict?"),
        (lambda: ae.GaussianMixture(n_components=3), TypeError, "mean components?"),
        (lambda: ae.GaussianMixture(covariance_type="diag"), TypeError, "mean covariance?"),
        (lambda: ae.VQVAE(num_embeddings=3), TypeError, "mean codebook_size?"),
        (lambda: ae.VQVAE(embedding_dim=3), TypeError, "mean code_dim?"),
        (lambda: ae.Autoencoder(embedding_dim=3), TypeError, "mean latent_dim?"),
        (lambda: ae.Autoencoder(input_dim=3), TypeError, "mean fit(X), which finds out the shape"),
        (lambda: ae.Dense(hidden_layers=(3,)), TypeError, "mean widths?"),
        (lambda: ae.Conv(filters=(3,)), TypeError, "mean channels?"),
        (lambda: ae.Masking(rat=0.1), TypeError, "mean rate?"),
        (lambda: ae.DenoisingAutoencoder, AttributeError, "mean Autoencoder(corruption=Gau"),
        (lambda: ae.BetaVAE, AttributeError, "mean VAE(beta=...)?"),
    ],
)
def test_what_there_is_for_it(call, error, meant):
    with pytest.raises(error) as caught:
        call()
    assert f"; did you {meant}" in str(caught.value)


def test_what_there_is_nothing_for():
    for call in (lambda: ae.Adam(lr=0.1), lambda: ae.PixelCNN(hidden_layers=(3,))):
        with pytest.raises(TypeError, match=r"unexpected keyword argument '\w+'$"):
            call()


def test_every_hint_exists():
    parameters = {name for made in CLASSES_WITH_PARAMS for name in names(made)}
    methods = {name for model in MODELS for name in dir(model)} | {"history_", "n_parameters_"}
    for table, there in ((PARAMETERS, parameters), (ATTRIBUTES, methods | parameters)):
        for name, several in table.items():
            for meant in several.split("|"):
                head = HEAD.match(meant)
                assert head is None or head[1] in there, (name, meant)
                if meant.startswith("aecore."):
                    assert hasattr(ae, meant.split(".")[1])
    assert OF_MODEL <= set(names(ae.Autoencoder))
    assert all(hasattr(ae, meant.split("(")[0]) for meant in CLASSES.values())
    assert not set(PARAMETERS) & set(names(ae.VAE)) and not set(CLASSES) & set(ae.__all__)
    assert hint("lr", ["rate"], PARAMETERS) == ""  # not where that parameter isn't


@pytest.mark.parametrize("made", CLASSES_WITH_PARAMS, ids=lambda c: c.__name__)
def test_signatures_are_the_classes_own(made):
    """Of notebooks, the reference and scikit-learn."""
    parameters = inspect.signature(made).parameters
    assert tuple(parameters) == names(made)
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters.values())


def test_models_are_copied_and_asked_as_before():
    model = ae.VAE()
    assert not hasattr(model, "predict") and not hasattr(model, "columns")
    for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert repr(other) == repr(model)


def test_dir_is_what_is_public():
    assert set(dir(ae)) == {*ae.__all__, "__version__"}
    assert {"plot", "datasets", "metrics", "callbacks"} <= set(dir(ae))
    assert all(hasattr(ae, name) for name in dir(ae))


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_notebooks_complete_them():
    completers = pytest.importorskip("IPython.core.completer")
    completer = completers.IPCompleter(namespace={"ae": ae}, use_jedi=False)
    for name in ("plot", "datasets", "metrics", "callbacks"):
        _, matches = completer.complete(line_buffer=f"ae.{name[:2]}")
        assert name in {match.rpartition(".")[2] for match in matches}
    _, matches = completer.complete(line_buffer="ae.")
    found = {match.rpartition(".")[2] for match in matches}
    assert "VAE" in found and not found & {"os", "importlib", "annotations", "Any", "moved"}


@pytest.mark.parametrize("name", ["plot", "datasets", "metrics", "callbacks", "nn", "functional"])
def test_modules_offer_what_is_public(name):
    module = getattr(ae, name)
    others = {n for n in dir(module) if not n.startswith("_")} - set(module.__all__)
    assert not others, others


X = np.random.default_rng(0).random((40, 6), np.float32)
GREY = [np.zeros((20, 30), np.uint8), np.zeros((28, 28), np.uint8)]


@pytest.mark.parametrize(
    ("call", "error", "meant"),
    [
        (lambda: ae.VAE(loss="binary_crossentropy").fit(X), ValueError, "did you mean 'bce'?"),
        (lambda: ae.VAE(loss="mean_squared_error").fit(X), ValueError, "did you mean 'mse'?"),
        (lambda: ae.VAE(loss="MSE").fit(X), ValueError, "did you mean 'mse'?"),
        (lambda: ae.VAE(loss="mae").fit(X), ValueError, "did you mean 'l1'?"),
        (lambda: ae.VAE(loss="crossentropy").fit(X), ValueError, "did you mean 'cross_entropy'?"),
        (lambda: ae.VAE(optimizer="Adam").fit(X), ValueError, "did you mean 'adam'?"),
        (lambda: ae.VAE(init="xavier").fit(X), ValueError, "did you mean 'glorot'?"),
        (lambda: ae.VAE(precision="float16").fit(X), ValueError, "did you mean 'bfloat16'?"),
        (lambda: ae.nn.Activation("swish"), ValueError, "did you mean 'silu'?"),
        (lambda: ae.Autoencoder((64, 32), 2).fit(X), TypeError, "did you mean Dense((64, 32))?"),
        (lambda: ae.Autoencoder([64], 2).fit(X), TypeError, "did you mean Dense((64,))?"),
        (lambda: ae.Autoencoder(64, 2).fit(X), TypeError, "did you mean Dense((64,))?"),
        (lambda: ae.Autoencoder("conv", 2).fit(X), TypeError, "did you mean Conv()?"),
        (lambda: ae.VAE().fit(X, epochs=3), TypeError, "did you mean VAE(epochs=...)?"),
        (lambda: ae.VAE().fit(X, lr=3), TypeError, "did you mean learning_rate?"),
        (lambda: ae.VAE().fit(X, validation_data=X), TypeError, "did you mean X_val?"),
        (lambda: ae.VAE().fit(X, sample_weights=X), TypeError, "did you mean sample_weight?"),
        (lambda: ae.callbacks.EarlyStopping, AttributeError, "mean a model's patience=...?"),
        (lambda: ae.callbacks.ModelCheckpoint, AttributeError, "mean a model's checkpoint=...?"),
        (lambda: ae.datasets.load_fashion, AttributeError, "did you mean load_fashion_small?"),
        (lambda: ae.metrics.active_unit, AttributeError, "did you mean active_units?"),
        (lambda: ae.plot.tsne, AttributeError, "mean latent_space(model, X, method='tsne')?"),
        (lambda: ae.Linear, AttributeError, "did you mean nn.Linear?"),
        (lambda: ae.VAE().fit("folder"), TypeError, "aecore.open_rows(path) opens tables"),
        (lambda: ae.VAE().fit(Path("folder")), TypeError, "matplotlib.image.imread(p)"),
        (lambda: ae.VAE().fit(["a.png", "b.png"]), TypeError, "matplotlib.image.imread(p)"),
        (lambda: ae.VAE().fit(GREY), ValueError, "aecore.data.crops(images, 64) makes crops"),
        (lambda: ae.VAE().fit([x[..., None] for x in GREY]), ValueError, "makes crops of one size"),
    ],
)
@pytest.mark.filterwarnings("ignore:latent_dim")
def test_what_newcomers_try(call, error, meant):
    with pytest.raises(error) as caught:
        call()
    assert meant in str(caught.value)


@pytest.mark.filterwarnings("ignore:latent_dim")
def test_errors_that_are_no_questions_are_left_alone():
    for call in (
        lambda: ae.VAE(loss="xyzzy").fit(X),
        lambda: ae.VAE().fit(X, xyzzy=3),
        lambda: ae.VAE().fit(),
        lambda: ae.Autoencoder("xyzzy", 2).fit(X),
        lambda: ae.Autoencoder((), 2).fit(X),
        lambda: ae.plot.__xyzzy__,
        lambda: ae.VAE().fit([x[:, :3].astype(float) for x in GREY] + [np.zeros((3, 4))]),
    ):
        with pytest.raises((TypeError, ValueError, AttributeError)) as caught:
            call()
        assert "did you mean" not in str(caught.value) and "crops" not in str(caught.value)


def test_every_choice_and_argument_that_is_hinted_at_exists():
    options = {*ae.losses.NAMES, *INITS, *MEASURES, *PRECISIONS, *BY_NAME, *_core.ACTIVATIONS}
    assert set(CHOICES.values()) <= options and not set(CHOICES) & options
    known = {p for model in MODELS for p in inspect.signature(model.fit).parameters}
    assert set(ARGUMENTS.values()) <= known and not set(ARGUMENTS) & known
    for hinted, module in ((CALLBACKS, ae.callbacks), (PLOTS, ae.plot)):
        assert not set(hinted) & set(module.__all__)
    assert all(hasattr(ae.plot, meant.split("(")[0].split()[0]) for meant in PLOTS.values())
    assert all(m.split()[-1].split("=")[0] in names(ae.VAE) for m in CALLBACKS.values())
