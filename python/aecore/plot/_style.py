"""What figures and axes are made with: one look, room for titles and legends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._theme import SIZE, Theme, chosen, own_theme, rc_of, theme_of, ticks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MINUS = "\N{MINUS SIGN}"
# More than ten colours can't be told apart: further classes differ in their markers.
MARKERS = "o^sDvP*X<>"
_LETTER = 0.0076  # inches that a letter of a title takes, for each point of its size
_LINE = 0.017  # and a line
_EDGE = 0.01  # of the figure's width or height, that is left free beside axes of the user's
_LEAST = 0.4  # of their width and height that they keep


@contextmanager
def canvas(
    ax: Axes | None,
    size: tuple[float, float],
    title: str | None = "",
    default: str = "",
    *,
    indent: float = 0.55,
) -> Iterator[tuple[Any, Axes]]:
    """Yield what the caller returns and the axes to draw on: a new figure's, or the user's own.

    The title is the user's, or the default one. A long one is broken into lines, for which a new
    figure has room; its letters begin `indent` inches from the left. Names of columns, labels and
    the like are drawn as they are: no dollar in them starts mathematics.

    Of the user's axes, the look is only changed where nobody has drawn on them yet, and a title
    that they have is only replaced by one that was asked for. Without a layout engine, they shrink
    so that what is drawn beside them stays in their part of the figure.
    """
    try:
        import matplotlib
        from matplotlib.axes import Axes as MatplotlibAxes

        from ._figure import Figure, entitle
    except ImportError as error:
        raise ImportError(
            "plots: expected matplotlib to be installed: pip install 'aecore[plot]'"
        ) from error
    text = title_of(title, default)
    if ax is not None:
        if not isinstance(ax, MatplotlibAxes):
            raise TypeError(f"ax: expected a matplotlib Axes, got {type(ax).__name__}")
        place = Place(ax)
        with matplotlib.rc_context({"text.parse_math": False}):
            if not ax.has_data():
                _dress(ax)
            if text and not (title is None and _is_titled(ax)):
                width = ax.get_window_extent().width / ax.figure.dpi
                entitle(ax, "\n".join(_broken(text, width, float(ax.title.get_fontsize()))))
            yield ax, ax
            _parse_powers(ax)
        place.fit()
        return
    theme = own_theme()
    with matplotlib.rc_context(rc_of(theme)):
        wide, high = (inches * max(1.0, theme.scale) ** 0.5 for inches in size)
        lines = _broken(text, wide - indent * theme.scale, theme.pt(9))
        high += _LINE * theme.pt(9) * (len(lines) - 1)
        figure = Figure(figsize=(wide, high), layout="compressed")
        figure.font_size = theme.pt(SIZE)
        axes = figure.add_subplot()
        entitle(axes, "\n".join(lines))
        # Ticks are made when the figure is drawn, outside this context: their style is the axes'.
        dress_ticks(axes)
        yield figure, axes
        for part in figure.axes:
            _parse_powers(part)


def title_of(title: str | None, default: str) -> str:
    """Return the title to draw: the user's, or else the function's own."""
    if title is not None and not isinstance(title, str):
        raise TypeError(f"title: expected a text or None, got {type(title).__name__}")
    return default if title is None else title


def _broken(title: str, width: float, points: float) -> list[str]:
    """Break a title of so many points into lines that fit a width in inches."""
    letters = max(12, int((width - 0.1) / (_LETTER * points)))
    return [part for line in title.split("\n") for part in wrap(line, letters) or [""]]


def _is_titled(ax: Axes) -> bool:
    return any(ax.get_title(loc=place) for place in ("left", "center", "right"))


def _dress(ax: Axes) -> None:
    """Give fresh axes of the user's the library's look, but for what the user has chosen."""
    for side in ("top", "right"):
        if not chosen(f"axes.spines.{side}", False):
            ax.spines[side].set_visible(False)


def dress_ticks(ax: Axes, length: float | None = None, which: str = "major") -> None:
    """Give ticks of axes in a figure of the library's own their look."""
    theme = theme_of(ax)
    for axis in ("x", "y"):
        look = ticks_of(theme, axis) | ({} if length is None else {"length": length})
        ax.tick_params(axis=axis, which=which, **look)


class Place:
    """The part of a figure that belongs to axes of the user's, where no layout engine sees to that.

    Half of the gap between axes belongs to each, more to the one on whose labels it is.
    """

    def __init__(self, ax: Axes) -> None:
        figure: Any = ax.figure
        self.ax: Any = ax
        self.figure = figure
        self.others = list(figure.axes)
        self.slot = None if figure.get_layout_engine() is not None else self._slot()

    def _slot(self) -> tuple[float, float, float, float]:
        """Return the left, bottom, right and top end of the part, in shares of the figure."""
        box = self.ax.get_position()
        left, bottom, right, top = _EDGE, _EDGE, 1 - _EDGE, 1 - _EDGE
        for other in self.others:
            near = other.get_position()
            if other is self.ax or not other.get_visible():
                continue
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

        for _ in range(2):  # a second time for what moved with the first
            new = [part for part in self.figure.axes if part not in self.others]
            boxes = [part.get_tightbbox() for part in (self.ax, *new)]
            seen = Bbox.union([box for box in boxes if box is not None])
            seen = seen.transformed(self.figure.transSubfigure.inverted())
            box = self.ax.get_position()
            left, bottom, right, top = self.slot
            x0, y0 = box.x0 + max(0, left - seen.x0), box.y0 + max(0, bottom - seen.y0)
            x1, y1 = box.x1 - max(0, seen.x1 - right), box.y1 - max(0, seen.y1 - top)
            x1, y1 = max(x1, x0 + _LEAST * box.width), max(y1, y0 + _LEAST * box.height)
            fitted = Bbox.from_extents(x0, y0, x1, y1)
            if np.abs(fitted.extents - box.extents).max() < 1e-3:
                return
            self.ax.set_position(fitted)
            for part in new:  # colour bars, at the right, go with the axes
                bar, high = part.get_position(), fitted.height / box.height
                low, shift = y0 + (bar.y0 - box.y0) * high, x1 - box.x1
                part.set_position([bar.x0 + shift, low, bar.width, bar.height * high])
            for part in (self.ax, *new):
                part.set_in_layout(True)  # a later layout engine may still move it


def _parse_powers(ax: Axes) -> None:
    """Let the ticks of logarithmic scales have their powers, which are mathematics."""
    from matplotlib.ticker import LogFormatter

    for axis in (ax.xaxis, ax.yaxis):
        for ticks, formatter in (
            (axis.get_major_ticks(), axis.get_major_formatter()),
            (axis.get_minor_ticks(), axis.get_minor_formatter()),
        ):
            if isinstance(formatter, LogFormatter):
                for tick in ticks:
                    tick.label1.set_parse_math(True)


def colorbar(ax: Axes, mappable: Any, label: str) -> Any:
    theme = theme_of(ax)
    bar = ax.figure.colorbar(mappable, ax=ax, fraction=0.04, pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_alpha(1)  # also where dots are transparent
    bar.ax.tick_params(**ticks_of(theme, "y"))
    bar.set_label(label, fontsize=theme.pt(8), color=theme.ink)
    return bar


def missing_patch(theme: Theme) -> Any:
    """Return a patch that looks like a cell whose value is missing."""
    from matplotlib.patches import Patch

    look: dict[str, Any] = {"facecolor": theme.background, "edgecolor": theme.grey}
    return Patch(hatch="//////", linewidth=0, label="missing", **look)


def explain_missing(ax: Axes, handle: Any = None) -> None:
    """Explain, below a colour bar's axes, how missing values are drawn."""
    theme = theme_of(ax)
    handles = [missing_patch(theme) if handle is None else handle]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -0.03)}
    look: dict[str, Any] = {"frameon": False, "fontsize": theme.pt(7.5), "handlelength": 1.6}
    ax.legend(handles=handles, borderaxespad=0, borderpad=0, handleheight=1.1, **look, **place)


def colored(shares: NDArray[Any]) -> NDArray[Any]:
    """Return the colours (..., 3) of values from 0 to 1."""
    from matplotlib import colormaps

    return np.asarray(colormaps["viridis"](shares)[..., :3])


def scale(low: float, high: float) -> Any:
    """Return the mappable for a colour bar from low to high."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(low, high), "viridis")


def legend(ax: Axes, *, inside: str = "", **options: Any) -> None:
    """Put the legend to the right of the axes, where it covers no data; or inside, in a corner."""
    size = theme_of(ax).pt(7.5)
    look = {
        "fontsize": chosen("legend.fontsize", size),
        "title_fontsize": chosen("legend.title_fontsize", size),
        "frameon": chosen("legend.frameon", False),
    }
    place: dict[str, Any] = {"loc": inside, "borderaxespad": 0.8}
    if not inside:
        place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
    ax.legend(**(look | place | options))


def whole_numbers(ax: Axes) -> None:
    """Put the ticks of the x axis at integers."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def palette(n: int, colors: Sequence[str]) -> list[tuple[str, str]]:
    """Choose n pairs of colour and marker that differ."""
    return [(colors[i % len(colors)], MARKERS[i // len(colors) % len(MARKERS)]) for i in range(n)]


def numbers(values: ArrayLike) -> list[str]:
    """Write numbers with as many decimals as their size needs."""
    array = np.asarray(values, np.float64)
    fewest = 2 if np.abs(array).max(initial=0) >= 0.1 else 4
    # More if they make the number exact: 0.125 rather than 0.12.
    exact = (d for d in range(fewest, 5) if np.abs(array - array.round(d)).max(initial=0) < 1e-8)
    decimals = next(exact, fewest)
    texts = (f"{value:.{decimals}f}".rstrip("0").rstrip(".") for value in array)
    return ["0" if text == "-0" else text.replace("-", MINUS) for text in texts]


def clear_frame(ax: Axes) -> None:
    """Leave labels, but no lines and ticks around a picture."""
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.grid(False)
    ax.tick_params(length=0)
    ax.set_xticks([])
    ax.set_yticks([])
