"""Keeps what is drawn on axes of the user's in their part of the figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_EDGE = 0.01  # of the figure's width or height, that is left free
_LEAST = 0.35  # of the axes' width and height, that they keep


class Place:
    """The part of a figure that belongs to axes, where no layout engine sees to that.

    The gap between axes is shared, with more for the one whose labels are there.
    """

    def __init__(self, ax: Axes) -> None:
        figure: Any = ax.figure
        self.ax: Any = ax
        self.figure = figure
        self.others = [part for part in figure.axes if part is not ax and part.get_visible()]
        self.slot = None if figure.get_layout_engine() is not None else self._slot()

    def _slot(self) -> tuple[float, float, float, float]:
        """Return the left, bottom, right and top end of the part, in shares of the figure."""
        box, whole = self.ax.get_position(original=True), []
        for other in self.others:
            spec = other.get_subplotspec()
            # Where it was before it made room for its own labels.
            whole.append(other.get_position(original=True) if spec is None else
                         spec.get_position(self.figure))  # fmt: skip
        left, bottom, right, top = _EDGE, _EDGE, 1 - _EDGE, 1 - _EDGE
        for near in whole:
            if near.y0 < box.y1 and box.y0 < near.y1:  # side by side; labels are at the left
                if near.x0 >= box.x1:
                    right = min(right, box.x1 + 0.35 * (near.x0 - box.x1))
                elif near.x1 <= box.x0:
                    left = max(left, box.x0 - 0.6 * (box.x0 - near.x1))
            if near.x0 < box.x1 and box.x0 < near.x1:  # one above the other; labels are below
                if near.y0 >= box.y1:
                    top = min(top, box.y1 + 0.4 * (near.y0 - box.y1))
                elif near.y1 <= box.y0:
                    bottom = max(bottom, box.y0 - 0.55 * (box.y0 - near.y1))
        return left, bottom, right, top

    def fit(self) -> None:
        """Make the axes so small that all that is drawn on and beside them is in their part."""
        if self.slot is None:
            return
        from matplotlib.transforms import Bbox

        least = self.ax.get_position().size * _LEAST
        for _ in range(4):  # what fits depends on ticks, which change with the size
            twins = [part for part in self.figure.axes if part not in [self.ax, *self.others]]
            seen = Bbox.union([part.get_tightbbox() for part in (self.ax, *twins)])
            seen = seen.transformed(self.figure.transSubfigure.inverted())
            box = self.ax.get_position()
            left, bottom, right, top = self.slot
            x0, y0 = box.x0 + max(0, left - seen.x0), box.y0 + max(0, bottom - seen.y0)
            x1, y1 = box.x1 - max(0, seen.x1 - right), box.y1 - max(0, seen.y1 - top)
            x1, y1 = max(x1, x0 + least[0]), max(y1, y0 + least[1])
            fitted = Bbox.from_extents(x0, y0, x1, y1)
            if np.abs(fitted.extents - box.extents).max() < 1e-3:
                return
            for part in (self.ax, *twins):
                part.set_position(fitted)
                part.set_in_layout(True)  # a later layout engine may still move it
