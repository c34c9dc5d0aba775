"""Plots of tables: what is written in the cells, what is missing, and what stands beside them."""

import aecore as ae
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from aecore import plot  # noqa: E402
from aecore.plot import _tables  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from test_plot import Linear, axis_labels, picture, rendered  # noqa: E402
from test_plot_views import Known  # noqa: E402

PAIR = [("n", float), ("c", "U60")]


def table(*rows):
    return np.array(list(rows), PAIR)


def words(axes):
    """What is written in the cells, by strip and column."""
    return {(round(t.get_position()[1]), round(t.get_position()[0])): t for t in axes.texts}


def hatched(axes):
    """The cells that are hatched, by strip and column."""
    cells = [c for c in axes.collections if c.get_hatch()]
    boxes = [path.get_extents() for c in cells for path in c.get_paths()]
    return {(round((b.y0 + b.y1) / 2), round((b.x0 + b.x1) / 2)) for b in boxes}


def notes(figure):
    """What stands below the colour bar."""
    legends = [axes.get_legend() for axes in figure.axes[1:]]
    return [text.get_text() for legend in legends if legend for text in legend.get_texts()]


def luminance(color):
    linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


# ---------------------------------------------------------------------------------- what is written


@pytest.mark.parametrize(
    "value, text",
    [(0, "0"), (-0.0001234, "-0.000123"), (0.5, "0.5"), (2 / 3, "0.667"), (12.345, "12.3"),
     (38, "38"), (123.4, "123"), (999.6, "1000"), (1999, "1999"), (-1234.5, "-1234"),
     (9999.6, "10k"), (77516, "77.5k"), (999_600, "1M"), (-2.345e6, "-2.35M"), (4e9, "4G"),
     (1e12, "1T"), (1.234e20, "1.23e+20"), (np.inf, "inf")],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert _tables.short(value) == text.replace("-", "\N{MINUS SIGN}")


def test_values_are_written_where_they_are():
    X = table((1.25, "yes"), (77516.0, "no"), (3.0, 3 * "Married-civ-spouse "))
    axes = plot.reconstructions(Known(reconstruct=X[[0, 0, 2]]), X).axes[0]
    found = words(axes)
    texts = {place: text.get_text() for place, text in found.items()}
    cut = texts.pop((6, 1))
    assert cut == texts.pop((7, 1)) and cut.endswith("…")
    assert X["c"][2].startswith(cut[:-1]) and len(cut) > 5
    assert texts == {
        (0, 0): "1.25", (0, 1): "yes", (1, 0): "1.25", (1, 1): "yes",
        (3, 0): "77.5k", (3, 1): "no", (4, 0): "1.25", (4, 1): "yes",
        (6, 0): "3", (7, 0): "3",
    }  # fmt: skip
    # Only the rebuilt word that isn't the original's stands out; numbers never are quite the same.
    assert [place for place, t in found.items() if t.get_weight() == "bold"] == [(4, 1)]
    assert found[4, 1].get_bbox_patch() is not None and found[3, 1].get_bbox_patch() is None


def test_texts_are_read_on_their_colour():
    rows = [(float(i), "abc"[i % 3]) for i in range(9)]
    axes = plot.reconstructions(Known(reconstruct=table(*rows)), table(*rows), n=9).axes[0]
    image = axes.images[0]
    for (i, j), text in words(axes).items():
        below = luminance(image.cmap(image.norm(picture(axes)[i, j]))[:3] + np.zeros(3))
        ink = luminance(np.array([int(to_hex(text.get_color())[k : k + 2], 16) for k in (1, 3, 5)])
                        / 255)  # fmt: skip
        high, low = max(below, ink), min(below, ink)
        assert (high + 0.05) / (low + 0.05) > 3  # of large text, WCAG 2.1


def test_texts_lie_in_their_cells():
    X = np.array(
        [("Married-civ-spouse " * 2, "Exec-managerial", 1e5, "United-States")] * 4,
        [("a", "U40"), ("b", "U40"), ("c", float), ("d", "U40")],
    )
    other = X.copy()
    other["a"], other["b"] = "WWWWWWWWW", "MMM"
    figure = plot.reconstructions(Known(reconstruct=other), X)
    axes = figure.axes[0]
    rendered(figure)
    frame = axes.get_window_extent()
    for (i, _), text in words(axes).items():
        box = text.get_window_extent()
        if text.get_weight() != "bold":
            assert box.width <= frame.width / 4
        assert box.height <= frame.height / len(picture(axes)) * 1.05, i


def test_only_small_tables_of_words_are_written(rng):
    X = rng.random((6, 4)).astype(np.float32)
    assert not plot.reconstructions(Known(reconstruct=X), X).axes[0].texts
    many = np.zeros(3, [(f"c{i}", "U3") for i in range(21)])
    many["c0"] = list("xyz")
    assert not plot.reconstructions(Known(reconstruct=many), many).axes[0].texts
    few = many[[f"c{i}" for i in range(20)]].copy()
    assert plot.reconstructions(Known(reconstruct=few), few).axes[0].texts
    # Neither is there room on small axes of one's own; on large ones there is.
    pair = table((1.0, "a"), (2.0, "b"))
    for size, written in ((0.6, False), (6.0, True)):
        ax = Figure(figsize=(size, size)).add_subplot()
        plot.reconstructions(Known(reconstruct=pair), pair, ax=ax)
        assert bool(ax.texts) == written


def test_other_pictures_of_mixed_tables_are_written():
    made = table((1.0, "a"), (2.0, "b"), (3.0, "a"))
    model = Known(sample=made, traverse=made, interpolate=made)
    model.latent_dim = 1
    texts = lambda axes: [t.get_text() for t in axes.texts]  # noqa: E731
    rows = ["1", "a", "2", "b", "3", "a"]
    assert texts(plot.samples(model, n=3).axes[0]) == rows
    assert texts(plot.traversal(model, made[:1], values=[1, 2, 3]).axes[0]) == rows
    axes = plot.interpolation(model, made[1:2], made[2:], n=3).axes[0]
    assert texts(axes) == ["2", "b", *rows, "3", "a"]


def test_a_word_has_one_colour_in_all_rows():
    ways = iter([table((1.0, "b")), table((1.0, "c"))])
    model = Known()
    model.interpolate = lambda a, b, n: next(ways)
    a, b = table((0.0, "a"), (0.0, "b")), table((2.0, "b"), (2.0, "c"))
    axes = plot.interpolation(model, a, b, n=1).axes[0]
    np.testing.assert_array_equal(picture(axes)[:, 1], [0, 0.5, 0.5, np.nan, 0.5, 1, 1])
    parts = iter([table((0.0, "x")), table((1.0, "y"))])
    model.traverse = lambda x, dim, values: next(parts)
    axes = plot.traversal(model, a[:1], dims=[0, 1], values=[0.0]).axes[0]
    np.testing.assert_array_equal(picture(axes), [[0, 0], [1, 1]])


def test_the_error_of_words_is_whether_they_differ():
    X = table((0.0, "a"), (1.0, "b"), (2.0, "c"), (2.0, ""))
    rebuilt = table((1.0, "c"), (1.0, "b"), (2.0, "b"), (2.0, "a"))
    axes = plot.reconstructions(Known(reconstruct=rebuilt), X, error=True).axes[0]
    errors = picture(axes)[2::4]
    np.testing.assert_array_equal(errors, [[0.5, 1], [0, 0], [0, 1], [0, np.nan]])
    bold = [place for place, text in words(axes).items() if text.get_weight() == "bold"]
    assert bold == [(1, 1), (9, 1)]  # of the third there is no original to differ from
    assert not any(i % 4 == 2 for i, _ in words(axes))


# ---------------------------------------------------------------------------------- what is missing


def test_missing_numbers_are_hatched(rng):
    X = rng.random((12, 3)).astype(np.float32)
    X[1, 1] = np.nan
    figure = plot.reconstructions(Known(reconstruct=np.nan_to_num(X[:3])), X, n=3)
    assert hatched(figure.axes[0]) == {(3, 1)}  # and not what lies between the samples
    assert notes(figure) == ["missing"]
    rendered(figure)
    X[1, 1] = 0
    figure = plot.reconstructions(Known(reconstruct=X[:3]), X, n=3)
    assert not hatched(figure.axes[0]) and notes(figure) == []


def missing_cells():
    """The same table, with a word missing in row 1 and a number in row 2, in several forms."""
    yield table((1.0, "a"), (2.0, ""), (np.nan, "b"))
    pandas = pytest.importorskip("pandas")
    frame = {"n": [1.0, 2.0, np.nan], "c": ["a", None, "b"]}
    yield pandas.DataFrame(frame)
    yield pandas.DataFrame(frame).astype({"n": "Int64", "c": "string"})
    yield pandas.DataFrame(frame).astype({"c": "category"})
    yield pandas.DataFrame({**frame, "c": ["a", np.nan, "b"]})


@pytest.mark.parametrize("i", range(5))
def test_missing_words_are_hatched(i):
    X = list(missing_cells())[i]
    figure = plot.reconstructions(Known(reconstruct=X), X)
    assert hatched(figure.axes[0]) == {(3, 1), (4, 1), (6, 0), (7, 0)}
    np.testing.assert_array_equal(
        picture(figure.axes[0])[[0, 3, 6]], [[0, 0], [1, np.nan], [np.nan, 1]]
    )
    texts = {place: text.get_text() for place, text in words(figure.axes[0]).items()}
    assert texts == {p: t for p, t in zip([(0, 0), (0, 1), (1, 0), (1, 1), (3, 0), (4, 0), (6, 1),
                                           (7, 1)], "1a1a22bb", strict=True)}  # fmt: skip
    assert notes(figure) == ["missing"]


def test_cells_left_over_are_not_missing(rng):
    model = Linear(2).fit(rng.random((20, 3)).astype(np.float32))
    figure = plot.samples(model, n=5, columns=3)
    assert not hatched(figure.axes[0]) and notes(figure) == []
    mixed = Known(sample=table((1.0, "a"), (2.0, ""), (3.0, "b")))
    figure = plot.samples(mixed, n=3, columns=2)
    assert hatched(figure.axes[0]) == {(1, 1)}


def test_times_and_truths_are_written():
    times = np.array(["2020-01-31", "2021-02-03"], "datetime64[ns]")
    X = np.array(list(zip(times, [True, False], strict=True)), [("t", "M8[ns]"), ("b", bool)])
    axes = plot.reconstructions(Known(reconstruct=X), X).axes[0]
    assert [t.get_text() for t in axes.texts[:2]] == ["2020-01-31", "True"]
    np.testing.assert_array_equal(picture(axes)[[0, 3]], [[0, 1], [1, 0]])
    X["t"][1] = "NaT"
    assert hatched(plot.reconstructions(Known(reconstruct=X), X).axes[0]) == {(3, 0), (4, 0)}


def test_columns_in_another_order_are_found_by_name():
    X = table((1.0, "a"), (2.0, "b"))
    other = np.array([("a", 1.0), ("b", 2.0)], [("c", "U20"), ("n", float)])
    axes = plot.reconstructions(Known(reconstruct=other), X).axes[0]
    np.testing.assert_array_equal(picture(axes)[[1, 4]], [[0, 0], [1, 1]])
    assert [t.get_text() for t in axes.texts] == ["1", "a", "1", "a", "2", "b", "2", "b"]


def test_snapshots_of_tables_have_one_colour_for_a_word():
    X = table(*[(float(i), "abc"[i % 3]) for i in range(30)])
    seen = plot.Snapshots(X[:3])
    options = {"epochs": 2, "callbacks": (seen,), "random_state": 0}
    model = ae.TabularAutoencoder(ae.Dense((8,)), 2, **options).fit(X)
    assert seen.samples[1].dtype.names == ("n", "c")
    np.testing.assert_array_equal(seen.samples[1], model.reconstruct(X[:3]))
    seen.samples = [X[[2, 2, 2]], X[[0, 0, 0]]]
    axes = plot.progress(seen).axes[0]
    np.testing.assert_array_equal(
        picture(axes)[:, 1], [1, 0, 0, np.nan, 1, 0, 0.5, np.nan, 1, 0, 1]
    )
    assert axis_labels(axes, "x") == ["n", "c"]


# -------------------------------------------------------------------------------------------- names


def test_names_stand_beside_samples_in_place_of_labels(rng):
    names, y = ["row 7", 12, "c.png"], np.arange(3)
    X = rng.random((3, 4)).astype(np.float32)
    axes = plot.reconstructions(Known(reconstruct=X), X, y, names=names).axes[0]
    assert axis_labels(axes, "y") == ["row 7", "12", "c.png"] and axes.get_ylabel() == ""
    images = rng.random((3, 8, 8, 1)).astype(np.float32)
    axes = plot.reconstructions(Known(reconstruct=images), images, y, names=names).axes[0]
    assert axis_labels(axes, "x") == ["row 7", "12", "c.png"]
    lines = rng.random((3, 10, 2)).astype(np.float32)
    axes = plot.reconstructions(Known(reconstruct=lines), lines, names=np.array(["u", "v", "w"]))
    assert [text.get_text() for text in axes.axes[0].texts][:3] == ["u", "v", "w"]


def test_a_frame_s_index_names_its_rows(rng):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(rng.random((9, 3)), columns=list("abc"))
    model = Known(reconstruct=X[:4].to_numpy())

    def drawn(index, y=None, **options):
        axes = plot.reconstructions(model, X.set_axis(index), y, n=4, **options).axes[0]
        return axis_labels(axes, "y"), axes.get_ylabel()

    assert drawn(range(9)) == (["0", "1", "2", "3"], "sample")
    assert drawn(range(41_507, 41_516))[0] == ["41507", "41508", "41509", "41510"]
    named = [f"patient {i}" for i in range(9)]
    assert drawn(named) == (named[:4], "")
    days = pd.date_range("2026-02-27", periods=9)
    assert drawn(days) == (["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"], "")
    labels = np.array(list("stuvwxyz!"))
    assert drawn(named, labels) == (["s", "t", "u", "v"], "label")
    assert drawn(named, names=["k", "l", "m", "n"]) == (["k", "l", "m", "n"], "")
    assert drawn(named, rng.random(9)) == (named[:4], "")


def test_long_names_have_room(rng):
    images = rng.random((3, 8, 8, 1)).astype(np.float32)
    names = [f"IMG_2024010{i}_1235.png" for i in range(3)]
    figure = plot.reconstructions(Known(reconstruct=images), images, names=names)
    pixels = rendered(figure)
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()
    labels = figure.axes[0].get_xticklabels()
    assert [label.get_rotation() for label in labels] == [45] * 3
    with pytest.raises(ValueError, match="names: expected 3 texts, one a sample, got 2"):
        plot.reconstructions(Known(reconstruct=images), images, names=["a", "b"])
    with pytest.raises(TypeError, match="names: expected a sequence of 3 texts"):
        plot.reconstructions(Known(reconstruct=images), images, names="abc")
