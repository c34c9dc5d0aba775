"""Run the code of the pages in docs, and put what it prints and draws where they show it.

A page's ``python`` blocks run one after another in one namespace, in an empty folder; between them
run its ``sh`` blocks with a line that begins with ``aecore``. A ``text`` block right behind one is
what it prints. A picture ``images/NAME`` that the page shows is the file NAME that its code saves.
Code in ``py`` blocks is shown and not run, for instance other libraries'.

Pages that draw run twice, in tools/light.mplstyle and in tools/dark.mplstyle. What is drawn in the
latter goes to ``images/dark/NAME``, which the site shows to readers of dark pages.

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

STYLES = Path(__file__).resolve().parent
DOCS = STYLES.parent / "docs"
LARGE = 40_000  # bytes of a picture
LARGEST = 80_000  # bytes, above which it has fewer colours still
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


@contextlib.contextmanager
def theme(name):
    """Have matplotlib draw in one of the styles beside this file, in a shell's commands too."""
    from matplotlib import style

    path = STYLES / f"{name}.mplstyle"
    before = os.environ.get("MATPLOTLIBRC")
    os.environ["MATPLOTLIBRC"] = str(path)
    try:
        with style.context(path):
            yield
    finally:
        del os.environ["MATPLOTLIBRC"]
        if before is not None:
            os.environ["MATPLOTLIBRC"] = before


def renew(page):
    """Put what a page's code prints and draws where the page shows it."""
    with tempfile.TemporaryDirectory() as light, tempfile.TemporaryDirectory() as dark:
        text = page.read_text()
        with theme("light"):
            done = run(page, light)
        for block, printed in reversed(done):
            if block["printed"] is not None:
                start, end = block.span("printed")
                text = text[:start] + printed + text[end:]
        page.write_text(text)
        drawn = [name for name in PICTURE.findall(text) if os.path.exists(Path(light, name))]
        if drawn:
            with theme("dark"):
                run(page, dark)
        for name in dict.fromkeys(drawn):
            keep(Path(light, name), Path(dark, name), DOCS / "images" / name)


def keep(light, dark, target):
    """Store a picture, and below it the dark one where that is another."""
    store(light, target)
    twin = target.parent / "dark" / target.name
    if dark.read_bytes() == light.read_bytes():
        twin.unlink(missing_ok=True)
    else:
        twin.parent.mkdir(exist_ok=True)
        store(dark, twin)


def store(path, target):
    """Copy a picture; a large one in few colours, which takes a third of the bytes or less."""
    shutil.copyfile(path, target)
    for most, colours in (LARGE, 256), (LARGEST, 128):
        if os.path.getsize(target) > most:
            from PIL import Image

            full = Image.open(path)
            few = full.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
            # The resolution says how large a picture is to be shown.
            resolution = {"dpi": full.info["dpi"]} if "dpi" in full.info else {}
            few.save(target, optimize=True, **resolution)


if __name__ == "__main__":
    for page in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        print(page, flush=True)
        renew(page)
