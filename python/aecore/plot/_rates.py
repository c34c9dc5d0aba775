"""The losses of a learning rate range test."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ._style import canvas, legend
from ._theme import theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def learning_rates(found: Any, *, title: str | None = None, ax: Axes | None = None) -> Any:
    """Draw what `aecore.find_learning_rate` has tried: the loss at each rate, and its suggestion.

    Parameters
    ----------
    found : LearningRates
    title : str, optional
        Takes the place of the title; ``""`` draws none.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Figure, or `ax` if it was given

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> found = ae.find_learning_rate(ae.Autoencoder(random_state=0), X)
    >>> figure = found.plot()
    """
    with canvas(ax, (5.2, 2.6), title, "Learning rate range test") as (result, axes):
        theme = theme_of(axes)
        axes.plot(found.rates, found.losses, color=theme.grey, linewidth=0.6, label="each step")
        axes.plot(found.rates, found.smoothed, color=theme.colors[0], label="smoothed")
        if math.isfinite(found.suggestion):
            label = f"suggestion, {found.suggestion:.2g}"
            axes.axvline(found.suggestion, color=theme.colors[1], linestyle="--", label=label)
        axes.set_xscale("log")
        low, high = min(found.smoothed), max(found.smoothed[: len(found.smoothed) // 2 + 1])
        axes.set_ylim(low - 0.1 * (high - low), high + 0.4 * (high - low) or 1)
        axes.set_xlabel("learning rate (log scale)")
        axes.set_ylabel("loss per sample")
        legend(axes)
    return result
