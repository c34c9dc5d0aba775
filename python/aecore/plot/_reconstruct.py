"""Draws samples beside their reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..base import checks
from ._call import (
    call,
    check_names,
    condition_of,
    lookup,
    names_of_features,
    names_of_samples,
)
from ._grid import as_samples, draw_cells, grid_size, limits_of
from ._lines import draw_between, draw_lines, explain_lines
from ._strips import Writing
from ._style import canvas, colored, inches, is_own
from ._tables import as_numbers, index_of, is_mixed, is_word, places_of, written
from ._theme import theme_of

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
    class_names: Any = None,
    feature_names: Sequence[str] | None = None,
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
        Written beside the samples instead of labels: row numbers or file names, for instance. By
        default labels, or else the index of a pandas data frame.
    class_names : sequence of str or dict, optional
        Names of the labels in `y`: ``class_names[label]``.
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
        The model has no ``reconstruct``, or a shape does not fit.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> model = ae.Autoencoder(latent_dim=8, epochs=1, random_state=0).fit(X[:500])
    >>> names = ae.datasets.FASHION_CLASSES
    >>> figure = ae.plot.reconstructions(model, X_test, y_test, class_names=names, error=True)
    """
    checks.integer("n", n, 1)
    rebuild = lookup(model, "reconstruct", "reconstructions")
    features = names_of_features(model, X, feature_names)
    look = Look(error, features, class_names, names, title, ax, index_of(X, n))
    if target is not None:
        return _pairs(rebuild, X[:n], y, target[:n], look)
    named = {"original": X[:n]} | ({} if noisy is None else {"corrupted": noisy[:n]})
    given, is_table = list(named.values())[-1], is_mixed(X)
    if not is_table:  # before the model is asked
        is_table = as_samples("X", named["original"]).ndim == 2
        as_samples("noisy", given)
    y = None if y is None else condition_of(y[:n], len(given))
    beside = look.beside(y, len(given))
    named["rebuilt"] = call(rebuild, given, y=y)
    if is_table:
        return _strips(named, X[:1000], beside, look)
    rows = {label: as_samples(label, part) for label, part in named.items()}
    _check_alike(rows)
    draw = _image_rows if rows["original"].ndim == 4 else _lines_over_lines
    return draw(rows, beside, look)


class Look(NamedTuple):
    """How reconstructions are to look: the parameters of `reconstructions`, and the rows' names."""

    error: bool
    features: list[str]
    class_names: Any
    names: Sequence[Any] | None
    title: str | None
    ax: Axes | None
    rows: list[str]

    def beside(self, y: NDArray[Any] | None, n: int) -> list[str]:
        """Return the texts beside n samples."""
        return names_of_samples(self.names, y, n, self.class_names) or self.rows


def _pairs(rebuild: Any, X: Any, y: Any, target: Any, look: Look) -> Any:
    """Draw targets beside what a model makes of samples, and images that it was given."""
    y = None if y is None else condition_of(y[: len(X)], len(X))
    beside = look.beside(y, len(X))
    rows = {"target": as_samples("target", target)}
    given = as_samples("X", X)
    if given.ndim == rows["target"].ndim == 4:
        rows["given"] = _resized(given, rows["target"].shape[1:])
    elif given.shape == rows["target"].shape:
        rows["given"] = given
    rows["rebuilt"] = as_samples("rebuilt", call(rebuild, X, y=y))
    _check_alike(rows)
    if len(look.features) != rows["target"].shape[-1]:
        look = look._replace(features=[])  # they are X's
    if rows["target"].ndim == 2:
        return _strips(rows, target, beside, look)
    draw = _image_rows if rows["target"].ndim == 4 else _lines_over_lines
    return draw(rows, beside, look)


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


def _image_rows(rows: dict[str, NDArray[np.float32]], names: list[str], look: Look) -> Any:
    original, rebuilt = next(iter(rows.values())), rows["rebuilt"]
    low, high = limits = limits_of(original)
    cells, labels = np.stack(list(rows.values())), list(rows)
    texts = look.title, "Reconstructions"
    if not look.error:
        return draw_cells(look.ax, cells, limits, *texts, rows=labels, columns=names)[0]
    apart = np.abs(rebuilt - original).mean(axis=-1)
    most = float(np.nanmax(apart, initial=0.0)) or 1.0
    grey = np.broadcast_to((cells - low) / (high - low), (*cells.shape[:-1], 3))
    cells = np.concatenate([grey, colored(apart / most)[None].astype(np.float32)])
    return draw_cells(
        look.ax,
        cells,
        (0.0, 1.0),
        *texts,
        rows=[*labels, "error"],
        columns=names,
        bar=(most, "absolute error"),
    )[0]


def _strips(named: dict[str, Any], many: Any, beside: list[str], look: Look) -> Any:
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
    if look.error:
        labels.append("error")
        parts.append(np.where(words, np.sign(apart), apart))
    cells = np.stack(parts, axis=1)
    result, axes = draw_cells(
        look.ax,
        cells,
        (0.0, 1.0),
        look.title,
        "Reconstructions, from top to bottom: " + ", ".join(labels),
        rows=beside or [str(i) for i in range(len(cells))],
        features=look.features,
        writing=None if texts is None else _marked(cells, texts, differs),
    )
    if look.names is None and not (look.rows and beside is look.rows):
        axes.set_ylabel("label" if beside else "sample")
    return result


def _marked(cells: NDArray[Any], texts: list[NDArray[Any]], differs: NDArray[Any]) -> Writing:
    """Put texts in cells (R, C, F), and mark the rebuilt ones that differ from the original."""
    writing = Writing.of(np.full(cells.shape, "", object))
    writing.texts[:, : len(texts)] = np.stack(texts, axis=1)
    writing.marked[:, len(texts) - 1] = differs
    return writing


def _lines_over_lines(rows: dict[str, NDArray[np.float32]], names: list[str], look: Look) -> Any:
    """Draw sequences and their reconstructions over each other, at most five to a row."""
    parts, labels = list(rows.values()), list(rows)
    n, steps, features = parts[0].shape
    check_names(look.features, features)
    columns = min(n, 5)
    lines = -(-n // columns)
    grid = np.full((len(parts), lines * columns, steps, features), np.nan, np.float32)
    grid[:, :n] = parts
    cells = grid.reshape(len(parts), lines, columns, steps, features)
    limits = limits_of(np.concatenate([parts[0], parts[-1]]))
    width, height = grid_size(cells[0], features=look.features or ["corrupted"])
    shape = width + 0.8 * (features == 1), height
    with canvas(look.ax, shape, look.title, "Reconstructions", indent=0.3) as (result, axes):
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        theme = theme_of(axes)
        handles: list[Any] = []
        # The lines of a feature have one colour: the original's is wide and pale, behind.
        styles: list[dict[str, Any]] = [{"linewidths": 2.4, "alpha": 0.35}, {"linewidths": 1.1}]
        if len(parts) == 3:
            styles.insert(1, {"linewidths": 0.5, "alpha": 0.6, "colors": [theme.grey]})
        if look.error:
            draw_between(axes, cells[0], cells[-1], limits, color=theme.alarm, alpha=0.35)
            handles.append(Patch(color=theme.alarm, alpha=0.35, linewidth=0, label="error"))
        for cell, style, label in zip(cells, styles, labels, strict=True):
            draw_lines(axes, cell, limits, **style)
            # Of several features, all colours are meant.
            color = style.get("colors", [theme.colors[0] if features == 1 else theme.grey])[0]
            shown = {"lw": style["linewidths"], "alpha": style.get("alpha")}
            handles.insert(len(handles) - look.error, Line2D([], [], color=color, label=label,
                                                             **shown))  # fmt: skip
        room = 0.9 * inches(axes)[0] / columns / max(map(len, names), default=1)
        size = theme.pt(7) if is_own(axes) else min(theme.pt(7), room / 0.0083)
        for i, name in enumerate(names):
            x, y = i % columns + 0.45, i // columns + 0.03
            axes.text(x, y, name, ha="center", va="bottom", fontsize=size, color=theme.grey)
        axes.set_ylim(top=-0.2 if names else 0)
        explain_lines(axes, cells.shape[1:], limits, look.features, handles)
    return result
