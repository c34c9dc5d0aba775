"""How models read a stream of batches, which `fit` takes in place of an array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.batches import Input
from ...data.conditions import Conditioner, check_length, conditions
from ...data.readers import Reader
from ...data.streams import Stream, StreamBatch, StreamInput, Summary
from .rows import summary_of

if TYPE_CHECKING:
    from .model import BaseModel


def read_stream(
    model: BaseModel, X: Any, y: Any, sample_mask: Any, going_on: bool
) -> tuple[Conditioner | None, StreamInput]:
    """Look through a stream once: check its batches, and learn what they have in common.

    Raises
    ------
    TypeError, ValueError
        For arguments that a stream doesn't go with, and for an invalid batch, by its number.
    """
    _check_beside(model, y, sample_mask)
    stream, summary, labels = Stream(X), Summary(), list[Any]()
    like = model._network.reader if going_on else None
    for number, item in enumerate(stream, 1):
        try:
            data, own = model._read_stream_batch(item, like)
            summary.add(data)
            if going_on and number == 1:
                model._check_names(data.columns)
            if own is not None:
                check_length(own, len(data))
            labels.append(own)
        except (TypeError, ValueError) as error:
            raise type(error)(f"batch {number}: {error}") from None
        if not going_on and number == 1:
            model._warn_of_traps(data)
    known = summary_of(summary)
    if not len(summary):
        raise ValueError("X: expected at least one batch, got none")
    if going_on:
        conditioner = model._network.conditioner
        model._check_loss()
    else:
        conditioner = model._conditioner(joined(labels), len(summary))

    reader = Reader.of(model, known) if like is None else like

    def read(item: StreamBatch) -> Input:
        data, own = model._read_stream_batch(item, reader)
        return Input(data, conditions(conditioner, own, len(data)))

    return conditioner, StreamInput(stream, known, read)


def joined(parts: Iterable[Any]) -> np.ndarray | None:
    """Return the conditions of all batches; None unless each has some."""
    found = list(parts)
    return None if any(part is None for part in found) else np.concatenate(found)


def _check_beside(model: BaseModel, y: Any, sample_mask: Any) -> None:
    for name, value in (("y", y), ("sample_mask", sample_mask)):
        if value is not None:
            raise ValueError(
                f"{name}: expected None where X gives batches, which may be (X, y) or "
                f"(X, y, sample_mask), got {type(value).__name__}"
            )
    if model.validation_fraction:
        raise ValueError(
            "validation_fraction: expected 0 where X gives batches, of which none are held out, "
            f"got {model.validation_fraction}; X_val takes samples to validate on"
        )
