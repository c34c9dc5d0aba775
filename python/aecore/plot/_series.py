"""Draws long series, what a detector makes of them, and where they are odd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import checks
from ..base.text import printable
from ..data.series import Series, are_several
from ._call import lookup
from ._style import canvas
from ._tables import short
from ._theme import Theme, theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 8  # features that are drawn
COLUMNS = 1500  # of points across: longer series are drawn as the range of what is in each
GAP = 0.22  # between lanes, of their height
SHADE = 3  # the colour of events


def series(
    detector: Any,
    X: Any,
    *,
    features: Sequence[Any] | None = None,
    reconstruction: bool = True,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw a series, its reconstruction, its events and its scores.

    Each feature has a lane of its own, from its least to its largest value, which stand at the
    left. The lowest lane has the errors, which are the scores negated, on a logarithmic scale, with
    the threshold as a dashed line. Events are shaded; darker in the lanes of the features that are
    odd.

    Parameters
    ----------
    detector : SeriesDetector
        Fitted.
    X : array-like of shape (T,) or (T, F), or data frame
        One series. The axis below has its time stamps, if it has any.
    features : sequence of names or numbers, optional
        Which features to draw; by default the first eight.
    reconstruction : bool, default True
        Whether to draw what the windows rebuild, behind the series.
    title : str, optional
        Takes the place of the title, which is the number of events; ``""`` draws none.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Figure, or `ax` if it was given

    Raises
    ------
    TypeError, ValueError
        For what is no fitted detector of series, for a list of series and for unknown features.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.sin(np.arange(900) / 9)
    >>> detector = ae.SeriesDetector(window=32, random_state=0).fit(X[:500])
    >>> X[700:720] = 0
    >>> figure = ae.plot.series(detector, X)
    """
    events_of = lookup(detector, "events", "series")
    if are_several(X):
        raise ValueError(f"X: expected one series, got a list of {len(X)}")
    part = Series(X, "X", getattr(detector, "time", None))
    checks.boolean("reconstruction", reconstruction)
    shown = _chosen(part, features)
    errors = -np.asarray(detector.score_samples(X), np.float64)
    rebuilt = _numbers(detector.reconstruct(X), part) if reconstruction else None
    x, is_time = _positions(part)
    spans = _spans(events_of(X), part)
    lanes, n = len(shown) + 1, len(spans)
    default = f"Series: {n} event{'s' * (n != 1)}"
    with canvas(ax, (6.5, 0.9 + 0.62 * lanes), title, default) as (result, axes):
        theme = theme_of(axes)
        axes.grid(False, axis="y")
        for odd, (a, b) in spans:
            _shade(axes, x, a, b, odd, shown, part, lanes)
        ticks: list[tuple[float, str]] = []
        for lane, j in enumerate(shown):
            base = (lanes - 1 - lane) * (1 + GAP)
            values = part.values[:, j].astype(np.float64)
            low, high = _range(values)
            _line(axes, x, base + (values - low) / (high - low), theme.colors[0], 1.0)
            if rebuilt is not None:
                within = np.clip((rebuilt[:, j] - low) / (high - low), -GAP / 2, 1 + GAP / 2)
                _line(axes, x, base + within, theme.colors[1], 0.9, alpha=0.8, zorder=1.5)
            ticks += [(base, short(low)), (base + 1, short(high))]
            axes.text(1.01, base + 0.5, _name(part, j), va="center", fontsize=theme.pt(8),
                      transform=axes.get_yaxis_transform())  # fmt: skip
        ticks += _draw_errors(axes, x, errors, -float(detector.threshold_))
        axes.set_yticks([t for t, _ in ticks], [text for _, text in ticks])
        for label, (t, _) in zip(axes.get_yticklabels(), ticks, strict=True):
            label.set(verticalalignment=_alignment(t % (1 + GAP)))
        axes.set_ylim(-GAP, lanes * (1 + GAP) - GAP / 2)
        axes.margins(x=0)
        if is_time:
            _date_axis(axes)
        axes.set_xlabel("time" if is_time else "step")
        _explain(axes, rebuilt is not None)
    return result


def _chosen(part: Series, features: Sequence[Any] | None) -> list[int]:
    """Return the numbers of the features to draw."""
    names = list(range(part.features)) if part.columns is None else list(part.columns)
    if features is None:
        return list(range(min(MOST, part.features)))
    if isinstance(features, str) or not isinstance(features, Sequence):
        features = [features]
    unknown = [f for f in features if f not in names]
    if unknown or not len(features):
        got = printable(unknown[0]) if unknown else "none"
        raise ValueError(f"features: expected some of {names}, got {got!r}")
    return [names.index(f) for f in features]


def _name(part: Series, j: int) -> str:
    if part.columns is None:
        return "" if part.features == 1 else f"{j}"
    return printable(part.columns[j])


def _numbers(found: Any, part: Series) -> NDArray[np.float64]:
    """Return a reconstruction in the series' form as numbers (T, F)."""
    values = (
        np.asarray(found) if isinstance(found, np.ndarray) and found.dtype.names is None else None
    )
    if values is None:
        values = Series(found, "reconstruction", part.time).values
    return values.reshape(len(part), part.features).astype(np.float64)


def _positions(part: Series) -> tuple[NDArray[Any], bool]:
    """Return where steps stand on the axis, and whether these are times."""
    if part.stamps is None:
        return np.arange(len(part), dtype=np.float64), False
    if not part.are_times:
        return part.stamps, False
    return (part.stamps * 1e6).astype("datetime64[us]"), True


def _spans(events: Any, part: Series) -> list[tuple[list[str], tuple[int, int]]]:
    """Return the odd features of events, and the numbers of their first and last steps."""
    labels = {part.label(i): i for i in range(len(part))}
    if hasattr(events, "iter_rows"):
        rows = list(events.iter_rows(named=True))
    elif hasattr(events, "to_dict"):
        rows = events.to_dict("records")
    else:
        rows = [{name: event[name] for name in events.dtype.names} for event in events]
    return [
        (str(row["features"]).split(", "), (labels[row["start"]], labels[row["end"]]))
        for row in rows
    ]


def _shade(
    ax: Axes,
    x: NDArray[Any],
    a: int,
    b: int,
    odd: list[str],
    shown: list[int],
    part: Series,
    lanes: int,
) -> None:
    """Shade an event, darker where its features are."""
    left, right = x[max(a - 1, 0)], x[min(b + 1, len(x) - 1)]
    shade = _shade_of(theme_of(ax))
    ax.axvspan(left, right, color=shade, alpha=0.25, linewidth=0, zorder=0)
    for lane, j in enumerate(shown):
        if part.features > 1 and str(j if part.columns is None else part.columns[j]) in odd:
            base = (lanes - 1 - lane) * (1 + GAP)
            ax.fill_between([left, right], base - GAP / 2, base + 1 + GAP / 2, color=shade,
                            alpha=0.45, linewidth=0, zorder=0.1)  # fmt: skip


def _shade_of(theme: Theme) -> str:
    return theme.colors[SHADE % len(theme.colors)]


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    found = values[np.isfinite(values)]
    low, high = (float(found.min()), float(found.max())) if len(found) else (0.0, 1.0)
    return low, high if high > low else low + 1


def _line(
    ax: Axes, x: NDArray[Any], y: NDArray[np.float64], color: str, width: float, **style: Any
) -> None:
    """Draw a line; of many points the least and the largest in each column of the picture."""
    size = len(y) // COLUMNS
    if size >= 4:
        n = len(y) // size * size
        parts = y[:n].reshape(-1, size)
        with np.errstate(invalid="ignore"):
            known = np.isfinite(parts)
            low = np.where(known, parts, np.inf).min(1)
            high = np.where(known, parts, -np.inf).max(1)
        ends = np.stack([low, high], 1)
        ends[~known.any(1)] = np.nan
        x, y = np.repeat(x[:n:size], 2), ends.reshape(-1)
    ax.plot(x, y, color=color, linewidth=width, **style)


def _draw_errors(
    ax: Axes, x: NDArray[Any], errors: NDArray[np.float64], threshold: float
) -> list[tuple[float, str]]:
    """Draw errors into the lowest lane, by their logarithms; return the ticks of its scale."""
    logs = np.log10(np.maximum(errors, 1e-6))
    limit = np.log10(max(threshold, 1e-6))
    low, high = float(min(logs.min(), limit)), float(max(logs.max(), limit))
    height = max(high - low, 0.1)
    theme = theme_of(ax)
    _line(ax, x, (logs - low) / height, theme.ink, 0.9)
    at = (limit - low) / height
    ax.axhline(at, color=theme.colors[1], linewidth=0.9, linestyle="--")
    ax.text(
        1.01, 0.5, "error", va="center", fontsize=theme.pt(8), transform=ax.get_yaxis_transform()
    )
    ticks = [(at, short(threshold))]
    for end, value in ((0.0, low), (1.0, high)):
        if abs(end - at) > 0.4:
            ticks.append((end, short(10**value)))
    return ticks


def _alignment(share: float) -> str:
    """Return how a text lies about its tick: within its lane, so that it meets no other one's."""
    return "bottom" if share < 0.25 else "top" if share > 0.75 else "center"


def _date_axis(ax: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _explain(ax: Axes, rebuilt: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    theme = theme_of(ax)
    handles: list[Any] = [Line2D([], [], color=theme.colors[0], label="series")]
    if rebuilt:
        handles.append(Line2D([], [], color=theme.colors[1], alpha=0.75, label="rebuilt"))
    handles.append(Line2D([], [], color=theme.colors[1], linestyle="--", label="threshold"))
    handles.append(Patch(color=_shade_of(theme), alpha=0.5, linewidth=0, label="event"))
    ax.legend(handles=handles, ncols=4, loc="lower right", bbox_to_anchor=(1, 1),
              borderaxespad=0.3, handlelength=1.4, columnspacing=1, frameon=False,
              fontsize=theme.pt(7.5))  # fmt: skip
