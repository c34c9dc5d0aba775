"""Docstrings as the reference shows them: each parameter in full, with its default.

A docstring may say "As in `fit`." of a parameter, which is right in a terminal, where the other
docstring is a line away. On a page of its own it would be two clicks, so that text is put in here.
"""

import inspect
import re

import aecore

SECTION = re.compile(r"^(Parameters|Attributes|Other Parameters)\n-+\n", re.MULTILINE)
NEXT_SECTION = re.compile(r"^\S[^\n]*\n-{3,}$", re.MULTILINE)
AS_IN = re.compile(r"^\s*As in `(?P<where>[\w.]+)`(?P<rest>[.,;:]?)\s*")
PLAIN = (bool, int, float, str, tuple, type(None))


def entries(text, section):
    """Return the entries (head, body) of a section, and where it begins and ends."""
    for opening in SECTION.finditer(text):
        if opening[1] == section:
            closing = NEXT_SECTION.search(text, opening.end())
            start, end = opening.end(), closing.start() if closing else len(text)
            parts = re.split(r"^(?=\S)", text[start:end], flags=re.MULTILINE)
            pairs = [part.partition("\n")[::2] for part in parts if part.strip()]
            return [(head, body.rstrip("\n")) for head, body in pairs], start, end
    return [], 0, 0


def names_of(head):
    return head.partition(" : ")[0].replace("*", "").split(", ")


def find(where, owner):
    """Return the object that `where` means in a docstring of owner or of its class."""
    module = inspect.getmodule(owner)
    scopes = [class_of(owner), module, aecore, aecore.functional]
    for scope in filter(None, scopes):
        found = scope
        for part in where.split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
    return None


def class_of(owner):
    """Return the class that a method is defined in."""
    path = getattr(owner, "__qualname__", "").rpartition(".")[0]
    found = inspect.getmodule(owner)
    for part in path.split(".") if path else ():
        found = getattr(found, part, None)
    return found if inspect.isclass(found) else None


def expand(text, owner, section="Parameters", depth=0):
    """Put in the text of the other docstring where an entry says "As in `X`."."""
    pairs, start, end = entries(text, section)
    if not any(AS_IN.match(body) for _, body in pairs) or depth > 4:
        return text
    full = []
    for head, body in pairs:
        said = AS_IN.match(body)
        other = find(said["where"], owner) if said and said["rest"] in ".,;" else None
        theirs = {}
        if other is not None:
            doc = expand(inspect.getdoc(other) or "", other, section, depth + 1)
            theirs = {name: pair for pair in entries(doc, section)[0] for name in names_of(pair[0])}
        known = [theirs[name] for name in names_of(head) if name in theirs]
        rest = body[said.end() :].strip() if said else ""
        if not known or len(known) < len(names_of(head)) or (rest and said["rest"] != "."):
            full.append((head, body))
            continue
        wanted, last = names_of(head), None
        for pair in known:
            if pair is not last:
                mine = [name for name in names_of(pair[0]) if name in wanted]
                kind = pair[0].partition(" : ")[2] or head.partition(" : ")[2]
                stars = "".join(re.findall(r"\*+", pair[0]))
                full.append((stars + ", ".join(mine) + (f" : {kind}" if kind else ""), pair[1]))
            last = pair
        if rest:
            full[-1] = (full[-1][0], f"{full[-1][1]} {' '.join(rest.split())}")
    return (
        text[:start]
        + "".join(f"{h}\n{b}\n" if b else f"{h}\n" for h, b in full)
        + ("\n" + text[end:] if end < len(text) else "")
    )


def with_defaults(text, owner):
    """Say each parameter's default behind its type."""
    try:
        parameters = inspect.signature(owner).parameters
    except (TypeError, ValueError):
        return text
    pairs, start, end = entries(text, "Parameters")
    lines = []
    for head, body in pairs:
        defaults = {
            repr(parameters[name].default)
            for name in names_of(head)
            if name in parameters and isinstance(parameters[name].default, PLAIN)
        }
        if len(defaults) == 1 and "default" not in head:
            mark = ", " if " : " in head else " : "
            head = f"{head.removesuffix(', optional')}{mark}default {defaults.pop()}"
        lines.append(f"{head}\n{body}\n" if body else f"{head}\n")
    if not lines:
        return text
    return text[:start] + "".join(lines) + ("\n" + text[end:] if end < len(text) else "")


def complete(app, what, name, obj, options, lines):
    """Expand a docstring before numpydoc reads it."""
    if what not in {"class", "function", "method"}:
        return
    text = "\n".join(lines)
    for section in ("Parameters", "Attributes"):
        text = expand(text, obj, section)
    lines[:] = with_defaults(text, obj).split("\n")


def keep_initials(app, what, name, obj, options, lines):
    """Keep "D. Kingma" and "S." at a line's beginning from being an item of a numbered list."""
    lines[:] = [re.sub(r"^(\s*)([A-Za-z]\.(?: |$))", r"\1\\\2", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", complete, priority=100)  # before numpydoc
    app.connect("autodoc-process-docstring", keep_initials, priority=900)  # behind it
    return {"parallel_read_safe": True, "parallel_write_safe": True}
