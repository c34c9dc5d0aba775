"""Maps drawn from a PixelCNN: codes by uniform numbers, position by position."""

from __future__ import annotations

import numpy as np

from .sampler import Sampler


def walked(
    sampler: Sampler,
    u: np.ndarray,
    known: np.ndarray,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> np.ndarray:
    """Return maps of codes (N, H, W), drawn where they aren't known.

    Parameters
    ----------
    sampler : Sampler
        At its first position.
    u : ndarray of float32, shape (N, H, W)
        Uniform in [0, 1).
    known : ndarray of int64, shape (N, H, W)
        Codes, and -1 where they are to be drawn.
    temperature, top_k
        As `tempered`'s.
    """
    codes, told = known.copy(), (known >= 0).sum(0).tolist()  # of how many maps a code is known
    n, height, width = known.shape
    ends = [i for i in range(height) if min(told[i]) < n]
    for i in range(ends[-1] + 1 if ends else 0):
        sampler.begin_row(i)
        for j in range(width):
            if i in ends:  # or else nobody asks what horizontal stacks, a row's own, have seen
                logits = sampler.logits(j)
                if told[i][j] < n:
                    drawn = sample_codes(tempered(logits, temperature, top_k), u[:, i, j])
                    codes[:, i, j] = drawn
                    if told[i][j]:
                        codes[:, i, j] = np.where(known[:, i, j] < 0, drawn, known[:, i, j])
            sampler.put(i, j, codes[:, i, j])
    return codes


def tempered(logits: np.ndarray, temperature: float, top_k: int | None) -> np.ndarray:
    """Return logits (N, E) divided by a temperature, minus infinity but for the k largest.

    A temperature of 0 leaves the largest one.
    """
    if temperature == 0:
        temperature, top_k = 1.0, 1
    if temperature != 1:
        with np.errstate(over="ignore"):  # to minus infinity
            logits = (logits - logits.max(1, keepdims=True)).astype(np.float64) / temperature
    if top_k is not None and top_k < logits.shape[1]:
        order = np.argsort(-logits, axis=1, kind="stable")[:, :top_k]
        best = np.full_like(logits, -np.inf)
        np.put_along_axis(best, order, np.take_along_axis(logits, order, 1), 1)
        return best
    return logits


def sample_codes(logits: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return codes (N,) drawn from logits (N, E) by inverting the CDF at u, uniform in [0, 1)."""
    sums = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
    np.cumsum(sums, axis=1, out=sums)
    passed = np.count_nonzero(sums <= (u * sums[:, -1])[:, None], axis=1)
    return np.minimum(passed, logits.shape[1] - 1)
