"""The loss of each epoch as a small curve: SVG inside the HTML of a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...training.progress import NUMBERS

WIDTH, HEIGHT = 300, 64  # pixels
LEFT, RIGHT, TOP, BOTTOM = 2, 2, 6, 6  # of which the curve keeps clear
POINTS = 150  # at most
ORDERS = 20.0  # ratio of the losses from which on the axis is logarithmic
NAMES = {"loss": "loss", "val_loss": "validation"}

Curve = tuple[list[float], list[float]]


def curve_svg(history: Sequence[dict[str, Any]]) -> str:
    """Return the curve of a history with its legend; nothing where there are no two epochs."""
    records = [r for r in history if isinstance(r, dict) and "level" not in r]
    curves = {name: found for name in NAMES if len((found := _curve(records, name))[0]) > 1}
    if "loss" not in curves:
        return ""
    values = [v for _, losses in curves.values() for v in losses]
    low, high = min(values), max(values)
    log = low > 0 and high > ORDERS * low
    epochs = [e for found, _ in curves.values() for e in found]
    first, last = min(epochs), max(epochs)
    paths = "".join(
        f'<polyline class="{name}" points="{_points(found, (first, last), (low, high), log)}"/>'
        for name, found in curves.items()
    )
    text = f"loss of epochs {first:g} to {last:g}, from {high:.4g} to {low:.4g}"
    svg = (
        f'<svg class="curve" role="img" aria-label="{text}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><title>{text}</title>{paths}</svg>'
    )
    keys = "".join(
        f'<span class="key {name}">{word} {_ends(curves[name][1])}</span>'
        for name, word in NAMES.items()
        if name in curves
    )
    how = " · logarithmic" if log else ""
    legend = f'<span class="soft">epoch {first:g} to {last:g}{how}</span>'
    return f'<div class="training">{svg}<div>{keys}{legend}</div></div>'


def _curve(records: Sequence[dict[str, Any]], name: str) -> Curve:
    """Return epochs and losses, as many as are drawn, without what isn't finite."""
    known = [
        (float(epoch), float(value))
        for place, record in enumerate(records, 1)
        if isinstance(value := record.get(name), NUMBERS)
        and math.isfinite(value)
        and isinstance(epoch := record.get("epoch", place), NUMBERS)
        and math.isfinite(epoch)
    ]
    chosen = np.unique(np.linspace(0, max(0, len(known) - 1), POINTS).astype(int))
    some = [known[i] for i in chosen] if known else []
    return [epoch for epoch, _ in some], [value for _, value in some]


def _points(
    curve: Curve, epochs: tuple[float, float], losses: tuple[float, float], log: bool
) -> str:
    """Return the corners of a curve in pixels."""
    scaled = math.log if log else float
    (first, last), (low, high) = epochs, map(scaled, losses)
    across, up = (last - first) or 1.0, (high - low) or 1.0
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    places = (
        (LEFT + wide * (epoch - first) / across, TOP + tall * (high - scaled(loss)) / up)
        for epoch, loss in zip(*curve, strict=True)
    )
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _ends(losses: list[float]) -> str:
    return f"{losses[0]:.4g} → {losses[-1]:.4g}"
