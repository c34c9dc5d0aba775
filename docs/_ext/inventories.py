"""Where names of other libraries are explained: small inventories for intersphinx, kept here.

The whole inventories would have to be fetched at each build, and are a thousand times as large.
`_inventories/*.txt` has the names that docstrings and pages use, a line each as in Sphinx's format:
name, domain:role, and where it is explained below the address in the file's first line. A ``$`` at
the end stands for the name.
"""

import inspect
import zlib

from numpydoc.xref import DEFAULT_LINKS

HEADER = "# Sphinx inventory version 2\n# Project: {}\n# Version: \n# Rest: zlib\n"
FOREIGN = {
    "Axes": "matplotlib.axes.Axes",
    "DataFrame": "pandas.DataFrame",
    "Generator": "numpy.random.Generator",
    "RandomState": "numpy.random.RandomState",
    "array-like": ":term:`numpy:array_like`",
    "ndarray": "numpy.ndarray",
    "path-like": ":term:`python:path-like object`",
}
LAYERS = ("Parameter", "Module", "Linear", "Embedding", "Sequential")


def mapping(folder, build):
    """Write the inventories as intersphinx reads them; return what it needs to find them."""
    found = {}
    build.mkdir(exist_ok=True)
    for path in sorted(folder.glob("*.txt")):
        address, *lines = path.read_text().splitlines()
        entries = []
        for line in filter(None, lines):
            # a glossary's term may have spaces
            name, role, where = line.rsplit(maxsplit=2)
            entries.append(f"{name} {role} 1 {where} -\n")
        target = build / f"{path.stem}.inv"
        target.write_bytes(
            HEADER.format(path.stem).encode() + zlib.compress("".join(entries).encode())
        )
        found[path.stem] = (address, str(target))
    return found


def aliases(package):
    """Return what a word in the type of a parameter links to."""
    DEFAULT_LINKS.clear()  # int, None and the like are clear without a link
    ours = {
        name: f"{package.__name__}.{name}"
        for name in package.__all__
        if inspect.isclass(getattr(package, name))
    }
    layers = {name: f"aecore.nn.{name}" for name in LAYERS if hasattr(package.nn, name)}
    return FOREIGN | layers | ours
