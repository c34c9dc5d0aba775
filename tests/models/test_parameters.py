"""The parameters of models: each has a default, a type and a description where the class is."""

import inspect
import re

import aecore as ae
import numpy as np
import pytest
from aecore.base.params import names
from aecore.models.base import options

MODELS = [
    ae.Autoencoder,
    ae.StackedAutoencoder,
    ae.SoftmaxClassifier,
    ae.Recirculation,
    ae.VAE,
    ae.CVAE,
    ae.VQVAE,
    ae.PixelCNN,
    ae.AdversarialAutoencoder,
    ae.GAN,
    ae.TabularAutoencoder,
    ae.TabularVAE,
    ae.DeepClustering,
    ae.TabularClustering,
    ae.AnomalyDetector,
    ae.SeriesDetector,
]
each = pytest.mark.parametrize("cls", MODELS, ids=lambda c: c.__name__)


def described(cls):
    """Return the names of the parameters that a class's docstring lists."""
    section = inspect.getdoc(cls).split("\nParameters\n----------\n")[1].split("\n\n")[0]
    return re.findall(r"^(\w[\w, ]*?) : ", section, re.MULTILINE)


@each
def test_all_are_listed_where_the_class_is(cls):
    wanted = list(inspect.signature(cls).parameters)
    assert described(cls) == wanted == list(names(cls))
    assert not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls).parameters.values())
    assert list(inspect.signature(cls.__init__).parameters) == ["self", *wanted]


@each
def test_all_have_a_default_and_are_stored_as_they_are(cls):
    model, marks = cls(), {name: object() for name in names(cls)}
    for name, parameter in inspect.signature(cls).parameters.items():
        assert getattr(model, name) is parameter.default
    given = cls(**marks)
    assert all(getattr(given, name) is mark for name, mark in marks.items())
    assert set(vars(given)) == set(marks)


@each
def test_unknown_ones_are_an_error_of_pythons(cls):
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        cls(epoch=3)


def test_types_defaults_and_descriptions_are_of_the_same_ones():
    known = options._entries(options.DESCRIPTIONS)
    assert set(options.Coding.__annotations__) == set(options.DEFAULTS) <= set(known)
    for kind in (options.Running, options.Training, options.Matching, options.Tables):
        assert set(kind.__annotations__) <= set(options.DEFAULTS)


class Lean(ae.VAE):
    """A VAE with a parameter more.

    Parameters
    ----------
    lightness : float
        How light.
    epochs : int
        Few.
    """

    def __init__(self, arch=None, latent_dim=8, *, lightness=1.0, epochs=2, **options):
        super().__init__(arch, latent_dim, epochs=epochs, **options)
        self.lightness = lightness


def test_a_class_of_ones_own_takes_what_its_parent_takes():
    wanted = [n for n in names(ae.VAE) if n not in ("arch", "latent_dim", "epochs")]
    assert names(Lean) == ("arch", "latent_dim", "lightness", "epochs", *wanted)
    assert described(Lean) == list(names(Lean))
    assert "How light." in Lean.__doc__ and "Few." in Lean.__doc__
    model = Lean(ae.Dense((4,)), beta=0.5, random_state=0)
    assert repr(model) == "Lean(arch=Dense(widths=(4,)), beta=0.5, random_state=0)"
    assert model.get_params()["lightness"] == 1.0 and model.get_params()["arch__widths"] == (4,)
    X = np.random.default_rng(0).random((30, 6), dtype=np.float32)
    assert len(model.set_params(lightness=2.0, batch_size=8).fit(X).history_) == 2
    clone = pytest.importorskip("sklearn.base").clone
    assert repr(clone(model)) == repr(model)
    with pytest.raises(TypeError, match="unexpected keyword argument 'light'"):
        Lean(light=3)
