r"""Lossy compression with an autoencoder: samples become the bytes of their codes.

`compress` encodes samples and writes their codes in as few bytes as it can, `decompress` decodes
them. The indices of a `VQVAE` are integers already. The coordinates of continuous codes are
quantised uniformly over the range that they have in the data,

.. math:: k = \mathrm{round} \Bigl( (2^b - 1) \frac{z - z_{\min}}{z_{\max} - z_{\min}} \Bigr),
    \qquad \hat z = z_{\min} + \frac{k}{2^b - 1} (z_{\max} - z_{\min})

with b bits a coordinate. The symbols are then packed into that many bits, or coded by an adaptive
range coder, whichever takes fewer bytes. The coder takes about as many bits as the entropy of the
symbols' frequencies, which both sides learn from the symbols as they come: no table is sent.

The bytes, all numbers little-endian: ``aec`` and a version, the fingerprint of the model (8), the
number of samples (8), the kind of codes (1: 0 for indices, 1 for quantised codes), their number of
axes (1) and the length of each axis (4), the contexts of the coder (4) and its bits (1), both 0 if
bits are packed; then the size of the codebook (4), or for each coordinate bits (1), lowest (4) and
highest value (4); the symbols; and the CRC-32 of everything before (4).

References
----------
I. Witten, R. Neal and J. Cleary, "Arithmetic coding for data compression", Communications of the
ACM 30(6), 1987. G. Martin, "Range encoding: an algorithm for removing redundancy from a digitised
message", 1979. R. Krichevsky and V. Trofimov, "The performance of universal encoding", IEEE
Transactions on Information Theory 27(2), 1981. J. Ballé, V. Laparra and E. Simoncelli, "End-to-end
optimized image compression", ICLR 2017.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..base import checks
from ..models import VQVAE
from ..models.base.coding import BaseAutoencoder
from . import _packing

__all__ = ["UniformQuantizer", "compress", "decompress"]


def __dir__() -> list[str]:
    return __all__


MAGIC = b"aec\x01"
INDICES, QUANTIZED = 0, 1
MAX_BITS = 16  # of a coordinate
DEFAULT_BITS = 8
FREE_BYTES = 1 << 28  # of samples, however few bytes they were
SAMPLES_PER_BYTE = 8


class UniformQuantizer(NamedTuple):
    """Rounds each of D coordinates to evenly spaced values.

    Attributes
    ----------
    bits : ndarray of uint8, shape (D,)
    low, high : ndarray of float32, shape (D,)
        The first and the last of 2 ** bits values; a single value if both are the same.
    """

    bits: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def over(cls, codes: np.ndarray, bits: np.ndarray) -> UniformQuantizer:
        """Return a quantiser for the range of some codes; 0 bits leave the mean alone."""
        low, high = codes.min(0), codes.max(0)
        mean = codes.mean(0, dtype=np.float64).astype(np.float32)
        return cls(bits, np.where(bits > 0, low, mean), np.where(bits > 0, high, mean))

    @property
    def sizes(self) -> np.ndarray:
        """The number of values of each coordinate."""
        return np.where(self.high > self.low, np.int64(1) << self.bits.astype(np.int64), 1)

    def quantize(self, codes: np.ndarray) -> np.ndarray:
        """Return the indices (N, D) of the nearest values."""
        places = np.rint((codes - self.low.astype(np.float64)) / self._step())
        return np.clip(places, 0, self.sizes - 1).astype(np.int64)

    def dequantize(self, symbols: np.ndarray) -> np.ndarray:
        """Return the codes (N, D) for indices of values."""
        return (self.low + symbols * self._step()).astype(np.float32)

    def _step(self) -> np.ndarray:
        width = self.high.astype(np.float64) - self.low
        return np.where(width > 0, width / np.maximum(self.sizes - 1, 1), 1.0)


def compress(
    model: Any, X: Any, y: Any = None, *, sample_mask: Any = None, bits: Any = None
) -> bytes:
    """Compress samples to the bytes of their codes, which `decompress` reconstructs.

    Many samples together take fewer bytes each: the header, and what the coder learns about their
    codes, are paid for once. A `VAE` is represented by its means.

    Parameters
    ----------
    model : Autoencoder, VAE, VQVAE or another fitted model with codes
    X : array-like, shape (N, ...), or list of arrays (T_i, F)
        Samples, as `transform` takes them.
    y : array-like, optional
        The condition of a `CVAE`. It isn't in the bytes: `decompress` needs it too.
    sample_mask : array-like of bool, optional
        As in `transform`.
    bits : int, or sequence of int, shape (D,), optional
        b: the bits of each coordinate of continuous codes before they are coded, 1 to 16, by
        default 8; or one number for each coordinate, where 0 leaves its mean. None for a `VQVAE`.

    Returns
    -------
    bytes

    Raises
    ------
    TypeError, ValueError
        The model has no codes, `transform` doesn't take the samples, or they are larger or smaller
        than those in fit.

    Notes
    -----
    The coder uses integer arithmetic, so codes return exactly on every machine. The probabilities
    of a prior such as `PixelCNN` would take still fewer bits; but they are floats, which two kinds
    of machines round differently, and a decoder that is off by one bit reads noise from there on.

    References
    ----------
    I. Witten, R. Neal and J. Cleary, "Arithmetic coding for data compression", Communications of
    the ACM 30(6), 1987; see the module for the others.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((1000, 20), np.float32)
    >>> model = ae.Autoencoder(ae.Dense((16,)), latent_dim=3, epochs=2, random_state=0).fit(X)
    >>> data = ae.compress(model, X, bits=4)
    >>> X.nbytes, len(data)  # 3 codes of 4 bits would be 1500
    (80000, 1348)
    >>> ae.decompress(model, data).shape
    (1000, 20)
    >>> ae.metrics.rate_distortion(X, ae.decompress(model, data), data).bits_per_sample
    10.784
    """
    width = _code_width(model)
    if isinstance(model, VQVAE):
        if bits is not None:
            raise ValueError(
                f"bits: expected None for a VQVAE, whose codes are whole numbers, got {bits!r}"
            )
        codes = _codes(model, X, y, sample_mask)
        header, symbols, sizes = _encode_indices(model, codes)
        # frequencies may differ between codebooks, or between places
        codings = {(c, _packing.ALL_BITS) for c in (_codebooks(model), symbols.shape[1])}
    else:
        depth = _read_bits(bits, width)
        codes = _codes(model, X, y, sample_mask)
        header, symbols, sizes = _encode_points(codes.reshape(len(codes), -1), depth)
        # for evenly spread values: as many bins as a histogram of so many samples would have
        coarse = math.ceil(math.log2(2 * max(1, len(codes)) ** (1 / 3)))
        codings = {(width, learned) for learned in (_packing.ALL_BITS, coarse)}
    packed = _packing.pack(symbols, sizes, sorted(codings))
    kind = INDICES if isinstance(model, VQVAE) else QUANTIZED
    start = struct.pack("<4s8sQBB", MAGIC, _fingerprint(model), len(codes), kind, codes.ndim - 1)
    shape = struct.pack(f"<{codes.ndim - 1}I", *codes.shape[1:])
    coding = struct.pack("<IB", packed.contexts, packed.learned)
    data = start + shape + coding + header + packed.data
    return data + struct.pack("<I", zlib.crc32(data))


def decompress(
    model: Any, data: Any, y: Any = None, *, max_samples: int | None = None
) -> np.ndarray:
    """Return the reconstructions of samples from the bytes that `compress` gave.

    They are, bit for bit, what `inverse_transform` gives for the codes; for continuous codes, for
    the quantised ones.

    Parameters
    ----------
    model : Autoencoder, VAE, VQVAE or another model with codes
        The model that the bytes are from, with the same parameters: itself, or loaded from a file.
    data : bytes-like
    y : array-like, optional
        The condition of a `CVAE`.
    max_samples : int, optional
        How many samples may be in the bytes, whose number takes as few bytes as you like: those of
        a stranger might fill all memory. None allows what fits into 256 MiB, with 8 more for each
        byte, the fewest bits that samples take which aren't all the same.

    Returns
    -------
    ndarray of float32, shape (N, ...)
        As `inverse_transform` gives: sequences have as many steps as the longest in fit. On another
        kind of machine the last bits of the decoder's arithmetic may differ.

    Raises
    ------
    TypeError, ValueError
        The bytes are cut off, damaged, of another model, or of too many samples.
    MemoryError
        There is no room for the samples.

    References
    ----------
    See `compress`.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((50, 20), np.float32)
    >>> model = ae.VQVAE(ae.Dense((16,)), 8, 4, epochs=2, random_state=0).fit(X)
    >>> data = ae.compress(model, X)
    >>> bool((ae.decompress(model, data) == model.reconstruct(X)).all())
    True
    """
    _code_width(model)
    if max_samples is not None:
        checks.integer("max_samples", max_samples)
    return model.inverse_transform(_decode(model, data, max_samples), y)


def _code_width(model: Any) -> int:
    """Return the number of symbols in a sample's code; TypeError for a model without codes."""
    if not isinstance(model, BaseAutoencoder):
        raise TypeError(f"model: expected one with codes, like an Autoencoder, got {model!r}")
    return model._n_features_out


def _codebooks(model: VQVAE) -> int:
    return math.prod(model._quantizer.code_shape)


def _read_bits(bits: Any, width: int) -> np.ndarray:
    """Return the bits of each coordinate."""
    if bits is None:
        bits = DEFAULT_BITS
    if isinstance(bits, (str, bytes)) or not isinstance(bits, (Sequence, np.ndarray)):
        return np.full(width, checks.integer("bits", bits, 1, MAX_BITS), np.uint8)
    if checks.array("bits", bits).shape != (width,):
        raise ValueError(
            f"bits: expected a number, or one for each of the {width} coordinates, got {bits!r}"
        )
    return np.array([checks.integer("bits", b, 0, MAX_BITS) for b in bits], np.uint8)


def _fingerprint(model: BaseAutoencoder) -> bytes:
    """Return a digest of all that a model's codes and reconstructions depend on."""
    import hashlib

    network = model._fitted()
    rule = type(model).__name__, model.loss, network.input_shape
    digest = hashlib.blake2b(repr(rule).encode(), digest_size=8)
    arrays = {name: p.value for name, p in network.flat.named.items()} | dict(network.buffers())
    with network.lock:
        for name in sorted(arrays):
            digest.update(f"\n{name} {arrays[name].shape}\n".encode())
            digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.digest()


# ---- encoding -----------------------------------------------------------------------------------


def _encode_indices(model: VQVAE, codes: np.ndarray) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Return the header of codebook indices, the symbols (N, D) and the size of each column."""
    size = model._quantizer.n_codes
    symbols = codes.reshape(len(codes), math.prod(codes.shape[1:]))
    return struct.pack("<I", size), symbols, np.full(symbols.shape[1], size, np.int64)


def _encode_points(codes: np.ndarray, bits: np.ndarray) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Return the header of continuous codes, the symbols (N, D) and the size of each column."""
    if not np.isfinite(codes).all():
        raise ValueError("model: expected finite codes of the samples, got NaN or infinity")
    quantizer = UniformQuantizer.over(codes, bits)
    header = b"".join(
        values.astype(form).tobytes()
        for values, form in zip(quantizer, ("u1", "<f4", "<f4"), strict=True)
    )
    return header, quantizer.quantize(codes), quantizer.sizes


# ---- decoding -----------------------------------------------------------------------------------


class _Reader:
    """Reads bytes from the first to the last."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def bytes(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ValueError(
                f"data: expected {size} more bytes of the header, got {len(self.data) - self.at}"
            )
        self.at += size
        return self.data[self.at - size : self.at]

    def numbers(self, form: str) -> tuple[Any, ...]:
        form = f"<{form}"
        return struct.unpack(form, self.bytes(struct.calcsize(form)))

    def array(self, form: str, count: int) -> np.ndarray:
        found = np.frombuffer(self.bytes(count * np.dtype(form).itemsize), form)
        return found.astype(found.dtype.newbyteorder("="))


def _most_samples(model: BaseAutoencoder, size: int) -> int:
    """Return how many samples so many bytes may have where nobody says it."""
    values = math.prod(model._fitted().input_shape) + 4 * _code_width(model)  # of 4 bytes
    return FREE_BYTES // (4 * values) + SAMPLES_PER_BYTE * size


def _codes(model: Any, X: Any, y: Any, sample_mask: Any) -> np.ndarray:
    """Return the codes of samples; ValueError unless these are as large as in fit."""
    codes, wanted = model.transform(X, y, sample_mask=sample_mask), model._code_space.shape
    if hasattr(codes, "columns"):  # a frame, of flat codes
        codes = np.asarray(codes).reshape(-1, *wanted)
    shape, sizes = model._fitted().input_shape, set[tuple[int, ...]]()
    if model._takes_other_sizes:
        sizes = {np.shape(x)[:2] for x in X} if isinstance(X, list) else {np.shape(X)[1:3]}
    if {np.shape(code) for code in codes} - {wanted} or sizes - {shape[:2]}:
        raise ValueError(
            f"X: expected samples of shape {shape}, as in fit, since decompress gives no others"
        )
    return np.asarray(codes)


def _decode(model: BaseAutoencoder, data: Any, most: int | None = None) -> np.ndarray:
    """Return the codes, of so many samples at most, in the bytes that `compress` gave."""
    reader = _Reader(_payload(data))
    digest, n, kind, axes = reader.numbers("8sQBB")
    if digest != _fingerprint(model):
        raise ValueError(
            f"data: expected the fingerprint {_fingerprint(model).hex()} of this "
            f"{type(model).__name__}, got {digest.hex()}, of another model"
        )
    wanted = model._code_space.shape
    shape = reader.numbers(f"{min(axes, len(wanted) + 1)}I")
    if shape != wanted or (kind == INDICES) != isinstance(model, VQVAE):
        raise ValueError(f"data: expected codes of shape {wanted}, got {shape}")
    if most is None:
        most = _most_samples(model, len(reader.data))
    if n > most:
        raise ValueError(
            f"data: expected at most {most} samples, got {n}; max_samples={n} takes them, if you "
            "know where the bytes are from"
        )
    contexts, learned = reader.numbers("IB")
    quantizer = None
    if isinstance(model, VQVAE):
        (size,) = reader.numbers("I")
        if size != model._quantizer.n_codes:
            raise ValueError(f"data: expected {model._quantizer.n_codes} indices, got {size}")
        sizes = np.full(math.prod(shape), size, np.int64)
    else:
        quantizer = _read_quantizer(reader, math.prod(shape))
        sizes = quantizer.sizes
    packed = _packing.Packed(contexts, learned, reader.bytes(len(reader.data) - reader.at))
    try:
        symbols = _packing.unpack(packed, n, sizes)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"data: expected what compress gives: {error}") from None
    codes = symbols if quantizer is None else quantizer.dequantize(symbols)
    return codes.reshape(n, *shape)


def _payload(data: Any) -> bytes:
    """Check the first bytes and the checksum, and return the bytes between them."""
    try:
        data = bytes(memoryview(data))
    except (TypeError, ValueError):  # an array of times is a buffer of no bytes
        raise TypeError(f"data: expected bytes, got {data!r}") from None
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise ValueError(f"data: expected bytes that begin with {MAGIC!r}, got {data[:4]!r}")
    found, written = zlib.crc32(data[:-4]), int.from_bytes(data[-4:], "little")
    if found != written:
        raise ValueError(
            f"data: expected the checksum {written}, got {found}: they are cut off or damaged"
        )
    return data[len(MAGIC) : -4]


def _read_quantizer(reader: _Reader, width: int) -> UniformQuantizer:
    bits, low, high = (reader.array(form, width) for form in ("u1", "<f4", "<f4"))
    if (bits > MAX_BITS).any() or not (np.isfinite(low) & np.isfinite(high) & (low <= high)).all():
        raise ValueError("data: expected at most 16 bits and a range for each coordinate")
    return UniformQuantizer(bits, low, high)
