"""The C test of the vector functions, compiled for each width of vectors that this CPU runs."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ISAS

ROOT = Path(__file__).parents[2]
COMPILER = shlex.split(os.environ.get("CC", "cc"))
FLAGS = "-std=gnu11 -O2 -fno-math-errno -ffp-contract=fast -Wno-psabi -Icsrc".split()
AVX2 = ["-mavx2", "-mfma"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]

pytestmark = [
    pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason="no C compiler"),
    pytest.mark.skipif(not (ROOT / "csrc").exists(), reason="no C sources"),
]


@pytest.mark.parametrize(
    "lanes, isa, flags",
    [
        pytest.param(4, "baseline", [], id="baseline"),
        pytest.param(8, "avx2", AVX2, id="avx2"),
        pytest.param(16, "avx2", AVX2, id="avx512 in avx2"),
        pytest.param(16, "avx512", AVX512, id="avx512"),
    ],
)
def test_vector_functions(lanes, isa, flags, tmp_path):
    if isa not in ISAS:
        pytest.skip(f"{isa} isn't available here")
    if isa == "avx512" and "avx512f" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this build emulates avx512")
    program = str(tmp_path / "test_vec")
    source = "tests/c/test_vec.c"
    command = [*COMPILER, *FLAGS, *flags, f"-DAE_VLEN={lanes}", source, "-lm", "-o", program]
    subprocess.run(command, cwd=ROOT, check=True)
    done = subprocess.run([program, "20011"], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout
