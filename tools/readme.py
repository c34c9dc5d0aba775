"""Bring the pages up to date: between <!-- FILE --> and <!-- end --> stands that file's text."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    "docs/performance.md",
    "docs/first-weights.md",
    "docs/family/sequences.md",
    "docs/family/vqvae.md",
    "docs/reproductions.md",
    "docs/guides/cost-model.md",
    "docs/guides/large-data.md",
    "docs/guides/pairs.md",
    "docs/guides/tutorials.md",
)
BLOCK = re.compile(r"(<!-- (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def current(match: re.Match) -> str:
    return f"{match[1]}{(ROOT / match[2]).read_text().rstrip()}\n{match[3]}"


for page in PAGES:
    path = ROOT / page
    path.write_text(BLOCK.sub(current, path.read_text()))
