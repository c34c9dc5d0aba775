"""The learning rate range test: its steps, what it suggests, and that it changes nothing."""

import copy

import aecore as ae
import numpy as np
import pytest
from support.resuming import state

D = ae.Dense((8,))
KW = {"batch_size": 16, "random_state": 0, "shuffle": False}


@pytest.fixture
def X(rng):
    return rng.random((48, 12), dtype=np.float32)


def test_each_step_is_one_of_training_at_its_rate(X):
    """As one sees it from outside: passes over single batches, each with a rate of its own."""
    found = ae.find_learning_rate(ae.Autoencoder(D, 3, **KW), X, lowest=1e-4, highest=0.1, steps=9)
    rates = 1e-4 * 1000 ** (np.arange(9) / 8)
    np.testing.assert_allclose(found.rates, rates, rtol=1e-12)
    model, losses = ae.Autoencoder(D, 3, **KW), []
    for k, rate in enumerate(rates):
        model.set_params(learning_rate=float(rate))
        part = X[16 * (k % 3) : 16 * (k % 3) + 16]
        if not k:
            model.set_params(warm_start=True).initialize(X)
        model.partial_fit(part)
        losses.append(model.history_[-1]["loss"])
    np.testing.assert_allclose(found.losses, losses, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:latent_dim. codes of 6 numbers")
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_it_finds_the_range_of_a_quadratic(scale):
    """A linear autoencoder's decoder alone is quadratic: SGD is stable up to 2 / its curvature."""
    x = np.random.default_rng(0).standard_normal((512, 6)).astype(np.float32) * np.float32(scale)
    options = {"optimizer": ae.SGD(0.0), "batch_size": 512, "random_state": 0}
    found = ae.find_learning_rate(ae.Autoencoder(ae.Dense(()), 6, **options), x, steps=200)
    assert len(found.rates) < 200  # it has grown beyond bounds
    curvature = 2 * scale**2  # of sum (x - W h)^2 where h is as long as x, about
    assert 1e-2 / curvature < found.suggestion < 2 / curvature
    assert found.losses[-1] > found.losses[0] > found.losses.min()
    trained = ae.Autoencoder(ae.Dense(()), 6, epochs=30, learning_rate=found.suggestion, **options)
    assert trained.fit(x).history_[-1]["loss"] < 0.9 * trained.history_[0]["loss"]


def images(n=48):
    return np.random.default_rng(0).random((n, 8, 8, 1), dtype=np.float32), np.arange(n) % 3


KINDS = {
    "own modules": lambda: ae.Autoencoder(
        (
            ae.nn.Sequential(ae.nn.Flatten(), ae.nn.Linear(64, 3)),
            ae.nn.Sequential(ae.nn.Linear(3, 64), ae.nn.Reshape((8, 8, 1))),
        ),
        3,
        corruption=ae.Masking(0.2),
        **KW,
    ),
    "stack": lambda: ae.StackedAutoencoder(D, 3, corruption=(ae.Masking(0.1), None), **KW),
    "cvae": lambda: ae.CVAE(D, 3, loss="l1", kl_warmup=2, **KW),
    "vqvae": lambda: ae.VQVAE(ae.Conv((4,)), 8, 4, prior=ae.PixelCNN(4, 2), **KW),
    "gan": lambda: ae.GAN(D, 3, conditional=True, discriminator_learning_rate=0.01, **KW),
    "aae": lambda: ae.AdversarialAutoencoder(D, 3, discriminator_widths=(8,), **KW),
    "classifier": lambda: ae.SoftmaxClassifier(
        ae.StackedAutoencoder(D, 3, pretrain_epochs=1, epochs=1, batch_size=16), **KW
    ),
    "recirculation": lambda: ae.Recirculation(6, **KW),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_and_the_same_bits_for_any_number_of_threads(name):
    x, y = images()
    model = KINDS[name]()
    first = ae.find_learning_rate(model, x, y, steps=12)
    assert 2 <= len(first.losses) <= 12 and np.isfinite(first.losses).all()
    assert not hasattr(model, "_network") and not hasattr(model, "history_")
    for threads in (1, 2, 3):
        again = ae.find_learning_rate(model.set_params(n_threads=threads), x, y, steps=12)
        np.testing.assert_array_equal(again.losses, first.losses)
    parts = lambda: ((x[i : i + 16], y[i : i + 16]) for i in (0, 16, 32))  # noqa: E731
    if name != "classifier":  # whose stack is then trained by batches as they come
        streamed = ae.find_learning_rate(model, parts, steps=12)
        np.testing.assert_array_equal(streamed.losses, first.losses)


@pytest.mark.parametrize("warm", [False, True])
def test_a_fitted_model_stays_as_it_is(X, warm, tmp_path):
    called, before = [], X.copy()
    generator = np.random.default_rng(0)
    options = {**KW, "random_state": generator, "epochs": 5, "patience": 2}
    model = ae.Autoencoder(
        D, 3, callbacks=[called.append], checkpoint=tmp_path / "m", warm_start=warm, **options
    ).fit(X)
    kept, params = state(model), model.get_params()
    drawn, files = generator.bit_generator.state, (tmp_path / "m").read_bytes()
    called.clear()
    found = ae.find_learning_rate(model, X, steps=9)
    assert state(model) == kept and not called and model.get_params() == params
    assert generator.bit_generator.state == drawn and (tmp_path / "m").read_bytes() == files
    np.testing.assert_array_equal(X, before)
    start = model  # the fitted parameters, or fresh ones
    if not warm:
        start = ae.Autoencoder(D, 3, **{**KW, "random_state": copy.deepcopy(generator)})
        start.initialize(X)
    assert found.losses[0] == pytest.approx(-start.score(X[:16]), rel=1e-6)


def test_models_inside_are_silenced(X, tmp_path):
    called = []
    stack = ae.StackedAutoencoder(
        D, 3, epochs=1, pretrain_epochs=1, callbacks=[called.append], checkpoint=tmp_path / "m"
    )
    ae.find_learning_rate(ae.SoftmaxClassifier(stack, **KW), X, np.arange(48) % 2, steps=5)
    assert not called and not list(tmp_path.iterdir()) and stack.callbacks == [called.append]


def test_losses_that_never_fall(X):
    found = ae.find_learning_rate(ae.Autoencoder(D, 3, **KW), X, lowest=1e30, highest=1e31)
    assert np.isnan(found.suggestion) and len(found.losses) < 100


BAD = [
    (lambda x: ae.find_learning_rate(3, x), TypeError, "model: expected one of aecore's models"),
    (lambda x: find(x, lowest=0), ValueError, "lowest: expected a finite number, more than 0"),
    (lambda x: find(x, lowest=1, highest=0.5), ValueError, "highest: .* more than 1"),
    (lambda x: find(x, steps=4), ValueError, "steps: expected at least 5"),
    (lambda x: find(x * np.nan), ValueError, "NaN"),
    (lambda x: ae.find_learning_rate(ae.CVAE(D, 3), x), ValueError, "y: expected labels"),
    (lambda x: ae.find_learning_rate(ae.VAE(D, 0), x), ValueError, "latent_dim"),
]


def find(x, **options):
    return ae.find_learning_rate(ae.Autoencoder(D, 3), x, **options)


@pytest.mark.parametrize("call, error, word", BAD, ids=[word for *_, word in BAD])
def test_bad_input(X, call, error, word):
    with pytest.raises(error, match=word):
        call(X)


def test_plot(X):
    figure_module = pytest.importorskip("matplotlib.figure")
    found = ae.find_learning_rate(ae.Autoencoder(D, 3, **KW), X, steps=40)
    ax = found.plot().axes[0]
    assert ax.get_xscale() == "log"
    raw, smooth, mark = ax.lines
    np.testing.assert_array_equal(raw.get_ydata(), found.losses)
    np.testing.assert_array_equal(smooth.get_xydata().T, [found.rates, found.smoothed])
    assert mark.get_xdata()[0] == found.suggestion
    own = figure_module.Figure().add_subplot()
    assert found.plot(ax=own) is own
    found._replace(suggestion=np.nan).plot(ax=(own := figure_module.Figure().add_subplot()))
    assert len(own.lines) == 2
