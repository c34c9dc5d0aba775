"""Odd stretches of series as tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.series import Series, table_of

Scores = dict[str, np.ndarray]
MOST_FEATURES = 5  # that are named
NEAR = 0.5  # of the oddest feature's oddness, to be named beside it
ECHO = 0.25  # of the largest error of an event: an odd step makes others of its windows so odd


def stretches(odd: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last index of each run of True."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], odd.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(ends[::2], ends[1::2], strict=True)]


def exact(first: int, last: int, features: np.ndarray, threshold: float) -> tuple[int, int]:
    """Return the part of a run of odd steps where the steps' own errors are beyond the threshold.

    They are those of the oddest features: a single step of the others is beyond it by noise alone
    now and then. Errors that may be no more than the echo of larger ones are left out.

    Parameters
    ----------
    first, last : int
    features : ndarray, shape (T, F)
        Relative errors.
    threshold : float
        Of errors: positive.
    """
    part = features[first : last + 1]
    part = part[:, leading(part)]
    own = _mean(part, 1)
    beyond = np.flatnonzero(own > max(threshold, ECHO * own.max()))
    return (first + int(beyond[0]), first + int(beyond[-1])) if len(beyond) else (first, last)


def leading(features: np.ndarray) -> list[int]:
    """Return which features of some steps (n, F) are odd, the oddest first."""
    mean = _mean(features, 0)
    order = np.argsort(-mean, kind="stable")[:MOST_FEATURES]
    return [int(j) for j in order if mean[j] >= NEAR * mean[order[0]]]


def _mean(features: np.ndarray, axis: int) -> np.ndarray:
    """Return the means of what is observed; 0 where nothing is."""
    seen = np.isfinite(features)
    return np.where(seen, features, 0).sum(axis) / np.maximum(seen.sum(axis), 1)


def oddest(features: np.ndarray, columns: np.ndarray | None) -> str:
    """Return the names of the oddest features of some steps (n, F)."""
    return ", ".join(str(j if columns is None else columns[j]) for j in leading(features))


def events_of(part: Series, scores: Scores, offset: float) -> list[dict[str, Any]]:
    """Return the events of a series."""
    found, score, features = [], scores["score"], scores["features"]
    for a, b in stretches(score < offset):
        peak = a + int(np.argmin(score[a : b + 1]))
        first, last = exact(a, b, features, -offset)
        found.append(
            {
                "start": part.label(first),
                "end": part.label(last),
                "steps": last - first + 1,
                "peak": part.label(peak),
                "score": float(score[peak]),
                "features": oddest(features[first : last + 1], part.columns),
            }
        )
    return found


def events_table(results: list[tuple[Series, Scores]], offset: float, several: bool) -> Any:
    """Return the events of series as a table in their own form."""
    rows = []
    for i, (part, scores) in enumerate(results):
        for event in events_of(part, scores, offset):
            rows.append({"series": i} | event if several else event)
    first = results[0][0]
    names = ["start", "end", "steps", "peak", "score", "features"]
    names = ["series", *names] if several else names
    label = first.label(0)
    empty: dict[str, Any] = {"start": label, "end": label, "peak": label, "series": 0, "steps": 0}
    empty |= {"score": 0.0, "features": ""}
    kept = {name: [row[name] for row in rows or [empty]] for name in names}
    table = table_of(first.container, kept)
    return table if rows else table[:0]
