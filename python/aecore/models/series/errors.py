"""Errors of windows, laid back on the steps of their series, a chunk of windows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...data.series import Run, windows

BATCH = 256  # of models in inference: chunks are multiples of it
CHUNK_VALUES = 1 << 20  # about
LARGEST = 1e8  # deviations: squares of more aren't finite in float32
LEAST_OBSERVED = 0.5  # share of a window's values, to train on it and for its error to count
FALLBACK = 1e-6  # weight of other windows: they count for steps that no better one is over
FILLINGS = 16  # of a window's missing values, at most
AHEAD = 1.7  # times the way to the rebuilt value: so fillings settle sooner
SETTLED = 0.99  # of the error of the filling before: more of it is no gain


class Scaling(NamedTuple):
    """Numbers of features to deviations from what is usual.

    Attributes
    ----------
    center, scale : ndarray of float64, shape (F,)
    """

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def learn(cls, parts: Sequence[np.ndarray]) -> Scaling:
        """Learn medians, and deviations by the interquartile range, of series (T, F)."""
        center, scale = np.empty((2, parts[0].shape[1]))
        for j in range(len(center)):
            column = np.concatenate([p[:, j] for p in parts]).astype(np.float64)
            column = column[np.isfinite(column)]
            low, center[j], high = np.percentile(column, (25, 50, 75)) if len(column) else (0, 0, 0)
            spread, deviation = (high - low) / 1.349, column.std() if len(column) else 0.0
            # where most numbers are nearly the same, the quartiles say little
            scale[j] = (spread if spread > 0.1 * deviation else deviation) or 1.0
        return cls(center, scale)

    def apply(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return numbers (n, F) as float32 deviations, and which are observed; None for all."""
        scaled = (values - self.center) / self.scale
        observed = np.isfinite(scaled)
        np.clip(scaled, -LARGEST, LARGEST, out=scaled)
        return scaled.astype(np.float32), None if observed.all() else observed

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Return deviations as numbers."""
        return values * self.scale + self.center


class Found(NamedTuple):
    """What a chunk of windows gives.

    Attributes
    ----------
    starts : ndarray of int64, shape (n,)
        Of the windows in their run.
    squares : ndarray of float32, shape (L, F, n)
        Errors of one member, 0 where nothing is observed.
    rebuilt : ndarray of float32, shape (n, L, F)
    observed : ndarray of bool, shape (n, L, F), or None for all
    """

    starts: np.ndarray
    squares: np.ndarray
    rebuilt: np.ndarray
    observed: np.ndarray | None


def starts_of(steps: int, window: int, stride: int) -> np.ndarray:
    """Return where windows start so that each step is in one: the last one ends with the run."""
    starts = np.arange(0, steps - window + 1, stride)
    last = steps - window
    return starts if starts[-1] == last else np.append(starts, last)


def chunks(
    run: Run, scaling: Scaling, window: int, starts: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """Yield starts of windows of a run, the windows (n, L, F), and which values are observed."""
    size = window * run.values.shape[1]
    n = BATCH * max(1, min(16, CHUNK_VALUES // (BATCH * size)))
    for i in range(0, len(starts), n):
        some = starts[i : i + n]
        first = some[0]
        scaled, observed = scaling.apply(run.values[first : some[-1] + window])
        views = windows(scaled, window)[some - first]
        seen = None if observed is None else windows(observed, window)[some - first]
        if seen is not None:
            views = np.where(seen, views, np.float32(0))
        yield some, views, seen


def errors_of(model: Any, starts: np.ndarray, views: np.ndarray, seen: np.ndarray | None) -> Found:
    """Return a model's errors over windows."""
    rebuilt = model.reconstruct(views, **({} if seen is None else {"sample_mask": seen}))
    if seen is not None:
        rebuilt = filled(model, views, seen, rebuilt)
    squares = np.subtract(views, rebuilt)
    squares *= squares
    if seen is not None:
        squares *= seen
    return Found(starts, np.ascontiguousarray(squares.transpose(1, 2, 0)), rebuilt, seen)


def filled(model: Any, views: np.ndarray, seen: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    """Return windows as they are rebuilt once what they lack is filled in.

    Models take a missing value for the usual one, 0: a gap is a jump to it and back, which moves
    the codes, and with them the errors of all that is observed. So what is rebuilt takes the place
    of what is missing, again and again, as in principal components of data with gaps (A. Ilin and
    T. Raiko, "Practical Approaches to Principal Component Analysis in the Presence of Missing
    Values", JMLR 11, 2010), as long as the errors of observed values fall.

    Parameters
    ----------
    views, rebuilt : ndarray of float32, shape (n, L, F)
        Windows, 0 where something is missing, and the same rebuilt.
    seen : ndarray of bool, shape (n, L, F)
    """
    rows = np.flatnonzero(~seen.all((1, 2)) & seen.any((1, 2)))
    found, shown, values, guess = rebuilt.copy(), seen[rows], views[rows], rebuilt[rows]
    least = _observed_error(values, guess, shown)
    for i in range(FILLINGS):
        if not len(rows):
            break
        ahead = np.float32(AHEAD if i else 1)
        values = np.where(shown, values, values + ahead * (guess - values))
        guess = model.reconstruct(values)
        errors = _observed_error(values, guess, shown)
        better = errors < least
        found[rows[better]] = guess[better]
        on = errors < SETTLED * least
        rows, shown, values, guess, least = rows[on], shown[on], values[on], guess[on], errors[on]
    return found


def _observed_error(values: np.ndarray, rebuilt: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Return the sums of squared errors of observed values of windows, (n,)."""
    squares = np.subtract(values, rebuilt)
    squares *= squares
    return np.where(shown, squares, 0).sum((1, 2), dtype=np.float64)


def per_feature(found: Found) -> tuple[np.ndarray, np.ndarray]:
    """Return windows' mean errors (n, F) in float64, and the shares (n, F) that are observed."""
    sums = found.squares.sum(0, dtype=np.float64).T
    steps = found.squares.shape[0]
    if found.observed is None:
        return sums / steps, np.ones(sums.shape)
    counts = found.observed.sum(1)
    return sums / np.maximum(counts, 1), counts / steps


def lay(out: np.ndarray, starts: np.ndarray, values: np.ndarray, window: int) -> None:
    """Add values of windows to the steps they are over: out (S, ...) += values (L or 1, ..., n).

    `starts` are equally spaced, but for the last one perhaps.
    """
    if len(starts) > 1:
        stride = int(starts[1] - starts[0])
        if int(starts[-1] - starts[-2]) != stride:
            lay(out, starts[:-1], values[..., :-1], window)
            lay(out, starts[-1:], values[..., -1:], window)
            return
        rows = slice(int(starts[0]), int(starts[-1]) + 1, stride)
    else:
        rows = slice(int(starts[0]), int(starts[0]) + 1)
    for j in range(window):
        part = values[j if len(values) > 1 else 0]
        target = out[rows.start + j : rows.stop + j : rows.step]
        target += part if part.ndim == 1 else part.T


def mean_over(relative: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the mean over the features (n, F) of windows; NaN where less than half is observed.

    What is missing is as usual, 1: the less of a feature is known, the less it can say.
    """
    means, full = relative.mean(1), (shares == 1).all(1)
    if full.all():
        return means
    partly = 1 + (shares * (relative - 1)).mean(1)
    partly[shares.mean(1) < LEAST_OBSERVED] = np.nan
    return np.where(full, means, partly)


def window_errors(parts: Sequence[Found], usual: np.ndarray) -> np.ndarray:
    """Return the members' mean error of windows (n,), relative; NaN where little is observed."""
    total = np.zeros(len(parts[0].starts))
    for part in parts:
        means, shares = per_feature(part)
        total += mean_over(means / usual, shares)
    return total / len(parts)


class Steps:
    """Means over the windows that the steps of a run are in.

    Parameters
    ----------
    shape : (int, int)
        Of the run, (S, F).
    window : int
    usual : ndarray, shape (F,)
    wanted : tuple of str
        "score", "features", "rebuilt".
    """

    def __init__(
        self, shape: tuple[int, int], window: int, usual: np.ndarray, wanted: tuple[str, ...]
    ) -> None:
        self.shape, self.window, self.usual = shape, window, usual
        self._sums = {name: np.zeros(shape[:1] if name == "score" else shape) for name in wanted}
        # how much of a step's windows, and of its values in them, is observed
        self._weights = {name: np.zeros_like(sums) for name, sums in self._sums.items()}

    def add(self, parts: Sequence[Found]) -> None:
        """Add a chunk of windows, of which each member has found something."""
        starts, seen = parts[0].starts, parts[0].observed
        n, features = len(starts), self.shape[1]
        shares = np.ones(n) if seen is None else seen.mean((1, 2))
        trust = np.where(shares >= LEAST_OBSERVED, 1.0, FALLBACK)
        if "score" in self._sums:
            errors = window_errors(parts, self.usual)
            counts = np.where(np.isnan(errors), 0, shares)
            self._lay(
                "score", starts, (np.where(counts > 0, errors, 0) * counts)[None], counts[None]
            )
        if "features" in self._sums:
            relative = np.asarray(sum(part.squares for part in parts)) / self.usual[:, None]
            shown = np.ones((1, features, n)) if seen is None else seen.transpose(1, 2, 0)
            self._lay("features", starts, trust * relative / len(parts), trust * shown)
        if "rebuilt" in self._sums:
            rebuilt = np.asarray(sum(part.rebuilt for part in parts)).transpose(1, 2, 0)
            shown = np.broadcast_to(trust, (1, features, n))
            self._lay("rebuilt", starts, trust * rebuilt / len(parts), shown)

    def _lay(self, name: str, starts: np.ndarray, values: np.ndarray, weights: np.ndarray) -> None:
        lay(self._sums[name], starts, values, self.window)
        lay(self._weights[name], starts, weights, self.window)

    def means(self) -> dict[str, np.ndarray]:
        """Return what is wanted of each step; NaN where nothing is known."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return {name: sums / self._weights[name] for name, sums in self._sums.items()}
