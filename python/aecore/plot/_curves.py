"""Curves: the course of training, and ROC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base import checks
from ..base.text import printable
from ..training.progress import terms_in
from ._errors import unit_of
from ._style import canvas, dress_ticks, inches, is_own, legend, palette
from ._theme import theme_of

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

    Values of a validation split are dashed lines of the same colour. If the first curve, which is
    the loss unless `keys` says otherwise, is positive and ranges over more than a factor of 50, the
    scale is logarithmic. A learning rate that a schedule changed is a dotted line on a scale of its
    own, at the right. The loss of a `GAN` is its generator's.

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
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> model = ae.VAE(latent_dim=2, loss="bce", epochs=3, validation_fraction=0.2).fit(X[:500])
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
    with canvas(ax, (5.2 + 0.5 * with_rate, 2.6), title, "Training") as (result, axes):
        for i, key in enumerate(wanted):
            label = "loss (generator)" if key == "loss" and "fake_accuracy" in recorded and (
                "generator" not in recorded) else key  # fmt: skip
            names = [name for name in (key, "val_" + key) if name in recorded]
            curves = [_column(epochs, name) for name in names]
            _draw_curves(axes, x, curves, printable(label), i, len(wanted))
            if i == 0:
                _set_scale(axes, np.concatenate(curves))
        axes.set_xticks(_whole_epochs(x, 7 if is_own(axes) else int(inches(axes)[0] / 0.5)))
        axes.set(xlabel="epoch", ylabel=_ylabel(model, wanted, terms_in(recorded)))
        if with_rate:
            _draw_rate(axes, x, _column(epochs, _RATE))
        if len(axes.lines) > 1:
            # The scale of the learning rate stands at the right too.
            beside = 0.62 * theme_of(axes).scale / inches(axes)[0] if with_rate else 0.0
            columns = 1 + (len(axes.lines) - 1) // 12
            legend(axes, ncols=columns, bbox_to_anchor=(1.01 + beside, 1))
    return result


def _draw_curves(
    ax: Axes, x: NDArray[Any], curves: list[NDArray[np.float64]], label: str, i: int, n: int
) -> None:
    """Draw the i-th of n values, and that of a validation split dashed."""
    theme = theme_of(ax)
    # The loss is the sum of the others: it has the colour of text, and lies behind.
    is_sum = label.startswith("loss") and n > 1
    color = theme.ink if is_sum else theme.colors[(i - (n > 1)) % len(theme.colors)]
    style: dict[str, Any] = {"color": color, "markersize": 2.5}
    style["marker"] = "o" if len(x) < 15 else ""  # a single epoch has no line
    if is_sum:
        style |= {"linewidth": 1.9, "markersize": 3.2}
    ax.plot(x, curves[0], label=label, **style)
    for curve in curves[1:]:
        ax.plot(
            x, curve, label=f"{label}, validation", linestyle="--", mfc=theme.background, **style
        )


def _ylabel(model: Any, wanted: list[str], terms: list[str]) -> str:
    """Return what is drawn, and what terms of the loss are measured in."""
    if not set(wanted) <= set(terms):
        return printable(wanted[0]) if len(wanted) == 1 else "value"
    what = "loss" if len(wanted) > 1 else printable(wanted[0])
    unit = unit_of(model).removeprefix("error in ")
    # A divergence is in nats: added to anything else it makes a number without a unit.
    alone = unit == "nats" or set(wanted) <= {"loss", "recon"}
    return f"{what} per sample" + (f" ({unit})" if alone and unit != "error" else "")


def _whole_epochs(x: NDArray[Any], most: int) -> list[int]:
    """Return the first epoch and, up to the last, about so many round numbers of epochs."""
    first, last = int(x[0]), int(x[-1])
    steps = (base * 10**power for power in range(9) for base in (1, 2, 5))
    step = next(step for step in steps if last - first <= max(1, most) * step)
    rounds = [t for t in range(first // step * step, last + 1, step) if t > first]
    # The first is left out where the next one's number would touch it.
    return [first, *rounds] if not rounds or rounds[0] - first > 0.6 * step else rounds


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
        dress_ticks(ax, 1.5, "minor")


def _draw_rate(ax: Axes, x: NDArray[Any], rates: NDArray[np.float64]) -> None:
    """Draw the learning rate on a scale of its own, at the right."""
    theme = theme_of(ax)
    beside = ax.twinx()
    look: dict[str, Any] = {"color": theme.grey, "linestyle": ":", "linewidth": 1.2}
    beside.plot(x, rates, label="learning rate", **look)
    beside.set_ylim(0, 1.05 * float(np.nanmax(rates, initial=0.0)) or 1.0)
    beside.set_ylabel("learning rate", color=theme.grey)
    beside.spines["right"].set(visible=True, color=theme.grey)
    dress_ticks(beside)
    beside.tick_params(axis="y", labelcolor=theme.grey)
    beside.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=False)
    beside.grid(False)
    beside.yaxis.get_offset_text().set(color=theme.grey, fontsize=theme.pt(7))


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
    >>> figure.axes[0].get_title()
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
    with canvas(ax, (3.4 + beside, 3.5), title, default) as (result, axes):
        theme = theme_of(axes)
        axes.plot([0, 1], [0, 1], color=theme.grey, linewidth=0.7, linestyle=":")
        for (name, (false, true, area)), (color, _) in zip(
            curves.items(), palette(len(curves), theme.colors), strict=True
        ):
            axes.plot(false, true, color=color, label=f"{name} ({area:.3f})", clip_on=False)
            if alone:
                axes.fill_between(false, true, color=color, alpha=0.12, linewidth=0)
        if alone and inches(axes)[0] > 2.2 * theme.scale:
            _say_area(axes, curves[""][2])
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        positives = int(codes.sum())
        axes.set_xlabel(f"false positive rate (n = {len(codes) - positives:,})")
        axes.set_ylabel(f"true positive rate (n = {positives:,})")
        if not alone:
            legend(axes, inside="lower right" if has_room else "")
    return result


def _say_area(ax: Axes, area: float) -> None:
    """Write what an area means, into it."""
    theme = theme_of(ax)
    meaning = (
        "every positive has a\nhigher score than\nevery negative"
        if area == 1
        else f"a positive has a higher\nscore than a negative\nin {_percent(area)} of all pairs"
    )
    look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": theme.pt(7)}
    ax.text(0.68, 0.3, meaning, color=theme.grey, **look)


def _percent(share: float) -> str:
    """Write a share such that it is 0 or 100 % only where it is that."""
    text = f"{share:.1%}"
    return {"100.0%": "more than 99.9%", "0.0%": "less than 0.1%"}.get(text, text)


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
