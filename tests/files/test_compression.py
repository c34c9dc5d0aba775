"""Samples as bytes: exact round trips, rates near the entropy, and damage that is noticed."""

import struct
import zlib

import aecore as ae
import numpy as np
import pytest
from aecore import compression
from aecore.compression import _packing
from hypothesis import given, settings
from hypothesis import strategies as st

KW = {"epochs": 1, "batch_size": 16, "random_state": 0}
SMALL = ae.Dense((8,))


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).random((60, 12), np.float32)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (20, 9, 7, 3), np.uint8)


@pytest.fixture(scope="module")
def coder(X):
    return ae.Autoencoder(SMALL, 3, **KW).fit(X)


@pytest.fixture(scope="module")
def quantized(X):
    return ae.VQVAE(SMALL, 8, 3, **KW).fit(X)


def rounded(codes, bits):
    """Each coordinate at the nearest of 2 ** bits even steps over its range."""
    codes, out = np.float64(codes), []
    for column, b in zip(codes.T, np.broadcast_to(bits, codes.shape[1]), strict=True):
        low, high = column.min(), column.max()
        steps = np.linspace(low, high, 2 ** int(b)) if b else column.mean(keepdims=True)
        out.append(steps[np.abs(column[:, None] - steps).argmin(1)])
    return np.stack(out, 1)


# ---- symbols as bytes ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 100])
@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 512, 2**16])
def test_packed_bits(n, size, rng):
    sizes = np.array([size, 1, 5, size])
    symbols = rng.integers(0, sizes, (n, 4))
    data = _packing._pack_bits(symbols, sizes)
    width = 2 * int(np.ceil(np.log2(size))) + 3
    assert len(data) == _packing.packed_size(n, sizes) == -(-n * width // 8)
    np.testing.assert_array_equal(_packing._unpack_bits(data, n, sizes), symbols)
    # the same bits as text, one sample after another, the highest bit first
    widths = [int(np.ceil(np.log2(s))) for s in sizes]
    text = "".join(
        format(v, f"0{w}b") for row in symbols for v, w in zip(row, widths, strict=True) if w
    )
    assert data == int(text.ljust(8 * len(data), "0") or "0", 2).to_bytes(len(data), "big")


def test_packed_bits_in_blocks(rng, monkeypatch):
    sizes = np.array([3, 700])
    symbols = rng.integers(0, sizes, (301, 2))
    whole = _packing._pack_bits(symbols, sizes)
    monkeypatch.setattr(_packing, "_BLOCK", 1)
    assert _packing._pack_bits(symbols, sizes) == whole
    np.testing.assert_array_equal(_packing._unpack_bits(whole, 301, sizes), symbols)


def test_packed_bits_are_read_strictly():
    sizes = np.array([5])
    for data, n, text in (
        (b"\x00", 3, "expected 2 bytes"),
        (b"\x00\x00\x00", 3, "expected 2 bytes"),
        (b"\x01", 1, "behind the last sample"),
    ):
        with pytest.raises(ValueError, match=text):
            _packing._unpack_bits(data, n, sizes)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_symbols_return(data):
    contexts, repeats = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    n, skew = data.draw(st.integers(0, 60)), data.draw(st.floats(0.01, 1))
    own = data.draw(st.lists(st.integers(1, 5000), min_size=contexts, max_size=contexts))
    sizes = np.array(own * repeats)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    symbols = np.minimum(rng.geometric(skew, (n, len(sizes))) - 1, sizes - 1)
    ways = [(contexts, 24), (len(sizes), data.draw(st.integers(1, 24)))]
    packed = _packing.pack(symbols, sizes, ways)
    np.testing.assert_array_equal(_packing.unpack(packed, n, sizes), symbols)
    assert len(packed.data) <= _packing.packed_size(n, sizes)


def test_the_shortest_way_is_taken(rng):
    sizes = np.full(4, 16)
    even, skewed = rng.integers(0, 16, (50, 4)), np.minimum(rng.geometric(0.7, (50, 4)) - 1, 15)
    assert _packing.pack(even, sizes, [(1, 24), (4, 24)])[:2] == (0, 0)
    assert _packing.pack(skewed, sizes, [(1, 24), (4, 24)])[:2] == (1, 24)
    # four places, each always with a number of its own: that is learned apart
    fixed = np.repeat([[3, 9, 1, 14]], 200, axis=0)
    assert _packing.pack(fixed, sizes, [(1, 24), (4, 24)])[:2] == (4, 24)
    # a smooth density over many values is learned by its highest bits
    smooth = np.clip(2000 + 300 * rng.standard_normal((500, 1)), 0, 4095).astype(np.int64)
    packed = _packing.pack(smooth, np.array([4096]), [(1, 5), (1, 24)])
    assert packed[:2] == (1, 5)
    entropy = np.log2(300 * np.sqrt(2 * np.pi * np.e))
    assert 8 * len(packed.data) / 500 == pytest.approx(entropy, abs=0.3)


def test_ways_that_pack_never_takes():
    for packed, text in (
        (_packing.Packed(0, 0, b"\xa0"), "below the sizes of their columns"),
        (_packing.Packed(1, 24, b"\xff" * 9), "out of its range"),
    ):
        with pytest.raises(ValueError, match=text):
            _packing.unpack(packed, 1, np.array([5]))
    # two columns of different sizes in one context
    mixed = _packing.Packed(1, 24, _packing._encode(np.array([[7, 7]]), np.array([8, 8]), 1, 24))
    with pytest.raises(ValueError, match="below the sizes of their columns"):
        _packing.unpack(mixed, 1, np.array([8, 3]))
    for contexts, learned in ((0, 3), (2, 0), (3, 24)):
        with pytest.raises(ValueError, match="expected contexts that divide 2 columns"):
            _packing.unpack(_packing.Packed(contexts, learned, b""), 1, np.array([4, 4]))


# ---- models -------------------------------------------------------------------------------------

QUANTIZERS = {
    "plain": {"codebook_size": 8, "code_dim": 3},
    "odd": {"codebook_size": 7, "code_dim": 3},
    "loss": {"codebook_size": 8, "code_dim": 3, "codebook": "loss"},
    "cosine": {"codebook_size": 8, "code_dim": 3, "distance": "cosine"},
    "residual": {"codebook_size": 8, "code_dim": 3, "quantizers": 3},
    "levels": {"levels": (4, 3, 5)},
    "projections": {"codebook_size": 8, "code_dim": 4, "projection_dim": 2, "groups": 2},
    "levels in steps": {"levels": (4, 3), "quantizers": 2},
    "bits": {"code_bits": 3, "groups": 2},
}


@pytest.mark.parametrize("n", [1, 2, 20])
@pytest.mark.parametrize("kind", QUANTIZERS)
@pytest.mark.parametrize("arch", [ae.ResNet(8, 4, 1), ae.Dense((8,))], ids=repr)
def test_indices_return_bit_for_bit(arch, kind, n, images):
    model = ae.VQVAE(arch, **QUANTIZERS[kind], **KW).fit(images)
    data = ae.compress(model, images[:n])
    codes = model.transform(images[:n])
    np.testing.assert_array_equal(compression._decode(model, data), codes)
    assert compression._decode(model, data).dtype == np.int64
    wanted = model.inverse_transform(codes)
    np.testing.assert_array_equal(ae.decompress(model, data), wanted)
    assert wanted.shape == images[:n].shape
    header = 4 + 8 + 8 + 1 + 1 + 4 * (codes.ndim - 1) + 5 + 4 + 4
    width = int(np.ceil(np.log2(model._quantizer.n_codes)))
    assert len(data) <= header + -(-codes.size * width // 8)


@pytest.mark.parametrize("bits", [1, 2, 5, 8, 11, 16, (3, 0, 16)])
@pytest.mark.parametrize("n", [1, 2, 60])
def test_steps_return_bit_for_bit(n, bits, X, coder):
    data = ae.compress(coder, X[:n], bits=bits)
    codes = coder.transform(X[:n])
    found = compression._decode(coder, data)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, rounded(codes, bits), rtol=0, atol=3e-7)
    np.testing.assert_array_equal(ae.decompress(coder, data), coder.inverse_transform(found))
    # no further from the codes than half a step
    deep = np.broadcast_to(bits, 3) > 0
    width = (codes.max(0) - codes.min(0))[deep] / (2.0 ** np.broadcast_to(bits, 3)[deep] - 1)
    assert (np.abs(found - codes)[:, deep] <= width / 2 + 1e-6).all()
    if n == 1:
        np.testing.assert_array_equal(found, codes)


def test_every_model_with_codes(X):
    y = np.arange(60) % 3
    for model, condition in (
        (ae.VAE(SMALL, 3, **KW), None),
        (ae.CVAE(SMALL, 3, **KW), y),
        (ae.AdversarialAutoencoder(SMALL, 3, discriminator_widths=(4,), **KW), None),
        (ae.StackedAutoencoder(SMALL, 3, pretrain_epochs=1, **KW), None),
        (ae.Recirculation(3, **KW), None),
        (ae.Autoencoder(SMALL, 3, penalty=ae.TopK(1), loss="bce", **KW), None),
    ):
        model.fit(X, condition)
        data = ae.compress(model, X, condition, bits=7)
        wanted = rounded(model.transform(X, condition), 7).astype(np.float32)
        found = ae.decompress(model, data, condition)
        wanted = model.inverse_transform(wanted, condition)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    model = ae.CVAE(SMALL, 3, **KW).fit(X, y)
    data = ae.compress(model, X, y)
    with pytest.raises(ValueError, match="y: expected labels"):
        ae.decompress(model, data)
    with pytest.raises(ValueError, match="y: expected 60 conditions"):
        ae.decompress(model, data, y[:3])


def test_default_bits_and_threads(X, coder):
    data = ae.compress(coder, X)
    assert data == ae.compress(coder, X, bits=8) == ae.compress(coder, X, bits=[8, 8, 8])
    before = ae.get_num_threads()
    try:
        for threads in (1, 2, 3):
            ae.set_num_threads(threads)
            assert ae.compress(coder, X) == data
    finally:
        ae.set_num_threads(before)


def test_masks_and_sequences(X, rng):
    mask = rng.random(X.shape) < 0.7
    holes = np.where(mask, X, np.nan)
    model = ae.Autoencoder(SMALL, 3, **KW).fit(holes, sample_mask=mask)
    data = ae.compress(model, holes, sample_mask=mask)
    assert data == ae.compress(model, np.where(mask, X, 0))
    sequences = [rng.random((length, 2)) for length in (3, 5, 2, 4)]
    for model in (
        ae.Autoencoder(ae.LSTM(4), 3, **KW).fit(sequences),
        ae.VQVAE(ae.LSTM(4), 8, 3, **KW).fit(rng.random((9, 5, 2))),
    ):
        given = sequences if isinstance(model, ae.Autoencoder) else rng.random((9, 5, 2))
        data = ae.compress(model, given)
        wanted = model.inverse_transform(compression._decode(model, data))
        np.testing.assert_array_equal(ae.decompress(model, data), wanted)
        assert wanted.shape == (len(given), 5, 2)


def test_frames_and_pandas_output(X, coder, quantized):
    pd = pytest.importorskip("pandas")
    data, indices = ae.compress(coder, X), ae.compress(quantized, X)
    frame = pd.DataFrame(X)
    for model, wanted in ((coder, data), (quantized, indices)):
        model.set_output(transform="pandas")
        try:
            assert ae.compress(model, frame) == wanted
        finally:
            model.set_output(transform="default")


def test_a_saved_model_decodes(X, coder, tmp_path):
    data = ae.compress(coder, X)
    coder.save(tmp_path / "model")
    loaded = ae.load(tmp_path / "model")
    assert ae.compress(loaded, X) == data
    np.testing.assert_array_equal(ae.decompress(loaded, data), ae.decompress(coder, data))
    for kind in (bytearray, memoryview, lambda d: np.frombuffer(d, np.uint8)):
        np.testing.assert_array_equal(ae.decompress(coder, kind(data)), ae.decompress(coder, data))


def test_coordinates_that_stand_still():
    """A constant code has no steps, and takes no bytes but in the header."""
    X = np.zeros((40, 6), np.float32)
    model = ae.Autoencoder(SMALL, 2, **KW).fit(X)
    data = ae.compress(model, X)
    assert len(data) == 4 + 8 + 8 + 2 + 4 + 5 + 2 * 9 + 4
    np.testing.assert_array_equal(ae.decompress(model, data), model.reconstruct(X))


def test_no_bits_for_wide_coordinates(X):
    """Its mean stands for all values of a coordinate, however far from it they are."""
    model = ae.Autoencoder(ae.Dense(()), 2, **KW).fit(X)
    for value in model.parameters_.values():
        value *= 50
    found = compression._decode(model, ae.compress(model, X, bits=(0, 16)))
    codes = model.transform(X)
    assert np.abs(codes[:, 0] - codes[:, 0].mean()).max() > 2
    np.testing.assert_allclose(found[:, 0], codes[:, 0].mean(dtype=float), rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], codes[:, 1], atol=1e-2)


def test_huge_codes():
    """A range that float32 can't hold is one of float64."""
    quantizer = compression.UniformQuantizer.over(
        np.float32([[-3e38], [3e38], [1e38]]), np.uint8([2])
    )
    np.testing.assert_array_equal(
        quantizer.quantize(np.float32([[-3e38], [3e38], [1e38]])).T, [[0, 3, 2]]
    )
    np.testing.assert_allclose(quantizer.dequantize(np.array([[1]])), [[-1e38]])
    constant = compression.UniformQuantizer.over(np.float32([[3e38], [2e38]]), np.uint8([0]))
    np.testing.assert_allclose(constant.dequantize(np.array([[0]])), [[2.5e38]], rtol=1e-6)
    np.testing.assert_array_equal(constant.quantize(np.float32([[3e38], [2e38]])), [[0], [0]])


# ---- rates --------------------------------------------------------------------------------------


def test_rate_is_near_the_entropy_of_the_indices():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 6)) * [4, 2, 1, 0.5, 0.2, 0.1]
    model = ae.VQVAE(SMALL, 64, 4, epochs=2, random_state=0).fit(X)
    codes = model.transform(X).reshape(-1)
    used = np.bincount(codes) / len(codes)
    entropy = -(used[used > 0] * np.log2(used[used > 0])).sum()
    data = ae.compress(model, X)
    rate = ae.metrics.rate_distortion(X, ae.decompress(model, data), data)
    assert entropy < rate.bits_per_sample < entropy + 64 * 6 / 4000 + 8 * 43 / 4000
    assert rate.bits_per_sample == 8 * len(data) / 4000
    assert rate.bits_per_pixel == pytest.approx(rate.bits_per_sample / 6)
    assert rate.mse == pytest.approx(np.square(X - model.reconstruct(X)).mean())


def test_more_bits_are_less_error(X, coder):
    found = []
    for bits in (1, 2, 4, 8, 16):
        data = ae.compress(coder, X, bits=bits)
        codes = compression._decode(coder, data)
        found.append((len(data), np.square(codes - coder.transform(X)).mean()))
    sizes, errors = np.array(found).T
    assert (np.diff(sizes) > 0).all() and (np.diff(errors) < 0).all()
    exact = ae.metrics.rate_distortion(X, coder.reconstruct(X), 0).mse
    got = ae.metrics.rate_distortion(X, ae.decompress(coder, data), data).mse
    assert got == pytest.approx(exact, rel=1e-3)


def test_rate_distortion_by_hand(images):
    other = images.astype(np.float64) / 255 + 0.1
    found = ae.metrics.rate_distortion(images, other, b"x" * 50)
    assert found.bits_per_sample == 20 and found.bits_per_pixel == 20 / 63
    assert found.mse == pytest.approx(0.01) and found.psnr == pytest.approx(20)
    assert found == ae.metrics.rate_distortion(images, other, 50)
    assert ae.metrics.rate_distortion(images, images, 50)[2:] == (0, np.inf)
    twice = ae.metrics.rate_distortion(images, other, 50, peak=2)
    assert twice.psnr == pytest.approx(20 + 20 * np.log10(2))
    flat = ae.metrics.rate_distortion(images.reshape(20, -1), other.reshape(20, -1), 50)
    assert flat.bits_per_pixel == 20 / (9 * 7 * 3)
    measure = ae.metrics.rate_distortion
    for call, error, text in (
        (lambda: measure(images, other[:-1], 1), ValueError, "the same shape"),
        (lambda: measure(images, other, -1), ValueError, "data: expected at least 0"),
        (lambda: measure(images, other, 1.5), TypeError, "bytes or a number"),
        (lambda: measure(images, other, "text"), TypeError, "bytes or a number"),
        (lambda: measure(images, other, 1, peak=0), ValueError, "peak: expected .* more than 0"),
        (lambda: measure(images, other * np.nan, 1), ValueError, "decoded: expected finite"),
    ):
        with pytest.raises(error, match=text):
            call()


# ---- what is refused ----------------------------------------------------------------------------


def test_malformed_calls(X, coder, quantized):
    from sklearn.exceptions import NotFittedError

    data = ae.compress(coder, X)
    gan = ae.GAN(SMALL, 3, **KW).fit(X)
    for call, error, text in (
        (lambda: ae.compress(None, X), TypeError, "model: expected one with codes"),
        (lambda: ae.compress(gan, X), TypeError, "model: expected one with codes"),
        (lambda: ae.decompress(gan, data), TypeError, "model: expected one with codes"),
        (lambda: ae.compress(ae.Autoencoder(), X), NotFittedError, "not fitted"),
        (lambda: ae.decompress(ae.VQVAE(), data), NotFittedError, "not fitted"),
        (lambda: ae.compress(coder, X[:0]), ValueError, "0 sample"),
        (lambda: ae.compress(coder, X[:, :3]), ValueError, "12 features"),
        (lambda: ae.compress(coder, X, bits=0), ValueError, "bits: expected at least 1"),
        (lambda: ae.compress(coder, X, bits=17), ValueError, "at most 16, got 17"),
        (lambda: ae.compress(coder, X, bits=2.0), TypeError, "bits: expected an integer"),
        (lambda: ae.compress(coder, X, bits=True), TypeError, "bits: expected an integer"),
        (lambda: ae.compress(coder, X, bits="8"), TypeError, "bits: expected an integer"),
        (lambda: ae.compress(coder, X, bits=(8, 8)), ValueError, "each of the 3 coordinates"),
        (lambda: ae.compress(coder, X, bits=(8, 8, 17)), ValueError, "at most 16, got 17"),
        (lambda: ae.compress(coder, X, bits=(8, 8, -1)), ValueError, "at least 0"),
        (lambda: ae.compress(coder, X, bits=(8, 8, 1.5)), TypeError, "expected an integer"),
        (
            lambda: ae.compress(quantized, X, bits=8),
            ValueError,
            "expected None for a VQVAE, .* got 8",
        ),
        (lambda: ae.decompress(coder, 3), TypeError, "data: expected bytes"),
        (lambda: ae.decompress(coder, "text"), TypeError, "data: expected bytes"),
        (lambda: ae.decompress(coder, b""), ValueError, "begin with"),
        (lambda: ae.decompress(coder, b"PNG" + data), ValueError, "begin with"),
        (lambda: ae.decompress(quantized, data), ValueError, "got .*, of another model"),
    ):
        with pytest.raises(error, match=text):
            call()


def test_codes_that_are_not_finite(X):
    broken = ae.Autoencoder(SMALL, 3, **KW).fit(X)
    broken.parameters_["encoder.1.bias"][0] = np.inf
    with pytest.raises(
        ValueError, match="expected finite codes of the samples, got NaN or infinity"
    ):
        ae.compress(broken, X)


def test_other_models_are_told_apart(X, coder):
    data = ae.compress(coder, X)
    for other in (
        ae.Autoencoder(SMALL, 3, **{**KW, "random_state": 1}).fit(X),
        ae.Autoencoder(SMALL, 3, **{**KW, "epochs": 2}).fit(X),
        ae.Autoencoder(SMALL, 4, **KW).fit(X),
        ae.VAE(SMALL, 3, **KW).fit(X),
    ):
        with pytest.raises(ValueError, match="got .*, of another model"):
            ae.decompress(other, data)
    changed = ae.Autoencoder(SMALL, 3, **KW).fit(X)
    np.testing.assert_array_equal(ae.decompress(changed, data), ae.decompress(coder, data))
    changed.parameters_["decoder.0.bias"][0] += 1e-3
    with pytest.raises(ValueError, match="got .*, of another model"):
        ae.decompress(changed, data)


@pytest.mark.parametrize("name", ["coder", "quantized"])
def test_damage_is_noticed(name, X, request):
    model = request.getfixturevalue(name)
    data = ae.compress(model, X)
    for end in range(len(data)):
        with pytest.raises(ValueError, match="^data: "):
            ae.decompress(model, data[:end])
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(ValueError, match="^data: "):
            ae.decompress(model, damaged)
    with pytest.raises(ValueError, match="^data: "):
        ae.decompress(model, data + b"\0")


@pytest.mark.parametrize("name", ["coder", "quantized"])
def test_forged_bytes_are_errors_or_codes(name, X, request):
    """With a checksum that is right, no byte leads anywhere but to an error or to samples."""
    model = request.getfixturevalue(name)
    data, rng = ae.compress(model, X)[:-4], np.random.default_rng(0)
    errors = 0
    for place in [*range(12, len(data)), *[None] * 20]:
        forged = bytearray(data)
        if place is None:
            forged = forged[: int(rng.integers(4, len(data)))]
        elif 14 <= place < 20:
            continue  # more samples than there is memory for, or than there is time for
        else:
            forged[place] ^= int(rng.integers(1, 256))
        forged += struct.pack("<I", zlib.crc32(forged))
        try:
            assert np.isfinite(ae.decompress(model, forged)).all()
        except ValueError as error:
            errors += 1
            assert str(error).startswith(("data: ", "Z: "))
    assert errors > 30


# ---- bytes of strangers --------------------------------------------------------------------------


def renumbered(data, n):
    """Return bytes with another number of samples, and a checksum that is right."""
    data = bytearray(data[:-4])
    struct.pack_into("<Q", data, 12, n)
    return bytes(data + struct.pack("<I", zlib.crc32(data)))


@pytest.mark.parametrize("name", ["coder", "quantized"])
@pytest.mark.parametrize("n", [10**8, 2**40, 2**64 - 1])
def test_few_bytes_do_not_fill_the_memory(name, n, X, request):
    model = request.getfixturevalue(name)
    with pytest.raises(ValueError, match=f"data: expected at most [0-9]+ samples, got {n}; max_s"):
        ae.decompress(model, renumbered(ae.compress(model, X), n))


def test_how_many_samples_is_said_by_who_calls(X, coder):
    data = ae.compress(coder, X)
    assert len(ae.decompress(coder, data, max_samples=len(X))) == len(X)
    with pytest.raises(ValueError, match=f"expected at most {len(X) - 1} samples, got {len(X)};"):
        ae.decompress(coder, data, max_samples=len(X) - 1)
    with pytest.raises(ValueError, match="max_samples"):
        ae.decompress(coder, data, max_samples=-1)
    with pytest.raises(TypeError, match="max_samples"):
        ae.decompress(coder, data, max_samples="all")
    alike = np.repeat(X[:1], 200_000, axis=0)  # next to no bytes, and yet taken
    data = ae.compress(coder, alike)
    assert len(data) < 1000 and len(ae.decompress(coder, data)) == len(alike)


def test_a_codebook_of_another_size_is_refused(X, quantized):
    data = bytearray(ae.compress(quantized, X)[:-4])
    size = struct.pack("<I", quantized._quantizer.n_codes)
    at = data.index(size, 22)
    struct.pack_into("<I", data, at, 2**32 - 1)
    with pytest.raises(ValueError, match="data: expected "):
        ae.decompress(quantized, bytes(data + struct.pack("<I", zlib.crc32(data))))


def test_a_message_shows_few_of_many_axes(X, coder):
    data = bytearray(ae.compress(coder, X)[:-4])
    data[21] = 255
    with pytest.raises(ValueError, match="expected codes of shape") as caught:
        ae.decompress(coder, bytes(data + struct.pack("<I", zlib.crc32(data))))
    assert len(str(caught.value)) < 100


def test_too_little_memory_is_no_damage(X, coder, monkeypatch):
    from aecore.compression import _packing

    def full(*args):
        raise MemoryError("full")

    data = ae.compress(coder, X)
    monkeypatch.setattr(_packing, "unpack", full)
    with pytest.raises(MemoryError, match="^full"):
        ae.decompress(coder, data)


# ---- maps of codes ------------------------------------------------------------------------------


def of_maps(kind):
    arch = ae.Conv((8, 8), flatten=False)
    return ae.VQVAE(arch, 16, 4, **KW) if kind == "quantized" else ae.Autoencoder(arch, 4, **KW)


@pytest.mark.parametrize("kind", ["quantized", "continuous"])
def test_maps_of_codes_come_back(kind, rng):
    X = rng.integers(0, 256, (20, 8, 8, 1), np.uint8)
    m = of_maps(kind).fit(X)
    codes = m.transform(X)
    if kind == "continuous":
        codes = rounded(codes.reshape(20, -1), 8).reshape(codes.shape).astype(np.float32)
        data = ae.compress(m, X, bits=8)
    else:
        data = ae.compress(m, X)
    found = ae.decompress(m, data)
    np.testing.assert_allclose(found, m.inverse_transform(codes), rtol=1e-4, atol=1e-4)
    assert ae.compress(m, list(X), **({"bits": 8} if kind == "continuous" else {})) == data


@pytest.mark.parametrize("kind", ["quantized", "continuous"])
@pytest.mark.parametrize("size", [(16, 12), (7, 8), (9, 9)])
def test_images_of_other_sizes_are_refused(kind, size, rng):
    m = of_maps(kind).fit(rng.integers(0, 256, (20, 8, 8, 1), np.uint8))
    others = rng.integers(0, 256, (3, *size, 1), np.uint8)
    for X in (others, [np.zeros((8, 8, 1), np.uint8), *others]):
        with pytest.raises(ValueError, match=r"X: expected samples of shape \(8, 8, 1\)"):
            ae.compress(m, X)
