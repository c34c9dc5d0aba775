"""The explorer: the right code is decoded and drawn, in little time; widgets pass numbers on."""

import io
import sys
import time

import aecore as ae
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from aecore import plot  # noqa: E402
from aecore.plot import _render  # noqa: E402
from test_plot import Conditional, Linear, Quantizer  # noqa: E402


def read(png):
    from PIL import Image

    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    return np.asarray(image)


def difference(a, b):
    return np.abs(read(a).astype(int) - read(b)).max()


@pytest.fixture
def images(rng):
    return rng.random((40, 8, 6, 1), dtype=np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_enlarged_without_steps(channels, rng):
    image = rng.random((14, 7, channels), dtype=np.float32)
    image[0, 0] = 2  # beyond the range
    shown = read(_render.image_png(image, (0.0, 1.0)))
    times = -(-_render.SIDE // 14)
    assert shown.shape[:2] == (14 * times, 7 * times)
    # Means of squares are about the pixels, and neighbours differ little.
    means = shown.reshape(14, times, 7, times, channels).mean(axis=(1, 3))
    assert np.abs(means - 255 * np.clip(image, 0, 1)).mean() < 25
    steps = np.abs(np.diff(shown.astype(int), axis=0)).max()
    assert steps < 255 * 2 / times * 1.5


def test_enlarging_keeps_what_is_flat_and_what_is_straight():
    flat = np.full((5, 9, 1), 0.6, np.float32)
    assert (read(_render.image_png(flat, (0, 1))) == 153).all()
    times = 8
    ramp = np.arange(12, dtype=np.float32)
    found = _render._enlarging(12, times) @ ramp
    centers = (np.arange(12 * times) + 0.5) / times - 0.5
    inner = (centers >= 1) & (centers <= 10)
    np.testing.assert_allclose(found[inner], centers[inner], atol=1e-5)
    np.testing.assert_allclose(_render._enlarging(3, 4).sum(axis=1), 1, rtol=1e-6)


def test_large_images_are_drawn_as_they_are(rng):
    image = rng.random((_render.SIDE, 20, 1), dtype=np.float32)
    expected = (image[..., 0] * 255 + 0.5).astype(np.uint8)
    np.testing.assert_array_equal(read(_render.image_png(image, (0, 1))), expected)


# ---------------------------------------------------------------------------------------- the codes


def test_the_picture_is_what_the_code_decodes_to(images):
    model = Linear(3).fit(images)
    explorer = plot.Explorer(model, images)
    z = np.array([0.5, -1.0, 0.25])
    expected = _render.image_png(model.inverse_transform(z[None].astype(np.float32))[0], (0, 1))
    assert explorer.picture(z) == expected
    assert explorer.picture(z + 0.5) != expected
    assert explorer.original(3) == _render.image_png(images[3], (0, 1))
    np.testing.assert_allclose(explorer.start, model.transform(images)[0], rtol=1e-6)


def test_sliders_span_the_codes_and_the_widest_come_first(rng):
    X = rng.standard_normal((200, 6)).astype(np.float32) * [1, 5, 2, 1, 1, 1]
    model = Linear(3).fit(X)
    model.basis_ = model.basis_ / np.array([[2.0], [1.0], [3.0]])  # codes twice, thrice as wide
    codes = model.transform(X)
    explorer = plot.Explorer(model, X)
    assert explorer.dims == list(np.argsort(-codes.std(axis=0))) == [2, 0, 1]
    np.testing.assert_allclose(explorer.low, np.quantile(codes, 0.01, axis=0), rtol=1e-5)
    np.testing.assert_allclose(explorer.high, np.quantile(codes, 0.99, axis=0), rtol=1e-5)
    alone = plot.Explorer(model)
    assert alone.dims == [0, 1, 2] and alone.n_samples == 0 and alone.map(alone.start) is None
    assert (alone.low == -3).all() and (alone.high == 3).all() and (alone.start == 0).all()


def test_a_dimension_without_variance_has_a_slider(images):
    model = Linear(2).fit(images)
    model.transform = lambda X: np.ones((len(X), 2))
    explorer = plot.Explorer(model, images)
    assert (explorer.high > explorer.low).all()


@pytest.mark.parametrize("dim", [2, 5])
def test_the_cross_lies_at_the_code(dim, images):
    explorer = plot.Explorer(Linear(dim).fit(images), images)
    bare = explorer._map.pixels
    for code in explorer.codes[:3]:
        found = read(explorer.map(code))
        point = (code - explorer._mean) @ explorer._axes
        row, column = explorer._map.place(point)
        assert (found[row - 12 : row + 13, column] == [0, 0, 0, 255]).all()
        assert (found[row, column - 12 : column + 13] == [0, 0, 0, 255]).all()
        changed = np.argwhere((found != bare).any(axis=2))
        assert np.abs(changed - [row, column]).max() <= 17
    # The axes' own scale, by two points.
    a, b = (np.array(explorer._map.place(p)) for p in ([0, 0], [1, 1]))
    assert a[0] > b[0] and a[1] < b[1]
    assert abs((a[0] - b[0]) - (b[1] - a[1])) <= 2  # equal steps across and up
    read(explorer.map(1e6 * np.ones(dim)))  # far away it stays at the edge


def test_one_latent_dimension_has_no_map(images):
    explorer = plot.Explorer(Linear(1).fit(images), images)
    assert explorer.map([0.0]) is None and explorer.dims == [0]


# --------------------------------------------------------------------------------------- conditions


def test_classes_are_those_of_a_conditional_model(images):
    y = np.array(list("abcd"))[np.arange(40) % 4]
    model = Conditional(2).fit(images, y)
    explorer = plot.Explorer(model, images, y)
    assert explorer.classes == list("abcd") and explorer.properties is None
    assert explorer.picture([0, 0], "a") != explorer.picture([0, 0], "d")
    np.testing.assert_allclose(
        explorer.decode([0, 0], "c"), model.inverse_transform(np.zeros((1, 2)), ["c"])[0]
    )


def test_conditions_of_real_models(rng):
    X, y = rng.random((40, 5)).astype(np.float32), np.arange(40) % 3
    options = {"epochs": 1, "random_state": 0}
    arch = ae.Dense((8,))
    cvae = ae.CVAE(arch, 2, **options).fit(X, y)
    explorer = plot.Explorer(cvae, X, y)
    assert explorer.classes == [0, 1, 2]
    expected = cvae.inverse_transform([[0.5, 0.5]], [2])[0]
    np.testing.assert_array_equal(explorer.decode([0.5, 0.5], 2), expected)
    measured = X[:, :2] * 3
    properties = ae.CVAE(arch, 2, **options).fit(X, measured)
    explorer = plot.Explorer(properties, X, measured)
    assert explorer.classes is None
    np.testing.assert_allclose(explorer.properties[0], measured.mean(axis=0), rtol=1e-5)
    expected = properties.inverse_transform([[0.5, 0.5]], [[1.0, 2.0]])[0]
    np.testing.assert_array_equal(explorer.decode([0.5, 0.5], [1.0, 2.0]), expected)
    gan = ae.GAN(arch, 2, conditional=True, **options).fit(X, y)
    assert plot.Explorer(gan).classes == [0, 1, 2]
    # These take y, and no notice of it.
    for model in (ae.VAE(arch, 2, **options).fit(X), ae.GAN(arch, 2, **options).fit(X),
                  ae.Autoencoder(arch, 2, **options).fit(X)):  # fmt: skip
        explorer = plot.Explorer(model)
        assert explorer.classes is None and explorer.properties is None
        read(explorer.picture([0.0, 0.0], 1))


# ----------------------------------------------------------------------------- sequences and tables


@pytest.mark.parametrize("shape", [(20, 2), (11,), (50,)])
def test_lines_and_bars_move(shape, rng):
    X = rng.standard_normal((30, *shape)).astype(np.float32)
    model = Linear(3).fit(X)
    explorer = plot.Explorer(model, X)
    z = explorer.start
    here, there = explorer.picture(z), explorer.picture(z + 1)
    assert difference(here, there) > 100
    # No trace is left of what was drawn before.
    assert explorer.picture(z) == here
    assert difference(explorer.picture(z, original=1), here) > 50
    assert explorer.picture(z) == here
    assert read(explorer.original(0)).shape == read(here).shape


def test_values_of_a_mixed_table_keep_their_places():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"n": [1.0, 2.0, 3.0], "c": ["b", "a", "c"]})

    class Table:
        latent_dim = 2

        def transform(self, X):
            return np.arange(6.0).reshape(3, 2)

        def inverse_transform(self, Z):
            return X.iloc[[int(z[0]) // 2 for z in Z]]

    explorer = plot.Explorer(Table(), X)
    for i in range(3):  # one row alone doesn't say that there are three
        np.testing.assert_array_equal(explorer.decode([2 * i, 0]), [[1, 1], [2, 0], [3, 2]][i])
    assert explorer.picture([0, 0]) != explorer.picture([4, 0])
    alone = plot.Explorer(Table.__new__(Table))
    assert alone.decode([4, 0])[0] == 3


def test_lines_and_bars_are_where_the_values_are(rng):
    X = rng.standard_normal((30, 7, 2)).astype(np.float32)
    explorer = plot.Explorer(Linear(2).fit(X), X)
    explorer.picture([0.3, 0.1])
    sample = explorer.decode([0.3, 0.1])
    lines = explorer._drawing.moving[2:]
    for f in range(2):
        np.testing.assert_allclose(lines[f].get_ydata(), sample[:, f])
    T = (rng.random((30, 4)) * [1, 10, 100, 1000]).astype(np.float32)
    model = Linear(2).fit(T)
    model.feature_names_in_ = np.array(list("wxyz"))
    explorer = plot.Explorer(model, T)
    explorer.picture([0.3, 0.1], original=5)
    *bars, marks = explorer._drawing.moving
    low, span = T.min(axis=0), np.ptp(T, axis=0)
    shares = (explorer.decode([0.3, 0.1]) - low) / span
    np.testing.assert_allclose([bar.get_width() for bar in bars], shares, rtol=1e-5)
    np.testing.assert_allclose(marks.get_xdata(), (T[5] - low) / span, rtol=1e-5)
    labels = [label.get_text() for label in explorer._drawing.axes.get_yticklabels()]
    assert labels == list("wxyz")


# ------------------------------------------------------------------------------------ speed, errors


@pytest.mark.parametrize("arch", [ae.Dense(), ae.Conv((8, 16))], ids=["dense", "conv"])
def test_a_move_is_quick_on_images_like_mnist(arch, rng):
    X = rng.integers(0, 256, (300, 28, 28, 1), dtype=np.uint8)
    model = ae.VAE(arch, latent_dim=8, loss="bce", epochs=0, random_state=0).fit(X)
    explorer = plot.Explorer(model, X, np.arange(300) % 10)
    times = []
    for i in range(15):
        started = time.perf_counter()
        explorer.picture(explorer.start + 0.1 * i)
        explorer.place(explorer.start + 0.1 * i)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.05


class Flat(Linear):
    def transform(self, X):
        return np.zeros((len(X), 5))


T = np.random.default_rng(0).random((10, 4)).astype(np.float32)
MIXED = np.array([("a", 1.0), ("b", 2.0)] * 5, [("word", "U1"), ("number", float)])
BAD = {
    "no decoder": (TypeError, "inverse_transform", lambda: plot.Explorer(object())),
    "no latent_dim": (
        TypeError, "latent_dim",
        lambda: plot.Explorer(type("D", (), {"inverse_transform": lambda self, Z: Z})())),
    "a quantizer": (TypeError, "inverse_transform", lambda: plot.Explorer(Quantizer(None))),
    "code shape": (ValueError, r"\(N, 2\), got \(10, 5\)", lambda: plot.Explorer(Flat().fit(T), T)),
    "labels": (ValueError, "y: expected", lambda: plot.Explorer(Linear().fit(T), T, [1, 2])),
    "a table of words and numbers": (
        ValueError, "conditioned on a table of both",
        lambda: plot.Explorer(ae.CVAE(ae.Dense((4,)), 2, epochs=1).fit(T, MIXED))),
    "not fitted": (ValueError, "fit", lambda: plot.Explorer(ae.VAE())),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_calls_say_what_was_expected(name):
    error, words, call = BAD[name]
    with pytest.raises(error, match=words):
        call()


def test_without_ipywidgets_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match=r"aecore\[notebook\]"):
        plot.explore(Linear().fit(T))


# -------------------------------------------------------------------------------------- the widgets


def found_in(box, kind):
    """Return the widgets of a kind in a box, in the order in which they are shown."""
    found = [box] if type(box).__name__ in kind else []
    for child in getattr(box, "children", ()):
        found += found_in(child, kind)
    return found


def places_of(map_):
    return tuple(map_.cross)


def test_widgets_pass_their_numbers_on(images):
    pytest.importorskip("anywidget")
    y = np.arange(40) % 3
    model = Conditional(4).fit(images, y)
    box = plot.explore(model, images, y, sliders=3)
    explorer = box.explorer
    sliders = found_in(box, ("FloatSlider",))
    dims = sorted(explorer.dims[:3])
    assert [slider.description for slider in sliders] == [f"latent {d}" for d in dims]
    (codes,), (decoded, original) = found_in(box, ("ClickMap",)), found_in(box, ("Image",))
    (classes,), (sample,) = found_in(box, ("ToggleButtons",)), found_in(box, ("BoundedIntText",))
    z = explorer.codes[0].copy()
    assert original.value == explorer.original(0) and classes.value == 0
    assert decoded.value == explorer.picture(z, 0) and codes.light == explorer.bare_map()
    assert codes.dark == explorer.bare_map(dark=True)
    assert places_of(codes) == explorer.place(z)
    sliders[1].value = z[dims[1]] = (sliders[1].min + sliders[1].max) / 3
    assert decoded.value == explorer.picture(z, 0) and places_of(codes) == explorer.place(z)
    classes.value = 2
    assert decoded.value == explorer.picture(z, 2)
    sample.value = 9
    assert classes.value == y[9] == 0 and original.value == explorer.original(9)
    assert decoded.value == explorer.picture(explorer.codes[9], 0) != explorer.picture(z, 0)
    (button,) = found_in(box, ("Button",))
    before = bytes(decoded.value)
    button.click()
    assert decoded.value != before


def click(map_, across, down):
    """Click as the browser does."""
    map_.click = [across, down, (map_.click or [0, 0, 0])[2] + 1]
    assert map_.answered == map_.click[2]


def test_a_click_in_the_plane_decodes_that_very_place(images):
    pytest.importorskip("anywidget")
    box = plot.explore(Linear(2).fit(images), images)
    explorer = box.explorer
    (codes,), (decoded, original) = found_in(box, ("ClickMap",)), found_in(box, ("Image",))
    (sample,) = found_in(box, ("BoundedIntText",))
    for wanted in ([0.3, -0.2], [-0.4, 0.1]):
        click(codes, *explorer.place(wanted))
        z, i = explorer.at(*explorer.place(wanted))
        np.testing.assert_allclose(z, wanted, atol=0.02)  # a pixel's width
        assert decoded.value == explorer.picture(z)
        nearest = np.argmin(((explorer.codes - z) ** 2).sum(axis=1))
        assert sample.value == i == nearest and original.value == explorer.original(nearest)
        np.testing.assert_allclose(places_of(codes), explorer.place(wanted), atol=0.005)
        shown = [s.value for s in found_in(box, ("FloatSlider",))]
        inside = np.clip(z, explorer.low, explorer.high)
        np.testing.assert_allclose(shown, inside, atol=1e-6)
        assert "nearest original" in " ".join(h.value for h in found_in(box, ("HTML",)))


def test_a_click_among_more_dimensions_goes_to_the_nearest_sample(images):
    pytest.importorskip("anywidget")
    y = np.arange(40) % 3
    box = plot.explore(Conditional(4).fit(images, y), images, y, class_names=["a", "b", "c"])
    explorer = box.explorer
    (codes,), (decoded, original) = found_in(box, ("ClickMap",)), found_in(box, ("Image",))
    (classes,), sliders = found_in(box, ("ToggleButtons",)), found_in(box, ("FloatSlider",))
    for i in (7, 23, 23):
        sliders[0].value = sliders[0].min  # away from it
        click(codes, *explorer.place(explorer.codes[i]))
        assert decoded.value == explorer.picture(explorer.codes[i], y[i])
        assert original.value == explorer.original(i) and classes.value == y[i]
        said = " ".join(h.value for h in found_in(box, ("HTML",)))
        assert f"<b>original</b> · {'abc'[y[i]]}" in said
        assert f"<b>decoded</b> · {'abc'[y[i]]}" in said
    click(codes, -5, 99)  # where the pointer has left the map
    assert 0 <= codes.cross[0] <= 1 and 0 <= codes.cross[1] <= 1


def test_what_browsers_round_moves_nothing(images):
    pytest.importorskip("anywidget")
    box = plot.explore(Linear(3).fit(images), images)
    (decoded, _), sliders = found_in(box, ("Image",)), found_in(box, ("FloatSlider",))
    before = bytes(decoded.value)
    for slider in sliders:
        slider.value += 0.5 * slider.step
    assert decoded.value == before
    sliders[0].value += slider.step
    assert decoded.value != before


@pytest.mark.parametrize(
    ("shape", "said"), [((7, 2), "original pale"), ((4,), "original as marks")]
)
def test_charts_say_how_the_original_is_drawn(shape, said, rng):
    pytest.importorskip("ipywidgets")
    X = rng.random((30, *shape)).astype(np.float32)
    box = plot.explore(Linear(2).fit(X), X)
    assert f"<b>decoded</b> · {said}" in [h.value for h in found_in(box, ("HTML",))]
    assert len(found_in(box, ("Image",))) == 1


def test_without_anywidget_the_map_is_a_picture(images, monkeypatch):
    pytest.importorskip("ipywidgets")
    monkeypatch.setitem(sys.modules, "anywidget", None)
    box = plot.explore(Linear(3).fit(images), images)
    codes, decoded, original = found_in(box, ("Image",))
    z = box.explorer.codes[0].copy()
    assert codes.value == box.explorer.map(z)
    found_in(box, ("FloatSlider",))[0].value = z[0] = 0.0
    assert codes.value == box.explorer.map(z) and decoded.value == box.explorer.picture(z)
    assert "click" not in " ".join(h.value for h in found_in(box, ("HTML",)))


def test_sliders_and_classes_have_names(images, rng):
    pytest.importorskip("ipywidgets")
    y = np.arange(40) % 3
    model = Conditional(4).fit(images, y)
    for names in (["red", "green", "<i>"], {0: "red", 1: "green", 2: "<i>"}):
        box = plot.explore(model, images, y, sliders={2: "slant", 0: "size"}, class_names=names)
        (classes,) = found_in(box, ("ToggleButtons",))
        assert [label for label, _ in classes.options] == ["red", "green", "<i>"]
        assert [s.description for s in found_in(box, ("FloatSlider",))] == ["slant", "size"]
        legend = box.explorer._shown_labels()
        assert set(legend) == {"red", "green", "<i>"}
        classes.value = 2
        said = " ".join(h.value for h in found_in(box, ("HTML",)))
        assert "&lt;i&gt;" in said and "· <i>" not in said
    some = plot.Explorer(model, images, y, class_names={1: "green"})
    assert some.names == ["0", "green", "2"]
    words = np.array(["red", "green", "blue"])[y]
    box = plot.explore(Conditional(4).fit(images, words), images, words)
    (classes,) = found_in(box, ("ToggleButtons",))
    assert [label for label, _ in classes.options] == ["blue", "green", "red"]
    plain = plot.Explorer(Linear(3).fit(images), images, y, class_names=["a", "b", "c"])
    assert plain.title(1) == "b" and set(plain._shown_labels()) == {"a", "b", "c"}


def test_properties_have_the_names_of_columns(rng):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("ipywidgets")
    X, measured = rng.random((40, 5)), pandas.DataFrame(rng.random((40, 2)), columns=["w", "h"])
    model = ae.CVAE(ae.Dense((8,)), 2, epochs=1, random_state=0).fit(X, measured)
    box = plot.explore(model, X, measured)
    names = [s.description for s in found_in(box, ("FloatSlider",))]
    assert names == ["w", "h", "latent 0", "latent 1"]
    assert plot.Explorer(model, X, measured.to_numpy()).names == ["property 0", "property 1"]
    assert plot.Explorer(model, X, measured, property_names=["a", "b"]).names == ["a", "b"]


def test_names_that_do_not_fit(images):
    y = np.arange(40) % 3
    model = Conditional(4).fit(images, y)
    with pytest.raises(ValueError, match="class_names: expected 3 texts, got 2"):
        plot.Explorer(model, images, y, class_names=["a", "b"])
    with pytest.raises(TypeError, match="class_names: expected 3 texts"):
        plot.Explorer(model, images, y, class_names="abc")
    pytest.importorskip("ipywidgets")
    with pytest.raises(ValueError, match="sliders: expected at least 0 and at most 3, got 4"):
        plot.explore(model, images, y, sliders={4: "x"})
    with pytest.raises(TypeError, match="sliders: expected an integer"):
        plot.explore(model, images, y, sliders={"x": "x"})


def test_a_place_without_a_map(images):
    explorer = plot.Explorer(Linear(1).fit(images), images)
    assert explorer.place([0.0]) is None and explorer.bare_map() is None
    with pytest.raises(ValueError, match="for a map"):
        explorer.at(0.5, 0.5)


def test_charts_are_dark_ink_on_nothing(rng):
    matplotlib = pytest.importorskip("matplotlib")
    X = rng.standard_normal((30, 7, 2)).astype(np.float32)
    model = Linear(2).fit(X)
    usual = plot.Explorer(model, X).picture([0.3, 0.1])
    with matplotlib.style.context("dark_background"):
        explorer = plot.Explorer(model, X)
        shown = explorer.picture([0.3, 0.1])
    assert shown == usual
    for png in (shown, explorer.bare_map()):
        pixels = read(png)
        assert pixels.shape[2] == 4 and (pixels[0, 0, 3], pixels[-1, -1, 3]) == (0, 0)
        ink = pixels[..., :3][pixels[..., 3] > 200]
        assert ink.min() < 80
    light, dark = (read(explorer.bare_map(dark=is_dark)).astype(int) for is_dark in (False, True))
    np.testing.assert_array_equal(light[..., 3], dark[..., 3])
    grey = np.ptp(light[..., :3], axis=2) == 0
    assert (light + dark)[grey][:, :3].min() == (light + dark)[grey][:, :3].max() == 255
    colored = np.ptp(light[..., :3], axis=2) > 100
    assert colored.sum() > 100 and (dark - light)[colored][:, :3].min() >= 0
    assert (dark - light)[colored][:, :3].max() > 50


def test_each_move_decodes_once(images):
    pytest.importorskip("ipywidgets")
    model = Linear(4).fit(images)
    box = plot.explore(model, images)
    calls, decode = [], box.explorer.decode
    box.explorer.decode = lambda *args: calls.append(1) or decode(*args)
    (sample,) = found_in(box, ("BoundedIntText",))
    sample.value = 9
    assert len(calls) == 1  # although four sliders move
    found_in(box, ("FloatSlider",))[0].value = 0.0
    assert len(calls) == 2


def test_without_samples_there_are_sliders_alone(rng):
    pytest.importorskip("ipywidgets")
    model = ae.VAE(ae.Dense((8,)), 12, epochs=1).fit(rng.random((20, 4)))
    box = plot.explore(model)
    assert len(found_in(box, ("FloatSlider",))) == 8 and len(found_in(box, ("Image",))) == 1
    with pytest.raises(ValueError, match="sliders"):
        plot.explore(model, sliders=0)
    measured = rng.random((20, 2))
    model = ae.CVAE(ae.Dense((8,)), 2, epochs=1).fit(rng.random((20, 4)), measured)
    names = [s.description for s in found_in(plot.explore(model), ("FloatSlider",))]
    assert names == ["property 0", "property 1", "latent 0", "latent 1"]
