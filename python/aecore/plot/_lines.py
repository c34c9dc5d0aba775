"""Draws sequences as lines in cells of unit size, and explains their scale and colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._style import clear_frame, inches, legend
from ._tables import short
from ._theme import theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Limits = tuple[Any, Any]


def draw_lines(
    ax: Axes,
    cells: NDArray[np.float32],
    limits: Limits,
    *,
    colors: Sequence[str] | None = None,
    **options: Any,
) -> None:
    """Draw sequences (R, C, T, F) in cells of unit size, a coloured line for each feature."""
    from matplotlib.collections import LineCollection

    colors = theme_of(ax).colors if colors is None else colors
    rows, columns = cells.shape[:2]
    options = {"linewidths": 1.0, **options}
    for f, lines in enumerate(_line_points(cells, limits)):
        ax.add_collection(LineCollection(list(lines), colors=colors[f % len(colors)], **options))
    ax.set_xlim(-0.05, columns)
    ax.set_ylim(rows, 0)
    clear_frame(ax)


def explain_lines(
    ax: Axes,
    shape: tuple[int, ...],
    limits: Limits,
    features: Sequence[str],
    handles: Sequence[Any] = (),
) -> None:
    """Give cells of lines (R, C, T, F) a scale of steps and values, and a legend.

    Its handles are followed by the colours of features, where there are several.
    """
    rows, _, steps, n = shape
    theme = theme_of(ax)
    # Below the first cell of the last row, and at its left.
    ends = [(0.0, rows + 0.02), (0.9, rows + 0.02)], [(-0.03, rows - 0.05), (-0.03, rows - 0.95)]
    for line in ends:
        ax.plot(*zip(*line, strict=True), color=theme.grey, linewidth=0.6, clip_on=False)
    look: dict[str, Any] = {"fontsize": theme.pt(6), "color": theme.grey, "annotation_clip": False}
    below: dict[str, Any] = {"xytext": (0, -2), "textcoords": "offset points", "va": "top"}
    last = f"{steps - 1:,}" + (" steps" if steps > 1 else "")
    if inches(ax)[0] > 0.6 * theme.scale * shape[1]:  # there is room for both
        ax.annotate("0", (0, rows + 0.02), ha="left", **below, **look)
    ax.annotate(last, (0.9, rows + 0.02), ha="right" if steps > 1 else "center", **below, **look)
    for value, y, va in zip(limits, (rows - 0.05, rows - 0.95), ("bottom", "top"), strict=True):
        at: dict[str, Any] = {"xytext": (-2, 0), "textcoords": "offset points", "ha": "right"}
        ax.annotate(short(float(f"{value:.3g}")), (-0.03, y), va=va, **at, **look)
    ax.tick_params(axis="y", pad=theme.pt(20))  # labels of rows stand further at the left
    handles = [*handles, *_feature_lines(ax, n, features)]
    if handles:
        legend(ax, handles=handles, handlelength=1.4)


def _feature_lines(ax: Axes, n: int, features: Sequence[str]) -> list[Any]:
    """Return what names the lines of n features in a legend; nothing for a single one."""
    from matplotlib.lines import Line2D

    if n == 1:
        return []
    colors = theme_of(ax).colors
    names = list(features) or [f"feature {f}" for f in range(n)]
    shown = min(n, len(colors))  # further features have the same colours
    lines = [Line2D([], [], color=colors[f], label=names[f]) for f in range(shown)]
    if n > shown:
        lines.append(Line2D([], [], linestyle="", label=f"and {n - shown} more"))
    return lines


def draw_between(
    ax: Axes, a: NDArray[np.float32], b: NDArray[np.float32], limits: Limits, **options: Any
) -> None:
    """Shade the area between two grids of sequences (R, C, T, F)."""
    from matplotlib.collections import PolyCollection

    for f, g in zip(_line_points(a, limits), _line_points(b, limits), strict=True):
        rings = np.concatenate([f, g[:, ::-1]], axis=1)
        known = [ring[np.isfinite(ring).all(axis=1)] for ring in rings]
        areas = PolyCollection([ring for ring in known if len(ring)], linewidths=0, **options)
        ax.add_collection(areas)


def _line_points(cells: NDArray[np.float32], limits: Limits) -> NDArray[Any]:
    """Return the points (F, R * C, T, 2) of sequences (R, C, T, F), each in its cell."""
    rows, columns, steps, features = cells.shape
    low, high = limits
    row, column, step = np.meshgrid(
        np.arange(rows), np.arange(columns), np.arange(steps), indexing="ij"
    )
    x = column + 0.9 * step / max(1, steps - 1)
    y = row[..., None] + 0.95 - 0.9 * (cells - low) / (high - low)
    points = np.stack(np.broadcast_arrays(x[..., None], y), axis=-1)
    return points.reshape(-1, steps, features, 2).transpose(2, 0, 1, 3)
