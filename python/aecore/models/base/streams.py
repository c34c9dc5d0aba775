"""How models read a stream of batches, which `fit` takes in place of an array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base import names
from ...data import weights
from ...data.batches import Input
from ...data.conditions import Conditioner, check_length, conditions
from ...data.readers import Reader
from ...data.rows import Rows, RowsInput
from ...data.streams import Item, Stream, StreamInput, Summary
from . import beside
from .own_rows import summary_of

if TYPE_CHECKING:
    from .model import BaseModel


def read_stream(
    model: BaseModel, given: Item, going_on: bool
) -> tuple[Conditioner | None, StreamInput | RowsInput]:
    """Look through a stream once: check its batches, and learn what they have in common.

    Raises
    ------
    TypeError, ValueError
        For arguments that a stream doesn't go with, and for an invalid batch, by its number.
    """
    _check_beside(model, given)
    X, stream, labels, found = given.X, Stream(given.X), list[Any](), list[Any]()
    like = model._network.reader if going_on else None
    summary = model._reader.summary(model) if like is None else Summary()
    targets: Summary | None = None
    for number, item in enumerate(stream, 1):
        try:
            data, own, target, weight = model._read_stream_batch(item, like)
            summary.add(data)
            if target is not None:
                targets = targets or Summary()
                targets.add(target)
            if len(summary) != len(targets or summary):
                raise ValueError("expected targets with every batch or with none")
            if going_on and number == 1:
                model._check_names(data.columns)
            if own is not None:
                check_length(own, len(data))
            labels.append(own)
            found.append(weight)
        except (TypeError, ValueError) as error:
            raise type(error)(f"batch {number}: {error}") from None
        if not going_on and number == 1:
            model._warn_of_traps(data, target is not None)
    y = joined(labels) if model._takes_y else None
    known = summary_of(summary)
    if targets is not None:
        targets = summary_of(targets)
    if not len(summary):
        raise ValueError("X: expected at least one batch, got none")
    if going_on:
        conditioner = model._network.conditioner
    else:
        conditioner = model._conditioner(y, len(summary))

    factors = beside.class_factors(model, conditioner, y)
    if factors is not None:
        places = [conditions(conditioner, own, len(own)) for own in labels]
        found = [beside.weighted(*pair, factors) for pair in zip(found, places, strict=True)]
    total = beside.scale_of(found)
    reader = like
    if reader is None:
        reader = model._reader.of(model, known)
        if targets is not None:
            reader.target = Reader.of(model, targets)

    def read(item: Item) -> Input:
        data, own, target, weight = model._read_stream_batch(item, reader)
        condition = conditions(conditioner, own, len(data))
        weight = beside.weighted(weight, condition, factors)
        if weight is not None:
            weight = weights.scaled(weight, *total)
        return Input(data, condition, target, weight)

    if isinstance(X, Rows):
        return conditioner, RowsInput(X, known, read, targets)
    return conditioner, StreamInput(stream, known, read, targets)


def read_rows(
    model: BaseModel, given: Item, alone: bool = False, compares: bool = False
) -> RowsInput:
    """Return rows for a fitted model, which are checked when they are read.

    `alone` leaves out what accompanies the samples; `compares` is as of `BaseModel._input`.
    """
    rows: Rows = given.X
    for name, value in given.beside.items():
        raise ValueError(f"{name}: expected None, as rows have their own, got {value!r}")

    def read(item: Item) -> Input:
        if alone:
            return Input(model._samples(item.X, item.sample_mask))
        return model._read_input(item, compares, stream=True)

    known = Summary.like(model._fitted().input_shape, model._names_in, len(rows))
    return RowsInput(rows, known, read)


def rows_to_validate(
    model: BaseModel, rows: Rows, reader: Reader, conditioner: Conditioner | None, names_in: Any
) -> RowsInput:
    """Return rows to validate on, which are checked when they are read."""

    def read(item: Item) -> Input:
        item = beside.placed(model, item, stream=True)
        data = reader.read(model, item.X, item.sample_mask, name="X_val", longer=True)
        names.check(type(model).__name__, names_in, data.columns, "X_val")
        target = beside.read_target(model, item, data, reader, "X_val: target")
        model._check_data(data if target is None else target, "X_val")
        y = model._read_y(item.y)
        return Input(data, model._conditions(conditioner, y, len(data)), target)

    return RowsInput(rows, Summary.like(reader.shape, names_in, len(rows)), read)


def joined(parts: Iterable[Any]) -> Any:
    """Return the conditions of all batches; ValueError unless each has some, or none has."""
    found = list(parts)
    missing = [number for number, part in enumerate(found, 1) if part is None]
    if len(missing) == len(found):
        return None
    if missing:
        raise ValueError(
            f"batch {missing[0]}: y: expected labels or properties, as with other batches, got None"
        )
    if all(isinstance(part, list) for part in found):  # of rows of words and numbers, say
        return [row for part in found for row in part]
    return np.concatenate(found)


def _check_beside(model: BaseModel, given: Item) -> None:
    for name, value in given.beside.items():
        raise ValueError(
            f"{name}: expected None where X gives batches, which may be (X, y), "
            "(X, y, sample_mask) or dictionaries with the names of arguments, got "
            f"{type(value).__name__}"
        )
    if model.validation_fraction:
        raise ValueError(
            "validation_fraction: expected 0 where X gives batches, of which none are held out, "
            f"got {model.validation_fraction}; X_val takes samples to validate on"
        )
