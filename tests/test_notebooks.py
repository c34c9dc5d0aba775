"""The notebooks run in their short form, without a kernel or real data, and store their figures."""

import json
import os
import pathlib
import sys

import aecore
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("pandas")
pytest.importorskip("sklearn")

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 1 << 20  # bytes
# For scripts that a notebook runs: aecore may lie where only this process looks.
PYTHONPATH = os.pathsep.join(map(str, pathlib.Path(aecore.__file__).parents[1:2]))


def cells(path):
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]


def test_are_numbered():
    assert [int(path.stem[:2]) for path in NOTEBOOKS] == list(range(1, len(NOTEBOOKS) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_runs(path, tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.delitem(sys.modules, "_data", raising=False)  # it asks what the form is but once
    monkeypatch.setenv("AECORE_NOTEBOOK", "short")
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
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
