"""Builds aecore._core: one static library for each instruction set, then the extension.

Everything else stands in pyproject.toml. Switches, all environment variables:

AECORE_WERROR=1           warnings are errors
AECORE_DEBUG=1            no optimisation, debug symbols, asserts
AECORE_SANITIZE=LIST      -fsanitize=LIST (address,undefined), debug symbols, asserts
AECORE_NO_OPENMP=1        one thread unless more are asked for, as where a compiler has no OpenMP
AECORE_OPENMP_TEAMS=1     OpenMP's own teams, as on Windows, in place of base/team.c: to compare
AECORE_NATIVE=1           -march=native for what isn't dispatched: not portable
AECORE_EMULATE_AVX512=1   the avx512 kernels in AVX2 instructions, to test them anywhere

The C is GNU's, with vector types: GCC and Clang compile it. On Windows that is clang-cl, Clang as a
stand-in for Microsoft's compiler, which can't. On macOS OpenMP is Homebrew's libomp. For Pyodide it
is Emscripten's Clang: one thread, and vectors of 128 bits.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zlib
from glob import glob
from pathlib import Path

import numpy
from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext

HELP = """

aecore is built from C. {problem}
On Debian or Ubuntu this installs all it needs:

    sudo apt-get install gcc libc6-dev python3-dev
"""
OPENMP = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
PLATFORM = sysconfig.get_platform()
X86_64 = PLATFORM.endswith(("x86_64", "amd64"))
AARCH64 = PLATFORM.endswith(("aarch64", "arm64"))
WINDOWS = PLATFORM.startswith("win")
WASM = PLATFORM.startswith("emscripten") or sys.platform == "emscripten"
LIBOMP = ["/opt/homebrew/opt/libomp", "/usr/local/opt/libomp"]  # where Homebrew puts it


def switch(name):
    return os.environ.get(f"AECORE_{name}", "") not in ("", "0")


def builds(source, *flags):
    """Whether the compiler makes a program of this, with the user's flags as in the build."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    flags += tuple(shlex.split(f"{os.environ.get('CFLAGS', '')} {os.environ.get('LDFLAGS', '')}"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "probe.c")
        file.write_text(source)
        command = [*compiler, *flags, str(file), "-o", str(file.with_suffix(""))]
        try:
            return subprocess.run(command, capture_output=True).returncode == 0
        except OSError:
            return False


def openmp():
    """Return what OpenMP takes in compiling and in linking, or None."""
    if WASM:
        return None
    if WINDOWS:
        library = Path(shutil.which("clang-cl") or "bin/none").parents[1] / "lib" / "libomp.lib"
        return (["-fopenmp"], [str(library)]) if library.exists() else None
    choices = [(["-fopenmp"], ["-fopenmp"])]
    if PLATFORM.startswith("macosx"):  # Apple's Clang has it in its preprocessor alone
        choices += [
            (["-Xpreprocessor", "-fopenmp", f"-I{at}/include"], [f"-L{at}/lib", "-lomp"])
            for at in LIBOMP
        ]
    found = (c for c in choices if builds(OPENMP, *c[0], *c[1], "-shared", "-fPIC"))
    return next(found, None)


def use_clang_cl(compiler):
    """Let clang-cl and its linker stand in for Microsoft's."""
    if compiler.compiler_type == "msvc":
        compiler.initialize()
        compiler.cc, compiler.linker = shutil.which("clang-cl"), shutil.which("lld-link")


def spelled(flags):
    """Return flags as the compiler takes them."""
    return [f"/clang:{flag}" for flag in flags] if WINDOWS else flags


class CheckedBuild(build_clib):
    """The first step of a build, where a missing tool gets an answer rather than a log."""

    def run(self):
        if WINDOWS:
            if not (shutil.which("clang-cl") and shutil.which("lld-link")):
                sys.exit("aecore is built by clang-cl and lld-link: winget install LLVM.LLVM")
        elif not builds("#include <stdio.h>\nint main(void) { return 0; }\n"):
            sys.exit(HELP.format(problem="There is no working C compiler here."))
        elif not builds("#include <Python.h>\n", "-c", f"-I{sysconfig.get_path('include')}"):
            sys.exit(HELP.format(problem="The headers of Python (Python.h) are missing here."))
        super().run()

    def build_libraries(self, libraries):
        use_clang_cl(self.compiler)
        super().build_libraries(libraries)


class Build(build_ext):
    def build_extensions(self):
        use_clang_cl(self.compiler)
        super().build_extensions()


sanitize = os.environ.get("AECORE_SANITIZE", "")
debug = switch("DEBUG") or sanitize
emulate = switch("EMULATE_AVX512")

flags = ["-std=gnu11", "-fno-math-errno", "-ffp-contract=fast", "-fvisibility=hidden"]
flags += "-Wall -Wextra -Wshadow -Wstrict-prototypes -Wpointer-arith -Wvla".split()
flags += ["-O1" if sanitize else "-O0", "-g", "-UNDEBUG"] if debug else ["-O3", "-g0", "-DNDEBUG"]
link = []
if sanitize:
    flags += ["-fno-omit-frame-pointer", "-fno-sanitize-recover=all", f"-fsanitize={sanitize}"]
    link += [f"-fsanitize={sanitize}"]
threads = None if switch("NO_OPENMP") else openmp()
flags += threads[0] if threads else ["-fopenmp-simd"]
link += threads[1] if threads else []
if WINDOWS or WASM or switch("OPENMP_TEAMS"):  # without POSIX threads
    flags += ["-DAE_OPENMP_TEAMS"]
else:
    flags += ["-pthread"]
    link += ["-pthread"]
if not debug and PLATFORM.startswith("linux"):
    link += ["-Wl,-s"]
if switch("WERROR"):
    flags += ["-Werror"]
if emulate:
    flags += ["-DAE_EMULATE_AVX512"]
native = ["-march=native"] if switch("NATIVE") else ["-msimd128"] if WASM else []
# Guards that cost nothing here: six workloads took 0.96 to 1.02 times as long, as without them.
if not debug and PLATFORM.startswith("linux"):
    flags += ["-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
    link += ["-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"]
if not WINDOWS:
    flags += [f"-ffile-prefix-map={Path.cwd()}=."]  # the same bytes wherever it is built

AVX2 = ["-mavx2", "-mfma"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
if emulate:
    AVX512 = [*AVX2, "-Wno-psabi"]
isas = {"baseline": native}

if X86_64:
    isas |= {"avx2": AVX2, "avx512": AVX512}
elif AARCH64:
    isas |= {"neon": []}

# The libraries look at obj_deps and the extension at depends: a change of any must reach both.
files = sorted(glob("csrc/**/*.*", recursive=True))
libraries = [
    (
        f"aecore_{isa}",
        {
            "sources": [f"csrc/isa/{isa}.c"],
            "include_dirs": ["csrc"],
            "cflags": spelled(flags + isa_flags),
            "obj_deps": {"": files},
        },
    )
    for isa, isa_flags in isas.items()
]
core = Extension(
    "aecore._core",
    sources=sorted(glob("csrc/base/*.c") + glob("csrc/ops/*.c") + glob("csrc/py/*.c")),
    include_dirs=["csrc", *([numpy.get_include()] if WINDOWS else [])],
    define_macros=[
        *((f"AE_HAVE_{isa.upper()}", None) for isa in isas),
        ("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"),
        ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION"),
    ],
    depends=files,
    # -isystem: NumPy's headers are not ours to warn about
    extra_compile_args=[
        *([] if WINDOWS else ["-isystem", numpy.get_include()]),
        *spelled(flags + native),
    ],
    extra_link_args=link,
)
# Objects of one configuration are no use to another, so each has a folder of its own.
configuration = repr([os.environ.get(name) for name in ("CC", "CFLAGS")] + [flags, link, native])
folder = f"build/{zlib.crc32(configuration.encode()):08x}"
setup(
    libraries=libraries,
    ext_modules=[core],
    cmdclass={"build_clib": CheckedBuild, "build_ext": Build},
    options={"build": {"build_base": folder}},
)
