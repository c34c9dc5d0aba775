"""How alike columns are, and pairs of columns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...data.tables.columns import Levels
from .tables import Encoded, Matrix, Tables

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

BINS = 10  # of numbers beside levels
SHOWN = 24  # bars of a column, at most
MOST = 1 << 20  # cells of a table of counts


class Marginal(NamedTuple):
    """The distribution of a column, of which a picture has bars.

    Attributes
    ----------
    name : object
        The column's.
    labels : list
        The levels from the most frequent on, of which the last may stand for all others, None; or
        the least and the largest number.
    real, synthetic : ndarray of float64
        The shares of the cells that are there.
    """

    name: Any
    labels: list[Any]
    real: Floats
    synthetic: Floats


# ---- columns ------------------------------------------------------------------------------------


def column_shapes(tables: Tables, other: Encoded) -> Floats:
    """Return how alike each column of another table is to the real one's, (C,); NaN of none."""
    found = np.full(len(tables.names), np.nan)
    for j in np.flatnonzero(~tables.is_empty):
        a, b = _there(tables.real.cells[:, j]), _there(other.cells[:, j])
        if not len(b):
            found[j] = 0.0
        elif tables.is_level[j]:
            found[j] = 1 - total_variation(a.astype(np.int64), b.astype(np.int64))
        else:
            found[j] = 1 - kolmogorov_smirnov(a, b)
    return found


def within_range(tables: Tables, other: Encoded) -> Floats:
    """Return the shares of another table's cells that are in the real range or level, (C,)."""
    found = np.full(len(tables.names), np.nan)
    for j in np.flatnonzero(~tables.is_empty):
        a, b = _there(tables.real.cells[:, j]), _there(other.cells[:, j])
        if len(b):
            found[j] = ((a.min() <= b) & (b <= a.max())).mean()
    return found


def kolmogorov_smirnov(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the largest distance of the distribution functions of two samples."""
    a, b = np.sort(a), np.sort(b)
    at = np.concatenate([a, b])
    below = [np.searchsorted(x, at, side="right") / len(x) for x in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def total_variation(a: Codes, b: Codes) -> float:
    """Return half the summed differences of the shares of codes, 0 and more, of two samples."""
    if max(a.max(), b.max()) < MOST:
        size = int(max(a.max(), b.max())) + 1
    else:
        a, b = np.split(np.unique(np.concatenate([a, b]), return_inverse=True)[1], [len(a)])
        size = int(max(a.max(), b.max())) + 1
    shares = [np.bincount(x, minlength=size) / len(x) for x in (a, b)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _there(column: Matrix) -> Matrix:
    return column[~np.isnan(column)]


# ---- pairs --------------------------------------------------------------------------------------


def pair_trends(tables: Tables, other: Encoded) -> Floats:
    """Return how alike each pair of columns is in another table, (C, C); NaN on the diagonal."""
    c = len(tables.names)
    found = np.full((c, c), np.nan)
    codes = [_codes(tables, part) for part in (tables.real, other)]
    sizes = [int(max(a.max(), b.max())) + 1 for a, b in zip(codes[0].T, codes[1].T, strict=True)]
    for i, j in zip(*np.triu_indices(c, 1), strict=True):
        if tables.is_empty[i] or tables.is_empty[j]:
            continue
        if tables.is_level[i] or tables.is_level[j]:
            a, b = (part[:, i] * sizes[j] + part[:, j] for part in codes)
            found[i, j] = 1 - total_variation(a, b)
        else:
            r, s = (_correlation(part.cells[:, i], part.cells[:, j])
                    for part in (tables.real, other))  # fmt: skip
            found[i, j] = 1 - abs(r - s) / 2
        found[j, i] = found[i, j]
    return found


def _codes(tables: Tables, part: Encoded) -> Codes:
    """Return the levels of cells, numbers in bins of equally many real ones; 0 is missing."""
    out = np.zeros(part.cells.shape, np.int64)
    for j in np.flatnonzero(~tables.is_empty):
        values, there = part.cells[:, j], ~np.isnan(part.cells[:, j])
        if tables.is_level[j]:
            out[there, j] = values[there].astype(np.int64) + 1
            continue
        known = _there(tables.real.cells[:, j])
        edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="lower"))
        out[there, j] = np.searchsorted(edges, values[there], side="right") + 1
    return out


def _correlation(a: Matrix, b: Matrix) -> float:
    """Return the correlation of two columns where both are there; 0 where one doesn't vary."""
    both = ~(np.isnan(a) | np.isnan(b))
    if both.sum() < 2:
        return 0.0
    x, y = a[both].astype(np.float64), b[both].astype(np.float64)
    if (x == x[0]).all() or (y == y[0]).all():
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    size = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / size) if size > 0 else 0.0


# ---- pictures -----------------------------------------------------------------------------------


def marginals(tables: Tables) -> list[Marginal]:
    """Return the distributions of the columns."""
    found = []
    for j, name in enumerate(tables.names):
        parts = [_there(part.cells[:, j]) for part in (tables.real, tables.synthetic)]
        column: Any = tables.layout.columns[j]
        if tables.is_empty[j]:
            labels, counts = list[Any](), [np.zeros(0), np.zeros(0)]
        elif isinstance(column, Levels):
            labels, counts = _of_levels(column, parts)
        else:
            edges = _edges(parts[0])
            counts = [np.histogram(np.clip(x, edges[0], edges[-1]), edges)[0] for x in parts]
            labels = [column.low, column.high]
        shares = [count / max(len(x), 1) for count, x in zip(counts, parts, strict=True)]
        found.append(Marginal(name, labels, shares[0], shares[1]))
    return found


def _of_levels(column: Levels, parts: list[Matrix]) -> tuple[list[Any], list[Any]]:
    """Return levels from the most frequent on, and how often each table has them."""
    size = column.levels + 1  # the last is of levels that the real table hasn't
    counts = [np.bincount(x.astype(np.int64), minlength=size) for x in parts]
    order = np.argsort(-counts[0], kind="stable")
    if size - 1 <= SHOWN and not counts[1][-1]:
        order = order[order < column.levels]
        return [column.labels[i] for i in order], [count[order] for count in counts]
    first, rest = order[: SHOWN - 1], order[SHOWN - 1 :]
    known = [i for i in first if i < column.levels]
    rest = np.append(rest, [i for i in first if i == column.levels]).astype(np.int64)
    labels = [*(column.labels[i] for i in known), None]
    return labels, [np.append(count[known], count[rest].sum()) for count in counts]


def _edges(values: Matrix) -> Floats:
    """Return the edges of bars: one for each of few values, else of equal widths."""
    distinct = np.unique(values).astype(np.float64)
    if len(distinct) == 1:
        return np.array([distinct[0] - 0.5, distinct[0] + 0.5])
    if len(distinct) > SHOWN:
        return np.linspace(distinct[0], distinct[-1], SHOWN + 1)
    between = (distinct[1:] + distinct[:-1]) / 2
    return np.concatenate([[distinct[0]], between, [distinct[-1]]])
