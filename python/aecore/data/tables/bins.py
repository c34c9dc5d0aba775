r"""Bins of a column of numbers, which make a histogram of what a decoder says of a cell.

There are up to :math:`2 \sqrt[3]{n}` of n cells (Rice's rule), and at most 64 but for what follows.
If no more numbers are different, each has a bin of its own. Otherwise those that are more frequent
than a bin is full have one, such as the 0 that most people earned from shares; the others share the
rest in order, equally many in each bin.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

MOST = 64


def learn_bins(numbers: np.ndarray) -> list[list[float]]:
    """Return [least, largest, mean] of the numbers of each bin, in order."""
    values, counts = np.unique(numbers, return_counts=True)
    most = int(min(MOST, max(2, round(2 * len(numbers) ** (1 / 3)))))
    alone = np.full(len(values), len(values) <= most)
    rest, left = len(numbers), most
    while not alone.all() and left > 1:
        new = ~alone & (counts * left >= rest)
        if not new.any():
            break
        alone |= new
        rest, left = int(counts[~alone].sum()), left - int(new.sum())
    full = max(rest / max(left, 1), 1)
    before = np.cumsum(np.where(alone, 0, counts)) - counts / 2
    place = np.where(alone, -1, before // full)
    new_bin = alone | (np.diff(place, prepend=-2) != 0)
    first = np.flatnonzero(new_bin)
    last = np.append(first[1:], len(values)) - 1
    means = np.add.reduceat(values * counts, first) / np.add.reduceat(counts, first)
    means = np.clip(means, values[first], values[last])
    return np.stack([values[first], values[last], means], axis=1).tolist()


def check_bins(found: Any) -> None:
    """Raise ValueError unless a value from a file is what `learn_bins` gives."""
    typed = isinstance(found, list) and all(
        isinstance(b, list) and len(b) == 3 and all(type(v) is float and isfinite(v) for v in b)
        for b in found
    )
    if not typed or not 1 <= len(found) <= 2 * MOST:
        raise ValueError("table: expected three finite numbers of each bin")
    low, high, mean = np.array(found).T
    if not ((low <= mean) & (mean <= high)).all() or not (high[:-1] < low[1:]).all():
        raise ValueError("table: expected bins in order")


class CodedBins:
    """The bins of a column, and where they are in the space of its codes.

    Within a bin numbers are uniform below its mean and above it, with such weights that this is
    their mean: so that those of the last bin, which may be wide, don't lie too far out.

    Parameters
    ----------
    column : Numeric
        With bins.

    Attributes
    ----------
    edges : ndarray of float32, shape (K - 1,)
        Between the bins, as codes.
    low, means, high : ndarray of float64, shape (K,)
        Of a bin's numbers. For multiples of a step its ends are half a step farther out, so that
        all of them are as likely once they are rounded.
    below : ndarray of float64, shape (K,)
        The share of a bin's numbers that are below its mean.
    """

    def __init__(self, column: Any) -> None:
        low, high, self.means = np.array(column.bins, np.float64).T
        self._coded = column.coded
        self.edges = self._coded((high[:-1] + low[1:]) / 2)
        self._ends = self._coded(np.array([low[0], high[-1]]))
        self.alone = low == high
        margin = np.where(self.alone, 0, column.step / 2)
        self.low, self.high = low - margin, high + margin
        self.below = (self.high - self.means) / np.where(self.alone, 1, self.high - self.low)

    def __len__(self) -> int:
        return len(self.means)

    def _places(self, codes: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.edges, codes, side="right")

    def find(self, codes: np.ndarray) -> np.ndarray:
        """Return the bin of each code, float32, NaN where it is missing."""
        found = self._places(codes).astype(np.float32)
        return np.where(np.isnan(codes), np.float32(np.nan), found)

    def beyond(self, codes: np.ndarray) -> np.ndarray:
        """Return how far codes are from those of fit, in deviations of the column; NaN has 0."""
        return np.nan_to_num(codes - np.clip(codes, *self._ends))

    def expected(self, chances: np.ndarray) -> np.ndarray:
        """Return the codes (n,) of the expected numbers, for probabilities of the bins (n, K)."""
        codes: np.ndarray = self._coded(np.einsum("nk,k->n", chances, self.means))
        return codes

    def drawn(self, bins: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Return the codes (n,) of numbers in bins, at places 0..1 of their distributions."""
        at = bins.astype(np.int64)
        low, mean, high, below = (v[at] for v in (self.low, self.means, self.high, self.below))
        with np.errstate(divide="ignore", invalid="ignore"):
            lower = low + (mean - low) * uniform / below
            upper = mean + (high - mean) * (uniform - below) / (1 - below)
        numbers = np.where(self.alone[at], mean, np.where(uniform < below, lower, upper))
        codes: np.ndarray = self._coded(numbers)
        return codes

    def below_number(self, number: float) -> np.ndarray:
        """Return which share of each bin's numbers is below a number, (K,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            lower = self.below * (number - self.low) / (self.means - self.low)
            upper = (number - self.means) / (self.high - self.means)
        upper = self.below + (1 - self.below) * upper
        share = np.where(number < self.means, lower, upper)
        return np.where(self.alone, number >= self.means, np.clip(np.nan_to_num(share), 0, 1))

    def log_density(self, codes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density of numbers (n,) within their bins.

        Numbers that have a bin of their own keep their probability, and have 0, as missing ones do.
        """
        at = self._places(codes)
        with np.errstate(divide="ignore", invalid="ignore"):
            lower = np.log(self.below / (self.means - self.low))
            upper = np.log((1 - self.below) / (self.high - self.means))
        inner = ~self.alone[at] & ~np.isnan(codes)
        return np.where(inner, np.where(numbers < self.means[at], lower[at], upper[at]), 0.0)

    def restore(self, codes: np.ndarray, numbers: np.ndarray) -> None:
        """Write the numbers that have bins of their own, which a code of 32 bits blurs."""
        at = self._places(codes)
        own = self.alone[at] & (codes == self._coded(self.means)[at])
        numbers[own] = self.means[at[own]]
