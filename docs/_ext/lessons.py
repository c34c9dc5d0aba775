"""The notebooks of notebooks/ as pages, as they were executed, and their index as cards.

They are copied into docs/lessons before pages are read (git ignores the copies). A copy has links
to the notebook, for download and in Colab, below its title; its thumbnail is one of its pictures.
"""

import base64
import json
import re
import shutil
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

DOCS = Path(__file__).parents[1]
SOURCE = DOCS.parent / "notebooks"
TARGET = DOCS / "lessons"
# The picture that stands for a lesson, counted from 0; for one that isn't here, the last.
THUMBNAILS = {
    "01-autoencoders": 4,
    "02-denoising-sparse-contractive": 2,
    "03-variational": 5,
    "04-discrete-codes": 1,
    "05-tables": 1,
    "06-sequences": 7,
    "07-adversarial": 1,
    "08-experiment-as-a-script": 0,
    "09-photographs": 3,
    "10-series": 1,
}
ROW = re.compile(r"^\| \[\d+\]\((\S+)\.ipynb\) \| (.*?) \| (.*?) \| (.*?) \|$", re.MULTILINE)
LINKS = """
::::{{div}} lesson-links
{{octicon}}`download` {{download}}`Download the notebook <notebooks/{name}.ipynb>` and
{{download}}`_data.py <notebooks/_data.py>`, which finds its data
·
{{octicon}}`play` [Open in Colab](https://colab.research.google.com/github/{place}/{name}.ipynb)
::::
"""


def copy(app):
    """Bring the lessons up to date in docs/lessons."""
    repository = app.config.html_theme_options["source_repository"].rstrip("/")
    place = f"{repository.removeprefix('https://github.com/')}/blob/main/notebooks"
    (TARGET / "notebooks").mkdir(exist_ok=True)
    shutil.copy2(SOURCE / "_data.py", TARGET / "notebooks")
    for path in sorted(SOURCE.glob("*.ipynb")):
        shutil.copy2(path, TARGET / "notebooks")
        notebook = json.loads(path.read_text())
        write_changed(TARGET / f"{path.stem}.png", thumbnail(path.stem, notebook))
        first = "".join(notebook["cells"][0]["source"])
        title, _, rest = first.partition("\n")
        notebook["cells"][0]["source"] = (
            title + "\n" + LINKS.format(name=path.stem, place=place) + rest
        )
        write_changed(TARGET / path.name, json.dumps(notebook).encode())


def write_changed(path, content):
    """Write a file unless it is as it should be, so that Sphinx reads only what has changed."""
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def thumbnail(name, notebook):
    """Return the PNG of the picture that stands for a lesson."""
    pictures = [
        "".join(output["data"]["image/png"])
        for cell in notebook["cells"]
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    return base64.b64decode(pictures[THUMBNAILS.get(name, -1)])


class Lessons(SphinxDirective):
    """A card for each lesson, from the table of notebooks/README.md."""

    def run(self):
        readme = SOURCE / "README.md"
        self.env.note_dependency(str(readme))
        lines = ["::::{grid} 1 2 2 3", ":gutter: 3", ":class-container: thumbnails", ""]
        for name, about, data, seconds in ROW.findall(readme.read_text()):
            cells = json.loads((SOURCE / f"{name}.ipynb").read_text())["cells"]
            title = "".join(cells[0]["source"]).partition("\n")[0].removeprefix("# ")
            lines += [
                f":::{{grid-item-card}} {title}",
                f":img-top: {name}.png",
                f':img-alt: "A picture of the lesson {title}"',
                f":link: {name}",
                ":link-type: doc",
                "",
                about[:1].upper() + about[1:] + ".",
                "",
                f"{data} · {seconds}",
                ":::",
            ]
        return self.parse_text_to_nodes("\n".join([*lines, "::::"]))


def link_to_source(app, pagename, templatename, context, doctree):
    """Let links to a page's source lead to the notebook; what is made of docstrings has none."""
    folder, _, name = pagename.rpartition("/")
    if folder == "lessons" and (SOURCE / f"{name}.ipynb").exists():
        home = context["theme_source_repository"].rstrip("/")
        link = f"{home}/blob/{context['theme_source_branch']}/notebooks/{name}.ipynb"
        context["theme_source_view_link"] = context["theme_source_edit_link"] = link
    elif folder == "reference/api":
        context["page_source_suffix"] = ""


def setup(app):
    app.connect("builder-inited", copy)
    app.connect("html-page-context", link_to_source)
    app.add_directive("lessons", Lessons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
