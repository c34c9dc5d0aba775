"""How models read a stream of batches, which `fit` takes in place of an array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base import names
from ...data.batches import Input
from ...data.conditions import Conditioner, check_length, conditions
from ...data.rows import Rows, RowsInput
from ...data.streams import Stream, StreamBatch, StreamInput, Summary
from .own_rows import summary_of

if TYPE_CHECKING:
    from ...data.readers import Reader
    from .model import BaseModel


def read_stream(
    model: BaseModel, X: Any, y: Any, sample_mask: Any, going_on: bool
) -> tuple[Conditioner | None, StreamInput | RowsInput]:
    """Look through a stream once: check its batches, and learn what they have in common.

    Raises
    ------
    TypeError, ValueError
        For arguments that a stream doesn't go with, and for an invalid batch, by its number.
    """
    _check_beside(model, y, sample_mask)
    stream, labels = Stream(X), list[Any]()
    like = model._network.reader if going_on else None
    summary = model._reader.summary(model) if like is None else Summary()
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

    reader = model._reader.of(model, known) if like is None else like

    def read(item: StreamBatch) -> Input:
        data, own = model._read_stream_batch(item, reader)
        return Input(data, conditions(conditioner, own, len(data)))

    if isinstance(X, Rows):
        return conditioner, RowsInput(X, known, read)
    return conditioner, StreamInput(stream, known, read)


def read_rows(
    model: BaseModel, rows: Rows, y: Any, sample_mask: Any, alone: bool = False
) -> RowsInput:
    """Return rows for a fitted model, which are checked when they are read.

    `alone` leaves out what accompanies the samples.
    """
    for name, value in (("y", y), ("sample_mask", sample_mask)):
        if value is not None:
            raise ValueError(f"{name}: expected None, as rows have their own, got {value!r}")

    def read(item: StreamBatch) -> Input:
        return Input(model._samples(item.X, item.sample_mask)) if alone else model._input(*item)

    return RowsInput(
        rows, Summary.like(model._fitted().input_shape, model._names_in, len(rows)), read
    )


def rows_to_validate(
    model: BaseModel, rows: Rows, reader: Reader, conditioner: Conditioner | None, names_in: Any
) -> RowsInput:
    """Return rows to validate on, which are checked when they are read."""

    def read(item: StreamBatch) -> Input:
        data = reader.read(model, item.X, item.sample_mask, name="X_val", longer=True)
        names.check(type(model).__name__, names_in, data.columns, "X_val")
        model._check_data(data, "X_val")
        return Input(data, model._conditions(conditioner, model._read_y(item.y), len(data)))

    return RowsInput(rows, Summary.like(reader.shape, names_in, len(rows)), read)


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
