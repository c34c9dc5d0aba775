"""Long series on the command line: read whole, with their time stamps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..models import SeriesDetector
from ._command import command_errors
from ._open import open_samples, reading_of
from ._source import Block, Source

MOST_EVENTS = 20  # that are listed

TIME = "of a series: the column that has the time stamps; without, as in training"


def is_series(model: Any) -> bool:
    """Return whether a model takes one long series, not samples."""
    return isinstance(model, SeriesDetector)


def open_series(options: Any, model: SeriesDetector) -> Source:
    """Return the steps of a series as one block, with the columns that the model was fitted to."""
    time = getattr(options, "time", None)
    if time is not None:
        model.time = time
    reading = replace(reading_of(options), mixed=True)
    names = getattr(model, "feature_names_in_", None)
    found_itself = model.time is None and model.step_ is not None  # the only column of times
    if names is not None and not reading.columns and not found_itself:
        stamps = [] if model.time is None else [str(model.time)]
        reading.columns = [*stamps, *map(str, names)]
    return Whole(open_samples(options.data, reading))


class Whole(Source):
    """A source whose blocks are one."""

    def __init__(self, source: Source) -> None:
        self.source, self.count, self.is_table = source, source.count, source.is_table

    def read(self) -> Block:
        """Return all steps."""
        return self.source.read()

    def blocks(self) -> Iterator[Block]:
        """Yield all steps."""
        yield self.read()


def scored(model: SeriesDetector, X: Any) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Return scores and verdicts of steps beside their time stamps, and the events."""
    with command_errors():
        scores, events = model.score_samples(X), model.events(X)
    kinds: list[Any] = [("score", np.float64), ("verdict", np.int64)]
    time = _time_of(model, X)
    if time is not None:
        kinds.insert(0, (time, X.dtype[time]))
    out = np.empty(len(scores), kinds)
    out["score"], out["verdict"] = scores, np.where(scores < model.offset_, -1, 1)
    if time is not None:
        out[time] = X[time]
    listed = [{name: _plain(event[name]) for name in events.dtype.names} for event in events]
    return out, listed


def stamps(model: SeriesDetector, X: Any) -> list[str] | None:
    """Return what the steps are called; None for their numbers."""
    time = _time_of(model, X)
    return None if time is None else [str(_plain(t)) for t in X[time]]


def _time_of(model: SeriesDetector, X: Any) -> str | None:
    """Return the name of the column that has the time stamps, if there is one."""
    if model.step_ is None:
        return None
    known = [str(n) for n in getattr(model, "feature_names_in_", ())]
    return next((n for n in X.dtype.names or () if n not in known), None)


def event_lines(events: list[dict[str, Any]]) -> list[str]:
    """Return events for people."""
    lines = [f"events   {len(events)}"]
    for event in events[:MOST_EVENTS]:
        where = f"{event['start']} to {event['end']}"
        lines.append(f"         {where}  score {event['score']:.6g}  {event['features']}")
    more = len(events) - MOST_EVENTS
    return lines if more <= 0 else [*lines, f"         ... and {more} more"]


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (int, float, str)) else str(value)
