"""The notebooks run in their short form, without a kernel or real data, and store their figures."""

import importlib
import json
import os
import pathlib
import sys

import aecore
import numpy as np
import pytest
from aecore.datasets import _tables

pytest.importorskip("matplotlib")
pytest.importorskip("pandas")
pytest.importorskip("sklearn")

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 1 << 20  # bytes
# For scripts that a notebook runs: aecore may lie where only this process looks.
PYTHONPATH = os.pathsep.join(map(str, pathlib.Path(aecore.__file__).parents[1:2]))


def cells(path):
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]


def test_are_numbered():
    assert [int(path.stem[:2]) for path in NOTEBOOKS] == list(range(1, len(NOTEBOOKS) + 1))


@pytest.fixture
def short(monkeypatch):
    """Have the lessons' data be what stands in for real ones."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.delitem(sys.modules, "_data", raising=False)  # it asks for the form but once
    monkeypatch.setenv("AECORE_NOTEBOOK", "short")
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)


@pytest.mark.parametrize(
    "name, shape", [("mnist", (28, 28, 1)), ("cifar10", (32, 32, 3)), ("ecg5000", (140, 1))]
)
def test_stand_ins_of_arrays(name, shape, short):
    X, y, X_test, y_test = getattr(importlib.import_module("_data"), name)(50, 20)
    assert X.shape == (50, *shape) and X_test.shape == (20, *shape)
    assert X.dtype == X_test.dtype == (np.float32 if name == "ecg5000" else np.uint8)
    assert y.shape == (50,) and y_test.shape == (20,) and y.dtype.kind == "i"
    classes = range(1, 6) if name == "ecg5000" else range(10)
    assert set(y) <= set(classes) and len(set(y)) > 3


@pytest.mark.parametrize(
    "name, columns, words",
    [
        ("vehicle_claims", _tables._CLAIM_FIELDS, "<U21"),
        ("kddcup99", _tables._KDD_FIELDS, _tables._KDD_WORDS),
    ],
)
def test_stand_ins_of_tables(name, columns, words, short):
    X, y, X_test, y_test = getattr(importlib.import_module("_data"), name)(200, 100)
    assert len(X) == len(y) == 200 and len(X_test) == len(y_test) == 100
    assert 0 < (y > 0).mean() < 0.6
    numbers = _tables._CLAIM_NUMBERS if isinstance(words, str) else set(columns) - set(words)
    for column in X.dtype.names:
        assert column in columns
        if column in numbers:
            assert X.dtype[column] == np.float64
        else:
            assert X.dtype[column] == (words if isinstance(words, str) else words[column])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_runs(path, tmp_path, monkeypatch, short):
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.switch_backend("agg")
    names = {"__name__": "__main__"}
    try:
        for i, cell in enumerate(cells(path)):
            exec(compile("".join(cell["source"]), f"{path.name}, cell {i}", "exec"), names)
    finally:
        plt.close("all")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_was_executed(path):
    outputs = [output for cell in cells(path) for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output["output_type"] == "error" for output in outputs)
    assert all(output.get("name") != "stderr" for output in outputs)
    assert [cell["execution_count"] for cell in cells(path)] == list(range(1, len(cells(path)) + 1))
    assert path.stat().st_size <= LARGEST
