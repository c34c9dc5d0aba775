"""What all plot functions have in common: titles, and how they treat a user's style and axes."""

import inspect

import aecore as ae
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from aecore import plot  # noqa: E402
from test_plot import rendered, title  # noqa: E402


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
