"""What is said of samples that aren't like those in fit."""

import re

import aecore as ae
import numpy as np
import pytest


def fitted(arch, X):
    return ae.Autoencoder(arch, 2, epochs=1, batch_size=10, random_state=0).fit(X)


GREY, COLOUR = np.zeros((20, 31), np.float32), np.zeros((20, 31, 3), np.float32)
LIST, ARRAY = "got the shape (20, 31)", "got an array of shape (20, 31)"
OF_GREY = "; grey ones are x[..., None] for load_denoiser(1)"


@pytest.mark.parametrize(
    "X, message",
    [
        ([COLOUR, GREY], f"sample 1: expected an image (H, W, 3) of any size, {LIST}{OF_GREY}"),
        ([GREY, COLOUR], f"sample 0: expected an image (H, W, 3) of any size, {LIST}{OF_GREY}"),
        ([GREY, GREY], f"sample 0: expected an image (H, W, 3) of any size, {LIST}{OF_GREY}"),
        (GREY, f"expected images (H, W, 3) of any size, {ARRAY}{OF_GREY}"),
        (
            COLOUR,
            "expected images (H, W, 3) of any size, got one of shape (20, 31, 3): put one image",
        ),
        ([COLOUR[..., :1]], "expected images (H, W, 3) of any size, got (20, 31, 1)"),
    ],
)
def test_the_denoiser_says_which_images_it_takes(X, message):
    model = ae.load_denoiser()
    for method in (model.reconstruct, model.errors, model.score):
        with pytest.raises(ValueError, match=re.escape(f"X: {message}")):
            method(X)


def test_a_denoiser_of_grey_images_says_how_to_give_one():
    model = ae.load_denoiser(1)
    for X in ([GREY, GREY[:9]], GREY):
        with pytest.raises(ValueError, match=r"\(H, W, 1\) of any size.*; a grey one is x\[\.\.\."):
            model.reconstruct(X)
    assert [x.shape for x in model.reconstruct([GREY[..., None], GREY[:9, :, None]])] == [
        (20, 31, 1),
        (9, 31, 1),
    ]


def test_images_of_one_size_and_sequences_are_told_of_one_sample():
    X = np.random.default_rng(0).random((20, 8, 8, 1)).astype(np.float32)
    model = fitted(ae.Conv((4,)), X)
    expected = "X: expected samples of shape (8, 8, 1), as in fit, got"
    for given, message in (
        (X[0], f"{expected} (8, 1); one sample is X[None]"),
        (X[..., 0], f"{expected} (8, 8); X[..., None] has the channel"),
        (X[:, :4], f"{expected} (4, 8, 1)"),
        ([X[0, ..., 0]], "X: sample 0: expected the shape (8, 8, 1), as in fit, got (8, 8)"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            model.transform(given)
    assert model.transform(X[0][None]).shape == (1, 2)
    model = fitted(ae.LSTM(4), X[..., 0])
    with pytest.raises(ValueError, match=re.escape("got (8,); one sample is X[None]")):
        model.transform(X[0, ..., 0])


def test_a_table_s_model_refuses_sequences():
    X = np.random.default_rng(0).random((20, 5)).astype(np.float32)
    model = fitted(ae.Dense((8,)), X)
    with pytest.raises(ValueError, match=r"of shape \(5,\), as in fit, got sequences"):
        model.transform([X[:3], X[:2]])
