"""The command line: what it says, and with what status it ends."""

import json
import os
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path

import aecore
import numpy as np
import pytest
from aecore import cli
from aecore.cli import info

COMMANDS = (
    *(
        "demo",
        "train",
        "encode",
        "decode",
        "reconstruct",
        "denoise",
        "impute",
        "sample",
        "score",
        "plot",
        "info",
        "doctor",
    ),
    *("bench", "completion"),
)


def status(*arguments):
    """Run a command; return its exit status, argparse's own too."""
    try:
        return cli.main(arguments)
    except SystemExit as end:
        return end.code


def block(monkeypatch, *names):
    """Let modules seem not to be installed."""
    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name in names else found(name))
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def test_help_lists_every_command_and_gives_examples(capsys):
    assert status("--help") == 0
    listed = capsys.readouterr().out
    for command in COMMANDS:
        assert f"\n    {command}" in listed
        assert status(command, "--help") == 0
        text = capsys.readouterr().out
        assert f"examples:\n  aecore {command}" in text
        assert max(map(len, text.splitlines())) <= 80


def test_version(capsys):
    assert status("--version") == 0
    assert capsys.readouterr().out == f"aecore {aecore.__version__}\n"


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ((), "required: COMMAND"),
        (("fly",), "invalid choice: 'fly'"),
        (("demo", "--data", "imagenet"), "invalid choice: 'imagenet'"),
        (("demo", "--seed", "-1"), "expected 0 to 4294967295, got -1"),
        (("demo", "--seed", "4294967296"), "expected 0 to 4294967295, got 4294967296"),
        (("demo", "--seed", "one"), "'one'"),
        (("demo", "--out"), "-o/--out: expected one argument"),
        (("demo", "-o", "-"), "-o: expected a folder, got - for stdout"),
        (("bench", "--rounds", "0"), "expected at least 1, got 0"),
        (("info", "--xml"), "unrecognized arguments: --xml"),
        (("trian", "digits"), "did you mean train?"),
        (("train", "digits", "--latentdim", "2"), "did you mean --latent-dim?"),
        (("train", "digits", "--model", "vea"), "did you mean vae?"),
        (("plot", "histroy", "m.safetensors"), "did you mean history?"),
    ],
)
def test_wrong_calls_end_with_2(arguments, complaint, capsys):
    assert status(*arguments) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["matplotlib", "sklearn"])
def test_demo_says_which_extra_is_missing(missing, monkeypatch, capsys, tmp_path):
    block(monkeypatch, missing)
    assert status("demo", "--data", "digits", "-o", str(tmp_path / "out")) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "pip install 'aecore[demo]'" in printed.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "data, file", [("mnist", "train-images-idx3-ubyte.gz"), ("cifar10", "data_batch_1.bin")]
)
def test_demo_names_the_data_it_misses(data, file, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    block(monkeypatch, "pooch")
    assert status("demo", "--data", data, "--out", str(tmp_path / "out")) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"aecore demo: {data}: expected the file {file} in")
    assert "AECORE_DATA" in printed.err


def test_demo_says_that_data_are_damaged(monkeypatch, capsys, tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for kind in ("train", "t10k"):
        for what in ("images-idx3", "labels-idx1"):
            (folder / f"{kind}-{what}-ubyte.gz").write_bytes(b"no gzip")
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    assert status("demo", "--data", "mnist", "--out", str(tmp_path / "out")) == 2
    assert "; the file is damaged" in capsys.readouterr().err


def test_demo_says_that_it_cannot_write(capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert status("demo", "--out", str(tmp_path / "file")) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"aecore demo: {tmp_path / 'file'}: expected a folder to write into: ")
    assert (tmp_path / "file").read_text() == "in the way"


def test_demo_passes_its_options_on(monkeypatch):
    calls = []
    monkeypatch.setattr("aecore.demo.run", lambda *args, **options: calls.append((args, options)))
    block(monkeypatch, "sklearn")  # only the digits need it
    assert status("demo") == 0
    assert status("demo", "--data", "mnist", "--out", "there", "--seed", "7", "--quick") == 0
    assert status("demo", "-o", "here", "--no-open") == status("demo", "--open") == 0
    assert calls == [
        (("fashion", "./aecore-demo"), {"seed": 0, "quick": False, "open_page": None}),
        (("mnist", "there"), {"seed": 7, "quick": True, "open_page": None}),
        (("fashion", "here"), {"seed": 0, "quick": False, "open_page": False}),
        (("fashion", "./aecore-demo"), {"seed": 0, "quick": False, "open_page": True}),
    ]


def test_interruption_is_no_traceback(monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("aecore.demo.run", interrupted)
    assert status("demo") == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, sentence",
    [
        (ValueError("shapes don't\nmatch"), "shapes don't match"),
        (KeyError("x"), "KeyError: 'x'"),
        (RecursionError("too deep"), "RecursionError: too deep"),
        (AssertionError(), "AssertionError"),
        (ValueError("9" * 2000), "9" * 1000 + "..."),
        (SyntaxError("broken PNG file"), "SyntaxError: broken PNG file"),
        (MemoryError(), "out of memory"),
        (OSError(28, "No space left on device", "a\x1b[2K"), r"a\x1b[2K: No space left on device"),
        (BrokenPipeError(32, "Broken pipe"), "[Errno 32] Broken pipe"),
    ],
)
def test_any_failure_is_a_sentence(error, sentence, monkeypatch, capsys):
    def broken(*args, **options):
        raise error

    monkeypatch.setattr("aecore.demo.run", broken)
    assert status("demo") == 2
    assert capsys.readouterr() == ("", f"aecore demo: {sentence}\n")
    monkeypatch.setenv("AECORE_TRACEBACK", "1")
    assert status("demo") == 2
    assert ", in broken" in capsys.readouterr().err


def run(line, **environment):
    """Run a line of bash that may call aecore; return its status and what it says."""
    code = f'aecore() {{ {sys.executable} -m aecore "$@"; }}; {line}'
    done = subprocess.run(
        ["bash", "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )
    return done.returncode, done.stdout, done.stderr


FULL = "stdout: No space left on device\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    "line, status, said",
    [
        ("aecore info >/dev/full", 2, f"aecore info: {FULL}"),
        ("aecore --help >/dev/full", 2, f"aecore: {FULL}"),
        ("aecore completion bash >/dev/full", 2, f"aecore completion: {FULL}"),
        ("aecore info >&-", 2, "aecore info: stdout: the stream is closed\n"),
        ("aecore info - <&-", 2, "aecore info: -: expected text on stdin, which is closed\n"),
        ("aecore fly 2>/dev/full", 2, ""),
        ("aecore fly 2>&-", 2, ""),
        ("aecore info >/dev/null 2>&-", 0, ""),
        ("aecore info <&- >/dev/null 2>&-", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(line, status, said):
    assert run(line) == (status, "", said)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("streams", [">&-", "2>&-", "2>/dev/full", "<&- >&- 2>&-", "2>&1 | true"])
def test_work_is_done_whoever_listens(streams, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((50, 3)))
    call = "set -o pipefail; aecore train x.npy -o m.safetensors --epochs 20 --latent-dim 2"
    assert run(f"cd {tmp_path} && {call} {streams}")[0] == 0
    assert aecore.load(tmp_path / "m.safetensors").history_[-1]["epoch"] == 20


def test_files_are_written_without_stdout(tmp_path):
    call = f"cd {tmp_path} && aecore bench --quick --rounds 1 --only mlp-ae --json b.json >&-"
    assert run(call) == (0, "", "")
    assert json.loads((tmp_path / "b.json").read_text())["train"]
    monitored = (
        f"cd {tmp_path} && (aecore bench --quick --rounds 1 --only mlp-ae --json c.json | true)"
    )
    assert run(monitored)[2] == "" and (tmp_path / "c.json").exists()


def test_a_core_that_cannot_be_loaded():
    code, out, err = run("aecore --help", AECORE_ISA="foo")
    assert (code, out) == (2, "")
    assert err.startswith("aecore: AECORE_ISA=foo: expected an instruction set")
    done = subprocess.run(
        [sys.executable, "-c", "import aecore"], capture_output=True, text=True,
        env={**os.environ, "AECORE_ISA": "foo"},
    )  # fmt: skip
    assert done.returncode == 1 and "ImportError: AECORE_ISA=foo" in done.stderr


def test_sources_without_a_core_say_so(tmp_path):
    """As in a clone, from whose folder python somebody imports it."""
    package = tmp_path / "aecore"
    package.mkdir()
    for name in ("__init__.py", "_load.py"):
        shutil.copy(Path(aecore.__file__).with_name(name), package)
    done = subprocess.run(
        [sys.executable, "-c", "import aecore"], cwd=tmp_path, capture_output=True, text=True
    )
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and last.startswith(
        f"ImportError: {package}: expected the compiled"
    )


def test_info_for_people(capsys):
    assert status("info") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["aecore", aecore.__version__]
    assert any(line.split() == ["isa", aecore.build_info()["isa"]] for line in lines)
    assert any(line.startswith("  numpy ") for line in lines)


def test_info_for_programs(capsys):
    assert status("info", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["aecore"] == aecore.__version__
    assert facts["threads"] == aecore.get_num_threads()
    assert facts["build"]["isa"] == aecore.build_info()["isa"]
    assert facts["packages"]["numpy"]


def test_info_says_what_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr(info, "OPTIONAL", ("no-such-package",))
    assert status("info") == 0
    assert "no-such-package  not installed" in capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_error():
    code = "import sys; from aecore import cli; sys.exit(cli.main(['info', '--json']))"
    run = subprocess.run(
        f"{sys.executable} -c \"{code}\" | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True,
    )  # fmt: skip
    assert (run.stdout, run.stderr, run.returncode) == ("{\n", "", 0)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(shell, capsys):
    assert status("completion", shell) == 0
    script = capsys.readouterr().out
    for word in (*COMMANDS, "latent-dim", "no-shuffle", "reconstructions"):
        assert word in script
    if shutil.which(shell):
        run = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True)
        assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    "words, completed",
    [
        ("aecore tr", {"train"}),
        ("aecore train --latent", {"--latent-dim"}),
        ("aecore train data.npy --model va", {"vae"}),
        ("aecore plot latent", {"latent-space"}),
        ("aecore completion f", {"fish"}),
        ("aecore score --err", {"--errors"}),
        ("aecore encode mod", set()),
    ],
)
def test_bash_completes(words, completed, capsys):
    assert status("completion", "bash") == 0
    script = capsys.readouterr().out
    script += f"COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _aecore\n"
    script += 'printf "%s\\n" "${COMPREPLY[@]}"\n'
    run = subprocess.run(["bash"], input=script, text=True, capture_output=True, check=True)
    assert set(run.stdout.split()) == completed


def test_bench_runs_and_writes_its_figures(tmp_path, capsys):
    file = tmp_path / "bench.json"
    call = ("bench", "--quick", "--rounds", "1", "--only", "mlp-ae", "--json", str(file))
    assert status(*call) == 0
    shown = capsys.readouterr().out
    assert "\nmlp-ae " in shown and "cvae" not in shown
    found = json.loads(file.read_text())
    assert found["machine"]["aecore"] == aecore.__version__
    assert found["limits"]["peak_gflops"] > 0
    assert [row["workload"] for row in found["train"]] == ["mlp-ae"]


def test_bench_names_the_models_it_knows(capsys):
    assert status("bench", "--only", "perceptron") == 2
    message = capsys.readouterr().err
    assert "mlp-ae" in message and "perceptron" in message


def test_runs_as_a_module_and_imports_little():
    code = (
        "import sys, aecore.cli; aecore.cli.main(['info']);"
        "print([n for n in ('matplotlib', 'sklearn', 'torch', 'pandas') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.endswith("[]\n")
    run = subprocess.run(
        [sys.executable, "-m", "aecore", "--version"], capture_output=True, text=True, check=True
    )
    assert run.stdout == f"aecore {aecore.__version__}\n"
