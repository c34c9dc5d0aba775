"""Tables in ONNX graphs: an input for each column, encoded as `fit` has learned it.

Numbers are DOUBLE, and NaN where a cell is missing; so are levels that are numbers or booleans, and
times, as seconds since 1970 in UTC. Levels that are strings are STRING, and "" is a missing cell
unless "" is a level.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..data.tables import Layout
from ..data.tables.columns import LINEAR, MAX_DISTANCE, NARROW, Levels, Numeric
from ..data.tables.scaling import RobustScaler
from ._graph import LABELS, Graph

FLOAT, BOOL = 1, 9  # ONNX's numbers of types
OUTPUTS = ("codes", "scores")
LARGE = 1e8  # from here on the square root of x² + 1 is x


class Inputs:
    """The inputs of a graph that takes a table, a column each.

    Parameters
    ----------
    graph : Graph
    names : iterable or None
        Of the table's columns, of which there are so many.
    columns : int

    Attributes
    ----------
    found : list of (str, list)
        Names, types and sizes of the inputs.
    words : dict of str to str
        What the inputs are.
    """

    def __init__(self, graph: Graph, names: Iterable[Any] | None, columns: int) -> None:
        self.graph, self.names = graph, None if names is None else list(names)
        self.found: list[tuple[str, list[Any]]] = []
        self.words: dict[str, str] = {}
        self._called: list[str] = []
        for j in range(columns):
            name = f"x{j}" if self.names is None else str(self.names[j])
            while name in self._called or name in OUTPUTS:
                name += "_"
            self._called.append(name)
        graph.reserved.update(self._called)

    def label(self, j: int) -> str:
        """Return how messages call column j."""
        return f"X: column {j if self.names is None else self.names[j]!r}"

    def add(self, j: int, dtype: str, words: str) -> str:
        """Add the input of column j; return its name."""
        name = self._called[j]
        self.found.append((name, [dtype, "n"]))
        self.words[name] = words
        return name

    def numbers(self, j: int, time: str) -> str:
        """Add a column of numbers or times; return its name."""
        kinds = {"": "numbers", "M": "times, as seconds since 1970 in UTC", "m": "seconds"}
        return self.add(j, "DOUBLE", f"{kinds[time]}, or NaN")

    def levels(self, j: int, known: Levels) -> str:
        """Add a column of levels; return the name of their codes (N,), NaN where one is missing.

        Raises NotImplementedError for levels that ONNX has no one type for.
        """
        texts = [isinstance(label, str) for label in known.labels]
        odd = ""
        if not texts:
            odd = "none in fit"
        elif any(texts) and not all(texts):
            odd = "some of several types"
        elif not any(texts) and any(int(float(v)) != int(v) for v in known.labels):
            odd = "integers beyond 2**53"
        if odd:
            raise NotImplementedError(
                f"{self.label(j)}: expected levels that are strings or numbers in ONNX, got {odd}"
            )
        return self._texts(j, known) if all(texts) else self._numbered(j, known)

    def _texts(self, j: int, known: Levels) -> str:
        keys = list(known.labels)
        values = list(map(float, range(len(keys))))
        missing = "" if "" in keys else ', or "" where one is missing'
        if missing:
            keys, values = [*keys, ""], [*values, float("nan")]
        options = {"keys_strings": keys, "values_floats": values}
        options["default_float"] = float(known.levels)
        name = self.add(j, "STRING", f"levels{missing}")
        return self.graph.add("LabelEncoder", name, domain=LABELS, **options)

    def _numbered(self, j: int, known: Levels) -> str:
        graph, values = self.graph, np.array(known.labels, np.float64)
        name = cells = self.add(j, "DOUBLE", "levels, or NaN where one is missing")
        if any(d.lower().startswith(NARROW["f4"]) for d in (known.dtype, known.objects)):
            cells, values = _as_float(graph, name), values.astype(np.float32)
        same = _as_float(graph, graph.add("Equal", graph.column(cells), values))
        number = _as_float(graph, graph.add("ArgMax", same, axis=1, keepdims=0))
        some = graph.add("Cast", graph.add("ReduceMax", same, axes=[1], keepdims=0), to=BOOL)
        code = graph.add("Where", some, number, np.float32(known.levels))
        return graph.add("Where", graph.add("IsNaN", name), np.float32("nan"), code)


def encoded(inputs: Inputs, layout: Layout) -> str:
    """Append what makes a layout's matrix (N, C) of the columns; return its name."""
    graph, found = inputs.graph, list[str]()
    if layout.links:
        raise ValueError("constraints: expected none for a graph that takes columns, got some")
    for j, column in enumerate(layout.columns):
        if isinstance(column, Numeric):
            found.append(_numeric(graph, inputs.numbers(j, column.time), column))
        elif isinstance(column, Levels):
            found.append(inputs.levels(j, column))
        else:  # nothing is taken from it
            found.append("")
    some = next(name for name in found if name)
    columns = [graph.column(name or some) for name in found]
    return graph.add("Concat", *columns, axis=1)


def scaled(inputs: Inputs, robust: RobustScaler) -> str:
    """Append what makes a detector's numbers (N, M) of its columns; return their name."""
    graph = inputs.graph
    if robust.levels is None:
        names = "" if inputs.names is None else "; columns in the order of aecore.feature_names"
        inputs.found.append(("x", ["DOUBLE", "n", len(robust.center)]))
        inputs.words["x"] = f"numbers, or NaN{names}"
        return _robust(graph, "x", robust.center, robust.scale)
    at, found = 0, []
    for j, known in enumerate(robust.levels):
        width = 1 if known is None else known.levels + 1
        run, at = slice(at, at + width), at + width
        center, scale = robust.center[run], robust.scale[run]
        if known is None:
            time = "" if robust.times is None else robust.times[j][0]
            name = graph.column(inputs.numbers(j, time))
            found.append(_robust(graph, name, center, scale))
            continue
        codes = graph.column(inputs.levels(j, known))
        values = [np.arcsinh((v - center) / scale).astype(np.float32) for v in (1, 0)]
        ones = graph.add("Equal", codes, np.arange(width, dtype=np.float32))
        cells = graph.add("Where", ones, *values)
        found.append(graph.add("Where", graph.add("IsNaN", codes), np.float32("nan"), cells))
    return graph.add("Concat", *found, axis=1)


def _as_float(graph: Graph, x: str) -> str:
    return graph.add("Cast", x, to=FLOAT)


def _numeric(graph: Graph, x: str, column: Numeric) -> str:
    """Append `Numeric.encode` in float64."""
    one = np.float64
    u = graph.add("Div", graph.add("Sub", x, one(column.center)), one(column.scale))
    size = graph.add("Abs", u)
    most = graph.add("Greater", size, one(MAX_DISTANCE))
    beyond = graph.add("Add", graph.add("Where", most, one(MAX_DISTANCE), size), one(1 - LINEAR))
    far = graph.add("Add", graph.add("Log", beyond), one(LINEAR))
    far = graph.add("Mul", graph.add("Sign", u), far)
    s = graph.add("Where", graph.add("Greater", size, one(LINEAR)), far, u)
    s = graph.add("Div", graph.add("Sub", s, one(column.mean)), one(column.deviation))
    return _as_float(graph, s)


def _robust(graph: Graph, x: str, center: np.ndarray, scale: np.ndarray) -> str:
    """Append the inverse hyperbolic sine of (x - center) / scale, in float64."""
    one = np.float64
    u = graph.add("Div", graph.add("Sub", x, center), scale)
    size = graph.add("Abs", u)
    root = graph.add("Sqrt", graph.add("Add", graph.add("Mul", size, size), one(1)))
    near = graph.add("Log", graph.add("Add", size, root))
    far = graph.add("Add", graph.add("Log", size), one(np.log(2)))
    y = graph.add("Where", graph.add("Greater", size, one(LARGE)), far, near)
    return _as_float(graph, graph.add("Mul", graph.add("Sign", u), y))
