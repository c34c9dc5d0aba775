"""Models in a notebook: the HTML says what they are made of, and is safe whatever is in it."""

import pickle
import re
import subprocess
import sys
from html.parser import HTMLParser

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.models.base import _curve, _html


class Page(HTMLParser):
    """Reads HTML strictly: what is opened is closed, in order; keeps texts and rows of tables."""

    VOID = {"br"}

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.texts, self.rows, self.folds = [], [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "summary":
            self.folds.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.texts.append(data)
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
        if "summary" in self.open:
            self.folds[-1] += data

    @property
    def text(self):
        return "".join(self.texts)

    def values(self):
        return {row[0]: row[1] for row in self.rows if len(row) == 2}

    def layers(self):
        return [row for row in self.rows if len(row) == 3 and row[0] != "layer"]


X = np.random.default_rng(0).random((24, 12)).astype(np.float32)
LABELS = np.arange(24) % 3
SHORT = {"epochs": 1, "random_state": 0}


def test_an_unfitted_model_shows_what_was_changed():
    page = Page(ae.VAE(ae.Dense((16,)), latent_dim=4, beta=2.0)._repr_html_())
    assert page.text.startswith("VAE not fitted")
    assert page.folds[0] == "Parameters 3 changed" and "as by default" in page.folds[1]
    values = page.values()
    assert values["arch"] == "Dense(widths=(16,))" and values["beta"] == "2.0"
    # All are there, the changed ones first.
    assert set(values) == set(ae.VAE().get_params(deep=False))
    assert list(values)[:3] == ["arch", "latent_dim", "beta"]
    assert Page(ae.VAE()._repr_html_()).folds[0] == "Parameters none changed"


def test_a_fitted_model_shows_layers_with_shapes_and_parameters():
    images = X.reshape(6, 8, 6, 1)
    model = ae.VAE(ae.Conv((4,)), 3, validation_fraction=0.5, **SHORT).fit(images)
    page = Page(model._repr_html_())
    assert f"{model.n_parameters_:,} parameters · 1 epoch · loss " in page.text
    assert f"validation loss {model.history_[-1]['val_loss']:.4g}" in page.text
    assert page.folds[2].startswith("encoder 8 × 6 × 1 → 6 · ")
    assert page.folds[3].startswith("decoder 3 → 8 × 6 × 1 · ")
    layers = page.layers()
    assert layers[0] == ["Conv2d(1, 4, 4, stride=2, padding=1, activation='relu')", "4 × 3 × 4",
                         "68"]  # fmt: skip
    assert [row[1] for row in layers[:3]] == ["4 × 3 × 4", "48", "6"]
    total = sum(int(row[2].replace(",", "")) for row in layers if row[2])
    assert total == model.n_parameters_


class Dressed:
    """How each model is made, and what its parts are given and give."""

    images = X.reshape(6, 8, 6, 1)
    series = X.reshape(6, 8, 6)
    codes = np.arange(6 * 25).reshape(6, 5, 5) % 4
    cases = {
        "tied": (lambda: ae.Autoencoder(ae.Dense((8,)), 4, tied=True, **SHORT).fit(X),
                 ["encoder 12 → 4", "decoder 4 → 12"]),
        "cvae": (lambda: ae.CVAE(ae.Dense((8,)), 4, **SHORT).fit(X, LABELS),
                 ["encoder 15 → 8", "decoder 7 → 12"]),
        "cvae of images": (lambda: ae.CVAE(ae.Conv((4,)), 3, **SHORT).fit(
            Dressed.images, np.arange(6) % 2), ["encoder 8 × 6 × 3 → 6", "decoder 5 → 8 × 6 × 1"]),
        "vqvae": (lambda: ae.VQVAE(ae.ResNet(8, 4, 1, downsample=1), codebook_size=4, code_dim=2,
                                   **SHORT).fit(Dressed.images),
                  ["encoder 8 × 6 × 1 → 4 × 3 × 2", "quantizer 4 × 3 × 2 → 4 × 3 × 2",
                   "decoder 4 × 3 × 2 → 8 × 6 × 1"]),
        "gan": (lambda: ae.GAN(ae.Dense((8,)), 4, conditional=True, **SHORT).fit(X, LABELS),
                ["decoder 7 → 12", "discriminator 15 → 1"]),
        "aae": (lambda: ae.AdversarialAutoencoder(ae.Dense((8,)), 4, **SHORT).fit(X),
                ["encoder 12 → 4", "decoder 4 → 12", "discriminator 4 → 1"]),
        "transformer": (lambda: ae.Autoencoder(ae.Transformer(8, 2, 1, 16), 4, **SHORT).fit(
            Dressed.series), ["encoder 8 × 6 → 4", "decoder 4 → 8 × 6"]),
        "lstm": (lambda: ae.Autoencoder(ae.LSTM(8), 4, loss="gaussian", **SHORT).fit(
            Dressed.series), ["encoder 8 × 6 → 4", "decoder 4 → 8 × 6", "likelihood"]),
        "classifier": (lambda: ae.SoftmaxClassifier(ae.StackedAutoencoder(
            ae.Dense((8,)), 4, epochs=1), **SHORT).fit(X, LABELS),
            ["encoder 12 → 4", "decoder 4 → 3"]),
        "pixelcnn": (lambda:
                     ae.PixelCNN(**SHORT).fit(Dressed.codes), ["pixelcnn"]),
        "recirculation": (lambda: ae.Recirculation(latent_dim=4, **SHORT).fit(X),
                          ["encoder 12 → 4", "decoder 4 → 12"]),
        "own modules": (lambda: ae.Autoencoder((nn.Linear(12, 4), nn.Linear(4, 12)), 4,
                                               **SHORT).fit(X),
                        ["encoder 12 → 4", "decoder 4 → 12"]),
    }  # fmt: skip


@pytest.mark.parametrize("name", Dressed.cases)
def test_every_model(name):
    make, expected = Dressed.cases[name]
    model = make()
    page = Page(model._repr_html_())
    parts = page.folds[2:]
    assert len(parts) == len(expected)
    for fold, start in zip(parts, expected, strict=True):
        assert fold.startswith(start), fold
    total = sum(int(row[2].replace(",", "")) for row in page.layers() if row[2])
    assert total == model.n_parameters_  # shared weights count once


def test_layers_inside_others_are_indented():
    net = nn.Sequential(nn.Linear(4, 4), nn.Residual(nn.Sequential(nn.Linear(4, 4))))
    rows = list(_html._rows(net, (4,), 0, set()))
    assert [row.depth for row in rows] == [0, 1, 0]
    assert rows[2].text == "added to what came in" and rows[2].shape == (4,)
    # A layer whose place isn't known still says what it is.
    assert [row.shape for row in _html._rows(net, None, 0, set())] == [None] * 3
    assert [row.shape for row in _html._rows(net, (5,), 0, set())] == [None] * 3


def test_stacks_and_wrappers_without_a_network():
    stack = ae.StackedAutoencoder(ae.Dense((8,)), 4, **SHORT)
    assert "not fitted" in Page(ae.StackedFeatures(stack)._repr_html_()).text
    page = Page(stack.fit(X).as_features()._repr_html_())
    assert "not fitted" not in page.text and page.text.startswith("StackedFeatures")


def test_an_initialized_model_is_not_trained():
    model = ae.Autoencoder(ae.Dense((8,)), 4).initialize(X)
    assert "parameters · not trained" in Page(model._repr_html_()).text


class Rude:
    """An object whose repr is HTML."""

    def __repr__(self):
        return "<script>alert('&')</script>" + "x" * 1000

    def __call__(self, state):
        return None


def test_text_is_escaped_and_cut():
    html = ae.Autoencoder(callbacks=(Rude(),), checkpoint="<b>&\"'")._repr_html_()
    page = Page(html)
    assert "<script" not in html and not any(tag == "script" for tag, _ in page.tags)
    values = page.values()
    assert values["callbacks"].startswith("(<script>alert('&')</script>xxx")
    assert values["callbacks"].endswith(" ...") and len(values["callbacks"]) < 320
    assert values["checkpoint"] == repr("<b>&\"'")


def test_nothing_is_loaded_and_both_themes_are_served():
    html = ae.VAE(**SHORT).fit(X)._repr_html_()
    assert not re.search(r"https?:|url\(|@import|src=|href=|<script|on\w+=", html)
    assert "prefers-color-scheme: dark" in html and "var(--jp-content-font-color1" in html
    # No rule reaches beyond the model's own box.
    style = re.search(r"<style>(.*)</style>", html, re.S)[1]
    rules = re.sub(r"@media[^{]*\{(.*?\})\s*\}", r"\1", style, flags=re.S)
    for selectors in re.findall(r"([^{}]+)\{[^{}]*\}", rules):
        assert all(part.strip().startswith(".aecore.aecore") for part in selectors.split(","))
    assert Page(html).tags[0] == ("div", {"class": "aecore"})


def contrast(a, b):
    def luminance(color):
        rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_is_legible_on_light_and_dark():
    found = re.findall(r"--(ink|pale|mark): (#\w+)", _html.STYLE)
    long = {name: [] for name, _ in found}
    for name, color in found:
        long[name].append(color if len(color) == 7 else "#" + "".join(2 * c for c in color[1:]))
    for light, dark in long.values():
        assert contrast(light, "#ffffff") > 4.5 and contrast(dark, "#111111") > 4.5  # WCAG 2 AA


def test_a_notebook_takes_the_html_and_the_text():
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(ae.VAE(beta=2.0))
    assert data["text/html"].startswith('<div class="aecore">')
    assert data["text/plain"] == "VAE(beta=2.0)"


# ---- how training went ---------------------------------------------------------------------------


def lines_of(page):
    """Return the corners of the curves, by what they are of."""
    found = {}
    for tag, attributes in page.tags:
        if tag == "polyline":
            points = [p.split(",") for p in attributes["points"].split()]
            found[attributes["class"]] = np.array(points, float)
    return found


def test_the_loss_of_each_epoch_is_a_curve():
    model = ae.Autoencoder(ae.Dense((8,)), 2, epochs=6, validation_fraction=0.25, random_state=0)
    page = Page(model.fit(X)._repr_html_())
    curves = lines_of(page)
    assert set(curves) == {"loss", "val_loss"}
    losses = {name: [r[name] for r in model.history_] for name in curves}
    low, high = (f(losses["loss"] + losses["val_loss"]) for f in (min, max))
    for name, points in curves.items():
        assert len(points) == 6 and (np.diff(points[:, 0]) > 0).all()
        y = (high - np.array(losses[name])) / (high - low) * (_curve.HEIGHT - 12) + 6
        np.testing.assert_allclose(points[:, 1], y, atol=0.051)
        assert f"{losses[name][0]:.4g} → {losses[name][-1]:.4g}" in page.text
    assert "epoch 1 to 6" in page.text and "logarithmic" not in page.text


def test_curves_of_odd_histories():
    one = [{"epoch": 1, "loss": 2.0}]
    assert _curve.curve_svg(()) == _curve.curve_svg(one) == ""
    assert _curve.curve_svg([{"epoch": 1}, {"epoch": 2}]) == ""
    odd = [*one, {"epoch": 2, "loss": float("nan")}, {"epoch": 3, "loss": "<b>"}, {"loss": None}]
    odd += [{"epoch": "<i>", "loss": 1.0}, {"epoch": 5, "loss": 1e-3}, {"level": 1, "loss": 9.0}]
    page = Page(_curve.curve_svg(odd))
    assert "<i" not in _curve.curve_svg(odd) and "<b>" not in _curve.curve_svg(odd)
    assert len(lines_of(page)["loss"]) == 2 and "epoch 1 to 5 · logarithmic" in page.text
    assert np.isfinite(lines_of(page)["loss"]).all()
    flat = [{"epoch": i, "loss": 1.0} for i in range(1, 3000)]
    page = Page(_curve.curve_svg(flat))
    assert len(lines_of(page)["loss"]) <= _curve.POINTS and "epoch 1 to 2999" in page.text
    negative = [{"epoch": 1, "loss": 900.0}, {"epoch": 2, "loss": -1.0}]
    assert "logarithmic" not in Page(_curve.curve_svg(negative)).text


def explained_by(model):
    found = re.search(r"([\d.]+) % of the variance of (\w+) samples", model._repr_html_())
    return None if found is None else (float(found[1]), found[2])


def low_rank(n=300):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, 2)) @ rng.normal(size=(2, 12))).astype(np.float32)


def test_the_share_of_variance_explained():
    Z = low_rank()
    model = ae.Autoencoder(ae.Dense(()), 2, epochs=40, learning_rate=1e-2, random_state=0).fit(Z)
    variance = Z.var(axis=0, ddof=1).mean()
    share = 100 * (1 - model.history_[-1]["mse"] / variance)
    assert share > 50
    assert explained_by(model) == (float(f"{share:.{1 if share > 99 else 0}f}"), "training")
    # It is about what a regression would say of the reconstructions.
    left = ((model.reconstruct(Z) - Z) ** 2).mean()
    assert abs(share / 100 - (1 - left / variance)) < 0.05
    model.set_params(validation_fraction=0.25).fit(Z)
    share = 100 * (1 - model.history_[-1]["val_mse"] / variance)
    assert explained_by(model) == (float(f"{share:.{1 if share > 99 else 0}f}"), "validation")


def test_pixels_gaps_targets_and_many_samples():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5000, 6, 6, 1), np.uint8)
    found = variance(ae.Autoencoder(epochs=0), pixels)
    assert abs(found / (pixels / 255).var(axis=0).mean() - 1) < 0.05  # of a thousand
    Z = low_rank()
    mask = rng.random(Z.shape) < 0.7
    gaps = np.where(mask, Z, np.nan)
    found = variance(ae.Autoencoder(epochs=0), gaps, sample_mask=mask)
    wanted = np.nansum((gaps - np.nanmean(gaps, 0)) ** 2) / (mask.sum() - 12)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    found = variance(ae.Autoencoder(epochs=0), Z, target=3 * Z)
    np.testing.assert_allclose(found, 9 * Z.var(0, ddof=1).mean(), rtol=1e-5)


def variance(model, *args, **given):
    return model.fit(*args, **given)._variance


def test_where_it_has_no_meaning_it_is_left_out():
    Z = low_rank()
    counts = np.random.default_rng(0).poisson(3, (50, 6))
    ragged = [Z[:n] for n in (4, 7)] * 20
    for model, samples in (
        (ae.Autoencoder(latent_dim=2, loss="poisson", **SHORT), counts),
        (ae.TabularAutoencoder(**SHORT), Z),
        (ae.PixelCNN(**SHORT), Dressed.codes),
        (ae.Autoencoder(ae.LSTM(4), 2, **SHORT), ragged),
        (ae.Autoencoder(latent_dim=2, **SHORT), X[:12]),  # few
        (ae.Autoencoder(latent_dim=2, **SHORT), np.ones((50, 3), np.float32)),
        (ae.Autoencoder(latent_dim=2, **SHORT), lambda: iter([Z])),
    ):
        html = model.fit(samples)._repr_html_()
        assert "explained" not in html and "mean sample" not in html
    # Training on other samples, the share of these is forgotten; files hold the history alone.
    model = ae.Autoencoder(ae.Dense(()), 2, epochs=20, learning_rate=1e-2, random_state=0).fit(Z)
    assert explained_by(pickle.loads(pickle.dumps(model))) == explained_by(model) is not None
    assert explained_by(model.partial_fit(Z[:50])) is None


def test_a_model_that_is_worse_than_the_mean_says_so():
    model = ae.Autoencoder(ae.Dense(()), 2, epochs=1, random_state=0).fit(low_rank() + 30)
    assert "worse than the mean sample" in Page(model._repr_html_()).text


def test_a_share_is_that_of_the_epoch_that_was_gone_back_to():
    Z = low_rank()
    model = ae.Autoencoder(ae.Dense((8,)), 2, epochs=30, patience=1, learning_rate=0.1,
                           validation_fraction=0.2, random_state=0).fit(Z)  # fmt: skip
    best = next(r for r in model.history_ if r["epoch"] == model.best_epoch_)
    assert best is not model.history_[-1]
    share = 100 * (1 - best["val_mse"] / Z.var(axis=0, ddof=1).mean())
    shown = explained_by(model)
    assert shown == (float(f"{share:.{1 if share > 99 else 0}f}"), "validation")


def test_detectors_say_what_they_have_learned():
    T = np.random.default_rng(0).normal(size=(200, 5))
    detector = ae.AnomalyDetector(contamination=0.05, n_models=2, random_state=0).fit(T)
    text = Page(detector._repr_html_()).text
    assert "2 models · 5 features" in text and f"threshold {detector.offset_:.4g}" in text
    assert "contamination 0.05" in text and "5 % of training samples flagged" in text
    detector.offset_ = -99.0
    text = Page(detector._repr_html_()).text
    assert "threshold -99" in text and "flagged" not in text
    series = ae.SeriesDetector(8, n_models=1, contamination=0.1, random_state=0).fit(T)
    text = Page(series._repr_html_()).text
    assert "1 model · 5 features" in text and re.search(r"(9|10)[.\d]* % of training windows", text)
    detector.contamination = "<b>"
    assert "<b>&" not in detector._repr_html_() and "&lt;b&gt;" in detector._repr_html_()
    assert "not fitted" in Page(ae.AnomalyDetector()._repr_html_()).text


BARS = """
import sys, types
import aecore as ae, numpy as np
{prepare}
ae.Autoencoder(ae.Dense((8,)), 2, epochs=2, verbose=1).fit(np.zeros((9, 3)))
"""
# What tqdm asks for in a notebook, with a kernel but no ipywidgets.
KERNEL = """
import IPython
shell = types.SimpleNamespace(config={"IPKernelApp": {}})
IPython.get_ipython = lambda: shell
sys.modules["ipykernel.zmqshell"] = types.ModuleType("zmqshell")
sys.modules["ipywidgets"] = None
"""


@pytest.mark.parametrize("prepare", ["", KERNEL], ids=["terminal", "notebook without widgets"])
def test_training_has_a_plain_bar_and_no_warning(prepare):
    if prepare:
        pytest.importorskip("IPython")
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", BARS.format(prepare=prepare)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "epoch 2/2" in done.stderr and "Warning" not in done.stderr
