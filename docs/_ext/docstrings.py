"""Docstrings as the reference shows them: each parameter in full, with its default.

A docstring may say "As in `fit`." of a parameter, which is right in a terminal, where the other
docstring is a line away. On a page of its own it would be two clicks, so that text is put in here.
"""

import inspect
import json
import re
import sys

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


def find(where, owner, cls=None):
    """Return the object that `where` means in a docstring of owner, a method of cls or not."""
    module = inspect.getmodule(owner)
    scopes = [cls, class_of(owner), module, aecore, aecore.functional]
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


def class_at(name):
    """Return the class that a method is shown in, by the method's full name; it may inherit it."""
    module, _, cls = name.rpartition(".")[0].rpartition(".")
    found = getattr(sys.modules.get(module), cls, None)
    return found if inspect.isclass(found) else None


def expand(text, owner, section="Parameters", cls=None, depth=0):
    """Put in the text of the other docstring where an entry says "As in `X`."."""
    pairs, start, end = entries(text, section)
    if not any(AS_IN.match(body) for _, body in pairs) or depth > 4:
        return text
    full = []
    for head, body in pairs:
        said = AS_IN.match(body)
        other = find(said["where"], owner, cls) if said and said["rest"] in ".,;" else None
        theirs = {}
        if other is not None:
            doc = expand(inspect.getdoc(other) or "", other, section, cls, depth + 1)
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
    if not pairs:
        return text
    lines = []
    for head, body in pairs:
        known = [parameters[name].default for name in names_of(head) if name in parameters]
        if known and all(isinstance(value, PLAIN) for value in known):
            head += default_of(head, known)
        lines.append(f"{head}\n{body}\n" if body else f"{head}\n")
    return text[:start] + "".join(lines) + ("\n" + text[end:] if end < len(text) else "")


def default_of(head, values):
    """Return what an entry's head lacks of the defaults of its parameters."""
    mark = ", " if " : " in head else " : "
    if "default" in head or "optional" in head:
        return ""
    if "None" not in head and all(value is None for value in values):
        return f"{mark}optional"
    texts = [json.dumps(v) if isinstance(v, str) else repr(v) for v in values]
    return f"{mark}default {', '.join(dict.fromkeys(texts))}"


def complete(app, what, name, obj, options, lines):
    """Expand a docstring before numpydoc reads it."""
    if what not in {"class", "function", "method"}:
        return
    text = "\n".join(lines)
    for section in ("Parameters", "Attributes"):
        text = expand(text, obj, section, class_at(name))
    lines[:] = with_defaults(text, obj).split("\n")


def keep_initials(app, what, name, obj, options, lines):
    """Keep "D. Kingma" and "S." at a line's beginning from being an item of a numbered list."""
    lines[:] = [re.sub(r"^(\s*)([A-Za-z]\.(?: |$))", r"\1\\\2", line) for line in lines]


def find_bare_name(app, env, node, contnode):
    """Let `Autoencoder` be a link wherever it stands, in lists of names too."""
    name = node.get("reftarget")
    if node.get("refdomain") != "py" or name not in aecore.__all__:
        return None
    py = env.domains["py"]
    where = node.get("refdoc", env.docname)
    return py.resolve_xref(env, where, app.builder, "obj", f"aecore.{name}", node, contnode)


def drop_modules_without_source(app):
    """Keep the index of sources from linking to compiled modules, which have no page."""
    modules = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, source in modules.items() if not source]:
        del modules[name]
    return []


def setup(app):
    app.connect("missing-reference", find_bare_name)
    app.connect("html-collect-pages", drop_modules_without_source, priority=1)  # before viewcode
    app.connect("autodoc-process-docstring", complete, priority=100)  # before numpydoc
    app.connect("autodoc-process-docstring", keep_initials, priority=900)  # behind it
    return {"parallel_read_safe": True, "parallel_write_safe": True}
