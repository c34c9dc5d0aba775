"""Bring README.md up to date: between <!-- FILE --> and <!-- end --> stands that file's text."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

readme = ROOT / "README.md"
text = readme.read_text()
readme.write_text(BLOCK.sub(lambda m: f"{m[1]}{(ROOT / m[2]).read_text().rstrip()}\n{m[3]}", text))
