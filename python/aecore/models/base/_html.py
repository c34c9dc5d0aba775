"""How a model looks in a notebook: what it is made of, and how it was trained, as HTML.

Everything is in the text itself: no scripts, no pictures, nothing to load. Colours are those of the
page's theme where it tells them (JupyterLab, VS Code), else of the system's, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

from ...arch.base import conditioned_shape
from ...base import params
from ...base.text import printable
from ...nn.containers import Residual, Sequential
from ...nn.module import Module
from ...nn.tape import Shape
from ...training.progress import NUMBERS
from ._curve import curve_svg
from .explained import share_of

MOST = 300  # characters of a parameter's value

# The class is named twice, which ranks these rules before those that notebooks have for tables.
STYLE = """<style>
.aecore.aecore { --ink: #222; --pale: #6b6b6b; --line: #d9d9d9; --mark: #0061a0;
  --text: var(--jp-content-font-color1, var(--vscode-foreground, var(--ink)));
  --soft: var(--jp-content-font-color2, var(--vscode-descriptionForeground, var(--pale)));
  --rule: var(--jp-border-color2, var(--vscode-widget-border, var(--line)));
  --link: var(--jp-content-link-color, var(--vscode-textLink-foreground, var(--mark)));
  --second: #c46a12;
  color: var(--text); max-width: 44em; font-size: 13px; line-height: 1.45; }
@media (prefers-color-scheme: dark) {
  .aecore.aecore { --ink: #e6e6e6; --pale: #a8a8a8; --line: #4a4a4a; --mark: #6cb6ff; } }
.aecore.aecore .head { margin: .2em 0 .4em; padding-left: .6em;
  border-left: 3px solid var(--link); }
.aecore.aecore .head b { font-size: 115%; }
.aecore.aecore .soft { color: var(--soft); }
.aecore.aecore .training { margin: .3em 0 .5em .75em; }
.aecore.aecore .curve { display: block; border-bottom: 1px solid var(--rule); }
.aecore.aecore .curve polyline { fill: none; stroke: var(--link); stroke-width: 2;
  stroke-linejoin: round; }
.aecore.aecore .curve .val_loss { stroke: var(--second); }
.aecore.aecore .key { margin-right: 1.2em; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.aecore.aecore .key::before { content: ""; display: inline-block; width: 1.1em; margin-right: .4em;
  vertical-align: .25em; border-top: 2px solid var(--link); }
.aecore.aecore .key.val_loss::before { border-color: var(--second); }
.aecore.aecore details { margin: .15em 0 .15em .1em; }
.aecore.aecore summary { cursor: pointer; }
.aecore.aecore table { border-collapse: collapse; margin: .2em 0 .5em 1.1em; width: auto;
  font-size: inherit; color: inherit; }
.aecore.aecore table tr { background: none; border: 0; border-bottom: 1px solid var(--rule); }
.aecore.aecore table th, .aecore.aecore table td { padding: .12em .9em .12em .1em; border: 0;
  text-align: left; font-weight: normal; vertical-align: top; white-space: normal;
  max-width: none; overflow-wrap: anywhere; color: inherit; background: none; }
.aecore.aecore table th { color: var(--soft); }
.aecore.aecore table .n { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.aecore.aecore table td > code { background: none; color: inherit; padding: 0; font-size: 95%; }
</style>"""


class Row(NamedTuple):
    """A layer: how deep inside others, what it is, the shape of its output, how much it learns."""

    depth: int
    text: str
    shape: Shape | None
    parameters: int


def model_html(model: Any) -> str:
    """Return an estimator's HTML: its parameters and, once fitted, its layers and its training."""
    network = vars(model).get("_network")
    parts = [f"<b>{escape(type(model).__name__)}</b> ", _state(model)]
    body = [_parameters(model)]
    if network is not None:
        seen: set[int] = set()
        shapes = _inputs(model, network)
        body += [
            _module(name, module, shapes.get(name), seen) for name, module in network.children()
        ]
    head = f'<div class="head">{"".join(parts)}</div>'
    curve = curve_svg(getattr(model, "history_", None) or ())
    return f'<div class="aecore">{STYLE}{head}{curve}{"".join(body)}</div>'


def _state(model: Any) -> str:
    if not model.__sklearn_is_fitted__():
        return '<span class="soft">not fitted</span>'
    words: list[str] = getattr(model, "_summary", list)()
    learned = getattr(model, "n_parameters_", None)
    if learned is not None:
        words.append(f"{learned:,} parameters")
    history = getattr(model, "history_", None)
    if history:
        last = history[-1]
        epoch = last.get("epoch", len(history))
        words.append(f"{escape(printable(epoch))} epoch{'' if epoch == 1 else 's'}")
        words += [
            f"{word} {last[name]:.4g}"
            for word, name in (("loss", "loss"), ("validation loss", "val_loss"))
            if isinstance(last.get(name), NUMBERS)
        ]
    elif learned is not None:
        words.append("not trained")
    lines = [" · ".join(words) or "fitted", *_explained(model)]
    return "".join(f'<br><span class="soft">{line}</span>' for line in lines)


def _explained(model: Any) -> list[str]:
    """Return how much variance reconstructions explain, if that is known."""
    found = share_of(model)
    if found is None:
        return []
    share, samples = found
    if share < 0:
        return [f"reconstructions of {samples} samples are worse than the mean sample"]
    shown = f"{100 * share:.1f}" if share > 0.99 else f"{100 * share:.0f}"
    return [
        f"{shown} % of the variance of {samples} samples explained (1 − squared error / variance)"
    ]


# ---- parameters of the estimator ----------------------------------------------------------------


def _parameters(model: Any) -> str:
    """Return a table of the parameters that aren't their defaults, and below it one of the rest."""
    usual = params.defaults(type(model))
    values = model.get_params(deep=False)
    changed = {k: v for k, v in values.items() if not params.same(v, usual[k])}
    rest = {k: v for k, v in values.items() if k not in changed}
    summary = f'Parameters <span class="soft">{len(changed) or "none"} changed</span>'
    inner = _table_of(changed) if changed else ""
    if rest:
        inner += _details(f'<span class="soft">{len(rest)} as by default</span>', _table_of(rest))
    return _details(summary, inner, opened=bool(changed))


def _table_of(values: dict[str, Any]) -> str:
    rows = (f"<tr><td>{escape(k)}</td><td><code>{_value(v)}</code></td></tr>"
            for k, v in values.items())  # fmt: skip
    return f"<table>{''.join(rows)}</table>"


def _value(value: Any) -> str:
    text = repr(value)
    return escape(printable(text if len(text) <= MOST else text[:MOST] + " ..."))


def _details(summary: str, inner: str, opened: bool = False) -> str:
    return f"<details{' open' if opened else ''}><summary>{summary}</summary>{inner}</details>"


# ---- layers -------------------------------------------------------------------------------------


def _module(name: str, module: Module, shape: Shape | None, seen: set[int]) -> str:
    """Return the table of a part's layers; `seen` are the parameters of those before it."""
    rows = list(_rows(module, shape, 0, seen))
    total = sum(row.parameters for row in rows)
    out = rows[-1].shape if rows else shape
    words = [f"{_shown(shape)} → {_shown(out)}"] if shape and out else []
    words += [f"{total:,} parameters"] if total else []
    summary = f'{escape(name)} <span class="soft">{" · ".join(words)}</span>'
    lines = "".join(
        f'<tr><td style="padding-left:{row.depth}em"><code>{escape(row.text)}</code></td>'
        f'<td class="n">{_shown(row.shape)}</td>'
        f'<td class="n">{f"{row.parameters:,}" if row.parameters else ""}</td></tr>'
        for row in rows
    )
    head = '<tr><th>layer</th><th class="n">output</th><th class="n">parameters</th></tr>'
    return _details(summary, f"<table>{head}{lines}</table>")


def _rows(module: Module, shape: Shape | None, depth: int, seen: set[int]) -> Iterator[Row]:
    """Yield a module's layers in the order in which samples of a shape pass them.

    Parameters that were seen before belong to other layers, which share them.
    """
    if isinstance(module, Sequential):
        for layer in module.layers:
            yield from _rows(layer, shape, depth, seen)
            shape = _after(layer, shape)
    elif isinstance(module, Residual):
        yield from _rows(module.body, shape, depth + 1, seen)
        yield Row(depth, "added to what came in", _after(module, shape), 0)
    else:
        mine = [p for _, p in module.parameters() if id(p) not in seen]
        seen.update(map(id, mine))
        text = repr(module) if not list(module.children()) else _brief(module)
        yield Row(depth, text, _after(module, shape), sum(p.value.size for p in mine))


def _brief(module: Module) -> str:
    return f"{type(module).__name__}({module.extra_repr()})"


def _after(module: Module, shape: Shape | None) -> Shape | None:
    """Return the shape behind a module; None where it isn't known or isn't the module's."""
    if shape is None:
        return None
    try:
        return tuple(module.output_shape(shape))
    except (NotImplementedError, TypeError, ValueError):
        return None


def _inputs(model: Any, network: Any) -> dict[str, Shape | None]:
    """Return the shapes of what each part of a network is given."""
    parts = dict(network.children())
    known = network.conditioner
    width = 0 if known is None else known.width
    coders = getattr(model, "_coding_conditioner", known)  # what encoder and decoder see
    coding = 0 if coders is None else coders.width
    sample, code = tuple(network.input_shape), getattr(model, "latent_dim", None)
    found: dict[str, Shape | None] = {"pixelcnn": sample}
    out: Shape | None = None
    if "encoder" in parts:
        found["encoder"] = _first(
            parts["encoder"], conditioned_shape(parts["encoder"], sample, coding), sample
        )
        out = _after(parts["encoder"], found["encoder"])
    if "quantizer" in parts:
        found["quantizer"] = out
        out = found["decoder"] = _after(parts["quantizer"], out)
    elif "decoder" in parts:
        found["decoder"] = _first(parts["decoder"], _vector(code, coding), out)
    if "discriminator" in parts:
        judge = parts["discriminator"]
        found["discriminator"] = _first(
            judge, conditioned_shape(judge, sample, width), _vector(code, width)
        )
    return found


def _vector(code: Any, condition: int) -> Shape | None:
    return None if code is None else (int(code) + condition,)


def _first(module: Module, *shapes: Shape | None) -> Shape | None:
    """Return the first shape that a module takes."""
    return next((s for s in shapes if _after(module, s) is not None), None)


def _shown(shape: Sequence[int] | None) -> str:
    return "" if shape is None else " × ".join(map(str, shape))
