"""The benchmarks run: every section once, as small as it can be. What they say isn't looked at."""

import importlib
import importlib.util
import json
import re
import time
from pathlib import Path

import aecore as ae
import numpy as np
import pytest
from aecore.training.parts import TreeSum
from support.processes import together

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
    "rows": "detector-parquet",
    "processes": "mlp-ae",
    "cost": "table-ae",
    "init": "Autoencoder, code of relu",
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


def test_figures_stand_beside_those_of_the_page(bench):
    merged = importlib.import_module("bench.beside").merged
    header = "| what | ms | ratio | ratio |\n| --- | --- | --- | --- |\n"
    here = header + "| a | 2 | **1.5x** |  |\n| b | 3 |  | 4 |\n"
    page = "| what | ratio | ratio | new |\n| --- | --- | --- | --- |\n| a | **1.4x** | 9 | 7 |\n"
    assert merged(here, page, 1) == [
        ["what", "ms", "ratio", "ratio"],
        ["a", "2", "1.5x [1.4x]", ""],
        ["b", "3", "", "4"],
    ]
    assert merged(here, "Not measured yet.\n", 1)[1:] == [
        ["a", "2", "1.5x", ""],
        ["b", "3", "", "4"],
    ]


def test_bench_ends_with_the_figures_of_the_page(bench, tmp_path, capsys):
    bench.main(["train", "--quick", "--no-peers", "--rounds", "1", "--only", "mlp-ae", "cvae"])
    printed = capsys.readouterr().out.partition("[on docs/performance.md]")[2]
    page = (ROOT / "bench/tables/train.md").read_text()
    for workload in ("mlp-ae", "cvae"):
        ms = re.search(rf"\| {workload} \| ([\d.]+) \|", page)[1]
        assert re.search(rf"^{workload} +[\d.]+ \[{ms}\]", printed, re.MULTILINE)


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


def test_cost_counts_what_is_sent(bench):
    """The nodes of the tree of sums, and the messages and bytes of a step."""
    cost = importlib.import_module("bench.cost")
    for parts in (8, 11):
        for size in range(1, parts + 1):
            for rank in range(size):
                total = TreeSum(1)
                for i in range(parts * rank // size, parts * (rank + 1) // size):
                    total.add(np.ones(1, np.float32), i)
                assert cost.nodes(parts, size, rank) == len(total.nodes())
    X = np.random.default_rng(0).random((48, 6), np.float32)
    options = {"batch_size": 16, "n_threads": 1, "random_state": 0, "epochs": 1}

    def sent(size, batches):
        def work(comm):
            slow = cost.Slow(Rows(comm))
            model = ae.Autoencoder(ae.Dense((4,)), 2, **options).fit(X[: 16 * batches], comm=slow)
            return slow.messages, slow.volume, model._network.flat.grad.size

        return max(together(size, work))

    for size in (2, 3, 8):
        (messages, volume, params), more = sent(size, 1), sent(size, 3)
        found = cost.Cost(0, 0, 0, 0, 0, params).sent(8, size)
        assert (more[0] - messages) / 2 == found[0]
        assert found[1] <= (more[1] - volume) / 2 <= found[1] + 1000 * (size - 1)  # of sums


def test_a_slow_network_takes_its_time(bench):
    networks = importlib.import_module("bench.networks")
    network = networks.Network("", 1e6, 1e-3, "")
    rows = [np.ones(5000, np.float32)]

    def work(comm):
        slow = networks.Slow(Rows(comm), network)
        started = time.perf_counter()
        slices = [slice(0, 1000), slice(1000, 2000), slice(2000, 5000)]
        found = slow.scatter_rows(rows, slices, [1, 1, 1])
        assert [len(one[0]) for one in found] == [len(rows[0][slices[comm.rank]])] * 3
        return time.perf_counter() - started

    assert network.seconds(2, 16_000) == pytest.approx(0.018)
    times = together(3, work)
    assert all(0.009 < seconds < 5 for seconds in times)
    assert times[0] >= 0.018  # its others have 1,000 and 3,000 numbers of its 5,000


def test_cost_says_from_which_batch_on_processes_pay(bench):
    cost = importlib.import_module("bench.cost")
    network = cost.Network("", 1e9, 0, "")
    model = cost.Cost(0, 0, 0, 1e-3, 0, 250_000)  # a gradient takes a millisecond
    assert model.speedup(network, 56, 1) == 1
    assert model.speedup(network, 56, 8) == pytest.approx(6.4)  # 56 / 6.4 = 56 / 8 + 2 * 7 / 8
    assert model.smallest(network, 8, 8, 1) == 8
    assert model.smallest(network, 8, 8, 6.39) == 56
    assert cost.Cost(0, 1e-3, 0, 1e-3, 0, 1).smallest(network, 2, 8, 1.5) is None
    assert model.bounds(network, 56, 8) == pytest.approx({"as it is": 6.4, "overlapped": 8})


class Rows:
    """A communicator that carries rows too, without any messages."""

    def __init__(self, comm):
        self.comm, self.rank, self.size, self.allgather = comm, comm.rank, comm.size, comm.allgather

    def scatter_rows(self, mine, slices, counts):
        own = slices[self.rank]
        return [[a[own] for a in one] for one in self.allgather(list(map(np.copy, mine)))]

    def gather_slices(self, whole, slices):
        for own, found in zip(slices, self.allgather(whole.copy()), strict=True):
            whole[own] = found[own]


def test_figures_of_any_machine_stay(bench, tmp_path):
    file, mine = tmp_path / "results.json", {"machine": {"cpu": "b"}, "rows": [1]}
    bench.keep(file, {"machine": {"cpu": "a"}, "train": [1]})
    bench.keep(file, {"machine": {"cpu": "b"}, "cost": mine})
    assert json.loads(file.read_text()) == {"machine": {"cpu": "a"}, "train": [1], "cost": mine}
    bench.keep(file, {"machine": {"cpu": "c"}, "train": [2]})
    assert json.loads(file.read_text()) == {"machine": {"cpu": "c"}, "train": [2], "cost": mine}


def test_tables_of_pairs_and_tutorials(tables):
    figures = {"MSE": [0.1, 0.3], "PSNR, dB": [10.0, 10.0]}
    text = tables.pairs({"Pages": {"methods": {"pairs": figures}, "seconds": 3}})
    assert "| Pages | MSE | PSNR, dB |" in text
    assert "| pairs | 0.2 (0.2) | 10.00 |" in text
    row = {"here": "all", "ours": "0.1", "reports": "0.09"}
    assert "| A blog | all | 0.1 | 0.09 |" in tables.tutorials({"A blog": row})
