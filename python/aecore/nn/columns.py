"""What an encoder of tables begins with: numbers, what is missing, and a vector for each level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from .. import _core
from ..base import runtime
from .module import Module, Parameter, Shape, count, fresh_seed


def width(levels: int) -> int:
    r"""Return how long the vector of a level is: :math:`2 \sqrt[3]{K}`, and at most K."""
    return max(1, min(levels, round(2 * levels ** (1 / 3))))


class Columns(Module):
    """Cells of a table as one vector, with embeddings of the levels of categories.

    Shapes: x (N, C), NaN where a cell is missing, y (N, D): the M numeric columns, 0 where a cell
    is missing, M values that are 1 there and 0 elsewhere, and for each column of levels a vector
    that is learned, one for each level, one for a level that nobody has seen and one for a missing
    cell. Columns whose vectors have the same length are looked up together. There is no gradient of
    x. Fresh vectors of levels are normal, of a length of about 1: a column weighs as much as a
    number. The other two are zero.

    C. Guo and F. Berkhahn, "Entity embeddings of categorical variables", 2016.

    Parameters
    ----------
    levels : sequence of int
        For each column the number of its levels, 0 for a numeric one, -1 for one to be ignored.

    Attributes
    ----------
    embeddings : tuple of Embeddings
    """

    def __init__(self, levels: Sequence[int]) -> None:
        self.levels = tuple(count("levels", k, -1) for k in levels)
        self.numeric = _places(k == 0 for k in self.levels)
        widths = [width(k) if k > 0 else 0 for k in self.levels]
        groups = {w: _places(v == w for v in widths) for w in sorted(set(widths) - {0})}
        self.embeddings = tuple(
            Embeddings(places, [self.levels[j] for j in places], w) for w, places in groups.items()
        )
        self.features = 2 * len(self.numeric) + sum(e.features for e in self.embeddings)

    def children(self) -> Iterator[tuple[str, Module]]:
        for embeddings in self.embeddings:
            yield str(embeddings.width), embeddings

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.output_shape(x.shape[1:])
        n, m = len(x), len(self.numeric)
        y = self.scratch("y", (n, self.features))
        if m:
            numbers, nothing = y[:, :m], y[:, m : 2 * m]
            np.take(x, self.numeric, axis=1, out=numbers, mode="clip")
            np.isnan(numbers, out=nothing, casting="unsafe")
            np.copyto(numbers, 0, where=nothing > 0)
        at = 2 * m
        for embeddings in self.embeddings:
            y[:, at : at + embeddings.features] = embeddings.forward(x)
            at += embeddings.features
        return y

    def backward(self, grad: np.ndarray) -> None:
        at = 2 * len(self.numeric)
        for embeddings in self.embeddings:
            embeddings.backward(grad[:, at : at + embeddings.features])
            at += embeddings.features

    def output_shape(self, shape: Shape) -> Shape:
        if tuple(shape) != (len(self.levels),):
            raise ValueError(
                f"Columns: expected tables of {len(self.levels)} columns, got samples of shape "
                f"{tuple(shape)}"
            )
        return (self.features,)

    def extra_repr(self) -> str:
        return f"{len(self.numeric)} numeric, {len(self.levels) - len(self.numeric)} others"


class Embeddings(Module):
    """Vectors of one length for the levels of some columns: rows of one table, looked up together.

    Shapes: x (N, C), y (N, G W) for G of the columns.

    Parameters
    ----------
    places : ndarray of int64, shape (G,)
        Where in x the columns are.
    levels : list of int
        K for each. It has K + 2 rows: level K is one that nobody has seen, NaN a missing cell.
    width : int
        W.

    Attributes
    ----------
    weight : Parameter, shape (sum of K + 2, W)
    """

    def __init__(self, places: np.ndarray, levels: list[int], width: int) -> None:
        self.places, self.width = places, width
        self.missing = np.array(levels, np.float32) + 1
        ends = np.cumsum([k + 2 for k in levels])
        self.first = np.concatenate(([0], ends[:-1])).astype(np.int64)
        self.weight = Parameter((int(ends[-1]), width), std=1 / width**0.5)
        self.weight.initialize(fresh_seed(), 0)
        self.features = len(places) * width

    def reset(self, seed: int, offset: int) -> int:
        """Make the vectors zero that may never be learned: of unseen levels and missing cells."""
        nothing = self.first + self.missing.astype(np.int64)
        self.weight.value[nothing] = self.weight.value[nothing - 1] = 0
        return offset

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        shape = (len(x), len(self.places))
        codes, rows = self.scratch("codes", shape), self.scratch("rows", shape, np.int64)
        np.take(x, self.places, axis=1, out=codes, mode="clip")
        np.copyto(codes, self.missing, where=np.isnan(codes))
        np.add(codes, self.first, out=rows, casting="unsafe")
        y, plain = self.scratch("y", (rows.size, self.width)), (1.0, None, 0.0, 0.0, 0.0, 0, 0, 0)
        flat, ws = rows.reshape(-1), runtime.current()
        _core.gather(y, None, self.weight.value, flat, *plain, ws)
        self._kept = flat
        return y.reshape(len(x), self.features)

    def backward(self, grad: np.ndarray) -> None:
        shape = self.weight.shape
        vectors = self.scratch("dy", (len(self._kept), self.width))
        vectors.reshape(grad.shape)[...] = grad
        dweight, counts = self.scratch("dweight", shape), self.scratch("counts", shape[:1])
        _core.vq_statistics(counts, dweight, vectors, self._kept, runtime.current())
        self.weight.grad += dweight


def _places(chosen: Iterable[bool]) -> np.ndarray:
    return np.flatnonzero(list(chosen)).astype(np.int64)
