"""Writes one HTML page with text, code, table and pictures; it loads nothing and has no scripts."""

from __future__ import annotations

import base64
import re
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from .. import __version__, build_info
from .chapters import Chapter, Drawn, Picture, code_of
from .code import highlighted
from .recipes import Recipe
from .scores import GROUPS, HEADINGS, NEIGHBOURS, Row, cells

# Names of classes in a repr, which a user's code prefixes with ae.
_NAMES = re.compile(r"\b([A-Z]\w*)\(")


def write_page(
    file: Path,
    recipe: Recipe,
    chapters: Sequence[Chapter],
    names: Mapping[str, Any],
    rows: Sequence[Row],
    pictures: Mapping[str, Drawn],
    *,
    seconds: float,
    seed: int,
) -> None:
    """Write the page.

    Parameters
    ----------
    file : Path
        The path of the page.
    recipe, chapters, names, rows, pictures
        The data, texts, models, results and pictures.
    seconds : float
        The duration of the run.
    seed : int
        The seed of the run.
    """
    parts = [
        _head(recipe, chapters, names),
        *(_chapter(chapter, recipe, names, pictures) for chapter in chapters),
        _table(rows),
        _foot(recipe, seconds, seed),
    ]
    file.write_text(_FRAME.format(style=_STYLE, title=_TITLE, body="\n".join(parts)), "utf-8")


_TITLE = "What autoencoders do"
WIDTH = 68  # columns of code


def _head(recipe: Recipe, chapters: Sequence[Chapter], names: Mapping[str, Any]) -> str:
    X_train, X_test = names["X_train"], names["X_test"]
    contents = "\n".join(
        f'<li><a href="#{chapter.name}">{escape(chapter.title)}</a></li>' for chapter in chapters
    )
    code = f"import numpy as np\nimport aecore as ae\n\n{code_of(recipe.load)}"
    return f"""
<header>
<h1>{_TITLE}</h1>
<div class="intro"><div>
<p>An autoencoder is a pair of networks that learn together. The <b>encoder</b> squeezes a picture
into a short <b>code</b>, and the <b>decoder</b> rebuilds the picture from nothing but that code. To
get its pictures back, the pair has to find out what matters in them. Nobody tells it what the
pictures show.</p>
<p>{escape(recipe.about)} {len(X_train):,} of them are for training; {len(X_test):,} others, the
test pictures, are for seeing what was learned.</p>
{_code(code)}
</div>
<nav><ol>
{contents}
<li><a href="#results">The results in numbers</a></li>
</ol></nav></div>
</header>"""


def _table(rows: Sequence[Row]) -> str:
    groups = "".join(f"<th colspan=2>{escape(group)}</th>" for group in GROUPS[2:])
    head = "".join(f"<th>{escape(name)}</th>" for name in HEADINGS)
    body = "\n".join(
        f"<tr{'' if row.name else ' class=peer'}><th>{_title(row)}</th>"
        + "".join(f"<td>{escape(cell).replace('-', '&ndash;')}</td>" for cell in cells(row)[1:])
        + "</tr>"
        for row in rows
    )
    return f"""
<section>
<h2 id="results">The results in numbers</h2>
<p>Beside each model stands <b>PCA</b>, principal component analysis, at the same task with a code
of the same size: the best that weighted sums alone can do.</p>
<div class="wide"><table><thead>
<tr><th></th><th></th>{groups}</tr>
<tr>{head}</tr>
</thead><tbody>
{body}
</tbody></table></div>
<dl>
<dt>error of rebuilding</dt><dd>The mean squared error of test pictures, whose values go from 0 to
1: lower is better. PCA&rsquo;s code has as many numbers, beside the VQ-VAE as many bytes. Beside
the CVAE it is told the class as well. The denoising autoencoder is given noisy pictures and should
give back clean ones; so is PCA, with the size of code that is best for it.</dd>
<dt>class by neighbours</dt><dd>The share of test pictures whose {NEIGHBOURS} nearest training codes
vote for the right class: higher is better, and nothing was trained for it. The CVAE is given the
class, so its codes needn&rsquo;t tell it, and there is nothing to compare; nor is there for the
denoising autoencoder, which is trained to clean and not to sort. A raw picture has many times as
many numbers as a code.</dd>
</dl>
</section>"""


def _title(row: Row) -> str:
    title = escape(row.title)
    return f'<a href="#{row.name}">{title}</a>' if row.name else title


def _chapter(
    chapter: Chapter, recipe: Recipe, names: Mapping[str, Any], pictures: Mapping[str, Drawn]
) -> str:
    model = names[chapter.name]
    fit = "fit(X_train, y_train)" if hasattr(model, "classes_") else "fit(X_train)"
    code = f"{construction(chapter.name, model)}\n{chapter.name}.{fit}"
    shown = "\n".join(_picture(p, recipe, pictures[p.name]) for p in chapter.pictures)
    return f"""
<section>
<h2 id="{chapter.name}">{escape(chapter.title)}</h2>
<div class="intro"><p>{_text(recipe.notes.get(chapter.name, chapter.text), recipe)}</p>
{_code(code)}</div>
{shown}
</section>"""


def _picture(picture: Picture, recipe: Recipe, drawn: Drawn) -> str:
    text = _text(recipe.notes.get(picture.name, picture.text), recipe)
    light = drawn.file.read_bytes()
    width, height = _size(light)
    return f"""
<figure>
<picture>
<source media="(prefers-color-scheme: dark)" srcset="{_url(drawn.dark)}">
<img src="{_url(light)}" width="{width}" height="{height}" alt="{escape(picture.name)}">
</picture>
<figcaption><p>{text}</p>
{_code(code_of(picture.make, result="figure"))}</figcaption>
</figure>"""


def _url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _size(png: bytes) -> tuple[int, int]:
    """Read a picture's size in CSS pixels, of which an inch has 96, from the head of a PNG."""
    width, height = (int.from_bytes(png[i : i + 4], "big") for i in (16, 20))
    at = png.index(b"pHYs") + 4  # pixels a metre
    inch = int.from_bytes(png[at : at + 4], "big") * 0.0254
    return round(width * 96 / inch), round(height * 96 / inch)


def _text(text: str, recipe: Recipe) -> str:
    return escape(text.format(thing=recipe.thing, things=recipe.things, lost=recipe.lost))


def _code(code: str) -> str:
    return f"<pre><code>{highlighted(code)}</code></pre>"


def construction(name: str, model: Any) -> str:
    """Write the line that makes a model as a user would, from its repr."""
    call = _NAMES.sub(r"ae.\1(", repr(model)).replace("'", '"')
    line = f"{name} = {call}"
    start = line.index("(") + 1
    # A break inside the arguments of an argument would be hard to read: these spaces don't break.
    depth, inner = 0, []
    for character in line[start:-1]:
        depth += (character == "(") - (character == ")")
        inner.append("\0" if character == " " and depth else character)
    wrapped = textwrap.fill(
        "".join(inner), WIDTH, initial_indent="    ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False,
    ).replace("\0", " ")  # fmt: skip
    return line if len(line) <= WIDTH else f"{line[:start]}\n{wrapped},\n)"


def _foot(recipe: Recipe, seconds: float, seed: int) -> str:
    made = (
        f"Made by <code>aecore demo</code> (aecore {escape(__version__)}, "
        f"{escape(build_info()['isa'])}, seed {seed}) in "
        f"{seconds:.0f} s, on {escape(recipe.title)}. The pictures lie beside this page as PNG "
        "files."
    )
    return f"\n<footer><p>{made}</p></footer>"


_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

_STYLE = """
:root {
  --paper: #fff; --ink: #1d2129; --faint: #5d6675; --rule: #e2e5ea; --code: #f5f6f8;
  --link: #0059a8; --keyword: #a0306d; --string: #1a6b3c; --number: #8a4b00; --comment: #6b7280;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181d; --ink: #e4e7ec; --faint: #9aa4b2; --rule: #2d333c; --code: #1e2229;
    --link: #7db8f5; --keyword: #f08bc0; --string: #8fd3a5; --number: #e8b36a; --comment: #9aa4b2;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 46rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 1.25rem; letter-spacing: -0.015em; }
nav ol { margin: 0; padding-left: 1.5rem; }
nav li { margin: 0.15rem 0; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 3.5rem 0 0.75rem; letter-spacing: -0.01em; }
p { margin: 0 0 1rem; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 0.15em; }
pre {
  margin: 0 0 1.25rem; padding: 0.75rem 1rem; overflow-x: auto; border-radius: 6px;
  background: var(--code); font-size: 0.8125rem; line-height: 1.5;
}
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.k { color: var(--keyword); } .s { color: var(--string); }
.n { color: var(--number); } .c { color: var(--comment); }
figure { margin: 2rem 0 0; }
figure img {
  display: block; max-width: 100%; height: auto; margin: 0 auto 0.75rem; border-radius: 3px;
}
figcaption p { margin-bottom: 0.6rem; }
.wide { overflow-x: auto; margin-bottom: 1.25rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; line-height: 1.4; }
th, td {
  padding: 0.3rem 0 0.3rem 1rem; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums;
}
tbody th, td:nth-child(2), tr:last-child > th:nth-child(2) { text-align: left; }
th:first-child { padding-left: 0; font-weight: 600; }
thead th { color: var(--faint); font-weight: 400; }
tbody tr > * { border-top: 1px solid var(--rule); }
.peer > * { color: var(--faint); }
.peer th:first-child { font-weight: 400; }
dl { font-size: 0.9375rem; }
dt { font-weight: 600; }
dd { margin: 0 0 0.6rem; color: var(--faint); }
footer { margin-top: 4rem; border-top: 1px solid var(--rule); padding-top: 1rem; }
footer p { color: var(--faint); font-size: 0.875rem; }
@media (min-width: 72rem) {
  main { max-width: 80rem; padding-left: 2rem; padding-right: 2rem; }
  section > p, section > dl, .wide { max-width: 46rem; }
  .intro, figure {
    display: grid; grid-template-columns: minmax(0, 37rem) minmax(0, 1fr); gap: 0 2.25rem;
  }
  figure { align-items: center; }
  figure img { margin: 0; }
  figcaption pre { white-space: pre-wrap; }
}
@media (max-width: 34rem) {
  body { font-size: 1rem; }
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.75rem; }
  h2 { font-size: 1.25rem; margin-top: 2.75rem; }
  table { font-size: 0.75rem; }
  th, td { padding-left: 0.4rem; }
  tbody th, td:nth-child(2), thead th { white-space: normal; }
  pre { margin-left: -1rem; margin-right: -1rem; padding-left: 1rem; border-radius: 0; }
}
"""
