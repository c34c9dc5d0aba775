"""Where a pointer has 32 bits, as in WebAssembly, NumPy's indices have: models are the same."""

import sys

import aecore as ae
import numpy as np
import pytest

MAKERS = ("arange", "argmax", "argsort", "flatnonzero", "nonzero", "searchsorted")


def narrowed(make):
    """Return a function whose indices have 32 bits for aecore, unless it asks for others."""

    def made(*args, **options):
        found = make(*args, **options)
        asker = sys._getframe(1).f_globals.get("__name__", "")
        if not asker.startswith("aecore.") or "dtype" in options:
            return found
        if isinstance(found, tuple):
            return tuple(one.astype(np.int32) for one in found)
        return found.astype(np.int32) if found.dtype == np.int64 else found

    return made


@pytest.fixture
def narrow(monkeypatch):
    def use():
        for name in MAKERS:
            monkeypatch.setattr(np, name, narrowed(getattr(np, name)))

    return use


X = np.random.default_rng(0).random((60, 6), np.float32)
Y = np.arange(60) % 3
LOOP = {"epochs": 2, "batch_size": 16, "random_state": 0}
OPTIONS = {"latent_dim": 2, **LOOP}
ARCH = ae.Dense((8,))


def list_of_sequences():
    return [np.repeat(x[:, None], 2, axis=1)[: 3 + i % 4] for i, x in enumerate(X)]


MODELS = {
    "VAE": lambda: ae.VAE(ARCH, corruption=ae.Masking(0.2), **OPTIONS).fit(X),
    "validation": lambda: ae.Autoencoder(ARCH, validation_fraction=0.2, **OPTIONS).fit(X),
    "CVAE": lambda: ae.CVAE(ARCH, **OPTIONS).fit(X, Y),
    "VQVAE": lambda: ae.VQVAE(ARCH, 8, 2, **LOOP).fit(X),
    "sequences": lambda: ae.Autoencoder(ae.LSTM(4), **OPTIONS).fit(list_of_sequences()),
    "classifier": lambda: (
        ae.StackedAutoencoder(ARCH, 2, epochs=1, batch_size=16, random_state=0)
        .fit(X)
        .fine_tune(X, Y, epochs=2)
    ),
    "table": lambda: ae.TabularAutoencoder(**OPTIONS).fit(np.round(X, 1)),
}


def history(model):
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in model.history_]


@pytest.mark.parametrize("name", MODELS)
def test_same_model(name, narrow):
    wanted = history(MODELS[name]())
    narrow()
    assert np.arange(3).dtype == np.int64  # for those who aren't aecore
    assert history(MODELS[name]()) == wanted
