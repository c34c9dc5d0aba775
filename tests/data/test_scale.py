"""Whether numbers are pixels of 0 to 255 is decided in fit, and kept: by calls, files, streams."""

import pickle

import aecore as ae
import numpy as np
import pytest

KW = {"epochs": 2, "batch_size": 16, "random_state": 0}
TYPES = ["uint8", "uint16", "int16", "int32", "int64", "uint64", "float16", "float32", "float64"]


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (40, 4, 4, 1)).astype(np.uint8)


def model(**params):
    return ae.Autoencoder(ae.Dense((8,)), 3, **(KW | params))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("layout", ["array", "fortran", "list", "strided"])
def test_equal_values_are_equal_numbers(pixels, dtype, layout):
    fitted = model().fit(pixels)
    other = {
        "array": lambda x: x,
        "fortran": np.asfortranarray,
        "list": list,
        "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    }[layout](pixels.astype(dtype))
    for method in ("transform", "reconstruct", "score_samples"):
        got, want = (getattr(fitted, method)(x) for x in (other, pixels))
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    held = [model().fit(pixels, X_val=x).history_[-1]["val_loss"] for x in (other, pixels)]
    np.testing.assert_allclose(*held, rtol=1e-6)


def test_what_comes_out_goes_in(pixels):
    """Reconstructions are scaled: as samples they are taken as they are, with noise too."""
    fitted = model().fit(pixels)
    scaled = np.float32(pixels) / 255
    np.testing.assert_allclose(fitted.transform(scaled), fitted.transform(pixels), rtol=1e-5)
    noisy = scaled + np.float32(0.5) * np.random.default_rng(0).normal(size=scaled.shape)
    assert np.abs(fitted.reconstruct(noisy)).max() < 50
    np.testing.assert_allclose(
        fitted.transform(fitted.reconstruct(pixels)),
        fitted.transform(fitted.reconstruct(pixels).astype(np.float64)),
        rtol=1e-5, atol=1e-5,
    )  # fmt: skip


def test_fractions_of_pixels_are_pixels(pixels):
    """As resized images have them."""
    fitted = model().fit(pixels)
    between = (np.float64(pixels) + np.float64(pixels[::-1])) / 2
    want = fitted.transform((between / 255).astype(np.float32))
    np.testing.assert_allclose(fitted.transform(between), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int64", "float32"])
def test_zeros_and_ones_are_no_pixels(rng, dtype):
    X = (rng.random((60, 6)) > 0.5).astype(dtype)
    want = model(loss="bce").fit(X.astype(np.float64))
    got = model(loss="bce").fit(X)
    np.testing.assert_allclose(got.history_[-1]["loss"], want.history_[-1]["loss"], rtol=1e-6)
    np.testing.assert_allclose(got.transform(X.astype(np.uint8)), want.transform(X), rtol=1e-5)


def test_dark_pixels_are_read_as_in_fit(pixels):
    """A call may have no value above 1."""
    fitted = model().fit(pixels)
    dark = (pixels[:3] > 128).astype(np.uint8)
    codes = fitted.transform(np.concatenate([dark, pixels]))[:3]
    for dtype in (np.uint8, np.int64):
        np.testing.assert_allclose(fitted.transform(dark.astype(dtype)), codes, rtol=1e-5)


def test_other_scales_are_refused(pixels, rng):
    with pytest.raises(ValueError, match="X: expected pixels of 0 to 255, as in fit, or what"):
        model().fit(pixels).transform((pixels > 128).astype(np.float32))
    scaled = model().fit(np.float32(pixels) / 255)
    for call in (scaled.transform, scaled.score_samples, scaled.partial_fit):
        with pytest.raises(ValueError, match="X: expected numbers from 0 to 1, as in fit, got pix"):
            call(pixels)
    with pytest.raises(ValueError, match="X_val: expected numbers from 0 to 1, as in fit"):
        model().fit(np.float32(pixels) / 255, X_val=pixels)
    wide = model().fit(rng.normal(size=(40, 16)) * 100)
    wide.transform(pixels.reshape(40, 16))  # nothing speaks against it


def test_streams_decide_once(pixels):
    """Of all batches, some of which may be dark."""
    dark = (pixels[:16] > 128).astype(np.uint8)
    whole = np.concatenate([dark, pixels])
    batches = [whole[i : i + 8] for i in range(0, len(whole), 8)]
    stream = model(shuffle=False, batch_size=8).fit(batches.__iter__)
    plain = model(shuffle=False, batch_size=8).fit(whole)
    np.testing.assert_array_equal(stream.transform(dark), plain.transform(dark))
    assert stream.history_[-1]["loss"] == plain.history_[-1]["loss"]


def test_files_and_copies_keep_it(pixels, tmp_path):
    fitted = model().fit(pixels)
    fitted.save(tmp_path / "m.safetensors")
    for again in (ae.load(tmp_path / "m.safetensors"), pickle.loads(pickle.dumps(fitted))):
        for X in (pixels, pixels.astype(np.float64), np.float32(pixels) / 255):
            np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    binary = model().fit((pixels > 128).astype(np.uint8))
    binary.save(tmp_path / "b.safetensors")
    again = ae.load(tmp_path / "b.safetensors")
    X = (pixels > 128).astype(np.uint8)
    np.testing.assert_array_equal(again.transform(X), binary.transform(X.astype(np.float32)))


def test_a_classifier_reads_as_its_stack_does(pixels):
    X = pixels.reshape(40, 16)
    stack = ae.StackedAutoencoder(ae.Dense((8,)), 3, **KW).fit(X)
    dark, y = (X[:20] > 128).astype(np.uint8), np.arange(20) % 2
    one = ae.SoftmaxClassifier(stack, **KW).fit(dark, y)
    assert one._network.reader.pixels
    np.testing.assert_allclose(
        one.predict_proba(dark), one.predict_proba(dark.astype(np.int64)), rtol=1e-5
    )
