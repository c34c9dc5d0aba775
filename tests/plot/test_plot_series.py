"""Pictures of long series: what is drawn is what the detector says."""

import aecore as ae
import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
pandas = pytest.importorskip("pandas")

FAST = ae.Autoencoder(ae.Dense((16,)), 4, epochs=20, batch_size=32)


@pytest.fixture(scope="module")
def frame():
    t = np.arange(800)
    X = np.stack([np.sin(t / 9), np.cos(t / 9)], 1)
    X += 0.05 * np.random.default_rng(0).standard_normal(X.shape)
    X[600:620, 1] += 2
    index = pandas.date_range("2026-01-01", periods=800, freq="min")
    return pandas.DataFrame(X, columns=["a", "$b$"], index=index)


@pytest.fixture(scope="module")
def detector(frame):
    return ae.SeriesDetector(16, model=FAST, random_state=0, n_models=1).fit(frame[:500])


def texts(axes):
    return [t.get_text() for t in axes.texts]


def test_lanes_events_and_threshold(frame, detector):
    figure = ae.plot.series(detector, frame)
    (axes,) = figure.axes
    assert axes.get_title() == "Series: 1 event"
    assert texts(axes) == ["a", "$b$", "error"]
    lines = [np.asarray(line.get_ydata()) for line in axes.lines if len(line.get_ydata()) == 800]
    assert len(lines) == 5  # two series, two reconstructions, the errors
    first = frame["a"].to_numpy()
    drawn = (first - first.min()) / (first.max() - first.min())
    np.testing.assert_allclose(lines[0] - lines[0].min(), drawn, atol=1e-12)
    errors = np.log10(-detector.score_samples(frame))
    np.testing.assert_allclose(np.corrcoef(lines[-1], errors)[0, 1], 1)
    labels = [t.get_text() for t in axes.get_yticklabels()]
    assert f"{-detector.threshold_:.3g}" in labels
    assert len(axes.patches) == 1 and len(axes.collections) == 1  # the event, and its feature
    figure.draw_without_rendering()


def test_limits_of_neighbouring_lanes_do_not_meet(frame, detector):
    figure = ae.plot.series(detector, frame)
    (axes,) = figure.axes
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in axes.get_yticklabels() if t.get_text()]
    boxes.sort(key=lambda box: box.y0)
    assert len(boxes) >= 5
    gaps = [high.y0 - low.y1 for low, high in zip(boxes[:-1], boxes[1:], strict=True)]
    assert min(gaps) > 0.8 * boxes[0].height, gaps


def test_options(frame, detector):
    figure, axes = matplotlib.figure.Figure(), None
    axes = figure.add_subplot()
    found = ae.plot.series(
        detector, frame, features=["$b$"], reconstruction=False, title="One", ax=axes
    )
    assert found is axes and texts(axes) == ["$b$", "error"]
    assert axes.get_title() == "One"
    assert sum(len(line.get_ydata()) == 800 for line in axes.lines) == 2


@pytest.mark.parametrize("steps", [100, 9_000])
def test_vectors_gaps_and_long_series(steps):
    x = np.sin(np.arange(steps) / 9)
    x[40:50] = np.nan
    d = ae.SeriesDetector(16, model=FAST, random_state=0, n_models=1).fit(x)
    (axes,) = ae.plot.series(d, x).axes
    assert texts(axes) == ["", "error"] and axes.get_xlabel() == "step"
    assert max(len(line.get_ydata()) for line in axes.lines) <= 3200
    assert np.isnan(axes.lines[0].get_ydata()).any() or steps > 100


def test_what_cannot_be_drawn(frame, detector):
    with pytest.raises(ValueError, match="features: expected some of .*, got 'c'"):
        ae.plot.series(detector, frame, features=["c"])
    with pytest.raises(ValueError, match="expected one series, got a list of 2"):
        ae.plot.series(detector, [frame, frame])
    with pytest.raises(TypeError, match="with the method events for series"):
        ae.plot.series(ae.Autoencoder(), frame)
