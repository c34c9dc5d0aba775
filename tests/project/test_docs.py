"""The pages: their code runs, prints what they say and draws what they show; none is left out."""

import importlib.util
import os
import re
from functools import partial
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
MEASURED = {  # by scripts of reproductions, by bench, and by tools/try_explorer.py in a browser
    "compression.png",
    "cost-crowd.png",
    "cost-simulated.png",
    "cost-smallest.png",
    "cost-speedup.png",
    "g-explore.png",
    "pairs-pages.png",
}
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def check_printed(printed, shown):
    """Words and whole numbers are those of the page; what has a decimal point is near."""
    words = [re.sub(r"\s+", " ", NUMBER.sub("#", text)).strip() for text in (printed, shown)]
    assert words[0] == words[1]
    found, wanted = (list(map(float, NUMBER.findall(text))) for text in (printed, shown))
    np.testing.assert_allclose(found, wanted, rtol=0.2, atol=0.02)


def small_images():
    """Digits in the form of MNIST."""
    images, labels, *_ = ae.datasets.load_digits()
    large = np.kron(images[:600], np.ones((1, 3, 3, 1), np.uint8))
    large = np.pad(large, ((0, 0), (2, 2), (2, 2), (0, 0)))
    return large[:500], labels[:500], large[500:], labels[500:600]


def small_sequences():
    """Waves in the form of ECG5000."""
    t = np.linspace(0, 6, 140, dtype=np.float32)
    X = np.sin(t + np.linspace(0, 3, 120, dtype=np.float32)[:, None])[:, :, None]
    return X[:90], np.arange(90) % 5, X[90:], np.arange(30) % 5


def small_table():
    """Rows in the form of the vehicle claims."""
    X = np.zeros(400, [("age", float), ("make", "U6")])
    X["age"] = np.where(np.arange(400) % 9, np.arange(400) % 60, np.nan)
    X["make"] = np.array(["Honda", "Mazda", "Ford"])[np.arange(400) % 60 // 20]
    return X[:300], np.arange(300) % 2, X[300:], np.arange(100) % 2


STAND_INS = {
    "load_mnist": small_images,
    "load_ecg5000": small_sequences,
    "load_vehicle_claims": small_table,
}


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
    """With small data in place of what would have to be downloaded."""
    for name in vars(ae.datasets)["__all__"]:
        if name != "load_digits":
            refuse = partial(pytest.fail, f"README.md calls {name}: it needs a stand-in here")
            monkeypatch.setattr(ae.datasets, name, STAND_INS.get(name, refuse))
    assert len(gallery.run(ROOT / "README.md", tmp_path)) >= 4


def test_pages_have_what_they_link_to():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_pictures_are_small_and_all_shown():
    shown = set()
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        shown |= set(gallery.PICTURE.findall(page.read_text()))
    images = ROOT / "docs" / "images"
    light = {path.name for path in images.glob("*.*")}
    dark = {path.name for path in images.glob("dark/*.*")}
    assert light == shown and dark <= light
    sizes = [path.stat().st_size for path in images.rglob("*.*")]
    assert max(sizes) < 400_000 and sum(sizes) < 8_000_000


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
