"""What a model makes of samples: reconstructions, and where they are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._call import call, condition_of, lookup, names_of
from ._grid import as_samples, clear_frame, draw_cells, draw_lines, grid_size, limits_of
from ._style import COLORS, GREY, canvas, colorbar, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def reconstructions(
    model: Any, X: Any, y: Any = None, *, n: int = 10, noisy: Any = None, ax: Axes | None = None
) -> Any:
    """Draw originals beside what a model rebuilds of them, or of corrupted copies.

    Images are rows: original, (corrupted,) rebuilt. Sequences lie over each other. Tables are
    strips of colour, a group for each sample.

    Parameters
    ----------
    model : estimator
        With ``reconstruct(X)``, or ``reconstruct(X, y)``.
    X : array-like (N, H, W, 1 or 3), (N, T, F) or (N, F)
        Samples, of which the first n are drawn.
    y : array-like (N,) or (N, P), optional
        Their labels, written beside them; also the condition of a conditional model.
    n : int, default 10
        Number of samples.
    noisy : array-like of the shape of X, optional
        Corrupted samples. They are drawn too, and it is them that the model is given.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Figure, or `ax` if it was given

    Raises
    ------
    TypeError, ValueError
        The model has no ``reconstruct``, or a shape does not fit.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> model = ae.Autoencoder(latent_dim=8, epochs=1, random_state=0).fit(X)
    >>> figure = ae.plot.reconstructions(model, X_test, y_test)
    """
    original = as_samples("X", X, n)
    y = None if y is None else condition_of(y[:n], len(original))
    given = X[:n]
    rows, labels = [original], ["original"]
    if noisy is not None:
        rows.append(as_samples("noisy", noisy, n))
        labels.append("corrupted")
        given = noisy[:n]
    rebuilt = call(lookup(model, "reconstruct", "reconstructions"), given, y=y)
    rows.append(as_samples("the reconstruction", rebuilt))
    labels.append("rebuilt")
    for row, label in zip(rows, labels, strict=True):
        if row.shape != original.shape:
            raise ValueError(
                f"{label} samples must have X's shape {original.shape}, got {row.shape}"
            )
    if original.ndim == 3:
        return _lines_over_lines(rows, labels, names_of(y), ax)
    cells, names = np.stack(rows), names_of(y)
    if original.ndim == 4:
        limits = limits_of(original)
        return draw_cells(ax, cells, limits, "Reconstructions", rows=labels, columns=names)[0]
    # A handful of rows says little about the range of a feature.
    limits = limits_of(as_samples("X", X, max(n, 1000)))
    title = "Reconstructions, from top to bottom: " + ", ".join(labels)
    result, axes = draw_cells(
        ax,
        cells.swapaxes(0, 1),
        limits,
        title,
        rows=names or [str(i) for i in range(len(original))],
    )
    axes.set_ylabel("label" if names else "sample")
    return result


def _lines_over_lines(
    rows: list[NDArray[np.float32]], labels: list[str], names: list[str], ax: Axes | None
) -> Any:
    """Draw sequences and their reconstructions over each other, at most five to a row."""
    n, steps, features = rows[0].shape
    columns = min(n, 5)
    lines = -(-n // columns)
    grid = np.full((len(rows), lines * columns, steps, features), np.nan, np.float32)
    grid[:, :n] = rows
    cells = grid.reshape(len(rows), lines, columns, steps, features)
    limits = limits_of(np.concatenate([rows[0], rows[-1]]))
    # A feature keeps its colour; what was given is wide and pale behind it.
    styles: list[dict[str, Any]] = [{"linewidths": 2.4, "alpha": 0.35}, {"linewidths": 1.1}]
    if len(rows) == 3:
        styles.insert(1, {"linewidths": 0.5, "alpha": 0.6, "colors": [GREY]})
    with canvas(ax, grid_size(cells[0])) as (result, axes):
        from matplotlib.lines import Line2D

        handles = []
        for cell, style in zip(cells, styles, strict=True):
            draw_lines(axes, cell, limits, **style)
            color = style.get("colors", COLORS)[0]
            handles.append(
                Line2D([], [], color=color, lw=style["linewidths"], alpha=style.get("alpha"))
            )
        for i, name in enumerate(names):
            x, y = i % columns + 0.45, i // columns + 0.03
            axes.text(x, y, name, ha="center", va="bottom", fontsize=7, color=GREY)
        axes.set_ylim(top=-0.2 if names else 0)
        axes.set_title("Reconstructions")
        legend(axes, handles=handles, labels=labels)
    return result


def errors(model: Any, X: Any, y: Any = None, *, ax: Axes | None = None) -> Any:
    """Draw where a model errs: the error of each feature, averaged over samples.

    Images give a map (of all channels together). Sequences give a line over the steps, with a band
    from the 10th to the 90th percentile of the samples. Tables give a bar for each feature, the 30
    largest in falling order.

    Parameters
    ----------
    model : estimator
        With ``errors(X)``, or ``errors(X, y)``, that returns the shape of X.
    X : array-like (N, H, W, 1 or 3), (N, T, F) or (N, F)
        Samples.
    y : array-like (N,) or (N, P), optional
        The condition of a conditional model.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Figure, or `ax` if it was given

    Raises
    ------
    TypeError, ValueError
        The model has no ``errors``, or a shape does not fit.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> model = ae.Autoencoder(latent_dim=8, epochs=1, random_state=0).fit(X)
    >>> figure = ae.plot.errors(model, X_test)
    """
    shape = tuple(getattr(X, "shape", None) or np.shape(X))
    found = np.asarray(call(lookup(model, "errors", "errors"), X, y=y))
    if found.shape != shape or not 2 <= found.ndim <= 4 or found.size == 0:
        raise ValueError(
            "errors need X of the shape (N, H, W, C), (N, T, F) or (N, F), N > 0, and errors of "
            f"the same shape; got X {shape} and errors {found.shape}"
        )
    if found.ndim == 4:
        return _error_map(found.mean(axis=(0, 3)), ax)
    if found.ndim == 3:
        return _error_lines(found, ax)
    names = [str(name) for name in getattr(model, "feature_names_in_", range(shape[1]))]
    return _error_bars(found.mean(axis=0), names, ax)


def _error_map(mean: NDArray[Any], ax: Axes | None) -> Any:
    height, width = mean.shape
    high = min(4.0, 2.8 * height / width)
    with canvas(ax, (high * width / height + 0.85, high + 0.32)) as (result, axes):
        image = axes.imshow(mean, cmap="viridis", vmin=0, interpolation="nearest")
        clear_frame(axes)
        colorbar(axes, image, "mean error")
        axes.set_title("Error of each pixel")
    return result


def _error_lines(found: NDArray[Any], ax: Axes | None) -> Any:
    steps, features = found.shape[1:]
    with canvas(ax, (5.0, 2.4)) as (result, axes):
        for f in range(features):
            color = COLORS[f % len(COLORS)]
            low, high = np.quantile(found[..., f], [0.1, 0.9], axis=0)
            axes.fill_between(range(steps), low, high, color=color, alpha=0.2, linewidth=0)
            axes.plot(found[..., f].mean(axis=0), color=color, label=f"feature {f}")
        axes.set(xlabel="step", ylabel="error", xlim=(0, max(1, steps - 1)))
        axes.set_ylim(bottom=0)
        axes.set_title("Error of each step: mean, and 10th to 90th percentile")
        if features > 1:
            legend(axes)
    return result


def _error_bars(mean: NDArray[Any], names: list[str], ax: Axes | None) -> Any:
    order = np.argsort(-mean, kind="stable")[:30]
    with canvas(ax, (4.2, 0.8 + 0.15 * len(order))) as (result, axes):
        axes.barh(range(len(order)), mean[order], color=COLORS[0], height=0.7)
        axes.set_yticks(range(len(order)), [names[i] for i in order])
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="mean error", ylim=(len(order) - 0.4, -0.6))
        if all(name.isdigit() for name in names):
            axes.set_ylabel("feature")
        axes.set_title(
            "Error of each feature"
            if len(order) == len(mean)
            else f"Error of each feature: the largest {len(order)} of {len(mean)}"
        )
    return result
