"""Curves: the course of training, and ROC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base import checks
from ..base.text import printable
from ..training.progress import terms_in
from ._style import GREY, TICKS, canvas, legend, palette, title_of, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RATE = "learning_rate"


def history(
    model: Any,
    *,
    keys: str | Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw the course of training: the loss and its terms against the epoch.

    Values of a validation split are dashed lines of the same colour. The loss is a wide line behind
    its terms. If positive values range over more than a factor of 50, the scale is logarithmic. A
    learning rate that a schedule changed is a dotted line on a scale of its own. The loss of a
    `GAN` is its generator's.

    Parameters
    ----------
    model : estimator or list of dict
        With ``history_``, or such a list itself: one dict of numbers for each epoch.
    keys : str or sequence of str, optional
        What to draw, such as ``"perplexity"``; by default the loss and those of its terms that were
        recorded, and the learning rate if it changed.
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
        There is no history, it is empty, or it has none of the keys.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> model = ae.VAE(latent_dim=2, epochs=3, validation_fraction=0.1, random_state=0).fit(X)
    >>> figure = ae.plot.history(model)
    >>> figure = ae.plot.history(model, keys="kl")
    """
    epochs = getattr(model, "history_", model)
    if not isinstance(epochs, Sequence) or not all(isinstance(e, Mapping) for e in epochs):
        raise TypeError(
            "model: expected a fitted one or a list of dicts, one for each epoch, "
            f"got {type(model).__name__}"
        )
    # After pretraining of single layers, only the epochs of the whole model are drawn.
    epochs = [epoch for epoch in epochs if "level" not in epoch] or epochs
    recorded = dict.fromkeys(
        key for epoch in epochs for key, value in epoch.items() if not isinstance(value, str)
    )
    if keys is None:
        wanted = _default_keys(epochs, recorded)
    else:
        wanted = [keys] if isinstance(keys, str) else list(keys)
    missing = [key for key in wanted if key not in recorded]
    if not wanted or missing:
        raise ValueError(
            f"history: expected {', '.join(missing or ['loss'])}, "
            f"got {', '.join(recorded) or 'no epochs'}"
        )
    # Beside other values, the rate has a scale of its own.
    with_rate = _RATE in wanted and len(wanted) > 1
    wanted = [key for key in wanted if not with_rate or key != _RATE]
    x = np.array([epoch.get("epoch", i) for i, epoch in enumerate(epochs, 1)])
    with canvas(ax, (5.0, 2.6), title_of(title, "Training")) as (result, axes):
        drawn = []
        for key, (color, _) in zip(wanted, palette(len(wanted)), strict=True):
            # A single epoch needs a marker: it has no line.
            marker = "o" if len(x) < 15 else ""
            style: dict[str, Any] = {"color": color, "marker": marker, "markersize": 2.5}
            dashes: Any = "--"
            if key == "loss" and len(wanted) > 1:
                # The loss is often close to one of its terms: draw it wider, behind it.
                style |= {"linewidth": 3.5, "alpha": 0.45, "markersize": 4}
                dashes = (0, (1.2, 0.8))  # in widths of the line
            label = "loss (generator)" if key == "loss" and "fake_accuracy" in recorded and (
                "generator" not in recorded) else key  # fmt: skip
            label = printable(label)
            drawn.append(_column(epochs, key))
            axes.plot(x, drawn[-1], label=label, **style)
            if "val_" + key in recorded:
                drawn.append(_column(epochs, "val_" + key))
                axes.plot(
                    x,
                    drawn[-1],
                    label=f"{label}, validation",
                    linestyle=dashes,
                    mfc="white",
                    **style,
                )
        _set_scale(axes, np.concatenate(drawn))
        whole_numbers(axes)
        if len(x) == 1:
            axes.set_xticks(x)
        unit = "loss per sample" if set(wanted) <= set(terms_in(recorded)) else "value"
        axes.set(xlabel="epoch", ylabel=printable(wanted[0]) if len(wanted) == 1 else unit)
        if with_rate:
            _draw_rate(axes, x, _column(epochs, _RATE))
        if len(axes.lines) > 1:
            legend(axes, ncols=1 + (len(axes.lines) - 1) // 12)
    return result


def _default_keys(epochs: Sequence[Mapping[str, Any]], recorded: Mapping[str, Any]) -> list[str]:
    """Return the keys of the loss and its terms, and of a learning rate that changes."""
    wanted = terms_in(recorded)
    # Without other terms, the loss is the reconstruction error: draw one line.
    if wanted[:2] == ["loss", "recon"] and len(wanted) == 2:
        wanted = ["loss"]
    if wanted and _RATE in recorded and len(set(_column(epochs, _RATE))) > 1:
        wanted.append(_RATE)
    return wanted


def _set_scale(ax: Axes, values: NDArray[np.float64]) -> None:
    """Set a logarithmic scale if values are positive and range over more than a factor of 50."""
    values = values[np.isfinite(values)]
    if len(values) and 0 < 50 * values.min() < values.max():
        from matplotlib.ticker import LogFormatter

        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))
        ax.tick_params(axis="y", which="minor", **{**TICKS, "length": 1.5})


def _draw_rate(ax: Axes, x: NDArray[Any], rates: NDArray[np.float64]) -> None:
    """Draw the learning rate inside the axes, from 0 at the bottom to its largest at the top."""
    high = float(np.nanmax(rates, initial=0.0)) or 1.0
    # Its scale is the height of the axes; the legend gives its largest value.
    ax.plot(
        x,
        rates / high,
        color=GREY,
        linestyle=":",
        linewidth=1,
        transform=ax.get_xaxis_transform(),
        label=f"learning rate,\n0 to {high:.2g}",
        zorder=0.5,
    )


def _column(epochs: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    """Read one value of each epoch; NaN, a gap in the line, where it was not recorded."""
    values = [e.get(key) for e in epochs]
    return np.array([np.nan if v is None or isinstance(v, str) else float(v) for v in values])


def roc(
    y: ArrayLike,
    scores: ArrayLike | Mapping[str, ArrayLike],
    *,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw the receiver operating characteristic (ROC): how well scores separate two classes.

    For each threshold, the share of the positives above it against the share of the negatives above
    it. The area under the curve is the probability that a positive scores higher than a negative,
    ties counting half.

    Parameters
    ----------
    y : array-like (N,)
        Two different labels; the larger one (1 of 0 and 1, True, +1 of -1 and +1) is the positive
        class.
    scores : array-like (N,), or dict of name to array-like (N,)
        Higher for the positive class. With anomalies as positives, ``-model.score_samples(X)``.
        Each entry of a dict has its own curve.
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
        There are not two labels, or the scores are not as many finite numbers.

    References
    ----------
    T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006.

    Examples
    --------
    >>> import aecore as ae
    >>> figure = ae.plot.roc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> figure.axes[0].get_title(loc="left")
    'ROC: area 0.750'
    """
    labels, codes = np.unique(np.asarray(y), return_inverse=True)
    if np.ndim(y) != 1 or len(labels) != 2:
        raise ValueError(
            f"y: expected the shape (N,) and two different labels, got {np.shape(y)} "
            f"and {len(labels)}"
        )
    named = scores if isinstance(scores, Mapping) else {"": scores}
    if not named:
        raise ValueError("scores: expected at least one, got none")
    curves = {printable(name): _roc_curve(codes == 1, values) for name, values in named.items()}
    alone = len(curves) == 1 and "" in curves
    # Curves that are better than chance leave the lower right corner empty.
    has_room = alone or min(area for _, _, area in curves.values()) > 0.7
    beside = 0.0 if has_room else 0.9 + 0.06 * max(map(len, curves))
    default = f"ROC: area {curves[''][2]:.3f}" if alone else "ROC (area under the curve)"
    with canvas(ax, (3.4 + beside, 3.4), title_of(title, default)) as (result, axes):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, linestyle=":")
        for (name, (false, true, area)), (color, _) in zip(
            curves.items(), palette(len(curves)), strict=True
        ):
            axes.plot(false, true, color=color, label=f"{name} ({area:.3f})", clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set(xlabel="false positive rate", ylabel="true positive rate")
        if not alone and has_room:
            axes.legend(loc="lower right", borderaxespad=0.8)
        elif not alone:
            legend(axes)
    return result


def _roc_curve(
    positive: NDArray[np.bool_], values: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return false positive rates, true positive rates and the area between them and 0."""
    scores = checks.finite("scores", values)
    if scores.shape != positive.shape:
        raise ValueError(f"scores: expected y's shape {positive.shape}, got {scores.shape}")
    order = np.argsort(-scores, kind="stable")
    # Samples of equal score pass the threshold together: keep the last of each group.
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.concatenate([[0], np.cumsum(positive[order])[last]]) / positive.sum()
    false = np.concatenate([[0], np.cumsum(~positive[order])[last]]) / (~positive).sum()
    area = float((np.diff(false) * (true[1:] + true[:-1]) / 2).sum())
    return false, true, area
