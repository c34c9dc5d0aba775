"""Plots of codebooks, sizes of codes and scores: what is drawn is what the data say."""

import aecore as ae
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from aecore import plot  # noqa: E402
from aecore.plot import _codebook  # noqa: E402
from test_plot import (  # noqa: E402
    Conditional,
    Linear,
    Quantizer,
    axis_labels,
    picture,
    rendered,
    title,
)
from test_plot_views import Known  # noqa: E402

# ---------------------------------------------------------------------------------------- codebooks


def test_codes_are_as_large_as_their_use():
    codes = np.array([0, 0, 0, 3])
    axes = plot.codebook(Quantizer(codes), np.zeros((4, 1)), kind="vectors").axes[0]
    used, idle = axes.collections
    areas = used.get_sizes()
    assert len(areas) == 2 and areas[0] == pytest.approx(3 * areas[1])
    assert len(idle.get_offsets()) == 6
    assert title(axes) == "Codebook: perplexity 2 of 8, 6 unused (x)"


def test_pieces_are_cut_where_their_codes_lie(rng):
    X = rng.random((2, 6, 9, 1), dtype=np.float32)
    pieces = _codebook._windows(X, (3, 3), 0.5)
    assert pieces.shape == (2, 3, 3, 6, 9, 1)
    np.testing.assert_array_equal(pieces[1, 1, 1], X[1])
    np.testing.assert_array_equal(pieces[0, 0, 2, 2:, :6], X[0, :4, 3:])
    assert (pieces[0, 0, 2, :2] == 0.5).all() and (pieces[0, 0, 2, :, 6:] == 0.5).all()
    # An uneven size: the last cell reaches beyond the border.
    assert _codebook._windows(X[:, :5], (3, 3), 0.0).shape == (2, 3, 3, 6, 9, 1)
    steps = _codebook._windows(rng.random((2, 8, 3), dtype=np.float32), (4,), np.nan)
    assert steps.shape == (2, 4, 6, 3)
    assert _codebook._windows(X, (1,), 0.0).shape == (2, 1, 6, 9, 1)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_the_nearest_pieces_come_first(distance, rng):
    model = Quantizer(np.array([[[0, 0]], [[0, 2]], [[2, 2]]]), 4)
    model.distance = distance
    vectors = model.codebook_[model.codes]
    vectors = vectors * (2 if distance == "cosine" else 1)  # its length counts for nothing
    vectors += np.array([0.3, 0.1, 0.2, 0.0, 0.4, 0.05]).reshape(3, 1, 2, 1) * [1, -1, 0.5]
    model.encode_vectors = lambda X: vectors
    X = rng.random((3, 2, 4, 1), dtype=np.float32)
    axes = plot.codebook(model, X, kind="patches", n=2).axes[0]
    assert axis_labels(axes, "y") == ["code 0 (50.0%)", "code 2 (50.0%)"]
    unit = (lambda v: v / np.linalg.norm(v, axis=-1, keepdims=True)) if distance == "cosine" else (
        lambda v: v)  # fmt: skip
    far = ((unit(vectors) - unit(model.codebook_)[model.codes]) ** 2).sum(-1).reshape(-1)
    flat, pieces = model.codes.ravel(), _codebook._windows(X, (1, 2), np.nan)
    pieces = pieces.reshape(6, *pieces.shape[3:])
    chosen = [sorted(np.flatnonzero(flat == code), key=far.__getitem__)[:2] for code in (0, 2)]
    wanted = plot.tile(np.nan_to_num(pieces[np.concatenate(chosen)], nan=1), 2)
    np.testing.assert_allclose(picture(axes), wanted)
    assert axes.images[0].get_array().mask.sum() > wanted.size / 2  # also the gaps
    assert axes.get_xlabel() == "plain: beyond the edge of the image"


def test_whole_images_have_nothing_beyond(rng):
    model = Quantizer(np.array([[0], [1], [1]]))
    model.encode_vectors = lambda X: model.codebook_[model.codes]
    X = rng.random((3, 2, 4, 1), dtype=np.float32)
    assert plot.codebook(model, X, kind="patches").axes[0].get_xlabel() == ""


@pytest.mark.parametrize(
    "sizes",
    [
        {"codebook_size": 8, "code_dim": 2},
        {"levels": (5, 5)},
        {"code_bits": 2},
        {"codebook_size": 8, "code_dim": 5, "projection_dim": 2},
    ],
    ids=repr,
)
@pytest.mark.parametrize("shape", [(8, 8, 1), (6,)])
def test_vectors_lie_near_the_codes_that_a_vqvae_chose(shape, sizes, rng):
    X = rng.random((40, *shape), dtype=np.float32)
    arch = ae.ResNet(8, 4, 1, downsample=1) if len(shape) == 3 else ae.Dense((8,))
    model = ae.VQVAE(arch, epochs=1, random_state=0, **sizes).fit(X)
    vectors, codes = model.encode_vectors(X), model.transform(X)
    assert vectors.shape == ((40, 4, 4, 2) if len(shape) == 3 else (40, 2))
    if "levels" not in sizes:
        far = ((vectors[..., None, :] - model.codebook_) ** 2).sum(-1)
        np.testing.assert_array_equal(far.argmin(-1).reshape(codes.shape), codes)
    axes = plot.codebook(model, X, kind="patches", n=3).axes[0]
    most = np.bincount(codes.ravel()).argmax()
    share = (codes == most).mean()
    assert axis_labels(axes, "y")[0] == f"code {most} ({share:.1%})"


# ----------------------------------------------------------------------- sizes of codes, and scores


def test_pca_beside_models_is_the_best_linear_code(rng):
    pca = pytest.importorskip("sklearn.decomposition").PCA
    X = (rng.standard_normal((60, 3)) @ rng.standard_normal((3, 12))).astype(np.float32)
    X += 0.1 * rng.standard_normal(X.shape).astype(np.float32)
    test = X[40:]
    models = [Linear(d).fit(X[:40]) for d in (1, 2, 8)] + [Conditional(2).fit(X[:40], np.zeros(40))]
    axes = plot.code_sizes(models, test, np.zeros(20), X_train=X[:40]).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines) == ["PCA", "Linear", "Conditional"]
    expected = []
    for d in (1, 2, 8):
        fitted = pca(d).fit(X[:40].astype(np.float64))
        expected.append(((test - fitted.inverse_transform(fitted.transform(test))) ** 2).mean())
    np.testing.assert_allclose(lines["PCA"].get_ydata(), expected, rtol=1e-6)
    # The models are PCA, in float32.
    np.testing.assert_allclose(lines["Linear"].get_ydata(), expected, rtol=1e-3)
    assert list(lines["Linear"].get_xdata()) == [1, 2, 8]
    assert axis_labels(axes, "x") == ["1", "2", "8"] and axes.get_xscale() == "log"
    assert axes.get_ylim()[0] == 0
    # More components than there are samples or features: nothing is left.
    alone = plot.code_sizes([Linear(12).fit(X)], X).axes[0]
    assert alone.lines[0].get_ydata()[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("sizes", [(4,), (2, 8)])
def test_dots_of_errors_are_drawn_whole(sizes, rng):
    X = rng.random((40, 12)).astype(np.float32)
    figure = plot.code_sizes([Linear(d).fit(X) for d in sizes], X)
    rendered(figure)
    axes = figure.axes[0]
    top = axes.get_window_extent().y1
    for line in axes.lines:
        dots = axes.transData.transform(line.get_xydata())
        radius = line.get_markersize() / 2 * figure.dpi / 72
        assert (dots[:, 1] + radius < top).all()
    texts = [text.get_text() for text in axes.texts]
    if len(sizes) == 1:  # nothing joins single dots: they are large, and their numbers are written
        assert texts == [f"{line.get_ydata()[0]:.3g}" for line in axes.lines]
        assert {line.get_markersize() for line in axes.lines} == {7}
    else:
        assert texts == [] and {line.get_markersize() for line in axes.lines} == {3}


def test_sequences_of_different_lengths_have_no_pca(rng):
    X = [rng.random((t, 2)).astype(np.float32) for t in (8, 5, 3)]
    model = Known(reconstruct=[x + 0.5 for x in X])
    model.latent_dim = 4
    axes = plot.code_sizes([model], X).axes[0]
    assert [line.get_label() for line in axes.lines] == ["Known"]
    assert axes.lines[0].get_ydata() == pytest.approx(0.25, rel=1e-5)


def test_scores_are_shares_of_each_label(rng):
    values = np.concatenate([rng.normal(0, 1, 900), rng.normal(-8, 1, 100)])
    y = np.repeat([1, -1], [900, 100])
    axes = plot.scores(values, y=y, threshold=-4.0, bins=20).axes[0]
    filled = [patch for patch in axes.patches if patch.get_fill()]
    for patch, label in zip(filled, (-1, 1), strict=True):
        shares, edges, _ = patch.get_data()
        assert shares.sum() == pytest.approx(1) and len(shares) == 20
        mine = np.clip(values[y == label], edges[0], edges[-1])
        np.testing.assert_allclose(shares, np.histogram(mine, edges)[0] / len(mine))
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["outlier (100)", "normal (900)"]
    assert list(axes.lines[0].get_xdata()) == [-4, -4]
    below = (values < -4).mean()
    assert title(axes) == (
        f"Scores of 1,000 samples: {below:.1%} below the threshold of \N{MINUS SIGN}4"
    )


def test_scores_far_off_are_counted(rng):
    values = np.concatenate([rng.normal(0, 1, 5000), [-80.0] * 7, [-75.5], [40.0]])
    axes = plot.scores(values).axes[0]
    _, edges, _ = axes.patches[0].get_data()
    assert -5 < edges[0] and edges[-1] < 5
    below, above = (values < edges[0]).sum(), (values > edges[-1]).sum()
    assert below >= 8 and above >= 1
    note = axes.get_xlabel().split("\n")[1]
    assert f"\N{LEFTWARDS ARROW} {below} below, down to \N{MINUS SIGN}80" in note
    assert f"{above} above, up to 40 \N{RIGHTWARDS ARROW}" in note


def test_scores_at_hand_are_all_within_the_bars(rng):
    values = rng.random(5000)
    axes = plot.scores(values, bins=10).axes[0]
    shares, edges, _ = axes.patches[0].get_data()
    assert (edges[0], edges[-1]) == (values.min(), values.max())
    np.testing.assert_allclose(shares, np.histogram(values, 10)[0] / 5000)
    assert "\n" not in axes.get_xlabel()


@pytest.mark.parametrize("n", [4, 5, 10])
def test_many_labels_have_lines_of_their_own(n, rng):
    values, y = rng.normal(0, 1, 600), rng.integers(0, n, 600)
    values += y
    axes = plot.scores(values, y=y, bins=20).axes[0]
    filled = [patch.get_data() for patch in axes.patches if patch.get_fill()]
    names = [f"{i} ({(y == i).sum()})" for i in range(n)]
    shares = np.array([np.histogram(np.clip(values[y == i], filled[0].edges[0],
                                            filled[0].edges[-1]), filled[0].edges)[0]
                       / (y == i).sum() for i in range(n)])  # fmt: skip
    drawn = np.array([data.values - data.baseline for data in filled])
    if n == 4:
        assert [text.get_text() for text in axes.get_legend().get_texts()] == names
        np.testing.assert_allclose(drawn, shares)
    else:
        assert axes.get_legend() is None and axis_labels(axes, "y") == names[::-1]
        assert [data.baseline for data in filled] == list(range(n))[::-1]
        np.testing.assert_allclose(drawn / drawn.max(), shares / shares.max(), atol=1e-12)
        assert max(data.values.max() for data in filled) <= axes.get_ylim()[1]


def test_a_detectors_own_threshold_is_drawn():
    model = Known(score_samples=np.arange(10.0))
    model.threshold_ = 2.5
    axes = plot.scores(model, np.zeros((10, 1))).axes[0]
    assert list(axes.lines[0].get_xdata()) == [2.5, 2.5] and "30.0%" in title(axes)
    assert axes.get_legend() is None
    assert not plot.scores([1.0, 1.0]).axes[0].lines


def test_a_curve_worse_than_chance_is_not_covered():
    y = np.array([0, 0, 1, 1])
    figure = plot.roc(y, {"good": y, "bad": -y})
    pixels, axes = rendered(figure), figure.axes[0]
    box = axes.get_legend().get_window_extent()
    assert box.x0 >= axes.get_window_extent().x1 and box.x1 <= pixels.shape[1]
    inside = plot.roc(y, {"good": y, "fine": [0.1, 0.5, 0.4, 0.9]}).axes[0]
    rendered(inside.figure)
    assert inside.get_legend().get_window_extent().x1 <= inside.get_window_extent().x1
