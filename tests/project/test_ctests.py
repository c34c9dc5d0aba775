"""The tests in C, as `make tsan`, `make test-neon` and `make wasm` have them, on this machine."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = sorted(
    str(f.relative_to(ROOT)) for part in ("base", "ops") for f in (ROOT / "csrc" / part).glob("*.c")
)
FLAGS = "-std=gnu11 -fno-math-errno -ffp-contract=fast -fopenmp-simd -Icsrc"
NODE = {"NODE_PATH": "/usr/share/nodejs", "NODE_OPTIONS": "--no-experimental-fetch"}  # see wasm.sh

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="the tests in C are for POSIX threads"),
    pytest.mark.skipif(not (ROOT / "csrc").exists(), reason="no C sources"),
]


@pytest.mark.slow
def test_all_with_the_baseline_kernels(tmp_path):
    compiler = os.environ.get("CC", "cc")
    if shutil.which(shlex.split(compiler)[0]) is None:
        pytest.skip("no C compiler")
    flags = f"{FLAGS} -O1 -pthread -DAE_ALL_TAKE_PART"
    done = subprocess.run(
        ["tools/ctests.sh", str(tmp_path / "made"), *CORE, "csrc/isa/baseline.c"],
        cwd=ROOT, env={**os.environ, "CC": compiler, "CFLAGS": flags, "HINT": ""},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("\n== ") + 1 == len(list((ROOT / "tests" / "c").glob("*.c")))


@pytest.mark.skipif(not (shutil.which("emcc") and shutil.which("node")), reason="no Emscripten")
def test_sizes_where_a_size_has_32_bits(tmp_path):
    program = str(tmp_path / "sizes.js")
    sources = ["tests/c/test_sizes.c", "csrc/base/arena.c"]
    flags = [*FLAGS.split(), "-O1", "-sALLOW_MEMORY_GROWTH"]
    env = {**os.environ, **NODE}
    subprocess.run(["emcc", *flags, *sources, "-o", program], cwd=ROOT, env=env, check=True)
    done = subprocess.run(["node", program], env=env, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout
