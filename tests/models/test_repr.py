"""Models in a notebook: the HTML says what they are made of, and is safe whatever is in it."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.models.base import _html


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
