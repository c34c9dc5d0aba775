"""The benchmarks run: every section once, as small as it can be. What they say isn't looked at."""

import importlib
import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTIONS = {
    "train": "mlp-ae",
    "batches": "mlp-ae",
    "half": "mlp-ae",
    "memory": "cvae",
    "encode": "mlp-ae",
    "kernels": None,
    "scaling": "batch",
    "busy": "mlp-ae",
    "processes": "mlp-ae",
    "python": "mlp-ae",
}


@pytest.fixture
def bench(monkeypatch):
    """Return the benchmarks' main module, which isn't installed."""
    if not (ROOT / "bench").exists():
        pytest.skip("the benchmarks aren't part of this copy of the sources")
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("bench.__main__")


@pytest.fixture
def tables():
    """Return the tool that writes the pages' tables."""
    spec = importlib.util.spec_from_file_location("tables", ROOT / "tools/tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_section_is_tried(bench, tables):
    assert set(SECTIONS) == set(bench.SECTIONS) == set(tables.SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_section_runs(section, bench, tables, tmp_path, capsys):
    file, only = tmp_path / "results.json", SECTIONS[section]
    options = ["--quick", "--no-peers", "--rounds", "1", "--json", str(file)]
    bench.main([section, *options, *(["--only", only] if only else [])])
    found = json.loads(file.read_text())
    assert set(found) == {"machine", section} and found[section]
    assert f"\n{section}: " in capsys.readouterr().out
    tables.write(tmp_path, found)
    assert found["machine"]["cpu"] in (tmp_path / "machine.md").read_text()
    assert "| --- |" in (tmp_path / f"{section}.md").read_text()


def test_sections_of_one_machine_share_a_file(bench, tmp_path):
    file, machine = tmp_path / "results.json", {"cpu": "a"}
    bench.keep(file, {"machine": machine, "train": [1], "busy": [2]})
    bench.keep(file, {"machine": machine, "train": [3]})
    assert json.loads(file.read_text()) == {"machine": machine, "train": [3], "busy": [2]}
    bench.keep(file, {"machine": {"cpu": "b"}, "encode": [4]})
    assert json.loads(file.read_text()) == {"machine": {"cpu": "b"}, "encode": [4]}


@pytest.mark.parametrize("call", [["fly"], ["train", "--only", "batch"]])
def test_unknown_names_are_refused(bench, call, capsys):
    with pytest.raises(SystemExit):
        bench.main(call)
    assert "expected some of" in capsys.readouterr().err


@pytest.mark.parity
@pytest.mark.parametrize("name", ["mlp-ae", "conv-ae"])
def test_peers_compute_the_same(bench, name):
    pytest.importorskip("torch")
    encode = importlib.import_module("bench.encode")
    settings = encode.Settings(quick=True)
    model, x = encode.fitted(name, settings)
    for what in ("encode", "reconstruct"):
        encode.contestants(model, what, x[:3], peers=True)  # compares them
