"""How the core was built, and what builds it for others: guards, no paths, actions by commit."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from aecore import _core

ROOT = Path(__file__).parents[2]
CORE = Path(_core.__file__)


@pytest.fixture(scope="module")
def read():
    """Return a function that says what readelf has to say of the core."""
    if not sys.platform.startswith("linux") or shutil.which("readelf") is None:
        pytest.skip("readelf reads what Linux has, where it is installed")

    def run(*options):
        command = ["readelf", "--wide", *options, str(CORE)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    if ".debug_info" in run("--sections"):
        pytest.skip("a build with debug symbols has no guards")
    return run


def test_guards(read):
    segments, entries = read("--segments"), read("--dynamic")
    assert "GNU_RELRO" in segments and "BIND_NOW" in entries and "TEXTREL" not in entries
    (stack,) = re.findall(r"GNU_STACK.* (R\w*) +0x", segments)
    assert stack == "RW"
    symbols = read("--dyn-syms")
    assert "__stack_chk_fail" in symbols  # stack protector
    assert re.search(r"__(mem|str|s|sn|vsn)\w+_chk@", symbols)  # _FORTIFY_SOURCE


def test_no_path_of_the_sources(read):
    assert not re.search(rb"/[\w./ -]*csrc/", CORE.read_bytes().replace(b"./csrc/", b""))
    assert not re.search(
        r"R(UN)?PATH.*(:|\[)(\.|\]|:)", read("--dynamic")
    )  # nor one that is relative


def test_actions_are_named_by_commit():
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    if not files:
        pytest.skip("the workflows aren't part of this copy of the sources")
    for file in files:
        used = re.findall(r"uses: *(.*)", file.read_text())
        assert used
        for action in used:
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v[\d.]+", action), action
