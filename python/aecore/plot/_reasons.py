"""Draws why samples are outliers: the largest shares of their scores, by value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import checks
from ._call import lookup, names_of_features
from ._grid import as_samples, draw_cells, limits_of
from ._style import canvas, colored
from ._tables import is_frame, row_label, short, shortened
from ._theme import theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_VALUE, _EXPECTED, _END = 1.06, 1.42, 1.78  # where columns of texts begin, in shares
_TITLE = "Reasons of the lowest scores"
_NAME = 24


def reasons(
    model: Any,
    X: Any,
    n: int = 4,
    *,
    samples: int = 6,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw the reasons for the outlier scores of samples, those with the lowest scores first.

    Tables and sequences have a bar for each reason, which is as long as its share of the score,
    with the value and the one that is expected beside it. Images have a column each: the image,
    what the detector expects in its place, and how much each pixel adds to the score, all channels
    together.

    Parameters
    ----------
    model : AnomalyDetector
        With ``score_samples``, ``explain`` and ``score_features``.
    X : array-like (N, F), (N, T, F) or (N, H, W, 1 or 3), data frame, or list of arrays (T_i, F)
        Samples.
    n : int, default 4
        How many reasons a sample has; images have all.
    samples : int, default 6
        How many samples are drawn, those that are the oddest.
    title : str, optional
        Takes the place of the title; ``""`` draws none.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Figure, or `ax` if it was given

    Raises
    ------
    TypeError, ValueError
        The model isn't a detector, or a number isn't positive.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> X[0, 2] = 9
    >>> detector = ae.AnomalyDetector(random_state=0).fit(X)
    >>> figure = ae.plot.reasons(detector, X, samples=3)
    """
    explain = lookup(model, "explain", "reasons")
    checks.integer("n", n, 1)
    checks.integer("samples", samples, 1)
    scores = np.asarray(lookup(model, "score_samples", "reasons")(X))
    chosen = np.argsort(scores, kind="stable")[:samples]
    part = _taken(X, chosen)
    if not is_frame(part) and not isinstance(part, list) and np.ndim(part) == 4:
        return _maps(model, part, chosen, title, ax)
    found = explain(part, n)
    numbers = _numbers(found, part, len(chosen))
    names = _names(model, X, found)
    return _bars(found, numbers, names, _labels(X, chosen), scores[chosen], title, ax)


def _taken(X: Any, rows: NDArray[np.int64]) -> Any:
    """Return some samples, in the container of X."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if isinstance(X, (list, tuple)) and any(np.shape(x) != np.shape(X[0]) for x in X):
        return [X[i] for i in rows]
    return X[rows] if hasattr(X, "shape") else np.asarray(X)[rows]


def _labels(X: Any, rows: NDArray[np.int64]) -> list[str]:
    index = getattr(X, "index", None)
    labels = rows if index is None or callable(index) else index[rows]
    return [f"row {row_label(label)}" for label in labels]


def _numbers(found: Any, part: Any, n: int) -> NDArray[np.int64]:
    """Return which of n samples, which follow each other, each reason is of."""
    rows = np.asarray(found["row"])
    starts = np.append(True, rows[1:] != rows[:-1]) if len(rows) else np.zeros(0, bool)
    numbers = np.cumsum(starts) - 1
    if len(rows) and numbers[-1] != n - 1:  # labels of an index that come again
        numbers = np.arange(len(rows)) * n // len(rows)
    return numbers


def _names(detector: Any, X: Any, found: Any) -> list[str]:
    """Return what each reason is about."""
    known = list(np.asarray(found["column"]))
    if known and isinstance(known[0], tuple) and len(known[0]) == 2 and not is_frame(X):
        return [f"step {step}, feature {feature}" for step, feature in known]
    if not is_frame(X) and not names_of_features(detector, X):
        return [f"column {name}" for name in known]
    return [shortened(name, _NAME) for name in known]


def _bars(
    found: Any,
    numbers: NDArray[np.int64],
    names: list[str],
    labels: list[str],
    scores: NDArray[Any],
    title: str | None,
    ax: Axes | None,
) -> Any:
    shares = np.asarray(found["share"], np.float64)
    y = np.arange(len(shares)) + 1.5 * numbers + 1
    height = 0.75 + 0.165 * (len(shares) + 1.5 * len(labels))
    with canvas(ax, (6.0, height), title, _TITLE, indent=1.4) as (result, axes):
        theme = theme_of(axes)
        axes.barh(y, np.maximum(shares, 0), color=theme.colors[0], height=0.72)
        for i, (label, score) in enumerate(zip(labels, scores, strict=True)):
            top = float(y[numbers == i][0]) - 1
            head: dict[str, Any] = {"va": "center", "fontsize": theme.pt(7.5), "color": theme.ink}
            axes.text(
                0.008, top, f"{label}, score {short(float(score))}", fontweight="bold", **head
            )
            if not i:
                axes.text(_VALUE, top, "value", **head)
                axes.text(_EXPECTED, top, "expected", **head)
        values, wanted = list(found["value"]), list(found["expected"])
        for at, value, other in zip(y, values, wanted, strict=True):
            look: dict[str, Any] = {"va": "center", "fontsize": theme.pt(7)}
            axes.text(_VALUE, at, shortened(value), color=theme.ink, **look)
            axes.text(_EXPECTED, at, shortened(other), color=theme.grey, **look)
        axes.set_yticks(y, names)
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        axes.set(xlim=(0, _END), ylim=(float(y[-1]) + 0.7, -0.7))
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
        axes.set_xlabel("share of the score", x=0.5 / _END, ha="center")
        axes.spines["bottom"].set_bounds(0, 1)
    return result


def _maps(
    detector: Any, X: Any, rows: NDArray[np.int64], title: str | None, ax: Axes | None
) -> Any:
    """Draw images, what is expected in their place, and what their pixels add to the score."""
    given = as_samples("X", X)
    found = detector.explain(X, int(np.prod(given.shape[1:])))
    expected = np.full(given.shape, np.nan, np.float32)
    order = np.repeat(np.arange(len(given)), len(found) // len(given))
    places = np.array(list(found["column"]))
    expected[order, places[:, 0], places[:, 1], places[:, 2]] = found["expected"]
    if getattr(X, "dtype", None) == np.uint8:
        expected /= np.float32(255)
    adds = np.maximum(np.asarray(detector.score_features(X)).sum(axis=-1), 0)
    most = float(adds.max(initial=0.0)) or 1.0
    low, high = limits_of(given)
    shown = np.stack([given, expected])
    grey = np.broadcast_to(np.clip((shown - low) / (high - low), 0, 1), (*shown.shape[:-1], 3))
    cells = np.concatenate([grey, colored(adds / most)[None].astype(np.float32)])
    return draw_cells(
        ax,
        cells,
        (0.0, 1.0),
        title,
        _TITLE,
        rows=["image", "expected", "adds"],
        columns=[str(i) for i in rows],
        bar=(most, "adds to the score"),
    )[0]
