"""What figures and axes are made with: one look, room for titles and legends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._place import Place
from ._theme import SIZE, Theme, chosen, is_dark, own_theme, rc_of, theme_of, ticks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MINUS = "\N{MINUS SIGN}"
# More than ten colours can't be told apart: further classes differ in their markers.
MARKERS = "o^sDvP*X<>"
_LETTER = 0.0076  # inches that a letter of a title takes, for each point of its size
_LINE = 0.017  # and a line
_SHARE = 0.75  # of a figure of the library's own, that axes have at least for their labels


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
    theme = own_theme()
    import matplotlib
    from matplotlib.axes import Axes as MatplotlibAxes

    from ._figure import Figure, entitle

    text = title_of(title, default)
    if ax is not None:
        if not isinstance(ax, MatplotlibAxes):
            raise TypeError(f"ax: expected a matplotlib Axes, got {type(ax).__name__}")
        place = Place(ax)
        with matplotlib.rc_context({"text.parse_math": False}):
            if not ax.has_data():
                _dress(ax)
            if text and not (title is None and _is_titled(ax)):
                lines = _broken(text, inches(ax)[0], float(ax.title.get_fontsize()))
                entitle(ax, "\n".join(lines))
            yield ax, ax
            _parse_powers(ax)
            _break_labels(ax, *inches(ax))
        place.fit()
        return
    with matplotlib.rc_context(rc_of(theme)):
        wide, high = (inches * theme.growth for inches in size)
        figure = Figure(figsize=(wide, high), layout="compressed")
        figure.font_size = theme.pt(SIZE)
        axes = figure.add_subplot()
        points = float(axes.title.get_fontsize())
        lines = _broken(text, wide - indent * theme.scale, points)
        figure.set_size_inches(wide, high + _LINE * points * (len(lines) - 1))
        entitle(axes, "\n".join(lines))
        # Ticks are made when the figure is drawn, outside this context: their style is the axes'.
        dress_ticks(axes)
        yield figure, axes
        _break_labels(axes, *(_SHARE * figure.get_size_inches()))
        for part in figure.axes:
            _parse_powers(part)


def left_of(rows: Sequence[str]) -> float:
    """Return the inches that labels of rows take at the left."""
    return 0.12 + 0.058 * max(map(len, rows), default=0)


def title_of(title: str | None, default: str) -> str:
    """Return the title to draw: the user's, or else the function's own."""
    if title is not None and not isinstance(title, str):
        raise TypeError(f"title: expected a text or None, got {type(title).__name__}")
    return default if title is None else title


def _broken(title: str, width: float, points: float) -> list[str]:
    """Break a title of so many points into lines that fit a width in inches."""
    letters = max(12, int((width - 0.1) / (_LETTER * points)))
    return [part for line in title.split("\n") for part in wrap(line, letters) or [""]]


def _break_labels(ax: Axes, width: float, height: float) -> None:
    """Break labels of axes that are longer than these are wide or high."""
    for axis, span in ((ax.xaxis, width), (ax.yaxis, height)):
        text = axis.get_label_text()
        if "\n" not in text:
            axis.set_label_text("\n".join(_broken(text, span, float(axis.label.get_fontsize()))))


def inches(ax: Axes) -> tuple[float, float]:
    """Return the width and height of axes."""
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi, box.height / ax.figure.dpi


def is_own(ax: Axes) -> bool:
    """Return whether the figure is one of the library's own."""
    return hasattr(ax.figure, "font_size")


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
    place: dict[str, Any] = {"ax": ax, "fraction": 0.04, "pad": 0.02, "aspect": 30}
    if not is_own(ax):  # as high as a picture, and wherever it goes
        place = {"cax": ax.inset_axes((1.02, 0, 0.04, 1))}
    bar = ax.figure.colorbar(mappable, **place)
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
    return np.asarray(value_map()(shares)[..., :3])


def value_map() -> Any:
    """Return the colours of values: viridis, or the user's ``image.cmap``."""
    from matplotlib import colormaps, rcParams

    return colormaps[rcParams["image.cmap"]]


def dots_map(theme: Theme) -> Any:
    """Return the colours of values of dots, on dark backgrounds without the darkest."""
    from matplotlib.colors import ListedColormap

    colors = value_map()
    if not is_dark(theme.background):
        return colors
    return ListedColormap(colors(np.linspace(0.25, 1, 256)))


def scale(low: float, high: float) -> Any:
    """Return the mappable for a colour bar from low to high."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(low, high), value_map())


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
