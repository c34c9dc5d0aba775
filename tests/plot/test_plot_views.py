"""Plots of errors, training, codes and decoders: what is drawn is what the data say."""

import io

import aecore as ae
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from aecore import plot  # noqa: E402
from aecore.plot import _grid, _plane, _tables, _theme  # noqa: E402
from matplotlib import colormaps  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from test_plot import (  # noqa: E402
    EPOCHS,
    Linear,
    Quantizer,
    axis_labels,
    offsets,
    picture,
    rendered,
    title,
)


class Known:
    """Gives back what it was made with."""

    def __init__(self, **answers):
        for name, answer in answers.items():
            setattr(self, name, lambda *args, answer=answer, **options: answer)


@pytest.fixture
def images(rng):
    return rng.random((12, 8, 6, 1), dtype=np.float32)


# ------------------------------------------------------------------------------- error, in pictures


def test_the_error_map_has_the_colours_of_the_absolute_difference(images):
    rebuilt = np.clip(images + np.linspace(-0.5, 0.5, 48).reshape(8, 6, 1), 0, 1)
    rebuilt = rebuilt.astype(np.float32)
    figure = plot.reconstructions(Known(reconstruct=rebuilt[:4]), images, n=4, error=True)
    axes, bar = figure.axes
    apart = np.abs(rebuilt[:4] - images[:4])[..., 0]
    row = picture(axes)[18:26]
    for i in range(4):
        expected = colormaps["viridis"](apart[i] / apart.max())[..., :3]
        np.testing.assert_allclose(row[:, 7 * i : 7 * i + 6, :3], expected, atol=1e-6)
        # The rows above are as grey as without the map.
        grey = np.repeat(images[i], 3, axis=2)
        np.testing.assert_allclose(picture(axes)[:8, 7 * i : 7 * i + 6, :3], grey, atol=1e-6)
    assert axis_labels(axes, "y") == ["original", "rebuilt", "error"]
    assert bar.get_ylim() == pytest.approx((0, apart.max()))
    assert bar.get_ylabel() == "absolute error"


def test_the_error_of_a_sequence_is_the_shade_between_the_lines(rng):
    X = rng.standard_normal((3, 10, 2)).astype(np.float32)
    model = Known(reconstruct=X + 1)
    axes = plot.reconstructions(model, X, error=True).axes[0]
    shades = [c for c in axes.collections if type(c).__name__ == "PolyCollection"]
    assert [len(shade.get_paths()) for shade in shades] == [3, 3]
    lines = [c for c in axes.collections if type(c).__name__ == "LineCollection"]
    for f in range(2):
        for i in range(3):
            ring = shades[f].get_paths()[i].vertices
            np.testing.assert_allclose(ring[:10], lines[f].get_segments()[i], atol=1e-6)
            back = lines[2 + f].get_segments()[i][::-1]
            np.testing.assert_allclose(ring[10:20], back, atol=1e-6)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["original", "rebuilt", "error", "feature 0", "feature 1"]


def test_the_error_of_a_table_is_a_strip_in_shares_of_the_range(rng):
    X = (rng.random((20, 3)) * [1, 10, 100]).astype(np.float32)
    rebuilt = X + np.array([0.1, 2, 0], np.float32)
    model = Known(reconstruct=rebuilt[:2])
    model.feature_names_in_ = np.array(["age", "income", "zip"])
    axes = plot.reconstructions(model, X, n=2, error=True).axes[0]
    share = np.abs(rebuilt[:2] - X[:2]) / np.ptp(X, axis=0)
    np.testing.assert_allclose(picture(axes)[[2, 6]], share, atol=1e-5)
    assert axis_labels(axes, "x") == ["age", "income", "zip"]
    assert title(axes).endswith("original, rebuilt, error")


def test_ragged_sequences_end_where_they_end(rng):
    X = [rng.standard_normal((t, 2)).astype(np.float32) for t in (9, 4, 1)]
    axes = plot.reconstructions(Known(reconstruct=[2 * x for x in X]), X, error=True).axes[0]
    drawn = [c for c in axes.collections if type(c).__name__ == "LineCollection"]
    found = [int(np.isfinite(s[:, 1]).sum()) for s in drawn[0].get_segments()]
    assert found == [9, 4, 1]
    rendered(axes.figure)
    # Means are over those that are there.
    errors = plot.errors(Known(errors=[x * x for x in X]), X).axes[0]
    last = errors.lines[0].get_ydata()
    assert last[8] == pytest.approx(X[0][8, 0] ** 2)
    assert last[2] == pytest.approx((X[0][2, 0] ** 2 + X[1][2, 0] ** 2) / 2)
    with pytest.raises(ValueError, match="one F"):
        plot.reconstructions(Known(reconstruct=X), [X[0], X[0][:, :1]])


def test_ragged_bytes_are_scaled():
    X = [np.full((3, 1), 255, np.uint8), np.full((2, 1), 51, np.uint8)]
    found = _grid.as_samples("X", X)
    np.testing.assert_allclose(found[:, 0, 0], [1, 0.2])
    assert np.isnan(found[1, 2])


def test_mixed_columns_are_drawn_by_the_places_of_their_values():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"n": [1.0, 2.0, 3.0], "c": ["b", None, "a"]})
    rebuilt = pandas.DataFrame({"n": [1.0, 2.5, 3.0], "c": ["c", "a", "a"]})
    axes = plot.reconstructions(Known(reconstruct=rebuilt), X).axes[0]
    # a, b and c are 0, 1 and 2 in both, X's range is 0 to 1, and what is missing has no colour.
    np.testing.assert_allclose(
        picture(axes)[[0, 1, 3, 4, 6, 7]],
        [[0, 1], [0, 1], [0.5, np.nan], [0.75, 0], [1, 0], [1, 0]],
    )
    assert axis_labels(axes, "x") == ["n", "c"]
    packed = np.array([(1.0, "b"), (2.0, "a")], [("n", float), ("c", "U1")])
    np.testing.assert_array_equal(_tables.numbered([packed])[0], [[1, 1], [2, 0]])
    assert _tables.is_mixed(packed) and _tables.is_mixed(X) and not _tables.is_mixed(X[["n"]])
    assert _grid.as_samples("X", pandas.DataFrame({"c": [pandas.NA, "u"]})).tolist()[1] == [0]


# ---------------------------------------------------------------------------------- during training


def test_snapshots_are_what_the_model_made_of_the_samples(rng):
    X = rng.random((40, 6, 6, 1), dtype=np.float32)
    seen = plot.Snapshots(X, n=3, every=2)
    model = ae.Autoencoder(ae.Dense((8,)), 2, epochs=4, callbacks=(seen,), random_state=0).fit(X)
    assert seen.epochs == [2, 4] and seen.samples[0].shape == (3, 6, 6, 1)
    np.testing.assert_array_equal(seen.samples[1], model.reconstruct(X[:3]))
    assert not np.array_equal(*seen.samples)
    axes = plot.progress(seen).axes[0]
    assert axis_labels(axes, "y") == ["epoch 2", "epoch 4", "original"]
    low, high = _grid.limits_of(X[:3])
    expected = plot.tile(np.clip(np.concatenate([*seen.samples, X[:3]]) - low, 0, high - low), 3)
    np.testing.assert_allclose(picture(axes), expected, atol=1e-6)


def test_watching_training_changes_nothing(rng):
    X = rng.random((40, 5)).astype(np.float32)
    options = {"epochs": 3, "random_state": 0, "corruption": ae.Masking(0.3)}
    plain = ae.VAE(ae.Dense((8,)), 2, **options).fit(X)
    seen = plot.Snapshots(X[:2]), plot.Snapshots(n=2)
    watched = ae.VAE(ae.Dense((8,)), 2, callbacks=seen, **options).fit(X)
    for name, value in plain.parameters_.items():
        np.testing.assert_array_equal(value, watched.parameters_[name])


def test_snapshots_without_samples_are_of_the_same_codes(rng):
    X, y = rng.random((30, 4)).astype(np.float32), np.arange(30) % 2
    seen = plot.Snapshots(y=[0, 1, 0], n=3)
    model = ae.CVAE(ae.Dense((8,)), 2, epochs=2, callbacks=(seen,), random_state=0).fit(X, y)
    np.testing.assert_array_equal(seen.samples[1], model.sample(3, y=[0, 1, 0], random_state=0))
    axes = plot.progress(seen).axes[0]
    assert "from epoch 1 down to epoch 2" in title(axes)
    model.fit(X, y)
    assert seen.epochs == [1, 2]  # of the second fit alone
    assert repr(seen) == "Snapshots(n=3, every=1, epochs=[1, 2])"


def test_progress_shows_more_of_the_first_epochs(rng):
    seen = plot.Snapshots(rng.random((2, 5, 3)))
    seen.epochs = list(range(1, 22))
    seen.samples = [np.full((2, 5, 3), i, np.float32) for i in seen.epochs]
    axes = plot.progress(seen, n=3).axes[0]
    assert axis_labels(axes, "y") == ["epoch 1", "epoch 5", "epoch 21", "original"]


def test_the_learning_rate_is_drawn_where_it_changed():
    rates = [1e-3 * 0.5**i for i in range(8)]
    epochs = [{**e, "learning_rate": r} for e, r in zip(EPOCHS, rates, strict=True)]
    figure = plot.history(epochs)
    axes, beside = figure.axes
    (line,) = beside.lines
    assert line.get_label() == "learning rate" and line.get_linestyle() == ":"
    np.testing.assert_allclose(line.get_ydata(), rates)
    assert beside.get_ylabel() == "learning rate" and beside.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 100  # the loss has its own scale
    rendered(figure)
    covered = axes.get_legend().get_window_extent()
    assert not covered.overlaps(beside.yaxis.label.get_window_extent())
    constant = [{**e, "learning_rate": 1e-3} for e in EPOCHS]
    labels = [line.get_label() for line in plot.history(constant).axes[0].lines]
    assert not any("rate" in label for label in labels)
    alone = plot.history(epochs, keys="learning_rate").axes[0]
    np.testing.assert_allclose(alone.lines[0].get_ydata(), rates)
    assert alone.get_ylabel() == "learning_rate"


def test_the_loss_is_seen_behind_a_term_that_is_nearly_all_of_it():
    axes = plot.history(EPOCHS).axes[0]
    loss, validation, recon, _ = axes.lines
    for line in (loss, validation):
        assert line.get_linewidth() > 1.3 * recon.get_linewidth()
        assert line.get_color() == _theme.INK != recon.get_color()
    assert loss.get_zorder() == recon.get_zorder()  # so that what comes first lies behind
    alone = plot.history(EPOCHS, keys="loss").axes[0].lines[0]
    assert alone.get_linewidth() == recon.get_linewidth()


def test_a_gan_has_a_generator_and_a_discriminator(rng):
    X = rng.random((32, 4)).astype(np.float32)
    gan = ae.GAN(ae.Dense((8,)), 2, epochs=2, random_state=0).fit(X)
    axes = plot.history(gan).axes[0]
    assert [line.get_label() for line in axes.lines] == ["loss (generator)", "discriminator"]
    options = {"epochs": 2, "random_state": 0, "discriminator_widths": (8,)}
    aae = ae.AdversarialAutoencoder(ae.Dense((8,)), 2, **options).fit(X)
    labels = [line.get_label() for line in plot.history(aae).axes[0].lines]
    assert labels == ["loss", "recon", "generator", "discriminator"]


# ------------------------------------------------------------------------------------- latent space


@pytest.mark.parametrize(
    "shape, height",
    [((10, 1), 0.5), ((10, 0), 0.5), ((1, 10), 0.9), ((0, 10), 0.9), ((10, 6), None)],
)
@pytest.mark.parametrize("labels", [2, 15])
def test_figures_are_as_high_as_maps_ask_for(rng, shape, height, labels):
    codes = (rng.random((300, 2)) - 0.5) * shape
    figure = plot.latent_space(codes, y=np.arange(300) % labels)
    axes, (wide, high) = figure.axes[0], figure.get_size_inches()
    rendered(figure)
    box = axes.get_window_extent()
    across, up = np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())
    np.testing.assert_allclose(box.width / across, box.height / up, rtol=1e-3)  # equal scales
    if height is not None and not (height == 0.5 and labels == 15):
        np.testing.assert_allclose(high / wide, height)
    if shape == (10, 6):
        assert 0.5 < high / wide < 0.9
        assert np.ptp(codes[:, 0]) / across > 0.85
        if labels == 2:  # whose legend is no higher than the map
            assert np.ptp(codes[:, 1]) / up > 0.85
    beside = axes.get_legend()
    if beside is not None:
        assert beside.get_window_extent().y0 >= 0
    mine = Figure(figsize=(3, 5))
    plot.latent_space(codes, ax=mine.add_subplot())
    assert tuple(mine.get_size_inches()) == (3, 5)


def test_thumbnails_lie_side_by_side(images):
    class Plane:
        def transform(self, X):
            return np.random.default_rng(0).random((len(X), 2)) * [9, 5]

    many = np.concatenate([images] * (1 + 400 // len(images)))
    for y in (None, np.arange(len(many)) % 3):
        figure = plot.latent_space(Plane(), many, y, thumbnails=400)
        rendered(figure)
        boxes = [a.get_window_extent() for a in figure.axes[0].artists]
        corners = np.array([(b.x0, b.y0, b.x1, b.y1) for b in boxes])
        assert len(boxes) > 50
        for i, (x0, y0, x1, y1) in enumerate(corners[:-1]):
            others = corners[i + 1 :]
            aside = (others[:, 0] >= x1) | (others[:, 2] <= x0)
            assert (aside | (others[:, 1] >= y1) | (others[:, 3] <= y0)).all()


def test_thumbnails_lie_on_their_codes_framed_in_the_class_colour(images):
    codes = np.stack(np.meshgrid(range(4), range(3)), axis=-1).reshape(-1, 2).astype(float)
    codes[11] = codes[10] + 1e-3  # too near for both
    model, y = Known(transform=codes), np.arange(12) % 3
    axes = plot.latent_space(model, images, y, thumbnails=50).axes[0]
    boxes = [a for a in axes.artists if type(a).__name__ == "AnnotationBbox"]
    assert len(boxes) == 11
    for box in boxes:
        (i, *_) = np.flatnonzero(np.isclose(codes, box.xy).all(axis=1))
        np.testing.assert_array_equal(box.offsetbox.image.get_array(), images[i, ..., 0])
        assert to_hex(box.patch.get_edgecolor()) == _theme.COLORS[y[i]]
    # Their labels would lie under the images; the legend has them.
    assert not axes.texts and len(axes.get_legend().get_texts()) == 3
    rendered(axes.figure)
    few = plot.latent_space(model, images, thumbnails=2).axes[0]
    assert sum(type(a).__name__ == "AnnotationBbox" for a in few.artists) == 2


def test_a_columns_name_is_written(rng):
    pandas = pytest.importorskip("pandas")
    codes = rng.standard_normal((9, 2))
    figure = plot.latent_space(codes, y=pandas.Series(rng.random(9), name="brightness"))
    assert figure.axes[1].get_ylabel() == "brightness"
    figure = plot.latent_space(codes, y=pandas.Series(list("abc") * 3, name="kind"))
    assert title(figure.axes[0]) == "Latent space: 9 samples by kind"


def test_codes_of_ragged_sequences(rng):
    X = [rng.random((t, 2)) for t in (3, 5, 4, 2)]

    class Means:
        def transform(self, X):
            return np.array([x.mean(axis=0) for x in X])

    expected = Means().transform(X)
    np.testing.assert_allclose(offsets(plot.latent_space(Means(), X).axes[0]), expected)
    some = offsets(plot.latent_space(Means(), X, n=2).axes[0])
    np.testing.assert_allclose(some, expected[[0, 3]])


def test_large_scatters_are_pixels_in_vector_files(rng):
    y = np.arange(20000) % 10
    figures = {"scatter": plot.latent_space(rng.standard_normal((20000, 2)), y=y)}
    figures["images"] = plot.samples(Linear().fit(rng.random((30, 28, 28, 1))), n=64)
    figures["codebook"] = plot.codebook(Quantizer(None, 5000))
    for name, figure in figures.items():
        for kind, most in (("svg", 400_000), ("pdf", 250_000)):
            file = io.BytesIO()
            figure.savefig(file, format=kind)
            assert file.tell() < most, (name, kind)


# ----------------------------------------------------------------------------------------- decoders


def test_traversal_names_the_divergences(images):
    class Posterior(Linear):
        def encode_distribution(self, X):
            mean = self.transform(X)
            return mean, np.tile(np.log([0.01, 1.0, 0.25]), (len(X), 1))

    model = Posterior(3).fit(images)
    mean, variance = model.transform(images), np.array([0.01, 1.0, 0.25])
    kl = (mean**2 + variance - 1 - np.log(variance)) / 2
    axes = plot.traversal(model, images[2]).axes[0]
    assert axis_labels(axes, "y") == [f"latent {i}  KL {kl[2, i]:.2f}" for i in range(3)]
    axes = plot.traversal(model, images[2], X=images).axes[0]
    means = kl.mean(axis=0)
    order = np.argsort(-means)
    assert axis_labels(axes, "y") == [f"latent {i}  KL {means[i]:.2f}" for i in order]
    rows = [model.traverse(images[2], dim, np.linspace(-3, 3, 9)) for dim in order]
    expected = plot.tile(np.clip(np.concatenate(rows), 0, 1), 9)
    np.testing.assert_allclose(picture(axes), expected, atol=1e-6)
    axes = plot.traversal(model, images[2], dims=[1], X=images).axes[0]
    assert axis_labels(axes, "y") == [f"latent 1  KL {means[1]:.2f}"]


def test_traversal_agrees_with_the_history_of_a_vae(rng):
    X = rng.random((64, 5)).astype(np.float32)
    model = ae.VAE(ae.Dense((16,)), 3, epochs=30, beta=0.1, random_state=0).fit(X)
    axes = plot.traversal(model, X[0], X=X).axes[0]
    total = sum(float(label.split()[-1]) for label in axis_labels(axes, "y"))
    assert total == pytest.approx(model.history_[-1]["kl"], rel=0.2)


def test_steps_are_written_as_they_are(images):
    model = Linear().fit(images)
    labels = axis_labels(plot.interpolation(model, images[0], images[1], n=9).axes[0], "x")
    assert labels[1:-1] == ["0", "0.125", "0.25", "0.375", "0.5", "0.625", "0.75", "0.875", "1"]
    labels = axis_labels(plot.interpolation(model, images[0], images[1], n=4).axes[0], "x")
    assert labels[1:-1] == ["0", "0.33", "0.67", "1"]


def test_a_grid_has_one_condition(rng):
    X, y = rng.random((30, 5)).astype(np.float32), np.array(list("abc"))[np.arange(30) % 3]
    options = {"epochs": 1, "random_state": 0}
    model = ae.CVAE(ae.Dense((8,)), 2, **options).fit(X, y)
    grid = plot.manifold(model, X, y="b", n=3).axes[0]
    assert picture(grid).shape[1] == 5
    with pytest.raises(ValueError, match=r"y: expected one label .* manifold .* got shape \(30,\)"):
        plot.manifold(model, X, y=y)
    with pytest.raises(ValueError, match="y: expected one label for all that traversal decodes"):
        plot.traversal(model, X[0], y=y)
    model = ae.CVAE(ae.Dense((8,)), 2, **options).fit(X, X[:, :2])
    plot.manifold(model, X, y=X[0, :2], n=3)
    with pytest.raises(ValueError, match="one vector of P properties"):
        plot.manifold(model, X, y=X[:, :2])
    # Where nothing depends on y, labels do no harm.
    plain = ae.VAE(ae.Dense((8,)), 2, **options).fit(X)
    np.testing.assert_array_equal(
        picture(plot.manifold(plain, X, y=y, n=3).axes[0]),
        picture(plot.manifold(plain, X, n=3).axes[0]),
    )


def test_the_path_is_passed_on(images):
    class Turning(Linear):
        def interpolate(self, a, b, n, path="linear"):
            self.path_ = path
            return super().interpolate(a, b, n)

    model = Turning().fit(images)
    plot.interpolation(model, images[0], images[1], path="spherical")
    assert model.path_ == "spherical"
    plot.interpolation(Linear().fit(images), images[0], images[1])  # needs no path


def test_a_table_has_its_features_names(rng):
    model = Linear().fit(rng.random((30, 4)))
    for names, angle in ((["a", "bb", "ccc", "dddd"], 0), (["a", "b", "c", 20 * "d"], 90)):
        model.feature_names_in_ = np.array(names)
        for figure in (plot.samples(model, n=5), plot.manifold(model, n=3),
                       plot.traversal(model, np.zeros(4))):  # fmt: skip
            axes = figure.axes[0]
            assert axis_labels(axes, "x") == names
            assert axes.get_xticklabels()[0].get_rotation() == angle
            pixels = rendered(figure)
            assert (pixels[-1] == 255).all() and (pixels[:, -1] == 255).all()


def test_rows_of_a_data_frame_are_samples(rng):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"n": [1.0, 2.0, 3.0], "c": ["b", "a", "a"]})

    class Table:
        latent_dim = 2

        def interpolate(self, a, b, n):
            assert list(a.columns) == ["n", "c"] and len(a) == len(b) == 1
            return pandas.DataFrame({"n": np.linspace(a["n"].iloc[0], b["n"].iloc[0], n), "c": "c"})

        def traverse(self, x, dim, values):
            return pandas.DataFrame({"n": values, "c": ["b"] * len(values)})

        def encode_distribution(self, X):
            assert list(X.columns) == ["n", "c"]
            return np.ones((len(X), 2)), np.zeros((len(X), 2))

    axes = plot.interpolation(Table(), X[:1], X[1:2], n=3).axes[0]
    # a, b and c are 0, 1 and 2 along the way.
    expected = [[0, 0.5], [0, 1], [0.5, 1], [1, 1], [1, 0]]
    np.testing.assert_allclose(picture(axes), expected)
    assert picture(plot.interpolation(Table(), X[:2], X[1:], n=3).axes[0]).shape == (11, 2)
    axes = plot.traversal(Table(), X[:1], values=[0.0, 4.0]).axes[0]
    assert axis_labels(axes, "y") == ["latent 0  KL 0.50", "latent 1  KL 0.50"]
    np.testing.assert_array_equal(picture(axes)[:2, 0], [0, 1])


def test_the_way_between_sequences_of_different_lengths(rng):
    X = [rng.random((t, 2)).astype(np.float32) for t in (8, 5, 3)]
    model = ae.Autoencoder(ae.LSTM(4), 2, epochs=1, random_state=0).fit(X)
    axes = plot.interpolation(model, X[0], X[2], n=2).axes[0]
    found = [int(np.isfinite(s[:, 1]).sum()) for s in axes.collections[0].get_segments()]
    assert found == [8, 8, 8, 3]


def legend_texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def missing_labels():
    """Labels with the second and the fifth missing, in several forms, and their classes."""
    pandas = pytest.importorskip("pandas")
    words = ["b", None, "a", "a", None, "b"]
    numbers = [2, None, 1, 1, np.nan, 2]
    yield np.array(words, object), ["a", "b"]
    yield ["b", "", "a", "a", "", "b"], ["a", "b"]
    yield np.array(["b", np.nan, "a", "a", np.nan, "b"], object), ["a", "b"]
    yield pandas.Series(words, dtype="string"), ["a", "b"]
    yield pandas.Series(words, dtype="category"), ["a", "b"]
    yield np.array(numbers, object), ["1", "2"]
    yield pandas.Series(numbers), ["1", "2"]  # as floats, as there is no integer for a missing one
    yield pandas.Series(numbers, dtype="Int64"), ["1", "2"]
    yield np.array([True, None, False, False, None, True], object), ["False", "True"]
    yield pandas.Series(["b", "", 1, 1, None, "b"]), ["1", "b"]


@pytest.mark.parametrize("i", range(10))
def test_missing_labels_are_grey_below_the_others(i, rng):
    codes, (y, names) = rng.random((6, 2)), list(missing_labels())[i]
    axes = plot.latent_space(codes, y=y).axes[0]
    written = [text.get_text() for text in axes.texts]
    if legend_texts(axes) == ["missing"]:  # the names in the map say the rest
        assert written == names
    else:
        assert legend_texts(axes) == [*names, "missing"]
    gone, known = axes.collections
    np.testing.assert_allclose(gone.get_offsets(), codes[[1, 4]])
    assert {to_hex(face) for face in gone.get_facecolors()} == {"#c4c4c4"}
    assert len(known.get_offsets()) == 4
    for point, face in zip(known.get_offsets(), known.get_facecolors(), strict=True):
        (row,) = np.flatnonzero(np.isclose(codes, point).all(axis=1))
        assert to_hex(face) == _theme.COLORS[int(row in (0, 5))]
    assert {text.get_text() for text in axes.texts} <= set(names)


def test_missing_properties_are_grey(rng):
    codes, y = rng.random((6, 2)), np.array([0.5, np.nan, 0.25, 1.0, 2.0, np.nan])
    for labels in (y, np.stack([y, 1 - y], axis=1), [0.5, None, 0.25, 1.0, 2.0, None]):
        figure = plot.latent_space(codes, y=labels)
        gone, known = figure.axes[0].collections
        np.testing.assert_allclose(gone.get_offsets(), codes[[1, 5]])
        np.testing.assert_allclose(np.sort(known.get_array()), [0.25, 0.5, 1, 2])
        assert legend_texts(figure.axes[1]) == ["missing"]
        rendered(figure)
    alone = plot.latent_space(codes, y=np.full(6, np.nan)).axes
    assert len(alone) == 1 and legend_texts(alone[0]) == ["missing"]


def test_all_classes_of_a_cloud_are_named(rng):
    codes, y = rng.standard_normal((3000, 2)), np.arange(3000) % 10
    codes += 0.05 * y[:, None]  # all medians lie within a name's width or two
    figure = plot.latent_space(codes, y=y)
    rendered(figure)
    axes = figure.axes[0]
    assert sorted(text.get_text() for text in axes.texts) == list("0123456789")
    boxes = [text.get_window_extent() for text in axes.texts]
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            # The boxes are a line's height, the digits within them three quarters of it.
            over = min(a.y1, b.y1) - max(a.y0, b.y0)
            assert min(a.x1, b.x1) <= max(a.x0, b.x0) or over <= 0.3 * a.height


def test_many_points_are_small_and_transparent(rng):
    looks = []
    for n in (100, 2000, 20000):
        (points,) = (
            plot.latent_space(rng.standard_normal((n, 2)), y=np.arange(n) % 3).axes[0].collections
        )
        looks.append((points.get_sizes()[0], points.get_alpha()))
    sizes, alphas = zip(*looks, strict=True)
    assert sizes[0] > sizes[1] > sizes[2] > 1 and alphas[0] > alphas[1] > alphas[2] > 0.3


@pytest.mark.parametrize("several", [False, True])
def test_codes_of_a_codebook_lie_where_their_vectors_do(several, rng):
    model = Quantizer(rng.integers(0, 4, (9, 2, 3, 2) if several else (9, 2, 3)))
    vectors = model.codebook_[model.codes]
    if several:
        model.codebook_ = model.codebook_.reshape(2, 4, 3)
        vectors = model.codebook_[0][model.codes[..., 0]] + model.codebook_[1][model.codes[..., 1]]
    X = np.zeros((9, 4, 6, 1))
    found = offsets(plot.latent_space(model, X).axes[0])
    expected = offsets(plot.latent_space(vectors.reshape(9, 18)).axes[0])
    np.testing.assert_allclose(found, expected)
    with pytest.raises(ValueError, match=r"\(N, D\).*reshape"):
        plot.latent_space(model.codes)


def test_codes_of_a_trained_vqvae_have_a_map(rng):
    X = rng.random((30, 8, 8, 1), dtype=np.float32)
    arch = ae.ResNet(8, 4, 1, downsample=1)
    model = ae.VQVAE(arch, codebook_size=8, code_dim=4, epochs=1, random_state=0).fit(X)
    axes = plot.latent_space(model, X, np.arange(30) % 2).axes[0]
    vectors = model.codebook_[model.transform(X)].reshape(30, -1)
    same = offsets(plot.latent_space(vectors, y=np.arange(30) % 2).axes[0])
    np.testing.assert_allclose(offsets(axes), same)


def test_wide_codes_have_the_same_principal_axes(rng, monkeypatch):
    codes = rng.standard_normal((60, 40)) * np.r_[9, 6, np.ones(38)]
    exact = _plane.project(codes)
    monkeypatch.setattr(_plane, "_WIDE", 10)
    points, names = _plane.project(codes)
    assert names == exact[1]
    np.testing.assert_allclose(points, exact[0], atol=1e-6)


# ------------------------------------------------------------------------------- axes and bad calls

T = np.random.default_rng(0).random((10, 4)).astype(np.float32)
M = Linear(3).fit(T)


def kept():
    seen = plot.Snapshots(T[:3])
    seen.epochs, seen.samples = [1, 2], [T[:3], T[3:6]]
    return seen


@pytest.mark.parametrize("draw", [
    lambda **o: plot.progress(kept(), **o),
    lambda **o: plot.code_sizes([M], T, **o),
    lambda **o: plot.scores(T[:, 0], **o),
    lambda **o: plot.reconstructions(M, T, error=True, **o),
    lambda **o: plot.codebook(Quantizer(np.arange(8)), T[:8], kind="vectors", **o),
], ids=["progress", "code_sizes", "scores", "reconstructions", "codebook"])  # fmt: skip
def test_your_own_axes_are_drawn_on(draw):
    figure = Figure()
    ax = figure.add_subplot()
    assert draw(ax=ax) is ax and ax.has_data() and ax.get_title()
    made = draw()
    pixels = rendered(made)
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()
    with pytest.raises(TypeError, match="ax: expected a matplotlib Axes"):
        draw(ax=figure)


Q = Quantizer(np.arange(8))
BAD = {
    "thumbnails of a table": (ValueError, "images",
                              lambda: plot.latent_space(M, T, thumbnails=3)),
    "thumbnails of codes": (ValueError, "images", lambda: plot.latent_space(T, thumbnails=3)),
    "kind": (ValueError, "kind: expected one of", lambda: plot.codebook(Q, T, kind="map")),
    "kind without X": (TypeError, "X: expected samples", lambda: plot.codebook(Q, kind="patches")),
    "codebook n": (ValueError, "n: expected", lambda: plot.codebook(Q, T, kind="patches", n=0)),
    "no vectors": (TypeError, "encode_vectors",
                   lambda: plot.codebook(Q, T[:8], kind="patches")),
    "snapshots n": (ValueError, "n: expected", lambda: plot.Snapshots(n=0)),
    "snapshots every": (TypeError, "every: expected", lambda: plot.Snapshots(every=1.5)),
    "no snapshots": (TypeError, "Snapshots, got list", lambda: plot.progress([])),
    "nothing kept": (ValueError, "epoch that was kept, got none",
                     lambda: plot.progress(plot.Snapshots())),
    "no models": (TypeError, "models: expected a sequence", lambda: plot.code_sizes([], T)),
    "a model": (TypeError, "models: expected a sequence", lambda: plot.code_sizes(M, T)),
    "no latent_dim": (TypeError, "latent_dim", lambda: plot.code_sizes([Q], T)),
    "train shape": (ValueError, "X_train", lambda: plot.code_sizes([M], T, X_train=T[:, :2])),
    "scores X": (TypeError, "X: expected samples", lambda: plot.scores(Known(score_samples=0))),
    "no score_samples": (TypeError, "score_samples", lambda: plot.scores(M, T)),
    "scores rank": (ValueError, r"\(N,\)", lambda: plot.scores(T)),
    "scores text": (TypeError, "numbers", lambda: plot.scores(["a"])),
    "scores y": (ValueError, "y: expected the shape", lambda: plot.scores(T[:, 0], y=[1])),
    "many labels": (ValueError, "at most 10", lambda: plot.scores(np.arange(11.0), y=range(11))),
    "bins": (ValueError, "bins", lambda: plot.scores(T[:, 0], bins=1)),
    "threshold": (TypeError, "threshold: expected a number",
                  lambda: plot.scores(T[:, 0], threshold="low")),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_calls_say_what_was_expected(name):
    error, words, call = BAD[name]
    with pytest.raises(error, match=words):
        call()


def test_several_codebooks_have_no_patches():
    model = Quantizer(np.zeros((1, 2), int))
    model.codebook_ = model.codebook_.reshape(2, 4, 3)
    with pytest.raises(ValueError, match="use or vectors for several codebooks"):
        plot.codebook(model, T[:1], kind="patches")
