"""Sphinx's settings: `make docs` builds these pages into build/docs."""

import re

import aecore
from docutils.nodes import SkipNode
from docutils.utils.math import latex2mathml

project = "aecore"
author = "aecore developers"
copyright = author
version = release = aecore.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
]
templates_path = ["_templates"]
exclude_patterns = ["_static", "_templates"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# `Name` in a docstring is a link where there is such a thing, and code where there isn't.
default_role = "py:obj"
autodoc_typehints = "none"  # the docstrings say what is what
autosummary_ignore_module_all = False
autosummary_imported_members = True
numpydoc_show_class_members = False  # autodoc's are there

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_math_renderer = "mathml"
html_title = f"aecore {version}"
html_copy_source = False
html_show_sphinx = False


def mathml(node, block):
    """Return a formula as MathML, which browsers draw by themselves: no script, no network."""
    tex = re.sub(r"\\[bB]ig(?![a-zA-Z])", "", node.astext())  # brackets grow by themselves
    tex = tex.replace(r"\dots", r"\ldots ").replace(r"\ln ", r"\ln\, ")
    # an index stands behind a letter with a hat, not below it
    tex = re.sub(r"(\\(?:hat|tilde) ?\\?[a-zA-Z]+)_", r"\1{}_", tex)
    rows = [row for row in tex.split("\n\n") if row.strip()]
    return latex2mathml.tex2mathml(r" \\ ".join(rows), as_block=block)


def visit_inline(translator, node):
    translator.body.append(mathml(node, block=False))
    raise SkipNode


def visit_block(translator, node):
    translator.body.append(f'<div class="math">{mathml(node, block=True)}</div>')
    raise SkipNode


def keep_initials(app, what, name, obj, options, lines):
    """Keep "D. Kingma" and "S." at a line's beginning from being an item of a numbered list."""
    lines[:] = [re.sub(r"^(\s*)([A-Za-z]\.(?: |$))", r"\1\\\2", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", keep_initials, priority=900)  # behind numpydoc
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
