"""Corruption: functions, sequences, patches and blocks; that of values is in test_arrays.py."""

import functools
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore.data import corruption as kinds
from aecore.data.arrays import Data
from aecore.data.batches import Batches
from sklearn.base import clone

KW = {"epochs": 2, "batch_size": 16, "random_state": 0}
rng = np.random.default_rng(0)
IMAGES = rng.random((40, 8, 6, 2), np.float32) + np.float32(0.5)
D = ae.Dense((16,))


def dark(x, generator):
    x = x.copy()
    x[:, 2:5, 2:5] = 0
    return x


def speckle(x, generator):
    return x * generator.normal(1, 0.3, x.shape)


def seen(corruption, X=IMAGES, size=16, seed=3):
    """Return what the encoder sees in a pass."""
    made = kinds.made(corruption)
    batches = Batches(Data(X), size, corruption=made, seed=seed)
    found = [(b.x.copy(), b.target.copy()) for b in batches(np.arange(len(X)))]
    x, target = (np.concatenate(parts) for parts in zip(*found, strict=True))
    np.testing.assert_array_equal(target, X.reshape(len(X), -1))  # which stays clean
    return x


def test_a_function_is_given_samples_and_a_generator():
    np.testing.assert_array_equal(seen(dark), dark(IMAGES, None))
    calls = []

    def noted(x, generator):
        calls.append((x.shape, x.dtype, type(generator)))
        x += 1  # in place is fine too
        return x

    np.testing.assert_array_equal(seen(noted), IMAGES + 1)
    assert calls[0] == ((16, 8, 6, 2), np.float32, np.random.Generator) and len(calls) == 3
    first = seen(speckle)
    np.testing.assert_array_equal(first, seen(speckle))
    assert (first != seen(speckle, seed=4)).any()
    assert (first[:16] / IMAGES[:16] != first[16:32] / IMAGES[16:32]).any()  # other draws
    np.testing.assert_array_equal(seen(functools.partial(dark)), dark(IMAGES, None))


def test_a_sequence_is_done_in_order():
    one = seen(ae.GaussianNoise(0.1))
    np.testing.assert_array_equal(seen([ae.GaussianNoise(0.1)]), one)
    np.testing.assert_array_equal(seen([ae.GaussianNoise(0.1), dark]), dark(one, None))
    after = seen([dark, ae.GaussianNoise(0.1)])
    assert (after[:, 2:5, 2:5] != 0).all()
    twice = seen([ae.GaussianNoise(0.1), ae.GaussianNoise(0.1)]) - IMAGES
    assert twice.std() == pytest.approx(0.1 * np.sqrt(2), rel=0.05)  # drawn by themselves
    noise = (ae.SaltAndPepper(0.3, -1, 2), ae.Masking(0.5), ae.GaussianNoise(0.1, clip=(0, 1)))
    found = seen(noise)
    assert 0 <= found.min() and found.max() <= 1
    salted = seen([ae.Masking(0.0), ae.SaltAndPepper(0.3, -1, 2)])
    share = np.isin(salted, (-1, 2)).mean()
    assert share == pytest.approx(0.3, abs=0.03)
    assert (seen([dark, ae.SwapNoise(0.5)]) != dark(IMAGES, None)).any()


def test_blocks_are_cut_out_at_random_places():
    found = seen(ae.Blocks((3, 2), fill=-1.0))
    hidden = found == -1
    assert (hidden.all(3) == hidden.any(3)).all()  # all channels together
    assert (hidden[..., 0].sum((1, 2)) == 6).all()
    for sample in hidden[..., 0]:
        rows, columns = np.nonzero(sample)
        assert np.ptp(rows) == 2 and np.ptp(columns) == 1
    corners = {tuple(np.argwhere(s)[0]) for s in hidden[..., 0]}
    assert len(corners) > 15 and max(c[0] for c in corners) == 5 and max(c[1] for c in corners) == 4
    assert (found[~hidden] == IMAGES[~hidden]).all()
    several = seen(ae.Blocks(2, count=3)) == 0
    assert 4 < several[..., 0].sum((1, 2)).max() <= 12
    sequences = rng.random((20, 9, 3), np.float32) + np.float32(0.5)
    lines = seen(ae.Blocks(4), sequences) == 0
    assert (lines.all(2).sum(1) == 4).all() and (lines.all(2) == lines.any(2)).all()
    vectors = rng.random((20, 11), np.float32) + np.float32(0.5)
    assert ((seen(ae.Blocks(5), vectors) == 0).sum(1) == 5).all()
    np.testing.assert_array_equal(seen(ae.Blocks((8, 6))), np.zeros_like(IMAGES))


def test_masking_of_patches():
    hidden = seen(ae.Masking(0.4, patch=3)) == 0
    assert (hidden.all(3) == hidden.any(3)).all()
    for rows in (slice(0, 3), slice(3, 6), slice(6, 9)):
        for columns in (slice(0, 3), slice(3, 6)):
            piece = hidden[:, rows, columns, 0]
            assert (piece.all((1, 2)) == piece.any((1, 2))).all()
    many = seen(ae.Masking(0.4, patch=(2, 3)), np.ones((500, 8, 6, 1), np.float32))
    assert (many == 0).mean() == pytest.approx(0.4, abs=0.02)
    assert (seen(ae.Masking(1.0, patch=4)) == 0).all()
    assert (seen(ae.Masking(0.0, patch=4)) == IMAGES).all()
    sequences = np.ones((200, 10, 3), np.float32)
    steps = (seen(ae.Masking(0.5, patch=4), sequences) == 0).all(2)
    assert (steps[:, :4].all(1) == steps[:, :4].any(1)).all() and 0.4 < steps.mean() < 0.6


@pytest.mark.parametrize("noise", [dark, [ae.GaussianNoise(0.1), speckle], ae.Blocks(3)])
def test_models_train_on_what_is_damaged(noise, tmp_path):
    model = ae.Autoencoder(D, 4, corruption=noise, **KW).fit(IMAGES)
    again = clone(model).fit(IMAGES)
    np.testing.assert_array_equal(model.transform(IMAGES), again.transform(IMAGES))
    whole = ae.VAE(D, 4, corruption=noise, accumulate=2, **KW).fit(IMAGES)
    assert whole.reconstruct(IMAGES).shape == IMAGES.shape
    kept = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(kept.transform(IMAGES), model.transform(IMAGES))
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = ae.load(path)
    np.testing.assert_array_equal(loaded.transform(IMAGES), model.transform(IMAGES))
    loaded.set_params(warm_start=True)
    if not isinstance(noise, ae.Blocks):
        with pytest.raises(
            ValueError, match="expected the function '(dark|speckle)', which a file"
        ):
            loaded.fit(IMAGES)
    loaded.set_params(corruption=noise).fit(IMAGES)
    straight = ae.Autoencoder(D, 4, corruption=noise, **KW | {"epochs": 4}).fit(IMAGES)
    np.testing.assert_array_equal(loaded.transform(IMAGES), straight.transform(IMAGES))


def test_a_training_with_a_function_is_resumed(tmp_path):
    path = tmp_path / "run.safetensors"
    half = ae.Autoencoder(D, 4, corruption=speckle, checkpoint=path, **KW).fit(IMAGES)
    half.set_params(epochs=4).fit(IMAGES, resume=True)
    whole = ae.Autoencoder(D, 4, corruption=speckle, **KW | {"epochs": 4}).fit(IMAGES)
    np.testing.assert_array_equal(half.transform(IMAGES), whole.transform(IMAGES))


def test_gaps_stay_gaps():
    mask = rng.random(IMAGES.shape) < 0.8
    made = kinds.made([ae.GaussianNoise(0.1), lambda x, g: x + 1])
    data = Data(np.where(mask, IMAGES, np.nan).astype(np.float32), mask)
    (batch,) = Batches(data, 40, corruption=made)(np.arange(40))
    assert (batch.x[~mask] == 0).all() and (batch.x[mask] > 1).all()


def test_levels_have_one_each():
    noise = (ae.GaussianNoise(0.1), [ae.Masking(0.2), ae.GaussianNoise(0.1)])
    model = ae.StackedAutoencoder(D, 4, corruption=noise, **KW | {"pretrain_epochs": 1})
    assert model.fit(IMAGES).transform(IMAGES).shape == (40, 4)
    with pytest.raises(ValueError, match="expected one for each of the 2 levels"):
        ae.StackedAutoencoder(D, 4, corruption=[dark], **KW).fit(IMAGES)


@pytest.mark.parametrize(
    ("noise", "error", "match"),
    [
        (ae.GaussianNoise, TypeError, r"such as GaussianNoise\(\), got the class"),
        ("noise", TypeError, "corruption: expected"),
        ([], ValueError, "at least one and no None"),
        ([None, ae.Masking(0.1)], TypeError, "at least one and no None"),
        (lambda x, g: None, TypeError, "got None: return what was damaged"),
        (
            lambda x: x,
            TypeError,
            r"expected a function of samples and a numpy.*, got <lambda>\(x\)",
        ),
        (lambda x, g: x[:, :2], ValueError, r"expected an array of shape \(16, 8, 6, 2\)"),
        (lambda x, g: x * np.nan, ValueError, "finite numbers"),
        (lambda x, g: (x * 255).astype("u1"), TypeError, "got uint8: expected floats"),
        (lambda x, g: "words", TypeError, "expected real numbers"),
        (ae.Blocks(0), ValueError, "size: expected at least 1"),
        (ae.Blocks(9), ValueError, r"blocks that fit into samples of shape \(8, 6, 2\)"),
        (ae.Blocks(3, count=0), ValueError, "count"),
        (ae.Blocks(3, fill=np.inf), ValueError, "fill"),
        (ae.Masking(0.1, patch=0), ValueError, "patch: expected at least 1"),
        (ae.Masking(0.1, patch=(1, 2, 3)), TypeError, "patch"),
    ],
)
def test_what_makes_no_sense(noise, error, match):
    with pytest.raises(error, match=match):
        ae.Autoencoder(D, 4, corruption=noise, **KW).fit(IMAGES)


def test_tables_have_kinds_of_their_own():
    X = rng.random((40, 3))
    with pytest.raises(ValueError, match="Masking without patch"):
        ae.TabularAutoencoder(D, 2, corruption=ae.Masking(0.1, patch=2), **KW).fit(X)
    with pytest.raises(TypeError, match="for a table"):
        ae.TabularAutoencoder(D, 2, corruption=dark, **KW).fit(X)
