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
