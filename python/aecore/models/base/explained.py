r"""How much of what differs between samples reconstructions have: the share of variance explained.

As in a regression, it is one minus the mean squared error over the variance about the mean sample,

.. math:: 1 - \frac{\sum (x - \hat x)^2}{\sum (x - \bar x)^2}

where 0 is what the mean sample alone would give, and 1 is perfect. The error is that which an epoch
reports, of validation samples where there are some, and the variance is measured once for a `fit`,
on a thousand samples at most: neither takes a pass over the data.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...data.arrays import Data
from ...data.batches import Input
from ...data.readers import Reader
from ...losses import COUNTS
from ...training import group
from ...training.progress import NUMBERS

SAMPLES = 1000  # at most, of which the variance is measured
VALUES = 1 << 21  # of these together
FEWEST = 16  # samples of which a variance says something
AT_ONCE = 1 << 14  # values
MEANINGLESS = (*COUNTS, "cross_entropy")  # losses whose samples are no positions in a space


def variance_of(model: Any, given: Input) -> float | None:
    """Return the variance of what a model is to reconstruct, a mean over values; None if unknown.

    It is known of numbers in memory.
    """
    target = getattr(given, "target", None)
    data = given.data if target is None else target
    plain = model._reader is Reader and getattr(model, "loss", None) not in MEANINGLESS
    if not plain or not hasattr(model, "reconstruct") or group.has_own_rows():
        return None
    if not isinstance(data, Data) or not data.is_in_memory or not given.data.is_in_memory:
        return None
    n = min(len(data), SAMPLES, VALUES // data.features)
    if n < FEWEST:
        return None
    rows = np.unique(np.linspace(0, len(data) - 1, n).astype(np.int64))
    at_once = max(1, AT_ONCE // data.features)
    count: Any = 0.0
    shift, first, second = None, 0.0, 0.0  # sums of values and squares, about a sample
    for batch in Input(given.data, target=target).batches(at_once, rows=rows)():
        values, seen = batch.target.reshape(batch.n, -1).astype(np.float64), np.array(True)
        if shift is not None and values.shape[1] != len(shift):  # sequences of several lengths
            return None
        if batch.mask is not None:
            seen = batch.mask.reshape(values.shape) > 0
            values[~seen] = 0  # it may be anything, NaN too
        shift = values[0].copy() if shift is None else shift
        np.subtract(values, shift, out=values, where=seen)
        count += batch.n if batch.mask is None else seen.sum(0)
        first += values.sum(0)
        values *= values
        second += values.sum(0)
    counts = np.broadcast_to(count, np.shape(first))
    total = float(np.sum(second - first**2 / np.maximum(counts, 1)))
    degrees = float(np.maximum(counts - 1, 0).sum())
    return total / degrees if degrees and total > 0 and math.isfinite(total) else None


def share_of(model: Any) -> tuple[float, str] | None:
    """Return the share of variance that a model explains, and of which samples; None if unknown."""
    variance = vars(model).get("_variance")
    records = [r for r in vars(model).get("history_", ()) if "level" not in r]
    if variance is None or not records:
        return None
    best = vars(model).get("best_epoch_")  # to which it has gone back
    record = next((r for r in reversed(records) if r.get("epoch") == best), records[-1])
    for name, samples in (("val_mse", "validation"), ("mse", "training")):
        error = record.get(name)
        if isinstance(error, NUMBERS) and math.isfinite(error):
            return 1 - float(error) / variance, samples
    return None
