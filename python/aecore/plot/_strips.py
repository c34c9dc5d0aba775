"""Draws rows of a table as strips of colour: a cell for each feature, with its value if it fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._style import (
    clear_frame,
    colorbar,
    colored,
    explain_missing,
    missing_patch,
    value_map,
    whole_numbers,
)
from ._theme import INK, is_dark, theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMES = 40  # features of a table whose names are written
# The most features and strips whose values are written: more don't fit on a page.
_MOST_FEATURES, _MOST_STRIPS = 20, 120
_FONT = 6.0  # points
_LETTER = 0.051  # inches of its width
_LINE = 0.12  # inches of a written strip's height


class Writing(NamedTuple):
    """The texts in the cells of R groups of C rows of a table.

    Attributes
    ----------
    texts : ndarray of str, shape (R, C, F)
    marked : ndarray of bool, shape (R, C, F)
        True for texts that stand out.
    """

    texts: NDArray[Any]
    marked: NDArray[np.bool_]

    @classmethod
    def of(cls, texts: NDArray[Any]) -> Writing:
        """Return texts of which none is marked."""
        return cls(texts, np.zeros(texts.shape, bool))


def strips_size(cells: NDArray[Any], writing: Writing | None = None) -> tuple[float, float]:
    """Find a figure's size in inches for strips (R, C, F)."""
    rows, columns, features = cells.shape
    strips = rows * (columns + 1) if rows > 1 else columns
    if not _has_room(features, strips, writing):
        return min(6.3, 2.6 + 0.18 * features), min(6.0, max(2.2, 0.9 + 0.13 * strips))
    longest = max(map(len, writing.texts.ravel()))  # type: ignore[union-attr]
    width = float(np.clip(longest * _LETTER + 0.06, 0.4, 0.62))
    return 1.5 + width * features, max(2.2, 0.9 + _LINE * strips)


def _has_room(features: int, strips: int, writing: Writing | None) -> bool:
    return writing is not None and features <= _MOST_FEATURES and strips <= _MOST_STRIPS


def are_upright(names: Sequence[str]) -> bool:
    """Return whether the names of features are written, and don't fit side by side."""
    return 0 < len(names) <= MOST_NAMES and len(names) * max(map(len, names)) > 40


def name_features(ax: Axes, names: Sequence[str]) -> None:
    """Write the features of a table below their columns, if they have names and aren't too many."""
    if 0 < len(names) <= MOST_NAMES:
        angle = 90 if are_upright(names) else 0
        ax.set_xticks(range(len(names)), list(names), rotation=angle)
        ax.set_xlabel("")


def draw_strips(ax: Axes, shown: NDArray[np.float32], row_labels: Sequence[str]) -> None:
    """Draw table rows (R, C, F), scaled to 0..1, as R groups of C strips."""
    rows, columns, features = shown.shape
    gap = _gap_of(shown)
    flat = _with_gaps(shown, np.nan)
    image = ax.imshow(
        flat, aspect="auto", cmap=value_map(), vmin=0, vmax=1, interpolation="nearest"
    )
    clear_frame(ax)
    centres = np.arange(rows) * (columns + gap) + (columns - 1) / 2
    every = max(1, -(-len(row_labels) // 30))
    ax.set_yticks(centres[: len(row_labels) : every], list(row_labels)[::every])
    ax.tick_params(axis="x", bottom=True, length=2.5, color=theme_of(ax).grey)
    whole_numbers(ax)
    ax.set_xlabel("feature")
    bar = colorbar(ax, image, "value, scaled per feature")
    missing = np.isnan(shown)
    # Places after the last sample are left over, not missing.
    used = np.flatnonzero(~missing.all(axis=2).ravel()).max(initial=-1) + 1
    missing.reshape(-1, features)[used:] = False
    if missing.any():
        _draw_missing(ax, _with_gaps(missing, False))
        explain_missing(bar.ax)


def _gap_of(parts: NDArray[Any]) -> int:
    return 1 if len(parts) > 1 and parts.shape[1] > 1 else 0


def _with_gaps(parts: NDArray[Any], blank: Any) -> NDArray[Any]:
    """Put groups (R, C, F) below each other, with blank rows between them."""
    rows, columns, features = parts.shape
    gap = _gap_of(parts)
    picture = np.full((rows, columns + gap, features), blank, parts.dtype)
    picture[:, :columns] = parts
    return picture.reshape(-1, features)[: rows * (columns + gap) - gap]


def _draw_missing(ax: Axes, missing: NDArray[np.bool_]) -> None:
    """Hatch the cells whose value is missing."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    cells = [Rectangle((j - 0.5, i - 0.5), 1, 1) for i, j in np.argwhere(missing)]
    look = missing_patch(theme_of(ax))
    ax.add_collection(
        PatchCollection(
            cells,
            facecolor=look.get_facecolor(),
            edgecolor=look.get_edgecolor(),
            hatch=look.get_hatch(),
            linewidth=0,
        )
    )


def write_cells(ax: Axes, shown: NDArray[np.float32], writing: Writing) -> None:
    """Write texts in the cells of strips (R, C, F), cut to their width, if there is room."""
    texts, marked = _with_gaps(writing.texts, ""), _with_gaps(writing.marked, False)
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    strips, features = texts.shape
    theme = theme_of(ax)
    letters = int((box.width / dpi / features - 0.04) / (_LETTER * theme.scale))
    high = box.height / dpi / strips
    if not _has_room(features, strips, writing) or letters < 4 or high < 0.08 * theme.scale:
        return
    values = _with_gaps(shown, np.nan)
    # Weights of the channels in luminance: Recommendation ITU-R BT.709.
    light = colored(np.nan_to_num(values)) @ [0.2126, 0.7152, 0.0722] > 0.5
    light[np.isnan(values)] = not is_dark(theme.background)  # hatched cells
    for i, j in np.argwhere(texts != ""):
        most = letters - int(marked[i, j])  # bold ones are wider
        text = texts[i, j] if len(texts[i, j]) <= most else texts[i, j][: most - 1] + "…"
        look: dict[str, Any] = {"color": INK if light[i, j] else "white"}
        if marked[i, j]:
            edge = {"boxstyle": "square,pad=0.15", "fc": "none", "ec": theme.alarm, "lw": 1}
            look |= {"weight": "bold", "bbox": edge}
        ax.text(j, i, text, ha="center", va="center", fontsize=theme.pt(_FONT), **look)
