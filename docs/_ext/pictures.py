"""Pictures of pages: in light and dark, as wide as they were drawn, and a gallery's grid of them.

A page has `![..](images/NAME)` alone, so that it can be read anywhere. Where there is an
images/dark/NAME too, the site shows the one that suits the reader's theme.
"""

import re
import struct
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

INCH = 120  # CSS pixels that a picture's inch takes
INCHES = 39.37  # in a metre
SECTION = re.compile(r"^## (?P<title>.+)\n(?P<body>(?:(?!^## ).*\n?)*)", re.MULTILINE)
PICTURE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<uri>images/[^)]+)\)")


class Themes(SphinxTransform):
    """Set each picture's width, and add its dark twin."""

    default_priority = 400

    def apply(self, **kwargs):
        page = Path(self.env.doc2path(self.env.docname))
        for image in list(self.document.findall(nodes.image)):
            path = page.parent / image["uri"]
            if image["uri"].startswith("/"):
                path = Path(self.app.srcdir) / image["uri"].lstrip("/")
            in_card = any("sd-card-img" in name for name in image["classes"])
            if not in_card and "width" not in image and (width := width_of(path)):
                image["width"] = f"{width}px"
            if (name := twin_of(path)) is not None:
                twin = image.deepcopy()
                twin["uri"] = f"{image['uri'].rpartition('/')[0]}/{name}"
                image["classes"] += ["only-light"]
                twin["classes"] += ["only-dark"]
                image.parent.insert(image.parent.index(image) + 1, twin)
            elif path.suffix == ".png":
                image["classes"] += ["on-white"]


def twin_of(path):
    """Return the dark twin of a picture, from the folder where that lies; None without one."""
    name = f"dark/{path.name}"
    return name if (path.parent / name).exists() else None


def width_of(path):
    """Return how many CSS pixels a PNG is wide, by its resolution; None where it has none."""
    try:
        start = path.read_bytes()[:4096]
    except OSError:
        return None
    place = start.find(b"pHYs")
    if place < 0 or not start.startswith(b"\x89PNG"):
        return None
    per_metre, _, unit = struct.unpack(">IIB", start[place + 4 : place + 13])
    width = struct.unpack(">I", start[16:20])[0]
    return round(width / (per_metre / INCHES) * INCH) if unit == 1 and per_metre else None


class GalleryGrid(SphinxDirective):
    """A card for each section of the page that has a picture, in their order."""

    def run(self):
        text = Path(self.env.doc2path(self.env.docname)).read_text()
        lines = ["::::{grid} 2 2 3 4", ":gutter: 2", ":class-container: thumbnails", ""]
        for section in SECTION.finditer(text):
            picture = PICTURE.search(section["body"])
            if picture is None:
                continue
            functions = re.findall(r"ae\.(plot\.\w+)\(", section["body"])
            lines += [
                f":::{{grid-item-card}} {section['title']}",
                f":img-top: {picture['uri']}",
                f':img-alt: "{picture["text"]}"',
                f':link: "#{nodes.make_id(section["title"])}"',
                "",
                f"`{functions[-1]}`" if functions else "",
                ":::",
            ]
        return self.parse_text_to_nodes("\n".join([*lines, "::::"]))


def setup(app):
    app.add_transform(Themes)
    app.add_directive("gallery-grid", GalleryGrid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
