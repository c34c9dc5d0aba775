"""Rows of learned tables, looked up by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ..parameter import Parameter
from ..tape import Op, Tape, Value


def look_up(tape: Tape, table: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows of a table (E, D) by their numbers, int64 (...): (..., D)."""
    y = tape.take((*rows.shape, table.shape[1]))
    flat = y.reshape(rows.size, table.shape[1])
    _core.take_rows(flat, table, rows.reshape(-1), tape.workspace)
    return y


def add_rows(tape: Tape, table: Parameter, rows: np.ndarray, grad: np.ndarray) -> None:
    """Add the gradients (M, D) of rows, by their numbers (M,), to that of a table."""
    dtable, adds = table.claim_grad()
    counts = tape.take(dtable.shape[:1])
    sums = tape.take(dtable.shape) if adds else dtable
    _core.vq_statistics(counts, sums, grad, rows, tape.workspace)
    if adds:
        _core.add(dtable, dtable, sums, tape.workspace)


class Embedding(Op):
    """Vectors (..., D) for integers (...): rows of a table (E, D)."""

    __slots__ = ("rows", "table")

    def __init__(self, tape: Tape, rows: np.ndarray, table: Parameter) -> None:
        self.rows, self.table = np.asarray(rows, np.int64, order="C"), table
        self.place(tape, (*rows.shape, table.value.shape[1]), tape.records)

    def forward(self) -> None:
        self._data = look_up(self.tape, self.table.value, self.rows)

    def backward(self) -> None:
        assert self.grad is not None
        if self.table.learns:
            grad = self.grad.reshape(-1, self.shape[-1])
            add_rows(self.tape, self.table, self.rows.reshape(-1), grad)

    def inputs(self) -> tuple[Value, ...]:
        return ()


class Columns(Op):
    """Cells of a table (N, C) as vectors (N, D): see `aecore.nn.columns.Columns`."""

    __slots__ = ("embeddings", "numeric", "rows", "x")

    def __init__(
        self, x: Value, numeric: np.ndarray, embeddings: Sequence[Any], features: int
    ) -> None:
        self.x, self.numeric, self.embeddings = x, numeric, embeddings
        x.uses += 1
        self.place(x.tape, (x.shape[0], features), x.tape.records)

    def _runs(self, array: np.ndarray) -> list[np.ndarray]:
        """Return where the vectors of each of the embeddings are in an array like the result."""
        ends = np.cumsum([2 * len(self.numeric), *(e.features for e in self.embeddings)])
        return np.split(array, ends[:-1], axis=1)[1:]

    def forward(self) -> None:
        x, y, m = self.x.data, self.tape.take(self.shape), len(self.numeric)
        if m:
            numbers, nothing = y[:, :m], y[:, m : 2 * m]
            np.take(x, self.numeric, axis=1, out=numbers, mode="clip")
            np.isnan(numbers, out=nothing, casting="unsafe")
            np.copyto(numbers, 0, where=nothing > 0)
        self.rows = [e.rows(x) for e in self.embeddings]
        for run, rows, e in zip(self._runs(y), self.rows, self.embeddings, strict=True):
            run[...] = look_up(self.tape, e.weight.value, rows).reshape(run.shape)
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        runs = self._runs(self.grad)
        for run, rows, e in zip(runs, self.rows, self.embeddings, strict=True):
            if e.weight.learns:
                vectors = np.ascontiguousarray(run).reshape(rows.size, e.width)
                add_rows(self.tape, e.weight, rows.reshape(-1), vectors)

    def forget(self) -> None:
        self.x = self.rows = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)

    def onnx(self, graph: Any) -> str:
        x, found = graph.of(self.x), list[str]()
        if len(self.numeric):
            numbers = graph.add("Gather", x, self.numeric, axis=1)
            nothing = graph.add("IsNaN", numbers)
            found.append(graph.add("Where", nothing, np.float32(0), numbers))
            found.append(graph.add("Cast", nothing, to=1))
        for e in self.embeddings:
            codes = graph.add("Gather", x, e.places, axis=1)
            codes = graph.add("Where", graph.add("IsNaN", codes), e.missing, codes)
            rows = graph.add("Add", graph.add("Cast", codes, to=7), e.first)
            vectors = graph.add("Gather", e.weight.value, rows, axis=0)
            found.append(graph.reshape(vectors, 0, e.features))
        return graph.add("Concat", *found, axis=1)
