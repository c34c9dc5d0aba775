"""Weights that layers keep packed while they don't change: the same bits, and never old ones."""

import copy
import pickle
import threading

import aecore as ae
import numpy as np
import pytest
from aecore import _core, nn
from cases.base import normal

RELU = "relu"

LAYERS = {
    "linear": (lambda: nn.Linear(70, 45, activation=RELU), (70,)),
    "linear of many panels": (lambda: nn.Linear(784, 200), (784,)),
    "tied": (lambda: nn.TiedLinear(nn.Linear(70, 45)), (45,)),
    "tied transpose": (lambda: nn.TiedConvTranspose2d(nn.Conv2d(7, 24, 4, 2, 1)), (5, 6, 24)),
    "conv": (lambda: nn.Conv2d(3, 33, 4, 2, 1, activation=RELU), (12, 10, 3)),
    "conv, transforms": (lambda: nn.Conv2d(32, 48, 4, 2, 1, activation=RELU), (16, 14, 32)),
    "conv, transforms of 3 x 3": (lambda: nn.Conv2d(64, 96, 3, 1, 1), (8, 8, 64)),
    "conv, dilated": (lambda: nn.Conv2d(7, 33, 3, 1, 2, 2, activation=RELU), (9, 10, 7)),
    "conv, groups": (lambda: nn.Conv2d(8, 36, 3, 1, 1, groups=2), (9, 10, 8)),
    "depthwise": (lambda: nn.Conv2d(37, 37, 3, 2, 1, groups=37), (9, 10, 37)),
    "steps": (lambda: nn.Conv1d(5, 40, 4, 2, 1), (50, 5)),
    "steps, up": (lambda: nn.ConvTranspose1d(20, 33, 4, 2, 1), (15, 20)),
    "up": (lambda: nn.ConvTranspose2d(20, 33, 4, 2, 1), (5, 4, 20)),
    "up, transforms": (lambda: nn.ConvTranspose2d(64, 40, 4, 2, 1, activation="elu"), (8, 7, 64)),
    "up to few": (lambda: nn.ConvTranspose2d(32, 3, 4, 2, 1), (8, 8, 32)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("isa", _core.isa_names())
def test_outputs_keep_their_bits(name, isa, rng, workspace):
    make, shape = LAYERS[name]
    layer = make()
    layer.initialize(3)
    x = normal(rng, 40, *shape)
    workspace(2, isa)
    expected = layer(x).copy()
    layer.freeze()
    for rows in (slice(None), slice(5, 6), slice(2, 5), slice(0, 17), slice(None)):
        for threads in (1, 2, 3):
            workspace(threads, isa)
            np.testing.assert_array_equal(layer(x[rows]), expected[rows], err_msg=str(rows))
    layer.thaw()
    layer.weight.value[:] *= 2
    assert not np.array_equal(layer(x), expected)


def test_one_layer_on_images_of_several_sizes(rng):
    layer = nn.Conv2d(32, 32, 3, 1, 1)
    images = [normal(rng, 6, size, size, 32) for size in (16, 2, 9, 16)]
    expected = [layer(x).copy() for x in images]
    layer.freeze()
    for x, y in zip(images, expected, strict=True):
        np.testing.assert_array_equal(layer(x), y)


def test_packed_weights_stay_out_of_copies():
    layer = nn.Linear(40, 40)
    layer.freeze()
    layer(np.ones((8, 40), np.float32))
    assert layer._packed.nbytes >= layer.weight.value.nbytes
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin._packed is None
        twin.weight.value.fill(0)
        assert np.array_equal(twin(np.ones((8, 40), np.float32))[0], twin.bias.value)


def test_wrong_objects_are_refused():
    x, w, out = (np.ones((8, 8), np.float32) for _ in range(3))
    for wrong in (object(), _core.Workspace(), True):
        with pytest.raises(TypeError, match="packed: expected a Packed or None"):
            _core.linear(out, x, w, None, None, False, None, wrong, _core.Workspace())
    with pytest.raises(TypeError, match="Packed"):
        _core.Packed(3)


def test_threads_take_turns_or_are_refused(rng):
    """No two calls have one layer's packed weights at once."""
    layer = nn.Linear(600, 600)
    layer.freeze()
    x = normal(rng, 64, 600)
    expected = layer(x).copy()
    packed, failures, refused = layer._packed, [], []

    def work():
        out, ws = np.empty((64, 600), np.float32), _core.Workspace(1)
        for _ in range(200):
            try:
                args = layer.weight.value, layer.bias.value, None, False, None, packed, ws
                _core.linear(out, x, *args)
            except RuntimeError as error:
                refused.append(str(error))
                continue
            if not np.array_equal(out, expected):
                failures.append(out)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert set(refused) <= {"another thread is using this layer"}


# ---- models: whatever changes parameters is seen -------------------------------------------------


def small(**options):
    options = {"epochs": 2, "batch_size": 16, "random_state": 0, "verbose": 0} | options
    return ae.VAE(ae.Conv((32, 32)), 4, **options)


@pytest.fixture
def images(rng):
    return rng.random((64, 16, 16, 3), np.float32)


def fresh(model, X):
    """What a copy says, which has nothing packed."""
    return copy.deepcopy(model).transform(X)


def test_training_is_seen(images):
    model = small().fit(images)
    codes = model.transform(images)
    assert model._network.encoder.layers[0]._packed is not None
    model.partial_fit(images)
    again = model.transform(images)
    assert not np.array_equal(codes, again)
    np.testing.assert_array_equal(again, fresh(model, images))
    model.set_params(warm_start=True).fit(images)
    np.testing.assert_array_equal(model.transform(images), fresh(model, images))


def test_codes_within_training_are_seen(images):
    """A callback may encode; training goes on from the same parameters."""
    codes = []
    model = small(epochs=3, callbacks=[lambda state: codes.append(state.model.transform(images))])
    model.fit(images)
    assert not np.array_equal(codes[0], codes[1])
    np.testing.assert_array_equal(codes[-1], model.transform(images))
    np.testing.assert_array_equal(codes[-1], small(epochs=3).fit(images).transform(images))


def test_the_best_epoch_comes_back(images):
    model = small(epochs=6, patience=1, validation_fraction=0.25, learning_rate=0.3, clip_norm=1.0)
    model.set_params(callbacks=[lambda state: state.model.transform(images) is None])
    model.fit(images)
    np.testing.assert_array_equal(model.transform(images), fresh(model, images))


def test_written_parameters_are_seen(images):
    model = small().fit(images)
    codes = model.transform(images)
    weight = model.parameters_["encoder.0.weight"]
    np.testing.assert_array_equal(model.transform(images), codes)
    weight *= 0.5
    changed = model.transform(images)
    assert not np.array_equal(changed, codes)
    weight *= 2
    np.testing.assert_array_equal(model.transform(images), codes)
    model.partial_fit(images)
    model.transform(images)
    weight[:] = 0
    np.testing.assert_array_equal(model.transform(images), fresh(model, images))


def test_an_image_alone_has_the_bits_it_has_in_a_batch(images):
    model = small().fit(images)
    codes, rebuilt = model.transform(images), model.reconstruct(images)
    for rows in ([7], [1, 40], range(9, 31)):
        rows = list(rows)
        np.testing.assert_array_equal(model.transform(images[rows]), codes[rows])
        np.testing.assert_array_equal(model.reconstruct(images[rows]), rebuilt[rows])
