"""Names that don't exist: what was probably meant is said."""

import copy
import pickle

import aecore as ae
import pytest
from aecore.base.hints import ATTRIBUTES, PARAMETERS, hint
from aecore.base.params import names

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
        (lambda: ae.Autoencoder().fitt, AttributeError, "did you mean fit?"),
        (lambda: ae.VAE().summary, AttributeError, r"did you mean print\(model\)"),
        (lambda: ae.Vae, AttributeError, "did you mean VAE?"),
        (lambda: ae.nn.Conv, AttributeError, "did you mean Conv2d?"),
    ],
)
def test_what_was_meant(call, error, meant):
    with pytest.raises(error, match=meant):
        call()


@pytest.mark.parametrize("name", ["xyzzy", "_lr", "history_", "__array__"])
def test_nothing_is_guessed(name):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'$"):
        getattr(ae.VAE(), name)


def test_every_hint_exists():
    parameters = {name for model in MODELS for name in names(model)}
    wanted = {k for k, v in PARAMETERS.items() if v.isidentifier()}
    assert {PARAMETERS[k] for k in wanted} <= parameters
    assert not set(PARAMETERS) & set(names(ae.VAE))
    methods = {name for model in MODELS for name in dir(model)} | {"history_"}
    assert {v for v in ATTRIBUTES.values() if v.isidentifier()} <= methods | {
        "from_torch",
        "to_torch",
    }
    assert hint("lr", ["rate"], PARAMETERS) == ""  # not where that parameter isn't


def test_models_are_copied_and_asked_as_before():
    model = ae.VAE()
    assert not hasattr(model, "predict") and not hasattr(model, "columns")
    for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert repr(other) == repr(model)


def test_dir_is_what_is_public():
    assert set(dir(ae)) == {*ae.__all__, "__version__"}
    assert {"plot", "datasets", "metrics", "callbacks"} <= set(dir(ae))
