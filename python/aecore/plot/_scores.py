"""How the scores of normal and abnormal samples are spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._style import INK, canvas, legend, numbers, palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def scores(
    model: Any,
    X: Any = None,
    y: ArrayLike | None = None,
    *,
    threshold: float | None = None,
    bins: int = 50,
    ax: Axes | None = None,
) -> Any:
    """Draw how scores are spread, for each label apart, and where a detector draws the line.

    Parameters
    ----------
    model : estimator or array-like (N,)
        With ``score_samples(X)``; or the scores themselves, and no X.
    X : array-like (N, ...), optional
        Samples, for a model.
    y : array-like (N,), optional
        Labels, such as +1 for normal samples and -1 for anomalies. Each label's bars add up to 1,
        so that a few anomalies are seen beside many normal samples.
    threshold : float, optional
        Below it samples are taken for anomalies; by default the model's ``threshold_``, if it has
        one. The title gives the share of samples below.
    bins : int, default 50
        Number of bars, of equal widths. The outermost 0.5 % of scores on either side are in the
        first and the last.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Figure, or `ax` if it was given

    Raises
    ------
    TypeError, ValueError
        There is neither a model with X nor scores, they are no finite numbers, or y is not as long.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> model = ae.Autoencoder(latent_dim=8, epochs=2, random_state=0).fit(X[y == 0])
    >>> figure = ae.plot.scores(model, X_test, y_test == 0)
    """
    if X is None and hasattr(model, "score_samples"):
        raise TypeError("scores of a model needs X, got None")
    if X is not None and not callable(getattr(model, "score_samples", None)):
        raise TypeError(
            f"scores needs a fitted model with the method score_samples, got {type(model).__name__}"
        )
    values = _checked(model if X is None else model.score_samples(X))
    if bins < 2:
        raise ValueError(f"bins must be at least 2, got {bins}")
    if threshold is None and X is not None:
        threshold = getattr(model, "threshold_", None)
    labels = np.zeros(len(values), int) if y is None else np.asarray(y)
    if labels.shape != values.shape:
        raise ValueError(f"y must have the shape {values.shape}, got {labels.shape}")
    groups = np.unique(labels)
    if len(groups) > 10:
        raise ValueError(f"y must have at most 10 different labels, got {len(groups)}")
    low, high = np.quantile(values, [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    clipped = np.clip(values, edges[0], edges[-1])
    with canvas(ax, (5.0, 2.6)) as (result, axes):
        for group, (color, _) in zip(groups, palette(len(groups)), strict=True):
            counts = np.histogram(clipped[labels == group], edges)[0]
            shares = counts / counts.sum()
            label = f"{group} ({counts.sum():,})"
            axes.stairs(shares, edges, fill=True, alpha=0.35, color=color, label=label)
            axes.stairs(shares, edges, color=color, linewidth=1)
        title = "Scores"
        if threshold is not None:
            axes.axvline(float(threshold), color=INK, linewidth=1, linestyle="--")
            below = float((values < threshold).mean())
            title += f": {below:.1%} below the threshold of {numbers([threshold])[0]}"
        axes.set(xlabel="score (higher is more normal)", ylabel="share of samples")
        axes.set_ylim(bottom=0)
        axes.set_title(title)
        if y is not None:
            legend(axes)
    return result


def _checked(found: Any) -> NDArray[np.float64]:
    values = np.asarray(found)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"scores must be numbers, got {values.dtype}")
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"scores must be finite and of the shape (N,), got {values.shape}")
    return values.astype(np.float64)
