"""The demo: that everything is there, and that what its page says is what was done."""

import html
import io
import re
import struct

import aecore as ae
import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

from aecore import demo  # noqa: E402
from aecore.demo import chapters, page, recipes, scores, training  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run it once, quickly."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    assert demo.run("digits", out, seed=3, quick=True) == out / "report.html"
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
    sources = re.findall(r'src="(.*?)"', report)
    assert len(sources) == len(names())
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert str(folder) not in report
    for target in re.findall(r'href="#(.*?)"', report):
        assert f'id="{target}"' in report
    assert "prefers-color-scheme: dark" in report and 'name="viewport"' in report


def test_the_page_explains_every_picture_in_two_sentences(report):
    for chapter in chapters.CHAPTERS:
        assert f'id="{chapter.name}"' in report
        for picture in chapter.pictures:
            text = picture.text.format(thing="digit")
            assert html.escape(text) in report
            assert len(re.findall(r"[.?](?= |$)", text)) == 2, text


def test_the_page_closes_its_tags(report):
    body = re.sub(r'src="data:[^"]*"', "", report)
    for tag in ("main", "header", "section", "figure", "figcaption", "pre", "code", "table", "p"):
        assert len(re.findall(f"<{tag}[ >]", body)) == body.count(f"</{tag}>") > 0, tag


def test_the_code_on_the_page_makes_its_pictures(folder, report, one_thread):
    """Paste it all, in order: the same bytes come out."""
    scope, figures = {}, []
    for code in re.findall(r"<pre><code>(.*?)</code></pre>", report, re.DOTALL):
        exec(html.unescape(code), scope)
        if "load_digits" in code:  # all but the samples that a quick run leaves out
            for name in ("X_train", "y_train", "X_test", "y_test"):
                scope[name] = scope[name][: recipes.RECIPES["digits"].quick]
        if "figure" in scope:
            figures.append(png_bytes(scope.pop("figure")))
    written = [file.read_bytes() for file in sorted(folder.glob("*.png"))]
    assert [a == b for a, b in zip(figures, written, strict=True)] == [True] * len(names())


def test_the_table_is_narrow_enough_for_a_terminal(capsys, tmp_path, folder, report):
    row = scores.Row("denoiser", "Denoising AE", "128 numbers + class", 0.0123, 1234.0, 99.9, 512.3)
    text = scores.as_text([row, scores.Row("", "PCA", "16 numbers", 0.5, clustering=1.0)])
    assert max(map(len, text.splitlines())) <= 88
    lines = text.splitlines()
    assert lines[0].split("  ")[0] == "" and lines[0].endswith("k-means")
    assert lines[2].split() == "Denoising AE 128 numbers + class 0.0123 1234 99.9 512".split()
    assert lines[3].startswith("  PCA") and lines[3].endswith("100%")
    assert len(lines[3]) == len(lines[0]), "columns are aligned"


@pytest.mark.parametrize(
    "value, text", [(None, ""), (0.0, "0.00"), (3.14159, "3.14"), (27.83, "27.8"), (1234.5, "1234")]
)
def test_figures_have_three_digits(value, text):
    assert scores._number(value) == text


@pytest.mark.parametrize("name", list(recipes.RECIPES))
def test_every_recipe_trains_the_same_models(name):
    plans = recipes.RECIPES[name].plans(5)
    assert list(plans) == list(scores.TITLES) == [c.name for c in chapters.CHAPTERS]
    for plan in plans.values():
        assert plan.model.random_state == 5 and plan.cost > 0
        short = plan.shortened()
        assert 1 <= short.model.epochs < plan.model.epochs or plan.model.epochs == 1
        assert plan.model.schedule is not None, "the plan itself is as it was"
    assert set(recipes.RECIPES[name].notes) <= set(names())


@pytest.mark.parametrize("name", list(recipes.RECIPES))
def test_models_are_written_as_one_would_make_them(name):
    for variable, plan in recipes.RECIPES[name].plans(0).items():
        code = page.construction(variable, plan.model)
        assert max(map(len, code.splitlines())) <= 88
        scope = {"ae": ae}
        exec(code, scope)
        assert type(scope[variable]) is type(plan.model)
        assert repr(scope[variable]) == repr(plan.model)


def test_code_of_a_function():
    assert chapters.code_of(chapters._vae_training, result="figure") == (
        "figure = ae.plot.history(vae)"
    )
    assert chapters.code_of(recipes._load_digits) == (
        "X_train, y_train, X_test, y_test = ae.datasets.load_digits()"
    )


class Perfect:
    """Its code is the sample."""

    corruption = None

    def transform(self, X, y=None):
        return scores.flatten(X)

    def reconstruct(self, X, y=None):
        return scores.unit(X)

    def get_feature_names_out(self):
        return list(range(64))


def digits():
    X, y, X_test, y_test = ae.datasets.load_digits()
    return {"X_train": X, "y_train": y, "X_test": X_test, "y_test": y_test}


def test_judging_a_perfect_model():
    judge = scores.Evaluator(digits(), 64)
    row = judge.model("vae", Perfect())
    assert row.error == 0 and row.recon is None and row.perplexity is None
    assert row.code == "64 numbers"
    assert row.clustering == pytest.approx(judge.pictures().clustering, abs=0.02)
    assert judge.pca(Perfect()).error < 1e-10


def test_pca_is_the_optimum():
    data = digits()
    pca = scores.PrincipalComponents(data["X_train"], 16)
    flat = scores.flatten(data["X_train"]).astype(np.float64)
    left = np.linalg.svd(flat - flat.mean(0), compute_uv=False)[8:]
    error = np.square(pca.rebuild(data["X_train"], 8).reshape(flat.shape) - flat).sum()
    assert error == pytest.approx((left**2).sum(), rel=1e-3)


def test_noise_is_that_of_training():
    X = np.full((50, 8, 8, 1), 255, np.uint8)
    model = ae.Autoencoder(corruption=ae.GaussianNoise(0.25))
    noise = scores.corrupted(model, X) - 1
    assert noise.std() == pytest.approx(0.25, rel=0.05) and abs(noise.mean()) < 0.02
    assert scores.corrupted(ae.Autoencoder(), X) is X


def test_the_bar_ends_full_and_says_what_is_done(capsys):
    plans = {"vae": recipes.Plan("VAE", ae.VAE(epochs=10), 0.1)}
    with training.Stages(plans) as stages:
        stages.begin("training: VAE")
        for _ in range(20):  # more than planned
            stages.advance(0.1, "loss 1.5")
        stages.begin("measuring")
        stages.advance(100.0)
    shown = capsys.readouterr().err
    assert "done" in shown and "100%" in shown and "101%" not in shown


def test_the_bar_of_a_failed_run_does_not_claim_to_be_done(capsys):
    plans = {"vae": recipes.Plan("VAE", ae.VAE(epochs=10), 0.1)}
    with pytest.raises(RuntimeError), training.Stages(plans) as stages:
        stages.begin("training: VAE")
        raise RuntimeError
    assert "done" not in capsys.readouterr().err
