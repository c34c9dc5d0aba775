"""Twins of the random numbers: Philox4x32-10 in NumPy's 64-bit integers."""

import numpy as np

LOW = np.uint64(0xFFFFFFFF)


def philox(counter, key):
    """Encipher blocks: counter (4, n) and key (2,) as integers; words (4, n)."""
    c0, c1, c2, c3 = (np.asarray(c).astype(np.uint64) for c in counter)
    k0, k1 = key
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0 = p1 >> np.uint64(32) ^ c1 ^ np.uint64(k0)
        c2 = p0 >> np.uint64(32) ^ c3 ^ np.uint64(k1)
        c1, c3 = p1 & LOW, p0 & LOW
        k0, k1 = k0 + 0x9E3779B9 & 0xFFFFFFFF, k1 + 0xBB67AE85 & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3])


def random_bits(n, seed, offset=0, purpose=0):
    """Words offset to offset + n of the stream (seed, purpose), as uint64."""
    seed, offset = int(seed), int(offset)
    first = offset // 4
    blocks = (n + offset % 4 + 3) // 4
    block = np.arange(blocks, dtype=np.uint64) + np.uint64(first)
    still = np.zeros_like(block)
    counter = block & LOW, block >> np.uint64(32), still + np.uint64(purpose), still
    words = philox(counter, (seed & 0xFFFFFFFF, seed >> 32)).T.ravel()
    return words[offset % 4 : offset % 4 + n]


def _uniform(words):
    return (words >> np.uint64(8)).astype(float) * 2.0**-24


def random_uniform(shape, seed, offset=0, purpose=0):
    shape = tuple(np.atleast_1d(shape))
    words = random_bits(int(np.prod(shape, dtype=int)), seed, offset, purpose)
    return _uniform(words).reshape(shape)


def random_normal(shape, seed, offset=0, purpose=0):
    shape = tuple(np.atleast_1d(shape))
    n = int(np.prod(shape, dtype=int))
    skip = offset % 2  # pairs begin at even positions
    words = random_bits(n + skip + (n + skip) % 2, seed, offset - skip, purpose).reshape(-1, 2)
    # 31 bits rounded to float32, as the kernel takes them
    u = (words[:, 0] >> np.uint64(1)).astype(np.float32) * np.float32(2.0**-31)
    u = (u + np.float32(2.0**-32)).astype(float)
    radius = np.sqrt(-2 * np.log(u))
    angle = 2 * np.pi * _uniform(words[:, 1])
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
    return pairs.ravel()[skip : skip + n].reshape(shape)


def dropout(x, rate, seed, *, offset=0):
    kept = random_uniform(x.shape, seed, offset) >= np.float32(rate)
    return np.where(kept, x / (1 - rate), 0.0)


def dropout_backward(grad, x, rate, seed, *, offset=0):
    return dropout(grad, rate, seed, offset=offset)
