r"""How near rows are to the nearest row of another table.

The distance of two rows is Gower's: the mean over columns of :math:`\min(|a - b| / w, 1)`, where w
is the width of a column's real range for numbers, standardised and beyond three deviations
logarithmic so that a few far ones don't make all others equal; and 0 or 1 for levels and for cells
of which one is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .tables import Encoded, Matrix, Tables, as_bytes

ROWS, OTHERS = 64, 2048  # pairs that are measured at a time: their distances stay in the cache
FAR = np.float32(1e6)  # from all that isn't missing


def scaled(tables: Tables, parts: Sequence[Matrix]) -> list[Matrix]:
    """Return the columns that aren't empty so that a difference of 1 is the largest."""
    used, out = np.flatnonzero(~tables.is_empty), []
    width = np.ones(len(tables.names), np.float32)
    for j in used[~tables.is_level[used]]:
        known = tables.real.cells[:, j]
        width[j] = np.nanmax(known) - np.nanmin(known) or 1
    for part in parts:
        numbers = part[:, used] / width[used]
        numbers[np.isnan(numbers)] = FAR
        out.append(numbers)
    return out


def nearest(rows: Matrix, others: Matrix) -> NDArray[np.float32]:
    """Return the distance of each row (N, C) to the nearest of others (M, C), (N,)."""
    columns = np.ascontiguousarray(others.T)
    found = np.full(len(rows), np.inf, np.float32)
    total = np.empty((ROWS, OTHERS), np.float32)
    away = np.empty_like(total)
    for top in range(0, len(rows), ROWS):
        part = rows[top : top + ROWS]
        best = found[top : top + ROWS]
        for left in range(0, len(others), OTHERS):
            near = columns[:, left : left + OTHERS]
            sums = total[: len(part), : near.shape[1]]
            step = away[: len(part), : near.shape[1]]
            sums[:] = 0
            for j in range(len(columns)):
                np.subtract(part[:, j, None], near[j], out=step)
                np.abs(step, out=step)
                np.minimum(step, 1, out=step)
                np.add(sums, step, out=sums)
            np.minimum(best, sums.min(axis=1), out=best)
    return found / np.float32(len(columns))


def share_closer(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return how often one of a is less than one of b; half as often where they are equal."""
    b = np.sort(b)
    less = len(b) - np.searchsorted(b, a, side="right")
    same = np.searchsorted(b, a, side="right") - np.searchsorted(b, a, side="left")
    return float((less + same / 2).mean() / len(b))


def shares_of_copies(tables: Tables, parts: Sequence[Encoded]) -> list[float]:
    """Return the share of each table's rows whose cells are, exactly, those of a real one."""
    real = set(as_bytes(tables.exact(tables.real)))
    rows = [as_bytes(tables.exact(part)) for part in parts]
    return [sum(row in real for row in part) / len(part) for part in rows]
