"""The widgets of `explore`: they pass numbers to an Explorer and show what it draws."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np

from ._clicks import DARK, clickable
from ._explorer import Explorer

SOON = 0.05  # seconds
MOST_BUTTONS = 12  # classes, more of which are in a list
# How wide parts of the panel are: all beside each other where a page has 850 pixels for them.
MAP, SAMPLE, CHART, CONTROLS = "1 1 340px", "0 0 190px", "1 1 340px", "1 1 250px"
WIDEST = {MAP: "520px", CHART: "520px", CONTROLS: "380px"}

# How the original is drawn with what is decoded, of a table's rows, sequences and images.
ORIGINALS = {1: "original as marks", 2: "original pale", 3: ""}

# Charts are dark ink on nothing: dark pages turn their brightness over, and leave hues as they are.
STYLE = f"""<style>
{DARK.format(".aecore-chart")} {{ filter: invert(1) hue-rotate(180deg); }}
.aecore-explore .widget-html-content {{ line-height: 1.4; }}
.aecore-explore b {{ font-weight: 600; }}
</style>"""


class _Panel:
    """The widgets, and the code that they show."""

    def __init__(self, explorer: Explorer, sliders: Mapping[int, str]) -> None:
        self.explorer, self.z = explorer, explorer.start.copy()
        self.dims = list(sliders)
        self.sliders = [self._slider(name, dim) for dim, name in sliders.items()]
        self.condition = self._conditions()
        self.sample = widgets.BoundedIntText(0, 0, max(0, explorer.n_samples - 1))
        self.sample.description = "sample"
        self.sample.layout.width = "150px"
        self.draw = widgets.Button(description="random code")
        self.draw.layout.width = "auto"
        self.picture, self.original = (widgets.Image(format="png") for _ in range(2))
        self.of_picture, self.of_original = widgets.HTML(), widgets.HTML()
        self.map, self._moves_cross = self._map()
        self.values = [choice.value for choice in self.condition]
        self._moving = False
        self._later: Any = None  # a call, which is to move the controls
        for dim, slider in zip(self.dims, self.sliders, strict=True):
            slider.observe(partial(self._slider_changed, dim), "value")
        for choice in self.condition:
            choice.observe(self._condition_changed, "value")
        self.sample.observe(self._sample_changed, "value")
        self.draw.on_click(self._random_code)
        if explorer.n_samples:
            self._sample_changed()
        else:
            self._draw()

    def _slider(self, name: str, dim: int) -> Any:
        low, high = float(self.explorer.low[dim]), float(self.explorer.high[dim])
        return _float(name, float(np.clip(self.z[dim], low, high)), low, high)

    def _conditions(self) -> list[Any]:
        explorer = self.explorer
        if explorer.classes is not None:
            options = list(zip(explorer.names, explorer.classes, strict=True))
            if len(options) > MOST_BUTTONS:
                return [widgets.Dropdown(options=options)]
            choice = widgets.ToggleButtons(options=options)
            choice.style.button_width = "auto"
            return [choice]
        if explorer.properties is None:
            return []
        mean, scale = explorer.properties
        return [
            _float(name, float(m), float(m - 2 * s), float(m + 2 * s))
            for name, m, s in zip(explorer.names, mean, scale, strict=True)
        ]

    def _map(self) -> tuple[Any, bool]:
        """Return the map's widget, and whether its cross moves by itself; None without a map."""
        light, dark = (self.explorer.bare_map(dark=is_dark) for is_dark in (False, True))
        if light is None or dark is None:
            return None, False
        try:
            return clickable(light, dark, self._clicked), True
        except ImportError:  # then it shows the codes, and takes no clicks
            return widgets.Image(format="png"), False

    def _label(self) -> Any:
        """Return the present condition: a class, or the properties."""
        if not self.condition:
            return None
        return self.values[0] if self.explorer.classes is not None else np.array(self.values)

    def _slider_changed(self, dim: int, change: Any) -> None:
        slider = change["owner"]
        if not self._moving and _has_moved(slider, self.z[dim]):
            self.z[dim] = slider.value
            self._draw()

    def _condition_changed(self, change: Any) -> None:
        place = self.condition.index(change["owner"])
        if not self._moving and _has_moved(change["owner"], self.values[place]):
            self.values[place] = change["new"]
            self._draw()

    def _draw(self) -> None:
        """Draw the decoded code."""
        explorer, label = self.explorer, self._label()
        behind = self.sample.value if explorer.n_samples else None
        self.picture.value = explorer.picture(self.z, label, original=behind)
        if self._moves_cross:
            self.map.cross = list(explorer.place(self.z) or ())
        elif self.map is not None:
            self.map.value = explorer.map(self.z)
        named = "" if explorer.classes is None else explorer.title(label)
        drawn = ORIGINALS[len(explorer.shape)] if explorer.n_samples else ""
        self.of_picture.value = _title("decoded", named, drawn)

    def _go_to(self, z: Any, values: Sequence[Any] = ()) -> None:
        """Go to a code, and to a condition: first the picture, then what says where that is."""
        self.z[:] = z
        if len(values):
            self.values = list(values)[: len(self.condition)]
        self._draw()
        if self._later is not None:
            self._later.cancel()
        try:
            # Browsers take some time for many sliders, and pictures would wait for them.
            self._later = asyncio.get_running_loop().call_later(SOON, self._move_controls)
        except RuntimeError:  # nobody waits
            self._move_controls()

    def _move_controls(self) -> None:
        """Let sliders and classes show the present code and condition."""
        self._moving = True
        for choice, value in zip(self.condition, self.values, strict=True):
            choice.value = value
        for dim, slider in zip(self.dims, self.sliders, strict=True):
            slider.value = float(np.clip(self.z[dim], slider.min, slider.max))
        self._moving = False

    def _show_original(self, i: int, title: str) -> None:
        explorer = self.explorer
        self.original.value = explorer.original(i)
        labels = explorer.labels
        named = f"sample {i}"
        if labels is not None and labels.ndim == 1 and labels.dtype.kind != "f":
            named = explorer.title(labels[i].item())
        self.of_original.value = _title(title, named)

    def _sample_changed(self, change: Any = None) -> None:
        """Go to the chosen sample's code, and to its class or properties."""
        if self._moving:
            return
        i, explorer = self.sample.value, self.explorer
        labels = () if explorer.labels is None else np.atleast_1d(explorer.labels[i]).tolist()
        self._go_to(explorer.codes[i], labels)
        self._show_original(i, "original")

    def _clicked(self, across: float, down: float) -> None:
        """Go to a place of the map, or to the sample that is nearest to it there."""
        z, i = self.explorer.at(across, down)
        self._moving = True
        self.sample.value = i
        self._moving = False
        if len(z) > 2:
            self._sample_changed()
        else:
            self._go_to(z)
            self._show_original(i, "nearest original")

    def _random_code(self, button: Any) -> None:
        explorer = self.explorer
        z = np.random.default_rng().normal(size=len(self.z))
        if explorer.n_samples:  # with the mean and deviation of the codes of X
            z = explorer.codes.mean(axis=0) + explorer.codes.std(axis=0) * z
        self._go_to(z)

    def box(self) -> Any:
        """Lay the widgets out: the map, the sample beside it, and what moves them at the right."""
        explorer, columns = self.explorer, []
        if self.map is not None:
            hint = "click or drag to decode" if self._moves_cross else ""
            shown = _sized(self.map, chart=not self._moves_cross)
            columns.append((MAP, [_heading("codes", hint), shown]))
        if len(explorer.shape) == 3:
            pictures = [self.of_picture, _sized(self.picture)]
            if explorer.n_samples:
                pictures += [self.of_original, _sized(self.original)]
            columns += [(SAMPLE, pictures), (CONTROLS, self._controls())]
        else:  # the original is drawn behind what is decoded
            picture = _sized(self.picture, chart=True)
            columns.append((CHART, [self.of_picture, picture, *self._controls()]))
        row = widgets.HBox([_column(*column) for column in columns])
        row.layout.flex_flow = "row wrap"
        row.layout.align_items = "flex-start"
        box = widgets.VBox([widgets.HTML(STYLE, layout={"display": "none"}), row])
        box.add_class("aecore-explore")
        return box

    def _controls(self) -> list[Any]:
        buttons = [self.sample, self.draw] if self.explorer.n_samples else [self.draw]
        found = [_heading("start from"), widgets.HBox(buttons)]
        if self.condition:
            what = "class" if self.explorer.classes is not None else "properties"
            found += [_heading(what), *self.condition]
        found += [_heading("code"), *self.sliders]
        wide = max((len(s.description) for s in found if hasattr(s, "readout_format")), default=0)
        for control in found:
            if hasattr(control, "readout_format"):
                control.style.description_width = f"{0.6 * min(wide, 20) + 0.8:.1f}em"
            if control is not found[1]:
                control.layout.width = "auto"
        return found


def _float(name: str, value: float, low: float, high: float) -> Any:
    step = (high - low) / 200
    return widgets.FloatSlider(
        value, min=low, max=high, step=step, description=name, readout_format=".2f"
    )


def _has_moved(control: Any, value: Any) -> bool:
    """Return whether a control shows another value than that which it was set to.

    Browsers round what a slider shows to its step, and say so.
    """
    if not hasattr(control, "step"):
        return bool(control.value != value)
    shown = np.clip(value, control.min, control.max)
    return bool(abs(control.value - shown) > 0.51 * control.step)


def _title(what: str, *more: str) -> str:
    """Return a heading in HTML: what is shown in bold, and what is known of it."""
    said = "".join(f" · {escape(text)}" for text in more if text)
    return f"<b>{escape(what)}</b>{said}"


def _heading(what: str, *more: str) -> Any:
    return widgets.HTML(_title(what, *more))


def _column(flex: str, parts: list[Any]) -> Any:
    how = {"flex": flex, "margin": "0 1em 0.5em 0", "min_width": flex.split()[-1]}
    return widgets.VBox(parts, layout=how | {"max_width": WIDEST.get(flex, flex.split()[-1])})


def _sized(picture: Any, chart: bool = False) -> Any:
    picture.layout.width, picture.layout.height = "100%", "auto"
    if chart:
        picture.add_class("aecore-chart")
    return picture


def panel(explorer: Explorer, sliders: Mapping[int, str]) -> Any:
    """Return the box of widgets for an explorer, with sliders for some dimensions, by name."""
    box = _Panel(explorer, sliders).box()
    box.explorer = explorer
    return box
