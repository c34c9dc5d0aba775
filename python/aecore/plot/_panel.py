"""The widgets of `explore`: they pass numbers to an Explorer and show what it draws."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets as widgets
import numpy as np

from ._explorer import Explorer


class _Panel:
    """The widgets, and the code that they show."""

    def __init__(self, explorer: Explorer, sliders: int) -> None:
        self.explorer, self.z = explorer, explorer.start.copy()
        self.dims = sorted(explorer.dims[:sliders])
        self.sliders = [self._slider(f"latent {d}", d) for d in self.dims]
        self.condition = self._conditions()
        self.sample = widgets.BoundedIntText(0, 0, max(0, explorer.n_samples - 1))
        self.sample.description = "sample"
        self.draw = widgets.Button(description="random code")
        self.picture, self.original, self.map = (widgets.Image(format="png") for _ in range(3))
        self._moving = False
        for dim, slider in zip(self.dims, self.sliders, strict=True):
            slider.observe(partial(self._slider_changed, dim), "value")
        for choice in self.condition:
            choice.observe(self._show, "value")
        self.sample.observe(self._sample_changed, "value")
        self.draw.on_click(self._random_code)
        if explorer.n_samples:
            self._sample_changed()
        else:
            self._show()

    def _slider(self, name: str, dim: int) -> Any:
        low, high = float(self.explorer.low[dim]), float(self.explorer.high[dim])
        return _float(name, float(np.clip(self.z[dim], low, high)), low, high)

    def _conditions(self) -> list[Any]:
        explorer = self.explorer
        if explorer.classes is not None:
            options = [(str(name), name) for name in explorer.classes]
            kind = widgets.ToggleButtons if len(options) <= 10 else widgets.Dropdown
            choice = kind(options=options, description="class")
            if len(options) <= 10:
                choice.style.button_width = "auto"
            return [choice]
        if explorer.properties is None:
            return []
        mean, scale = explorer.properties
        return [
            _float(f"property {i}", float(m), float(m - 2 * s), float(m + 2 * s))
            for i, (m, s) in enumerate(zip(mean, scale, strict=True))
        ]

    def _label(self) -> Any:
        """Return the condition that the widgets show."""
        if not self.condition:
            return None
        values = [choice.value for choice in self.condition]
        return values[0] if self.explorer.classes is not None else np.array(values)

    def _slider_changed(self, dim: int, change: Any) -> None:
        if not self._moving:
            self.z[dim] = change["new"]
            self._show()

    def _show(self, change: Any = None) -> None:
        """Draw the decoded code, unless widgets are still being moved."""
        if self._moving:
            return
        explorer = self.explorer
        behind = self.sample.value if explorer.n_samples else None
        self.picture.value = explorer.picture(self.z, self._label(), original=behind)
        self.map.value = explorer.map(self.z) or b""

    def _move_to(self, z: Any) -> None:
        self.z[:] = z
        self._moving = True
        for dim, slider in zip(self.dims, self.sliders, strict=True):
            slider.value = float(np.clip(z[dim], slider.min, slider.max))
        self._moving = False
        self._show()

    def _sample_changed(self, change: Any = None) -> None:
        """Go to the chosen sample's code, and to its class or properties."""
        i, explorer = self.sample.value, self.explorer
        self.original.value = explorer.original(i)
        self._moving = True
        if explorer.labels is not None:
            for choice, value in zip(
                self.condition, np.atleast_1d(explorer.labels[i]), strict=False
            ):
                choice.value = value.item()
        self._moving = False
        self._move_to(explorer.codes[i])

    def _random_code(self, button: Any) -> None:
        explorer = self.explorer
        z = np.random.default_rng().normal(size=len(self.z))
        if explorer.n_samples:  # with the mean and deviation of the codes of X
            z = explorer.codes.mean(axis=0) + explorer.codes.std(axis=0) * z
        self._move_to(z)

    def box(self) -> Any:
        """Lay the widgets out."""
        explorer, shown = self.explorer, []
        if explorer.n_samples and len(explorer.shape) == 3:
            shown.append(_titled("original", self.original))
        shown.append(_titled("decoded", self.picture))
        if explorer.map(self.z) is not None:
            shown.append(_titled("codes", self.map))
        controls = [*self.condition, *self.sliders]
        buttons = [self.sample, self.draw] if explorer.n_samples else [self.draw]
        pictures = widgets.HBox(shown, layout={"flex_flow": "row wrap"})
        return widgets.VBox([*controls, widgets.HBox(buttons), pictures])


def _float(name: str, value: float, low: float, high: float) -> Any:
    step = (high - low) / 200
    return widgets.FloatSlider(
        value, min=low, max=high, step=step, description=name, readout_format=".2f"
    )


def _titled(title: str, image: Any) -> Any:
    image.layout.height = "auto"
    image.layout.align_self = "flex-start"
    return widgets.VBox([widgets.Label(title), image])


def panel(explorer: Explorer, sliders: int) -> Any:
    """Return the box of widgets for an explorer."""
    box = _Panel(explorer, sliders).box()
    box.explorer = explorer
    return box
