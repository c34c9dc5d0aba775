"""Run the code of the pages in docs, and put what it prints and draws where they show it.

A page's ``python`` blocks run one after another in one namespace, in an empty folder; between them
run its ``sh`` blocks with a line that begins with ``aecore``. A ``text`` block right behind one is
what it prints. A picture ``images/NAME`` that the page shows is the file NAME that its code saves.
Code in ``py`` blocks is shown and not run, for instance other libraries'.

    python tools/gallery.py                     # all pages
    python tools/gallery.py docs/family/vae.md
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parent.parent / "docs"
LARGE = 40_000  # bytes of a picture
BLOCK = re.compile(
    r"^```(?:python\n(?P<code>.*?)|sh\n(?P<shell>(?=(?:(?!^```).)*?^aecore ).*?))^```\n"
    r"(\n*```text\n(?P<printed>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
PICTURE = re.compile(r"!\[[^\]]*\]\([./docs]*images/([^)]+)\)")


class Run(NamedTuple):
    """A block that has been run: where it stands, what it printed, and what the page says."""

    block: re.Match
    printed: str


def pages():
    """Return the pages that have code, in order."""
    return [page for page in sorted(DOCS.rglob("*.md")) if BLOCK.search(page.read_text())]


def run(page, folder):
    """Run a page's code in a folder; return what became of each block."""
    text, namespace, done = page.read_text(), {"__name__": "__main__"}, []
    before = os.getcwd()
    os.chdir(folder)
    try:
        for block in BLOCK.finditer(text):
            if block["shell"] is not None:
                done.append(Run(block, run_shell(block["shell"])))
                continue
            line = text.count("\n", 0, block.start("code"))
            code = compile("\n" * line + block["code"], str(page), "exec")
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(code, namespace)
            done.append(Run(block, out.getvalue()))
    finally:
        os.chdir(before)
    return done


def run_shell(code):
    """Run commands of a shell, which ends at the first that fails; return what they print."""
    aecore = f'aecore() {{ {shlex.quote(sys.executable)} -m aecore "$@"; }}'
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        ["sh", "-e"], input=f"{aecore}\n{code}", env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode} of\n{code}{done.stderr}")
    return done.stdout


def renew(page):
    """Put what a page's code prints and draws where the page shows it."""
    with tempfile.TemporaryDirectory() as folder:
        text = page.read_text()
        for block, printed in reversed(run(page, folder)):
            if block["printed"] is not None:
                start, end = block.span("printed")
                text = text[:start] + printed + text[end:]
        page.write_text(text)
        for name in PICTURE.findall(text):
            if os.path.exists(os.path.join(folder, name)):
                store(os.path.join(folder, name), DOCS / "images" / name)


def store(path, target):
    """Copy a picture; a large one in 256 colours, which takes a third of the bytes."""
    shutil.copyfile(path, target)
    if os.path.getsize(path) > LARGE:
        from PIL import Image

        few = Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(target, optimize=True)


if __name__ == "__main__":
    for page in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        print(page)
        renew(page)
