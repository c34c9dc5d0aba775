"""Pictures of the reasons for outlier scores."""

import aecore as ae
import numpy as np
import pytest

pytest.importorskip("matplotlib")
from aecore import plot  # noqa: E402
from aecore.plot._tables import shortened  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from test_plot import axis_labels, rendered, title  # noqa: E402

SMALL = ae.Autoencoder(ae.Dense((8,)), 2, epochs=3)


def detector(X, model=SMALL):
    return ae.AnomalyDetector(model, n_models=2, random_state=0).fit(X)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def margins_are_white(figure):
    pixels = rendered(figure)
    return all((edge == 255).all() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))


def test_bars_are_shares_with_values_beside_them(rng):
    X = rng.normal(size=(100, 4))
    X[7, 2], X[9, 0] = 12.5, -30
    d = detector(X)
    figure = plot.reasons(d, X, 3, samples=2)
    axes = figure.axes[0]
    assert title(axes) == "Reasons of the lowest scores"
    order = np.argsort(d.score_samples(X))[:2]
    want = d.explain(X[order], 3)
    bars = [patch.get_width() for patch in axes.patches]
    np.testing.assert_allclose(bars, want["share"])
    assert axis_labels(axes, "y") == [f"column {c}" for c in want["column"]]
    words = texts(axes)
    assert [w.split(",")[0] for w in words if w.startswith("row")] == [f"row {i}" for i in order]
    assert "12.5" in words and "\N{MINUS SIGN}30" in words
    assert words.count("value") == words.count("expected") == 1
    assert margins_are_white(figure)


def test_frames_have_their_names_and_index(rng):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"a long name of a column, really": rng.normal(size=80), "b": ["x", "y"] * 40})
    X.index = ["same"] * 80
    X.loc[:, "t"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 9, 80), unit="D")
    X.iloc[5, 1], X.iloc[6, 0] = "an unheard-of word of many letters", np.nan
    figure = plot.reasons(detector(X, None), X, samples=80)
    axes = figure.axes[0]
    names = set(axis_labels(axes, "y"))
    assert names == {"a long name of a column\N{HORIZONTAL ELLIPSIS}", "b", "t"}
    assert "missing" in texts(axes) and max(map(len, names)) == 24
    assert len([t for t in texts(axes) if t.startswith("row same")]) == 80
    assert margins_are_white(plot.reasons(detector(X, None), X))
    X.index = range(123_400, 123_480)
    rows = [t for t in texts(plot.reasons(detector(X, None), X).axes[0]) if t.startswith("row")]
    assert all(t.startswith("row 1234") and "," in t[: len("row 123456,")] for t in rows)


def test_images_are_maps(rng):
    X = (rng.random((60, 6, 6, 3)) * 255).astype(np.uint8)
    X[3, 2:4, 2:4] = 255
    d = detector(X, ae.Autoencoder(ae.Dense((16,)), 3, epochs=3))
    figure = plot.reasons(d, X, samples=4)
    axes = figure.axes[0]
    order = np.argsort(d.score_samples(X))[:4]
    assert axis_labels(axes, "x") == [str(i) for i in order]
    assert axis_labels(axes, "y") == ["image", "expected", "adds"]
    shown = axes.images[0].get_array()
    np.testing.assert_allclose(shown[:6, :6, :3], X[order[0]] / 255, atol=1e-6)
    adds = d.score_features(X[order]).sum(-1)
    assert figure.axes[1].get_ylim()[1] == pytest.approx(adds.max())
    assert margins_are_white(figure)


def test_steps_of_sequences(rng):
    X = [rng.normal(size=(int(n), 2)) for n in rng.integers(4, 9, 60)]
    X[5][3, 1] = 30
    figure = plot.reasons(detector(X, ae.Autoencoder(ae.LSTM(4), 2, epochs=1)), X, 2, samples=1)
    assert axis_labels(figure.axes[0], "y")[0] == "step 3, feature 1"
    whole = rng.normal(size=(30, 5, 2))
    figure = plot.reasons(detector(whole, ae.Autoencoder(ae.LSTM(4), 2, epochs=1)), whole)
    assert len(figure.axes[0].patches) == 24


def test_on_axes_of_one_s_own(rng):
    X = rng.normal(size=(50, 3))
    ax = Figure().add_subplot()
    assert plot.reasons(detector(X), X, ax=ax) is ax and ax.has_data()


def test_values_in_few_letters():
    assert [shortened(v) for v in (None, float("nan"), 3, -0.5, True, "word")] == [
        "missing", "missing", "3", "\N{MINUS SIGN}0.5", "True", "word",
    ]  # fmt: skip


def test_bad_calls(rng):
    X = rng.normal(size=(50, 3))
    with pytest.raises(TypeError, match="expected a fitted one with the method explain"):
        plot.reasons(SMALL, X)
    with pytest.raises(ValueError, match="n: expected"):
        plot.reasons(detector(X), X, 0)
    with pytest.raises(ValueError, match="samples: expected"):
        plot.reasons(detector(X), X, samples=0)
