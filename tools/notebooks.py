"""Execute the lessons in place, each in a kernel of its own, and say how long each took.

usage: python tools/notebooks.py [FILE ...]     by default notebooks/*.ipynb; needs nbclient
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
LARGEST = 1 << 20  # bytes that a notebook may have, with its pictures


def execute(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
    )
    client.execute(cwd=str(path.parent))
    # What is another one on every machine says nothing.
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)


def main(paths: list[Path]) -> None:
    for path in paths:
        start = time.perf_counter()
        execute(path)
        size, seconds = path.stat().st_size, time.perf_counter() - start
        print(f"{path.name:32} {seconds:6.1f} s {size / 1024:6.0f} kB", flush=True)
        if size > LARGEST:
            sys.exit(f"{path.name}: expected at most {LARGEST} bytes, got {size}")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")))
