"""What inputs are made of: real models and compressed bytes, changed as trees, fields and bytes."""

from __future__ import annotations

import json
import random
import re
import struct
import tempfile
import zlib
from pathlib import Path

import aecore as ae
import numpy as np
from aecore.files import container, document

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


def mutate(tree, rng: random.Random, others: list, known: list) -> None:
    """Change a tree in a few places, to values and keys that others have."""
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
                wrong = rng.choice([str(rng.choice(ODD)), f"{key}x", f"{key}"[:-1], 1])
                wrong = rng.choice([wrong, rng.choice(known)])
                parent[i] = wrong, value
            elif kind == 4:
                new = rng.choice(["x", "__metadata__", key, *rng.choices(known, k=3)])
                parent.insert(at, (new, copied(rng.choice([rng.choice(ODD), rng.choice(others)]))))
            else:
                parent[i] = key, changed(value, rng, others)
        else:
            parent[i] = changed(parent[i], rng, others)


# ---- inputs -------------------------------------------------------------------------------------


def packed(header: bytes, data: bytes, length: int | None = None) -> bytes:
    length = len(header) if length is None else length
    return length.to_bytes(8, "little") + header + data


def short(tree: Pairs, data: bytes, i: int) -> bytes:
    """Return a file's first few arrays as a file."""
    text = [("__metadata__", Pairs([("aecore", "1")]))] * (i % 2)
    some = [(name, value) for name, value in tree if name != "__metadata__"][: 1 + i % 4]
    header = printed(Pairs([*text, *some]), random.Random(0)).encode()
    return packed(header, data[: some[-1][1][2][1][1]])


class Files:
    """Makes files out of real ones."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            self._read(models(Path(folder)))

    def _read(self, paths: list[Path]) -> None:
        self.files = [path.read_bytes() for path in paths]
        self.headers, self.configs = [], []
        for path, content in zip(paths, self.files, strict=True):
            length = int.from_bytes(content[:8], "little")
            self.headers.append((parsed(content[8 : 8 + length].decode()), content[8 + length :]))
            tensors, metadata = container.read(path)
            self.configs.append((parsed(metadata["config"]), tensors))
        self.short = [short(tree, data, i) for i, (tree, data) in enumerate(self.headers * 3)]
        trees = [tree for tree, _ in self.headers + self.configs]
        found = [place for tree in trees for place in places(tree, [])]
        self.keys = sorted({str(p[i][0]) for p, i in found if isinstance(p, Pairs)})
        self.values = [
            parent[i][1] if isinstance(parent, Pairs) else parent[i] for parent, i in found
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
        mutate(tree, rng, self.values, self.keys)
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
            mutate(tree, rng, self.values, self.keys)
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
        content = bytearray(rng.choice(self.short if rng.random() < 0.9 else self.files))
        length = 8 + int.from_bytes(content[:8], "little")
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


# ---- compressed bytes ---------------------------------------------------------------------------

NUMBERS = [0, 1, 2, 3, 7, 8, 16, 17, 24, 25, 127, 255, 256, 65535, 2**24, 2**31, 2**32 - 1, 2**63]
FLOATS = [0.0, -0.0, 1.0, -1.0, 1e-45, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan]


class Codes:
    """Makes compressed bytes out of real ones.

    Attributes
    ----------
    coded : list of (model, y, fields)
        Models, what their `decompress` takes beside bytes, and real bytes as (format, value) by
        field, of which the last is that of the symbols.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(24, 6)).astype(np.float32), np.arange(24) % 2
        images = rng.random((12, 4, 4, 1), dtype=np.float32)
        many, steps = np.repeat(X, 20, axis=0), X.reshape(24, 3, 2)
        kw = {"epochs": 1, "batch_size": 8, "random_state": 0, "n_threads": 1}
        dense = ae.Dense((3,))
        fitted = [
            (ae.Autoencoder(dense, 2, **kw).fit(X), X, None),
            (ae.VAE(dense, 3, **kw).fit(X), many, None),
            (ae.CVAE(dense, 2, **kw).fit(X, y), X, y),
            (ae.Autoencoder(ae.LSTM(2), 2, **kw).fit(steps), steps, None),
            (ae.VQVAE(dense, 4, 2, **kw).fit(X), many, None),
            (ae.VQVAE(ae.Conv((2,)), 300, 2, **kw).fit(images), images, None),
            (ae.VQVAE(dense, 4, 2, quantizers=3, **kw).fit(X), X, None),
        ]
        self.coded = []
        for model, samples, labels in fitted:
            for bits in [None] if isinstance(model, ae.VQVAE) else [1, 8, 16]:
                data = ae.compress(model, samples, labels, bits=bits)
                self.coded.append((model, labels, fields(data, model)))

    def damaged(self, rng: random.Random) -> tuple:
        """Return a model, a y, and bytes with other fields."""
        model, y, found = rng.choice(self.coded)
        found = dict(found)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            name = rng.choice(list(found))
            form, value = found[name]
            if form == "s":
                found[name] = form, self.symbols(bytearray(value), rng)
            elif name in ("magic", "digest"):
                if rng.random() < 0.1:
                    found[name] = form, self.symbols(bytearray(value), rng)
            else:
                values = list(value)
                for _ in range(rng.choice([1, 1, len(values)]) if values else 0):
                    i = rng.randrange(len(values))
                    values[i] = number(values[i], form[-1], rng)
                found[name] = form, values
        if rng.random() < 0.02:
            del found[rng.choice(list(found))]
        elif rng.random() < 0.1:  # of other samples
            name = rng.choice(list(found))
            others = rng.choice(self.coded)[2]
            found[name] = others.get(name, found[name])
        return model, y, joined(found, rng.random() < 0.95)

    def raw(self, rng: random.Random) -> tuple:
        """Return a model, a y, and bytes with bytes that were changed, behind what has to be."""
        model, y, found = rng.choice(self.coded)
        whole = joined(found, False)[:-4]
        keep = rng.choice([0, 12, 20, 22, 30])
        data = whole[:keep] + self.symbols(bytearray(whole[keep:]), rng)
        crc = zlib.crc32(data) if rng.random() < 0.95 else rng.randrange(2**32)
        return model, y, data + struct.pack("<I", crc)

    def symbols(self, data: bytearray, rng: random.Random) -> bytes:
        """Return bytes with damage, or others."""
        for _ in range(rng.choice([1, 1, 2, 5])):
            kind, at = rng.randrange(7), rng.randrange(len(data) + 1)
            if kind == 0 and at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1 and at < len(data):
                data[at] = rng.choice((0, 255, rng.randrange(256)))
            elif kind == 2:
                del data[at : at + rng.choice([1, 2, 8, 100])]
            elif kind == 3:
                data[at:at] = data[at : at + rng.choice([1, 2, 8, 100])]
            elif kind == 4:
                del data[at:]
            elif kind == 5:
                data[at:at] = rng.randbytes(rng.choice([1, 2, 4, 50]))
            else:
                data[at : at + 20] = bytes(rng.choice([1, 20])) if at % 2 else b"\xff" * 20
        return bytes(data)


def fields(data: bytes, model) -> dict:
    """Return compressed bytes as formats and values, by the names of fields."""
    at, found = 0, {}

    def take(name, form):
        nonlocal at
        found[name] = form, list(struct.unpack_from(f"<{form}", data, at))
        at += struct.calcsize(f"<{form}")

    found["magic"], found["digest"] = ("4s", data[:4]), ("8s", data[4:12])
    at = 12
    for name, form in [("n", "Q"), ("kind", "B"), ("axes", "B")]:
        take(name, form)
    take("shape", f"{found['axes'][1][0]}I")
    take("contexts", "I"), take("learned", "B")
    if isinstance(model, ae.VQVAE):
        take("size", "I")
    else:
        width = found["shape"][1][0]
        take("bits", f"{width}B"), take("low", f"{width}f"), take("high", f"{width}f")
    found["symbols"] = "s", data[at:-4]
    assert joined(found) == data
    return found


def joined(found: dict, sound: bool = True) -> bytes:
    """Return fields as bytes, with a checksum that agrees or doesn't."""
    parts = [
        value if isinstance(value, bytes) else struct.pack(f"<{form}", *value)
        for form, value in found.values()
    ]
    data = b"".join(parts)
    return data + struct.pack("<I", zlib.crc32(data) ^ (not sound))


def number(value: float, form: str, rng: random.Random) -> float:
    """Return another number that a format of `struct` takes."""
    if form == "f":
        return float(np.float32(rng.choice([*FLOATS, -value, value + 1, value - 1])))
    most = 2 ** (8 * struct.calcsize(f"<{form}")) - 1
    return rng.choice([*NUMBERS, value + 1, value - 1, value * 2, value ^ 1 << 7, most]) & most
