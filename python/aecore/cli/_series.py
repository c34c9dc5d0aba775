"""Long series on the command line: read whole, with their time stamps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..models import SeriesDetector
from ._command import CommandError, command_errors
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
    if names is not None and not reading.columns:
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
    names = getattr(X.dtype, "names", None) or ()
    if model.time is not None and model.time not in names:
        raise CommandError(f"--time: expected one of the columns, got {model.time!r}")
    if model.time is not None:
        kinds.insert(0, (str(model.time), X.dtype[model.time]))
    out = np.empty(len(scores), kinds)
    out["score"], out["verdict"] = scores, np.where(scores < model.offset_, -1, 1)
    if model.time is not None:
        out[str(model.time)] = X[model.time]
    listed = [{name: _plain(event[name]) for name in events.dtype.names} for event in events]
    return out, listed


def stamps(model: SeriesDetector, X: Any) -> list[str] | None:
    """Return what the steps are called; None for their numbers."""
    return None if model.time is None else [str(_plain(t)) for t in X[model.time]]


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
