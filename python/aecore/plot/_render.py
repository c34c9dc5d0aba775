"""Draws a sample as a PNG file in milliseconds, for pictures that follow a slider."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _png
from ._grid import Limits
from ._strips import MOST_NAMES
from ._style import canvas
from ._theme import theme_of

SIDE = 384  # pixels of a picture's longer side, at least
SIZE_OF_MAP = (4.8, 4.9)  # inches
LIGHTER = 0.35  # of the way to white are colours on dark pages
GREY = 24  # of 255, between the channels of a pixel that is grey
DPI = 144  # of charts, which are shown smaller than that


def image_png(image: NDArray[np.float32], limits: Limits) -> bytes:
    """Draw an image (H, W, 1 or 3), enlarged without steps between its pixels."""
    low, high = limits
    shown = np.clip((np.nan_to_num(image, nan=high) - low) / (high - low), 0, 1)
    times = -(-SIDE // max(image.shape[:2]))
    if times > 1:
        down, across = (_enlarging(side, times) for side in image.shape[:2])
        channels = [down @ shown[..., c] @ across.T for c in range(shown.shape[2])]
        shown = np.clip(np.stack(channels, axis=2), 0, 1)
    pixels = (shown * 255 + 0.5).astype(np.uint8)
    return _png.encode(pixels[..., 0] if image.shape[2] == 1 else pixels, level=1)


@functools.lru_cache(16)
def _enlarging(side: int, times: int) -> NDArray[np.float32]:
    """Return the matrix (side * times, side) that enlarges a row of pixels by cubic convolution.

    R. Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -1/2.
    """
    centers = (np.arange(side * times) + 0.5) / times - 0.5
    first = np.floor(centers).astype(int) - 1
    out = np.zeros((side * times, side), np.float32)
    for k in range(4):
        x = np.abs(centers - (first + k))
        near, far = 1 + x**2 * (1.5 * x - 2.5), 2 + x * (-4 + x * (2.5 - 0.5 * x))
        weight = np.where(x < 1, near, np.where(x < 2, far, 0))
        np.add.at(out, (np.arange(len(x)), np.clip(first + k, 0, side - 1)), weight)
    return out


@contextlib.contextmanager
def _chart(size: tuple[float, float]) -> Iterator[tuple[Any, Any]]:
    """Yield a figure of dark ink on nothing, whatever the style: pages of any colour show it."""
    import matplotlib.style

    with matplotlib.style.context("default"), canvas(None, size) as (figure, axes):
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        figure.set_dpi(DPI)
        yield figure, axes


def _in_light_ink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a chart (H, W, 4) with light for dark in all that is grey, and lighter colours."""
    colors = pixels[..., :3]
    grey = (colors.max(axis=2).astype(int) - colors.min(axis=2) < GREY)[..., np.newaxis]
    out = pixels.copy()
    out[..., :3] = np.where(grey, 255 - colors, colors + (255 - colors) * LIGHTER)
    return out


class Drawing:
    """A figure whose lines or bars move: draws sequences (T, F) and table rows (F,).

    Parameters
    ----------
    shape : (T, F) or (F,)
    limits : (low, high)
        For a table two arrays (F,): bars are drawn in shares of that range.
    names : sequence of str
        Of features; may be empty.
    """

    def __init__(self, shape: tuple[int, ...], limits: Limits, names: Sequence[str] = ()) -> None:
        self.shape, self.limits = shape, limits
        features = shape[-1]
        size = (4.2, 2.6) if len(shape) == 2 else (4.2, min(6.0, 0.7 + 0.17 * features))
        with _chart(size) as (figure, axes):
            self.figure = figure
            if len(shape) == 2:
                self.moving = self._lines(axes, shape[0], features)
            else:
                self.moving = self._bars(axes, features, names)
        # The background is laid out and drawn once.
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self.canvas = FigureCanvasAgg(figure)
        self.axes = axes
        for artist in self.moving:
            artist.set_animated(True)
        self.canvas.draw()
        figure.set_layout_engine("none")
        self.background = self.canvas.copy_from_bbox(figure.bbox)

    def _lines(self, axes: Any, steps: int, features: int) -> list[Any]:
        low, high = self.limits
        pad = 0.05 * (high - low)
        axes.set(xlim=(0, max(1, steps - 1)), ylim=(low - pad, high + pad))
        axes.set(xlabel="step", ylabel="value")
        colors = theme_of(axes).colors
        wide = [axes.plot([], [], color=colors[f % len(colors)], lw=3, alpha=0.3)[0]
                for f in range(features)]  # fmt: skip
        thin = [axes.plot([], [], color=colors[f % len(colors)])[0] for f in range(features)]
        return wide + thin

    def _bars(self, axes: Any, features: int, names: Sequence[str]) -> list[Any]:
        axes.set(xlim=(-0.05, 1.05), ylim=(features - 0.4, -0.6))
        axes.set_xlabel("share of the feature's range")
        if 0 < len(names) <= MOST_NAMES:
            axes.set_yticks(range(features), list(names))
        else:
            axes.set_ylabel("feature")
        y = range(features)
        bars = list(axes.barh(y, np.zeros(features), height=0.7, color=theme_of(axes).colors[0]))
        marks = axes.plot([], [], linestyle="", marker="|", color=theme_of(axes).ink, markersize=7)
        return [*bars, *marks]

    def __call__(
        self, sample: NDArray[np.float32], original: NDArray[np.float32] | None = None
    ) -> bytes:
        """Draw a sample, and where there is an original, that behind it."""
        if len(self.shape) == 2:
            self._move_lines(sample, original)
        else:
            self._move_bars(sample, original)
        self.canvas.restore_region(self.background)
        for artist in self.moving:
            self.axes.draw_artist(artist)
        return _png.encode(np.ascontiguousarray(self.canvas.buffer_rgba()), level=1)

    def _move_lines(self, sample: NDArray[np.float32], original: Any) -> None:
        features = self.shape[1]
        for f in range(features):
            self.moving[features + f].set_data(range(len(sample)), sample[:, f])
            if original is None:
                self.moving[f].set_data([], [])
            else:
                self.moving[f].set_data(range(len(original)), original[:, f])

    def _move_bars(self, sample: NDArray[np.float32], original: Any) -> None:
        low, high = self.limits
        *bars, marks = self.moving
        for bar, share in zip(bars, (sample - low) / (high - low), strict=True):
            bar.set_width(np.nan_to_num(share))
        if original is None:
            marks.set_data([], [])
        else:
            marks.set_data((original - low) / (high - low), range(len(bars)))


class CodeMap:
    """Codes as points in the plane, and a marker that moves: a picture is a copy with a cross.

    Parameters
    ----------
    points : ndarray, shape (N, 2)
    draw : callable
        Draws the points on axes.
    labels : (str, str)
        Of the two axes.
    """

    def __init__(self, points: NDArray[np.float64], draw: Any, labels: tuple[str, str]) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        with _chart(SIZE_OF_MAP) as (figure, axes):
            draw(axes)
            axes.set_aspect("equal", adjustable="datalim")
            axes.set(xlabel=labels[0], ylabel=labels[1])
        agg = FigureCanvasAgg(figure)
        agg.draw()
        self.pixels = np.asarray(agg.buffer_rgba()).copy()
        self.to_pixels: Any = axes.transData.frozen()
        self.frame = axes.get_window_extent()

    def place(self, point: Any) -> tuple[int, int]:
        """Return the row and column of a point, brought to the edge if it lies outside."""
        x, y = self.to_pixels.transform(np.asarray(point, np.float64))
        column = np.clip(x, self.frame.x0, self.frame.x1)
        row = len(self.pixels) - np.clip(y, self.frame.y0, self.frame.y1)
        return int(row), int(column)

    def share(self, point: Any) -> tuple[float, float]:
        """Return where a point is, in shares of the picture's width and height."""
        row, column = self.place(point)
        return column / self.pixels.shape[1], row / len(self.pixels)

    def point(self, across: float, down: float) -> NDArray[np.float64]:
        """Return the point (2,) at shares of the picture's width and height, within the axes."""
        height, width = self.pixels.shape[:2]
        x = np.clip(across * width, self.frame.x0, self.frame.x1)
        y = np.clip((1 - down) * height, self.frame.y0, self.frame.y1)
        return np.asarray(self.to_pixels.inverted().transform([x, y]), np.float64)

    def png(self, dark: bool = False) -> bytes:
        """Draw the codes alone, for light pages or for dark ones."""
        return _png.encode(_in_light_ink(self.pixels) if dark else self.pixels, level=6)

    def __call__(self, point: Any) -> bytes:
        """Draw the marker at a point (2,)."""
        pixels, (row, column) = self.pixels.copy(), self.place(point)
        for reach, width, shade in ((17, 4, 255), (15, 2, 0)):  # black, with a white rim
            top, left = max(0, row - reach), max(0, column - reach)
            ink = shade, shade, shade, 255
            pixels[top : row + reach + 1, max(0, column - width) : column + width + 1] = ink
            pixels[max(0, row - width) : row + width + 1, left : column + reach + 1] = ink
        return _png.encode(pixels, level=1)
