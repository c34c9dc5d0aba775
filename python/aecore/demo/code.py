"""Python code as HTML: comments, strings, keywords and numbers are marked for colours."""

from __future__ import annotations

import io
import keyword
import tokenize
from html import escape

KINDS = {tokenize.COMMENT: "c", tokenize.STRING: "s", tokenize.NUMBER: "n"}


def highlighted(code: str) -> str:
    """Return code as HTML with spans of the classes c, s, n and k; plain if it isn't Python."""
    lines, parts, at = code.splitlines(keepends=True), [], (1, 0)
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError):
        return escape(code)
    for token in tokens:
        kind = KINDS.get(token.type, "")
        if token.type == tokenize.NAME and keyword.iskeyword(token.string):
            kind = "k"
        if kind:
            parts.append(escape(_between(lines, at, token.start)))
            parts.append(f'<span class="{kind}">{escape(token.string)}</span>')
            at = token.end
    return "".join([*parts, escape(_between(lines, at, (len(lines) + 1, 0)))])


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return the text between two places: lines from 1, columns from 0."""
    (row, column), (last, stop) = start, end
    if row == last:
        return lines[row - 1][column:stop] if row <= len(lines) else ""
    tail = lines[last - 1][:stop] if last <= len(lines) else ""
    return "".join([lines[row - 1][column:], *lines[row : last - 1], tail])
