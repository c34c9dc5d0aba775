"""What an encoder of tables begins with: numbers, what is missing, and a vector for each level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ..base.checks import integer
from ..base.streams import fresh_seed
from .module import Module
from .ops.embedding import Columns as ColumnsOp
from .parameter import Parameter
from .tape import Value


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
        self.levels = tuple(integer("levels", k, -1) for k in levels)
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

    def forward(self, x: Value) -> Value:
        if x.shape[1:] != (len(self.levels),):
            raise ValueError(
                f"Columns: expected tables of {len(self.levels)} columns, got samples of shape "
                f"{x.shape[1:]}"
            )
        return ColumnsOp(x, self.numeric, self.embeddings, self.features)

    def extra_repr(self) -> str:
        return f"{len(self.numeric)} numeric, {len(self.levels) - len(self.numeric)} others"


class Embeddings(Module):
    """Vectors of one length for the levels of some columns: rows of one table, looked up together.

    Parameters
    ----------
    places : ndarray of int64, shape (G,)
        Where in a row the columns are.
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

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Return which rows of the table stand for cells x (N, C): int64 (N, G)."""
        codes = np.take(x, self.places, axis=1)
        np.copyto(codes, self.missing, where=np.isnan(codes))
        return codes.astype(np.int64) + self.first


def _places(chosen: Iterable[bool]) -> np.ndarray:
    return np.flatnonzero(list(chosen)).astype(np.int64)
