"""Files of strangers: what they say is data. It writes nowhere, and is shown as the text it is."""

import json
import os

import aecore as ae
import numpy as np
import pytest
from aecore.base.text import printable
from aecore.files import document
from aecore.training.progress import summary
from files.test_damaged_files import signed

KW = {"batch_size": 16, "epochs": 2, "random_state": 0}
EVIL = '\x1b]0;owned\x07<img src=x onerror="alert(1)">$\\frac{'


@pytest.fixture
def X(rng):
    return rng.random((40, 6), dtype=np.float32)


@pytest.fixture
def path(X, tmp_path):
    path = tmp_path / "m"
    ae.Autoencoder(ae.Dense((8,)), 3, **KW).fit(X).save(path)
    return path


def edit(path, change):
    """Change a file's configuration, and sign it."""
    config, tensors = document.read(path)
    change(config)
    signed(path, tensors, config)


# ---- where a model writes ------------------------------------------------------------------------


@pytest.mark.parametrize("kept", ["", {"keep": 3, "keep_best": True, "monitor": "loss"}])
def test_no_path_is_taken_from_a_file(kept, X, path, tmp_path):
    victim = tmp_path / "thesis.tex"
    victim.write_text("three years of work")
    place = str(victim)
    if kept:
        params = {"path": place, "every_epochs": None, "every_minutes": None, **kept}
        place = {"class": "Checkpoint", "params": params}
    edit(path, lambda c: c["params"].update(checkpoint=place))
    model = ae.load(path)
    assert model.checkpoint is None
    model.set_params(warm_start=True).fit(X)
    assert victim.read_text() == "three years of work" and len(os.listdir(tmp_path)) == 2


def test_nor_from_that_of_a_model_inside(X, tmp_path):
    prior = ae.PixelCNN(4, 1, 3, epochs=1, checkpoint=tmp_path / "p", random_state=0)
    x = X[:, :4].reshape(40, 2, 2, 1)
    path = tmp_path / "m"
    ae.VQVAE(ae.Conv((4,)), 4, 2, prior=prior, checkpoint=tmp_path / "c", **KW).fit(x).save(path)
    assert str(tmp_path) not in json.dumps(document.read(path)[0])

    def change(config):
        config["params"]["prior"]["params"]["checkpoint"] = str(tmp_path / "victim")
        config["prior"]["params"]["checkpoint"] = str(tmp_path / "victim")

    edit(path, change)
    found = ae.load(path)
    assert found.checkpoint is None
    assert found.prior.checkpoint is None and found.prior_.checkpoint is None


def test_nothing_is_run_and_not_too_many_threads_are_asked_for(X, path):
    layer = {"module": {"layer": "Activation", "kind": "relu"}}
    edit(path, lambda c: c["params"].update(callbacks={"tuple": [layer]}, n_threads=4096))
    model = ae.load(path)
    assert model.callbacks == () and model.n_threads is None
    edit(path, lambda c: c["params"].update(n_threads=7))
    assert ae.load(path).n_threads == 7


# ---- text for numbers ----------------------------------------------------------------------------

RECORDS = {
    "no epoch": {"loss": 1.0},
    "epoch is text": {"epoch": EVIL},
    "epoch is a fraction": {"epoch": 1.5},
    "epoch is true": {"epoch": True},
    "epoch is below 0": {"epoch": -1},
    "loss is text": {"epoch": 1, "loss": "low"},
    "term is text": {"epoch": 1, "kl": "low"},
    "measure is text": {"epoch": 1, "seconds": "1"},
    "validation is text": {"epoch": 1, "val_anything": ""},
    "perplexity is text": {"epoch": 1, "perplexity_2": ""},
    "a list": {"epoch": 1, "note": [1]},
    "too large": {"epoch": 1, "loss": 10**400},
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_histories_have_numbers_where_numbers_belong(record, path):
    edit(path, lambda c: c.update(history=[record]))
    with pytest.raises(ValueError, match="expected a whole model file of aecore: history: "):
        ae.load(path)


def test_notes_of_ones_own_come_back(X, tmp_path):
    def note(state):
        state.record["note"] = EVIL

    model = ae.Autoencoder(ae.Dense((8,)), 3, callbacks=[note], **KW).fit(X)
    model.save(tmp_path / "m")
    again = ae.load(tmp_path / "m")
    assert again.history_ == model.history_ and again.history_[0]["note"] == EVIL
    assert "note" not in summary(again.history_[-1])


@pytest.mark.parametrize("value", ["low", [1.0], 10**30], ids=str)
def test_what_load_refuses_is_not_saved(value, X, path):
    model, before = ae.load(path), path.read_bytes()
    model.history_[0]["loss"] = value
    with pytest.raises(ValueError, match="history: loss: expected a number"):
        model.save(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["parameters", "moments", "buffers"])
def test_numbers_that_are_not_finite_are_not_saved(value, where, X, path):
    model, before = ae.VQVAE(ae.Dense((4,)), 8, 3, **KW).fit(X), path.read_bytes()
    network = model._network
    found = {
        "parameters": [p.value for p in network.flat.named.values()],
        "moments": list(network.moments.values()),
        "buffers": [b for _, b in network.buffers() if b.dtype.kind == "f"],
    }[where]
    found[-1].flat[0] = value
    with pytest.raises(ValueError, match="expected finite numbers to write, got NaN or infinity"):
        model.save(path)
    assert path.read_bytes() == before


# ---- how it is shown -----------------------------------------------------------------------------


def test_text_is_printable():
    assert printable("héllo, wörld") == "héllo, wörld"
    assert printable("\x1b[2K\x07\r\n\t\u202e\u2028\x9b\udc80") == (
        "\\x1b[2K\\x07\\r\\n\\t\\u202e\\u2028\\x9b\\udc80"
    )
    assert printable(3) == "3"


def test_no_markup_of_a_file_is_in_a_page(path):
    edit(path, lambda c: c["history"][-1].update({EVIL: 1.0, "note": EVIL}))
    model = ae.load(path)
    assert "<img" not in model._repr_html_()
    model.history_[-1] |= {"epoch": EVIL, "loss": EVIL, "val_loss": EVIL}
    html = model._repr_html_()
    assert "<img" not in html and "\x1b" not in html and "\\x1b]0;owned" in html


def test_no_orders_of_a_file_get_to_a_terminal(path, X, tmp_path, capsys):
    edit(path, lambda c: c["history"][-1].update({EVIL: 1.0}))
    model = ae.load(path)
    model.set_params(warm_start=True, verbose=2).fit(X)
    assert "\x1b" not in summary(model.history_[1]) and "\\x1b]0;owned" in summary(
        model.history_[1]
    )
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err and "epoch 4/4" in captured.out

    def odd_params(config):
        config["params"]["arch"]["params"][EVIL] = 1

    def odd_layer(config):
        config["params"]["arch"] = {"tuple": [{"module": {"layer": "Linear", EVIL: 1}}] * 2}

    def odd_field(config):
        config[EVIL] = 1

    def odd_model(config):
        config["model"] = EVIL

    good = path.read_bytes()
    for change in (odd_params, odd_layer, odd_field, odd_model):
        path.write_bytes(good)
        edit(path, change)
        ours = ae.Autoencoder(ae.Dense((8,)), 3, checkpoint=path, **KW)
        for act in (lambda: ae.load(path), lambda ours=ours: ours.fit(X, resume=True)):
            with pytest.raises(ValueError) as caught:
                act()
            assert "\x1b" not in str(caught.value) and "\x07" not in str(caught.value)


def test_names_of_columns_in_errors(tmp_path, rng):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rng.random((30, 2)), columns=["a", EVIL])
    ae.Autoencoder(ae.Dense(()), 1, **KW).fit(frame).save(tmp_path / "m")
    with pytest.raises(ValueError, match="feature names") as caught:
        ae.load(tmp_path / "m").transform(frame.rename(columns={EVIL: "b"}))
    assert "\x1b" not in str(caught.value)


def test_names_are_no_mathematics(path, tmp_path):
    pytest.importorskip("matplotlib")
    edit(path, lambda c: [r.update({EVIL: 1.0, "note": EVIL}) for r in c["history"]])
    figure = ae.plot.history(ae.load(path))
    figure.savefig(tmp_path / "h.png")  # \frac{ would be an error
    shown = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert printable(EVIL) in shown
    ae.plot.roc([0, 1, 0, 1], {EVIL: [0, 1, 2, 3], "b": [1, 2, 3, 4]}).savefig(tmp_path / "r.png")


# ---- detectors -----------------------------------------------------------------------------------


def detectors(X):
    table = X.copy()
    table[3, 2] = np.nan
    images = X[:, :4].reshape(-1, 2, 2, 1)
    sequence = X.reshape(-1, 3, 2)
    kw = {"batch_size": 16, "epochs": 1}
    yield ae.AnomalyDetector(n_models=2, random_state=0).fit(table), table
    yield ae.AnomalyDetector(n_models=1, measure="mean", random_state=0).fit(X), X
    yield ae.AnomalyDetector(n_models=1, scale=False, random_state=0).fit(X), X
    for measure in ("manifold", "codes"):
        for model, x in (
            (ae.VQVAE(ae.Conv((4,)), 4, 2, **kw), images),
            (ae.VQVAE(ae.Dense((4,)), 4, 2, **kw), X),
            (ae.VAE(ae.Conv((4,)), 2, loss="bce", **kw), images),
            (ae.Autoencoder(ae.LSTM(4), 2, **kw), sequence),
            (ae.TabularVAE(ae.Dense((8,)), 2, **kw), X),
        ):
            options = {"n_models": 1, "measure": measure, "random_state": 0}
            yield ae.AnomalyDetector(model, **options).fit(x), x


def test_detectors_whose_arrays_do_not_fit_are_refused(X, tmp_path):
    path = tmp_path / "d"
    for detector, x in detectors(X):
        detector.save(path)
        again = ae.load(path)
        np.testing.assert_array_equal(again.score_samples(x), detector.score_samples(x))
        config, tensors = document.read(path)
        own = {k: v for k, v in tensors.items() if "oddness" in k or "." not in k}
        for name, array in own.items():
            wider = np.ones((*array.shape[:-1], array.shape[-1] + 1), array.dtype)
            for other in {wider.shape: wider, (7,): np.ones(7, array.dtype)}.values():
                if other.shape == array.shape:
                    continue
                signed(path, {**tensors, name: other}, config)
                with pytest.raises(ValueError, match="expected a whole model file"):
                    ae.load(path)
        both = {k: np.ones(60) for k in ("center", "scale") if k in tensors}
        if both:
            signed(path, {**tensors, **both}, config)
            with pytest.raises(ValueError, match="expected a whole model file"):
                ae.load(path)
        edited = json.loads(json.dumps(config))
        edited["shape"][0] += 1
        signed(path, tensors, edited)
        with pytest.raises(ValueError, match="expected a whole model file"):
            ae.load(path)
