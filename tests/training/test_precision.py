"""Training with products of bfloat16."""

import aecore as ae
import numpy as np
import pytest
from aecore import _core
from aecore.base import runtime
from conftest import ISAS
from support.resuming import state

KW = {"batch_size": 16, "random_state": 0, "precision": "bfloat16", "epochs": 2}
MODELS = {
    "dense": lambda **k: ae.Autoencoder(ae.Dense((24,)), 5, tied=True, **k),
    "conv": lambda **k: ae.VAE(ae.Conv((4,)), 3, **k),
    "transformer": lambda **k: ae.Autoencoder(ae.Transformer(8, heads=2, layers=1), 3, **k),
    "lstm": lambda **k: ae.Autoencoder(ae.LSTM(6), 3, **k),
    "vqvae": lambda **k: ae.VQVAE(ae.Dense((8,)), 32, 4, **k),
    "adversarial": lambda **k: ae.AdversarialAutoencoder(ae.Dense((8,)), 3, **k),
    "stack": lambda **k: ae.StackedAutoencoder(ae.Dense((8, 6)), 3, pretrain_epochs=1, **k),
    "contractive": lambda **k: ae.Autoencoder(
        ae.Dense((8,), "sigmoid"), 3, penalty=ae.Contractive(0.1), **k
    ),
}


def samples(name, n=60):
    rng = np.random.default_rng(0)
    shape = {"transformer": (6, 4), "lstm": (6, 4), "conv": (8, 8, 2)}.get(name, (30,))
    return rng.random((n, *shape), np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_bits_depend_on_precision_but_not_on_threads(name):
    X = samples(name)
    runs = [MODELS[name](n_threads=t, **KW).fit(X) for t in (1, 2, 3)]
    assert state(runs[0]) == state(runs[1]) == state(runs[2])
    other = MODELS[name](**KW | {"precision": "float32"}).fit(X)
    assert state(other) != state(runs[0])
    ours, theirs = runs[0].history_[-1]["loss"], other.history_[-1]["loss"]
    assert ours == pytest.approx(theirs, rel=0.01)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set(isa, workspace):
    X = samples("dense")
    workspace(2, isa)
    runs = {p: MODELS["dense"](**KW | {"precision": p}).fit(X) for p in ("float32", "bfloat16")}
    losses = [run.history_[-1]["loss"] for run in runs.values()]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


def test_only_steps_of_training_round():
    """Validation and what follows fit are float32, and what has been set before stays so."""
    X = samples("dense")
    model = MODELS["dense"](validation_fraction=0.2, **KW)
    seen = []
    model.callbacks = (lambda s: seen.append(runtime.current().half),)
    model.fit(X)
    assert seen == [False, False]
    exact = MODELS["dense"](**KW | {"precision": "float32"}).fit(X)
    for name, values in exact.parameters_.items():
        values[...] = model.parameters_[name]
    np.testing.assert_array_equal(exact.transform(X), model.transform(X))
    np.testing.assert_array_equal(exact.errors(X), model.errors(X))


def test_a_failure_leaves_the_thread_as_it_was():
    X = samples("dense")
    with pytest.raises(FloatingPointError):
        MODELS["dense"](**KW | {"learning_rate": 1e38}).fit(X * 1e3)
    assert not runtime.current().half


def test_partial_fit_goes_on_as_fit_does():
    X = samples("dense")
    whole = MODELS["dense"](shuffle=False, **KW).fit(X)
    parts = MODELS["dense"](shuffle=False, **KW)
    for _ in range(KW["epochs"]):
        parts.partial_fit(X)
    assert state(whole) == state(parts)


def test_files_keep_it(tmp_path):
    X = samples("dense")
    model = MODELS["dense"](**KW).fit(X)
    model.save(tmp_path / "model.ae")
    read = ae.load(tmp_path / "model.ae")
    assert read.precision == "bfloat16"
    assert state(model.set_params(warm_start=True).fit(X)) == state(
        read.set_params(warm_start=True).fit(X)
    )


def test_a_checkpoint_of_another_precision_is_refused(tmp_path):
    X = samples("dense")
    MODELS["dense"](checkpoint=tmp_path / "m", **KW).fit(X)
    other = MODELS["dense"](checkpoint=tmp_path / "m", **KW | {"precision": "float32"})
    with pytest.raises(ValueError, match="precision"):
        other.fit(X, resume=True)


@pytest.mark.parametrize(
    "value, error", [("float16", ValueError), (None, TypeError), (16, TypeError)]
)
def test_other_values_are_refused(value, error):
    with pytest.raises(error, match="precision: expected one of 'float32', 'bfloat16'"):
        MODELS["dense"](**KW | {"precision": value}).fit(samples("dense"))


def test_a_trial_of_rates_rounds_too():
    X, how = samples("dense"), KW | {"init": "uniform"}  # the last rate is far too large
    found = {
        p: ae.find_learning_rate(MODELS["dense"](**how | {"precision": p}), X, steps=6).losses
        for p in ("float32", "bfloat16")
    }
    assert (found["float32"] != found["bfloat16"]).any()
    np.testing.assert_allclose(*found.values(), rtol=0.05)


def test_a_workspace_says_it():
    ws = _core.Workspace(1, None, True)
    assert ws.half
    ws.half = False
    assert not ws.half
    with pytest.raises(AttributeError, match="half"):
        del ws.half
