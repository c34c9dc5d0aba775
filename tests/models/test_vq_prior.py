"""A VQVAE with a PixelCNN over its codes: what it draws, saves, resumes and refuses."""

import json
import math
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore.files import document
from safetensors import safe_open
from safetensors.numpy import save_file

KW = {"batch_size": 16, "random_state": 0}
PRIOR = {"channels": 8, "layers": 2, "kernel_size": 3, "epochs": 2, "batch_size": 16}


def small(prior=None, **params):
    prior = ae.PixelCNN(**PRIOR) if prior is None else prior
    return ae.VQVAE(ae.ResNet(8, 4, 1), 8, 4, prior=prior, **{**KW, "epochs": 2, **params})


@pytest.fixture
def images(rng):
    return rng.random((40, 12, 8, 1), dtype=np.float32)


def arrays(model):
    return {k: v.tobytes() for k, v in model._network.arrays().items()}


def test_the_prior_is_that_of_the_codes(images):
    prior = ae.PixelCNN(**PRIOR)
    model = small(prior).fit(images)
    assert model.prior is prior and not prior.__sklearn_is_fitted__()
    assert [r["epoch"] for r in model.prior_.history_] == [1, 2]
    assert {"nll", "nats_per_code", "accuracy"} < set(model.prior_.history_[0])
    codes = model.transform(images)
    alone = ae.PixelCNN(**PRIOR, codebook_size=8, random_state=1).fit(codes)
    assert arrays(alone) == arrays(model.prior_)  # the seed is the model's and 1
    drawn = alone.sample(5, random_state=3)
    np.testing.assert_array_equal(model.sample(5, random_state=3), model.inverse_transform(drawn))
    without = small().set_params(prior=None).fit(images)
    assert arrays(without) == arrays(model) and not hasattr(without, "prior_")
    assert not hasattr(without, "classes_") and not hasattr(model, "classes_")


def test_the_codes_of_many_batches(rng):
    X = rng.random((600, 8, 8, 1), dtype=np.float32)
    model = small(epochs=1).fit(X, X_val=X[:300])
    codes = model.transform(X)
    np.testing.assert_array_equal(model._all_codes(X), codes)
    alone = ae.PixelCNN(**PRIOR, codebook_size=8, random_state=1).fit(codes, X_val=codes[:300])
    assert arrays(alone) == arrays(model.prior_)
    assert alone.history_[-1]["val_nll"] == model.prior_.history_[-1]["val_nll"]


def test_it_draws_what_uniform_codes_are_not(rng):
    """Images of one of two colours: drawn from the prior, every image is of one colour."""
    colour = rng.integers(0, 2, 200)
    X = np.where(colour, 0.9, 0.1)[:, None, None, None] + np.zeros((200, 8, 8, 1))
    prior = ae.PixelCNN(**{**PRIOR, "epochs": 20}, learning_rate=1e-2)
    model = ae.VQVAE(ae.ResNet(8, 4, 1), 8, 4, prior=prior, epochs=30, learning_rate=1e-2, **KW)
    made = model.fit(X).sample(50, random_state=0)
    assert made.std((1, 2, 3)).max() < 0.1 and 0.2 < (made.mean((1, 2, 3)) > 0.5).mean() < 0.8
    nats = -model.prior_.score(model.transform(X))
    assert nats == pytest.approx(math.log(2), abs=0.1)


def test_classes(rng, tmp_path):
    y = np.array(["dark", "light"])[np.arange(120) % 2]
    X = np.where(y == "light", 0.9, 0.1)[:, None, None, None] + np.zeros((120, 8, 8, 1))
    prior = ae.PixelCNN(**{**PRIOR, "epochs": 20}, learning_rate=1e-2)
    model = ae.VQVAE(ae.ResNet(8, 4, 1), 8, 4, prior=prior, epochs=20, learning_rate=1e-2, **KW)
    model.fit(X, y, X_val=(X[:10], y[:10]))
    assert "val_nll" in model.prior_.history_[0]
    assert list(model.classes_) == ["dark", "light"]
    assert model.sample(20, y="light", random_state=0).mean() > 0.8
    assert model.sample(20, y="dark", random_state=0).mean() < 0.2
    each = model.sample(2, y=["light", "dark"], random_state=0).mean((1, 2, 3))
    assert each[0] > 0.7 > 0.3 > each[1]
    for bad, word in (
        (None, "expected labels"),
        ("grey", "expected labels as in fit, dark, light, got 'grey'"),
        (["dark"], "expected 2"),
    ):
        with pytest.raises(ValueError, match=word):
            model.sample(2, y=bad)
    model.save(tmp_path / "m")
    again = ae.load(tmp_path / "m")
    np.testing.assert_array_equal(
        again.sample(3, y="light", random_state=1), model.sample(3, y="light", random_state=1)
    )


GRIDS = {
    "dense": (ae.Dense((8,)), (12,), (1,)),
    "conv of steps": (ae.Conv((6,)), (12, 2), (6,)),
    "steps": (ae.LSTM(6), (6, 2), (6,)),
    "transformer": (ae.Transformer(6, 2, 1, 8), (6, 2), (6,)),
    "images": (ae.ResNet(8, 4, 1, 1), (6, 8, 2), (3, 4)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_every_grid_of_codes(name, rng):
    arch, shape, grid = GRIDS[name]
    X = rng.random((30, *shape), dtype=np.float32)
    model = ae.VQVAE(arch, 8, 4, prior=ae.PixelCNN(**PRIOR), epochs=1, **KW).fit(X)
    assert model.prior_._network.input_shape == (*grid, 8)
    assert model.sample(3, random_state=0).shape == (3, *shape)
    assert model.sample(0).shape == (0, *shape)
    X[::2, 0] = np.nan
    model.fit(X, sample_mask=np.isfinite(X))
    assert np.isfinite(model.sample(2)).all()


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize(
    "kind",
    [
        {"quantizers": 3},
        {"levels": (3, 3)},
        {"levels": (3, 3), "quantizers": 2},
        {"groups": 2, "quantizers": 2, "gradient": "rotation"},
        {"projection_dim": 2, "distance": "cosine"},
        {"code_bits": 3},
        {"code_bits": 3, "groups": 2},
    ],
    ids=repr,
)
def test_every_quantizer(kind, name, rng, tmp_path):
    arch, shape, grid = GRIDS[name]
    X, y = rng.random((30, *shape), dtype=np.float32), np.arange(30) % 2
    sizes = {} if {"levels", "code_bits"} & kind.keys() else {"codebook_size": 8, "code_dim": 4}
    model = ae.VQVAE(arch, **sizes, **kind, prior=ae.PixelCNN(**PRIOR), epochs=1, **KW).fit(X, y)
    wanted = *model.transform(X).shape[1:], 9 if "levels" in kind else 8
    assert model.prior_._network.input_shape == wanted
    made = model.sample(3, y=1, random_state=0)
    assert made.shape == (3, *shape)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(ae.load(tmp_path / "m").sample(3, y=1, random_state=0), made)


def test_a_depth_that_is_not_that_of_the_codes(images):
    with pytest.raises(ValueError, match="prior: depth: expected 1, or the number of quantizers 1"):
        small(ae.PixelCNN(depth=2)).fit(images)
    with pytest.raises(ValueError, match="prior: codebook_size: expected None or the codebook's 9"):
        small(ae.PixelCNN(codebook_size=8)).set_params(
            levels=(3, 3), codebook_size=9, code_dim=2
        ).fit(images)


# ---- going on -----------------------------------------------------------------------------------


def test_round_trip_and_the_rest_of_the_priors_training(images, tmp_path):
    whole = small().fit(images)
    half = small(ae.PixelCNN(**{**PRIOR, "epochs": 1})).fit(images)
    half.save(tmp_path / "m")
    rest = ae.load(tmp_path / "m")
    assert arrays(rest.prior_) == arrays(half.prior_)
    assert rest.prior_.history_ == half.prior_.history_ and repr(rest) == repr(half)
    np.testing.assert_array_equal(rest.sample(4, random_state=0), half.sample(4, random_state=0))
    rest.set_params(warm_start=True, epochs=0).fit(images)  # one more epoch, of the prior alone
    assert arrays(rest) == arrays(whole) and arrays(rest.prior_) == arrays(whole.prior_)
    assert len(rest.history_) == 2 and len(rest.prior_.history_) == 2
    copied = pickle.loads(pickle.dumps(whole))
    np.testing.assert_array_equal(copied.sample(4, random_state=0), whole.sample(4, random_state=0))


def test_warm_start_goes_on_with_both(images, tmp_path):
    model = small().fit(images)
    model.save(tmp_path / "m")
    again = ae.load(tmp_path / "m")
    for m in (model, again):
        m.set_params(warm_start=True, epochs=1, prior__epochs=3).fit(images)
        assert len(m.history_) == 3 and len(m.prior_.history_) == 5
    assert arrays(model) == arrays(again) and arrays(model.prior_) == arrays(again.prior_)
    fresh = model.set_params(warm_start=False).fit(images)
    assert len(fresh.history_) == 1 and len(fresh.prior_.history_) == 3


def test_bits_do_not_depend_on_threads(images):
    models = [small(n_threads=n).fit(images) for n in (1, 2, 3)]
    assert all(arrays(m.prior_) == arrays(models[0].prior_) for m in models)
    generator = np.random.default_rng(0)
    prior = ae.PixelCNN(**PRIOR, random_state=generator)
    assert arrays(small(prior).fit(images).prior_) != arrays(models[0].prior_)


def test_a_prior_for_a_model_that_has_none(images):
    model = small().set_params(prior=None).fit(images)
    before = arrays(model)
    model.set_params(prior=ae.PixelCNN(**PRIOR), warm_start=True, epochs=0)
    with pytest.raises(ValueError, match="prior: expected one that fit has trained"):
        model.sample(2)
    model.fit(images)
    assert arrays(model) == before and len(model.prior_.history_) == 2
    assert not hasattr(model.set_params(prior=None).fit(images), "prior_")
    assert model.sample(2).shape == (2, 12, 8, 1)


def test_what_does_not_train_the_prior(images, tmp_path):
    model = small().partial_fit(images)
    with pytest.raises(ValueError, match="prior: expected one that fit has trained"):
        model.sample(2)
    with pytest.raises(ValueError, match="prior: expected one that fit has trained"):
        small().initialize(images).sample(2)
    model.save(tmp_path / "m")
    assert not hasattr(ae.load(tmp_path / "m"), "prior_")
    model = small().fit(images)
    before = arrays(model.prior_)
    assert arrays(model.partial_fit(images).prior_) == before


def test_checkpoints_and_what_is_held_out(images, tmp_path):
    prior = ae.PixelCNN(**PRIOR, validation_fraction=0.25)
    model = small(prior, checkpoint=tmp_path / "m").fit(images, X_val=images[:9])
    assert arrays(ae.load(tmp_path / "m").prior_) == arrays(model.prior_)
    seen = small(ae.PixelCNN(**PRIOR, patience=1)).fit(images[10:], X_val=images[:10])
    record = seen.prior_.history_[-1]
    nats = -seen.prior_.score(seen.transform(images[:10]))
    assert seen.prior_.best_epoch_ in (1, 2)
    if seen.prior_.best_epoch_ == record["epoch"]:
        assert record["val_nll"] == pytest.approx(nats, rel=1e-5)


# ---- errors -------------------------------------------------------------------------------------

BAD = [
    (lambda m, x: m.fit(x, np.arange(40) * 0.5), "reshape(-1, 1)"),
    (lambda m, x: m.fit(x, np.arange(39)), "expected 40 conditions"),
    (lambda m, x: m.fit(x, np.arange(40) % 2, X_val=x), "X_val: expected (X_val, y_val)"),
    (lambda m, x: m.fit(x, np.arange(40) % 2, X_val=(x[:2], [0, 5])), "fit, 0, 1, got 5"),
    (lambda m, x: m.set_params(warm_start=True).fit(x, np.arange(40)), "without conditions"),
    (lambda m, x: m.set_params(prior__validation_fraction=0.01).fit(x), "validation_fraction: exp"),
    (lambda m, x: m.fit(x, np.arange(40) % 2, X_val=(x, None, 3)), "X_val: expected"),
    (lambda m, x: m.sample(2, y=1), "without conditions"),
    (lambda m, x: m.fit(x[:, :0]), "0 feature"),
]


@pytest.mark.parametrize("call, word", BAD, ids=map(str, range(len(BAD))))
def test_bad_conditions_change_nothing(call, word, images):
    model = small(epochs=1).fit(images)
    before = arrays(model), arrays(model.prior_), len(model.history_)
    with pytest.raises(ValueError) as caught:
        call(model, images)
    assert word in str(caught.value), str(caught.value)
    assert before == (arrays(model), arrays(model.prior_), len(model.history_))


def edited(path, change):
    """Write a file's parts anew, changed, with a digest that agrees."""
    with safe_open(path, framework="numpy") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    config = json.loads(metadata["config"])
    change(config, tensors)
    text = json.dumps(config)
    metadata |= {"config": text, "digest": document._digest(text, tensors)}
    save_file(tensors, path, metadata)
    return path


def of_another_kind(config, tensors):
    config["prior"] = {k: v for k, v in config.items() if k != "prior"}
    for name in [n for n in tensors if n.startswith("prior.")]:
        del tensors[name]
    tensors |= {f"prior.{name}": value for name, value in tensors.items()}


EDITS = [
    (lambda c, t: c.pop("prior"), "expected no others, got"),
    (
        lambda c, t: t.pop("prior.pixelcnn.embedding"),
        "tensors: expected .'pixelcnn.embedding'., got none",
    ),
    (lambda c, t: t.update({"prior.x": np.zeros(1, np.float32)}), "expected no others, got"),
    (lambda c, t: c.update(prior=3), "expected a dictionary"),
    (lambda c, t: c.update(prior=None), "expected a dictionary"),
    (lambda c, t: c["prior"].update(shape=[3, 2, 9]), "larger|expected float32"),
    (lambda c, t: c["prior"].update(shape=[2, 3, 8]), "the model's maps of codes"),
    (lambda c, t: c["prior"].update(shape=[8]), "shape"),
    (lambda c, t: c["prior"].update(prior=dict(c["prior"])), "expected no others, got"),
    (lambda c, t: c["prior"].update(model="VAE"), "parameters"),
    (lambda c, t: c["prior"]["params"].update(layers=10**9), "layers"),
    (lambda c, t: c["prior"]["params"].update(channels=10**6), "too large"),
    (of_another_kind, "expected a trained PixelCNN, got"),
]


@pytest.mark.parametrize("change, word", EDITS, ids=map(str, range(len(EDITS))))
def test_edited_files(change, word, images, tmp_path):
    small(epochs=1).fit(images).save(tmp_path / "m")
    with pytest.raises(ValueError, match=word) as caught:
        ae.load(edited(tmp_path / "m", change))
    assert "expected a whole model file" in str(caught.value)


def test_parameters_by_name():
    model = small()
    assert model.get_params()["prior__channels"] == 8
    model.set_params(prior__channels=4, prior__kernel_size=5)
    assert (model.prior.channels, model.prior.kernel_size) == (4, 5)
    sklearn = pytest.importorskip("sklearn.base")
    copied = sklearn.clone(model)
    assert repr(copied) == repr(model) and copied.prior is not model.prior
