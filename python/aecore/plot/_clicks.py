"""A picture in a notebook that says where it was clicked, and shows a cross: for `explore`'s map.

Widgets of ipywidgets have no clicks on pictures. This is one of anywidget's, whose few lines of
JavaScript come with it: JupyterLab, Notebook, VS Code and Colab take it as it is.
"""

from __future__ import annotations

from typing import Any

SCRIPT = """
function render({ model, el }) {
  el.classList.add("aecore-map");
  for (const page of ["light", "dark"]) {
    const image = document.createElement("img");
    const bytes = new Blob([model.get(page)], { type: "image/png" });
    image.className = "aecore-on-" + page;
    image.draggable = false;
    image.src = URL.createObjectURL(bytes);
    el.append(image);
  }
  const cross = document.createElement("div");
  cross.className = "aecore-cross";
  el.append(cross);
  const mark = () => {
    const [across, down] = model.get("cross");
    cross.style.left = 100 * across + "%";
    cross.style.top = 100 * down + "%";
  };
  // While the pointer is held down, a place is sent when the one before has been answered.
  let held = false, next = null, busy = 0, count = 0;
  const send = () => {
    if (next === null || busy) return;
    model.set("click", [...next, ++count]);
    model.save_changes();
    next = null;
    busy = setTimeout(answered, 500);
  };
  const answered = () => { clearTimeout(busy); busy = 0; send(); };
  const point = (event) => {
    const box = el.getBoundingClientRect();
    next = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    send();
  };
  el.addEventListener("pointerdown", (event) => {
    held = true;
    el.setPointerCapture(event.pointerId);
    event.preventDefault();
    point(event);
  });
  el.addEventListener("pointermove", (event) => { if (held) point(event); });
  for (const end of ["pointerup", "pointercancel"])
    el.addEventListener(end, () => { held = false; });
  model.on("change:cross", mark);
  model.on("change:answered", answered);
  mark();
}
export default { render };
"""
# Pages that are dark, as JupyterLab, VS Code and Colab say so.
DARK = 'body[data-jp-theme-light="false"] {0}, body.vscode-dark {0}, html[theme="dark"] {0}'
STYLE = """
.aecore-map { position: relative; cursor: crosshair; touch-action: none; user-select: none;
  line-height: 0; width: fit-content; }
.aecore-map img { width: 100%; height: auto; }
.aecore-cross { position: absolute; width: 21px; height: 21px; transform: translate(-50%, -50%);
  pointer-events: none; filter: drop-shadow(0 0 1px #fff) drop-shadow(0 0 1px #fff);
  background: linear-gradient(#000, #000) center / 2px 100% no-repeat,
    linear-gradient(#000, #000) center / 100% 2px no-repeat; }
.aecore-map .aecore-on-dark { display: none; }
"""
STYLE += "".join(
    DARK.format(f".aecore-map {part}") + f" {{ {how}; }}\n"
    for part, how in (
        (".aecore-on-light", "display: none"),
        (".aecore-on-dark", "display: inline"),
        (".aecore-cross", "filter: invert(1) drop-shadow(0 0 1px #000) drop-shadow(0 0 1px #000)"),
    )
)


def clickable(light: bytes, dark: bytes, on_click: Any) -> Any:
    """Return the widget of two PNG files of one size, for light pages and for dark ones.

    Its ``cross`` is a place in shares of the picture's width and height, which `on_click` is called
    with too: ``on_click(across, down)``.

    Raises
    ------
    ImportError
        anywidget is not installed.
    """
    import anywidget
    import traitlets

    class ClickMap(anywidget.AnyWidget):
        _esm = SCRIPT
        _css = STYLE
        light, dark = (traitlets.Bytes().tag(sync=True) for _ in range(2))
        cross = traitlets.List(traitlets.Float(), [0.0, 0.0]).tag(sync=True)
        click = traitlets.List(traitlets.Float(), []).tag(sync=True)
        answered = traitlets.Float(0.0).tag(sync=True)

    widget = ClickMap(light=light, dark=dark)

    def clicked(change: Any) -> None:
        across, down, count = change["new"]
        try:
            on_click(across, down)
        finally:
            widget.answered = count

    widget.observe(clicked, "click")
    return widget
