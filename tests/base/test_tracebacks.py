"""Errors in a notebook show the user's line and the one that complains, and little between."""

import json
import subprocess
import sys
import traceback

import aecore as ae
import numpy as np
import pytest
from aecore.base import tracebacks

MISTAKES = {
    "scale": "ae.Autoencoder(loss='bce').fit(9 * X)",
    "shape": "model.transform(X[:, :3])",
    "shape of all": "ae.VAE().fit(X[0, 0])",
    "not fitted": "ae.VAE().transform(X)",
    "option": "ae.VAE(loss='crossentropy').fit(X)",
    "NaN": "ae.VAE().fit(np.where(X > 0.5, np.nan, X))",
    "a folder": "ae.VAE().fit('folder')",
    "diverging": "ae.Autoencoder(learning_rate=1e30, epochs=5).fit(X)",
    "a detector": "ae.AnomalyDetector().fit('folder')",
    "frozen": "model.frozen().transform(X[:, :3])",
    "no file": "ae.load('nowhere')",
}
# Runs cells in IPython, and says of each what frames are shown and what the last line is.
SHELL = """
import contextlib, io, json, re, sys, warnings
from IPython.core.interactiveshell import InteractiveShell

warnings.simplefilter("ignore")
shell = InteractiveShell.instance()
shell.colors = "NoColor"
found = {}
for name, cell in json.load(sys.stdin).items():
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        shell.run_cell(cell)
    text = out.getvalue()
    frames = re.findall("^(?:File |Cell In).*", text, re.MULTILINE)
    found[name] = frames, (text.strip().splitlines() or [""])[-1], text
print(json.dumps(found))
"""
PREPARE = """
import numpy as np, aecore as ae
X = np.random.default_rng(0).random((60, 6), np.float32)
model = ae.Autoencoder(latent_dim=2, epochs=1).fit(X)
"""


def shown(cells):
    pytest.importorskip("IPython")
    done = subprocess.run(
        [sys.executable, "-c", SHELL], input=json.dumps({"prepare": PREPARE} | cells),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found.pop("prepare")[0] == []
    return found


def test_mistakes_show_two_frames():
    for name, (frames, last, text) in shown(MISTAKES).items():
        assert len(frames) == 2 and frames[0].startswith("Cell In"), (name, text)
        assert f"----> 1 {MISTAKES[name]}" in text
        assert "Error: " in last and text.count("\n") < 26, (name, text)


def test_a_picture_shows_one_more():
    cell = "ae.plot.reconstructions(model, X[:, :3])"
    ((frames, last, _),) = shown({"": cell}).values()
    assert len(frames) == 3 and "has 3 features" in last


def test_frames_of_users_are_shown_and_so_are_those_of_surprises():
    callback = """
def stop(state):
    raise ZeroDivisionError("mine")

ae.Autoencoder(callbacks=[stop], epochs=1).fit(X)
"""
    surprise = """
ae.models.base.traps.warn = lambda *_: [][0]
ae.Autoencoder(epochs=1).fit(X)
"""
    found = shown({"callback": callback, "surprise": surprise})
    frames, last, text = found["callback"]
    assert last == "ZeroDivisionError: mine" and 'raise ZeroDivisionError("mine")' in text
    assert len(frames) == 2 and all(frame.startswith("Cell In") for frame in frames)
    frames, last, _ = found["surprise"]  # an IndexError from a line of the user's
    assert last.startswith("IndexError") and len(frames) == 2


def test_python_shows_all_frames():
    with pytest.raises(ValueError, match="has 3 features") as caught:
        X = np.zeros((20, 6), np.float32)
        ae.Autoencoder(latent_dim=2, epochs=1).fit(X).transform(X[:, :3])
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert len(frames) > 5
    hidden = []
    place = caught.value.__traceback__
    while place is not None:
        if "__tracebackhide__" in place.tb_frame.f_locals:
            hidden.append(place.tb_frame.f_code.co_filename)
        place = place.tb_next
    assert set(hidden) == {tracebacks.__file__}


def raising(error):
    """Return an error that a function of the package has raised."""

    def inner():
        raise error

    names = {"__name__": "aecore.some"}
    inner = type(inner)(inner.__code__, names, "inner", None, inner.__closure__)
    with pytest.raises(type(error)) as caught:
        inner()
    return caught.value


@pytest.mark.parametrize(
    ("error", "hides"),
    [
        (ValueError(), True), (KeyboardInterrupt(), True), (FloatingPointError(), True),
        (IndexError(), False), (AssertionError(), False), (ZeroDivisionError(), False),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_errors_that_are_raised_on_purpose_are_short(error, hides, monkeypatch):
    ipython = type(sys)("IPython")
    ipython.get_ipython = lambda: object()
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    caught = raising(error)
    tracebacks._hide(caught)
    *_, last = tracebacks._frames(caught)
    assert last.f_locals.get("__tracebackhide__", False) is hides
    # So are those that they were raised from.
    outer = KeyError()
    outer.__cause__ = raising(ValueError())
    tracebacks._hide(outer)
    *_, last = tracebacks._frames(outer.__cause__)
    assert last.f_locals["__tracebackhide__"] is True
