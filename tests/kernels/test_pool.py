"""What the table can't say of pooling: ties, NaN, infinities, indices and errors."""

import aecore.functional as F
import numpy as np
import pytest
import twin
from conftest import ISAS

WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 1, "padding": 2},
    {"kernel_size": (2, 3), "stride": (3, 1), "padding": (1, 2)},
]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("options", WINDOWS, ids=str)
@pytest.mark.parametrize("channels", [1, 4, 13, 32])
def test_ties_go_to_the_first(isa, options, channels, rng, workspace):
    workspace(2, isa)
    x = rng.integers(0, 3, (3, 7, 8, channels)).astype(np.float32)
    y, index = F.max_pool2d(x, **options, return_index=True)
    want, first = twin.max_pool2d(x, **options, return_index=True)
    np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(index, first)
    grad = rng.standard_normal(y.shape, np.float32)
    got = F.max_pool2d_backward(grad, x, **options)
    np.testing.assert_array_equal(got, F.max_pool2d_backward(grad, x, **options, index=index))
    np.testing.assert_allclose(got, twin.max_pool2d_backward(grad, x, **options), atol=2e-6)


def test_known_answer():
    x = np.float32([[1, 5, 2], [5, 0, -1], [3, 2, 9]]).reshape(1, 3, 3, 1)
    y, index = F.max_pool2d(x, 2, stride=1, return_index=True)
    assert y[0, :, :, 0].tolist() == [[5, 5], [5, 9]]
    assert index[0, :, :, 0].tolist() == [[1, 1], [3, 8]]
    dx = F.max_pool2d_backward(np.float32([[1, 2], [4, 8]]).reshape(1, 2, 2, 1), x, 2, stride=1)
    assert dx[0, :, :, 0].tolist() == [[0, 3, 0], [4, 0, 0], [0, 0, 8]]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("channels", [3, 8])
def test_padding_never_wins(isa, channels, workspace):
    workspace(1, isa)
    for value in (-5.0, -3e38, -np.inf):
        x = np.full((1, 4, 4, channels), value, np.float32)
        y, index = F.max_pool2d(x, 3, stride=2, padding=2, return_index=True)
        assert (y == value).all()
        assert index[0, :, :, 0].tolist() == [[0, 0, 2], [0, 0, 2], [8, 8, 10]]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("channels", [1, 5, 8, 16])
def test_nan_wins(isa, channels, workspace):
    workspace(1, isa)
    for at in range(9):
        x = np.full((1, 9, channels), 7, np.float32)
        x[0, 3], x[0, at] = np.inf, np.nan
        y, index = F.max_pool2d(x.reshape(1, 3, 3, channels), 3, return_index=True)
        assert np.isnan(y).all() and (index == at).all()
    x[:] = np.nan
    assert (F.max_pool2d(x.reshape(1, 3, 3, channels), 3, return_index=True)[1] == 0).all()


def test_foreign_index_does_no_harm():
    """What doesn't point into its window gets no gradient, and nothing outside is touched."""
    index = np.int32([-1, 2**31 - 1, 16, 0]).reshape(1, 2, 2, 1)
    x, ones = np.zeros((1, 4, 4, 1), np.float32), np.ones((1, 2, 2, 1), np.float32)
    assert not F.max_pool2d_backward(ones, x, 2, index=index).any()


def test_known_answer_of_bilinear_upsampling():
    x = np.float32([[0, 4], [8, 16]]).reshape(1, 2, 2, 1)
    y = F.upsample2d(x, mode="bilinear")
    assert y[0, :, :, 0].tolist() == [
        [0, 1, 3, 4], [2, 3.25, 5.75, 7], [6, 7.75, 11.25, 13], [8, 10, 14, 16]
    ]  # fmt: skip
    flat = np.full((2, 3, 4, 5), 7, np.float32)
    assert (F.upsample2d(flat, (3, 2), mode="bilinear") == 7).all()
    grad = F.upsample2d_backward(np.ones((2, 9, 8, 5), np.float32), flat, (3, 2), mode="bilinear")
    np.testing.assert_allclose(grad, 6, rtol=1e-6)
    np.testing.assert_array_equal(F.upsample2d(x, 1, mode="bilinear"), x)


def test_blocks_of_upsampling():
    x = np.float32([[1, 2], [3, 4]]).reshape(1, 2, 2, 1)
    y = F.upsample2d(x, (1, 3))
    assert y[0, :, :, 0].tolist() == [[1, 1, 1, 2, 2, 2], [3, 3, 3, 4, 4, 4]]
    assert F.upsample2d_backward(y, x, (1, 3)).reshape(-1).tolist() == [3, 6, 9, 12]
    assert F.upsample2d(x).shape == (1, 4, 4, 1)


@pytest.mark.parametrize(
    "message, options",
    [
        (r"padding: expected less than kernel_size \(2, 2\), got \(2, 2\)", {"padding": 2}),
        ("padding: expected at least 0", {"padding": -1}),
        ("stride: expected at least 1", {"stride": 0}),
        ("kernel_size: expected at least 1", {"kernel_size": 0}),
        ("kernel_size: expected at most 2\\^31 - 1", {"kernel_size": (2, 2**31)}),
    ],
)
def test_malformed_windows(message, options):
    x = np.zeros((1, 4, 4, 2), np.float32)
    with pytest.raises(ValueError, match=message):
        F.max_pool2d(x, **{"kernel_size": 2, **options})


def test_malformed_calls():
    x = np.zeros((1, 4, 4, 2), np.float32)
    y, index = F.max_pool2d(x, 2, return_index=True)
    with pytest.raises(ValueError, match="x: expected 4 dimensions"):
        F.max_pool2d(x[0], 2)
    with pytest.raises(TypeError, match="kernel_size: expected an integer or a pair"):
        F.max_pool2d(x, 2.0)
    with pytest.raises(TypeError, match="x: expected an array of float32"):
        F.max_pool2d(x.astype(int), 2)
    with pytest.raises(ValueError, match="expected images of 1 to"):
        F.max_pool2d(x[:, :0].copy(), 2)
    with pytest.raises(ValueError, match="4 x 4: expected an output of 2 x 2, got 2 x 1"):
        F.max_pool2d(x, 2, out=np.zeros((1, 2, 1, 2), np.float32))
    with pytest.raises(ValueError, match="grad: expected shape"):
        F.max_pool2d_backward(y[..., :1].copy(), x, 2)
    with pytest.raises(TypeError, match="index: expected an array of int32"):
        F.max_pool2d_backward(y, x, 2, index=index.astype(np.int64))
    with pytest.raises(ValueError, match='mode: expected "nearest" or "bilinear", got 3'):
        F.upsample2d(x, mode=3)
    with pytest.raises(ValueError, match="factor: expected at least 1"):
        F.upsample2d(x, 0)
    with pytest.raises(ValueError, match="4 x 4: expected an output of 8 x 8, got 8 x 4"):
        F.upsample2d(x, 2, out=np.zeros((1, 8, 4, 2), np.float32))
    with pytest.raises(ValueError, match="4 x 4: expected an output of 12 x 12, got 4 x 4"):
        F.upsample2d_backward(x, x, 3)
    with pytest.raises(ValueError, match="images of 1 to 2\\^31 - 1 pixels"):
        F.max_pool2d(np.zeros((0, 2**16, 2**16, 1), np.float32), 1)
