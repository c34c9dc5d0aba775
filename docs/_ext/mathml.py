"""Formulas as MathML, which browsers draw by themselves: no script, no network."""

import re

from docutils.nodes import SkipNode
from docutils.utils.math import latex2mathml


def mathml(node, block):
    """Return a formula as MathML."""
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


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
