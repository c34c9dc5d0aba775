"""Read files that are wrong in ways nobody thinks of: none may do more than be refused.

    python tools/fuzz_files.py N SEED       by default 1000 and 0; Linux

N files are real ones whose header, or whose configuration with a digest that agrees, was changed as
a tree: values, keys, sizes, dtypes, arrays, whole branches of other models. 10 N are bytes alone:
real ones that were flipped, cut, repeated and spliced, and random ones behind a likely length.
`container.read` takes the ones, `aecore.load` the others.

What is allowed: a ValueError, or a file that is read, and the same again after it was written. All
else is reported, and the file kept in build/fuzz: other exceptions, warnings, an input that takes
more than 10 s, and a MemoryError, since files are small and 512 MB are free. Where the package
safetensors is installed, it has to read whatever is read here. After a crash the last file is in
the folder that is named first.
"""

from __future__ import annotations

import collections
import contextlib
import faulthandler
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import aecore as ae
import numpy as np
from aecore.files import container, document

try:
    import safetensors
except ImportError:
    safetensors = None

KEPT = Path(__file__).parent.parent / "build" / "fuzz"
FREE = 512 << 20  # bytes that an input may take
SECONDS = 10


class Hang(BaseException):
    """An input takes too long."""


# ---- real files ---------------------------------------------------------------------------------


def models(folder: Path) -> list[Path]:
    """Write small models of every kind, and checkpoints of some."""
    rng = np.random.default_rng(0)
    X = rng.random((16, 6), dtype=np.float32)
    images = rng.random((8, 4, 4, 1), dtype=np.float32)
    steps, y = X.reshape(16, 3, 2), np.arange(16) % 2
    kw = {"epochs": 1, "batch_size": 8, "random_state": 0}
    nn = ae.nn
    own = nn.Sequential(nn.Conv2d(1, 2, 2, 2), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))
    back = nn.Sequential(nn.TiedLinear(own.layers[-1]), nn.Linear(8, 16), nn.Reshape((4, 4, 1)))
    table = np.array(
        [(1.5, "a"), (2.5, "b"), (3.0, "a"), (0.5, "b")] * 4, [("x", float), ("k", "U1")]
    )
    fitted = {
        "autoencoder": ae.Autoencoder(ae.Dense((3,)), 2, loss="huber", tied=True, **kw).fit(X),
        "named": ae.VAE(ae.Dense((3,)), 2, schedule=ae.Warmup(1) * ae.Cosine(2), **kw).fit(X),
        "own": ae.Autoencoder((own, back), 2, corruption=ae.Masking(0.1), **kw).fit(images),
        "conv": ae.VAE(ae.Conv((2,)), 2, loss="bce", divergence=ae.MMD(), **kw).fit(images),
        "lstm": ae.Autoencoder(ae.LSTM(2), 2, optimizer="sgd", **kw).fit(steps),
        "transformer": ae.Autoencoder(ae.Transformer(4, 2, 1, 4), 2, **kw).fit(steps),
        "cvae": ae.CVAE(ae.Dense((3,)), 2, **kw).fit(X, np.array(["a", "b"])[y]),
        "properties": ae.CVAE(ae.Dense((3,)), 2, **kw).fit(X, X[:, :2]),
        "vqvae": ae.VQVAE(
            ae.Conv((2,)), 4, 2, prior=ae.PixelCNN(2, 1, 3, epochs=1, batch_size=8), **kw
        ).fit(images),
        "residual": ae.VQVAE(ae.Dense((3,)), 4, 2, quantizers=2, **kw).fit(X),
        "aae": ae.AdversarialAutoencoder(ae.Dense((3,)), 2, discriminator_widths=(3,), **kw).fit(X),
        "gan": ae.GAN(ae.Dense((3,)), 2, **kw).fit(X),
        "stack": ae.StackedAutoencoder(ae.Dense((3,)), 2, **kw).fit(X),
        "classifier": ae.SoftmaxClassifier(
            ae.StackedAutoencoder(ae.Dense((3,)), 2, **kw), **kw
        ).fit(X, y),
        "recirculation": ae.Recirculation(2, **kw).fit(X),
        "table": ae.TabularAutoencoder(ae.Dense((3,)), 2, **kw).fit(table),
        "detector": ae.AnomalyDetector(
            ae.Autoencoder(ae.Dense((3,)), 2, **kw), n_models=2, random_state=0
        ).fit(X),
    }
    paths = []
    for name, model in fitted.items():
        paths.append(folder / name)
        model.save(paths[-1])
    paths.append(folder / "checkpoint")
    options = {**kw, "patience": 1, "validation_fraction": 0.5, "checkpoint": str(paths[-1])}
    ae.Autoencoder(ae.Dense((3,)), 2, **options).fit(X)
    return paths


# ---- trees --------------------------------------------------------------------------------------


class Pairs(list):
    """An object of JSON: its pairs, in which a key may stand twice."""


class Raw(str):
    """What stands in the text as it is."""


DEEP = 3000
ODD = [
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 2**31, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, 10**30,
    -(2**63), 0.5, -1.5, 1e-300, 1e308, "", "x", "10", "a" * 1000, "\0", "é\U0001f600", "\ud800",
    "__metadata__", "__class__", "os.system", "<U1", "O", "|V8", "<f8", "nan",
    *container._DTYPES, "F8_E4M3", Raw("NaN"), Raw("-Infinity"), Raw("1e999"), Raw("-0"), Raw("01"),
    Raw("1.0"), Raw("2e0"), Raw("9" * 30), Raw("9" * 5000), Raw("[" * DEEP + "]" * DEEP),
    Raw('{"a":' * DEEP + "1" + "}" * DEEP),
    Raw('"\\ud83d\\ude00"'), Raw('"\\x"'), Raw("'x'"), Raw(""),
    Raw("[1,]"), Raw("{,}"),
]  # fmt: skip
SPACES = ["", "", "", " ", "\n\t", "\r\n ", "\v", " " * 200]


def parsed(text: str):
    return json.loads(text, object_pairs_hook=Pairs)


def printed(node, rng: random.Random) -> str:
    """Return a tree as JSON, at times with space; what is raw as it is."""
    wide = rng.random() < 0.02
    space = (lambda: rng.choice(SPACES)) if wide else (lambda: "")

    def show(node) -> str:
        if isinstance(node, Raw):
            return str(node)
        if isinstance(node, Pairs):
            inside = [f"{show(k)}{space()}:{space()}{show(v)}" for k, v in node]
            return "{" + f"{space()},{space()}".join(inside) + space() + "}"
        if isinstance(node, (list, tuple)):
            return "[" + f"{space()},{space()}".join(map(show, node)) + space() + "]"
        return json.dumps(node)

    return show(node)


def places(node, found: list) -> list:
    """Return (parent, index) of everything in a tree."""
    for i, child in enumerate(node):
        found.append((node, i))
        child = child[1] if isinstance(node, Pairs) else child
        if isinstance(child, (Pairs, list)):
            places(child, found)
    return found


def copied(node):
    if isinstance(node, Pairs):
        return Pairs((k, copied(v)) for k, v in node)
    return [copied(v) for v in node] if isinstance(node, list) else node


def changed(value, rng: random.Random, others: list):
    """Return something in a value's place, often of its type."""
    kind = rng.randrange(8)
    if kind < 3:
        return copied(rng.choice(others))
    if kind < 5:
        alike = [odd for odd in ODD if type(odd) is type(value)]
        return rng.choice(alike if alike and rng.random() < 0.5 else ODD)
    if isinstance(value, bool) or value is None:
        return rng.choice([True, False, None, 0, 1])
    if isinstance(value, int):
        step = rng.choice([1, -1, 2, 8, 64, value, -value, 2**32, 10**6, 10**9])
        return rng.choice([value + step, value * 2, value // 2, float(value), str(value)])
    if isinstance(value, float):
        return rng.choice(
            [-value, value * 1e300, 1 / value if value else 1, int(value), str(value)]
        )
    if isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        if any(c.isdigit() for c in value) and rng.random() < 0.3:
            return re.sub("[0-9]+", rng.choice(["0", "1", "7", "99", "500000000", "9" * 10]), value)
        middle = rng.choice(["", "x", "\0", "é", '"', "\\", "\ud800", " ", "a" * 300])
        return rng.choice([value[:at] + middle + value[at:], value[:at], value.upper(), [value]])
    if isinstance(value, list):
        more = copied(rng.choice(others))
        return rng.choice([[*value, more], value[1:], value[::-1], value * 2, value * 200, [value]])
    return value


def mutate(tree, rng: random.Random, others: list) -> None:
    """Change a tree in a few places."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        found = places(tree, [])
        if not found:
            return
        if rng.random() < 0.5:  # each key as often as the others, however often it stands there
            keys = {str(p[j][0]) for p, j in found if isinstance(p, Pairs)}
            key = rng.choice(sorted(keys))
            found = [(p, j) for p, j in found if isinstance(p, Pairs) and str(p[j][0]) == key]
        parent, i = rng.choice(found)
        at = rng.randrange(len(parent) + 1)
        kind = rng.randrange(10)
        if kind == 0:
            del parent[i]
        elif kind == 1:
            parent.insert(at, copied(parent)[i])
        elif kind == 2:
            parent[i], parent[at - 1] = parent[at - 1], parent[i]
        elif isinstance(parent, Pairs):
            key, value = parent[i]
            if kind == 3:
                wrong = rng.choice(
                    [str(rng.choice(ODD)), f"{key}x", f"{key}"[:-1], "dtype", "class", 1]
                )
                parent[i] = wrong, value
            elif kind == 4:
                parent.insert(at, (rng.choice(["x", "__metadata__", key]), rng.choice(ODD)))
            else:
                parent[i] = key, changed(value, rng, others)
        else:
            parent[i] = changed(parent[i], rng, others)


# ---- inputs -------------------------------------------------------------------------------------


def packed(header: bytes, data: bytes, length: int | None = None) -> bytes:
    length = len(header) if length is None else length
    return length.to_bytes(8, "little") + header + data


class Source:
    """What inputs are made of: real files, in pieces."""

    def __init__(self, paths: list[Path]) -> None:
        self.files = [path.read_bytes() for path in paths]
        self.headers, self.configs = [], []
        for path, content in zip(paths, self.files, strict=True):
            length = int.from_bytes(content[:8], "little")
            self.headers.append((parsed(content[8 : 8 + length].decode()), content[8 + length :]))
            tensors, metadata = container.read(path)
            self.configs.append((parsed(metadata["config"]), tensors))
        trees = [tree for tree, _ in self.headers + self.configs]
        self.values = [
            parent[i][1] if isinstance(parent, Pairs) else parent[i]
            for tree in trees
            for parent, i in places(tree, [])
        ]

    def header(self, rng: random.Random) -> bytes:
        """Return a file with another header, arrays as they were, or nearly so."""
        tree, data = rng.choice(self.headers)
        tree = copied(tree)
        for i, (name, value) in enumerate(tree):  # configurations are long, and not the point
            if name == "__metadata__" and rng.random() < 0.9:
                tree[i] = name, Pairs((k, v[:20]) for k, v in value)
        if rng.random() < 0.5:
            del tree[rng.randrange(1, 6) :]
            ends = [v[2][1][1] for k, v in tree if k != "__metadata__"]
            data = data[: max(ends, default=0)]
        mutate(tree, rng, self.values)
        header = printed(tree, rng).encode(errors="surrogatepass")
        header += b" " * rng.choice([0, -len(header) % 8])
        kind = rng.randrange(20)
        if kind == 0:
            data = data[: rng.randrange(len(data) + 1)]
        elif kind == 1:
            data += rng.randbytes(rng.randrange(1, 9))
        length = len(header) + (rng.choice([-8, -1, 1, 8, 2**40, 2**63]) if kind == 2 else 0)
        return packed(header, data, max(length, 0))

    def config(self, rng: random.Random) -> bytes:
        """Return a file with another configuration or other arrays, and their digest."""
        tree, tensors = rng.choice(self.configs)
        tree, tensors = copied(tree), dict(tensors)
        kind = rng.randrange(10)
        if kind > 1:
            mutate(tree, rng, self.values)
        if kind < 4:
            self.arrays(tensors, rng)
        text = printed(tree, rng)
        digest = document._digest(text, tensors)
        metadata = {"aecore": document.FORMAT, "config": text, "digest": digest}
        if rng.random() < 0.02:
            metadata[rng.choice([*metadata, "more"])] = rng.choice(["", "1", "2", "{}", "x" * 64])
        header, data = Pairs([("__metadata__", Pairs(metadata.items()))]), b""
        for name, array in tensors.items():
            end = len(data) + array.nbytes
            dtype = container._NAMES[array.dtype.str[1:]]
            described = {"dtype": dtype, "shape": array.shape, "data_offsets": (len(data), end)}
            header.append((name, Pairs(described.items())))
            data += array.tobytes()
        return packed(printed(header, rng).encode(), data)

    def arrays(self, tensors: dict[str, np.ndarray], rng: random.Random) -> None:
        """Change one of a file's arrays."""
        name = rng.choice(list(tensors))
        array = tensors[name]
        kind = rng.randrange(8)
        if kind == 0:
            del tensors[name]
        elif kind == 1:
            tensors[rng.choice(["x", name + "x", f"best.{name}", f"0.{name}"])] = array
        elif kind == 2:
            tensors[name] = tensors[rng.choice(list(tensors))]
        elif kind == 3:
            dtype = container._DTYPES[rng.choice([d for d in container._DTYPES if d != "BF16"])]
            with np.errstate(all="ignore"):
                tensors[name] = array.astype(dtype)
        elif kind == 4:
            shapes = [array.shape[::-1], (array.size,), (1, *array.shape), (*array.shape, 1)]
            tensors[name] = array.reshape(rng.choice(shapes))
        elif kind == 5:
            tensors[name] = array[: rng.randrange(2)] if array.ndim else array[None]
        elif array.size:
            tensors[name] = array = array.copy()
            odd = [np.nan, np.inf, 0, -1, 1e30] if array.dtype.kind == "f" else [0, -1, 2**31 - 1]
            array.flat[rng.randrange(array.size)] = rng.choice(odd)

    def raw(self, rng: random.Random) -> bytes:
        """Return bytes: real ones with damage, or random ones."""
        if rng.random() < 0.3:
            body = rng.randbytes(rng.randrange(64))
            if rng.random() < 0.7:
                body = b"{" + bytes(rng.choices(b' {}[]",:0123456789\\uadeF\xff', k=len(body)))
            return packed(body, b"") if rng.random() < 0.9 else body
        content = bytearray(rng.choice(self.files))
        length = 8 + int.from_bytes(content[:8], "little")
        if rng.random() < 0.8:  # a short file: the arrays' part of the header, and some
            begin = content.rfind(b'"},"', 0, length) + 3
            short = b"{" + bytes(content[begin:length]) if begin > 2 else bytes(content[8:length])
            content = bytearray(packed(short, bytes(content[length:])))
            length = 8 + len(short)
        for _ in range(rng.choice([1, 1, 2, 4])):
            kind, at = rng.randrange(6), rng.randrange(min(len(content), length) or 1)
            if kind == 0 and content:
                content[at] ^= 1 << rng.randrange(8)
            elif kind == 1 and content:
                content[at] = rng.choice(b'{}[]",:0123456789-.eE\\ \0\xff')
            elif kind == 2:
                del content[at : at + rng.choice([1, 2, 8, 100])]
            elif kind == 3:
                content[at:at] = content[at : at + rng.choice([1, 2, 8, 100])]
            elif kind == 4:
                del content[rng.randrange(len(content) + 1) :]
            else:
                other = rng.choice(self.files)
                start = rng.randrange(len(other))
                content[at : at + 20] = other[start : start + rng.choice([1, 20, 200])]
        if rng.random() < 0.5:
            content[:8] = max(0, length - 8 + rng.choice([0, 0, 1, -1])).to_bytes(8, "little")
        return bytes(content)


# ---- reading them -------------------------------------------------------------------------------


def read(path: str) -> str:
    """Read a file as arrays; return what came of it."""
    try:
        tensors, metadata = container.read(path)
    except ValueError as error:
        message = str(error)
        assert "expected" in message and ", got " in message and len(message) < 400, message
        return "refused" if safetensors is None or not by_package(path) else "refused here alone"
    if safetensors is not None:
        theirs = by_package(path)
        assert theirs is not None, "the package refuses it"
        assert theirs.keys() <= tensors.keys()
        for name, array in theirs.items():
            assert array.tobytes() == tensors[name].tobytes() or array.dtype != tensors[name].dtype
    container.write(path, tensors, metadata)
    again, text = container.read(path)
    assert text == metadata and again.keys() == tensors.keys()
    for name, array in tensors.items():
        assert again[name].tobytes() == array.tobytes() and again[name].dtype == array.dtype
    return "read"


def by_package(path: str) -> dict[str, np.ndarray] | None:
    """Return what the package reads, if it does, but for bfloat16, which NumPy has not."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names = [n for n in file.keys() if file.get_slice(n).get_dtype() != "BF16"]  # noqa: SIM118
            return {name: file.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, ValueError, TypeError, AttributeError, KeyError):
        return None


def read_model(path: str) -> str:
    """Read a file as a model; return what came of it."""
    try:
        model = ae.load(path)
    except ValueError as error:
        message = str(error)
        newer = f"{path}: expected a model file of format 1, got one of format "
        assert message.startswith((f"{path}: expected a whole model file of aecore: ", newer))
        assert message.isprintable(), message
        return "refused"
    repr(model)
    assert model._repr_html_().replace("\n", "").isprintable()
    model.save(f"{path}-again")
    ae.load(f"{path}-again")
    os.unlink(f"{path}-again")
    return "read"


class Run:
    """Reads inputs one after another, and notes what isn't as it should be."""

    def __init__(self, folder: Path, seed: str) -> None:
        self.path, self.seed = str(folder / "input"), seed
        self.problems: dict[str, str] = {}

    def inputs(self, kind: str, make, readers: list, n: int) -> None:
        began, counts = time.monotonic(), collections.Counter()
        slowest = 0.0
        for i in range(n):
            rng = random.Random(f"{self.seed} {kind} {i}")
            content = make(rng)
            with open(self.path, "wb") as file:
                file.write(content)
            started = time.perf_counter()
            for reader in readers:
                counts[self.attempt(reader, f"{kind}-{self.seed}-{i}", content)] += 1
            slowest = max(slowest, time.perf_counter() - started)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
        print(
            f"{kind:8} {n} files in {time.monotonic() - began:.0f} s: {told}; the slowest took "
            f"{1e3 * slowest:.0f} ms; at most {most:.0f} MB in all",
            flush=True,
        )

    def attempt(self, reader, name: str, content: bytes) -> str:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            return reader(self.path)
        except (Exception, Hang) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{reader.__name__}: {type(error).__name__} in {last.filename}:{last.lineno}"
            if where not in self.problems:
                KEPT.mkdir(parents=True, exist_ok=True)
                (KEPT / name).write_bytes(content)
                self.problems[where] = f"{where}: {str(error)[:300]}\n    {KEPT / name}"
                print(f"** {self.problems[where]}", flush=True)
            return f"PROBLEMS of {reader.__name__}"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def main(arguments: list[str]) -> int:
    n = int(arguments[0]) if arguments else 1000
    seed = arguments[1] if len(arguments) > 1 else "0"
    faulthandler.enable()
    warnings.simplefilter("error")

    def hang(*_):
        raise Hang(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, hang)
    with contextlib.ExitStack() as stack:
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory)))
        print(f"{n} files and {10 * n} of bytes alone, seed {seed}, in {folder}", flush=True)
        source, run = Source(models(folder)), Run(folder, seed)
        with open("/proc/self/statm") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + FREE, resource.RLIM_INFINITY))
        run.inputs("header", source.header, [read], n - n // 2)
        run.inputs("config", source.config, [read_model], n // 2)
        run.inputs("raw", source.raw, [read], 9 * n)
        run.inputs("bytes", source.raw, [read_model], n)
    print(f"{len(run.problems)} kinds of problems" if run.problems else "nothing to report")
    return bool(run.problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
