"""Summaries of search results where the site is opened as files.

Sphinx's search fetches each page that it has found and shows where the words stand. Browsers don't
let a page fetch files, so there the texts of all pages come as one script.
"""

import json
import re
from pathlib import Path

MAIN = re.compile(r'<article role="main"[^>]*>(.*?)</article>', re.DOTALL)
DROPPED = re.compile(r'<(script|style|svg).*?</\1>|<a class="headerlink".*?</a>', re.DOTALL)
TAG = re.compile(r"<(/?)(\w+)([^>]*)>")
SCRIPT = """\
if (location.protocol === "file:") {
  const texts = new Promise((resolve) => { window.setTexts = resolve; });
  const script = document.createElement("script");
  script.src = "_static/search_texts.js";
  document.head.append(script);
  window.fetch = (url) =>
    texts.then((found) => ({ text: () => found[url.replace(/^\\.\\//, "")] || "" }));
}
"""


def text_of(page):
    """Return the text of a page, with its sections and what else has an anchor."""

    def kept(tag):
        closing, name, attributes = tag.groups()
        if name not in {"section", "dl", "dt"}:
            return " " if name in {"p", "li", "td", "th", "div", "pre"} else ""
        anchor = re.search(r' id="[^"]*"', attributes)
        return f"<{closing}{name}{anchor[0] if anchor else ''}>"

    main = MAIN.search(page.read_text(encoding="utf-8"))
    text = TAG.sub(kept, DROPPED.sub("", main[1])) if main else ""
    return '<main role="main">' + " ".join(text.split()) + "</main>"


def add_script(app, pagename, templatename, context, doctree):
    if pagename == "search":
        app.add_js_file("search_files.js")


def write(app, exception):
    """Write the script, and the texts that it loads."""
    if exception is not None or app.builder.name != "html":
        return
    folder = Path(app.outdir)
    texts = {
        path.relative_to(folder).as_posix(): text_of(path)
        for path in sorted(folder.rglob("*.html"))
        if "_modules" not in path.parts and "genindex" not in path.name
    }
    static = folder / "_static"
    (static / "search_files.js").write_text(SCRIPT)
    (static / "search_texts.js").write_text(
        f"setTexts({json.dumps(texts, ensure_ascii=False)});\n", encoding="utf-8"
    )


def setup(app):
    app.connect("html-page-context", add_script)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
