"""One look for all pictures: small sober type, colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GREY, PALE = "#222222", "#767676", "#d9d9d9"
MINUS = "\N{MINUS SIGN}"

# Okabe and Ito, "Color universal design", 2008, with black and the faint yellow at the end; and two
# more, for ten classes, that are as distinct as these eight.
COLORS = (
    "#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#333333", "#f0e442",
    "#cc0033", "#cc33ff",
)  # fmt: skip
ERROR = COLORS[1]
# More than ten colours can't be told apart: further classes differ in their markers.
MARKERS = "o^sDvP*X<>"

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.facecolor": "white",
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "figure.dpi": 150,
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.size": 8,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "savefig.dpi": "figure",
    "text.color": INK,
    "text.parse_math": False,
}
_TITLE_LETTER, _TITLE_LINE = 0.068, 0.15  # inches that a letter of a title, and a line, take
TICKS: dict[str, Any] = {
    "color": GREY,
    "labelcolor": INK,
    "labelsize": 7,
    "length": 2.5,
    "width": 0.6,
}


@contextmanager
def canvas(
    ax: Axes | None, size: tuple[float, float], title: str = "", indent: float = 0.55
) -> Iterator[tuple[Any, Axes]]:
    """Yield what the caller returns and the axes to draw on: a new figure's, or the user's own.

    The title is on these axes already. A long one is broken into lines, for which a new figure has
    room; its letters begin `indent` inches from the left.

    On the user's axes nothing of the style is set that the user may have set differently. Names of
    columns, labels and the like are drawn as they are: no dollar in them starts mathematics.
    """
    try:
        import matplotlib
        from matplotlib.axes import Axes as MatplotlibAxes

        from ._figure import Figure
    except ImportError as error:
        raise ImportError(
            "plots: expected matplotlib to be installed: pip install 'aecore[plot]'"
        ) from error
    if ax is not None:
        if not isinstance(ax, MatplotlibAxes):
            raise TypeError(f"ax: expected a matplotlib Axes, got {type(ax).__name__}")
        with matplotlib.rc_context({"text.parse_math": False}):
            if title:
                ax.set_title(title)
            yield ax, ax
            _parse_powers(ax)
        return
    with matplotlib.rc_context(STYLE):
        lines = _broken(title, size[0] - indent)
        height = size[1] + _TITLE_LINE * (len(lines) - 1)
        figure = Figure(figsize=(size[0], height), layout="compressed")
        axes = figure.add_subplot()
        axes.set_title("\n".join(lines))
        # Ticks are made when the figure is drawn, outside this context: their style is the axes'.
        axes.tick_params(**TICKS)
        yield figure, axes
        for part in figure.axes:
            _parse_powers(part)


def title_of(title: str | None, default: str) -> str:
    """Return the title to draw: the user's, or else the function's own."""
    if title is not None and not isinstance(title, str):
        raise TypeError(f"title: expected a text or None, got {type(title).__name__}")
    return default if title is None else title


def _broken(title: str, width: float) -> list[str]:
    """Break a title into lines that fit a width in inches."""
    letters = max(12, int((width - 0.1) / _TITLE_LETTER))
    return [part for line in title.split("\n") for part in wrap(line, letters) or [""]]


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
    bar = ax.figure.colorbar(mappable, ax=ax, fraction=0.04, pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_alpha(1)  # also where dots are transparent
    bar.ax.tick_params(**TICKS)
    bar.set_label(label, fontsize=8, color=INK)
    return bar


def missing_patch() -> Any:
    """Return a patch that looks like a cell whose value is missing."""
    from matplotlib.patches import Patch

    return Patch(facecolor="white", edgecolor=GREY, hatch="//////", linewidth=0, label="missing")


def explain_missing(ax: Axes, handle: Any = None) -> None:
    """Explain, below a colour bar's axes, how missing values are drawn."""
    handles = [missing_patch() if handle is None else handle]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -0.03)}
    ax.legend(
        handles=handles, borderaxespad=0, borderpad=0, handlelength=1.6, handleheight=1.1, **place
    )


def colored(shares: NDArray[Any]) -> NDArray[Any]:
    """Return the colours (..., 3) of values from 0 to 1."""
    from matplotlib import colormaps

    return np.asarray(colormaps["viridis"](shares)[..., :3])


def scale(low: float, high: float) -> Any:
    """Return the mappable for a colour bar from low to high."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(low, high), "viridis")


def legend(ax: Axes, **options: Any) -> None:
    """Put the legend to the right of the axes, where it covers no data."""
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, **options)


def whole_numbers(ax: Axes) -> None:
    """Put the ticks of the x axis at integers."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def palette(n: int) -> list[tuple[str, str]]:
    """Choose n pairs of colour and marker that differ."""
    return [(COLORS[i % len(COLORS)], MARKERS[i // len(COLORS) % len(MARKERS)]) for i in range(n)]


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
    ax.tick_params(length=0)
    ax.set_xticks([])
    ax.set_yticks([])
