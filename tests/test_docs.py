"""The pages: their code runs, prints what they say and draws what they show; none is left out."""

import importlib.util
import re
from pathlib import Path

import aecore as ae
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
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
NUMBER = re.compile(r"\d+\.\d+(?:e[-+]?\d+)?")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def check_printed(printed, shown):
    """Words and whole numbers are those of the page; what has a decimal point is near."""
    words = [re.sub(r"\s+", " ", NUMBER.sub("#", text)).strip() for text in (printed, shown)]
    assert words[0] == words[1]
    found, wanted = (list(map(float, NUMBER.findall(text))) for text in (printed, shown))
    np.testing.assert_allclose(found, wanted, rtol=0.2, atol=0.02)


def small_images():
    """Digits of 28 x 28 pixels in the form of MNIST, that need no download."""
    images, labels, test_images, test_labels = ae.datasets.load_digits()
    large = (np.pad(np.kron(x, np.ones((1, 3, 3, 1), np.uint8)), ((0, 0), (2, 2), (2, 2), (0, 0)))
             for x in (images[:1000], test_images[:300]))  # fmt: skip
    return next(large), labels[:1000], next(large), test_labels[:300]


def small_sequences():
    """Waves in the form of ECG5000."""
    t = np.linspace(0, 6, 140, dtype=np.float32)
    X = np.sin(t + np.linspace(0, 3, 500, dtype=np.float32)[:, None])[:, :, None]
    return X, np.arange(500) % 5, X[:50], np.arange(50) % 5


@pytest.mark.parametrize("name", PAGES)
def test_page(name, tmp_path, monkeypatch):
    page = PAGES[name]
    for block, printed in gallery.run(page, tmp_path):
        if block["printed"] is not None:
            check_printed(printed, block["printed"])
    drawn = {path.name for path in tmp_path.glob("*.png")}
    shown = set(gallery.PICTURE.findall(page.read_text()))
    assert drawn == shown


def test_readme(tmp_path, monkeypatch):
    monkeypatch.setattr(ae.datasets, "load_mnist", small_images)
    monkeypatch.setattr(ae.datasets, "load_ecg5000", small_sequences)
    assert len(gallery.run(ROOT / "README.md", tmp_path)) >= 3


def test_pages_have_what_they_link_to():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_pictures_are_small_and_all_shown():
    shown = set()
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        shown |= set(gallery.PICTURE.findall(page.read_text()))
    files = {path.name: path.stat().st_size for path in (ROOT / "docs" / "images").iterdir()}
    assert set(files) == shown
    assert max(files.values()) < 200_000 and sum(files.values()) < 2_000_000


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs" / "reference" / "aecore.md").read_text()
    listed = set(re.findall(r"^   (\w+)$", text, re.MULTILINE))
    assert set(ae.__all__) <= listed | modules()


def modules():
    text = (ROOT / "docs" / "reference" / "index.md").read_text()
    return set(re.findall(r"^   aecore\.(\w+)$", text, re.MULTILINE))
