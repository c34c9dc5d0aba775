"""Random crops of images of different sizes, as samples to train on."""

import aecore as ae
import numpy as np
import pytest
from aecore.data.batches import Batches
from aecore.data.cropping import CropData
from support.resuming import state

SIZES = ((50, 70, 3), (40, 33, 3), (5, 6, 3))
NOISE = ae.GaussianNoise(0.1, clip=(0, 1))


@pytest.fixture
def images(rng):
    return [rng.integers(0, 256, size, np.uint8) for size in SIZES]


def model(**options):
    return ae.Autoencoder(
        ae.UNet((4, 8)), corruption=NOISE, random_state=0, batch_size=8, **options
    )


def within(crop, image):
    """Whether a crop of bytes is a window of an image as large as that."""
    windows = np.lib.stride_tricks.sliding_window_view(image, crop.shape)
    return (windows == crop).all((-1, -2, -3)).any()


@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_threads_gives_the_same_bits(threads, images):
    X = ae.data.crops(images, 16)
    one = model(epochs=4, n_threads=1).fit(X)
    assert state(model(epochs=4, n_threads=threads).fit(X)) == state(one)


def test_resuming_goes_on_with_the_same_crops(images, tmp_path):
    X = ae.data.crops(images, 16)
    half = model(epochs=2).fit(X)
    half.save(tmp_path / "half.safetensors")
    rest = ae.load(tmp_path / "half.safetensors").set_params(warm_start=True).fit(X)
    assert state(rest) == state(model(epochs=4).fit(X))


def test_parts_of_a_batch_are_crops_of_the_whole(images):
    X = ae.data.crops(images, 16)
    whole, parts = model(epochs=1).fit(X), model(epochs=1, accumulate=4).fit(X)
    for name, value in whole.parameters_.items():
        np.testing.assert_allclose(parts.parameters_[name], value, atol=1e-4)


def test_crops_are_windows_that_change_from_epoch_to_epoch(images):
    X = ae.data.crops(images[:2], (16, 12), flip=False)
    assert X.shape == (24 + 9, 16, 12, 3) and len(X) == 33 and X.dtype == np.uint8
    batches = Batches(CropData(X), 33, seed=3)
    first, second = (np.rint(next(batches(None, p)).x * 255).astype(np.uint8) for p in (0, 33))
    whose = X.places(np.arange(33), 3, 0)[:, 0]
    assert (np.bincount(whose) == [24, 9]).all()  # as their areas say, in whole crops
    assert all(within(crop, images[i]) for crop, i in zip(first, whose, strict=True))
    assert (first != second).any((1, 2, 3)).mean() > 0.9


def test_windows_are_everywhere_equally_often(images):
    X = ae.data.crops([images[0][:18, :20]], 16, 6000, turn=True)
    where = X.places(np.arange(6000), 0, 0)
    for column, count in ((1, 3), (2, 5), (3, 8)):
        times = np.bincount(where[:, column], minlength=count)
        assert (
            len(times) == count and (np.abs(times - 6000 / count) < 5 * (6000 / count) ** 0.5).all()
        )


def test_flips_and_turns(images):
    x = images[0][:16, :16]
    for options, kinds in (({}, 2), ({"flip": False}, 1), ({"turn": True}, 8)):
        X = ae.data.crops([x], 16, 200, **options)
        found = np.unique(next(Batches(CropData(X), 200)(None, 0)).x, axis=0)
        assert len(found) == kinds


def test_a_small_image_is_extended_by_its_mirror_image():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    X = ae.data.crops([x], 5, 1, flip=False)
    got = next(Batches(CropData(X), 1)(None, 0)).x[0, :, :, 0]
    line = [1, 2, 2, 1, 1]
    np.testing.assert_array_equal(got, [line, [3, 4, 4, 3, 3], [3, 4, 4, 3, 3], line, line])


def test_noise_is_that_of_the_same_samples_in_an_array(images):
    """With one crop for an image as large as itself there is nothing to be drawn."""
    x = np.stack([image[:16, :16] for image in images[:2]] * 8)
    X = ae.data.crops(x, 16, flip=False)
    options = {"epochs": 2, "shuffle": False}
    assert state(model(**options).fit(X)) == state(model(**options).fit(x))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.float16])
def test_numbers_of_any_type(kind, images):
    X = ae.data.crops([(image / 255).astype(kind) for image in images], 16)
    assert X.dtype == (kind if kind in (np.float32, np.float64) else np.float32)
    fitted = model(epochs=1).fit(X)
    assert fitted._network.reader.pixels is False and "sigma" not in fitted.history_[0]


def test_other_images_to_validate_on(images):
    X, V = ae.data.crops(images[:2], 16), ae.data.crops(images[2:], 16)
    assert model(epochs=1).fit(X, X_val=V).history_[0]["val_loss"] > 0


def test_a_pass_over_crops_and_grey_ones(images):
    grey = [image[..., 0] for image in images]
    X = ae.data.crops(grey, 16)
    assert X.shape[3] == 1 and repr(X) == "Crops of 3 images: 30 of shape (16, 16, 1)"
    fitted = model(epochs=1).partial_fit(X).partial_fit(X)
    assert len(fitted.history_) == 2 and fitted.reconstruct([grey[0][..., None]])[0].shape == (
        50,
        70,
        1,
    )


def test_pairs_are_cut_at_the_same_places(images):
    how = {"size": 16, "n": 40}
    X = ae.data.crops(images, **how)
    grey = ae.data.crops([x[..., :1] // 2 for x in images], **how)
    batches = Batches(CropData(X), 40, target=CropData(grey), seed=3)
    for position in (0, 40):
        batch = next(batches(None, position))
        x, y = np.rint(batch.x * 255), np.rint(batch.target * 255)
        np.testing.assert_array_equal(
            x.reshape(40, 16, 16, 3)[..., :1] // 2, y.reshape(40, 16, 16, 1)
        )
    half = ae.data.crops([x // 2 for x in images], **how)
    pairs = model(epochs=3).fit(X, target=half)
    assert pairs.history_[-1]["mse"] < pairs.history_[0]["mse"]
    array = np.zeros((40, 16, 16, 3), np.float32)
    others = [
        ae.data.crops(images[::-1], **how),
        ae.data.crops(images, **how, flip=False),
        array,
    ]
    for other in others:
        with pytest.raises(ValueError, match="target: expected crops of images of the same sizes"):
            model(epochs=1).fit(X, target=other)
    with pytest.raises(ValueError, match="target: expected crops of images of the same sizes"):
        model(epochs=1).fit(array, target=X)


def test_what_makes_no_sense_is_refused(images):
    crops, X = ae.data.crops, ae.data.crops(images, 16)
    for error, text, wrong in (
        (ValueError, "images: expected at least one, got none", lambda: crops([])),
        (TypeError, r"a list of images \(H, W, C\), got an array", lambda: crops(images[0])),
        (TypeError, "images: expected a list", lambda: crops("folder")),
        (ValueError, "image 1: expected 3 channels",
         lambda: crops([images[0], images[1][..., :1]])),
        (ValueError, "image 0: expected an image", lambda: crops([np.zeros(3)])),
        (TypeError, "image 0: expected numbers, got an array of <U1",
         lambda: crops([np.array([["a"]])])),
        (ValueError, "NaN", lambda: model().fit(crops([np.full((9, 9, 1), np.nan)], 8))),
        (ValueError, "turn: expected False", lambda: crops(images, (8, 9), turn=True)),
        (TypeError, "turn: ", lambda: crops(images, 8, turn="yes")),
        (TypeError, "flip: ", lambda: crops(images, 8, flip=None)),
        (ValueError, "n: expected at least 1", lambda: crops(images, 8, 0)),
        (ValueError, "size: ", lambda: crops(images, 0)),
        (ValueError, r"got images of different sizes; ae.data.crops\(images, 64\)",
         lambda: model().fit(images)),
        (ValueError, "X_val takes other images", lambda: model(validation_fraction=0.1).fit(X)),
        (ValueError, "sample_mask: expected None", lambda: model().fit(X, sample_mask=np.ones(3))),
        (ValueError, r"expected samples of shape \(16, 16, 3\)",
         lambda: model(epochs=1, warm_start=True).fit(X).fit(crops(images, 8))),
    ):  # fmt: skip
        with pytest.raises(error, match=text):
            wrong()
