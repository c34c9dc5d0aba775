"""The pages: their code runs, prints what they say and draws what they show; none is left out."""

import importlib.util
import os
import re
from pathlib import Path

import aecore as ae
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
if not (ROOT / "docs").exists() or not (ROOT / "tools").exists():
    pytest.skip("the pages aren't part of this copy of the sources", allow_module_level=True)
pytest.importorskip("matplotlib").use("agg")


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gallery = load(ROOT / "tools" / "gallery.py")
PAGES = {str(page.relative_to(ROOT)): page for page in gallery.pages()}
MEASURED = {  # by scripts of reproductions, bench and tools; or drawn by hand
    "choosing.svg",
    "compression.png",
    "cost-crowd.png",
    "cost-simulated.png",
    "cost-smallest.png",
    "cost-speedup.png",
    "g-explore.png",
    "pairs-pages.png",
    "speed.svg",
}
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def check_printed(printed, shown):
    """Words and whole numbers are those of the page; what has a decimal point is near."""
    words = [re.sub(r"\s+", " ", NUMBER.sub("#", text)).strip() for text in (printed, shown)]
    assert words[0] == words[1]
    found, wanted = (list(map(float, NUMBER.findall(text))) for text in (printed, shown))
    np.testing.assert_allclose(found, wanted, rtol=0.2, atol=0.02)


@pytest.mark.parametrize("name", PAGES)
def test_page(name, tmp_path):
    page = PAGES[name]
    for block, printed in gallery.run(page, tmp_path):
        if block["printed"] is not None:
            check_printed(printed, block["printed"])
    drawn = {path.name for path in tmp_path.glob("*.png")}
    shown = set(gallery.PICTURE.findall(page.read_text()))
    assert drawn == shown - MEASURED


def test_readme(tmp_path, monkeypatch):
    """Its blocks run without a download, and each ends with what draws the picture behind it."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "tools")  # of gallery, which it imports
    images = load(ROOT / "tools" / "readme_images.py")
    namespace = {"__name__": "__main__"}
    found = images.blocks((ROOT / "README.md").read_text())
    drawn = [name for _, name in found if name]
    assert len(drawn) >= 8 and len(set(drawn)) == len(drawn)
    for code, name in found:
        if name is None:
            exec(code, namespace)
            continue
        assert (ROOT / "docs" / "images" / name).exists()
        images.save(images.value_of(code, namespace), tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5000


def test_readme_links_to_what_is_there():
    """Its links are absolute, as it is shown on other sites too."""
    text = (ROOT / "README.md").read_text()
    code = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", code) + re.findall(r'(?:src|srcset)="([^"]+)"', code)
    headings = re.findall(r"^#+ (.+)$", code, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings}
    ours = re.compile(r"https://(?:github\.com|raw\.githubusercontent\.com)/aecore/aecore/"
                      r"(?:(?:blob|tree)/)?main/([^#]*)")  # fmt: skip
    files = 0
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in anchors, target
            continue
        assert target.startswith("https://"), target
        if match := ours.match(target):
            files += 1
            assert (ROOT / match[1]).exists(), target
    assert files > 20


def test_pages_have_what_they_link_to():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_pictures_are_small_and_all_shown():
    shown = set()
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        shown |= set(gallery.PICTURE.findall(page.read_text()))
    readme = (ROOT / "README.md").read_text()
    shown |= set(re.findall(r"/docs/images/([\w-]+\.\w+)", readme))
    images = ROOT / "docs" / "images"
    light = {path.name for path in images.glob("*.*")}
    dark = {path.name for path in images.glob("dark/*.*")}
    assert light == shown and dark <= light
    sizes = [path.stat().st_size for path in images.rglob("*.*")]
    assert max(sizes) < 400_000 and sum(sizes) < 9_000_000


def test_every_public_name_is_in_the_reference():
    text = "\n".join(page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md"))
    names = re.findall(r"^   ~?aecore\.([\w.]+)$", text, re.MULTILINE)
    assert set(ae.__all__) <= set(names)
    assert len(names) == len(set(names)), "each name has one place"


PAGE = """# Page

```py
this isn't run
```

```python
a = 1
print("a is", a + 0.25)
```

```text
```

```python
assert a == 1  # in the same namespace
import matplotlib
from matplotlib.figure import Figure

for name, colour in (("drawn.png", None), ("same.png", "red")):
    figure = Figure((1, 1), facecolor=colour)
    figure.savefig(name, facecolor="auto" if colour is None else colour)
```

![What was drawn](images/drawn.png)

![What doesn't depend on the theme](images/same.png)
"""


def test_gallery_puts_in_what_code_prints_and_draws(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    monkeypatch.setattr(gallery, "DOCS", tmp_path)
    assert gallery.pages() == [page]
    gallery.renew(page)
    assert "```text\na is 1.25\n```\n" in page.read_text()
    images = tmp_path / "images"
    drawn = sorted(str(path.relative_to(images)) for path in images.rglob("*.png"))
    assert drawn == ["dark/drawn.png", "drawn.png", "same.png"]
    once = page.read_text()
    gallery.renew(page)
    assert page.read_text() == once


def test_gallery_draws_in_light_and_dark_for_sharp_screens(tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "images").mkdir()
    (tmp_path / "page.md").write_text(PAGE)
    monkeypatch.setattr(gallery, "DOCS", tmp_path)
    monkeypatch.delenv("MATPLOTLIBRC", raising=False)
    gallery.renew(tmp_path / "page.md")
    for name, colour in (("drawn.png", (255, 255, 255)), ("dark/drawn.png", (19, 20, 22))):
        picture = image.open(tmp_path / "images" / name)
        assert picture.size == (240, 240) and round(picture.info["dpi"][0]) == 240
        assert picture.convert("RGB").getpixel((0, 0)) == colour
    assert "MATPLOTLIBRC" not in os.environ


def test_gallery_stores_large_pictures_in_few_colours(tmp_path):
    image = pytest.importorskip("PIL.Image")
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    for name, pixels in (("large.png", noise), ("small.png", noise[:20, :20])):
        image.fromarray(pixels).save(tmp_path / name, dpi=(240, 240))
        gallery.store(tmp_path / name, tmp_path / "stored.png")
        stored = image.open(tmp_path / "stored.png")
        assert round(stored.info["dpi"][0]) == 240
        colours = len(stored.convert("RGB").getcolors(1 << 16))
        assert colours <= 256 if name == "large.png" else colours > 256


def test_errors_of_a_page_have_its_lines(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\nx = 1\nx / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        gallery.run(page, tmp_path)
    assert (caught.traceback[-1].path, caught.traceback[-1].lineno + 1) == (page, 5)


def test_what_pages_say_is_compared():
    check_printed("0.50 of  (3, 4)\n", "0.52 of (3, 4)")
    for shown in ("0.9 of (3, 4)", "0.50 of (3, 5)", "0.50 in (3, 4)", "-0.50 of (3, 4)"):
        with pytest.raises(AssertionError):
            check_printed("0.50 of (3, 4)", shown)
