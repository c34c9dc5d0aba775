"""Plots: what is drawn is what the model and the data say, on every kind of sample.

The models are PCA with the methods of the estimators, so that what is drawn can be computed here.
"""

import doctest
import io
import itertools
import pickle
import subprocess
import sys

import aecore
import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")

from aecore import plot  # noqa: E402
from aecore.plot import _style, _theme  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402


class Linear:
    """PCA with an autoencoder's methods; remembers what it was given."""

    def __init__(self, latent_dim=2):
        self.latent_dim = latent_dim

    def fit(self, X):
        self.shape_ = X.shape[1:]
        flat = self._flat(X)
        self.mean_ = flat.mean(axis=0)
        _, scale, axes = np.linalg.svd(flat - self.mean_, full_matrices=False)
        self.basis_ = (axes * scale[:, None])[: self.latent_dim] / len(X) ** 0.5
        self.history_ = [{"epoch": 1, "loss": 2.0, "recon": 2.0}]
        return self

    def _flat(self, X):
        if X.shape[1:] != self.shape_:
            raise ValueError(f"expected samples of the shape {self.shape_}, got {X.shape[1:]}")
        scale = 255 if X.dtype == np.uint8 else 1
        return (X.reshape(len(X), -1) / scale).astype(np.float32)

    def transform(self, X):
        return (self._flat(X) - self.mean_) @ np.linalg.pinv(self.basis_)

    def inverse_transform(self, Z):
        self.decoded_ = Z
        flat = Z @ self.basis_ + self.mean_
        return flat.astype(np.float32).reshape(len(Z), *self.shape_)

    def reconstruct(self, X):
        self.given_ = X
        return self.inverse_transform(self.transform(X))

    def errors(self, X):
        return (self._flat(X).reshape(X.shape) - self.reconstruct(X)) ** 2

    def sample(self, n, *, random_state=None):
        rng = np.random.default_rng(random_state)
        return self.inverse_transform(rng.standard_normal((n, self.latent_dim)))

    def interpolate(self, a, b, n):
        start, stop = self.transform(np.stack([a, b]))
        return self.inverse_transform(np.linspace(start, stop, n))

    def traverse(self, x, dim, values):
        Z = np.repeat(self.transform(x[None]), len(values), axis=0)
        Z[:, dim] = values
        return self.inverse_transform(Z)


class Conditional(Linear):
    """Adds the class's number to all it decodes; remembers the conditions it was given."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return super().fit(X)

    def _shift(self, X, y):
        self.y_ = np.asarray(y)
        return X + np.searchsorted(self.classes_, self.y_).reshape(-1, *[1] * (X.ndim - 1))

    def transform(self, X, y):
        self.y_ = np.asarray(y)
        return super().transform(X)

    def inverse_transform(self, Z, y):
        return self._shift(Linear.inverse_transform(self, Z), y)

    def reconstruct(self, X, y):
        return self.inverse_transform(self.transform(X, y), y)

    def sample(self, n, *, y=None, random_state=None):
        return self.inverse_transform(np.zeros((n, self.latent_dim)), y)


SHAPES = {"grey": (8, 6, 1), "colour": (8, 8, 3), "sequence": (20, 2), "table": (11,)}


@pytest.fixture(params=SHAPES)
def X(request, rng):
    return rng.random((30, *SHAPES[request.param]), dtype=np.float32)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (30, 8, 6, 1), dtype=np.uint8)


def rendered(figure):
    """Draw it and return its pixels (H, W, 4)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def picture(axes):
    (image,) = axes.images
    return np.asarray(image.get_array())


def axis_labels(axes, which):
    return [label.get_text() for label in getattr(axes, f"get_{which}ticklabels")()]


def title(axes):
    return axes.get_title()


# ---------------------------------------------------------------------------- all the functions

CALLS = {
    "reconstructions": lambda m, X, **o: plot.reconstructions(m, X, **o),
    "reconstructions, noisy": lambda m, X, **o: plot.reconstructions(m, X, noisy=X[::-1], n=7, **o),
    "reconstructions, labels": lambda m, X, **o: plot.reconstructions(m, X, np.arange(30), **o),
    "latent_space": lambda m, X, **o: plot.latent_space(m, X, np.arange(30) % 3, **o),
    "manifold": lambda m, X, **o: plot.manifold(m, n=5, **o),
    "manifold, data": lambda m, X, **o: plot.manifold(m, X, n=10, **o),
    "traversal": lambda m, X, **o: plot.traversal(m, X[0], **o),
    "interpolation": lambda m, X, **o: plot.interpolation(m, X[0], X[1], **o),
    "interpolation, rows": lambda m, X, **o: plot.interpolation(m, X[:3], X[3:6], n=4, **o),
    "samples": lambda m, X, **o: plot.samples(m, n=13, random_state=0, **o),
    "errors": lambda m, X, **o: plot.errors(m, X, **o),
    "history": lambda m, X, **o: plot.history(m, **o),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_kind_of_sample(name, X):
    model = Linear().fit(X)
    with matplotlib.rc_context():
        before = dict(matplotlib.rcParams)
        figure = CALLS[name](model, X)
        assert dict(matplotlib.rcParams) == before
    assert isinstance(figure, Figure)
    assert title(figure.axes[0])
    pixels = rendered(figure)
    # Something is drawn, and it leaves a margin: nothing is cut off at the edges.
    assert len(np.unique(pixels.view(np.uint32))) > 10
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()

    mine = Figure()
    ax = mine.add_subplot()
    assert CALLS[name](model, X, ax=ax) is ax
    assert ax.has_data() and ax.get_title()
    with pytest.raises(TypeError, match="ax: expected a matplotlib Axes"):
        CALLS[name](model, X, ax=mine)


def test_pyplot_is_never_imported():
    code = (
        "import io, sys; from aecore import plot;"
        "assert 'matplotlib' not in sys.modules;"
        "plot.roc([0, 1], [0.0, 1.0]).savefig(io.BytesIO());"
        "assert 'matplotlib.figure' in sys.modules;"
        "print([m for m in ('matplotlib.pyplot', 'sklearn', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_figure_shows_itself_in_a_notebook(tmp_path):
    from PIL import Image

    figure = plot.roc([0, 1], [0.0, 1.0])
    png, size = figure._repr_png_()
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    # Sharp: more pixels than the size it is shown at, and of the same shape.
    assert image.width > size["width"] > 100
    assert image.width / image.height == pytest.approx(size["width"] / size["height"], rel=0.01)
    again = pickle.loads(pickle.dumps(figure))
    assert type(again) is type(figure) and again._repr_png_()[1] == size


def test_a_notebook_asks_for_the_png():
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(plot.history([{"loss": 1.0}]))
    assert data["image/png"].startswith(b"\x89PNG")
    # Why there is a class of our own: matplotlib's figure by itself shows nothing.
    assert "image/png" not in formatters.DisplayFormatter().format(Figure())[0]


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"aecore\[plot\]"):
        plot.history([{"loss": 1.0}])
    with pytest.raises(ImportError, match=r"aecore\[plot\]"):
        plot.samples(Linear().fit(np.eye(20, dtype=np.float32).reshape(20, 4, 5, 1)), n=2)


# -------------------------------------------------------------------------------------- style


def lab(color, deficiency):
    """CIE L*a*b* of a colour as someone with the deficiency sees it."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = to_xyz @ np.clip(np.array(deficiency) @ linear, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira and Fernandes, IEEE TVCG 15(6), 2009, full severity.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


@pytest.mark.parametrize("vision", VISION)
def test_ten_colours_are_told_apart(vision):
    points = [lab(color, VISION[vision]) for color in _theme.COLORS]
    assert len(points) == 10
    nearest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(points, 2))
    assert nearest > 16  # of the eight by Okabe and Ito alone: 16.05


def test_more_classes_than_colours_get_shapes():
    looks = _style.palette(35, _theme.COLORS)
    assert len(set(looks)) == 35


@pytest.mark.parametrize(
    "values, texts",
    [
        ([-3, -2.25, 0, 1.5], ["\N{MINUS SIGN}3", "\N{MINUS SIGN}2.25", "0", "1.5"]),
        ([-1e-9, 1], ["0", "1"]),
        ([0.001, 0.02], ["0.001", "0.02"]),
        ([100.0], ["100"]),
    ],
)
def test_numbers_are_written_short(values, texts):
    assert _style.numbers(values) == texts


# --------------------------------------------------------------------------------------- tile


def test_tile_puts_every_image_in_its_place():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 2, 3, 1), np.uint8)
    whole = plot.tile(images, columns=3, gap=2)
    assert whole.dtype == np.uint8 and whole.shape == (6, 13) and whole.flags.c_contiguous
    for i in range(5):
        r, c = divmod(i, 3)
        assert (whole[4 * r : 4 * r + 2, 5 * c : 5 * c + 3] == i).all()
        whole[4 * r : 4 * r + 2, 5 * c : 5 * c + 3] = 255
    assert (whole == 255).all()  # gaps and the cell left over


def test_tile_of_colour_floats_and_booleans(rng):
    images = rng.random((4, 3, 3, 3)) * 2
    whole = plot.tile(images)
    assert whole.shape == (7, 7, 3) and whole.dtype == np.float64
    assert (whole[3] == images.max()).all()
    np.testing.assert_array_equal(plot.tile(images, 4, gap=0), np.hstack(images))
    np.testing.assert_array_equal(plot.tile(images[..., 0], 1, gap=0), np.vstack(images[..., 0]))
    assert plot.tile(np.zeros((2, 3, 3), bool)).dtype == bool
    # As wide as high, whatever the shape of one image.
    assert plot.tile(np.zeros((16, 40, 10, 1)), gap=0).shape == (80, 80)


BAD_TILES = [
    (ValueError, "shape", np.zeros((3, 4)), {}),
    (ValueError, "shape", np.zeros((2, 3, 3, 2)), {}),
    (ValueError, "shape", np.zeros((0, 3, 3)), {}),
    (TypeError, "numbers", np.full((1, 2, 2), "a"), {}),
    (ValueError, "columns", np.zeros((2, 3, 3)), {"columns": 0}),
    (ValueError, "gap", np.zeros((2, 3, 3)), {"gap": -1}),
]


@pytest.mark.parametrize("error, words, images, options", BAD_TILES)
def test_bad_tiles(error, words, images, options):
    with pytest.raises(error, match=words):
        plot.tile(images, **options)


# ---------------------------------------------------------------------------- reconstructions


def test_rows_of_originals_and_reconstructions(images):
    model = Linear(4).fit(images)
    y = np.array(list("abcdefghij") * 3)
    axes = plot.reconstructions(model, images, y, n=3).axes[0]
    rebuilt = np.clip(model.reconstruct(images[:3]), 0, 1)
    expected = plot.tile(np.concatenate([images[:3] / np.float32(255), rebuilt]), 3)
    np.testing.assert_allclose(picture(axes), expected, atol=1e-6)
    assert axis_labels(axes, "y") == ["original", "rebuilt"]
    assert axis_labels(axes, "x") == ["a", "b", "c"]
    # Each label stands over the middle of its column.
    np.testing.assert_allclose(axes.get_xticks(), [2.5, 9.5, 16.5])
    assert axes.images[0].get_clim() == (0, 1)


def test_a_denoising_model_is_given_the_noisy_samples(images, rng):
    model = Linear(4).fit(images)
    noisy = np.clip(images / 255 + rng.normal(0, 0.3, images.shape), 0, 1).astype(np.float32)
    axes = plot.reconstructions(model, images, noisy=noisy, n=5).axes[0]
    np.testing.assert_array_equal(model.given_, noisy[:5])
    rows = [images[:5] / np.float32(255), noisy[:5], np.clip(model.reconstruct(noisy[:5]), 0, 1)]
    expected = plot.tile(np.concatenate(rows), 5)
    np.testing.assert_allclose(picture(axes), expected, atol=1e-6)
    assert axis_labels(axes, "y") == ["original", "corrupted", "rebuilt"]


def test_a_conditional_model_gets_its_labels(images):
    y = np.arange(30) % 3
    model = Conditional().fit(images, y)
    plot.reconstructions(model, images, y, n=4)
    assert model.y_.tolist() == [0, 1, 2, 0]
    plot.latent_space(model, images, y)
    np.testing.assert_array_equal(model.y_, y)
    plot.manifold(model, n=3, y=2)
    assert model.y_.tolist() == [2] * 9


def test_images_of_another_range_are_shown_on_their_own(rng):
    X = rng.uniform(-1, 1, (10, 6, 6, 1)).astype(np.float32)
    axes = plot.reconstructions(Linear(10).fit(X), X, n=10).axes[0]
    shown = picture(axes)[:6, :6]
    expected = (X[0, ..., 0] - X.min()) / (X.max() - X.min())
    np.testing.assert_allclose(shown, expected, atol=1e-5)


def test_a_table_is_shown_on_the_scale_of_each_feature(rng):
    X = rng.random((40, 5)).astype(np.float32) * [1, 10, 100, 0, 1e6]
    X[:, 3] = 7  # constant
    figure = plot.reconstructions(Linear(5).fit(X), X, n=3)
    strips = picture(figure.axes[0])
    low, high = X.min(axis=0), X.max(axis=0)
    high[3] += 1
    assert strips.shape == (8, 5) and np.isnan(strips[[2, 5]]).all()
    np.testing.assert_allclose(strips[[0, 3, 6]], (X[:3] - low) / (high - low), atol=1e-4)
    np.testing.assert_allclose(strips[[1, 4, 7]], strips[[0, 3, 6]], atol=1e-3)
    assert axis_labels(figure.axes[0], "y") == ["0", "1", "2"]


def test_sequences_lie_over_each_other(rng):
    X = rng.standard_normal((7, 20, 2)).astype(np.float32)
    axes = plot.reconstructions(Linear(2).fit(X), X, np.arange(7)).axes[0]
    lines = [c.get_segments() for c in axes.collections]
    # Originals and reconstructions of two features, seven of each drawn.
    assert len(lines) == 4
    for drawn in lines:
        assert [len(segment) for segment in drawn] == [20] * 7 + [0] * 3
    # The sixth sample is the first of the second row.
    x, y = lines[0][5].T
    assert (0 <= x).all() and (x < 1).all() and (1 <= y).all() and (y <= 2).all()
    assert np.corrcoef(-y, X[5, :, 0])[0, 1] > 0.999999  # rows go down
    texts = [text.get_text() for text in axes.texts]
    assert texts[:7] == list("0123456") and texts[7:9] == ["0", "19 steps"]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["original", "rebuilt", "feature 0", "feature 1"]


def test_missing_values_are_drawn_as_gaps(rng):
    X = rng.random((12, 4, 4, 3), dtype=np.float32)
    model = Linear().fit(X)
    X[0, 0, 0] = np.nan
    model.reconstruct = lambda X: np.nan_to_num(X)
    axes = plot.reconstructions(model, X, n=2).axes[0]
    assert picture(axes)[0, 0, 3] == 0  # transparent, as between images
    X = rng.random((12, 3), dtype=np.float32)
    X[:, 1] = np.nan
    strips = picture(plot.reconstructions(model, X, n=2).axes[0])
    assert np.isnan(strips[[0, 3], 1]).all() and np.isfinite(strips[0, [0, 2]]).all()


# ------------------------------------------------------------------------------------- errors


def test_errors_are_means_over_samples(images, rng):
    model = Linear().fit(images)
    np.testing.assert_allclose(
        picture(plot.errors(model, images).axes[0]), model.errors(images).mean(axis=(0, 3))
    )
    X = rng.standard_normal((30, 20, 2)).astype(np.float32)
    model = Linear().fit(X)
    axes = plot.errors(model, X).axes[0]
    for f in range(2):
        np.testing.assert_allclose(axes.lines[f].get_ydata(), model.errors(X)[..., f].mean(axis=0))


def test_errors_of_a_table_fall_and_are_named(rng):
    X = rng.standard_normal((50, 40)) * np.linspace(1, 2, 40)
    model = Linear().fit(X)
    model.feature_names_in_ = np.array([f"feature {i}" for i in range(40)])
    axes = plot.errors(model, X).axes[0]
    mean = model.errors(X).mean(axis=0)
    order = np.argsort(-mean)[:30]
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], mean[order])
    assert axis_labels(axes, "y") == [f"feature {i}" for i in order]
    assert "30 of 40" in title(axes)


def test_errors_of_words_have_a_bar_for_each_column():
    X = np.array([(1.0, "b"), (np.nan, "a"), (3.0, "a")] * 20, [("n", float), ("c", "U1")])
    model = aecore.TabularAutoencoder(aecore.Dense((4,)), 2, epochs=1, random_state=0).fit(X)
    axes = plot.errors(model, X).axes[0]
    mean = model.errors(X).mean(axis=0)
    order = np.argsort(-mean)
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], mean[order])
    assert axis_labels(axes, "y") == [X.dtype.names[i] for i in order]


# ------------------------------------------------------------------------------------ decoders


def test_manifold_is_at_the_quantiles_of_the_prior(images):
    from statistics import NormalDist

    model = Linear(3).fit(images)
    axes = plot.manifold(model, n=5, dims=(2, 0)).axes[0]
    Z = model.decoded_.reshape(5, 5, 3)
    quantiles = [NormalDist().inv_cdf(p) for p in np.linspace(0.03, 0.97, 5)]
    np.testing.assert_allclose(Z[..., 2], np.tile(quantiles, (5, 1)), atol=1e-6)  # across
    np.testing.assert_allclose(Z[..., 0], np.tile(quantiles, (5, 1)).T[::-1], atol=1e-6)  # up
    assert (Z[..., 1] == 0).all()
    assert axes.get_xlabel() == "latent 2" and axes.get_ylabel() == "latent 0"
    assert axis_labels(axes, "x") == [
        "\N{MINUS SIGN}1.9",
        "\N{MINUS SIGN}0.6",
        "0",
        "0.6",
        "1.9",
    ]
    assert axis_labels(axes, "y") == axis_labels(axes, "x")[::-1]


def test_manifold_over_data_spans_its_codes(images):
    model = Linear(3).fit(images)
    plot.manifold(model, images, n=4)
    Z = model.decoded_.reshape(4, 4, 3)
    codes = model.transform(images)
    low, high = np.quantile(codes, [0.03, 0.97], axis=0)
    np.testing.assert_allclose(Z[0, :, 0], np.linspace(low[0], high[0], 4), atol=1e-5)
    np.testing.assert_allclose(Z[:, 0, 1], np.linspace(high[1], low[1], 4), atol=1e-5)
    np.testing.assert_allclose(Z[..., 2], np.median(codes[:, 2]), atol=1e-5)


def test_traversal_has_a_row_for_each_dimension(images):
    model = Linear(3).fit(images)
    axes = plot.traversal(model, images[4], dims=[2, 0], values=[-1.5, 0.0, 1.5]).axes[0]
    rows = [model.traverse(images[4], dim, [-1.5, 0.0, 1.5]) for dim in (2, 0)]
    expected = plot.tile(np.clip(np.concatenate(rows), 0, 1), 3)
    np.testing.assert_allclose(picture(axes), expected, atol=1e-6)
    assert axis_labels(axes, "y") == ["latent 2", "latent 0"]
    assert axis_labels(axes, "x") == ["\N{MINUS SIGN}1.5", "0", "1.5"]
    assert axis_labels(plot.traversal(Linear(25).fit(images), images[0]).axes[0], "y") == [
        f"latent {i}" for i in range(10)
    ]


def test_interpolation_begins_and_ends_with_the_samples(images):
    model = Linear(4).fit(images)
    axes = plot.interpolation(model, images[:2], images[2:4], n=3).axes[0]
    rows = []
    for a, b in ((0, 2), (1, 3)):
        way = np.clip(model.interpolate(images[a], images[b], 3), 0, 1)
        rows += [images[a : a + 1] / np.float32(255), way, images[b : b + 1] / np.float32(255)]
    np.testing.assert_allclose(picture(axes), plot.tile(np.concatenate(rows), 5), atol=1e-6)
    assert axis_labels(axes, "x") == ["a", "0", "0.5", "1", "b"]


def test_one_sequence_and_several_rows_are_told_apart_by_the_model(rng):
    # (5, 3) is one sequence to one model, five rows to the other.
    X = rng.standard_normal((20, 5, 3)).astype(np.float32)
    lines = plot.interpolation(Linear().fit(X), X[0], X[1], n=2).axes[0].collections
    assert len(lines) == 3 and len(lines[0].get_segments()) == 4
    X = rng.standard_normal((20, 3)).astype(np.float32)
    strips = picture(plot.interpolation(Linear().fit(X), X[:5], X[5:10], n=2).axes[0])
    assert strips.shape == (5 * (4 + 1) - 1, 3)


def test_samples_of_each_class_have_a_row(images):
    y = np.array(list("abc"))[np.arange(30) % 3]
    model = Conditional().fit(images, y)
    axes = plot.samples(model, n=10).axes[0]
    assert model.y_.tolist() == ["a"] * 4 + ["b"] * 4 + ["c"] * 4
    assert axis_labels(axes, "y") == ["a", "b", "c"]
    plot.samples(model, y=["c", "a"], n=2)
    assert model.y_.tolist() == ["c", "a"]


def test_samples_of_components_have_a_row(images):
    prior = aecore.GaussianMixture(3)
    model = aecore.VAE(aecore.Dense((4,)), 2, prior=prior, loss="bce", epochs=1).fit(images)
    axes = plot.samples(model, [0] * 4 + [2] * 4, random_state=0).axes[0]
    assert axis_labels(axes, "y") == ["0", "2"]
    drawn = model.sample(8, y=[0] * 4 + [2] * 4, random_state=0)
    np.testing.assert_allclose(picture(axes), plot.tile(drawn, 4), atol=1e-6)
    assert picture(plot.samples(model, 1, n=4).axes[0]).ndim == 2


def test_samples_are_the_models_and_fill_rows(images):
    model = Linear().fit(images)
    axes = plot.samples(model, n=7, columns=3, random_state=5).axes[0]
    drawn = np.clip(model.sample(7, random_state=5), 0, 1)
    np.testing.assert_allclose(picture(axes), plot.tile(drawn, 3), atol=1e-6)
    assert picture(plot.samples(model, n=64).axes[0]).shape == (8 * 9 - 1, 8 * 7 - 1)


# --------------------------------------------------------------------------------------- codes


def offsets(axes):
    return np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections])


def same_points(a, b):
    key = lambda points: points[np.lexsort(points.T)]  # noqa: E731
    np.testing.assert_allclose(key(np.asarray(a)), key(np.asarray(b)), atol=1e-5)


@pytest.mark.parametrize("kind", ["int", "str", "bool", "object", "many"])
def test_each_point_has_the_colour_of_its_class(kind, rng):
    codes = rng.standard_normal((60, 2))
    y = np.arange(60) % 3
    y = {"int": y - 1, "str": np.array(list("xyz"))[y], "bool": y > 0, "many": np.arange(60) % 14,
         "object": np.array(["x", "y", "z"], object)[y]}[kind]  # fmt: skip
    axes = plot.latent_space(codes, y=y).axes[0]
    same_points(offsets(axes), codes)
    names = [str(name) for name in np.unique(y)]
    legend = axes.get_legend()
    shown = axes.texts if legend is None else legend.get_texts()  # names in the map suffice
    assert [text.get_text() for text in shown] == names
    looks = dict(zip(names, _style.palette(len(names), _theme.COLORS), strict=True))
    for collection in axes.collections:
        marker = collection.get_paths()[0]
        for point, face in zip(collection.get_offsets(), collection.get_facecolors(), strict=True):
            (i,) = np.flatnonzero(np.isclose(codes, point).all(axis=1))
            assert to_hex(face) == looks[str(y[i])][0]
        assert marker.vertices.shape[0] > 2
    shapes = {shape for _, shape in looks.values()}
    assert len(axes.collections) == len(shapes) == (2 if kind == "many" else 1)


def test_legends_cover_no_data(rng):
    figures = [
        plot.latent_space(rng.standard_normal((60, 2)), y=np.arange(60) % 13),
        plot.latent_space(rng.standard_normal((60, 2)), y=np.arange(60) % 20),
        plot.history([{"loss": 3.0 - i, "val_loss": 4.0 - i, "kl": i} for i in range(3)]),
    ]
    for figure in figures:
        pixels = rendered(figure)
        axes = figure.axes[0]
        box, frame = axes.get_legend().get_window_extent(), axes.get_window_extent()
        assert box.x0 >= frame.x1
        assert box.x1 <= pixels.shape[1] and box.y0 >= 0


def test_names_lie_on_their_classes_but_not_on_each_other(rng):
    codes = np.concatenate([rng.normal(c, 0.1, (50, 2)) for c in (0.0, 5.0, 5.01, 10.0)])
    axes = plot.latent_space(codes, y=np.repeat(list("abcd"), 50)).axes[0]
    placed = {text.get_text(): text.get_position() for text in axes.texts}
    assert set(placed) == {"a", "b", "d"}
    np.testing.assert_allclose(placed["d"], [10, 10], atol=0.1)


def test_measured_labels_are_a_scale(rng):
    codes, y = rng.standard_normal((40, 2)), rng.random(40)
    for labels in (y, np.stack([y, -y], axis=1), (1000 * y).astype(int)):
        figure = plot.latent_space(codes, y=labels)
        assert len(figure.axes) == 2 and figure.axes[0].get_legend() is None
        points = figure.axes[0].collections[0]
        first = labels[:, 0] if labels.ndim == 2 else labels
        for point, value in zip(points.get_offsets(), points.get_array(), strict=True):
            (i,) = np.flatnonzero(np.isclose(codes, point).all(axis=1))
            assert value == first[i]


def test_pca_is_that_of_scikit_learn(rng):
    PCA = pytest.importorskip("sklearn.decomposition").PCA
    codes = rng.standard_normal((80, 6)) * [1, 5, 2, 1, 1, 1] + 100
    pca = PCA(2).fit(codes)
    axes = plot.latent_space(codes).axes[0]
    expected = pca.transform(codes)
    found = offsets(axes)
    for i in range(2):
        assert abs(np.corrcoef(found[:, i], expected[:, i])[0, 1]) > 0.999999
    np.testing.assert_allclose(np.ptp(found, axis=0), np.ptp(expected, axis=0), rtol=1e-6)
    assert f"({pca.explained_variance_ratio_[0]:.0%} of" in axes.get_xlabel()
    assert (offsets(plot.latent_space(codes[:, :1]).axes[0])[:, 1] == 0).all()


def stress(codes, points):
    far = lambda A: np.linalg.norm(A[:, None] - A, axis=2)  # noqa: E731
    return ((far(codes) - far(points)) ** 2).sum() / 2


def test_mds_keeps_distances_as_well_as_scikit_learn(rng):
    MDS = pytest.importorskip("sklearn.manifold").MDS
    codes = rng.standard_normal((60, 5))
    points = offsets(plot.latent_space(codes, method="mds").axes[0])
    start = offsets(plot.latent_space(codes, method="pca").axes[0])
    peer = MDS(2, n_init=4, init="random", random_state=0, normalized_stress=False).fit(codes)
    assert stress(codes, points) < 1.02 * peer.stress_
    assert stress(codes, points) < 0.8 * stress(codes, start)
    # Points of the plane keep their distances exactly.
    flat = rng.standard_normal((20, 2))
    found = offsets(plot.latent_space(flat, method="mds").axes[0])
    assert stress(flat, found) < 1e-12
    # Points that coincide do no harm.
    assert np.isfinite(offsets(plot.latent_space(np.zeros((5, 3)), method="mds").axes[0])).all()


def test_tsne_keeps_groups_together_and_repeats(rng):
    pytest.importorskip("sklearn")
    codes = np.concatenate([rng.normal(c, 0.1, (30, 5)) for c in (0.0, 8.0)])
    # One thread: on a busy machine scikit-learn's threads would wait for each other, for minutes.
    limits = pytest.importorskip("threadpoolctl").threadpool_limits
    with limits(1):
        points, again = (
            offsets(plot.latent_space(codes, method="tsne", n=40).axes[0]) for _ in range(2)
        )
    assert points.shape == (40, 2)
    a, b = points[:20], points[20:]
    apart = np.linalg.norm(a.mean(axis=0) - b.mean(axis=0))
    assert apart > 2 * max(a.std(axis=0).max(), b.std(axis=0).max())
    np.testing.assert_array_equal(points, again)


def test_n_takes_evenly_spaced_rows(images):
    model = Linear().fit(images)
    y = np.arange(30)
    axes = plot.latent_space(model, images, y % 2, n=4).axes[0]
    same_points(offsets(axes), model.transform(images)[[0, 9, 19, 29]])
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(np.arange(60.0).reshape(30, 2), columns=["a", "b"])

    class Columns:
        def transform(self, X):
            return X[["b", "a"]].to_numpy()

    found = offsets(plot.latent_space(Columns(), table, n=2).axes[0])
    np.testing.assert_array_equal(found, [[1, 0], [59, 58]])


class Quantizer:
    def __init__(self, codes, size=8):
        self.codes, self.codebook_ = codes, np.random.default_rng(0).standard_normal((size, 3))

    def transform(self, X):
        return self.codes


def test_codebook_use_is_counted_and_ranked():
    codes = np.array([[[0, 0], [0, 0]], [[3, 3], [5, 6]]])
    axes = plot.codebook(Quantizer(codes), np.zeros((2, 4, 4, 1))).axes[0]
    np.testing.assert_array_equal(
        axes.patches[0].get_data().values, [0.5, 0.25, 0.125, 0.125, 0, 0, 0, 0]
    )
    # 1.75 bits: 3.4 codes in effective use.
    assert title(axes) == "Codebook use: perplexity 3 of 8, 4 codes unused"
    even = plot.codebook(Quantizer(np.arange(8)), np.zeros((8, 1))).axes[0]
    assert title(even) == "Codebook use: perplexity 8 of 8, no codes unused"
    one = plot.codebook(Quantizer(np.arange(7)), np.zeros((7, 1))).axes[0]
    assert title(one).endswith("1 code unused")


def test_several_codebooks_are_shown_together():
    model = Quantizer(np.array([[[0, 0], [1, 3]]]))  # two positions with a code of each
    model.codebook_ = model.codebook_.reshape(2, 4, 3)
    axes = plot.codebook(model, np.zeros((1, 2))).axes[0]
    np.testing.assert_array_equal(axes.patches[0].get_data().values, [0.25] * 4 + [0] * 4)
    assert "perplexity 4 of 8" in title(axes)
    assert offsets(plot.codebook(model).axes[0]).shape == (8, 2)


def test_codebook_alone_is_a_map():
    axes = plot.codebook(Quantizer(None, 50)).axes[0]
    assert offsets(axes).shape == (50, 2) and "50 codes of 3" in title(axes)


# -------------------------------------------------------------------------------------- curves

EPOCHS = [
    {"epoch": i, "loss": 200 * 0.5**i, "recon": 150 * 0.5**i, "kl": 3.0, "mse": 0.1,
     "perplexity": 10.0 * i, "val_loss": 210 * 0.5**i} for i in range(1, 9)
]  # fmt: skip


def test_history_draws_the_terms_that_share_a_unit():
    axes = plot.history(EPOCHS).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines) == ["loss", "loss, validation", "recon", "kl"]
    np.testing.assert_array_equal(lines["recon"].get_xdata(), range(1, 9))
    np.testing.assert_array_equal(lines["recon"].get_ydata(), [e["recon"] for e in EPOCHS])
    assert lines["loss"].get_color() == lines["loss, validation"].get_color()
    assert lines["loss, validation"].get_linestyle() == "--"
    assert axes.get_yscale() == "log"
    assert plot.history(EPOCHS[:3]).axes[0].get_yscale() == "linear"


def test_history_of_a_model_of_one_key_of_one_epoch():
    model = Linear()
    model.history_ = EPOCHS
    axes = plot.history(model, keys="perplexity").axes[0]
    assert [line.get_label() for line in axes.lines] == ["perplexity"]
    assert axes.get_ylabel() == "perplexity" and axes.get_legend() is None
    assert len(plot.history(EPOCHS, keys=["kl", "mse"]).axes[0].lines) == 2
    # The loss of a plain autoencoder is its reconstruction error.
    axes = plot.history([{"epoch": 4, "loss": 2.0, "recon": 2.0}]).axes[0]
    assert [line.get_label() for line in axes.lines] == ["loss"]
    assert axis_labels(axes, "x") == ["4"]


def test_history_leaves_gaps_where_nothing_was_recorded():
    epochs = [{"loss": 3.0}, {"loss": 2.0, "val_loss": 2.5}, {"loss": 1.0, "val_loss": None}]
    line = plot.history(epochs).axes[0].lines[1]
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, 2.5, np.nan])


@pytest.mark.parametrize("decimals", [8, 1, 0])
def test_roc_is_that_of_scikit_learn(decimals, rng):
    reference = pytest.importorskip("sklearn.metrics")
    y = rng.integers(0, 2, 200)
    scores = (y + rng.normal(0, 1.5, 200)).round(decimals)  # with ties
    axes = plot.roc(y, scores).axes[0]
    false, true, _ = reference.roc_curve(y, scores, drop_intermediate=False)
    line = axes.lines[1]
    np.testing.assert_allclose(line.get_xdata(), false)
    np.testing.assert_allclose(line.get_ydata(), true)
    assert title(axes) == f"ROC: area {reference.roc_auc_score(y, scores):.3f}"


def test_roc_of_several_scores_names_them():
    y = np.array([1, 1, -1, -1])
    axes = plot.roc(y, {"good": y, "bad": -y, "none": [0, 0, 0, 0]}).axes[0]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["good (1.000)", "bad (0.000)", "none (0.500)"]


# ----------------------------------------------------------------------------------- bad calls

T = np.random.default_rng(0).random((10, 4)).astype(np.float32)
M = Linear(3).fit(T)
BAD = {
    "no method": (TypeError, "reconstruct", lambda: plot.reconstructions(object(), T)),
    "rank": (ValueError, "shape|images", lambda: plot.reconstructions(M, T[0])),
    "channels": (ValueError, "images", lambda: plot.reconstructions(M, np.zeros((2, 3, 3, 2)))),
    "empty": (ValueError, "N > 0", lambda: plot.reconstructions(M, T[:0])),
    "text": (TypeError, "numbers", lambda: plot.reconstructions(M, np.full((2, 2), "a"))),
    "n": (ValueError, "n: expected at least 1, got 0", lambda: plot.reconstructions(M, T, n=0)),
    "labels": (ValueError, "y: expected the shape", lambda: plot.reconstructions(M, T, [1, 2])),
    "noisy": (ValueError, "shape", lambda: plot.reconstructions(M, T, noisy=T[:3])),
    "errors shape": (ValueError, "shape", lambda: plot.errors(M, T[0])),
    "errors method": (TypeError, "errors", lambda: plot.errors(object(), T)),
    "no data": (TypeError, "X: expected samples", lambda: plot.latent_space(M)),
    "method": (ValueError, "umap", lambda: plot.latent_space(M, T, method="nmf")),
    "direct": (
        ValueError,
        "direct, which takes 2",
        lambda: plot.latent_space(M, T, method="direct"),
    ),
    "code rank": (ValueError, "shape", lambda: plot.latent_space(np.zeros((3, 4, 5)))),
    "code NaN": (ValueError, "finite", lambda: plot.latent_space(np.full((3, 2), np.nan))),
    "code text": (TypeError, "numbers", lambda: plot.latent_space([["a", "b"]])),
    "no codes": (ValueError, "sample, got none", lambda: plot.latent_space(np.zeros((0, 2)))),
    "latent labels": (ValueError, "y: expected the shape", lambda: plot.latent_space(M, T, [1, 2])),
    "latent n": (ValueError, "n: expected at least 1, got 0", lambda: plot.latent_space(M, T, n=0)),
    "manifold n": (ValueError, "n: expected at least 2, got 1", lambda: plot.manifold(M, n=1)),
    "manifold dims": (ValueError, "dims", lambda: plot.manifold(M, dims=(0, 3))),
    "same dims": (ValueError, "dims", lambda: plot.manifold(M, dims=(1, 1))),
    "one latent": (ValueError, "dims", lambda: plot.manifold(Linear(1).fit(T))),
    "no latent": (TypeError, "inverse_transform", lambda: plot.manifold(Quantizer(None))),
    "no dims": (ValueError, "dims", lambda: plot.traversal(M, T[0], dims=[])),
    "no values": (ValueError, "values", lambda: plot.traversal(M, T[0], values=[])),
    "a and b": (ValueError, "same shape", lambda: plot.interpolation(M, T[0], T[:2])),
    "no samples": (ValueError, "at least 1", lambda: plot.samples(M, n=0)),
    "no columns": (ValueError, "at least 1", lambda: plot.samples(M, columns=0)),
    "no codebook": (TypeError, "codebook_", lambda: plot.codebook(M)),
    "code range": (ValueError, "0 to 7", lambda: plot.codebook(Quantizer(np.array([8])), T)),
    "no history": (TypeError, "model: expected a fitted", lambda: plot.history(object())),
    "empty history": (ValueError, "no epochs", lambda: plot.history([])),
    "unknown key": (ValueError, "vq", lambda: plot.history(EPOCHS, keys="vq")),
    "one class": (ValueError, "two", lambda: plot.roc([1, 1], [0.0, 1.0])),
    "scores": (ValueError, "shape", lambda: plot.roc([0, 1], [0.0])),
    "score NaN": (ValueError, "finite", lambda: plot.roc([0, 1], [0.0, np.nan])),
    "score text": (TypeError, "numbers", lambda: plot.roc([0, 1], ["a", "b"])),
    "no scores": (ValueError, "scores: expected at least one", lambda: plot.roc([0, 1], {})),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_calls_say_what_was_expected(name):
    error, words, call = BAD[name]
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("name", plot.__all__)
def test_examples(name):
    test = doctest.DocTestFinder(recurse=False).find(getattr(plot, name), name)[0]
    needed = [part for part in ("Autoencoder", "VAE", "VQVAE") if f"ae.{part}(" in test.docstring]
    if not all(hasattr(aecore, part) for part in needed):
        pytest.skip(f"this build has no {' and '.join(needed)}")
    result = doctest.DocTestRunner().run(test)
    assert result.attempted > 1 and result.failed == 0
