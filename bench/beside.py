"""A section's table as docs/performance.md has it, with the page's own figures in brackets."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SECTIONS = ("train", "memory", "encode")  # whose tables have a row for each name


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("**", "") for cell in line.strip().strip("|").split("|")]


def _columns(header: list[str]) -> list[tuple[str, int]]:
    """Return each name with how often it came before: there may be several ratios."""
    return [(name, header[:i].count(name)) for i, name in enumerate(header)]


def merged(here: str, page: str, names: int) -> list[list[str]]:
    """Return cells of a table, with another's in brackets; so many columns name a row."""
    new, old = (
        [_cells(line) for line in text.splitlines() if line.startswith("|")]
        for text in (here, page)
    )
    (header, _, *rows), old = new, old or [[]]
    known = {
        (*row[:names], column): cell
        for row in old[2:]
        for column, cell in zip(_columns(old[0]), row, strict=True)
    }
    merge = [header]
    for row in rows:
        cells = row[:names]
        for column, cell in zip(_columns(header)[names:], row[names:], strict=True):
            other = known.get((*row[:names], column))
            cells.append(f"{cell} [{other}]" if cell and other else cell)
        merge.append(cells)
    return merge


def report(found: dict[str, Any], tables: Path = ROOT / "bench/tables") -> str:
    """Return the tables of what was measured, or "" if none of these sections was."""
    spec = importlib.util.spec_from_file_location("tables", ROOT / "tools/tables.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    lines = []
    for section in SECTIONS:
        if section not in found:
            continue
        page = (tables / f"{section}.md").read_text()
        rows = merged(tool.SECTIONS[section](found[section]), page, 3 if section == "encode" else 1)
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines += ["", section]
        lines += [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
    if lines:
        place = (tables / "machine.md").read_text().strip()
        lines[:0] = ["", "Here, and [on docs/performance.md]:", f"[{place}]"]
    return "\n".join(lines)
