"""What is learned of samples before training, where each process has rows of its own: of all rows.

Every function here is called by all processes together. Where all have all rows, or one trains
alone, they exchange nothing, and return what is learned of the samples at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...data import conditions
from ...data.arrays import is_stream
from ...data.batches import BatchSource
from ...data.conditions import Conditioner, MixedConditioner
from ...data.pieces import Pieces, StreamPieces
from ...data.sparse import count_of
from ...data.streams import StreamBatches, Summary
from ...training import group
from ...training.network import Network

if TYPE_CHECKING:
    from .model import BaseModel


def check_given(model: BaseModel, X: Any) -> None:
    """Raise ValueError in all processes if one has no rows, or batches where others have none."""
    if not group.has_own_rows():
        return
    try:
        n = 1 if is_stream(X) else count_of(X)
    except TypeError:  # reading it says what is wrong
        n = 1
    found = group.over_rows((is_stream(X), n))
    if len({stream for stream, _ in found}) > 1:
        ranks = _ranks([stream for stream, _ in found])
        raise ValueError(f"comm: expected batches in every process or in none, got some on {ranks}")
    check_counts([n for _, n in found])


def check_counts(counts: list[int]) -> None:
    """Raise ValueError if a process has no rows."""
    if 0 in counts and len(counts) > 1:
        ranks = _ranks([n == 0 for n in counts])
        raise ValueError(f"comm: expected rows in every process, got none on {ranks}")


def summary_of(own: Summary) -> Summary:
    """Return what is known of all samples; its length is that of the process's own.

    Raises
    ------
    ValueError
        For samples of different shapes or columns.
    """
    found = group.over_rows(own)
    if len(found) == 1:
        return own
    check_counts([len(one) for one in found])
    ragged = any(one.ragged for one in found)
    for what, facts in (
        ("samples of the shape", [_shape(one.shape, ragged) for one in found]),
        ("the columns", [None if c is None else list(c) for c in (o.columns for o in found)]),
    ):
        others = [i for i, fact in enumerate(facts) if fact != facts[0]]
        if others:
            raise ValueError(
                f"comm: expected {what} {facts[0]} in every process, as on rank 0, got "
                f"{facts[others[0]]} on rank {others[0]}"
            )
    return own.over(found)


def conditioner_of(y: Any, n: int) -> Conditioner:
    """Return what a fresh model learns of its conditions, y of n samples."""
    if not group.has_own_rows():
        return Conditioner.learn(y, n)
    if (columns := conditions.mixed(y)) is not None:
        found = [conditioner_of(column, n) for column in columns]
        return MixedConditioner(found).named(conditions.names_of(y))
    names = conditions.names_of(y)
    y = conditions.read(y, labels=True)
    conditions.check_length(y, n)
    kinds = group.over_rows((y.shape[1:], y.dtype.kind in "US"))
    others = [i for i, kind in enumerate(kinds) if kind != kinds[0]]
    if others:
        raise ValueError(
            "y: expected labels of one type in every process, or properties of one shape (N, p), "
            f"got others on rank {others[0]} than on rank 0"
        )
    if y.ndim == 1:
        classes = np.concatenate(group.over_rows(np.unique(y)))
        return Conditioner.learn(classes, len(classes))
    means, squares, counts = zip(*group.over_rows((y.mean(0), y.var(0), n)), strict=True)
    shares = np.array(counts)[:, None] / sum(counts)
    mean = (shares * means).sum(0)
    scale = np.sqrt((shares * (squares + (np.array(means) - mean) ** 2)).sum(0))
    return Conditioner(mean=mean, scale=np.where(scale > 0, scale, 1.0)).named(names)


def optional_conditioner_of(y: Any, n: int) -> Conditioner | None:
    """Return what is learned of conditions, which all processes have or none has."""
    given = group.over_rows(y is not None)
    if len(set(given)) > 1:
        ranks = _ranks([not there for there in given])
        raise ValueError(f"y: expected conditions in every process or in none, got none on {ranks}")
    return None if y is None else conditioner_of(y, n)


def take_first_state(network: Network) -> None:
    """Give a network what the first process has learned before training, from its own rows."""
    if group.has_own_rows():
        arrays = network.arrays()
        copies = {name: array.copy() for name, array in arrays.items()}
        for name, array in group.over_rows(copies)[0].items():
            np.copyto(arrays[name], array)


def shared(batches: Any, size: int) -> BatchSource:
    """Return where training takes batches of a size from: this process's pieces of all rows."""
    together = group.current()
    if together is None or not together.own_rows:
        return batches
    counts = group.over_rows(batches.total)
    if isinstance(batches, StreamBatches):
        lengths = group.over_rows(len(batches))
        return StreamPieces(batches, lengths, group.over_rows, counts, together.rank)
    return Pieces(batches, size, counts, together.rank)


def _shape(shape: tuple[int, ...], ragged: bool) -> str:
    """Return a sample's shape, without the steps where these may differ."""
    return f"(T, {shape[1]})" if ragged and len(shape) == 2 else str(shape)


def _ranks(chosen: list[bool]) -> str:
    """Return the ranks for which something holds, for a message."""
    return "rank " + ", ".join(str(i) for i, holds in enumerate(chosen) if holds)
