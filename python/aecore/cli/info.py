"""``aecore info``: describes the installation, a model's file, or data."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, build_info, get_num_threads
from ..base.params import defaults
from ..data.maps import MapConditioner
from ..training.progress import summary
from ._command import Subparsers, add_answer, add_command, answer, command_errors
from ._kinds import kind_of
from ._model import load_model
from ._open import DATA, add_reading, open_samples, reading_of
from ._source import Source, network_of, shape_of

OPTIONAL = ("matplotlib", "scikit-learn", "pandas", "pyarrow", "pillow", "pooch", "mpi4py", "torch")
SHOWN = 10  # epochs that are listed
MOST_WORDS = 10_000  # that are counted in a column


def add_info(commands: Subparsers) -> None:
    """Add info."""
    parser = add_command(
        commands,
        _info,
        "info",
        """
        Say what is installed, or what is in a file. Without PATH: versions, the instruction set and
        the kernels that were chosen for this CPU, the number of threads, and which optional
        packages there are.

        With a model: its kind, parameters, layers and the course of its training. With data: what
        train would be given.
        """,
        """
        aecore info
        aecore info model.safetensors
        aecore info measurements.csv --drop id
        aecore info model.safetensors --json
        AECORE_ISA=baseline aecore info
        """,
    )
    parser.add_argument("path", nargs="?", metavar="PATH", help="a model, or DATA; see below")
    add_reading(parser)
    add_answer(parser)


def _info(options: Any) -> int:
    standard: dict[str, Any] = {}
    if options.path is None:
        facts = _installed()
    elif _is_model(options.path):
        options.model = options.path
        model = load_model(options)
        facts, standard = _model(model), defaults(type(model))
    else:
        facts = _data(options)
    options.quiet = False
    answer(options, facts, _lines(_for_people(facts, standard)))
    return 0


def _is_model(path: str) -> bool:
    suffix = Path(path).suffix.lower()
    return suffix == ".safetensors" or (Path(path).is_file() and suffix not in DATA)


def _installed() -> dict[str, Any]:
    packages = ("numpy", "tqdm", *OPTIONAL)
    return {
        "aecore": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": get_num_threads(),
        "packages": {name: _version(name) for name in packages},
        "build": build_info(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


# ---- models -------------------------------------------------------------------------------------


def _model(model: Any) -> dict[str, Any]:
    network, columns = network_of(model), getattr(model, "feature_names_in_", None)
    facts = {
        "model": type(model).__name__,
        "kind": kind_of(model),
        "shape": list(shape_of(model)),
        "options": {k: _shown(v) for k, v in model.get_params(deep=False).items()},
    }
    if network is not None:
        facts |= {
            "n_parameters": model.n_parameters_,
            "epochs": network.epoch,
            "steps": network.steps,
            "seed": network.seed,
            "layers": {name: repr(module) for name, module in network.children()},
            "parameters": {name: list(p.shape) for name, p in model.parameters_.items()},
            "history": model.history_,
        }
    if columns is not None:
        facts["columns"] = [str(c) for c in columns]
    conditioner = getattr(network, "conditioner", None)
    if conditioner is not None:
        known = conditioner.classes
        facts["conditions"] = f"{conditioner.width} properties" if known is None else known.tolist()
        if isinstance(conditioner, MapConditioner):
            facts["context"] = list(conditioner.shape)
            if conditioner.inner is None:
                del facts["conditions"]
    return facts


def _shown(value: Any) -> Any:
    plain = (bool, int, float, str, type(None))
    return value if isinstance(value, plain) else repr(value)


# ---- data ---------------------------------------------------------------------------------------


def _data(options: Any) -> dict[str, Any]:
    reading = reading_of(options)
    source = open_samples(options.path, reading)
    reading.mixed = source.is_table
    with command_errors(options.path):
        facts = _table(source) if source.is_table else _array(source)
    y = getattr(source, "y", None)
    if y is not None and y.ndim == 1 and len(labels := np.unique(y)) <= 4 * SHOWN:
        facts["labels"] = labels.tolist()
    return facts


def _array(source: Source) -> dict[str, Any]:
    """Return the facts of arrays and pictures."""
    count = missing = 0
    low, high = np.inf, -np.inf
    for block in source.blocks():
        X = np.asarray(block.X)
        count += len(X)
        shape, dtype = X.shape[1:], X.dtype
        if dtype.kind not in "biuf":
            raise TypeError(f"expected numbers, got an array of {dtype}")
        if block.mask is not None and block.mask.shape == X.shape:
            missing += int(X.size - np.count_nonzero(block.mask))
            X = X[block.mask]
        if X.size:
            low, high = min(low, float(X.min())), max(high, float(X.max()))
    facts = {"samples": count, "shape": list(shape), "dtype": str(dtype)}
    return facts | {"min": low, "max": high, "missing": missing}


def _table(source: Source) -> dict[str, Any]:
    """Return the facts of tables: the number of rows, and a summary of each column."""
    columns: dict[str, _Column] = {}
    count = 0
    for block in source.blocks():
        count += len(block.X)
        for name in block.X.dtype.names:
            columns.setdefault(name, _Column()).add(block.X[name])
    facts = {name: column.facts() for name, column in columns.items()}
    return {"samples": count, "shape": [len(columns)], "columns": facts}


class _Column:
    """A running summary of a column."""

    KINDS = {"U": "words", "S": "words", "O": "booleans", "b": "booleans", "M": "dates"}

    def __init__(self) -> None:
        self.missing, self.kinds, self.words = 0, set[str](), set[str]()
        self.low: Any = None
        self.high: Any = None

    def add(self, cells: np.ndarray) -> None:
        """Add some cells."""
        kind = cells.dtype.kind
        if kind == "O":  # booleans beside None
            there = np.array([cell is not None for cell in cells], bool)
        elif kind in "US":
            there = np.char.str_len(cells) > 0
        else:
            there = ~(np.isnat(cells) if kind in "Mm" else np.isnan(cells))
        self.missing += int(len(cells) - np.count_nonzero(there))
        cells = cells[there]
        if not len(cells):
            return
        name = "durations" if kind == "m" else self.KINDS.get(kind, "numbers")
        self.kinds.add(name)
        if name in ("words", "booleans"):
            if len(self.words) <= MOST_WORDS:
                self.words.update(np.unique(cells.astype(str)).tolist())
        elif len(self.kinds) == 1:
            self.low = cells.min() if self.low is None else min(self.low, cells.min())
            self.high = cells.max() if self.high is None else max(self.high, cells.max())

    def facts(self) -> dict[str, Any]:
        """Return the summary; a column with a word in it is one of words."""
        if not self.kinds:
            return {"cells": "none", "missing": self.missing}
        name = next(iter(self.kinds)) if len(self.kinds) == 1 else "words"
        if name in ("words", "booleans"):
            return {"cells": name, "different": len(self.words), "missing": self.missing}
        ends = self.low, self.high
        if name == "numbers":
            shown: Any = [float(v) for v in ends]
        else:
            shown = [str(v).removesuffix(".000000") for v in ends]
        return {"cells": name, "min": shown[0], "max": shown[1], "missing": self.missing}


def _column_text(column: dict[str, Any]) -> str:
    """Return the facts of a column for people."""
    more = ""
    if "different" in column:
        more = f"{column['different']} different"
    elif "min" in column:
        low, high = (
            f"{v:g}" if isinstance(v, float) else v for v in (column["min"], column["max"])
        )
        more = f"{low} to {high}"
    missing = f"{column['missing']} missing" if column["missing"] else ""
    return ", ".join(filter(None, (column["cells"], more, missing)))


# ---- for people ---------------------------------------------------------------------------------


def _for_people(facts: dict[str, Any], standard: dict[str, Any]) -> dict[str, Any]:
    """Return facts as texts, without the options that have their defaults."""
    facts = dict(facts)
    if isinstance(facts.get("columns"), dict):
        facts["columns"] = {name: _column_text(c) for name, c in facts["columns"].items()}
    if "packages" in facts:
        found = facts["packages"].items()
        facts["packages"] = {k: "not installed" if v is None else v for k, v in found}
    if "options" in facts:
        found = facts["options"].items()
        changed = {k: v for k, v in found if _shown(standard[k]) != v}
        facts["options"] = changed or "all as they come"
        facts.pop("parameters", None)
    return facts


def _lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    """Lay out nested facts, the names of a level padded to equal length."""
    lines, width = [], max(map(len, facts), default=0)
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        elif name == "history":
            lines += [f"{indent}{name}", *(f"{indent}  {line}" for line in _epoch_lines(value))]
        else:
            if isinstance(value, (list, tuple)):
                value = " ".join(map(str, value))
            first, *others = str(value).splitlines() or [""]
            lines += [f"{indent}{name:{width}}  {first}", *(f"{indent}  {x}" for x in others)]
    return lines


def _epoch_lines(history: list[dict[str, Any]]) -> list[str]:
    """Return a line for each epoch, or for some where they are many."""
    chosen = sorted({round(i) for i in np.linspace(0, len(history) - 1, SHOWN)}) if history else []
    return [f"epoch {history[i]['epoch']:<4} {summary(history[i])}" for i in chosen]
