"""Draws figures once more for dark pages: the same picture, with light ink on dark paper."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

DPI = 200  # of what is in the page alone
PAPER, INK = np.array([0x15, 0x18, 0x1D]) / 255, np.array([0xE4, 0xE7, 0xEC]) / 255


def darkened(figure: Any) -> bytes:
    """Return a figure as a PNG for dark pages. The figure is changed."""
    from matplotlib.collections import Collection
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.patheffects import withStroke
    from matplotlib.text import Text

    inside = "facecolor", "edgecolor"
    of_lines = "color", "markerfacecolor", "markeredgecolor"
    kinds = {Line2D: of_lines, Patch: inside, Collection: inside}
    for artist in figure.findobj():
        if isinstance(artist, Text):
            artist.set_color(_turned(artist.get_color()))
            if artist.get_path_effects():
                artist.set_path_effects([withStroke(linewidth=2, foreground=PAPER)])
        elif kind := next((kind for kind in kinds if isinstance(artist, kind)), None):
            # all of them before any: that of a marker may be that of its line
            found = {name: getattr(artist, f"get_{name}")() for name in kinds[kind]}
            for name, color in found.items():
                getattr(artist, f"set_{name}")(_turned(color))
        elif isinstance(artist, AxesImage):
            _clear_gaps(artist)
    for ax in figure.axes:  # ticks that are yet to be made, too
        ax.tick_params(color=_turned("0.4"), labelcolor=INK)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor=PAPER, metadata={"Software": None})
    return buffer.getvalue()


def _turned(color: Any) -> Any:
    """Return colours for dark paper: greys turned about, dark hues a little lighter."""
    from matplotlib.colors import to_rgba_array

    if isinstance(color, str) and color in ("none", "auto"):
        return color
    rgba: NDArray[Any] = to_rgba_array(color)
    if not len(rgba):
        return color
    rgb = rgba[:, :3]
    grey = np.ptp(rgb, axis=1, keepdims=True) < 0.05
    light = rgb.mean(axis=1, keepdims=True)
    hues = rgb + 0.9 * np.maximum(0, 0.55 - light) * (1 - rgb)
    rgba[:, :3] = np.where(grey, INK + (PAPER - INK) * light, hues)
    return rgba if len(rgba) > 1 else rgba[0]


def _clear_gaps(image: Any) -> None:
    """Let the white rows and columns between the tiles of an image be transparent."""
    from matplotlib.colors import Normalize

    values = np.asarray(image.get_array(), float)
    if values.ndim == 2:
        low, high = image.get_clim()
        if image.get_cmap().name != "gray":
            return
        values = np.repeat(Normalize(low, high)(values).data[..., None], 3, axis=2)
    values = values[..., :3]
    white = (values >= values.max()).all(axis=2)
    gaps = white.all(axis=1)[:, None] | white.all(axis=0)[None]
    image.set_data(np.dstack([np.clip(values, 0, 1), ~gaps]))
