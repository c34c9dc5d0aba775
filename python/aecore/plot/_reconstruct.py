"""Draws reconstructions of samples, and their errors."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import checks
from ._call import call, condition_of, lookup, names_of_features, names_of_samples
from ._grid import (
    as_samples,
    draw_between,
    draw_cells,
    draw_lines,
    grid_size,
    is_ragged,
    limits_of,
    pad_sequences,
)
from ._strips import Writing
from ._style import (
    COLORS,
    ERROR,
    GREY,
    canvas,
    clear_frame,
    colorbar,
    colored,
    legend,
    scale,
    title_of,
)
from ._tables import as_numbers, columns_of, is_frame, is_mixed, is_word, places_of, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def reconstructions(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    n: int = 10,
    noisy: Any = None,
    target: Any = None,
    error: bool = False,
    names: Sequence[Any] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw originals beside what a model rebuilds of them, or of corrupted copies.

    Images are rows: original, (corrupted,) rebuilt. Sequences lie over each other. Tables are
    strips of colour, a group for each sample; where values are written, a rebuilt word that isn't
    the original's is framed.

    Parameters
    ----------
    model : estimator
        With ``reconstruct(X)``, or ``reconstruct(X, y)``.
    X : array-like (N, H, W, 1 or 3), (N, T, F) or (N, F), data frame, or list of arrays (T_i, F)
        Samples, of which the first n are drawn. Of a frame's columns, those that aren't of numbers
        are drawn by the places of their values in order.
    y : array-like (N,) or (N, P), optional
        Their labels, written beside them; also the condition of a conditional model.
    n : int, default 10
        Number of samples.
    noisy : like X, optional
        Corrupted samples. They are drawn too, and it is them that the model is given.
    target : like X, of any shape, optional
        What the model was to make of X, where it was fitted to pairs. It takes the place of the
        originals; images that it was given are drawn beside, in its size.
    error : bool, default False
        Also draw how far rebuilt and original are apart: images have a map of the absolute
        difference (the mean over channels), sequences a shade between the lines, tables another
        strip, in shares of each feature's range, for words 1 if they differ.
    names : sequence of n texts, optional
        Written beside the samples instead of labels: row numbers or file names, for instance.
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
        The model has no ``reconstruct``, or a shape does not fit.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> model = ae.Autoencoder(latent_dim=8, epochs=1, random_state=0).fit(X)
    >>> figure = ae.plot.reconstructions(model, X_test, y_test, error=True)
    """
    checks.integer("n", n, 1)
    rebuild = lookup(model, "reconstruct", "reconstructions")
    if target is not None:
        return _pairs(rebuild, X[:n], y, target[:n], names, error, title, ax)
    named = {"original": X[:n]} | ({} if noisy is None else {"corrupted": noisy[:n]})
    given, is_table = list(named.values())[-1], is_mixed(X)
    if not is_table:  # before the model is asked
        is_table = as_samples("X", named["original"]).ndim == 2
        as_samples("noisy", given)
    y = None if y is None else condition_of(y[:n], len(given))
    beside = names_of_samples(names, y, len(given))
    named["rebuilt"] = call(rebuild, given, y=y)
    if is_table:
        features = names_of_features(model, X)
        what = "" if names is not None else "label" if beside else "sample"
        return _strips(named, X[:1000], beside, what, error, features, title, ax)
    rows = {label: as_samples(label, part) for label, part in named.items()}
    _check_alike(rows)
    draw = _image_rows if rows["original"].ndim == 4 else _lines_over_lines
    return draw(rows, beside, error, title_of(title, "Reconstructions"), ax)


def _pairs(
    rebuild: Any,
    X: Any,
    y: Any,
    target: Any,
    names: Sequence[Any] | None,
    error: bool,
    title: str | None,
    ax: Axes | None,
) -> Any:
    """Draw targets beside what a model makes of samples, and images that it was given."""
    y = None if y is None else condition_of(y[: len(X)], len(X))
    beside = names_of_samples(names, y, len(X))
    rows = {"target": as_samples("target", target)}
    given = as_samples("X", X)
    if given.ndim == rows["target"].ndim == 4:
        rows["given"] = _resized(given, rows["target"].shape[1:])
    elif given.shape == rows["target"].shape:
        rows["given"] = given
    rows["rebuilt"] = as_samples("rebuilt", call(rebuild, X, y=y))
    _check_alike(rows)
    if rows["target"].ndim == 2:
        what = "" if names is not None else "label" if beside else "sample"
        return _strips(rows, target, beside, what, error, [], title, ax)
    draw = _image_rows if rows["target"].ndim == 4 else _lines_over_lines
    return draw(rows, beside, error, title_of(title, "Reconstructions"), ax)


def _resized(images: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return images in another size, by the nearest pixels, with as many channels."""
    for axis in (1, 2):
        places = np.arange(shape[axis - 1]) * images.shape[axis] // shape[axis - 1]
        images = images.take(places, axis=axis)
    if images.shape[3] != shape[2]:
        images = np.repeat(images.mean(axis=3, keepdims=True), shape[2], axis=3)
    return images


def _check_alike(rows: dict[str, NDArray[np.float32]]) -> None:
    first, original = next(iter(rows.items()))
    for label, row in rows.items():
        if row.shape != original.shape:
            whose = "X's shape" if first == "original" else "the target's shape"
            known = first == "target" or label != "rebuilt"
            raise ValueError(
                f"{label} samples: expected {whose} {original.shape}, got {row.shape}"
                + ("" if known else "; give what X was to become as target")
            )


def _image_rows(
    rows: dict[str, NDArray[np.float32]],
    names: list[str],
    error: bool,
    title: str,
    ax: Axes | None,
) -> Any:
    original, rebuilt = next(iter(rows.values())), rows["rebuilt"]
    low, high = limits = limits_of(original)
    cells, labels = np.stack(list(rows.values())), list(rows)
    if not error:
        return draw_cells(ax, cells, limits, title, rows=labels, columns=names)[0]
    apart = np.abs(rebuilt - original).mean(axis=-1)
    most = float(np.nanmax(apart, initial=0.0)) or 1.0
    grey = np.broadcast_to((cells - low) / (high - low), (*cells.shape[:-1], 3))
    cells = np.concatenate([grey, colored(apart / most)[None].astype(np.float32)])
    result, axes = draw_cells(
        ax,
        cells,
        (0.0, 1.0),
        title,
        rows=[*labels, "error"],
        columns=names,
        extra=(0.8, 0.0),
    )
    colorbar(axes, scale(0.0, most), "absolute error")
    return result


def _strips(
    named: dict[str, Any],
    many: Any,
    beside: list[str],
    what: str,
    error: bool,
    features: list[str],
    title: str | None,
    ax: Axes | None,
) -> Any:
    """Draw rows of tables, scaled by the range of each feature over `many` rows."""
    texts, words = None, np.zeros(1, bool)
    if is_mixed(many):
        tables = list(named.values())
        places = places_of([*tables, many])
        rows = {label: as_numbers(part, places) for label, part in named.items()}
        many, words, texts = as_numbers(many, places), is_word(places), written(tables)
    else:
        rows = {label: as_samples(label, part) for label, part in named.items()}
        many = as_samples("X", many)
    _check_alike(rows)
    low, high = limits_of(many)
    labels, parts = list(rows), [(part - low) / (high - low) for part in rows.values()]
    apart = np.abs(parts[-1] - parts[0])
    differs = words & (apart > 0)  # False where either is missing: NaN
    if error:
        labels.append("error")
        parts.append(np.where(words, np.sign(apart), apart))
    cells = np.stack(parts, axis=1)
    result, axes = draw_cells(
        ax,
        cells,
        (0.0, 1.0),
        title_of(title, "Reconstructions, from top to bottom: " + ", ".join(labels)),
        rows=beside or [str(i) for i in range(len(cells))],
        features=features,
        writing=None if texts is None else _marked(cells, texts, differs),
    )
    axes.set_ylabel(what)
    return result


def _marked(cells: NDArray[Any], texts: list[NDArray[Any]], differs: NDArray[Any]) -> Writing:
    """Put texts in cells (R, C, F), and mark the rebuilt ones that differ from the original."""
    writing = Writing.of(np.full(cells.shape, "", object))
    writing.texts[:, : len(texts)] = np.stack(texts, axis=1)
    writing.marked[:, len(texts) - 1] = differs
    return writing


def _lines_over_lines(
    rows: dict[str, NDArray[np.float32]],
    names: list[str],
    error: bool,
    title: str,
    ax: Axes | None,
) -> Any:
    """Draw sequences and their reconstructions over each other, at most five to a row."""
    parts, labels = list(rows.values()), list(rows)
    n, steps, features = parts[0].shape
    columns = min(n, 5)
    lines = -(-n // columns)
    grid = np.full((len(parts), lines * columns, steps, features), np.nan, np.float32)
    grid[:, :n] = parts
    cells = grid.reshape(len(parts), lines, columns, steps, features)
    limits = limits_of(np.concatenate([parts[0], parts[-1]]))
    # The lines of a feature have one colour: the original's is wide and pale, behind the others.
    styles: list[dict[str, Any]] = [{"linewidths": 2.4, "alpha": 0.35}, {"linewidths": 1.1}]
    if len(parts) == 3:
        styles.insert(1, {"linewidths": 0.5, "alpha": 0.6, "colors": [GREY]})
    with canvas(ax, grid_size(cells[0]), title) as (result, axes):
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        handles: list[Any] = []
        if error:
            draw_between(axes, cells[0], cells[-1], limits, color=ERROR, alpha=0.35)
        for cell, style in zip(cells, styles, strict=True):
            draw_lines(axes, cell, limits, **style)
            color = style.get("colors", COLORS)[0]
            handles.append(
                Line2D([], [], color=color, lw=style["linewidths"], alpha=style.get("alpha"))
            )
        if error:
            handles.append(Patch(color=ERROR, alpha=0.35, linewidth=0))
            labels.append("error")
        for i, name in enumerate(names):
            x, y = i % columns + 0.45, i // columns + 0.03
            axes.text(x, y, name, ha="center", va="bottom", fontsize=7, color=GREY)
        axes.set_ylim(top=-0.2 if names else 0)
        legend(axes, handles=handles, labels=labels)
    return result


def errors(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    target: Any = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw the error of each feature, averaged over samples.

    Images give a map (of all channels together). Sequences give a line over the steps, with a band
    from the 10th to the 90th percentile of the samples. Tables give a bar for each feature, the 30
    largest in falling order.

    Parameters
    ----------
    model : estimator
        With ``errors(X)``, or ``errors(X, y)``, that returns the shape of X.
    X : array-like (N, H, W, 1 or 3), (N, T, F) or (N, F), data frame, or list of arrays (T_i, F)
        Samples. Means at a step are over the sequences that reach it.
    y : array-like (N,) or (N, P), optional
        The condition of a conditional model.
    target : like X, of any shape, optional
        What X was to become, where the model was fitted to pairs.
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
        The model has no ``errors``, or a shape does not fit.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> model = ae.Autoencoder(latent_dim=8, epochs=1, random_state=0).fit(X)
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
    if found.ndim == 4:
        return _error_map(found.mean(axis=(0, 3)), title, ax)
    if found.ndim == 3:
        return _error_lines(found, title, ax)
    names = names_of_features(model, X) or [str(i) for i in range(shape[1])]
    return _error_bars(found.mean(axis=0), names, title, ax)


def _error_map(mean: NDArray[Any], title: str | None, ax: Axes | None) -> Any:
    height, width = mean.shape
    high = min(4.0, 2.8 * height / width)
    title = title_of(title, "Error of each pixel")
    with canvas(ax, (high * width / height + 0.85, high + 0.32), title) as (result, axes):
        image = axes.imshow(mean, cmap="viridis", vmin=0, interpolation="nearest")
        clear_frame(axes)
        colorbar(axes, image, "mean error")
    return result


def _error_lines(found: NDArray[Any], title: str | None, ax: Axes | None) -> Any:
    steps, features = found.shape[1:]
    title = title_of(title, "Error of each step: mean, and 10th to 90th percentile")
    with canvas(ax, (5.0, 2.4), title) as (result, axes):
        for f in range(features):
            color = COLORS[f % len(COLORS)]
            low, high = np.nanquantile(found[..., f], [0.1, 0.9], axis=0)
            axes.fill_between(range(steps), low, high, color=color, alpha=0.2, linewidth=0)
            axes.plot(np.nanmean(found[..., f], axis=0), color=color, label=f"feature {f}")
        axes.set(xlabel="step", ylabel="error", xlim=(0, max(1, steps - 1)))
        axes.set_ylim(bottom=0)
        if features > 1:
            legend(axes)
    return result


def _error_bars(mean: NDArray[Any], names: list[str], title: str | None, ax: Axes | None) -> Any:
    order = np.argsort(-mean, kind="stable")[:30]
    default = "Error of each feature"
    if len(order) < len(mean):
        default += f": the largest {len(order)} of {len(mean)}"
    with canvas(ax, (4.2, 0.8 + 0.15 * len(order)), title_of(title, default)) as (result, axes):
        axes.barh(range(len(order)), mean[order], color=COLORS[0], height=0.7)
        axes.set_yticks(range(len(order)), [names[i] for i in order])
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="mean error", ylim=(len(order) - 0.4, -0.6))
        if all(name.isdigit() for name in names):
            axes.set_ylabel("feature")
    return result
