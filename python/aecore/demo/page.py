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
from .chapters import Chapter, Picture, code_of
from .recipes import Recipe
from .scores import HEADINGS, Row, cells

# Names of classes in a repr, which a user's code prefixes with ae.
_NAMES = re.compile(r"\b([A-Z]\w*)\(")


def write_page(
    file: Path,
    recipe: Recipe,
    chapters: Sequence[Chapter],
    names: Mapping[str, Any],
    rows: Sequence[Row],
    pictures: Mapping[str, Path],
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


def _head(recipe: Recipe, chapters: Sequence[Chapter], names: Mapping[str, Any]) -> str:
    X_train, X_test = names["X_train"], names["X_test"]
    contents = "\n".join(
        f'<li><a href="#{chapter.name}">{escape(chapter.title)}</a></li>' for chapter in chapters
    )
    code = f"import numpy as np\nimport aecore as ae\n\n{code_of(recipe.load)}"
    return f"""
<header>
<h1>{_TITLE}</h1>
<p>An autoencoder is a pair of networks that learn together. The <b>encoder</b> squeezes a picture
into a short <b>code</b>, and the <b>decoder</b> rebuilds the picture from nothing but that code. To
get its pictures back, the pair has to find out what matters in them. Nobody tells it what the
pictures show.</p>
<p>{escape(recipe.about)} {len(X_train):,} of them are for training; {len(X_test):,} others, the
test pictures, are for seeing what was learned.</p>
{_code(code)}
<nav><ol>
{contents}
<li><a href="#results">The results in numbers</a></li>
</ol></nav>
</header>"""


def _table(rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in HEADINGS)
    body = "\n".join(
        f"<tr{'' if row.name else ' class=peer'}><th>{_title(row)}</th>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells(row)[1:])
        + "</tr>"
        for row in rows
    )
    return f"""
<section>
<h2 id="results">The results in numbers</h2>
<p>Below each model is <b>PCA</b>, principal component analysis, with a code of as many numbers: the
best that weighted sums alone can do.</p>
<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table></div>
<dl>
<dt>error</dt><dd>The mean squared error of the rebuilt test pictures, whose values go from 0 to 1.
The denoising autoencoder, and PCA below it, are given noisy pictures and should give back clean
ones.</dd>
<dt>recon, KL</dt><dd>A VAE's two terms, in nats (1.44 bits) a picture: what the decoder still has
to guess, and what the code tells it. Their sum, &minus;ELBO, says how surprising a picture is to
the model at most; lower is better.</dd>
<dt>perplexity</dt><dd>How many words of the VQ-VAE's codebook are in effective use.</dd>
<dt>k-means</dt><dd>How well the codes sort themselves: k-means, which knows no labels, finds a
group of codes for each kind, and this share of the test pictures is in the right one. Nothing was
trained for this. A long code keeps much of the raw picture, and scores like it, as PCA's does; with
two numbers it matters which two. The CVAE is told the kind, so its codes needn't tell it, and it
scores as low as it should.</dd>
</dl>
</section>"""


def _title(row: Row) -> str:
    title = escape(row.title)
    return f'<a href="#{row.name}">{title}</a>' if row.name else title


def _chapter(
    chapter: Chapter, recipe: Recipe, names: Mapping[str, Any], pictures: Mapping[str, Path]
) -> str:
    model = names[chapter.name]
    fit = "fit(X_train, y_train)" if hasattr(model, "classes_") else "fit(X_train)"
    code = f"{construction(chapter.name, model)}\n{chapter.name}.{fit}"
    shown = "\n".join(_picture(p, recipe, pictures[p.name]) for p in chapter.pictures)
    return f"""
<section>
<h2 id="{chapter.name}">{escape(chapter.title)}</h2>
<p>{_text(chapter.text, recipe)}</p>
{_code(code)}
{shown}
</section>"""


def _picture(picture: Picture, recipe: Recipe, file: Path) -> str:
    text = _text(recipe.notes.get(picture.name, picture.text), recipe)
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    width, height = _size(file)
    return f"""
<figure>
<img src="data:image/png;base64,{data}" width="{width}" height="{height}" alt="{escape(file.stem)}">
<figcaption><p>{text}</p>
{_code(code_of(picture.make, result="figure"))}</figcaption>
</figure>"""


def _size(file: Path) -> tuple[int, int]:
    """Read a PNG's size from its header, in CSS pixels: it has 300 pixels an inch, CSS has 96."""
    header = file.read_bytes()[16:24]
    width, height = (int.from_bytes(header[i : i + 4], "big") for i in (0, 4))
    return round(width * 96 / 300), round(height * 96 / 300)


def _text(text: str, recipe: Recipe) -> str:
    return escape(text.format(thing=recipe.thing))


def _code(code: str) -> str:
    return f"<pre><code>{escape(code)}</code></pre>"


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
        "".join(inner), 84, initial_indent="    ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False,
    ).replace("\0", " ")  # fmt: skip
    return line if len(line) <= 84 else f"{line[:start]}\n{wrapped},\n)"


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
  --link: #0059a8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181d; --ink: #e4e7ec; --faint: #9aa4b2; --rule: #2d333c; --code: #1e2229;
    --link: #7db8f5;
  }
  img { filter: brightness(0.88); }
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
th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left; }
th:first-child { padding-left: 0; font-weight: 600; }
thead th { color: var(--faint); font-weight: 400; border-bottom: 1px solid var(--rule); }
tbody tr:not(.peer) > * { border-top: 1px solid var(--rule); }
.peer > * { color: var(--faint); }
.peer th:first-child { font-weight: 400; padding-left: 1rem; }
dl { font-size: 0.9375rem; }
dt { font-weight: 600; }
dd { margin: 0 0 0.6rem; color: var(--faint); }
footer { margin-top: 4rem; border-top: 1px solid var(--rule); padding-top: 1rem; }
footer p { color: var(--faint); font-size: 0.875rem; }
@media (max-width: 34rem) {
  body { font-size: 1rem; }
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.75rem; }
  h2 { font-size: 1.25rem; margin-top: 2.75rem; }
  table { font-size: 0.8125rem; }
  th, td { padding-left: 0.6rem; }
  .peer th:first-child { padding-left: 0.6rem; }
  pre { margin-left: -1rem; margin-right: -1rem; padding-left: 1rem; border-radius: 0; }
}
"""
