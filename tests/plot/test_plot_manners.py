"""What all plot functions have in common: titles, and how they treat a user's style and axes."""

import inspect
import io
import pickle

import aecore as ae
import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")

from aecore import plot  # noqa: E402
from aecore.plot import _theme  # noqa: E402
from matplotlib import style  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.text import Text  # noqa: E402
from test_plot import axis_labels, rendered, title  # noqa: E402


@pytest.fixture(scope="module")
def things():
    """Return models and data of each kind, small ones."""
    rng = np.random.default_rng(0)
    X, y = rng.random((60, 8, 8, 1), dtype=np.float32), np.arange(60) % 3
    waves = rng.random((40, 12, 2), dtype=np.float32)
    quick = {"epochs": 2, "random_state": 0}
    seen = plot.Snapshots(X, n=4)
    vae = ae.VAE(ae.Dense((8,)), latent_dim=2, callbacks=(seen,), **quick).fit(X)
    return {
        "X": X, "y": y, "seen": seen, "vae": vae, "waves": waves,
        "table": X.reshape(60, 64)[:, :5],
        "sequences": ae.VAE(ae.Dense((8,)), latent_dim=2, **quick).fit(waves),
        "columns": ae.VAE(ae.Dense((8,)), latent_dim=2, **quick).fit(X.reshape(60, 64)[:, :5]),
        "quantizer": ae.VQVAE(ae.ResNet(4, 4, 1, downsample=1), codebook_size=8, code_dim=4,
                              **quick).fit(X),
        "detector": ae.AnomalyDetector(ae.Autoencoder(ae.Dense((8,)), 2, **quick),
                                       n_models=2).fit(X),
        "watch": ae.SeriesDetector(8, model=ae.Autoencoder(ae.Dense((8,)), 2, **quick)).fit(
            waves.reshape(-1, 2)),
        "report": ae.metrics.synthetic_report(
            X[:20].reshape(20, 64)[:, :5], X[20:40].reshape(20, 64)[:, :5],
            holdout=X[40:].reshape(20, 64)[:, :5]),
        "found": ae.find_learning_rate(ae.Autoencoder(ae.Dense((8,)), 2, random_state=0), X,
                                       steps=20),
    }  # fmt: skip


# At least one picture of each function, by the things and the options it is given.
PICTURES = {
    "code_sizes": lambda t, **o: plot.code_sizes([t["vae"]], t["X"], **o),
    "codebook": lambda t, **o: plot.codebook(t["quantizer"], t["X"], **o),
    "codebook, vectors": lambda t, **o: plot.codebook(t["quantizer"], **o),
    "codebook, patches": lambda t, **o: plot.codebook(t["quantizer"], t["X"], kind="patches", **o),
    "errors": lambda t, **o: plot.errors(t["vae"], t["X"], **o),
    "errors, sequences": lambda t, **o: plot.errors(t["sequences"], t["waves"], **o),
    "errors, table": lambda t, **o: plot.errors(t["columns"], t["table"], **o),
    "history": lambda t, **o: plot.history(t["vae"], **o),
    "interpolation": lambda t, **o: plot.interpolation(t["vae"], t["X"][:2], t["X"][2:4], **o),
    "latent_space": lambda t, **o: plot.latent_space(t["vae"], t["X"], t["y"], **o),
    "latent_space, thumbnails": lambda t, **o: plot.latent_space(
        t["vae"], t["X"], t["y"], thumbnails=5, **o),
    "learning_rates": lambda t, **o: plot.learning_rates(t["found"], **o),
    "manifold": lambda t, **o: plot.manifold(t["vae"], n=5, **o),
    "progress": lambda t, **o: plot.progress(t["seen"], **o),
    "reasons": lambda t, **o: plot.reasons(t["detector"], t["X"], **o),
    "reconstructions": lambda t, **o: plot.reconstructions(t["vae"], t["X"], t["y"], **o),
    "reconstructions, error": lambda t, **o: plot.reconstructions(
        t["vae"], t["X"], error=True, **o),
    "reconstructions, sequences": lambda t, **o: plot.reconstructions(
        t["sequences"], t["waves"], **o),
    "reconstructions, table": lambda t, **o: plot.reconstructions(t["columns"], t["table"], **o),
    "roc": lambda t, **o: plot.roc(t["y"] == 0, t["X"][:, 0, 0, 0], **o),
    "roc, several": lambda t, **o: plot.roc(
        t["y"] == 0, {"one": t["X"][:, 0, 0, 0], "other": t["X"][:, 1, 0, 0]}, **o),
    "samples": lambda t, **o: plot.samples(t["vae"], n=12, random_state=0, **o),
    "scores": lambda t, **o: plot.scores(t["detector"], t["X"], t["y"], **o),
    "series": lambda t, **o: plot.series(t["watch"], t["waves"].reshape(-1, 2), **o),
    "synthetic_report": lambda t, **o: plot.synthetic_report(t["report"], **o),
    "traversal": lambda t, **o: plot.traversal(t["vae"], t["X"][0], **o),
}  # fmt: skip
NO_FIGURE = {"Explorer", "Snapshots", "explore", "tile"}


def test_each_function_is_among_the_pictures():
    assert {name.split(",")[0] for name in PICTURES} == set(plot.__all__) - NO_FIGURE


@pytest.mark.parametrize("name", PICTURES)
def test_a_title_takes_the_place_of_the_default(name, things):
    draw = PICTURES[name]
    parameter = inspect.signature(getattr(plot, name.split(",")[0])).parameters["title"]
    assert parameter.kind is parameter.KEYWORD_ONLY and parameter.default is None
    assert title(draw(things).axes[0])
    assert title(draw(things, title="What it shows").axes[0]) == "What it shows"
    assert title(draw(things, title="").axes[0]) == ""
    with pytest.raises(TypeError, match="title: expected a text or None, got int"):
        draw(things, title=1)


@pytest.mark.parametrize("name", PICTURES)
def test_a_long_title_is_broken_and_has_room(name, things):
    finding = "A title that says what one sees here, at length, and what to make of it. " * 2
    figure = PICTURES[name](things, title=finding)
    assert title(figure.axes[0]).replace("\n", " ") == finding.strip()
    pixels = rendered(figure)
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()


def test_another_title_takes_the_place_of_the_first():
    def drawn(change=None, **options):
        figure = plot.roc([0, 1, 0], [0.0, 1.0, 2.0], **options)
        if change is not None:
            change(figure.axes[0])
        return rendered(pickle.loads(pickle.dumps(figure)))

    named = drawn(title="Another")
    assert (named != drawn()).any()
    np.testing.assert_array_equal(drawn(lambda ax: ax.set_title("Another")), named)

    def at_the_left(ax):
        ax.set_title("Another", loc="left")

    np.testing.assert_array_equal(drawn(at_the_left), drawn(at_the_left, title=""))


def test_a_title_on_axes_of_ones_own():
    ax = Figure().add_subplot()
    plot.roc([0, 1], [0.0, 1.0], ax=ax)
    assert ax.get_title() == "ROC: area 1.000"
    frame, text = ax.get_window_extent(), ax.title.get_window_extent()
    assert text.x0 == pytest.approx(frame.x0, abs=2)
    ax.set_title("Mine")
    plot.roc([0, 1], [0.0, 1.0], ax=ax)
    assert ax.get_title() == "Mine"  # which the default doesn't replace
    plot.roc([0, 1], [0.0, 1.0], ax=ax, title="Asked for")
    assert ax.get_title() == "Asked for"
    assert ax.title.get_window_extent().x0 == pytest.approx(frame.x0, abs=2)


# ------------------------------------------------------------------------------- a user's style

DARK = {"figure.facecolor": "#131416", "text.color": "#e0e0e0"}


def texts_of(figure):
    """Return all texts that are seen."""
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


@pytest.mark.parametrize("name", PICTURES)
def test_all_is_legible_on_dark_backgrounds(name, things):
    with style.context("dark_background"):
        figure = PICTURES[name](things)
    pixels = rendered(figure)  # outside of the context: colours are those of the drawing
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == [0, 0, 0, 255]).all()
    for text in texts_of(figure):
        assert _theme.contrast(text.get_color(), "black") > 3, text
    with matplotlib.rc_context(DARK):
        figure = PICTURES[name](things)
        rendered(figure)
    assert to_hex(figure.get_facecolor()) == "#131416"
    for text in texts_of(figure):
        assert _theme.contrast(text.get_color(), "#131416") > 3, text


def test_saved_files_have_the_colours_of_the_drawing():
    from PIL import Image

    with style.context("dark_background"):
        figure = plot.history([{"loss": 1.0}, {"loss": 0.5}])
    file = io.BytesIO()
    figure.savefig(file)
    assert Image.open(file).convert("RGB").getpixel((0, 0)) == (0, 0, 0)


def test_a_transparent_background_stays_so():
    with matplotlib.rc_context({"figure.facecolor": "none", "text.color": "white"}):
        figure = plot.history([{"loss": 1.0}, {"loss": 0.5}])
    assert rendered(figure)[..., 3].min() == 0
    assert to_hex(figure.axes[0].xaxis.label.get_color()) == "#ffffff"
    assert to_hex(figure.axes[0].lines[0].get_color()) == _theme.DARK_COLORS[0]


def test_what_the_user_chose_is_kept():
    epochs = [{"loss": 3.0 - i, "kl": 1.0} for i in range(3)]
    own = plot.history(epochs).axes[0]
    choices = {
        "font.size": 16, "axes.spines.top": False, "axes.grid": True, "xtick.color": "#0000ff",
        "axes.edgecolor": "#ff0000", "axes.linewidth": 3, "legend.fontsize": 5,
    }  # fmt: skip
    with matplotlib.rc_context(choices):
        ax = plot.history(epochs).axes[0]
    assert ax.xaxis.label.get_fontsize() == 2 * own.xaxis.label.get_fontsize()
    assert ax.figure.get_size_inches()[0] > own.figure.get_size_inches()[0]
    assert to_hex(ax.spines["left"].get_edgecolor()) == "#ff0000"
    assert ax.spines["left"].get_linewidth() == 3
    assert to_hex(ax.get_xticklabels()[0].get_color()) == "#0000ff"
    assert ax.get_xgridlines()[0].get_visible() and not own.get_xgridlines()[0].get_visible()
    assert ax.get_legend().get_texts()[0].get_fontsize() == 5


def test_a_cycle_of_colours_is_kept_but_not_that_of_the_dark_style(things):
    def colors():
        axes = plot.history([{"loss": 2.0, "recon": 1.0, "kl": 1.0}] * 2).axes[0]
        return [to_hex(line.get_color()) for line in axes.lines][1:]

    assert colors() == list(_theme.COLORS[:2])
    with style.context("ggplot"):
        assert colors() == ["#e24a33", "#348abd"]
    with style.context("dark_background"):
        assert colors() == list(_theme.DARK_COLORS[:2])
    with style.context("ggplot"):  # whose first colour is nearly that of alarm
        axes = plot.scores(np.arange(10.0), y=np.repeat([1, -1], 5)).axes[0]
    outlier, normal = (to_hex(patch.get_edgecolor()) for patch in axes.patches[1::2])
    assert (outlier, normal) == (_theme.COLORS[1], "#348abd")


def test_the_colours_of_values_are_the_users(things):
    with matplotlib.rc_context({"image.cmap": "magma"}):
        assert PICTURES["errors"](things).axes[0].images[0].get_cmap().name == "magma"
    assert PICTURES["errors"](things).axes[0].images[0].get_cmap().name == "viridis"


def test_files_are_sharp():
    from PIL import Image

    figure = plot.roc([0, 1], [0.0, 1.0])
    inches = figure.get_size_inches()

    def width(**options):
        file = io.BytesIO()
        figure.savefig(file, **options)
        return Image.open(file).width

    assert width() == pytest.approx(300 * inches[0], abs=1)
    assert width(dpi=50) == pytest.approx(50 * inches[0], abs=1)
    with matplotlib.rc_context({"savefig.dpi": 80}):
        assert width() == pytest.approx(80 * inches[0], abs=1)
    png, size = figure._repr_png_()
    assert Image.open(io.BytesIO(png)).width == pytest.approx(2 * size["width"], abs=2)


# ------------------------------------------------------------------------- axes of the user's own


@pytest.mark.parametrize("layout", [None, "constrained"])
@pytest.mark.parametrize("name", PICTURES)
def test_neighbours_are_left_alone(name, layout, things):
    figure = Figure(figsize=(11, 7), layout=layout)
    grid = figure.subplots(2, 2)
    for ax in grid.flat:
        PICTURES[name](things, ax=ax, **({} if name.startswith("series") else {"title": "Title"}))
    rendered(figure)
    boxes = [ax.get_tightbbox() for ax in grid.flat]
    for i, one in enumerate(boxes):
        assert one.x0 >= 0 and one.y0 >= 0 and one.x1 <= figure.bbox.x1
        for other in boxes[:i]:
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            up = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert min(across, up) <= 1, (across, up)


def test_legends_on_axes_of_ones_own_cover_no_data():
    ax = Figure(figsize=(6, 3)).add_subplot()
    plot.history([{"loss": 3.0 - i, "kl": 1.0} for i in range(3)], ax=ax)
    rendered(ax.figure)
    legend, frame = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.x0 >= frame.x1 and legend.x1 <= ax.figure.bbox.x1
    assert not ax.get_legend().get_frame_on()


def test_fresh_axes_get_the_look_and_others_keep_theirs():
    fresh, used = Figure().subplots(1, 2)
    used.plot([1, 2])
    for ax in (fresh, used):
        plot.roc([0, 1], [0.0, 1.0], ax=ax)
    assert not fresh.spines["top"].get_visible() and used.spines["top"].get_visible()


# --------------------------------------------------------------------------------------- names


def test_classes_have_names(things):
    X, y, vae = things["X"], things["y"], things["vae"]
    for names in (["a", "b", "c"], {2: "c", 0: "a", 1: "b"}):
        axes = plot.latent_space(vae, X, y, thumbnails=3, class_names=names).axes[0]
        texts = [text.get_text() for text in axes.get_legend().get_texts()]
        assert sorted(texts) == ["a", "b", "c"] and texts == list(
            names if isinstance(names, list) else names.values())  # fmt: skip
        axes = plot.reconstructions(vae, X, y, n=3, class_names=names).axes[0]
        assert axis_labels(axes, "x") == ["a", "b", "c"]
        axes = plot.scores(np.arange(60.0), y=y, class_names=names).axes[0]
        texts = [text.get_text() for text in axes.get_legend().get_texts()]
        assert texts == ["a (20)", "b (20)", "c (20)"]
    with pytest.raises(ValueError, match="class_names: expected a name for each label, got none"):
        plot.latent_space(vae, X, y, class_names=["a", "b"])
    with pytest.raises(TypeError, match="class_names: expected a sequence or dict"):
        plot.latent_space(vae, X, y, class_names="abc")


def test_samples_say_what_they_have_in_common(things):
    pandas = pytest.importorskip("pandas")

    class Model:
        def sample(self, n, *, y=None, random_state=None):
            return np.zeros((n, 4, 4, 1), np.float32)

    class Labelled(Model):
        classes_ = np.arange(3)

    axes = plot.samples(Labelled(), n=6, class_names=["a", "b", "c"]).axes[0]
    assert axis_labels(axes, "y") == ["a", "b", "c"]
    axes = plot.samples(Labelled(), np.repeat([2, 0], 5)).axes[0]
    assert axis_labels(axes, "y") == ["2", "0"] and axis_labels(axes, "x") == []
    axes = plot.samples(Labelled(), 1, n=4, class_names=["a", "b", "c"]).axes[0]
    assert title(axes) == "Samples of b" and axis_labels(axes, "y") == []
    grid = pandas.DataFrame({"size": np.repeat([0.5, 1.0], 3), "angle": np.tile([0, 45, 90], 2)})
    axes = plot.samples(Model(), grid).axes[0]
    assert axis_labels(axes, "y") == ["size = 0.5", "size = 1"]
    assert axis_labels(axes, "x") == ["angle = 0", "angle = 45", "angle = 90"]
    axes = plot.samples(Model(), [0.5, 45.0], n=4).axes[0]
    assert title(axes).replace("\n", " ") == "Samples with property 0 = 0.5, property 1 = 45"


def test_samples_of_a_property_say_which_to_pass(rng):
    X = rng.random((40, 4, 4, 1), np.float32)
    sizes = np.linspace(2, 4, 40)[:, None]
    model = ae.CVAE(ae.Dense((8,)), 2, epochs=1, random_state=0).fit(X, sizes)
    with pytest.raises(ValueError, match=r"means in fit, y=\[3\], or a row of them for each"):
        plot.samples(model, n=8)
    for y in (3, [3]):
        drawn = title(plot.samples(model, y, n=4).axes[0])
        assert drawn.split() == "Samples with property 0 = 3".split()
    axes = plot.samples(model, np.repeat([[2], [3]], 4, axis=0)).axes[0]
    assert axis_labels(axes, "y") == ["property 0 = 2", "property 0 = 3"]
    assert plot.manifold(model, y=3, n=3).axes and plot.traversal(model, X[0], y=3).axes


@pytest.mark.parametrize("draw", [
    lambda t, **o: plot.reconstructions(t["sequences"], t["waves"], **o),
    lambda t, **o: plot.samples(t["sequences"], n=4, **o),
    lambda t, **o: plot.traversal(t["sequences"], t["waves"][0], **o),
    lambda t, **o: plot.interpolation(t["sequences"], t["waves"][0], t["waves"][1], **o),
    lambda t, **o: plot.manifold(t["sequences"], n=3, **o),
    lambda t, **o: plot.errors(t["sequences"], t["waves"], **o),
])  # fmt: skip
def test_features_of_sequences_have_names_and_a_scale(draw, things):
    axes = draw(things, feature_names=["flow", "heat"]).axes[0]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[-2:] == ["flow", "heat"]
    assert axes.get_xlabel() == "step" or "11 steps" in [t.get_text() for t in axes.texts]
    with pytest.raises(ValueError, match="feature_names: expected 2 names, got 1"):
        draw(things, feature_names=["flow"])


def test_errors_say_their_unit(things):
    class Known:
        def __init__(self, loss):
            self.loss = loss

        def errors(self, X):
            return X - (self.loss == "gaussian")

    units = {"mse": "squared error", "l1": "absolute error", "bce": "error in nats",
             "gaussian": "error in nats", "mixed": "error in nats", None: "error"}  # fmt: skip
    for loss, unit in units.items():
        figure = plot.errors(Known(loss), things["X"])
        assert figure.axes[1].get_ylabel() == f"mean {unit}"
        assert title(figure.axes[0]) == "Error of each pixel, mean over 60 samples"
        low = things["X"].mean(axis=(0, 3)).min() - 1 if loss == "gaussian" else 0
        assert figure.axes[0].images[0].get_clim()[0] == pytest.approx(low)
        assert plot.errors(Known(loss), things["waves"]).axes[0].get_ylabel() == unit
        assert plot.errors(Known(loss), things["table"]).axes[0].get_xlabel() == f"mean {unit}"


# ------------------------------------------------------------------------------- maps and curves


def test_a_map_may_come_from_elsewhere(things):
    rng = np.random.default_rng(0)
    codes, points = rng.normal(size=(30, 6)), rng.normal(size=(30, 2))

    class Halves:
        def fit_transform(self, codes):
            return codes[:, :2] / 2

    def double(codes):
        return codes[:, :2] * 2

    for method, wanted, label in (
        (points, points, "map 1"),
        (points.tolist(), points, "map 1"),
        (Halves(), codes[:, :2] / 2, "Halves 1"),
        (double, codes[:, :2] * 2, "double 1"),
    ):
        axes = plot.latent_space(codes, method=method).axes[0]
        np.testing.assert_allclose(axes.collections[0].get_offsets(), wanted)
        assert axes.get_xlabel() == label
    some = plot.latent_space(codes, method=points, n=2).axes[0].collections[0]
    np.testing.assert_allclose(some.get_offsets(), points[[0, 29]])
    with pytest.raises(ValueError, match=r"method: expected points of shape \(30, 2\), got"):
        plot.latent_space(codes, method=points[:9])
    with pytest.raises(TypeError, match=r"method: expected one of direct, pca, .*, got int"):
        plot.latent_space(codes, method=2)


def test_without_umap_it_says_what_else_to_do(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(ImportError, match=r"pip install umap-learn; or pass the embedding itself"):
        plot.latent_space(np.random.default_rng(0).normal(size=(30, 6)), method="umap")


def test_a_class_in_two_parts_has_its_name_in_one_of_them():
    rng = np.random.default_rng(0)
    parts = [rng.normal(at, 0.2, (n, 2)) for at, n in (((0, 0), 30), ((10, 0), 60), ((5, 8), 50))]
    axes = plot.latent_space(np.concatenate(parts), y=np.repeat(["split", "whole"], [90, 50]))
    placed = {text.get_text(): text.get_position() for text in axes.axes[0].texts}
    assert np.hypot(*(np.array(placed["split"]) - [10, 0])) < 0.5
    assert axes.axes[0].get_legend() is None  # the map says all


def test_the_scale_follows_the_loss():
    def scale(losses, kl):
        epochs = [{"loss": loss, "recon": loss - k, "kl": k}
                  for loss, k in zip(losses, kl, strict=True)]  # fmt: skip
        return plot.history(epochs).axes[0].get_yscale()

    assert scale([50, 30, 20], [0.01, 1, 2]) == "linear"  # a small term makes no logarithm
    assert scale([500, 30, 2], [1, 1, 1]) == "log"


@pytest.mark.parametrize("epochs, ticks", [
    (1, [1]), (3, [1, 2, 3]), (12, [2, 4, 6, 8, 10, 12]), (24, [1, 5, 10, 15, 20]),
    (100, [1, 20, 40, 60, 80, 100]),
])  # fmt: skip
def test_ticks_are_whole_epochs(epochs, ticks):
    axes = plot.history([{"loss": 1.0 + i} for i in range(epochs)]).axes[0]
    assert axis_labels(axes, "x") == [str(tick) for tick in ticks]


def test_a_full_area_says_what_it_means():
    axes = plot.roc([0, 0, 1], [0.0, 1.0, 2.0]).axes[0]
    (text,) = axes.texts
    assert (
        text.get_text().split() == "every positive has a higher score than every negative".split()
    )
    assert axes.get_xlabel() == "false positive rate (n = 2)"
    (text,) = plot.roc([0, 0, 1], [0.0, 2.0, 1.0]).axes[0].texts
    assert "50.0% of all pairs" in " ".join(text.get_text().split())
