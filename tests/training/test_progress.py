"""What is shown of a training, where that can't be shown, and how much of it is kept."""

import subprocess
import sys

import aecore as ae
import numpy as np
import pytest
from aecore.training import fit
from aecore.training.progress import Progress, summary

KW = {"batch_size": 16, "random_state": 0}


@pytest.fixture
def X(rng):
    return rng.random((40, 8), dtype=np.float32)


# ---- consoles ------------------------------------------------------------------------------------

TRAINING = """
import os, sys
import numpy as np, aecore as ae
{before}
X = np.random.default_rng(0).random((200, 8), np.float32)
model = ae.Autoencoder(ae.Dense((8,)), 2, epochs=3, verbose={verbose}, random_state=0)
try:
    model.fit(X)
    done = f"{{len(model.history_)}} epochs"
except BaseException as error:
    done = repr(error)
with open(sys.argv[1], "w") as file:
    file.write(done)
os._exit(0)
"""
LOST = {
    "closed": "sys.stdout.close(); sys.stderr.close()",
    "none": "sys.stdout = sys.stderr = None",
    "closed below": "os.close(1); os.close(2)",
    "a broken pipe": "r, w = os.pipe(); os.close(r); os.dup2(w, 1); os.dup2(w, 2)",
    "a full disk": "f = os.open('/dev/full', os.O_WRONLY); os.dup2(f, 1); os.dup2(f, 2)",
    "ascii alone": "sys.stdout.reconfigure(encoding='ascii')",
}


@pytest.mark.parametrize("verbose", [1, 2])
@pytest.mark.parametrize("before", LOST.values(), ids=LOST)
def test_a_console_that_is_lost_ends_no_training(before, verbose, tmp_path):
    if "/dev/full" in before and not sys.platform.startswith("linux"):
        pytest.skip("needs /dev/full")
    code = TRAINING.format(before=before, verbose=verbose)
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "done")]
    subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert (tmp_path / "done").read_text() == "3 epochs"


@pytest.mark.parametrize("verbose", [1, 2])
def test_a_console_that_is_lost_meanwhile(verbose, monkeypatch):
    class Console:
        written, left = "", 400

        def write(self, text):
            self.left -= len(text)
            if self.left < 0:
                raise BrokenPipeError
            self.written += text

        def flush(self):
            pass

    console = Console()
    monkeypatch.setattr(sys, "stdout", console)
    monkeypatch.setattr(sys, "stderr", console)
    with Progress(verbose, 30, 10) as progress:
        for epoch in range(30):
            for _ in range(10):
                progress.batch()
            progress.epoch({"epoch": epoch + 1, "loss": 0.5})
    assert "epoch 1/30" in console.written and progress.bar is None and progress.verbose == 0


def test_summaries_have_numbers_alone():
    record = {
        "epoch": 1,
        "loss": 0.5,
        "note": "x",
        "recon": "low",
        "kl": None,
        "\x1b": np.float32(2),
    }
    assert summary(record) == "loss 0.5, \\x1b 2"


# ---- histories without end -----------------------------------------------------------------------


def record(epoch, **more):
    return {"epoch": epoch, "loss": 1.0 + abs(epoch - 777), "mse": float("nan"), **more}


def test_histories_of_passes_without_end_are_bounded(X):
    history = [{"level": 1, "epoch": 1}]
    for epoch in range(1, 20_001):
        fit.thin(history)
        history.append(record(epoch, note="x"))
        assert len(history) <= fit.MOST_RECORDS + 8
    epochs = [r["epoch"] for r in history[1:]]
    assert history[0] == {"level": 1, "epoch": 1} and epochs == sorted(set(epochs))
    assert (
        epochs[-1] == 20_000
        and {1, 777} <= {*epochs}
        and epochs[-100:] == list(range(19_901, 20_001))
    )
    assert max(np.diff(epochs)) <= 256


def test_short_ones_are_left_alone():
    history = [record(i) for i in range(1, fit.MOST_RECORDS)]
    before = [*history]
    fit.thin(history)
    assert history == before
    odd = [record(0) for _ in range(2000)]
    fit.thin(odd)  # and nothing hangs


def test_partial_fit_keeps_the_last_record_and_epochs_go_on(X, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "MOST_RECORDS", 16)
    path = tmp_path / "m"
    model = ae.Autoencoder(ae.Dense((4,)), 2, **KW)
    other = ae.Autoencoder(ae.Dense((4,)), 2, **KW)
    for epoch in range(1, 101):
        other = (ae.load(path) if epoch > 1 else other).partial_fit(X)
        other.save(path)
        assert model.partial_fit(X).history_[-1]["epoch"] == epoch
    assert len(model.history_) < 24
    plain = [{k: v for k, v in r.items() if k != "seconds"} for r in model.history_]
    again = [{k: v for k, v in r.items() if k != "seconds"} for r in other.history_]
    assert plain == again
    np.testing.assert_array_equal(model.transform(X), other.transform(X))


def test_loops_of_short_fits_are_bounded_too_and_long_ones_whole(X, monkeypatch):
    monkeypatch.setattr(fit, "MOST_RECORDS", 16)
    model = ae.Autoencoder(ae.Dense((4,)), 2, **KW | {"epochs": 1, "warm_start": True})
    for epoch in range(1, 101):
        assert model.fit(X).history_[-1]["epoch"] == epoch
    assert len(model.history_) < 24
    model = ae.Autoencoder(ae.Dense((4,)), 2, **KW | {"epochs": 30, "warm_start": True})
    model.fit(X).set_params(epochs=5).fit(X).set_params(epochs=0).fit(X)
    assert [record["epoch"] for record in model.history_] == [*range(1, 36)]


def test_the_best_epoch_is_still_known(X, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "MOST_RECORDS", 16)
    saving = ae.Checkpoint(tmp_path / "m", keep_best=True)
    model = ae.Autoencoder(ae.Dense((4,)), 2, checkpoint=saving, learning_rate=0.3, **KW)
    losses = [model.partial_fit(X).history_[-1]["loss"] for _ in range(60)]
    assert ae.load(tmp_path / "m.best").history_[-1]["epoch"] == 1 + int(np.argmin(losses))
