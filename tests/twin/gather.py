"""Twins of what makes a batch. Those in C are internal and take their outputs first."""

import numpy as np

from .random import random_normal, random_uniform


def gather(source, index, scale):
    return source[index].astype(float) * np.float32(scale)


def corrupt(x, corruption, amount, low, high, seed, purpose, offset):
    """The noise of the stream's values from `offset` on, in row-major order."""
    stream = x.shape, seed, offset, purpose
    amount, low, high = np.float32([amount, low, high]).astype(float)
    if corruption is None:
        return x
    if corruption == "gaussian":
        return x + amount * random_normal(*stream)
    u = random_uniform(*stream)
    if corruption == "masking":
        return np.where(u < amount, 0.0, x)
    return np.where(u < amount / 2, low, np.where(u < amount, high, x))


def crop(image, row, column, kind, height, width):
    """A window of an image that goes on as its mirror image, in one of eight positions."""

    def mirrored(first, count, size):
        places = np.arange(first, first + count) % (2 * size)
        return np.where(places < size, places, 2 * size - 1 - places)

    if kind & 4:
        height, width = width, height
    h, w = image.shape[:2]
    window = image[mirrored(row, height, h)][:, mirrored(column, width, w)]
    window = window[:, ::-1] if kind & 1 else window
    window = window[::-1] if kind & 2 else window
    return window.transpose(1, 0, 2) if kind & 4 else window
