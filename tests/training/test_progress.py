"""What is shown of a training, where that can't be shown, and how much of it is kept."""

import subprocess
import sys
import types

import aecore as ae
import numpy as np
import pytest
from aecore.training import fit, progress
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


# ---- notebooks -----------------------------------------------------------------------------------


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(progress.time, "perf_counter", lambda: self.now)


def notebook(monkeypatch, asked=True):
    """Let a kernel run a cell, which somebody or a program has asked for."""
    kernel = types.SimpleNamespace(_allow_stdin=asked)
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=kernel)
    monkeypatch.setitem(sys.modules, "IPython", ipython)


def opened(monkeypatch):
    """Return a list to which each bar adds how it was made."""
    made = []

    class Bar:
        def __init__(self, **how):
            made.append(how)
            self.updates, self.text, self.closed = 0, "", False
            how["bar"] = self

        def update(self):
            self.updates += 1

        def set_postfix_str(self, text):
            self.text = text

        def set_description_str(self, text, refresh):
            self.description = text

        def close(self):
            self.closed = True

    module = types.ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    return made


def train_for(monkeypatch, verbose, seconds, epochs=10, batches=5):
    """Show a training that takes so long; return the bars."""
    made, clock = opened(monkeypatch), Clock(monkeypatch)
    with Progress(verbose, epochs, batches) as shown:
        for epoch in range(epochs):
            for _ in range(batches):
                clock.now += seconds / (epochs * batches)
                shown.batch()
            shown.epoch({"epoch": epoch + 1, "loss": 0.5})
    return made


def test_a_long_training_in_a_notebook_has_a_bar_unasked(monkeypatch):
    notebook(monkeypatch)
    (how,) = train_for(monkeypatch, None, 20)
    assert how["initial"] == 8 and how["total"] == 50 and how["desc"] == "epoch 2/10"
    assert how["leave"] is False  # it is gone when training is over
    bar = how["bar"]
    assert bar.updates == 42 and bar.closed and bar.text == "loss 0.5"


@pytest.mark.parametrize(("verbose", "seconds"), [(None, 2.9), (None, 4.5), (0, 100), (False, 100)])
def test_short_ones_and_quiet_ones_have_none(verbose, seconds, monkeypatch):
    notebook(monkeypatch)
    assert train_for(monkeypatch, verbose, seconds) == []


def test_a_bar_that_is_asked_for_is_there_at_once_and_stays(monkeypatch):
    notebook(monkeypatch)
    (how,) = train_for(monkeypatch, 1, 1)
    assert how["initial"] == 0 and how["leave"] is True


@pytest.mark.parametrize("where", ["a script", "a terminal", "an executed notebook"])
def test_elsewhere_nothing_is_shown_unasked(where, monkeypatch):
    if where == "an executed notebook":
        notebook(monkeypatch, asked=False)
    else:
        ipython = types.ModuleType("IPython")
        shell = None if where == "a script" else object()
        ipython.get_ipython = lambda: shell
        monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert not progress.in_notebook()
    assert train_for(monkeypatch, None, 100) == []


def test_kernels_say_who_has_asked():
    """The attribute that says so is private to ipykernel."""
    kernelbase = pytest.importorskip("ipykernel.kernelbase")
    assert "_allow_stdin" in kernelbase.Kernel.class_traits() or hasattr(
        kernelbase.Kernel, "_allow_stdin"
    )


def test_models_are_quiet_by_default_and_fit_changes_no_parameter(X, capsys):
    model = ae.Autoencoder(ae.Dense((4,)), 2, epochs=2, **KW)
    assert model.verbose is None and repr(model).count("verbose") == 0
    before = model.get_params()
    model.fit(X)
    assert capsys.readouterr() == ("", "") and model.get_params() == before
    quiet = ae.Autoencoder(ae.Dense((4,)), 2, epochs=2, verbose=0, **KW).fit(X)
    np.testing.assert_array_equal(model.transform(X), quiet.transform(X))


@pytest.mark.parametrize("verbose", [None, 0, 1])
def test_files_keep_it(verbose, X, tmp_path):
    model = ae.Autoencoder(ae.Dense((4,)), 2, epochs=1, verbose=verbose, **KW).fit(X)
    model.save(tmp_path / "m")
    assert ae.load(tmp_path / "m").verbose is verbose
    detector = ae.AnomalyDetector(n_models=1, verbose=verbose, random_state=0).fit(X)
    detector.save(tmp_path / "d")
    found = ae.load(tmp_path / "d")
    assert found.verbose is verbose and found.estimators_[0].verbose is verbose
