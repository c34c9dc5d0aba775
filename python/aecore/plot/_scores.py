"""Draws the distribution of scores of normal and abnormal samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base import checks
from ._call import lookup, named_classes
from ._style import canvas, left_of, legend, numbers, palette
from ._theme import Theme, theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIGNS = {1: "normal", -1: "outlier"}
_MOST = 4  # labels whose bars lie over each other


def scores(
    model: Any,
    X: Any = None,
    y: ArrayLike | None = None,
    *,
    threshold: float | None = None,
    bins: int = 50,
    class_names: Any = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw the distribution of scores for each label, and a detector's threshold.

    Up to four labels lie over each other; if there are more, each has a line of its own.

    Parameters
    ----------
    model : estimator or array-like (N,)
        With ``score_samples(X)``; or the scores themselves, and no X.
    X : array-like (N, ...), optional
        Samples, for a model.
    y : array-like (N,), optional
        Labels. +1 and -1, as detectors' ``predict`` has them, are called normal and outlier. Each
        label's bars add up to 1, so that a few anomalies are visible beside many normal samples.
    threshold : float, optional
        Below it samples are taken for anomalies; by default the model's ``threshold_``, if it has
        one. The title gives the share of samples below.
    bins : int, default 50
        Number of bars, of equal widths. The outermost 0.5 % of scores on either side are in the
        first and the last; if these lie far off, the picture says how many they are.
    class_names : sequence of str or dict, optional
        Names of the labels in `y`: ``class_names[label]``, such as {0: "normal", 1: "fraud"}.
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
        There is neither a model with X nor scores, the scores are not finite, or y is not as long.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> model = ae.Autoencoder(latent_dim=8, epochs=2, random_state=0).fit(X[y == 9])
    >>> names = {True: "ankle boot", False: "anything else"}
    >>> figure = ae.plot.scores(model, X_test, y_test == 9, class_names=names)
    """
    if X is None and hasattr(model, "score_samples"):
        raise TypeError("X: expected samples for a model to score, got None")
    values = _check_scores(model if X is None else lookup(model, "score_samples", "scores")(X))
    checks.integer("bins", bins, 2)
    if threshold is None and X is not None:
        threshold = getattr(model, "threshold_", None)
    if threshold is not None:
        threshold = checks.real("threshold", threshold, -math.inf)
    labels = np.zeros(len(values), int) if y is None else np.asarray(y)
    if labels.shape != values.shape:
        raise ValueError(f"y: expected the shape {values.shape}, got {labels.shape}")
    groups = np.unique(labels)
    if len(groups) > 10:
        raise ValueError(f"y: expected at most 10 different labels, got {len(groups)}")
    edges = _edges(values, bins)
    clipped = np.clip(values, edges[0], edges[-1])
    counts = [np.histogram(clipped[labels == group], edges)[0] for group in groups]
    shares = np.array([count / count.sum() for count in counts])
    if class_names is None and set(groups.tolist()) <= set(_SIGNS) and y is not None:
        class_names = _SIGNS
    names = [
        f"{name} ({count.sum():,})"
        for name, count in zip(named_classes(groups, class_names), counts, strict=True)
    ]
    apart = len(groups) > _MOST
    default = f"Scores of {len(values):,} samples"
    if threshold is not None:
        below = float((values < threshold).mean())
        default += f": {below:.1%} below the threshold of {numbers([threshold])[0]}"
    size = (5.0, max(2.6, 0.7 + 0.34 * len(groups)))
    indent = 0.3 + left_of(names) if apart else 0.55
    with canvas(ax, size, title, default, indent=indent) as (result, axes):
        theme = theme_of(axes)
        colors = _colors(theme, groups, class_names)
        if apart:
            _ridges(axes, shares, edges, names, colors)
        else:
            for share, name, color in zip(shares, names, colors, strict=True):
                axes.stairs(share, edges, fill=True, alpha=0.35, color=color, label=name)
                axes.stairs(share, edges, color=color, linewidth=1)
            axes.set_ylabel("share of samples")
            axes.set_ylim(bottom=0)
        if threshold is not None:
            axes.axvline(threshold, color=theme.ink, linewidth=1, linestyle="--")
        axes.set_xlabel("score (higher is more normal)" + _outlier_note(values, edges))
        axes.locator_params(axis="x", nbins=7)  # so that long numbers don't touch
        if y is not None and not apart:
            legend(axes)
    return result


def _colors(theme: Theme, groups: NDArray[Any], class_names: Any) -> list[str]:
    """Return a colour for each label, that of alarm for outliers."""
    if class_names is _SIGNS:
        return [theme.calm if group == 1 else theme.alarm for group in groups]
    return [color for color, _ in palette(len(groups), theme.colors)]


def _edges(values: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Return the edges of bars for all scores, or all but the outermost if these lie far off."""
    low, high = np.quantile(values, [0.005, 0.995])
    near = 0.25 * (high - low)
    low = values.min() if values.min() >= low - near else low
    high = values.max() if values.max() <= high + near else high
    return np.linspace(low, high if high > low else low + 1, bins + 1)


def _ridges(
    ax: Axes,
    shares: NDArray[np.float64],
    edges: NDArray[np.float64],
    names: list[str],
    colors: list[str],
) -> None:
    """Draw the shares of each label on a line of its own, all to one scale."""
    scale = 1.25 / shares.max()  # the highest overlaps the line above it a little
    for i, (share, color) in enumerate(zip(shares, colors, strict=True)):
        # The first label stands at the top.
        base = len(shares) - 1 - i
        heights = base + scale * share
        ax.stairs(heights, edges, baseline=base, fill=True, alpha=0.35, color=color)
        ax.stairs(heights, edges, baseline=base, color=color, linewidth=1)
    ax.set_yticks(range(len(names)), names[::-1])
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.set(ylim=(0, len(names) + 0.3), ylabel=f"share of samples, up to {shares.max():.0%}")


def _outlier_note(values: NDArray[np.float64], edges: NDArray[np.float64]) -> str:
    """Return a note on the scores beyond the edges: how many there are, and how far they go."""
    below, above = int((values < edges[0]).sum()), int((values > edges[-1]).sum())
    low, high = numbers([values.min(), values.max()])
    notes = [f"\N{LEFTWARDS ARROW} {below:,} below, down to {low}"] if below else []
    notes += [f"{above:,} above, up to {high} \N{RIGHTWARDS ARROW}"] if above else []
    return "\n" + "          ".join(notes) if notes else ""


def _check_scores(found: Any) -> NDArray[np.float64]:
    values = checks.finite("scores", found)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"scores: expected the shape (N,), N > 0, got {values.shape}")
    return values
