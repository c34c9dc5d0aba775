"""The rate falls where the loss has stopped to."""

import aecore as ae
import numpy as np
import pytest
from aecore.training.schedules import Plateau

KW = {"batch_size": 16, "random_state": 0}
X = np.random.default_rng(0).random((64, 8), np.float32)


def history(*losses, name="loss"):
    return [{"epoch": i, "loss": 0.0, name: v} for i, v in enumerate(losses, 1)]


def factor(schedule, losses, name="loss"):
    return schedule.behind(history(*losses, name=name))(0.5)


def test_a_factor_follows_from_the_history():
    plateau = Plateau(2, 0.5, threshold=0.1, least=0.2)
    assert factor(plateau, []) == 1 and factor(plateau, [3, 2, 1]) == 1
    assert factor(plateau, [1, 1]) == 1 and factor(plateau, [1, 1, 1]) == 0.5
    assert factor(plateau, [1, 0.95, 0.92]) == 0.5  # not by a tenth
    assert factor(plateau, [1, 1, 0.8, 0.8]) == 1
    assert factor(plateau, [1] * 5) == 0.25 and factor(plateau, [1] * 9) == 0.2
    assert factor(plateau, [1, 1, 1, 0.1, 0.1]) == 0.5  # it doesn't rise again
    assert factor(plateau, [1, np.nan, None, 1]) == 0.5
    assert factor(plateau, [-1, -1.05, -1.05]) == 0.5 and factor(plateau, [-1, -2, -3]) == 1
    assert factor(plateau, [1, 1, 1], "val_loss") == 0.5
    assert factor(Plateau(2, monitor="mse"), [1, 1, 1], "mse") == 0.5
    both = ae.Warmup(4, 0.0) * plateau
    assert both.behind(history(1, 1, 1))(2) == 0.25
    assert both(2) == 0.5
    levels = [{"epoch": 1, "level": 1, "loss": 0.0}, *history(3, 2, 1)]
    assert plateau.behind(levels)(0) == 1


def test_rates_fall_in_training_and_go_on_behind_a_file(tmp_path):
    schedule = ae.Plateau(1, 0.5, threshold=0.2)
    how = {"schedule": schedule, "validation_fraction": 0.25, **KW}
    whole = ae.Autoencoder(ae.Dense((8,)), 2, epochs=12, **how).fit(X)
    rates = [record["learning_rate"] for record in whole.history_]
    assert rates[-1] < rates[0] == 1e-3
    for i in range(1, 12):
        assert rates[i] == 1e-3 * schedule.behind(whole.history_[:i])(0)
    path = tmp_path / "model.safetensors"
    half = ae.Autoencoder(ae.Dense((8,)), 2, epochs=6, checkpoint=path, **how).fit(X)
    resumed = half.set_params(epochs=12).fit(X, resume=True)
    np.testing.assert_array_equal(resumed.transform(X), whole.transform(X))
    first = ae.Autoencoder(ae.Dense((8,)), 2, epochs=6, **how).fit(X)
    first.save(path)
    warm = ae.load(path).set_params(warm_start=True).fit(X)
    np.testing.assert_array_equal(warm.transform(X), whole.transform(X))
    assert ae.load(path).schedule == schedule


def test_a_callback_may_set_it():
    def plateau(state):
        if state.epoch == 2:
            state.model.set_params(schedule=ae.Plateau(1, 0.5, threshold=0.9))

    model = ae.Autoencoder(ae.Dense((8,)), 2, epochs=6, callbacks=[plateau], **KW).fit(X)
    rates = [record["learning_rate"] for record in model.history_]
    assert rates[:2] == [1e-3, 1e-3] and rates[2] == 5e-4 and rates[-1] < 2e-4


def test_passes_follow_it():
    model = ae.Autoencoder(ae.Dense((8,)), 2, schedule=ae.Plateau(1, 0.5, threshold=0.9), **KW)
    for _ in range(4):
        model.partial_fit(X)
    assert model.history_[-1]["learning_rate"] < 1e-3


@pytest.mark.parametrize(
    ("schedule", "error", "match"),
    [
        (Plateau(0), ValueError, "patience"),
        (Plateau(2.5), TypeError, "patience"),
        (Plateau(2, 1.0), ValueError, "factor"),
        (Plateau(2, 0), ValueError, "factor"),
        (Plateau(2, threshold=-1), ValueError, "threshold"),
        (Plateau(2, least=2), ValueError, "least"),
        (Plateau(2, monitor=3), TypeError, "monitor"),
        (ae.Warmup(2) * Plateau(0), ValueError, "patience"),
    ],
)
def test_what_makes_no_sense(schedule, error, match):
    with pytest.raises(error, match=match):
        ae.Autoencoder(ae.Dense((8,)), 2, schedule=schedule, epochs=2, **KW).fit(X)


def test_an_unknown_number_is_named():
    with pytest.raises(ValueError, match="monitor: expected one of loss, recon, mse"):
        ae.Autoencoder(ae.Dense((8,)), 2, schedule=Plateau(2, monitor="auc"), **KW).fit(X)
