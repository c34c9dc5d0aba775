"""``aecore doctor``: what it says of this machine, of others, and of a core that is wrong."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import aecore
import pytest
from aecore._bench import timing
from aecore.cli import _machine, _selftest, doctor
from support.commands import status


@pytest.fixture
def plain(monkeypatch):
    """An environment without variables that matter, and a self-test that takes no time."""
    for name in list(doctor.os.environ):
        if doctor.LISTED.fullmatch(name):
            monkeypatch.delenv(name)
    monkeypatch.setattr(_selftest, "TESTS", {"quick": lambda: "passed"})
    monkeypatch.setattr(_machine, "group_limits", lambda: {})
    monkeypatch.setattr(_machine, "memory", lambda: {"total": 8 << 30, "available": 4 << 30})


def lines(capsys, *arguments):
    capsys.readouterr()
    code = status("doctor", *arguments)
    return code, capsys.readouterr().out.splitlines()


def only(found, name):
    (finding,) = [f for f in found if f.name == name]
    return finding


def test_the_self_test_passes_here(capsys):
    code, said = lines(capsys)
    assert code == 0
    start = said.index("self-test")
    assert [line.split()[:2] for line in said[start + 1 : start + 5]] == [
        ["ok", name] for name in _selftest.TESTS
    ]
    assert said[0] == "installation" and said[1].split()[:3] == ["ok", "aecore", "0.1.0,"]
    assert any(aecore.build_info()["isa"] in line and "kernels" in line for line in said)
    assert re.fullmatch(r"(all is well|\d+ warnings?), in \d+\.\d s", said[-1])


def test_for_programs(plain, capsys):
    capsys.readouterr()
    assert status("doctor", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["aecore"] == aecore.__version__ and facts["build"]["isa"]
    assert facts["threads"] == aecore.get_num_threads()
    for check in facts["checks"]:
        assert list(check) == ["section", "name", "text", "level", "remedy"]
        assert (check["level"] in ("warning", "error")) == bool(check["remedy"]), check
    assert {c["section"] for c in facts["checks"]} == {
        *("installation", "machine", "environment", "packages", "data", "self-test"),
    }
    levels = {c["level"] for c in facts["checks"]}
    assert facts["status"] == ("warning" if "warning" in levels else "ok")


def test_a_fault_gives_the_status_1(plain, monkeypatch, capsys):
    monkeypatch.setattr(_selftest, "TESTS", {"kernels": _selftest.kernels})
    real = _selftest.functional.linear
    monkeypatch.setattr(
        _selftest.functional, "linear", lambda *args, **options: 1.0001 * real(*args, **options)
    )
    code, said = lines(capsys)
    assert code == 1
    at = next(i for i, line in enumerate(said) if line.startswith("  FAIL"))
    assert re.search(r"kernels +linear \d+ x \d+ x \d+: off by", said[at])
    assert said[at + 1].strip().startswith("-> install aecore again")
    code, said = lines(capsys, "--quiet")
    assert code == 1 and said[-1].startswith("FAIL  self-test: kernels: linear")
    capsys.readouterr()
    assert status("doctor", "--json") == 1
    assert json.loads(capsys.readouterr().out)["status"] == "error"


@pytest.mark.parametrize("name", ["training", "files"])
def test_other_bits_are_a_fault(name, monkeypatch):
    count = iter(range(100))
    real = _selftest.fitted

    def fitted(threads):
        model = real(threads)
        for values in model.parameters_.values():
            values += 1e-6 * next(count)
        return model

    monkeypatch.setattr(_selftest, "fitted", fitted)
    if name == "files":  # a model that comes back with other numbers
        load = _selftest.load
        monkeypatch.setattr(_selftest, "load", lambda path: real(2) if load(path) else None)
    with pytest.raises(_selftest.Failure, match="other bits"):
        _selftest.TESTS[name]()


def test_another_loss_is_a_fault(monkeypatch):
    monkeypatch.setattr(_selftest, "LOSS", _selftest.LOSS * 1.001)
    with pytest.raises(_selftest.Failure, match="the loss is 11.2367"):
        _selftest.training()


def test_quiet_says_nothing_where_all_is_well(plain, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_installation", lambda: iter([doctor.Finding("a", "b", "c")]))
    monkeypatch.setattr(doctor, "_processor", lambda: iter([]))
    monkeypatch.setattr(doctor, "_packages", lambda: iter([]))
    monkeypatch.setattr(doctor, "_data", lambda: iter([]))
    assert lines(capsys, "--quiet") == (0, [])


@pytest.mark.parametrize(
    "name, value, remedy",
    [
        ("AECORE_ISA", "baseline", ""),  # of which the kernels warn
        ("AECORE_TRACEBACK", "1", ""),
        ("AECORE_WERROR", "1", ""),
        ("AECORE_THREADS", "4", "aecore reads AECORE_DATA"),
        ("AECORE_DATA", "/no/such/folder", "name a folder"),
        ("AECORE_DATA", "/", ""),
        ("OMP_WAIT_POLICY", "ACTIVE", "unset it"),
        ("OMP_WAIT_POLICY", "passive", ""),
        ("OMP_THREAD_LIMIT", "1", "unset it: aecore uses one core"),
        ("MKL_NUM_THREADS", "3", ""),
        ("PYTHONMALLOC", "debug", "unset it"),
    ],
)
def test_variables_that_hurt(name, value, remedy, plain, monkeypatch):
    monkeypatch.setattr(timing, "cores", lambda: 4)
    monkeypatch.setenv(name, value)
    found = only(doctor._environment(), name)
    assert found.text == value
    assert found.remedy.startswith(remedy) and bool(found.remedy) == bool(remedy)
    assert found.level == ("warning" if remedy else "ok")


def test_no_variables(plain):
    (found,) = doctor._environment()
    assert found.level == "none" and "none" in found.text


def test_control_characters_are_escaped(plain, monkeypatch, capsys):
    monkeypatch.setenv("AECORE_DATA", "\x1b]0;owned\x07")
    code, said = lines(capsys)
    assert code == 0 and all(line.isprintable() for line in said)
    assert any(r"\x1b]0;owned\x07" in line for line in said)


@pytest.mark.parametrize(
    "threads, cores, limit, variable, level, said",
    [
        (8, 8, None, None, "ok", "8, on 8 cores"),
        (1, 1, None, None, "ok", "1, on 1 core"),
        (8, 8, 1.5, None, "warning", "may use 1.5 of them"),
        (2, 8, 2.0, None, "ok", "may use 2 of them"),
        (8, 2, None, "8", "warning", "8, on 2 cores"),
        (1, 8, None, "1", "warning", "1, on 8 cores"),
        (1, 8, 0.5, None, "ok", "may use 0.5 of them"),
    ],
)
def test_threads(threads, cores, limit, variable, level, said, plain, monkeypatch):
    monkeypatch.setattr(doctor, "get_num_threads", lambda: threads)
    monkeypatch.setattr(timing, "cores", lambda: cores)
    monkeypatch.setattr(_machine, "group_limits", lambda: {} if limit is None else {"cpus": limit})
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: cores)
    if variable:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    found = only(doctor._threads(), "threads")
    assert found.level == level and said in found.text
    assert bool(found.remedy) == (level == "warning")


def test_a_process_that_is_bound_to_a_core(plain, monkeypatch):
    monkeypatch.setattr(doctor, "get_num_threads", lambda: 4)
    monkeypatch.setattr(timing, "cores", lambda: 1)
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 4)
    found = only(doctor._threads(), "threads")
    assert found.text.startswith("4, on 1 core that this process may use, of 4")
    assert found.level == "warning"
    monkeypatch.setenv("OMP_PROC_BIND", "true")  # which is the cause, and is warned of
    assert only(doctor._threads(), "threads").level == "ok"
    assert only(doctor._environment(), "OMP_PROC_BIND").remedy.startswith("unset it")


def test_the_instruction_set(plain, monkeypatch):
    monkeypatch.setattr(_machine, "cpu_flags", lambda: {"avx2", "fma"})
    known = {"isa": "avx2", "available": ["baseline", "avx2"]}
    monkeypatch.setattr(doctor, "build_info", lambda: known)
    assert doctor._instructions().level == "ok"
    known["isa"] = "baseline"
    assert doctor._instructions().remedy == "unset AECORE_ISA: avx2 is faster"
    known["available"] = ["baseline"]
    assert "has avx2 too" in doctor._instructions().text


def test_two_runtimes_of_openmp(monkeypatch):
    found = [
        {"kind": "OpenMP (GNU)", "file": "/usr/lib/libgomp.so.1", "threads": 2},
        {"kind": "OpenBLAS", "file": "/x/libopenblas.so"},
    ]
    monkeypatch.setattr(_machine, "runtimes", lambda: found)
    assert doctor._runtimes().level == "ok"
    assert "OpenMP (GNU) (libgomp.so.1, 2 threads), OpenBLAS (lib" in doctor._runtimes().text
    found.append({"kind": "OpenMP (LLVM)", "file": "/x/libomp.so", "threads": 2})
    assert doctor._runtimes().level == "warning"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("without", ["", "threadpoolctl"])
def test_the_runtimes_of_this_process(without, monkeypatch):
    if without:
        monkeypatch.setitem(sys.modules, without, None)
    found = {runtime["kind"] for runtime in _machine.runtimes()}
    assert aecore.build_info()["openmp"] == 0 or any(kind.startswith("OpenMP") for kind in found)


def test_little_memory(monkeypatch):
    monkeypatch.setattr(_machine, "group_limits", lambda: {"bytes": 500e6})
    monkeypatch.setattr(_machine, "memory", lambda: {"total": 64 << 30, "available": 60 << 30})
    found = doctor._memory()
    assert found.level == "warning" and "may use 500 MB" in found.text


def test_packages_that_are_old_or_missing(monkeypatch):
    def version(name):
        if name == "pooch":
            raise metadata.PackageNotFoundError
        return {"scikit-learn": "1.5.2", "mpi4py": "4.0.0+local"}.get(name, "3")

    monkeypatch.setattr(doctor.metadata, "version", version)
    found = list(doctor._packages())
    assert only(found, "scikit-learn").remedy == "pip install --upgrade scikit-learn"
    assert only(found, "pooch").text == "not installed: pip install 'aecore[data]'"
    assert only(found, "pooch").level == "none"
    assert only(found, "mpi4py") == ("packages", "mpi4py", "4.0.0+local [mpi]", "ok", "")


def test_packages_are_those_of_the_extras():
    tomllib = pytest.importorskip("tomllib")
    project = Path(__file__).parents[2] / "pyproject.toml"
    extras = tomllib.loads(project.read_text("utf-8"))["project"]["optional-dependencies"]
    for name, (extra, least) in doctor.PACKAGES.items():
        (line,) = [x for x in extras[extra] if re.match(rf"{name}(\[|>|;|$)", x)]
        assert (f">={least}" in line) == bool(least), line
    listed = {extra for extra, _ in doctor.PACKAGES.values()}
    assert listed <= set(extras)


def test_data_sets(plain, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "own"))
    found = list(doctor._data())
    assert only(found, "folder").text.endswith("made at the first download")
    assert "mnist" in only(found, "not here yet").text
    for folder, name in (
        ("aecore/adult", "adult.zip"),
        ("own/mnist", "train-images-idx3-ubyte.gz"),
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / name).touch()
    for name in doctor._files.FILES["adult"]:
        (tmp_path / "aecore/adult" / name).touch()
    found = list(doctor._data())
    assert only(found, "adult").text == f"in {tmp_path / 'aecore' / 'adult'}"
    assert only(found, "mnist").text == f"1 of 4 files, in {tmp_path / 'own' / 'mnist'}"
    assert " mnist," not in f" {only(found, 'not here yet').text}"


def group(tmp_path, files, listed):
    """Write the files of control groups, and the list of a process's own."""
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "cgroup").mkdir(parents=True, exist_ok=True)
    (tmp_path / "own").write_text(listed)
    return _machine.group_limits(str(tmp_path / "own"), str(tmp_path / "cgroup"))


def test_limits_of_control_groups(tmp_path):
    assert group(tmp_path / "a", {}, "") == {}
    two = {"cpu.max": "max 100000\n", "memory.max": "max\n"}
    assert group(tmp_path / "b", two, "0::/\n") == {}
    inside = {"cpu.max": "150000 100000\n", "memory.max": "2000000000\n"}
    limits = {"cpus": 1.5, "bytes": 2e9}
    assert group(tmp_path / "c", inside, "0::/docker/of/the/host\n") == limits
    nested = {"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000", "memory.max": "max"}
    assert group(tmp_path / "d", nested, "0::/a/b\n") == {"cpus": 4.0}
    one = {
        "cpu,cpuacct/x/cpu.cfs_quota_us": "200000\n",
        "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
        "memory/x/memory.limit_in_bytes": "1000000000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    listed = "5:memory:/x\n3:cpu,cpuacct:/x\n1:name=systemd:/x\n"
    assert group(tmp_path / "e", one, listed) == {"cpus": 2.0, "bytes": 1e9}
    unlimited = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}
    assert group(tmp_path / "f", unlimited, "odd line\n3:cpu:/\n") == {}


def test_flags_of_processors(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nflags\t\t: fpu avx2 fma\n\nprocessor : 1\nflags : none\n")
    assert _machine.cpu_flags(str(file)) == {"fpu", "avx2", "fma"}
    assert _machine.cpu_flags(str(tmp_path / "nothing")) == set()


def test_it_runs_where_nothing_is_set(tmp_path):
    """Without a home, in a process of its own: no traceback, and a status of 0."""
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(aecore.__file__).parents[1])}
    run = subprocess.run(
        [sys.executable, "-m", "aecore", "doctor"], capture_output=True, text=True, env=environ,
        cwd=tmp_path,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert "self-test" in run.stdout
