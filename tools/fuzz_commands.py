"""Call ``aecore`` in ways nobody thinks of: none may do more than be refused in a sentence.

    python tools/fuzz_commands.py N SEED       by default 10000 and 0; Linux

N command lines over small files, good and damaged ones, in process; every 33rd in a process of its
own. Arguments are those of the parser itself, with values that fit, and others; stdout may be
closed, full, or know few characters.

What is allowed: status 0 with the files that were asked for, whole, and nothing else; or status 2
with one sentence on stderr, nothing on stdout and all files as they were. Status 0 is a fault too
where an argument can't be right: a file that is missing or cut short, an unknown option, text in
place of a number. All else is reported with its command line, which is also written to
build/commands, beside all messages that were printed, each once.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import csv
import io
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "agg"

import aecore as ae
import numpy as np
from aecore import cli
from aecore.cli._flags import unknown
from aecore.cli._kinds import KINDS

try:
    import pandas
except ImportError:
    pandas = None
try:
    import PIL.Image as pillow
except ImportError:
    pillow = None

KEPT = Path(__file__).parent.parent / "build" / "commands"
ROOM = 3 << 30  # bytes of memory beyond those that are in use
SECONDS = 120
PROCESSES = 33  # command lines, of which one is run in a process of its own
COMMANDS = "train encode decode reconstruct impute sample score plot info completion".split()
PICTURES = (
    "history reconstructions latent-space samples manifold traversal interpolation errors codebook "
    "code-sizes scores roc"
).split()
# words of messages that are not meant for people
INTERNAL = re.compile(
    r"has no attribute|subscriptable|index out of|out of bounds|unpack|NoneType|unexpected keyword|"
    r"positional argument|could not convert|invalid literal|ufunc|broadcast|array element|"
    r"unhashable|cannot reshape|object of type|codec can't|not supported between|operand|"
    r"^\S+ \S+: [A-Z]\w+(Error|Exception|Interrupt)\b"
)


class Hang(BaseException):
    """A command takes too long."""


class Case(NamedTuple):
    """A command line, and what is known of it.

    Attributes
    ----------
    argv : list of str
    stdin : bytes
    streams : {"plain", "ascii", "full", "closed", "broken", "silent"}
        What stdout is; "silent" is a stderr that is closed.
    wrong : list of str
        Why it can't be done.
    """

    argv: list[str]
    stdin: bytes
    streams: str
    wrong: list[str]


class Ended(NamedTuple):
    """How a command has ended."""

    status: int | None
    out: str
    err: str


# ---- files --------------------------------------------------------------------------------------


def fixtures() -> dict[str, list[str]]:
    """Write good files into this folder; return models' kinds with the data that they take."""
    rng = np.random.default_rng(0)
    n = 24
    X = rng.normal(size=(n, 4)).astype(np.float32)
    images = rng.random((n, 4, 4, 1), dtype=np.float32)
    steps, y = rng.random((n, 5, 2), dtype=np.float32), np.arange(n) % 2
    words = np.array(["red", "green", "dark blue"])[np.arange(n) % 3]
    table = np.array(
        [(*row, w) for row, w in zip(X, words, strict=True)],
        [(c, float) for c in "abcd"] + [("colour", "U9")],
    )
    Path("data").mkdir()
    Path("models").mkdir()
    Path("out").mkdir()

    def lines(name: str, head: list[str], rows: Any, delimiter: str = ",") -> None:
        with open(f"data/{name}", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerows([head] if head else [])
            writer.writerows(rows)

    mixed = [[*map(float, r), w, int(k)] for r, w, k in zip(X, words, y, strict=True)]
    lines("t.csv", list("abcd"), X.tolist())
    lines("t.tsv", list("abcd"), X.tolist(), "\t")
    lines("bare.csv", [], X.tolist())
    lines("mixed.csv", [*"abcd", "colour", "kind"], mixed)
    lines("kinds.csv", ["kind"], [[int(k)] for k in y])
    np.save("data/t.npy", X)
    np.save("data/bytes.npy", (images * 255).astype(np.uint8))
    np.save("data/i.npy", images)
    np.save("data/s.npy", steps)
    np.save("data/y.npy", y)
    np.save("data/mask.npy", rng.random(X.shape) < 0.9)
    np.save("data/table.npy", table)
    np.save("data/wide.npy", np.asfortranarray(X.astype(np.float64)))
    np.savez("data/t.npz", X=X)
    np.savez("data/two.npz", A=X, B=X[:, :2])
    if pandas is not None:
        frame = pandas.DataFrame({c: table[c] for c in table.dtype.names} | {"kind": y})
        frame.to_parquet("data/mixed.parquet")
        frame[list("abcd")].to_parquet("data/t.parquet")
    if pillow is not None:
        for i in range(8):
            folder = Path("data/pictures", "ab"[i % 2])
            folder.mkdir(parents=True, exist_ok=True)
            picture = (images[i, ..., 0] * 255).astype(np.uint8)
            pillow.fromarray(picture).save(folder / f"{i}.png")
    named = X if pandas is None else pandas.DataFrame(X, columns=list("abcd"))
    kw = {"epochs": 1, "batch_size": 8, "random_state": 0}
    dense = ae.Dense((4,))
    prior = ae.PixelCNN(2, 1, 3, epochs=1, batch_size=8)
    fitted = {
        "ae": ae.Autoencoder(dense, 2, **kw).fit(X),
        "vae": ae.VAE(dense, 2, **kw).fit(named),
        "cvae": ae.CVAE(dense, 2, **kw).fit(X, np.array(["x", "y"])[y]),
        "numbered": ae.CVAE(dense, 2, **kw).fit(X, y),
        "images": ae.VAE(ae.Conv((2,)), 2, loss="bce", **kw).fit(images),
        "pixels": ae.Autoencoder(ae.Conv((2,)), 2, **kw).fit((images * 255).astype(np.uint8)),
        "vqvae": ae.VQVAE(ae.Conv((2,)), 4, 2, prior=prior, **kw).fit(images),
        "lstm": ae.Autoencoder(ae.LSTM(2), 2, **kw).fit(steps),
        "tabular": ae.TabularVAE(dense, 2, **kw).fit(table),
        "detector": ae.AnomalyDetector(
            ae.Autoencoder(dense, 2, **kw), n_models=2, random_state=0
        ).fit(X),
        "gan": ae.GAN(dense, 2, **kw).fit(X),
        "stacked": ae.StackedAutoencoder(dense, 2, **kw).fit(X),
    }
    for name, model in fitted.items():
        model.save(f"models/{name}.safetensors")
        if hasattr(model, "transform"):
            given = {"tabular": table, "vqvae": images, "ae": X, "vae": named}.get(name)
            if given is not None:
                np.save(f"data/codes-{name}.npy", model.transform(given))
    tables = ["t.csv", "t.npy", "t.npz", "t.parquet", "t.tsv", "bare.csv", "wide.npy"]
    found = dict.fromkeys(fitted, tables) | {
        "tabular": ["mixed.csv", "table.npy", "mixed.parquet"],
        "lstm": ["s.npy"],
    }
    return found | dict.fromkeys(("images", "pixels", "vqvae"), ["i.npy", "bytes.npy", "pictures"])


CELLS = [
    "", "NA", "nan", "NaN", "null", "-", "?", "inf", "-inf", "1e999", "0x10", "1_000", "1,5", "1.5",
    "1.000,5", "1e-400", "-0", "+3", " 7 ", "\u0661", "1/2", "50%", "$3", "true", "FALSE", "yes",
    "2020-01-01", "2020-13-45", "12:30", "x" * 300, "a b", "\u00e9\U0001f600", "\x1b[31m", "\u202e",
    "=1+1", '"', '""', "'", "9" * 400, "\ufeff", "\u2028", "red", "a", "None", "#", "# 1", "\\N",
]  # fmt: skip


def odd_table(rng: random.Random) -> bytes:
    """Return text that is nearly a table."""
    columns, rows = rng.choice([1, 2, 4, 4, 4, 6]), rng.choice([0, 1, 2, 5, 24])
    delimiter = rng.choice([",", ",", ",", ";", "\t", "|", " "])
    cells = [[f"{rng.gauss(0, 1):.3g}" for _ in range(columns)] for _ in range(rows)]
    head = list("abcdef"[:columns])
    if rng.random() < 0.2:
        head = [rng.choice(CELLS) for _ in head]
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        if rows:
            cells[rng.randrange(rows)][rng.randrange(columns)] = rng.choice(CELLS)
    lines = ([head] if rng.random() < 0.8 else []) + cells
    if lines and rng.random() < 0.2:  # a row of another length
        row = rng.choice(lines)
        row[:] = row[:-1] if rng.random() < 0.5 else [*row, "1"]
    end = rng.choice(["\n", "\n", "\n", "\r\n", "\r", "\n\n"])
    text = end.join(delimiter.join(line) for line in lines) + rng.choice(["", end])
    if rng.random() < 0.1:
        text = rng.choice(["# a comment", "#a,b,c,d", "\n\n", "\ufeff", "\0", '"']) + "\n" + text
    coding = rng.choice(["utf-8"] * 8 + ["utf-16", "utf-16-be", "latin-1", "utf-8-sig"])
    return text.encode(coding, "replace")


def damaged(rng: random.Random, source: Path) -> tuple[str, str]:
    """Write a damaged copy of a file; return its path, and why it can't be read if that is sure."""
    data, suffix = bytearray(source.read_bytes()), source.suffix
    path, wrong = f"out/damaged{suffix}", ""
    kind = rng.randrange(4)
    if kind == 0:
        data = data[: rng.randrange(len(data))]
        wrong = "cut short" if suffix not in (".csv", ".tsv", ".png") else ""
    elif kind == 1:
        for _ in range(rng.choice([1, 3, 30])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        wrong = "edited" if suffix == ".safetensors" and bytes(data) != source.read_bytes() else ""
    elif kind == 2:
        at = rng.randrange(len(data))
        data[at:at] = rng.randbytes(rng.choice([1, 8, 1000]))
        wrong = "longer" if suffix == ".safetensors" else ""
    else:
        data = bytearray(rng.randbytes(rng.choice([0, 1, 8, 200])))
        wrong = "noise" if suffix not in (".csv", ".tsv") else ""
    Path(path).write_bytes(data)
    return path, wrong


def odd_array(rng: random.Random) -> str:
    """Write an array that is none of samples, or hardly."""
    values: Any = rng.choice(
        [
            np.array(3.0), np.zeros(0), np.zeros((0, 4)), np.zeros((24, 0)), np.arange(24),
            np.zeros((24, 4), np.complex64), np.full((24, 4), np.nan), np.full((24, 4), 1e38),
            np.full((24, 4), -np.inf), np.full((24, 4), "red"), np.zeros((24, 4), "M8[s]"),
            np.zeros((24, 4), bool), np.zeros((24, 4), np.float16), np.zeros((24, 4), ">f8"),
            np.full((24, 4), 1e300), np.full((24, 4), 2**63, np.uint64), np.zeros((24, 4, 1, 1, 1)),
            np.zeros((1, 4), np.float32), np.zeros((24, 3)), np.zeros((24, 4, 4)),
            np.zeros((24, 4, 4, 3), np.uint8), np.zeros(24, [("a", float), ("b", "O")]),
            np.zeros(24, [("a", float), ("b", float), ("c", float), ("d", float)]),
            np.array([[{}] * 4] * 24, object), np.zeros((24, 4), "S3"), np.zeros((2, 4), "V8"),
        ]
    )  # fmt: skip
    path = "out/odd.npy"
    np.save(path, values, allow_pickle=True)
    return path


# ---- command lines ------------------------------------------------------------------------------


MISSING = ["no.csv", "no.npy", "no/where.npz", "no.parquet", "nothing", "no.safetensors", ""]
WORDS = [
    "x", "", " ", "-1", "0", "1", "2", "3", "0.5", "1e3", "nan", "inf", "None", "True", "false",
    "()", "(4,)", "(2, 3)", "[1", "'a", "9" * 20, "1000000000", "\u00e9\U0001f600", "\x1b[31m",
    "\udce9", "a,b", ",", "a,,b", "Masking(0.3)", "Masking(3)", "Dense((4,))", "Conv((2,))",
    "Dense(Dense)", "LSTM(2)", "Warmup(2) * Cosine(20)", "TopK(1)", "KLSparsity(0.1)", "MMD",
    "GaussianMixture(2)", "Normal", "PixelCNN(2, 1, epochs=1)", "bce", "mse", "adam", "import os",
    "%s", "{}", "a" * 300, "--", "=", "../x", "1x1", "4x4x1", "28", "red", "colour", "kind",
    "SGD(0.9)", "Contractive(0.1)", "Masking(**{})", "Masking(*a)", "1" * 5000, "((((1))))",
    "-(-1)", "2**70",
]  # fmt: skip
BY_DEST = {
    "y": ["kind", "colour", "data/y.npy", "data/kinds.csv", "a", "a,b", "x", "1", "0"],
    "mask": ["data/mask.npy"],
    "columns": ["a,b,c,d", "a,b", "d,c,b,a", "0,1,2,3"],
    "drop": ["a", "colour,kind", "kind"],
    "size": ["4x4", "4"],
    "shape": ["2x2x1", "4x1", "2x2", "4"],
    "bits": ["12", "16"],
    "also": ["models/vae.safetensors", "models/ae.safetensors"],
    "label": ["x", "y", "0", "1"],
    "data": ["data/t.csv", "data/i.npy"],
    "validation": ["data/t.csv", "data/t.npy", "data/i.npy"],
    "prior": ["Normal", "GaussianMixture(2)"],
    "seed": ["0", "7"],
    "threads": ["1", "2"],
    "dpi": ["20"],
    "rows": ["0", "1", "5"],
}
BY_DEST |= {
    "arch": [
        "Dense((4,))",
        "Conv((2,))",
        "LSTM(2)",
        "GRU(2)",
        "Transformer(4, 2, 1, 4)",
        "ResNet(2)",
        "UNet((2, 3))",
    ],
    "loss": [
        "mse",
        "bce",
        "huber",
        "l1",
        "gaussian",
        "cross_entropy",
        "poisson",
        "negative_binomial",
        "multinomial",
    ],
    "corruption": ["Masking(0.3)", "GaussianNoise(0.1)", "SwapNoise(0.1)", "SaltAndPepper(0.1)"],
    "penalty": ["TopK(1)", "KLSparsity(0.1)", "L1Sparsity(0.1)", "Contractive(0.1)"],
    "optimizer": ["adam", "sgd", "SGD(0.9)", "AdamW()"],
    "learning_rate": ["0.01", "1e-3", "1e30"],
    "weight_decay": ["0", "0.1"],
    "schedule": ["Cosine(3)", "Warmup(1) * Cosine(2)", "Step(2)"],
    "batch_size": ["1", "5", "24", "100"],
    "validation_fraction": ["0.25", "0.5", "0.01"],
    "random_state": ["0", "7", "None"],
    "divergence": ["MMD()", "TotalCorrelation()"],
    "posterior": ["PlanarFlow(2)", "InverseAutoregressiveFlow(2, 8, 4)"],
    "distance": ["cosine", "euclidean"],
    "levels": ["(3, 3)", "(2, 2, 2)"],
    "set_prior": ["PixelCNN(2, 1, epochs=1)", "Normal", "GaussianMixture(2)"],
    "discriminator_widths": ["(4,)", "()"],
    "discriminator_learning_rate": ["0.01"],
    "output": ["sigmoid", "tanh", "None"],
    "activation": ["sigmoid", "tanh"],
    "categorical": ["('a',)", "(0,)", "colour"],
    "contamination": ["auto", "0.1"],
    "measure": ["manifold", "codes", "both", "max", "error"],
    "max_samples": ["auto", "0.5", "10"],
    "free_bits": ["0", "0.1"],
    "method": ["pca", "first"],
    "error": ["mse"],
    "keys": ["loss", "(loss,)"],
}
NUMBERED = ("n", "rounds", "dpi", "threads", "bits", "rows", "seed")
NO_NUMBERS = ["x", "", "1.5", "nan", "\u00e9", "0x1", "1e3"]


def options_of(command: str) -> list[argparse.Action]:
    """Return the options of a command but those of help."""
    parsers: Any = cli._parser()._subparsers._group_actions[0].choices
    return [a for a in parsers[command]._actions if a.option_strings and a.dest != "help"]


OPTIONS = {name: options_of(name) for name in COMMANDS}


class Maker:
    """Makes command lines, by a seed.

    Parameters
    ----------
    kinds : dict of str to list of str
        Models by name, with the data that they take.
    seed : int
    """

    def __init__(self, kinds: dict[str, list[str]], seed: int) -> None:
        self.kinds, self.rng, self.wrong = kinds, random.Random(seed), list[str]()
        self.stdin = b""

    def case(self) -> Case:
        """Return a command line."""
        rng, self.wrong = self.rng, []
        self.stdin = odd_table(rng)
        streams = rng.choice(["plain"] * 12 + ["ascii", "full", "closed", "broken", "silent"])
        if rng.random() < 0.02:
            argv = rng.choice(
                [[], ["--help"], ["--version"], ["fly"], ["demo", "--seed", "-1"], ["--json"],
                 ["bench", "--rounds", "0"], ["bench", "--only", "nothing"],
                 ["demo", "--data", "x"], ["doctor", "--json"], ["doctor", "x"],
                 [rng.choice(COMMANDS), "--help"], [rng.choice(WORDS)], ["-o"]]
            )  # fmt: skip
            return Case([a for a in argv if "\0" not in a], b"", streams, [])
        command = rng.choice([*COMMANDS, "train", "encode", "score"])
        argv = [command, *self._positional(command)]
        if rng.random() < 0.03:
            argv.insert(rng.randrange(1, len(argv) + 1), rng.choice(WORDS[:20]))
        elif rng.random() < 0.03 and len(argv) > 1:
            del argv[rng.randrange(1, len(argv))]
            self.wrong = []
        for action in self._some(command):
            if command == "train" and rng.random() < 0.8:  # most options aren't of all kinds
                kind = KINDS.get(given(argv, "-m", "--model") or "ae", ae.Autoencoder)
                if unknown(kind, [action.dest.removeprefix("set_")]) and "set_" in action.dest:
                    continue
            argv += self._option(command, action)
        if rng.random() < 0.02:
            argv.append(rng.choice(["--nothing", "--epoch", "-x", "--latentdim=2"]))
            self.wrong.append(f"an option {argv[-1]}")
        if "--help" in argv or "-h" in argv:
            self.wrong = []
        return Case(argv, self.stdin, streams, self.wrong)

    def _some(self, command: str) -> list[argparse.Action]:
        """Return some options of a command: what is needed nearly always, few of the others."""
        rng, actions = self.rng, OPTIONS[command]
        found = [a for a in actions if a.dest == "out" and rng.random() < 0.95]
        if command == "train":
            found += [a for a in actions if a.dest == "model" and rng.random() < 0.6]
            found += [a for a in actions if a.dest == "set_epochs"]
        more = [a for a in actions if a.dest not in ("out", "set_epochs", "model")]
        return found + rng.choices(more, k=rng.choice([0, 0, 0, 1, 1, 2, 5]) if more else 0)

    def _positional(self, command: str) -> list[str]:
        rng = self.rng
        if command == "completion":
            shell = rng.choice(["bash", "zsh", "fish", "sh", ""])
            return [shell]
        name = rng.choice(list(self.kinds))
        if command == "train":
            return [self._data(name)]
        if command == "info":
            what = rng.choice([self._model, self._data, None])
            found = [] if what is None else [what(name)]
            if found and found[0].startswith("data/t."):
                self.wrong = []  # no model, but data
            return found
        if command == "sample":
            return [self._model(name)]
        if command == "decode":
            codes = f"data/codes-{name}.npy"
            known = os.path.exists(codes) and rng.random() < 0.8
            return [self._model(name), codes if known else self._data(name)]
        if command == "plot":
            picture = rng.choice(PICTURES)
            data = [] if picture in ("history", "samples") and rng.random() < 0.9 else [name]
            return [picture, self._model(name), *map(self._data, data)]
        return [self._model(name), self._data(name)]

    def _model(self, name: str) -> str:
        rng = self.rng
        if rng.random() < 0.9:
            return f"models/{name}.safetensors"
        if rng.random() < 0.3:
            self.wrong.append("a model that isn't there")
            return rng.choice(["no.safetensors", "models", "no/model", "data/t.npy", "data/t.csv"])
        path, wrong = damaged(rng, Path(f"models/{name}.safetensors"))
        self.wrong += [wrong] if wrong else []
        return path

    def _data(self, name: str) -> str:
        rng, draw = self.rng, self.rng.random()
        fitting = [f"data/{d}" for d in self.kinds[name] if os.path.exists(f"data/{d}")]
        if draw < 0.55:
            return rng.choice(fitting)
        if draw < 0.65:
            return "data/" + rng.choice(os.listdir("data"))
        if draw < 0.70:
            self.wrong.append("data that aren't there")
            return rng.choice([*MISSING, "digits:nothing", "data/two.npz:C"])
        if draw < 0.80:
            path = rng.choice(["out/odd.csv", "out/odd.tsv", "out/odd.txt"])
            Path(path).write_bytes(odd_table(rng))
            return path
        if draw < 0.86:
            files = [p for p in Path("data").rglob("*") if p.is_file() and p.suffix != ".png"]
            path, wrong = damaged(rng, rng.choice(files))
            self.wrong += [wrong] if wrong else []
            return path
        if draw < 0.94:
            return odd_array(rng)
        return rng.choice(["-", "data/two.npz:B", "data/two.npz", "out", "/dev/null", "data"])

    def _option(self, command: str, action: argparse.Action) -> list[str]:
        """Return an option with a value, or none, or several."""
        rng = self.rng
        flag, dest = rng.choice(action.option_strings), action.dest
        if action.nargs == 0:
            return [flag]
        if dest == "set_epochs":
            return [flag, rng.choice(["1", "1", "1", "2", "0", "-1", "x"])]
        if dest in ("set_n_models", "set_pretrain_epochs"):
            return [flag, rng.choice(["1", "2", "0", "-1", "x"])]
        if dest == "out":
            return [flag, self._out(command)]
        if dest in ("checkpoint",):
            return [flag, rng.choice(["out/run.safetensors", "no/run", "out", "out/run.txt"])]
        if dest == "config":
            texts = ["epochs = 1\n", "epochs = 'x'\n", "nothing = 1\n", "[a]\n", "\0", "a"]
            Path("out/run.toml").write_text(rng.choice(texts))
            return [flag, rng.choice(["out/run.toml", "no.toml", "data"])]
        if action.choices is not None:
            if rng.random() < 0.9:
                return [flag, rng.choice(list(action.choices))]
            self.wrong.append(f"none of the choices of {flag}")
            return [flag, rng.choice(["x", "", "\u00e9"])]
        if dest in NUMBERED and action.type is not None and dest != "seed" and rng.random() < 0.1:
            self.wrong.append(f"no number for {flag}")
            return [flag, rng.choice(NO_NUMBERS)]
        name = dest.removeprefix("set_")
        known = BY_DEST.get(dest) or BY_DEST.get(name) or ["1", "2", "3", "0.5"]
        value = rng.choice(known) if rng.random() < 0.8 else rng.choice(WORDS)
        if dest == "n" and value.isdigit():
            value = value[:2]
        return [flag, value] if rng.random() < 0.9 else [f"{flag}={value}"]

    def _out(self, command: str) -> str:
        rng = self.rng
        good = ["o.npy", "o.npz", "o.csv", "o.safetensors", "o.png", "o.svg", "folder", "o.pdf"]
        if rng.random() < 0.9:
            good = {"train": good[3:4], "plot": good[4:6]}.get(command, ["o.npy", "o.npz", "o.csv"])
        if command in ("reconstruct", "decode", "sample"):
            good = [*good, "folder"]
        if rng.random() < 0.15:
            odd = ["-", "no/o.npy", "out", "o", "out/o.xlsx", "/dev/null", "data/t.csv/o"]
            return rng.choice(odd)
        path = f"out/{rng.choice(good)}"
        if rng.random() < 0.3 and path != "out/folder":
            Path(path).write_bytes(b"older")
        return path


# ---- running them -------------------------------------------------------------------------------


def run_here(case: Case) -> Ended:
    """Run a command line in this process."""
    kept = sys.stdin, sys.stdout, sys.stderr
    coding = "ascii" if case.streams == "ascii" else "utf-8"
    written: Any = io.TextIOWrapper(raw := io.BytesIO(), coding, newline="")
    err: Any = io.TextIOWrapper(errors := io.BytesIO(), "utf-8", "backslashreplace", newline="")
    stdin = io.TextIOWrapper(io.BytesIO(case.stdin), "utf-8", newline="")
    out = written
    opened: Any = None
    if case.streams == "full":
        out = opened = open("/dev/full", "w")  # noqa: SIM115
    elif case.streams == "closed":
        out = None
    elif case.streams == "broken":
        reader, writer = os.pipe()
        os.close(reader)
        out = opened = os.fdopen(writer, "w")
    shown_err = None if case.streams == "silent" else err
    status: int | None = None
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        sys.stdin, sys.stdout, sys.stderr = stdin, out, shown_err
        status = cli.main(case.argv)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdin, sys.stdout, sys.stderr = kept
        if opened is not None:
            with contextlib.suppress(OSError):  # what is buffered can't be written
                opened.close()
    written.flush()
    err.flush()
    return Ended(status, raw.getvalue().decode(), errors.getvalue().decode())


def run_apart(case: Case) -> Ended:
    """Run a command line in a process of its own."""
    call = [sys.executable, "-m", "aecore", *case.argv]
    env = {k: v for k, v in os.environ.items() if k != "PYTHONIOENCODING"}
    env |= {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8:backslashreplace"}
    more = {"full": ">/dev/full", "closed": ">&-", "silent": "2>&-", "broken": "| true"}
    if case.streams == "ascii":
        env["PYTHONIOENCODING"] = "ascii"
    line = f'"$@" {more.get(case.streams, "")}'
    if case.streams == "broken":
        line = 'set -o pipefail; "$@" | true'
    shell = ["bash", "-c", line, "aecore", *call]
    done = subprocess.run(shell, input=case.stdin, capture_output=True, env=env, timeout=90)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace"))


def tree() -> dict[str, tuple[int, ...]]:
    """Return all files here, with what changes when they do."""
    found = {}
    for path in Path().rglob("*"):
        now = path.lstat()
        found[str(path)] = (now.st_size, now.st_mtime_ns, now.st_ino) if path.is_file() else ()
    return found


# ---- what is to be true -------------------------------------------------------------------------


def given(argv: list[str], *flags: str) -> str | None:
    """Return the value of an option, as far as that is to be seen."""
    found = None
    for i, word in enumerate(argv):
        for flag in flags:
            if word == flag and i + 1 < len(argv):
                found = argv[i + 1]
            elif word.startswith(f"{flag}="):
                found = word.partition("=")[2]
    return found


def faults_of(case: Case, end: Ended, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what is wrong with the way in which a command has ended."""
    faults = []
    if end.status not in (0, 2):
        faults.append(f"status {end.status}")
    if "Traceback" in end.err + end.out:
        faults.append("a traceback")
    if re.search(r"[^\P{Cc}\n\t]".replace(r"\P{Cc}", "\x20-\x7e\xa0-\U0010ffff"), end.err):
        faults.append("characters on stderr that move a cursor")
    changed = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
    changed = {p for p in changed if before.get(p) != () or after.get(p) != ()}
    out, checkpoint = given(case.argv, "-o", "--out"), given(case.argv, "--checkpoint")
    if checkpoint:
        changed = {p for p in changed if Path(p) != Path(checkpoint)}
    if out not in (None, "-"):
        inside = {p for p in changed if Path(p) == Path(out) or Path(out) in Path(p).parents}
    else:
        inside = set()
    if changed - inside:
        faults.append(f"other files: {sorted(changed - inside)}")
    if end.status == 2:
        faults += _refused(case, end, changed)
    elif end.status == 0:
        faults += _done(case, end, out, inside)
    return faults


def _refused(case: Case, end: Ended, changed: set[str]) -> list[str]:
    """Return what is wrong with a command that can't be done."""
    faults = []
    if end.out and case.streams not in ("full", "broken"):
        faults.append(f"{len(end.out)} characters on stdout")
    if changed and not (case.streams in ("full", "closed") and "stdout: " in end.err):
        faults.append(f"files that have changed: {sorted(changed)}")
    if case.streams == "silent":
        return faults
    lines = end.err.splitlines()
    said = [line for line in lines if re.match(r"aecore( \w+)?: (?!warning: )", line)]
    if not said or lines[-1] != said[-1]:
        faults.append("no sentence at the end of stderr")
    elif INTERNAL.search(said[-1]):
        faults.append(f"not for people: {said[-1]}")
    return faults


def _done(case: Case, end: Ended, out: str | None, inside: set[str]) -> list[str]:
    """Return what is wrong with a command that has been done."""
    if case.wrong:
        return [f"status 0 in spite of {', '.join(case.wrong)}"]
    argv = case.argv
    if not argv or {"-h", "--help", "--version"} & set(argv) or case.streams == "broken":
        return []
    try:
        if "--json" in argv and argv[0] != "bench" and case.streams in ("plain", "ascii"):
            assert isinstance(json.loads(end.out), dict), "no object of JSON"
        if out == "-" and case.streams == "plain":
            rows = list(csv.reader(io.StringIO(end.out)))
            assert len(rows) > 1 and len({len(row) for row in rows}) == 1, "no table on stdout"
        elif out is not None and out != "-" and argv[0] not in ("info", "completion"):
            assert inside, f"nothing new at {out}"
            whole(Path(out))
    except Exception as error:
        return [f"the result: {error}"]
    return []


def whole(path: Path) -> None:
    """Raise an error unless a result is whole."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        assert len(np.load(path, allow_pickle=False)), "no rows"
    elif suffix == ".npz":
        assert zipfile.ZipFile(path).testzip() is None, "a damaged archive"
        assert all(len(array) for array in np.load(path).values()), "no rows"
    elif suffix == ".csv":
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8"))))
        assert len(rows) > 1 and len({len(row) for row in rows}) == 1, "no table"
    elif suffix in (".safetensors", ".aecore"):
        ae.load(path)
    elif path.is_dir():
        pictures = list(path.rglob("*.png"))
        assert pictures, "no pictures"
        for picture in pictures:
            pillow.open(picture).load()
    elif suffix == ".png":
        pillow.open(path).load()
    elif suffix in (".svg", ".pdf"):
        assert path.read_bytes()[-16:].strip().endswith((b"</svg>", b"%%EOF")), "no end"


def tidy(known: set[str]) -> None:
    """Remove what commands have written."""
    for path in Path("out").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for path in Path().iterdir():
        if str(path) not in known:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def normal(line: str) -> str:
    """Return a message without numbers and names, to count it with those like it."""
    return re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "N", re.sub(r"'[^']*'", "'...'", line))[:300]


def main() -> int:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    warnings.simplefilter("default")
    KEPT.mkdir(parents=True, exist_ok=True)
    began, found, ends = time.monotonic(), 0, collections.Counter[Any]()
    messages: dict[str, tuple[int, str]] = {}

    def too_long(*args: Any) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, too_long)
    with tempfile.TemporaryDirectory() as folder, open(KEPT / "faults.txt", "w") as log:
        os.chdir(folder)
        kinds = fixtures()
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, resource.RLIM_INFINITY))
        known = set(os.listdir())
        for number in range(times):
            maker = Maker(kinds, seed * 1_000_003 + number)
            case = maker.case()
            before = tree()
            line = shlex.join(case.argv).encode("utf-8", "surrogateescape")
            (KEPT / "last").write_bytes(line)
            if number % PROCESSES == PROCESSES - 1:
                end = run_apart(case)
            else:
                try:
                    end = run_here(case)
                except BaseException:
                    end = Ended(None, "", traceback.format_exc())
            faults = faults_of(case, end, before, tree())
            if "Hang" in end.err:
                faults = [f"more than {SECONDS} s"]
            ends[end.status] += 1
            for text in end.err.splitlines():
                key = normal(text)
                messages[key] = (messages.get(key, (0, ""))[0] + 1, text[:300])
            for fault in faults:
                found += 1
                shown = line.decode("utf-8", "backslashreplace")
                text = f"{number} ({case.streams}): {fault}\n    aecore {shown[:600]}\n"
                text += "".join(f"    > {said[:300]}\n" for said in end.err.splitlines()[-3:])
                log.write(text)
                log.flush()
                print(ascii(text)[1:-1].replace(r"\n", "\n"), end="", flush=True)
            tidy(known)
        os.chdir("/")
    with open(KEPT / "messages.txt", "w", errors="backslashreplace") as file:
        for _, (count, text) in sorted(messages.items()):
            file.write(f"{count:5} {text}\n")
    counts = ", ".join(f"{count} with status {status}" for status, count in ends.items())
    seconds = time.monotonic() - began
    print(f"commands: {times} ({counts}) in {seconds:.0f} s, seed {seed}, {found} faults")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
