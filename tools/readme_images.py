"""Draw README.md's pictures: run its Python blocks, and save what the last line of each gives.

A block's picture is the next one that stands behind it, a file of docs/images; a block that isn't
followed by one prepares what those behind it use. Data sets aren't
downloaded: all that the blocks need comes with aecore and with ``pip install '.[demo]'``.

    python tools/readme_images.py            # run the blocks and draw
    python tools/readme_images.py --check    # run the blocks
"""

import argparse
import ast
import os
import re
import tempfile
from pathlib import Path

import gallery

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
BLOCK = re.compile(r"^```python\n(.*?)^```$(.*?)(?=^```|\Z)", re.M | re.S)
PICTURE = re.compile(r"/docs/images/(readme-[\w-]+\.png)")


def blocks(text):
    """Return the code of each block, and the name of its picture or None."""
    behind = [(code, PICTURE.search(after)) for code, after in BLOCK.findall(text)]
    return [(code, match and match[1]) for code, match in behind]


def value_of(code, namespace, again=False):
    """Run a block, or its last line again; return that line's value, as a notebook does."""
    *body, last = ast.parse(code).body
    if not again:
        exec(compile(ast.Module(body, []), "README.md", "exec"), namespace)
    if not isinstance(last, ast.Expr):
        raise ValueError(f"README.md: expected an expression that draws, got {ast.unparse(last)}")
    return eval(compile(ast.Expression(last.value), "README.md", "eval"), namespace)


def save(drawn, path):
    """Write a figure, scikit-learn's display of one, or an image in numbers from 0 to 1."""
    figure = getattr(drawn, "figure_", drawn)
    if hasattr(figure, "savefig"):
        figure.savefig(path, bbox_inches="tight", metadata={"Software": None})
        return
    import numpy as np
    from PIL import Image

    Image.fromarray(np.rint(np.clip(drawn, 0, 1) * 255).astype(np.uint8)).save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="run the blocks, and draw nothing")
    check = parser.parse_args().check
    namespace = {"__name__": "__main__"}
    found = blocks((ROOT / "README.md").read_text())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for code, name in found:
            if name is None:
                exec(code, namespace)
                continue
            for look in ("light",) if check else ("light", "dark"):
                with gallery.theme(look):
                    drawn = value_of(code, namespace, again=look == "dark")
                    print(look, name, flush=True)
                    if not check:
                        save(drawn, f"{look}.png")
            if not check:
                gallery.keep(Path("light.png"), Path("dark.png"), IMAGES / name)


if __name__ == "__main__":
    main()
