"""Draws the errors of features, averaged over samples."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._call import call, check_names, lookup, names_of_features
from ._grid import is_ragged, pad_sequences
from ._style import canvas, clear_frame, colorbar, legend, value_map
from ._tables import columns_of, is_frame
from ._theme import theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNITS = {"mse": "squared error", "l1": "absolute error", "huber": "Huber loss"}
_MOST = 30  # features of a table that are drawn


def errors(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    target: Any = None,
    feature_names: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw the error of each feature, averaged over samples.

    Images give a map (of all channels together). Sequences give a line over the steps, with a band
    from the 10th to the 90th percentile of the samples. Tables give a bar for each feature, the 30
    largest in falling order. The unit is that of the model's loss: squared or absolute error, or
    nats where the loss is a likelihood (bce, cross_entropy, gaussian and those of counts).

    Parameters
    ----------
    model : estimator
        With ``errors(X)``, or ``errors(X, y)``, that returns the shape of X; its ``loss`` says the
        unit.
    X : array-like (N, H, W, 1 or 3), (N, T, F) or (N, F), data frame, or list of arrays (T_i, F)
        Samples. Means at a step are over the sequences that reach it.
    y : array-like (N,) or (N, P), optional
        The condition of a conditional model.
    target : like X, of any shape, optional
        What X was to become, where the model was fitted to pairs.
    feature_names : sequence of str, optional
        Names of the F features of sequences and tables; by default those of a data frame's columns.
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
        The model has no ``errors``, or a shape or the number of names does not fit.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> model = ae.Autoencoder(latent_dim=8, epochs=1, random_state=0).fit(X[:500])
    >>> figure = ae.plot.errors(model, X_test)
    """
    measure = lookup(model, "errors", "errors")
    if target is not None:
        measure = functools.partial(measure, target=target)
    found = call(measure, X, y=y)
    X = X if target is None else target
    if is_ragged(X):
        X, found = pad_sequences("X", X), pad_sequences("errors", found)
    shape, found = tuple(getattr(X, "shape", None) or np.shape(X)), np.asarray(found)
    if is_frame(X):
        shape = (len(X), len(columns_of(X)))
    if found.shape != shape or not 2 <= found.ndim <= 4 or found.size == 0:
        raise ValueError(
            "X and its errors: expected one shape, (N, H, W, C), (N, T, F) or (N, F), N > 0, got "
            f"{shape} and {found.shape}"
        )
    unit = unit_of(model)
    if found.ndim == 4:
        return _error_map(found, unit, title, ax)
    names = names_of_features(model, X, feature_names)
    check_names(names, shape[-1])
    draw = _error_lines if found.ndim == 3 else _error_bars
    return draw(found, unit, names, title, ax)


def unit_of(model: Any) -> str:
    """Return what errors are measured in, by the model's loss."""
    loss = getattr(getattr(model, "_model", model), "loss", None)
    if not isinstance(loss, str):
        return "error"
    return _UNITS.get(loss, "error in nats")


def _samples(n: int) -> str:
    return f"mean over {n:,} sample{'s' * (n != 1)}"


def _error_map(found: NDArray[Any], unit: str, title: str | None, ax: Axes | None) -> Any:
    mean = found.mean(axis=(0, 3))
    height, width = mean.shape
    high = min(4.0, 2.8 * height / width)
    size = high * width / height + 0.9, high + 0.32
    each = "each pixel" + (" (of all channels)" if found.shape[3] > 1 else "")
    default = f"Error of {each}, {_samples(len(found))}"
    with canvas(ax, size, title, default, indent=0.1) as (result, axes):
        low = min(0.0, float(mean.min()))  # densities may lie below 0
        image = axes.imshow(mean, cmap=value_map(), vmin=low, interpolation="nearest")
        clear_frame(axes)
        colorbar(axes, image, f"mean {unit}")
    return result


def _error_lines(
    found: NDArray[Any], unit: str, names: list[str], title: str | None, ax: Axes | None
) -> Any:
    steps, features = found.shape[1:]
    default = f"Error of each step: {_samples(len(found))}, and 10th to 90th percentile"
    beside = 0.0 if features == 1 else 0.4 + 0.055 * max(map(len, names), default=9)
    with canvas(ax, (5.0 + beside, 2.4), title, default) as (result, axes):
        colors = theme_of(axes).colors
        for f in range(features):
            color, name = colors[f % len(colors)], names[f] if names else f"feature {f}"
            low, high = np.nanquantile(found[..., f], [0.1, 0.9], axis=0)
            axes.fill_between(range(steps), low, high, color=color, alpha=0.2, linewidth=0)
            axes.plot(np.nanmean(found[..., f], axis=0), color=color, label=name)
        axes.set(xlabel="step", ylabel=unit, xlim=(0, max(1, steps - 1)))
        if np.nanmin(found) >= 0:
            axes.set_ylim(bottom=0)
        if features > 1:
            legend(axes)
    return result


def _error_bars(
    found: NDArray[Any], unit: str, names: list[str], title: str | None, ax: Axes | None
) -> Any:
    mean = found.mean(axis=0)
    order = np.argsort(-mean, kind="stable")[:_MOST]
    default = f"Error of each feature, {_samples(len(found))}"
    if len(order) < len(mean):
        default += f": the largest {len(order)} of {len(mean)}"
    numbered = not names
    names = names or [str(i) for i in range(len(mean))]
    beside = 0.058 * max(len(names[i]) for i in order)
    size = 3.8 + beside, 0.8 + 0.15 * len(order)
    with canvas(ax, size, title, default, indent=0.2 + beside) as (result, axes):
        axes.barh(range(len(order)), mean[order], color=theme_of(axes).colors[0], height=0.7)
        axes.set_yticks(range(len(order)), [names[i] for i in order])
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        axes.set(xlabel=f"mean {unit}", ylim=(len(order) - 0.4, -0.6))
        if numbered:
            axes.set_ylabel("feature")
    return result
