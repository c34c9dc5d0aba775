"""The Figure that plot functions return, and its title; imported as it needs matplotlib."""

from __future__ import annotations

import io
import os
from typing import Any

import matplotlib
import matplotlib.figure
import matplotlib.text

OWN_DPI = 150  # of a figure, where the user has not chosen another
FILE_DPI = 300  # that it is saved with
VECTOR_FORMATS = ("pdf", "svg", "svgz", "ps", "eps", "pgf")
# A notebook shows 96 pixels an inch; twice as many are sharp on screens of a high density.
NOTEBOOK_DPI = 192


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that a notebook shows by itself, and that is sharp in files.

    A notebook shows matplotlib's own Figure only once pyplot's inline backend has registered a
    formatter for it; before that, all one gets is ``<Figure size ...>``. Making figures through
    pyplot instead would keep each one alive until it is closed, and show it twice: as the cell's
    value and at the cell's end. With ``_repr_png_`` neither happens: a figure is shown where it is
    a cell's value or displayed, and freed like any object.

    Attributes
    ----------
    font_size : float
        Of plain text in points, which parts that are added later have too.
    """

    font_size: float

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save as matplotlib's figures do; without a dpi of the user's with 300 dots an inch.

        In files of lines and text, dots are only those of large scatters, which 150 do for.
        """
        form = str(options.get("format") or os.path.splitext(str(fname))[1][1:]).lower()
        if "dpi" not in options and self._has_own_dpi() and form not in VECTOR_FORMATS:
            options["dpi"] = FILE_DPI
        if not isinstance(fname, (io.BufferedIOBase, io.RawIOBase)):
            super().savefig(fname, **options)
            return
        # Where a disk is full in the middle of a file, backends may fail with another error.
        buffer = io.BytesIO()
        super().savefig(buffer, **options)
        fname.write(buffer.getvalue())

    def _has_own_dpi(self) -> bool:
        return bool(matplotlib.rcParams["savefig.dpi"] == "figure" and self.dpi == OWN_DPI)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        buffer = io.BytesIO()
        options = {"dpi": NOTEBOOK_DPI} if self._has_own_dpi() else {}
        self.savefig(buffer, format="png", **options)
        # The size to show it at, in CSS pixels.
        width, height = (round(96 * inches) for inches in self.get_size_inches())
        return buffer.getvalue(), {"width": width, "height": height}


class LeftTitle(matplotlib.text.Text):
    """The title of axes in its usual, central place, but drawn at the left.

    It keeps alignment and size whatever defaults `Axes.set_title` gives it, so that a title of the
    user's takes its place. One in the left place hides it.
    """

    def update(self, kwargs: dict[str, Any]) -> Any:
        """Take new properties, but for the defaults of `Axes.set_title`."""
        if "horizontalalignment" in kwargs and "fontsize" in kwargs:
            default = ("horizontalalignment", "fontsize", "color")
            kwargs = {key: value for key, value in kwargs.items() if key not in default}
        return super().update(kwargs)

    def draw(self, renderer: Any) -> None:
        """Draw it unless there is another title at the left."""
        axes: Any = self.axes
        if axes is None or not axes.get_title(loc="left"):
            super().draw(renderer)


def entitle(ax: Any, title: str) -> None:
    """Give axes a title, at the left unless the user's rcParams say where."""
    if matplotlib.rcParams["axes.titlelocation"] == "center":
        ax.title.__class__ = LeftTitle  # what axes have for a title can't be replaced
        ax.title.set(x=0, horizontalalignment="left")
    ax.set_title(title)
