"""Colours and sizes: the library's own, unless the user has chosen others in matplotlib's rcParams.

What differs from matplotlib's defaults is a choice of the user's and is kept; where rcParams are as
they come, figures have the library's look. Inks, greys and gaps follow from text colour and
background, so that all is readable on dark backgrounds too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#222222"
SIZE = 8.0  # points of plain text

# Six of Okabe and Ito, "Color universal design", 2008, without the faint yellow, and four more: on
# white each has twice its luminance or half, and no two look alike with any colour blindness.
COLORS = (
    "#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#b8578f", "#333333", "#550a6b",
    "#cc0033", "#cc33ff",
)  # fmt: skip
# The same hues for dark backgrounds.
DARK_COLORS = (
    "#399bd8", "#de7e0a", "#2fd59b", "#f3dc3f", "#a2d8ff", "#c698b7", "#e6e6e6", "#a0d058",
    "#fe5969", "#8855ff",
)  # fmt: skip
_GREY, _PALE, _MISSING = 0.62, 0.172, 0.267  # shares of ink in the background
_READABLE = 3.0  # contrast of text


class Theme(NamedTuple):
    """The colours of a picture, as (lower-case) hexadecimal numbers, and the size of its type.

    Attributes
    ----------
    background, ink, grey, pale : str
        Ink is for text; grey for lines and second thoughts; pale for areas.
    missing : str
        Of points whose label is missing: a grey that no class has.
    colors : tuple of str
        Of lines and classes.
    calm, alarm : str
        Of what is as it should be, and of what isn't.
    scale : float
        What sizes of type are multiplied by.
    """

    background: str
    ink: str
    grey: str
    pale: str
    missing: str
    colors: tuple[str, ...]
    calm: str
    alarm: str
    scale: float

    @property
    def growth(self) -> float:
        """By how much figures are larger, so that larger type has room."""
        return max(1.0, self.scale) ** 0.5

    def pt(self, size: float) -> float:
        """Return a size of type in points."""
        return size * self.scale


def chosen(key: str, own: Any) -> Any:
    """Return an rcParam if the user has changed it, else the library's own value."""
    import matplotlib

    now: Any = matplotlib.rcParams
    default: Any = matplotlib.rcParamsDefault
    return own if now[key] == default[key] else now[key]


def theme_of(ax: Axes) -> Theme:
    """Return what to draw in on axes."""
    from matplotlib import rcParams

    assert ax.figure is not None
    size = getattr(ax.figure, "font_size", rcParams["font.size"])  # of the library's own figures
    return _theme([ax.get_facecolor(), ax.figure.get_facecolor()], size)


def own_theme() -> Theme:
    """Return what own figures are drawn in; raise ImportError without matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "plots: expected matplotlib to be installed: pip install 'aecore[plot]'"
        ) from error
    return _theme([chosen("figure.facecolor", "white")], chosen("font.size", SIZE))


def _theme(backgrounds: list[Any], size: float) -> Theme:
    text = chosen("text.color", INK)
    # On what is transparent, text that can be read on white suggests that it will lie on white.
    beyond = "white" if _luminance(text) < 0.5 else "black"
    background = _hex(next((c for c in backgrounds if _alpha(c) > 0.5), beyond))
    dark = is_dark(background)
    ink = _hex(text)
    if contrast(ink, background) < _READABLE:
        ink = DARK_COLORS[6] if dark else INK
    colors, alarm = _colors(dark)
    calm = next((c for c in colors if np.abs(_rgb(c) - _rgb(alarm)).sum() > 0.5), ink)
    grey, pale, missing = (_mixed(ink, background, share) for share in (_GREY, _PALE, _MISSING))
    return Theme(background, ink, grey, pale, missing, colors, calm, alarm, size / SIZE)


def _colors(dark: bool) -> tuple[tuple[str, ...], str]:
    """Return the colours of classes, the user's or the library's own, and the one for alarm."""
    from matplotlib import rcParams, rcParamsDefault

    own = DARK_COLORS if dark else COLORS
    cycle = rcParams["axes.prop_cycle"]
    if cycle != rcParamsDefault["axes.prop_cycle"]:
        from matplotlib.style import library

        found = tuple(dict.fromkeys(_hex(color) for color in cycle.by_key().get("color", ())))
        # Who chose dark_background asked for a dark picture: its pastels can't be told apart.
        if cycle != library["dark_background"]["axes.prop_cycle"] and len(found) > 1:
            return found, own[1]
    return own, own[1]


def rc_of(theme: Theme) -> dict[Any, Any]:
    """Return the rcParams that a figure of the library's own is made with."""
    own = {
        "axes.axisbelow": True,
        "axes.edgecolor": theme.grey,
        "axes.facecolor": chosen("figure.facecolor", "white"),
        "axes.labelcolor": theme.ink,
        "axes.labelsize": theme.pt(8),
        "axes.linewidth": 0.6,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": theme.pt(9),
        "figure.dpi": 150,
        "figure.facecolor": theme.background,
        "font.size": theme.pt(SIZE),
        "legend.fontsize": theme.pt(7.5),
        "legend.title_fontsize": theme.pt(7.5),
        "legend.frameon": False,
        "lines.linewidth": 1.4,
        "text.color": theme.ink,
    }
    return {key: chosen(key, value) for key, value in own.items()} | {"text.parse_math": False}


def ticks_of(theme: Theme, axis: str) -> dict[str, Any]:
    """Return how the ticks of the x or y axis look in a figure of the library's own."""
    tick = f"{axis}tick."
    color = chosen(tick + "color", None)
    return {
        "color": color or theme.grey,
        "labelcolor": color or theme.ink,
        "labelsize": chosen(tick + "labelsize", theme.pt(7)),
        "length": chosen(tick + "major.size", 2.5),
        "width": chosen(tick + "major.width", 0.6),
    }


def is_dark(color: Any) -> bool:
    """Return whether a background is dark."""
    return _luminance(color) < 0.2


def contrast(a: Any, b: Any) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2)."""
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Any) -> float:
    rgb = _rgb(color)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])  # Recommendation ITU-R BT.709


def _mixed(ink: str, background: str, share: float) -> str:
    return _hex(share * _rgb(ink) + (1 - share) * _rgb(background))


def _rgb(color: Any) -> Any:
    from matplotlib.colors import to_rgb

    return np.array(to_rgb(color))


def _hex(color: Any) -> str:
    from matplotlib.colors import to_hex

    return str(to_hex(color))


def _alpha(color: Any) -> float:
    from matplotlib.colors import to_rgba

    return float(to_rgba(color)[3])
