"""Why samples are outliers: what their values have to do with a detector's scores."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...base import names as column_names
from ...data.samples import Samples
from ...data.tables import Table, frames
from ...data.tables.cells import timezone
from ...data.tables.columns import Levels, Numeric
from ...data.tables.scaling import RobustScaler
from ...losses.mixed import Mixed
from ..tabular.model import TableModel
from .score import OutlierScore, columns_of_points, parts

if TYPE_CHECKING:
    from .detector import Fitted

Given = tuple[Any, np.ndarray | None]  # samples as members take them, and their mask
FIELDS = "row", "column", "value", "expected", "share"


# ---- parts of a score ---------------------------------------------------------------------------


def contributions(state: Fitted, measure: str, given: Given) -> np.ndarray:
    """Return what each value of samples adds to their outlier scores, float64 (n, F).

    Of a table it is (n, C), for its columns.
    """
    found, scores = 0.0, 0.0
    runs = None if state.robust is None else _runs(state.robust)
    for member, location, scale in zip(state.members, state.location, state.scale, strict=True):
        shares, standard = [], []
        for part, median, spread in zip(parts(measure), location, scale, strict=True):
            share, raw = _of_part(member, part, given, state.robust, runs)
            shares.append(share / spread)
            standard.append((raw - median) / spread)
        if measure == "max":
            larger = np.argmax(standard, axis=0)
            found = found + np.stack(shares)[larger, np.arange(len(larger))]
            scores = scores + np.max(standard, axis=0)
        else:
            found, scores = found + np.mean(shares, axis=0), scores + np.mean(standard, axis=0)
    out, score = np.asarray(found) / len(state.members), np.asarray(scores) / len(state.members)
    if state.evidence is not None:
        total = out.sum(1)
        moved = np.arcsinh(score) - np.arcsinh(score - total)
        out *= (moved / np.where(total > 0, total, 1))[:, None]
        member = state.members[0]
        adds, loss = state.evidence.features(member.values(*given)), member.model._loss
        if isinstance(loss, Mixed):
            np.add.at(out.T, columns_of_points(loss), adds.T)
        else:
            width = min(out.shape[1], adds.shape[1])  # sequences may be longer than in fit
            out[:, :width] += adds[:, :width]
    return out if runs is None else np.add.reduceat(out, [run.start for run in runs], axis=1)


def _of_part(
    member: OutlierScore,
    part: str,
    given: Given,
    robust: RobustScaler | None,
    runs: list[slice] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what values add to one of a member's outlier scores (n, F), and the score (n,)."""
    share, raw = member.features(part, *given, runs), member.measure(part, *given)
    if part == "loss":
        return share, raw
    if part == "codes" and robust is not None:
        raw = np.sqrt(raw**2 + robust.surprise(given[0]))
        for at, nats in robust.unseen():
            share[:, at] += np.where(given[0][:, at] > 0, 2 * nats, 0)
    total = share.sum(1)
    return share * (raw / np.where(total > 0, total, 1))[:, None], raw


def _runs(robust: RobustScaler) -> list[slice] | None:
    """Return which scaled numbers each column of a table has; None for one each."""
    if robust.levels is None:
        return None
    ends = np.cumsum([1 if known is None else known.levels + 1 for known in robust.levels])
    starts = [0, *ends[:-1].tolist()]
    return [slice(a, b) for a, b in zip(starts, ends.tolist(), strict=True)]


def in_form(found: np.ndarray, rows: Samples, part: Any) -> Any:
    """Return values (n, F) in the form of some samples, a list of (T_i, F) for a list."""
    if rows.kind == "list":
        steps = found.reshape(len(found), -1, rows.shape[-1])
        return [one[: len(x)].copy() for one, x in zip(steps, part, strict=True)]
    return found if len(rows.shape) == 1 else found.reshape(len(found), *rows.shape)


# ---- what a reconstruction has in place of values -----------------------------------------------


def expected(state: Fitted, given: Given) -> list[np.ndarray] | np.ndarray:
    """Return the members' mean reconstruction of samples (n, F), in the data's own units.

    Of a table with types it is a list of the columns' cells, (n,) each: levels are the likeliest
    ones, of members that have columns of their own those that most give.
    """
    if isinstance(state.members[0].model, TableModel):
        return _table_cells(state, given)
    rebuilt = np.mean([m.rebuilt(*given).astype(np.float64) for m in state.members], axis=0)
    robust = state.robust
    if robust is None:
        return rebuilt
    with np.errstate(over="ignore"):
        numbers = robust.center + robust.scale * np.sinh(rebuilt)
    if robust.levels is None:
        return numbers
    out = []
    for j, (known, run) in enumerate(zip(robust.levels, _runs(robust) or (), strict=True)):
        cells = numbers[:, run]
        if known is None:
            kind, zone = ("", "") if robust.times is None else robust.times[j]
            out.append(_times(cells[:, 0], kind, zone))
        else:
            labels = np.array([*known.labels, None], object)
            likeliest = cells[:, : max(1, known.levels)].argmax(1)
            out.append(labels[likeliest])
    return out


def _table_cells(state: Fitted, given: Given) -> list[np.ndarray]:
    """Return what models with columns of their own rebuild, a column after another."""
    codes = [member.rebuilt(*given) for member in state.members]
    layouts = [member.model._layout for member in state.members]  # type: ignore[attr-defined]
    out: list[np.ndarray] = []
    for j in range(codes[0].shape[1]):
        columns = [layout.columns[j] for layout in layouts]
        cells = [c.decode(v[:, j]) for c, v in zip(columns, codes, strict=True)]
        numeric = [c for c in columns if isinstance(c, Numeric)]
        if numeric:
            kept = [v for v, c in zip(cells, columns, strict=True) if isinstance(c, Numeric)]
            out.append(_times(np.mean(kept, axis=0), numeric[0].time, numeric[0].zone or ""))
            continue
        kept = [v for v, c in zip(cells, columns, strict=True) if isinstance(c, Levels)] or cells
        votes = [list(row) for row in zip(*kept, strict=True)]
        out.append(_objects(max(row, key=row.count) for row in votes))
    return out


def _times(seconds: np.ndarray, kind: str, zone: str) -> np.ndarray:
    """Return numbers as they are, or as times or durations of Python if they are seconds."""
    if not kind:
        return seconds
    micros = np.rint(seconds * 1e6).astype(np.int64).view(f"{kind}8[us]").tolist()
    if kind == "M" and zone:
        utc, there = datetime.timezone.utc, timezone(zone)
        micros = [t.replace(tzinfo=utc).astimezone(there) for t in micros]
    return _objects(micros)


def cells_of(part: Any, rows: Samples, columns: Any) -> list[list[Any]] | np.ndarray:
    """Return the values of samples as they came: (n, F), or a list for each column of a table."""
    if rows.kind == "list":
        longest = max(map(len, part))
        out = np.full((len(part), longest, rows.shape[-1]), np.nan)
        for one, x in zip(out, part, strict=True):
            one[: len(x)] = x
        return out.reshape(len(part), -1)
    if rows.kind != "table":
        return np.asarray(part).reshape(len(part), -1)
    table = Table(part)
    places = column_names.places(columns, table.names) or list(range(table.shape[1]))
    return [_column(table, j) for j in places]


def _column(table: Table, j: int) -> list[Any]:
    """Return the cells of a column as objects of Python."""
    cells = table.cells
    if table.form == "pandas":
        return list(cells.iloc[:, j].tolist())
    if table.form == "polars":
        return list(cells.to_series(j).to_list())
    return list(
        (cells[cells.dtype.names[j]] if table.form == "structured" else cells[:, j]).tolist()
    )


# ---- reasons ------------------------------------------------------------------------------------


class Reasons(NamedTuple):
    """The largest reasons of some samples, those of a sample one behind another.

    Attributes
    ----------
    rows, places : ndarray of int, shape (m,)
        Which sample it is, and which of its values.
    values, expected : ndarray, shape (m,)
        Of float64 or objects.
    shares : ndarray of float64, shape (m,)
    """

    rows: np.ndarray
    places: np.ndarray
    values: np.ndarray
    expected: np.ndarray
    shares: np.ndarray


def shares_of(adds: np.ndarray) -> np.ndarray:
    """Return shares (n, F) of what speaks for outliers."""
    total = np.maximum(adds, 0).sum(1, keepdims=True)
    found: np.ndarray = adds / np.where(total > 0, total, 1)
    return found


def largest(
    adds: np.ndarray, n: int, values: Any, rebuilt: Any, lengths: np.ndarray | None
) -> Reasons:
    """Return the n largest reasons of samples, the largest first.

    Parameters
    ----------
    adds : ndarray, shape (n, F)
        From `contributions`.
    n : int
    values, rebuilt : ndarray (n, F), or a list of columns
    lengths : ndarray of int, shape (n,), optional
        How many values each sample has.
    """
    shares = shares_of(adds)
    if lengths is not None:
        shares = np.where(np.arange(adds.shape[1]) < lengths[:, None], shares, -np.inf)
    places = np.argsort(-shares, axis=1, kind="stable")[:, :n]
    rows = np.repeat(np.arange(len(places)), places.shape[1])
    places = places.ravel()
    kept = np.isfinite(shares[rows, places])
    rows, places = rows[kept], places[kept]
    given, others = _at(values, rows, places), _at(rebuilt, rows, places)
    for i, value in enumerate(given if given.dtype == object else ()):
        if isinstance(value, (bool, np.bool_)) and isinstance(others[i], (float, np.floating)):
            others[i] = bool(others[i] > 0.5)  # of booleans, which are scaled as numbers
    return Reasons(rows, places, given, others, shares[rows, places])


def _at(values: Any, rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return values at some places, (m,): numbers, or objects."""
    if isinstance(values, np.ndarray):
        found: np.ndarray = values[rows, places].astype(np.float64)
        return found
    return _objects(values[j][i] for i, j in zip(rows.tolist(), places.tolist(), strict=True))


def frame_of(X: Any, rows: Samples, columns: Any, found: list[Reasons]) -> Any:
    """Return reasons as a table: of pandas or polars for such, else a structured array."""
    row, place, value, rebuilt, share = (np.concatenate(part) for part in zip(*found, strict=True))
    names: Any = place
    if len(rows.shape) > 1:
        shape = (-1, *rows.shape[1:]) if rows.kind == "list" else rows.shape
        names = _tuples(place, shape)
    elif columns is not None:
        names = _objects(columns)[place]
    parts = dict(zip(FIELDS, (row, names, value, rebuilt, share), strict=True))
    return frames.columns_like(X, parts)


def _tuples(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the indices of values of images or sequences as tuples (m,)."""
    inner = math.prod(shape[1:])
    first = places // inner
    others = np.unravel_index(places % inner, shape[1:])
    return _objects(zip(first.tolist(), *(o.tolist() for o in others), strict=True))


def _objects(values: Iterable[Any]) -> np.ndarray:
    """Return things, which may be tuples, as an array of objects (m,)."""
    given = list(values)
    out = np.empty(len(given), object)
    for i, value in enumerate(given):
        out[i] = value
    return out


def by_chunk(
    rows: Samples, state: Fitted, measure: str, scaled: Any
) -> Iterator[tuple[slice, Any, Given, np.ndarray]]:
    """Yield a chunk of samples: its slice, as it came, as members take it, what values add."""
    for chunk, part in rows.chunks():
        given = scaled(part, state.robust)
        yield chunk, part, given, contributions(state, measure, given)
