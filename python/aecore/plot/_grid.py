"""Cells in rows and columns, each a sample: one tiled image, lines, or strips of colour.

R rows, C columns; samples of the shape (H, W, 1 or 3), (T, F) or (F,).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base import checks
from ._call import check_names
from ._lines import draw_lines, explain_lines
from ._place import Place
from ._strips import (
    Writing,
    are_upright,
    draw_strips,
    name_features,
    strips_size,
    write_cells,
)
from ._style import canvas, clear_frame, colorbar, inches, is_own, left_of, scale, title_of
from ._tables import is_mixed, numbered, written
from ._theme import own_theme, theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Limits = tuple[Any, Any]


def tile(images: ArrayLike, columns: int | None = None, *, gap: int = 1) -> NDArray[Any]:
    """Lay images side by side in rows and return them as one image.

    Cells left over in the last row and the gaps between images are white: 255 for uint8, 1 for
    booleans and floats (or the largest value among the images, where that is more).

    Parameters
    ----------
    images : array-like (N, H, W), (N, H, W, 1) or (N, H, W, 3)
        N images of one size, N > 0.
    columns : int, optional
        Images to a row; by default as many as make the result about as wide as high.
    gap : int, default 1
        Pixels between neighbours.

    Returns
    -------
    array (R * (H + gap) - gap, columns * (W + gap) - gap), with a last axis of 3 for colour
        One image of the same dtype, ready for ``imshow`` or an image file.

    Raises
    ------
    TypeError, ValueError
        The images are no numbers or have another shape, or columns or gap is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> tile(np.zeros((6, 8, 8, 1), np.uint8), columns=3).shape
    (17, 26)
    """
    stack = checks.numbers("images", images)
    if stack.ndim == 3:
        stack = stack[..., None]
    if stack.ndim != 4 or stack.shape[3] not in (1, 3) or stack.size == 0:
        raise ValueError(
            f"images: expected the shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), N > 0, "
            f"got {np.shape(images)}"
        )
    n, height, width, channels = stack.shape
    if columns is None:
        columns = min(n, max(1, round((n * height / width) ** 0.5)))
    checks.integer("columns", columns, 1)
    checks.integer("gap", gap)
    rows = -(-n // columns)
    white: Any = 255 if stack.dtype == np.uint8 else 1
    if stack.dtype.kind != "b":
        white = max(white, np.nanmax(stack))
    cells = np.full((rows, height + gap, columns, width + gap, channels), white, dtype=stack.dtype)
    # Index (row, column) of each image; NumPy puts these two axes first.
    row, column = np.divmod(np.arange(n), columns)
    cells[row, :height, column, :width] = stack
    whole = cells.reshape(rows * (height + gap), columns * (width + gap), channels)
    whole = whole[: rows * (height + gap) - gap, : columns * (width + gap) - gap]
    return np.ascontiguousarray(whole[..., 0] if channels == 1 else whole)


def as_samples(name: str, X: Any, n: int | None = None) -> NDArray[np.float32]:
    """Return the first n samples as float32, uint8 scaled to 0..1, if they can be drawn.

    Sequences (T_i, F) of different lengths are padded with NaN. In a table, columns that aren't of
    numbers are replaced by the ranks of their values.
    """
    if n is not None:
        checks.integer("n", n, 1)
    if is_ragged(X):
        X = pad_sequences(name, X[:n])
    elif is_mixed(X):
        X = numbered([X[:n]])[0]
    shape = tuple(getattr(X, "shape", None) or np.shape(X))
    if not 2 <= len(shape) <= 4 or 0 in shape or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise ValueError(
            f"{name}: expected images (N, H, W, 1 or 3), sequences (N, T, F) or a table (N, F), "
            f"N > 0, got {shape}"
        )
    # Slicing before converting spares a memory map or an HDF5 data set.
    values = checks.numbers(name, X[:n] if hasattr(X, "shape") else X)[:n]
    if values.dtype == np.uint8:
        return values.astype(np.float32) / np.float32(255)
    return values.astype(np.float32)


def as_cells(
    names: Sequence[str], parts: Sequence[Any]
) -> tuple[list[NDArray[np.float32]], list[NDArray[Any]] | None]:
    """Return samples in several parts as numbers, and for mixed tables also as texts.

    A word has the same number, and so the same colour, in all parts.
    """
    if is_mixed(parts[0]):
        return numbered(list(parts)), written(list(parts))
    return [as_samples(*named) for named in zip(names, parts, strict=True)], None


def is_ragged(X: Any) -> bool:
    """Return whether X is a list of sequences (T_i, F), which may have different lengths."""
    return isinstance(X, (list, tuple)) and len(X) > 0 and all(np.ndim(x) == 2 for x in X)


def pad_sequences(name: str, X: Sequence[ArrayLike]) -> NDArray[Any]:
    """Return sequences (T_i, F) as one array (N, T, F), padded with NaN."""
    arrays = [np.asarray(x) for x in X]
    arrays = [a / np.float32(255) if a.dtype == np.uint8 else a for a in arrays]
    features = {a.shape[1] for a in arrays}
    if len(features) != 1:
        raise ValueError(f"{name}: expected sequences (T_i, F) of one F, got {sorted(features)}")
    if all(len(a) == len(arrays[0]) for a in arrays):
        return np.stack(arrays)
    whole = np.full((len(arrays), max(map(len, arrays)), features.pop()), np.nan, np.float32)
    for row, a in zip(whole, arrays, strict=True):
        row[: len(a)] = a
    return whole


def limits_of(samples: NDArray[np.float32]) -> Limits:
    """Return the values to draw as darkest and brightest, for each column of a table."""
    axis = 0 if samples.ndim == 2 else None
    finite = np.isfinite(samples)
    low = np.min(samples, axis=axis, where=finite, initial=np.inf)
    high = np.max(samples, axis=axis, where=finite, initial=-np.inf)
    # Without two different finite values, take an interval of length 1.
    low = np.where(np.isfinite(low), low, 0)
    high = np.where(high > low, high, low + 1)
    if samples.ndim == 2:
        return low, high
    if samples.ndim == 4 and finite.any():
        # Images of the range 0..1 are shown on that scale even if a linear output exceeds it here
        # and there: stretching the scale to the extremes would turn black into grey.
        most = np.quantile(samples[finite], [0.01, 0.99])
        if most[0] >= -0.5 and most[1] <= 1.5:
            return 0.0, 1.0
    return float(low), float(high)


def draw_cells(
    ax: Axes | None,
    cells: NDArray[np.float32],
    limits: Limits,
    title: str | None,
    default: str,
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    gap: int | None = None,
    extra: tuple[float, float] = (0, 0),
    bar: tuple[float, str] | None = None,
    features: Sequence[str] = (),
    writing: Writing | None = None,
) -> tuple[Any, Axes]:
    """Draw cells (R, C, ...) with a label for each row and column, and for features.

    Returns the caller's result and the axes. A new figure has room for the title and these labels;
    `extra` is the width and height, in inches, for the caller's own additions. A colour bar has its
    largest value and a label.
    """
    if cells.ndim < 5:
        check_names(features, cells.shape[-1])
    if cells.ndim == 3:
        width, height = strips_size(cells, writing)
        text = title_of(title, default)
        width = max(width, 0.6 + left_of(rows) + 0.062 * min(len(text), 70))
        if are_upright(features):
            height += 0.06 * max(map(len, features))
    else:
        width, height = grid_size(cells, rows, columns, features)
    size = width + extra[0] + (0.8 if bar is not None else 0), height + extra[1]
    with canvas(ax, size, title, default, indent=left_of(rows)) as (result, axes):
        place = None if ax is None else Place(axes)
        if cells.ndim == 3:
            low, high = limits
            shown = np.clip((cells - low) / (high - low), 0, 1)
            draw_strips(axes, shown, rows)
            name_features(axes, features)
        else:
            _draw_grid(axes, cells, limits, rows, columns, gap)
            if bar is not None:
                colorbar(axes, scale(0.0, bar[0]), bar[1])
            if cells.ndim == 4:
                explain_lines(axes, cells.shape, limits, features)
        if cells.ndim == 3 and writing is not None:
            # What is beside the cells fixes their size, on which it depends what fits in.
            if place is None:
                result.draw_without_rendering()
            else:
                place.fit()
            write_cells(axes, shown, writing)
    return result, axes


def are_long(columns: Sequence[str]) -> bool:
    """Return whether labels of columns don't fit side by side."""
    return max(map(len, columns), default=0) > 11 / own_theme().growth


def grid_size(
    cells: NDArray[Any],
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    features: Sequence[str] = (),
) -> tuple[float, float]:
    """Return a figure's size in inches for images or lines (R, C, ...), at most 6.3 wide."""
    n_rows, n_columns = cells.shape[:2]
    left, top = left_of(rows), 0.28 + (0.15 if columns else 0)
    if cells.ndim == 5:
        height, width = cells.shape[2:4]
        side = min(0.62, (6.3 - left) / n_columns, 5.4 * width / height / n_rows)
        if are_long(columns):
            top += 0.04 * max(map(len, columns))
        return max(2.0, n_columns * side + left), n_rows * side * height / width + top
    beside = 0.35  # the scale of values
    if cells.shape[3] > 1:
        beside += 0.5 + 0.055 * max(map(len, features), default=9)
    side = min(1.25, (6.3 - left) / n_columns)
    return max(3.0, n_columns * side + left) + beside, n_rows * min(0.75 * side, 0.8) + top + 0.35


def _draw_grid(
    ax: Axes,
    cells: NDArray[np.float32],
    limits: Limits,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    gap: int | None,
) -> None:
    rows, columns = cells.shape[:2]
    if cells.ndim == 5:
        low, high = limits
        shown = np.clip((cells - low) / (high - low), 0, 1)
        height, width = cells.shape[2:4]
        gap = max(1, round(min(height, width) / 14)) if gap is None else gap
        ax.imshow(_with_holes(shown, gap), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        x = np.arange(columns) * (width + gap) + (width - 1) / 2
        y = np.arange(rows) * (height + gap) + (height - 1) / 2
    else:
        draw_lines(ax, cells, limits)
        x, y = np.arange(columns) + 0.45, np.arange(rows) + 0.5
    clear_frame(ax)
    ax.tick_params(axis="x", top=False, labeltop=True, bottom=False, labelbottom=False)
    look: dict[str, Any] = {}
    if are_long(column_labels) or not (is_own(ax) or _fit_above(ax, column_labels, columns)):
        look = {"rotation": 45, "ha": "left", "rotation_mode": "anchor"}
    ax.set_xticks(x[: len(column_labels)], list(column_labels), **look)
    ax.set_yticks(y[: len(row_labels)], list(row_labels))


def _fit_above(ax: Axes, labels: Sequence[str], columns: int) -> bool:
    """Return whether labels of columns fit side by side above axes of the user's."""
    letter = 0.0083 * theme_of(ax).pt(8)
    return max(map(len, labels), default=0) * letter < 0.8 * inches(ax)[0] / columns


def _with_holes(shown: NDArray[np.float32], gap: int) -> NDArray[Any]:
    """Lay images (R, C, H, W, 1 or 3) side by side, transparent between them and where NaN."""
    images = shown.reshape(-1, *shown.shape[2:])
    picture = tile(np.nan_to_num(images, nan=1), shown.shape[1], gap=gap)
    holes = tile(np.isnan(images).any(axis=3), shown.shape[1], gap=gap)
    if picture.ndim == 2:
        return np.ma.array(picture, mask=holes)
    return np.dstack([picture, np.where(holes, np.float32(0), np.float32(1))])
