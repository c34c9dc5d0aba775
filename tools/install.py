"""install.py EXTRA: install aecore[EXTRA] from this folder by pip, and say how far it is.

Run by the Python of a virtual environment. On a terminal a step's line is written anew every
second; in a file each step is one line. All that pip and the compiler say goes to
build/install.log, and its end is shown if something fails.
"""

import os
import platform
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from glob import glob
from pathlib import Path

LOG = Path("build/install.log")
SHOWN = 40  # lines of the log after a failure
STEPS = ("getting the tools to build it", "fetching what it needs", "compiling C", "installing")
# Lines of pip's with which a step begins.
BEGINS = (
    (r"Processing \S+$", 0),
    (r" *Preparing metadata .*finished", 1),
    (r" *Building wheel for aecore .*started", 2),
    (r"Installing collected packages: .*", 3),
)
PACKAGE = re.compile(
    r" *(?:Downloading|Using cached|Processing) (?:\S*/)?([\w.]+-[\w.]+?)-\S+\.whl"
)
COMPILED = re.compile(r".* -c (csrc/\S+\.c) -o ")
SOURCES = len([*glob("csrc/base/*.c"), *glob("csrc/ops/*.c"), *glob("csrc/py/*.c")])
ISAS = {"x86_64": 3, "AMD64": 3, "aarch64": 2, "arm64": 2}.get(platform.machine(), 1)


class Progress:
    """The steps on the screen, moved on by pip's lines."""

    def __init__(self):
        self.live = sys.stdout.isatty()
        self.step, self.started, self.detail, self.done = -1, 0.0, "", []
        self.shown = ""

    def read(self, line):
        """Take note of a line of pip's."""
        begun = next((step for form, step in BEGINS if re.match(form, line)), -1)
        if begun > self.step:
            self.end()
            self.step, self.started, self.detail, self.done = begun, time.monotonic(), "", []
            if not self.live:
                print(f"  {self.text()} ...", end="", flush=True)
        elif found := PACKAGE.match(line) or COMPILED.match(line):
            self.done.append(found[1])
            of = f", {len(self.done)} of {SOURCES + ISAS}" if self.step == 2 else ""
            self.detail = f"{found[1]}{of}"
        self.show()

    def text(self):
        return f"{self.step + 1} of {len(STEPS)}  {STEPS[self.step]}"

    def show(self):
        """Write the line of the step anew, on a terminal."""
        if self.live and self.step >= 0:
            detail = f": {self.detail}" if self.detail else ""
            line = f"  {self.text()}{detail}, {time.monotonic() - self.started:.0f} s"
            line = line[: shutil.get_terminal_size().columns - 1]
            if line != self.shown:
                print(f"\r\x1b[K{line}", end="", flush=True)
            self.shown = line

    def end(self):
        """End the line of the step."""
        if self.step < 0:
            return
        what = {1: "package", 2: "file"}.get(self.step)
        count = f" {len(self.done)} {what}{'s' * (len(self.done) != 1)}," if what else ""
        start = f"\r\x1b[K  {self.text()} ..." if self.live else ""
        print(f"{start}{count} {time.monotonic() - self.started:.0f} s", flush=True)


def lines_of(stream):
    """Yield the stream's lines as they come, and None once a second in between."""
    lines = queue.Queue()

    def read():
        for line in stream:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=1)
        except queue.Empty:
            yield None
            continue
        if not line:
            return
        yield line


def main(extra):
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-v"),
        *("--progress-bar", "off", f".[{extra}]"),
    ]
    print(
        f"Installing aecore[{extra}] into {os.path.relpath(sys.prefix)}; the first time takes a "
        "minute or two",
        flush=True,
    )
    LOG.parent.mkdir(exist_ok=True)
    progress = Progress()
    with LOG.open("w", encoding="utf-8") as log:
        pip = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            text=True, errors="replace", env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        try:
            for line in lines_of(pip.stdout):
                if line is None:
                    progress.show()
                else:
                    log.write(line)
                    progress.read(line)
        except KeyboardInterrupt:
            pip.wait()
            sys.exit("\ninterrupted")
    progress.end()
    if pip.wait():
        said = LOG.read_text("utf-8", "replace").splitlines()[-SHOWN:]
        sys.exit("\n".join(["", *said, "", f"That was the end of {LOG}."]))


if __name__ == "__main__":
    main(sys.argv[1])
