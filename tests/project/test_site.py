"""What the site is made with: docstrings in full, its links, and lessons with their cards."""

import importlib.util
import json
import re
from pathlib import Path

import aecore as ae
import pytest

ROOT = Path(__file__).parents[2]
if not (ROOT / "docs").exists() or not (ROOT / "tools").exists():
    pytest.skip("the pages aren't part of this copy of the sources", allow_module_level=True)


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


docstrings = load(ROOT / "docs" / "_ext" / "docstrings.py")
check_site = load(ROOT / "tools" / "check_site.py")


def shown(obj, name=""):
    """The docstring of a class or function as the reference has it."""
    lines = (ae_doc := docstrings.inspect.getdoc(obj)).split("\n")
    docstrings.complete(None, "class", name, obj, {}, lines)
    assert len(lines) >= len(ae_doc.split("\n"))
    return "\n".join(lines)


def test_what_is_as_in_another_docstring_is_put_in():
    said = docstrings.entries(shown(ae.Autoencoder.partial_fit), "Parameters")[0]
    assert {"X", "y", "target", "comm"} <= {
        n for head, _ in said for n in docstrings.names_of(head)
    }
    assert all("As in" not in body for _, body in said)
    theirs = dict(docstrings.entries(shown(ae.Autoencoder.fit), "Parameters")[0])
    assert all(body in theirs.values() for _, body in said) and len(said) > 4


def test_as_in_means_a_method_of_the_class_that_inherits():
    text = shown(ae.VAE.elbo, "aecore.VAE.elbo")  # says "As in `score_samples`", which others have
    assert "As in" in docstrings.inspect.getdoc(ae.VAE.elbo) and "As in" not in text
    assert {"X", "y", "target", "sample_mask", "n_samples"} <= {
        n
        for head, _ in docstrings.entries(text, "Parameters")[0]
        for n in docstrings.names_of(head)
    }


def test_as_in_stays_where_the_other_docstring_does_not_have_the_name():
    def fit(X):
        """Learn.

        Parameters
        ----------
        Z : array
            As in `Autoencoder`.
        """

    fit.__module__ = ae.__name__
    assert "As in `Autoencoder`" in shown(fit)


def test_defaults_are_named():
    heads = [head for head, _ in docstrings.entries(shown(ae.Autoencoder), "Parameters")[0]]
    assert "latent_dim : int, default 32" in heads
    assert "learning_rate : float, default 0.001" in heads
    assert docstrings.inspect.getdoc(ae.Autoencoder).count("default 32") == 0


def test_the_rest_of_a_docstring_is_kept():
    text, given = shown(ae.VAE), docstrings.inspect.getdoc(ae.VAE)
    for title in ("Attributes\n---", "References\n---", "Examples\n---"):
        assert (title in text) == (title in given)
    assert text.split("Parameters\n---")[0] == given.split("Parameters\n---")[0]


def site(folder, **pages):
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(f"<html><body>{body}</body></html>")
    return check_site.check(folder)


def test_links_that_lead_somewhere(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    wrong, external = site(
        tmp_path,
        one='<h1 id="top-of-it">1</h1><a href="two.html#there">2</a><img src="a.png">',
        two='<a id="there" href="#">2</a><a href="https://numpy.org/doc/#x">x</a><a href="#there">',
    )
    assert wrong == [] and list(external) == ["https://numpy.org/doc/"]
    assert check_site.main([str(tmp_path)]) == 0


@pytest.mark.parametrize(
    "link, fault",
    [
        ("three.html", "doesn't exist"),
        ("two.html#elsewhere", "no such anchor"),
        ("#elsewhere", "no such anchor"),
        ("a.png", "doesn't exist"),
        ("http://numpy.org", "whole address"),
        ("https://numpy", "whole address"),
    ],
)
def test_links_that_lead_nowhere(link, fault, tmp_path):
    wrong, _ = site(tmp_path, one=f'<a href="{link}">x</a>', two='<p id="there">2</p>')
    assert len(wrong) == 1 and wrong[0].startswith("one.html") and fault in wrong[0]
    assert check_site.main([str(tmp_path)]) == 1


def test_lessons_have_a_card_and_a_picture():
    pytest.importorskip("sphinx")
    lessons = load(ROOT / "docs" / "_ext" / "lessons.py")
    notebooks = {path.stem: json.loads(path.read_text()) for path in lessons.SOURCE.glob("*.ipynb")}
    rows = lessons.ROW.findall((lessons.SOURCE / "README.md").read_text())
    assert [name for name, *_ in rows] == sorted(notebooks)
    assert set(lessons.THUMBNAILS) <= set(notebooks)
    for name, notebook in notebooks.items():
        assert lessons.thumbnail(name, notebook).startswith(b"\x89PNG")


def test_lessons_find_their_data_in_colab():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        first = "".join(cells[1]["source"])
        assert 'if "google.colab" in sys.modules' in first and "_data.py" in first
        assert cells[1]["metadata"]["tags"] == ["remove-cell"] and cells[1]["outputs"] == []
        assert re.match(r"# \d+\. ", "".join(cells[0]["source"]))


def test_the_gallery_shows_all_that_plot_draws():
    text = (ROOT / "docs" / "gallery.md").read_text()
    assert set(re.findall(r"ae\.plot\.(\w+)", text)) == set(ae.plot.__all__)


def test_pictures_are_as_wide_as_they_were_drawn(tmp_path):
    pytest.importorskip("sphinx")
    image = pytest.importorskip("PIL.Image")
    pictures = load(ROOT / "docs" / "_ext" / "pictures.py")
    image.new("L", (480, 10)).save(tmp_path / "known.png", dpi=(240, 240))
    image.new("L", (480, 10)).save(tmp_path / "unknown.png")
    assert pictures.width_of(tmp_path / "known.png") == 240  # two inches of 120 pixels
    assert pictures.width_of(tmp_path / "unknown.png") is None
    assert pictures.width_of(tmp_path / "missing.png") is None


def test_dark_twins_are_found(tmp_path):
    pytest.importorskip("sphinx")
    pictures = load(ROOT / "docs" / "_ext" / "pictures.py")
    (tmp_path / "dark").mkdir()
    for name in ("a.png", "dark/a.png", "b.svg", "dark/b.svg", "c.png"):
        (tmp_path / name).write_bytes(b"")
    found = [pictures.twin_of(tmp_path / name) for name in ("a.png", "b.svg", "c.png")]
    assert found == ["dark/a.png", "dark/b.svg", None]
