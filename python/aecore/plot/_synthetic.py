"""Draws the report on a synthetic table: columns, pairs of columns and closest records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import checks
from ..metrics import SyntheticReport
from ._style import canvas, clear_frame, dress_ticks, inches, is_own, legend, scale
from ._tables import short, shortened
from ._theme import Theme, theme_of, ticks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LANES = 12  # columns whose distributions are drawn, by default
SMALLEST = 4.5  # points of the names beside a matrix
BARS = 40  # of distances
_NARROW = 4.8  # inches of axes
_HEIGHT = 0.74  # of a lane's tallest bar
# Where parts lie in the axes: left, bottom, width and height, below the headings.
_LANES, _PAIRS, _CLOSEST = (0, 0, 0.43, 1), (0.66, 0.42, 0.34, 0.58), (0.66, 0, 0.34, 0.27)
_HEADING = 0.3  # inches


def synthetic_report(
    report: Any, *, columns: int = LANES, title: str | None = None, ax: Axes | None = None
) -> Any:
    """Draw a report on a synthetic table.

    At the left are the distributions of columns, the least alike first, with how alike they are:
    real rows are the grey area, synthetic ones the line, numbers from the least to the largest
    real one (tails logarithmic) and levels from the most frequent on. At the upper right is how
    alike pairs of columns are, at the lower right how far rows are from the closest real one,
    beside those of the holdout; the last bar has the farthest 2 %.

    Parameters
    ----------
    report : SyntheticReport
        From `aecore.metrics.synthetic_report`.
    columns : int, default 12
        How many columns are drawn, at most.
    title : str, optional
        Takes the place of the title, which has the main figures; ``""`` draws none.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Figure, or `ax` if it was given

    Raises
    ------
    TypeError, ValueError
        It is no report, or the number of columns isn't positive.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> rows = np.random.default_rng(0).normal(size=(600, 3))
    >>> report = ae.metrics.synthetic_report(rows[:200], rows[200:400], holdout=rows[400:])
    >>> figure = ae.plot.synthetic_report(report)
    """
    if not isinstance(report, SyntheticReport):
        raise TypeError(f"report: expected a SyntheticReport, got {type(report).__name__}")
    checks.integer("columns", columns, 1)
    order = [j for j in report.worst_first() if len(report.marginals[j].real)][:columns]
    high = max(3.6, 0.62 + 0.36 * len(order))
    with canvas(ax, (7.0, high), title, _title(report)) as (result, axes):
        clear_frame(axes)
        axes.patch.set_visible(False)
        theme = theme_of(axes)
        wide, high = inches(axes)
        below = max(0.5, 1 - _HEADING * theme.scale / high)

        def part(left: float, bottom: float, width: float, height: float) -> Any:
            return axes.inset_axes((left, below * bottom, width, below * height))

        _draw_lanes(part(*_LANES), report, order, theme)
        # Points that names beside the matrix have, as long as none lies on the lanes.
        room = 72 * min(wide * _PAIRS[2], high * _PAIRS[3]) if wide > _NARROW else 0.0
        _draw_pairs(part(*_PAIRS), report, room, theme)
        _draw_distances(part(*_CLOSEST), report.distances, theme)
    return result


def _title(report: SyntheticReport) -> str:
    text = f"Synthetic rows: columns {report['column shapes']:.2f}"
    if not np.isnan(report["column pairs"]):
        text += f" and pairs {report['column pairs']:.2f}"
    text += " alike"
    if not np.isnan(report["detection AUROC"]):
        text += f", told apart with an AUROC of {report['detection AUROC']:.2f}"
    return text


def _heading(ax: Any, text: str, theme: Theme) -> None:
    ax.set_title(text, loc="left", fontsize=theme.pt(8), color=theme.ink)


def _dress(ax: Any, theme: Theme) -> None:
    """Give axes within others the look of the figure's own, and no line but the lowest."""
    if is_own(ax):
        dress_ticks(ax)
    ax.tick_params(labelsize=theme.pt(7))
    ax.set_yticks([])
    ax.grid(False)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def _draw_lanes(ax: Any, report: SyntheticReport, order: list[int], theme: Theme) -> None:
    """Draw the distributions of columns, one below the other."""
    drawn: list[Any] = []
    for lane, j in enumerate(order):
        marginal = report.marginals[j]
        base, most = -lane, max(marginal.real.max(), marginal.synthetic.max()) or 1.0
        n = len(marginal.real)
        edges, parts = np.linspace(0, 1, n + 1), (marginal.real, marginal.synthetic)
        real, made = (base + _HEIGHT * part / most for part in parts)
        look: dict[str, Any] = {"baseline": base}
        drawn = [
            ax.stairs(real, edges, fill=True, color=theme.missing, **look),
            ax.stairs(made, edges, color=theme.colors[0], linewidth=1.1, **look),
        ]
        ax.text(1.02, base + 0.28, f"{report.similarity[j]:.3f}", va="center",
                fontsize=theme.pt(7), color=theme.ink)  # fmt: skip
        ax.annotate(_span(report, j), (0, base), (-3, 0), textcoords="offset points", ha="right",
                    va="baseline", fontsize=theme.pt(6), color=theme.grey)  # fmt: skip
    _dress(ax, theme)
    at = [-lane + 0.42 for lane in range(len(order))]
    ax.set_yticks(at, [shortened(report.names[j]) for j in order])
    ax.tick_params(axis="y", length=0)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.set(xlim=(0, 1), ylim=(0.12 - len(order), 1.0))
    _heading(ax, f"columns, the worst {len(order)}" if len(order) < len(report.names)
             else "columns, the worst first", theme)  # fmt: skip
    if drawn:
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, 0), "ncols": 2}
        legend(ax, handles=drawn, labels=["real", "synthetic"], **place)


def _span(report: SyntheticReport, j: int) -> str:
    """Return what the bars of a column are: its range, or how many levels."""
    labels = report.marginals[j].labels
    if report.kinds[j] == "number":
        low, high = labels
        return f"{short(low)} to {short(high)}"
    if None in labels:
        return f"{len(labels) - 1} levels, others"
    return f"{len(labels)} level{'s' * (len(labels) > 1)}"


def _draw_pairs(ax: Any, report: SyntheticReport, room: float, theme: Theme) -> None:
    """Draw how alike pairs of columns are, as a matrix; its names have so many points."""
    from matplotlib.ticker import MaxNLocator

    used = [j for j, kind in enumerate(report.kinds) if kind != "empty"]
    values = report.pairs[np.ix_(used, used)]
    known = values[~np.isnan(values)]
    low = float(np.floor(known.min() * 10) / 10) if len(known) else 0.0
    low = min(low, 0.9)
    ax.set_box_aspect(1)
    ax.set_anchor("NW")
    bar = scale(low, 1.0)
    ax.imshow(np.ma.masked_invalid(values), vmin=low, vmax=1, cmap=bar.cmap, aspect="auto")
    _dress(ax, theme)
    clear_frame(ax)
    names = [shortened(report.names[j], 12) for j in used]
    size = min(theme.pt(6.5), room / max(len(names), 1) * 0.8)
    if size >= SMALLEST:
        ax.set_yticks(range(len(names)), names)
        ax.tick_params(axis="y", labelsize=size, length=0)
    _heading(ax, "pairs", theme)
    side = ax.inset_axes((1.03, 0, 0.05, 1))
    side.figure.colorbar(bar, cax=side, ticks=MaxNLocator(4)).outline.set_visible(False)
    side.tick_params(**ticks_of(theme, "y"))


def _draw_distances(ax: Any, distances: dict[str, NDArray[Any]], theme: Theme) -> None:
    """Draw how far rows are from the closest real one."""
    made, held = distances["synthetic"], distances.get("holdout")
    both = made if held is None else np.concatenate([made, held])
    most = float(np.quantile(both, 0.98)) or 1.0
    edges = np.linspace(0, most, BARS + 1)
    line: dict[str, Any] = {"color": theme.colors[0], "linewidth": 1.1}
    area: dict[str, Any] = {"color": theme.missing, "fill": True}
    for label, values, look in (("holdout", held, area), ("synthetic", made, line)):
        if values is not None:
            counts = np.histogram(np.minimum(values, most), edges)[0]
            ax.stairs(counts / len(values), edges, label=label, **look)
    _dress(ax, theme)
    ax.set(xlim=(0, most), ylim=(0, None))
    ax.set_xlabel("Gower's distance", fontsize=theme.pt(7.5))
    _heading(ax, "distance to the closest real row", theme)
    legend(ax, inside="best")
