"""How far corrupted images, and what is made of them, are from clean ones, in decibels.

The peak signal-to-noise ratio of images whose values are from 0 to 1 is -10 log10 of their mean
squared error. `fit` reports it for its input and for its output where there is a corruption.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import _core
from ...base import runtime
from ...data.batches import Batch

INPUT = "mse_input"  # a sum of squares, until the end of an epoch


def is_known(model: Any) -> bool:
    """Return whether a model is trained to undo damage of images whose values are 0 to 1."""
    reader = model._network.reader
    damaged = model._corruptions()[0] is not None or reader.target is not None
    if not damaged or not reader.keeps_form or model.loss == "cross_entropy":
        return False
    wanted = reader.of_output
    span, pixels = getattr(wanted, "span", None), getattr(wanted, "pixels", False)
    if span is None:
        return False
    return bool(0 <= span[0] and span[1] <= 1 and (pixels or len(reader.shape) == 3))


def squared_error(batch: Batch) -> float:
    """Return the sum of squared differences of what a batch gives the encoder and its target."""
    errors, given = batch.tape.take((batch.n,)), batch.x.reshape(batch.target.shape)
    how = batch.mask, 1.0, runtime.current()
    _core.loss("mse", errors, None, None, given, batch.target, *how)
    return batch.sum(errors)


def of_epoch(means: dict[str, float]) -> dict[str, float]:
    """Take the squared error of an epoch's input out of its means; return the two ratios."""
    given = means.pop(INPUT, None)
    if given is None or "mse" not in means:
        return {}
    return {"psnr_input": decibels(given), "psnr": decibels(means["mse"])}


def decibels(mse: float) -> float:
    """Return the peak signal-to-noise ratio for a mean squared error of values of 0 to 1."""
    return -10 * math.log10(max(mse, float(np.finfo(np.float64).tiny)))
