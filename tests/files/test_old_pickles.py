"""Pickles of 0.1.0 load, say what they said there, and train on.

`pickles-0.1.0.zip` has for each model of test_pickling the pickle, and its samples, labels and
answers as .npz.
"""

import io
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
from files.test_pickling import answers

ARCHIVE = zipfile.ZipFile(pathlib.Path(__file__).with_name("pickles-0.1.0.zip"))
NAMES = sorted(name.removesuffix(".npz") for name in ARCHIVE.namelist() if name.endswith(".npz"))


def read(name):
    """Return a model, its samples, labels and what it said of them."""
    with np.load(io.BytesIO(ARCHIVE.read(f"{name}.npz"))) as arrays:
        found = dict(arrays)
    parts = [found[key] for key in sorted(found) if key.startswith("X_")]
    said = {k.removeprefix("said_"): v for k, v in found.items() if k.startswith("said_")}
    model = pickle.loads(ARCHIVE.read(f"{name}.pickle"))
    return model, parts or found.get("X"), found.get("y"), said


def mixed():
    """Return the table that two of the models were fitted to."""
    pandas = pytest.importorskip("pandas")
    c = np.where(np.arange(30) % 5 == 0, np.nan, np.arange(30))
    return pandas.DataFrame({"a": np.arange(30.0) % 7, "b": list("xyz") * 10, "c": c})


@pytest.mark.parametrize("name", NAMES)
def test_they_say_what_they_said(name):
    model, X, y, said = read(name)
    if X is None:
        found = {"score": model.score_samples(mixed())}
    elif name == "GaussianMixture":
        found = {"score": model.score_samples(X)}
    else:
        found = answers(model, X, y)
    assert set(said) <= set(found)
    for method, want in said.items():
        values = found[method]
        if isinstance(values, list):
            values = np.concatenate([np.ravel(v) for v in values])
        np.testing.assert_allclose(values, want, rtol=2e-4, atol=2e-5, err_msg=method)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "GaussianMixture"])
def test_they_train_on(name):
    model, X, y, _ = read(name)
    params = model.get_params()
    if X is None:
        X = mixed()
    if "warm_start" in params:
        epochs = len(model.history_)
        model.set_params(warm_start=True, epochs=1).fit(X, y)
        assert len(model.history_) == epochs + 1
    else:
        model.fit(X)
    copied = pickle.loads(pickle.dumps(model))
    assert repr(copied) == repr(model)


@pytest.mark.parametrize("name", ["Autoencoder", "VAE", "CVAE", "TabularVAE"])
def test_parameters_set_afterwards(name):
    model, X, y, _ = read(name)
    X = mixed() if X is None else X
    model.set_params(warm_start=True, epochs=1, init="he")
    if "beta" in model.get_params():
        model.set_params(beta=0.5)
    model.fit(X, y)
    was = model.latent_dim
    with pytest.raises(ValueError, match=f"latent_dim: expected {was}, as in fit, got {was + 1}"):
        model.set_params(latent_dim=was + 1).fit(X, y)
