"""A file imports only from rooms below its own, and no circle of imports closes.

Imports inside functions count, and between rooms those for type checkers do too. `ROOMS` is the
list of CONTRIBUTING.md, from the bottom up.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import aecore
import pytest

ROOT = Path(aecore.__file__).parent
ROOMS = [
    {"_core"},
    {"_load"},
    {"base"},
    {"functional"},
    {"nn"},
    {"data"},
    {"arch", "losses", "penalties", "divergences", "flows", "priors"},
    {"training"},
    {"files"},
    {"models"},
    {"files.load"},
    {"exchange", "compression", "metrics", "datasets", "distributed", "pretrained"},
    {"plot"},
    {"callbacks", "profiling", "tuning"},
    {""},  # the package itself, what `import aecore` gives
    {"_bench", "demo"},
    {"cli"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}


def modules(root: Path) -> dict[str, Path]:
    """Return the package's files by the names of modules, without the package's own."""
    found = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    return module if module in LEVEL else module.partition(".")[0]


def imports(module: str, path: Path, known: set[str]) -> list[tuple[int, str, bool]]:
    """Return the line, the module and whether it is for type checkers, of each import."""
    tree = ast.parse(path.read_text())
    typing = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    package = [part for part in package if part]
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            base = package[: len(package) - node.level + 1]
        elif (node.module or "").split(".")[0] == "aecore":
            base = []
        else:
            continue
        inside = (node.module or "").removeprefix("aecore").strip(".")
        base = [*base, *filter(None, inside.split("."))]
        for alias in node.names:
            name = ".".join([*base, alias.name])
            target = name if name in known else ".".join(base)
            found.append((node.lineno, target, id(node) in typing))
    return found


def problems(root: Path) -> list[str]:
    files = modules(root)
    known, graph, found = {*files, "_core"}, {}, []
    for module, path in files.items():
        graph[module] = set()
        for line, target, typing in imports(module, path, known):
            if not typing and target not in (module, ""):
                graph[module].add(target)
            if LEVEL[room(target)] > LEVEL[room(module)]:
                found.append(f"{path.relative_to(root)}:{line} imports upward, from {target}")
            elif LEVEL[room(target)] == LEVEL[room(module)] and room(target) != room(module):
                found.append(f"{path.relative_to(root)}:{line} imports from beside, {target}")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append("a circle: " + " -> ".join(reversed(error.args[1])))
    return found


def test_every_file_has_a_room():
    assert {room(module) for module in modules(ROOT)} <= set(LEVEL)


def test_imports_go_down():
    assert problems(ROOT) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"nn/tape.py": "from ..models import VAE"}, "nn/tape.py:1 imports upward, from models"),
        ({"nn/tape.py": "def f():\n    from ..files import load"}, "nn/tape.py:2 imports upward"),
        ({"nn/tape.py": "from aecore.data import arrays"}, "nn/tape.py:1 imports upward"),
        (
            {"penalties.py": "from .losses import Loss"},
            "imports from beside, losses",
        ),
        ({"nn/a.py": "from . import b", "nn/b.py": "from .a import c"}, "a circle: "),
        ({"nn/a.py": "from ..base import checks\nfrom .. import _core"}, None),
    ],
)
def test_it_would_be_found(tmp_path, files, expected):
    for name in ("__init__.py", "models/__init__.py", "files/__init__.py", "files/load.py"):
        files = files | {name: ""}
    for name in ("data/__init__.py", "data/arrays.py", "losses/__init__.py", "base/__init__.py"):
        files = files | {name: ""}
    files |= {"nn/__init__.py": "", "base/checks.py": ""}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = problems(tmp_path)
    assert not found if expected is None else found and expected in found[0]
