"""Every allocation may fail: that is a MemoryError, and what was there before goes on working."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
COMPILER = shutil.which(os.environ.get("CC") or "gcc") or shutil.which("cc")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or COMPILER is None or "LD_PRELOAD" in os.environ,
    reason="the failing malloc is glibc's, and preloaded",
)


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "failing_malloc.so"
    source = str(SUPPORT / "failing_malloc.c")
    command = [COMPILER, "-O1", "-fPIC", "-shared", "-fno-builtin", source, "-o", str(library)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("the shim can't be built here")
    return str(library)


# What fails, and of how many allocations of a step; `make nomem` takes more.
@pytest.mark.parametrize("what, most", [("core", 40), ("functions", 100), ("models", 20)])
def test_allocations_that_fail(what, most, shim):
    env = {**os.environ, "LD_PRELOAD": shim, "OMP_NUM_THREADS": "1"}
    if what != "core":
        if sysconfig.get_config_var("Py_GIL_DISABLED"):
            pytest.skip("without a global lock Python has no other allocator than its own")
        env["PYTHONMALLOC"] = "malloc"
    command = [sys.executable, str(SUPPORT / "allocations.py"), shim, what, str(most)]
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, (run.returncode, run.stdout[-3000:], run.stderr[-3000:])
