"""The Figure that plot functions return; imported when one is made, as it needs matplotlib."""

from __future__ import annotations

import io

import matplotlib.figure


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that a notebook shows by itself.

    A notebook shows matplotlib's own Figure only once pyplot's inline backend has registered a
    formatter for it; before that, all one gets is ``<Figure size ...>``. Making figures through
    pyplot instead would keep each one alive until it is closed, and show it twice: as the cell's
    value and at the cell's end. With ``_repr_png_`` neither happens: a figure is shown where it is
    a cell's value or displayed, and freed like any object.
    """

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        # The size to show it at, in CSS pixels (96 an inch): the file itself has more, for sharp
        # screens.
        width, height = (round(96 * inches) for inches in self.get_size_inches())
        return buffer.getvalue(), {"width": width, "height": height}
