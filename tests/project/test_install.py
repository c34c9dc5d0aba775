"""What `make` says while pip installs: its steps, out of pip's own lines."""

import importlib.util
import re
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "install.py"
if not TOOL.exists():
    pytest.skip("the tools aren't part of this copy of the sources", allow_module_level=True)

PIP = """\
Using pip 24.0 from /home/me/.venv/lib/python3.11/site-packages/pip (python 3.11)
Processing /home/me/aecore
  Installing build dependencies: started
  Collecting setuptools>=77
    Using cached setuptools-84.2.1-py3-none-any.whl (1.2 MB)
  Installing build dependencies: finished with status 'done'
  Preparing metadata (pyproject.toml): started
  Preparing metadata (pyproject.toml): finished with status 'done'
Processing /wheels/numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl (from aecore==0.1.0)
Collecting matplotlib (from aecore==0.1.0)
  Downloading matplotlib-3.11.2-cp311-cp311-manylinux2014_x86_64.whl (8.7 MB)
Building wheels for collected packages: aecore
  Building wheel for aecore (pyproject.toml): started
  copying python/aecore/cli/info.py -> build/lib/aecore/cli
  gcc -O3 -c csrc/isa/avx2.c -o build/temp/csrc/isa/avx2.o -mavx2
  gcc -O3 -c csrc/ops/conv.c -o build/temp/csrc/ops/conv.o
  gcc -shared build/temp/csrc/ops/conv.o -o build/lib/aecore/_core.so
  Building wheel for aecore (pyproject.toml): finished with status 'done'
Installing collected packages: numpy, matplotlib, aecore
Successfully installed aecore-0.1.0 matplotlib-3.11.2 numpy-2.4.6
"""


@pytest.fixture
def progress():
    spec = importlib.util.spec_from_file_location("install", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Progress()


def test_in_a_file_each_step_is_a_line(progress, capsys):
    for line in PIP.splitlines(keepends=True):
        progress.read(line)
    progress.end()
    assert re.sub(r"\d+ s$", "0 s", capsys.readouterr().out, flags=re.MULTILINE) == (
        "  1 of 4  getting the tools to build it ... 0 s\n"
        "  2 of 4  fetching what it needs ... 2 packages, 0 s\n"
        "  3 of 4  compiling C ... 2 files, 0 s\n"
        "  4 of 4  installing ... 0 s\n"
    )


def test_on_a_terminal_a_step_says_what_it_is_at(progress, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    progress.live = True
    for line in PIP.splitlines(keepends=True):
        progress.read(line)
    progress.end()
    shown = capsys.readouterr().out
    assert "compiling C: csrc/ops/conv.c, 2 of " in shown
    assert "fetching what it needs: matplotlib-3.11.2, " in shown
    lines = [line for line in re.split(r"\r\x1b\[K|\n", shown) if line]
    assert max(map(len, lines)) < 60
    assert len(lines) == len(set(lines)), "nothing is drawn twice"


def test_what_is_there_already_takes_no_step(progress, capsys):
    progress.read("Requirement already satisfied: numpy in ./.venv (1.0)\n")
    progress.end()
    assert capsys.readouterr().out == ""
