"""Check the links of the built site: pages, files and anchors; and the form of those that leave it.

usage: python tools/check_site.py [FOLDER]     by default build/docs

External links aren't followed, so that the check works without a network: their addresses must be
whole and begin with https. With ``--external`` they are listed, for a tool that does follow them.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FOLDER = Path(__file__).parent.parent / "build" / "docs"
# Made by Sphinx of what can't be known when a page is read: anchors that a script adds.
ANY = {"genindex.html", "search.html", "py-modindex.html"}


class Page(HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.links, self.anchors = [], {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        for name in ("href", "src"):
            if found.get(name) and tag != "base":
                self.links.append(found[name])


def check(folder):
    """Return what is wrong with the links of a folder's pages, and the external ones."""
    folder = folder.resolve()
    pages = {path: Page(path) for path in sorted(folder.rglob("*.html"))}
    wrong, external = [], {}
    for path, page in pages.items():
        name = path.relative_to(folder)
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme in {"data", "mailto"}:
                continue
            if parts.scheme or parts.netloc:
                external.setdefault(link.partition("#")[0], name)
                if parts.scheme != "https" or "." not in parts.netloc or " " in link:
                    wrong.append(f"{name}: {link} isn't a whole address that begins with https")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            if not target.exists():
                wrong.append(f"{name}: {link} doesn't exist")
            elif target in pages and target.name not in ANY:
                if unquote(parts.fragment) not in pages[target].anchors:
                    wrong.append(f"{name}: {link} has no such anchor")
    return wrong, external


def main(arguments):
    folders = [Path(name) for name in arguments if name != "--external"] or [FOLDER]
    wrong, external = check(folders[0])
    if "--external" in arguments:
        print("\n".join(sorted(external)))
    print("\n".join(wrong) or "All links within the site lead somewhere.", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
