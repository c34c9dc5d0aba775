"""What may be passed as data: containers, number types, masks, and how little of it is copied."""

import tracemalloc

import aecore as ae
import numpy as np
import pytest
from training.test_loop import make, state


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


class ArrayLike:
    """What h5py and zarr give: shape, dtype, slicing; nothing else, and slices are counted."""

    def __init__(self, array):
        self._array, self.reads = array, []
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, key):
        assert isinstance(key, slice) and key.step in (None, 1)
        self.reads.append((key.start, key.stop))
        return self._array[key]


def bytes_data(rng, n=50):
    return rng.integers(0, 256, (n, 4, 3, 2)).astype(np.uint8)


def forms(tmp_path, data):
    """Return the same numbers in many containers."""
    mapped = np.memmap(tmp_path / "x.bin", data.dtype, "w+", shape=data.shape)
    mapped[:] = data
    mapped.flush()
    wide = np.zeros((*data.shape[:-1], 2 * data.shape[-1]), data.dtype)
    wide[..., ::2] = data
    return {
        "memmap": np.memmap(tmp_path / "x.bin", data.dtype, "r", shape=data.shape),
        "array-like": ArrayLike(data),
        "fortran": np.asfortranarray(data),
        "strided": wide[..., ::2],
        "reversed": data[::-1][::-1],
        "big endian": data.astype(data.dtype.newbyteorder(">")),
    }


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_containers_give_the_same_bits(dtype, rng, tmp_path):
    data = bytes_data(rng)
    if dtype != np.uint8:
        data = rng.standard_normal(data.shape).astype(dtype)
    options = {"corruption": ae.GaussianNoise(0.1), "validation_fraction": 0.2}
    want = make(**options).fit(data)
    for name, form in forms(tmp_path, data).items():
        got = make(**options).fit(form)
        assert state(got) == state(want), name
        np.testing.assert_array_equal(got.transform(form), want.transform(data), err_msg=name)


def test_uint8_is_scaled_and_stays_small(rng):
    data = rng.integers(0, 256, (4000, 256)).astype(np.uint8)
    scaled = make(epochs=1).fit((data / 255).astype(np.float32))
    tracemalloc.start()
    model = make(epochs=1).fit(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < data.nbytes  # a float32 copy would be four times as much
    np.testing.assert_allclose(model.transform(data), scaled.transform(data / 255), atol=1e-5)
    rebuilt = model.reconstruct(data[:5])
    assert rebuilt.dtype == np.float32 and abs(rebuilt).max() < 5
    bits = data > 127
    same = make(epochs=1).fit(bits), make(epochs=1).fit(bits.astype(np.float32))
    assert state(same[0]) == state(same[1])


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.uint16, np.float16, object])
def test_other_numbers_are_taken_as_they_are(dtype, rng):
    data = rng.integers(0, 5, (50, 12))
    want = make().fit(data.astype(np.float32))
    assert state(make().fit(data.astype(dtype))) == state(want)
    assert state(make().fit(data.tolist())) == state(want)


def test_array_likes_are_read_in_runs(rng):
    source = ArrayLike(rng.random((100, 4), dtype=np.float32))
    make(shuffle=False, epochs=1, batch_size=25).fit(source)
    assert source.reads == [(0, 100), (0, 25), (25, 50), (50, 75), (75, 100)]


def test_masked_values_take_no_part(X, rng):
    """What stands where nothing is observed changes nothing, and may be NaN."""
    mask = rng.random(X.shape) > 0.3
    holes, other = np.where(mask, X, np.nan), np.where(mask, X, 7)
    options = {"corruption": ae.GaussianNoise(0.1), "validation_fraction": 0.2}
    model = make(**options).fit(holes, sample_mask=mask)
    assert state(model) == state(make(**options).fit(other, sample_mask=mask))
    codes = model.transform(holes, sample_mask=mask)
    np.testing.assert_array_equal(codes, model.transform(np.where(mask, X, 0)))
    np.testing.assert_array_equal(make(**options).fit_transform(holes, sample_mask=mask), codes)
    rebuilt = model.reconstruct(holes, sample_mask=mask)
    assert np.isfinite(rebuilt).all()
    errors = np.where(mask, (rebuilt - X) ** 2, 0)
    np.testing.assert_allclose(model.errors(holes, sample_mask=mask), errors, atol=1e-6)
    scores = model.score_samples(holes, sample_mask=mask)
    np.testing.assert_allclose(scores, -errors.sum(1), rtol=1e-4)
    frozen = make(learning_rate=1e-30, epochs=1).fit(holes, sample_mask=mask)
    errors = ((frozen.reconstruct(holes, sample_mask=mask) - X) ** 2)[mask]
    assert frozen.history_[0]["mse"] == pytest.approx(errors.mean(), rel=1e-5)
    everything = np.ones(X.shape, bool)
    assert state(make().fit(X, sample_mask=everything))[1][0] == pytest.approx(
        state(make().fit(X))[1][0]
    )


@pytest.mark.parametrize("n, batch", [(1, 128), (5, 128), (17, 16), (3, 1)])
def test_few_samples(n, batch, X):
    model = make(batch_size=batch).fit(X[:n])
    assert len(model.history_) == 3 and model.reconstruct(X[:n]).shape == (n, 12)
    assert model._network.samples == 3 * n


def test_every_sample_is_seen_once_an_epoch(rng):
    x = np.arange(37, dtype=np.float32)[:, None] * np.ones(4, np.float32)
    seen = []
    real = ae.Autoencoder._step

    def step(self, batch):
        seen.append(batch.target[:, 0].copy())
        return real(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ae.Autoencoder, "_step", step)
        make(epochs=2).fit(x)
    epochs = np.concatenate(seen).reshape(2, 37)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(37), (2, 1)))
    assert not np.array_equal(epochs[0], epochs[1]) and not np.array_equal(epochs[0], np.arange(37))


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, list])
@pytest.mark.parametrize("hidden", [np.nan, np.inf, -1e300])
def test_what_a_mask_hides_may_be_anything(layout, hidden, X):
    """Rows that are read a few at a time are cast without a warning too."""
    mask = np.random.default_rng(0).random(X.shape) > 0.3
    model = make().fit(X)
    given = layout(np.where(mask, X.astype(np.float64), hidden))
    np.testing.assert_array_equal(
        model.transform(given, sample_mask=mask),
        model.transform(np.where(mask, X, 0), sample_mask=mask),
    )
