"""Execute the lessons in place, each in a kernel of its own, and say how long each took.

usage: python tools/notebooks.py [FILE ...]     by default notebooks/*.ipynb; needs nbclient
"""

import base64
import io
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
LARGEST = 1 << 20  # bytes that a notebook may have, with its pictures
LARGE = 1 << 16  # of a picture that is stored in fewer colours


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
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = stored(output["data"]["image/png"])
    # What is another one on every machine says nothing.
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)


def stored(picture: str) -> str:
    """Return a large picture in 256 colours, which takes a third of the bytes."""
    if len(picture) <= LARGE:
        return picture
    from PIL import Image

    few = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    file = io.BytesIO()
    few.quantize(256, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


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
