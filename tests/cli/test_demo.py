"""The demo: that everything is there, and that what its page says is what was done."""

import html
import io
import re
import struct
import sys
import webbrowser

import aecore as ae
import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

from aecore import demo  # noqa: E402
from aecore.demo import (  # noqa: E402
    browser,
    chapters,
    code,
    dark,
    page,
    recipes,
    scores,
    training,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run it once, quickly."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    out.mkdir(parents=True)
    (out / "03-of-an-older-version.png").touch()
    (out / "my-own.png").touch()
    assert demo.run("fashion", out, seed=3, quick=True) == out / "report.html"
    (out / "my-own.png").unlink()
    return out


@pytest.fixture(scope="module")
def report(folder):
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture
def one_thread():
    """Two that wait for each other's small parts are slower on a busy machine."""
    before = ae.get_num_threads()
    ae.set_num_threads(1)
    yield
    ae.set_num_threads(before)


def png_bytes(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def names():
    return [picture.name for chapter in chapters.CHAPTERS for picture in chapter.pictures]


def test_every_picture_is_written(folder):
    files = sorted(folder.glob("*.png"))
    assert [file.stem[3:] for file in files] == names()
    assert [int(file.stem[:2]) for file in files] == list(range(1, len(files) + 1))
    for file in files:
        content = file.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", content[16:24])
        assert width >= 400 and height >= 150
    assert len(list(folder.iterdir())) == len(files) + 1


def test_the_page_is_self_contained(folder, report):
    assert re.findall(r"<script|<link|@import|url\(|javascript:|https?:|file:", report) == []
    sources = re.findall(r'(?:src|srcset)="(.*?)"', report)
    assert len(sources) == len(set(sources)) == 2 * len(names()), "light and dark"
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert str(folder) not in report
    for target in re.findall(r'href="#(.*?)"', report):
        assert f'id="{target}"' in report
    assert "prefers-color-scheme: dark" in report and 'name="viewport"' in report


def test_the_page_explains_every_picture_in_two_sentences(report):
    for chapter in chapters.CHAPTERS:
        assert f'id="{chapter.name}"' in report
        for picture in chapter.pictures:
            text = picture.text.format(
                thing="piece of clothing", things="clothes", lost="its pattern and its cut"
            )
            assert html.escape(text) in report
            assert len(re.findall(r"[.?](?= |$)", text)) == 2, text


def test_the_page_closes_its_tags(report):
    body = re.sub(r'(src|srcset)="data:[^"]*"', "", report)
    for tag in (
        "main",
        "header",
        "div",
        "span",
        "picture",
        "table",
        "tr",
        "dl",
        "section",
        "figure",
        "figcaption",
        "pre",
        "code",
        "p",
    ):
        assert len(re.findall(f"<{tag}[ >]", body)) == body.count(f"</{tag}>") > 0, tag


def test_the_code_on_the_page_makes_its_pictures(folder, report, one_thread):
    """Paste it all, in order: the same bytes come out."""
    scope, figures = {}, []
    for shown in re.findall(r"<pre><code>(.*?)</code></pre>", report, re.DOTALL):
        exec(html.unescape(re.sub("<.*?>", "", shown)), scope)
        if "load_fashion" in shown:  # all but the samples that a quick run leaves out
            for name in ("X_train", "y_train", "X_test", "y_test"):
                scope[name] = scope[name][: recipes.RECIPES["fashion"].quick]
        if "figure" in scope:
            figures.append(png_bytes(scope.pop("figure")))
    written = [file.read_bytes() for file in sorted(folder.glob("*.png"))]
    assert [a == b for a, b in zip(figures, written, strict=True)] == [True] * len(names())


def test_the_table_is_narrow_enough_for_a_terminal():
    row = scores.Row("cvae", "Denoising AE", "10,000 numbers + class", 0.0123, 0.5, 0.999, 1.0)
    text = scores.as_text([row, scores.Row("", "raw pictures", "784 numbers", neighbours=0.25)])
    assert max(map(len, text.splitlines())) <= 90
    groups, head, rule, first, second = text.splitlines()[:5]
    assert groups.split() == "error of rebuilding class by neighbours".split()
    assert head.split() == "a code is model PCA model PCA".split()
    assert first.split() == "Denoising AE 10,000 numbers + class 0.0123 0.5000 100% 100%".split()
    assert second.split() == "raw pictures 784 numbers - - 25% -".split()
    assert len(groups) == len(head) == len(rule) == len(first) == len(second), "aligned"


@pytest.mark.parametrize("name", list(recipes.RECIPES))
def test_every_recipe_trains_the_same_models(name):
    plans = recipes.RECIPES[name].plans(5)
    assert list(plans) == list(scores.TITLES) == [c.name for c in chapters.CHAPTERS]
    for plan in plans.values():
        assert plan.model.random_state == 5 and plan.cost > 0
        short = plan.shortened()
        assert 1 <= short.model.epochs < plan.model.epochs or plan.model.epochs == 1
        assert plan.model.schedule is not None, "the plan itself is as it was"
    assert set(recipes.RECIPES[name].notes) <= {*names(), *plans}


@pytest.mark.parametrize("name", list(recipes.RECIPES))
def test_models_are_written_as_one_would_make_them(name):
    for variable, plan in recipes.RECIPES[name].plans(0).items():
        shown = page.construction(variable, plan.model)
        assert max(map(len, shown.splitlines())) <= 88
        scope = {"ae": ae}
        exec(shown, scope)
        assert type(scope[variable]) is type(plan.model)
        assert repr(scope[variable]) == repr(plan.model)


def test_code_of_a_function():
    assert chapters.code_of(chapters._vae_training, result="figure") == (
        "figure = ae.plot.history(vae)"
    )
    assert chapters.code_of(recipes._load_digits) == (
        "X_train, y_train, X_test, y_test = ae.datasets.load_digits()"
    )


@pytest.mark.parametrize("dpi", [72, 150, 300])
def test_pictures_have_their_size_in_inches_on_the_page(dpi):
    from matplotlib.figure import Figure

    figure = Figure((4, 2.5), dpi=dpi)
    assert page._size(png_bytes(figure)) == (384, 240)


def test_code_that_makes_a_figure_itself():
    found = chapters.code_of(chapters._cvae_classes, result="figure")
    assert found.startswith("from matplotlib.figure import Figure\n")
    assert "return" not in found and "figure = figure" not in found


@pytest.mark.parametrize(
    "given, marked",
    [
        ("x = 1 # <b>", 'x = <span class="n">1</span> <span class="c"># &lt;b&gt;</span>'),
        (
            "for a in 'b<':\n    f(a)\n",
            '<span class="k">for</span> a <span class="k">in</span> '
            '<span class="s">&#x27;b&lt;&#x27;</span>:\n    f(a)\n',
        ),
        (
            '"""two\nlines"""',
            '<span class="s">&quot;&quot;&quot;two\nlines&quot;&quot;&quot;</span>',
        ),
        ("(a <", "(a &lt;"),
        ("", ""),
    ],
)
def test_code_in_colours(given, marked):
    assert code.highlighted(given) == marked


class Perfect:
    """Its code is the sample."""

    corruption = None

    def transform(self, X, y=None):
        return scores.flatten(X)

    def reconstruct(self, X, y=None):
        return scores.unit(X)

    def get_feature_names_out(self):
        return list(range(64))


class Told(Perfect):
    classes_ = np.arange(10)

    def get_feature_names_out(self):
        return [0, 1]


class Words(Perfect):
    """A code of 16 words of 4 bits each, which says nothing."""

    codebook_, codebook_size = np.zeros((16, 2)), 16

    def transform(self, X, y=None):
        return np.zeros((len(X), 4, 4), np.int64)

    def get_feature_names_out(self):
        return list(range(16))


def digits():
    X, y, X_test, y_test = ae.datasets.load_digits()
    return {"X_train": X, "y_train": y, "X_test": X_test, "y_test": y_test}


def test_judging_a_perfect_model():
    judge = scores.Evaluator(digits())
    row = judge.model("vae", Perfect())
    assert row.error == 0 and row.pca_error < 1e-10
    assert row.code == "64 numbers"
    assert row.neighbours == judge.pictures().neighbours
    assert row.pca_neighbours == pytest.approx(row.neighbours, abs=0.01)


def test_like_is_compared_with_like():
    judge = scores.Evaluator(digits())
    plain = judge._error(judge._pca.rebuild(judge.X_test, 2))
    told = judge.model("cvae", Told())
    assert told.code == "2 numbers + class" and told.neighbours is told.pca_neighbours is None
    assert told.pca_error < 0.8 * plain, "its PCA is told the class too"
    words = judge.model("vqvae", Words())
    assert words.code == "16 words, 8 bytes"
    eight = judge._error(judge._pca.rebuild(judge.X_test, 8))
    assert words.pca_error == pytest.approx(eight, rel=0.01) and words.pca_error != eight
    assert words.neighbours < 0.2 < 0.8 < words.pca_neighbours
    noisy = judge.model(
        "denoiser", ae.Autoencoder(epochs=0, corruption=ae.GaussianNoise(0.3)).fit(judge.X)
    )
    assert noisy.code.startswith("(noise of 0.0") and noisy.neighbours is None
    best = min(
        judge._error(
            judge._pca.rebuild(
                scores.corrupted(ae.Autoencoder(corruption=ae.GaussianNoise(0.3)), judge.X_test), k
            )
        )
        for k in range(1, 65)
    )
    assert best <= noisy.pca_error <= 1.1 * best


def test_pca_is_the_optimum():
    data = digits()
    pca = scores.PrincipalComponents(data["X_train"])
    flat = scores.flatten(data["X_train"]).astype(np.float64)
    left = np.linalg.svd(flat - flat.mean(0), compute_uv=False)[8:]
    error = np.square(pca.rebuild(data["X_train"], 8).reshape(flat.shape) - flat).sum()
    assert error == pytest.approx((left**2).sum(), rel=1e-6)
    few = scores.PrincipalComponents(data["X_train"][:5])
    rebuilt = few.rebuild(data["X_train"][:5], 64)
    np.testing.assert_allclose(rebuilt, scores.unit(data["X_train"][:5]), atol=1e-6)


def test_components_of_large_samples(monkeypatch):
    """By iteration, they explain as much as the exact ones do."""
    X = np.random.default_rng(0).standard_normal((300, 90)) * np.linspace(1, 3, 90)
    X -= X.mean(axis=0)
    exact = scores._principal_axes(X)
    monkeypatch.setattr(scores, "EXACT", 50)
    monkeypatch.setattr(scores, "MOST", 20)
    near = scores._principal_axes(X)
    assert near.shape == (20, 90)
    np.testing.assert_allclose(near @ near.T, np.eye(20), atol=1e-10)
    np.testing.assert_allclose(
        ((X @ near.T) ** 2).sum(), ((X @ exact[:20].T) ** 2).sum(), rtol=1e-3
    )


def test_noise_is_that_of_training():
    X = np.full((50, 8, 8, 1), 255, np.uint8)
    model = ae.Autoencoder(corruption=ae.GaussianNoise(0.25))
    noise = scores.corrupted(model, X) - 1
    assert noise.std() == pytest.approx(0.25, rel=0.05) and abs(noise.mean()) < 0.02
    assert scores.corrupted(ae.Autoencoder(), X) is X


def stages_of_a_run(live):
    plans = {"vae": recipes.Plan("VAE", ae.VAE(epochs=10), 0.1)}
    with training.Stages(plans, live) as stages:
        stages.begin("training: VAE")
        for i in range(20):  # more than planned
            stages.advance(0.1, f"loss {10.0**-i:.4g}")
        stages.begin("measuring")
        stages.advance(100.0)


def test_the_bar_ends_full_and_says_what_is_done(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")
    stages_of_a_run(live=True)
    shown = capsys.readouterr().err
    assert "done" in shown and "100%" in shown and "101%" not in shown
    ends = {line.rindex("|") for line in shown.replace("\n", "\r").split("\r") if "|" in line}
    assert len(ends) == 1, "it keeps its width"


def test_a_log_has_a_line_for_each_stage(capsys):
    stages_of_a_run(live=False)
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"training: VAE \.\.\. loss 1e-19, \d+\.\d s", first)
    assert re.fullmatch(r"measuring \.\.\. \d+\.\d s", second)


@pytest.mark.parametrize("live", [True, False])
def test_the_bar_of_a_failed_run_does_not_claim_to_be_done(live, capsys):
    plans = {"vae": recipes.Plan("VAE", ae.VAE(epochs=10), 0.1)}
    with pytest.raises(RuntimeError), training.Stages(plans, live) as stages:
        stages.begin("training: VAE")
        raise RuntimeError
    shown = capsys.readouterr().err
    assert "done" not in shown and shown.endswith("\n")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    "environ, stream, platform, wanted",
    [
        ({"DISPLAY": ":0"}, Terminal(), "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, Terminal(), "linux", True),
        ({}, Terminal(), "linux", False),
        ({}, Terminal(), "darwin", True),
        ({"DISPLAY": ":0"}, io.StringIO(), "linux", False),
        ({"DISPLAY": ":0", "CI": "true"}, Terminal(), "linux", False),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "a b"}, Terminal(), "linux", False),
        ({"SSH_TTY": "/dev/pts/1"}, Terminal(), "darwin", False),
    ],
)
def test_who_is_shown_the_page(environ, stream, platform, wanted, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    assert browser.has_viewer(environ, stream) is wanted


def test_the_page_is_opened_by_its_address(monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    assert browser.show(tmp_path / "a b" / "report.html")
    assert opened == [(tmp_path / "a b" / "report.html").as_uri()]

    def without(url):
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "open", without)
    assert not browser.show(tmp_path / "report.html")


def test_what_a_run_says(monkeypatch, capsys, tmp_path):
    """Where the page is, whether it was opened, and what to do next."""
    monkeypatch.setattr(demo._run, "draw", lambda *args: {})
    monkeypatch.setattr(demo._run, "write_page", lambda *args, **options: None)
    monkeypatch.setattr(demo._run, "train", lambda *args: {})
    monkeypatch.setattr(demo._run, "measure", lambda *args: [])
    shown = []
    monkeypatch.setattr(browser, "show", lambda page: shown.append(page) or len(shown) == 1)
    monkeypatch.chdir(tmp_path)
    for open_page, said in (
        (True, "opened in a browser"),
        (True, "no browser"),
        (False, ""),
        (None, ""),
    ):
        demo.run("digits", tmp_path / "out", quick=True, open_page=open_page)
        text = capsys.readouterr().out
        assert f"    {tmp_path / 'out' / 'report.html'}\n" in text
        assert said in text and ("browser" in text) is bool(said)
    assert shown == [tmp_path / "out" / "report.html"] * 2
    assert "1 thread, as pictures this small are too little to share" in text
    assert "--help" in text and "To read" not in text
    lines = text[text.index("import aecore") :].splitlines()[:4]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/quickstart.md").touch()
    demo.run("fashion", tmp_path / "out", quick=True)
    text = capsys.readouterr().out
    assert "docs/quickstart.md" in text and "load_fashion_small()" in text
    assert "ae.datasets.load_digits()" in lines[1]


def test_what_to_do_next_can_be_pasted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = demo._run._next("fashion")
    block = re.search(r"( +import aecore.*?)\nWith", text, re.DOTALL)[1]
    assert "epochs=40" in block
    exec(re.sub(r"(?m)^ +", "", block).replace("epochs=40", "epochs=1"), {})
    assert (tmp_path / "map.png").stat().st_size > 10_000


def test_a_picture_for_dark_pages():
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    figure = Figure((3, 2), dpi=50)
    ax = figure.add_subplot()
    (line,) = ax.plot([0, 1], [0, 1], "o-", color="#333333", markerfacecolor="#333333")
    tiles = np.zeros((5, 5))
    tiles[:, 2] = 1
    image = ax.imshow(tiles, cmap="gray", extent=(0, 1, 0, 1))
    title = ax.set_title("title", color="#222222")
    png = dark.darkened(figure)
    assert png.startswith(b"\x89PNG")
    for color in (line.get_color(), line.get_markerfacecolor(), title.get_color()):
        assert min(to_rgb(color)) > 0.6, "ink is light"
    assert all(min(to_rgb(label.get_color())) > 0.6 for label in ax.get_xticklabels())
    alpha = np.asarray(image.get_array())[..., 3]
    assert (alpha[:, 2] == 0).all() and (np.delete(alpha, 2, axis=1) == 1).all(), "gaps are clear"
    assert dark._turned("none") == "none"
    blue = dark._turned("#0072b2")
    assert blue[2] > blue[1] > blue[0] and blue[:3].mean() > np.mean(to_rgb("#0072b2"))
